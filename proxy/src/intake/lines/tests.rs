//! Heads with one reading, and heads with two.

use proptest::prelude::*;

use super::LinesError::{
    Connect, Folded, HeaderLine, Host, Length, RequestLine, TargetTooLong, TooLarge, TooMany,
};
use super::*;

const BOUNDS: Bounds = Bounds {
    bytes: 32 * 1024,
    headers: 100,
};

fn rules(rules: &[Rule]) -> Rules {
    rules.iter().copied().collect()
}

#[test]
fn heads_with_one_reading_pass() {
    for (head, broken) in [
        ("GET / HTTP/1.1\r\nHost: a\r\n\r\n", &[][..]),
        ("\r\nGET /a?b=%20 HTTP/1.0\r\n\r\n", &[]),
        ("GET / HTTP/1.1\r\nX-A:\tb c\r\nx-b:\r\n\r\n", &[]),
        ("GET / HTTP/1.1\nHost: a\r\n\n", &[Rule::BareLf]),
        ("GET /#a HTTP/1.1\r\nHost: a\r\n\r\n", &[Rule::Fragment]),
        ("GET / HTTP/1.1\r\nX_A: b\r\n\r\n", &[Rule::HeaderNames]),
        ("GET / HTTP/1.1\r\nX-A: \u{e9}\r\n\r\n", &[Rule::ObsText]),
    ] {
        assert_eq!(
            check(head.as_bytes(), BOUNDS),
            Ok(rules(broken)),
            "{head:?}"
        );
        let found = Search::default().find(head.as_bytes(), BOUNDS);
        assert_eq!(found, Ok(Some(head.len())), "{head:?}");
    }
}

#[test]
fn heads_with_two_readings_are_refused() {
    for (head, error) in [
        ("GET /a b HTTP/1.1\r\n\r\n", RequestLine),
        ("GET /a HTTP/1.1 HTTP/1.1\r\n\r\n", RequestLine),
        ("GET  /a HTTP/1.1\r\n\r\n", RequestLine),
        ("GET /a  HTTP/1.1\r\n\r\n", RequestLine),
        (" GET /a HTTP/1.1\r\n\r\n", RequestLine),
        ("GET\t/a HTTP/1.1\r\n\r\n", RequestLine),
        ("GET /a\r\n\r\n", RequestLine),
        ("GET /a HTTP/2.0\r\n\r\n", RequestLine),
        ("GET /a HTTP/1.1x\r\n\r\n", RequestLine),
        ("G\u{e9}T /a HTTP/1.1\r\n\r\n", RequestLine),
        ("GET /\u{e9} HTTP/1.1\r\n\r\n", RequestLine),
        ("GET /a\0 HTTP/1.1\r\n\r\n", RequestLine),
        ("GET /a HTTP/1.1\r\r\n\r\n", RequestLine),
        ("\r\n\r\n", RequestLine),
        ("GET /a HTTP/1.1\r\nX-A : b\r\n\r\n", HeaderLine),
        ("GET /a HTTP/1.1\r\nX-A\r\n\r\n", HeaderLine),
        ("GET /a HTTP/1.1\r\n: b\r\n\r\n", HeaderLine),
        ("GET /a HTTP/1.1\r\nX-A: b\rc\r\n\r\n", HeaderLine),
        ("GET /a HTTP/1.1\r\nX-A: b\0\r\n\r\n", HeaderLine),
        ("GET /a HTTP/1.1\r\nX\u{e9}: b\r\n\r\n", HeaderLine),
        ("GET /a HTTP/1.1\r\nX-A: b\r\n c\r\n\r\n", Folded),
        ("GET /a HTTP/1.1\r\n\tX-A: b\r\n\r\n", Folded),
        ("GET /a HTTP/1.1\r\nHost: a\r\nhost: a\r\n\r\n", Host),
        ("GET /a HTTP/1.1\r\nHost: u@a\r\n\r\n", Host),
        ("GET /a|b HTTP/1.1\r\nHost: a\r\n\r\n", RequestLine),
        ("GET /a?<b> HTTP/1.1\r\nHost: a\r\n\r\n", RequestLine),
    ] {
        assert_eq!(check(head.as_bytes(), BOUNDS), Err(error), "{head:?}");
    }
}

#[test]
fn a_body_has_one_length_whatever_the_parser_behind_would_make_of_it() {
    let of = |version: &str, headers: &str| {
        let head = format!("PUT /a HTTP/{version}\r\n{headers}\r\n");
        check(head.as_bytes(), BOUNDS)
    };
    for good in [
        "",
        "Content-Length: 5\r\n",
        "transfer-encoding:Chunked \r\n",
    ] {
        assert_eq!(of("1.1", good), Ok(Rules::NONE), "{good}");
    }
    for doubtful in [
        "Content-length: 1\r\ntransfer-Encoding: chunked\r\n",
        "Content-Length: 1\r\nContent-Length: 1\r\n",
        "Content-Length: 5, 5\r\n",
        "Content-Length: +5\r\n",
        "Content-Length:\r\n",
        "Transfer-Encoding: gzip, chunked\r\n",
        "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n",
        "Transfer-Encoding: identity\r\n",
    ] {
        assert_eq!(of("1.1", doubtful), Err(Length), "{doubtful}");
    }
    assert_eq!(of("1.0", "Transfer-Encoding: chunked\r\n"), Err(Length));
    let tunnel = b"CONNECT a:1 HTTP/1.1\r\n\r\n";
    assert_eq!(check(tunnel, BOUNDS), Err(Connect));
}

#[test]
fn the_last_byte_that_fits_fits() {
    let target = |length: usize| format!("GET /{} HTTP/1.1\r\n\r\n", "a".repeat(length - 1));
    assert_eq!(
        check(target(MAX_TARGET).as_bytes(), BOUNDS),
        Ok(Rules::NONE)
    );
    let longer = check(target(MAX_TARGET + 1).as_bytes(), BOUNDS);
    assert_eq!(longer, Err(TargetTooLong));

    let name = |length: usize| format!("GET / HTTP/1.1\r\n{}: b\r\n\r\n", "a".repeat(length));
    assert_eq!(check(name(MAX_NAME).as_bytes(), BOUNDS), Ok(Rules::NONE));
    assert_eq!(check(name(MAX_NAME + 1).as_bytes(), BOUNDS), Err(TooLarge));

    let many = |count: usize| format!("GET / HTTP/1.1\r\n{}\r\n", "a: b\r\n".repeat(count));
    assert_eq!(check(many(100).as_bytes(), BOUNDS), Ok(Rules::NONE));
    assert_eq!(check(many(101).as_bytes(), BOUNDS), Err(TooMany));

    let head = "GET / HTTP/1.1\r\n\r\n";
    let find = |bytes| Search::default().find(head.as_bytes(), Bounds { bytes, headers: 1 });
    assert_eq!(find(head.len()), Ok(Some(head.len())));
    assert_eq!(find(head.len() - 1), Err(TooLarge));
    // What has no end is not waited for.
    let endless = vec![b'a'; REQUEST_LINE + 1];
    assert_eq!(Search::default().find(&endless, BOUNDS), Err(TargetTooLong));
    let endless = [b"GET / HTTP/1.1\r\na: ", &vec![b'a'; BOUNDS.bytes][..]].concat();
    assert_eq!(Search::default().find(&endless, BOUNDS), Err(TooLarge));
    assert_eq!(
        Search::default().find(b"\r\n\r\n", BOUNDS),
        Err(RequestLine)
    );
}

proptest! {
    /// What Pingora's parser makes of a head that passes is what was looked at here: it ends in the
    /// same place and has the same parts.
    #[test]
    fn the_parser_behind_agrees(head in "(\r\n)?(GET|P~T|) ?/[a-b%;#?\u{e9} ]{0,6} ?HTTP/1\\.[0-2]((\r\n|\n|\r)[A-Bx_ :\t\u{e9}\0-]{0,6}){0,4}(\r\n|\n){0,3}[x\r\n]{0,2}") {
        let bytes = head.as_bytes();
        if let Ok(Some(length)) = Search::default().find(bytes, BOUNDS)
            && let Ok(broken) = check(&bytes[..length], BOUNDS)
        {
            let mut headers = [httparse::EMPTY_HEADER; 8];
            let mut request = httparse::Request::new(&mut headers);
            let parsed = request.parse(bytes);
            if !broken.contains(Rule::ObsText) && !broken.contains(Rule::Fragment) {
                prop_assert_eq!(parsed, Ok(httparse::Status::Complete(length)));
                let lines = bytes[..length].split(|&byte| byte == b'\n');
                let filled = lines.filter(|line| !matches!(*line, b"" | b"\r")).count();
                prop_assert_eq!(request.headers.len() + 1, filled);
            }
        }
    }

    /// The end is found in the same place, however the bytes arrive.
    #[test]
    fn pieces_make_no_difference(head in "[a\r\n: ]{0,40}", cuts in prop::collection::vec(0_usize..40, 0..6)) {
        let bytes = head.as_bytes();
        let whole = Search::default().find(bytes, BOUNDS);
        let mut cuts: Vec<usize> = cuts.into_iter().filter(|cut| *cut < bytes.len()).collect();
        cuts.sort_unstable();
        cuts.push(bytes.len());
        let mut search = Search::default();
        let found = cuts.into_iter().map(|cut| search.find(&bytes[..cut], BOUNDS)).find(|found| *found != Ok(None));
        prop_assert_eq!(found.unwrap_or(Ok(None)), whole);
    }

    #[test]
    fn no_bytes_are_too_much(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = Search::default().find(&bytes, BOUNDS);
        let _ = check(&bytes, BOUNDS);
    }
}
