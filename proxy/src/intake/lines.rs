//! A request's head as bytes, before anything parses it.
//!
//! Promise: a head that passes has one reading. Its lines end where every parser sees their end, its
//! request line has three parts with one space between them (RFC 9112 section 3), its header lines a
//! name, a colon and a value without control characters (section 5). Pingora's parser repairs or hides
//! what is looked for here: spaces in a target, a fragment, bare line feeds (attacks.md F10).
//!
//! Does not: look at what lines mean (see [`crate::head`]), apart from the few names that Pingora acts on
//! before anybody else sees them.

use memchr::memchr;
use sidegate_config::{Rule, Rules};

use crate::target::MAX_BYTES as MAX_TARGET;

/// What a request line has beside its target: a method, two spaces and a version, generously.
const REQUEST_LINE: usize = MAX_TARGET + 64;
/// The longest name of a header, in bytes.
const MAX_NAME: usize = 128;
/// Empty lines that may come before the request line, in bytes (RFC 9112 section 2.2: at least one is
/// passed over).
const MAX_BLANK: usize = 2;

/// How much a head may hold.
#[derive(Debug, Clone, Copy)]
pub struct Bounds {
    /// The whole head, in bytes.
    pub bytes: usize,
    /// Header lines.
    pub headers: usize,
}

/// Why a head is refused as it stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
pub enum LinesError {
    /// Not a method, a target and `HTTP/1.0` or `HTTP/1.1`, with one space between them. TLS, HTTP/2 and the
    /// PROXY protocol begin like this, too.
    #[error("the request line is not `METHOD target HTTP/1.1` or `HTTP/1.0` (RFC 9112 section 3)")]
    RequestLine,
    /// The target is longer than 8 KiB.
    #[error("the target is longer than 8 KiB")]
    TargetTooLong,
    /// Not a name, a colon and a value without control characters.
    #[error("a header line is malformed (RFC 9112 section 5)")]
    HeaderLine,
    /// A header line that goes on in the next one.
    #[error("a header line is folded (RFC 9112 section 5.2)")]
    Folded,
    /// More than one `Host`, or one with user information.
    #[error("the request has more than one Host, or user information in it (RFC 9112 section 3.2)")]
    Host,
    /// Not one `Content-Length` in digits or one `Transfer-Encoding: chunked`; or the latter on HTTP/1.0.
    #[error("the body's length could be read in two ways (RFC 9112 section 6.3)")]
    Length,
    /// A method that asks for a tunnel.
    #[error("CONNECT is not served")]
    Connect,
    /// More header lines than `limits.max_headers`.
    #[error("there are too many headers")]
    TooMany,
    /// More bytes than `limits.max_header_bytes`, or a name of more than 128.
    #[error("the head is too large")]
    TooLarge,
}

/// The search for a head's end, over bytes that arrive piece by piece: it looks at no byte twice. What it
/// finds is looked at once more, as a whole, by [`check`].
#[derive(Debug, Default)]
pub struct Search {
    /// Where the line begins that has not ended.
    line: usize,
    /// Up to where no line ends.
    seen: usize,
    /// Whether the request line has ended.
    begun: bool,
}

impl Search {
    /// The length of the head at the front of `bytes`, which are those of the last call and more;
    /// `None` while its end is missing.
    ///
    /// # Errors
    /// When there is too much of it already, or too many empty lines before it.
    pub fn find(&mut self, bytes: &[u8], bounds: Bounds) -> Result<Option<usize>, LinesError> {
        while let Some(rest) = bytes.get(self.seen..)
            && let Some(at) = memchr(b'\n', rest)
        {
            let end = self.seen + at;
            let line = bytes.get(self.line..end).unwrap_or_default();
            let blank = matches!(line, b"" | b"\r");
            let next = end + 1;
            if blank && self.begun {
                return if next > bounds.bytes {
                    Err(LinesError::TooLarge)
                } else {
                    Ok(Some(next))
                };
            }
            if blank && next > MAX_BLANK {
                return Err(LinesError::RequestLine);
            }
            self.begun |= !blank;
            self.line = next;
            self.seen = next;
        }
        self.seen = bytes.len();
        if !self.begun && bytes.len().saturating_sub(self.line) > REQUEST_LINE {
            return Err(LinesError::TargetTooLong);
        }
        if bytes.len() > bounds.bytes {
            return Err(LinesError::TooLarge);
        }
        Ok(None)
    }
}

/// Checks a whole head, and says which rules of strictness it breaks.
///
/// # Errors
/// When two parsers could read it differently.
pub fn check(head: &[u8], bounds: Bounds) -> Result<Rules, LinesError> {
    let mut broken = Rules::NONE;
    let mut names = Names::default();
    let mut count = 0_usize;
    let (mut requested, mut ended) = (false, false);
    let mut rest = head;
    while let Some(at) = memchr(b'\n', rest) {
        let (line, after) = rest.split_at(at);
        rest = after.get(1..).unwrap_or_default();
        let line = line.strip_suffix(b"\r").unwrap_or_else(|| {
            broken.insert(Rule::BareLf);
            line
        });
        if ended {
            return Err(LinesError::HeaderLine);
        }
        if line.is_empty() {
            ended = requested;
        } else if requested {
            count += 1;
            let (name, value) = header_line(line, &mut broken)?;
            names.note(name, value);
        } else {
            requested = true;
            names.is_old = request_line(line, &mut broken)?;
        }
    }
    if !ended || !rest.is_empty() {
        return Err(LinesError::RequestLine);
    }
    if count > bounds.headers {
        return Err(LinesError::TooMany);
    }
    if names.hosts > 1 || names.has_user {
        return Err(LinesError::Host);
    }
    if names.is_doubtful_length() {
        return Err(LinesError::Length);
    }
    Ok(broken)
}

/// What Pingora drops, or answers by itself, before anybody sees it: a second `Host`, and headers that
/// leave it open where the body ends.
#[derive(Debug, Default)]
struct Names {
    /// Whether it is HTTP/1.0, which has no encodings.
    is_old: bool,
    hosts: usize,
    has_user: bool,
    lengths: usize,
    encodings: usize,
    is_odd: bool,
}

impl Names {
    fn note(&mut self, name: &[u8], value: &[u8]) {
        if name.eq_ignore_ascii_case(b"host") {
            self.hosts += 1;
            self.has_user |= value.contains(&b'@');
        } else if name.eq_ignore_ascii_case(b"content-length") {
            self.lengths += 1;
            self.is_odd |= value.is_empty() || !value.iter().all(u8::is_ascii_digit);
        } else if name.eq_ignore_ascii_case(b"transfer-encoding") {
            self.encodings += 1;
            self.is_odd |= !value.eq_ignore_ascii_case(b"chunked") || self.is_old;
        }
    }

    const fn is_doubtful_length(&self) -> bool {
        self.is_odd || self.lengths + self.encodings > 1
    }
}

/// Checks the request line, and says whether it is of HTTP/1.0.
fn request_line(line: &[u8], broken: &mut Rules) -> Result<bool, LinesError> {
    let mut parts = line.split(|&byte| byte == b' ');
    let (Some(method), Some(target), Some(version), None) =
        (parts.next(), parts.next(), parts.next(), parts.next())
    else {
        return Err(LinesError::RequestLine);
    };
    let good = !method.is_empty()
        && method.iter().all(|&byte| is_token(byte))
        && !target.is_empty()
        && target.iter().all(|&byte| is_target(byte))
        && matches!(version, b"HTTP/1.1" | b"HTTP/1.0");
    if !good {
        return Err(LinesError::RequestLine);
    }
    if method == b"CONNECT" {
        return Err(LinesError::Connect);
    }
    if target.len() > MAX_TARGET {
        return Err(LinesError::TargetTooLong);
    }
    if target.contains(&b'#') {
        broken.insert(Rule::Fragment);
    }
    Ok(version == b"HTTP/1.0")
}

/// Checks one header line, and gives its name and its value.
fn header_line<'h>(line: &'h [u8], broken: &mut Rules) -> Result<(&'h [u8], &'h [u8]), LinesError> {
    if matches!(line.first(), Some(b' ' | b'\t')) {
        return Err(LinesError::Folded);
    }
    let colon = memchr(b':', line).ok_or(LinesError::HeaderLine)?;
    let (name, value) = line.split_at(colon);
    if name.is_empty() {
        return Err(LinesError::HeaderLine);
    }
    if name.len() > MAX_NAME {
        return Err(LinesError::TooLarge);
    }
    for &byte in name {
        if !(byte.is_ascii_alphanumeric() || byte == b'-') {
            if !is_token(byte) {
                return Err(LinesError::HeaderLine);
            }
            broken.insert(Rule::HeaderNames);
        }
    }
    for &byte in value {
        if byte >= 0x80 {
            broken.insert(Rule::ObsText);
        } else if byte != b'\t' && (byte < 0x20 || byte == 0x7f) {
            return Err(LinesError::HeaderLine);
        }
    }
    Ok((name, value.get(1..).unwrap_or_default().trim_ascii()))
}

/// Printable ASCII without what no URI holds (RFC 3986 section 2), which Pingora would not parse.
const fn is_target(byte: u8) -> bool {
    byte.is_ascii_graphic()
        && !matches!(
            byte,
            b'"' | b'<' | b'>' | b'\\' | b'^' | b'`' | b'{' | b'|' | b'}'
        )
}

/// `tchar` of RFC 9110 section 5.6.2.
const fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric()
        || matches!(
            byte,
            b'!' | b'#'
                | b'$'
                | b'%'
                | b'&'
                | b'\''
                | b'*'
                | b'+'
                | b'-'
                | b'.'
                | b'^'
                | b'_'
                | b'`'
                | b'|'
                | b'~'
        )
}

#[cfg(test)]
mod tests;
