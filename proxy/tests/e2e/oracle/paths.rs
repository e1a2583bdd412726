//! Request targets: plain ones, and what may be done to them on the way to another reading.

use super::dice::Dice;
use crate::process::{MINE, YOURS};

/// A way to spell a target, or to make another one of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Twist {
    /// Escapes of bytes that need none, in either case.
    Escapes,
    /// Letters in the other case.
    Letters,
    EscapedSlash,
    DotSegment,
    EmptySegment,
    Parameter,
    Backslash,
    Control,
    EscapedTwice,
    BrokenEscape,
    NotUtf8,
    /// A byte that must be escaped and is not.
    RawByte,
    Fragment,
    /// Absolute-form, authority-form, no form at all.
    OtherForm,
    Suffix,
    Query,
    Long,
}

pub(crate) const TWISTS: [Twist; 17] = [
    Twist::Escapes,
    Twist::Letters,
    Twist::EscapedSlash,
    Twist::DotSegment,
    Twist::EmptySegment,
    Twist::Parameter,
    Twist::Backslash,
    Twist::Control,
    Twist::EscapedTwice,
    Twist::BrokenEscape,
    Twist::NotUtf8,
    Twist::RawByte,
    Twist::Fragment,
    Twist::OtherForm,
    Twist::Suffix,
    Twist::Query,
    Twist::Long,
];

/// A request target in the making. `tail` is the query and what follows it.
#[derive(Debug, Clone)]
pub(crate) struct Sketch {
    path: Vec<u8>,
    tail: Vec<u8>,
}

impl Sketch {
    pub(crate) fn of(path: &str) -> Self {
        Self {
            path: path.as_bytes().to_vec(),
            tail: Vec::new(),
        }
    }

    pub(crate) fn bytes(&self) -> Vec<u8> {
        [&*self.path, &self.tail].concat()
    }

    pub(crate) fn twist(&mut self, twist: Twist, dice: &mut Dice) {
        match twist {
            Twist::Escapes => self.escape(dice, false),
            Twist::Letters => self.letters(dice),
            Twist::EscapedSlash => self.for_slash(dice, &["%2f", "%2F", "%2f/", "/%2F"]),
            Twist::DotSegment => self.dots(dice),
            Twist::EmptySegment => self.for_slash(dice, &["//", "///", "/%2f/"]),
            Twist::Parameter => self.anywhere(dice, &[";", ";x", ";v=1.1", "%3b", "%3Bx=1", "..;"]),
            Twist::Backslash => self.for_slash(dice, &["\\", "%5c", "%5C", "\\..\\", "/..%5c"]),
            Twist::Control => {
                self.anywhere(
                    dice,
                    &["%00", "%0d%0a", "%0A", "%09", "%1f", "%7f", "%00.png"],
                );
            }
            Twist::EscapedTwice => self.escape(dice, true),
            Twist::BrokenEscape => self.anywhere(dice, &["%", "%2", "%zz", "%u002e", "%%32e"]),
            Twist::NotUtf8 => self.anywhere(dice, &["%ff", "%C0%AE", "%e0%80%af", "%ed%a0%80"]),
            Twist::RawByte => self.raw(dice),
            Twist::Fragment => {
                let end = dice.pick(&["#", "#x", "#/../me", "%23x", "#?a=b"]);
                self.end(end);
            }
            Twist::OtherForm => self.other_form(dice),
            Twist::Suffix => {
                let ends = [
                    "/", ".", ".json", "%20", "~", "...", "/.", "/..", "+", "/%2e", ":", "%25",
                ];
                self.path.extend(dice.pick(&ends).as_bytes());
            }
            Twist::Query => self.query(dice),
            Twist::Long => self.path.extend([b'x'; 8200]),
        }
    }

    /// After everything else.
    fn end(&mut self, text: &str) {
        self.tail.extend(text.as_bytes());
    }

    /// Escapes bytes that are neither a slash nor part of an escape's beginning.
    fn escape(&mut self, dice: &mut Dice, twice: bool) {
        let share = dice.choose(&[0, 10, 40, 100]);
        let one = dice.below(self.path.len().max(1));
        let mut escaped = Vec::with_capacity(self.path.len() * 3);
        for (at, &byte) in self.path.iter().enumerate() {
            if b"/%".contains(&byte) || !(at == one || dice.percent(share)) {
                escaped.push(byte);
                continue;
            }
            let digits = dice.cased(&format!("{byte:02x}"));
            escaped.extend(if twice { &b"%25"[..] } else { b"%" });
            escaped.extend(digits.bytes());
        }
        self.path = escaped;
    }

    fn letters(&mut self, dice: &mut Dice) {
        let text = String::from_utf8_lossy(&self.path).into_owned();
        self.path = dice.cased(&text).into_bytes();
    }

    /// Puts one of the texts in the place of a slash; the first only where it is the only one.
    fn for_slash(&mut self, dice: &mut Dice, texts: &[&str]) {
        let is_slash = |at: &usize| self.path[*at] == b'/';
        let slashes: Vec<usize> = (0..self.path.len()).filter(is_slash).collect();
        let Some(&at) = slashes.get(dice.below(slashes.len().max(1))) else {
            return self.anywhere(dice, texts);
        };
        let text = dice.pick(texts).as_bytes().to_vec();
        self.path.splice(at..=at, text);
    }

    fn anywhere(&mut self, dice: &mut Dice, texts: &[&str]) {
        let at = dice.below(self.path.len() + 1);
        let text = dice.pick(texts).as_bytes().to_vec();
        self.path.splice(at..at, text);
    }

    /// A dot segment, often one that leads from what is open to what is not.
    fn dots(&mut self, dice: &mut Dice) {
        let dots = dice.pick(&["..", ".", "%2e%2e", ".%2E", "%2e", "..", "%252e%252e"]);
        if dice.percent(50) {
            let front = format!("/public/{dots}");
            self.path.splice(0..0, front.into_bytes());
        } else {
            let text = format!("/{dots}/");
            self.for_slash(dice, &[&text]);
        }
    }

    fn raw(&mut self, dice: &mut Dice) {
        let bytes = b"\x00\x01\t \x0b\x1f\"<>[]^`{|}\x7f\x80\xa0\xc3\xff";
        let byte = dice.choose(bytes);
        if dice.percent(20) {
            self.tail.extend([b'?', b'q', byte, b'x']);
        } else {
            let at = dice.below(self.path.len() + 1);
            self.path.insert(at, byte);
        }
    }

    fn other_form(&mut self, dice: &mut Dice) {
        let fronts = [
            "http://app.test",
            "HTTP://app.test",
            "https://app.test",
            "foo://app.test",
            "http://app.test:80",
            "//app.test",
            "/",
            "http:",
            "app.test:80",
            "http://user@app.test",
            "*",
        ];
        match dice.below(10) {
            0 => self.path = b"*".to_vec(),
            1 => self.path = b"app.test:443".to_vec(),
            2 => self.path = Vec::new(),
            3 | 4 => self.path = self.path.split_off(self.path.len().min(1)),
            _ => {
                let front = dice.pick(&fronts).as_bytes().to_vec();
                self.path.splice(0..0, front);
            }
        }
    }

    fn query(&mut self, dice: &mut Dice) {
        let queries = [
            "?",
            "?a=b",
            "?a=b&a=c",
            "?path=/../me",
            "?%2e%2e/%2f%00",
            "?a?b?",
            "?a=b;c=d",
            "?q=%ff%zz%",
            "?id=6e000000-0000-4000-8000-000000000001",
            "?//app.test/..;/x",
            "?a=\"<>\\^`{|}",
        ];
        let query = dice.pick(&queries);
        self.end(query);
    }
}

/// A path that the routes of these tests know, or one that looks like it.
pub(crate) fn known(dice: &mut Dice) -> String {
    if dice.percent(30) {
        return format!("/g/{}", dice.pick(&[MINE, YOURS]));
    }
    let paths = [
        "/public/x",
        "/public/x",
        "/public/a/b.c",
        "/public/a/b/",
        "/public/caf%C3%A9",
        "/public/100%25",
        "/public/@me/+=,:~",
        "/public/",
        "/public",
        "/a",
        "/a",
        "/a/",
        "/me",
        "/me",
        "/me",
        "/me/x",
        "/admin/secret",
        "/",
        "/g/",
        "/g/6e000000000040008000000000000001",
    ];
    dice.pick(&paths).to_owned()
}
