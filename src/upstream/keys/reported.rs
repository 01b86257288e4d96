//! What an upstream's rate-limit headers say is left. It must not know what follows from it.
//!
//! Read are OpenAI's `x-ratelimit-remaining-requests` (Azure, Groq, vLLM-like hosts and others send the same), Cerebras'
//! `x-ratelimit-remaining-tokens-minute`, the nameless `x-ratelimit-remaining`, Anthropic's
//! `anthropic-ratelimit-input-tokens-remaining`, and those of draft-ietf-httpapi-ratelimit-headers, old
//! (`ratelimit-remaining`) and new (`ratelimit: "default";r=50;t=30`). What is not a number, such as Azure's `-1`, is not said.

use std::time::{Duration, Instant};

use http::{HeaderMap, HeaderValue};
use serde::Serialize;

use super::{Now, moment};

/// What an upstream counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Dimension {
    Requests,
    Tokens,
    InputTokens,
    OutputTokens,
}

const DIMENSIONS: [Dimension; 4] = [
    Dimension::Requests,
    Dimension::Tokens,
    Dimension::InputTokens,
    Dimension::OutputTokens,
];

/// How long what is left is believed where the upstream does not say when it is full again.
const BELIEVED: Duration = Duration::from_secs(60);

/// Longest time for which what is left is believed.
const BELIEVED_MAX: Duration = Duration::from_secs(86_400);

/// What one answer, or the answers so far, said is left.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Reported {
    levels: [Level; DIMENSIONS.len()],
}

/// What is left of one dimension.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(super) struct Level {
    pub(super) limit: Option<u64>,
    pub(super) remaining: Option<u64>,
    /// How long until it is full, as said at `at`.
    pub(super) reset: Option<Duration>,
    at: Option<Instant>,
}

impl Level {
    /// How long it is still believed; zero when it is full again, as far as anybody knows.
    pub(super) fn believed_for(&self, now: Instant) -> Duration {
        let Some(at) = self.at else {
            return Duration::ZERO;
        };
        let believed = self.reset.unwrap_or(BELIEVED).min(BELIEVED_MAX);
        (at + believed).saturating_duration_since(now)
    }
}

impl Reported {
    pub(super) fn read(headers: &HeaderMap, now: Now) -> Reported {
        let mut reported = Reported::default();
        for (name, value) in headers {
            reported.note(name.as_str(), value, now);
        }
        for level in &mut reported.levels {
            level.at = level.remaining.map(|_| now.instant);
        }
        reported
    }

    pub(super) fn is_empty(&self) -> bool {
        self.levels.iter().all(|level| level.remaining.is_none())
    }

    /// Takes over what a later answer said.
    pub(super) fn update(&mut self, later: Reported) {
        for (level, later) in self.levels.iter_mut().zip(later.levels) {
            if later.remaining.is_some() {
                *level = later;
            }
        }
    }

    /// How long until all that has run out is full again; `None` where nothing has, or no word of it.
    pub(super) fn exhausted_for(&self) -> Option<Duration> {
        let exhausted = self
            .levels
            .iter()
            .filter(|level| level.remaining == Some(0));
        exhausted.filter_map(|level| level.reset).max()
    }

    /// The least that is left of any limit, from 0 to 1, when `in_flight` requests may not have been counted yet; 1 where nothing is said.
    pub(super) fn headroom(&self, in_flight: u64, now: Instant) -> f64 {
        let shares = self.believed(now).filter_map(|(dimension, level)| {
            let limit = level.limit.filter(|&limit| limit > 0)?;
            let uncounted = match dimension {
                Dimension::Requests => in_flight,
                _ => 0,
            };
            let left = level.remaining?.saturating_sub(uncounted);
            Some(left as f64 / limit as f64)
        });
        shares.fold(1.0, f64::min)
    }

    /// What is said and still believed.
    pub(super) fn believed(&self, now: Instant) -> impl Iterator<Item = (Dimension, &Level)> {
        DIMENSIONS
            .into_iter()
            .zip(&self.levels)
            .filter(move |(_, level)| !level.believed_for(now).is_zero())
    }

    fn note(&mut self, name: &str, value: &HeaderValue, now: Now) {
        if matches!(name, "ratelimit" | "ratelimit-policy") {
            if let Ok(text) = value.to_str() {
                self.note_structured(text, now);
            }
        } else if let Some((figure, dimension)) = meaning(name)
            && let Ok(text) = value.to_str()
        {
            self.set(figure, dimension, text, now);
        }
    }

    /// The first policy of a draft's header: `limit=100, remaining=50, reset=30`, `"default";r=50;t=30` or `"default";q=100`.
    fn note_structured(&mut self, text: &str, now: Now) {
        let (policy, separator) = match text.starts_with('"') {
            true => (text.split(',').next().unwrap_or_default(), ';'),
            false => (text, ','),
        };
        for (name, value) in policy
            .split(separator)
            .filter_map(|part| part.split_once('='))
        {
            let figure = match name.trim() {
                "limit" | "q" => Figure::Limit,
                "remaining" | "r" => Figure::Remaining,
                "reset" | "t" => Figure::Reset,
                _ => continue,
            };
            self.set(figure, Dimension::Requests, value, now);
        }
    }

    fn set(&mut self, figure: Figure, dimension: Dimension, text: &str, now: Now) {
        let level = &mut self.levels[dimension as usize];
        let number = || text.trim().parse().ok();
        match figure {
            Figure::Limit => level.limit = number(),
            Figure::Remaining => level.remaining = number(),
            Figure::Reset => level.reset = moment::wait(text, now.wall),
        }
    }
}

#[derive(Clone, Copy)]
enum Figure {
    Limit,
    Remaining,
    Reset,
}

const FIGURES: [(&str, Figure); 3] = [
    ("limit", Figure::Limit),
    ("remaining", Figure::Remaining),
    ("reset", Figure::Reset),
];

/// What a header says: `x-ratelimit-limit-tokens`, `anthropic-ratelimit-tokens-limit`, `ratelimit-limit`.
fn meaning(name: &str) -> Option<(Figure, Dimension)> {
    let name = ["x-ratelimit-", "anthropic-ratelimit-", "ratelimit-"]
        .into_iter()
        .find_map(|prefix| name.strip_prefix(prefix))?;
    FIGURES.into_iter().find_map(|(word, figure)| {
        let dimension = match (name.strip_prefix(word), name.strip_suffix(word)) {
            (Some(""), _) => "requests",
            (Some(after), _) => after.strip_prefix('-')?,
            (None, before) => before?.strip_suffix('-')?,
        };
        Some((figure, dimension_of(dimension)?))
    })
}

fn dimension_of(name: &str) -> Option<Dimension> {
    match name {
        "requests" | "requests-day" => Some(Dimension::Requests),
        "tokens" | "tokens-minute" => Some(Dimension::Tokens),
        "input-tokens" => Some(Dimension::InputTokens),
        "output-tokens" => Some(Dimension::OutputTokens),
        _ => None,
    }
}
