//! Wire protocols as pure functions: bytes in, values out.
//! Nothing here does IO, reads a clock or knows Pingora.

pub mod anthropic;
pub mod base64;
pub mod capability;
pub mod chat;
pub mod completions;
pub mod dialect;
pub mod encoding;
pub mod endpoint;
pub mod gemini;
pub mod json;
pub mod literal;
pub mod members;
pub mod models;
pub mod multipart;
pub mod neutral;
pub mod ollama;
pub mod openai;
pub mod parsed;
pub mod reported;
pub mod responses;
pub mod spoken;
pub mod sse;
pub mod streams;
pub mod texts;
pub mod translate;
pub mod tree;
pub mod usage;

pub use dialect::Dialect;
pub use endpoint::Operation;
pub use spoken::Spoken;
pub use usage::Usage;
