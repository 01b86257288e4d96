//! How many tokens something is, where nobody has counted them yet: of a request before it is sent, of an answer that broke off before its upstream told.
//! It must not know what a token costs, nor who pays.
//!
//! Three ways, from quick to exact: [`weigh`] knows an average for each kind of character; [`Calibration`] has learnt by how much a model's own counts differ from that;
//! [`Counter`] has the tokenizers of OpenAI's families. What is not an upstream's own count is an estimate, and is marked as one wherever it is shown or charged.

mod calibration;
mod counter;
mod form;
mod media;
mod members;
mod request;
mod scan;
#[cfg(test)]
mod tests;
mod weight;

pub use calibration::Calibration;
pub use counter::{Counter, Family};
pub use request::{RequestSize, request_tokens};
pub use weight::weigh;
