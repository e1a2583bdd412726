//! The keys of an issuer.
//!
//! Promise: each entry names exactly one source and only the options that belong to it, and shared
//! secrets and HS256 come together or not at all. A short secret needs its `insecure_…` option.
//! Key files are named, not opened; key sets behind a URL are named, not fetched.

use std::collections::BTreeSet;

use super::remote::{Options, remote};
use super::report::Report;
use super::value::{PLACEHOLDER, all, is_placeholder};
use crate::locate::YamlPath;
use crate::raw;
use crate::secret::Secret;
use crate::settings::{Algorithm, KeySource, RemoteKeyKind};

pub(crate) fn keys(
    written: Vec<raw::Key>,
    algorithms: &BTreeSet<Algorithm>,
    issuer: &YamlPath,
    report: &mut Report,
) -> Option<Vec<KeySource>> {
    let at = issuer.key("keys");
    if written.is_empty() {
        return report.refuse(&at, "expected at least one key");
    }
    let hs256 = algorithms.contains(&Algorithm::Hs256);
    if hs256 && written.iter().all(|key| key.secret.is_none()) {
        report.problem(
            &issuer.key("algorithms"),
            "expected a `secret` among `keys`, which HS256 needs",
        );
    }
    let mut tried = Vec::with_capacity(written.len());
    for (index, raw) in written.into_iter().enumerate() {
        let path = at.index(index);
        if raw.secret.is_some() && !hs256 {
            report.problem(
                &path,
                "expected HS256 among `algorithms`, which a `secret` needs",
            );
        }
        let remote = raw.jwks_uri.is_some() || raw.openid_discovery.is_some();
        if remote && hs256 && algorithms.len() == 1 {
            report.problem(
                &path,
                "expected more than HS256 among `algorithms`: a public key set holds no shared \
                 secret",
            );
        }
        tried.push(key(raw, &path, report));
    }
    all(tried)
}

fn key(raw: raw::Key, at: &YamlPath, report: &mut Report) -> Option<KeySource> {
    let short = report.insecure(at, "insecure_short_secret", raw.insecure_short_secret);
    let kid = match raw.kid {
        Some(kid) => report.text(&at.key("kid"), kid).map(Some),
        None => Some(None),
    };
    let options = Options {
        refresh_interval: raw.refresh_interval,
        max_age: raw.max_age,
        timeout: raw.timeout,
    };
    if raw.jwks_uri.is_none() && raw.openid_discovery.is_none() {
        options.refuse(at, report);
    } else if short {
        let message = "expected `insecure_short_secret` only with `secret`";
        report.problem(&at.key("insecure_short_secret"), message);
    }
    match (
        raw.jwks_file,
        raw.pem_file,
        raw.secret,
        raw.jwks_uri,
        raw.openid_discovery,
    ) {
        (Some(file), None, None, None, None) => {
            no_kid(kid?, at, report)?;
            let path = report.file(&at.key("jwks_file"), &file);
            path.map(KeySource::JwksFile)
        }
        (None, Some(file), None, None, None) => {
            let path = report.file(&at.key("pem_file"), &file);
            Some(KeySource::PemFile {
                path: path?,
                kid: kid?,
            })
        }
        (None, None, Some(written), None, None) => {
            let secret = shared(written, short, &at.key("secret"), report);
            Some(KeySource::Secret {
                secret: secret?,
                kid: kid?,
            })
        }
        (None, None, None, Some(url), None) => {
            let set = remote(RemoteKeyKind::KeySet, &url, &options, at, report);
            no_kid(kid?, at, report)?;
            set.map(KeySource::Remote)
        }
        (None, None, None, None, Some(url)) => {
            let set = remote(RemoteKeyKind::Discovery, &url, &options, at, report);
            no_kid(kid?, at, report)?;
            set.map(KeySource::Remote)
        }
        _ => report.refuse(at, SOURCE_EXPECTED),
    }
}

fn no_kid(kid: Option<String>, at: &YamlPath, report: &mut Report) -> Option<()> {
    match kid {
        Some(_) => {
            let message = "expected no `kid`: the keys of a set have their own";
            report.refuse(&at.key("kid"), message)
        }
        None => Some(()),
    }
}

fn shared(written: String, short: bool, at: &YamlPath, report: &mut Report) -> Option<Secret> {
    let secret = report.secret(at, written)?;
    if secret.expose().len() < MIN_SECRET_BYTES && !short {
        return report.refuse(
            at,
            "expected a secret of at least 32 bytes, or `insecure_short_secret: true` on this key",
        );
    }
    if is_placeholder(&secret) && !short {
        return report.refuse(at, PLACEHOLDER);
    }
    Some(secret)
}

const SOURCE_EXPECTED: &str = "expected exactly one of `jwks_file`, `jwks_uri`, \
                               `openid_discovery`, `pem_file` and `secret`";

/// A key as long as the hash (RFC 7518 §3.2); a shorter one can be searched for offline.
const MIN_SECRET_BYTES: usize = 32;
