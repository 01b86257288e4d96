//! What an event of a stream says: its text, its reasoning, the arguments of calls. Only the members that hold them are looked at.

use memchr::memmem;

use crate::wire::json::{self, Name};
use crate::wire::{Operation, Spoken};

static DELTA: Name = Name::new("\"delta\"");
static TEXT: Name = Name::new("\"text\"");
static ARGUMENTS: Name = Name::new("\"arguments\"");
static INPUT: Name = Name::new("\"input\"");

/// Adds what an event says to `spoken`.
pub fn say(operation: Operation, name: Option<&[u8]>, data: &[u8], spoken: &mut Spoken) {
    match operation {
        Operation::Chat => DELTA
            .values(data)
            .for_each(|delta| say_delta(delta, spoken)),
        Operation::Completions => {
            TEXT.values(data).for_each(|text| spoken.say_value(text));
        }
        // The pieces of sound are no text.
        Operation::Responses if is_audio(name, data) => {}
        Operation::Responses | Operation::Transcription => {
            let piece = DELTA.values(data).next();
            if let Some(piece) = piece.filter(|piece| piece.starts_with(b"\"")) {
                spoken.say_value(piece);
            }
        }
        // No text comes in the streams of any other.
        _ => {}
    }
}

fn is_audio(name: Option<&[u8]>, data: &[u8]) -> bool {
    const AUDIO: &[u8] = b"response.audio.delta";
    name.map_or_else(|| memmem::find(data, AUDIO).is_some(), |name| name == AUDIO)
}

fn say_delta(delta: &[u8], spoken: &mut Spoken) {
    let (mut reasoning, mut reasoning_content): (&[u8], &[u8]) = (b"null", b"null");
    // What is no object says nothing.
    let _ = json::members(delta, |key, member| {
        let value = &delta[member.value];
        match key {
            b"content" | b"refusal" => say_content(value, spoken),
            b"reasoning" => reasoning = value,
            b"reasoning_content" => reasoning_content = value,
            b"tool_calls" | b"function_call" => {
                ARGUMENTS
                    .values(value)
                    .for_each(|text| spoken.say_value(text));
                INPUT.values(value).for_each(|text| spoken.say_value(text));
            }
            _ => {}
        }
    });
    // Servers in between name it twice.
    let has_content = !matches!(reasoning_content, b"null" | b"\"\"");
    say_content(
        if has_content {
            reasoning_content
        } else {
            reasoning
        },
        spoken,
    );
}

/// A text, or Mistral's parts.
fn say_content(value: &[u8], spoken: &mut Spoken) {
    if value.starts_with(b"[") {
        TEXT.values(value).for_each(|text| spoken.say_value(text));
    } else {
        spoken.say_value(value);
    }
}
