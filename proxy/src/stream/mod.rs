//! Requests that last: a WebSocket, a stream of events, a long upload or download.
//!
//! Promise: no byte of a request passes, in either direction, later than [`BOUND`](crate::coherence::BOUND)
//! after the right behind it was taken away, and its connections are closed soon after, also if nothing
//! passes at all. The same holds when its credential ends, when the key that it was verified with is
//! withdrawn, and when the rules that it was decided by are replaced. Where nobody can know, nothing passes,
//! and after a while the request ends. `limits.max_stream_age` ends every request, public ones too. What ends
//! like this is cut off, so that the client sees a transfer that broke and never one that is complete.
//!
//! How: one task forwards a request, so bytes pass only while that task's future is polled. [`Guard`] polls it,
//! and looks at what the request is [`Held`] by before it does. The gateway hands that over when a request is
//! cleared ([`Handover`]). `hold` is the arithmetic of it, without clocks.
//!
//! Does not: take back what the kernel was given already, or end what was decided for a moment only: a request
//! that is over before the first look, after a quarter of a second, is as good as its decision was.

mod guard;
mod handover;
mod held;
mod hold;

pub use guard::Guard;
pub use handover::{Handed, Handover};
pub use held::{End, Held, Known};
pub use hold::Why;
