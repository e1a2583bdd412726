//! The command `peers`: Sidegate beside other proxies.

use std::io::{self, Write};
use std::path::PathBuf;

use clap::Args;
use sidegate_loadtest::document::Document;
use sidegate_loadtest::page::page;
use sidegate_loadtest::peers::{Comparison, Event, Outcome, Peer, PeersError, compare};
use thiserror::Error;

use crate::paper::{PaperError, put};
use crate::progress::Cases;
use crate::sink::Sink;

/// Of `peers`.
#[derive(Debug, Args)]
pub(crate) struct PeersArgs {
    /// The binary to be compared: an optimised one.
    #[arg(long, value_name = "PATH")]
    sidegate: PathBuf,
    /// Bare Pingora: `bare-pingora` of the same build.
    #[arg(long, value_name = "PATH")]
    bare: Option<PathBuf>,
    /// Envoy, where it is not on the PATH.
    #[arg(long, value_name = "PATH")]
    envoy: Option<PathBuf>,
    /// 31 rounds in place of 15, for narrower intervals.
    #[arg(long, conflicts_with = "rounds")]
    full: bool,
    /// So many rounds; fewer than 15 are only to see that it works.
    #[arg(long, value_parser = clap::value_parser!(u16).range(1..=200))]
    rounds: Option<u16>,
    /// Only the peer of this name; may be given more than once.
    #[arg(long, value_name = "PEER")]
    only: Vec<Peer>,
    /// Do not count instructions under valgrind.
    #[arg(long)]
    no_instructions: bool,
    /// Where to write everything as JSON: a file, or - for standard output.
    #[arg(long, value_name = "FILE", default_value = "-")]
    json: Sink,
    /// Where to write the tables as a page.
    #[arg(long, value_name = "FILE")]
    html: Option<Sink>,
}

impl PeersArgs {
    /// The comparison.
    fn parse(&self) -> Comparison {
        let usual = if self.full {
            Comparison::FULL_ROUNDS
        } else {
            Comparison::ROUNDS
        };
        Comparison {
            sidegate: self.sidegate.clone(),
            bare: self.bare.clone(),
            envoy: self.envoy.clone(),
            rounds: self.rounds.map_or(usual, usize::from),
            instructions: !self.no_instructions,
            only: self.only.clone(),
        }
    }
}

/// Why there is no outcome, or nobody to read it.
#[derive(Debug, Error)]
pub(crate) enum BesideError {
    #[error("peers cannot be compared")]
    Peers(#[from] PeersError),
    #[error(transparent)]
    Paper(#[from] PaperError),
    #[error("the outcome cannot be written")]
    Write(#[from] io::Error),
}

/// The tables are for people, and everything is in the JSON.
pub(crate) async fn carry_out(args: PeersArgs) -> Result<(), BesideError> {
    let comparison = args.parse();
    let cases = Cases::new();
    let compared = compare(&comparison, |event| match event {
        Event::Skipped(skipped) => {
            cases.say(&format!("{} is skipped: {}", skipped.peer, skipped.reason));
        }
        Event::Round { done, all } => cases.begin("round", done, all),
    })
    .await;
    cases.finish();
    let outcome = compared?;
    write!(io::stderr(), "{outcome}")?;
    if let Some(sink) = &args.html {
        let mut document = Document::new("Peers");
        document.tables = outcome.tables();
        put(&page(&document), sink)?;
    }
    Ok(write(&outcome, &args.json)?)
}

fn write(outcome: &Outcome, sink: &Sink) -> io::Result<()> {
    let mut text = serde_json::to_vec_pretty(outcome)?;
    text.push(b'\n');
    sink.put(&text)
}
