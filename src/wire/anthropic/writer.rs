//! Events as the stream that a client of this dialect reads: one block after another, each opened, filled and closed.

use std::io::Write as _;

use serde_json::Value;

use crate::wire::neutral::{
    CallKind, Citation, Error, Event, Finish, OneAtATime, Request, Signature,
};
use crate::wire::translate::{Elapsed, Naming};
use crate::wire::{Dialect, Usage, json};

use super::answer_out::{Said, Stop, message_id, usage_members};
use super::{citation, error};
use crate::wire::tree::{Json, Object};

/// Writes one stream.
#[derive(Debug)]
pub struct Writer {
    /// Only one block may be open, and calls may come interleaved.
    queue: OneAtATime,
    stream: Stream,
}

#[derive(Debug)]
struct Stream {
    /// What of the request the stream repeats or depends on.
    asked: Request,
    naming: Naming,
    started: bool,
    ended: bool,
    open: Option<Kind>,
    /// The index of the open block, or of the next.
    index: u64,
    /// The bytes before a piece of the open block.
    piece: Vec<u8>,
    /// The open call takes free text, which stands as a text in its input here.
    is_custom: bool,
    said: Said,
    finish: Option<Finish>,
    usage: Option<Usage>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Text,
    Thinking,
    Call,
}

impl Kind {
    /// The block when it opens (calls have more to say) and the type and member of its pieces.
    fn words(self) -> (&'static str, &'static str, &'static str) {
        match self {
            Kind::Text => (r#"{"type":"text","text":""}"#, "text_delta", "text"),
            Kind::Thinking => (
                r#"{"type":"thinking","thinking":"","signature":""}"#,
                "thinking_delta",
                "thinking",
            ),
            Kind::Call => ("", "input_json_delta", "partial_json"),
        }
    }
}

impl Writer {
    pub const CONTENT_TYPE: &'static str = "text/event-stream; charset=utf-8";

    pub fn new(asked: &Request, naming: &Naming) -> Writer {
        let mut kept = Request::new(asked.dialect, &asked.model);
        kept.stop.clone_from(&asked.stop);
        Writer {
            queue: OneAtATime::default(),
            stream: Stream {
                asked: kept,
                naming: naming.clone(),
                started: false,
                ended: false,
                open: None,
                index: 0,
                piece: Vec::new(),
                is_custom: false,
                said: Said::default(),
                finish: None,
                usage: None,
            },
        }
    }

    /// Writes what the client is to see of an event.
    pub fn write(&mut self, event: Event<'_>, elapsed: Elapsed, out: &mut Vec<u8>) {
        let stream = &mut self.stream;
        if let Event::Error(error) = &event {
            return self.error(error, elapsed, out);
        }
        self.queue.push(event, &mut |event| stream.take(event, out));
    }

    /// An event that says nothing; it may stand anywhere.
    pub fn keepalive(&mut self, out: &mut Vec<u8>) {
        if !self.stream.ended {
            out.extend_from_slice(b"event: ping\ndata: {\"type\":\"ping\"}\n\n");
        }
    }

    /// Breaks the stream off. The dialect does not close what is open then.
    pub fn error(&mut self, error: &Error, _: Elapsed, out: &mut Vec<u8>) {
        if !std::mem::replace(&mut self.stream.ended, true) {
            event("error", &error::body(error), out);
        }
    }
}

/// Around the free text of a custom tool's call.
const CUSTOM_OPENS: &str = r#"{"input":""#;
const CUSTOM_CLOSES: &str = r#""}"#;

/// A piece of a text as it stands within quotes.
fn escaped(text: &str) -> String {
    let literal = json::literal(text);
    let inner = &literal[1..literal.len() - 1];
    String::from_utf8_lossy(inner).into_owned()
}

/// One event; `data` tells its type itself.
fn event(name: &str, data: &Object<'_>, out: &mut Vec<u8>) {
    out.extend_from_slice(b"event: ");
    out.extend_from_slice(name.as_bytes());
    out.extend_from_slice(b"\ndata: ");
    data.write(out);
    out.extend_from_slice(b"\n\n");
}

impl Stream {
    fn take(&mut self, event: Event<'_>, out: &mut Vec<u8>) {
        if self.ended {
            return;
        }
        match event {
            Event::Start { id, .. } => self.start(&id, out),
            // One answer is all that the dialect has.
            Event::Text { choice: 0, text } => self.text(Kind::Text, &text, out),
            Event::Reasoning {
                choice: 0, text, ..
            } => self.text(Kind::Thinking, &text, out),
            Event::ReasoningEnd {
                choice: 0,
                signature,
                ..
            } => self.reasoning_end(signature.as_ref(), out),
            Event::Refusal { choice: 0, text } => self.said.refuse(&text),
            Event::CallStart {
                choice: 0,
                id,
                name,
                kind,
                signature,
                ..
            } => {
                self.call_start(&id, &name, signature.as_ref(), out);
                self.is_custom = kind == CallKind::Custom;
                if self.is_custom {
                    self.more(CUSTOM_OPENS, out);
                }
            }
            // Of other choices' calls none is open.
            Event::CallArguments { text, .. } if self.open == Some(Kind::Call) => {
                if self.is_custom {
                    self.more(&escaped(&text), out);
                } else {
                    self.more(&text, out);
                }
            }
            Event::CallEnd { .. } if self.open == Some(Kind::Call) => self.close(out),
            Event::Citation {
                choice: 0,
                citation,
            } => self.citation(&citation, out),
            Event::Opaque {
                dialect: Dialect::Anthropic,
                value,
            } => self.opaque(*value, out),
            Event::Usage(usage) => self.usage = Some(usage),
            Event::Finish { choice: 0, reason } => self.finish = Some(reason),
            Event::End => self.end(out),
            Event::Text { .. }
            | Event::Reasoning { .. }
            | Event::ReasoningEnd { .. }
            | Event::Refusal { .. }
            | Event::CallStart { .. }
            | Event::CallArguments { .. }
            | Event::CallEnd { .. }
            | Event::Citation { .. }
            | Event::Opaque { .. }
            | Event::Logprobs { .. }
            | Event::Finish { .. }
            | Event::Error(_) => {}
        }
    }

    fn start(&mut self, id: &str, out: &mut Vec<u8>) {
        self.started = true;
        let message = Object::default()
            .with("id", message_id(id, &self.naming))
            .with("type", "message")
            .with("role", "assistant")
            .with("model", &self.asked.model)
            .with("content", Vec::new())
            .with("stop_reason", Json::Null)
            .with("stop_sequence", Json::Null)
            .with("usage", usage_members(self.usage, &self.naming));
        event(
            "message_start",
            &Object::typed("message_start").with("message", message),
            out,
        );
    }

    /// A piece of a text or of reasoning; opens a block where none of its kind is open.
    fn text(&mut self, kind: Kind, text: &str, out: &mut Vec<u8>) {
        if self.open != Some(kind) {
            self.open(kind, kind.words().0.as_bytes(), out);
        }
        self.more(text, out);
    }

    fn more(&mut self, text: &str, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.piece);
        serde_json::to_writer(&mut *out, text).expect("writing to memory does not fail");
        out.extend_from_slice(b"}}\n\n");
    }

    fn open(&mut self, kind: Kind, block: &[u8], out: &mut Vec<u8>) {
        self.block_start(block, out);
        self.open = Some(kind);
        let (_, delta, member) = kind.words();
        self.piece.clear();
        self.delta_head(delta, member);
    }

    /// Sets `piece` to all of an event that stands before the text of a piece.
    fn delta_head(&mut self, delta: &str, member: &str) {
        write!(
            self.piece,
            "event: content_block_delta\ndata: {{\"type\":\"content_block_delta\",\"index\":{},\"delta\":{{\"type\":\"{delta}\",\"{member}\":",
            self.index
        )
        .expect("writing to memory does not fail");
    }

    fn block_start(&mut self, block: &[u8], out: &mut Vec<u8>) {
        self.close(out);
        write!(
            out,
            "event: content_block_start\ndata: {{\"type\":\"content_block_start\",\"index\":{},\"content_block\":",
            self.index
        )
        .expect("writing to memory does not fail");
        out.extend_from_slice(block);
        out.extend_from_slice(b"}\n\n");
    }

    /// One delta that is no piece of text.
    fn delta(&self, delta: Object<'_>, out: &mut Vec<u8>) {
        let data = Object::typed("content_block_delta")
            .with("index", self.index)
            .with("delta", delta);
        event("content_block_delta", &data, out);
    }

    fn close(&mut self, out: &mut Vec<u8>) {
        if self.open == Some(Kind::Call) && std::mem::take(&mut self.is_custom) {
            self.more(CUSTOM_CLOSES, out);
        }
        if self.open.take().is_some() {
            self.block_stop(out);
        }
    }

    fn block_stop(&mut self, out: &mut Vec<u8>) {
        write!(
            out,
            "event: content_block_stop\ndata: {{\"type\":\"content_block_stop\",\"index\":{}}}\n\n",
            self.index
        )
        .expect("writing to memory does not fail");
        self.index += 1;
    }

    fn reasoning_end(&mut self, signature: Option<&Signature>, out: &mut Vec<u8>) {
        let is_open = self.open == Some(Kind::Thinking);
        match signature {
            Some(signature) if signature.is_redacted => {
                let block = Object::typed("redacted_thinking")
                    .with("data", signature.for_slot(Dialect::Anthropic));
                self.block_start(&block.bytes(), out);
                self.block_stop(out);
            }
            Some(signature) => {
                if !is_open {
                    self.open(Kind::Thinking, Kind::Thinking.words().0.as_bytes(), out);
                }
                let slot = signature.for_slot(Dialect::Anthropic);
                self.delta(
                    Object::typed("signature_delta").with("signature", slot),
                    out,
                );
                self.close(out);
            }
            // The signature that the block opened with, an empty one, stands.
            None if is_open => self.close(out),
            None => {}
        }
    }

    fn call_start(
        &mut self,
        id: &str,
        name: &str,
        signature: Option<&Signature>,
        out: &mut Vec<u8>,
    ) {
        self.said.calls = true;
        // A call has no slot for a signature: a block of reasoning right before it has.
        if signature.is_some() {
            self.close(out);
            self.reasoning_end(signature, out);
        }
        let block = Object::typed("tool_use").with("id", id).with("name", name);
        self.open(
            Kind::Call,
            &block.with("input", Object::default()).bytes(),
            out,
        );
    }

    /// Belongs to the text before it; where that is closed, there is no place left for it.
    fn citation(&mut self, citation: &Citation, out: &mut Vec<u8>) {
        if let (Some(Kind::Text), Some(written)) = (self.open, citation::written(citation)) {
            self.delta(
                Object::typed("citations_delta").with("citation", written),
                out,
            );
        }
    }

    /// A block of the vendor's own, in the pieces in which the vendor sends it.
    fn opaque(&mut self, mut block: Value, out: &mut Vec<u8>) {
        let kind = block
            .get("type")
            .and_then(Value::as_str)
            .unwrap_or_default();
        let member = match kind {
            "server_tool_use" | "mcp_tool_use" => "input",
            "compaction" => "content",
            _ => "",
        };
        let moved = block.get_mut(member).map(Value::take);
        if let (Some(slot), "input") = (block.get_mut("input"), member) {
            *slot = Value::Object(serde_json::Map::new());
        }
        self.block_start(block.to_string().as_bytes(), out);
        if let Some(moved) = moved {
            let delta = match member {
                "input" => {
                    Object::typed("input_json_delta").with("partial_json", moved.to_string())
                }
                _ => Object::typed("compaction_delta").with("content", moved),
            };
            self.delta(delta, out);
        }
        self.block_stop(out);
    }

    fn end(&mut self, out: &mut Vec<u8>) {
        if !self.started {
            self.start("", out);
        }
        // What the model declined in has no other place where the answer ends for another reason.
        if let Some(words) = self.said.refusal_as_text(self.finish.as_ref()) {
            self.text(Kind::Text, &words, out);
        }
        self.close(out);
        self.ended = true;
        let stop = Stop::of(self.finish.as_ref(), &self.said, &self.asked);
        let data = Object::typed("message_delta")
            .with("delta", stop.told(Object::default()))
            .with("usage", usage_members(self.usage, &self.naming));
        event("message_delta", &data, out);
        out.extend_from_slice(b"event: message_stop\ndata: {\"type\":\"message_stop\"}\n\n");
    }
}
