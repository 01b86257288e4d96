//! The compact form of a signed token (RFC 7515, 7.1), taken apart. Nothing in it is to be believed yet.

use serde::Deserialize;
use serde_json::{Map, Value};

use crate::wire::base64;

/// The parts of a token.
pub(super) struct Compact<'a> {
    pub algorithm: String,
    pub key_id: Option<String>,
    pub claims: Map<String, Value>,
    /// What the signature is of.
    pub signed: &'a [u8],
    pub signature: Vec<u8>,
}

#[derive(Deserialize)]
struct Header {
    alg: String,
    kid: Option<String>,
    /// What the reader must understand. There is nothing that weir does, so a token that has it is not taken (RFC 7515, 4.1.11).
    crit: Option<Value>,
    /// The form of the payload (RFC 7797).
    b64: Option<Value>,
}

impl<'a> Compact<'a> {
    pub(super) fn read(token: &'a [u8]) -> Option<Compact<'a>> {
        let text = std::str::from_utf8(token).ok()?;
        let (signed, signature) = text.rsplit_once('.')?;
        let (header, claims) = signed.split_once('.')?;
        let is_base64url = |part: &str| {
            let is_sound = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
            !part.is_empty() && part.bytes().all(is_sound)
        };
        if ![header, claims, signature].into_iter().all(is_base64url) {
            return None;
        }
        let header: Header = serde_json::from_slice(&base64::decode(header)?).ok()?;
        let is_plain = header.crit.is_none() && header.b64.is_none();
        is_plain.then_some(())?;
        Some(Compact {
            algorithm: header.alg,
            key_id: header.kid,
            claims: serde_json::from_slice(&base64::decode(claims)?).ok()?,
            signed: signed.as_bytes(),
            signature: base64::decode(signature)?,
        })
    }
}
