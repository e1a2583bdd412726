//! What may be done to the rest of a request: headers that lie, framing with two readings, lines
//! that some servers end elsewhere. Whatever is a lie says `forged`.

use super::dice::Dice;
use super::names::{HOPS, OURS, OVERRIDES, spelled};
use super::request::{Request, Tokens};
use crate::process::ALICE;

/// A change to anything but the target.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Trick {
    /// A header of Sidegate's, in some spelling.
    OurName,
    /// A statement about the client that only a trusted proxy may make.
    Hop,
    /// Another method or target than the request line's.
    Override,
    /// `Connection` names a header.
    Nomination,
    Upgrade,
    /// A body with one length.
    Length,
    Chunks,
    /// A body with two lengths, or one that not everybody understands.
    TwoLengths,
    Trailer,
    /// A second request, behind the first.
    Leftover,
    /// `Host` in another spelling of a host.
    OtherHost,
    /// None, two, or one that is none.
    BadHost,
    FoldedLine,
    LineEnd,
    BadHeader,
    Expect,
    FirstLine,
    /// A credential that is worth nothing, or a second one.
    BadCredential,
    Method,
}

pub(super) const TRICKS: [Trick; 19] = [
    Trick::OurName,
    Trick::Hop,
    Trick::Override,
    Trick::Nomination,
    Trick::Upgrade,
    Trick::Length,
    Trick::Chunks,
    Trick::TwoLengths,
    Trick::Trailer,
    Trick::Leftover,
    Trick::OtherHost,
    Trick::BadHost,
    Trick::FoldedLine,
    Trick::LineEnd,
    Trick::BadHeader,
    Trick::Expect,
    Trick::FirstLine,
    Trick::BadCredential,
    Trick::Method,
];

impl Request {
    pub(super) fn trick(&mut self, trick: Trick, dice: &mut Dice, tokens: &Tokens) {
        if self.tricks.iter().any(|other| trick.excludes(*other)) {
            return;
        }
        self.tricks.push(trick);
        match trick {
            Trick::OurName => self.lie(dice, &OURS),
            Trick::Hop => self.lie(dice, &HOPS),
            Trick::Override => self.lie(dice, &OVERRIDES),
            Trick::Nomination => self.nominate(dice),
            Trick::Upgrade => self.upgrade(dice),
            Trick::Length => {
                self.has(dice, b"body");
                self.header(dice, "Content-Length: 4");
                self.rest = b"body".to_vec();
            }
            Trick::Chunks => {
                self.has(dice, b"body");
                let encoding = dice.cased("Transfer-Encoding: chunked");
                self.header(dice, encoding);
                let chunks = ["4\r\nbody\r\n0\r\n\r\n", "2\r\nbo\r\n02\r\ndy\r\n0\r\n\r\n"];
                self.rest = dice.pick(&chunks).as_bytes().to_vec();
            }
            Trick::TwoLengths => self.two_lengths(dice),
            Trick::Trailer => self.trailer(dice),
            Trick::Leftover => self.rest.extend(SECOND.as_bytes()),
            Trick::OtherHost => {
                let hosts = [
                    "APP.test",
                    "app.test:8080",
                    "127.0.0.1",
                    "[::1]:80",
                    "a_b.test",
                ];
                self.host = Some(dice.pick(&hosts).to_owned());
            }
            Trick::BadHost => self.bad_host(dice),
            Trick::FoldedLine => self.fold(dice),
            Trick::LineEnd | Trick::FirstLine => {}
            Trick::BadHeader => self.bad_header(dice),
            Trick::Expect => {
                let asked = ["100-continue", "100-Continue", "forged", "100-continue, x"];
                let line = format!("Expect: {}", dice.pick(&asked));
                self.header(dice, line);
            }
            Trick::BadCredential => self.bad_credential(dice, tokens),
            Trick::Method => {
                let methods = [
                    "get", "BREW", "TRACE", "CONNECT", "PROPFIND", "Post", "OPTIONS", "PATCH",
                    "GET\x0b",
                ];
                self.method = dice.pick(&methods).to_owned();
            }
        }
    }

    /// Mostly with a method that may have one.
    fn has(&mut self, dice: &mut Dice, body: &[u8]) {
        self.body = body.to_vec();
        if dice.percent(80) {
            self.method = "POST".to_owned();
        }
    }

    /// One to three headers that lie.
    fn lie(&mut self, dice: &mut Dice, names: &[&str]) {
        for _ in 0..=dice.below(3) {
            let name = spelled(dice, names);
            let values = [
                "forged",
                "forged, forged",
                "\tforged ",
                "http://forged/",
                "\"forged\"",
            ];
            let line = format!("{name}: {}", dice.pick(&values));
            self.header(dice, line);
        }
    }

    /// `Connection` removes what was decided on, or what we are about to say.
    fn nominate(&mut self, dice: &mut Dice) {
        let options = [
            "X-Sidegate-Subject",
            "x-sidegate-decision-id",
            "Authorization",
            "X-Marker",
            "Host",
            "close, X-Forwarded-For",
            "keep-alive, x-sidegate-roles",
            "Content-Length",
            "Cookie",
            "x_sidegate_subject",
            "X-Marker;",
            "\"X-Marker\"",
        ];
        let line = format!("Connection: {}", dice.pick(&options));
        self.header(dice, line);
        self.never = true;
    }

    fn upgrade(&mut self, dice: &mut Dice) {
        let to = dice.pick(&["h2c", "websocket", "WebSocket", "TLS/1.0", "h2c, websocket"]);
        self.header(dice, format!("Upgrade: {to}"));
        let options = ["Upgrade", "Upgrade, HTTP2-Settings", "keep-alive, Upgrade"];
        let line = format!("Connection: {}", dice.pick(&options));
        self.header(dice, line);
        if dice.percent(50) {
            self.header(dice, "HTTP2-Settings: AAMAAABk");
        }
        if dice.percent(30) {
            self.header(dice, "Sec-WebSocket-Version: 13");
            self.header(dice, "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==");
        }
    }

    /// Whoever reads the one length finds a second request in the rest.
    fn two_lengths(&mut self, dice: &mut Dice) {
        const PAIRS: [[&str; 2]; 14] = [
            ["Content-Length: 5", "Transfer-Encoding: chunked"],
            ["Content-Length: 5", "Transfer-Encoding: chunked, chunked"],
            ["Content-Length: 5", "Content-Length: 5"],
            ["Content-Length: 5", "Content-Length: 6"],
            ["Content-Length: 5, 5", "X-Plain: 1"],
            ["Content-Length: +5", "X-Plain: 1"],
            ["Content-Length: 05", "X-Plain: 1"],
            ["Content-Length: 0x5", "X-Plain: 1"],
            ["Content_Length: 9", "Content-Length: 5"],
            ["Content-Length: 5", "Transfer.Encoding: chunked"],
            ["Transfer-Encoding: chunked", "Transfer-Encoding: identity"],
            ["Transfer-Encoding: gzip, chunked", "X-Plain: 1"],
            ["Transfer-Encoding: xchunked", "Content-Length: 5"],
            ["Transfer-Encoding : chunked", "Content-Length: 5"],
        ];
        for line in dice.choose(&PAIRS) {
            self.header(dice, line);
        }
        self.method = "POST".to_owned();
        self.never = true;
        self.rest = b"0\r\n\r\n".to_vec();
        self.rest.extend(SECOND.as_bytes());
    }

    /// A lie behind the body.
    fn trailer(&mut self, dice: &mut Dice) {
        self.has(dice, b"body");
        self.header(dice, "Transfer-Encoding: chunked");
        if dice.percent(50) {
            self.header(dice, "Trailer: X-Sidegate-Subject");
        }
        let name = spelled(dice, &OURS);
        self.rest = format!("4\r\nbody\r\n0\r\n{name}: forged\r\n\r\n").into_bytes();
    }

    fn bad_host(&mut self, dice: &mut Dice) {
        self.never = true;
        match dice.below(3) {
            0 => self.host = None,
            1 => {
                let line = format!("Host: {}", dice.pick(&["app.test", "forged.test"]));
                self.header(dice, line);
            }
            _ => {
                let hosts = [
                    "",
                    "a b",
                    "a,b",
                    "u@a",
                    "app.test/x",
                    "a:b:c",
                    "a:99999",
                    "..",
                    "[a]",
                    "a!b",
                ];
                self.host = Some(dice.pick(&hosts).to_owned());
            }
        }
    }

    /// A line that goes on in the next one (RFC 9112 section 5.2), where the lie is.
    fn fold(&mut self, dice: &mut Dice) {
        let blank = dice.pick(&[" ", "\t", "  "]);
        let name = spelled(dice, &OURS);
        let before = dice.pick(&["X-Plain: 1", "X-Plain:"]);
        let line = format!("{before}\r\n{blank}{name}: forged");
        self.header(dice, line);
    }

    fn bad_header(&mut self, dice: &mut Dice) {
        let name = dice.pick(&OURS);
        let lines: [Vec<u8>; 10] = [
            format!("{name} : forged").into(),
            format!("{name}\t: forged").into(),
            format!(" {name}: forged").into(),
            format!("X-Plain: 1\r{name}: forged").into(),
            format!("X-Plain: 1\0\r\n{name}: forged").into(),
            format!("{name}\0: forged").into(),
            format!("{name}\u{a0}: forged").into(),
            format!("{name}\u{17f}: forged").into(),
            format!(": forged\r\n{name}: forged").into(),
            format!("forged\r\n{name}: forged").into(),
        ];
        let line = &lines[dice.below(lines.len())];
        self.header(dice, line);
    }

    fn bad_credential(&mut self, dice: &mut Dice, tokens: &Tokens) {
        let is_credential = |line: &Vec<u8>| line.starts_with(b"Authorization");
        let bad = &tokens.bad[dice.below(tokens.bad.len())];
        let good = tokens.of(ALICE);
        let doubled = dice.percent(40);
        if !doubled {
            self.lines.retain(|line| !is_credential(line));
        }
        self.speaker = None;
        let line = match dice.below(if doubled { 3 } else { 6 }) {
            0 => format!("Authorization: Bearer {bad}"),
            1 => format!("authorization: Basic {good}"),
            2 => format!("AUTHORIZATION: Bearer {good}, Bearer {bad}"),
            3 => format!("Authorization_: Bearer {good}"),
            4 => format!("HTTP-Authorization: Bearer {good}"),
            _ => format!("Cookie: access_token={good}; Authorization=Bearer {good}"),
        };
        self.header(dice, line);
    }

    /// What is done once everything else is in its place.
    pub(super) fn last(&mut self, trick: Trick, dice: &mut Dice) {
        if trick == Trick::LineEnd {
            let at = dice.below(self.lines.len());
            let line = &mut self.lines[at];
            line.truncate(line.len() - 2);
            line.extend(dice.pick(&["\n", "\r\r\n", " \r\n", "\x0b\r\n"]).as_bytes());
            return;
        }
        let versions = [
            "HTTP/1.0",
            "HTTP/1.2",
            "HTTP/2.0",
            "HTTP/0.9",
            "http/1.1",
            "HTTP/1.1 HTTP/1.1",
            "HTTP/1.1 ",
            "",
            "HTTP/1.1\t",
            " HTTP/1.1",
            "\tHTTP/1.1",
            "HTTPS/1.1",
        ];
        let line = dice.pick(&versions);
        // A space within is part of the target for whoever looks for the last one.
        let (more, version) = line
            .rsplit_once(' ')
            .map_or((None, line), |(more, version)| (Some(more), version));
        if let Some(more) = more {
            self.target.push(b' ');
            self.target.extend(more.as_bytes());
        }
        self.version = version;
    }
}

impl Trick {
    /// Whether one request has no place for both.
    fn excludes(self, other: Self) -> bool {
        let hosts = [Self::OtherHost, Self::BadHost];
        let bodies = [
            Self::Length,
            Self::Chunks,
            Self::TwoLengths,
            Self::Trailer,
            Self::Leftover,
        ];
        let both_in = |tricks: &[Self]| tricks.contains(&self) && tricks.contains(&other);
        self == other || both_in(&hosts) || both_in(&bodies)
    }
}

/// A request that this client may not make, behind one that it may.
const SECOND: &str = "GET /me?second HTTP/1.1\r\nHost: app.test\r\n\r\n";
