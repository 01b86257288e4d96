//! Watches a stream that passes: its counts, its end and its errors, and on demand what it says. Only the last line is parsed.

use serde::Deserialize;
use serde_json::Value;

use crate::wire::json::{self, Name};
use crate::wire::streams::Sight;
use crate::wire::{Spoken, Usage};

use super::error::error_of_value;
use super::line::usage_of;

static DONE: Name = Name::new("\"done\"");
static ERROR: Name = Name::new("\"error\"");
static ARGUMENTS: Name = Name::new("\"arguments\"");
static INPUT: Name = Name::new("\"prompt_eval_count\"");
static OUTPUT: Name = Name::new("\"eval_count\"");

/// Watches one stream.
#[derive(Debug, Default)]
pub struct Watcher {
    usage: Option<Usage>,
}

/// What is read of a line that may be the last.
#[derive(Deserialize)]
struct Ending {
    #[serde(default)]
    done: Option<bool>,
    #[serde(default)]
    prompt_eval_count: Option<u64>,
    #[serde(default)]
    eval_count: Option<u64>,
    #[serde(default)]
    error: Option<Value>,
}

impl Watcher {
    /// Looks at one line.
    pub fn see(&mut self, data: &[u8], spoken: Option<&mut Spoken>) -> Sight {
        if let Some(spoken) = spoken {
            say(data, spoken);
        }
        let is_done = DONE.rests(data).any(|rest| rest.starts_with(b"true"));
        if !is_done && !ERROR.is_in(data) {
            return Sight::Passes;
        }
        // What cannot be read passes as well: the client may understand it.
        let Ok(mut line) = serde_json::from_slice::<Ending>(data) else {
            return Sight::Passes;
        };
        if let Some(error) = line.error.take().filter(|error| !error.is_null()) {
            return Sight::Fails(Box::new(error_of_value(500, &error)));
        }
        if line.done != Some(true) {
            return Sight::Passes;
        }
        self.usage = usage_of(line.prompt_eval_count, line.eval_count);
        Sight::Ends
    }

    /// The counts of the last line.
    pub fn usage(&self) -> Option<Usage> {
        self.usage
    }

    /// Whether the answer is whole if nothing follows: the last line says all, and without it the stream is cut.
    pub fn is_whole(&self) -> bool {
        false
    }
}

/// The counts of a whole answer, member by member.
#[derive(Debug, Default)]
pub struct Counts {
    input: Option<u64>,
    output: Option<u64>,
}

impl Counts {
    /// Takes a member of the answer.
    pub fn take(&mut self, name: &[u8], value: &[u8]) {
        match name {
            b"prompt_eval_count" => self.input = json::whole_number(value),
            b"eval_count" => self.output = json::whole_number(value),
            _ => {}
        }
    }

    pub fn usage(&self) -> Option<Usage> {
        usage_of(self.input, self.output)
    }
}

/// What a line says, of `/api/chat` or of `/api/generate`.
fn say(line: &[u8], spoken: &mut Spoken) {
    // What is no object says nothing.
    let _ = json::members(line, |key, member| {
        let value = &line[member.value];
        match key {
            b"response" | b"thinking" => spoken.say_value(value),
            b"message" => say_message(value, spoken),
            _ => {}
        }
    });
}

fn say_message(message: &[u8], spoken: &mut Spoken) {
    let _ = json::members(message, |key, member| {
        let value = &message[member.value];
        match key {
            b"content" | b"thinking" => spoken.say_value(value),
            b"tool_calls" => {
                ARGUMENTS
                    .values(value)
                    .for_each(|arguments| spoken.say_value(arguments));
            }
            _ => {}
        }
    });
}

/// The counts in the tail of a long answer.
pub fn usage_in_tail(tail: &[u8]) -> Option<Usage> {
    let mut counts = Counts::default();
    for name in [&INPUT, &OUTPUT] {
        if let Some(value) = name.values(tail).last() {
            counts.take(name.name(), value);
        }
    }
    counts.usage()
}
