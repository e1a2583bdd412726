//! docs/adapting.md: its commands do what it says, and the contract it explains is the one that is tested.

use std::fs;
use std::path::Path;
use std::process::Command;

use crate::database::{Database, LOGIN, SUPERUSER};
use crate::process::{BINARY, SECRET, root};

use super::archive::{OWNER, example, owner};

/// The fenced blocks, in order: language and text.
fn blocks() -> Vec<(String, String)> {
    let text = fs::read_to_string(root().join("docs/adapting.md")).unwrap();
    let fenced = text.split("```").skip(1).step_by(2);
    let pair = |block: &str| {
        let (language, text) = block.split_once('\n').unwrap();
        (language.to_owned(), text.to_owned())
    };
    fenced.map(pair).collect()
}

#[test]
fn the_guide_explains_the_contract_that_is_tested() {
    let contract = example("contract.sql");
    for (_, text) in blocks().iter().filter(|(language, _)| language == "sql") {
        assert!(contract.contains(text), "not in contract.sql:\n{text}");
    }
}

#[test]
fn every_command_of_the_guide_works() {
    let database = Database::start();
    // The guide creates the login itself, and the owner of the tables may not.
    database.run(SUPERUSER, &format!("drop role {LOGIN}"));
    owner(&database, "nocreaterole");
    let folder = tempfile::tempdir().unwrap();
    for name in ["schema.sql", "contract.sql", "sidegate.yaml"] {
        fs::write(folder.path().join(name), example(name)).unwrap();
    }
    let programs = Path::new(BINARY).parent().unwrap().display();
    let path = format!("{programs}:{}", std::env::var("PATH").unwrap());

    let blocks = blocks();
    let mut ran = 0;
    for (at, (_, script)) in blocks
        .iter()
        .enumerate()
        .filter(|(_, block)| block.0 == "sh")
    {
        let output = Command::new("bash")
            .args(["-eu", "-o", "pipefail", "-c", script])
            .current_dir(folder.path())
            .env("PATH", &path)
            .env("ADMIN_URL", database.url(SUPERUSER))
            .env("DATABASE_URL", database.url(LOGIN))
            .env("DATABASE_MIGRATE_URL", database.url(OWNER))
            .env("ISSUER_SECRET", SECRET)
            .output()
            .unwrap();
        let shown = String::from_utf8(output.stdout).unwrap();
        let errors = String::from_utf8(output.stderr).unwrap();
        assert!(output.status.success(), "{script}\n{shown}{errors}");
        assert!(!shown.contains("Seq Scan"), "{script}\n{shown}");
        if let Some((_, expected)) = blocks.get(at + 1).filter(|next| next.0 == "text") {
            assert_eq!(&shown, expected, "{script}");
        }
        ran += 1;
    }
    assert!(ran >= 8, "{ran}");
    let left = "select nspname from pg_namespace where nspname = 'sidegate'";
    assert!(database.rows(SUPERUSER, left).is_empty());
    let triggers = "select tgname from pg_trigger where not tgisinternal";
    assert!(database.rows(SUPERUSER, triggers).is_empty());
}
