//! One request in the making: every part of it known, every part of it possibly twisted.

use super::dice::Dice;
use super::model::{BOB, NOBODY, decode, may};
use super::paths::{Sketch, TWISTS, Twist, known};
use super::tricks::{TRICKS, Trick};
use crate::process::{ALICE, ISSUER, SECRET, token};

/// A request as it is sent, and what is known about it without reading it.
#[derive(Debug)]
pub(super) struct Request {
    pub(super) twists: Vec<Twist>,
    pub(super) tricks: Vec<Trick>,
    pub(super) method: String,
    pub(super) version: &'static str,
    pub(super) target: Vec<u8>,
    /// What `Host` says, where it says one thing.
    pub(super) host: Option<String>,
    /// Whose token it carries, where it carries one that is good.
    pub(super) speaker: Option<&'static str>,
    /// Each with its end.
    pub(super) lines: Vec<Vec<u8>>,
    /// As sent, behind the empty line.
    pub(super) rest: Vec<u8>,
    /// What the body says, however it is framed.
    pub(super) body: Vec<u8>,
    /// No server may make anything of it that this client may have.
    pub(super) never: bool,
}

/// Tokens, signed once.
pub(super) struct Tokens {
    good: [(&'static str, String); 3],
    /// Alice's, but for what makes each of them worthless.
    pub(super) bad: Vec<String>,
}

impl Tokens {
    pub(super) fn new() -> Self {
        let good = [ALICE, BOB, NOBODY].map(|subject| (subject, token(subject)));
        let (signed, signature) = good[0].1.rsplit_once('.').unwrap();
        let other = good[1].1.rsplit_once('.').unwrap().1;
        let claims = signed.split_once('.').unwrap().1;
        // {"alg":"none"}
        let unsigned = format!("eyJhbGciOiJub25lIn0.{claims}.");
        let expired =
            serde_json::json!({ "iss": ISSUER, "aud": "api", "sub": ALICE, "iat": 1, "exp": 600 });
        let signed_with = |secret: &str| {
            let key = jsonwebtoken::EncodingKey::from_secret(secret.as_bytes());
            jsonwebtoken::encode(&jsonwebtoken::Header::default(), &expired, &key).unwrap()
        };
        let bad = vec![
            unsigned,
            signed_with(SECRET),
            signed_with("another secret of thirty-two byte"),
            format!("{signed}.{other}"),
            format!("{signed}."),
            signed.to_owned(),
            format!("{signed}.{signature}x"),
            format!("{signed}.{signature}.x"),
            "x".to_owned(),
        ];
        Self { good, bad }
    }

    pub(super) fn of(&self, speaker: &str) -> &str {
        let (_, token) = self.good.iter().find(|(of, _)| *of == speaker).unwrap();
        token
    }
}

impl Request {
    /// The request of this number: the same for the same seed, up to the tokens in it.
    pub(super) fn draw(seed: u64, number: u64, tokens: &Tokens) -> Self {
        let mut dice = Dice::new(seed, number);
        let (path, method, speaker) = basis(&mut dice);
        let mut sketch = Sketch::of(&path);
        let mut request = Self {
            twists: Vec::new(),
            tricks: Vec::new(),
            method: method.to_owned(),
            version: "HTTP/1.1",
            target: Vec::new(),
            host: Some("app.test".to_owned()),
            speaker,
            lines: Vec::new(),
            rest: Vec::new(),
            body: Vec::new(),
            never: false,
        };
        request.header(&mut dice, format!("X-Marker: {number}"));
        if let Some(speaker) = request.speaker {
            let line = format!("Authorization: Bearer {}", tokens.of(speaker));
            request.header(&mut dice, &line);
        }
        let changes = dice.choose(&[0, 0, 0, 1, 1, 1, 1, 2, 2, 3]);
        for _ in 0..changes {
            let change = dice.below(TWISTS.len() + TRICKS.len());
            match TWISTS.get(change) {
                Some(&twist) if !request.twists.contains(&twist) => {
                    sketch.twist(twist, &mut dice);
                    request.twists.push(twist);
                }
                Some(_) => {}
                None => request.trick(TRICKS[change - TWISTS.len()], &mut dice, tokens),
            }
        }
        request.target = sketch.bytes();
        if let Some(host) = request.host.clone() {
            request.header(&mut dice, format!("Host: {host}"));
        }
        if let Some(trick) = request.ends_oddly() {
            request.last(trick, &mut dice);
        }
        request
    }

    /// Neither twisted nor tricky.
    pub(super) fn is_plain(&self) -> bool {
        self.twists.is_empty() && self.tricks.is_empty()
    }

    /// Puts a header between the others, but not before the number.
    pub(super) fn header(&mut self, dice: &mut Dice, line: impl AsRef<[u8]>) {
        let at = self.lines.len() - dice.below(self.lines.len().max(1));
        self.lines.insert(at, [line.as_ref(), b"\r\n"].concat());
    }

    pub(super) fn bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(1024);
        self.first_line(&mut bytes);
        for line in &self.lines {
            bytes.extend(line);
        }
        bytes.extend(b"\r\n");
        bytes.extend(&self.rest);
        bytes
    }

    fn first_line(&self, bytes: &mut Vec<u8>) {
        bytes.extend(self.method.as_bytes());
        bytes.push(b' ');
        bytes.extend(&self.target);
        bytes.push(b' ');
        bytes.extend(self.version.as_bytes());
        bytes.extend(b"\r\n");
    }

    fn ends_oddly(&self) -> Option<Trick> {
        let odd = [Trick::LineEnd, Trick::FirstLine];
        self.tricks
            .iter()
            .copied()
            .find(|trick| odd.contains(trick))
    }
}

/// A path, a method and whose token, more often together than apart.
fn basis(dice: &mut Dice) -> (String, &'static str, Option<&'static str>) {
    let methods = [
        "GET", "GET", "GET", "GET", "POST", "POST", "HEAD", "PUT", "DELETE",
    ];
    let speakers = [
        None,
        None,
        Some(ALICE),
        Some(ALICE),
        Some(BOB),
        Some(NOBODY),
    ];
    let mut draw = || (known(dice), dice.choose(&methods), dice.choose(&speakers));
    let first = draw();
    if may(first.1, &decode(first.0.as_bytes()), first.2).is_some() {
        return first;
    }
    draw()
}
