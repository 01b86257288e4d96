//! Usage in Chat's and Completions' words.

use crate::wire::Usage;
use crate::wire::parsed::Parsed;
use crate::wire::tree::Object;

/// Reads a `usage` object. What is absent, null or no count is not said; `None` where nothing is.
///
/// Some servers leave reasoning out of `completion_tokens`, and their total shows it (xAI, Gemini's compatible surface):
/// what the total has beyond input and output is then reasoning.
pub fn usage_of(usage: &Parsed<'_>) -> Option<Usage> {
    let input = first(usage, &["prompt_tokens", "input_tokens"]);
    let output = first(usage, &["completion_tokens", "output_tokens"]);
    let total = count(&usage["total_tokens"]);
    if input.is_none() && output.is_none() && total.is_none() {
        return None;
    }
    let input_details = either(usage, "prompt_tokens_details", "input_tokens_details");
    let output_details = either(usage, "completion_tokens_details", "output_tokens_details");
    let written = &input_details["cache_write_tokens_details"];
    // `prompt_cache_hit_tokens`: DeepSeek; `cached_tokens` on top: Moonshot.
    let cache_read = count(&input_details["cached_tokens"])
        .or_else(|| first(usage, &["prompt_cache_hit_tokens", "cached_tokens"]))
        .unwrap_or(0);
    let cache_write = count(&input_details["cache_write_tokens"]).unwrap_or(0);
    // On top: SGLang.
    let reasoning = count(&output_details["reasoning_tokens"])
        .or_else(|| count(&usage["reasoning_tokens"]))
        .unwrap_or(0);
    let said = output.unwrap_or(0);
    let input = input.unwrap_or_else(|| total.unwrap_or(0).saturating_sub(said));
    let beyond = total
        .unwrap_or(0)
        .saturating_sub(input.saturating_add(said));
    let is_reasoning = beyond > 0 && (reasoning == 0 || reasoning == beyond);
    let (output, reasoning) = if is_reasoning {
        (said.saturating_add(beyond), beyond)
    } else {
        (said, reasoning)
    };
    let cache_read = cache_read.min(input);
    let cache_write = cache_write.min(input - cache_read);
    let usage = Usage {
        input_uncached: input - cache_read - cache_write,
        cache_read,
        cache_write,
        output,
        reasoning: reasoning.min(output),
        cache_write_1h: count(&written["ttl_12h_tokens"]).unwrap_or(0),
        audio_input: count(&input_details["audio_tokens"]).unwrap_or(0),
        audio_output: count(&output_details["audio_tokens"]).unwrap_or(0),
        image_input: count(&input_details["image_tokens"]).unwrap_or(0),
        image_output: count(&output_details["image_tokens"]).unwrap_or(0),
        ..Usage::default()
    };
    Some(usage.bounded())
}

/// The `usage` object.
pub fn usage_value(usage: &Usage) -> Object<'static> {
    let told = |count: u64| Some(count).filter(|count| *count > 0);
    let longer = told(usage.cache_write_1h);
    let longer = longer.map(|count| Object::default().with("ttl_12h_tokens", count));
    let input = Object::default()
        .with("cached_tokens", usage.cache_read)
        .with_some("cache_write_tokens", told(usage.cache_write))
        .with_some("cache_write_tokens_details", longer)
        .with_some("audio_tokens", told(usage.audio_input));
    let output = Object::default()
        .with("reasoning_tokens", usage.reasoning)
        .with_some("audio_tokens", told(usage.audio_output));
    Object::default()
        .with("prompt_tokens", usage.input())
        .with("completion_tokens", usage.output)
        .with("total_tokens", usage.input().saturating_add(usage.output))
        .with("prompt_tokens_details", input)
        .with("completion_tokens_details", output)
}

fn either<'u, 'a>(usage: &'u Parsed<'a>, one: &str, other: &str) -> &'u Parsed<'a> {
    if usage[one].is_object() {
        &usage[one]
    } else {
        &usage[other]
    }
}

fn first(usage: &Parsed<'_>, names: &[&str]) -> Option<u64> {
    names.iter().find_map(|name| count(&usage[*name]))
}

/// A count; some servers write it as a fraction.
fn count(value: &Parsed<'_>) -> Option<u64> {
    value.as_u64().or_else(|| {
        let number = value.as_f64().filter(|number| *number >= 0.0)?;
        Some(number as u64)
    })
}
