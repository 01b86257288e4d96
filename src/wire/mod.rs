//! Wire protocols as pure functions: bytes in, values out.
//! Nothing here does IO, reads a clock or knows Pingora.

pub mod encoding;
pub mod endpoint;
pub mod json;
pub mod multipart;
pub mod openai;
pub mod sse;
pub mod usage;

pub use endpoint::Operation;
pub use usage::Usage;
