//! What is charged for answers that end in every way, by the rule of docs/usage.md: field reports 8 to 15.

use std::collections::HashMap;

use serde_json::{Value, json};
use weir::ledger::{End, Row};
use weir::terms::Money;
use weir::tokens::{Counter, request_tokens};

use crate::harness::*;

/// A billionth-exact price: 3 and 7 for a million tokens.
const INPUT_NANOS: u64 = 3_000;
const OUTPUT_NANOS: u64 = 7_000;
/// Models of each host; no two cases share one, so that none learns from another.
const MODELS: usize = 40;

/// weir with a host of each engine, its models `<kind>-0`, `<kind>-1`, …
struct Stage {
    weir: Weir,
    hosts: HashMap<&'static str, Sim>,
    turn: usize,
    expected: Vec<(String, Expected)>,
}

/// What a row is to say.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Expected {
    end: End,
    input: u64,
    output: u64,
    estimated: bool,
}

impl Expected {
    fn nothing(end: End) -> Expected {
        Expected {
            end,
            input: 0,
            output: 0,
            estimated: false,
        }
    }
}

impl Stage {
    async fn set() -> Stage {
        let mut hosts = HashMap::new();
        let mut upstreams = String::new();
        let mut models = String::new();
        for tongue in [
            Tongue::Chat,
            Tongue::Messages,
            Tongue::Gemini,
            Tongue::Ollama,
        ] {
            let host = Sim::with(|options| {
                options.kind = tongue.engine();
                options.tokens = 12;
            })
            .await;
            let (kind, url) = (tongue.kind(), host.url());
            upstreams += &format!(
                "  - {{ name: {kind}, kind: {kind}, url: \"{url}\", keys: [{{ value: sk-of-the-host }}] }}\n"
            );
            for number in 0..MODELS {
                models += &format!(
                    "  {kind}-{number}: {{ targets: [{{ upstream: {kind}, model: {MODEL} }}] }}\n"
                );
            }
            hosts.insert(kind, host);
        }
        let weir = Weir::configured(format!(
            "{STORE}\naccess: {{ required: false }}\nupstreams:\n{upstreams}models:\n{models}prices: {{ models: {{ \"*\": {{ input: 3, output: 7 }} }} }}\ntimeouts: {{ idle: 5s }}\nfailover: {{ attempts: 1 }}"
        ))
        .await;
        Stage {
            weir,
            hosts,
            turn: 0,
            expected: Vec::new(),
        }
    }

    /// A request to a host of a kind, for a model that nobody has used, and its name in the ledger.
    fn ask(&mut self, tongue: Tongue, kind: &str, prompt: &str, stream: bool) -> (Request, String) {
        self.turn += 1;
        let model = format!("{kind}-{}", self.turn % MODELS);
        let id = format!("{tongue:?}-to-{kind}-{}-{prompt}", self.turn);
        let id = id.replace(' ', "_");
        let request = tongue.ask(&self.weir, &model, prompt, 40, stream);
        (request.header("x-request-id", &id), id)
    }

    /// Tokens of prompt and answer, as the host has counted the last request.
    fn served(&self, kind: &str) -> (u64, u64) {
        let last = self.hosts[kind].last_request();
        (last.number("prompt_tokens"), last.number("output_tokens"))
    }

    fn expect(&mut self, id: String, expected: Expected) {
        self.expected.push((id, expected));
    }

    /// Holds every expectation against the ledger.
    async fn settle(mut self) {
        let rows = self.weir.ended().await.by_request();
        let mut wrong = Vec::new();
        for (id, expected) in &self.expected {
            let Some(row) = rows.get(id) else {
                wrong.push(format!("{id}: no row"));
                continue;
            };
            let found = told(row);
            if found != *expected {
                wrong.push(format!("{id}: {found:?} and not {expected:?}"));
            }
            let nanos = found.input * INPUT_NANOS + found.output * OUTPUT_NANOS;
            let cost = Money::from_nanos(i64::try_from(nanos).expect("little money"));
            if row.cost != cost || !row.priced {
                wrong.push(format!("{id}: costs {} and not {cost}", row.cost));
            }
        }
        assert!(wrong.is_empty(), "{}", wrong.join("\n"));
        assert_eq!(rows.len(), self.expected.len());
    }
}

fn told(row: &Row) -> Expected {
    Expected {
        end: row.end,
        input: row.usage.input(),
        output: row.usage.output,
        estimated: row.estimated,
    }
}

/// weir's own count of a text of the hosts' model.
fn counted(text: &str) -> u64 {
    let counter = Counter::shared();
    match text {
        "" => 0,
        text => counter.count(counter.for_model(MODEL), text).max(1),
    }
}

/// weir's own count of a request.
fn estimated(request: &Request) -> u64 {
    request_tokens(&request.bytes(), Some("application/json")).input_estimate
}

/// The values of a stream, whatever frames them.
fn values(tongue: Tongue, body: &[u8]) -> Vec<Value> {
    let text = String::from_utf8_lossy(body);
    let lines = text.lines().filter_map(|line| match tongue {
        Tongue::Ollama => Some(line),
        _ => line.strip_prefix("data: "),
    });
    lines
        .filter_map(|line| serde_json::from_str(line).ok())
        .collect()
}

/// The text of a stream or of a whole answer.
fn text_of(tongue: Tongue, values: &[Value]) -> String {
    let texts = values.iter().filter_map(|value| {
        let is_delta = value["type"] == "response.output_text.delta";
        let text = match tongue {
            Tongue::Chat => match &value["choices"][0]["delta"]["content"] {
                Value::Null => &value["choices"][0]["message"]["content"],
                delta => delta,
            },
            Tongue::Completions => &value["choices"][0]["text"],
            Tongue::Responses if is_delta => &value["delta"],
            Tongue::Responses => &value["output"][0]["content"][0]["text"],
            Tongue::Messages => match &value["delta"]["text"] {
                Value::Null => &value["content"][0]["text"],
                delta => delta,
            },
            Tongue::Gemini => &value["candidates"][0]["content"]["parts"][0]["text"],
            Tongue::Ollama => &value["message"]["content"],
        };
        text.as_str().map(str::to_owned)
    });
    texts.collect()
}

/// What a stream that has broken off comes to, by what it has told and what it has said since.
fn broken_off(tongue: Tongue, request: &Request, values: &[Value], end: End) -> Expected {
    let number = |value: &Value| value.as_u64().unwrap_or(0);
    let said = counted(&text_of(tongue, values));
    let (input, output, estimated) = match tongue {
        // Tells its input and a first token at the beginning.
        Tongue::Messages => {
            let usage = &values[0]["message"]["usage"];
            let input = number(&usage["input_tokens"]);
            (input, number(&usage["output_tokens"]) + said, true)
        }
        // Tells all of it again and again; the later counts hold the earlier ones (field report 13).
        Tongue::Gemini => {
            let mut usages = values.iter().map(|value| &value["usageMetadata"]);
            let usage = usages.rfind(|usage| usage.is_object());
            let usage = usage.expect("it tells its usage");
            let output = number(&usage["candidatesTokenCount"]);
            (number(&usage["promptTokenCount"]), output, false)
        }
        _ => (estimated(request), said, true),
    };
    Expected {
        end,
        input,
        output,
        estimated,
    }
}

/// Reads until the host has nothing more to say, and goes away.
async fn leave_at(request: Request, tongue: Tongue, events: usize) -> Vec<Value> {
    let mut answer = request.open().await;
    let mut body = Vec::new();
    loop {
        let read = values(tongue, &body);
        if read.len() >= events {
            return read;
        }
        body.extend(
            within("event", answer.piece())
                .await
                .expect("there is more"),
        );
    }
}

#[tokio::test]
async fn streams_of_each_dialect_are_charged_by_the_rule_however_they_end() {
    let mut stage = Stage::set().await;
    for tongue in Tongue::ALL {
        let kind = tongue.kind();
        let (request, id) = stage.ask(tongue, kind, "normal", true);
        request.send().await.assert_status(200);
        let (input, output) = stage.served(kind);
        assert!(input > 0 && output == 12, "{tongue:?}: {input}, {output}");
        let complete = Expected {
            end: End::Complete,
            input,
            output,
            estimated: false,
        };
        stage.expect(id, complete);

        let (request, id) = stage.ask(tongue, kind, "[[fault:usage_missing]]", true);
        let answer = request.clone().send().await;
        let said = text_of(tongue, &values(tongue, &answer.body));
        assert!(!said.is_empty(), "{tongue:?}: {}", answer.text());
        let untold = Expected {
            end: End::Complete,
            input: estimated(&request),
            output: counted(&said),
            estimated: true,
        };
        stage.expect(id, untold);

        for (fault, end) in [
            ("truncate after=7 style=cut", End::UpstreamCut),
            ("error_mid after=7", End::ErrorEvent),
        ] {
            let (request, id) = stage.ask(tongue, kind, &format!("[[fault:{fault}]]"), true);
            let answer = request.clone().send().await;
            answer.assert_status(200);
            let read = values(tongue, &answer.body);
            stage.expect(id, broken_off(tongue, &request, &read, end));
        }

        let (request, id) = stage.ask(tongue, kind, "[[fault:stall after=6]]", true);
        let read = leave_at(request.clone(), tongue, 6).await;
        stage.expect(id, broken_off(tongue, &request, &read, End::ClientGone));

        for (fault, end) in [
            ("error_first", End::Failed),
            ("status=400", End::Failed),
            ("status=503", End::Failed),
            ("close_before", End::Failed),
        ] {
            let (request, id) = stage.ask(tongue, kind, &format!("[[fault:{fault}]]"), true);
            let answer = request.send().await;
            assert!(
                answer.status >= 400,
                "{tongue:?} {fault}: {}",
                answer.text()
            );
            stage.expect(id, Expected::nothing(end));
        }
    }
    stage.settle().await;
}

#[tokio::test]
async fn whole_answers_of_each_dialect_are_charged_by_the_rule_however_they_end() {
    let mut stage = Stage::set().await;
    for tongue in Tongue::ALL {
        let kind = tongue.kind();
        let (request, id) = stage.ask(tongue, kind, "normal", false);
        request.send().await.assert_status(200);
        let (input, output) = stage.served(kind);
        stage.expect(
            id,
            Expected {
                end: End::Complete,
                input,
                output,
                estimated: false,
            },
        );

        let (request, id) = stage.ask(tongue, kind, "[[fault:usage_missing]]", false);
        let answer = request.clone().send().await;
        let said = text_of(tongue, &[answer.json()]);
        let untold = Expected {
            end: End::Complete,
            input: estimated(&request),
            output: counted(&said),
            estimated: true,
        };
        stage.expect(id, untold);

        for fault in [
            "truncate",
            "status=400",
            "status=503",
            "html_500",
            "reset_before",
        ] {
            let (request, id) = stage.ask(tongue, kind, &format!("[[fault:{fault}]]"), false);
            let answer = request.send().await;
            assert!(
                answer.status >= 400,
                "{tongue:?} {fault}: {}",
                answer.text()
            );
            stage.expect(id, Expected::nothing(End::Failed));
        }

        // The upstream has read it before the client left.
        let (request, id) = stage.ask(tongue, kind, "[[fault:stall]]", false);
        let before = stage.hosts[kind].stats().requests;
        let waiting = tokio::spawn(request.clone().send());
        comes_to("requests", before + 1, async || {
            stage.hosts[kind].stats().requests
        })
        .await;
        waiting.abort();
        let input = estimated(&request);
        stage.expect(
            id,
            Expected {
                end: End::ClientGone,
                input,
                output: 0,
                estimated: true,
            },
        );
        // No key, no host, no model: weir's own refusals.
        let nowhere = tongue.ask(&stage.weir, "no-such-model", "hi", 9, false);
        assert_eq!(nowhere.send().await.status, 404);
    }
    stage.settle().await;
}

#[tokio::test]
async fn translated_streams_are_charged_by_what_the_upstream_tells() {
    let mut stage = Stage::set().await;
    for (tongue, upstream) in [
        (Tongue::Chat, Tongue::Messages),
        (Tongue::Messages, Tongue::Chat),
        (Tongue::Gemini, Tongue::Ollama),
        (Tongue::Responses, Tongue::Gemini),
    ] {
        let kind = upstream.kind();
        for stream in [true, false] {
            let (request, id) = stage.ask(tongue, kind, "normal", stream);
            request.send().await.assert_status(200);
            let (input, output) = stage.served(kind);
            stage.expect(
                id,
                Expected {
                    end: End::Complete,
                    input,
                    output,
                    estimated: false,
                },
            );
        }
        for (fault, end) in [
            ("truncate after=7 style=cut", End::UpstreamCut),
            ("error_mid after=7", End::ErrorEvent),
        ] {
            let (request, id) = stage.ask(tongue, kind, &format!("[[fault:{fault}]]"), true);
            let answer = request.clone().send().await;
            let said = counted(&text_of(tongue, &values(tongue, &answer.body)));
            assert!(said > 0, "{tongue:?}: {}", answer.text());
            let (prompt, _) = stage.served(kind);
            let expected = match upstream {
                Tongue::Messages => (prompt, said + 1, true),
                // Each of the seven events tells what has come so far.
                Tongue::Gemini => (prompt, 7, false),
                _ => (estimated(&request), said, true),
            };
            let (input, output, estimated) = expected;
            stage.expect(
                id,
                Expected {
                    end,
                    input,
                    output,
                    estimated,
                },
            );
        }
        let (request, id) = stage.ask(tongue, kind, "[[fault:error_first]]", true);
        assert!(request.send().await.status >= 400);
        stage.expect(id, Expected::nothing(End::Failed));
    }
    stage.settle().await;
}

#[tokio::test]
async fn usage_beside_choices_in_every_chunk_or_late_is_counted_once() {
    // Field reports 9 (usage in a chunk with choices) and 13 (cumulative counts); a stream of more than a second is noted on the way.
    let mut stage = Stage::set().await;
    for prompt in [
        "[[fault:usage_early]]",
        "plain",
        "[[fault:slow_drip for=1ms]]",
    ] {
        let (request, id) = stage.ask(Tongue::Chat, "vllm", prompt, true);
        let options = json!({"include_usage": true, "continuous_usage_stats": prompt == "plain"});
        let answer = request.set("stream_options", options).send().await;
        answer.assert_clean_stream();
        let (input, output) = stage.served("vllm");
        stage.expect(
            id,
            Expected {
                end: End::Complete,
                input,
                output,
                estimated: false,
            },
        );
    }
    stage.settle().await;
}

#[tokio::test]
async fn embeddings_and_the_upstreams_own_paths_are_written_down() {
    // Field report 42: what passes through is counted as well.
    let mut stage = Stage::set().await;
    let body = json!({"model": "vllm-1", "input": "some words to embed"});
    let request = stage.weir.post("/v1/embeddings").json(body);
    request
        .header("x-request-id", "embeddings")
        .send()
        .await
        .assert_status(200);
    let (input, _) = stage.served("vllm");
    assert!(input > 0);
    let complete = |input, output| Expected {
        end: End::Complete,
        input,
        output,
        estimated: false,
    };
    stage.expect("embeddings".to_owned(), complete(input, 0));
    for stream in [false, true] {
        let mut body = json!({"model": MODEL, "stream": stream, "messages": [{"role": "user", "content": "hi"}]});
        if stream {
            body["stream_options"] = json!({"include_usage": true});
        }
        let request = stage.weir.post("/vllm/v1/chat/completions").json(body);
        let id = format!("own-path-{stream}");
        request
            .header("x-request-id", &id)
            .send()
            .await
            .assert_status(200);
        let (input, output) = stage.served("vllm");
        stage.expect(id, complete(input, output));
    }
    let body =
        json!({"model": MODEL, "max_tokens": 30, "messages": [{"role": "user", "content": "hi"}]});
    let request = stage.weir.post("/anthropic/v1/messages").json(body);
    let request = request.header("anthropic-version", "2023-06-01");
    request
        .header("x-request-id", "own-path-of-anthropic")
        .send()
        .await
        .assert_status(200);
    let (input, output) = stage.served("anthropic");
    stage.expect("own-path-of-anthropic".to_owned(), complete(input, output));
    stage.settle().await;
}

#[tokio::test]
async fn attempts_and_fallbacks_that_were_made_good_are_charged_once_and_to_who_answered() {
    // Field reports 13 and 15.
    let hosts = [Sim::that(&["status=503"]).await, Sim::start().await];
    let prices = "prices: { upstreams: { gpu-a: { \"*\": { output: 1000000 } }, gpu-b: { \"*\": { output: 3000000 } } } }";
    let models = format!(
        "models: {{ m: {{ targets: [{}, {}] }}, first: {{ targets: [{}], fallbacks: [second] }}, second: {{ targets: [{}] }} }}",
        target(0, ""),
        target(1, ", tier: 2"),
        target(0, ""),
        target(1, "")
    );
    let access = "access: { keys: [{ label: ada, value: the-key-of-ada-0123456789, tenant: acme }] }\ntenants: { acme: { budget: { amount: 1000, per: month } } }";
    let mut weir = Weir::in_front_of(&hosts)
        .with(&models)
        .with(prices)
        .with(access)
        .with(STORE)
        .await;
    for model in ["m", "first"] {
        for stream in [false, true] {
            let request = Tongue::Chat.ask(&weir, model, "hi", 20, stream);
            let request = request.header("x-api-key", "the-key-of-ada-0123456789");
            let id = format!("{model} {stream}");
            request
                .header("x-request-id", &id)
                .send()
                .await
                .assert_status(200);
        }
    }
    let books = weir.ended().await;
    let rows = books.by_request();
    assert_eq!(rows.len(), 4);
    for (id, row) in &rows {
        assert_eq!(
            (row.end, row.usage.output, &*row.upstream),
            (End::Complete, 8, "gpu-b"),
            "{id}"
        );
        assert_eq!(row.attempts, 2, "{id}");
        assert_eq!(row.cost, Money::from_nanos(24_000_000_000), "{id}");
    }
    assert_eq!(
        books.charged("budget/tenant/acme"),
        Money::from_nanos(96_000_000_000)
    );
}

#[tokio::test]
async fn cached_and_reasoning_tokens_have_their_own_prices() {
    // Field report 11; and 12: the whole of an Anthropic stream, input and caches as well.
    let usage = json!({"prompt_tokens": 100, "completion_tokens": 50, "total_tokens": 150, "prompt_tokens_details": {"cached_tokens": 60}, "completion_tokens_details": {"reasoning_tokens": 20}});
    let chat = json!({"id": "c1", "object": "chat.completion", "created": 1, "model": "m", "choices": [{"index": 0, "message": {"role": "assistant", "content": "hi"}, "finish_reason": "stop"}], "usage": usage});
    let openai = Upstream::answering(reply("200 OK", chat.to_string())).await;
    let start = json!({"type": "message_start", "message": {"id": "m1", "type": "message", "role": "assistant", "model": "m", "content": [], "stop_reason": null, "usage": {"input_tokens": 40, "cache_read_input_tokens": 60, "cache_creation_input_tokens": 10, "output_tokens": 1}}});
    let parts = [
        start,
        json!({"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}}),
        json!({"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "hi"}}),
        json!({"type": "content_block_stop", "index": 0}),
        json!({"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": {"output_tokens": 50}}),
        json!({"type": "message_stop"}),
    ];
    let parts: String = parts
        .iter()
        .map(|part| {
            format!(
                "event: {}\ndata: {part}\n\n",
                part["type"].as_str().expect("a type")
            )
        })
        .collect();
    let anthropic = Upstream::streaming(parts).await;
    let (first, second) = (openai.url(), anthropic.url());
    let mut weir = Weir::configured(format!(
        "{STORE}\naccess: {{ required: false }}\nupstreams: [{{ name: one, kind: vllm, url: \"{first}\" }}, {{ name: two, kind: anthropic, url: \"{second}\", keys: [{{ value: sk-x }}] }}]\nmodels: {{ one: {{ targets: [{{ upstream: one, model: m }}] }}, two: {{ targets: [{{ upstream: two, model: m }}] }} }}\nprices: {{ models: {{ \"*\": {{ input: 10, output: 20, cache_read: 1, cache_write: 12, reasoning: 30 }} }} }}"
    ))
    .await;
    let one = Tongue::Chat.ask(&weir, "one", "hi", 90, false);
    one.header("x-request-id", "one")
        .send()
        .await
        .assert_status(200);
    let two = Tongue::Messages.ask(&weir, "two", "hi", 90, true);
    two.header("x-request-id", "two")
        .send()
        .await
        .assert_status(200);
    let rows = weir.ended().await.by_request();
    // 40 × 10 + 60 × 1 + 30 × 20 + 20 × 30, and 40 × 10 + 60 × 1 + 10 × 12 + 50 × 20, for a million.
    assert_eq!(rows["one"].cost, Money::from_nanos(1_660_000));
    assert_eq!(rows["two"].cost, Money::from_nanos(1_580_000));
    assert_eq!(
        (rows["two"].usage.input(), rows["two"].usage.output),
        (110, 50)
    );
    assert!(!rows["one"].estimated && !rows["two"].estimated);
}
