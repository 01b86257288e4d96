//! Tokens that have been verified, by their SHA-256, until they end. Fixed room: the oldest goes first.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::Mutex;

use super::Grant;

const SHARDS: usize = 16;

#[derive(Debug)]
pub(super) struct Verified {
    shard_entries_max: usize,
    shards: [Mutex<Shard>; SHARDS],
    /// How often everything has been forgotten.
    age: AtomicU64,
}

#[derive(Debug, Default)]
struct Shard {
    grants: HashMap<[u8; 32], Arc<Grant>>,
    order: VecDeque<[u8; 32]>,
}

impl Verified {
    pub(super) fn new(entries_max: usize) -> Verified {
        Verified {
            shard_entries_max: entries_max.div_ceil(SHARDS),
            shards: Default::default(),
            age: AtomicU64::new(0),
        }
    }

    pub(super) fn age(&self) -> u64 {
        self.age.load(Ordering::Acquire)
    }

    pub(super) fn get(&self, hash: &[u8; 32], now: u64) -> Option<Arc<Grant>> {
        let shard = self.shard(hash).lock();
        let grant = shard.grants.get(hash)?;
        (now < grant.ends).then(|| grant.clone())
    }

    /// Remembers a token that was verified when everything had been forgotten `age` times.
    pub(super) fn remember(&self, hash: [u8; 32], grant: &Arc<Grant>, now: u64, age: u64) {
        let mut shard = self.shard(&hash).lock();
        if now >= grant.ends || self.age() != age {
            return;
        }
        if shard.grants.insert(hash, grant.clone()).is_none() {
            shard.order.push_back(hash);
        }
        while shard.order.len() > self.shard_entries_max {
            let oldest = shard.order.pop_front();
            oldest.and_then(|oldest| shard.grants.remove(&oldest));
        }
    }

    /// The number goes up first: whoever holds a shard's lock afterwards sees it and does not remember what is out of date.
    pub(super) fn forget_all(&self) {
        self.age.fetch_add(1, Ordering::AcqRel);
        for shard in &self.shards {
            *shard.lock() = Shard::default();
        }
    }

    fn shard(&self, hash: &[u8; 32]) -> &Mutex<Shard> {
        &self.shards[usize::from(hash[31]) % SHARDS]
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::scope::Scopes;
    use super::*;

    fn grant(ends: u64) -> Arc<Grant> {
        Arc::new(Grant {
            issuer: "i".into(),
            tenant: None,
            default_tenant: None,
            project: None,
            user: "u".into(),
            subject: "u".into(),
            scopes: Scopes::default(),
            models: None,
            tags: Default::default(),
            ends,
        })
    }

    fn hash(count: u32) -> [u8; 32] {
        super::super::super::token::sha256(&count.to_be_bytes())
    }

    #[test]
    fn the_room_is_fixed_and_tokens_end() {
        let verified = Verified::new(64);
        for count in 0..10_000 {
            verified.remember(hash(count), &grant(100), 50, 0);
        }
        let held = (0..10_000).filter(|count| verified.get(&hash(*count), 99).is_some());
        assert_eq!(held.count(), 64);
        assert!(verified.get(&hash(9_999), 99).is_some());
        assert!(verified.get(&hash(9_999), 100).is_none());
    }

    #[test]
    fn what_was_verified_before_the_keys_changed_is_not_remembered() {
        let verified = Verified::new(64);
        verified.remember(hash(1), &grant(100), 50, 0);
        let age = verified.age();
        verified.forget_all();
        assert!(verified.get(&hash(1), 50).is_none());
        verified.remember(hash(2), &grant(100), 50, age);
        assert!(verified.get(&hash(2), 50).is_none());
        verified.remember(hash(2), &grant(100), 50, verified.age());
        assert!(verified.get(&hash(2), 50).is_some());
    }
}
