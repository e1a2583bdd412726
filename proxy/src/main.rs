//! The command line. Exit codes: 0 done, 1 refused or failed, 2 wrong usage.

use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use sidegate::app::Sidegate;
use sidegate::{demo, explain};
use sidegate_config::{ConfigError, Env, ProcessEnv};
use tracing_subscriber::EnvFilter;

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
    /// Serve until told to stop (SIGTERM lets requests in flight end, SIGINT does not wait).
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
        /// Answer with JSON.
        #[arg(long)]
        json: bool,
    },
    /// Say why a request would be allowed or refused.
    Explain {
        /// The configuration file.
        #[arg(long)]
        config: PathBuf,
        /// The token that the request carries.
        #[arg(long, conflicts_with = "subject")]
        token: Option<String>,
        /// The subject for whom a good token is assumed.
        #[arg(long)]
        subject: Option<String>,
        /// A further header, `Name: value`. May be repeated.
        #[arg(long = "header", value_name = "HEADER")]
        headers: Vec<String>,
        /// Answer with JSON.
        #[arg(long)]
        json: bool,
        /// The method, such as GET.
        method: String,
        /// The path and query.
        path: String,
    },
    /// Print the JSON Schema of the configuration.
    Schema,
    /// Run a small application behind Sidegate and print a tour of it.
    Demo {
        /// The proxy's port; the admin listener and the application take the next two. 0: free
        /// ones.
        #[arg(long, default_value_t = 8080)]
        port: u16,
        /// Print one line of JSON instead of the tour.
        #[arg(long)]
        json: bool,
    },
}

/// What ends the process with exit code 1.
type Failure = Box<dyn std::error::Error>;

fn main() -> ExitCode {
    log_to_stderr();
    match command(Arguments::parse().command) {
        Ok(code) => code,
        Err(error) => {
            // Nothing is left to do if standard error is gone.
            let _ = writeln!(io::stderr(), "sidegate: {error}");
            ExitCode::FAILURE
        }
    }
}

fn command(command: Command) -> Result<ExitCode, Failure> {
    match command {
        Command::Run { config } => {
            let settings = sidegate_config::load(&config, &ProcessEnv)?;
            Sidegate::assemble(settings)?.listen()?.serve(Vec::new());
        }
        Command::Check { config, json } => return check(&config, json),
        Command::Explain {
            config,
            token,
            subject,
            headers,
            json,
            method,
            path,
        } => {
            let headers = headers
                .iter()
                .map(|header| header_of(header))
                .collect::<Result<_, _>>()?;
            let request = explain::Request {
                method,
                path,
                token,
                subject,
                headers,
            };
            explain_offline(&config, &request, json)?;
        }
        Command::Schema => print(&format!("{:#}", sidegate_config::schema()))?,
        Command::Demo { port, json } => demo::run(port, json)?,
    }
    Ok(ExitCode::SUCCESS)
}

fn check(config: &Path, json: bool) -> Result<ExitCode, Failure> {
    let checked = match sidegate_config::load(config, &ProcessEnv) {
        Ok(settings) => Sidegate::assemble(settings)
            .map(|sidegate| sidegate.notes())
            .map_err(|error| vec![format!("{}: {error}", config.display())]),
        Err(ConfigError::Invalid { file, problems }) => Err(problems
            .iter()
            .map(|problem| problem.in_file(&file))
            .collect()),
        Err(error @ ConfigError::Read { .. }) => Err(vec![error.to_string()]),
    };
    let (ok, problems, notes) = match checked {
        Ok(notes) => (true, Vec::new(), notes),
        Err(problems) => (false, problems, Vec::new()),
    };
    if json {
        print(&serde_json::json!({ "ok": ok, "problems": problems, "notes": notes }).to_string())?;
    } else {
        for problem in &problems {
            print(&format!("error: {problem}"))?;
        }
        for note in &notes {
            print(&format!("note: {note}"))?;
        }
        if ok {
            print(&format!("{}: ok", config.display()))?;
        }
    }
    Ok(if ok {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

fn explain_offline(config: &Path, request: &explain::Request, json: bool) -> Result<(), Failure> {
    let sidegate = Sidegate::assemble(sidegate_config::load(config, &ProcessEnv)?)?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let explanation = runtime.block_on(explain::explain(sidegate.pipeline(), request))?;
    if json {
        print(&serde_json::to_string(&explanation)?)?;
    } else {
        print(explanation.to_string().trim_end())?;
    }
    Ok(())
}

fn header_of(text: &str) -> Result<(String, String), Failure> {
    let (name, value) = text
        .split_once(':')
        .ok_or_else(|| format!("--header `{text}`: expected `Name: value`"))?;
    Ok((name.trim().to_owned(), value.trim().to_owned()))
}

fn print(text: &str) -> io::Result<()> {
    writeln!(io::stdout(), "{text}")
}

/// To standard error, filtered by `SIDEGATE_LOG` (default `info`); as JSON where nobody watches.
///
/// Pingora's own log is not taken over: some of its messages repeat up to 2 KiB of a request,
/// credentials included.
fn log_to_stderr() {
    let filter = ProcessEnv
        .var("SIDEGATE_LOG")
        .and_then(|text| text.parse::<EnvFilter>().ok());
    let filter = filter.unwrap_or_else(|| EnvFilter::new("info"));
    let subscriber = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(io::stderr);
    if io::IsTerminal::is_terminal(&io::stderr()) {
        subscriber.init();
    } else {
        subscriber.json().init();
    }
}
