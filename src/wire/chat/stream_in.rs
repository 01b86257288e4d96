//! Streams of upstreams: chunks become events, however badly calls are numbered and finishes placed.

use std::borrow::Cow;

use serde_json::Value;

use crate::wire::Dialect;
use crate::wire::neutral::{
    CallKey, CallKind, Error, Event, Finish, Signature, Sink, Unintelligible,
};

use super::chunk::{CallPiece, Chunk, ChunkChoice, Content, Said, with_chunk};
use super::ending::{Ending, read_reason};
use super::open_calls::{OpenCalls, Piece};
use super::{citation, counts, error, reasoning};

/// More answers than this to one request are none: OpenAI's bound on `n`.
const CHOICES_MAX: usize = 128;
/// Stands for the index of a legacy `function_call`, of which a choice has one.
const LEGACY_CALL: u64 = u64::MAX;

/// Reads the chunks of one stream, in order.
#[derive(Debug)]
pub struct Reader {
    calls: OpenCalls,
    choices: Vec<ChoiceState>,
    started: bool,
    /// The end or an error has been told.
    over: bool,
    /// The server is one that may end without a reason.
    reasons_optional: bool,
}

#[derive(Debug)]
struct ChoiceState {
    index: u32,
    /// A block of reasoning has begun.
    reasoning: bool,
    /// Reasoning came as plain text; `reasoning_details` repeat it.
    plain_reasoning: bool,
    refused: bool,
    /// The last reason that was said; told when nothing can follow.
    finish: Option<Finish>,
}

impl Reader {
    /// `seed` must be unique to the exchange; ids that the upstream leaves out are made of it.
    pub fn new(seed: &str) -> Reader {
        Reader {
            calls: OpenCalls::new(seed),
            choices: Vec::new(),
            started: false,
            over: false,
            reasons_optional: false,
        }
    }

    /// Whether `[DONE]` ends an answer that has not said why it ends; it is cut otherwise.
    pub fn may_end_without_reason(&mut self, it_may: bool) {
        self.reasons_optional = it_may;
    }

    /// Reads the payload of one event; `name` is its `event:` line.
    ///
    /// # Errors
    /// When it is no chunk.
    pub fn read(
        &mut self,
        name: Option<&[u8]>,
        data: &[u8],
        sink: &mut Sink<'_>,
    ) -> Result<(), Unintelligible> {
        let data = data.trim_ascii();
        if self.over || data.is_empty() {
            return Ok(());
        }
        if data == b"[DONE]" {
            if self.reasons_optional || self.is_finished() {
                self.done(sink);
            }
            return Ok(());
        }
        // Gemini's compatible surface wraps its errors in an array.
        if name == Some(b"error") || data.starts_with(b"[{\"error\"") {
            self.fail(error_of(data), sink);
            return Ok(());
        }
        with_chunk(data, |chunk| self.chunk(&chunk, data, sink))
    }

    /// The bytes are over: tells what is held back, if every choice has finished.
    pub fn end(&mut self, sink: &mut Sink<'_>) {
        if !self.over && self.is_finished() {
            self.done(sink);
        }
    }

    fn is_finished(&self) -> bool {
        let finished = |choice: &ChoiceState| choice.finish.is_some();
        self.choices.iter().all(finished)
    }

    /// Reads a chunk that is parsed; `data` are its bytes.
    pub(super) fn chunk(
        &mut self,
        chunk: &Chunk<'_>,
        data: &[u8],
        sink: &mut Sink<'_>,
    ) -> Result<(), Unintelligible> {
        if chunk.error.as_ref().is_some_and(is_truthy) || chunk.object.0 == "error" {
            self.fail(error_of(data), sink);
            return Ok(());
        }
        let choices = chunk.choices.as_deref().unwrap_or_default();
        // Azure begins with a chunk about its filter, without id and model.
        let usage = usage_of(chunk);
        let says_something = !choices.is_empty() || chunk.id.some().is_some() || usage.is_some();
        if !self.started && says_something {
            self.start(chunk, sink);
        }
        if let Some(usage) = usage {
            sink(Event::Usage(usage));
        }
        for (position, choice) in choices.iter().enumerate() {
            self.choice(choice, position, sink)?;
            if self.over {
                break;
            }
        }
        Ok(())
    }

    fn start(&mut self, chunk: &Chunk<'_>, sink: &mut Sink<'_>) {
        self.started = true;
        sink(Event::Start {
            id: Cow::Borrowed(&chunk.id.0),
            model: Cow::Borrowed(&chunk.model.0),
        });
    }

    fn choice(
        &mut self,
        choice: &ChunkChoice<'_>,
        position: usize,
        sink: &mut Sink<'_>,
    ) -> Result<(), Unintelligible> {
        let index = choice.index.and_then(|index| usize::try_from(index).ok());
        let at = self.state(index.unwrap_or(position))?;
        if let Some(said) = choice.delta.as_ref().or(choice.message.as_deref()) {
            self.said(at, said, sink)?;
        }
        if !choice.text.0.is_empty() {
            self.text(at, &choice.text.0, sink);
        }
        if let Some(logprobs) = choice.logprobs.as_ref().filter(|value| value.is_object()) {
            sink(Event::Logprobs {
                choice: self.choices[at].index,
                value: Box::new(logprobs.clone()),
            });
        }
        if let Some(value) = choice.error.as_ref().filter(|value| is_truthy(value)) {
            self.fail(error::error_of(value, 200), sink);
            return Ok(());
        }
        let Some(reason) = choice.finish_reason.some() else {
            return Ok(());
        };
        match read_reason(reason, choice.stop_reason.some()) {
            Ending::Finish(finish) => self.choices[at].finish = Some(finish),
            Ending::Failed(class) => {
                let message = format!("the upstream gave up with the reason `{reason}`");
                self.fail(error::bare(class, &message), sink);
            }
        }
        Ok(())
    }

    /// Where the state of a choice stands.
    fn state(&mut self, index: usize) -> Result<usize, Unintelligible> {
        let found = self
            .choices
            .iter()
            .position(|choice| choice.index as usize == index);
        if let Some(at) = found {
            return Ok(at);
        }
        let number = u32::try_from(index).ok().filter(|_| index < CHOICES_MAX);
        let index = number.ok_or_else(|| {
            let bound = CHOICES_MAX - 1;
            Unintelligible(format!("a choice has the index {index}, above {bound}"))
        })?;
        self.choices.push(ChoiceState {
            index,
            reasoning: false,
            plain_reasoning: false,
            refused: false,
            finish: None,
        });
        Ok(self.choices.len() - 1)
    }

    fn said(
        &mut self,
        at: usize,
        said: &Said<'_>,
        sink: &mut Sink<'_>,
    ) -> Result<(), Unintelligible> {
        // Servers in between names send both.
        let thought = if said.reasoning_content.is_empty() {
            &said.reasoning
        } else {
            &said.reasoning_content
        };
        if !thought.is_empty() {
            self.choices[at].plain_reasoning = true;
            self.content(at, thought, true, sink);
        }
        for entry in said.reasoning_details.iter().flatten() {
            self.detail(at, entry, sink);
        }
        if !said.content.is_empty() {
            self.content(at, &said.content, false, sink);
        }
        if !said.refusal.0.is_empty() {
            self.end_reasoning(at, sink);
            self.choices[at].refused = true;
            sink(Event::Refusal {
                choice: self.choices[at].index,
                text: Cow::Borrowed(&said.refusal.0),
            });
        }
        for annotation in said.annotations.iter().flatten() {
            sink(Event::Citation {
                choice: self.choices[at].index,
                citation: Box::new(citation::read_annotation(annotation)),
            });
        }
        for piece in said.tool_calls.iter().flatten() {
            self.call(at, piece, sink)?;
        }
        if let Some(function) = &said.function_call {
            let key = CallKey {
                index: Some(LEGACY_CALL),
                id: None,
                name: Some(&function.name.0),
            };
            let piece = Piece {
                arguments: &function.arguments.0,
                kind: CallKind::Function,
                signature: None,
            };
            self.piece(at, key, piece, sink)?;
        }
        Ok(())
    }

    fn content(
        &mut self,
        at: usize,
        content: &Content<'_>,
        is_reasoning: bool,
        sink: &mut Sink<'_>,
    ) {
        match content {
            Content::Text(text) if is_reasoning => self.thought(at, text, false, sink),
            Content::Text(text) => self.text(at, text, sink),
            Content::Parts(parts) => {
                for part in parts {
                    self.part(at, part, is_reasoning, sink);
                }
            }
        }
    }

    /// Mistral's models that think send parts: `{type: thinking, thinking: [{type: text, text}]}` and `{type: text, text}`.
    fn part(&mut self, at: usize, part: &Value, is_reasoning: bool, sink: &mut Sink<'_>) {
        let thinking = &part["thinking"];
        for inner in thinking.as_array().into_iter().flatten() {
            self.thought(at, inner["text"].as_str().unwrap_or_default(), false, sink);
        }
        self.thought(at, thinking.as_str().unwrap_or_default(), false, sink);
        let text = part["text"].as_str().or_else(|| part.as_str());
        let text = text.unwrap_or_default();
        if is_reasoning {
            self.thought(at, text, false, sink);
        } else {
            self.text(at, text, sink);
        }
    }

    fn text(&mut self, at: usize, text: &str, sink: &mut Sink<'_>) {
        if text.is_empty() {
            return;
        }
        self.end_reasoning(at, sink);
        sink(Event::Text {
            choice: self.choices[at].index,
            text: Cow::Borrowed(text),
        });
    }

    fn thought(&mut self, at: usize, text: &str, is_summary: bool, sink: &mut Sink<'_>) {
        if text.is_empty() {
            return;
        }
        self.choices[at].reasoning = true;
        sink(Event::Reasoning {
            choice: self.choices[at].index,
            text: Cow::Borrowed(text),
            is_summary,
        });
    }

    fn detail(&mut self, at: usize, entry: &Value, sink: &mut Sink<'_>) {
        let Some(read) = reasoning::read_detail(entry) else {
            return;
        };
        if !self.choices[at].plain_reasoning {
            self.thought(at, &read.text, read.is_summary, sink);
        }
        if read.signature.is_none() {
            return;
        }
        if entry["type"] == "reasoning.encrypted" && !reasoning::attaches(&read) {
            self.end_reasoning(at, sink);
        }
        self.choices[at].reasoning = false;
        sink(Event::ReasoningEnd {
            choice: self.choices[at].index,
            signature: read.signature,
            id: read.id.map(Cow::Owned),
        });
    }

    /// Ends the block of reasoning that is open; it has no proof.
    fn end_reasoning(&mut self, at: usize, sink: &mut Sink<'_>) {
        if std::mem::take(&mut self.choices[at].reasoning) {
            sink(Event::ReasoningEnd {
                choice: self.choices[at].index,
                signature: None,
                id: None,
            });
        }
    }

    fn call(
        &mut self,
        at: usize,
        piece: &CallPiece<'_>,
        sink: &mut Sink<'_>,
    ) -> Result<(), Unintelligible> {
        let empty = Cow::Borrowed("");
        let (name, arguments, kind) = match (&piece.custom, &piece.function) {
            (Some(custom), _) => (&custom.name.0, &custom.input.0, CallKind::Custom),
            (None, Some(function)) => (&function.name.0, &function.arguments.0, CallKind::Function),
            (None, None) => (&empty, &empty, CallKind::Function),
        };
        let key = CallKey {
            index: piece.index.and_then(|index| u64::try_from(index).ok()),
            id: Some(&piece.id.0),
            name: Some(name),
        };
        let proof = piece.extra_content.as_ref();
        let proof = proof.and_then(|extra| extra["google"]["thought_signature"].as_str());
        let signature = proof.map(|proof| Signature::from_slot(Dialect::Chat, proof));
        let piece = Piece {
            arguments,
            kind,
            signature,
        };
        self.piece(at, key, piece, sink)
    }

    fn piece(
        &mut self,
        at: usize,
        key: CallKey<'_>,
        piece: Piece<'_>,
        sink: &mut Sink<'_>,
    ) -> Result<(), Unintelligible> {
        self.end_reasoning(at, sink);
        self.calls.piece(self.choices[at].index, key, piece, sink)
    }
}

/// Endings.
impl Reader {
    /// Tells what was held back, and the end.
    fn done(&mut self, sink: &mut Sink<'_>) {
        // A stream without a single choice is no answer.
        if self.choices.is_empty() {
            return;
        }
        for at in 0..self.choices.len() {
            let finish = self.choices[at].finish.take().unwrap_or(Finish::Stop);
            self.finish(at, finish, sink);
        }
        self.over = true;
        sink(Event::End);
    }

    /// Tells the finishes that the upstream has said, without an end.
    pub(super) fn finish_said(&mut self, sink: &mut Sink<'_>) {
        for at in 0..self.choices.len() {
            match self.choices[at].finish.take() {
                Some(finish) => self.finish(at, finish, sink),
                None => {
                    self.end_reasoning(at, sink);
                    self.calls.end(self.choices[at].index, sink);
                }
            }
        }
    }

    fn finish(&mut self, at: usize, finish: Finish, sink: &mut Sink<'_>) {
        self.end_reasoning(at, sink);
        let choice = self.choices[at].index;
        self.calls.end(choice, sink);
        let reason = match finish {
            Finish::Stop if self.choices[at].refused => Finish::Refusal(None),
            finish => finish,
        };
        sink(Event::Finish { choice, reason });
    }

    fn fail(&mut self, error: Error, sink: &mut Sink<'_>) {
        self.over = true;
        sink(Event::Error(Box::new(error)));
    }
}

fn usage_of(chunk: &Chunk<'_>) -> Option<crate::wire::Usage> {
    let groq = chunk.x_groq.as_ref().map(|groq| &groq["usage"]);
    let usage = chunk.usage.as_ref().or(groq)?;
    counts::usage_of(usage)
}

/// What OpenAI's SDKs take for an error.
fn is_truthy(value: &Value) -> bool {
    match value {
        Value::Null | Value::Bool(false) => false,
        Value::String(text) => !text.is_empty(),
        Value::Object(members) => !members.is_empty(),
        Value::Bool(true) | Value::Number(_) | Value::Array(_) => true,
    }
}

fn error_of(data: &[u8]) -> Error {
    match serde_json::from_slice::<Value>(data) {
        Ok(value) => error::error_of(&value, 200),
        Err(_) => error::read_error(500, data),
    }
}
