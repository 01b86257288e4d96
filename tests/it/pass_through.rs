//! `/<upstream>/…`: anything, to the named upstream; and `/v1/realtime`, a WebSocket to an upstream that serves the model.

use bytes::Bytes;
use futures::{SinkExt, StreamExt};
use http::Method;
use serde_json::json;
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async};

use crate::harness::*;

#[tokio::test]
async fn anything_passes_to_the_named_upstream() {
    let hosts = [
        Sim::with(|options| options.name = "a".to_owned()).await,
        Sim::with(|options| options.name = "b".to_owned()).await,
    ];
    let weir = Weir::in_front_of(&hosts).await;
    for (path, at_host) in [
        ("/gpu-a/health", "/health"),
        ("/gpu-a/metrics", "/metrics"),
        ("/gpu-a/v1/models", "/v1/models"),
        ("/gpu-a/version", "/version"),
    ] {
        for protocol in [Protocol::Http1, Protocol::Http2] {
            weir.get(path)
                .over(protocol)
                .send()
                .await
                .assert_status(200)
                .assert_whole();
            assert_eq!(hosts[0].last_request().path(), at_host);
        }
    }
    let answer = weir.get("/gpu-b/v1/models").send().await;
    assert_eq!(
        (
            answer.header("x-sim-name"),
            answer.header("x-weir-upstream")
        ),
        (Some("b"), Some("gpu-b"))
    );
}

#[tokio::test]
async fn methods_queries_and_bodies_pass_as_they_are() {
    let host = Upstream::start(|mut peer| async move {
        while let Some(request) = peer.request().await {
            let body = if request.method == "HEAD" { "" } else { "done" };
            peer.say(http("200 OK", &[("content-type", "text/plain")], body))
                .await;
        }
    })
    .await;
    let weir = Weir::in_front_of([&host]).await;
    for method in [
        Method::GET,
        Method::POST,
        Method::PUT,
        Method::PATCH,
        Method::DELETE,
        Method::OPTIONS,
    ] {
        let request = weir
            .request(method.clone(), "/gpu-a/any%2Fthing//x?q=%20+&q=2")
            .body("raw \u{1} body");
        request.send().await.assert_status(200);
        let seen = host.last_request();
        assert_eq!(
            (
                seen.method.as_str(),
                seen.target.as_str(),
                seen.text().as_str()
            ),
            (
                method.as_str(),
                "/any%2Fthing//x?q=%20+&q=2",
                "raw \u{1} body"
            )
        );
    }
    for path in ["/gpu-a", "/gpu-a/"] {
        weir.get(path).send().await.assert_status(200);
        assert_eq!(host.last_request().target, "/", "{path}");
    }
}

#[tokio::test]
async fn a_stream_passes_event_by_event() {
    let host = Upstream::start(|mut peer| async move {
        peer.request().await;
        peer.say(stream_head()).await;
        for word in ["a", "b", "c"] {
            peer.event(Chat::word(word)).await;
            peer.await_word().await;
        }
        peer.last_chunk().await;
    })
    .await;
    let weir = Weir::in_front_of([&host]).await;
    let mut stream = weir.post("/gpu-a/generate").json(json!({})).open().await;
    for word in ["a", "b", "c"] {
        assert_eq!(stream.event().await, Some(Chat::word(word)));
        host.go_on();
    }
    assert_eq!(stream.event().await, None);
}

#[tokio::test]
async fn a_large_upload_passes_by_every_framing() {
    let host = Sim::start().await;
    let weir = Weir::in_front_of([&host]).await;
    let body: Bytes = (0..20_000_000u32)
        .map(|number| number.wrapping_mul(0x9e37_79b9).to_le_bytes()[3])
        .collect::<Vec<u8>>()
        .into();
    let pieces: Vec<Bytes> = body
        .chunks(100_000)
        .map(|piece| body.slice_ref(piece))
        .collect();
    for protocol in [Protocol::Http1, Protocol::Http2] {
        for request in [
            weir.post("/gpu-a/echo").body(body.clone()),
            weir.post("/gpu-a/echo").pieces(pieces.clone()),
        ] {
            request.over(protocol).send().await.assert_status(200);
            let seen = host.last_request();
            assert_eq!(
                (seen.body_bytes(), seen.body_fingerprint()),
                (body.len() as u64, fingerprint(&body).as_str()),
                "{protocol:?}"
            );
        }
    }
    assert_eq!(weir.metric("weir_buffered_body_bytes").await, 0.0);
}

#[tokio::test]
async fn a_large_download_passes() {
    let body: Vec<u8> = (0..20_000_000u32)
        .map(|number| number.wrapping_mul(0x9e37_79b9).to_le_bytes()[3])
        .collect();
    let host = Upstream::answering(http(
        "200 OK",
        &[("content-type", "application/octet-stream")],
        &body,
    ))
    .await;
    let weir = Weir::in_front_of([&host]).await;
    for protocol in [Protocol::Http1, Protocol::Http2] {
        let answer = weir.get("/gpu-a/weights").over(protocol).send().await;
        answer.assert_whole();
        assert!(answer.body == body);
    }
}

#[tokio::test]
async fn errors_of_the_host_pass_as_they_are() {
    for status in [
        "404 Not Found",
        "500 Internal Server Error",
        "429 Too Many Requests",
        "302 Found",
    ] {
        let host = Upstream::answering(http(
            status,
            &[("content-type", "text/html")],
            "<p>as it is",
        ))
        .await;
        let weir = Weir::in_front_of([&host]).await;
        let answer = weir.get("/gpu-a/x").send().await;
        assert_eq!(
            (answer.status.to_string().as_str(), answer.text().as_str()),
            (&status[..3], "<p>as it is")
        );
    }
}

#[tokio::test]
async fn a_host_that_is_dead_closes_or_talks_nonsense_is_a_clear_error() {
    let cases = [
        (Upstream::dead().await, 503, "upstream_unreachable"),
        (
            Upstream::start(|mut peer| async move { drop(peer.request().await) }).await,
            502,
            "upstream_closed",
        ),
        (
            Upstream::answering("nonsense\r\n\r\n").await,
            502,
            "upstream_invalid_response",
        ),
    ];
    for (host, status, code) in cases {
        let weir = Weir::in_front_of([&host]).await;
        for protocol in [Protocol::Http1, Protocol::Http2] {
            for request in [
                weir.get("/gpu-a/v1/models"),
                weir.post("/gpu-a/x").body("x".repeat(1_000_000)),
            ] {
                request
                    .over(protocol)
                    .send()
                    .await
                    .assert_error(status, code);
            }
        }
        comes_to("exchanges in flight", 0.0, async || {
            weir.metric("weir_requests_in_flight").await
        })
        .await;
        comes_to("exchanges in flight upstream", 0.0, async || {
            weir.metric("weir_upstream_in_flight").await
        })
        .await;
    }
}

#[tokio::test]
async fn a_pass_through_has_the_upstreams_total_bound() {
    let host = Sim::that(&["stall"]).await;
    let weir = Weir::in_front_of([&host])
        .with("timeouts: { total: 200ms }")
        .await;
    weir.post("/gpu-a/v1/chat/completions")
        .json(json!({"model": MODEL, "messages": [{"role": "user", "content": "x"}]}))
        .send()
        .await
        .assert_error(504, "upstream_timeout");
}

#[tokio::test]
async fn a_pass_through_is_counted_and_logged() {
    let host = Sim::start().await;
    let weir = Weir::in_front_of([&host]).await;
    weir.get("/gpu-a/v1/models").send().await.assert_status(200);
    let line = weir.access_line().await;
    assert_eq!(
        (
            &line["upstream"],
            &line["status"],
            &line["attempts"],
            &line["path"]
        ),
        (
            &json!("gpu-a"),
            &json!(200),
            &json!(1),
            &json!("/gpu-a/v1/models")
        )
    );
    assert_eq!(
        weir.metric(r#"weir_requests_total{upstream="gpu-a",code="200"}"#)
            .await,
        1.0
    );
}

// ---- realtime -----------------------------------------------------------------------------------------------------

type WebSocket = WebSocketStream<MaybeTlsStream<TcpStream>>;

async fn open_socket(
    weir: &Weir,
    query: &str,
    headers: &[(&'static str, &str)],
) -> Result<(WebSocket, http::Response<Option<Vec<u8>>>), Error> {
    let mut request = format!("ws://{}/v1/realtime{query}", weir.address())
        .into_client_request()
        .expect("the URL is valid");
    for (name, value) in headers {
        request
            .headers_mut()
            .insert(*name, value.parse().expect("the value is valid"));
    }
    within("WebSocket", connect_async(request)).await
}

/// A host as far away as hosts usually are: a handshake is not answered in the very moment in which it is sent.
async fn at_a_distance(host: &Sim) -> Upstream {
    let port = host.port();
    Upstream::start(move |peer| peer.pass_on(port, std::time::Duration::from_millis(20))).await
}

#[tokio::test]
async fn a_websocket_of_a_host_that_answers_at_once_is_open() {
    let host = Sim::start().await;
    let weir = Weir::in_front_of([&host]).await;
    for round in 0..100 {
        let (mut socket, _) = open_socket(&weir, "?model=llama-3.1-8b", &[])
            .await
            .expect("it is opened");
        socket
            .send(Message::text("at once"))
            .await
            .expect("it is open");
        let echo = within("echo", socket.next()).await;
        assert!(
            matches!(echo, Some(Ok(Message::Text(_)))),
            "in round {round}: {echo:?}"
        );
    }
}

/// The status and the error code that a handshake is refused with.
async fn refused(weir: &Weir, query: &str) -> (u16, String) {
    match open_socket(weir, query, &[]).await {
        Err(Error::Http(answer)) => {
            let body = answer.body().clone().unwrap_or_default();
            (
                answer.status().as_u16(),
                String::from_utf8_lossy(&body).into_owned(),
            )
        }
        Err(error) => panic!("{error}"),
        Ok(_) => panic!("the WebSocket was opened"),
    }
}

#[tokio::test]
async fn a_websocket_speaks_both_ways_with_the_model_rewritten() {
    let host = Sim::start().await;
    let far = at_a_distance(&host).await;
    let weir = Weir::in_front_of([&far])
        .with("aliases: { gpt-realtime: llama-3.1-8b }")
        .await;
    let headers = [
        ("authorization", "Bearer sk-CLIENT-SECRET"),
        ("x-request-id", "ws-1"),
        ("openai-beta", "realtime=v1"),
    ];
    let (mut socket, answer) = open_socket(&weir, "?intent=a%20b&model=gpt-realtime&z=1", &headers)
        .await
        .expect("it is opened");
    assert_eq!(answer.headers()["x-request-id"], "ws-1");
    let seen = host.last_request();
    assert_eq!(seen.query(), Some("intent=a%20b&model=llama-3.1-8b&z=1"));
    assert_eq!(
        (
            seen.header("authorization"),
            seen.header("x-request-id"),
            seen.header("openai-beta")
        ),
        (None, Some("ws-1"), Some("realtime=v1"))
    );
    for message in [
        Message::text("hällo"),
        Message::binary(vec![0, 255, 1]),
        Message::text("x".repeat(1 << 20)),
        Message::text("last"),
    ] {
        println!("{} bytes", message.len());
        socket.send(message.clone()).await.expect("it is open");
        assert_eq!(
            within("echo", socket.next())
                .await
                .expect("it is open")
                .expect("it is sound"),
            message
        );
    }
    socket.close(None).await.expect("it is open");
    let closing = within("closing", socket.next()).await;
    assert!(
        matches!(closing, Some(Ok(Message::Close(_))) | None),
        "{closing:?}"
    );
    let line = weir.access_line().await;
    assert_eq!(
        (&line["operation"], &line["status"], &line["model"]),
        (&json!("realtime"), &json!(101), &json!(MODEL)),
        "{line}"
    );
    comes_to("exchanges in flight", 0.0, async || {
        weir.metric("weir_requests_in_flight").await
    })
    .await;
}

#[tokio::test]
async fn a_websocket_may_be_quiet_for_longer_than_a_total_bound() {
    let host = Sim::start().await;
    let far = at_a_distance(&host).await;
    let weir = Weir::in_front_of([&far])
        .with("timeouts: { total: 200ms, idle: 200ms }")
        .await;
    let (mut socket, _) = open_socket(&weir, "?model=llama-3.1-8b", &[])
        .await
        .expect("it is opened");
    // A conversation pauses; nothing is wrong with that.
    tokio::time::sleep(std::time::Duration::from_millis(500)).await;
    socket
        .send(Message::text("still there"))
        .await
        .expect("it is open");
    assert_eq!(
        within("echo", socket.next())
            .await
            .expect("it is open")
            .expect("it is sound"),
        Message::text("still there")
    );
}

#[tokio::test]
async fn a_websocket_passes_to_the_named_upstream() {
    let host = Sim::start().await;
    let far = at_a_distance(&host).await;
    let weir = Weir::in_front_of([&far])
        .with("timeouts: { total: 200ms }")
        .await;
    let url = format!("ws://{}/gpu-a/v1/realtime?model=x", weir.address());
    let (mut socket, _) = within("WebSocket", connect_async(url))
        .await
        .expect("it is opened");
    assert_eq!(host.last_request().query(), Some("model=x"));
    for pause in [0, 400] {
        tokio::time::sleep(std::time::Duration::from_millis(pause)).await;
        socket
            .send(Message::text("x".repeat(100_000)))
            .await
            .expect("it is open");
        let echo = within("echo", socket.next()).await;
        assert!(
            matches!(&echo, Some(Ok(Message::Text(text))) if text.len() == 100_000),
            "{echo:?}"
        );
    }
    drop(socket);
    comes_to("requests at the host", 0, async || host.stats().in_flight).await;
    comes_to("exchanges in flight", 0.0, async || {
        weir.metric("weir_requests_in_flight").await
    })
    .await;
}

#[tokio::test]
async fn a_websocket_that_the_client_leaves_is_closed_at_the_host() {
    let host = Sim::start().await;
    let far = at_a_distance(&host).await;
    let weir = Weir::in_front_of([&far]).await;
    let (mut socket, _) = open_socket(&weir, "?model=llama-3.1-8b", &[])
        .await
        .expect("it is opened");
    socket.send(Message::text("x")).await.expect("it is open");
    within("echo", socket.next()).await;
    assert_eq!(host.stats().in_flight, 1);
    let left = std::time::Instant::now();
    drop(socket);
    comes_to("requests at the host", 0, async || host.stats().in_flight).await;
    assert!(
        left.elapsed() <= CANCELLED_WITHIN,
        "after {:?}",
        left.elapsed()
    );
}

#[tokio::test]
async fn a_websocket_that_the_host_ends_is_closed_at_the_client() {
    let host = Sim::that(&["truncate after=1 path=/v1/realtime"]).await;
    let far = at_a_distance(&host).await;
    let weir = Weir::in_front_of([&far]).await;
    let (mut socket, _) = open_socket(&weir, "?model=llama-3.1-8b", &[])
        .await
        .expect("it is opened");
    // The second message is the one that it does not send back.
    for _ in 0..2 {
        socket.send(Message::text("x")).await.expect("it is open");
    }
    within("end", async {
        while let Some(Ok(_)) = socket.next().await {}
    })
    .await;
    comes_to("exchanges in flight", 0.0, async || {
        weir.metric("weir_requests_in_flight").await
    })
    .await;
}

#[tokio::test]
async fn a_key_in_the_subprotocols_reaches_no_host() {
    let host = Sim::start().await;
    let far = at_a_distance(&host).await;
    let weir = Weir::in_front_of([&far]).await;
    // So the browser clients of the Realtime API show their key.
    let offered = [(
        "sec-websocket-protocol",
        "realtime, openai-insecure-api-key.sk-CLIENT-SECRET, openai-organization.org-CLIENT-SECRET",
    )];
    let (_socket, answer) = open_socket(&weir, "?model=llama-3.1-8b", &offered)
        .await
        .expect("it is opened");
    assert_eq!(answer.headers()["sec-websocket-protocol"], "realtime");
    let seen = host.last_request();
    assert!(
        seen.headers()
            .all(|(_, value)| !value.contains("CLIENT-SECRET")),
        "{:?}",
        seen.header("sec-websocket-protocol")
    );
}

#[tokio::test]
async fn a_websocket_that_cannot_be_is_refused_with_a_reason() {
    let (host, dead) = (Sim::start().await, Upstream::dead().await);
    let weir = Weir::in_front_of([&host as &dyn Host, &dead]).with("models: { gone: { targets: [{ upstream: gpu-b, model: x }] }, here: { targets: [{ upstream: gpu-a, model: llama-3.1-8b }] } }").await;
    for (query, status, code) in [
        ("?model=nobody", 404, "model_not_found"),
        ("", 400, "missing_required_parameter"),
        ("?model=", 400, "missing_required_parameter"),
        ("?model=gone", 503, "upstream_unreachable"),
    ] {
        let (given, body) = refused(&weir, query).await;
        assert_eq!(given, status, "{query}: {body}");
        assert!(body.contains(code), "{query}: {body}");
    }
    host.arm(&["status=429 path=/v1/realtime"]);
    assert_eq!(refused(&weir, "?model=here").await.0, 429);
    let plain = weir.get("/v1/realtime?model=here").send().await;
    assert!((400..500).contains(&plain.status), "{}", plain.text());
    assert!(plain.error()["message"].is_string());
}
