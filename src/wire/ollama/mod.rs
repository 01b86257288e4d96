//! Ollama's own API: its bytes to and from what is said. It must not know the other dialects.
//! Sources: Ollama's API reference and OpenAPI document (v0.33), the types of ollama-python 0.6.3.

mod answer_in;
mod answer_out;
mod catalogue;
mod embeddings;
mod error;
mod line;
mod message_in;
mod message_out;
mod reader;
mod request_in;
mod request_out;
mod watcher;
mod writer;

#[cfg(test)]
mod tests;

pub use answer_in::read_answer;
pub use answer_out::{load_answer, write_answer};
pub use catalogue::{ALIVE, VERSION, ps, pulled, show, tags, unsupported, version};
pub use embeddings::{
    read_embedding_answer, read_embedding_request, write_embedding_answer, write_embedding_request,
};
pub use error::{read_error, write_error};
pub use reader::Reader;
pub use request_in::{is_load, read_request};
pub use request_out::write_request;
pub use watcher::{Counts, Watcher, usage_in_tail};
pub use writer::Writer;

use crate::wire::capability::{CallIds, PastReasoning, Quirks, ThinkingSwitch};

/// What Ollama takes of its own dialect, in the words that are shared with servers of Chat.
pub const QUIRKS: Quirks = Quirks {
    max_completion_tokens: false,
    developer_role: false,
    one_system_first: false,
    alternate_turns: false,
    engine_sampling: true,
    openai_sampling: true,
    seed_name: Some("seed"),
    repetition_name: "repetition_penalty",
    reasoning_effort: true,
    efforts: &[],
    thinking_switch: ThinkingSwitch::None,
    past_reasoning: PastReasoning::Reasoning,
    call_ids: CallIds::Any,
    // Only base64: a URL is refused with 400.
    image_urls: false,
    json_schema: true,
    json_object: true,
    logprobs: true,
    choices: false,
    tool_choice: false,
    parallel_calls_switch: false,
    stop_max: STOP_MAX,
    strict_members: false,
    stream_options: false,
    openai_members: false,
    cache_marks: false,
    reasons_optional: false,
};

/// Ollama names no bound on stop texts; more than this is no request.
const STOP_MAX: usize = 64;
