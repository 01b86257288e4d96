//! The use of a key by one attempt. It must not know which key is next.

use std::fmt;
use std::sync::Arc;
use std::time::Instant;

use http::HeaderMap;

use super::Now;
use super::pool::{KeyPool, PoolKey};
use super::reported::Reported;
use super::state::{Answered, Ticket};
use super::verdict::{KeyVerdict, said};

/// A key that is in use. Dropping it gives back its place among the key's concurrent exchanges, and nothing else.
pub struct Lease {
    pool: Arc<KeyPool>,
    index: usize,
    taken: Instant,
    /// How often the key had been revived when it was taken.
    revision: u32,
    ticket: Ticket,
    /// What has been settled of it.
    tokens: u64,
}

impl Lease {
    pub(super) fn new(
        pool: Arc<KeyPool>,
        index: usize,
        taken: Instant,
        revision: u32,
        ticket: Ticket,
    ) -> Lease {
        Lease {
            pool,
            index,
            taken,
            revision,
            ticket,
            tokens: 0,
        }
    }

    /// The key's index in the configuration.
    pub fn index(&self) -> usize {
        self.index
    }

    /// Names the key in logs and metrics.
    pub fn label(&self) -> &str {
        &self.key().label
    }

    /// Names the secret: eight hexadecimal digits.
    pub fn fingerprint(&self) -> &str {
        &self.key().fingerprint
    }

    /// Settles the tokens that the exchange has used so far, input and output together. A later figure replaces an earlier.
    ///
    /// Tokens are known only after the fact: they count from now on, and a key that they bring over its cap rests then.
    pub fn tokens(&mut self, so_far: u64, now: Now) {
        let more = so_far.saturating_sub(self.tokens);
        if more > 0 {
            self.tokens = so_far;
            let key = &self.pool.keys[self.index];
            let mut table = self.pool.states.lock();
            table.state(key.slot).count_tokens(&key.caps, more, now);
        }
    }

    /// The request has not reached the upstream: its count in the minute and the quota is taken back.
    pub fn unsent(self) {
        let ticket = self.ticket;
        let slot = self.key().slot;
        self.pool.states.lock().state(slot).take_back(ticket);
    }

    /// Takes in what the upstream answered: the rate-limit headers of every answer, and what a refusal means for the key.
    ///
    /// `error_code` is the `error.code` of the body, or its `error.type` where that is missing or a number. `model` is the
    /// model that the key was chosen for. `chance`, in [0, 1), is the jitter of a rest whose length the upstream leaves open.
    pub fn answered(
        &self,
        status: u16,
        headers: &HeaderMap,
        error_code: Option<&str>,
        model: &str,
        now: Now,
        chance: f64,
    ) -> KeyVerdict {
        let reported = Reported::read(headers, now);
        let said = said(status, headers, &reported, error_code, now);
        let answered = Answered {
            model,
            taken: self.taken,
            now: now.instant,
            chance,
            cooldown: &self.pool.cooldown,
        };
        let mut table = self.pool.states.lock();
        let state = table.state(self.key().slot);
        state.note_reported(model, reported, now.instant);
        match state.revision == self.revision {
            true => state.apply(said, &answered),
            // It was revived since; the operator knows better than an answer from before.
            false => KeyVerdict::Unaffected,
        }
    }

    fn key(&self) -> &PoolKey {
        &self.pool.keys[self.index]
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        let mut table = self.pool.states.lock();
        let state = table.state(self.pool.keys[self.index].slot);
        state.in_flight = state.in_flight.saturating_sub(1);
    }
}

impl fmt::Debug for Lease {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Lease")
            .field("label", &self.label())
            .field("fingerprint", &self.fingerprint())
            .finish_non_exhaustive()
    }
}
