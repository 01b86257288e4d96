//! Streams, answers and errors for a client.

use std::time::Duration;

use serde_json::{Value, json};

use crate::wire::neutral::{
    Answer, CallKind, Choice, Citation, Class, Collector, Error, Event, Finish, Part, Reasoning,
    Request, Signature, replay,
};
use crate::wire::{Dialect, Usage};

use super::super::{Reader, Writer, read_answer, write_answer, write_error};
use super::{naming, text};

fn asked() -> Request {
    Request::new(Dialect::Gemini, "alias")
}

fn write_all(events: Vec<Event<'_>>, is_array: bool) -> String {
    let mut writer = Writer::new(&asked(), &naming()).as_array(is_array);
    let mut out = Vec::new();
    for event in events {
        writer.write(event, Duration::ZERO, &mut out);
    }
    String::from_utf8(out).unwrap()
}

/// The chunks, in either framing.
fn chunks(events: Vec<Event<'_>>) -> Vec<Value> {
    let array: Vec<Value> = serde_json::from_str(&write_all(events.clone(), true)).unwrap();
    let stream = write_all(events, false);
    let lines: Vec<Value> = stream
        .split_terminator("\n\n")
        .map(|event| serde_json::from_str(event.strip_prefix("data: ").unwrap()).unwrap())
        .collect();
    assert_eq!(array, lines);
    for chunk in lines.iter().filter(|chunk| chunk.get("error").is_none()) {
        assert_eq!(
            (&chunk["modelVersion"], &chunk["responseId"]),
            (&json!("alias"), &json!("s"))
        );
        assert!(chunk["usageMetadata"]["totalTokenCount"].is_u64());
    }
    lines
}

fn start() -> Event<'static> {
    Event::Start {
        id: "i".into(),
        model: "other".into(),
    }
}

fn say(text: &str) -> Event<'_> {
    Event::Text {
        choice: 0,
        text: text.into(),
    }
}

fn end(reason: Finish) -> [Event<'static>; 2] {
    [Event::Finish { choice: 0, reason }, Event::End]
}

#[test]
fn pieces_are_parts_and_the_last_chunk_says_why_it_ended() {
    let usage = Usage {
        input_uncached: 3,
        cache_read: 4,
        cache_write: 1,
        output: 9,
        reasoning: 2,
        ..Usage::default()
    };
    let mut events = vec![
        start(),
        Event::Reasoning {
            choice: 0,
            text: "hm".into(),
            is_summary: false,
        },
        Event::ReasoningEnd {
            choice: 0,
            signature: Some(Signature::new(Dialect::Gemini, "QUJD")),
            id: None,
        },
        say("a\"b"),
        Event::Finish {
            choice: 0,
            reason: Finish::Length,
        },
        Event::Usage(usage),
        Event::End,
    ];
    events.push(say("late"));
    let found = chunks(events);
    let parts: Vec<Value> = found
        .iter()
        .map(|chunk| chunk["candidates"][0]["content"]["parts"][0].clone())
        .collect();
    assert_eq!(
        parts,
        [
            json!({"text": "hm", "thought": true}),
            json!({"text": "", "thought": true, "thoughtSignature": "QUJD"}),
            json!({"text": "a\"b"}),
            json!({"text": ""}),
        ]
    );
    assert_eq!(found[3]["candidates"][0]["finishReason"], "MAX_TOKENS");
    assert_eq!(
        found[3]["usageMetadata"],
        json!({"promptTokenCount": 8, "cachedContentTokenCount": 4, "candidatesTokenCount": 7, "thoughtsTokenCount": 2, "totalTokenCount": 17})
    );
    assert!(
        found[..3]
            .iter()
            .all(|chunk| chunk["candidates"][0].get("finishReason").is_none())
    );
}

#[test]
fn case_19_calls_are_whole_however_they_came() {
    let call = |number: u32, id: &'static str| Event::CallStart {
        choice: 0,
        call: number,
        id: id.into(),
        name: "f".into(),
        kind: CallKind::Function,
        signature: Some(Signature::new(Dialect::Gemini, "QUJD")),
    };
    let piece = |number: u32, text: &'static str| Event::CallArguments {
        call: number,
        text: text.into(),
    };
    let mut events = vec![
        start(),
        call(0, "x"),
        call(1, "y"),
        piece(0, "{\"a\":"),
        piece(1, "{}"),
        piece(0, "1}"),
        Event::CallEnd { call: 1 },
    ];
    events.extend(end(Finish::Tool));
    let found = chunks(events);
    let part = |index: usize| found[index]["candidates"][0]["content"]["parts"][0].clone();
    assert_eq!(
        part(0),
        json!({"functionCall": {"id": "y", "name": "f", "args": {}}, "thoughtSignature": "QUJD"})
    );
    assert_eq!(
        part(1)["functionCall"],
        json!({"id": "x", "name": "f", "args": {"a": 1}})
    );
    assert_eq!(found[2]["candidates"][0]["finishReason"], "STOP");
}

#[test]
fn case_57_an_answer_that_was_held_back_is_a_blocked_prompt() {
    let mut events = vec![start()];
    events.extend(end(Finish::Filter));
    let found = chunks(events);
    assert_eq!(found[0]["promptFeedback"], json!({"blockReason": "SAFETY"}));
    assert!(found[0].get("candidates").is_none());
    // Once something was said, the candidate itself is filtered.
    let mut events = vec![start(), say("a")];
    events.extend(end(Finish::Filter));
    assert_eq!(chunks(events)[1]["candidates"][0]["finishReason"], "SAFETY");
    let empty = Choice {
        parts: vec![],
        finish: Some(Finish::Filter),
        logprobs: None,
    };
    let answer = Answer {
        choices: vec![empty],
        ..Answer::default()
    };
    let body: Value =
        serde_json::from_slice(&write_answer(&answer, &asked(), &naming(), Duration::ZERO))
            .unwrap();
    assert_eq!(body["promptFeedback"]["blockReason"], "SAFETY");
}

#[test]
fn case_06_an_error_ends_the_stream_and_closes_the_array() {
    let error = Error {
        class: Class::RateLimit,
        status: 429,
        message: "slow".into(),
        code: None,
        param: None,
        retry_after: Some(Duration::from_secs(12)),
    };
    for before in [vec![], vec![start(), say("a")]] {
        let mut events = before;
        events.extend([Event::Error(Box::new(error.clone())), Event::End]);
        let found = chunks(events);
        let expected = json!({"error": {"code": 429, "message": "slow", "status": "RESOURCE_EXHAUSTED",
            "details": [{"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "12s"}]}});
        assert_eq!(found.last(), Some(&expected));
        assert!(
            found
                .iter()
                .all(|chunk| chunk["candidates"][0].get("finishReason").is_none())
        );
    }
}

#[test]
fn errors_have_googles_names_and_codes() {
    let cases = [
        (Class::BadRequest, 400, 400, "INVALID_ARGUMENT"),
        (Class::BadRequest, 422, 422, "INVALID_ARGUMENT"),
        (Class::BadKey, 401, 401, "UNAUTHENTICATED"),
        (Class::ModelUnknown, 404, 404, "NOT_FOUND"),
        (Class::Overloaded, 529, 503, "UNAVAILABLE"),
        (Class::Internal, 0, 500, "INTERNAL"),
        (Class::Timeout, 504, 504, "DEADLINE_EXCEEDED"),
    ];
    for (class, status, code, name) in cases {
        let error = Error {
            class,
            status,
            message: "m".into(),
            code: None,
            param: None,
            retry_after: None,
        };
        let (found, body) = write_error(&error);
        let body: Value = serde_json::from_slice(&body).unwrap();
        assert_eq!(
            (found, body),
            (
                code,
                json!({"error": {"code": code, "message": "m", "status": name}})
            )
        );
    }
}

#[test]
fn an_account_that_is_used_up_is_told_from_a_rate() {
    let error = Error {
        class: Class::Billing,
        status: 402,
        message: "m".into(),
        code: None,
        param: None,
        retry_after: None,
    };
    let (status, body) = write_error(&error);
    assert_eq!(status, 429);
    let told: Value = serde_json::from_slice(&body).unwrap();
    assert_eq!(told["error"]["status"], "RESOURCE_EXHAUSTED");
    assert_eq!(told["error"]["details"][0]["reason"], "INSUFFICIENT_QUOTA");
    let read = super::super::error::read_error(status, &body);
    assert_eq!(read.class, Class::Billing);
}

#[test]
fn case_09_a_keepalive_is_a_chunk_without_candidates() {
    let mut writer = Writer::new(&asked(), &naming());
    let mut out = Vec::new();
    writer.keepalive(&mut out);
    let text = String::from_utf8(out).unwrap();
    let chunk: Value = serde_json::from_str(text.strip_prefix("data: ").unwrap()).unwrap();
    assert!(chunk.get("candidates").is_none() && chunk["responseId"] == "s");
    let mut out = Vec::new();
    writer.write(Event::End, Duration::ZERO, &mut out);
    assert!(
        String::from_utf8(out)
            .unwrap()
            .contains("\"finishReason\":\"STOP\"")
    );
    let mut out = Vec::new();
    writer.keepalive(&mut out);
    assert!(out.is_empty());
    assert_eq!(
        (Writer::CONTENT_TYPE, writer.as_array(true).content_type()),
        ("text/event-stream", "application/json")
    );
}

#[test]
fn an_answer_is_written_with_all_its_parts() {
    let upstream = json!({"candidates": [{"index": 0, "finishReason": "STOP", "content": {"role": "model", "parts": [
            {"text": "hm", "thought": true}, {"text": "so", "thoughtSignature": "QUJD"},
            {"functionCall": {"id": "i", "name": "f", "args": {"a": [1]}}, "thoughtSignature": "REVG"}]}}],
        "usageMetadata": {"promptTokenCount": 3, "candidatesTokenCount": 4, "totalTokenCount": 7}, "modelVersion": "m", "responseId": "r"});
    let answer = read_answer(upstream.to_string().as_bytes(), "s").unwrap();
    let written = write_answer(&answer, &asked(), &naming(), Duration::ZERO);
    let mut found: Value = serde_json::from_slice(&written).unwrap();
    assert_eq!(
        (found["modelVersion"].take(), found["responseId"].take()),
        (json!("alias"), json!("s"))
    );
    found["modelVersion"] = json!("m");
    found["responseId"] = json!("r");
    assert_eq!(found, upstream);
}

#[test]
fn proofs_of_other_vendors_and_citations_have_their_places() {
    let signature = Signature::new(Dialect::Anthropic, "EqQB");
    let mut cited = text("a");
    if let Part::Text(text) = &mut cited {
        text.citations.push(Citation {
            url: Some("https://a".into()),
            title: Some("A".into()),
            quote: Some("q".into()),
            span: None,
            own: None,
        });
    }
    let reasoning = Part::Reasoning(Reasoning {
        text: "hm".into(),
        signature: Some(signature.clone()),
        ..Reasoning::default()
    });
    let choice = Choice {
        parts: vec![reasoning, cited],
        finish: Some(Finish::Refusal(Some("no".into()))),
        logprobs: None,
    };
    let answer = Answer {
        choices: vec![choice],
        ..Answer::default()
    };
    let body: Value =
        serde_json::from_slice(&write_answer(&answer, &asked(), &naming(), Duration::ZERO))
            .unwrap();
    let candidate = &body["candidates"][0];
    let slot = candidate["content"]["parts"][0]["thoughtSignature"]
        .as_str()
        .unwrap();
    assert_eq!(super::super::signature::of_slot(slot), Some(signature));
    let grounding = json!({"groundingChunks": [{"web": {"uri": "https://a", "title": "A"}}], "groundingSupports": [{"segment": {"text": "q"}, "groundingChunkIndices": [0]}]});
    assert_eq!(candidate["groundingMetadata"], grounding);
    assert_eq!(
        (&candidate["finishReason"], &candidate["finishMessage"]),
        (&json!("SAFETY"), &json!("no"))
    );
    let mut events = Vec::new();
    replay(&answer, &mut |event| events.push(event.into_owned()));
    let last = chunks(events).pop().unwrap();
    assert_eq!(last["candidates"][0]["groundingMetadata"], grounding);
}

#[test]
fn what_was_written_reads_back_the_same() {
    let usage = Usage {
        input_uncached: 3,
        output: 9,
        reasoning: 2,
        ..Usage::default()
    };
    let signature = Some(Signature::new(Dialect::Gemini, "QUJD"));
    let mut events = vec![
        start(),
        Event::Reasoning {
            choice: 0,
            text: "hm".into(),
            is_summary: false,
        },
        Event::ReasoningEnd {
            choice: 0,
            signature: signature.clone(),
            id: None,
        },
        say("a"),
        say("b"),
        Event::ReasoningEnd {
            choice: 0,
            signature: signature.clone(),
            id: None,
        },
        Event::CallStart {
            choice: 0,
            call: 0,
            id: "i".into(),
            name: "f".into(),
            kind: CallKind::Function,
            signature,
        },
        Event::CallArguments {
            call: 0,
            text: "{\"a\":1.50}".into(),
        },
        Event::CallEnd { call: 0 },
        Event::Usage(usage),
    ];
    events.extend(end(Finish::Tool));
    let mut expected = Collector::default();
    let mut found = Collector::default();
    let mut reader = Reader::new("x");
    for chunk in chunks(events.clone()) {
        reader
            .read(None, chunk.to_string().as_bytes(), &mut |event| {
                found.push(event)
            })
            .unwrap();
    }
    reader.end(&mut |event| found.push(event));
    for event in events {
        expected.push(event);
    }
    let (mut answer, ended) = expected.finish().unwrap();
    answer.id = "s".into();
    answer.model = "alias".into();
    assert_eq!(found.finish().unwrap(), (answer, ended));
}

#[test]
fn the_words_of_a_refusal_are_told_as_text_once() {
    for (parts, expected) in [
        (vec![], "not that"),
        (vec![Part::Refusal("no".into())], "no"),
    ] {
        let choice = Choice {
            parts,
            finish: Some(Finish::Refusal(Some("not that".into()))),
            logprobs: None,
        };
        let answer = Answer {
            choices: vec![choice],
            ..Answer::default()
        };
        let whole: Value =
            serde_json::from_slice(&write_answer(&answer, &asked(), &naming(), Duration::ZERO))
                .unwrap();
        assert_eq!(
            whole["candidates"][0]["content"]["parts"],
            json!([{"text": expected}])
        );
        let mut events = Vec::new();
        replay(&answer, &mut |event| events.push(event.into_owned()));
        let told: String = chunks(events)
            .iter()
            .map(|chunk| {
                chunk["candidates"][0]["content"]["parts"][0]["text"]
                    .as_str()
                    .unwrap()
                    .to_owned()
            })
            .collect();
        assert_eq!(told, expected);
    }
}
