//! AWS Signature Version 4 (<https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html>), for headers, of
//! every service but S3: paths are normalized, and encoded once more than they are on the wire.
//! It must not know what time it is, nor where keys come from.

use std::fmt::{self, Write as _};
use std::time::SystemTime;

use chrono::{DateTime, Utc};
use ring::{digest, hmac};

const ALGORITHM: &str = "AWS4-HMAC-SHA256";

/// In place of a payload's hash, where the payload is not known yet. Few services take it.
pub const UNSIGNED_PAYLOAD: &str = "UNSIGNED-PAYLOAD";

/// The keys of a principal of AWS's. Temporary ones have a token. It is never shown.
#[derive(Clone, PartialEq, Eq)]
pub struct Keys {
    pub access_key: String,
    secret_key: String,
    pub session_token: Option<String>,
}

impl Keys {
    /// Reads `ACCESS_KEY_ID:SECRET_ACCESS_KEY`, with `:SESSION_TOKEN` behind it for temporary keys. `None` where the text is neither.
    pub fn parse(text: &str) -> Option<Keys> {
        let (access_key, rest) = text.split_once(':')?;
        let (secret_key, session_token) = match rest.split_once(':') {
            Some((secret_key, token)) => (secret_key, Some(token)),
            None => (rest, None),
        };
        let is_id =
            !access_key.is_empty() && access_key.bytes().all(|byte| byte.is_ascii_alphanumeric());
        let is_whole = !secret_key.is_empty() && session_token != Some("");
        (is_id && is_whole).then(|| Keys {
            access_key: access_key.to_owned(),
            secret_key: secret_key.to_owned(),
            session_token: session_token.map(str::to_owned),
        })
    }
}

impl fmt::Debug for Keys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Keys({})", self.access_key)
    }
}

/// What a request is, as far as it is signed.
#[derive(Debug, Clone, Copy)]
pub struct Signed<'a> {
    pub method: &'a str,
    /// As it is on the wire.
    pub path: &'a str,
    /// As it is on the wire, without `?`.
    pub query: &'a str,
    /// Names in any case, values as they are sent; those of one name in their order.
    pub headers: &'a [(&'a str, &'a [u8])],
    /// [`payload_hash`] of the payload, or [`UNSIGNED_PAYLOAD`].
    pub payload_hash: &'a str,
}

/// A moment in the form that AWS has it: `20150830T123600Z`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stamp(String);

impl Stamp {
    pub fn of(now: SystemTime) -> Stamp {
        Stamp(
            DateTime::<Utc>::from(now)
                .format("%Y%m%dT%H%M%SZ")
                .to_string(),
        )
    }

    /// For the header `x-amz-date`, which has to be signed too.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    fn day(&self) -> &str {
        self.0.split('T').next().unwrap_or_default()
    }
}

/// The SHA-256 of a payload, in hexadecimal.
pub fn payload_hash(payload: &[u8]) -> String {
    hex(digest::digest(&digest::SHA256, payload).as_ref())
}

/// The value of the header `authorization` for a request to `service` in `region`. `x-amz-date` with the stamp, and
/// `x-amz-security-token` where the keys have a token, have to be among the request's headers.
pub fn authorization(
    keys: &Keys,
    (region, service): (&str, &str),
    stamp: &Stamp,
    signed: &Signed<'_>,
) -> String {
    let scope = format!("{}/{region}/{service}/aws4_request", stamp.day());
    let (canonical, names) = canonical(signed);
    let text = text_to_sign(stamp, &scope, &canonical);
    let parts = [stamp.day(), region, service, "aws4_request", &text];
    let secret = format!("AWS4{}", keys.secret_key).into_bytes();
    let tag = parts.iter().fold(secret, |key, part| {
        let key = hmac::Key::new(hmac::HMAC_SHA256, &key);
        hmac::sign(&key, part.as_bytes()).as_ref().to_vec()
    });
    let access_key = &keys.access_key;
    let signature = hex(&tag);
    format!(
        "{ALGORITHM} Credential={access_key}/{scope}, SignedHeaders={names}, Signature={signature}"
    )
}

fn text_to_sign(stamp: &Stamp, scope: &str, canonical: &str) -> String {
    let hash = payload_hash(canonical.as_bytes());
    format!("{ALGORITHM}\n{}\n{scope}\n{hash}", stamp.as_str())
}

/// The request in its canonical form, and the names of its headers.
fn canonical(signed: &Signed<'_>) -> (String, String) {
    let mut headers: Vec<(String, String)> = Vec::with_capacity(signed.headers.len());
    for (name, value) in signed.headers {
        let (name, value) = (name.to_ascii_lowercase(), trimmed(value));
        match headers.iter_mut().find(|(known, _)| *known == name) {
            Some((_, before)) => {
                before.push(',');
                before.push_str(&value);
            }
            None => headers.push((name, value)),
        }
    }
    headers.sort();
    let lines: String = headers
        .iter()
        .map(|(name, value)| format!("{name}:{value}\n"))
        .collect();
    let names: Vec<&str> = headers.iter().map(|(name, _)| name.as_str()).collect();
    let names = names.join(";");
    let path = encoded(&normalized(signed.path), true);
    let query = canonical_query(signed.query);
    let (method, hash) = (signed.method, signed.payload_hash);
    (
        format!("{method}\n{path}\n{query}\n{lines}\n{names}\n{hash}"),
        names,
    )
}

/// Without white space around it, and with one space for each run of it inside.
fn trimmed(value: &[u8]) -> String {
    let text = String::from_utf8_lossy(value);
    text.split_ascii_whitespace().collect::<Vec<_>>().join(" ")
}

/// Without empty segments and those of dots (RFC 3986 §5.2.4).
fn normalized(path: &str) -> String {
    let mut segments: Vec<&str> = Vec::new();
    for segment in path.split('/') {
        match segment {
            "" | "." => {}
            ".." => drop(segments.pop()),
            segment => segments.push(segment),
        }
    }
    let is_folder = path.ends_with('/') || path.ends_with("/.") || path.ends_with("/..");
    match segments.is_empty() {
        true => "/".to_owned(),
        false => format!(
            "/{}{}",
            segments.join("/"),
            if is_folder { "/" } else { "" }
        ),
    }
}

/// Parameters in the order of their names, then values, each decoded and encoded again in AWS's way.
fn canonical_query(query: &str) -> String {
    let parameters = query.split('&').filter(|parameter| !parameter.is_empty());
    let mut parameters: Vec<(String, String)> = parameters
        .map(|parameter| {
            let (name, value) = parameter.split_once('=').unwrap_or((parameter, ""));
            let again = |text: &str| encoded_bytes(&decoded(text), false);
            (again(name), again(value))
        })
        .collect();
    parameters.sort();
    let parameters = parameters
        .iter()
        .map(|(name, value)| format!("{name}={value}"));
    parameters.collect::<Vec<_>>().join("&")
}

fn decoded(text: &str) -> Vec<u8> {
    let bytes = text.as_bytes();
    let mut decoded = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        let digits = bytes.get(at + 1..at + 3).filter(|_| bytes[at] == b'%');
        let digits = digits.and_then(|digits| std::str::from_utf8(digits).ok());
        match digits.and_then(|digits| u8::from_str_radix(digits, 16).ok()) {
            Some(byte) => {
                decoded.push(byte);
                at += 3;
            }
            None => {
                decoded.push(bytes[at]);
                at += 1;
            }
        }
    }
    decoded
}

fn encoded(text: &str, keeps_slashes: bool) -> String {
    encoded_bytes(text.as_bytes(), keeps_slashes)
}

/// All but RFC 3986's unreserved characters as `%XX`.
fn encoded_bytes(bytes: &[u8], keeps_slashes: bool) -> String {
    let mut encoded = String::with_capacity(bytes.len());
    for byte in bytes {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => {
                encoded.push(char::from(*byte));
            }
            b'/' if keeps_slashes => encoded.push('/'),
            // Writing into a text cannot fail.
            byte => drop(write!(encoded, "%{byte:02X}")),
        }
    }
    encoded
}

fn hex(bytes: &[u8]) -> String {
    bytes
        .iter()
        .fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
            let _ = write!(text, "{byte:02x}");
            text
        })
}

#[cfg(test)]
mod tests;
