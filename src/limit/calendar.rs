//! Days, weeks and months in UTC, as budgets count them, and moments as text.
//! It must not know what is counted, and it reads no clock.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::terms::Period;

/// Days since 1970-01-01, UTC.
pub type Day = i32;

const DAY_SECONDS: i64 = 86_400;

/// The day of a moment, in UTC. Moments that no calendar has stop at the bounds.
pub fn day_of(wall: SystemTime) -> Day {
    let day = seconds_of(wall).div_euclid(DAY_SECONDS);
    Day::try_from(day).unwrap_or(if day < 0 { Day::MIN / 2 } else { Day::MAX / 2 })
}

/// Midnight at which a day begins.
pub fn start_of(day: Day) -> SystemTime {
    let seconds = i64::from(day) * DAY_SECONDS;
    let span = Duration::from_secs(seconds.unsigned_abs());
    let moment = if seconds < 0 {
        UNIX_EPOCH.checked_sub(span)
    } else {
        UNIX_EPOCH.checked_add(span)
    };
    moment.unwrap_or(UNIX_EPOCH)
}

/// Whole seconds since 1970, rounded down.
fn seconds_of(wall: SystemTime) -> i64 {
    let seconds = |span: Duration| i64::try_from(span.as_secs()).unwrap_or(i64::MAX);
    match wall.duration_since(UNIX_EPOCH) {
        Ok(after) => seconds(after),
        Err(before) => {
            -seconds(before.duration()) - i64::from(before.duration().subsec_nanos() > 0)
        }
    }
}

/// The first day of the period that a day is in. A rolling period is counted by the day, `ever` begins with the first day of all.
pub(super) fn period_start(period: Period, day: Day) -> Day {
    match period {
        Period::Day | Period::Rolling { .. } => day,
        // 1970-01-01 was a Thursday.
        Period::Week => day - (day + 3).rem_euclid(7),
        Period::Month => day - civil(day).2 + 1,
        Period::Ever => 0,
    }
}

/// The first day after a calendar period that begins with `start`; a rolling one and `ever` have none.
pub(super) fn period_end(period: Period, start: Day) -> Option<Day> {
    match period {
        Period::Day => Some(start + 1),
        Period::Week => Some(start + 7),
        // The 32nd day is in the next month, whatever the month.
        Period::Month => Some(period_start(Period::Month, start + 31)),
        Period::Rolling { .. } | Period::Ever => None,
    }
}

/// Year, month and day of the month. (Howard Hinnant, "chrono-Compatible Low-Level Date Algorithms", `civil_from_days`.)
fn civil(day: Day) -> (i32, i32, i32) {
    let shifted = day + 719_468;
    let era = shifted.div_euclid(146_097);
    let of_era = shifted.rem_euclid(146_097);
    let year_of_era = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * of_year + 2) / 153;
    let day_of_month = of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 {
        shifted_month + 3
    } else {
        shifted_month - 9
    };
    let year = year_of_era + era * 400 + i32::from(month <= 2);
    (year, month, day_of_month)
}

/// `2026-03-01T09:05:07Z`, the second that follows a moment, or the moment itself. Only years of four digits have such a text.
pub(super) fn rfc3339(wall: SystemTime) -> Option<[u8; 20]> {
    let whole = seconds_of(wall);
    let seconds = match wall == start_of(0) + Duration::from_secs(u64::try_from(whole).ok()?) {
        true => whole,
        false => whole + 1,
    };
    let day = Day::try_from(seconds.div_euclid(DAY_SECONDS)).ok()?;
    if day > 2_932_896 {
        return None; // 9999-12-31
    }
    let second = i32::try_from(seconds.rem_euclid(DAY_SECONDS)).ok()?;
    let (year, month, day_of_month) = civil(day);
    let mut text = *b"0000-00-00T00:00:00Z";
    for (at, number) in [
        (0, year / 100),
        (2, year % 100),
        (5, month),
        (8, day_of_month),
        (11, second / 3600),
        (14, second / 60 % 60),
        (17, second % 60),
    ] {
        text[at] += digit(number / 10);
        text[at + 1] += digit(number % 10);
    }
    Some(text)
}

fn digit(number: i32) -> u8 {
    u8::try_from(number).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> SystemTime {
        chrono::DateTime::parse_from_rfc3339(text).unwrap().into()
    }

    #[test]
    fn periods_begin_and_end_where_the_calendar_says() {
        for (period, moment, start, end) in [
            (
                Period::Day,
                "2026-03-01T23:59:59Z",
                "2026-03-01",
                Some("2026-03-02"),
            ),
            (
                Period::Week,
                "2026-03-01T12:00:00Z",
                "2026-02-23",
                Some("2026-03-02"),
            ),
            (
                Period::Week,
                "2026-03-02T00:00:00Z",
                "2026-03-02",
                Some("2026-03-09"),
            ),
            (
                Period::Month,
                "2024-02-29T23:59:59Z",
                "2024-02-01",
                Some("2024-03-01"),
            ),
            (
                Period::Month,
                "2025-02-28T23:59:59Z",
                "2025-02-01",
                Some("2025-03-01"),
            ),
            (
                Period::Month,
                "2026-12-31T23:59:59Z",
                "2026-12-01",
                Some("2027-01-01"),
            ),
            (
                Period::Month,
                "1969-12-31T23:59:59.5Z",
                "1969-12-01",
                Some("1970-01-01"),
            ),
            (
                Period::Rolling { days: 30 },
                "2026-03-01T01:00:00Z",
                "2026-03-01",
                None,
            ),
            (Period::Ever, "2026-03-01T01:00:00Z", "1970-01-01", None),
        ] {
            let midnight = |date: &str| at(&format!("{date}T00:00:00Z"));
            let first = period_start(period, day_of(at(moment)));
            assert_eq!(start_of(first), midnight(start), "{moment}");
            assert_eq!(
                period_end(period, first).map(start_of),
                end.map(midnight),
                "{moment}"
            );
        }
    }

    #[test]
    fn every_day_is_the_day_that_chrono_says() {
        use chrono::Datelike;
        for day in (-800_000..2_900_000).step_by(97) {
            let date = chrono::NaiveDate::from_num_days_from_ce_opt(day + 719_163).unwrap();
            let (month, of_month) = (date.month().cast_signed(), date.day().cast_signed());
            assert_eq!(civil(day), (date.year(), month, of_month), "{day}");
            assert_eq!(day_of(start_of(day)), day);
            assert_eq!(day_of(start_of(day) + Duration::from_secs(86_399)), day);
        }
    }

    #[test]
    fn moments_are_written_as_the_second_that_they_are_over_at() {
        for (moment, text) in [
            ("2026-03-01T09:05:07Z", "2026-03-01T09:05:07Z"),
            ("2026-12-31T23:59:59.000000001Z", "2027-01-01T00:00:00Z"),
            ("1970-01-01T00:00:00Z", "1970-01-01T00:00:00Z"),
            ("9999-12-31T23:59:59Z", "9999-12-31T23:59:59Z"),
        ] {
            let written = rfc3339(at(moment)).unwrap();
            assert_eq!(std::str::from_utf8(&written).unwrap(), text);
        }
        assert_eq!(rfc3339(at("9999-12-31T23:59:59.5Z")), None);
        assert_eq!(rfc3339(at("1969-12-31T23:59:58Z")), None);
    }
}
