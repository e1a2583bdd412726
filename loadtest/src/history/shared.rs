//! The Redis of a case, and what goes wrong with it.
//!
//! Promises: instances reach it by a relay alone, whose address stays; a fault is over when its function
//! returns, and the server answers then. Does not: know what is written, but for its first bytes.

use std::collections::HashMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use redis::cmd;
use tokio::time::{Instant, sleep};

use super::HistoryError;
use super::dice::Dice;
use crate::redis::{Redis, RedisServerError};
use crate::relay::Relay;

/// A server, and the way to it.
#[derive(Debug)]
pub(super) struct Shared {
    relay: Relay,
    server: Arc<Mutex<Redis>>,
    /// What was first under each name, for whoever plays it back.
    old: Arc<Mutex<HashMap<Vec<u8>, Vec<u8>>>>,
}

impl Shared {
    pub(super) async fn start() -> Result<Self, HistoryError> {
        let server = tokio::task::spawn_blocking(Redis::start).await??;
        Ok(Self {
            relay: Relay::to(place(&server)).await?,
            server: Arc::new(Mutex::new(server)),
            old: Arc::default(),
        })
    }

    /// Where instances find it.
    pub(super) fn url(&self) -> String {
        format!("redis://{}", self.relay.address())
    }

    /// Everything is forgotten.
    pub(super) async fn flush(&self) -> Result<(), HistoryError> {
        self.with(|server| server.command(&["FLUSHALL"])).await
    }

    /// It takes no more writes, or takes them again; it answers what it has.
    pub(super) async fn full(&self, is_full: bool) -> Result<(), HistoryError> {
        let most = if is_full { "1" } else { "0" };
        self.with(move |server| server.command(&["CONFIG", "SET", "maxmemory", most]))
            .await
    }

    /// It stands still for so long.
    pub(super) async fn pause(&self, span: Duration) -> Result<(), HistoryError> {
        self.with(|server| server.signal("STOP")).await?;
        sleep(span).await;
        self.with(|server| server.signal("CONT")).await
    }

    /// It is killed after so long, and comes back as it was at the begin.
    pub(super) async fn restore(&self, span: Duration) -> Result<(), HistoryError> {
        self.with(|server| server.command::<()>(&["SAVE"])).await?;
        sleep(span).await;
        self.with(|server| {
            server.kill()?;
            server.resume()
        })
        .await
    }

    /// A replica that has heard nothing for so long takes its place.
    pub(super) async fn fail_over(&self, span: Duration) -> Result<(), HistoryError> {
        let replica = self
            .with(|server| {
                let replica = Redis::start()?;
                let port = server.port().to_string();
                replica.command::<()>(&["REPLICAOF", "127.0.0.1", &port])?;
                Ok(replica)
            })
            .await?;
        let replica = Arc::new(Mutex::new(replica));
        let end = Instant::now() + PATIENCE;
        loop {
            let asked = Arc::clone(&replica);
            let info = tokio::task::spawn_blocking(move || {
                asked.lock().command::<String>(&["INFO", "replication"])
            });
            if info.await??.contains("master_link_status:up") {
                break;
            }
            if Instant::now() > end {
                return Err(HistoryError::Silent("the replica does not follow"));
            }
            sleep(LOOK).await;
        }
        // From here on it lags.
        let cut = Arc::clone(&replica);
        tokio::task::spawn_blocking(move || cut.lock().command::<()>(&["REPLICAOF", "NO", "ONE"]))
            .await??;
        sleep(span).await;
        let replica = Arc::into_inner(replica)
            .ok_or(HistoryError::Silent("the replica is in use"))?
            .into_inner();
        self.relay.lead_to(place(&replica));
        self.with(move |server| {
            // What it was before is killed when it is dropped.
            *server = replica;
            Ok(())
        })
        .await
    }

    /// Somebody who can write to it does their worst for so long: values under other names, old ones under
    /// their own, values cut off, with a bit turned, made up.
    pub(super) async fn attack(&self, span: Duration) -> Result<(), HistoryError> {
        let end = Instant::now() + span;
        let mut seed = 0;
        while Instant::now() < end {
            let (old, turn) = (Arc::clone(&self.old), seed);
            self.with(move |server| tamper(server, &mut old.lock(), &mut Dice::new(turn)))
                .await?;
            seed += 1;
            sleep(LOOK).await;
        }
        Ok(())
    }

    async fn with<T: Send + 'static>(
        &self,
        act: impl FnOnce(&mut Redis) -> Result<T, RedisServerError> + Send + 'static,
    ) -> Result<T, HistoryError> {
        let server = Arc::clone(&self.server);
        Ok(tokio::task::spawn_blocking(move || act(&mut server.lock())).await??)
    }
}

/// A name and what is under it.
type Pair = (Vec<u8>, Vec<u8>);

/// All values by their names. What is new is noted.
fn values(
    server: &Redis,
    old: &mut HashMap<Vec<u8>, Vec<u8>>,
) -> Result<Vec<Pair>, RedisServerError> {
    let mut connection = server.connection()?;
    let names: Vec<Vec<u8>> = cmd("KEYS").arg("sidegate:*").query(&mut connection)?;
    if names.is_empty() {
        return Ok(Vec::new());
    }
    let found: Vec<Option<Vec<u8>>> = cmd("MGET").arg(&names).query(&mut connection)?;
    let pairs = names.into_iter().zip(found);
    let pairs: Vec<_> = pairs
        .filter_map(|(name, value)| Some((name, value?)))
        .collect();
    for (name, value) in &pairs {
        old.entry(name.clone()).or_insert_with(|| value.clone());
    }
    Ok(pairs)
}

fn tamper(
    server: &Redis,
    old: &mut HashMap<Vec<u8>, Vec<u8>>,
    dice: &mut Dice,
) -> Result<(), RedisServerError> {
    let pairs = values(server, old)?;
    let mut connection = server.connection()?;
    let mut pipeline = redis::pipe();
    for (name, value) in &pairs {
        let other = pairs.get(dice.below(pairs.len()));
        let value = match dice.below(6) {
            0 | 1 => other.map_or_else(Vec::new, |(_, other)| other.clone()),
            2 => old.get(name).cloned().unwrap_or_default(),
            3 => value
                .iter()
                .copied()
                .take(dice.below(value.len().max(1)))
                .collect(),
            4 => {
                let mut value = value.clone();
                let at = dice.below(value.len().max(1));
                if let Some(byte) = value.get_mut(at) {
                    *byte ^= 1;
                }
                value
            }
            _ => continue,
        };
        pipeline.cmd("SETEX").arg(name).arg(900).arg(value).ignore();
    }
    // An empty pipeline is an error of its own.
    if !pairs.is_empty() {
        pipeline.exec(&mut connection)?;
    }
    Ok(())
}

fn place(server: &Redis) -> SocketAddr {
    (Ipv4Addr::LOCALHOST, server.port()).into()
}

const LOOK: Duration = Duration::from_millis(20);
const PATIENCE: Duration = Duration::from_secs(10);
