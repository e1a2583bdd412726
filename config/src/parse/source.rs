//! Where an issuer's tokens may be found in a request.
//!
//! Promise: at least one place, none twice, and never a header that means something else. What
//! two credentials on one request mean is for the proxy.

use super::report::Report;
use super::value::{all, is_token};
use crate::locate::YamlPath;
use crate::raw::{Source, SourceFields};
use crate::settings::CredentialSource;

pub(crate) fn sources(
    written: Option<Vec<Source>>,
    issuer: &YamlPath,
    report: &mut Report,
) -> Option<Vec<CredentialSource>> {
    let Some(written) = written else {
        return Some(vec![CredentialSource::Bearer]);
    };
    let at = issuer.key("sources");
    if written.is_empty() {
        return report.refuse(&at, "expected at least one source, such as `bearer`");
    }
    let mut tried: Vec<Option<CredentialSource>> = Vec::with_capacity(written.len());
    for (index, raw) in written.into_iter().enumerate() {
        let path = at.index(index);
        let source = source(raw, &path, report);
        if source.is_some() && tried.contains(&source) {
            report.problem(&path, "expected a source that is not listed above");
        }
        tried.push(source);
    }
    all(tried)
}

fn source(raw: Source, path: &YamlPath, report: &mut Report) -> Option<CredentialSource> {
    let fields = match raw {
        Source::Name(name) if name == "bearer" => return Some(CredentialSource::Bearer),
        Source::Name(_) => return report.refuse(path, SOURCE_EXPECTED),
        Source::Fields(fields) => fields,
    };
    let SourceFields {
        header,
        cookie,
        websocket_protocol,
    } = fields;
    match (header, cookie, websocket_protocol) {
        (Some(name), None, None) => report
            .free_header(&path.key("header"), &name)
            .map(CredentialSource::Header),
        (None, Some(name), None) if is_token(&name) => Some(CredentialSource::Cookie(name)),
        (None, Some(_), None) => report.refuse(&path.key("cookie"), "expected a cookie's name"),
        (None, None, Some(prefix)) if is_token(&prefix) => {
            Some(CredentialSource::WebSocketProtocol(prefix))
        }
        (None, None, Some(_)) => report.refuse(
            &path.key("websocket_protocol"),
            "expected the beginning of a protocol's name, such as `bearer.`",
        ),
        _ => report.refuse(path, SOURCE_EXPECTED),
    }
}

const SOURCE_EXPECTED: &str = "expected `bearer`, or exactly one of `header: X-Token`, \
                               `cookie: name` and `websocket_protocol: \"prefix.\"`";
