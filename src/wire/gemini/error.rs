//! Errors in Google's shape: a code, a status of `google.rpc.Code`, a message, details.

use std::time::Duration;

use serde_json::{Map, Value, json};

use crate::wire::neutral::{Class, Error};
use crate::wire::openai;

/// What is kept of a body that is no JSON.
const TEXT_BYTES_MAX: usize = 4096;

/// The detail that says when to try again.
const RETRY_INFO: &str = "type.googleapis.com/google.rpc.RetryInfo";

/// The detail that says why, for programs.
const ERROR_INFO: &str = "type.googleapis.com/google.rpc.ErrorInfo";
/// What it says where money is what is exhausted.
const OUT_OF_MONEY: &str = "INSUFFICIENT_QUOTA";

/// Reads the body of an error, which streams of arrays put in a list.
pub fn read_error(status: u16, body: &[u8]) -> Error {
    let value: Option<Value> = serde_json::from_slice(body).ok();
    let whole = match &value {
        Some(Value::Array(list)) => list.first(),
        other => other.as_ref(),
    };
    match whole.and_then(|whole| whole.get("error")) {
        Some(error) => error_of_value(status, error),
        None => error(status, "", plain_message(status, body)),
    }
}

/// The error that the member `error` of a body or a chunk is; `status` where it says none.
pub fn error_of_value(status: u16, value: &Value) -> Error {
    let text = |name: &str| value.get(name).and_then(Value::as_str);
    let message = match (text("message"), value.as_str()) {
        (Some(message), _) | (None, Some(message)) => message.to_owned(),
        (None, None) => value.to_string(),
    };
    let code = value.get("code").and_then(Value::as_u64);
    let code = code.and_then(|code| u16::try_from(code).ok());
    let said = code
        .filter(|code| (400..600).contains(code))
        .unwrap_or(status);
    let mut error = error(said, text("status").unwrap_or_default(), message);
    let details = value.get("details").and_then(Value::as_array);
    for detail in details.into_iter().flatten() {
        read_detail(detail, &mut error);
    }
    // Google says 400 to a key that it does not know.
    if let Some(reason) = openai::google_bad_key(value) {
        error.class = Class::BadKey;
        error.code = Some(reason.to_owned());
    }
    error
}

fn read_detail(detail: &Value, error: &mut Error) {
    let text = |name: &str| detail.get(name).and_then(Value::as_str);
    if let Some(delay) = text("retryDelay") {
        let seconds = delay.trim_end_matches('s').parse::<f64>().ok();
        error.retry_after = seconds.and_then(|delay| Duration::try_from_secs_f64(delay).ok());
    }
    if text("reason") == Some(OUT_OF_MONEY) {
        error.class = Class::Billing;
    }
    let violations = detail.get("fieldViolations").and_then(Value::as_array);
    let field = violations.and_then(|list| list.first()?.get("field")?.as_str());
    if let Some(field) = field.filter(|field| !field.is_empty()) {
        error.param = Some(field.to_owned());
    }
}

fn error(status: u16, name: &str, message: String) -> Error {
    Error {
        class: class(status, name, &message),
        status,
        message,
        code: None,
        param: None,
        retry_after: None,
    }
}

fn class(status: u16, name: &str, message: &str) -> Class {
    let lower = message.to_ascii_lowercase();
    let by_name = match name {
        "INVALID_ARGUMENT" | "FAILED_PRECONDITION" | "OUT_OF_RANGE" => Class::BadRequest,
        "UNAUTHENTICATED" => Class::BadKey,
        "PERMISSION_DENIED" => Class::Forbidden,
        "NOT_FOUND" => Class::NotFound,
        "ALREADY_EXISTS" | "ABORTED" => Class::Conflict,
        "RESOURCE_EXHAUSTED" => Class::RateLimit,
        "DEADLINE_EXCEEDED" => Class::Timeout,
        "UNAVAILABLE" => Class::Overloaded,
        "INTERNAL" | "UNKNOWN" | "DATA_LOSS" | "UNIMPLEMENTED" => Class::Internal,
        _ => Class::of_status(status),
    };
    match by_name {
        Class::BadRequest if status == 413 => Class::TooLarge,
        Class::BadRequest if lower.contains("token count") && lower.contains("exceeds") => {
            Class::ContextTooLong
        }
        Class::NotFound if lower.contains("model") => Class::ModelUnknown,
        class => class,
    }
}

/// A body that is no JSON: its text, unless it is a page.
fn plain_message(status: u16, body: &[u8]) -> String {
    let text = String::from_utf8_lossy(&body[..body.len().min(TEXT_BYTES_MAX)]);
    let text = text.trim();
    if text.is_empty() || text.starts_with('<') {
        return format!("the upstream answered with status {status} and no message");
    }
    text.to_owned()
}

/// Google's name for a class, and the status that goes with it where Google has another.
fn name_of(class: Class) -> (&'static str, Option<u16>) {
    match class {
        Class::BadRequest | Class::ContextTooLong | Class::TooLarge => ("INVALID_ARGUMENT", None),
        Class::BadKey => ("UNAUTHENTICATED", None),
        // Google has no 402: who has used up what was paid for has exhausted a resource, as with its own prepaid credits.
        Class::Billing => ("RESOURCE_EXHAUSTED", Some(429)),
        Class::Forbidden => ("PERMISSION_DENIED", None),
        Class::ModelUnknown | Class::NotFound => ("NOT_FOUND", None),
        Class::Conflict => ("ABORTED", None),
        Class::RateLimit => ("RESOURCE_EXHAUSTED", None),
        Class::Timeout => ("DEADLINE_EXCEEDED", None),
        Class::Internal => ("INTERNAL", None),
        Class::Overloaded => ("UNAVAILABLE", Some(503)),
    }
}

/// What programs are told beside the status: that it is money and not a rate, and when to try again.
fn details_of(error: &Error) -> Vec<Value> {
    let reason = (error.class == Class::Billing).then(
        || json!({ "@type": ERROR_INFO, "reason": OUT_OF_MONEY, "domain": "googleapis.com" }),
    );
    let delay = error.retry_after.map(|delay| {
        let delay = format!("{}s", delay.as_secs_f64());
        json!({ "@type": RETRY_INFO, "retryDelay": delay })
    });
    reason.into_iter().chain(delay).collect()
}

/// Writes an error: the status, and the body.
pub fn write_error(error: &Error) -> (u16, Vec<u8>) {
    let (status, value) = error_value(error);
    (status, value.to_string().into_bytes())
}

/// The same, as a value.
pub fn error_value(error: &Error) -> (u16, Value) {
    let (name, own_status) = name_of(error.class);
    let said = Some(error.status).filter(|status| (400..600).contains(status));
    let status = own_status.or(said).unwrap_or(error.class.status());
    // A client takes an empty text for no error.
    let message = if error.message.is_empty() {
        "unknown error"
    } else {
        &error.message
    };
    let mut inner = Map::new();
    inner.insert("code".into(), status.into());
    inner.insert("message".into(), message.into());
    inner.insert("status".into(), name.into());
    let details = details_of(error);
    if !details.is_empty() {
        inner.insert("details".into(), details.into());
    }
    (status, json!({ "error": inner }))
}
