//! The tour: what to ask the demo, and what it must answer.

use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;

use serde_json::{Map, Value, json};

use super::Token;

/// Where everything is.
#[derive(Debug)]
pub(super) struct Tour {
    pub(super) proxy: SocketAddr,
    pub(super) admin: SocketAddr,
    pub(super) app: SocketAddr,
    pub(super) directory: PathBuf,
    pub(super) config: PathBuf,
    pub(super) tokens: Vec<Token>,
}

struct Stop {
    title: &'static str,
    method: &'static str,
    path: &'static str,
    token: Option<&'static str>,
    expect: u16,
}

const fn stop(
    title: &'static str,
    method: &'static str,
    path: &'static str,
    token: Option<&'static str>,
    expect: u16,
) -> Stop {
    Stop {
        title,
        method,
        path,
        token,
        expect,
    }
}

const ALONE: &str = "/api/generations/6e000000-0000-4000-8000-000000000001";
const TEAM: &str = "/api/generations/6e000000-0000-4000-8000-000000000002";
const PUBLIC: &str = "/api/generations/6e000000-0000-4000-8000-000000000003";

const STOPS: [Stop; 13] = [
    stop(
        "a public route asks for nothing",
        "GET",
        "/health",
        None,
        200,
    ),
    stop(
        "alice reads what she owns",
        "GET",
        ALONE,
        Some("alice"),
        200,
    ),
    stop(
        "bob, the team's editor, writes",
        "PATCH",
        TEAM,
        Some("bob"),
        200,
    ),
    stop(
        "carol reads what is public",
        "GET",
        PUBLIC,
        Some("carol"),
        200,
    ),
    stop(
        "carol may not write it",
        "PATCH",
        PUBLIC,
        Some("carol"),
        403,
    ),
    stop("carol is not in the team", "GET", TEAM, Some("carol"), 403),
    stop(
        "bob may not delete: an editor only reads and writes",
        "DELETE",
        TEAM,
        Some("bob"),
        403,
    ),
    stop(
        "dave is not active any more",
        "GET",
        PUBLIC,
        Some("dave"),
        403,
    ),
    stop(
        "a token that has expired",
        "GET",
        ALONE,
        Some("expired"),
        401,
    ),
    stop("no token", "GET", ALONE, None, 401),
    stop(
        "any user has a profile",
        "GET",
        "/api/users/profile",
        Some("carol"),
        200,
    ),
    stop(
        "no rule, no route",
        "GET",
        "/internal/admin",
        Some("alice"),
        404,
    ),
    stop(
        "two spellings of one path are one too many",
        "GET",
        "/api//users/profile",
        Some("alice"),
        400,
    ),
];

impl Tour {
    /// One line for programs.
    pub(super) fn json(&self) -> Value {
        let tokens: Map<String, Value> = self
            .tokens
            .iter()
            .map(|token| (token.name.to_owned(), Value::String(token.text.clone())))
            .collect();
        let tour: Vec<Value> = STOPS
            .iter()
            .map(|stop| {
                json!({
                    "title": stop.title,
                    "method": stop.method,
                    "path": stop.path,
                    "token": stop.token,
                    "expect": stop.expect,
                })
            })
            .collect();
        json!({
            "proxy": format!("http://{}", self.proxy),
            "admin": format!("http://{}", self.admin),
            "app": format!("http://{}", self.app),
            "directory": self.directory.display().to_string(),
            "config": self.config.display().to_string(),
            "tokens": tokens,
            "tour": tour,
        })
    }
}

impl fmt::Display for Tour {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            proxy,
            admin,
            app,
            directory,
            config,
            tokens,
        } = self;
        writeln!(
            f,
            "Sidegate guards a small application. Stop it with Ctrl-C.\n"
        )?;
        writeln!(f, "  proxy      http://{proxy}   what clients see")?;
        writeln!(
            f,
            "  app        http://{app}   answers with what it received"
        )?;
        writeln!(f, "  admin      http://{admin}   /readyz /metrics /explain")?;
        writeln!(f, "  config     {}", config.display())?;
        writeln!(
            f,
            "  directory  {}   edit it: a change counts within a second\n",
            directory.display()
        )?;
        writeln!(f, "Tokens, for another terminal:\n")?;
        for token in tokens {
            writeln!(f, "  {}={}", token.name.to_uppercase(), token.text)?;
        }
        writeln!(f, "\nThe tour:\n")?;
        for stop in &STOPS {
            let method = if stop.method == "GET" {
                String::new()
            } else {
                format!(" -X {}", stop.method)
            };
            let token = stop.token.map(str::to_uppercase);
            let token = token.map(|name| format!(" -H \"Authorization: Bearer ${name}\""));
            writeln!(f, "  # {}: {}", stop.title, stop.expect)?;
            writeln!(
                f,
                "  curl -i{method}{} http://{proxy}{}",
                token.unwrap_or_default(),
                stop.path
            )?;
        }
        self.reasons(f)
    }
}

impl Tour {
    /// How to ask why.
    fn reasons(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            proxy,
            admin,
            config,
            ..
        } = self;
        let config = config.display();
        writeln!(f, "\nWhy may carol not read the team's generation?\n")?;
        let body = format!("{{\"method\":\"GET\",\"path\":\"{TEAM}\",\"token\":\"'\"$CAROL\"'\"}}");
        writeln!(f, "  curl -s http://{admin}/explain -d '{body}'")?;
        writeln!(
            f,
            "  sidegate explain --config {config} --token \"$CAROL\" GET {TEAM}\n"
        )?;
        writeln!(
            f,
            "And why was she refused? Every answer has the id of its decision:\n"
        )?;
        writeln!(
            f,
            "  id=$(curl -si -H \"Authorization: Bearer $CAROL\" http://{proxy}{TEAM} | \
             awk 'tolower($1) == \"x-sidegate-decision-id:\" {{ print $2 }}')"
        )?;
        writeln!(
            f,
            "  sidegate explain --config {config} --admin http://{admin} --decision \"$id\"\n"
        )
    }
}
