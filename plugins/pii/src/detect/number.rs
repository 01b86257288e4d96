//! Groups of digits, as phone and card numbers are written.

use crate::text::{Text, is_digit};

pub const GROUPS_MAX: usize = 8;
pub const DIGITS_MAX: usize = 24;
/// Between two groups: ` `, `-`, `) `, ` - `.
const SEPARATOR_BYTES_MAX: usize = 3;

/// Digits in groups. What is more than fits is left out; `cut` tells of it.
#[derive(Default)]
pub struct Number {
    pub digits: [u8; DIGITS_MAX],
    pub digit_count: usize,
    pub groups: [Group; GROUPS_MAX],
    pub group_count: usize,
    /// The number goes on beyond what is kept.
    pub cut: bool,
}

#[derive(Default, Clone, Copy)]
pub struct Group {
    pub len: usize,
    /// Digits of this group and all before it.
    pub digits: usize,
    /// Where it ends in the text.
    pub end: usize,
    /// What stands before it; zeros for the first.
    pub separator: [u8; SEPARATOR_BYTES_MAX],
}

impl Number {
    /// Reads from `from`, where a digit is.
    pub fn read(text: &Text, from: usize, is_separator: fn(u8) -> bool) -> Number {
        let mut number = Number::default();
        let mut at = from;
        let mut separator = [0; SEPARATOR_BYTES_MAX];
        loop {
            let end = text.run(at, DIGITS_MAX + 1, is_digit);
            if end == at {
                return number;
            }
            if !number.add(text.slice(at, end), end, separator) {
                number.cut = true;
                return number;
            }
            separator = [0; SEPARATOR_BYTES_MAX];
            at = end;
            while at - end < SEPARATOR_BYTES_MAX {
                let byte = fold(text, at);
                if !is_separator(byte) {
                    break;
                }
                separator[at - end] = byte;
                at += 1;
            }
            if at == end {
                return number;
            }
        }
    }

    fn add(&mut self, digits: &[u8], end: usize, separator: [u8; SEPARATOR_BYTES_MAX]) -> bool {
        let count = self.digit_count + digits.len();
        if self.group_count == GROUPS_MAX || count > DIGITS_MAX {
            return false;
        }
        self.digits[self.digit_count..count].copy_from_slice(digits);
        self.digit_count = count;
        self.groups[self.group_count] = Group {
            len: digits.len(),
            digits: count,
            end,
            separator,
        };
        self.group_count += 1;
        true
    }
}

/// A no-break space, which has two bytes, counts as two spaces.
fn fold(text: &Text, at: usize) -> u8 {
    match text.at(at) {
        0xC2 if text.at(at + 1) == 0xA0 => b' ',
        0xA0 if text.before(at, 1) == 0xC2 => b' ',
        byte => byte,
    }
}
