//! Whole answers for a client.

use serde_json::{Map, Value, json};

use crate::wire::neutral::{Answer, Choice, Citation, Finish, Part, Request};
use crate::wire::translate::{Elapsed, Naming};
use crate::wire::tree;

use super::chunk::{reason_of, usage_text};
use super::citations::grounding;
use super::content_out::answer_parts;
use super::logprobs;

/// Writes an answer.
pub fn write_answer(
    answer: &Answer,
    asked: &Request,
    naming: &Naming,
    _elapsed: Elapsed,
) -> Vec<u8> {
    let mut body = Map::new();
    if is_blocked(answer) {
        body.insert(
            "promptFeedback".into(),
            json!({ "blockReason": BLOCK_REASON }),
        );
    } else {
        let candidates = answer
            .choices
            .iter()
            .zip(0..)
            .map(|(choice, index)| candidate(choice, index));
        body.insert("candidates".into(), candidates.collect());
    }
    let usage = answer.usage.unwrap_or_default();
    let usage: Value = serde_json::from_str(&usage_text(&usage)).unwrap_or_default();
    body.insert("usageMetadata".into(), usage);
    body.insert("modelVersion".into(), asked.model.as_str().into());
    body.insert("responseId".into(), naming.seed.as_str().into());
    tree::bytes_of(&Value::Object(body))
}

/// Why nothing came: other vendors do not say it more closely.
pub const BLOCK_REASON: &str = "SAFETY";

/// The vendor's words for a refusal; clients look for words among the parts, whatever `finishMessage` says.
pub fn words_of_refusal(finish: &Finish) -> Option<&str> {
    match finish {
        Finish::Refusal(Some(words)) if !words.is_empty() => Some(words),
        _ => None,
    }
}

/// Held back before there was anything.
fn is_blocked(answer: &Answer) -> bool {
    let is_empty =
        |choice: &Choice| choice.parts.is_empty() && choice.finish == Some(Finish::Filter);
    !answer.choices.is_empty() && answer.choices.iter().all(is_empty)
}

fn candidate(choice: &Choice, index: u32) -> Value {
    let mut parts = answer_parts(&choice.parts);
    let has_refusal = choice
        .parts
        .iter()
        .any(|part| matches!(part, Part::Refusal(_)));
    let words = choice.finish.as_ref().and_then(words_of_refusal);
    if let Some(words) = words.filter(|_| !has_refusal) {
        parts.push(json!({ "text": words }));
    }
    if parts.is_empty() {
        parts.push(json!({ "text": "" }));
    }
    let finish = choice.finish.as_ref().unwrap_or(&Finish::Stop);
    let mut candidate = Map::new();
    candidate.insert("content".into(), json!({ "parts": parts, "role": "model" }));
    candidate.insert("finishReason".into(), reason_of(finish).into());
    if let Finish::Refusal(Some(words)) = finish {
        candidate.insert("finishMessage".into(), words.as_str().into());
    }
    candidate.insert("index".into(), index.into());
    if let Some(grounding) = grounding(&citations(&choice.parts)) {
        candidate.insert("groundingMetadata".into(), grounding);
    }
    if let Some(result) = choice.logprobs.as_ref().and_then(logprobs::result) {
        candidate.insert("logprobsResult".into(), result);
    }
    candidate.into()
}

fn citations(parts: &[Part]) -> Vec<Citation> {
    let cited = parts.iter().filter_map(|part| match part {
        Part::Text(text) => Some(text.citations.clone()),
        _ => None,
    });
    cited.flatten().collect()
}
