//! How weir presents itself to an upstream: its pool of keys, and the headers that the configuration adds.

use std::sync::Arc;
use std::time::{Instant, SystemTime};

use http::{HeaderMap, HeaderName, HeaderValue};
use pingora::http::RequestHeader;

use crate::config::{KeyCaps, Secret, Upstream, UpstreamKey};

use super::State;
use super::head::{self, Credential};
use super::keys::{self, Choice, KeyPool, KeyVerdict, Now, Why};
use super::signer::Payload;

/// Names the keys that clients bring themselves.
const OWN_KEY: &str = "own";

/// An upstream's credentials and headers.
pub struct Account {
    /// The upstream's name, as a header says it.
    pub label: HeaderValue,
    pub keys: Arc<KeyPool>,
    /// In the order of the keys.
    credentials: Vec<Credential>,
    /// Replace what the caller sent under the same names.
    headers: Vec<(HeaderName, HeaderValue)>,
    /// Added where the caller sent none of the same name.
    defaults: Vec<(HeaderName, HeaderValue)>,
    /// All its keys are the store's, and the store holds none of them: it is not asked without.
    lacks_keys: bool,
}

/// An upstream key in use by one exchange, until this is dropped.
pub struct Lease {
    inner: keys::Lease,
    /// The model that it was chosen for.
    model: String,
}

/// What asking for a key came to.
pub enum Chosen {
    Key(Lease),
    /// All that may serve the model rest or are at a cap; the first is back after this time.
    Wait(std::time::Duration),
    /// The allow-list of no key has the model.
    NotAllowed,
    /// Those that have it are refused by the upstream, or have expired.
    AllOut,
    /// The upstream wants none.
    NotNeeded,
}

impl Account {
    /// # Errors
    /// When a key or a header cannot be sent; the text names it.
    pub(super) fn new(upstream: &Upstream, state: &State) -> Result<Account, String> {
        let label = HeaderValue::from_str(&upstream.name);
        let credentials = upstream
            .keys
            .iter()
            .map(|key| Credential::new(upstream, key));
        Ok(Account {
            label: label.map_err(|_| "its name cannot stand in a header".to_owned())?,
            credentials: credentials.collect::<Result<_, _>>()?,
            keys: KeyPool::new(
                upstream.rotation,
                upstream.key_cooldown,
                &upstream.keys,
                &state.keys,
            ),
            headers: head::configured(upstream)?,
            defaults: head::of_kind(upstream),
            lacks_keys: upstream.keys.is_empty() && !upstream.stored_keys.is_empty(),
        })
    }

    /// The next key for `model`, as the upstream calls it.
    pub fn choose(&self, model: &str) -> Chosen {
        if self.keys.is_empty() {
            return match self.lacks_keys {
                true => Chosen::AllOut,
                false => Chosen::NotNeeded,
            };
        }
        match self.keys.choose(model, present()) {
            Choice::Key(inner) => Chosen::Key(Lease {
                inner,
                model: model.to_owned(),
            }),
            Choice::Wait { soonest } => Chosen::Wait(soonest),
            Choice::None(Why::NotAllowed) => Chosen::NotAllowed,
            Choice::None(Why::AllOut) => Chosen::AllOut,
            Choice::NotNeeded => Chosen::NotNeeded,
        }
    }

    /// What goes on the wire for a key.
    pub fn credential(&self, lease: &Lease) -> &Credential {
        &self.credentials[lease.inner.index()]
    }

    /// The credential that a client brings for this upstream itself, where the configuration takes one.
    pub fn of_client(upstream: &Upstream, asked: &HeaderMap) -> Option<Credential> {
        let value = asked
            .get(upstream.own_key_header.as_ref()?)?
            .to_str()
            .ok()?;
        let value = value.trim();
        let secret = value.strip_prefix("Bearer ").unwrap_or(value).trim();
        let key = UpstreamKey {
            label: OWN_KEY.to_owned(),
            secret: Secret::new(secret),
            weight: 1,
            expires: None,
            caps: KeyCaps::default(),
            models: Vec::new(),
        };
        let credential = (!secret.is_empty()).then(|| Credential::new(upstream, &key));
        credential?.ok()
    }

    /// A key for weir's own requests, which are few and free: no cap counts them.
    pub(super) fn own_credential(&self) -> Option<&Credential> {
        self.credentials.get(self.keys.best_known(present())?)
    }

    /// Adds the credential and the configured headers. To be called last, so that nothing replaces them.
    pub fn authorize(
        &self,
        head: &mut RequestHeader,
        credential: Option<&Credential>,
        payload: Payload<'_>,
    ) {
        let path = head.uri.path();
        let signer = credential.and_then(Credential::signer);
        let credential = credential.and_then(|credential| credential.header_for(path));
        let credential = credential.map(|(name, value)| (name.clone(), value.clone()));
        let absent = |(name, _): &&(HeaderName, HeaderValue)| !head.headers.contains_key(name);
        let defaults: Vec<_> = self.defaults.iter().filter(absent).cloned().collect();
        let configured = self.headers.iter().cloned();
        for (name, value) in defaults.into_iter().chain(credential).chain(configured) {
            // Names and values were checked when the account was made, and heads without a case map take any name.
            let inserted = head.insert_header(name, value);
            inserted.expect("a checked header is accepted");
        }
        if let Some(signer) = signer {
            signer.sign(head, payload, present().wall);
        }
    }
}

impl Lease {
    /// Names the key in logs and metrics.
    pub fn label(&self) -> &str {
        self.inner.label()
    }

    /// Takes in what the upstream answered. `code` is the code of its error, where there is one.
    pub fn answered(&self, status: u16, headers: &HeaderMap, code: Option<&str>) -> KeyVerdict {
        let chance = fastrand::f64();
        self.inner
            .answered(status, headers, code, &self.model, present(), chance)
    }

    /// The request has not reached the upstream: it counts towards no cap.
    pub fn unsent(self) {
        self.inner.unsent();
    }

    /// Settles the tokens that the exchange has used so far.
    pub fn tokens(&mut self, so_far: u64) {
        self.inner.tokens(so_far, present());
    }
}

/// The present, on both clocks.
pub fn present() -> Now {
    Now {
        instant: Instant::now(),
        wall: SystemTime::now(),
    }
}
