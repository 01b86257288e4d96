//! An identity provider, and the tokens that it signs.

use std::sync::{Arc, Mutex};

use ring::hmac;
use ring::rand::SystemRandom;
use ring::rsa::PublicKeyComponents;
use ring::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair, RSA_PKCS1_SHA256, RsaKeyPair,
};
use serde_json::{Value, json};
use weir::wire::base64;

use super::peer::{Upstream, reply};

/// Made for tests; nothing trusts it.
const RSA: &str = include_str!("../../../src/access/jwt/tests/rsa.der.base64");

/// base64url without padding.
fn url64(bytes: &[u8]) -> String {
    let text = base64::encode(bytes);
    text.trim_end_matches('=')
        .replace('+', "-")
        .replace('/', "_")
}

/// The keys of an identity provider.
pub struct Signers {
    random: SystemRandom,
    rsa: RsaKeyPair,
    ec: EcdsaKeyPair,
}

impl Signers {
    pub fn new() -> Signers {
        let random = SystemRandom::new();
        let der = base64::decode(&RSA.replace('\n', "")).expect("it is base64");
        let algorithm = &ECDSA_P256_SHA256_FIXED_SIGNING;
        let ec = EcdsaKeyPair::generate_pkcs8(algorithm, &random).expect("a key can be made");
        Signers {
            rsa: RsaKeyPair::from_der(&der).expect("it is a key"),
            ec: EcdsaKeyPair::from_pkcs8(algorithm, ec.as_ref(), &random).expect("it is a key"),
            random,
        }
    }

    pub fn rsa_entry(&self) -> Value {
        let public = PublicKeyComponents::<Vec<u8>>::from(self.rsa.public());
        json!({"kty": "RSA", "use": "sig", "kid": "rsa", "n": url64(&public.n), "e": url64(&public.e)})
    }

    pub fn ec_entry(&self) -> Value {
        let point = &self.ec.public_key().as_ref()[1..];
        json!({"kty": "EC", "crv": "P-256", "kid": "ec", "x": url64(&point[..32]), "y": url64(&point[32..])})
    }

    /// A token with these claims; `none` and `HS256` are what forgers try.
    pub fn token(&self, algorithm: &str, claims: &Value) -> String {
        let kid = if algorithm == "ES256" { "ec" } else { "rsa" };
        let header = json!({"alg": algorithm, "kid": kid, "typ": "JWT"});
        let part = |value: &Value| url64(value.to_string().as_bytes());
        let text = format!("{}.{}", part(&header), part(claims));
        let signature = match algorithm {
            "RS256" => {
                let mut signature = vec![0; self.rsa.public().modulus_len()];
                let signed = self.rsa.sign(
                    &RSA_PKCS1_SHA256,
                    &self.random,
                    text.as_bytes(),
                    &mut signature,
                );
                signed.expect("it can be signed");
                signature
            }
            "ES256" => {
                let signed = self.ec.sign(&self.random, text.as_bytes());
                signed.expect("it can be signed").as_ref().to_vec()
            }
            // What a forger has: the public key, for a secret.
            "HS256" => {
                let public = PublicKeyComponents::<Vec<u8>>::from(self.rsa.public());
                let key = hmac::Key::new(hmac::HMAC_SHA256, &public.n);
                hmac::sign(&key, text.as_bytes()).as_ref().to_vec()
            }
            _ => Vec::new(),
        };
        format!("{text}.{}", url64(&signature))
    }
}

/// An identity provider that says where its keys are, and has those that it is told to have.
pub async fn provider(keys: Arc<Mutex<Vec<Value>>>) -> Upstream {
    Upstream::start(move |mut peer| {
        let keys = keys.clone();
        async move {
            while let Some(seen) = peer.request().await {
                let issuer = format!("http://{}", seen.header("host").expect("HTTP/1.1 names it"));
                let body = match seen.target.as_str() {
                    "/.well-known/openid-configuration" => {
                        json!({"issuer": issuer, "jwks_uri": format!("{issuer}/keys")})
                    }
                    "/keys" => json!({"keys": *keys.lock().expect("nobody has panicked")}),
                    other => panic!("weir asks for {other}"),
                };
                peer.say(reply("200 OK", body.to_string())).await;
            }
        }
    })
    .await
}
