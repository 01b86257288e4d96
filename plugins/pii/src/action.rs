//! What becomes of a value that was found.

use sha2::{Digest, Sha256};

use crate::kinds::Kind;

/// What to do with values of one kind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    Off,
    Mask(Mask),
    /// The kind, and as many hexadecimal digits of a keyed hash.
    Hash {
        digits: usize,
    },
    Refuse,
}

impl Action {
    pub fn name(&self) -> &'static str {
        match self {
            Action::Off => "off",
            Action::Mask(_) => "mask",
            Action::Hash { .. } => "hash",
            Action::Refuse => "refuse",
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mask {
    /// Has `{last}` where `keep_last` is not 0.
    pub text: String,
    /// How many of the value's letters and digits are kept.
    pub keep_last: usize,
    /// What stands before and after the number, where values are put back on the way to the client.
    pub placeholder: (String, String),
}

impl Mask {
    pub fn replacement(&self, value: &str) -> String {
        if self.keep_last == 0 {
            return self.text.clone();
        }
        self.text.replace("{last}", &last(value, self.keep_last))
    }
}

/// The last letters and digits, never more than a third of them.
fn last(value: &str, count: usize) -> String {
    let letters: Vec<char> = value.chars().filter(|c| c.is_alphanumeric()).collect();
    let count = count.min(letters.len() / 3);
    letters[letters.len() - count..].iter().collect()
}

/// Hashes values with a key of the tenant's own, made of the operator's secret: the same value has the same hash within a tenant,
/// and nobody can tell that two tenants have the same value, or try values out without the secret.
#[derive(Clone)]
pub struct Hasher {
    key: [u8; 32],
}

impl Hasher {
    pub fn new(secret: &str, tenant: &str) -> Hasher {
        Hasher {
            key: hmac(secret.as_bytes(), tenant.as_bytes()),
        }
    }

    pub fn hash(&self, kind: Kind, name: &str, value: &str, digits: usize) -> String {
        let mut message = name.as_bytes().to_vec();
        message.push(0);
        message.extend_from_slice(normal(kind, value).as_bytes());
        let sum = hmac(&self.key, &message);
        let mut hex: String = sum.iter().map(|byte| format!("{byte:02x}")).collect();
        hex.truncate(digits);
        hex
    }
}

/// One spelling of a value.
fn normal(kind: Kind, value: &str) -> String {
    if kind.same_without_separators() {
        value
            .chars()
            .filter(char::is_ascii_alphanumeric)
            .map(|c| c.to_ascii_uppercase())
            .collect()
    } else if kind == Kind::Email || kind == Kind::Ip {
        value.to_lowercase()
    } else {
        value.to_owned()
    }
}

/// HMAC-SHA256 (RFC 2104).
fn hmac(key: &[u8], message: &[u8]) -> [u8; 32] {
    const BLOCK_BYTES: usize = 64;
    let mut block = [0; BLOCK_BYTES];
    if key.len() > BLOCK_BYTES {
        block[..32].copy_from_slice(&Sha256::digest(key));
    } else {
        block[..key.len()].copy_from_slice(key);
    }
    let inner = Sha256::new()
        .chain_update(block.map(|b| b ^ 0x36))
        .chain_update(message)
        .finalize();
    Sha256::new()
        .chain_update(block.map(|b| b ^ 0x5C))
        .chain_update(inner)
        .finalize()
        .into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_keyed_hash_is_that_of_the_standard() {
        // RFC 4231, test cases 2 and 6.
        let hex = |sum: [u8; 32]| sum.iter().map(|b| format!("{b:02x}")).collect::<String>();
        assert_eq!(
            hex(hmac(b"Jefe", b"what do ya want for nothing?")),
            "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"
        );
        assert_eq!(
            hex(hmac(
                &[0xaa; 131],
                b"Test Using Larger Than Block-Size Key - Hash Key First"
            )),
            "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54"
        );
    }

    #[test]
    fn a_hash_is_stable_within_a_tenant_and_says_nothing_across_tenants() {
        let hash =
            |tenant: &str, kind, value| Hasher::new("secret", tenant).hash(kind, "x", value, 16);
        assert_eq!(
            hash("a", Kind::Email, "Bob@Example.com"),
            hash("a", Kind::Email, "bob@example.com")
        );
        assert_eq!(
            hash("a", Kind::Phone, "+49 30 1234567"),
            hash("a", Kind::Phone, "+49-30-1234567")
        );
        assert_ne!(
            hash("a", Kind::Email, "bob@example.com"),
            hash("b", Kind::Email, "bob@example.com")
        );
        assert_ne!(
            hash("a", Kind::Secret, "abc"),
            hash("a", Kind::Secret, "ABC")
        );
        assert_eq!(hash("a", Kind::Email, "bob@example.com").len(), 16);
    }

    #[test]
    fn what_is_kept_of_a_value_never_is_most_of_it() {
        let mask = |keep_last| Mask {
            text: "<{last}>".to_owned(),
            keep_last,
            placeholder: Default::default(),
        };
        assert_eq!(mask(4).replacement("4111 1111 1111 1234"), "<1234>");
        assert_eq!(mask(4).replacement("a@b.de"), "<e>");
        assert_eq!(mask(8).replacement("x"), "<>");
    }
}
