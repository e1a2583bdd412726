//! Parameters of a query, as applications read them.
//!
//! Promise: a parameter has a value only if no application could see another one: it is there exactly
//! once, and in no other spelling that some application would take for it.

/// The value of a query parameter that is there exactly once, and in no other spelling that some
/// application would take for it: `ID`, `id[]`, `i.d` for `i_d` (PHP), `id` before a NUL.
///
/// A `;` is refused: some applications take it for `&`, and would see another parameter.
pub(crate) fn only_parameter(query: Option<&str>, name: &str) -> Option<String> {
    let query = query.filter(|query| !query.contains(';'))?;
    let folded = fold_parameter(name);
    let mut values =
        form_urlencoded::parse(query.as_bytes()).filter(|(key, _)| fold_parameter(key) == folded);
    let (key, value) = values.next()?;
    (key == name && values.next().is_none()).then(|| value.into_owned())
}

/// A parameter's name without case, punctuation and what follows a NUL or a bracket.
pub(crate) fn fold_parameter(name: &str) -> String {
    let name = name.trim_start_matches([' ', '[']);
    let end = name.find(['\0', '[', ']']).unwrap_or(name.len());
    let kept = name.get(..end).unwrap_or_default();
    let letters = kept.chars().filter(|character| character.is_alphanumeric());
    letters.flat_map(char::to_lowercase).collect()
}
