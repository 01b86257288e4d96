//! What an upstream's refusals do to a key: which rests, for which models, and for how long.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use chrono::{DateTime, SecondsFormat, Utc};
use serde_json::json;

use crate::harness::*;

const OK: &str = r#"{"choices":[],"usage":{"prompt_tokens":1,"completion_tokens":1}}"#;

fn now() -> DateTime<Utc> {
    SystemTime::now().into()
}

async fn chats(weir: &Weir, count: usize) {
    for _ in 0..count {
        weir.chat("hi").send().await.assert_status(200);
    }
}

async fn rests(weir: &Weir, key: &str, reason: &str) -> f64 {
    let labels = format!(r#"{{upstream="gpu-a",key="{key}",reason="{reason}"}}"#);
    weir.metric(&format!("weir_upstream_key_rests_total{labels}"))
        .await
}

async fn is_in(weir: &Weir, key: &str, state: &str) -> bool {
    let labels = format!(r#"{{upstream="gpu-a",key="{key}",state="{state}"}}"#);
    weir.metric(&format!("weir_upstream_key_state{labels}"))
        .await
        == 1.0
}

// ---- 429 ----------------------------------------------------------------------------------------------------------

#[tokio::test]
async fn falls_over_to_the_next_key_on_429() {
    let host = Sim::that(&["status=429 key=sk-a retry_after=60"]).await;
    let weir = Weir::in_front_of([&host])
        .each("rotation: failover")
        .keys(["a", "b"])
        .await;
    for stream in [false, true] {
        weir.chat("hi")
            .set("stream", stream)
            .send()
            .await
            .assert_status(200)
            .assert_whole();
    }
    assert_eq!(host.keys_used(), "abb");
    let lines = weir.access_lines(2).await;
    let told = |line: &serde_json::Value| {
        (
            line["key"].clone(),
            line["attempts"].clone(),
            line["fault"].clone(),
        )
    };
    assert_eq!(told(&lines[0]), (json!("b"), json!(2), json!(null)));
    assert_eq!(told(&lines[1]), (json!("b"), json!(1), json!(null)));
    assert_eq!(rests(&weir, "a", "rate_limited").await, 1.0);
    assert_eq!(
        weir.metric(r#"weir_failovers_total{upstream="gpu-a",reason="upstream_status"}"#)
            .await,
        1.0
    );
}

/// Field report 29: agentgateway#1500, a 429 without Retry-After did not fail over.
#[tokio::test]
async fn falls_over_to_the_next_key_on_429_without_retry_after() {
    let host = Upstream::start(|mut peer| async move {
        while let Some(request) = peer.request().await {
            let answer = match request.key() {
                "sk-a" => reply(
                    "429 Too Many Requests",
                    r#"{"error":{"message":"slow down"}}"#,
                ),
                _ => reply("200 OK", OK),
            };
            peer.say(answer).await;
        }
    })
    .await;
    let weir = Weir::in_front_of([&host])
        .each("rotation: failover")
        .each("key_cooldown: { first: 60s }")
        .keys(["a", "b"])
        .await;
    let answer = weir.chat("hi").send().await;
    answer.assert_status(200);
    assert_eq!(answer.header("x-weir-attempts"), Some("2"));
    chats(&weir, 2).await;
    assert_eq!(host.keys_used(), "abbb");
}

#[tokio::test]
async fn a_429_rests_the_key_for_this_model_and_not_for_its_others() {
    let host = Sim::with(|options| options.models = vec!["m1".into(), "m2".into()]).await;
    let weir = Weir::in_front_of([&host])
        .each("rotation: failover")
        .keys(["a", "b"])
        .await;
    let ask = async |prompt: &str, model: &str| {
        let answer = weir.chat(prompt).model(model).send().await;
        answer.assert_status(200);
    };
    ask("[[fault:status=429 key=sk-a retry_after=60]]", "m1").await;
    ask("hi", "m1").await;
    ask("hi", "m2").await;
    ask("hi", "m1").await;
    assert_eq!(host.keys_used(), "abbab");
    assert!(is_in(&weir, "a", "ready").await);
}

/// Field report 34: sglang#25811, 4xx of one client took the whole fleet out.
#[tokio::test]
async fn refusals_of_a_key_say_nothing_against_the_endpoint() {
    let host = Sim::start().await;
    let weir = Weir::in_front_of([&host])
        .with("health: { probe: off, failures: 1, samples: 1, error_rate: 1% }")
        .each("key_cooldown: { first: 100ms, max: 100ms, quota: 100ms }")
        .keys(["a", "b", "c", "d", "e", "f"])
        .await;
    for fault in [
        "status=429 for=100ms",
        "status=402",
        "status=429 style=insufficient_quota",
        "status=403",
        "status=401",
    ] {
        host.arm(&[&format!("{fault} count=1")]);
        chats(&weir, 2).await;
    }
    assert_eq!(weir.metric("weir_endpoint_changes_total").await, 0.0);
    let labels = r#"{upstream="gpu-a",state="healthy"}"#;
    let healthy = weir.metric(&format!("weir_endpoint_state{labels}")).await;
    assert_eq!(healthy, 1.0);
    assert_eq!(
        weir.metric(r#"weir_upstream_key_rests_total{upstream="gpu-a"}"#)
            .await,
        5.0
    );
}

/// A host that refuses the first request for each model with the headers of that model.
async fn refusing_once(headers: Vec<Vec<(&'static str, String)>>) -> Upstream {
    let seen: std::sync::Arc<std::sync::Mutex<Vec<String>>> = std::sync::Arc::default();
    Upstream::start(move |mut peer| {
        let (headers, seen) = (headers.clone(), seen.clone());
        async move {
            while let Some(request) = peer.request().await {
                let body: serde_json::Value =
                    serde_json::from_slice(&request.body).expect("it is JSON");
                let model = body["model"].as_str().expect("a model").to_owned();
                let first = {
                    let mut seen = seen.lock().expect("no script has panicked");
                    let first = !seen.contains(&model);
                    seen.push(model.clone());
                    first
                };
                let answer = match first {
                    true => {
                        let index: usize = model[1..].parse().expect("a number");
                        let mut said = vec![("content-type", "application/json")];
                        said.extend(
                            headers[index]
                                .iter()
                                .map(|(name, value)| (*name, value.as_str())),
                        );
                        http(
                            "429 Too Many Requests",
                            &said,
                            r#"{"error":{"message":"x"}}"#,
                        )
                    }
                    false => reply("200 OK", OK),
                };
                peer.say(answer).await;
            }
        }
    })
    .await
}

#[tokio::test]
async fn a_key_rests_for_as_long_as_the_answer_says_in_any_of_its_forms() {
    let date = now() + Duration::from_secs(3);
    let http_date = date.format("%a, %d %b %Y %H:%M:%S GMT").to_string();
    let rfc3339 = date.to_rfc3339_opts(SecondsFormat::Secs, true);
    let text = str::to_owned;
    let wall = SystemTime::now();
    let whole_second = UNIX_EPOCH + Duration::from_secs(date.timestamp().unsigned_abs());
    let ahead = whole_second.duration_since(wall).expect("it lies ahead");
    let whole_second = Instant::now() + ahead;
    // The least rest; `None`: until the date.
    let forms = [
        (
            vec![("retry-after-ms", text("400"))],
            Some(Duration::from_millis(400)),
        ),
        (
            vec![("retry-after", text("1"))],
            Some(Duration::from_secs(1)),
        ),
        (
            vec![("retry-after", text("0.5"))],
            Some(Duration::from_millis(500)),
        ),
        // The most exact counts.
        (
            vec![("retry-after", text("60")), ("retry-after-ms", text("300"))],
            Some(Duration::from_millis(300)),
        ),
        (vec![("retry-after", http_date)], None),
        (
            vec![
                ("x-ratelimit-limit-requests", text("60")),
                ("x-ratelimit-remaining-requests", text("0")),
                ("x-ratelimit-reset-requests", text("700ms")),
                ("x-ratelimit-remaining-tokens", text("149984")),
                ("x-ratelimit-reset-tokens", text("6m0s")),
            ],
            Some(Duration::from_millis(700)),
        ),
        (
            vec![
                ("anthropic-ratelimit-requests-remaining", text("0")),
                ("anthropic-ratelimit-requests-reset", rfc3339),
            ],
            None,
        ),
    ];
    let models: Vec<String> = (0..forms.len()).map(|index| format!("m{index}")).collect();
    let host = refusing_once(forms.iter().map(|(headers, _)| headers.clone()).collect()).await;
    // Without a word the key would rest for longer than anybody waits here.
    let weir = Weir::in_front_of([&host])
        .each(&format!("models: {}", json!(models)))
        .each("key_cooldown: { first: 60s }")
        .with("failover: { key_wait: 6s }")
        .keys(["a"])
        .await;
    let asked = models.iter().map(async |model| {
        let answer = weir.chat("hi").model(model).send().await;
        answer.assert_status(200);
        assert_eq!(answer.header("x-weir-attempts"), Some("2"), "{model}");
    });
    futures::future::join_all(asked).await;
    for (index, (headers, wait)) in forms.iter().enumerate() {
        let model = format!("\"m{index}\"");
        let requests = host.requests();
        let mut times = requests.iter().filter(|seen| seen.text().contains(&model));
        let (first, second) = (times.next().expect("one"), times.next().expect("two"));
        // Dates have whole seconds; the two times are taken a moment apart from weir's own.
        let slack = Duration::from_millis(20);
        match wait {
            Some(wait) => assert!(second.at - first.at + slack >= *wait, "{headers:?}"),
            None => assert!(second.at + slack >= whole_second, "{headers:?}"),
        }
    }
}

#[tokio::test]
async fn without_a_word_rests_grow_and_a_success_ends_that() {
    let count = std::sync::Arc::new(std::sync::atomic::AtomicUsize::new(0));
    let host = Upstream::start(move |mut peer| {
        let count = count.clone();
        async move {
            while peer.request().await.is_some() {
                let number = count.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
                let refused = matches!(number, 0..=2 | 4);
                let answer = match refused {
                    true => reply("429 Too Many Requests", r#"{"error":{"message":"x"}}"#),
                    false => reply("200 OK", OK),
                };
                peer.say(answer).await;
            }
        }
    })
    .await;
    let weir = Weir::in_front_of([&host])
        .each("key_cooldown: { first: 200ms, max: 60s }")
        .with("failover: { key_wait: 8s }")
        .keys(["a"])
        .await;
    chats(&weir, 2).await;
    let times: Vec<Instant> = host.requests().iter().map(|seen| seen.at).collect();
    assert_eq!(times.len(), 6);
    let gap = |index: usize| (times[index + 1] - times[index]).as_millis();
    // Up to a fifth less by chance.
    assert!(gap(0) >= 150 && gap(1) >= 310 && gap(2) >= 630, "{times:?}");
    assert!(gap(4) >= 150 && gap(4) < 600, "{times:?}");
}

#[tokio::test]
async fn a_429_as_the_first_event_of_a_stream_rests_the_key_too() {
    let host = Upstream::start(|mut peer| async move {
        while let Some(request) = peer.request().await {
            peer.say(stream_head()).await;
            match request.key() {
                "sk-a" => {
                    peer.event(
                        r#"{"error":{"message":"slow down","type":"rate_limit_error","code":429}}"#,
                    )
                    .await;
                }
                _ => {
                    for payload in Chat::stream(&["fine"]) {
                        peer.event(payload).await;
                    }
                }
            }
            peer.last_chunk().await;
        }
    })
    .await;
    let weir = Weir::in_front_of([&host])
        .each("rotation: failover")
        .keys(["a", "b"])
        .await;
    let answer = weir.chat("hi").streaming().send().await;
    answer.assert_clean_stream();
    assert_eq!(answer.header("x-weir-attempts"), Some("2"));
    assert_eq!(host.keys_used(), "ab");
    assert_eq!(rests(&weir, "a", "rate_limited").await, 1.0);
}

// ---- 401, 402, 403 ------------------------------------------------------------------------------------------------

/// Field report 31: one-api#1197, new-api#2899, a disabled channel was still retried.
#[tokio::test]
async fn a_key_that_is_refused_is_out_and_no_request_tries_it_again() {
    for (fault, reason) in [("status=401", "unauthorized"), ("status=403", "forbidden")] {
        let host = Sim::that(&[&format!("{fault} key=sk-a")]).await;
        let weir = Weir::in_front_of([&host])
            .each("rotation: failover")
            .each("key_cooldown: { first: 100ms, max: 100ms, quota: 100ms }")
            .keys(["a", "b"])
            .await;
        let answer = weir.chat("hi").send().await;
        answer.assert_status(200);
        assert_eq!(answer.header("x-weir-attempts"), Some("2"));
        assert!(is_in(&weir, "a", "out").await, "{reason}");
        assert_eq!(host.keys_used().matches('a').count(), 1);
        // It would work again; that is for an operator to say.
        host.clear_faults();
        let begun = Instant::now();
        while begun.elapsed() < Duration::from_millis(300) {
            let chats = (0..4).map(|_| weir.chat("hi").send());
            for answer in futures::future::join_all(chats).await {
                answer.assert_status(200);
            }
        }
        // The host remembers the latest requests only, so that the first may be forgotten.
        assert!(host.keys_used().matches('a').count() <= 1);
        assert_eq!(rests(&weir, "a", reason).await, 1.0);
    }
}

#[tokio::test]
async fn a_403_about_content_is_the_clients_and_leaves_the_key_alone() {
    let host = Sim::that(&["status=403 style=content_filter count=1"]).await;
    let weir = Weir::in_front_of([&host])
        .each("rotation: failover")
        .keys(["a", "b"])
        .await;
    let answer = weir.chat("hi").send().await;
    answer.assert_error(403, "content_filter");
    assert_eq!(host.keys_used(), "a");
    assert!(is_in(&weir, "a", "ready").await);
    chats(&weir, 1).await;
    assert_eq!(host.keys_used(), "aa");
}

#[tokio::test]
async fn a_403_about_content_as_the_first_event_leaves_the_key_alone_too() {
    let refusal = r#"{"error":{"message":"not that","type":"invalid_request_error","param":null,"code":"content_filter","status":403}}"#;
    let host = Upstream::streaming(events([refusal])).await;
    let weir = Weir::in_front_of([&host])
        .each("rotation: failover")
        .keys(["a", "b"])
        .await;
    let answer = weir.chat("hi").streaming().send().await;
    answer.assert_error(403, "content_filter");
    assert_eq!(host.keys_used(), "a");
    assert!(is_in(&weir, "a", "ready").await);
}

#[tokio::test]
async fn a_403_that_is_no_json_may_be_about_the_request_and_takes_no_key_out() {
    // As the firewall before an upstream says it.
    let page = http("403 Forbidden", &[("content-type", "text/html")], "<p>no");
    let host = Upstream::answering(page).await;
    let weir = Weir::in_front_of([&host]).keys(["a", "b"]).await;
    weir.chat("hi").send().await.assert_status(502);
    for key in ["a", "b"] {
        assert!(is_in(&weir, key, "ready").await, "{key}");
    }
}

#[tokio::test]
async fn a_403_about_a_model_rests_the_key_for_this_model_only() {
    let host = Sim::with(|options| options.models = vec!["m1".into(), "m2".into()]).await;
    let weir = Weir::in_front_of([&host])
        .each("rotation: failover")
        .keys(["a", "b"])
        .await;
    let forbidden = "[[fault:status=403 style=model_not_found key=sk-a]]";
    for (prompt, model) in [(forbidden, "m1"), ("hi", "m1"), ("hi", "m2")] {
        let answer = weir.chat(prompt).model(model).send().await;
        answer.assert_status(200);
    }
    assert_eq!(host.keys_used(), "abba");
    assert_eq!(rests(&weir, "a", "model_forbidden").await, 1.0);
}

#[tokio::test]
async fn a_key_without_credit_rests_for_the_configured_time_whatever_the_headers_say() {
    for fault in ["status=402", "status=429 style=insufficient_quota"] {
        let fault = format!("{fault} key=sk-a retry_after=60 count=1");
        let host = Sim::with(|options| options.models = vec!["m1".into(), "m2".into()]).await;
        host.arm(&[&fault]);
        let weir = Weir::in_front_of([&host])
            .each("rotation: failover")
            .each("key_cooldown: { quota: 1s }")
            .keys(["a", "b"])
            .await;
        let begun = Instant::now();
        let ask = async |model: &str| {
            let answer = weir.chat("hi").model(model).send().await;
            answer.assert_status(200);
        };
        ask("m1").await;
        // It rests for every model.
        ask("m2").await;
        if begun.elapsed() < Duration::from_millis(800) {
            assert_eq!(host.keys_used(), "abb", "{fault}");
            assert!(is_in(&weir, "a", "resting").await, "{fault}");
        }
        assert_eq!(rests(&weir, "a", "quota_exhausted").await, 1.0, "{fault}");
        eventually("use of the key after its rest", async || {
            ask("m2").await;
            host.keys_used().ends_with('a').then_some(())
        })
        .await;
        assert!(begun.elapsed() >= Duration::from_secs(1), "{fault}");
    }
}

// ---- what the client sees -----------------------------------------------------------------------------------------

#[tokio::test]
async fn what_an_upstream_says_of_weirs_account_is_not_the_clients_to_see() {
    let words = |code: &str| {
        json!({"error": {"message": "ACCOUNT-SECRET: organization org-SECRET, key sk-a", "type": "x", "param": null, "code": code}})
            .to_string()
    };
    let first_event = |code: u16| {
        let event = json!({"error": {"message": "ACCOUNT-SECRET", "type": "x", "code": code}});
        let mut answer = stream_head().into_bytes();
        let event = events([event.to_string()]);
        answer.extend(format!("{:x}\r\n{event}\r\n0\r\n\r\n", event.len()).into_bytes());
        answer
    };
    let exhausted = (429, "upstream_keys_exhausted");
    let refused = (502, "upstream_credential_refused");
    let cases = [
        (reply("401 Unauthorized", words("invalid_api_key")), refused),
        (
            reply("403 Forbidden", words("account_deactivated")),
            refused,
        ),
        (reply("402 Payment Required", words("x")), exhausted),
        (
            reply("429 Too Many Requests", words("insufficient_quota")),
            exhausted,
        ),
        (
            reply("429 Too Many Requests", words("billing_hard_limit_reached")),
            exhausted,
        ),
        (
            reply("429 Too Many Requests", words("rate_limit_exceeded")),
            exhausted,
        ),
        (
            http(
                "401 Unauthorized",
                &[("content-type", "text/plain")],
                "ACCOUNT-SECRET",
            ),
            refused,
        ),
        (
            http(
                "402 Payment Required",
                &[("content-type", "text/html")],
                "<p>ACCOUNT-SECRET",
            ),
            exhausted,
        ),
        (first_event(401), refused),
        (first_event(402), exhausted),
        (first_event(429), exhausted),
    ];
    for (answer, (status, code)) in cases {
        let shown = String::from_utf8_lossy(&answer).into_owned();
        let host = Upstream::answering(answer).await;
        let weir = Weir::in_front_of([&host])
            .each("key_cooldown: { first: 60s }")
            .keys(["a"])
            .await;
        for round in 0..2 {
            let answer = weir.chat("hi").streaming().send().await;
            let said = format!("{:?} {}", answer.headers, answer.text());
            assert!(
                !said.contains("SECRET") && !said.contains("sk-"),
                "{shown}: {said}"
            );
            match (round, status) {
                (1, 502) => answer.assert_error(503, "no_upstream_key"),
                _ => answer.assert_error(status, code),
            };
        }
        assert_eq!(host.requests().len(), 1, "{shown}");
    }
}

/// Field report 36: new-api#4100, #4585, one error of any kind disabled a channel.
#[tokio::test]
async fn errors_that_are_not_about_the_key_leave_it_alone() {
    let host = Sim::start().await;
    let weir = Weir::in_front_of([&host])
        .keys(["a"])
        .with("failover: { attempts: 1, key_wait: 0s }\ntimeouts: { total: 500ms }")
        .await;
    for fault in [
        "status=400",
        "status=404",
        "status=408",
        "status=422",
        "status=500",
        "status=502",
        "status=503",
        "status=529",
        "html_500",
        "reset_before",
        "garbage",
        "stall",
        "error_first",
    ] {
        host.arm(&[&format!("{fault} count=1")]);
        let answer = weir
            .chat("hi")
            .set("stream", fault == "error_first")
            .send()
            .await;
        assert!(answer.status >= 400, "{fault}: {}", answer.status);
        host.clear_faults();
        comes_to("state of the key after its attempt", true, async || {
            is_in(&weir, "a", "ready").await
        })
        .await;
    }
    chats(&weir, 1).await;
    assert_eq!(weir.metric("weir_upstream_key_rests_total").await, 0.0);
}
