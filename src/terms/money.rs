//! Amounts of money, exact: whole billionths of the one currency that the process counts in.
//! It must not know which currency that is, nor what is paid for.

use std::borrow::Cow;
use std::fmt;
use std::iter::Sum;
use std::ops::{Add, AddAssign, Neg, Sub, SubAssign};
use std::str::FromStr;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Billionths in one unit of the currency.
const NANOS: i64 = 1_000_000_000;
const DIGITS: usize = 9;
/// For editors; [`Money::from_str`] decides.
const PATTERN: &str = r"^-?[0-9]+(\.[0-9]{1,9})?$|\$\{";

/// An amount in billionths of the currency's unit: up to 9.2 billion units, either way. Sums stop at the bounds and never wrap.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Money(i64);

impl Money {
    pub const ZERO: Money = Money(0);
    pub const MAX: Money = Money(i64::MAX);

    pub const fn from_nanos(nanos: i64) -> Money {
        Money(nanos)
    }

    /// Billionths of a unit.
    pub const fn nanos(self) -> i64 {
        self.0
    }

    /// The amount for so many billionths, as far as there is one.
    pub fn clamped(nanos: i128) -> Money {
        let bounded = nanos.clamp(i128::from(i64::MIN), i128::from(i64::MAX));
        Money(i64::try_from(bounded).unwrap_or(i64::MAX))
    }

    pub const fn is_negative(self) -> bool {
        self.0 < 0
    }
}

impl Add for Money {
    type Output = Money;
    fn add(self, other: Money) -> Money {
        Money(self.0.saturating_add(other.0))
    }
}

impl Sub for Money {
    type Output = Money;
    fn sub(self, other: Money) -> Money {
        Money(self.0.saturating_sub(other.0))
    }
}

impl Neg for Money {
    type Output = Money;
    fn neg(self) -> Money {
        Money(self.0.saturating_neg())
    }
}

impl AddAssign for Money {
    fn add_assign(&mut self, other: Money) {
        *self = *self + other;
    }
}

impl SubAssign for Money {
    fn sub_assign(&mut self, other: Money) {
        *self = *self - other;
    }
}

impl Sum for Money {
    fn sum<I: Iterator<Item = Money>>(amounts: I) -> Money {
        amounts.fold(Money::ZERO, Add::add)
    }
}

/// `12.5`, `-0.000000001`, `3`: no exponent and no zeros at the end.
impl fmt::Display for Money {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let nanos = self.0.unsigned_abs();
        let unit = NANOS.unsigned_abs();
        let sign = if self.0 < 0 { "-" } else { "" };
        let (whole, part) = (nanos / unit, nanos % unit);
        if part == 0 {
            return write!(formatter, "{sign}{whole}");
        }
        let part = format!("{part:09}");
        write!(formatter, "{sign}{whole}.{}", part.trim_end_matches('0'))
    }
}

/// Reads a decimal number exactly; an exponent is understood, since number formats write small amounts with one.
impl FromStr for Money {
    type Err = String;

    fn from_str(text: &str) -> Result<Money, String> {
        let wrong = || "is not an amount; write a decimal number such as `2.50`".to_owned();
        let too_fine = || "is finer than a billionth, the smallest amount".to_owned();
        let too_large = || "is beyond 9,223,372,036, the largest amount".to_owned();
        let (number, exponent) = match text.split_once(['e', 'E']) {
            Some((number, exponent)) => (number, exponent.parse::<i32>().map_err(|_| wrong())?),
            None => (text, 0),
        };
        let (negative, digits) = match number.strip_prefix('-') {
            Some(digits) => (true, digits),
            None => (false, number),
        };
        let (whole, part) = digits.split_once('.').unwrap_or((digits, ""));
        let digits = format!("{whole}{part}");
        if whole.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(wrong());
        }
        // How far the digits are to be moved so that they count billionths.
        let shift = exponent.saturating_add(DIGITS as i32) - part.len() as i32;
        let digits = digits.trim_start_matches('0');
        let digits = match usize::try_from(-shift) {
            Ok(cut) if cut > 0 => {
                let (kept, lost) = digits.split_at(digits.len().saturating_sub(cut));
                if lost.bytes().any(|digit| digit != b'0') {
                    return Err(too_fine());
                }
                kept.to_owned()
            }
            _ if digits.is_empty() => String::new(),
            _ if shift > 40 => return Err(too_large()),
            _ => format!("{digits}{}", "0".repeat(shift.unsigned_abs() as usize)),
        };
        if digits.is_empty() {
            return Ok(Money::ZERO);
        }
        let nanos: i64 = digits.parse().map_err(|_| too_large())?;
        Ok(Money(if negative { -nanos } else { nanos }))
    }
}

/// A JSON number with all its digits.
impl Serialize for Money {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let text = self.to_string();
        match text.parse::<serde_json::Number>() {
            Ok(number) => number.serialize(serializer),
            Err(_) => serializer.serialize_str(&text),
        }
    }
}

/// A number or its text. YAML's numbers come as floats whose shortest text is what was written.
impl<'de> Deserialize<'de> for Money {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Money, D::Error> {
        let text = match serde_json::Value::deserialize(deserializer)? {
            serde_json::Value::String(text) => text,
            serde_json::Value::Number(number) => number.to_string(),
            other => return Err(D::Error::custom(format!("{other} is not an amount"))),
        };
        text.parse()
            .map_err(|problem| D::Error::custom(format!("{text} {problem}")))
    }
}

impl JsonSchema for Money {
    fn inline_schema() -> bool {
        true
    }
    fn schema_name() -> Cow<'static, str> {
        "Money".into()
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({"anyOf": [
            {"type": "number", "format": "weir-money"},
            {"type": "string", "format": "weir-money", "pattern": PATTERN}
        ]})
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_are_read_and_written_exactly() {
        for (text, nanos, written) in [
            ("0", 0, "0"),
            ("-0", 0, "0"),
            ("2.50", 2_500_000_000, "2.5"),
            ("-2.5", -2_500_000_000, "-2.5"),
            ("0.000000001", 1, "0.000000001"),
            ("7.5e-8", 75, "0.000000075"),
            ("1e-9", 1, "0.000000001"),
            ("12e2", 1_200_000_000_000, "1200"),
            ("0.1000000000", 100_000_000, "0.1"),
            ("9223372036.854775807", i64::MAX, "9223372036.854775807"),
            ("00.5", 500_000_000, "0.5"),
            ("0e99", 0, "0"),
        ] {
            let read: Money = text.parse().unwrap();
            assert_eq!(read.nanos(), nanos, "{text}");
            assert_eq!(read.to_string(), written, "{text}");
        }
        for bad in [
            "",
            "-",
            ".",
            ".5",
            "1.2.3",
            "1e",
            "--1",
            "+1",
            "a",
            "1 ",
            "0.0000000001",
            "1e-10",
            "9223372036.854775808",
            "1e10",
            "1e2147483647",
            "1e-2147483648",
        ] {
            assert!(bad.parse::<Money>().is_err(), "{bad}");
        }
    }

    #[test]
    fn json_and_yaml_keep_every_digit() {
        for text in ["0.000000001", "9223372036.854775807", "-3", "12.5"] {
            let read: Money = serde_json::from_str(text).unwrap();
            assert_eq!(serde_json::to_string(&read).unwrap(), text);
            let quoted: Money = serde_json::from_str(&format!("\"{text}\"")).unwrap();
            assert_eq!(quoted, read);
        }
        assert!(serde_json::from_str::<Money>("true").is_err());
    }

    #[test]
    fn sums_stop_at_the_bounds() {
        assert_eq!(Money::MAX + Money::from_nanos(1), Money::MAX);
        assert_eq!(Money::clamped(i128::MAX), Money::MAX);
        let sum: Money = [Money::from_nanos(2), Money::from_nanos(-5)]
            .into_iter()
            .sum();
        assert_eq!(sum, Money::from_nanos(-3));
    }
}
