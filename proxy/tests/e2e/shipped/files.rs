//! What is shipped for containers, read.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_yaml::Value;
use tempfile::TempDir;

use crate::process::{BINARY, root};

/// The files of the Sidegate container, in a folder, and its environment.
pub(super) struct Container {
    _folder: TempDir,
    pub(super) config: PathBuf,
    pub(super) environment: BTreeMap<String, String>,
}

impl Container {
    pub(super) fn new() -> Self {
        let compose = Compose::read();
        let folder = tempfile::tempdir().unwrap();
        let inside = |path: &Path| folder.path().join(path.strip_prefix("/").unwrap());
        for (source, target) in compose.mounts("sidegate") {
            copy(&root().join(source), &inside(&target));
        }
        let environment = compose.service("sidegate")["environment"]
            .as_mapping()
            .unwrap();
        let environment = environment
            .iter()
            .map(|(name, value)| (text(name).to_owned(), defaulted(text(value))))
            .collect();
        Self {
            config: inside(&compose.config().1),
            environment,
            _folder: folder,
        }
    }

    /// Runs the binary with the container's configuration and nothing of the test's environment.
    pub(super) fn sidegate(&self, arguments: &[&str], environment: &[(&str, &str)]) -> Output {
        let (subcommand, rest) = arguments.split_first().unwrap();
        Command::new(BINARY)
            .args([subcommand, "--config"])
            .arg(&self.config)
            .args(rest)
            .env_clear()
            .envs(&self.environment)
            .envs(environment.iter().copied())
            .output()
            .unwrap()
    }
}

pub(super) struct Compose(pub(super) Value);

impl Compose {
    pub(super) fn read() -> Self {
        Self(serde_yaml::from_str(&read("docker-compose.yml")).unwrap())
    }

    pub(super) fn services(&self) -> impl Iterator<Item = (&str, &Value)> {
        let services = self.0["services"].as_mapping().unwrap().iter();
        services.map(|(name, service)| (text(name), service))
    }

    pub(super) fn service(&self, name: &str) -> &Value {
        self.0["services"]
            .get(name)
            .unwrap_or_else(|| panic!("no service `{name}`"))
    }

    /// A list of texts; none if there is no such key.
    pub(super) fn names(&self, service: &str, key: &str) -> Vec<String> {
        let names = self.service(service).get(key).map(list).unwrap_or_default();
        names.iter().map(|name| text(name).to_owned()).collect()
    }

    /// Paths in the repository and in the container; all are mounted read-only.
    pub(super) fn mounts(&self, service: &str) -> Vec<(PathBuf, PathBuf)> {
        let mounts = self.names(service, "volumes").into_iter();
        let split = |mount: String| {
            let [source, target, "ro"] = mount.split(':').collect::<Vec<_>>()[..] else {
                panic!("{mount}")
            };
            (source.strip_prefix("./").unwrap().into(), target.into())
        };
        mounts.map(split).collect()
    }

    /// Where the file that the command names is, in the repository and in the container.
    pub(super) fn config(&self) -> (PathBuf, PathBuf) {
        let command = self.names("sidegate", "command");
        let inside = PathBuf::from(command.last().unwrap());
        let mounts = self.mounts("sidegate");
        let source = mounts
            .iter()
            .find_map(|(source, target)| Some(source.join(inside.strip_prefix(target).ok()?)));
        (source.expect("a mount with the configuration"), inside)
    }
}

/// Instructions with their arguments, continuation lines joined.
pub(super) struct Dockerfile(Vec<(String, String)>);

impl Dockerfile {
    pub(super) fn read() -> Self {
        let text = read("Dockerfile");
        let lines = text
            .lines()
            .filter(|line| !line.trim_start().starts_with('#'));
        let text = lines.collect::<Vec<_>>().join("\n").replace("\\\n", " ");
        let instruction = |line: &str| {
            let mut words = line.split_whitespace();
            let name = words.next()?.to_owned();
            Some((name, words.collect::<Vec<_>>().join(" ")))
        };
        Self(text.lines().filter_map(instruction).collect())
    }

    pub(super) fn of(&self, name: &str) -> impl Iterator<Item = &str> {
        let named = self.0.iter().filter(move |(known, _)| known == name);
        named.map(|(_, arguments)| arguments.as_str())
    }

    pub(super) fn only(&self, name: &str) -> &str {
        let all: Vec<_> = self.of(name).collect();
        assert_eq!(all.len(), 1, "{name}: {all:?}");
        all[0]
    }

    /// What is copied from the repository.
    pub(super) fn copied(&self) -> BTreeSet<&str> {
        let copies = self.of("COPY").filter(|copy| !copy.contains("--from="));
        copies
            .flat_map(|copy| {
                let words: Vec<_> = copy.split(' ').collect();
                words[..words.len() - 1].to_vec()
            })
            .collect()
    }
}

/// Whether .dockerignore keeps a path from the builder: the last line that matches decides.
pub(super) fn is_ignored(path: &str) -> bool {
    let mut ignored = false;
    let rules = read(".dockerignore");
    for rule in rules
        .lines()
        .filter(|line| !line.is_empty() && !line.starts_with('#'))
    {
        let (pattern, ignores) = match rule.strip_prefix('!') {
            Some(pattern) => (pattern, false),
            None => (rule, true),
        };
        if pattern == "*" || Path::new(path).starts_with(pattern) {
            ignored = ignores;
        }
    }
    ignored
}

/// What compose makes of `${NAME:-default}` with nothing set.
fn defaulted(value: &str) -> String {
    match value
        .strip_prefix("${")
        .and_then(|rest| rest.strip_suffix('}'))
    {
        Some(reference) => reference.split_once(":-").expect("a default").1.to_owned(),
        None => value.to_owned(),
    }
}

fn copy(from: &Path, to: &Path) {
    if from.is_dir() {
        fs::create_dir_all(to).unwrap();
        for entry in fs::read_dir(from).unwrap() {
            let entry = entry.unwrap();
            copy(&entry.path(), &to.join(entry.file_name()));
        }
    } else {
        fs::copy(from, to).unwrap();
    }
}

pub(super) fn list(value: &Value) -> &[Value] {
    value.as_sequence().unwrap()
}

pub(super) fn text(value: &Value) -> &str {
    value.as_str().unwrap()
}

pub(super) fn read(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap()
}
