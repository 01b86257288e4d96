//! IBANs: the country's length, and the check digits of ISO 13616.

use crate::text::{Text, is_alnum, is_digit};

/// Countries and the length of their numbers (SWIFT IBAN registry, release 99).
const LENGTHS: &[(&[u8; 2], usize)] = &[
    (b"AD", 24),
    (b"AE", 23),
    (b"AL", 28),
    (b"AT", 20),
    (b"AZ", 28),
    (b"BA", 20),
    (b"BE", 16),
    (b"BG", 22),
    (b"BH", 22),
    (b"BI", 27),
    (b"BR", 29),
    (b"BY", 28),
    (b"CH", 21),
    (b"CR", 22),
    (b"CY", 28),
    (b"CZ", 24),
    (b"DE", 22),
    (b"DJ", 27),
    (b"DK", 18),
    (b"DO", 28),
    (b"EE", 20),
    (b"EG", 29),
    (b"ES", 24),
    (b"FI", 18),
    (b"FK", 18),
    (b"FO", 18),
    (b"FR", 27),
    (b"GB", 22),
    (b"GE", 22),
    (b"GI", 23),
    (b"GL", 18),
    (b"GR", 27),
    (b"GT", 28),
    (b"HN", 28),
    (b"HR", 21),
    (b"HU", 28),
    (b"IE", 22),
    (b"IL", 23),
    (b"IQ", 23),
    (b"IS", 26),
    (b"IT", 27),
    (b"JO", 30),
    (b"KW", 30),
    (b"KZ", 20),
    (b"LB", 28),
    (b"LC", 32),
    (b"LI", 21),
    (b"LT", 20),
    (b"LU", 20),
    (b"LV", 21),
    (b"LY", 25),
    (b"MC", 27),
    (b"MD", 24),
    (b"ME", 22),
    (b"MK", 19),
    (b"MN", 20),
    (b"MR", 27),
    (b"MT", 31),
    (b"MU", 30),
    (b"NI", 28),
    (b"NL", 18),
    (b"NO", 15),
    (b"OM", 23),
    (b"PK", 24),
    (b"PL", 28),
    (b"PS", 29),
    (b"PT", 25),
    (b"QA", 29),
    (b"RO", 24),
    (b"RS", 22),
    (b"RU", 33),
    (b"SA", 24),
    (b"SC", 31),
    (b"SD", 18),
    (b"SE", 24),
    (b"SI", 19),
    (b"SK", 24),
    (b"SM", 27),
    (b"SO", 23),
    (b"ST", 25),
    (b"SV", 28),
    (b"TL", 23),
    (b"TN", 24),
    (b"TR", 26),
    (b"UA", 29),
    (b"VA", 22),
    (b"VG", 24),
    (b"XK", 20),
    (b"YE", 30),
];

const LENGTH_MAX: usize = 34;

/// The end of an IBAN that begins at `from`.
pub fn find(text: &Text, from: usize) -> Option<usize> {
    let head = [text.at(from), text.at(from + 1)];
    if !head.iter().all(u8::is_ascii_alphabetic)
        || !is_digit(text.at(from + 2))
        || !is_digit(text.at(from + 3))
    {
        return None;
    }
    let country = head.map(|b| b.to_ascii_uppercase());
    let (_, length) = LENGTHS.iter().find(|(name, _)| **name == country)?;
    let mut digits = [0; LENGTH_MAX];
    let mut count = 0;
    let mut at = from;
    while count < *length {
        let byte = text.at(at);
        if is_alnum(byte) {
            digits[count] = byte.to_ascii_uppercase();
            count += 1;
        } else if !matches!(byte, b' ' | b'-') || !is_alnum(text.at(at + 1)) || count < 2 {
            return None;
        }
        at += 1;
    }
    (!text.word_at(at) && remainder(&digits[..count]) == 1).then_some(at)
}

/// The number with its first four characters at its end, letters as two digits, modulo 97.
fn remainder(digits: &[u8]) -> u32 {
    let moved = digits[4..].iter().chain(&digits[..4]);
    moved.fold(0, |rest, byte| match byte {
        b'0'..=b'9' => (rest * 10 + u32::from(byte - b'0')) % 97,
        _ => (rest * 100 + u32::from(byte - b'A') + 10) % 97,
    })
}
