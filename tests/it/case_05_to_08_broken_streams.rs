//! Streams that end too early, in errors, or not at all. A client never takes a broken answer for a whole one.

use crate::harness::*;

/// A host that sends the first `x-events` events of a stream, and then ends as `x-end` says.
async fn host_that_breaks_off(payloads: Vec<String>) -> Upstream {
    Upstream::start(move |mut peer| {
        let payloads = payloads.clone();
        async move {
            while let Some(request) = peer.request().await {
                let count: usize = request
                    .header("x-events")
                    .and_then(|count| count.parse().ok())
                    .expect("the test says how many");
                let end = request
                    .header("x-end")
                    .expect("the test says how")
                    .to_owned();
                if end == "close of a body without a length" {
                    peer.say("HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\n")
                        .await;
                    peer.say(events(&payloads[..count])).await;
                    return;
                }
                peer.say(stream_head()).await;
                for payload in &payloads[..count] {
                    peer.event(payload).await;
                }
                match end.as_str() {
                    "end" => peer.last_chunk().await,
                    "close" => return,
                    "reset" => {
                        peer.await_word().await;
                        return peer.reset();
                    }
                    other => panic!("{other}"),
                };
            }
        }
    })
    .await
}

fn broken_off(weir: &Weir, count: usize, end: &str) -> Request {
    weir.chat("hi")
        .streaming()
        .header("x-events", &count.to_string())
        .header("x-end", end)
}

#[tokio::test]
async fn case_05_a_stream_that_ends_before_its_finish_ends_in_an_error() {
    let payloads = Chat::stream(&["a", "b"]);
    let host = host_that_breaks_off(payloads.clone()).await;
    let weir = Weir::in_front_of([&host]).await;
    for end in ["end", "close", "close of a body without a length"] {
        for count in 1..payloads.len() - 1 {
            let answer = broken_off(&weir, count, end).send().await;
            answer.assert_status(200).assert_whole();
            assert_eq!(
                answer.error_event()["code"],
                "upstream_truncated",
                "{end} after {count}"
            );
            assert_eq!(
                answer.payloads()[..count],
                payloads[..count],
                "{end} after {count}"
            );
        }
    }
    comes_to("truncated answers", 9.0, async || {
        weir.metric(r#"weir_requests_total{fault="truncated",code="200"}"#)
            .await
    })
    .await;
}

#[tokio::test]
async fn case_05_a_stream_that_lacks_only_its_end_marker_gets_it() {
    let payloads = Chat::stream(&["a", "b"]);
    let host = host_that_breaks_off(payloads.clone()).await;
    let weir = Weir::in_front_of([&host]).await;
    for end in ["end", "close of a body without a length"] {
        let answer = broken_off(&weir, payloads.len() - 1, end).send().await;
        answer.assert_clean_stream();
        assert_eq!(answer.payloads(), payloads, "{end}");
    }
    comes_to("whole answers", 2.0, async || {
        weir.metric(r#"weir_requests_total{fault="none"}"#).await
    })
    .await;
}

#[tokio::test]
async fn case_05_a_stream_with_its_end_marker_gets_no_second_one() {
    let payloads = Chat::stream(&["a"]);
    let host = host_that_breaks_off(payloads.clone()).await;
    let weir = Weir::in_front_of([&host]).await;
    for end in ["end", "close", "close of a body without a length"] {
        let answer = broken_off(&weir, payloads.len(), end).send().await;
        answer.assert_clean_stream();
        assert_eq!(answer.text(), events(&payloads), "{end}");
    }
}

#[tokio::test]
async fn case_05_a_stream_without_any_event_is_an_error_with_a_status() {
    let host = host_that_breaks_off(Chat::stream(&["a"])).await;
    let weir = Weir::in_front_of([&host]).await;
    for end in ["end", "close", "close of a body without a length"] {
        broken_off(&weir, 0, end)
            .send()
            .await
            .assert_error(502, "upstream_truncated");
    }
}

#[tokio::test]
async fn case_05_a_stream_without_any_event_is_tried_elsewhere() {
    let broken = Sim::that(&["truncate after=0"]).await;
    let sound = Sim::start().await;
    let weir = Weir::in_front_of([&broken, &sound]).await;
    for _ in 0..4 {
        weir.chat("hi")
            .streaming()
            .send()
            .await
            .assert_clean_stream();
    }
    assert_eq!(sound.stats().finished, 4);
}

#[tokio::test]
async fn case_05_the_sims_cuts_after_each_event_are_all_seen() {
    let host = Sim::with(|options| options.tokens = 4).await;
    let weir = Weir::in_front_of([&host]).await;
    // A role, four words; then the finish.
    for after in 1..=5 {
        for style in ["clean", "cut"] {
            host.arm(&[&format!("truncate style={style} after={after} count=1")]);
            let answer = weir.chat("hi").streaming().send().await;
            assert_eq!(
                answer.error_event()["code"],
                "upstream_truncated",
                "{style} after {after}"
            );
        }
    }
    host.arm(&["no_done count=1"]);
    weir.chat("hi")
        .streaming()
        .send()
        .await
        .assert_clean_stream();
}

#[tokio::test]
async fn case_05_half_an_event_at_the_end_does_not_reach_the_client_as_one() {
    let body = format!(
        "{}data: {{\"choices\":[{{\"delta\":{{\"con",
        events([Chat::role()])
    );
    let host = Upstream::streaming(body).await;
    let weir = Weir::in_front_of([&host]).await;
    let answer = weir.chat("hi").streaming().send().await;
    assert_eq!(answer.error_event()["code"], "upstream_truncated");
    assert_eq!(answer.payloads().len(), 2);
}

#[tokio::test]
async fn case_05_a_cut_answer_that_is_no_stream_is_never_passed() {
    let cases = [
        (
            "a length that is not reached",
            "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 90\r\n\r\n{\"choices\":[",
        ),
        (
            "chunks without the last",
            "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n\r\nc\r\n{\"choices\":[\r\n",
        ),
        (
            "a close without a length",
            "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n\r\n{\"choices\":[",
        ),
        (
            "nothing at all",
            "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n\r\n",
        ),
    ];
    for (what, bytes) in cases {
        let cut = move || {
            Upstream::start(move |mut peer| async move {
                peer.request().await;
                peer.say(bytes).await;
            })
        };
        let (alone, first) = (cut().await, cut().await);
        let weir = Weir::in_front_of([&alone]).await;
        println!("{what}");
        weir.chat("hi")
            .send()
            .await
            .assert_error(502, "upstream_truncated");
        let sound = Sim::start().await;
        let weir = Weir::in_front_of([&first as &dyn Host, &sound])
            .with(GPU_A_FIRST)
            .await;
        weir.chat("hi").model("m").send().await.assert_status(200);
        assert_eq!(
            (first.connections(), sound.stats().finished),
            (1, 1),
            "{what}"
        );
    }
}

#[tokio::test]
async fn case_06_a_reset_in_the_middle_ends_in_an_error_event_and_is_counted() {
    let payloads = Chat::stream(&["a", "b"]);
    let host = host_that_breaks_off(payloads.clone()).await;
    let weir = Weir::in_front_of([&host]).await;
    let mut broken = 0.0;
    for protocol in [Protocol::Http1, Protocol::Http2] {
        for count in 1..payloads.len() - 1 {
            let mut stream = broken_off(&weir, count, "reset")
                .over(protocol)
                .open()
                .await;
            for expected in &payloads[..count] {
                assert_eq!(stream.event().await.as_ref(), Some(expected));
            }
            host.go_on();
            let rest = stream.rest().await;
            assert_eq!(
                rest.error_event()["code"],
                "upstream_truncated",
                "{protocol:?} after {count}"
            );
            assert_eq!(rest.broken, None);
            broken += 1.0;
        }
    }
    assert_eq!(
        weir.metric(r#"weir_requests_total{fault="truncated",upstream="gpu-a"}"#)
            .await,
        broken
    );
    assert_eq!(weir.metric("weir_requests_in_flight").await, 0.0);
}

#[tokio::test]
async fn case_06_a_reset_of_an_http_2_stream_ends_in_an_error_event() {
    let host = Sim::that(&["reset style=stream after=3"]).await;
    let weir = Weir::in_front_of([&host]).each("http: http2").await;
    for _ in 0..3 {
        let answer = weir.chat("hi").streaming().send().await;
        assert_eq!(answer.error_event()["code"], "upstream_truncated");
    }
    assert_eq!(
        host.stats().connections,
        1,
        "the connection itself is sound"
    );
}

#[tokio::test]
async fn case_06_a_reset_in_the_middle_of_a_long_plain_answer_closes_the_connection() {
    let host = Upstream::start(|mut peer| async move {
        peer.request().await;
        peer.say("HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n").await;
        for _ in 0..40 {
            peer.chunk(vec![b' '; 64 * 1024]).await;
        }
        peer.await_word().await;
        peer.reset();
    })
    .await;
    let weir = Weir::in_front_of([&host]).await;
    for protocol in [Protocol::Http1, Protocol::Http2] {
        let mut opened = weir.chat("hi").over(protocol).open().await;
        assert_eq!(opened.status, 200);
        assert!(opened.piece().await.is_some());
        host.go_on();
        let answer = opened.rest().await;
        assert!(
            answer.broken.is_some(),
            "{protocol:?}: a broken answer passed for whole"
        );
    }
}

#[tokio::test]
async fn case_07_an_error_as_the_first_event_is_tried_elsewhere() {
    let failing = Sim::that(&["error_first=503"]).await;
    let sound = Sim::start().await;
    let weir = Weir::in_front_of([&failing, &sound])
        .with(GPU_A_FIRST)
        .await;
    for _ in 0..4 {
        weir.chat("hi")
            .model("m")
            .streaming()
            .send()
            .await
            .assert_clean_stream();
    }
    assert_eq!((failing.stats().requests, sound.stats().finished), (4, 4));
    assert_eq!(
        weir.metric(r#"weir_upstream_attempts_total{upstream="gpu-a",outcome="first_event"}"#)
            .await,
        4.0
    );
}

#[tokio::test]
async fn case_07_an_error_as_the_first_event_has_its_status_and_its_words() {
    let words = r#"{"error":{"message":"the engine is on fire","type":"rate_limit_error","param":null,"code":"fire","x": 1.50}}"#;
    let host = Upstream::streaming(events([words])).await;
    let weir = Weir::in_front_of([&host]).await;
    for protocol in [Protocol::Http1, Protocol::Http2] {
        let answer = weir.chat("hi").streaming().over(protocol).send().await;
        answer.assert_status(429).assert_whole();
        assert_eq!(answer.text(), words);
        assert_eq!(answer.header("content-type"), Some("application/json"));
    }
}

#[tokio::test]
async fn case_07_statuses_of_first_events() {
    let cases = [
        (
            r#"{"error":{"message":"x","type":"BadRequestError","param":null,"code":400}}"#,
            400,
        ),
        (
            r#"{"error":{"message":"x","type":"server_error","param":null,"code":"503"}}"#,
            503,
        ),
        (
            r#"{"object":"error","message":"x","type":"BadRequestError","param":null,"code":400}"#,
            400,
        ),
        (r#"{"error":{"message":"x"}}"#, 502),
        (r#"{"error":"x"}"#, 502),
    ];
    for (payload, status) in cases {
        let host = Upstream::streaming(events([payload])).await;
        let weir = Weir::in_front_of([&host]).await;
        let answer = weir.chat("hi").streaming().send().await;
        answer.assert_status(status);
        assert!(
            answer.error()["message"].is_string(),
            "{payload}: {}",
            answer.text()
        );
    }
}

#[tokio::test]
async fn case_07_a_refusal_of_the_request_itself_as_the_first_event_stands() {
    let refusing = Sim::that(&["error_first=400"]).await;
    let other = Sim::start().await;
    let weir = Weir::in_front_of([&refusing, &other])
        .with(GPU_A_FIRST)
        .await;
    let answer = weir.chat("hi").model("m").streaming().send().await;
    answer.assert_status(400);
    assert_eq!((refusing.stats().requests, other.stats().requests), (1, 0));
}

#[tokio::test]
async fn case_07_an_error_event_named_so_counts_as_one() {
    let body =
        "event: error\ndata: {\"message\":\"x\",\"type\":\"error\",\"code\":\"overloaded\"}\n\n";
    let host = Upstream::streaming(body).await;
    let weir = Weir::in_front_of([&host]).await;
    let answer = weir.chat("hi").streaming().send().await;
    assert!(answer.status >= 400, "{}", answer.text());
    assert_eq!(answer.error()["message"], "x");
}

#[tokio::test]
async fn case_08_an_error_event_in_the_middle_passes_in_its_own_words_and_ends_the_stream() {
    let error = r#"{"error":{"message":"cuda out of memory","type":"server_error","param":null,"code":500}}"#;
    let body = events([Chat::role(), error.to_owned(), "[DONE]".to_owned()]);
    let host = Upstream::streaming(body).await;
    let weir = Weir::in_front_of([&host]).await;
    let answer = weir.chat("hi").streaming().send().await;
    answer.assert_whole();
    assert_eq!(answer.text(), events([Chat::role(), error.to_owned()]));
    assert_eq!(answer.error_event()["code"], 500);
    assert_eq!(
        weir.metric(r#"weir_requests_total{fault="error_event"}"#)
            .await,
        1.0
    );
}

#[tokio::test]
async fn case_08_a_stream_of_responses_never_gets_a_chat_end_marker() {
    let body = "event: response.created\ndata: {\"type\":\"response.created\",\"sequence_number\":0}\n\nevent: response.output_text.delta\ndata: {\"type\":\"response.output_text.delta\",\"delta\":\"a\",\"sequence_number\":1}\n\n";
    let host = Upstream::streaming(body).await;
    let weir = Weir::in_front_of([&host]).await;
    let request = weir
        .post("/v1/responses")
        .json(serde_json::json!({"model": MODEL, "input": "hi", "stream": true}));
    let answer = request.send().await;
    assert!(answer.text().starts_with(body), "{}", answer.text());
    assert!(!answer.text().contains("[DONE]"), "{}", answer.text());
    let told = &answer.text()[body.len()..];
    assert!(
        told.starts_with("event: error\ndata: {\"type\":\"error\""),
        "{told}"
    );
    assert_eq!(told.matches("data:").count(), 1, "{told}");
}

#[tokio::test]
async fn case_08_events_that_weir_does_not_know_pass_unchanged() {
    let known = "event: response.created\ndata: {\"type\":\"response.created\"}\n\n";
    let unknown = "event: response.hologram.delta\ndata: {\"type\":\"response.hologram.delta\", \"x\": 1.0}\n\n";
    let end = "event: response.completed\ndata: {\"type\":\"response.completed\",\"response\":{\"usage\":{\"input_tokens\":3,\"output_tokens\":2}}}\n\n";
    let body = [known, unknown, end].concat();
    let host = Upstream::streaming(&body).await;
    let weir = Weir::in_front_of([&host]).await;
    let request = weir
        .post("/v1/responses")
        .json(serde_json::json!({"model": MODEL, "input": "hi", "stream": true}));
    let answer = request.send().await;
    answer.assert_status(200).assert_whole();
    assert_eq!(answer.text(), body);
    let line = weir.access_line().await;
    assert_eq!(
        (&line["input_tokens"], &line["output_tokens"]),
        (&3.into(), &2.into())
    );
}

#[tokio::test]
async fn case_08_a_stream_of_completions_that_breaks_off_ends_in_an_error() {
    let host = Sim::that(&["truncate after=2"]).await;
    let weir = Weir::in_front_of([&host]).await;
    let request = weir
        .post("/v1/completions")
        .json(serde_json::json!({"model": MODEL, "prompt": "hi", "stream": true}));
    assert_eq!(
        request.send().await.error_event()["code"],
        "upstream_truncated"
    );
}

#[tokio::test]
async fn case_08_a_stall_ends_in_an_error_event() {
    let host = Sim::that(&["stall after=2"]).await;
    let weir = Weir::in_front_of([&host])
        .with("timeouts: { idle: 150ms }")
        .await;
    let answer = weir.chat("hi").streaming().send().await;
    assert_eq!(answer.error_event()["code"], "upstream_stalled");
    assert_eq!(
        weir.metric(r#"weir_requests_total{fault="stalled"}"#).await,
        1.0
    );
    comes_to("requests in flight at the host", 0, async || {
        host.stats().in_flight
    })
    .await;
}
