//! An upstream's stream as events: chunks whose parts are pieces, without a word that ends them.

use std::borrow::Cow;
use std::collections::HashSet;

use serde_json::{Map, Value};

use crate::wire::neutral::{CallKind, Citation, Event, Finish, Signature, Sink, Unintelligible};
use crate::wire::{Dialect, Usage};

use super::chunk::{CallIn, Candidate, Chunk, Feedback, PartIn, Piece, finish_of};
use super::citations;
use super::error::error_of_value;
use super::logprobs::chat_logprobs;
use super::partial;
use super::signature::of_slot;

/// Candidates of one answer; Google gives at most 8.
const CANDIDATES_MAX: u32 = 128;

/// Calls of one answer.
const CALLS_MAX: u32 = 4096;

/// Text that is kept to turn places in bytes into places in characters; beyond it, citations have no places.
const TEXT_BYTES_MAX: usize = 1 << 20;

/// Reads a stream.
#[derive(Debug)]
pub struct Reader {
    seed: String,
    is_started: bool,
    is_over: bool,
    is_blocked: bool,
    lanes: Vec<Lane>,
    calls: u32,
    /// The ids that calls have had.
    ids: HashSet<String>,
    usage: Option<Usage>,
}

/// A candidate.
#[derive(Debug, Default)]
struct Lane {
    seen: bool,
    /// Held back to the end: some servers say it in every chunk.
    finish: Option<Finish>,
    is_thinking: bool,
    has_calls: bool,
    /// A call whose arguments still come.
    open: Option<OpenCall>,
    text: String,
    /// The newest of each; they grow, and the last is whole.
    grounding: Option<Value>,
    citations: Option<Value>,
}

#[derive(Debug)]
struct OpenCall {
    number: u32,
    arguments: Value,
}

impl Reader {
    /// `seed` must be unique to the exchange; it stands in the ids of calls that have none.
    pub fn new(seed: &str) -> Reader {
        Reader {
            seed: seed.to_owned(),
            is_started: false,
            is_over: false,
            is_blocked: false,
            lanes: Vec::new(),
            calls: 0,
            ids: HashSet::new(),
            usage: None,
        }
    }

    /// Takes the payload of an event.
    ///
    /// # Errors
    /// When it is no chunk of Gemini's.
    pub fn read(
        &mut self,
        _name: Option<&[u8]>,
        data: &[u8],
        sink: &mut Sink<'_>,
    ) -> Result<(), Unintelligible> {
        // What ends other dialects' streams, proxies add here as well.
        let is_nothing = matches!(data.trim_ascii(), b"" | b"[DONE]");
        if self.is_over || is_nothing {
            return Ok(());
        }
        if data.trim_ascii_start().first() != Some(&b'{') {
            return Err(Unintelligible("a chunk is no JSON object".into()));
        }
        let mut chunk: Chunk<'_> = serde_json::from_slice(data)
            .map_err(|error| Unintelligible(format!("a chunk is none of Gemini's: {error}")))?;
        if let Some(error) = chunk.error.take().filter(|error| !error.is_null()) {
            self.is_over = true;
            sink(Event::Error(Box::new(error_of_value(500, &error))));
            return Ok(());
        }
        self.start(&mut chunk, sink);
        let usage = chunk
            .usage_metadata
            .as_ref()
            .map(|metadata| metadata.usage());
        let feedback = chunk.prompt_feedback.as_ref();
        self.is_blocked |= feedback.is_some_and(Feedback::is_block);
        for candidate in chunk.candidates.unwrap_or_default() {
            self.candidate(candidate, sink)?;
        }
        // It stands in every chunk, mostly unchanged.
        if let Some(usage) = usage.filter(|usage| self.usage != Some(*usage)) {
            self.usage = Some(usage);
            sink(Event::Usage(usage));
        }
        Ok(())
    }

    /// The bytes are over: what was held back is told, if every candidate had its finish.
    pub fn end(&mut self, sink: &mut Sink<'_>) {
        let is_finished = self
            .lanes
            .iter()
            .all(|lane| lane.finish.is_some() || !lane.seen);
        let is_blocked = self.lanes.is_empty() && self.is_blocked;
        if self.is_over || !(is_blocked || is_finished && !self.lanes.is_empty()) {
            return;
        }
        self.is_over = true;
        if is_blocked {
            sink(Event::Finish {
                choice: 0,
                reason: Finish::Filter,
            });
        }
        for (mut lane, choice) in std::mem::take(&mut self.lanes).into_iter().zip(0..) {
            lane.close(choice, sink);
        }
        sink(Event::End);
    }

    /// What an answer that is no stream leaves open is told as well, but for a finish that nobody has said.
    pub fn end_whole(&mut self, sink: &mut Sink<'_>) {
        self.end(sink);
        for (mut lane, choice) in std::mem::take(&mut self.lanes).into_iter().zip(0..) {
            lane.close(choice, sink);
        }
    }

    fn start(&mut self, chunk: &mut Chunk<'_>, sink: &mut Sink<'_>) {
        if self.is_started {
            return;
        }
        self.is_started = true;
        let text =
            |piece: Option<Piece<'_>>| piece.map_or(String::new(), |piece| piece.0.into_owned());
        sink(Event::Start {
            id: text(chunk.response_id.take()).into(),
            model: text(chunk.model_version.take()).into(),
        });
    }

    fn candidate(
        &mut self,
        candidate: Candidate<'_>,
        sink: &mut Sink<'_>,
    ) -> Result<(), Unintelligible> {
        let choice = candidate.index.unwrap_or(0);
        if choice >= CANDIDATES_MAX {
            return Err(Unintelligible(format!(
                "a candidate has the index {choice}"
            )));
        }
        let at = choice as usize;
        while self.lanes.len() <= at {
            self.lanes.push(Lane::default());
        }
        self.lanes[at].seen = true;
        let parts = candidate.content.and_then(|content| content.parts);
        for part in parts.unwrap_or_default() {
            self.part(choice, part, sink)?;
        }
        if let Some(value) = candidate.logprobs_result.as_ref().and_then(chat_logprobs) {
            sink(Event::Logprobs {
                choice,
                value: Box::new(value),
            });
        }
        let lane = &mut self.lanes[at];
        lane.grounding = candidate.grounding_metadata.or(lane.grounding.take());
        lane.citations = candidate.citation_metadata.or(lane.citations.take());
        let reason = candidate
            .finish_reason
            .as_ref()
            .and_then(|reason| finish_of(&reason.0));
        lane.finish = reason.or(lane.finish.take());
        Ok(())
    }

    fn part(
        &mut self,
        choice: u32,
        mut part: PartIn<'_>,
        sink: &mut Sink<'_>,
    ) -> Result<(), Unintelligible> {
        let mut signature = part
            .thought_signature
            .take()
            .and_then(|text| of_slot(&text.0));
        if let Some(call) = part.function_call.take() {
            return self.call(choice, call, signature, sink);
        }
        let lane = &mut self.lanes[choice as usize];
        if let Some((name, value)) = part.own() {
            lane.end_thinking(choice, sink);
            let mut whole = Map::new();
            whole.insert(name.into(), value);
            if let Some(signature) = signature.take() {
                whole.insert("thoughtSignature".into(), signature.data.into());
            }
            sink(Event::Opaque {
                dialect: Dialect::Gemini,
                value: Box::new(whole.into()),
            });
        }
        if let Some(Piece(text)) = part.text.filter(|text| !text.0.is_empty()) {
            lane.say(choice, text, part.thought == Some(true), sink);
        }
        if signature.is_some() {
            lane.is_thinking = false;
            sink(Event::ReasoningEnd {
                choice,
                signature,
                id: None,
            });
        }
        Ok(())
    }

    /// A call comes whole, or begins with its name and goes on until a piece says that nothing follows.
    fn call(
        &mut self,
        choice: u32,
        call: CallIn<'_>,
        signature: Option<Signature>,
        sink: &mut Sink<'_>,
    ) -> Result<(), Unintelligible> {
        let name = call.name.map(|name| name.0).filter(|name| !name.is_empty());
        if let Some(name) = name {
            let own = call.id.map(|id| id.0);
            let number = self.start_call(choice, own, name, signature, sink)?;
            self.lanes[choice as usize].open = Some(OpenCall {
                number,
                arguments: Value::Object(Map::new()),
            });
        }
        let lane = &mut self.lanes[choice as usize];
        let Some(open) = &mut lane.open else {
            return match (call.args, call.partial_args) {
                // The empty piece after a call that is over already.
                (None, None) => Ok(()),
                _ => Err(Unintelligible("a functionCall names no function".into())),
            };
        };
        if let Some(Value::Object(arguments)) = call.args
            && let Value::Object(held) = &mut open.arguments
        {
            held.extend(arguments);
        }
        for piece in call.partial_args.iter().flatten() {
            partial::lay(&mut open.arguments, piece);
        }
        if call.will_continue != Some(true) {
            lane.end_call(sink);
        }
        Ok(())
    }

    fn start_call(
        &mut self,
        choice: u32,
        own: Option<Cow<'_, str>>,
        name: Cow<'_, str>,
        signature: Option<Signature>,
        sink: &mut Sink<'_>,
    ) -> Result<u32, Unintelligible> {
        if self.calls >= CALLS_MAX {
            return Err(Unintelligible(format!("more than {CALLS_MAX} calls")));
        }
        let lane = &mut self.lanes[choice as usize];
        lane.end_call(sink);
        lane.end_thinking(choice, sink);
        lane.has_calls = true;
        let number = self.calls;
        self.calls += 1;
        let own = own.filter(|id| !id.is_empty() && self.ids.insert(id.to_string()));
        let id = own.unwrap_or_else(|| format!("call_{}_{number}", self.seed).into());
        sink(Event::CallStart {
            choice,
            call: number,
            id,
            name,
            kind: CallKind::Function,
            signature,
        });
        Ok(number)
    }
}

impl Lane {
    fn say(&mut self, choice: u32, text: Cow<'_, str>, is_thought: bool, sink: &mut Sink<'_>) {
        if is_thought {
            self.is_thinking = true;
            sink(Event::Reasoning {
                choice,
                text,
                is_summary: false,
            });
            return;
        }
        self.end_thinking(choice, sink);
        if self.text.len() + text.len() <= TEXT_BYTES_MAX {
            self.text.push_str(&text);
        }
        sink(Event::Text { choice, text });
    }

    fn end_thinking(&mut self, choice: u32, sink: &mut Sink<'_>) {
        if std::mem::take(&mut self.is_thinking) {
            sink(Event::ReasoningEnd {
                choice,
                signature: None,
                id: None,
            });
        }
    }

    fn end_call(&mut self, sink: &mut Sink<'_>) {
        if let Some(open) = self.open.take() {
            sink(Event::CallArguments {
                call: open.number,
                text: open.arguments.to_string().into(),
            });
            sink(Event::CallEnd { call: open.number });
        }
    }

    fn close(&mut self, choice: u32, sink: &mut Sink<'_>) {
        self.end_call(sink);
        self.end_thinking(choice, sink);
        for citation in self.sources() {
            sink(Event::Citation {
                choice,
                citation: Box::new(citation),
            });
        }
        let finish = match self.finish.take() {
            Some(Finish::Stop) if self.has_calls => Finish::Tool,
            Some(finish) => finish,
            None => return,
        };
        sink(Event::Finish {
            choice,
            reason: finish,
        });
    }

    fn sources(&self) -> Vec<Citation> {
        let grounding = self.grounding.as_ref();
        let mut all =
            grounding.map_or(Vec::new(), |some| citations::of_grounding(some, &self.text));
        if let Some(quoted) = &self.citations {
            all.extend(citations::of_citations(quoted, &self.text));
        }
        all
    }
}
