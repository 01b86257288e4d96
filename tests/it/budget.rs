//! The bound on all buffered bodies together: refused above it, and given back after every kind of ending.

use crate::harness::*;

const OK: &str = r#"{"choices":[],"usage":{"prompt_tokens":1,"completion_tokens":1}}"#;

/// A chat of exactly `bytes` bytes.
fn chat_of(weir: &Weir, bytes: usize) -> Request {
    let mut body = weir.chat("hi").bytes().to_vec();
    body.resize(bytes, b' ');
    weir.post("/v1/chat/completions").body(body)
}

async fn held(weir: &Weir) -> f64 {
    weir.metric("weir_buffered_body_bytes").await
}

/// A host that answers when it is told to.
async fn host_that_waits() -> Upstream {
    Upstream::start(|mut peer| async move {
        while peer.request().await.is_some() {
            peer.await_word().await;
            peer.say(reply("200 OK", OK)).await;
        }
    })
    .await
}

#[tokio::test]
async fn above_the_bound_is_503_with_retry_after_and_below_it_again_is_fine() {
    let host = host_that_waits().await;
    let weir = Weir::in_front_of([&host])
        .with("limits: { body_bytes: 1MiB, buffered_bytes: 1MiB }")
        .await;
    let first = tokio::spawn(chat_of(&weir, 700_000).send());
    host.has_requests(1).await;
    assert_eq!(held(&weir).await, 700_000.0);
    let over = chat_of(&weir, 700_000);
    let over_in_pieces = weir.post("/v1/chat/completions").pieces(
        over.bytes()
            .chunks(50_000)
            .map(|piece| over.bytes().slice_ref(piece))
            .collect::<Vec<_>>(),
    );
    for request in [over, over_in_pieces] {
        for protocol in [Protocol::Http1, Protocol::Http2] {
            let answer = request.clone().over(protocol).send().await;
            answer.assert_error(503, "overloaded");
            assert!(
                answer.header("retry-after").is_some(),
                "{:?}",
                answer.headers
            );
        }
    }
    comes_to("bytes held", 700_000.0, async || held(&weir).await).await;
    // What fits beside the first is served.
    let small = tokio::spawn(chat_of(&weir, 100_000).send());
    host.has_requests(2).await;
    host.go_on();
    host.go_on();
    first.await.expect("it does not panic").assert_status(200);
    small.await.expect("it does not panic").assert_status(200);
    comes_to("bytes held", 0.0, async || held(&weir).await).await;
    host.go_on();
    chat_of(&weir, 700_000).send().await.assert_status(200);
    comes_to("refusals", 4.0, async || {
        weir.metric(r#"weir_requests_total{code="503",fault="buffers_full"}"#)
            .await
    })
    .await;
}

#[tokio::test]
async fn a_compressed_body_counts_as_what_it_unpacks_to() {
    let host = host_that_waits().await;
    let weir = Weir::in_front_of([&host])
        .with("limits: { body_bytes: 1MiB, buffered_bytes: 1MiB }")
        .await;
    let body = chat_of(&weir, 700_000).bytes();
    let packed = zstd::encode_all(&body[..], 1).expect("memory takes it");
    let request = weir
        .post("/v1/chat/completions")
        .body(packed)
        .header("content-encoding", "zstd");
    let first = tokio::spawn(request.clone().send());
    host.has_requests(1).await;
    assert!(held(&weir).await >= 700_000.0);
    request.send().await.assert_error(503, "overloaded");
    host.go_on();
    first.await.expect("it does not panic").assert_status(200);
    comes_to("bytes held", 0.0, async || held(&weir).await).await;
}

#[tokio::test]
async fn everything_is_given_back_after_every_kind_of_ending() {
    let host = Sim::start().await;
    let dead = Upstream::dead().await;
    let weir = Weir::in_front_of([&host as &dyn Host, &dead])
        .with("limits: { body_read: 200ms, body_bytes: 1MiB }\ntimeouts: { total: 300ms, first_byte: 300ms, idle: 300ms }\nmodels: { gone: { targets: [{ upstream: gpu-b, model: x }] }, llama-3.1-8b: { targets: [{ upstream: gpu-a, model: llama-3.1-8b }] } }")
        .await;
    let faults = [
        "status=400",
        "status=503",
        "html_500",
        "garbage",
        "close_before",
        "reset_before",
        "stall",
        "stall after=1",
        "reset",
        "truncate",
        "error_first",
        "error_mid",
        "early_response",
    ];
    for stream in [false, true] {
        weir.chat("success")
            .set("stream", stream)
            .send()
            .await
            .assert_status(200);
        for fault in faults {
            host.arm(&[&format!("{fault} count=1")]);
            weir.chat(fault).set("stream", stream).send().await;
            host.clear_faults();
        }
        weir.chat("dead")
            .model("gone")
            .set("stream", stream)
            .send()
            .await
            .assert_status(503);
        weir.chat("unknown")
            .model("nobody")
            .set("stream", stream)
            .send()
            .await
            .assert_status(404);
    }
    chat_of(&weir, 2 << 20).send().await.assert_status(413);
    weir.post("/v1/chat/completions")
        .body("{")
        .send()
        .await
        .assert_status(400);
    weir.chat("bad")
        .header("content-encoding", "gzip")
        .send()
        .await
        .assert_status(400);
    weir.post("/gpu-a/echo")
        .body("x".repeat(100_000))
        .send()
        .await
        .assert_status(200);
    let head =
        "POST /v1/chat/completions HTTP/1.1\r\nhost: weir\r\ncontent-length: 100000\r\n\r\n{";
    let mut slow = weir.dial().await;
    slow.write(head).await;
    assert!(slow.read_answer().await.0.starts_with("http/1.1 408"));
    slow.close();
    let mut leaving = weir.dial().await;
    leaving.write(head).await;
    leaving.close();
    host.arm(&["stall"]);
    let waiting = tokio::spawn(weir.chat("leaving").send());
    comes_to("requests at the host", 1, async || host.stats().in_flight).await;
    waiting.abort();

    comes_to("bytes held", 0.0, async || held(&weir).await).await;
    comes_to("exchanges in flight", 0.0, async || {
        weir.metric("weir_requests_in_flight").await
    })
    .await;
    comes_to("exchanges in flight upstream", 0.0, async || {
        weir.metric("weir_upstream_in_flight").await
    })
    .await;
    assert_eq!(
        weir.metric(r#"weir_requests_total{fault="internal"}"#)
            .await,
        0.0
    );
}

#[tokio::test]
async fn memory_does_not_grow_with_exchanges() {
    let host = Upstream::answering(reply("200 OK", OK)).await;
    let weir = Weir::in_front_of([&host]).await;
    let round = async || {
        let requests = (0..8).map(|_| chat_of(&weir, 1_000_000).send());
        for answer in futures::future::join_all(requests).await {
            answer.assert_status(200);
        }
    };
    round().await;
    round().await;
    let before = weir.resident_bytes();
    for _ in 0..10 {
        round().await;
    }
    comes_to("bytes held", 0.0, async || held(&weir).await).await;
    let grown = weir.resident_bytes().saturating_sub(before);
    assert!(
        grown < 24 << 20,
        "80 MB have passed, and weir holds {grown} bytes more"
    );
}
