//! What is read, written and read again is the same: nothing that the dialect can say is lost on the way.

use proptest::prelude::*;
use serde_json::{Value, json};

use super::{NO_TIME, asking, naming, read, sent, try_read};
use crate::wire::capability::{PastReasoning, Quirks, ThinkingSwitch};
use crate::wire::chat::{Reader, Writer, read_answer, write_answer};
use crate::wire::neutral::{Answer, Collector, replay};

/// A server that takes all of the dialect.
const LOSSLESS: Quirks = Quirks {
    max_completion_tokens: true,
    developer_role: true,
    engine_sampling: true,
    openai_members: true,
    thinking_switch: ThinkingSwitch::ReasoningObject,
    past_reasoning: PastReasoning::Details,
    ..Quirks::COMPATIBLE
};

fn text() -> impl Strategy<Value = String> {
    prop_oneof![
        Just(String::new()),
        Just(" ".to_owned()),
        "[a-zé☃\"\\\\\n]{1,12}"
    ]
}

fn part() -> impl Strategy<Value = Value> {
    prop_oneof![
        text().prop_map(|text| json!({"type": "text", "text": text})),
        text().prop_map(|text| json!({"type": "text", "text": text, "prompt_cache_breakpoint": {"mode": "explicit", "ttl": "30m"}})),
        Just(json!({"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA", "detail": "high", "own": 1}})),
        Just(json!({"type": "image_url", "image_url": {"url": "https://x/y"}})),
        Just(json!({"type": "input_audio", "input_audio": {"data": "AA", "format": "mp3"}})),
        Just(json!({"type": "file", "file": {"file_data": "data:application/pdf;base64,AA", "filename": "f"}})),
        Just(json!({"type": "file", "file": {"file_id": "f"}})),
        Just(json!({"type": "video_url", "video_url": {"url": "u"}})),
    ]
}

fn content() -> impl Strategy<Value = Value> {
    prop_oneof![
        text().prop_map(Value::from),
        prop::collection::vec(part(), 0..4).prop_map(Value::from),
    ]
}

fn spoken(role: &'static str) -> impl Strategy<Value = Value> {
    (content(), any::<bool>()).prop_map(move |(content, has_name)| {
        let mut message = json!({"role": role, "content": content});
        if has_name {
            message["name"] = json!("n");
        }
        message
    })
}

fn thought() -> impl Strategy<Value = Value> {
    prop_oneof![
        Just(json!({"type": "reasoning.text", "text": "a", "signature": "S", "format": "f"})),
        Just(json!({"type": "reasoning.text", "text": "", "signature": "weir.anthropic.S"})),
        Just(json!({"type": "reasoning.encrypted", "data": "E", "id": "r"})),
        Just(json!({"type": "reasoning.encrypted", "data": "weir.anthropic!.E"})),
        Just(json!({"type": "reasoning.text", "text": "plain"})),
    ]
}

/// A turn with calls, and their results.
fn loop_turn() -> impl Strategy<Value = Vec<Value>> {
    let call = prop_oneof![
        Just(json!({"type": "function", "function": {"name": "f", "arguments": "{\"x\":1.50}"}})),
        Just(json!({"type": "custom", "custom": {"name": "c", "input": "any"}})),
        Just(
            json!({"type": "function", "function": {"name": "g", "arguments": "{}"}, "extra_content": {"google": {"thought_signature": "S"}}})
        ),
    ];
    let turn = (
        prop::collection::vec(call, 1..4),
        prop::collection::vec(thought(), 0..3),
        text(),
        any::<u32>(),
    );
    turn.prop_map(|(mut calls, mut thoughts, said, number)| {
        for (at, call) in calls.iter_mut().enumerate() {
            call["id"] = json!(format!("call_{number}_{at}"));
        }
        for (at, thought) in thoughts.iter_mut().enumerate() {
            thought["index"] = at.into();
        }
        let results: Vec<Value> = calls.iter().map(|call| json!({"role": "tool", "tool_call_id": call["id"], "content": said})).collect();
        let first = json!({"role": "assistant", "content": null, "tool_calls": calls, "reasoning_details": thoughts});
        std::iter::once(first).chain(results).collect()
    })
}

fn messages() -> impl Strategy<Value = Vec<Value>> {
    let one = prop_oneof![
        spoken("system").prop_map(|message| vec![message]),
        spoken("developer").prop_map(|message| vec![message]),
        spoken("user").prop_map(|message| vec![message]),
        text().prop_map(|text| vec![
            json!({"role": "assistant", "content": text, "refusal": "no", "prefix": true})
        ]),
        loop_turn(),
    ];
    prop::collection::vec(one, 0..5).prop_map(|turns| turns.concat())
}

/// Members beside the messages, each there or not.
fn members() -> impl Strategy<Value = Value> {
    let all = json!({
        "stream": true, "temperature": 0.70, "top_p": 1, "top_k": 3, "min_p": 0.1, "seed": 7, "presence_penalty": -0.5,
        "repetition_penalty": 1.1, "logit_bias": {"5": 1}, "max_completion_tokens": 9, "stop": ["a", "b"], "n": 2, "logprobs": true, "top_logprobs": 3,
        "tools": [
            {"type": "function", "function": {"name": "f", "description": "d", "parameters": {"type": "object", "b": 1, "a": 2}, "strict": true}, "own": 1},
            {"type": "custom", "custom": {"name": "c", "format": {"type": "grammar", "grammar": {"syntax": "lark", "definition": "d"}}}},
            {"type": "web_search"}, {"type": "of_vendor", "x": 1},
        ],
        "web_search_options": {"a": 1},
        "tool_choice": {"type": "allowed_tools", "allowed_tools": {"mode": "auto", "tools": [{"type": "function", "function": {"name": "f"}}]}},
        "parallel_tool_calls": false,
        "response_format": {"type": "json_schema", "json_schema": {"name": "n", "description": "d", "schema": {"type": "object"}, "strict": false}},
        "reasoning": {"effort": "high", "exclude": true},
        "verbosity": "low", "service_tier": "flex", "user": "u", "prompt_cache_key": "k",
        "metadata": {"a": "b"}, "store": true, "prediction": {"type": "content", "content": "x"}, "odd": [1.0, {"é": null}],
    });
    let names: Vec<String> = all.as_object().unwrap().keys().cloned().collect();
    prop::sample::subsequence(names.clone(), 0..=names.len()).prop_map(move |names| {
        let mut chosen: serde_json::Map<String, Value> = names
            .iter()
            .map(|name| (name.clone(), all[name].clone()))
            .collect();
        // A choice means something only among tools.
        if !chosen.contains_key("tools") {
            chosen.shift_remove("tool_choice");
            chosen.shift_remove("parallel_tool_calls");
        }
        if !chosen.contains_key("logprobs") {
            chosen.shift_remove("top_logprobs");
        }
        Value::Object(chosen)
    })
}

proptest! {
    #[test]
    fn a_request_is_the_same_after_a_round_trip(messages in messages(), members in members()) {
        let mut body = members;
        body["model"] = json!("theirs");
        body["messages"] = messages.into();
        let first = read(body);
        let (written, lost) = sent(&first, &LOSSLESS);
        prop_assert!(lost.is_empty(), "{lost:?}");
        let mut second = try_read(written.clone()).map_err(|error| TestCaseError::fail(format!("{error:?}")))?;
        // weir asks for usage on its own account.
        second.stream_usage = first.stream_usage;
        // Tools beside the list come after it, whichever stood first.
        let mut first = first;
        for request in [&mut first, &mut second] {
            request.tools.sort_by_key(|tool| format!("{tool:?}"));
            let mut extras: Vec<_> = std::mem::take(&mut request.extras).into_iter().collect();
            extras.sort_by(|one, other| one.0.cmp(&other.0));
            request.extras = extras.into_iter().collect();
        }
        prop_assert_eq!(&second, &first, "{}", written);
    }

    #[test]
    fn an_answer_is_the_same_streamed_or_whole(answer in answer()) {
        let asked = asking(json!({"stream_options": {"include_usage": true}}));
        let whole = write_answer(&answer, &asked, &naming(), NO_TIME);
        let whole = read_answer(&whole, "x").map_err(|error| TestCaseError::fail(error.0))?;
        let mut writer = Writer::new(&asked, &naming());
        let mut out = Vec::new();
        replay(&answer, &mut |event| writer.write(event, NO_TIME, &mut out));
        let mut reader = Reader::new("x");
        let mut collector = Collector::default();
        for event in String::from_utf8(out).unwrap().split_terminator("\n\n") {
            let data = event.strip_prefix("data: ").unwrap();
            reader.read(None, data.as_bytes(), &mut |event| collector.push(event)).map_err(|error| TestCaseError::fail(error.0))?;
        }
        reader.end(&mut |event| collector.push(event));
        let (streamed, ended) = collector.finish().unwrap();
        prop_assert!(ended);
        prop_assert_eq!(texts(&streamed), texts(&whole));
        prop_assert_eq!(texts(&streamed), texts(&answer));
        prop_assert_eq!(streamed.usage, answer.usage);
    }

    #[test]
    fn no_bytes_make_the_reader_panic(data in prop::collection::vec(chaos(), 0..12)) {
        let mut reader = Reader::new("x");
        let mut started = 0;
        let mut ends = 0;
        let mut calls = 0;
        for data in &data {
            let _ = reader.read(None, data.to_string().as_bytes(), &mut |event| check(&event, &mut started, &mut ends, &mut calls));
        }
        reader.end(&mut |event| check(&event, &mut started, &mut ends, &mut calls));
        prop_assert!(started <= 1 && ends <= 1);
    }
}

/// The rules that writers rely on.
fn check(
    event: &crate::wire::neutral::Event<'_>,
    started: &mut u32,
    ends: &mut u32,
    calls: &mut u32,
) {
    use crate::wire::neutral::Event;
    assert_eq!(*ends, 0, "{event:?} after the end");
    match event {
        Event::Start { .. } => *started += 1,
        Event::End | Event::Error(_) => *ends += 1,
        Event::Text { text, .. } | Event::Refusal { text, .. } | Event::Reasoning { text, .. } => {
            assert!(!text.is_empty() && *started == 1)
        }
        Event::CallStart { call, id, name, .. } => {
            assert!(!id.is_empty() && !name.is_empty());
            assert_eq!(call, calls);
            *calls += 1;
        }
        Event::CallArguments { call, text } => assert!(call < calls && !text.is_empty()),
        Event::CallEnd { call } => assert!(call < calls),
        _ => assert_eq!(*started, 1),
    }
}

/// Chunks with anything anywhere.
fn chaos() -> impl Strategy<Value = Value> {
    let odd = || {
        prop_oneof![
            Just(Value::Null),
            Just(json!("")),
            Just(json!("a")),
            Just(json!(0)),
            Just(json!(1)),
            Just(json!(-1)),
            Just(json!(1.5)),
            Just(json!([])),
            Just(json!({})),
            Just(json!(["a"])),
            Just(json!({"text": "a"})),
            Just(json!("stop")),
        ]
    };
    let function =
        (odd(), odd()).prop_map(|(name, arguments)| json!({"name": name, "arguments": arguments}));
    let call = (odd(), odd(), prop_oneof![odd(), function])
        .prop_map(|(index, id, function)| json!({"index": index, "id": id, "function": function}));
    let delta = (odd(), odd(), odd(), prop::collection::vec(call, 0..3)).prop_map(|(content, reasoning, refusal, calls)| {
        json!({"content": content, "reasoning": reasoning, "refusal": refusal, "tool_calls": calls})
    });
    let choice = (odd(), prop_oneof![odd(), delta], odd()).prop_map(
        |(index, delta, reason)| json!({"index": index, "delta": delta, "finish_reason": reason}),
    );
    let choices = prop_oneof![
        odd(),
        prop::collection::vec(choice, 0..3).prop_map(Value::from)
    ];
    (odd(), choices, odd(), odd()).prop_map(|(id, choices, usage, error)| {
        let error = if error == json!("a") {
            error
        } else {
            Value::Null
        };
        json!({"id": id, "choices": choices, "usage": usage, "error": error})
    })
}

/// What an answer says, by choice: reasoning, text, refusal, calls, reason.
fn texts(answer: &Answer) -> Vec<Vec<String>> {
    use crate::wire::neutral::Part;
    let shown = |part: &Part| match part {
        Part::Text(text) => format!("0 {}", text.text),
        Part::Refusal(text) => format!("1 {text}"),
        Part::Reasoning(block) => format!("2 {}", block.text),
        Part::Call(call) => {
            let empty = call.arguments.is_empty();
            let arguments = if empty { "{}" } else { call.arguments.as_str() };
            format!("3 {} {} {arguments}", call.id, call.name)
        }
        other => format!("{other:?}"),
    };
    let choices = answer.choices.iter();
    choices
        .map(|choice| {
            let mut lines: Vec<String> = choice
                .parts
                .iter()
                .map(shown)
                .filter(|line| line.len() > 2)
                .collect();
            lines.sort();
            lines.push(format!("{:?}", choice.finish));
            lines
        })
        .collect()
}

fn answer() -> impl Strategy<Value = Answer> {
    use crate::wire::Usage;
    use crate::wire::neutral::{Call, CallKind, Choice, Finish, Part, Reasoning, Text};
    let choice = ("[a-zé\n]{0,9}", "[a-z]{0,9}", 0..3usize).prop_map(|(said, thought, calls)| {
        let mut parts = Vec::new();
        if !thought.is_empty() {
            parts.push(Part::Reasoning(Reasoning {
                text: thought,
                ..Reasoning::default()
            }));
        }
        if !said.is_empty() {
            parts.push(Part::Text(Text {
                text: said,
                ..Text::default()
            }));
        }
        parts.extend((0..calls).map(|at| {
            Part::Call(Call {
                id: format!("c{at}"),
                name: "f".into(),
                arguments: if at == 0 {
                    String::new()
                } else {
                    "{\"x\":1}".into()
                },
                kind: CallKind::Function,
                signature: None,
            })
        }));
        let finish = Some(if calls > 0 {
            Finish::Tool
        } else {
            Finish::Stop
        });
        Choice {
            parts,
            finish,
            logprobs: None,
        }
    });
    let usage = (0..9u64, 0..9u64, 0..9u64, 0..9u64).prop_map(
        |(input_uncached, cache_read, cache_write, output)| Usage {
            input_uncached,
            cache_read,
            cache_write,
            output,
            reasoning: output / 2,
            ..Usage::default()
        },
    );
    (prop::collection::vec(choice, 1..3), usage).prop_map(|(choices, usage)| Answer {
        choices,
        usage: Some(usage),
        ..Answer::default()
    })
}
