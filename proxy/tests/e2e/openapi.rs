//! `sidegate routes --openapi`: the example application's document, and those that go wrong.

use std::path::Path;
use std::process::Output;

use serde_json::{Value, json};

use crate::cli::run;
use crate::process::{DIRECTORY, config, root};

const DOCUMENT: &str = "docs/examples/example-application.openapi.yaml";
const SHIPPED: &str = "config/sidegate.yaml";

fn routes(document: &str, more: &[&str]) -> Output {
    run(&[&["routes", "--openapi", document], more].concat())
}

fn stdout(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

fn answer(output: &Output) -> Value {
    serde_json::from_slice(&output.stdout).unwrap()
}

fn write(folder: &Path, name: &str, text: &str) -> String {
    let file = folder.join(name);
    std::fs::write(&file, text).unwrap();
    file.display().to_string()
}

/// The shipped configuration in a folder of its own, edited.
fn edited(folder: &Path, edit: impl FnOnce(String) -> String) -> String {
    let demo = folder.join("demo");
    std::fs::create_dir_all(&demo).unwrap();
    for name in ["directory.yaml", "issuer.jwks.json"] {
        std::fs::copy(root().join("config/demo").join(name), demo.join(name)).unwrap();
    }
    let shipped = std::fs::read_to_string(root().join(SHIPPED)).unwrap();
    write(folder, "sidegate.yaml", &edit(shipped))
}

#[test]
fn check_accepts_the_skeleton_and_every_operation_has_its_rule() {
    let folder = tempfile::tempdir().unwrap();
    let skeleton = routes(DOCUMENT, &[]);
    assert_eq!(skeleton.status.code(), Some(0));
    let skeleton = stdout(&skeleton);
    for said in [
        "# note: paths begin with `/api`, as `servers` says",
        "#   generation: { id: uuid }\n",
        "# Actions that roles of the policy have to grant: delete, read, write\n",
        "    path: \"/api/generations/{id:uuid}/media\"\n    action: read # guess\n",
    ] {
        assert!(skeleton.contains(said), "{said}\n{skeleton}");
    }

    let kinds =
        "generation: { id: uuid }, project: { id: uuid }, team: { id: uuid }, user: { id: uuid }";
    let whole = config("127.0.0.1:1".parse().unwrap(), "")
        .replace("[read, write]", "[read, write, delete]")
        .replace("generation: { id: uuid }", kinds);
    let (before, _) = whole.split_once("\nroutes:\n").unwrap();
    write(folder.path(), "directory.yaml", DIRECTORY);
    let file = write(
        folder.path(),
        "sidegate.yaml",
        &format!("{before}\n{skeleton}"),
    );
    let checked = run(&["check", "--config", &file]);
    assert_eq!(checked.status.code(), Some(0), "{}", stdout(&checked));

    let covered = routes(DOCUMENT, &["--config", &file, "--json"]);
    let answer = answer(&covered);
    assert_eq!(covered.status.code(), Some(0), "{answer:#}");
    assert_eq!(answer["coverage"]["covered"].as_array().unwrap().len(), 21);
    assert_eq!(answer["coverage"]["unused"], json!([]));
}

#[test]
fn the_shipped_configuration_has_a_rule_for_each_and_a_lost_one_is_named() {
    let whole = routes(DOCUMENT, &["--config", SHIPPED]);
    let said = stdout(&whole);
    assert_eq!(whole.status.code(), Some(0), "{said}");
    assert!(
        said.contains("21 operations covered, 0 not") && !said.contains("routes:"),
        "{said}"
    );
    assert!(said.contains(
        "covered: POST /api/generations/{id}/share: `share-generation`, share on generation"
    ));
    assert!(
        !said.contains("note: the rule") && !said.contains("warning"),
        "{said}"
    );

    let folder = tempfile::tempdir().unwrap();
    let file = edited(folder.path(), |text| {
        text.replace("    methods: [PATCH]\n    path: \"/api/projects/{id:uuid}\"", "    methods: [PUT]\n    path: \"/api/gone\"")
            .replace("    action: write\n    resource: { kind: project, id: { path: id } }\n  - id: delete-project", "    access: authenticated\n  - id: delete-project")
    });
    let lacking = routes(DOCUMENT, &["--config", &file]);
    let said = stdout(&lacking);
    assert_eq!(lacking.status.code(), Some(1), "{said}");
    for line in [
        "uncovered: PATCH /api/projects/{id}: no rule answers it\n",
        "note: the rule `write-project` (/api/gone) answers no operation of the document\n",
        "20 operations covered, 1 not\n",
        "\nroutes:\n  # PATCH /api/projects/{id} (changeProject)\n",
        "    action: write # guess\n    resource: { kind: project, id: { path: \"id\" } } # guess\n",
    ] {
        assert!(said.contains(line), "{line}\n{said}");
    }
}

#[test]
fn a_public_rule_where_the_document_demands_a_credential_is_pointed_out() {
    let folder = tempfile::tempdir().unwrap();
    let file = edited(folder.path(), |text| {
        text.replace(
            "path: /api/projects, access: authenticated",
            "path: /api/projects, access: public",
        )
    });
    let output = routes(DOCUMENT, &["--config", &file]);
    let said = stdout(&output);
    assert_eq!(output.status.code(), Some(0), "{said}");
    let warnings: Vec<_> = said
        .lines()
        .filter(|line| line.starts_with("warning"))
        .collect();
    let expected = ["GET", "POST"].map(|method| {
        format!("warning: {method} /api/projects: public here, the document demands bearer")
    });
    assert_eq!(warnings, expected);
}

#[test]
fn what_is_no_document_is_refused_with_its_place() {
    let folder = tempfile::tempdir().unwrap();
    let refused = |name: &str, text: &str| {
        let file = write(folder.path(), name, text);
        let output = routes(&file, &["--json"]);
        assert_eq!(output.status.code(), Some(1));
        assert!(output.stdout.is_empty());
        let said = String::from_utf8(output.stderr).unwrap();
        said.replace(&file, name)
    };
    assert_eq!(
        refused(
            "a.json",
            r#"{"openapi": "3.0.0", "paths": {"/a/{b}": {"get": []}}}"#
        ),
        "sidegate: a.json: paths./a/{b}.get: expected an operation, a mapping\n"
    );
    let said = refused("b.json", "{\"openapi\": \"3.0.0\",\n \"paths\": ]}");
    assert!(
        said.starts_with("sidegate: b.json: expected JSON or YAML: ") && said.contains("line 2"),
        "{said}"
    );
    assert_eq!(run(&["routes"]).status.code(), Some(2));
    let nowhere = routes(DOCUMENT, &["--config", "nowhere.yaml"]);
    assert_eq!(nowhere.status.code(), Some(1));
}
