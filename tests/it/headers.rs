//! Headers pass, but for those of one hop and those that weir sets itself.

use crate::harness::*;

const OK: &str = r#"{"choices":[],"usage":{"prompt_tokens":1,"completion_tokens":1}}"#;

#[tokio::test]
async fn headers_pass_and_those_of_one_hop_do_not() {
    let host = Upstream::answering(http(
        "200 OK",
        &[
            ("content-type", "application/json; charset=utf-8"),
            ("openai-processing-ms", "12"),
            ("x-ratelimit-remaining-tokens", "7"),
            ("x-many", "one"),
            ("x-many", "two"),
            ("connection", "keep-alive, x-hop"),
            ("x-hop", "1"),
            ("keep-alive", "timeout=5"),
            ("proxy-authenticate", "Basic"),
            ("trailer", "x-later"),
            ("upgrade", "h2c"),
        ],
        OK,
    ))
    .await;
    let weir = Weir::in_front_of([&host]).await;
    let request = weir
        .chat("hi")
        .header("user-agent", "OpenAI/Python 3.51.0")
        .header("x-stainless-lang", "python")
        .header("accept", "application/json")
        .header(
            "traceparent",
            "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
        )
        .header("idempotency-key", "k")
        .header("connection", "keep-alive, x-secret-hop")
        .header("x-secret-hop", "1")
        .header("keep-alive", "timeout=9")
        .header("te", "trailers")
        .header("proxy-connection", "keep-alive")
        .header("upgrade", "h2c")
        .header("http2-settings", "AAMAAABkAAQAoAAAAAIAAAAA")
        .header("host", "api.example.com");
    let answer = request.send().await;
    let seen = host.last_request();
    for (name, value) in [
        ("user-agent", "OpenAI/Python 3.51.0"),
        ("x-stainless-lang", "python"),
        ("accept", "application/json"),
        ("idempotency-key", "k"),
        ("content-type", "application/json"),
    ] {
        assert_eq!(seen.header(name), Some(value));
    }
    assert!(seen.header("traceparent").is_some());
    for name in [
        "x-secret-hop",
        "keep-alive",
        "te",
        "proxy-connection",
        "upgrade",
        "http2-settings",
        "transfer-encoding",
    ] {
        assert_eq!(seen.header(name), None, "{name}");
    }
    assert!(
        !seen
            .header("connection")
            .unwrap_or("")
            .contains("x-secret-hop")
    );
    assert_eq!(
        seen.header("host"),
        Some(format!("127.0.0.1:{}", host.port()).as_str())
    );
    assert_eq!(
        seen.header_names()
            .iter()
            .filter(|name| **name == "host")
            .count(),
        1
    );

    for (name, value) in [
        ("content-type", "application/json; charset=utf-8"),
        ("openai-processing-ms", "12"),
        ("x-ratelimit-remaining-tokens", "7"),
    ] {
        assert_eq!(answer.header(name), Some(value));
    }
    assert_eq!(
        answer.headers.get_all("x-many").iter().collect::<Vec<_>>(),
        ["one", "two"]
    );
    for name in [
        "x-hop",
        "keep-alive",
        "proxy-authenticate",
        "trailer",
        "upgrade",
    ] {
        assert_eq!(answer.header(name), None, "{name}");
    }
}

#[tokio::test]
async fn a_stream_is_framed_as_a_stream() {
    let host = Sim::start().await;
    let weir = Weir::in_front_of([&host]).await;
    for protocol in [Protocol::Http1, Protocol::Http2] {
        let answer = weir.chat("hi").streaming().over(protocol).send().await;
        assert!(
            answer
                .header("content-type")
                .is_some_and(|kind| kind.starts_with("text/event-stream"))
        );
        assert_eq!(answer.header("content-length"), None);
        assert_eq!(answer.header("content-encoding"), None);
    }
}

#[tokio::test]
async fn a_request_id_is_taken_sent_on_and_returned() {
    let host = Upstream::answering(http(
        "200 OK",
        &[
            ("content-type", "application/json"),
            ("x-request-id", "req_theirs"),
        ],
        OK,
    ))
    .await;
    let weir = Weir::in_front_of([&host]).await;
    let answer = weir
        .chat("hi")
        .header("x-request-id", "my/id-1")
        .send()
        .await;
    assert_eq!(
        (
            answer.header("x-request-id"),
            answer.header("x-upstream-request-id")
        ),
        (Some("my/id-1"), Some("req_theirs"))
    );
    assert_eq!(host.last_request().header("x-request-id"), Some("my/id-1"));
    assert_eq!(weir.access_line().await["request_id"], "my/id-1");
}

#[tokio::test]
async fn a_request_id_is_made_where_there_is_none_or_a_strange_one() {
    let host = Upstream::answering(reply("200 OK", OK)).await;
    let weir = Weir::in_front_of([&host]).await;
    let mut ids = std::collections::HashSet::new();
    for given in ["", "with space", &"x".repeat(500)] {
        let request = weir.chat("hi");
        let request = if given.is_empty() {
            request
        } else {
            request.header("x-request-id", given)
        };
        let answer = request.send().await;
        let id = answer
            .header("x-request-id")
            .expect("every answer has one")
            .to_owned();
        assert_eq!(
            host.last_request().header("x-request-id"),
            Some(id.as_str())
        );
        assert!(id != given && id.len() == 32, "{id}");
        assert!(ids.insert(id));
    }
}

#[tokio::test]
async fn every_answer_has_a_request_id() {
    let host = Sim::start().await;
    let weir = Weir::in_front_of([&host]).await;
    let requests = [
        weir.get("/v1/models"),
        weir.get("/nowhere"),
        weir.chat("hi").model("nobody"),
        weir.chat("hi").streaming(),
        weir.get("/gpu-a/health"),
        weir.post("/v1/embeddings").body("{"),
    ];
    for request in requests {
        let answer = request.header("x-request-id", "id-7").send().await;
        assert_eq!(answer.header("x-request-id"), Some("id-7"), "{answer:?}");
        assert_eq!(answer.headers.get_all("x-request-id").iter().count(), 1);
    }
}

#[tokio::test]
async fn answers_say_who_answered_unless_that_is_turned_off() {
    let hosts = [Sim::that(&["status=503"]).await, Sim::start().await];
    let weir = Weir::in_front_of(&hosts).with(GPU_A_FIRST).await;
    for stream in [false, true] {
        let answer = weir
            .chat("hi")
            .model("m")
            .set("stream", stream)
            .send()
            .await;
        assert_eq!(
            (
                answer.header("x-weir-upstream"),
                answer.header("x-weir-attempts")
            ),
            (Some("gpu-b"), Some("2"))
        );
    }
    let quiet = Weir::in_front_of(&hosts)
        .with(GPU_A_FIRST)
        .with("server: { response_headers: false }")
        .await;
    for request in [
        quiet.chat("hi").model("m"),
        quiet.chat("hi").model("m").streaming(),
        quiet.get("/gpu-b/health"),
        quiet.chat("hi").model("nobody"),
        quiet.get("/v1/models"),
    ] {
        let answer = request.send().await;
        assert!(
            answer
                .headers
                .keys()
                .all(|name| !name.as_str().starts_with("x-weir-")),
            "{answer:?}"
        );
    }
}

#[tokio::test]
async fn the_query_passes() {
    let host = Upstream::answering(reply("200 OK", OK)).await;
    let weir = Weir::in_front_of([&host]).await;
    weir.chat("hi")
        .path("/v1/chat/completions?api-version=2026-01-01&x=%2F%20+y")
        .send()
        .await
        .assert_status(200);
    assert_eq!(
        host.last_request().target,
        "/v1/chat/completions?api-version=2026-01-01&x=%2F%20+y"
    );
}
