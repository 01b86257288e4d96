//! The signatures that have been used, for as long as they would be taken again. Fixed room: when it is full, none is taken
//! on trust.

use std::collections::{HashSet, VecDeque};
use std::time::{Duration, SystemTime};

use parking_lot::Mutex;
use ring::digest::{Context, SHA256};

use super::super::moment::Moment;
use super::SignatureFault;

const SHARDS: usize = 16;

/// What is left of a nonce: half a hash of it and its key's id.
type Trace = [u8; 16];

/// Used signatures.
#[derive(Debug)]
pub struct Replays {
    window: Duration,
    shard_entries_max: usize,
    shards: [Mutex<Shard>; SHARDS],
}

#[derive(Debug, Default)]
struct Shard {
    seen: HashSet<Trace>,
    /// When each may be forgotten, in the order of their coming. One that is kept behind a later one is kept a little longer.
    order: VecDeque<(u64, Trace)>,
}

impl Replays {
    /// `window` is how far a signature's time may be from now, either way; `entries_max` how many used ones are remembered.
    pub fn new(window: Duration, entries_max: usize) -> Replays {
        Replays {
            window,
            shard_entries_max: entries_max.div_ceil(SHARDS).max(1),
            shards: Default::default(),
        }
    }

    pub fn window(&self) -> Duration {
        self.window
    }

    /// Remembered ones.
    pub fn len(&self) -> usize {
        self.shards
            .iter()
            .map(|shard| shard.lock().seen.len())
            .sum()
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Remembers a signature.
    ///
    /// # Errors
    /// [`SignatureFault::Replayed`] if it is remembered already, [`SignatureFault::Full`] if there is no room.
    pub(super) fn first(
        &self,
        key_id: &str,
        nonce: &str,
        at: u64,
        now: SystemTime,
    ) -> Result<(), SignatureFault> {
        let now = Moment::from(now).unix();
        let trace = trace(key_id, nonce);
        let mut shard = self.shards[usize::from(trace[15]) % SHARDS].lock();
        shard.forget(now);
        if shard.seen.contains(&trace) {
            return Err(SignatureFault::Replayed);
        }
        if shard.seen.len() >= self.shard_entries_max {
            return Err(SignatureFault::Full);
        }
        shard.seen.insert(trace);
        let until = at.saturating_add(self.window.as_secs());
        shard.order.push_back((until, trace));
        Ok(())
    }
}

impl Shard {
    fn forget(&mut self, now: u64) {
        while let Some((until, trace)) = self.order.front()
            && *until < now
        {
            self.seen.remove(trace);
            self.order.pop_front();
        }
    }
}

fn trace(key_id: &str, nonce: &str) -> Trace {
    let mut context = Context::new(&SHA256);
    context.update(key_id.as_bytes());
    context.update(&[0]);
    context.update(nonce.as_bytes());
    let mut trace = [0; 16];
    trace.copy_from_slice(&context.finish().as_ref()[..16]);
    trace
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_secs(seconds)
    }

    #[test]
    fn the_room_is_fixed_and_comes_free_with_time() {
        let replays = Replays::new(Duration::from_secs(60), 160);
        let mut taken = 0;
        for count in 0..10_000 {
            match replays.first("k", &count.to_string(), 1000, at(1000)) {
                Ok(()) => taken += 1,
                Err(fault) => assert_eq!(fault, SignatureFault::Full),
            }
        }
        assert_eq!((taken, replays.len()), (160, 160));
        // To the last second of the window it is remembered, after it forgotten.
        assert_eq!(
            replays.first("k", "x", 1000, at(1060)),
            Err(SignatureFault::Full)
        );
        let mut taken = 0;
        for count in 0..1000 {
            taken += u32::from(
                replays
                    .first("k", &count.to_string(), 1061, at(1061))
                    .is_ok(),
            );
        }
        assert_eq!((taken, replays.len()), (160, 160));
    }
}
