//! What the materialized view costs, beside the one that the platform's papers have: every user with every
//! generation.
//!
//! Promises: both are built in one run on one server, over rows of the same kind: of ten users one team, of
//! ten generations one project, half of the projects with a team, two teams for each user. Times are the
//! server's own work, seen from the client.

use std::path::Path;
use std::time::Duration;

use tokio::time::Instant;
use tokio_postgres::{Client, NoTls};

use super::{Bench, BenchError, Line, Outcome, Row};
use crate::app::SCHEMA;
use crate::postgres::Cluster;
use crate::process::{Extent, Setup, command, migrate};

/// What building one takes.
struct Cost {
    rows: i64,
    bytes: i64,
    first: Duration,
    again: Option<Duration>,
}

/// The papers' at two sizes, ours at a third.
pub(super) async fn cost(bench: &Bench) -> Result<Line, BenchError> {
    let cluster = tokio::task::spawn_blocking(Cluster::start).await??;
    let small = papers(&cluster, "small", 100, 10_000).await?;
    let large = papers(&cluster, "large", 1_000, 10_000).await?;
    let ours = ours(&cluster, &bench.sidegate, 10_000, 100_000).await?;
    // Rows of the papers' view are users x completed generations, and so is its time.
    let per_row = large.first.as_secs_f64() / number(large.rows).max(1.0);
    let whole = number(10_000 * 100_000);
    let measured = format!(
        "{ours} at 10^4 x 10^5; the papers' {small} at 10^2 x 10^4, {large} at 10^3 x 10^4, so about {:.0} s \
         and {:.0} GB at 10^4 x 10^5",
        per_row * whole,
        number(large.bytes) / number(large.rows).max(1.0) * whole / 1e9,
    );
    let most = per_row * whole / 10.0;
    let mut reasons = Vec::new();
    match ours.again.map(|again| again.as_secs_f64()) {
        Some(again) if again <= most => {}
        Some(again) => reasons.push(format!(
            "built anew it took {again:.2} s, which is above {most:.2} s, a tenth of the papers'"
        )),
        None => reasons.push("it was not built anew".to_owned()),
    }
    Ok(Line {
        row: Row::View,
        measured,
        outcome: Outcome::unless(&reasons),
    })
}

async fn papers(
    cluster: &Cluster,
    name: &str,
    users: i64,
    generations: i64,
) -> Result<Cost, BenchError> {
    let url = cluster.create_database(name)?;
    let (client, _driver) = filled(&url, users, generations).await?;
    let begun = Instant::now();
    client.batch_execute(PAPERS).await?;
    measured(&client, "papers", begun.elapsed(), None).await
}

async fn ours(
    cluster: &Cluster,
    binary: &Path,
    users: i64,
    generations: i64,
) -> Result<Cost, BenchError> {
    let url = cluster.create_database("app")?;
    let (client, _driver) = filled(&url, users, generations).await?;
    client
        .batch_execute("create role sidegate_login login")
        .await?;
    let login = url.replacen("sidegate@", "sidegate_login@", 1);
    let nowhere = std::net::SocketAddr::from(([127, 0, 0, 1], 9));
    let setup = Setup {
        upstream: nowhere,
        redis: None,
        credentials: false,
        view: true,
        url: login.clone(),
        feed_url: login,
        owner_url: url,
        patience: 2,
        threads: 2,
        telemetry: Setup::QUIET,
        extent: Extent::SMALL,
    };
    migrate(binary, &setup).await?;
    let mut took = Vec::new();
    for _ in 0..2 {
        let begun = Instant::now();
        command(binary, &setup, &["view", "refresh"]).await?;
        took.push(begun.elapsed());
    }
    let first = took.first().copied().unwrap_or_default();
    let name = "sidegate.mv_user_authorization_context";
    measured(&client, name, first, took.get(1).copied()).await
}

async fn measured(
    client: &Client,
    name: &str,
    first: Duration,
    again: Option<Duration>,
) -> Result<Cost, BenchError> {
    let sql = format!("select count(*), pg_total_relation_size('{name}') from {name}");
    let row = client.query_one(&sql, &[]).await?;
    Ok(Cost {
        rows: row.try_get(0)?,
        bytes: row.try_get(1)?,
        first,
        again,
    })
}

async fn filled(
    url: &str,
    users: i64,
    generations: i64,
) -> Result<(Client, tokio::task::JoinSet<()>), BenchError> {
    let (client, connection) = tokio_postgres::connect(url, NoTls).await?;
    let mut driver = tokio::task::JoinSet::new();
    // How it ends is seen by the statement that is under way.
    driver.spawn(async move { drop(connection.await) });
    client.batch_execute(SCHEMA).await?;
    let rows = FILL
        .replace("USERS", &users.to_string())
        .replace("GENERATIONS", &generations.to_string());
    client.batch_execute(&rows).await?;
    Ok((client, driver))
}

impl std::fmt::Display for Cost {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (rows, first) = (self.rows, self.first.as_secs_f64());
        write!(
            f,
            "{rows} rows, {:.0} MB, built in {first:.2} s",
            number(self.bytes) / 1e6
        )?;
        match self.again {
            Some(again) => write!(
                f,
                " and again beside readers in {:.2} s",
                again.as_secs_f64()
            ),
            None => Ok(()),
        }
    }
}

/// A count as a number to reckon with.
#[expect(
    clippy::cast_precision_loss,
    reason = "of at most a few digits' interest"
)]
const fn number(count: i64) -> f64 {
    count as f64
}

/// As they have it.
const PAPERS: &str = "\
create materialized view papers as \
select u.id as user_id, g.id as generation_id, g.project_id, \
    case when g.user_id = u.id then 'owner' when tm.role is not null then tm.role \
         when p.visibility = 'public' then 'viewer' end as effective_role, \
    g.user_id = u.id as has_direct_access, tm.role is not null as has_team_access, \
    coalesce(p.visibility in ('public', 'team_open'), false) as has_public_access \
from users u cross join generations g left join projects p on p.id = g.project_id \
left join team_members tm on tm.team_id = p.team_id and tm.user_id = u.id \
where g.status = 'completed'; \
create unique index on papers (user_id, generation_id)";

const FILL: &str = "\
create function u(n bigint) returns uuid language sql immutable as $$ \
    select ('00000000-0000-4000-8000-' || lpad(n::text, 12, '0'))::uuid $$; \
insert into users (id, email) select u(n), n || '@example.invalid' from generate_series(1, USERS) n; \
insert into teams (id, name) select u(n), 'team' from generate_series(1, USERS / 10) n; \
insert into team_members (team_id, user_id, role) \
    select u(n % (USERS / 10) + 1), u(n), 'viewer' from generate_series(1, USERS) n \
    union select u((n * 7 + 3) % (USERS / 10) + 1), u(n), 'editor' from generate_series(1, USERS) n \
    where (n * 7 + 3) % (USERS / 10) <> n % (USERS / 10); \
insert into projects (id, user_id, team_id, visibility) \
    select u(n), u(n % USERS + 1), case when n % 2 = 0 then u(n % (USERS / 10) + 1) end, \
           case when n % 20 = 0 then 'public' else 'private' end from generate_series(1, GENERATIONS / 10) n; \
insert into generations (id, user_id, project_id, status) \
    select u(n), u(n % USERS + 1), u(n % (GENERATIONS / 10) + 1), 'completed' from generate_series(1, GENERATIONS) n; \
analyze";
