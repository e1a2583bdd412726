//! That whoever is to refuse bad tokens does, before anything is measured.
//!
//! Promises: no token, a forged one, one that has ended and one for somebody else are answered with 401 or 403 by
//! every peer that looks at tokens, and the application hears nothing of them; the good one is answered
//! by everybody with the application's answer.

use std::sync::atomic::Ordering;

use super::PeersError;
use super::client::{Answer, exchange};
use super::peer::Peer;
use super::stage::{BODY, Stage, Started};

impl Stage {
    /// Asks everybody.
    pub(super) async fn check_refusals(&self) -> Result<(), PeersError> {
        for started in &self.peers {
            self.check_good(started).await?;
            if started.peer.refuses() {
                self.check_bad(started).await?;
            }
        }
        Ok(())
    }

    async fn check_good(&self, started: &Started) -> Result<(), PeersError> {
        let before = self.asked.load(Ordering::Relaxed);
        let answer = exchange(self.ask(started, Some(&self.token))).await?;
        let asked = self.asked.load(Ordering::Relaxed) - before;
        let wanted = Answer {
            status: 200,
            length: BODY.len(),
        };
        if answer == wanted && asked == 1 {
            return Ok(());
        }
        let what = format!("{answer:?} to a good token, and {asked} requests of the application");
        Err(wrong(started.peer, what))
    }

    async fn check_bad(&self, started: &Started) -> Result<(), PeersError> {
        for bad in &self.bad_tokens {
            let before = self.asked.load(Ordering::Relaxed);
            let answer = exchange(self.ask(started, bad.token.as_deref())).await?;
            let asked = self.asked.load(Ordering::Relaxed) - before;
            if ![401, 403].contains(&answer.status) || asked != 0 {
                let (status, what) = (answer.status, bad.what);
                let what = format!(
                    "{what} is answered with {status}, and the application was asked {asked} times"
                );
                return Err(wrong(started.peer, what));
            }
        }
        Ok(())
    }
}

fn wrong(peer: Peer, what: String) -> PeersError {
    PeersError::Answer {
        peer: peer.name(),
        what,
    }
}
