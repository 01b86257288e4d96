//! Waits and points in time as upstreams write them in headers. Garbage is nothing; what has passed is no wait.

use std::time::{Duration, SystemTime};

use chrono::{DateTime, NaiveDateTime};

/// Longest text that is looked at, in bytes.
const TEXT_BYTES_MAX: usize = 64;

/// A bare number from here on is a date in seconds since 1970 (it is 2001 then), not a wait of 31 years.
const EPOCH_SECONDS_MIN: f64 = 1e9;

/// A bare number from here on is in milliseconds since 1970; in seconds it would be the year 5138. OpenRouter sends such.
const EPOCH_MILLIS_MIN: f64 = 1e11;

/// The three forms of a date in HTTP (RFC 9110, 5.6.7).
const HTTP_DATES: [&str; 3] = [
    "%a, %d %b %Y %H:%M:%S GMT",
    "%A, %d-%b-%y %H:%M:%S GMT",
    "%a %b %e %H:%M:%S %Y",
];

/// How long from now: seconds (`1.5`), a duration as Go writes it (`6m0s`), a date in seconds or milliseconds since 1970,
/// in RFC 3339 or in HTTP's forms.
pub(super) fn wait(text: &str, wall: SystemTime) -> Option<Duration> {
    let text = text.trim();
    if text.is_empty() || text.len() > TEXT_BYTES_MAX {
        return None;
    }
    match number(text) {
        Some(number) => from_number(number, wall),
        None => go_duration(text).or_else(|| until(date(text)?, wall)),
    }
}

/// How long: a number of milliseconds.
pub(super) fn milliseconds(text: &str) -> Option<Duration> {
    let text = text.trim();
    if text.len() > TEXT_BYTES_MAX {
        return None;
    }
    seconds(number(text)? / 1e3)
}

fn from_number(number: f64, wall: SystemTime) -> Option<Duration> {
    let since_1970 = match number {
        _ if number >= EPOCH_MILLIS_MIN => number / 1e3,
        _ if number >= EPOCH_SECONDS_MIN => number,
        _ => return seconds(number),
    };
    until(
        SystemTime::UNIX_EPOCH.checked_add(seconds(since_1970)?)?,
        wall,
    )
}

/// What has passed is no wait.
fn until(date: SystemTime, wall: SystemTime) -> Option<Duration> {
    Some(date.duration_since(wall).unwrap_or_default())
}

/// Less than none is none.
fn seconds(number: f64) -> Option<Duration> {
    Duration::try_from_secs_f64(number.max(0.0)).ok()
}

/// Digits with sign, point and exponent; `parse` would take `inf` and `nan` too.
fn number(text: &str) -> Option<f64> {
    let number: f64 = text.parse().ok()?;
    number.is_finite().then_some(number)
}

fn date(text: &str) -> Option<SystemTime> {
    if let Ok(date) = DateTime::parse_from_rfc3339(text) {
        return Some(date.into());
    }
    let date = HTTP_DATES
        .iter()
        .find_map(|form| NaiveDateTime::parse_from_str(text, form).ok())?;
    Some(date.and_utc().into())
}

/// `1h2m3.5s`, `20ms`, `-1s`.
fn go_duration(text: &str) -> Option<Duration> {
    let (is_past, mut rest) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text),
    };
    if rest.is_empty() {
        return None;
    }
    let mut total = 0.0;
    while !rest.is_empty() {
        let digits =
            rest.find(|character: char| !character.is_ascii_digit() && character != '.')?;
        let (amount, after) = rest.split_at(digits);
        let unit_end = after
            .find(|character: char| character.is_ascii_digit() || character == '.')
            .unwrap_or(after.len());
        let (unit, after) = after.split_at(unit_end);
        total += number(amount)? * unit_seconds(unit)?;
        rest = after;
    }
    seconds(if is_past { 0.0 } else { total })
}

fn unit_seconds(unit: &str) -> Option<f64> {
    match unit {
        "h" => Some(3600.0),
        "m" => Some(60.0),
        "s" => Some(1.0),
        "ms" => Some(1e-3),
        "us" | "µs" | "μs" => Some(1e-6),
        "ns" => Some(1e-9),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// 1994-11-06T08:49:37Z
    fn wall() -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_secs(784_111_777)
    }

    #[test]
    fn waits_are_read_in_every_form() {
        let cases = [
            ("0", Some(0)),
            ("2", Some(2_000)),
            (" 2.5 ", Some(2_500)),
            ("-3", Some(0)),
            ("1e2", Some(100_000)),
            ("20ms", Some(20)),
            ("1s", Some(1_000)),
            ("6m0s", Some(360_000)),
            ("2m59.56s", Some(179_560)),
            ("1h2m3.5s", Some(3_723_500)),
            ("1000µs", Some(1)),
            ("2000000ns", Some(2)),
            ("-1s", Some(0)),
            ("Sun, 06 Nov 1994 08:49:47 GMT", Some(10_000)),
            ("Sunday, 06-Nov-94 08:49:47 GMT", Some(10_000)),
            ("Sun Nov  6 08:49:47 1994", Some(10_000)),
            ("Sun, 06 Nov 1994 08:49:27 GMT", Some(0)),
            ("1994-11-06T08:50:37Z", Some(60_000)),
            ("1994-11-06T09:50:37.25+01:00", Some(60_250)),
            ("", None),
            ("soon", None),
            ("1 hour", None),
            ("5x", None),
            ("-", None),
            ("s", None),
            ("1.2.3s", None),
            ("nan", None),
            ("inf", None),
            ("1e400", None),
            ("99999999999999999999999999", None),
            ("Tue, 31 Feb 1994 08:49:47 GMT", None),
        ];
        for (text, millis) in cases {
            let millis = millis.map(Duration::from_millis);
            let read =
                wait(text, wall()).map(|wait| Duration::from_micros(wait.as_micros() as u64));
            assert_eq!(read, millis, "{text}");
        }
    }

    #[test]
    fn a_large_number_is_a_date() {
        let wall = SystemTime::UNIX_EPOCH + Duration::from_secs(1_741_305_600);
        assert_eq!(wait("1741305660", wall), Some(Duration::from_secs(60)));
        assert_eq!(
            wait("1741305661500", wall),
            Some(Duration::from_millis(61_500))
        );
        assert_eq!(wait("1741305000", wall), Some(Duration::ZERO));
    }

    #[test]
    fn milliseconds_are_read() {
        assert_eq!(milliseconds("1500"), Some(Duration::from_millis(1_500)));
        assert_eq!(milliseconds("-5"), Some(Duration::ZERO));
        assert_eq!(milliseconds("5s"), None);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(512))]

        #[test]
        fn garbage_is_nothing_and_breaks_nothing(text in ".{0,80}", odd in "[0-9smhn.µ+:TZ, -]{0,40}") {
            let _ = (wait(&text, wall()), milliseconds(&text));
            let _ = (wait(&odd, wall()), milliseconds(&odd));
        }

        #[test]
        fn go_durations_are_read_as_they_are_written(hours in 0u64..100, minutes in 0u64..60, millis in 0u64..60_000) {
            let text = format!("{hours}h{minutes}m{}.{:03}s", millis / 1000, millis % 1000);
            let expected = (hours * 60 + minutes) * 60_000 + millis;
            let read = wait(&text, wall()).unwrap().as_secs_f64();
            prop_assert!((read - expected as f64 / 1e3).abs() < 1e-6, "{text} {read}");
        }
    }
}
