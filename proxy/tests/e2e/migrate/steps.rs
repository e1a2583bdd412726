//! How far it is, on standard error, and what it did, on standard output.

use std::fs;
use std::path::Path;

use super::{NOBODY, PATIENT, example};
use crate::database::{folder, try_migrate};
use crate::process::root;

/// What was written to standard output and to standard error.
fn said(folder: &Path, arguments: &[&str], succeeds: bool) -> (Vec<String>, Vec<String>) {
    let output = try_migrate(folder, arguments);
    let lines = |bytes: Vec<u8>| -> Vec<String> {
        let text = String::from_utf8(bytes).unwrap();
        text.lines().map(str::to_owned).collect()
    };
    let (out, err) = (lines(output.stdout), lines(output.stderr));
    assert_eq!(output.status.success(), succeeds, "{err:#?}");
    (out, err)
}

/// The names of steps, which are numbered from 1 on; the last one is the last of all.
fn steps(lines: &[String]) -> Vec<&str> {
    let mut last = (0, 0);
    let names = lines.iter().map(|line| {
        let (place, name) = line.split_once(": ").unwrap();
        let (number, all) = place.split_once(" of ").unwrap();
        let (number, all): (usize, usize) = (number.parse().unwrap(), all.parse().unwrap());
        assert!(
            number == last.0 + 1 && all >= last.1 && number <= all,
            "{lines:#?}"
        );
        last = (number, all);
        name
    });
    let names = names.collect();
    assert_eq!(last.0, last.1, "{lines:#?}");
    names
}

/// A line for each migration that there is.
fn applied() -> Vec<String> {
    let files = fs::read_dir(root().join("migrations")).unwrap();
    let names = files.map(|file| file.unwrap().file_name().into_string().unwrap());
    let mut applied: Vec<(u32, String)> = names
        .filter_map(|name| {
            let name = name.strip_suffix(".sql")?;
            let (number, _) = name.strip_prefix('V')?.split_once("__")?;
            Some((number.parse().unwrap(), format!("applied {name}")))
        })
        .collect();
    applied.sort();
    applied.into_iter().map(|(_, line)| line).collect()
}

/// What follows those, on the example application's tables.
const DONE: [&str; 9] = [
    "applied the example's contract (set store.postgres.contract)",
    "triggers on public.generations",
    "triggers on public.projects",
    "triggers on public.team_members",
    "triggers on public.teams",
    "triggers on public.users",
    "grant sidegate_reader to sidegate_login",
    "alter role \"sidegate_login\" set search_path = pg_catalog, pg_temp",
    "the database is up to date",
];

#[test]
fn each_step_is_a_plain_line_and_standard_output_is_what_was_done() {
    let (_database, folder) = example();
    let (out, err) = said(folder.path(), &[], true);
    assert_eq!(out, [&applied()[..], &DONE.map(str::to_owned)].concat());
    let steps = steps(&err);
    assert_eq!(
        steps[..3],
        ["the connection", "roles and schema", "V1__change_log"]
    );
    for expected in [
        "the contract's views",
        "triggers on public.team_members",
        "the materialized view",
    ] {
        assert!(steps.contains(&expected), "{expected}: {steps:#?}");
    }

    let (out, err) = said(folder.path(), &[], true);
    assert_eq!(out, ["the database is up to date"]);
    assert!(
        !self::steps(&err).iter().any(|step| step.starts_with('V')),
        "{err:#?}"
    );
    let (_, err) = said(folder.path(), &["--release", "team_members"], true);
    assert_eq!(
        self::steps(&err)[..2],
        ["the connection", "releasing team_members"]
    );
    let (_, err) = said(folder.path(), &["--down"], true);
    assert!(self::steps(&err).contains(&"schema and roles"), "{err:#?}");
    let (out, err) = said(folder.path(), &["--dry-run"], true);
    assert!(
        !out.is_empty() && err.is_empty(),
        "reading has no steps: {err:#?}"
    );
}

#[test]
fn a_step_that_fails_is_named_before_the_reason() {
    let (database, _) = example();
    let broken = database
        .config(NOBODY, PATIENT, "")
        .replace("postgres: {}", "postgres: { contract: broken.sql }");
    let folder = folder(&broken);
    fs::write(folder.path().join("broken.sql"), "select nothing_there").unwrap();
    let (out, err) = said(folder.path(), &[], false);
    assert!(
        out.iter().all(|line| line.starts_with("applied V")),
        "{out:#?}"
    );
    let [.., step, failed, reason] = &err[..] else {
        panic!("{err:#?}");
    };
    assert!(step.ends_with(": the contract's views"), "{err:#?}");
    assert_eq!(*failed, format!("failed at {step}"));
    assert!(
        reason.starts_with("sidegate: ") && reason.contains("nothing_there"),
        "{reason}"
    );

    fs::write(
        folder.path().join("sidegate.yaml"),
        broken.replace(
            &database.url(crate::database::SUPERUSER),
            "postgres://x@127.0.0.1:9/x",
        ),
    )
    .unwrap();
    let (_, err) = said(folder.path(), &[], false);
    assert!(
        err.contains(&"failed at 1 of 1: the connection".to_owned()),
        "{err:#?}"
    );
}
