//! What tenants, projects, users and keys are named by.
//! It must not know whether anything of that name exists.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use ring::digest::{Context, SHA256};
use ring::rand::SecureRandom;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::token::NoRandomness;

/// Characters of the id of a tenant, project or user.
pub const ID_CHARACTERS_MAX: usize = 64;
/// Characters of the id of a key.
const KEY_ID_CHARACTERS: usize = 12;
const ALPHABET: &[u8; 36] = b"abcdefghijklmnopqrstuvwxyz0123456789";

/// # Errors
/// What is wrong, for a sentence that begins with the id.
pub fn check_id(id: &str) -> Result<(), String> {
    let is_sound = |byte: u8| byte.is_ascii_alphanumeric() || b"._@-".contains(&byte);
    match (1..=ID_CHARACTERS_MAX).contains(&id.len()) && id.bytes().all(is_sound) {
        true => Ok(()),
        false => Err(format!(
            "is not an id; write up to {ID_CHARACTERS_MAX} letters, digits, `.`, `_`, `@` and `-`"
        )),
    }
}

/// What a key is known by in logs, ledger and limits: twelve lower-case letters and digits. It is no secret.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KeyId([u8; KEY_ID_CHARACTERS]);

impl KeyId {
    /// A new one: 62 bits of chance.
    ///
    /// # Errors
    /// When the system has no randomness to give.
    pub fn random(random: &dyn SecureRandom) -> Result<KeyId, NoRandomness> {
        let mut id = [0; KEY_ID_CHARACTERS];
        let mut filled = 0;
        while filled < id.len() {
            let mut bytes = [0; 16];
            random.fill(&mut bytes).map_err(|_| NoRandomness)?;
            // Over 251 a byte would make some characters likelier than others.
            for byte in bytes.into_iter().filter(|byte| *byte < 252) {
                if let Some(place) = id.get_mut(filled) {
                    *place = ALPHABET[usize::from(byte) % ALPHABET.len()];
                    filled += 1;
                }
            }
        }
        Ok(KeyId(id))
    }

    /// The id of a key that stands in the configuration. It is the same for every secret that the label has had, so that
    /// what was counted for it stays when the secret is changed.
    pub fn of_label(tenant: &str, label: &str) -> KeyId {
        let mut context = Context::new(&SHA256);
        for part in ["key in the configuration", tenant, label] {
            context.update(part.as_bytes());
            context.update(&[0]);
        }
        let digest = context.finish();
        let mut id = [0; KEY_ID_CHARACTERS];
        for (place, byte) in id.iter_mut().zip(digest.as_ref()) {
            *place = ALPHABET[usize::from(*byte) % ALPHABET.len()];
        }
        KeyId(id)
    }

    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).unwrap_or_default()
    }
}

impl FromStr for KeyId {
    type Err = String;
    fn from_str(text: &str) -> Result<KeyId, String> {
        let bytes: Option<[u8; KEY_ID_CHARACTERS]> = text.as_bytes().try_into().ok();
        bytes
            .filter(|bytes| bytes.iter().all(|byte| ALPHABET.contains(byte)))
            .map(KeyId)
            .ok_or_else(|| {
                format!("is not the id of a key; it has {KEY_ID_CHARACTERS} lower-case letters and digits")
            })
    }
}

impl fmt::Display for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Serialize for KeyId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl<'de> Deserialize<'de> for KeyId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<KeyId, D::Error> {
        let text = Cow::<str>::deserialize(deserializer)?;
        text.parse()
            .map_err(|problem| D::Error::custom(format!("`{text}` {problem}")))
    }
}

impl JsonSchema for KeyId {
    fn inline_schema() -> bool {
        true
    }
    fn schema_name() -> Cow<'static, str> {
        "KeyId".into()
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({"type": "string", "pattern": "^[a-z0-9]{12}$"})
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_short_and_plain() {
        for good in ["a", "team-1", "a.b_c@d.example", &"x".repeat(64)] {
            assert_eq!(check_id(good), Ok(()), "{good}");
        }
        for bad in ["", "a b", "a/b", "ä", "a\0b", "auth0|1", &"x".repeat(65)] {
            assert!(check_id(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn key_ids_are_read_as_they_are_written_and_differ() {
        let random = ring::rand::SystemRandom::new();
        let ids: Vec<KeyId> = (0..1000).map(|_| KeyId::random(&random).unwrap()).collect();
        for id in &ids {
            assert_eq!(id.to_string().parse(), Ok(*id));
        }
        let distinct: std::collections::HashSet<_> = ids.iter().collect();
        assert_eq!(distinct.len(), ids.len());
        for bad in [
            "",
            "abcdefghijk",
            "abcdefghijkLM",
            "abcdefghijk_",
            "abcdefghijklm",
        ] {
            assert!(bad.parse::<KeyId>().is_err(), "{bad}");
        }
    }

    #[test]
    fn a_label_has_one_id() {
        assert_eq!(KeyId::of_label("t", "a"), KeyId::of_label("t", "a"));
        assert_ne!(KeyId::of_label("t", "a"), KeyId::of_label("t", "b"));
        assert_ne!(KeyId::of_label("ta", "b"), KeyId::of_label("t", "ab"));
    }
}
