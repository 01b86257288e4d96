//! Durations (`40ms`, `5s`, `2m`, `1h`), sizes (`64MiB`, `10MB`, plain bytes) and shares (`20%`, `0.2`): text to value
//! and back.
//! It must not know which setting a value belongs to.

use std::time::Duration;

/// Longest duration that a setting takes: a week.
const DURATION_MAX: Duration = Duration::from_secs(7 * 24 * 60 * 60);
/// Longest time that is counted in days: a hundred years.
const DAYS_MAX: u32 = 36_500;
/// Largest size that a setting takes: 1 TiB.
const SIZE_BYTES_MAX: u64 = 1 << 40;

/// For editors, which cannot expand `${NAME}`; [`duration`] decides.
pub(super) const DURATION_PATTERN: &str = r"^[0-9]+(\.[0-9]+)?(ms|s|m|h)$|\$\{";
/// For editors, which cannot expand `${NAME}`; [`size`] decides.
pub(super) const SIZE_PATTERN: &str = r"^[0-9]+(B|KB|MB|GB|KiB|MiB|GiB)?$|\$\{";

/// For editors, which cannot expand `${NAME}`; [`days`] decides.
pub(super) const DAYS_PATTERN: &str = r"^[1-9][0-9]*d$|\$\{";

/// For editors, which cannot expand `${NAME}`; [`share`] decides.
pub(super) const SHARE_PATTERN: &str = r"^[0-9]+(\.[0-9]+)?%?$|\$\{";

/// Milliseconds of a unit.
const DURATION_UNITS: [(&str, f64); 4] = [("ms", 1.0), ("s", 1e3), ("m", 60e3), ("h", 3_600e3)];
const SIZE_UNITS: [(&str, u64); 8] = [
    ("GiB", 1 << 30),
    ("MiB", 1 << 20),
    ("KiB", 1 << 10),
    ("GB", 1_000_000_000),
    ("MB", 1_000_000),
    ("KB", 1_000),
    ("B", 1),
    ("", 1),
];

/// `40ms`, `1.5s`, `2m`, `1h`.
///
/// # Errors
/// What is wrong, and the way out, for a sentence that begins with the value.
pub fn duration(text: &str) -> Result<Duration, String> {
    let (number, unit) = split(text);
    let Ok(count) = number.parse::<f64>() else {
        return Err("is not a duration; write for example `500ms`, `5s`, `2m` or `1h`".into());
    };
    let Some((_, milliseconds)) = DURATION_UNITS.iter().find(|(name, _)| *name == unit) else {
        return Err(match unit {
            "" => format!(
                "has no unit; write `{number}s` for seconds or `{number}ms` for milliseconds"
            ),
            _ => "has a unit that weir does not know; the units are ms, s, m and h".into(),
        });
    };
    let milliseconds = count * milliseconds;
    // Compared as a number: a count with 300 digits has no Duration.
    if milliseconds > DURATION_MAX.as_millis() as f64 {
        return Err("is longer than a week, the most that a setting takes (`168h`)".into());
    }
    Ok(Duration::from_micros((milliseconds * 1e3).round() as u64))
}

/// `64MiB`, `1GiB`, `512KiB`, `10MB`, `4096`: bytes, more than none.
///
/// # Errors
/// What is wrong, and the way out, for a sentence that begins with the value.
pub(super) fn size(text: &str) -> Result<usize, String> {
    let (number, unit) = split(text);
    let Some((_, factor)) = SIZE_UNITS.iter().find(|(name, _)| *name == unit) else {
        return Err(match number.is_empty() {
            true => {
                "is not a size; write for example `512KiB`, `64MiB`, `1GiB` or a number of bytes"
                    .into()
            }
            false => format!(
                "is not a size; the units are B, KiB, MiB, GiB, KB, MB and GB, as in `{number}MiB`"
            ),
        });
    };
    let Ok(count) = number.parse::<u64>() else {
        return Err("is not a size; write a whole number, as in `64MiB`".into());
    };
    match count
        .checked_mul(*factor)
        .filter(|bytes| *bytes <= SIZE_BYTES_MAX)
    {
        None => Err("is more than 1024GiB, the most that a setting takes".into()),
        Some(0) => Err("is zero, and nothing would fit; write for example `64MiB`".into()),
        Some(bytes) => {
            usize::try_from(bytes).map_err(|_| "is more than this machine can address".into())
        }
    }
}

/// `20%`, `0.2`: from none (0) to the whole (1).
///
/// # Errors
/// What is wrong, and the way out, for a sentence that begins with the value.
pub(super) fn share(text: &str) -> Result<f64, String> {
    let (number, unit) = split(text);
    let whole = match unit {
        "" => 1.0,
        "%" => 100.0,
        _ => return Err("is not a share; write for example `20%` or `0.2`".into()),
    };
    let Ok(count) = number.parse::<f64>() else {
        return Err("is not a share; write for example `20%` or `0.2`".into());
    };
    match count / whole {
        share if share <= 1.0 => Ok(share),
        _ if unit.is_empty() && count <= 100.0 => {
            Err(format!("is more than the whole; did you mean `{number}%`?"))
        }
        _ => Err("is more than the whole; the most is `100%`".into()),
    }
}

/// `400d`: whole days, at least one.
///
/// # Errors
/// What is wrong, and the way out, for a sentence that begins with the value.
pub(super) fn days(text: &str) -> Result<u32, String> {
    let days = text.strip_suffix('d').and_then(|days| days.parse().ok());
    days.filter(|days| (1..=DAYS_MAX).contains(days))
        .ok_or_else(|| {
            format!("is not a number of days; write for example `400d`, at most `{DAYS_MAX}d`")
        })
}

/// The number in front, and the rest.
fn split(text: &str) -> (&str, &str) {
    let text = text.trim();
    let digits = text
        .find(|character: char| !character.is_ascii_digit() && character != '.')
        .unwrap_or(text.len());
    (&text[..digits], text[digits..].trim_start())
}

/// The shortest text that [`duration`] reads as this value.
pub(super) fn duration_text(duration: Duration) -> String {
    let milliseconds = duration.as_millis();
    match milliseconds {
        0 => "0s".to_owned(),
        _ if !milliseconds.is_multiple_of(1000) => format!("{milliseconds}ms"),
        _ => format!("{}s", milliseconds / 1000),
    }
}

/// The shortest text that [`size`] reads as this value.
pub(super) fn size_text(bytes: usize) -> String {
    let binary = [(1 << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB")];
    match binary
        .iter()
        .find(|(factor, _)| bytes > 0 && bytes.is_multiple_of(*factor))
    {
        Some((factor, unit)) => format!("{}{unit}", bytes / factor),
        None => format!("{bytes}B"),
    }
}

/// The text in percent that [`share`] reads as this value.
pub(super) fn share_text(share: f64) -> String {
    // Rounded: a product such as 0.07 × 100 is not quite 7.
    format!("{}%", (share * 1e8).round() / 1e6)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_carry_their_unit() {
        let milliseconds = |text| duration(text).map(|duration| duration.as_millis());
        let good = [
            ("40ms", 40),
            ("5s", 5_000),
            ("1.5s", 1_500),
            ("2m", 120_000),
            ("1h", 3_600_000),
            ("168h", 604_800_000),
            ("0s", 0),
            (" 5 s ", 5_000),
        ];
        for (text, expected) in good {
            assert_eq!(milliseconds(text), Ok(expected), "{text}");
        }
        let nines = "9".repeat(400);
        let bad = [
            ("5", "no unit"),
            ("0", "no unit"),
            ("5d", "does not know"),
            ("5S", "does not know"),
            ("five", "not a duration"),
            ("", "not a duration"),
            ("-5s", "not a duration"),
            ("1.2.3s", "not a duration"),
            (".", "not a duration"),
            ("169h", "longer than a week"),
            (&format!("{nines}s"), "longer than a week"),
        ];
        for (text, expected) in bad {
            let message = duration(text).expect_err(text);
            assert!(message.contains(expected), "{text}: {message}");
        }
    }

    #[test]
    fn sizes_carry_a_unit_or_are_bytes() {
        let good = [
            ("64MiB", 64 << 20),
            ("1GiB", 1 << 30),
            ("512KiB", 512 << 10),
            ("10MB", 10_000_000),
            ("1GB", 1_000_000_000),
            ("3KB", 3_000),
            ("7B", 7),
            ("4096", 4096),
            ("1024GiB", 1 << 40),
        ];
        for (text, expected) in good {
            assert_eq!(size(text), Ok(expected), "{text}");
        }
        let bad = [
            ("64M", "the units are"),
            ("64mib", "the units are"),
            ("lots", "not a size"),
            ("", "whole number"),
            ("1.5GiB", "whole number"),
            ("-1", "not a size"),
            ("0", "is zero"),
            ("2000GiB", "more than 1024GiB"),
            ("99999999999999999GiB", "more than 1024GiB"),
        ];
        for (text, expected) in bad {
            let message = size(text).expect_err(text);
            assert!(message.contains(expected), "{text}: {message}");
        }
    }

    #[test]
    fn shares_are_of_a_whole() {
        let good = [
            ("20%", 0.2),
            ("0.2", 0.2),
            ("0", 0.0),
            ("1", 1.0),
            ("100%", 1.0),
            (" 12.5 % ", 0.125),
        ];
        for (text, expected) in good {
            assert_eq!(share(text), Ok(expected), "{text}");
        }
        let bad = [
            ("20", "did you mean `20%`?"),
            ("120%", "the most is `100%`"),
            ("200", "the most is `100%`"),
            ("-1", "not a share"),
            ("1e2", "not a share"),
            ("half", "not a share"),
            ("%", "not a share"),
            ("1.2.3%", "not a share"),
            ("", "not a share"),
        ];
        for (text, expected) in bad {
            let message = share(text).expect_err(text);
            assert!(message.contains(expected), "{text}: {message}");
        }
    }

    #[test]
    fn what_is_written_is_read_back() {
        for value in [0.0, 0.07, 0.125, 0.2, 0.5, 1.0] {
            assert_eq!(share(&share_text(value)), Ok(value));
        }
        for milliseconds in [0, 1, 999, 1_000, 60_000, 90_500, 3_600_000] {
            let value = Duration::from_millis(milliseconds);
            assert_eq!(duration(&duration_text(value)), Ok(value));
        }
        for bytes in [1, 1000, 1024, 1 << 20, (1 << 20) + 1, 1 << 30] {
            assert_eq!(size(&size_text(bytes)), Ok(bytes));
        }
    }
}
