//! Redis: its address, the keys of its values, and the bounds on connections and time.
//!
//! Promise: a server beyond loopback is spoken to over TLS unless an `insecure_…` option says otherwise.
//! An address is in no message. No host is looked up and no connection is made.

use std::str;
use std::time::Duration;

use super::breaker::{Standard, breaker};
use super::redis_url::{URL_EXPECTED, address};
use super::report::Report;
use super::value::{Bounds, MILLISECOND, MINUTE, all};
use crate::locate::YamlPath;
use crate::raw::{self, Lenient};
use crate::secret::Secret;
use crate::settings::RedisSettings;

/// `Some(None)`: there is none.
pub(crate) fn redis(raw: Option<raw::Redis>, report: &mut Report) -> Option<Option<RedisSettings>> {
    let Some(raw) = raw else {
        return Some(None);
    };
    let at = YamlPath::default().key("redis");
    let mut count = |key, written: Option<Lenient<usize>>, default, min, max| {
        let value = written.map_or(default, |value| value.0);
        report.integer(&at.key(key), value, min, max)
    };
    let pool_size = count("pool_size", raw.pool_size, 20, 1, 1000);
    let write_queue = count("write_queue", raw.write_queue, 10_000, 1, 1_000_000);
    let command_queue = count("command_queue", raw.command_queue, 1000, 1, 100_000);
    let compress_above = count("compress_above", raw.compress_above, 1024, 64, 65_536);
    let connect_timeout = report.duration(
        &at.key("connect_timeout"),
        raw.connect_timeout.as_ref(),
        &CONNECT,
    );
    let command_timeout = report.duration(
        &at.key("command_timeout"),
        raw.command_timeout.as_ref(),
        &COMMAND,
    );
    let total_timeout =
        report.duration(&at.key("total_timeout"), raw.total_timeout.as_ref(), &TOTAL);
    let breaker = breaker(&at.key("breaker"), &raw.breaker, &BREAKER, report);
    let mac_keys = keys(&at.key("mac_keys"), raw.mac_keys, report);
    let plaintext = report.insecure(&at, "insecure_plaintext", raw.insecure_plaintext);
    let located = url(&at.key("url"), raw.url, plaintext, report);
    let ca_file = match raw.ca_file.as_deref() {
        Some(written) => Some(report.file(&at.key("ca_file"), written)?),
        None => None,
    };
    let (url, tls) = located?;
    match &ca_file {
        Some(file) if tls => report.reads(file),
        Some(_) => report.note("redis.ca_file is not used: `redis.url` has no TLS".to_owned()),
        None => {}
    }
    Some(Some(RedisSettings {
        url,
        tls,
        ca_file,
        mac_keys: mac_keys?,
        pool_size: pool_size?,
        connect_timeout: connect_timeout?,
        command_timeout: command_timeout?,
        total_timeout: total_timeout?,
        write_queue: write_queue?,
        command_queue: command_queue?,
        compress_above: compress_above?,
        breaker: breaker?,
    }))
}

fn keys(at: &YamlPath, written: Vec<String>, report: &mut Report) -> Option<Vec<Secret>> {
    if written.is_empty() {
        return report.refuse(
            at,
            "expected at least one key: what anybody can write is not believed",
        );
    }
    let written = written.into_iter().enumerate();
    let keys = written.map(|(index, key)| report.mac_key(&at.index(index), key));
    all(keys.collect())
}

fn url(
    path: &YamlPath,
    written: String,
    plaintext: bool,
    report: &mut Report,
) -> Option<(Secret, bool)> {
    let secret = report.secret(path, written)?;
    let text = str::from_utf8(secret.expose()).or(Err(URL_EXPECTED));
    match text.and_then(address) {
        Ok(found) if found.tls || found.is_loopback || plaintext => Some((secret, found.tls)),
        Ok(_) => report.refuse(
            path,
            "expected TLS (`rediss`, `rediss-sentinel` or `rediss-cluster`) with a server beyond \
             loopback, or `redis.insecure_plaintext: true`",
        ),
        Err(message) => report.refuse(path, message),
    }
}

const BREAKER: Standard = Standard {
    failures: 5,
    open: Duration::from_secs(15),
};

const CONNECT: Bounds = Bounds {
    default: Duration::from_secs(1),
    min: MILLISECOND,
    max: MINUTE,
    says: "1ms to 60s",
};

const COMMAND: Bounds = Bounds {
    default: MILLISECOND.saturating_mul(20),
    min: MILLISECOND,
    max: Duration::from_secs(10),
    says: "1ms to 10s",
};

const TOTAL: Bounds = Bounds {
    default: MILLISECOND.saturating_mul(25),
    min: MILLISECOND,
    max: Duration::from_secs(10),
    says: "1ms to 10s",
};
