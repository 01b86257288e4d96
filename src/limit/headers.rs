//! Rate limits as the headers of each dialect.
//! It must not know whose limits they are.

use std::time::{Duration, SystemTime};

use http::{HeaderName, HeaderValue};

use super::calendar::rfc3339;
use super::standing::Standing;
use crate::terms::Measure;
use crate::wire::Dialect;

type Names = [HeaderName; 3];

const fn names(limit: &'static str, remaining: &'static str, reset: &'static str) -> Names {
    [
        HeaderName::from_static(limit),
        HeaderName::from_static(remaining),
        HeaderName::from_static(reset),
    ]
}

/// The headers for an answer in a dialect: OpenAI's (<https://platform.openai.com/docs/guides/rate-limits>), Anthropic's
/// (<https://docs.anthropic.com/en/api/rate-limits>) for its own dialect; the others, which have none, get OpenAI's.
pub fn headers(
    dialect: Dialect,
    standings: &[Standing],
    wall: SystemTime,
) -> Vec<(HeaderName, HeaderValue)> {
    let is_anthropic = match dialect {
        Dialect::Anthropic => true,
        Dialect::Chat
        | Dialect::Responses
        | Dialect::Completions
        | Dialect::Ollama
        | Dialect::Gemini => false,
    };
    let mut headers = Vec::with_capacity(3 * standings.len());
    for standing in standings {
        let (names, reset) = match is_anthropic {
            true => (anthropic(standing.measure), moment(standing.reset, wall)),
            false => (openai(standing.measure), Some(span(standing.reset))),
        };
        let Some([limit, remaining, until]) = names else {
            continue;
        };
        headers.push((limit, HeaderValue::from(standing.limit)));
        headers.push((remaining, HeaderValue::from(standing.remaining)));
        headers.extend(reset.map(|reset| (until, reset)));
    }
    headers
}

/// OpenAI counts input and output together only.
fn openai(measure: Measure) -> Option<Names> {
    const REQUESTS: Names = names(
        "x-ratelimit-limit-requests",
        "x-ratelimit-remaining-requests",
        "x-ratelimit-reset-requests",
    );
    const TOKENS: Names = names(
        "x-ratelimit-limit-tokens",
        "x-ratelimit-remaining-tokens",
        "x-ratelimit-reset-tokens",
    );
    match measure {
        Measure::Requests => Some(REQUESTS),
        Measure::Tokens => Some(TOKENS),
        Measure::InputTokens | Measure::OutputTokens | Measure::Spend => None,
    }
}

fn anthropic(measure: Measure) -> Option<Names> {
    const REQUESTS: Names = names(
        "anthropic-ratelimit-requests-limit",
        "anthropic-ratelimit-requests-remaining",
        "anthropic-ratelimit-requests-reset",
    );
    const TOKENS: Names = names(
        "anthropic-ratelimit-tokens-limit",
        "anthropic-ratelimit-tokens-remaining",
        "anthropic-ratelimit-tokens-reset",
    );
    const INPUT: Names = names(
        "anthropic-ratelimit-input-tokens-limit",
        "anthropic-ratelimit-input-tokens-remaining",
        "anthropic-ratelimit-input-tokens-reset",
    );
    const OUTPUT: Names = names(
        "anthropic-ratelimit-output-tokens-limit",
        "anthropic-ratelimit-output-tokens-remaining",
        "anthropic-ratelimit-output-tokens-reset",
    );
    match measure {
        Measure::Requests => Some(REQUESTS),
        Measure::Tokens => Some(TOKENS),
        Measure::InputTokens => Some(INPUT),
        Measure::OutputTokens => Some(OUTPUT),
        Measure::Spend => None,
    }
}

/// When it is over, in RFC 3339.
fn moment(reset: Duration, wall: SystemTime) -> Option<HeaderValue> {
    let text = rfc3339(wall.checked_add(reset)?)?;
    HeaderValue::from_bytes(&text).ok()
}

/// A duration as Go writes it, which is how OpenAI does: `12ms`, `1.5s`, `6m0s`, `1h0m0s`; begun milliseconds as whole.
fn span(reset: Duration) -> HeaderValue {
    let mut text = Text::default();
    let millis = reset.as_nanos().div_ceil(1_000_000);
    let millis = u64::try_from(millis).unwrap_or(u64::MAX);
    if millis > 0 && millis < 1_000 {
        text.number(millis);
        text.push(b"ms");
        return text.value();
    }
    let seconds = millis / 1_000;
    if seconds >= 3_600 {
        text.number(seconds / 3_600);
        text.push(b"h");
    }
    if seconds >= 60 {
        text.number(seconds / 60 % 60);
        text.push(b"m");
    }
    text.number(seconds % 60);
    text.fraction(millis % 1_000);
    text.push(b"s");
    text.value()
}

/// Longest: 17 digits of hours and `h59m59.999s`.
#[derive(Default)]
struct Text {
    bytes: [u8; 32],
    length: usize,
}

impl Text {
    fn push(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.bytes[self.length] = *byte;
            self.length += 1;
        }
    }

    fn number(&mut self, number: u64) {
        let mut power = 1;
        while number / power >= 10 {
            power *= 10;
        }
        while power > 0 {
            self.push(&[digit(number / power % 10)]);
            power /= 10;
        }
    }

    /// Thousandths, without zeros at the end.
    fn fraction(&mut self, thousandths: u64) {
        let digits = [
            b'.',
            digit(thousandths / 100),
            digit(thousandths / 10 % 10),
            digit(thousandths % 10),
        ];
        let kept = match thousandths {
            0 => 0,
            _ if thousandths.is_multiple_of(100) => 2,
            _ if thousandths.is_multiple_of(10) => 3,
            _ => 4,
        };
        self.push(&digits[..kept]);
    }

    fn value(&self) -> HeaderValue {
        let text = &self.bytes[..self.length];
        HeaderValue::from_bytes(text).unwrap_or(HeaderValue::from_static("0s"))
    }
}

fn digit(number: u64) -> u8 {
    b'0' + u8::try_from(number).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_are_written_as_go_writes_them() {
        for (nanos, text) in [
            (0, "0s"),
            (1, "1ms"),
            (12_000_000, "12ms"),
            (999_000_001, "1s"),
            (1_500_000_000, "1.5s"),
            (1_050_000_000, "1.05s"),
            (86_400_000_000, "1m26.4s"),
            (360_000_000_000, "6m0s"),
            (3_600_000_000_000, "1h0m0s"),
            (90_061_001_000_000, "25h1m1.001s"),
            (u64::MAX, "5124095h34m33.71s"),
        ] {
            assert_eq!(span(Duration::from_nanos(nanos)), text, "{nanos}");
        }
        assert_eq!(span(Duration::MAX).as_bytes().last(), Some(&b's'));
    }

    fn standing(measure: Measure, limit: u64, remaining: u64, reset: Duration) -> Standing {
        Standing {
            scope: "key",
            limit_name: "requests_per_minute",
            measure,
            limit,
            remaining,
            reset,
        }
    }

    #[test]
    fn each_dialect_has_its_own_names() {
        let wall = super::super::calendar::start_of(20_000);
        let all = [
            standing(Measure::Requests, 60, 59, Duration::from_millis(1_200)),
            standing(Measure::Tokens, 40_000, 0, Duration::from_secs(360)),
            standing(Measure::InputTokens, 5, 4, Duration::ZERO),
            standing(Measure::OutputTokens, 7, 6, Duration::ZERO),
        ];
        let text = |dialect| {
            let headers = headers(dialect, &all, wall);
            let lines = headers
                .iter()
                .map(|(name, value)| format!("{name}: {}\n", value.to_str().unwrap()));
            lines.collect::<String>()
        };
        let openai = "x-ratelimit-limit-requests: 60\nx-ratelimit-remaining-requests: 59\nx-ratelimit-reset-requests: 1.2s\n\
            x-ratelimit-limit-tokens: 40000\nx-ratelimit-remaining-tokens: 0\nx-ratelimit-reset-tokens: 6m0s\n";
        for dialect in Dialect::ALL {
            if dialect != Dialect::Anthropic {
                assert_eq!(text(dialect), openai);
            }
        }
        let anthropic = text(Dialect::Anthropic);
        assert_eq!(anthropic.lines().count(), 12);
        for line in [
            "anthropic-ratelimit-requests-limit: 60",
            "anthropic-ratelimit-requests-reset: 2024-10-04T00:00:02Z",
            "anthropic-ratelimit-tokens-remaining: 0",
            "anthropic-ratelimit-tokens-reset: 2024-10-04T00:06:00Z",
            "anthropic-ratelimit-input-tokens-limit: 5",
            "anthropic-ratelimit-output-tokens-remaining: 6",
        ] {
            assert!(
                anthropic.lines().any(|found| found == line),
                "{line}\n{anthropic}"
            );
        }
    }
}
