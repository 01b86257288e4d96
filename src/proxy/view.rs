//! An exchange as plugins see it. It must not show a credential, nor decide anything.

use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use http::HeaderMap;
use pingora::http::RequestHeader;
use serde_json::Value;
use weir_plugin::{Api, Header, Principal, RequestMeta, Role, Segment};

use crate::access::Caller;
use crate::plugin::{OwnInstances, View};
use crate::terms::Scope;
use crate::tokens::{RequestSize, request_tokens};
use crate::wire::openai::Envelope;
use crate::wire::texts::{self, Text};
use crate::wire::{Dialect, Operation, neutral};

use super::headers;
use super::settle::Record;

/// What a request is, before anything of it is looked up.
#[derive(Clone)]
pub struct Facts {
    pub dialect: Dialect,
    pub operation: Operation,
    /// From the request's head, for the exchange to begin its last attempt in.
    pub deadline: Duration,
    pub size: RequestSize,
    pub session: Option<String>,
}

/// An exchange at one moment: a body that is edited makes another of it.
pub struct ExchangeView {
    base: Arc<Base>,
    body: Bytes,
    model: String,
    tags: Vec<(String, String)>,
    attempt: u32,
    json: OnceLock<Option<Value>>,
    answer: Option<Answer>,
}

/// What stays the same.
#[derive(Clone)]
struct Base {
    facts: Facts,
    id: String,
    method: String,
    path: String,
    query: String,
    client_ip: String,
    received_unix_ms: u64,
    begun: Instant,
    headers: HeaderMap,
    principal: Option<Principal>,
    stream: bool,
    own_instances: Arc<OwnInstances>,
}

struct Answer {
    status: u16,
    headers: HeaderMap,
    body: Bytes,
    json: OnceLock<Option<Value>>,
}

impl ExchangeView {
    pub fn of_request(
        facts: Facts,
        head: &RequestHeader,
        envelope: &Envelope,
        body: Bytes,
        record: &Record,
    ) -> ExchangeView {
        let id = record.request_id.to_str().unwrap_or_default().to_owned();
        let tags = record.tags.iter();
        let tags = tags.map(|(name, value)| (name.to_string(), value.to_string()));
        let address = record.calling.address;
        ExchangeView {
            body,
            model: envelope.model.clone().unwrap_or_default(),
            tags: tags.collect(),
            attempt: 0,
            json: OnceLock::new(),
            answer: None,
            base: Arc::new(Base {
                facts,
                id,
                method: head.method.as_str().to_owned(),
                path: head.uri.path().to_owned(),
                query: head.uri.query().unwrap_or_default().to_owned(),
                client_ip: address
                    .map(|address| address.to_string())
                    .unwrap_or_default(),
                received_unix_ms: unix_ms(record.begun),
                begun: record.begun,
                headers: shown_headers(&head.headers),
                principal: record.calling.caller.as_deref().map(principal),
                stream: envelope.stream,
                own_instances: Arc::default(),
            }),
        }
    }

    /// A request whose caller nobody knows yet, with its credentials: for those alone who are asked who it is.
    pub fn of_caller(head: &RequestHeader, record: &Record) -> ExchangeView {
        let address = record.calling.address;
        ExchangeView {
            body: Bytes::new(),
            model: String::new(),
            tags: Vec::new(),
            attempt: 0,
            json: OnceLock::new(),
            answer: None,
            base: Arc::new(Base {
                facts: Facts {
                    dialect: record.dialect,
                    operation: Operation::PassThrough,
                    deadline: Duration::ZERO,
                    size: request_tokens(&[], None),
                    session: None,
                },
                id: record.request_id.to_str().unwrap_or_default().to_owned(),
                method: head.method.as_str().to_owned(),
                path: head.uri.path().to_owned(),
                query: head.uri.query().unwrap_or_default().to_owned(),
                client_ip: address
                    .map(|address| address.to_string())
                    .unwrap_or_default(),
                received_unix_ms: unix_ms(record.begun),
                begun: record.begun,
                headers: head.headers.clone(),
                principal: None,
                stream: false,
                own_instances: Arc::default(),
            }),
        }
    }

    /// The same exchange, after an edit.
    pub fn edited(&self, body: Option<Bytes>, model: Option<String>) -> ExchangeView {
        ExchangeView {
            base: self.base.clone(),
            body: body.unwrap_or_else(|| self.body.clone()),
            model: model.unwrap_or_else(|| self.model.clone()),
            tags: self.tags.clone(),
            attempt: self.attempt,
            json: OnceLock::new(),
            answer: None,
        }
    }

    pub fn tagged(mut self, tags: &[(String, String)]) -> ExchangeView {
        self.tags.extend(tags.iter().cloned());
        self
    }

    pub fn at_attempt(&self, attempt: u32) -> ExchangeView {
        let mut view = self.edited(None, None);
        view.attempt = attempt;
        view
    }

    /// The same exchange as an adapter sees it: the request in OpenAI's words, whatever the client's are.
    pub fn adapted(&self, body: Bytes, model: &str) -> ExchangeView {
        let mut view = self.edited(Some(body), Some(model.to_owned()));
        view.base = Arc::new(Base {
            facts: Facts {
                dialect: Dialect::Chat,
                ..self.base.facts.clone()
            },
            ..Base::clone(&self.base)
        });
        view
    }

    /// The same exchange, with its whole answer; the request is still there.
    pub fn answered(&self, status: u16, headers: &HeaderMap, body: Bytes) -> ExchangeView {
        let mut view = self.edited(None, None);
        view.answer = Some(Answer {
            status,
            headers: shown_headers(headers),
            body,
            json: OnceLock::new(),
        });
        view
    }

    pub fn facts(&self) -> &Facts {
        &self.base.facts
    }

    pub fn id(&self) -> &str {
        &self.base.id
    }

    pub fn model(&self) -> &str {
        &self.model
    }

    pub fn method(&self) -> &str {
        &self.base.method
    }

    pub fn path(&self) -> &str {
        &self.base.path
    }

    pub fn client_ip(&self) -> &str {
        &self.base.client_ip
    }

    pub fn is_stream(&self) -> bool {
        self.base.stream
    }

    /// Without credentials.
    pub fn headers(&self) -> &HeaderMap {
        &self.base.headers
    }

    /// Parameters of the query, the first of each name; credentials are none of them.
    pub fn query(&self) -> BTreeMap<String, String> {
        let mut query = BTreeMap::new();
        for (name, value) in url::form_urlencoded::parse(self.base.query.as_bytes()) {
            if name != "key" {
                query.entry(name.into_owned()).or_insert(value.into_owned());
            }
        }
        query
    }

    pub fn body(&self) -> &Bytes {
        &self.body
    }

    pub fn tags(&self) -> &[(String, String)] {
        &self.tags
    }

    /// The request's JSON; `None` where it is none.
    pub fn json(&self) -> Option<&Value> {
        let json = self
            .json
            .get_or_init(|| serde_json::from_slice(&self.body).ok());
        json.as_ref()
    }

    pub fn answer_json(&self) -> Option<&Value> {
        let answer = self.answer.as_ref()?;
        let json = answer
            .json
            .get_or_init(|| serde_json::from_slice(&answer.body).ok());
        json.as_ref()
    }

    fn deadline_ms(&self) -> u32 {
        let left = self
            .base
            .facts
            .deadline
            .saturating_sub(self.base.begun.elapsed());
        u32::try_from(left.as_millis()).unwrap_or(u32::MAX)
    }

    fn count(&self, name: &str) -> usize {
        let list = self.json().and_then(|json| json.get(name)?.as_array());
        list.map_or(0, Vec::len)
    }
}

impl View for ExchangeView {
    fn meta(&self) -> RequestMeta {
        let base = &*self.base;
        let size = &base.facts.size;
        let narrow = |tokens: u64| u32::try_from(tokens).unwrap_or(u32::MAX);
        let messages = self.count("messages").max(self.count("contents"));
        let traceparent = base.headers.get("traceparent");
        RequestMeta {
            id: base.id.clone(),
            api: api(base.facts.dialect, base.facts.operation),
            operation: base.facts.operation.label().to_owned(),
            model: self.model.clone(),
            stream: base.stream,
            method: base.method.clone(),
            path: base.path.clone(),
            client_ip: base.client_ip.clone(),
            received_unix_ms: base.received_unix_ms,
            deadline_ms: self.deadline_ms(),
            attempt: self.attempt,
            body_bytes: self.body.len() as u64,
            message_count: u32::try_from(messages).unwrap_or(u32::MAX),
            prompt_tokens_estimate: narrow(size.input_estimate),
            max_output_tokens: size.output_max.map(narrow),
            has_tools: self.count("tools") > 0,
            has_images: self.json().is_some_and(has_images),
            session: base.facts.session.clone(),
            traceparent: traceparent.and_then(|value| Some(value.to_str().ok()?.to_owned())),
            principal: base.principal.clone(),
            tags: self.tags.clone(),
        }
    }

    fn request_header(&self, name: &str) -> Option<Vec<u8>> {
        let value = self.base.headers.get(name)?;
        Some(value.as_bytes().to_vec())
    }

    fn request_headers(&self) -> Vec<Header> {
        listed(&self.base.headers)
    }

    fn request_segments(&self) -> Vec<Segment> {
        let facts = &self.base.facts;
        let texts = self
            .json()
            .map(|json| texts::of_request(facts.dialect, facts.operation, json));
        segments(texts.unwrap_or_default())
    }

    fn request_json(&self, pointer: &str) -> Option<String> {
        Some(self.json()?.pointer(pointer)?.to_string())
    }

    fn request_body(&self) -> Vec<u8> {
        self.body.to_vec()
    }

    fn response_status(&self) -> u16 {
        self.answer.as_ref().map_or(0, |answer| answer.status)
    }

    fn response_headers(&self) -> Vec<Header> {
        let answer = self.answer.as_ref();
        answer.map_or_else(Vec::new, |answer| listed(&answer.headers))
    }

    fn response_segments(&self) -> Vec<Segment> {
        let facts = &self.base.facts;
        let texts = self
            .answer_json()
            .map(|json| texts::of_answer(facts.dialect, facts.operation, json));
        segments(texts.unwrap_or_default())
    }

    fn response_body(&self) -> Vec<u8> {
        let answer = self.answer.as_ref();
        answer.map_or_else(Vec::new, |answer| answer.body.to_vec())
    }

    fn own_instances(&self) -> &OwnInstances {
        &self.base.own_instances
    }
}

/// A moment of this process as milliseconds since 1970.
pub fn unix_ms(moment: Instant) -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    let then = since.unwrap_or_default().saturating_sub(moment.elapsed());
    u64::try_from(then.as_millis()).unwrap_or_default()
}

/// Header fields as plugins see them.
pub fn shown(headers: &HeaderMap) -> Vec<Header> {
    listed(&shown_headers(headers))
}

/// Without credentials and cookies.
fn shown_headers(headers: &HeaderMap) -> HeaderMap {
    let mut shown = headers.clone();
    for name in headers::credentials() {
        shown.remove(name);
    }
    shown.remove(http::header::SET_COOKIE);
    shown
}

fn listed(headers: &HeaderMap) -> Vec<Header> {
    let headers = headers.iter();
    headers
        .map(|(name, value)| Header {
            name: name.as_str().to_owned(),
            value: value.as_bytes().to_vec(),
        })
        .collect()
}

fn segments(texts: Vec<Text>) -> Vec<Segment> {
    let texts = texts.into_iter().enumerate();
    texts
        .map(|(index, text)| Segment {
            index: u32::try_from(index).unwrap_or(u32::MAX),
            role: match text.role {
                neutral::Role::System => Role::System,
                neutral::Role::Developer => Role::Developer,
                neutral::Role::User => Role::User,
                neutral::Role::Assistant => Role::Assistant,
                neutral::Role::Tool => Role::Tool,
            },
            pointer: text.pointer,
            text: text.text,
        })
        .collect()
}

/// What a caller may do besides asking models.
pub fn scopes(caller: &Caller) -> Vec<&'static str> {
    let scopes = Scope::ALL.into_iter().filter(|scope| caller.has(*scope));
    scopes.map(Scope::name).collect()
}

/// Who calls, for plugins.
pub fn principal(caller: &Caller) -> Principal {
    let subject = caller.user_id().unwrap_or_else(|| caller.tenant_id());
    Principal {
        id: caller.key_label().unwrap_or(subject).to_owned(),
        tenant: Some(caller.tenant_id().to_owned()),
        project: caller.project_id().map(str::to_owned),
        user: caller.user_id().map(str::to_owned),
        scopes: scopes(caller).into_iter().map(str::to_owned).collect(),
        models: Vec::new(),
        attributes: caller.tags().into_iter().collect(),
    }
}

fn api(dialect: Dialect, operation: Operation) -> Api {
    match operation {
        Operation::Chat | Operation::Responses | Operation::Completions => match dialect {
            Dialect::Chat => Api::ChatCompletions,
            Dialect::Responses => Api::Responses,
            Dialect::Completions => Api::Completions,
            Dialect::Anthropic => Api::Messages,
            Dialect::Ollama => Api::Ollama,
            Dialect::Gemini => Api::GenerateContent,
        },
        Operation::Embeddings => Api::Embeddings,
        Operation::Rerank => Api::Rerank,
        Operation::Moderations => Api::Moderations,
        Operation::ImageGeneration | Operation::ImageEdit | Operation::ImageVariation => {
            Api::Images
        }
        Operation::Speech => Api::AudioSpeech,
        Operation::Transcription | Operation::Translation => Api::AudioTranscriptions,
        _ => Api::Other,
    }
}

/// Whether some part of a request is an image, in any dialect.
fn has_images(value: &Value) -> bool {
    match value {
        Value::Object(members) => members.iter().any(|(name, value)| {
            let names_image = matches!(name.as_str(), "image_url" | "input_image" | "images")
                || matches!(value.as_str(), Some("image" | "image_url" | "input_image"));
            let is_gemini = matches!(name.as_str(), "inlineData" | "inline_data");
            names_image || is_gemini || has_images(value)
        }),
        Value::Array(elements) => elements.iter().any(has_images),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => false,
    }
}
