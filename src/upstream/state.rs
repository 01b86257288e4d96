//! What is known of upstreams from running. It stands beside the snapshots, and outlives the configuration that named it.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Weak};
use std::time::Instant;

use arc_swap::ArcSwap;
use parking_lot::Mutex;
use tokio::sync::Notify;

use crate::config::{BaseUrl, Discovery, HealthSettings, Kind, Upstream, UpstreamStatus};

use super::Learnt;
use super::health::Health;
use super::keys::KeyStates;

/// The states of all upstreams, by name.
#[derive(Default)]
pub struct Registry {
    states: Mutex<HashMap<String, Known>>,
}

struct Known {
    kind: Kind,
    base: BaseUrl,
    state: Weak<State>,
}

impl Registry {
    /// The state of an upstream: what is known of it, as long as it is the same server, or a new one. States that nothing
    /// holds any more are forgotten.
    pub fn state(&self, upstream: &Upstream) -> Arc<State> {
        let mut states = self.states.lock();
        states.retain(|_, known| known.state.strong_count() > 0);
        let known = states
            .get(&upstream.name)
            .filter(|known| known.kind == upstream.kind && known.base == upstream.base);
        if let Some(state) = known.and_then(|known| known.state.upgrade()) {
            return state;
        }
        let state = Arc::new(State::default());
        let known = Known {
            kind: upstream.kind,
            base: upstream.base.clone(),
            state: Arc::downgrade(&state),
        };
        states.insert(upstream.name.clone(), known);
        state
    }
}

/// What is known of one upstream.
#[derive(Default)]
pub struct State {
    /// What the upstream's own list says; `None` until it has answered once.
    pub learnt: ArcSwap<Option<Learnt>>,
    /// Its models are to be learnt now: something has changed. One task at a time listens, that of the configuration in force.
    pub learn_now: Notify,
    /// Counts the times of learning, so that each asks another endpoint first.
    learn_turn: AtomicUsize,
    /// What is known of its keys.
    pub(super) keys: KeyStates,
    health: Mutex<HashMap<SocketAddr, Weak<Health>>>,
    last_found: Mutex<Option<LastFound>>,
    look_ups: Mutex<LookUps>,
    status_said: Mutex<Option<UpstreamStatus>>,
}

/// The addresses that were found last. The health of each lives with them, so that it survives a configuration that ends before
/// the next one has looked its addresses up. As many as are in use.
#[derive(Clone)]
pub(super) struct LastFound {
    /// Where they come from. Another source may not know of them.
    pub source: Discovery,
    /// When they are to be looked up again; `None`: never.
    pub due: Option<Instant>,
    pub endpoints: HashMap<SocketAddr, Arc<Health>>,
}

/// How looking the addresses up has gone.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LookUps {
    pub found: u64,
    pub failed: u64,
    /// Why the last one failed; `None` where it did not.
    pub problem: Option<String>,
}

impl State {
    /// What was found last in that source.
    pub(super) fn last_found(&self, source: &Discovery) -> Option<LastFound> {
        let last = self.last_found.lock();
        last.as_ref().filter(|last| last.source == *source).cloned()
    }

    pub(super) fn remember(&self, found: LastFound) {
        *self.last_found.lock() = Some(found);
    }

    /// Takes in how a look-up went: what was wrong, or nothing.
    pub(super) fn note_look_up(&self, problem: Option<String>) {
        let mut look_ups = self.look_ups.lock();
        match &problem {
            None => look_ups.found += 1,
            Some(_) => look_ups.failed += 1,
        }
        look_ups.problem = problem;
    }

    /// How looking the addresses up has gone so far. Addresses that are fixed are not looked up.
    pub fn look_ups(&self) -> LookUps {
        self.look_ups.lock().clone()
    }

    pub(super) fn next_learn_turn(&self) -> usize {
        self.learn_turn.fetch_add(1, Ordering::Relaxed)
    }

    /// The health of an address, known or new.
    pub(super) fn health(&self, address: SocketAddr, settings: &HealthSettings) -> Arc<Health> {
        let mut known = self.health.lock();
        known.retain(|_, health| health.strong_count() > 0);
        if let Some(health) = known.get(&address).and_then(Weak::upgrade) {
            health.set_settings(settings.clone());
            return health;
        }
        let health = Arc::new(Health::new(settings.clone(), Instant::now()));
        known.insert(address, Arc::downgrade(&health));
        health
    }

    /// What an operator said while weir runs; it holds until the upstream's configured status changes or weir ends.
    pub fn say_status(&self, status: Option<UpstreamStatus>) {
        *self.status_said.lock() = status;
    }

    pub fn status_said(&self) -> Option<UpstreamStatus> {
        *self.status_said.lock()
    }
}
