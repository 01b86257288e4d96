//! `POST /v1/completions`: text and token prompts, several at once, whole or as a stream.
//! It must not know chat.

use bytes::{BufMut, Bytes, BytesMut};
use serde_json::{Value, json};

use super::answer::{Finish, Text, prose};
use super::armory::Faults;
use super::body::wait_until;
use super::chat::timings;
use super::chat_events::write_json;
use super::chat_request::{Limits, StreamOptions, integer, json_body, stream_options};
use super::engine::Work;
use super::host::Host;
use super::models::of_request;
use super::options::EngineKind;
use super::random::Random;
use super::refusal::Refusal;
use super::reply::{Reply, Source, When};
use super::token;
use super::usage::Reporting;

/// One continuation.
struct Continued {
    text: Text,
    finish_reason: &'static str,
    stop_reason: Option<String>,
}

/// Tokens where the request names no limit: OpenAI's default.
const TOKENS_MAX_DEFAULT: usize = 16;

pub async fn answer(host: &Host, body: &Bytes, faults: &Faults) -> Result<Reply, Refusal> {
    let body = json_body(body)?;
    let model = of_request(host, &body)?.to_string();
    let prompts = prompts(host, &body)?;
    let mut limits = Limits::read(&body)?;
    limits.tokens_max.get_or_insert(TOKENS_MAX_DEFAULT);
    let each = integer(&body, "n", 1, 128)?.unwrap_or(1) as usize;
    let prompt_tokens = prompts.iter().map(|prompt| token::count(prompt)).sum();
    limits.check(prompt_tokens, prompts.len() * each)?;
    let echoes = body.get("echo") == Some(&Value::Bool(true));
    let seed = body.get("seed").and_then(Value::as_i64);
    let texts: Vec<Continued> = prompts
        .iter()
        .flat_map(|prompt| (0..each).map(move |index| (prompt, index)))
        .map(|(prompt, index)| {
            let mut random = host.random(&model, &format!("{prompt}\0{index}"), seed);
            continued(host, &limits, if echoes { prompt } else { "" }, &mut random)
        })
        .collect();
    let work = Work {
        prompt_tokens,
        longest_tokens: texts
            .iter()
            .map(|text| text.text.tokens())
            .max()
            .unwrap_or(0),
        output_tokens: texts.iter().map(|text| text.text.tokens()).sum(),
    };
    let logprobs = integer(&body, "logprobs", 0, 5)?.is_some();
    let stream = stream_options(&body)?;
    let mut turn = host.engine.begin(work).await;
    let (id, created) = host.answer_id("cmpl-", &host.random(&model, &prompts.concat(), seed));
    let kind = host.options.kind;
    let mut whole = json!({"id": id, "object": "text_completion", "created": created, "model": model, "system_fingerprint": host.options.name});
    if let Some(stream) = stream {
        return Ok(Reply::events(
            Events::new(kind, &whole, texts, work, stream, Reporting::of(faults)),
            turn,
        ));
    }
    wait_until(turn.due_last()).await;
    turn.sent(work.output_tokens as u64);
    whole["choices"] = texts
        .iter()
        .enumerate()
        .map(|(index, text)| whole_choice(kind, index, text, logprobs))
        .collect();
    if let Some(usage) = Reporting::of(faults).usage(kind, work.prompt_tokens, work.output_tokens) {
        whole["usage"] = usage;
    }
    if kind == EngineKind::Llamacpp {
        whole["timings"] = timings(work, &turn);
    }
    turn.end(texts.first().map_or("stop", |text| text.finish_reason));
    Ok(Reply::json(&whole).after(work))
}

fn continued(host: &Host, limits: &Limits, echoed: &str, random: &mut Random) -> Continued {
    let mut text = prose(random, limits.length(host.options.tokens));
    let finish = text.limit(limits.tokens_max, &limits.stops);
    let text = if echoed.is_empty() {
        text
    } else {
        Text::of(format!("{echoed}{}", text.as_str()))
    };
    let (finish_reason, stop_reason) = match finish {
        Finish::Length => ("length", None),
        Finish::Stop if limits.fills => ("length", None),
        Finish::Stop => ("stop", None),
        Finish::StopSequence(stop) => ("stop", Some(stop)),
    };
    Continued {
        text,
        finish_reason,
        stop_reason,
    }
}

/// A text, several, token ids, or several lists of them.
fn prompts(host: &Host, body: &Value) -> Result<Vec<String>, Refusal> {
    let wrong = || {
        Refusal::invalid(
            "prompt",
            "prompt: Input should be a string, a list of strings, or lists of token ids",
        )
    };
    let of_ids = |ids: &[Value]| {
        let mut text = String::new();
        for id in ids {
            token::push_text_of(id.as_u64().ok_or_else(wrong)?, &mut text);
        }
        Ok(text)
    };
    match body.get("prompt") {
        None | Some(Value::Null) => Err(Refusal::missing(host.options.kind, "prompt")),
        Some(Value::String(prompt)) => Ok(vec![prompt.clone()]),
        Some(Value::Array(list)) if list.is_empty() || list.len() > PROMPTS_MAX => Err(wrong()),
        Some(Value::Array(list)) if list[0].is_number() => Ok(vec![of_ids(list)?]),
        Some(Value::Array(list)) => list
            .iter()
            .map(|prompt| match prompt {
                Value::String(prompt) => Ok(prompt.clone()),
                Value::Array(ids) => of_ids(ids),
                _ => Err(wrong()),
            })
            .collect(),
        Some(_) => Err(wrong()),
    }
}

const PROMPTS_MAX: usize = 2048;

fn whole_choice(kind: EngineKind, index: usize, continued: &Continued, logprobs: bool) -> Value {
    let mut choice = json!({
        "index": index,
        "text": continued.text.as_str(),
        "logprobs": null,
        "finish_reason": continued.finish_reason,
    });
    if logprobs {
        choice["logprobs"] = plausible_logprobs(&continued.text);
    }
    if kind == EngineKind::Vllm {
        choice["stop_reason"] = continued.stop_reason.clone().into();
        choice["prompt_logprobs"] = Value::Null;
    }
    choice
}

/// The legacy shape: four lists side by side.
fn plausible_logprobs(text: &Text) -> Value {
    let tokens: Vec<&str> = (0..text.tokens()).map(|index| text.token(index)).collect();
    let own = |token: &str| -f64::from(token::id(token) % 97) / 100.0;
    let offsets: Vec<usize> = tokens
        .iter()
        .scan(0, |at, token| {
            Some(std::mem::replace(at, *at + token.chars().count()))
        })
        .collect();
    json!({
        "text_offset": offsets,
        "token_logprobs": tokens.iter().map(|token| own(token)).collect::<Vec<_>>(),
        "tokens": tokens,
        "top_logprobs": tokens.iter().map(|token| json!({*token: own(token)})).collect::<Vec<_>>(),
    })
}

/// The chunks of one answer.
struct Events {
    kind: EngineKind,
    texts: Vec<Continued>,
    work: Work,
    options: StreamOptions,
    reporting: Reporting,
    head: Vec<u8>,
    /// Token and choice that come next; a choice's finish comes behind its last token.
    token: usize,
    choice: usize,
    stage: Stage,
}

enum Stage {
    Tokens,
    Usage,
    Done,
    Over,
}

impl Events {
    fn new(
        kind: EngineKind,
        head: &Value,
        texts: Vec<Continued>,
        work: Work,
        options: StreamOptions,
        reporting: Reporting,
    ) -> Self {
        let fields = head.to_string();
        let head = format!("data: {},\"choices\":[", &fields[..fields.len() - 1]).into_bytes();
        Self {
            kind,
            texts,
            work,
            options,
            reporting,
            head,
            token: 0,
            choice: 0,
            stage: Stage::Tokens,
        }
    }

    /// A token of one choice; its last carries the finish reason, as vLLM's does.
    fn write_token(&mut self, out: &mut BytesMut) -> Option<When> {
        let longest = self
            .texts
            .iter()
            .map(|text| text.text.tokens())
            .max()
            .unwrap_or(0)
            .max(1);
        while self.token < longest {
            let (token, choice) = (self.token, self.choice);
            self.choice += 1;
            if self.choice == self.texts.len() {
                self.choice = 0;
                self.token += 1;
            }
            let continued = &self.texts[choice];
            let tokens = continued.text.tokens().max(1);
            if token >= tokens {
                continue;
            }
            let is_last = token + 1 == tokens;
            let mut chunk = json!({"index": choice, "text": continued.text.token(token), "logprobs": null, "finish_reason": null});
            if is_last {
                chunk["finish_reason"] = continued.finish_reason.into();
            }
            if self.kind == EngineKind::Vllm {
                chunk["stop_reason"] = continued.stop_reason.clone().filter(|_| is_last).into();
            }
            let ends_all = is_last && token + 1 == longest;
            out.put_slice(&self.head);
            write_json(&chunk, out);
            out.put_slice(b"]");
            let early =
                self.reporting == Reporting::Early && self.options.include_usage && ends_all;
            if let Some(usage) = self
                .usage()
                .filter(|_| self.options.continuous_usage || early)
            {
                out.put_slice(b",\"usage\":");
                write_json(&usage, out);
            }
            out.put_slice(b"}\n\n");
            return Some(When::Token(token as u32));
        }
        None
    }

    fn usage(&self) -> Option<Value> {
        self.reporting
            .usage(self.kind, self.work.prompt_tokens, self.work.output_tokens)
    }
}

impl Source for Events {
    fn write_next(&mut self, out: &mut BytesMut) -> Option<When> {
        loop {
            match self.stage {
                Stage::Tokens => match self.write_token(out) {
                    Some(when) => return Some(when),
                    None => self.stage = Stage::Usage,
                },
                Stage::Usage => {
                    self.stage = Stage::Done;
                    let usage = self.usage().filter(|_| {
                        self.options.include_usage && self.reporting != Reporting::Early
                    });
                    if let Some(usage) = usage {
                        out.put_slice(&self.head);
                        out.put_slice(b"],\"usage\":");
                        write_json(&usage, out);
                        out.put_slice(b"}\n\n");
                        return Some(When::Now);
                    }
                }
                Stage::Done => {
                    self.stage = Stage::Over;
                    out.put_slice(b"data: [DONE]\n\n");
                    return Some(When::Now);
                }
                Stage::Over => return None,
            }
        }
    }

    fn finish_reason(&self) -> &'static str {
        self.texts.first().map_or("stop", |text| text.finish_reason)
    }
}
