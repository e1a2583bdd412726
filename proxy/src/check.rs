//! `sidegate check`: what is wrong with a configuration, what is worth a second look, and what protects
//! what.
//!
//! Promise: everything is read that `run` would read, and nothing is connected to or listened on. Exit
//! code 1 where `run` would refuse to start.

use std::path::Path;
use std::process::ExitCode;

use serde_json::json;
use sidegate::generation::Generation;
use sidegate::posture::Posture;
use sidegate_config::{ConfigError, ProcessEnv};

use crate::{Failure, print};

/// What was found.
struct Checked {
    notes: Vec<String>,
    posture: Posture,
}

/// Checks a configuration and prints what was found.
pub(crate) fn check(config: &Path, security: bool, json: bool) -> Result<ExitCode, Failure> {
    let checked = match sidegate_config::load(config, &ProcessEnv) {
        Ok(settings) => Generation::assemble(settings, None)
            .map(|generation| Checked {
                notes: generation.notes(),
                posture: Posture::of(&generation.settings),
            })
            .map_err(|error| vec![format!("{}: {error}", config.display())]),
        Err(ConfigError::Invalid { file, problems }) => Err(problems
            .iter()
            .map(|problem| problem.in_file(&file))
            .collect()),
        Err(error @ ConfigError::Read { .. }) => Err(vec![error.to_string()]),
    };
    if json {
        print(&as_json(&checked, security).to_string())?;
    } else {
        as_text(&checked, security, config)?;
    }
    Ok(if checked.is_ok() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

fn as_json(checked: &Result<Checked, Vec<String>>, security: bool) -> serde_json::Value {
    match checked {
        Ok(Checked { notes, posture }) if security => {
            json!({ "ok": true, "problems": [], "notes": notes, "security": posture.lines })
        }
        Ok(Checked { notes, .. }) => json!({ "ok": true, "problems": [], "notes": notes }),
        Err(problems) => json!({ "ok": false, "problems": problems, "notes": [] }),
    }
}

fn as_text(
    checked: &Result<Checked, Vec<String>>,
    security: bool,
    config: &Path,
) -> Result<(), Failure> {
    match checked {
        Err(problems) => {
            for problem in problems {
                print(&format!("error: {problem}"))?;
            }
        }
        Ok(Checked { notes, posture }) => {
            for note in notes {
                print(&format!("note: {note}"))?;
            }
            if security {
                print(&posture.to_string())?;
            }
            print(&format!("{}: ok", config.display()))?;
        }
    }
    Ok(())
}
