//! Which failures take an endpoint out, which never do, and how many may be out at once.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::harness::*;

/// Three failures in a row take an endpoint out, for longer than any test takes.
const THREE_IN_A_ROW: &str = "health: { probe: off, failures: 3, eject: 60s }";

/// The same model at all hosts in turn.
fn in_turn(count: usize) -> String {
    let targets: Vec<_> = (0..count).map(|number| target(number, "")).collect();
    format!(
        "models: {{ m: {{ policy: round_robin, targets: [{}] }} }}",
        targets.join(", ")
    )
}

#[tokio::test]
async fn failures_in_a_row_take_an_endpoint_out_and_operators_see_it() {
    // Field reports 35 (no visibility) and 36 (one error disables a channel).
    let hosts = [Sim::that(&["status=500"]).await, Sim::start().await];
    let weir = Weir::in_front_of(&hosts)
        .with(GPU_A_FIRST)
        .with(THREE_IN_A_ROW)
        .await;
    for (attempts, state) in [
        ("2", "healthy"),
        ("2", "healthy"),
        ("2", "ejected"),
        ("1", "ejected"),
        ("1", "ejected"),
    ] {
        let answer = weir.chat("hi").model("m").send().await;
        answer.assert_status(200);
        assert_eq!(answer.header("x-weir-attempts"), Some(attempts));
        assert_eq!(answer.header("x-weir-upstream"), Some("gpu-b"));
        assert_eq!(weir.state("gpu-a").await, state);
    }
    assert_eq!(weir.changes("gpu-a", "ejected").await, 1.0);
    let failures = weir.failures("gpu-a").await;
    assert_eq!(failures, BTreeMap::from([("server_error".to_owned(), 3)]));
    let rate = r#"weir_endpoint_error_rate{upstream="gpu-a"}"#;
    assert!(weir.metric(rate).await > 0.2);
    let address = format!("127.0.0.1:{}", hosts[0].port());
    let line = weir.line_with("endpoint ejected").await;
    assert!(line.contains("gpu-a") && line.contains(&address), "{line}");
    let shown = weir.endpoint("gpu-a").await;
    assert_eq!(shown["address"], address);
    assert_eq!(shown["state"], "ejected");
    assert_eq!(shown["breaker"]["ejections"], 1);
    let left = shown["breaker"]["ejected_for_seconds"].as_f64();
    assert!(
        left.is_some_and(|left| (1.0..67.0).contains(&left)),
        "{shown}"
    );
}

#[tokio::test]
async fn a_share_of_failures_takes_an_endpoint_out_and_a_smaller_one_does_not() {
    let hosts = [
        Sim::that(&["status=503 share=0.8"]).await,
        Sim::that(&["status=503 share=0.2"]).await,
        Sim::start().await,
    ];
    let weir = Weir::in_front_of(&hosts)
        .with("health: { probe: off, failures: 1000, error_rate: 50%, samples: 20, eject: 60s }")
        .with(&in_turn(3))
        .await;
    for _ in 0..120 {
        weir.chat("hi").model("m").send().await.assert_status(200);
    }
    assert_eq!(weir.state("gpu-a").await, "ejected");
    assert_eq!(weir.state("gpu-b").await, "healthy");
    assert!((20..30).contains(&hosts[0].stats().requests));
    assert!(weir.failures("gpu-b").await["server_error"] >= 3);
}

#[tokio::test]
async fn a_success_between_failures_begins_the_count_anew() {
    // Field report 36: single errors disable nothing.
    let host = Fickle::that_is(Mood::Serving).await;
    let other = Fickle::that_is(Mood::Serving).await;
    let weir = Weir::in_front_of([&host, &other])
        .with(GPU_A_FIRST)
        .with(THREE_IN_A_ROW)
        .await;
    for mood in [500, 502, 200, 503, 529, 200, 504, 500] {
        host.becomes(match mood {
            200 => Mood::Serving,
            status => Mood::Refusing(status),
        });
        weir.chat("hi").model("m").send().await.assert_status(200);
        assert_eq!(weir.state("gpu-a").await, "healthy");
    }
    weir.chat("hi").model("m").send().await.assert_status(200);
    assert_eq!(weir.state("gpu-a").await, "ejected");
}

#[tokio::test]
async fn never_ejects_the_last_endpoint() {
    // Field report 35: cooling down the only deployment turns everybody away.
    let host = Sim::that(&["status=500"]).await;
    let weir = Weir::in_front_of([&host]).with(THREE_IN_A_ROW).await;
    for _ in 0..10 {
        weir.chat("hi").send().await.assert_status(500);
    }
    assert_eq!(host.stats().requests, 10);
    assert_eq!(weir.state("gpu-a").await, "healthy");
    assert_eq!(weir.changes("gpu-a", "ejected").await, 0.0);
    host.clear_faults();
    weir.chat("hi").send().await.assert_status(200);
}

#[tokio::test]
async fn never_ejects_the_last_endpoint_of_several_upstreams_in_one_tier_or_in_several() {
    for models in [in_turn(2), GPU_A_FIRST.to_owned()] {
        let hosts = [
            Sim::that(&["status=500"]).await,
            Sim::that(&["status=500"]).await,
        ];
        let weir = Weir::in_front_of(&hosts)
            .with(&models)
            .with(THREE_IN_A_ROW)
            .await;
        for _ in 0..10 {
            weir.chat("hi").model("m").send().await.assert_status(500);
        }
        let states = [weir.state("gpu-a").await, weir.state("gpu-b").await];
        let out = states.iter().filter(|state| *state == "ejected").count();
        assert_eq!(out, 1, "{models}: {states:?}");
        // The one that is left is asked to the end, and serves as soon as it can.
        let left = usize::from(states[0] == "ejected");
        assert!(hosts[left].stats().requests >= 10, "{models}");
        hosts[left].clear_faults();
        weir.chat("hi").model("m").send().await.assert_status(200);
    }
}

#[tokio::test]
async fn the_last_endpoint_of_one_model_is_not_ejected_though_another_model_has_more() {
    // gpu-a serves `both` together with gpu-b, and `alone` on its own.
    let hosts = [Sim::that(&["status=500"]).await, Sim::start().await];
    let models = "models:
  both: { targets: [{ upstream: gpu-a, model: llama-3.1-8b }, { upstream: gpu-b, model: llama-3.1-8b, tier: 2 }] }
  alone: { targets: [{ upstream: gpu-a, model: llama-3.1-8b }] }";
    let weir = Weir::in_front_of(&hosts)
        .with(models)
        .with(THREE_IN_A_ROW)
        .await;
    for _ in 0..5 {
        weir.chat("hi")
            .model("both")
            .send()
            .await
            .assert_status(200);
        weir.chat("hi")
            .model("alone")
            .send()
            .await
            .assert_status(500);
    }
    assert_eq!(weir.changes("gpu-a", "ejected").await, 0.0);
    assert_eq!(hosts[0].stats().requests, 10);
}

#[tokio::test]
async fn no_more_than_the_configured_share_is_ejected() {
    let groups = [("25%", 1), ("50%", 2), ("1", 3)];
    let mut hosts = Vec::new();
    for _ in 0..4 * groups.len() {
        hosts.push(Sim::that(&["status=500"]).await);
    }
    let upstreams = hosts.iter().enumerate().map(|(number, host)| {
        let (group, url) = (number / 4, host.url());
        let share = groups[group].0;
        format!(
            "  - {{ name: {}, kind: vllm, url: '{url}', models: [m{group}], health: {{ ejected_share: {share} }} }}\n",
            gpu(number)
        )
    });
    let upstreams: String = upstreams.collect();
    let weir = Weir::configured(format!(
        "health: {{ probe: off, failures: 2, eject: 60s }}\nupstreams:\n{upstreams}"
    ))
    .await;
    for (group, (share, expected)) in groups.into_iter().enumerate() {
        let model = format!("m{group}");
        let chats = (0..16).map(|_| weir.chat("hi").model(&model).send());
        for answer in futures::future::join_all(chats).await {
            answer.assert_status(500);
        }
        let mut ejected = 0;
        for number in 4 * group..4 * group + 4 {
            ejected += usize::from(weir.state(&gpu(number)).await == "ejected");
        }
        assert_eq!(ejected, expected, "{share}");
    }
}

#[tokio::test]
async fn never_ejects_the_last_endpoint_that_probes_have_left() {
    let hosts = [
        Sim::that(&["status=500 path=/health"]).await,
        Sim::with(|options| options.loading = Duration::from_secs(600)).await,
        Sim::that(&["status=500"]).await,
    ];
    let weir = Weir::in_front_of(&hosts)
        .with("health: { interval: 20ms, fall: 1, failures: 2, ejected_share: 1 }")
        .with("failover: { attempts: 1 }")
        .await;
    for (upstream, state) in [("gpu-a", "down"), ("gpu-b", "loading")] {
        comes_to("state", state.to_owned(), async || {
            weir.state(upstream).await
        })
        .await;
    }
    for _ in 0..6 {
        weir.chat("hi").send().await.assert_status(500);
    }
    assert_eq!(weir.changes("gpu-c", "ejected").await, 0.0);
    assert_eq!(weir.failures("gpu-c").await["server_error"], 6);
}

#[tokio::test]
async fn a_storm_of_refused_requests_takes_nothing_out() {
    // Field report 34: client 4xx trips the breaker, and the whole fleet is out.
    let statuses = [400, 401, 402, 403, 404, 413, 415, 422, 429];
    let mut hosts = Vec::new();
    for status in statuses {
        hosts.push(Fickle::that_is(Mood::Refusing(status)).await);
        hosts.push(Fickle::that_is(Mood::Refusing(status)).await);
    }
    let models = statuses.iter().enumerate().map(|(case, status)| {
        let [one, other] = [0, 1].map(|host| target(2 * case + host, ""));
        format!("  m{status}: {{ targets: [{one}, {other}] }}\n")
    });
    let models: String = models.collect();
    let weir = Weir::in_front_of(&hosts)
        .with(&format!("models:\n{models}"))
        .with(THREE_IN_A_ROW)
        .await;
    for (case, status) in statuses.into_iter().enumerate() {
        let model = format!("m{status}");
        for _ in 0..8 {
            let answer = weir.chat("hi").model(&model).send().await;
            answer.assert_status(status);
        }
        for number in [2 * case, 2 * case + 1] {
            let upstream = gpu(number);
            assert_eq!(weir.failures(&upstream).await, BTreeMap::new(), "{status}");
            assert_eq!(weir.changes(&upstream, "ejected").await, 0.0, "{status}");
            // A host that says 429 is left alone for as long as it asks, and asked all the same when all say it.
            let state = if status == 429 { "busy" } else { "healthy" };
            assert_eq!(weir.state(&upstream).await, state, "{status}");
            hosts[number].becomes(Mood::Serving);
        }
        let answer = weir.chat("hi").model(&model).send().await;
        answer.assert_status(200);
    }
}

#[tokio::test]
async fn clients_that_leave_take_nothing_out() {
    let hosts = [
        Fickle::that_is(Mood::Waiting).await,
        Fickle::that_is(Mood::Lingering).await,
    ];
    // Each has the other to go to.
    let models = "models:
  m: { targets: [{ upstream: gpu-a, model: llama-3.1-8b }, { upstream: gpu-b, model: llama-3.1-8b, tier: 2 }] }
  n: { targets: [{ upstream: gpu-b, model: llama-3.1-8b }, { upstream: gpu-a, model: llama-3.1-8b, tier: 2 }] }";
    let weir = Weir::in_front_of(&hosts)
        .with(models)
        .with(THREE_IN_A_ROW)
        .await;
    for round in 1..=6 {
        // One that leaves before the answer, and one in the middle of it.
        let mut early = weir.dial().await;
        let body = weir.chat("hi").model("m").bytes();
        let head = format!(
            "POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n",
            body.len()
        );
        early.write(head).await;
        early.write(&body).await;
        hosts[0].has_requests(round).await;
        early.close();
        let mut amid = weir.chat("hi").model("n").streaming().open().await;
        assert!(amid.event().await.is_some());
        drop(amid);
        comes_to("requests in flight", 0.0, async || {
            weir.metric("weir_requests_in_flight").await
        })
        .await;
    }
    for upstream in ["gpu-a", "gpu-b"] {
        assert_eq!(weir.failures(upstream).await, BTreeMap::new());
        assert_eq!(weir.state(upstream).await, "healthy");
    }
}

#[tokio::test]
async fn every_failure_of_an_endpoint_counts_once_and_under_its_name() {
    // Field reports 28 (stalls), 30 (truncation), 33 (errors in a stream after 200).
    let cases = [
        ("", false, "connect"),
        ("reset_before", false, "reset"),
        ("close_before", true, "reset"),
        ("status=500", false, "server_error"),
        ("status=529", true, "server_error"),
        ("garbage", false, "server_error"),
        ("html_200", false, "server_error"),
        ("error_first", true, "server_error"),
        ("error_mid after=2", true, "server_error"),
        ("stall", true, "timeout"),
        ("truncate after=2", true, "truncated"),
        ("truncate style=cut", false, "truncated"),
        ("reset after=2", true, "truncated"),
        ("stall after=2", true, "stalled"),
    ];
    let dead = Upstream::dead().await;
    let mut sims = Vec::new();
    for (fault, _, _) in &cases[1..] {
        sims.push(Sim::that(&[fault]).await);
    }
    let mut hosts: Vec<&dyn Host> = vec![&dead];
    hosts.extend(sims.iter().map(|sim| sim as &dyn Host));
    let models: String = (0..cases.len())
        .map(|case| format!("  m{case}: {{ targets: [{}] }}\n", target(case, "")))
        .collect();
    let weir = Weir::in_front_of(hosts)
        .each("timeouts: { first_byte: 500ms, idle: 500ms }")
        .with(&format!("models:\n{models}"))
        .await;
    let requests = cases.iter().enumerate().map(|(case, (_, stream, _))| {
        let request = weir.chat("hi").model(&format!("m{case}"));
        request.set("stream", *stream).send()
    });
    futures::future::join_all(requests).await;
    for (case, (fault, _, reason)) in cases.iter().enumerate() {
        let failures = weir.failures(&gpu(case)).await;
        let expected = BTreeMap::from([((*reason).to_owned(), 1)]);
        assert_eq!(failures, expected, "{fault}");
    }
}

#[tokio::test]
async fn a_host_that_says_429_is_left_alone_for_as_long_as_it_asks() {
    let busy = Upstream::start(|mut peer| async move {
        while peer.request().await.is_some() {
            let answer = http(
                "429 Too Many Requests",
                &[("content-type", "application/json"), ("retry-after", "1")],
                r#"{"error":{"message":"later"}}"#,
            );
            peer.say(answer).await;
        }
    })
    .await;
    let idle = Fickle::that_is(Mood::Serving).await;
    let weir = Weir::in_front_of([&busy as &dyn Host, &idle])
        .with(GPU_A_FIRST)
        .await;
    let begun = std::time::Instant::now();
    for attempts in ["2", "1", "1", "1"] {
        let answer = weir.chat("hi").model("m").send().await;
        answer.assert_status(200);
        assert_eq!(answer.header("x-weir-attempts"), Some(attempts));
    }
    assert_eq!(weir.state("gpu-a").await, "busy");
    comes_to("state", "healthy".to_owned(), async || {
        weir.state("gpu-a").await
    })
    .await;
    assert!(begun.elapsed() >= Duration::from_secs(1));
    weir.chat("hi").model("m").send().await.assert_status(200);
    assert_eq!(busy.requests().len(), 2);
}
