//! What an adapter makes, in the JSON that recordings have it in.

use serde_json::{Value, json};
use weir_plugin::{Failure, Header, PluginError, StreamEvent, WireRequest};

/// An event. Members that are empty or 0 are left out, but for what the event is about.
pub fn event(event: &StreamEvent) -> Value {
    let text = |name: &str, choice: u32, text: &str| with_choice(json!({name: text}), choice);
    match event {
        StreamEvent::Text(piece) => text("text", piece.choice, &piece.text),
        StreamEvent::Reasoning(piece) => text("reasoning", piece.choice, &piece.text),
        StreamEvent::Refusal(piece) => text("refusal", piece.choice, &piece.text),
        StreamEvent::Finish(finish) => text("finish", finish.choice, &finish.reason),
        StreamEvent::ToolCall(piece) => {
            let mut call = json!({"index": piece.index});
            if let Some(id) = &piece.id {
                call["id"] = id.as_str().into();
            }
            if let Some(name) = &piece.name {
                call["name"] = name.as_str().into();
            }
            call["arguments"] = piece.arguments.as_str().into();
            with_choice(json!({"tool_call": call}), piece.choice)
        }
        StreamEvent::Usage(usage) => {
            let mut shown = json!({"input": usage.input, "output": usage.output});
            let more = [
                ("cached_input", usage.cached_input),
                ("cache_write", usage.cache_write),
                ("reasoning", usage.reasoning),
            ];
            for (name, tokens) in more.into_iter().filter(|(_, tokens)| *tokens > 0) {
                shown[name] = tokens.into();
            }
            json!({"usage": shown})
        }
        StreamEvent::Raw(raw) => {
            let data = serde_json::from_str(&raw.data).unwrap_or(Value::String(raw.data.clone()));
            json!({"raw": {"event": raw.event, "data": data}})
        }
    }
}

fn with_choice(mut event: Value, choice: u32) -> Value {
    if choice > 0 {
        event["choice"] = choice.into();
    }
    event
}

pub fn wire(request: &WireRequest) -> Value {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let header = |header: &Header| (header.name.clone(), Value::String(text(&header.value)));
    let body = serde_json::from_slice(&request.body);
    json!({
        "method": request.method,
        "path": request.path,
        "headers": request.headers.iter().map(header).collect::<Value>(),
        "body": body.unwrap_or_else(|_| Value::String(text(&request.body))),
    })
}

pub fn fault(fault: &PluginError) -> Value {
    let (is_retryable, message) = match fault {
        PluginError::Retryable(message) => (true, message),
        PluginError::Permanent(message) => (false, message),
    };
    json!({"retryable": is_retryable, "message": message})
}

pub fn failure(failure: &Failure) -> Value {
    let mut shown =
        json!({"retryable": failure.retryable, "code": failure.code, "message": failure.message});
    if let Some(ms) = failure.retry_after_ms {
        shown["retry_after_ms"] = ms.into();
    }
    shown
}
