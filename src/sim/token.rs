//! The simulated tokenizer: a fixed, reversible rule that cuts text into tokens and gives each an id.
//! It must not know what is counted, or why.
//!
//! The rule: a token is a run of up to four ASCII characters that ends early before a space; every other
//! character (and NUL) is a token of its own. So `" the"` is one token, `" quick"` two, `"你好"` two.

/// Longest run of ASCII characters in one token.
const ASCII_RUN_MAX: usize = 4;

/// Ids below this are runs of ASCII (7 bits a character); ids from here on are `ID_CHARACTER + code point`.
const ID_CHARACTER: u32 = 1 << 28;

/// Number of tokens in `text`.
pub fn count(text: &str) -> usize {
    pieces(text).count()
}

/// The tokens of `text`, in order; joined they are `text` again.
pub fn pieces(text: &str) -> impl Iterator<Item = &str> {
    let mut rest = text;
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let (piece, tail) = rest.split_at(first_length(rest));
        rest = tail;
        Some(piece)
    })
}

/// The id of one token, below 2^29 so that clients which read ids as `i32` can.
pub fn id(piece: &str) -> u32 {
    match piece.chars().next() {
        Some(first) if is_run_character(first as u32) => piece
            .bytes()
            .rev()
            .fold(0, |id, byte| (id << 7) | u32::from(byte)),
        Some(first) => ID_CHARACTER + first as u32,
        None => 0,
    }
}

/// The text of one token id; an id that no text has is U+FFFD.
pub fn push_text_of(id: u64, text: &mut String) {
    if id >= u64::from(ID_CHARACTER) {
        let character = u32::try_from(id)
            .ok()
            .and_then(|id| char::from_u32(id - ID_CHARACTER));
        text.push(character.unwrap_or(char::REPLACEMENT_CHARACTER));
        return;
    }
    let mut left = id as u32;
    while left & 0x7f != 0 {
        text.push((left & 0x7f) as u8 as char);
        left >>= 7;
    }
}

fn first_length(text: &str) -> usize {
    let bytes = text.as_bytes();
    if !is_run_character(u32::from(bytes[0])) {
        return text.chars().next().map_or(1, char::len_utf8);
    }
    let run = bytes[1..].iter().take(ASCII_RUN_MAX - 1);
    1 + run
        .take_while(|&&byte| is_run_character(u32::from(byte)) && byte != b' ')
        .count()
}

fn is_run_character(code: u32) -> bool {
    (1..128).contains(&code)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cuts_where_the_rule_says() {
        for (text, tokens) in [
            ("", vec![]),
            (" the quick fox", vec![" the", " qui", "ck", " fox"]),
            ("Hi, 你好🚀!", vec!["Hi,", " ", "你", "好", "🚀", "!"]),
            ("a\0b", vec!["a", "\0", "b"]),
        ] {
            assert_eq!(pieces(text).collect::<Vec<_>>(), tokens, "{text:?}");
            assert_eq!(count(text), tokens.len());
        }
    }

    #[test]
    fn ids_give_the_text_back() {
        let text = "naïve café — 世界 🚀 \0 and {\"json\": [1, 2]}";
        let mut back = String::new();
        for piece in pieces(text) {
            assert!(id(piece) < 1 << 29);
            push_text_of(u64::from(id(piece)), &mut back);
        }
        assert_eq!(back, text);
    }

    #[test]
    fn an_id_of_nothing_is_the_replacement_character() {
        let mut text = String::new();
        push_text_of(u64::MAX, &mut text);
        push_text_of(u64::from(ID_CHARACTER) + 0xd800, &mut text);
        assert_eq!(text, "\u{fffd}\u{fffd}");
    }
}
