//! How long a request may go on, as arithmetic of instants.
//!
//! Promise: [`Hold::state`] lets bytes pass only up to the instant that the last decision, or the last reading
//! that upheld it, is good for. Nothing here reads a clock, asks anybody or waits.

use std::time::Duration;

use crate::coherence::{BOUND, BootTime};

/// How often a request that lasts is looked at.
pub(super) const TICK: Duration = Duration::from_millis(250);
/// How long before its time is up a decision that nothing upholds is made again: half of the bound, so that
/// the store may be slow for as long.
const AHEAD: Duration = Duration::from_millis(500);
const _: () = assert!(AHEAD.as_millis() * 2 == BOUND.as_millis());

/// Why a request was ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
pub enum Why {
    /// It would be refused now.
    #[error("denied")]
    Denied,
    /// Its credential has ended, or what vouched for it is gone.
    #[error("credential")]
    Credential,
    /// It has lasted for `limits.max_stream_age`.
    #[error("age")]
    Age,
    /// The rules or the store that it was decided by do not count any more.
    #[error("replaced")]
    Replaced,
    /// Nobody could say whether it may go on.
    #[error("unknown")]
    Unknown,
    /// The process stopped before it was over, or its task was lost.
    #[error("dropped")]
    Dropped,
}

impl Why {
    /// Every one.
    pub const ALL: [Self; 6] = [
        Self::Denied,
        Self::Credential,
        Self::Age,
        Self::Replaced,
        Self::Unknown,
        Self::Dropped,
    ];

    /// The name used in metrics and in the log.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Denied => "denied",
            Self::Credential => "credential",
            Self::Age => "age",
            Self::Replaced => "replaced",
            Self::Unknown => "unknown",
            Self::Dropped => "dropped",
        }
    }
}

/// Whether bytes may pass.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum State {
    /// They may.
    Passes,
    /// Not before somebody has said that they may.
    Waits,
}

/// What bounds a request, whatever it is about.
#[derive(Debug, Clone, Copy)]
pub(super) struct Terms {
    /// How long it may last.
    pub(super) most: Duration,
    /// How long it may wait while nobody can say.
    pub(super) patience: Duration,
}

/// How long one request may go on.
#[derive(Debug, Clone, Copy)]
pub(super) struct Hold {
    terms: Terms,
    born: BootTime,
    /// `None`: there is nothing that could be taken away.
    right: Option<Right>,
}

#[derive(Debug, Clone, Copy)]
struct Right {
    good_until: BootTime,
    /// When it was last renewed.
    renewed: BootTime,
    /// Since when bytes are seen to wait. Not since they had to: a process that was stopped meanwhile has asked
    /// nobody.
    waits_since: Option<BootTime>,
}

impl Right {
    const fn new(now: BootTime, good_until: BootTime) -> Self {
        Self {
            good_until,
            renewed: now,
            waits_since: None,
        }
    }
}

impl Hold {
    /// From a decision that was made now.
    pub(super) fn new(now: BootTime, good_until: Option<BootTime>, terms: Terms) -> Self {
        Self {
            terms,
            born: now,
            right: good_until.map(|good_until| Right::new(now, good_until)),
        }
    }

    /// Whether bytes may pass at this instant, and whether the request may go on at all.
    pub(super) fn state(&mut self, now: BootTime) -> Result<State, Why> {
        if now.since(self.born) >= self.terms.most {
            return Err(Why::Age);
        }
        match &mut self.right {
            Some(right) if now > right.good_until => {
                let since = *right.waits_since.get_or_insert(now);
                if now.since(since) >= self.terms.patience {
                    return Err(Why::Unknown);
                }
                Ok(State::Waits)
            }
            Some(_) | None => Ok(State::Passes),
        }
    }

    /// Whether there is a right that could be taken away.
    pub(super) const fn can_end(&self) -> bool {
        self.right.is_some()
    }

    /// A later reading upholds the decision: never for a shorter time than before.
    pub(super) fn upheld(&mut self, now: BootTime, good_until: BootTime) {
        if let Some(right) = &mut self.right
            && good_until > right.good_until
        {
            *right = Right::new(now, good_until);
        }
    }

    /// It was decided on again. What was known before does not count, even if it was good for longer: it may
    /// have been stale.
    pub(super) fn decided(&mut self, now: BootTime, good_until: BootTime) {
        self.right = Some(Right::new(now, good_until));
    }

    /// Whether it is time to decide again, because nothing has renewed it.
    pub(super) fn is_due(&self, now: BootTime) -> bool {
        self.right.as_ref().is_some_and(|right| {
            now.after(AHEAD) >= right.good_until || now.since(right.renewed) >= AHEAD
        })
    }

    /// When it has to be looked at for the first time.
    pub(super) fn first_look(&self) -> BootTime {
        self.look_at(self.born).min(self.born.after(TICK))
    }

    /// When it has to be looked at again, at the latest. Until then bytes pass, if they do now.
    pub(super) fn look_at(&self, now: BootTime) -> BootTime {
        let end = self.born.after(self.terms.most);
        let Some(right) = &self.right else {
            return end;
        };
        let given_up = right
            .waits_since
            .map(|since| since.after(self.terms.patience));
        let turn = given_up.unwrap_or(right.good_until);
        now.after(TICK).min(turn).min(end)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TERMS: Terms = Terms {
        most: Duration::from_secs(60),
        patience: Duration::from_secs(2),
    };

    fn at(millis: u64) -> BootTime {
        BootTime::from_nanos(1 + millis * 1_000_000)
    }

    #[test]
    fn bytes_pass_until_the_decision_is_too_old_and_not_a_moment_later() {
        let mut hold = Hold::new(at(0), Some(at(900)), TERMS);
        assert_eq!(hold.state(at(900)), Ok(State::Passes));
        assert_eq!(hold.state(at(901)), Ok(State::Waits));
        assert_eq!(hold.state(at(2900)), Ok(State::Waits));
        assert_eq!(hold.state(at(2901)), Err(Why::Unknown));
        let mut public = Hold::new(at(0), None, TERMS);
        assert_eq!(public.state(at(59_999)), Ok(State::Passes));
        // Nobody has waited while the process was stopped.
        let mut stopped = Hold::new(at(0), Some(at(900)), TERMS);
        assert_eq!(stopped.state(at(9000)), Ok(State::Waits));
        assert_eq!(stopped.look_at(at(9000)), at(9250));
        stopped.decided(at(9010), at(10_000));
        assert_eq!(stopped.state(at(9010)), Ok(State::Passes));
    }

    #[test]
    fn nothing_lasts_longer_than_it_may() {
        let mut hold = Hold::new(at(0), Some(at(900)), TERMS);
        hold.upheld(at(59_000), at(70_000));
        assert_eq!(hold.state(at(59_999)), Ok(State::Passes));
        assert_eq!(hold.state(at(60_000)), Err(Why::Age));
        let mut public = Hold::new(at(0), None, TERMS);
        assert_eq!(public.state(at(60_000)), Err(Why::Age));
        assert_eq!(public.look_at(at(10)), at(60_000));
        assert!(!public.is_due(at(59_000)), "there is nothing to decide");
    }

    #[test]
    fn a_reading_lengthens_it_and_never_shortens_it() {
        let mut hold = Hold::new(at(0), Some(at(900)), TERMS);
        hold.upheld(at(300), at(1200));
        assert_eq!(hold.state(at(1200)), Ok(State::Passes));
        hold.upheld(at(400), at(1100));
        assert_eq!(hold.state(at(1200)), Ok(State::Passes));
        assert_eq!(hold.state(at(1201)), Ok(State::Waits));
        // One that comes while bytes are held lets them go on.
        hold.upheld(at(1300), at(2000));
        assert_eq!(hold.state(at(1300)), Ok(State::Passes));
    }

    #[test]
    fn what_nothing_renews_is_decided_again_in_time() {
        let mut hold = Hold::new(at(0), Some(at(900)), TERMS);
        assert!(!hold.is_due(at(399)) && hold.is_due(at(400)));
        hold.upheld(at(390), at(1300));
        assert!(!hold.is_due(at(799)) && hold.is_due(at(800)));
        // A reading that is no later renews nothing.
        hold.upheld(at(790), at(1300));
        assert!(hold.is_due(at(800)));
        // What may be stale for long is asked for as often, and a fresh answer counts instead of it.
        hold.decided(at(800), at(30_000));
        assert!(!hold.is_due(at(1299)) && hold.is_due(at(1300)));
        hold.decided(at(1300), at(2200));
        assert_eq!(hold.state(at(2201)), Ok(State::Waits));
    }

    #[test]
    fn it_is_looked_at_before_anything_can_change() {
        let mut hold = Hold::new(at(0), Some(at(100)), TERMS);
        assert_eq!(hold.look_at(at(0)), at(100));
        assert_eq!(hold.state(at(110)), Ok(State::Waits));
        assert_eq!(hold.look_at(at(110)), at(360));
        assert_eq!(hold.look_at(at(2000)), at(2110), "the end of patience");
        let hold = Hold::new(at(0), Some(at(70_000)), TERMS);
        assert_eq!(hold.look_at(at(0)), at(250));
        assert_eq!(hold.look_at(at(59_900)), at(60_000));
    }
}
