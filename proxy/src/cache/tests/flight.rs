//! Who shares a query and who does not, and what happens when an asker goes or a query fails.
//!
//! Futures are polled by hand where the order of polls is the point.

use std::future::pending;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use futures_util::FutureExt as _;
use futures_util::future::{BoxFuture, join_all, poll_fn};
use futures_util::task::{ArcWake, noop_waker_ref, waker};
use parking_lot::Mutex;
use sidegate_policy::{Id, IdType};
use tokio::sync::oneshot;

use crate::cache::{FlightKey, Flights, Landed, Terms};
use crate::coherence::BootTime;
use crate::store::{Question, StoreError};

type Asker<'f> = Pin<Box<dyn Future<Output = Result<(u32, BootTime), StoreError>> + Send + 'f>>;

const MAX_AGE: Duration = Duration::from_millis(500);

fn at(millis: u64) -> BootTime {
    BootTime::from_nanos(millis * 1_000_000)
}

fn terms(millis: u64) -> Terms {
    Terms {
        now: at(millis),
        max_age: MAX_AGE,
        since: None,
    }
}

fn key(subject: &str, resource: Option<(&str, &str)>) -> FlightKey {
    let id = |text| Id::parse(IdType::Text, text).unwrap();
    let (subject, resource) = (id(subject), resource.map(|(kind, text)| (kind, id(text))));
    FlightKey::of(&Question {
        subject: &subject,
        resource: resource.as_ref().map(|(kind, id)| (*kind, id)),
    })
}

fn some_key() -> FlightKey {
    key("alice", Some(("document", "1")))
}

/// As whoever knows nothing: by a query.
async fn join(
    flights: &Flights<u32>,
    key: FlightKey,
    terms: Terms,
    make: impl FnOnce() -> BoxFuture<'static, Result<u32, StoreError>>,
) -> Result<(u32, BootTime), StoreError> {
    match flights.join(key, terms, || None, make).await? {
        Landed::Flown(answer, began) => Ok((answer, began)),
        Landed::Known(answer) => panic!("nobody knew {answer}"),
    }
}

/// An asker that has sat down: it has been polled once and waits.
fn seated<'f>(
    flights: &'f Flights<u32>,
    terms: Terms,
    query: impl Future<Output = Result<u32, StoreError>> + Send + 'static,
) -> Asker<'f> {
    let mut asker: Asker<'f> = Box::pin(join(flights, some_key(), terms, || query.boxed()));
    assert!(poll(&mut asker).is_pending());
    asker
}

/// As [`seated`], where a query must not be made.
fn follower(flights: &Flights<u32>, terms: Terms) -> Asker<'_> {
    let make = || -> BoxFuture<'static, _> { panic!("a second query") };
    Box::pin(join(flights, some_key(), terms, make))
}

fn poll(asker: &mut Asker<'_>) -> Poll<Result<(u32, BootTime), StoreError>> {
    asker.poll_unpin(&mut Context::from_waker(noop_waker_ref()))
}

/// A query that ends when its sender says so.
fn held() -> (
    oneshot::Sender<u32>,
    impl Future<Output = Result<u32, StoreError>> + Send + 'static,
) {
    let (sender, receiver) = oneshot::channel();
    let query = receiver.map(|sent| sent.map_err(|_gone| StoreError::Unavailable));
    (sender, query)
}

#[tokio::test]
async fn ten_thousand_askers_make_one_query() {
    let flights = Flights::new();
    let made = AtomicUsize::new(0);
    let (sender, query) = held();
    let query = Mutex::new(Some(query));
    let askers = (0..10_000_u64).map(|number| {
        join(&flights, some_key(), terms(number % 400), || {
            made.fetch_add(1, Ordering::Relaxed);
            query.lock().take().unwrap().boxed()
        })
    });
    let sent = async { sender.send(7).unwrap() };
    let (landed, ()) = tokio::join!(join_all(askers), sent);
    assert!(landed.iter().all(|one| *one == Ok((7, at(0)))));
    assert_eq!(landed.len(), 10_000);
    assert_eq!(made.into_inner(), 1);
    assert_eq!((flights.started(), flights.joined()), (1, 9_999));
    assert_eq!(flights.under_way(), 0);
}

#[test]
fn another_question_is_another_query() {
    let flights = Flights::<u32>::new();
    let keys = [
        some_key(),
        key("bob", Some(("document", "1"))),
        key("alice", Some(("document", "2"))),
        key("alice", Some(("folder", "1"))),
        key("alice", None),
    ];
    let mut askers: Vec<Asker<'_>> = Vec::new();
    for key in keys {
        let mut asker: Asker<'_> = Box::pin(join(&flights, key, terms(0), || pending().boxed()));
        assert!(poll(&mut asker).is_pending());
        askers.push(asker);
    }
    assert_eq!((flights.started(), flights.under_way()), (5, 5));
    drop(askers);
    assert_eq!(flights.under_way(), 0, "the last asker ends the query");
}

#[test]
fn a_query_is_joined_while_it_is_young_and_not_after() {
    let flights = Flights::new();
    let (first, query) = held();
    let mut leader = seated(&flights, terms(1_000), query);
    let mut young = follower(&flights, terms(1_499));
    assert!(poll(&mut young).is_pending());

    let (second, query) = held();
    let mut late = seated(&flights, terms(1_500), query);
    // From here on the second one is joined.
    let mut later = follower(&flights, terms(1_900));
    assert!(poll(&mut later).is_pending());

    // The first one's end leaves the second one's entry alone.
    first.send(1).unwrap();
    for asker in [&mut leader, &mut young] {
        assert_eq!(poll(asker), Poll::Ready(Ok((1, at(1_000)))));
    }
    assert_eq!(flights.under_way(), 1);
    second.send(2).unwrap();
    for asker in [&mut late, &mut later] {
        assert_eq!(poll(asker), Poll::Ready(Ok((2, at(1_500)))));
    }
    assert_eq!(flights.under_way(), 0);
}

#[test]
fn who_needs_what_began_after_an_instant_gets_that() {
    let flights = Flights::new();
    let (_first, query) = held();
    let _leader = seated(&flights, terms(1_000), query);
    let after = |since, now| Terms {
        since: Some(at(since)),
        ..terms(now)
    };
    let mut same = follower(&flights, after(1_000, 1_010));
    assert!(poll(&mut same).is_pending());

    let (second, query) = held();
    let mut asker = seated(&flights, after(1_001, 1_010), query);
    assert_eq!((flights.started(), flights.joined()), (2, 1));
    second.send(2).unwrap();
    assert_eq!(poll(&mut asker), Poll::Ready(Ok((2, at(1_010)))));
}

#[test]
fn a_cancelled_leader_takes_nothing_with_it() {
    let flights = Flights::new();
    let (sender, query) = held();
    let leader = seated(&flights, terms(0), query);
    let mut asker = follower(&flights, terms(1));
    assert!(poll(&mut asker).is_pending());
    drop(leader);
    assert_eq!(flights.under_way(), 1);
    sender.send(7).unwrap();
    assert_eq!(poll(&mut asker), Poll::Ready(Ok((7, at(0)))));
}

#[test]
fn the_last_asker_to_go_ends_the_query() {
    let flights = Flights::new();
    let (sender, query) = held();
    let leader = seated(&flights, terms(0), query);
    let mut asker = follower(&flights, terms(1));
    assert!(poll(&mut asker).is_pending());
    drop(leader);
    drop(asker);
    assert!(sender.is_closed(), "nobody waits for the query");
    assert_eq!(flights.under_way(), 0);
    // And the next one begins anew.
    let (sender, query) = held();
    let mut asker = seated(&flights, terms(2), query);
    sender.send(7).unwrap();
    assert_eq!(poll(&mut asker), Poll::Ready(Ok((7, at(2)))));
}

#[test]
fn a_panic_is_an_error_for_all_and_errors_are_not_remembered() {
    let flights = Flights::new();
    let (sender, query) = held();
    let query = query.map(|_| -> Result<u32, StoreError> { panic!("a fault") });
    let mut leader = seated(&flights, terms(0), query);
    let mut asker = follower(&flights, terms(1));
    assert!(poll(&mut asker).is_pending());
    sender.send(7).unwrap();
    let failed = Poll::Ready(Err(StoreError::Unavailable));
    assert_eq!(poll(&mut leader), failed);
    assert_eq!(poll(&mut asker), failed);
    assert_eq!(flights.under_way(), 0);

    let query = || async { Err(StoreError::TimedOut) }.boxed();
    let mut asker: Asker<'_> = Box::pin(join(&flights, some_key(), terms(2), query));
    assert_eq!(poll(&mut asker), Poll::Ready(Err(StoreError::TimedOut)));
    let query = || async { Ok(3) }.boxed();
    let mut asker: Asker<'_> = Box::pin(join(&flights, some_key(), terms(3), query));
    assert_eq!(poll(&mut asker), Poll::Ready(Ok((3, at(3)))));
}

/// Counts its wake-ups.
#[derive(Default)]
struct Bell(AtomicUsize);

impl ArcWake for Bell {
    fn wake_by_ref(bell: &Arc<Self>) {
        bell.0.fetch_add(1, Ordering::Relaxed);
    }
}

/// The leader drives the query; the query wakes all askers; the follower looks while the leader
/// still drives, so it has to go back to sleep; the leader is cancelled before it looks again.
#[test]
fn a_leader_that_is_cancelled_with_a_wake_up_in_hand_passes_it_on() {
    let flights = Arc::new(Flights::new());
    let second: Arc<Mutex<Option<Asker<'static>>>> = Arc::default();
    let bell = Arc::new(Bell::default());

    let (shared, heard) = (Arc::clone(&second), waker(Arc::clone(&bell)));
    let mut polls = 0;
    let query = poll_fn(move |context| {
        polls += 1;
        if polls < 3 {
            context.waker().wake_by_ref();
            if let Some(asker) = shared.lock().as_mut() {
                let mut context = Context::from_waker(&heard);
                assert!(asker.poll_unpin(&mut context).is_pending());
            }
            return Poll::Pending;
        }
        Poll::Ready(Ok(7))
    });
    let mut leader: Asker<'_> = Box::pin(join(&flights, some_key(), terms(0), || query.boxed()));
    assert!(poll(&mut leader).is_pending());

    let asker = {
        let flights = Arc::clone(&flights);
        async move {
            let make = || -> BoxFuture<'static, _> { panic!("a second query") };
            join(&flights, some_key(), terms(1), make).await
        }
    };
    *second.lock() = Some(Box::pin(asker));
    assert!(poll(&mut leader).is_pending());
    let before = bell.0.load(Ordering::Relaxed);
    drop(leader);
    assert!(bell.0.load(Ordering::Relaxed) > before, "nobody drives on");
    let mut asker = second.lock().take().unwrap();
    assert_eq!(poll(&mut asker), Poll::Ready(Ok((7, at(0)))));
}

/// Between its look and its coming here the query has landed: what it found is there by now.
#[tokio::test]
async fn who_comes_too_late_for_a_query_takes_what_it_has_left_behind() {
    let flights = Flights::new();
    let left = Arc::new(AtomicUsize::new(0));
    let leaves = Arc::clone(&left);
    let query = async move {
        leaves.store(7, Ordering::Relaxed);
        Ok(7)
    };
    let known = || match left.load(Ordering::Relaxed) {
        0 => None,
        found => u32::try_from(found).ok(),
    };
    let first = flights
        .join(some_key(), terms(0), known, || query.boxed())
        .await;
    assert_eq!(first, Ok(Landed::Flown(7, at(0))));
    let make = || -> BoxFuture<'static, _> { panic!("a second query") };
    let late = flights.join(some_key(), terms(1), known, make).await;
    assert_eq!(late, Ok(Landed::Known(7)));
    assert_eq!(flights.started(), 1);
}
