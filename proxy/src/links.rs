//! The command that makes links.

use std::path::PathBuf;
use std::time::Duration;

use sidegate::generation::Generation;
use sidegate::link::{By, mint};
use sidegate_config::ProcessEnv;

use super::{Failure, print};

/// What to do with links.
#[derive(Debug, clap::Subcommand)]
pub(crate) enum LinkCommand {
    /// Make a link for a subject who may read what it leads to. Prints its path and query, which are a
    /// credential until it ends. Exit code 1 where the subject may not.
    Create {
        /// The configuration file.
        #[arg(long)]
        config: PathBuf,
        /// For whom: each use is decided on as a request of this subject.
        #[arg(long)]
        subject: String,
        /// How long it is good, at most `links.max_ttl`. Default: 5m, or that if it is less.
        #[arg(long, value_parser = humantime::parse_duration)]
        ttl: Option<Duration>,
        /// Answer with JSON.
        #[arg(long)]
        json: bool,
        /// The path and query that it leads to.
        path: String,
    },
}

pub(crate) fn create_link(command: LinkCommand) -> Result<(), Failure> {
    let LinkCommand::Create {
        config,
        subject,
        ttl,
        json,
        path,
    } = command;
    let generation = Generation::assemble(sidegate_config::load(&config, &ProcessEnv)?, None)?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let made = mint(
        &generation.pipeline,
        (&subject, &path),
        ttl,
        By::CommandLine,
    );
    let minted = runtime.block_on(made)?;
    if json {
        print(&serde_json::to_string(&minted)?)?;
    } else {
        print(&minted.path)?;
    }
    Ok(())
}
