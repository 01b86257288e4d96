//! A reasoning item: one summary, and the encrypted reasoning where the client keeps it.

use crate::wire::responses::settings::value;

use super::frames::{Delta, Frames, Place, member, quoted, raw_member};

/// The item that is open.
pub struct Reasoning {
    place: Place,
    /// The summary so far, as JSON without its quotes; none before its first piece.
    summary: Option<(Delta, Vec<u8>)>,
}

const SUMMARY_INDEX: &[u8] = b",\"summary_index\":0";

impl Reasoning {
    pub fn open(place: Place, frames: &mut Frames, out: &mut Vec<u8>) -> Reasoning {
        let reasoning = Reasoning {
            place,
            summary: None,
        };
        if !frames.is_silent() {
            let item = reasoning.item(None);
            reasoning.place.item(false, &item, frames, out);
        }
        reasoning
    }

    pub fn text(&mut self, piece: &str, frames: &mut Frames, out: &mut Vec<u8>) {
        if self.summary.is_none() {
            frames.event("response.reasoning_summary_part.added", out, |out| {
                out.extend_from_slice(b",\"part\":{\"type\":\"summary_text\",\"text\":\"\"}");
                self.write_place(out);
            });
            let delta = frames.pieces("response.reasoning_summary_text.delta", |out| {
                self.write_place(out);
            });
            self.summary = Some((delta, Vec::new()));
        }
        let Some((delta, escaped)) = &mut self.summary else {
            return;
        };
        frames.delta(delta, piece, None, escaped, out);
    }

    /// Ends the item; returns it.
    pub fn close(self, encrypted: Option<&str>, frames: &mut Frames, out: &mut Vec<u8>) -> Vec<u8> {
        if let Some((_, escaped)) = &self.summary {
            frames.event("response.reasoning_summary_text.done", out, |out| {
                raw_member("text", out);
                quoted(escaped, out);
                self.write_place(out);
            });
            frames.event("response.reasoning_summary_part.done", out, |out| {
                out.extend_from_slice(b",\"part\":");
                summary_part(escaped, out);
                self.write_place(out);
            });
        }
        let item = self.item(encrypted);
        self.place.item(true, &item, frames, out);
        item
    }

    fn write_place(&self, out: &mut Vec<u8>) {
        self.place.write(out);
        out.extend_from_slice(SUMMARY_INDEX);
    }

    fn item(&self, encrypted: Option<&str>) -> Vec<u8> {
        let mut item = b"{\"id\":".to_vec();
        value(&self.place.id, &mut item);
        member("type", "reasoning", &mut item);
        item.extend_from_slice(b",\"summary\":[");
        if let Some((_, escaped)) = &self.summary {
            summary_part(escaped, &mut item);
        }
        item.push(b']');
        if let Some(encrypted) = encrypted {
            member("encrypted_content", encrypted, &mut item);
        }
        item.push(b'}');
        item
    }
}

fn summary_part(escaped: &[u8], out: &mut Vec<u8>) {
    out.extend_from_slice(b"{\"type\":\"summary_text\",\"text\":");
    quoted(escaped, out);
    out.push(b'}');
}
