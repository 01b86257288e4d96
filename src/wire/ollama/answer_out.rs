//! Whole answers for a client of `/api/chat` or `/api/generate`.

use std::borrow::Cow;

use serde_json::Value;

use crate::wire::neutral::{Answer, Choice, Finish, Part, Request};
use crate::wire::translate::{Elapsed, Naming};
use crate::wire::tree::{Json, Object};

use super::message_out::{calls, reasoning};
use super::writer::{Tail, done_reason, time_text};

/// Writes an answer; the first of its choices, for Ollama gives one.
pub fn write_answer(
    answer: &Answer,
    asked: &Request,
    naming: &Naming,
    elapsed: Elapsed,
) -> Vec<u8> {
    let choice = answer.choices.first();
    let parts: &[Part] = choice.map_or(&[], |choice| &choice.parts);
    let mut body = head(asked, naming, elapsed);
    let (mut text, thinking) = (text(parts), reasoning(parts));
    text += choice.map_or("", words_of_refusal);
    if asked.is_prompt {
        body.put("response", text);
        if !thinking.is_empty() {
            body.put("thinking", thinking);
        }
    } else {
        body.put("message", message(parts, text, thinking));
    }
    let logprobs = choice.and_then(|choice| choice.logprobs.as_ref()?.get("content"));
    body.put_some("logprobs", logprobs.filter(|list| list.is_array()));
    let tail = Tail {
        reason: done_reason(choice.and_then(|choice| choice.finish.as_ref())),
        elapsed,
        // A whole answer does not say when its first word was there.
        first_piece: Elapsed::ZERO,
        usage: answer.usage.unwrap_or_default(),
    };
    let mut written = body.bytes();
    written.pop();
    tail.write(&mut written);
    written.push(b'}');
    written
}

/// The answer to a request that only loads a model or unloads it ([`super::is_load`]): nothing is to be done, for weir's
/// upstreams load as they see fit. One line, and so a whole stream as well.
pub fn load_answer(asked: &Request, naming: &Naming) -> Vec<u8> {
    let mut body = head(asked, naming, Elapsed::ZERO);
    if asked.is_prompt {
        body.put("response", "");
    } else {
        body.put("message", message(&[], "".into(), String::new()));
    }
    body.put("done", true);
    let reason = if is_unload(asked) { "unload" } else { "load" };
    body.put("done_reason", reason);
    let mut written = body.bytes();
    written.push(b'\n');
    written
}

/// `keep_alive` of no time: `0`, `"0"`, `"0s"`, `"0m"`.
fn is_unload(asked: &Request) -> bool {
    match asked.extras.get("keep_alive") {
        Some(Value::Number(number)) => number.as_f64() == Some(0.0),
        Some(Value::String(text)) => {
            let digits = text.trim_end_matches(|letter: char| letter.is_ascii_alphabetic());
            digits.parse() == Ok(0.0)
        }
        _ => false,
    }
}

fn head<'a>(asked: &'a Request, naming: &Naming, elapsed: Elapsed) -> Object<'a> {
    let head = Object::default().with("model", &asked.model);
    head.with("created_at", time_text(naming.created, elapsed))
}

/// The vendor's words for a refusal that the model itself has not worded; Ollama has no other place for them.
fn words_of_refusal(choice: &Choice) -> &str {
    let has_refusal = choice
        .parts
        .iter()
        .any(|part| matches!(part, Part::Refusal(_)));
    match &choice.finish {
        Some(Finish::Refusal(Some(words))) if !has_refusal => words,
        _ => "",
    }
}

fn message<'a>(parts: &[Part], text: Cow<'a, str>, thinking: String) -> Object<'a> {
    let mut message = Object::default()
        .with("role", "assistant")
        .with("content", text);
    if !thinking.is_empty() {
        message.put("thinking", thinking);
    }
    let calls: Vec<Json<'a>> = calls(parts).map(Json::from).collect();
    if !calls.is_empty() {
        message.put("tool_calls", calls);
    }
    message
}

/// The text as a stream would have brought it.
fn text(parts: &[Part]) -> Cow<'_, str> {
    let texts = parts.iter().filter_map(|part| match part {
        Part::Text(text) => Some(Cow::Borrowed(text.text.as_str())),
        Part::Refusal(text) => Some(Cow::Borrowed(text.as_str())),
        _ => None,
    });
    texts.reduce(|all, text| all + text).unwrap_or_default()
}
