//! Watches a stream that passes: its counts, its end and its errors, and on demand what it says. Of most events only the name is read.

use crate::wire::json::{self, Name};
use crate::wire::streams::Sight;
use crate::wire::{Spoken, Usage};

use super::answer_in::Counts;
use super::error;
use super::frames::{Kind, MessageDelta, MessageStart, kind, parsed};

/// Watches one stream.
#[derive(Debug, Default)]
pub struct Watcher {
    usage: Option<Usage>,
    /// Why the answer ends has been said.
    is_finished: bool,
}

impl Watcher {
    /// Looks at one event; `name` is its `event:` line.
    pub fn see(&mut self, name: Option<&[u8]>, data: &[u8], spoken: Option<&mut Spoken>) -> Sight {
        // What cannot be read passes as well: the client may understand it.
        let Ok(Some(kind)) = kind(name, data) else {
            return Sight::Passes;
        };
        match kind {
            Kind::BlockStart | Kind::BlockDelta => {
                if let Some(spoken) = spoken {
                    say(kind, data, spoken);
                }
            }
            Kind::BlockStop => {}
            Kind::MessageStart => {
                let start = parsed::<MessageStart<'_>>(data).ok();
                let message = start.and_then(|start| start.message);
                self.count(message.and_then(|message| message.usage));
            }
            Kind::MessageDelta => {
                if let Ok(told) = parsed::<MessageDelta<'_>>(data) {
                    self.count(told.usage);
                    self.is_finished |= told.delta.is_some_and(|delta| delta.stop_reason.is_some());
                }
            }
            Kind::MessageStop => return Sight::Ends,
            Kind::Error => return Sight::Fails(Box::new(error::of_event(data))),
        }
        Sight::Passes
    }

    /// The last counts.
    pub fn usage(&self) -> Option<Usage> {
        self.usage
    }

    /// Whether the answer is whole if nothing follows.
    pub fn is_whole(&self) -> bool {
        self.is_finished
    }

    fn count(&mut self, counts: Option<Counts>) {
        if let Some(counts) = counts {
            self.usage = Some(counts.over(self.usage.unwrap_or_default()));
        }
    }
}

static BLOCK: Name = Name::new("\"content_block\"");
static DELTA: Name = Name::new("\"delta\"");
static USAGE: Name = Name::new("\"usage\"");

/// What a block says: `text`, `thinking`, `partial_json`; an `input` that came with the block's start.
fn say(kind: Kind, data: &[u8], spoken: &mut Spoken) {
    let name = match kind {
        Kind::BlockStart => &BLOCK,
        _ => &DELTA,
    };
    let Some(block) = name.values(data).next() else {
        return;
    };
    // What is no object says nothing.
    let _ = json::members(block, |key, member| {
        let value = &block[member.value];
        match key {
            b"text" | b"thinking" | b"partial_json" => spoken.say_value(value),
            b"input" if value != b"{}" => spoken.say_value(value),
            _ => {}
        }
    });
}

/// The counts of a whole answer.
pub fn usage_in(value: &[u8]) -> Option<Usage> {
    let counts: Counts = serde_json::from_slice(value).ok()?;
    Some(counts.over(Usage::default()))
}

/// The counts in the tail of a long answer.
pub fn usage_in_tail(tail: &[u8]) -> Option<Usage> {
    USAGE.values(tail).last().and_then(usage_in)
}
