//! The example application: users, teams, projects and generations over Postgres.
//!
//! # Layout
//!
//! A handler takes the caller, checks what the caller may do where Sidegate has not decided
//! it, reads or writes rows, and answers JSON. Whatever is wrong is a problem. A [`Profile`] puts steps
//! around it, so that the application is as slow as one that does everything itself.
//!
//! Promises, of the profile `plain`: the caller is whom `X-Sidegate-Subject` names; a check is skipped only where
//! `X-Sidegate-Authorized` names exactly this action on exactly this resource, and made against
//! the database otherwise, so that the application can be measured with and without Sidegate;
//! lists hold only what the caller may see; ids in bodies are checked here; connections to the
//! database and the time of a statement are bounded.
//!
//! Does not: verify tokens or signatures in that profile. Whoever reaches its port can be anyone: it belongs
//! behind Sidegate, on loopback.

mod access;
mod caller;
mod database;
mod generations;
mod input;
mod problem;
mod profile;
mod projects;
mod teams;
mod users;

use std::io;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::middleware::from_fn_with_state;
use axum::routing::{get, post};
use axum::serve::ListenerExt;
use tokio::net::TcpListener;

use profile::{Steps, through};

pub use database::{Database, DatabaseError, Limits};
pub use profile::{Conduct, NoSuchProfile, Profile, ProfileError};

/// The tables, their constraints and indexes.
pub const SCHEMA: &str = include_str!("../sql/schema.sql");

/// The application, ready to be served.
#[derive(Debug)]
pub struct App(Router);

impl App {
    /// Over this database. `conduct` may need connections to it: they are opened here.
    ///
    /// # Errors
    ///
    /// When the profile lacks something, or the database that it needs.
    pub async fn new(database: Database, conduct: &Conduct) -> Result<Self, ProfileError> {
        let mut routes = router();
        if let Some(steps) = Steps::new(conduct, &database).await? {
            routes = routes.route_layer(from_fn_with_state(steps, through));
        }
        let routes = routes.route("/health", get(health));
        Ok(Self(routes.with_state(database)))
    }

    /// Serves it on `listener` until `stop` is done, then finishes what it has begun.
    ///
    /// # Errors
    ///
    /// When the listener fails for good.
    pub async fn serve(
        self,
        listener: TcpListener,
        stop: impl Future<Output = ()> + Send + 'static,
    ) -> io::Result<()> {
        // Without it the pieces of an answer would wait for each other.
        axum::serve(
            listener.tap_io(|stream| drop(stream.set_nodelay(true))),
            self.0,
        )
        .with_graceful_shutdown(stop)
        .await
    }
}

/// What needs a caller.
fn router() -> Router<Database> {
    Router::new()
        .route("/api/users/profile", get(users::profile))
        .route("/api/users/{id}/generations", get(users::generations))
        .route(
            "/api/generations",
            get(generations::list).post(generations::create),
        )
        .route(
            "/api/generations/{id}",
            get(generations::show)
                .patch(generations::change)
                .delete(generations::delete),
        )
        .route("/api/generations/{id}/related", get(generations::related))
        .route("/api/generations/{id}/media", get(generations::media))
        .route("/api/generations/{id}/share", post(generations::share))
        .route("/api/projects", get(projects::list).post(projects::create))
        .route(
            "/api/projects/{id}",
            get(projects::show)
                .patch(projects::change)
                .delete(projects::delete),
        )
        .route("/api/projects/{id}/generations", post(projects::generate))
        .route("/api/teams/{id}", get(teams::show))
        .route(
            "/api/teams/{id}/members",
            get(teams::members).post(teams::join).delete(teams::leave),
        )
        .layer(DefaultBodyLimit::max(LARGEST_BODY))
}

/// Alive, with or without a database.
async fn health() -> &'static str {
    "ok"
}

/// No body has more than three short fields.
const LARGEST_BODY: usize = 16 * 1024;
