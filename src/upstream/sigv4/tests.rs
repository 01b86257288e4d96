//! Signatures against AWS's own vectors, and against what botocore 1.44.5 makes of requests for Bedrock.

use std::time::Duration;

use serde_json::Value;

use super::*;

const VECTORS: &str = include_str!("../../../tests/aws/sigv4.json");
/// 2015-08-30T12:36:00Z, in seconds.
const THEN: u64 = 1_440_938_160;
const EXAMPLE: (&str, &str) = ("us-east-1", "service");

/// A request of the vectors' files: a line, headers that may go on in the next line, a payload.
struct Asked<'v> {
    method: &'v str,
    path: &'v str,
    query: &'v str,
    headers: Vec<(String, Vec<u8>)>,
    payload: &'v str,
}

fn read(text: &str) -> Asked<'_> {
    let (head, payload) = text.split_once("\n\n").unwrap_or((text, ""));
    let mut lines = head.lines();
    let line = lines.next().expect("it has a first line");
    let (method, rest) = line.split_once(' ').expect("it has a method");
    let target = rest
        .strip_suffix(" HTTP/1.1")
        .expect("it names its version");
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let mut headers: Vec<(String, Vec<u8>)> = Vec::new();
    for line in lines {
        match (line.split_once(':'), headers.last_mut()) {
            (None, Some((_, before))) => {
                before.push(b'\n');
                before.extend(line.as_bytes());
            }
            (None, None) => panic!("a header has no name: {line:?}"),
            (Some((name, value)), _) => headers.push((name.to_owned(), value.into())),
        }
    }
    Asked {
        method,
        path,
        query,
        headers,
        payload,
    }
}

#[track_caller]
fn check(vector: &Value) {
    let text = |name: &str| vector[name].as_str().expect("it is text");
    let credentials = &vector["credentials"];
    let part = |name: &str| credentials[name].as_str();
    let keys = Keys {
        access_key: part("access_key_id").expect("it has one").to_owned(),
        secret_key: part("secret_access_key").expect("it has one").to_owned(),
        session_token: part("token").map(str::to_owned),
    };
    let mut asked = read(text("request"));
    let stamp = Stamp::of(SystemTime::UNIX_EPOCH + Duration::from_secs(THEN));
    let hash = payload_hash(asked.payload.as_bytes());
    let mut add = |name: &str, value: &str| asked.headers.push((name.to_owned(), value.into()));
    add("X-Amz-Date", stamp.as_str());
    match &keys.session_token {
        Some(token) if vector["omit_session_token"] != true => add("X-Amz-Security-Token", token),
        _ => {}
    }
    if vector["sign_body"] == true {
        add("x-amz-content-sha256", &hash);
    }
    let headers = asked.headers.iter();
    let headers: Vec<(&str, &[u8])> = headers.map(|(name, value)| (&**name, &**value)).collect();
    let signed = Signed {
        method: asked.method,
        path: asked.path,
        query: asked.query,
        headers: &headers,
        payload_hash: &hash,
    };
    let name = text("name");
    let (canonical, _) = canonical(&signed);
    assert_eq!(canonical, text("canonical_request"), "{name}");
    let scope = "20150830/us-east-1/service/aws4_request";
    let to_sign = text_to_sign(&stamp, scope, &canonical);
    assert_eq!(to_sign, text("string_to_sign"), "{name}");
    let made = authorization(&keys, EXAMPLE, &stamp, &signed);
    let expected = format!("Signature={}", text("signature"));
    assert!(made.ends_with(&expected), "{name}: {made}");
    let begin = format!("AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/{scope}, SignedHeaders=");
    assert!(made.starts_with(&begin), "{name}: {made}");
}

#[test]
fn signatures_are_those_of_aws_own_vectors() {
    let vectors: Vec<Value> = serde_json::from_str(VECTORS).expect("they are JSON");
    assert!(vectors.len() > 25, "there are {} vectors", vectors.len());
    vectors.iter().for_each(check);
}

#[test]
fn keys_are_read_and_never_shown() {
    let read = |text: &str| {
        Keys::parse(text).map(|keys| (keys.access_key, keys.secret_key, keys.session_token))
    };
    let whole = |id: &str, secret: &str, token: Option<&str>| {
        Some((id.to_owned(), secret.to_owned(), token.map(str::to_owned)))
    };
    assert_eq!(read("AKIA1:se/cr+et"), whole("AKIA1", "se/cr+et", None));
    assert_eq!(
        read("ASIA1:secret:to:ken=="),
        whole("ASIA1", "secret", Some("to:ken=="))
    );
    for text in [
        "",
        "AKIA1",
        "AKIA1:",
        ":secret",
        "AKIA1:secret:",
        "AK IA:secret",
    ] {
        assert_eq!(read(text), None, "{text:?}");
    }
    let keys = Keys::parse("AKIA1:hidden:hidden").expect("they are keys");
    assert!(!format!("{keys:?}").contains("hidden"));
}
