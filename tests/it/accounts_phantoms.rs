//! After every way out nothing stays reserved: no phantom refusals (field report 41), no place that is lost.

use crate::harness::*;

const KEY: &str = "the-key-of-ada-0123456789";
/// One at a time: a place that was not given back would refuse the next.
const LIMITS: &str = "{ concurrency: 1, tokens_per_minute: 100000000, spend_per_day: 100000000, requests_per_minute: 100000 }";

async fn weir_of(hosts: &[&dyn Host]) -> Weir {
    let models = "models: { m: { targets: [{ upstream: gpu-a, model: llama-3.1-8b }] }, gone: { targets: [{ upstream: gpu-b, model: x }] } }";
    let access = format!(
        "access: {{ keys: [{{ label: ada, value: {KEY}, tenant: acme, user: u, limits: {LIMITS} }}] }}\ntenants: {{ acme: {{ limits: {LIMITS}, budget: {{ amount: 1000000, per: month }}, users: {{ u: {{ limits: {LIMITS} }} }} }} }}"
    );
    Weir::in_front_of(hosts.iter().copied())
        .with(models)
        .with(&access)
        .with(&format!(
            "limits: {{ global: {LIMITS}, each_address: {{ concurrency: 1 }} }}"
        ))
        .with("timeouts: { total: 2s, first_byte: 300ms, idle: 300ms }")
        .with("prices: { models: { m: { input: 1, output: 2 } } }")
        .with("failover: { attempts: 2 }")
        .with(STORE)
        .each("limits: { concurrency: 1 }")
        .await
}

fn ask(weir: &Weir, tongue: Tongue, model: &str, prompt: &str, stream: bool) -> Request {
    let request = tongue.ask(weir, model, prompt, 16, stream);
    request.header("authorization", &format!("Bearer {KEY}"))
}

const FAULTS: [&str; 16] = [
    "status=400",
    "status=429",
    "status=503",
    "html_500",
    "html_200",
    "garbage",
    "close_before",
    "reset_before",
    "stall",
    "stall after=1",
    "reset after=3",
    "truncate after=2",
    "error_first",
    "error_mid after=3",
    "usage_missing",
    "no_done",
];

#[tokio::test]
async fn upstreams_that_fail_in_any_way_leave_nothing_reserved() {
    let host = Sim::start().await;
    let dead = Upstream::dead().await;
    let weir = weir_of(&[&host, &dead]).await;
    for fault in FAULTS {
        for stream in [false, true] {
            for tongue in [Tongue::Chat, Tongue::Messages] {
                let prompt = format!("hi [[fault:{fault}]]");
                let answer = ask(&weir, tongue, "m", &prompt, stream).send().await;
                assert_ne!(answer.status, 402, "{fault}: {}", answer.text());
                let is_ours = answer.text().contains("concurrency");
                assert!(!is_ours, "{fault} {stream} {tongue:?}: {}", answer.text());
                nothing_is_reserved(&weir).await;
            }
        }
    }
}

#[tokio::test]
async fn what_never_reaches_an_upstream_leaves_nothing_reserved() {
    let host = Sim::start().await;
    let dead = Upstream::dead().await;
    let weir = weir_of(&[&host, &dead]).await;
    for tongue in Tongue::ALL {
        for stream in [false, true] {
            for (model, status) in [("gone", 503), ("nothing-like-it", 404)] {
                let answer = ask(&weir, tongue, model, "hi", stream).send().await;
                assert!(
                    answer.status >= 400,
                    "{tongue:?} {model} {status}: {}",
                    answer.text()
                );
                nothing_is_reserved(&weir).await;
            }
        }
        let broken = ask(&weir, tongue, "m", "hi", false).body("{");
        assert!(broken.send().await.status >= 400);
        // No vLLM can do that: the translation is refused.
        nothing_is_reserved(&weir).await;
    }
    let stored = ask(&weir, Tongue::Responses, "m", "hi", false);
    let stored = stored.set("previous_response_id", "resp_1").send().await;
    assert!(stored.status >= 400, "{}", stored.text());
    nothing_is_reserved(&weir).await;
    ask(&weir, Tongue::Chat, "m", "hi", false)
        .send()
        .await
        .assert_status(200);
}

#[tokio::test]
async fn clients_that_leave_at_any_moment_leave_nothing_reserved() {
    let host = Sim::with(|options| {
        options.tokens = 40;
        options.itl = std::time::Duration::from_millis(5);
    })
    .await;
    let dead = Upstream::dead().await;
    let weir = weir_of(&[&host, &dead]).await;
    for tongue in Tongue::ALL {
        for events in [0, 1, 5] {
            let mut answer = ask(&weir, tongue, "m", "hi", true).open().await;
            for _ in 0..events {
                answer.piece().await.expect("there is more");
            }
            drop(answer);
            nothing_is_reserved(&weir).await;
        }
    }
    // Before there is any answer.
    for tongue in Tongue::ALL {
        let waiting = tokio::spawn(ask(&weir, tongue, "m", "hi [[fault:stall]]", false).send());
        comes_to("exchanges that run", 1.0, async || {
            weir.metric("weir_ledger_holds_open").await
        })
        .await;
        waiting.abort();
        nothing_is_reserved(&weir).await;
    }
}

#[tokio::test]
async fn an_upstream_that_is_shut_down_in_the_middle_leaves_nothing_reserved() {
    let host = Sim::with(|options| {
        options.tokens = 400;
        options.itl = std::time::Duration::from_millis(5);
    })
    .await;
    let dead = Upstream::dead().await;
    let weir = weir_of(&[&host, &dead]).await;
    let mut answer = ask(&weir, Tongue::Chat, "m", "hi", true).open().await;
    answer.event().await.expect("it has begun");
    drop(host);
    answer.rest().await;
    nothing_is_reserved(&weir).await;
    let answer = ask(&weir, Tongue::Chat, "m", "hi", false).send().await;
    assert!(answer.status >= 500, "{}", answer.text());
    nothing_is_reserved(&weir).await;
}
