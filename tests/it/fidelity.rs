//! What passes is what was sent, byte by byte but for the model's name; and the usage that weir asks for is seen by nobody
//! who did not ask.

use serde_json::json;

use crate::harness::*;

const OK: &str = r#"{"choices":[],"usage":{"prompt_tokens":1,"completion_tokens":1}}"#;

/// `fast` is gpu-a's `llama3.2:3b`.
const FAST: &str = r#"models: { fast: { targets: [{ upstream: gpu-a, model: "llama3.2:3b" }] } }"#;

/// A request with everything that re-serialising would change.
const ODD: &str = "\r\n{ \"z\" : 1.10e+2,\t\"a\":0.1000,\"big\":123456789012345678901234567890,\n \"model\" :\"fast\" , \"unknown_field\":{\"model\":\"fast\",\"model\":1},\
    \"messages\":[{\"role\":\"user\",\"content\":\"\\u00e9\\ud83d\\ude00 \\/ fast \\\"model\\\":\\\"fast\\\"\"}],\"dup\":1,\"dup\":2 ,\"null\":null,\"model_x\":\"fast\"}  \n";

#[tokio::test]
async fn only_the_model_changes_in_a_request() {
    let host = Upstream::answering(reply("200 OK", OK)).await;
    let weir = Weir::in_front_of([&host]).with(FAST).await;
    for path in [
        "/v1/chat/completions",
        "/v1/embeddings",
        "/v1/rerank",
        "/tokenize",
        "/v1/responses",
        "/v1/images/generations",
        "/v1/audio/speech",
    ] {
        for protocol in [Protocol::Http1, Protocol::Http2] {
            weir.post(path)
                .body(ODD)
                .over(protocol)
                .send()
                .await
                .assert_status(200);
            assert_eq!(
                host.last_request().text(),
                ODD.replacen("\"fast\"", "\"llama3.2:3b\"", 1),
                "{path}"
            );
        }
    }
}

#[tokio::test]
async fn nothing_changes_where_the_name_is_the_hosts_own() {
    let host = Upstream::answering(reply("200 OK", OK)).await;
    let weir = Weir::in_front_of([&host]).each("models: [fast]").await;
    weir.post("/v1/chat/completions")
        .body(ODD)
        .send()
        .await
        .assert_status(200);
    assert_eq!(host.last_request().text(), ODD);
}

#[tokio::test]
async fn a_model_in_escapes_is_the_same_model() {
    let host = Upstream::answering(reply("200 OK", OK)).await;
    let weir = Weir::in_front_of([&host]).with(FAST).await;
    for (body, expected) in [
        (r#"{"model":"f\u0061st"}"#, r#"{"model":"llama3.2:3b"}"#),
        (
            r#"{"mod\u0065l":"fast"}"#,
            r#"{"mod\u0065l":"llama3.2:3b"}"#,
        ),
        (
            r#"{"model":"nobody","model":"fast"}"#,
            r#"{"model":"llama3.2:3b","model":"llama3.2:3b"}"#,
        ),
    ] {
        weir.post("/v1/chat/completions")
            .body(body)
            .send()
            .await
            .assert_status(200);
        assert_eq!(host.last_request().text(), expected);
    }
}

#[tokio::test]
async fn an_answer_passes_byte_by_byte() {
    let odd = "\n{ \"id\":\"x\" , \"model\":\"llama3.2:3b\",\"n\":1.50e1, \"choices\" : [ ] ,\"usage\":{\"prompt_tokens\":1},\"é\":\"\\u00e9\"}\n";
    let host = Upstream::answering(reply("200 OK", odd)).await;
    let weir = Weir::in_front_of([&host]).with(FAST).await;
    for protocol in [Protocol::Http1, Protocol::Http2] {
        let answer = weir.chat("hi").model("fast").over(protocol).send().await;
        assert_eq!(answer.text(), odd);
    }
}

#[tokio::test]
async fn status_codes_of_success_pass() {
    for status in ["200 OK", "201 Created", "202 Accepted"] {
        let host = Upstream::answering(reply(status, OK)).await;
        let weir = Weir::in_front_of([&host]).await;
        assert_eq!(weir.chat("hi").send().await.status.to_string(), status[..3]);
    }
}

// ---- usage --------------------------------------------------------------------------------------------------------

/// A stream with usage in a chunk of its own, as engines send it when they are asked.
fn stream_with_usage() -> Vec<String> {
    vec![
        Chat::role(),
        Chat::word("a"),
        Chat::finish(),
        Chat::usage(5, 3),
        "[DONE]".to_owned(),
    ]
}

#[tokio::test]
async fn usage_of_a_stream_is_asked_for_and_hidden_from_a_client_that_did_not_ask() {
    let host = Upstream::streaming(events(stream_with_usage())).await;
    let weir = Weir::in_front_of([&host]).await;
    let body = format!(r#"{{"model":"{MODEL}","stream":true,"messages":[]}}"#);
    let answer = weir
        .post("/v1/chat/completions")
        .body(body.clone())
        .send()
        .await;
    answer.assert_clean_stream();
    assert_eq!(
        answer.text(),
        events([
            Chat::role(),
            Chat::word("a"),
            Chat::finish(),
            "[DONE]".to_owned()
        ])
    );
    let asked = body.replace(
        "\"messages\":[]}",
        "\"messages\":[],\"stream_options\":{\"include_usage\":true}}",
    );
    assert_eq!(host.last_request().text(), asked);
    let line = weir.access_line().await;
    assert_eq!(
        (&line["input_tokens"], &line["output_tokens"]),
        (&5.into(), &3.into())
    );
    assert_eq!(
        weir.metric(r#"weir_tokens_total{kind="output",model="llama-3.1-8b",upstream="gpu-a"}"#)
            .await,
        3.0
    );
}

#[tokio::test]
async fn usage_of_a_stream_is_shown_to_a_client_that_asked() {
    let host = Upstream::streaming(events(stream_with_usage())).await;
    let weir = Weir::in_front_of([&host]).await;
    let request = weir
        .chat("hi")
        .streaming()
        .set("stream_options", json!({"include_usage": true}));
    let sent = request.bytes();
    let answer = request.send().await;
    assert_eq!(answer.text(), events(stream_with_usage()));
    assert_eq!(host.last_request().body, sent);
    assert_eq!(weir.access_line().await["output_tokens"], 3);
}

#[tokio::test]
async fn usage_is_asked_for_in_the_options_that_a_client_sent() {
    let host = Upstream::streaming(events(stream_with_usage())).await;
    let weir = Weir::in_front_of([&host]).await;
    let cases = [
        (r#"{"include_usage":false}"#, r#"{"include_usage":true}"#),
        (
            r#"{"include_obfuscation":false}"#,
            r#"{"include_obfuscation":false,"include_usage":true}"#,
        ),
        ("{}", r#"{"include_usage":true}"#),
        ("null", r#"{"include_usage":true}"#),
    ];
    for (options, asked) in cases {
        let body = format!(r#"{{"model":"{MODEL}", "stream_options":{options}, "stream": true}}"#);
        let answer = weir
            .post("/v1/chat/completions")
            .body(body.clone())
            .send()
            .await;
        assert_eq!(host.last_request().text(), body.replace(options, asked));
        assert!(
            !answer.text().contains("\"usage\""),
            "{options}: {}",
            answer.text()
        );
    }
}

#[tokio::test]
async fn usage_null_in_every_chunk_is_hidden_as_well() {
    let with_null =
        |payload: String| payload.replacen("\"choices\"", "\"usage\":null,\"choices\"", 1);
    let stream = [
        with_null(Chat::role()),
        with_null(Chat::word("a")),
        with_null(Chat::finish()),
        Chat::usage(5, 3),
        "[DONE]".to_owned(),
    ];
    let host = Upstream::streaming(events(stream)).await;
    let weir = Weir::in_front_of([&host]).await;
    let answer = weir.chat("hi").streaming().send().await;
    assert_eq!(
        answer.text(),
        events([
            Chat::role(),
            Chat::word("a"),
            Chat::finish(),
            "[DONE]".to_owned()
        ])
    );
    let sim = Sim::with(|options| options.kind = weir::sim::EngineKind::Openai).await;
    let weir = Weir::in_front_of([&sim])
        .each("kind: openai-compatible")
        .await;
    let answer = weir.chat("hi").streaming().send().await;
    answer.assert_clean_stream();
    assert!(!answer.text().contains("usage"), "{}", answer.text());
}

#[tokio::test]
async fn usage_of_completions_is_asked_for_and_that_of_other_streams_is_not() {
    let host = Sim::start().await;
    let weir = Weir::in_front_of([&host]).await;
    let answer = weir
        .post("/v1/completions")
        .json(json!({"model": MODEL, "prompt": "hi", "stream": true}))
        .send()
        .await;
    answer.assert_clean_stream();
    assert!(!answer.text().contains("\"usage\""), "{}", answer.text());
    assert_eq!(
        host.last_request().json()["stream_options"],
        json!({"include_usage": true})
    );
    let answer = weir
        .post("/v1/responses")
        .json(json!({"model": MODEL, "input": "hi", "stream": true}))
        .send()
        .await;
    answer.assert_status(200).assert_whole();
    assert_eq!(host.last_request().json().get("stream_options"), None);
    let lines = weir.access_lines(2).await;
    assert!(
        lines
            .iter()
            .all(|line| line["output_tokens"].as_u64() > Some(0)),
        "{lines:?}"
    );
}

#[tokio::test]
async fn usage_is_left_alone_where_the_kind_or_the_configuration_says_so() {
    for each in ["kind: mistral", "kind: openrouter", "stream_usage: leave"] {
        let host = Upstream::streaming(events(stream_with_usage())).await;
        let weir = Weir::in_front_of([&host]).each(each).await;
        let request = weir.chat("hi").streaming();
        let sent = request.bytes();
        let answer = request.send().await;
        assert_eq!(host.last_request().body, sent, "{each}");
        assert_eq!(answer.text(), events(stream_with_usage()), "{each}");
        assert_eq!(weir.access_line().await["output_tokens"], 3, "{each}");
    }
}

#[tokio::test]
async fn usage_of_a_plain_answer_is_known() {
    let host = Sim::start().await;
    let weir = Weir::in_front_of([&host]).await;
    let usage = weir.chat("hi").send().await.json()["usage"].clone();
    let line = weir.access_line().await;
    assert_eq!(
        (&line["input_tokens"], &line["output_tokens"]),
        (&usage["prompt_tokens"], &usage["completion_tokens"])
    );
    assert_eq!(
        Some(weir.metric(r#"weir_tokens_total{kind="input"}"#).await),
        usage["prompt_tokens"].as_f64()
    );
}

#[tokio::test]
async fn a_stream_without_usage_has_none() {
    let host = Sim::that(&["usage_missing"]).await;
    let weir = Weir::in_front_of([&host]).await;
    weir.chat("hi")
        .streaming()
        .send()
        .await
        .assert_clean_stream();
    let line = weir.access_line().await;
    assert!(
        line["input_tokens"].is_null() && line["output_tokens"].is_null(),
        "{line}"
    );
}

// ---- forms --------------------------------------------------------------------------------------------------------

/// A form with a file of every byte, which also holds what looks like a boundary and a model.
fn form(boundary: &str, model: &str, model_first: bool) -> Vec<u8> {
    let mut file: Vec<u8> = (0..=255u8).cycle().take(300_000).collect();
    file.extend(b"\r\n--almost\r\ncontent-disposition: form-data; name=\"model\"\r\n\r\nfast\r\n");
    let model = format!(
        "--{boundary}\r\nContent-Disposition: form-data; name=\"model\"\r\n\r\n{model}\r\n"
    )
    .into_bytes();
    let mut file_part = format!("--{boundary}\r\ncontent-disposition: form-data; name=\"file\"; filename=\"model\"\r\ncontent-type: audio/wav\r\n\r\n").into_bytes();
    file_part.extend(file);
    file_part.extend(b"\r\n");
    let other = format!(
        "--{boundary}\r\nContent-Disposition: form-data; name=\"temperature\"\r\n\r\n0.10\r\n"
    )
    .into_bytes();
    let end = format!("--{boundary}--\r\n").into_bytes();
    if model_first {
        [model, other, file_part, end].concat()
    } else {
        [other, file_part, model, end].concat()
    }
}

#[tokio::test]
async fn the_model_of_a_form_is_found_and_its_file_is_untouched() {
    let host = Upstream::answering(reply("200 OK", r#"{"text":"x"}"#)).await;
    let weir = Weir::in_front_of([&host]).with(FAST).await;
    for (path, model_first) in [
        ("/v1/audio/transcriptions", true),
        ("/v1/audio/translations", false),
        ("/v1/images/edits", true),
        ("/v1/images/variations", false),
    ] {
        for content_type in [
            "multipart/form-data; boundary=xX-1",
            "multipart/form-data; charset=utf-8; boundary=\"xX-1\"",
        ] {
            let request = weir
                .post(path)
                .body(form("xX-1", "fast", model_first))
                .header("content-type", content_type);
            request.send().await.assert_status(200);
            let seen = host.last_request();
            assert!(
                seen.body == form("xX-1", "llama3.2:3b", model_first),
                "{path}: {} bytes",
                seen.body.len()
            );
            assert_eq!(
                (seen.target.as_str(), seen.header("content-type")),
                (path, Some(content_type))
            );
        }
    }
}

#[tokio::test]
async fn a_form_without_a_model_or_with_an_unknown_one_is_refused() {
    let host = Sim::start().await;
    let weir = Weir::in_front_of([&host]).await;
    let send = async |content_type: &str, body: &str| {
        weir.post("/v1/audio/transcriptions")
            .body(body.to_owned())
            .header("content-type", content_type)
            .send()
            .await
    };
    let part = |name: &str, value: &str| {
        format!(
            "--b\r\ncontent-disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n--b--\r\n"
        )
    };
    send("multipart/form-data; boundary=b", &part("language", "de"))
        .await
        .assert_error(400, "missing_required_parameter");
    send("multipart/form-data; boundary=b", &part("model", "nobody"))
        .await
        .assert_error(404, "model_not_found");
    send("multipart/form-data; boundary=c", &part("model", MODEL))
        .await
        .assert_error(400, "invalid_body");
    send("multipart/form-data", &part("model", MODEL))
        .await
        .assert_error(415, "unsupported_media_type");
    assert_eq!(host.stats().requests, 0);
}

#[tokio::test]
async fn a_real_form_is_answered_by_the_host() {
    let host = Sim::start().await;
    let weir = Weir::in_front_of([&host])
        .with("aliases: { whisper-1: llama-3.1-8b }")
        .await;
    let request = weir
        .post("/v1/audio/transcriptions")
        .body(form("b", "whisper-1", true))
        .header("content-type", "multipart/form-data; boundary=b");
    let answer = request.send().await;
    answer.assert_status(200);
    assert!(answer.json()["text"].is_string(), "{}", answer.text());
}
