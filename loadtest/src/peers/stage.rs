//! Everything that a comparison needs, started: application, database, authorizer, peers.
//!
//! Promises: what is not installed is named; what is, runs. Does not: measure.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use super::affinity::Cores;
use super::client::Ask;
use super::issuer::{BadToken, Issuer};
use super::outcome::Skipped;
use super::peer::{Peer, Program};
use super::process::{Running, find, runs};
use super::surroundings::Surroundings;
use super::{Comparison, PeersError};
use crate::ids::{Table, id};
use crate::process::Sidegate;
use crate::server::Server;

/// What everybody is measured on.
pub(super) struct Stage {
    pub(super) peers: Vec<Started>,
    pub(super) skipped: Vec<Skipped>,
    pub(super) path: String,
    pub(super) token: String,
    pub(super) bad_tokens: Vec<BadToken>,
    /// Requests that the application has had.
    pub(super) asked: Arc<AtomicU64>,
    authorizer: Option<Running>,
    pub(super) surroundings: Surroundings,
}

/// A peer that runs.
pub(super) struct Started {
    pub(super) peer: Peer,
    pub(super) version: String,
    pub(super) process: Process,
}

pub(super) enum Process {
    Sidegate(Box<Sidegate>, SocketAddr),
    Other(Running),
}

impl Stage {
    pub(super) async fn set(
        comparison: &Comparison,
        cores: Option<&Cores>,
    ) -> Result<Self, PeersError> {
        let issuer = Issuer::new()?;
        let owner = id(Table::Users, 0, SEED);
        let generation = id(Table::Generations, 0, SEED);
        let token = issuer.token(owner)?;
        let asked = Arc::new(AtomicU64::new(0));
        let backend = Server::fixed(BODY, Arc::clone(&asked)).await?;
        let under = cores.map(Cores::peer_command).unwrap_or_default();
        let mut surroundings = Surroundings::new(&issuer, backend, token.clone(), under)?;
        let (wanted, mut skipped) = wanted(comparison)?;
        if wanted
            .iter()
            .any(|(peer, _)| peer.program() == Program::Sidegate)
        {
            let started = surroundings.start_database(&comparison.sidegate, owner, generation);
            started.await?;
        }
        let authorizer = surroundings.start_authorizer(&wanted).await?;
        let mut peers = Vec::with_capacity(wanted.len());
        for (peer, program) in wanted {
            if peer.asks() && authorizer.is_none() {
                let reason = "the trivial server that it asks is an nginx, which is not installed";
                skipped.push(Skipped::new(peer, reason));
                continue;
            }
            peers.push(surroundings.start(peer, &program).await?);
        }
        Ok(Self {
            peers,
            skipped,
            path: format!("/g/{generation}"),
            token,
            bad_tokens: issuer.bad_tokens(owner)?,
            asked,
            authorizer,
            surroundings,
        })
    }

    /// The request, with this token.
    pub(super) fn ask(&self, started: &Started, token: Option<&str>) -> Ask {
        Ask {
            peer: started.peer.name(),
            address: started.address(),
            bytes: self.request(token).into_bytes().into(),
        }
    }

    pub(super) fn request(&self, token: Option<&str>) -> String {
        let headers = self.header_lines(token).join("\r\n");
        format!("GET {} HTTP/1.1\r\n{headers}\r\n\r\n", self.path)
    }

    pub(super) fn header_lines(&self, token: Option<&str>) -> Vec<String> {
        let mut lines: Vec<String> = HEADERS.iter().map(|line| (*line).to_owned()).collect();
        lines.extend(token.map(|token| format!("Authorization: Bearer {token}")));
        lines
    }

    /// The trivial server's, or the peer's own where there is none to ask.
    pub(super) fn authorizer_id(&self, started: &Started) -> u32 {
        self.authorizer.as_ref().map_or(started.id(), Running::id)
    }

    /// That Sidegate has answered from memory what it was asked.
    pub(super) async fn check_memory(&self) -> Result<(), PeersError> {
        for started in &self.peers {
            let Process::Sidegate(sidegate, _) = &started.process else {
                continue;
            };
            let all = sidegate.metric("sidegate_answers_total{").await?;
            let memory = sidegate.metric(FROM_MEMORY).await?;
            if memory == 0 || memory * 100 < all * 99 {
                return Err(PeersError::Answer {
                    peer: started.peer.name(),
                    what: format!("{memory} of {all} answers were from memory"),
                });
            }
        }
        Ok(())
    }
}

impl Started {
    pub(super) fn id(&self) -> u32 {
        match &self.process {
            Process::Sidegate(sidegate, _) => sidegate.id(),
            Process::Other(running) => running.id(),
        }
    }

    pub(super) fn address(&self) -> SocketAddr {
        match &self.process {
            Process::Sidegate(_, address) => *address,
            Process::Other(running) => running.address(),
        }
    }
}

/// Who is asked for and installed, and who is not installed. A path that was named is of a program that runs.
fn wanted(comparison: &Comparison) -> Result<Wanted, PeersError> {
    let (mut wanted, mut skipped) = (Vec::new(), Vec::new());
    let is_wanted = |peer: &Peer| comparison.only.is_empty() || comparison.only.contains(peer);
    for peer in Peer::ALL.into_iter().filter(is_wanted) {
        let (program, missing) = match peer.program() {
            Program::Sidegate => (Some(comparison.sidegate.clone()), ""),
            Program::BarePingora => {
                let named = comparison.bare.as_deref().map(runs).transpose()?;
                (named, "no binary was named (--bare)")
            }
            Program::Nginx => (find(Path::new("nginx")), "nginx is not installed"),
            Program::Haproxy => (find(Path::new("haproxy")), "haproxy is not installed"),
            Program::Envoy => {
                let found = match &comparison.envoy {
                    Some(named) => Some(runs(named)?),
                    None => find(Path::new("envoy")),
                };
                (found, "envoy is not installed (scripts/setup bench)")
            }
        };
        match program {
            Some(program) => wanted.push((peer, program)),
            None => skipped.push(Skipped::new(peer, missing)),
        }
    }
    Ok((wanted, skipped))
}

type Wanted = (Vec<(Peer, PathBuf)>, Vec<Skipped>);

/// What the application answers.
pub(super) const BODY: &str =
    r#"{"id":"0b9a3f1e-6f0f-4a53-8f4e-3d6b1f2a9c70","status":"completed","visibility":"private"}"#;

/// A browser's, of an application's page; without the token.
const HEADERS: [&str; 6] = [
    "Host: app.test",
    "User-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0",
    "Accept: application/json, text/plain, */*",
    "Accept-Language: en-US,en;q=0.5",
    "Accept-Encoding: gzip, deflate, br",
    "Referer: https://app.test/generations",
];

pub(super) const FROM_MEMORY: &str = "sidegate_answers_total{tier=\"l1\"}";
const SEED: u64 = 1;
