//! Points in time, as RFC 3339 has them: text to value and back.
//! It must not know what time it is.

use std::time::SystemTime;

use chrono::{DateTime, NaiveDate, NaiveTime, SecondsFormat, Utc};

/// `2027-01-31T12:00:00Z`, `2027-01-31T12:00:00+01:00`, or `2027-01-31` for its midnight (UTC).
///
/// # Errors
/// What is wrong, and the way out, for a sentence that begins with the value.
pub(super) fn parse(text: &str) -> Result<SystemTime, String> {
    let midnight = |date: NaiveDate| date.and_time(NaiveTime::MIN).and_utc();
    let date = NaiveDate::parse_from_str(text, "%Y-%m-%d").map(midnight);
    let time = date.or_else(|_| DateTime::parse_from_rfc3339(text).map(|time| time.to_utc()));
    time.map(SystemTime::from).map_err(|_| {
        "is not a time; write for example `2027-01-31T12:00:00Z`, or `2027-01-31` for its midnight (UTC)"
            .into()
    })
}

/// `2027-01-31T12:00:00Z`
pub fn text(time: SystemTime) -> String {
    DateTime::<Utc>::from(time).to_rfc3339_opts(SecondsFormat::AutoSi, true)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_and_dates_are_read_and_written_in_utc() {
        let good = [
            ("2027-01-31T12:00:00Z", "2027-01-31T12:00:00Z"),
            ("2027-01-31T12:00:00+01:30", "2027-01-31T10:30:00Z"),
            ("2027-01-31t12:00:00.250z", "2027-01-31T12:00:00.250Z"),
            ("2027-01-31", "2027-01-31T00:00:00Z"),
            ("1969-12-31", "1969-12-31T00:00:00Z"),
        ];
        for (written, expected) in good {
            assert_eq!(
                parse(written).map(text).as_deref(),
                Ok(expected),
                "{written}"
            );
        }
        for bad in [
            "",
            "tomorrow",
            "2027-02-30",
            "31.01.2027",
            "2027-01-31 12:00",
            "2027-01-31T12:00:00",
            "1801353600",
        ] {
            let message = parse(bad).expect_err(bad);
            assert!(message.contains("is not a time"), "{bad}: {message}");
        }
    }
}
