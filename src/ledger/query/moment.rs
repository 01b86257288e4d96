//! Points and spans of time, as the ledger's books write them: always UTC, RFC 3339.
//! It must not know what time it is.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use chrono::{DateTime, Datelike, Days, NaiveDate, NaiveTime, SecondsFormat, Utc};
use serde::{Deserialize, Serialize};

use crate::ledger::totals::Day;

const HOUR: u64 = 3_600;
const DAY: u64 = 24 * HOUR;

/// `2027-01-31T12:00:00.123456Z`, with as many digits as it needs.
pub fn text(time: SystemTime) -> String {
    utc(time).to_rfc3339_opts(SecondsFormat::AutoSi, true)
}

/// `2027-01-31T12:00:00Z`, `2027-01-31T12:00:00+01:00`, or `2027-01-31` for its midnight (UTC).
///
/// # Errors
/// What is wrong, and the way out, for a sentence that begins with the value.
pub fn parse(text: &str) -> Result<SystemTime, String> {
    let date = NaiveDate::parse_from_str(text, "%Y-%m-%d").map(midnight);
    let time = date.or_else(|_| DateTime::parse_from_rfc3339(text).map(|time| time.to_utc()));
    time.map(SystemTime::from).map_err(|_| {
        "is not a time; write for example `2027-01-31T12:00:00Z`, or `2027-01-31` for its midnight (UTC)"
            .into()
    })
}

/// The midnight that a day, counted from 1970, begins with.
pub fn day_start(day: Day) -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(u64::from(day) * DAY)
}

/// `2027-01-31` for a day counted from 1970.
pub fn day_text(day: Day) -> String {
    utc(day_start(day)).format("%Y-%m-%d").to_string()
}

/// A span of time that usage is grouped by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Span {
    Hour,
    Day,
    /// From Monday, numbered as ISO 8601 does.
    Week,
    Month,
}

impl Span {
    pub const ALL: [Span; 4] = [Span::Hour, Span::Day, Span::Week, Span::Month];

    pub fn name(self) -> &'static str {
        match self {
            Span::Hour => "hour",
            Span::Day => "day",
            Span::Week => "week",
            Span::Month => "month",
        }
    }

    /// When the span around a point of time begins.
    pub fn start(self, time: SystemTime) -> SystemTime {
        let date = utc(time).date_naive();
        match self {
            Span::Hour => UNIX_EPOCH + Duration::from_secs(seconds(time) / HOUR * HOUR),
            Span::Day => midnight(date).into(),
            Span::Week => {
                let since_monday = Days::new(u64::from(date.weekday().num_days_from_monday()));
                midnight(date.checked_sub_days(since_monday).unwrap_or(date)).into()
            }
            Span::Month => midnight(date.with_day(1).unwrap_or(date)).into(),
        }
    }

    /// When the span that begins at `start` ends, which is when the next one begins.
    pub fn end(self, start: SystemTime) -> SystemTime {
        let seconds = match self {
            Span::Hour => HOUR,
            Span::Day => DAY,
            Span::Week => 7 * DAY,
            // A month has at most 31 days; the 32nd day from its first lies in the next one, and never beyond it.
            Span::Month => return self.start(start + Duration::from_secs(31 * DAY)),
        };
        start + Duration::from_secs(seconds)
    }

    /// `2027-01-31T13:00Z`, `2027-01-31`, `2027-W05`, `2027-01`: in the order of time when sorted as text.
    pub fn label(self, time: SystemTime) -> String {
        let form = match self {
            Span::Hour => "%Y-%m-%dT%H:00Z",
            Span::Day => "%Y-%m-%d",
            Span::Week => "%G-W%V",
            Span::Month => "%Y-%m",
        };
        utc(time).format(form).to_string()
    }
}

/// `serde(with)` for a point of time as RFC 3339 text.
pub mod as_text {
    use std::time::SystemTime;

    use serde::{Deserialize, Deserializer, Serializer, de::Error as _};

    /// # Errors
    /// Those of the serializer.
    pub fn serialize<S: Serializer>(time: &SystemTime, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&super::text(*time))
    }

    /// # Errors
    /// When it is not a time.
    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<SystemTime, D::Error> {
        let text = String::deserialize(deserializer)?;
        super::parse(&text).map_err(|problem| D::Error::custom(format!("`{text}` {problem}")))
    }
}

fn seconds(time: SystemTime) -> u64 {
    time.duration_since(UNIX_EPOCH)
        .unwrap_or_default()
        .as_secs()
}

fn utc(time: SystemTime) -> DateTime<Utc> {
    time.into()
}

fn midnight(date: NaiveDate) -> DateTime<Utc> {
    date.and_time(NaiveTime::MIN).and_utc()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ledger::row::{micros_of, time_of};
    use crate::ledger::totals::day_of;

    #[test]
    fn spans_begin_end_and_are_named_in_utc() {
        let cases = [
            (
                Span::Hour,
                "2027-01-31T13:59:59.999Z",
                "2027-01-31T13:00:00Z",
                "2027-01-31T14:00:00Z",
                "2027-01-31T13:00Z",
            ),
            (
                Span::Day,
                "2027-02-28T23:59:59Z",
                "2027-02-28T00:00:00Z",
                "2027-03-01T00:00:00Z",
                "2027-02-28",
            ),
            (
                Span::Week,
                "2027-01-03T12:00:00Z",
                "2026-12-28T00:00:00Z",
                "2027-01-04T00:00:00Z",
                "2026-W53",
            ),
            (
                Span::Month,
                "2028-02-29T12:00:00Z",
                "2028-02-01T00:00:00Z",
                "2028-03-01T00:00:00Z",
                "2028-02",
            ),
            (
                Span::Month,
                "2027-12-31T23:59:59Z",
                "2027-12-01T00:00:00Z",
                "2028-01-01T00:00:00Z",
                "2027-12",
            ),
        ];
        for (span, at, start, end, label) in cases {
            let at = parse(at).unwrap();
            assert_eq!(text(span.start(at)), start);
            assert_eq!(text(span.end(span.start(at))), end);
            assert_eq!(span.label(at), label);
        }
    }

    #[test]
    fn times_and_days_are_read_and_written() {
        let at = parse("2027-01-31T12:00:00.000001Z").unwrap();
        assert_eq!(time_of(micros_of(at)), at);
        assert_eq!(text(at), "2027-01-31T12:00:00.000001Z");
        assert_eq!(day_text(day_of(at)), "2027-01-31");
        assert_eq!(text(day_start(day_of(at))), "2027-01-31T00:00:00Z");
        assert!(
            parse("yesterday")
                .unwrap_err()
                .starts_with("is not a time; write")
        );
    }
}
