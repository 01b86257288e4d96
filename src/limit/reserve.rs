//! Reserving over several meters in one step, and the reservation, which lasts from admission to the last byte.
//!
//! All locks are taken in one order (that of their places in memory), everything is checked, then everything is taken: a refusal
//! costs nothing anywhere, and nobody sees half of a reservation.

use std::sync::Arc;
use std::time::{Instant, SystemTime};

use super::calendar::Day;
use super::check::Ask;
use super::clock::tick;
use super::exceeded::Exceeded;
use super::meter::{Locked, Lot, Meter};
use super::purses::Crossing;
use super::rate::Amounts;
use super::sliding::AMOUNT_MAX;
use super::standing::{Standing, standing};
use crate::terms::Money;

/// What an exchange may come to use: estimates and upper bounds. It counts as one request and takes one place.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Demand {
    /// Tokens.
    pub input: u64,
    /// Tokens.
    pub output: u64,
    /// What costs nothing asks nothing of budgets and balances; a cost that cannot be bounded is at least a billionth.
    pub spend: Money,
    /// Of the spend, what a plan will pay: budgets are asked for it, balances are not.
    pub planned: Money,
    /// Whether another model answers because a budget is spent: budgets with a downgrade are then neither asked nor charged.
    pub is_downgraded: bool,
}

/// What an exchange did use.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Truth {
    /// Tokens.
    pub input: u64,
    /// Tokens.
    pub output: u64,
    pub spend: Money,
    /// Of the spend, what a plan has paid.
    pub planned: Money,
    /// Whether its request counts. Not where it got no answer at all, by weir's fault or the upstream's.
    pub is_counted: bool,
}

/// What is taken for one exchange. Dropped without being settled, it gives everything back but the count of its request.
#[derive(Debug)]
pub struct Reservation {
    parts: Vec<Part>,
    /// What is reserved at each meter.
    amounts: Amounts,
    is_downgraded: bool,
    admitted: Day,
}

/// What is taken from one meter: all at once, or in several steps.
#[derive(Debug)]
struct Part {
    meter: Arc<Meter>,
    first: Lot,
    more: Vec<Lot>,
}

/// A meter of a set that is to be locked.
struct Wanted<'a> {
    meter: &'a Arc<Meter>,
    lock_order: usize,
    /// Its place among the meters as they were given.
    place: usize,
    locked: Option<Locked<'a>>,
}

/// Reserves at all of the meters, or at none. The same meter given twice counts once, and of several addresses one.
///
/// # Errors
/// The limit that stands against it; of several the one that holds longest.
pub fn reserve(
    meters: &[Arc<Meter>],
    demand: Demand,
    now: Instant,
    wall: SystemTime,
) -> Result<Reservation, Box<Exceeded>> {
    let amounts = Amounts {
        requests: 1,
        input: demand.input.min(AMOUNT_MAX),
        output: demand.output.min(AMOUNT_MAX),
        spend: nanos(demand.spend),
        planned: nanos(demand.planned),
    };
    let ask = Ask::new(amounts, demand.is_downgraded, tick(now), wall);
    Ok(Reservation {
        parts: take_all(meters.iter(), &ask)?,
        amounts,
        is_downgraded: demand.is_downgraded,
        admitted: ask.today,
    })
}

/// Locks, checks and takes.
fn take_all<'a>(
    meters: impl ExactSizeIterator<Item = &'a Arc<Meter>>,
    ask: &Ask,
) -> Result<Vec<Part>, Box<Exceeded>> {
    let count = meters.len();
    let mut wanted = lock_all(meters);
    let mut locked = wanted.iter_mut().filter_map(|it| it.locked.as_mut());
    if !locked.all(|meter| meter.admits(ask)) {
        return Err(reason(&mut wanted, ask));
    }
    let mut parts = Vec::with_capacity(count);
    for wanted in &mut wanted {
        let lot = wanted.locked.as_mut().and_then(|meter| meter.take(ask));
        parts.extend(lot.map(|first| Part {
            meter: wanted.meter.clone(),
            first,
            more: Vec::new(),
        }));
    }
    Ok(parts)
}

/// Locks in the one order; meters without limits are let go at once.
fn lock_all<'a>(meters: impl ExactSizeIterator<Item = &'a Arc<Meter>>) -> Vec<Wanted<'a>> {
    let mut wanted: Vec<Wanted<'a>> = Vec::with_capacity(meters.len());
    wanted.extend(meters.enumerate().map(|(place, meter)| Wanted {
        meter,
        lock_order: meter.lock_order(),
        place,
        locked: None,
    }));
    wanted.sort_unstable_by_key(|wanted| (wanted.lock_order, wanted.place));
    wanted.dedup_by_key(|wanted| wanted.lock_order);
    for wanted in &mut wanted {
        wanted.locked = Some(wanted.meter.lock()).filter(Locked::bounds);
    }
    wanted
}

/// The reason that holds longest; of equal ones that of the meter that was given first.
#[cold]
fn reason(wanted: &mut [Wanted<'_>], ask: &Ask) -> Box<Exceeded> {
    wanted.sort_unstable_by_key(|wanted| wanted.place);
    let reasons = wanted.iter_mut().flat_map(|wanted| {
        let locked = wanted.locked.as_mut();
        locked.map_or_else(Vec::new, |locked| locked.reasons(wanted.meter, ask))
    });
    let worst = reasons.reduce(|worst, next| match next.rank() > worst.rank() {
        true => next,
        false => worst,
    });
    Box::new(worst.expect("a meter that does not admit has a reason, and its lock is held"))
}

impl Reservation {
    /// Reserves the same at more meters, such as those of a model that is known only later.
    ///
    /// # Errors
    /// As [`reserve`]; what was reserved before stays.
    pub fn extend(
        &mut self,
        meters: &[Arc<Meter>],
        now: Instant,
        wall: SystemTime,
    ) -> Result<(), Box<Exceeded>> {
        let has = |meter: &Arc<Meter>| {
            let order = meter.lock_order();
            self.parts
                .iter()
                .any(|part| part.meter.lock_order() == order)
        };
        let new: Vec<&Arc<Meter>> = meters.iter().filter(|meter| !has(meter)).collect();
        let ask = Ask::new(self.amounts, self.is_downgraded, tick(now), wall);
        self.parts.extend(take_all(new.into_iter(), &ask)?);
        Ok(())
    }

    /// Puts another demand in the place of the first one: what is more is taken now, what is less goes back to when it was taken.
    ///
    /// # Errors
    /// As [`reserve`], where there is not enough for what is more; nothing has changed then.
    pub fn adjust(
        &mut self,
        demand: Demand,
        now: Instant,
        wall: SystemTime,
    ) -> Result<(), Box<Exceeded>> {
        let wish = Amounts {
            requests: self.amounts.requests,
            input: demand.input.min(AMOUNT_MAX),
            output: demand.output.min(AMOUNT_MAX),
            spend: nanos(demand.spend),
            planned: nanos(demand.planned),
        };
        let more = wish.minus(&self.amounts);
        if more != Amounts::default() {
            let ask = Ask::new(more, self.is_downgraded, tick(now), wall);
            let meters = self.parts.iter().map(|part| &part.meter);
            self.add_lots(take_all(meters, &ask)?);
        }
        let less = self.amounts.minus(&wish);
        if less != Amounts::default() {
            for part in &mut self.parts {
                part.shrink(less);
            }
        }
        self.amounts = wish;
        Ok(())
    }

    fn add_lots(&mut self, taken: Vec<Part>) {
        for new in taken {
            let parts = &mut self.parts;
            let mut same = parts
                .iter_mut()
                .filter(|it| Arc::ptr_eq(&it.meter, &new.meter));
            if let Some(part) = same.next() {
                part.more.push(new.first);
            }
        }
    }

    /// Puts the truth in the place of what was reserved. What it returns, operators are to be told of: budgets of which this has
    /// spent the share that they want to hear of.
    pub fn settle(mut self, truth: Truth, now: Instant) -> Vec<Crossing> {
        let truth = Amounts {
            requests: u64::from(truth.is_counted),
            input: truth.input.min(AMOUNT_MAX),
            output: truth.output.min(AMOUNT_MAX),
            spend: nanos(truth.spend),
            planned: nanos(truth.planned),
        };
        let now = tick(now);
        let admitted = self.admitted;
        let parts = self.parts.drain(..);
        parts
            .filter_map(|part| part.settle(truth, admitted, now))
            .collect()
    }

    /// What is left of the tightest limits now, for the headers of the answer.
    pub fn standing(&self, now: Instant) -> Vec<Standing> {
        standing(self.parts.iter().map(|part| &part.meter), now)
    }

    /// The meters at which something is reserved.
    pub fn meters(&self) -> impl Iterator<Item = &Arc<Meter>> {
        self.parts.iter().map(|part| &part.meter)
    }

    /// The subjects whose budgets, and those whose balances, this is charged to.
    pub fn charged(&self) -> impl Iterator<Item = (&str, &'static str)> {
        self.parts.iter().flat_map(|part| {
            let taken = part.first.taken;
            let budget = taken.from_budget.then_some("budget");
            let balance = taken.from_balance.then_some("balance");
            let purses = budget.into_iter().chain(balance);
            purses.map(|purse| (part.meter.name(), purse))
        })
    }
}

impl Part {
    /// The lots share the truth in the order in which they were taken; the last has the rest, a debt included.
    fn settle(self, truth: Amounts, admitted: Day, now: u64) -> Option<Crossing> {
        let mut left = truth;
        let mut crosses = false;
        {
            let mut locked = self.meter.lock();
            let mut lots = std::iter::once(&self.first).chain(&self.more).peekable();
            while let Some(lot) = lots.next() {
                let share = match lots.peek() {
                    Some(_) => left.min(&lot.amounts),
                    None => left,
                };
                left = left.minus(&share);
                crosses |= locked.settle(lot, &share, admitted, now);
            }
        }
        crosses.then(|| self.meter.crossing()).flatten()
    }

    /// Gives back the part that was taken last first.
    fn shrink(&mut self, mut by: Amounts) {
        let mut locked = self.meter.lock();
        let lots = self.more.iter_mut().rev().chain([&mut self.first]);
        for lot in lots {
            let less = by.min(&lot.amounts);
            locked.shrink(&lot.taken, &less);
            lot.amounts = lot.amounts.minus(&less);
            by = by.minus(&less);
        }
    }
}

/// What was never settled used nothing, but its request was one.
impl Drop for Reservation {
    fn drop(&mut self) {
        let nothing = Amounts {
            requests: 1,
            ..Amounts::default()
        };
        for part in self.parts.drain(..) {
            // A moment that has passed in any case: nothing is taken, and given back is by when it was taken.
            let now = part.first.taken.at;
            part.settle(nothing, self.admitted, now);
        }
    }
}

fn nanos(money: Money) -> u64 {
    u64::try_from(money.nanos()).unwrap_or(0).min(AMOUNT_MAX)
}
