//! Seeded databases: the same from the same seed, and what the application shows of them.
//!
//! Promises: what a user may see is computed from the dataset, not by SQL: two ways to one answer.
//! Does not: look at how long it takes.

use sidegate_loadtest::ids::Table;
use sidegate_loadtest::postgres::Cluster;
use sidegate_loadtest::{Dataset, Ends};

use crate::example::{App, ids, rows, seed};

#[test]
fn a_seed_is_repeatable_and_never_mixed_with_other_rows() {
    let cluster = Cluster::start().expect("a database server");
    let first = cluster.create_database("first").expect("a database");
    let second = cluster.create_database("second").expect("a database");
    assert!(seed(&first, &["--generations", "2000", "--seed", "7"]));
    assert!(seed(&second, &["--generations", "2000", "--seed", "8"]));
    assert_ne!(rows(&first, CONTENT), rows(&second, CONTENT));
    let again = ["--generations", "2000", "--seed", "7"];
    assert!(!seed(&second, &again), "there are rows already");
    assert!(seed(&second, &[&again[..], &["--drop"]].concat()));
    assert_eq!(rows(&first, CONTENT), rows(&second, CONTENT));
    assert!(!seed(&second, &["--generations", "99", "--drop"]));
    assert!(!seed(&second, &["--generations", "1000001", "--drop"]));

    let set = Dataset::new(2000, 7).expect("an amount");
    let sizes = [
        set.users(),
        set.teams(),
        set.members(),
        set.projects(),
        set.generations(),
    ];
    assert_eq!(
        rows(&first, COUNTS),
        [sizes.map(|size| size.to_string()).join(" ")]
    );
    let generation = set.generation(1234);
    let owner = rows(
        &first,
        &format!(
            "select user_id::text from generations where id = '{}'",
            generation.id
        ),
    );
    assert_eq!(owner, [set.id(Table::Users, generation.owner).to_string()]);
}

#[test]
fn lists_show_what_the_subject_may_see() {
    let cluster = Cluster::start().expect("a database server");
    let url = cluster.url("postgres");
    assert!(seed(&url, &["--generations", "2000", "--seed", "7"]));
    let set = Dataset::new(2000, 7).expect("an amount");
    let app = App::start(&url);
    let ended = (0..set.members()).filter(|&index| set.member(index).ends == Ends::Past);
    assert!(
        ended.count() > 0,
        "an ended membership is seen to grant nothing"
    );
    for user in 0..set.users() {
        let id = set.user(user).id;
        for (list, seen) in [
            ("generations", visible_generations(&set, user)),
            ("projects", visible_projects(&set, user)),
        ] {
            let (status, answer) = app.get(&format!("/api/{list}?limit=100"), id);
            assert_eq!(status, 200, "{answer}");
            let shown = ids(&answer);
            assert_eq!(shown.len(), seen.len().min(100), "{list} of user {user}");
            for id in shown {
                assert!(seen.contains(&id.to_owned()), "{list} of user {user}: {id}");
            }
        }
    }
}

fn visible_projects(set: &Dataset, user: u64) -> Vec<String> {
    let projects = (0..set.projects()).filter(|&index| is_visible(set, user, index));
    projects
        .map(|index| set.project(index).id.to_string())
        .collect()
}

fn visible_generations(set: &Dataset, user: u64) -> Vec<String> {
    (0..set.generations())
        .map(|index| set.generation(index))
        .filter(|it| {
            let through = it.project.map(|index| set.project(index));
            let shared = through.is_some_and(|it| is_shared(set, user, it.visibility, it.team));
            it.owner == user || shared
        })
        .map(|it| it.id.to_string())
        .collect()
}

fn is_visible(set: &Dataset, user: u64, project: u64) -> bool {
    let project = set.project(project);
    project.owner == user || is_shared(set, user, project.visibility, project.team)
}

fn is_shared(set: &Dataset, user: u64, visibility: &str, team: Option<u64>) -> bool {
    let mut members = (0..set.members()).map(|index| set.member(index));
    visibility == "public"
        || members.any(|it| it.user == user && Some(it.team) == team && it.ends != Ends::Past)
}

/// All rows of all tables, as one number each.
const CONTENT: &str = "\
    select concat_ws(' ',
        (select md5(string_agg(t::text, ' ' order by id)) from users t),
        (select md5(string_agg(t::text, ' ' order by id)) from teams t),
        (select md5(string_agg(t::text, ' ' order by team_id, user_id)) from team_members t),
        (select md5(string_agg(t::text, ' ' order by id)) from projects t),
        (select md5(string_agg(t::text, ' ' order by id)) from generations t))";

const COUNTS: &str = "\
    select concat_ws(' ', (select count(*) from users), (select count(*) from teams),
        (select count(*) from team_members), (select count(*) from projects),
        (select count(*) from generations))";
