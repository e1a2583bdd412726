//! The command that holds an OpenAPI document against the rules.

use std::path::Path;
use std::process::ExitCode;

use sidegate::generation::Generation;
use sidegate::openapi::{Coverage, Document, Skeleton};
use sidegate_config::ProcessEnv;

use super::{Failure, print};

/// Writes rules for a document: all of them, or those that a configuration lacks.
pub(crate) fn describe(
    openapi: &Path,
    config: Option<&Path>,
    json: bool,
) -> Result<ExitCode, Failure> {
    let document =
        Document::read(openapi).map_err(|error| format!("{}: {error}", openapi.display()))?;
    match config {
        Some(config) => compare(openapi, &document, config, json),
        None => write(&document, json),
    }
}

fn write(document: &Document, json: bool) -> Result<ExitCode, Failure> {
    let skeleton = Skeleton::of(document);
    if json {
        let notes = &document.notes;
        let answer = serde_json::json!({ "notes": notes, "skeleton": skeleton });
        print(&answer.to_string())?;
    } else {
        print(&format!(
            "# Operations: {}, rules: {}. None is public. A person has to check each guess.",
            document.operations.len(),
            skeleton.routes.len()
        ))?;
        for note in &document.notes {
            print(&format!("# note: {note}"))?;
        }
        print(skeleton.to_string().trim_end())?;
    }
    Ok(ExitCode::SUCCESS)
}

fn compare(
    openapi: &Path,
    document: &Document,
    config: &Path,
    json: bool,
) -> Result<ExitCode, Failure> {
    // What `check` refuses has no rules to compare with.
    let generation = Generation::assemble(sidegate_config::load(config, &ProcessEnv)?, None)
        .map_err(|error| format!("{}: {error}", config.display()))?;
    let (table, policy) = (
        &generation.pipeline.routes,
        generation.pipeline.authorizer.policy(),
    );
    let coverage = Coverage::compare(document, table, policy);
    let skeleton = Skeleton::beside(&coverage, table, policy);
    if json {
        let (ok, notes) = (coverage.is_complete(), &document.notes);
        let answer = serde_json::json!({
            "ok": ok, "notes": notes, "coverage": coverage, "skeleton": skeleton,
        });
        print(&answer.to_string())?;
    } else {
        for note in &document.notes {
            print(&format!("note: {note}"))?;
        }
        let uncovered = coverage.uncovered.len() + coverage.unread.len();
        let covered = coverage.covered.len();
        print(&format!(
            "{coverage}{}: {covered} operations covered, {uncovered} not",
            openapi.display()
        ))?;
        if !coverage.uncovered.is_empty() {
            print(&format!("\n{}", skeleton.to_string().trim_end()))?;
        }
    }
    Ok(if coverage.is_complete() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}
