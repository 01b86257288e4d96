//! Expressions of the configuration, in CEL: read and checked at load, cheap and bounded when they are evaluated.
//!
//! An [`Expression`] names [`Field`]s; what they are for one exchange, [`Facts`] tells, and only what an evaluation comes to is
//! asked for. What an expression may not do is refused at load, with the place: names and functions that there are not, members
//! that are not known yet ([`Scope`]), types that cannot fit, and everything beyond [`bounds`].

mod answer;
pub mod bounds;
mod check;
mod environment;
mod error;
mod expression;
mod facts;
mod field;
mod functions;
mod json;
mod pattern;
mod place;
mod raw;
mod slot;
#[cfg(test)]
mod tests;
mod types;

pub use error::{CompileError, EvalError};
pub use expression::{Expression, Kind, References};
pub use facts::{Fact, Facts, Named};
pub use field::{CallerField, Field, OutcomeField, RequestField, Scope, TargetField};
pub use place::place_in_file;
pub use raw::RawExpression;
