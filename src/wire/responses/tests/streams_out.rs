//! Events as the streams and answers that clients get.

use serde_json::{Value, json};

use super::{Event, TOOK, Writer, naming, payloads_of, read, stream_of, types_of};
use crate::wire::neutral::{
    Answer, Call, CallKind, Choice, Citation, Class, Error, Finish, Part, Reasoning, Request,
    Signature, Text,
};
use crate::wire::responses::write_answer;
use crate::wire::{Dialect, Usage};

/// As Codex asks.
fn asked() -> Request {
    read(&json!({
        "model": "local", "instructions": "be", "stream": true, "store": false, "input": "hi",
        "include": ["reasoning.encrypted_content"], "reasoning": {"effort": "high", "summary": "auto"},
        "tools": [
            {"type": "function", "name": "shell", "parameters": {"type": "object"}, "strict": false},
            {"type": "custom", "name": "apply_patch", "format": {"type": "grammar", "syntax": "lark", "definition": "start: x"}},
            {"type": "local_shell"},
        ],
        "parallel_tool_calls": false, "prompt_cache_key": "k", "temperature": 0.5, "metadata": {"a": "b"},
    }))
}

fn start() -> Event<'static> {
    Event::Start {
        id: "chatcmpl-1".into(),
        model: "m".into(),
    }
}

fn text(text: &'static str) -> Event<'static> {
    Event::Text {
        choice: 0,
        text: text.into(),
    }
}

fn thought(text: &'static str) -> Event<'static> {
    Event::Reasoning {
        choice: 0,
        text: text.into(),
        is_summary: false,
    }
}

fn thought_end(signature: Option<Signature>) -> Event<'static> {
    Event::ReasoningEnd {
        choice: 0,
        signature,
        id: None,
    }
}

fn call(call: u32, name: &'static str, kind: CallKind) -> Event<'static> {
    Event::CallStart {
        choice: 0,
        call,
        id: format!("call_{call}").into(),
        name: name.into(),
        kind,
        signature: None,
    }
}

fn arguments(call: u32, text: &'static str) -> Event<'static> {
    Event::CallArguments {
        call,
        text: text.into(),
    }
}

fn finish(reason: Finish) -> Event<'static> {
    Event::Finish { choice: 0, reason }
}

#[test]
fn a_stream_from_its_beginning_to_its_end() {
    let usage = Usage {
        input_uncached: 7,
        cache_read: 2,
        cache_write: 1,
        output: 5,
        reasoning: 3,
        ..Usage::default()
    };
    let payloads = stream_of(
        &asked(),
        &[
            start(),
            thought("hm"),
            thought("!"),
            thought_end(Some(Signature::new(Dialect::Anthropic, "sig"))),
            text("Hel"),
            text("lo\n"),
            call(0, "shell", CallKind::Function),
            arguments(0, "{\"a\":"),
            arguments(0, "1}"),
            Event::CallEnd { call: 0 },
            Event::Usage(usage),
            finish(Finish::Stop),
            Event::End,
        ],
    );
    assert_eq!(
        types_of(&payloads),
        [
            "created",
            "in_progress",
            "output_item.added",
            "reasoning_summary_part.added",
            "reasoning_summary_text.delta",
            "reasoning_summary_text.delta",
            "reasoning_summary_text.done",
            "reasoning_summary_part.done",
            "output_item.done",
            "output_item.added",
            "content_part.added",
            "output_text.delta",
            "output_text.delta",
            "output_text.done",
            "content_part.done",
            "output_item.done",
            "output_item.added",
            "function_call_arguments.delta",
            "function_call_arguments.delta",
            "function_call_arguments.done",
            "output_item.done",
            "completed",
        ]
    );
    let response = &payloads.last().expect("a last event")["response"];
    assert_eq!(
        *response,
        json!({
            "id": "resp_5eed", "object": "response", "created_at": 1_700_000_000, "status": "completed", "background": false,
            "completed_at": 1_700_000_002, "error": null, "incomplete_details": null, "instructions": "be",
            "max_output_tokens": null, "max_tool_calls": null, "model": "local",
            "output": [
                {"id": "rs_weir5eed_0", "type": "reasoning", "summary": [{"type": "summary_text", "text": "hm!"}], "encrypted_content": "weir.anthropic.sig"},
                {"id": "msg_weir5eed_1", "type": "message", "status": "completed", "content": [{"type": "output_text", "annotations": [], "logprobs": [], "text": "Hello\n"}], "role": "assistant"},
                {"id": "fc_weir5eed_2", "type": "function_call", "status": "completed", "arguments": "{\"a\":1}", "call_id": "call_0", "name": "shell"},
            ],
            "parallel_tool_calls": false, "previous_response_id": null, "prompt_cache_key": "k",
            "reasoning": {"effort": "high", "summary": "auto"}, "safety_identifier": null, "service_tier": "default", "store": false,
            "temperature": 0.5, "text": {"format": {"type": "text"}}, "tool_choice": "auto",
            "tools": [
                {"type": "function", "name": "shell", "parameters": {"type": "object"}, "strict": false},
                {"type": "custom", "name": "apply_patch", "format": {"type": "grammar", "syntax": "lark", "definition": "start: x"}},
                {"type": "local_shell"},
            ],
            "top_logprobs": 0, "top_p": 1.0, "truncation": "disabled",
            "usage": {"input_tokens": 10, "input_tokens_details": {"cache_write_tokens": 1, "cached_tokens": 2}, "output_tokens": 5, "output_tokens_details": {"reasoning_tokens": 3}, "total_tokens": 15},
            "user": null, "metadata": {"a": "b"},
        })
    );
    let created = &payloads[0]["response"];
    assert_eq!(
        (&created["status"], &created["output"]),
        (&json!("in_progress"), &json!([]))
    );
}

/// The items of the last event's response.
fn output(events: &[Event<'static>]) -> Vec<Value> {
    let mut all = vec![start()];
    all.extend_from_slice(events);
    all.push(Event::End);
    let payloads = stream_of(&asked(), &all);
    let response = payloads.last().expect("a last event")["response"].clone();
    response["output"].as_array().expect("a list").clone()
}

#[test]
fn case_19_interleaved_calls_come_one_after_another() {
    let items = output(&[
        call(0, "shell", CallKind::Function),
        call(1, "shell", CallKind::Function),
        arguments(0, "{"),
        arguments(1, "["),
        arguments(0, "}"),
        arguments(1, "]"),
        Event::CallEnd { call: 0 },
        Event::CallEnd { call: 1 },
    ]);
    let found: Vec<_> = items
        .iter()
        .map(|item| (item["call_id"].as_str(), item["arguments"].as_str()))
        .collect();
    assert_eq!(
        found,
        [(Some("call_0"), Some("{}")), (Some("call_1"), Some("[]"))]
    );
}

#[test]
fn case_17_a_call_without_arguments_has_an_empty_object() {
    let items = output(&[
        call(0, "shell", CallKind::Function),
        Event::CallEnd { call: 0 },
    ]);
    assert_eq!(items[0]["arguments"], "{}");
}

#[test]
fn case_33_calls_come_back_as_what_they_were_asked_for() {
    let items = output(&[
        call(0, "apply_patch", CallKind::Custom),
        arguments(0, "*** Begin"),
        Event::CallEnd { call: 0 },
        call(1, "f", CallKind::Namespaced("mcp".to_owned())),
        Event::CallEnd { call: 1 },
        call(2, "local_shell", CallKind::Function),
        arguments(2, "{\"command\":"),
        arguments(2, "[\"ls\"]}"),
        Event::CallEnd { call: 2 },
        call(3, "local_shell", CallKind::Function),
        arguments(3, "{\"cmd\":\"ls\"}"),
        Event::CallEnd { call: 3 },
    ]);
    assert_eq!(
        items,
        [
            json!({"id": "ctc_weir5eed_0", "type": "custom_tool_call", "status": "completed", "input": "*** Begin", "call_id": "call_0", "name": "apply_patch"}),
            json!({"id": "fc_weir5eed_1", "type": "function_call", "status": "completed", "arguments": "{}", "call_id": "call_1", "name": "f", "namespace": "mcp"}),
            json!({"id": "lsh_weir5eed_2", "type": "local_shell_call", "status": "completed", "call_id": "call_2", "action": {"command": ["ls"], "env": {}, "type": "exec"}}),
            // Not what the tool takes: the client tells the model.
            json!({"id": "lsh_weir5eed_3", "type": "function_call", "status": "completed", "arguments": "{\"cmd\":\"ls\"}", "call_id": "call_3", "name": "local_shell"}),
        ]
    );
}

#[test]
fn case_40_41_proofs_without_a_text_and_of_calls() {
    let items = output(&[
        thought_end(Some(Signature::new(Dialect::Responses, "gAAA"))),
        thought_end(None),
        Event::CallStart {
            choice: 0,
            call: 0,
            id: "c".into(),
            name: "shell".into(),
            kind: CallKind::Function,
            signature: Some(Signature::new(Dialect::Gemini, "sig")),
        },
        Event::CallEnd { call: 0 },
    ]);
    let found: Vec<_> = items
        .iter()
        .map(|item| (item["type"].as_str(), item["encrypted_content"].as_str()))
        .collect();
    assert_eq!(
        found,
        [
            (Some("reasoning"), Some("gAAA")),
            (Some("reasoning"), Some("weir.gemini.sig")),
            (Some("function_call"), None),
        ]
    );
    // A client that did not ask for it gets no proof, and no reasoning that is nothing else.
    let mut plain = asked();
    plain.thinking.encrypted = false;
    let proof = || thought_end(Some(Signature::new(Dialect::Responses, "gAAA")));
    let payloads = stream_of(
        &plain,
        &[start(), proof(), thought("a"), proof(), Event::End],
    );
    let items = &payloads.last().expect("a last event")["response"]["output"];
    assert_eq!(
        *items,
        json!([{"id": "rs_weir5eed_0", "type": "reasoning", "summary": [{"type": "summary_text", "text": "a"}]}])
    );
}

#[test]
fn phases_and_hosted_items_of_the_dialect_come_through() {
    let opaque = |dialect, value| Event::Opaque {
        dialect,
        value: Box::new(value),
    };
    let search = json!({"type": "web_search_call", "id": "ws_1", "status": "completed"});
    let items = output(&[
        opaque(
            Dialect::Responses,
            json!({"type": "message", "phase": "commentary"}),
        ),
        text("a"),
        opaque(Dialect::Responses, search.clone()),
        opaque(Dialect::Anthropic, json!({"type": "server_tool_use"})),
        text("b"),
    ]);
    assert_eq!(items.len(), 3);
    assert_eq!(
        (&items[0]["phase"], items[2].get("phase")),
        (&json!("commentary"), None)
    );
    assert_eq!(items[1], search);
}

#[test]
fn citations_and_log_probabilities_belong_to_their_text() {
    let mut request = asked();
    request.logprobs = Some(1);
    let logprobs = json!({"content": [{"token": "é", "logprob": -0.5, "bytes": null, "top_logprobs": [{"token": "e", "logprob": -1.5, "bytes": [101]}]}]});
    let payloads = stream_of(
        &request,
        &[
            start(),
            text("é"),
            Event::Logprobs {
                choice: 0,
                value: Box::new(logprobs),
            },
            Event::Citation {
                choice: 0,
                citation: Box::new(Citation {
                    url: Some("https://e".to_owned()),
                    ..Citation::default()
                }),
            },
            text("!"),
            Event::End,
        ],
    );
    let delta = &payloads[4];
    assert_eq!(delta["delta"], "é");
    assert_eq!(
        delta["logprobs"],
        json!([{"token": "é", "logprob": -0.5, "top_logprobs": [{"token": "e", "logprob": -1.5}]}])
    );
    let part = &payloads.last().expect("a last event")["response"]["output"][0]["content"][0];
    assert_eq!(part["text"], "é!");
    assert_eq!(part["logprobs"][0]["bytes"], json!([195, 169]));
    assert_eq!(
        part["annotations"],
        json!([{"type": "url_citation", "end_index": 1, "start_index": 1, "title": "https://e", "url": "https://e"}])
    );
}

#[test]
fn endings_of_every_kind() {
    let cases = [
        (Finish::Stop, "completed", Value::Null),
        (Finish::StopSequence(None), "completed", Value::Null),
        (Finish::Tool, "completed", Value::Null),
        // There are no words of refusal to show it.
        (
            Finish::Refusal(None),
            "incomplete",
            json!({"reason": "content_filter"}),
        ),
        (
            Finish::Length,
            "incomplete",
            json!({"reason": "max_output_tokens"}),
        ),
        (
            Finish::ContextFull,
            "incomplete",
            json!({"reason": "max_output_tokens"}),
        ),
        (
            Finish::Paused,
            "incomplete",
            json!({"reason": "max_output_tokens"}),
        ),
        (
            Finish::Filter,
            "incomplete",
            json!({"reason": "content_filter"}),
        ),
        // Of a refusal without words, only this is left to say.
        (
            Finish::Refusal(None),
            "incomplete",
            json!({"reason": "content_filter"}),
        ),
        (Finish::MalformedCall, "failed", Value::Null),
    ];
    for (reason, status, details) in cases {
        let payloads = stream_of(
            &asked(),
            &[start(), text("a"), finish(reason.clone()), Event::End],
        );
        let last = payloads.last().expect("a last event");
        assert_eq!(last["type"], format!("response.{status}"), "{reason:?}");
        assert_eq!(last["response"]["status"], status);
        assert_eq!(last["response"]["incomplete_details"], details);
        let whole = if status == "completed" {
            "completed"
        } else {
            "incomplete"
        };
        assert_eq!(last["response"]["output"][0]["status"], whole, "{reason:?}");
    }
    // The model's reason for declining is its answer.
    let declined = finish(Finish::Refusal(Some("no".to_owned())));
    let items = output(&[declined]);
    assert_eq!(
        items[0]["content"],
        json!([{"type": "refusal", "refusal": "no"}])
    );
}

#[test]
fn a_call_that_was_cut_is_incomplete() {
    let items = output(&[
        call(0, "shell", CallKind::Function),
        arguments(0, "{\"a"),
        finish(Finish::Length),
    ]);
    assert_eq!(
        (&items[0]["arguments"], &items[0]["status"]),
        (&json!("{\"a"), &json!("incomplete"))
    );
}

#[test]
fn case_09_signs_of_life_carry_data() {
    let mut writer = Writer::new(&asked(), &naming());
    let mut out = Vec::new();
    writer.keepalive(&mut out);
    writer.write(start(), TOOK, &mut out);
    writer.write(text("a"), TOOK, &mut out);
    writer.keepalive(&mut out);
    writer.write(text("b"), TOOK, &mut out);
    writer.write(Event::End, TOOK, &mut out);
    writer.keepalive(&mut out);
    assert_eq!(
        types_of(&payloads_of(&out)),
        [
            "created",
            "in_progress",
            "output_item.added",
            "content_part.added",
            "output_text.delta",
            "in_progress",
            "output_text.delta",
            "output_text.done",
            "content_part.done",
            "output_item.done",
            "completed",
        ]
    );
}

#[test]
fn case_06_errors_end_a_stream_with_a_code_that_clients_act_on() {
    let cases = [
        (Class::ContextTooLong, "context_length_exceeded"),
        (Class::Billing, "insufficient_quota"),
        (Class::RateLimit, "rate_limit_exceeded"),
        (Class::BadRequest, "invalid_prompt"),
        (Class::Internal, "server_error"),
        (Class::Overloaded, "server_error"),
        (Class::BadKey, "server_error"),
    ];
    for (class, code) in cases {
        let error = Error {
            class,
            status: class.status(),
            message: "boom".to_owned(),
            code: None,
            param: None,
            retry_after: Some(std::time::Duration::from_millis(1_200)),
        };
        for before in [0, 2] {
            let mut writer = Writer::new(&asked(), &naming());
            let mut out = Vec::new();
            for event in [start(), text("a")].into_iter().take(before) {
                writer.write(event, TOOK, &mut out);
            }
            writer.error(&error, TOOK, &mut out);
            writer.error(&error, TOOK, &mut out);
            writer.write(text("b"), TOOK, &mut out);
            let payloads = payloads_of(&out);
            assert_eq!(payloads[0]["type"], "response.created");
            let last = payloads.last().expect("a last event");
            assert_eq!(last["type"], "response.failed");
            assert_eq!(last["response"]["status"], "failed");
            assert_eq!(last["response"]["error"]["code"], code);
            let message = last["response"]["error"]["message"]
                .as_str()
                .expect("a message");
            assert_eq!(
                message.ends_with("try again in 2s."),
                class == Class::RateLimit
            );
        }
    }
}

#[test]
fn a_whole_answer() {
    let answer = Answer {
        id: "x".to_owned(),
        model: "m".to_owned(),
        choices: vec![Choice {
            parts: vec![
                Part::Reasoning(Reasoning {
                    text: "hm".to_owned(),
                    ..Reasoning::default()
                }),
                Part::Text(Text {
                    text: "Hi".to_owned(),
                    ..Text::default()
                }),
                Part::Call(Call {
                    id: "c".to_owned(),
                    name: "shell".to_owned(),
                    arguments: String::new(),
                    kind: CallKind::Function,
                    signature: None,
                }),
            ],
            finish: Some(Finish::Tool),
            logprobs: Some(
                json!({"content": [{"token": "Hi", "logprob": -0.5, "bytes": null, "top_logprobs": []}]}),
            ),
        }],
        usage: None,
        service_tier: Some("priority".to_owned()),
    };
    let write = |asked: &Request, answer: &Answer| -> Value {
        let body = write_answer(answer, asked, &naming(), TOOK);
        serde_json::from_slice(&body).expect("JSON")
    };
    let response = write(&asked(), &answer);
    assert_eq!(
        (&response["status"], &response["service_tier"]),
        (&json!("completed"), &json!("priority"))
    );
    let types: Vec<_> = response["output"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|item| item["type"].clone())
        .collect();
    assert_eq!(types, ["reasoning", "message", "function_call"]);
    assert_eq!(response["output"][1]["content"][0]["logprobs"], json!([]));
    let mut with_logprobs = asked();
    with_logprobs.logprobs = Some(0);
    let response = write(&with_logprobs, &answer);
    assert_eq!(
        response["output"][1]["content"][0]["logprobs"][0]["token"],
        "Hi"
    );
    // An answer that may be cut is not told as complete.
    let mut cut = answer;
    cut.choices[0].finish = None;
    assert_eq!(write(&asked(), &cut)["status"], "incomplete");
}
