//! One rate of a meter: its rule and its count. Time comes in as nanoseconds that never go back.
//! It must not know whose it is, nor hold a lock.

use super::bucket::Bucket;
use super::sliding::{AMOUNT_MAX, Sliding};
use crate::terms::{Measure, Per, Rule, Window};

/// How much of each measure.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Amounts {
    pub requests: u64,
    pub input: u64,
    pub output: u64,
    /// Billionths.
    pub spend: u64,
    /// Of the spend, what a plan pays: no balance is asked for it.
    pub planned: u64,
}

impl Amounts {
    pub(super) fn of(&self, measure: Measure) -> u64 {
        match measure {
            Measure::Requests => self.requests,
            Measure::Tokens => self.tokens(),
            Measure::InputTokens => self.input,
            Measure::OutputTokens => self.output,
            Measure::Spend => self.spend,
        }
    }

    pub(super) fn tokens(&self) -> u64 {
        self.input.saturating_add(self.output)
    }

    /// What a balance pays, in billionths.
    pub(super) fn owed(&self) -> u64 {
        self.spend.saturating_sub(self.planned)
    }

    /// Places among the exchanges at once: one for a request.
    pub(super) fn exchanges(&self) -> u32 {
        u32::from(self.requests > 0)
    }

    /// The smaller of the two, measure by measure.
    pub(super) fn min(&self, other: &Amounts) -> Amounts {
        self.each(other, u64::min)
    }

    /// What is left without the other, measure by measure.
    pub(super) fn minus(&self, other: &Amounts) -> Amounts {
        self.each(other, u64::saturating_sub)
    }

    fn each(&self, other: &Amounts, with: impl Fn(u64, u64) -> u64) -> Amounts {
        Amounts {
            requests: with(self.requests, other.requests),
            input: with(self.input, other.input),
            output: with(self.output, other.output),
            spend: with(self.spend, other.spend),
            planned: with(self.planned, other.planned),
        }
    }
}

#[derive(Debug, Clone)]
pub(super) struct Rate {
    count: Count,
    amount: u64,
    /// The meter's revision at which it began to count; reservations of earlier ones took nothing from it.
    pub since: u32,
    pub measure: Measure,
    per: Per,
}

#[derive(Debug, Clone)]
enum Count {
    Sliding(Sliding),
    Bucket(Box<Bucket>),
}

/// What is left of a rate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Left {
    pub limit: u64,
    pub remaining: u64,
    /// Nanoseconds until all of it is there again.
    pub reset: u64,
}

impl Rate {
    pub(super) fn new(rule: &Rule, since: u32, now: u64) -> Rate {
        let amount = rule.amount.min(AMOUNT_MAX);
        Rate {
            count: Count::new(rule, amount, 0, now),
            amount,
            since,
            measure: rule.measure,
            per: rule.per,
        }
    }

    pub(super) fn rule(&self) -> Rule {
        Rule {
            measure: self.measure,
            per: self.per,
            amount: self.amount,
            window: match self.count {
                Count::Sliding(_) => Window::Sliding,
                Count::Bucket(_) => Window::TokenBucket,
            },
        }
    }

    /// Whether it counts the same over the same span.
    pub(super) fn is_for(&self, rule: &Rule) -> bool {
        self.measure == rule.measure && self.per == rule.per
    }

    /// Another amount or way to count; what was used stays used.
    pub(super) fn set(&mut self, rule: &Rule, now: u64) {
        let amount = rule.amount.min(AMOUNT_MAX);
        if self.rule().window != rule.window {
            let used = self.used(now);
            self.count = Count::new(rule, amount, used, now);
        } else if let Count::Bucket(bucket) = &mut self.count {
            bucket.set_limit(self.per, self.amount, amount, now);
        }
        self.amount = amount;
    }

    pub(super) fn admits(&mut self, units: u64, now: u64) -> bool {
        if units == 0 {
            return true; // what takes nothing of a measure is not held up by it
        }
        match &mut self.count {
            Count::Sliding(sliding) => {
                let total = sliding.total(self.per, now);
                total.saturating_add(units) <= self.amount
            }
            Count::Bucket(bucket) => {
                bucket.refill(self.per, self.amount, now);
                bucket.has(self.per, units)
            }
        }
    }

    /// Takes units, whether they are there or not.
    pub(super) fn take(&mut self, units: u64, now: u64) {
        let units = units.min(AMOUNT_MAX);
        match &mut self.count {
            _ if units == 0 => {}
            Count::Sliding(sliding) => sliding.take(self.per, now, units),
            Count::Bucket(bucket) => bucket.take(self.per, units),
        }
    }

    pub(super) fn give_back(&mut self, units: u64, taken: u64) {
        match &mut self.count {
            Count::Sliding(sliding) => sliding.give_back(self.per, taken, units),
            Count::Bucket(bucket) => bucket.give_back(self.per, self.amount, units),
        }
    }

    /// Puts the truth in the place of what was reserved at `taken`: what is less goes back, what is more is taken now and may
    /// leave a debt.
    pub(super) fn correct(&mut self, reserved: u64, truth: u64, taken: u64, now: u64) {
        if truth > reserved {
            self.used(now); // brought up to now
            self.take(truth - reserved, now);
        } else if truth < reserved {
            if let Count::Bucket(bucket) = &mut self.count {
                bucket.refill(self.per, self.amount, now);
            }
            self.give_back(reserved - truth, taken);
        }
    }

    /// Nanoseconds until so many units are free, if nothing else is taken; none where they are more than the limit.
    pub(super) fn wait(&mut self, units: u64, now: u64) -> Option<u64> {
        let most = self.amount.checked_sub(units)?;
        self.used(now);
        Some(match &self.count {
            Count::Sliding(sliding) => sliding.falls_to(self.per, most).saturating_sub(now),
            Count::Bucket(bucket) => bucket.wait(self.per, self.amount, units),
        })
    }

    pub(super) fn left(&mut self, now: u64) -> Left {
        let used = self.used(now);
        let (remaining, reset) = match &self.count {
            Count::Sliding(sliding) => (
                self.amount.saturating_sub(used),
                sliding.falls_to(self.per, 0).saturating_sub(now),
            ),
            Count::Bucket(bucket) => (
                bucket.units(self.per),
                bucket.wait(self.per, self.amount, self.amount),
            ),
        };
        Left {
            limit: self.amount,
            remaining,
            reset,
        }
    }

    /// Units that count against the limit at `now`.
    pub(super) fn used(&mut self, now: u64) -> u64 {
        match &mut self.count {
            Count::Sliding(sliding) => sliding.total(self.per, now),
            Count::Bucket(bucket) => {
                bucket.refill(self.per, self.amount, now);
                bucket.used(self.per, self.amount)
            }
        }
    }
}

impl Count {
    fn new(rule: &Rule, amount: u64, used: u64, now: u64) -> Count {
        match rule.window {
            Window::Sliding => {
                let mut sliding = Sliding::default();
                if used > 0 {
                    sliding.take(rule.per, now, used);
                }
                Count::Sliding(sliding)
            }
            Window::TokenBucket => {
                Count::Bucket(Box::new(Bucket::new(rule.per, amount, used, now)))
            }
        }
    }
}
