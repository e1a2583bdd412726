//! A PostgreSQL server for one test, SQL on it, and a `sidegate` whose authority it is.

use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Command, Output};

use sidegate_loadtest::postgres::Cluster;
use tempfile::TempDir;
use tokio::runtime::Runtime;
use tokio_postgres::{Client, NoTls, SimpleQueryMessage};

use crate::process::{BINARY, config, root};

/// May do everything; owns what no other role was made for.
pub(crate) const SUPERUSER: &str = "sidegate";

/// Who a running Sidegate is to the database: a login without any right of its own.
pub(crate) const LOGIN: &str = "sidegate_login";

/// A server with an empty database `app` and the role [`LOGIN`]; gone when it is dropped.
pub(crate) struct Database {
    pub(crate) cluster: Cluster,
}

impl Database {
    pub(crate) fn start() -> Self {
        let database = Self {
            cluster: Cluster::start().unwrap(),
        };
        database.cluster.create_database("app").unwrap();
        database.run(SUPERUSER, &format!("create role {LOGIN} login"));
        database
    }

    /// With the tables of the example application, which are the superuser's.
    pub(crate) fn example() -> Self {
        let database = Self::start();
        let schema = fs::read_to_string(root().join("loadtest/sql/schema.sql")).unwrap();
        database.run(SUPERUSER, &schema);
        database
    }

    /// Where a role finds the database.
    pub(crate) fn url(&self, role: &str) -> String {
        let url = self.cluster.url("app");
        let place = url.split_once('@').unwrap().1;
        format!("postgres://{role}@{place}")
    }

    /// A connection that stays.
    pub(crate) fn session(&self, role: &str) -> Session {
        Session::open(&self.url(role))
    }

    /// Statements of a role, in one transaction unless they say otherwise.
    pub(crate) fn run(&self, role: &str, sql: &str) {
        self.session(role).run(sql);
    }

    /// What a query of a role finds. SQL's null is an empty text.
    pub(crate) fn rows(&self, role: &str, sql: &str) -> Vec<Vec<String>> {
        self.session(role).rows(sql)
    }

    /// A configuration as [`config`] writes it, with this database as the store. `more` ends the
    /// `database` section: further lines with two spaces before them.
    pub(crate) fn config(&self, upstream: SocketAddr, database: &str, more: &str) -> String {
        let (login, owner) = (self.url(LOGIN), self.url(SUPERUSER));
        let store = format!(
            "store: {{ postgres: {{}} }}\ndatabase:\n  url: {login}\n  migrate_url: {owner}\n  pool_size: 7\n{database}"
        );
        // An application that asks a database may take its time on a busy machine.
        let plain = config(upstream, more).replace("read_timeout: 500ms", "read_timeout: 30s");
        let line = plain.lines().find(|line| line.starts_with("store:"));
        plain.replace(line.unwrap(), &store)
    }
}

/// A connection of a role.
pub(crate) struct Session {
    runtime: Runtime,
    client: Client,
}

impl Session {
    pub(crate) fn open(url: &str) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .unwrap();
        let (client, connection) = runtime
            .block_on(tokio_postgres::connect(url, NoTls))
            .unwrap();
        runtime.spawn(connection);
        Self { runtime, client }
    }

    pub(crate) fn run(&self, sql: &str) {
        self.rows(sql);
    }

    pub(crate) fn rows(&self, sql: &str) -> Vec<Vec<String>> {
        self.ask(sql)
            .unwrap_or_else(|error| panic!("{sql}: {:?}", error.as_db_error()))
    }

    /// The one value that a query finds.
    pub(crate) fn value(&self, sql: &str) -> String {
        self.rows(sql).remove(0).remove(0)
    }

    /// The SQLSTATE with which the server refuses something.
    pub(crate) fn refused(&self, sql: &str) -> String {
        let error = self.ask(sql).expect_err(sql);
        error.code().expect("an answer").code().to_owned()
    }

    fn ask(&self, sql: &str) -> Result<Vec<Vec<String>>, tokio_postgres::Error> {
        let messages = self.runtime.block_on(self.client.simple_query(sql))?;
        let mut rows = Vec::new();
        for message in messages {
            if let SimpleQueryMessage::Row(row) = message {
                let values = (0..row.len()).map(|at| row.get(at).unwrap_or_default().to_owned());
                rows.push(values.collect());
            }
        }
        Ok(rows)
    }
}

/// A folder with this configuration as its `sidegate.yaml`, for `Sidegate::run_in`.
pub(crate) fn folder(config: &str) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("sidegate.yaml"), config).unwrap();
    folder
}

/// `sidegate migrate` with further arguments and a folder's configuration, which must succeed. What
/// it said on standard output.
pub(crate) fn migrate(folder: &Path, arguments: &[&str]) -> String {
    let output = try_migrate(folder, arguments);
    let said = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    let errors = said(&output.stderr);
    assert!(output.status.success(), "{arguments:?}: {errors}");
    said(&output.stdout)
}

/// The same, whatever comes of it.
pub(crate) fn try_migrate(folder: &Path, arguments: &[&str]) -> Output {
    Command::new(BINARY)
        .args(["migrate", "--config"])
        .arg(folder.join("sidegate.yaml"))
        .args(arguments)
        .output()
        .unwrap()
}
