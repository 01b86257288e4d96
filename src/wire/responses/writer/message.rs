//! A message item: texts and refusals, one part open at a time.

use serde_json::{Map, Value, json};

use crate::wire::literal;
use crate::wire::neutral::Citation;
use crate::wire::responses::annotations;
use crate::wire::responses::settings::number;

use super::frames::{Delta, Frames, Place, member, quoted, raw_member, text_member};

/// The item that is open.
pub struct Message {
    place: Place,
    /// `phase`, where the model has said it.
    head: Map<String, Value>,
    /// The parts that are done.
    content: Vec<u8>,
    parts: u32,
    open: Option<Part>,
}

struct Part {
    is_refusal: bool,
    delta: Delta,
    /// The text so far, as JSON without its quotes.
    escaped: Vec<u8>,
    annotations: Vec<Value>,
    logprobs: Vec<Value>,
}

/// What an item takes around its content, and a part around its text, about.
const FRAME_BYTES: usize = 256;

impl Message {
    pub fn open(
        place: Place,
        head: Map<String, Value>,
        frames: &mut Frames,
        out: &mut Vec<u8>,
    ) -> Message {
        let message = Message {
            place,
            head,
            content: Vec::new(),
            parts: 0,
            open: None,
        };
        if !frames.is_silent() {
            let item = message.item("in_progress");
            message.place.item(false, &item, frames, out);
        }
        message
    }

    pub fn text(
        &mut self,
        piece: &str,
        logprobs: Vec<Value>,
        frames: &mut Frames,
        out: &mut Vec<u8>,
    ) {
        self.ready(false, frames, out);
        let Some(part) = &mut self.open else { return };
        let short: Vec<Value> = logprobs.iter().map(without_bytes).collect();
        frames.delta(&part.delta, piece, Some(&short), &mut part.escaped, out);
        part.logprobs.extend(logprobs.into_iter().map(with_bytes));
    }

    pub fn refusal(&mut self, piece: &str, frames: &mut Frames, out: &mut Vec<u8>) {
        self.ready(true, frames, out);
        let Some(part) = &mut self.open else { return };
        frames.delta(&part.delta, piece, None, &mut part.escaped, out);
    }

    /// Of the text that is open; there is none where it is said of nothing.
    pub fn cite(&mut self, citation: &Citation, frames: &mut Frames, out: &mut Vec<u8>) {
        let content_index = self.parts;
        let Some(part) = self.open.as_mut().filter(|part| !part.is_refusal) else {
            return;
        };
        let mut text = Vec::new();
        quoted(&part.escaped, &mut text);
        let text: String = serde_json::from_slice(&text).unwrap_or_default();
        let Some(annotation) = annotations::write(citation, text.chars().count()) else {
            return;
        };
        let annotation_index = part.annotations.len() as u64;
        frames.event("response.output_text.annotation.added", out, |out| {
            member("annotation", &annotation, out);
            raw_member("annotation_index", out);
            number(annotation_index, out);
            raw_member("content_index", out);
            number(u64::from(content_index), out);
            self.place.write(out);
        });
        part.annotations.push(annotation);
    }

    /// Ends the item; returns it.
    pub fn close(mut self, status: &str, frames: &mut Frames, out: &mut Vec<u8>) -> Vec<u8> {
        self.close_part(frames, out);
        let item = self.item(status);
        self.place.item(true, &item, frames, out);
        item
    }

    /// Opens a part of that kind, unless one is open.
    fn ready(&mut self, is_refusal: bool, frames: &mut Frames, out: &mut Vec<u8>) {
        if self
            .open
            .as_ref()
            .is_some_and(|part| part.is_refusal == is_refusal)
        {
            return;
        }
        self.close_part(frames, out);
        let kind = if is_refusal {
            "response.refusal.delta"
        } else {
            "response.output_text.delta"
        };
        let part = Part {
            is_refusal,
            delta: frames.pieces(kind, |out| self.write_place(out)),
            escaped: Vec::new(),
            annotations: Vec::new(),
            logprobs: Vec::new(),
        };
        frames.event("response.content_part.added", out, |out| {
            raw_member("part", out);
            part.write(out);
            self.write_place(out);
        });
        self.open = Some(part);
    }

    fn close_part(&mut self, frames: &mut Frames, out: &mut Vec<u8>) {
        let Some(part) = self.open.take() else { return };
        let (kind, word) = if part.is_refusal {
            ("response.refusal.done", "refusal")
        } else {
            ("response.output_text.done", "text")
        };
        frames.event(kind, out, |out| {
            raw_member(word, out);
            quoted(&part.escaped, out);
            if !part.is_refusal {
                let short: Vec<Value> = part.logprobs.iter().map(without_bytes).collect();
                member("logprobs", &short, out);
            }
            self.write_place(out);
        });
        if self.parts > 0 {
            self.content.push(b',');
        }
        let from = self.content.len();
        self.content.reserve(part.escaped.len() + FRAME_BYTES);
        part.write(&mut self.content);
        frames.event("response.content_part.done", out, |out| {
            raw_member("part", out);
            out.extend_from_slice(&self.content[from..]);
            self.write_place(out);
        });
        self.parts += 1;
    }

    fn write_place(&self, out: &mut Vec<u8>) {
        raw_member("content_index", out);
        number(u64::from(self.parts), out);
        self.place.write(out);
    }

    fn item(&self, status: &str) -> Vec<u8> {
        let mut item = Vec::with_capacity(self.content.len() + FRAME_BYTES);
        item.extend_from_slice(b"{\"id\":");
        literal::push(&self.place.id, &mut item);
        text_member("type", "message", &mut item);
        text_member("status", status, &mut item);
        raw_member("content", &mut item);
        item.push(b'[');
        item.extend_from_slice(&self.content);
        item.push(b']');
        text_member("role", "assistant", &mut item);
        for (name, said) in &self.head {
            member(name, said, &mut item);
        }
        item.push(b'}');
        item
    }
}

impl Part {
    fn write(&self, out: &mut Vec<u8>) {
        if self.is_refusal {
            out.extend_from_slice(b"{\"type\":\"refusal\",\"refusal\":");
            quoted(&self.escaped, out);
        } else {
            out.extend_from_slice(b"{\"type\":\"output_text\"");
            member("annotations", &self.annotations, out);
            member("logprobs", &self.logprobs, out);
            raw_member("text", out);
            quoted(&self.escaped, out);
        }
        out.push(b'}');
    }
}

/// As events have it: without the bytes of tokens.
fn without_bytes(logprob: &Value) -> Value {
    let top = logprob["top_logprobs"].as_array().into_iter().flatten();
    let short = |one: &Value| json!({"token": one["token"], "logprob": one["logprob"]});
    let mut all = short(logprob);
    all["top_logprobs"] = top.map(short).collect();
    all
}

/// As items have it: bytes of a token are asked for, where other dialects may leave them out.
fn with_bytes(mut logprob: Value) -> Value {
    fn fill(one: &mut Value) {
        if one["bytes"].is_array() {
            return;
        }
        let token = one["token"].as_str().unwrap_or_default();
        one["bytes"] = token.bytes().map(Value::from).collect();
    }
    fill(&mut logprob);
    match logprob.get_mut("top_logprobs") {
        Some(Value::Array(top)) => top.iter_mut().for_each(fill),
        _ => logprob["top_logprobs"] = json!([]),
    }
    logprob
}
