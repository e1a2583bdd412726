//! Under which paths an application is served.
//!
//! Promise: the path of each server's URL once, without a slash at its end; the defaults of
//! variables are filled in. Does not: resolve a relative URL against the document's own address,
//! which a file does not have: it is taken from the root, and a note says so.

use serde_json::Value;

use super::error::{OpenApiError, Place};
use super::text::shown;

/// The most servers of one list, and the longest URL, in bytes.
const MAX_SERVERS: usize = 256;
const MAX_URL: usize = 4 * 1024;

/// The most paths that the servers of one document may have.
const MAX_BASES: usize = 16;

/// The paths of a list of servers, and notes. No server is one at the root.
pub(super) fn bases(
    servers: &Value,
    place: &Place,
    notes: &mut Vec<String>,
) -> Result<Vec<String>, OpenApiError> {
    let Some(servers) = servers.as_array() else {
        return Err(place.clone().expected("a list of servers"));
    };
    if servers.len() > MAX_SERVERS {
        return Err(place.clone().expected("at most 256 servers"));
    }
    let mut bases: Vec<String> = Vec::new();
    for (index, server) in servers.iter().enumerate() {
        let at = place.index(index);
        let Some(url) = server.get("url").and_then(Value::as_str) else {
            return Err(at.key("url").expected("the server's URL"));
        };
        let Some(url) = filled(url, server.get("variables")) else {
            return Err(at.key("url").expected("a URL of at most 4 KiB"));
        };
        let base = match path_of(&url) {
            Some(path) => path.to_owned(),
            None => {
                notes.push(format!(
                    "{at}.url: `{}` is relative, and is taken from the root",
                    shown(&url)
                ));
                format!("/{}", url.trim_start_matches("./"))
            }
        };
        let base = base.trim_end_matches('/').to_owned();
        if !bases.contains(&base) {
            bases.push(base);
        }
    }
    if bases.len() > MAX_BASES {
        return Err(place
            .clone()
            .expected("servers with at most 16 different paths"));
    }
    if bases.is_empty() {
        bases.push(String::new());
    }
    Ok(bases)
}

/// The `basePath` of Swagger 2.
pub(super) fn base_path(root: &Value) -> Result<String, OpenApiError> {
    match root.get("basePath") {
        None => Ok(String::new()),
        Some(Value::String(path))
            if path.len() <= MAX_URL && (path.is_empty() || path.starts_with('/')) =>
        {
            Ok(path.trim_end_matches('/').to_owned())
        }
        Some(_) => Err(Place::root("basePath").expected("a path that begins with `/`")),
    }
}

/// The URL with the defaults of its variables; `None`: it is too long. A variable without a default
/// stays as it is.
fn filled(url: &str, variables: Option<&Value>) -> Option<String> {
    let variables = variables.and_then(Value::as_object);
    let mut filled = String::new();
    let mut rest = url;
    while let Some((before, after)) = rest.split_once('{')
        && let Some((name, after)) = after.split_once('}')
    {
        let default = variables.and_then(|variables| variables.get(name)?.get("default")?.as_str());
        filled.push_str(before);
        match default {
            Some(default) => filled.push_str(default),
            None => filled.push_str(&format!("{{{name}}}")),
        }
        if filled.len() > MAX_URL {
            return None;
        }
        rest = after;
    }
    filled.push_str(rest);
    (filled.len() <= MAX_URL).then_some(filled)
}

/// The path of a URL, without query and fragment; `None`: it is relative.
fn path_of(url: &str) -> Option<&str> {
    let url = url.split(['?', '#']).next().unwrap_or_default();
    let after_scheme = url.split_once("://").map(|(_, rest)| rest);
    if let Some(rest) = after_scheme.or_else(|| url.strip_prefix("//")) {
        return Some(rest.find('/').and_then(|at| rest.get(at..)).unwrap_or(""));
    }
    (url.starts_with('/') || matches!(url, "" | "." | "./")).then(|| url.trim_start_matches('.'))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_path_of_a_server_is_found() {
        let place = Place::root("servers");
        let mut notes = Vec::new();
        let mut of = |server: Value| {
            bases(&json!([server]), &place, &mut notes)
                .unwrap()
                .remove(0)
        };
        for (url, path) in [
            ("/api/v1", "/api/v1"),
            ("/api/v1/", "/api/v1"),
            ("/", ""),
            ("", ""),
            (".", ""),
            ("https://app.example", ""),
            ("https://app.example:8443/api?x=/y#z", "/api"),
            ("//app.example/api", "/api"),
            ("v2", "/v2"),
            ("./v2", "/v2"),
        ] {
            assert_eq!(of(json!({ "url": url })), path, "{url}");
        }
        let variables = json!({
            "url": "https://{host}/{base}",
            "variables": { "host": { "default": "a.example" }, "base": { "default": "v3" } }
        });
        assert_eq!(of(variables), "/v3");
        assert_eq!(notes.len(), 2, "{notes:?}");
    }

    #[test]
    fn several_paths_are_all_kept_and_too_many_are_refused() {
        let place = Place::root("servers");
        let list = |urls: &[String]| {
            let servers: Vec<_> = urls.iter().map(|url| json!({ "url": url })).collect();
            bases(&json!(servers), &place, &mut Vec::new())
        };
        let two = ["https://a.example/v1", "https://b.example/v1/", "/v2"].map(str::to_owned);
        assert_eq!(list(&two).unwrap(), ["/v1", "/v2"]);
        assert_eq!(list(&[]).unwrap(), [""]);
        let many: Vec<_> = (0..17).map(|at| format!("/{at}")).collect();
        let said = list(&many).unwrap_err().to_string();
        assert!(said.starts_with("servers: expected"), "{said}");
        let said = bases(&json!([{}]), &place, &mut Vec::new()).unwrap_err();
        assert_eq!(
            said.to_string(),
            "servers[0].url: expected the server's URL"
        );
    }
}
