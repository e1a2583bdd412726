//! Sidegate: an authorization sidecar in front of an application.
//!
//! One request is one straight line (`pipeline`): target, route, authentication, authorization;
//! then it is forwarded with identity (`identity`) or refused (`rejection`, `respond`). `gateway`
//! translates Pingora's phases to these stages, `app` is the composition root.
//!
//! The library exists for the binary, its tests and its fuzzers; it is no stable interface.

pub mod access_log;
pub mod admin;
pub mod app;
pub mod authn;
pub mod authz;
pub mod breaker;
pub mod cache;
pub mod clearance;
pub mod client;
pub mod clock;
pub mod coherence;
pub mod cors;
pub mod credential;
pub mod database;
pub mod decisions;
pub mod demo;
pub mod directory_watch;
pub mod doctor;
pub mod explain;
pub mod facts;
pub mod file_watch;
#[doc(hidden)]
pub mod fuzz;
pub mod gateway;
pub mod generation;
pub mod guard;
pub mod hardening;
pub mod head;
pub mod housekeeping;
pub mod identity;
pub mod intake;
pub mod invalidate;
pub mod keyring;
pub mod link;
pub mod listener;
pub mod media;
pub mod metrics;
pub mod migrate;
pub mod observation;
pub mod openapi;
pub mod outcome;
mod parameter;
pub mod pipeline;
pub mod posture;
pub mod pulse;
pub mod rejection;
pub mod reload;
pub mod respond;
pub mod revoke;
pub mod route;
pub mod spelling;
pub mod stats;
pub mod store;
pub mod stream;
pub mod target;
pub mod telemetry;
pub mod throttle;
pub mod tls;
pub mod trace;
pub mod upstream;
pub mod view;

#[cfg(test)]
mod testing;
