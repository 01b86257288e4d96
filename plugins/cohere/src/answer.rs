//! Answers that are not streamed.

use serde_json::{Map, Value};
use weir_openai::{Held, answer, permanent};
use weir_plugin::{Api, Finish, PluginError, StreamEvent, Usage};

use super::config::Counts;
use super::names::Names;
use super::stream::{citation, content, finish, put_text, tool_call};
use super::{embed, rerank, usage};

/// Reads a whole answer to `request`.
///
/// # Errors
/// What makes it no answer.
pub fn read(
    body: &[u8],
    api: Api,
    request: &Map<String, Value>,
    counts: Counts,
    held: &mut Held,
) -> Result<(), PluginError> {
    let given: Value = serde_json::from_slice(body)
        .map_err(|error| permanent(format!("Cohere's answer is no JSON: {error}")))?;
    let told = match api {
        Api::Embeddings => embed::answer(&given, request),
        Api::Rerank => rerank::answer(&given, request),
        Api::ChatCompletions
        | Api::Responses
        | Api::Messages
        | Api::GenerateContent
        | Api::Completions
        | Api::Ollama
        | Api::Moderations
        | Api::Images
        | Api::AudioSpeech
        | Api::AudioTranscriptions
        | Api::Other => return chat(&given, &Names::of(request), counts, held),
    };
    let told = told.ok_or_else(|| permanent("Cohere's answer holds no results"))?;
    held.put(answer(&told));
    let used = usage::of_meta(&given["meta"]);
    if used != Usage::default() {
        held.put(StreamEvent::Usage(used));
    }
    Ok(())
}

fn chat(given: &Value, names: &Names, counts: Counts, held: &mut Held) -> Result<(), PluginError> {
    let message = &given["message"];
    if !message.is_object() {
        return Err(permanent("Cohere's answer holds no message"));
    }
    let reason = finish(given["finish_reason"].as_str(), None)?;
    put_text(&message["tool_plan"], StreamEvent::Reasoning, held);
    for block in message["content"].as_array().into_iter().flatten() {
        content(block, held);
    }
    for cited in message["citations"].as_array().into_iter().flatten() {
        citation(cited, held);
    }
    let calls = message["tool_calls"].as_array().into_iter().flatten();
    for (index, call) in (0u32..).zip(calls) {
        held.put(tool_call(index, call, names));
    }
    if let Some(used) = usage::of_chat(&given["usage"], counts) {
        held.put(StreamEvent::Usage(used));
    }
    held.put(StreamEvent::Finish(Finish { choice: 0, reason }));
    Ok(())
}
