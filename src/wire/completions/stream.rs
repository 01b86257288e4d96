//! Streams, read and written: the same objects as whole answers, piece by piece.

use std::io::Write;

use serde_json::json;

use crate::wire::Usage;
use crate::wire::chat;
use crate::wire::chat::{counts, ending, error};
use crate::wire::neutral::{Error, Event, Finish, Request, Sink, Unintelligible};
use crate::wire::translate::{Elapsed, Naming};

use super::logprobs;

/// Reads the chunks of one stream, in order.
#[derive(Debug)]
pub struct Reader {
    inner: chat::Reader,
}

impl Reader {
    /// `seed` must be unique to the exchange.
    pub fn new(seed: &str) -> Reader {
        Reader {
            inner: chat::Reader::new(seed),
        }
    }

    /// Whether `[DONE]` ends an answer that has not said why it ends; it is cut otherwise.
    pub fn may_end_without_reason(&mut self, it_may: bool) {
        self.inner.may_end_without_reason(it_may);
    }

    /// Reads the payload of one event.
    ///
    /// # Errors
    /// When it is no chunk.
    pub fn read(
        &mut self,
        name: Option<&[u8]>,
        data: &[u8],
        sink: &mut Sink<'_>,
    ) -> Result<(), Unintelligible> {
        self.inner.read(name, data, &mut |event| match event {
            Event::Logprobs { choice, value } => sink(Event::Logprobs {
                choice,
                value: Box::new(logprobs::to_chat(&value)),
            }),
            event => sink(event),
        })
    }

    /// The bytes are over: tells what is held back, if every choice has finished.
    pub fn end(&mut self, sink: &mut Sink<'_>) {
        self.inner.end(sink);
    }
}

/// Writes the chunks of one stream.
#[derive(Debug)]
pub struct Writer {
    /// `data: {…,"choices":[`
    head: Vec<u8>,
    usage_wanted: bool,
    choices: Vec<ChoiceState>,
    usage: Option<Usage>,
    over: bool,
}

#[derive(Debug, Default)]
struct ChoiceState {
    has_text: bool,
    finished: bool,
    /// Characters of tokens with log probabilities.
    offset: usize,
}

impl Writer {
    pub const CONTENT_TYPE: &'static str = chat::Writer::CONTENT_TYPE;

    pub fn new(asked: &Request, naming: &Naming) -> Writer {
        let shared = json!({
            "id": format!("cmpl-{}", naming.seed),
            "object": "text_completion",
            "created": naming.created,
            "model": asked.model,
        });
        let mut head = b"data: ".to_vec();
        head.extend_from_slice(shared.to_string().as_bytes());
        head.pop();
        head.extend_from_slice(b",\"choices\":[");
        Writer {
            head,
            usage_wanted: asked.stream_usage,
            choices: vec![ChoiceState::default()],
            usage: None,
            over: false,
        }
    }

    /// Writes what an event comes to.
    pub fn write(&mut self, event: Event<'_>, elapsed: Elapsed, out: &mut Vec<u8>) {
        if self.over {
            return;
        }
        match event {
            Event::Text { choice, text } | Event::Refusal { choice, text } => {
                self.state(choice).has_text = true;
                self.chunk(choice, &text, b"null", b"null", out);
            }
            Event::Logprobs { choice, value } => {
                let lists = logprobs::from_chat(&value, &mut self.state(choice).offset);
                self.chunk(choice, "", lists.to_string().as_bytes(), b"null", out);
            }
            Event::Usage(usage) => self.usage = Some(usage),
            Event::Finish { choice, reason } => self.finish(choice, &reason, out),
            Event::Error(error) => self.error(&error, elapsed, out),
            Event::End => self.end(out),
            // A continuation is text, and nothing else.
            Event::Start { .. }
            | Event::Reasoning { .. }
            | Event::ReasoningEnd { .. }
            | Event::CallStart { .. }
            | Event::CallArguments { .. }
            | Event::CallEnd { .. }
            | Event::Citation { .. }
            | Event::Opaque { .. } => {}
        }
    }

    /// A chunk that says nothing.
    pub fn keepalive(&mut self, out: &mut Vec<u8>) {
        if !self.over {
            self.chunk(0, "", b"null", b"null", out);
        }
    }

    /// Ends the stream with an error; nothing may follow.
    pub fn error(&mut self, error: &Error, _elapsed: Elapsed, out: &mut Vec<u8>) {
        if std::mem::replace(&mut self.over, true) {
            return;
        }
        out.extend_from_slice(b"data: ");
        out.extend_from_slice(error::error_value(error).to_string().as_bytes());
        out.extend_from_slice(b"\n\n");
    }

    fn state(&mut self, choice: u32) -> &mut ChoiceState {
        let at = choice as usize;
        if self.choices.len() <= at {
            self.choices.resize_with(at + 1, ChoiceState::default);
        }
        &mut self.choices[at]
    }

    fn finish(&mut self, choice: u32, reason: &Finish, out: &mut Vec<u8>) {
        if let Finish::Refusal(Some(words)) = reason
            && !words.is_empty()
        {
            self.state(choice).has_text = true;
            self.chunk(choice, words, b"null", b"null", out);
        }
        let state = self.state(choice);
        state.finished = true;
        let word = ending::write_reason(reason, false, state.has_text);
        let word = format!("\"{word}\"");
        self.chunk(choice, "", b"null", word.as_bytes(), out);
    }

    fn end(&mut self, out: &mut Vec<u8>) {
        for (choice, _) in (0..).zip(0..self.choices.len()) {
            if !self.state(choice).finished {
                self.finish(choice, &Finish::Stop, out);
            }
        }
        if let Some(usage) = self.usage.filter(|_| self.usage_wanted) {
            out.extend_from_slice(&self.head);
            out.extend_from_slice(b"],\"usage\":");
            counts::usage_value(&usage).write(out);
            out.extend_from_slice(b"}\n\n");
        }
        out.extend_from_slice(b"data: [DONE]\n\n");
        self.over = true;
    }

    /// One chunk; `logprobs` and `reason` are JSON.
    fn chunk(&self, choice: u32, text: &str, logprobs: &[u8], reason: &[u8], out: &mut Vec<u8>) {
        out.extend_from_slice(&self.head);
        // Writing to a vector does not fail, and texts always serialise.
        let _ = write!(out, "{{\"index\":{choice},\"text\":");
        let _ = serde_json::to_writer(&mut *out, text);
        out.extend_from_slice(b",\"logprobs\":");
        out.extend_from_slice(logprobs);
        out.extend_from_slice(b",\"finish_reason\":");
        out.extend_from_slice(reason);
        out.extend_from_slice(b"}]");
        if self.usage_wanted {
            out.extend_from_slice(b",\"usage\":null");
        }
        out.extend_from_slice(b"}\n\n");
    }
}
