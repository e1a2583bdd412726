//! What a case is played on: a database server, a Redis, relays, two instances, and the world in the tables.
//!
//! Promises: everything is a case's own and gone when it is dropped, instances first; an instance reaches
//! the database by the relays alone, one for requests and one for the change feed, and Redis by one.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Mutex;
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

use super::HistoryError;
use super::arena::{Arena, Probe};
use super::clock::Clock;
use super::front::{Front, Log, Ticket};
use super::reader::Lags;
use super::scene::Shape;
use super::session::Session;
use super::shared::Shared;
use super::world::World;
use crate::app::SCHEMA;
use crate::postgres::Cluster;
use crate::process::{Extent, Setup, Sidegate, command, migrate};
use crate::relay::Relay;
use crate::server::{Server, Stub};

/// What answers in a case.
#[derive(Debug, Clone)]
pub(super) enum Actor {
    /// A binary, and what its environment says.
    Binary {
        path: PathBuf,
        environment: Vec<(&'static str, &'static str)>,
    },
    /// A stand-in that keeps an allow for so long.
    Stub(Duration),
}

/// Everything of one case.
#[derive(Debug)]
pub(super) struct Stage {
    pub(super) instances: Vec<Mutex<Instance>>,
    pub(super) shared: Shared,
    pub(super) fronts: Vec<Arc<Front>>,
    pub(super) arena: Arc<Arena>,
    pub(super) log: Arc<Log>,
    pub(super) lags: Arc<Lags>,
    /// Between the instances and the database: questions of requests.
    pub(super) requests: Relay,
    /// The same: the change feed.
    pub(super) feed: Relay,
    pub(super) cluster: Arc<Cluster>,
    /// Questions whose answers have no end; a stand-in has none.
    pub(super) watched: Vec<usize>,
    /// A scene of one membership that no writer has.
    pub(super) spare: usize,
    _application: Server,
}

/// One of those that are asked.
#[derive(Debug)]
pub(super) enum Instance {
    Sidegate(Sidegate),
    Stub(Server),
}

impl Stage {
    /// With so many scenes; `patience` is for one question to the database, in seconds; `view` asks for the
    /// materialized view, which is then built once. The probes
    /// come from what is written.
    pub(super) async fn set(
        actor: &Actor,
        scenes: usize,
        patience: u32,
        view: bool,
    ) -> Result<(Self, UnboundedReceiver<Probe>), HistoryError> {
        let cluster = Arc::new(tokio::task::spawn_blocking(Cluster::start).await??);
        let is_sidegate = matches!(actor, Actor::Binary { .. });
        let (url, world) = (cluster.url("app"), World::new(scenes, is_sidegate));
        let session = Session::open(&cluster.url("postgres")).await?;
        session.run("create database app").await?;
        session.run(&format!("create role {LOGIN} login")).await?;
        let session = Session::open(&url).await?;
        session.run(SCHEMA).await?;
        session.run(&world.sql()).await?;

        let server = address(&url)?;
        let (requests, feed) = (Relay::to(server).await?, Relay::to(server).await?);
        let shared = Shared::start().await?;
        let clock = Clock::start();
        let application = Server::application(clock.begin()).await?;
        let by = |relay: &Relay| format!("postgres://{LOGIN}@{}/app", relay.address());
        let setup = Setup {
            upstream: application.address(),
            redis: Some(shared.url()),
            credentials: true,
            view,
            url: by(&requests),
            feed_url: by(&feed),
            owner_url: url.clone(),
            patience,
            threads: 2,
            telemetry: Setup::QUIET,
            extent: Extent::SMALL,
        };
        let (instances, tickets) = cast(actor, &setup, &world).await?;

        let mut scenes = world.scenes.iter();
        let spare = scenes.position(|scene| matches!(scene.shape, Shape::Member(_)));
        let (sender, probes) = unbounded_channel();
        let arena = Arc::new(Arena::new(clock, world, url, sender));
        let mut fronts = Vec::new();
        for (number, instance) in instances.iter().enumerate() {
            let front = Front::new(number, &instance.address(), &tickets).await?;
            fronts.push(Arc::new(front));
        }
        let stage = Self {
            instances: instances.into_iter().map(Mutex::new).collect(),
            shared,
            fronts,
            watched: if is_sidegate {
                arena.world.watched()
            } else {
                Vec::new()
            },
            arena,
            log: Arc::default(),
            lags: Arc::default(),
            requests,
            feed,
            cluster,
            spare: spare.unwrap_or_default(),
            _application: application,
        };
        Ok((stage, probes))
    }

    /// The scenes of each writer.
    pub(super) fn parts(&self, writers: usize) -> Vec<Vec<usize>> {
        let all = (0..self.arena.world.scenes.len()).filter(|scene| *scene != self.spare);
        let scenes: Vec<usize> = all.collect();
        let mut parts = vec![Vec::new(); writers];
        for (at, scene) in scenes.into_iter().enumerate() {
            if let Some(part) = parts.get_mut(at % writers.max(1)) {
                part.push(scene);
            }
        }
        parts
    }
}

impl Instance {
    fn address(&self) -> String {
        match self {
            Self::Sidegate(sidegate) => sidegate.proxy().to_owned(),
            Self::Stub(server) => server.address().to_string(),
        }
    }
}

/// Those who answer, and what each question is asked by.
async fn cast(
    actor: &Actor,
    setup: &Setup,
    world: &World,
) -> Result<(Vec<Instance>, Vec<Ticket>), HistoryError> {
    let mut instances = Vec::new();
    let mut tickets = Vec::with_capacity(world.questions.len());
    match actor {
        Actor::Binary { path, environment } => {
            migrate(path, setup).await?;
            let owner = Session::open(&setup.owner_url).await?;
            owner.run(&world.service_keys()).await?;
            let start = || Sidegate::start(path, setup, environment);
            let (one, other) = tokio::try_join!(start(), start())?;
            if setup.view {
                // Once, and by nobody any more.
                command(path, setup, &["view", "refresh"]).await?;
            }
            for question in &world.questions {
                tickets.push(Ticket::new(question, Some(&one)).await?);
            }
            instances.extend([one, other].map(Instance::Sidegate));
        }
        Actor::Stub(keep) => {
            let mut users = HashMap::new();
            for question in &world.questions {
                let ticket = Ticket::new(question, None).await?;
                users.extend(ticket.token().map(|it| (it.to_owned(), question.user)));
                tickets.push(ticket);
            }
            for _ in 0..INSTANCES {
                // Its owner's rights: there is nobody to grant the login any.
                let stub = Stub::new(&setup.owner_url, users.clone(), *keep)?;
                instances.push(Instance::Stub(Server::stub(stub).await?));
            }
        }
    }
    Ok((instances, tickets))
}

/// Host and port of a URL of ours.
fn address(url: &str) -> Result<SocketAddr, HistoryError> {
    let place = url.split_once('@').map_or(url, |(_, place)| place);
    let host = place.split_once('/').map_or(place, |(host, _)| host);
    host.parse()
        .map_err(|_not_ours| HistoryError::Silent("the server's address is none"))
}

const INSTANCES: usize = 2;

/// Who an instance is to the database.
const LOGIN: &str = "sidegate_login";
