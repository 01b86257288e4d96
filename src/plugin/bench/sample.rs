//! What hooks are measured with: an exchange of about 1 KiB, 8 candidates, a batch of 10.

use std::sync::Arc;

use weir_plugin::{
    Api, Candidate, Header, Outcome, RequestMeta, ResponseHead, Role, Segment, Usage,
};

use crate::plugin::hooks::View;
use crate::plugin::own::OwnInstances;

pub struct Sample {
    pub view: Arc<dyn View>,
    pub candidates: Vec<Candidate>,
    pub outcomes: Vec<Outcome>,
}

impl Sample {
    pub fn new() -> Sample {
        let prompt = "Please tell anna.smith@example.com what the weather is. ".repeat(18);
        let messages = serde_json::json!({
            "model": "sample",
            "messages": [{"role": "user", "content": prompt}],
        });
        let answer = serde_json::json!({
            "choices": [{"message": {"role": "assistant", "content": prompt}}],
        });
        let view = Arc::new(Exchange {
            prompt,
            request: messages.to_string(),
            response: answer.to_string(),
            own: OwnInstances::default(),
        });
        Sample {
            candidates: (0..8).map(candidate).collect(),
            outcomes: (0..10).map(|_| outcome(view.meta())).collect(),
            view,
        }
    }

    pub fn head(&self) -> ResponseHead {
        ResponseHead {
            status: 200,
            headers: vec![Header::new("content-type", "text/event-stream")],
            upstream: "sample".to_owned(),
            model: "sample".to_owned(),
        }
    }
}

fn candidate(index: u32) -> Candidate {
    Candidate {
        id: format!("sample/{index}"),
        provider: "openai".to_owned(),
        model: "sample".to_owned(),
        region: Some("eu".to_owned()),
        weight: 1,
        healthy: true,
        in_flight: index,
        queue_depth: Some(index),
        ttft_ms_ewma: 100.0,
        tokens_per_second_ewma: 50.0,
        error_rate: 0.0,
        kv_cache_usage: None,
        prefix_match: None,
        input_usd_per_mtok: 1.0,
        output_usd_per_mtok: 3.0,
        score: 1.0,
        labels: vec![("tier".to_owned(), "a".to_owned())],
    }
}

fn outcome(meta: RequestMeta) -> Outcome {
    Outcome {
        meta,
        upstream: "sample".to_owned(),
        upstream_model: "sample".to_owned(),
        status: 200,
        error_code: None,
        usage: Usage::default(),
        cost_nanos: 1_000_000,
        ttft_ms: Some(100.0),
        total_ms: 900.0,
        cache_hit: false,
        request_json: None,
        response_json: None,
    }
}

struct Exchange {
    prompt: String,
    request: String,
    response: String,
    own: OwnInstances,
}

impl Exchange {
    fn json(text: &str, pointer: &str) -> Option<String> {
        let value: serde_json::Value = serde_json::from_str(text).ok()?;
        value.pointer(pointer).map(ToString::to_string)
    }

    fn segment(&self, role: Role, pointer: &str) -> Vec<Segment> {
        vec![Segment {
            index: 0,
            role,
            pointer: pointer.to_owned(),
            text: self.prompt.clone(),
        }]
    }
}

impl View for Exchange {
    fn meta(&self) -> RequestMeta {
        RequestMeta {
            id: "sample".to_owned(),
            api: Api::ChatCompletions,
            operation: "chat".to_owned(),
            model: "sample".to_owned(),
            stream: false,
            method: "POST".to_owned(),
            path: "/v1/chat/completions".to_owned(),
            client_ip: "192.0.2.1".to_owned(),
            received_unix_ms: 1_700_000_000_000,
            deadline_ms: 60_000,
            attempt: 0,
            body_bytes: self.request.len() as u64,
            message_count: 1,
            prompt_tokens_estimate: 250,
            max_output_tokens: Some(500),
            has_tools: false,
            has_images: false,
            session: None,
            traceparent: None,
            principal: None,
            tags: Vec::new(),
        }
    }
    fn request_header(&self, name: &str) -> Option<Vec<u8>> {
        let headers = self.request_headers();
        let found = headers.into_iter().find(|header| header.name == name);
        found.map(|header| header.value)
    }
    fn request_headers(&self) -> Vec<Header> {
        vec![Header::new("content-type", "application/json")]
    }
    fn request_segments(&self) -> Vec<Segment> {
        self.segment(Role::User, "/messages/0/content")
    }
    fn request_json(&self, pointer: &str) -> Option<String> {
        Exchange::json(&self.request, pointer)
    }
    fn request_body(&self) -> Vec<u8> {
        self.request.clone().into_bytes()
    }
    fn response_status(&self) -> u16 {
        200
    }
    fn response_headers(&self) -> Vec<Header> {
        vec![Header::new("content-type", "application/json")]
    }
    fn response_segments(&self) -> Vec<Segment> {
        self.segment(Role::Assistant, "/choices/0/message/content")
    }
    fn response_body(&self) -> Vec<u8> {
        self.response.clone().into_bytes()
    }
    fn own_instances(&self) -> &OwnInstances {
        &self.own
    }
}
