//! Tokens of other issuers (JWT, RFC 7519, signed as in RFC 7515 with keys of a JWK set) as a way in.
//! It must not fetch anything: keys come in through [`JwksSource`]. Nor does it know which tenants there are.
//!
//! Signatures are verified with ring. Algorithms are a closed set without `none` and without shared secrets, so that no token can choose
//! a weaker one; what a token says of itself (`alg`, `kid`, `iss`) only picks among what is configured.

use std::collections::BTreeMap;
use std::fmt;
use std::time::{Duration, SystemTime};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::denied::DeniedAs;

mod cache;
mod claims;
mod compact;
mod keys;
mod source;
#[cfg(test)]
mod tests;

pub use claims::{ClaimMap, Grant, Vouched};
pub use keys::{Algorithm, KeySet};
pub use source::{Applied, Fetched, JwksSource};

use cache::Verified;
use compact::Compact;

/// Bytes of a token. Larger ones are refused unread.
pub const TOKEN_BYTES_MAX: usize = 16 * 1024;
/// Verified tokens that are remembered, so that a signature is computed once for a token and not for each request.
const VERIFIED_MAX: usize = 16_384;
const LEEWAY_SECONDS: u64 = 30;

/// One issuer whose tokens are taken.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct IssuerSettings {
    /// What the claim `iss` must be, to the letter.
    pub issuer: String,
    /// Where its keys are.
    pub jwks_url: String,
    /// The claim `aud` must hold one of these.
    #[schemars(length(min = 1))]
    pub audiences: Vec<String>,
    /// Algorithms that are taken. Default: `RS256` and `ES256`.
    #[serde(default = "algorithms")]
    #[schemars(length(min = 1))]
    pub algorithms: Vec<Algorithm>,
    /// How far the issuer's clock may be from this one. Default: 30.
    #[serde(default = "leeway")]
    #[schemars(range(max = 600))]
    pub leeway_seconds: u64,
    /// How often its keys are fetched, unless it says that they are good for less. Default: 600.
    #[serde(default = "refresh")]
    #[schemars(range(min = 1))]
    pub refresh_seconds: u64,
    #[serde(default)]
    pub claims: ClaimMap,
    /// The tenant of tokens whose own is not known here. Default: they are refused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub default_tenant: Option<String>,
    /// Names in the scopes claim and the scope that each stands for, besides `weir:<scope>`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub scope_names: BTreeMap<String, String>,
}

fn refresh() -> u64 {
    600
}

fn algorithms() -> Vec<Algorithm> {
    vec![Algorithm::RS256, Algorithm::ES256]
}

fn leeway() -> u64 {
    LEEWAY_SECONDS
}

/// Why a token is not taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TokenFault {
    /// It is no signed JWT, or too long for one.
    Malformed,
    /// Nobody whose tokens are taken has issued it.
    Issuer,
    Algorithm,
    /// None of the issuer's keys is the one that it names.
    UnknownKey,
    /// The issuer's keys have not been fetched yet.
    NoKeys,
    Signature,
    Audience,
    Expired,
    NotYet,
    /// This claim is missing, or not of the form that it must have.
    Claim(String),
    UnknownTenant,
    UnknownProject,
}

impl TokenFault {
    pub fn kind(&self) -> DeniedAs {
        match self {
            TokenFault::Malformed
            | TokenFault::Issuer
            | TokenFault::Algorithm
            | TokenFault::UnknownKey
            | TokenFault::Signature
            | TokenFault::Audience
            | TokenFault::Expired
            | TokenFault::NotYet
            | TokenFault::Claim(_) => DeniedAs::Unauthenticated,
            TokenFault::UnknownTenant | TokenFault::UnknownProject => DeniedAs::Forbidden,
            TokenFault::NoKeys => DeniedAs::Unavailable,
        }
    }
}

impl fmt::Display for TokenFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            TokenFault::Malformed => f.write_str("it is not a signed JWT"),
            TokenFault::Issuer => f.write_str("its issuer is not known here"),
            TokenFault::Algorithm => f.write_str("its algorithm is not taken from this issuer"),
            TokenFault::UnknownKey => f.write_str("its issuer has no key of that `kid`"),
            TokenFault::NoKeys => f.write_str("its issuer's keys are not at hand; try again"),
            TokenFault::Signature => f.write_str("its signature is wrong"),
            TokenFault::Audience => f.write_str("it is for another audience"),
            TokenFault::Expired => f.write_str("it has expired"),
            TokenFault::NotYet => f.write_str("it is not valid yet"),
            TokenFault::Claim(name) => write!(f, "its claim `{name}` is missing or malformed"),
            TokenFault::UnknownTenant => f.write_str("its tenant is not known here"),
            TokenFault::UnknownProject => f.write_str("its project is not known here"),
        }
    }
}

/// The issuers whose tokens are taken, and what has been verified.
#[derive(Debug)]
pub struct JwtIssuers {
    issuers: Vec<Issuer>,
    verified: Verified,
}

#[derive(Debug)]
struct Issuer {
    settings: IssuerSettings,
    source: JwksSource,
}

/// Whether a credential has the form of a JWT. No key of weir's has it.
pub fn looks_like_jwt(token: &[u8]) -> bool {
    token.starts_with(b"eyJ") && token.iter().filter(|byte| **byte == b'.').count() == 2
}

impl JwtIssuers {
    /// # Errors
    /// What is wrong, in sentences.
    pub fn new(settings: Vec<IssuerSettings>) -> Result<JwtIssuers, Vec<String>> {
        let problems: Vec<String> = settings.iter().flat_map(check).collect();
        if !problems.is_empty() {
            return Err(problems);
        }
        let issuers = settings.into_iter().map(|settings| Issuer {
            source: JwksSource::new(
                &settings.jwks_url,
                Duration::from_secs(settings.refresh_seconds.max(1)),
            ),
            settings,
        });
        Ok(JwtIssuers {
            issuers: issuers.collect(),
            verified: Verified::new(VERIFIED_MAX),
        })
    }

    pub fn is_empty(&self) -> bool {
        self.issuers.is_empty()
    }

    /// Where keys are from: for whoever fetches them, who hands what came to [`JwtIssuers::apply`].
    pub fn sources(&self) -> impl Iterator<Item = &JwksSource> {
        self.issuers.iter().map(|issuer| &issuer.source)
    }

    /// What came of fetching the keys of source number `index`. Other keys end the trust in every token that has been verified.
    ///
    /// # Errors
    /// Why the document is not taken; the last good keys stay.
    pub fn apply(
        &self,
        index: usize,
        fetched: Fetched<'_>,
        now: std::time::Instant,
    ) -> Result<Applied, String> {
        let Some(issuer) = self.issuers.get(index) else {
            return Err(format!("there is no issuer number {index}"));
        };
        let applied = issuer.source.apply(fetched, now)?;
        match applied {
            Applied::Changed => self.verified.forget_all(),
            Applied::Same => {}
        }
        Ok(applied)
    }

    /// Who a token is for and what it grants. A token that has been verified is not verified again until it expires or its
    /// issuer's keys change.
    ///
    /// # Errors
    /// The first thing that is wrong with it.
    pub fn verify(
        &self,
        token: &[u8],
        now: SystemTime,
    ) -> Result<std::sync::Arc<Grant>, TokenFault> {
        if token.len() > TOKEN_BYTES_MAX {
            return Err(TokenFault::Malformed);
        }
        let unix = super::Moment::from(now).unix();
        let hash = super::token::sha256(token);
        if let Some(grant) = self.verified.get(&hash, unix) {
            return Ok(grant);
        }
        // Taken before the keys, so that what was verified with keys that change meanwhile is not remembered.
        let age = self.verified.age();
        let grant = std::sync::Arc::new(self.verify_anew(token, unix)?);
        self.verified.remember(hash, &grant, unix, age);
        Ok(grant)
    }

    fn verify_anew(&self, token: &[u8], unix: u64) -> Result<Grant, TokenFault> {
        let token = Compact::read(token).ok_or(TokenFault::Malformed)?;
        let issued_by = token.claims.get("iss").and_then(|issuer| issuer.as_str());
        let issuer = self
            .issuers
            .iter()
            .find(|issuer| issued_by == Some(&issuer.settings.issuer))
            .ok_or(TokenFault::Issuer)?;
        let algorithm = Algorithm::parse(&token.algorithm)
            .filter(|algorithm| issuer.settings.algorithms.contains(algorithm))
            .ok_or(TokenFault::Algorithm)?;
        let keys = issuer.source.keys().ok_or(TokenFault::NoKeys)?;
        let verified = keys.verify(
            algorithm,
            token.key_id.as_deref(),
            token.signed,
            &token.signature,
        );
        if verified == Err(TokenFault::UnknownKey) {
            issuer.source.miss();
        }
        verified?;
        claims::grant(&issuer.settings, &token.claims, unix)
    }
}

fn check(settings: &IssuerSettings) -> Vec<String> {
    let issuer = &settings.issuer;
    let mut problems = settings.claims.check();
    if issuer.is_empty() {
        problems.push("`issuer` is empty".into());
    }
    if settings.audiences.is_empty() || settings.audiences.iter().any(String::is_empty) {
        let problem = "`audiences` names nobody: every token of the issuer would be taken, whomever it is for";
        problems.push(problem.into());
    }
    if settings.algorithms.is_empty() {
        problems.push("`algorithms` is empty: no token could be taken".into());
    }
    if settings.claims.tenant.is_none() && settings.default_tenant.is_none() {
        problems.push(
            "neither `claims.tenant` nor `default_tenant` says whose tokens these are".into(),
        );
    }
    let unknown = settings.scope_names.values();
    let unknown = unknown.filter(|scope| crate::terms::Scope::parse(scope).is_none());
    problems.extend(unknown.map(|scope| format!("`scope_names`: `{scope}` is not a scope")));
    problems
        .iter()
        .map(|problem| format!("issuer `{issuer}`: {problem}"))
        .collect()
}
