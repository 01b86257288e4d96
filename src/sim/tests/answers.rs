//! Chat and completions: the same answers for the same questions, whole and streamed.

use serde_json::{Value, json};

use super::super::token;
use super::{CHAT, get, host, post, says, streamed};

/// The text that a stream's deltas make.
fn joined(events: &[Value], field: &str) -> String {
    let deltas = events
        .iter()
        .filter_map(|event| event["choices"][0]["delta"][field].as_str());
    deltas.collect()
}

#[tokio::test]
async fn the_answer_depends_on_seed_model_and_prompt_alone() {
    let content = |seed: u64, prompt: &'static str| async move {
        let host = host(|options| options.seed = seed);
        let answer = post(&host, CHAT, &says(prompt)).await.json();
        answer["choices"][0]["message"]["content"]
            .as_str()
            .map(str::to_string)
    };
    let first = content(1, "hello").await;
    assert!(first.as_ref().is_some_and(|text| !text.is_empty()));
    assert_eq!(first, content(1, "hello").await);
    assert_ne!(first, content(2, "hello").await);
    assert_ne!(first, content(1, "goodbye").await);
}

#[tokio::test]
async fn with_fixed_ids_the_same_request_gets_the_same_bytes() {
    let host = host(|options| options.fixed_ids = true);
    for request in [says("hi"), streamed(says("hi"))] {
        let answer = post(&host, CHAT, &request).await;
        assert_eq!(answer.body, post(&host, CHAT, &request).await.body);
    }
}

#[tokio::test]
async fn a_stream_says_what_the_whole_answer_says() {
    let host = host(|options| options.tokens = 80);
    let whole = post(&host, CHAT, &says("hello")).await.json();
    let events = post(&host, CHAT, &streamed(says("hello"))).await.events();
    let content = whole["choices"][0]["message"]["content"].as_str().unwrap();
    assert_eq!(joined(&events, "content"), content);
    assert_eq!(
        events[0]["choices"][0]["delta"],
        json!({"role": "assistant", "content": ""})
    );
    assert_eq!(
        events.len(),
        1 + 80 + 1,
        "a role, the tokens, a finish reason, and no usage unasked"
    );
    assert_eq!(
        events.last().unwrap()["choices"][0]["finish_reason"],
        "stop"
    );
    assert!(
        events
            .iter()
            .all(|event| event["id"] == events[0]["id"] && event.get("usage").is_none())
    );
    assert_eq!(whole["usage"]["completion_tokens"], 80);
    assert_eq!(
        token::count(content),
        80,
        "usage counts by the rule in docs/sim.md"
    );
}

#[tokio::test]
async fn usage_comes_when_asked_in_a_chunk_without_choices() {
    let host = host(|_| {});
    let mut request = streamed(says("hello"));
    request["stream_options"] = json!({"include_usage": true});
    let events = post(&host, CHAT, &request).await.events();
    let last = events.last().unwrap();
    assert_eq!(
        (&last["choices"], &last["usage"]["completion_tokens"]),
        (&json!([]), &json!(12))
    );
    assert_eq!(
        events
            .iter()
            .filter(|event| event.get("usage").is_some())
            .count(),
        1
    );
    request["stream_options"]["continuous_usage_stats"] = true.into();
    let events = post(&host, CHAT, &request).await.events();
    let counts: Vec<u64> = events
        .iter()
        .map(|event| event["usage"]["completion_tokens"].as_u64().unwrap())
        .collect();
    assert_eq!(counts, [vec![0], (1..=12).collect(), vec![12, 12]].concat());
}

#[tokio::test]
async fn limits_and_stops_end_an_answer() {
    let host = host(|options| options.tokens = 40);
    let ask = async |more: Value| {
        let mut request = says("hello");
        request
            .as_object_mut()
            .unwrap()
            .extend(more.as_object().unwrap().clone());
        post(&host, CHAT, &request).await.json()
    };
    let whole = ask(json!({})).await;
    let text = whole["choices"][0]["message"]["content"].as_str().unwrap();
    for (more, reason, tokens) in [
        (json!({"max_tokens": 5}), "length", 5),
        (
            json!({"max_completion_tokens": 7, "max_tokens": 5}),
            "length",
            7,
        ),
        (json!({"max_tokens": 40}), "stop", 40),
        (json!({"max_tokens": 90, "ignore_eos": true}), "length", 90),
    ] {
        let answer = ask(more.clone()).await;
        assert_eq!(answer["choices"][0]["finish_reason"], reason, "{more}");
        assert_eq!(answer["usage"]["completion_tokens"], tokens, "{more}");
    }
    let stop: String = text.chars().skip(10).take(3).collect();
    let stopped = ask(json!({"stop": [stop]})).await;
    let said = stopped["choices"][0]["message"]["content"]
        .as_str()
        .unwrap();
    assert_eq!(
        (said, &stopped["choices"][0]["stop_reason"]),
        (&text[..text.find(&stop).unwrap()], &json!(stop))
    );
}

#[tokio::test]
async fn several_choices_come_interleaved() {
    let host = host(|_| {});
    let mut request = says("hello");
    request["n"] = 3.into();
    let whole = post(&host, CHAT, &request).await.json();
    assert_eq!(whole["usage"]["completion_tokens"], 36);
    let events = post(&host, CHAT, &streamed(request)).await.events();
    let order: Vec<u64> = events
        .iter()
        .map(|event| event["choices"][0]["index"].as_u64().unwrap())
        .collect();
    assert_eq!(order[..6], [0, 1, 2, 0, 1, 2]);
    for index in 0..3u64 {
        let own = events
            .iter()
            .filter(|event| event["choices"][0]["index"] == index);
        let text: String = own
            .filter_map(|event| event["choices"][0]["delta"]["content"].as_str())
            .collect();
        assert_eq!(whole["choices"][index as usize]["message"]["content"], text);
    }
}

#[tokio::test]
async fn log_probabilities_come_for_every_token() {
    let host = host(|_| {});
    let mut request = says("hello");
    request["logprobs"] = true.into();
    request["top_logprobs"] = 2.into();
    let whole = post(&host, CHAT, &request).await.json();
    let content = whole["choices"][0]["logprobs"]["content"]
        .as_array()
        .unwrap();
    assert_eq!(content.len(), 12);
    assert_eq!(content[0]["top_logprobs"].as_array().unwrap().len(), 2);
    let events = post(&host, CHAT, &streamed(request)).await.events();
    assert_eq!(
        events[1]["choices"][0]["logprobs"]["content"][0],
        content[0]
    );
}

#[tokio::test]
async fn thinking_comes_first_where_asked_for() {
    let host = host(|_| {});
    let mut request = says("hello");
    request["reasoning_effort"] = "low".into();
    let whole = post(&host, CHAT, &request).await.json();
    let thought = whole["choices"][0]["message"]["reasoning_content"]
        .as_str()
        .unwrap();
    let events = post(&host, CHAT, &streamed(request)).await.events();
    assert_eq!(joined(&events, "reasoning_content"), thought);
    assert_eq!(whole["usage"]["completion_tokens"], 24);
}

#[tokio::test]
async fn tools_named_in_the_prompt_are_called() {
    let host = host(|_| {});
    let parameters =
        json!({"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]});
    let tool =
        |name| json!({"type": "function", "function": {"name": name, "parameters": parameters}});
    let mut request = says("get_weather and get_time in Paris");
    request["tools"] = json!([tool("get_weather"), tool("get_time"), tool("other")]);
    let whole = post(&host, CHAT, &request).await.json();
    let choice = &whole["choices"][0];
    assert_eq!(
        (&choice["finish_reason"], &choice["message"]["content"]),
        (&json!("tool_calls"), &Value::Null)
    );
    let calls = choice["message"]["tool_calls"].as_array().unwrap();
    let names: Vec<&str> = calls
        .iter()
        .map(|call| call["function"]["name"].as_str().unwrap())
        .collect();
    assert_eq!(names, ["get_weather", "get_time"]);
    let events = post(&host, CHAT, &streamed(request.clone())).await.events();
    for (index, call) in calls.iter().enumerate() {
        let fragments: Vec<&Value> = events
            .iter()
            .filter_map(|event| event["choices"][0]["delta"]["tool_calls"].get(0))
            .filter(|fragment| fragment["index"] == index)
            .collect();
        assert_eq!(
            (&fragments[0]["id"], &fragments[0]["function"]["name"]),
            (&call["id"], &call["function"]["name"])
        );
        assert!(
            fragments[1..]
                .iter()
                .all(|fragment| fragment.get("id").is_none())
        );
        let arguments: String = fragments
            .iter()
            .map(|fragment| fragment["function"]["arguments"].as_str().unwrap())
            .collect();
        assert_eq!(call["function"]["arguments"], arguments);
        assert!(serde_json::from_str::<Value>(&arguments).unwrap()["city"].is_string());
    }
    let result = json!({"role": "tool", "tool_call_id": "x", "content": "12 degrees"});
    request["messages"].as_array_mut().unwrap().push(result);
    let after = post(&host, CHAT, &request).await.json();
    assert_eq!(
        after["choices"][0]["finish_reason"], "stop",
        "a result is answered in words"
    );
}

#[tokio::test]
async fn structured_output_is_json_whole_and_streamed() {
    let host = host(|_| {});
    let mut request = says("hello");
    request["response_format"] = json!({"type": "json_schema", "json_schema": {"name": "x", "schema":
        {"type": "object", "properties": {"kind": {"enum": ["a", "b"]}}, "required": ["kind"], "additionalProperties": false}}});
    let whole = post(&host, CHAT, &request).await.json();
    let content = whole["choices"][0]["message"]["content"].as_str().unwrap();
    assert!(
        ["a", "b"].contains(
            &serde_json::from_str::<Value>(content).unwrap()["kind"]
                .as_str()
                .unwrap()
        )
    );
    assert_eq!(
        joined(
            &post(&host, CHAT, &streamed(request.clone())).await.events(),
            "content"
        ),
        content
    );
    request["response_format"] = json!({"type": "json_object"});
    let whole = post(&host, CHAT, &request).await.json();
    let content = whole["choices"][0]["message"]["content"].as_str().unwrap();
    assert!(serde_json::from_str::<Value>(content).unwrap().is_object());
}

#[tokio::test]
async fn completions_take_several_prompts_and_token_ids() {
    let host = host(|_| {});
    let path = "/v1/completions";
    let ids: Vec<u32> = token::pieces("one").map(token::id).collect();
    let whole = post(
        &host,
        path,
        &json!({"model": "llama-3.1-8b", "prompt": ["one", "two"]}),
    )
    .await
    .json();
    let of_ids = post(
        &host,
        path,
        &json!({"model": "llama-3.1-8b", "prompt": ids}),
    )
    .await
    .json();
    assert_eq!(whole["choices"][0]["text"], of_ids["choices"][0]["text"]);
    assert_ne!(whole["choices"][0]["text"], whole["choices"][1]["text"]);
    let request = json!({"prompt": ["one", "two"], "stream": true, "stream_options": {"include_usage": true}, "max_tokens": 5});
    let events = post(&host, path, &request).await.events();
    assert_eq!(events.len(), 2 * 5 + 1);
    assert_eq!(events[9]["choices"][0]["finish_reason"], "length");
    assert_eq!(events[10]["usage"]["completion_tokens"], 10);
    let echo = post(
        &host,
        path,
        &json!({"prompt": "one", "echo": true, "logprobs": 1}),
    )
    .await
    .json();
    assert!(
        echo["choices"][0]["text"]
            .as_str()
            .unwrap()
            .starts_with("one")
    );
    let tokens = echo["choices"][0]["logprobs"]["tokens"].as_array().unwrap();
    assert_eq!(
        tokens.iter().filter_map(Value::as_str).collect::<String>(),
        echo["choices"][0]["text"]
    );
}

#[tokio::test]
async fn metrics_count_what_usage_says() {
    let host = host(|_| {});
    let usage = post(&host, CHAT, &says("hello")).await.json()["usage"].clone();
    let metrics = String::from_utf8(get(&host, "/metrics").await.body).unwrap();
    for (name, field) in [
        ("prompt_tokens_total", "prompt_tokens"),
        ("generation_tokens_total", "completion_tokens"),
    ] {
        let line = format!(
            "vllm:{name}{{engine=\"0\",model_name=\"llama-3.1-8b\"}} {}",
            usage[field]
        );
        assert!(metrics.contains(&line), "{line} is not in {metrics}");
    }
}
