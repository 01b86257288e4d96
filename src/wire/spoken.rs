//! What a model has said in an answer, as far as it was kept: for answers whose own counts never came.

use std::borrow::Cow;

use super::json;
use super::neutral::{Answer, Part};

/// More text than this is not kept, only counted.
pub const SPOKEN_BYTES_MAX: usize = 256 * 1024;

/// The text, the reasoning and the arguments of calls, one after another as they came. Names of calls, proofs of reasoning and
/// what is no text are not among it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Spoken {
    /// The beginning, of at most [`SPOKEN_BYTES_MAX`].
    pub text: String,
    /// The length of what came after it.
    pub bytes_beyond: u64,
    /// Events of the stream that brought any of it: of servers that send each token by itself, the number of tokens. 0 for a whole answer.
    pub events: u32,
}

impl Spoken {
    /// What a whole answer says.
    pub fn of(answer: &Answer) -> Spoken {
        let mut spoken = Spoken::default();
        for part in answer.choices.iter().flat_map(|choice| &choice.parts) {
            match part {
                Part::Text(text) => spoken.say(&text.text),
                Part::Refusal(text) => spoken.say(text),
                Part::Reasoning(reasoning) => spoken.say(&reasoning.text),
                Part::Call(call) => spoken.say(&call.arguments),
                Part::Image(_)
                | Part::Audio(_)
                | Part::Document(_)
                | Part::Result(_)
                | Part::Opaque { .. } => {}
            }
        }
        spoken
    }

    /// All of it, in bytes.
    pub fn bytes(&self) -> u64 {
        self.text.len() as u64 + self.bytes_beyond
    }

    /// Adds a piece.
    pub fn say(&mut self, piece: &str) {
        // What does not fit is not kept, nor what follows it: the text has no holes.
        if self.bytes_beyond == 0 && self.text.len() + piece.len() <= SPOKEN_BYTES_MAX {
            self.text.push_str(piece);
        } else {
            self.bytes_beyond += piece.len() as u64;
        }
    }

    /// Adds what was said after it.
    pub fn append(&mut self, later: Spoken) {
        self.say(&later.text);
        self.bytes_beyond += later.bytes_beyond;
        self.events += later.events;
    }

    /// Adds a value of a JSON text: what a string says, any other value as it stands, and nothing for null.
    pub fn say_value(&mut self, value: &[u8]) {
        if value == b"null" {
            return;
        }
        let text = json::text_of(value).unwrap_or_else(|| lossy(value));
        self.say(&text);
    }
}

/// A string that is damaged is about as long as it stands there.
fn lossy(value: &[u8]) -> Cow<'_, str> {
    String::from_utf8_lossy(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_kept_up_to_its_bound_and_counted_beyond() {
        let mut spoken = Spoken::default();
        let piece = "é".repeat(SPOKEN_BYTES_MAX / 4);
        spoken.say(&piece);
        spoken.say("a");
        spoken.say(&piece);
        spoken.say("b");
        assert_eq!(spoken.text.len(), SPOKEN_BYTES_MAX / 2 + 1);
        assert_eq!(spoken.bytes_beyond, SPOKEN_BYTES_MAX as u64 / 2 + 1);
        assert_eq!(spoken.bytes(), SPOKEN_BYTES_MAX as u64 + 2);
    }

    #[test]
    fn values_are_said_as_they_are_meant() {
        let cases: [(&[u8], &str); 5] = [
            (br#""a\n\u00e9\"""#, "a\né\""),
            (br#"{"a":"b\"c"}"#, r#"{"a":"b\"c"}"#),
            (b"null", ""),
            (br#""\ud83d""#, r#""\ud83d""#),
            (b"\"\xff\"", "\"\u{fffd}\""),
        ];
        for (value, expected) in cases {
            let mut spoken = Spoken::default();
            spoken.say_value(value);
            assert_eq!(spoken.text, expected);
        }
    }
}
