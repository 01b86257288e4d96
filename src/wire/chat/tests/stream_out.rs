//! Streams for clients.

use serde_json::{Value, json};

use super::{NO_TIME, asking, naming};
use crate::wire::Usage;
use crate::wire::chat::Writer;
use crate::wire::neutral::{CallKind, Citation, Class, Error, Event, Finish, Request, Signature};
use crate::wire::{Dialect, sse};

/// The payloads that events come to; every event must be framed.
fn written(asked: &Request, events: Vec<Event<'static>>) -> Vec<Value> {
    let mut writer = Writer::new(asked, &naming());
    let mut out = Vec::new();
    for event in events {
        writer.write(event, NO_TIME, &mut out);
    }
    payloads(&out)
}

fn payloads(out: &[u8]) -> Vec<Value> {
    let text = std::str::from_utf8(out).unwrap();
    assert!(text.is_empty() || text.ends_with("\n\n"), "{text}");
    let events = text.split_terminator("\n\n");
    events
        .map(|event| {
            let parsed = sse::parse(event.as_bytes());
            assert_eq!(parsed.name, None);
            match parsed.data.bytes() {
                b"[DONE]" => json!("[DONE]"),
                data => serde_json::from_slice(data).unwrap(),
            }
        })
        .collect()
}

fn start() -> Event<'static> {
    Event::Start {
        id: "up".into(),
        model: "theirs".into(),
    }
}

fn text(choice: u32, text: &'static str) -> Event<'static> {
    Event::Text {
        choice,
        text: text.into(),
    }
}

fn call(call: u32, id: &'static str) -> Event<'static> {
    Event::CallStart {
        choice: 0,
        call,
        id: id.into(),
        name: "f".into(),
        kind: CallKind::Function,
        signature: None,
    }
}

fn arguments(call: u32, text: &'static str) -> Event<'static> {
    Event::CallArguments {
        call,
        text: text.into(),
    }
}

fn finish(choice: u32, reason: Finish) -> Event<'static> {
    Event::Finish { choice, reason }
}

/// Delta and reason of each chunk of choice 0.
fn deltas(payloads: &[Value]) -> Vec<(Value, Value)> {
    let chunks = payloads
        .iter()
        .filter(|payload| payload["choices"][0]["index"] == 0);
    chunks
        .map(|chunk| {
            (
                chunk["choices"][0]["delta"].clone(),
                chunk["choices"][0]["finish_reason"].clone(),
            )
        })
        .collect()
}

#[test]
fn a_citation_without_a_place_stands_at_the_end_of_the_text_so_far() {
    let cited = || Event::Citation {
        choice: 0,
        citation: Box::new(Citation {
            url: Some("u".into()),
            ..Citation::default()
        }),
    };
    let events = vec![
        start(),
        text(0, "äb"),
        cited(),
        text(0, "c"),
        cited(),
        finish(0, Finish::Stop),
        Event::End,
    ];
    let found = written(&asking(json!({})), events);
    let places: Vec<&Value> = found
        .iter()
        .map(|chunk| &chunk["choices"][0]["delta"]["annotations"][0]["url_citation"]["end_index"])
        .filter(|place| !place.is_null())
        .collect();
    assert_eq!(places, [&json!(2), &json!(3)]);
}

#[test]
fn a_whole_stream_with_usage() {
    let asked = asking(json!({"stream": true, "stream_options": {"include_usage": true}}));
    let usage = Usage {
        input_uncached: 3,
        cache_read: 4,
        cache_write: 0,
        output: 5,
        reasoning: 2,
        ..Usage::default()
    };
    let events = vec![
        start(),
        text(0, "He\"l\nlo☃"),
        Event::Usage(usage),
        finish(0, Finish::Stop),
        Event::End,
    ];
    let chunk = |choice: Value| json!({"id": "chatcmpl-seed", "object": "chat.completion.chunk", "created": 7, "model": "m", "choices": [choice], "usage": null});
    let expected = vec![
        chunk(
            json!({"index": 0, "delta": {"role": "assistant", "content": "", "refusal": null}, "logprobs": null, "finish_reason": null}),
        ),
        chunk(
            json!({"index": 0, "delta": {"content": "He\"l\nlo☃"}, "logprobs": null, "finish_reason": null}),
        ),
        chunk(json!({"index": 0, "delta": {}, "logprobs": null, "finish_reason": "stop"})),
        json!({"id": "chatcmpl-seed", "object": "chat.completion.chunk", "created": 7, "model": "m", "choices": [], "usage": {
            "prompt_tokens": 7, "completion_tokens": 5, "total_tokens": 12,
            "prompt_tokens_details": {"cached_tokens": 4}, "completion_tokens_details": {"reasoning_tokens": 2}}}),
        json!("[DONE]"),
    ];
    assert_eq!(written(&asked, events), expected);
}

#[test]
fn usage_comes_only_where_it_was_asked_for_and_known() {
    let usage = Event::Usage(Usage::default());
    let plain = written(
        &asking(json!({})),
        vec![start(), usage, finish(0, Finish::Stop), Event::End],
    );
    assert!(plain.iter().all(|chunk| chunk.get("usage").is_none()));
    let asked = asking(json!({"stream_options": {"include_usage": true}}));
    let unknown = written(&asked, vec![start(), finish(0, Finish::Stop), Event::End]);
    assert_eq!(unknown.len(), 3);
}

#[test]
fn case_17_19_22_calls_have_dense_indices_arguments_and_their_own_reason() {
    let events = vec![
        start(),
        call(0, "a"),
        call(1, "b"),
        arguments(1, "{\"y\":2}"),
        Event::CallEnd { call: 0 },
        Event::CallEnd { call: 1 },
        finish(0, Finish::Stop),
        Event::End,
    ];
    let found = deltas(&written(&asking(json!({})), events));
    let expected = [
        json!({"role": "assistant", "content": "", "refusal": null}),
        json!({"tool_calls": [{"index": 0, "id": "a", "type": "function", "function": {"name": "f", "arguments": ""}}]}),
        json!({"tool_calls": [{"index": 1, "id": "b", "type": "function", "function": {"name": "f", "arguments": ""}}]}),
        json!({"tool_calls": [{"index": 1, "function": {"arguments": "{\"y\":2}"}}]}),
        json!({"tool_calls": [{"index": 0, "function": {"arguments": "{}"}}]}),
        json!({}),
    ];
    assert_eq!(
        found
            .iter()
            .map(|(delta, _)| delta.clone())
            .collect::<Vec<_>>(),
        expected
    );
    assert_eq!(found.last().unwrap().1, "tool_calls");
}

#[test]
fn reasons_in_chats_words() {
    let cases = [
        (Finish::Stop, false, "stop"),
        (Finish::StopSequence(Some("x".into())), false, "stop"),
        (Finish::Length, true, "length"),
        (Finish::ContextFull, false, "length"),
        (Finish::Tool, true, "tool_calls"),
        (Finish::Tool, false, "stop"),
        (Finish::Filter, true, "content_filter"),
        (Finish::Refusal(None), false, "content_filter"),
        (Finish::Refusal(Some("no".into())), false, "stop"),
        (Finish::Paused, false, "length"),
        (Finish::MalformedCall, false, "stop"),
    ];
    for (reason, has_call, expected) in cases {
        let mut events = vec![start()];
        if has_call {
            events.extend([call(0, "a"), arguments(0, "{}"), Event::CallEnd { call: 0 }]);
        }
        events.extend([finish(0, reason.clone()), Event::End]);
        let found = deltas(&written(&asking(json!({})), events));
        let reasons: Vec<_> = found
            .iter()
            .filter(|(_, reason)| !reason.is_null())
            .collect();
        assert_eq!(reasons.len(), 1);
        assert_eq!(reasons[0].1, expected, "{reason:?}");
        let refusal = found.iter().any(|(delta, _)| delta["refusal"] == "no");
        assert_eq!(refusal, reason == Finish::Refusal(Some("no".into())));
    }
}

#[test]
fn case_39_and_40_proofs_stand_in_reasoning_details_with_their_text() {
    let end = |signature: Option<Signature>| Event::ReasoningEnd {
        choice: 0,
        signature,
        id: None,
    };
    let thought = |text: &'static str| Event::Reasoning {
        choice: 0,
        text: text.into(),
        is_summary: false,
    };
    let events = vec![
        start(),
        thought("a"),
        thought("b"),
        end(Some(Signature::new(Dialect::Anthropic, "SIG"))),
        end(Some(Signature {
            is_redacted: true,
            ..Signature::new(Dialect::Anthropic, "ENC")
        })),
        thought("c"),
        end(None),
        finish(0, Finish::Stop),
        Event::End,
    ];
    let found = deltas(&written(&asking(json!({})), events));
    let expected = [
        json!({"reasoning_content": "a"}),
        json!({"reasoning_content": "b"}),
        json!({"reasoning_details": [{"type": "reasoning.text", "text": "ab", "format": "unknown", "index": 0, "signature": "weir.anthropic.SIG"}]}),
        json!({"reasoning_details": [{"type": "reasoning.encrypted", "data": "weir.anthropic!.ENC", "format": "unknown", "index": 1}]}),
        json!({"reasoning_content": "c"}),
    ];
    assert_eq!(
        found[1..6]
            .iter()
            .map(|(delta, _)| delta.clone())
            .collect::<Vec<_>>(),
        expected
    );
}

#[test]
fn several_choices_have_a_role_a_text_and_an_end_each() {
    let events = vec![
        start(),
        text(1, "b"),
        text(0, "a"),
        finish(1, Finish::Length),
        finish(0, Finish::Stop),
        Event::End,
    ];
    let found = written(&asking(json!({"n": 2})), events);
    let of_second: Vec<&Value> = found
        .iter()
        .filter(|chunk| chunk["choices"][0]["index"] == 1)
        .collect();
    assert_eq!(of_second.len(), 3);
    assert_eq!(of_second[0]["choices"][0]["delta"]["role"], "assistant");
    assert_eq!(of_second[1]["choices"][0]["delta"], json!({"content": "b"}));
    assert_eq!(of_second[2]["choices"][0]["finish_reason"], "length");
    assert_eq!(found.last().unwrap(), "[DONE]");
}

#[test]
fn case_06_an_error_is_the_last_word() {
    let error = Error {
        class: Class::Overloaded,
        status: 529,
        message: "busy".into(),
        code: None,
        param: None,
        retry_after: None,
    };
    let mut events = vec![
        start(),
        text(0, "a"),
        Event::Error(Box::new(error.clone())),
        text(0, "b"),
        Event::End,
    ];
    let found = written(&asking(json!({})), events.clone());
    let expected = json!({"error": {"message": "busy", "type": "server_error", "param": null, "code": "overloaded"}});
    assert_eq!(found[2..], *std::slice::from_ref(&expected));
    events.drain(..2);
    assert_eq!(written(&asking(json!({})), events), [expected]);
}

#[test]
fn case_09_keepalives_are_chunks_at_any_time() {
    let mut writer = Writer::new(&asking(json!({})), &naming());
    let mut out = Vec::new();
    writer.keepalive(&mut out);
    writer.write(start(), NO_TIME, &mut out);
    writer.write(text(0, "a"), NO_TIME, &mut out);
    writer.keepalive(&mut out);
    writer.write(finish(0, Finish::Stop), NO_TIME, &mut out);
    writer.write(Event::End, NO_TIME, &mut out);
    writer.keepalive(&mut out);
    let found = payloads(&out);
    let deltas: Vec<Value> = deltas(&found).into_iter().map(|(delta, _)| delta).collect();
    let role = json!({"role": "assistant", "content": "", "refusal": null});
    assert_eq!(
        deltas,
        [role, json!({"content": "a"}), json!({}), json!({})]
    );
    assert_eq!(found.len(), 5);
}

#[test]
fn a_client_with_functions_gets_a_function_call() {
    let asked = asking(json!({"functions": [{"name": "f", "parameters": {"type": "object"}}]}));
    let events = vec![
        start(),
        call(0, "a"),
        arguments(0, "{}"),
        Event::CallEnd { call: 0 },
        finish(0, Finish::Tool),
        Event::End,
    ];
    let found = deltas(&written(&asked, events));
    assert_eq!(
        found[1].0,
        json!({"function_call": {"name": "f", "arguments": ""}})
    );
    assert_eq!(found[2].0, json!({"function_call": {"arguments": "{}"}}));
    assert_eq!(found[3].1, "function_call");
}

#[test]
fn logprobs_citations_signed_and_custom_calls() {
    let mut custom = call(0, "a");
    if let Event::CallStart {
        kind, signature, ..
    } = &mut custom
    {
        *kind = CallKind::Custom;
        *signature = Some(Signature::new(Dialect::Gemini, "S"));
    }
    let citation = crate::wire::neutral::Citation {
        url: Some("u".into()),
        span: Some((1, 2)),
        ..Default::default()
    };
    let events = vec![
        start(),
        text(0, "a"),
        Event::Logprobs {
            choice: 0,
            value: Box::new(json!({"content": [{"token": "a"}]})),
        },
        Event::Citation {
            choice: 0,
            citation: Box::new(citation),
        },
        custom,
        arguments(0, "in"),
        Event::CallEnd { call: 0 },
        Event::Opaque {
            dialect: Dialect::Anthropic,
            value: Box::new(json!({})),
        },
        finish(0, Finish::Tool),
        Event::End,
    ];
    let found = written(&asking(json!({})), events);
    assert_eq!(
        found[2]["choices"][0]["logprobs"],
        json!({"content": [{"token": "a"}]})
    );
    let annotation = json!({"type": "url_citation", "url_citation": {"start_index": 1, "end_index": 2, "url": "u", "title": "u"}});
    assert_eq!(
        found[3]["choices"][0]["delta"],
        json!({"annotations": [annotation]})
    );
    let call = json!({"index": 0, "id": "a", "type": "custom", "custom": {"name": "f", "input": ""}, "extra_content": {"google": {"thought_signature": "weir.gemini.S"}}});
    assert_eq!(
        found[4]["choices"][0]["delta"],
        json!({"tool_calls": [call]})
    );
    assert_eq!(
        found[5]["choices"][0]["delta"],
        json!({"tool_calls": [{"index": 0, "custom": {"input": "in"}}]})
    );
    assert_eq!(found.len(), 8);
}
