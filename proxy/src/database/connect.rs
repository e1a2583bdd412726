//! Connecting: from a URL and the settings to a connection that looks after itself.
//!
//! Promise: TLS is what the settings say, whatever the URL says; a connection whose other end is
//! gone is noticed by the kernel within [`DEAD_AFTER`], not by the next request alone; statements
//! and transactions are bounded by the server too, wherever a session is ours to set up.

use std::fmt;
use std::future::poll_fn;
use std::pin::Pin;
use std::str::FromStr as _;
use std::time::Duration;

use deadpool_postgres::Connect;
use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use sidegate_config::{DatabaseSettings, Pooler, Secret, Tls};
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::timeout;
use tokio_postgres::config::{SslMode, TargetSessionAttrs};
use tokio_postgres::{AsyncMessage, Client, Config, Connection, NoTls, Socket};

use super::tls::Encryption;
use super::{DatabaseError, Purpose};

/// The name that the server shows for our sessions, where the URL gives no other.
const APPLICATION: &str = "sidegate";
/// Where the server's socket is when a URL names no host.
const SOCKETS: &str = "/var/run/postgresql";
/// What we ask for is found where we say, whoever may create functions and operators elsewhere.
const SEARCH_PATH: &str = "-c search_path=pg_catalog,pg_temp";
/// How long sent bytes may stay unacknowledged, and a silent peer unheard of.
const DEAD_AFTER: Duration = Duration::from_secs(10);
/// When an idle connection is asked whether it lives, and how long until it is asked again.
const KEEPALIVE: Duration = Duration::from_secs(5);
/// The least bound on a statement of a request: below it the server's own load would end queries
/// that the client's time-out has not given up yet.
const LEAST_STATEMENT_TIMEOUT: Duration = Duration::from_secs(1);

/// The task that moves a connection's bytes. Dropping it closes the connection.
#[derive(Debug)]
#[must_use]
pub struct ConnectionTask(JoinSet<()>);

impl ConnectionTask {
    /// Waits until the connection has ended.
    pub async fn ended(mut self) {
        while self.0.join_next().await.is_some() {}
    }
}

/// One connection outside of the pools, for `migrate` and `doctor`: without the bounds of a
/// session, and made within `connect_timeout`.
///
/// # Errors
/// When the URL or the certificates cannot be used, or the server does not let us in.
pub async fn connect(
    url: &Secret,
    settings: &DatabaseSettings,
) -> Result<(Client, ConnectionTask), DatabaseError> {
    connect_ringing(url, settings, || {}).await
}

/// The same, and every notification of a channel that the connection listens to calls `ring`.
///
/// # Errors
/// When the URL or the certificates cannot be used, or the server does not let us in.
pub async fn connect_ringing(
    url: &Secret,
    settings: &DatabaseSettings,
    ring: impl Fn() + Send + 'static,
) -> Result<(Client, ConnectionTask), DatabaseError> {
    let config = config(("database URL", url), settings, None)?;
    let encryption = Encryption::new(&settings.tls)?;
    let opened = timeout(settings.connect_timeout, open(&config, &encryption, ring)).await;
    let (client, driven) = opened
        .map_err(|_elapsed| DatabaseError::TimedOut)?
        .map_err(DatabaseError::Connect)?;
    let mut task = JoinSet::new();
    task.spawn(driven);
    Ok((client, ConnectionTask(task)))
}

/// Opens the connections of a pool.
pub(super) struct Opener(pub(super) Encryption);

impl Connect for Opener {
    fn connect(
        &self,
        config: &Config,
    ) -> Pin<
        Box<
            dyn Future<Output = Result<(Client, JoinHandle<()>), tokio_postgres::Error>>
                + Send
                + '_,
        >,
    > {
        let config = config.clone();
        Box::pin(async move {
            let (client, driven) = open(&config, &self.0, || {}).await?;
            #[expect(
                clippy::disallowed_methods,
                reason = "the pool keeps the handle and ends the task with the connection"
            )]
            Ok((client, tokio::spawn(driven)))
        })
    }
}

impl fmt::Debug for Opener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Opener").finish_non_exhaustive()
    }
}

/// What a URL and the settings mean to the driver. `key` is where the URL comes from.
///
/// `session` is what the connection is for; `None`: the server's own bounds stay as they are.
pub(super) fn config(
    (key, url): (&'static str, &Secret),
    settings: &DatabaseSettings,
    session: Option<Purpose>,
) -> Result<Config, DatabaseError> {
    let text = std::str::from_utf8(url.expose()).map_err(|_no_text| DatabaseError::Url(key))?;
    let mut config = Config::from_str(text).map_err(|_repeats_it| DatabaseError::Url(key))?;
    if config.get_hosts().is_empty() && config.get_hostaddrs().is_empty() {
        config.host_path(SOCKETS);
    }
    let ssl_mode = match settings.tls {
        Tls::Off => SslMode::Disable,
        Tls::Required { .. } => SslMode::Require,
    };
    config
        .ssl_mode(ssl_mode)
        .connect_timeout(settings.connect_timeout)
        .keepalives(true)
        .keepalives_idle(KEEPALIVE)
        .keepalives_interval(KEEPALIVE)
        .tcp_user_timeout(DEAD_AFTER);
    // Of several servers the primary: a standby knows neither what is true now nor what changed.
    if config.get_hosts().len() > 1 && config.get_target_session_attrs() == TargetSessionAttrs::Any
    {
        config.target_session_attrs(TargetSessionAttrs::ReadWrite);
    }
    if config.get_application_name().is_none() {
        config.application_name(APPLICATION);
    }
    if let Some(purpose) = session.filter(|purpose| has_session(*purpose, settings)) {
        let own = config.get_options().unwrap_or_default();
        let options = format!(
            "{own} {SEARCH_PATH} -c statement_timeout={} -c idle_in_transaction_session_timeout={}",
            statement_timeout(purpose, settings).as_millis(),
            settings.idle_in_transaction_timeout.as_millis(),
        );
        config.options(options.trim_start());
    }
    Ok(config)
}

/// Whether a connection for this purpose is a session of our own. A transaction pooler refuses the
/// `options` of a session that it would share, and forgets prepared statements.
pub(super) const fn has_session(purpose: Purpose, settings: &DatabaseSettings) -> bool {
    match settings.pooler {
        Pooler::None => true,
        Pooler::Transaction => {
            matches!(purpose, Purpose::ChangeFeed) && settings.feed_url.is_some()
        }
    }
}

/// The server's bound on a statement: what a request has given up need not run on for long.
fn statement_timeout(purpose: Purpose, settings: &DatabaseSettings) -> Duration {
    if purpose.is_for_requests() {
        let given_up = settings.query_timeout.saturating_mul(2);
        settings
            .statement_timeout
            .min(given_up.max(LEAST_STATEMENT_TIMEOUT))
    } else {
        settings.statement_timeout
    }
}

async fn open(
    config: &Config,
    encryption: &Encryption,
    ring: impl Fn() + Send + 'static,
) -> Result<(Client, BoxFuture<'static, ()>), tokio_postgres::Error> {
    match encryption {
        Encryption::Off => {
            let (client, connection) = Box::pin(config.connect(NoTls)).await?;
            Ok((client, driven(connection, ring).boxed()))
        }
        Encryption::Rustls(tls) => {
            let (client, connection) = Box::pin(config.connect(tls.clone())).await?;
            Ok((client, driven(connection, ring).boxed()))
        }
    }
}

/// Who uses the connection reports its end; here it would be reported once more.
async fn driven<T>(mut connection: Connection<Socket, T>, ring: impl Fn() + Send)
where
    T: tokio_postgres::tls::TlsStream + Unpin,
{
    while let Some(message) = poll_fn(|context| connection.poll_message(context)).await {
        match message {
            Ok(AsyncMessage::Notification(_)) => ring(),
            // Notices of the server are for whoever reads its own log.
            Ok(_) => {}
            Err(error) => {
                tracing::debug!(error = super::describe(&error), "a connection has ended");
                return;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::database;

    fn options(purpose: Purpose, settings: &DatabaseSettings) -> String {
        let config = config(("database.url", &settings.url), settings, Some(purpose)).unwrap();
        config.get_options().unwrap_or_default().to_owned()
    }

    #[test]
    fn a_session_is_bounded_by_the_server_and_a_shared_one_is_left_alone() {
        let mut settings = database("postgres://me@127.0.0.1/app?options=-c%20jit%3Doff");
        let request = "-c jit=off -c search_path=pg_catalog,pg_temp -c statement_timeout=2000 \
                       -c idle_in_transaction_session_timeout=60000";
        assert_eq!(options(Purpose::Authorization, &settings), request);
        let background = request.replace("2000", "30000");
        assert_eq!(options(Purpose::Maintenance, &settings), background);

        settings.query_timeout = Duration::from_millis(10);
        let least = request.replace("2000", "1000");
        assert_eq!(options(Purpose::ServiceKeys, &settings), least);

        settings.pooler = Pooler::Transaction;
        assert_eq!(options(Purpose::Authorization, &settings), "-c jit=off");
        assert_eq!(options(Purpose::ChangeFeed, &settings), "-c jit=off");
        settings.feed_url = Some(settings.url.clone());
        assert_eq!(options(Purpose::ChangeFeed, &settings), background);
        assert_eq!(options(Purpose::Authorization, &settings), "-c jit=off");
    }

    #[test]
    fn the_settings_decide_about_tls_and_the_url_does_not() {
        let mut settings = database("postgres://me@127.0.0.1,localhost/app?sslmode=prefer");
        let of = |settings: &DatabaseSettings| {
            config(("database.url", &settings.url), settings, None).unwrap()
        };
        assert_eq!(of(&settings).get_ssl_mode(), SslMode::Disable);
        settings.tls = Tls::Required { ca_file: None };
        assert_eq!(of(&settings).get_ssl_mode(), SslMode::Require);
        let attributes = of(&settings).get_target_session_attrs();
        assert_eq!(attributes, TargetSessionAttrs::ReadWrite);
    }

    #[test]
    fn what_the_driver_does_not_understand_is_not_repeated() {
        let settings = database("postgres://me:hunter2@127.0.0.1/app?hunter2=hunter2");
        let error = config(("database.url", &settings.url), &settings, None).unwrap_err();
        assert!(matches!(error, DatabaseError::Url("database.url")));
        assert!(!format!("{error} {error:?}").contains("hunter2"));
    }
}
