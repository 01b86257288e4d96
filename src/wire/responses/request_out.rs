//! A request in the dialect's form, for an upstream. What the dialect cannot say is noted as lost.

use serde_json::{Map, Number, Value, json};

use crate::wire::Dialect;
use crate::wire::capability::{Target, ThinkingStyle};
use crate::wire::neutral::{
    Effort, Format, Loss, Losses, Refused, Request, Sampling, ThinkingMode,
};
use crate::wire::translate::Written;
use crate::wire::tree;

use super::items_out::Items;
use super::parts_out::Origin;
use super::request_in::{INCLUDE_LOGPROBS, INCLUDE_REASONING};
use super::settings::{self, instructions_of};
use super::tools_out;

/// The vendor takes no smaller bound on output, in tokens.
const OUTPUT_TOKENS_MIN: u64 = 16;
/// Nor a longer id of a user, in characters.
const USER_CHARS_MAX: usize = 64;
/// Nor a higher temperature.
const TEMPERATURE_MAX: u64 = 2;
/// Nor more alternatives to a token.
const TOP_LOGPROBS_MAX: u32 = 20;

/// # Errors
/// Where a loss means that the request cannot be served.
pub fn write_request(
    request: &Request,
    target: &Target<'_>,
    losses: &mut Losses,
) -> Result<Written, Refused> {
    let body = body(request, target, losses)?;
    Ok(Written {
        path: "/responses".to_owned(),
        body: tree::bytes_of(&Value::Object(body)),
    })
}

/// The members of the body.
pub fn body(
    request: &Request,
    target: &Target<'_>,
    losses: &mut Losses,
) -> Result<Map<String, Value>, Refused> {
    let mut body = Map::new();
    body.insert("model".to_owned(), target.model.into());
    write_said(request, &mut body, losses)?;
    write_tools(request, &mut body, losses)?;
    write_sampling(&request.sampling, &mut body, losses)?;
    write_limits(request, &mut body, losses)?;
    write_reasoning(request, target, &mut body, losses)?;
    write_format(request, &mut body);
    write_include(request, target, &mut body);
    write_names(request, &mut body, losses)?;
    write_unsayable(request, losses)?;
    write_extras(request, &mut body, losses)?;
    if request.dialect != Dialect::Responses {
        body.insert("store".to_owned(), false.into());
    }
    if request.stream {
        body.insert("stream".to_owned(), true.into());
    }
    Ok(body)
}

fn is_own(request: &Request) -> bool {
    request.dialect == Dialect::Responses
}

fn write_said(
    request: &Request,
    body: &mut Map<String, Value>,
    losses: &mut Losses,
) -> Result<(), Refused> {
    let mut turns = request.messages.as_slice();
    if let Some(instructions) = instructions_of(request) {
        body.insert("instructions".to_owned(), instructions.into());
        turns = &turns[1..];
    }
    let is_stored = is_own(request) && request.extras.get("store") != Some(&Value::Bool(false));
    let origin = Origin {
        dialect: request.dialect,
    };
    let mut items = Items::new(origin, is_stored, losses);
    for turn in turns {
        items.write(turn)?;
    }
    let items = items.finish();
    // A stored prompt, or an answer before this one, says enough.
    let refers = ["prompt", "previous_response_id", "conversation"]
        .iter()
        .any(|name| request.extras.contains_key(*name));
    losses.note_if(items.is_empty() && !refers, Loss::NoMessages)?;
    if !items.is_empty() {
        body.insert("input".to_owned(), Value::Array(items));
    }
    Ok(())
}

fn write_tools(
    request: &Request,
    body: &mut Map<String, Value>,
    losses: &mut Losses,
) -> Result<(), Refused> {
    let tools = tools_out::write_tools(request, losses)?;
    if tools.is_empty() {
        // The vendor refuses a choice among none.
        return Ok(());
    }
    body.insert("tools".to_owned(), Value::Array(tools));
    if let Some(choice) = tools_out::write_choice(request) {
        body.insert("tool_choice".to_owned(), choice);
    }
    if let Some(parallel) = request.parallel_calls {
        body.insert("parallel_tool_calls".to_owned(), parallel.into());
    }
    Ok(())
}

fn write_sampling(
    sampling: &Sampling,
    body: &mut Map<String, Value>,
    losses: &mut Losses,
) -> Result<(), Refused> {
    if let Some(temperature) = &sampling.temperature {
        let too_high = temperature
            .as_f64()
            .is_some_and(|temperature| temperature > TEMPERATURE_MAX as f64);
        losses.note_if(too_high, Loss::Temperature)?;
        let highest = Number::from(TEMPERATURE_MAX);
        let kept = if too_high {
            highest
        } else {
            temperature.clone()
        };
        body.insert("temperature".to_owned(), Value::Number(kept));
    }
    if let Some(top_p) = &sampling.top_p {
        body.insert("top_p".to_owned(), Value::Number(top_p.clone()));
    }
    let penalties = [
        &sampling.presence_penalty,
        &sampling.frequency_penalty,
        &sampling.repetition_penalty,
    ];
    losses.note_if(sampling.top_k.is_some(), Loss::TopK)?;
    losses.note_if(sampling.min_p.is_some(), Loss::MinP)?;
    losses.note_if(sampling.typical_p.is_some(), Loss::TypicalP)?;
    losses.note_if(penalties.iter().any(|one| one.is_some()), Loss::Penalties)?;
    losses.note_if(sampling.seed.is_some(), Loss::Seed)?;
    losses.note_if(sampling.logit_bias.is_some(), Loss::LogitBias)
}

fn write_limits(
    request: &Request,
    body: &mut Map<String, Value>,
    losses: &mut Losses,
) -> Result<(), Refused> {
    if let Some(max) = request.output_tokens_max {
        losses.note_if(max < OUTPUT_TOKENS_MIN, Loss::OutputBound)?;
        let max = max.max(OUTPUT_TOKENS_MIN);
        body.insert("max_output_tokens".to_owned(), max.into());
    }
    if let Some(top) = request.logprobs.filter(|top| *top > 0) {
        let top = top.min(TOP_LOGPROBS_MAX);
        body.insert("top_logprobs".to_owned(), top.into());
    }
    losses.note_if(request.choices > 1, Loss::Choices)?;
    losses.note_if(!request.stop.is_empty(), Loss::StopTexts)
}

fn write_reasoning(
    request: &Request,
    target: &Target<'_>,
    body: &mut Map<String, Value>,
    losses: &mut Losses,
) -> Result<(), Refused> {
    let thinking = &request.thinking;
    let mut effort = thinking.effort;
    if thinking.mode == Some(ThinkingMode::Off) {
        effort = effort.or(Some(Effort::None));
    }
    if let (None, Some(budget)) = (effort, thinking.budget_tokens) {
        losses.note(Loss::ThinkingBudget)?;
        effort = Some(effort_of(budget));
    }
    let wanted = shows_thoughts(request, target).then(|| "auto".to_owned());
    let summary = thinking.summary.clone().or(wanted);
    let mut reasoning = Map::new();
    if let Some(effort) = effort {
        reasoning.insert("effort".to_owned(), effort.name().into());
    }
    if let (Some(summary), true) = (summary, effort != Some(Effort::None)) {
        reasoning.insert("summary".to_owned(), summary.into());
    }
    if !reasoning.is_empty() {
        body.insert("reasoning".to_owned(), Value::Object(reasoning));
    }
    Ok(())
}

/// Every dialect but this one shows the thoughts that were asked for unless it is told not to; here, none are shown unless a
/// summary is asked for.
fn shows_thoughts(request: &Request, target: &Target<'_>) -> bool {
    let thinking = &request.thinking;
    let is_known = match target.capabilities.thinking {
        ThinkingStyle::Never | ThinkingStyle::Unknown => false,
        ThinkingStyle::Budget | ThinkingStyle::Adaptive | ThinkingStyle::Always => true,
    };
    let asked = match thinking.mode {
        Some(ThinkingMode::Off) => false,
        Some(ThinkingMode::On) => true,
        Some(ThinkingMode::Adaptive) if is_known => true,
        Some(ThinkingMode::Adaptive) | None => {
            thinking.effort.is_some() || thinking.budget_tokens.is_some_and(|budget| budget > 0)
        }
    };
    let by_default = request.dialect != Dialect::Responses && asked;
    thinking.show.unwrap_or(by_default)
}

/// The effort that comes near a budget of thought, in tokens.
fn effort_of(budget_tokens: u64) -> Effort {
    match budget_tokens {
        0 => Effort::None,
        1..2_000 => Effort::Low,
        2_000..8_000 => Effort::Medium,
        8_000..24_000 => Effort::High,
        _ => Effort::ExtraHigh,
    }
}

fn write_format(request: &Request, body: &mut Map<String, Value>) {
    let mut text = Map::new();
    if request.format != Format::Text {
        let mut format = settings::format_of(&request.format);
        // As with tools, silence would be taken for strict.
        if let (Format::Schema(schema), false) = (&request.format, is_own(request)) {
            format.put("strict", schema.strict.unwrap_or(false));
        }
        text.insert("format".to_owned(), format.into());
    }
    if let Some(verbosity) = &request.verbosity {
        text.insert("verbosity".to_owned(), verbosity.as_str().into());
    }
    if !text.is_empty() {
        body.insert("text".to_owned(), Value::Object(text));
    }
}

fn write_include(request: &Request, target: &Target<'_>, body: &mut Map<String, Value>) {
    let mut include = Vec::new();
    let thinking = &request.thinking;
    let thinks = match target.capabilities.thinking {
        ThinkingStyle::Never => false,
        ThinkingStyle::Budget | ThinkingStyle::Adaptive | ThinkingStyle::Always => {
            !is_own(request) || thinking.encrypted
        }
        ThinkingStyle::Unknown => {
            let is_asked_to = thinking.effort.is_some_and(|effort| effort != Effort::None)
                || thinking.budget_tokens.is_some()
                || matches!(
                    thinking.mode,
                    Some(ThinkingMode::On | ThinkingMode::Adaptive)
                );
            thinking.encrypted || (is_asked_to && !is_own(request))
        }
    };
    // Nothing is stored, so that the next turn can only bring the reasoning along in this form.
    if thinks {
        include.push(json!(INCLUDE_REASONING));
    }
    if request.logprobs.is_some() {
        include.push(json!(INCLUDE_LOGPROBS));
    }
    if !include.is_empty() {
        body.insert("include".to_owned(), Value::Array(include));
    }
}

fn write_names(
    request: &Request,
    body: &mut Map<String, Value>,
    losses: &mut Losses,
) -> Result<(), Refused> {
    if let Some(tier) = &request.service_tier {
        let tier = match tier.as_str() {
            // Anthropic's word for it.
            "standard_only" => Some("default"),
            known if is_own(request) || settings::TIERS.contains(&known) => Some(known),
            _ => None,
        };
        losses.note_if(tier.is_none(), Loss::ServiceTier)?;
        body.extend(tier.map(|tier| ("service_tier".to_owned(), tier.into())));
    }
    if let Some(key) = &request.cache_key {
        body.insert("prompt_cache_key".to_owned(), key.as_str().into());
    }
    if let Some(user) = &request.user {
        body.insert("safety_identifier".to_owned(), short(user).into());
    }
    Ok(())
}

/// A user's id that the vendor takes: longer ones by a number that is theirs alone, or as good as (FNV-1a).
fn short(user: &str) -> String {
    if user.chars().count() <= USER_CHARS_MAX {
        return user.to_owned();
    }
    let hash = user.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
    });
    format!("user-{hash:016x}")
}

fn write_unsayable(request: &Request, losses: &mut Losses) -> Result<(), Refused> {
    losses.note_if(request.suffix.is_some(), Loss::Suffix)?;
    losses.note_if(request.cache.is_some(), Loss::CacheMark)
}

fn write_extras(
    request: &Request,
    body: &mut Map<String, Value>,
    losses: &mut Losses,
) -> Result<(), Refused> {
    for (name, value) in &request.extras {
        if is_own(request) {
            merge(body, name, value);
        } else {
            losses.note_at(loss_of(name), Some(name.clone()))?;
        }
    }
    Ok(())
}

/// A member of the client's own dialect, into what is there of it.
fn merge(body: &mut Map<String, Value>, name: &str, value: &Value) {
    match (body.get_mut(name), value) {
        (Some(Value::Object(there)), Value::Object(more)) => there.extend(more.clone()),
        (Some(Value::Array(there)), Value::Array(more)) => there.extend(more.clone()),
        _ => {
            body.insert(name.to_owned(), value.clone());
        }
    }
}

/// What is lost with a member of another dialect.
fn loss_of(name: &str) -> Loss {
    match name {
        "metadata" => Loss::Metadata,
        "store" => Loss::Store,
        "prediction" => Loss::Prediction,
        "stream_options" => Loss::StreamOptions,
        "keep_alive" => Loss::KeepAlive,
        "modalities" | "audio" => Loss::AudioOutput,
        "raw" | "template" | "context" => Loss::RawPrompt,
        "echo" => Loss::Echo,
        "options" => Loss::EngineOption,
        _ => Loss::UnknownMember,
    }
}
