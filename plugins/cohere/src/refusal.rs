//! What Cohere's refusals mean (<https://docs.cohere.com/reference/errors>).

use serde_json::Value;
use weir_openai::retry_after_ms;
use weir_plugin::{Failure, Header};

/// Longer messages are cut, in characters.
const MESSAGE_MAX: usize = 2000;

pub fn classify(status: u16, headers: &[Header], body: &[u8]) -> Failure {
    let message = message(status, body);
    let (retryable, code) = meaning(status, &message);
    Failure {
        retryable,
        code: code.to_owned(),
        message,
        retry_after_ms: retry_after_ms(headers),
    }
}

fn message(status: u16, body: &[u8]) -> String {
    let told: Option<Value> = serde_json::from_slice(body).ok();
    let told = told.and_then(|told| Some(told["message"].as_str()?.to_owned()));
    let told = told.unwrap_or_else(|| String::from_utf8_lossy(body).trim().to_owned());
    match told.is_empty() {
        true => format!("Cohere answered with status {status}"),
        false => told.chars().take(MESSAGE_MAX).collect(),
    }
}

/// Whether another try may do better, and the code in OpenAI's words where it has one.
fn meaning(status: u16, message: &str) -> (bool, &'static str) {
    let says = |part: &str| message.contains(part);
    match status {
        400 | 422 if says("too many tokens") => (false, "context_length_exceeded"),
        401 | 498 => (false, "invalid_api_key"),
        402 => (false, "insufficient_quota"),
        403 => (false, "permission_denied"),
        404 if says("model") => (false, "model_not_found"),
        404 => (false, "not_found"),
        408 | 504 => (true, "timeout"),
        // A month's or a trial's calls do not come back while anybody waits.
        429 if says("/ month") || says("per month") => (false, "insufficient_quota"),
        429 => (true, "rate_limit_exceeded"),
        499 => (true, "request_cancelled"),
        501 => (false, "not_implemented"),
        503 => (true, "overloaded"),
        500..=599 => (true, "server_error"),
        _ => (false, "invalid_request_error"),
    }
}
