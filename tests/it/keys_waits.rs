//! When no key is free: waiting for the soonest, and saying when it is worth coming back.

use std::time::{Duration, Instant};

use crate::harness::*;

const OK: &str = r#"{"choices":[],"usage":{"prompt_tokens":1,"completion_tokens":1}}"#;

/// A host whose streams go on when they are told to.
async fn host_that_holds_streams() -> Upstream {
    Upstream::start(|mut peer| async move {
        while let Some(request) = peer.request().await {
            if !request.text().contains("\"stream\":true") {
                peer.say(reply("200 OK", OK)).await;
                continue;
            }
            peer.say(stream_head()).await;
            peer.event(Chat::role()).await;
            peer.await_word().await;
            for payload in Chat::stream(&["fine"]) {
                peer.event(payload).await;
            }
            peer.last_chunk().await;
        }
    })
    .await
}

async fn waits(weir: &Weir, outcome: &str) -> f64 {
    let labels = format!(r#"{{reason="key",outcome="{outcome}"}}"#);
    weir.metric(&format!("weir_waits_total{labels}")).await
}

fn retry_after(answer: &Answer) -> u64 {
    let wait = answer.header("retry-after").expect("it says when");
    wait.parse().expect("whole seconds")
}

#[tokio::test]
async fn waits_for_the_soonest_key_and_answers_200() {
    let host = Sim::that(&[
        "status=429 key=sk-a retry_after=60",
        "status=429 key=sk-b for=400ms count=1",
    ])
    .await;
    let weir = Weir::in_front_of([&host])
        .each("rotation: failover")
        .keys(["a", "b"])
        .await;
    let begun = Instant::now();
    let answer = weir.chat("hi").streaming().send().await;
    answer.assert_clean_stream();
    assert!(begun.elapsed() >= Duration::from_millis(400));
    assert_eq!(answer.header("x-weir-attempts"), Some("3"));
    assert_eq!(host.keys_used(), "abb");
    assert_eq!(waits(&weir, "served").await, 1.0);
    assert_eq!(waits(&weir, "in_vain").await, 0.0);
}

/// Field report 35: litellm#3646, a cooldown of the only deployment gave 429 to everyone.
#[tokio::test]
async fn a_short_rest_of_the_only_key_is_nobodys_error() {
    let host = Sim::that(&["status=429 for=300ms count=1"]).await;
    let weir = Weir::in_front_of([&host])
        .keys(["a"])
        .with("failover: { key_wait: 6s }")
        .await;
    weir.chat("hi").send().await.assert_status(200);
    host.arm(&["status=429 for=300ms count=1"]);
    let chats = (0..10).map(|round| weir.chat("hi").set("stream", round % 2 == 0).send());
    for answer in futures::future::join_all(chats).await {
        answer.assert_status(200);
    }
    assert_eq!(waits(&weir, "in_vain").await, 0.0);
}

#[tokio::test]
async fn beyond_the_wait_the_answer_says_when_the_first_key_is_free() {
    let host = Sim::that(&[
        "status=429 key=sk-a retry_after=60",
        "status=429 key=sk-b for=4500ms",
    ])
    .await;
    let weir = Weir::in_front_of([&host])
        .with("failover: { key_wait: 1s }")
        .keys(["a", "b"])
        .await;
    let mut back_at = None;
    for round in 0..3 {
        let begun = Instant::now();
        let answer = weir.chat("hi").set("stream", round % 2 == 0).send().await;
        answer.assert_error(429, "upstream_keys_exhausted");
        assert_eq!(answer.error()["type"], "rate_limit_error");
        // What is not worth waiting for is not waited for.
        assert!(begun.elapsed() < Duration::from_millis(900));
        let says = Duration::from_secs(retry_after(&answer));
        let back_at = *back_at.get_or_insert(begun + Duration::from_millis(4500));
        let left = back_at.saturating_duration_since(Instant::now());
        assert!(says >= left, "{says:?} of {left:?}");
        assert!(says <= Duration::from_secs(5), "{says:?}");
    }
    assert_eq!(host.stats().requests, 2);
    assert_eq!(waits(&weir, "in_vain").await, 0.0);
    comes_to("refusals", 3.0, async || {
        weir.metric(r#"weir_requests_total{code="429",fault="keys_resting"}"#)
            .await
    })
    .await;
}

#[tokio::test]
async fn without_a_wait_the_answer_comes_at_once() {
    let host = Sim::that(&["status=429 for=800ms count=1"]).await;
    let weir = Weir::in_front_of([&host])
        .with("failover: { key_wait: 0s }")
        .keys(["a"])
        .await;
    let answer = weir.chat("hi").send().await;
    answer.assert_error(429, "upstream_keys_exhausted");
    assert_eq!(retry_after(&answer), 1);
    comes_to("status after the rest", 200, async || {
        weir.chat("hi").send().await.status
    })
    .await;
}

#[tokio::test]
async fn no_key_is_waited_for_beyond_the_deadline() {
    let host = Sim::that(&["status=429 for=3000ms"]).await;
    let weir = Weir::in_front_of([&host])
        .with("failover: { key_wait: 60s }\nmodels: { m: { deadline: 500ms, targets: [{ upstream: gpu-a, model: llama-3.1-8b }] } }")
        .keys(["a"])
        .await;
    for _ in 0..2 {
        let begun = Instant::now();
        let answer = weir.chat("hi").model("m").send().await;
        answer.assert_error(429, "upstream_keys_exhausted");
        assert!(begun.elapsed() < Duration::from_millis(2500));
    }
    assert_eq!(host.stats().requests, 1);
}

#[tokio::test]
async fn a_key_that_is_busy_is_waited_for_until_its_exchange_ends() {
    let host = host_that_holds_streams().await;
    let weir = Weir::in_front_of([&host])
        .with("failover: { key_wait: 8s }")
        .keys(["a, concurrency: 1"])
        .await;
    let mut first = weir.chat("hi").streaming().open().await;
    assert!(first.event().await.is_some());
    let second = tokio::spawn(weir.chat("hi").send());
    comes_to("exchanges in flight", 2.0, async || {
        weir.metric("weir_requests_in_flight").await
    })
    .await;
    assert_eq!(host.requests().len(), 1);
    host.go_on();
    first.rest().await.assert_clean_stream();
    second.await.expect("it does not panic").assert_status(200);
    assert_eq!(waits(&weir, "served").await, 1.0);
}

#[tokio::test]
async fn a_wait_in_vain_ends_in_429() {
    let host = host_that_holds_streams().await;
    let weir = Weir::in_front_of([&host])
        .with("failover: { key_wait: 300ms }")
        .keys(["a, concurrency: 1"])
        .await;
    let mut first = weir.chat("hi").streaming().open().await;
    assert!(first.event().await.is_some());
    let begun = Instant::now();
    let answer = weir.chat("hi").send().await;
    answer.assert_error(429, "upstream_keys_exhausted");
    assert!(retry_after(&answer) >= 1);
    // The last look is up to 50 ms before the end.
    assert!(begun.elapsed() >= Duration::from_millis(240));
    assert_eq!(waits(&weir, "in_vain").await, 1.0);
    host.go_on();
    first.rest().await.assert_clean_stream();
    assert_eq!(host.requests().len(), 1);
}

#[tokio::test]
async fn a_client_that_leaves_while_it_waits_leaves_nothing_behind() {
    let host = host_that_holds_streams().await;
    let weir = Weir::in_front_of([&host])
        .with("failover: { key_wait: 60s }")
        .keys(["a, concurrency: 1, requests_per_minute: 2"])
        .await;
    let mut first = weir.chat("hi").streaming().open().await;
    assert!(first.event().await.is_some());
    let in_flight = async || weir.metric("weir_requests_in_flight").await;
    for protocol in [Protocol::Http1, Protocol::Http2] {
        let waiting = tokio::spawn(weir.chat("hi").over(protocol).send());
        comes_to("exchanges in flight", 2.0, in_flight).await;
        waiting.abort();
        comes_to("exchanges in flight", 1.0, in_flight).await;
    }
    comes_to("bytes held", 0.0, async || {
        weir.metric("weir_buffered_body_bytes").await
    })
    .await;
    host.go_on();
    first.rest().await.assert_clean_stream();
    // Neither of the two has cost the key anything.
    weir.chat("hi").send().await.assert_status(200);
    assert_eq!(host.requests().len(), 2);
    comes_to("exchanges in flight", 0.0, in_flight).await;
    let lines = weir.access_lines(4).await;
    let gone = |line: &&serde_json::Value| line["fault"] == "client_gone";
    assert_eq!(lines.iter().filter(gone).count(), 2);
}
