//! What the application sees of a request, whatever its client sent (attacks.md B and C.2).
//!
//! `strip` is about the client's headers, `values` about ours, `credentials` about tokens, and
//! `signed` about the assertion.

mod credentials;
mod signed;
mod strip;
mod values;

use std::sync::Arc;

use futures_util::FutureExt as _;
use http::{HeaderName, Method};
use pingora::http::RequestHeader;
use serde_json::{Value, json};
use sidegate_policy::{Id, IdType, Policy};
use tempfile::TempDir;

use super::{Headers, Identity, IdentityError, Signer};
use crate::authn::{Authenticator, Principal, SubjectType};
use crate::authz::{Authorizer, Resource};
use crate::clearance::Clearance;
use crate::client::TrustedProxies;
use crate::coherence::BootTime;
use crate::facts::Facts;
use crate::route::RouteTable;
use crate::store::{FileStore, Store};
use crate::target::Target;
use crate::testing::{self, ALICE, NOW, Pair, at};

const DECISION: &str = "d0000000-0000-4000-8000-000000000001";
/// Our headers, as applications are promised them.
const OURS: [&str; 7] = [
    "x-sidegate-assertion",
    "x-sidegate-authorized",
    "x-sidegate-decision-id",
    "x-sidegate-resource-roles",
    "x-sidegate-roles",
    "x-sidegate-subject",
    "x-sidegate-subject-type",
];

/// What is in front of the application, from the configuration on.
struct World {
    policy: Arc<Policy>,
    authorizer: Authorizer,
    routes: RouteTable,
    identity: Identity,
}

impl World {
    fn new() -> Self {
        Self::with(json!({}))
    }

    /// The members of `changes` replace those of the configuration.
    fn with(changes: Value) -> Self {
        let folder = TempDir::new().unwrap();
        let keys = json!({ "keys": [Pair::ed25519().jwk("k")] }).to_string();
        std::fs::write(folder.path().join("keys.json"), keys).unwrap();
        std::fs::write(folder.path().join("directory.yaml"), DIRECTORY).unwrap();
        let mut document = testing::document(json!([issuer(json!({}))]));
        document["routes"] = json!([
            { "methods": ["GET"], "path": "/public", "access": "public" },
            { "methods": ["GET"], "path": "/me", "access": "authenticated" },
            {
                "methods": ["GET"], "path": "/documents/{id:text}", "action": "read",
                "resource": { "kind": "document", "id": { "path": "id" } },
            },
        ]);
        let members = document.as_object_mut().unwrap();
        members.extend(changes.as_object().unwrap().clone());
        let settings = testing::settings(folder.path(), &document);
        let policy = Arc::new(testing::policy(&document));
        let path = folder.path().join("directory.yaml");
        let store = Store::File(FileStore::open(&path, Arc::clone(&policy)).unwrap());
        let authenticator = Authenticator::new(&settings, IdType::Uuid, &[]).unwrap();
        let assertion = &settings.identity.assertion;
        let signer = assertion
            .enabled
            .then(|| Arc::new(Signer::new(assertion).unwrap()));
        Self {
            routes: RouteTable::compile(&settings.routes, &policy).unwrap(),
            identity: Identity::new(
                signer,
                &authenticator,
                TrustedProxies::new(settings.trusted_proxies),
            ),
            authorizer: Authorizer::new(
                Arc::clone(&policy),
                Arc::new(Facts::uncached(Arc::new(store))),
            ),
            policy,
        }
    }

    /// Leave to forward `GET target` for a principal; routes that ask for nobody need none.
    fn clearance(&self, target: &str, principal: &Arc<Principal>) -> Clearance {
        use crate::route::Access;
        let target = Target::parse(target.as_bytes()).unwrap();
        let found = self.routes.find(&Method::GET, &target).unwrap().unwrap();
        let resource = match found.route.access {
            Access::Public => {
                let permit = self.authorizer.public(found.route, target).unwrap();
                return Clearance::Permit(permit);
            }
            Access::Authenticated { .. } => None,
            Access::Resource { action, kind, .. } => Some(Resource {
                action,
                kind,
                id: found.path_id,
            }),
        };
        let place = (found.route, target);
        let permit = self
            .authorizer
            .authorize(
                principal,
                resource,
                place,
                (crate::clock::Clock::Fixed(at(NOW)), BootTime::now()),
                |_| {},
            )
            .now_or_never()
            .unwrap()
            .unwrap();
        Clearance::Permit(permit)
    }

    /// One clearance of each kind that there is, with its name.
    fn clearances(&self) -> [(&'static str, Clearance); 4] {
        let target = Target::parse(b"/me").unwrap();
        let route = self
            .routes
            .find(&Method::GET, &target)
            .unwrap()
            .unwrap()
            .route;
        let preflight = self.authorizer.preflight(route, target);
        let alice = alice(&[]);
        [
            ("public", self.clearance("/public", &alice)),
            ("preflight", Clearance::Permit(preflight)),
            ("authenticated", self.clearance("/me", &alice)),
            ("decided", self.clearance("/documents/1", &alice)),
        ]
    }

    fn headers_at(&self, clearance: &Clearance, second: i64) -> Result<Headers, IdentityError> {
        let now = at(second);
        self.identity
            .headers(clearance, &self.policy, &Method::GET, DECISION, now)
    }

    fn headers(&self, clearance: &Clearance) -> Headers {
        self.headers_at(clearance, NOW).unwrap()
    }

    /// Rewrites a request as it would be forwarded to the application.
    fn rewrite(&self, request: &mut RequestHeader, clearance: &Clearance, peer: &str) {
        let headers = self.headers(clearance);
        self.set(request, clearance, &headers, peer);
    }

    fn set(
        &self,
        request: &mut RequestHeader,
        clearance: &Clearance,
        headers: &Headers,
        peer: &str,
    ) {
        let subject = clearance.permit().and_then(|permit| permit.subject());
        let peer = Some(peer.parse().unwrap());
        self.identity
            .rewrite(request, headers, subject, peer)
            .unwrap();
    }
}

/// Alice owns what is called `1`, and everything whose name needs care.
const DIRECTORY: &str = r#"
users:
  - { id: a11ce000-0000-4000-8000-000000000001, active: true, roles: [staff] }
resources:
  - { kind: document, id: "1", owner_id: a11ce000-0000-4000-8000-000000000001 }
  - { kind: document, id: "é, 100% \"x\"", owner_id: a11ce000-0000-4000-8000-000000000001 }
  - { kind: document, id: " x ", owner_id: a11ce000-0000-4000-8000-000000000001 }
"#;

fn issuer(changes: Value) -> Value {
    let mut issuer = json!({
        "issuer": "https://id.example/", "audiences": ["api"], "algorithms": ["EdDSA"],
        "keys": [{ "jwks_file": "keys.json" }],
    });
    let members = issuer.as_object_mut().unwrap();
    members.extend(changes.as_object().unwrap().clone());
    issuer
}

/// Alice with these roles from her token.
fn alice(roles: &[&str]) -> Arc<Principal> {
    Arc::new(principal(ALICE, roles))
}

fn principal(subject: &str, roles: &[&str]) -> Principal {
    Principal {
        subject: Id::parse(IdType::Text, subject).unwrap(),
        kind: SubjectType::User,
        issuer: Some(Arc::from("https://id.example/")),
        roles: roles.iter().map(|role| Arc::from(*role)).collect(),
        expires_at: Some(at(NOW + 3600)),
        verified_by: None,
        carrier: None,
    }
}

fn request(headers: &[(&'static str, &'static str)]) -> RequestHeader {
    let mut request = RequestHeader::build("GET", b"/", None).unwrap();
    request.append_header("Host", "app.example").unwrap();
    for (name, value) in headers {
        request.append_header(*name, *value).unwrap();
    }
    request
}

/// Every value of a header.
fn all<'r>(request: &'r RequestHeader, name: &str) -> Vec<&'r str> {
    let name = HeaderName::try_from(name).unwrap();
    let values = request.headers.get_all(name).iter();
    values.map(|value| value.to_str().unwrap()).collect()
}

/// The header lines that the application receives, with names in lower case, sorted.
fn wire(request: &RequestHeader) -> Vec<String> {
    let mut buffer = Vec::new();
    request.header_to_h1_wire(&mut buffer);
    let text = String::from_utf8_lossy(&buffer).into_owned();
    let lines = text.lines().filter_map(|line| line.split_once(": "));
    let mut lines: Vec<String> = lines
        .map(|(name, value)| format!("{}: {value}", name.to_ascii_lowercase()))
        .collect();
    lines.sort_unstable();
    lines
}
