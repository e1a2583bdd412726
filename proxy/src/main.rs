//! The command line. Exit codes: 0 done (`explain` has explained, whatever the verdict), 1 refused
//! or failed, 2 wrong usage.

mod check;
mod credentials;
mod explanation;
mod links;
mod operate;
mod progress;
mod routes;
mod running;
mod statistics;

use std::io::{self, Write as _};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use sidegate::app::Listening;
use sidegate::{access_log, demo, metrics, migrate};
use sidegate_config::{Env, ProcessEnv};
use tracing_appender::non_blocking::{NonBlockingBuilder, WorkerGuard};
use tracing_subscriber::EnvFilter;

use credentials::{KeyArguments, RevokeArguments, manage_keys, take_away};
use explanation::ExplainArguments;
use links::{LinkCommand, create_link};
use operate::{ViewCommand, examine_database, invalidate_facts, look_at_view, migrate_database};
use statistics::{StatsArguments, show_statistics};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Authorization sidecar: decides from the application's own tables, then forwards or refuses.
#[derive(Debug, Parser)]
#[command(version, about)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Serve until told to stop (SIGTERM waits for `server.shutdown_grace`, SIGINT does not). SIGHUP
    /// reads the configuration again.
    Run {
        /// The configuration file.
        #[arg(long)]
        config: PathBuf,
    },
    /// Read everything that `run` would read and say what is wrong, or worth a second look.
    Check {
        /// The configuration file.
        #[arg(long)]
        config: PathBuf,
        /// Say also what protects what, and mark what is worth a second look.
        #[arg(long)]
        security: bool,
        /// Answer with JSON.
        #[arg(long)]
        json: bool,
    },
    /// Say why a request would be allowed or refused, or why one was.
    Explain(ExplainArguments),
    /// Install Sidegate's side of the database: schema, contract views, triggers. Safe to repeat, and
    /// restores what `--release` let go of.
    Migrate {
        /// The configuration file.
        #[arg(long)]
        config: PathBuf,
        /// Print the SQL and change nothing.
        #[arg(long)]
        dry_run: bool,
        /// Let go of a table, for a migration of the application's own, until the next `migrate`.
        #[arg(long, value_name = "TABLE", conflicts_with = "down")]
        release: Option<String>,
        /// Remove all of it: triggers, schema and roles.
        #[arg(long)]
        down: bool,
    },
    /// Say whether the database is what Sidegate takes it for, and what to do where it is not. Exit
    /// code 1 while nothing may be cached or questions cannot be answered.
    Doctor {
        /// The configuration file.
        #[arg(long)]
        config: PathBuf,
        /// Answer with JSON.
        #[arg(long)]
        json: bool,
    },
    /// Say that facts have changed which no trigger saw: every instance asks the database again.
    Invalidate {
        /// The configuration file.
        #[arg(long)]
        config: PathBuf,
        /// Answer with JSON.
        #[arg(long)]
        json: bool,
        /// What has changed, such as `user:U`, `member:TEAM:USER`, `resource:KIND:ID`; `*` is all.
        #[arg(required = true, value_name = "TAG")]
        tags: Vec<String>,
    },
    /// Take credentials away: within a second no instance accepts them any more.
    Revoke(RevokeArguments),
    /// Service keys of programs (`service_keys`).
    Key(KeyArguments),
    /// Links that carry their own credential (`links`).
    Link {
        #[command(subcommand)]
        command: LinkCommand,
    },
    /// The materialized view of who has access to what (`database.view`).
    View {
        /// The configuration file.
        #[arg(long)]
        config: PathBuf,
        /// Answer with JSON.
        #[arg(long)]
        json: bool,
        #[command(subcommand)]
        command: ViewCommand,
    },
    /// Write rules for what an OpenAPI document says that the application offers; none is public. With
    /// a configuration: say which rule answers what, and write rules for the rest. Exit code 1 while
    /// something has none.
    Routes {
        /// The OpenAPI document, 3.x or Swagger 2.0, JSON or YAML.
        #[arg(long, value_name = "FILE")]
        openapi: PathBuf,
        /// The configuration file.
        #[arg(long)]
        config: Option<PathBuf>,
        /// Answer with JSON.
        #[arg(long)]
        json: bool,
    },
    /// Say what a running Sidegate has counted: hit rates, requests, latencies, lag, pools, breakers.
    Stats(StatsArguments),
    /// Print what things look like, for tools: the JSON Schema of the configuration or of a line of the
    /// access log, or the list of all metrics.
    Schema {
        /// Of what.
        #[arg(default_value = "config")]
        of: SchemaOf,
    },
    /// Run a small application behind Sidegate and print a tour of it.
    Demo {
        /// The proxy's port; the admin listener and the application take the next two. 0: free
        /// ones.
        #[arg(long, default_value_t = 8080, value_parser = clap::value_parser!(u16).range(..=65533))]
        port: u16,
        /// Print one line of JSON instead of the tour.
        #[arg(long)]
        json: bool,
    },
}

/// What `sidegate schema` describes.
#[derive(Debug, Clone, Copy, clap::ValueEnum)]
enum SchemaOf {
    /// The configuration, as JSON Schema.
    Config,
    /// A line of the access log, as JSON Schema.
    AccessLog,
    /// Every metric, as Markdown.
    Metrics,
}

/// How many lines of the log may wait to be written.
const LINES_WAITING: usize = 8192;

/// What ends the process with exit code 1.
type Failure = Box<dyn std::error::Error>;

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let log = match log_to_stderr() {
        Ok(log) => log,
        Err(error) => return failed(&*error, 2),
    };
    let code = command(arguments.command);
    // What waits is written first: it is older than what is said now.
    access_log::drop_in_time(log);
    code.unwrap_or_else(|error| failed(&*error, 1))
}

fn failed(error: &dyn std::error::Error, code: u8) -> ExitCode {
    // Nothing is left to do if standard error is gone.
    let _ = writeln!(io::stderr(), "sidegate: {error}");
    ExitCode::from(code)
}

fn command(command: Command) -> Result<ExitCode, Failure> {
    match command {
        Command::Run { config } => {
            Listening::start(&config)?.serve(Vec::new());
        }
        Command::Check {
            config,
            security,
            json,
        } => return check::check(&config, security, json),
        Command::Explain(arguments) => explanation::explain(arguments)?,
        Command::Migrate {
            config,
            dry_run,
            release,
            down,
        } => {
            let action = match release {
                Some(table) => migrate::Action::Release(table),
                None if down => migrate::Action::Down,
                None => migrate::Action::Up,
            };
            migrate_database(&config, &action, dry_run)?;
        }
        Command::Doctor { config, json } => return examine_database(&config, json),
        Command::Invalidate { config, json, tags } => invalidate_facts(&config, &tags, json)?,
        Command::Revoke(arguments) => take_away(&arguments)?,
        Command::Key(arguments) => manage_keys(&arguments)?,
        Command::Link { command } => create_link(command)?,
        Command::View {
            config,
            json,
            command,
        } => look_at_view(&config, json, command)?,
        Command::Routes {
            openapi,
            config,
            json,
        } => return routes::describe(&openapi, config.as_deref(), json),
        Command::Stats(arguments) => show_statistics(&arguments)?,
        Command::Schema { of } => print(&match of {
            SchemaOf::Config => format!("{:#}", sidegate_config::schema()),
            SchemaOf::AccessLog => format!("{:#}", access_log::schema()),
            SchemaOf::Metrics => metrics::markdown().trim_end().to_owned(),
        })?,
        Command::Demo { port, json } => demo::run(port, json)?,
    }
    Ok(ExitCode::SUCCESS)
}

fn print(text: &str) -> io::Result<()> {
    writeln!(io::stdout(), "{text}")
}

/// To standard error; as JSON where nobody watches. `SIDEGATE_LOG` is a level (default `info`) or
/// the filters of `tracing_subscriber`. A thread of its own writes; it ends with what is handed back.
///
/// A line that cannot be written, or finds no room because nobody reads, is lost: a full disk or pipe must not
/// stop what goes on. Pingora's own log
/// is not taken over: some of its messages repeat up to 2 KiB of a request, credentials included.
fn log_to_stderr() -> Result<WorkerGuard, Failure> {
    let text = ProcessEnv
        .var("SIDEGATE_LOG")
        .unwrap_or_else(|| "info".to_owned());
    let known = text.contains('=') || text.parse::<tracing::Level>().is_ok() || text == "off";
    let filter = text
        .parse::<EnvFilter>()
        .ok()
        .filter(|_| known)
        .ok_or_else(|| {
            format!("SIDEGATE_LOG `{text}`: expected off, error, warn, info, debug or trace")
        })?;
    let (lines, guard) = NonBlockingBuilder::default()
        .buffered_lines_limit(LINES_WAITING)
        .thread_name("log")
        .finish(io::stderr());
    let subscriber = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(lines)
        .log_internal_errors(false);
    if io::IsTerminal::is_terminal(&io::stderr()) {
        subscriber.init();
    } else {
        subscriber.json().init();
    }
    Ok(guard)
}
