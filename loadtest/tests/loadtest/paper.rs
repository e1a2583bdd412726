//! Limits, documents, pages and comparisons, as the command makes them.
//!
//! Promises: runs the real binary. Does not: look at how a page is made; see the page's own tests.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use crate::support::Server;
use http::Response;
use sidegate_loadtest::document::{Document, Measured, RowFigure, RowOutcome};
use sidegate_loadtest::{Percentiles, Report};

#[expect(clippy::expect_used, reason = "fails the test that calls it")]
fn command(folder: &Path, arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_sidegate-loadtest"));
    let output = command.current_dir(folder).args(arguments).output();
    output.expect("the command runs")
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_required_limit_decides_and_the_run_is_written() {
    let server = Server::http(|_| async move { Response::new("".into()) }).await;
    let url = server.url("/");
    let folder = tempfile::tempdir().expect("a folder");
    for (limit, code, said) in [
        ("errors < 0.1%", 0, "met     errors < 0.1%, found 0 %"),
        ("rate > 1000000/s", 1, "missed     rate > 1000000/s"),
        ("l1_hits > 1%", 1, "found not counted"),
        ("p95 fast", 2, "expected a figure, one of"),
    ] {
        let place = folder.path().to_owned();
        let url = url.clone();
        let run = move || {
            let load = ["run", "--rate", "50", "--duration", "100ms", "--url", &url];
            let files = [
                "--connections",
                "2",
                "--warmup",
                "0s",
                "--document",
                "r.json",
                "--html",
                "r.html",
            ];
            let limits = ["--require", "let_in = 0", "--require", limit];
            command(&place, &[&load[..], &files, &limits].concat())
        };
        let output = tokio::task::spawn_blocking(run).await.expect("no panic");
        assert_eq!(output.status.code(), Some(code), "{limit} {output:?}");
        assert!(text(&output.stderr).contains(said), "{limit} {output:?}");
    }
    let document = Document::read(&folder.path().join("r.json")).expect("a document");
    assert_eq!(document.runs.first().map(|run| run.limits.len()), Some(2));
    let page = command(folder.path(), &["page", "r.json"]);
    assert_eq!(page.status.code(), Some(0), "{page:?}");
    let kept = fs::read_to_string(folder.path().join("r.html")).expect("a page");
    assert_eq!(text(&page.stdout), kept);
}

fn document(p95: u64, outcome: RowOutcome) -> Document {
    let mut document = Document::new("a load");
    document.runs.push(Measured {
        name: "hot".to_owned(),
        about: String::new(),
        report: Report {
            latency: Some(Percentiles {
                p50: 1,
                p90: 1,
                p95,
                p99: p95,
                p999: p95,
                max: p95,
                mean: 1.0,
            }),
            ..Report::default()
        },
        flow: Vec::new(),
        tiers: None,
        limits: Vec::new(),
        events: Vec::new(),
    });
    document.rows.push(RowFigure {
        name: "cpu".to_owned(),
        target: String::new(),
        measured: String::new(),
        outcome,
        reason: None,
    });
    document
}

#[test]
fn a_comparison_fails_when_something_is_worse_and_says_what() {
    let folder = tempfile::tempdir().expect("a folder");
    let write = |name: &str, document: &Document| {
        let path = folder.path().join(name);
        document.write(&path).expect("written");
    };
    write("before.json", &document(1_000, RowOutcome::Met));
    write("slower.json", &document(1_200, RowOutcome::Met));
    write("missed.json", &document(1_000, RowOutcome::Missed));
    write("empty.json", &Document::new("nothing"));
    let mut other = document(1_000, RowOutcome::Met);
    other.machine.processors += 1;
    other.runs.push(Measured {
        name: "cold".to_owned(),
        ..document(1, RowOutcome::Met).runs.remove(0)
    });
    write("other.json", &other);
    let slower = "worse: run hot: p95 1.00 ms → 1.20 ms (× 1.20)";
    for (arguments, code, said) in [
        (&["before.json", "before.json"][..], 0, "0 worse"),
        (&["before.json", "slower.json"], 1, slower),
        (
            &["before.json", "slower.json", "--worse", "25%"],
            0,
            "0 worse",
        ),
        (&["slower.json", "before.json"], 0, "× 0.83"),
        (
            &["before.json", "missed.json"],
            1,
            "worse: row cpu: met → missed",
        ),
        (&["before.json", "other.json"], 0, "the machines differ"),
        (&["before.json", "other.json"], 0, "run cold: only after"),
        (&["before.json", "empty.json"], 2, "in common"),
        (&["before.json", "nowhere.json"], 2, "nowhere.json"),
        (
            &["before.json", "slower.json", "--worse", "much"],
            2,
            "such as 10%",
        ),
    ] {
        let output = command(folder.path(), &[&["compare"], arguments].concat());
        assert_eq!(output.status.code(), Some(code), "{arguments:?} {output:?}");
        let told = text(&output.stdout) + &text(&output.stderr);
        assert!(told.contains(said), "{arguments:?} {told}");
    }
}
