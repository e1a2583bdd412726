//! The keys of an issuer.
//!
//! Promise: each entry names exactly one source, and shared secrets and HS256 come together or
//! not at all. A short secret needs its `insecure_…` option. Key files are named, not opened.

use std::collections::BTreeSet;

use super::report::Report;
use super::value::all;
use crate::locate::YamlPath;
use crate::raw;
use crate::settings::{Algorithm, KeySource};

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
    match (raw.jwks_file, raw.pem_file, raw.secret) {
        (Some(file), None, None) => {
            if kid?.is_some() {
                let path = at.key("kid");
                return report.refuse(&path, "expected no `kid`: the keys of a set have their own");
            }
            report
                .file(&at.key("jwks_file"), &file)
                .map(KeySource::JwksFile)
        }
        (None, Some(file), None) => {
            let path = report.file(&at.key("pem_file"), &file);
            Some(KeySource::PemFile {
                path: path?,
                kid: kid?,
            })
        }
        (None, None, Some(secret)) => {
            let path = at.key("secret");
            let secret = report.secret(&path, secret)?;
            if secret.expose().len() < MIN_SECRET_BYTES && !short {
                return report.refuse(
                    &path,
                    "expected a secret of at least 32 bytes, or `insecure_short_secret: true` on \
                     this key",
                );
            }
            Some(KeySource::Secret { secret, kid: kid? })
        }
        _ => report.refuse(
            at,
            "expected exactly one of `jwks_file`, `pem_file` and `secret`",
        ),
    }
}

/// A key as long as the hash (RFC 7518 §3.2); a shorter one can be searched for offline.
const MIN_SECRET_BYTES: usize = 32;
