//! Decisions as the policy's author sees them: documents in, decisions out.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test may stop at the first surprise"
)]

mod flips;
mod golden;
mod properties;
