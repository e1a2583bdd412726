//! The configuration is read again: on SIGHUP, and when its file changes in any of the usual ways.

use std::os::unix::fs::symlink;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use crate::process::{ALICE, DIRECTORY, MINE, Sidegate, config, eventually, token};
use crate::recorder::Recorder;
use crate::wire::{Wire, ask, request};

const OTHER_ROUTE: &str = "  - { methods: [GET], path: \"/new\", access: public }";

fn generation(sidegate: &Sidegate) -> u64 {
    sidegate.admin("/config")["generation"].as_u64().unwrap()
}

fn status(sidegate: &Sidegate, target: &str) -> u16 {
    ask(sidegate.proxy, request("GET", target, &[])).status
}

#[test]
fn an_edit_counts_without_a_signal_and_a_bad_one_changes_nothing() {
    let recorder = Recorder::start();
    let sidegate = Sidegate::start(recorder.address, "");
    assert_eq!((generation(&sidegate), status(&sidegate, "/new")), (1, 404));
    let hash = sidegate.admin("/config")["hash"].clone();

    sidegate.edit(&config(recorder.address, OTHER_ROUTE));
    eventually("the new route is there", || {
        (status(&sidegate, "/new") == 200).then_some(())
    });
    assert_eq!(generation(&sidegate), 2);
    assert_ne!(sidegate.admin("/config")["hash"], hash);

    sidegate.edit("routes: [");
    sidegate.logged("the last good one counts");
    let shown = sidegate.admin("/config");
    assert!(
        shown["problem"]
            .as_str()
            .unwrap()
            .contains("sidegate.yaml:"),
        "{shown}"
    );
    assert_eq!((generation(&sidegate), status(&sidegate, "/new")), (2, 200));
    let ready = sidegate.admin("/readyz");
    assert!(
        ready["ready"] == true
            && ready["notes"][0]
                .as_str()
                .unwrap()
                .contains("configuration"),
        "{ready}"
    );

    sidegate.edit(&config(recorder.address, ""));
    eventually("the route is gone", || {
        (status(&sidegate, "/new") == 404).then_some(())
    });
    assert_eq!(
        sidegate.admin("/config")["problem"],
        serde_json::Value::Null
    );
}

#[test]
fn what_is_shown_holds_no_secret() {
    let recorder = Recorder::start();
    let sidegate = Sidegate::start(recorder.address, "");
    let shown = sidegate.admin("/config").to_string();
    assert!(!shown.contains(crate::process::SECRET), "{shown}");
    assert!(
        shown.contains("\"secret\":\"***\"") && shown.contains("/public/{*rest}"),
        "{shown}"
    );
}

#[test]
fn a_swapped_symlink_is_an_edit() {
    // As Kubernetes mounts a ConfigMap: name -> ..data/name, ..data -> a folder that is replaced.
    let recorder = Recorder::start();
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, more: &str| {
        let version = folder.path().join(name);
        std::fs::create_dir(&version).unwrap();
        std::fs::write(version.join("directory.yaml"), DIRECTORY).unwrap();
        std::fs::write(
            version.join("sidegate.yaml"),
            config(recorder.address, more),
        )
        .unwrap();
    };
    write("..v1", "");
    write("..v2", OTHER_ROUTE);
    symlink("..v1", folder.path().join("..data")).unwrap();
    for name in ["sidegate.yaml", "directory.yaml"] {
        symlink(format!("..data/{name}"), folder.path().join(name)).unwrap();
    }
    let sidegate = Sidegate::run_in(folder);
    assert_eq!(status(&sidegate, "/new"), 404);
    let next = sidegate.folder().join("..next");
    symlink("..v2", &next).unwrap();
    std::fs::rename(next, sidegate.folder().join("..data")).unwrap();
    eventually("the swap is noticed", || {
        (status(&sidegate, "/new") == 200).then_some(())
    });
}

#[test]
fn the_assertions_key_outlives_a_reload() {
    let recorder = Recorder::start();
    let sidegate = Sidegate::start(recorder.address, "");
    let key = sidegate.admin("/.well-known/jwks.json");
    sidegate.signal("HUP");
    eventually("it was read again", || {
        (generation(&sidegate) == 2).then_some(())
    });
    assert_eq!(sidegate.admin("/.well-known/jwks.json"), key);
}

#[test]
fn a_thousand_reloads_under_load_fail_no_request() {
    let recorder = Recorder::start();
    let sidegate = Sidegate::start(recorder.address, "");
    let authorization = format!("Bearer {}", token(ALICE));
    let (stop, served) = (
        Arc::new(AtomicBool::new(false)),
        Arc::new(AtomicUsize::new(0)),
    );
    let clients: Vec<_> = (0..4)
        .map(|_| {
            let (stop, served, proxy) = (Arc::clone(&stop), Arc::clone(&served), sidegate.proxy);
            let request = request(
                "GET",
                &format!("/g/{MINE}"),
                &[("Authorization", &authorization)],
            );
            std::thread::spawn(move || {
                let mut wire = Wire::connect(proxy);
                while !stop.load(Ordering::Relaxed) {
                    wire.send(&request);
                    let reply = wire.reply().expect("the connection is kept");
                    assert_eq!(reply.status, 200, "{reply:?}");
                    served.fetch_add(1, Ordering::Relaxed);
                }
            })
        })
        .collect();
    let mut wire = Wire::connect(sidegate.admin);
    let ask = format!("GET /config HTTP/1.1\r\nHost: {}\r\n\r\n", sidegate.admin);
    for expect in 2..=1001 {
        let before = served.load(Ordering::Relaxed);
        sidegate.signal("HUP");
        eventually("it was read again", || {
            wire.send(&ask);
            (wire.reply().unwrap().json()["generation"] == expect).then_some(())
        });
        eventually("requests go on", || {
            (served.load(Ordering::Relaxed) > before).then_some(())
        });
    }
    stop.store(true, Ordering::Relaxed);
    for client in clients {
        client.join().expect("no request failed");
    }
}
