//! What the values of a request were replaced by, so that the answer gets them back.

use std::collections::{BTreeSet, HashMap};

use serde_json::Value;

use crate::scan::Placeholders;

/// Values that one exchange gets back. What is found beyond is masked for good.
pub const VALUES_MAX: usize = 2_000;
/// Bytes of all values that one exchange gets back.
pub const VALUE_BYTES_MAX: usize = 256 * 1024;

/// Filled while a request is masked.
#[derive(Default)]
pub struct Vault {
    by_value: HashMap<(usize, String), usize>,
    entries: Vec<(String, String)>,
    bytes: usize,
    /// By kind: the last number given, and numbers that the request itself has in such a placeholder.
    last: HashMap<usize, u32>,
    taken: HashMap<usize, BTreeSet<u32>>,
}

impl Vault {
    /// Numbers that stand in `text` after `head` are not given out: a text that speaks of `[EMAIL_1]` gets none of ours.
    pub fn reserve(&mut self, place: usize, head: &str, text: &str) {
        for (at, _) in text.match_indices(head) {
            let digits: String = text[at + head.len()..]
                .chars()
                .take(10)
                .take_while(char::is_ascii_digit)
                .collect();
            if let Ok(number) = digits.parse() {
                self.taken.entry(place).or_default().insert(number);
            }
        }
    }

    /// The placeholder for a value; none when the vault is full.
    pub fn placeholder(
        &mut self,
        place: usize,
        around: &(String, String),
        value: &str,
    ) -> Option<String> {
        let key = (place, value.to_owned());
        if let Some(entry) = self.by_value.get(&key) {
            return Some(self.entries[*entry].0.clone());
        }
        if self.entries.len() == VALUES_MAX || self.bytes + value.len() > VALUE_BYTES_MAX {
            return None;
        }
        let taken = self.taken.entry(place).or_default();
        let last = self.last.entry(place).or_default();
        *last += 1;
        while taken.contains(last) {
            *last += 1;
        }
        let placeholder = format!("{}{last}{}", around.0, around.1);
        self.bytes += value.len();
        self.by_value.insert(key, self.entries.len());
        self.entries.push((placeholder.clone(), value.to_owned()));
        Some(placeholder)
    }

    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// As it is kept from the request to the answer.
    pub fn to_bytes(&self) -> Vec<u8> {
        let pairs = self
            .entries
            .iter()
            .map(|(p, v)| Value::from(vec![p.as_str(), v.as_str()]));
        Value::Array(pairs.collect()).to_string().into_bytes()
    }
}

/// What a placeholder in an answer becomes.
pub struct Restored {
    pub placeholders: Placeholders,
    values: Vec<String>,
}

impl Restored {
    pub fn from_bytes(bytes: &[u8]) -> Option<Restored> {
        let pairs: Vec<[String; 2]> = serde_json::from_slice(bytes).ok()?;
        let placeholders =
            Placeholders::new(pairs.iter().map(|[placeholder, _]| placeholder.as_str()));
        let values = pairs.into_iter().map(|[_, value]| value).collect();
        Some(Restored {
            placeholders,
            values,
        })
    }

    pub fn value(&self, place: u32) -> &str {
        self.values.get(place as usize).map_or("", String::as_str)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn around() -> (String, String) {
        ("[EMAIL_".to_owned(), "]".to_owned())
    }

    #[test]
    fn a_value_has_one_placeholder_and_a_placeholder_one_value() {
        let mut vault = Vault::default();
        vault.reserve(
            0,
            "[EMAIL_",
            "what is [EMAIL_2]? [EMAIL_x] [EMAIL_99999999999]",
        );
        let mut give = |value| vault.placeholder(0, &around(), value);
        assert_eq!(give("a").as_deref(), Some("[EMAIL_1]"));
        assert_eq!(
            give("b").as_deref(),
            Some("[EMAIL_3]"),
            "2 stands in the text"
        );
        assert_eq!(give("a").as_deref(), Some("[EMAIL_1]"));
    }

    #[test]
    fn a_vault_is_bounded() {
        let mut vault = Vault::default();
        let given = (0..VALUES_MAX + 5)
            .filter_map(|n| vault.placeholder(0, &around(), &n.to_string()))
            .count();
        assert_eq!(given, VALUES_MAX);
        assert!(
            vault.placeholder(0, &around(), "1").is_some(),
            "what it has it still knows"
        );
        let mut vault = Vault::default();
        assert!(
            vault
                .placeholder(0, &around(), &"x".repeat(VALUE_BYTES_MAX))
                .is_some()
        );
        assert!(vault.placeholder(0, &around(), "y").is_none());
    }

    #[test]
    fn it_comes_back_as_it_was() {
        let mut vault = Vault::default();
        vault.placeholder(0, &around(), "a\"b\\ü@x.de");
        let restored = Restored::from_bytes(&vault.to_bytes()).expect("it is its own format");
        assert_eq!(restored.value(0), "a\"b\\ü@x.de");
        assert_eq!(restored.value(7), "");
    }
}
