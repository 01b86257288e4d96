//! The keys of an upstream: which of them an attempt goes out with, and what the upstream's answers do to them.
//!
//! A [`KeyPool`] is one configuration's view of the keys; what is known of them from running lives in [`KeyStates`] and
//! survives reloads. Time and chance come in from outside. It must not know what a key looks like on the wire, and
//! never holds a secret: keys are known by label and fingerprint.

mod fingerprint;
mod lease;
mod minute;
mod models;
mod moment;
mod operator;
mod pool;
mod quota;
mod reported;
mod state;
mod states;
mod status;
mod verdict;

#[cfg(test)]
mod tests;

use std::time::{Instant, SystemTime};

pub use lease::Lease;
pub use models::MODELS_MAX;
pub use operator::{OPERATOR_REST_MAX, Rotated, UnknownKey};
pub use pool::{BUSY_RETRY, Choice, KeyPool, Why};
pub use states::KeyStates;
pub use status::{CapStatus, KeyStatus, ModelStatus, QuotaStatus, ReportedStatus, StandingStatus};
pub use verdict::{KeyVerdict, OutReason, REST_MIN, RestReason, SERVER_REST_MAX, retry_after};

/// The present, on both clocks.
#[derive(Debug, Clone, Copy)]
pub struct Now {
    /// For waits.
    pub instant: Instant,
    /// For what is said as a date: expiry, calendar quotas, dates in headers.
    pub wall: SystemTime,
}
