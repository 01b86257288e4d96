//! What text weighs, by the byte: an average for each kind of character and each script. Never exact, never far off for what people write.

/// Thousandths of a token. Sums of bodies of any size fit.
pub type Weight = u64;

/// Thousandths in a token.
pub const TOKEN: Weight = 1_000;

/// Weights of characters, by their first byte in UTF-8, in thousandths of a token; what follows a first byte weighs nothing.
///
/// Fitted by least squares to what the tokenizer `o200k_base` makes of 3.9 MB of documentation, code, JSON and messages of programs in thirty languages. On the texts of the tests, which were not among
/// them, it is off by 6 % at most for English, code, JSON, German, French, Spanish, Hebrew, Arabic, Japanese, Korean and Greek, by 14 % for Polish, Russian, Chinese and Hindi, by 20 % for Thai and Vietnamese.
/// The older `cl100k_base` makes 1.1 to 3 times as many tokens of what is not English. A model's own ratio is learnt (`Calibration`). Made to deceive it, single letters with spaces between are up to
/// four times as many tokens as it says.
const BYTES: [u16; 256] = bytes();

const fn bytes() -> [u16; 256] {
    let mut weights = [0; 256];
    let mut byte = 0;
    while byte < 256 {
        weights[byte] = match byte as u8 {
            b'a'..=b'z' => 218,
            b'A'..=b'Z' => 412,
            b'0'..=b'9' => 900,
            // A word has its space with it, and a run of them is one token.
            b' ' => 59,
            b'\n' | b'\t' | b'\r' => 809,
            b'"' | b'\\' => 448,
            b',' | b'.' | b':' | b';' | b'-' | b'_' | b'/' => 417,
            0x00..=0x7f => 739,
            // The rest of a character, and what begins none.
            0x80..=0xc1 => 0,
            // Signs such as `°` and `»`.
            0xc2 => 825,
            // Letters with marks, among plain ones.
            0xc3..=0xcd => 1_165,
            // Greek.
            0xce | 0xcf => 417,
            // Cyrillic.
            0xd0..=0xd3 => 316,
            // Armenian, Hebrew.
            0xd4..=0xd7 => 415,
            // Arabic.
            0xd8..=0xdf => 374,
            // Scripts of India, Thai, Lao.
            0xe0 => 415,
            // Georgian, Ethiopic, Khmer, Vietnamese.
            0xe1 => 400,
            // Dashes, quotes, arrows, boxes.
            0xe2 => 1_353,
            // Kana, and the marks of Chinese and Japanese.
            0xe3 => 697,
            // Han.
            0xe4..=0xe9 => 767,
            // Hangul.
            0xea..=0xed => 693,
            // Forms of full width.
            0xee | 0xef => 653,
            // Emoji and rare scripts.
            0xf0..=0xff => 1_757,
        };
        byte += 1;
    }
    weights
}

/// What a text weighs, by estimate. Reads each byte once, about 2 GB/s.
pub fn weigh(text: &[u8]) -> Weight {
    // Sums that do not wait for one another.
    let mut lanes = [0u32; 8];
    let mut all: Weight = 0;
    // No more than a sum of 32 bits bears.
    for block in text.chunks(1 << 20) {
        let (eights, rest) = block.as_chunks::<8>();
        for eight in eights {
            for (lane, byte) in lanes.iter_mut().zip(eight) {
                *lane += u32::from(BYTES[usize::from(*byte)]);
            }
        }
        all += lanes.iter().map(|lane| Weight::from(*lane)).sum::<Weight>();
        all += rest.iter().copied().map(of_byte).sum::<Weight>();
        lanes = [0; 8];
    }
    all
}

/// Stands beside the weights of what ends a string or a piece of it in JSON: quotes and backslashes. Eight of the heaviest do not
/// come to it, so that a sum tells whether one was among them.
const MARK: u32 = 1 << 16;

/// [`BYTES`] with its marks.
const MARKED: [u32; 256] = {
    let mut weights = [0; 256];
    let mut byte = 0;
    while byte < 256 {
        weights[byte] = BYTES[byte] as u32;
        byte += 1;
    }
    weights[b'"' as usize] |= MARK;
    weights[b'\\' as usize] |= MARK;
    weights
};

/// What a text weighs up to its first quote or backslash, and how many bytes that is: the pass over a string and the search for its end in one.
pub fn weigh_string(text: &[u8]) -> (Weight, usize) {
    let (mut all, mut at) = (0, 0);
    for eight in text.as_chunks::<8>().0 {
        let weights = eight.map(|byte| MARKED[usize::from(byte)]);
        let sum: u32 = weights.iter().sum();
        if sum >= MARK {
            break;
        }
        all += Weight::from(sum);
        at += 8;
    }
    for byte in &text[at..] {
        let weight = MARKED[usize::from(*byte)];
        if weight >= MARK {
            break;
        }
        all += Weight::from(weight);
        at += 1;
    }
    (all, at)
}

/// What a byte weighs where it stands for a character.
pub fn of_byte(byte: u8) -> Weight {
    Weight::from(BYTES[usize::from(byte)])
}

/// What a character weighs that is written as `\uXXXX`; the second half of a pair weighs nothing.
pub fn of_unit(unit: u16) -> Weight {
    match unit {
        0x0000..=0x007f => of_byte(unit as u8),
        0x0080..=0x07ff => of_byte(0xc0 | (unit >> 6) as u8),
        0xd800..=0xdbff => of_byte(0xf0),
        0xdc00..=0xdfff => 0,
        0x0800..=0xffff => of_byte(0xe0 | (unit >> 12) as u8),
    }
}

/// Whole tokens; something is never nothing.
pub fn tokens(weight: Weight) -> u64 {
    weight.div_ceil(TOKEN)
}
