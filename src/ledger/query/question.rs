//! What can be asked about usage: which facts count, and by what they are grouped.
//! It must not know where facts are kept.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::time::SystemTime;

use crate::ledger::row::End;
use crate::terms::ModelPattern;

use super::fact::{Fact, Label};
use super::moment::Span;
use super::scope::{Owned, Scope, Visible};

/// Dimensions that one question may group by.
pub const DIMENSIONS_MAX: usize = 8;

/// By what usage is grouped.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Dimension {
    Time(Span),
    Label(Label),
    /// The value of the tag of this name.
    Tag(String),
}

impl Dimension {
    /// `hour`, `day`, `week`, `month`, `tenant`, `project`, `user`, `key`, `model`, `upstream`, `upstream_model`, `operation`,
    /// `tag:<name>`.
    ///
    /// # Errors
    /// What is wrong, for a sentence that begins with the value.
    pub fn parse(text: &str) -> Result<Dimension, String> {
        if let Some(name) = text.strip_prefix("tag:").filter(|name| !name.is_empty()) {
            return Ok(Dimension::Tag(name.to_owned()));
        }
        let span = Span::ALL.into_iter().find(|span| span.name() == text);
        let label = || Label::ALL.into_iter().find(|label| label.name() == text);
        span.map(Dimension::Time)
            .or_else(|| label().map(Dimension::Label))
            .ok_or_else(|| {
                let names: Vec<&str> = Span::ALL
                    .map(Span::name)
                    .into_iter()
                    .chain(Label::ALL.map(Label::name))
                    .collect();
                format!(
                    "is nothing to group by; there are {} and tag:<name>",
                    names.join(", ")
                )
            })
    }

    /// Several of them, with commas between: `model,day`.
    ///
    /// # Errors
    /// What is wrong, as a sentence.
    pub fn parse_list(text: &str) -> Result<Vec<Dimension>, String> {
        let words = text
            .split(',')
            .map(str::trim)
            .filter(|word| !word.is_empty());
        let mut list: Vec<Dimension> = Vec::new();
        for word in words {
            let dimension =
                Dimension::parse(word).map_err(|problem| format!("`{word}` {problem}"))?;
            if !list.contains(&dimension) {
                list.push(dimension);
            }
        }
        if list.len() > DIMENSIONS_MAX {
            return Err(format!(
                "usage can be grouped by at most {DIMENSIONS_MAX} things at once, not {}",
                list.len()
            ));
        }
        Ok(list)
    }

    /// As it is written, and as columns are named.
    pub fn name(&self) -> Cow<'static, str> {
        match self {
            Dimension::Time(span) => span.name().into(),
            Dimension::Label(label) => label.name().into(),
            Dimension::Tag(name) => format!("tag:{name}").into(),
        }
    }

    /// The value of a fact. Empty where it has none.
    pub fn value<'a>(&self, fact: &'a dyn Fact) -> Cow<'a, str> {
        match self {
            Dimension::Time(span) => span.label(fact.at()).into(),
            Dimension::Label(label) => fact.label(*label).into(),
            Dimension::Tag(name) => fact.tag(name).unwrap_or_default().into(),
        }
    }

    /// Whether a total of a whole day is fine enough to tell it.
    pub(super) fn is_of_days(&self) -> bool {
        match self {
            Dimension::Time(span) => *span != Span::Hour,
            Dimension::Label(label) => label.is_in_totals(),
            Dimension::Tag(_) => false,
        }
    }
}

/// Which answers count: those with one status, or all of a class.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StatusFilter {
    Code(u16),
    /// The first digit.
    Class(u16),
}

impl StatusFilter {
    /// `429`, `4xx`.
    ///
    /// # Errors
    /// What is wrong, for a sentence that begins with the value.
    pub fn parse(text: &str) -> Result<StatusFilter, String> {
        let code = text.parse().ok().filter(|code| (100..=599).contains(code));
        let class = || {
            let digit: u16 = text.strip_suffix("xx")?.parse().ok()?;
            (1..=5)
                .contains(&digit)
                .then_some(StatusFilter::Class(digit))
        };
        code.map(StatusFilter::Code)
            .or_else(class)
            .ok_or_else(|| "is no status; write for example `429` or `5xx`".to_owned())
    }

    fn admits(self, status: u16) -> bool {
        match self {
            StatusFilter::Code(code) => status == code,
            StatusFilter::Class(digit) => status / 100 == digit,
        }
    }
}

/// Which facts count. What is absent admits all.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Filter {
    /// Inclusive.
    pub from: Option<SystemTime>,
    /// Exclusive.
    pub to: Option<SystemTime>,
    /// Exact values.
    pub labels: BTreeMap<Label, String>,
    /// A name, a glob or a regular expression for the public model.
    pub model: Option<ModelPattern>,
    pub tags: BTreeMap<String, String>,
    pub status: Option<StatusFilter>,
    pub end: Option<End>,
}

impl Filter {
    /// Whether totals of days can tell what it asks for, its times aside.
    pub(super) fn is_of_days(&self) -> bool {
        self.tags.is_empty()
            && self.status.is_none()
            && self.end.is_none()
            && self.labels.keys().all(|label| label.is_in_totals())
    }

    fn admits(&self, fact: &dyn Fact) -> bool {
        let at = fact.at();
        self.from.is_none_or(|from| at >= from)
            && self.to.is_none_or(|to| at < to)
            && (self.labels.iter()).all(|(label, value)| fact.label(*label) == value)
            && (self.model.as_ref()).is_none_or(|pattern| pattern.matches(fact.label(Label::Model)))
            && (self.tags.iter()).all(|(name, value)| fact.tag(name) == Some(value))
            && (self.status)
                .is_none_or(|filter| fact.status().is_some_and(|status| filter.admits(status)))
            && (self.end).is_none_or(|end| fact.end() == Some(end))
    }
}

/// A question about usage by someone: only what they may see is looked at.
#[derive(Debug, Clone, PartialEq)]
pub struct Question {
    scope: Scope,
    filter: Filter,
    by: Vec<Dimension>,
}

impl Question {
    pub fn new(scope: Scope, filter: Filter, by: Vec<Dimension>) -> Question {
        Question { scope, filter, by }
    }

    pub fn scope(&self) -> &Scope {
        &self.scope
    }

    pub fn filter(&self) -> &Filter {
        &self.filter
    }

    pub fn by(&self) -> &[Dimension] {
        &self.by
    }

    /// The fact, if it may be seen and counts.
    pub fn picks<'a, F: Fact + Owned>(&self, fact: &'a F) -> Option<Visible<&'a F>> {
        self.scope
            .see(fact)
            .filter(|fact| self.filter.admits(**fact))
    }

    /// The same about another time.
    pub(super) fn between(&self, from: Option<SystemTime>, to: Option<SystemTime>) -> Question {
        let filter = Filter {
            from,
            to,
            ..self.filter.clone()
        };
        Question {
            filter,
            ..self.clone()
        }
    }

    /// Whether totals of days suffice for the days that it asks for as a whole.
    pub(super) fn is_of_days(&self) -> bool {
        self.filter.is_of_days() && self.by.iter().all(Dimension::is_of_days)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dimensions_are_read_as_they_are_written() {
        let all = "hour,day,week,month,tenant,project,user,key";
        for part in [
            all,
            "model,upstream,upstream_model,operation,tag:team,tag:a b",
        ] {
            let list = Dimension::parse_list(part).unwrap();
            let names: Vec<String> = list
                .iter()
                .map(|dimension| dimension.name().into_owned())
                .collect();
            assert_eq!(names.join(","), part);
        }
        assert_eq!(Dimension::parse_list("model, model,").unwrap().len(), 1);
        let message = Dimension::parse_list("model,colour").unwrap_err();
        assert!(
            message.starts_with("`colour` is nothing to group by"),
            "{message}"
        );
        assert!(Dimension::parse_list(&format!("{all},model")).is_err());
        assert!(Dimension::parse("tag:").is_err());
    }

    #[test]
    fn statuses_are_codes_or_classes() {
        assert_eq!(StatusFilter::parse("429"), Ok(StatusFilter::Code(429)));
        let class = StatusFilter::parse("5xx").unwrap();
        assert!(class.admits(503) && !class.admits(499));
        for bad in ["", "0", "600", "6xx", "xx", "5x"] {
            assert!(StatusFilter::parse(bad).is_err(), "{bad}");
        }
    }
}
