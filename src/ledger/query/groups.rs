//! Sums by group, in memory that is bounded by the number of groups.
//! It must not know where the facts come from.

use std::collections::HashMap;
use std::fmt;

use super::fact::{Fact, Sums};
use super::question::Dimension;

/// Groups that one answer may have.
pub const GROUPS_MAX: usize = 100_000;
/// Between the values of a group's name; within a value it is replaced.
const SEPARATOR: char = '\0';

/// A question has more groups than an answer may.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TooManyGroups {
    pub max: usize,
}

impl fmt::Display for TooManyGroups {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            formatter,
            "the answer has more than {} groups; ask for a shorter time, group by less, or filter",
            self.max
        )
    }
}

impl std::error::Error for TooManyGroups {}

/// One line of an answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Group {
    /// A value for each dimension of the question, in its order; empty where facts have none.
    pub values: Vec<String>,
    pub sums: Sums,
}

/// Adds facts up.
#[derive(Debug)]
pub struct Groups {
    by: Vec<Dimension>,
    max: usize,
    sums: HashMap<Box<str>, Sums>,
    name: String,
}

impl Groups {
    pub fn new(by: &[Dimension], max: usize) -> Groups {
        Groups {
            by: by.to_vec(),
            max,
            sums: HashMap::new(),
            name: String::new(),
        }
    }

    /// # Errors
    /// When the fact would begin a group more than there may be.
    pub fn add(&mut self, fact: &dyn Fact) -> Result<(), TooManyGroups> {
        self.name.clear();
        for dimension in &self.by {
            let value = dimension.value(fact);
            let clean = value.chars().map(|character| match character {
                SEPARATOR => char::REPLACEMENT_CHARACTER,
                other => other,
            });
            self.name.extend(clean);
            self.name.push(SEPARATOR);
        }
        if let Some(sums) = self.sums.get_mut(self.name.as_str()) {
            sums.add(&fact.sums());
            return Ok(());
        }
        if self.sums.len() >= self.max {
            return Err(TooManyGroups { max: self.max });
        }
        self.sums.insert(self.name.as_str().into(), fact.sums());
        Ok(())
    }

    /// The groups in the order of their names.
    pub fn finish(self) -> Vec<Group> {
        let mut named: Vec<(Box<str>, Sums)> = self.sums.into_iter().collect();
        named.sort_unstable_by(|one, other| one.0.cmp(&other.0));
        let groups = named.into_iter().map(|(name, sums)| Group {
            values: name
                .split_terminator(SEPARATOR)
                .map(str::to_owned)
                .collect(),
            sums,
        });
        groups.collect()
    }
}
