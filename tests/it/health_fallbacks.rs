//! Other models in the place of the one that was asked for: only where the configuration says so, and never in silence.

use std::collections::BTreeMap;

use crate::harness::*;

/// gpu-a has `m`; gpu-b has `n`, which goes by another name there; gpu-c has `o`.
fn models(of_m: &str) -> String {
    format!(
        "models:
  m: {{ {of_m}targets: [{{ upstream: gpu-a, model: llama-3.1-8b }}] }}
  n: {{ targets: [{{ upstream: gpu-b, model: n-of-b }}] }}
  o: {{ targets: [{{ upstream: gpu-c, model: o-of-c }}] }}"
    )
}

async fn hosts(moods: [Mood; 3]) -> [Fickle; 3] {
    let [a, b, c] = moods.map(Fickle::that_is);
    [a.await, b.await, c.await]
}

#[tokio::test]
async fn no_other_model_answers_where_none_is_configured() {
    // Feature R23.
    let hosts = hosts([Mood::Refusing(503), Mood::Serving, Mood::Serving]).await;
    let weir = Weir::in_front_of(&hosts).with(&models("")).await;
    for _ in 0..3 {
        let answer = weir.chat("hi").model("m").send().await;
        answer.assert_status(503);
        assert_eq!(answer.header("x-weir-fallback"), None);
    }
    assert_eq!(hosts[1].requests().len() + hosts[2].requests().len(), 0);
}

#[tokio::test]
async fn a_fallback_answers_when_no_target_can_and_the_answer_says_so() {
    let hosts = hosts([Mood::Refusing(503), Mood::Serving, Mood::Serving]).await;
    let weir = Weir::in_front_of(&hosts)
        .with(&models("fallbacks: [n, o], "))
        .with("aliases: { alias: m }")
        .await;
    for (model, stream) in [("m", false), ("alias", false)] {
        let chat = weir.chat("hi").model(model).set("stream", stream);
        let answer = chat.send().await;
        answer.assert_status(200);
        assert_eq!(answer.header("x-weir-fallback"), Some("n"));
        assert_eq!(answer.header("x-weir-upstream"), Some("gpu-b"));
        assert_eq!(answer.header("x-weir-attempts"), Some("2"));
        assert!(
            hosts[1]
                .last_request()
                .text()
                .contains(r#""model":"n-of-b""#)
        );
    }
    assert_eq!(hosts[2].requests().len(), 0);
    let line = weir.access_lines(2).await.pop().expect("there are two");
    assert_eq!(
        (&line["model"], &line["fallback"]),
        (&"m".into(), &"n".into())
    );
    // What needs no fallback says none.
    let answer = weir.chat("hi").model("n").send().await;
    assert_eq!(answer.header("x-weir-fallback"), None);
}

#[tokio::test]
async fn fallbacks_are_tried_in_their_order_and_the_last_words_pass() {
    let hosts = hosts([Mood::Refusing(503), Mood::Refusing(500), Mood::Serving]).await;
    let weir = Weir::in_front_of(&hosts)
        .with(&models("fallbacks: [n, o], "))
        .await;
    let answer = weir.chat("hi").model("m").send().await;
    answer.assert_status(200);
    assert_eq!(answer.header("x-weir-fallback"), Some("o"));
    assert_eq!(answer.header("x-weir-attempts"), Some("3"));
    hosts[2].becomes(Mood::Refusing(502));
    weir.chat("hi").model("m").send().await.assert_status(502);
    assert_eq!(hosts[2].requests().len(), 2);
}

#[tokio::test]
async fn a_fallback_answers_for_dead_hosts_too() {
    let dead = Upstream::dead().await;
    let sound = [Sim::start().await, Sim::start().await];
    let yaml = "models:
  m: { fallbacks: [n], targets: [{ upstream: gpu-a, model: llama-3.1-8b }] }
  n: { targets: [{ upstream: gpu-b, model: llama-3.1-8b }] }";
    let weir = Weir::in_front_of([&dead as &dyn Host, &sound[0], &sound[1]])
        .with(yaml)
        .await;
    for stream in [false, true] {
        let chat = weir.chat("hi").model("m").set("stream", stream);
        let answer = chat.send().await;
        answer.assert_status(200).assert_whole();
        assert_eq!(answer.header("x-weir-fallback"), Some("n"));
    }
    assert_eq!(sound[1].stats().requests, 0);
}

#[tokio::test]
async fn a_refused_request_goes_to_no_fallback() {
    for status in [400, 404, 422] {
        let hosts = hosts([Mood::Refusing(status), Mood::Serving, Mood::Serving]).await;
        let weir = Weir::in_front_of(&hosts)
            .with(&models("fallbacks: [n], context_fallbacks: [o], "))
            .await;
        weir.chat("hi")
            .model("m")
            .send()
            .await
            .assert_status(status);
        assert_eq!(hosts[1].requests().len() + hosts[2].requests().len(), 0);
    }
}

/// What engines say to a request that is too long, in their own shapes.
const TOO_LONG: [(&str, &str); 4] = [
    (
        "vllm",
        r#"{"object":"error","message":"This model's maximum context length is 4096 tokens. However, you requested 5000 tokens in the messages, Please reduce the length of the messages.","type":"BadRequestError","param":null,"code":400}"#,
    ),
    (
        "vllm since 0.10",
        r#"{"error":{"message":"This model's maximum context length is 4096 tokens. However, your request has 5000 input tokens.","type":"BadRequestError","param":null,"code":400}}"#,
    ),
    (
        "llama.cpp",
        r#"{"error":{"code":400,"message":"the request exceeds the available context size, try increasing it","type":"exceed_context_size_error","n_prompt_tokens":5000,"n_ctx":4096}}"#,
    ),
    (
        "OpenAI",
        r#"{"error":{"message":"This model's maximum context length is 8192 tokens.","type":"invalid_request_error","param":"messages","code":"context_length_exceeded"}}"#,
    ),
];

/// Hosts that say each of these, and two that serve `n` and `o`; models `m0`, `m1`, … with these settings.
async fn too_small(of_each: &str) -> (Vec<Upstream>, [Fickle; 2], Weir) {
    let mut small = Vec::new();
    let mut models = String::new();
    for (number, (_, words)) in TOO_LONG.iter().enumerate() {
        small.push(Upstream::answering(reply("400 Bad Request", words)).await);
        let target = target(number, "");
        models.push_str(&format!(
            "  m{number}: {{ {of_each}targets: [{target}] }}\n"
        ));
    }
    for (number, name) in ["n", "o"].into_iter().enumerate() {
        let upstream = gpu(TOO_LONG.len() + number);
        models.push_str(&format!(
            "  {name}: {{ targets: [{{ upstream: {upstream}, model: {name}-of-its }}] }}\n"
        ));
    }
    let [n, o, _] = hosts([Mood::Serving; 3]).await;
    let all = small.iter().map(|host| host as &dyn Host);
    let weir = Weir::in_front_of(all.chain([&n as &dyn Host, &o]))
        .with(&format!("models:\n{models}"))
        .with("health: { probe: off, failures: 1 }")
        .await;
    (small, [n, o], weir)
}

#[tokio::test]
async fn a_request_that_is_too_long_goes_to_a_model_with_more_room_where_that_is_configured() {
    let (_small, [n, o], weir) = too_small("fallbacks: [o], context_fallbacks: [n], ").await;
    for (number, (engine, _)) in TOO_LONG.iter().enumerate() {
        for _ in 0..2 {
            let chat = weir.chat("hi").model(&format!("m{number}"));
            let answer = chat.send().await;
            answer.assert_status(200);
            assert_eq!(answer.header("x-weir-fallback"), Some("n"), "{engine}");
        }
        // The host has done nothing wrong.
        let upstream = gpu(number);
        assert_eq!(weir.failures(&upstream).await, BTreeMap::new(), "{engine}");
        assert_eq!(weir.state(&upstream).await, "healthy", "{engine}");
    }
    assert!(n.last_request().text().contains(r#""model":"n-of-its""#));
    assert_eq!(o.requests().len(), 0);
}

#[tokio::test]
async fn a_request_that_is_too_long_is_refused_in_the_hosts_words_where_nothing_is_configured() {
    let (_small, [n, o], weir) = too_small("fallbacks: [n, o], ").await;
    for (number, (engine, words)) in TOO_LONG.iter().enumerate() {
        let chat = weir.chat("hi").model(&format!("m{number}"));
        let answer = chat.send().await;
        answer.assert_status(400);
        assert_eq!(answer.text(), *words, "{engine}");
        assert_eq!(answer.header("x-weir-fallback"), None, "{engine}");
    }
    assert_eq!(n.requests().len() + o.requests().len(), 0);
}

#[tokio::test]
async fn what_is_too_long_for_every_model_is_refused_in_the_last_ones_words() {
    let (engine, words) = TOO_LONG[2];
    let small = Upstream::answering(reply("400 Bad Request", TOO_LONG[0].1)).await;
    let large = Upstream::answering(reply("400 Bad Request", words)).await;
    let [other, ..] = hosts([Mood::Serving; 3]).await;
    let all: [&dyn Host; 3] = [&small, &large, &other];
    let weir = Weir::in_front_of(all)
        .with(&models("context_fallbacks: [n], "))
        .await;
    let answer = weir.chat("hi").model("m").send().await;
    answer.assert_status(400);
    assert_eq!(answer.text(), words, "{engine}");
    assert_eq!(other.requests().len(), 0);
}

#[tokio::test]
async fn with_repeat_sent_off_no_fallback_is_sent_what_may_have_been_worked_on() {
    let hosts = hosts([Mood::Refusing(500), Mood::Serving, Mood::Serving]).await;
    let weir = Weir::in_front_of(&hosts)
        .with(&models("fallbacks: [n], "))
        .with("failover: { repeat_sent: false }")
        .await;
    weir.chat("hi").model("m").send().await.assert_status(500);
    assert_eq!(hosts[1].requests().len(), 0);
    // What was refused unseen may be sent there.
    hosts[0].becomes(Mood::Refusing(503));
    weir.chat("hi").model("m").send().await.assert_status(200);
}
