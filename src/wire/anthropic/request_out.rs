//! A request for an upstream of this dialect, put together; and which members of others it cannot take.

use serde_json::{Number, Value};

use crate::wire::Dialect;
use crate::wire::capability::Target;
use crate::wire::neutral::{Format, Loss, Losses, Refused, Request, Schema};
use crate::wire::translate::Written;

use super::blocks_out::{Blocks, mark};
use super::schema_out::within_subset;
use super::thinking_out::{self, Plan};
use super::{tools_out, turns_out};
use crate::wire::tree::{Json, Object};

/// Writes the body of `POST /v1/messages`.
///
/// # Errors
/// Where something cannot be sent that the request means nothing without, or the losses' policy refuses a lighter loss.
pub fn write_request(
    request: &Request,
    target: &Target<'_>,
    losses: &mut Losses,
) -> Result<Written, Refused> {
    note_losses(request, losses)?;
    let plan = thinking_out::plan(request, target.capabilities, losses)?;
    let mut body = Object::default()
        .with("model", target.model)
        .with("max_tokens", plan.max_tokens);
    if request.stream {
        body.put("stream", true);
    }
    let bounded = plan.bounds_sampling;
    thinking_out::sampling(request, target.capabilities, bounded, &mut body, losses)?;
    scalars(request, &mut body, losses)?;
    prompt(request, target, plan, &mut body, losses)?;
    if request.dialect == Dialect::Anthropic {
        body.fill(&request.extras);
    }
    Ok(Written {
        path: "/messages".to_owned(),
        body: body.bytes(),
    })
}

/// Members of the client's own that concern the prompt, and so its length.
const COUNTED_EXTRAS: [&str; 3] = ["context_management", "mcp_servers", "user_profile_id"];

/// Writes the body of `POST /v1/messages/count_tokens`, which takes no member that only concerns the answer.
pub(super) fn write_count(
    request: &Request,
    target: &Target<'_>,
    losses: &mut Losses,
) -> Result<Written, Refused> {
    let plan = thinking_out::plan(request, target.capabilities, losses)?;
    let mut body = Object::default().with("model", target.model);
    prompt(request, target, plan, &mut body, losses)?;
    if request.dialect == Dialect::Anthropic {
        let extras = request.extras.iter();
        body.fill(extras.filter(|(name, _)| COUNTED_EXTRAS.contains(&name.as_str())));
    }
    Ok(Written {
        path: "/messages/count_tokens".to_owned(),
        body: body.bytes(),
    })
}

/// What the model reads, and how it is to think and answer.
fn prompt<'a>(
    request: &'a Request,
    target: &Target<'_>,
    plan: Plan<'a>,
    body: &mut Object<'a>,
    losses: &mut Losses,
) -> Result<(), Refused> {
    let capabilities = target.capabilities;
    let tools = tools_out::write(request, capabilities, plan.is_manual, losses)?;
    if let Some(thinking) = plan.thinking {
        body.put("thinking", thinking);
    }
    let form = form(
        &request.format,
        capabilities.structured_output,
        request.dialect,
    );
    losses.note_if(matches!(form, Form::InWords(_)), Loss::JsonMode)?;
    let config = output_config(request, plan.effort, &form);
    if !config.is_empty() {
        body.put("output_config", config);
    }
    if !tools.tools.is_empty() {
        body.put("tools", tools.tools);
    }
    if let Some(choice) = tools.choice {
        body.put("tool_choice", choice);
    }
    let mut blocks = Blocks::new(request, losses);
    let mut turns = turns_out::write(request, target, &mut blocks)?;
    if let Form::InWords(words) = form {
        turns
            .system
            .push(Object::typed("text").with("text", words).into());
    }
    if !turns.system.is_empty() {
        body.put("system", turns.system);
    }
    if let Some(mark) = mark(request.cache.as_ref()) {
        body.put("cache_control", mark);
    }
    body.put("messages", turns.messages);
    Ok(())
}

/// How the form of the answer is demanded.
enum Form<'a> {
    Free,
    Schema(Json<'a>),
    /// Where the vendor has no means of its own.
    InWords(String),
}

fn form(format: &Format, structured_output: bool, dialect: Dialect) -> Form<'_> {
    match format {
        Format::Text => Form::Free,
        Format::Json => Form::InWords("Answer with one JSON object and nothing else.".to_owned()),
        Format::Schema(Schema { schema, .. }) if !structured_output => Form::InWords(format!(
            "Answer with one JSON value and nothing else. It must satisfy this JSON Schema:\n{schema}"
        )),
        Format::Schema(Schema { schema, .. }) if dialect == Dialect::Anthropic => {
            Form::Schema(schema.into())
        }
        Format::Schema(Schema { schema, .. }) => Form::Schema(within_subset(schema).into()),
    }
}

fn output_config<'a>(
    request: &'a Request,
    effort: Option<&'static str>,
    form: &Form<'a>,
) -> Object<'a> {
    let format = match form {
        Form::Schema(schema) => Some(Object::typed("json_schema").with("schema", schema.clone())),
        Form::Free | Form::InWords(_) => None,
    };
    let mut config = Object::default()
        .with_some("effort", effort)
        .with_some("format", format);
    config.fill(own_members(request, "output_config"));
    config
}

/// What remains of an object of a client of this dialect.
fn own_members<'a>(
    request: &'a Request,
    name: &str,
) -> impl Iterator<Item = (&'a String, &'a Value)> {
    let is_own = request.dialect == Dialect::Anthropic;
    let members = request.extras.get(name).filter(|_| is_own);
    members.and_then(Value::as_object).into_iter().flatten()
}

fn scalars<'a>(
    request: &'a Request,
    body: &mut Object<'a>,
    losses: &mut Losses,
) -> Result<(), Refused> {
    // A text of white space would end every answer at once, and is refused.
    let said = |text: &&String| !text.trim().is_empty();
    let stop: Vec<Json<'a>> = request.stop.iter().filter(said).map(Json::from).collect();
    losses.note_if(stop.len() < request.stop.len(), Loss::StopTexts)?;
    if !stop.is_empty() {
        body.put("stop_sequences", stop);
    }
    let mut metadata = Object::default().with_some("user_id", request.user.as_ref());
    metadata.fill(own_members(request, "metadata"));
    if !metadata.is_empty() {
        body.put("metadata", metadata);
    }
    let tier = match request.service_tier.as_deref() {
        None => return Ok(()),
        Some("default") => "standard_only",
        Some("auto" | "priority") => "auto",
        Some(other) if request.dialect == Dialect::Anthropic => other,
        Some(_) => {
            losses.note(Loss::ServiceTier)?;
            "auto"
        }
    };
    body.put("service_tier", tier);
    Ok(())
}

/// Notes what of the request has no member in this dialect.
fn note_losses(request: &Request, losses: &mut Losses) -> Result<(), Refused> {
    let sampling = &request.sampling;
    let says = |number: &Option<Number>| number.as_ref().is_some_and(|it| it.as_f64() != Some(0.0));
    let has_penalty = says(&sampling.presence_penalty)
        || says(&sampling.frequency_penalty)
        || sampling.repetition_penalty.is_some();
    let bias = sampling.logit_bias.as_ref().and_then(Value::as_object);
    losses.note_if(request.choices > 1, Loss::Choices)?;
    losses.note_if(request.suffix.is_some(), Loss::Suffix)?;
    losses.note_if(has_penalty, Loss::Penalties)?;
    losses.note_if(bias.is_some_and(|bias| !bias.is_empty()), Loss::LogitBias)?;
    losses.note_if(sampling.seed.is_some(), Loss::Seed)?;
    losses.note_if(sampling.min_p.is_some(), Loss::MinP)?;
    losses.note_if(sampling.typical_p.is_some(), Loss::TypicalP)?;
    losses.note_if(request.logprobs.is_some(), Loss::Logprobs)?;
    losses.note_if(request.verbosity.is_some(), Loss::Verbosity)?;
    losses.note_if(request.cache_key.is_some(), Loss::CacheKey)?;
    if request.dialect != Dialect::Anthropic {
        for (name, value) in &request.extras {
            if let Some(loss) = loss_of(name, value) {
                losses.note_at(loss, Some(name.clone()))?;
            }
        }
    }
    Ok(())
}

/// What is lost with a member of another dialect; nothing where its value is the same as leaving it out.
fn loss_of(name: &str, value: &Value) -> Option<Loss> {
    let is_empty = match value {
        Value::Null | Value::Bool(false) => true,
        Value::Array(list) => list.is_empty(),
        Value::Object(members) => members.is_empty(),
        Value::Bool(true) | Value::Number(_) | Value::String(_) => false,
    };
    if is_empty {
        return None;
    }
    Some(match name {
        "metadata" | "labels" => Loss::Metadata,
        "store" => Loss::Store,
        "stream_options" => Loss::StreamOptions,
        "keep_alive" => Loss::KeepAlive,
        "prompt_cache_retention" => Loss::CacheKey,
        "safety_identifier" => Loss::User,
        "prediction" => Loss::Prediction,
        "modalities" if *value == serde_json::json!(["text"]) => return None,
        "modalities" | "audio" => Loss::AudioOutput,
        "previous_response_id" | "conversation" | "cachedContent" => Loss::StoredState,
        "background" => Loss::Background,
        "echo" => Loss::Echo,
        "raw" | "template" | "context" => Loss::RawPrompt,
        "num_ctx" => Loss::ContextSize,
        "options" => Loss::EngineOption,
        _ => Loss::UnknownMember,
    })
}
