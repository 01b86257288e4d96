//! An upstream's stream as events. What is damaged is read as far as it means something; what is not known is passed over.

use std::borrow::Cow;

use serde_json::Value;

use crate::wire::neutral::{
    CallKey, CallKind, Calls, Event, Finish, Signature, Sink, Step, Unintelligible,
};
use crate::wire::{Dialect, Usage};

use super::answer_in::{Counts, arguments, finish, redacted};
use super::frames::{
    BlockDelta, BlockStart, BlockStop, Kind, MessageDelta, MessageStart, Piece, is_known_delta,
    kind, parsed,
};
use super::{citation, error};

/// Reads one stream.
#[derive(Debug)]
pub struct Reader {
    started: bool,
    /// The end, or an error, has been told.
    over: bool,
    open: Vec<Open>,
    calls: Calls,
    usage: Usage,
    finish: Option<Finish>,
    /// The server is one that may end without a reason.
    reasons_optional: bool,
}

/// More blocks than this are never open: one is, by the grammar.
const OPEN_MAX: usize = 1024;

/// What is gathered of one block before it is told is cut here, in bytes: its end is missing then.
const GATHERED_BYTES_MAX: usize = 4 * 1024 * 1024;

/// A block that has not ended.
#[derive(Debug)]
struct Open {
    index: u64,
    block: Block,
}

#[derive(Debug)]
enum Block {
    Text,
    Thinking {
        said: bool,
        signature: String,
    },
    Call {
        call: u32,
        /// The input that came with the block; it counts where no pieces follow.
        whole: String,
        said: bool,
    },
    /// A block of the vendor's own tools, or one that is not known, and the pieces of its input.
    Opaque {
        value: Value,
        input: String,
    },
    /// All is said.
    Done,
}

impl Reader {
    /// `seed`: unique to the exchange; ids of calls that the upstream leaves out are made of it.
    pub fn new(seed: &str) -> Reader {
        Reader {
            started: false,
            over: false,
            open: Vec::new(),
            calls: Calls::new(seed),
            usage: Usage::default(),
            finish: None,
            reasons_optional: false,
        }
    }

    /// Whether `message_stop` ends an answer that has not said why it ends; it is cut otherwise.
    pub fn may_end_without_reason(&mut self, it_may: bool) {
        self.reasons_optional = it_may;
    }

    /// Reads one event; `name` is its `event:` line.
    ///
    /// # Errors
    /// Where an event that means something cannot be read.
    pub fn read(
        &mut self,
        name: Option<&[u8]>,
        data: &[u8],
        sink: &mut Sink<'_>,
    ) -> Result<(), Unintelligible> {
        if self.over || data.is_empty() {
            return Ok(());
        }
        let Some(kind) = kind(name, data)? else {
            return Ok(());
        };
        match kind {
            Kind::BlockDelta => self.block_delta(data, sink)?,
            Kind::BlockStart => self.block_start(parsed(data)?, sink),
            Kind::BlockStop => {
                let stop: BlockStop = parsed(data)?;
                self.block_stop(stop.index, sink);
            }
            Kind::MessageStart => self.message_start(parsed(data)?, sink),
            Kind::MessageDelta => self.message_delta(parsed(data)?, sink),
            // An answer that has not said why it ends is cut, whatever follows it.
            Kind::MessageStop if self.finish.is_some() || self.reasons_optional => {
                self.finish(sink)
            }
            Kind::MessageStop => {}
            Kind::Error => {
                self.start("", "", sink);
                self.over = true;
                sink(Event::Error(Box::new(error::of_event(data))));
            }
        }
        Ok(())
    }

    /// The bytes are over: an answer that has said why it ends has ended, whether `message_stop` came or not.
    pub fn end(&mut self, sink: &mut Sink<'_>) {
        if !self.over && self.finish.is_some() {
            self.finish(sink);
        }
    }

    fn start(&mut self, id: &str, model: &str, sink: &mut Sink<'_>) {
        if !std::mem::replace(&mut self.started, true) {
            sink(Event::Start {
                id: id.into(),
                model: model.into(),
            });
        }
    }

    fn message_start(&mut self, event: MessageStart<'_>, sink: &mut Sink<'_>) {
        let Some(message) = event.message else {
            return self.start("", "", sink);
        };
        let id = message.id.as_ref().map_or("", |id| &id.0);
        self.start(
            id,
            message.model.as_ref().map_or("", |model| &model.0),
            sink,
        );
        self.count(message.usage.as_ref(), sink);
    }

    fn count(&mut self, counts: Option<&Counts>, sink: &mut Sink<'_>) {
        if let Some(counts) = counts {
            self.usage = counts.over(self.usage);
            sink(Event::Usage(self.usage));
        }
    }

    fn block_start(&mut self, event: BlockStart, sink: &mut Sink<'_>) {
        self.start("", "", sink);
        let Some(value) = event.content_block else {
            return;
        };
        let index = event.index.unwrap_or(0);
        // A block that opens where one is open ends that one.
        self.block_stop(Some(index), sink);
        if self.open.len() >= OPEN_MAX {
            self.close_all(sink);
        }
        let block = self.opened(index, value, sink);
        self.open.push(Open { index, block });
    }

    fn opened(&mut self, index: u64, mut value: Value, sink: &mut Sink<'_>) -> Block {
        let text = |name: &str| value.get(name).and_then(Value::as_str).unwrap_or_default();
        match text("type") {
            "text" => {
                say(text("text").into(), sink);
                if let Some(Value::Array(cited)) = value.get_mut("citations").map(Value::take) {
                    cited.into_iter().for_each(|cited| cite(cited, sink));
                }
                Block::Text
            }
            "thinking" => {
                think(text("thinking").into(), sink);
                Block::Thinking {
                    said: !text("thinking").is_empty(),
                    signature: text("signature").to_owned(),
                }
            }
            "redacted_thinking" => {
                reasoning_end(Some(redacted(text("data"))), sink);
                Block::Done
            }
            "tool_use" => self.call(index, &value, sink),
            _ => Block::Opaque {
                value,
                input: String::new(),
            },
        }
    }

    fn call(&mut self, index: u64, block: &Value, sink: &mut Sink<'_>) -> Block {
        let text = |name: &str| block.get(name).and_then(Value::as_str);
        let key = CallKey {
            index: Some(index),
            id: text("id"),
            name: text("name"),
        };
        // Without a name there is nothing to call.
        if key.name.is_none_or(str::is_empty) {
            return Block::Done;
        }
        let Some(Step::Starts { call, .. }) = self.calls.piece(0, key, "") else {
            // The same call again is no other call.
            return Block::Done;
        };
        let (id, name) = self.calls.named(call);
        sink(Event::CallStart {
            choice: 0,
            call,
            id: id.into(),
            name: name.into(),
            kind: CallKind::Function,
            signature: None,
        });
        let whole = block.get("input").map(arguments).unwrap_or_default();
        Block::Call {
            call,
            whole: if whole == "{}" { String::new() } else { whole },
            said: false,
        }
    }

    fn block_delta(&mut self, data: &[u8], sink: &mut Sink<'_>) -> Result<(), Unintelligible> {
        let event: BlockDelta<'_> = match parsed(data) {
            Ok(event) => event,
            // A delta of a kind that came after weir may use a member's name for something else.
            Err(_) if !is_known_delta(data)? => return Ok(()),
            Err(error) => return Err(error),
        };
        self.start("", "", sink);
        let Some(delta) = event.delta else {
            return Ok(());
        };
        let index = event.index.unwrap_or(0);
        let block = self.open.iter_mut().rev().find(|open| open.index == index);
        let block = block.map(|open| &mut open.block);
        let kind = delta.kind.as_ref().map_or("", |kind| &kind.0);
        match (kind, block) {
            ("text_delta", _) => say(taken(delta.text), sink),
            ("thinking_delta", block) => {
                let piece = taken(delta.thinking);
                if let (false, Some(Block::Thinking { said, .. })) = (piece.is_empty(), block) {
                    *said = true;
                }
                think(piece, sink);
            }
            ("signature_delta", Some(Block::Thinking { signature, .. })) => {
                gather(signature, &taken(delta.signature));
            }
            ("input_json_delta", Some(Block::Call { call, said, .. })) => {
                let text = taken(delta.partial_json);
                if !text.is_empty() {
                    *said = true;
                    sink(Event::CallArguments { call: *call, text });
                }
            }
            ("input_json_delta", Some(Block::Opaque { input, .. })) => {
                gather(input, &taken(delta.partial_json));
            }
            ("citations_delta", _) => {
                if let Some(cited) = delta.citation {
                    cite(cited, sink);
                }
            }
            ("compaction_delta", Some(Block::Opaque { value, .. })) => {
                if let Some(members) = value.as_object_mut() {
                    members.insert("content".to_owned(), delta.content.unwrap_or_default());
                }
            }
            // Of a kind that is not known, or for a block that is not open.
            _ => {}
        }
        Ok(())
    }

    fn block_stop(&mut self, index: Option<u64>, sink: &mut Sink<'_>) {
        let index = index.unwrap_or(0);
        if let Some(at) = self.open.iter().rposition(|open| open.index == index) {
            close(self.open.remove(at).block, sink);
        }
    }

    fn close_all(&mut self, sink: &mut Sink<'_>) {
        for open in self.open.drain(..) {
            close(open.block, sink);
        }
    }

    fn message_delta(&mut self, event: MessageDelta<'_>, sink: &mut Sink<'_>) {
        self.start("", "", sink);
        self.count(event.usage.as_ref(), sink);
        let Some(ending) = event.delta else { return };
        if let Some(reason) = &ending.stop_reason {
            let details = ending.stop_details.as_ref();
            let explanation = details.and_then(|details| details.explanation.as_ref());
            let text = |piece: &'_ Piece<'_>| piece.0.to_string();
            let sequence = ending.stop_sequence.as_ref().map(text);
            let explanation = explanation.map(text);
            self.finish = Some(finish(
                &reason.0,
                sequence.as_deref(),
                explanation.as_deref(),
            ));
        }
    }

    fn finish(&mut self, sink: &mut Sink<'_>) {
        self.start("", "", sink);
        self.close_all(sink);
        self.over = true;
        let reason = self.finish.take().unwrap_or(Finish::Stop);
        sink(Event::Finish { choice: 0, reason });
        sink(Event::End);
    }
}

fn taken(piece: Option<Piece<'_>>) -> Cow<'_, str> {
    piece.map(|piece| piece.0).unwrap_or_default()
}

fn gather(text: &mut String, piece: &str) {
    if text.len() + piece.len() <= GATHERED_BYTES_MAX {
        text.push_str(piece);
    }
}

fn say(text: Cow<'_, str>, sink: &mut Sink<'_>) {
    if !text.is_empty() {
        sink(Event::Text { choice: 0, text });
    }
}

fn think(text: Cow<'_, str>, sink: &mut Sink<'_>) {
    if !text.is_empty() {
        sink(Event::Reasoning {
            choice: 0,
            text,
            is_summary: false,
        });
    }
}

fn reasoning_end(signature: Option<Signature>, sink: &mut Sink<'_>) {
    sink(Event::ReasoningEnd {
        choice: 0,
        signature,
        id: None,
    });
}

fn cite(cited: Value, sink: &mut Sink<'_>) {
    sink(Event::Citation {
        choice: 0,
        citation: Box::new(citation::read(cited)),
    });
}

fn close(block: Block, sink: &mut Sink<'_>) {
    match block {
        Block::Text | Block::Done => {}
        Block::Thinking { said, signature } => {
            let proof = Some(signature).filter(|signature| !signature.is_empty());
            if said || proof.is_some() {
                let proof = proof.map(|data| Signature::new(Dialect::Anthropic, data));
                reasoning_end(proof, sink);
            }
        }
        Block::Call { call, whole, said } => {
            if !said && !whole.is_empty() {
                sink(Event::CallArguments {
                    call,
                    text: whole.into(),
                });
            }
            sink(Event::CallEnd { call });
        }
        Block::Opaque { mut value, input } => {
            if let (Ok(input), Some(slot)) = (
                serde_json::from_str::<Value>(&input),
                value.get_mut("input"),
            ) {
                *slot = input;
            }
            sink(Event::Opaque {
                dialect: Dialect::Anthropic,
                value: Box::new(value),
            });
        }
    }
}
