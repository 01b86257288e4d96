//! Probes for a WebSocket, and hosts that answer in HTML, in nothing, or in errors of their own.

use http::Method;

use crate::harness::*;

#[tokio::test]
async fn case_14_a_websocket_probe_on_responses_is_answered_426() {
    let host = Sim::start().await;
    let weir = Weir::in_front_of([&host]).await;
    for path in ["/v1/responses", "/responses", "/v1/responses/"] {
        let probe = weir
            .get(path)
            .header("connection", "Upgrade")
            .header("upgrade", "websocket")
            .header("sec-websocket-version", "13")
            .header("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ==");
        probe
            .send()
            .await
            .assert_error(426, "websocket_not_supported");
    }
    assert_eq!(host.stats().requests, 0);
    // Without the upgrade it is a wrong method.
    let answer = weir.request(Method::GET, "/v1/responses").send().await;
    answer.assert_error(405, "method_not_allowed");
    assert_eq!(answer.header("allow"), Some("POST"));
}

#[tokio::test]
async fn case_15_html_and_emptiness_become_clear_errors_with_the_real_status() {
    let cases = [
        ("html_500", 500, "upstream_error"),
        ("empty_502", 502, "upstream_error"),
        ("html_200", 502, "upstream_invalid_response"),
        ("garbage", 502, "upstream_invalid_response"),
        ("close_before", 502, "upstream_closed"),
        ("reset_before", 502, "upstream_closed"),
    ];
    let host = Sim::start().await;
    let weir = Weir::in_front_of([&host]).await;
    for (fault, status, code) in cases {
        for stream in [false, true] {
            host.clear_faults();
            host.arm(&[fault]);
            let answer = weir.chat("hi").set("stream", stream).send().await;
            println!("{fault}: {}", answer.text());
            answer.assert_error(status, code);
            assert!(
                answer.text().contains("`gpu-a`"),
                "{fault}: {}",
                answer.text()
            );
            assert!(
                !answer.text().contains('<') && !answer.text().contains("127.0.0.1"),
                "{fault}: {}",
                answer.text()
            );
        }
    }
}

#[tokio::test]
async fn case_15_bodies_that_are_no_json_by_status_and_type() {
    let html = "<html><body><h1>502 Bad Gateway</h1></body></html>";
    type Headers = &'static [(&'static str, &'static str)];
    let cases: [(&str, Headers, &str, u16); 9] = [
        (
            "502 Bad Gateway",
            &[("content-type", "text/html")],
            html,
            502,
        ),
        ("503 Service Unavailable", &[], "", 503),
        (
            "503 Service Unavailable",
            &[("content-type", "text/plain")],
            "no healthy upstream",
            503,
        ),
        (
            "404 Not Found",
            &[("content-type", "text/plain")],
            "404 page not found",
            404,
        ),
        (
            "400 Bad Request",
            &[("content-type", "text/html")],
            html,
            400,
        ),
        (
            "429 Too Many Requests",
            &[("content-type", "text/html")],
            html,
            429,
        ),
        // What is called JSON and is none.
        (
            "500 Internal Server Error",
            &[("content-type", "application/json")],
            html,
            500,
        ),
        ("200 OK", &[("content-type", "application/json")], html, 502),
        (
            "301 Moved Permanently",
            &[("location", "https://elsewhere.example/")],
            "",
            502,
        ),
    ];
    for (line, headers, body, status) in cases {
        let host = Upstream::answering(http(line, headers, body)).await;
        let weir = Weir::in_front_of([&host]).await;
        for stream in [false, true] {
            let answer = weir.chat("hi").set("stream", stream).send().await;
            println!("{line} {headers:?}: {}", answer.text());
            answer.assert_status(status).assert_whole();
            assert!(
                answer.error()["message"]
                    .as_str()
                    .is_some_and(|message| message.contains("gpu-a")),
                "{}",
                answer.text()
            );
            assert!(!answer.text().contains("<html"), "{}", answer.text());
            assert_eq!(answer.header("location"), None);
        }
    }
}

#[tokio::test]
async fn case_15_another_host_makes_good_what_one_answers_in_html() {
    for fault in [
        "html_500",
        "empty_502",
        "html_200",
        "garbage",
        "close_before",
        "reset_before",
        "status=503",
    ] {
        let (odd, sound) = (Sim::that(&[fault]).await, Sim::start().await);
        let weir = Weir::in_front_of([&odd, &sound]).with(GPU_A_FIRST).await;
        for stream in [false, true] {
            let answer = weir
                .chat("hi")
                .model("m")
                .set("stream", stream)
                .send()
                .await;
            answer.assert_status(200);
        }
        assert_eq!(
            (odd.stats().requests, sound.stats().finished),
            (2, 2),
            "{fault}"
        );
    }
}

#[tokio::test]
async fn case_16_an_error_of_the_host_passes_byte_by_byte() {
    let odd = "{ \"error\" :\t{\"message\":\"prompt is too long: 9999999 tokens > 131072 maximum\",\"type\":\"invalid_request_error\",\"param\":null,\"code\":1.0e2, \"x\":\"\\u00e9\"} }\n";
    for status in [
        "400 Bad Request",
        "404 Not Found",
        "409 Conflict",
        "413 Payload Too Large",
        "422 Unprocessable Entity",
        "429 Too Many Requests",
        "500 Internal Server Error",
        "503 Service Unavailable",
        "529 Overloaded",
    ] {
        let headers = [
            ("content-type", "application/json; charset=utf-8"),
            ("retry-after", "7"),
            ("x-ratelimit-remaining-tokens", "0"),
            ("x-should-retry", "false"),
        ];
        let host = Upstream::answering(http(status, &headers, odd)).await;
        let weir = Weir::in_front_of([&host]).await;
        for protocol in [Protocol::Http1, Protocol::Http2] {
            let answer = weir.chat("hi").over(protocol).send().await;
            answer.assert_status(status[..3].parse().expect("a number"));
            assert_eq!(answer.text(), odd, "{status}");
            for (name, value) in headers {
                assert_eq!(answer.header(name), Some(value), "{status}");
            }
        }
    }
}

#[tokio::test]
async fn case_16_a_client_error_is_not_tried_elsewhere() {
    for status in [400, 404, 409, 413, 422] {
        let hosts = [
            Sim::that(&[&format!("status={status}")]).await,
            Sim::that(&[&format!("status={status}")]).await,
        ];
        let weir = Weir::in_front_of(&hosts).await;
        weir.chat("hi").send().await.assert_status(status);
        assert_eq!(
            hosts[0].stats().requests + hosts[1].stats().requests,
            1,
            "{status}"
        );
    }
}

#[tokio::test]
async fn case_16_when_all_hosts_refuse_the_last_ones_words_pass() {
    let refusal = |name: &str| {
        reply(
            "429 Too Many Requests",
            format!(r#"{{"error":{{"message":"{name} is full"}}}}"#),
        )
    };
    let (a, b) = (
        Upstream::answering(refusal("a")).await,
        Upstream::answering(refusal("b")).await,
    );
    let weir = Weir::in_front_of([&a, &b]).with(GPU_A_FIRST).await;
    let answer = weir.chat("hi").model("m").send().await;
    answer.assert_status(429);
    assert_eq!(answer.text(), r#"{"error":{"message":"b is full"}}"#);
}

#[tokio::test]
async fn case_16_the_hosts_own_refusal_of_weirs_key_is_no_refusal_of_the_client() {
    let host = Sim::with(|options| options.api_key = Some("right".to_owned())).await;
    let weir = Weir::in_front_of([&host])
        .each("keys: [{ label: main, value: wrong }]")
        .await;
    let answer = weir.chat("hi").send().await;
    answer.assert_error(502, "upstream_credential_refused");
    assert!(!weir.everything_written().contains("wrong"));
}
