//! Secrets at rest: AES-256-GCM under a master key that comes from outside.
//! It must not know what a secret is for, nor where master keys and envelopes are kept.

use std::fmt;

use ring::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use ring::digest::{Context, SHA256};
use ring::rand::SecureRandom;
use zeroize::Zeroizing;

use crate::wire::base64;

use super::token::{NoRandomness, base64url, from_hex, hex, random_bytes};

/// What every envelope begins with; the number is the form's.
const FORM: &str = "sealed1";
/// Bytes of a master key's id.
const ID_BYTES: usize = 4;
/// Bytes of one secret.
const SECRET_BYTES_MAX: usize = 64 * 1024;
/// Master keys that are known at once: the current one and those before it.
const MASTER_KEYS_MAX: usize = 16;

/// A 256-bit key, and the short name that envelopes know it by: the beginning of a hash of it.
pub struct MasterKey {
    id: [u8; ID_BYTES],
    key: LessSafeKey,
}

impl MasterKey {
    pub fn new(bytes: &[u8; 32]) -> MasterKey {
        let mut context = Context::new(&SHA256);
        context.update(b"weir master key id\0");
        context.update(bytes);
        let mut id = [0; ID_BYTES];
        id.copy_from_slice(&context.finish().as_ref()[..ID_BYTES]);
        // An AES-256 key of 32 bytes is always taken.
        let key = UnboundKey::new(&AES_256_GCM, bytes);
        let key = key.unwrap_or_else(|_| unreachable!("a key of 32 bytes is an AES-256 key"));
        MasterKey {
            id,
            key: LessSafeKey::new(key),
        }
    }

    /// Reads what an environment variable, a file or a command gave: 64 hexadecimal digits, or the base64 of 32 bytes.
    ///
    /// # Errors
    /// What is wrong, for a sentence that begins with the source; the value is not repeated.
    pub fn parse(text: &str) -> Result<MasterKey, String> {
        let text = text.trim();
        let decoded = || Some(Zeroizing::new(base64::decode(text)?));
        let bytes = from_hex::<32>(text).map(Zeroizing::new).or_else(|| {
            let decoded = decoded()?;
            Some(Zeroizing::new(<[u8; 32]>::try_from(&decoded[..]).ok()?))
        });
        bytes.map(|bytes| MasterKey::new(&bytes)).ok_or_else(|| {
            "is not a master key; write 32 random bytes as hexadecimal or base64 (`openssl rand -hex 32`)".into()
        })
    }

    /// Eight hexadecimal digits.
    pub fn id(&self) -> String {
        hex(&self.id)
    }
}

impl fmt::Debug for MasterKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "master key {}", self.id())
    }
}

/// Seals with the current master key, opens with that and those before it.
#[derive(Debug)]
pub struct Seal {
    current: MasterKey,
    former: Vec<MasterKey>,
}

/// Why a secret cannot be sealed or opened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SealError {
    /// It is no envelope of a form that is known.
    Malformed,
    /// The master key of this id is not at hand.
    UnknownMasterKey(String),
    /// It has been changed, or is for something else.
    Broken,
    TooLong,
    NoRandomness,
}

impl fmt::Display for SealError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            SealError::Malformed => f.write_str("it is not a sealed secret"),
            SealError::UnknownMasterKey(id) => {
                write!(
                    f,
                    "it is sealed with the master key {id}, which is not at hand; name that among the former ones"
                )
            }
            SealError::Broken => {
                f.write_str("the sealed secret has been changed, or belongs elsewhere")
            }
            SealError::TooLong => write!(f, "a secret may have {SECRET_BYTES_MAX} bytes"),
            SealError::NoRandomness => NoRandomness.fmt(f),
        }
    }
}

impl std::error::Error for SealError {}

impl From<NoRandomness> for SealError {
    fn from(_: NoRandomness) -> SealError {
        SealError::NoRandomness
    }
}

impl Seal {
    /// Of `former` the first sixteen are taken.
    pub fn new(current: MasterKey, mut former: Vec<MasterKey>) -> Seal {
        former.truncate(MASTER_KEYS_MAX);
        Seal { current, former }
    }

    /// The id of the current master key.
    pub fn id(&self) -> String {
        self.current.id()
    }

    /// An envelope that only the same `context` opens (for example `upstream key openai/main`), so that envelopes cannot be
    /// exchanged for one another: `sealed1.<master key id>.<nonce, ciphertext and tag in base64url>`.
    ///
    /// # Errors
    /// [`SealError::TooLong`] and [`SealError::NoRandomness`].
    pub fn seal(
        &self,
        secret: &[u8],
        context: &str,
        random: &dyn SecureRandom,
    ) -> Result<String, SealError> {
        if secret.len() > SECRET_BYTES_MAX {
            return Err(SealError::TooLong);
        }
        let nonce = random_bytes::<NONCE_LEN>(random)?;
        // Room for the tag, so that the secret is not copied to a longer buffer and left behind.
        let mut sealed = Zeroizing::new(Vec::with_capacity(secret.len() + AES_256_GCM.tag_len()));
        sealed.extend_from_slice(secret);
        let nonce_taken = Nonce::assume_unique_for_key(*nonce);
        let aad = Aad::from(context.as_bytes());
        let key = &self.current.key;
        key.seal_in_place_append_tag(nonce_taken, aad, &mut *sealed)
            .map_err(|_| SealError::TooLong)?;
        let body = [&nonce[..], &sealed[..]].concat();
        Ok(format!("{FORM}.{}.{}", self.current.id(), base64url(&body)))
    }

    /// The secret.
    ///
    /// # Errors
    /// All but [`SealError::TooLong`] and [`SealError::NoRandomness`].
    pub fn open(&self, envelope: &str, context: &str) -> Result<Zeroizing<Vec<u8>>, SealError> {
        let (id, body) = parts(envelope)?;
        let mut keys = std::iter::once(&self.current).chain(&self.former);
        let key = keys.find(|key| key.id == id);
        let key = key.ok_or_else(|| SealError::UnknownMasterKey(hex(&id)))?;
        let mut body = Zeroizing::new(base64::decode(body).ok_or(SealError::Malformed)?);
        let (nonce, sealed) = body
            .split_at_mut_checked(NONCE_LEN)
            .ok_or(SealError::Malformed)?;
        let nonce = Nonce::try_assume_unique_for_key(nonce).map_err(|_| SealError::Malformed)?;
        let opened = key
            .key
            .open_in_place(nonce, Aad::from(context.as_bytes()), sealed);
        opened
            .map(|secret| Zeroizing::new(secret.to_vec()))
            .map_err(|_| SealError::Broken)
    }

    /// The same secret under the current master key; `None` where it is already.
    ///
    /// # Errors
    /// As [`Seal::open`] and [`Seal::seal`].
    pub fn reseal(
        &self,
        envelope: &str,
        context: &str,
        random: &dyn SecureRandom,
    ) -> Result<Option<String>, SealError> {
        if parts(envelope)?.0 == self.current.id {
            return Ok(None);
        }
        let secret = self.open(envelope, context)?;
        self.seal(&secret, context, random).map(Some)
    }
}

/// The id of the master key, and the rest.
fn parts(envelope: &str) -> Result<([u8; ID_BYTES], &str), SealError> {
    let mut parts = envelope.splitn(3, '.');
    let is_known = parts.next() == Some(FORM);
    let id = parts.next().and_then(from_hex).filter(|_| is_known);
    id.zip(parts.next()).ok_or(SealError::Malformed)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use ring::rand::SystemRandom;

    use super::*;

    fn seal(current: u8, former: &[u8]) -> Seal {
        let key = |byte: u8| MasterKey::new(&[byte; 32]);
        Seal::new(key(current), former.iter().map(|byte| key(*byte)).collect())
    }

    #[test]
    fn what_is_sealed_opens_only_whole_and_in_its_place() {
        let random = SystemRandom::new();
        let seal = seal(1, &[]);
        let envelope = seal.seal(b"sk-secret", "upstream key a", &random).unwrap();
        assert!(!envelope.contains("secret"), "{envelope}");
        assert_eq!(
            &seal.open(&envelope, "upstream key a").unwrap()[..],
            b"sk-secret"
        );
        assert_eq!(
            seal.open(&envelope, "upstream key b"),
            Err(SealError::Broken)
        );
        let again = seal.seal(b"sk-secret", "upstream key a", &random).unwrap();
        assert_ne!(again, envelope);
        let bad = [
            "",
            "sealed1",
            "sealed1.zz.aa",
            "sealed2.00000000.aa",
            "sealed1.00000000",
            "plain",
        ];
        for bad in bad {
            assert_eq!(seal.open(bad, "x"), Err(SealError::Malformed), "{bad}");
        }
        let head = envelope.rsplit_once('.').unwrap().0;
        for short in ["", "AAAA", "AAAAAAAAAAAAAAAA"] {
            assert!(
                seal.open(&format!("{head}.{short}"), "upstream key a")
                    .is_err()
            );
        }
        let long = vec![0; SECRET_BYTES_MAX + 1];
        assert_eq!(seal.seal(&long, "x", &random), Err(SealError::TooLong));
    }

    #[test]
    fn a_new_master_key_seals_anew_what_the_old_one_opens() {
        let random = SystemRandom::new();
        let old = seal(1, &[]).seal(b"x", "c", &random).unwrap();
        let both = seal(2, &[1]);
        let new = both.reseal(&old, "c", &random).unwrap().unwrap();
        assert_eq!(both.reseal(&new, "c", &random), Ok(None));
        assert_eq!(&seal(2, &[]).open(&new, "c").unwrap()[..], b"x");
        let id = MasterKey::new(&[1; 32]).id();
        assert_eq!(
            seal(2, &[]).open(&old, "c"),
            Err(SealError::UnknownMasterKey(id))
        );
    }

    #[test]
    fn master_keys_are_read_as_hexadecimal_and_base64() {
        let hex = "0101010101010101010101010101010101010101010101010101010101010101";
        let expected = MasterKey::new(&[1; 32]).id();
        for text in [hex, "AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE=\n"] {
            assert_eq!(MasterKey::parse(text).unwrap().id(), expected);
        }
        for bad in ["", "password", &hex[2..], "AQEBAQ=="] {
            let problem = MasterKey::parse(bad).unwrap_err();
            assert!(bad.is_empty() || !problem.contains(bad), "{problem}");
        }
        assert_eq!(format!("{:?}", seal(1, &[])).matches("[1, 1").count(), 0);
    }

    proptest! {
        #[test]
        fn every_secret_comes_back_and_every_changed_envelope_does_not(
            secret in proptest::collection::vec(any::<u8>(), 0..100), at in any::<proptest::sample::Index>(), bit in 0u32..8,
        ) {
            let seal = seal(3, &[]);
            let envelope = seal.seal(&secret, "c", &SystemRandom::new()).unwrap();
            prop_assert_eq!(&seal.open(&envelope, "c").unwrap()[..], &secret[..]);
            let (head, body) = envelope.rsplit_once('.').unwrap();
            let mut body = base64::decode(body).unwrap();
            let at = at.index(body.len());
            body[at] ^= 1 << bit;
            let changed = format!("{head}.{}", base64url(&body));
            prop_assert_eq!(seal.open(&changed, "c"), Err(SealError::Broken));
        }
    }
}
