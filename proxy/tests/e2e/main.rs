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
mod cli;
mod conformance;
mod demo;
mod denials;
mod foreign;
mod instances;
mod keys;
mod probes;
mod process;
mod provider;
mod readme;
mod recorder;
mod reload;
mod shipped;
mod streaming;
mod wire;
