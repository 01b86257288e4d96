//! Anthropic Messages, both ways: what Claude Code and the vendor's SDKs send and read, and what api.anthropic.com and the
//! servers that speak like it take and send. Sources: the types of the vendor's SDK, recorded exchanges, the vendor's documents.
//! Knows no other dialect: what is not Anthropic's comes and goes in the neutral form.

mod answer_in;
mod answer_out;
mod blocks_in;
mod blocks_out;
mod citation;
mod error;
mod frames;
mod ids;
mod members;
mod models;
mod reader;
mod request_in;
mod request_out;
mod schema_out;
mod thinking_out;
mod tools_in;
mod tools_out;
mod turns_out;
mod watcher;
mod writer;

#[cfg(test)]
mod tests;

pub use answer_in::read_answer;
pub use answer_out::write_answer;
pub use error::{read_error, write_error};
pub use models::{
    model, model_list, read_count_answer, read_count_request, write_count_answer,
    write_count_request,
};
pub use reader::Reader;
pub use request_in::read_request;
pub use request_out::write_request;
pub use watcher::{Watcher, usage_in, usage_in_tail};
pub use writer::Writer;

use crate::wire::capability::{CallIds, PastReasoning, Quirks, ThinkingSwitch};

/// `max_tokens` must be there: this where neither the client nor the table of models says a bound. Every Claude takes as much.
pub const OUTPUT_TOKENS_DEFAULT: u64 = 4096;

/// What the vendor's own API takes. It speaks this dialect, so what concerns Chat only says no.
pub const QUIRKS: Quirks = Quirks {
    max_completion_tokens: false,
    developer_role: false,
    // Where they may stand is the model's to say, not the server's.
    one_system_first: false,
    alternate_turns: false,
    engine_sampling: false,
    openai_sampling: false,
    seed_name: Some("seed"),
    repetition_name: "repetition_penalty",
    reasoning_effort: false,
    efforts: &[],
    thinking_switch: ThinkingSwitch::None,
    past_reasoning: PastReasoning::Strip,
    call_ids: CallIds::Plain,
    image_urls: true,
    json_schema: true,
    json_object: false,
    logprobs: false,
    choices: false,
    tool_choice: true,
    parallel_calls_switch: true,
    stop_max: usize::MAX,
    strict_members: true,
    stream_options: false,
    openai_members: false,
    cache_marks: true,
    reasons_optional: false,
};
