//! Names of headers that a client may not send, and how they may be spelled.

use super::dice::Dice;

/// Sidegate's own.
pub(super) const OURS: [&str; 9] = [
    "X-Sidegate-Subject",
    "X-Sidegate-Subject",
    "X-Sidegate-Subject-Type",
    "X-Sidegate-Roles",
    "X-Sidegate-Resource-Roles",
    "X-Sidegate-Authorized",
    "X-Sidegate-Assertion",
    "X-Sidegate-Decision-Id",
    "X-Sidegate-Anything",
];

/// Statements about the client.
pub(super) const HOPS: [&str; 20] = [
    "X-Forwarded-For",
    "X-Forwarded-Host",
    "X-Forwarded-Proto",
    "X-Forwarded-Port",
    "X-Forwarded-Prefix",
    "X-Forwarded-User",
    "X-Forwarded-Email",
    "X-Forwarded-Groups",
    "X-Forwarded-Client-Cert",
    "X-Forwarded",
    "Forwarded",
    "X-Real-IP",
    "X-Client-IP",
    "Client-IP",
    "X-Cluster-Client-IP",
    "True-Client-IP",
    "CF-Connecting-IP",
    "Fastly-Client-IP",
    "X-Original-Host",
    "X-Envoy-External-Address",
];

/// Another method or target than the request line's.
pub(super) const OVERRIDES: [&str; 13] = [
    "X-HTTP-Method-Override",
    "X-HTTP-Method",
    "X-Method-Override",
    "X-Original-URL",
    "X-Original-URI",
    "X-Rewrite-URL",
    "X-Forwarded-Uri",
    "X-Forwarded-Path",
    "X-Forwarded-Method",
    "X-Envoy-Original-Path",
    "Proxy",
    "Script-Name",
    "Path-Info",
];

/// A name as some application reads it.
pub(super) fn spelled(dice: &mut Dice, names: &[&str]) -> String {
    let name = dice.pick(names);
    let name = match dice.below(8) {
        0 => name.replace('-', "_"),
        1 => name.replacen('-', "_", 1),
        2 => name.replace('-', "."),
        3 => name.replacen('-', "--", 1),
        4 => format!("HTTP-{name}"),
        5 => format!("{name}-"),
        _ => name.to_owned(),
    };
    dice.cased(&name)
}
