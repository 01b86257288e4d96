//! Ollama's own API, beside its OpenAI-compatible one: chat, generate, embeddings, models, and errors in its shape.
//! It must not know how faults are carried out.

mod embed;
mod events;
mod messages;
mod models;
mod request;
mod settings;

use bytes::Bytes;
use http::{Method, StatusCode};
use serde_json::{Value, json};

use super::armory::Faults;
use super::body::wait_until;
use super::chat::Said;
use super::host::Host;
use super::http::Received;
use super::refusal::Refusal;
use super::reply::{NDJSON, Reply, Source};
use super::usage::Reporting;
use events::{Lines, Shape};
use request::Asked;

/// Whether a path is its own, and not OpenAI's.
pub fn is_native(path: &str) -> bool {
    path == "/" || path.starts_with("/api/")
}

/// Whether a model runs for requests to this path.
pub fn infers(path: &str) -> bool {
    matches!(
        path,
        "/api/chat" | "/api/generate" | "/api/embed" | "/api/embeddings"
    )
}

/// Whether anybody may ask, without a key.
pub fn is_open(path: &str) -> bool {
    matches!(path, "/" | "/api/version")
}

pub async fn answer(host: &Host, received: &Received, faults: &Faults) -> Result<Reply, Refusal> {
    let path = received.path();
    let reads = matches!(*received.method(), Method::GET | Method::HEAD);
    match (path, reads) {
        ("/", true) if host.is_loading() => Err(Refusal::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "Loading model",
        )),
        ("/", true) => Ok(Reply::whole(
            "text/plain; charset=utf-8",
            "Ollama is running",
        )),
        ("/api/version", true) => Ok(Reply::json(&json!({"version": "0.13.5"}))),
        ("/api/tags", true) => Ok(models::tags(host)),
        ("/api/ps", true) => Ok(models::running(host)),
        ("/api/show", false) => models::show(host, &json_body(&received.body)?),
        ("/api/chat", false) => {
            let asked = request::chat(host, &json_body(&received.body)?)?;
            Ok(say(host, asked, faults, Shape::Chat).await)
        }
        ("/api/generate", false) => {
            let asked = request::generate(host, &json_body(&received.body)?)?;
            Ok(say(host, asked, faults, Shape::Generate).await)
        }
        ("/api/embed", false) => embed::several(host, &json_body(&received.body)?).await,
        ("/api/embeddings", false) => embed::one(host, &json_body(&received.body)?).await,
        _ => Ok(page_not_found()),
    }
}

async fn say(host: &Host, asked: Asked, faults: &Faults, shape: Shape) -> Reply {
    let Some(request) = asked.chat else {
        return Reply::json(&events::loaded(&asked.model, shape, asked.unloads));
    };
    let said = Said::under(host, &request, faults);
    let mut turn = host.engine.begin(said.work).await;
    let lines = Lines::of(
        host,
        &asked.model,
        &request,
        said,
        shape,
        Reporting::of(faults),
    );
    if asked.streams {
        return Reply::events_as(NDJSON, lines, turn);
    }
    wait_until(turn.due_last()).await;
    turn.sent(lines.work.output_tokens as u64);
    turn.end(lines.finish_reason());
    Reply::json(&lines.whole()).after(lines.work)
}

fn json_body(body: &Bytes) -> Result<Value, Refusal> {
    if body.is_empty() {
        return Err(invalid("missing request body"));
    }
    match serde_json::from_slice(body) {
        Ok(value @ Value::Object(_)) => Ok(value),
        Ok(_) => Err(invalid(
            "json: cannot unmarshal array into Go value of type api.ChatRequest",
        )),
        Err(error) => Err(invalid(error.to_string())),
    }
}

/// What its router says of paths and methods that it does not know.
fn page_not_found() -> Reply {
    Reply::whole("text/plain", "404 page not found").with_status(StatusCode::NOT_FOUND)
}

/// A 400 with these words.
fn invalid(message: impl Into<String>) -> Refusal {
    Refusal::new(StatusCode::BAD_REQUEST, message)
}

/// What Go's decoder says of a value of another type.
fn cannot_unmarshal(value: &Value, field: &str, kind: &str) -> Refusal {
    let found = match value {
        Value::Null => "null",
        Value::Bool(_) => "bool",
        Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    };
    invalid(format!(
        "json: cannot unmarshal {found} into Go struct field {field} of type {kind}"
    ))
}
