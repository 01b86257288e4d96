//! Money in billionths of the currency of the prices, exact; and what a request is expected to cost.
//! It must not know any cap.

use std::fmt;

use serde_json::Value;
use weir_plugin::{Candidate, RequestMeta};

/// Billionths.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Nanos(pub i64);

const NANOS: i64 = 1_000_000_000;
const PLACES: usize = 9;

impl Nanos {
    /// A number or a text, such as `2.50`, of at most nine places.
    pub(crate) fn parse(value: &Value) -> Option<Nanos> {
        let text = match value {
            Value::Number(number) => number.to_string(),
            Value::String(text) => text.clone(),
            Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => return None,
        };
        let (whole, places) = text.split_once('.').unwrap_or((&text, ""));
        let is_digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
        if whole.is_empty() || !is_digits(whole) || !is_digits(places) || places.len() > PLACES {
            return None;
        }
        let whole: i64 = whole.parse().ok()?;
        let places: i64 = format!("{places:0<PLACES$}").parse().ok()?;
        Some(Nanos(whole.checked_mul(NANOS)?.checked_add(places)?))
    }
}

/// `12.5`, with as many places as it has.
impl fmt::Display for Nanos {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (whole, places) = (self.0 / NANOS, (self.0 % NANOS).abs());
        let sign = if self.0 < 0 && whole == 0 { "-" } else { "" };
        let places = format!("{places:09}");
        match places.trim_end_matches('0') {
            "" => write!(f, "{sign}{whole}"),
            places => write!(f, "{sign}{whole}.{places}"),
        }
    }
}

/// What a request is expected to cost at a candidate. Where the client names no
/// maximum of its output, `output_tokens` are expected.
pub(crate) fn expected(meta: &RequestMeta, candidate: &Candidate, output_tokens: u32) -> Nanos {
    let output = meta.max_output_tokens.unwrap_or(output_tokens);
    let input = part(meta.prompt_tokens_estimate, candidate.input_usd_per_mtok);
    Nanos(input.saturating_add(part(output, candidate.output_usd_per_mtok)))
}

/// A price of one for a million tokens is a thousand billionths a token. The price has 32 bits, which say six digits: it is read
/// as a whole number of millionths, and the rest is exact.
fn part(tokens: u32, per_million: f32) -> i64 {
    // Beyond what counts, `as` stops at the greatest; a price that is no number, or negative, costs nothing.
    let millionths = (f64::from(per_million) * 1e6).round() as u64;
    let nanos = (u128::from(tokens) * u128::from(millionths)).div_ceil(1000);
    i64::try_from(nanos).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;
    use weir_plugin::testing;

    #[test]
    fn amounts_are_exact() {
        let cases = [
            (json!(2), 2_000_000_000, "2"),
            (json!("0.05"), 50_000_000, "0.05"),
            (json!(12.5), 12_500_000_000, "12.5"),
            (json!("0.000000001"), 1, "0.000000001"),
        ];
        for (value, nanos, text) in cases {
            assert_eq!(Nanos::parse(&value), Some(Nanos(nanos)), "{value}");
            assert_eq!(Nanos(nanos).to_string(), text);
        }
        assert_eq!(Nanos(-1_500_000_000).to_string(), "-1.5");
        assert_eq!(Nanos(-500_000_000).to_string(), "-0.5");
        for bad in [
            json!("x"),
            json!("-1"),
            json!("1.0000000001"),
            json!(""),
            json!(".5"),
            json!(true),
            json!("1e3"),
            json!("99999999999"),
        ] {
            assert_eq!(Nanos::parse(&bad), None, "{bad}");
        }
    }

    #[test]
    fn what_is_expected_is_prices_by_tokens() {
        let mut meta = testing::meta();
        meta.prompt_tokens_estimate = 10_000;
        let mut candidate = testing::candidate("a");
        candidate.input_usd_per_mtok = 2.5;
        candidate.output_usd_per_mtok = 10.0;
        // 0.025 for the input, 0.005 for 500 tokens of output.
        assert_eq!(expected(&meta, &candidate, 500).to_string(), "0.03");
        meta.max_output_tokens = Some(0);
        assert_eq!(expected(&meta, &candidate, 500).to_string(), "0.025");
        candidate.input_usd_per_mtok = f32::NAN;
        assert_eq!(expected(&meta, &candidate, 500), Nanos(0));
        candidate.input_usd_per_mtok = f32::MAX;
        assert_eq!(expected(&meta, &candidate, 500), Nanos(i64::MAX));
    }
}
