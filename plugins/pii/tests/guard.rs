//! The guard as weir calls it: whole bodies, streams with their order, hashes, and values that come back.

use serde_json::json;
use weir_plugin::testing::{TestHost, edited_segments, principal, response_head, stream_text};
use weir_plugin::{
    Edit, EventsVerdict, Finish, Guard, GuardStream, Host, PluginError, RawEvent, Role,
    StreamEvent, TextDelta, ToolDelta, Usage, Verdict,
};
use weir_plugin_pii::Pii;

fn guard(config: &str) -> Pii {
    Pii::configure(config).expect("the configuration is good")
}

fn masked(config: &str, host: &TestHost) -> Vec<String> {
    let verdict = guard(config).on_request(host).expect("it works");
    edited_segments(&host.request_segments(), &verdict).expect("nothing is refused")
}

fn tool(choice: u32, index: u32, id: Option<&str>, arguments: &str) -> StreamEvent {
    StreamEvent::ToolCall(ToolDelta {
        choice,
        index,
        id: id.map(str::to_owned),
        name: id.map(|_| "f".to_owned()),
        arguments: arguments.to_owned(),
    })
}

fn reasoning(text: &str) -> StreamEvent {
    StreamEvent::Reasoning(TextDelta {
        choice: 0,
        text: text.to_owned(),
    })
}

fn finish(choice: u32) -> StreamEvent {
    StreamEvent::Finish(Finish {
        choice,
        reason: "stop".to_owned(),
    })
}

fn raw(data: &str) -> StreamEvent {
    StreamEvent::Raw(RawEvent {
        event: None,
        data: data.to_owned(),
    })
}

/// All that comes out, when each event comes alone.
fn through(config: &str, host: &TestHost, events: Vec<StreamEvent>) -> Vec<StreamEvent> {
    let mut stream = guard(config).stream(host, response_head());
    let mut out = Vec::new();
    for event in events {
        match stream
            .on_events(host, vec![event.clone()])
            .expect("it works")
        {
            EventsVerdict::Pass => out.push(event),
            EventsVerdict::Replace(events) => out.extend(events),
            EventsVerdict::Drop => {}
            EventsVerdict::Abort(refusal) => panic!("{refusal:?}"),
        }
    }
    out.extend(stream.on_end(host).expect("it works"));
    out
}

#[test]
fn a_finish_comes_after_the_tail_that_was_held() {
    let out = through(
        "null",
        &TestHost::new(),
        vec![
            StreamEvent::text(0, "mail bob@exam"),
            StreamEvent::text(0, "ple.com"),
            finish(0),
        ],
    );
    assert_eq!(
        out,
        [
            StreamEvent::text(0, "mail "),
            StreamEvent::text(0, "[EMAIL]"),
            finish(0)
        ]
    );
}

#[test]
fn a_text_that_begins_waits_for_the_tail_of_the_one_before() {
    let events = vec![
        reasoning("I think bob"),
        StreamEvent::text(0, "so. "),
        StreamEvent::text(0, "Yes! "),
        finish(0),
    ];
    let out = through("null", &TestHost::new(), events);
    let wanted = [
        reasoning("I think "),
        reasoning("bob"),
        StreamEvent::text(0, "so. "),
        StreamEvent::text(0, "Yes! "),
        finish(0),
    ];
    assert_eq!(out, wanted);
}

#[test]
fn what_waits_is_bounded() {
    let mut events = vec![reasoning("bob")];
    events.extend((0..20).map(|_| StreamEvent::text(0, "! ")));
    let host = TestHost::new();
    let mut stream = guard("null").stream(&host, response_head());
    let mut freed_after = 0;
    for event in events {
        match stream.on_events(&host, vec![event]).expect("it works") {
            EventsVerdict::Drop => freed_after += 1,
            EventsVerdict::Replace(events) => {
                assert_eq!(events[0], reasoning("bob"));
                break;
            }
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(freed_after, 5, "the tail, and four events that wait for it");
}

#[test]
fn a_value_is_found_whose_pieces_come_in_turns_with_another_text() {
    let events = vec![
        StreamEvent::text(0, "bob@ex"),
        reasoning("so "),
        StreamEvent::text(0, "ample.c"),
        reasoning("be "),
        StreamEvent::text(0, "om! "),
    ];
    let out = through("null", &TestHost::new(), events);
    let texts: String = out
        .iter()
        .filter_map(|e| {
            if let StreamEvent::Text(d) = e {
                Some(d.text.as_str())
            } else {
                None
            }
        })
        .collect();
    assert_eq!(texts, "[EMAIL]! ");
}

#[test]
fn choices_and_calls_do_not_mix() {
    let events = vec![
        StreamEvent::text(0, "bob@"),
        StreamEvent::text(1, "example.com "),
        StreamEvent::text(0, "example.com "),
        tool(0, 0, Some("a"), "{\"to\":\"ann@exam"),
        tool(0, 1, Some("b"), "{\"to\":\"x\"}"),
        tool(0, 0, None, "ple.com\"}"),
        StreamEvent::Usage(Usage::default()),
        finish(0),
    ];
    let out = through("null", &TestHost::new(), events);
    let joined = |wanted: u32| -> String {
        out.iter()
            .filter_map(|e| match e {
                StreamEvent::ToolCall(delta) if delta.index == wanted => {
                    Some(delta.arguments.as_str())
                }
                _ => None,
            })
            .collect()
    };
    let text = |wanted: u32| -> String {
        out.iter()
            .filter_map(|e| match e {
                StreamEvent::Text(delta) if delta.choice == wanted => Some(delta.text.as_str()),
                _ => None,
            })
            .collect()
    };
    assert_eq!(
        (text(0).as_str(), text(1).as_str()),
        ("[EMAIL] ", "example.com ")
    );
    assert_eq!(
        (joined(0).as_str(), joined(1).as_str()),
        ("{\"to\":\"[EMAIL]\"}", "{\"to\":\"x\"}")
    );
    let ids: Vec<&str> = out
        .iter()
        .filter_map(|e| {
            if let StreamEvent::ToolCall(d) = e {
                d.id.as_deref()
            } else {
                None
            }
        })
        .collect();
    assert_eq!(ids, ["a", "b"]);
    assert_eq!(out.last(), Some(&finish(0)));
}

#[test]
fn what_has_no_neutral_form_is_masked_too_and_keeps_its_place() {
    let out = through(
        "null",
        &TestHost::new(),
        vec![
            StreamEvent::text(0, "a word"),
            raw(r#"{"x":"bob@example.com"}"#),
            finish(0),
        ],
    );
    assert_eq!(
        out,
        [
            StreamEvent::text(0, "a "),
            StreamEvent::text(0, "word"),
            raw(r#"{"x":"[EMAIL]"}"#),
            finish(0)
        ]
    );
}

#[test]
fn nothing_found_and_nothing_held_passes() {
    let host = TestHost::new();
    let mut stream = guard("null").stream(&host, response_head());
    let verdict = stream.on_events(
        &host,
        vec![
            StreamEvent::text(0, "a word, "),
            tool(0, 0, Some("x"), "{\"a\":"),
            finish(0),
        ],
    );
    assert_eq!(verdict, Ok(EventsVerdict::Pass));
    assert_eq!(stream.on_end(&host), Ok(vec![]));
}

#[test]
fn a_refused_kind_aborts_the_stream() {
    let host = TestHost::new();
    let mut stream = guard(r#"{"kinds": {"secret": "refuse"}}"#).stream(&host, response_head());
    let refusal = stream_text(
        &mut stream,
        &host,
        &["the key: AKIAIOSF", "ODNN7EXAMPLE", " is it"],
    )
    .expect_err("it is refused");
    assert_eq!(
        (refusal.status, refusal.code.as_str()),
        (502, "pii_refused")
    );
    assert_eq!(
        refusal.message,
        "the answer contains a secret or access key (secret), which is not allowed here"
    );
}

#[test]
fn names_outside_of_the_string_tell_of_values() {
    let body = json!({"messages": [{"role": "assistant", "content": null, "tool_calls": [{"id": "1", "type": "function",
        "function": {"name": "login", "arguments": r#"{"user":"x","password":"hunter2!","phone":"1712345678","n":4111111111111111}"#}}]}]});
    let host = TestHost::new().with_request(&body.to_string());
    let Ok(Verdict::Edit(edits)) = guard("null").on_request(&host) else {
        panic!("it is edited");
    };
    let json =
        r#""{\"user\":\"x\",\"password\":\"[SECRET]\",\"phone\":\"[PHONE]\",\"n\":\"[CARD]\"}""#;
    assert_eq!(
        edits,
        [Edit::SetJson(
            "/messages/0/tool_calls/0/function/arguments".to_owned(),
            json.to_owned()
        )]
    );
    let off = guard(r#"{"requests": {"tool_calls": false}}"#).on_request(&host);
    assert_eq!(off, Ok(Verdict::Pass));
}

#[test]
fn calls_that_are_objects_stay_objects() {
    let body = json!({"messages": [{"role": "assistant", "content": [{"type": "tool_use", "id": "1", "name": "f", "input": {"to": ["bob@example.com"], "n": 1.50}}]}]});
    let host = TestHost::new().with_request(&body.to_string());
    let Ok(Verdict::Edit(edits)) = guard("null").on_request(&host) else {
        panic!("it is edited");
    };
    assert_eq!(
        edits,
        [Edit::SetJson(
            "/messages/0/content/0/input".to_owned(),
            r#"{"to":["[EMAIL]"],"n":1.5}"#.to_owned()
        )]
    );
}

#[test]
fn roles_are_chosen() {
    let host = TestHost::new().with_request_segments(&[
        (Role::System, "ask bob@example.com"),
        (Role::Tool, "ann@example.com"),
    ]);
    assert_eq!(masked("null", &host), ["ask [EMAIL]", "[EMAIL]"]);
    assert_eq!(
        masked(r#"{"requests": {"roles": ["tool"]}}"#, &host),
        ["ask bob@example.com", "[EMAIL]"]
    );
    assert_eq!(
        masked(r#"{"requests": false}"#, &host),
        ["ask bob@example.com", "ann@example.com"]
    );
}

#[test]
fn hashes_are_of_the_tenant_and_need_the_secret() {
    let config = r#"{"kinds": {"email": {"action": "hash", "digits": 16}}, "hash_secret": "SALT"}"#;
    let host = TestHost::asked("bob@example.com and BOB@example.com");
    let error = guard(config).on_request(&host);
    assert!(
        matches!(&error, Err(PluginError::Permanent(why)) if why.contains("`SALT`")),
        "{error:?}"
    );
    let of = |tenant: &str| {
        let mut host =
            TestHost::asked("bob@example.com and BOB@example.com").with_secret("SALT", "pepper");
        host.meta.principal = Some(weir_plugin::Principal {
            tenant: Some(tenant.to_owned()),
            ..principal("key")
        });
        masked(config, &host).remove(0)
    };
    let (first, second) = (of("a"), of("b"));
    let (one, other) = first.split_once(" and ").expect("two");
    assert_eq!(one, other);
    assert_eq!(one.len(), "[EMAIL:]".len() + 16);
    assert_ne!(first, second);
}

#[test]
fn a_stream_that_cannot_be_masked_does_not_go_out() {
    let host = TestHost::new();
    let mut stream = guard(r#"{"kinds": {"email": "hash"}}"#).stream(&host, response_head());
    assert!(
        stream
            .on_events(&host, vec![StreamEvent::text(0, "x")])
            .is_err()
    );
    let host = TestHost::asked("bob@example.com").without_kv();
    assert!(guard(r#"{"restore": true}"#).on_request(&host).is_err());
}

#[test]
fn values_come_back_whole_and_streamed_and_only_to_their_caller() {
    let config = r#"{"restore": true}"#;
    let mut host = TestHost::new().with_request_segments(&[
        (Role::System, "what is [EMAIL_1]?"),
        (
            Role::User,
            "mail bob@example.com, ann@example.com and bob@example.com",
        ),
    ]);
    assert_eq!(
        masked(config, &host),
        [
            "what is [EMAIL_1]?",
            "mail [EMAIL_2], [EMAIL_3] and [EMAIL_2]"
        ]
    );

    let mut stream = guard(config).stream(&host, response_head());
    let heard = stream_text(
        &mut stream,
        &host,
        &[
            "to [EM",
            "AIL_",
            "2",
            "] and [EMAIL_3], not [EMAIL_4] or [EMAIL_1] but eve@example.com",
        ],
    );
    assert_eq!(
        heard.as_deref(),
        Ok("to bob@example.com and ann@example.com, not [EMAIL_4] or [EMAIL_1] but [EMAIL]")
    );
    let out = through(
        config,
        &host,
        vec![
            tool(0, 0, Some("x"), "{\"to\":\"[EMAIL"),
            tool(0, 0, None, "_2]\"}"),
        ],
    );
    assert_eq!(out[1], tool(0, 0, None, "bob@example.com\"}"));
    assert!(host.counted("restored") >= 3.0);

    host.meta.principal = Some(principal("somebody else, with the same request id"));
    let mut stream = guard(config).stream(&host, response_head());
    assert_eq!(
        stream_text(&mut stream, &host, &["[EMAIL_2]"]).as_deref(),
        Ok("[EMAIL_2]")
    );
    host.meta.principal = None;
    host.advance_ms(3_600_001);
    let mut stream = guard(config).stream(&host, response_head());
    assert_eq!(
        stream_text(&mut stream, &host, &["[EMAIL_2]"]).as_deref(),
        Ok("[EMAIL_2]"),
        "it is forgotten in time"
    );
}

#[test]
fn kinds_are_counted_and_tagged_and_values_are_in_no_log() {
    let host = TestHost::asked("bob@example.com, ann@example.com, 4111 1111 1111 1111");
    let verdict = guard(r#"{"tag": "pii"}"#)
        .on_request(&host)
        .expect("it works");
    let Verdict::Edit(edits) = verdict else {
        panic!("it is edited");
    };
    assert_eq!(
        edits.last(),
        Some(&Edit::SetTag("pii".to_owned(), "email,card".to_owned()))
    );
    assert_eq!(host.counted("found"), 3.0);
    let labels: Vec<String> = host
        .measured()
        .iter()
        .map(|m| format!("{:?}", m.labels))
        .collect();
    assert!(
        labels
            .iter()
            .all(|l| !l.contains("example") && !l.contains("4111")),
        "{labels:?}"
    );
    assert!(host.logs().is_empty());
}

#[test]
fn what_is_wanted_follows_the_configuration() {
    let wants = |config| guard(config).wants();
    assert!(wants("null").requests && wants("null").streams && !wants("null").whole_answers);
    let requests_only = wants(r#"{"answers": false}"#);
    assert!(requests_only.requests && !requests_only.answers && !requests_only.streams);
    assert!(wants(r#"{"answers": false, "restore": true}"#).streams);
}
