//! The events of a chat that is streamed (<https://docs.cohere.com/v2/docs/streaming>).

use serde_json::{Value, json};
use weir_openai::{Held, delta, own, permanent};
use weir_plugin::{Finish, PluginError, StreamEvent, TextDelta, ToolDelta};

use super::config::Counts;
use super::names::Names;
use super::usage;

/// Reads events in their order.
#[derive(Debug)]
pub struct ChatStream {
    counts: Counts,
    names: Names,
    /// Cohere's index of each call, in the order in which calls begin.
    calls: Vec<u64>,
    is_over: bool,
}

impl ChatStream {
    pub fn new(counts: Counts, names: Names) -> ChatStream {
        ChatStream {
            counts,
            names,
            calls: Vec::new(),
            is_over: false,
        }
    }

    /// Whether the last event has come.
    pub fn is_over(&self) -> bool {
        self.is_over
    }

    /// Reads the data of one event.
    pub fn event(&mut self, data: &str, held: &mut Held) {
        if self.is_over || data.trim() == "[DONE]" {
            return;
        }
        let Ok(event) = serde_json::from_str::<Value>(data) else {
            held.fail(permanent("Cohere's stream has an event that is no JSON"));
            return;
        };
        let message = &event["delta"]["message"];
        match event["type"].as_str().unwrap_or_default() {
            "content-start" | "content-delta" => content(&message["content"], held),
            "tool-plan-delta" => put_text(&message["tool_plan"], StreamEvent::Reasoning, held),
            "tool-call-start" => self.call(&event, &message["tool_calls"], held),
            "tool-call-delta" => self.arguments(&event, &message["tool_calls"], held),
            "citation-start" => citation(&message["citations"], held),
            "message-end" => self.end(&event["delta"], held),
            // What begins and ends says nothing that is not said otherwise; and there may be more kinds one day.
            _ if event.get("type").is_some() => {}
            _ => held.fail(trouble(event["message"].as_str())),
        }
    }

    fn call(&mut self, event: &Value, call: &Value, held: &mut Held) {
        let index = u32::try_from(self.calls.len()).unwrap_or(u32::MAX);
        let theirs = event["index"].as_u64();
        self.calls.push(theirs.unwrap_or(index.into()));
        held.put(tool_call(index, call, &self.names));
    }

    fn arguments(&mut self, event: &Value, call: &Value, held: &mut Held) {
        let theirs = event["index"].as_u64();
        let at = self.calls.iter().rposition(|known| Some(*known) == theirs);
        let last = self.calls.len().checked_sub(1);
        let Some(index) = at.or(last) else {
            held.fail(permanent(
                "Cohere's stream has arguments of a call that has not begun",
            ));
            return;
        };
        let arguments = call["function"]["arguments"].as_str().unwrap_or_default();
        if !arguments.is_empty() {
            held.put(StreamEvent::ToolCall(ToolDelta {
                choice: 0,
                index: u32::try_from(index).unwrap_or(u32::MAX),
                id: None,
                name: None,
                arguments: arguments.to_owned(),
            }));
        }
    }

    fn end(&mut self, end: &Value, held: &mut Held) {
        self.is_over = true;
        if let Some(used) = usage::of_chat(&end["usage"], self.counts) {
            held.put(StreamEvent::Usage(used));
        }
        match finish(end["finish_reason"].as_str(), end["error"].as_str()) {
            Ok(reason) => held.put(StreamEvent::Finish(Finish { choice: 0, reason })),
            Err(fault) => held.fail(fault),
        }
    }
}

/// A block of content, or a piece of one.
pub fn content(content: &Value, held: &mut Held) {
    put_text(&content["thinking"], StreamEvent::Reasoning, held);
    put_text(&content["text"], StreamEvent::Text, held);
}

pub fn put_text(text: &Value, event: fn(TextDelta) -> StreamEvent, held: &mut Held) {
    if let Some(text) = text.as_str().filter(|text| !text.is_empty()) {
        held.put(event(TextDelta {
            choice: 0,
            text: text.to_owned(),
        }));
    }
}

/// The begin of a call, or a whole one.
pub fn tool_call(index: u32, call: &Value, names: &Names) -> StreamEvent {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let name = text(&call["function"]["name"]);
    StreamEvent::ToolCall(ToolDelta {
        choice: 0,
        index,
        id: Some(text(&call["id"])),
        name: Some(names.read(&name).to_owned()),
        arguments: text(&call["function"]["arguments"]),
    })
}

/// A citation, as it is; and in OpenAI's form where it is of something with an address. Places count characters of the block of
/// content that it is of.
pub fn citation(citation: &Value, held: &mut Held) {
    if !citation.is_object() {
        return;
    }
    held.put(own("cohere.citation", citation));
    let sources = citation["sources"].as_array().into_iter().flatten();
    let annotations: Vec<Value> = sources
        .filter_map(|source| {
            let document = match source.get("document") {
                Some(document) => document,
                None => &source["tool_output"],
            };
            let url = document["url"].as_str()?;
            let title = document["title"].as_str().unwrap_or(url);
            let place = (&citation["start"], &citation["end"]);
            let inner =
                json!({"start_index": place.0, "end_index": place.1, "url": url, "title": title});
            Some(json!({"type": "url_citation", "url_citation": inner}))
        })
        .collect();
    if !annotations.is_empty() {
        held.put(delta(&json!({"annotations": annotations})));
    }
}

/// Why an answer ended, in weir's words.
///
/// # Errors
/// When it ended because something failed.
pub fn finish(reason: Option<&str>, error: Option<&str>) -> Result<String, PluginError> {
    let reason = match reason.unwrap_or_default() {
        "COMPLETE" | "STOP_SEQUENCE" => "stop",
        "MAX_TOKENS" | "ERROR_LIMIT" => "length",
        "TOOL_CALL" => "tool_calls",
        "ERROR_TOXIC" => "content_filter",
        "ERROR" => return Err(trouble(error.or(Some("the generation failed")))),
        "TIMEOUT" => return Err(trouble(error.or(Some("the generation took too long")))),
        "" => {
            return Err(trouble(
                error.or(Some("the answer does not say why it ends")),
            ));
        }
        other => return Ok(other.to_ascii_lowercase()),
    };
    Ok(reason.to_owned())
}

fn trouble(message: Option<&str>) -> PluginError {
    let message = message.unwrap_or("it has an event without a type");
    PluginError::Retryable(format!("Cohere broke off: {message}"))
}
