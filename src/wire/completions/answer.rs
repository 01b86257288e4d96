//! Whole answers, read and written.

use crate::wire::chat;
use crate::wire::chat::{counts, ending};
use crate::wire::neutral::{Answer, Choice, Finish, Part, Request, Unintelligible};
use crate::wire::translate::{Elapsed, Naming};
use crate::wire::tree::{Json, Object};

use super::logprobs;

/// Reads a whole answer.
///
/// # Errors
/// When the body is no completion, or tells an error.
pub fn read_answer(body: &[u8], seed: &str) -> Result<Answer, Unintelligible> {
    let mut answer = chat::read_answer(body, seed)?;
    for choice in &mut answer.choices {
        choice.logprobs = choice.logprobs.as_ref().map(logprobs::to_chat);
    }
    Ok(answer)
}

/// Writes a whole answer.
pub fn write_answer(
    answer: &Answer,
    asked: &Request,
    naming: &Naming,
    _elapsed: Elapsed,
) -> Vec<u8> {
    let numbered = answer.choices.iter().zip(0..);
    let choices: Vec<Json<'_>> = numbered
        .map(|(choice, index)| choice_value(index, choice).into())
        .collect();
    let usage = answer.usage.as_ref().map(counts::usage_value);
    Object::default()
        .with("id", format!("cmpl-{}", naming.seed))
        .with("object", "text_completion")
        .with("created", naming.created)
        .with("model", &asked.model)
        .with("choices", choices)
        .with_some("usage", usage)
        .bytes()
}

fn choice_value(index: u64, choice: &Choice) -> Object<'_> {
    let texts = choice.parts.iter().filter_map(|part| match part {
        Part::Text(text) => Some(text.text.as_str()),
        Part::Refusal(text) => Some(text.as_str()),
        // A continuation is text, and nothing else.
        Part::Image(_)
        | Part::Audio(_)
        | Part::Document(_)
        | Part::Reasoning(_)
        | Part::Call(_)
        | Part::Result(_)
        | Part::Opaque { .. } => None,
    });
    let mut text: String = texts.collect();
    let logprobs = choice.logprobs.as_ref();
    let finish = choice.finish.as_ref().unwrap_or(&Finish::Stop);
    if let Finish::Refusal(Some(words)) = finish {
        text.push_str(words);
    }
    let logprobs = logprobs.map(|value| logprobs::from_chat(value, &mut 0));
    let reason = ending::write_reason(finish, false, !text.is_empty());
    Object::default()
        .with("index", index)
        .with("text", text)
        .with("logprobs", logprobs.map_or(Json::Null, Json::from))
        .with("finish_reason", reason)
}
