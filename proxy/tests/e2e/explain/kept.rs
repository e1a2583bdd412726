//! What is kept of decisions: each that was made, so many of them, and over a reload.

use std::io::Write as _;

use uuid::Uuid;

use super::{asked, changes, explained, has};
use crate::process::{
    ALICE, DIRECTORY, MINE, Sidegate, YOURS, config, eventually, expired_token, token,
};
use crate::recorder::Recorder;
use crate::streaming::Stage;
use crate::wire::{Wire, request};

const ROUTE: &str = "  - { methods: [GET], path: /q, action: read, resource: { kind: generation, id: { query: id } } }
\nadmin: { listen: \"127.0.0.1:0\" }\ntelemetry: { decisions: 64 }\n";

/// A target and whose token it is asked with; its status and reason, and what is said of the other answer.
const ANSWERS: [(&str, &str, u16, &str, &str); 8] = [
    ("/a", "", 200, "public", "asks for nothing"),
    ("/nowhere", "", 404, "no_route", "`routes`"),
    ("//a", "", 400, "malformed_target", "read in two ways"),
    (
        "/me",
        "",
        401,
        "missing_credential",
        "`Authorization: Bearer",
    ),
    (
        "/me",
        "expired",
        401,
        "invalid_credential",
        "would have to be good",
    ),
    ("/q", ALICE, 400, "unnamed_resource", "query parameter `id`"),
    ("/q?id=7", ALICE, 403, "no_such_resource", "no uuid"),
    ("/me", YOURS, 403, "unknown_subject", ""),
];

#[test]
fn every_answer_has_an_id_that_leads_to_its_reason() {
    let recorder = Recorder::start();
    let sidegate = Sidegate::start(recorder.address, ROUTE);
    for (path, whose, status, reason, words) in ANSWERS {
        let token = match whose {
            "" => None,
            "expired" => Some(expired_token(ALICE)),
            subject => Some(token(subject)),
        };
        let (seen, id) = asked(&sidegate, "GET", path, token.as_deref());
        assert_eq!(seen, status, "{path}");
        let explained = explained(&sidegate, id);
        assert_eq!(explained["reason"], reason, "{path}");
        assert_eq!(explained["decision"]["answered"], status, "{path}");
        let other = &explained["other_answer"];
        let note = other["note"].as_str().unwrap_or_default();
        assert!(note.contains(words), "{path}: {note}");
        // Rows decide, or words say what does.
        let ways = other["ways"].as_array().unwrap();
        assert_eq!(ways.is_empty(), !note.is_empty(), "{explained}");
    }
    // A head that never became a request.
    let mut wire = Wire::connect(sidegate.proxy);
    wire.send("GET /a HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n");
    let reply = wire.reply().unwrap();
    let id = reply.header("x-sidegate-decision-id").unwrap();
    let explained = explained(&sidegate, Uuid::try_parse(id).unwrap());
    assert_eq!(explained["reason"], "malformed_head");
    let detail = explained["detail"].as_str().unwrap();
    assert!(detail.contains("Host"), "{detail}");
}

#[test]
fn what_was_cut_off_is_kept_when_it_has_ended() {
    let stage = Stage::start();
    let text = config(stage.address, "").replace("read_timeout: 500ms", "read_timeout: 30s");
    let sidegate = Sidegate::run(&text);
    let authorization = format!("Bearer {}", token(ALICE));
    let mut client = Wire::connect(sidegate.proxy);
    let headers = [("Authorization", authorization.as_str())];
    client.send(request("GET", &format!("/g/{MINE}"), &headers));
    let (_head, mut app) = stage.next();
    let head = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
    app.get_mut().write_all(head.as_bytes()).unwrap();
    let name = "x-sidegate-decision-id: ";
    let lines = std::iter::from_fn(|| client.line());
    let mut lines = lines.map(|line| line.to_ascii_lowercase());
    let id = lines.find_map(|line| line.strip_prefix(name).map(str::to_owned));
    let id = Uuid::try_parse(&id.unwrap()).unwrap();
    assert!(!has(&sidegate, id), "it goes on");
    let inactive = DIRECTORY.replace("active: true", "active: false");
    std::fs::write(sidegate.directory(), inactive).unwrap();
    let ended = explained(&sidegate, id);
    assert_eq!(ended["reason"], "inactive_subject");
    assert_eq!(ended["detail"], "ended while it was forwarded (denied)");
    let note = ended["other_answer"]["note"].as_str().unwrap();
    assert!(note.contains("were not kept"), "{note}");
}

#[test]
fn there_is_room_for_so_many_and_a_flood_pushes_out_none_of_another_kind() {
    let recorder = Recorder::start();
    let sidegate = Sidegate::start(recorder.address, "\ntelemetry: { decisions: 8 }\n");
    let good = token(ALICE);
    let denied = || asked(&sidegate, "GET", &format!("/g/{YOURS}"), Some(&good)).1;
    let first = denied();
    explained(&sidegate, first);
    for _ in 0..20 {
        asked(&sidegate, "GET", "/me", None);
        asked(&sidegate, "GET", "/nowhere", Some(&good));
    }
    let (_, allowed) = asked(&sidegate, "GET", "/me", Some(&good));
    explained(&sidegate, allowed);
    assert!(
        has(&sidegate, first),
        "strangers and allowed requests have their own room"
    );
    let others: Vec<_> = (0..4).map(|_| denied()).collect();
    explained(&sidegate, others[3]);
    assert!(
        !has(&sidegate, first),
        "the oldest of four makes room for a fifth"
    );
    assert!(others.iter().all(|id| has(&sidegate, *id)));
}

#[test]
fn what_was_decided_outlives_a_reload_and_is_told_by_the_policy_of_its_time() {
    let recorder = Recorder::start();
    let sidegate = Sidegate::start(recorder.address, "");
    std::fs::write(
        sidegate.directory(),
        DIRECTORY.replace(
            &format!("id: {YOURS}"),
            &format!("id: {YOURS}, owner_id: {ALICE}"),
        ),
    )
    .unwrap();
    let mine = format!("/g/{YOURS}");
    let good = token(ALICE);
    let allowed = eventually("she owns it", || {
        let (status, id) = asked(&sidegate, "POST", &mine, Some(&good));
        (status == 200).then_some(id)
    });
    explained(&sidegate, allowed);
    // Owners do not write any more.
    let text = config(recorder.address, "")
        .replace("owner: [read, write]", "owner: [read], clerk: [write]");
    sidegate.edit(&text);
    let denied = eventually("the new policy", || {
        let (status, id) = asked(&sidegate, "POST", &mine, Some(&good));
        (status == 403).then_some(id)
    });
    let (before, after) = (explained(&sidegate, allowed), explained(&sidegate, denied));
    assert_eq!(
        (&before["reason"], &after["reason"]),
        (&"ownership".into(), &"role_lacks_action".into())
    );
    assert_eq!(before["decision"]["generation"], 1);
    assert_eq!(before["decision"]["current_generation"], 2);
    assert_eq!(
        changes(&before)[0],
        [format!("disown resource:generation:{YOURS} {ALICE}")]
    );
    assert_eq!(changes(&after), [["join - no team clerk"]]);
    // Its polls were those of a feed that is gone.
    let note = before["provenance"]["note"].as_str().unwrap();
    assert!(note.contains("a reload has replaced"), "{note}");
    assert!(before["provenance"]["changed_since"].is_null());
    // Another size begins anew.
    sidegate.edit(&format!("{text}\ntelemetry: {{ decisions: 16 }}\n"));
    eventually("a ring that is empty", || {
        (!has(&sidegate, denied)).then_some(())
    });
}
