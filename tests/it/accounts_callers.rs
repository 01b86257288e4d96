//! Who calls: keys in every slot and dialect, refusals in the client's own shape, and no upstream or log that ever sees a key.

use futures::{SinkExt, StreamExt};
use serde_json::json;
use tokio_tungstenite::tungstenite::Message;

use crate::harness::*;

const ADA: &str = "the-key-of-ada-0123456789";
const BOB: &str = "the-key-of-bob-0123456789";

/// A key, and what it may.
fn key(label: &str, more: &str) -> String {
    format!("{{ label: {label}, value: the-key-of-{label}-0123456789, tenant: acme, {more} }}")
}

async fn weir_of(host: &Sim, more: &str) -> Weir {
    let keys = [
        key("ada", ""),
        key("bob", "models: [m], operations: [chat]"),
        key("expired", "expires: 2020-01-01"),
        key("disabled", "state: disabled"),
        key("revoked", "state: revoked"),
        key("inside", "addresses: [10.1.0.0/16]"),
        "{ label: idle, value: the-key-of-idle-0123456789, tenant: gone }".to_owned(),
    ];
    let targets = "{ targets: [{ upstream: gpu-a, model: llama-3.1-8b }] }";
    Weir::in_front_of([host])
        .with(&format!(
            "access: {{ keys: [{}], trusted_proxies: [127.0.0.1/32], {more} }}\ntenants: {{ acme: {{}}, gone: {{ active: false }} }}\nmodels: {{ m: {targets}, other: {targets} }}",
            keys.join(", ")
        ))
        .with(STORE)
        .await
}

/// The slots in which a client may show a key.
fn shown(request: Request, path: &str, slot: &str, key: &str) -> Request {
    match slot {
        "authorization" => request.header(slot, &format!("Bearer {key}")),
        "?key=" => {
            let mark = if path.contains('?') { '&' } else { '?' };
            request.path(&format!("{path}{mark}key={key}"))
        }
        slot => request.header(slot, key),
    }
}

const SLOTS: [&str; 5] = [
    "authorization",
    "x-api-key",
    "api-key",
    "x-goog-api-key",
    "?key=",
];

fn path_of(tongue: Tongue, stream: bool) -> String {
    let action = if stream {
        "streamGenerateContent?alt=sse"
    } else {
        "generateContent"
    };
    match tongue {
        Tongue::Chat => "/v1/chat/completions".to_owned(),
        Tongue::Completions => "/v1/completions".to_owned(),
        Tongue::Responses => "/v1/responses".to_owned(),
        Tongue::Messages => "/v1/messages".to_owned(),
        Tongue::Gemini => format!("/v1beta/models/m:{action}"),
        Tongue::Ollama => "/api/chat".to_owned(),
    }
}

#[tokio::test]
async fn a_key_is_good_in_every_slot_of_every_dialect_and_reaches_neither_host_nor_log() {
    let host = Sim::start().await;
    let mut weir = weir_of(&host, "").await;
    let mut sent = 0;
    for tongue in Tongue::ALL {
        for slot in SLOTS {
            for stream in [false, true] {
                let request = tongue.ask(&weir, "m", "hi", 16, stream);
                let request = shown(request, &path_of(tongue, stream), slot, ADA);
                let answer = request.send().await;
                assert_eq!(answer.status, 200, "{tongue:?} {slot}: {}", answer.text());
                sent += 1;
                let seen = format!("{:?}", host.last_request());
                assert!(!seen.contains(ADA), "{tongue:?} {slot}: {seen}");
            }
        }
        // The same key in two slots is one key.
        let twice = tongue
            .ask(&weir, "m", "hi", 16, false)
            .header("x-api-key", ADA);
        let answer = twice
            .header("authorization", &format!("Bearer {ADA}"))
            .send()
            .await;
        assert_eq!(answer.status, 200, "{tongue:?}: {}", answer.text());
        sent += 1;
    }
    weir.access_lines(sent).await;
    let books = weir.ended().await;
    let rows = books.rows();
    assert_eq!(rows.len(), sent);
    assert!(
        rows.iter()
            .all(|row| row.who.key_label.as_deref() == Some("ada") && &*row.who.tenant == "acme")
    );
    assert!(!weir.everything_written().contains(ADA));
}

#[tokio::test]
async fn who_may_not_call_is_told_so_in_its_own_dialect() {
    let host = Sim::start().await;
    let weir = weir_of(&host, "").await;
    let refused = [
        ("", "no key was sent"),
        ("nobody-knows-this-key-01", "not known"),
        ("the-key-of-expired-0123456789", "expired"),
        ("the-key-of-disabled-0123456789", "disabled"),
        ("the-key-of-revoked-0123456789", "revoked"),
        ("the-key-of-idle-0123456789", "gone"),
    ];
    for tongue in Tongue::ALL {
        for (key, word) in refused {
            for stream in [false, true] {
                let request = tongue.ask(&weir, "m", "hi", 16, stream);
                let request = match key {
                    "" => request,
                    key => request.header("x-api-key", key),
                };
                let answer = request.send().await;
                let words = tongue.words(&answer);
                assert!(
                    answer.status == 401 || (answer.status == 403 && word == "gone"),
                    "{key} {}: {words}",
                    answer.status
                );
                assert!(
                    words.contains(word) || word == "gone",
                    "{tongue:?} {key}: {words}"
                );
                assert!(key.is_empty() || !words.contains(key), "{words}");
                if answer.status == 401 {
                    assert!(answer.header("www-authenticate").is_some(), "{tongue:?}");
                }
            }
        }
        // Two different keys: which one is meant cannot be known.
        let two = tongue
            .ask(&weir, "m", "hi", 16, false)
            .header("x-api-key", ADA);
        let answer = two
            .header("authorization", &format!("Bearer {BOB}"))
            .send()
            .await;
        assert_eq!(answer.status, 401, "{}", tongue.words(&answer));
        assert!(answer.header("www-authenticate").is_some());
        let by_query = tongue
            .ask(&weir, "m", "hi", 16, false)
            .header("api-key", ADA);
        let path = path_of(tongue, false);
        let answer = shown(by_query, &path, "?key=", BOB).send().await;
        assert_eq!(answer.status, 401, "{}", tongue.words(&answer));
    }
    assert_eq!(host.requests().len(), 0);
    nothing_is_reserved(&weir).await;
}

#[tokio::test]
async fn models_operations_and_addresses_that_are_not_allowed_are_403_and_named() {
    let host = Sim::start().await;
    let weir = weir_of(&host, "").await;
    for tongue in Tongue::ALL {
        let other = tongue
            .ask(&weir, "other", "hi", 16, false)
            .header("x-api-key", BOB);
        let answer = other.send().await;
        let words = tongue.words(&answer);
        assert_eq!(answer.status, 403, "{tongue:?}: {words}");
        assert!(
            words.contains("other") || !matches!(tongue, Tongue::Chat),
            "{words}"
        );
    }
    let own = |key: &str| weir.chat("hi").model("m").header("x-api-key", key);
    own(BOB).send().await.assert_status(200);
    let embeddings = weir
        .post("/v1/embeddings")
        .json(json!({"model": "m", "input": "hi"}));
    let answer = embeddings.header("x-api-key", BOB).send().await;
    answer.assert_error(403, "operation_not_allowed");
    assert!(answer.text().contains("embeddings"), "{}", answer.text());
    // The proxy in front is trusted, so that the client is who it says.
    let inside = "the-key-of-inside-0123456789";
    for (forwarded, status) in [
        ("10.1.2.3", 200),
        ("10.2.0.1", 403),
        ("10.1.2.3, 8.8.8.8", 403),
        ("8.8.8.8, 10.1.2.3", 200),
    ] {
        let answer = own(inside)
            .header("x-forwarded-for", forwarded)
            .send()
            .await;
        assert_eq!(answer.status, status, "{forwarded}: {}", answer.text());
    }
    own(inside)
        .send()
        .await
        .assert_error(403, "address_not_allowed");
}

#[tokio::test]
async fn lists_of_models_show_what_the_key_may_use() {
    let host = Sim::start().await;
    let weir = weir_of(&host, "").await;
    let listed = async |path: &str, key: &str| {
        let request = weir.get(path).header("x-api-key", key);
        let answer = request
            .header("anthropic-version", "2023-06-01")
            .send()
            .await;
        answer.assert_status(200);
        answer.text()
    };
    for path in ["/v1/models", "/api/tags", "/v1beta/models"] {
        assert!(listed(path, ADA).await.contains("other"), "{path}");
        let few = listed(path, BOB).await;
        assert!(!few.contains("other") && few.contains('m'), "{path}: {few}");
    }
    let one = weir
        .get("/v1/models/other")
        .header("x-api-key", BOB)
        .send()
        .await;
    assert!([403, 404].contains(&one.status), "{}", one.text());
    weir.get("/v1/models").send().await.assert_status(401);
}

#[tokio::test]
async fn callers_without_a_key_are_served_where_that_is_allowed_and_bounded_together() {
    let host = Sim::start().await;
    let weir = {
        let access = format!(
            "access: {{ required: false, keys: [{}] }}\ntenants: {{ acme: {{}} }}",
            key("ada", "")
        );
        let limits = "limits: { anonymous: { requests_per_minute: 2 } }";
        Weir::in_front_of([&host]).with(&access).with(limits).await
    };
    weir.chat("hi").send().await.assert_status(200);
    // SDKs always send some key.
    weir.chat("hi")
        .header("x-api-key", "none-of-ours")
        .send()
        .await
        .assert_status(200);
    weir.chat("hi")
        .send()
        .await
        .assert_error(429, "rate_limit_exceeded");
    weir.chat("hi")
        .header("x-api-key", ADA)
        .send()
        .await
        .assert_status(200);
}

#[tokio::test]
async fn weirs_keys_reach_no_upstream_by_any_way() {
    let host = Sim::start().await;
    let access = format!(
        "access: {{ keys: [{}] }}\ntenants: {{ acme: {{}} }}",
        key("ada", "")
    );
    let weir = Weir::in_front_of([&host])
        .with(&access)
        .each("forward_credentials: [authorization, x-api-key, api-key, x-goog-api-key]")
        .await;
    for slot in SLOTS {
        for path in ["/v1/chat/completions", "/gpu-a/v1/chat/completions"] {
            let chat = json!({"model": MODEL, "messages": [{"role": "user", "content": "hi"}]});
            let request = shown(weir.post(path).json(chat), path, slot, ADA);
            request.send().await.assert_status(200);
            let seen = format!("{:?}", host.last_request());
            assert!(!seen.contains(ADA), "{slot} {path}: {seen}");
        }
    }
    // Nor with a WebSocket, where browsers put it among the protocols.
    let upgrade = weir
        .get("/v1/realtime?model=llama-3.1-8b")
        .header("connection", "upgrade")
        .header("upgrade", "websocket")
        .header("sec-websocket-version", "13")
        .header("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ==")
        .header(
            "sec-websocket-protocol",
            &format!("realtime, openai-insecure-api-key.{ADA}"),
        );
    let opened = upgrade.open().await;
    assert_eq!(opened.status, 101);
    let seen = format!("{:?}", host.last_request());
    assert!(!seen.contains(ADA), "{seen}");
    drop(opened);
    let unknown = weir
        .get("/v1/realtime?model=llama-3.1-8b")
        .header("connection", "upgrade")
        .header("upgrade", "websocket")
        .header("sec-websocket-version", "13")
        .header("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ==");
    unknown.send().await.assert_status(401);
    assert!(!weir.everything_written().contains(ADA));
}

#[tokio::test]
async fn what_is_said_over_a_websocket_is_allowed_limited_and_written_down() {
    // Field report 42: no way goes past allow-lists and limits.
    let host = Sim::start().await;
    let access = format!(
        "access: {{ keys: [{}, {}] }}\ntenants: {{ acme: {{}} }}",
        key("ada", "limits: { concurrency: 1 }"),
        key("bob", "models: [\"other-*\"]")
    );
    let mut weir = Weir::in_front_of([&host]).with(&access).with(STORE).await;
    let open = async |key: &str| {
        let url = format!(
            "ws://{}/v1/realtime?model={MODEL}&key={key}",
            weir.address()
        );
        tokio_tungstenite::connect_async(url).await
    };
    assert!(open(BOB).await.is_err(), "the model is not for it");
    let (mut first, _) = open(ADA).await.expect("it opens");
    assert!(open(ADA).await.is_err(), "one at a time");
    let usage = json!({"type": "response.done", "response": {"usage": {"input_tokens": 5, "output_tokens": 7}}});
    // The host says whatever it is told.
    first
        .send(Message::text(usage.to_string()))
        .await
        .expect("it is open");
    within("answer", first.next())
        .await
        .expect("it is open")
        .expect("it is whole");
    first.close(None).await.expect("it is open");
    nothing_is_reserved(&weir).await;
    let rows = weir.ended().await.rows();
    let counts: Vec<_> = rows
        .iter()
        .map(|row| (&*row.operation, row.usage.input(), row.usage.output))
        .collect();
    assert_eq!(counts, [("realtime", 5, 7)]);
}
