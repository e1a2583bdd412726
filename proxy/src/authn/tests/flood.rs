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

/// What comes of a token. Nothing is waited for: whoever is asked does not answer, and is known not to.
fn present(
    authenticator: &Authenticator,
    headers: &mut HeaderMap,
    token: &str,
) -> Result<Arc<Principal>, AuthnError> {
    let value = HeaderValue::try_from(format!("Bearer {token}")).unwrap();
    headers.insert(AUTHORIZATION, value);
    let head = Head::new(&Method::GET, b"/", headers).unwrap();
    let asked = authenticator.authenticate(&head, at(NOW));
    futures_util::FutureExt::now_or_never(asked).expect("nobody is waited for")
}

fn headers() -> HeaderMap {
    HeaderMap::from_iter([(HOST, HeaderValue::from_static("app.example"))])
}

/// Makes the issuer that does not answer known as such.
fn open_breaker(authenticator: &Authenticator) {
    let mut headers = headers();
    headers.insert(AUTHORIZATION, HeaderValue::from_static("Bearer opaque"));
    let head = Head::new(&Method::GET, b"/", &headers).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let refused = runtime.block_on(authenticator.authenticate(&head, at(NOW)));
    assert_eq!(refused, Err(TokenError::IssuerUnavailable.into()));
}

/// The token of a number, which nobody knows, and what it is refused for.
fn unknown(number: u32) -> (String, TokenError) {
    const HEADER: &str = r#"{"alg":"RS256","kid":"k"}"#;
    let ours = |changes| claims(changes).to_string();
    match number % 1000 {
        0..=9 => {
            let header = format!(r#"{{"alg":"RS256","kid":"{number}"}}"#);
            (unsigned(&header, &ours(json!({}))), TokenError::UnknownKey)
        }
        10..=19 => {
            let elsewhere = format!("https://{number}.example/");
            let claims = ours(json!({ "iss": elsewhere }));
            (unsigned(HEADER, &claims), TokenError::UnknownIssuer)
        }
        20..=21 => {
            let claims = ours(json!({ "jti": number.to_string() }));
            (unsigned(HEADER, &claims), TokenError::Signature)
        }
        _ => (format!("opaque.{number}"), TokenError::IssuerUnavailable),
    }
}

#[test]
fn a_flood_of_unknown_tokens_is_bounded_and_a_good_one_costs_no_signature() {
    let folder = TempDir::new().unwrap();
    let authenticator = authenticator_under_flood(folder.path());
    open_breaker(&authenticator);
    let (header, good) = (
        r#"{"alg":"RS256","kid":"k"}"#,
        claims(json!({})).to_string(),
    );
    let good = testing::token(header, &good, &RSA.private, Algorithm::RS256);
    assert!(present(&authenticator, &mut headers(), &good).is_ok());
    let bytes = authenticator.verified.bytes();
    assert!(bytes > 0);

    // Two floods at once, of half a million each.
    std::thread::scope(|scope| {
        for half in 0..2 {
            let (authenticator, good) = (&authenticator, &good);
            scope.spawn(move || {
                let mut headers = headers();
                for number in half * 500_000..(half + 1) * 500_000 {
                    let (token, error) = unknown(number);
                    let refused = present(authenticator, &mut headers, &token);
                    assert_eq!(refused, Err(error.into()));
                    if number % 1000 == 0 {
                        assert!(present(authenticator, &mut headers, good).is_ok());
                        assert_eq!(authenticator.verified.bytes(), bytes);
                    }
                }
            });
        }
    });
    assert_eq!(counts(&authenticator), (1000, 1));
    let mut asked = authenticator.introspections();
    assert!(asked.all(|asked| asked.refusals() == 0));
}
