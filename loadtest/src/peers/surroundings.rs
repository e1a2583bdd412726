//! What peers are started in: their configurations, and what those name.
//!
//! Promises: everybody is configured with the same application, keys and token, out of the files in
//! `loadtest/peers/`. Does not: know who is wanted.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use tempfile::TempDir;
use uuid::Uuid;

use super::PeersError;
use super::issuer::{AUDIENCE, ISSUER, Issuer};
use super::peer::{Peer, Program};
use super::process::{Launch, Running, find, version};
use super::stage::{Process, Started};
use super::template::{AUTHORIZER, ENVOY, HAPROXY, NGINX, SIDEGATE, Template, gate};
use crate::bench::stage::{LOGIN, fill, wait};
use crate::postgres::Cluster;
use crate::process::{Sidegate, command_with};
use crate::server::Server;

/// What peers are configured for.
pub(super) struct Surroundings {
    folder: TempDir,
    backend: Server,
    database: Option<Database>,
    token: String,
    authorizer: Option<SocketAddr>,
    under: Vec<String>,
}

/// Where Sidegate decides from.
struct Database {
    url: String,
    owner_url: String,
    _cluster: Cluster,
}

impl Surroundings {
    pub(super) fn new(
        issuer: &Issuer,
        backend: Server,
        token: String,
        under: Vec<String>,
    ) -> Result<Self, PeersError> {
        let folder = tempfile::Builder::new()
            .prefix("sidegate-peers")
            .tempdir()?;
        fs::write(folder.path().join("issuer.pem"), &issuer.pem)?;
        fs::write(folder.path().join("jwks.json"), &issuer.jwks)?;
        Ok(Self {
            folder,
            backend,
            database: None,
            token,
            authorizer: None,
            under,
        })
    }

    /// Starts a database for Sidegate, with this owner of this generation.
    pub(super) async fn start_database(
        &mut self,
        program: &Path,
        owner: Uuid,
        generation: Uuid,
    ) -> Result<(), PeersError> {
        let cluster = tokio::task::spawn_blocking(Cluster::start).await??;
        let owner_url = cluster.create_database("app")?;
        let filled = fill(&owner_url, owner, &[generation]).await;
        filled.map_err(Box::new)?;
        self.database = Some(Database {
            url: owner_url.replacen("sidegate@", &format!("{LOGIN}@"), 1),
            owner_url,
            _cluster: cluster,
        });
        let configuration = self.sidegate("{}", USUAL_PATIENCE)?;
        command_with(program, &configuration, &[], &["migrate"]).await?;
        Ok(())
    }

    /// Sidegate's configuration, with this told about requests; so long may one question take, in seconds.
    pub(super) fn sidegate(&self, telemetry: &str, patience: &str) -> Result<String, PeersError> {
        let mut further = vec![("telemetry", telemetry), ("patience", patience)];
        // Without one, two placeholders stay open, which is an error.
        if let Some(Database { url, owner_url, .. }) = &self.database {
            further.extend([("database", url.as_str()), ("owner", owner_url)]);
        }
        self.render(SIDEGATE, &further)
    }

    /// Bare Pingora, started by this.
    pub(super) async fn bare(
        &self,
        under: &[String],
        program: &Path,
    ) -> Result<Running, PeersError> {
        let upstream = self.backend.address().to_string();
        let launch = Launch {
            name: Peer::BarePingora.name(),
            under,
            program,
            folder: self.folder.path(),
            file: "arguments",
        };
        let started = launch.start(
            |address, _folder| Ok(address.to_string()),
            |address, _file| {
                let listen = address.to_string();
                ["--listen", &listen, "--upstream", &upstream]
                    .map(str::to_owned)
                    .to_vec()
            },
        );
        started.await
    }

    pub(super) async fn start(&self, peer: Peer, program: &Path) -> Result<Started, PeersError> {
        let process = match peer.program() {
            Program::Sidegate => self.start_sidegate(peer, program).await?,
            Program::BarePingora => Process::Other(self.bare(&self.under, program).await?),
            Program::Nginx => {
                self.launch(peer, program, NGINX, &["-e", "stderr", "-c"], &[])
                    .await?
            }
            Program::Haproxy => {
                self.launch(peer, program, HAPROXY, &["-db", "-f"], &[])
                    .await?
            }
            Program::Envoy => {
                self.launch(peer, program, ENVOY, &["-c"], ENVOY_ARGUMENTS)
                    .await?
            }
        };
        let argument = match peer.program() {
            Program::Nginx | Program::Haproxy => "-v",
            Program::Sidegate | Program::BarePingora | Program::Envoy => "--version",
        };
        Ok(Started {
            peer,
            version: version(program, argument),
            process,
        })
    }

    async fn start_sidegate(&self, peer: Peer, program: &Path) -> Result<Process, PeersError> {
        let telemetry = if peer == Peer::SidegateEveryLine {
            EVERY_LINE
        } else {
            "{}"
        };
        let configuration = self.sidegate(telemetry, USUAL_PATIENCE)?;
        let sidegate = Sidegate::start_with_under(&self.under, program, &configuration).await?;
        wait(&sidegate, "sidegate_cache_open", 1)
            .await
            .map_err(Box::new)?;
        let address = sidegate
            .proxy()
            .parse()
            .map_err(|_error| PeersError::Start {
                peer: peer.name(),
                said: format!("{} is no address", sidegate.proxy()),
            })?;
        Ok(Process::Sidegate(Box::new(sidegate), address))
    }

    async fn launch(
        &self,
        peer: Peer,
        program: &Path,
        template: Template,
        before: &[&str],
        after: &[&str],
    ) -> Result<Process, PeersError> {
        let gate = gate(peer);
        let running = self.serve(
            &self.under,
            (peer.name(), program),
            template,
            (before, after),
            &gate,
        );
        running.await.map(Process::Other)
    }

    /// On the client's core.
    pub(super) async fn start_authorizer(
        &mut self,
        wanted: &[(Peer, PathBuf)],
    ) -> Result<Option<Running>, PeersError> {
        if !wanted.iter().any(|(peer, _)| peer.asks()) {
            return Ok(None);
        }
        let Some(program) = find(Path::new("nginx")) else {
            return Ok(None);
        };
        let arguments = (&["-e", "stderr", "-c"][..], &[][..]);
        let running = self.serve(&[], ("authorizer", &program), AUTHORIZER, arguments, "");
        let running = running.await?;
        self.authorizer = Some(running.address());
        Ok(Some(running))
    }

    async fn serve(
        &self,
        under: &[String],
        (name, program): (&'static str, &Path),
        template: Template,
        (before, after): (&[&str], &[&str]),
        gate: &str,
    ) -> Result<Running, PeersError> {
        let launch = Launch {
            name,
            under,
            program,
            folder: self.folder.path(),
            file: template.name(),
        };
        let started = launch.start(
            |address, folder| {
                let (listen, port) = (address.to_string(), address.port().to_string());
                let folder = folder.display().to_string();
                let further = [
                    ("gate", gate),
                    ("listen", &listen),
                    ("listen_port", &port),
                    ("folder", &folder),
                ];
                self.render(template, &further)
            },
            |_address, file| {
                let file = file.display().to_string();
                let file = file.as_str();
                let all = before.iter().chain([&file]).chain(after);
                all.map(|argument| (*argument).to_owned()).collect()
            },
        );
        started.await
    }

    fn render(&self, template: Template, further: &[(&str, &str)]) -> Result<String, PeersError> {
        let keys = self.folder.path().display().to_string();
        let backend = self.backend.address();
        // Whoever does not ask has its address in the configuration, too.
        let authorizer = self.authorizer.unwrap_or(backend);
        let (backend, backend_port) = (backend.to_string(), backend.port().to_string());
        let (authorizer, authorizer_port) = (authorizer.to_string(), authorizer.port().to_string());
        let mut values = further.to_vec();
        values.extend([
            ("keys", keys.as_str()),
            ("issuer", ISSUER),
            ("audience", AUDIENCE),
            ("token", &self.token),
            ("backend", &backend),
            ("backend_port", &backend_port),
            ("authorizer", &authorizer),
            ("authorizer_port", &authorizer_port),
        ]);
        template.render(&values)
    }
}

const EVERY_LINE: &str = "{ access_log: { allows: 1 } }";
/// Seconds, as by default.
const USUAL_PATIENCE: &str = "2";
/// One worker; no second process that could take over; nothing said that is no error.
const ENVOY_ARGUMENTS: &[&str] = &["--concurrency", "1", "--disable-hot-restart", "-l", "error"];
