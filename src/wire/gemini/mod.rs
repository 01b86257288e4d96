//! Gemini `generateContent`: its bytes to and from what is said. It must not know the other dialects.
//! Sources: Google's discovery document of 2026-11, the types of google-genai 3.3.0, Google's guides on function calling and
//! thought signatures.

mod answer_in;
mod answer_out;
mod catalogue;
mod chunk;
mod citations;
mod config_in;
mod config_out;
mod content_in;
mod content_out;
mod count;
mod embeddings;
mod error;
mod logprobs;
mod partial;
mod reader;
mod request_in;
mod request_out;
mod schema;
mod signature;
mod tools_in;
mod tools_out;
mod watcher;
mod writer;

#[cfg(test)]
mod tests;

pub use answer_in::read_answer;
pub use answer_out::write_answer;
pub use catalogue::{model, model_list};
pub use count::{read_count_answer, read_count_request, write_count_answer, write_count_request};
pub use embeddings::{
    read_embedding_answer, read_embedding_request, write_embedding_answer, write_embedding_request,
};
pub use error::{read_error, write_error};
pub use reader::Reader;
pub use request_in::read_request;
pub use request_out::write_request;
pub use schema::{Room, openapi_schema};
pub use watcher::{Watcher, usage_in, usage_in_tail};
pub use writer::Writer;

use crate::wire::capability::{CallIds, PastReasoning, Quirks, ThinkingSwitch};

/// What Google's Gemini API takes, in the words that are shared with servers of Chat.
pub const QUIRKS: Quirks = Quirks {
    max_completion_tokens: false,
    developer_role: false,
    one_system_first: true,
    alternate_turns: true,
    engine_sampling: false,
    openai_sampling: true,
    seed_name: Some("seed"),
    repetition_name: "repetition_penalty",
    reasoning_effort: true,
    efforts: &[],
    thinking_switch: ThinkingSwitch::None,
    past_reasoning: PastReasoning::Details,
    call_ids: CallIds::Any,
    image_urls: true,
    // Schemas of tools and answers are JSON Schema (`parametersJsonSchema`, `responseJsonSchema`); where this is false, they
    // are brought down to the subset of OpenAPI that older servers take.
    json_schema: true,
    json_object: true,
    logprobs: true,
    choices: true,
    tool_choice: true,
    parallel_calls_switch: false,
    stop_max: 5,
    strict_members: true,
    stream_options: false,
    openai_members: false,
    cache_marks: false,
    reasons_optional: false,
};
