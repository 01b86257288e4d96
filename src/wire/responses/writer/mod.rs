//! Events as the stream of a response: one item open at a time, every `done` with all that its pieces said, and a last
//! event with the whole response.

mod call;
mod frames;
mod message;
mod reasoning;

use serde_json::{Map, Value};

use crate::wire::neutral::{CallKind, Error, Event, Finish, OneAtATime, Request, Signature};
use crate::wire::translate::{Elapsed, Naming};
use crate::wire::{Dialect, Usage};

use super::local::Local;
use super::settings::{Asked, Frame, State};
use super::{errors, head, ids, settings};
use call::Call;
use frames::{Frames, Place, raw_member};
use message::Message;
use reasoning::Reasoning;

/// Writes one stream.
pub struct Writer {
    frame: Frame,
    seed: String,
    /// The client wants encrypted reasoning.
    encrypted: bool,
    /// The client wants log probabilities, which come after the text that they are of.
    logprobs: bool,
    locals: Vec<Local>,
    frames: Frames,
    stage: Stage,
    order: OneAtATime,
    /// Calls of other choices than the first, which is all that the dialect has.
    ignored: Vec<u32>,
    open: Option<Open>,
    items: u32,
    /// The items that are done, with commas between them.
    output: Vec<u8>,
    /// What the next message says beside its text.
    head: Map<String, Value>,
    /// A piece of text that waits for its log probabilities.
    held: String,
    refused: bool,
    usage: Option<Usage>,
    finish: Option<Finish>,
}

#[derive(PartialEq, Eq)]
enum Stage {
    Before,
    Running,
    Over,
}

enum Open {
    Message(Message),
    Reasoning(Reasoning),
    Call(Call),
}

impl Writer {
    pub const CONTENT_TYPE: &'static str = "text/event-stream; charset=utf-8";

    /// `asked` is the client's request, as it was read.
    pub fn new(asked: &Request, naming: &Naming) -> Writer {
        let tier = None;
        let said = Asked {
            request: asked,
            naming,
            tier,
        };
        Writer::with_frames(asked, naming, Frame::new(said), Frames::default())
    }

    /// For an answer that is told whole, by [`Writer::whole`]: the events are taken, and none is written.
    pub fn of_whole(asked: &Request, naming: &Naming) -> Writer {
        Writer::with_frames(asked, naming, Frame::default(), Frames::silent())
    }

    fn with_frames(asked: &Request, naming: &Naming, frame: Frame, frames: Frames) -> Writer {
        Writer {
            frame,
            seed: naming.seed.clone(),
            encrypted: asked.thinking.encrypted,
            logprobs: asked.logprobs.is_some(),
            locals: asked.tools.iter().filter_map(Local::of_tool).collect(),
            frames,
            stage: Stage::Before,
            order: OneAtATime::default(),
            ignored: Vec::new(),
            open: None,
            items: 0,
            output: Vec::new(),
            head: Map::new(),
            held: String::new(),
            refused: false,
            usage: None,
            finish: None,
        }
    }

    pub fn write(&mut self, event: Event<'_>, elapsed: Elapsed, out: &mut Vec<u8>) {
        if self.stage == Stage::Over || self.is_of_another_choice(&event) {
            return;
        }
        if let Event::Finish { reason, .. } = &event {
            self.finish = Some(reason.clone());
        }
        let mut order = std::mem::take(&mut self.order);
        order.push(event, &mut |event| self.take(event, elapsed, out));
        self.order = order;
    }

    /// `response.in_progress` once more: comments do not reset the idle timer of clients whose libraries drop them. Before
    /// the beginning, it is the beginning.
    pub fn keepalive(&mut self, out: &mut Vec<u8>) {
        match self.stage {
            Stage::Before => self.begin(out),
            Stage::Running => self.response("response.in_progress", &RUNNING, out),
            Stage::Over => {}
        }
    }

    /// Ends the stream with `response.failed`; what is open stays open, as it is with the vendor.
    pub fn error(&mut self, error: &Error, _elapsed: Elapsed, out: &mut Vec<u8>) {
        if self.stage == Stage::Over {
            return;
        }
        if self.stage == Stage::Before {
            self.response("response.created", &RUNNING, out);
        }
        let (code, message) = errors::failure(error);
        self.stage = Stage::Over;
        let output = std::mem::take(&mut self.output);
        let state = State {
            status: "failed",
            error: Some((&code, &message)),
            output: &output,
            usage: self.usage,
            ..State::default()
        };
        self.response("response.failed", &state, out);
    }

    /// The response at its end, without the stream around it; for answers that come whole.
    pub fn whole(mut self, asked: Asked<'_>, elapsed: Elapsed) -> Vec<u8> {
        let mut rest = Vec::new();
        self.settle(&mut rest);
        let (_, state) = last(self.finish.as_ref(), &self.output, self.usage, elapsed);
        settings::whole(asked, &state)
    }

    fn is_of_another_choice(&mut self, event: &Event<'_>) -> bool {
        match event {
            Event::CallStart { choice, call, .. } => {
                if *choice > 0 {
                    self.ignored.push(*call);
                }
                *choice > 0
            }
            Event::CallArguments { call, .. } | Event::CallEnd { call } => {
                self.ignored.contains(call)
            }
            Event::Text { choice, .. }
            | Event::Refusal { choice, .. }
            | Event::Reasoning { choice, .. }
            | Event::ReasoningEnd { choice, .. }
            | Event::Citation { choice, .. }
            | Event::Logprobs { choice, .. }
            | Event::Finish { choice, .. } => *choice > 0,
            Event::Start { .. }
            | Event::Opaque { .. }
            | Event::Usage(_)
            | Event::Error(_)
            | Event::End => false,
        }
    }

    fn take(&mut self, event: Event<'_>, elapsed: Elapsed, out: &mut Vec<u8>) {
        if let Event::Error(error) = &event {
            return self.error(error, elapsed, out);
        }
        self.begin(out);
        if !matches!(event, Event::Logprobs { .. }) {
            self.release(Vec::new(), out);
        }
        match event {
            Event::Start { .. } | Event::Finish { .. } | Event::Error(_) => {}
            Event::Text { text, .. } if self.logprobs => self.held.push_str(&text),
            Event::Text { text, .. } => self.text(&text, Vec::new(), out),
            Event::Logprobs { mut value, .. } => {
                let content = value.get_mut("content").map(Value::take);
                let logprobs = content.and_then(|content| match content {
                    Value::Array(list) => Some(list),
                    _ => None,
                });
                self.release(logprobs.unwrap_or_default(), out);
            }
            Event::Refusal { text, .. } => self.refusal(&text, out),
            Event::Citation { citation, .. } => {
                if let Some(Open::Message(message)) = &mut self.open {
                    message.cite(&citation, &mut self.frames, out);
                }
            }
            Event::Reasoning { text, .. } => self.reasoning(&text, out),
            Event::ReasoningEnd { signature, .. } => self.reasoning_ends(signature, out),
            Event::CallStart {
                id,
                name,
                kind,
                signature,
                ..
            } => self.call_starts(&id, &name, kind, signature, out),
            Event::CallArguments { text, .. } => {
                if let Some(Open::Call(call)) = &mut self.open {
                    call.arguments(&text, &mut self.frames, out);
                }
            }
            Event::CallEnd { .. } => {
                if let Some(Open::Call(_)) = &self.open {
                    self.close(out);
                }
            }
            Event::Opaque { dialect, value } => self.opaque(dialect, &value, out),
            Event::Usage(usage) => self.usage = Some(usage),
            Event::End => self.end(elapsed, out),
        }
    }

    fn begin(&mut self, out: &mut Vec<u8>) {
        if self.stage == Stage::Before {
            self.stage = Stage::Running;
            self.response("response.created", &RUNNING, out);
            self.response("response.in_progress", &RUNNING, out);
        }
    }

    fn response(&mut self, kind: &str, state: &State<'_>, out: &mut Vec<u8>) {
        let frame = &self.frame;
        self.frames.event(kind, out, |out| {
            raw_member("response", out);
            frame.write(state, out);
        });
    }

    /// The text that was held, with its log probabilities.
    fn release(&mut self, logprobs: Vec<Value>, out: &mut Vec<u8>) {
        if !self.held.is_empty() {
            let held = std::mem::take(&mut self.held);
            self.text(&held, logprobs, out);
        }
    }

    fn text(&mut self, piece: &str, logprobs: Vec<Value>, out: &mut Vec<u8>) {
        self.message(out);
        if let Some(Open::Message(message)) = &mut self.open {
            message.text(piece, logprobs, &mut self.frames, out);
        }
    }

    fn refusal(&mut self, piece: &str, out: &mut Vec<u8>) {
        self.refused = true;
        self.message(out);
        if let Some(Open::Message(message)) = &mut self.open {
            message.refusal(piece, &mut self.frames, out);
        }
    }

    /// A message is open.
    fn message(&mut self, out: &mut Vec<u8>) {
        if matches!(self.open, Some(Open::Message(_))) {
            return;
        }
        self.close(out);
        let place = self.place("msg");
        let head = std::mem::take(&mut self.head);
        let message = Message::open(place, head, &mut self.frames, out);
        self.open = Some(Open::Message(message));
    }

    fn reasoning(&mut self, piece: &str, out: &mut Vec<u8>) {
        if !matches!(self.open, Some(Open::Reasoning(_))) {
            self.open_reasoning(out);
        }
        if let Some(Open::Reasoning(reasoning)) = &mut self.open {
            reasoning.text(piece, &mut self.frames, out);
        }
    }

    fn open_reasoning(&mut self, out: &mut Vec<u8>) {
        self.close(out);
        let place = self.place("rs");
        let reasoning = Reasoning::open(place, &mut self.frames, out);
        self.open = Some(Open::Reasoning(reasoning));
    }

    fn reasoning_ends(&mut self, signature: Option<Signature>, out: &mut Vec<u8>) {
        let encrypted = signature
            .filter(|_| self.encrypted)
            .map(|signature| signature.for_slot(Dialect::Responses));
        // Reasoning of which only the proof is shown still has to come back.
        if encrypted.is_some() && !matches!(self.open, Some(Open::Reasoning(_))) {
            self.open_reasoning(out);
        }
        if let Some(Open::Reasoning(_)) = self.open {
            self.close_with(encrypted.as_deref(), "completed", out);
        }
    }

    fn call_starts(
        &mut self,
        id: &str,
        name: &str,
        kind: CallKind,
        signature: Option<Signature>,
        out: &mut Vec<u8>,
    ) {
        self.close(out);
        // Calls have no slot for proofs; reasoning just before them has.
        if signature.is_some() {
            self.reasoning_ends(signature, out);
        }
        let local = self
            .locals
            .iter()
            .copied()
            .find(|local| kind == CallKind::Function && local.name() == name);
        let prefix = match (&kind, local) {
            (_, Some(local)) => local.prefix(),
            (CallKind::Custom, None) => "ctc",
            (CallKind::Function | CallKind::Namespaced(_), None) => "fc",
        };
        let place = self.place(prefix);
        let call = Call::open(place, id, name, kind, local, &mut self.frames, out);
        self.open = Some(Open::Call(call));
    }

    fn opaque(&mut self, dialect: Dialect, value: &Value, out: &mut Vec<u8>) {
        if dialect != Dialect::Responses || !value.is_object() {
            return;
        }
        self.close(out);
        match head::of(value) {
            Some(("message", rest)) => self.head = rest,
            Some(_) => {}
            None => {
                let place = self.place("item");
                let mut item = value.clone();
                if item.get("id").is_none_or(|id| !id.is_string()) {
                    item["id"] = place.id.as_str().into();
                }
                let done = item.to_string().into_bytes();
                if item.get("status").is_some() {
                    item["status"] = "in_progress".into();
                }
                let added = item.to_string().into_bytes();
                place.item(false, &added, &mut self.frames, out);
                place.item(true, &done, &mut self.frames, out);
                self.keep(done);
            }
        }
    }

    /// A place for the next item.
    fn place(&mut self, prefix: &str) -> Place {
        let index = self.items;
        self.items += 1;
        Place {
            index,
            id: ids::made(prefix, &self.seed, index),
        }
    }

    fn close(&mut self, out: &mut Vec<u8>) {
        self.close_with(None, "completed", out);
    }

    fn close_with(&mut self, encrypted: Option<&str>, status: &str, out: &mut Vec<u8>) {
        let frames = &mut self.frames;
        let item = match self.open.take() {
            None => return,
            Some(Open::Message(message)) => message.close(status, frames, out),
            Some(Open::Reasoning(reasoning)) => reasoning.close(encrypted, frames, out),
            Some(Open::Call(call)) => call.close(frames, out),
        };
        self.keep(item);
    }

    fn keep(&mut self, item: Vec<u8>) {
        if self.output.is_empty() {
            self.output = item;
        } else {
            self.output.push(b',');
            self.output.extend_from_slice(&item);
        }
    }

    /// Closes what is open, as the reason for the end has it.
    fn settle(&mut self, out: &mut Vec<u8>) {
        self.release(Vec::new(), out);
        if let (Some(Finish::Refusal(Some(words))), false) = (&self.finish, self.refused) {
            let words = words.clone();
            if !words.is_empty() {
                self.refusal(&words, out);
            }
        }
        // A refusal without words shows only in the status.
        if matches!(self.finish, Some(Finish::Refusal(_))) && !self.refused {
            self.finish = Some(Finish::Filter);
        }
        let status = match outcome(self.finish.as_ref()) {
            Outcome::Completed => "completed",
            Outcome::Incomplete(_) | Outcome::Failed => "incomplete",
        };
        self.close_with(None, status, out);
    }

    fn end(&mut self, elapsed: Elapsed, out: &mut Vec<u8>) {
        self.settle(out);
        self.stage = Stage::Over;
        let output = std::mem::take(&mut self.output);
        let (kind, state) = last(self.finish.as_ref(), &output, self.usage, elapsed);
        self.response(kind, &state, out);
    }
}

/// The last event's type, and the response in it.
fn last<'o>(
    finish: Option<&Finish>,
    output: &'o [u8],
    usage: Option<Usage>,
    elapsed: Elapsed,
) -> (&'static str, State<'o>) {
    let state = State {
        output,
        usage,
        ..State::default()
    };
    match outcome(finish) {
        Outcome::Completed => (
            "response.completed",
            State {
                status: "completed",
                took_seconds: Some(elapsed.as_secs()),
                ..state
            },
        ),
        Outcome::Incomplete(reason) => (
            "response.incomplete",
            State {
                status: "incomplete",
                incomplete: Some(reason),
                ..state
            },
        ),
        Outcome::Failed => (
            "response.failed",
            State {
                status: "failed",
                error: Some(("server_error", MALFORMED_CALL)),
                ..state
            },
        ),
    }
}

const MALFORMED_CALL: &str = "the model produced a call that cannot be read; try again";

const RUNNING: State<'static> = State {
    status: "in_progress",
    took_seconds: None,
    error: None,
    incomplete: None,
    output: &[],
    usage: None,
};

enum Outcome {
    Completed,
    /// Its reason.
    Incomplete(&'static str),
    Failed,
}

fn outcome(finish: Option<&Finish>) -> Outcome {
    match finish {
        None | Some(Finish::Stop | Finish::StopSequence(_) | Finish::Tool | Finish::Refusal(_)) => {
            Outcome::Completed
        }
        Some(Finish::Length | Finish::ContextFull | Finish::Paused) => {
            Outcome::Incomplete("max_output_tokens")
        }
        Some(Finish::Filter) => Outcome::Incomplete("content_filter"),
        Some(Finish::MalformedCall) => Outcome::Failed,
    }
}
