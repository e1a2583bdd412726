//! Whether what the application received is what was sent, and may be.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::model::{self, Told, decode, folded, second_reading, split, without_parameters};
use super::request::Request;
use crate::recorder::Received;

/// What is wrong with a request that arrived.
pub(super) fn fault(sent: &Request, received: &Received) -> Result<(), String> {
    if sent.never {
        return Err("no server should have read it".to_owned());
    }
    let told = line(sent, received)?;
    identity(received, told)?;
    surroundings(sent, received)?;
    framing(sent, received)
}

/// The number of the request that arrived.
pub(super) fn number(received: &Received) -> Result<u64, String> {
    match received.values("x-marker").as_slice() {
        [marker] => marker
            .parse()
            .map_err(|error| format!("numbered {marker}: {error}")),
        markers => Err(format!("numbered {markers:?}")),
    }
}

/// The request line: what was asked for, in one spelling, by somebody who may.
fn line(sent: &Request, received: &Received) -> Result<Told, String> {
    let parts: Vec<&str> = received.request_line().split(' ').collect();
    let [method, target, "HTTP/1.1"] = parts.as_slice() else {
        return Err("it is no request line".to_owned());
    };
    let (written, query) = split(target.as_bytes());
    let path = decode(written);
    // Where `;` may be at all, a path leads to the same with and without what follows it.
    let short = without_parameters(written);
    if let Some(why) = second_reading(&short, &decode(&short)) {
        return Err(format!("its path has a second reading: {why}"));
    }
    let (asked, asked_query) = split(&sent.target);
    if decode(asked) != path || asked_query.map(decode) != query.map(decode) {
        return Err("another path or query was asked for".to_owned());
    }
    if sent.target.iter().all(u8::is_ascii_graphic) && asked_query != query {
        return Err("the query is spelled otherwise".to_owned());
    }
    if *method != sent.method {
        return Err("another method was asked for".to_owned());
    }
    let told = [&path, &decode(&short)].map(|path| model::may(method, path, sent.speaker));
    match told {
        [Some(told), Some(other)] if told == other => Ok(told),
        told => Err(format!("it is allowed as {told:?}")),
    }
}

/// Each of our headers once, with what is true, and nothing that could be taken for one.
fn identity(received: &Received, told: Told) -> Result<(), String> {
    let ours = |(name, _): &(&str, &str)| folded(name).starts_with("x-sidegate");
    let found = headers(received)?.into_iter().filter(ours);
    let mut found: Vec<_> = found
        .map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned()))
        .collect();
    let mut take = |wanted: &str| -> Vec<String> {
        let taken = found.extract_if(.., |(name, _)| name == wanted);
        taken.map(|(_, value)| value).collect()
    };
    let decisions = take("x-sidegate-decision-id");
    if !matches!(decisions.as_slice(), [id] if id.len() == 36) {
        return Err(format!("its decisions are {decisions:?}"));
    }
    let assertions = take("x-sidegate-assertion");
    let subject = told.iter().find(|(name, _)| *name == "x-sidegate-subject");
    let asserted: Vec<_> = assertions.iter().map(|token| asserted(token)).collect();
    if asserted != Vec::from_iter(subject.map(|(_, subject)| Some(subject.clone()))) {
        return Err(format!("the application was assured of {asserted:?}"));
    }
    let mut told: Vec<_> = told
        .into_iter()
        .map(|(name, value)| (name.to_owned(), value))
        .collect();
    told.sort();
    found.sort();
    if found == told {
        Ok(())
    } else {
        Err(format!(
            "the application was told {found:?} and not {told:?}"
        ))
    }
}

/// Whom a signed assertion is about; others verify its signature.
fn asserted(token: &str) -> Option<String> {
    let claims = URL_SAFE_NO_PAD.decode(token.split('.').nth(1)?).ok()?;
    let claims: serde_json::Value = serde_json::from_slice(&claims).ok()?;
    Some(claims["sub"].as_str()?.to_owned())
}

/// No lie, no hop that the client made up, and nothing that leads elsewhere.
fn surroundings(sent: &Request, received: &Received) -> Result<(), String> {
    let lie = |line: &String| line.to_ascii_lowercase().contains("forged");
    if received.lines.iter().any(lie) || lie(&String::from_utf8_lossy(&received.body).into_owned())
    {
        return Err("it repeats a lie".to_owned());
    }
    let host = sent.host.as_deref().unwrap_or_default();
    let said = [
        ("host", host),
        ("x-forwarded-for", "127.0.0.1"),
        ("x-forwarded-proto", "http"),
        ("x-forwarded-host", host),
    ];
    for (name, value) in said {
        let values = received.values(name);
        if values != [value] {
            return Err(format!("{name} is {values:?}"));
        }
    }
    for (name, value) in headers(received)? {
        let folded = folded(name);
        let known = said
            .iter()
            .any(|(known, _)| name.eq_ignore_ascii_case(known));
        let connection = folded == "connection" && value != "keep-alive" && value != "close";
        let leads = [
            "upgrade",
            "http2-settings",
            "expect",
            "te",
            "trailer",
            "keep-alive",
        ];
        if (!known && (folded.contains("forwarded") || folded == "host"))
            || connection
            || leads.contains(&&*folded)
        {
            return Err(format!("{name} arrived"));
        }
    }
    Ok(())
}

/// At most one length, and the body that was sent.
fn framing(sent: &Request, received: &Received) -> Result<(), String> {
    let lengths = ["content-length", "transfer-encoding"];
    let found: Vec<_> = headers(received)?
        .into_iter()
        .filter(|(name, _)| lengths.contains(&&*folded(name)))
        .collect();
    let said = match found.as_slice() {
        [] => Some(Vec::new()),
        [(name, _)] if name.eq_ignore_ascii_case("content-length") => Some(received.body.clone()),
        [(name, "chunked")] if name.eq_ignore_ascii_case("transfer-encoding") => {
            unchunked(&received.body)
        }
        _ => return Err(format!("its lengths are {found:?}")),
    };
    if said.as_ref() == Some(&sent.body) {
        Ok(())
    } else {
        Err("the body is another".to_owned())
    }
}

/// What a chunked body says, without extensions and trailers: nobody may send them on.
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

/// Every header, each with a name that nobody reads otherwise and no control characters.
fn headers(received: &Received) -> Result<Vec<(&str, &str)>, String> {
    let plain = |name: &str| {
        name.bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
    };
    let lines = received.lines[1..].iter();
    lines
        .map(|line| match line.split_once(':') {
            Some((name, value)) if plain(name) && !value.contains(char::is_control) => {
                Ok((name, value.trim_matches(' ')))
            }
            Some(_) | None => Err(format!("an odd line: {line:?}")),
        })
        .collect()
}
