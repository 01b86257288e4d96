//! What an upstream's answer means for the key that it was asked with. Pure; it must not know what the key's state was.
//!
//! Only what the upstream says of the key counts: 5xx, timeouts and refusals of the request itself never touch a key.

use std::time::Duration;

use http::{HeaderMap, StatusCode};
use serde::Serialize;

use super::reported::Reported;
use super::{Now, moment};

/// Longest rest that an upstream can impose by its headers.
pub const SERVER_REST_MAX: Duration = Duration::from_secs(86_400);

/// Shortest rest: what an upstream that says zero, or a date that has passed, gets.
pub const REST_MIN: Duration = Duration::from_millis(100);

/// Error codes (or types) of a 429 that no waiting of minutes cures: the account has to be paid.
/// OpenAI: insufficient_quota, billing_hard_limit_reached, billing_not_active; Moonshot: exceeded_current_quota_error.
const QUOTA_CODES: [&str; 4] = [
    "insufficient_quota",
    "billing_hard_limit_reached",
    "billing_not_active",
    "exceeded_current_quota_error",
];

/// Error codes (or types) of a 401 or 403 that speak of the model and not of the key: OpenAI's, Anthropic's
/// (an invalid key gets `authentication_error` there), Moonshot's and LiteLLM's.
const MODEL_CODES: [&str; 6] = [
    // OpenAI: the key may not be used for this operation.
    "missing_scope",
    "model_not_found",
    "permission_error",
    "permission_denied",
    "permission_denied_error",
    "key_model_access_denied",
];

/// Error codes (or types) of a 403 that speak of what the client sent. A key that they took out would be any client's to take out.
const CONTENT_CODES: [&str; 5] = [
    "content_policy_violation",
    "content_filter",
    "moderation",
    "moderation_blocked",
    "safety_violation",
];

/// What an answer did to the key.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum KeyVerdict {
    /// Nothing.
    Unaffected,
    /// It rests for this model.
    ModelRests { wait: Duration, reason: RestReason },
    /// It rests for every model.
    KeyRests { wait: Duration, reason: RestReason },
    /// It is out until the configuration changes it or an operator revives it.
    Out(OutReason),
}

/// Why a key rests.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum RestReason {
    /// 429.
    RateLimited,
    /// 402, or 429 with a code that says so.
    QuotaExhausted,
    /// 403 with a code that speaks of the model.
    ModelForbidden,
    /// An operator said so.
    Operator,
}

/// Why a key is out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum OutReason {
    /// 401.
    Unauthorized,
    /// 403.
    Forbidden,
}

impl RestReason {
    /// As logs, metrics and the status say it.
    pub fn as_str(self) -> &'static str {
        match self {
            RestReason::RateLimited => "rate_limited",
            RestReason::QuotaExhausted => "quota_exhausted",
            RestReason::ModelForbidden => "model_forbidden",
            RestReason::Operator => "operator",
        }
    }
}

impl OutReason {
    /// As logs, metrics and the status say it.
    pub fn as_str(self) -> &'static str {
        match self {
            OutReason::Unauthorized => "unauthorized",
            OutReason::Forbidden => "forbidden",
        }
    }
}

/// What an answer says of a key.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Said {
    Nothing,
    /// It works.
    Works,
    /// Too much for this model; wait so long, if it says so.
    RateLimited(Option<Duration>),
    ModelForbidden,
    QuotaExhausted,
    Out(OutReason),
}

pub(super) fn said(
    status: u16,
    headers: &HeaderMap,
    reported: &Reported,
    error_code: Option<&str>,
    now: Now,
) -> Said {
    let is = |codes: &[&str]| error_code.is_some_and(|code| codes.contains(&code));
    match StatusCode::from_u16(status) {
        Ok(status) if status.is_success() => Said::Works,
        Ok(StatusCode::PAYMENT_REQUIRED) => Said::QuotaExhausted,
        Ok(StatusCode::TOO_MANY_REQUESTS) if is(&QUOTA_CODES) => Said::QuotaExhausted,
        Ok(StatusCode::TOO_MANY_REQUESTS) => Said::RateLimited(said_wait(headers, reported, now)),
        Ok(StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN) if is(&MODEL_CODES) => {
            Said::ModelForbidden
        }
        Ok(StatusCode::UNAUTHORIZED) => Said::Out(OutReason::Unauthorized),
        Ok(StatusCode::FORBIDDEN) if is(&CONTENT_CODES) => Said::Nothing,
        Ok(StatusCode::FORBIDDEN) => Said::Out(OutReason::Forbidden),
        _ => Said::Nothing,
    }
}

/// The wait that a 429 asks for: the most exact of what it says, within [`REST_MIN`] and [`SERVER_REST_MAX`].
fn said_wait(headers: &HeaderMap, reported: &Reported, now: Now) -> Option<Duration> {
    let text = |name| headers.get(name)?.to_str().ok();
    let said = text("retry-after-ms")
        .and_then(moment::milliseconds)
        .or_else(|| moment::wait(text("retry-after")?, now.wall))
        .or_else(|| reported.exhausted_for());
    said.map(|wait| wait.clamp(REST_MIN, SERVER_REST_MAX))
}

/// How long an answer asks to be left alone, by its headers; `None` where it does not say.
pub fn retry_after(headers: &HeaderMap, now: Now) -> Option<Duration> {
    said_wait(headers, &Reported::read(headers, now), now)
}

/// `first`, doubled for every refusal before, at most `max`, less up to a fifth by chance, so that not all come back at once.
pub(super) fn grown(first: Duration, max: Duration, refusals: u32, chance: f64) -> Duration {
    let factor = 1u32.checked_shl(refusals).unwrap_or(u32::MAX);
    let whole = first.saturating_mul(factor).min(max);
    whole.mul_f64(1.0 - chance.clamp(0.0, 1.0) / 5.0)
}
