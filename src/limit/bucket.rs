//! A token bucket in whole numbers: it holds its limit and fills up evenly, without drift.
//!
//! The stock is kept in units times nanoseconds of the span, so that the refill of any time is a whole number: `limit` for each
//! nanosecond. Nothing is rounded, however often it is asked. Within a time `t` it lets no more pass than the limit and the refill
//! of `t`. What was used beyond a reservation makes the stock negative: a debt, that the refill pays first.

use super::sliding::{AMOUNT_MAX, span_nanos};
use crate::terms::Per;

#[derive(Debug, Clone)]
pub(super) struct Bucket {
    /// Units times nanoseconds of the span.
    stock: i128,
    /// When the stock was right, in nanoseconds.
    at: u64,
}

/// Units as the stock counts them.
fn scaled(per: Per, units: u64) -> i128 {
    i128::from(units) * i128::from(span_nanos(per))
}

impl Bucket {
    /// A bucket from which `used` was taken.
    pub(super) fn new(per: Per, limit: u64, used: u64, now: u64) -> Bucket {
        Bucket {
            stock: scaled(per, limit) - scaled(per, used),
            at: now,
        }
    }

    /// Adds what has flowed in up to `now`.
    pub(super) fn refill(&mut self, per: Per, limit: u64, now: u64) {
        let gone = now.saturating_sub(self.at);
        let stock = self.stock + i128::from(limit) * i128::from(gone);
        self.stock = stock.min(scaled(per, limit));
        self.at = self.at.max(now);
    }

    pub(super) fn has(&self, per: Per, units: u64) -> bool {
        self.stock >= scaled(per, units)
    }

    pub(super) fn take(&mut self, per: Per, units: u64) {
        let least = -scaled(per, AMOUNT_MAX);
        self.stock = (self.stock - scaled(per, units)).max(least);
    }

    pub(super) fn give_back(&mut self, per: Per, limit: u64, units: u64) {
        self.stock = (self.stock + scaled(per, units)).min(scaled(per, limit));
    }

    /// Another limit: what was used stays used.
    pub(super) fn set_limit(&mut self, per: Per, old: u64, new: u64, now: u64) {
        self.refill(per, old, now);
        self.stock += scaled(per, new) - scaled(per, old);
    }

    /// Whole units that can be taken.
    pub(super) fn units(&self, per: Per) -> u64 {
        u64::try_from(self.stock / i128::from(span_nanos(per))).unwrap_or(0)
    }

    /// Units that are missing to a full bucket, begun ones as whole.
    pub(super) fn used(&self, per: Per, limit: u64) -> u64 {
        let span = i128::from(span_nanos(per));
        let missing = scaled(per, limit) - self.stock;
        u64::try_from((missing + span - 1) / span).unwrap_or(AMOUNT_MAX)
    }

    /// Nanoseconds until so many units can be taken, if nothing else is.
    pub(super) fn wait(&self, per: Per, limit: u64, units: u64) -> u64 {
        let missing = (scaled(per, units) - self.stock).max(0);
        let limit = i128::from(limit.max(1));
        u64::try_from((missing + limit - 1) / limit).unwrap_or(u64::MAX)
    }
}
