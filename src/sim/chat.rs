//! `POST /v1/chat/completions`: what each choice says, and the whole answer.
//! It must not know how a stream of it is written.

use bytes::Bytes;
use serde_json::{Value, json};

use super::answer::{Finish, Text, prose};
use super::armory::Faults;
use super::body::wait_until;
use super::chat_events::{ChatEvents, ChatHead};
use super::chat_quirks;
use super::chat_request::{ChatRequest, Format, json_body};
use super::engine::Work;
use super::fault::FaultKind;
use super::host::Host;
use super::options::EngineKind;
use super::quirks::{Quirk, Quirks};
use super::random::Random;
use super::refusal::Refusal;
use super::reply::Reply;
use super::schema::instance;
use super::token;
use super::tools::Call;
use super::usage::Reporting;

/// What the model says in one choice.
pub struct Choice {
    pub reasoning: Text,
    pub content: Text,
    pub calls: Vec<Call>,
    pub finish_reason: &'static str,
    /// vLLM's `stop_reason`: the stop sequence that was met.
    pub stop_reason: Option<String>,
}

impl Choice {
    /// The finish reason as it is told.
    pub fn shown_finish(&self, quirks: Quirks) -> &'static str {
        match self.finish_reason {
            "tool_calls" if quirks.has(Quirk::FinishStop) => "stop",
            told => told,
        }
    }

    pub fn tokens(&self) -> usize {
        self.reasoning.tokens()
            + self.content.tokens()
            + self
                .calls
                .iter()
                .map(|call| call.arguments.tokens())
                .sum::<usize>()
    }
}

/// Everything that the model says, and the work that it is.
pub struct Said {
    pub choices: Vec<Choice>,
    pub work: Work,
}

impl Said {
    /// The answer to a request.
    pub fn to(host: &Host, request: &ChatRequest) -> Self {
        let random = host.random(&request.model, &request.prompt, request.seed);
        let choices: Vec<Choice> = (0..request.choices)
            .map(|index| {
                let mut random = if index == 0 {
                    random.clone()
                } else {
                    Random::of(&[&index.to_le_bytes(), &random.clone().next().to_le_bytes()])
                };
                choice(host, request, &mut random)
            })
            .collect();
        let work = Work {
            prompt_tokens: request.prompt_tokens,
            longest_tokens: choices.iter().map(Choice::tokens).max().unwrap_or(0),
            output_tokens: choices.iter().map(Choice::tokens).sum(),
        };
        Self { choices, work }
    }

    /// The same answer to a request that a filter or the model itself refuses: nothing is said.
    pub fn blocked(mut self) -> Self {
        for choice in &mut self.choices {
            *choice = Choice {
                reasoning: Text::default(),
                content: Text::default(),
                calls: Vec::new(),
                finish_reason: "content_filter",
                stop_reason: None,
            };
        }
        (self.work.longest_tokens, self.work.output_tokens) = (0, 0);
        self
    }

    /// The answer to a request, under the faults that change what is said.
    pub fn under(host: &Host, request: &ChatRequest, faults: &Faults) -> Self {
        let said = Self::to(host, request);
        if faults.has(FaultKind::Blocked) {
            return said.blocked();
        }
        said
    }
}

const THINKING_TOKENS: usize = 12;
/// Words before a call, in tokens.
const PREFACE_TOKENS: usize = 6;

fn choice(host: &Host, request: &ChatRequest, random: &mut Random) -> Choice {
    let limits = &request.limits;
    let reasoning = if request.thinks {
        prose(random, THINKING_TOKENS)
    } else {
        Text::default()
    };
    let mut choice = Choice {
        reasoning,
        content: Text::default(),
        calls: Vec::new(),
        finish_reason: "stop",
        stop_reason: None,
    };
    let mut tokens_left = limits.tokens_max;
    let finish = choice.reasoning.limit(tokens_left, &[]);
    take(&mut tokens_left, choice.reasoning.tokens());
    if finish == Finish::Length {
        choice.finish_reason = "length";
        return choice;
    }
    if request.calls.is_empty() {
        let mut left = limits.clone();
        left.tokens_max = tokens_left;
        choice.content = match &request.format {
            Format::Text => prose(random, left.length(host.options.tokens)),
            Format::Object => Text::of(
                json!({"answer": prose(random, 8).as_str(), "confidence": random.below(100)})
                    .to_string(),
            ),
            Format::Schema(schema) => Text::of(instance(schema, random).to_string()),
            Format::Choice(choices) => Text::of(random.pick(choices).cloned().unwrap_or_default()),
        };
        let finish = choice.content.limit(tokens_left, &limits.stops);
        finished(
            &mut choice,
            if limits.fills && finish == Finish::Stop {
                Finish::Length
            } else {
                finish
            },
        );
        return choice;
    }
    choice.finish_reason = "tool_calls";
    if request.prefaces {
        choice.content = prose(random, PREFACE_TOKENS);
        let finish = choice.content.limit(tokens_left, &limits.stops);
        take(&mut tokens_left, choice.content.tokens());
        if finish != Finish::Stop {
            choice.finish_reason = "stop";
            finished(&mut choice, finish);
            return choice;
        }
    }
    for tool in &request.calls {
        let prefix = call_id_prefix(host.options.kind);
        let quirks = host.options.quirks();
        let mut call = tool.call(
            |random| chat_quirks::call_id(prefix, quirks, random),
            random,
        );
        let finish = call.arguments.limit(tokens_left, &[]);
        take(&mut tokens_left, call.arguments.tokens());
        choice.calls.push(call);
        if finish == Finish::Length {
            choice.finish_reason = "length";
            break;
        }
    }
    choice
}

fn take(left: &mut Option<usize>, tokens: usize) {
    *left = left.map(|left| left.saturating_sub(tokens));
}

fn finished(choice: &mut Choice, finish: Finish) {
    match finish {
        Finish::Stop => {}
        Finish::Length => choice.finish_reason = "length",
        Finish::StopSequence(stop) => choice.stop_reason = Some(stop),
    }
}

/// vLLM's `make_tool_call_id`; the others write OpenAI's form.
fn call_id_prefix(kind: EngineKind) -> &'static str {
    match kind {
        EngineKind::Vllm => "chatcmpl-tool-",
        EngineKind::Anthropic => "toolu_",
        _ => "call_",
    }
}

pub async fn answer(host: &Host, body: &Bytes, faults: &Faults) -> Result<Reply, Refusal> {
    let request = ChatRequest::read(host, &json_body(body)?)?;
    let said = Said::under(host, &request, faults);
    let mut turn = host.engine.begin(said.work).await;
    let (id, created) = host.answer_id(
        "chatcmpl-",
        &host.random(&request.model, &request.prompt, request.seed),
    );
    let reporting = Reporting::of(faults);
    let (kind, quirks) = (host.options.kind, host.options.quirks());
    if let Some(stream) = request.stream {
        let head = ChatHead {
            id,
            created,
            model: request.model,
            name: host.options.name.clone(),
            kind,
            quirks,
        };
        return Ok(Reply::events(
            ChatEvents::new(head, said, stream, request.logprobs, reporting),
            turn,
        ));
    }
    wait_until(turn.due_last()).await;
    turn.sent(said.work.output_tokens as u64);
    let choices: Vec<Value> = said
        .choices
        .iter()
        .enumerate()
        .map(|(index, choice)| whole_choice(kind, quirks, index, choice, request.logprobs))
        .collect();
    let mut whole = json!({"id": id, "object": "chat.completion", "created": created, "model": request.model, "choices": choices});
    if let Some(usage) = reporting.usage(kind, said.work.prompt_tokens, said.work.output_tokens) {
        whole["usage"] = usage;
    }
    whole["system_fingerprint"] = host.options.name.as_str().into();
    extend_whole(kind, &said, &turn, &mut whole);
    turn.end(
        said.choices
            .first()
            .map_or("stop", |choice| choice.finish_reason),
    );
    Ok(Reply::json(&whole).after(said.work))
}

fn whole_choice(
    kind: EngineKind,
    quirks: Quirks,
    index: usize,
    choice: &Choice,
    top: Option<usize>,
) -> Value {
    let content = if choice.calls.is_empty() || choice.content.tokens() > 0 {
        Value::from(choice.content.as_str())
    } else {
        Value::Null
    };
    let mut message = json!({"role": "assistant", "content": content});
    if !choice.calls.is_empty() || kind == EngineKind::Vllm {
        let calls = choice
            .calls
            .iter()
            .map(|call| chat_quirks::call(call, call.arguments.as_str(), true, quirks));
        message["tool_calls"] = calls.collect();
    }
    if matches!(kind, EngineKind::Vllm | EngineKind::Openai) {
        message["refusal"] = Value::Null;
    }
    let reasoning_field = chat_quirks::reasoning_field(kind, quirks);
    if choice.reasoning.tokens() > 0 {
        message[reasoning_field] = choice.reasoning.as_str().into();
        if quirks.has(Quirk::Openrouter) {
            message["reasoning_details"] =
                chat_quirks::reasoning_details(choice.reasoning.as_str());
        }
    } else if kind == EngineKind::Vllm {
        message[reasoning_field] = Value::Null;
    }
    let mut whole = json!({"index": index, "message": message, "logprobs": Value::Null, "finish_reason": choice.shown_finish(quirks)});
    if let Some(top) = top {
        whole["logprobs"] = json!({"content": logprobs(&choice.content, top)});
    }
    if kind == EngineKind::Vllm {
        whole["stop_reason"] = choice.stop_reason.clone().into();
    }
    if kind == EngineKind::Sglang {
        whole["matched_stop"] = choice.stop_reason.clone().into();
    }
    whole
}

/// Fields of single engines that OpenAI's API does not know.
fn extend_whole(kind: EngineKind, said: &Said, turn: &super::engine::Turn, whole: &mut Value) {
    match kind {
        EngineKind::Vllm => {
            whole["service_tier"] = Value::Null;
            whole["prompt_logprobs"] = Value::Null;
            whole["kv_transfer_params"] = Value::Null;
        }
        EngineKind::Llamacpp => whole["timings"] = timings(said.work, turn),
        _ => {}
    }
}

/// llama.cpp's `timings` (`tools/server/README.md`).
pub fn timings(work: Work, turn: &super::engine::Turn) -> Value {
    let (prompt_ms, predicted_ms) = turn.milliseconds();
    let per_second = |tokens: usize, ms: f64| {
        if ms > 0.0 {
            tokens as f64 * 1000.0 / ms
        } else {
            0.0
        }
    };
    json!({
        "cache_n": 0,
        "prompt_n": work.prompt_tokens,
        "prompt_ms": prompt_ms,
        "prompt_per_token_ms": prompt_ms / work.prompt_tokens.max(1) as f64,
        "prompt_per_second": per_second(work.prompt_tokens, prompt_ms),
        "predicted_n": work.output_tokens,
        "predicted_ms": predicted_ms,
        "predicted_per_token_ms": predicted_ms / work.output_tokens.max(1) as f64,
        "predicted_per_second": per_second(work.output_tokens, predicted_ms),
    })
}

fn logprobs(text: &Text, top: usize) -> Value {
    (0..text.tokens())
        .map(|index| logprob(text.token(index), top))
        .collect()
}

/// A plausible log probability of a token, and of as many others as asked for.
pub fn logprob(token: &str, top: usize) -> Value {
    let own = -f64::from(token::id(token) % 97) / 100.0;
    let entry = |token: &str, logprob: f64| json!({"token": token, "logprob": logprob, "bytes": token.as_bytes()});
    let others = [
        " the", " a", " of", " and", " in", " to", ".", ",", " is", " on",
    ];
    let alternatives = std::iter::once(token)
        .chain(others.into_iter().filter(|other| *other != token))
        .take(top);
    let alternatives: Value = alternatives
        .enumerate()
        .map(|(rank, token)| entry(token, own - rank as f64))
        .collect();
    let mut entry = entry(token, own);
    entry["top_logprobs"] = alternatives;
    entry
}
