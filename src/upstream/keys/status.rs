//! What an operator sees of the keys: labels, fingerprints and figures; never a secret.

use std::time::{Duration, SystemTime};

use serde::Serialize;

use crate::config::{KeyCaps, QuotaPeriod};

use super::Now;
use super::minute::Measure;
use super::models::ModelRow;
use super::pool::{KeyPool, PoolKey};
use super::reported::Dimension;
use super::state::{Cap, KeyState};
use super::verdict::RestReason;

/// One key. Times are in whole seconds, rounded up.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct KeyStatus {
    pub label: String,
    /// The first eight hexadecimal digits of the secret's SHA-256.
    pub fingerprint: String,
    pub state: StandingStatus,
    /// Why it is not ready, in a word: `unauthorized`, `rate_limited`, `concurrency`, …
    pub reason: Option<&'static str>,
    /// Until it is ready again; `None` where it is, or nobody knows.
    pub seconds_left: Option<u64>,
    /// Since it was taken out.
    pub out_for_seconds: Option<u64>,
    /// Until it expires; 0 where it has.
    pub expires_in_seconds: Option<u64>,
    pub weight: u32,
    /// An operator has put it behind the others.
    pub passed_over: bool,
    pub in_flight: CapStatus,
    pub requests_this_minute: CapStatus,
    pub tokens_this_minute: CapStatus,
    pub quota: Option<QuotaStatus>,
    /// The least that is left of any cap or reported limit, from 0 to 1.
    pub headroom: f64,
    pub last_used_seconds_ago: Option<u64>,
    /// Models that it rests for or that the upstream has reported limits of; at most [`super::MODELS_MAX`].
    pub models: Vec<ModelStatus>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum StandingStatus {
    Ready,
    /// For every model. Rests for one model stand under that model.
    Resting,
    /// Refused by the upstream, until the configuration changes it or an operator revives it.
    Out,
    Expired,
    AtCap,
}

impl StandingStatus {
    /// As metrics say it.
    pub fn as_str(self) -> &'static str {
        match self {
            StandingStatus::Ready => "ready",
            StandingStatus::Resting => "resting",
            StandingStatus::Out => "out",
            StandingStatus::Expired => "expired",
            StandingStatus::AtCap => "at_cap",
        }
    }
}

/// What is used, and its cap where there is one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct CapStatus {
    pub used: u64,
    pub cap: Option<u64>,
}

/// The present period of a quota.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct QuotaStatus {
    pub period: QuotaPeriod,
    pub requests: CapStatus,
    pub tokens: CapStatus,
    /// Until the next period.
    pub seconds_left: u64,
}

/// One key with one model.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ModelStatus {
    pub model: String,
    /// Until it is used for it again; 0 where it is.
    pub seconds_left: u64,
    pub reason: Option<RestReason>,
    /// Refusals (429) in a row.
    pub refusals: u32,
    /// What the upstream's headers said last, where that is recent enough to be believed.
    pub reported: Vec<ReportedStatus>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ReportedStatus {
    pub dimension: Dimension,
    pub limit: Option<u64>,
    pub remaining: Option<u64>,
    /// Until it is full again, or no longer believed.
    pub seconds_left: u64,
}

impl KeyPool {
    /// Every key, in the order of the configuration.
    pub fn status(&self, now: Now) -> Vec<KeyStatus> {
        // Locked key by key: the models of all of them would keep requests waiting.
        let statuses = self.keys.iter().map(|key| {
            let mut table = self.states.lock();
            key_status(key, table.state(key.slot), now)
        });
        statuses.collect()
    }
}

fn key_status(key: &PoolKey, state: &mut KeyState, now: Now) -> KeyStatus {
    let (standing, reason, left) = standing(key, state, now);
    let out_since = state.out.map(|out| out.since);
    let since = |instant| seconds(now.instant.saturating_duration_since(instant));
    KeyStatus {
        label: key.label.clone(),
        fingerprint: key.fingerprint.clone(),
        state: standing,
        reason,
        seconds_left: left.map(seconds),
        out_for_seconds: out_since.map(since),
        expires_in_seconds: key.expires.map(|at| seconds(until(at, now.wall))),
        weight: key.weight,
        passed_over: state.turn.is_passed_over,
        in_flight: CapStatus {
            used: state.in_flight,
            cap: key.caps.concurrency,
        },
        requests_this_minute: CapStatus {
            used: state.minute.used(Measure::Requests, now.instant),
            cap: key.caps.requests_per_minute,
        },
        tokens_this_minute: CapStatus {
            used: state.minute.used(Measure::Tokens, now.instant),
            cap: key.caps.tokens_per_minute,
        },
        quota: quota_status(&key.caps, state, now),
        headroom: headroom(&key.caps, state, now),
        last_used_seconds_ago: state.last_used.map(since),
        models: model_statuses(state, now),
    }
}

fn standing(
    key: &PoolKey,
    state: &mut KeyState,
    now: Now,
) -> (StandingStatus, Option<&'static str>, Option<Duration>) {
    if let Some(out) = state.out {
        return (StandingStatus::Out, Some(out.reason.as_str()), None);
    }
    if key.expires.is_some_and(|at| at <= now.wall) {
        return (StandingStatus::Expired, None, None);
    }
    if let Some(rest) = state.rest.filter(|rest| !rest.left(now.instant).is_zero()) {
        let left = rest.left(now.instant);
        return (
            StandingStatus::Resting,
            Some(rest.reason.as_str()),
            Some(left),
        );
    }
    match cap_reached(&key.caps, state, now) {
        Some((cap, left)) => (StandingStatus::AtCap, Some(cap), left),
        None => (StandingStatus::Ready, None, None),
    }
}

/// The cap that keeps the key away longest, and for how long, where that is known.
fn cap_reached(
    caps: &KeyCaps,
    state: &mut KeyState,
    now: Now,
) -> Option<(&'static str, Option<Duration>)> {
    let waits = state.cap_waits(caps, now).into_iter();
    let reached = waits.filter(|(_, wait)| *wait != Some(Duration::ZERO));
    let (cap, wait) = reached.max_by_key(|(_, wait)| wait.unwrap_or(Duration::MAX))?;
    Some(match cap {
        Cap::Quota => ("quota", wait),
        Cap::TokensPerMinute => ("tokens_per_minute", wait),
        Cap::RequestsPerMinute => ("requests_per_minute", wait),
        // Nobody knows when an exchange ends.
        Cap::Concurrency => ("concurrency", None),
    })
}

fn quota_status(caps: &KeyCaps, state: &mut KeyState, now: Now) -> Option<QuotaStatus> {
    let quota = caps.quota.as_ref()?;
    state.quota.advance(quota.period, now.wall);
    Some(QuotaStatus {
        period: quota.period,
        requests: CapStatus {
            used: state.quota.requests,
            cap: quota.requests,
        },
        tokens: CapStatus {
            used: state.quota.tokens,
            cap: quota.tokens,
        },
        seconds_left: seconds(state.quota.left(now.wall)),
    })
}

fn headroom(caps: &KeyCaps, state: &mut KeyState, now: Now) -> f64 {
    let own = state.headroom(caps, None, now);
    let in_flight = state.in_flight;
    let reported = state
        .models
        .iter()
        .map(|row| row.reported.headroom(in_flight, now.instant));
    reported.fold(own, f64::min)
}

fn model_statuses(state: &KeyState, now: Now) -> Vec<ModelStatus> {
    let rows = state.models.sorted().into_iter();
    let statuses = rows.map(|(model, row)| model_status(model, row, now));
    statuses
        .filter(|status| status.seconds_left > 0 || !status.reported.is_empty())
        .collect()
}

fn model_status(model: &str, row: &ModelRow, now: Now) -> ModelStatus {
    let rest = row.rest.filter(|rest| !rest.left(now.instant).is_zero());
    let reported = row.reported.believed(now.instant);
    ModelStatus {
        model: model.to_owned(),
        seconds_left: rest.map_or(0, |rest| seconds(rest.left(now.instant))),
        reason: rest.map(|rest| rest.reason),
        refusals: row.refusals,
        reported: reported
            .map(|(dimension, level)| ReportedStatus {
                dimension,
                limit: level.limit,
                remaining: level.remaining,
                seconds_left: seconds(level.believed_for(now.instant)),
            })
            .collect(),
    }
}

fn until(at: SystemTime, wall: SystemTime) -> Duration {
    at.duration_since(wall).unwrap_or_default()
}

/// Rounded up: what has 100 ms to go is not over.
fn seconds(duration: Duration) -> u64 {
    duration.as_secs() + u64::from(duration.subsec_nanos() > 0)
}
