//! Commands that speak to the database of a deployment.

use std::path::Path;
use std::process::ExitCode;

use sidegate::clock::Clock;
use sidegate::invalidate::{self, Tags};
use sidegate::{doctor, migrate, view};
use sidegate_config::{ProcessEnv, StoreSettings};

use super::progress::Steps;
use super::{Failure, print};

/// What to do with the materialized view.
#[derive(Debug, clap::Subcommand)]
pub(crate) enum ViewCommand {
    /// Build it anew.
    Refresh,
    /// Say when it was built, and whether it is good.
    Status,
    /// List what a subject may do something to: where the view says, as the tables say now. What everybody
    /// may see is not in it.
    List {
        /// The subject's id.
        subject: String,
        /// The action.
        #[arg(long, default_value = "read")]
        action: String,
        /// The most resources that are looked at.
        #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u16).range(1..=10_000))]
        limit: u16,
    },
}

pub(crate) fn migrate_database(
    config: &Path,
    action: &migrate::Action,
    dry_run: bool,
) -> Result<(), Failure> {
    let settings = sidegate_config::load(config, &ProcessEnv)?;
    let StoreSettings::Postgres(settings) = &settings.store else {
        return Err("store: expected `postgres`: a directory file has nothing to migrate".into());
    };
    let runtime = runtime()?;
    let mut lost = None;
    if dry_run {
        let mut say = |line: &str| lost = print(line).err().or(lost.take());
        runtime.block_on(migrate::dry_run(settings, action, &mut say))?;
    } else {
        let steps = Steps::new();
        let mut listener = |event: migrate::Event<'_>| match event {
            migrate::Event::Begun { step, number, all } => steps.begin(step, number, all),
            migrate::Event::Done(line) => {
                lost = steps.aside(|| print(line)).err().or(lost.take());
            }
        };
        runtime.block_on(steps.during(migrate::run(settings, action, &mut listener)))?;
    }
    // Whoever pipes the SQL on must know that some of it is missing.
    lost.map_or(Ok(()), |error| Err(error.into()))
}

pub(crate) fn examine_database(config: &Path, json: bool) -> Result<ExitCode, Failure> {
    let settings = sidegate_config::load(config, &ProcessEnv)?;
    let StoreSettings::Postgres(store) = &settings.store else {
        return Err("store: expected `postgres`: `check` looks at a directory file".into());
    };
    let expected = doctor::Expectations::new(&settings.policy, store, Clock::System);
    let runtime = runtime()?;
    let examination = runtime.block_on(doctor::examine_once(store, &expected));
    if json {
        print(&doctor::json(&examination).to_string())?;
    } else {
        print(&doctor::text(&examination))?;
    }
    let usable = examination.worst() < Some(doctor::Severity::Uncached);
    Ok(if usable {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

pub(crate) fn invalidate_facts(config: &Path, tags: &[String], json: bool) -> Result<(), Failure> {
    let settings = sidegate_config::load(config, &ProcessEnv)?;
    let tags = Tags::parse(tags, &settings.policy)?;
    let StoreSettings::Postgres(store) = &settings.store else {
        return Err(
            "store: expected `postgres`: an edit of a directory file counts by itself".into(),
        );
    };
    let xid = runtime()?.block_on(invalidate::write_once(store, &tags))?;
    if json {
        print(&serde_json::json!({ "tags": tags, "xid": xid }).to_string())?;
    } else {
        for tag in tags.as_slice() {
            print(tag)?;
        }
        print("written to the change log: every instance asks anew within a second")?;
    }
    Ok(())
}

pub(crate) fn look_at_view(config: &Path, json: bool, command: ViewCommand) -> Result<(), Failure> {
    let settings = sidegate_config::load(config, &ProcessEnv)?;
    let runtime = runtime()?;
    match command {
        ViewCommand::Refresh => {
            let steps = Steps::new();
            steps.begin("building the materialized view", 1, 1);
            let pairs = runtime.block_on(steps.during(view::build(&settings)))?;
            if json {
                print(&serde_json::json!({ "pairs": pairs }).to_string())?;
            } else if let Some(pairs) = pairs {
                print(&format!("built: {pairs} pairs"))?;
            } else {
                print("somebody else is building it")?;
            }
        }
        ViewCommand::Status => {
            let status = runtime.block_on(view::status(settings))?;
            if json {
                print(&serde_json::to_string(&status)?)?;
                return Ok(());
            }
            let (Some(at), Some(took), Some(pairs)) =
                (&status.built_at, status.took_millis, status.pairs)
            else {
                return Ok(print("it was not built yet")?);
            };
            let good = if status.is_good {
                "good: what has not changed since may be answered from it"
            } else {
                "not good: it was built for other triggers, views, another policy or life of the database"
            };
            print(&format!(
                "built at {at} in {took} ms: {pairs} pairs\n{good}"
            ))?;
        }
        ViewCommand::List {
            subject,
            action,
            limit,
        } => {
            let limit = usize::from(limit);
            let found = runtime.block_on(view::list(settings, &subject, &action, limit))?;
            if json {
                print(&serde_json::to_string(&found)?)?;
                return Ok(());
            }
            for resource in found {
                print(&format!(
                    "{} {} ({})",
                    resource.kind, resource.id, resource.reason
                ))?;
            }
        }
    }
    Ok(())
}

pub(crate) fn runtime() -> std::io::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
}
