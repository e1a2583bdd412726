//! The ways in which Redis can be had: behind sentinels, as a cluster, over TLS with a password.

use std::path::Path;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use sidegate_loadtest::redis::Redis;

use super::*;

#[test]
fn a_primary_behind_sentinels_is_found_again_after_a_failover() {
    let scene = Scene::new();
    let mut primary = Redis::start().unwrap();
    let port = primary.port().to_string();
    let replica = Redis::with(&["--replicaof", "127.0.0.1", &port]).unwrap();
    let sentinel = Redis::sentinel("mymaster", primary.port()).unwrap();
    let url = format!(
        "redis-sentinel://127.0.0.1:{}?sentinelServiceName=mymaster",
        sentinel.port()
    );
    eventually("a replica that the sentinel knows", || {
        let known: Vec<redis::Value> = sentinel
            .command(&["SENTINEL", "REPLICAS", "mymaster"])
            .unwrap();
        (!known.is_empty()).then_some(())
    });
    let plain = "  insecure_plaintext: true\n";
    let breaker = format!("{plain}  breaker: {{ open: 100ms }}\n");
    let one = scene.instance(&url, &breaker);
    assert_eq!(status(&one, MINE_PATH), 200);
    written(&one, 1);
    eventually("a replica that has it", || {
        let size: u64 = replica.command(&["DBSIZE"]).unwrap();
        (size == 1).then_some(())
    });

    primary.kill().unwrap();
    eventually("a new primary", || {
        // It closes its connections when it becomes one.
        let role: Vec<redis::Value> = replica.command(&["ROLE"]).ok()?;
        (role[0] == redis::Value::BulkString(b"master".to_vec())).then_some(())
    });
    let two = scene.instance(&url, "  insecure_plaintext: true\n");
    assert_eq!(status(&two, MINE_PATH), 200);
    assert_eq!(answers(&two, "l2"), 1, "the replica had it");
    eventually("connections to the new primary", || {
        status(&one, YOURS_PATH);
        (metric(&one, "sidegate_l2_in_use") == Some(1)
            && metric(&one, "sidegate_l2_connections") == Some(2))
        .then_some(())
    });
}

#[test]
fn the_nodes_of_a_cluster_share_the_answers() {
    let scene = Scene::new();
    let nodes: Vec<_> = (0..2)
        .map(|_| {
            Redis::with(&["--cluster-enabled", "yes", "--cluster-node-timeout", "5000"]).unwrap()
        })
        .collect();
    for (node, slots) in nodes.iter().zip([["0", "8191"], ["8192", "16383"]]) {
        let [first, last] = slots;
        node.command::<String>(&["CLUSTER", "ADDSLOTSRANGE", first, last])
            .unwrap();
    }
    let port = nodes[1].port().to_string();
    nodes[0]
        .command::<String>(&["CLUSTER", "MEET", "127.0.0.1", &port])
        .unwrap();
    eventually("a cluster", || {
        let well = |node: &Redis| {
            let info: String = node.command(&["CLUSTER", "INFO"]).unwrap();
            info.contains("cluster_state:ok") && info.contains("cluster_known_nodes:2")
        };
        nodes.iter().all(well).then_some(())
    });
    let url = format!("redis-cluster://127.0.0.1:{}", nodes[0].port());
    let rows = format!(
        "insert into generations (id, user_id)
         select ('11111111-0000-4000-8000-' || lpad(n::text, 12, '0'))::uuid, '{ALICE}'
         from generate_series(1, 20) n"
    );
    scene.database.run(SUPERUSER, &rows);
    let ask = |sidegate: &Sidegate| {
        for number in 1..=20 {
            let path = format!("/g/11111111-0000-4000-8000-{number:012}");
            assert_eq!(status(sidegate, &path), 200);
        }
    };
    let one = scene.instance(&url, "  insecure_plaintext: true\n");
    ask(&one);
    written(&one, 20);
    for node in &nodes {
        let size: u64 = node.command(&["DBSIZE"]).unwrap();
        assert!((1..20).contains(&size), "each node has some: {size}");
    }
    let two = scene.instance(&url, "  insecure_plaintext: true\n");
    ask(&two);
    assert_eq!((answers(&two, "l2"), answers(&two, "store")), (20, 0));
}

/// A server with a certificate of `ca.pem` in this folder, beside `other.pem`; its port for TLS.
fn over_tls(folder: &Path) -> (Redis, u16) {
    let place = |name: &str| folder.join(name).display().to_string();
    let authority = |name: &str| {
        let mut parameters = CertificateParams::new([]).unwrap();
        parameters.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().unwrap();
        let issuer = CertifiedIssuer::self_signed(parameters, key).unwrap();
        std::fs::write(place(name), issuer.pem()).unwrap();
        issuer
    };
    let (issuer, _other) = (authority("ca.pem"), authority("other.pem"));
    let key = KeyPair::generate().unwrap();
    let parameters = CertificateParams::new(["localhost".to_owned()]).unwrap();
    let certificate = parameters.signed_by(&key, &issuer).unwrap();
    std::fs::write(place("redis.crt"), certificate.pem()).unwrap();
    std::fs::write(place("redis.key"), key.serialize_pem()).unwrap();
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = free.local_addr().unwrap().port();
    drop(free);
    let redis = Redis::with(&[
        "--tls-port",
        &port.to_string(),
        "--tls-cert-file",
        &place("redis.crt"),
        "--tls-key-file",
        &place("redis.key"),
        "--tls-ca-cert-file",
        &place("ca.pem"),
        "--tls-auth-clients",
        "no",
    ]);
    (redis.unwrap(), port)
}

#[test]
fn redis_over_tls_is_verified_and_a_password_is_said() {
    let files = tempfile::tempdir().unwrap();
    let (redis, port) = over_tls(files.path());
    let user = [
        "ACL",
        "SETUSER",
        "sidegate",
        "on",
        ">secret word",
        "~*",
        "+@all",
    ];
    redis.command::<String>(&user).unwrap();
    let scene = Scene::new();
    let url = |password: &str| format!("rediss://sidegate:{password}@localhost:{port}/0");
    let more = |file: &str| format!("  ca_file: {}\n", files.path().join(file).display());
    let good = scene.instance(&url("secret%20word"), &more("ca.pem"));
    assert_eq!(status(&good, MINE_PATH), 200);
    written(&good, 1);

    for (url, file, words) in [
        (url("secret%20word"), "other.pem", "InvalidCertificate"),
        (url("wrong"), "ca.pem", "WRONGPASS"),
    ] {
        let config = self::redis(&url, &more(file));
        let bad = Sidegate::run_in(scene.folder(&config));
        let said = bad.logged("connecting to Redis");
        assert!(said.contains(words) && !said.contains("wrong@"), "{said}");
        assert_eq!(status(&bad, MINE_PATH), 200);
        assert_eq!(lookups(&bad, "hit") + answers(&bad, "l2"), 0);
    }
}
