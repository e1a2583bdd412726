//! A million tokens that nobody knows, in front of one that is good.

use super::*;
use crate::authn::tests::known::counts;
use crate::testing::RSA;

/// A key set of RSA, and an issuer that is asked and does not answer.
fn authenticator_under_flood(folder: &Path) -> Authenticator {
    jwks(folder, "rsa.json", &[RSA.jwk("k")]);
    let rsa = json!({ "algorithms": ["RS256"], "keys": [{ "jwks_file": "rsa.json" }] });
    let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let asked = json!({
        "issuer": "https://asked.example/",
        "audiences": ["api"],
        "introspection": {
            "url": format!("http://{}/", closed.local_addr().unwrap()),
            "client_id": "sidegate",
            "client_secret": "f3b1c79d2e",
            "fallback": "deny",
            "breaker": { "failures": 1 },
        },
    });
    drop(closed);
    authenticator(folder, json!([issuer(rsa), asked])).unwrap()
}

fn unsigned(header: &str, claims: &str) -> String {
    let (header, claims) = (testing::base64url(header), testing::base64url(claims));
    format!("{header}.{claims}.{}", testing::base64url([7; 256]))
}

#[test]
fn a_flood_of_unknown_tokens_is_bounded_and_a_good_one_costs_no_signature() {
    let folder = TempDir::new().unwrap();
    let authenticator = authenticator_under_flood(folder.path());
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let present = |token: &str| {
        let host = HeaderValue::from_static("app.example");
        let value = HeaderValue::try_from(format!("Bearer {token}")).unwrap();
        let headers = HeaderMap::from_iter([(HOST, host), (AUTHORIZATION, value)]);
        let head = Head::new(&Method::GET, b"/", &headers).unwrap();
        runtime.block_on(authenticator.authenticate(&head, at(NOW)))
    };
    let (header, good) = (
        r#"{"alg":"RS256","kid":"k"}"#,
        claims(json!({})).to_string(),
    );
    let good = testing::token(header, &good, &RSA.private, Algorithm::RS256);
    assert!(present(&good).is_ok());
    let bytes = authenticator.verified.bytes();
    assert!(bytes > 0);

    let elsewhere = claims(json!({ "iss": "https://elsewhere.example/" })).to_string();
    let ours = claims(json!({})).to_string();
    let mut hits = 0;
    for number in 0..1_000_000 {
        let (token, error) = match number % 1000 {
            0..=9 => {
                let header = format!(r#"{{"alg":"RS256","kid":"{number}"}}"#);
                (unsigned(&header, &ours), TokenError::UnknownKey)
            }
            10..=19 => {
                let header = format!(r#"{{"alg":"RS256","kid":"k","n":{number}}}"#);
                (unsigned(&header, &elsewhere), TokenError::UnknownIssuer)
            }
            20..=21 => {
                let claims = claims(json!({ "jti": number.to_string() })).to_string();
                (unsigned(header, &claims), TokenError::Signature)
            }
            _ => (format!("opaque.{number}"), TokenError::IssuerUnavailable),
        };
        assert_eq!(present(&token), Err(error.into()));
        if number % 1000 == 0 {
            assert!(present(&good).is_ok());
            hits += 1;
            assert_eq!(authenticator.verified.bytes(), bytes);
        }
    }
    assert_eq!(counts(&authenticator), (hits, 1));
    assert!(
        authenticator
            .introspections()
            .all(|asked| asked.refusals() == 0)
    );
}
