//! The catalogue, and what requests leave behind.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use allocation_counter::measure;
use serde_json::json;

use super::*;
use crate::generation::Generation;
use crate::observation::{Stage, Timeline};
use crate::outcome::Code;
use crate::testing;

#[test]
fn the_documentation_is_the_catalogue() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/metrics.md");
    if std::env::var_os("SIDEGATE_WRITE_DOCS").is_some() {
        fs::write(&file, markdown()).unwrap();
    }
    let written = fs::read_to_string(file).unwrap();
    assert!(
        written == markdown(),
        "docs/metrics.md: expected what `sidegate schema metrics` prints"
    );
}

/// `sidegate stats` reads metrics by their names, and leaves out what is not there.
#[test]
fn what_the_statistics_read_is_there() {
    let known: BTreeSet<_> = catalogue::all().iter().map(|it| it.name).collect();
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/stats");
    let mut read = 0;
    for file in fs::read_dir(folder).unwrap() {
        let path = file.unwrap().path();
        let is_code =
            path.extension().is_some_and(|end| end == "rs") && !path.ends_with("tests.rs");
        let text = if is_code {
            fs::read_to_string(path).unwrap()
        } else {
            String::new()
        };
        for quoted in text.split('"').filter(|part| part.starts_with("sidegate_")) {
            assert!(known.contains(quoted), "{quoted}");
            read += 1;
        }
    }
    assert!(read > 20, "{read}");
}

#[test]
fn names_say_what_they_are_and_are_said_once() {
    let all = catalogue::all();
    let names: BTreeSet<_> = all.iter().map(|definition| definition.name).collect();
    assert_eq!(names.len(), all.len());
    for Definition {
        name,
        kind,
        help,
        labels,
        ..
    } in all
    {
        let of_the_system = name.starts_with("process_");
        assert!(name.starts_with("sidegate_") || of_the_system, "{name}");
        assert_eq!(*kind == Kind::Counter, name.ends_with("_total"), "{name}");
        let is_age = name.ends_with("_age_seconds") && !name.contains("hit_age");
        let measures = name.ends_with("_seconds") && !is_age && !of_the_system;
        assert_eq!(*kind == Kind::Histogram, measures, "{name}");
        assert!(!help.is_empty() && !help.ends_with('.'), "{name}: {help}");
        for label in *labels {
            let Values::Closed(values) = label.values else {
                continue;
            };
            let values = values();
            let different: BTreeSet<_> = values.iter().collect();
            assert!(!values.is_empty(), "{name}");
            assert_eq!(different.len(), values.len(), "{name}: {values:?}");
        }
    }
}

fn generation(routes: usize, previous: Option<&Generation>) -> Generation {
    let mut document = testing::over_database("postgres://me@127.0.0.1:1/app");
    let route = |number| json!({ "id": format!("r{number}"), "methods": ["GET"], "path": format!("/r{number}"), "access": "public" });
    document["routes"] = (0..routes).map(route).collect();
    let settings = testing::settings(Path::new("/"), &document);
    Generation::assemble(settings, previous).unwrap()
}

fn series(requests: &RequestMetrics) -> Vec<String> {
    let mut scrape = Scrape::default();
    requests.gather(&mut scrape);
    let text = scrape.text();
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    lines.map(str::to_owned).collect()
}

/// As if a request had gone through all stages and ended like this.
fn tell(requests: &RequestMetrics, route: Option<&crate::route::Route>, code: Code) {
    let mut timeline = Timeline::begin();
    for stage in Stage::ALL {
        timeline.end(stage);
    }
    requests.count(route, code);
    requests.time(&timeline, code.ended());
    requests.answered(Some(http::StatusCode::OK), true);
}

#[test]
fn telling_about_a_request_allocates_nothing() {
    let generation = generation(3, None);
    let requests = generation.requests.as_ref().unwrap();
    let route = &generation.pipeline.routes.routes()[1];
    let info = measure(|| tell(requests, Some(route), Code::Public));
    assert_eq!(info.count_total, 0);
    let told = series(requests);
    let line = "sidegate_requests_total{outcome=\"allow\",reason=\"public\",route=\"r1\"} 1";
    assert!(told.iter().any(|found| found == line), "{told:#?}");
    let line = "sidegate_stage_seconds_count{stage=\"authorize\"} 1";
    assert!(told.iter().any(|found| found == line), "{told:#?}");
}

#[test]
fn there_are_as_many_series_as_routes_and_reasons_and_no_more() {
    let generation = generation(40, None);
    let requests = generation.requests.as_ref().unwrap();
    let none = series(requests).len();
    let routes = generation.pipeline.routes.routes();
    for _ in 0..3 {
        for code in Code::all() {
            tell(requests, None, code);
            for route in routes {
                tell(requests, Some(route), code);
            }
        }
    }
    // Three of them were there before: one of each outcome, without a route.
    let all = series(requests).len();
    assert_eq!(all - none, (routes.len() + 1) * Code::COUNT - 3);
}

#[test]
fn counts_go_on_over_a_reload_by_the_ids_of_routes() {
    let first = generation(3, None);
    let count = |generation: &Generation, at: usize| {
        let route = &generation.pipeline.routes.routes()[at];
        let requests = generation.requests.as_ref().unwrap();
        requests.count(Some(route), Code::Public);
        let id = format!("route=\"r{at}\"}} ");
        let told = series(requests);
        let line = told.into_iter().find(|line| line.contains(&id)).unwrap();
        line.rsplit(' ').next().unwrap().parse::<u64>().unwrap()
    };
    assert_eq!(count(&first, 0), 1);
    let second = generation(1, Some(&first));
    assert_eq!(count(&second, 0), 2);
    // What the old one still counts is not lost.
    assert_eq!(count(&first, 0), 3);
    assert_eq!(count(&second, 0), 4);
}
