//! For plugins' own tests, which run natively: [`TestHost`], values to begin with, and streams cut everywhere.

mod host;
mod samples;
mod texts;

pub use host::{Measured, TestHost};
pub use samples::{candidate, meta, outcome, principal, response_head};
pub use texts::{cuts_in_two, edited_segments, stream_text};
