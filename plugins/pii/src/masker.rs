//! Masks texts: whole ones, and ones that arrive in pieces. It knows the rules of one direction of one exchange.

use std::sync::Arc;

use crate::action::{Action, Hasher};
use crate::detect::assigned::Names;
use crate::kinds::{Found, KINDS, Kind, What};
use crate::scan::{Outside, Scanner};
use crate::text::{CONTEXT_BYTES, Text};
use crate::vault::{Restored, Vault};

/// What is looked for in one direction, and what is done with it.
pub struct Rules {
    pub scanner: Scanner,
    /// By [`Kind::place`].
    pub actions: Vec<Action>,
    /// In the configuration and in metrics; by [`Kind::place`].
    pub names: Vec<String>,
    pub allowed: Allowed,
}

impl Rules {
    pub fn hashes(&self) -> bool {
        self.actions
            .iter()
            .any(|action| matches!(action, Action::Hash { .. }))
    }

    pub fn finds(&self) -> bool {
        self.actions.iter().any(|action| *action != Action::Off)
    }
}

/// Values that are nobody's secret. A `*` at the beginning or at the end of one stands for anything.
#[derive(Default)]
pub struct Allowed(pub Vec<String>);

impl Allowed {
    fn has(&self, value: &str) -> bool {
        let matches = |pattern: &String, value: &str| match (
            pattern.strip_prefix('*'),
            pattern.strip_suffix('*'),
        ) {
            (Some(tail), _) => value.ends_with(tail),
            (None, Some(head)) => value.starts_with(head),
            (None, None) => value == pattern,
        };
        !self.0.is_empty() && {
            let value = value.to_lowercase();
            self.0.iter().any(|pattern| matches(pattern, &value))
        }
    }
}

/// How a text is written where it stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    Plain,
    /// Inside of a JSON string.
    JsonString,
    /// Between the strings of a JSON text: what is put there becomes a string.
    JsonBare,
}

pub struct Masker {
    pub rules: Arc<Rules>,
    pub hasher: Option<Hasher>,
    /// Where placeholders are given out.
    pub vault: Option<Vault>,
    /// Where placeholders are put back.
    pub restored: Option<Restored>,
    /// How often each kind was found, by [`Kind::place`], and not counted yet.
    pub counts: Vec<u32>,
    pub restored_count: u32,
    /// The first kind that is not allowed here at all.
    pub refused: Option<Kind>,
}

impl Masker {
    pub fn new(rules: Arc<Rules>) -> Masker {
        Masker {
            counts: vec![0; rules.actions.len()],
            rules,
            hasher: None,
            vault: None,
            restored: None,
            restored_count: 0,
            refused: None,
        }
    }

    /// A whole text; none where it stays as it is.
    pub fn whole(&mut self, text: &str) -> Option<String> {
        let mut held = Held::default();
        held.buffer.push_str(text);
        let out = held.take(self, true);
        (held.changed).then_some(out)
    }

    /// What stands in the place of a value; none where it stays.
    pub fn replace(&mut self, what: What, value: &str, form: Form) -> Option<String> {
        let kind = match what {
            What::Value(kind) => kind,
            What::Placeholder(_) if form == Form::JsonBare => return None,
            What::Placeholder(place) => {
                self.restored_count += 1;
                return self
                    .restored
                    .as_ref()
                    .map(|restored| written(restored.value(place), form));
            }
        };
        if self.rules.allowed.has(value) {
            return None;
        }
        let place = kind.place();
        self.counts[place] += 1;
        let name = &self.rules.names[place];
        let text = match &self.rules.actions[place] {
            Action::Off => return None,
            Action::Mask(mask) => self
                .vault
                .as_mut()
                .and_then(|vault| vault.placeholder(place, &mask.placeholder, value))
                .unwrap_or_else(|| mask.replacement(value)),
            Action::Hash { digits } => {
                let hash = self
                    .hasher
                    .as_ref()
                    .map(|hasher| hasher.hash(kind, name, value, *digits));
                format!("[{}:{}]", name.to_uppercase(), hash.unwrap_or_default())
            }
            Action::Refuse => {
                self.refused.get_or_insert(kind);
                format!("[{}]", name.to_uppercase())
            }
        };
        Some(written(&text, form))
    }

    /// Names of the kinds that were found, with their numbers; forgets them.
    pub fn take_counts(&mut self) -> Vec<(Kind, u32)> {
        let kind = |place: usize| {
            KINDS
                .get(place)
                .copied()
                .unwrap_or(Kind::Custom((place.max(KINDS.len()) - KINDS.len()) as u16))
        };
        let counts = self
            .counts
            .iter()
            .enumerate()
            .filter(|(_, count)| **count > 0);
        let found = counts.map(|(place, count)| (kind(place), *count)).collect();
        self.counts.fill(0);
        found
    }
}

fn written(text: &str, form: Form) -> String {
    match form {
        Form::Plain => text.to_owned(),
        Form::JsonBare => serde_json::Value::from(text).to_string(),
        Form::JsonString => {
            let quoted = serde_json::Value::from(text).to_string();
            quoted[1..quoted.len() - 1].to_owned()
        }
    }
}

/// The end of a text that arrives in pieces: what may still become something, and a few bytes before it that detectors look at.
#[derive(Default)]
pub struct Held {
    buffer: String,
    /// Before it there is only what was given out.
    start: usize,
    /// The last call gave out something other than what it was given.
    changed: bool,
}

impl Held {
    /// The next piece; gives back what is certain. Nothing is held after the last piece.
    pub fn push(&mut self, masker: &mut Masker, piece: &str, last: bool) -> String {
        self.buffer.push_str(piece);
        let out = self.take(masker, last);
        if last {
            self.buffer.clear();
            self.start = 0;
        }
        out
    }

    /// Gives out what is held, though more may come.
    pub fn let_go(&mut self, masker: &mut Masker) -> String {
        self.take(masker, true)
    }

    pub fn is_empty(&self) -> bool {
        self.start == self.buffer.len()
    }

    fn take(&mut self, masker: &mut Masker, last: bool) -> String {
        let rules = Arc::clone(&masker.rules);
        let (found, certain) = find(
            &rules,
            masker.restored.as_ref(),
            self.buffer.as_bytes(),
            self.start,
            last,
            None,
            Form::Plain,
        );
        let mut out = String::with_capacity(certain - self.start);
        let mut from = self.start;
        self.changed = false;
        for hit in found {
            let replacement =
                masker.replace(hit.what, &self.buffer[hit.start..hit.end], Form::Plain);
            if let Some(replacement) = replacement {
                out.push_str(&self.buffer[from..hit.start]);
                out.push_str(&replacement);
                from = hit.end;
                self.changed = true;
            }
        }
        out.push_str(&self.buffer[from..certain]);
        let context = context_start(&self.buffer, certain);
        self.buffer.drain(..context);
        self.start = certain - context;
        out
    }
}

/// Where the bytes before `certain` begin that detectors may look back at.
pub fn context_start(text: &str, certain: usize) -> usize {
    let mut start = certain.saturating_sub(CONTEXT_BYTES);
    while !text.is_char_boundary(start) {
        start -= 1;
    }
    start
}

/// What is in a text from `start` on, and how far that is certain.
pub fn find(
    rules: &Rules,
    restored: Option<&Restored>,
    bytes: &[u8],
    start: usize,
    last: bool,
    named: Option<(usize, Names)>,
    form: Form,
) -> (Vec<Found>, usize) {
    let text = Text::new(bytes, last);
    let outside = Outside {
        named,
        placeholders: restored.map(|restored| &restored.placeholders),
        bare: form == Form::JsonBare,
    };
    let mut found = Vec::new();
    let certain = rules.scanner.scan(&text, start, &outside, &mut found);
    (found, certain)
}
