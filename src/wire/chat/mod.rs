//! OpenAI Chat Completions, and what compatible servers have made of it: its bytes to and from what is said. It must not know the other dialects;
//! legacy Completions, which has the same frame, uses its parts.

mod answer_in;
mod answer_out;
mod call_ids;
mod chunk;
mod citation;
pub(in crate::wire) mod counts;
pub(in crate::wire) mod ending;
pub(in crate::wire) mod error;
mod messages_in;
pub(in crate::wire) mod messages_out;
mod open_calls;
mod parts_in;
pub(in crate::wire) mod parts_out;
pub mod quirks;
mod reasoning;
pub(in crate::wire) mod request_in;
pub(in crate::wire) mod request_out;
mod shape;
mod stream_in;
mod stream_out;
mod thinking_in;
mod thinking_out;
mod tools_in;
mod tools_out;
pub(in crate::wire) mod values;
mod whole;

pub use answer_in::read_answer;
pub use answer_out::write_answer;
pub use error::{read_error, write_error};
pub use request_in::read_request;
pub use request_out::write_request;
pub use stream_in::Reader;
pub use stream_out::Writer;

use serde_json::{Value, json};

use crate::wire::Dialect;
use crate::wire::neutral::Signature;

/// Where the proof of a call stands, as Gemini's compatible surface has it.
fn extra_content(signature: &Signature) -> Value {
    json!({"google": {"thought_signature": signature.for_slot(Dialect::Chat)}})
}

#[cfg(test)]
mod tests;
