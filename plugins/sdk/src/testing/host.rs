//! A host for tests: what a plugin reads is set beforehand, what it does is kept.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;

use serde_json::Value;

use crate::host::{Host, HttpAnswer, HttpCall, HttpError, Level};
use crate::testing::samples;
use crate::types::{Header, RequestMeta, Role, Segment};

/// One call of [`Host::count`], [`Host::observe`] or [`Host::gauge`].
#[derive(Debug, Clone, PartialEq)]
pub struct Measured {
    pub kind: &'static str,
    pub name: String,
    pub labels: Vec<(String, String)>,
    pub value: f64,
}

/// A [`Host`] for one exchange. Grants kv until [`TestHost::without_kv`], and secrets and HTTP as far as they are set.
pub struct TestHost {
    /// To be changed as a test likes.
    pub meta: RequestMeta,
    request: Side,
    response: Side,
    response_status: u16,
    logs: RefCell<Vec<(Level, String)>>,
    measured: RefCell<Vec<Measured>>,
    /// `None`: not granted.
    kv: Option<RefCell<HashMap<String, Kept>>>,
    secrets: HashMap<String, String>,
    http_answers: HashMap<String, Result<HttpAnswer, HttpError>>,
    http_calls: RefCell<Vec<HttpCall>>,
    now_ms: Cell<u64>,
    chance: Cell<u64>,
}

/// What is read of a request or an answer.
#[derive(Default)]
struct Side {
    headers: Vec<Header>,
    body: Vec<u8>,
    segments: Vec<Segment>,
}

struct Kept {
    value: Vec<u8>,
    /// In the clock of the host.
    ends_ms: Option<u64>,
}

impl Default for TestHost {
    fn default() -> TestHost {
        TestHost::new()
    }
}

impl TestHost {
    /// With an empty request, and no answer yet.
    pub fn new() -> TestHost {
        let meta = samples::meta();
        TestHost {
            now_ms: Cell::new(meta.received_unix_ms),
            meta,
            request: Side::default(),
            response: Side::default(),
            response_status: 0,
            logs: RefCell::default(),
            measured: RefCell::default(),
            kv: Some(RefCell::default()),
            secrets: HashMap::new(),
            http_answers: HashMap::new(),
            http_calls: RefCell::default(),
            chance: Cell::new(0x9e37_79b9_7f4a_7c15),
        }
    }

    /// With a chat request of one message.
    pub fn asked(text: &str) -> TestHost {
        let request = serde_json::json!({
            "model": "test-model",
            "messages": [{"role": "user", "content": text}],
        });
        TestHost::new().with_request(&request.to_string())
    }

    /// A body. From a chat request's JSON the segments, the model, `stream` and the count of messages are read; whatever else
    /// belongs to it is set in [`TestHost::meta`].
    pub fn with_request(mut self, body: &str) -> TestHost {
        let request: Value = serde_json::from_str(body).unwrap_or_default();
        let messages = request["messages"].as_array();
        self.meta.message_count = messages.map_or(0, |all| all.len() as u32);
        self.meta.stream = request["stream"] == true;
        self.meta.body_bytes = body.len() as u64;
        if let Some(model) = request["model"].as_str() {
            model.clone_into(&mut self.meta.model);
        }
        self.request.body = body.as_bytes().to_vec();
        self.request.segments = segments(&request, "/messages", "");
        self
    }

    /// Texts of a request that is in another dialect, or has no body to speak of.
    pub fn with_request_segments(mut self, texts: &[(Role, &str)]) -> TestHost {
        self.request.segments = numbered(texts);
        self
    }

    pub fn with_request_header(mut self, name: &str, value: &str) -> TestHost {
        let name = name.to_ascii_lowercase();
        self.request.headers.push(Header::new(&name, value));
        self
    }

    /// A whole answer; the segments are read from a chat completion's JSON.
    pub fn with_response(mut self, status: u16, body: &str) -> TestHost {
        let response: Value = serde_json::from_str(body).unwrap_or_default();
        self.response_status = status;
        self.response.body = body.as_bytes().to_vec();
        self.response.segments = segments(&response, "/choices", "/message");
        self
    }

    /// A chat completion that says this.
    pub fn answered(self, text: &str) -> TestHost {
        let message = serde_json::json!({"role": "assistant", "content": text});
        let choice = serde_json::json!({"index": 0, "message": message, "finish_reason": "stop"});
        self.with_response(200, &serde_json::json!({"choices": [choice]}).to_string())
    }

    pub fn with_response_segments(mut self, texts: &[(Role, &str)]) -> TestHost {
        self.response.segments = numbered(texts);
        self
    }

    pub fn with_response_header(mut self, name: &str, value: &str) -> TestHost {
        let name = name.to_ascii_lowercase();
        self.response.headers.push(Header::new(&name, value));
        self
    }

    /// A secret that is granted.
    pub fn with_secret(mut self, name: &str, value: &str) -> TestHost {
        self.secrets.insert(name.to_owned(), value.to_owned());
        self
    }

    /// What a URL answers, each time; any other is [`HttpError::Denied`].
    pub fn with_http(mut self, url: &str, answer: Result<HttpAnswer, HttpError>) -> TestHost {
        self.http_answers.insert(url.to_owned(), answer);
        self
    }

    /// Without the grant `kv`.
    pub fn without_kv(mut self) -> TestHost {
        self.kv = None;
        self
    }

    /// Moves both clocks on.
    pub fn advance_ms(&self, by: u64) {
        self.now_ms.set(self.now_ms.get() + by);
    }

    pub fn logs(&self) -> Vec<(Level, String)> {
        self.logs.borrow().clone()
    }

    pub fn measured(&self) -> Vec<Measured> {
        self.measured.borrow().clone()
    }

    /// What a counter has come to, over all its labels.
    pub fn counted(&self, name: &str) -> f64 {
        let measured = self.measured.borrow();
        let of_it = |one: &&Measured| one.kind == "count" && one.name == name;
        measured.iter().filter(of_it).map(|one| one.value).sum()
    }

    /// The calls that were made, those that failed included.
    pub fn http_calls(&self) -> Vec<HttpCall> {
        self.http_calls.borrow().clone()
    }

    fn measure(&self, kind: &'static str, name: &str, labels: &[(&str, &str)], value: f64) {
        let pair = |(key, value): &(&str, &str)| ((*key).to_owned(), (*value).to_owned());
        self.measured.borrow_mut().push(Measured {
            kind,
            name: name.to_owned(),
            labels: labels.iter().map(pair).collect(),
            value,
        });
    }

    fn kept(&self) -> Result<std::cell::RefMut<'_, HashMap<String, Kept>>, String> {
        let kv = self.kv.as_ref().ok_or("kv is not granted to this plugin")?;
        let mut kept = kv.borrow_mut();
        kept.retain(|_, one| one.ends_ms.is_none_or(|end| end > self.now_ms.get()));
        Ok(kept)
    }

    fn ends_ms(&self, ttl_ms: Option<u64>) -> Option<u64> {
        ttl_ms.map(|ttl| self.now_ms.get().saturating_add(ttl))
    }
}

impl Host for TestHost {
    fn meta(&self) -> RequestMeta {
        self.meta.clone()
    }

    fn request_header(&self, name: &str) -> Option<Vec<u8>> {
        let found = self
            .request
            .headers
            .iter()
            .find(|header| header.name == name);
        found.map(|header| header.value.clone())
    }

    fn request_headers(&self) -> Vec<Header> {
        self.request.headers.clone()
    }

    fn request_segments(&self) -> Vec<Segment> {
        self.request.segments.clone()
    }

    fn request_json(&self, pointer: &str) -> Option<String> {
        let request: Value = serde_json::from_slice(&self.request.body).ok()?;
        request.pointer(pointer).map(Value::to_string)
    }

    fn request_body(&self) -> Vec<u8> {
        self.request.body.clone()
    }

    fn response_status(&self) -> u16 {
        self.response_status
    }

    fn response_headers(&self) -> Vec<Header> {
        self.response.headers.clone()
    }

    fn response_segments(&self) -> Vec<Segment> {
        self.response.segments.clone()
    }

    fn response_body(&self) -> Vec<u8> {
        self.response.body.clone()
    }

    fn log(&self, level: Level, message: &str) {
        self.logs.borrow_mut().push((level, message.to_owned()));
    }

    fn count(&self, name: &str, labels: &[(&str, &str)], delta: f64) {
        self.measure("count", name, labels, delta);
    }

    fn observe(&self, name: &str, labels: &[(&str, &str)], value: f64) {
        self.measure("observe", name, labels, value);
    }

    fn gauge(&self, name: &str, labels: &[(&str, &str)], value: f64) {
        self.measure("gauge", name, labels, value);
    }

    fn unix_ms(&self) -> u64 {
        self.now_ms.get()
    }

    fn monotonic_ns(&self) -> u64 {
        (self.now_ms.get() - samples::meta().received_unix_ms) * 1_000_000
    }

    /// The same bytes in every run (xorshift64).
    fn random(&self, bytes: u32) -> Vec<u8> {
        let next = || {
            let mut chance = self.chance.get();
            chance ^= chance << 13;
            chance ^= chance >> 7;
            chance ^= chance << 17;
            self.chance.set(chance);
            chance.to_le_bytes()[4]
        };
        std::iter::repeat_with(next).take(bytes as usize).collect()
    }

    fn kv_get(&self, key: &str) -> Result<Option<Vec<u8>>, String> {
        Ok(self.kept()?.get(key).map(|kept| kept.value.clone()))
    }

    fn kv_set(&self, key: &str, value: &[u8], ttl_ms: Option<u64>) -> Result<(), String> {
        let kept = Kept {
            value: value.to_vec(),
            ends_ms: self.ends_ms(ttl_ms),
        };
        self.kept()?.insert(key.to_owned(), kept);
        Ok(())
    }

    /// The number is kept as its decimal digits; a time to live counts from when it is first set.
    fn kv_add(&self, key: &str, delta: i64, ttl_ms: Option<u64>) -> Result<i64, String> {
        let ends_ms = self.ends_ms(ttl_ms);
        let mut kept = self.kept()?;
        let kept = kept.entry(key.to_owned()).or_insert_with(|| Kept {
            value: b"0".to_vec(),
            ends_ms,
        });
        let before = std::str::from_utf8(&kept.value)
            .ok()
            .and_then(|digits| digits.parse::<i64>().ok());
        let before = before.ok_or_else(|| format!("the value of `{key}` is no number"))?;
        let sum = before
            .checked_add(delta)
            .ok_or_else(|| format!("the value of `{key}` would be over 64 bits"))?;
        kept.value = sum.to_string().into_bytes();
        Ok(sum)
    }

    fn kv_delete(&self, key: &str) -> Result<(), String> {
        self.kept()?.remove(key);
        Ok(())
    }

    fn secret(&self, name: &str) -> Option<String> {
        self.secrets.get(name).cloned()
    }

    fn http(&self, call: &HttpCall) -> Result<HttpAnswer, HttpError> {
        self.http_calls.borrow_mut().push(call.clone());
        let answer = self.http_answers.get(&call.url);
        answer.cloned().unwrap_or(Err(HttpError::Denied))
    }
}

fn numbered(texts: &[(Role, &str)]) -> Vec<Segment> {
    let one = |(index, (role, text)): (usize, &(Role, &str))| Segment {
        index: index as u32,
        role: *role,
        pointer: format!("/texts/{index}"),
        text: (*text).to_owned(),
    };
    texts.iter().enumerate().map(one).collect()
}

/// The texts of messages in OpenAI's shape: `content`, or the text parts of it.
fn segments(json: &Value, list: &str, message: &str) -> Vec<Segment> {
    let mut texts = Vec::new();
    for (place, one) in json
        .pointer(list)
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
        .enumerate()
    {
        let one = one.pointer(message).unwrap_or(&Value::Null);
        let role = role(one["role"].as_str());
        let content = format!("{list}/{place}{message}/content");
        if let Some(text) = one["content"].as_str() {
            texts.push((role, content, text));
            continue;
        }
        for (part_place, part) in one["content"].as_array().into_iter().flatten().enumerate() {
            if let Some(text) = part["text"].as_str() {
                texts.push((role, format!("{content}/{part_place}/text"), text));
            }
        }
    }
    let numbered = texts.into_iter().enumerate();
    let segment = |(index, (role, pointer, text)): (usize, (Role, String, &str))| Segment {
        index: index as u32,
        role,
        pointer,
        text: text.to_owned(),
    };
    numbered.map(segment).collect()
}

fn role(name: Option<&str>) -> Role {
    match name {
        Some("system") => Role::System,
        Some("developer") => Role::Developer,
        Some("user") => Role::User,
        Some("assistant") => Role::Assistant,
        Some("tool") => Role::Tool,
        Some(_) | None => Role::Other,
    }
}
