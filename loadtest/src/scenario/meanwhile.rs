//! What happens to Sidegate's surroundings while a scenario's load goes on.
//!
//! Promises: what happened is told with the second of the measured time in which it did; what was taken away is
//! given back before this ends.
//!
//! Does not: judge what came of it.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, sleep_until};
use tokio_postgres::Client;

use super::ScenarioError;
use super::cast::dice;
use super::ground::Ground;

/// What happens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Meanwhile {
    /// Nothing.
    Nothing,
    /// Everything that is kept becomes void: Redis is emptied and all facts are said to have changed.
    Flush,
    /// Rights are taken away and given back, so many rows a second.
    Storm(u64),
    /// Redis stands still for a third of the time: connections stay, and nothing is answered.
    WithoutRedis,
    /// PostgreSQL is ended without warning, and started again a third of the time later.
    WithoutDatabase,
}

/// When, and on what.
pub(super) struct Course {
    pub(super) ground: Arc<Ground>,
    /// Of the measured time.
    pub(super) begin: Instant,
    pub(super) span: Duration,
    pub(super) seed: u64,
}

/// Seconds of the measured time, and what happened then.
pub(super) type Events = Vec<(f64, String)>;

impl Meanwhile {
    /// Lets it happen.
    pub(super) async fn happen(self, course: &Course) -> Result<Events, ScenarioError> {
        match self {
            Self::Nothing => Ok(Events::new()),
            Self::Flush => course.flush().await,
            Self::Storm(rows) => course.storm(rows).await,
            Self::WithoutRedis => course.without_redis().await,
            Self::WithoutDatabase => course.without_database().await,
        }
    }
}

impl Course {
    async fn flush(&self) -> Result<Events, ScenarioError> {
        self.third(1).await;
        let _: String = self.ground.redis.command(&["FLUSHALL"])?;
        self.ground
            .execute("select sidegate.invalidate('{*}')")
            .await?;
        Ok(vec![self.event("flush")])
    }

    /// Memberships end and are given back by turns, in the middle third.
    async fn storm(&self, rows: u64) -> Result<Events, ScenarioError> {
        let (client, _driver) = self.ground.connect().await?;
        client.batch_execute(HOLD).await?;
        self.third(1).await;
        let mut events = vec![self.event("storm begins")];
        let beats = self.span.as_millis() / 3 / BEAT.as_millis();
        let beats = u64::try_from(beats).unwrap_or_default();
        let each = (rows * u64::try_from(BEAT.as_millis()).unwrap_or(1) / 1000).max(1);
        for beat in 0..beats {
            self.change(&client, beat, each).await?;
            sleep_until(
                self.begin + self.span / 3 + BEAT * u32::try_from(beat + 1).unwrap_or(u32::MAX),
            )
            .await;
        }
        client.batch_execute(RESTORE).await?;
        events.push(self.event(&format!("storm ends: {} memberships", beats * each)));
        Ok(events)
    }

    /// Half of the rows lose their right, and half of those before get it back.
    async fn change(&self, client: &Client, beat: u64, rows: u64) -> Result<(), ScenarioError> {
        let set = self.ground.cast.set();
        let (mut teams, mut users) = (Vec::new(), Vec::new());
        for row in 0..rows {
            let member = set.member(dice(self.seed, beat * rows + row, MEMBER) % set.members());
            teams.push(set.team(member.team).0);
            users.push(self.ground.cast.id(member.user));
        }
        client.execute(TOGGLE, &[&teams, &users]).await?;
        Ok(())
    }

    async fn without_redis(&self) -> Result<Events, ScenarioError> {
        self.third(1).await;
        self.ground.redis.signal("STOP")?;
        let mut events = vec![self.event("Redis stands still")];
        self.third(2).await;
        self.ground.redis.signal("CONT")?;
        events.push(self.event("Redis is back"));
        Ok(events)
    }

    async fn without_database(&self) -> Result<Events, ScenarioError> {
        // What is written down already need not be recovered.
        self.ground.execute("checkpoint").await?;
        self.third(1).await;
        self.ground.cluster.pause()?;
        let mut events = vec![self.event("PostgreSQL is ended")];
        self.third(2).await;
        self.ground.cluster.resume()?;
        events.push(self.event("PostgreSQL has recovered"));
        Ok(events)
    }

    async fn third(&self, number: u32) {
        sleep_until(self.begin + self.span / 3 * number).await;
    }

    fn event(&self, what: &str) -> (f64, String) {
        let since = Instant::now().saturating_duration_since(self.begin);
        ((since.as_secs_f64() * 10.0).round() / 10.0, what.to_owned())
    }
}

/// How often a storm changes something.
const BEAT: Duration = Duration::from_millis(100);

const TOGGLE: &str = "\
    update team_members m set expires_at =
        case when m.expires_at = '2025-06-01' then timestamptz '2099-01-01' else timestamptz '2025-06-01' end
    from (select distinct t.team, t.member from unnest($1::uuid[], $2::uuid[]) t (team, member)) t
    where m.team_id = t.team and m.user_id = t.member";

const HOLD: &str =
    "create temporary table held as select team_id, user_id, expires_at from team_members";

/// For the scenarios that come after.
const RESTORE: &str = "\
    update team_members m set expires_at = h.expires_at from held h
    where m.team_id = h.team_id and m.user_id = h.user_id and m.expires_at is distinct from h.expires_at";

const MEMBER: u64 = 20;
