//! Whole answers, read and written.

use serde_json::{Value, json};

use super::{NO_TIME, asking, naming};
use crate::wire::chat::{read_answer, write_answer};
use crate::wire::neutral::{
    Answer, Call, CallKind, Choice, Citation, Finish, Part, Reasoning, Signature, Text,
};
use crate::wire::{Dialect, Usage};

fn read(body: &Value) -> Answer {
    read_answer(body.to_string().as_bytes(), "x").unwrap()
}

fn message(message: Value, reason: &str) -> Value {
    json!({"id": "i", "object": "chat.completion", "created": 1, "model": "m",
        "choices": [{"index": 0, "message": message, "finish_reason": reason}]})
}

fn text(text: &str) -> Part {
    Part::Text(Text {
        text: text.into(),
        ..Text::default()
    })
}

#[test]
fn everything_that_a_message_can_say() {
    let mut body = message(
        json!({"role": "assistant", "reasoning": "hm", "content": "a", "refusal": null,
            "annotations": [{"type": "url_citation", "url_citation": {"url": "u", "title": "t", "start_index": 0, "end_index": 1}}],
            "tool_calls": [{"id": "c", "type": "function", "function": {"name": "f", "arguments": "{}"}}, {"function": {"name": "g", "arguments": {"x": 1}}}]}),
        "tool_calls",
    );
    body["usage"] = json!({"prompt_tokens": 9, "completion_tokens": 4, "prompt_tokens_details": {"cached_tokens": 3, "cache_write_tokens": 2}, "completion_tokens_details": {"reasoning_tokens": 1}});
    body["service_tier"] = json!("flex");
    let answer = read(&body);
    assert_eq!(
        (
            answer.id.as_str(),
            answer.model.as_str(),
            answer.service_tier.as_deref()
        ),
        ("i", "m", Some("flex"))
    );
    assert_eq!(
        answer.usage,
        Some(Usage {
            input_uncached: 4,
            cache_read: 3,
            cache_write: 2,
            output: 4,
            reasoning: 1,
            ..Usage::default()
        })
    );
    let choice = &answer.choices[0];
    assert_eq!(choice.finish, Some(Finish::Tool));
    let [
        Part::Reasoning(thought),
        Part::Text(said),
        Part::Call(first),
        Part::Call(second),
    ] = choice.parts.as_slice()
    else {
        panic!("{:?}", choice.parts)
    };
    assert_eq!(
        (
            thought.text.as_str(),
            said.text.as_str(),
            said.citations.len()
        ),
        ("hm", "a", 1)
    );
    assert_eq!(
        (
            first.id.as_str(),
            second.id.as_str(),
            second.arguments.as_str()
        ),
        ("c", "call_x_1", "{\"x\":1}")
    );
}

#[test]
fn several_answers_however_they_are_numbered() {
    for indices in [
        [json!(0), json!(1)],
        [json!(0), json!(0)],
        [Value::Null, Value::Null],
    ] {
        let choices: Vec<Value> = indices.iter().zip(["a", "b"]).map(|(index, text)| {
            json!({"index": index, "message": {"content": text}, "finish_reason": "stop"})
        }).collect();
        let answer = read(&json!({"choices": choices}));
        let texts: Vec<&[Part]> = answer
            .choices
            .iter()
            .map(|choice| choice.parts.as_slice())
            .collect();
        assert_eq!(texts, [&[text("a")], &[text("b")]]);
    }
}

#[test]
fn what_is_no_answer() {
    for (body, expected) in [
        ("<html>", "the upstream sent what is no chat completion"),
        ("{}", "the upstream's answer has no choices"),
        (r#"{"choices":[]}"#, "the upstream's answer has no choices"),
        (
            r#"{"error":{"message":"boom"}}"#,
            "the upstream reports an error: boom",
        ),
    ] {
        let error = read_answer(body.as_bytes(), "x").unwrap_err();
        assert!(error.0.starts_with(expected), "{error:?}");
    }
}

#[test]
fn an_answer_without_a_reason_may_be_cut() {
    let answer = read(&json!({"choices": [{"message": {"content": "a"}}]}));
    assert_eq!(answer.choices[0].finish, None);
}

#[test]
fn case_48_usage_arithmetic_of_all_servers() {
    let cases = [
        (
            json!({"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 15}),
            (10, 0, 5, 0),
        ),
        (
            json!({"prompt_tokens": 10, "completion_tokens": 5, "prompt_cache_hit_tokens": 8, "prompt_cache_miss_tokens": 2}),
            (2, 8, 5, 0),
        ),
        // Reasoning beside the output: the total shows it.
        (
            json!({"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 22, "completion_tokens_details": {"reasoning_tokens": 7}}),
            (10, 0, 12, 7),
        ),
        (
            json!({"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 22}),
            (10, 0, 12, 7),
        ),
        // Reasoning within the output.
        (
            json!({"prompt_tokens": 10, "completion_tokens": 12, "total_tokens": 22, "completion_tokens_details": {"reasoning_tokens": 7}}),
            (10, 0, 12, 7),
        ),
        (
            json!({"prompt_tokens": 10.0, "completion_tokens": null, "prompt_tokens_details": null}),
            (10, 0, 0, 0),
        ),
        (
            json!({"prompt_tokens": 3, "completion_tokens": 1, "prompt_tokens_details": {"cached_tokens": 99}}),
            (0, 3, 1, 0),
        ),
    ];
    for (usage, (input_uncached, cache_read, output, reasoning)) in cases {
        let mut body = message(json!({"content": "a"}), "stop");
        body["usage"] = usage.clone();
        let expected = Usage {
            input_uncached,
            cache_read,
            cache_write: 0,
            output,
            reasoning,
            ..Usage::default()
        };
        assert_eq!(read(&body).usage, Some(expected), "{usage}");
    }
    for none in [Value::Null, json!({})] {
        let mut body = message(json!({"content": "a"}), "stop");
        body["usage"] = none;
        assert_eq!(read(&body).usage, None);
    }
}

fn written(answer: &Answer, members: Value) -> Value {
    let body = write_answer(answer, &asking(members), &naming(), NO_TIME);
    serde_json::from_slice(&body).unwrap()
}

fn answer(parts: Vec<Part>, finish: Finish) -> Answer {
    let choice = Choice {
        parts,
        finish: Some(finish),
        logprobs: None,
    };
    Answer {
        id: "up".into(),
        model: "theirs".into(),
        choices: vec![choice],
        usage: None,
        service_tier: None,
    }
}

#[test]
fn a_whole_answer_for_a_client() {
    let citation = Citation {
        url: Some("u".into()),
        title: Some("t".into()),
        span: Some((0, 1)),
        ..Citation::default()
    };
    let cited = Part::Text(Text {
        text: "éb".into(),
        citations: vec![citation],
        cache: None,
    });
    let signature = Some(Signature::new(Dialect::Anthropic, "S"));
    let thought = Part::Reasoning(Reasoning {
        text: "hm".into(),
        signature,
        ..Reasoning::default()
    });
    let call = Part::Call(Call {
        id: "c".into(),
        name: "f".into(),
        arguments: String::new(),
        kind: CallKind::Function,
        signature: None,
    });
    let mut answer = answer(vec![thought, text("aé"), cited, call], Finish::Stop);
    answer.usage = Some(Usage {
        input_uncached: 1,
        cache_read: 2,
        cache_write: 3,
        output: 4,
        reasoning: 0,
        ..Usage::default()
    });
    let expected = json!({
        "id": "chatcmpl-seed", "object": "chat.completion", "created": 7, "model": "m",
        "choices": [{"index": 0, "message": {
            "role": "assistant", "content": "aééb", "refusal": null, "reasoning_content": "hm",
            "reasoning_details": [{"type": "reasoning.text", "text": "hm", "format": "unknown", "index": 0, "signature": "weir.anthropic.S"}],
            "annotations": [{"type": "url_citation", "url_citation": {"start_index": 2, "end_index": 3, "url": "u", "title": "t"}}],
            "tool_calls": [{"id": "c", "type": "function", "function": {"name": "f", "arguments": "{}"}}],
        }, "logprobs": null, "finish_reason": "tool_calls"}],
        "usage": {"prompt_tokens": 6, "completion_tokens": 4, "total_tokens": 10,
            "prompt_tokens_details": {"cached_tokens": 2, "cache_write_tokens": 3}, "completion_tokens_details": {"reasoning_tokens": 0}},
    });
    assert_eq!(written(&answer, json!({})), expected);
}

#[test]
fn refusals_and_legacy_calls() {
    let refused = written(
        &answer(vec![], Finish::Refusal(Some("no".into()))),
        json!({}),
    );
    let choice = &refused["choices"][0];
    assert_eq!(
        (&choice["message"]["refusal"], &choice["finish_reason"]),
        (&json!("no"), &json!("stop"))
    );
    let call = Part::Call(Call {
        id: "c".into(),
        name: "f".into(),
        arguments: "{}".into(),
        kind: CallKind::Function,
        signature: None,
    });
    let legacy = written(
        &answer(vec![call], Finish::Tool),
        json!({"functions": [{"name": "f"}]}),
    );
    let choice = &legacy["choices"][0];
    assert_eq!(
        choice["message"]["function_call"],
        json!({"name": "f", "arguments": "{}"})
    );
    assert_eq!(
        (
            choice["message"].get("tool_calls"),
            &choice["finish_reason"]
        ),
        (None, &json!("function_call"))
    );
}
