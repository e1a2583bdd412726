//! A decision on an answer from memory, and what it allocates.
//!
//! Promises: `decision/l1_hit` is everything from a route that matched and a principal that is known to a permit
//! (`Authorizer::authorize`); `decision/whole` from a request's head to leave to forward it (`Pipeline::admit`): the
//! target, the route, a token that was verified before, and the same decision. Neither waits for anything. The
//! permit's own parts (target, resource) are made outside of the measured time of the first.
//!
//! Does not: print allocations but once; where `CRITERION_HOME` says where estimates go, they are written beside them.

use std::env;
use std::fs;
use std::hint::black_box;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use allocation_counter::measure;
use criterion::{BatchSize, Criterion};
use futures_util::FutureExt as _;
use http::{HeaderMap, Method};
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use serde_json::json;
use sidegate::authz::{Permit, Resource};
use sidegate::clearance::Clearance;
use sidegate::coherence::BootTime;
use sidegate::generation::Generation;
use sidegate::pipeline::{Pipeline, Request};
use tokio::runtime::Runtime;

use super::{ALICE, AUDIENCE, ISSUER, MINE, SECRET};

/// Both benchmarks, once memory has everything.
pub(super) fn bench(criterion: &mut Criterion, runtime: &Runtime, generation: &Generation) {
    // Time-outs need a runtime, though nothing is waited for.
    let _entered = runtime.enter();
    let pipeline = &generation.pipeline;
    let path = format!("/g/{MINE}");
    let mut headers = HeaderMap::new();
    headers.insert("host", "app.test".parse().unwrap());
    headers.insert("authorization", bearer().parse().unwrap());
    let request = Request::new(&Method::GET, path.as_bytes(), &headers);
    let permit = warm(runtime, pipeline, request);

    let mut group = criterion.benchmark_group("decision");
    group.bench_function("l1_hit", |bencher| {
        bencher.iter_batched(
            || parts(&permit),
            |parts| decide(pipeline, &permit, parts),
            BatchSize::SmallInput,
        );
    });
    group.bench_function("whole", |bencher| {
        bencher.iter(|| admit(pipeline, black_box(request)).unwrap());
    });
    group.finish();
    told(
        measured(
            || decide(pipeline, &permit, parts(&permit)),
            || drop(parts(&permit)),
        ),
        measured(|| admit(pipeline, request).unwrap(), || ()),
    );
}

/// Asks until the answer, and what is known of tokens, comes from memory at once; the permit.
fn warm(runtime: &Runtime, pipeline: &Pipeline, request: Request<'_>) -> Permit {
    loop {
        let asked = runtime.block_on(pipeline.admit(request, |_sight| {}));
        drop(asked.expect("a database that answers"));
        if let Some(Clearance::Permit(permit)) = admit(pipeline, request) {
            return permit;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// `None`: it has to wait for something.
fn admit(pipeline: &Pipeline, request: Request<'_>) -> Option<Clearance> {
    let admitted = pipeline.admit(request, |_sight| {}).now_or_never()?;
    admitted.ok()
}

type Parts = (Option<Resource>, sidegate::target::Target);

/// What a permit takes with it.
fn parts(permit: &Permit) -> Parts {
    (permit.resource().cloned(), permit.target().clone())
}

fn decide(pipeline: &Pipeline, permit: &Permit, (resource, target): Parts) -> Permit {
    let principal = &permit.subject().unwrap().principal;
    let decided = pipeline
        .authorizer
        .authorize(
            black_box(principal),
            resource,
            (Arc::clone(permit.route()), target),
            (pipeline.clock, BootTime::now()),
            |evidence| {
                black_box(evidence);
            },
        )
        .now_or_never();
    decided.unwrap().unwrap()
}

/// Allocations of one call, less those of what it is given.
fn measured<T>(call: impl Fn() -> T, given: impl Fn()) -> u64 {
    // The least of some: now and then a poll of the feed leaves an answer that has to be asked anew.
    let count = |what: &dyn Fn()| {
        (0..50)
            .map(|_| measure(what).count_total)
            .min()
            .unwrap_or_default()
    };
    count(&|| drop(black_box(call()))) - count(&given)
}

fn told(decision: u64, whole: u64) {
    let text = json!({ "decision": decision, "whole": whole }).to_string();
    println!("decision/allocations   {text}");
    if let Some(home) = env::var_os("CRITERION_HOME") {
        let folder = Path::new(&home).join("decision");
        fs::create_dir_all(&folder).unwrap();
        fs::write(folder.join("allocations.json"), text).unwrap();
    }
}

/// Good for an hour.
fn bearer() -> String {
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap()
        .as_secs();
    let claims =
        json!({ "iss": ISSUER, "aud": AUDIENCE, "sub": ALICE, "iat": now, "exp": now + 3600 });
    let key = EncodingKey::from_secret(SECRET.as_bytes());
    let token = encode(&Header::new(Algorithm::HS256), &claims, &key).unwrap();
    format!("Bearer {token}")
}
