//! Where texts stand in each dialect, and that each pointer leads back to its text.

use serde_json::{Value, json};

use crate::wire::neutral::Role;
use crate::wire::{Dialect, Operation};

use super::{Text, of_answer, of_request};

#[track_caller]
fn check(found: Vec<Text>, body: &Value, expected: &[(Role, &str, &str)]) {
    for text in &found {
        let there = body.pointer(&text.pointer).and_then(Value::as_str);
        assert_eq!(there, Some(text.text.as_str()), "{}", text.pointer);
    }
    let found: Vec<_> = found
        .iter()
        .map(|text| (text.role, text.pointer.as_str(), text.text.as_str()))
        .collect();
    assert_eq!(found, expected);
}

#[test]
fn of_chat() {
    let body = json!({"model": "m", "messages": [
        {"role": "developer", "content": "be brief"},
        {"role": "user", "content": [{"type": "text", "text": "look"}, {"type": "image_url", "image_url": {"url": "https://x"}}]},
        {"role": "assistant", "content": null, "tool_calls": [{"id": "c", "type": "function", "function": {"name": "f", "arguments": "{\"a\":1}"}}]},
        {"role": "tool", "tool_call_id": "c", "content": "done"},
    ]});
    let expected = [
        (Role::Developer, "/messages/0/content", "be brief"),
        (Role::User, "/messages/1/content/0/text", "look"),
        (
            Role::Assistant,
            "/messages/2/tool_calls/0/function/arguments",
            "{\"a\":1}",
        ),
        (Role::Tool, "/messages/3/content", "done"),
    ];
    check(
        of_request(Dialect::Chat, Operation::Chat, &body),
        &body,
        &expected,
    );
    let answer = json!({"choices": [{"message": {"role": "assistant", "content": "hi", "reasoning_content": "hm",
        "tool_calls": [{"function": {"name": "f", "arguments": "{}"}}]}}]});
    let expected = [
        (Role::Assistant, "/choices/0/message/content", "hi"),
        (
            Role::Assistant,
            "/choices/0/message/reasoning_content",
            "hm",
        ),
        (
            Role::Assistant,
            "/choices/0/message/tool_calls/0/function/arguments",
            "{}",
        ),
    ];
    check(
        of_answer(Dialect::Chat, Operation::Chat, &answer),
        &answer,
        &expected,
    );
}

#[test]
fn of_responses() {
    let body = json!({"instructions": "be brief", "input": [
        {"role": "user", "content": [{"type": "input_text", "text": "look"}]},
        {"type": "function_call", "call_id": "c", "name": "f", "arguments": "{}"},
        {"type": "function_call_output", "call_id": "c", "output": "done"},
        {"type": "custom_tool_call_output", "call_id": "d", "output": [{"type": "input_text", "text": "also"}]},
        {"type": "reasoning", "encrypted_content": "zzz", "summary": [{"type": "summary_text", "text": "hm"}]},
    ]});
    let expected = [
        (Role::System, "/instructions", "be brief"),
        (Role::User, "/input/0/content/0/text", "look"),
        (Role::Assistant, "/input/1/arguments", "{}"),
        (Role::Tool, "/input/2/output", "done"),
        (Role::Tool, "/input/3/output/0/text", "also"),
        (Role::Assistant, "/input/4/summary/0/text", "hm"),
    ];
    let found = of_request(Dialect::Responses, Operation::Responses, &body);
    check(found, &body, &expected);
    let answer = json!({"output": [{"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "hi"}]}]});
    let found = of_answer(Dialect::Responses, Operation::Responses, &answer);
    check(
        found,
        &answer,
        &[(Role::Assistant, "/output/0/content/0/text", "hi")],
    );
}

#[test]
fn of_anthropic() {
    let body = json!({"system": [{"type": "text", "text": "be brief"}], "messages": [
        {"role": "user", "content": "hello"},
        {"role": "assistant", "content": [
            {"type": "thinking", "thinking": "signed", "signature": "s"},
            {"type": "tool_use", "id": "t", "name": "f", "input": {"to": "a", "n": 1, "also": ["b"]}}]},
        {"role": "user", "content": [
            {"type": "tool_result", "tool_use_id": "t", "content": [{"type": "text", "text": "done"}]},
            {"type": "document", "title": "T", "source": {"type": "text", "media_type": "text/plain", "data": "page"}}]},
    ]});
    let expected = [
        (Role::System, "/system/0/text", "be brief"),
        (Role::User, "/messages/0/content", "hello"),
        (Role::Assistant, "/messages/1/content/1/input/to", "a"),
        (Role::Assistant, "/messages/1/content/1/input/also/0", "b"),
        (Role::Tool, "/messages/2/content/0/content/0/text", "done"),
        (Role::User, "/messages/2/content/1/title", "T"),
        (Role::User, "/messages/2/content/1/source/data", "page"),
    ];
    check(
        of_request(Dialect::Anthropic, Operation::Chat, &body),
        &body,
        &expected,
    );
    let answer = json!({"content": [{"type": "thinking", "thinking": "hm", "signature": "s"}, {"type": "text", "text": "hi"},
        {"type": "tool_use", "input": {"to": "a"}}]});
    let expected = [
        (Role::Assistant, "/content/0/thinking", "hm"),
        (Role::Assistant, "/content/1/text", "hi"),
        (Role::Assistant, "/content/2/input/to", "a"),
    ];
    check(
        of_answer(Dialect::Anthropic, Operation::Chat, &answer),
        &answer,
        &expected,
    );
}

#[test]
fn of_ollama_and_gemini() {
    let body = json!({"system": "s", "prompt": "p", "messages": [{"role": "user", "content": "c", "images": ["aGk="]}]});
    let expected = [
        (Role::System, "/system", "s"),
        (Role::User, "/prompt", "p"),
        (Role::User, "/messages/0/content", "c"),
    ];
    check(
        of_request(Dialect::Ollama, Operation::Chat, &body),
        &body,
        &expected,
    );
    let body = json!({"systemInstruction": {"parts": [{"text": "s"}]}, "contents": [
        {"role": "user", "parts": [{"text": "c"}, {"inlineData": {"data": "aGk="}}]},
        {"role": "model", "parts": [{"functionCall": {"name": "f", "args": {"a/b": "x"}}}]},
        {"role": "user", "parts": [{"functionResponse": {"name": "f", "response": {"r": "y"}}}]}]});
    let expected = [
        (Role::System, "/systemInstruction/parts/0/text", "s"),
        (Role::User, "/contents/0/parts/0/text", "c"),
        (
            Role::Assistant,
            "/contents/1/parts/0/functionCall/args/a~1b",
            "x",
        ),
        (
            Role::Tool,
            "/contents/2/parts/0/functionResponse/response/r",
            "y",
        ),
    ];
    check(
        of_request(Dialect::Gemini, Operation::Chat, &body),
        &body,
        &expected,
    );
    let answer = json!({"candidates": [{"content": {"parts": [{"text": "hi"}]}}]});
    let expected = [(Role::Assistant, "/candidates/0/content/parts/0/text", "hi")];
    check(
        of_answer(Dialect::Gemini, Operation::Chat, &answer),
        &answer,
        &expected,
    );
}

#[test]
fn of_other_operations() {
    let body = json!({"model": "m", "input": ["a", "b"]});
    let expected = [(Role::User, "/input/0", "a"), (Role::User, "/input/1", "b")];
    check(
        of_request(Dialect::Chat, Operation::Embeddings, &body),
        &body,
        &expected,
    );
    let body = json!({"query": "q", "documents": ["d", {"text": "e"}]});
    let expected = [
        (Role::User, "/query", "q"),
        (Role::Tool, "/documents/0", "d"),
        (Role::Tool, "/documents/1/text", "e"),
    ];
    check(
        of_request(Dialect::Chat, Operation::Rerank, &body),
        &body,
        &expected,
    );
}

#[test]
fn nothing_of_any_other_shape_matters() {
    for body in [
        json!(null),
        json!([1]),
        json!({"messages": {"0": 1}, "input": 3, "contents": "x"}),
    ] {
        for dialect in Dialect::ALL {
            let _ = of_request(dialect, Operation::Chat, &body);
            let _ = of_answer(dialect, Operation::Chat, &body);
        }
    }
}
