//! The dialect held against its cases. Cases with a number are those of the catalogue of what breaks gateways.

mod answers;
mod asked;
mod properties;
mod sent;
mod sent_blocks;
mod sent_thinking;
mod streams_in;
mod streams_out;

use serde_json::{Value, json};

use super::*;
use crate::wire::capability::{Capabilities, Target};
use crate::wire::neutral::{
    Collector, Event, Loss, Losses, Message, Part, Policy, Reasoning, Request, Role, Signature,
    Text, replay,
};
use crate::wire::sse;
use crate::wire::translate::{Elapsed, Naming, RequestLine};
use crate::wire::{Dialect, Usage};

fn asked(body: &Value) -> Request {
    read_request(&RequestLine::default(), body.to_string().as_bytes()).unwrap()
}

/// What `request` becomes for a model with these capabilities, and what is told as lost.
fn sent(request: &Request, capabilities: &Capabilities) -> (Value, Vec<Loss>) {
    let target = Target {
        model: "m",
        capabilities,
        quirks: &QUIRKS,
    };
    let mut losses = Losses::new(Policy::Warn);
    let written = write_request(request, &target, &mut losses).unwrap();
    assert_eq!(written.path, "/messages");
    let body = serde_json::from_slice(&written.body).unwrap();
    (body, losses.told().to_vec())
}

/// A request of a client of another dialect.
fn foreign(messages: Vec<Message>) -> Request {
    Request {
        messages,
        ..Request::new(Dialect::Chat, "x")
    }
}

fn message(role: Role, parts: Vec<Part>) -> Message {
    Message {
        role,
        parts,
        name: None,
    }
}

fn text(text: &str) -> Part {
    Part::Text(Text {
        text: text.to_owned(),
        ..Text::default()
    })
}

fn user(said: &str) -> Message {
    message(Role::User, vec![text(said)])
}

fn signed(text: &str, signature: Signature) -> Part {
    Part::Reasoning(Reasoning {
        text: text.to_owned(),
        signature: Some(signature),
        ..Reasoning::default()
    })
}

fn naming() -> Naming {
    Naming {
        seed: "s1".into(),
        created: 0,
        input_tokens_estimate: 7,
    }
}

/// The events of a stream, and whether a reader takes all of it.
fn heard(stream: &[Value]) -> Vec<Event<'static>> {
    let mut reader = Reader::new("s1");
    let mut events = Vec::new();
    for event in stream {
        let name = event["type"].as_str().unwrap_or_default().to_owned();
        let data = event.to_string();
        let sink = &mut |event: Event<'_>| events.push(event.into_owned());
        reader
            .read(Some(name.as_bytes()), data.as_bytes(), sink)
            .unwrap();
    }
    reader.end(&mut |event: Event<'_>| events.push(event.into_owned()));
    events
}

/// What a client sees of events: the payloads, each with its name compared to its type.
fn shown(events: &[Event<'static>], request: &Request) -> Vec<Value> {
    let mut writer = Writer::new(request, &naming());
    let mut out = Vec::new();
    for event in events {
        writer.write(event.clone(), Elapsed::ZERO, &mut out);
    }
    payloads(&out)
}

fn payloads(bytes: &[u8]) -> Vec<Value> {
    let mut splitter = sse::Splitter::default();
    let mut payloads = Vec::new();
    let each = |event: bytes::Bytes| {
        let parsed = sse::parse(&event);
        let payload: Value = serde_json::from_slice(parsed.data.bytes()).unwrap();
        let name = std::str::from_utf8(parsed.name.unwrap()).unwrap();
        assert_eq!(payload["type"], name);
        payloads.push(payload);
    };
    splitter.push(bytes.to_vec().into(), 1 << 20, each).unwrap();
    assert_eq!(splitter.unfinished(), 0, "an event has no blank line");
    payloads
}

/// A client's request that asks for nothing in particular.
fn plain() -> Request {
    asked(&json!({"model": "c", "max_tokens": 9, "messages": [{"role": "user", "content": "q"}]}))
}

fn collected(events: &[Event<'static>]) -> crate::wire::neutral::Answer {
    let mut collector = Collector::default();
    events
        .iter()
        .cloned()
        .for_each(|event| collector.push(event));
    let (answer, ended) = collector.finish().unwrap();
    assert!(ended, "{events:?}");
    answer
}

/// An answer told as events.
fn told(answer: &crate::wire::neutral::Answer) -> Vec<Event<'static>> {
    let mut events = Vec::new();
    replay(answer, &mut |event| events.push(event.into_owned()));
    events
}

fn usage(input: u64, read: u64, write: u64, output: u64, reasoning: u64) -> Usage {
    Usage {
        input_uncached: input,
        cache_read: read,
        cache_write: write,
        output,
        reasoning,
        ..Usage::default()
    }
}
