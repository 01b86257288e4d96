//! Properties of the pool under any run of choices, answers, operators and time.

use std::collections::HashMap;

use proptest::prelude::*;

use crate::config::{Quota, QuotaPeriod};

use super::*;

const MODELS: [&str; 2] = ["m1", "m2"];

/// What may happen.
#[derive(Debug, Clone)]
enum Step {
    Go(u64),
    Choose(usize),
    /// An answer to one of the leases held, with a `Retry-After` in seconds.
    Answer(usize, u16, Option<u16>),
    Tokens(usize, u64),
    Drop(usize),
    Unsent(usize),
    Rest(usize, u64),
    Revive(usize),
    Rotate,
    Reload,
}

fn step() -> impl Strategy<Value = Step> {
    let status = prop_oneof![
        Just(200u16),
        Just(429),
        Just(402),
        Just(401),
        Just(403),
        Just(500)
    ];
    prop_oneof![
        4 => (0u64..40_000).prop_map(Step::Go),
        8 => (0usize..2).prop_map(Step::Choose),
        3 => (0usize..8, status, proptest::option::of(0u16..90)).prop_map(|(at, status, wait)| Step::Answer(at, status, wait)),
        2 => (0usize..8, 0u64..300).prop_map(|(at, tokens)| Step::Tokens(at, tokens)),
        3 => (0usize..8).prop_map(Step::Drop),
        1 => (0usize..8).prop_map(Step::Unsent),
        1 => (0usize..4, 0u64..120).prop_map(|(key, seconds)| Step::Rest(key, seconds)),
        1 => (0usize..4).prop_map(Step::Revive),
        1 => Just(Step::Rotate),
        1 => Just(Step::Reload),
    ]
}

fn rotation() -> impl Strategy<Value = Rotation> {
    prop_oneof![
        Just(Rotation::RoundRobin),
        Just(Rotation::Weighted),
        Just(Rotation::LeastUsed),
        Just(Rotation::Failover)
    ]
}

fn caps() -> impl Strategy<Value = KeyCaps> {
    let cap = |most: u64| proptest::option::of(1..most);
    let quota = (cap(30), cap(2_000)).prop_map(|(requests, tokens)| Quota {
        requests,
        tokens,
        period: QuotaPeriod::Day,
    });
    (cap(6), cap(500), cap(4), proptest::option::of(quota)).prop_map(
        |(requests, tokens, concurrency, quota)| KeyCaps {
            requests_per_minute: requests,
            tokens_per_minute: tokens,
            concurrency,
            quota,
        },
    )
}

fn keys() -> impl Strategy<Value = Vec<UpstreamKey>> {
    let models = prop_oneof![3 => Just(Vec::new()), 1 => Just(vec!["m1"]), 1 => Just(vec!["m?"])];
    let expires = proptest::option::weighted(0.1, 0u64..600);
    let facts = (1u32..5, caps(), models, expires);
    proptest::collection::vec(facts, 1..4).prop_map(|facts| {
        let keys = facts.into_iter().enumerate();
        let keys = keys.map(|(index, (weight, caps, models, expires))| UpstreamKey {
            weight,
            caps,
            expires: expires.map(|seconds| Clock::new().now.wall + Duration::from_secs(seconds)),
            ..key_for(&format!("k{index}"), &models)
        });
        keys.collect()
    })
}

/// The pool, and what must be true of it, counted in the plainest way.
struct World {
    clock: Clock,
    rotation: Rotation,
    keys: Vec<UpstreamKey>,
    states: KeyStates,
    pool: Arc<KeyPool>,
    held: Vec<Held>,
    /// When each key was taken for a request that was sent, and not taken back.
    requests: Vec<Vec<Now>>,
    tokens: Vec<Vec<(Now, u64)>>,
    /// No use of the key (for the model) before then.
    rests: HashMap<(usize, Option<usize>), Instant>,
    out: Vec<bool>,
    /// Revivals of each key.
    revivals: Vec<u32>,
}

struct Held {
    lease: Lease,
    model: usize,
    at: Now,
    settled: u64,
    revivals: u32,
}

impl World {
    fn new(rotation: Rotation, keys: Vec<UpstreamKey>) -> World {
        let states = KeyStates::default();
        World {
            clock: Clock::new(),
            rotation,
            pool: KeyPool::new(rotation, COOLDOWN, &keys, &states),
            states,
            held: Vec::new(),
            requests: vec![Vec::new(); keys.len()],
            tokens: vec![Vec::new(); keys.len()],
            rests: HashMap::new(),
            out: vec![false; keys.len()],
            revivals: vec![0; keys.len()],
            keys,
        }
    }

    fn take(&mut self, step: Step) {
        match step {
            Step::Go(millis) => {
                self.clock.go_millis(millis);
            }
            Step::Choose(model) => self.choose(model),
            Step::Answer(at, status, wait) => self.answer(at, status, wait),
            Step::Tokens(at, tokens) => self.settle(at, tokens),
            Step::Drop(at) => drop(self.pick(at)),
            Step::Unsent(at) => self.unsent(at),
            Step::Rest(key, seconds) => self.rest(key % self.keys.len(), seconds),
            Step::Revive(key) => self.revive(key % self.keys.len()),
            Step::Rotate => drop(self.pool.rotate(self.clock.now)),
            Step::Reload => {
                self.pool = KeyPool::new(self.rotation, COOLDOWN, &self.keys, &self.states);
            }
        }
    }

    fn choose(&mut self, model: usize) {
        let now = self.clock.now;
        match self.pool.choose(MODELS[model], now) {
            Choice::Key(lease) => {
                let index = lease.index();
                self.assert_usable(index, model, now);
                self.requests[index].push(now);
                self.held.push(Held {
                    lease,
                    model,
                    at: now,
                    settled: 0,
                    revivals: self.revivals[index],
                });
                self.assert_within_caps(index, now);
            }
            Choice::Wait { soonest } if soonest != BUSY_RETRY => {
                self.assert_wait_is_true(model, soonest)
            }
            Choice::Wait { .. } => self.assert_busy(),
            Choice::None(Why::NotAllowed) => {
                assert!((0..self.keys.len()).all(|index| !self.allows(index, model)));
            }
            Choice::None(Why::AllOut) => self.assert_all_out(model, now),
            Choice::NotNeeded => panic!("there are keys"),
        }
    }

    fn allows(&self, index: usize, model: usize) -> bool {
        let models = &self.keys[index].models;
        models.is_empty() || models.iter().any(|pattern| pattern.matches(MODELS[model]))
    }

    fn assert_usable(&self, index: usize, model: usize, now: Now) {
        assert!(self.allows(index, model));
        assert!(!self.out[index]);
        assert!(self.keys[index].expires.is_none_or(|at| now.wall < at));
        for model in [None, Some(model)] {
            let until = self.rests.get(&(index, model));
            assert!(
                until.is_none_or(|until| now.instant >= *until),
                "key {index} should rest"
            );
        }
    }

    /// Of any 60 seconds and any day, and of those that are held.
    fn assert_within_caps(&self, index: usize, now: Now) {
        let caps = &self.keys[index].caps;
        let of_minute = |at: &Now| now.instant - at.instant < Duration::from_secs(60);
        let requests = self.requests[index]
            .iter()
            .filter(|at| of_minute(at))
            .count() as u64;
        assert!(caps.requests_per_minute.is_none_or(|cap| requests <= cap));
        let tokens = self.tokens[index].iter().filter(|(at, _)| of_minute(at));
        let tokens: u64 = tokens.map(|(_, tokens)| tokens).sum();
        // After the fact: it was chosen, so there was room.
        assert!(caps.tokens_per_minute.is_none_or(|cap| tokens < cap));
        let held = self
            .held
            .iter()
            .filter(|held| held.lease.index() == index)
            .count() as u64;
        assert!(caps.concurrency.is_none_or(|cap| held <= cap));
        if let Some(quota) = &caps.quota {
            let of_day = |at: &Now| day(*at) == day(now);
            let requests = self.requests[index].iter().filter(|at| of_day(at)).count() as u64;
            assert!(quota.requests.is_none_or(|cap| requests <= cap));
            let tokens = self.tokens[index].iter().filter(|(at, _)| of_day(at));
            let tokens: u64 = tokens.map(|(_, tokens)| tokens).sum();
            assert!(quota.tokens.is_none_or(|cap| tokens < cap));
        }
    }

    /// Unless concurrency is the trouble, of which nobody knows when it ends. It is that late then.
    fn assert_wait_is_true(&mut self, model: usize, soonest: Duration) {
        let now = self.clock.now;
        assert!(!soonest.is_zero());
        let before = later(now, soonest - Duration::from_nanos(1));
        assert!(matches!(
            self.pool.choose(MODELS[model], before),
            Choice::Wait { .. }
        ));
        match self.pool.choose(MODELS[model], self.clock.go(soonest)) {
            Choice::Key(lease) => lease.unsent(),
            Choice::Wait { .. } => self.assert_busy(),
            other => panic!("{other:?}"),
        }
    }

    fn assert_busy(&self) {
        let status = self.pool.status(self.clock.now);
        let is_busy = |key: &KeyStatus| {
            key.in_flight
                .cap
                .is_some_and(|cap| key.in_flight.used >= cap)
        };
        assert!(status.iter().any(is_busy));
    }

    /// Those that are allowed are out, have expired, or will have before they are back.
    fn assert_all_out(&self, model: usize, now: Now) {
        for index in (0..self.keys.len()).filter(|index| self.allows(*index, model)) {
            assert!(
                self.out[index] || self.keys[index].expires.is_some(),
                "key {index} at {now:?}"
            );
        }
    }

    fn pick(&mut self, at: usize) -> Option<Held> {
        let at = at.checked_rem(self.held.len())?;
        Some(self.held.swap_remove(at))
    }

    fn answer(&mut self, at: usize, status: u16, wait: Option<u16>) {
        let Some(held) = self.pick(at) else {
            return;
        };
        let now = self.clock.now;
        let said = wait.map(|wait| wait.to_string());
        let said: Vec<_> = said
            .iter()
            .map(|wait| ("retry-after", wait.as_str()))
            .collect();
        let index = held.lease.index();
        let verdict =
            held.lease
                .answered(status, &headers(&said), None, MODELS[held.model], now, 0.0);
        let is_current = held.revivals == self.revivals[index];
        let expected = match status {
            200 | 500 => matches!(verdict, KeyVerdict::Unaffected),
            _ if !is_current => matches!(verdict, KeyVerdict::Unaffected),
            429 => matches!(verdict, KeyVerdict::ModelRests { .. }),
            402 => matches!(verdict, KeyVerdict::KeyRests { .. }),
            _ => matches!(verdict, KeyVerdict::Out(_)),
        };
        assert!(expected, "{status}: {verdict:?}");
        match verdict {
            KeyVerdict::ModelRests { wait, .. } => {
                self.note_rest(index, Some(held.model), now.instant + wait);
            }
            KeyVerdict::KeyRests { wait, .. } => self.note_rest(index, None, now.instant + wait),
            KeyVerdict::Out(_) => self.out[index] = true,
            KeyVerdict::Unaffected => {}
        }
        if let (429, true, Some(wait)) = (status, is_current, wait) {
            // At least as long as it said.
            let until = self.rests[&(index, Some(held.model))];
            assert!(until >= now.instant + Duration::from_secs(wait.into()));
        }
    }

    fn note_rest(&mut self, index: usize, model: Option<usize>, until: Instant) {
        let rest = self.rests.entry((index, model)).or_insert(until);
        *rest = until.max(*rest);
    }

    fn settle(&mut self, at: usize, tokens: u64) {
        let Some(at) = at.checked_rem(self.held.len()) else {
            return;
        };
        let now = self.clock.now;
        let held = &mut self.held[at];
        held.lease.tokens(tokens, now);
        let more = tokens.saturating_sub(held.settled);
        held.settled += more;
        self.tokens[held.lease.index()].push((now, more));
    }

    fn unsent(&mut self, at: usize) {
        let Some(held) = self.pick(at) else {
            return;
        };
        let requests = &mut self.requests[held.lease.index()];
        let taken = |at: &Now| at.instant == held.at.instant;
        let position = requests.iter().position(taken).unwrap();
        requests.remove(position);
        held.lease.unsent();
    }

    fn rest(&mut self, key: usize, seconds: u64) {
        let now = self.clock.now;
        let wait = Duration::from_secs(seconds);
        self.pool.rest(&self.keys[key].label, wait, now).unwrap();
        self.note_rest(key, None, now.instant + wait);
    }

    fn revive(&mut self, key: usize) {
        self.pool.revive(&self.keys[key].label).unwrap();
        self.rests.retain(|(index, _), _| *index != key);
        self.out[key] = false;
        self.revivals[key] += 1;
    }
}

fn day(now: Now) -> u64 {
    let since = now.wall.duration_since(SystemTime::UNIX_EPOCH).unwrap();
    since.as_secs() / 86_400
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn no_run_of_events_breaks_a_cap_or_a_rest_and_every_wait_is_true(
        rotation in rotation(),
        keys in keys(),
        steps in proptest::collection::vec(step(), 1..120),
    ) {
        let mut world = World::new(rotation, keys);
        for step in steps {
            world.take(step);
        }
        world.held.clear();
        let status = world.pool.status(world.clock.now);
        prop_assert!(status.iter().all(|key| key.in_flight.used == 0));
        let states = world.states.clone();
        drop(world);
        prop_assert_eq!(states.held(), 0);
    }

    #[test]
    fn weights_hold_exactly_over_a_full_turn(weights in proptest::collection::vec(1u32..20, 1..6), turns in 1usize..4) {
        let clock = Clock::new();
        let keys: Vec<_> = (0..)
            .zip(&weights)
            .map(|(index, weight)| weighted_key(&format!("k{index}"), *weight))
            .collect();
        let pool = pool(Rotation::Weighted, &keys);
        let total: u32 = weights.iter().sum();
        for _ in 0..turns {
            let mut counts = vec![0; weights.len()];
            for _ in 0..total {
                counts[lease(&pool, MODEL, clock.now).index()] += 1;
            }
            prop_assert_eq!(&counts, &weights);
        }
    }
}
