//! Watches a stream that passes: its counts, its errors, whether every candidate has finished, and on demand what it says. Of most
//! chunks nothing is parsed but the counts, which stand in each.

use serde::Deserialize;
use serde_json::Value;

use crate::wire::json::{self, Name};
use crate::wire::streams::Sight;
use crate::wire::{Spoken, Usage};

use super::chunk::{Feedback, Piece, UsageMetadata, finish_of};
use super::error::error_of_value;

/// Candidates of one answer that are told apart; Google gives at most 8.
const CANDIDATES_MAX: u32 = 128;

static USAGE: Name = Name::new("\"usageMetadata\"");
static FINISH_REASON: Name = Name::new("\"finishReason\"");
static ERROR: Name = Name::new("\"error\"");
static INDEX: Name = Name::new("\"index\"");
static PARTS: Name = Name::new("\"parts\"");

/// More of a chunk is not copied for the counts in it.
const COUNTS_BYTES_MAX: usize = 4096;

/// Watches one stream.
#[derive(Debug, Default)]
pub struct Watcher {
    /// Counts that were too far from their chunk's end to be kept as they stand.
    usage: Option<Usage>,
    /// The last counts as they stand in their chunk, and what follows them there.
    counts: Vec<u8>,
    /// The candidates that have come, a bit for each, and those that have finished.
    seen: u128,
    finished: u128,
    is_blocked: bool,
}

/// What is read of a chunk that may end something.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Outline<'a> {
    #[serde(borrow, default)]
    candidates: Option<Vec<Candidate<'a>>>,
    #[serde(borrow, default)]
    prompt_feedback: Option<Feedback<'a>>,
    #[serde(default)]
    error: Option<Value>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Candidate<'a> {
    #[serde(default)]
    index: Option<u32>,
    #[serde(borrow, default)]
    finish_reason: Option<Piece<'a>>,
}

impl Watcher {
    /// Looks at the payload of one event.
    pub fn see(&mut self, data: &[u8], spoken: Option<&mut Spoken>) -> Sight {
        if let Some(spoken) = spoken {
            say(data, spoken);
        }
        if let Some(counts) = USAGE.rests(data).last() {
            self.keep(counts);
        }
        if !self.may_matter(data) {
            return Sight::Passes;
        }
        // What cannot be read passes as well: the client may understand it.
        let Ok(chunk) = serde_json::from_slice::<Outline<'_>>(data) else {
            return Sight::Passes;
        };
        if let Some(error) = chunk.error.filter(|error| !error.is_null()) {
            return Sight::Fails(Box::new(error_of_value(500, &error)));
        }
        let feedback = chunk.prompt_feedback;
        self.is_blocked |= feedback.is_some_and(|feedback| feedback.is_block());
        for candidate in chunk.candidates.unwrap_or_default() {
            self.candidate(&candidate);
        }
        Sight::Passes
    }

    /// The last counts.
    pub fn usage(&self) -> Option<Usage> {
        json::value(&self.counts, 0)
            .ok()
            .and_then(|value| usage_in(&self.counts[value]))
            .or(self.usage)
    }

    /// Keeps a text that begins with counts. They stand in every chunk, and only the last are asked for.
    fn keep(&mut self, counts: &[u8]) {
        if counts.len() <= COUNTS_BYTES_MAX {
            self.counts.clear();
            self.counts.extend_from_slice(counts);
        } else if let Ok(value) = json::value(counts, 0) {
            self.counts.clear();
            self.usage = usage_in(&counts[value]).or(self.usage);
        }
    }

    /// Whether the answer is whole if nothing follows: these streams have no word that ends them.
    pub fn is_whole(&self) -> bool {
        match self.seen {
            0 => self.is_blocked,
            seen => seen == self.finished,
        }
    }

    /// Whether a chunk may be more than the next piece of the only candidate.
    fn may_matter(&self, data: &[u8]) -> bool {
        self.seen == 0
            || FINISH_REASON.is_in(data)
            || ERROR.is_in(data)
            || INDEX.rests(data).any(|rest| !is_zero(rest))
    }

    fn candidate(&mut self, candidate: &Candidate<'_>) {
        let index = candidate.index.unwrap_or(0);
        if index >= CANDIDATES_MAX {
            return;
        }
        self.seen |= 1 << index;
        let reason = candidate.finish_reason.as_ref();
        if reason.and_then(|reason| finish_of(&reason.0)).is_some() {
            self.finished |= 1 << index;
        }
    }
}

fn is_zero(rest: &[u8]) -> bool {
    rest.first() == Some(&b'0') && !rest.get(1).is_some_and(u8::is_ascii_digit)
}

/// The counts that the value of `usageMetadata` holds.
pub fn usage_in(value: &[u8]) -> Option<Usage> {
    let mut counts = UsageMetadata::default();
    json::members(value, |key, member| counts.take(key, &value[member.value])).ok()?;
    Some(counts.usage())
}

/// The last counts in the tail of a stream that is one array, or of a long answer.
pub fn usage_in_tail(tail: &[u8]) -> Option<Usage> {
    USAGE.values(tail).last().and_then(usage_in)
}

/// What the parts of a chunk say; the arguments of calls as they stand.
fn say(data: &[u8], spoken: &mut Spoken) {
    for parts in PARTS.values(data) {
        let mut at = json::skip_space(parts, 1);
        while let Ok(part) = json::value(parts, at) {
            say_part(&parts[part.clone()], spoken);
            at = json::skip_space(parts, part.end);
            if parts.get(at) != Some(&b',') {
                break;
            }
            at = json::skip_space(parts, at + 1);
        }
    }
}

fn say_part(part: &[u8], spoken: &mut Spoken) {
    // What is no object says nothing.
    let _ = json::members(part, |key, member| {
        let value = &part[member.value];
        match key {
            b"text" => spoken.say_value(value),
            b"functionCall" => say_call(value, spoken),
            _ => {}
        }
    });
}

fn say_call(call: &[u8], spoken: &mut Spoken) {
    let _ = json::members(call, |key, member| {
        if matches!(key, b"args" | b"partialArgs") {
            spoken.say_value(&call[member.value]);
        }
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_are_found_wherever_they_stand() {
        let long = "x".repeat(COUNTS_BYTES_MAX);
        let chunks = [
            (
                r#"{"usageMetadata":{"promptTokenCount":3,"candidatesTokenCount":1},"candidates":[{"index":0}]}"#.to_owned(),
                1,
            ),
            (
                format!(r#"{{"usageMetadata" : {{"promptTokenCount":3,"candidatesTokenCount":2,"thoughtsTokenCount":5}},"modelVersion":"{long}"}}"#),
                7,
            ),
            (r#"{"usageMetadata":null}"#.to_owned(), 7),
            (r#"{"usageMetadata":{"candidatesTokenCount":9}}"#.to_owned(), 9),
        ];
        let mut watcher = Watcher::default();
        for (chunk, output) in chunks {
            watcher.see(chunk.as_bytes(), None);
            assert_eq!(watcher.usage().unwrap().output, output, "{chunk}");
        }
    }
}
