//! Every entry point, over arbitrary bytes and over good inputs with a few bytes changed.

use proptest::prelude::*;
use proptest::sample::Index;
use serde_json::json;

use super::*;
use crate::testing::{self, ALICE, SECRET};

/// Arbitrary bytes, or a seed with a few bytes replaced, removed or repeated.
fn inputs(seeds: &'static [&'static str]) -> impl Strategy<Value = Vec<u8>> {
    let edits = proptest::collection::vec((any::<Index>(), any::<u8>(), 0..3_u8), 0..6);
    let seeded = (proptest::sample::select(seeds), edits).prop_map(|(seed, edits)| {
        let mut bytes = seed.as_bytes().to_vec();
        for (at, byte, kind) in edits {
            if bytes.is_empty() {
                break;
            }
            let at = at.index(bytes.len());
            match kind {
                0 => bytes[at] = byte,
                1 => {
                    bytes.remove(at);
                }
                _ => bytes.insert(at, byte),
            }
        }
        bytes
    });
    prop_oneof![1 => proptest::collection::vec(any::<u8>(), 0..64), 3 => seeded]
}

const TARGETS: &[&str] = &[
    "/a/b?c=d",
    "/%2e%2e/a",
    "/a;b/..;c/d",
    "/a%25%32%65",
    "/caf%C3%A9//x",
    "/%2F%5c%00",
    "http://h/a",
];
const HEADS: &[&str] = &[
    "GET / HTTP/1.1\r\nHost: a\r\n\r\n",
    "POST /a HTTP/1.0\nX_A:\tb\n\nx",
    "\r\nGET /#a HTTP/1.1\r\nA: b\r\n c\r\n\r\n",
];
const NAMES: &[&str] = &[
    "X-Sidegate-Subject",
    "x_sidegate_subject",
    "HTTP-X--Sidegate.Roles",
    "X-Sidegate",
    "Connection",
];
const TOKENS: &[&str] = &[
    "eyJhbGciOiJub25lIn0.eyJpc3MiOiJpIn0.",
    "eyJhbGciOiJIUzI1NiJ9.eyJpc3MiOiJpIiwic3ViIjoiYSJ9.AAAA",
    "a.b.c",
];
const TOKEN_HEADERS: &[&str] = &[
    r#"{"alg":"ES256","typ":"JWT","kid":"a"}"#,
    r#"{"alg":"none","crit":["b64"],"b64":false}"#,
    r#"{"alg":"HS256","jwk":{"kty":"oct","k":"AA"}}"#,
];
const YAML: &[&str] = &[
    "upstream: { url: http://127.0.0.1:3000 }\nstore: { file: { path: d.yaml } }\nissuers:\n  - { issuer: i, audiences: [a], algorithms: [ES256], keys: [{ jwks_file: k.json }] }\npolicy: { roles: { owner: [read] }, kinds: { generation: {} } }\nroutes:\n  - { methods: [GET], path: /health, access: public }\n",
    "a: &a [*a]\n",
    "routes: [{ path: \"${X:-/a}\", relax: [bare_lf] }]\n",
];

fn world() -> (Authenticator, Identity) {
    let issuer = json!({
        "issuer": "i", "audiences": ["a"], "algorithms": ["HS256"], "keys": [{ "secret": SECRET }],
    });
    let settings = testing::settings(Path::new("/"), &testing::document(json!([issuer])));
    let authenticator = Authenticator::new(&settings, sidegate_policy::IdType::Uuid, &[]).unwrap();
    let identity = Identity::new(None, &authenticator, TrustedProxies::new(Vec::new()));
    (authenticator, identity)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn targets(bytes in inputs(TARGETS)) {
        prop_assert_eq!(target(&bytes), Ok(()));
    }

    #[test]
    fn heads(bytes in inputs(HEADS)) {
        prop_assert_eq!(head(&bytes), Ok(()));
    }

    #[test]
    fn token_headers(bytes in inputs(TOKEN_HEADERS)) {
        prop_assert_eq!(token_header(&bytes), Ok(()));
    }

    #[test]
    fn shared_answers(bytes in inputs(TARGETS)) {
        prop_assert_eq!(shared_answer(&bytes), Ok(()));
    }

    #[test]
    fn forwarded(bytes in inputs(&["192.0.2.9, 198.51.100.1", "::1", "unknown"])) {
        prop_assert_eq!(forwarded_for(&bytes), Ok(()));
    }
}

#[test]
fn names() {
    let (_, identity) = world();
    proptest!(ProptestConfig::with_cases(2000), |(bytes in inputs(NAMES))| {
        prop_assert_eq!(folding(&identity, &bytes), Ok(()));
    });
}

#[test]
fn credentials() {
    let (authenticator, _) = world();
    proptest!(ProptestConfig::with_cases(2000), |(bytes in inputs(TOKENS))| {
        prop_assert_eq!(credential(&authenticator, &bytes), Ok(()));
    });
    // One that is signed would be noticed.
    let claims = json!({ "iss": "i", "aud": "a", "sub": ALICE, "iat": 0, "exp": 60 });
    let key = jsonwebtoken::EncodingKey::from_secret(SECRET.as_bytes());
    let header = jsonwebtoken::Header::new(jsonwebtoken::Algorithm::HS256);
    let signed = jsonwebtoken::encode(&header, &claims, &key).unwrap();
    assert!(credential(&authenticator, signed.as_bytes()).is_err());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn configurations(bytes in inputs(YAML)) {
        prop_assert_eq!(configuration(&bytes), Ok(()));
    }
}
