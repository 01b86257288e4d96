//! The closed list of reasons why an exchange fails. A fault fixes the status, the error code, the metric label and
//! the text that the caller may see; how it is written in a dialect is not known here.

mod denial;
mod text;

use std::borrow::Cow;
use std::time::Duration;

use crate::wire::neutral::{Class, Error};

pub use denial::{Bound, Denial, OverLimit, Rejected};

/// Why an exchange failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fault {
    // The caller's doing.
    UnknownPath(String),
    WrongMethod {
        method: String,
        path: String,
        allow: &'static str,
    },
    /// The body is over `limit` bytes, as it was sent or once decoded.
    BodyTooLarge {
        limit: usize,
    },
    UnsupportedEncoding(String),
    UnsupportedMediaType(String),
    MalformedBody(String),
    ModelMissing {
        place: &'static str,
    },
    ModelUnknown(String),
    /// A WebSocket upgrade of an endpoint that has none.
    NoWebSocket(String),
    ClientSlow,
    /// The client did not take its answer in time.
    ClientNotReading,
    /// A member of the body is not as its dialect has it.
    MalformedMember {
        param: String,
        problem: String,
    },
    /// No upstream of the model can be given what was asked, in its own dialect.
    Untranslatable {
        param: &'static str,
        why: String,
    },
    /// The answer or state that the request refers to is not stored here.
    NotStored {
        param: &'static str,
        message: String,
        code: &'static str,
    },
    /// The endpoint exists, and nothing behind it serves it for this model.
    NotServed(String),
    /// A path that leads out of the upstream's root.
    PathEscapes,
    /// The caller is not known, or may not do this.
    Denied(Box<Denial>),
    /// A limit or a budget of the caller's, or of all callers, leaves no room.
    OverLimit(Box<OverLimit>),
    /// A plugin, or a rule of the configuration, is against it.
    Rejected(Box<Rejected>),
    /// The client went away. Nobody is left to be told.
    ClientGone,

    // weir's own.
    /// All buffered bodies together are at their bound.
    BuffersFull,
    /// No upstream that serves the model can be used.
    NoUpstream {
        model: String,
    },
    /// Every host that serves the model is still loading it.
    Loading {
        model: String,
    },
    /// Every upstream key that may serve the model rests or is at a cap; the soonest is free after this time.
    KeysResting {
        model: String,
        soonest: Duration,
    },
    /// Every upstream key for the model is out: refused by the upstream, or expired.
    NoKey {
        model: String,
    },
    /// The allow-list of no upstream key has the model.
    NoKeyFor {
        model: String,
    },
    /// What is spent cannot be written down, and so nothing that costs may begin.
    LedgerDown,
    /// A plugin that has to agree could not do its work.
    PluginDown {
        plugin: String,
    },
    ShuttingDown,
    Internal,

    // An upstream's.
    Connect {
        upstream: String,
    },
    /// The connection ended before the head of an answer.
    ClosedEarly {
        upstream: String,
    },
    /// What came is no HTTP, or no answer to what was asked.
    Unintelligible {
        upstream: String,
        what: String,
    },
    /// An error status whose body is no JSON, and so is not passed on.
    UpstreamStatus {
        upstream: String,
        status: u16,
    },
    /// The upstream refused weir's own credential with this status.
    CredentialRefused {
        upstream: String,
        status: u16,
    },
    /// An error as the first event of a stream; its own words are passed on.
    FirstEvent {
        upstream: String,
        status: u16,
    },
    Timeout {
        upstream: String,
        wait: Wait,
    },
    /// The answer broke off.
    Truncated {
        upstream: String,
    },
    /// The answer stood still for longer than it may.
    Stalled {
        upstream: String,
        idle: Duration,
    },
    /// An error within a running stream; its own words are passed on.
    ErrorEvent {
        upstream: String,
        /// The status that it would have had as an answer; 502 where it does not say.
        status: u16,
    },
    /// One event, or one piece that must be held whole, is over `limit` bytes.
    EventTooLarge {
        upstream: String,
        limit: usize,
    },
}

/// What was waited for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wait {
    FirstByte(Duration),
    Total(Duration),
    /// For an endpoint that has failed its probes meanwhile, while others can answer.
    Probes,
}

/// How a fault looks to the caller.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shape {
    /// HTTP status.
    pub status: u16,
    /// The class of error in OpenAI's terms.
    pub kind: &'static str,
    /// A stable code for programs.
    pub code: Cow<'static, str>,
    /// The request parameter that is at fault.
    pub param: Option<Cow<'static, str>>,
    /// When to try again, where that is known.
    pub retry_after: Option<Duration>,
}

const INVALID: &str = "invalid_request_error";
const SERVER: &str = "server_error";
/// Buffers and pools free up in moments; a second spreads the retries.
const SOON: Duration = Duration::from_secs(1);
/// Loading a model takes from seconds to minutes.
const LOADING: Duration = Duration::from_secs(5);

/// Seconds for a Retry-After: never less than is left.
pub fn whole_seconds(duration: Duration) -> u64 {
    let up = u64::from(duration.subsec_nanos() > 0);
    duration.as_secs().saturating_add(up).max(1)
}

impl Fault {
    /// Status, class and codes. 499 and 502 and so on also stand in metrics and logs.
    pub fn shape(&self) -> Shape {
        let shape = |status, kind, code: &'static str| Shape {
            status,
            kind,
            code: code.into(),
            param: None,
            retry_after: None,
        };
        match self {
            Fault::UnknownPath(_) => shape(404, INVALID, "unknown_url"),
            Fault::WrongMethod { .. } => shape(405, INVALID, "method_not_allowed"),
            Fault::BodyTooLarge { .. } => shape(413, INVALID, "request_too_large"),
            Fault::UnsupportedEncoding(_) => shape(415, INVALID, "unsupported_content_encoding"),
            Fault::UnsupportedMediaType(_) => shape(415, INVALID, "unsupported_media_type"),
            Fault::MalformedBody(_) => shape(400, INVALID, "invalid_body"),
            Fault::ModelMissing { .. } => Shape {
                param: Some("model".into()),
                ..shape(400, INVALID, "missing_required_parameter")
            },
            Fault::ModelUnknown(_) => Shape {
                param: Some("model".into()),
                ..shape(404, INVALID, "model_not_found")
            },
            Fault::NoWebSocket(_) => shape(426, INVALID, "websocket_not_supported"),
            Fault::ClientSlow => shape(408, INVALID, "request_timeout"),
            Fault::ClientNotReading => shape(499, INVALID, "client_not_reading"),
            Fault::MalformedMember { param, .. } => Shape {
                param: (!param.is_empty()).then(|| param.clone().into()),
                ..shape(400, INVALID, "invalid_value")
            },
            Fault::Untranslatable { param, .. } => Shape {
                param: Some((*param).into()),
                ..shape(400, INVALID, "unsupported_parameter")
            },
            Fault::NotStored { param, code, .. } => Shape {
                param: Some((*param).into()),
                ..shape(400, INVALID, code)
            },
            Fault::NotServed(_) => shape(404, INVALID, "not_served"),
            Fault::PathEscapes => shape(400, INVALID, "invalid_path"),
            Fault::Denied(denial) => Shape {
                param: denial.param.map(Cow::Borrowed),
                ..shape(denial.status, error_kind(denial.status), denial.code)
            },
            Fault::OverLimit(over) => Shape {
                retry_after: over.retry_after,
                ..match over.bound {
                    Bound::Money => shape(402, "insufficient_quota", "insufficient_quota"),
                    Bound::Rate | Bound::Concurrency => {
                        shape(429, "rate_limit_error", "rate_limit_exceeded")
                    }
                }
            },
            Fault::Rejected(rejected) => Shape {
                code: rejected.code.clone().into(),
                ..shape(rejected.status, error_kind(rejected.status), "")
            },
            Fault::PluginDown { .. } => Shape {
                retry_after: Some(SOON),
                ..shape(503, SERVER, "plugin_unavailable")
            },
            Fault::ClientGone => shape(499, INVALID, "client_closed_request"),
            Fault::BuffersFull => Shape {
                retry_after: Some(SOON),
                ..shape(503, SERVER, "overloaded")
            },
            Fault::NoUpstream { .. } => Shape {
                retry_after: Some(SOON),
                ..shape(503, SERVER, "no_upstream_available")
            },
            Fault::Loading { .. } => Shape {
                retry_after: Some(LOADING),
                ..shape(503, SERVER, "model_loading")
            },
            Fault::KeysResting { soonest, .. } => Shape {
                retry_after: Some(*soonest),
                ..shape(429, "rate_limit_error", "upstream_keys_exhausted")
            },
            Fault::NoKey { .. } => shape(503, SERVER, "no_upstream_key"),
            Fault::NoKeyFor { .. } => Shape {
                param: Some("model".into()),
                ..shape(403, INVALID, "model_not_allowed")
            },
            Fault::LedgerDown => Shape {
                retry_after: Some(LOADING),
                ..shape(503, SERVER, "accounting_unavailable")
            },
            Fault::ShuttingDown => Shape {
                retry_after: Some(SOON),
                ..shape(503, SERVER, "shutting_down")
            },
            Fault::Internal => shape(500, SERVER, "internal_error"),
            Fault::Connect { .. } => Shape {
                retry_after: Some(SOON),
                ..shape(503, SERVER, "upstream_unreachable")
            },
            Fault::ClosedEarly { .. } => shape(502, SERVER, "upstream_closed"),
            Fault::Unintelligible { .. } => shape(502, SERVER, "upstream_invalid_response"),
            Fault::UpstreamStatus { status, .. } => {
                shape(*status, error_kind(*status), "upstream_error")
            }
            Fault::CredentialRefused { .. } => shape(502, SERVER, "upstream_credential_refused"),
            Fault::FirstEvent { status, .. } => {
                shape(*status, error_kind(*status), "upstream_error")
            }
            Fault::Timeout { .. } => shape(504, SERVER, "upstream_timeout"),
            Fault::Truncated { .. } => shape(502, SERVER, "upstream_truncated"),
            Fault::Stalled { .. } => shape(504, SERVER, "upstream_stalled"),
            Fault::ErrorEvent { .. } => shape(502, SERVER, "upstream_error"),
            Fault::EventTooLarge { .. } => shape(502, SERVER, "upstream_event_too_large"),
        }
    }

    /// The value of the `fault` label and of the log field.
    pub fn label(&self) -> &'static str {
        match self {
            Fault::UnknownPath(_) => "unknown_path",
            Fault::WrongMethod { .. } => "wrong_method",
            Fault::BodyTooLarge { .. } => "body_too_large",
            Fault::UnsupportedEncoding(_) => "unsupported_encoding",
            Fault::UnsupportedMediaType(_) => "unsupported_media_type",
            Fault::MalformedBody(_) => "malformed_body",
            Fault::ModelMissing { .. } => "model_missing",
            Fault::ModelUnknown(_) => "model_unknown",
            Fault::NoWebSocket(_) => "no_websocket",
            Fault::ClientSlow => "client_slow",
            Fault::ClientNotReading => "client_not_reading",
            Fault::MalformedMember { .. } => "malformed_member",
            Fault::Untranslatable { .. } => "untranslatable",
            Fault::NotStored { .. } => "not_stored",
            Fault::NotServed(_) => "not_served",
            Fault::PathEscapes => "path_escapes",
            Fault::Denied(denial) => denial.label,
            Fault::OverLimit(over) => over.bound.label(),
            Fault::Rejected(_) => "rejected",
            Fault::PluginDown { .. } => "plugin_down",
            Fault::ClientGone => "client_gone",
            Fault::BuffersFull => "buffers_full",
            Fault::NoUpstream { .. } => "no_upstream",
            Fault::Loading { .. } => "loading",
            Fault::KeysResting { .. } => "keys_resting",
            Fault::NoKey { .. } => "no_key",
            Fault::NoKeyFor { .. } => "no_key_for",
            Fault::LedgerDown => "ledger_down",
            Fault::ShuttingDown => "shutting_down",
            Fault::Internal => "internal",
            Fault::Connect { .. } => "connect",
            Fault::ClosedEarly { .. } => "closed_early",
            Fault::Unintelligible { .. } => "unintelligible",
            Fault::UpstreamStatus { .. } => "upstream_status",
            Fault::CredentialRefused { .. } => "credential_refused",
            Fault::FirstEvent { .. } => "first_event",
            Fault::Timeout { .. } => "timeout",
            Fault::Truncated { .. } => "truncated",
            Fault::Stalled { .. } => "stalled",
            Fault::ErrorEvent { .. } => "error_event",
            Fault::EventTooLarge { .. } => "event_too_large",
        }
    }

    /// Whether another upstream, or another try, may do better: nothing that the caller caused.
    pub fn is_upstreams(&self) -> bool {
        match self {
            Fault::Connect { .. }
            | Fault::ClosedEarly { .. }
            | Fault::Unintelligible { .. }
            | Fault::Timeout { .. }
            | Fault::Truncated { .. }
            | Fault::Stalled { .. }
            | Fault::CredentialRefused { .. }
            | Fault::ErrorEvent { .. }
            | Fault::EventTooLarge { .. } => true,
            Fault::UpstreamStatus { status, .. } | Fault::FirstEvent { status, .. } => {
                is_retriable(*status)
            }
            Fault::UnknownPath(_)
            | Fault::WrongMethod { .. }
            | Fault::BodyTooLarge { .. }
            | Fault::UnsupportedEncoding(_)
            | Fault::UnsupportedMediaType(_)
            | Fault::MalformedBody(_)
            | Fault::ModelMissing { .. }
            | Fault::ModelUnknown(_)
            | Fault::NoWebSocket(_)
            | Fault::ClientSlow
            | Fault::ClientNotReading
            | Fault::MalformedMember { .. }
            | Fault::Untranslatable { .. }
            | Fault::NotStored { .. }
            | Fault::NotServed(_)
            | Fault::PathEscapes
            | Fault::Denied(_)
            | Fault::OverLimit(_)
            | Fault::Rejected(_)
            | Fault::PluginDown { .. }
            | Fault::ClientGone
            | Fault::BuffersFull
            | Fault::NoUpstream { .. }
            | Fault::Loading { .. }
            | Fault::KeysResting { .. }
            | Fault::NoKey { .. }
            | Fault::NoKeyFor { .. }
            | Fault::LedgerDown
            | Fault::ShuttingDown
            | Fault::Internal => false,
        }
    }
}

impl Fault {
    /// Whether the same endpoint may do better in a moment.
    pub fn may_pass(&self) -> bool {
        match self {
            Fault::Connect { .. } | Fault::ClosedEarly { .. } => true,
            Fault::UpstreamStatus { status, .. } | Fault::FirstEvent { status, .. } => {
                matches!(status, 500 | 502 | 503 | 504 | 529)
            }
            _ => false,
        }
    }

    /// Whether the upstream may have begun to work on the request: it was sent, and not refused unseen.
    pub fn may_have_worked(&self) -> bool {
        match self {
            Fault::Connect { .. } | Fault::CredentialRefused { .. } | Fault::KeysResting { .. } => {
                false
            }
            Fault::UpstreamStatus { status, .. } | Fault::FirstEvent { status, .. } => {
                !matches!(status, 400..=407 | 409..=499 | 501 | 503 | 529)
            }
            _ => true,
        }
    }

    /// The fault as any dialect can tell it.
    pub fn as_error(&self) -> Error {
        let shape = self.shape();
        Error {
            class: match &*shape.code {
                "model_not_found" => Class::ModelUnknown,
                _ => Class::of_status(shape.status),
            },
            status: shape.status,
            message: self.to_string(),
            code: Some(shape.code.into_owned()),
            param: shape.param.map(Cow::into_owned),
            retry_after: shape.retry_after,
        }
    }

    /// Whether there is nobody left who could be told.
    pub fn is_clients_absence(&self) -> bool {
        matches!(self, Fault::ClientGone | Fault::ClientNotReading)
    }
}

/// Statuses that say nothing against the request itself, so that it may be tried elsewhere.
pub fn is_retriable(status: u16) -> bool {
    matches!(status, 408 | 429 | 500..=599)
}

fn error_kind(status: u16) -> &'static str {
    match status {
        429 => "rate_limit_error",
        400..=499 => INVALID,
        _ => SERVER,
    }
}
