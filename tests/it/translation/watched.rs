//! Those who watch streams that pass see what the dialects' readers see: the same counts, ends and errors after each event; and
//! what a stream has said so far is the same whether it passes or is told anew.

use bytes::Bytes;
use weir::wire::neutral::{self, Event};
use weir::wire::streams::{
    Cutter, Ending, Glance, Stream, Translator, said_of_whole, usage_in_tail, usage_of_whole,
};
use weir::wire::translate::{Reader, Restore, read_answer};
use weir::wire::{Dialect, Operation, Spoken, Usage};

use super::golden::all_sources;
use super::machine::{DIALECTS, ELAPSED, asked, naming, spoken};
use super::recordings::recordings;

/// The streams of all upstreams: of the golden cases, and recorded.
fn streams() -> Vec<(String, Dialect, Vec<u8>)> {
    let mut all = all_sources("streams");
    let recorded = recordings().filter(|recording| recording.stream);
    all.extend(recorded.map(|it| (it.name, spoken(it.dialect), it.response)));
    all
}

/// The whole answers of all upstreams.
fn answers() -> Vec<(String, Dialect, Vec<u8>)> {
    let mut all = all_sources("answers");
    let recorded = recordings().filter(|recording| !recording.stream);
    all.extend(recorded.map(|it| (it.name, spoken(it.dialect), it.response)));
    all
}

fn events(dialect: Dialect, stream: &[u8]) -> Vec<Bytes> {
    let mut events = Vec::new();
    let mut cutter = Cutter::of(dialect);
    let pushed = cutter.push(Bytes::copy_from_slice(stream), 1 << 20, |event| {
        events.push(event);
    });
    pushed.expect("no event is that large");
    if let Cutter::Lines(lines) = &mut cutter {
        events.push(lines.rest());
    }
    events
}

fn passing(dialect: Dialect) -> Stream {
    let operation = match dialect {
        Dialect::Responses => Operation::Responses,
        Dialect::Completions => Operation::Completions,
        Dialect::Chat | Dialect::Anthropic | Dialect::Ollama | Dialect::Gemini => Operation::Chat,
    };
    Stream::passing(dialect, operation, false, Some(1))
}

/// What is known of a stream after some of its events.
#[derive(Debug, PartialEq)]
struct Known {
    usage: Option<Usage>,
    ends: bool,
    fails: Option<(neutral::Class, u16)>,
    whole_so_far: bool,
}

/// As a reader of the dialect tells it, which reads everything.
fn told(dialect: Dialect, events: &[Bytes]) -> Known {
    // What passes ends with its last event: that it gives no reason, the client sees itself.
    let mut reader = Reader::new(dialect, "").ending_without_reason(true);
    let mut known = Known {
        usage: None,
        ends: false,
        fails: None,
        whole_so_far: false,
    };
    for event in events {
        let parsed = match dialect {
            Dialect::Ollama => weir::wire::sse::Event::of_line(event),
            _ => weir::wire::sse::parse(event),
        };
        let _ = reader.read(parsed.name, parsed.data.bytes(), &mut |event| match event {
            Event::Usage(usage) => known.usage = Some(usage),
            Event::End => known.ends = true,
            Event::Error(error) => known.fails = Some((error.class, error.status)),
            _ => {}
        });
    }
    known.whole_so_far = known.ends;
    reader.end(&mut |event| known.whole_so_far |= event == Event::End);
    known
}

fn watched(dialect: Dialect, events: &[Bytes]) -> Known {
    let mut stream = passing(dialect);
    let (mut ends, mut fails) = (false, None);
    for event in events {
        match stream.read(event.clone(), ELAPSED).expect("it passes") {
            Glance::Nothing(bytes) | Glance::Content(Some(bytes)) => assert_eq!(bytes, event),
            Glance::Content(None) => panic!("something was kept from the client"),
            Glance::End(bytes) => {
                assert_eq!(bytes, event);
                ends = true;
            }
            Glance::Error(error) => {
                assert_eq!(error.event, event);
                fails = error
                    .status
                    .map(|status| (neutral::Class::Internal, status));
            }
        }
        if ends || fails.is_some() {
            break;
        }
    }
    Known {
        usage: stream.usage(),
        ends,
        fails,
        whole_so_far: stream.ending(ELAPSED) == Ending::Clean,
    }
}

#[test]
fn watching_sees_what_reading_sees_after_each_event() {
    let mut compared = 0;
    for (name, dialect, bytes) in streams() {
        if !matches!(
            dialect,
            Dialect::Anthropic | Dialect::Ollama | Dialect::Gemini
        ) {
            continue;
        }
        let events = events(dialect, &bytes);
        for count in 0..=events.len() {
            let mut told = told(dialect, &events[..count]);
            // Its class is told by its status.
            told.fails = told
                .fails
                .map(|(_, status)| (neutral::Class::Internal, status));
            if told.fails.is_some() {
                told.whole_so_far = false;
            }
            let watched = watched(dialect, &events[..count]);
            assert_eq!(watched, told, "{name} in {dialect:?} after {count} events");
            compared += 1;
        }
    }
    assert!(compared > 500, "only {compared}");
}

fn said(mut stream: Stream, events: &[Bytes]) -> (Spoken, Option<Usage>) {
    stream = stream.tallying(true);
    for event in events {
        let glance = stream.read(event.clone(), ELAPSED);
        if matches!(glance, Err(_) | Ok(Glance::End(_) | Glance::Error(_))) {
            break;
        }
    }
    let usage = stream.usage();
    (stream.said(), usage)
}

/// Without what is no matter to a count: how arguments are written that came in pieces, or not at all.
fn letters(spoken: &Spoken) -> String {
    let letters = spoken.text.chars();
    letters.filter(|letter| letter.is_alphanumeric()).collect()
}

/// Here the vendor's own tools were called, which is told to no other client.
const OWN_TOOLS: [&str; 6] = [
    "anthropic/context-management/01",
    "anthropic/skills/00",
    "anthropic/web-fetch/08",
    "anthropic/web-fetch-v1/01",
    "openai/apply-patch/01",
    "openai/code-interpreter/01",
];

/// Of longer streams not every place is tried.
const PLACES_MAX: usize = 64;

#[test]
fn what_is_said_is_the_same_for_streams_that_pass_and_streams_told_anew() {
    let mut compared = 0;
    let mut complaints = Vec::new();
    for (name, dialect, bytes) in streams() {
        let client = DIALECTS.into_iter().find(|client| *client != dialect);
        let asked = asked(client.expect("there are more"), true);
        let events = events(dialect, &bytes);
        for count in (0..=events.len()).step_by(events.len().div_ceil(PLACES_MAX).max(1)) {
            let translator = Translator::new(
                dialect,
                asked.dialect,
                &asked,
                &naming(),
                Restore::default(),
                false,
            );
            let anew = said(Stream::Translated(Box::new(translator)), &events[..count]);
            let passing = said(passing(dialect), &events[..count]);
            let place = format!("{name} in {dialect:?} after {count} events");
            if letters(&passing.0) != letters(&anew.0) && !OWN_TOOLS.contains(&&*name) {
                complaints.push(format!("{place}: {passing:?}, and told anew {anew:?}"));
                break;
            }
            compared += 1;
        }
    }
    assert!(complaints.is_empty(), "{}", complaints.join("\n"));
    assert!(compared > 2000, "only {compared}");
}

#[test]
fn whole_answers_that_pass_count_as_those_that_are_read() {
    let mut compared = 0;
    for (name, dialect, body) in answers() {
        let Ok(answer) = read_answer(dialect, &body, "") else {
            continue;
        };
        let usage = usage_of_whole(dialect, &body).expect("it is whole");
        assert_eq!(usage, answer.usage, "{name} in {dialect:?}");
        let tail = &body[body.len() / 2..];
        if usage_in_tail(dialect, tail).is_some() {
            assert_eq!(usage_in_tail(dialect, tail), usage, "{name} in {dialect:?}");
        }
        assert_eq!(said_of_whole(dialect, &body), Spoken::of(&answer), "{name}");
        compared += 1;
    }
    assert!(compared > 40, "only {compared}");
}
