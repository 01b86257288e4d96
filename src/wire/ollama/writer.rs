//! Events as lines for a client of `/api/chat` or `/api/generate`: calls whole, and a last line that counts.

use std::io::Write;
use std::time::Duration;

use serde_json::Value;

use crate::wire::Usage;
use crate::wire::json;
use crate::wire::literal::push as literal;
use crate::wire::neutral::{CallKind, Error, Event, Finish, Request, arguments_object};
use crate::wire::translate::{Elapsed, Naming};

use super::error;

/// Writes a stream.
#[derive(Debug)]
pub struct Writer {
    /// `{"model":"…","created_at":"`.
    head: Vec<u8>,
    is_prompt: bool,
    created: u64,
    clock: Clock,
    /// Calls whose arguments still come, by their number.
    calls: Vec<Option<OpenCall>>,
    first_piece: Option<Duration>,
    /// When the last line was written, for lines of which nobody says when.
    last_line: Duration,
    usage: Usage,
    finish: Option<Finish>,
    /// The words of a refusal have been written as they came.
    has_refusal: bool,
    is_over: bool,
}

#[derive(Debug)]
struct OpenCall {
    id: String,
    name: String,
    kind: CallKind,
    arguments: String,
}

/// The second that was written last: its text serves all lines of the same second.
#[derive(Debug, Default)]
struct Clock {
    second: Option<u64>,
    text: String,
}

impl Writer {
    pub const CONTENT_TYPE: &'static str = "application/x-ndjson";

    pub fn new(asked: &Request, naming: &Naming) -> Writer {
        let mut head = b"{\"model\":".to_vec();
        head.extend_from_slice(&json::literal(&asked.model));
        head.extend_from_slice(b",\"created_at\":\"");
        Writer {
            head,
            is_prompt: asked.is_prompt,
            created: naming.created,
            clock: Clock::default(),
            calls: Vec::new(),
            first_piece: None,
            last_line: Duration::ZERO,
            usage: Usage::default(),
            finish: None,
            has_refusal: false,
            is_over: false,
        }
    }

    /// Takes the next event. Ollama gives one answer: other choices than the first are not told.
    pub fn write(&mut self, event: Event<'_>, elapsed: Elapsed, out: &mut Vec<u8>) {
        if self.is_over {
            return;
        }
        match event {
            Event::Text { choice: 0, text } => self.text("content", &text, elapsed, out),
            Event::Refusal { choice: 0, text } => {
                self.has_refusal = true;
                self.text("content", &text, elapsed, out);
            }
            Event::Reasoning {
                choice: 0, text, ..
            } => self.text("thinking", &text, elapsed, out),
            Event::CallStart {
                choice: 0,
                call,
                id,
                name,
                kind,
                ..
            } => {
                self.first_piece.get_or_insert(elapsed);
                let open = OpenCall {
                    id: id.into_owned(),
                    name: name.into_owned(),
                    kind,
                    arguments: String::new(),
                };
                *self.call(call) = Some(open);
            }
            Event::CallArguments { call, text } => {
                if let Some(open) = self.call(call) {
                    open.arguments.push_str(&text);
                }
            }
            Event::CallEnd { call } => self.end_call(call, elapsed, out),
            Event::Logprobs { choice: 0, value } => self.logprobs(&value, elapsed, out),
            Event::Usage(usage) => self.usage = usage,
            Event::Finish { choice: 0, reason } => self.finish = Some(reason),
            Event::Error(error) => self.error(&error, elapsed, out),
            Event::End => self.end(elapsed, out),
            Event::Start { .. }
            | Event::Text { .. }
            | Event::Refusal { .. }
            | Event::Reasoning { .. }
            | Event::ReasoningEnd { .. }
            | Event::CallStart { .. }
            | Event::Citation { .. }
            | Event::Logprobs { .. }
            | Event::Opaque { .. }
            | Event::Finish { .. } => {}
        }
    }

    /// A line that says nothing yet; legal anywhere before the last.
    pub fn keepalive(&mut self, out: &mut Vec<u8>) {
        if !self.is_over {
            self.line("content", "", self.last_line, out);
        }
    }

    /// Ends the stream with an error.
    pub fn error(&mut self, error: &Error, _elapsed: Elapsed, out: &mut Vec<u8>) {
        if !self.is_over {
            self.is_over = true;
            out.extend_from_slice(&error::body(&error.message));
            out.push(b'\n');
        }
    }

    /// Numbers count from 0 without gaps, so there are never more slots than calls.
    fn call(&mut self, call: u32) -> &mut Option<OpenCall> {
        let at = call as usize;
        while self.calls.len() <= at {
            self.calls.push(None);
        }
        &mut self.calls[at]
    }

    fn text(&mut self, member: &str, text: &str, elapsed: Elapsed, out: &mut Vec<u8>) {
        self.first_piece.get_or_insert(elapsed);
        self.line(member, text, elapsed, out);
    }

    fn line(&mut self, member: &str, text: &str, elapsed: Elapsed, out: &mut Vec<u8>) {
        self.open_line(elapsed, out);
        self.open_message(member, text, out);
        self.close_line(out);
    }

    /// Up to `created_at`, and the comma after it.
    fn open_line(&mut self, elapsed: Elapsed, out: &mut Vec<u8>) {
        self.last_line = elapsed;
        out.extend_from_slice(&self.head);
        self.clock.write(self.created, elapsed, out);
        out.extend_from_slice(b"\",");
    }

    /// The message with its text or its thoughts, left open in `/api/chat`.
    fn open_message(&self, member: &str, text: &str, out: &mut Vec<u8>) {
        let is_thinking = member == "thinking";
        let content = if is_thinking { "" } else { text };
        out.extend_from_slice(if self.is_prompt {
            b"\"response\":"
        } else {
            b"\"message\":{\"role\":\"assistant\",\"content\":"
        });
        literal(content, out);
        if is_thinking {
            out.extend_from_slice(b",\"thinking\":");
            literal(text, out);
        }
    }

    fn close_line(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(if self.is_prompt {
            b",\"done\":false}\n"
        } else {
            b"},\"done\":false}\n"
        });
    }

    fn end_call(&mut self, number: u32, elapsed: Elapsed, out: &mut Vec<u8>) {
        let Some(call) = self.call(number).take() else {
            return;
        };
        // `/api/generate` has no place for calls; none can be asked for there.
        if self.is_prompt {
            return;
        }
        self.open_line(elapsed, out);
        self.open_message("content", "", out);
        out.extend_from_slice(b",\"tool_calls\":[{\"id\":");
        literal(&call.id, out);
        let _ = write!(out, ",\"function\":{{\"index\":{number},\"name\":");
        literal(&call.name, out);
        out.extend_from_slice(b",\"arguments\":");
        let arguments = arguments_object(&call.arguments, &call.kind);
        serde_json::to_writer(&mut *out, &arguments).expect("a value always serialises");
        out.extend_from_slice(b"}}]");
        self.close_line(out);
    }

    fn logprobs(&mut self, value: &Value, elapsed: Elapsed, out: &mut Vec<u8>) {
        let Some(content) = value.get("content").filter(|list| list.is_array()) else {
            return;
        };
        self.open_line(elapsed, out);
        self.open_message("content", "", out);
        if !self.is_prompt {
            out.push(b'}');
        }
        out.extend_from_slice(b",\"logprobs\":");
        serde_json::to_writer(&mut *out, content).expect("a value always serialises");
        out.extend_from_slice(b",\"done\":false}\n");
    }

    fn end(&mut self, elapsed: Elapsed, out: &mut Vec<u8>) {
        for number in 0..self.calls.len() {
            self.end_call(number as u32, elapsed, out);
        }
        // The vendor's words for a refusal have no other place; in Ollama's a refusal is a stop like any other.
        if let (Some(Finish::Refusal(words)), false) = (&mut self.finish, self.has_refusal)
            && let Some(words) = words.take().filter(|words| !words.is_empty())
        {
            self.text("content", &words, elapsed, out);
        }
        self.is_over = true;
        self.open_line(elapsed, out);
        self.open_message("content", "", out);
        if !self.is_prompt {
            out.push(b'}');
        }
        let tail = Tail {
            reason: done_reason(self.finish.as_ref()),
            elapsed,
            first_piece: self.first_piece.unwrap_or(elapsed),
            usage: self.usage,
        };
        tail.write(out);
        out.extend_from_slice(b"}\n");
    }
}

/// The members of the last line, and of whole answers.
#[derive(Debug)]
pub struct Tail {
    pub reason: &'static str,
    pub elapsed: Duration,
    /// When the first piece came: what came before it counts as the prompt's evaluation.
    pub first_piece: Duration,
    pub usage: Usage,
}

impl Tail {
    /// Writes them, with a comma before the first.
    pub fn write(&self, out: &mut Vec<u8>) {
        let prompt = self.first_piece.min(self.elapsed);
        // Written into memory, which never fails.
        let _ = write!(
            out,
            ",\"done\":true,\"done_reason\":\"{}\",\"total_duration\":{},\"load_duration\":0,\
             \"prompt_eval_count\":{},\"prompt_eval_duration\":{},\"eval_count\":{},\"eval_duration\":{}",
            self.reason,
            self.elapsed.as_nanos(),
            self.usage.input(),
            prompt.as_nanos(),
            self.usage.output,
            (self.elapsed - prompt).as_nanos(),
        );
    }
}

/// Ollama's word for why an answer ended.
pub fn done_reason(finish: Option<&Finish>) -> &'static str {
    match finish {
        Some(Finish::Length | Finish::ContextFull | Finish::Paused) => "length",
        Some(
            Finish::Stop
            | Finish::StopSequence(_)
            | Finish::Tool
            | Finish::Filter
            | Finish::Refusal(_)
            | Finish::MalformedCall,
        )
        | None => "stop",
    }
}

impl Clock {
    /// The time as RFC 3339 has it, to the nanosecond.
    fn write(&mut self, created: u64, elapsed: Duration, out: &mut Vec<u8>) {
        let second = created.saturating_add(elapsed.as_secs());
        if self.second != Some(second) {
            self.second = Some(second);
            self.text = second_text(second);
        }
        out.extend_from_slice(self.text.as_bytes());
        let _ = write!(out, ".{:09}Z", elapsed.subsec_nanos());
    }
}

/// `2026-11-20T17:04:02`; the start of 1970 for a time that has no date.
fn second_text(second: u64) -> String {
    let signed = i64::try_from(second).unwrap_or(0);
    let date = chrono::DateTime::from_timestamp(signed, 0).unwrap_or_default();
    date.format("%Y-%m-%dT%H:%M:%S").to_string()
}

/// The time as RFC 3339 has it.
pub fn time_text(created: u64, elapsed: Duration) -> String {
    let mut text = Vec::new();
    Clock::default().write(created, elapsed, &mut text);
    String::from_utf8(text).unwrap_or_default()
}
