//! One stream on its way to the client. Each text of each choice, and the arguments of each call, is masked as a text of its own;
//! what comes after a held tail waits for it, so that the order of events stays what it was.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, VecDeque};
use std::mem;

use weir_plugin::{
    EventsVerdict, GuardStream, Host, PluginError, StreamEvent, TextDelta, ToolDelta,
};

use crate::json::{HeldJson, is_json, whole_arguments};
use crate::masker::{Held, Masker};
use crate::report::{Place, Report};

/// Events of a choice that wait behind a held tail before it is let go as it is. More than one, so that a value is found
/// whose pieces come in turns with another text; few, for these are tokens that somebody waits for.
pub const WAITING_EVENTS_MAX: usize = 4;
/// Texts of one stream that something is held of at once.
pub const CHANNELS_MAX: usize = 256;

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Channel {
    Text,
    Reasoning,
    Refusal,
    Arguments(u32),
}

enum Tail {
    Text(Held),
    Json(Box<HeldJson>),
}

/// What has not gone out yet: an event, or the place of a held tail.
enum Slot {
    Ready(StreamEvent),
    Held(Channel),
}

/// One choice of the answer.
#[derive(Default)]
struct Choice {
    tails: BTreeMap<Channel, Tail>,
    waiting: VecDeque<Slot>,
}

pub struct Stream {
    /// None: what comes is passed on as it is.
    masker: Option<Masker>,
    /// Why nothing can be masked; nothing goes out then.
    trouble: Option<PluginError>,
    report: Report,
    choices: BTreeMap<u32, Choice>,
}

impl Stream {
    pub(crate) fn new(masker: Result<Option<Masker>, PluginError>, report: Report) -> Stream {
        let trouble = masker.as_ref().err().cloned();
        Stream {
            masker: masker.ok().flatten(),
            trouble,
            report,
            choices: BTreeMap::new(),
        }
    }
}

impl GuardStream for Stream {
    fn on_events(
        &mut self,
        host: &dyn Host,
        events: Vec<StreamEvent>,
    ) -> Result<EventsVerdict, PluginError> {
        if let Some(trouble) = &self.trouble {
            return Err(trouble.clone());
        }
        let Some(mut masker) = self.masker.take() else {
            return Ok(EventsVerdict::Pass);
        };
        let mut out = Vec::with_capacity(events.len());
        let mut same = true;
        for event in events {
            same &= self.event(&mut masker, event, &mut out);
        }
        let refusal = self.report.settle(host, &mut masker, Place::Stream);
        self.masker = Some(masker);
        Ok(match refusal {
            Some(refusal) => EventsVerdict::Abort(refusal),
            None if same => EventsVerdict::Pass,
            None if out.is_empty() => EventsVerdict::Drop,
            None => EventsVerdict::Replace(out),
        })
    }

    fn on_end(&mut self, host: &dyn Host) -> Result<Vec<StreamEvent>, PluginError> {
        let Some(mut masker) = self.masker.take() else {
            return Ok(Vec::new());
        };
        let mut out = Vec::new();
        for (number, mut choice) in mem::take(&mut self.choices) {
            choice.end(number, &mut masker);
            choice.drain(&mut out);
        }
        let refusal = self.report.settle(host, &mut masker, Place::Stream);
        // A stream that is over cannot be aborted: what is not allowed is left out, with what came after it.
        Ok(if refusal.is_some() { Vec::new() } else { out })
    }
}

impl Stream {
    /// Takes one event, and gives out what can go. Whether that is this event as it came, and nothing else.
    fn event(
        &mut self,
        masker: &mut Masker,
        event: StreamEvent,
        out: &mut Vec<StreamEvent>,
    ) -> bool {
        let number = match &event {
            StreamEvent::Text(delta)
            | StreamEvent::Reasoning(delta)
            | StreamEvent::Refusal(delta) => delta.choice,
            StreamEvent::ToolCall(delta) => delta.choice,
            StreamEvent::Finish(finish) => finish.choice,
            StreamEvent::Raw(_) => 0,
            // Counts of the whole stream: no text waits for them, nor they for a text.
            StreamEvent::Usage(_) => {
                out.push(event);
                return true;
            }
        };
        let room = self
            .choices
            .values()
            .map(|choice| choice.tails.len())
            .sum::<usize>()
            < CHANNELS_MAX;
        // Nobody asks for as many answers at once: all beyond share one place.
        let crowded = self.choices.len() >= CHANNELS_MAX && !self.choices.contains_key(&number);
        let choice = self
            .choices
            .entry(if crowded { u32::MAX } else { number })
            .or_default();
        let idle = choice.waiting.is_empty();
        let same = choice.event(number, masker, event, room);
        choice.relieve(number, masker);
        choice.drain(out);
        same && idle && choice.waiting.is_empty()
    }
}

impl Choice {
    /// Whether the event waits as it came.
    fn event(&mut self, number: u32, masker: &mut Masker, event: StreamEvent, room: bool) -> bool {
        match event {
            StreamEvent::Text(delta) => self.text(masker, Channel::Text, delta, room),
            StreamEvent::Reasoning(delta) => self.text(masker, Channel::Reasoning, delta, room),
            StreamEvent::Refusal(delta) => self.text(masker, Channel::Refusal, delta, room),
            StreamEvent::ToolCall(delta) => self.tool(masker, delta, room),
            StreamEvent::Finish(_) => {
                self.end(number, masker);
                self.waiting.push_back(Slot::Ready(event));
                true
            }
            StreamEvent::Usage(_) => {
                self.waiting.push_back(Slot::Ready(event));
                true
            }
            StreamEvent::Raw(mut raw) => {
                let masked = whole_arguments(masker, &raw.data);
                let same = masked.is_none();
                raw.data = masked.unwrap_or(raw.data);
                self.waiting.push_back(Slot::Ready(StreamEvent::Raw(raw)));
                same
            }
        }
    }

    fn text(
        &mut self,
        masker: &mut Masker,
        channel: Channel,
        delta: TextDelta,
        room: bool,
    ) -> bool {
        let (text, same) = self.push(masker, channel, &delta.text, room);
        let goes = same || !text.is_empty();
        self.place(
            channel,
            goes.then(|| text_event(channel, delta.choice, text)),
        );
        same
    }

    fn tool(&mut self, masker: &mut Masker, delta: ToolDelta, room: bool) -> bool {
        let channel = Channel::Arguments(delta.index);
        let (arguments, same) = self.push(masker, channel, &delta.arguments, room);
        let goes = same || !arguments.is_empty() || delta.id.is_some() || delta.name.is_some();
        self.place(
            channel,
            goes.then_some(StreamEvent::ToolCall(ToolDelta { arguments, ..delta })),
        );
        same
    }

    /// The next piece of a text: what is certain, and whether that is the piece as it came.
    fn push(
        &mut self,
        masker: &mut Masker,
        channel: Channel,
        piece: &str,
        room: bool,
    ) -> (String, bool) {
        if piece.is_empty() {
            return (
                String::new(),
                self.tails.get(&channel).is_none_or(Tail::is_empty),
            );
        }
        let tail = match self.tails.entry(channel) {
            Entry::Occupied(entry) => entry.into_mut(),
            Entry::Vacant(entry) => {
                let Some(tail) = Tail::new(channel, piece) else {
                    return (piece.to_owned(), true);
                };
                if !room {
                    let masked = tail.whole(masker, piece);
                    let same = masked.is_none();
                    return (masked.unwrap_or_else(|| piece.to_owned()), same);
                }
                entry.insert(tail)
            }
        };
        let idle = tail.is_empty();
        let text = tail.push(masker, piece, false);
        let same = idle && tail.is_empty() && text == piece;
        (text, same)
    }

    /// Puts an event where its text is waiting, or behind all others.
    fn place(&mut self, channel: Channel, event: Option<StreamEvent>) {
        let holds = self
            .tails
            .get(&channel)
            .is_some_and(|tail| !tail.is_empty());
        let held_at = self
            .waiting
            .iter()
            .position(|slot| matches!(slot, Slot::Held(held) if *held == channel));
        match held_at {
            Some(place) => {
                if !holds {
                    self.waiting.remove(place);
                }
                if let Some(event) = event {
                    self.waiting.insert(place, Slot::Ready(event));
                }
            }
            None => {
                self.waiting.extend(event.map(Slot::Ready));
                if holds {
                    self.waiting.push_back(Slot::Held(channel));
                }
            }
        }
    }

    /// Lets held tails go that too much waits for.
    fn relieve(&mut self, number: u32, masker: &mut Masker) {
        // Each once: of a tail that is half an escape nothing can go.
        for _ in 0..self.waiting.len() {
            let Some(Slot::Held(channel)) = self.waiting.front() else {
                return;
            };
            let channel = *channel;
            let events = self
                .waiting
                .iter()
                .filter(|slot| matches!(slot, Slot::Ready(_)))
                .count();
            let tails = self.waiting.len() - events;
            if events <= WAITING_EVENTS_MAX && tails <= WAITING_EVENTS_MAX {
                return;
            }
            self.waiting.pop_front();
            let Some(tail) = self.tails.get_mut(&channel) else {
                continue;
            };
            let text = tail.let_go(masker);
            // Half an escape cannot go.
            let rest = !tail.is_empty();
            let mut freed: VecDeque<Slot> = event_of(channel, number, text)
                .map(Slot::Ready)
                .into_iter()
                .collect();
            freed.append(&mut self.waiting);
            self.waiting = freed;
            if rest {
                self.waiting.push_back(Slot::Held(channel));
            }
        }
    }

    /// No more text comes: all tails take their places.
    fn end(&mut self, number: u32, masker: &mut Masker) {
        for slot in mem::take(&mut self.waiting) {
            match slot {
                Slot::Ready(event) => self.waiting.push_back(Slot::Ready(event)),
                Slot::Held(channel) => {
                    let text = self
                        .tails
                        .remove(&channel)
                        .map(|mut tail| tail.push(masker, "", true));
                    let event = text.and_then(|text| event_of(channel, number, text));
                    self.waiting.extend(event.map(Slot::Ready));
                }
            }
        }
        self.tails.clear();
    }

    fn drain(&mut self, out: &mut Vec<StreamEvent>) {
        while let Some(Slot::Ready(_)) = self.waiting.front() {
            if let Some(Slot::Ready(event)) = self.waiting.pop_front() {
                out.push(event);
            }
        }
    }
}

fn text_event(channel: Channel, choice: u32, text: String) -> StreamEvent {
    match channel {
        Channel::Text => StreamEvent::Text(TextDelta { choice, text }),
        Channel::Reasoning => StreamEvent::Reasoning(TextDelta { choice, text }),
        Channel::Refusal => StreamEvent::Refusal(TextDelta { choice, text }),
        Channel::Arguments(index) => StreamEvent::ToolCall(ToolDelta {
            choice,
            index,
            id: None,
            name: None,
            arguments: text,
        }),
    }
}

fn event_of(channel: Channel, choice: u32, text: String) -> Option<StreamEvent> {
    (!text.is_empty()).then(|| text_event(channel, choice, text))
}

impl Tail {
    /// None as long as it is not known what kind of text it is.
    fn new(channel: Channel, piece: &str) -> Option<Tail> {
        let json = match channel {
            Channel::Text | Channel::Reasoning | Channel::Refusal => false,
            Channel::Arguments(_) => is_json(piece)?,
        };
        Some(if json {
            Tail::Json(Box::default())
        } else {
            Tail::Text(Held::default())
        })
    }

    fn push(&mut self, masker: &mut Masker, piece: &str, last: bool) -> String {
        match self {
            Tail::Text(held) => held.push(masker, piece, last),
            Tail::Json(held) => held.push(masker, piece, last),
        }
    }

    fn let_go(&mut self, masker: &mut Masker) -> String {
        match self {
            Tail::Text(held) => held.let_go(masker),
            Tail::Json(held) => held.let_go(masker),
        }
    }

    fn whole(&self, masker: &mut Masker, piece: &str) -> Option<String> {
        match self {
            Tail::Text(_) => masker.whole(piece),
            Tail::Json(_) => HeldJson::whole(masker, piece),
        }
    }

    fn is_empty(&self) -> bool {
        match self {
            Tail::Text(held) => held.is_empty(),
            Tail::Json(held) => held.is_empty(),
        }
    }
}
