//! Anthropic's API as the vendor serves it: Messages, the counting of tokens, the models, and errors in its shape.
//! It must not know how faults are carried out.

mod blocks;
mod cache;
mod events;
mod message;
mod models;
mod request;
mod thinking;
mod tools;
mod turns;

use bytes::Bytes;
use http::{HeaderName, HeaderValue, Method, StatusCode};
use serde_json::{Value, json};

use super::armory::Faults;
use super::body::wait_until;
use super::chat::Said;
use super::dialect::refusal_id;
use super::fault::FaultKind;
use super::host::{Host, unix_seconds};
use super::http::Received;
use super::refusal::Refusal;
use super::reply::Reply;
use super::time::rfc3339;
use super::usage::Reporting;
use message::Message;
use request::MessagesRequest;

const MESSAGES: &str = "/v1/messages";
/// The largest body of a request.
const BODY_BYTES_MAX: usize = 32 << 20;
const COUNT_TOKENS: &str = "/v1/messages/count_tokens";

/// Whether a model runs for requests to this path.
pub fn infers(path: &str) -> bool {
    path == MESSAGES
}

pub async fn answer(host: &Host, received: &Received, faults: &Faults) -> Result<Reply, Refusal> {
    let path = received.path();
    let is_models = path == "/v1/models" || path.starts_with("/v1/models/");
    let method = if is_models { Method::GET } else { Method::POST };
    if !is_models && !matches!(path, MESSAGES | COUNT_TOKENS) {
        return Err(Refusal::new(StatusCode::NOT_FOUND, "Not found"));
    }
    if *received.method() != method {
        return Err(Refusal::new(
            StatusCode::METHOD_NOT_ALLOWED,
            "Method Not Allowed",
        ));
    }
    if received.header("anthropic-version").is_none() {
        return Err(invalid("anthropic-version: header is required"));
    }
    if is_models {
        return models::answer(host, received);
    }
    if received.body.len() > BODY_BYTES_MAX {
        return Err(Refusal::new(
            StatusCode::PAYLOAD_TOO_LARGE,
            "Request exceeds the maximum size",
        ));
    }
    let body = json_body(&received.body)?;
    let has_beta = received.header("anthropic-beta").is_some();
    if path == COUNT_TOKENS {
        let request = MessagesRequest::read(host, &body, has_beta, true)?;
        return Ok(Reply::json(
            &json!({"input_tokens": request.chat.prompt_tokens}),
        ));
    }
    let request = MessagesRequest::read(host, &body, has_beta, false)?;
    let mut reply = say(host, request, faults).await;
    reply.headers.extend(headers(host));
    Ok(reply)
}

async fn say(host: &Host, request: MessagesRequest, faults: &Faults) -> Reply {
    let mut said = Said::to(host, &request.chat);
    if faults.has(FaultKind::Blocked) || request.is_refused {
        said = said.blocked();
    }
    let streams = request.chat.stream.is_some();
    let mut turn = host.engine.begin(said.work).await;
    let cached = request.breakpoints.look_up(&host.prompt_cache);
    let message = Message::of(host, request, said, cached, Reporting::of(faults));
    if streams {
        return Reply::events(events::Events::new(message), turn);
    }
    wait_until(turn.due_last()).await;
    turn.sent(message.work.output_tokens as u64);
    turn.end(message.finish_reason);
    Reply::json(&message.whole()).after(message.work)
}

fn json_body(body: &Bytes) -> Result<Value, Refusal> {
    match serde_json::from_slice(body) {
        Ok(value @ Value::Object(_)) => Ok(value),
        Ok(_) => Err(invalid("Input should be a valid dictionary")),
        Err(error) => Err(invalid(format!(
            "The request body is not valid JSON: {error}"
        ))),
    }
}

/// A 400 with these words.
fn invalid(message: impl Into<String>) -> Refusal {
    Refusal::new(StatusCode::BAD_REQUEST, message)
}

/// What the vendor's answers carry beside their bodies.
fn headers(host: &Host) -> Vec<(HeaderName, HeaderValue)> {
    let (id, _) = host.answer_id("req_", &host.random("", "", None));
    let reset = rfc3339(unix_seconds() + 60);
    let mut headers = vec![
        ("request-id".to_string(), id),
        (
            "anthropic-organization-id".to_string(),
            "00000000-0000-4000-8000-000000000000".to_string(),
        ),
    ];
    for (what, limit) in [
        ("requests", 4000),
        ("tokens", 2_400_000),
        ("input-tokens", 2_000_000),
        ("output-tokens", 400_000),
    ] {
        let name = |figure: &str| format!("anthropic-ratelimit-{what}-{figure}");
        headers.push((name("limit"), limit.to_string()));
        headers.push((name("remaining"), (limit - 1).to_string()));
        headers.push((name("reset"), reset.clone()));
    }
    let headers = headers.into_iter().filter_map(|(name, value)| {
        let name = HeaderName::from_bytes(name.as_bytes()).ok()?;
        Some((name, HeaderValue::from_str(&value).ok()?))
    });
    headers.collect()
}

/// The body of an error.
pub fn error(refusal: &Refusal) -> Value {
    json!({
        "type": "error",
        "error": {"type": error_type(refusal.status), "message": refusal.message},
        "request_id": format!("req_{}", refusal_id(refusal)),
    })
}

/// The same id as in the error's body.
pub fn request_id_header(refusal: &Refusal) -> Option<(HeaderName, HeaderValue)> {
    let id = HeaderValue::from_str(&format!("req_{}", refusal_id(refusal))).ok()?;
    Some((HeaderName::from_static("request-id"), id))
}

fn error_type(status: StatusCode) -> &'static str {
    match status.as_u16() {
        401 => "authentication_error",
        402 => "billing_error",
        403 => "permission_error",
        404 => "not_found_error",
        408 | 504 => "timeout_error",
        409 => "conflict_error",
        413 => "request_too_large",
        429 => "rate_limit_error",
        529 => "overloaded_error",
        400..=499 => "invalid_request_error",
        _ => "api_error",
    }
}

/// 529, which HTTP does not know.
pub fn overloaded() -> StatusCode {
    StatusCode::from_u16(529).unwrap_or(StatusCode::SERVICE_UNAVAILABLE)
}

pub fn wrong_key(shown: Option<&str>) -> Refusal {
    let message = match shown {
        Some(_) => "invalid x-api-key",
        None => "x-api-key header is required",
    };
    Refusal::new(StatusCode::UNAUTHORIZED, message)
}
