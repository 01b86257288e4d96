//! The keys of one upstream under one configuration, and which of them is next.

use std::cmp::Ordering;
use std::collections::HashMap;
use std::fmt;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use crate::config::{KeyCaps, KeyCooldown, ModelPattern, Rotation, UpstreamKey};

use super::Now;
use super::fingerprint::Fingerprint;
use super::lease::Lease;
use super::state::{Bounds, KeyState, Standing};
use super::states::{KeyStates, Table};

/// After what time to ask again for a key whose only trouble is that it is at its concurrency cap: nobody knows when an
/// exchange ends.
pub const BUSY_RETRY: Duration = Duration::from_millis(50);

/// The keys of one upstream under one configuration. Indices are those of the configuration's keys.
pub struct KeyPool {
    rotation: Rotation,
    pub(super) cooldown: KeyCooldown,
    pub(super) keys: Vec<PoolKey>,
    has_allow_lists: bool,
    pub(super) states: KeyStates,
}

/// What the configuration says of a key, but its secret.
pub(super) struct PoolKey {
    pub(super) label: String,
    pub(super) fingerprint: String,
    pub(super) slot: usize,
    pub(super) weight: u32,
    pub(super) expires: Option<SystemTime>,
    pub(super) caps: KeyCaps,
    models: Vec<ModelPattern>,
}

/// What [`KeyPool::choose`] found.
#[derive(Debug)]
pub enum Choice {
    /// This one; it is reserved.
    Key(Lease),
    /// All that may serve the model rest or are at a cap. The first is back in `soonest`, if nothing else happens; where
    /// all that it needs is the end of an exchange, after [`BUSY_RETRY`].
    Wait { soonest: Duration },
    /// None may serve the model, and waiting does not change it.
    None(Why),
    /// The upstream has no keys, and needs none.
    NotNeeded,
}

/// Why no key may serve a model.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Why {
    /// The allow-list of no key has it.
    NotAllowed,
    /// Those that have it are refused by the upstream (401, 403), expired, or expire before they could be used again.
    AllOut,
}

impl KeyPool {
    /// A pool of `keys` with what `states` knows of them. A key that the upstream refused is tried again where its
    /// configuration has changed.
    pub fn new(
        rotation: Rotation,
        cooldown: KeyCooldown,
        keys: &[UpstreamKey],
        states: &KeyStates,
    ) -> Arc<KeyPool> {
        let fingerprints: Vec<_> = keys
            .iter()
            .map(|key| Fingerprint::of(&key.secret))
            .collect();
        let mut forms: HashMap<Fingerprint, u64> = HashMap::new();
        for (key, fingerprint) in keys.iter().zip(&fingerprints) {
            // Keys with the same secret are one key to the upstream, and share what is known of it.
            let sum = forms.entry(*fingerprint).or_default();
            *sum = sum.wrapping_add(form(key));
        }
        let mut table = states.lock();
        let keys: Vec<_> = keys
            .iter()
            .zip(fingerprints)
            .map(|(key, fingerprint)| PoolKey {
                label: key.label.clone(),
                fingerprint: fingerprint.shown(),
                slot: table.hold(fingerprint, forms[&fingerprint]),
                weight: key.weight,
                expires: key.expires,
                caps: key.caps.clone(),
                models: key.models.clone(),
            })
            .collect();
        drop(table);
        Arc::new(KeyPool {
            rotation,
            cooldown,
            has_allow_lists: keys.iter().any(|key| !key.models.is_empty()),
            keys,
            states: states.clone(),
        })
    }

    /// The next key for `model` (as the upstream calls it), reserved in the same step: its concurrency, its request of the
    /// minute and of the quota. All or nothing, and exact however many ask at once.
    pub fn choose(self: &Arc<Self>, model: &str, now: Now) -> Choice {
        if self.keys.is_empty() {
            return Choice::NotNeeded;
        }
        // Patterns are matched before the lock, and only where there are any.
        let allowed: Vec<bool> = match self.has_allow_lists {
            true => self.keys.iter().map(|key| key.allows(model)).collect(),
            false => Vec::new(),
        };
        if self.has_allow_lists && !allowed.contains(&true) {
            return Choice::None(Why::NotAllowed);
        }
        let mut table = self.states.lock();
        match self.survey(&mut table, Some(model), &allowed, now) {
            Survey {
                next: Some(next), ..
            } => {
                self.take_turn(&mut table, next.index);
                Choice::Key(self.lease(&mut table, next.index, now))
            }
            Survey {
                soonest: Some(soonest),
                ..
            } => Choice::Wait { soonest },
            Survey { .. } => Choice::None(Why::AllOut),
        }
    }

    /// The key that would be next, without reserving anything. Where none is ready, the first that is neither out nor expired;
    /// where there is no such key, the first.
    pub fn best_known(&self, now: Now) -> Option<usize> {
        if self.keys.is_empty() {
            return None;
        }
        let mut table = self.states.lock();
        let survey = self.survey(&mut table, None, &[], now);
        let mut may_be_back = |key: &PoolKey| {
            let standing = table.state(key.slot).standing(key.bounds(), None, now);
            standing != Standing::Never
        };
        let next = survey.next.map(|next| next.index);
        Some(
            next.or_else(|| self.keys.iter().position(&mut may_be_back))
                .unwrap_or(0),
        )
    }

    /// How many keys it has.
    pub fn len(&self) -> usize {
        self.keys.len()
    }

    pub fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }

    /// Looks at every key and finds the next, without taking it. `allowed` is by index; empty, it allows all.
    pub(super) fn survey(
        &self,
        table: &mut Table,
        model: Option<&str>,
        allowed: &[bool],
        now: Now,
    ) -> Survey {
        let mut survey = Survey::default();
        for (index, key) in self.keys.iter().enumerate() {
            let is_allowed = allowed.get(index).copied().unwrap_or(true);
            let state = table.state(key.slot);
            let standing = match is_allowed {
                true => state.standing(key.bounds(), model, now),
                false => Standing::Never,
            };
            state.turn.is_ready = standing == Standing::Ready;
            match standing {
                Standing::Ready => survey.consider(self.candidate(index, key, state, model, now)),
                Standing::In(wait) => survey.consider_wait(wait),
                Standing::Never => {}
            }
            if self.rotation == Rotation::Failover && survey.has_unpassed {
                // None further down could come before it.
                break;
            }
        }
        survey
    }

    fn candidate(
        &self,
        index: usize,
        key: &PoolKey,
        state: &mut KeyState,
        model: Option<&str>,
        now: Now,
    ) -> Candidate {
        let none = Candidate {
            index,
            is_passed_over: state.turn.is_passed_over,
            merit: 0.0,
            last: 0,
        };
        match self.rotation {
            Rotation::Failover => none,
            Rotation::LeastUsed => Candidate {
                merit: state.headroom(&key.caps, model, now),
                last: state.turn.last,
                ..none
            },
            // An operator who passes a key over takes its turn, not its place.
            Rotation::RoundRobin | Rotation::Weighted => Candidate {
                is_passed_over: false,
                merit: (state.turn.credit + self.share(key)) as f64,
                ..none
            },
        }
    }

    /// Writes down that it is the turn of `index`, among the keys that the survey just found ready.
    ///
    /// Smooth weighted round robin: every key that can be used earns its share, and the one whose turn it is pays for all.
    /// One that cannot be used earns nothing, so that it has no claim on a run of turns when it is back.
    pub(super) fn take_turn(&self, table: &mut Table, index: usize) {
        table.turns += 1;
        let turns = table.turns;
        let mut earned = 0;
        if self.has_shares() {
            for key in &self.keys {
                let turn = &mut table.state(key.slot).turn;
                if turn.is_ready {
                    turn.credit += self.share(key);
                    earned += self.share(key);
                }
            }
        }
        let turn = &mut table.state(self.keys[index].slot).turn;
        turn.credit -= earned;
        turn.last = turns;
    }

    pub(super) fn has_shares(&self) -> bool {
        matches!(self.rotation, Rotation::RoundRobin | Rotation::Weighted)
    }

    fn share(&self, key: &PoolKey) -> i64 {
        match self.rotation {
            Rotation::Weighted => i64::from(key.weight),
            _ => 1,
        }
    }

    fn lease(self: &Arc<Self>, table: &mut Table, index: usize, now: Now) -> Lease {
        let key = &self.keys[index];
        let state = table.state(key.slot);
        let ticket = state.reserve(&key.caps, now);
        Lease::new(self.clone(), index, now.instant, state.revision, ticket)
    }
}

impl Drop for KeyPool {
    fn drop(&mut self) {
        let mut table = self.states.lock();
        for key in &self.keys {
            table.release(key.slot);
        }
    }
}

/// Labels and fingerprints.
impl fmt::Debug for KeyPool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let keys = self.keys.iter().map(|key| (&key.label, &key.fingerprint));
        f.debug_map().entries(keys).finish()
    }
}

impl PoolKey {
    pub(super) fn bounds(&self) -> Bounds<'_> {
        Bounds {
            expires: self.expires,
            caps: &self.caps,
        }
    }

    fn allows(&self, model: &str) -> bool {
        self.models.is_empty() || self.models.iter().any(|pattern| pattern.matches(model))
    }
}

/// What a look at every key has found.
#[derive(Debug, Default)]
pub(super) struct Survey {
    /// Whose turn it is.
    pub(super) next: Option<Candidate>,
    /// A key that can be used has not been passed over.
    pub(super) has_unpassed: bool,
    /// How long until the first of those that cannot be used now.
    soonest: Option<Duration>,
}

impl Survey {
    fn consider(&mut self, candidate: Candidate) {
        self.has_unpassed |= !candidate.is_passed_over;
        if self.next.is_none_or(|next| candidate.is_before(&next)) {
            self.next = Some(candidate);
        }
    }

    fn consider_wait(&mut self, wait: Duration) {
        self.soonest = Some(self.soonest.map_or(wait, |soonest| soonest.min(wait)));
    }
}

/// A key that can be used, and what speaks for it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Candidate {
    pub(super) index: usize,
    is_passed_over: bool,
    merit: f64,
    /// Its latest turn: among equals, the one that has waited longest is next.
    last: u64,
}

impl Candidate {
    /// Of equals the first in the file stays.
    fn is_before(&self, other: &Candidate) -> bool {
        let order = self
            .is_passed_over
            .cmp(&other.is_passed_over)
            .then(other.merit.total_cmp(&self.merit))
            .then(self.last.cmp(&other.last));
        order == Ordering::Less
    }
}

/// Stands for everything that the configuration says of a key but its secret.
fn form(key: &UpstreamKey) -> u64 {
    let mut hasher = DefaultHasher::new();
    let KeyCaps {
        requests_per_minute,
        tokens_per_minute,
        concurrency,
        quota,
    } = &key.caps;
    (&key.label, key.weight, key.expires).hash(&mut hasher);
    (requests_per_minute, tokens_per_minute, concurrency).hash(&mut hasher);
    let quota = quota
        .as_ref()
        .map(|quota| (quota.requests, quota.tokens, quota.period as u8));
    quota.hash(&mut hasher);
    for pattern in &key.models {
        pattern.text().hash(&mut hasher);
    }
    hasher.finish()
}
