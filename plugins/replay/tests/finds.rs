//! What is not as a recording says is found.

use std::fs;
use std::panic::catch_unwind;

use serde_json::{Value, json};
use weir_plugin::{
    Adapter, AdapterInfo, Api, Candidate, Decoder, Failure, Header, Host, PluginError, StreamEvent,
    WireRequest,
};
use weir_replay::{Recording, check};

/// Says what it is sent: all at the end, or (told so by its configuration) each piece as it comes.
struct Echo {
    is_hasty: bool,
}

struct EchoDecoder {
    is_hasty: bool,
    held: Vec<u8>,
}

impl Adapter for Echo {
    type Decoder = EchoDecoder;

    fn configure(config_json: &str) -> Result<Echo, String> {
        let is_hasty = config_json == "\"hasty\"";
        Ok(Echo { is_hasty })
    }

    fn describe(&self) -> AdapterInfo {
        let (name, accepts) = ("echo".to_owned(), vec![Api::ChatCompletions]);
        AdapterInfo { name, accepts }
    }

    fn encode(&mut self, host: &dyn Host, target: &Candidate) -> Result<WireRequest, PluginError> {
        if host.request_json("/refuse").is_some() {
            return Err(PluginError::Permanent("it is not to be said".to_owned()));
        }
        Ok(WireRequest {
            method: "POST".to_owned(),
            path: format!("/{}", target.model),
            headers: Vec::new(),
            body: host.request_body(),
        })
    }

    fn decoder(&mut self, _: &dyn Host, _: u16, _: &[Header]) -> EchoDecoder {
        let (is_hasty, held) = (self.is_hasty, Vec::new());
        EchoDecoder { is_hasty, held }
    }

    fn classify(&mut self, status: u16, _: &[Header], body: &[u8]) -> Failure {
        Failure {
            retryable: status >= 500,
            code: "echo".to_owned(),
            message: String::from_utf8_lossy(body).into_owned(),
            retry_after_ms: None,
        }
    }
}

impl EchoDecoder {
    fn say(&mut self) -> Vec<StreamEvent> {
        let text = std::mem::take(&mut self.held);
        vec![StreamEvent::text(0, String::from_utf8_lossy(&text))]
    }
}

impl Decoder for EchoDecoder {
    fn push(&mut self, _: &dyn Host, chunk: &[u8]) -> Result<Vec<StreamEvent>, PluginError> {
        self.held.extend_from_slice(chunk);
        Ok(if self.is_hasty {
            self.say()
        } else {
            Vec::new()
        })
    }

    fn finish(&mut self, _: &dyn Host) -> Result<Vec<StreamEvent>, PluginError> {
        Ok(self.say())
    }
}

/// Whether a recording with these members besides the ordinary ones is kept.
fn holds(name: &str, members: &Value) -> bool {
    let mut recording = json!({
        "about": "x", "origin": "x", "target": {"model": "m"}, "request": {"a": 1},
        "wire": {"method": "POST", "path": "/m", "headers": {}, "body": {"a": 1}},
        "answer": {"text": "hello"}, "events": [{"text": "hello"}],
    });
    for (name, value) in members.as_object().expect("it is one") {
        match value {
            Value::Null => drop(
                recording
                    .as_object_mut()
                    .expect("it is one")
                    .shift_remove(name),
            ),
            value => recording[name] = value.clone(),
        }
    }
    let path = std::env::temp_dir().join(format!("weir-replay-{}-{name}.json", std::process::id()));
    fs::write(&path, recording.to_string()).expect("it can be written");
    let kept = catch_unwind(|| check::<Echo>(&Recording::read(&path).expect("it can be read")));
    fs::remove_file(&path).expect("it is there");
    kept.is_ok()
}

#[test]
fn what_is_as_recorded_is_kept_and_all_else_is_found() {
    let refusal = json!({"retryable": true, "code": "echo", "message": "hello"});
    let none = json!({"answer": null, "events": null});
    let cases = [
        ("as-recorded", json!({}), true),
        ("other-text", json!({"events": [{"text": "hallo"}]}), false),
        (
            "one-more",
            json!({"events": [{"text": "hello"}, {"finish": "stop"}]}),
            false,
        ),
        ("none", json!({"events": []}), false),
        (
            "fault",
            json!({"fault": {"retryable": true, "message": "x"}}),
            false,
        ),
        ("path", json!({"target": {"model": "n"}}), false),
        ("body", json!({"request": {"a": 2}}), false),
        ("cuts", json!({"config": "hasty"}), false),
        (
            "failure",
            json!({"events": null, "failure": refusal, "answer": {"status": 500, "text": "hello"}}),
            true,
        ),
        (
            "other-failure",
            json!({"events": null, "failure": refusal, "answer": {"status": 400, "text": "hello"}}),
            false,
        ),
        (
            "refused",
            json!({"request": {"refuse": true}, "wire": null, "refused": "not to be said", "answer": null, "events": null}),
            true,
        ),
        (
            "not-refused",
            json!({"wire": null, "refused": "not to be said", "answer": null, "events": null}),
            false,
        ),
        ("request-alone", none, true),
    ];
    for (name, members, expected) in cases {
        assert_eq!(holds(name, &members), expected, "{name}");
    }
}

#[test]
fn files_that_say_nothing_or_too_much_are_refused() {
    let folder = std::env::temp_dir();
    for (name, text, problem) in [
        (
            "nothing",
            r#"{"about": "x", "origin": "x", "request": {}}"#,
            "expects nothing",
        ),
        (
            "origin",
            r#"{"about": "x", "request": {}, "wire": {}}"#,
            "origin",
        ),
        (
            "unknown",
            r#"{"about": "x", "origin": "x", "request": {}, "wrie": {}}"#,
            "wrie",
        ),
        (
            "events",
            r#"{"about": "x", "origin": "x", "request": {}, "wire": {}, "events": []}"#,
            "expects nothing",
        ),
    ] {
        let path = folder.join(format!("weir-replay-{}-{name}.json", std::process::id()));
        fs::write(&path, text).expect("it can be written");
        let read = Recording::read(&path);
        fs::remove_file(&path).expect("it is there");
        let found = read.expect_err(name);
        assert!(found.contains(problem), "{found}");
    }
}
