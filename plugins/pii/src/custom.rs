//! The operator's own patterns: lists of literals, and a small pattern syntax that is matched in time linear in the text.
//!
//! A pattern is a row of characters, classes (`[a-z0-9_]`, `[^ ]`) and escapes (`\d` digit, `\a` letter, `\w` letter, digit or
//! `_`, `\s` white space), each with `?`, `+`, `*`, `{n}` or `{n,m}` after it if wanted. `.` is any byte but a line end. Any
//! other character after `\` stands for itself. There are no groups and no alternatives: that is what several patterns are for.

use crate::text::Text;

/// Steps of one pattern, repetitions counted out.
pub const STEPS_MAX: usize = 256;
/// What `+` and `*` mean at most.
const REPEAT_MAX: usize = 64;
pub const LITERALS_MAX: usize = 10_000;
pub const LITERAL_BYTES_MAX: usize = 256;

/// What one entry looks for.
pub enum Search {
    Literals(Literals),
    Pattern(Pattern),
}

impl Search {
    /// The end of the longest match that begins at `from`.
    pub fn find(&self, text: &Text, from: usize) -> Option<usize> {
        match self {
            Search::Literals(literals) => literals.find(text, from),
            Search::Pattern(pattern) => pattern.find(text, from),
        }
    }

    /// Whether a match can begin with this byte.
    pub fn begins(&self, byte: u8) -> bool {
        match self {
            Search::Literals(literals) => literals.begins(byte),
            Search::Pattern(pattern) => pattern.steps_at_start().any(|step| step.set.has(byte)),
        }
    }
}

/// Texts in order, so that those which go on like the text are always neighbours.
pub struct Literals {
    sorted: Vec<Vec<u8>>,
    ignore_case: bool,
}

impl Literals {
    pub fn new(literals: Vec<String>, ignore_case: bool) -> Literals {
        let fold = |literal: String| {
            if ignore_case {
                literal.to_ascii_lowercase()
            } else {
                literal
            }
        };
        let mut sorted: Vec<Vec<u8>> = literals.into_iter().map(|l| fold(l).into_bytes()).collect();
        sorted.sort();
        sorted.dedup();
        Literals {
            sorted,
            ignore_case,
        }
    }

    fn fold(&self, byte: u8) -> u8 {
        if self.ignore_case {
            byte.to_ascii_lowercase()
        } else {
            byte
        }
    }

    fn begins(&self, byte: u8) -> bool {
        let byte = self.fold(byte);
        self.sorted.iter().any(|literal| literal[0] == byte)
    }

    fn find(&self, text: &Text, from: usize) -> Option<usize> {
        let mut rest = &self.sorted[..];
        let mut best = None;
        let mut len = 0;
        loop {
            if let Some(first) = rest.first()
                && first.len() == len
            {
                best = Some(from + len);
                rest = &rest[1..];
            }
            if rest.is_empty() {
                return best;
            }
            let byte = self.fold(text.at(from + len));
            let low = rest.partition_point(|literal| literal[len] < byte);
            let high = rest.partition_point(|literal| literal[len] <= byte);
            rest = &rest[low..high];
            len += 1;
        }
    }
}

/// A set of bytes.
#[derive(Clone, Copy, Default)]
struct Set([u64; 4]);

impl Set {
    fn add(&mut self, byte: u8) {
        self.0[usize::from(byte >> 6)] |= 1 << (byte & 63);
    }

    fn has(&self, byte: u8) -> bool {
        self.0[usize::from(byte >> 6)] & (1 << (byte & 63)) != 0
    }

    fn of(accepts: impl Fn(u8) -> bool) -> Set {
        let mut set = Set::default();
        (0..=255)
            .filter(|byte| accepts(*byte))
            .for_each(|byte| set.add(byte));
        set
    }
}

#[derive(Clone, Copy)]
struct Step {
    set: Set,
    optional: bool,
}

/// A row of steps. What has been taken after some bytes is a set of steps, as bits.
pub struct Pattern {
    steps: Vec<Step>,
}

impl Pattern {
    /// # Errors
    /// What is wrong with the pattern.
    pub fn new(source: &str) -> Result<Pattern, String> {
        let mut reader = Reader {
            rest: source.as_bytes(),
        };
        let mut steps = Vec::new();
        while let Some(sets) = reader.next_sets()? {
            let (least, most) = reader.repetition()?;
            for nth in 0..most {
                let optional = nth >= least;
                steps.extend(sets.iter().map(|set| Step {
                    set: *set,
                    optional,
                }));
            }
            if sets.len() > 1 && (least, most) != (1, 1) {
                return Err("a character beyond ASCII cannot be repeated".to_owned());
            }
            if steps.len() > STEPS_MAX {
                return Err(format!(
                    "is longer than {STEPS_MAX} steps with its repetitions counted out"
                ));
            }
        }
        if steps.iter().all(|step| step.optional) {
            return Err("would match nothing at all".to_owned());
        }
        Ok(Pattern { steps })
    }

    fn steps_at_start(&self) -> impl Iterator<Item = &Step> {
        let firm = self
            .steps
            .iter()
            .position(|step| !step.optional)
            .unwrap_or(0);
        self.steps[..=firm].iter()
    }

    fn find(&self, text: &Text, from: usize) -> Option<usize> {
        // Bit n: step n is next; the bit after the last step: it is all there.
        let mut states = [false; STEPS_MAX + 1];
        let count = self.steps.len();
        self.enter(&mut states, 0);
        let mut best = None;
        let mut len = 0;
        loop {
            if states[count] {
                best = Some(from + len);
            }
            if !states[..count].contains(&true) {
                return best;
            }
            let byte = text.at(from + len);
            let mut next = [false; STEPS_MAX + 1];
            for place in (0..count).filter(|place| states[*place]) {
                if self.steps[place].set.has(byte) {
                    self.enter(&mut next, place + 1);
                }
            }
            states = next;
            len += 1;
        }
    }

    /// A step is next, and with it all that follow optional ones.
    fn enter(&self, states: &mut [bool; STEPS_MAX + 1], from: usize) {
        let mut place = from;
        while !states[place] {
            states[place] = true;
            if place == self.steps.len() || !self.steps[place].optional {
                return;
            }
            place += 1;
        }
    }
}

struct Reader<'a> {
    rest: &'a [u8],
}

impl Reader<'_> {
    fn take(&mut self) -> Option<u8> {
        let (first, rest) = self.rest.split_first()?;
        self.rest = rest;
        Some(*first)
    }

    /// One character, class or escape; a character beyond ASCII is several bytes.
    fn next_sets(&mut self) -> Result<Option<Vec<Set>>, String> {
        let Some(byte) = self.take() else {
            return Ok(None);
        };
        let set = match byte {
            b'[' => self.class()?,
            b'\\' => self.escape()?,
            b'.' => Set::of(|b| b != b'\n' && b != 0),
            b'(' | b')' | b'|' | b'^' | b'$' => {
                return Err(format!(
                    "has `{}`: groups, alternatives and anchors are not in this syntax (`\\` before it makes it a character)",
                    byte as char
                ));
            }
            b'?' | b'+' | b'*' | b'{' | b'}' | b']' => {
                return Err(format!(
                    "has `{}` where a character is to stand (`\\` before it makes it one)",
                    byte as char
                ));
            }
            byte => Set::of(|b| b == byte),
        };
        let mut sets = vec![set];
        while let Some(0x80..=0xBF) = self.rest.first().copied().filter(|_| byte >= 0xC0) {
            let more = self.take().unwrap_or(0);
            sets.push(Set::of(|b| b == more));
        }
        Ok(Some(sets))
    }

    fn escape(&mut self) -> Result<Set, String> {
        match self.take() {
            Some(b'd') => Ok(Set::of(|b| b.is_ascii_digit())),
            Some(b'a') => Ok(Set::of(|b| b.is_ascii_alphabetic())),
            Some(b'w') => Ok(Set::of(|b| b.is_ascii_alphanumeric() || b == b'_')),
            Some(b's') => Ok(Set::of(|b| b.is_ascii_whitespace())),
            Some(b'n') => Ok(Set::of(|b| b == b'\n')),
            Some(byte) if byte.is_ascii_punctuation() || byte == b' ' => Ok(Set::of(|b| b == byte)),
            Some(byte) => Err(format!(
                "has `\\{}`, which means nothing here",
                byte.escape_ascii()
            )),
            None => Err("ends with `\\`".to_owned()),
        }
    }

    fn class(&mut self) -> Result<Set, String> {
        let mut set = Set::default();
        let negated = self.rest.first() == Some(&b'^');
        if negated {
            self.take();
        }
        loop {
            match self.take() {
                None => return Err("has a `[` without its `]`".to_owned()),
                Some(b']') => break,
                Some(b'\\') => {
                    let escaped = self.escape()?;
                    (0..4).for_each(|i| set.0[i] |= escaped.0[i]);
                }
                Some(byte) if !byte.is_ascii() => {
                    return Err("has a character beyond ASCII in a class".to_owned());
                }
                Some(first) => {
                    let last = self.range_end(first)?;
                    (first..=last).for_each(|byte| set.add(byte));
                }
            }
        }
        Ok(if negated {
            Set::of(|b| b != 0 && b < 0x80 && !set.has(b))
        } else {
            set
        })
    }

    fn range_end(&mut self, first: u8) -> Result<u8, String> {
        let is_range =
            self.rest.first() == Some(&b'-') && self.rest.get(1).is_some_and(|b| *b != b']');
        if !is_range {
            return Ok(first);
        }
        self.take();
        let last = self.take().unwrap_or(first);
        if last < first || !last.is_ascii() {
            return Err(format!(
                "has a range that ends before it begins: `{}-{}`",
                first.escape_ascii(),
                last.escape_ascii()
            ));
        }
        Ok(last)
    }

    /// How often at least and at most.
    fn repetition(&mut self) -> Result<(usize, usize), String> {
        let counts = match self.rest.first() {
            Some(b'?') => (0, 1),
            Some(b'+') => (1, REPEAT_MAX),
            Some(b'*') => (0, REPEAT_MAX),
            Some(b'{') => return self.counts(),
            _ => return Ok((1, 1)),
        };
        self.take();
        Ok(counts)
    }

    fn counts(&mut self) -> Result<(usize, usize), String> {
        let end = self
            .rest
            .iter()
            .position(|b| *b == b'}')
            .ok_or("has a `{` without its `}`")?;
        let inner = String::from_utf8_lossy(&self.rest[1..end]).into_owned();
        self.rest = &self.rest[end + 1..];
        let (least, most) = inner.split_once(',').unwrap_or((&inner, &inner));
        let number = |text: &str| {
            text.trim()
                .parse::<usize>()
                .ok()
                .filter(|n| *n <= STEPS_MAX)
        };
        match (number(least), number(most)) {
            (Some(least), Some(most)) if least <= most && most > 0 => Ok((least, most)),
            _ => Err(format!(
                "has `{{{inner}}}`, which is no `{{n}}` or `{{n,m}}` with n ≤ m ≤ {STEPS_MAX}"
            )),
        }
    }
}
