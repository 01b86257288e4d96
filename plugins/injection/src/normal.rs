//! Makes a text plain before it is judged: lower case, without accents and disguises. What was disguised is counted.

/// A text as it is judged.
#[derive(Default)]
pub struct Normal {
    /// Words, each followed by a space.
    pub text: String,
    pub words: Vec<Word>,
    pub disguises: Disguises,
}

#[derive(Debug, Clone, Copy)]
pub struct Word {
    pub start: u32,
    pub end: u32,
    /// Counted in words; the end of a sentence counts as some.
    pub place: u32,
    /// Between quotes, or in code.
    pub quoted: bool,
}

/// How a text hides what it says.
#[derive(Default, Debug)]
pub struct Disguises {
    /// Characters without width between letters.
    pub invisible: u32,
    pub bidi: u32,
    /// What tag characters spell, which people do not see.
    pub tags: String,
    /// Variation selectors, which can carry bytes.
    pub selectors: u32,
    /// Words of Latin letters with letters of other scripts in them that look the same.
    pub mixed_words: u32,
    /// Letters from mathematics, circles and wide forms.
    pub styled: u32,
    /// Words of letters with spaces between them.
    pub spaced_words: u32,
    /// Words with digits in the place of letters.
    pub leet_words: u32,
}

/// Places that the end of a sentence counts for.
const SENTENCE_PLACES: u32 = 3;

impl Normal {
    pub fn new(text: &str) -> Normal {
        let mut normal = Normal::default();
        normal.text.reserve(text.len() + 16);
        let mut reader = Reader {
            out: &mut normal,
            word: String::new(),
            place: 0,
            quoted: false,
            letters: String::new(),
            letters_place: 0,
            gap: 0,
        };
        for character in text.chars() {
            reader.character(character);
        }
        reader.end_word();
        reader.end_letters();
        normal
    }

    pub fn word(&self, word: &Word) -> &str {
        &self.text[word.start as usize..word.end as usize]
    }
}

struct Reader<'a> {
    out: &'a mut Normal,
    word: String,
    place: u32,
    quoted: bool,
    /// Single letters with one sign between them.
    letters: String,
    letters_place: u32,
    /// Signs since the last word.
    gap: u32,
}

impl Reader<'_> {
    fn character(&mut self, character: char) {
        // A run of a script without spaces is one word here; words are found in it later.
        let ends_run = |last: char| is_unspaced(last) != is_unspaced(character);
        let may_end = self
            .word
            .as_bytes()
            .last()
            .is_some_and(|last| !(last.is_ascii() && character.is_ascii()));
        if may_end
            && character.is_alphanumeric()
            && self.word.chars().next_back().is_some_and(ends_run)
        {
            self.end_word();
        }
        match character {
            'a'..='z' => self.word.push(character),
            'A'..='Z' => self.word.push(character.to_ascii_lowercase()),
            '0'..='9' | '@' | '$' if !self.word.is_empty() || character.is_ascii_digit() => {
                self.word.push(character)
            }
            '\u{200B}'..='\u{200F}'
            | '\u{2060}'..='\u{2064}'
            | '\u{FEFF}'
            | '\u{AD}'
            | '\u{180E}' => {
                let in_latin = self
                    .word
                    .bytes()
                    .last()
                    .is_some_and(|b| b.is_ascii_alphabetic());
                self.out.disguises.invisible += u32::from(in_latin);
            }
            '\u{202A}'..='\u{202E}' | '\u{2066}'..='\u{2069}' => self.out.disguises.bidi += 1,
            '\u{FE00}'..='\u{FE0F}' | '\u{E0100}'..='\u{E01EF}' => {
                self.out.disguises.selectors += 1
            }
            '\u{E0020}'..='\u{E007E}' => {
                let hidden = char::from_u32(character as u32 - 0xE0000).unwrap_or(' ');
                self.out.disguises.tags.push(hidden);
            }
            '\u{300}'..='\u{36F}' => {}
            '\'' | '’' if !self.word.is_empty() => {}
            '"' | '“' | '”' | '„' | '«' | '»' | '`' | '「' | '」' => {
                self.quoted = matches!(character, '“' | '„' | '«' | '「')
                    || (!self.quoted && matches!(character, '"' | '`'));
                self.sign(character);
            }
            _ if character.is_ascii() => self.sign(character),
            _ if is_unspaced(character) => self.word.push(character),
            _ if character.is_alphanumeric() || is_mark(character) => self.letter(character),
            _ => self.styled_or_sign(character),
        }
    }

    fn letter(&mut self, character: char) {
        match unstyled(character) {
            Some(letter) => {
                self.out.disguises.styled += 1;
                self.word.push(letter);
            }
            None => match without_accent(character) {
                Some(plain) => self.word.push_str(plain),
                None => self.word.extend(character.to_lowercase()),
            },
        }
    }

    fn styled_or_sign(&mut self, character: char) {
        match unstyled(character) {
            Some(_) => self.letter(character),
            None => self.sign(character),
        }
    }

    fn sign(&mut self, character: char) {
        self.end_word();
        self.gap += 1;
        if self.gap > 1 {
            self.end_letters();
        }
        if matches!(character, '.' | '!' | '?' | '\n' | ';' | '。' | '！' | '？') {
            self.place += SENTENCE_PLACES;
        }
    }

    fn end_word(&mut self) {
        if self.word.is_empty() {
            return;
        }
        let word = if self.word.bytes().all(|byte| byte.is_ascii_lowercase()) {
            std::mem::take(&mut self.word)
        } else {
            self.plain_word()
        };
        if word.len() == 1 && word.as_bytes()[0].is_ascii_alphabetic() && self.gap <= 1 {
            if self.letters.is_empty() {
                self.letters_place = self.place;
            }
            self.letters.push_str(&word);
        } else {
            self.end_letters();
        }
        self.push_word(&word);
        // Its room is used again.
        self.word = word;
        self.word.clear();
        self.gap = 0;
    }

    /// Look-alikes become the letters that they stand for, where the rest of the word is Latin.
    fn plain_word(&mut self) -> String {
        let latin = self.word.chars().any(|c| c.is_ascii_alphabetic());
        let alike = self
            .word
            .chars()
            .filter(|c| !c.is_ascii() && look_alike(*c).is_some())
            .count();
        if latin && alike > 0 {
            self.out.disguises.mixed_words += 1;
            return self
                .word
                .chars()
                .map(|c| look_alike(c).unwrap_or(c))
                .collect();
        }
        let signs = self
            .word
            .bytes()
            .filter(|b| b.is_ascii_digit() || matches!(b, b'@' | b'$'))
            .count();
        let letters = self
            .word
            .bytes()
            .filter(|b| b.is_ascii_alphabetic())
            .count();
        if signs > 0 && letters >= 2 && signs <= letters + 1 && self.word.len() >= 4 {
            let plain: String = self.word.chars().map(|c| leet(c).unwrap_or(c)).collect();
            if !plain.bytes().any(|b| b.is_ascii_digit()) {
                self.out.disguises.leet_words += 1;
                return plain;
            }
        }
        self.word.trim_end_matches(['@', '$']).to_owned()
    }

    fn push_word(&mut self, word: &str) {
        let start = self.out.text.len() as u32;
        self.out.text.push_str(word);
        let end = self.out.text.len() as u32;
        self.out.text.push(' ');
        self.out.words.push(Word {
            start,
            end,
            place: self.place,
            quoted: self.quoted,
        });
        let unspaced = word.chars().next().is_some_and(is_unspaced);
        self.place += if unspaced {
            places_of(word.chars().count())
        } else {
            1
        };
    }

    /// `i g n o r e` is a word.
    fn end_letters(&mut self) {
        let letters = std::mem::take(&mut self.letters);
        if letters.len() >= 4 {
            self.out.disguises.spaced_words += 1;
            // As one word, where it begins.
            self.place = self.letters_place;
            self.push_word(&letters);
        }
    }
}

/// Two characters of a script without spaces are about a word.
fn places_of(characters: usize) -> u32 {
    (characters as u32).div_ceil(2)
}

/// Scripts that put no spaces between words.
pub fn is_unspaced(character: char) -> bool {
    matches!(character, '\u{3040}'..='\u{30FF}' | '\u{3400}'..='\u{4DBF}' | '\u{4E00}'..='\u{9FFF}' | '\u{AC00}'..='\u{D7AF}' | '\u{F900}'..='\u{FAFF}')
}

/// Vowel signs of Indic scripts belong to the word that they stand in.
fn is_mark(character: char) -> bool {
    matches!(character, '\u{900}'..='\u{DFF}' | '\u{610}'..='\u{61A}' | '\u{64B}'..='\u{65F}')
}

/// The letter that a styled one is.
fn unstyled(character: char) -> Option<char> {
    let code = character as u32;
    let letter = match code {
        0xFF21..=0xFF3A => code - 0xFF21,
        0xFF41..=0xFF5A => code - 0xFF41,
        0x24B6..=0x24CF => code - 0x24B6,
        0x24D0..=0x24E9 => code - 0x24D0,
        0x1F130..=0x1F149 => code - 0x1F130,
        0x1F150..=0x1F169 => code - 0x1F150,
        0x1F170..=0x1F189 => code - 0x1F170,
        0x1D400..=0x1D6A3 => (code - 0x1D400) % 26,
        _ => return None,
    };
    char::from_u32('a' as u32 + letter)
}

fn without_accent(character: char) -> Option<&'static str> {
    Some(match character {
        'à'..='å' | 'À'..='Å' | 'ā' | 'ă' | 'ą' | 'Ą' | 'ạ' | 'ả' | 'ầ' | 'ấ' => {
            "a"
        }
        'ç' | 'Ç' | 'ć' | 'č' | 'Ć' | 'Č' => "c",
        'è'..='ë' | 'È'..='Ë' | 'ē' | 'ę' | 'ě' | 'Ę' | 'ệ' | 'ề' => "e",
        'ì'..='ï' | 'Ì'..='Ï' | 'ī' | 'ı' | 'İ' | 'ị' => "i",
        'ñ' | 'Ñ' | 'ń' | 'ň' => "n",
        'ò'..='ö' | 'Ò'..='Ö' | 'ø' | 'Ø' | 'ō' | 'ő' | 'ọ' | 'ỏ' => "o",
        'ù'..='ü' | 'Ù'..='Ü' | 'ū' | 'ů' | 'ű' | 'ư' => "u",
        'ý' | 'ÿ' | 'Ý' => "y",
        'ß' => "ss",
        'æ' | 'Æ' => "ae",
        'œ' | 'Œ' => "oe",
        'ł' | 'Ł' => "l",
        'ś' | 'š' | 'ş' | 'Ś' | 'Š' | 'Ş' => "s",
        'ź' | 'ż' | 'ž' | 'Ż' | 'Ź' | 'Ž' => "z",
        'ğ' | 'Ğ' => "g",
        'đ' | 'Đ' => "d",
        'ř' => "r",
        'ť' => "t",
        'ά' => "α",
        'έ' => "ε",
        'ή' => "η",
        'ί' => "ι",
        'ό' => "ο",
        'ύ' => "υ",
        'ώ' => "ω",
        'ё' | 'Ё' => "е",
        _ => return None,
    })
}

/// The Latin letter that a Cyrillic or Greek one looks like.
fn look_alike(character: char) -> Option<char> {
    Some(match character {
        'а' | 'α' => 'a',
        'в' | 'β' => 'b',
        'с' | 'ϲ' => 'c',
        'ԁ' => 'd',
        'е' | 'ε' => 'e',
        'ɡ' => 'g',
        'һ' | 'н' => 'h',
        'і' | 'ι' | 'ӏ' => 'i',
        'ј' => 'j',
        'к' | 'κ' => 'k',
        'м' => 'm',
        'п' | 'η' => 'n',
        'о' | 'ο' | 'σ' => 'o',
        'р' | 'ρ' => 'p',
        'ԛ' => 'q',
        'ѕ' => 's',
        'т' | 'τ' => 't',
        'υ' => 'u',
        'ν' | 'ѵ' => 'v',
        'ԝ' | 'ω' => 'w',
        'х' | 'χ' => 'x',
        'у' | 'γ' => 'y',
        _ => return None,
    })
}

fn leet(character: char) -> Option<char> {
    Some(match character {
        '0' => 'o',
        '1' => 'i',
        '3' => 'e',
        '4' | '@' => 'a',
        '5' | '$' => 's',
        '7' => 't',
        _ => return None,
    })
}
