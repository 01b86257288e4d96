//! JSON strings: how far a text stands in one as it is, and texts written as one.

/// Bytes that are looked at together.
const CHUNK_BYTES: usize = 32;

/// The same of what is shorter: most names and many values are.
const WORD_BYTES: usize = size_of::<u64>();

const QUOTE: u8 = b'"';
const BACKSLASH: u8 = b'\\';

/// Keys and many values end within this many bytes, which are looked at a word at a time.
const SHORT_BYTES: usize = 2 * WORD_BYTES;

/// How many bytes from the beginning stand in a JSON string as they are: up to the first quote, backslash or control character.
pub fn plain_bytes(text: &[u8]) -> usize {
    let Some((short, long)) = text.split_at_checked(SHORT_BYTES) else {
        return plain_in_words(text);
    };
    let plain = plain_in_words(short);
    if plain < SHORT_BYTES {
        return plain;
    }
    let chunks = plain_chunks(long) * CHUNK_BYTES;
    plain + chunks + plain_in_words(&long[chunks..])
}

/// How many chunks from the beginning have nothing special.
fn plain_chunks(text: &[u8]) -> usize {
    let is_special = |byte: u8| byte < 0x20 || byte == QUOTE || byte == BACKSLASH;
    let (chunks, _) = text.as_chunks::<CHUNK_BYTES>();
    // Without a way out of the inner loop, so that it is done in a few instructions for all of the chunk.
    let is_plain = |chunk: &&[u8; CHUNK_BYTES]| {
        let any = |any, byte: &u8| any | u8::from(is_special(*byte));
        chunk.iter().fold(0, any) == 0
    };
    chunks.iter().take_while(is_plain).count()
}

/// The same as [`plain_bytes`], a word at a time.
fn plain_in_words(text: &[u8]) -> usize {
    let (words, last) = text.as_chunks::<WORD_BYTES>();
    for (word, at) in words.iter().zip(0..) {
        let specials = specials(u64::from_le_bytes(*word));
        if specials != 0 {
            return at * WORD_BYTES + place_of_first(specials);
        }
    }
    // What the word has beyond the text are zeros, which are special: the first of them ends the text.
    words.len() * WORD_BYTES + place_of_first(specials(short_word(last)))
}

/// The high bit of every byte that is special, and of some that follow a special one; the lowest bit is right.
fn specials(word: u64) -> u64 {
    const EACH: u64 = u64::MAX / 0xff;
    let below = |bytes: u64, bound: u8| {
        bytes.wrapping_sub(EACH * u64::from(bound)) & !bytes & (EACH * 0x80)
    };
    let equal = |byte: u8| below(word ^ (EACH * u64::from(byte)), 1);
    below(word, 0x20) | equal(QUOTE) | equal(BACKSLASH)
}

/// Which byte the lowest bit is in.
fn place_of_first(bits: u64) -> usize {
    bits.trailing_zeros() as usize / 8
}

/// Fewer bytes than a word has, with zeros after them. The two halves that are read overlap, and say the same where they do.
fn short_word(bytes: &[u8]) -> u64 {
    let moved = |half: u64, at: usize| half << (8 * at);
    if let (Some(first), Some(last)) = (bytes.first_chunk(), bytes.last_chunk()) {
        let (first, last) = (u32::from_le_bytes(*first), u32::from_le_bytes(*last));
        return u64::from(first) | moved(last.into(), bytes.len() - size_of::<u32>());
    }
    if let (Some(first), Some(last)) = (bytes.first_chunk(), bytes.last_chunk()) {
        let (first, last) = (u16::from_le_bytes(*first), u16::from_le_bytes(*last));
        return u64::from(first) | moved(last.into(), bytes.len() - size_of::<u16>());
    }
    bytes.first().copied().unwrap_or(0).into()
}

/// Writes a text as a JSON string, with its quotes, as `serde_json` does.
pub fn push(text: &str, out: &mut Vec<u8>) {
    out.reserve(text.len() + 2);
    out.push(b'"');
    push_inside(text, out);
    out.push(b'"');
}

/// The same without the quotes.
pub fn push_inside(text: &str, out: &mut Vec<u8>) {
    let mut rest = text.as_bytes();
    loop {
        let plain = plain_bytes(rest);
        out.extend_from_slice(&rest[..plain]);
        let Some(special) = rest.get(plain) else {
            return;
        };
        escape(*special, out);
        rest = &rest[plain + 1..];
    }
}

fn escape(special: u8, out: &mut Vec<u8>) {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let short = match special {
        b'"' => b'"',
        b'\\' => b'\\',
        0x08 => b'b',
        0x0c => b'f',
        b'\n' => b'n',
        b'\r' => b'r',
        b'\t' => b't',
        control => {
            let digit = |of: u8| DIGITS[usize::from(of)];
            out.extend_from_slice(b"\\u00");
            out.extend_from_slice(&[digit(control >> 4), digit(control & 0xf)]);
            return;
        }
    };
    out.extend_from_slice(&[b'\\', short]);
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn literals_are_those_of_serde_json(text in "[ -~\\x00-\\x1f\"\\\\é€😀]{0,100}") {
            let mut out = b"x".to_vec();
            push(&text, &mut out);
            prop_assert_eq!(&out[1..], serde_json::to_vec(&text).unwrap());
        }
    }

    #[test]
    fn every_place_of_a_chunk_is_looked_at() {
        for special in [b'"', b'\\', 0, 0x1f] {
            for at in 0..100 {
                let mut text = vec![b'x'; 100];
                text[at] = special;
                assert_eq!(plain_bytes(&text), at);
            }
        }
        for length in 0..20 {
            let plain = vec![0xff; length];
            assert_eq!(plain_bytes(&plain), length);
            for special in [b'"', b'\\', 0, 0x1f] {
                for at in 0..length {
                    for next in [b'"', b'!', b' ', b']', b'[', 0x7f, 0x80, 0xff] {
                        let mut text = vec![next; length];
                        text[..at].fill(b'#');
                        text[at] = special;
                        assert_eq!(plain_bytes(&text), at, "{text:?}");
                    }
                }
            }
        }
        for plain in (0x20..=0xff).filter(|byte| !b"\"\\".contains(byte)) {
            assert_eq!(plain_bytes(&[plain; 15]), 15);
        }
        assert_eq!(plain_bytes("é€😀\u{7f}".as_bytes()), 10);
    }
}
