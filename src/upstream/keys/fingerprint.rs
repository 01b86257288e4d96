//! What a key is known by, so that its secret need not be.

use ring::digest::{SHA256, digest};

use crate::config::Secret;

/// The SHA-256 of a secret. Shows its first eight hexadecimal digits only.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Fingerprint([u8; 32]);

/// Bytes of the hash that are shown: enough to tell an upstream's keys apart, too few to find a key by.
const SHOWN_BYTES: usize = 4;

impl Fingerprint {
    pub(super) fn of(secret: &Secret) -> Fingerprint {
        let hash = digest(&SHA256, secret.expose().as_bytes());
        let mut bytes = [0; 32];
        bytes.copy_from_slice(hash.as_ref());
        Fingerprint(bytes)
    }

    /// Eight hexadecimal digits.
    pub(super) fn shown(&self) -> String {
        self.0[..SHOWN_BYTES]
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fingerprint_is_the_beginning_of_the_sha_256() {
        // `printf abc | sha256sum`
        assert_eq!(Fingerprint::of(&Secret::new("abc")).shown(), "ba7816bf");
        assert!(Fingerprint::of(&Secret::new("a")) != Fingerprint::of(&Secret::new("b")));
    }
}
