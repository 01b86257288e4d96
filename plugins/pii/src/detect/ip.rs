//! IPv4 and IPv6 addresses. Those that name no machine in particular (loopback, unspecified, netmasks) are left alone.

use crate::text::{Text, is_digit, is_hex};

const GROUPS: usize = 8;

/// The end of an IPv4 address that begins at `from`, where a digit is.
pub fn find_v4(text: &Text, from: usize) -> Option<usize> {
    if text.before(from, 1) == b'.' && is_digit(text.before(from, 2)) {
        return None;
    }
    let (octets, end) = v4(text, from)?;
    let goes_on = text.word_at(end) || (text.at(end) == b'.' && is_digit(text.at(end + 1)));
    let nobody = octets[0] == 127 || octets[0] == 255 || octets == [0; 4];
    (!goes_on && !nobody).then_some(end)
}

fn v4(text: &Text, from: usize) -> Option<([u8; 4], usize)> {
    let mut octets = [0; 4];
    let mut at = from;
    for (place, octet) in octets.iter_mut().enumerate() {
        if place > 0 {
            if text.at(at) != b'.' {
                return None;
            }
            at += 1;
        }
        let end = text.run(at, 4, is_digit);
        let digits = text.slice(at, end);
        if digits.is_empty() || digits.len() > 3 || (digits.len() > 1 && digits[0] == b'0') {
            return None;
        }
        let value = digits
            .iter()
            .fold(0u32, |n, d| n * 10 + u32::from(d - b'0'));
        *octet = u8::try_from(value).ok()?;
        at = end;
    }
    Some((octets, at))
}

/// The end of an IPv6 address that begins at `from`, where a hexadecimal digit or `::` is.
pub fn find_v6(text: &Text, from: usize) -> Option<usize> {
    if text.before(from, 1) == b':' {
        return None;
    }
    let mut seen = Seen::default();
    let mut at = from;
    if text.at(at) == b':' {
        if text.at(at + 1) != b':' {
            return None;
        }
        seen.gap = true;
        at += 2;
    }
    loop {
        let end = text.run(at, 5, is_hex);
        if end == at || end - at > 4 {
            // `2001:db8::` ends with its gap; a letter that is no digit makes it something else.
            return (end == at && seen.gap_last && seen.is_address())
                .then_some(at)
                .filter(|at| !text.word_at(*at));
        }
        if text.at(end) == b'.' && seen.groups > 0 {
            return tail_v4(text, at, &seen);
        }
        seen.add(text.slice(at, end));
        if text.at(end) != b':' || seen.groups == GROUPS {
            return (seen.is_address() && !text.word_at(end) && text.at(end) != b':')
                .then_some(end);
        }
        at = end + 1;
        seen.gap_last = false;
        if text.at(at) == b':' {
            if seen.gap {
                return None;
            }
            seen.gap = true;
            seen.gap_last = true;
            at += 1;
        } else if !is_hex(text.at(at)) {
            // A colon that ends a sentence's part.
            return seen.is_address().then_some(end);
        }
    }
}

/// `::ffff:192.0.2.1`; or an address at the end of a sentence.
fn tail_v4(text: &Text, at: usize, seen: &Seen) -> Option<usize> {
    if let Some((_, end)) = v4(text, at) {
        return (seen.gap && seen.groups < 7 && !text.word_at(end)).then_some(end);
    }
    let mut whole = seen.clone();
    let end = text.run(at, 4, is_hex);
    whole.add(text.slice(at, end));
    whole.is_address().then_some(end)
}

#[derive(Default, Clone)]
struct Seen {
    groups: usize,
    gap: bool,
    gap_last: bool,
    digit: bool,
    first_long: bool,
    only_zeros: bool,
    ones: bool,
}

impl Seen {
    fn add(&mut self, group: &[u8]) {
        if self.groups == 0 {
            self.only_zeros = true;
            self.first_long =
                group.len() > 2 && matches!(group[0].to_ascii_lowercase(), b'2' | b'3' | b'f');
        }
        self.groups += 1;
        self.digit |= group.iter().any(u8::is_ascii_digit);
        self.ones = self.only_zeros && group == b"1";
        self.only_zeros &= group.iter().all(|b| *b == b'0');
    }

    /// `a::b` is a path in many a language; `::1` and `::` name no machine in particular.
    fn is_address(&self) -> bool {
        let complete = if self.gap {
            self.groups < GROUPS
        } else {
            self.groups == GROUPS
        };
        let sure = self.groups >= 3 || (self.groups >= 1 && self.first_long);
        complete
            && self.digit
            && (sure || (self.groups == 2 && !self.gap))
            && !self.only_zeros
            && !self.ones
    }
}
