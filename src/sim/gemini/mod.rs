//! Google's Gemini API: generateContent whole and streamed, tokens, embeddings, models, and errors in its shape.
//! It must not know how faults are carried out.

mod contents;
mod embed;
mod events;
mod generated;
mod generation;
mod models;
mod request;
mod schema;
mod tools;

use http::{Method, StatusCode};
use serde_json::{Map, Value, json};

use super::armory::Faults;
use super::body::wait_until;
use super::chat::Said;
use super::fault::FaultKind;
use super::host::Host;
use super::http::Received;
use super::refusal::Refusal;
use super::reply::{EVENT_STREAM, JSON_ARRAY, Reply};
use super::usage::Reporting;
use generated::Generated;
use request::ContentRequest;

/// The versions of the API that are served.
const VERSIONS: [&str; 3] = ["/v1beta/", "/v1/", "/v1alpha/"];

/// The rest of a path below Google's OpenAI-compatible API, with its slash.
pub fn compatible(path: &str) -> Option<&str> {
    let rest = path.strip_prefix("/v1beta/openai")?;
    rest.starts_with('/').then_some(rest)
}

/// A model and what is asked of it: `/v1beta/models/MODEL:METHOD`.
fn method_of(path: &str) -> Option<(&str, &str)> {
    let rest = VERSIONS
        .iter()
        .find_map(|version| path.strip_prefix(version))?;
    rest.strip_prefix("models/")?.rsplit_once(':')
}

/// Whether a model runs for requests to this path.
pub fn infers(path: &str) -> bool {
    method_of(path).is_some_and(|(_, method)| {
        matches!(
            method,
            "generateContent" | "streamGenerateContent" | "embedContent" | "batchEmbedContents"
        )
    })
}

pub async fn answer(host: &Host, received: &Received, faults: &Faults) -> Result<Reply, Refusal> {
    let path = received.path();
    let Some((model, method)) = method_of(path) else {
        let below = VERSIONS
            .iter()
            .find_map(|version| path.strip_prefix(version));
        return match below {
            Some(below) if *received.method() == Method::GET => {
                models::answer(host, below, received)
            }
            _ => Err(Refusal::new(StatusCode::NOT_FOUND, "Not Found")),
        };
    };
    if *received.method() != Method::POST {
        return Err(Refusal::new(StatusCode::NOT_FOUND, "Not Found"));
    }
    let model = model.replace("%2F", "/").replace("%2f", "/");
    models::require(host, &model, method)?;
    let body = json_body(&received.body)?;
    match method {
        "generateContent" => generate(host, &model, &body, faults, None).await,
        "streamGenerateContent" => {
            let framing = match received.query("alt") {
                Some("sse") => EVENT_STREAM,
                _ => JSON_ARRAY,
            };
            generate(host, &model, &body, faults, Some(framing)).await
        }
        "countTokens" => count(host, &model, &body),
        "embedContent" => embed::one(host, &model, &body).await,
        "batchEmbedContents" => embed::batch(host, &model, &body).await,
        _ => Err(Refusal::new(StatusCode::NOT_FOUND, "Not Found")),
    }
}

async fn generate(
    host: &Host,
    model: &str,
    body: &Value,
    faults: &Faults,
    framing: Option<&'static str>,
) -> Result<Reply, Refusal> {
    let request = ContentRequest::read(host, model, body)?;
    let said = Said::under(host, &request.chat, faults);
    let mut turn = host.engine.begin(said.work).await;
    let block = faults.get(FaultKind::Blocked).map(|fault| fault.style);
    let generated = Generated::of(host, request, said, block, Reporting::of(faults));
    if let Some(framing) = framing {
        let events = events::Events::new(generated, framing == EVENT_STREAM);
        return Ok(Reply::events_as(framing, events, turn));
    }
    wait_until(turn.due_last()).await;
    turn.sent(generated.work.output_tokens as u64);
    turn.end(generated.finish_reason());
    Ok(Reply::json(&generated.whole()).after(generated.work))
}

fn count(host: &Host, model: &str, body: &Value) -> Result<Reply, Refusal> {
    let body = request::camel(body);
    let request = match body.get("generateContentRequest") {
        Some(inner) => {
            request::only(&body, "", &["generateContentRequest"])?;
            let mut inner = inner.clone();
            if let Some(members) = inner.as_object_mut() {
                members.shift_remove("model");
            }
            ContentRequest::read(host, model, &inner)?
        }
        None => {
            request::only(&body, "", &["contents"])?;
            ContentRequest::read(host, model, &body)?
        }
    };
    let tokens = request.chat.prompt_tokens;
    Ok(Reply::json(&json!({
        "totalTokens": tokens,
        "promptTokensDetails": [{"modality": "TEXT", "tokenCount": tokens}],
    })))
}

fn json_body(body: &[u8]) -> Result<Value, Refusal> {
    match serde_json::from_slice(body) {
        Ok(value @ Value::Object(_)) => Ok(value),
        Ok(_) => Err(invalid(
            "Invalid value (Object), root element must be a message.",
        )),
        Err(error) => Err(invalid(format!("Invalid JSON payload received. {error}"))),
    }
}

/// A 400 with these words.
fn invalid(message: impl Into<String>) -> Refusal {
    Refusal::new(StatusCode::BAD_REQUEST, message)
}

/// The body of an error.
pub fn error(refusal: &Refusal) -> Value {
    let mut error = Map::new();
    error.insert("code".into(), refusal.status.as_u16().into());
    error.insert("message".into(), refusal.message.as_str().into());
    error.insert("status".into(), status_name(refusal.status).into());
    let mut details = Vec::new();
    if let Some(reason) = refusal.code.filter(|reason| reason.starts_with("API_KEY")) {
        details.push(json!({"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": reason, "domain": "googleapis.com", "metadata": {"service": "generativelanguage.googleapis.com"}}));
    }
    // Where a 503 says nothing, neither does Google.
    if let Some(seconds) = refusal
        .retry_after
        .filter(|_| refusal.status == StatusCode::TOO_MANY_REQUESTS)
    {
        details.push(json!({"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": format!("{seconds}s")}));
    }
    if !details.is_empty() {
        error.insert("details".into(), details.into());
    }
    json!({"error": error})
}

/// An error of the OpenAI-compatible API: Google's own, in a list.
pub fn compatible_error(refusal: &Refusal) -> Value {
    json!([error(refusal)])
}

fn status_name(status: StatusCode) -> &'static str {
    match status.as_u16() {
        401 => "UNAUTHENTICATED",
        403 => "PERMISSION_DENIED",
        404 => "NOT_FOUND",
        409 => "ABORTED",
        429 => "RESOURCE_EXHAUSTED",
        499 => "CANCELLED",
        501 => "UNIMPLEMENTED",
        503 => "UNAVAILABLE",
        504 => "DEADLINE_EXCEEDED",
        400..=499 => "INVALID_ARGUMENT",
        _ => "INTERNAL",
    }
}

pub fn wrong_key(shown: Option<&str>) -> Refusal {
    match shown {
        Some(_) => Refusal {
            code: Some("API_KEY_INVALID"),
            ..invalid("API key not valid. Please pass a valid API key.")
        },
        None => Refusal::new(
            StatusCode::FORBIDDEN,
            "Method doesn't allow unregistered callers (callers without established identity). Please use API Key or other form of API consumer identity to call this API.",
        ),
    }
}
