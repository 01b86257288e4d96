//! What plugins decide, as JSON that people write and read. Text of choice 0 is a string; all else is named as in the contract.

use serde_json::{Value, json};
use weir_plugin::{
    AdapterInfo, Api, Choice, Decision, Edit, EventsVerdict, Failure, Header, Rejection,
    StreamEvent, Verdict, WireRequest,
};

pub(super) fn verdict(verdict: &Verdict) -> Value {
    match verdict {
        Verdict::Pass => json!("pass"),
        Verdict::Edit(edits) => json!({ "edit": edits.iter().map(edit).collect::<Vec<_>>() }),
        Verdict::Reject(refusal) => json!({ "reject": rejection(refusal) }),
        Verdict::Reply(reply) => json!({
            "reply": {
                "status": reply.status,
                "headers": headers(&reply.headers),
                "body": text(&reply.body),
            }
        }),
    }
}

pub(super) fn edit(edit: &Edit) -> Value {
    match edit {
        Edit::SetHeader(header) => json!({ "set-header": one_header(header) }),
        Edit::RemoveHeader(name) => json!({ "remove-header": name }),
        Edit::SetSegment(index, text) => json!({ "set-segment": [index, text] }),
        Edit::SetJson(pointer, json) => json!({ "set-json": [pointer, json] }),
        Edit::RemoveJson(pointer) => json!({ "remove-json": pointer }),
        Edit::ReplaceBody(body) => json!({ "replace-body": text(body) }),
        Edit::SetModel(model) => json!({ "set-model": model }),
        Edit::SetTag(key, value) => json!({ "set-tag": [key, value] }),
    }
}

pub(super) fn rejection(refusal: &Rejection) -> Value {
    let mut shown = json!({
        "status": refusal.status,
        "code": refusal.code,
        "message": refusal.message,
    });
    if !refusal.headers.is_empty() {
        shown["headers"] = headers(&refusal.headers);
    }
    shown
}

fn headers(headers: &[Header]) -> Value {
    headers.iter().map(one_header).collect()
}

fn one_header(header: &Header) -> Value {
    json!([header.name, text(&header.value)])
}

/// Bytes that are no text are shown with replacement characters.
fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// Events, adjacent texts of one kind and choice joined.
pub(super) fn events(events: &[StreamEvent]) -> Value {
    let mut joined: Vec<StreamEvent> = Vec::new();
    for event in events {
        match (joined.last_mut(), event) {
            (Some(StreamEvent::Text(last)), StreamEvent::Text(delta))
            | (Some(StreamEvent::Reasoning(last)), StreamEvent::Reasoning(delta))
            | (Some(StreamEvent::Refusal(last)), StreamEvent::Refusal(delta))
                if last.choice == delta.choice =>
            {
                last.text.push_str(&delta.text);
            }
            _ => joined.push(event.clone()),
        }
    }
    joined.iter().map(event).collect()
}

fn event(event: &StreamEvent) -> Value {
    match event {
        StreamEvent::Text(delta) if delta.choice == 0 => json!(delta.text),
        StreamEvent::Text(delta) => json!({ "text": [delta.choice, delta.text] }),
        StreamEvent::Reasoning(delta) => json!({ "reasoning": [delta.choice, delta.text] }),
        StreamEvent::Refusal(delta) => json!({ "refusal": [delta.choice, delta.text] }),
        StreamEvent::ToolCall(call) => json!({
            "tool-call": [call.choice, call.index, call.id, call.name, call.arguments]
        }),
        StreamEvent::Usage(usage) => json!({
            "usage": [usage.input, usage.output, usage.cached_input, usage.cache_write, usage.reasoning]
        }),
        StreamEvent::Finish(finish) => json!({ "finish": [finish.choice, finish.reason] }),
        StreamEvent::Raw(raw) => json!({ "raw": [raw.event, raw.data] }),
    }
}

/// What a stream's verdict lets through; the rejection where it is aborted.
pub(super) fn passed(
    verdict: EventsVerdict,
    given: Vec<StreamEvent>,
) -> Result<Vec<StreamEvent>, Rejection> {
    match verdict {
        EventsVerdict::Pass => Ok(given),
        EventsVerdict::Drop => Ok(Vec::new()),
        EventsVerdict::Replace(events) => Ok(events),
        EventsVerdict::Abort(refusal) => Err(refusal),
    }
}

pub(super) fn choice(choice: &Choice) -> Value {
    match choice {
        Choice::UseDefault => json!("use-default"),
        Choice::Ranked(ranked) => {
            let ranked = ranked.iter().map(|one| json!([one.index, one.score]));
            json!({ "ranked": ranked.collect::<Vec<_>>() })
        }
        Choice::Reject(refusal) => json!({ "reject": rejection(refusal) }),
    }
}

pub(super) fn decision(decision: &Decision) -> Value {
    match decision {
        Decision::Allow(principal) => json!({
            "allow": {
                "id": principal.id,
                "tenant": principal.tenant,
                "project": principal.project,
                "user": principal.user,
                "scopes": principal.scopes,
                "models": principal.models,
                "attributes": principal.attributes,
            }
        }),
        Decision::Deny(refusal) => json!({ "deny": rejection(refusal) }),
        Decision::Abstain => json!("abstain"),
    }
}

pub(super) fn adapter(info: &AdapterInfo) -> Value {
    let accepts = info.accepts.iter().map(|accepted| api(*accepted));
    json!({ "name": info.name, "accepts": accepts.collect::<Vec<_>>() })
}

fn api(api: Api) -> &'static str {
    match api {
        Api::ChatCompletions => "chat-completions",
        Api::Responses => "responses",
        Api::Messages => "messages",
        Api::GenerateContent => "generate-content",
        Api::Completions => "completions",
        Api::Embeddings => "embeddings",
        Api::Ollama => "ollama",
        Api::Rerank => "rerank",
        Api::Moderations => "moderations",
        Api::Images => "images",
        Api::AudioSpeech => "audio-speech",
        Api::AudioTranscriptions => "audio-transcriptions",
        Api::Other => "other",
    }
}

pub(super) fn wire_request(request: &WireRequest) -> Value {
    json!({
        "method": request.method,
        "path": request.path,
        "headers": headers(&request.headers),
        "body": text(&request.body),
    })
}

pub(super) fn failure(failure: &Failure) -> Value {
    json!({
        "retryable": failure.retryable,
        "code": failure.code,
        "message": failure.message,
        "retry_after_ms": failure.retry_after_ms,
    })
}
