//! All meters by subject. They outlive configurations, and there are never more than a bound of those that may be forgotten.

use std::borrow::Borrow;
use std::collections::HashSet;
use std::hash::{Hash, Hasher};
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Instant, SystemTime};

use parking_lot::Mutex;

use super::addresses::{Addresses, NetworkId};
use super::clock::tick;
use super::meter::{Held, Meter, Terms};
use super::subject::Subject;
use super::tuned::{Tuned, is_given_up};
use crate::terms::Money;

const SHARDS: usize = 64;
/// Shards that are looked through at a time for meters that can go: a look at each of a hundred thousand takes a core 10 ms.
const SHARDS_AT_ONCE: usize = 2;
/// The share of a full shard that is made free at once, so that the search is paid for by many.
const FREED_SHARE: usize = 8;

/// The meters of all subjects.
///
/// At most so many meters as were agreed are kept, not counting those in use and those with money (a budget that was spent from, a
/// balance), whose number is that of the exchanges that run and of what the store knows. Where there is no room, meters whose counts
/// have run out are dropped, then those that were used longest ago, and with them what they had counted.
#[derive(Debug)]
pub struct Meters {
    shards: Box<[Mutex<HashSet<Named>>]>,
    shard_meters_max: usize,
    /// The shards that were looked through for what can go, counted on.
    looked_through: AtomicUsize,
    addresses: Arc<Addresses>,
}

/// A meter that is found by its name.
#[derive(Debug)]
struct Named(Arc<Meter>);

impl Borrow<str> for Named {
    fn borrow(&self) -> &str {
        &self.0.name
    }
}

impl Hash for Named {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.0.name.hash(state);
    }
}

impl PartialEq for Named {
    fn eq(&self, other: &Named) -> bool {
        self.0.name == other.0.name
    }
}

impl Eq for Named {}

impl Meters {
    /// A registry of up to about `meters_max` meters (by shards of a 64th).
    pub fn new(meters_max: usize) -> Meters {
        Meters {
            shards: (0..SHARDS).map(|_| Mutex::default()).collect(),
            shard_meters_max: meters_max.div_ceil(SHARDS).max(FREED_SHARE),
            looked_through: AtomicUsize::new(0),
            addresses: Arc::default(),
        }
    }

    /// The meter of a subject, with these terms from now on; none where they bound nothing, which costs nothing.
    ///
    /// Whoever keeps the meter keeps it from being dropped.
    pub fn meter(
        &self,
        subject: &Subject<'_>,
        terms: Terms<'_>,
        now: Instant,
        wall: SystemTime,
    ) -> Option<Arc<Meter>> {
        let (meter, _) = self.tuned(subject, terms, now, wall)?;
        Some(meter)
    }

    /// The same, and what to keep so that it need not be looked for again.
    pub fn tuned(
        &self,
        subject: &Subject<'_>,
        terms: Terms<'_>,
        now: Instant,
        wall: SystemTime,
    ) -> Option<(Arc<Meter>, Tuned)> {
        if terms.is_empty() {
            return None;
        }
        let meter = match subject {
            Subject::Address(address) => self.address(*address),
            Subject::Global
            | Subject::Endpoint(_)
            | Subject::Upstream(_)
            | Subject::Model(_)
            | Subject::Tenant(_)
            | Subject::Project(..)
            | Subject::User(..)
            | Subject::Key(_) => self.named(subject, tick(now)),
        };
        let version = meter.tune(terms, now, wall);
        let tuned = Tuned::new(&meter, version);
        Some((meter, tuned))
    }

    /// The meter of a subject, where there is one. Addresses have none of their own.
    pub fn find(&self, subject: &Subject<'_>) -> Option<Arc<Meter>> {
        let name = name(subject);
        let shard = self.shard(&name).lock();
        shard.get(name.as_str()).map(|named| named.0.clone())
    }

    /// Everything that is reserved now: nothing, when no exchange runs. An exchange counts at each of its meters.
    pub fn held(&self) -> Held {
        let mut sum = self.addresses.lock().held;
        for shard in &self.shards {
            for named in shard.lock().iter() {
                let held = named.0.held();
                sum.exchanges += held.exchanges;
                sum.tokens = sum.tokens.saturating_add(held.tokens);
                sum.spend += held.spend;
            }
        }
        sum
    }

    /// Meters that are kept.
    pub fn count(&self) -> usize {
        self.shards.iter().map(|shard| shard.lock().len()).sum()
    }

    /// Drops the meters that nobody uses and whose counts have run out.
    pub fn drop_idle(&self, now: Instant) {
        let now = tick(now);
        self.shards.iter().for_each(|shard| tidy(shard, now));
    }

    /// The same for a part of them, another one each time; all have had their turn after [`Meters::DROPS_FOR_ALL`] calls. To be called
    /// now and then, from the background.
    pub fn drop_some_idle(&self, now: Instant) {
        let now = tick(now);
        let first = self
            .looked_through
            .fetch_add(SHARDS_AT_ONCE, Ordering::Relaxed);
        for number in first..first.wrapping_add(SHARDS_AT_ONCE) {
            tidy(&self.shards[number % SHARDS], now);
        }
    }

    /// Calls of [`Meters::drop_some_idle`] that all meters take.
    pub const DROPS_FOR_ALL: usize = SHARDS / SHARDS_AT_ONCE;

    fn address(&self, address: IpAddr) -> Arc<Meter> {
        let network = NetworkId::from(address);
        let name = name(&Subject::Address(network.address()));
        Arc::new(Meter::of_address(&name, network, self.addresses.clone()))
    }

    fn named(&self, subject: &Subject<'_>, now: u64) -> Arc<Meter> {
        let name = name(subject);
        let mut shard = self.shard(&name).lock();
        if let Some(named) = shard.get(name.as_str()) {
            return named.0.clone();
        }
        if shard.len() >= self.shard_meters_max {
            self.make_room(&mut shard, now);
        }
        let meter = Arc::new(Meter::new(&name));
        shard.insert(Named(meter.clone()));
        meter
    }

    /// Makes an eighth of the shard free, as far as that may be.
    #[expect(
        clippy::mutable_key_type,
        reason = "a meter is found by its name, which never changes"
    )]
    fn make_room(&self, shard: &mut HashSet<Named>, now: u64) {
        drop_idle(shard, now);
        let kept_max = self.shard_meters_max - self.shard_meters_max / FREED_SHARE;
        if shard.len() < kept_max {
            return;
        }
        let unused = shard.iter().filter(|named| is_unused(named));
        let mut used_at: Vec<u64> = unused
            .filter_map(|named| named.0.droppable_since())
            .collect();
        let dropped = (shard.len() - kept_max).min(used_at.len());
        let Some(last) = dropped.checked_sub(1) else {
            return;
        };
        let (_, newest_dropped, _) = used_at.select_nth_unstable(last);
        let newest_dropped = *newest_dropped;
        let mut left = dropped;
        shard.retain(|named| {
            let old = named.0.droppable_since().filter(|at| *at <= newest_dropped);
            let is_dropped = left > 0 && is_unused(named) && old.is_some() && is_given_up(&named.0);
            left -= usize::from(is_dropped);
            !is_dropped
        });
    }

    fn shard(&self, name: &str) -> &Mutex<HashSet<Named>> {
        // FNV-1a: it only spreads; the sets hash with keys of their own.
        let hash = name.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
        });
        // The last byte of a name tells in these bits, and not in those below.
        &self.shards[(hash >> 40) as usize % SHARDS]
    }
}

fn tidy(shard: &Mutex<HashSet<Named>>, now: u64) {
    let mut shard = shard.lock();
    drop_idle(&mut shard, now);
    // Not for a few: making the room again costs more than it takes.
    let count = shard.len();
    if count < shard.capacity() / 4 {
        shard.shrink_to(2 * count);
    }
}

fn name(subject: &Subject<'_>) -> String {
    let mut name = String::with_capacity(96);
    subject.write(&mut name);
    name
}

/// Whether the registry alone has it now. Who has kept it ([`Tuned`]) may come by it; others cannot, for the shard is locked.
fn is_unused(named: &Named) -> bool {
    Arc::strong_count(&named.0) == 1
}

#[expect(
    clippy::mutable_key_type,
    reason = "a meter is found by its name, which never changes"
)]
fn drop_idle(shard: &mut HashSet<Named>, now: u64) {
    shard.retain(|named| !(is_unused(named) && named.0.is_idle(now) && is_given_up(&named.0)));
}

impl Held {
    /// Whether nothing is reserved.
    pub fn is_nothing(&self) -> bool {
        *self
            == Held {
                exchanges: 0,
                tokens: 0,
                spend: Money::ZERO,
            }
    }
}
