//! What rows are measured on: one owner and many generations, each of them a question of its own.

use std::path::{Path, PathBuf};
use std::time::Duration;

use bytes::Bytes;
use http::{Method, Request, header};
use http_body_util::Empty;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout};
use tokio_postgres::{Client, NoTls};
use uuid::Uuid;

use super::BenchError;
use crate::app::SCHEMA;
use crate::connection::{Answer, Connection};
use crate::ids::{Table, id};
use crate::postgres::Cluster;
use crate::process::{Extent, Setup, Sidegate, migrate, token};
use crate::server::Server;
use crate::{Header, Load, Plan, Reach, Report, Schedule, Target, run};

/// A database with so many generations, and an application.
pub(super) struct Stage {
    cluster: Cluster,
    _application: Server,
    setup: Setup,
    token: String,
    generations: Vec<Uuid>,
}

impl Stage {
    pub(super) async fn set(binary: &Path, generations: usize) -> Result<Self, BenchError> {
        let owner = id(Table::Users, 0, SEED);
        let generations: Vec<Uuid> = (0..u64::try_from(generations).unwrap_or(u64::MAX))
            .map(|number| id(Table::Generations, number, SEED))
            .collect();
        let cluster = tokio::task::spawn_blocking(Cluster::start).await??;
        let url = cluster.create_database("app")?;
        fill(&url, owner, &generations).await?;
        Self::over(binary, (cluster, url), owner, generations).await
    }

    /// A database with what these statements say in place of it; nobody's generations are asked for by the rest.
    pub(super) async fn filled(binary: &Path, statements: &str) -> Result<Self, BenchError> {
        let cluster = tokio::task::spawn_blocking(Cluster::start).await??;
        let url = cluster.create_database("app")?;
        let (client, _driver) = connect(&url).await?;
        let role = format!("create role {LOGIN} login; {SCHEMA}");
        client.batch_execute(&role).await?;
        client.batch_execute(statements).await?;
        client.batch_execute("analyze").await?;
        Self::over(binary, (cluster, url), Uuid::nil(), Vec::new()).await
    }

    async fn over(
        binary: &Path,
        (cluster, url): (Cluster, String),
        owner: Uuid,
        generations: Vec<Uuid>,
    ) -> Result<Self, BenchError> {
        let application = Server::application(std::time::Instant::now()).await?;
        let login = url.replacen("sidegate@", &format!("{LOGIN}@"), 1);
        let setup = Setup {
            upstream: application.address(),
            redis: None,
            credentials: false,
            view: false,
            url: login.clone(),
            feed_url: login,
            owner_url: url,
            patience: 2,
            threads: 2,
            telemetry: Setup::QUIET,
            extent: Extent::SMALL,
        };
        migrate(binary, &setup).await?;
        let token = token(owner, None)?;
        Ok(Self {
            cluster,
            _application: application,
            setup,
            token,
            generations,
        })
    }

    /// An instance that is set up like the others but for this; ready, and with its connections.
    pub(super) async fn started(
        &self,
        binary: &Path,
        change: impl FnOnce(&mut Setup),
    ) -> Result<Sidegate, BenchError> {
        let mut setup = self.setup.clone();
        change(&mut setup);
        let sidegate = Sidegate::start(binary, &setup, &[]).await?;
        wait(&sidegate, "sidegate_cache_open", 1).await?;
        if setup.redis.is_some() {
            wait(&sidegate, "sidegate_l2_admitted", 1).await?;
            wait(&sidegate, "sidegate_l2_connections", 1).await?;
        }
        Ok(sidegate)
    }

    /// A connection to the database as its owner, and what moves its bytes.
    pub(super) async fn owner(&self) -> Result<(Client, JoinSet<()>), BenchError> {
        connect(&self.setup.owner_url).await
    }

    /// Where the database server writes its log.
    pub(super) fn log(&self) -> PathBuf {
        self.cluster.log()
    }

    /// What is there to be asked for.
    pub(super) fn generations(&self) -> &[Uuid] {
        &self.generations
    }

    /// An instance with one thread, started by this program, that tells about requests like this; hot.
    pub(super) async fn measured(
        &self,
        binary: &Path,
        under: &[String],
        telemetry: &'static str,
    ) -> Result<Sidegate, BenchError> {
        let setup = Setup {
            threads: 1,
            patience: 30,
            telemetry,
            ..self.setup.clone()
        };
        let sidegate = Sidegate::start_under(under, binary, &setup).await?;
        wait(&sidegate, "sidegate_cache_open", 1).await?;
        Ok(sidegate)
    }

    /// What is asked for, of the first generation.
    pub(super) fn path(&self) -> String {
        let first = self.generations.first().copied().unwrap_or_default();
        format!("/g/{first}")
    }

    /// The owner's token.
    pub(super) fn token(&self) -> &str {
        &self.token
    }

    /// An instance, over this Redis if there is one; ready, and with its connections.
    pub(super) async fn instance(
        &self,
        binary: &Path,
        redis: Option<String>,
    ) -> Result<Sidegate, BenchError> {
        self.started(binary, |setup| setup.redis = redis).await
    }

    /// Asks for one generation after the other at a constant rate, none twice.
    pub(super) async fn once_each(
        &self,
        sidegate: &Sidegate,
        rate: u32,
    ) -> Result<Report, BenchError> {
        let all = Duration::from_secs(
            u64::try_from(self.generations.len()).unwrap_or(u64::MAX) / u64::from(rate),
        );
        self.paced(sidegate, rate, all).await
    }

    /// Asks for the generations in turns at a constant rate, for so long.
    pub(super) async fn paced(
        &self,
        sidegate: &Sidegate,
        rate: u32,
        span: Duration,
    ) -> Result<Report, BenchError> {
        let report = self.load(sidegate.proxy(), rate, span).await?;
        let good = report.status.get(&200).copied().unwrap_or_default();
        if good != report.arrivals {
            let (asked, errors) = (report.arrivals, &report.errors);
            let why = format!("{good} of {asked} requests were answered with 200: {errors:?}");
            return Err(BenchError::Silent(why));
        }
        Ok(report)
    }

    /// The same of whoever is at an address, whatever is answered.
    pub(super) async fn load(
        &self,
        address: &str,
        rate: u32,
        span: Duration,
    ) -> Result<Report, BenchError> {
        let mut targets = Vec::with_capacity(self.generations.len());
        for generation in &self.generations {
            let url = format!("http://{address}/g/{generation}");
            targets.push(Target::resolve(&url, Reach::LoopbackOnly).await?);
        }
        let header: Header = format!("Authorization: Bearer {}", self.token).parse()?;
        let plan = Plan::new(Load {
            targets,
            method: Method::GET,
            headers: vec![header],
            schedule: Schedule::new(rate, WARM_UP, span.saturating_sub(WARM_UP))?,
            connections: CONNECTIONS,
            sources: 0,
            timeout: Duration::from_secs(5),
        })?;
        Ok(run(plan, |_progress| {}).await?)
    }

    /// Answers a second to as many clients as there are connections, who ask for the first few generations
    /// again and again.
    pub(super) async fn hot(&self, sidegate: &Sidegate, span: Duration) -> Result<f64, BenchError> {
        let url = format!("http://{}/", sidegate.proxy());
        let target = Target::resolve(&url, Reach::LoopbackOnly).await?;
        let mut requests = Vec::new();
        for generation in self.generations.iter().take(HOT) {
            let request = Request::get(format!("/g/{generation}"))
                .header(header::HOST, target.host())
                .header(header::AUTHORIZATION, format!("Bearer {}", self.token))
                .body(Empty::new())?;
            requests.push(request);
        }
        let begun = Instant::now();
        let mut clients = JoinSet::new();
        for client in 0..CONNECTIONS {
            let (requests, origin) = (requests.clone(), target.origin().clone());
            clients.spawn(async move {
                let mut connection = Connection::new(origin);
                let mut answers = 0_u32;
                for request in requests.iter().cycle().skip(client) {
                    if begun.elapsed() >= span {
                        break;
                    }
                    if let Ok(answer) = exchange(&mut connection, request).await
                        && answer.status == http::StatusCode::OK
                    {
                        answers = answers.saturating_add(1);
                    }
                }
                answers
            });
        }
        let mut answers = 0;
        while let Some(counted) = clients.join_next().await {
            answers += counted?;
        }
        Ok(f64::from(answers) / begun.elapsed().as_secs_f64())
    }
}

/// Sends a request and reads its answer, within a time after which nobody waits any more.
pub(super) async fn exchange(
    connection: &mut Connection,
    request: &Request<Empty<Bytes>>,
) -> Result<Answer, BenchError> {
    let Ok(answer) = timeout(ANSWER, connection.exchange(request)).await else {
        // An answer that still comes is none to the next request.
        connection.close();
        let why = format!("no answer within {} s", ANSWER.as_secs());
        return Err(BenchError::Silent(why));
    };
    answer.map_err(|error| BenchError::Silent(error.to_string()))
}

/// Waits until a metric has at least this value.
pub(crate) async fn wait(sidegate: &Sidegate, metric: &str, least: u64) -> Result<(), BenchError> {
    let end = Instant::now() + PATIENCE;
    while sidegate.metric(metric).await? < least {
        if Instant::now() > end {
            return Err(BenchError::Silent(format!(
                "{metric} does not reach {least}"
            )));
        }
        sleep(LOOK).await;
    }
    Ok(())
}

async fn connect(url: &str) -> Result<(Client, JoinSet<()>), BenchError> {
    let (client, connection) = tokio_postgres::connect(url, NoTls).await?;
    let mut driver = JoinSet::new();
    // How it ends is seen by the statement that is under way.
    driver.spawn(async move { drop(connection.await) });
    Ok((client, driver))
}

/// An owner with generations, in a database with the application's tables and [`LOGIN`].
pub(crate) async fn fill(url: &str, owner: Uuid, generations: &[Uuid]) -> Result<(), BenchError> {
    let (client, _driver) = connect(url).await?;
    client
        .batch_execute(&format!("create role {LOGIN} login; {SCHEMA}"))
        .await?;
    client
        .execute(
            "insert into users (id, email) values ($1, 'owner@example.invalid')",
            &[&owner],
        )
        .await?;
    let sql = "insert into generations (id, user_id) select id, $1 from unnest($2::uuid[]) id";
    client.execute(sql, &[&owner, &generations]).await?;
    client.batch_execute("analyze").await?;
    Ok(())
}

/// Who an instance is to the database.
pub(crate) const LOGIN: &str = "sidegate_login";
/// Of the ids.
const SEED: u64 = 1;
const CONNECTIONS: usize = 16;
/// Generations that are asked for again and again.
const HOT: usize = 50;
const WARM_UP: Duration = Duration::from_secs(1);
const LOOK: Duration = Duration::from_millis(20);
const PATIENCE: Duration = Duration::from_secs(30);
const ANSWER: Duration = Duration::from_secs(5);
