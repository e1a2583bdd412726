//! The steps that bring the database to what this version and the contract ask for.
//!
//! Promise: each is a step of the [`Course`]; what was applied is said when all migrations are.

use refinery::{Migration, Target};
use sidegate_config::PostgresSettings;

use super::course::Course;
use super::{MigrateError, ROLES, SHOW, SURPLUS, Session, WANTING, contract, runner, table};

/// Roles, contract, trigger functions, rights and the view; migrations, triggers and the doorbell are counted
/// when it is known which ones there are.
const STEPS: usize = 5;

impl Session {
    pub(super) async fn up(
        &mut self,
        settings: &PostgresSettings,
        course: &mut Course<'_>,
    ) -> Result<(), MigrateError> {
        let doorbell = settings.database.doorbell;
        course.more(STEPS + usize::from(doorbell));
        course.step("roles and schema");
        self.batch("roles and schema (migrations/roles.sql)", ROLES)
            .await?;
        self.migrations(course).await?;
        course.step("the contract's views");
        contract::apply(self, settings, &mut |line| course.say(line)).await?;
        self.note_doorbell(doorbell).await?;
        self.triggers(course).await?;
        course.step("the reader's rights");
        self.grant(settings, &mut |line| course.say(line)).await?;
        course.step("the materialized view");
        self.view(settings, &mut |line| course.say(line)).await?;
        if doorbell {
            course.step("the doorbell");
            self.hang_doorbell(&mut |line| course.say(line)).await?;
        }
        course.say("the database is up to date");
        Ok(())
    }

    /// One after the other, so that each is a step.
    async fn migrations(&mut self, course: &mut Course<'_>) -> Result<(), MigrateError> {
        self.batch("the owner's role", "set role sidegate_owner")
            .await?;
        let pending = self.pending().await?;
        course.more(pending.len());
        let mut applied = Vec::new();
        for migration in &pending {
            course.step(&migration.to_string());
            let target = Target::Version(migration.version());
            let report = runner()
                .set_target(target)
                .run_async(&mut self.client)
                .await?;
            applied.extend_from_slice(report.applied_migrations());
        }
        // Also where nothing is pending it is looked whether what was applied is ours.
        let report = runner().run_async(&mut self.client).await?;
        applied.extend_from_slice(report.applied_migrations());
        self.batch("the doctor's right to see what was applied", SHOW)
            .await?;
        self.batch("the owner's role", "reset role").await?;
        for migration in applied {
            course.say(&format!("applied {migration}"));
        }
        Ok(())
    }

    /// Those that seem to be missing. Whether they are is looked at when they are run.
    async fn pending(&mut self) -> Result<Vec<Migration>, MigrateError> {
        let runner = runner();
        let applied = if self.installed().await.is_ok() {
            runner
                .get_applied_migrations_async(&mut self.client)
                .await?
        } else {
            Vec::new()
        };
        let is_missing = |migration: &&Migration| {
            let version = migration.version();
            !applied.iter().any(|applied| applied.version() == version)
        };
        Ok(runner
            .get_migrations()
            .iter()
            .filter(is_missing)
            .cloned()
            .collect())
    }

    /// Creates the triggers that are wanted and drops those that no longer are, a table at a time.
    pub(super) async fn triggers(&mut self, course: &mut Course<'_>) -> Result<(), MigrateError> {
        let wanting = self.names("triggers", WANTING).await?;
        course.more(wanting.len());
        for relation in wanting {
            course.step(&format!("triggers on {relation}"));
            table::install(self, &relation).await?;
            course.say(&format!("triggers on {relation}"));
        }
        let surplus = self.names("triggers", SURPLUS).await?;
        course.more(surplus.len());
        for relation in surplus {
            course.step(&format!("removing triggers on {relation}"));
            table::remove(self, &relation).await?;
            course.say(&format!("no more triggers on {relation}"));
        }
        course.step("trigger functions");
        self.batch("trigger functions", "select sidegate.forget()")
            .await
    }
}
