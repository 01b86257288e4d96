//! Limits: at every scope and of every measure, in every dialect, with true headers, all or nothing (field reports 40, 42 to 44).

use std::time::Duration;

use serde_json::json;
use weir::terms::Money;

use crate::harness::*;

const TARGETS: &str = "targets: [{ upstream: gpu-a, model: llama-3.1-8b }]";
const KEY: &str = "the-key-of-ada-0123456789";
const OTHER_KEY: &str = "the-key-of-bob-0123456789";

/// Two keys of one tenant, `more` in the first.
fn keys(more: &str) -> String {
    format!(
        "access: {{ required: false, keys: [{{ label: ada, value: {KEY}, tenant: acme, {more} }}, {{ label: bob, value: {OTHER_KEY}, tenant: acme }}] }}\n"
    )
}

fn model(more: &str) -> String {
    format!("models: {{ m: {{ {TARGETS}, {more} }} }}\n")
}

/// The configuration in which `limits` hold at a scope.
fn at(scope: &str, limits: &str) -> (String, String) {
    let common = |what: &str| format!("{}{}limits: {{ {what}: {limits} }}", model(""), keys(""));
    let with = match scope {
        "global" => common("global"),
        "endpoint" => format!(
            "{}{}limits: {{ endpoints: {{ chat: {limits}, completions: {limits} }} }}",
            model(""),
            keys("")
        ),
        "address" => common("each_address"),
        "model" => model(&format!("limits: {limits}")) + &keys(""),
        "tenant" => model("") + &keys("") + &format!("tenants: {{ acme: {{ limits: {limits} }} }}"),
        "project" => {
            model("")
                + &keys("project: p")
                + &format!("tenants: {{ acme: {{ projects: {{ p: {{ limits: {limits} }} }} }} }}")
        }
        "user" => {
            model("")
                + &keys("user: u")
                + &format!("tenants: {{ acme: {{ users: {{ u: {{ limits: {limits} }} }} }} }}")
        }
        "key" => model("") + &keys(&format!("limits: {limits}")),
        "upstream" => {
            let with = model("") + &keys("") + &named(scope);
            return (with, format!("limits: {limits}"));
        }
        other => panic!("no scope {other}"),
    };
    (with + &named(scope), String::new())
}

/// Tenants are to be named.
fn named(scope: &str) -> String {
    match scope {
        "tenant" | "project" | "user" => "\n".to_owned(),
        _ => "\ntenants: { acme: {} }\n".to_owned(),
    }
}

async fn weir_with(host: &Sim, scope: &str, limits: &str) -> Weir {
    let (with, each) = at(scope, limits);
    let setup = Weir::in_front_of([host])
        .with(&with)
        .with("failover: { key_wait: 0ms }");
    match each.as_str() {
        "" => setup.await,
        each => setup.each(each).await,
    }
}

fn ask(weir: &Weir, tongue: Tongue, prompt: &str) -> Request {
    let request = tongue.ask(weir, "m", prompt, 16, false);
    request.header("authorization", &format!("Bearer {KEY}"))
}

/// Google's API has no 402; what is used up is a resource like others there.
fn spent_status(tongue: Tongue, status: u16) -> u16 {
    match (tongue, status) {
        (Tongue::Gemini, 402) => 429,
        _ => status,
    }
}

fn seconds(answer: &Answer) -> Option<u64> {
    Some(answer.header("retry-after")?.parse().expect("seconds"))
}

#[tokio::test]
async fn a_limit_of_each_scope_refuses_in_its_name_in_every_dialect() {
    let host = Sim::start().await;
    let scopes = [
        "global", "endpoint", "address", "model", "tenant", "project", "user", "key", "upstream",
    ];
    for scope in scopes {
        let weir = weir_with(&host, scope, "{ requests_per_minute: 2 }").await;
        for _ in 0..2 {
            let answer = ask(&weir, Tongue::Chat, "hi").send().await;
            answer.assert_status(200);
        }
        let tongues = match scope {
            "endpoint" => &[Tongue::Chat][..],
            _ => &Tongue::ALL[..],
        };
        for tongue in tongues {
            let answer = ask(&weir, *tongue, "hi").send().await;
            let words = tongue.words(&answer);
            assert_eq!(answer.status, 429, "{scope} {tongue:?} {words}");
            assert!(
                words.contains(scope) || scope == "global",
                "{scope}: {words}"
            );
            let wait = seconds(&answer);
            // Addresses are counted in whole spans, of which the one before counts in part.
            let most = if scope == "address" { 120 } else { 60 };
            assert!(
                wait.is_some_and(|wait| (1..=most).contains(&wait)),
                "{scope} {tongue:?} {wait:?}"
            );
            if scope != "upstream" {
                assert!(words.contains("requests_per_minute"), "{scope}: {words}");
            }
        }
        // What was refused takes nothing and reaches nobody.
        let refusals = format!("weir_limit_refusals_total{{scope=\"{scope}\"}}");
        assert!(weir.metric(&refusals).await > 0.0, "{scope}");
        nothing_is_reserved(&weir).await;
    }
    assert_eq!(host.requests().len(), 2 * scopes.len());
}

#[tokio::test]
async fn each_measure_refuses_with_a_wait_where_there_is_one_and_402_where_it_is_money() {
    let host = Sim::with(|options| options.tokens = 16).await;
    let prices = "prices: { models: { m: { input: 1000000, output: 1000000 } } }";
    // A request uses some 16 tokens of output and 5 of input, at 1 each; what it may use fits once.
    let cases = [
        ("requests_per_second", "1", 429, Some(1)),
        ("requests_per_minute", "1", 429, Some(60)),
        ("requests_per_day", "1", 429, Some(86_400)),
        ("tokens_per_minute", "30", 429, Some(60)),
        ("tokens_per_day", "30", 429, Some(86_400)),
        ("output_tokens_per_minute", "20", 429, Some(60)),
        ("spend_per_minute", "30", 402, Some(60)),
        ("spend_per_day", "30", 402, Some(86_400)),
    ];
    for (limit, amount, status, wait_max) in cases {
        let (with, _) = at("tenant", &format!("{{ {limit}: {amount} }}"));
        let weir = Weir::in_front_of([&host]).with(&with).with(prices).await;
        ask(&weir, Tongue::Chat, "hi")
            .send()
            .await
            .assert_status(200);
        for tongue in Tongue::ALL {
            let answer = ask(&weir, tongue, "hi").send().await;
            if answer.status == 200 && limit == "requests_per_second" {
                continue;
            }
            let words = tongue.words(&answer);
            let status = spent_status(tongue, status);
            assert_eq!(answer.status, status, "{limit} {tongue:?}: {words}");
            assert!(words.contains(limit) && words.contains("acme"), "{words}");
            let wait = seconds(&answer);
            assert!(
                wait.is_some_and(|wait| wait >= 1) && wait <= wait_max,
                "{limit} {tongue:?}: {wait:?}"
            );
        }
        // More than is ever allowed: no time helps.
        if limit.contains("tokens") {
            let huge = Tongue::Chat.ask(&weir, "m", "hi", 1_000, false);
            let answer = huge.header("x-api-key", KEY).send().await;
            answer.assert_error(429, "rate_limit_exceeded");
            assert_eq!(seconds(&answer), None, "{limit}: {}", answer.text());
        }
        nothing_is_reserved(&weir).await;
    }
}

#[tokio::test]
async fn a_wait_that_is_told_is_true() {
    let host = Sim::start().await;
    let weir = weir_with(&host, "key", "{ requests_per_second: 2 }").await;
    let connection = weir.connect(Protocol::Http1).await;
    let refused = loop {
        let answer = connection.send(ask(&weir, Tongue::Chat, "hi")).await;
        if answer.status != 200 {
            break answer;
        }
    };
    let wait = Duration::from_secs(seconds(&refused).expect("it can be told"));
    tokio::time::sleep(wait).await;
    let answer = connection.send(ask(&weir, Tongue::Chat, "hi")).await;
    answer.assert_status(200);
}

#[tokio::test]
async fn what_one_scope_refuses_takes_nothing_at_another() {
    let host = Sim::start().await;
    let with = model("")
        + &keys("limits: { requests_per_minute: 1, tokens_per_minute: 100000 }")
        + "tenants: { acme: { limits: { requests_per_minute: 10, tokens_per_minute: 100000, concurrency: 5 } } }";
    let weir = Weir::in_front_of([&host]).with(&with).await;
    ask(&weir, Tongue::Chat, "hi")
        .send()
        .await
        .assert_status(200);
    for tongue in Tongue::ALL.into_iter().chain(Tongue::ALL) {
        let answer = ask(&weir, tongue, "hi").send().await;
        assert_eq!(answer.status, 429, "{}", answer.text());
    }
    // The other key has as much as if the refused ones had never come: ten, less the first and its own.
    let other = Tongue::Chat.ask(&weir, "m", "hi", 16, false);
    let answer = other.header("api-key", OTHER_KEY).send().await;
    answer.assert_status(200);
    assert_eq!(answer.header("x-ratelimit-limit-requests"), Some("10"));
    assert_eq!(answer.header("x-ratelimit-remaining-requests"), Some("8"));
}

#[tokio::test]
async fn headers_tell_the_tightest_limit_on_answers_and_refusals_in_the_clients_names() {
    let host = Sim::start().await;
    let limits = "{ requests_per_minute: 4, tokens_per_minute: 100000 }";
    let weir = weir_with(&host, "key", limits).await;
    let names = |tongue| match tongue {
        Tongue::Messages => [
            "anthropic-ratelimit-requests-limit",
            "anthropic-ratelimit-requests-remaining",
            "anthropic-ratelimit-requests-reset",
            "anthropic-ratelimit-tokens-remaining",
        ],
        _ => [
            "x-ratelimit-limit-requests",
            "x-ratelimit-remaining-requests",
            "x-ratelimit-reset-requests",
            "x-ratelimit-remaining-tokens",
        ],
    };
    let expected = [
        (Tongue::Chat, 200, "3"),
        (Tongue::Messages, 200, "2"),
        (Tongue::Gemini, 200, "1"),
        (Tongue::Ollama, 200, "0"),
        (Tongue::Responses, 429, "0"),
        (Tongue::Messages, 429, "0"),
    ];
    for (tongue, status, remaining) in expected {
        let answer = ask(&weir, tongue, "hi").send().await;
        answer.assert_status(status);
        let [limit, left, reset, tokens] = names(tongue);
        assert_eq!(
            answer.header(limit),
            Some("4"),
            "{tongue:?} {:?}",
            answer.headers
        );
        assert_eq!(answer.header(left), Some(remaining), "{tongue:?}");
        assert!(
            answer.header(reset).is_some_and(|reset| !reset.is_empty()),
            "{tongue:?}"
        );
        let tokens: u64 = answer
            .header(tokens)
            .expect("it is told")
            .parse()
            .expect("a number");
        assert!((99_000..100_000).contains(&tokens), "{tokens}");
        let is_foreign = |name: &str| match tongue {
            Tongue::Messages => name.starts_with("x-ratelimit-"),
            _ => name.starts_with("anthropic-ratelimit-"),
        };
        assert!(
            !answer.headers.keys().any(|name| is_foreign(name.as_str())),
            "{tongue:?}"
        );
    }
}

#[tokio::test]
async fn a_place_is_held_to_the_last_byte_of_a_stream() {
    let host = Upstream::start(|mut peer| async move {
        while peer.request().await.is_some() {
            peer.say(stream_head()).await;
            peer.event(Chat::role()).await;
            peer.event(Chat::word("word")).await;
            peer.await_word().await;
            peer.event(Chat::finish()).await;
            peer.event("[DONE]").await;
            peer.last_chunk().await;
        }
    })
    .await;
    for scope in ["global", "model", "tenant", "key", "address"] {
        let (with, _) = at(scope, "{ concurrency: 1 }");
        let with = with.replace("llama-3.1-8b", "m");
        let weir = Weir::in_front_of([&host]).with(&with).with(STORE).await;
        let mut first = ask(&weir, Tongue::Chat, "hi").streaming().open().await;
        first.event().await.expect("a role");
        first.event().await.expect("a word");
        for tongue in Tongue::ALL {
            let answer = ask(&weir, tongue, "hi").send().await;
            let words = tongue.words(&answer);
            assert_eq!(answer.status, 429, "{words}");
            assert!(words.contains("concurrency"), "{words}");
            // Nobody can tell when the other ends.
            assert_eq!(seconds(&answer), None);
        }
        assert_eq!(
            weir.metric("weir_reserved{what=\"exchanges\"}").await,
            1.0,
            "{scope}"
        );
        host.go_on();
        first.rest().await;
        nothing_is_reserved(&weir).await;
        host.go_on();
        ask(&weir, Tongue::Chat, "hi")
            .streaming()
            .send()
            .await
            .assert_status(200);
    }
}

#[tokio::test]
async fn limits_that_a_reload_changes_keep_what_was_counted() {
    let host = Sim::start().await;
    let setup = |amount: u32| {
        let (with, _) = at("tenant", &format!("{{ requests_per_minute: {amount} }}"));
        Weir::in_front_of([&host]).with(&with)
    };
    let weir = setup(3).await;
    let status = async || ask(&weir, Tongue::Chat, "hi").send().await.status;
    for expected in [200, 200, 200, 429] {
        assert_eq!(status().await, expected);
    }
    for (amount, expected) in [(5, &[200, 200, 429][..]), (2, &[429]), (6, &[200, 429])] {
        weir.rewrite(&setup(amount));
        weir.reload().await.assert_status(200);
        for expected in expected {
            assert_eq!(status().await, *expected, "{amount} a minute");
        }
    }
}

#[tokio::test]
async fn a_spent_budget_is_402_in_every_dialect_or_leads_to_another_model_and_survives_a_kill() {
    let host = Sim::with(|options| options.tokens = 16).await;
    let models = format!("models: {{ m: {{ {TARGETS} }}, small: {{ {TARGETS} }} }}\n");
    let prices = "prices: { models: { m: { output: 1000000 }, small: { output: 1000000 } } }";
    for (at_end, is_stopped) in [("stop", true), ("{ downgrade: small }", false)] {
        let keys = keys("");
        let tenants = format!(
            "tenants: {{ acme: {{ budget: {{ amount: 40, per: month, at_end: {at_end} }} }} }}"
        );
        let with = [&models, &keys, &tenants, prices, STORE]
            .map(|text| text.to_owned())
            .join("\n");
        let mut weir = Weir::in_front_of([&host]).with(&with).await;
        for _ in 0..2 {
            ask(&weir, Tongue::Chat, "hi")
                .send()
                .await
                .assert_status(200);
        }
        nothing_is_reserved(&weir).await;
        // Twice sixteen are spent; another sixteen do not fit. A kill changes nothing about it.
        for _ in 0..2 {
            for tongue in Tongue::ALL {
                let answer = ask(&weir, tongue, "hi").send().await;
                match is_stopped {
                    true => {
                        let words = tongue.words(&answer);
                        assert_eq!(answer.status, spent_status(tongue, 402), "{words}");
                        if tongue == Tongue::Gemini {
                            let error = &answer.json()["error"];
                            assert_eq!(error["status"], "RESOURCE_EXHAUSTED", "{words}");
                            let reason = &error["details"][0]["reason"];
                            assert_eq!(reason, "INSUFFICIENT_QUOTA", "{words}");
                        }
                        assert!(
                            words.contains("budget") && words.contains("acme"),
                            "{words}"
                        );
                    }
                    false => drop(answer.assert_status(200)),
                }
            }
            weir = weir.killed_and_started_again().await;
        }
        let books = weir.ended().await;
        assert_eq!(
            books.charged("budget/tenant/acme"),
            Money::from_nanos(32_000_000_000),
            "{at_end}"
        );
    }
}

#[tokio::test]
async fn the_upstreams_own_paths_and_embeddings_are_limited_too() {
    // Field report 42: what goes past the translated paths must not go past the limits.
    let host = Sim::start().await;
    let weir = weir_with(&host, "key", "{ requests_per_minute: 2 }").await;
    let own = || {
        let chat = json!({"model": MODEL, "messages": [{"role": "user", "content": "hi"}]});
        let request = weir.post("/gpu-a/v1/chat/completions").json(chat);
        request.header("x-api-key", KEY)
    };
    let embeddings = || {
        let body = json!({"model": "m", "input": "hi"});
        weir.post("/v1/embeddings")
            .json(body)
            .header("x-api-key", KEY)
    };
    own().send().await.assert_status(200);
    embeddings().send().await.assert_status(200);
    own().send().await.assert_status(429);
    embeddings()
        .send()
        .await
        .assert_error(429, "rate_limit_exceeded");
}
