//! The example application as a process, and its database from outside.
//!
//! Promises: the process ends with its guard. Does not: assert.

#![expect(
    clippy::expect_used,
    reason = "a set-up that fails is a test that fails"
)]

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};

use http::{Method, Request};
use serde_json::Value;
use tokio::task::JoinSet;
use tokio_postgres::{NoTls, SimpleQueryMessage};
use uuid::Uuid;

/// The running application.
pub(crate) struct App {
    process: Child,
    address: String,
    agent: ureq::Agent,
}

impl App {
    /// Serves the database at `url`.
    pub(crate) fn start(url: &str) -> Self {
        Self::with(url, &[])
    }

    /// The same, told more.
    pub(crate) fn with(url: &str, arguments: &[&str]) -> Self {
        let mut process = Command::new(env!("CARGO_BIN_EXE_sidegate-loadtest"))
            .args(["app", "serve", "--database", url])
            .args(arguments)
            .stdout(Stdio::piped())
            .spawn()
            .expect("the command runs");
        let mut line = String::new();
        let output = process.stdout.take().expect("piped");
        BufReader::new(output)
            .read_line(&mut line)
            .expect("its first line");
        let line: Value = serde_json::from_str(&line).expect("JSON");
        let address = line.get("listening").and_then(Value::as_str);
        let address = address.expect("an address").to_owned();
        let agent = ureq::Agent::config_builder()
            .http_status_as_error(false)
            .allow_non_standard_methods(true)
            .build()
            .new_agent();
        Self {
            process,
            address,
            agent,
        }
    }

    /// A request of `user`; no body where it is null.
    pub(crate) fn send(
        &self,
        method: Method,
        path: &str,
        user: Uuid,
        body: &Value,
    ) -> (u16, Value) {
        let subject = user.to_string();
        self.request(method, path, &[("x-sidegate-subject", &subject)], body)
    }

    /// A reading of `user`.
    pub(crate) fn get(&self, path: &str, user: Uuid) -> (u16, Value) {
        self.send(Method::GET, path, user, &Value::Null)
    }

    /// A reading of `user` that Sidegate has decided.
    pub(crate) fn decided(&self, path: &str, user: Uuid, decision: &str) -> (u16, Value) {
        let subject = user.to_string();
        let headers = [
            ("x-sidegate-subject", subject.as_str()),
            ("x-sidegate-authorized", decision),
        ];
        self.request(Method::GET, path, &headers, &Value::Null)
    }

    /// A reading of nobody.
    pub(crate) fn anonymous(&self, path: &str) -> (u16, Value) {
        self.request(Method::GET, path, &[], &Value::Null)
    }

    /// A reading with these headers: its status, and the steps that `Server-Timing` names.
    pub(crate) fn steps(&self, path: &str, headers: &[(&str, &str)]) -> (u16, Vec<String>) {
        let answer = self.answer(Method::GET, path, headers, &Value::Null);
        let timing = answer.headers().get("server-timing");
        let timing = timing.and_then(|value| value.to_str().ok());
        let names = timing.unwrap_or_default().split(", ");
        let names = names.filter_map(|step| Some(step.split_once(';')?.0.to_owned()));
        (answer.status().as_u16(), names.collect())
    }

    fn request(
        &self,
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
        body: &Value,
    ) -> (u16, Value) {
        let mut answer = self.answer(method, path, headers, body);
        let text = answer.body_mut().read_to_string().expect("text");
        let value = serde_json::from_str(&text).unwrap_or(Value::Null);
        (answer.status().as_u16(), value)
    }

    fn answer(
        &self,
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
        body: &Value,
    ) -> http::Response<ureq::Body> {
        let mut request = Request::builder()
            .method(method)
            .uri(format!("http://{}{path}", self.address));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let answer = if body.is_null() {
            self.agent.run(request.body(()).expect("a request"))
        } else {
            let request = request.body(body.to_string()).expect("a request");
            self.agent.run(request)
        };
        answer.expect("an answer")
    }
}

impl Drop for App {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// The ids of a list.
pub(crate) fn ids(list: &Value) -> Vec<&str> {
    let list = list.as_array().expect("a list");
    list.iter()
        .filter_map(|row| row.get("id")?.as_str())
        .collect()
}

/// Fills the database at `url`; whether that went well.
pub(crate) fn seed(url: &str, arguments: &[&str]) -> bool {
    let output = Command::new(env!("CARGO_BIN_EXE_sidegate-loadtest"))
        .args(["app", "seed", "--database", url])
        .args(arguments)
        .output();
    output.expect("the command runs").status.success()
}

/// Runs statements; the first columns of the rows they hand back.
pub(crate) fn rows(url: &str, statements: &str) -> Vec<String> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime");
    runtime.block_on(async {
        let (client, connection) = tokio_postgres::connect(url, NoTls)
            .await
            .expect("a connection");
        let mut tasks = JoinSet::new();
        tasks.spawn(connection);
        let mut rows = Vec::new();
        for message in client.simple_query(statements).await.expect("rows") {
            if let SimpleQueryMessage::Row(row) = message {
                rows.push(row.get(0).unwrap_or_default().to_owned());
            }
        }
        rows
    })
}
