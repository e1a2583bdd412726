//! How late a change counts is measured, with a change of nothing: what comes in time, what is held up, what
//! cannot be written, and that the measure disturbs nobody.

use crate::caching::{metric, status, written};
use crate::database::{Database, LOGIN, SUPERUSER, folder, migrate};
use crate::process::{ALICE, MINE, Sidegate, eventually};
use crate::recorder::Recorder;
use crate::storms::Relay;
use crate::storms::lease_age;

const EVERY_SECOND: &str = "coherence: { canary_interval: 1s }\n";

fn number(sidegate: &Sidegate, name: &str) -> u64 {
    metric(sidegate, name).unwrap_or_else(|| panic!("no {name}"))
}

fn canaries(sidegate: &Sidegate, result: &str) -> u64 {
    number(
        sidegate,
        &format!("sidegate_canary_total{{result=\"{result}\"}}"),
    )
}

/// How many counted later than a second after their commit.
fn late(sidegate: &Sidegate) -> u64 {
    let lags = |part| number(sidegate, &format!("sidegate_revocation_lag_seconds_{part}"));
    // In this order: one that comes between the two scrapes is in time and makes it less, not more.
    let all = lags("count");
    all.saturating_sub(lags("bucket{le=\"1\"}"))
}

/// Waits for some more to be seen.
fn goes_on(sidegate: &Sidegate, what: &str) {
    let before = canaries(sidegate, "seen");
    eventually(what, || {
        (canaries(sidegate, "seen") >= before + 2).then_some(())
    });
}

/// With one right to a generation.
fn database() -> Database {
    let database = Database::example();
    database.run(
        SUPERUSER,
        &format!(
            "insert into users values ('{ALICE}', 'alice@example');
             insert into generations (id, user_id) values ('{MINE}', '{ALICE}')"
        ),
    );
    database
}

#[test]
fn how_late_a_change_counts_is_measured_also_when_it_is_late() {
    let (database, recorder) = (database(), Recorder::start());
    let url = database.url(LOGIN);
    let place = url.split_once('@').unwrap().1.split_once('/').unwrap().0;
    let relay = Relay::to(place.parse().unwrap());
    // Only the feed goes that way: what it reads can be held up, and what is committed cannot.
    let feed = format!(
        "  feed_url: {}\n",
        url.replace(place, &relay.address.to_string())
    );
    let through = folder(&database.config(recorder.address, &feed, EVERY_SECOND));
    migrate(through.path(), &[]);
    let held = Sidegate::run_in(through);
    let other = Sidegate::run_in(folder(&database.config(recorder.address, "", EVERY_SECOND)));
    for sidegate in [&held, &other] {
        goes_on(sidegate, "canaries");
    }
    // Each has told of the other's, which is none of its own.
    for sidegate in [&held, &other] {
        let told = number(sidegate, "sidegate_changes_total{what=\"canary\"}");
        let own = canaries(sidegate, "seen");
        assert!(told > own, "{told} {own}");
        let measured = number(sidegate, "sidegate_revocation_lag_seconds_count");
        assert!(measured >= own, "{measured} {own}");
        assert!(number(sidegate, "sidegate_invalidation_seconds_count") > 0);
        assert!(number(sidegate, "sidegate_poll_seconds_count") > 0);
    }
    let failed = "sidegate_polls_total{result=\"failed\"}";
    let before = (late(&held), number(&held, failed));

    relay.hold(true);
    eventually("a lease that has ended", || {
        lease_age(&held).filter(|age| *age >= 2500)
    });
    relay.hold(false);
    eventually("a lag above a second", || {
        (late(&held) > before.0).then_some(())
    });
    assert!(number(&held, failed) > before.1);
    held.logged("one counted more than a second after its commit");
    goes_on(&held, "canaries again");
    held.logged("changes counting in time");
    goes_on(&other, "canaries of the other one");
    for sidegate in [&held, &other] {
        assert_eq!(canaries(sidegate, "lost"), 0);
        assert_eq!(canaries(sidegate, "failed"), 0);
    }
}

#[test]
fn a_login_that_may_not_write_one_says_so_once_and_serves_on() {
    let (database, recorder) = (database(), Recorder::start());
    let folder = folder(&database.config(recorder.address, "", EVERY_SECOND));
    migrate(folder.path(), &[]);
    let right = "execute on function sidegate.invalidate(text[])";
    database.run(SUPERUSER, &format!("revoke {right} from sidegate_reader"));
    let mut sidegate = Sidegate::run_in(folder);
    eventually("canaries that fail", || {
        (canaries(&sidegate, "failed") >= 3).then_some(())
    });
    assert_eq!(metric(&sidegate, "sidegate_cache_open"), Some(1));
    assert_eq!(status(&sidegate, &format!("/g/{MINE}")), 200);
    database.run(SUPERUSER, &format!("grant {right} to sidegate_reader"));
    goes_on(&sidegate, "canaries");

    // Who writes and does not end holds xmin back.
    let age = |sidegate: &Sidegate| -> f64 {
        let age = written(sidegate, "sidegate_snapshot_xmin_age_seconds").unwrap();
        age.parse().unwrap()
    };
    let long = database.session(SUPERUSER);
    long.run("begin; select pg_current_xact_id()");
    eventually("an xmin that is held back", || {
        (age(&sidegate) > 0.5).then_some(())
    });
    goes_on(&sidegate, "canaries beside it");
    long.run("commit");
    eventually("an xmin that goes on", || {
        (age(&sidegate) < 0.5).then_some(())
    });
    assert_eq!(canaries(&sidegate, "lost"), 0);

    sidegate.signal("TERM");
    let log = sidegate.rest_of_log();
    let said = |text: &str| {
        let lines = log
            .lines()
            .filter(|line| line.contains("writing the canary"));
        lines.filter(|line| line.contains(text)).count()
    };
    assert_eq!((said("work fails"), said("work goes on")), (1, 1), "{log}");
    assert!(log.contains("permission denied"), "{log}");
}
