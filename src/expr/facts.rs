//! Where an expression's values come from: one lazy getter a variable, asked only for what is evaluated.
//! It must not know expressions.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::time::{Duration, SystemTime};

use http::HeaderMap;
use serde_json::Value;

use super::field::{CallerField, Field, OutcomeField, RequestField, TargetField};

/// What is true of one exchange, at one moment. A getter is called at most once for each time that the expression names it.
///
/// A field whose type is a number, a text or a collection, and which is [`Fact::Absent`], reads as 0, `""`, `[]` or `{}`;
/// `has(…)` tells the difference.
pub trait Facts: Sync {
    fn now(&self) -> SystemTime;
    fn caller(&self, field: CallerField) -> Fact<'_>;

    /// `Absent` before [`super::Scope::Request`].
    fn request(&self, _field: RequestField) -> Fact<'_> {
        Fact::Absent
    }

    /// `Absent` before [`super::Scope::Target`].
    fn target(&self, _field: TargetField) -> Fact<'_> {
        Fact::Absent
    }

    /// `Absent` before [`super::Scope::Outcome`].
    fn outcome(&self, _field: OutcomeField) -> Fact<'_> {
        Fact::Absent
    }
}

/// The value of one field.
#[derive(Clone)]
pub enum Fact<'a> {
    Absent,
    Flag(bool),
    Whole(i64),
    Decimal(f64),
    Text(Cow<'a, str>),
    Texts(Vec<Cow<'a, str>>),
    Span(Duration),
    Named(&'a dyn Named),
    Json(&'a Value),
}

impl<'a> Fact<'a> {
    pub fn text(text: &'a str) -> Fact<'a> {
        Fact::Text(Cow::Borrowed(text))
    }

    /// Counts above what CEL's `int` holds read as its greatest.
    pub fn count(count: u64) -> Fact<'a> {
        Fact::Whole(i64::try_from(count).unwrap_or(i64::MAX))
    }

    /// `Absent` for `None`.
    pub fn text_or_absent(text: Option<&'a str>) -> Fact<'a> {
        text.map_or(Fact::Absent, Fact::text)
    }

    pub fn is_absent(&self) -> bool {
        matches!(self, Fact::Absent)
    }
}

/// Texts by name: headers, tags, parameters of a query.
pub trait Named: Sync {
    fn value(&self, name: &str) -> Option<Cow<'_, str>>;
    fn names(&self) -> Vec<&str>;
}

impl Named for BTreeMap<String, String> {
    fn value(&self, name: &str) -> Option<Cow<'_, str>> {
        self.get(name).map(|value| Cow::Borrowed(value.as_str()))
    }

    fn names(&self) -> Vec<&str> {
        self.keys().map(String::as_str).collect()
    }
}

/// Pairs in their order; the first of a name counts.
impl Named for Vec<(String, String)> {
    fn value(&self, name: &str) -> Option<Cow<'_, str>> {
        let pair = self.iter().find(|(known, _)| known == name);
        pair.map(|(_, value)| Cow::Borrowed(value.as_str()))
    }

    fn names(&self) -> Vec<&str> {
        self.iter().map(|(name, _)| name.as_str()).collect()
    }
}

/// The first of a name; what is no text in UTF-8 is read as far as it is one.
impl Named for HeaderMap {
    fn value(&self, name: &str) -> Option<Cow<'_, str>> {
        self.get(name)
            .map(|value| String::from_utf8_lossy(value.as_bytes()))
    }

    fn names(&self) -> Vec<&str> {
        self.keys().map(http::HeaderName::as_str).collect()
    }
}

/// Headers that hold credentials: expressions never see them, whatever gives the headers.
const CREDENTIAL_HEADERS: [&str; 9] = [
    "authorization",
    "proxy-authorization",
    "x-api-key",
    "api-key",
    "x-goog-api-key",
    "x-amz-security-token",
    "cookie",
    "set-cookie",
    "sec-websocket-protocol",
];

/// Parameters of queries that hold credentials: Google's, and OAuth's.
const CREDENTIAL_PARAMETERS: [&str; 2] = ["key", "access_token"];

/// Whether `name` holds a credential, where the field is one that may hold any.
pub(super) fn is_credential(field: Field, name: &str) -> bool {
    let hidden: &[&str] = match field {
        Field::Request(RequestField::Headers) | Field::Outcome(OutcomeField::Headers) => {
            &CREDENTIAL_HEADERS
        }
        Field::Request(RequestField::Query) => &CREDENTIAL_PARAMETERS,
        Field::Now
        | Field::Caller(_)
        | Field::Request(_)
        | Field::Target(_)
        | Field::Outcome(_) => &[],
    };
    let is_name = |hidden: &&str| hidden.eq_ignore_ascii_case(name);
    hidden.iter().any(is_name)
}

/// Names of headers are the same in upper and lower case.
pub(super) fn ignores_case(field: Field) -> bool {
    matches!(
        field,
        Field::Request(RequestField::Headers) | Field::Outcome(OutcomeField::Headers)
    )
}
