//! A call of a tool: of a function, of a custom tool, or of a tool whose arguments the dialect has fixed.

use serde::de::IgnoredAny;

use crate::wire::neutral::CallKind;
use crate::wire::responses::local::Local;
use crate::wire::responses::settings::value;

use super::frames::{Delta, Frames, Place, member, quoted, raw_member};

/// The item that is open.
pub struct Call {
    place: Place,
    said: Said,
    form: Form,
}

/// What is known from the beginning.
struct Said {
    id: String,
    name: String,
    kind: CallKind,
}

enum Form {
    /// Arguments stream; so far, as JSON without its quotes.
    Streamed { delta: Delta, escaped: Vec<u8> },
    /// Its arguments become members of the item, which needs them all; bare.
    Gathered { local: Local, arguments: String },
}

impl Call {
    pub fn open(
        place: Place,
        id: &str,
        name: &str,
        kind: CallKind,
        local: Option<Local>,
        frames: &mut Frames,
        out: &mut Vec<u8>,
    ) -> Call {
        let said = Said {
            id: id.to_owned(),
            name: name.to_owned(),
            kind,
        };
        let form = match local {
            Some(local) => Form::Gathered {
                local,
                arguments: String::new(),
            },
            None => said.open(&place, frames, out),
        };
        Call { place, said, form }
    }

    pub fn arguments(&mut self, piece: &str, frames: &mut Frames, out: &mut Vec<u8>) {
        match &mut self.form {
            Form::Streamed { delta, escaped } => {
                frames.delta(delta, piece, None, escaped, out);
            }
            Form::Gathered { arguments, .. } => arguments.push_str(piece),
        }
    }

    /// Ends the item; returns it.
    pub fn close(mut self, frames: &mut Frames, out: &mut Vec<u8>) -> Vec<u8> {
        if let Form::Gathered { local, arguments } = &self.form {
            if let Some(item) = self.said.local_item(&self.place, *local, arguments) {
                self.place.item(false, &item.0, frames, out);
                self.place.item(true, &item.1, frames, out);
                return item.1;
            }
            // Not what the tool takes. As a call of a function by that name, the client tells the model so.
            let arguments = arguments.clone();
            self.form = self.said.open(&self.place, frames, out);
            if !arguments.is_empty() {
                self.arguments(&arguments, frames, out);
            }
        }
        if let Form::Streamed { escaped, .. } = &self.form
            && escaped.is_empty()
            && !self.said.is_custom()
        {
            self.arguments("{}", frames, out);
        }
        let escaped = match self.form {
            Form::Streamed { escaped, .. } => escaped,
            Form::Gathered { .. } => Vec::new(),
        };
        self.said.close(&self.place, &escaped, frames, out)
    }
}

impl Said {
    fn is_custom(&self) -> bool {
        self.kind == CallKind::Custom
    }

    fn open(&self, place: &Place, frames: &mut Frames, out: &mut Vec<u8>) -> Form {
        let item = self.item(&place.id, "in_progress", b"");
        place.item(false, &item, frames, out);
        let kind = if self.is_custom() {
            "response.custom_tool_call_input.delta"
        } else {
            "response.function_call_arguments.delta"
        };
        Form::Streamed {
            delta: frames.pieces(kind, |out| place.write(out)),
            escaped: Vec::new(),
        }
    }

    fn close(
        &self,
        place: &Place,
        escaped: &[u8],
        frames: &mut Frames,
        out: &mut Vec<u8>,
    ) -> Vec<u8> {
        let (kind, word) = if self.is_custom() {
            ("response.custom_tool_call_input.done", "input")
        } else {
            ("response.function_call_arguments.done", "arguments")
        };
        frames.event(kind, out, |out| {
            raw_member(word, out);
            quoted(escaped, out);
            place.write(out);
        });
        let is_whole = self.is_custom() || is_json(escaped);
        let status = if is_whole { "completed" } else { "incomplete" };
        let item = self.item(&place.id, status, escaped);
        place.item(true, &item, frames, out);
        item
    }

    fn item(&self, item_id: &str, status: &str, escaped: &[u8]) -> Vec<u8> {
        let (kind, word) = if self.is_custom() {
            ("custom_tool_call", "input")
        } else {
            ("function_call", "arguments")
        };
        let mut item = b"{\"id\":".to_vec();
        value(item_id, &mut item);
        member("type", kind, &mut item);
        member("status", status, &mut item);
        raw_member(word, &mut item);
        quoted(escaped, &mut item);
        member("call_id", &self.id, &mut item);
        member("name", &self.name, &mut item);
        if let CallKind::Namespaced(namespace) = &self.kind {
            member("namespace", namespace, &mut item);
        }
        item.push(b'}');
        item
    }

    /// The item as it is added and as it is done; none where the arguments are not what the tool takes.
    fn local_item(
        &self,
        place: &Place,
        local: Local,
        arguments: &str,
    ) -> Option<(Vec<u8>, Vec<u8>)> {
        let action = local.action(arguments)?;
        let item = |status: &str| {
            let mut item = b"{\"id\":".to_vec();
            value(&place.id, &mut item);
            member("type", local.call_type(), &mut item);
            member("status", status, &mut item);
            member("call_id", &self.id, &mut item);
            member(local.arguments_member(), &action, &mut item);
            item.push(b'}');
            item
        };
        Some((item("in_progress"), item("completed")))
    }
}

/// Whether arguments, escaped as a string's inside, are whole.
fn is_json(escaped: &[u8]) -> bool {
    let mut literal = Vec::with_capacity(escaped.len() + 2);
    quoted(escaped, &mut literal);
    serde_json::from_slice::<String>(&literal)
        .is_ok_and(|text| serde_json::from_str::<IgnoredAny>(&text).is_ok())
}
