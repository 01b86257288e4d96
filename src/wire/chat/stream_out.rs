//! Streams for clients: events become chunks. Everything that chunks share is prepared once; nothing is known of upstreams.

use std::borrow::Cow;
use std::io::Write;

use serde_json::{Value, json};

use crate::wire::Usage;
use crate::wire::neutral::{CallKind, Error, Event, Finish, Reasoning, Request};
use crate::wire::translate::{Elapsed, Naming};

use super::request_in::is_legacy;
use super::{citation, counts, ending, error, reasoning};

/// A block of reasoning beyond this is shown to the client without its proof: the proof needs the whole text beside it.
const SIGNED_REASONING_BYTES_MAX: usize = 8 << 20;

/// Writes the chunks of one stream.
#[derive(Debug)]
pub struct Writer {
    /// `data: {…,"choices":[`
    head: Vec<u8>,
    /// The same for choice 0, up to the text of its content.
    text_head: Vec<u8>,
    usage_wanted: bool,
    /// The client asked with `functions`, and knows no `tool_calls`.
    is_legacy: bool,
    choices: Vec<ChoiceState>,
    /// By number of call.
    calls: Vec<CallState>,
    usage: Option<Usage>,
    over: bool,
}

#[derive(Debug, Default)]
struct ChoiceState {
    begun: bool,
    /// Characters of text so far.
    chars: usize,
    calls: u32,
    /// The text of the block of reasoning that is open.
    thought: String,
    is_summary: bool,
    details: usize,
    refused: bool,
    finished: bool,
}

#[derive(Debug)]
struct CallState {
    choice: u32,
    index: u32,
    is_custom: bool,
    has_arguments: bool,
}

impl Writer {
    pub const CONTENT_TYPE: &'static str = "text/event-stream; charset=utf-8";

    pub fn new(asked: &Request, naming: &Naming) -> Writer {
        let mut head = b"data: ".to_vec();
        let shared = json!({
            "id": format!("chatcmpl-{}", naming.seed),
            "object": "chat.completion.chunk",
            "created": naming.created,
            "model": asked.model,
        });
        head.extend_from_slice(shared.to_string().as_bytes());
        head.pop();
        head.extend_from_slice(b",\"choices\":[");
        let mut text_head = head.clone();
        text_head.extend_from_slice(b"{\"index\":0,\"delta\":{\"content\":");
        Writer {
            head,
            text_head,
            usage_wanted: asked.stream_usage,
            is_legacy: is_legacy(asked),
            choices: Vec::new(),
            calls: Vec::new(),
            usage: None,
            over: false,
        }
    }

    /// Writes what an event comes to.
    pub fn write(&mut self, event: Event<'_>, elapsed: Elapsed, out: &mut Vec<u8>) {
        if self.over {
            return;
        }
        match event {
            Event::Start { .. } => self.begin(0, out),
            Event::Text { choice, text } => self.text(choice, &text, out),
            Event::Refusal { choice, text } => {
                self.begin(choice, out);
                self.choices[choice as usize].refused = true;
                self.member(choice, "refusal", &text, out);
            }
            Event::Reasoning {
                choice,
                text,
                is_summary,
            } => self.reasoning(choice, &text, is_summary, out),
            Event::ReasoningEnd {
                choice,
                signature,
                id,
            } => {
                self.begin(choice, out);
                let state = &mut self.choices[choice as usize];
                let block = Reasoning {
                    text: std::mem::take(&mut state.thought),
                    is_summary: state.is_summary,
                    signature,
                    id: id.map(Cow::into_owned),
                };
                self.proof(choice, &block, out);
            }
            Event::CallStart {
                choice,
                call: _,
                id,
                name,
                kind,
                signature,
            } => {
                let proof = signature.map(|signature| super::extra_content(&signature));
                self.call(choice, &id, &name, &kind, proof.as_ref(), out);
            }
            Event::CallArguments { call, text } => self.arguments(call, &text, out),
            Event::CallEnd { call } => self.end_call(call, out),
            Event::Citation {
                choice,
                citation: said,
            } => {
                let end = self.choices.get(choice as usize).map_or(0, |it| it.chars);
                if let Some(annotation) = citation::write_annotation(&said, 0, end) {
                    self.delta(choice, &json!({"annotations": [annotation]}), out);
                }
            }
            Event::Logprobs { choice, value } => self.logprobs(choice, &value, out),
            // What only one dialect can say has no form here.
            Event::Opaque { .. } => {}
            Event::Usage(usage) => self.usage = Some(usage),
            Event::Finish { choice, reason } => self.finish(choice, &reason, out),
            Event::Error(error) => self.error(&error, elapsed, out),
            Event::End => self.end(out),
        }
    }

    /// A chunk that says nothing.
    pub fn keepalive(&mut self, out: &mut Vec<u8>) {
        if self.over {
            return;
        }
        if self.choices.is_empty() {
            return self.begin(0, out);
        }
        self.raw_delta(0, b"{}", out);
    }

    /// Ends the stream with an error; nothing may follow, not even a terminator.
    pub fn error(&mut self, error: &Error, _elapsed: Elapsed, out: &mut Vec<u8>) {
        if std::mem::replace(&mut self.over, true) {
            return;
        }
        out.extend_from_slice(b"data: ");
        json_into(out, &error::error_value(error));
        out.extend_from_slice(b"\n\n");
    }
}

/// Text, reasoning and endings.
impl Writer {
    /// The first chunk of a choice names its role.
    fn begin(&mut self, choice: u32, out: &mut Vec<u8>) {
        let at = choice as usize;
        if self.choices.len() <= at {
            self.choices.resize_with(at + 1, ChoiceState::default);
        }
        if !std::mem::replace(&mut self.choices[at].begun, true) {
            self.raw_delta(
                choice,
                br#"{"role":"assistant","content":"","refusal":null}"#,
                out,
            );
        }
    }

    fn text(&mut self, choice: u32, text: &str, out: &mut Vec<u8>) {
        self.begin(choice, out);
        self.choices[choice as usize].chars += text.chars().count();
        if choice > 0 {
            return self.member(choice, "content", text, out);
        }
        out.extend_from_slice(&self.text_head);
        json_into(out, text);
        self.close_delta(out);
    }

    /// A delta with one member that is a text.
    fn member(&mut self, choice: u32, name: &str, text: &str, out: &mut Vec<u8>) {
        self.open(choice, out);
        out.extend_from_slice(b"{\"");
        out.extend_from_slice(name.as_bytes());
        out.extend_from_slice(b"\":");
        json_into(out, text);
        self.close_delta(out);
    }

    fn reasoning(&mut self, choice: u32, text: &str, is_summary: bool, out: &mut Vec<u8>) {
        self.begin(choice, out);
        let state = &mut self.choices[choice as usize];
        state.is_summary = is_summary;
        // What goes beyond shows in the length.
        if state.thought.len() <= SIGNED_REASONING_BYTES_MAX {
            state.thought.push_str(text);
        }
        self.member(choice, "reasoning_content", text, out);
    }

    fn proof(&mut self, choice: u32, block: &Reasoning, out: &mut Vec<u8>) {
        let is_whole = block.text.len() <= SIGNED_REASONING_BYTES_MAX;
        if block.signature.is_none() || !is_whole {
            return;
        }
        let state = &mut self.choices[choice as usize];
        let details = reasoning::write_details(block, state.details);
        state.details += 1;
        self.delta(choice, &json!({"reasoning_details": details}), out);
    }

    fn logprobs(&mut self, choice: u32, value: &Value, out: &mut Vec<u8>) {
        self.begin(choice, out);
        self.open(choice, out);
        out.extend_from_slice(b"{},\"logprobs\":");
        json_into(out, value);
        out.extend_from_slice(b",\"finish_reason\":null}]");
        self.close_chunk(out);
    }

    fn finish(&mut self, choice: u32, reason: &Finish, out: &mut Vec<u8>) {
        self.begin(choice, out);
        if let Finish::Refusal(Some(words)) = reason
            && !self.choices[choice as usize].refused
            && !words.is_empty()
        {
            self.choices[choice as usize].refused = true;
            self.member(choice, "refusal", words, out);
        }
        let state = &mut self.choices[choice as usize];
        state.finished = true;
        let mut word = ending::write_reason(reason, state.calls > 0, state.refused);
        if self.is_legacy && word == "tool_calls" {
            word = "function_call";
        }
        self.open(choice, out);
        out.extend_from_slice(b"{},\"logprobs\":null,\"finish_reason\":\"");
        out.extend_from_slice(word.as_bytes());
        out.extend_from_slice(b"\"}]");
        self.close_chunk(out);
    }

    fn end(&mut self, out: &mut Vec<u8>) {
        for choice in 0..self.choices.len() {
            if self.choices[choice].begun && !self.choices[choice].finished {
                self.finish(choice as u32, &Finish::Stop, out);
            }
        }
        // Where the upstream has told none, none is made up.
        if let Some(usage) = self.usage.filter(|_| self.usage_wanted) {
            out.extend_from_slice(&self.head);
            out.extend_from_slice(b"],\"usage\":");
            counts::usage_value(&usage).write(out);
            out.extend_from_slice(b"}\n\n");
        }
        out.extend_from_slice(b"data: [DONE]\n\n");
        self.over = true;
    }
}

/// Calls.
impl Writer {
    fn call(
        &mut self,
        choice: u32,
        id: &str,
        name: &str,
        kind: &CallKind,
        proof: Option<&Value>,
        out: &mut Vec<u8>,
    ) {
        self.begin(choice, out);
        let state = &mut self.choices[choice as usize];
        let index = state.calls;
        state.calls += 1;
        let is_custom = *kind == CallKind::Custom;
        self.calls.push(CallState {
            choice,
            index,
            is_custom,
            has_arguments: false,
        });
        if self.is_legacy {
            let call = json!({"name": name, "arguments": ""});
            return self.delta(choice, &json!({"function_call": call}), out);
        }
        let mut call = if is_custom {
            let custom = json!({"name": name, "input": ""});
            json!({"index": index, "id": id, "type": "custom", "custom": custom})
        } else {
            let function = json!({"name": name, "arguments": ""});
            json!({"index": index, "id": id, "type": "function", "function": function})
        };
        if let Some(proof) = proof {
            call["extra_content"] = proof.clone();
        }
        self.delta(choice, &json!({"tool_calls": [call]}), out);
    }

    fn arguments(&mut self, call: u32, text: &str, out: &mut Vec<u8>) {
        let Some(state) = self.calls.get_mut(call as usize) else {
            return;
        };
        state.has_arguments = true;
        let (choice, index, is_custom) = (state.choice, state.index, state.is_custom);
        self.open(choice, out);
        if self.is_legacy {
            out.extend_from_slice(b"{\"function_call\":{\"arguments\":");
            json_into(out, text);
            out.extend_from_slice(b"}");
            return self.close_delta(out);
        }
        let body: &[u8] = if is_custom {
            b",\"custom\":{\"input\":"
        } else {
            b",\"function\":{\"arguments\":"
        };
        // Writing to a vector does not fail.
        let _ = write!(out, "{{\"tool_calls\":[{{\"index\":{index}");
        out.extend_from_slice(body);
        json_into(out, text);
        out.extend_from_slice(b"}}]");
        self.close_delta(out);
    }

    /// Clients parse the arguments, and an empty text is no JSON.
    fn end_call(&mut self, call: u32, out: &mut Vec<u8>) {
        let state = self.calls.get(call as usize);
        if state.is_some_and(|state| !state.has_arguments && !state.is_custom) {
            self.arguments(call, "{}", out);
        }
    }
}

/// The frame of a chunk.
impl Writer {
    fn delta(&mut self, choice: u32, delta: &Value, out: &mut Vec<u8>) {
        self.begin(choice, out);
        self.open(choice, out);
        json_into(out, delta);
        // The delta's own brace is written already.
        out.pop();
        self.close_delta(out);
    }

    fn raw_delta(&mut self, choice: u32, delta: &[u8], out: &mut Vec<u8>) {
        self.open(choice, out);
        out.extend_from_slice(&delta[..delta.len() - 1]);
        self.close_delta(out);
    }

    /// Everything up to the delta.
    fn open(&self, choice: u32, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.head);
        if choice == 0 {
            out.extend_from_slice(b"{\"index\":0,\"delta\":");
        } else {
            // Writing to a vector does not fail.
            let _ = write!(out, "{{\"index\":{choice},\"delta\":");
        }
    }

    /// Everything after the delta's last member.
    fn close_delta(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(b"},\"logprobs\":null,\"finish_reason\":null}]");
        self.close_chunk(out);
    }

    fn close_chunk(&self, out: &mut Vec<u8>) {
        // OpenAI announces the usage chunk in all others.
        if self.usage_wanted {
            out.extend_from_slice(b",\"usage\":null");
        }
        out.extend_from_slice(b"}\n\n");
    }
}

fn json_into<T: serde::Serialize + ?Sized>(out: &mut Vec<u8>, value: &T) {
    serde_json::to_writer(out, value).expect("texts and values always serialise");
}
