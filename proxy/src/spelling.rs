//! Header names as an application may see them.
//!
//! Promise: two names that a CGI-like application (WSGI, Rack, PHP) would read as one have one
//! folded form. Does not: say which of them is right.

/// A header's name as a CGI-like application may see it: without case, every run of other
/// characters one `-`, without a leading `http-` (attacks.md B, R1).
#[must_use]
pub fn fold(name: &str) -> String {
    let mut folded = String::with_capacity(name.len());
    for character in name.chars() {
        if character.is_ascii_alphanumeric() {
            folded.push(character.to_ascii_lowercase());
        } else if !folded.ends_with('-') && !folded.is_empty() {
            folded.push('-');
        }
    }
    while let Some(rest) = folded.strip_prefix("http-") {
        folded = rest.to_owned();
    }
    folded.trim_end_matches('-').to_owned()
}
