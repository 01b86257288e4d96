//! What questions look at: something that was used, by someone, at some time. Rows are such facts, and totals of days.
//! It must not know how facts are kept.

use std::time::SystemTime;

use serde::Serialize;

use super::moment;
use super::scope::Owned;
use crate::ledger::row::{End, Row};
use crate::ledger::totals::{UsageKey, UsageSum};
use crate::terms::Money;

/// The names that a fact bears.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Label {
    Tenant,
    Project,
    User,
    /// The id of the client key.
    Key,
    /// The public name that was asked for.
    Model,
    Upstream,
    /// The upstream's own name for the model.
    UpstreamModel,
    Operation,
}

impl Label {
    pub const ALL: [Label; 8] = [
        Label::Tenant,
        Label::Project,
        Label::User,
        Label::Key,
        Label::Model,
        Label::Upstream,
        Label::UpstreamModel,
        Label::Operation,
    ];

    pub fn name(self) -> &'static str {
        match self {
            Label::Tenant => "tenant",
            Label::Project => "project",
            Label::User => "user",
            Label::Key => "key",
            Label::Model => "model",
            Label::Upstream => "upstream",
            Label::UpstreamModel => "upstream_model",
            Label::Operation => "operation",
        }
    }

    /// Whether totals of days tell it.
    pub(super) fn is_in_totals(self) -> bool {
        match self {
            Label::Tenant
            | Label::Project
            | Label::User
            | Label::Key
            | Label::Model
            | Label::Upstream => true,
            Label::UpstreamModel | Label::Operation => false,
        }
    }
}

/// Something that was used. What a fact does not know is empty, or none.
pub trait Fact {
    fn at(&self) -> SystemTime;
    fn label(&self, label: Label) -> &str;
    fn tag(&self, name: &str) -> Option<&str>;
    fn status(&self) -> Option<u16>;
    fn end(&self) -> Option<End>;
    fn sums(&self) -> Sums;
}

/// The total of a day, for one of everything that totals are kept by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DayTotal {
    pub key: UsageKey,
    pub sum: UsageSum,
}

impl Owned for Row {
    fn tenant(&self) -> &str {
        &self.who.tenant
    }
}

impl Fact for Row {
    fn at(&self) -> SystemTime {
        self.at
    }

    fn label(&self, label: Label) -> &str {
        match label {
            Label::Tenant => &self.who.tenant,
            Label::Project => self.who.project.as_deref().unwrap_or_default(),
            Label::User => self.who.user.as_deref().unwrap_or_default(),
            Label::Key => self.who.key_id.as_deref().unwrap_or_default(),
            Label::Model => &self.model,
            Label::Upstream => &self.upstream,
            Label::UpstreamModel => &self.upstream_model,
            Label::Operation => &self.operation,
        }
    }

    fn tag(&self, name: &str) -> Option<&str> {
        self.who.tags.get(name).map(String::as_str)
    }

    fn status(&self) -> Option<u16> {
        Some(self.status)
    }

    fn end(&self) -> Option<End> {
        Some(self.end)
    }

    fn sums(&self) -> Sums {
        let mut sum = UsageSum::default();
        sum.add(self);
        Sums::of(&sum)
    }
}

impl Owned for DayTotal {
    fn tenant(&self) -> &str {
        &self.key.tenant
    }
}

impl Fact for DayTotal {
    fn at(&self) -> SystemTime {
        moment::day_start(self.key.day)
    }

    fn label(&self, label: Label) -> &str {
        match label {
            Label::Tenant => &self.key.tenant,
            Label::Project => &self.key.project,
            Label::User => &self.key.user,
            Label::Key => &self.key.key_id,
            Label::Model => &self.key.model,
            Label::Upstream => &self.key.upstream,
            // Totals do not tell them: questions that need them are answered from rows.
            Label::UpstreamModel | Label::Operation => "",
        }
    }

    fn tag(&self, _: &str) -> Option<&str> {
        None
    }

    fn status(&self) -> Option<u16> {
        None
    }

    fn end(&self) -> Option<End> {
        None
    }

    fn sums(&self) -> Sums {
        Sums::of(&self.sum)
    }
}

/// What facts add up to. Sums stop at the largest number there is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Sums {
    pub exchanges: u64,
    /// All input tokens, cached or not.
    pub input: u64,
    /// Input read from a prompt cache.
    pub cached: u64,
    /// Input written to a prompt cache.
    pub cache_write: u64,
    /// All output tokens, reasoning included.
    pub output: u64,
    pub reasoning: u64,
    /// Exchanges whose tokens were counted by weir, as the upstream did not report them.
    pub estimated: u64,
    /// Exchanges of models without a price.
    pub unpriced: u64,
    /// Exchanges that did not end complete: refused, failed, broken off by either side.
    pub incomplete: u64,
    pub cost: Money,
}

impl Sums {
    fn of(sum: &UsageSum) -> Sums {
        Sums {
            exchanges: sum.exchanges,
            input: sum.usage.input(),
            cached: sum.usage.cache_read,
            cache_write: sum.usage.cache_write,
            output: sum.usage.output,
            reasoning: sum.usage.reasoning,
            estimated: sum.estimated,
            unpriced: sum.unpriced,
            incomplete: sum.incomplete,
            cost: sum.cost,
        }
    }

    pub fn add(&mut self, other: &Sums) {
        for (sum, part) in [
            (&mut self.exchanges, other.exchanges),
            (&mut self.input, other.input),
            (&mut self.cached, other.cached),
            (&mut self.cache_write, other.cache_write),
            (&mut self.output, other.output),
            (&mut self.reasoning, other.reasoning),
            (&mut self.estimated, other.estimated),
            (&mut self.unpriced, other.unpriced),
            (&mut self.incomplete, other.incomplete),
        ] {
            *sum = sum.saturating_add(part);
        }
        self.cost += other.cost;
    }
}
