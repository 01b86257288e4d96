//! Requests that are signed with AWS's Signature Version 4: what a host gets is what weir has signed, and no key is in it.

use std::time::{Duration, SystemTime};

use chrono::NaiveDateTime;
use serde_json::json;
use weir::upstream::sigv4::{Keys, Signed, Stamp, authorization, payload_hash};

use crate::harness::*;

const PAIR: &str = "AKIDEXAMPLE:wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY:TOKEN==";

const SIGNED: &str = "auth: { sigv4: { region: eu-central-1 } }";
const KEYS: &str = "keys: [{ aws: { access_key: { value: AKIDEXAMPLE }, secret_key: { value: wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY }, session_token: { value: TOKEN== } } }]";

/// The signature that a service would compute of what has arrived.
fn expected(seen: &Recorded) -> String {
    let date = seen.header("x-amz-date").expect("it is dated");
    let date = NaiveDateTime::parse_from_str(date, "%Y%m%dT%H%M%SZ").expect("it is a date");
    let seconds = u64::try_from(date.and_utc().timestamp()).expect("it is after 1970");
    let stamp = Stamp::of(SystemTime::UNIX_EPOCH + Duration::from_secs(seconds));
    let signature = seen.header("authorization").expect("it is signed");
    let (_, names) = signature
        .split_once("SignedHeaders=")
        .expect("it names headers");
    let (names, _) = names.split_once(',').expect("it goes on");
    let headers: Vec<(&str, &[u8])> = names
        .split(';')
        .map(|name| (name, seen.header(name).expect("it has arrived").as_bytes()))
        .collect();
    let signed = Signed {
        method: seen.method(),
        path: seen.path(),
        query: seen.query().unwrap_or_default(),
        headers: &headers,
        payload_hash: &payload_hash(seen.body().as_bytes()),
    };
    let keys = Keys::parse(PAIR).expect("it is a pair");
    authorization(&keys, ("eu-central-1", "bedrock"), &stamp, &signed)
}

#[track_caller]
fn assert_signed(seen: &Recorded) {
    let signature = seen.header("authorization").expect("it is signed");
    assert_eq!(signature, expected(seen), "{seen:?}");
    assert_eq!(seen.header("x-amz-security-token"), Some("TOKEN=="));
    let names = signature
        .split("SignedHeaders=")
        .nth(1)
        .expect("it names headers");
    for name in ["host", "x-amz-date", "x-amz-security-token"] {
        assert!(names.contains(name), "{name} is not signed: {signature}");
    }
    let tells = seen
        .headers()
        .any(|(_, value)| value.contains("wJalrXUtnFEMI"));
    assert!(!tells, "the secret key was sent: {seen:?}");
}

#[tokio::test]
async fn what_arrives_is_what_was_signed() {
    let host = Sim::start().await;
    let weir = Weir::in_front_of([&host]).each(SIGNED).each(KEYS).await;
    for protocol in [Protocol::Http1, Protocol::Http2] {
        for request in [weir.chat("hi"), weir.chat("hällo").streaming()] {
            request
                .header("x-amz-meta-client", "signed  too")
                .header("x-amz-security-token", "of the client's")
                .over(protocol)
                .send()
                .await
                .assert_status(200);
            assert_signed(&host.last_request());
        }
    }
}

#[tokio::test]
async fn the_list_of_models_is_asked_for_with_a_signature() {
    let host = Sim::start().await;
    let weir = Weir::in_front_of([&host])
        .each(SIGNED)
        .each(KEYS)
        .learning()
        .await;
    weir.chat("hi").send().await.assert_status(200);
    let asked = host.requests();
    let listed = asked.iter().find(|seen| seen.path().ends_with("/models"));
    assert_signed(listed.expect("the models are learnt"));
}

/// Nothing is known of a body that passes through while its head is written.
#[tokio::test]
async fn a_body_that_passes_through_is_said_to_be_unsigned() {
    let host = Sim::start().await;
    let weir = Weir::in_front_of([&host]).each(SIGNED).each(KEYS).await;
    weir.get("/gpu-a/v1/models").send().await.assert_status(200);
    assert_signed(&host.last_request());
    let request = weir.post("/gpu-a/v1/embeddings");
    let request = request.json(json!({"model": MODEL, "input": "x"}));
    request.send().await.assert_status(200);
    let seen = host.last_request();
    assert_eq!(
        seen.header("x-amz-content-sha256"),
        Some("UNSIGNED-PAYLOAD")
    );
    let signature = seen.header("authorization").expect("it is signed");
    assert!(signature.contains("x-amz-content-sha256"), "{signature}");
}
