//! Usage to and from the dialect's form: input includes what caches answered and took, output includes reasoning.

use serde::Deserialize;
use serde_json::Value;

use crate::wire::Usage;
use crate::wire::tree::push_count;

#[derive(Deserialize, Default)]
#[serde(default)]
struct Wire {
    input_tokens: Option<u64>,
    input_tokens_details: Option<InputDetails>,
    output_tokens: Option<u64>,
    output_tokens_details: Option<OutputDetails>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct InputDetails {
    cached_tokens: Option<u64>,
    cache_write_tokens: Option<u64>,
    cache_write_tokens_details: Option<WriteDetails>,
    audio_tokens: Option<u64>,
    image_tokens: Option<u64>,
}

/// How long what was written is kept. OpenAI's longer time is what weir counts as `cache_write_1h`.
#[derive(Deserialize, Default)]
#[serde(default)]
struct WriteDetails {
    ttl_12h_tokens: Option<u64>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct OutputDetails {
    reasoning_tokens: Option<u64>,
    audio_tokens: Option<u64>,
    image_tokens: Option<u64>,
}

/// The usage of a response; none where it has none, or none that can be read.
pub fn read(usage: &Value) -> Option<Usage> {
    if !usage.is_object() {
        return None;
    }
    let wire = Wire::deserialize(usage).ok()?;
    wire.input_tokens.or(wire.output_tokens)?;
    let input = wire.input_tokens_details.unwrap_or_default();
    let cache_read = input.cached_tokens.unwrap_or(0);
    let cache_write = input.cache_write_tokens.unwrap_or(0);
    let written = input.cache_write_tokens_details.unwrap_or_default();
    let all = wire.input_tokens.unwrap_or(0);
    let details = wire.output_tokens_details.unwrap_or_default();
    let usage = Usage {
        input_uncached: all.saturating_sub(cache_read.saturating_add(cache_write)),
        cache_read,
        cache_write,
        output: wire.output_tokens.unwrap_or(0),
        reasoning: details.reasoning_tokens.unwrap_or(0),
        cache_write_1h: written.ttl_12h_tokens.unwrap_or(0),
        audio_input: input.audio_tokens.unwrap_or(0),
        audio_output: details.audio_tokens.unwrap_or(0),
        image_input: input.image_tokens.unwrap_or(0),
        image_output: details.image_tokens.unwrap_or(0),
        ..Usage::default()
    };
    Some(usage.bounded())
}

/// Writes the member's value.
pub fn write(usage: &Usage, out: &mut Vec<u8>) {
    let put = |before: &str, count: u64, out: &mut Vec<u8>| {
        out.extend_from_slice(before.as_bytes());
        push_count(count, out);
    };
    put("{\"input_tokens\":", usage.input(), out);
    let details = ",\"input_tokens_details\":{\"cache_write_tokens\":";
    put(details, usage.cache_write, out);
    put(",\"cached_tokens\":", usage.cache_read, out);
    if usage.cache_write_1h > 0 {
        let details = ",\"cache_write_tokens_details\":{\"ttl_12h_tokens\":";
        put(details, usage.cache_write_1h, out);
        out.push(b'}');
    }
    if usage.audio_input > 0 {
        put(",\"audio_tokens\":", usage.audio_input, out);
    }
    put("},\"output_tokens\":", usage.output, out);
    let details = ",\"output_tokens_details\":{\"reasoning_tokens\":";
    put(details, usage.reasoning, out);
    if usage.audio_output > 0 {
        put(",\"audio_tokens\":", usage.audio_output, out);
    }
    put("},\"total_tokens\":", usage.input() + usage.output, out);
    out.push(b'}');
}
