//! One spelling for one path, and what has two readings.

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
        ("/a/..;/b", DotSegment),
        ("/a/.;x/b", DotSegment),
        ("/;x/a", EmptySegment),
        ("/a/;x", EmptySegment),
        ("/a\\b", ForbiddenByte),
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
    for long in [
        format!("/?{}", "a".repeat(MAX_BYTES)),
        format!("/{}", "a".repeat(MAX_PATH)),
        "/a".repeat(MAX_SEGMENTS + 1),
    ] {
        assert_eq!(parse(&long), Err(TooLong));
    }
    for fits in [
        format!("/?{}", "a".repeat(MAX_BYTES - 2)),
        format!("/{}", "a".repeat(MAX_PATH - 1)),
        "/a".repeat(MAX_SEGMENTS),
    ] {
        assert_eq!(parse(&fits).as_deref(), Ok(&*fits));
    }
}

#[test]
fn matrix_parameters_are_noticed_and_can_be_cut_off() {
    for (raw, without, before) in [
        ("/a;x=1/b;y?c;d", "/a/b?c;d", "/a?c;d"),
        ("/a/b;%41", "/a/b", "/a/b"),
        ("/a;b;c", "/a", "/a"),
    ] {
        let target = Target::parse(raw.as_bytes()).unwrap();
        assert!(target.has_parameters(), "{raw}");
        let plain = target.without_parameters();
        assert_eq!(Target::parse(without.as_bytes()), Ok(plain), "{raw}");
        let cut = target.before_parameters();
        assert_eq!(Target::parse(before.as_bytes()), Ok(cut), "{raw}");
    }
    assert!(!Target::parse(b"/a?b;c").unwrap().has_parameters());
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
