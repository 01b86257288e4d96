//! Signed requests: HMAC-SHA256 over what is asked, a window of time, and each signature only once.
//! It must not know whose secret it is, nor what time it is.

use std::fmt;
use std::time::{Duration, SystemTime};

use ring::hmac;

use super::denied::DeniedAs;
use super::moment::Moment;
use super::token::{from_hex, hex, sha256};

mod replay;

pub use replay::Replays;

/// The header that a signature is in: `t=<unix seconds>,n=<nonce>,v1=<hexadecimal HMAC>`.
pub const HEADER: &str = "x-weir-signature";
const NONCE_CHARACTERS: std::ops::RangeInclusive<usize> = 16..=64;

/// A signature as it was sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Signature<'a> {
    at: u64,
    nonce: &'a str,
    tag: [u8; 32],
}

/// What is signed.
#[derive(Debug, Clone, Copy)]
pub struct Signed<'a> {
    /// In upper case.
    pub method: &'a str,
    /// As it stands in the request line, query included, not decoded.
    pub path_and_query: &'a str,
    /// Of the body's bytes as they were sent ([`body_sha256`]).
    pub body_sha256: &'a [u8; 32],
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SignatureFault {
    /// The key wants one.
    Missing,
    /// More than one header, or not of the form.
    Malformed,
    /// Its time is outside of the window.
    OutsideWindow,
    /// It is not what the secret gives for this request.
    Wrong,
    /// It has been used.
    Replayed,
    /// More signatures are remembered than there is room for.
    Full,
    /// The secret that it is checked with cannot be opened.
    NoSecret,
}

impl SignatureFault {
    pub fn kind(self) -> DeniedAs {
        match self {
            SignatureFault::Missing
            | SignatureFault::Malformed
            | SignatureFault::OutsideWindow
            | SignatureFault::Wrong
            | SignatureFault::Replayed => DeniedAs::Unauthenticated,
            SignatureFault::Full | SignatureFault::NoSecret => DeniedAs::Unavailable,
        }
    }
}

impl fmt::Display for SignatureFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            SignatureFault::Missing => {
                write!(f, "this key's requests must be signed in `{HEADER}`")
            }
            SignatureFault::Malformed => write!(
                f,
                "`{HEADER}` must be `t=<unix seconds>,n=<{} to {} letters, digits, `_`, `-`>,v1=<64 hexadecimal digits>`",
                NONCE_CHARACTERS.start(),
                NONCE_CHARACTERS.end()
            ),
            SignatureFault::OutsideWindow => f.write_str("its time is too far from the server's"),
            SignatureFault::Wrong => {
                f.write_str("it does not fit method, path, time, nonce and body")
            }
            SignatureFault::Replayed => f.write_str("it has been used before"),
            SignatureFault::Full => f.write_str("too many signed requests at once; try again"),
            SignatureFault::NoSecret => f.write_str("the secret to check it with cannot be read"),
        }
    }
}

/// The SHA-256 of a body.
pub fn body_sha256(body: &[u8]) -> [u8; 32] {
    sha256(body)
}

impl<'a> Signature<'a> {
    /// # Errors
    /// [`SignatureFault::Malformed`].
    pub fn parse(header: &'a [u8]) -> Result<Signature<'a>, SignatureFault> {
        let text = std::str::from_utf8(header).ok();
        let mut parts = text.ok_or(SignatureFault::Malformed)?.split(',');
        let mut part = |name: &str| {
            let (found, value) = parts.next()?.trim_matches(' ').split_once('=')?;
            (found == name).then_some(value)
        };
        let (at, nonce, tag) = (part("t"), part("n"), part("v1"));
        let is_whole = parts.next().is_none();
        let at = at.filter(|at| at.bytes().all(|byte| byte.is_ascii_digit()));
        let read = || {
            Some(Signature {
                at: at?.parse().ok()?,
                nonce: nonce.filter(|nonce| is_nonce(nonce))?,
                tag: from_hex(tag?)?,
            })
        };
        read().filter(|_| is_whole).ok_or(SignatureFault::Malformed)
    }

    /// Whether its time is within the window around `now`: to be asked before anything is read or computed.
    ///
    /// # Errors
    /// [`SignatureFault::OutsideWindow`].
    pub fn check_time(&self, now: SystemTime, window: Duration) -> Result<(), SignatureFault> {
        let apart = Moment::from(now).unix().abs_diff(self.at);
        match apart <= window.as_secs() {
            true => Ok(()),
            false => Err(SignatureFault::OutsideWindow),
        }
    }

    /// Whether it is the secret's for this request. The comparison is ring's, in constant time.
    ///
    /// # Errors
    /// [`SignatureFault::Wrong`].
    pub fn check(&self, secret: &[u8], signed: &Signed<'_>) -> Result<(), SignatureFault> {
        let key = hmac::Key::new(hmac::HMAC_SHA256, secret);
        let text = canonical(signed, self.at, self.nonce);
        hmac::verify(&key, text.as_bytes(), &self.tag).map_err(|_| SignatureFault::Wrong)
    }

    /// Everything in one: time, HMAC, and that it is used for the first time. What is wrong is not remembered, so that nobody
    /// without the secret can fill the memory.
    ///
    /// # Errors
    /// The first that fails.
    pub fn accept(
        &self,
        key_id: &str,
        secret: &[u8],
        signed: &Signed<'_>,
        now: SystemTime,
        replays: &Replays,
    ) -> Result<(), SignatureFault> {
        self.check_time(now, replays.window())?;
        self.check(secret, signed)?;
        replays.first(key_id, self.nonce, self.at, now)
    }
}

/// The value of [`HEADER`] for a request: what clients do.
pub fn sign(secret: &[u8], signed: &Signed<'_>, at: Moment, nonce: &str) -> String {
    let key = hmac::Key::new(hmac::HMAC_SHA256, secret);
    let tag = hmac::sign(&key, canonical(signed, at.unix(), nonce).as_bytes());
    format!("t={},n={nonce},v1={}", at.unix(), hex(tag.as_ref()))
}

/// No part can hold a line's end, so no two requests have the same text.
fn canonical(signed: &Signed<'_>, at: u64, nonce: &str) -> String {
    let body = hex(signed.body_sha256);
    format!(
        "{}\n{}\n{at}\n{nonce}\n{body}",
        signed.method, signed.path_and_query
    )
}

fn is_nonce(text: &str) -> bool {
    let is_sound = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-';
    NONCE_CHARACTERS.contains(&text.len()) && text.bytes().all(is_sound)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: u64 = 1_800_000_000;
    const NONCE: &str = "abcdefghijklmnop";
    const WINDOW: Duration = Duration::from_secs(300);

    fn at(seconds: u64) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_secs(seconds)
    }

    #[test]
    fn a_signature_is_what_the_document_says() {
        // printf 'POST\n/v1/chat/completions?x=1\n1800000000\nabcdefghijklmnop\n%s' "$(printf '{}' | sha256sum | cut -d' ' -f1)" | openssl dgst -sha256 -hmac secret
        let body = body_sha256(b"{}");
        let signed = Signed {
            method: "POST",
            path_and_query: "/v1/chat/completions?x=1",
            body_sha256: &body,
        };
        let header = sign(b"secret", &signed, Moment::from_unix(NOW), NONCE);
        assert_eq!(
            header,
            "t=1800000000,n=abcdefghijklmnop,v1=66f177d5bf36cb495b81454dfd2d2561e085fb1306995199ff773741c15a922b"
        );
        let signature = Signature::parse(header.as_bytes()).unwrap();
        assert_eq!(signature.check(b"secret", &signed), Ok(()));
    }

    #[test]
    fn whatever_is_changed_it_fits_no_more() {
        let (body, other) = (body_sha256(b"a"), body_sha256(b"b"));
        let signed = Signed {
            method: "POST",
            path_and_query: "/v1/x",
            body_sha256: &body,
        };
        let header = sign(b"secret", &signed, Moment::from_unix(NOW), NONCE);
        let signature = Signature::parse(header.as_bytes()).unwrap();
        let wrong = Err(SignatureFault::Wrong);
        assert_eq!(signature.check(b"secre", &signed), wrong);
        for changed in [
            Signed {
                method: "PUT",
                ..signed
            },
            Signed {
                path_and_query: "/v1/y",
                ..signed
            },
            Signed {
                body_sha256: &other,
                ..signed
            },
        ] {
            assert_eq!(signature.check(b"secret", &changed), wrong, "{changed:?}");
        }
        for header in [
            header.replace("t=1800000000", "t=1800000001"),
            header.replace(NONCE, "abcdefghijklmnoq"),
        ] {
            let signature = Signature::parse(header.as_bytes()).unwrap();
            assert_eq!(signature.check(b"secret", &signed), wrong, "{header}");
        }
    }

    #[test]
    fn only_the_written_form_is_read() {
        let tag = "0".repeat(64);
        let good = format!("t=1,n={NONCE},v1={tag}");
        assert!(Signature::parse(good.as_bytes()).is_ok());
        assert!(Signature::parse(good.replace(',', ", ").as_bytes()).is_ok());
        for bad in [
            String::new(),
            format!("n={NONCE},t=1,v1={tag}"),
            format!("t=1,n={NONCE}"),
            format!("t=1,n={NONCE},v1={}", &tag[1..]),
            format!("t=-1,n={NONCE},v1={tag}"),
            format!("t=+1,n={NONCE},v1={tag}"),
            format!("t=99999999999999999999,n={NONCE},v1={tag}"),
            format!("t=1,n=short,v1={tag}"),
            format!("t=1,n={},v1={tag}", "x".repeat(65)),
            format!("t=1,n={NONCE}\n,v1={tag}"),
            format!("{good},v1={tag}"),
        ] {
            assert_eq!(
                Signature::parse(bad.as_bytes()),
                Err(SignatureFault::Malformed),
                "{bad}"
            );
        }
        assert!(Signature::parse(&[0xff; 90]).is_err());
    }

    #[test]
    fn a_signature_is_taken_once_within_its_window() {
        let replays = Replays::new(WINDOW, 100);
        let body = body_sha256(b"");
        let signed = Signed {
            method: "GET",
            path_and_query: "/v1/models",
            body_sha256: &body,
        };
        let header = sign(b"s", &signed, Moment::from_unix(NOW), NONCE);
        let signature = Signature::parse(header.as_bytes()).unwrap();
        let accept = |key: &str, secret: &[u8], now: u64| {
            signature.accept(key, secret, &signed, at(now), &replays)
        };
        assert_eq!(
            accept("a", b"s", NOW + 301),
            Err(SignatureFault::OutsideWindow)
        );
        assert_eq!(
            accept("a", b"s", NOW - 301),
            Err(SignatureFault::OutsideWindow)
        );
        assert_eq!(accept("a", b"wrong", NOW), Err(SignatureFault::Wrong));
        assert_eq!(accept("a", b"s", NOW - 300), Ok(()));
        assert_eq!(accept("a", b"s", NOW + 300), Err(SignatureFault::Replayed));
        // Another key's nonces are its own.
        assert_eq!(accept("b", b"s", NOW + 300), Ok(()));
    }
}
