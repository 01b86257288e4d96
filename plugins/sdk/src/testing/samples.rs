//! Values to begin with: plausible, and the same in every test.

use crate::types::{Api, Candidate, Outcome, Principal, RequestMeta, ResponseHead, Usage};

/// A chat request for `test-model`, at its first attempt, with a minute left; of nobody.
pub fn meta() -> RequestMeta {
    RequestMeta {
        id: "req-1".to_owned(),
        api: Api::ChatCompletions,
        operation: "chat".to_owned(),
        model: "test-model".to_owned(),
        stream: false,
        method: "POST".to_owned(),
        path: "/v1/chat/completions".to_owned(),
        client_ip: "192.0.2.1".to_owned(),
        received_unix_ms: 1_767_225_600_000,
        deadline_ms: 60_000,
        attempt: 0,
        body_bytes: 0,
        message_count: 1,
        prompt_tokens_estimate: 0,
        max_output_tokens: None,
        has_tools: false,
        has_images: false,
        session: None,
        traceparent: None,
        principal: None,
        tags: Vec::new(),
    }
}

/// A caller who may use every model.
pub fn principal(id: &str) -> Principal {
    Principal {
        id: id.to_owned(),
        ..Principal::default()
    }
}

/// A healthy candidate with nothing to do, that costs nothing.
pub fn candidate(id: &str) -> Candidate {
    Candidate {
        id: id.to_owned(),
        provider: "openai".to_owned(),
        model: "test-model".to_owned(),
        region: None,
        weight: 1,
        healthy: true,
        in_flight: 0,
        queue_depth: None,
        ttft_ms_ewma: 0.0,
        tokens_per_second_ewma: 0.0,
        error_rate: 0.0,
        kv_cache_usage: None,
        prefix_match: None,
        input_usd_per_mtok: 0.0,
        output_usd_per_mtok: 0.0,
        score: 0.0,
        labels: Vec::new(),
    }
}

/// An exchange that went well, in a tenth of a second.
pub fn outcome() -> Outcome {
    Outcome {
        meta: meta(),
        upstream: "upstream".to_owned(),
        upstream_model: "test-model".to_owned(),
        status: 200,
        error_code: None,
        usage: Usage {
            input: 10,
            output: 20,
            ..Usage::default()
        },
        cost_nanos: 0,
        ttft_ms: Some(50.0),
        total_ms: 100.0,
        cache_hit: false,
        request_json: None,
        response_json: None,
    }
}

/// The head of a stream that begins well.
pub fn response_head() -> ResponseHead {
    ResponseHead {
        status: 200,
        headers: Vec::new(),
        upstream: "upstream".to_owned(),
        model: "test-model".to_owned(),
    }
}
