//! `te-mutations`: spellings of `Transfer-Encoding: chunked` that some parsers take for it and
//! others do not, as request smuggling needs them.
//!
//! Each is sent beside a `Content-Length`, before and after it, with two bodies: one that ends
//! early for whoever reads chunks, and one that ends early for whoever counts bytes. What is left
//! over is a request that this client may not make. Whatever arrives must be one request, have one
//! framing under every reading of its header names, and not be the one left over.

use super::{Tally, ask, corpus, unhex};
use crate::process::Sidegate;
use crate::recorder::{Received, Recorder};

/// What a reader of one of the lengths takes the body for.
struct Body {
    bytes: Vec<u8>,
    length: usize,
    in_chunks: Vec<u8>,
}

/// What a chunked body says, to its end and no further.
fn unchunked(body: &[u8]) -> Option<Vec<u8>> {
    let mut said = Vec::new();
    let mut rest = body;
    loop {
        let end = rest.windows(2).position(|two| two == b"\r\n")?;
        let size = usize::from_str_radix(std::str::from_utf8(&rest[..end]).ok()?, 16).ok()?;
        let chunk = rest.get(end + 2..end + 2 + size)?;
        rest = rest[end + 2 + size..].strip_prefix(b"\r\n")?;
        said.extend(chunk);
        if size == 0 {
            return rest.is_empty().then_some(said);
        }
    }
}

/// The request that must not arrive.
fn smuggled(case: usize) -> Vec<u8> {
    format!("GET /me?smuggled={case} HTTP/1.1\r\nHost: app.test\r\n\r\n").into_bytes()
}

fn bodies(case: usize) -> [Body; 2] {
    let smuggled = smuggled(case);
    let chunks_end_first = [&b"0\r\n\r\n"[..], &smuggled].concat();
    let size = format!("{:x}\r\n", smuggled.len()).into_bytes();
    let bytes_end_first = [&size, &smuggled, &b"\r\n0\r\n\r\n"[..]].concat();
    [
        Body {
            length: chunks_end_first.len(),
            bytes: chunks_end_first,
            in_chunks: Vec::new(),
        },
        Body {
            length: size.len(),
            bytes: bytes_end_first,
            in_chunks: smuggled,
        },
    ]
}

/// Both lengths, in both orders.
fn requests(case: usize, mutation: &[u8], body: &Body) -> [Vec<u8>; 2] {
    let length = format!("Content-Length: {}", body.length).into_bytes();
    [[mutation, &length], [&length, mutation]].map(|[first, second]| {
        let head = format!("POST /public/{case} HTTP/1.1\r\nHost: app.test\r\n").into_bytes();
        [&head, first, b"\r\n", second, b"\r\n\r\n", &body.bytes].concat()
    })
}

/// The values of every header whose name has these letters, whatever else is in it.
fn spelled<'r>(received: &'r Received, letters: &str) -> Vec<&'r str> {
    let has = |name: &str| {
        let plain = name.chars().filter(char::is_ascii_alphabetic);
        plain.collect::<String>().eq_ignore_ascii_case(letters)
    };
    received.lines[1..]
        .iter()
        .filter_map(|line| line.split_once(':'))
        .filter(|(name, _)| has(name))
        .map(|(_, value)| value.trim_matches(' '))
        .collect()
}

/// What comes after the first empty line, which may end in a bare line feed (RFC 9112 section 2.2).
fn after_head(request: &[u8]) -> &[u8] {
    let end = (0..request.len()).find_map(|at| {
        let ends = [&b"\n\r\n"[..], b"\n\n"];
        let end = ends.iter().find(|end| request[at..].starts_with(end))?;
        Some(at + end.len())
    });
    &request[end.unwrap()..]
}

/// One request, the one that was asked for, with a body that everybody ends at the same byte.
fn is_unambiguous(received: &Received, case: usize, request: &[u8], body: &Body) -> bool {
    let plain = |line: &String| !line.chars().any(|c| c.is_control() && c != '\t');
    let lengths = spelled(received, "contentlength");
    let encodings = spelled(received, "transferencoding");
    let framed = match (lengths.as_slice(), encodings.as_slice()) {
        ([], []) => received.body.is_empty(),
        ([length], []) => {
            **length == body.length.to_string()
                && received.body == after_head(request)[..body.length]
        }
        // Pingora takes a missing size for 0: the body ends early, but for everybody.
        ([], ["chunked"]) => {
            unchunked(&received.body).is_some_and(|said| said.is_empty() || said == body.in_chunks)
        }
        _ => false,
    };
    received.request_line() == format!("POST /public/{case} HTTP/1.1")
        && received.lines.iter().all(plain)
        && framed
}

#[test]
#[ignore = "needs SIDEGATE_CORPORA"]
fn a_request_that_hides_behind_another_never_arrives() {
    let recorder = Recorder::start();
    let sidegate = Sidegate::start(recorder.address, "");
    let cases = corpus("te-mutations/te_header_mutations.json");
    let cases = cases.as_array().unwrap();
    let mut tally = Tally::default();
    for (number, case) in cases.iter().enumerate() {
        let mutation = unhex(&case["header_lines_hex"]);
        let mut outcome = "refused";
        for body in bodies(number) {
            for request in requests(number, &mutation, &body) {
                let status = ask(sidegate.proxy, &request);
                let received = recorder.received();
                let shown = || format!("{case}: {status:?} to {}", request.escape_ascii());
                match (status, received.as_slice()) {
                    (None | Some(400), []) => {}
                    (None | Some(200 | 400), [one]) => {
                        assert!(
                            is_unambiguous(one, number, &request, &body),
                            "{}: {one:?}",
                            shown()
                        );
                        outcome = "forwarded with one framing";
                    }
                    (_, others) => panic!("{}: {others:?}", shown()),
                }
            }
        }
        tally.case(outcome);
    }
    // Whatever was still on its way would be there by now.
    let last = "GET /public/last HTTP/1.1\r\nHost: app.test\r\n\r\n";
    assert_eq!(ask(sidegate.proxy, last.as_bytes()), Some(200));
    assert!(recorder.only().request_line().contains("last"));
    tally.finish("te-mutations/te_header_mutations.json", cases.len());
}
