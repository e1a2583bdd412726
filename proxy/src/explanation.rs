//! The command that explains: a request that is described, or a decision that was made.

use std::path::Path;

use sidegate::generation::Generation;
use sidegate::{authn, explain};
use sidegate_config::ProcessEnv;
use uuid::Uuid;

use super::operate::runtime;
use super::running::Running;
use super::{Failure, print};

/// What to explain.
#[derive(Debug, clap::Args)]
pub(crate) struct ExplainArguments {
    #[command(flatten)]
    running: Running,
    /// The token that the request carries.
    #[arg(long, conflicts_with = "subject")]
    token: Option<String>,
    /// The subject for whom a good token is assumed.
    #[arg(long)]
    subject: Option<String>,
    /// A further header, `Name: value`. May be repeated.
    #[arg(long = "header", value_name = "HEADER", value_parser = header_of)]
    headers: Vec<(String, String)>,
    /// The id of a decision that was made (`X-Sidegate-Decision-Id` of the answer), instead of a request. The Sidegate
    /// that made it is asked. Exit code 1 where it does not have it, or any more.
    #[arg(
        long,
        value_name = "ID",
        value_parser = decision_id,
        conflicts_with_all = ["token", "subject", "headers", "method", "path"]
    )]
    decision: Option<Uuid>,
    /// Answer with JSON.
    #[arg(long)]
    json: bool,
    /// The method, such as GET.
    #[arg(required_unless_present = "decision", conflicts_with = "admin")]
    method: Option<http::Method>,
    /// The path and query.
    #[arg(required_unless_present = "decision")]
    path: Option<String>,
}

/// Explains what is asked for.
pub(crate) fn explain(arguments: ExplainArguments) -> Result<(), Failure> {
    let ExplainArguments {
        running,
        token,
        subject,
        headers,
        decision,
        json,
        method,
        path,
    } = arguments;
    if let Some(id) = decision {
        return explain_decision(&running, id, json);
    }
    let request = explain::Request {
        method: method.map(|method| method.to_string()).unwrap_or_default(),
        path: path.unwrap_or_default(),
        token,
        subject,
        headers: headers.into_iter().collect(),
    };
    explain_offline(running.config().unwrap_or(Path::new("")), &request, json)
}

fn explain_offline(config: &Path, request: &explain::Request, json: bool) -> Result<(), Failure> {
    let generation = Generation::assemble(sidegate_config::load(config, &ProcessEnv)?, None)?;
    let explanation = runtime()?.block_on(async {
        if request.token.is_some() {
            fetch_keys(&generation).await?;
        }
        Ok::<_, Failure>(explain::explain(&generation.pipeline, request).await?)
    })?;
    if json {
        print(&serde_json::to_string(&explanation)?)?;
    } else {
        print_text(&explanation.to_string())?;
    }
    Ok(())
}

fn explain_decision(running: &Running, id: Uuid, json: bool) -> Result<(), Failure> {
    let client = running.client()?;
    let path = format!("/decisions/{id}");
    let runtime = runtime()?;
    if json {
        let explanation = runtime.block_on(client.get_json(&path))?;
        print(&explanation.to_string())?;
    } else {
        let text = runtime.block_on(client.get(&format!("{path}?format=text")))?;
        print_text(&text)?;
    }
    Ok(())
}

/// Once, as nobody fetches in the background here. What fails shows as keys that cannot be had.
async fn fetch_keys(generation: &Generation) -> Result<(), Failure> {
    let client = authn::key_client()?;
    for keys in generation.remote_keys() {
        if let Err(error) = keys.fetch(&client).await {
            tracing::warn!(%error, "a key set cannot be fetched");
        }
    }
    Ok(())
}

/// What a row or a claim holds cannot steer the terminal.
fn print_text(text: &str) -> std::io::Result<()> {
    let mut shown = String::with_capacity(text.len());
    for one in text.trim_end().chars() {
        if one.is_control() && one != '\n' {
            shown.extend(one.escape_default());
        } else {
            shown.push(one);
        }
    }
    print(&shown)
}

/// In any spelling of a uuid, and with the end of the line that it was cut from.
fn decision_id(text: &str) -> Result<Uuid, String> {
    Uuid::try_parse(text.trim())
        .map_err(|_no_uuid| "expected a uuid, as in X-Sidegate-Decision-Id".to_owned())
}

fn header_of(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once(':').ok_or("expected `Name: value`")?;
    Ok((name.trim().to_owned(), value.trim().to_owned()))
}
