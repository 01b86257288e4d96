//! How answers that are told anew end where something happens to weir itself, and where the host ends as nobody should: in the
//! client's own dialect, whatever it is.

use nix::sys::signal::Signal;
use serde_json::{Value, json};

use crate::harness::*;
use crate::translated_streams::{Stranger, strangers};
use crate::translation::grammar::{
    Dialect, check_answer, check_error, check_error_stream, check_stream,
};

/// A host that speaks Chat alone, so that every other client is a stranger.
const CHAT_ALONE: &str = "kind: tgi";

/// Every client of another dialect, asking for a stream.
fn all_strangers() -> Vec<Stranger> {
    let mut all = strangers(MODEL);
    all.push(Stranger {
        dialect: Dialect::Responses,
        path: "/v1/responses".into(),
        body: json!({"model": MODEL, "input": "hi", "stream": true, "store": false}),
    });
    all
}

/// The same, asking for a whole answer.
fn all_who_want_it_whole() -> Vec<Stranger> {
    let mut all = all_strangers();
    for client in &mut all {
        match client.dialect {
            Dialect::Gemini => client.path = format!("/v1beta/models/{MODEL}:generateContent"),
            _ => client.body["stream"] = json!(false),
        }
    }
    all
}

/// A host whose streams wait for a word in their middle.
async fn host_that_waits_in_the_middle() -> Upstream {
    Upstream::start(|mut peer| async move {
        while peer.request().await.is_some() {
            peer.say(stream_head()).await;
            peer.event(Chat::role()).await;
            peer.event(Chat::word("a")).await;
            peer.await_word().await;
            let rest = [Chat::word("b"), Chat::finish(), "[DONE]".to_owned()];
            peer.chunk(events(rest)).await;
            peer.last_chunk().await;
        }
    })
    .await
}

/// Opens a stream and waits for its first words; what was heard so far.
async fn opened(client: &Stranger, weir: &Weir) -> (Opened, Vec<u8>) {
    let mut opened = client.ask(weir).open().await;
    let first = within("first words", opened.piece()).await;
    let first = first.unwrap_or_else(|| panic!("{}: nothing came", client.name()));
    (opened, first.to_vec())
}

#[tokio::test]
async fn a_stream_that_weir_ends_itself_ends_in_the_clients_dialect() {
    let host = host_that_waits_in_the_middle().await;
    let mut weir = Weir::in_front_of([&host])
        .each(CHAT_ALONE)
        .with("server: { shutdown_grace: 300ms }")
        .await;
    let clients = all_strangers();
    let mut running = Vec::new();
    for client in &clients {
        running.push(opened(client, &weir).await);
    }
    let array = Stranger {
        dialect: Dialect::Gemini,
        path: format!("/v1beta/models/{MODEL}:streamGenerateContent"),
        body: strangers(MODEL)[2].body.clone(),
    };
    let (array_rest, mut array_heard) = opened(&array, &weir).await;
    weir.signal(Signal::SIGTERM);
    for (client, (rest, mut heard)) in clients.iter().zip(running) {
        let rest = rest.rest().await;
        assert_eq!(rest.broken, None, "{}", client.name());
        heard.extend_from_slice(rest.text().as_bytes());
        let failure = check_error_stream(client.dialect, &heard);
        let failure = failure.unwrap_or_else(|why| panic!("{}: {why}", client.name()));
        let message = &failure.message;
        assert!(
            message.contains("shutting down"),
            "{}: {message}",
            client.name()
        );
    }
    array_heard.extend_from_slice(array_rest.rest().await.text().as_bytes());
    let whole: Value = serde_json::from_slice(&array_heard).expect("the array is closed");
    let last = whole.as_array().and_then(|chunks| chunks.last());
    assert_eq!(
        last.expect("it has chunks")["error"]["code"],
        503,
        "{whole}"
    );
    assert_eq!(weir.exited().await.code(), Some(0));
    for line in weir.access_lines(clients.len() + 1).await {
        assert_eq!(line["fault"], "shutting_down", "{line}");
    }
}

#[tokio::test]
async fn a_reload_in_the_middle_leaves_a_stream_as_it_began() {
    let host = host_that_waits_in_the_middle().await;
    let other = Sim::start().await;
    for client in all_strangers() {
        let weir = Weir::in_front_of([&host]).each(CHAT_ALONE).await;
        let (rest, mut heard) = opened(&client, &weir).await;
        // Neither the host nor what it speaks is the same afterwards.
        weir.rewrite(&Weir::in_front_of([&other]));
        assert!(weir.hang_up().await);
        assert_eq!(weir.metric("weir_config_generation").await, 2.0);
        host.go_on();
        heard.extend_from_slice(rest.rest().await.text().as_bytes());
        let said = check_stream(client.dialect, &heard);
        let said = said.unwrap_or_else(|why| panic!("{}: {why}", client.name()));
        assert_eq!(said.text(), "ab", "{}", client.name());
        client.ask(&weir).send().await.assert_status(200);
    }
    assert_eq!(other.stats().requests, 4);
}

#[tokio::test]
async fn case_14_a_client_that_tries_a_websocket_first_is_served_by_translation_then() {
    let mut payloads = Chat::stream(&["a"]);
    payloads.insert(payloads.len() - 1, Chat::usage(1, 1));
    let host = Upstream::streaming(events(&payloads)).await;
    let weir = Weir::in_front_of([&host]).each(CHAT_ALONE).await;
    let connection = weir.connect(Protocol::Http1).await;
    let probe = weir
        .get("/v1/responses")
        .header("connection", "Upgrade")
        .header("upgrade", "websocket")
        .header("sec-websocket-version", "13")
        .header("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ==");
    let probed = connection.send(probe).await;
    probed.assert_error(426, "websocket_not_supported");
    let client = all_strangers().pop().expect("it speaks Responses");
    // The connection is as good as before.
    let answer = connection.send(client.ask(&weir)).await;
    answer.assert_status(200).assert_whole();
    let said = check_stream(client.dialect, answer.text().as_bytes());
    assert_eq!(said.expect("it is whole").text(), "a");
}

#[tokio::test]
async fn a_stream_where_a_whole_answer_was_asked_for_is_told_whole() {
    let mut payloads = Chat::stream(&["Hé", "llo"]);
    payloads.insert(payloads.len() - 1, Chat::usage(12, 5));
    let host = Upstream::streaming(events(&payloads)).await;
    let weir = Weir::in_front_of([&host]).each(CHAT_ALONE).await;
    for (place, client) in all_who_want_it_whole().into_iter().enumerate() {
        let answer = client.ask(&weir).send().await;
        answer.assert_status(200).assert_whole();
        assert_eq!(answer.header("content-type"), Some("application/json"));
        let said = check_answer(client.dialect, answer.text().as_bytes());
        let said = said.unwrap_or_else(|why| panic!("{}: {why}", client.name()));
        assert_eq!(said.text(), "Héllo", "{}", client.name());
        let usage = said.usage.expect("it was counted");
        assert_eq!((usage.input(), usage.output), (12, 5), "{}", client.name());
        let lines = weir.access_lines(place + 1).await;
        let line = &lines[place];
        assert_eq!(line["stream"], false, "{line}");
    }
}

#[tokio::test]
async fn a_stream_that_comes_to_no_whole_answer_is_tried_elsewhere_or_is_an_error() {
    let cut = events([Chat::role(), Chat::word("a")]);
    let failed = events([
        Chat::role(),
        Chat::word("a"),
        r#"{"error":{"message":"too many","type":"rate_limit_error","code":429}}"#.to_owned(),
    ]);
    let sound = Upstream::streaming(events(Chat::stream(&["b"]))).await;
    for (stream, status) in [(cut, 502), (failed, 429), (events(["no chunk"]), 502)] {
        let host = Upstream::streaming(stream).await;
        let alone = Weir::in_front_of([&host]).each(CHAT_ALONE).await;
        let both = Weir::in_front_of([&host, &sound])
            .each(CHAT_ALONE)
            .with(GPU_A_FIRST)
            .await;
        for mut client in all_who_want_it_whole() {
            let answer = client.ask(&alone).send().await;
            answer.assert_status(status).assert_whole();
            let failure = check_error(client.dialect, status, answer.text().as_bytes());
            failure.unwrap_or_else(|why| panic!("{}: {why}", client.name()));
            client.path = client.path.replace(MODEL, "m");
            client.body["model"] = json!("m");
            let answer = client.ask(&both).send().await;
            answer.assert_status(200);
            let said = check_answer(client.dialect, answer.text().as_bytes());
            assert_eq!(said.expect("it is whole").text(), "b", "{}", client.name());
        }
    }
}

#[tokio::test]
async fn case_05_an_answer_without_a_reason_is_cut_but_for_servers_that_never_give_one() {
    let payloads = [Chat::role(), Chat::word("a"), "[DONE]".to_owned()];
    let host = Upstream::streaming(events(payloads)).await;
    let known = Weir::in_front_of([&host]).each("kind: vllm").await;
    let unknown = Weir::in_front_of([&host])
        .each("kind: openai-compatible")
        .await;
    for (place, client) in strangers(MODEL).into_iter().enumerate() {
        let answer = client.ask(&known).send().await;
        let failure = check_error_stream(client.dialect, answer.text().as_bytes());
        failure.unwrap_or_else(|why| panic!("{}: {why}", client.name()));
        let lines = known.access_lines(place + 1).await;
        let line = &lines[place];
        assert_eq!(line["fault"], "truncated", "{line}");
        let answer = client.ask(&unknown).send().await;
        let said = check_stream(client.dialect, answer.text().as_bytes());
        let said = said.unwrap_or_else(|why| panic!("{}: {why}", client.name()));
        assert_eq!(said.text(), "a", "{}", client.name());
    }
    // What passes says itself that it gives no reason.
    let answer = known.chat("hi").streaming().send().await;
    answer.assert_status(200).assert_whole();
    assert!(answer.text().ends_with("data: [DONE]\n\n"));
}
