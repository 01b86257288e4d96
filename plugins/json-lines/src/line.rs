//! An outcome as one line of JSON. It must not know where lines go.

use serde_json::{Map, Number, Value, json};
use weir_plugin::{Api, Outcome, Principal};

use crate::config::Config;

/// Fields that are only written where the configuration names them.
const PAYLOADS: [&str; 2] = ["request", "response"];

/// One line without its end, or why there is none: it would be this long.
pub(crate) fn line(outcome: &Outcome, config: &Config) -> Result<String, usize> {
    let written = written(outcome, config, true);
    if written.len() <= config.line_bytes_max {
        return Ok(written);
    }
    let without_payloads = self::written(outcome, config, false);
    match without_payloads.len() <= config.line_bytes_max {
        true => Ok(without_payloads),
        false => Err(without_payloads.len()),
    }
}

fn written(outcome: &Outcome, config: &Config, with_payloads: bool) -> String {
    let mut all = fields(outcome, config);
    if wants_payloads(config) {
        let payloads = [&outcome.request_json, &outcome.response_json];
        for (name, bytes) in PAYLOADS.into_iter().zip(payloads) {
            if let Some(bytes) = bytes {
                let value = match with_payloads {
                    true => payload(name, bytes, config),
                    false => json!({"left_out_bytes": bytes.len()}),
                };
                all.insert(name.to_owned(), value);
            }
        }
    }
    // What is hidden is hidden first: a field that is selected within it finds nothing.
    let mut all = Value::Object(all);
    for path in &config.redact {
        path.replace(&mut all, &config.redacted);
    }
    let mut chosen = match (&config.fields, all) {
        (Some(paths), Value::Object(all)) => {
            let mut chosen = Map::new();
            paths.iter().for_each(|path| path.copy(&all, &mut chosen));
            chosen
        }
        (None, Value::Object(all)) => all,
        _ => Map::new(),
    };
    for (name, value) in &config.add {
        chosen.insert(name.clone(), value.clone());
    }
    Value::Object(chosen).to_string()
}

fn wants_payloads(config: &Config) -> bool {
    let fields = config.fields.iter().flatten();
    fields
        .map(|path| path.root())
        .any(|root| PAYLOADS.contains(&root) || root == "*")
}

/// JSON as it is; anything else as text. Where something within is to be hidden, and it cannot be found, all of it is.
fn payload(name: &str, bytes: &[u8], config: &Config) -> Value {
    match serde_json::from_slice(bytes) {
        Ok(value @ (Value::Object(_) | Value::Array(_))) => value,
        _ if config.redact.iter().any(|path| path.is_below(name)) => {
            Value::from(config.redacted.as_str())
        }
        Ok(value) => value,
        Err(_) => Value::from(String::from_utf8_lossy(bytes).into_owned()),
    }
}

/// Everything but the payloads. What an exchange does not have is null.
fn fields(outcome: &Outcome, config: &Config) -> Map<String, Value> {
    let meta = &outcome.meta;
    let usage = &outcome.usage;
    let client_ip = match config.shorten_addresses {
        true => shortened(&meta.client_ip),
        false => meta.client_ip.clone(),
    };
    let tags = meta
        .tags
        .iter()
        .map(|(name, value)| (name.clone(), Value::from(value.as_str())));
    let fields = json!({
        "time": time(meta.received_unix_ms),
        "id": meta.id,
        "api": api(meta.api),
        "operation": meta.operation,
        "model": meta.model,
        "upstream": outcome.upstream,
        "upstream_model": outcome.upstream_model,
        "status": outcome.status,
        "error": outcome.error_code,
        "stream": meta.stream,
        "method": meta.method,
        "path": meta.path,
        "client_ip": client_ip,
        "caller": meta.principal.as_ref().map(caller),
        "session": meta.session,
        "traceparent": meta.traceparent,
        "tags": Value::Object(tags.collect()),
        "input_tokens": usage.input,
        "output_tokens": usage.output,
        "cached_tokens": usage.cached_input,
        "cache_write_tokens": usage.cache_write,
        "reasoning_tokens": usage.reasoning,
        "cost": cost(outcome.cost_nanos),
        "body_bytes": meta.body_bytes,
        "message_count": meta.message_count,
        "has_tools": meta.has_tools,
        "has_images": meta.has_images,
        "ttft_ms": outcome.ttft_ms.map(milliseconds),
        "total_ms": milliseconds(outcome.total_ms),
        "cache_hit": outcome.cache_hit,
    });
    match fields {
        Value::Object(fields) => fields,
        _ => Map::new(),
    }
}

fn caller(principal: &Principal) -> Value {
    let attributes = principal.attributes.iter();
    let attributes = attributes.map(|(name, value)| (name.clone(), Value::from(value.as_str())));
    json!({
        "id": principal.id,
        "tenant": principal.tenant,
        "project": principal.project,
        "user": principal.user,
        "attributes": Value::Object(attributes.collect()),
    })
}

fn api(api: Api) -> &'static str {
    match api {
        Api::ChatCompletions => "chat_completions",
        Api::Responses => "responses",
        Api::Messages => "messages",
        Api::GenerateContent => "generate_content",
        Api::Completions => "completions",
        Api::Embeddings => "embeddings",
        Api::Ollama => "ollama",
        Api::Rerank => "rerank",
        Api::Moderations => "moderations",
        Api::Images => "images",
        Api::AudioSpeech => "audio_speech",
        Api::AudioTranscriptions => "audio_transcriptions",
        Api::Other => "other",
    }
}

/// Exact: billionths as a decimal number.
fn cost(nanos: i64) -> Value {
    let (sign, nanos) = (if nanos < 0 { "-" } else { "" }, nanos.unsigned_abs());
    let text = format!(
        "{sign}{}.{:09}",
        nanos / 1_000_000_000,
        nanos % 1_000_000_000
    );
    number(text.trim_end_matches('0').trim_end_matches('.'))
}

/// To a thousandth.
fn milliseconds(value: f32) -> Value {
    number(
        format!("{value:.3}")
            .trim_end_matches('0')
            .trim_end_matches('.'),
    )
}

/// Null for what JSON has no number for.
fn number(text: &str) -> Value {
    text.parse::<Number>().map_or(Value::Null, Value::Number)
}

/// `192.0.2.7` → `192.0.2.0`, `2001:db8:1:2::7` → `2001:db8:1::`. What is no address stays out.
fn shortened(address: &str) -> String {
    match address.parse() {
        Ok(std::net::IpAddr::V4(address)) => {
            let [a, b, c, _] = address.octets();
            std::net::Ipv4Addr::new(a, b, c, 0).to_string()
        }
        Ok(std::net::IpAddr::V6(address)) => {
            let [a, b, c, ..] = address.segments();
            std::net::Ipv6Addr::new(a, b, c, 0, 0, 0, 0, 0).to_string()
        }
        Err(_) => String::new(),
    }
}

/// RFC 3339, in UTC, to a millisecond. By Howard Hinnant's `civil_from_days`.
fn time(unix_ms: u64) -> String {
    let (day, ms) = (unix_ms / 86_400_000 + 719_468, unix_ms % 86_400_000);
    let (era, of_era) = (day / 146_097, day % 146_097);
    let year_of_era = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted = (5 * of_year + 2) / 153;
    let of_month = of_year - (153 * shifted + 2) / 5 + 1;
    let month = if shifted < 10 {
        shifted + 3
    } else {
        shifted - 9
    };
    let year = year_of_era + era * 400 + u64::from(month <= 2);
    let (hour, minute, second) = (ms / 3_600_000, ms / 60_000 % 60, ms / 1000 % 60);
    format!(
        "{year:04}-{month:02}-{of_month:02}T{hour:02}:{minute:02}:{second:02}.{:03}Z",
        ms % 1000
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_costs_and_addresses() {
        assert_eq!(time(0), "1970-01-01T00:00:00.000Z");
        assert_eq!(time(1_709_210_096_789), "2024-02-29T12:34:56.789Z");
        assert_eq!(time(1_795_213_800_000), "2026-11-20T22:30:00.000Z");
        for (nanos, text) in [
            (0, "0"),
            (1, "0.000000001"),
            (12_500_000_000, "12.5"),
            (-30, "-0.00000003"),
        ] {
            assert_eq!(cost(nanos).to_string(), text);
        }
        assert_eq!(milliseconds(0.1).to_string(), "0.1");
        assert_eq!(milliseconds(1500.0).to_string(), "1500");
        assert_eq!(milliseconds(f32::NAN), Value::Null);
        assert_eq!(shortened("192.0.2.7"), "192.0.2.0");
        assert_eq!(shortened("2001:db8:1:2::7"), "2001:db8:1::");
        assert_eq!(shortened("somebody"), "");
    }
}
