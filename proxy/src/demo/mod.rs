//! `sidegate demo`: a small application, the proxy and the embedded store in one process.
//!
//! Promise: everything that the tour names exists when its first line is printed; keys are new at
//! every start; nothing is left behind when it stops (its files live in a temporary folder).

mod example;
mod files;
mod tour;

use std::io::{self, Write as _};
use std::net::{Ipv4Addr, SocketAddr};

use pingora::services::background::background_service;

use crate::app::{Listening, StartError};
use crate::listener::{BindError, Bound};
use example::ExampleApp;
use files::Files;
use tour::Tour;

/// Why the demo cannot start.
#[derive(Debug, thiserror::Error)]
pub enum DemoError {
    /// Its temporary files cannot be written.
    #[error("cannot write the demo's files: {0}")]
    Files(#[from] io::Error),
    /// Its keys cannot be made.
    #[error("cannot make the demo's keys")]
    Keys,
    /// A port is taken.
    #[error("{0}; choose another one with --port, or --port 0 for free ones")]
    Port(#[from] BindError),
    /// There are no three ports from this one on.
    #[error("--port {0}: expected at most 65533: the demo takes three ports from there on")]
    Range(u16),
    /// Sidegate cannot start.
    #[error("{0}")]
    Start(#[from] StartError),
}

/// Runs the demo until it is interrupted. `port` is the proxy's; the admin listener and the
/// application take the next two. 0 takes three free ones.
///
/// # Errors
/// When it cannot start.
pub fn run(port: u16, json: bool) -> Result<(), DemoError> {
    let [proxy, admin, app] = ports(port)?;
    let application = Bound::bind("the demo's application", address(app))?;
    let files = Files::write(proxy, admin, application.address().port())?;
    let listening = Listening::start(&files.config()).map_err(port_error)?;
    let tour = Tour {
        proxy: listening.proxy_address(),
        admin: listening.admin_address(),
        app: application.address(),
        directory: files.directory(),
        config: files.config(),
        tokens: files.tokens(),
    };
    let mut out = io::stdout().lock();
    if json {
        writeln!(out, "{}", tour.json())?;
    } else {
        write!(out, "{tour}")?;
    }
    out.flush()?;
    drop(out);
    let example = background_service("example", ExampleApp::new(application));
    listening.serve(vec![Box::new(example)]);
    Ok(())
}

fn ports(first: u16) -> Result<[u16; 3], DemoError> {
    if first == 0 {
        return Ok([0; 3]);
    }
    match (first.checked_add(1), first.checked_add(2)) {
        (Some(second), Some(third)) => Ok([first, second, third]),
        (None | Some(_), _) => Err(DemoError::Range(first)),
    }
}

const fn address(port: u16) -> SocketAddr {
    SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), port)
}

fn port_error(error: StartError) -> DemoError {
    match error {
        StartError::Bind(error) => DemoError::Port(error),
        error @ (StartError::Read(_) | StartError::Assemble(_)) => DemoError::Start(error),
    }
}

/// A token of the tour.
#[derive(Debug, Clone)]
struct Token {
    name: &'static str,
    text: String,
}
