//! The kinds of value that several sections share: bounds, names, files, secrets.
//!
//! Promise: one rule and one wording for each kind, with the bound in the message. A secret's
//! value is in no message. Key files and the store's file are named here and not opened.

use std::fs;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use super::report::Report;
use crate::locate::YamlPath;
use crate::raw::DurationText;
use crate::secret::Secret;

/// A duration's default and bounds.
pub(crate) struct Bounds {
    pub(crate) default: Duration,
    pub(crate) min: Duration,
    pub(crate) max: Duration,
    /// The bounds in words: `1ms to 60s`.
    pub(crate) says: &'static str,
}

pub(crate) const HOUR: Duration = Duration::from_secs(3600);
pub(crate) const MINUTE: Duration = Duration::from_secs(60);
pub(crate) const MILLISECOND: Duration = Duration::from_millis(1);

/// Whether a secret is of so few different bytes that it is a placeholder, or can be guessed.
pub(crate) fn is_placeholder(secret: &Secret) -> bool {
    let different: std::collections::BTreeSet<u8> = secret.expose().iter().copied().collect();
    different.len() < MIN_DIFFERENT_BYTES
}

/// What is said of one.
pub(crate) const PLACEHOLDER: &str =
    "expected a secret that was made at random: this one has fewer than 5 different bytes";

/// Sixteen random hexadecimal digits, the shortest secret there is, have as many but once in a million.
const MIN_DIFFERENT_BYTES: usize = 5;

impl Report {
    pub(crate) fn duration(
        &mut self,
        path: &YamlPath,
        written: Option<&DurationText>,
        bounds: &Bounds,
    ) -> Option<Duration> {
        let Some(written) = written else {
            return Some(bounds.default);
        };
        match humantime::parse_duration(&written.0) {
            Ok(duration) if (bounds.min..=bounds.max).contains(&duration) => Some(duration),
            Ok(_) => self.refuse(path, format!("expected a duration of {}", bounds.says)),
            Err(_) => self.refuse(
                path,
                format!(
                    "expected a duration such as `500ms`, `30s` or `24h`, of {}",
                    bounds.says
                ),
            ),
        }
    }

    pub(crate) fn integer(
        &mut self,
        path: &YamlPath,
        value: usize,
        min: usize,
        max: usize,
    ) -> Option<usize> {
        if (min..=max).contains(&value) {
            Some(value)
        } else {
            self.refuse(path, format!("expected a whole number of {min} to {max}"))
        }
    }

    pub(crate) fn address(
        &mut self,
        path: &YamlPath,
        written: Option<String>,
        default: &str,
    ) -> Option<SocketAddr> {
        let written = written.unwrap_or_else(|| default.to_owned());
        match written.parse() {
            Ok(address) => Some(address),
            Err(_) => self.refuse(
                path,
                format!("expected an IP address and a port such as `{default}` or `[::1]:8080`"),
            ),
        }
    }

    /// Any text but the empty one.
    pub(crate) fn text(&mut self, path: &YamlPath, written: String) -> Option<String> {
        if written.is_empty() {
            self.refuse(path, "expected a text that is not empty")
        } else {
            Some(written)
        }
    }

    pub(crate) fn texts<C: FromIterator<String>>(
        &mut self,
        path: &YamlPath,
        written: Vec<String>,
    ) -> Option<C> {
        let entries = written.into_iter().enumerate();
        let texts = entries.map(|(index, text)| self.text(&path.index(index), text));
        all(texts.collect())
    }

    /// The name of an action, a role or a kind.
    pub(crate) fn name(&mut self, path: &YamlPath, written: String) -> Option<String> {
        if is_name(&written) {
            Some(written)
        } else {
            self.refuse(path, NAME_EXPECTED)
        }
    }

    /// What a service key is for (RFC 6749 section 3.3, without the characters that lists are written with).
    pub(crate) fn scope(&mut self, path: &YamlPath, written: String) -> Option<String> {
        if is_scope(&written) {
            Some(written)
        } else {
            let message = "expected 1 to 64 letters, digits and `.:_-/`, such as `media.read`";
            self.refuse(path, message)
        }
    }

    /// A name that stands as a key of a mapping.
    pub(crate) fn name_key(&mut self, path: &YamlPath, written: &str) {
        if !is_name(written) {
            self.key_problem(path, NAME_EXPECTED);
        }
    }

    pub(crate) fn file(&mut self, path: &YamlPath, written: &str) -> Option<PathBuf> {
        if written.is_empty() {
            self.refuse(path, "expected the path of a file")
        } else {
            Some(self.resolve(written))
        }
    }

    /// A secret to sign or seal with.
    pub(crate) fn mac_key(&mut self, path: &YamlPath, written: String) -> Option<Secret> {
        let secret = self.secret(path, written)?;
        if secret.expose().len() < LEAST_MAC_KEY {
            return self.refuse(path, "expected a key of at least 32 bytes");
        }
        if is_placeholder(&secret) {
            return self.refuse(path, PLACEHOLDER);
        }
        Some(secret)
    }

    /// The text itself, or with `file:` before it what that file holds.
    pub(crate) fn secret(&mut self, path: &YamlPath, written: String) -> Option<Secret> {
        let Some(name) = written.strip_prefix("file:") else {
            return if written.is_empty() {
                self.refuse(path, "expected a secret that is not empty")
            } else {
                Some(Secret::new(written.into_bytes()))
            };
        };
        let file = self.resolve(name);
        self.reads(&file);
        let mut bytes = match fs::read(&file) {
            Ok(bytes) => bytes,
            Err(error) => {
                let file = file.display();
                return self.refuse(
                    path,
                    format!("expected a readable file at `{file}`: {error}"),
                );
            }
        };
        // Editors and `echo` end a file with a newline that is not part of the secret.
        if bytes.last() == Some(&b'\n') {
            bytes.pop();
        }
        if bytes.is_empty() {
            let file = file.display();
            return self.refuse(
                path,
                format!("expected a secret in `{file}`, found nothing"),
            );
        }
        Some(Secret::new(bytes))
    }
}

/// Bytes of a key of HMAC-SHA-256 (RFC 2104 §3: shorter ones are weaker than the hash).
const LEAST_MAC_KEY: usize = 32;

/// All of them, or `None` if one is missing; each was tried, so each problem is reported.
pub(crate) fn all<T, C: FromIterator<T>>(tried: Vec<Option<T>>) -> Option<C> {
    tried.into_iter().collect()
}

/// A token of RFC 9110 §5.6.2, as cookie names and WebSocket protocols are.
pub(crate) fn is_token(text: &str) -> bool {
    let mark = |c: char| "!#$%&'*+-.^_`|~".contains(c);
    !text.is_empty() && text.chars().all(|c| c.is_ascii_alphanumeric() || mark(c))
}

fn is_name(text: &str) -> bool {
    let tail = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
    text.len() <= 64
        && text.starts_with(|c: char| c.is_ascii_alphabetic())
        && text.chars().all(tail)
}

const NAME_EXPECTED: &str = "expected a name: a letter, then up to 63 letters, digits, `_` or `-`";

/// Whether a text is the name of a scope.
#[must_use]
pub fn is_scope(text: &str) -> bool {
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || b".:_-/".contains(&byte);
    (1..=64).contains(&text.len()) && text.bytes().all(fits)
}
