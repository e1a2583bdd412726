//! What is linked: nothing in which one of these bypasses has not been mended.

use std::fs;

use crate::process::root;

/// A stream that the other side had reset went on costing work (HTTP/2). There is no HTTP/2 here towards
/// clients; what is linked is younger than what has been mended, here and elsewhere in this table.
#[test]
fn f8_ghsa_393w_9x6h_8gc7() {
    let lock = fs::read_to_string(root().join("Cargo.lock")).unwrap();
    let versions = |name: &str| -> Vec<Vec<u64>> {
        let blocks = lock
            .split("[[package]]")
            .filter(|block| block.contains(&format!("\nname = \"{name}\"\n")));
        let version = |block: &str| {
            block
                .split("version = \"")
                .nth(1)
                .unwrap()
                .split('"')
                .next()
                .unwrap()
                .to_owned()
        };
        let numbers = |text: String| {
            text.split(['.', '-', '+'])
                .map_while(|part| part.parse().ok())
                .collect()
        };
        blocks.map(|block| numbers(version(block))).collect()
    };
    for (name, floor) in [
        ("pingora-core", [0, 9, 1]),
        ("pingora-proxy", [0, 9, 1]),
        ("h2", [0, 4, 16]),
        ("hyper", [0, 14, 10]),
        ("jsonwebtoken", [10, 3, 0]),
        ("tokio-postgres", [0, 7, 18]),
        ("postgres-protocol", [0, 6, 12]),
        ("rustls", [0, 23, 18]),
        ("rustls-webpki", [0, 103, 13]),
        ("aws-lc-sys", [0, 39, 0]),
        ("lru", [0, 18, 2]),
        ("bytes", [1, 11, 1]),
    ] {
        let all = versions(name);
        assert!(!all.is_empty(), "{name} is no longer linked");
        assert!(
            all.iter().all(|version| version.as_slice() >= &floor[..]),
            "{name}: {all:?}"
        );
    }
    // Once linked they would have to be so young.
    for (name, floor) in [
        ("ring", [0, 17, 12]),
        ("time", [0, 3, 47]),
        ("idna", [1, 0, 0]),
        ("protobuf", [3, 7, 2]),
    ] {
        let all = versions(name);
        assert!(
            all.iter().all(|version| version.as_slice() >= &floor[..]),
            "{name}: {all:?}"
        );
    }
    for never in ["rsa", "serde_yml"] {
        assert!(versions(never).is_empty(), "{never}");
    }
}
