//! Streams of upstreams, as they come from good servers and bad ones.

use serde_json::{Value, json};

use super::{delta, done, events, finish, told};
use crate::wire::chat::Reader;
use crate::wire::neutral::{CallKind, Event, Finish};

/// Without the start, which all have.
fn body(chunks: &[Value]) -> Vec<String> {
    let mut lines = told(chunks);
    assert_eq!(lines.remove(0), "start i m");
    lines
}

fn call(piece: Value) -> Value {
    delta(json!({"tool_calls": [piece]}))
}

#[test]
fn a_stream_as_it_should_be() {
    let chunks = [
        delta(json!({"role": "assistant", "content": "", "refusal": null})),
        delta(json!({"content": "He\"llo"})),
        delta(json!({"content": " ☃"})),
        finish("stop"),
        json!({"id": "i", "choices": [], "usage": {"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5}}),
        done(),
    ];
    let expected = [
        "0 text He\"llo",
        "0 text  ☃",
        "usage 3+2",
        "0 finish Stop",
        "end",
    ];
    assert_eq!(body(&chunks), expected);
}

#[test]
fn case_05_an_end_is_told_only_if_every_choice_has_finished() {
    let hello = delta(json!({"content": "a"}));
    assert_eq!(body(std::slice::from_ref(&hello)), ["0 text a"]);
    assert_eq!(
        body(&[hello.clone(), finish("length")]),
        ["0 text a", "0 finish Length", "end"]
    );
    let two =
        json!({"id": "i", "model": "m", "choices": [{"index": 1, "delta": {"content": "b"}}]});
    assert_eq!(
        body(&[hello, two, finish("stop")]),
        ["0 text a", "1 text b"]
    );
    assert!(told(&[done()]).is_empty());
}

#[test]
fn case_17_empty_arguments_in_every_form() {
    for arguments in [
        json!({"arguments": ""}),
        json!({"arguments": null}),
        json!({}),
    ] {
        let mut function = json!({"name": "f"});
        function
            .as_object_mut()
            .unwrap()
            .extend(arguments.as_object().unwrap().clone());
        let chunks = [
            call(json!({"index": 0, "id": "a", "function": function})),
            finish("tool_calls"),
        ];
        let expected = ["0 call 0 a f", "call ends 0", "0 finish Tool", "end"];
        assert_eq!(body(&chunks), expected, "{arguments}");
    }
}

#[test]
fn case_18_whole_arguments_with_the_finish_in_one_chunk() {
    let chunk = json!({"id": "i", "model": "m", "choices": [{"index": 0, "finish_reason": "tool_calls", "delta": {
        "tool_calls": [{"index": 0, "id": "a", "function": {"name": "f", "arguments": "{\"x\":1}"}}],
    }}]});
    let expected = [
        "0 call 0 a f",
        "args 0 {\"x\":1}",
        "call ends 0",
        "0 finish Tool",
        "end",
    ];
    assert_eq!(body(&[chunk]), expected);
}

#[test]
fn case_19_interleaved_calls_keep_their_arguments() {
    let chunks = [
        call(json!({"index": 0, "id": "a", "function": {"name": "f", "arguments": ""}})),
        call(json!({"index": 1, "id": "b", "function": {"name": "g", "arguments": ""}})),
        call(json!({"index": 0, "function": {"arguments": "{\"x\""}})),
        call(json!({"index": 1, "function": {"arguments": "{\"y\""}})),
        call(json!({"index": 0, "function": {"arguments": ":1}"}})),
        call(json!({"index": 1, "function": {"arguments": ":2}"}})),
        finish("tool_calls"),
    ];
    let expected = [
        "0 call 0 a f",
        "0 call 1 b g",
        "args 0 {\"x\"",
        "args 1 {\"y\"",
        "args 0 :1}",
        "args 1 :2}",
        "call ends 0",
        "call ends 1",
        "0 finish Tool",
        "end",
    ];
    assert_eq!(body(&chunks), expected);
}

#[test]
fn case_20_indices_and_ids_may_be_missing_constant_or_repeated() {
    let cases: [(&[Value], &[&str]); 4] = [
        // All at index 0, told apart by their ids.
        (
            &[
                call(json!({"index": 0, "id": "a", "function": {"name": "f", "arguments": "{}"}})),
                call(json!({"index": 0, "id": "b", "function": {"name": "g", "arguments": "{}"}})),
            ],
            &[
                "0 call 0 a f",
                "args 0 {}",
                "call ends 0",
                "0 call 1 b g",
                "args 1 {}",
            ],
        ),
        // No index, several in one chunk.
        (
            &[delta(json!({"tool_calls": [
                {"id": "a", "function": {"name": "f", "arguments": "{}"}},
                {"id": "b", "function": {"name": "g", "arguments": "{}"}},
            ]}))],
            &[
                "0 call 0 a f",
                "args 0 {}",
                "call ends 0",
                "0 call 1 b g",
                "args 1 {}",
            ],
        ),
        // Neither index nor id.
        (
            &[
                call(json!({"function": {"name": "f", "arguments": "{"}})),
                call(json!({"function": {"arguments": "}"}})),
            ],
            &["0 call 0 call_x_0 f", "args 0 {", "args 0 }"],
        ),
        // The id comes with every piece.
        (
            &[
                call(json!({"index": 0, "id": "a", "function": {"name": "f", "arguments": "{"}})),
                call(json!({"index": 0, "id": "a", "function": {"name": "f", "arguments": "}"}})),
            ],
            &["0 call 0 a f", "args 0 {", "args 0 }"],
        ),
    ];
    for (chunks, expected) in cases {
        assert_eq!(body(chunks), expected);
    }
}

#[test]
fn case_21_a_late_name_holds_its_call_and_no_other() {
    let chunks = [
        call(json!({"index": 0, "id": "a", "function": {"name": "", "arguments": "{\"x\":"}})),
        call(json!({"index": 1, "id": "b", "function": {"name": "g", "arguments": "{}"}})),
        call(json!({"index": 0, "function": {"name": "f", "arguments": "1}"}})),
        call(json!({"index": 0, "function": {"name": null, "arguments": ""}})),
        finish("tool_calls"),
    ];
    let expected = [
        "0 call 0 b g",
        "args 0 {}",
        "call ends 0",
        "0 call 1 a f",
        "args 1 {\"x\":",
        "args 1 1}",
        "call ends 1",
        "0 finish Tool",
        "end",
    ];
    assert_eq!(body(&chunks), expected);
}

#[test]
fn case_22_a_stop_beside_calls_is_told_as_it_came() {
    let chunks = [
        call(json!({"index": 0, "id": "a", "function": {"name": "f", "arguments": "{}"}})),
        finish("stop"),
        done(),
    ];
    // Writers make of it what their dialect demands.
    let expected = [
        "0 call 0 a f",
        "args 0 {}",
        "call ends 0",
        "0 finish Stop",
        "end",
    ];
    assert_eq!(body(&chunks), expected);
}

#[test]
fn case_23_finishes_that_come_early_or_again_are_told_once_and_last() {
    let early = json!({"id": "i", "model": "m", "choices": [{"index": 0, "delta": {"content": "a"}, "finish_reason": "stop"}]});
    let empty = json!({"id": "i", "model": "m", "choices": [{"index": 0, "delta": {"content": "b"}, "finish_reason": ""}]});
    let cases: [(&[Value], &[&str]); 3] = [
        (
            &[early.clone(), early.clone(), done()],
            &["0 text a", "0 text a", "0 finish Stop", "end"],
        ),
        (
            &[early.clone(), empty],
            &["0 text a", "0 text b", "0 finish Stop", "end"],
        ),
        (
            &[early, finish("length"), finish("length"), done(), done()],
            &["0 text a", "0 finish Length", "end"],
        ),
    ];
    for (chunks, expected) in cases {
        assert_eq!(body(chunks), expected);
    }
}

#[test]
fn reasons_of_all_vendors() {
    let cases = [
        ("length", Some(Finish::Length)),
        ("model_length", Some(Finish::Length)),
        ("tool_calls", Some(Finish::Tool)),
        ("function_call", Some(Finish::Tool)),
        ("content_filter", Some(Finish::Filter)),
        ("content_filter: SAFETY", Some(Finish::Filter)),
        ("eos", Some(Finish::Stop)),
        ("error", None),
        ("abort", None),
        ("insufficient_system_resource", None),
    ];
    for (reason, expected) in cases {
        let last = events(&[delta(json!({"content": "a"})), finish(reason)])
            .into_iter()
            .rev()
            .find_map(|event| match event {
                Event::Finish { reason, .. } => Some(Some(reason)),
                Event::Error(_) => Some(None),
                _ => None,
            });
        assert_eq!(last, Some(expected), "{reason}");
    }
    let stop = json!({"id": "i", "model": "m", "choices": [{"index": 0, "delta": {}, "finish_reason": "stop", "stop_reason": "END"}]});
    assert_eq!(body(&[stop])[0], "0 finish StopSequence(Some(\"END\"))");
    let token = json!({"id": "i", "model": "m", "choices": [{"index": 0, "delta": {}, "finish_reason": "stop", "stop_reason": 128009}]});
    assert_eq!(body(&[token])[0], "0 finish Stop");
}

#[test]
fn case_43_reasoning_under_either_name_is_told_once() {
    let both = delta(json!({"reasoning": "a", "reasoning_content": "a", "content": null}));
    for chunk in [
        delta(json!({"reasoning": "a", "content": ""})),
        delta(json!({"reasoning_content": "a", "reasoning": null})),
        both,
        delta(
            json!({"reasoning": "a", "reasoning_details": [{"type": "reasoning.text", "text": "a", "index": 0}]}),
        ),
        delta(json!({"reasoning_details": [{"type": "reasoning.text", "text": "a", "index": 0}]})),
        delta(
            json!({"content": [{"type": "thinking", "thinking": [{"type": "text", "text": "a"}]}]}),
        ),
    ] {
        let chunks = [
            chunk.clone(),
            delta(json!({"content": "b"})),
            finish("stop"),
        ];
        let expected = [
            "0 thought a",
            "0 thought ends",
            "0 text b",
            "0 finish Stop",
            "end",
        ];
        assert_eq!(body(&chunks), expected, "{chunk}");
    }
}

#[test]
fn case_39_proofs_of_reasoning_come_with_what_is_needed_to_send_them_back() {
    let chunks = [
        delta(
            json!({"reasoning": "a", "reasoning_details": [{"type": "reasoning.text", "text": "a", "format": "f", "index": 0}]}),
        ),
        delta(
            json!({"reasoning": null, "reasoning_details": [{"type": "reasoning.text", "signature": "SIG", "format": "f", "index": 0}]}),
        ),
        delta(json!({"content": "b"})),
        delta(
            json!({"reasoning_details": [{"type": "reasoning.encrypted", "data": "ENC", "id": "r", "index": 1}]}),
        ),
        finish("stop"),
    ];
    let expected = [
        "0 thought a",
        "0 thought ends {\"type\":\"reasoning.text\",\"signature\":\"SIG\",\"format\":\"f\",\"index\":0}",
        "0 text b",
        "0 thought ends {\"type\":\"reasoning.encrypted\",\"data\":\"ENC\",\"id\":\"r\",\"index\":1}",
        "0 finish Stop",
        "end",
    ];
    assert_eq!(body(&chunks), expected);
    let redacted: Vec<bool> = events(&chunks)
        .into_iter()
        .filter_map(|event| match event {
            Event::ReasoningEnd {
                signature: Some(signature),
                ..
            } => Some(signature.is_redacted),
            _ => None,
        })
        .collect();
    assert_eq!(redacted, [false, true]);
}

#[test]
fn case_41_a_signed_call_of_geminis_compatible_surface() {
    let chunk = call(
        json!({"index": 0, "id": "a", "function": {"name": "f", "arguments": "{}"}, "extra_content": {"google": {"thought_signature": "S"}}}),
    );
    let found = events(&[chunk]).into_iter().find_map(|event| match event {
        Event::CallStart { signature, .. } => signature,
        _ => None,
    });
    assert_eq!(found.unwrap().data, "S");
}

#[test]
fn case_49_usage_is_told_as_often_as_it_comes_and_wherever() {
    let with = |chunk: Value, output: u64| {
        let mut chunk = chunk;
        chunk["usage"] = json!({"prompt_tokens": 3, "completion_tokens": output});
        chunk
    };
    let chunks = [
        with(delta(json!({"content": "a"})), 1),
        with(finish("stop"), 2),
        done(),
    ];
    assert_eq!(
        body(&chunks),
        ["usage 3+1", "0 text a", "usage 3+2", "0 finish Stop", "end"]
    );
    let groq = json!({"id": "i", "model": "m", "x_groq": {"usage": {"prompt_tokens": 4, "completion_tokens": 1}},
        "choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]});
    assert_eq!(body(&[groq]), ["usage 4+1", "0 finish Stop", "end"]);
}

#[test]
fn case_51_chunks_without_choices_or_delta() {
    let chunks = [
        json!({"id": "", "model": "", "object": "", "choices": [], "prompt_filter_results": [{}]}),
        delta(json!({"content": "a"})),
        json!({"id": "", "choices": [{"index": 0, "finish_reason": null, "content_filter_results": {}, "content_filter_offsets": {"start_offset": 1}}]}),
        json!({"id": "i", "choices": null}),
        json!({}),
        finish("stop"),
        done(),
    ];
    assert_eq!(body(&chunks), ["0 text a", "0 finish Stop", "end"]);
}

#[test]
fn nulls_wrong_types_and_members_that_stand_twice_do_no_harm() {
    let chunks = [
        json!({"id": null, "model": 7, "choices": [{"index": null, "delta": {"content": 5, "refusal": {}, "tool_calls": null}}]}),
        json!(r#"{"id":"i","choices":[{"index":0,"delta":{"content":"x","content":"a"}}]}"#),
        json!({"choices": [{"delta": {"tool_calls": [{"index": 0, "id": "a", "function": {"name": "f", "arguments": {"x": 1.50}}}]}}]}),
        finish("stop"),
    ];
    let expected = [
        "start  ",
        "0 text a",
        "0 call 0 a f",
        "args 0 {\"x\":1.5}",
        "call ends 0",
        "0 finish Stop",
        "end",
    ];
    assert_eq!(told(&chunks), expected);
}

#[test]
fn case_06_and_07_errors_in_every_shape_end_the_stream() {
    let cases = [
        (
            json!({"error": {"message": "x", "code": 429}}),
            "error 429 x",
        ),
        (
            json!({"error": {"message": "x", "type": "server_error", "code": null}}),
            "error 500 x",
        ),
        (
            json!({"id": "i", "model": "m", "error": {"code": "server_error", "message": "x"}, "choices": [{"index": 0, "delta": {"content": ""}, "finish_reason": "error"}]}),
            "error 500 x",
        ),
        (
            json!({"object": "error", "message": "x", "code": 400}),
            "error 400 x",
        ),
        (
            json!({"error": "x", "error_type": "overloaded"}),
            "error 429 x",
        ),
        (
            json!({"error": {"message": "This model's maximum context length is 10", "code": 400}}),
            "error 400 This model's maximum context length is 10",
        ),
    ];
    for (chunk, expected) in cases {
        assert_eq!(
            told(&[chunk.clone(), delta(json!({"content": "a"})), done()]),
            [expected],
            "{chunk}"
        );
        let after = told(&[delta(json!({"content": "a"})), chunk, done()]);
        assert_eq!(after, ["start i m", "0 text a", expected]);
    }
    let none = json!({"id": "i", "model": "m", "error": null, "choices": [{"index": 0, "delta": {"content": "error"}}]});
    assert_eq!(body(&[none]), ["0 text error"]);
    let mut lines = Vec::new();
    let mut reader = Reader::new("x");
    reader
        .read(
            Some(b"error"),
            br#"{"message":"x","code":"503"}"#,
            &mut |event| lines.push(super::line(&event)),
        )
        .unwrap();
    assert_eq!(lines, ["error 503 x"]);
}

#[test]
fn a_legacy_function_call() {
    let chunks = [
        delta(json!({"function_call": {"name": "f", "arguments": ""}})),
        delta(json!({"function_call": {"arguments": "{}"}})),
        finish("function_call"),
    ];
    let expected = [
        "0 call 0 call_x_0 f",
        "args 0 {}",
        "call ends 0",
        "0 finish Tool",
        "end",
    ];
    assert_eq!(body(&chunks), expected);
}

#[test]
fn custom_calls_refusals_citations_and_logprobs() {
    let chunks = [
        call(
            json!({"index": 0, "id": "a", "type": "custom", "custom": {"name": "p", "input": "*** {"}}),
        ),
        delta(json!({"refusal": "no"})),
        delta(
            json!({"annotations": [{"type": "url_citation", "url_citation": {"url": "u", "start_index": 0, "end_index": 1, "title": "t"}}]}),
        ),
        json!({"id": "i", "choices": [{"index": 0, "delta": {"content": "a"}, "logprobs": {"content": [{"token": "a"}]}}]}),
        finish("stop"),
    ];
    let expected = [
        "0 call 0 a p",
        "args 0 *** {",
        "0 refusal no",
        "0 cites u",
        "0 text a",
        "0 logprobs {\"content\":[{\"token\":\"a\"}]}",
        "call ends 0",
        "0 finish Refusal(None)",
        "end",
    ];
    assert_eq!(body(&chunks), expected);
    let is_custom = events(&chunks).iter().any(|event| {
        matches!(
            event,
            Event::CallStart {
                kind: CallKind::Custom,
                ..
            }
        )
    });
    assert!(is_custom);
}

#[test]
fn what_is_no_chunk_is_an_error_and_a_choice_too_many_as_well() {
    for (data, expected) in [
        ("oops", "the upstream sent what is no chat completion"),
        ("[]", "the upstream sent what is no chat completion"),
        (
            r#"{"choices":[{"index":128,"delta":{}}]}"#,
            "a choice has the index 128, above 127",
        ),
    ] {
        let mut reader = Reader::new("x");
        let error = reader.read(None, data.as_bytes(), &mut |_| {}).unwrap_err();
        assert!(error.0.starts_with(expected), "{error:?}");
    }
}

#[test]
fn case_05_done_without_a_reason_is_a_cut_unless_the_server_never_gives_one() {
    let chunks = [delta(json!({"content": "a"})), done()];
    assert_eq!(told(&chunks), ["start i m", "0 text a"]);
    let mut reader = Reader::new("x");
    reader.may_end_without_reason(true);
    let mut told = Vec::new();
    for data in [chunks[0].to_string(), "[DONE]".to_owned()] {
        let sink = &mut |event: Event<'_>| told.push(super::line(&event));
        reader.read(None, data.as_bytes(), sink).unwrap();
    }
    assert_eq!(told, ["start i m", "0 text a", "0 finish Stop", "end"]);
}
