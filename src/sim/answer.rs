//! What the simulated model says: text of a wished length, the same for the same seed, model and prompt.
//! It must not know how text is framed or when it is sent.

use super::random::Random;
use super::token;

/// A text and where each of its tokens ends.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Text {
    text: String,
    ends: Vec<u32>,
}

/// Why a text ended where it did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Finish {
    /// The model had no more to say.
    Stop,
    /// A stop sequence of the request was met; the text ends before it.
    StopSequence(String),
    /// The request's token limit was met.
    Length,
}

impl Text {
    pub fn of(text: String) -> Self {
        let mut answer = Self::default();
        answer.push(&text);
        answer
    }

    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Length in tokens.
    pub fn tokens(&self) -> usize {
        self.ends.len()
    }

    /// The token at `index`, or nothing beyond the end.
    pub fn token(&self, index: usize) -> &str {
        let Some(&end) = self.ends.get(index) else {
            return "";
        };
        let start = index.checked_sub(1).map_or(0, |before| self.ends[before]);
        &self.text[start as usize..end as usize]
    }

    /// Adds text that does not join the last token (it begins with a space, or with a character that is not ASCII).
    fn push(&mut self, text: &str) {
        for piece in token::pieces(text) {
            self.text.push_str(piece);
            self.ends.push(self.text.len() as u32);
        }
    }

    fn cut_tokens(&mut self, tokens_max: usize) -> bool {
        if self.tokens() <= tokens_max {
            return false;
        }
        self.ends.truncate(tokens_max);
        self.text
            .truncate(self.ends.last().map_or(0, |&end| end as usize));
        true
    }

    /// Ends the text before the earliest of the stop sequences.
    fn cut_stop(&mut self, stops: &[String]) -> Option<String> {
        let places = stops.iter().filter(|stop| !stop.is_empty());
        let (at, stop) = places
            .filter_map(|stop| Some((self.text.find(stop.as_str())?, stop)))
            .min()?;
        self.text.truncate(at);
        self.ends.retain(|&end| (end as usize) < at);
        if at > 0 {
            self.ends.push(at as u32);
        }
        Some(stop.clone())
    }

    /// Applies a request's limits, and says why the text ends.
    pub fn limit(&mut self, tokens_max: Option<usize>, stops: &[String]) -> Finish {
        let cut = tokens_max.is_some_and(|max| self.cut_tokens(max));
        match self.cut_stop(stops) {
            Some(stop) => Finish::StopSequence(stop),
            None if cut => Finish::Length,
            None => Finish::Stop,
        }
    }
}

/// Prose of exactly `tokens` tokens.
pub fn prose(random: &mut Random, tokens: usize) -> Text {
    let mut text = Text::default();
    let mut sentence_words = 0;
    let mut piece = String::with_capacity(16);
    while text.tokens() < tokens {
        piece.clear();
        push_word(random, sentence_words == 0, text.tokens() == 0, &mut piece);
        sentence_words += 1;
        if sentence_words > 4 && random.below(5) == 0 {
            piece.push('.');
            sentence_words = 0;
        }
        text.push(&piece);
    }
    text.cut_tokens(tokens);
    text
}

fn push_word(random: &mut Random, starts_sentence: bool, starts_text: bool, piece: &mut String) {
    // Now and then something whose bytes must not be cut: two, three and four bytes long in UTF-8.
    let words: &[&str] = if random.below(12) == 0 {
        &UNUSUAL
    } else {
        &WORDS
    };
    let word = random.pick(words).copied().unwrap_or_default();
    if !starts_text {
        piece.push(' ');
    }
    let mut characters = word.chars();
    match characters.next() {
        Some(first) if starts_sentence => {
            piece.push(first.to_ascii_uppercase());
            piece.push_str(characters.as_str());
        }
        _ => piece.push_str(word),
    }
}

const WORDS: [&str; 48] = [
    "the", "a", "river", "model", "answer", "water", "gate", "level", "of", "and", "with", "token",
    "over", "under", "steady", "stream", "flows", "holds", "measures", "small", "large", "host",
    "queue", "waits", "for", "each", "request", "in", "turn", "then", "sends", "it", "on",
    "without", "loss", "bright", "quick", "quiet", "balance", "between", "many", "paths", "is",
    "kept", "by", "rule", "not", "chance",
];

const UNUSUAL: [&str; 12] = [
    "世界",
    "你好",
    "水門",
    "🚀",
    "🌊",
    "👩‍💻",
    "café",
    "naïve",
    "Übergang",
    "мост",
    "\"quoted\"",
    "line\nbreak",
];

#[cfg(test)]
mod tests {
    use super::*;

    fn random(seed: &str) -> Random {
        Random::of(&[seed.as_bytes()])
    }

    #[test]
    fn is_the_same_for_the_same_seed_and_as_long_as_asked() {
        for tokens in [0, 1, 2, 17, 500] {
            let text = prose(&mut random("a"), tokens);
            assert_eq!(text, prose(&mut random("a"), tokens));
            assert_eq!(text.tokens(), tokens);
            assert_eq!(
                token::count(text.as_str()),
                tokens,
                "the rule counts what the text says it has"
            );
        }
        assert_ne!(prose(&mut random("a"), 50), prose(&mut random("b"), 50));
    }

    #[test]
    fn has_characters_of_two_three_and_four_bytes() {
        let text = prose(&mut random("utf8"), 2000);
        for length in 1..=4 {
            assert!(
                text.as_str()
                    .chars()
                    .any(|character| character.len_utf8() == length),
                "{length}"
            );
        }
        let joined: String = (0..text.tokens()).map(|index| text.token(index)).collect();
        assert_eq!(joined, text.as_str());
    }

    #[test]
    fn limits_say_why_the_text_ends() {
        let check = |tokens_max, stops: &[&str], text: &str, finish| {
            let mut answer = Text::of("one two three".into());
            let stops: Vec<String> = stops.iter().map(|stop| stop.to_string()).collect();
            assert_eq!(answer.limit(tokens_max, &stops), finish);
            assert_eq!(answer.as_str(), text);
            assert_eq!(
                (0..answer.tokens())
                    .map(|index| answer.token(index))
                    .collect::<String>(),
                text
            );
        };
        check(None, &[], "one two three", Finish::Stop);
        check(Some(4), &[], "one two three", Finish::Stop);
        check(Some(2), &[], "one two", Finish::Length);
        check(Some(0), &[], "", Finish::Length);
        check(
            None,
            &["three", "wo"],
            "one t",
            Finish::StopSequence("wo".into()),
        );
        check(Some(1), &["two"], "one", Finish::Length);
        check(None, &["one"], "", Finish::StopSequence("one".into()));
    }
}
