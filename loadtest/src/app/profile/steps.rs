//! The steps of one request around its handler.
//!
//! Promises: see [`super`]. A connection is held for one step and no longer. Does not: change what a handler
//! answers; only when.

use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::body::{Body, to_bytes};
use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use futures_util::future::try_join_all;
use http::request::Parts;
use http::{HeaderMap, Method, StatusCode};
use tokio::time::{sleep, sleep_until};
use uuid::Uuid;

use super::assertion::Assertions;
use super::pieces::Pieces;
use super::questions;
use super::timing::Timing;
use super::token::Tokens;
use super::{Conduct, Profile, ProfileError};
use crate::app::caller::{Action, Caller, Resource, decision, single};
use crate::app::database::Database;
use crate::app::problem::Problem;

/// A profile, ready to go.
pub(in crate::app) struct Steps {
    database: Database,
    tokens: Tokens,
    assertions: Option<Assertions>,
    /// Whether the record is loaded before, and the handler's query is beside the work and not in it.
    loads: bool,
    work: Duration,
    sending: Duration,
}

/// One request: the steps, its handler, its answer.
pub(in crate::app) async fn through(
    State(steps): State<Arc<Steps>>,
    request: Request,
    next: Next,
) -> Response {
    let mut timing = Timing::default();
    let (mut head, body) = request.into_parts();
    let response = match steps.before(&head, &mut timing).await {
        Ok(caller) => {
            head.extensions.insert(caller);
            let request = Request::from_parts(head, body);
            steps.act(request, next, &mut timing).await
        }
        Err(problem) => problem.into_response(),
    };
    steps.send(response, timing).await
}

impl Steps {
    /// `None`: the handlers alone. With its connections open and its statements prepared on each.
    pub(in crate::app) async fn new(
        conduct: &Conduct,
        database: &Database,
    ) -> Result<Option<Arc<Self>>, ProfileError> {
        let assertions = match conduct.profile {
            Profile::Plain => return Ok(None),
            Profile::Legacy => None,
            Profile::Trusting | Profile::Tuned => Some(Assertions::new(conduct.keys().await?)),
        };
        let (work, sending) = conduct.profile.times();
        let steps = Self {
            database: database.clone(),
            tokens: Tokens::new(conduct.secret()?),
            assertions,
            loads: conduct.profile != Profile::Tuned,
            work: conduct.work.unwrap_or(work),
            sending: conduct.sending.unwrap_or(sending),
        };
        steps.warm().await?;
        Ok(Some(Arc::new(steps)))
    }

    async fn warm(&self) -> Result<(), ProfileError> {
        let all = (0..self.database.connections()).map(|_| self.database.client());
        let clients = try_join_all(all).await?;
        try_join_all(clients.iter().map(questions::prepare)).await?;
        Ok(())
    }

    /// Who asks, and whether they may.
    async fn before(&self, request: &Parts, timing: &mut Timing) -> Result<Caller, Problem> {
        let headers = &request.headers;
        let vouched = match &self.assertions {
            Some(assertions) => assertions.subject(headers).await,
            None => None,
        };
        let user = match vouched {
            Some(user) => user,
            None => {
                let user = timing.step("auth", self.authenticate(headers)).await?;
                timing.step("service_key", self.service()).await?;
                user
            }
        };
        let asked = asked(&request.method, request.uri.path());
        if self.loads {
            let about = asked.map_or(Resource::User(user), |(_, resource)| resource);
            timing.step("database", self.record(about)).await?;
        }
        let Some((action, resource)) = asked else {
            return Ok(Caller::found(user, None));
        };
        // Only beside an assertion is it Sidegate's word.
        let told = vouched.and_then(|_| single(headers, "x-sidegate-authorized"));
        let caller = Caller::found(user, told.map(str::to_owned));
        if caller.is_authorized(action, resource) {
            return Ok(caller);
        }
        let deciding = self.authorize(user, action, resource);
        timing.step("authorization", deciding).await?;
        Ok(Caller::found(user, Some(decision(action, resource))))
    }

    async fn authenticate(&self, headers: &HeaderMap) -> Result<Uuid, Problem> {
        let user = self.tokens.subject(headers)?;
        questions::user(&self.database.client().await?, user).await?;
        Ok(user)
    }

    async fn service(&self) -> Result<(), Problem> {
        questions::service(&self.database.client().await?).await
    }

    async fn record(&self, about: Resource) -> Result<(), Problem> {
        questions::record(&self.database.client().await?, about).await
    }

    async fn authorize(
        &self,
        user: Uuid,
        action: Action,
        resource: Resource,
    ) -> Result<(), Problem> {
        let client = self.database.client().await?;
        questions::authorize(&client, user, action, resource).await
    }

    async fn act(&self, request: Request, next: Next, timing: &mut Timing) -> Response {
        let begun = Instant::now();
        let response = next.run(request).await;
        if self.loads {
            timing.add("database", begun.elapsed());
            timing.step("work", sleep(self.work)).await;
        } else {
            sleep_until((begun + self.work).into()).await;
            timing.add("work", begun.elapsed());
        }
        response
    }

    async fn send(&self, response: Response, mut timing: Timing) -> Response {
        timing.add("send", self.sending);
        let (mut head, body) = response.into_parts();
        if let Some(value) = timing.value() {
            head.headers.insert("server-timing", value);
        }
        let Ok(whole) = to_bytes(body, LARGEST).await else {
            return StatusCode::INTERNAL_SERVER_ERROR.into_response();
        };
        if whole.is_empty() {
            sleep(self.sending).await;
            return Response::from_parts(head, Body::empty());
        }
        Response::from_parts(head, Body::new(Pieces::new(whole, self.sending)))
    }
}

/// What is asked of which resource, by the application's routes. A list, and what is none of ours, is about no
/// resource: its handler says what may be seen.
fn asked(method: &Method, path: &str) -> Option<(Action, Resource)> {
    let mut parts = path.strip_prefix("/api/")?.split('/');
    let (kind, id, further) = (parts.next()?, parts.next()?, parts.next());
    let id = Uuid::try_parse(id).ok()?;
    let resource = match kind {
        "generations" => Resource::Generation(id),
        "projects" => Resource::Project(id),
        "teams" => Resource::Team(id),
        "users" => Resource::User(id),
        _ => return None,
    };
    let is_read = *method == Method::GET || *method == Method::HEAD;
    let action = match (further, kind) {
        (_, _) if is_read => Action::Read,
        (Some("share"), _) | (Some("members"), _) => Action::Share,
        (_, _) if *method == Method::DELETE => Action::Delete,
        (_, _) => Action::Write,
    };
    Some((action, resource))
}

/// A list of a hundred rows is a tenth of it.
const LARGEST: usize = 256 * 1024;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_route_asks_for_its_action_and_a_list_for_none() {
        let id = Uuid::from_u128(7);
        let (generation, team) = (Resource::Generation(id), Resource::Team(id));
        let project = Resource::Project(id);
        for (method, path, expected) in [
            (
                Method::GET,
                "generations/ID/media",
                Some((Action::Read, generation)),
            ),
            (Method::HEAD, "teams/ID/members", Some((Action::Read, team))),
            (
                Method::POST,
                "generations/ID/share",
                Some((Action::Share, generation)),
            ),
            (
                Method::DELETE,
                "teams/ID/members",
                Some((Action::Share, team)),
            ),
            (Method::PATCH, "projects/ID", Some((Action::Write, project))),
            (
                Method::POST,
                "projects/ID/generations",
                Some((Action::Write, project)),
            ),
            (
                Method::DELETE,
                "projects/ID",
                Some((Action::Delete, project)),
            ),
            (Method::GET, "generations", None),
            (Method::GET, "users/profile", None),
        ] {
            let path = format!("/api/{path}").replace("ID", &id.to_string());
            assert_eq!(asked(&method, &path), expected, "{method} {path}");
        }
    }
}
