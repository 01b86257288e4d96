//! The issuers of bearer tokens and their keys: where they are, and that they are fetched again in time.
//! It must not know who a token is for.

use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use arc_swap::ArcSwap;
use bytes::Bytes;
use http::{HeaderName, HeaderValue, Method, header};
use parking_lot::Mutex;
use serde_json::Value;
use tracing::{info, warn};
use url::Url;

use crate::access::jwt::{Fetched, Grant, JwtIssuers, TokenFault};
use crate::config::TokenIssuer;
use crate::upstream::Connector;
use crate::upstream::errand::{self, Brought, Errand};

use super::configured;

/// Longest document of an issuer's, in bytes.
const DOCUMENT_BYTES_MAX: usize = 1 << 20;

/// The issuers in force.
#[derive(Default)]
pub struct Issuers {
    current: ArcSwap<Prepared>,
}

/// Issuers of one configuration.
pub struct Prepared {
    configured: Vec<TokenIssuer>,
    jwt: JwtIssuers,
    /// Where the keys of each are, as far as that had to be found out.
    found: Mutex<Vec<Option<Url>>>,
}

impl Default for Prepared {
    fn default() -> Prepared {
        Prepared {
            configured: Vec::new(),
            jwt: JwtIssuers::new(Vec::new()).expect("no issuer, no problem"),
            found: Mutex::default(),
        }
    }
}

impl Issuers {
    /// Issuers for [`Issuers::replace`]; those that are the same stay with their keys.
    ///
    /// # Errors
    /// What is wrong with them.
    pub(super) fn prepared(&self, configured: &[TokenIssuer]) -> Result<Arc<Prepared>, String> {
        let current = self.current.load_full();
        if current.configured == configured {
            return Ok(current);
        }
        let settings = configured.iter().map(|issuer| {
            let url = issuer.jwks_url.as_ref().map(Url::to_string);
            configured::issuer(issuer, url.unwrap_or_else(|| discovery_url(issuer)))
        });
        let jwt = JwtIssuers::new(settings.collect()).map_err(|problems| problems.join("; "))?;
        Ok(Arc::new(Prepared {
            configured: configured.to_vec(),
            jwt,
            found: Mutex::new(vec![None; configured.len()]),
        }))
    }

    pub(super) fn replace(&self, prepared: Arc<Prepared>) {
        self.current.store(prepared);
    }

    pub fn is_empty(&self) -> bool {
        self.current.load().jwt.is_empty()
    }

    /// Who a token is for.
    ///
    /// # Errors
    /// Why it is not taken.
    pub fn verify(&self, token: &[u8], now: SystemTime) -> Result<Arc<Grant>, TokenFault> {
        self.current.load().jwt.verify(token, now)
    }

    /// Fetches the keys of every issuer whose time it is. Runs in the background, now and then.
    pub async fn refresh(&self, connector: &Connector) {
        let current = self.current.load_full();
        for (index, source) in current.jwt.sources().enumerate() {
            if !source.begin(Instant::now()) {
                continue;
            }
            let issuer = &current.configured[index].issuer;
            let brought = current
                .fetch(index, source.etag().as_deref(), connector)
                .await;
            let applied = match &brought {
                Ok(brought) => current
                    .jwt
                    .apply(index, fetched_of(brought), Instant::now()),
                Err(why) => current
                    .jwt
                    .apply(index, Fetched::Failed(why), Instant::now()),
            };
            match applied {
                Ok(applied) => info!(%issuer, ?applied, "keys of an issuer fetched"),
                Err(why) => {
                    warn!(%issuer, why, "keys of an issuer cannot be fetched; the last stay");
                }
            }
        }
    }
}

impl Prepared {
    async fn fetch(
        &self,
        index: usize,
        etag: Option<&str>,
        connector: &Connector,
    ) -> Result<Brought, String> {
        let configured = &self.configured[index];
        let known = self.found.lock().get(index).cloned().flatten();
        let url = match configured.jwks_url.clone().or(known) {
            Some(url) => url,
            None => {
                let url = discover(configured, connector).await?;
                if let Some(place) = self.found.lock().get_mut(index) {
                    *place = Some(url.clone());
                }
                url
            }
        };
        get(&url, etag, connector).await
    }
}

/// `<issuer>/.well-known/openid-configuration`, as OpenID Connect Discovery 1.0 has it.
fn discovery_url(issuer: &TokenIssuer) -> String {
    let issuer = issuer.issuer.trim_end_matches('/');
    format!("{issuer}/.well-known/openid-configuration")
}

async fn discover(issuer: &TokenIssuer, connector: &Connector) -> Result<Url, String> {
    let text = discovery_url(issuer);
    let url = Url::parse(&text).map_err(|error| format!("{text}: {error}"))?;
    let brought = get(&url, None, connector).await?;
    if brought.status != 200 {
        return Err(format!("{text} answers {}", brought.status));
    }
    let document: Value = serde_json::from_slice(&brought.body)
        .map_err(|error| format!("{text} is no JSON: {error}"))?;
    // Else whoever answers there could name the keys of any other issuer.
    if document["issuer"].as_str() != Some(&issuer.issuer) {
        return Err(format!("{text} is the document of another issuer"));
    }
    let place = document["jwks_uri"].as_str();
    let place = place.ok_or_else(|| format!("{text} names no `jwks_uri`"))?;
    Url::parse(place).map_err(|error| format!("{text}: jwks_uri: {error}"))
}

async fn get(url: &Url, etag: Option<&str>, connector: &Connector) -> Result<Brought, String> {
    let known = etag.and_then(|etag| HeaderValue::from_str(etag).ok());
    let headers: Vec<(HeaderName, HeaderValue)> = known
        .map(|etag| (header::IF_NONE_MATCH, etag))
        .into_iter()
        .collect();
    let errand = Errand {
        method: Method::GET,
        url,
        headers,
        body: Bytes::new(),
        bytes_max: DOCUMENT_BYTES_MAX,
    };
    errand::run(errand, connector).await
}

fn fetched_of(brought: &Brought) -> Fetched<'_> {
    let max_age = max_age(brought);
    match brought.status {
        200 => Fetched::Document {
            body: &brought.body,
            etag: brought
                .headers
                .get(header::ETAG)
                .and_then(|etag| etag.to_str().ok()),
            max_age,
        },
        304 => Fetched::NotModified { max_age },
        _ => Fetched::Failed("it answers with an error"),
    }
}

/// Of `Cache-Control`.
fn max_age(brought: &Brought) -> Option<Duration> {
    let said = brought.headers.get(header::CACHE_CONTROL)?.to_str().ok()?;
    let seconds = said
        .split(',')
        .find_map(|part| part.trim().strip_prefix("max-age="))?;
    seconds.parse().ok().map(Duration::from_secs)
}
