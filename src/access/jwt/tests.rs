//! Tokens, good and bad, against issuers with keys of every kind.

use std::time::{Duration, Instant, SystemTime};

use ring::rand::SystemRandom;
use ring::rsa::PublicKeyComponents;
use ring::signature::{
    self, ECDSA_P256_SHA256_FIXED_SIGNING, ECDSA_P384_SHA384_FIXED_SIGNING, EcdsaKeyPair,
    Ed25519KeyPair, KeyPair, RsaEncoding, RsaKeyPair,
};
use serde_json::{Value, json};

use super::super::token::base64url;
use super::*;
use crate::wire::base64;

const NOW: u64 = 1_800_000_000;
/// Made for these tests: `openssl genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:2048 -outform DER | base64`, PKCS #1.
const RSA: &str = include_str!("tests/rsa.der.base64");

enum Signer {
    Rsa(RsaKeyPair),
    Ec(EcdsaKeyPair),
    Ed(Ed25519KeyPair),
}

/// A key of every kind, with its entry in the key set.
struct Keys {
    random: SystemRandom,
    rsa: Signer,
    p256: Signer,
    p384: Signer,
    ed: Signer,
}

impl Keys {
    fn new() -> Keys {
        let random = SystemRandom::new();
        let der = base64::decode(&RSA.replace('\n', "")).unwrap();
        let ec = |algorithm| {
            let document = EcdsaKeyPair::generate_pkcs8(algorithm, &random).unwrap();
            Signer::Ec(EcdsaKeyPair::from_pkcs8(algorithm, document.as_ref(), &random).unwrap())
        };
        let ed = Ed25519KeyPair::generate_pkcs8(&random).unwrap();
        Keys {
            rsa: Signer::Rsa(RsaKeyPair::from_der(&der).unwrap()),
            p256: ec(&ECDSA_P256_SHA256_FIXED_SIGNING),
            p384: ec(&ECDSA_P384_SHA384_FIXED_SIGNING),
            ed: Signer::Ed(Ed25519KeyPair::from_pkcs8(ed.as_ref()).unwrap()),
            random,
        }
    }

    fn signer(&self, algorithm: &str) -> (&'static str, &Signer) {
        match &algorithm[..2] {
            "RS" | "PS" => ("rsa", &self.rsa),
            "Ed" => ("ed", &self.ed),
            _ if algorithm == "ES384" => ("p384", &self.p384),
            _ => ("p256", &self.p256),
        }
    }

    fn document(&self) -> Value {
        let keys = ["RS256", "ES256", "ES384", "EdDSA"].map(|algorithm| {
            let (id, signer) = self.signer(algorithm);
            signer.jwk(id)
        });
        json!({ "keys": keys })
    }

    fn token(&self, algorithm: &str, claims: &Value) -> String {
        let (id, _) = self.signer(algorithm);
        self.token_of(
            &json!({"alg": algorithm, "kid": id, "typ": "JWT"}),
            algorithm,
            claims,
        )
    }

    fn token_of(&self, header: &Value, algorithm: &str, claims: &Value) -> String {
        let part = |value: &Value| base64url(value.to_string().as_bytes());
        let signed = format!("{}.{}", part(header), part(claims));
        let signature = self
            .signer(algorithm)
            .1
            .sign(algorithm, signed.as_bytes(), &self.random);
        format!("{signed}.{}", base64url(&signature))
    }
}

impl Signer {
    fn jwk(&self, id: &str) -> Value {
        match self {
            Signer::Rsa(pair) => {
                let public = PublicKeyComponents::<Vec<u8>>::from(pair.public());
                // Some issuers write a sign byte.
                let n = [&[0], &public.n[..]].concat();
                json!({"kty": "RSA", "use": "sig", "kid": id, "n": base64url(&n), "e": base64url(&public.e)})
            }
            Signer::Ec(pair) => {
                let point = &pair.public_key().as_ref()[1..];
                let (x, y) = point.split_at(point.len() / 2);
                let curve = if x.len() == 32 { "P-256" } else { "P-384" };
                json!({"kty": "EC", "crv": curve, "kid": id, "x": base64url(x), "y": base64url(y)})
            }
            Signer::Ed(pair) => {
                json!({"kty": "OKP", "crv": "Ed25519", "kid": id, "alg": "EdDSA", "x": base64url(pair.public_key().as_ref())})
            }
        }
    }

    fn sign(&self, algorithm: &str, text: &[u8], random: &SystemRandom) -> Vec<u8> {
        match self {
            Signer::Rsa(pair) => {
                let encoding: &dyn RsaEncoding = match algorithm {
                    "RS384" => &signature::RSA_PKCS1_SHA384,
                    "RS512" => &signature::RSA_PKCS1_SHA512,
                    "PS256" => &signature::RSA_PSS_SHA256,
                    "PS384" => &signature::RSA_PSS_SHA384,
                    "PS512" => &signature::RSA_PSS_SHA512,
                    _ => &signature::RSA_PKCS1_SHA256,
                };
                let mut signature = vec![0; pair.public().modulus_len()];
                pair.sign(encoding, random, text, &mut signature).unwrap();
                signature
            }
            Signer::Ec(pair) => pair.sign(random, text).unwrap().as_ref().to_vec(),
            Signer::Ed(pair) => pair.sign(text).as_ref().to_vec(),
        }
    }
}

fn settings() -> Value {
    json!({
        "issuer": "https://id.example", "jwks_url": "https://id.example/keys", "audiences": ["weir", "llm"],
        "algorithms": ["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "EdDSA"],
        "claims": {"tenant": "https://id.example/tenant", "project": "org.teams.0", "scopes": "scope", "models": "models",
                   "tags": {"cost_centre": "org.cost", "level": "level"}},
        "scope_names": {"llm.keys": "keys_manage"},
    })
}

fn issuers(settings: Value, document: &Value) -> JwtIssuers {
    let issuers = JwtIssuers::new(vec![serde_json::from_value(settings).unwrap()]).unwrap();
    issuers
        .apply(0, fetched(&document.to_string()), Instant::now())
        .unwrap();
    issuers
}

fn fetched(body: &str) -> Fetched<'_> {
    Fetched::Document {
        body: body.as_bytes(),
        etag: None,
        max_age: None,
    }
}

fn claims() -> Value {
    json!({"iss": "https://id.example", "aud": "weir", "exp": NOW + 600, "sub": "auth0|42"})
}

/// The good claims with some of them different; `null` takes one out.
fn claims_with(other: &Value) -> Value {
    let mut claims = claims();
    for (name, value) in other.as_object().unwrap() {
        match value.is_null() {
            true => drop(claims.as_object_mut().unwrap().remove(name)),
            false => claims[name] = value.clone(),
        }
    }
    claims
}

fn at(seconds: u64) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(seconds)
}

#[test]
fn every_algorithm_verifies_and_no_other_is_taken() {
    let keys = Keys::new();
    let issuers = issuers(settings(), &keys.document());
    for algorithm in [
        "RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "EdDSA",
    ] {
        let token = keys.token(algorithm, &claims());
        let grant = issuers.verify(token.as_bytes(), at(NOW));
        assert_eq!(
            grant.map(|grant| grant.subject.clone()),
            Ok("auth0|42".into()),
            "{algorithm}"
        );
        // The same signature under another name.
        let (head, signature) = token.rsplit_once('.').unwrap();
        let changed = format!(
            "{}.{signature}",
            head.replace(
                head.split_once('.').unwrap().1,
                &base64url(claims_with(&json!({"sub": "root"})).to_string().as_bytes())
            )
        );
        assert_eq!(
            issuers.verify(changed.as_bytes(), at(NOW)).unwrap_err(),
            TokenFault::Signature,
            "{algorithm}"
        );
    }
    for (header, expected) in [
        (json!({"alg": "none"}), TokenFault::Algorithm),
        (json!({"alg": "None", "kid": "rsa"}), TokenFault::Algorithm),
        (json!({"alg": "HS256", "kid": "rsa"}), TokenFault::Algorithm),
        (
            json!({"alg": "ES512", "kid": "p256"}),
            TokenFault::Algorithm,
        ),
        (json!({"alg": "rs256", "kid": "rsa"}), TokenFault::Algorithm),
        (
            json!({"alg": "RS256", "kid": "p256"}),
            TokenFault::UnknownKey,
        ),
        (
            json!({"alg": "RS256", "kid": "other"}),
            TokenFault::UnknownKey,
        ),
        (
            json!({"alg": "RS256", "kid": "rsa", "crit": ["exp"]}),
            TokenFault::Malformed,
        ),
        (
            json!({"alg": "RS256", "kid": "rsa", "b64": false}),
            TokenFault::Malformed,
        ),
        (json!({"kid": "rsa"}), TokenFault::Malformed),
    ] {
        let token = keys.token_of(&header, "RS256", &claims());
        assert_eq!(
            issuers.verify(token.as_bytes(), at(NOW)).unwrap_err(),
            expected,
            "{header}"
        );
    }
    // The issuer's own list decides, even where the key would fit.
    let mut only = settings();
    only["algorithms"] = json!(["ES256"]);
    let issuers = self::issuers(only, &keys.document());
    let token = keys.token("RS256", &claims());
    assert_eq!(
        issuers.verify(token.as_bytes(), at(NOW)).unwrap_err(),
        TokenFault::Algorithm
    );
}

#[test]
fn the_public_key_is_no_shared_secret() {
    let keys = Keys::new();
    let issuers = issuers(settings(), &keys.document());
    let modulus = keys.rsa.jwk("rsa")["n"].as_str().unwrap().to_owned();
    for secret in [modulus.as_bytes(), &base64::decode(&modulus).unwrap()] {
        let part = |value: &Value| base64url(value.to_string().as_bytes());
        let signed = format!(
            "{}.{}",
            part(&json!({"alg": "HS256", "kid": "rsa"})),
            part(&claims())
        );
        let key = ring::hmac::Key::new(ring::hmac::HMAC_SHA256, secret);
        let tag = ring::hmac::sign(&key, signed.as_bytes());
        let token = format!("{signed}.{}", base64url(tag.as_ref()));
        assert_eq!(
            issuers.verify(token.as_bytes(), at(NOW)).unwrap_err(),
            TokenFault::Algorithm
        );
    }
}

#[test]
fn times_and_audience_are_checked_and_what_is_malformed_is_not_absent() {
    let keys = Keys::new();
    let issuers = issuers(settings(), &keys.document());
    let claim = |name: &str| Err(TokenFault::Claim(name.into()));
    for (other, expected) in [
        (json!({}), Ok(())),
        (json!({"aud": ["x", "llm"]}), Ok(())),
        (json!({"aud": "other"}), Err(TokenFault::Audience)),
        (json!({"aud": ["x"]}), Err(TokenFault::Audience)),
        (json!({"aud": null}), Err(TokenFault::Audience)),
        (json!({"aud": {"weir": 1}}), Err(TokenFault::Audience)),
        (
            json!({"iss": "https://id.example/"}),
            Err(TokenFault::Issuer),
        ),
        (json!({"iss": null}), Err(TokenFault::Issuer)),
        (json!({"exp": NOW - 29}), Ok(())),
        (json!({"exp": NOW - 30}), Err(TokenFault::Expired)),
        (json!({"exp": NOW as f64 + 0.5}), Ok(())),
        (json!({"exp": 0}), Err(TokenFault::Expired)),
        (json!({"exp": null}), claim("exp")),
        (json!({"exp": "never"}), claim("exp")),
        (json!({"exp": (NOW + 600).to_string()}), claim("exp")),
        (json!({"exp": -1}), claim("exp")),
        (json!({"nbf": NOW + 30}), Ok(())),
        (json!({"nbf": NOW + 31}), Err(TokenFault::NotYet)),
        (json!({"nbf": "9999999999"}), claim("nbf")),
        (json!({"nbf": [1]}), claim("nbf")),
        (json!({"sub": null}), claim("sub")),
        (json!({"sub": 7}), claim("sub")),
        (
            json!({"https://id.example/tenant": ["a"]}),
            claim("https://id.example/tenant"),
        ),
        (json!({"scope": 7}), claim("scope")),
        (json!({"models": ["/(/"]}), claim("models")),
        (json!({"models": [1]}), claim("models")),
    ] {
        let token = keys.token("ES256", &claims_with(&other));
        let verified = issuers.verify(token.as_bytes(), at(NOW)).map(|_| ());
        assert_eq!(verified, expected, "{other}");
    }
    let huge = r#"{"iss":"https://id.example","aud":"weir","exp":1e999,"sub":"a"}"#;
    let huge: Value = serde_json::from_str(huge).unwrap();
    let token = keys.token("ES256", &huge);
    assert_eq!(
        issuers.verify(token.as_bytes(), at(NOW)).map(|_| ()),
        claim("exp")
    );
}

#[test]
fn claims_become_what_the_configuration_says() {
    let keys = Keys::new();
    let issuers = issuers(settings(), &keys.document());
    let grant = |other: Value| {
        let token = keys.token("ES256", &claims_with(&other));
        issuers.verify(token.as_bytes(), at(NOW)).unwrap()
    };
    let full = grant(json!({
        "sub": "alice@example", "https://id.example/tenant": "acme", "org": {"teams": ["ml", "web"], "cost": 7}, "level": true,
        "scope": "openid weir:inference llm.keys admin weir:nonsense", "models": "llama-* gpt-5",
    }));
    assert_eq!(
        (full.tenant.as_deref(), full.project.as_deref()),
        (Some("acme"), Some("ml"))
    );
    assert_eq!(full.user, "alice@example");
    assert_eq!(
        full.scopes,
        super::super::Scopes::parse("inference keys_manage").unwrap()
    );
    assert!(
        full.allows_model("llama-3")
            && full.allows_model("gpt-5")
            && !full.allows_model("gpt-5-mini")
    );
    assert_eq!(full.tags["cost_centre"], "7");
    assert_eq!(full.tags["level"], "true");
    assert_eq!(full.ends, NOW + 630);
    let bare = grant(json!({"scope": ["weir:admin"]}));
    assert_eq!(
        (bare.tenant.as_deref(), bare.project.as_deref()),
        (None, None)
    );
    assert!(
        bare.user.starts_with("sub-") && bare.user.len() == 28,
        "{}",
        bare.user
    );
    assert_ne!(bare.user, grant(json!({"sub": "auth0|43"})).user);
    assert!(
        bare.scopes.has(crate::terms::Scope::Admin)
            && !bare.scopes.has(crate::terms::Scope::Inference)
    );
    assert!(bare.models.is_none() && bare.allows_model("anything"));
    // A scopes claim that is configured and missing grants nothing; a models claim that is there and empty allows nothing.
    assert!(grant(json!({})).scopes.is_empty());
    assert!(!grant(json!({"models": []})).allows_model("gpt-5"));
}

#[test]
fn what_is_no_token_is_refused() {
    let keys = Keys::new();
    let issuers = issuers(settings(), &keys.document());
    let good = keys.token("ES256", &claims());
    let long = format!("{}.{}", "a".repeat(TOKEN_BYTES_MAX), good);
    for bad in [
        "",
        ".",
        "..",
        "a.b",
        "a.b.c",
        "eyJ.eyJ.eyJ",
        &good[..good.len() / 2],
        &format!("{good}."),
        &format!("{good}="),
        &format!(" {good}"),
        &long,
    ] {
        assert_eq!(
            issuers.verify(bad.as_bytes(), at(NOW)).unwrap_err(),
            TokenFault::Malformed,
            "{bad}"
        );
    }
    assert!(looks_like_jwt(good.as_bytes()));
    assert!(!looks_like_jwt(b"weir_abcdefghijkl_x") && !looks_like_jwt(b"eyJ.x"));
}

#[test]
fn keys_are_those_for_signatures_and_nothing_else() {
    let keys = Keys::new();
    let rsa = keys.rsa.jwk("rsa");
    let with = |member: &str, value: Value| {
        let mut key = rsa.clone();
        key[member] = value;
        key
    };
    for (other, is_taken) in [
        (with("use", json!("enc")), false),
        (with("use", Value::Null), true),
        (with("key_ops", json!(["verify"])), true),
        (with("key_ops", json!(["sign"])), false),
        (with("alg", json!("RS256")), true),
        (with("alg", json!("RSA-OAEP")), false),
        (with("kty", json!("oct")), false),
        (with("n", json!("AQAB")), false),
        (with("e", json!("")), false),
        (with("kid", json!(7)), false),
        (json!("no key"), false),
        (json!({"kty": "oct", "k": "c2VjcmV0"}), false),
    ] {
        let set = KeySet::parse(json!({"keys": [other]}).to_string().as_bytes());
        assert_eq!(set.is_ok(), is_taken, "{other}");
    }
    for bad in ["", "[]", "{}", r#"{"keys":{}}"#] {
        assert!(KeySet::parse(bad.as_bytes()).is_err(), "{bad}");
    }
    assert!(KeySet::parse(&vec![b' '; keys::DOCUMENT_BYTES_MAX + 1]).is_err());
    // A key that is for one algorithm serves no other, and a token that names no key must leave no choice.
    let only = issuers(settings(), &json!({"keys": [with("alg", json!("RS256"))]}));
    let unnamed = |algorithm: &str| keys.token_of(&json!({"alg": algorithm}), algorithm, &claims());
    assert!(only.verify(unnamed("RS256").as_bytes(), at(NOW)).is_ok());
    assert_eq!(
        only.verify(unnamed("PS256").as_bytes(), at(NOW))
            .unwrap_err(),
        TokenFault::UnknownKey
    );
    let two = issuers(settings(), &json!({"keys": [rsa, with("kid", json!("b"))]}));
    assert_eq!(
        two.verify(unnamed("RS256").as_bytes(), at(NOW))
            .unwrap_err(),
        TokenFault::UnknownKey
    );
}

#[test]
fn verified_tokens_are_trusted_until_they_end_or_the_keys_change() {
    let keys = Keys::new();
    let start = Instant::now();
    let issuers = JwtIssuers::new(vec![serde_json::from_value(settings()).unwrap()]).unwrap();
    let token = keys.token("RS256", &claims());
    assert_eq!(
        issuers.verify(token.as_bytes(), at(NOW)).unwrap_err(),
        TokenFault::NoKeys
    );
    let document = keys.document().to_string();
    assert_eq!(
        issuers.apply(0, fetched(&document), start),
        Ok(Applied::Changed)
    );
    let first = issuers.verify(token.as_bytes(), at(NOW)).unwrap();
    let again = issuers.verify(token.as_bytes(), at(NOW + 629)).unwrap();
    assert!(std::sync::Arc::ptr_eq(&first, &again));
    assert_eq!(
        issuers.verify(token.as_bytes(), at(NOW + 630)).unwrap_err(),
        TokenFault::Expired
    );
    // The same keys change nothing, and a source that is down neither.
    assert_eq!(
        issuers.apply(0, fetched(&document), start),
        Ok(Applied::Same)
    );
    assert!(issuers.apply(0, Fetched::Failed("503"), start).is_err());
    let again = issuers.verify(token.as_bytes(), at(NOW)).unwrap();
    assert!(std::sync::Arc::ptr_eq(&first, &again));
    let without = json!({"keys": [keys.p256.jwk("p256")]}).to_string();
    assert_eq!(
        issuers.apply(0, fetched(&without), start),
        Ok(Applied::Changed)
    );
    assert_eq!(
        issuers.verify(token.as_bytes(), at(NOW)).unwrap_err(),
        TokenFault::UnknownKey
    );
    let source = issuers.sources().next().unwrap();
    assert!(source.needs_refresh(start + Duration::from_secs(31)));
    assert!(issuers.apply(1, Fetched::Failed("x"), start).is_err());
}

#[test]
fn settings_that_would_take_any_token_are_refused() {
    for (member, value) in [
        ("audiences", json!([])),
        ("audiences", json!([""])),
        ("algorithms", json!([])),
        ("issuer", json!("")),
        ("claims", json!({})),
        ("claims", json!({"tenant": "", "user": "sub"})),
        ("claims", json!({"tenant": "a.b.c.d.e.f.g.h.i"})),
        ("scope_names", json!({"x": "root"})),
    ] {
        let mut settings = settings();
        settings[member] = value.clone();
        let settings = serde_json::from_value(settings).unwrap();
        assert!(
            JwtIssuers::new(vec![settings]).is_err(),
            "{member}: {value}"
        );
    }
    for algorithm in ["none", "HS256"] {
        let mut settings = settings();
        settings["algorithms"] = json!([algorithm]);
        assert!(
            serde_json::from_value::<IssuerSettings>(settings).is_err(),
            "{algorithm}"
        );
    }
    let written =
        json!({"issuer": "i", "jwks_url": "u", "audiences": ["a"], "default_tenant": "t"});
    let settings: IssuerSettings = serde_json::from_value(written).unwrap();
    assert_eq!(settings.algorithms, [Algorithm::RS256, Algorithm::ES256]);
    assert!(JwtIssuers::new(vec![settings]).is_ok());
}
