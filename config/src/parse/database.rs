//! The database: its addresses, TLS, and the bounds on connections and time.
//!
//! Promise: a server beyond loopback is spoken to over TLS unless an `insecure_…` option says
//! otherwise, and no address contradicts what is decided for all of them. An address is in no
//! message. No host is looked up and no connection is made.

use std::str;
use std::time::Duration;

use super::postgres_url::{Address, Reach, SslMode, URL_EXPECTED, address};
use super::report::Report;
use super::value::{Bounds, HOUR, MILLISECOND, MINUTE};
use crate::locate::YamlPath;
use crate::raw::{self, DurationText, Lenient, PoolerName, RefreshName};
use crate::secret::Secret;
use crate::settings::{DatabaseSettings, Pooler, Refresh, Tls, ViewSettings};

pub(crate) fn database(raw: raw::Database, report: &mut Report) -> Option<DatabaseSettings> {
    let at = YamlPath::default().key("database");
    let mut count = |key, written: Option<Lenient<usize>>, default, min| {
        let value = written.map_or(default, |value| value.0);
        report.integer(&at.key(key), value, min, MOST)
    };
    let pool_size = count("pool_size", raw.pool_size, 20, LEAST_POOL);
    let max_overflow = count("max_overflow", raw.max_overflow, 30, 0);
    let instances = count("instances", raw.instances, 1, 1);

    let mut bound = |key, written: &Option<DurationText>, bounds| {
        report.duration(&at.key(key), written.as_ref(), bounds)
    };
    let connect_timeout = bound("connect_timeout", &raw.connect_timeout, &CONNECT);
    let query_timeout = bound("query_timeout", &raw.query_timeout, &QUERY);
    let statement_timeout = bound("statement_timeout", &raw.statement_timeout, &STATEMENT);
    let written = &raw.idle_in_transaction_timeout;
    let idle_in_transaction = bound("idle_in_transaction_timeout", written, &IDLE);
    let acquire_timeout = bound("acquire_timeout", &raw.acquire_timeout, &ACQUIRE);
    let idle_timeout = bound("idle_timeout", &raw.idle_timeout, &IDLE);
    let max_lifetime = bound("max_lifetime", &raw.max_lifetime, &LIFETIME);

    let Connections {
        url,
        feed_url,
        migrate_url,
        tls,
    } = connections(&raw, &at, report)?;
    let pooler = match raw.pooler {
        Some(PoolerName::Transaction) => Pooler::Transaction,
        Some(PoolerName::None) | None => Pooler::None,
    };
    if raw.doorbell.0 && pooler == Pooler::Transaction && feed_url.is_none() {
        // Whoever listens needs a session of its own.
        return report.refuse(
            &at.key("doorbell"),
            "expected `feed_url`, a way past the pooler: nobody can listen through one",
        );
    }
    let view = view(&at.key("view"), &raw.view, report);
    Some(DatabaseSettings {
        view: view?,
        url,
        feed_url,
        migrate_url,
        pooler,
        doorbell: raw.doorbell.0,
        tls,
        pool_size: pool_size?,
        max_overflow: max_overflow?,
        instances: instances?,
        connect_timeout: connect_timeout?,
        query_timeout: query_timeout?,
        statement_timeout: statement_timeout?,
        idle_in_transaction_timeout: idle_in_transaction?,
        acquire_timeout: acquire_timeout?,
        idle_timeout: idle_timeout?,
        max_lifetime: max_lifetime?,
    })
}

fn view(at: &YamlPath, raw: &raw::View, report: &mut Report) -> Option<ViewSettings> {
    let interval = report.duration(&at.key("interval"), raw.interval.as_ref(), &INTERVAL);
    let debounce = report.duration(&at.key("debounce"), raw.debounce.as_ref(), &DEBOUNCE);
    let timeout = report.duration(&at.key("timeout"), raw.timeout.as_ref(), &REFRESH);
    let (interval, debounce) = (interval?, debounce?);
    let refresh = match raw.refresh {
        Some(RefreshName::Off) | None => Refresh::Off,
        Some(RefreshName::Interval) => Refresh::Interval(interval),
        Some(RefreshName::OnChange) => Refresh::OnChange(debounce),
        Some(RefreshName::Manual) => Refresh::Manual,
    };
    if raw.route.0 && refresh == Refresh::Off {
        return report.refuse(
            &at.key("route"),
            "expected `refresh` to be `interval`, `on_change` or `manual`: there is no view otherwise",
        );
    }
    Some(ViewSettings {
        refresh,
        timeout: timeout?,
        route: raw.route.0,
    })
}

/// Where the database is, and how it is spoken to.
struct Connections {
    url: Secret,
    feed_url: Option<Secret>,
    migrate_url: Option<Secret>,
    tls: Tls,
}

/// An address, and where it was written.
struct Located {
    path: YamlPath,
    address: Address,
}

fn connections(raw: &raw::Database, at: &YamlPath, report: &mut Report) -> Option<Connections> {
    let plaintext = report.insecure(at, "insecure_plaintext", raw.insecure_plaintext);
    let mut addresses = Vec::new();
    let mut one = |key: &str, written: &String| {
        let path = at.key(key);
        let (secret, address) = url(&path, written.clone(), report)?;
        addresses.push(Located { path, address });
        Some(secret)
    };
    let url = one("url", &raw.url);
    let mut other = |key: &str, written: &Option<String>| match written {
        Some(written) => one(key, written).map(Some),
        None => Some(None),
    };
    let feed_url = other("feed_url", &raw.feed_url);
    let migrate_url = other("migrate_url", &raw.migrate_url);

    let required = encrypted(&addresses, plaintext, report);
    let tls = tls(raw.ca_file.as_deref(), required, at, report);
    Some(Connections {
        url: url?,
        feed_url: feed_url?,
        migrate_url: migrate_url?,
        tls: tls?,
    })
}

fn tls(ca_file: Option<&str>, required: bool, at: &YamlPath, report: &mut Report) -> Option<Tls> {
    let ca_file = match ca_file {
        Some(written) => Some(report.file(&at.key("ca_file"), written)?),
        None => None,
    };
    if let Some(file) = &ca_file {
        report.reads(file);
    }
    if required {
        return Some(Tls::Required { ca_file });
    }
    if ca_file.is_some() {
        report.note("database.ca_file is not used: no URL of `database` needs TLS".to_owned());
    }
    Some(Tls::Off)
}

fn url(path: &YamlPath, written: String, report: &mut Report) -> Option<(Secret, Address)> {
    let secret = report.secret(path, written)?;
    let text = str::from_utf8(secret.expose()).or(Err(URL_EXPECTED));
    match text.and_then(address) {
        Ok(address) => Some((secret, address)),
        Err(message) => report.refuse(path, message),
    }
}

/// Whether TLS is used. It is one decision for all addresses, so none may speak against it.
fn encrypted(addresses: &[Located], plaintext: bool, report: &mut Report) -> bool {
    let beyond = |address: &Address| address.reach == Reach::Beyond && !plaintext;
    let asks = |address: &Address| address.sslmode == Some(SslMode::Require);
    let required = addresses
        .iter()
        .any(|one| beyond(&one.address) || asks(&one.address));
    for Located { path, address } in addresses {
        if asks(address) && address.reach == Reach::Socket {
            report.problem(
                path,
                "expected no `sslmode=require`: a unix socket has no TLS",
            );
        }
        if required && address.sslmode == Some(SslMode::Disable) {
            let message = if beyond(address) {
                "expected no `sslmode=disable` with a server beyond loopback, or \
                 `database.insecure_plaintext: true`"
            } else {
                "expected no `sslmode=disable`: another URL of `database` needs TLS, and all of \
                 them use it then"
            };
            report.problem(path, message);
        }
    }
    required
}

/// One for each of the six pools, and a second one for the change feed.
const LEAST_POOL: usize = 7;

/// Far more than a server takes; what is above is a slip of the pen.
const MOST: usize = 1000;

const CONNECT: Bounds = Bounds {
    default: Duration::from_secs(2),
    min: MILLISECOND,
    max: MINUTE,
    says: "1ms to 60s",
};

const QUERY: Bounds = Bounds {
    default: Duration::from_secs(1),
    min: MILLISECOND,
    max: MINUTE,
    says: "1ms to 60s",
};

const STATEMENT: Bounds = Bounds {
    default: Duration::from_secs(30),
    min: Duration::from_secs(1),
    max: MINUTE.saturating_mul(10),
    says: "1s to 10m",
};

/// The rule for a transaction in which nothing happens and for a connection that nobody uses.
const IDLE: Bounds = Bounds {
    default: MINUTE,
    min: Duration::from_secs(1),
    max: HOUR,
    says: "1s to 1h",
};

const ACQUIRE: Bounds = Bounds {
    default: Duration::from_secs(30),
    min: MILLISECOND,
    max: MINUTE.saturating_mul(5),
    says: "1ms to 5m",
};

const INTERVAL: Bounds = Bounds {
    default: MINUTE,
    min: Duration::from_secs(1),
    max: HOUR.saturating_mul(24),
    says: "1s to 24h",
};

const DEBOUNCE: Bounds = Bounds {
    default: Duration::from_secs(5),
    min: MILLISECOND.saturating_mul(100),
    max: HOUR,
    says: "100ms to 1h",
};

const REFRESH: Bounds = Bounds {
    default: MINUTE,
    min: Duration::from_secs(1),
    max: HOUR.saturating_mul(24),
    says: "1s to 24h",
};

const LIFETIME: Bounds = Bounds {
    default: HOUR,
    min: Duration::from_secs(1),
    max: HOUR.saturating_mul(24),
    says: "1s to 24h",
};
