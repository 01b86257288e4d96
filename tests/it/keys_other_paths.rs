//! The keys of an upstream on other paths than an exchange's: `/<upstream>/…`, WebSockets, and weir's own requests.

use futures::{SinkExt, StreamExt};
use serde_json::Value;
use tokio_tungstenite::tungstenite::Message;

use crate::harness::*;

async fn is_in(weir: &Weir, key: &str, state: &str) -> bool {
    let labels = format!(r#"{{upstream="gpu-a",key="{key}",state="{state}"}}"#);
    weir.metric(&format!("weir_upstream_key_state{labels}"))
        .await
        == 1.0
}

// ---- pass-through -------------------------------------------------------------------------------------------------

#[tokio::test]
async fn a_passed_through_429_rests_the_key_and_passes_as_it_is() {
    let host = Sim::that(&["status=429 key=sk-a retry_after=60 path=/"]).await;
    let weir = Weir::in_front_of([&host])
        .each("rotation: failover")
        .keys(["a", "b"])
        .await;
    let ask = async || weir.get("/gpu-a/v1/models").send().await;
    let answer = ask().await;
    answer.assert_status(429);
    assert_eq!(answer.header("retry-after"), Some("60"));
    weir.access_lines(1).await;
    ask().await.assert_status(200);
    assert_eq!(host.keys_used(), "ab");
    let rests = r#"weir_upstream_key_rests_total{key="a",reason="rate_limited"}"#;
    assert_eq!(weir.metric(rests).await, 1.0);
    // Which model was asked for is not known here, so that no model's rest is ended or begun.
    host.clear_faults();
    weir.chat("hi").send().await.assert_status(200);
    assert_eq!(host.keys_used(), "aba");
}

#[tokio::test]
async fn a_passed_through_request_is_refused_while_all_keys_rest() {
    let host = Sim::that(&["status=402 path=/"]).await;
    let weir = Weir::in_front_of([&host]).keys(["a"]).await;
    weir.get("/gpu-a/v1/models").send().await.assert_status(402);
    weir.access_lines(1).await;
    for request in [weir.get("/gpu-a/v1/models"), weir.chat("hi")] {
        let answer = request.send().await;
        answer.assert_error(429, "upstream_keys_exhausted");
        let wait = answer.header("retry-after").expect("it says when");
        assert!(
            (3500..=3600).contains(&wait.parse().expect("a number")),
            "{wait}"
        );
    }
    assert_eq!(host.stats().requests, 1);
}

/// Field report 36: new-api#1641, a probe of a path that no key may use disabled a channel. Here the client chooses the path.
#[tokio::test]
async fn a_passed_through_401_or_403_takes_no_key_out_unless_it_says_that_the_key_is_wrong() {
    let host = Sim::start().await;
    let weir = Weir::in_front_of([&host])
        .each("rotation: failover")
        .keys(["a", "b"])
        .await;
    let ask = async || weir.get("/gpu-a/v1/organization/costs").send().await;
    for (index, fault) in [
        "status=401",
        "status=403",
        "status=403 style=content_filter",
    ]
    .into_iter()
    .enumerate()
    {
        host.arm(&[&format!("{fault} count=1 path=/")]);
        let status: u16 = fault[7..10].parse().expect("a status");
        ask().await.assert_status(status);
        weir.access_lines(index + 1).await;
        assert!(is_in(&weir, "a", "ready").await, "{fault}");
    }
    weir.chat("hi").send().await.assert_status(200);
    assert_eq!(host.keys_used(), "aaaa");
    host.arm(&["status=401 style=invalid_api_key count=1 path=/"]);
    ask().await.assert_status(401);
    weir.access_lines(5).await;
    assert!(is_in(&weir, "a", "out").await);
    weir.chat("hi").send().await.assert_status(200);
    assert_eq!(host.keys_used(), "aaaaab");
}

#[tokio::test]
async fn a_passed_through_exchange_has_its_place_to_the_last_byte() {
    let host = Upstream::start(|mut peer| async move {
        while peer.request().await.is_some() {
            peer.say(stream_head()).await;
            peer.event("first").await;
            peer.await_word().await;
            peer.last_chunk().await;
        }
    })
    .await;
    let weir = Weir::in_front_of([&host])
        .with("failover: { key_wait: 0s }")
        .keys(["a, concurrency: 1"])
        .await;
    let ask = || weir.post("/gpu-a/v1/anything").body("{}");
    let mut first = ask().open().await;
    assert_eq!(first.event().await.as_deref(), Some("first"));
    ask()
        .send()
        .await
        .assert_error(429, "upstream_keys_exhausted");
    host.go_on();
    first.rest().await.assert_whole();
    comes_to("readiness of the key", true, async || {
        is_in(&weir, "a", "ready").await
    })
    .await;
    // A client that leaves gives it back too.
    let mut second = ask().open().await;
    assert_eq!(second.event().await.as_deref(), Some("first"));
    drop(second);
    comes_to("readiness of the key", true, async || {
        is_in(&weir, "a", "ready").await
    })
    .await;
}

#[tokio::test]
async fn a_passed_through_answer_says_what_is_left_of_a_key() {
    let host = Sim::that(&[
        "rate_limits key=sk-a size=1 path=/",
        "rate_limits key=sk-b size=90 path=/",
    ])
    .await;
    let weir = Weir::in_front_of([&host])
        .each("rotation: least_used")
        .keys(["a", "b"])
        .await;
    for _ in 0..5 {
        weir.get("/gpu-a/v1/models").send().await.assert_status(200);
    }
    assert_eq!(host.keys_used(), "abbbb");
}

/// The client chooses the path, and with it what is used: it counts where the answer says it in plain text.
#[tokio::test]
async fn tokens_of_what_passes_through_count_against_the_cap() {
    let host = Upstream::start(|mut peer| async move {
        while let Some(request) = peer.request().await {
            if request.target.ends_with("/stream") {
                peer.say(stream_head()).await;
                for payload in [&Chat::word("x"), &Chat::usage(10, 20), "[DONE]"] {
                    peer.event(payload).await;
                }
                peer.last_chunk().await;
            } else if request.target.ends_with("/long") {
                let long = format!(
                    r#"{{"data":"{}","usage":{{"input_tokens":10,"output_tokens":20}}}}"#,
                    "x".repeat(200_000)
                );
                peer.say(reply("200 OK", long)).await;
            } else if request.target.ends_with("/encoded") {
                let headers = [
                    ("content-type", "application/json"),
                    ("content-encoding", "br"),
                ];
                let body = r#"{"usage":{"prompt_tokens":9,"completion_tokens":9}}"#;
                peer.say(http("200 OK", &headers, body)).await;
            } else {
                let usage = r#"{"usage":{"prompt_tokens":10,"completion_tokens":20}}"#;
                peer.say(reply("200 OK", usage)).await;
            }
        }
    })
    .await;
    let weir = Weir::in_front_of([&host])
        .each("rotation: failover")
        .keys(["a, tokens_per_minute: 61", "b"])
        .await;
    // 30 and 60 are below it, 90 is not; what is encoded is not read.
    let paths = ["whole", "encoded", "stream", "long", "whole"];
    for (index, path) in paths.into_iter().enumerate() {
        let request = weir.post(&format!("/gpu-a/v1/{path}")).body("{}");
        request.send().await.assert_status(200).assert_whole();
        let lines = weir.access_lines(index + 1).await;
        let expected = match path {
            "encoded" => serde_json::Value::Null,
            _ => 20.into(),
        };
        assert_eq!(lines[index]["output_tokens"], expected, "{path}");
    }
    assert_eq!(host.keys_used(), "aaaab");
    assert!(is_in(&weir, "a", "at_cap").await);
    let output = r#"weir_tokens_total{model="none",upstream="gpu-a",kind="output"}"#;
    assert_eq!(weir.metric(output).await, 80.0);
}

// ---- realtime -----------------------------------------------------------------------------------------------------

const HANDSHAKE: &str = "GET /v1/realtime?model=llama-3.1-8b HTTP/1.1\r\nhost: weir\r\nconnection: Upgrade\r\nupgrade: websocket\r\nsec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";

/// A WebSocket's connection, and the first line of what its handshake came to.
async fn handshake(weir: &Weir) -> (Wire, String) {
    let mut wire = weir.dial().await;
    wire.write(HANDSHAKE).await;
    let head = wire.read_until("\r\n").await;
    (wire, head.trim_end().to_owned())
}

const OPENED: &str = "HTTP/1.1 101 Switching Protocols";

#[tokio::test]
async fn a_websocket_is_opened_with_the_next_key_when_one_is_refused() {
    for refusal in [
        "status=429 retry_after=60",
        "status=429 style=insufficient_quota",
        "status=402",
        "status=401",
        "status=403",
    ] {
        let host = Sim::that(&[&format!("{refusal} key=sk-a path=/v1/realtime")]).await;
        let weir = Weir::in_front_of([&host])
            .each("rotation: failover")
            .keys(["a", "b"])
            .await;
        for _ in 0..2 {
            let (_socket, said) = handshake(&weir).await;
            assert_eq!(said, OPENED, "{refusal}");
        }
        assert_eq!(host.keys_used(), "abb", "{refusal}");
        let rests = r#"weir_upstream_key_rests_total{key="a"}"#;
        assert_eq!(weir.metric(rests).await, 1.0, "{refusal}");
    }
}

#[tokio::test]
async fn a_websocket_has_its_keys_place_until_it_is_closed() {
    let host = Sim::start().await;
    let weir = Weir::in_front_of([&host])
        .with("failover: { key_wait: 200ms }")
        .keys(["a, concurrency: 1"])
        .await;
    let (socket, said) = handshake(&weir).await;
    assert_eq!(said, OPENED);
    let (_refused, said) = handshake(&weir).await;
    assert_eq!(said, "HTTP/1.1 429 Too Many Requests");
    socket.close();
    comes_to("handshake", OPENED.to_owned(), async || {
        handshake(&weir).await.1
    })
    .await;
}

/// The host sends every message back, so that the client says here what a server of the Realtime API would.
#[tokio::test]
async fn what_a_websocket_uses_counts_against_its_key_as_it_comes() {
    let host = Sim::start().await;
    let weir = Weir::in_front_of([&host])
        .keys(["a, tokens_per_minute: 50"])
        .await;
    let url = format!("ws://{}/v1/realtime?model=llama-3.1-8b", weir.address());
    let opened = within("WebSocket", tokio_tungstenite::connect_async(url)).await;
    let (mut socket, _) = opened.expect("it is opened");
    for output in [10, 20] {
        let done = format!(
            r#"{{"type":"response.done","response":{{"usage":{{"input_tokens":20,"output_tokens":{output}}}}}}}"#
        );
        assert!(!is_in(&weir, "a", "at_cap").await);
        socket.send(Message::text(done)).await.expect("it is open");
        let echo = within("echo", socket.next()).await;
        assert!(matches!(echo, Some(Ok(Message::Text(_)))), "{echo:?}");
    }
    assert!(is_in(&weir, "a", "at_cap").await);
    let (_refused, said) = handshake(&weir).await;
    assert_eq!(said, "HTTP/1.1 429 Too Many Requests");
    socket.close(None).await.expect("it is open");
    let lines = weir.access_lines(2).await;
    let used = |line: &Value| {
        (
            line["input_tokens"].as_u64(),
            line["output_tokens"].as_u64(),
        )
    };
    assert!(
        lines.iter().any(|line| used(line) == (Some(40), Some(30))),
        "{lines:?}"
    );
}

#[tokio::test]
async fn a_websocket_waits_for_a_key() {
    let host = Sim::that(&["status=429 for=300ms count=1 path=/v1/realtime"]).await;
    let weir = Weir::in_front_of([&host])
        .with("failover: { key_wait: 6s }")
        .keys(["a"])
        .await;
    assert_eq!(handshake(&weir).await.1, OPENED);
    assert_eq!(host.keys_used(), "aa");
}

#[tokio::test]
async fn what_a_handshake_says_of_weirs_account_is_not_the_clients_to_see() {
    let words = r#"{"error":{"message":"ACCOUNT-SECRET","type":"x","code":"invalid_api_key"}}"#;
    for (status, expected) in [
        ("401 Unauthorized", "http/1.1 502 bad gateway"),
        ("402 Payment Required", "http/1.1 429 too many requests"),
        ("429 Too Many Requests", "http/1.1 429 too many requests"),
    ] {
        let host = Upstream::answering(reply(status, words)).await;
        let weir = Weir::in_front_of([&host])
            .each("key_cooldown: { first: 60s }")
            .keys(["a"])
            .await;
        let mut wire = weir.dial().await;
        wire.write(HANDSHAKE).await;
        let (head, body) = wire.read_answer().await;
        assert!(head.starts_with(expected), "{status}: {head}");
        let said = head + &String::from_utf8_lossy(&body);
        assert!(!said.to_lowercase().contains("secret"), "{said}");
    }
}

// ---- weir's own requests ------------------------------------------------------------------------------------------

/// The keys of the requests for the host's model list, so far.
fn list_keys(host: &Sim) -> String {
    let requests = host.requests();
    let lists = requests.iter().filter(|seen| seen.path() == "/v1/models");
    lists
        .map(|seen| seen.key().trim_start_matches("sk-").to_owned())
        .collect()
}

#[tokio::test]
async fn models_are_learnt_with_a_key_that_is_not_out() {
    let host = Sim::that(&["status=401 key=sk-a"]).await;
    let weir = Weir::in_front_of([&host])
        .learning()
        .each("rotation: failover")
        .each("models: { auto: { refresh: 50ms } }")
        .keys(["a", "b"])
        .await;
    comes_to("status of a chat", 200, async || {
        weir.chat("hi").send().await.status
    })
    .await;
    assert!(is_in(&weir, "a", "out").await);
    let so_far = list_keys(&host).len();
    let lists = eventually("further lists", async || {
        let lists = list_keys(&host);
        (lists.len() >= so_far + 4).then_some(lists)
    })
    .await;
    // One may have been under way.
    assert!(
        lists[so_far + 1..].bytes().all(|key| key == b'b'),
        "{lists}"
    );
}

#[tokio::test]
async fn models_are_learnt_with_a_key_that_rests_rather_than_with_one_that_is_out() {
    let host = Sim::that(&["status=401 key=sk-a", "status=402 key=sk-b"]).await;
    let weir = Weir::in_front_of([&host])
        .learning()
        .each("rotation: failover")
        .each("models: { auto: { refresh: 50ms } }")
        .keys(["a", "b"])
        .await;
    comes_to("status of a chat", 429, async || {
        weir.chat("hi").send().await.status
    })
    .await;
    let so_far = list_keys(&host).len();
    let lists = eventually("further lists", async || {
        let lists = list_keys(&host);
        (lists.len() >= so_far + 4).then_some(lists)
    })
    .await;
    assert!(
        lists[so_far + 1..].bytes().all(|key| key == b'b'),
        "{lists}"
    );
}

#[tokio::test]
async fn learning_and_probing_cost_no_cap() {
    let host = Sim::start().await;
    let weir = Weir::in_front_of([&host])
        .learning()
        .each("models: { auto: { refresh: 50ms } }")
        .with("health: { probe: /v1/models, interval: 1s }")
        .keys(["a, requests_per_minute: 1, concurrency: 1"])
        .await;
    eventually("third time of learning", async || {
        (list_keys(&host).len() >= 3).then_some(())
    })
    .await;
    weir.chat("hi").send().await.assert_status(200);
    let before = list_keys(&host).len();
    eventually("further learning while the key is at its cap", async || {
        (list_keys(&host).len() > before + 1).then_some(())
    })
    .await;
    weir.chat("hi")
        .send()
        .await
        .assert_error(429, "upstream_keys_exhausted");
}
