//! Why a caller is not let in, or has nothing left, as a fault carries it: status and code for programs, a text for people.
//! It must not know how callers and limits are found.

use std::fmt;
use std::time::Duration;

use http::{HeaderName, HeaderValue};

/// A caller that is not let in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Denial {
    /// 401, 403, or 503 where it cannot be known just now.
    pub status: u16,
    pub code: &'static str,
    /// The value of the `fault` label.
    pub label: &'static str,
    /// The request parameter that is at fault.
    pub param: Option<&'static str>,
    /// Safe to send: no secret, and nothing of another caller.
    pub message: String,
}

/// A limit, a budget or a balance that leaves no room.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OverLimit {
    pub bound: Bound,
    /// Whose limit it is: `tenant`, `key`, `model`, `global` …
    pub scope: &'static str,
    /// The limit by the name of its setting: `requests_per_minute`, `concurrency`, `budget`, `balance`.
    pub limit: &'static str,
    /// When there will be room, where that can be told.
    pub retry_after: Option<Duration>,
    /// Safe to send.
    pub message: String,
}

/// What a plugin, or a rule of the configuration, has against an exchange; in its own words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rejected {
    /// 400 to 599.
    pub status: u16,
    pub code: String,
    pub message: String,
    /// For the head of the answer.
    pub headers: Vec<(HeaderName, HeaderValue)>,
}

/// What kind of bound it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Bound {
    Rate,
    Concurrency,
    Money,
}

impl Bound {
    /// The value of the `fault` label.
    pub fn label(self) -> &'static str {
        match self {
            Bound::Rate => "rate_limit",
            Bound::Concurrency => "concurrency_limit",
            Bound::Money => "out_of_money",
        }
    }
}

impl fmt::Display for Denial {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl fmt::Display for OverLimit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}
