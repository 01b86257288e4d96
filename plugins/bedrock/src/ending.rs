//! Why an answer ends, and what it has used, in weir's words.

use serde_json::Value;
use weir_plugin::Usage;

/// The reason. Models that call tools and say that their turn has ended are waiting for results all the same.
pub fn reason(stop_reason: &str, has_called: bool) -> String {
    let reason = match stop_reason {
        "end_turn" | "stop_sequence" if has_called => "tool_calls",
        "end_turn" | "stop_sequence" => "stop",
        "tool_use" => "tool_calls",
        "max_tokens" | "model_context_window_exceeded" => "length",
        "guardrail_intervened" | "content_filtered" => "content_filter",
        other => other,
    };
    reason.to_owned()
}

/// The usage. Bedrock counts what came from a cache, and what went into one, beside the input; here they are parts of it.
pub fn usage(usage: &Value) -> Option<Usage> {
    let count = |name: &str| usage[name].as_u64();
    let (cached, written) = (
        count("cacheReadInputTokens"),
        count("cacheWriteInputTokens"),
    );
    let (cached_input, cache_write) = (cached.unwrap_or(0), written.unwrap_or(0));
    Some(Usage {
        input: count("inputTokens")? + cached_input + cache_write,
        output: count("outputTokens").unwrap_or(0),
        cached_input,
        cache_write,
        reasoning: 0,
    })
}
