//! A chat answer as a stream of chunks, in the grammar of `chat.completion.chunk`.
//! It must not know when they are sent.

use std::io::Write;

use bytes::{BufMut, BytesMut};
use serde_json::{Value, json};

use super::answer::Text;
use super::chat::{Choice, Said, logprob, reasoning_field};
use super::chat_request::StreamOptions;
use super::options::EngineKind;
use super::reply::{Source, When};
use super::usage::Reporting;

/// What all chunks of a stream share.
pub struct ChatHead {
    pub id: String,
    pub created: u64,
    pub model: String,
    pub name: String,
    pub kind: EngineKind,
}

/// The chunks of one answer.
pub struct ChatEvents {
    kind: EngineKind,
    said: Said,
    options: StreamOptions,
    logprobs: Option<usize>,
    reporting: Reporting,
    /// `data: {…,"choices":[`, the same for every chunk.
    head: Vec<u8>,
    cursors: Vec<Cursor>,
    stage: Stage,
    sent_tokens: usize,
}

enum Stage {
    Role(usize),
    Tokens,
    Finish(usize),
    Usage,
    Done,
    Over,
}

/// How far a choice was sent.
#[derive(Default, Clone)]
struct Cursor {
    /// 0: reasoning, 1: content, from 2 on: calls.
    segment: usize,
    token: usize,
    /// Whether the call's first chunk, with its id and name, was sent.
    opened: bool,
    sent: u32,
}

impl ChatEvents {
    pub fn new(
        head: ChatHead,
        said: Said,
        options: StreamOptions,
        logprobs: Option<usize>,
        reporting: Reporting,
    ) -> Self {
        let fields = json!({
            "id": head.id,
            "object": "chat.completion.chunk",
            "created": head.created,
            "model": head.model,
            "system_fingerprint": head.name,
        });
        let fields = fields.to_string();
        Self {
            kind: head.kind,
            cursors: vec![Cursor::default(); said.choices.len()],
            said,
            options,
            logprobs,
            reporting,
            head: format!("data: {},\"choices\":[", &fields[..fields.len() - 1]).into_bytes(),
            stage: Stage::Role(0),
            sent_tokens: 0,
        }
    }

    /// A chunk of one choice.
    fn write_chunk(
        &self,
        index: usize,
        delta: &Value,
        finish: Option<(&str, &Option<String>)>,
        out: &mut BytesMut,
    ) {
        let mut choice = json!({"index": index, "delta": delta, "logprobs": null, "finish_reason": finish.map(|(reason, _)| reason)});
        let stop_field = match self.kind {
            EngineKind::Vllm => Some("stop_reason"),
            EngineKind::Sglang => Some("matched_stop"),
            _ => None,
        };
        if let (Some(field), Some((_, stop_reason))) = (stop_field, finish) {
            choice[field] = stop_reason.clone().into();
        }
        out.put_slice(&self.head);
        write_json(&choice, out);
        let early =
            self.reporting == Reporting::Early && finish.is_some() && self.options.include_usage;
        self.write_end(early, out);
    }

    /// The same for a piece of text, which is most of what is sent, without building a value.
    fn write_text(&self, index: usize, field: &str, text: &str, out: &mut BytesMut) {
        out.put_slice(&self.head);
        // Writing to memory cannot fail.
        let _ = write!(out.writer(), "{{\"index\":{index},\"delta\":{{\"{field}\":");
        write_json(text, out);
        out.put_slice(b"},\"logprobs\":");
        match self.logprobs.filter(|_| field == "content") {
            None => out.put_slice(b"null"),
            Some(top) => write_json(&json!({"content": [logprob(text, top)]}), out),
        }
        out.put_slice(b",\"finish_reason\":null}");
        self.write_end(false, out);
    }

    fn write_end(&self, early_usage: bool, out: &mut BytesMut) {
        out.put_slice(b"]");
        if self.options.continuous_usage || early_usage {
            if let Some(usage) = self.usage() {
                out.put_slice(b",\"usage\":");
                write_json(&usage, out);
            }
        } else if self.options.include_usage && self.kind == EngineKind::Openai {
            out.put_slice(b",\"usage\":null");
        }
        out.put_slice(b"}\n\n");
    }

    fn usage(&self) -> Option<Value> {
        self.reporting
            .usage(self.kind, self.said.work.prompt_tokens, self.sent_tokens)
    }

    /// The next token of the choice that is furthest behind; choices advance side by side.
    fn write_token(&mut self, out: &mut BytesMut) -> Option<When> {
        for cursor in &mut self.cursors.iter_mut().zip(&self.said.choices) {
            cursor.0.settle(cursor.1);
        }
        let unfinished = self
            .cursors
            .iter()
            .enumerate()
            .filter(|(index, cursor)| cursor.text(&self.said.choices[*index]).is_some());
        let (index, _) = unfinished.min_by_key(|(_, cursor)| cursor.sent)?;
        let cursor = self.cursors[index].clone();
        let choice = &self.said.choices[index];
        let call = cursor.segment.checked_sub(2);
        if let Some(number) = call.filter(|_| !cursor.opened) {
            self.cursors[index].opened = true;
            let call = &choice.calls[number];
            let function = json!({"name": call.name, "arguments": ""});
            let delta = json!({"tool_calls": [{"index": number, "id": call.id, "type": "function", "function": function}]});
            self.write_chunk(index, &delta, None, out);
            return Some(When::With(cursor.sent));
        }
        self.sent_tokens += 1;
        let text = cursor.text(choice)?.token(cursor.token);
        match (cursor.segment, call) {
            (_, Some(number)) => {
                let delta =
                    json!({"tool_calls": [{"index": number, "function": {"arguments": text}}]});
                self.write_chunk(index, &delta, None, out);
            }
            (0, None) => self.write_text(index, reasoning_field(self.kind), text, out),
            (_, None) => self.write_text(index, "content", text, out),
        }
        self.cursors[index].token += 1;
        self.cursors[index].sent += 1;
        Some(When::Token(cursor.sent))
    }

    fn write_role(&self, index: usize, out: &mut BytesMut) {
        self.write_chunk(
            index,
            &json!({"role": "assistant", "content": ""}),
            None,
            out,
        );
    }

    fn write_finish(&self, index: usize, out: &mut BytesMut) {
        let choice = &self.said.choices[index];
        // vLLM's last chunk carries the end-of-sequence token, whose text is empty.
        let delta = if self.kind == EngineKind::Vllm {
            json!({"content": ""})
        } else {
            json!({})
        };
        self.write_chunk(
            index,
            &delta,
            Some((choice.finish_reason, &choice.stop_reason)),
            out,
        );
    }

    fn write_usage(&self, usage: &Value, out: &mut BytesMut) {
        out.put_slice(&self.head);
        out.put_slice(b"],\"usage\":");
        write_json(usage, out);
        out.put_slice(b"}\n\n");
    }
}

impl Cursor {
    /// Moves on from segments that are sent.
    fn settle(&mut self, choice: &Choice) {
        while self.segment < 2 + choice.calls.len()
            && self
                .text(choice)
                .is_none_or(|text| self.token >= text.tokens())
        {
            *self = Self {
                segment: self.segment + 1,
                token: 0,
                opened: false,
                sent: self.sent,
            };
        }
    }

    fn text<'a>(&self, choice: &'a Choice) -> Option<&'a Text> {
        match self.segment {
            0 => Some(&choice.reasoning),
            1 => Some(&choice.content),
            call => choice.calls.get(call - 2).map(|call| &call.arguments),
        }
    }
}

impl Source for ChatEvents {
    fn write_next(&mut self, out: &mut BytesMut) -> Option<When> {
        loop {
            match self.stage {
                Stage::Role(index) if index < self.said.choices.len() => {
                    self.stage = Stage::Role(index + 1);
                    self.write_role(index, out);
                    return Some(When::With(0));
                }
                Stage::Role(_) => self.stage = Stage::Tokens,
                Stage::Tokens => match self.write_token(out) {
                    Some(when) => return Some(when),
                    None => self.stage = Stage::Finish(0),
                },
                Stage::Finish(index) if index < self.said.choices.len() => {
                    self.stage = Stage::Finish(index + 1);
                    self.write_finish(index, out);
                    return Some(When::Now);
                }
                Stage::Finish(_) => self.stage = Stage::Usage,
                Stage::Usage => {
                    self.stage = Stage::Done;
                    let usage = self.usage().filter(|_| {
                        self.options.include_usage && self.reporting != Reporting::Early
                    });
                    if let Some(usage) = usage {
                        self.write_usage(&usage, out);
                        return Some(When::Now);
                    }
                }
                Stage::Done => {
                    self.stage = Stage::Over;
                    out.put_slice(b"data: [DONE]\n\n");
                    return Some(When::Now);
                }
                Stage::Over => return None,
            }
        }
    }

    fn finish_reason(&self) -> &'static str {
        self.said
            .choices
            .first()
            .map_or("stop", |choice| choice.finish_reason)
    }
}

/// Writes JSON behind what is there.
pub fn write_json(value: &(impl serde::Serialize + ?Sized), out: &mut BytesMut) {
    // Neither memory nor these values can fail.
    let _ = serde_json::to_writer(out.writer(), value);
}
