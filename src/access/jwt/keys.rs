//! The public keys of an issuer (JWK sets, RFC 7517) and the signatures that they verify.
//! Keys that are not for signatures, shared secrets, and those of unknown kinds are left out, as sets hold all sorts.

use ring::signature::{
    self, EcdsaVerificationAlgorithm, RsaParameters, RsaPublicKeyComponents, UnparsedPublicKey,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::wire::base64;

use super::TokenFault;

/// Bytes of a set's document.
pub const DOCUMENT_BYTES_MAX: usize = 256 * 1024;
/// Keys of one issuer.
const KEYS_MAX: usize = 64;
/// Bytes of an RSA modulus: below, it can be factored; above, verifying takes too long.
const MODULUS_BYTES: std::ops::RangeInclusive<usize> = 256..=1024;

/// How a token is signed (RFC 7518, RFC 8037).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[schemars(inline)]
pub enum Algorithm {
    RS256,
    RS384,
    RS512,
    PS256,
    PS384,
    PS512,
    ES256,
    ES384,
    EdDSA,
}

/// What verifies signatures of an algorithm.
enum Verifier {
    Rsa(&'static RsaParameters),
    Ec(Curve, &'static EcdsaVerificationAlgorithm),
    Ed25519,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Curve {
    P256,
    P384,
}

impl Algorithm {
    pub(super) fn parse(name: &str) -> Option<Algorithm> {
        Some(match name {
            "RS256" => Algorithm::RS256,
            "RS384" => Algorithm::RS384,
            "RS512" => Algorithm::RS512,
            "PS256" => Algorithm::PS256,
            "PS384" => Algorithm::PS384,
            "PS512" => Algorithm::PS512,
            "ES256" => Algorithm::ES256,
            "ES384" => Algorithm::ES384,
            "EdDSA" => Algorithm::EdDSA,
            _ => return None,
        })
    }

    fn verifier(self) -> Verifier {
        match self {
            Algorithm::RS256 => Verifier::Rsa(&signature::RSA_PKCS1_2048_8192_SHA256),
            Algorithm::RS384 => Verifier::Rsa(&signature::RSA_PKCS1_2048_8192_SHA384),
            Algorithm::RS512 => Verifier::Rsa(&signature::RSA_PKCS1_2048_8192_SHA512),
            Algorithm::PS256 => Verifier::Rsa(&signature::RSA_PSS_2048_8192_SHA256),
            Algorithm::PS384 => Verifier::Rsa(&signature::RSA_PSS_2048_8192_SHA384),
            Algorithm::PS512 => Verifier::Rsa(&signature::RSA_PSS_2048_8192_SHA512),
            Algorithm::ES256 => Verifier::Ec(Curve::P256, &signature::ECDSA_P256_SHA256_FIXED),
            Algorithm::ES384 => Verifier::Ec(Curve::P384, &signature::ECDSA_P384_SHA384_FIXED),
            Algorithm::EdDSA => Verifier::Ed25519,
        }
    }
}

/// The keys of an issuer.
#[derive(Debug, PartialEq, Eq)]
pub struct KeySet {
    keys: Vec<PublicKey>,
}

#[derive(Debug, PartialEq, Eq)]
struct PublicKey {
    id: Option<String>,
    /// The only one it is for, if the set says so.
    algorithm: Option<Algorithm>,
    material: Material,
}

#[derive(Debug, PartialEq, Eq)]
enum Material {
    Rsa {
        n: Vec<u8>,
        e: Vec<u8>,
    },
    /// The point, uncompressed.
    Ec(Curve, Vec<u8>),
    Ed25519(Vec<u8>),
}

#[derive(Deserialize)]
struct Document {
    keys: Vec<Value>,
}

/// A key as sets have it (RFC 7517, 4; RFC 7518, 6).
#[derive(Deserialize)]
struct Jwk {
    kty: String,
    kid: Option<String>,
    alg: Option<String>,
    r#use: Option<String>,
    key_ops: Option<Vec<String>>,
    crv: Option<String>,
    n: Option<String>,
    e: Option<String>,
    x: Option<String>,
    y: Option<String>,
}

impl KeySet {
    /// # Errors
    /// Why the document is of no use.
    pub fn parse(document: &[u8]) -> Result<KeySet, String> {
        if document.len() > DOCUMENT_BYTES_MAX {
            return Err(format!(
                "the key set is larger than {DOCUMENT_BYTES_MAX} bytes"
            ));
        }
        let document: Document = serde_json::from_slice(document)
            .map_err(|error| format!("the key set cannot be read: {error}"))?;
        let keys = document.keys.into_iter().filter_map(public_key);
        let keys: Vec<PublicKey> = keys.take(KEYS_MAX).collect();
        match keys.is_empty() {
            true => Err("the key set holds no public key for signatures".to_owned()),
            false => Ok(KeySet { keys }),
        }
    }

    pub fn len(&self) -> usize {
        self.keys.len()
    }

    pub fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }

    /// Whether the signature is that of the named key. A token that names none must leave no choice.
    pub(super) fn verify(
        &self,
        algorithm: Algorithm,
        key_id: Option<&str>,
        signed: &[u8],
        signature: &[u8],
    ) -> Result<(), TokenFault> {
        let fitting = self.keys.iter().filter(|key| key.is_for(algorithm));
        let fitting = fitting.filter(|key| key_id.is_none() || key.id.as_deref() == key_id);
        let mut fitting = fitting.collect::<Vec<_>>().into_iter();
        if fitting.len() == 0 || (key_id.is_none() && fitting.len() > 1) {
            return Err(TokenFault::UnknownKey);
        }
        match fitting.any(|key| key.verifies(algorithm, signed, signature)) {
            true => Ok(()),
            false => Err(TokenFault::Signature),
        }
    }
}

impl PublicKey {
    fn is_for(&self, algorithm: Algorithm) -> bool {
        let fits = match (algorithm.verifier(), &self.material) {
            (Verifier::Rsa(_), Material::Rsa { .. }) => true,
            (Verifier::Ec(wanted, _), Material::Ec(curve, _)) => wanted == *curve,
            (Verifier::Ed25519, Material::Ed25519(_)) => true,
            (Verifier::Rsa(_) | Verifier::Ec(..) | Verifier::Ed25519, _) => false,
        };
        fits && self.algorithm.is_none_or(|only| only == algorithm)
    }

    fn verifies(&self, algorithm: Algorithm, signed: &[u8], signature: &[u8]) -> bool {
        let verified = match (algorithm.verifier(), &self.material) {
            (Verifier::Rsa(parameters), Material::Rsa { n, e }) => {
                RsaPublicKeyComponents { n, e }.verify(parameters, signed, signature)
            }
            (Verifier::Ec(_, verification), Material::Ec(_, point)) => {
                UnparsedPublicKey::new(verification, point).verify(signed, signature)
            }
            (Verifier::Ed25519, Material::Ed25519(point)) => {
                UnparsedPublicKey::new(&signature::ED25519, point).verify(signed, signature)
            }
            (Verifier::Rsa(_) | Verifier::Ec(..) | Verifier::Ed25519, _) => return false,
        };
        verified.is_ok()
    }
}

/// A key for signatures; `None` for every other.
fn public_key(jwk: Value) -> Option<PublicKey> {
    let jwk: Jwk = serde_json::from_value(jwk).ok()?;
    let is_for_signatures = jwk.r#use.as_deref().is_none_or(|usage| usage == "sig");
    let operations = jwk.key_ops.as_deref();
    let verifies = operations.is_none_or(|all| all.iter().any(|one| one == "verify"));
    (is_for_signatures && verifies).then_some(())?;
    let algorithm = match &jwk.alg {
        Some(name) => Some(Algorithm::parse(name)?),
        None => None,
    };
    Some(PublicKey {
        material: material(&jwk)?,
        id: jwk.kid,
        algorithm,
    })
}

fn material(jwk: &Jwk) -> Option<Material> {
    let bytes = |member: &Option<String>| base64::decode(member.as_deref()?);
    let coordinate = |member, count| bytes(member).filter(|bytes| bytes.len() == count);
    let point = |curve, count| {
        let (x, y) = (coordinate(&jwk.x, count)?, coordinate(&jwk.y, count)?);
        Some(Material::Ec(curve, [&[4], &x[..], &y[..]].concat()))
    };
    match (jwk.kty.as_str(), jwk.crv.as_deref()) {
        ("RSA", _) => {
            // ring wants no leading zeros, which some issuers write.
            let stripped = |member| {
                let bytes = bytes(member)?;
                let first = bytes.iter().position(|byte| *byte != 0)?;
                Some(bytes[first..].to_vec())
            };
            let n = stripped(&jwk.n).filter(|n| MODULUS_BYTES.contains(&n.len()))?;
            Some(Material::Rsa {
                n,
                e: stripped(&jwk.e)?,
            })
        }
        ("EC", Some("P-256")) => point(Curve::P256, 32),
        ("EC", Some("P-384")) => point(Curve::P384, 48),
        ("OKP", Some("Ed25519")) => coordinate(&jwk.x, 32).map(Material::Ed25519),
        _ => None,
    }
}
