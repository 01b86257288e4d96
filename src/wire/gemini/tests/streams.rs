//! Streams and whole answers of an upstream.

use serde_json::{Value, json};

use crate::wire::neutral::{Answer, Class, Collector, Event, Finish, Part, Unintelligible};
use crate::wire::{Dialect, Usage};

use super::super::{Reader, read_answer, read_error};

fn events(chunks: &[Value]) -> Result<Vec<Event<'static>>, Unintelligible> {
    let mut found = Vec::new();
    let mut reader = Reader::new("s");
    for chunk in chunks {
        let text = chunk.to_string();
        reader.read(None, text.as_bytes(), &mut |event| {
            found.push(event.into_owned())
        })?;
    }
    reader.end(&mut |event| found.push(event.into_owned()));
    Ok(found)
}

fn gathered(events: Vec<Event<'static>>) -> (Answer, bool) {
    let mut collector = Collector::default();
    for event in events {
        collector.push(event);
    }
    collector.finish().unwrap()
}

fn parts(parts: Value) -> Value {
    json!({"candidates": [{"content": {"role": "model", "parts": parts}}], "modelVersion": "m", "responseId": "r"})
}

fn finish(reason: &str) -> Value {
    json!({"candidates": [{"finishReason": reason, "index": 0}], "modelVersion": "m", "responseId": "r"})
}

#[test]
fn case_49_pieces_are_told_as_they_come_and_counts_replace_each_other() {
    let mut first = parts(json!([{"text": "Hel"}]));
    first["usageMetadata"] = json!({"promptTokenCount": 10, "cachedContentTokenCount": 4, "candidatesTokenCount": 1, "totalTokenCount": 11});
    let mut last = finish("STOP");
    last["usageMetadata"] = json!({"promptTokenCount": 10, "cachedContentTokenCount": 4, "toolUsePromptTokenCount": 2, "candidatesTokenCount": 3, "thoughtsTokenCount": 5, "totalTokenCount": 20});
    let found = events(&[
        first.clone(),
        parts(json!([{"text": ""}, {"text": "lo"}])),
        last.clone(),
        last,
    ])
    .unwrap();
    let usages = found
        .iter()
        .filter(|event| matches!(event, Event::Usage(_)))
        .count();
    assert_eq!(usages, 2, "an unchanged count is not told again");
    let (answer, ended) = gathered(found);
    assert!(ended);
    assert_eq!((answer.id.as_str(), answer.model.as_str()), ("r", "m"));
    assert_eq!(
        answer.usage,
        Some(Usage {
            input_uncached: 8,
            cache_read: 4,
            cache_write: 0,
            output: 8,
            reasoning: 5,
            ..Usage::default()
        })
    );
    let Part::Text(text) = &answer.choices[0].parts[0] else {
        panic!()
    };
    assert_eq!(text.text, "Hello");
}

#[test]
fn case_05_a_stream_without_a_finish_has_no_end() {
    let chunks = [parts(json!([{"text": "a"}])), parts(json!([{"text": "b"}]))];
    for cut in 0..=2 {
        let found = events(&chunks[..cut]).unwrap();
        assert!(
            !found
                .iter()
                .any(|event| matches!(event, Event::End | Event::Finish { .. }))
        );
    }
    // One of two candidates is cut.
    let two = json!({"candidates": [{"index": 0, "finishReason": "STOP"}, {"index": 1, "content": {"parts": [{"text": "x"}]}}]});
    assert!(!events(&[two]).unwrap().contains(&Event::End));
}

#[test]
fn case_07_an_error_in_the_stream_is_an_error() {
    let error = json!({"error": {"code": 503, "message": "The model is overloaded.", "status": "UNAVAILABLE"}});
    let found = events(&[error, finish("STOP")]).unwrap();
    let [Event::Error(error)] = found.as_slice() else {
        panic!("{found:?}")
    };
    assert_eq!(
        (error.class, error.status, error.message.as_str()),
        (Class::Overloaded, 503, "The model is overloaded.")
    );
}

#[test]
fn case_18_calls_come_whole_also_with_the_finish() {
    let mut chunk = parts(
        json!([{"text": "so"}, {"functionCall": {"name": "f", "args": {"a": 1}}, "thoughtSignature": "QUJD"},
        {"functionCall": {"id": "own", "name": "f", "args": {}}}, {"functionCall": {"id": "own", "name": "g"}}]),
    );
    chunk["candidates"][0]["finishReason"] = json!("STOP");
    let (answer, ended) = gathered(events(&[chunk]).unwrap());
    assert!(ended);
    let calls: Vec<_> = answer.choices[0]
        .parts
        .iter()
        .filter_map(|part| match part {
            Part::Call(call) => Some((
                call.id.as_str(),
                call.name.as_str(),
                call.arguments.as_str(),
                call.signature.is_some(),
            )),
            _ => None,
        })
        .collect();
    assert_eq!(
        calls,
        [
            ("call_s_0", "f", r#"{"a":1}"#, true),
            ("own", "f", "{}", false),
            ("call_s_2", "g", "{}", false)
        ]
    );
    assert_eq!(answer.choices[0].finish, Some(Finish::Tool));
}

#[test]
fn arguments_in_pieces_are_told_whole_when_the_call_is() {
    let piece = |call: Value| parts(json!([{"functionCall": call}]));
    let chunks = [
        piece(json!({"name": "f", "id": "i", "willContinue": true})),
        piece(
            json!({"partialArgs": [{"jsonPath": "$.city", "stringValue": "New ", "willContinue": true}], "willContinue": true}),
        ),
        piece(
            json!({"partialArgs": [{"jsonPath": "$.city", "stringValue": "York"}, {"jsonPath": "$.days", "numberValue": 3}], "willContinue": true}),
        ),
        piece(json!({})),
        piece(
            json!({"name": "g", "partialArgs": [{"jsonPath": "$.x", "boolValue": true}], "willContinue": true}),
        ),
        finish("STOP"),
    ];
    let (answer, _) = gathered(events(&chunks).unwrap());
    let calls: Vec<_> = answer.choices[0]
        .parts
        .iter()
        .filter_map(|part| match part {
            Part::Call(call) => Some((call.name.as_str(), call.arguments.as_str())),
            _ => None,
        })
        .collect();
    assert_eq!(
        calls,
        [
            ("f", r#"{"city":"New York","days":3}"#),
            ("g", r#"{"x":true}"#)
        ]
    );
    assert!(
        events(&[piece(json!({"args": {"a": 1}}))]).is_err(),
        "a call without a name"
    );
}

#[test]
fn case_23_finishes_in_every_chunk_are_one_at_the_end() {
    let chunk = |text: &str| {
        let mut chunk = parts(json!([{"text": text}]));
        chunk["candidates"][0]["finishReason"] = json!("STOP");
        chunk
    };
    let found = events(&[chunk("a"), chunk("b"), finish("MAX_TOKENS")]).unwrap();
    let ends: Vec<_> = found
        .iter()
        .filter(|event| matches!(event, Event::Finish { .. }))
        .collect();
    assert_eq!(
        ends,
        [&Event::Finish {
            choice: 0,
            reason: Finish::Length
        }]
    );
    assert_eq!(found.last(), Some(&Event::End));
}

#[test]
fn case_40_signatures_without_words_are_told() {
    let chunks = [
        parts(json!([{"text": "hm", "thought": true}])),
        parts(json!([{"text": "so", "thoughtSignature": "QUJD"}])),
        parts(json!([{"text": "", "thoughtSignature": "REVG"}])),
        finish("STOP"),
    ];
    let (answer, _) = gathered(events(&chunks).unwrap());
    let shown: Vec<_> = answer.choices[0]
        .parts
        .iter()
        .map(|part| match part {
            Part::Text(text) => text.text.clone(),
            Part::Reasoning(reasoning) => format!(
                "{}/{}",
                reasoning.text,
                reasoning.signature.as_ref().map_or("", |proof| &proof.data)
            ),
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(shown, ["hm/", "so", "/QUJD", "/REVG"]);
}

#[test]
fn case_57_blocked_prompts_and_malformed_calls_end_as_they_should() {
    let blocked = json!({"promptFeedback": {"blockReason": "SAFETY"}, "usageMetadata": {"promptTokenCount": 3, "totalTokenCount": 3}, "modelVersion": "m"});
    let (answer, ended) = gathered(events(std::slice::from_ref(&blocked)).unwrap());
    assert!(ended);
    assert_eq!(answer.choices[0].finish, Some(Finish::Filter));
    let whole = read_answer(blocked.to_string().as_bytes(), "s").unwrap();
    assert_eq!(whole, answer);
    let cases = [
        ("STOP", Finish::Stop),
        ("MAX_TOKENS", Finish::Length),
        ("SAFETY", Finish::Filter),
        ("RECITATION", Finish::Filter),
        ("IMAGE_SAFETY", Finish::Filter),
        ("MALFORMED_FUNCTION_CALL", Finish::MalformedCall),
        ("UNEXPECTED_TOOL_CALL", Finish::MalformedCall),
        ("OTHER", Finish::Stop),
        ("SOMETHING_NEW", Finish::Stop),
        ("CONTINUATION", Finish::Paused),
    ];
    for (reason, expected) in cases {
        let (answer, _) = gathered(events(&[finish(reason)]).unwrap());
        assert_eq!(answer.choices[0].finish, Some(expected), "{reason}");
        assert!(answer.choices[0].parts.is_empty());
    }
    assert_eq!(
        gathered(events(&[finish("FINISH_REASON_UNSPECIFIED")]).unwrap())
            .0
            .choices[0]
            .finish,
        None
    );
}

#[test]
fn case_51_nulls_missing_and_unknown_members_are_nothing() {
    let odd = [
        json!({"candidates": null, "usageMetadata": null, "promptFeedback": null, "error": null}),
        json!({"candidates": []}),
        json!({"candidates": [{"content": null, "finishReason": null}], "novelty": 1}),
        json!({"candidates": [{"content": {"parts": null}}]}),
        json!({"candidates": [{"content": {"parts": [{"text": null, "thought": null, "functionCall": null, "novelty": {}}, {}]}}]}),
        finish("STOP"),
    ];
    let (answer, ended) = gathered(events(&odd).unwrap());
    assert!(ended && answer.choices[0].parts.is_empty());
    for bad in [
        json!([]),
        json!("x"),
        json!({"candidates": 7}),
        json!({"candidates": [{"index": 4_000_000}]}),
    ] {
        assert!(events(&[bad]).is_err());
    }
    // Case 08: what ends other dialects' streams.
    let mut found = Vec::new();
    Reader::new("s")
        .read(None, b" [DONE] ", &mut |event| {
            found.push(event.into_owned())
        })
        .unwrap();
    assert!(found.is_empty());
}

#[test]
fn several_candidates_are_told_apart() {
    let chunks = [
        json!({"candidates": [{"index": 1, "content": {"parts": [{"text": "b"}]}}, {"content": {"parts": [{"text": "a"}]}}]}),
        json!({"candidates": [{"index": 0, "finishReason": "STOP"}, {"index": 1, "finishReason": "MAX_TOKENS"}]}),
    ];
    let (answer, ended) = gathered(events(&chunks).unwrap());
    assert!(ended);
    assert_eq!(answer.choices.len(), 2);
    assert_eq!(answer.choices[1].finish, Some(Finish::Length));
}

#[test]
fn sources_are_cited_with_places_in_characters() {
    let mut chunk = parts(json!([{"text": "Zürich ist groß."}]));
    chunk["candidates"][0]["finishReason"] = json!("STOP");
    chunk["candidates"][0]["groundingMetadata"] = json!({"webSearchQueries": ["q"],
        "groundingChunks": [{"web": {"uri": "https://a", "title": "A"}}, {"web": {"uri": "https://b"}}],
        "groundingSupports": [{"segment": {"startIndex": 8, "endIndex": 18, "text": "ist groß."}, "groundingChunkIndices": [0, 1, 9]}]});
    let (answer, _) = gathered(events(&[chunk]).unwrap());
    let Part::Text(text) = &answer.choices[0].parts[0] else {
        panic!()
    };
    let found: Vec<_> = text
        .citations
        .iter()
        .map(|citation| {
            (
                citation.url.as_deref(),
                citation.title.as_deref(),
                citation.quote.as_deref(),
                citation.span,
            )
        })
        .collect();
    assert_eq!(
        found,
        [
            (
                Some("https://a"),
                Some("A"),
                Some("ist groß."),
                Some((7, 16))
            ),
            (Some("https://b"), None, Some("ist groß."), Some((7, 16))),
        ]
    );
}

#[test]
fn log_probabilities_take_chats_shape() {
    let mut chunk = parts(json!([{"text": "a"}]));
    chunk["candidates"][0]["logprobsResult"] = json!({"chosenCandidates": [{"token": "a", "tokenId": 3, "logProbability": -0.5}],
        "topCandidates": [{"candidates": [{"token": "a", "logProbability": -0.5}, {"token": "b", "logProbability": -2}]}]});
    let (answer, _) = gathered(events(&[chunk, finish("STOP")]).unwrap());
    let entry = |token: &str, value: Value| json!({"token": token, "logprob": value, "bytes": token.as_bytes()});
    let mut expected = entry("a", json!(-0.5));
    expected["top_logprobs"] = json!([entry("a", json!(-0.5)), entry("b", json!(-2))]);
    assert_eq!(
        answer.choices[0].logprobs,
        Some(json!({"content": [expected]}))
    );
}

#[test]
fn case_32_parts_that_only_gemini_has_come_through_opaque() {
    let chunks = [
        parts(
            json!([{"executableCode": {"language": "PYTHON", "code": "1"}, "thoughtSignature": "QUJD"}, {"text": "x"}]),
        ),
        finish("STOP"),
    ];
    let (answer, _) = gathered(events(&chunks).unwrap());
    let expected = Part::Opaque {
        dialect: Dialect::Gemini,
        value: json!({"executableCode": {"language": "PYTHON", "code": "1"}, "thoughtSignature": "QUJD"}),
    };
    assert_eq!(answer.choices[0].parts[0], expected);
}

#[test]
fn case_15_any_body_of_an_error_is_read() {
    let error = |code: u16, status: &str, message: &str| {
        json!({"error": {"code": code, "status": status, "message": message}}).to_string()
    };
    let cases = [
        (
            400,
            error(400, "INVALID_ARGUMENT", "bad"),
            Class::BadRequest,
            "bad",
        ),
        (
            400,
            error(
                400,
                "INVALID_ARGUMENT",
                "The input token count (9) exceeds the maximum number of tokens allowed (8).",
            ),
            Class::ContextTooLong,
            "The input token count (9) exceeds the maximum number of tokens allowed (8).",
        ),
        (
            400,
            error(
                400,
                "INVALID_ARGUMENT",
                "API key not valid. Please pass a valid API key.",
            ),
            Class::BadKey,
            "API key not valid. Please pass a valid API key.",
        ),
        (
            404,
            error(404, "NOT_FOUND", "models/x is not found"),
            Class::ModelUnknown,
            "models/x is not found",
        ),
        (
            429,
            format!("[{}]", error(429, "RESOURCE_EXHAUSTED", "quota")),
            Class::RateLimit,
            "quota",
        ),
        (500, error(500, "INTERNAL", "oops"), Class::Internal, "oops"),
        (
            504,
            error(504, "DEADLINE_EXCEEDED", "slow"),
            Class::Timeout,
            "slow",
        ),
        (
            502,
            "<html></html>".into(),
            Class::Internal,
            "the upstream answered with status 502 and no message",
        ),
        (
            503,
            String::new(),
            Class::Overloaded,
            "the upstream answered with status 503 and no message",
        ),
        (403, "no".into(), Class::Forbidden, "no"),
    ];
    for (status, body, class, message) in cases {
        let found = read_error(status, body.as_bytes());
        assert_eq!(
            (found.status, found.class, found.message.as_str()),
            (status, class, message)
        );
    }
    let body = json!({"error": {"code": 429, "status": "RESOURCE_EXHAUSTED", "message": "m", "details": [
        {"@type": "type.googleapis.com/google.rpc.BadRequest", "fieldViolations": [{"field": "contents"}]},
        {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "12.5s"}]}});
    let found = read_error(429, body.to_string().as_bytes());
    assert_eq!(
        (found.retry_after, found.param.as_deref()),
        (
            Some(std::time::Duration::from_millis(12_500)),
            Some("contents")
        )
    );
}

#[test]
fn case_48_what_was_cached_counts_once_on_both_sides() {
    let cases = [
        json!({"promptTokenCount": 10, "candidatesTokenCount": 3, "totalTokenCount": 13}),
        json!({"promptTokenCount": 10, "cachedContentTokenCount": 4, "candidatesTokenCount": 3, "totalTokenCount": 13}),
        json!({"promptTokenCount": 10, "cachedContentTokenCount": 10, "candidatesTokenCount": 0, "thoughtsTokenCount": 5, "totalTokenCount": 15}),
    ];
    for metadata in cases {
        let read: super::super::chunk::UsageMetadata =
            serde_json::from_value(metadata.clone()).unwrap();
        let usage = read.usage();
        assert_eq!(usage.input(), 10);
        let written: Value =
            serde_json::from_str(&super::super::chunk::usage_text(&usage)).unwrap();
        assert_eq!(written, metadata);
    }
}

#[test]
fn case_20_calls_without_ids_get_ids_of_their_own() {
    let call = json!({"functionCall": {"name": "f", "args": {}}});
    let (answer, _) = gathered(
        events(&[
            parts(json!([call, call])),
            parts(json!([call])),
            finish("STOP"),
        ])
        .unwrap(),
    );
    let ids: Vec<_> = answer.choices[0]
        .parts
        .iter()
        .map(|part| match part {
            Part::Call(call) => call.id.as_str(),
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(ids, ["call_s_0", "call_s_1", "call_s_2"]);
}

#[test]
fn case_22_stop_with_calls_is_an_end_for_calls() {
    let call = json!({"functionCall": {"name": "f", "args": {}}});
    for (reason, expected) in [("STOP", Finish::Tool), ("MAX_TOKENS", Finish::Length)] {
        let (answer, _) = gathered(events(&[parts(json!([call])), finish(reason)]).unwrap());
        assert_eq!(answer.choices[0].finish, Some(expected));
    }
}
