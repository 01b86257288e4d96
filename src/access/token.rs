//! The secrets that callers hold: how they are made, what is kept of them, how one that is presented is compared.
//! It must not know whom a secret belongs to.

use std::borrow::Cow;
use std::fmt;

use ring::rand::SecureRandom;
use ring::{digest, hmac};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use zeroize::Zeroizing;

use crate::wire::base64;

use super::ids::KeyId;

/// What every token begins with, so that a scanner for leaked secrets can find it.
const PREFIX: &str = "weir_";
/// Bytes of chance in a token.
const SECRET_BYTES: usize = 32;

/// The system gave no random bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NoRandomness;

impl fmt::Display for NoRandomness {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the system gave no random bytes")
    }
}

impl std::error::Error for NoRandomness {}

/// A secret that is shown once. Nothing prints it but [`Token::expose`].
#[derive(Clone, PartialEq, Eq)]
pub struct Token(Zeroizing<String>);

impl Token {
    /// `weir_<id>_<43 characters of base64url>`: 256 bits of chance.
    ///
    /// # Errors
    /// When the system has no randomness to give.
    pub fn new(id: KeyId, random: &dyn SecureRandom) -> Result<Token, NoRandomness> {
        let secret = secret_text(random)?;
        Ok(Token(Zeroizing::new(format!("{PREFIX}{id}_{}", *secret))))
    }

    /// The text itself, for the one answer that shows it.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl From<Zeroizing<String>> for Token {
    fn from(text: Zeroizing<String>) -> Token {
        Token(text)
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

/// 256 bits of chance as 43 characters of base64url.
pub(super) fn secret_text(random: &dyn SecureRandom) -> Result<Zeroizing<String>, NoRandomness> {
    let bytes = random_bytes::<SECRET_BYTES>(random)?;
    Ok(Zeroizing::new(base64url(&*bytes)))
}

pub(super) fn random_bytes<const COUNT: usize>(
    random: &dyn SecureRandom,
) -> Result<Zeroizing<[u8; COUNT]>, NoRandomness> {
    let mut bytes = Zeroizing::new([0; COUNT]);
    random.fill(&mut *bytes).map_err(|_| NoRandomness)?;
    Ok(bytes)
}

/// The URL's alphabet, without padding.
pub(super) fn base64url(bytes: &[u8]) -> String {
    let mut text = base64::encode(bytes).replace('+', "-").replace('/', "_");
    text.truncate(text.trim_end_matches('=').len());
    text
}

/// What is shown of a token ever after: `weir_<id>…`.
pub fn masked(id: KeyId) -> String {
    format!("{PREFIX}{id}…")
}

pub fn sha256(bytes: &[u8]) -> [u8; 32] {
    let mut hash = [0; 32];
    hash.copy_from_slice(digest::digest(&digest::SHA256, bytes).as_ref());
    hash
}

pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Bytes for so many hexadecimal digits, in either case.
pub(super) fn from_hex<const COUNT: usize>(text: &str) -> Option<[u8; COUNT]> {
    let digits = text.as_bytes();
    if digits.len() != 2 * COUNT {
        return None;
    }
    let mut bytes = [0; COUNT];
    for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
        let digit = |at: usize| char::from(pair[at]).to_digit(16);
        *byte = u8::try_from(digit(0)? << 4 | digit(1)?).ok()?;
    }
    Some(bytes)
}

/// Reads the hash of a key as the configuration has it: `sha256:<64 hexadecimal digits>`.
///
/// # Errors
/// What is wrong, for a sentence that begins with the setting; the value is not repeated.
pub fn parse_sha256(text: &str) -> Result<[u8; 32], String> {
    let digits = text.strip_prefix("sha256:");
    digits.and_then(from_hex).ok_or_else(|| {
        "is not a hash; write `sha256:` and the 64 hexadecimal digits that `printf %s \"$KEY\" | sha256sum` prints".to_owned()
    })
}

/// What is kept of a token: HMAC-SHA256 under the pepper of the token's SHA-256. Not shown.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Digest([u8; 32]);

impl Digest {
    /// Whether they are the same. The comparison is ring's, which takes the same time wherever they differ.
    #[expect(
        deprecated,
        reason = "ring offers no other comparison but `hmac::verify`, which would compute the HMAC again for every request"
    )]
    pub fn is(&self, other: &Digest) -> bool {
        ring::constant_time::verify_slices_are_equal(&self.0, &other.0).is_ok()
    }

    /// As much of it as finds it again. It is a keyed hash, so nobody can choose what to compare with it byte by byte.
    pub(super) fn first_half(&self) -> [u8; 16] {
        let mut half = [0; 16];
        half.copy_from_slice(&self.0[..16]);
        half
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

impl Serialize for Digest {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&hex(&self.0))
    }
}

impl<'de> Deserialize<'de> for Digest {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Digest, D::Error> {
        let text = Cow::<str>::deserialize(deserializer)?;
        from_hex(&text)
            .map(Digest)
            .ok_or_else(|| D::Error::custom("a digest has 64 hexadecimal digits"))
    }
}

impl JsonSchema for Digest {
    fn inline_schema() -> bool {
        true
    }
    fn schema_name() -> Cow<'static, str> {
        "Digest".into()
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({"type": "string", "pattern": "^[0-9a-f]{64}$"})
    }
}

/// The secret that digests are made with: who steals the digests alone can try no token against them.
pub struct Pepper(hmac::Key);

impl Pepper {
    pub fn new(bytes: &[u8; 32]) -> Pepper {
        Pepper(hmac::Key::new(hmac::HMAC_SHA256, bytes))
    }

    /// The bytes of a new one, to be kept.
    ///
    /// # Errors
    /// When the system has no randomness to give.
    pub fn random(random: &dyn SecureRandom) -> Result<Zeroizing<[u8; 32]>, NoRandomness> {
        random_bytes(random)
    }

    pub fn digest(&self, token_sha256: &[u8; 32]) -> Digest {
        let mut digest = [0; 32];
        digest.copy_from_slice(hmac::sign(&self.0, token_sha256).as_ref());
        Digest(digest)
    }
}

impl fmt::Debug for Pepper {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

#[cfg(test)]
mod tests {
    use ring::rand::SystemRandom;

    use super::*;

    #[test]
    fn a_token_shows_its_id_and_hides_its_secret() {
        let random = SystemRandom::new();
        let id = KeyId::random(&random).unwrap();
        let token = Token::new(id, &random).unwrap();
        let text = token.expose();
        let secret = text.strip_prefix(&format!("weir_{id}_")).unwrap();
        assert_eq!(secret.len(), 43);
        assert_eq!(base64::decode(secret).unwrap().len(), 32);
        assert_eq!(format!("{token:?}"), "***");
        assert_eq!(masked(id), format!("weir_{id}…"));
        assert_ne!(Token::new(id, &random).unwrap(), token);
    }

    #[test]
    fn a_digest_needs_the_pepper_and_the_whole_token() {
        let (one, two) = (Pepper::new(&[1; 32]), Pepper::new(&[2; 32]));
        let hash = sha256(b"weir_abc");
        let digest = one.digest(&hash);
        assert!(digest.is(&one.digest(&hash)));
        assert!(!digest.is(&two.digest(&hash)));
        for at in 0..32 {
            let mut other = digest;
            other.0[at] ^= 1;
            assert!(!digest.is(&other), "byte {at}");
        }
        let text = serde_json::to_string(&digest).unwrap();
        assert_eq!(serde_json::from_str::<Digest>(&text).unwrap(), digest);
        assert_eq!(format!("{digest:?} {one:?}"), "*** ***");
    }

    #[test]
    fn hashes_are_read_as_sha256sum_prints_them() {
        // `printf abc | sha256sum`
        let text = "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert_eq!(parse_sha256(text), Ok(sha256(b"abc")));
        assert_eq!(
            parse_sha256(&text.to_uppercase().replace("SHA", "sha")),
            Ok(sha256(b"abc"))
        );
        for bad in [
            "",
            "abc",
            "sha256:",
            "sha256:zz",
            &text[7..],
            &text[..70],
            "sha256:+a7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
        ] {
            assert!(parse_sha256(bad).is_err(), "{bad}");
        }
    }
}
