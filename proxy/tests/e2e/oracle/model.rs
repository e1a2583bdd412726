//! What the rules of `process::config` mean, written a second time and as plainly as possible: no
//! word of it comes from Sidegate.

use crate::process::{ALICE, MINE, YOURS};

pub(super) const BOB: &str = "b0b00000-0000-4000-8000-000000000002";
/// Somebody with a good token and no row.
pub(super) const NOBODY: &str = "0b0d1000-0000-4000-8000-000000000003";

/// Alice owns one thing; Bob may look at the other, by his team.
pub(super) const DIRECTORY: &str = "
users:
  - { id: a11ce000-0000-4000-8000-000000000001, active: true, roles: [artist] }
  - { id: b0b00000-0000-4000-8000-000000000002, active: true }
teams: [{ id: 7ea00000-0000-4000-8000-000000000001 }]
memberships:
  - team_id: 7ea00000-0000-4000-8000-000000000001
    user_id: b0b00000-0000-4000-8000-000000000002
    role: viewer
projects:
  - { id: 9a000000-0000-4000-8000-000000000001, team_id: 7ea00000-0000-4000-8000-000000000001 }
resources:
  - kind: generation
    id: 6e000000-0000-4000-8000-000000000001
    owner_id: a11ce000-0000-4000-8000-000000000001
  - kind: generation
    id: 6e000000-0000-4000-8000-000000000002
    project_id: 9a000000-0000-4000-8000-000000000001
";

/// Decodes every escape once, and leaves what is none.
pub(crate) fn decode(bytes: &[u8]) -> Vec<u8> {
    let mut decoded = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        let digits = bytes.get(at + 1..at + 3);
        let digits = digits.and_then(|digits| std::str::from_utf8(digits).ok());
        let value = digits
            .filter(|digits| bytes[at] == b'%' && !digits.starts_with('+'))
            .and_then(|digits| u8::from_str_radix(digits, 16).ok());
        decoded.push(value.unwrap_or(bytes[at]));
        at += if value.is_some() { 3 } else { 1 };
    }
    decoded
}

/// Path and query of a target, each as it is written.
pub(crate) fn split(target: &[u8]) -> (&[u8], Option<&[u8]>) {
    let without_fragment = target.split(|&byte| byte == b'#').next().unwrap();
    match without_fragment.iter().position(|&byte| byte == b'?') {
        Some(at) => (&without_fragment[..at], Some(&without_fragment[at + 1..])),
        None => (without_fragment, None),
    }
}

/// The path as a server reads it that knows matrix parameters.
pub(super) fn without_parameters(path: &[u8]) -> Vec<u8> {
    let segments = path.split(|&byte| byte == b'/');
    let names = segments.map(|segment| segment.split(|&byte| byte == b';').next().unwrap());
    names.collect::<Vec<_>>().join(&b'/')
}

/// Why some server could take a decoded path for another one, or could have decoded it otherwise.
pub(super) fn second_reading(written: &[u8], path: &[u8]) -> Option<&'static str> {
    let text = std::str::from_utf8(path);
    let odd_byte = |byte: &u8| !byte.is_ascii_graphic() || b"\\;#\"<>^`{|}[]".contains(byte);
    let slashes = |bytes: &[u8]| bytes.iter().filter(|&&byte| byte == b'/').count();
    let inner = path.get(1..).unwrap_or_default();
    let segments: Vec<&[u8]> = inner.split(|&byte| byte == b'/').collect();
    let (_, before_last) = segments.split_last().unwrap();
    if path.first() != Some(&b'/') {
        Some("it does not begin with a slash")
    } else if written.iter().any(odd_byte) {
        Some("it holds a byte that has to be escaped")
    } else if text.is_err() || path.iter().any(u8::is_ascii_control) {
        Some("it is not text")
    } else if path.iter().any(|byte| b"\\;?#".contains(byte)) || slashes(written) != slashes(path) {
        Some("it holds an escaped delimiter")
    } else if has_needless_escape(written) {
        Some("it has an escape that need not be, or in lower case")
    } else if decode(path) != path {
        Some("it decodes again")
    } else if segments
        .iter()
        .any(|segment| [&b"."[..], b".."].contains(segment))
    {
        Some("it has a dot segment")
    } else if before_last.contains(&&b""[..]) {
        Some("it has an empty segment")
    } else {
        None
    }
}

/// Whether an escape stands for what may stand for itself (RFC 3986 section 3.3), or has small digits.
fn has_needless_escape(written: &[u8]) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~!$&'()*+,=:@".contains(&byte);
    let is_needless = |three: &[u8]| {
        three[0] == b'%'
            && (three[1..].iter().any(u8::is_ascii_lowercase) || plain(decode(three)[0]))
    };
    written.windows(3).any(is_needless)
}

/// What the application is told, but for the decision's id.
pub(super) type Told = Vec<(&'static str, String)>;

/// Whether somebody may do this, and what the application is told about it then.
pub(super) fn may(method: &str, path: &[u8], speaker: Option<&'static str>) -> Option<Told> {
    let path = std::str::from_utf8(path).ok()?;
    let reads = ["GET", "HEAD"].contains(&method);
    let writes = method == "POST";
    let rest = path.strip_prefix("/public/").unwrap_or_default();
    if (!rest.is_empty() && (reads || writes)) || (path == "/a" && reads) {
        return Some(Told::new());
    }
    let speaker = speaker.filter(|speaker| [ALICE, BOB].contains(speaker))?;
    let mut told = vec![
        ("x-sidegate-subject", speaker.to_owned()),
        ("x-sidegate-subject-type", "user".to_owned()),
    ];
    if speaker == ALICE {
        told.push(("x-sidegate-roles", "artist".to_owned()));
    }
    if path == "/me" && (reads || writes) {
        return Some(told);
    }
    let id = path.strip_prefix("/g/").filter(|_| reads || writes)?;
    let (id, role) = match (thing(id)?, speaker, writes) {
        (MINE, ALICE, _) => (MINE, "owner"),
        (YOURS, BOB, false) => (YOURS, "viewer"),
        _ => return None,
    };
    let action = if writes { "write" } else { "read" };
    let authorized = format!("{action} generation:{id}");
    told.push(("x-sidegate-authorized", authorized));
    told.push(("x-sidegate-resource-roles", role.to_owned()));
    Some(told)
}

/// The thing that a segment names, in a spelling that PostgreSQL knows of a UUID.
fn thing(segment: &str) -> Option<&'static str> {
    let plain = |text: &str| text.replace('-', "").to_ascii_lowercase();
    let written = segment
        .strip_prefix('{')
        .and_then(|text| text.strip_suffix('}'));
    let written = plain(written.unwrap_or(segment));
    [MINE, YOURS].into_iter().find(|id| plain(id) == written)
}

/// A header's name as the least careful application reads it.
pub(crate) fn folded(name: &str) -> String {
    let letters = name.to_ascii_lowercase();
    let parts: Vec<&str> = letters
        .split(|letter: char| !letter.is_ascii_alphanumeric())
        .filter(|part| !part.is_empty() && *part != "http")
        .collect();
    parts.join("-")
}

#[test]
fn the_model_knows_what_it_is_for() {
    assert_eq!(decode(b"/%61%2F%zz%4"), b"/a/%zz%4");
    assert_eq!(folded("HTTP__X.Sidegate--Subject_"), "x-sidegate-subject");
    for (written, plain) in [
        ("/public/a%20b/", true),
        ("/", true),
        ("/g/%7Bx%7D", true),
        ("/g/%7bx%7D", false),
        ("/g/%41", false),
        ("/public/../me", false),
        ("/public/%2e%2e/me", false),
        ("/public/%2e%2e", false),
        ("/public//me", false),
        ("/public/me//", false),
        ("//", false),
        ("/public%2fme", false),
        ("/public/%2500", false),
        ("/public/%25%30%30", false),
        ("/public/%ff", false),
        ("/public/;", false),
        ("/public/%3b", false),
        ("/public/\\", false),
        ("public/x", false),
        ("", false),
    ] {
        let found = second_reading(written.as_bytes(), &decode(written.as_bytes()));
        assert_eq!(found.is_none(), plain, "{written}: {found:?}");
    }
    let mine = format!("/g/{}", MINE.to_uppercase());
    let allowed = |method, path: &str, speaker| may(method, path.as_bytes(), speaker).is_some();
    for (method, path, speaker, expected) in [
        ("POST", "/public/x", None, true),
        ("PUT", "/public/x", None, false),
        ("GET", "/public/", Some(ALICE), false),
        ("POST", "/a", None, false),
        ("HEAD", "/me", Some(BOB), true),
        ("GET", "/me", Some(NOBODY), false),
        ("GET", "/me", None, false),
        ("POST", &mine, Some(ALICE), true),
        ("GET", &mine, Some(BOB), false),
    ] {
        assert_eq!(
            allowed(method, path, speaker),
            expected,
            "{method} {path} {speaker:?}"
        );
    }
}
