//! Names of request headers that carry a credential or an id.
//!
//! Promise: none already means something to a proxy, in any spelling that an application would
//! read as the same name, and none has a spelling that is removed from requests. What is removed
//! is the proxy's rule; the folded form here is the same as there.

use http::HeaderName;

use super::report::Report;
use crate::locate::YamlPath;

impl Report {
    /// A request header that may carry a credential or an id.
    pub(crate) fn free_header(&mut self, path: &YamlPath, written: &str) -> Option<HeaderName> {
        let Ok(name) = HeaderName::from_bytes(written.as_bytes()) else {
            return self.refuse(path, "expected a header's name");
        };
        if let Some(instead) = reserved(&fold(name.as_str())) {
            return self.refuse(path, format!("expected another header: {instead}"));
        }
        let plain = |c: char| c.is_ascii_alphanumeric() || c == '-';
        if !name.as_str().chars().all(plain) {
            return self.refuse(
                path,
                "expected a header's name of letters, digits and `-`: others are removed from \
                 requests, because an application may take one for another",
            );
        }
        Some(name)
    }
}

/// A name as a CGI-like application may see it: lower case, every run of other characters one
/// `-`, without a leading `http-`.
fn fold(name: &str) -> String {
    let words = name.split(|c: char| !c.is_ascii_alphanumeric());
    let words: Vec<String> = words
        .filter(|word| !word.is_empty())
        .map(str::to_ascii_lowercase)
        .collect();
    let folded = words.join("-");
    let mut rest = folded.as_str();
    while let Some(shorter) = rest.strip_prefix("http-") {
        rest = shorter;
    }
    rest.to_owned()
}

/// What to do instead with a header that already means something to a proxy, by its folded name.
fn reserved(folded: &str) -> Option<&'static str> {
    let begins = |prefix: &str| {
        let rest = folded.strip_prefix(prefix);
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('-'))
    };
    match folded {
        "authorization" => Some("for `authorization` use the source `bearer`"),
        "cookie" => Some("for a cookie use the source `cookie`"),
        "sec-websocket-protocol" => {
            Some("for `sec-websocket-protocol` use the source `websocket_protocol`")
        }
        "host" | "connection" | "content-length" | "content-type" | "expect" | "forwarded"
        | "keep-alive" | "origin" | "referer" | "te" | "trailer" | "transfer-encoding"
        | "upgrade" | "via" => Some("this one already has a meaning in HTTP"),
        _ if begins("x-sidegate") => Some("`x-sidegate-…` is what Sidegate tells the application"),
        _ if begins("x-forwarded") => Some("`x-forwarded-…` is what a proxy tells"),
        _ if begins("proxy") || begins("sec") || begins("access-control") => {
            Some("this one already has a meaning in HTTP")
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    fn refusal(written: &str) -> Option<String> {
        let mut report = Report::new(Path::new("sidegate.yaml"));
        let name = report.free_header(&YamlPath::default(), written);
        assert_eq!(name.is_none(), !report.findings.is_empty(), "{written}");
        report.findings.pop().map(|found| found.message)
    }

    #[test]
    fn a_reserved_name_is_refused_in_every_spelling() {
        for (name, words) in [
            ("X-Sidegate-Subject", "what Sidegate tells"),
            ("x_sidegate_subject", "what Sidegate tells"),
            ("x-_sidegate--subject", "what Sidegate tells"),
            ("HTTP_X_SIDEGATE_SUBJECT", "what Sidegate tells"),
            ("http-http-x-sidegate-", "what Sidegate tells"),
            ("x.forwarded.for", "what a proxy tells"),
            ("HTTP-Authorization", "`bearer`"),
            ("Content_Length", "a meaning in HTTP"),
            ("proxy", "a meaning in HTTP"),
            ("sec_fetch_site", "a meaning in HTTP"),
            ("-host-", "a meaning in HTTP"),
        ] {
            let message = refusal(name).unwrap_or_default();
            assert!(message.contains(words), "{name}: {message}");
        }
    }

    #[test]
    fn other_names_are_letters_digits_and_dashes() {
        for name in ["X-Token", "x-generation-2", "x-sidegated", "second", "http"] {
            assert_eq!(refusal(name), None, "{name}");
        }
        for name in ["x_token", "x.token", "x-token~", "x!token"] {
            let message = refusal(name).unwrap_or_default();
            assert!(
                message.contains("letters, digits and `-`"),
                "{name}: {message}"
            );
        }
        assert!(refusal("x token").is_some());
    }
}
