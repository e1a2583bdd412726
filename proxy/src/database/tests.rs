//! The pools where no server answers, and TLS with a real one.

use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use futures_util::FutureExt as _;
use rcgen::{CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use sidegate_config::{DatabaseSettings, Tls};
use sidegate_loadtest::postgres::Cluster;

use super::{Database, DatabaseError, Purpose, connect};
use crate::testing::database;
use crate::tls::TlsError;

/// How long anything may take to happen.
const PATIENCE: Duration = Duration::from_secs(30);

/// A server that accepts and never says a word.
fn silent() -> (TcpListener, DatabaseSettings) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let mut settings = database(&format!("postgres://me@{address}/app"));
    (settings.pool_size, settings.max_overflow) = (7, 0);
    (settings.query_timeout, settings.connect_timeout) = (PATIENCE, PATIENCE);
    (listener, settings)
}

#[tokio::test]
async fn a_full_queue_refuses_at_once_and_a_place_that_is_left_is_free() {
    let (_listener, settings) = silent();
    let database = Database::new(&settings).unwrap();
    let mut waiting: Vec<_> = (0..16)
        .map(|_| Box::pin(database.acquire(Purpose::Authorization)))
        .collect();
    assert!(waiting.iter_mut().all(|it| it.now_or_never().is_none()));
    let one_more = database.acquire(Purpose::Authorization).now_or_never();
    assert!(matches!(one_more, Some(Err(DatabaseError::Busy))));
    let health = database.pools().next().unwrap();
    assert_eq!((health.waiting, health.limit), (16, 1));

    let others = database.acquire(Purpose::Authentication).now_or_never();
    assert!(others.is_none(), "another pool has a queue of its own");
    waiting.truncate(15);
    let place = database.acquire(Purpose::Authorization).now_or_never();
    assert!(place.is_none(), "a caller that left has left the queue");
}

#[tokio::test]
async fn a_silent_server_is_given_up() {
    let (_listener, mut settings) = silent();
    settings.query_timeout = Duration::from_millis(20);
    let database = Database::new(&settings).unwrap();
    let request = database.acquire(Purpose::ServiceKeys).await;
    assert!(matches!(request, Err(DatabaseError::TimedOut)));

    settings.connect_timeout = Duration::from_millis(20);
    settings.acquire_timeout = PATIENCE;
    let database = Database::new(&settings).unwrap();
    let background = database.acquire(Purpose::WarmUp).await;
    assert!(matches!(background, Err(DatabaseError::TimedOut)));
    let direct = connect(&settings.url, &settings).await;
    assert!(matches!(direct, Err(DatabaseError::TimedOut)));
}

/// An authority, and its certificate as a file.
fn authority(folder: &Path, name: &str) -> (CertifiedIssuer<'static, KeyPair>, PathBuf) {
    let mut parameters = CertificateParams::new([]).unwrap();
    parameters.is_ca = IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    let key = KeyPair::generate().unwrap();
    let issuer = CertifiedIssuer::self_signed(parameters, key).unwrap();
    let file = folder.join(name);
    std::fs::write(&file, issuer.pem()).unwrap();
    (issuer, file)
}

/// What the server runs to write a file that only it can read.
fn written(text: &str, file: &str) -> String {
    format!(
        "copy (select unnest(string_to_array('{}', E'\\n'))) to program 'umask 077; cat > {file}';",
        text.trim()
    )
}

async fn refusal(url: &str, ca_file: &Path) -> Option<String> {
    let mut settings = database(url);
    settings.tls = Tls::Required {
        ca_file: Some(ca_file.to_owned()),
    };
    let pools = Database::new(&settings).unwrap();
    let lease = pools.acquire(Purpose::Authorization).await;
    let (error, lease) = match lease {
        Err(error) => (error, None),
        Ok(lease) => {
            let sql = "select ssl from pg_stat_ssl where pid = pg_backend_pid()";
            let row = lease.query_one(sql, &[]).await.unwrap();
            assert!(row.get::<_, bool>(0), "a connection without TLS");
            (DatabaseError::Closed, Some(lease))
        }
    };
    lease.is_none().then(|| error.to_string())
}

#[tokio::test]
async fn tls_verifies_the_chain_and_the_name_and_takes_no_plaintext() {
    let folder = tempfile::tempdir().unwrap();
    let (issuer, ca_file) = authority(folder.path(), "ca.pem");
    let (_, wrong_file) = authority(folder.path(), "wrong.pem");
    let cluster = Cluster::start().unwrap();
    let by_address = cluster.url("postgres");
    let by_name = by_address.replace("127.0.0.1", "localhost");

    let plaintext = refusal(&by_name, &ca_file).await.unwrap();
    assert!(plaintext.contains("does not support TLS"), "{plaintext}");

    let key = KeyPair::generate().unwrap();
    let parameters = CertificateParams::new(["localhost".to_owned()]).unwrap();
    let certificate = parameters.signed_by(&key, &issuer).unwrap();
    let settings = database(&by_address);
    let (admin, _task) = connect(&settings.url, &settings).await.unwrap();
    for sql in [
        &written(&certificate.pem(), "server.crt"),
        &written(&key.serialize_pem(), "server.key"),
        "alter system set ssl = on",
        "select pg_reload_conf()",
    ] {
        admin.batch_execute(sql).await.unwrap();
    }
    let end = Instant::now() + PATIENCE;
    while let Some(error) = refusal(&by_name, &ca_file).await {
        assert!(Instant::now() < end, "the right authority: {error}");
    }
    let chain = refusal(&by_name, &wrong_file).await.unwrap();
    assert!(chain.contains("invalid peer certificate"), "{chain}");
    let name = refusal(&by_address, &ca_file).await.unwrap();
    assert!(name.contains("not valid for name"), "{name}");
}

#[test]
fn a_renewed_authority_is_another_database() {
    let folder = tempfile::tempdir().unwrap();
    let (_, ca_file) = authority(folder.path(), "ca.pem");
    let mut settings = database("postgres://me@127.0.0.1/app");
    settings.tls = Tls::Required {
        ca_file: Some(ca_file.clone()),
    };
    let pools = Database::new(&settings).unwrap();
    assert!(pools.serves(&settings));
    authority(folder.path(), "ca.pem");
    assert!(!pools.serves(&settings));
    std::fs::write(&ca_file, "no certificate").unwrap();
    let bad = Database::new(&settings);
    assert!(matches!(
        bad,
        Err(DatabaseError::Tls(TlsError::CaFile { .. }))
    ));
}
