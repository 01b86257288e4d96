//! What is known of one key from running. It must not know how keys take turns.

use std::time::{Duration, Instant, SystemTime};

use crate::config::{KeyCaps, KeyCooldown};

use super::Now;
use super::minute::{Measure, Minute};
use super::models::{ModelRows, Rest};
use super::pool::BUSY_RETRY;
use super::quota::QuotaUse;
use super::reported::Reported;
use super::verdict::{KeyVerdict, OutReason, REST_MIN, RestReason, Said, grown};

/// Everything that outlives a configuration.
#[derive(Default)]
pub(super) struct KeyState {
    /// Counts revivals. What an answer to a request from before one says is no longer taken as true.
    pub(super) revision: u32,
    pub(super) out: Option<Out>,
    /// A rest for every model; it may be over.
    pub(super) rest: Option<Rest>,
    pub(super) models: ModelRows,
    pub(super) in_flight: u64,
    pub(super) minute: Minute,
    /// Counts only where a quota is set.
    pub(super) quota: QuotaUse,
    pub(super) last_used: Option<Instant>,
    pub(super) turn: Turn,
}

/// Where a key stands among the others.
#[derive(Default)]
pub(super) struct Turn {
    /// What it is owed (smooth weighted round robin).
    pub(super) credit: i64,
    /// The turn that it had last.
    pub(super) last: u64,
    /// An operator put it behind the others.
    pub(super) is_passed_over: bool,
    /// It can be used now; of use only while the table stays locked.
    pub(super) is_ready: bool,
}

#[derive(Debug, Clone, Copy)]
pub(super) struct Out {
    pub(super) reason: OutReason,
    pub(super) since: Instant,
}

/// What a key may be used for, as its configuration says.
#[derive(Clone, Copy)]
pub(super) struct Bounds<'a> {
    pub(super) expires: Option<SystemTime>,
    pub(super) caps: &'a KeyCaps,
}

/// Whether a key can be used now.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Standing {
    Ready,
    /// In so long, if nothing else happens.
    In(Duration),
    /// Not before something changes.
    Never,
}

/// The caps of a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Cap {
    Quota,
    TokensPerMinute,
    RequestsPerMinute,
    Concurrency,
}

/// Where a use was counted, to take it back.
#[derive(Debug, Clone, Copy)]
pub(super) struct Ticket {
    second: u64,
    period: i64,
}

impl KeyState {
    /// Whether it can be used for `model`; without one, whether it can be used for any.
    pub(super) fn standing(&mut self, bounds: Bounds, model: Option<&str>, now: Now) -> Standing {
        if self.out.is_some() || bounds.expires.is_some_and(|at| at <= now.wall) {
            return Standing::Never;
        }
        let Some(room) = self.room_in(bounds.caps, now) else {
            return Standing::Never;
        };
        let wait = room.max(self.rest_left(model, now.instant));
        if wait.is_zero() {
            return Standing::Ready;
        }
        let back = now.wall.checked_add(wait);
        let lives = |back| bounds.expires.is_none_or(|expires| back < expires);
        match back.is_some_and(lives) {
            true => Standing::In(wait),
            false => Standing::Never,
        }
    }

    pub(super) fn rest_left(&self, model: Option<&str>, now: Instant) -> Duration {
        let row = model.and_then(|model| self.models.get(model));
        let left = |rest: Option<Rest>| rest.map(|rest| rest.left(now)).unwrap_or_default();
        left(self.rest).max(left(row.and_then(|row| row.rest)))
    }

    /// How long until all caps have room; `None`: never.
    fn room_in(&mut self, caps: &KeyCaps, now: Now) -> Option<Duration> {
        let waits = self.cap_waits(caps, now).into_iter();
        waits
            .map(|(_, wait)| wait)
            .try_fold(Duration::ZERO, |longest, wait| Some(longest.max(wait?)))
    }

    /// How long until each cap has room; `None`: never. A cap that is not set always has.
    pub(super) fn cap_waits(&mut self, caps: &KeyCaps, now: Now) -> [(Cap, Option<Duration>); 4] {
        let mut minute = |measure, cap: Option<u64>| match cap {
            Some(cap) => self.minute.room_in(measure, cap, now.instant),
            None => Some(Duration::ZERO),
        };
        let requests = minute(Measure::Requests, caps.requests_per_minute);
        let tokens = minute(Measure::Tokens, caps.tokens_per_minute);
        let concurrency = match caps.concurrency {
            Some(0) => None,
            Some(cap) if self.in_flight >= cap => Some(BUSY_RETRY),
            _ => Some(Duration::ZERO),
        };
        [
            (Cap::Quota, self.quota_wait(caps, now)),
            (Cap::TokensPerMinute, tokens),
            (Cap::RequestsPerMinute, requests),
            (Cap::Concurrency, concurrency),
        ]
    }

    fn quota_wait(&mut self, caps: &KeyCaps, now: Now) -> Option<Duration> {
        let Some(quota) = &caps.quota else {
            return Some(Duration::ZERO);
        };
        if quota.requests == Some(0) || quota.tokens == Some(0) {
            return None;
        }
        self.quota.advance(quota.period, now.wall);
        let is_used_up = quota.requests.is_some_and(|cap| self.quota.requests >= cap)
            || quota.tokens.is_some_and(|cap| self.quota.tokens >= cap);
        Some(match is_used_up {
            true => self.quota.left(now.wall),
            false => Duration::ZERO,
        })
    }

    /// The least that is left of any cap, and of what the upstream says of `model`, from 0 to 1.
    pub(super) fn headroom(&mut self, caps: &KeyCaps, model: Option<&str>, now: Now) -> f64 {
        let mut least = match model {
            Some(model) => self.models.get(model).map_or(1.0, |row| {
                row.reported.headroom(self.in_flight, now.instant)
            }),
            None => 1.0,
        };
        let mut note = |cap: Option<u64>, used: u64| {
            if let Some(cap) = cap {
                least = least.min(cap.saturating_sub(used) as f64 / cap.max(1) as f64);
            }
        };
        note(caps.concurrency, self.in_flight);
        note(
            caps.requests_per_minute,
            self.minute.used(Measure::Requests, now.instant),
        );
        note(
            caps.tokens_per_minute,
            self.minute.used(Measure::Tokens, now.instant),
        );
        if let Some(quota) = &caps.quota {
            self.quota.advance(quota.period, now.wall);
            note(quota.requests, self.quota.requests);
            note(quota.tokens, self.quota.tokens);
        }
        least
    }

    /// Counts a use that begins.
    pub(super) fn reserve(&mut self, caps: &KeyCaps, now: Now) -> Ticket {
        self.in_flight += 1;
        self.last_used = Some(now.instant);
        if let Some(quota) = &caps.quota {
            self.quota.advance(quota.period, now.wall);
            self.quota.requests += 1;
        }
        Ticket {
            second: self.minute.count(Measure::Requests, 1, now.instant),
            period: self.quota.period(),
        }
    }

    /// The use has not reached the upstream after all.
    pub(super) fn take_back(&mut self, ticket: Ticket) {
        self.minute.take_back_request(ticket.second);
        if self.quota.period() == ticket.period {
            self.quota.requests = self.quota.requests.saturating_sub(1);
        }
    }

    pub(super) fn count_tokens(&mut self, caps: &KeyCaps, tokens: u64, now: Now) {
        self.minute.count(Measure::Tokens, tokens, now.instant);
        if let Some(quota) = &caps.quota {
            self.quota.advance(quota.period, now.wall);
            self.quota.tokens = self.quota.tokens.saturating_add(tokens);
        }
    }

    pub(super) fn note_reported(&mut self, model: &str, reported: Reported, now: Instant) {
        if !reported.is_empty() {
            self.models.row(model, now).reported.update(reported);
        }
    }

    /// Applies what an answer said.
    pub(super) fn apply(&mut self, said: Said, answered: &Answered) -> KeyVerdict {
        let now = answered.now;
        match said {
            Said::Nothing => KeyVerdict::Unaffected,
            Said::Works => {
                self.note_success(answered);
                KeyVerdict::Unaffected
            }
            Said::RateLimited(wait) => self.note_refusal(wait, answered),
            Said::ModelForbidden => {
                let wait = answered.cooldown.max;
                self.rest_model(answered.model, RestReason::ModelForbidden, wait, now)
            }
            Said::QuotaExhausted => {
                let reason = RestReason::QuotaExhausted;
                let wait = self.rest_key(reason, answered.cooldown.quota, now);
                KeyVerdict::KeyRests { wait, reason }
            }
            Said::Out(reason) => {
                self.out.get_or_insert(Out { reason, since: now });
                KeyVerdict::Out(reason)
            }
        }
    }

    /// Takes everything back that answers and operators have said of it. What was used stays used.
    pub(super) fn revive(&mut self) {
        self.revision = self.revision.wrapping_add(1);
        self.out = None;
        self.rest = None;
        self.models.clear();
        self.turn.is_passed_over = false;
    }

    /// Rests for every model, if it does not already for longer. Returns for how long.
    pub(super) fn rest_key(
        &mut self,
        reason: RestReason,
        wait: Duration,
        now: Instant,
    ) -> Duration {
        let rest = Rest::later(
            self.rest,
            Rest {
                since: now,
                until: now + wait,
                reason,
            },
        );
        self.rest = Some(rest);
        rest.left(now)
    }

    fn rest_model(
        &mut self,
        model: &str,
        reason: RestReason,
        wait: Duration,
        now: Instant,
    ) -> KeyVerdict {
        let row = self.models.row(model, now);
        let rest = Rest::later(
            row.rest,
            Rest {
                since: now,
                until: now + wait,
                reason,
            },
        );
        row.rest = Some(rest);
        KeyVerdict::ModelRests {
            wait: rest.left(now),
            reason: rest.reason,
        }
    }

    /// An answer to a request from before the latest rest says nothing of what has been since.
    fn note_success(&mut self, answered: &Answered) {
        if let Some(row) = self.models.get_mut(answered.model)
            && row.rest.is_none_or(|rest| answered.taken > rest.since)
        {
            row.refusals = 0;
        }
    }

    fn note_refusal(&mut self, wait: Option<Duration>, answered: &Answered) -> KeyVerdict {
        let KeyCooldown { first, max, .. } = *answered.cooldown;
        let now = answered.now;
        let row = self.models.row(answered.model, now);
        let over = |rest: Rest| now.saturating_duration_since(rest.until);
        if row.rest.is_some_and(|rest| over(rest) > max) {
            // The trouble of so long ago is not the trouble of now.
            row.refusals = 0;
        }
        let of_before = |rest: &Rest| answered.taken <= rest.since && rest.until > now;
        let running = row.rest.filter(of_before);
        let refusals = row.refusals;
        // Of requests that were under way together one refusal counts; ten would make the rest 2^10 times as long.
        if running.is_none() {
            row.refusals = row.refusals.saturating_add(1);
        }
        let wait = match (wait, running) {
            (Some(wait), _) => wait,
            (None, Some(rest)) => rest.left(now),
            (None, None) => grown(first, max, refusals, answered.chance).max(REST_MIN),
        };
        self.rest_model(answered.model, RestReason::RateLimited, wait, now)
    }
}

/// An answer, and the request that it is to.
pub(super) struct Answered<'a> {
    pub(super) model: &'a str,
    /// When the key was taken for the request.
    pub(super) taken: Instant,
    pub(super) now: Instant,
    pub(super) chance: f64,
    pub(super) cooldown: &'a KeyCooldown,
}
