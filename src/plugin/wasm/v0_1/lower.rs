//! weir's types → the contract's, for what a plugin is given.

use weir_plugin::{
    Api, Candidate, Header, HttpAnswer, HttpError, Outcome, Principal, RequestMeta, ResponseHead,
    Role, Segment, StreamEvent, Usage,
};

use super::imports::http;
use super::wit;

pub fn pairs(pairs: Vec<(String, String)>) -> Vec<wit::Pair> {
    let pair = |(key, value)| wit::Pair { key, value };
    pairs.into_iter().map(pair).collect()
}

pub fn headers(headers: Vec<Header>) -> Vec<wit::Header> {
    let header = |Header { name, value }| wit::Header { name, value };
    headers.into_iter().map(header).collect()
}

pub fn api(api: Api) -> wit::Api {
    match api {
        Api::ChatCompletions => wit::Api::ChatCompletions,
        Api::Responses => wit::Api::Responses,
        Api::Messages => wit::Api::Messages,
        Api::GenerateContent => wit::Api::GenerateContent,
        Api::Completions => wit::Api::Completions,
        Api::Embeddings => wit::Api::Embeddings,
        Api::Ollama => wit::Api::Ollama,
        Api::Rerank => wit::Api::Rerank,
        Api::Moderations => wit::Api::Moderations,
        Api::Images => wit::Api::Images,
        Api::AudioSpeech => wit::Api::AudioSpeech,
        Api::AudioTranscriptions => wit::Api::AudioTranscriptions,
        Api::Other => wit::Api::Other,
    }
}

pub fn principal(principal: Principal) -> wit::Principal {
    wit::Principal {
        id: principal.id,
        tenant: principal.tenant,
        project: principal.project,
        user: principal.user,
        scopes: principal.scopes,
        models: principal.models,
        attributes: pairs(principal.attributes),
    }
}

pub fn meta(meta: RequestMeta) -> wit::RequestMeta {
    wit::RequestMeta {
        id: meta.id,
        api: api(meta.api),
        operation: meta.operation,
        model: meta.model,
        stream: meta.stream,
        method: meta.method,
        path: meta.path,
        client_ip: meta.client_ip,
        received_unix_ms: meta.received_unix_ms,
        deadline_ms: meta.deadline_ms,
        attempt: meta.attempt,
        body_bytes: meta.body_bytes,
        message_count: meta.message_count,
        prompt_tokens_estimate: meta.prompt_tokens_estimate,
        max_output_tokens: meta.max_output_tokens,
        has_tools: meta.has_tools,
        has_images: meta.has_images,
        session: meta.session,
        traceparent: meta.traceparent,
        principal: meta.principal.map(principal),
        tags: pairs(meta.tags),
    }
}

pub fn segments(segments: Vec<Segment>) -> Vec<wit::Segment> {
    let segment = |segment: Segment| wit::Segment {
        index: segment.index,
        role: match segment.role {
            Role::System => wit::Role::System,
            Role::Developer => wit::Role::Developer,
            Role::User => wit::Role::User,
            Role::Assistant => wit::Role::Assistant,
            Role::Tool => wit::Role::Tool,
            Role::Other => wit::Role::Other,
        },
        pointer: segment.pointer,
        text: segment.text,
    };
    segments.into_iter().map(segment).collect()
}

fn usage(usage: Usage) -> wit::Usage {
    wit::Usage {
        input: usage.input,
        output: usage.output,
        cached_input: usage.cached_input,
        cache_write: usage.cache_write,
        reasoning: usage.reasoning,
    }
}

pub fn events(events: Vec<StreamEvent>) -> Vec<wit::StreamEvent> {
    events.into_iter().map(event).collect()
}

fn event(event: StreamEvent) -> wit::StreamEvent {
    let delta = |delta: weir_plugin::TextDelta| wit::TextDelta {
        choice: delta.choice,
        text: delta.text,
    };
    match event {
        StreamEvent::Text(text) => wit::StreamEvent::Text(delta(text)),
        StreamEvent::Reasoning(text) => wit::StreamEvent::Reasoning(delta(text)),
        StreamEvent::Refusal(text) => wit::StreamEvent::Refusal(delta(text)),
        StreamEvent::ToolCall(call) => wit::StreamEvent::ToolCall(wit::ToolDelta {
            choice: call.choice,
            index: call.index,
            id: call.id,
            name: call.name,
            arguments: call.arguments,
        }),
        StreamEvent::Usage(counted) => wit::StreamEvent::Usage(usage(counted)),
        StreamEvent::Finish(finish) => wit::StreamEvent::Finish(wit::Finish {
            choice: finish.choice,
            reason: finish.reason,
        }),
        StreamEvent::Raw(raw) => wit::StreamEvent::Raw(wit::RawEvent {
            event: raw.event,
            data: raw.data,
        }),
    }
}

pub fn head(head: ResponseHead) -> wit::ResponseHead {
    wit::ResponseHead {
        status: head.status,
        headers: headers(head.headers),
        upstream: head.upstream,
        model: head.model,
    }
}

pub fn candidate(candidate: &Candidate) -> wit::Candidate {
    let candidate = candidate.clone();
    wit::Candidate {
        id: candidate.id,
        provider: candidate.provider,
        model: candidate.model,
        region: candidate.region,
        weight: candidate.weight,
        healthy: candidate.healthy,
        in_flight: candidate.in_flight,
        queue_depth: candidate.queue_depth,
        ttft_ms_ewma: candidate.ttft_ms_ewma,
        tokens_per_second_ewma: candidate.tokens_per_second_ewma,
        error_rate: candidate.error_rate,
        kv_cache_usage: candidate.kv_cache_usage,
        prefix_match: candidate.prefix_match,
        input_usd_per_mtok: candidate.input_usd_per_mtok,
        output_usd_per_mtok: candidate.output_usd_per_mtok,
        score: candidate.score,
        labels: pairs(candidate.labels),
    }
}

/// `has_payloads`: whether requests and answers go along.
pub fn outcome(outcome: &Outcome, has_payloads: bool) -> wit::Outcome {
    let payload = |json: &Option<Vec<u8>>| has_payloads.then(|| json.clone()).flatten();
    wit::Outcome {
        meta: meta(outcome.meta.clone()),
        upstream: outcome.upstream.clone(),
        upstream_model: outcome.upstream_model.clone(),
        status: outcome.status,
        error_code: outcome.error_code.clone(),
        usage: usage(outcome.usage),
        cost_nanos: outcome.cost_nanos,
        ttft_ms: outcome.ttft_ms,
        total_ms: outcome.total_ms,
        cache_hit: outcome.cache_hit,
        request_json: payload(&outcome.request_json),
        response_json: payload(&outcome.response_json),
    }
}

pub fn http_answer(answer: HttpAnswer) -> http::Answer {
    http::Answer {
        status: answer.status,
        headers: headers(answer.headers),
        body: answer.body,
    }
}

pub fn http_error(error: HttpError) -> http::HttpError {
    match error {
        HttpError::Denied => http::HttpError::Denied,
        HttpError::Timeout => http::HttpError::Timeout,
        HttpError::Connect(why) => http::HttpError::Connect(why),
        HttpError::TooLarge => http::HttpError::TooLarge,
        HttpError::Other(why) => http::HttpError::Other(why),
    }
}
