//! Judges one text: what it has of an attack, by families, and how sure that is.

use std::collections::BTreeMap;

use crate::decode::{floor, pieces, rot13};
use crate::features::{FEATURES, Feature, MARKS, Mark, ORDERED, SCRAMBLED};
use crate::lexicon::{CLASSES, Class, Classes, Lexicon, bit};
use crate::normal::{Disguises, Normal, Word, is_unspaced};

/// Of a longer text the beginning and the end are judged, this much of each.
pub const JUDGED_BYTES_MAX: usize = 128 * 1024;
/// Longer texts are not read backwards and by other alphabets.
const TRANSFORMED_BYTES_MAX: usize = 4 * 1024;
/// What a text is worth that had to be decoded first: people have no reason to do that.
const ENCODED: f32 = 0.97;
/// How much more a phrase weighs in what a tool has read.
const INDIRECT_PHRASE: f32 = 1.2;
/// Places around a word of those who speak about attacks.
const ABOUT_PLACES: u32 = 16;

/// How sure it is that a text attacks, from 0 to 1, and by which families.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Score {
    pub value: f32,
    /// Families with their weights, the heaviest first.
    pub families: Vec<(&'static str, f32)>,
}

/// Who speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Source {
    /// A user, who has a right to give instructions.
    Direct,
    /// A tool or document, which has none.
    Indirect,
}

pub struct Judge {
    lexicon: Lexicon,
    /// In lower case.
    allowed: Vec<String>,
    /// Words that tell of attacks, read backwards and 13 letters on: without one of them no text is turned around.
    turned: Vec<String>,
}

/// The heaviest weight of each family.
type Families = BTreeMap<&'static str, f32>;

fn add(families: &mut Families, family: &'static str, weight: f32) {
    let heaviest = families.entry(family).or_default();
    *heaviest = heaviest.max(weight);
}

impl Judge {
    pub fn new(allowed: Vec<String>) -> Judge {
        let backwards = SCRAMBLED.iter().map(|word| word.chars().rev().collect());
        Judge {
            lexicon: Lexicon::new(),
            allowed,
            turned: SCRAMBLED
                .iter()
                .map(|word| rot13(word))
                .chain(backwards)
                .collect(),
        }
    }

    pub fn score(&self, text: &str, source: Source) -> Score {
        let text = self.without_allowed(text);
        let mut families = Families::new();
        if text.len() <= 2 * JUDGED_BYTES_MAX {
            self.all(&text, source, &mut families);
        } else {
            let end = floor(&text, text.len() - JUDGED_BYTES_MAX);
            self.all(
                &text[..floor(&text, JUDGED_BYTES_MAX)],
                source,
                &mut families,
            );
            self.all(&text[end..], source, &mut families);
        }
        total(families)
    }

    fn without_allowed(&self, text: &str) -> String {
        let mut text = text.to_owned();
        for phrase in &self.allowed {
            // Only ASCII changes its case here, so that places stay what they are.
            let lower = text.to_ascii_lowercase();
            let mut rest = 0;
            let mut kept = String::with_capacity(text.len());
            for (at, _) in lower.match_indices(phrase.as_str()) {
                kept.push_str(&text[rest..at]);
                kept.push(' ');
                rest = at + phrase.len();
            }
            kept.push_str(&text[rest..]);
            text = kept;
        }
        text
    }

    fn all(&self, text: &str, source: Source, families: &mut Families) {
        self.plain(text, source, families);
        for piece in pieces(text) {
            self.hidden(&piece, source, "encoded", families);
        }
        if text.len() > TRANSFORMED_BYTES_MAX {
            return;
        }
        let lower = text.to_ascii_lowercase();
        if self.turned.iter().any(|word| lower.contains(word)) {
            self.hidden(&rot13(text), source, "encoded", families);
            self.hidden(
                &text.chars().rev().collect::<String>(),
                source,
                "encoded",
                families,
            );
        }
    }

    /// A text that had to be found first.
    fn hidden(&self, text: &str, source: Source, family: &'static str, families: &mut Families) {
        let mut inside = Families::new();
        self.words(&Normal::new(text), source, &mut inside);
        let value = total(inside).value;
        if value >= 0.4 {
            add(families, family, (value + 0.2).min(ENCODED));
        }
    }

    fn plain(&self, text: &str, source: Source, families: &mut Families) {
        let normal = Normal::new(text);
        marks(text, source, families);
        self.words(&normal, source, families);
        self.disguises(&normal.disguises, source, families);
    }

    fn words(&self, normal: &Normal, source: Source, families: &mut Families) {
        let hits = self.hits(normal);
        let about: Vec<u32> = hits
            .iter()
            .filter(|hit| hit.classes & bit(Class::About) != 0)
            .map(|hit| hit.place)
            .collect();
        let mut last: [Option<Hit>; CLASSES] = [None; CLASSES];
        for hit in hits {
            (0..CLASSES)
                .filter(|class| hit.classes & (1 << class) != 0)
                .for_each(|class| last[class] = Some(hit));
            for (feature, ordered) in features() {
                if let Some(quoted) = complete(feature, &last, hit, ordered) {
                    let weight = if source == Source::Direct {
                        feature.weight
                    } else {
                        feature.indirect
                    };
                    add(
                        families,
                        feature.family,
                        weight * discount(source, quoted, is_near(&about, hit.place, source)),
                    );
                }
            }
        }
        self.phrases(normal, source, &about, families);
    }

    /// Words that are in some class, in order.
    fn hits(&self, normal: &Normal) -> Vec<Hit> {
        let mut hits = Vec::new();
        for word in &normal.words {
            let text = normal.word(word);
            if text.chars().next().is_some_and(is_unspaced) {
                self.unspaced(text, word, &mut hits);
                continue;
            }
            let classes = match self.lexicon.classes(text) {
                0 => self.scrambled(text),
                classes => classes,
            };
            if classes != 0 {
                hits.push(Hit {
                    classes,
                    place: word.place,
                    quoted: word.quoted,
                });
            }
        }
        hits
    }

    fn unspaced(&self, text: &str, word: &Word, hits: &mut Vec<Hit>) {
        let mut at = 0;
        let mut characters = 0;
        while at < text.len() {
            let rest = &text[at..];
            let step = rest.chars().next().map_or(1, char::len_utf8);
            match self.lexicon.unspaced(rest) {
                Some((classes, bytes)) => {
                    // Two characters are about a word.
                    let place = word.place + (characters as u32).div_ceil(2);
                    hits.push(Hit {
                        classes,
                        place,
                        quoted: word.quoted,
                    });
                    characters += rest[..bytes].chars().count();
                    at += bytes;
                }
                None => {
                    characters += 1;
                    at += step;
                }
            }
        }
    }

    /// Words whose inner letters are in another order, which models read as people do.
    fn scrambled(&self, word: &str) -> Classes {
        if word.len() < 5 || !word.is_ascii() {
            return 0;
        }
        let known = SCRAMBLED.iter().find(|known| {
            known.len() == word.len() && is_scrambled(known.as_bytes(), word.as_bytes())
        });
        known.map_or(0, |known| self.lexicon.classes(known))
    }

    fn phrases(&self, normal: &Normal, source: Source, about: &[u32], families: &mut Families) {
        for (nth, word) in normal.words.iter().enumerate() {
            for phrase in self.lexicon.phrases(normal.word(word)) {
                let following = normal.words[nth..].iter().map(|word| normal.word(word));
                if following
                    .take(phrase.words.len())
                    .eq(phrase.words.iter().copied())
                {
                    let indirect = if source == Source::Indirect {
                        INDIRECT_PHRASE
                    } else {
                        1.0
                    };
                    let discount =
                        discount(source, word.quoted, is_near(about, word.place, source));
                    add(
                        families,
                        phrase.family,
                        (phrase.weight * indirect).min(0.95) * discount,
                    );
                }
            }
        }
    }

    fn disguises(&self, disguises: &Disguises, source: Source, families: &mut Families) {
        let many = |count: u32, some: u32, weight: f32| if count >= some { weight } else { 0.0 };
        let weights = [
            many(disguises.invisible, 3, 0.35),
            many(disguises.bidi, 2, 0.25),
            many(disguises.selectors, 24, 0.4),
            many(disguises.mixed_words, 1, 0.2),
            many(disguises.mixed_words, 2, 0.4),
            many(disguises.styled, 12, 0.3),
            many(disguises.spaced_words, 2, 0.3),
            many(disguises.leet_words, 3, 0.2),
            many(disguises.tags.len() as u32, 8, 0.6),
        ];
        let heaviest = weights.into_iter().fold(0.0, f32::max);
        if heaviest > 0.0 {
            add(families, "disguise", heaviest);
        }
        if !disguises.tags.is_empty() {
            self.hidden(&disguises.tags, source, "encoded", families);
        }
    }
}

#[derive(Debug, Clone, Copy)]
struct Hit {
    classes: Classes,
    place: u32,
    quoted: bool,
}

/// All features, and whether their words have an order.
fn features() -> impl Iterator<Item = (&'static Feature, bool)> {
    let free = FEATURES.iter().map(|feature| (feature, false));
    free.chain(ORDERED.iter().map(|feature| (feature, true)))
}

/// Whether a feature is complete with this word; and whether all of it is quoted.
fn complete(
    feature: &Feature,
    last: &[Option<Hit>; CLASSES],
    now: Hit,
    ordered: bool,
) -> Option<bool> {
    if feature.set & now.classes == 0 {
        return None;
    }
    let mut places = [u32::MAX; 4];
    let mut quoted = true;
    for (nth, class) in feature.classes.iter().enumerate() {
        let hit = last[*class as usize]?;
        if now.place.saturating_sub(hit.place) > feature.window || places.contains(&hit.place) {
            return None;
        }
        if ordered && nth > 0 && hit.place < places[nth - 1] {
            return None;
        }
        *places.get_mut(nth)? = hit.place;
        quoted &= hit.quoted;
    }
    Some(quoted)
}

/// Whether the text speaks about attacks there. What a tool has read has to say so twice.
fn is_near(about: &[u32], place: u32, source: Source) -> bool {
    let near = about
        .iter()
        .filter(|other| other.abs_diff(place) <= ABOUT_PLACES)
        .count();
    near > usize::from(source == Source::Indirect)
}

/// Those who write about attacks quote them. What a tool has read has less of that benefit.
fn discount(source: Source, quoted: bool, about: bool) -> f32 {
    match (source, quoted, about) {
        (_, false, false) => 1.0,
        (Source::Direct, true, true) => 0.3,
        (Source::Direct, false, true) => 0.5,
        (Source::Direct, true, false) => 0.6,
        (Source::Indirect, true, true) => 0.5,
        (Source::Indirect, false, true) => 0.6,
        (Source::Indirect, true, false) => 0.8,
    }
}

fn marks(text: &str, source: Source, families: &mut Families) {
    let lower = text.to_ascii_lowercase();
    let bytes = lower.as_bytes();
    let mut line = true;
    for (at, byte) in bytes.iter().enumerate() {
        let next = bytes.get(at + 1).copied().unwrap_or(0);
        if line || BEGINNINGS[usize::from(*byte)] & (1 << (next & 63)) != 0 {
            let rest = &bytes[at..];
            let fits =
                |mark: &&Mark| (line || !mark.line) && rest.starts_with(mark.text.as_bytes());
            for mark in MARKS.iter().filter(fits) {
                let direct = source == Source::Direct;
                add(
                    families,
                    mark.family,
                    if direct { mark.weight } else { mark.indirect },
                );
            }
        }
        // Signs that lines are decorated with do not end their beginning.
        line = *byte == b'\n' || (line && matches!(byte, b' ' | b'\t' | b'*' | b'#' | b'>'));
    }
}

/// By the first byte of a mark that may stand anywhere: the second ones, as far as six bits tell them apart.
static BEGINNINGS: [u64; 256] = beginnings();

const fn beginnings() -> [u64; 256] {
    let mut table = [0; 256];
    let mut nth = 0;
    while nth < MARKS.len() {
        let text = MARKS[nth].text.as_bytes();
        if !MARKS[nth].line {
            table[text[0] as usize] |= 1 << (text[1] & 63);
        }
        nth += 1;
    }
    table
}

fn is_scrambled(known: &[u8], word: &[u8]) -> bool {
    let ends = |bytes: &[u8]| (bytes[0], bytes[bytes.len() - 1]);
    let inner = |bytes: &[u8]| {
        let mut inner = bytes[1..bytes.len() - 1].to_vec();
        inner.sort_unstable();
        inner
    };
    ends(known) == ends(word) && inner(known) == inner(word)
}

/// Families are taken as independent signs.
fn total(families: Families) -> Score {
    let value = 1.0
        - families
            .values()
            .fold(1.0, |rest, weight| rest * (1.0 - weight));
    let mut families: Vec<(&'static str, f32)> = families.into_iter().collect();
    families.sort_by(|a, b| b.1.total_cmp(&a.1));
    Score { value, families }
}
