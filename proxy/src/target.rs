//! What is being asked for: the request target, in the one spelling that is decided on and sent.
//!
//! Promise: two requests whose paths an application could resolve to the same thing have the same
//! [`Target`], or at least one of them is refused. Every percent-escape that stands for a character
//! that may stand unescaped is decoded, every other one is written in upper case; dot segments,
//! empty segments, encoded separators, matrix parameters, double encodings and everything that is
//! not origin-form are refused (attacks.md C.1). `Target::parse(target.as_str())` gives the same
//! target again.
//!
//! Does not: repair. What is ambiguous is answered with 400. The query is never used to find a
//! route and is passed on as it came, as long as it is printable ASCII.

use std::borrow::Cow;

/// The longest target, in bytes.
const MAX_BYTES: usize = 8 * 1024;

/// A canonical request target.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    text: Box<str>,
    path_len: usize,
}

/// Why a request target is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
pub enum TargetError {
    /// It does not begin with `/`: absolute-form, authority-form, `*`, or no form at all.
    #[error("the target is not in origin-form (RFC 9112 section 3.2.1)")]
    NotOriginForm,
    /// It is longer than 8 KiB.
    #[error("the target is longer than 8 KiB")]
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
    /// A `;` or a backslash, which applications cut or turn in different ways.
    #[error("the path holds a matrix parameter or a backslash")]
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
        canonical_path(path, &mut text)?;
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
        })
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

fn canonical_path(path: &[u8], out: &mut Vec<u8>) -> Result<(), TargetError> {
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
            if matches!(byte, b';' | b'\\') {
                return Err(TargetError::MatrixParameter);
            }
            if byte != b'/' && !is_path_char(byte) {
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
    segments(out)
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
    while let Some(segment) = segments.next() {
        match segment {
            b"" if segments.peek().is_some() => return Err(TargetError::EmptySegment),
            b"." | b".." => return Err(TargetError::DotSegment),
            _ => {}
        }
    }
    Ok(())
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
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn parse(raw: &str) -> Result<String, TargetError> {
        Target::parse(raw.as_bytes()).map(|target| target.as_str().to_owned())
    }

    #[test]
    fn one_spelling_for_one_path() {
        for (raw, canonical) in [
            ("/", "/"),
            ("/a/b/", "/a/b/"),
            ("/%61/%7Eb", "/a/~b"),
            ("/a%20b", "/a%20b"),
            ("/caf%c3%a9", "/caf%C3%A9"),
            ("/%40me/%2B%3d", "/@me/+="),
            ("/100%25", "/100%25"),
            ("/a?x=/../%2f;y", "/a?x=/../%2f;y"),
            ("/a?", "/a?"),
        ] {
            assert_eq!(parse(raw).as_deref(), Ok(canonical), "{raw}");
        }
    }

    #[test]
    fn what_could_be_read_twice_is_refused() {
        use TargetError::*;
        for (raw, error) in [
            ("", NotOriginForm),
            ("*", NotOriginForm),
            ("?x", NotOriginForm),
            ("admin/secret", NotOriginForm),
            ("foo://h/admin", NotOriginForm),
            ("http://h/admin", NotOriginForm),
            ("//admin", EmptySegment),
            ("/a//b", EmptySegment),
            ("/a/../b", DotSegment),
            ("/a/%2e%2E/b", DotSegment),
            ("/a/.%2e", DotSegment),
            ("/./a", DotSegment),
            ("/a/..", DotSegment),
            ("/a%2fb", EncodedDelimiter),
            ("/a%2F", EncodedDelimiter),
            ("/a%5cb", EncodedDelimiter),
            ("/a%00", EncodedDelimiter),
            ("/a%0d%0a", EncodedDelimiter),
            ("/a%3fx", EncodedDelimiter),
            ("/a%23x", EncodedDelimiter),
            ("/a%3Bx", EncodedDelimiter),
            ("/a;x=1/b", MatrixParameter),
            ("/a/..;/b", MatrixParameter),
            ("/a\\b", MatrixParameter),
            ("/%252e%252e/a", DoubleEncoded),
            ("/%25%32%65", DoubleEncoded),
            ("/%", MalformedEscape),
            ("/%2", MalformedEscape),
            ("/%zz", MalformedEscape),
            ("/a#b", ForbiddenByte),
            ("/a?b#c", ForbiddenByte),
            ("/a b", ForbiddenByte),
            ("/a?b c", ForbiddenByte),
            ("/a<b", ForbiddenByte),
            ("/é", ForbiddenByte),
            ("/%ff", NotUtf8),
            ("/%c0%ae", NotUtf8),
        ] {
            assert_eq!(parse(raw), Err(error), "{raw}");
        }
        assert_eq!(Target::parse(&[b'/', 0xff]), Err(ForbiddenByte));
        assert_eq!(parse(&format!("/{}", "a".repeat(MAX_BYTES))), Err(TooLong));
    }

    proptest! {
        #[test]
        fn canonical_means_that_parsing_again_changes_nothing(
            raw in "/(/|[a-z.;]|%[0-9a-fA-F]{2}|\\?|é){0,12}"
        ) {
            if let Ok(target) = Target::parse(raw.as_bytes()) {
                prop_assert_eq!(Target::parse(target.as_str().as_bytes()), Ok(target));
            }
        }

        #[test]
        fn paths_that_decode_alike_are_one_target(path in "/[a-z@+=~ é.]{1,6}", seed in any::<u64>()) {
            let spell = |mask: u64| -> String {
                path.bytes().enumerate().map(|(at, byte)| {
                    if byte != b'/' && (mask >> (at % 64) & 1 == 1 || !is_path_char(byte)) {
                        format!("%{byte:02x}")
                    } else {
                        char::from(byte).to_string()
                    }
                }).collect()
            };
            let (one, other) = (parse(&spell(seed)), parse(&spell(!seed)));
            prop_assert_eq!(&one, &other);
            if let Ok(one) = one {
                prop_assert_eq!(decode_segment(&one[1..]), &path[1..]);
            }
        }
    }
}
