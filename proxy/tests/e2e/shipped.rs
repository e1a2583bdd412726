//! The image, the compose file, Kong's configuration and the guides say what is true of the binary
//! and the repository. Nothing is built or started in a container here.

mod files;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_yaml::Value;
use sidegate_config::Settings;

use crate::demo::Demo;
use crate::process::{BINARY, root};
use files::{Compose, Container, Dockerfile, is_ignored, list, read, text};

#[test]
fn the_image_is_built_from_what_is_there() {
    let stages = Dockerfile::read();
    let sources = stages.copied();
    for source in &sources {
        assert!(root().join(source).exists(), "COPY {source}");
        assert!(!is_ignored(source), "COPY {source}: .dockerignore");
    }
    let manifest = read("Cargo.toml");
    let members = manifest
        .lines()
        .find_map(|line| line.strip_prefix("members = "))
        .unwrap();
    let members: Vec<String> = serde_json::from_str(members).unwrap();
    for member in members.iter().map(String::as_str).chain(["Cargo.lock"]) {
        // With its folder, or with one around it.
        let mut folders = Path::new(member).ancestors().filter_map(Path::to_str);
        let is_copied = folders.any(|folder| sources.contains(folder));
        assert!(is_copied, "{member} is not copied");
    }
    // What the binary includes is in the builder's context.
    for file in ["config/demo/sidegate.yaml", "config/demo/directory.yaml"] {
        assert!(!is_ignored(file), "{file}");
    }
    for file in ["target", ".git", "proxy/tests/e2e/main.rs", "README.md"] {
        assert!(is_ignored(file), "{file}");
    }
    let version = manifest
        .lines()
        .find_map(|line| line.strip_prefix("rust-version = "))
        .unwrap()
        .trim_matches('"');
    assert_eq!(
        stages.of("FROM").next().unwrap(),
        format!("rust:{version}-bookworm AS build")
    );
}

#[test]
fn the_image_runs_the_binary_as_nobody() {
    let stages = Dockerfile::read();
    let name = Path::new(BINARY).file_name().unwrap().to_str().unwrap();
    let build: Vec<_> = stages
        .of("RUN")
        .filter(|run| run.contains("cargo build"))
        .collect();
    assert_eq!(build.len(), 1);
    assert!(build[0].contains(&format!(" --release --locked -p sidegate --bin {name} ")));

    let entrypoint: Vec<String> = serde_json::from_str(stages.only("ENTRYPOINT")).unwrap();
    let [program] = entrypoint.as_slice() else {
        panic!("{entrypoint:?}")
    };
    assert!(build[0].ends_with(&format!(" && cp target/release/{name} {program}")));
    let kept = format!("--from=build {program} {program}");
    assert!(stages.of("COPY").any(|copy| copy == kept), "{kept}");
    let arguments: Vec<String> = serde_json::from_str(stages.only("CMD")).unwrap();
    assert_known(&arguments);

    let user: Vec<u32> = stages
        .only("USER")
        .split(':')
        .map(|id| id.parse().unwrap())
        .collect();
    assert!(user.iter().all(|id| *id != 0), "{user:?}");
    assert_eq!(stages.of("HEALTHCHECK").count(), 0);

    let exposed: BTreeSet<u16> = stages
        .only("EXPOSE")
        .split_whitespace()
        .map(|port| port.parse().unwrap())
        .collect();
    for file in ["config/sidegate.yaml", "config/compose/sidegate.yaml"] {
        let settings = settings(file);
        let ports = [settings.listen.port(), settings.admin.listen.port()];
        assert_eq!(exposed, BTreeSet::from(ports), "{file}");
    }
}

#[test]
fn compose_mounts_and_names_what_is_there() {
    let compose = Compose::read();
    for (service, _) in compose.services() {
        for (source, _) in compose.mounts(service) {
            assert!(
                root().join(&source).exists(),
                "{service}: {}",
                source.display()
            );
        }
        for other in compose.names(service, "depends_on") {
            assert!(
                compose.services().any(|(known, _)| known == other),
                "{other}"
            );
        }
        for network in compose.names(service, "networks") {
            assert!(compose.0["networks"].get(&network).is_some(), "{network}");
        }
    }
    assert_eq!(text(&compose.service("sidegate")["build"]), ".");
    // Where Sidegate's own file comes from in the container is where it is in the repository.
    let (file, _) = compose.config();
    assert_eq!(file, Path::new("config/compose/sidegate.yaml"));
    assert_known(&compose.names("sidegate", "command"));
}

#[test]
fn the_mounted_configuration_is_good_in_the_container() {
    let container = Container::new();
    let output = container.sidegate(&["check"], &[]);
    let shown = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{shown}");
    assert_eq!(shown.lines().count(), 1, "{shown}");

    let configuration = fs::read_to_string(&container.config).unwrap();
    for reference in references(&configuration) {
        let (name, has_default) = match reference.split_once(":-") {
            Some((name, _)) => (name, true),
            None => (&*reference, false),
        };
        let set = container.environment.contains_key(name);
        assert!(
            set || has_default || is_optional(&configuration, name),
            "{name}"
        );
    }
}

/// The commented alternative for the admin listener, which has no token by default.
#[test]
fn an_admin_listener_beyond_the_container_needs_a_token() {
    let container = Container::new();
    let text = fs::read_to_string(&container.config).unwrap();
    let text = text.replace("\nadmin: ", "\n# loopback: ");
    let text = text.replace("\n# admin: ", "\nadmin: ");
    fs::write(&container.config, &text).unwrap();
    let check = |token: &[(&str, &str)]| container.sidegate(&["check"], token).status.success();
    assert!(!check(&[]));
    assert!(!check(&[("SIDEGATE_ADMIN_TOKEN", "short")]));
    assert!(check(&[("SIDEGATE_ADMIN_TOKEN", "0123456789abcdef")]));
    let commented = "# SIDEGATE_ADMIN_TOKEN: ${SIDEGATE_ADMIN_TOKEN:?";
    assert!(read("docker-compose.yml").contains(commented));
}

#[test]
fn kong_reaches_sidegate_and_sidegate_the_application() {
    let compose = Compose::read();
    let settings = settings("config/compose/sidegate.yaml");
    let kong: Value = serde_yaml::from_str(&read("config/kong.yml")).unwrap();
    let [service] = list(&kong["services"]) else {
        panic!("{kong:?}")
    };
    let url = format!("http://sidegate:{}", settings.listen.port());
    assert_eq!(text(&service["url"]), url);
    let [route] = list(&service["routes"]) else {
        panic!("{service:?}")
    };
    assert_eq!(route["paths"], Value::from(vec!["/"]));
    assert_eq!(route["strip_path"], Value::from(false));
    assert_eq!(route["preserve_host"], Value::from(true));

    let [(_, endpoints)] = Vec::from_iter(&settings.upstream.groups)
        .try_into()
        .unwrap();
    let [endpoint] = endpoints.as_slice() else {
        panic!("{endpoints:?}")
    };
    let application = compose.service(&endpoint.host);
    assert_eq!(
        list(&application["command"])[1],
        Value::from(endpoint.port.to_string())
    );

    // Kong shares a network with Sidegate, and that one is trusted; none with the application.
    let shared = |one: &str, other: &str| {
        let other = compose.names(other, "networks");
        let one = compose.names(one, "networks").into_iter();
        one.filter(|name| other.contains(name)).collect::<Vec<_>>()
    };
    let [edge] = shared("kong", "sidegate").try_into().unwrap();
    let edge: &Value = &compose.0["networks"][edge.as_str()];
    let subnet = text(&edge["ipam"]["config"][0]["subnet"]);
    let trusted: Vec<_> = settings
        .trusted_proxies
        .iter()
        .map(ToString::to_string)
        .collect();
    assert_eq!(trusted, [subnet]);
    assert_eq!(shared("sidegate", &endpoint.host).len(), 1);
    assert!(shared("kong", &endpoint.host).is_empty());
}

#[test]
fn only_kong_is_published_and_only_to_the_host() {
    let compose = Compose::read();
    for (name, service) in compose.services() {
        assert_eq!(service.get("ports").is_some(), name == "kong", "{name}");
    }
    let kong = compose.service("kong");
    let environment = &kong["environment"];
    let listen: SocketAddr = text(&environment["KONG_PROXY_LISTEN"]).parse().unwrap();
    let published = format!("127.0.0.1:{port}:{port}", port = listen.port());
    assert_eq!(kong["ports"], Value::from(vec![published]));
    assert_eq!(text(&environment["KONG_ADMIN_LISTEN"]), "off");
    let declarative = Path::new(text(&environment["KONG_DECLARATIVE_CONFIG"]));
    let mounts = compose.mounts("kong");
    assert_eq!(
        mounts,
        [(PathBuf::from("config/kong.yml"), declarative.to_owned())]
    );
    let url = format!("http://127.0.0.1:{}/health", listen.port());
    assert!(read("docker-compose.yml").contains(&url));
}

/// The way to a token that docker-compose.yml describes.
#[test]
fn the_demo_lends_a_token() {
    let demo = Demo::start();
    let container = Container::new();
    let keys = Path::new(demo.line["config"].as_str().unwrap()).with_file_name("issuer.jwks.json");
    fs::copy(keys, container.config.with_file_name("issuer.jwks.json")).unwrap();
    let alice = demo.line["tokens"]["alice"].as_str().unwrap();
    let explain = |keys: &[(&str, &str)], path: &str| {
        let output = container.sidegate(&["explain", "--token", alice, "GET", path], keys);
        String::from_utf8(output.stdout).unwrap()
    };
    let instructions = read("docker-compose.yml");
    let path = "/api/generations/6e000000-0000-4000-8000-000000000001";
    assert!(instructions.contains("SIDEGATE_JWKS_FILE=issuer.jwks.json"));
    assert!(instructions.contains(path));
    let lent = explain(&[("SIDEGATE_JWKS_FILE", "issuer.jwks.json")], path);
    assert!(lent.starts_with("ALLOW"), "{lent}");
    let shipped = explain(&[], path);
    assert!(!shipped.starts_with("ALLOW"), "{shipped}");
}

#[test]
fn the_guides_quote_what_is_shipped() {
    let guide = read("docs/behind-a-load-balancer.md");
    for (language, file) in [
        ("yaml", "config/kong.yml"),
        ("nginx", "docs/examples/nginx.conf"),
        ("haproxy", "docs/examples/haproxy.cfg"),
    ] {
        assert!(blocks(&guide, language).contains(&read(file)), "{file}");
    }
}

/// Every piece of configuration in a guide is good in the reference configuration.
#[test]
fn the_configurations_in_the_guides_are_good() {
    let base: Value = serde_yaml::from_str(&read("config/sidegate.yaml")).unwrap();
    let mut seen = 0;
    for guide in ["behind-a-load-balancer", "in-front-of-your-application"] {
        for block in blocks(&read(&format!("docs/{guide}.md")), "yaml") {
            let changes: Value = serde_yaml::from_str(&block).unwrap();
            if changes.get("_format_version").is_some() {
                continue; // Kong's own
            }
            let mut document = base.clone();
            for (key, value) in changes.as_mapping().unwrap() {
                document[key.clone()] = value.clone();
            }
            let document = serde_yaml::to_string(&document).unwrap();
            let place = root().join("config/sidegate.yaml");
            let settings = sidegate_config::parse(&document, &place, &BTreeMap::new());
            assert!(settings.is_ok(), "{block}\n{:?}", settings.err());
            seen += 1;
        }
    }
    assert!(seen >= 5, "{seen}");
}

#[test]
fn links_in_the_guides_lead_somewhere() {
    for guide in [
        "behind-a-load-balancer.md",
        "in-front-of-your-application.md",
    ] {
        let text = read(&format!("docs/{guide}"));
        for link in text.split("](").skip(1) {
            let target = link.split([')', '#']).next().unwrap();
            assert!(
                root().join("docs").join(target).exists(),
                "{guide}: {target}"
            );
        }
    }
}

/// Arguments that the binary's own help knows.
fn assert_known(arguments: &[String]) {
    let help = |arguments: &[&str]| {
        let output = Command::new(BINARY).args(arguments).output().unwrap();
        String::from_utf8(output.stdout).unwrap()
    };
    let (subcommand, options) = arguments.split_first().unwrap();
    let known = |help: &str, word: &str| help.split_whitespace().any(|known| known == word);
    assert!(known(&help(&["--help"]), subcommand), "{subcommand}");
    let help = help(&[subcommand, "--help"]);
    for option in options.iter().filter(|option| option.starts_with('-')) {
        assert!(known(&help, option), "{option}");
    }
}

/// The names in `${…}`, with their defaults.
fn references(text: &str) -> Vec<String> {
    let parts = text.split("${").skip(1);
    parts
        .map(|part| part.split('}').next().unwrap().to_owned())
        .collect()
}

/// Whether a variable is only named in comments.
fn is_optional(text: &str, name: &str) -> bool {
    let mut uses = text
        .lines()
        .filter(|line| line.contains(&format!("${{{name}")));
    uses.all(|line| line.starts_with('#'))
}

fn settings(file: &str) -> Settings {
    let settings = sidegate_config::parse(&read(file), &root().join(file), &BTreeMap::new());
    settings.unwrap()
}

/// A guide's fenced blocks of one language.
fn blocks(text: &str, language: &str) -> Vec<String> {
    let fences = text.split("```").skip(1).step_by(2);
    let start = format!("{language}\n");
    fences
        .filter_map(|block| Some(block.strip_prefix(&start)?.to_owned()))
        .collect()
}
