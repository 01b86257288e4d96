//! Streams that are told anew, through the real binary: clients of other dialects in front of hosts that speak Chat. However the
//! host ends, each client reads an end of its own dialect.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::harness::*;
use crate::translation::grammar::{self, check_error, check_error_stream, check_stream};

/// A client whose dialect the hosts do not speak.
pub struct Stranger {
    pub dialect: grammar::Dialect,
    pub path: String,
    pub body: Value,
}

/// Every such client, asking for a stream of `model`.
pub fn strangers(model: &str) -> Vec<Stranger> {
    let turns = json!([{"role": "user", "content": "hi"}]);
    vec![
        Stranger {
            dialect: grammar::Dialect::Anthropic,
            path: "/v1/messages".into(),
            body: json!({"model": model, "max_tokens": 100, "stream": true, "messages": turns}),
        },
        Stranger {
            dialect: grammar::Dialect::Ollama,
            path: "/api/chat".into(),
            body: json!({"model": model, "messages": turns}),
        },
        Stranger {
            dialect: grammar::Dialect::Gemini,
            path: format!("/v1beta/models/{model}:streamGenerateContent?alt=sse"),
            body: json!({"contents": [{"role": "user", "parts": [{"text": "hi"}]}]}),
        },
    ]
}

impl Stranger {
    pub fn ask(&self, weir: &Weir) -> Request {
        weir.post(&self.path).json(self.body.clone())
    }

    pub fn name(&self) -> &'static str {
        self.dialect.name()
    }
}

#[tokio::test]
async fn a_stream_of_chat_is_whole_in_every_other_dialect() {
    let mut payloads = Chat::stream(&["Hé", "llo 🎉"]);
    payloads.insert(payloads.len() - 1, Chat::usage(12, 5));
    let host = Upstream::streaming(events(&payloads)).await;
    let weir = Weir::in_front_of([&host]).await;
    for client in strangers(MODEL) {
        let answer = client.ask(&weir).send().await;
        answer.assert_status(200).assert_whole();
        let said = check_stream(client.dialect, answer.text().as_bytes());
        let said = said.unwrap_or_else(|why| panic!("{}: {why}", client.name()));
        assert_eq!(said.text(), "Héllo 🎉", "{}", client.name());
        let usage = said.usage.expect("every one of them reports usage");
        assert_eq!((usage.input(), usage.output), (12, 5), "{}", client.name());
        // The host is asked for its usage, or there would be none to tell.
        let seen = host.last_request().text();
        assert!(seen.contains("include_usage"), "{}: {seen}", client.name());
    }
}

/// A host that says the head and some events of a stream, and then hangs up without an end.
async fn host_that_breaks_off_after(payloads: Vec<String>) -> Upstream {
    Upstream::start(move |mut peer| {
        let payloads = payloads.clone();
        async move {
            if peer.request().await.is_some() {
                peer.say(stream_head()).await;
                for payload in &payloads {
                    peer.event(payload).await;
                }
            }
        }
    })
    .await
}

#[tokio::test]
async fn case_05_and_06_a_host_that_dies_in_the_middle_is_an_error_to_every_client() {
    let payloads = Chat::stream(&["a", "b", "c"]);
    for count in 1..4 {
        let host = host_that_breaks_off_after(payloads[..count].to_vec()).await;
        let weir = Weir::in_front_of([&host]).await;
        for client in strangers(MODEL) {
            let answer = client.ask(&weir).send().await;
            let what = format!("{} after {count} events", client.name());
            if answer.status == 200 {
                let failure = check_error_stream(client.dialect, answer.text().as_bytes());
                failure.unwrap_or_else(|why| panic!("{what}: {why}"));
            } else {
                // The role alone is no answer yet, so that the client can be told by a status.
                assert_eq!((answer.status, count), (502, 1), "{what}");
                let failure = check_error(client.dialect, 502, answer.text().as_bytes());
                failure.unwrap_or_else(|why| panic!("{what}: {why}"));
            }
        }
    }
}

#[tokio::test]
async fn case_07_an_error_as_the_first_event_is_tried_elsewhere_or_has_its_status() {
    let words = r#"{"error":{"message":"the engine is on fire","type":"rate_limit_error","param":null,"code":null}}"#;
    let failing = Upstream::streaming(events([words])).await;
    let sound = Upstream::streaming(events(Chat::stream(&["a"]))).await;
    let both = Weir::in_front_of([&failing, &sound])
        .with(GPU_A_FIRST)
        .await;
    for client in strangers("m") {
        let answer = client.ask(&both).send().await;
        answer.assert_status(200);
        let said = check_stream(client.dialect, answer.text().as_bytes());
        assert_eq!(said.expect("it is whole").text(), "a", "{}", client.name());
    }
    let alone = Weir::in_front_of([&failing]).await;
    for client in strangers(MODEL) {
        let answer = client.ask(&alone).send().await;
        answer.assert_status(429).assert_whole();
        let failure = check_error(client.dialect, 429, answer.text().as_bytes());
        let failure = failure.unwrap_or_else(|why| panic!("{}: {why}", client.name()));
        assert_eq!(
            failure.message,
            "the engine is on fire",
            "{}",
            client.name()
        );
    }
}

/// A host that says an event and then nothing, until its client goes.
async fn host_that_goes_quiet() -> Upstream {
    Upstream::start(|mut peer| async move {
        if peer.request().await.is_some() {
            peer.say(stream_head()).await;
            for payload in [Chat::role(), Chat::word("a")] {
                peer.event(&payload).await;
            }
            peer.until_closed().await;
        }
    })
    .await
}

#[tokio::test]
async fn case_09_a_client_that_waits_hears_of_it_in_its_own_alphabet() {
    let host = host_that_goes_quiet().await;
    let weir = Weir::in_front_of([&host])
        .with("translation: { keepalive: 1s }")
        .await;
    for client in strangers(MODEL) {
        let mut opened = client.ask(&weir).open().await;
        let mut heard = String::new();
        // The answer's beginning, and then two signs of life.
        while heard.matches('\n').count() < 40 && signs(client.dialect, &heard) < 2 {
            let piece = within("sign of life", opened.piece()).await;
            heard.push_str(&String::from_utf8_lossy(&piece.expect("the stream runs")));
        }
        assert!(
            signs(client.dialect, &heard) >= 2,
            "{}: {heard}",
            client.name()
        );
        assert!(
            !heard.contains("\n:"),
            "{}: comments are dropped by some clients",
            client.name()
        );
    }
}

/// Events without content among those that a client has heard.
fn signs(dialect: grammar::Dialect, heard: &str) -> usize {
    match dialect {
        grammar::Dialect::Anthropic => heard.matches("event: ping").count(),
        grammar::Dialect::Ollama => heard.matches(r#""content":"""#).count(),
        _ => heard.matches("data: ").count() - heard.matches(r#""text":"a""#).count(),
    }
}

#[tokio::test]
async fn case_13_a_client_that_leaves_ends_the_hosts_stream() {
    for protocol in [Protocol::Http1, Protocol::Http2] {
        for client in strangers(MODEL) {
            let host = host_that_goes_quiet().await;
            let weir = Weir::in_front_of([&host]).await;
            let mut opened = client.ask(&weir).over(protocol).open().await;
            let first = within("first piece", opened.piece()).await;
            assert!(
                first.is_some_and(|piece| !piece.is_empty()),
                "{}",
                client.name()
            );
            let left = Instant::now();
            drop(opened);
            let took = host.closed().await.saturating_duration_since(left);
            assert!(
                took <= CANCELLED_WITHIN,
                "{}, {protocol:?}: {took:?}",
                client.name()
            );
            let line = weir.access_line().await;
            assert_eq!(line["fault"], "client_gone", "{}: {line}", client.name());
        }
    }
}

#[tokio::test]
async fn a_stream_that_arrives_byte_by_byte_is_told_as_soon_as_its_events_are_whole() {
    let host = Upstream::start(|mut peer| async move {
        while peer.request().await.is_some() {
            peer.say(stream_head()).await;
            for payload in Chat::stream(&["é", "🎉"]) {
                for byte in events([payload]).into_bytes() {
                    peer.chunk([byte]).await;
                }
            }
            peer.last_chunk().await;
        }
    })
    .await;
    let weir = Weir::in_front_of([&host]).await;
    for client in strangers(MODEL) {
        let began = Instant::now();
        let answer = client.ask(&weir).send().await;
        let said = check_stream(client.dialect, answer.text().as_bytes());
        assert_eq!(
            said.expect("it is whole").text(),
            "é🎉",
            "{}",
            client.name()
        );
        assert!(
            began.elapsed() < Duration::from_secs(30),
            "{}",
            client.name()
        );
    }
}
