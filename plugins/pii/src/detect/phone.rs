//! Phone numbers: international ones, and national ones where their form gives them away. A row of digits that could be
//! anything is a phone number only after a word that says so (`tel: …`).

use super::number::{Group, Number};
use crate::text::{Text, is_alnum, is_digit};

/// ITU-T E.164.
const DIGITS_MAX: usize = 15;
/// Shorter ones are for a town's use, or an office's.
const DIGITS_MIN: usize = 6;
const NATIONAL_DIGITS_MIN: usize = 9;

fn is_separator(byte: u8) -> bool {
    matches!(byte, b' ' | b'-' | b'.' | b'/' | b'(' | b')')
}

/// The end of a number that begins at `from`, where a digit, `+` or `(` is.
pub fn find(text: &Text, from: usize) -> Option<usize> {
    let glued =
        matches!(text.before(from, 1), b'-' | b'.' | b'_') && is_alnum(text.before(from, 2));
    if glued {
        return None;
    }
    match text.at(from) {
        b'+' if (b'1'..=b'9').contains(&text.at(from + 1)) => longest(
            text,
            &Number::read(text, from + 1, is_separator),
            is_international,
        ),
        b'(' if is_digit(text.at(from + 1)) => longest(
            text,
            &Number::read(text, from + 1, is_separator),
            is_national_in_brackets,
        ),
        byte if is_digit(byte) => {
            let number = Number::read(text, from, is_separator);
            // Most numbers in a text are too short to be looked at closely.
            if number.digit_count < NATIONAL_DIGITS_MIN {
                return None;
            }
            longest(text, &number, |number, last| {
                is_dialled_abroad(number, last) || is_national(number, last)
            })
        }
        _ => None,
    }
}

/// After a word like `phone:`, where anything with 6 to 15 digits is a number.
pub fn find_named(text: &Text, from: usize) -> Option<usize> {
    let first = from + usize::from(matches!(text.at(from), b'+' | b'('));
    if !is_digit(text.at(first)) {
        return None;
    }
    longest(
        text,
        &Number::read(text, first, is_separator),
        |number, last| (DIGITS_MIN..=DIGITS_MAX).contains(&number.groups[last].digits),
    )
}

/// The end of the longest run of whole groups that `accepts` takes.
fn longest(
    text: &Text,
    number: &Number,
    accepts: impl Fn(&Number, usize) -> bool,
) -> Option<usize> {
    if number.digit_count < DIGITS_MIN {
        return None;
    }
    let groups = &number.groups[..number.group_count];
    (0..groups.len()).rev().find_map(|last| {
        let goes_on = match groups.get(last + 1) {
            Some(next) => next.separator != [b' ', 0, 0] && next.separator[0] != b' ',
            None => number.cut,
        };
        let end = groups[last].end;
        (!goes_on && accepts(number, last) && !text.word_at(end) && text.at(end) != b'_')
            .then_some(end)
    })
}

fn lens(number: &Number, last: usize) -> impl Iterator<Item = usize> {
    number.groups[..=last].iter().map(|group| group.len)
}

fn is(number: &Number, last: usize, shape: &[usize]) -> bool {
    lens(number, last).eq(shape.iter().copied())
}

/// Separators that have brackets in them, between which there are no others: a trunk prefix, `+49 (0)30`.
fn separated(groups: &[Group], accepts: impl Fn([u8; 3]) -> bool) -> bool {
    groups.iter().skip(1).all(|group| accepts(group.separator))
}

fn is_international(number: &Number, last: usize) -> bool {
    let groups = &number.groups[..=last];
    let short = groups[1..].iter().filter(|group| group.len == 1).count();
    let most_short = usize::from(groups.len() > 1 && groups[0].len < 4);
    (8..=DIGITS_MAX).contains(&groups[last].digits)
        && groups[0].len != 0
        && short <= most_short.max(usize::from(last > 3))
}

/// `00` and the number from abroad, in one row or with the country's code in the first or second group.
fn is_dialled_abroad(number: &Number, last: usize) -> bool {
    let groups = &number.groups[..=last];
    let digits = &number.digits[..groups[last].digits];
    let prefixed = digits.starts_with(b"00") && digits.get(2).is_some_and(|d| *d != b'0');
    let grouped = match groups[0].len {
        2 => last >= 2 && groups[1].len <= 3,
        3 => {
            last >= 2
                && digits[2] == b'1'
                && (b'2'..=b'9').contains(&digits[3])
                && digits.len() == 13
        }
        4 | 5 => last == 0 || digits.len() >= 10,
        _ => true,
    };
    prefixed && grouped && (10..=DIGITS_MAX + 2).contains(&digits.len())
}

fn is_national(number: &Number, last: usize) -> bool {
    let groups = &number.groups[..=last];
    let digits = &number.digits[..groups[last].digits];
    if !separated(groups, |s| !s.contains(&b'(') && !s.contains(&b')')) {
        // `8 (912) 345-67-89`, `1 (202) 555-0143`
        return (is(number, last, &[1, 3, 3, 2, 2]) && digits[0] == b'8')
            || (is(number, last, &[1, 3, 3, 4])
                && digits[0] == b'1'
                && is_north_american(&digits[1..]));
    }
    is_trunk(number, last)
        || (is(number, last, &[3, 3, 4]) && is_north_american(digits) && alike(groups))
        || (is(number, last, &[1, 3, 3, 4]) && digits[0] == b'1' && is_north_american(&digits[1..]))
        || (is(number, last, &[1, 3, 3, 2, 2]) && digits[0] == b'8')
        || is_mobile_of_china(number, last, digits)
        || (is(number, last, &[5, 5]) && digits[0] >= b'6' && groups[1].separator[0] != b'.')
        || (is(number, last, &[3, 2, 2, 2]) && digits[0] >= b'6' && alike(groups))
}

fn is_mobile_of_china(number: &Number, last: usize, digits: &[u8]) -> bool {
    (is(number, last, &[11]) || is(number, last, &[3, 4, 4]))
        && digits[0] == b'1'
        && digits[1] >= b'3'
}

/// Area codes and exchanges begin with 2 to 9.
fn is_north_american(digits: &[u8]) -> bool {
    digits.len() == 10 && digits[0] >= b'2' && digits[3] >= b'2' && digits[1..3] != *b"11"
}

/// The same separator everywhere.
fn alike(groups: &[Group]) -> bool {
    separated(groups, |s| s == groups[1].separator)
}

/// A trunk prefix 0, then an area or network code: most of Europe, Japan, Australia, and others.
fn is_trunk(number: &Number, last: usize) -> bool {
    let groups = &number.groups[..=last];
    let digits = &number.digits[..groups[last].digits];
    let prefixed = digits[0] == b'0' && digits.len() > 1 && digits[1] != b'0';
    if !prefixed || last == 0 || !(NATIONAL_DIGITS_MIN..=12).contains(&digits.len()) {
        return false;
    }
    let dotted = separated(groups, |s| s == *b".\0\0");
    match groups[0].len {
        // `01 23 45 67 89`, `03-1234-5678`, `06-12345678`
        2 => {
            is(number, last, &[2, 2, 2, 2, 2])
                || is(number, last, &[2, 4, 4])
                || is(number, last, &[2, 8])
        }
        3..=5 => {
            groups[1..].iter().all(|group| group.len >= 2)
                && last <= 4
                && !(dotted && (last == 3 || last == 1) && groups[0].len == 3)
        }
        _ => false,
    }
}

/// `(202) 555-0143`, `(11) 98765-4321`, `(030) 1234567`.
fn is_national_in_brackets(number: &Number, last: usize) -> bool {
    let groups = &number.groups[..=last];
    let digits = &number.digits[..groups[last].digits];
    if last == 0
        || groups[1].separator[0] != b')'
        || !separated(&groups[1..], |s| s[0] != b'(' && s[0] != b')')
    {
        return false;
    }
    let trunk = digits[0] == b'0' && digits[1] != b'0' && (8..=12).contains(&digits.len());
    trunk
        || (is(number, last, &[3, 3, 4]) && is_north_american(digits))
        || is(number, last, &[2, 5, 4])
        || is(number, last, &[2, 4, 4])
}
