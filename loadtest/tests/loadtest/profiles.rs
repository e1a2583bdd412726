//! The profiles of the example application: which steps it makes, and whom it believes.
//!
//! Promises: the real command over a real database that is a little away; keys and assertions as Sidegate's are.
//! Does not: measure.

#![expect(
    clippy::expect_used,
    reason = "a set-up that fails is a test that fails"
)]

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::Ed25519KeyPair;
use bytes::Bytes;
use http::Response;
use http_body_util::Full;
use jsonwebtoken::jwk::Jwk;
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use serde_json::{Value, json};
use sidegate_loadtest::postgres::Cluster;
use uuid::Uuid;

use crate::example::{App, rows};
use crate::support::Server;

const SECRET: &str = "a secret of this test";
/// A far future, and a past.
const LATER: u64 = 4_000_000_000;
const PAST: u64 = 1_000_000_000;

/// Ana owns a generation in a project of the team, Ben is its viewer, Dora a stranger; Eve is inactive.
const ROWS: &str = "\
    insert into users values
        ('00000000-0000-0000-0000-0000000000a0', 'ana@example.test'),
        ('00000000-0000-0000-0000-0000000000b0', 'ben@example.test'),
        ('00000000-0000-0000-0000-0000000000d0', 'dora@example.test');
    insert into users values ('00000000-0000-0000-0000-0000000000e0', 'eve@example.test', false);
    insert into teams values ('00000000-0000-0000-0000-000000000010', 'Ten');
    insert into team_members values
        ('00000000-0000-0000-0000-000000000010', '00000000-0000-0000-0000-0000000000b0', 'viewer');
    insert into projects values
        ('00000000-0000-0000-0000-000000000020', '00000000-0000-0000-0000-0000000000a0',
         '00000000-0000-0000-0000-000000000010', 'private'),
        ('00000000-0000-0000-0000-000000000021', '00000000-0000-0000-0000-0000000000a0', null, 'public');
    insert into generations values
        ('00000000-0000-0000-0000-000000000030', '00000000-0000-0000-0000-0000000000a0',
         '00000000-0000-0000-0000-000000000020', 'completed'),
        ('00000000-0000-0000-0000-000000000031', '00000000-0000-0000-0000-0000000000a0',
         '00000000-0000-0000-0000-000000000021', 'completed')";

const ANA: Uuid = Uuid::from_u128(0xa0);
const BEN: Uuid = Uuid::from_u128(0xb0);
const DORA: Uuid = Uuid::from_u128(0xd0);
const EVE: Uuid = Uuid::from_u128(0xe0);
const GENERATION: &str = "/api/generations/00000000-0000-0000-0000-000000000030";
const DECISION: &str = "read generation:00000000-0000-0000-0000-000000000030";
const EVERY_STEP: &str = "auth service_key database authorization work send";
/// Without those that Sidegate replaces.
const OWN_STEPS: &str = "database work send";

fn database(cluster: &Cluster) -> String {
    let url = cluster.create_database("profiles").expect("a database");
    rows(&url, sidegate_loadtest::app::SCHEMA);
    rows(&url, ROWS);
    url
}

fn start(url: &str, profile: &str, further: &[&str]) -> App {
    let mut arguments = vec!["--profile", profile, "--token-secret", SECRET];
    arguments.extend(["--database-delay", "1ms", "--connections", "2"]);
    arguments.extend(["--work", "1ms", "--sending", "1ms"]);
    arguments.extend(further);
    App::with(url, &arguments)
}

fn token(user: Uuid, secret: &str, end: u64) -> String {
    let key = EncodingKey::from_secret(secret.as_bytes());
    let claims = json!({ "sub": user, "exp": end });
    let token = encode(&Header::new(Algorithm::HS256), &claims, &key).expect("a token");
    format!("Bearer {token}")
}

fn joined((status, steps): (u16, Vec<String>)) -> (u16, String) {
    (status, steps.join(" "))
}

#[test]
fn legacy_decides_as_the_handlers_do_and_does_not_hear_sidegate() {
    let cluster = Cluster::start().expect("a database server");
    let url = database(&cluster);
    let (legacy, plain) = (start(&url, "legacy", &[]), App::start(&url));
    let paths = [
        GENERATION,
        "/api/generations/00000000-0000-0000-0000-000000000031",
        "/api/generations/00000000-0000-0000-0000-000000000039",
        "/api/projects/00000000-0000-0000-0000-000000000020",
        "/api/projects/00000000-0000-0000-0000-000000000021",
        "/api/teams/00000000-0000-0000-0000-000000000010",
        "/api/users/00000000-0000-0000-0000-0000000000b0/generations",
        "/api/generations",
        "/api/users/profile",
    ];
    for user in [ANA, BEN, DORA] {
        let token = token(user, SECRET, LATER);
        for path in paths {
            let status = legacy.steps(path, &[("authorization", &token)]).0;
            assert_eq!(status, plain.get(path, user).0, "{path} of {user}");
        }
    }
    let ana = token(ANA, SECRET, LATER);
    let answer = legacy.steps(GENERATION, &[("authorization", &ana)]);
    assert_eq!(joined(answer), (200, EVERY_STEP.to_owned()));
    assert_eq!(legacy.anonymous("/health").0, 200);

    let dora = token(DORA, SECRET, LATER);
    let (of_ana, told) = (ANA.to_string(), ("x-sidegate-authorized", DECISION));
    let subject = ("x-sidegate-subject", of_ana.as_str());
    let claimed = [("authorization", dora.as_str()), subject, told];
    assert_eq!(legacy.steps(GENERATION, &claimed).0, 403);
    assert_eq!(legacy.steps(GENERATION, &[subject, told]).0, 401);
    for bad in [
        token(ANA, "another secret", LATER),
        token(ANA, SECRET, PAST),
        token(EVE, SECRET, LATER),
        token(Uuid::nil(), SECRET, LATER),
        "Bearer none".to_owned(),
    ] {
        let refused = legacy.steps(GENERATION, &[("authorization", &bad)]).0;
        assert_eq!(refused, 401, "{bad}");
    }
}

/// A key as Sidegate's.
struct Signer {
    key: EncodingKey,
    public: Jwk,
}

impl Signer {
    fn new(kid: &str) -> Self {
        let document = Ed25519KeyPair::generate_pkcs8v1(&SystemRandom::new()).expect("a key");
        let key = EncodingKey::from_ed_der(document.as_ref());
        let mut public = Jwk::from_encoding_key(&key, Algorithm::EdDSA).expect("a key");
        public.common.key_id = Some(kid.to_owned());
        Self { key, public }
    }

    /// What Sidegate says of Ana, with these claims in place of its own.
    fn assertion(&self, other: &Value) -> String {
        self.of_type("authz-assertion+jwt", other)
    }

    fn of_type(&self, name: &str, other: &Value) -> String {
        let mut claims = json!({
            "iss": "sidegate", "aud": "app", "sub": ANA, "sub_type": "user", "roles": [],
            "iat": PAST, "exp": LATER,
        });
        let own = claims.as_object_mut().expect("claims");
        own.extend(other.as_object().expect("claims").clone());
        let mut header = Header::new(Algorithm::EdDSA);
        header.kid.clone_from(&self.public.common.key_id);
        header.typ = Some(name.to_owned());
        encode(&header, &claims, &self.key).expect("an assertion")
    }
}

#[test]
fn an_assertion_that_verifies_replaces_three_steps_and_any_other_none() {
    let signer = Signer::new("ours");
    let set = json!({ "keys": [signer.public] }).to_string();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .expect("a runtime");
    let keys = runtime.block_on(Server::http(move |_request| {
        let set = set.clone();
        async move { Response::new(Full::new(Bytes::from(set))) }
    }));
    let cluster = Cluster::start().expect("a database server");
    let (url, place) = (database(&cluster), keys.url("/.well-known/jwks.json"));
    let further = ["--assertion-keys", place.as_str()];
    let app = start(&url, "trusting", &further);
    // The token is somebody's who may not: it is only looked at where there is no assertion.
    let dora = token(DORA, SECRET, LATER);
    let ask = |app: &App, assertion: &str, decision: &str| {
        let headers = [
            ("authorization", dora.as_str()),
            ("x-sidegate-assertion", assertion),
            ("x-sidegate-authorized", decision),
        ];
        joined(app.steps(GENERATION, &headers))
    };

    let good = signer.assertion(&json!({}));
    for _ in 0..2 {
        assert_eq!(ask(&app, &good, DECISION), (200, OWN_STEPS.to_owned()));
    }
    // Without a decision about just this, it is decided here, for whom the assertion names.
    let decided = "database authorization work send".to_owned();
    for other in ["", "write generation:00000000-0000-0000-0000-000000000030"] {
        assert_eq!(ask(&app, &good, other), (200, decided.clone()), "{other}");
    }
    let of_dora = signer.assertion(&json!({ "sub": DORA }));
    assert_eq!(ask(&app, &of_dora, "").0, 403);

    let forged = Signer::new("ours").assertion(&json!({}));
    let unknown = Signer::new("theirs").assertion(&json!({}));
    let mut bad = vec![forged, unknown, "none".to_owned()];
    for claims in [
        json!({ "exp": PAST }),
        json!({ "iss": "another" }),
        json!({ "aud": "another" }),
        json!({ "sub_type": "service" }),
        json!({ "htm": "GET" }),
    ] {
        bad.push(signer.assertion(&claims));
    }
    bad.push(signer.of_type("JWT", &json!({})));
    let every = "auth service_key database authorization send".to_owned();
    for assertion in bad {
        assert_eq!(ask(&app, &assertion, DECISION), (403, every.clone()));
    }

    let tuned = start(&url, "tuned", &further);
    assert_eq!(ask(&tuned, &good, DECISION), (200, "work send".to_owned()));
    assert_eq!(ask(&tuned, "none", DECISION).0, 403);
}
