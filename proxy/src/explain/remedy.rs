//! What would have to be different where rows do not decide: which part of the request, which rule, which
//! dependency.
//!
//! Promise: every code has words, or its case has rows that decide.

use sidegate_policy::IdType;

use crate::decisions::Case;
use crate::outcome::Code;
use crate::route::{Access, IdSource};

/// In words; `None`: there is nothing to say.
pub(super) fn remedy(case: &Case) -> Option<String> {
    let route = case.route.as_deref();
    let code = case.code;
    if let Some((_, words)) = WORDS.iter().find(|(known, _)| *known == code) {
        return Some((*words).to_owned());
    }
    if let Code::Strict(rule) = code {
        let name = rule.name();
        return Some(format!(
            "the request would have to keep the rule `{name}`, or its route (or `hardening`) to say `relax: [{name}]`"
        ));
    }
    if code == Code::UnnamedResource {
        return place(&route?.access);
    }
    if code == Code::InsufficientScope {
        let scopes = route?.scopes.join(", ");
        return Some(format!(
            "the service key would need one of the scopes of the route: [{scopes}]"
        ));
    }
    Some(undecidable(case))
}

fn place(access: &Access) -> Option<String> {
    let (what, name) = match access {
        Access::Resource { id, .. } => match id {
            IdSource::Query(name) => ("query parameter", name.as_str()),
            IdSource::Header(name) => ("header", name.as_str()),
            IdSource::Path(_) => return None,
        },
        Access::Public | Access::Authenticated { .. } => return None,
    };
    Some(format!(
        "the request would have to have the {what} `{name}`, which names the resource, exactly once"
    ))
}

/// Of a decision of the policy that no change of rows turns.
fn undecidable(case: &Case) -> String {
    if case.basis.is_none() {
        return "the rows that it rested on were not kept: ask about the request itself".to_owned();
    }
    let unnamed = case
        .resource
        .as_ref()
        .filter(|resource| resource.id.is_none());
    match unnamed {
        Some(resource) => {
            let kind = case.policy.kind_name(resource.kind);
            let id_type = case.policy.id_type(resource.kind).map_or("", IdType::name);
            format!("the id in the request is no {id_type}: no {kind} can have it")
        }
        None => "no change of rows would do: the policy would have to be another".to_owned(),
    }
}

const FORM: &str = "the client, or whoever is between, would have to send a request that every parser reads alike: \
    `detail` says what could be read in two ways. No key relaxes this";
const DATABASE: &str =
    "the store would have to answer: `/readyz`, `/config` and `sidegate doctor` say how it is";

/// Of every code that needs nothing of its case.
const WORDS: [(Code, &str); 28] = [
    (
        Code::Public,
        "the route asks for nothing: its `access` would have to be another",
    ),
    (
        Code::Preflight,
        "a preflight is forwarded without identity: `cors.preflight` would have to say otherwise",
    ),
    (
        Code::PreflightAnswered,
        "Sidegate answers the preflight itself: `cors` would have to say otherwise",
    ),
    (
        Code::Authenticated,
        "the subject could not be looked up, and its token counted alone (`stale_if_error` of the route)",
    ),
    (Code::MalformedHead, FORM),
    (Code::MalformedTarget, FORM),
    (
        Code::HeadTooSlow,
        "the head would have to arrive whole within `limits.header_timeout`",
    ),
    (
        Code::HeadTooLarge,
        "the head would have to be smaller, or `limits.max_header_bytes` and `limits.max_headers` larger",
    ),
    (
        Code::TargetTooLong,
        "the target would have to be shorter: 8 KiB at most, of them 4 KiB and 64 segments for the path",
    ),
    (
        Code::BodyTooLarge,
        "the body would have to be shorter, or `max_body_bytes` of the route (or of `limits`) larger",
    ),
    (
        Code::BodyTimedOut,
        "the body would have to go on arriving: it was silent for `limits.read_timeout`",
    ),
    (
        Code::MalformedBody,
        "the body's chunks would have to be well formed: look at the client, and at whoever is between",
    ),
    (
        Code::Throttled,
        "fewer bad credentials would have to come from the client's address (`limits.max_failed_authentications`); \
         if that is a load balancer's, it belongs in `trusted_proxies`",
    ),
    (
        Code::DoubledCredential,
        "the request would have to carry one credential: it has two, in `Authorization`, a header, a cookie or \
         `Sec-WebSocket-Protocol` (`issuers[].sources`, `service_keys.sources`)",
    ),
    (
        Code::MissingCredential,
        "the request would have to carry a credential where the configuration looks for one: `Authorization: Bearer …`, \
         or what `issuers[].sources` and `service_keys.sources` name",
    ),
    (
        Code::InvalidCredential,
        "the credential would have to be good: `detail` says what is wrong with this one",
    ),
    (
        Code::InvalidLink,
        "the link would have to be good: `detail` says what is wrong with this one",
    ),
    (
        Code::OriginNotAllowed,
        "the `Origin` of the request would have to be one of `cors.origins`",
    ),
    (
        Code::NoRoute,
        "a rule under `routes` would have to answer this method and path: none does, and what no rule answers is \
         refused",
    ),
    (
        Code::KeysUnavailable,
        "the keys of the token's issuer would have to be there: `key_problems` of `/config` says why they are not",
    ),
    (
        Code::IssuerUnavailable,
        "the issuer that is asked about the token would have to answer: `introspection_problems` of `/config` says \
         how it fails",
    ),
    (Code::StoreUnavailable, DATABASE),
    (Code::StoreTimedOut, DATABASE),
    (Code::StoreRefused, DATABASE),
    (
        Code::StoreMalformed,
        "the store's answer would have to be understood: a view of the contract yields what it must not (two rows \
         for one id, another type). `sidegate doctor` looks for it, the log has more",
    ),
    (
        Code::DecisionTimeout,
        "the decision would have to be made within `limits.decision_timeout`: the stages say where the time went",
    ),
    (
        Code::Abandoned,
        "the client would have to wait: it left, or the connection failed, before there was a decision",
    ),
    (
        Code::Internal,
        "this is a fault of Sidegate's own: the log has it under the decision's id",
    ),
];

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::testing;

    #[test]
    fn every_code_has_words() {
        let document = testing::document(serde_json::json!([]));
        let policy = Arc::new(testing::policy(&document));
        for code in Code::all() {
            let case = Case::bare(code, Arc::clone(&policy));
            let words = remedy(&case);
            // Which parameter or scope is the route's, and it ends nowhere else.
            let needs_route = matches!(code, Code::UnnamedResource | Code::InsufficientScope);
            assert_eq!(words.is_none(), needs_route, "{}", code.name());
        }
    }
}
