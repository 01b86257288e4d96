//! A whole answer, as a client of this dialect reads it; and the words that whole answers and streams share.

use serde_json::Value;

use crate::wire::neutral::{
    Answer, Call, CallKind, Finish, Part, Reasoning, Request, Signature, Text, arguments_object,
};
use crate::wire::translate::{Elapsed, Naming};
use crate::wire::{Dialect, Usage};

use super::citation;
use crate::wire::tree::{Json, Object};

/// The body of an answer. Of several choices the first counts: the dialect has one.
pub fn write_answer(answer: &Answer, asked: &Request, naming: &Naming, _: Elapsed) -> Vec<u8> {
    let choice = answer.choices.first();
    let parts = choice.map_or(&[][..], |choice| &choice.parts);
    let mut content = Vec::new();
    let mut said = Said::default();
    for part in parts {
        write_part(part, &mut content, &mut said);
    }
    let finish = choice.and_then(|choice| choice.finish.as_ref());
    let words = said.refusal_as_text(finish);
    content.extend(words.map(|words| Object::typed("text").with("text", words).into()));
    let stop = Stop::of(finish, &said, asked);
    let mut usage = usage_members(answer.usage, naming);
    let tier = answer.service_tier.as_deref().and_then(served_tier);
    usage = usage.with_some("service_tier", tier);
    let body = Object::default()
        .with("id", message_id(&answer.id, naming))
        .with("type", "message")
        .with("role", "assistant")
        .with("model", &asked.model)
        .with("content", content);
    stop.told(body).with("usage", usage).bytes()
}

/// What of an answer decides on its stop reason beside the upstream's own.
#[derive(Debug, Default)]
pub(super) struct Said {
    pub calls: bool,
    /// The words in which the model declined: the dialect tells them at the end, beside the text.
    pub refusal: String,
}

/// A refusal is told up to this length, in bytes.
const REFUSAL_BYTES_MAX: usize = 64 * 1024;

impl Said {
    pub fn refuse(&mut self, text: &str) {
        if self.refusal.len() + text.len() <= REFUSAL_BYTES_MAX {
            self.refusal.push_str(text);
        }
    }

    /// The words in which the model declined, where the answer does not end as a refusal, which has a place for them.
    pub fn refusal_as_text(&self, finish: Option<&Finish>) -> Option<String> {
        let has_place = match finish {
            Some(Finish::Length | Finish::ContextFull) => false,
            Some(Finish::Filter | Finish::Refusal(_)) => true,
            _ => !self.calls,
        };
        (!has_place && !self.refusal.is_empty()).then(|| self.refusal.clone())
    }
}

fn write_part<'a>(part: &'a Part, content: &mut Vec<Json<'a>>, said: &mut Said) {
    match part {
        Part::Text(text) if text.text.is_empty() => {}
        Part::Text(text) => content.push(text_block(text)),
        Part::Refusal(text) => said.refuse(text),
        Part::Reasoning(reasoning) => reasoning_blocks(reasoning, content),
        Part::Call(call) => {
            said.calls = true;
            if let Some(signature) = &call.signature {
                content.push(thinking_block("", signature.for_slot(Dialect::Anthropic)));
            }
            content.push(call_block(call));
        }
        Part::Opaque { dialect, value } if *dialect == Dialect::Anthropic => {
            content.push(value.into());
        }
        // Answers of this dialect hold none of these.
        Part::Opaque { .. }
        | Part::Image(_)
        | Part::Audio(_)
        | Part::Document(_)
        | Part::Result(_) => {}
    }
}

fn text_block(text: &Text) -> Json<'_> {
    let citations: Vec<Json<'_>> = text
        .citations
        .iter()
        .filter_map(citation::written)
        .collect();
    let citations = (!citations.is_empty()).then_some(citations);
    let block = Object::typed("text").with("text", &text.text);
    block.with_some("citations", citations).into()
}

fn reasoning_blocks<'a>(reasoning: &'a Reasoning, content: &mut Vec<Json<'a>>) {
    let slot = |signature: &Signature| signature.for_slot(Dialect::Anthropic);
    let redacted = reasoning
        .signature
        .as_ref()
        .filter(|signature| signature.is_redacted);
    let proof = reasoning
        .signature
        .as_ref()
        .filter(|signature| !signature.is_redacted);
    if !reasoning.text.is_empty() || proof.is_some() {
        // Clients need the member; without a proof it is empty.
        let proof = proof.map(slot).unwrap_or_default();
        content.push(thinking_block(&reasoning.text, proof));
    }
    if let Some(signature) = redacted {
        content.push(
            Object::typed("redacted_thinking")
                .with("data", slot(signature))
                .into(),
        );
    }
}

fn thinking_block(text: &str, signature: String) -> Json<'_> {
    let block = Object::typed("thinking").with("thinking", text);
    block.with("signature", signature).into()
}

fn call_block(call: &Call) -> Json<'_> {
    let arguments = match call.kind {
        CallKind::Custom => arguments_object(&call.arguments, &call.kind),
        CallKind::Function | CallKind::Namespaced(_) => input(&call.arguments),
    };
    let block = Object::typed("tool_use").with("id", &call.id);
    block
        .with("name", &call.name)
        .with("input", arguments)
        .into()
}

/// The object that a call's arguments are. What is no object is kept under a name that says so.
pub(super) fn input(arguments: &str) -> Value {
    if arguments.trim().is_empty() {
        return Value::Object(serde_json::Map::new());
    }
    match serde_json::from_str(arguments) {
        Ok(Value::Object(object)) => Value::Object(object),
        Ok(Value::Null) => Value::Object(serde_json::Map::new()),
        // Some servers write the object's text once more as a text.
        Ok(Value::String(text)) if text.trim_start().starts_with('{') => input(&text),
        Ok(_) | Err(_) => serde_json::json!({ "_raw": arguments }),
    }
}

/// The upstream's id where it has this dialect's form, one of the exchange otherwise.
pub(super) fn message_id(id: &str, naming: &Naming) -> String {
    if id.starts_with("msg_") {
        return id.to_owned();
    }
    format!("msg_{}", naming.seed)
}

/// How an answer ended, in this dialect's words.
#[derive(Debug)]
pub(super) struct Stop<'a> {
    reason: &'static str,
    sequence: Option<&'a str>,
    explanation: Option<&'a str>,
}

impl<'a> Stop<'a> {
    /// `finish` in this dialect's words. An answer with calls has ended for them, whatever the upstream says, unless a bound
    /// cut it or it was refused.
    pub fn of(finish: Option<&'a Finish>, said: &'a Said, asked: &'a Request) -> Stop<'a> {
        let plain = |reason| Stop {
            reason,
            sequence: None,
            explanation: None,
        };
        let refused = |explanation: Option<&'a str>| Stop {
            explanation: explanation
                .or(Some(said.refusal.as_str()).filter(|text| !text.is_empty())),
            ..plain("refusal")
        };
        match finish {
            Some(Finish::Length) => plain("max_tokens"),
            Some(Finish::ContextFull) => plain("model_context_window_exceeded"),
            Some(Finish::Filter) => refused(None),
            Some(Finish::Refusal(explanation)) => refused(explanation.as_deref()),
            _ if said.calls => plain("tool_use"),
            _ if !said.refusal.is_empty() => refused(None),
            Some(Finish::StopSequence(sequence)) => {
                // Which one it was must be said; where the client gave one only, it was that.
                let only = match asked.stop.as_slice() {
                    [only] => Some(only.as_str()),
                    _ => None,
                };
                let sequence = sequence.as_deref().or(only);
                let reason = sequence.map_or("end_turn", |_| "stop_sequence");
                Stop {
                    sequence,
                    ..plain(reason)
                }
            }
            Some(Finish::Paused) => plain("pause_turn"),
            Some(Finish::Stop | Finish::Tool | Finish::MalformedCall) | None => plain("end_turn"),
        }
    }

    /// The members of a message, or of `message_delta`'s `delta`.
    pub fn told(&self, into: Object<'a>) -> Object<'a> {
        let or_null = |text: Option<&'a str>| text.map_or(Json::Null, Json::from);
        let into = into
            .with("stop_reason", self.reason)
            .with("stop_sequence", or_null(self.sequence));
        if self.reason != "refusal" {
            return into;
        }
        let details = Object::typed("refusal")
            .with("category", Json::Null)
            .with("explanation", or_null(self.explanation));
        into.with("stop_details", details)
    }
}

/// Token counts; the estimate where the upstream counts nothing.
pub(super) fn usage_members(usage: Option<Usage>, naming: &Naming) -> Object<'static> {
    let usage = usage.unwrap_or(Usage {
        input_uncached: naming.input_tokens_estimate,
        ..Usage::default()
    });
    let details = Object::default().with("thinking_tokens", usage.reasoning);
    let kept = Object::default()
        .with(
            "ephemeral_5m_input_tokens",
            usage.cache_write.saturating_sub(usage.cache_write_1h),
        )
        .with("ephemeral_1h_input_tokens", usage.cache_write_1h);
    Object::default()
        .with("input_tokens", usage.input_uncached)
        .with("cache_creation_input_tokens", usage.cache_write)
        .with("cache_read_input_tokens", usage.cache_read)
        .with_some("cache_creation", (usage.cache_write_1h > 0).then_some(kept))
        .with("output_tokens", usage.output)
        .with_some(
            "output_tokens_details",
            (usage.reasoning > 0).then_some(details),
        )
}

/// The vendor's word for a tier; neutral tiers have OpenAI's.
fn served_tier(tier: &str) -> Option<&'static str> {
    match tier {
        "default" | "standard" => Some("standard"),
        "priority" => Some("priority"),
        "batch" => Some("batch"),
        _ => None,
    }
}
