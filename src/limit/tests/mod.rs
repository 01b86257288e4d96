//! Tests of meters as exchanges use them: promises kept against slow and obvious models, with a clock of their own.

mod addresses;
mod cost;
mod live;
mod memory;
mod money;
mod rates;
mod refusals;
mod threads;
mod ways_out;

use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant, SystemTime};

use super::*;
use crate::terms::{Limits, Money};

/// A clock that stands still until it is moved.
#[derive(Debug, Clone, Copy)]
struct Clock {
    now: Instant,
    wall: SystemTime,
}

impl Clock {
    /// 2024-10-04, a Friday, at midnight.
    fn new() -> Clock {
        static START: OnceLock<Instant> = OnceLock::new();
        Clock {
            now: *START.get_or_init(Instant::now),
            wall: start_of(20_000),
        }
    }

    fn pass(&mut self, span: Duration) {
        self.now += span;
        self.wall += span;
    }
}

fn limits(json: &str) -> Limits {
    serde_json::from_str(json).unwrap()
}

fn money(text: &str) -> Money {
    text.parse().unwrap()
}

fn key(name: &str) -> Subject<'_> {
    Subject::Key(name.into())
}

/// The meter of a key in a registry of its own.
fn meter(json: &str, clock: &Clock) -> Arc<Meter> {
    meter_in(&Meters::new(1_000), &key("k"), json, clock)
}

fn meter_in(meters: &Meters, subject: &Subject<'_>, json: &str, clock: &Clock) -> Arc<Meter> {
    let limits = limits(json);
    let meter = meters.meter(subject, Terms::from(&limits), clock.now, clock.wall);
    meter.expect("there are limits")
}

fn tokens(input: u64, output: u64) -> Demand {
    Demand {
        input,
        output,
        ..Demand::default()
    }
}

fn spends(nanos: i64) -> Demand {
    Demand {
        spend: Money::from_nanos(nanos),
        ..Demand::default()
    }
}

/// What was reserved, as the truth.
fn all_of(demand: Demand) -> Truth {
    Truth {
        input: demand.input,
        output: demand.output,
        spend: demand.spend,
        planned: demand.planned,
        is_counted: true,
    }
}

fn take(
    meters: &[Arc<Meter>],
    demand: Demand,
    clock: &Clock,
) -> Result<Reservation, Box<Exceeded>> {
    reserve(meters, demand, clock.now, clock.wall)
}
