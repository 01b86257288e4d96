//! What Bedrock's refusals mean
//! (<https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_Converse.html#API_runtime_Converse_Errors>).

use serde_json::Value;
use weir_openai::{header, retry_after_ms};
use weir_plugin::{Failure, Header};

/// Longer messages are cut, in characters.
const MESSAGE_MAX: usize = 2000;

pub fn classify(status: u16, headers: &[Header], body: &[u8]) -> Failure {
    let told: Value = serde_json::from_slice(body).unwrap_or_default();
    let kind = kind(headers, &told);
    let message = told["message"].as_str().or(told["Message"].as_str());
    let message = match message.map(str::to_owned) {
        Some(message) => message,
        None => String::from_utf8_lossy(body).trim().to_owned(),
    };
    let (retryable, code) = meaning(status, &kind, &message);
    let kind = if kind.is_empty() {
        format!("status {status}")
    } else {
        kind
    };
    let message: String = message.chars().take(MESSAGE_MAX).collect();
    Failure {
        retryable,
        code: code.to_owned(),
        message: match message.is_empty() {
            true => format!("Bedrock answered with {kind}"),
            false => format!("{kind}: {message}"),
        },
        retry_after_ms: retry_after_ms(headers),
    }
}

/// `x-amzn-errortype: ThrottlingException:http://…`, or `__type` in the body with its namespace before it.
fn kind(headers: &[Header], told: &Value) -> String {
    let named = header(headers, "x-amzn-errortype").or(told["__type"].as_str());
    let bare = named.and_then(|name| name.split(':').next());
    let bare = bare.and_then(|name| name.rsplit('#').next());
    bare.unwrap_or_default().trim().to_owned()
}

/// Whether another try may do better, and the code in OpenAI's words where it has one.
fn meaning(status: u16, kind: &str, message: &str) -> (bool, &'static str) {
    let says = |part: &str| message.contains(part);
    match kind {
        "ThrottlingException" if says("per day") => (false, "insufficient_quota"),
        "ThrottlingException" | "ModelNotReadyException" | "TooManyRequestsException" => {
            (true, "rate_limit_exceeded")
        }
        "ServiceQuotaExceededException" => (false, "insufficient_quota"),
        "ModelTimeoutException" => (true, "timeout"),
        "ServiceUnavailableException" => (true, "overloaded"),
        "InternalServerException" | "ModelErrorException" | "ModelStreamErrorException" => {
            (true, "server_error")
        }
        "ResourceNotFoundException" => (false, "model_not_found"),
        "ExpiredTokenException"
        | "UnrecognizedClientException"
        | "InvalidSignatureException"
        | "IncompleteSignatureException"
        | "MissingAuthenticationTokenException"
        | "InvalidClientTokenId" => (false, "invalid_api_key"),
        "AccessDeniedException" => (false, "permission_denied"),
        "ValidationException" if is_too_long(message) => (false, "context_length_exceeded"),
        "ValidationException" if says("model identifier is invalid") => (false, "model_not_found"),
        "ValidationException" => (false, "invalid_request_error"),
        _ => by_status(status),
    }
}

fn is_too_long(message: &str) -> bool {
    let message = message.to_ascii_lowercase();
    let said = [
        "too long",
        "too many input tokens",
        "maximum context length",
        "exceed context limit",
    ];
    said.iter().any(|part| message.contains(part))
}

fn by_status(status: u16) -> (bool, &'static str) {
    match status {
        401 => (false, "invalid_api_key"),
        403 => (false, "permission_denied"),
        404 => (false, "model_not_found"),
        408 | 504 => (true, "timeout"),
        429 => (true, "rate_limit_exceeded"),
        503 => (true, "overloaded"),
        424 | 500..=599 => (true, "server_error"),
        _ => (false, "invalid_request_error"),
    }
}
