//! Points in time as records have them: RFC 3339 text, whole seconds.
//! It must not know what time it is.

use std::borrow::Cow;
use std::time::{Duration, SystemTime};

use chrono::{DateTime, NaiveDate, NaiveTime, SecondsFormat, Utc};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A second. Before 1970 there is none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Moment(u64);

impl Moment {
    /// Seconds since the beginning of 1970.
    pub const fn from_unix(seconds: u64) -> Moment {
        Moment(seconds)
    }

    pub const fn unix(self) -> u64 {
        self.0
    }

    /// `2027-01-31T12:00:00Z`, with any offset, or `2027-01-31` for its midnight (UTC).
    ///
    /// # Errors
    /// What is wrong, for a sentence that begins with the value.
    pub fn parse(text: &str) -> Result<Moment, String> {
        let midnight = |date: NaiveDate| date.and_time(NaiveTime::MIN).and_utc();
        let date = NaiveDate::parse_from_str(text, "%Y-%m-%d").map(midnight);
        let time = date.or_else(|_| DateTime::parse_from_rfc3339(text).map(|time| time.to_utc()));
        let seconds = time
            .ok()
            .and_then(|time| u64::try_from(time.timestamp()).ok());
        seconds.map(Moment).ok_or_else(|| {
            "is not a time since 1970; write for example `2027-01-31T12:00:00Z`, or `2027-01-31` for its midnight (UTC)".to_owned()
        })
    }

    pub fn text(self) -> String {
        let seconds = i64::try_from(self.0).ok();
        let time = seconds.and_then(|seconds| DateTime::<Utc>::from_timestamp(seconds, 0));
        let time = time.unwrap_or(DateTime::<Utc>::MAX_UTC);
        time.to_rfc3339_opts(SecondsFormat::Secs, true)
    }

    pub fn after(self, span: Duration) -> Moment {
        Moment(self.0.saturating_add(span.as_secs()))
    }
}

impl From<SystemTime> for Moment {
    fn from(time: SystemTime) -> Moment {
        let since = time.duration_since(SystemTime::UNIX_EPOCH);
        Moment(since.unwrap_or_default().as_secs())
    }
}

impl Serialize for Moment {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.text())
    }
}

impl<'de> Deserialize<'de> for Moment {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Moment, D::Error> {
        let text = Cow::<str>::deserialize(deserializer)?;
        Moment::parse(&text).map_err(|problem| D::Error::custom(format!("`{text}` {problem}")))
    }
}

impl JsonSchema for Moment {
    fn inline_schema() -> bool {
        true
    }
    fn schema_name() -> Cow<'static, str> {
        "Moment".into()
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({"type": "string", "description": "RFC 3339, for example 2027-01-31T12:00:00Z, or a date for its midnight (UTC)."})
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_read_and_written_in_utc() {
        for (text, written) in [
            ("2027-01-31T12:00:00Z", "2027-01-31T12:00:00Z"),
            ("2027-01-31T12:00:00.9+01:30", "2027-01-31T10:30:00Z"),
            ("2027-01-31", "2027-01-31T00:00:00Z"),
            ("1970-01-01", "1970-01-01T00:00:00Z"),
        ] {
            assert_eq!(Moment::parse(text).unwrap().text(), written, "{text}");
        }
        for bad in ["", "1969-12-31", "tomorrow", "2027-02-30", "1801353600"] {
            assert!(Moment::parse(bad).is_err(), "{bad}");
        }
        assert!(Moment::from_unix(u64::MAX).text().starts_with('+'));
    }
}
