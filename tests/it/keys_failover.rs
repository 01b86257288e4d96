//! From one key to the next, and from an upstream whose keys are used up to the next upstream.

use serde_json::json;

use crate::harness::*;

const OK: &str = r#"{"choices":[],"usage":{"prompt_tokens":1,"completion_tokens":1}}"#;

/// What makes another key worth a try.
const REFUSALS: [&str; 5] = [
    "status=429 retry_after=60",
    "status=429 style=insufficient_quota",
    "status=402",
    "status=401",
    "status=403",
];

#[tokio::test]
async fn every_refusal_of_a_key_leads_to_the_next() {
    for (index, refusal) in REFUSALS.iter().enumerate() {
        let host = Sim::that(&[&format!("{refusal} key=sk-a")]).await;
        let weir = Weir::in_front_of([&host])
            .each("rotation: failover")
            .keys(["a", "b"])
            .await;
        let answer = weir.chat("hi").set("stream", index % 2 == 0).send().await;
        answer.assert_status(200).assert_whole();
        assert_eq!(answer.header("x-weir-attempts"), Some("2"), "{refusal}");
        assert_eq!(host.keys_used(), "ab", "{refusal}");
    }
}

#[tokio::test]
async fn the_next_upstream_takes_over_when_all_keys_are_used_up() {
    for refusal in REFUSALS {
        let hosts = [Sim::that(&[refusal]).await, Sim::start().await];
        let weir = Weir::in_front_of(&hosts)
            .with(GPU_A_FIRST)
            .keys(["a", "b"])
            .await;
        let told = |answer: &Answer| {
            let of = |name| answer.header(name).expect("weir says it").to_owned();
            (of("x-weir-upstream"), of("x-weir-attempts"))
        };
        let answer = weir.chat("hi").model("m").send().await;
        answer.assert_status(200);
        assert_eq!(
            told(&answer),
            ("gpu-b".to_owned(), "3".to_owned()),
            "{refusal}"
        );
        // From now on gpu-a is not even asked.
        let answer = weir.chat("hi").model("m").streaming().send().await;
        answer.assert_clean_stream();
        assert_eq!(
            told(&answer),
            ("gpu-b".to_owned(), "1".to_owned()),
            "{refusal}"
        );
        assert_eq!(hosts[0].stats().requests, 2, "{refusal}");
        let failovers = r#"weir_failovers_total{upstream="gpu-a"}"#;
        assert_eq!(weir.metric(failovers).await, 2.0, "{refusal}");
        let lines = weir.access_lines(2).await;
        assert_eq!(
            (
                &lines[0]["attempts"],
                &lines[0]["upstream"],
                &lines[1]["attempts"]
            ),
            (&json!(3), &json!("gpu-b"), &json!(1))
        );
    }
}

#[tokio::test]
async fn an_upstream_with_no_key_for_the_model_is_passed_over() {
    let hosts = [Sim::start().await, Sim::start().await];
    let of = |host: &Sim, name: &str, models: &str| {
        let url = host.url();
        format!(
            "  - {{ name: {name}, kind: vllm, url: \"{url}\", models: [{MODEL}], keys: [{{ label: a, value: sk-a, models: [{models}] }}] }}\n"
        )
    };
    let weir = Weir::configured(format!(
        "upstreams:\n{}{}{GPU_A_FIRST}",
        of(&hosts[0], "gpu-a", "other"),
        of(&hosts[1], "gpu-b", "llama-3.1-8b")
    ))
    .await;
    let answer = weir.chat("hi").model("m").send().await;
    answer.assert_status(200);
    assert_eq!(answer.header("x-weir-upstream"), Some("gpu-b"));
    assert_eq!(answer.header("x-weir-attempts"), Some("1"));
    assert_eq!(hosts[0].stats().requests, 0);
}

#[tokio::test]
async fn no_more_keys_are_tried_than_attempts_are_allowed() {
    let host = Sim::that(&["status=429 retry_after=60"]).await;
    let weir = Weir::in_front_of([&host])
        .each("rotation: failover")
        .with("failover: { attempts: 2 }")
        .keys(["a", "b", "c"])
        .await;
    weir.chat("hi").send().await.assert_status(429);
    assert_eq!(host.keys_used(), "ab");
    let refused = r#"weir_retries_refused_total{reason="attempts"}"#;
    assert_eq!(weir.metric(refused).await, 1.0);
    // The third has done nothing wrong.
    host.clear_faults();
    weir.chat("hi").send().await.assert_status(200);
    assert_eq!(host.keys_used(), "abc");
}

#[tokio::test]
async fn another_key_is_a_retry_that_the_budget_must_allow() {
    let host = Sim::that(&["status=429 retry_after=60 key=sk-a"]).await;
    let weir = Weir::in_front_of([&host])
        .each("rotation: failover")
        .with("failover: { budget: 0%, budget_floor: 0 }")
        .keys(["a", "b"])
        .await;
    weir.chat("hi").send().await.assert_status(429);
    assert_eq!(host.keys_used(), "a");
    let refused = r#"weir_retries_refused_total{reason="budget"}"#;
    assert_eq!(weir.metric(refused).await, 1.0);
    // The first attempt of a request needs none.
    weir.chat("hi").send().await.assert_status(200);
    assert_eq!(host.keys_used(), "ab");
}

#[tokio::test]
async fn another_key_is_tried_even_where_work_is_not_to_be_done_twice() {
    // Whoever refuses a key has not begun to work.
    for refusal in REFUSALS {
        let host = Sim::that(&[&format!("{refusal} key=sk-a")]).await;
        let weir = Weir::in_front_of([&host])
            .each("rotation: failover")
            .with("failover: { repeat_sent: false }")
            .keys(["a", "b"])
            .await;
        weir.chat("hi").send().await.assert_status(200);
        assert_eq!(host.keys_used(), "ab", "{refusal}");
    }
}

#[tokio::test]
async fn the_next_key_carries_the_same_request() {
    let host = Upstream::start(|mut peer| async move {
        while let Some(request) = peer.request().await {
            let answer = match request.key() {
                "sk-a" => reply("429 Too Many Requests", r#"{"error":{"message":"x"}}"#),
                _ => reply("200 OK", OK),
            };
            peer.say(answer).await;
        }
    })
    .await;
    let weir = Weir::in_front_of([&host])
        .each("rotation: failover")
        .keys(["a", "b"])
        .await;
    let chat = weir.chat(&"ä".repeat(100_000)).header("x-request-id", "r");
    let body = chat.bytes();
    chat.send().await.assert_status(200);
    let requests = host.requests();
    assert_eq!(requests.len(), 2);
    for request in requests {
        assert_eq!(request.body, body);
        assert_eq!(request.header("x-request-id"), Some("r"));
        let shown = request.header_names();
        let shown = shown.iter().filter(|name| **name == "authorization");
        assert_eq!(shown.count(), 1);
    }
}

#[tokio::test]
async fn many_clients_at_once_are_served_while_a_key_is_refused() {
    let host = Sim::that(&["status=401 key=sk-a", "status=429 key=sk-b retry_after=60"]).await;
    let weir = Weir::in_front_of([&host])
        .with("failover: { budget: 100%, budget_floor: 100 }")
        .keys(["a", "b", "c", "d"])
        .await;
    for _ in 0..2 {
        let chats = (0..20).map(|round| weir.chat("hi").set("stream", round % 2 == 0).send());
        for answer in futures::future::join_all(chats).await {
            answer.assert_status(200).assert_whole();
        }
    }
    let used = host.keys_used();
    // Those that were under way together met them; later ones do not.
    assert!(!used[used.len() - 20..].contains(['a', 'b']), "{used}");
}
