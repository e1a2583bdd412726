//! A text as it may be shown, where it looks like a URL.
//!
//! Promise: the user information and the query of a URL become `***`, also where they are written
//! in the default of a `${NAME:-default}`, or partly there and partly around it; names of
//! variables stay. All that follows the beginning of a query is hidden, and so is a whole URL
//! whose port is no number: that is a password with a `/` in it. Paths are not searched for
//! something that looks secret.

use std::ops::Range;

/// The text without the secrets of the URLs in it.
pub(super) fn shown(text: &str) -> String {
    let pieces = pieces(text);
    // What a URL is read from: the text with every default in its place.
    let plain: Vec<char> = pieces.iter().filter_map(Piece::plain).collect();
    // A reference at the beginning may be any part of a URL, its scheme included.
    let refers = matches!(pieces.first(), Some(Piece::Mark(_)));
    let secrets = secrets(&plain, refers);

    let mut shown = String::with_capacity(text.len());
    let mut position = 0;
    let mut covered = false;
    for piece in pieces {
        let c = match piece {
            Piece::Plain(c) => c,
            Piece::Mark(mark) => {
                shown.push_str(mark);
                covered = false;
                continue;
            }
        };
        let secret = secrets.iter().any(|range| range.contains(&position));
        match (secret, covered) {
            (true, true) => {}
            (true, false) => shown.push_str("***"),
            (false, _) => shown.push(c),
        }
        covered = secret;
        position += 1;
    }
    shown
}

/// What must not be shown of this text, which is a URL without a scheme if `url` says so.
fn secrets(text: &[char], url: bool) -> Vec<Range<usize>> {
    let separator = |window: &[char]| window == [':', '/', '/'];
    let mut secrets = Vec::new();
    let mut first = url.then_some(0);
    for (index, _) in text.windows(3).enumerate().filter(|(_, it)| separator(it)) {
        first.get_or_insert(index);
        let start = index + 3;
        let authority = text.iter().skip(start).copied();
        let authority: Vec<char> = authority.take_while(|c| !"/?#\\".contains(*c)).collect();
        let user = authority.iter().rposition(|c| *c == '@');
        let host = authority.iter().skip(user.map_or(0, |at| at + 1));
        if !is_host(&host.collect::<String>()) {
            secrets.push(start..text.len());
        } else if let Some(length) = user {
            secrets.push(start..start + length);
        }
    }
    let query = first.and_then(|first| {
        let mark = text.iter().skip(first).position(|c| *c == '?');
        mark.map(|mark| first + mark + 1)
    });
    secrets.extend(query.map(|query| query..text.len()));
    secrets
}

/// Whether nothing or a port follows the host. A port that is in a variable is empty here.
fn is_host(text: &str) -> bool {
    let after = text.rsplit_once(']').map_or(text, |(_, after)| after);
    let port = after.split_once(':').map_or("", |(_, port)| port);
    port.chars().all(|c| c.is_ascii_digit())
}

/// A part of a text with references to variables.
enum Piece<'a> {
    /// A character that stands for itself, also in a default.
    Plain(char),
    /// `${NAME}`, `${NAME:-`, or the `}` after a default.
    Mark(&'a str),
}

impl Piece<'_> {
    fn plain(&self) -> Option<char> {
        match self {
            Self::Plain(c) => Some(*c),
            Self::Mark(_) => None,
        }
    }
}

/// The text in parts, by the rules of `expand`.
fn pieces(text: &str) -> Vec<Piece<'_>> {
    let mut pieces = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some(start) = rest.find("${") {
        let (before, reference) = rest.split_at(start);
        pieces.extend(before.chars().map(Piece::Plain));
        let end = reference.find('}').filter(|_| !before.ends_with('$'));
        let Some(end) = end else {
            // `$${`, or a reference without an end, which is refused.
            let (plain, after) = reference.split_at("${".len());
            pieces.extend(plain.chars().map(Piece::Plain));
            rest = after;
            continue;
        };
        let (inner, after) = reference.split_at(end);
        let (close, after) = after.split_at("}".len());
        match inner.find(":-") {
            Some(colon) => {
                let (open, default) = inner.split_at(colon + ":-".len());
                pieces.push(Piece::Mark(open));
                pieces.extend(default.chars().map(Piece::Plain));
                pieces.push(Piece::Mark(close));
            }
            None => {
                let (whole, _) = reference.split_at(end + close.len());
                pieces.push(Piece::Mark(whole));
            }
        }
        rest = after;
    }
    pieces.extend(rest.chars().map(Piece::Plain));
    pieces
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn user_information_and_queries_are_hidden() {
        for (text, expected) in [
            ("https://u:p@h/x?apikey=k", "https://***@h/x?***"),
            ("https://u@h:80?k=a@b?c#d", "https://***@h:80?***"),
            (
                "see http://u:p@@h or http://v:w@[::1]:80/",
                "see http://***@h or http://***@[::1]:80/",
            ),
            ("https://user:pa/ss@h/x", "https://***"),
            ("https://u:p@a/https://v:w@b", "https://***@a/https://***@b"),
            ("${A:-https://u:p@h/x?k=v}", "${A:-https://***@h/x?***}"),
            ("${A:-https://u:p@h}/x?k=v", "${A:-https://***@h}/x?***"),
            ("https://${A:-u:p@h}/x", "https://${A:-***@h}/x"),
            (
                "https://${A:-u}:${B:-p}@${C:-h}",
                "https://${A:-***}***${B:-***}@${C:-h}",
            ),
            (
                "https://u:${A}@h?k=${B:-v}",
                "https://***${A}@h?***${B:-***}",
            ),
            ("https://u:${A:-p/q}@h", "https://***${A:-***}***"),
            ("${A:-https:}//u:p@h", "${A:-https:}//***@h"),
            ("${A}/x?apikey=k", "${A}/x?***"),
            ("$${A:-https://u:p@h}", "$${A:-https://***@h}"),
        ] {
            assert_eq!(shown(text), expected, "{text}");
        }
    }

    #[test]
    fn anything_else_is_shown_as_it_is() {
        for text in [
            "",
            "/health?deep=1",
            "me@example.org",
            "https://id.example/@me/x#part",
            "http://[::1]:3000",
            "http://127.0.0.1:${PORT:-3000}",
            "${LISTEN:-127.0.0.1:8080}",
            "${URL:-https://PROJECT.example}/auth/v1",
            "$${A} ${",
            "größe://ä/ö",
        ] {
            assert_eq!(shown(text), text);
        }
    }
}
