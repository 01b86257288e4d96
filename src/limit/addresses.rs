//! Limits of addresses, counted in count–min sketches: a fixed memory, whoever comes.
//!
//! Each rate has a ring of sketches, one for a slice of time; a slice counts until a span after its end. All addresses share the
//! counters of a sketch, [`ROWS`] for each address, the smallest of which is its count. So a count may be too high, never too low:
//! it is exact unless all four of an address's counters are shared with others of the same slice. With `n` other addresses in a
//! slice that happens with the chance (1 − e^(−n/16384))⁴: to one in 80,000 with 1,000 others, one in 23 with 10,000. Beyond 50,000
//! addresses a slice, counts are useless, and the bound is in effect one on all of them together.
//! Slices are coarser than those of exact meters: an eighth of a second, a seventh of a minute, a tenth of a day longer than must be.
//!
//! The sketches are pingora-limits' `Estimator`. Its `Rate` reads the clock itself, forgets at fixed times, so that twice the limit
//! passes about them, and has 1,024 counters in a row; its `Inflight` has no common lock with other meters, that the one step needs.
//! A token bucket is counted as a sliding window, which is stricter.

use std::net::{IpAddr, Ipv6Addr};
use std::time::Instant;

use parking_lot::{Mutex, MutexGuard};
use pingora_limits::estimator::Estimator;

use super::clock::tick;
use super::meter::{Held, Lot, Taken};
use super::rate::{Amounts, Left};
use super::sliding::{AMOUNT_MAX, span_nanos};
use crate::terms::{Limits, Per, Rule, Window};

/// Counters that an address has in each sketch.
const ROWS: usize = 4;
/// Counters in each row: 8 bytes each, so half a MiB a sketch.
const COUNTERS: usize = 16_384;

/// An IPv4 address, or the first 64 bits of an IPv6 one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum NetworkId {
    V4(u32),
    V6(u64),
}

impl From<IpAddr> for NetworkId {
    fn from(address: IpAddr) -> NetworkId {
        match address.to_canonical() {
            IpAddr::V4(address) => NetworkId::V4(address.to_bits()),
            IpAddr::V6(address) => NetworkId::V6((address.to_bits() >> 64) as u64),
        }
    }
}

impl NetworkId {
    /// As operators write it.
    pub(super) fn address(self) -> IpAddr {
        match self {
            NetworkId::V4(bits) => IpAddr::V4(bits.into()),
            NetworkId::V6(bits) => IpAddr::V6(Ipv6Addr::from_bits(u128::from(bits) << 64)),
        }
    }
}

/// The sketches of all addresses, behind one lock that is only taken where addresses have limits.
#[derive(Debug, Default)]
pub(super) struct Addresses {
    limits: Mutex<AddressLimits>,
}

impl Addresses {
    pub(super) fn lock(&self) -> MutexGuard<'_, AddressLimits> {
        self.limits.lock()
    }

    /// Changes the limits; counts of rates that stay are kept.
    pub(super) fn set(&self, limits: &Limits, now: Instant) {
        let mut all = self.lock();
        let now = all.turn_to(tick(now));
        all.set(limits, now);
    }
}

#[derive(Default)]
pub(super) struct AddressLimits {
    rates: Vec<SketchRate>,
    running: Option<Estimator>,
    pub concurrency: Option<u32>,
    pub held: Held,
    now: u64,
    revision: u32,
}

impl std::fmt::Debug for AddressLimits {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut debug = formatter.debug_struct("AddressLimits");
        debug.field("held", &self.held).finish_non_exhaustive()
    }
}

impl AddressLimits {
    pub(super) fn turn_to(&mut self, now: u64) -> u64 {
        self.now = self.now.max(now);
        self.now
    }

    pub(super) fn bounds(&self) -> bool {
        self.concurrency.is_some() || !self.rates.is_empty()
    }

    pub(super) fn has(&self, limits: &Limits) -> bool {
        let rules = limits.rules().map(sliding);
        let bound = limits.concurrency.and_then(|it| u32::try_from(it).ok());
        self.concurrency == bound && self.rates.iter().map(|rate| rate.rule).eq(rules)
    }

    fn set(&mut self, limits: &Limits, now: u64) {
        if self.has(limits) {
            return;
        }
        self.revision = self.revision.wrapping_add(1);
        self.concurrency = limits.concurrency.and_then(|it| u32::try_from(it).ok());
        if self.running.is_none() {
            self.running = Some(Estimator::new(ROWS, COUNTERS));
        }
        let mut old = std::mem::take(&mut self.rates);
        for rule in limits.rules().map(sliding) {
            let is_same =
                |rate: &SketchRate| rate.rule.measure == rule.measure && rate.rule.per == rule.per;
            let mut rate = match old.iter().position(is_same) {
                Some(at) => old.swap_remove(at),
                None => SketchRate::new(rule, self.revision, now),
            };
            rate.rule = rule;
            self.rates.push(rate);
        }
    }

    pub(super) fn rates(&mut self) -> impl Iterator<Item = &mut SketchRate> {
        self.rates.iter_mut()
    }

    pub(super) fn running(&self, network: NetworkId) -> u32 {
        let count = self.running.as_ref().map_or(0, |it| it.get(network));
        u32::try_from(count.max(0)).unwrap_or(u32::MAX)
    }

    pub(super) fn take(&mut self, network: NetworkId, amounts: &Amounts, now: u64) -> Lot {
        self.held.add(amounts);
        self.run(network, i64::from(amounts.exchanges()));
        for rate in &mut self.rates {
            rate.add(network, amounts.of(rate.rule.measure), now);
        }
        Lot {
            taken: Taken {
                at: now,
                revision: self.revision,
                from_budget: false,
                from_balance: false,
            },
            amounts: *amounts,
        }
    }

    pub(super) fn shrink(&mut self, network: NetworkId, taken: &Taken, by: &Amounts) {
        self.held.subtract(by);
        for rate in self.rates_of(taken) {
            rate.give_back(network, by.of(rate.rule.measure), taken.at);
        }
    }

    pub(super) fn settle(&mut self, network: NetworkId, lot: &Lot, truth: &Amounts, now: u64) {
        let now = self.turn_to(now);
        self.held.subtract(&lot.amounts);
        self.run(network, -i64::from(lot.amounts.exchanges()));
        for rate in self.rates_of(&lot.taken) {
            let measure = rate.rule.measure;
            let (reserved, used) = (lot.amounts.of(measure), truth.of(measure));
            rate.give_back(network, reserved.saturating_sub(used), lot.taken.at);
            rate.add(network, used.saturating_sub(reserved), now);
        }
    }

    fn rates_of(&mut self, taken: &Taken) -> impl Iterator<Item = &mut SketchRate> {
        let revision = taken.revision;
        let rates = self.rates.iter_mut();
        rates.filter(move |rate| rate.since <= revision)
    }

    fn run(&self, network: NetworkId, change: i64) {
        if let Some(running) = self.running.as_ref().filter(|_| change != 0) {
            running.incr(network, change as isize);
        }
    }
}

/// One rate of all addresses.
pub(super) struct SketchRate {
    pub rule: Rule,
    since: u32,
    slices: Box<[Slice]>,
}

struct Slice {
    /// Which slice of time it counts.
    number: u64,
    counts: Estimator,
}

/// A slice of each span, as a power of two of nanoseconds.
fn slice_bits(per: Per) -> u32 {
    match per {
        Per::Second => 27,
        Per::Minute => 33,
        Per::Day => 43,
    }
}

fn sliding(rule: Rule) -> Rule {
    Rule {
        window: Window::Sliding,
        ..rule
    }
}

impl SketchRate {
    fn new(rule: Rule, since: u32, now: u64) -> SketchRate {
        let bits = slice_bits(rule.per);
        // As many as can touch a span.
        let count = (span_nanos(rule.per) >> bits) + 2;
        let slice = |_| Slice {
            number: now >> bits,
            counts: Estimator::new(ROWS, COUNTERS),
        };
        SketchRate {
            rule,
            since,
            slices: (0..count).map(slice).collect(),
        }
    }

    pub(super) fn admits(&self, network: NetworkId, units: u64, now: u64) -> bool {
        units == 0 || self.used(network, now).saturating_add(units) <= self.rule.amount
    }

    /// Nanoseconds until so many units are free; none where they are more than the limit.
    pub(super) fn wait(&self, network: NetworkId, units: u64, now: u64) -> Option<u64> {
        let most = self.rule.amount.checked_sub(units)?;
        Some(self.falls_to(network, most, now).saturating_sub(now))
    }

    pub(super) fn left(&self, network: NetworkId, now: u64) -> Left {
        let used = self.used(network, now);
        Left {
            limit: self.rule.amount,
            remaining: self.rule.amount.saturating_sub(used),
            reset: self.falls_to(network, 0, now).saturating_sub(now),
        }
    }

    fn used(&self, network: NetworkId, now: u64) -> u64 {
        let counts = self.counted(now).map(|slice| count(slice, network));
        counts.fold(0, u64::saturating_add)
    }

    /// When no more than `most` will count.
    fn falls_to(&self, network: NetworkId, most: u64, now: u64) -> u64 {
        let mut counted: Vec<&Slice> = self.counted(now).collect();
        counted.sort_unstable_by_key(|slice| slice.number);
        let mut left = self.used(network, now);
        let mut at = now;
        for slice in counted {
            if left <= most {
                break;
            }
            left = left.saturating_sub(count(slice, network));
            at = self.end(slice);
        }
        at
    }

    fn counted(&self, now: u64) -> impl Iterator<Item = &Slice> {
        let slices = self.slices.iter();
        slices.filter(move |slice| self.end(slice) > now)
    }

    /// When a slice stops to count.
    fn end(&self, slice: &Slice) -> u64 {
        let per = self.rule.per;
        ((slice.number + 1) << slice_bits(per)) + span_nanos(per)
    }

    fn add(&mut self, network: NetworkId, units: u64, now: u64) {
        if units == 0 {
            return;
        }
        let slice = self.slice(now);
        let number = now >> slice_bits(self.rule.per);
        let slice = &mut self.slices[slice];
        if slice.number != number {
            slice.counts.reset();
            slice.number = number;
        }
        slice.counts.incr(network, signed(units));
    }

    fn give_back(&self, network: NetworkId, units: u64, taken: u64) {
        let slice = &self.slices[self.slice(taken)];
        if units > 0 && slice.number == taken >> slice_bits(self.rule.per) {
            slice.counts.decr(network, signed(units));
        }
    }

    fn slice(&self, at: u64) -> usize {
        let number = at >> slice_bits(self.rule.per);
        usize::try_from(number % self.slices.len() as u64).unwrap_or(0)
    }
}

fn count(slice: &Slice, network: NetworkId) -> u64 {
    u64::try_from(slice.counts.get(network)).unwrap_or(0)
}

/// As the sketch counts; the sum of many stays within its numbers.
fn signed(units: u64) -> isize {
    isize::try_from(units.min(AMOUNT_MAX / 1024)).unwrap_or(isize::MAX)
}
