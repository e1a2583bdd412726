//! What a caller says about the trace that a request belongs to: `traceparent` and `tracestate` (W3C Trace
//! Context, <https://www.w3.org/TR/trace-context/>).
//!
//! Promise: what is malformed, doubled or of the forbidden version counts as nothing; a later version is read
//! by what the first one promises about it. Nothing is allocated.
//!
//! Does not: know whether the caller may be believed. [`super::Tracing::begin`] is told.

use http::{HeaderMap, HeaderName};

use super::context::{SpanId, TraceId};

/// The caller's trace and span.
pub(super) const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");
/// What tracing systems on the way have added for themselves.
pub(super) const TRACESTATE: HeaderName = HeaderName::from_static("tracestate");

/// The length of a `traceparent` of version 00, and of what later versions begin with, in bytes.
pub(super) const LENGTH: usize = 55;
/// The version that there will never be (section 3.2.2.1).
const FORBIDDEN: u128 = 0xff;
/// The flag of a trace that is sampled (section 3.2.2.5.1). The others are not defined.
const SAMPLED: u128 = 1;
/// The most members of a `tracestate` (section 3.3.1.1).
const MAX_MEMBERS: usize = 32;
/// The longest key and value of one, in bytes (section 3.3.1.3).
const MAX_PART: usize = 256;

/// The caller's span, and whether it is sampled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Parent {
    pub(super) trace_id: TraceId,
    pub(super) span_id: SpanId,
    pub(super) is_sampled: bool,
}

impl Parent {
    /// What the headers say, if they say one thing.
    pub(super) fn of(headers: &HeaderMap) -> Option<Self> {
        let mut lines = headers.get_all(&TRACEPARENT).iter();
        let line = lines.next()?;
        if lines.next().is_some() {
            return None;
        }
        Self::parse(line.as_bytes())
    }

    /// `version "-" trace-id "-" parent-id "-" trace-flags`, in lower case; a later version may go on after
    /// another `-` (section 4.3).
    fn parse(value: &[u8]) -> Option<Self> {
        let (known, further) = value.split_at_checked(LENGTH)?;
        let mut fields = known.split(|byte| *byte == b'-');
        let mut field = |digits| hexadecimal(fields.next()?, digits);
        let (version, trace_id) = (field(2)?, field(32)?);
        let (span_id, flags) = (field(16)?, field(2)?);
        match (version, further.first()) {
            (FORBIDDEN, _) | (0, Some(_)) => return None,
            (_, None | Some(b'-')) => {}
            (_, Some(_)) => return None,
        }
        Some(Self {
            trace_id: TraceId::new(trace_id)?,
            span_id: SpanId::new(u64::try_from(span_id).ok()?)?,
            is_sampled: flags & SAMPLED == SAMPLED,
        })
    }
}

/// Whether there is a `tracestate` that may be passed on: one list over all of its lines, with something in
/// it. By the grammar of Trace Context Level 2, which also has all keys of Level 1.
pub(super) fn has_good_state(headers: &HeaderMap) -> bool {
    let lines = headers.get_all(&TRACESTATE).iter();
    let mut members = lines
        .flat_map(|line| line.as_bytes().split(|byte| *byte == b','))
        .map(trimmed)
        .filter(|member| !member.is_empty());
    let mut count = 0;
    members.all(|member| {
        count += 1;
        is_member(member)
    }) && (1..=MAX_MEMBERS).contains(&count)
}

/// Exactly so many digits, none of them in upper case.
fn hexadecimal(text: &[u8], digits: usize) -> Option<u128> {
    if text.len() != digits {
        return None;
    }
    text.iter().try_fold(0, |number, byte| {
        let digit = match byte {
            b'0'..=b'9' => byte - b'0',
            b'a'..=b'f' => byte - b'a' + 10,
            _ => return None,
        };
        Some(number << 4 | u128::from(digit))
    })
}

/// Without the white space around it (RFC 9110 section 5.6.3).
fn trimmed(mut text: &[u8]) -> &[u8] {
    while let [b' ' | b'\t', rest @ ..] | [rest @ .., b' ' | b'\t'] = text {
        text = rest;
    }
    text
}

fn is_member(member: &[u8]) -> bool {
    let Some(equals) = member.iter().position(|byte| *byte == b'=') else {
        return false;
    };
    let (Some(key), Some(value)) = (member.get(..equals), member.get(equals + 1..)) else {
        return false;
    };
    let starts = |byte: &u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let goes_on = |byte: &u8| starts(byte) || b"_-*/@".contains(byte);
    // A space at its end was trimmed, and one at its beginning is part of it.
    let says = |byte: &u8| matches!(byte, b' '..=b'~') && *byte != b'=';
    key.first().is_some_and(starts)
        && key.iter().all(goes_on)
        && (1..=MAX_PART).contains(&key.len())
        && value.iter().all(says)
        && (1..=MAX_PART).contains(&value.len())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const GOOD: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

    fn parsed(value: &str) -> Option<String> {
        let parent = Parent::parse(value.as_bytes())?;
        let flags = u8::from(parent.is_sampled);
        Some(format!("{}-{}-{flags}", parent.trace_id, parent.span_id))
    }

    #[test]
    fn a_good_one_is_read_and_a_later_version_by_what_it_begins_with() {
        let same = Some("0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-1".to_owned());
        assert_eq!(parsed(GOOD), same);
        for later in ["01", "0a", "cc", "fe"] {
            let later = GOOD.replacen("00", later, 1);
            assert_eq!(parsed(&later), same, "{later}");
            for further in ["-", "-what-comes-later", "-\u{1}"] {
                assert_eq!(parsed(&format!("{later}{further}")), same, "{further}");
            }
            assert_eq!(parsed(&format!("{later}x")), None);
        }
        for (flags, sampled) in [
            ("00", '0'),
            ("02", '0'),
            ("03", '1'),
            ("fe", '0'),
            ("ff", '1'),
        ] {
            let found = parsed(&format!("{}{flags}", &GOOD[..53])).unwrap();
            assert!(found.ends_with(sampled), "{flags}");
        }
    }

    #[test]
    fn what_is_malformed_is_nothing() {
        let zeros = "0".repeat(32);
        for bad in [
            String::new(),
            GOOD.replacen("00", "ff", 1),
            GOOD.replacen("00", "0", 1),
            GOOD.replacen("00", "0G", 1),
            format!("{GOOD}-"),
            format!("{GOOD}-00"),
            format!("{GOOD} "),
            format!(" {GOOD}"),
            format!("{GOOD},{GOOD}"),
            GOOD[..54].to_owned(),
            GOOD.to_uppercase(),
            GOOD.replace("0af", "0aF"),
            GOOD.replace('-', "_"),
            GOOD.replace("0af7651916cd43dd8448eb211c80319c", &zeros),
            GOOD.replace("b7ad6b7169203331", &zeros[..16]),
            GOOD.replace("-01", "-+1"),
            GOOD.replace("0af7", "0x0a"),
            // The right length, and a dash in the wrong place.
            GOOD.replace("9c-b7", "-9cb7"),
        ] {
            assert_eq!(parsed(&bad), None, "{bad}");
        }
    }

    #[test]
    fn two_lines_are_none() {
        let mut headers = HeaderMap::new();
        assert_eq!(Parent::of(&headers), None);
        headers.append(TRACEPARENT, GOOD.parse().unwrap());
        assert!(Parent::of(&headers).is_some());
        headers.append(TRACEPARENT, GOOD.parse().unwrap());
        assert_eq!(Parent::of(&headers), None);
    }

    fn passes(lines: &[&str]) -> bool {
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append(TRACESTATE, line.parse().unwrap());
        }
        has_good_state(&headers)
    }

    #[test]
    fn a_state_is_passed_on_if_it_is_a_list_of_at_most_32_members() {
        let longest = format!("{}={}", "k".repeat(256), "v".repeat(256));
        for good in [
            &["rojo=00f067aa0ba902b7,congo=t61rcWkgMzE"][..],
            &["a=1", "b=2"],
            &["a=1 , \tb=2,,", ""],
            &["1a-_*/@b= inner  space"],
            &[longest.as_str()],
        ] {
            assert!(passes(good), "{good:?}");
        }
        let many = |count: usize| vec!["a=1"; count].join(",");
        assert!(passes(&[&many(32)]) && passes(&[&many(16), &many(16)]));
        let long_key = format!("{}=v", "k".repeat(257));
        let long_value = format!("k={}", "v".repeat(257));
        for bad in [
            &[][..],
            &[""],
            &[" , "],
            &["a"],
            &["=1"],
            &["a="],
            &["A=1"],
            &["a b=1"],
            &["@a=1"],
            &["a=1=2"],
            &["a=1\t2"],
            &["good=1,bad"],
            &["good=1", "Bad=1"],
            &[long_key.as_str()],
            &[long_value.as_str()],
            &[many(33).as_str()],
            &[many(32).as_str(), "a=1"],
        ] {
            assert!(!passes(bad), "{bad:?}");
        }
    }

    proptest! {
        /// Against what the specification says in words: by position, not by dash.
        #[test]
        fn any_bytes_are_read_as_the_specification_says(
            value in prop_oneof![
                "(ff|0[01]|[0-9a-f]{2})-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}(-[ -~]{0,9})?",
                "(00|0[0-9a-g])-[0-9a-fA-F-]{30,34}-[0-9a-f]{14,18}-[0-9a-z]{1,3}[ -~]{0,3}",
                "[0-9a-f-]{50,60}",
            ]
        ) {
            let is_hex = |text: &str| text.bytes().all(|b| b"0123456789abcdef".contains(&b));
            let part = |from: usize, to: usize| value.get(from..to).unwrap_or("");
            let dashes = [2, 35, 52].iter().all(|at| part(*at, at + 1) == "-");
            let [version, trace, span, flags] =
                [part(0, 2), part(3, 35), part(36, 52), part(53, 55)];
            let good = dashes
                && [version, trace, span, flags].iter().all(|part| is_hex(part))
                && value.len() >= LENGTH
                && version != "ff"
                && trace.bytes().any(|b| b != b'0')
                && span.bytes().any(|b| b != b'0')
                && (value.len() == LENGTH || (version != "00" && part(55, 56) == "-"));
            let expected = good.then(|| {
                let sampled = u8::from_str_radix(flags, 16).unwrap() & 1;
                format!("{trace}-{span}-{sampled}")
            });
            prop_assert_eq!(parsed(&value), expected);
        }

        #[test]
        fn no_bytes_are_too_strange(value in prop::collection::vec(any::<u8>(), 0..80)) {
            let _ = Parent::parse(&value);
            let _ = is_member(&value);
        }
    }
}
