//! What one run will do, parsed: nothing in a [`Plan`] can be out of bounds.
//!
//! Promises: requests are prepared once and only copied during the run; every bound that keeps a
//! run small enough for one machine is held here or in [`Schedule`].
//!
//! Does not: know how the values were given; the command line is the binary's.

use std::borrow::Cow;
use std::fmt;
use std::net::Ipv4Addr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::HOST;
use http::{HeaderMap, Method, Request, Uri};
use http_body_util::Empty;
use rustix::process::{Resource, getrlimit, setrlimit};
use thiserror::Error;

use crate::question::{Expected, Header, Question};
use crate::schedule::Schedule;
use crate::target::{Origin, Target};

/// The sockets of one run: half of the ports a Linux machine has for one destination.
pub const MAX_CONNECTIONS: usize = 15_000;

/// The longest time one request may take: the end of the histogram.
pub const MAX_TIMEOUT: Duration = Duration::from_secs(60);

/// The wishes a [`Plan`] is made from.
#[derive(Debug, Clone)]
pub struct Load {
    /// Where to: arrival after arrival takes the next one.
    pub targets: Vec<Target>,
    /// Of every request.
    pub method: Method,
    /// Of every request, in addition to `Host`, which they may replace.
    pub headers: Vec<Header>,
    /// When.
    pub schedule: Schedule,
    /// How many requests may be in flight. Each keeps one connection per origin.
    pub connections: usize,
    /// How many addresses of this machine (127.0.0.1, 127.0.0.2, …) connections come from, in turns: each has
    /// ports of its own. 0 leaves it to the system, as targets beyond this machine need it.
    pub sources: u8,
    /// How long one request may take, and how long after the end waiting arrivals are still sent.
    pub timeout: Duration,
}

/// Questions by the arrival's index, computed: the same index gives the same question.
type Draw = dyn Fn(u64) -> Question + Send + Sync;

/// Why a [`Load`] cannot be a [`Plan`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum PlanError {
    /// No target.
    #[error("at least one URL is needed")]
    NoTarget,
    /// CONNECT has no path and no answer in our sense.
    #[error("CONNECT is not a request to a path")]
    Method,
    /// None, or more than [`MAX_CONNECTIONS`] over all origins.
    #[error("connections must be from 1 to {MAX_CONNECTIONS}, counted once per host and port")]
    Connections,
    /// More sockets than this process may have.
    #[error("{needed} open files are needed, and this process may have {limit} (`ulimit -n`)")]
    OpenFiles {
        /// Connections, and some for everything else.
        needed: u64,
        /// The most that the system allows.
        limit: u64,
    },
    /// Zero, or above [`MAX_TIMEOUT`].
    #[error("the time-out must be above zero and at most {} s", MAX_TIMEOUT.as_secs())]
    Timeout,
}

/// One run, ready to go.
#[derive(Clone)]
pub struct Plan {
    first: Shot,
    rest: Vec<Shot>,
    draw: Option<Arc<Draw>>,
    pub(crate) urls: Vec<String>,
    pub(crate) method: Method,
    pub(crate) schedule: Schedule,
    pub(crate) connections: usize,
    sources: u8,
    pub(crate) timeout: Duration,
}

/// A prepared request and where it goes.
#[derive(Debug, Clone)]
pub(crate) struct Shot {
    pub(crate) origin: Origin,
    pub(crate) request: Request<Empty<Bytes>>,
    pub(crate) expected: Expected,
}

impl Plan {
    /// Holds `load` against the bounds and prepares its requests.
    ///
    /// # Errors
    ///
    /// The first bound that is crossed.
    pub fn new(load: Load) -> Result<Self, PlanError> {
        let Load {
            targets,
            method,
            headers,
            schedule,
            connections,
            sources,
            timeout,
        } = load;
        if method == Method::CONNECT {
            return Err(PlanError::Method);
        }
        if timeout.is_zero() || timeout > MAX_TIMEOUT {
            return Err(PlanError::Timeout);
        }
        let mut shots = targets
            .iter()
            .map(|target| Shot::new(target, &method, &headers));
        let first = shots.next().ok_or(PlanError::NoTarget)?;
        let rest = shots.collect();
        let urls = targets
            .iter()
            .map(|target| target.url().to_owned())
            .collect();
        let plan = Self {
            first,
            rest,
            draw: None,
            urls,
            method,
            schedule,
            connections,
            sources,
            timeout,
        };
        match connections.checked_mul(plan.origins().len()) {
            Some(sockets @ 1..=MAX_CONNECTIONS) => open_files(sockets).map(|()| plan),
            Some(_) | None => Err(PlanError::Connections),
        }
    }

    /// The same, but so is to be answered.
    #[must_use]
    pub fn expecting(mut self, expected: Expected) -> Self {
        self.first.expected = expected;
        for shot in &mut self.rest {
            shot.expected = expected;
        }
        self
    }

    /// The same, but what is asked of the first target is drawn for each arrival.
    #[must_use]
    pub fn drawn(mut self, draw: impl Fn(u64) -> Question + Send + Sync + 'static) -> Self {
        self.draw = Some(Arc::new(draw));
        self
    }

    /// The measured time and what precedes it.
    #[must_use]
    pub fn schedule(&self) -> &Schedule {
        &self.schedule
    }

    /// The request of arrival `index`: drawn, or else the targets take turns.
    pub(crate) fn shot(&self, index: u64) -> Cow<'_, Shot> {
        match &self.draw {
            Some(draw) => Cow::Owned(self.first.asking(draw(index))),
            None => Cow::Borrowed(self.turn(index)),
        }
    }

    /// The address that connection `number` comes from.
    pub(crate) fn source(&self, number: usize) -> Option<Ipv4Addr> {
        let sources = usize::from(self.sources);
        let turn = u8::try_from(number.checked_rem(sources)?).ok()?;
        Some(Ipv4Addr::new(127, 0, 0, turn.saturating_add(1)))
    }

    fn turn(&self, index: u64) -> &Shot {
        let targets = u64::try_from(self.rest.len())
            .unwrap_or(u64::MAX)
            .saturating_add(1);
        let turn = usize::try_from(index % targets).unwrap_or(0);
        turn.checked_sub(1)
            .and_then(|after_first| self.rest.get(after_first))
            .unwrap_or(&self.first)
    }

    /// The distinct origins.
    pub(crate) fn origins(&self) -> Vec<&Origin> {
        let mut origins: Vec<&Origin> = self
            .rest
            .iter()
            .chain([&self.first])
            .map(|shot| &shot.origin)
            .collect();
        origins.sort();
        origins.dedup();
        origins
    }
}

impl Shot {
    fn new(target: &Target, method: &Method, headers: &[Header]) -> Self {
        let mut request = Request::new(Empty::new());
        *request.method_mut() = method.clone();
        *request.uri_mut() = Uri::from(target.path().clone());
        let mut map = HeaderMap::new();
        for Header { name, value } in headers {
            map.append(name, value.clone());
        }
        map.entry(HOST).or_insert_with(|| target.host().clone());
        *request.headers_mut() = map;
        Self {
            origin: target.origin().clone(),
            request,
            expected: Expected::Anything,
        }
    }

    fn asking(&self, question: Question) -> Self {
        let Question {
            target,
            headers,
            expected,
        } = question;
        let mut shot = self.clone();
        shot.expected = expected;
        *shot.request.uri_mut() = target;
        for Header { name, value } in headers {
            shot.request.headers_mut().append(name, value);
        }
        shot
    }
}

/// Whether so many sockets can be opened; asks the system for as many as it allows at all.
fn open_files(sockets: usize) -> Result<(), PlanError> {
    let needed = u64::try_from(sockets)
        .unwrap_or(u64::MAX)
        .saturating_add(OTHER_FILES);
    let mut limits = getrlimit(Resource::Nofile);
    if limits.current.is_some_and(|current| current < needed) {
        limits.current = limits.maximum;
        // Refused, it stays as it is, and that is what counts below.
        let _ = setrlimit(Resource::Nofile, limits);
    }
    match getrlimit(Resource::Nofile).current {
        Some(limit) if limit < needed => Err(PlanError::OpenFiles { needed, limit }),
        Some(_) | None => Ok(()),
    }
}

impl fmt::Debug for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Plan")
            .field("urls", &self.urls)
            .field("method", &self.method)
            .field("schedule", &self.schedule)
            .field("connections", &self.connections)
            .finish_non_exhaustive()
    }
}

/// Files that a run needs besides its sockets.
const OTHER_FILES: u64 = 64;

#[cfg(test)]
mod tests;
