//! What stands in the place of names once an expression is checked: the evaluator asks for `@0`, `@1`, …, and gets what the slot
//! of that number says. It must not know what expressions mean.

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::SystemTime;

use cel::common::types::{
    CelBool, CelDouble, CelDuration, CelInt, CelList, CelMap, CelNull, CelString, CelTimestamp,
};
use cel::common::value::{CowVal, Val};
use cel::context::VariableResolver;
use chrono::{DateTime, TimeDelta, Utc};

use super::bounds::ROUNDS_MAX;
use super::facts::{Fact, Facts};
use super::field::Field;
use super::json::{self, Names};
use super::pattern::{Networks, Pattern, Patterns};
use super::types::Type;

/// What a rewritten name stands for.
#[derive(Debug)]
pub(super) enum Slot {
    Value(Field),
    /// Whether it is there.
    Presence(Field),
    Pattern(Pattern),
    Patterns(Patterns),
    Networks(Networks),
    /// Whether another round of a loop may begin.
    Round,
}

/// The name that the slot of this number is asked for by. Nobody can write it.
pub(super) fn name(number: usize) -> String {
    format!("@{number}")
}

/// Answers the evaluator's questions, for one evaluation.
pub(super) struct Answers<'a> {
    slots: &'a [Slot],
    facts: &'a dyn Facts,
    rounds: AtomicU32,
}

impl<'a> Answers<'a> {
    pub(super) fn new(slots: &'a [Slot], facts: &'a dyn Facts) -> Answers<'a> {
        Answers {
            slots,
            facts,
            rounds: AtomicU32::new(0),
        }
    }

    /// Whether a loop was stopped for its length.
    pub(super) fn is_exhausted(&self) -> bool {
        self.rounds.load(Ordering::Relaxed) > ROUNDS_MAX
    }

    fn value(&self, field: Field) -> CowVal<'_, '_> {
        let fact = self.fact(field);
        match fact {
            Fact::Absent => absent(field),
            Fact::Flag(flag) => CowVal::owned(CelBool::from(flag)),
            Fact::Whole(whole) => CowVal::owned(CelInt::from(whole)),
            Fact::Decimal(decimal) => CowVal::owned(CelDouble::from(decimal)),
            Fact::Text(text) => CowVal::owned(CelString::from(text)),
            Fact::Texts(texts) => {
                let boxed = |text| Box::new(CelString::from(text)) as Box<dyn Val + '_>;
                CowVal::owned(CelList::from(
                    texts.into_iter().map(boxed).collect::<Vec<_>>(),
                ))
            }
            Fact::Span(span) => {
                let span = TimeDelta::from_std(span).unwrap_or(TimeDelta::MAX);
                CowVal::owned(CelDuration::from(span))
            }
            Fact::Named(named) => CowVal::owned(Names::of(field, named)),
            Fact::Json(value) => CowVal::Owned(json::value(value)),
        }
    }

    fn fact(&self, field: Field) -> Fact<'_> {
        match field {
            Field::Now => Fact::Absent,
            Field::Caller(field) => self.facts.caller(field),
            Field::Request(field) => self.facts.request(field),
            Field::Target(field) => self.facts.target(field),
            Field::Outcome(field) => self.facts.outcome(field),
        }
    }
}

/// As in protocol buffers, for which CEL was made: what is not there reads as nothing of its type.
fn absent<'b>(field: Field) -> CowVal<'b, 'b> {
    match field.value_type() {
        Type::Flag => CowVal::owned(CelBool::from(false)),
        Type::Whole | Type::Unsigned => CowVal::owned(CelInt::from(0)),
        Type::Decimal => CowVal::owned(CelDouble::from(0.0)),
        Type::Text => CowVal::owned(CelString::from("")),
        Type::Span => CowVal::owned(CelDuration::from(TimeDelta::zero())),
        Type::List(_) => CowVal::owned(CelList::default()),
        Type::Map(_) => CowVal::owned(CelMap::default()),
        Type::Any | Type::Bytes | Type::Time | Type::Null | Type::Optional | Type::Class => {
            CowVal::owned(CelNull)
        }
    }
}

fn time<'b>(now: SystemTime) -> CowVal<'b, 'b> {
    CowVal::owned(CelTimestamp::from(
        DateTime::<Utc>::from(now).fixed_offset(),
    ))
}

impl VariableResolver for Answers<'_> {
    fn resolve<'b>(&'b self, name: &str) -> Option<CowVal<'b, 'b>> {
        let number: usize = name.strip_prefix('@')?.parse().ok()?;
        Some(match self.slots.get(number)? {
            Slot::Value(Field::Now) => time(self.facts.now()),
            Slot::Value(field) => self.value(*field),
            Slot::Presence(field) => {
                let is_present = *field == Field::Now || !self.fact(*field).is_absent();
                CowVal::owned(CelBool::from(is_present))
            }
            Slot::Pattern(pattern) => CowVal::Borrowed(pattern),
            Slot::Patterns(patterns) => CowVal::Borrowed(patterns),
            Slot::Networks(networks) => CowVal::Borrowed(networks),
            // No answer at all, past the bound: an error, which nothing but `||` and `&&` takes for a value.
            Slot::Round => {
                let round = self.rounds.fetch_add(1, Ordering::Relaxed);
                if round >= ROUNDS_MAX {
                    return None;
                }
                CowVal::owned(CelBool::from(true))
            }
        })
    }
}
