//! A client that goes away ends the upstream request within 100 ms, whatever weir is doing for it.

use std::time::{Duration, Instant};

use crate::harness::*;

/// Between a client's leaving and the host's seeing it.
#[track_caller]
fn assert_soon(what: &str, left: Instant, seen: Instant) {
    let took = seen.saturating_duration_since(left);
    println!("{what}: {took:?}");
    assert!(
        took <= CANCELLED_WITHIN,
        "{what}: the host saw it after {took:?}"
    );
}

/// A host that says `answer` to a request and then waits.
async fn host_that_goes_quiet_after(answer: String) -> Upstream {
    Upstream::start(move |mut peer| {
        let answer = answer.clone();
        async move {
            if peer.request().await.is_some() {
                peer.say(&answer).await;
                peer.until_closed().await;
            }
        }
    })
    .await
}

fn three_events() -> String {
    let events: Vec<String> = ["a", "b", "c"]
        .map(|word| events([Chat::word(word)]))
        .into();
    let chunks: String = events
        .iter()
        .map(|event| format!("{:x}\r\n{event}\r\n", event.len()))
        .collect();
    stream_head() + &chunks
}

/// The exchange is settled as one whose client has gone.
async fn assert_settled_as_gone(weir: &Weir, exchanges: usize) {
    let lines = weir.access_lines(exchanges).await;
    for line in &lines {
        assert_eq!(
            (&line["fault"], &line["status"]),
            (&"client_gone".into(), &499.into()),
            "{line}"
        );
    }
    comes_to("exchanges in flight", 0.0, async || {
        weir.metric("weir_requests_in_flight").await
    })
    .await;
    comes_to("exchanges in flight upstream", 0.0, async || {
        weir.metric("weir_upstream_in_flight").await
    })
    .await;
    comes_to("buffered bytes", 0.0, async || {
        weir.metric("weir_buffered_body_bytes").await
    })
    .await;
}

#[tokio::test]
async fn case_13_a_client_that_closes_at_event_3_over_http_1() {
    let host = host_that_goes_quiet_after(three_events()).await;
    let weir = Weir::in_front_of([&host]).await;
    let mut stream = weir.chat("hi").streaming().open().await;
    for word in ["a", "b", "c"] {
        assert_eq!(stream.event().await, Some(Chat::word(word)));
    }
    let left = Instant::now();
    drop(stream);
    assert_soon("at event 3, HTTP/1.1", left, host.closed().await);
    let line = weir.access_line().await;
    assert_eq!(
        (&line["fault"], &line["upstream"]),
        (&"client_gone".into(), &"gpu-a".into()),
        "{line}"
    );
}

#[tokio::test]
async fn case_13_a_client_that_resets_its_http_2_stream_at_event_3() {
    let host = host_that_goes_quiet_after(three_events()).await;
    let weir = Weir::in_front_of([&host]).await;
    let connection = weir.connect(Protocol::Http2).await;
    let mut stream = connection.open_answer(weir.chat("hi").streaming()).await;
    for word in ["a", "b", "c"] {
        assert_eq!(stream.event().await, Some(Chat::word(word)));
    }
    let left = Instant::now();
    drop(stream);
    assert_soon("at event 3, HTTP/2", left, host.closed().await);
    // The connection itself is sound.
    assert_eq!(connection.send(weir.get("/v1/models")).await.status, 200);
}

#[tokio::test]
async fn case_13_a_client_that_closes_its_http_2_connection_takes_all_its_streams_with_it() {
    let host = host_that_goes_quiet_after(three_events()).await;
    let weir = Weir::in_front_of([&host]).await;
    let connection = weir.connect(Protocol::Http2).await;
    let mut streams = Vec::new();
    for _ in 0..5 {
        let mut stream = connection.open_answer(weir.chat("hi").streaming()).await;
        assert!(stream.event().await.is_some());
        streams.push(stream);
    }
    let left = Instant::now();
    drop((connection, streams));
    eventually("closing of all five", async || {
        (host.closings() == 5).then_some(())
    })
    .await;
    assert_soon("five streams", left, host.closed().await);
}

#[tokio::test]
async fn case_13_a_client_that_leaves_while_the_host_thinks() {
    for stream in [false, true] {
        for protocol in [Protocol::Http1, Protocol::Http2] {
            let host = host_that_goes_quiet_after(String::new()).await;
            let weir = Weir::in_front_of([&host]).await;
            let connection = weir.connect(protocol).await;
            let request = weir.chat("hi").set("stream", stream);
            let asking =
                tokio::spawn(async move { connection.try_open(request).await.map(|_| ()) });
            host.has_requests(1).await;
            let left = Instant::now();
            asking.abort();
            assert_soon(
                &format!("before the head, {protocol:?}, stream: {stream}"),
                left,
                host.closed().await,
            );
            assert_settled_as_gone(&weir, 1).await;
        }
    }
}

#[tokio::test]
async fn case_13_a_reset_of_one_waiting_http_2_stream_ends_only_that_one() {
    let host = host_that_goes_quiet_after(String::new()).await;
    let weir = Weir::in_front_of([&host]).await;
    let connection = std::sync::Arc::new(weir.connect(Protocol::Http2).await);
    let ask = || {
        let (connection, request) = (connection.clone(), weir.chat("hi"));
        tokio::spawn(async move { connection.try_open(request).await.map(|_| ()) })
    };
    let (one, other) = (ask(), ask());
    host.has_requests(2).await;
    let left = Instant::now();
    one.abort();
    assert_soon("one of two streams", left, host.closed().await);
    assert_eq!(weir.metric("weir_requests_in_flight").await, 1.0);
    assert_eq!(host.closings(), 1);
    assert!(!other.is_finished());
}

#[tokio::test]
async fn case_13_a_client_that_leaves_after_the_head_of_a_plain_answer() {
    let head = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 100\r\n\r\n{";
    let host = host_that_goes_quiet_after(head.to_owned()).await;
    let weir = Weir::in_front_of([&host]).await;
    let mut client = weir.dial().await;
    let body = weir.chat("hi").bytes();
    client
        .write(format!(
            "POST /v1/chat/completions HTTP/1.1\r\nhost: weir\r\ncontent-length: {}\r\n\r\n",
            body.len()
        ))
        .await;
    client.write(body).await;
    eventually("answer of the host", async || {
        (host.sent() > 0).then_some(())
    })
    .await;
    let left = client.close();
    assert_soon("within a held body", left, host.closed().await);
    assert_settled_as_gone(&weir, 1).await;
}

#[tokio::test]
async fn case_13_a_client_that_leaves_before_the_first_event() {
    let host = host_that_goes_quiet_after(stream_head() + "c\r\n: patience\n\n\r\n").await;
    let weir = Weir::in_front_of([&host]).await;
    let request = weir.chat("hi").streaming();
    let asking = tokio::spawn(request.send());
    eventually("comment of the host", async || {
        (host.sent() > 0).then_some(())
    })
    .await;
    let left = Instant::now();
    asking.abort();
    assert_soon("before the first event", left, host.closed().await);
    assert_settled_as_gone(&weir, 1).await;
}

#[tokio::test]
async fn case_13_a_client_that_leaves_while_weir_connects() {
    let host = Upstream::blackhole().await;
    let weir = Weir::in_front_of([&host]).await;
    let asking = tokio::spawn(weir.chat("hi").send());
    comes_to("exchanges in flight upstream", 1.0, async || {
        weir.metric("weir_upstream_in_flight").await
    })
    .await;
    let left = Instant::now();
    asking.abort();
    comes_to("exchanges in flight upstream", 0.0, async || {
        weir.metric("weir_upstream_in_flight").await
    })
    .await;
    assert_soon("while connecting", left, Instant::now());
    assert_settled_as_gone(&weir, 1).await;
}

#[tokio::test]
async fn case_13_a_client_that_leaves_in_a_retry() {
    let failing = Upstream::answering(reply(
        "503 Service Unavailable",
        r#"{"error":{"message":"full"}}"#,
    ))
    .await;
    let waiting = host_that_goes_quiet_after(String::new()).await;
    let weir = Weir::in_front_of([&failing, &waiting])
        .with(GPU_A_FIRST)
        .await;
    let asking = tokio::spawn(weir.chat("hi").model("m").send());
    waiting.has_requests(1).await;
    let left = Instant::now();
    asking.abort();
    assert_soon("in a retry", left, waiting.closed().await);
    assert_settled_as_gone(&weir, 1).await;
    assert_eq!(weir.access_line().await["attempts"], 2);
}

#[tokio::test]
async fn case_13_a_client_that_leaves_is_not_tried_for_elsewhere() {
    let waiting = host_that_goes_quiet_after(String::new()).await;
    let other = Upstream::answering(reply("200 OK", "{}")).await;
    let weir = Weir::in_front_of([&waiting, &other])
        .with(GPU_A_FIRST)
        .await;
    let asking = tokio::spawn(weir.chat("hi").model("m").send());
    waiting.has_requests(1).await;
    asking.abort();
    waiting.closed().await;
    assert_settled_as_gone(&weir, 1).await;
    assert_eq!(other.connections(), 0);
}

#[tokio::test]
async fn case_13_a_client_that_leaves_while_its_body_is_being_sent_on() {
    // The host reads the head and nothing of the body, so that weir is stuck in writing.
    let host = Upstream::start(|mut peer| async move {
        peer.head().await;
        peer.await_word().await;
        peer.until_closed().await;
    })
    .await;
    let weir = Weir::in_front_of([&host]).await;
    let mut body = weir.chat("hi").bytes().to_vec();
    body.resize(30 << 20, b' ');
    let asking = tokio::spawn(weir.post("/v1/chat/completions").body(body).send());
    eventually("part of the body at the host", async || {
        (host.received() > 0).then_some(())
    })
    .await;
    let left = Instant::now();
    asking.abort();
    comes_to("exchanges in flight upstream", 0.0, async || {
        weir.metric("weir_upstream_in_flight").await
    })
    .await;
    assert_soon("while its body is sent on", left, Instant::now());
    host.go_on();
    host.closed().await;
    assert_settled_as_gone(&weir, 1).await;
}

#[tokio::test]
async fn case_13_a_client_that_leaves_an_http_2_host_resets_the_stream_and_keeps_the_connection() {
    let host = Sim::with(|options| options.itl = Duration::from_millis(20)).await;
    let weir = Weir::in_front_of([&host]).each("http: http2").await;
    for round in 1..=3u64 {
        let mut stream = weir
            .chat("hi")
            .set("max_tokens", 1000)
            .set("ignore_eos", true)
            .streaming()
            .open()
            .await;
        for _ in 0..3 {
            assert!(stream.event().await.is_some());
        }
        let left = Instant::now();
        drop(stream);
        comes_to("cancelled requests", round, async || host.stats().cancelled).await;
        assert_soon("an HTTP/2 host", left, Instant::now());
    }
    assert_eq!(host.stats().connections, 1);
}

#[tokio::test]
async fn case_13_a_client_that_leaves_an_http_2_host_before_the_head() {
    let host = Sim::that(&["stall"]).await;
    let weir = Weir::in_front_of([&host]).each("http: http2").await;
    let asking = tokio::spawn(weir.chat("hi").send());
    comes_to("requests at the host", 1, async || host.stats().in_flight).await;
    let left = Instant::now();
    asking.abort();
    comes_to("requests at the host", 0, async || host.stats().in_flight).await;
    assert_soon("before the head of an HTTP/2 host", left, Instant::now());
}

#[tokio::test]
async fn case_13_a_client_that_resets_its_connection() {
    let host = host_that_goes_quiet_after(three_events()).await;
    let weir = Weir::in_front_of([&host]).await;
    let mut client = weir.dial().await;
    let body = weir.chat("hi").streaming().bytes();
    client
        .write(format!(
            "POST /v1/chat/completions HTTP/1.1\r\nhost: weir\r\ncontent-length: {}\r\n\r\n",
            body.len()
        ))
        .await;
    client.write(body).await;
    client.read_until("\r\n\r\n").await;
    let left = Instant::now();
    client.reset();
    assert_soon("a reset", left, host.closed().await);
    assert_settled_as_gone(&weir, 1).await;
}

#[tokio::test]
async fn case_13_a_client_that_leaves_within_its_body_is_settled() {
    let host = Sim::start().await;
    let weir = Weir::in_front_of([&host]).await;
    let mut client = weir.dial().await;
    client.write("POST /v1/chat/completions HTTP/1.1\r\nhost: weir\r\ncontent-length: 1000\r\n\r\n{\"model\"").await;
    comes_to("exchanges in flight", 1.0, async || {
        weir.metric("weir_requests_in_flight").await
    })
    .await;
    client.close();
    assert_settled_as_gone(&weir, 1).await;
    assert_eq!(host.stats().connections, 0);
}

#[tokio::test]
async fn case_13_what_a_client_that_left_has_used_is_noted_as_partial() {
    let host = host_that_goes_quiet_after(three_events()).await;
    let weir = Weir::in_front_of([&host]).await;
    let mut stream = weir.chat("hi").streaming().open().await;
    assert!(stream.event().await.is_some());
    drop(stream);
    host.closed().await;
    let line = weir.access_line().await;
    assert_eq!(
        (&line["model"], &line["stream"], &line["fault"]),
        (&MODEL.into(), &true.into(), &"client_gone".into()),
        "{line}"
    );
    assert!(
        line["first_byte_ms"].is_number() && line["duration_ms"].is_number(),
        "{line}"
    );
}

#[tokio::test]
async fn case_13_a_client_that_leaves_a_pass_through() {
    let host = host_that_goes_quiet_after(three_events()).await;
    let weir = Weir::in_front_of([&host]).await;
    let mut stream = weir
        .post("/gpu-a/v1/chat/completions")
        .json(serde_json::json!({"stream": true}))
        .open()
        .await;
    assert!(stream.event().await.is_some());
    let left = Instant::now();
    drop(stream);
    assert_soon("pass-through", left, host.closed().await);
}
