//! The key pool against an injected clock: what it is made of here, and the tests by subject.

mod caps;
mod cooldown;
mod headers;
mod operator;
mod properties;
mod rotation;
mod threads;

use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use http::{HeaderMap, HeaderName, HeaderValue};

use crate::config::{KeyCaps, KeyCooldown, ModelPattern, Rotation, Secret, UpstreamKey};

use super::*;

const MODEL: &str = "gpt-5";

const COOLDOWN: KeyCooldown = KeyCooldown {
    first: Duration::from_secs(2),
    max: Duration::from_secs(300),
    quota: Duration::from_secs(3600),
};

/// A clock that goes when it is told to; both of its sides go together.
struct Clock {
    now: Now,
}

impl Clock {
    /// 2025-07-15T12:00:00Z
    fn new() -> Clock {
        Clock {
            now: Now {
                instant: Instant::now(),
                wall: SystemTime::UNIX_EPOCH + Duration::from_secs(1_752_580_800),
            },
        }
    }

    fn go(&mut self, duration: Duration) -> Now {
        self.now.instant += duration;
        self.now.wall += duration;
        self.now
    }

    fn go_millis(&mut self, millis: u64) -> Now {
        self.go(Duration::from_millis(millis))
    }

    fn go_seconds(&mut self, seconds: u64) -> Now {
        self.go(Duration::from_secs(seconds))
    }
}

fn later(now: Now, duration: Duration) -> Now {
    Now {
        instant: now.instant + duration,
        wall: now.wall + duration,
    }
}

fn key(label: &str) -> UpstreamKey {
    UpstreamKey {
        label: label.to_owned(),
        secret: Secret::new(format!("sk-secret-of-{label}")),
        weight: 1,
        expires: None,
        caps: KeyCaps::default(),
        models: Vec::new(),
    }
}

fn weighted_key(label: &str, weight: u32) -> UpstreamKey {
    UpstreamKey {
        weight,
        ..key(label)
    }
}

fn capped_key(label: &str, caps: KeyCaps) -> UpstreamKey {
    UpstreamKey { caps, ..key(label) }
}

fn key_for(label: &str, models: &[&str]) -> UpstreamKey {
    let patterns = models.iter().map(|text| ModelPattern::parse(text).unwrap());
    UpstreamKey {
        models: patterns.collect(),
        ..key(label)
    }
}

fn pool(rotation: Rotation, keys: &[UpstreamKey]) -> Arc<KeyPool> {
    KeyPool::new(rotation, COOLDOWN, keys, &KeyStates::default())
}

#[track_caller]
fn lease(pool: &Arc<KeyPool>, model: &str, now: Now) -> Lease {
    match pool.choose(model, now) {
        Choice::Key(lease) => lease,
        other => panic!("no key: {other:?}"),
    }
}

/// The label of the next key, which is given back at once.
#[track_caller]
fn next(pool: &Arc<KeyPool>, now: Now) -> String {
    lease(pool, MODEL, now).label().to_owned()
}

#[track_caller]
fn soonest(pool: &Arc<KeyPool>, model: &str, now: Now) -> Duration {
    match pool.choose(model, now) {
        Choice::Wait { soonest } => soonest,
        other => panic!("no wait: {other:?}"),
    }
}

#[track_caller]
fn why(pool: &Arc<KeyPool>, model: &str, now: Now) -> Why {
    match pool.choose(model, now) {
        Choice::None(why) => why,
        other => panic!("not none: {other:?}"),
    }
}

fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
    let pairs = pairs.iter().map(|(name, value)| {
        let value = HeaderValue::from_bytes(value.as_bytes()).unwrap();
        (HeaderName::from_static(name), value)
    });
    pairs.collect()
}

/// An answer without headers or code, to a request for [`MODEL`].
fn answer(lease: &Lease, status: u16, now: Now) -> KeyVerdict {
    lease.answered(status, &HeaderMap::new(), None, MODEL, now, 0.0)
}

/// That the pool's word on when it has a key again is true: just before it has none, and then it has one. For the pool it
/// is that late from then on.
#[track_caller]
fn assert_honest(pool: &Arc<KeyPool>, model: &str, now: Now) -> Duration {
    let wait = soonest(pool, model, now);
    let before = later(now, wait - Duration::from_nanos(1));
    assert!(
        matches!(pool.choose(model, before), Choice::Wait { .. }),
        "a key before its time, {wait:?}"
    );
    lease(pool, model, later(now, wait)).unsent();
    wait
}
