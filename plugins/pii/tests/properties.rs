//! What holds for every text, every JSON, and every way to cut them.

use std::collections::{BTreeMap, VecDeque};

use proptest::prelude::*;
use serde_json::Value;
use weir_plugin::testing::{TestHost, edited_segments, response_head, stream_text};
use weir_plugin::{
    Edit, EventsVerdict, Finish, Guard, GuardStream, Host, Role, StreamEvent, TextDelta, ToolDelta,
    Verdict,
};
use weir_plugin_pii::Pii;

const CONFIG: &str = r#"{"custom": [
    {"name": "ticket", "pattern": "EMP-\\d{4,6}"}, {"name": "people", "literals": ["Ada Lovelace", "Ada"], "ignore_case": true},
    {"name": "inside", "pattern": "q[ab]+[^ ]", "word": false}]}"#;

fn guard(config: &str) -> Pii {
    Pii::configure(config).expect("the configuration is good")
}

/// A whole answer.
fn whole(config: &str, text: &str) -> String {
    let host = TestHost::new().with_response_segments(&[(Role::Assistant, text)]);
    let verdict = guard(config).on_response(&host).expect("it works");
    edited_segments(&host.response_segments(), &verdict)
        .expect("nothing is refused")
        .remove(0)
}

fn streamed(config: &str, pieces: &[&str]) -> String {
    let host = TestHost::new();
    let mut stream = guard(config).stream(&host, response_head());
    stream_text(&mut stream, &host, pieces).expect("nothing is refused")
}

/// Pieces of a text, cut at the characters that `cuts` says.
fn pieces<'a>(text: &'a str, cuts: &[prop::sample::Index]) -> Vec<&'a str> {
    let places: Vec<usize> = text
        .char_indices()
        .map(|(at, _)| at)
        .chain([text.len()])
        .collect();
    let mut cuts: Vec<usize> = cuts
        .iter()
        .map(|cut| *cut.get(&places))
        .chain([0, text.len()])
        .collect();
    cuts.sort_unstable();
    cuts.windows(2)
        .map(|pair| &text[pair[0]..pair[1]])
        .collect()
}

/// Values as people write them.
const VALUES: [&str; 22] = [
    "bob@example.com",
    "jürgen.m@bücher.example",
    "+49 30 1234567",
    "(202) 555-0143",
    "0171/1234567",
    "13812345678",
    "DE89 3704 0044 0532 0130 00",
    "GB29NWBK60161331926819",
    "4111 1111 1111 1111",
    "3782 822463 10005",
    "192.168.17.4",
    "2001:db8::8a2e:370:7334",
    "sk-proj-abcdEFGH1234ijklMNOP5678",
    "AKIAIOSFODNN7EXAMPLE",
    "ghp_0123456789abcdefghijklmnopqrstuvwxyz",
    "password: hunter2!x",
    "API_KEY=9f86d081884c7d659a2feaa0c55ad015",
    "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0In0.dozjgNryP4J3jVmNHl0w5N_XgL0n3I9P",
    "-----BEGIN RSA PRIVATE KEY-----\nMIIEowIBAAKCAQEAx\nabcdefgh\n-----END RSA PRIVATE KEY-----",
    "EMP-12345",
    "Ada Lovelace",
    "postgres://admin:pa55word@db.example/x",
];

/// Pieces that texts are made of: values, their halves, what stands around them, and anything.
fn part() -> impl Strategy<Value = String> {
    let halves = (
        prop::sample::select(&VALUES[..]),
        any::<prop::sample::Index>(),
        any::<bool>(),
    );
    prop_oneof![
        4 => prop::sample::select(&VALUES[..]).prop_map(str::to_owned),
        3 => halves.prop_map(|(value, at, first)| {
            let places: Vec<usize> = value.char_indices().map(|(at, _)| at).collect();
            let (head, tail) = value.split_at(*at.get(&places));
            if first { head.to_owned() } else { tail.to_owned() }
        }),
        4 => prop::sample::select(&[" ", ", ", "\n", ": ", "=", "\"", "@", ".", "-", "+", "1", "12", "::", "a", "word ", "(", ")", "谢谢", "é", "[EMAIL_1]", "\\", "{", "}", "qab"][..]).prop_map(str::to_owned),
        1 => "\\PC{0,8}",
        1 => "[0-9 .+-]{0,20}",
        1 => "[a-zA-Z0-9@._-]{0,90}",
    ]
}

fn text() -> impl Strategy<Value = String> {
    prop::collection::vec(part(), 0..12).prop_map(|parts| parts.concat())
}

fn cuts() -> impl Strategy<Value = Vec<prop::sample::Index>> {
    prop::collection::vec(any::<prop::sample::Index>(), 0..30)
}

fn arguments_whole(config: &str, arguments: &str) -> String {
    let call = serde_json::json!({"function": {"name": "f", "arguments": arguments}});
    let body =
        serde_json::json!({"choices": [{"message": {"role": "assistant", "tool_calls": [call]}}]});
    let host = TestHost::new().with_response(200, &body.to_string());
    match guard(config).on_response(&host).expect("it works") {
        Verdict::Edit(edits) => match &edits[..] {
            [Edit::SetJson(pointer, json)] => {
                assert_eq!(
                    pointer,
                    "/choices/0/message/tool_calls/0/function/arguments"
                );
                serde_json::from_str::<String>(json).expect("it is a string")
            }
            other => panic!("{other:?}"),
        },
        _ => arguments.to_owned(),
    }
}

fn arguments_streamed(config: &str, host: &TestHost, pieces: &[&str]) -> String {
    let mut stream = guard(config).stream(host, response_head());
    let mut heard = String::new();
    let mut hear = |events: Vec<StreamEvent>| {
        for event in events {
            match event {
                StreamEvent::ToolCall(delta) => heard.push_str(&delta.arguments),
                other => panic!("{other:?}"),
            }
        }
    };
    for piece in pieces {
        let delta = ToolDelta {
            choice: 0,
            index: 0,
            id: None,
            name: None,
            arguments: (*piece).to_owned(),
        };
        let events = vec![StreamEvent::ToolCall(delta)];
        match stream.on_events(host, events.clone()).expect("it works") {
            EventsVerdict::Pass => hear(events),
            EventsVerdict::Drop => {}
            EventsVerdict::Replace(events) => hear(events),
            EventsVerdict::Abort(refusal) => panic!("{refusal:?}"),
        }
    }
    hear(stream.on_end(host).expect("it works"));
    heard
}

/// Masks a request; the host keeps what was masked.
fn masked_request(host: &TestHost, config: &str) -> Vec<String> {
    let verdict = guard(config).on_request(host).expect("it works");
    edited_segments(&host.request_segments(), &verdict).expect("nothing is refused")
}

const RESTORE: &str = r#"{"restore": true, "answers": false}"#;

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn however_a_text_is_cut_the_same_comes_out(text in text(), cuts in cuts()) {
        prop_assert_eq!(streamed(CONFIG, &pieces(&text, &cuts)), whole(CONFIG, &text));
    }

    #[test]
    fn a_text_of_single_characters_too(text in text()) {
        let every: Vec<&str> = text.char_indices().map(|(at, c)| &text[at..at + c.len_utf8()]).collect();
        prop_assert_eq!(streamed(CONFIG, &every), whole(CONFIG, &text));
    }

    #[test]
    fn however_arguments_are_cut_the_same_comes_out(parts in prop::collection::vec((part(), part(), any::<bool>()), 0..4), junk in part(), cuts in cuts()) {
        let object: serde_json::Map<String, Value> = parts.iter().map(|(key, value, _)| (key.clone(), Value::from(value.as_str()))).collect();
        let mut json = Value::Object(object).to_string();
        if parts.first().is_some_and(|(_, _, broken)| *broken) {
            json = format!("{{{junk}{}", &json[1..]);
        }
        let host = TestHost::new();
        prop_assert_eq!(arguments_streamed(CONFIG, &host, &pieces(&json, &cuts)), arguments_whole(CONFIG, &json));
    }

    #[test]
    fn escaped_arguments_stay_json_and_what_is_not_masked_stays_as_it_is(text in text(), cuts in cuts()) {
        // Every character but letters and digits as an escape.
        let escape = |c: char| {
            let mut units = [0; 2];
            c.encode_utf16(&mut units).iter().map(|unit| format!("\\u{unit:04x}")).collect::<String>()
        };
        let escaped: String = text.chars().map(|c| if c.is_ascii_alphanumeric() { c.to_string() } else { escape(c) }).collect();
        let json = format!("{{\"x\":\"{escaped}\"}}");
        let masked = arguments_streamed(CONFIG, &TestHost::new(), &pieces(&json, &cuts));
        let value: Value = serde_json::from_str(&masked).expect("it is JSON still");
        prop_assert_eq!(value["x"].as_str().expect("a string"), whole(CONFIG, &text));
        if whole(CONFIG, &text) == text {
            prop_assert_eq!(masked, json);
        }
    }

    #[test]
    fn no_value_survives(before in "[a-z ]{0,20}", at in 0..VALUES.len(), after in "[ .,;][a-z ]{0,20}", cuts in cuts()) {
        let value = VALUES[at];
        let text = format!("{before} {value}{after}");
        let out = streamed(CONFIG, &pieces(&text, &cuts));
        prop_assert!(!out.contains(value), "{out}");
        let secret = value.rsplit([':', '=', ' ']).next().expect("there is one");
        prop_assert!(value.starts_with("postgres") || !out.contains(secret), "{out}");
    }

    #[test]
    fn what_was_masked_comes_back(text in text(), cuts in cuts()) {
        let host = TestHost::new().with_request_segments(&[(Role::User, &text)]);
        let masked = masked_request(&host, RESTORE).remove(0);
        let mut stream = guard(RESTORE).stream(&host, response_head());
        prop_assert_eq!(stream_text(&mut stream, &host, &pieces(&masked, &cuts)).expect("nothing is refused"), text.clone());
        let host = host.with_response_segments(&[(Role::Assistant, &masked)]);
        let verdict = guard(RESTORE).on_response(&host).expect("it works");
        prop_assert_eq!(edited_segments(&host.response_segments(), &verdict).expect("nothing is refused").remove(0), text);
    }

    #[test]
    fn what_was_masked_comes_back_in_arguments(text in text(), cuts in cuts()) {
        let host = TestHost::new().with_request_segments(&[(Role::User, &text)]);
        let masked = masked_request(&host, RESTORE).remove(0);
        let json = serde_json::json!({"x": masked}).to_string();
        let restored = arguments_streamed(RESTORE, &host, &pieces(&json, &cuts));
        let value: Value = serde_json::from_str(&restored).expect("it is JSON");
        prop_assert_eq!(value["x"].as_str().expect("a string"), text);
    }

    #[test]
    fn no_bytes_make_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..300), cuts in cuts()) {
        let text = String::from_utf8_lossy(&bytes);
        prop_assert_eq!(streamed(CONFIG, &pieces(&text, &cuts)), whole(CONFIG, &text));
        arguments_whole(CONFIG, &format!("{{{text}"));
    }
}

#[test]
fn what_is_held_back_is_bounded() {
    let endless = [
        "a",
        "1",
        "-",
        "a@b.",
        "sk-",
        "eyJ",
        "-----BEGIN PRIVATE KEY-----\nAAAAAAAAAAAAAAAAAAAA",
        "\\u0041",
        "password: x",
        "[",
        "+49 ",
    ];
    for unit in endless {
        let host = TestHost::new();
        let mut stream = guard(CONFIG).stream(&host, response_head());
        let (mut given, mut heard) = (0, 0);
        // The beginning once, then what goes on with it.
        let many = "A".repeat(64);
        let rest = if unit.len() > 6 { many.as_str() } else { unit };
        for piece in std::iter::once(unit).chain(std::iter::repeat_n(rest, 40_000)) {
            given += piece.len();
            let events = vec![StreamEvent::text(0, piece)];
            heard += match stream.on_events(&host, events).expect("it works") {
                EventsVerdict::Pass => piece.len(),
                EventsVerdict::Replace(events) => events.iter().map(text_bytes).sum(),
                EventsVerdict::Drop | EventsVerdict::Abort(_) => 0,
            };
            if heard > 0 && given > 32 * 1024 {
                break;
            }
        }
        assert!(heard > 0, "{unit}: nothing of {given} bytes came out");
    }
}

fn text_bytes(event: &StreamEvent) -> usize {
    match event {
        StreamEvent::Text(delta) => delta.text.len(),
        other => panic!("{other:?}"),
    }
}

/// All that comes out of a stream, when events come in batches of these sizes.
fn batched(events: &[StreamEvent], sizes: &[usize]) -> Vec<StreamEvent> {
    let host = TestHost::new();
    let mut stream = guard(CONFIG).stream(&host, response_head());
    let mut out = Vec::new();
    let mut rest = events;
    for size in sizes.iter().cycle() {
        if rest.is_empty() {
            break;
        }
        let (batch, behind) = rest.split_at((*size).min(rest.len()));
        rest = behind;
        match stream.on_events(&host, batch.to_vec()).expect("it works") {
            EventsVerdict::Pass => out.extend_from_slice(batch),
            EventsVerdict::Replace(events) => out.extend(events),
            EventsVerdict::Drop => {}
            EventsVerdict::Abort(refusal) => panic!("{refusal:?}"),
        }
    }
    out.extend(stream.on_end(&host).expect("it works"));
    out
}

/// Kind of text, choice and call of an event, and its text.
fn text_of(event: &StreamEvent) -> Option<((u8, u32, u32), &str)> {
    match event {
        StreamEvent::Text(delta) => Some(((0, delta.choice, 0), &delta.text)),
        StreamEvent::Reasoning(delta) => Some(((1, delta.choice, 0), &delta.text)),
        StreamEvent::Refusal(delta) => Some(((2, delta.choice, 0), &delta.text)),
        StreamEvent::ToolCall(delta) => Some(((3, delta.choice, delta.index), &delta.arguments)),
        StreamEvent::Usage(_) | StreamEvent::Finish(_) | StreamEvent::Raw(_) => None,
    }
}

/// The texts of a stream, each as a whole.
fn texts_of(events: &[StreamEvent]) -> BTreeMap<(u8, u32, u32), String> {
    let mut texts: BTreeMap<_, String> = BTreeMap::new();
    for (key, text) in events.iter().filter_map(text_of) {
        texts.entry(key).or_default().push_str(text);
    }
    texts.retain(|_, text| !text.is_empty());
    texts
}

fn event_of(kind: u8, choice: u32, piece: String) -> StreamEvent {
    let delta = TextDelta {
        choice,
        text: piece,
    };
    match kind {
        0 => StreamEvent::Text(delta),
        1 => StreamEvent::Reasoning(delta),
        2 => StreamEvent::Refusal(delta),
        3 => StreamEvent::Finish(Finish {
            choice,
            reason: "stop".to_owned(),
        }),
        _ => StreamEvent::ToolCall(ToolDelta {
            choice,
            index: u32::from(kind),
            id: None,
            name: None,
            arguments: delta.text,
        }),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn choices_that_come_in_turns_are_masked_as_if_alone(
        texts in prop::collection::vec((text(), cuts()), 1..4),
        order in prop::collection::vec(0..3usize, 0..120),
        sizes in prop::collection::vec(1..6usize, 1..5),
    ) {
        let mut queues: Vec<VecDeque<&str>> = texts.iter().map(|(text, cuts)| pieces(text, cuts).into()).collect();
        let mut events = Vec::new();
        let all = 0..queues.len();
        for choice in order.into_iter().chain(all.flat_map(|choice| std::iter::repeat_n(choice, 40))) {
            if let Some(piece) = queues.get_mut(choice).and_then(VecDeque::pop_front) {
                events.push(StreamEvent::text(choice as u32, piece));
            }
        }
        let out = texts_of(&batched(&events, &sizes));
        for (choice, (text, _)) in texts.iter().enumerate() {
            let heard = out.get(&(0, choice as u32, 0)).map_or("", String::as_str);
            prop_assert_eq!(heard, whole(CONFIG, text));
        }
    }

    #[test]
    fn nothing_is_lost_and_nothing_comes_after_its_finish(
        parts in prop::collection::vec((0..6u8, 0..2u32, "[b-o]{1,5}|[b-o]{0,4} |\\{\"[b-o]{0,3}|\\\\|\\\\u00|\""), 0..60),
        sizes in prop::collection::vec(1..6usize, 1..5),
    ) {
        let events: Vec<StreamEvent> = parts.into_iter().map(|(kind, choice, piece)| event_of(kind, choice, piece)).collect();
        let out = batched(&events, &sizes);
        prop_assert_eq!(texts_of(&out), texts_of(&events));
        let finishes = |events: &[StreamEvent]| events.iter().filter(|e| matches!(e, StreamEvent::Finish(_))).count();
        prop_assert_eq!(finishes(&out), finishes(&events));
        for choice in 0..2 {
            // What came before the last finish of a choice goes out before it.
            let is_last = |event: &StreamEvent| matches!(event, StreamEvent::Finish(finish) if finish.choice == choice);
            let before = |events: &[StreamEvent]| {
                let end = events.iter().rposition(is_last).unwrap_or(0);
                let mut texts = texts_of(&events[..end]);
                texts.retain(|(_, of, _), _| *of == choice);
                texts
            };
            prop_assert_eq!(before(&out), before(&events));
        }
    }
}
