//! Every wait has an end, and nothing piles up while one side is slow.

use std::time::{Duration, Instant};

use serde_json::json;

use crate::harness::*;

const OK: &str = r#"{"choices":[],"usage":{"prompt_tokens":1,"completion_tokens":1}}"#;

/// Asserts that something took about as long as its bound says.
#[track_caller]
fn assert_took(begun: Instant, bound: Duration) {
    let took = begun.elapsed();
    assert!(
        took >= bound && took < bound + Duration::from_millis(1500),
        "took {took:?} with a bound of {bound:?}"
    );
}

#[tokio::test]
async fn connecting_has_a_bound_and_then_another_host_is_tried() {
    let (hole, sound) = (Upstream::blackhole().await, Sim::start().await);
    let weir = Weir::in_front_of([&hole as &dyn Host, &sound])
        .with(GPU_A_FIRST)
        .with("timeouts: { connect: 200ms }")
        .await;
    let begun = Instant::now();
    weir.chat("hi").model("m").send().await.assert_status(200);
    assert_took(begun, Duration::from_millis(200));
    let alone = Weir::in_front_of([&hole])
        .with("timeouts: { connect: 200ms }")
        .await;
    for stream in [false, true] {
        alone
            .chat("hi")
            .set("stream", stream)
            .send()
            .await
            .assert_error(503, "upstream_unreachable");
    }
    alone
        .get("/gpu-a/health")
        .send()
        .await
        .assert_error(503, "upstream_unreachable");
}

#[tokio::test]
async fn the_first_event_of_a_stream_has_a_bound() {
    // No head; a head and no event; a head and comments.
    let head = stream_head();
    for says in [
        String::new(),
        head.clone(),
        head.clone() + "c\r\n: patience\n\n\r\n",
    ] {
        let host = Upstream::start(move |mut peer| {
            let says = says.clone();
            async move {
                while peer.request().await.is_some() {
                    peer.say(&says).await;
                    peer.await_word().await;
                }
            }
        })
        .await;
        let weir = Weir::in_front_of([&host])
            .with("timeouts: { first_byte: 200ms }")
            .await;
        let begun = Instant::now();
        let answer = weir.chat("hi").streaming().send().await;
        answer.assert_error(504, "upstream_timeout");
        assert!(
            answer.text().contains("200ms (timeouts.first_byte)"),
            "{}",
            answer.text()
        );
        assert_took(begun, Duration::from_millis(200));
    }
}

#[tokio::test]
async fn a_host_that_owes_its_first_event_is_let_go_of_and_another_tried() {
    let (slow, sound) = (Sim::that(&["stall"]).await, Sim::start().await);
    let weir = Weir::in_front_of([&slow, &sound])
        .with(GPU_A_FIRST)
        .with("timeouts: { first_byte: 150ms, total: 150ms }")
        .await;
    weir.chat("hi")
        .model("m")
        .streaming()
        .send()
        .await
        .assert_status(200);
    // The total bound is that of the whole exchange: no other host is tried when it is over.
    weir.chat("hi")
        .model("m")
        .send()
        .await
        .assert_error(504, "upstream_timeout");
    comes_to("cancelled requests", 2, async || slow.stats().cancelled).await;
    assert_eq!(
        weir.metric(r#"weir_upstream_attempts_total{upstream="gpu-a",outcome="timeout"}"#)
            .await,
        2.0
    );
}

#[tokio::test]
async fn a_plain_answer_has_a_total_bound() {
    for fault in [
        "stall",
        "slow_head for=30s",
        "slow_drip for=50ms",
        "stall after=1",
    ] {
        let host = Sim::that(&[fault]).await;
        let weir = Weir::in_front_of([&host])
            .with("timeouts: { total: 300ms, first_byte: 100ms, idle: 100ms }")
            .await;
        let begun = Instant::now();
        let answer = weir.chat("hi").send().await;
        println!("{fault}: {}", answer.text());
        answer.assert_error(504, "upstream_timeout");
        assert!(
            answer.text().contains("300ms (timeouts.total)"),
            "{}",
            answer.text()
        );
        assert_took(begun, Duration::from_millis(300));
    }
}

#[tokio::test]
async fn a_stream_has_no_total_bound() {
    let host = Sim::with(|options| options.itl = Duration::from_millis(60)).await;
    let weir = Weir::in_front_of([&host])
        .with("timeouts: { total: 100ms, idle: 2s, first_byte: 2s }")
        .await;
    weir.chat("hi")
        .streaming()
        .send()
        .await
        .assert_clean_stream();
}

#[tokio::test]
async fn a_stream_that_stands_still_ends_after_its_idle_bound() {
    let host = Sim::that(&["stall after=2"]).await;
    let weir = Weir::in_front_of([&host])
        .with("timeouts: { idle: 250ms }")
        .await;
    for protocol in [Protocol::Http1, Protocol::Http2] {
        let mut stream = weir.chat("hi").streaming().over(protocol).open().await;
        for _ in 0..2 {
            assert!(stream.event().await.is_some());
        }
        let begun = Instant::now();
        let rest = stream.rest().await;
        assert_eq!(rest.error_event()["code"], "upstream_stalled");
        assert!(rest.text().contains("250ms"), "{}", rest.text());
        assert_took(begun, Duration::from_millis(200));
    }
    comes_to("cancelled requests", 2, async || host.stats().cancelled).await;
}

#[tokio::test]
async fn an_upstreams_own_bounds_go_before_those_of_all() {
    let host = Sim::that(&["stall"]).await;
    let weir = Weir::in_front_of([&host])
        .with("timeouts: { total: 30s }")
        .each("timeouts: { total: 150ms }")
        .await;
    let answer = weir.chat("hi").send().await;
    assert!(
        answer.text().contains("150ms (timeouts.total)"),
        "{}",
        answer.text()
    );
}

#[tokio::test]
async fn a_client_that_never_finishes_its_body_is_told_so() {
    let host = Sim::start().await;
    let weir = Weir::in_front_of([&host])
        .with("limits: { body_read: 200ms }")
        .await;
    for framing in ["content-length: 1000", "transfer-encoding: chunked"] {
        let mut client = weir.dial().await;
        let begun = Instant::now();
        client
            .write(format!(
                "POST /v1/chat/completions HTTP/1.1\r\nhost: weir\r\n{framing}\r\n\r\n"
            ))
            .await;
        let (head, body) = client.read_answer().await;
        assert!(head.starts_with("http/1.1 408"), "{framing}: {head}");
        assert!(String::from_utf8_lossy(&body).contains("request_timeout"));
        assert!(begun.elapsed() >= Duration::from_millis(200));
        assert_eq!(client.read_to_end().await, b"");
    }
    assert_eq!(host.stats().connections, 0);
    comes_to("buffered bytes", 0.0, async || {
        weir.metric("weir_buffered_body_bytes").await
    })
    .await;
    comes_to("slow clients", 2.0, async || {
        weir.metric(r#"weir_requests_total{code="408",fault="client_slow"}"#)
            .await
    })
    .await;
}

#[tokio::test]
async fn a_client_that_never_finishes_its_body_over_http_2_is_told_so() {
    let host = Sim::start().await;
    let weir = Weir::in_front_of([&host])
        .with("limits: { body_read: 200ms }")
        .await;
    let stream = tokio::net::TcpStream::connect(weir.address())
        .await
        .expect("weir accepts connections");
    let (mut sender, connection) = h2::client::handshake(stream).await.expect("HTTP/2 begins");
    let driver = tokio::spawn(connection);
    let request = http::Request::post(format!("http://{}/v1/chat/completions", weir.address()))
        .body(())
        .expect("it is valid");
    let (answer, _body) = sender.send_request(request, false).expect("it can be sent");
    let answer = within("answer", answer).await.expect("there is one");
    assert_eq!(answer.status(), 408);
    driver.abort();
}

#[tokio::test]
async fn a_client_whose_body_comes_slowly_but_comes_is_served() {
    let host = Sim::start().await;
    let weir = Weir::in_front_of([&host])
        .with("limits: { body_read: 300ms }")
        .await;
    let body = weir.chat("hi").bytes();
    let mut client = weir.dial().await;
    client
        .write(format!(
            "POST /v1/chat/completions HTTP/1.1\r\nhost: weir\r\ncontent-length: {}\r\n\r\n",
            body.len()
        ))
        .await;
    for piece in body.chunks(body.len().div_ceil(6)) {
        // The slowness is what is tested: together it is more than the bound, each piece is less.
        tokio::time::sleep(Duration::from_millis(80)).await;
        client.write(piece).await;
    }
    assert!(client.read_answer().await.0.starts_with("http/1.1 200"));
}

// ---- a client that does not read ----------------------------------------------------------------------------------

/// What weir may hold for a client that does not read: its buffers, and what its allocator takes from the system at a time.
const HOLDS_LITTLE: u64 = 32 << 20;

/// A host that streams events of 64 KiB for as long as anybody takes them.
async fn host_that_streams_without_end() -> Upstream {
    Upstream::start(|mut peer| async move {
        peer.request().await;
        peer.say(stream_head()).await;
        let event = Chat::word(&"x".repeat(64 * 1024));
        while peer.event(&event).await {}
    })
    .await
}

/// Waits until the host can send no more.
async fn until_it_stops_sending(host: &Upstream) -> u64 {
    let mut before = 0;
    eventually("standstill of the host", async || {
        tokio::time::sleep(Duration::from_millis(100)).await;
        let sent = host.sent();
        let stands = sent > 0 && sent == before;
        before = sent;
        stands.then_some(sent)
    })
    .await
}

#[tokio::test]
async fn a_client_that_does_not_read_slows_its_host_and_holds_little() {
    let host = host_that_streams_without_end().await;
    let weir = Weir::in_front_of([&host]).await;
    let before = weir.resident_bytes();
    let mut client = Wire::dial_narrow(weir.address()).await;
    let body = weir.chat("hi").streaming().bytes();
    client
        .write(format!(
            "POST /v1/chat/completions HTTP/1.1\r\nhost: weir\r\ncontent-length: {}\r\n\r\n",
            body.len()
        ))
        .await;
    client.write(body).await;
    let sent = until_it_stops_sending(&host).await;
    // What the kernel holds on both connections, and little more.
    assert!(
        sent < 32 << 20,
        "the host could send {sent} bytes to a client that reads nothing"
    );
    let grown = weir.resident_bytes().saturating_sub(before);
    assert!(grown < HOLDS_LITTLE, "weir holds {grown} bytes more");
    // It goes on when the client reads again.
    client
        .read_exactly(usize::try_from(sent).expect("it fits"))
        .await;
    eventually("more of the stream", async || {
        (host.sent() > sent).then_some(())
    })
    .await;
    client.close();
    host.closed().await;
}

#[tokio::test]
async fn an_http_2_client_that_does_not_read_slows_its_host_and_holds_little() {
    let host = host_that_streams_without_end().await;
    let weir = Weir::in_front_of([&host]).await;
    let before = weir.resident_bytes();
    let connection = weir.connect(Protocol::Http2).await;
    let mut stream = connection.open_answer(weir.chat("hi").streaming()).await;
    let sent = until_it_stops_sending(&host).await;
    assert!(
        sent < 32 << 20,
        "the host could send {sent} bytes to a client that reads nothing"
    );
    let grown = weir.resident_bytes().saturating_sub(before);
    assert!(grown < HOLDS_LITTLE, "weir holds {grown} bytes more");
    // The connection serves others meanwhile.
    connection
        .send(weir.get("/v1/models"))
        .await
        .assert_status(200);
    let mut read = 0;
    while read < 4 << 20 {
        read += within("piece", stream.piece())
            .await
            .expect("there is more")
            .len();
    }
    eventually("more of the stream", async || {
        (host.sent() > sent).then_some(())
    })
    .await;
    drop(stream);
    host.closed().await;
}

#[tokio::test]
async fn a_client_that_does_not_read_for_too_long_is_given_up() {
    let host = host_that_streams_without_end().await;
    let weir = Weir::in_front_of([&host])
        .with("limits: { client_write: 300ms }")
        .await;
    let mut client = Wire::dial_narrow(weir.address()).await;
    let body = weir.chat("hi").streaming().bytes();
    client
        .write(format!(
            "POST /v1/chat/completions HTTP/1.1\r\nhost: weir\r\ncontent-length: {}\r\n\r\n",
            body.len()
        ))
        .await;
    client.write(body).await;
    host.closed().await;
    let line = weir.access_line().await;
    assert_eq!(line["fault"], "client_not_reading", "{line}");
    comes_to("exchanges in flight", 0.0, async || {
        weir.metric("weir_requests_in_flight").await
    })
    .await;
    drop(client);
}

#[tokio::test]
async fn an_http_2_client_that_does_not_read_for_too_long_is_given_up() {
    let host = host_that_streams_without_end().await;
    let weir = Weir::in_front_of([&host])
        .with("limits: { client_write: 300ms }")
        .await;
    let connection = weir.connect(Protocol::Http2).await;
    let stream = connection.open_answer(weir.chat("hi").streaming()).await;
    host.closed().await;
    comes_to("exchanges in flight", 0.0, async || {
        weir.metric("weir_requests_in_flight").await
    })
    .await;
    drop(stream);
}

#[tokio::test]
async fn a_client_that_does_not_read_and_leaves_is_noticed() {
    let host = host_that_streams_without_end().await;
    let weir = Weir::in_front_of([&host]).await;
    let mut client = Wire::dial_narrow(weir.address()).await;
    let body = weir.chat("hi").streaming().bytes();
    client
        .write(format!(
            "POST /v1/chat/completions HTTP/1.1\r\nhost: weir\r\ncontent-length: {}\r\n\r\n",
            body.len()
        ))
        .await;
    client.write(body).await;
    until_it_stops_sending(&host).await;
    let left = client.close();
    let took = host.closed().await.saturating_duration_since(left);
    assert!(took <= CANCELLED_WITHIN, "the host saw it after {took:?}");
}

// ---- a host that does not read ------------------------------------------------------------------------------------

#[tokio::test]
async fn a_host_that_does_not_read_a_large_body_is_given_up() {
    let stuck = Upstream::start(|mut peer| async move {
        peer.head().await;
        peer.await_word().await;
    })
    .await;
    let sound = Upstream::answering(reply("200 OK", OK)).await;
    let mut body = json!({"model": "m", "messages": []})
        .to_string()
        .into_bytes();
    body.resize(16 << 20, b' ');
    let weir = Weir::in_front_of([&stuck, &sound])
        .with(GPU_A_FIRST)
        .with("timeouts: { idle: 300ms }")
        .await;
    weir.post("/v1/chat/completions")
        .body(body.clone())
        .send()
        .await
        .assert_status(200);
    assert_eq!(sound.requests().len(), 1);
    comes_to("buffered bytes", 0.0, async || {
        weir.metric("weir_buffered_body_bytes").await
    })
    .await;
    // The total bound is that of the whole exchange: no other host is tried when it is over.
    let weir = Weir::in_front_of([&stuck, &sound])
        .with(GPU_A_FIRST)
        .with("timeouts: { total: 1500ms }")
        .await;
    weir.post("/v1/chat/completions")
        .body(body.clone())
        .send()
        .await
        .assert_error(504, "upstream_timeout");
    assert_eq!(sound.requests().len(), 1);
    comes_to("buffered bytes", 0.0, async || {
        weir.metric("weir_buffered_body_bytes").await
    })
    .await;
    let alone = Weir::in_front_of([&stuck])
        .with("timeouts: { idle: 300ms, total: 600ms }")
        .await;
    let answer = alone
        .post("/v1/chat/completions")
        .body(
            String::from_utf8(body)
                .expect("it is text")
                .replace("\"m\"", "\"llama-3.1-8b\""),
        )
        .send()
        .await;
    assert!(matches!(answer.status, 502 | 504), "{}", answer.text());
    assert!(answer.error()["code"].is_string());
}
