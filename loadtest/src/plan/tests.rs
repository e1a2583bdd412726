//! Bounds, turns and draws.

use super::*;
use crate::target::Reach;

async fn load(urls: &[&str], connections: usize) -> Load {
    let mut targets = Vec::new();
    for url in urls {
        targets.push(
            Target::resolve(url, Reach::LoopbackOnly)
                .await
                .expect("a target"),
        );
    }
    let second = Duration::from_secs(1);
    let schedule = Schedule::new(1, Duration::ZERO, second).expect("bounds");
    let headers = vec!["X-A: b".parse().expect("a header")];
    Load {
        targets,
        method: Method::GET,
        headers,
        schedule,
        connections,
        sources: 2,
        timeout: second,
    }
}

#[tokio::test]
async fn targets_take_turns() {
    let urls = [
        "http://127.0.0.1/a",
        "http://127.0.0.1/b",
        "http://127.0.0.1:81/c",
    ];
    let plan = Plan::new(load(&urls, 1).await).expect("a plan");
    let paths: Vec<_> = (0..4)
        .map(|index| plan.shot(index).request.uri().path().to_owned())
        .collect();
    assert_eq!(paths, ["/a", "/b", "/c", "/a"]);
    assert_eq!(
        plan.shot(2).request.headers().get(HOST).expect("host"),
        "127.0.0.1:81"
    );
    assert_eq!(plan.origins().len(), 2);
}

#[tokio::test]
async fn what_is_drawn_is_asked_with_the_headers_of_all_requests() {
    let urls = ["http://127.0.0.1/a"];
    let plan = Plan::new(load(&urls, 1).await).expect("a plan");
    let plan = plan.drawn(|index| Question {
        target: format!("/{index}").parse().expect("a path"),
        headers: vec![format!("X-B: {index}").parse().expect("a header")],
        expected: Expected::Success,
    });
    let shot = plan.shot(7);
    let headers = shot.request.headers();
    assert_eq!(shot.request.uri(), "/7");
    assert_eq!(
        (&headers["x-a"], &headers["x-b"]),
        (&"b".parse().unwrap(), &"7".parse().unwrap())
    );
    assert!(
        shot.expected.is(http::StatusCode::OK) && !shot.expected.is(http::StatusCode::FORBIDDEN)
    );
}

#[tokio::test]
async fn connections_come_from_the_addresses_in_turns() {
    let urls = ["http://127.0.0.1/"];
    let mut wish = load(&urls, 3).await;
    let plan = Plan::new(wish.clone()).expect("a plan");
    let sources = [0, 1, 2].map(|number| plan.source(number).expect("an address").octets()[3]);
    assert_eq!(sources, [1, 2, 1]);
    wish.sources = 0;
    assert_eq!(Plan::new(wish).expect("a plan").source(0), None);
}

#[tokio::test]
async fn bounds_are_held() {
    let one = ["http://127.0.0.1/"];
    let two = ["http://127.0.0.1/", "http://127.0.0.1:81/"];
    assert!(Plan::new(load(&one, MAX_CONNECTIONS).await).is_ok());
    for (urls, connections) in [
        (&one[..], 0),
        (&one[..], MAX_CONNECTIONS + 1),
        (&two[..], 7_501),
    ] {
        let refused = Plan::new(load(urls, connections).await).err();
        assert_eq!(refused, Some(PlanError::Connections), "{connections}");
    }
    assert_eq!(
        Plan::new(load(&[], 1).await).err(),
        Some(PlanError::NoTarget)
    );
    let mut slow = load(&one, 1).await;
    slow.timeout = MAX_TIMEOUT + Duration::from_millis(1);
    assert_eq!(Plan::new(slow).err(), Some(PlanError::Timeout));
}
