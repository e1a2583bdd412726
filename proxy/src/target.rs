//! What is being asked for: the request target, in the one spelling that is decided on and sent.
//!
//! Promise: two requests whose paths an application could resolve to the same thing have the same
//! [`Target`], or at least one of them is refused. Every percent-escape that stands for a character
//! that may stand unescaped is decoded, every other one is written in upper case; dot segments,
//! empty segments, encoded separators, double encodings and everything that is not origin-form are
//! refused (attacks.md C.1). Matrix parameters are noticed, and what the path is without them can be
//! had, because applications cut them off or do not. `Target::parse(target.as_str())` gives the same
//! target again.
//!
//! Does not: repair. What is ambiguous is answered with 400. The query is never used to find a
//! route and is passed on as it came, as long as it is printable ASCII.

use std::borrow::Cow;

/// The longest target, in bytes.
pub const MAX_BYTES: usize = 8 * 1024;
/// The longest path, in bytes.
const MAX_PATH: usize = 4 * 1024;
/// The most segments of a path.
const MAX_SEGMENTS: usize = 64;

/// A canonical request target.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    text: Box<str>,
    path_len: usize,
    has_parameters: bool,
}

/// Why a request target is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
pub enum TargetError {
    /// It does not begin with `/`: absolute-form, authority-form, `*`, or no form at all.
    #[error("the target is not in origin-form (RFC 9112 section 3.2.1)")]
    NotOriginForm,
    /// It is longer than 8 KiB, or its path than 4 KiB or 64 segments.
    #[error("the target is longer than 8 KiB, or its path than 4 KiB or 64 segments")]
    TooLong,
    /// It holds a byte that a target may not hold (RFC 3986 section 3.3).
    #[error("the target holds a byte that must be percent-encoded")]
    ForbiddenByte,
    /// A `%` is not followed by two hexadecimal digits.
    #[error("the path holds a malformed percent-escape")]
    MalformedEscape,
    /// An escape stands for a separator, a delimiter or a control character.
    #[error("the path holds an encoded separator or control character")]
    EncodedDelimiter,
    /// An escape of `%` is followed by two hexadecimal digits.
    #[error("the path is percent-encoded twice")]
    DoubleEncoded,
    /// The decoded path is not UTF-8.
    #[error("the decoded path is not UTF-8")]
    NotUtf8,
    /// A segment is `.` or `..`, in any spelling.
    #[error("the path holds a dot segment")]
    DotSegment,
    /// Two slashes follow each other.
    #[error("the path holds an empty segment")]
    EmptySegment,
    /// A `;`, and the path without what follows it leads elsewhere.
    #[error("the path leads elsewhere without its matrix parameters")]
    MatrixParameter,
}

impl Target {
    /// Parses the bytes of a request target.
    ///
    /// # Errors
    /// When the target could be read in two ways, or is not a target.
    pub fn parse(raw: &[u8]) -> Result<Self, TargetError> {
        if raw.len() > MAX_BYTES {
            return Err(TargetError::TooLong);
        }
        let (path, query) = match raw.iter().position(|&byte| byte == b'?') {
            Some(at) => raw.split_at(at),
            None => (raw, &[][..]),
        };
        if path.first() != Some(&b'/') {
            return Err(TargetError::NotOriginForm);
        }
        let mut text = Vec::with_capacity(raw.len());
        if path.len() > MAX_PATH {
            return Err(TargetError::TooLong);
        }
        let has_parameters = canonical_path(path, &mut text)?;
        let path_len = text.len();
        if !query
            .iter()
            .all(|byte| byte.is_ascii_graphic() && *byte != b'#')
        {
            return Err(TargetError::ForbiddenByte);
        }
        text.extend_from_slice(query);
        let text = String::from_utf8(text).map_err(|_not_ascii| TargetError::NotUtf8)?;
        Ok(Self {
            text: text.into(),
            path_len,
            has_parameters,
        })
    }

    /// Whether a segment of the path holds a `;`.
    #[must_use]
    pub const fn has_parameters(&self) -> bool {
        self.has_parameters
    }

    /// What applications that cut matrix parameters off read instead: one by one, or all from the first on.
    #[must_use]
    pub fn readings(&self) -> [Self; 2] {
        [self.without_parameters(), self.before_parameters()]
    }

    /// The target as an application reads it that cuts off whatever follows the first `;`.
    #[must_use]
    pub fn before_parameters(&self) -> Self {
        let path = without_parameter(self.path());
        let query = self.text.get(self.path_len..).unwrap_or_default();
        Self {
            text: format!("{path}{query}").into(),
            path_len: path.len(),
            has_parameters: false,
        }
    }

    /// The target as an application reads it that cuts matrix parameters off.
    #[must_use]
    pub fn without_parameters(&self) -> Self {
        let segments = self.path().split('/').map(without_parameter);
        let mut text = segments.collect::<Vec<_>>().join("/");
        let path_len = text.len();
        text.push_str(self.text.get(self.path_len..).unwrap_or_default());
        Self {
            text: text.into(),
            path_len,
            has_parameters: false,
        }
    }

    /// The target with those pieces of its query alone, between two `&`, that are to be kept: each as it
    /// came. Without any there is no query.
    #[must_use]
    pub fn keeping_query(&self, keep: impl Fn(&str) -> bool) -> Self {
        let mut text = self.path().to_owned();
        let pieces = self.query().into_iter().flat_map(|query| query.split('&'));
        let mut mark = '?';
        for piece in pieces.filter(|piece| keep(piece)) {
            text.push(mark);
            text.push_str(piece);
            mark = '&';
        }
        Self {
            text: text.into(),
            path_len: self.path_len,
            has_parameters: self.has_parameters,
        }
    }

    /// The whole target, as it is sent to the application.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The path.
    #[must_use]
    pub fn path(&self) -> &str {
        self.text.get(..self.path_len).unwrap_or("/")
    }

    /// The query, without its `?`; `None` where there is none.
    #[must_use]
    pub fn query(&self) -> Option<&str> {
        self.text
            .get(self.path_len..)
            .and_then(|query| query.strip_prefix('?'))
    }
}

/// Decodes one segment of a canonical path.
#[must_use]
pub fn decode_segment(segment: &str) -> Cow<'_, str> {
    if !segment.contains('%') {
        return Cow::Borrowed(segment);
    }
    let mut bytes = Vec::with_capacity(segment.len());
    let mut rest = segment.as_bytes();
    while let Some((&byte, after)) = rest.split_first() {
        match (byte, escaped(after)) {
            (b'%', Some((value, after))) => {
                bytes.push(value);
                rest = after;
            }
            _ => {
                bytes.push(byte);
                rest = after;
            }
        }
    }
    // A canonical path decodes to UTF-8; anything else would not have been parsed.
    Cow::Owned(String::from_utf8_lossy(&bytes).into_owned())
}

/// Writes the canonical form of a path, and says whether it has matrix parameters.
fn canonical_path(path: &[u8], out: &mut Vec<u8>) -> Result<bool, TargetError> {
    let mut has_parameters = false;
    let mut decoded = Vec::with_capacity(path.len());
    let mut rest = path;
    while let Some((&byte, after)) = rest.split_first() {
        rest = after;
        if byte == b'%' {
            let (value, after_escape) = escaped(after).ok_or(TargetError::MalformedEscape)?;
            rest = after_escape;
            decoded.push(value);
            escape(value, out)?;
        } else {
            has_parameters |= byte == b';';
            if !matches!(byte, b'/' | b';') && !is_path_char(byte) {
                return Err(TargetError::ForbiddenByte);
            }
            decoded.push(byte);
            out.push(byte);
        }
    }
    if std::str::from_utf8(&decoded).is_err() {
        return Err(TargetError::NotUtf8);
    }
    // On the canonical form: the digits themselves may have come as escapes.
    let twice = |bytes: &[u8]| matches!(bytes, [b'%', b'2', b'5', a, b] if a.is_ascii_hexdigit() && b.is_ascii_hexdigit());
    if out.windows(5).any(twice) {
        return Err(TargetError::DoubleEncoded);
    }
    segments(out)?;
    Ok(has_parameters)
}

/// Writes the canonical form of an escaped byte.
fn escape(value: u8, out: &mut Vec<u8>) -> Result<(), TargetError> {
    match value {
        b'/' | b'\\' | b';' | b'?' | b'#' => return Err(TargetError::EncodedDelimiter),
        byte if byte.is_ascii_control() => return Err(TargetError::EncodedDelimiter),
        byte if is_path_char(byte) => out.push(byte),
        byte => {
            out.push(b'%');
            out.extend(hex(byte));
        }
    }
    Ok(())
}

fn segments(path: &[u8]) -> Result<(), TargetError> {
    let mut segments = path.split(|&byte| byte == b'/').skip(1).peekable();
    let mut count = 0_usize;
    while let Some(segment) = segments.next() {
        count += 1;
        let end = segment.iter().position(|&byte| byte == b';');
        match end.and_then(|end| segment.get(..end)).unwrap_or(segment) {
            b"" if end.is_some() => return Err(TargetError::EmptySegment),
            b"" if segments.peek().is_some() => return Err(TargetError::EmptySegment),
            b"." | b".." => return Err(TargetError::DotSegment),
            _ => {}
        }
    }
    if count > MAX_SEGMENTS {
        return Err(TargetError::TooLong);
    }
    Ok(())
}

/// A segment, or a path, up to its matrix parameters.
fn without_parameter(segment: &str) -> &str {
    segment.split(';').next().unwrap_or_default()
}

/// The value of the two hexadecimal digits at the front, and what follows them.
fn escaped(bytes: &[u8]) -> Option<(u8, &[u8])> {
    let (high, rest) = bytes.split_first()?;
    let (low, rest) = rest.split_first()?;
    let value = |digit: u8| {
        char::from(digit)
            .to_digit(16)
            .and_then(|digit| u8::try_from(digit).ok())
    };
    Some(((value(*high)? << 4) | value(*low)?, rest))
}

fn hex(byte: u8) -> [u8; 2] {
    let digit = |nibble: u8| {
        if nibble < 10 {
            b'0' + nibble
        } else {
            b'A' + (nibble - 10)
        }
    };
    [digit(byte >> 4), digit(byte & 15)]
}

/// `pchar` of RFC 3986 section 3.3 without `;`.
const fn is_path_char(byte: u8) -> bool {
    byte.is_ascii_alphanumeric()
        || matches!(
            byte,
            b'-' | b'.'
                | b'_'
                | b'~'
                | b'!'
                | b'$'
                | b'&'
                | b'\''
                | b'('
                | b')'
                | b'*'
                | b'+'
                | b','
                | b'='
                | b':'
                | b'@'
        )
}

#[cfg(test)]
mod tests;
