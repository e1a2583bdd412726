//! What the method and the path of an operation let one suppose.
//!
//! Promise: none. Whatever is written from here says that it is a guess.

use http::Method;

/// The kind of a resource, from the segment that names the collection: `generations` is of
/// `generation`. A name that the policy accepts.
pub(super) fn kind(collection: Option<&str>) -> String {
    let mut name = String::new();
    let mut before = '_';
    for character in collection.unwrap_or_default().chars() {
        if character.is_ascii_uppercase() && before.is_ascii_lowercase() {
            name.push('_');
        }
        before = character;
        if character.is_ascii_alphanumeric() {
            name.push(character.to_ascii_lowercase());
        } else if !name.is_empty() && !name.ends_with('_') {
            name.push('_');
        }
    }
    name.truncate(MAX_NAME);
    let name = singular(name.trim_end_matches('_'));
    if name.starts_with(|first: char| first.is_ascii_alphabetic()) {
        name
    } else {
        "resource".to_owned()
    }
}

/// The action, from the method.
pub(super) fn action(method: &Method) -> &'static str {
    match method.as_str() {
        "GET" | "HEAD" | "OPTIONS" => "read",
        "DELETE" => "delete",
        _ => "write",
    }
}

/// A name has 64 characters at most; what tells two kinds apart is added to it.
const MAX_NAME: usize = 40;

fn singular(plural: &str) -> String {
    let ends = |endings: &[&str]| endings.iter().any(|ending| plural.ends_with(ending));
    let without = |count: usize| plural.get(..plural.len().saturating_sub(count));
    match plural {
        "people" => "person".to_owned(),
        "children" => "child".to_owned(),
        _ if ends(&["ies"]) && plural.len() > 4 => {
            format!("{}y", without(3).unwrap_or(plural))
        }
        _ if ends(&["sses", "xes", "ches", "shes"])
            || (ends(&["uses"]) && !ends(&["ouses", "auses"])) =>
        {
            without(2).unwrap_or(plural).to_owned()
        }
        _ if ends(&["s"]) && !ends(&["ss", "us", "is"]) => without(1).unwrap_or(plural).to_owned(),
        _ => plural.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_collection_names_a_kind() {
        for (collection, expected) in [
            ("generations", "generation"),
            ("categories", "category"),
            ("ties", "tie"),
            ("boxes", "box"),
            ("branches", "branch"),
            ("addresses", "address"),
            ("statuses", "status"),
            ("warehouses", "warehouse"),
            ("status", "status"),
            ("analysis", "analysis"),
            ("people", "person"),
            ("userGroups", "user_group"),
            ("API-keys", "api_key"),
            ("me", "me"),
            ("s", "resource"),
            ("2fa", "resource"),
            ("日本", "resource"),
            ("", "resource"),
        ] {
            assert_eq!(kind(Some(collection)), expected, "{collection}");
        }
        assert_eq!(kind(None), "resource");
        assert!(kind(Some(&"a".repeat(300))).len() <= MAX_NAME);
    }
}
