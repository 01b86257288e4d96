//! A settled exchange as observers hear of it. It must not know who they are.

use std::sync::Arc;
use std::time::Duration;

use weir_plugin::{Api, Outcome, RequestMeta};

use crate::fault::Fault;
use crate::plugin::View;
use crate::plugin::events::shown_usage;
use crate::wire::Operation;

use super::asked::Asked;
use super::settle::Record;
use super::view;

/// What observers hear.
pub fn outcome(
    record: &Record,
    asked: &Asked<'_>,
    took: Duration,
    cost_nanos: i64,
) -> Arc<Outcome> {
    let view = record.view.as_ref();
    let mut meta = view.map_or_else(|| head_only(record, asked), |view| view.meta());
    meta.attempt = record.attempts.saturating_sub(1);
    let upstream = record.upstream.as_ref();
    let usage = record.usage.unwrap_or_default();
    let millis = |time: Duration| time.as_secs_f32() * 1e3;
    Arc::new(Outcome {
        meta,
        upstream: upstream.map_or_else(String::new, |it| it.upstream.name.clone()),
        upstream_model: record
            .upstream_model
            .as_deref()
            .unwrap_or_default()
            .to_owned(),
        status: record.status,
        error_code: record
            .fault
            .as_ref()
            .map(|fault| Fault::label(fault).to_owned()),
        usage: shown_usage(&usage),
        cost_nanos,
        ttft_ms: record.first_byte.map(millis),
        total_ms: millis(took),
        cache_hit: false,
        request_json: view.map(|view| view.request_body()),
        response_json: None,
    })
}

/// What is known of a request that was refused before it was read.
fn head_only(record: &Record, asked: &Asked<'_>) -> RequestMeta {
    let address = record.calling.address;
    RequestMeta {
        id: record.request_id.to_str().unwrap_or_default().to_owned(),
        api: Api::Other,
        operation: record.operation.map_or("", Operation::label).to_owned(),
        model: record.model.text().unwrap_or_default().to_owned(),
        stream: record.stream,
        method: asked.method.to_owned(),
        path: asked.path.to_owned(),
        client_ip: address
            .map(|address| address.to_string())
            .unwrap_or_default(),
        received_unix_ms: view::unix_ms(record.begun),
        deadline_ms: 0,
        attempt: 0,
        body_bytes: 0,
        message_count: 0,
        prompt_tokens_estimate: 0,
        max_output_tokens: None,
        has_tools: false,
        has_images: false,
        session: None,
        traceparent: None,
        principal: record.calling.caller.as_deref().map(view::principal),
        tags: Vec::new(),
    }
}
