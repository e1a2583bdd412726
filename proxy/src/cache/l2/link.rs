//! The connections to Redis.
//!
//! Promise: nothing waits for longer than the settings say, not a connect, not a command, not a queue; a
//! command on a connection that is down fails at once; a connection that does not answer is given up and
//! opened anew. No more of a value is read than the longest that is written.

use std::fmt;
use std::time::Duration;

use bytes::Bytes;
use fred::clients::{Client, Pool};
use fred::error::{Error, ErrorKind};
use fred::interfaces::{ClientLike as _, EventInterface as _, KeysInterface as _};
use fred::types::config::{
    Config, ConnectionConfig, Options, PerformanceConfig, ReconnectPolicy, TcpConfig, TlsConfig,
    TlsHostMapping, UnresponsiveConfig,
};
use fred::types::{ConnectHandle, Expiration};
use futures_util::future::select_all;
use sidegate_config::RedisSettings;

use super::L2Error;
use crate::tls;

/// The longest value that is read and written, in bytes.
pub(super) const MOST: usize = 64 * 1024;
/// How long a write may take. Nobody waits for it.
const WRITE: Duration = Duration::from_secs(1);
/// A connection on which a command has waited for so long is given up.
const UNRESPONSIVE: Duration = Duration::from_secs(1);
/// Between two tries to connect, in milliseconds: the least, the most, and what the pause grows by.
const RECONNECT: (u32, u32, u32) = (50, 1000, 2);

/// How connections are made. Its configuration has the password.
#[derive(Clone)]
pub(super) struct Links {
    config: Config,
    connection: ConnectionConfig,
    performance: PerformanceConfig,
    pool_size: usize,
    get: Options,
    set: Options,
}

/// Connections that are open, or being opened.
#[derive(Debug)]
pub(super) struct Link {
    pool: Pool,
    get: Options,
    set: Options,
}

/// What drives them. Dropped, they are closed.
#[derive(Debug)]
pub(super) struct Drivers(Vec<ConnectHandle>);

/// Why a command has no answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Trouble {
    /// Redis does not answer, or not in time.
    Away,
    /// It answers that this is not to be had: something else is under the name, or it is full.
    Refused,
}

impl fmt::Debug for Links {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Links").finish_non_exhaustive()
    }
}

impl Links {
    /// Reads the address and the certificates that the settings name. Connects to nothing.
    pub(super) fn new(settings: &RedisSettings) -> Result<Self, L2Error> {
        let url = std::str::from_utf8(settings.url.expose()).or(Err(L2Error::Url))?;
        // Its own message may repeat parts of it.
        let mut config = Config::from_url(url).map_err(|_error| L2Error::Url)?;
        config.fail_fast = false;
        config.tls = if settings.tls {
            let client = tls::client_config(settings.ca_file.as_deref())?;
            let mut tls = TlsConfig::from(client);
            // A cluster names its nodes by address; their certificates name the host that was asked.
            tls.hostnames = TlsHostMapping::DefaultHost;
            Some(tls)
        } else {
            None
        };
        let options = |timeout| Options {
            timeout: Some(timeout),
            fail_fast: true,
            max_attempts: Some(1),
            ..Options::default()
        };
        Ok(Self {
            config,
            connection: ConnectionConfig {
                connection_timeout: settings.connect_timeout,
                internal_command_timeout: settings.connect_timeout,
                max_command_attempts: 1,
                max_command_buffer_len: settings.command_queue,
                reconnect_on_auth_error: true,
                unresponsive: UnresponsiveConfig {
                    max_timeout: Some(UNRESPONSIVE.max(settings.command_timeout)),
                    interval: UNRESPONSIVE / 4,
                },
                tcp: TcpConfig {
                    nodelay: Some(true),
                    ..TcpConfig::default()
                },
                ..ConnectionConfig::default()
            },
            performance: PerformanceConfig {
                default_command_timeout: WRITE,
                ..PerformanceConfig::default()
            },
            pool_size: settings.pool_size,
            get: options(settings.command_timeout),
            set: options(WRITE),
        })
    }

    /// Begins to connect. To be called on the runtime that is to drive the connections.
    pub(super) fn open(&self) -> Result<(Link, Drivers), L2Error> {
        let (least, most, base) = RECONNECT;
        let pool = Pool::new(
            self.config.clone(),
            Some(self.performance.clone()),
            Some(self.connection.clone()),
            Some(ReconnectPolicy::new_exponential(0, least, most, base)),
            self.pool_size,
        )
        .map_err(|_error| L2Error::Url)?;
        let drivers = Drivers(pool.connect_pool());
        let link = Link {
            pool,
            get: self.get.clone(),
            set: self.set.clone(),
        };
        Ok((link, drivers))
    }
}

impl Link {
    /// What is under a name; empty: nothing.
    pub(super) async fn get(&self, key: &[u8]) -> Result<Bytes, Trouble> {
        let client = self.client().with_options(&self.get);
        // One byte more than there may be, so that too much is seen to be.
        let value = client.getrange(key, 0, MOST).await;
        value.map_err(|error| trouble(&error))
    }

    /// Puts a value under a name, for so many seconds.
    pub(super) async fn set(&self, key: &[u8], value: Vec<u8>, ttl: u64) -> Result<(), Trouble> {
        let client = self.client().with_options(&self.set);
        let ttl = Expiration::EX(i64::try_from(ttl).unwrap_or(i64::MAX));
        let value = Bytes::from(value);
        let done = client.set::<(), _, _>(key, value, Some(ttl), None, false);
        done.await.map_err(|error| trouble(&error))
    }

    /// Whether it answers.
    pub(super) async fn ping(&self) -> Result<(), Trouble> {
        let client = self.client().with_options(&self.get);
        let done = client.ping::<()>(None);
        done.await.map_err(|error| trouble(&error))
    }

    /// Waits for the next reason why there is none, or no more: of one client, which stands for all. May name
    /// the server, never a password.
    pub(super) async fn trouble(&self) -> String {
        let mut errors = self.client().error_rx();
        match errors.recv().await {
            Ok((error, _server)) => reason(&error),
            // More than it can hold at once, or the client is gone.
            Err(_) => "no connection".to_owned(),
        }
    }

    /// Whether there is one that is open.
    pub(super) fn is_connected(&self) -> bool {
        self.client().is_connected()
    }

    /// Connections that are open.
    pub(super) fn connected(&self) -> usize {
        let clients = self.pool.clients().iter();
        clients.filter(|client| client.is_connected()).count()
    }

    fn client(&self) -> &Client {
        self.pool.next_connected()
    }
}

impl Drivers {
    /// Waits until one of them has given up, and why: the client does so where connecting again seems to be
    /// of no use to it, as to a cluster that is none. Then all of them are to be opened anew.
    pub(super) async fn ended(&mut self) -> String {
        if self.0.is_empty() {
            return std::future::pending().await;
        }
        match select_all(self.0.iter_mut()).await {
            (Ok(Err(error)), ..) => format!("its client has given up: {}", reason(&error)),
            (Ok(Ok(())) | Err(_), ..) => "its client has ended".to_owned(),
        }
    }
}

impl Drop for Drivers {
    fn drop(&mut self) {
        for task in &self.0 {
            task.abort();
        }
    }
}

/// What may be said of an error: words of the system or of TLS, and of the server's the first one, if it is
/// one of these. A server that does not understand repeats what it was sent, a password included.
fn reason(error: &Error) -> String {
    const KNOWN: [&str; 6] = [
        "WRONGPASS",
        "NOAUTH",
        "NOPERM",
        "LOADING",
        "MASTERDOWN",
        "READONLY",
    ];
    if matches!(
        error.kind(),
        ErrorKind::IO | ErrorKind::Tls | ErrorKind::Timeout
    ) {
        return error.to_string();
    }
    let said = error.details().split_whitespace().next();
    let said = said.filter(|word| KNOWN.contains(word)).unwrap_or_default();
    format!("{} {said}", error.kind().to_str())
}

fn trouble(error: &Error) -> Trouble {
    match error.kind() {
        // WRONGTYPE, OOM, READONLY and the like.
        ErrorKind::InvalidArgument
        | ErrorKind::InvalidCommand
        | ErrorKind::Unknown
        | ErrorKind::Parse
        | ErrorKind::NotFound => Trouble::Refused,
        ErrorKind::Config
        | ErrorKind::Auth
        | ErrorKind::Routing
        | ErrorKind::IO
        | ErrorKind::Url
        | ErrorKind::Protocol
        | ErrorKind::Tls
        | ErrorKind::Canceled
        | ErrorKind::Timeout
        | ErrorKind::Cluster
        | ErrorKind::Sentinel
        | ErrorKind::Backpressure => Trouble::Away,
    }
}
