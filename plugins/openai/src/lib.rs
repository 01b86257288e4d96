//! What adapters have in common: a client's request read out of OpenAI's JSON, and the pieces of an answer that the neutral
//! events have no form for. It must not know any provider.

mod answer;
mod content;
mod errand;
mod message;
mod tools;
mod wishes;

pub use answer::{Held, answer, delta, length_bounded, own};
pub use content::{CacheMark, DataUrl, Part, base64, object, parts, text_of};
pub use errand::{Refused, asked, config, header, permanent, retry_after_ms};
pub use message::{Call, Message, Role, Thought, messages};
pub use tools::{Choice, Tool, Tools};
pub use wishes::{Effort, Output, Thinking, Wishes};
