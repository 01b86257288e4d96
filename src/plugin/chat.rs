//! What an adapter has read, as Chat Completions: from there on its upstream is one that speaks Chat. It must not know the adapter.
//!
//! Three raw events are known beside the contract's own: `delta` (members for a choice's delta or message), `answer` (a whole answer of
//! another operation, in OpenAI's shape) and nothing else; others are the provider's own, and dropped.

use std::collections::BTreeMap;

use bytes::Bytes;
use serde_json::{Map, Value, json};
use weir_plugin::{StreamEvent, ToolDelta, Usage};

/// Calls, and choices, that one answer may hold.
const PARTS_MAX: usize = 4096;

/// Writes one answer.
#[derive(Debug)]
pub struct ChatAnswer {
    is_stream: bool,
    id: String,
    model: String,
    created: u64,
    choices: BTreeMap<u32, Choice>,
    usage: Option<Usage>,
    /// An answer of another operation.
    answer: Option<String>,
}

#[derive(Debug, Default)]
struct Choice {
    has_begun: bool,
    /// Of a whole answer.
    message: Map<String, Value>,
    finish: Option<String>,
    /// The contract's index of each call; its place is its number in the choice.
    calls: Vec<u32>,
}

impl ChatAnswer {
    /// `created`: seconds since 1970.
    pub fn new(is_stream: bool, id: &str, model: &str, created: u64) -> ChatAnswer {
        ChatAnswer {
            is_stream,
            id: format!("chatcmpl-{id}"),
            model: model.to_owned(),
            created,
            choices: BTreeMap::new(),
            usage: None,
            answer: None,
        }
    }

    /// Takes what was read; the bytes that are ready.
    pub fn take(&mut self, events: Vec<StreamEvent>) -> Bytes {
        let mut out = Vec::new();
        for event in events {
            self.event(event, &mut out);
        }
        out.into()
    }

    /// The answer is whole: the rest of it.
    pub fn end(&mut self) -> Bytes {
        if let Some(answer) = self.answer.take() {
            return answer.into();
        }
        if !self.is_stream {
            return self.whole().to_string().into();
        }
        let mut out = Vec::new();
        let finishes: Vec<_> = self
            .choices
            .iter_mut()
            .filter_map(|(index, choice)| Some((*index, choice.finish.take()?)))
            .collect();
        for (index, reason) in finishes {
            self.chunk(index, json!({}), Some(&reason), &mut out);
        }
        if let Some(usage) = self.usage.take() {
            let mut chunk = self.head("chat.completion.chunk");
            chunk.insert("choices".to_owned(), json!([]));
            chunk.insert("usage".to_owned(), usage_value(&usage));
            write(&Value::Object(chunk), &mut out);
        }
        out.extend_from_slice(b"data: [DONE]\n\n");
        out.into()
    }

    fn event(&mut self, event: StreamEvent, out: &mut Vec<u8>) {
        match event {
            StreamEvent::Text(piece) => self.text(piece.choice, "content", piece.text, out),
            StreamEvent::Refusal(piece) => self.text(piece.choice, "refusal", piece.text, out),
            StreamEvent::Reasoning(piece) => {
                self.text(piece.choice, "reasoning_content", piece.text, out);
            }
            StreamEvent::ToolCall(piece) => self.call(piece, out),
            StreamEvent::Usage(usage) => self.usage = Some(usage),
            // Held back to the end: some providers say something after it.
            StreamEvent::Finish(finish) => {
                if let Some(choice) = self.choice(finish.choice) {
                    choice.finish.get_or_insert(finish.reason);
                }
            }
            StreamEvent::Raw(raw) => match raw.event.as_deref() {
                Some("answer") => self.answer = Some(raw.data),
                Some("delta") => {
                    if let Ok(Value::Object(members)) = serde_json::from_str(&raw.data) {
                        self.members(0, members, out);
                    }
                }
                _ => {}
            },
        }
    }

    fn choice(&mut self, index: u32) -> Option<&mut Choice> {
        let has_room = self.choices.len() < PARTS_MAX || self.choices.contains_key(&index);
        has_room.then(|| self.choices.entry(index).or_default())
    }

    fn text(&mut self, index: u32, name: &str, text: String, out: &mut Vec<u8>) {
        if text.is_empty() {
            return;
        }
        let is_stream = self.is_stream;
        let Some(choice) = self.choice(index) else {
            return;
        };
        if is_stream {
            self.chunk(index, json!({ name: text }), None, out);
            return;
        }
        match choice.message.get_mut(name) {
            Some(Value::String(before)) => before.push_str(&text),
            _ => drop(choice.message.insert(name.to_owned(), text.into())),
        }
    }

    fn members(&mut self, index: u32, members: Map<String, Value>, out: &mut Vec<u8>) {
        if self.is_stream {
            self.chunk(index, Value::Object(members), None, out);
            return;
        }
        let Some(choice) = self.choice(index) else {
            return;
        };
        for (name, value) in members {
            match (choice.message.get_mut(&name), value) {
                (Some(Value::Array(before)), Value::Array(mut more)) => before.append(&mut more),
                (_, value) => drop(choice.message.insert(name, value)),
            }
        }
    }

    fn call(&mut self, piece: ToolDelta, out: &mut Vec<u8>) {
        let (is_stream, id) = (self.is_stream, self.id.clone());
        let Some(choice) = self.choice(piece.choice) else {
            return;
        };
        let known = choice.calls.iter().position(|of| *of == piece.index);
        let is_first = known.is_none();
        let at = match (known, &piece.name) {
            (Some(at), _) => at,
            (None, Some(_)) if choice.calls.len() < PARTS_MAX => {
                choice.calls.push(piece.index);
                choice.calls.len() - 1
            }
            // Arguments of a call that never began.
            (None, _) => return,
        };
        let made = || format!("call_{}_{at}", &id[id.len().saturating_sub(8)..]);
        if is_stream {
            let mut call = json!({"index": at, "function": {"arguments": piece.arguments}});
            if is_first {
                call["id"] = piece
                    .id
                    .filter(|id| !id.is_empty())
                    .unwrap_or_else(made)
                    .into();
                call["type"] = "function".into();
                call["function"]["name"] = piece.name.unwrap_or_default().into();
            }
            self.chunk(piece.choice, json!({"tool_calls": [call]}), None, out);
            return;
        }
        let calls = choice.message.entry("tool_calls").or_insert(json!([]));
        let Value::Array(calls) = calls else { return };
        if is_first {
            let id = piece.id.filter(|id| !id.is_empty()).unwrap_or_else(made);
            calls.push(json!({"id": id, "type": "function",
                "function": {"name": piece.name.unwrap_or_default(), "arguments": piece.arguments}}));
        } else if let Some(Value::String(before)) = calls
            .get_mut(at)
            .and_then(|call| call.pointer_mut("/function/arguments"))
        {
            before.push_str(&piece.arguments);
        }
    }

    fn head(&self, object: &str) -> Map<String, Value> {
        let mut head = Map::new();
        head.insert("id".to_owned(), self.id.clone().into());
        head.insert("object".to_owned(), object.into());
        head.insert("created".to_owned(), self.created.into());
        head.insert("model".to_owned(), self.model.clone().into());
        head
    }

    fn chunk(&mut self, index: u32, mut delta: Value, reason: Option<&str>, out: &mut Vec<u8>) {
        let Some(choice) = self.choice(index) else {
            return;
        };
        if !std::mem::replace(&mut choice.has_begun, true) {
            delta["role"] = "assistant".into();
        }
        let mut chunk = self.head("chat.completion.chunk");
        let choice = json!({"index": index, "delta": delta, "finish_reason": reason});
        chunk.insert("choices".to_owned(), json!([choice]));
        write(&Value::Object(chunk), out);
    }

    fn whole(&mut self) -> Value {
        let mut whole = self.head("chat.completion");
        if self.choices.is_empty() {
            self.choices.insert(0, Choice::default());
        }
        let choices = std::mem::take(&mut self.choices).into_iter();
        let choices: Vec<Value> = choices
            .map(|(index, choice)| {
                let mut message = choice.message;
                message.insert("role".to_owned(), "assistant".into());
                message.entry("content").or_insert(Value::Null);
                json!({"index": index, "message": message, "finish_reason": choice.finish})
            })
            .collect();
        whole.insert("choices".to_owned(), choices.into());
        if let Some(usage) = &self.usage {
            whole.insert("usage".to_owned(), usage_value(usage));
        }
        Value::Object(whole)
    }
}

fn write(chunk: &Value, out: &mut Vec<u8>) {
    out.extend_from_slice(b"data: ");
    out.extend_from_slice(chunk.to_string().as_bytes());
    out.extend_from_slice(b"\n\n");
}

fn usage_value(usage: &Usage) -> Value {
    json!({
        "prompt_tokens": usage.input,
        "completion_tokens": usage.output,
        "total_tokens": usage.input.saturating_add(usage.output),
        "prompt_tokens_details": {"cached_tokens": usage.cached_input, "cache_write_tokens": usage.cache_write},
        "completion_tokens_details": {"reasoning_tokens": usage.reasoning},
    })
}

#[cfg(test)]
mod tests {
    use weir_plugin::{Finish, RawEvent};

    use super::*;

    fn events() -> Vec<StreamEvent> {
        let call = |id: Option<&str>, name: Option<&str>, arguments: &str| {
            StreamEvent::ToolCall(ToolDelta {
                choice: 0,
                index: 7,
                id: id.map(str::to_owned),
                name: name.map(str::to_owned),
                arguments: arguments.to_owned(),
            })
        };
        vec![
            StreamEvent::text(0, "he"),
            StreamEvent::text(0, "llo"),
            call(Some("c"), Some("f"), "{\"a\""),
            call(None, None, ":1}"),
            StreamEvent::Raw(RawEvent {
                event: Some("delta".to_owned()),
                data: "{\"annotations\":[1]}".to_owned(),
            }),
            StreamEvent::Finish(Finish {
                choice: 0,
                reason: "tool_calls".to_owned(),
            }),
            StreamEvent::Usage(Usage {
                input: 5,
                output: 3,
                ..Usage::default()
            }),
        ]
    }

    #[test]
    fn a_whole_answer() {
        let mut answer = ChatAnswer::new(false, "x", "m", 1);
        assert!(answer.take(events()).is_empty());
        let whole: Value = serde_json::from_slice(&answer.end()).expect("JSON");
        let message = &whole["choices"][0]["message"];
        assert_eq!(message["content"], "hello");
        assert_eq!(message["annotations"], json!([1]));
        let function = json!({"name": "f", "arguments": "{\"a\":1}"});
        assert_eq!(message["tool_calls"][0]["function"], function);
        assert_eq!(whole["choices"][0]["finish_reason"], "tool_calls");
        assert_eq!(whole["usage"]["total_tokens"], 8);
    }

    #[test]
    fn a_stream_is_read_as_chats() {
        use crate::wire::Dialect;
        use crate::wire::neutral::{Collector, Part};
        use crate::wire::translate::Reader;

        let mut answer = ChatAnswer::new(true, "x", "m", 1);
        let mut bytes = answer.take(events()).to_vec();
        bytes.extend_from_slice(&answer.end());
        let text = String::from_utf8(bytes).expect("text");
        assert!(text.ends_with("data: [DONE]\n\n"), "{text}");
        let (mut reader, mut gathered) = (Reader::new(Dialect::Chat, "s"), Collector::default());
        for event in text.split("\n\n").filter(|event| !event.is_empty()) {
            let data = event.strip_prefix("data: ").expect("data").as_bytes();
            let read = reader.read(None, data, &mut |event| gathered.push(event.into_owned()));
            read.expect("an event of Chat's");
        }
        let (whole, _) = gathered.finish().expect("whole");
        let parts = &whole.choices[0].parts;
        assert!(
            matches!(&parts[0], Part::Text(text) if text.text == "hello"),
            "{parts:?}"
        );
        assert!(
            matches!(&parts[1], Part::Call(call) if call.arguments == "{\"a\":1}"),
            "{parts:?}"
        );
        assert_eq!(whole.usage.map(|usage| usage.output), Some(3));
    }

    #[test]
    fn an_answer_of_another_operation() {
        let mut answer = ChatAnswer::new(false, "x", "m", 1);
        let raw = RawEvent {
            event: Some("answer".to_owned()),
            data: "{\"results\":[]}".to_owned(),
        };
        assert!(answer.take(vec![StreamEvent::Raw(raw)]).is_empty());
        assert_eq!(answer.end(), "{\"results\":[]}");
    }
}
