//! The real binary, from outside: raw bytes in, what the application received out.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    reason = "a test may stop at the first surprise, and reads its own environment"
)]

mod admin;
mod balancers;
mod bypasses;
mod caching;
mod cli;
mod conformance;
mod database;
mod demo;
mod denials;
mod doctor;
mod environments;
mod explain;
mod foreign;
mod garden;
mod grants;
mod guard;
mod instances;
mod introspection;
mod invalidate;
mod keys;
mod lag;
mod limits;
mod links;
mod media;
mod migrate;
mod observability;
mod openapi;
mod oracle;
mod outages;
mod probes;
mod process;
mod provider;
mod readings;
mod readme;
mod recorder;
mod reload;
mod revocations;
mod secrets;
mod service_keys;
mod sharing;
mod shipped;
mod stats;
mod stores;
mod storms;
mod streaming;
mod streams;
mod throttle;
mod tokens;
mod tracing;
mod view;
mod wire;
