//! Whole answers for clients.

use std::borrow::Cow;

use serde_json::Value;

use crate::wire::neutral::{Answer, Call, CallKind, Choice, Finish, Part, Request, Text};
use crate::wire::translate::{Elapsed, Naming};
use crate::wire::tree::{Json, Object};

use super::request_in::is_legacy;
use super::{citation, counts, ending, reasoning};

/// Writes a whole answer.
pub fn write_answer(
    answer: &Answer,
    asked: &Request,
    naming: &Naming,
    _elapsed: Elapsed,
) -> Vec<u8> {
    let is_legacy = is_legacy(asked);
    let numbered = answer.choices.iter().zip(0..);
    let choices: Vec<Json<'_>> = numbered
        .map(|(choice, index)| choice_value(index, choice, is_legacy).into())
        .collect();
    let usage = answer.usage.as_ref().map(counts::usage_value);
    Object::default()
        .with("id", format!("chatcmpl-{}", naming.seed))
        .with("object", "chat.completion")
        .with("created", naming.created)
        .with("model", &asked.model)
        .with("choices", choices)
        .with_some("usage", usage)
        .with_some("service_tier", answer.service_tier.as_ref())
        .bytes()
}

/// What the parts of a choice come to.
#[derive(Default)]
struct Message<'a> {
    text: Option<Cow<'a, str>>,
    /// The text's length so far, in characters.
    chars: usize,
    refusal: Option<Cow<'a, str>>,
    thought: Cow<'a, str>,
    details: Vec<Json<'a>>,
    blocks: usize,
    is_signed: bool,
    annotations: Vec<Json<'a>>,
    calls: Vec<Object<'a>>,
}

fn choice_value(index: u64, choice: &Choice, is_legacy: bool) -> Object<'_> {
    let mut message = Message::default();
    for part in &choice.parts {
        message.take(part);
    }
    let finish = choice.finish.as_ref().unwrap_or(&Finish::Stop);
    if let (Finish::Refusal(Some(words)), None) = (finish, &message.refusal) {
        message.refusal = Some(words.into());
    }
    let has_calls = !message.calls.is_empty();
    let mut reason = ending::write_reason(finish, has_calls, message.refusal.is_some());
    if is_legacy && reason == "tool_calls" {
        reason = "function_call";
    }
    let logprobs = choice.logprobs.as_ref();
    Object::default()
        .with("index", index)
        .with("message", message.value(is_legacy))
        .with("logprobs", logprobs.map_or(Json::Null, Json::from))
        .with("finish_reason", reason)
}

impl<'a> Message<'a> {
    fn take(&mut self, part: &'a Part) {
        match part {
            Part::Text(text) => self.text(text),
            Part::Refusal(text) => *self.refusal.get_or_insert_default() += text.as_str(),
            Part::Reasoning(block) => {
                self.thought += block.text.as_str();
                self.is_signed |= block.signature.is_some();
                let details = reasoning::write_details(block, self.blocks);
                self.details.extend(details.into_iter().map(Json::from));
                self.blocks += 1;
            }
            Part::Call(call) => {
                let value = call_value(call, &call.id, &call.arguments);
                self.calls
                    .push(value.with_some("extra_content", proof(call)));
            }
            // Models produce none of these that this dialect could say.
            Part::Image(_)
            | Part::Audio(_)
            | Part::Document(_)
            | Part::Result(_)
            | Part::Opaque { .. } => {}
        }
    }

    fn text(&mut self, text: &'a Text) {
        *self.text.get_or_insert_default() += text.text.as_str();
        let before = self.chars;
        self.chars += text.text.chars().count();
        let end = self.chars;
        let citations = text.citations.iter();
        let annotations = citations.filter_map(|it| citation::write_annotation(it, before, end));
        self.annotations.extend(annotations.map(Json::from));
    }

    fn value(mut self, is_legacy: bool) -> Object<'a> {
        let or_null = |text: Option<Cow<'a, str>>| text.map_or(Json::Null, Json::Text);
        let mut message = Object::default()
            .with("role", "assistant")
            .with("content", or_null(self.text))
            .with("refusal", or_null(self.refusal));
        if !self.thought.is_empty() {
            message.put("reasoning_content", self.thought);
        }
        if self.is_signed {
            message.put("reasoning_details", self.details);
        }
        if !self.annotations.is_empty() {
            message.put("annotations", self.annotations);
        }
        if is_legacy && let Some(call) = self.calls.first_mut() {
            let function = call.take("function").unwrap_or(Json::Null);
            message.put("function_call", function);
        } else if !self.calls.is_empty() {
            let calls: Vec<Json<'a>> = self.calls.into_iter().map(Json::Object).collect();
            message.put("tool_calls", calls);
        }
        message
    }
}

/// A call in an answer, or in the history of a request.
pub(super) fn call_value<'a>(
    call: &'a Call,
    id: impl Into<Cow<'a, str>>,
    arguments: impl Into<Cow<'a, str>>,
) -> Object<'a> {
    let mut arguments = arguments.into();
    let value = Object::default().with("id", id.into());
    let inner = Object::default().with("name", &call.name);
    match call.kind {
        CallKind::Custom => {
            let custom = inner.with("input", arguments);
            value.with("type", "custom").with("custom", custom)
        }
        CallKind::Function | CallKind::Namespaced(_) => {
            if arguments.trim().is_empty() {
                arguments = Cow::Borrowed("{}");
            }
            let function = inner.with("arguments", arguments);
            value.with("type", "function").with("function", function)
        }
    }
}

/// The proof of a call, as its member `extra_content`.
pub(super) fn proof(call: &Call) -> Option<Value> {
    call.signature.as_ref().map(super::extra_content)
}
