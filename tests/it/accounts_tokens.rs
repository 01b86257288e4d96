//! Other ways to say who calls: tokens of an identity provider, and signed requests.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use ring::{digest, hmac};
use serde_json::{Value, json};

use crate::harness::*;

fn now() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.expect("it is after 1970").as_secs()
}

async fn weir_of(host: &Sim, issuer: &str) -> Weir {
    let claims = "claims: { tenant: org.id, user: sub, models: models }";
    Weir::in_front_of([host])
        .with(&format!(
            "access: {{ tokens: [{{ issuer: \"{issuer}\", audiences: [weir], {claims} }}] }}\ntenants: {{ acme: {{}} }}"
        ))
        .with(STORE)
        .await
}

fn claims(issuer: &str) -> Value {
    json!({"iss": issuer, "aud": "weir", "exp": now() + 600, "sub": "ada", "org": {"id": "acme"}})
}

#[tokio::test]
async fn a_new_key_of_an_issuer_is_found_when_a_token_names_it() {
    let signers = Signers::new();
    let keys = Arc::new(Mutex::new(vec![signers.rsa_entry()]));
    let issuer = provider(keys.clone()).await;
    let host = Sim::start().await;
    let url = issuer.url();
    let weir = weir_of(&host, &url).await;
    let ask = async |algorithm: &str| {
        let token = signers.token(algorithm, &claims(&url));
        let request = weir
            .chat("hi")
            .header("authorization", &format!("Bearer {token}"));
        request.send().await.status
    };
    eventually("token that is taken", async || {
        (ask("RS256").await == 200).then_some(())
    })
    .await;
    assert_eq!(ask("ES256").await, 401);
    keys.lock()
        .expect("nobody has panicked")
        .push(signers.ec_entry());
    // Anybody can make up names of keys: the issuer is asked again after half a minute, and not sooner.
    let until = Instant::now() + Duration::from_secs(45);
    while ask("ES256").await != 200 {
        assert!(Instant::now() < until, "the new key is not found");
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    let fetches = issuer
        .requests()
        .iter()
        .filter(|seen| seen.target == "/keys")
        .count();
    assert_eq!(fetches, 2);
}

#[tokio::test]
async fn tokens_of_an_issuer_that_is_discovered_are_taken_and_no_others() {
    let signers = Signers::new();
    let keys = Arc::new(Mutex::new(vec![signers.rsa_entry(), signers.ec_entry()]));
    let issuer = provider(keys).await;
    let host = Sim::start().await;
    let url = issuer.url();
    let mut weir = weir_of(&host, &url).await;
    let good = claims(&url);
    let with = |name: &str, value: Value| {
        let mut claims = good.clone();
        claims[name] = value;
        claims
    };
    let ask = async |token: &str| {
        let request = weir
            .chat("hi")
            .header("authorization", &format!("Bearer {token}"));
        request.send().await
    };
    let rs = signers.token("RS256", &good);
    eventually("token that is taken", async || {
        (ask(&rs).await.status == 200).then_some(())
    })
    .await;
    ask(&signers.token("ES256", &good)).await.assert_status(200);
    let mut forged = signers.token("RS256", &good);
    forged.replace_range(forged.len() - 8.., "AAAAAAAA");
    let refused = [
        (
            "another audience",
            signers.token("RS256", &with("aud", json!("others"))),
        ),
        (
            "another issuer",
            signers.token("RS256", &with("iss", json!("https://login.example.com"))),
        ),
        (
            "expired",
            signers.token("RS256", &with("exp", json!(now() - 3600))),
        ),
        (
            "not yet",
            signers.token("RS256", &with("nbf", json!(now() + 3600))),
        ),
        ("unsigned", signers.token("none", &good)),
        ("a shared secret", signers.token("HS256", &good)),
        ("another signature", forged),
        ("no tenant", signers.token("RS256", &with("org", json!({})))),
    ];
    for (why, token) in &refused {
        let answer = ask(token).await;
        // Who is known, but belongs nowhere here, is not asked to show something else.
        let status = if *why == "no tenant" { 403 } else { 401 };
        assert_eq!(answer.status, status, "{why}: {}", answer.text());
        assert_eq!(
            answer.header("www-authenticate").is_some(),
            status == 401,
            "{why}"
        );
    }
    let few = signers.token("ES256", &with("models", json!(["others-*"])));
    ask(&few).await.assert_error(403, "model_not_allowed");
    let last = host.last_request();
    assert_eq!(last.header("authorization"), None);
    let rows = weir.ended().await.rows();
    assert!(
        rows.iter()
            .all(|row| &*row.who.tenant == "acme" && row.who.user.as_deref() == Some("ada")),
        "{rows:?}"
    );
    assert!(!weir.everything_written().contains(&rs));
}

const KEY: &str = "the-key-of-ada-0123456789";
const SECRET: &str = "what only the client and weir know";

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The signature of a request at a time.
fn signature(path: &str, at: u64, nonce: &str, body: &[u8]) -> String {
    let body = hex(digest::digest(&digest::SHA256, body).as_ref());
    let text = format!("POST\n{path}\n{at}\n{nonce}\n{body}");
    let key = hmac::Key::new(hmac::HMAC_SHA256, SECRET.as_bytes());
    let tag = hex(hmac::sign(&key, text.as_bytes()).as_ref());
    format!("t={at},n={nonce},v1={tag}")
}

#[tokio::test]
async fn a_signed_request_is_good_once_within_its_window_and_as_it_was_signed() {
    let host = Sim::start().await;
    let weir = Weir::in_front_of([&host])
        .with(&format!("access: {{ signing: {{ window: 60s }}, keys: [{{ label: ada, value: {KEY}, tenant: acme, signing_secret: {{ value: \"{SECRET}\" }} }}] }}\ntenants: {{ acme: {{}} }}"))
        .await;
    let path = "/v1/chat/completions";
    let request = weir.chat("hi").header("x-api-key", KEY);
    let body = request.bytes();
    let send = async |header: &str| {
        let request = request.clone().header("x-weir-signature", header);
        request.send().await
    };
    let good = signature(path, now(), "nonce-0123456789ab", &body);
    send(&good).await.assert_status(200);
    assert!(
        host.last_request().header("x-weir-signature").is_none(),
        "it is weir's to read alone"
    );
    let refused = [
        ("replayed", good),
        (
            "too old",
            signature(path, now() - 120, "nonce-1123456789ab", &body),
        ),
        (
            "of the future",
            signature(path, now() + 120, "nonce-2123456789ab", &body),
        ),
        (
            "of another body",
            signature(path, now(), "nonce-3123456789ab", b"{}"),
        ),
        (
            "of another path",
            signature("/v1/completions", now(), "nonce-4123456789ab", &body),
        ),
        ("malformed", "v1=00".to_owned()),
    ];
    for (why, header) in refused {
        send(&header).await.assert_error(401, "invalid_signature");
        assert_eq!(host.requests().len(), 1, "{why}");
    }
    request
        .clone()
        .send()
        .await
        .assert_error(401, "invalid_signature");
    // Past the translated paths as well.
    let own = weir
        .post("/gpu-a/v1/chat/completions")
        .body(body)
        .header("x-api-key", KEY);
    own.send().await.assert_error(403, "signature_impossible");
    weir.get("/v1/models")
        .header("x-api-key", KEY)
        .send()
        .await
        .assert_status(401);
    assert_eq!(host.requests().len(), 1);
}
