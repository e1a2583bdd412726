//! What an instance is started with.

use std::net::SocketAddr;

/// What a configuration is made from.
#[derive(Debug, Clone)]
pub(crate) struct Setup {
    pub(crate) upstream: SocketAddr,
    pub(crate) redis: Option<String>,
    /// Whether service keys and links are accepted, too.
    pub(crate) credentials: bool,
    /// Whether there is a materialized view, which is asked before the tables and built when it is said.
    pub(crate) view: bool,
    /// For questions of requests.
    pub(crate) url: String,
    /// For the change feed.
    pub(crate) feed_url: String,
    /// Straight to the server, as the owner of the tables.
    pub(crate) owner_url: String,
    /// How long one question to the database may take, in seconds.
    pub(crate) patience: u32,
    /// Threads of the proxy.
    pub(crate) threads: u32,
    /// What is told about requests, in YAML.
    pub(crate) telemetry: &'static str,
    /// How large it is, and how it ends.
    pub(crate) extent: Extent,
}

/// Connections, memory and the end of an instance.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Extent {
    /// Connections to the database that are kept, and those that come under load; of all instances.
    pub(crate) pool_size: u32,
    pub(crate) max_overflow: u32,
    pub(crate) instances: u32,
    /// What is kept in memory, in YAML.
    pub(crate) cache: &'static str,
    /// Seconds for requests in flight when it is told to end.
    pub(crate) grace: u32,
}

impl Extent {
    /// One of two beside each other on one machine, which ends at once.
    pub(crate) const SMALL: Self = Self {
        pool_size: 24,
        max_overflow: 24,
        instances: 2,
        cache: "{}",
        grace: 0,
    };

    /// A single one, with the connections that are shipped.
    pub(crate) const SHIPPED: Self = Self {
        pool_size: 20,
        max_overflow: 30,
        instances: 1,
        ..Self::SMALL
    };
}

impl Setup {
    /// No line for each request.
    pub(crate) const QUIET: &'static str = "{ access_log: { to: none } }";
}

/// Everything that is not said as it is shipped.
pub(super) fn configuration(setup: &Setup) -> String {
    let redis = setup.redis.as_ref().map_or_else(String::new, shared);
    let (accepted, further) = credentials(setup.credentials);
    let refresh = if setup.view { "manual" } else { "off" };
    let Setup {
        upstream,
        redis: _,
        credentials: _,
        view,
        url,
        feed_url,
        owner_url,
        patience,
        threads,
        telemetry,
        extent:
            Extent {
                pool_size,
                max_overflow,
                instances,
                cache,
                grace,
            },
    } = setup;
    format!(
        r#"
listen: "{ANYWHERE}"
admin: {{ listen: "{ANYWHERE}" }}
limits: {{ decision_timeout: {patience}s, max_failed_authentications: 0 }}
server: {{ threads: {threads}, shutdown_grace: {grace}s }}
telemetry: {telemetry}
cache: {cache}
upstream: {{ url: "http://{upstream}" }}
issuers:
  - {{ issuer: "{ISSUER}", audiences: [{AUDIENCE}], algorithms: [HS256], keys: [{{ secret: "{SECRET}" }}] }}
store: {{ postgres: {{}} }}
database:
  url: {url}
  feed_url: {feed_url}
  migrate_url: {owner_url}
  pool_size: {pool_size}
  max_overflow: {max_overflow}
  instances: {instances}
  query_timeout: {patience}s
  view: {{ refresh: {refresh}, route: {view} }}
{redis}{further}policy:
  roles: {{ owner: [read, write], editor: [write], viewer: [read] }}
  visibility_roles: {{ public: viewer }}
  kinds: {{ generation: {{ id: uuid }} }}
routes:
  - {{ methods: [GET], path: "/g/{{id}}", action: read, resource: {{ kind: generation, id: {{ path: id }} }}{accepted} }}
"#
    )
}

/// The section of a Redis.
fn shared(url: &String) -> String {
    format!(
        r#"redis:
  url: {url}
  mac_keys: ["{SECRET}"]
  command_timeout: 200ms
  total_timeout: 250ms
  breaker: {{ open: 300ms }}
"#
    )
}

/// What the route accepts besides tokens, and the sections that this needs.
fn credentials(accepted: bool) -> (String, String) {
    if !accepted {
        return (String::new(), String::new());
    }
    let route = format!(", scopes: [{SCOPE}], links: true");
    let sections = format!(
        r#"service_keys: {{ pepper: "{PEPPER}", sources: [{{ header: {KEY_HEADER} }}] }}
links: {{ key: "{LINK_KEY}", max_ttl: {LINK_LIFETIME} }}
"#
    );
    (route, sections)
}

/// Of the tokens; of no use outside of a run.
pub(super) const SECRET: &str = "a secret of runs, of no use elsewhere";
pub(super) const ISSUER: &str = "https://history.invalid/";
pub(super) const AUDIENCE: &str = "history";

/// Under which digests of service keys are made; of as little use.
pub(super) const PEPPER: &str = "a pepper of runs, of no use elsewhere";
/// Where a service key is presented.
pub(crate) const KEY_HEADER: &str = "x-api-key";
/// What service keys are for.
pub(crate) const SCOPE: &str = "history.read";

const LINK_KEY: &str = "a key of links of runs, of no use elsewhere";
/// Longer than any case.
pub(super) const LINK_LIFETIME: &str = "1h";

/// A free port.
pub(super) const ANYWHERE: &str = "127.0.0.1:0";
