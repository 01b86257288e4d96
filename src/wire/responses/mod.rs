//! OpenAI Responses: its bytes to and from what is said. It must not know the other dialects.
//!
//! A request's items become turns (`items_in`, `parts_in`) and turns items again (`items_out`); what an item says that no
//! slot holds travels as a head before it. Nothing is stored: what refers to stored answers is named by
//! [`stored_state`].

mod annotations;
mod answer_in;
mod answer_out;
mod codex;
mod count;
mod errors;
mod head;
mod ids;
mod items_in;
mod items_out;
mod local;
mod parts_in;
mod parts_out;
mod reader;
mod request_in;
mod request_out;
mod settings;
mod stored;
mod tools_in;
mod tools_out;
mod usage;
mod writer;

#[cfg(test)]
mod tests;

pub use answer_in::read_answer;
pub use answer_out::write_answer;
pub use codex::codex_model_list;
pub use count::{read_count_answer, write_count_request};
pub use errors::{read_error, write_error};
pub use reader::Reader;
pub use request_in::read_request;
pub use request_out::write_request;
pub use stored::stored_state;
pub use writer::Writer;

use super::capability::{CallIds, PastReasoning, Quirks, ThinkingSwitch};

/// What the Responses API takes.
pub const QUIRKS: Quirks = Quirks {
    max_completion_tokens: false,
    developer_role: true,
    one_system_first: false,
    alternate_turns: false,
    engine_sampling: false,
    openai_sampling: false,
    seed_name: Some("seed"),
    repetition_name: "repetition_penalty",
    reasoning_effort: true,
    efforts: &[],
    thinking_switch: ThinkingSwitch::None,
    past_reasoning: PastReasoning::Details,
    call_ids: CallIds::AtMost(64),
    image_urls: true,
    json_schema: true,
    json_object: true,
    logprobs: true,
    choices: false,
    tool_choice: true,
    parallel_calls_switch: true,
    stop_max: 0,
    strict_members: true,
    stream_options: false,
    openai_members: true,
    cache_marks: false,
    reasons_optional: false,
};
