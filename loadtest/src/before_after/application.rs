//! The example application as a process of its own.
//!
//! Promises: it answers when [`Application::start`] returns, and is gone when it is dropped.
//! Does not: know its profiles.

use std::io::{self, BufRead, BufReader};
use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::Duration;

use http::header::{AUTHORIZATION, HOST};
use http::{Request, StatusCode};
use http_body_util::{BodyExt, Empty};
use serde_json::Value;
use tokio::time::{Instant, timeout};

use super::BeforeAfterError;
use super::audience::Audience;
use crate::connection::Connection;
use crate::target::{Reach, Target};

/// A process; killed when it is dropped.
#[derive(Debug)]
pub(super) struct Application {
    child: Child,
    address: SocketAddr,
}

/// Steps as the application has timed them, and the whole as its client has; milliseconds in the mean.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Timed {
    pub(super) steps: Vec<(String, f64)>,
    pub(super) whole: f64,
}

impl Application {
    /// A port that is free now, for one who must be named before it is there.
    pub(super) fn reserve() -> io::Result<SocketAddr> {
        TcpListener::bind("127.0.0.1:0")?.local_addr()
    }

    /// Serves with these arguments on `address`.
    pub(super) async fn start(
        own: &Path,
        address: SocketAddr,
        arguments: &[String],
    ) -> Result<Self, BeforeAfterError> {
        let mut child = Command::new(own)
            .args(["app", "serve", "--listen", &address.to_string()])
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()?;
        let output = child.stdout.take();
        // From here on it ends with this struct.
        let application = Self { child, address };
        // Ends with the child at the latest.
        let first = tokio::task::spawn_blocking(move || first_line(output));
        if let Ok(line) = timeout(PATIENCE, first).await
            && serde_json::from_str::<Value>(&line??).is_ok()
        {
            return Ok(application);
        }
        Err(BeforeAfterError::Application)
    }

    pub(super) const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Asks so many times, one after the other, and reads `Server-Timing`.
    pub(super) async fn timed(
        &self,
        audience: &Audience,
        times: u32,
    ) -> Result<Timed, BeforeAfterError> {
        let url = format!("http://{}/", self.address);
        let target = Target::resolve(&url, Reach::LoopbackOnly).await?;
        let mut connection = Connection::new(target.origin().clone());
        let mut timed = Timed::default();
        for number in 0..times {
            let (path, token) = audience.pair(u64::from(number));
            let request = Request::get(path)
                .header(HOST, target.host())
                .header(AUTHORIZATION, token)
                .body(Empty::new())?;
            let begun = Instant::now();
            let asked = timeout(PATIENCE, connection.begin(&request)).await;
            let answer = asked.ok().and_then(Result::ok);
            let Some(answer) = answer.filter(|it| it.status() == StatusCode::OK) else {
                let why = "the example application does not answer with 200";
                return Err(BeforeAfterError::Silent(why.to_owned()));
            };
            let (head, body) = answer.into_parts();
            let arrived = body.collect().await;
            arrived.map_err(|error| BeforeAfterError::Silent(error.to_string()))?;
            let text = head.headers.get("server-timing");
            let text = text.and_then(|it| it.to_str().ok());
            timed.add(text.unwrap_or_default(), times);
            timed.whole += begun.elapsed().as_secs_f64() * 1000.0 / f64::from(times);
        }
        Ok(timed)
    }
}

impl Timed {
    /// One answer of so many.
    fn add(&mut self, header: &str, times: u32) {
        for step in header.split(", ") {
            let Some((name, time)) = step.split_once(";dur=") else {
                continue;
            };
            let part = time.parse().unwrap_or(0.0) / f64::from(times);
            match self.steps.iter_mut().find(|(known, _)| known == name) {
                Some((_, sum)) => *sum += part,
                None => self.steps.push((name.to_owned(), part)),
            }
        }
    }
}

fn first_line(output: Option<ChildStdout>) -> io::Result<String> {
    let mut line = String::new();
    if let Some(output) = output {
        BufReader::new(output).read_line(&mut line)?;
    }
    Ok(line)
}

impl Drop for Application {
    fn drop(&mut self) {
        // One that has ended cannot be killed; nobody is left to be told.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

const PATIENCE: Duration = Duration::from_secs(30);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_step_is_the_mean_of_the_answers_that_name_it() {
        let mut timed = Timed::default();
        timed.add("auth;dur=150.0, send;dur=100.0", 2);
        timed.add("auth;dur=152.0, odd, send;dur=100.0", 2);
        let expected = [("auth".to_owned(), 151.0), ("send".to_owned(), 100.0)];
        assert_eq!(timed.steps, expected);
    }
}
