//! The commands `app serve`, `app schema` and `app seed`.
//!
//! Promises: standard output holds the address (one line of JSON, before the first request can be
//! answered) or the SQL, and nothing else. Serving ends with SIGINT or SIGTERM, after the requests
//! that are under way.
//!
//! Does not: need the database to start serving, in the profile `plain`.

use std::io::{self, Write};
use std::time::Instant;

use serde_json::json;
use sidegate_loadtest::app::{self, App, Database, DatabaseError, Limits, ProfileError};
use sidegate_loadtest::{AmountError, Dataset, Existing, SeedError, seed};
use thiserror::Error;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};

use crate::cli::{AppCommand, SeedArgs, ServeArgs};
use crate::progress::Filling;

/// Why the application does not do what it was told.
#[derive(Debug, Error)]
pub(crate) enum ExampleError {
    #[error("wrong usage")]
    Amount(#[from] AmountError),
    #[error(transparent)]
    Database(#[from] DatabaseError),
    #[error("the application cannot behave so")]
    Profile(#[from] ProfileError),
    #[error("the database is not filled")]
    Seed(#[from] SeedError),
    #[error("the application cannot be served")]
    Serve(#[from] io::Error),
}

impl ExampleError {
    pub(crate) fn is_wrong_usage(&self) -> bool {
        match self {
            Self::Amount(_)
            | Self::Database(DatabaseError::Url(_) | DatabaseError::Place)
            | Self::Profile(ProfileError::Secret | ProfileError::Keys | ProfileError::Url(_)) => {
                true
            }
            Self::Database(_) | Self::Profile(_) | Self::Seed(_) | Self::Serve(_) => false,
        }
    }
}

pub(crate) async fn carry_out(command: AppCommand) -> Result<(), ExampleError> {
    match command {
        AppCommand::Serve(args) => serve(args).await,
        AppCommand::Schema => Ok(io::stdout().write_all(app::SCHEMA.as_bytes())?),
        AppCommand::Seed(args) => fill(args).await,
    }
}

async fn serve(args: ServeArgs) -> Result<(), ExampleError> {
    let limits = Limits {
        connections: usize::from(args.connections),
        ..Limits::default()
    };
    let database = match args.database_delay {
        Some(delay) => Database::late(&args.database, limits, delay).await?,
        None => Database::new(&args.database, limits)?,
    };
    let app = App::new(database, &args.conduct()).await?;
    // Before the address is told: whoever knows it may end the application.
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    let listener = TcpListener::bind(args.listen).await?;
    let address = listener.local_addr()?.to_string();
    writeln!(io::stdout(), "{}", json!({ "listening": address }))?;
    io::stdout().flush()?;
    let stop = async move {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
    };
    Ok(app.serve(listener, stop).await?)
}

async fn fill(args: SeedArgs) -> Result<(), ExampleError> {
    let set = Dataset::new(args.generations, args.seed)?;
    let limits = Limits {
        connections: 1,
        ..Limits::default()
    };
    let database = Database::new(&args.database, limits)?;
    let existing = if args.drop {
        Existing::Drop
    } else {
        Existing::Refuse
    };
    let start = Instant::now();
    let mut filling = Filling::new();
    seed(&database, set, existing, |filled| filling.show(filled)).await?;
    filling.finish();
    // When nobody reads standard error, there is nobody to tell.
    let _ = writeln!(
        io::stderr(),
        "{} users, {} teams, {} members, {} projects, {} generations in {:.1} s",
        set.users(),
        set.teams(),
        set.members(),
        set.projects(),
        set.generations(),
        start.elapsed().as_secs_f64()
    );
    Ok(())
}
