//! What clients say, as it is read.

use serde_json::{Value, json};

use super::{RequestLine, read, read_request};
use crate::wire::Dialect;
use crate::wire::neutral::{
    CallKind, Effort, Format, Part, Role, Source, ThinkingMode, ToolChoice, ToolKind,
};
use crate::wire::responses::stored_state;

/// The turns as roles, with a letter for each part: a call is `C`, opaque `O`, and so on.
fn shape(input: Value) -> String {
    let request = read(&json!({"model": "m", "input": input}));
    let turns = request.messages.iter().map(|turn| {
        let parts = turn.parts.iter().map(|part| match part {
            Part::Text(_) => 'T',
            Part::Refusal(_) => 'X',
            Part::Image(_) => 'I',
            Part::Audio(_) => 'A',
            Part::Document(_) => 'D',
            Part::Reasoning(_) => 'R',
            Part::Call(_) => 'C',
            Part::Result(_) => 'r',
            Part::Opaque { .. } => 'O',
        });
        let role = match turn.role {
            Role::System => "system",
            Role::Developer => "developer",
            Role::User => "user",
            Role::Assistant => "assistant",
            Role::Tool => "tool",
        };
        format!("{role}:{}", parts.collect::<String>())
    });
    turns.collect::<Vec<_>>().join(" ")
}

#[test]
fn items_become_turns() {
    let message = |role: &str, kind: &str| json!({"type": "message", "role": role, "content": [{"type": kind, "text": "t"}]});
    let call = json!({"type": "function_call", "call_id": "c", "name": "f", "arguments": "{}"});
    let output = json!({"type": "function_call_output", "call_id": "c", "output": "o"});
    let reasoning = json!({"type": "reasoning", "id": "rs_1", "summary": []});
    let cases = [
        (json!("hi"), "user:T"),
        (json!([{"role": "user", "content": "hi"}]), "user:T"),
        (
            json!([
                message("developer", "input_text"),
                message("user", "input_text")
            ]),
            "developer:T user:T",
        ),
        // What the model did in a row is one turn, and so are results.
        (
            json!([
                reasoning,
                message("assistant", "output_text"),
                call,
                call,
                output,
                output
            ]),
            "assistant:RTCC tool:rr",
        ),
        // A second message of one turn has a head, by which it stays one of its own.
        (
            json!([
                message("assistant", "output_text"),
                message("assistant", "output_text")
            ]),
            "assistant:TOT",
        ),
        (
            json!([{"type": "web_search_call", "id": "ws", "status": "completed"}, message("assistant", "output_text")]),
            "assistant:OT",
        ),
        (
            json!([{"type": "item_reference", "id": "x"}, {"id": "y"}]),
            "user:O user:O",
        ),
        (
            json!([{"type": "compaction", "encrypted_content": "e"}]),
            "assistant:O",
        ),
        (
            json!([{"role": "user", "content": [
                {"type": "input_image", "image_url": "https://e/i.png"},
                {"type": "input_file", "file_id": "file-1"},
                {"type": "input_audio", "input_audio": {"data": "AA==", "format": "wav"}},
                {"type": "input_hologram", "beam": 1},
            ]}]),
            "user:IDA user:O",
        ),
    ];
    for (input, expected) in cases {
        assert_eq!(shape(input.clone()), expected, "{input}");
    }
}

#[test]
fn case_36_contents_without_text_are_no_parts() {
    for (content, expected) in [(json!(null), ""), (json!([]), ""), (json!(""), "user:T")] {
        assert_eq!(
            shape(json!([{"role": "user", "content": content}])),
            expected
        );
    }
    assert_eq!(shape(json!([{"role": "assistant"}])), "");
}

#[test]
fn what_is_wrong_is_named_with_its_place_and_value() {
    let cases = [
        (json!({"input": 7}), "input", "is 7"),
        (json!({"model": 7}), "model", "must be a string, and is 7"),
        (
            json!({"input": [{"role": "user", "content": 1}]}),
            "input[0].content",
            "is 1",
        ),
        (
            json!({"input": [{"role": "robot", "content": ""}]}),
            "input[0].role",
            "robot",
        ),
        (
            json!({"input": [{"role": "user", "content": [{"type": "input_text"}]}]}),
            "input[0].content[0].text",
            "is missing",
        ),
        (
            json!({"input": ["x", {"type": "function_call", "name": "f"}]}),
            "input[0]",
            "must be an object",
        ),
        (
            json!({"input": [{"type": "function_call", "name": "f"}]}),
            "input[0].call_id",
            "is missing",
        ),
        (
            json!({"tools": [{"type": "function", "name": 1}]}),
            "tools[0].name",
            "is 1",
        ),
        (
            json!({"tools": [{"type": "namespace", "name": "n", "tools": [{"type": "mcp"}]}]}),
            "tools[0].tools[0].type",
            "mcp",
        ),
        (json!({"tool_choice": "maybe"}), "tool_choice", "maybe"),
        (json!({"temperature": "hot"}), "temperature", "hot"),
        (json!({"max_output_tokens": -1}), "max_output_tokens", "-1"),
        (json!({"include": [1]}), "include[0]", "is 1"),
        (json!({"reasoning": "hard"}), "reasoning", "hard"),
        (
            json!({"text": {"format": {"type": "xml"}}}),
            "text.format.type",
            "xml",
        ),
        (json!([1]), "", "must be an object"),
    ];
    for (body, param, words) in cases {
        let line = RequestLine::default();
        let error = read_request(&line, body.to_string().as_bytes()).expect_err("malformed");
        assert_eq!(error.param, param, "{body}");
        assert!(error.problem.contains(words), "{body}: {}", error.problem);
    }
    let line = RequestLine::default();
    assert!(read_request(&line, b"{").is_err());
}

#[test]
fn settings_have_their_slots_and_the_rest_is_kept() {
    let request = read(&json!({
        "model": "m", "input": "hi", "instructions": "be brief", "stream": true,
        "max_output_tokens": 99, "temperature": 0.10, "top_p": 0.5, "parallel_tool_calls": false,
        "include": ["reasoning.encrypted_content", "message.output_text.logprobs", "file_search_call.results"],
        "top_logprobs": 3,
        "reasoning": {"effort": "xhigh", "summary": "detailed", "mode": "pro"},
        "text": {"verbosity": "low", "format": {"type": "json_object"}, "new": 1},
        "prompt_cache_key": "k", "safety_identifier": "s", "user": "u", "service_tier": "flex",
        "store": false, "metadata": {"a": "b"}, "truncation": "auto",
    }));
    assert_eq!(request.model, "m");
    assert!(request.stream);
    assert_eq!(request.messages[0].role, Role::System);
    assert_eq!(request.output_tokens_max, Some(99));
    assert_eq!(request.parallel_calls, Some(false));
    assert_eq!(request.logprobs, Some(3));
    assert_eq!(request.thinking.effort, Some(Effort::ExtraHigh));
    assert_eq!(request.thinking.summary.as_deref(), Some("detailed"));
    assert_eq!(request.thinking.show, Some(true));
    assert!(request.thinking.encrypted);
    assert_eq!(request.format, Format::Json);
    assert_eq!(request.verbosity.as_deref(), Some("low"));
    assert_eq!(request.cache_key.as_deref(), Some("k"));
    assert_eq!(request.user.as_deref(), Some("s"));
    assert_eq!(request.service_tier.as_deref(), Some("flex"));
    let extras = Value::Object(request.extras);
    assert_eq!(
        extras,
        json!({
            "user": "u", "store": false, "metadata": {"a": "b"}, "truncation": "auto",
            "include": ["file_search_call.results"],
            "reasoning": {"mode": "pro"}, "text": {"new": 1},
        })
    );
    let off = read(&json!({"input": "x", "reasoning": {"effort": "none"}}));
    assert_eq!(off.thinking.mode, Some(ThinkingMode::Off));
    let odd = read(&json!({"input": "x", "reasoning": {"effort": "ultra"}}));
    assert_eq!(odd.thinking.effort, None);
    assert_eq!(odd.extras["reasoning"], json!({"effort": "ultra"}));
}

#[test]
fn tools_of_every_kind() {
    let request = read(&json!({"input": "x", "tools": [
        {"type": "function", "name": "f", "description": "d", "parameters": {"type": "object"}, "strict": true, "defer_loading": true},
        {"type": "custom", "name": "apply_patch", "format": {"type": "grammar", "syntax": "lark", "definition": "start: x"}},
        {"type": "namespace", "name": "ns", "description": "d", "tools": [{"type": "function", "name": "g"}, {"type": "custom", "name": "h"}]},
        {"type": "web_search", "external_web_access": true},
        {"type": "file_search", "vector_store_ids": ["v"]},
        {"type": "local_shell"},
        {"type": "shell", "environment": {"type": "container_auto"}},
        {"type": "apply_patch"},
    ], "tool_choice": {"type": "custom", "name": "apply_patch"}}));
    let kinds: Vec<String> = request
        .tools
        .iter()
        .map(|tool| {
            let kind = match &tool.kind {
                ToolKind::Function { parameters, strict } => {
                    format!("function {strict:?} {}", parameters.is_some())
                }
                ToolKind::Custom(custom) => format!("custom {}", custom.format.is_some()),
                ToolKind::Namespace(within) => format!("namespace {}", within.len()),
                ToolKind::WebSearch { .. } => "search".to_owned(),
                ToolKind::Hosted { .. } => "hosted".to_owned(),
            };
            format!("{}: {kind}", tool.name)
        })
        .collect();
    let expected = [
        "f: function Some(true) true",
        "apply_patch: custom true",
        "ns: namespace 2",
        "web_search: search",
        "file_search: hosted",
        // Those that the client runs are functions to everybody else.
        "local_shell: function None true",
        "shell: hosted",
        "apply_patch: function None true",
    ];
    assert_eq!(kinds, expected);
    assert_eq!(request.tools[0].own["defer_loading"], true);
    let choice = Some(ToolChoice::Tool("apply_patch".to_owned()));
    assert_eq!(request.tool_choice, choice);
}

#[test]
fn choices_of_tools() {
    let choice = |choice: Value| read(&json!({"input": "x", "tool_choice": choice}));
    assert_eq!(
        choice(json!("required")).tool_choice,
        Some(ToolChoice::Required)
    );
    assert_eq!(
        choice(json!({"type": "code_interpreter"})).tool_choice,
        Some(ToolChoice::Hosted("code_interpreter".to_owned()))
    );
    let allowed = json!({"type": "allowed_tools", "mode": "required", "tools": [{"type": "function", "name": "f"}]});
    match choice(allowed).tool_choice {
        Some(ToolChoice::Allowed(allowed)) => {
            assert!(allowed.required);
            assert_eq!(allowed.names, ["f"]);
        }
        other => panic!("{other:?}"),
    }
    // What only this dialect can say is kept for it.
    let mcp = json!({"type": "mcp", "server_label": "s", "name": "n"});
    let request = choice(mcp.clone());
    assert_eq!(
        (request.tool_choice, &request.extras["tool_choice"]),
        (None, &mcp)
    );
}

#[test]
fn calls_and_results_of_every_kind() {
    let request = read(&json!({"input": [
        {"type": "function_call", "call_id": "1", "name": "f", "namespace": "ns", "arguments": "{\"a\":1}"},
        {"type": "custom_tool_call", "call_id": "2", "name": "apply_patch", "input": "*** Begin"},
        {"type": "local_shell_call", "id": "lsh", "call_id": "3", "status": "completed", "action": {"type": "exec", "command": ["ls"], "env": {}}},
        {"type": "apply_patch_call", "call_id": "4", "status": "completed", "operation": {"type": "delete_file", "path": "p"}},
        {"type": "function_call_output", "call_id": "1", "output": [{"type": "input_text", "text": "o"}, {"type": "input_image", "image_url": "data:image/png;base64,AA=="}]},
        {"type": "custom_tool_call_output", "call_id": "2", "output": "done"},
        {"type": "local_shell_call_output", "id": "3", "output": "{}"},
        {"type": "apply_patch_call_output", "call_id": "4", "status": "failed", "output": "no such file"},
    ]}));
    assert_eq!(request.messages.len(), 2);
    let calls: Vec<_> = request.messages[0]
        .parts
        .iter()
        .filter_map(|part| match part {
            Part::Call(call) => Some((
                call.id.as_str(),
                call.name.as_str(),
                call.arguments.as_str(),
                call.kind.clone(),
            )),
            _ => None,
        })
        .collect();
    assert_eq!(
        calls,
        [
            ("1", "f", "{\"a\":1}", CallKind::Namespaced("ns".to_owned())),
            ("2", "apply_patch", "*** Begin", CallKind::Custom),
            (
                "3",
                "local_shell",
                "{\"command\":[\"ls\"],\"env\":{}}",
                CallKind::Function
            ),
            (
                "4",
                "apply_patch",
                "{\"type\":\"delete_file\",\"path\":\"p\"}",
                CallKind::Function
            ),
        ]
    );
    let results: Vec<_> = request.messages[1]
        .parts
        .iter()
        .filter_map(|part| match part {
            Part::Result(result) => Some((result.id.as_str(), result.is_custom, result.is_error)),
            _ => None,
        })
        .collect();
    assert_eq!(
        results,
        [
            ("1", false, false),
            ("2", true, false),
            ("3", false, false),
            ("4", false, true)
        ]
    );
}

#[test]
fn case_27_an_image_in_a_result_is_an_image() {
    let request = read(
        &json!({"input": [{"type": "function_call_output", "call_id": "c", "output": [
            {"type": "input_image", "image_url": "data:image/png;base64,AA==", "detail": "high"},
        ]}]}),
    );
    let Part::Result(result) = &request.messages[0].parts[0] else {
        panic!("no result");
    };
    let Part::Image(image) = &result.parts[0] else {
        panic!("no image");
    };
    assert_eq!(
        image.source,
        Source::Base64 {
            media_type: "image/png".to_owned(),
            data: "AA==".to_owned()
        }
    );
    assert_eq!(image.detail.as_deref(), Some("high"));
}

#[test]
fn case_39_reasoning_comes_with_its_proof_whosever_it_is() {
    let request = read(&json!({"input": [
        {"type": "reasoning", "id": "rs_1", "summary": [{"type": "summary_text", "text": "s"}], "encrypted_content": "gAAA"},
        {"type": "reasoning", "summary": [], "encrypted_content": "weir.anthropic.sig"},
        {"type": "reasoning", "summary": [], "content": [{"type": "reasoning_text", "text": "raw"}]},
    ]}));
    let found: Vec<_> = request.messages[0]
        .parts
        .iter()
        .map(|part| match part {
            Part::Reasoning(reasoning) => {
                let proof = reasoning.signature.as_ref();
                let proof = proof.map(|proof| (proof.dialect, proof.data.as_str()));
                (reasoning.text.as_str(), reasoning.is_summary, proof)
            }
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(
        found,
        [
            ("s", true, Some((Dialect::Responses, "gAAA"))),
            ("", true, Some((Dialect::Anthropic, "sig"))),
            ("raw", false, None),
        ]
    );
}

#[test]
fn case_41_a_proof_of_geminis_before_a_call_is_the_calls() {
    let request = read(&json!({"input": [
        {"type": "reasoning", "summary": [], "encrypted_content": "weir.gemini.sig"},
        {"type": "function_call", "call_id": "c", "name": "f", "arguments": "{}"},
    ]}));
    match request.messages[0].parts.as_slice() {
        [Part::Call(call)] => {
            let proof = call.signature.as_ref().expect("a proof");
            assert_eq!(
                (proof.dialect, proof.data.as_str()),
                (Dialect::Gemini, "sig")
            );
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn what_refers_to_stored_state_is_told_as_the_vendor_tells_it() {
    let state = |body: Value| stored_state(&read(&body));
    assert_eq!(
        state(json!({"input": "x", "previous_response_id": "resp_1"})),
        Some((
            "previous_response_id",
            "Previous response with id 'resp_1' not found.".to_owned(),
            "previous_response_not_found"
        ))
    );
    let param = |body: Value| state(body).map(|state| state.0);
    assert_eq!(
        param(json!({"input": "x", "conversation": {"id": "conv_1"}})),
        Some("conversation")
    );
    assert_eq!(param(json!({"prompt": {"id": "pmpt_1"}})), Some("prompt"));
    assert_eq!(
        param(json!({"input": "x", "background": true})),
        Some("background")
    );
    assert_eq!(
        param(json!({"input": [{"type": "item_reference", "id": "rs_1"}]})),
        Some("input")
    );
    assert_eq!(
        param(
            json!({"input": "x", "background": false, "previous_response_id": null, "store": true})
        ),
        None
    );
}
