//! What `sidegate migrate` would do, as SQL: `--dry-run`.
//!
//! Promise: reads, and changes nothing. The order is that of the real run.

use sidegate_config::PostgresSettings;

use super::contract::{self, Contract};
use super::{DOWN, MigrateError, ROLES, SURPLUS, Session, UNWATCH, WANTING, runner};

pub(super) async fn up(
    session: &mut Session,
    settings: &PostgresSettings,
    say: &mut dyn FnMut(&str),
) -> Result<(), MigrateError> {
    let contract = Contract::read(settings)?;
    let installed = session.installed().await.is_ok();
    let runner = runner();
    let applied = if installed {
        runner
            .get_applied_migrations_async(&mut session.client)
            .await?
    } else {
        Vec::new()
    };
    say(ROLES.trim_end());
    say("set role sidegate_owner;");
    for migration in runner.get_migrations() {
        let known = applied
            .iter()
            .any(|applied| applied.version() == migration.version());
        if let (false, Some(sql)) = (known, migration.sql()) {
            say(&format!("-- {migration}\n{}", sql.trim_end()));
        }
    }
    say("reset role;");
    if installed && contract::is_applied(session, &contract).await? {
        triggers(session, say).await?;
    } else {
        say(&contract.sql(&session.path));
        say(
            "-- then, a table at a time, in a transaction of its own, for each row of sidegate.triggers whose",
        );
        say(
            "-- state is not ok: select sidegate.install(relation); for each of sidegate.surplus: select sidegate.remove(relation);",
        );
    }
    super::view::plan(settings, say);
    session
        .plan_doorbell(settings.database.doorbell, installed, say)
        .await
}

pub(super) async fn release(
    session: &Session,
    table: &str,
    say: &mut dyn FnMut(&str),
) -> Result<(), MigrateError> {
    session.installed().await?;
    say(&format!("{};", super::view::DROP));
    say(&format!(
        "select sidegate.release('{}');",
        table.replace('\'', "''")
    ));
    Ok(())
}

pub(super) async fn down(session: &Session, say: &mut dyn FnMut(&str)) -> Result<(), MigrateError> {
    session.installed().await?;
    say(&format!("{UNWATCH};"));
    say("-- then, a table at a time, in a transaction of its own, for each of sidegate.surplus:");
    say("-- select sidegate.remove(relation);");
    say(DOWN.trim_end());
    Ok(())
}

async fn triggers(session: &Session, say: &mut dyn FnMut(&str)) -> Result<(), MigrateError> {
    for (query, function) in [(WANTING, "install"), (SURPLUS, "remove")] {
        for relation in session.names("triggers", query).await? {
            let relation = relation.replace('\'', "''");
            say(&format!("select sidegate.{function}('{relation}');"));
        }
    }
    Ok(())
}
