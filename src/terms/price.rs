//! What a model costs, and what so much use of it comes to. Exact: sums in whole numbers, rounded once an exchange.
//! It must not know where a price is from.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Money;

const MILLION: i128 = 1_000_000;

/// What a model costs at an upstream. Tokens by the million; what is absent follows from what stands, as each member says.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Price {
    /// A million tokens of input that no cache answered. Default: free.
    pub input: Money,
    /// A million tokens of output. Default: free.
    pub output: Money,
    /// A million tokens read from a prompt cache. Default: as input.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cache_read: Option<Money>,
    /// A million tokens written to a prompt cache for five minutes. Default: as input.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cache_write: Option<Money>,
    /// A million tokens written to a prompt cache for an hour. Default: as `cache_write`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cache_write_1h: Option<Money>,
    /// A million tokens of reasoning. Default: as output.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reasoning: Option<Money>,
    /// A million tokens of audio in. Default: as input.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub audio_input: Option<Money>,
    /// A million tokens of audio out. Default: as output.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub audio_output: Option<Money>,
    /// A million tokens of images in. Default: as input.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub image_input: Option<Money>,
    /// A million tokens of images out. Default: as output.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub image_output: Option<Money>,
    /// Each second of audio that is transcribed, where the upstream tells seconds and no tokens. Default: free.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub audio_second: Option<Money>,
    /// A million characters of text that is spoken. Default: free.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub characters: Option<Money>,
    /// Each image that is made. Default: free.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub image: Option<Money>,
    /// Each request. Default: free.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub request: Option<Money>,
    /// Each second from sending the request to the end of the answer, for hosts that are paid by time. Default: free.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub gpu_second: Option<Money>,
    /// Percent of the price that batches pay. Default: 100.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 100))]
    pub batch_percent: Option<u8>,
    /// Prices for requests whose whole input is over a bound; the highest bound that is exceeded decides.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub tiers: Vec<Tier>,
}

/// Prices of long requests. What is absent is as below the bound.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Tier {
    /// Tokens of input, cached or not; above it these prices hold for all of the request.
    pub above: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub input: Option<Money>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub output: Option<Money>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cache_read: Option<Money>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cache_write: Option<Money>,
    /// Default: as `cache_write` of this tier where it has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cache_write_1h: Option<Money>,
}

/// What an exchange used, as prices count it: each part on its own, none within another.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Used {
    /// Tokens of text that no cache answered.
    pub input: u64,
    pub cache_read: u64,
    pub cache_write: u64,
    pub cache_write_1h: u64,
    /// Tokens of output that are neither reasoning nor audio.
    pub output: u64,
    pub reasoning: u64,
    pub audio_input: u64,
    pub audio_output: u64,
    pub image_input: u64,
    pub image_output: u64,
    /// Of audio that was transcribed.
    pub audio_milliseconds: u64,
    /// Of text that was spoken.
    pub characters: u64,
    /// Images made.
    pub images: u64,
    pub requests: u64,
    /// Time at the upstream.
    pub milliseconds: u64,
    pub is_batch: bool,
}

impl Used {
    /// The whole input, which decides the tier.
    fn context(&self) -> u64 {
        [
            self.input,
            self.cache_read,
            self.cache_write,
            self.cache_write_1h,
            self.audio_input,
            self.image_input,
        ]
        .into_iter()
        .fold(0, u64::saturating_add)
    }
}

impl Price {
    /// What `used` costs, rounded to a billionth, halves up.
    pub fn cost(&self, used: &Used) -> Money {
        let context = used.context();
        let tiers = self.tiers.iter().filter(|tier| context > tier.above);
        let tier = tiers.max_by_key(|tier| tier.above);
        let input = tier.and_then(|tier| tier.input).unwrap_or(self.input);
        let output = tier.and_then(|tier| tier.output).unwrap_or(self.output);
        let cache_read = tier
            .and_then(|tier| tier.cache_read)
            .or(self.cache_read)
            .unwrap_or(input);
        let own_write = tier.and_then(|tier| tier.cache_write);
        let cache_write = own_write.or(self.cache_write).unwrap_or(input);
        let own_write_1h = tier.and_then(|tier| tier.cache_write_1h).or(own_write);
        let cache_write_1h = own_write_1h.or(self.cache_write_1h).unwrap_or(cache_write);
        let tokens = [
            (used.input, input),
            (used.cache_read, cache_read),
            (used.cache_write, cache_write),
            (used.cache_write_1h, cache_write_1h),
            (used.output, output),
            (used.reasoning, self.reasoning.unwrap_or(output)),
            (used.audio_input, self.audio_input.unwrap_or(input)),
            (used.audio_output, self.audio_output.unwrap_or(output)),
            (used.image_input, self.image_input.unwrap_or(input)),
            (used.image_output, self.image_output.unwrap_or(output)),
        ];
        let pieces = [
            (used.images, self.image, MILLION),
            (used.requests, self.request, MILLION),
            (used.milliseconds, self.gpu_second, 1_000),
            (used.audio_milliseconds, self.audio_second, 1_000),
            (used.characters, self.characters, 1),
        ];
        let by_tokens: i128 = tokens
            .into_iter()
            .map(|(count, price)| times(count, price))
            .sum();
        let by_pieces: i128 = pieces
            .into_iter()
            .map(|(count, price, factor)| times(count, price.unwrap_or_default()) * factor)
            .sum();
        let percent = match used.is_batch {
            true => i128::from(self.batch_percent.unwrap_or(100)),
            false => 100,
        };
        let millionths = (by_tokens + by_pieces) * percent / 100;
        Money::clamped((millionths + MILLION / 2).div_euclid(MILLION))
    }

    /// Whether everything is free.
    pub fn is_free(&self) -> bool {
        *self == Price::default()
    }
}

fn times(count: u64, price: Money) -> i128 {
    i128::from(count) * i128::from(price.nanos())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn money(text: &str) -> Money {
        text.parse().unwrap()
    }

    #[test]
    fn every_part_has_its_price() {
        let price: Price = serde_json::from_str(
            r#"{"input":3,"output":15,"cache_read":0.3,"cache_write":3.75,"cache_write_1h":6,"request":0.01,
                "gpu_second":0.002,"image":0.04,"batch_percent":50,
                "tiers":[{"above":200000,"input":6,"output":22.5}]}"#,
        )
        .unwrap();
        let cost = |used: Used| price.cost(&used).to_string();
        assert_eq!(
            cost(Used {
                input: 1,
                ..Used::default()
            }),
            "0.000003"
        );
        assert_eq!(
            cost(Used {
                output: 1000,
                reasoning: 1000,
                ..Used::default()
            }),
            "0.03"
        );
        assert_eq!(
            cost(Used {
                cache_read: 1,
                ..Used::default()
            }),
            "0.0000003"
        );
        assert_eq!(
            cost(Used {
                cache_write_1h: 1_000_000,
                ..Used::default()
            }),
            "6"
        );
        assert_eq!(
            cost(Used {
                input: 200_001,
                output: 2,
                ..Used::default()
            }),
            "1.200051"
        );
        assert_eq!(
            cost(Used {
                input: 200_000,
                ..Used::default()
            }),
            "0.6"
        );
        assert_eq!(
            cost(Used {
                requests: 1,
                images: 2,
                milliseconds: 1500,
                ..Used::default()
            }),
            "0.093"
        );
        assert_eq!(
            cost(Used {
                input: 1_000_000,
                is_batch: true,
                ..Used::default()
            }),
            "3"
        );
    }

    #[test]
    fn media_are_paid_by_what_they_are_counted_in() {
        let price: Price = serde_json::from_str(
            r#"{"input":5,"output":10,"image_input":8,"image_output":32,"audio_second":0.0001,"characters":15}"#,
        )
        .unwrap();
        let used = Used {
            input: 1000,
            image_input: 1000,
            image_output: 1000,
            audio_milliseconds: 2500,
            characters: 1000,
            ..Used::default()
        };
        assert_eq!(price.cost(&used).to_string(), "0.06025");
        let plain: Price = serde_json::from_str(r#"{"input":5,"output":10}"#).unwrap();
        assert_eq!(plain.cost(&used).to_string(), "0.02");
    }

    #[test]
    fn writes_that_are_kept_longer_have_a_price_in_a_tier_too() {
        let cost = |tier: &str| {
            let text = format!(
                r#"{{"input":1,"cache_write":2,"cache_write_1h":3,"tiers":[{{"above":10{tier}}}]}}"#
            );
            let price: Price = serde_json::from_str(&text).unwrap();
            let used = Used {
                cache_write_1h: 1_000_000,
                ..Used::default()
            };
            price.cost(&used).to_string()
        };
        assert_eq!(cost(""), "3");
        assert_eq!(cost(r#","cache_write":4"#), "4");
        assert_eq!(cost(r#","cache_write":4,"cache_write_1h":6"#), "6");
        assert_eq!(cost(r#","cache_write_1h":6"#), "6");
    }

    #[test]
    fn what_is_absent_follows_and_halves_go_up() {
        let price = Price {
            input: money("0.0005"),
            ..Price::default()
        };
        let cost = |used: Used| price.cost(&used).nanos();
        assert_eq!(
            cost(Used {
                cache_read: 1,
                ..Used::default()
            }),
            1
        );
        assert_eq!(
            cost(Used {
                input: 2,
                ..Used::default()
            }),
            1
        );
        assert_eq!(
            cost(Used {
                input: 3,
                ..Used::default()
            }),
            2
        );
        assert!(Price::default().is_free() && !price.is_free());
    }
}
