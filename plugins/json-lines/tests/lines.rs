//! What is written, what is hidden, and what becomes of it.

use serde_json::{Value, json};
use weir_plugin::testing::{self, TestHost};
use weir_plugin::{HttpAnswer, HttpError, Level, Observer, Outcome};
use weir_plugin_json_lines::JsonLines;

const URL: &str = "https://logs.internal/ingest";

fn observer(config: Value) -> JsonLines {
    JsonLines::configure(&config.to_string()).unwrap_or_else(|why| panic!("{config}: {why}"))
}

fn outcome() -> Outcome {
    let mut outcome = testing::outcome();
    let mut principal = testing::principal("ci");
    principal.tenant = Some("acme".to_owned());
    principal.user = Some("ann@example.org".to_owned());
    outcome.meta.principal = Some(principal);
    outcome.meta.tags = vec![("team".to_owned(), "core".to_owned())];
    outcome.cost_nanos = 12_345_000;
    let request =
        json!({"model": "m", "messages": [{"role": "user", "content": "a secret"}], "n": 1});
    outcome.request_json = Some(request.to_string().into_bytes());
    outcome.response_json = Some(b"no json".to_vec());
    outcome
}

fn answer(status: u16) -> Result<HttpAnswer, HttpError> {
    Ok(HttpAnswer {
        status,
        headers: Vec::new(),
        body: Vec::new(),
    })
}

fn lines_of(body: &[u8]) -> Vec<Value> {
    let text = std::str::from_utf8(body).expect("it is text");
    assert!(text.ends_with('\n'));
    text.lines()
        .map(|line| serde_json::from_str(line).expect("it is JSON"))
        .collect()
}

/// The one line that a configuration makes of [`outcome`].
fn logged(mut config: Value) -> Value {
    config["to"] = json!("log");
    let host = TestHost::new();
    assert_eq!(observer(config).on_log(&host, &[outcome()]), Ok(()));
    let logs = host.logs();
    let [(Level::Info, line)] = logs.as_slice() else {
        panic!("{logs:?}");
    };
    assert!(!line.contains('\n'));
    serde_json::from_str(line).expect("it is JSON")
}

#[test]
fn a_line_has_everything_but_the_payloads() {
    let line = logged(json!({}));
    let expected = json!({
        "time": "2026-01-01T00:00:00.000Z", "id": "req-1", "api": "chat_completions", "operation": "chat", "model": "test-model",
        "upstream": "upstream", "upstream_model": "test-model", "status": 200, "error": null, "stream": false,
        "method": "POST", "path": "/v1/chat/completions", "client_ip": "192.0.2.1",
        "caller": {"id": "ci", "tenant": "acme", "project": null, "user": "ann@example.org", "attributes": {}},
        "session": null, "traceparent": null, "tags": {"team": "core"},
        "input_tokens": 10, "output_tokens": 20, "cached_tokens": 0, "cache_write_tokens": 0, "reasoning_tokens": 0,
        "cost": 0.012345, "body_bytes": 0, "message_count": 1, "has_tools": false, "has_images": false,
        "ttft_ms": 50, "total_ms": 100, "cache_hit": false,
    });
    assert_eq!(line, expected);
}

#[test]
fn fields_are_chosen_hidden_and_added() {
    let line = logged(json!({
        "fields": ["time", "client_ip", "caller.tenant", "caller.user", "request", "response", "session"],
        "redact": ["caller.user", "request.messages.*.content", "session"],
        "redacted": "-",
        "shorten_addresses": true,
        "add": {"env": "prod"},
    }));
    assert_eq!(
        line,
        json!({
            "time": "2026-01-01T00:00:00.000Z", "client_ip": "192.0.2.0",
            "caller": {"tenant": "acme", "user": "-"},
            "request": {"model": "m", "messages": [{"role": "user", "content": "-"}], "n": 1},
            "response": "no json", "session": null, "env": "prod",
        })
    );
    assert_eq!(
        logged(json!({"fields": ["request.n", "tags.team"]})),
        json!({"request": {"n": 1}, "tags": {"team": "core"}})
    );
    // Where what is to be hidden cannot be found, nothing is shown.
    let line = logged(json!({"fields": ["response"], "redact": ["response.choices"]}));
    assert_eq!(line, json!({"response": "[redacted]"}));
    // What is hidden as a whole hides what is chosen within it.
    assert_eq!(
        logged(json!({"fields": ["caller.user"], "redact": ["caller"]})),
        json!({})
    );
}

#[test]
fn a_line_that_is_too_long_loses_its_payloads_first() {
    let mut long = outcome();
    long.request_json = Some(format!("\"{}\"", "x".repeat(5000)).into_bytes());
    let mut endless = outcome();
    endless.meta.path = "/".repeat(5000);
    let mut observer =
        observer(json!({"to": "log", "line_bytes": 2048, "fields": ["id", "path", "request"]}));
    let host = TestHost::new();
    let failed = observer.on_log(&host, &[long, endless, outcome()]);
    assert_eq!(
        failed,
        Err("1 lines dropped: longer than 2048 bytes".to_owned())
    );
    let logs = host.logs();
    assert_eq!(logs.len(), 2);
    assert!(
        logs[0].1.contains(r#""request":{"left_out_bytes":5002}"#),
        "{}",
        logs[0].1
    );
    assert_eq!(
        (
            host.counted("json_lines_sent"),
            host.counted("json_lines_dropped")
        ),
        (2.0, 1.0)
    );
}

#[test]
fn batches_are_posted_with_their_credential() {
    let mut observer = observer(json!({
        "to": "http", "url": URL, "token": "LOGS", "headers": {"X-Source": "weir"}, "batch_bytes": 1024, "timeout_ms": 700,
    }));
    let host = TestHost::new()
        .with_secret("LOGS", "s3cret")
        .with_http(URL, answer(204));
    let batch = vec![outcome(); 5];
    assert_eq!(observer.on_log(&host, &batch), Ok(()));
    let calls = host.http_calls();
    assert!(calls.len() > 1, "five lines are more than 1024 bytes");
    let lines: Vec<Value> = calls.iter().flat_map(|call| lines_of(&call.body)).collect();
    assert_eq!(lines.len(), 5);
    assert!(
        calls
            .iter()
            .all(|call| call.body.len() <= 1024 && call.timeout_ms == 700 && call.method == "POST")
    );
    let header = |name: &str| {
        let found = calls[0].headers.iter().find(|header| header.name == name);
        found.map(|header| String::from_utf8_lossy(&header.value).into_owned())
    };
    assert_eq!(header("authorization").as_deref(), Some("Bearer s3cret"));
    assert_eq!(header("x-source").as_deref(), Some("weir"));
    assert_eq!(
        header("content-type").as_deref(),
        Some("application/x-ndjson")
    );
    assert_eq!(host.counted("json_lines_sent"), 5.0);
}

#[test]
fn what_a_server_does_not_take_waits_and_goes_first_next_time() {
    let mut observer = observer(json!({"to": "http", "url": URL, "retries": 3}));
    for failure in [
        answer(503),
        answer(429),
        Err(HttpError::Timeout),
        Err(HttpError::Connect("refused".to_owned())),
    ] {
        let down = TestHost::new().with_http(URL, failure);
        assert_eq!(observer.on_log(&down, &[outcome()]), Ok(()), "it waits");
        assert_eq!(down.http_calls().len(), 4, "one try, and three more");
        assert_eq!(
            down.counted("json_lines_sent") + down.counted("json_lines_dropped"),
            0.0
        );
    }
    let up = TestHost::new().with_http(URL, answer(200));
    assert_eq!(observer.on_log(&up, &[outcome()]), Ok(()));
    let calls = up.http_calls();
    assert_eq!(calls.len(), 1);
    assert_eq!(lines_of(&calls[0].body).len(), 5);
    assert_eq!(up.counted("json_lines_sent"), 5.0);
}

#[test]
fn what_waits_is_bounded_and_the_oldest_goes() {
    let mut observer = observer(
        json!({"to": "http", "url": URL, "retries": 0, "batch_bytes": 1024, "pending_bytes": 2048}),
    );
    let down = TestHost::new().with_http(URL, answer(500));
    let mut batch: Vec<Outcome> = (0..10).map(|_| outcome()).collect();
    for (place, outcome) in batch.iter_mut().enumerate() {
        outcome.meta.id = format!("req-{place}");
    }
    let failed = observer
        .on_log(&down, &batch)
        .expect_err("there is no room for ten");
    let dropped = down.counted("json_lines_dropped");
    assert!((1.0..10.0).contains(&dropped), "{dropped}");
    assert_eq!(
        failed,
        format!("{dropped} lines dropped: the server answered 500")
    );
    let up = TestHost::new().with_http(URL, answer(200));
    assert_eq!(observer.on_log(&up, &[]), Ok(()));
    let lines: Vec<Value> = up
        .http_calls()
        .iter()
        .flat_map(|call| lines_of(&call.body))
        .collect();
    assert_eq!(lines.len() as f64, 10.0 - dropped);
    assert_eq!(lines[0]["id"], format!("req-{dropped}"));
    assert_eq!(lines[lines.len() - 1]["id"], "req-9");
}

#[test]
fn a_batch_larger_than_what_may_wait_goes_out_in_parts() {
    let config =
        json!({"to": "http", "url": URL, "retries": 0, "batch_bytes": 1024, "pending_bytes": 2048});
    let up = TestHost::new().with_http(URL, answer(200));
    assert_eq!(observer(config).on_log(&up, &vec![outcome(); 50]), Ok(()));
    assert_eq!(up.counted("json_lines_sent"), 50.0);
}

#[test]
fn what_will_never_be_taken_is_dropped_at_once() {
    for (failure, expected) in [
        (answer(400), "1 lines dropped: the server answered 400"),
        (
            Err(HttpError::Denied),
            "1 lines dropped: no grant names the host of `url`",
        ),
    ] {
        let mut observer = observer(json!({"to": "http", "url": URL}));
        let host = TestHost::new().with_http(URL, failure);
        assert_eq!(
            observer.on_log(&host, &[outcome()]),
            Err(expected.to_owned())
        );
        assert_eq!(
            (host.http_calls().len(), host.counted("json_lines_dropped")),
            (1, 1.0)
        );
    }
    let mut observer = observer(json!({"to": "http", "url": URL, "token": "NONE"}));
    let failed = observer.on_log(&TestHost::new(), &[outcome()]);
    assert_eq!(
        failed,
        Err("1 lines dropped: no secret `NONE` is granted".to_owned())
    );
}

#[test]
fn what_is_wrong_with_a_configuration_is_named() {
    let cases = [
        (json!(null), "the configuration is no mapping"),
        (json!({}), "to: write `log` or `http`"),
        (json!({"to": "file"}), "to: write `log` or `http`"),
        (
            json!({"to": "log", "url": URL}),
            "url: goes with `to: http`",
        ),
        (json!({"to": "http"}), "url: is missing"),
        (
            json!({"to": "http", "url": "ftp://x"}),
            "begins with neither https:// nor http://",
        ),
        (
            json!({"to": "http", "url": URL, "headers": {"Authorization": "x"}}),
            "headers.authorization: name a secret with `token`",
        ),
        (
            json!({"to": "http", "url": URL, "retries": 9}),
            "retries: 9 is no number from 0 to 5",
        ),
        (
            json!({"to": "log", "field": []}),
            "field: there is no such setting; there are to, url",
        ),
        (
            json!({"to": "log", "fields": ["a..b"]}),
            "fields: \"a..b\" is no path such as `caller.tenant`",
        ),
        (json!({"to": "log", "redact": "x"}), "redact: is no list"),
        (
            json!({"to": "log", "line_bytes": 5}),
            "line_bytes: 5 is no number from 1024 to",
        ),
    ];
    for (config, expected) in cases {
        let why = JsonLines::configure(&config.to_string()).err();
        let why = why.unwrap_or_else(|| panic!("{config} is accepted"));
        assert!(why.contains(expected), "{config}: {why}");
    }
}
