//! Numbers and dates as invoices write them.
//! It must not know which column they stand in.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use chrono::NaiveDateTime;

use crate::ledger::query::moment;
use crate::ledger::totals::{self, Day};
use crate::terms::Money;

/// Digits after the point that money has.
const PLACES: usize = 9;

/// `1234`, `1,234`, `1234.0`; empty is zero.
pub(super) fn count(cell: &str) -> Option<u64> {
    let digits = plain(cell)?;
    if digits.is_empty() {
        return Some(0);
    }
    let (whole, part) = digits.split_once('.').unwrap_or((&digits, "0"));
    let is_whole = part.bytes().all(|byte| byte == b'0');
    is_whole.then(|| whole.parse().ok())?
}

/// `1.23`, `$1,234.56`, `-0.5`, `1.2e-05`, `0.0000123456789` (rounded to a billionth); empty is zero.
pub(super) fn money(cell: &str) -> Option<Money> {
    let number = plain(cell.trim().trim_start_matches(['$', '€', '£']))?;
    if number.is_empty() {
        return Some(Money::ZERO);
    }
    if let Ok(exact) = number.parse() {
        return Some(exact);
    }
    rounded(&number)
}

/// What is finer than a billionth, rounded, halves away from zero.
fn rounded(number: &str) -> Option<Money> {
    let (number, exponent) = match number.split_once(['e', 'E']) {
        Some((number, exponent)) => (number, exponent.parse::<i32>().ok()?),
        None => (number, 0),
    };
    let (sign, digits) = match number.strip_prefix('-') {
        Some(digits) => (-1, digits),
        None => (1, number),
    };
    let (whole, part) = digits.split_once('.').unwrap_or((digits, ""));
    let digits = format!("{whole}{part}");
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    // The number of digits that stand before the billionths' point. Beyond that, only the first one rounds.
    let shift = i32::try_from(PLACES).ok()?.checked_add(exponent)?;
    let kept = i32::try_from(whole.len()).ok()?.checked_add(shift)?;
    let Ok(kept) = usize::try_from(kept) else {
        return Some(Money::ZERO);
    };
    let nanos: i64 = match digits.get(..kept)? {
        "" => 0,
        digits => digits.parse().ok()?,
    };
    let is_half_or_more = digits
        .as_bytes()
        .get(kept)
        .is_some_and(|digit| *digit >= b'5');
    let nanos = nanos.checked_add(i64::from(is_half_or_more))?;
    Some(Money::from_nanos(sign * nanos))
}

/// `2027-01-31`, any time on it, `2027-01-31 08:00:00`, `2027/01/31`, or seconds since 1970: the day, counted from 1970.
pub(super) fn day(cell: &str) -> Option<Day> {
    let cell = cell.trim();
    let seconds = cell
        .parse::<u64>()
        .ok()
        .filter(|seconds| *seconds > 100_000_000);
    let time: SystemTime = match seconds {
        Some(seconds) => UNIX_EPOCH.checked_add(Duration::from_secs(seconds))?,
        None => {
            let dashed = cell.replace('/', "-");
            let plain = |form| NaiveDateTime::parse_from_str(&dashed, form).ok();
            moment::parse(&dashed).ok().or_else(|| {
                let time = plain("%Y-%m-%d %H:%M:%S").or_else(|| plain("%Y-%m-%dT%H:%M:%S"))?;
                Some(time.and_utc().into())
            })?
        }
    };
    Some(totals::day_of(time))
}

/// Without blanks and the commas between thousands. None where a comma stands for a decimal point.
fn plain(cell: &str) -> Option<String> {
    let cell = cell.trim();
    let mut parts = cell.split('.').next()?.split(',');
    let first = parts.next()?;
    let grouped = parts.all(|group| group.len() == 3);
    let is_sound = grouped && !(cell.contains(',') && first.trim_start_matches('-').is_empty());
    is_sound.then(|| cell.replace(',', ""))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_are_whole() {
        for (cell, expected) in [
            ("1234", Some(1234)),
            (" 1,234,567 ", Some(1_234_567)),
            ("12.0", Some(12)),
            ("", Some(0)),
            ("12.5", None),
            ("1,5", None),
            ("-3", None),
            ("n/a", None),
            (",123", None),
        ] {
            assert_eq!(count(cell), expected, "{cell}");
        }
    }

    #[test]
    fn money_is_exact_to_a_billionth() {
        for (cell, expected) in [
            ("1.25", Some("1.25")),
            ("$1,234.50", Some("1234.5")),
            ("-0.5", Some("-0.5")),
            ("", Some("0")),
            ("1.2e-05", Some("0.000012")),
            ("0.00001234567890123", Some("0.000012346")),
            ("0.0000000005", Some("0.000000001")),
            ("-0.00000000049", Some("0")),
            ("1.23456789012345e-3", Some("0.001234568")),
            ("4e-30", Some("0")),
            ("1,50", None),
            ("free", None),
            ("1.2.3", None),
        ] {
            let found = money(cell).map(|money| money.to_string());
            assert_eq!(found.as_deref(), expected, "{cell}");
        }
    }

    #[test]
    fn days_are_found_in_dates_and_times() {
        for cell in [
            "2027-01-31",
            "2027/01/31",
            "2027-01-31T23:59:59Z",
            "2027-01-31T00:00:00+00:00",
            "2027-01-31 10:00:00",
            "1801353600",
        ] {
            let found = day(cell).map(moment::day_text);
            assert_eq!(found.as_deref(), Some("2027-01-31"), "{cell}");
        }
        for bad in ["", "31.01.2027", "20270131", "soon"] {
            assert_eq!(day(bad), None, "{bad}");
        }
    }
}
