//! What was taken within the last span of time, so that **no span of that length ever holds more than the limit**.
//!
//! Takings are kept in slices of time: takings of one slice become one entry with the time of the last of them, and leave
//! together a span after it. So an amount counts at most one slice longer than it must, and never a moment shorter: the error is
//! on the side of refusing. A slice is a power of two of nanoseconds: 67 ms of a second (6.7 %), 4.3 s of a minute (7.2 %),
//! 73 minutes of a day (5.1 %). A burst within one slice leaves exactly a span after its last taking.
//! Nothing here knows the limit, nor what is counted.

use std::collections::VecDeque;

use crate::terms::Per;

/// What one entry may hold; sums of all entries fit 64 bits.
pub(super) const AMOUNT_MAX: u64 = 1 << 59;

/// Amounts taken within one span, in order of time.
#[derive(Debug, Clone, Default)]
pub(super) struct Sliding {
    /// Of all entries.
    total: u64,
    /// The entry of the latest slice, kept here so that a meter that is seldom used allocates nothing.
    newest: Entry,
    /// The others, oldest first; at most as many as slices touch a span.
    older: Option<Box<Older>>,
}

#[derive(Debug, Clone, Default)]
struct Older {
    entries: VecDeque<Entry>,
}

#[derive(Debug, Default, Clone, Copy)]
struct Entry {
    /// Of the last taking, in nanoseconds.
    last: u64,
    amount: u64,
}

/// A slice of each span, as a power of two of nanoseconds.
fn slice_bits(per: Per) -> u32 {
    match per {
        Per::Second => 26,
        Per::Minute => 32,
        Per::Day => 42,
    }
}

/// The span in nanoseconds.
pub(super) fn span_nanos(per: Per) -> u64 {
    match per {
        Per::Second => 1_000_000_000,
        Per::Minute => 60_000_000_000,
        Per::Day => 86_400_000_000_000,
    }
}

impl Sliding {
    /// What counts at `now`; entries that are over are taken out.
    pub(super) fn total(&mut self, per: Per, now: u64) -> u64 {
        let span = span_nanos(per);
        if self.newest.last + span <= now {
            self.total = 0;
            self.newest = Entry::default();
            if let Some(older) = &mut self.older {
                older.entries.clear();
            }
        }
        if let Some(older) = &mut self.older {
            while let Some(first) = older
                .entries
                .front()
                .filter(|first| first.last + span <= now)
            {
                self.total -= first.amount;
                older.entries.pop_front();
            }
        }
        self.total
    }

    /// Takes an amount, whatever the limit; [`Sliding::total`] was asked for the same moment before.
    pub(super) fn take(&mut self, per: Per, now: u64, amount: u64) {
        let bits = slice_bits(per);
        if self.newest.amount == 0 {
            self.newest.last = now;
        } else if self.newest.last >> bits != now >> bits {
            let older = self.older.get_or_insert_default();
            older.entries.push_back(self.newest);
            self.newest = Entry {
                last: now,
                amount: 0,
            };
        }
        let amount = amount.min(AMOUNT_MAX - self.newest.amount);
        self.newest.last = self.newest.last.max(now);
        self.newest.amount += amount;
        self.total += amount;
    }

    /// Gives back a part of what was taken at `taken`, into the slice that it was taken from; nothing where that is over.
    pub(super) fn give_back(&mut self, per: Per, taken: u64, amount: u64) {
        let bits = slice_bits(per);
        let is_there = |entry: &&mut Entry| entry.last >> bits == taken >> bits;
        let older = self.older.iter_mut();
        let mut entries = older.flat_map(|older| older.entries.iter_mut().rev());
        let newest = Some(&mut self.newest).filter(is_there);
        if let Some(entry) = newest.or_else(|| entries.find(is_there)) {
            let amount = amount.min(entry.amount);
            entry.amount -= amount;
            self.total -= amount;
        }
    }

    /// When no more than `most` will count, if nothing else is taken.
    pub(super) fn falls_to(&self, per: Per, most: u64) -> u64 {
        if most == 0 && self.newest.amount > 0 {
            return self.newest.last + span_nanos(per); // asked for each answer
        }
        let mut left = self.total;
        let mut at = 0;
        for entry in self.entries() {
            if left <= most {
                break;
            }
            left -= entry.amount;
            at = entry.last + span_nanos(per);
        }
        at
    }

    fn entries(&self) -> impl Iterator<Item = &Entry> {
        let older = self.older.iter().flat_map(|older| &older.entries);
        older.chain([&self.newest])
    }
}
