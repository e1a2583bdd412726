//! One round: a poll, and another one over the other connection where it has no answer in time.
//!
//! Promise: a round ends within two times [`GIVE_UP`], and what it was is counted. Its answer is applied in one go.

use std::time::Duration;

use tokio::time::{Instant, timeout};

use super::super::BootTime;
use super::super::link::Link;
use super::{Driver, GIVE_UP};

impl Driver<'_> {
    /// One poll, and another one if it has no answer.
    pub(super) async fn round(&mut self) {
        self.last = Instant::now();
        self.due = self.last + self.jittered();
        let mut start = BootTime::now();
        let mut why = "no connection".to_owned();
        for _try in 0..2 {
            let Some(link) = self.links.take() else {
                self.coherence.tally.poll_failed();
                break;
            };
            // In this order: the number, the clock, the query (DESIGN §5, R1; `Coherence::admit`).
            let number = self.coherence.take_number();
            start = BootTime::now();
            let asked = self.feed.ask(number, start);
            // An answer that is there counts, though its time is over: a lease is judged by its start.
            match timeout(GIVE_UP, link.poll(asked.cursor.as_deref())).await {
                Ok(Ok((answer, received))) => {
                    let told = answer.changes.are_told();
                    let decision = self.feed.decide(&asked, answer);
                    self.carry_out(&asked, decision);
                    let counts = told && self.coherence.read().is_some();
                    let tally = &self.coherence.tally;
                    tally.poll_applied(start, received, counts);
                    tally.snapshot(self.feed.snapshot(), start);
                    self.answered(link).await;
                    return;
                }
                // Dropped, the link is closed: nobody ever reads the answer that may still come.
                Ok(Err(error)) => why = error.to_string(),
                Err(_elapsed) => why = "no answer in time".to_owned(),
            }
            self.coherence.tally.poll_failed();
            self.links.useless();
        }
        self.notice.failed(&why);
        self.coherence.fail(start);
    }

    async fn answered(&mut self, link: Link) {
        self.notice.worked();
        if std::mem::take(&mut self.begin) {
            match timeout(GIVE_UP, link.begin_incarnation()).await {
                Ok(Ok(())) => {
                    tracing::info!("the database begins a new life: it has an id now");
                    self.due = Instant::now();
                }
                Ok(Err(error)) => return self.notice.failed(&error.to_string()),
                Err(_elapsed) => return,
            }
        }
        self.links.give_back(link);
    }

    /// The interval, give or take a tenth, so that many instances do not ask at once.
    fn jittered(&mut self) -> Duration {
        self.noise ^= self.noise << 13;
        self.noise ^= self.noise >> 7;
        self.noise ^= self.noise << 17;
        let tenth = self.settings.interval / 10;
        let percent = u32::try_from(self.noise % 201).unwrap_or_default();
        self.settings.interval - tenth + tenth * percent / 100
    }
}
