//! One settled exchange, and who it was for.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::terms::Money;
use crate::wire::Usage;

/// weir's own name for an exchange; shown as 32 hex digits.
pub type ExchangeId = [u8; 16];

/// A word from a closed list of weir's: a dialect, an operation, a fault.
pub type Label = Cow<'static, str>;

/// Who an exchange is for. Made once for a caller and shared by its exchanges.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Who {
    /// Empty where nobody is named.
    pub tenant: Arc<str>,
    pub project: Option<Arc<str>>,
    pub user: Option<Arc<str>>,
    pub key_id: Option<Arc<str>>,
    pub key_label: Option<Arc<str>>,
    pub tags: BTreeMap<String, String>,
}

/// What one purse (a budget, a balance, a plan) is charged for an exchange.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Charge {
    /// The purse's name, such as `budget/key/ab12cd34ef56` or `account/acme`. Who makes purses names them; no NUL.
    pub purse: Arc<str>,
    pub money: Money,
    /// For plans that include tokens.
    pub tokens: u64,
}

/// One settled exchange: what `weir usage` shows, and what sums are made of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    pub id: ExchangeId,
    /// The `x-request-id` that the client has sent.
    pub client_request_id: Option<Box<str>>,
    /// When it was settled; kept to the microsecond. The day that its sums count in, in UTC, is of this time.
    pub at: SystemTime,
    pub who: Arc<Who>,
    pub dialect: Label,
    pub operation: Label,
    /// The public name; empty where the request names none that exists.
    pub model: Arc<str>,
    /// The upstream that answered, or was tried last; empty where none was.
    pub upstream: Arc<str>,
    pub upstream_model: Arc<str>,
    pub upstream_key_label: Option<Arc<str>>,
    pub attempts: u32,
    /// Of the answer to the client.
    pub status: u16,
    pub fault: Option<Label>,
    pub stream: bool,
    pub end: End,
    pub usage: Usage,
    /// Whether any of the usage was counted here and not reported by the upstream.
    pub estimated: bool,
    /// Whether a price was known; the cost is 0 otherwise.
    pub priced: bool,
    pub cost: Money,
    pub charges: Vec<Charge>,
    pub duration_ms: u32,
    pub first_byte_ms: Option<u32>,
}

/// How an exchange ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum End {
    Complete,
    ClientGone,
    /// The upstream broke off after output had begun.
    UpstreamCut,
    /// The upstream told of an error after output had begun.
    ErrorEvent,
    /// weir refused it: no upstream was asked.
    Refused,
    /// Nothing came of it.
    Failed,
    /// The process ended first; settled by rule at the next start.
    Orphaned,
}

impl End {
    pub const ALL: [End; 7] = [
        End::Complete,
        End::ClientGone,
        End::UpstreamCut,
        End::ErrorEvent,
        End::Refused,
        End::Failed,
        End::Orphaned,
    ];

    /// The name in exports, queries and logs.
    pub const fn label(self) -> &'static str {
        match self {
            End::Complete => "complete",
            End::ClientGone => "client_gone",
            End::UpstreamCut => "upstream_cut",
            End::ErrorEvent => "error_event",
            End::Refused => "refused",
            End::Failed => "failed",
            End::Orphaned => "orphaned",
        }
    }

    /// The end of that name.
    pub fn parse(label: &str) -> Option<End> {
        End::ALL.into_iter().find(|end| end.label() == label)
    }
}

/// Microseconds since 1970; times before it are 0.
pub fn micros_of(time: SystemTime) -> u64 {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_micros()).unwrap_or(u64::MAX)
}

/// The time so many microseconds after 1970.
pub fn time_of(micros: u64) -> SystemTime {
    UNIX_EPOCH + Duration::from_micros(micros)
}
