//! Forwards a request for as long as it may be forwarded.
//!
//! Promise: before every step of the forwarding it is certain that bytes may pass, by the clock at that moment;
//! while they may not, nothing of the request goes on. A request that ends here is dropped whole, in one
//! step, with what was buffered for either side; both connections are closed by that. Pingora spawns nothing
//! for a request (a connection to the application is given to its pool only once the answer is whole).
//!
//! How cheap: while a request is short, a step costs a load, a clock and a look at a timer that has not fired.
//! The timer is the connection's: it is not set for every request.
//!
//! Does not: bound a step. Tokio's budget does: a task that only moves bytes gives way after 128 operations.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::task::coop;
use tokio::time::{Instant, Sleep, sleep};

use super::handover::Handover;
use super::held::{End, Held};
use super::hold::Why;
use crate::coherence::BootTime;
use crate::generation::Current;
use crate::outcome::Code;
use crate::telemetry::Telemetry;

/// For a timer that nobody has set yet.
const FAR: Duration = Duration::from_secs(24 * 3600);
/// More operations than tokio grants a task in one step.
const BUDGET: usize = 1024;

/// Guards the requests of one connection, one after the other.
#[derive(Debug)]
pub struct Guard {
    handover: Arc<Handover>,
    current: Arc<Current>,
    telemetry: Arc<Telemetry>,
    timer: Pin<Box<Sleep>>,
    /// When the timer fires, if it has not.
    fires_at: BootTime,
}

/// A request that is being forwarded.
struct Guarded<'g, F> {
    guard: &'g mut Guard,
    forwarding: Option<F>,
    held: Option<Counted>,
    /// Whether it has ended, in whatever way.
    is_over: bool,
    /// Where it has to be looked at whenever it is woken: when it has to be woken.
    wake_at: Option<BootTime>,
}

/// A request that lasts, and is counted while it does.
struct Counted {
    held: Held,
    telemetry: Arc<Telemetry>,
}

impl Guard {
    /// For a new connection.
    #[must_use]
    pub fn new(current: Arc<Current>, telemetry: Arc<Telemetry>) -> Self {
        Self {
            handover: Arc::new(Handover::new()),
            current,
            telemetry,
            timer: Box::pin(sleep(FAR)),
            fires_at: BootTime::now().after(FAR),
        }
    }

    /// Where the gateway puts the requests that it has cleared.
    #[must_use]
    pub const fn handover(&self) -> &Arc<Handover> {
        &self.handover
    }

    /// Forwards one request.
    ///
    /// # Errors
    /// When it was ended on the way. It is counted and logged then, as the gateway could not do it.
    pub async fn over<F>(&mut self, forwarding: F) -> Result<F::Output, End>
    where
        F: Future + Unpin,
    {
        let guarded = Guarded {
            guard: self,
            forwarding: Some(forwarding),
            held: None,
            is_over: false,
            wake_at: None,
        };
        guarded.await
    }

    /// Sees to it that the task is woken by then.
    fn wake_by(&mut self, instant: BootTime, context: &mut Context<'_>) {
        if instant < self.fires_at {
            self.set_timer(instant);
        }
        // What fires early was set for an earlier request.
        while self.timer.as_mut().poll(context).is_ready() {
            if instant <= BootTime::now() {
                context.waker().wake_by_ref();
                self.set_timer(instant.after(FAR));
                return;
            }
            self.set_timer(instant);
        }
    }

    fn set_timer(&mut self, instant: BootTime) {
        let pause = instant.since(BootTime::now());
        self.timer.as_mut().reset(Instant::now() + pause);
        self.fires_at = instant;
    }
}

impl<F: Future + Unpin> Future for Guarded<'_, F> {
    type Output = Result<F::Output, End>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        match self.may_pass(context) {
            Ok(true) => {}
            Ok(false) => return self.wait(context),
            Err(end) => {
                self.cut_off(end, context);
                return Poll::Ready(Err(end));
            }
        }
        let Some(forwarding) = &mut self.forwarding else {
            return Poll::Pending;
        };
        if let Poll::Ready(output) = Pin::new(forwarding).poll(context) {
            self.is_over = true;
            self.guard.handover.clear();
            return Poll::Ready(Ok(output));
        }
        self.wait(context)
    }
}

impl<F> Guarded<'_, F> {
    /// Whether bytes may pass now.
    fn may_pass(&mut self, context: &mut Context<'_>) -> Result<bool, End> {
        #[cfg(feature = "fault-injection")]
        if crate::coherence::is_without_streams() {
            self.guard.handover.clear();
        }
        match self.guard.handover.look_at() {
            None => Ok(true),
            Some(look_at) if BootTime::now() < look_at => Ok(true),
            Some(_) => self.look(context),
        }
    }

    fn look(&mut self, context: &mut Context<'_>) -> Result<bool, End> {
        let Guard {
            handover,
            current,
            telemetry,
            ..
        } = &*self.guard;
        if self.held.is_none() {
            let held = handover.take();
            self.held = held.map(|held| Counted::new(held, Arc::clone(telemetry)));
        }
        let Some(counted) = &mut self.held else {
            // Whoever says when to look has put something there to be looked at.
            return Err(End {
                why: Why::Unknown,
                code: Some(Code::Internal),
            });
        };
        let look = counted.held.look(&current.load(), context)?;
        if look.lasts {
            handover.set_look_at(look.again);
            self.wake_at = None;
        } else {
            handover.set_look_at(BootTime::START);
            self.wake_at = Some(look.again);
        }
        Ok(look.passes)
    }

    /// Nothing more can be done now.
    fn wait<T>(&mut self, context: &mut Context<'_>) -> Poll<T> {
        if let Some(look_at) = self.wake_at.or(self.guard.handover.look_at()) {
            self.guard.wake_by(look_at, context);
        }
        Poll::Pending
    }

    /// Drops the request, so that nothing of it is sent any more.
    ///
    /// Pingora's connections flush what they have buffered when they are dropped. Without any of the task's
    /// budget left, tokio's sockets refuse to be written to, and what was held back stays where it is.
    fn cut_off(&mut self, end: End, context: &mut Context<'_>) {
        for _ in 0..BUDGET {
            if !coop::has_budget_remaining() {
                break;
            }
            let mut spent = std::pin::pin!(coop::consume_budget());
            if spent.as_mut().poll(context).is_pending() {
                break;
            }
        }
        self.forwarding = None;
        self.guard.handover.clear();
        self.is_over = true;
        if let Some(counted) = self.held.take() {
            report(&counted.held, end, &counted.telemetry);
        }
    }
}

/// Dropped with its task before it was over: the process stops, or there was a panic. Nobody else tells about it.
impl<F> Drop for Guarded<'_, F> {
    fn drop(&mut self) {
        // Let go of: the gateway has told about it already, and only its connection was still busy.
        if self.is_over || self.guard.handover.look_at().is_none() {
            return;
        }
        let end = End {
            why: Why::Dropped,
            code: None,
        };
        if let Some(counted) = self.held.take() {
            report(&counted.held, end, &counted.telemetry);
        } else if let Some(held) = self.guard.handover.take() {
            report(&held, end, &self.guard.telemetry);
        }
    }
}

/// Tells about a request that the gateway cannot tell about.
fn report(held: &Held, end: End, telemetry: &Telemetry) {
    held.count();
    telemetry.metrics.stream_ended(end.why);
    held.log(end, &telemetry.access_log);
    telemetry.decisions.keep(|| held.record(end));
}

impl Counted {
    fn new(held: Held, telemetry: Arc<Telemetry>) -> Self {
        telemetry.metrics.streams(1);
        Self { held, telemetry }
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.telemetry.metrics.streams(-1);
    }
}

#[cfg(test)]
mod tests;
