//! The OpenAI dialect: what its requests, answers and streams mean, and the answers that weir writes in it.

mod answer;
pub mod embeddings;
mod realtime;
mod refusal;
mod request;
mod speech;
mod stream;

pub use answer::{
    Cut, ErrorBody, error_body, error_event, error_of_event, members_of_whole, model_list,
    model_object, status_of_error, usage_in_tail, usage_of, usage_of_whole,
};
pub use realtime::RealtimeWatcher;
pub use refusal::{API_KEY_INVALID, Reason, google_bad_key, reason_of};
pub use request::{
    Envelope, MODEL_BYTES_MAX, Malformed, Rewrite, envelope, envelope_of_form, rewrite, text_member,
};
pub use stream::Reader;
