//! Which trace a request belongs to, and who it is in it.
//!
//! Promise: made and asked without an allocation; no id is zero. What the application is told is one
//! `traceparent`, ours, and a `tracestate` only where its author was believed.

use std::fmt;
use std::io::Write as _;

use http::StatusCode;
use pingora::http::RequestHeader;
use sidegate_config::Fraction;
use uuid::Uuid;

use super::parent::{self, LENGTH, Parent, TRACEPARENT, TRACESTATE};

/// The id of a trace. Displayed as 32 hexadecimal digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TraceId(u128);

/// The id of a span in its trace. Displayed as 16 hexadecimal digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SpanId(u64);

/// A request's place in a trace.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TraceContext {
    trace_id: TraceId,
    /// The caller's span, where it is believed.
    parent: Option<SpanId>,
    /// The request's own span.
    span_id: SpanId,
    /// The span of asking the application, which is the parent of what it does.
    upstream_id: SpanId,
    is_sampled: bool,
    /// What the application answered, once it has.
    answered: Option<StatusCode>,
}

impl TraceContext {
    /// A trace that begins here.
    pub(super) fn root(sample: Fraction) -> Self {
        let (high, low) = Uuid::new_v4().as_u64_pair();
        let trace_id = TraceId(u128::from(high) << 64 | u128::from(low));
        // The first two bits of the lower half are the same for all (RFC 9562 section 5.4); those of the
        // upper half are not.
        let drawn = low << 2 | high >> 62;
        Self::new(trace_id, None, sample.takes(drawn))
    }

    /// A trace that the caller has begun.
    pub(super) fn below(parent: Parent) -> Self {
        Self::new(parent.trace_id, Some(parent.span_id), parent.is_sampled)
    }

    fn new(trace_id: TraceId, parent: Option<SpanId>, is_sampled: bool) -> Self {
        let (span_id, upstream_id) = SpanId::pair();
        Self {
            trace_id,
            parent,
            span_id,
            upstream_id,
            is_sampled,
            answered: None,
        }
    }

    /// The trace.
    #[must_use]
    pub const fn trace_id(&self) -> TraceId {
        self.trace_id
    }

    /// The request's own span.
    #[must_use]
    pub const fn span_id(&self) -> SpanId {
        self.span_id
    }

    /// Whether its spans are sent.
    #[must_use]
    pub const fn is_sampled(&self) -> bool {
        self.is_sampled
    }

    /// The application has answered.
    pub const fn answer(&mut self, status: StatusCode) {
        self.answered = Some(status);
    }

    pub(super) const fn parent(&self) -> Option<SpanId> {
        self.parent
    }

    pub(super) const fn upstream_id(&self) -> SpanId {
        self.upstream_id
    }

    pub(super) const fn answered(&self) -> Option<StatusCode> {
        self.answered
    }

    /// What the application is told, instead of what came.
    pub(super) fn write(&self, request: &mut RequestHeader) -> pingora::Result<()> {
        let mut text = [0; LENGTH];
        let flags = u8::from(self.is_sampled);
        // It is as long as it can be, so it fits.
        let _ = write!(
            text.as_mut_slice(),
            "00-{}-{}-{flags:02x}",
            self.trace_id,
            self.upstream_id
        );
        request.insert_header(TRACEPARENT, text.as_slice())?;
        if self.parent.is_none() || !parent::has_good_state(&request.headers) {
            request.remove_header(&TRACESTATE);
        }
        Ok(())
    }
}

impl TraceId {
    /// `None`: zero is none.
    pub(super) const fn new(id: u128) -> Option<Self> {
        if id == 0 { None } else { Some(Self(id)) }
    }

    pub(super) const fn bytes(self) -> [u8; 16] {
        self.0.to_be_bytes()
    }
}

impl SpanId {
    /// `None`: zero is none.
    pub(super) const fn new(id: u64) -> Option<Self> {
        if id == 0 { None } else { Some(Self(id)) }
    }

    /// Two that were drawn, of 60 and 62 random bits. Neither is zero: the other bits are not all.
    pub(super) fn pair() -> (Self, Self) {
        let (one, other) = Uuid::new_v4().as_u64_pair();
        (Self(one), Self(other))
    }

    pub(super) const fn bytes(self) -> [u8; 8] {
        self.0.to_be_bytes()
    }
}

impl fmt::Display for TraceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

impl fmt::Display for SpanId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}
