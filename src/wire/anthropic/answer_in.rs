//! A whole answer of an upstream; and what whole answers and streams say in the same words.

use serde::Deserialize;
use serde_json::Value;

use crate::wire::neutral::{
    Answer, Call, CallKind, Choice, Finish, Part, Reasoning, Signature, Text, Unintelligible,
};
use crate::wire::parsed::{self, Parsed};
use crate::wire::{Dialect, Usage};

use super::{citation, error};

/// Reads the body of an answer. `seed`: unique to the exchange; ids of calls that the upstream leaves out are made of it.
///
/// # Errors
/// Where the body is no answer of this dialect.
pub fn read_answer(body: &[u8], seed: &str) -> Result<Answer, Unintelligible> {
    let mut message = parsed::parse(body)
        .map_err(|error| Unintelligible(format!("the answer is no JSON: {error}")))?;
    let told = message
        .get("error")
        .filter(|_| message.get("content").is_none());
    if let Some(told) = told {
        let message = error::of_object(None, &told.clone().into_value()).message;
        return Err(Unintelligible(format!("the answer is an error: {message}")));
    }
    let blocks = match &mut message {
        Parsed::Object(members) => members.take("content"),
        _ => None,
    };
    let blocks = match blocks {
        Some(Parsed::Array(blocks)) => blocks,
        Some(Parsed::Null) => Vec::new(),
        Some(_) | None => return Err(Unintelligible("the answer has no list `content`".into())),
    };
    let mut parts = Vec::with_capacity(blocks.len());
    for (at, block) in blocks.into_iter().enumerate() {
        parts.extend(part(block, at, seed));
    }
    let text = |name: &str| message[name].as_str();
    let explanation = message["stop_details"]["explanation"].as_str();
    let finish =
        text("stop_reason").map(|reason| finish(reason, text("stop_sequence"), explanation));
    let usage = &message["usage"];
    Ok(Answer {
        id: text("id").unwrap_or_default().to_owned(),
        model: text("model").unwrap_or_default().to_owned(),
        choices: vec![Choice {
            parts,
            finish,
            logprobs: None,
        }],
        usage: Counts::of(usage).map(|counts| counts.over(Usage::default())),
        service_tier: usage["service_tier"].as_str().map(neutral_tier),
    })
}

/// OpenAI's word for a tier.
fn neutral_tier(tier: &str) -> String {
    let word = if tier == "standard" { "default" } else { tier };
    word.to_owned()
}

/// A block; nothing where it says nothing.
fn part(block: Parsed<'_>, at: usize, seed: &str) -> Option<Part> {
    let text = |name: &str| block[name].as_str().unwrap_or_default();
    match text("type") {
        "text" => {
            let said = text("text").to_owned();
            let citations = block["citations"].as_array().unwrap_or_default();
            let citations = citations.iter().cloned().map(Parsed::into_value);
            (!said.is_empty()).then(|| {
                Part::Text(Text {
                    text: said,
                    citations: citations.map(citation::read).collect(),
                    cache: None,
                })
            })
        }
        "thinking" => reasoning(text("thinking"), text("signature")),
        "redacted_thinking" => Some(Part::Reasoning(Reasoning {
            signature: Some(redacted(text("data"))),
            ..Reasoning::default()
        })),
        "tool_use" => Some(Part::Call(Call {
            id: Some(text("id"))
                .filter(|id| !id.is_empty())
                .map_or_else(|| format!("call_{seed}_{at}"), str::to_owned),
            name: text("name").to_owned(),
            arguments: arguments(&block["input"].clone().into_value()),
            kind: CallKind::Function,
            signature: None,
        })),
        _ => Some(Part::Opaque {
            dialect: Dialect::Anthropic,
            value: block.into_value(),
        }),
    }
}

fn reasoning(text: &str, signature: &str) -> Option<Part> {
    if text.is_empty() && signature.is_empty() {
        return None;
    }
    let signature = Some(signature).filter(|signature| !signature.is_empty());
    Some(Part::Reasoning(Reasoning {
        text: text.to_owned(),
        signature: signature.map(|data| Signature::new(Dialect::Anthropic, data)),
        ..Reasoning::default()
    }))
}

/// Reasoning that the vendor shows to nobody.
pub(super) fn redacted(data: &str) -> Signature {
    Signature {
        is_redacted: true,
        ..Signature::new(Dialect::Anthropic, data)
    }
}

/// A call's input as text.
pub(super) fn arguments(input: &Value) -> String {
    match input {
        Value::Null => String::new(),
        // Some servers send the text where the object belongs.
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

/// A stop reason's meaning.
pub(super) fn finish(reason: &str, sequence: Option<&str>, explanation: Option<&str>) -> Finish {
    match reason {
        "max_tokens" => Finish::Length,
        "stop_sequence" => Finish::StopSequence(sequence.map(str::to_owned)),
        "tool_use" => Finish::Tool,
        "pause_turn" => Finish::Paused,
        "refusal" => Finish::Refusal(explanation.map(str::to_owned)),
        "model_context_window_exceeded" => Finish::ContextFull,
        // What the vendor may add later is an end as well.
        _ => Finish::Stop,
    }
}

/// The vendor's counts, of which each may be missing.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Counts {
    input_tokens: Option<u64>,
    cache_read_input_tokens: Option<u64>,
    cache_creation_input_tokens: Option<u64>,
    cache_creation: Option<CacheCreation>,
    output_tokens: Option<u64>,
    output_tokens_details: Option<OutputDetails>,
}

/// How long what was written is kept; both are parts of `cache_creation_input_tokens`.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct CacheCreation {
    ephemeral_1h_input_tokens: Option<u64>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct OutputDetails {
    thinking_tokens: Option<u64>,
}

impl Counts {
    /// The counts of a whole answer; `None` where they are no object, or one of them no count.
    fn of(usage: &Parsed<'_>) -> Option<Counts> {
        let count = |of: &Parsed<'_>| match of {
            Parsed::Null => Some(None),
            said => said.as_u64().map(Some),
        };
        let details = match &usage["output_tokens_details"] {
            Parsed::Object(_) => Some(OutputDetails {
                thinking_tokens: count(&usage["output_tokens_details"]["thinking_tokens"])?,
            }),
            Parsed::Null => None,
            _ => return None,
        };
        let written = match &usage["cache_creation"] {
            Parsed::Object(_) => Some(CacheCreation {
                ephemeral_1h_input_tokens: count(
                    &usage["cache_creation"]["ephemeral_1h_input_tokens"],
                )?,
            }),
            Parsed::Null => None,
            _ => return None,
        };
        usage.is_object().then_some(Counts {
            cache_creation: written,
            input_tokens: count(&usage["input_tokens"])?,
            cache_read_input_tokens: count(&usage["cache_read_input_tokens"])?,
            cache_creation_input_tokens: count(&usage["cache_creation_input_tokens"])?,
            output_tokens: count(&usage["output_tokens"])?,
            output_tokens_details: details,
        })
    }

    /// The counts after `before`: a later report replaces an earlier one, but for what it leaves out or has as 0.
    pub fn over(&self, before: Usage) -> Usage {
        let later = |now: Option<u64>, before: u64| now.filter(|now| *now > 0).unwrap_or(before);
        let details = self.output_tokens_details.as_ref();
        let reasoning = details.and_then(|details| details.thinking_tokens);
        let written = self.cache_creation.as_ref();
        let hour = written.and_then(|written| written.ephemeral_1h_input_tokens);
        let usage = Usage {
            input_uncached: later(self.input_tokens, before.input_uncached),
            cache_read: later(self.cache_read_input_tokens, before.cache_read),
            cache_write: later(self.cache_creation_input_tokens, before.cache_write),
            output: later(self.output_tokens, before.output),
            reasoning: later(reasoning, before.reasoning),
            cache_write_1h: later(hour, before.cache_write_1h),
            ..Usage::default()
        };
        usage.bounded()
    }
}
