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

#[cfg(test)]
mod tests {
    use super::super::{Comparison, compare};
    use super::*;

    fn of(only: &[Peer]) -> Comparison {
        Comparison {
            sidegate: "sidegate".into(),
            bare: None,
            envoy: None,
            rounds: 1,
            instructions: true,
            only: only.to_vec(),
        }
    }

    /// Real programs and real tokens: whoever refuses is measured, whoever is not there is named.
    #[tokio::test(flavor = "multi_thread")]
    async fn peers_that_refuse_bad_tokens_are_measured() {
        let asking = [Peer::NginxAuthRequest, Peer::HaproxyJwt, Peer::BarePingora];
        let outcome = compare(&of(&asking), |_event| {}).await.unwrap();
        let measured: Vec<_> = outcome.figures().iter().map(|it| it.peer).collect();
        assert_eq!(measured, asking[..2]);
        let is_sound = |it: &super::super::Figure| it.cpu_us.median > 0.0 && it.p50_us > 0.0;
        assert!(outcome.figures().iter().all(is_sound));
        assert_eq!(outcome.skipped()[0].peer, Peer::BarePingora);
        let ratio = outcome.ratio(Peer::HaproxyJwt, Peer::NginxAuthRequest);
        assert!(ratio.is_some_and(|it| it.median > 0.0));
        let text = outcome.to_string();
        assert!(text.contains("1 peers skipped: bare-pingora"), "{text}");
    }

    /// A path that was named is meant.
    #[tokio::test(flavor = "multi_thread")]
    async fn nobody_to_measure_and_a_path_that_does_not_run_are_errors() {
        let mut comparison = of(&[Peer::BarePingora]);
        let found = compare(&comparison, |_event| {}).await.unwrap_err();
        let wanted = "nobody is there to be measured: bare-pingora (no binary was named (--bare))";
        assert_eq!(found.to_string(), wanted);
        comparison.only = vec![Peer::Envoy];
        comparison.envoy = Some("/nowhere/envoy".into());
        let found = compare(&comparison, |_event| {}).await.unwrap_err();
        assert_eq!(found.to_string(), "/nowhere/envoy cannot be run");
    }

    /// One that passes everything on is taken for one that looks at tokens.
    #[tokio::test(flavor = "multi_thread")]
    async fn a_peer_that_lets_a_bad_token_through_is_an_error() {
        let stage = Stage::set(&of(&[Peer::Haproxy]), None).await.unwrap();
        let open = &stage.peers[0];
        stage.check_good(open).await.unwrap();
        let found = stage.check_bad(open).await.unwrap_err().to_string();
        let wanted =
            "haproxy: no token is answered with 200, and the application was asked 1 times";
        assert_eq!(found, wanted);
    }
}
