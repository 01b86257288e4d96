//! Errors: the vendor's types, and the classes that they stand for.

use serde::Deserialize;
use serde_json::Value;

use crate::wire::neutral::{Class, Error};

use crate::wire::tree::Object;

/// Status and body of an error.
pub fn write_error(error: &Error) -> (u16, Vec<u8>) {
    (status_of(error), body(error).bytes())
}

/// The body of an error; the same in a stream.
pub(super) fn body(error: &Error) -> Object<'_> {
    let told = Object::typed(type_of(error.class)).with("message", message_of(error));
    Object::typed("error").with("error", told)
}

/// What clients look for to see that the conversation has grown too long; Claude Code shortens it then.
const TOO_LONG: &str = "prompt is too long";

fn message_of(error: &Error) -> String {
    if error.class == Class::ContextTooLong && !error.message.contains(TOO_LONG) {
        return format!("{TOO_LONG}: {}", error.message);
    }
    error.message.clone()
}

fn type_of(class: Class) -> &'static str {
    match class {
        Class::BadRequest | Class::ContextTooLong => "invalid_request_error",
        Class::BadKey => "authentication_error",
        Class::Billing => "billing_error",
        Class::Forbidden => "permission_error",
        Class::ModelUnknown | Class::NotFound => "not_found_error",
        Class::Conflict => "conflict_error",
        Class::TooLarge => "request_too_large",
        Class::RateLimit => "rate_limit_error",
        Class::Timeout => "timeout_error",
        Class::Internal => "api_error",
        Class::Overloaded => OVERLOADED,
    }
}

const OVERLOADED: &str = "overloaded_error";

/// The vendor's status for a lack of capacity.
const OVERLOADED_STATUS: u16 = 529;

/// The error's own status where this dialect uses it for the class, the class's otherwise.
fn status_of(error: &Error) -> u16 {
    let status = error.status;
    match error.class {
        Class::Overloaded => OVERLOADED_STATUS,
        Class::Timeout if status == 408 => status,
        Class::Internal if status == 502 => status,
        // 422 is no status of this dialect.
        Class::BadRequest
            if status != 422
                && (400..=499).contains(&status)
                && Class::of_status(status) == Class::BadRequest =>
        {
            status
        }
        class => class.status(),
    }
}

#[derive(Deserialize)]
struct Envelope {
    error: Option<Value>,
    message: Option<Value>,
    detail: Option<Value>,
}

/// Reads the body of an answer that is an error, whatever it is: the vendor's JSON, another server's, HTML, nothing.
pub fn read_error(status: u16, body: &[u8]) -> Error {
    let envelope = serde_json::from_slice::<Envelope>(body).ok();
    let told = envelope.and_then(|told| told.error.or(told.message).or(told.detail));
    match told {
        Some(told) => of_object(Some(status), &told),
        None => of_type(Some(status), None, plain_message(status, body)),
    }
}

/// The payload of an `error` event. A stream's errors have no status but their type's.
pub(super) fn of_event(data: &[u8]) -> Error {
    read_error(200, data)
}

/// The `error` object of a body.
pub(super) fn of_object(status: Option<u16>, told: &Value) -> Error {
    let text = |name: &str| told.get(name).and_then(Value::as_str);
    let message = text("message").or(told.as_str()).map(str::to_owned);
    let message = message.unwrap_or_else(|| told.to_string());
    of_type(status, text("type"), message)
}

fn of_type(status: Option<u16>, kind: Option<&str>, message: String) -> Error {
    // An answer that is no error by its status has the one of its type.
    let status = status.filter(|status| *status >= 400);
    let class = class_of(kind, &message).unwrap_or_else(|| Class::of_status(status.unwrap_or(500)));
    let natural = match class {
        Class::Overloaded => OVERLOADED_STATUS,
        class => class.status(),
    };
    Error {
        class,
        status: status.unwrap_or(natural),
        message,
        // Its types are classes; as codes they would hide those that clients of other dialects look for.
        code: None,
        param: None,
        retry_after: None,
    }
}

fn class_of(kind: Option<&str>, message: &str) -> Option<Class> {
    Some(match kind? {
        "invalid_request_error" if is_too_long(message) => Class::ContextTooLong,
        // The vendor refuses so when the account is empty.
        "invalid_request_error" if message.contains("credit balance") => Class::Billing,
        "invalid_request_error" => return None,
        "authentication_error" => Class::BadKey,
        "billing_error" => Class::Billing,
        "permission_error" => Class::Forbidden,
        "not_found_error" if message.contains("model") => Class::ModelUnknown,
        "not_found_error" => Class::NotFound,
        "conflict_error" => Class::Conflict,
        "request_too_large" => Class::TooLarge,
        "rate_limit_error" => Class::RateLimit,
        "timeout_error" => Class::Timeout,
        "api_error" => Class::Internal,
        OVERLOADED => Class::Overloaded,
        _ => return None,
    })
}

/// The vendor's wordings for a context that is full.
fn is_too_long(message: &str) -> bool {
    let wordings = [TOO_LONG, "exceed context limit", "context window"];
    wordings.iter().any(|wording| message.contains(wording))
}

/// More of a body that is no JSON is not shown, in characters.
const PLAIN_CHARS_MAX: usize = 500;

/// A text that is meant for people; a page of HTML is not.
fn plain_message(status: u16, body: &[u8]) -> String {
    let text = String::from_utf8_lossy(body);
    let text = text.trim();
    if text.is_empty() || text.starts_with('<') || text.starts_with(['{', '[']) {
        return match status {
            400.. => format!("the upstream answered with status {status} and no message"),
            _ => "the upstream reported an error and no message".to_owned(),
        };
    }
    text.chars().take(PLAIN_CHARS_MAX).collect()
}
