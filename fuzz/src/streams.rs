//! Streams: any bytes from an upstream of each dialect, cut anywhere, relayed to a client of each dialect. The client gets the same
//! for every cut; what it gets is framed as its dialect is, holds JSON, and is bounded; the events between keep their rules.

use bytes::Bytes;

use crate::assert_json;
use crate::control::{control, dialect, pieces};
use crate::events::{Event, assert_rules};
use crate::settings::{self, Asked, ELAPSED};
use crate::wire::spoken::SPOKEN_BYTES_MAX;
use crate::wire::sse::{self, Splitter};
use crate::wire::streams::{Cutter, Ending, Glance, Stream, Translator};
use crate::wire::translate::Reader;
use crate::wire::{Dialect, Operation};

/// Bytes for the client for each byte of the upstream's, and for any stream. The smallest event of one dialect may take several with
/// long frames in another; Responses tells each text three times.
const GROWTH_MAX: usize = 500;
const WRITTEN_MIN: usize = 64 << 10;

/// Control: the upstream's dialect; the client's; the request's kind; where to cut.
pub fn check(input: &[u8]) {
    let ([upstream, client, how, cut], bytes) = control(input);
    let (upstream, client) = (dialect(upstream), dialect(client));
    keeps_rules(upstream, bytes);
    passes(upstream, bytes, cut);
    let asked = settings::asked(client, upstream, true, how & 1 == 1);
    let relay = |cut| {
        let mut relay = Relay::translated(upstream, client, &asked, how & 2 == 2);
        relay.run(bytes, cut);
        relay
    };
    let whole = relay(0);
    assert_eq!(whole, relay(cut), "{upstream:?} to {client:?} cut at {cut}");
    let allowed = WRITTEN_MIN + GROWTH_MAX * bytes.len();
    let length = whole.out.len();
    assert!(length <= allowed, "{} bytes became {length}", bytes.len());
    assert_stream(client, &whole.out);
    if whole.outcome == Some(Outcome::Whole) {
        assert_ended(client, &whole.out);
    }
}

/// Panics where a whole stream does not end as clients of the dialect are told of its end.
fn assert_ended(client: Dialect, bytes: &[u8]) {
    let out = String::from_utf8_lossy(bytes);
    let last = out.trim_end().rsplit('\n').next().unwrap_or_default();
    let ends = match client {
        Dialect::Chat | Dialect::Completions => last == "data: [DONE]",
        Dialect::Anthropic => last.contains(r#""type":"message_stop""#),
        Dialect::Responses => ["completed", "incomplete", "failed"]
            .iter()
            .any(|end| last.contains(&format!(r#""type":"response.{end}""#))),
        Dialect::Ollama => last.contains(r#""done":true"#),
        // Nothing but the end of the bytes.
        Dialect::Gemini => true,
    };
    assert!(ends, "a whole stream of {client:?} ends with {last}");
}

fn keeps_rules(upstream: Dialect, bytes: &[u8]) {
    let mut reader = Reader::new(upstream, "s");
    let mut events: Vec<Event<'static>> = Vec::new();
    let mut is_broken = false;
    for event in cut_up(upstream, bytes, 0) {
        let (name, data) = payload(upstream, &event);
        if data.is_empty() && name.is_none() {
            continue;
        }
        let mut sink = |event: Event<'_>| events.push(event.into_owned());
        is_broken = reader.read(name.as_deref(), &data, &mut sink).is_err();
        if is_broken || matches!(events.last(), Some(Event::Error(_))) {
            break;
        }
    }
    if !is_broken && !matches!(events.last(), Some(Event::Error(_))) {
        reader.end(&mut |event: Event<'_>| events.push(event.into_owned()));
    }
    assert_rules(&events);
}

/// The name and the payload of an event.
fn payload(upstream: Dialect, event: &[u8]) -> (Option<Vec<u8>>, Vec<u8>) {
    if upstream == Dialect::Ollama {
        return (None, event.trim_ascii().to_vec());
    }
    let parsed = sse::parse(event);
    let name = parsed.name.map(<[u8]>::to_vec);
    (name, parsed.data.bytes().to_vec())
}

fn cut_up(upstream: Dialect, bytes: &[u8], cut: u8) -> Vec<Bytes> {
    let mut cutter = Cutter::of(upstream);
    let mut events = Vec::new();
    for piece in pieces(bytes, cut) {
        let pushed = cutter.push(piece, bytes.len(), |event| events.push(event));
        pushed.expect("no event is longer than all");
    }
    if let Cutter::Lines(lines) = &mut cutter {
        events.push(lines.rest());
    }
    events
}

/// To a client of the same dialect; all but an error passes as it is.
fn passes(upstream: Dialect, bytes: &[u8], cut: u8) {
    let operation = match upstream {
        Dialect::Responses => Operation::Responses,
        Dialect::Completions => Operation::Completions,
        _ => Operation::Chat,
    };
    for hides_usage in [false, true] {
        let relay = |cut| {
            let stream = Stream::passing(upstream, operation, hides_usage, Some(1));
            let mut relay = Relay::new(upstream, stream.tallying(true));
            relay.run(bytes, cut);
            relay
        };
        let (mut whole, mut in_pieces) = (relay(0), relay(cut));
        assert_eq!(
            whole.outcome, in_pieces.outcome,
            "{upstream:?} cut at {cut}"
        );
        let said = whole.stream.said();
        assert!(said.text.len() <= SPOKEN_BYTES_MAX);
        assert_eq!(said, in_pieces.stream.said(), "{upstream:?} cut at {cut}");
        assert!(whole.out.len() <= bytes.len() + 4096);
    }
}

/// How a stream came out.
#[derive(Debug, PartialEq, Eq)]
enum Outcome {
    Whole,
    Truncated,
    Error,
    Unintelligible,
}

/// The steps of the gateway's relay.
struct Relay {
    upstream: Dialect,
    stream: Stream,
    out: Vec<u8>,
    outcome: Option<Outcome>,
}

impl PartialEq for Relay {
    fn eq(&self, other: &Relay) -> bool {
        self.out == other.out
            && self.outcome == other.outcome
            && self.stream.usage() == other.stream.usage()
    }
}

impl std::fmt::Debug for Relay {
    fn fmt(&self, to: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let out = String::from_utf8_lossy(&self.out);
        write!(to, "{:?} {out}", self.outcome)
    }
}

impl Relay {
    fn new(upstream: Dialect, stream: Stream) -> Relay {
        Relay {
            upstream,
            stream,
            out: Vec::new(),
            outcome: None,
        }
    }

    fn translated(upstream: Dialect, client: Dialect, asked: &Asked, remembers: bool) -> Relay {
        let translator = Translator::new(
            upstream,
            client,
            &asked.request,
            &settings::naming(),
            asked.restore.clone(),
            remembers,
        );
        Relay::new(upstream, Stream::Translated(Box::new(translator)))
    }

    fn run(&mut self, bytes: &[u8], cut: u8) {
        for event in cut_up(self.upstream, bytes, cut) {
            self.event(event);
            if self.outcome.is_some() {
                break;
            }
        }
        if self.outcome.is_none() {
            self.end();
        }
        if let Stream::Translated(translator) = &mut self.stream {
            let _ = translator.remembered();
        }
    }

    fn event(&mut self, event: Bytes) {
        if event.is_empty() {
            return;
        }
        match self.stream.read(event, ELAPSED) {
            Ok(Glance::Nothing(bytes)) => self.out.extend_from_slice(&bytes),
            Ok(Glance::Content(bytes)) => self.out.extend_from_slice(&bytes.unwrap_or_default()),
            Ok(Glance::End(bytes)) => {
                self.out.extend_from_slice(&bytes);
                self.outcome = Some(Outcome::Whole);
            }
            Ok(Glance::Error(error)) => {
                self.out.extend_from_slice(&error.event);
                self.outcome = Some(Outcome::Error);
            }
            Err(_) => self.broken(Outcome::Unintelligible),
        }
    }

    fn end(&mut self) {
        match self.stream.ending(ELAPSED) {
            Ending::Clean => self.outcome = Some(Outcome::Whole),
            Ending::Unterminated(rest) => {
                self.out.extend_from_slice(&rest);
                self.outcome = Some(Outcome::Whole);
            }
            Ending::Truncated => self.broken(Outcome::Truncated),
        }
    }

    fn broken(&mut self, outcome: Outcome) {
        if let Stream::Translated(translator) = &mut self.stream {
            // A client that has waited long may have got one of these before.
            let keepalive = translator.keepalive();
            self.out.extend_from_slice(&keepalive);
            let last = translator.broken_off(&settings::broken_off(), ELAPSED);
            self.out.extend_from_slice(&last);
        }
        self.outcome = Some(outcome);
    }
}

/// Panics where a client's stream is not framed as its dialect is, or holds what is no JSON.
pub fn assert_stream(client: Dialect, bytes: &[u8]) {
    if client == Dialect::Ollama {
        let lines = bytes.split_inclusive(|byte| *byte == b'\n');
        return lines.for_each(|line| {
            assert!(line.ends_with(b"\n"), "a line has no end");
            assert_json(line, "a line");
        });
    }
    let mut splitter = Splitter::default();
    let mut events = Vec::new();
    let whole = Bytes::copy_from_slice(bytes);
    let pushed = splitter.push(whole, bytes.len(), |event| events.push(event));
    pushed.expect("no event is longer than all");
    assert_eq!(splitter.unfinished(), 0, "an event has no end");
    for event in events {
        let parsed = sse::parse(&event);
        let data = parsed.data.bytes();
        if !data.is_empty() && data != b"[DONE]" {
            assert_json(data, "an event");
        }
    }
}
