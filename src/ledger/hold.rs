//! What an exchange may still cost, kept while it runs, so that a process that is killed is charged for by rule.

use std::sync::Arc;
use std::time::SystemTime;

use super::row::{ExchangeId, Label, Who};
use crate::terms::Money;

/// A promise for an exchange that has been admitted. Told again with the same id, it takes the place of the first and keeps its progress.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hold {
    pub id: ExchangeId,
    /// When it was admitted; kept to the microsecond.
    pub at: SystemTime,
    pub who: Arc<Who>,
    pub dialect: Label,
    pub operation: Label,
    pub model: Arc<str>,
    /// Empty until one is chosen.
    pub upstream: Arc<str>,
    pub upstream_model: Arc<str>,
    pub stream: bool,
    /// At most this is charged.
    pub reserved: Money,
    /// Tokens of input, as estimated.
    pub input_estimate: u64,
    /// The purses that it was admitted on.
    pub purses: Vec<Arc<str>>,
}

/// A hold whose process ended before it was settled.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Orphan {
    pub hold: Hold,
    /// Tokens of output at the last note of progress; `None` where there was none.
    pub output: Option<u64>,
}
