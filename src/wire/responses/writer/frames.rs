//! Events as bytes: name, type, members, and a sequence number without gaps.

use serde_json::Value;

use crate::wire::literal;
use crate::wire::responses::settings::{number, value};

/// Numbers and frames the events of a stream.
#[derive(Default)]
pub struct Frames {
    next: u64,
    /// Nobody reads them: only what they leave behind counts.
    is_silent: bool,
}

impl Frames {
    /// For a response of which only the end is told.
    pub fn silent() -> Frames {
        Frames {
            is_silent: true,
            ..Frames::default()
        }
    }

    pub fn is_silent(&self) -> bool {
        self.is_silent
    }

    /// An event; `body` writes its members, each with a comma before it.
    pub fn event(&mut self, kind: &str, out: &mut Vec<u8>, body: impl FnOnce(&mut Vec<u8>)) {
        if self.is_silent {
            return;
        }
        start(kind, out);
        body(out);
        self.finish(out);
    }

    /// The next piece of a part that streams. It is added to `escaped` as JSON without its quotes.
    pub fn delta(
        &mut self,
        delta: &Delta,
        piece: &str,
        logprobs: Option<&[Value]>,
        escaped: &mut Vec<u8>,
        out: &mut Vec<u8>,
    ) {
        if self.is_silent {
            escaped.reserve(piece.len());
            return literal::push_inside(piece, escaped);
        }
        out.extend_from_slice(&delta.before);
        let from = out.len();
        literal::push(piece, out);
        escaped.extend_from_slice(&out[from + 1..out.len() - 1]);
        if let Some(logprobs) = logprobs {
            member("logprobs", logprobs, out);
        }
        out.extend_from_slice(&delta.after);
        self.finish(out);
    }

    /// What the pieces of a part have in common: nothing, where nobody reads them.
    pub fn pieces(&self, kind: &str, place: impl FnOnce(&mut Vec<u8>)) -> Delta {
        if self.is_silent {
            return Delta::default();
        }
        Delta::new(kind, place)
    }

    fn finish(&mut self, out: &mut Vec<u8>) {
        out.extend_from_slice(b",\"sequence_number\":");
        number(self.next, out);
        self.next += 1;
        out.extend_from_slice(b"}\n\n");
    }
}

/// What all pieces of one part have in common, written once.
#[derive(Default)]
pub struct Delta {
    before: Vec<u8>,
    after: Vec<u8>,
}

impl Delta {
    /// `place` writes the members that say which part it is.
    fn new(kind: &str, place: impl FnOnce(&mut Vec<u8>)) -> Delta {
        let mut before = Vec::new();
        start(kind, &mut before);
        before.extend_from_slice(b",\"delta\":");
        let mut after = Vec::new();
        place(&mut after);
        Delta { before, after }
    }
}

fn start(kind: &str, out: &mut Vec<u8>) {
    out.extend_from_slice(b"event: ");
    out.extend_from_slice(kind.as_bytes());
    out.extend_from_slice(b"\ndata: {\"type\":\"");
    out.extend_from_slice(kind.as_bytes());
    out.push(b'"');
}

/// `,"name":value`.
pub fn member<T: serde::Serialize + ?Sized>(name: &str, said: &T, out: &mut Vec<u8>) {
    raw_member(name, out);
    value(said, out);
}

/// `,"name":"text"`.
pub fn text_member(name: &str, text: &str, out: &mut Vec<u8>) {
    raw_member(name, out);
    literal::push(text, out);
}

/// `,"name":`.
pub fn raw_member(name: &str, out: &mut Vec<u8>) {
    out.extend_from_slice(b",\"");
    out.extend_from_slice(name.as_bytes());
    out.extend_from_slice(b"\":");
}

/// A string whose inside is JSON already.
pub fn quoted(escaped: &[u8], out: &mut Vec<u8>) {
    out.push(b'"');
    out.extend_from_slice(escaped);
    out.push(b'"');
}

/// Which item an event is about.
#[derive(Clone)]
pub struct Place {
    pub index: u32,
    pub id: String,
}

impl Place {
    /// `,"item_id":…,"output_index":…`.
    pub fn write(&self, out: &mut Vec<u8>) {
        text_member("item_id", &self.id, out);
        self.write_index(out);
    }

    pub fn write_index(&self, out: &mut Vec<u8>) {
        raw_member("output_index", out);
        number(u64::from(self.index), out);
    }

    /// `output_item.added` or `.done`.
    pub fn item(&self, is_done: bool, item: &[u8], frames: &mut Frames, out: &mut Vec<u8>) {
        let kind = if is_done {
            "response.output_item.done"
        } else {
            "response.output_item.added"
        };
        frames.event(kind, out, |out| {
            raw_member("item", out);
            out.extend_from_slice(item);
            self.write_index(out);
        });
    }
}
