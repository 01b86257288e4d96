//! The admin API with tokens of an identity provider: who is let in, how far, and for how long.

use std::sync::{Arc, Mutex};
use std::time::{SystemTime, UNIX_EPOCH};

use hyper::Method;
use serde_json::{Value, json};

use crate::harness::*;

const OPERATOR: &str = "open-sesame-0123";

fn now() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.expect("it is after 1970").as_secs()
}

async fn weir_of(host: &Sim, issuer: &str) -> Weir {
    let claims = "claims: { tenant: org, scopes: scope }";
    Weir::in_front_of([host])
        .with(STORE)
        .with("admin: { address: \"127.0.0.1:0\", token: { env: WEIR_ADMIN_TOKEN } }")
        .with(&format!(
            "access: {{ tokens: [{{ issuer: \"{issuer}\", audiences: [weir], refresh: 1s, {claims} }}] }}"
        ))
        .with("tenants: { acme: {}, globex: {} }")
        .environment("WEIR_ADMIN_TOKEN", OPERATOR)
        .await
}

fn claims(issuer: &str, scopes: &str) -> Value {
    json!({"iss": issuer, "aud": "weir", "exp": now() + 600, "sub": "ada", "org": "acme", "scope": scopes})
}

async fn ask(weir: &Weir, token: &str, method: Method, path: &str, body: Option<Value>) -> Answer {
    let request = Request::new(weir.admin_address(), method, path);
    let request = request.header("authorization", &format!("Bearer {token}"));
    match body {
        Some(body) => request.json(body).send().await,
        None => request.send().await,
    }
}

#[tokio::test]
async fn a_token_opens_what_its_scopes_say_and_of_its_own_tenant() {
    let signers = Signers::new();
    let issuer = provider(Arc::new(Mutex::new(vec![signers.rsa_entry()]))).await;
    let host = Sim::start().await;
    let weir = weir_of(&host, &issuer.url()).await;
    let url = issuer.url();
    let token = |scopes: &str| signers.token("RS256", &claims(&url, scopes));
    let get =
        async |token: &str, path: &str| ask(&weir, token, Method::GET, path, None).await.status;
    let admin = token("weir:admin");
    eventually("token that is taken", async || {
        (get(&admin, "/admin/v1/tenants").await == 200).then_some(())
    })
    .await;
    let cases = [
        ("weir:admin", [200, 200, 200, 200]),
        ("weir:usage_read", [200, 403, 403, 403]),
        ("weir:keys_manage openid", [403, 200, 404, 403]),
        ("weir:usage_read weir:keys_manage", [200, 200, 404, 403]),
        ("weir:inference", [403, 403, 403, 403]),
        // Other programs' `admin` is not weir's.
        ("admin", [403, 403, 403, 403]),
        ("", [403, 403, 403, 403]),
    ];
    let paths = [
        "/admin/v1/usage",
        "/admin/v1/keys",
        "/admin/v1/tenants/globex",
        "/admin/v1/status",
    ];
    for (scopes, expected) in cases {
        let token = token(scopes);
        let mut told = Vec::new();
        for path in paths {
            told.push(get(&token, path).await);
        }
        assert_eq!(told, expected, "{scopes}");
    }
    // What it makes is its own tenant's, and the log says who has made it.
    let manager = token("weir:keys_manage");
    let make =
        async |body: Value| ask(&weir, &manager, Method::POST, "/admin/v1/keys", Some(body)).await;
    let made = make(json!({"label": "ci"})).await;
    made.assert_status(201);
    assert_eq!(made.json()["key"]["tenant"], "acme");
    let key = made.json()["token"]
        .as_str()
        .expect("shown once")
        .to_owned();
    let served = weir.chat("hi").header("x-api-key", &key).send().await;
    served.assert_status(200);
    make(json!({"label": "x", "tenant": "globex"}))
        .await
        .assert_status(404);
    let beyond = make(json!({"label": "x", "scopes": ["admin"]})).await;
    assert_eq!(beyond.status, 403, "{}", beyond.text());
    weir.line_with("user ada of acme").await;
    // The commands take it as they take the operator's.
    let written = weir.everything_written();
    assert!(!written.contains(&manager) && !written.contains(&key));
}

#[tokio::test]
async fn a_token_that_does_not_hold_is_refused() {
    let signers = Signers::new();
    let issuer = provider(Arc::new(Mutex::new(vec![signers.rsa_entry()]))).await;
    let host = Sim::start().await;
    let url = issuer.url();
    let weir = weir_of(&host, &url).await;
    let good = claims(&url, "weir:admin");
    let with = |name: &str, value: Value| {
        let mut claims = good.clone();
        claims[name] = value;
        signers.token("RS256", &claims)
    };
    let get = async |token: &str| ask(&weir, token, Method::GET, "/admin/v1/tenants", None).await;
    let token = signers.token("RS256", &good);
    eventually("token that is taken", async || {
        (get(&token).await.status == 200).then_some(())
    })
    .await;
    let mut forged = token.clone();
    forged.replace_range(forged.len() - 8.., "AAAAAAAA");
    let refused = [
        ("expired", with("exp", json!(now() - 3600))),
        ("not yet", with("nbf", json!(now() + 3600))),
        ("another audience", with("aud", json!("others"))),
        (
            "another issuer",
            with("iss", json!("https://login.example.com")),
        ),
        ("no tenant", with("org", json!("nobody"))),
        ("unsigned", signers.token("none", &good)),
        ("a shared secret", signers.token("HS256", &good)),
        (
            "a key that is not the issuer's",
            signers.token("ES256", &good),
        ),
        ("another signature", forged),
        ("none", String::new()),
    ];
    for (why, token) in &refused {
        let answer = get(token).await;
        assert_eq!(answer.status, 401, "{why}: {}", answer.text());
    }
    get(OPERATOR).await.assert_status(200);
}

#[tokio::test]
async fn the_issuers_next_key_is_taken_and_the_one_before_is_not() {
    let signers = Signers::new();
    let keys = Arc::new(Mutex::new(vec![signers.rsa_entry()]));
    let issuer = provider(keys.clone()).await;
    let host = Sim::start().await;
    let url = issuer.url();
    let weir = weir_of(&host, &url).await;
    let claims = claims(&url, "weir:admin");
    let (before, after) = (
        signers.token("RS256", &claims),
        signers.token("ES256", &claims),
    );
    let status = async |token: &str| {
        ask(&weir, token, Method::GET, "/admin/v1/tenants", None)
            .await
            .status
    };
    eventually("token that is taken", async || {
        (status(&before).await == 200).then_some(())
    })
    .await;
    assert_eq!(status(&after).await, 401);
    *keys.lock().expect("nobody has panicked") = vec![signers.ec_entry()];
    eventually("token of the next key", async || {
        (status(&after).await == 200).then_some(())
    })
    .await;
    assert_eq!(status(&before).await, 401);
}
