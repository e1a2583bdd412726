//! What an active answer must say (RFC 7662 section 2.2), by the rules that hold for an issuer's tokens.
//!
//! Promise: a member of another type is a bad answer, never an absent one. The answer is of the issuer
//! that was asked, for one of our audiences, about a bearer access token, in its time, and names a subject.
//! What the answer may leave out is `exp`, `iat`, `nbf`, `iss` and `jti`: then the time for which it is
//! believed is its only bound.
//!
//! Does not: know a refresh token that its issuer calls active without saying what it is.

use serde_json::{Map, Value};
use sidegate_policy::{Id, IdType, UnixMicros};

use crate::authn::TokenError;
use crate::authn::claims::{AnsweredTimes, Rules, Whom};

/// What `token_type` may be (RFC 6749 section 5.1).
const BEARER: &[&str] = &["bearer"];
/// What an answer calls an access token in `typ` (Keycloak), beside the configured `token_types`.
const ACCESS_TYPES: &[&str] = &["bearer", "jwt", "at+jwt", "application/at+jwt"];
/// The same in `token_use` (Hydra, Cognito).
const ACCESS_USES: &[&str] = &["access_token", "access"];

/// Whom an answer is about.
#[derive(Debug)]
pub(super) struct Confirmed {
    pub(super) subject: Id,
    pub(super) whom: Whom,
    /// When the token was issued and until when it is good, where the issuer says so.
    pub(super) times: AnsweredTimes,
}

/// Reads an active answer.
pub(super) fn confirmed(
    rules: &Rules,
    issuer: &str,
    answer: &Map<String, Value>,
    subject_id: IdType,
    now: UnixMicros,
) -> Result<Confirmed, TokenError> {
    match answer.get("iss") {
        None => {}
        Some(Value::String(named)) if named == issuer => {}
        Some(_) => return Err(TokenError::UnknownIssuer),
    }
    for (member, accepted) in [
        ("token_type", BEARER),
        ("typ", ACCESS_TYPES),
        ("token_use", ACCESS_USES),
    ] {
        check_type(rules, answer, member, accepted)?;
    }
    let times = rules.check_answered_times(answer, now)?;
    rules.check_answered_audience(answer)?;
    let whom = rules.whom(answer)?;
    Ok(Confirmed {
        subject: Id::parse(subject_id, &whom.subject).ok_or(TokenError::Subject)?,
        whom,
        times,
    })
}

/// A refresh token, an id token and one that is bound to a key (DPoP) may all be active, and none of them
/// is a bearer access token.
fn check_type(
    rules: &Rules,
    answer: &Map<String, Value>,
    member: &str,
    accepted: &[&str],
) -> Result<(), TokenError> {
    let Some(named) = answer.get(member) else {
        return Ok(());
    };
    let named = named.as_str().ok_or(TokenError::Claim)?;
    let is = |known: &str| known.eq_ignore_ascii_case(named);
    let configured = member == "typ" && rules.token_types.iter().any(|known| is(known));
    if configured || accepted.iter().any(|known| is(known)) {
        Ok(())
    } else {
        Err(TokenError::Type)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use serde_json::json;

    use super::*;
    use crate::testing::{ALICE, NOW, at};

    const ISSUER: &str = "https://id.example/";

    fn rules(audiences: &[&str]) -> Rules {
        Rules {
            audiences: audiences
                .iter()
                .map(|audience| (*audience).to_owned())
                .collect(),
            token_types: ["special".to_owned()].into(),
            leeway: Duration::from_secs(30),
            max_lifetime: Duration::from_secs(3600),
            subject: vec!["sub".to_owned()],
            roles: Some(vec!["roles".to_owned()]),
            session: vec!["sid".to_owned()],
        }
    }

    /// What comes of a good answer with some of its members replaced; null removes one.
    fn read(rules: &Rules, changes: Value) -> Result<Confirmed, TokenError> {
        let good = json!({ "active": true, "iss": ISSUER, "aud": "api", "sub": ALICE, "exp": NOW + 60, "roles": ["a"] });
        let mut answer = good.as_object().unwrap().clone();
        answer.extend(changes.as_object().unwrap().clone());
        answer.retain(|_, value| !value.is_null());
        confirmed(rules, ISSUER, &answer, IdType::Uuid, at(NOW))
    }

    #[test]
    fn an_answer_says_whom_it_is_about_and_until_when() {
        let rules = rules(&["api"]);
        let found = read(&rules, json!({})).unwrap();
        assert_eq!(
            (found.subject.as_str(), &*found.whom.roles[0]),
            (ALICE, "a")
        );
        assert_eq!(found.times.expires_at, Some(at(NOW + 90)));
        for fine in [
            json!({ "iss": null, "roles": null, "iat": NOW - 10, "nbf": NOW + 30, "jti": "x" }),
            json!({ "aud": ["other", "api"], "token_type": "bearer", "token_use": "access_token" }),
            json!({ "exp": NOW - 29, "typ": "Bearer" }),
            json!({ "exp": NOW + 3590, "iat": NOW - 10, "typ": "SPECIAL" }),
        ] {
            assert!(read(&rules, fine.clone()).is_ok(), "{fine}");
        }
        assert_eq!(
            read(&rules, json!({ "exp": null }))
                .unwrap()
                .times
                .expires_at,
            None
        );
    }

    #[test]
    fn what_does_not_hold_here_is_refused() {
        use TokenError::*;
        let rules = rules(&["api"]);
        for (changes, error) in [
            (json!({ "iss": "https://other.example/" }), UnknownIssuer),
            (json!({ "iss": 1 }), UnknownIssuer),
            (json!({ "aud": null }), Claim),
            (json!({ "aud": "other" }), Audience),
            (json!({ "aud": 1 }), Claim),
            (json!({ "sub": null }), Claim),
            (json!({ "sub": "alice" }), Subject),
            (json!({ "exp": NOW - 30 }), Expired),
            (json!({ "exp": "soon" }), Claim),
            (json!({ "exp": 1.5 }), Claim),
            (json!({ "nbf": NOW + 31 }), NotYetValid),
            (json!({ "iat": NOW + 31 }), NotYetValid),
            (json!({ "iat": "now" }), Claim),
            (json!({ "exp": NOW + 3590, "iat": NOW - 11 }), Lifetime),
            (json!({ "roles": [1] }), Claim),
            (json!({ "jti": 1 }), Claim),
            (json!({ "token_type": "DPoP" }), Type),
            (json!({ "token_type": "refresh_token" }), Type),
            (json!({ "token_type": 1 }), Claim),
            (json!({ "token_use": "refresh_token" }), Type),
            (json!({ "typ": "Refresh" }), Type),
            (json!({ "typ": "ID" }), Type),
        ] {
            assert_eq!(
                read(&rules, changes.clone()).unwrap_err(),
                error,
                "{changes}"
            );
        }
    }

    #[test]
    fn any_audience_is_none_at_all_too_but_never_something_else() {
        let rules = rules(&[]);
        for fine in [json!(null), json!("other"), json!(["a", "b"])] {
            assert!(read(&rules, json!({ "aud": fine })).is_ok(), "{fine}");
        }
        assert_eq!(
            read(&rules, json!({ "aud": 1 })).unwrap_err(),
            TokenError::Claim
        );
    }
}
