//! The command itself: exit codes and where its output goes.
//!
//! Promises: runs the real binary. Does not: look at numbers; see `run.rs`.

use std::net::TcpListener;
use std::process::{Command, Output};

use crate::support::Server;
use http::Response;
use sidegate_loadtest::Report;

/// Runs the command with a small load and `arguments`.
#[expect(clippy::expect_used, reason = "fails the test that calls it")]
async fn command(arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_sidegate-loadtest"));
    command.args([
        "run",
        "--rate",
        "50",
        "--duration",
        "100ms",
        "--warmup",
        "100ms",
    ]);
    command.args(["--connections", "2"]).args(arguments);
    let output = tokio::task::spawn_blocking(move || command.output()).await;
    output.expect("no panic").expect("the command runs")
}

#[tokio::test(flavor = "multi_thread")]
async fn answers_mean_0_and_a_report_on_standard_output() {
    let server = Server::http(|request| async move {
        let named = request
            .headers()
            .get("x-name")
            .is_some_and(|value| value == "value");
        Response::builder()
            .status(if named { 200 } else { 400 })
            .body("".into())
            .expect("answer")
    })
    .await;
    let output = command(&["--url", &server.url("/"), "--header", "X-Name: value"]).await;
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let report: Report = serde_json::from_slice(&output.stdout).expect("a report");
    assert_eq!((report.completed, report.status), (5, [(200, 5)].into()));
}

#[tokio::test(flavor = "multi_thread")]
async fn no_answer_means_1_and_still_a_report() {
    let nobody = TcpListener::bind("127.0.0.1:0").expect("a port");
    let url = format!("http://{}/", nobody.local_addr().expect("an address"));
    drop(nobody);
    let output = command(&["--url", &url]).await;
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    let report: Report = serde_json::from_slice(&output.stdout).expect("a report");
    assert_eq!((report.completed, report.errors.connect), (0, 5));
}

#[tokio::test(flavor = "multi_thread")]
async fn wrong_usage_means_2_and_no_report() {
    for arguments in [
        &["--url", "http://192.0.2.1/"][..],
        &["--url", "https://127.0.0.1/"],
        &["--url", "http://127.0.0.1/", "--header", "nonsense"],
        &["--url", "http://127.0.0.1/", "--timeout", "61s"],
        &[],
    ] {
        let output = command(arguments).await;
        assert_eq!(output.status.code(), Some(2), "{arguments:?} {output:?}");
        assert!(
            output.stdout.is_empty() && !output.stderr.is_empty(),
            "{arguments:?}"
        );
    }
}
