//! The contract's types → weir's, for what a plugin hands over.

use weir_plugin::{
    AdapterInfo, Api, Choice, Decision, Edit, EventsVerdict, Failure, Finish, Header, HttpCall,
    Level, Principal, Ranked, RawEvent, Rejection, Reply, StreamEvent, TextDelta, ToolDelta, Usage,
    Verdict, Wants, WireRequest,
};

use super::imports::{http, log};
use super::{exports, wit};
use crate::plugin::trouble::Trouble;

pub fn error(error: wit::PluginError) -> Trouble {
    let (retryable, message) = match error {
        wit::PluginError::Retryable(message) => (true, message),
        wit::PluginError::Permanent(message) => (false, message),
    };
    said(retryable, message)
}

/// Of what a plugin says when it fails, what is kept. In bytes.
const MESSAGE_BYTES_MAX: usize = 1024;

pub fn said(retryable: bool, mut message: String) -> Trouble {
    message.truncate(message.floor_char_boundary(MESSAGE_BYTES_MAX));
    Trouble::Said { retryable, message }
}

pub fn level(level: log::Level) -> Level {
    match level {
        log::Level::Debug => Level::Debug,
        log::Level::Info => Level::Info,
        log::Level::Warn => Level::Warn,
        log::Level::Error => Level::Error,
    }
}

pub fn headers(headers: Vec<wit::Header>) -> Vec<Header> {
    headers.into_iter().map(header).collect()
}

fn header(header: wit::Header) -> Header {
    let wit::Header { name, value } = header;
    Header { name, value }
}

fn pairs(pairs: Vec<wit::Pair>) -> Vec<(String, String)> {
    pairs
        .into_iter()
        .map(|pair| (pair.key, pair.value))
        .collect()
}

fn rejection(rejection: wit::Rejection) -> Rejection {
    Rejection {
        status: rejection.status,
        code: rejection.code,
        message: rejection.message,
        headers: headers(rejection.headers),
    }
}

pub fn verdict(verdict: wit::Verdict) -> Verdict {
    match verdict {
        wit::Verdict::Pass => Verdict::Pass,
        wit::Verdict::Edit(list) => Verdict::Edit(edits(list)),
        wit::Verdict::Reject(refused) => Verdict::Reject(rejection(refused)),
        wit::Verdict::Reply(reply) => Verdict::Reply(Reply {
            status: reply.status,
            headers: headers(reply.headers),
            body: reply.body,
        }),
    }
}

pub fn edits(edits: Vec<wit::Edit>) -> Vec<Edit> {
    edits.into_iter().map(edit).collect()
}

fn edit(edit: wit::Edit) -> Edit {
    match edit {
        wit::Edit::SetHeader(set) => Edit::SetHeader(header(set)),
        wit::Edit::RemoveHeader(name) => Edit::RemoveHeader(name),
        wit::Edit::SetSegment((index, text)) => Edit::SetSegment(index, text),
        wit::Edit::SetJson((pointer, json)) => Edit::SetJson(pointer, json),
        wit::Edit::RemoveJson(pointer) => Edit::RemoveJson(pointer),
        wit::Edit::ReplaceBody(body) => Edit::ReplaceBody(body),
        wit::Edit::SetModel(model) => Edit::SetModel(model),
        wit::Edit::SetTag(tag) => Edit::SetTag(tag.key, tag.value),
    }
}

pub fn events(events: Vec<wit::StreamEvent>) -> Vec<StreamEvent> {
    events.into_iter().map(event).collect()
}

fn event(event: wit::StreamEvent) -> StreamEvent {
    let delta = |delta: wit::TextDelta| TextDelta {
        choice: delta.choice,
        text: delta.text,
    };
    match event {
        wit::StreamEvent::Text(text) => StreamEvent::Text(delta(text)),
        wit::StreamEvent::Reasoning(text) => StreamEvent::Reasoning(delta(text)),
        wit::StreamEvent::Refusal(text) => StreamEvent::Refusal(delta(text)),
        wit::StreamEvent::ToolCall(call) => StreamEvent::ToolCall(ToolDelta {
            choice: call.choice,
            index: call.index,
            id: call.id,
            name: call.name,
            arguments: call.arguments,
        }),
        wit::StreamEvent::Usage(usage) => StreamEvent::Usage(Usage {
            input: usage.input,
            output: usage.output,
            cached_input: usage.cached_input,
            cache_write: usage.cache_write,
            reasoning: usage.reasoning,
        }),
        wit::StreamEvent::Finish(finish) => StreamEvent::Finish(Finish {
            choice: finish.choice,
            reason: finish.reason,
        }),
        wit::StreamEvent::Raw(raw) => StreamEvent::Raw(RawEvent {
            event: raw.event,
            data: raw.data,
        }),
    }
}

pub fn events_verdict(verdict: wit::EventsVerdict) -> EventsVerdict {
    match verdict {
        wit::EventsVerdict::Pass => EventsVerdict::Pass,
        wit::EventsVerdict::Drop => EventsVerdict::Drop,
        wit::EventsVerdict::Replace(list) => EventsVerdict::Replace(events(list)),
        wit::EventsVerdict::Abort(refused) => EventsVerdict::Abort(rejection(refused)),
    }
}

pub fn wants(wants: exports::response_filter::Wanted) -> Wants {
    Wants {
        requests: wants.requests,
        answers: wants.answers,
        streams: wants.streams,
        whole_answers: wants.whole_answers,
    }
}

/// `candidates`: how many were given.
///
/// # Errors
/// Where it names one that was not given, or one twice.
pub fn choice(choice: wit::Choice, candidates: usize) -> Result<Choice, Trouble> {
    let list = match choice {
        wit::Choice::UseDefault => return Ok(Choice::UseDefault),
        wit::Choice::Reject(refused) => return Ok(Choice::Reject(rejection(refused))),
        wit::Choice::Ranked(list) => list,
    };
    let mut is_ranked = vec![false; candidates];
    for ranked in &list {
        let index = ranked.index;
        match is_ranked.get_mut(index as usize) {
            Some(is_ranked) if !*is_ranked => *is_ranked = true,
            Some(_) => return Err(Trouble::Trap(format!("candidate {index} is ranked twice"))),
            None => {
                let message = format!("candidate {index} is ranked, and there are {candidates}");
                return Err(Trouble::Trap(message));
            }
        }
        if ranked.score.is_nan() {
            let message = format!("the score of candidate {index} is no number");
            return Err(Trouble::Trap(message));
        }
    }
    let ranked = list.into_iter().map(|ranked| Ranked {
        index: ranked.index,
        score: ranked.score,
    });
    Ok(Choice::Ranked(ranked.collect()))
}

pub fn decision(decision: exports::auth::Decision) -> Decision {
    match decision {
        exports::auth::Decision::Allow(caller) => Decision::Allow(principal(caller)),
        exports::auth::Decision::Deny(refused) => Decision::Deny(rejection(refused)),
        exports::auth::Decision::Abstain => Decision::Abstain,
    }
}

fn principal(principal: wit::Principal) -> Principal {
    Principal {
        id: principal.id,
        tenant: principal.tenant,
        project: principal.project,
        user: principal.user,
        scopes: principal.scopes,
        models: principal.models,
        attributes: pairs(principal.attributes),
    }
}

fn api(api: wit::Api) -> Api {
    match api {
        wit::Api::ChatCompletions => Api::ChatCompletions,
        wit::Api::Responses => Api::Responses,
        wit::Api::Messages => Api::Messages,
        wit::Api::GenerateContent => Api::GenerateContent,
        wit::Api::Completions => Api::Completions,
        wit::Api::Embeddings => Api::Embeddings,
        wit::Api::Ollama => Api::Ollama,
        wit::Api::Rerank => Api::Rerank,
        wit::Api::Moderations => Api::Moderations,
        wit::Api::Images => Api::Images,
        wit::Api::AudioSpeech => Api::AudioSpeech,
        wit::Api::AudioTranscriptions => Api::AudioTranscriptions,
        wit::Api::Other => Api::Other,
    }
}

pub fn adapter_info(info: exports::adapter::Info) -> AdapterInfo {
    AdapterInfo {
        name: info.name,
        accepts: info.accepts.into_iter().map(api).collect(),
    }
}

pub fn wire_request(request: exports::adapter::WireRequest) -> WireRequest {
    WireRequest {
        method: request.method,
        path: request.path,
        headers: headers(request.headers),
        body: request.body,
    }
}

pub fn failure(failure: exports::adapter::Failure) -> Failure {
    Failure {
        retryable: failure.retryable,
        code: failure.code,
        message: failure.message,
        retry_after_ms: failure.retry_after_ms,
    }
}

pub fn http_call(call: http::Call) -> HttpCall {
    HttpCall {
        method: call.method,
        url: call.url,
        headers: headers(call.headers),
        body: call.body,
        timeout_ms: call.timeout_ms,
    }
}
