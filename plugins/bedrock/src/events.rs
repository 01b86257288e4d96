//! The events of a stream (<https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_ConverseStreamOutput.html>), and the
//! blocks of a whole answer, as neutral events.

use serde_json::{Value, json};
use weir_openai::{Held, delta, own, permanent};
use weir_plugin::{Finish, PluginError, StreamEvent, TextDelta, ToolDelta};

use super::ending;
use super::frame::Frame;

/// Reads an answer piece by piece.
#[derive(Debug, Default)]
pub struct Answer {
    /// The block of each call, in the order in which calls begin.
    calls: Vec<u64>,
    /// Blocks of tools that Bedrock runs itself.
    hosted: Vec<u64>,
    has_stopped: bool,
}

impl Answer {
    /// Whether the model has said that it is done.
    pub fn has_stopped(&self) -> bool {
        self.has_stopped
    }

    /// Reads one frame.
    pub fn frame(&mut self, frame: &Frame, held: &mut Held) {
        match frame.header(":message-type") {
            Some("event") => self.event(frame, held),
            Some("exception") => held.fail(exception(frame)),
            Some("error") => {
                let text = |name: &str| frame.header(name).unwrap_or_default();
                let code = text(":error-code");
                held.fail(trouble(code, text(":error-message")));
            }
            _ => held.fail(permanent("Bedrock's stream has a frame that is no event")),
        }
    }

    fn event(&mut self, frame: &Frame, held: &mut Held) {
        let Ok(event) = serde_json::from_slice::<Value>(&frame.payload) else {
            held.fail(permanent("Bedrock's stream has an event that is no JSON"));
            return;
        };
        let index = event["contentBlockIndex"].as_u64().unwrap_or_default();
        match frame.header(":event-type").unwrap_or_default() {
            "contentBlockStart" => self.start(index, &event["start"], held),
            "contentBlockDelta" => self.delta(index, &event["delta"], held),
            "messageStop" => {
                let more = &event["additionalModelResponseFields"];
                self.stop(&event["stopReason"], more, held);
            }
            "metadata" => metadata(&event, held),
            // `messageStart` and `contentBlockStop` say nothing more; and there may be other kinds one day.
            _ => {}
        }
    }

    fn start(&mut self, index: u64, start: &Value, held: &mut Held) {
        let call = &start["toolUse"];
        if call.is_object() && call.get("type").is_none() {
            self.call(index, call, String::new(), held);
        } else if call.is_object() || start.get("toolResult").is_some() {
            self.hosted.push(index);
            held.put(own("bedrock.block", start));
        } else if start.get("image").is_some() {
            held.put(own("bedrock.block", start));
        }
    }

    fn call(&mut self, block: u64, call: &Value, arguments: String, held: &mut Held) {
        let index = u32::try_from(self.calls.len()).unwrap_or(u32::MAX);
        self.calls.push(block);
        let text = |name: &str| Some(call[name].as_str().unwrap_or_default().to_owned());
        held.put(StreamEvent::ToolCall(ToolDelta {
            choice: 0,
            index,
            id: text("toolUseId"),
            name: text("name"),
            arguments,
        }));
    }

    fn delta(&mut self, index: u64, delta: &Value, held: &mut Held) {
        if self.hosted.contains(&index) {
            held.put(own("bedrock.delta", delta));
        } else if let Some(text) = delta["text"].as_str() {
            put_text(text, StreamEvent::Text, held);
        } else if let Some(piece) = delta["toolUse"]["input"].as_str() {
            self.arguments(index, piece, held);
        } else if let Some(reasoning) = delta.get("reasoningContent") {
            reasoning_piece(index, reasoning, held);
        } else if let Some(cited) = delta.get("citation") {
            citation(cited, held);
        } else if delta.as_object().is_some_and(|delta| !delta.is_empty()) {
            held.put(own("bedrock.delta", delta));
        }
    }

    fn arguments(&mut self, block: u64, piece: &str, held: &mut Held) {
        let Some(index) = self.calls.iter().rposition(|known| *known == block) else {
            held.fail(permanent(
                "Bedrock's stream has input for a call that has not begun",
            ));
            return;
        };
        if !piece.is_empty() {
            held.put(StreamEvent::ToolCall(ToolDelta {
                choice: 0,
                index: u32::try_from(index).unwrap_or(u32::MAX),
                id: None,
                name: None,
                arguments: piece.to_owned(),
            }));
        }
    }

    fn stop(&mut self, reason: &Value, more: &Value, held: &mut Held) {
        self.has_stopped = true;
        if more.as_object().is_some_and(|more| !more.is_empty()) {
            held.put(own("bedrock.fields", more));
        }
        let reason = ending::reason(reason.as_str().unwrap_or_default(), !self.calls.is_empty());
        held.put(StreamEvent::Finish(Finish { choice: 0, reason }));
    }

    /// Reads a whole answer.
    ///
    /// # Errors
    /// When it is none.
    pub fn whole(&mut self, body: &[u8], held: &mut Held) -> Result<(), PluginError> {
        let answer: Value = serde_json::from_slice(body)
            .map_err(|error| permanent(format!("Bedrock's answer is no JSON: {error}")))?;
        let content = answer["output"]["message"]["content"].as_array();
        let content = content.ok_or_else(|| permanent("Bedrock's answer holds no message"))?;
        for (index, block) in (0u64..).zip(content) {
            self.block(index, block, held);
        }
        metadata(&answer, held);
        let more = &answer["additionalModelResponseFields"];
        self.stop(&answer["stopReason"], more, held);
        Ok(())
    }

    fn block(&mut self, index: u64, block: &Value, held: &mut Held) {
        let call = &block["toolUse"];
        if let Some(text) = block["text"].as_str() {
            put_text(text, StreamEvent::Text, held);
        } else if call.is_object() && call.get("type").is_none() {
            self.call(index, call, call["input"].to_string(), held);
        } else if let Some(reasoning) = block.get("reasoningContent") {
            let told = reasoning.get("reasoningText").unwrap_or(reasoning);
            for member in ["text", "signature", "redactedContent"] {
                if let Some(value) = told.get(member) {
                    reasoning_piece(index, &json!({member: value}), held);
                }
            }
        } else if let Some(cited) = block.get("citationsContent") {
            for piece in cited["content"].as_array().into_iter().flatten() {
                put_text(
                    piece["text"].as_str().unwrap_or_default(),
                    StreamEvent::Text,
                    held,
                );
            }
            for source in cited["citations"].as_array().into_iter().flatten() {
                citation(source, held);
            }
        } else {
            held.put(own("bedrock.block", block));
        }
    }
}

fn put_text(text: &str, event: fn(TextDelta) -> StreamEvent, held: &mut Held) {
    if !text.is_empty() {
        let text = text.to_owned();
        held.put(event(TextDelta { choice: 0, text }));
    }
}

/// Texts are neutral; proofs go as OpenRouter's clients keep them and send them back.
fn reasoning_piece(index: u64, piece: &Value, held: &mut Held) {
    let detail = if let Some(text) = piece["text"].as_str() {
        return put_text(text, StreamEvent::Reasoning, held);
    } else if let Some(signature) = piece["signature"].as_str() {
        json!({"type": "reasoning.text", "signature": signature, "index": index})
    } else if let Some(data) = piece["redactedContent"].as_str() {
        json!({"type": "reasoning.encrypted", "data": data, "index": index})
    } else {
        return;
    };
    held.put(delta(&json!({"reasoning_details": [detail]})));
}

/// A citation, as it is; and in OpenAI's form where it is of something on the web.
fn citation(citation: &Value, held: &mut Held) {
    held.put(own("bedrock.citation", citation));
    if let Some(url) = citation["location"]["web"]["url"].as_str() {
        let title = citation["title"].as_str().unwrap_or(url);
        let inner = json!({"url": url, "title": title});
        let annotation = json!({"type": "url_citation", "url_citation": inner});
        held.put(delta(&json!({"annotations": [annotation]})));
    }
}

/// What is known of an answer when it is done: its usage, and the trace of a guardrail or a router.
fn metadata(event: &Value, held: &mut Held) {
    if let Some(used) = ending::usage(&event["usage"]) {
        held.put(StreamEvent::Usage(used));
    }
    let trace = &event["trace"];
    if trace.as_object().is_some_and(|trace| !trace.is_empty()) {
        held.put(own("bedrock.trace", trace));
    }
}

fn exception(frame: &Frame) -> PluginError {
    let kind = frame.header(":exception-type").unwrap_or("exception");
    let told: Option<Value> = serde_json::from_slice(&frame.payload).ok();
    let told = told.unwrap_or_default();
    let message = told["message"]
        .as_str()
        .or(told["originalMessage"].as_str());
    trouble(kind, message.unwrap_or_default())
}

fn trouble(kind: &str, message: &str) -> PluginError {
    let text = format!("Bedrock broke off: {kind}: {message}");
    match kind {
        "validationException" | "ValidationException" => PluginError::Permanent(text),
        _ => PluginError::Retryable(text),
    }
}
