//! `POST /v1/responses`: an answer of items, whole or as the Responses API's events. Nothing is stored.
//! It must not know chat's chunks.

mod events;
mod input;
mod output;
mod request;

use bytes::Bytes;
use serde_json::{Value, json};

use super::armory::Faults;
use super::body::wait_until;
use super::chat::Said;
use super::chat_request::json_body;
use super::host::Host;
use super::refusal::Refusal;
use super::reply::{Reply, Source};
use super::usage::Reporting;
use events::Events;
use output::Output;
use request::ResponsesRequest;

pub async fn answer(host: &Host, body: &Bytes, faults: &Faults) -> Result<Reply, Refusal> {
    let body = json_body(body)?;
    let request = ResponsesRequest::read(host, &body)?;
    let said = Said::under(host, &request.chat, faults);
    let mut turn = host.engine.begin(said.work).await;
    let random = host.random(&request.chat.model, &request.chat.prompt, None);
    let (id, created) = host.answer_id("resp_", &random);
    let frame = frame(&body, &request.chat.model, &id, created);
    let usage = usage(&said, Reporting::of(faults));
    let work = said.work;
    let output = Output::of(host, &request, said, random);
    let events = Events::new(frame, output, usage);
    if request.chat.stream.is_some() {
        return Ok(Reply::events(events, turn));
    }
    wait_until(turn.due_last()).await;
    turn.sent(work.output_tokens as u64);
    turn.end(events.finish_reason());
    Ok(Reply::json(&events.finished()).after(work))
}

/// The response object without what is only known at its end.
fn frame(body: &Value, model: &str, id: &str, created: u64) -> Value {
    let echo = |name: &str, default: Value| {
        body.get(name)
            .filter(|value| !value.is_null())
            .cloned()
            .unwrap_or(default)
    };
    json!({
        "id": id,
        "object": "response",
        "created_at": created,
        "status": "in_progress",
        "background": false,
        "error": null,
        "incomplete_details": null,
        "instructions": echo("instructions", Value::Null),
        "max_output_tokens": echo("max_output_tokens", Value::Null),
        "model": model,
        "output": [],
        "parallel_tool_calls": echo("parallel_tool_calls", true.into()),
        "previous_response_id": null,
        "reasoning": echo("reasoning", json!({"effort": null, "summary": null})),
        "service_tier": "default",
        "store": echo("store", true.into()),
        "temperature": echo("temperature", json!(1.0)),
        "text": echo("text", json!({"format": {"type": "text"}})),
        "tool_choice": echo("tool_choice", "auto".into()),
        "tools": echo("tools", json!([])),
        "top_p": echo("top_p", json!(1.0)),
        "truncation": echo("truncation", "disabled".into()),
        "usage": null,
        "user": echo("user", Value::Null),
        "metadata": echo("metadata", json!({})),
    })
}

fn usage(said: &Said, reporting: Reporting) -> Option<Value> {
    let factor = match reporting {
        Reporting::Missing => return None,
        Reporting::Wrong => 10,
        Reporting::Right | Reporting::Early => 1,
    };
    let (input, output) = (
        said.work.prompt_tokens * factor,
        said.work.output_tokens * factor,
    );
    let thoughts = said.choices[0].reasoning.tokens() * factor;
    Some(json!({
        "input_tokens": input,
        "input_tokens_details": {"cached_tokens": 0, "cache_write_tokens": 0},
        "output_tokens": output,
        "output_tokens_details": {"reasoning_tokens": thoughts},
        "total_tokens": input + output,
    }))
}
