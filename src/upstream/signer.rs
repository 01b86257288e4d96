//! Signs requests to AWS: which headers of a head a signature is over, and which it adds.

use std::time::SystemTime;

use http::{HeaderValue, header};
use pingora::http::RequestHeader;

use crate::config::{self, UpstreamKey};

use super::sigv4::{Keys, Signed, Stamp, UNSIGNED_PAYLOAD, authorization, payload_hash};

const DATE: &str = "x-amz-date";
const TOKEN: &str = "x-amz-security-token";
const PAYLOAD_HASH: &str = "x-amz-content-sha256";

/// Headers with this prefix have to be signed, all of them.
const PREFIX: &str = "x-amz-";

/// What is known of a request's body when its head is made.
#[derive(Debug, Clone, Copy)]
pub enum Payload<'p> {
    Whole(&'p [u8]),
    /// It is yet to come. Few services take a signature that is not over it; Bedrock does not.
    Unknown,
}

/// Signs with one pair of keys.
pub struct Signer {
    keys: Keys,
    token: Option<HeaderValue>,
    region: String,
    service: String,
}

impl Signer {
    /// # Errors
    /// When the key's text is no pair, or its token cannot stand in a header. The text is not in the message.
    pub fn new(sigv4: &config::SigV4, key: &UpstreamKey) -> Result<Signer, String> {
        let label = &key.label;
        let keys = Keys::parse(key.secret.expose()).ok_or_else(|| {
            format!(
                "key `{label}` is no pair of AWS keys; it has to be ID:SECRET or ID:SECRET:TOKEN"
            )
        })?;
        let token = keys.session_token.as_deref().map(|token| {
            let mut value = HeaderValue::from_str(token).map_err(|_| {
                format!("key `{label}` has a session token with a character that no HTTP header may hold")
            })?;
            value.set_sensitive(true);
            Ok::<_, String>(value)
        });
        Ok(Signer {
            token: token.transpose()?,
            keys,
            region: sigv4.region.clone(),
            service: sigv4.service.clone(),
        })
    }

    /// Adds a signature to a head that is ready but for that: nothing that is signed may change after it. It is good for five
    /// minutes.
    pub fn sign(&self, head: &mut RequestHeader, payload: Payload<'_>, now: SystemTime) {
        let stamp = Stamp::of(now);
        let hash = match payload {
            Payload::Whole(bytes) => payload_hash(bytes),
            Payload::Unknown => UNSIGNED_PAYLOAD.to_owned(),
        };
        let value = |text: &str| HeaderValue::from_str(text).expect("it is ASCII");
        put(head, DATE, value(stamp.as_str()));
        // A client's own would be signed beside it.
        head.remove_header(TOKEN);
        head.remove_header(PAYLOAD_HASH);
        if let Some(token) = &self.token {
            put(head, TOKEN, token.clone());
        }
        if let Payload::Unknown = payload {
            put(head, PAYLOAD_HASH, value(&hash));
        }
        let mut signature = value(&self.authorization(head, &stamp, &hash));
        signature.set_sensitive(true);
        put(head, header::AUTHORIZATION.as_str(), signature);
    }

    fn authorization(&self, head: &RequestHeader, stamp: &Stamp, hash: &str) -> String {
        let is_signed = |name: &str| {
            name == header::HOST || name == header::CONTENT_TYPE || name.starts_with(PREFIX)
        };
        let headers = head.headers.iter();
        let headers: Vec<(&str, &[u8])> = headers
            .map(|(name, value)| (name.as_str(), value.as_bytes()))
            .filter(|(name, _)| is_signed(name))
            .collect();
        let signed = Signed {
            method: head.method.as_str(),
            path: head.uri.path(),
            query: head.uri.query().unwrap_or_default(),
            headers: &headers,
            payload_hash: hash,
        };
        authorization(&self.keys, (&self.region, &self.service), stamp, &signed)
    }
}

fn put(head: &mut RequestHeader, name: &'static str, value: HeaderValue) {
    let inserted = head.insert_header(name, value);
    inserted.expect("a fixed name is accepted");
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use http::Method;

    use crate::config::{KeyCaps, Secret, SigV4};

    use super::*;

    /// 2026-11-20T23:59:59Z.
    const NOW: Duration = Duration::from_secs(1_795_219_199);

    fn signer(region: &str, secret: &str) -> Result<Signer, String> {
        let sigv4 = SigV4 {
            region: region.to_owned(),
            service: "bedrock".to_owned(),
        };
        let key = UpstreamKey {
            label: "a".to_owned(),
            secret: Secret::new(secret),
            weight: 1,
            expires: None,
            caps: KeyCaps::default(),
            models: Vec::new(),
        };
        Signer::new(&sigv4, &key)
    }

    fn signed(region: &str, path: &str, body: &[u8], token: &str) -> RequestHeader {
        let secret = format!("AKIDEXAMPLE:wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY{token}");
        let mut head =
            RequestHeader::build(Method::POST, path.as_bytes(), None).expect("it is a path");
        let host = format!("bedrock-runtime.{region}.amazonaws.com");
        for (name, value) in [
            ("host", host.as_str()),
            ("content-type", "application/json"),
            ("x-request-id", "not signed"),
            ("x-amz-security-token", "of the client's"),
        ] {
            head.insert_header(name, value).expect("it is a header");
        }
        let signer = signer(region, &secret).expect("it is a pair");
        signer.sign(
            &mut head,
            Payload::Whole(body),
            SystemTime::UNIX_EPOCH + NOW,
        );
        head
    }

    /// Against what botocore 1.44.5 makes of the same requests.
    #[track_caller]
    fn check(region: &str, path: &str, body: &str, token: &str, signature: &str) {
        let head = signed(region, path, body.as_bytes(), token);
        let text = |name: &str| {
            head.headers
                .get(name)
                .map(|value| value.to_str().expect("it is text"))
        };
        let more = if token.is_empty() {
            ""
        } else {
            ";x-amz-security-token"
        };
        let expected = format!(
            "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20261120/{region}/bedrock/aws4_request, SignedHeaders=content-type;host;x-amz-date{more}, Signature={signature}"
        );
        assert_eq!(text("authorization"), Some(expected.as_str()));
        assert_eq!(text("x-amz-date"), Some("20261120T235959Z"));
        assert_eq!(text("x-amz-security-token"), token.strip_prefix(':'));
    }

    #[test]
    fn requests_for_bedrock_are_signed_as_its_own_clients_sign_them() {
        check(
            "us-east-1",
            "/model/anthropic.claude-sonnet-5/converse",
            "{}",
            "",
            "a5293132c19fcfed947a9c830917c8b04215f8b240ace01956ecfb5a8120b27e",
        );
        check(
            "eu-central-1",
            "/model/us.anthropic.claude-haiku-4-5-20251001-v1%3A0/converse-stream",
            r#"{"messages":[]}"#,
            ":FwoGZXIvYXdzEXAMPLE==",
            "50020eeb171fc0be35d59c0e283b30c344fa4672c50901a01e99d0ef0041a7e4",
        );
        check(
            "us-east-1",
            "/model/arn%3Aaws%3Abedrock%3Aus-east-1%3A123456789012%3Ainference-profile%2Fp~1/converse",
            r#"{"messages":[{"role":"user","content":[{"text":"ä"}]}]}"#,
            "",
            "9f36d727c8ed09fb2528a631a2bb437892425a66ce5996d4add2ff675ea8c3cf",
        );
    }

    #[test]
    fn a_text_that_is_no_pair_is_refused_and_not_told() {
        for text in ["sk-hidden", "AKIDEXAMPLE:hidden:hid\u{7f}den"] {
            let problem = signer("us-east-1", text).err().expect("it is no pair");
            assert!(
                problem.contains("key `a`") && !problem.contains("hid"),
                "{problem}"
            );
        }
    }
}
