//! Carrying a fault out, while others write and read.
//!
//! Promises: [`Stage::round`] returns when the fault is over and what it may have left behind has had the
//! time to be seen. What it changes that is a writer's it changes under the gate, and notes.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::sleep;

use super::HistoryError;
use super::arena::Step;
use super::case::Fault;
use super::scene::Change;
use super::session::Session;
use super::stage::{Instance, Stage};
use super::writer::statements;
use crate::postgres::{Cluster, ClusterError, kill};
use crate::process::signal;
use crate::relay::Mode;

impl Stage {
    /// The fault, once.
    pub(super) async fn round(&self, fault: Fault) -> Result<(), HistoryError> {
        match fault {
            // These are how the writers commit, and how the instances are set up.
            Fault::OutOfOrder | Fault::Rollbacks | Fault::OneSlot | Fault::ReplicaRole => {}
            Fault::LongTransaction => self.long_transaction().await?,
            Fault::Restart => {
                self.server(Cluster::restart).await?;
                pause(1_000).await;
            }
            Fault::BlackHole => self.black_hole().await,
            Fault::Stopped => self.stopped().await?,
            Fault::LateFill => self.late_fill().await,
            Fault::Triggers => self.triggers().await?,
            Fault::Truncate => self.truncate().await?,
            Fault::KillAll => self.kill_all().await?,
            Fault::KillOne => self.kill_one().await?,
            Fault::OldFill => self.old_fill().await?,
            Fault::RedisFlush => self.shared.flush().await?,
            Fault::RedisRestore => self.shared.restore(A_WHILE).await?,
            Fault::RedisFailover => self.shared.fail_over(A_WHILE).await?,
            Fault::RedisHostile => self.shared.attack(A_WHILE).await?,
            Fault::RedisPaused => self.shared.pause(Duration::from_secs(5)).await?,
            Fault::RedisFull => {
                self.shared.full(true).await?;
                pause(1_500).await;
                self.shared.full(false).await?;
            }
            Fault::Restarted => self.restarted().await?,
            Fault::Restored => {
                self.server(Cluster::back_up).await?;
                pause(1_200).await;
                self.server(Cluster::restore).await?;
                pause(1_000).await;
            }
            Fault::StaleView => self.stale_view().await?,
        }
        pause(500).await;
        Ok(())
    }

    async fn black_hole(&self) {
        self.feed.set(Mode::Silent);
        pause(3_000).await;
        self.feed.set(Mode::Forward);
        pause(300).await;
    }

    async fn late_fill(&self) {
        self.requests.set(Mode::Late(Duration::from_millis(300)));
        pause(900).await;
        self.requests.set(Mode::Forward);
    }

    async fn kill_all(&self) -> Result<(), HistoryError> {
        self.keep_commits_in_memory().await?;
        pause(1_500).await;
        self.server(crash_and_resume).await?;
        pause(1_000).await;
        Ok(())
    }

    async fn old_fill(&self) -> Result<(), HistoryError> {
        self.keep_commits_in_memory().await?;
        pause(1_200).await;
        self.requests.set(Mode::Hold);
        pause(250).await;
        self.server(crash_and_resume).await?;
        // The feed has found the new history before the old answers arrive.
        pause(800).await;
        self.requests.set(Mode::Forward);
        pause(1_000).await;
        Ok(())
    }

    /// The view was built at the begin, which is made an hour ago: the log is cleaned of what has changed
    /// since, and an instance that starts knows of none of it.
    async fn stale_view(&self) -> Result<(), HistoryError> {
        let session = self.session().await?;
        pause(1_000).await;
        session.run(AN_HOUR_LATER).await?;
        let first = self.instances.first().ok_or(NO_PROCESS)?;
        if let Instance::Sidegate(sidegate) = &mut *first.lock().await {
            sidegate.restart(Duration::from_millis(300)).await?;
        }
        self.shared.flush().await?;
        pause(700).await;
        Ok(())
    }

    async fn long_transaction(&self) -> Result<(), HistoryError> {
        let Some(key) = self
            .arena
            .world
            .scenes
            .get(self.spare)
            .and_then(|it| it.shape.single())
        else {
            return Ok(());
        };
        let session = self.session().await?;
        let revoke: [Step; 1] = [(self.spare, Change { key, value: 0 })];
        session
            .run(&format!("begin; {}", self.sql(&revoke)))
            .await?;
        pause(2_000).await;
        self.commit(&session, &revoke, "commit").await?;
        pause(1_500).await;
        let grant: [Step; 1] = [(self.spare, Change { key, value: 1 })];
        self.commit(&session, &grant, &self.sql(&grant)).await
    }

    async fn stopped(&self) -> Result<(), HistoryError> {
        let first = self.instances.first().ok_or(NO_PROCESS)?.lock().await;
        let Instance::Sidegate(sidegate) = &*first else {
            return Err(NO_PROCESS);
        };
        sidegate.signal("STOP")?;
        pause(5_000).await;
        sidegate.signal("CONT")?;
        pause(500).await;
        Ok(())
    }

    /// One instance after the other is away while rights are revoked, and Redis takes no writes: what is
    /// there when it comes back is older than the revocations.
    async fn restarted(&self) -> Result<(), HistoryError> {
        for instance in &self.instances {
            let Instance::Sidegate(sidegate) = &mut *instance.lock().await else {
                return Err(NO_PROCESS);
            };
            self.shared.full(true).await?;
            sidegate.restart(Duration::from_millis(900)).await?;
            pause(300).await;
            self.shared.full(false).await?;
            pause(400).await;
        }
        Ok(())
    }

    /// Three transactions, milliseconds apart: as far as the log can tell, nothing has changed.
    async fn triggers(&self) -> Result<(), HistoryError> {
        let session = self.session().await?;
        {
            let _alone = self.arena.gate.write().await;
            let steps = self.members(|value, _| value == 1, 0, AT_ONCE);
            if !steps.is_empty() {
                session
                    .run("alter table team_members disable trigger user")
                    .await?;
                self.commit(&session, &steps, &self.sql(&steps)).await?;
                session.run(ENABLE).await?;
            }
        }
        pause(400).await;
        Ok(())
    }

    async fn truncate(&self) -> Result<(), HistoryError> {
        let session = self.session().await?;
        {
            let _alone = self.arena.gate.write().await;
            let mut steps = Vec::new();
            for (scene, about) in self.arena.world.scenes.iter().enumerate() {
                let keys = about.shape.memberships();
                steps.extend(
                    keys.into_iter()
                        .map(|key| (scene, Change { key, value: 0 })),
                );
            }
            self.commit(&session, &steps, "truncate team_members")
                .await?;
        }
        pause(1_300).await;
        {
            let _alone = self.arena.gate.write().await;
            let steps = self.members(|value, refilled| value == 0 && refilled, 1, usize::MAX);
            self.commit(&session, &steps, &self.sql(&steps)).await?;
        }
        pause(700).await;
        Ok(())
    }

    async fn kill_one(&self) -> Result<(), HistoryError> {
        let writer = self.keep_commits_in_memory().await?;
        pause(1_500).await;
        let session = self.session().await?;
        let backend = session.value("select pg_backend_pid()").await?;
        kill(&[number(&backend)?])?;
        // By then the server has told its processes to end, and waits for this one.
        pause(100).await;
        signal("CONT", &[writer])?;
        pause(1_500).await;
        Ok(())
    }

    /// Lets the process that writes the log to the disk stand still: what is acknowledged from now on is
    /// lost by a crash, and its transaction ids are given out again. The process.
    async fn keep_commits_in_memory(&self) -> Result<u32, HistoryError> {
        let session = self.session().await?;
        // Or the one that writes pages would write the log before them.
        session
            .run("alter system set bgwriter_lru_maxpages = 0")
            .await?;
        session.run("select pg_reload_conf()").await?;
        let writer = number(&session.value(LOG_WRITER).await?)?;
        signal("STOP", &[writer])?;
        Ok(writer)
    }

    /// Steps that give memberships a value: those whose value, and whether a refill restores them, pass.
    fn members(&self, which: impl Fn(u32, bool) -> bool, value: u32, most: usize) -> Vec<Step> {
        self.arena.with_values(|now| {
            let scenes = self.arena.world.scenes.iter().enumerate();
            let all = scenes.flat_map(|(scene, about)| {
                let refilled = about.shape.refill();
                let keys = about.shape.memberships().into_iter();
                keys.map(move |key| (scene, key, refilled == Some(key)))
            });
            all.filter(|(_, key, refilled)| which(now(*key), *refilled))
                .map(|(scene, key, _)| (scene, Change { key, value }))
                .take(most)
                .collect()
        })
    }

    /// Commits with `sql`, which does all that the steps say that was not done before.
    async fn commit(
        &self,
        session: &Session,
        steps: &[Step],
        sql: &str,
    ) -> Result<(), HistoryError> {
        self.arena.begin(steps.iter().map(|(scene, _)| *scene));
        let call = self.arena.clock.now();
        session.run(sql).await?;
        self.arena.committed(steps, call, self.arena.clock.now());
        Ok(())
    }

    fn sql(&self, steps: &[Step]) -> String {
        statements(&self.arena, steps.iter().map(|(_, change)| change))
    }

    async fn session(&self) -> Result<Session, HistoryError> {
        Session::open(&self.arena.url).await
    }

    /// Does something to the server that takes its time.
    async fn server(
        &self,
        act: fn(&Cluster) -> Result<(), ClusterError>,
    ) -> Result<(), HistoryError> {
        let cluster = Arc::clone(&self.cluster);
        Ok(tokio::task::spawn_blocking(move || act(&cluster)).await??)
    }
}

fn crash_and_resume(cluster: &Cluster) -> Result<(), ClusterError> {
    cluster.crash()?;
    cluster.resume()
}

fn number(text: &str) -> std::io::Result<u32> {
    text.parse().map_err(std::io::Error::other)
}

async fn pause(milliseconds: u64) {
    sleep(Duration::from_millis(milliseconds)).await;
}

/// As long as a fault of Redis lasts that has no length of its own.
const A_WHILE: Duration = Duration::from_millis(1_200);

/// For the log's clean-up and for the view.
const AN_HOUR_LATER: &str = "\
update sidegate.horizon set noted_at = noted_at - interval '61 minutes'; \
update sidegate.mv_meta set refreshed_at = refreshed_at - interval '61 minutes'; \
select sidegate.clean('1 hour', 5000)";

const NO_PROCESS: HistoryError = HistoryError::Silent("only a process can be stopped");

const LOG_WRITER: &str = "select pid from pg_stat_activity where backend_type = 'walwriter'";

/// As `sidegate migrate` leaves them.
const ENABLE: &str = "\
alter table team_members enable always trigger sidegate_insert, \
enable always trigger sidegate_update, \
enable always trigger sidegate_delete, \
enable always trigger sidegate_truncate";

/// Memberships that are revoked unseen in one round.
const AT_ONCE: usize = 10;
