//! Plugins that are part of weir, and rules in CEL, through the real binary: what reaches the host, what reaches the client, in every
//! dialect, streamed and whole, and what a bad configuration leaves in force.

use serde_json::{Value, json};

use crate::harness::*;
use crate::translated_streams::strangers;
use crate::translation::grammar::check_stream;

const MAIL: &str = "jane.doe@example.com";

fn masking(more: &str) -> String {
    format!("plugins: {{ items: {{ pii: {{ builtin: pii{more} }} }} }}\nfilters: [pii]")
}

#[tokio::test]
async fn what_a_request_says_is_masked_before_it_is_sent() {
    let host = Sim::start().await;
    let weir = Weir::in_front_of([&host]).with(&masking("")).await;
    let answer = weir.chat(&format!("write to {MAIL} today")).send().await;
    answer.assert_status(200);
    let seen = host.last_request();
    assert!(!seen.body().contains(MAIL), "{}", seen.body());
    let content = &seen.json()["messages"][0]["content"];
    assert!(
        content
            .as_str()
            .is_some_and(|text| text.starts_with("write to [") && text.ends_with("] today")),
        "{content}"
    );
    let calls =
        weir.metric(r#"weir_plugin_calls_total{plugin="pii",hook="on_request",outcome="ok"}"#);
    assert_eq!(calls.await, 1.0);
    assert!(!weir.everything_written().contains(MAIL));
}

/// A host that says the address in two events, and once more in its whole answers.
async fn talkative() -> Upstream {
    Upstream::start(|mut peer| async move {
        while let Some(seen) = peer.request().await {
            if seen.text().contains("\"stream\":true") || seen.text().contains("\"stream\": true") {
                peer.say(stream_head()).await;
                let (before, after) = MAIL.split_at(7);
                let words = ["ask ", before, after, " or nobody"];
                peer.chunk(events(Chat::stream(&words))).await;
                peer.last_chunk().await;
            } else {
                let answer = json!({"id": "x", "object": "chat.completion", "created": 1, "model": MODEL,
                    "choices": [{"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": format!("ask {MAIL}")}}],
                    "usage": {"prompt_tokens": 1, "completion_tokens": 2, "total_tokens": 3}});
                peer.say(reply("200 OK", answer.to_string())).await;
            }
        }
    })
    .await
}

#[tokio::test]
async fn what_a_stream_says_is_masked_across_its_events_in_every_dialect() {
    let host = talkative().await;
    let weir = Weir::in_front_of([&host]).with(&masking("")).await;
    let answer = weir.chat("hi").streaming().send().await;
    answer.assert_status(200).assert_clean_stream();
    let text = Chat::text(&answer.payloads());
    assert!(!answer.text().contains("example.com"), "{}", answer.text());
    assert!(
        text.starts_with("ask [") && text.ends_with("] or nobody"),
        "{text}"
    );
    for client in strangers(MODEL) {
        let answer = client.ask(&weir).send().await;
        answer.assert_status(200).assert_whole();
        let said = check_stream(client.dialect, answer.text().as_bytes());
        let said = said.unwrap_or_else(|why| panic!("{}: {why}", client.name()));
        let text = said.text();
        assert!(
            text.starts_with("ask [") && text.ends_with("] or nobody"),
            "{}: {text}",
            client.name()
        );
    }
}

#[tokio::test]
async fn what_a_whole_answer_says_is_masked() {
    let host = talkative().await;
    let weir = Weir::in_front_of([&host]).with(&masking("")).await;
    let answer = weir.chat("hi").send().await;
    answer.assert_status(200).assert_whole();
    let content = answer.json()["choices"][0]["message"]["content"].clone();
    assert!(
        content
            .as_str()
            .is_some_and(|text| text.starts_with("ask [")),
        "{content}"
    );
}

#[tokio::test]
async fn a_condition_decides_whether_a_guard_is_asked() {
    let host = Sim::start().await;
    let yaml = "plugins: { items: { pii: { builtin: pii } } }\nfilters: [{ plugin: pii, when: 'req.headers[\"x-team\"] != \"trusted\"' }]";
    let weir = Weir::in_front_of([&host]).with(yaml).await;
    let prompt = format!("write to {MAIL}");
    weir.chat(&prompt).header("x-team", "trusted").send().await;
    assert!(host.last_request().body().contains(MAIL));
    weir.chat(&prompt).send().await;
    assert!(!host.last_request().body().contains(MAIL));
}

#[tokio::test]
async fn rules_authorize_tag_and_route() {
    let (small, large) = (Sim::start().await, Sim::start().await);
    let yaml = format!(
        "authorize: '!(\"x-team\" in req.headers) || req.headers[\"x-team\"] != \"banned\"'\n\
         models:\n  \
           big: {{ targets: [{{ upstream: gpu-b, model: {MODEL} }}] }}\n  \
           chat:\n    \
             authorize: 'req.max_output_tokens <= 4096'\n    \
             route: [{{ when: 'req.prompt_tokens > 200', model: big }}]\n    \
             targets: [{{ upstream: gpu-a, model: {MODEL} }}]"
    );
    let weir = Weir::in_front_of([&small, &large]).with(&yaml).await;
    let ask = |prompt: &str| weir.chat(prompt).model("chat");
    ask("hi").send().await.assert_status(200);
    assert_eq!((small.requests().len(), large.requests().len()), (1, 0));
    ask(&"word ".repeat(1000)).send().await.assert_status(200);
    assert_eq!((small.requests().len(), large.requests().len()), (1, 1));
    let refused = ask("hi").header("x-team", "banned").send().await;
    refused.assert_error(403, "not_authorized");
    let refused = ask("hi").set("max_tokens", 5000).send().await;
    refused.assert_error(403, "not_authorized");
    assert_eq!((small.requests().len(), large.requests().len()), (1, 1));
}

#[tokio::test]
async fn a_bad_plugin_or_rule_keeps_the_configuration_in_force() {
    let host = Sim::start().await;
    let weir = Weir::in_front_of([&host]).with(&masking("")).await;
    let bad = [
        (
            "plugins: { items: { pii: { builtin: pii, config: { no_such_member: 1 } } } }\nfilters: [pii]",
            "no_such_member",
        ),
        (
            "plugins: { items: { pii: { path: not-there.wasm } } }\nfilters: [pii]",
            "not-there.wasm",
        ),
        (
            "plugins: { items: { pii: { builtin: cohere } } }\nfilters: [pii]",
            "pii",
        ),
        ("filters: [nobody]", "nobody"),
        ("authorize: 'req.modle == \"x\"'", "model"),
    ];
    for (yaml, named) in bad {
        weir.rewrite(&Weir::in_front_of([&host]).with(yaml));
        let answer = weir.reload().await;
        assert!(answer.status >= 400, "{yaml}: {}", answer.text());
        assert!(answer.text().contains(named), "{yaml}: {}", answer.text());
        weir.chat(&format!("write to {MAIL}"))
            .send()
            .await
            .assert_status(200);
        assert!(!host.last_request().body().contains(MAIL), "{yaml}");
    }
}

/// A host whose streams wait for a word before they name the address.
async fn hesitant() -> Upstream {
    Upstream::start(|mut peer| async move {
        while peer.request().await.is_some() {
            peer.say(stream_head()).await;
            peer.event(Chat::role()).await;
            peer.event(Chat::word("ask ")).await;
            peer.await_word().await;
            let rest = [Chat::word(MAIL), Chat::finish(), "[DONE]".to_owned()];
            peer.chunk(events(rest)).await;
            peer.last_chunk().await;
        }
    })
    .await
}

fn masking_as(text: &str) -> String {
    masking(&format!(
        ", config: {{ kinds: {{ email: {{ action: mask, text: '{text}' }} }} }}"
    ))
}

#[tokio::test]
async fn a_stream_ends_on_the_plugin_that_it_began_with() {
    let host = hesitant().await;
    let weir = Weir::in_front_of([&host]).with(&masking_as("[ONE]")).await;
    let mut first = weir.chat("hi").streaming().open().await;
    first.event().await.expect("the stream has begun");
    weir.rewrite(&Weir::in_front_of([&host]).with(&masking_as("[TWO]")));
    weir.reload().await.assert_status(200);
    host.go_on();
    let first = first.rest().await;
    first.assert_clean_stream();
    assert!(first.text().contains("[ONE]"), "{}", first.text());
    let second = weir.chat("hi").streaming().open().await;
    host.has_requests(2).await;
    host.go_on();
    let second = second.rest().await;
    assert!(second.text().contains("[TWO]"), "{}", second.text());
    assert!(!format!("{}{}", first.text(), second.text()).contains(MAIL));
}

/// A provider that speaks Cohere's dialect, as its documentation has it.
async fn cohere() -> Upstream {
    Upstream::start(|mut peer| async move {
        while let Some(seen) = peer.request().await {
            let body: Value = seen.text().rsplit("\r\n\r\n").next().and_then(|text| serde_json::from_str(text).ok()).unwrap_or_default();
            if body["stream"] == true {
                peer.say(stream_head()).await;
                let told = [
                    json!({"type": "message-start", "id": "i", "delta": {"message": {"role": "assistant", "content": []}}}),
                    json!({"type": "content-start", "index": 0, "delta": {"message": {"content": {"type": "text", "text": ""}}}}),
                    json!({"type": "content-delta", "index": 0, "delta": {"message": {"content": {"text": "Hel"}}}}),
                    json!({"type": "content-delta", "index": 0, "delta": {"message": {"content": {"text": "lo"}}}}),
                    json!({"type": "content-end", "index": 0}),
                    json!({"type": "message-end", "delta": {"finish_reason": "COMPLETE", "usage": {"tokens": {"input_tokens": 7, "output_tokens": 2}}}}),
                ];
                for event in told {
                    let name = event["type"].as_str().unwrap_or_default().to_owned();
                    peer.chunk(format!("event: {name}\ndata: {event}\n\n")).await;
                }
                peer.last_chunk().await;
            } else {
                let answer = json!({"id": "i", "finish_reason": "COMPLETE",
                    "message": {"role": "assistant", "content": [{"type": "text", "text": "Hello"}]},
                    "usage": {"tokens": {"input_tokens": 7, "output_tokens": 2}}});
                peer.say(reply("200 OK", answer.to_string())).await;
            }
        }
    })
    .await
}

fn with_adapter(host: &Upstream) -> String {
    format!(
        "upstreams: [{{ name: co, kind: adapter, adapter: cohere, url: 'http://127.0.0.1:{}', keys: [{{ label: k, value: sk-co }}], models: [command] }}]\n\
         plugins: {{ items: {{ cohere: {{ builtin: cohere }} }} }}\n",
        host.port()
    )
}

#[tokio::test]
async fn a_provider_that_only_an_adapter_knows_serves_every_dialect() {
    let host = cohere().await;
    let weir = Weir::configured(with_adapter(&host)).await;
    let answer = weir.chat("hi").model("command").send().await;
    answer.assert_status(200).assert_whole();
    let told = answer.json();
    assert_eq!(told["choices"][0]["message"]["content"], "Hello", "{told}");
    assert_eq!(told["usage"]["prompt_tokens"], 7);
    let seen = host.last_request();
    assert_eq!(
        (seen.method.as_str(), seen.target.as_str()),
        ("POST", "/v2/chat")
    );
    assert_eq!(seen.header("authorization"), Some("Bearer sk-co"));
    let answer = weir.chat("hi").model("command").streaming().send().await;
    answer.assert_status(200).assert_clean_stream();
    assert_eq!(Chat::text(&answer.payloads()), "Hello");
    for client in strangers("command") {
        let answer = client.ask(&weir).send().await;
        answer.assert_status(200).assert_whole();
        let said = check_stream(client.dialect, answer.text().as_bytes());
        let said = said.unwrap_or_else(|why| panic!("{}: {why}", client.name()));
        assert_eq!(said.text(), "Hello", "{}", client.name());
        let usage = said.usage.expect("every one of them reports usage");
        assert_eq!((usage.input(), usage.output), (7, 2), "{}", client.name());
    }
}

#[tokio::test]
async fn a_providers_refusal_comes_in_the_clients_words() {
    let host = Upstream::answering(reply(
        "422 Unprocessable Entity",
        r#"{"id":"i","message":"the model is unknown to us"}"#,
    ))
    .await;
    let weir = Weir::configured(with_adapter(&host)).await;
    let answer = weir.chat("hi").model("command").send().await;
    answer.assert_status(422);
    assert_eq!(answer.error()["message"], "the model is unknown to us");
}
