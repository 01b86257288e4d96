//! Payment card numbers: a known issuer's prefix, that issuer's lengths, and Luhn's check digit.

use super::number::Number;
use crate::text::{Text, is_digit};

/// The end of a card number that begins at `from`, where a digit is.
pub fn find(text: &Text, from: usize) -> Option<usize> {
    let decimal = matches!(text.before(from, 1), b'-' | b'.') && is_digit(text.before(from, 2));
    if decimal {
        return None;
    }
    let number = Number::read(text, from, |byte| matches!(byte, b' ' | b'-'));
    if number.digit_count < DIGITS_MIN {
        return None;
    }
    let groups = &number.groups[..number.group_count];
    (0..groups.len()).rev().find_map(|last| {
        let digits = &number.digits[..groups[last].digits];
        let end = groups[last].end;
        let plain = groups[1..=last]
            .iter()
            .all(|g| g.separator == groups[1].separator && g.separator[1] == 0 && g.len >= 2);
        let glued =
            text.word_at(end) || (number.cut && last + 1 == groups.len() && is_digit(text.at(end)));
        (plain && !glued && is_issued(digits) && luhn(digits)).then_some(end)
    })
}

const DIGITS_MIN: usize = 12;

/// Issuer prefixes and lengths (ISO/IEC 7812).
fn is_issued(digits: &[u8]) -> bool {
    let len = digits.len();
    if !(DIGITS_MIN..=19).contains(&len) {
        return false;
    }
    let head = |count: usize| {
        digits[..count]
            .iter()
            .fold(0u32, |n, d| n * 10 + u32::from(d - b'0'))
    };
    let (two, three, four, six) = (head(2), head(3), head(4), head(6));
    match two {
        // Visa
        40..=49 if matches!(len, 13 | 16 | 19) => true,
        // Mastercard
        51..=55 => len == 16,
        _ if (2221..=2720).contains(&four) => len == 16,
        // American Express
        34 | 37 => len == 15,
        // Diners Club
        36 | 38 | 39 => (14..=19).contains(&len),
        _ if (300..=305).contains(&three) => (14..=19).contains(&len),
        // Discover, UnionPay's twins of it
        65 => (16..=19).contains(&len),
        _ if four == 6011 || (644..=649).contains(&three) => (16..=19).contains(&len),
        _ if (622_126..=622_925).contains(&six) => (16..=19).contains(&len),
        // UnionPay
        62 => (16..=19).contains(&len),
        // JCB
        _ if (3528..=3589).contains(&four) => (16..=19).contains(&len),
        // Maestro
        _ if matches!(four, 5018 | 5020 | 5038 | 5893 | 6304 | 6759 | 6761..=6763) => true,
        // Mir
        _ if (2200..=2204).contains(&four) => (16..=19).contains(&len),
        _ => false,
    }
}

fn luhn(digits: &[u8]) -> bool {
    let sum: u32 = digits
        .iter()
        .rev()
        .enumerate()
        .map(|(place, digit)| {
            let digit = u32::from(digit - b'0');
            match place % 2 {
                0 => digit,
                _ if digit > 4 => digit * 2 - 9,
                _ => digit * 2,
            }
        })
        .sum();
    // A row of one digit passes Luhn's check now and then, and is nobody's card.
    sum.is_multiple_of(10) && digits.iter().any(|d| *d != digits[0])
}
