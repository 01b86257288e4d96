//! One settled exchange as it is shown: the names and the order that CSV, JSON and documents share.
//! It must not know how it is written down.

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde::Serialize;

use super::csv_cells::text;
use crate::ledger::query::moment;
use crate::ledger::query::scope::Visible;
use crate::ledger::row::Row;
use crate::terms::Money;

/// A row as it is shown. What is not there is null in JSON and empty in CSV.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Record<'a> {
    /// 32 hex digits.
    pub exchange: String,
    /// When it was settled, in RFC 3339.
    pub time: String,
    pub tenant: &'a str,
    pub project: Option<&'a str>,
    pub user: Option<&'a str>,
    /// The client key's label.
    pub key: Option<&'a str>,
    pub key_id: Option<&'a str>,
    /// The request id that the client chose.
    pub client_request_id: Option<&'a str>,
    pub model: &'a str,
    pub upstream: &'a str,
    pub upstream_model: &'a str,
    pub upstream_key: Option<&'a str>,
    pub operation: &'a str,
    pub dialect: &'a str,
    pub attempts: u32,
    pub status: u16,
    pub fault: Option<&'a str>,
    pub end: &'static str,
    pub stream: bool,
    /// All input tokens, cached or not.
    pub input: u64,
    /// Read from a cache.
    pub cached: u64,
    /// Written to a cache.
    pub cache_write: u64,
    /// All output tokens, reasoning included.
    pub output: u64,
    pub reasoning: u64,
    pub estimated: bool,
    pub priced: bool,
    pub cost: Money,
    pub duration_ms: u32,
    pub first_byte_ms: Option<u32>,
    pub tags: &'a BTreeMap<String, String>,
}

impl<'a> Record<'a> {
    pub fn of(row: &Visible<&'a Row>) -> Record<'a> {
        let row: &'a Row = row.into_inner();
        Record {
            exchange: row.id.iter().map(|byte| format!("{byte:02x}")).collect(),
            time: moment::text(row.at),
            tenant: &row.who.tenant,
            project: row.who.project.as_deref(),
            user: row.who.user.as_deref(),
            key: row.who.key_label.as_deref(),
            key_id: row.who.key_id.as_deref(),
            client_request_id: row.client_request_id.as_deref(),
            model: &row.model,
            upstream: &row.upstream,
            upstream_model: &row.upstream_model,
            upstream_key: row.upstream_key_label.as_deref(),
            operation: &row.operation,
            dialect: &row.dialect,
            attempts: row.attempts,
            status: row.status,
            fault: row.fault.as_deref(),
            end: row.end.label(),
            stream: row.stream,
            input: row.usage.input(),
            cached: row.usage.cache_read,
            cache_write: row.usage.cache_write,
            output: row.usage.output,
            reasoning: row.usage.reasoning,
            estimated: row.estimated,
            priced: row.priced,
            cost: row.cost,
            duration_ms: row.duration_ms,
            first_byte_ms: row.first_byte_ms,
            tags: &row.who.tags,
        }
    }

    /// The names of [`Record::cells`].
    pub const COLUMNS: [&'static str; 30] = [
        "exchange",
        "time",
        "tenant",
        "project",
        "user",
        "key",
        "key_id",
        "client_request_id",
        "model",
        "upstream",
        "upstream_model",
        "upstream_key",
        "operation",
        "dialect",
        "attempts",
        "status",
        "fault",
        "end",
        "stream",
        "input",
        "cached",
        "cache_write",
        "output",
        "reasoning",
        "estimated",
        "priced",
        "cost",
        "duration_ms",
        "first_byte_ms",
        "tags",
    ];

    /// Cells for CSV. Tags are one object in JSON, or nothing where there are none.
    pub fn cells(&self) -> [Cow<'_, str>; 30] {
        let name = |name: Option<&'a str>| text(name.unwrap_or_default());
        let number = |number: u64| Cow::Owned(number.to_string());
        let tags = match self.tags.is_empty() {
            true => String::new(),
            false => serde_json::to_string(self.tags).unwrap_or_default(),
        };
        [
            Cow::Borrowed(&*self.exchange),
            Cow::Borrowed(&*self.time),
            text(self.tenant),
            name(self.project),
            name(self.user),
            name(self.key),
            name(self.key_id),
            name(self.client_request_id),
            text(self.model),
            text(self.upstream),
            text(self.upstream_model),
            name(self.upstream_key),
            text(self.operation),
            text(self.dialect),
            number(self.attempts.into()),
            number(self.status.into()),
            name(self.fault),
            Cow::Borrowed(self.end),
            Cow::Owned(self.stream.to_string()),
            number(self.input),
            number(self.cached),
            number(self.cache_write),
            number(self.output),
            number(self.reasoning),
            Cow::Owned(self.estimated.to_string()),
            Cow::Owned(self.priced.to_string()),
            Cow::Owned(self.cost.to_string()),
            number(self.duration_ms.into()),
            Cow::Owned(
                self.first_byte_ms
                    .map(|ms| ms.to_string())
                    .unwrap_or_default(),
            ),
            Cow::Owned(tags),
        ]
    }
}
