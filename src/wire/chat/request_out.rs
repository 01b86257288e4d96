//! Requests for upstreams. What a server takes of the dialect is the `Quirks`' to say; which server it is is not known here.

use std::borrow::Cow;

use serde_json::{Value, json};

use crate::wire::Dialect;
use crate::wire::capability::Target;
use crate::wire::neutral::{Format, Loss, Losses, Refused, Request, Schema};
use crate::wire::translate::Written;
use crate::wire::tree::{Json, Object};

use super::messages_out::{Out, messages};
use super::{call_ids, request_in, shape, thinking_out, tools_out};

/// OpenAI's bound on ids of users.
const USER_BYTES_MAX: usize = 64;

/// Writes a request.
///
/// # Errors
/// When it says what the target cannot be told, and the answer would not be to what was asked.
pub fn write_request(
    request: &Request,
    target: &Target<'_>,
    losses: &mut Losses,
) -> Result<Written, Refused> {
    let out = Out {
        request,
        quirks: target.quirks,
    };
    losses.note_if(request.suffix.is_some(), Loss::Suffix)?;
    let mut turns = shape::turns(request, target.quirks);
    let format = format(&out, losses)?;
    if let Some(words) = format.words {
        shape::instruct(&mut turns, words);
    }
    let mut body = Object::default().with("model", target.model);
    body.put("messages", messages(&out, &turns, losses)?);
    tools_out::tools(&out, &mut body, losses)?;
    body.put_some("response_format", format.value);
    bounds(&out, &mut body, losses)?;
    sampling(&out, &mut body, losses)?;
    thinking_out::thinking(&out, &mut body, losses)?;
    openai_members(&out, &mut body, losses)?;
    extras(&out, &mut body, losses)?;
    stream(&out, &mut body);
    Ok(Written {
        path: "/chat/completions".to_owned(),
        body: body.bytes(),
    })
}

/// The form of the answer: a member, or words where the target has none.
struct Formed<'a> {
    value: Option<Object<'a>>,
    words: Option<String>,
}

fn format<'a>(out: &Out<'a>, losses: &mut Losses) -> Result<Formed<'a>, Refused> {
    let takes_object = out.quirks.json_object;
    let json_object = takes_object.then(|| Object::typed("json_object"));
    match &out.request.format {
        Format::Text => Ok(Formed {
            value: None,
            words: None,
        }),
        Format::Json => {
            losses.note_if(json_object.is_none(), Loss::JsonMode)?;
            let words = json_object
                .is_none()
                .then(|| "Answer with one JSON object and nothing else.".to_owned());
            Ok(Formed {
                value: json_object,
                words,
            })
        }
        Format::Schema(schema) if out.quirks.json_schema => Ok(Formed {
            value: Some(schema_value(schema)),
            words: None,
        }),
        Format::Schema(schema) => {
            losses.note(Loss::JsonMode)?;
            let schema = &schema.schema;
            let words = format!(
                "Answer with one JSON value and nothing else. It must be valid against this JSON Schema:\n{schema}"
            );
            Ok(Formed {
                value: json_object,
                words: Some(words),
            })
        }
    }
}

fn schema_value(schema: &Schema) -> Object<'_> {
    let inner = Object::default()
        .with("name", schema.name.as_deref().unwrap_or("response"))
        .with_some("description", schema.description.as_ref())
        .with("schema", &schema.schema)
        .with_some("strict", schema.strict);
    Object::typed("json_schema").with("json_schema", inner)
}

/// How much and how many.
fn bounds<'a>(out: &Out<'a>, body: &mut Object<'a>, losses: &mut Losses) -> Result<(), Refused> {
    let (request, quirks) = (out.request, out.quirks);
    if let Some(tokens) = request.output_tokens_max {
        let long = quirks.max_completion_tokens;
        let name = if long {
            "max_completion_tokens"
        } else {
            "max_tokens"
        };
        body.put(name, tokens);
    }
    // An empty text would end every answer at once, and servers refuse it.
    let stops = request.stop.iter().filter(|stop| !stop.is_empty());
    let stops: Vec<&str> = stops.map(String::as_str).collect();
    losses.note_if(stops.len() > quirks.stop_max, Loss::StopTexts)?;
    if !stops.is_empty() && quirks.stop_max > 0 {
        let sent = stops.into_iter().take(quirks.stop_max);
        body.put("stop", sent.map(Json::from).collect::<Vec<_>>());
    }
    if request.choices > 1 {
        losses.note_if(!quirks.choices, Loss::Choices)?;
        body.put("n", u64::from(request.choices));
    }
    let Some(others) = request.logprobs else {
        return Ok(());
    };
    if !quirks.logprobs {
        return losses.note(Loss::Logprobs);
    }
    body.put("logprobs", true);
    if others > 0 {
        body.put("top_logprobs", u64::from(others));
    }
    Ok(())
}

/// How tokens are chosen.
pub fn sampling<'a>(
    out: &Out<'a>,
    body: &mut Object<'a>,
    losses: &mut Losses,
) -> Result<(), Refused> {
    let (sampling, quirks) = (&out.request.sampling, out.quirks);
    // What a client of OpenAI's dialects says beyond OpenAI's parameters it says to a server that it knows.
    let is_openais = matches!(out.request.dialect, Dialect::Chat | Dialect::Completions);
    let engine = quirks.engine_sampling || (is_openais && !quirks.strict_members);
    let openai = quirks.openai_sampling;
    let numbers = [
        (
            "temperature",
            &sampling.temperature,
            true,
            Loss::Temperature,
        ),
        ("top_p", &sampling.top_p, true, Loss::TopP),
        ("top_k", &sampling.top_k, engine, Loss::TopK),
        ("min_p", &sampling.min_p, engine, Loss::MinP),
        ("typical_p", &sampling.typical_p, engine, Loss::TypicalP),
        (
            "presence_penalty",
            &sampling.presence_penalty,
            openai,
            Loss::Penalties,
        ),
        (
            "frequency_penalty",
            &sampling.frequency_penalty,
            openai,
            Loss::Penalties,
        ),
        (
            quirks.repetition_name,
            &sampling.repetition_penalty,
            engine,
            Loss::Penalties,
        ),
        (
            quirks.seed_name.unwrap_or_default(),
            &sampling.seed,
            quirks.seed_name.is_some(),
            Loss::Seed,
        ),
    ];
    for (name, value, is_taken, loss) in numbers {
        let Some(value) = value else { continue };
        if is_taken {
            body.put(name, value);
        } else {
            losses.note(loss)?;
        }
    }
    if let Some(bias) = &sampling.logit_bias {
        if openai {
            body.put("logit_bias", bias);
        } else {
            losses.note(Loss::LogitBias)?;
        }
    }
    Ok(())
}

/// What OpenAI has beside the conversation.
fn openai_members<'a>(
    out: &Out<'a>,
    body: &mut Object<'a>,
    losses: &mut Losses,
) -> Result<(), Refused> {
    let (request, quirks) = (out.request, out.quirks);
    let is_taken = quirks.openai_members || (out.is_own() && !quirks.strict_members);
    let tier = request
        .service_tier
        .as_deref()
        .and_then(|tier| tier_name(out, tier));
    let has_other_tier = request.service_tier.is_some() && tier.is_none();
    losses.note_if(has_other_tier, Loss::ServiceTier)?;
    let members = [
        ("verbosity", request.verbosity.as_deref(), Loss::Verbosity),
        ("service_tier", tier, Loss::ServiceTier),
        (
            "prompt_cache_key",
            request.cache_key.as_deref(),
            Loss::CacheKey,
        ),
    ];
    for (name, value, loss) in members {
        let Some(value) = value else { continue };
        if is_taken {
            body.put(name, value);
        } else {
            losses.note(loss)?;
        }
    }
    if let Some(user) = &request.user {
        if quirks.strict_members {
            losses.note(Loss::User)?;
        } else {
            body.put("user", bounded_user(user));
        }
    }
    let cache = request.cache.as_ref();
    if let Some(cache) = cache.filter(|_| quirks.cache_marks)
        && let Some((name, mark)) = out.cache_mark(cache)
    {
        body.put(name, mark);
    }
    Ok(())
}

/// The tier in OpenAI's words; `None` where it has no such tier.
fn tier_name<'a>(out: &Out<'_>, tier: &'a str) -> Option<&'a str> {
    match tier {
        "standard_only" | "standard" => Some("default"),
        "auto" | "default" | "flex" | "scale" | "priority" | "fast" => Some(tier),
        _ => Some(tier).filter(|_| out.is_own()),
    }
}

/// Ids that are too long keep telling users apart.
pub fn bounded_user(user: &str) -> Cow<'_, str> {
    if user.len() <= USER_BYTES_MAX {
        return user.into();
    }
    let halves = [0, 1].map(|turn| call_ids::hash(user, turn));
    format!("user_{:016x}{:016x}", halves[0], halves[1]).into()
}

fn extras<'a>(out: &Out<'a>, body: &mut Object<'a>, losses: &mut Losses) -> Result<(), Refused> {
    for (name, value) in &out.request.extras {
        let is_said = request_in::is_remembered(name) || name == STREAM_OPTIONS;
        if is_said || body.get(name).is_some() {
            continue;
        }
        let is_taken = match out.request.dialect {
            Dialect::Chat => !out.quirks.strict_members,
            // Members that OpenAI's two APIs share.
            Dialect::Responses => out.quirks.openai_members && is_shared(name),
            Dialect::Completions | Dialect::Anthropic | Dialect::Ollama | Dialect::Gemini => false,
        };
        if is_taken {
            body.put(name, value);
        } else if let Some(loss) = loss_of(name, value) {
            losses.note_at(loss, Some(name.clone()))?;
        }
    }
    Ok(())
}

fn is_shared(name: &str) -> bool {
    matches!(
        name,
        "metadata"
            | "store"
            | "safety_identifier"
            | "prompt_cache_retention"
            | "prompt_cache_options"
    )
}

/// What it means that a member cannot be sent; `None` where it says what holds anyway.
pub fn loss_of(name: &str, value: &Value) -> Option<Loss> {
    let is_off = matches!(value, Value::Null | Value::Bool(false));
    let is_text_only = *value == json!(["text"]);
    Some(match name {
        _ if is_off => return None,
        "modalities" if is_text_only => return None,
        "modalities" | "audio" => Loss::AudioOutput,
        "metadata" | "labels" => Loss::Metadata,
        "store" => Loss::Store,
        "stream_options" => Loss::StreamOptions,
        "prompt_cache_retention" | "prompt_cache_options" => Loss::CacheKey,
        "safety_identifier" => Loss::User,
        "prediction" => Loss::Prediction,
        "keep_alive" => Loss::KeepAlive,
        "num_ctx" => Loss::ContextSize,
        "options" => Loss::EngineOption,
        "echo" => Loss::Echo,
        "best_of" if value.as_u64() == Some(1) => return None,
        "raw" | "template" | "context" => Loss::RawPrompt,
        "background" => Loss::Background,
        "previous_response_id" | "conversation" => Loss::StoredState,
        _ => Loss::UnknownMember,
    })
}

/// Says how a stream is to come; of a client's own members the one that is written with the stream.
pub const STREAM_OPTIONS: &str = "stream_options";

/// Whether and how the answer is streamed.
pub fn stream<'a>(out: &Out<'a>, body: &mut Object<'a>) {
    if !out.request.stream {
        return;
    }
    body.put("stream", true);
    if !out.quirks.stream_options {
        return;
    }
    let mut options = Object::default();
    let own = out.request.extras.get(STREAM_OPTIONS);
    let is_own = matches!(out.request.dialect, Dialect::Chat | Dialect::Completions);
    let own = own.filter(|_| is_own && !out.quirks.strict_members);
    options.fill(own.and_then(Value::as_object).into_iter().flatten());
    // Usage is counted whether the client wants it or not.
    options.put("include_usage", true);
    body.put(STREAM_OPTIONS, options);
}
