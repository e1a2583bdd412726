//! `httparse`: request lines from the URL test suites of browsers.
//!
//! What the corpus rejects is refused, and so is what is not in origin-form. The rest is refused
//! or arrives as what was asked for ([`arrives_as`]); every case is sent twice, as it is and with a
//! good `Host` (many of the corpus have an empty one).

use sidegate::target::Target;

use super::{Tally, ask, corpus, decode, get, target_of, unhex};
use crate::process::Sidegate;
use crate::recorder::{Received, Recorder};

/// Everything is public but what the tests' configuration protects.
const ROUTES: &str = r#"
  - { methods: [GET], path: "/", access: public }
  - { methods: [GET], path: "/{*rest}", access: public }
insecure_public_everything: true
"#;

/// The target arrived in its one canonical spelling, and is what was asked for: the same path and
/// query once both are decoded, without the fragment.
pub(super) fn arrives_as(sent: &[u8], received: &Received) {
    let target = target_of(received);
    let shown = sent.escape_ascii();
    let canonical = Target::parse(target.as_bytes()).map(|parsed| parsed.as_str() == target);
    assert_eq!(canonical, Ok(true), "{shown} arrived as {target}");
    let sent = sent.split(|&byte| byte == b'#').next().unwrap();
    let parts = |target: &[u8]| {
        let mut parts = target.splitn(2, |&byte| byte == b'?');
        (parts.next().map(decode), parts.next().map(decode))
    };
    assert_eq!(
        parts(sent),
        parts(target.as_bytes()),
        "{shown} arrived as {target}"
    );
}

#[test]
#[ignore = "needs SIDEGATE_CORPORA"]
fn request_lines_arrive_as_they_were_meant_or_not_at_all() {
    let recorder = Recorder::start();
    let sidegate = Sidegate::start(recorder.address, ROUTES);
    let cases = corpus("httparse/uri_cases.json");
    let cases = cases.as_array().unwrap();
    let mut tally = Tally::default();
    for case in cases {
        let request = unhex(&case["request_hex"]);
        let line = request.split(|&byte| byte == b'\r').next().unwrap();
        let target = line.strip_prefix(b"GET ").unwrap();
        let version = [" HTTP/1.0", " HTTP/1.1"];
        let target = version
            .iter()
            .find_map(|version| target.strip_suffix(version.as_bytes()))
            .unwrap();
        let refuse = case["reject"] == true || !target.starts_with(b"/");
        let mut outcome = "refused";
        for request in [request.clone(), get(target)] {
            let status = ask(sidegate.proxy, &request);
            let received = recorder.received();
            match (status, received.as_slice()) {
                (Some(400), []) => {}
                (Some(200), [received]) if !refuse => {
                    arrives_as(target, received);
                    outcome = "forwarded";
                }
                other => panic!("{case}: {other:?}"),
            }
        }
        tally.case(outcome);
    }
    assert!(tally.of("forwarded") > 100, "{tally:?}");
    tally.finish("httparse/uri_cases.json", cases.len());
}
