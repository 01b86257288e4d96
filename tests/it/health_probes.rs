//! What weir asks of hosts to know that they live, and what their answers lead to.

use std::time::Duration;

use weir::sim::EngineKind;

use crate::harness::*;

const QUICK: &str = "health: { interval: 30ms, timeout: 2s, rise: 2, fall: 3, slow_start: 0s }";

async fn comes_to_state(weir: &Weir, upstream: &str, state: &str) {
    comes_to("state", state.to_owned(), async || {
        weir.state(upstream).await
    })
    .await;
}

/// Waits until `host` has been probed `count` times more.
async fn is_probed(host: &Sim, count: usize) {
    let before = probes(host);
    eventually("probe", async || {
        (probes(host) >= before + count).then_some(())
    })
    .await;
}

fn probes(host: &Sim) -> usize {
    let requests = host.requests();
    let probes = requests.iter().filter(|request| request.method() == "GET");
    probes.count()
}

#[tokio::test]
async fn a_host_that_fails_its_probes_is_taken_out_after_fall_and_comes_back_after_rise() {
    let hosts = [Sim::start().await, Sim::start().await];
    let weir = Weir::in_front_of(&hosts)
        .with(GPU_A_FIRST)
        .with(QUICK)
        .await;
    // One less than `fall` changes nothing.
    hosts[0].arm(&["status=500 path=/health count=2"]);
    is_probed(&hosts[0], 5).await;
    assert_eq!(weir.state("gpu-a").await, "healthy");
    assert_eq!(weir.changes("gpu-a", "down").await, 0.0);

    hosts[0].arm(&["status=500 path=/health"]);
    let before = probes(&hosts[0]);
    comes_to_state(&weir, "gpu-a", "down").await;
    assert!(probes(&hosts[0]) >= before + 3);
    assert_eq!(weir.changes("gpu-a", "down").await, 1.0);
    weir.line_with("endpoint down").await;
    for _ in 0..5 {
        let answer = weir.chat("hi").model("m").send().await;
        answer.assert_status(200);
        assert_eq!(answer.header("x-weir-upstream"), Some("gpu-b"));
        assert_eq!(answer.header("x-weir-attempts"), Some("1"));
    }

    hosts[0].clear_faults();
    let before = probes(&hosts[0]);
    comes_to_state(&weir, "gpu-a", "healthy").await;
    assert!(probes(&hosts[0]) >= before + 2);
    assert_eq!(weir.changes("gpu-a", "restarted").await, 1.0);
    let answer = weir.chat("hi").model("m").send().await;
    assert_eq!(answer.header("x-weir-upstream"), Some("gpu-a"));
}

#[tokio::test]
async fn a_host_that_does_not_answer_its_probes_in_time_is_taken_out() {
    let silent = Sim::that(&["stall path=/health"]).await;
    let weir = Weir::in_front_of([&silent])
        .with("health: { interval: 20ms, timeout: 50ms, fall: 2 }")
        .await;
    comes_to_state(&weir, "gpu-a", "down").await;
    // It is all that there is, so that it is asked all the same.
    weir.chat("hi").send().await.assert_status(200);
}

#[tokio::test]
async fn probes_take_the_kinds_own_path_and_never_infer() {
    // Field report 52: health checks that cost $54.
    let kinds = [
        (EngineKind::Vllm, "/health"),
        (EngineKind::Sglang, "/v1/models"),
        (EngineKind::Tgi, "/info"),
        (EngineKind::Trtllm, "/health"),
        (EngineKind::Llamacpp, "/health"),
        (EngineKind::Ollama, "/api/version"),
    ];
    let mut hosts = Vec::new();
    for (kind, _) in kinds {
        hosts.push(Sim::with(|options| options.kind = kind).await);
    }
    let upstreams: String = kinds
        .iter()
        .zip(&hosts)
        .map(|((kind, _), host)| {
            let url = host.url();
            format!("  - {{ name: {kind}, kind: {kind}, url: '{url}', models: [llama-3.1-8b] }}\n")
        })
        .collect();
    let weir = Weir::configured(format!("{QUICK}\nupstreams:\n{upstreams}")).await;
    for ((kind, path), host) in kinds.iter().zip(&hosts) {
        is_probed(host, 3).await;
        let requests = host.requests();
        assert!(
            requests
                .iter()
                .all(|request| (request.method(), request.path()) == ("GET", *path)),
            "{kind}: {requests:?}"
        );
        assert_eq!(weir.state(kind.name()).await, "healthy", "{kind}");
    }
}

#[tokio::test]
async fn probes_take_a_path_of_the_operators_below_the_url() {
    let host = Upstream::answering(reply("200 OK", "{}")).await;
    let yaml = format!(
        "upstreams: [{{ name: gpu, kind: vllm, url: '{}/behind/v1', models: [x], health: {{ probe: '/ready?deep=no' }} }}]",
        host.url()
    );
    let _weir = Weir::configured(yaml)
        .with("health: { interval: 20ms }")
        .await;
    host.has_requests(2).await;
    assert!(
        host.requests()
            .iter()
            .all(|request| request.target == "/behind/ready?deep=no"),
        "{:?}",
        host.requests()
    );
}

#[tokio::test]
async fn a_host_that_refuses_the_probe_lives() {
    let mut hosts = Vec::new();
    for status in [401, 403, 404, 405, 429] {
        hosts.push(Fickle::that_is(Mood::Refusing(status)).await);
    }
    let weir = Weir::in_front_of(&hosts)
        .with("health: { interval: 20ms, fall: 1 }")
        .await;
    for (number, host) in hosts.iter().enumerate() {
        host.has_requests(4).await;
        let upstream = gpu(number);
        assert_eq!(weir.state(&upstream).await, "healthy", "{upstream}");
        assert_eq!(weir.changes(&upstream, "down").await, 0.0, "{upstream}");
    }
}

#[tokio::test]
async fn probe_off_asks_nothing() {
    let hosts = [Sim::start().await, Sim::start().await];
    let upstream = |name: &str, host: &Sim, more: &str| {
        format!(
            "  - {{ name: {name}, kind: vllm, url: '{}', models: [llama-3.1-8b]{more} }}\n",
            host.url()
        )
    };
    let _weir = Weir::configured(format!(
        "health: {{ interval: 20ms }}\nupstreams:\n{}{}",
        upstream("probed", &hosts[0], ""),
        upstream("left", &hosts[1], ", health: { probe: off }")
    ))
    .await;
    is_probed(&hosts[0], 5).await;
    assert_eq!(hosts[1].stats().requests, 0);
}

#[tokio::test]
async fn probes_carry_the_credential() {
    let host = Sim::with(|options| options.api_key = Some("right".to_owned())).await;
    let weir = Weir::in_front_of([&host])
        .each("keys: [{ value: right }]")
        .each("headers: { x-team: search }")
        .with("health: { probe: /v1/models, interval: 20ms, fall: 1 }")
        .await;
    is_probed(&host, 3).await;
    let requests = host.requests();
    for request in requests {
        assert_eq!(request.path(), "/v1/models");
        assert_eq!(request.header("authorization"), Some("Bearer right"));
        assert_eq!(request.header("x-team"), Some("search"));
    }
    assert_eq!(weir.state("gpu-a").await, "healthy");
}

#[tokio::test]
async fn probes_leave_what_is_in_flight_as_it_is() {
    // Field report 39: a health check that zeroes load counters.
    let host = Sim::with(|options| options.itl = Duration::from_millis(20)).await;
    let weir = Weir::in_front_of([&host]).with(QUICK).await;
    let mut streams = Vec::new();
    for _ in 0..3 {
        let chat = weir.chat("hi").set("max_tokens", 5000);
        let mut stream = chat.set("ignore_eos", true).streaming().open().await;
        assert!(stream.event().await.is_some());
        streams.push(stream);
    }
    is_probed(&host, 4).await;
    let in_flight = r#"weir_endpoint_in_flight{upstream="gpu-a"}"#;
    assert_eq!(weir.metric(in_flight).await, 3.0);
    drop(streams);
    comes_to("exchanges in flight", 0.0, async || {
        weir.metric(in_flight).await
    })
    .await;
}

#[tokio::test]
async fn a_host_that_restarted_is_noticed_and_its_models_are_learnt_anew_at_once() {
    let before = Sim::with(|options| options.models = vec!["old".into()]).await;
    let port = before.port();
    let weir = Weir::in_front_of([&before])
        .learning()
        .each("models: { auto: { refresh: 1h } }")
        .with("health: { interval: 30ms, fall: 2, rise: 2, slow_start: 0s }")
        .await;
    comes_to("status of a chat", 200, async || {
        weir.chat("hi").model("old").send().await.status
    })
    .await;
    before.stop().await;
    comes_to_state(&weir, "gpu-a", "down").await;
    let _after = Sim::with(|options| {
        options.port = port;
        options.models = vec!["new".into()];
    })
    .await;
    comes_to_state(&weir, "gpu-a", "healthy").await;
    assert_eq!(weir.changes("gpu-a", "restarted").await, 1.0);
    comes_to("status of a chat", 200, async || {
        weir.chat("hi").model("new").send().await.status
    })
    .await;
    weir.chat("hi")
        .model("old")
        .send()
        .await
        .assert_error(404, "model_not_found");
}

#[tokio::test]
async fn a_host_that_restarted_is_noticed_without_probes_too() {
    let before = Sim::with(|options| options.models = vec!["old".into()]).await;
    let port = before.port();
    let weir = Weir::in_front_of([&before])
        .learning()
        .each("models: { auto: { refresh: 1h } }")
        .await;
    comes_to("status of a chat", 200, async || {
        weir.chat("hi").model("old").send().await.status
    })
    .await;
    before.stop().await;
    for _ in 0..3 {
        weir.chat("hi")
            .model("old")
            .send()
            .await
            .assert_error(503, "upstream_unreachable");
    }
    let _after = Sim::with(|options| {
        options.port = port;
        options.models = vec!["old".into(), "new".into()];
    })
    .await;
    weir.chat("hi").model("old").send().await.assert_status(200);
    assert_eq!(weir.changes("gpu-a", "restarted").await, 1.0);
    comes_to("status of a chat", 200, async || {
        weir.chat("hi").model("new").send().await.status
    })
    .await;
}

#[tokio::test]
async fn a_probe_that_succeeds_does_not_end_an_ejection() {
    let hosts = [Sim::that(&["status=500"]).await, Sim::start().await];
    let weir = Weir::in_front_of(&hosts)
        .with(GPU_A_FIRST)
        .with("health: { interval: 20ms, failures: 2, eject: 60s }")
        .await;
    for _ in 0..2 {
        weir.chat("hi").model("m").send().await.assert_status(200);
    }
    assert_eq!(weir.state("gpu-a").await, "ejected");
    is_probed(&hosts[0], 5).await;
    assert_eq!(weir.state("gpu-a").await, "ejected");
}
