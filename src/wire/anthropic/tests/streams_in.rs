//! Upstreams' streams: as they should be, and as they are.

use super::*;
use crate::wire::neutral::{CallKind, Class, Finish};

fn start() -> Value {
    json!({"type": "message_start", "message": {"id": "msg_1", "model": "c", "usage": {"input_tokens": 10, "cache_read_input_tokens": 5, "output_tokens": 1}}})
}

fn open(index: u64, block: Value) -> Value {
    json!({"type": "content_block_start", "index": index, "content_block": block})
}

fn delta(index: u64, kind: &str, member: &str, text: &str) -> Value {
    json!({"type": "content_block_delta", "index": index, "delta": {"type": kind, member: text}})
}

fn stop(index: u64) -> Value {
    json!({"type": "content_block_stop", "index": index})
}

fn ending(reason: &str) -> Value {
    json!({"type": "message_delta", "delta": {"stop_reason": reason, "stop_sequence": null}, "usage": {"output_tokens": 20}})
}

fn done() -> Value {
    json!({"type": "message_stop"})
}

fn said(text: &'static str) -> Event<'static> {
    Event::Text {
        choice: 0,
        text: text.into(),
    }
}

fn called(call: u32, id: &'static str) -> Event<'static> {
    Event::CallStart {
        choice: 0,
        call,
        id: id.into(),
        name: "f".into(),
        kind: CallKind::Function,
        signature: None,
    }
}

fn piece(call: u32, text: &'static str) -> Event<'static> {
    Event::CallArguments {
        call,
        text: text.into(),
    }
}

fn tool(id: &str) -> Value {
    json!({"type": "tool_use", "id": id, "name": "f", "input": {}})
}

/// What stands between start and finish, without counts.
fn between(blocks: Vec<Value>) -> Vec<Event<'static>> {
    let mut stream = vec![start()];
    stream.extend(blocks);
    stream.extend([ending("end_turn"), done()]);
    let mut events = heard(&stream);
    assert!(matches!(events.first(), Some(Event::Start { .. })));
    assert_eq!(events.pop(), Some(Event::End));
    assert!(matches!(events.pop(), Some(Event::Finish { .. })));
    events.remove(0);
    events.retain(|event| !matches!(event, Event::Usage(_)));
    events
}

#[test]
fn a_stream_as_it_should_be() {
    let events = heard(&[
        start(),
        json!({"type": "ping"}),
        open(
            0,
            json!({"type": "thinking", "thinking": "", "signature": ""}),
        ),
        delta(0, "thinking_delta", "thinking", "hm"),
        delta(0, "signature_delta", "signature", "Eq"),
        stop(0),
        open(1, json!({"type": "text", "text": ""})),
        delta(1, "text_delta", "text", "hi \"ö\""),
        stop(1),
        open(2, tool("toolu_1")),
        delta(2, "input_json_delta", "partial_json", ""),
        delta(2, "input_json_delta", "partial_json", "{\"a\":1}"),
        stop(2),
        ending("tool_use"),
        done(),
    ]);
    let expected = [
        Event::Start {
            id: "msg_1".into(),
            model: "c".into(),
        },
        Event::Usage(usage(10, 5, 0, 1, 0)),
        Event::Reasoning {
            choice: 0,
            text: "hm".into(),
            is_summary: false,
        },
        Event::ReasoningEnd {
            choice: 0,
            signature: Some(Signature::new(Dialect::Anthropic, "Eq")),
            id: None,
        },
        said("hi \"ö\""),
        called(0, "toolu_1"),
        piece(0, "{\"a\":1}"),
        Event::CallEnd { call: 0 },
        Event::Usage(usage(10, 5, 0, 20, 0)),
        Event::Finish {
            choice: 0,
            reason: Finish::Tool,
        },
        Event::End,
    ];
    assert_eq!(events, expected);
}

#[test]
fn case_05_a_stream_that_is_cut_has_no_end() {
    let whole = [
        start(),
        open(0, json!({"type": "text", "text": ""})),
        delta(0, "text_delta", "text", "a"),
        stop(0),
        ending("end_turn"),
        done(),
    ];
    for cut in 0..=whole.len() {
        let events = heard(&whole[..cut]);
        // The reason says that the answer was whole, even where the last event is missing.
        let is_whole = cut >= 5;
        assert_eq!(
            events.last() == Some(&Event::End),
            is_whole,
            "cut at {cut}: {events:?}"
        );
    }
}

#[test]
fn case_07_errors_in_the_stream_have_a_class() {
    let cases = [
        ("overloaded_error", "Overloaded", Class::Overloaded, 529),
        ("rate_limit_error", "slow down", Class::RateLimit, 429),
        ("api_error", "oops", Class::Internal, 500),
        (
            "invalid_request_error",
            "prompt is too long: 9 tokens > 8 maximum",
            Class::ContextTooLong,
            400,
        ),
        ("newer_error", "x", Class::Internal, 500),
    ];
    for (kind, message, class, status) in cases {
        let error = json!({"type": "error", "error": {"type": kind, "message": message}});
        for stream in [vec![error.clone()], vec![start(), error.clone(), done()]] {
            let events = heard(&stream);
            let Some(Event::Error(error)) = events.last() else {
                panic!("{events:?}")
            };
            assert_eq!(
                (error.class, error.status, error.message.as_str()),
                (class, status, message)
            );
        }
    }
}

#[test]
fn an_error_is_told_whatever_its_event_looks_like() {
    type Case = (Option<&'static [u8]>, &'static [u8], &'static str);
    let cases: [Case; 4] = [
        (
            Some(b"error"),
            b"{\"type\":\"error\",\"message\":\"m\"}",
            "m",
        ),
        (Some(b"error"), b"out of memory", "out of memory"),
        (
            Some(b"error"),
            b"{\"error\":null}",
            "the upstream reported an error and no message",
        ),
        (None, b"{\"error\":{\"message\":\"m\"}}", "m"),
    ];
    for (name, data, message) in cases {
        let mut told = Vec::new();
        let sink = &mut |event: Event<'_>| told.push(event.into_owned());
        Reader::new("s1").read(name, data, sink).unwrap();
        let Some(Event::Error(error)) = told.last() else {
            panic!("{told:?}")
        };
        assert_eq!(
            (error.message.as_str(), error.class),
            (message, Class::Internal)
        );
    }
}

#[test]
fn case_17_18_and_21_input_in_every_form() {
    let end = Event::CallEnd { call: 0 };
    let cases = [
        (
            vec![open(0, tool("a")), stop(0)],
            vec![called(0, "a"), end.clone()],
        ),
        (
            vec![
                open(0, tool("a")),
                delta(0, "input_json_delta", "partial_json", ""),
                stop(0),
            ],
            vec![called(0, "a"), end.clone()],
        ),
        (
            vec![
                open(
                    0,
                    json!({"type": "tool_use", "id": "a", "name": "f", "input": {"x": 1}}),
                ),
                stop(0),
            ],
            vec![called(0, "a"), piece(0, "{\"x\":1}"), end.clone()],
        ),
        (
            vec![
                open(
                    0,
                    json!({"type": "tool_use", "id": "a", "name": "f", "input": {"x": 1}}),
                ),
                delta(0, "input_json_delta", "partial_json", "{\"x\":2}"),
                stop(0),
            ],
            vec![called(0, "a"), piece(0, "{\"x\":2}"), end.clone()],
        ),
        (
            vec![open(0, json!({"type": "tool_use", "name": "f"})), stop(0)],
            vec![called(0, "call_s1_0"), end],
        ),
        (
            vec![open(0, json!({"type": "tool_use", "id": "a"})), stop(0)],
            vec![],
        ),
    ];
    for (stream, expected) in cases {
        assert_eq!(between(stream.clone()), expected, "{stream:?}");
    }
}

#[test]
fn case_19_and_20_blocks_that_are_interleaved_badly_numbered_or_never_closed() {
    let json = |index, text| delta(index, "input_json_delta", "partial_json", text);
    let interleaved = between(vec![
        open(0, tool("a")),
        open(1, tool("b")),
        json(0, "1"),
        json(1, "2"),
        json(0, "3"),
    ]);
    let expected = [
        called(0, "a"),
        called(1, "b"),
        piece(0, "1"),
        piece(1, "2"),
        piece(0, "3"),
        Event::CallEnd { call: 0 },
        Event::CallEnd { call: 1 },
    ];
    assert_eq!(interleaved, expected);
    let all_zero = between(vec![
        open(0, tool("a")),
        json(0, "1"),
        open(0, tool("b")),
        json(0, "2"),
    ]);
    let expected = [
        called(0, "a"),
        piece(0, "1"),
        Event::CallEnd { call: 0 },
        called(1, "b"),
        piece(1, "2"),
        Event::CallEnd { call: 1 },
    ];
    assert_eq!(all_zero, expected);
    // Pieces of blocks that never opened: texts mean something by themselves, input does not.
    let lost = between(vec![
        delta(4, "text_delta", "text", "x"),
        json(5, "{}"),
        stop(6),
    ]);
    assert_eq!(lost, [said("x")]);
}

#[test]
fn case_23_a_second_end_is_none() {
    let events = heard(&[
        start(),
        ending("max_tokens"),
        ending("end_turn"),
        done(),
        done(),
        ending("tool_use"),
        start(),
    ]);
    let reason = Finish::Stop;
    assert_eq!(
        events[events.len() - 2..],
        [Event::Finish { choice: 0, reason }, Event::End]
    );
    let ends = events
        .iter()
        .filter(|event| matches!(event, Event::Finish { .. } | Event::End));
    assert_eq!(ends.count(), 2);
}

#[test]
fn case_32_blocks_of_the_vendors_tools_arrive_whole() {
    let search =
        json!({"type": "web_search_tool_result", "tool_use_id": "srvtoolu_1", "content": []});
    let events = between(vec![
        open(
            0,
            json!({"type": "server_tool_use", "id": "srvtoolu_1", "name": "web_search", "input": {}}),
        ),
        delta(0, "input_json_delta", "partial_json", ""),
        delta(0, "input_json_delta", "partial_json", "{\"query\":"),
        delta(0, "input_json_delta", "partial_json", "\"q\"}"),
        stop(0),
        open(1, search.clone()),
        stop(1),
        open(2, json!({"type": "compaction", "content": null})),
        delta(2, "compaction_delta", "content", "so far"),
        stop(2),
    ]);
    let opaque = |value: Value| Event::Opaque {
        dialect: Dialect::Anthropic,
        value: Box::new(value),
    };
    let expected = [
        opaque(
            json!({"type": "server_tool_use", "id": "srvtoolu_1", "name": "web_search", "input": {"query": "q"}}),
        ),
        opaque(search),
        opaque(json!({"type": "compaction", "content": "so far"})),
    ];
    assert_eq!(events, expected);
}

#[test]
fn case_40_reasoning_that_is_only_a_proof() {
    let proof = |is_redacted| Event::ReasoningEnd {
        choice: 0,
        signature: Some(Signature {
            is_redacted,
            ..Signature::new(Dialect::Anthropic, "Eq")
        }),
        id: None,
    };
    let events = between(vec![
        open(
            0,
            json!({"type": "thinking", "thinking": "", "signature": ""}),
        ),
        delta(0, "thinking_delta", "thinking", ""),
        delta(0, "signature_delta", "signature", "Eq"),
        stop(0),
        open(1, json!({"type": "redacted_thinking", "data": "Eq"})),
        stop(1),
        open(
            2,
            json!({"type": "thinking", "thinking": "", "signature": ""}),
        ),
        stop(2),
    ]);
    assert_eq!(events, [proof(false), proof(true)]);
}

#[test]
fn case_49_counts_replace_each_other_and_are_never_added() {
    let report = |usage: Value| json!({"type": "message_delta", "delta": {}, "usage": usage});
    let events = heard(&[
        start(),
        report(
            json!({"output_tokens": 7, "input_tokens": 30, "output_tokens_details": {"thinking_tokens": 3}}),
        ),
        report(json!({"output_tokens": 9, "input_tokens": 0, "cache_creation_input_tokens": 2})),
        report(json!(null)),
        done(),
    ]);
    let last = events.iter().rev().find_map(|event| match event {
        Event::Usage(usage) => Some(*usage),
        _ => None,
    });
    assert_eq!(last, Some(usage(30, 5, 2, 9, 3)));
}

#[test]
fn case_51_what_is_not_known_or_null_is_passed_over() {
    let unknown = json!({"type": "content_block_delta", "index": 0, "delta": {"type": "newer_delta", "text": {"x": 1}}});
    let events = between(vec![
        json!({"type": "newer_event", "delta": 7}),
        open(0, json!({"type": "text", "text": "a", "citations": null})),
        unknown,
        json!({"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": null}}),
        delta(0, "text_delta", "text", "b"),
    ]);
    assert_eq!(events, [said("a"), said("b")]);
    let mut reader = Reader::new("s1");
    let mut none = |event: Event<'_>| panic!("{event:?}");
    for (name, data) in [
        (Some(&b"newer"[..]), &b"no JSON"[..]),
        (None, b""),
        (None, b"[DONE]"),
        (None, b"{\"type\":\"ping\"}"),
    ] {
        reader.read(name, data, &mut none).unwrap();
    }
    for damaged in [
        &b"{"[..],
        b"7",
        b"{\"type\":\"content_block_delta\",\"delta\":{\"type\":\"text_delta\",\"text\":7}}",
    ] {
        assert!(reader.read(None, damaged, &mut none).is_err());
    }
}

#[test]
fn events_without_a_name_are_known_by_their_type() {
    let mut reader = Reader::new("s1");
    let mut events = Vec::new();
    for event in [
        start(),
        open(0, json!({"type": "text", "text": ""})),
        delta(0, "text_delta", "text", "a"),
        ending("end_turn"),
        done(),
    ] {
        let sink = &mut |event: Event<'_>| events.push(event.into_owned());
        reader
            .read(None, event.to_string().as_bytes(), sink)
            .unwrap();
    }
    assert!(events.contains(&said("a")));
    assert_eq!(events.last(), Some(&Event::End));
}

#[test]
fn citations_belong_to_the_text_before_them() {
    let cited = json!({"type": "web_search_result_location", "url": "https://x", "title": "X", "cited_text": "q", "encrypted_index": "E"});
    let events = between(vec![
        open(0, json!({"type": "text", "text": "", "citations": []})),
        delta(0, "text_delta", "text", "a"),
        json!({"type": "content_block_delta", "index": 0, "delta": {"type": "citations_delta", "citation": cited}}),
        stop(0),
    ]);
    let [_, Event::Citation { citation, .. }] = &events[..] else {
        panic!("{events:?}")
    };
    assert_eq!(citation.url.as_deref(), Some("https://x"));
    assert_eq!(citation.quote.as_deref(), Some("q"));
    assert_eq!(citation.own, Some((Dialect::Anthropic, cited)));
}

#[test]
fn every_stop_reason_has_a_meaning() {
    let details = json!({"stop_reason": "refusal", "stop_details": {"type": "refusal", "category": null, "explanation": "no"}});
    let cases = [
        (json!({"stop_reason": "end_turn"}), Finish::Stop),
        (json!({"stop_reason": "max_tokens"}), Finish::Length),
        (
            json!({"stop_reason": "stop_sequence", "stop_sequence": "X"}),
            Finish::StopSequence(Some("X".into())),
        ),
        (json!({"stop_reason": "tool_use"}), Finish::Tool),
        (json!({"stop_reason": "pause_turn"}), Finish::Paused),
        (json!({"stop_reason": "refusal"}), Finish::Refusal(None)),
        (details, Finish::Refusal(Some("no".into()))),
        (
            json!({"stop_reason": "model_context_window_exceeded"}),
            Finish::ContextFull,
        ),
        (json!({"stop_reason": "newer"}), Finish::Stop),
    ];
    for (ending, reason) in cases {
        let events = heard(&[
            start(),
            json!({"type": "message_delta", "delta": ending}),
            done(),
        ]);
        assert_eq!(
            events[events.len() - 2],
            Event::Finish { choice: 0, reason },
            "{ending}"
        );
    }
}

#[test]
fn pieces_without_escapes_are_not_copied() {
    use std::borrow::Cow;
    let mut reader = Reader::new("s1");
    let mut borrowed = Vec::new();
    for text in ["plain 水", "esc\"aped"] {
        for (kind, member) in [("text_delta", "text"), ("thinking_delta", "thinking")] {
            let data = delta(0, kind, member, text).to_string();
            let sink = &mut |event: Event<'_>| match event {
                Event::Text { text, .. } | Event::Reasoning { text, .. } => {
                    borrowed.push(matches!(text, Cow::Borrowed(_)));
                }
                _ => {}
            };
            reader.read(None, data.as_bytes(), sink).unwrap();
        }
    }
    assert_eq!(borrowed, [true, true, false, false]);
}

#[test]
fn case_05_an_answer_that_does_not_say_why_it_ends_is_cut_unless_the_server_never_says() {
    let events = [
        start(),
        json!({"type": "message_delta", "delta": {}}),
        done(),
    ];
    assert!(!heard(&events).contains(&Event::End));
    let mut reader = Reader::new("s1");
    reader.may_end_without_reason(true);
    let mut heard = Vec::new();
    for event in &events {
        let data = event.to_string();
        let sink = &mut |event: Event<'_>| heard.push(event.into_owned());
        reader.read(None, data.as_bytes(), sink).unwrap();
    }
    let reason = Finish::Stop;
    assert_eq!(
        heard[heard.len() - 2..],
        [Event::Finish { choice: 0, reason }, Event::End]
    );
}
