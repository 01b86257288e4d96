//! Counts of tokens. Cohere tells two: what is paid for, and what the model has read and written with what Cohere itself has put
//! around it. They come as numbers with a point (`37.0`) at times.

use serde_json::Value;
use weir_plugin::Usage;

use super::config::Counts;

/// The usage of a chat; `None` where it tells nothing.
pub fn of_chat(usage: &Value, counts: Counts) -> Option<Usage> {
    let (first, second) = match counts {
        Counts::Billed => ("billed_units", "tokens"),
        Counts::Tokens => ("tokens", "billed_units"),
    };
    let told = |name: &str| count(&usage[first][name]).or_else(|| count(&usage[second][name]));
    let (input, output) = (told("input_tokens"), told("output_tokens"));
    if input.is_none() && output.is_none() {
        return None;
    }
    let input = input.unwrap_or_default();
    Some(Usage {
        input,
        output: output.unwrap_or_default(),
        cached_input: count(&usage["cached_tokens"])
            .unwrap_or_default()
            .min(input),
        ..Usage::default()
    })
}

/// The usage of the other operations: input alone.
pub fn of_meta(meta: &Value) -> Usage {
    let billed = &meta["billed_units"];
    let read = count(&billed["input_tokens"]).or_else(|| count(&meta["tokens"]["input_tokens"]));
    let seen = count(&billed["image_tokens"]);
    Usage {
        input: read.unwrap_or_default() + seen.unwrap_or_default(),
        ..Usage::default()
    }
}

fn count(value: &Value) -> Option<u64> {
    /// No answer has more tokens; beyond it a number with a point is not exact.
    const TOKENS_MAX: f64 = 1e12;
    let number = value.as_f64()?;
    (0.0..=TOKENS_MAX)
        .contains(&number)
        .then_some(number as u64)
}
