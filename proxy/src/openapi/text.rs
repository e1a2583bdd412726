//! Text of a document, as it may be shown: in a comment, in a message, on a terminal.
//!
//! Promise: one line of bounded length without control characters, so that a name in a document can
//! neither end a comment of YAML nor speak to a terminal. Does not: keep it readable at all costs;
//! what is neither a letter, a digit nor printable ASCII is escaped.

/// The longest text that is shown whole, in characters.
const MAX_SHOWN: usize = 300;

/// The text as it may be shown.
pub(super) fn shown(text: &str) -> String {
    let mut shown = String::with_capacity(text.len().min(MAX_SHOWN));
    for (at, character) in text.chars().enumerate() {
        if at == MAX_SHOWN {
            shown.push_str("...");
            break;
        }
        if is_plain(character) || character.is_alphanumeric() {
            shown.push(character);
        } else {
            shown.extend(character.escape_unicode());
        }
    }
    shown
}

/// Whether this may be a rule's id as it is.
pub(super) fn is_plain_name(text: &str) -> bool {
    // `${` stands for a variable of the environment.
    (1..=100).contains(&text.len()) && text.chars().all(|c| is_plain(c) && c != '$')
}

/// A quoted scalar of YAML. Its text is printable ASCII.
pub(super) fn quoted(text: &str) -> String {
    let mut quoted = String::with_capacity(text.len() + 2);
    quoted.push('"');
    for character in text.chars() {
        if matches!(character, '"' | '\\') {
            quoted.push('\\');
        }
        quoted.push(character);
    }
    quoted.push('"');
    quoted
}

const fn is_plain(character: char) -> bool {
    character.is_ascii_graphic() || character == ' '
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_ends_a_line_or_moves_a_cursor_is_escaped() {
        assert_eq!(shown("/a/{é} #1"), "/a/{é} #1");
        for odd in [
            "\n", "\r", "\u{85}", "\u{2028}", "\u{2029}", "\u{1b}", "\u{202e}", "\t",
        ] {
            let escaped = shown(odd);
            assert!(
                escaped.starts_with("\\u{") && escaped.is_ascii(),
                "{escaped}"
            );
        }
        assert_eq!(shown(&"a".repeat(400)).len(), MAX_SHOWN + 3);
        assert_eq!(quoted("a\"\\b"), "\"a\\\"\\\\b\"");
        assert!(is_plain_name("read: \"it\""));
        for odd in ["", "${HOME}", "a\nb", "é"] {
            assert!(!is_plain_name(odd), "{odd}");
        }
    }
}
