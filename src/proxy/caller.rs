//! Who calls: the key or token of a request, looked up before anything of the body is read. What a caller may do is the
//! directory's to say; what a refusal looks like is the fault's.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::SystemTime;

use http::header;
use pingora::http::RequestHeader;

use weir_plugin::Decision;

use crate::access::jwt::{Grant, Vouched, looks_like_jwt};
use crate::access::signing::{self, Signature, SignatureFault, Signed};
use crate::access::{Caller, Denied, DeniedAs, Scopes, client_address, presented};
use crate::config::{Config, DEFAULT_TENANT};
use crate::fault::{Denial, Fault};
use crate::gateway::{Accounting, Gateway, Snapshot};
use crate::plugin::{Called, Hook, View, edits};
use crate::terms::Scope;
use crate::wire::Operation;

use super::settle::Record;
use super::view::ExchangeView;

/// Browsers, which cannot set headers, put the key of a WebSocket among its protocols.
const PROTOCOL_KEY: &str = "openai-insecure-api-key.";

/// Who calls, as far as that matters here, and from where.
#[derive(Clone, Default)]
pub struct Calling {
    /// `None`: nobody has to say who calls, and nobody has.
    pub caller: Option<Arc<Caller>>,
    /// The client's, behind the proxies that are trusted.
    pub address: Option<IpAddr>,
}

/// Finds out who calls. Where callers are not told apart at all, this costs nothing.
///
/// # Errors
/// Who is not known, or may not call.
pub fn identify(
    gateway: &Gateway,
    snapshot: &Snapshot,
    head: &RequestHeader,
    peer: Option<IpAddr>,
    vouched: Option<Arc<Caller>>,
) -> Result<Calling, Fault> {
    let access = &snapshot.config.access;
    let address = peer.map(|peer| client_address(peer, &head.headers, &access.trusted_proxies));
    if !snapshot.tells_callers_apart {
        return Ok(Calling {
            caller: None,
            address,
        });
    }
    let found = known(&gateway.accounting, head, SystemTime::now());
    let caller = match found {
        Ok(Some(caller)) => Some(caller),
        Ok(None) | Err(Denied::Unknown | Denied::Token(_)) if vouched.is_some() => vouched,
        Ok(None) if access.required => return Err(denied(Denied::Missing)),
        // SDKs send some key always.
        Ok(None) | Err(Denied::Unknown) if !access.required => None,
        Ok(None) => None,
        Err(why) => return Err(denied(why)),
    };
    Ok(Calling { caller, address })
}

/// Asks the plugin that knows other callers, where weir knows none; `None` where it knows none either, and where there is no such
/// plugin.
///
/// # Errors
/// What the plugin has against the caller; that it could not do its work.
pub async fn vouch(
    gateway: &Gateway,
    snapshot: &Snapshot,
    head: &RequestHeader,
    record: &Record,
) -> Result<Option<Arc<Caller>>, Fault> {
    let Some(auth) = snapshot.guards.auth() else {
        return Ok(None);
    };
    let accounting = &gateway.accounting;
    if let Ok(Some(_)) = known(accounting, head, SystemTime::now()) {
        return Ok(None);
    }
    let view: Arc<dyn View> = Arc::new(ExchangeView::of_caller(head, record));
    let down = || Fault::PluginDown {
        plugin: auth.name().to_owned(),
    };
    let principal = match auth.authenticate(&view).await {
        Called::Answered(Decision::Abstain) | Called::FailedOpen(_) => return Ok(None),
        Called::Answered(Decision::Allow(principal)) => principal,
        Called::Answered(Decision::Deny(rejection)) => {
            return Err(match edits::rejected(rejection) {
                Ok(rejected) => Fault::Rejected(Box::new(rejected)),
                Err(problem) => {
                    auth.misbehaved(Hook::Authenticate, &problem);
                    down()
                }
            });
        }
        Called::FailedClosed(_) => return Err(down()),
    };
    let scopes = principal.scopes.join(" ");
    let scopes = match scopes.is_empty() {
        true => Ok(Scopes::of(&[Scope::Inference])),
        false => Scopes::parse(&scopes),
    };
    let grant = scopes.and_then(|scopes| {
        let vouched = Vouched {
            by: format!("plugin:{}", auth.name()),
            subject: principal.user.unwrap_or(principal.id),
            tenant: principal.tenant,
            project: principal.project,
            scopes,
            models: principal.models,
            tags: principal.attributes.into_iter().collect(),
        };
        Grant::vouched(vouched, DEFAULT_TENANT)
    });
    match grant {
        Ok(grant) => accounting
            .directory
            .by_grant(&Arc::new(grant))
            .map(Some)
            .map_err(denied),
        Err(problem) => {
            auth.misbehaved(Hook::Authenticate, &problem);
            Err(down())
        }
    }
}

/// Who the request's key or token belongs to; `None` where it shows none.
fn known(
    accounting: &Accounting,
    head: &RequestHeader,
    now: SystemTime,
) -> Result<Option<Arc<Caller>>, Denied> {
    let presented = presented(&head.headers, head.uri.query())?;
    let by_protocol = || protocol_key(head).map(|key| key.as_bytes().into());
    let token = presented
        .map(|presented| presented.token)
        .or_else(by_protocol);
    let Some(token) = token else {
        return Ok(None);
    };
    if looks_like_jwt(&token) && !accounting.issuers.is_empty() {
        let grant = accounting.issuers.verify(&token, now);
        let grant = grant.map_err(Denied::Token)?;
        return accounting.directory.by_grant(&grant).map(Some);
    }
    accounting.directory.find(&token, now).map(Some)
}

fn protocol_key(head: &RequestHeader) -> Option<&str> {
    let offered = head.headers.get(header::SEC_WEBSOCKET_PROTOCOL)?;
    let mut offered = offered.to_str().ok()?.split(',').map(str::trim);
    offered.find_map(|protocol| protocol.strip_prefix(PROTOCOL_KEY))
}

impl Calling {
    /// Whether it may do this, from there.
    ///
    /// # Errors
    /// What it may not.
    pub fn permit(&self, operation: Operation) -> Result<(), Fault> {
        let Some(caller) = &self.caller else {
            return Ok(());
        };
        // A Unix socket has no address, and only this machine.
        let address = self.address.unwrap_or(IpAddr::from([127, 0, 0, 1]));
        match caller.permit(operation, address) {
            // Clients look at the list first; it shows only what its caller may use.
            Err(Denied::Operation(_)) if tells_of_models(operation) => Ok(()),
            permitted => permitted.map_err(denied),
        }
    }

    /// Whether it may use a model: by the name that it asked for, or by the one that this leads to.
    ///
    /// # Errors
    /// [`Denied::Model`], which names it.
    pub fn permit_model(&self, asked: &str, meant: Option<&str>) -> Result<(), Fault> {
        match self.may_use(asked) || meant.is_some_and(|meant| self.may_use(meant)) {
            true => Ok(()),
            false => Err(denied(Denied::Model(asked.to_owned()))),
        }
    }

    /// Whether a model is among those that it may use.
    pub fn may_use(&self, model: &str) -> bool {
        let caller = self.caller.as_ref();
        caller.is_none_or(|caller| caller.may_use_model(model))
    }

    /// Whether its requests are good only where they are signed.
    pub fn must_sign(&self, config: &Config) -> bool {
        let key = self.caller.as_ref().and_then(|caller| caller.key.as_ref());
        key.is_some_and(|key| key.record.signing.is_some() || config.access.signing.required)
    }

    /// The same for a request whose body is not read by weir: where it must be signed, there must be none.
    ///
    /// # Errors
    /// Why the signature does not hold, or cannot.
    pub fn check_bodiless(
        &self,
        accounting: &Accounting,
        config: &Config,
        head: &RequestHeader,
        has_body: bool,
    ) -> Result<(), Fault> {
        match has_body && self.must_sign(config) {
            true => Err(Fault::Denied(Box::new(Denial {
                status: 403,
                code: "signature_impossible",
                label: "signature",
                param: None,
                message: "this key's requests must be signed, and bodies for an upstream's own paths are not read here, so that no signature can be held against them; use one of weir's own paths".to_owned(),
            }))),
            false => self.check_signature(accounting, config, head, &[]),
        }
    }

    /// Whether the request is signed, where it must be.
    ///
    /// # Errors
    /// Why the signature does not hold.
    pub fn check_signature(
        &self,
        accounting: &Accounting,
        config: &Config,
        head: &RequestHeader,
        body: &[u8],
    ) -> Result<(), Fault> {
        let Some(caller) = &self.caller else {
            return Ok(());
        };
        let Some(key) = caller.key.as_ref().filter(|_| self.must_sign(config)) else {
            return Ok(());
        };
        let secret = caller.signing_secret(&accounting.seal());
        let secret = secret.and_then(Result::ok);
        let secret = secret.as_deref().map(Vec::as_slice);
        let checked = signed(accounting, key.record.id, secret, head, body);
        checked.map_err(|fault| denied(Denied::Signature(fault)))
    }
}

fn tells_of_models(operation: Operation) -> bool {
    use Operation::{Model, Models, Running, Show};
    matches!(operation, Model | Models | Running | Show)
}

fn signed(
    accounting: &Accounting,
    id: crate::access::KeyId,
    secret: Option<&[u8]>,
    head: &RequestHeader,
    body: &[u8],
) -> Result<(), SignatureFault> {
    let header = head.headers.get(signing::HEADER);
    let header = header.ok_or(SignatureFault::Missing)?;
    let signature = Signature::parse(header.as_bytes())?;
    let secret = secret.ok_or(SignatureFault::NoSecret)?;
    let path = head.uri.path_and_query();
    let signed = Signed {
        method: head.method.as_str(),
        path_and_query: path.map_or("/", |path| path.as_str()),
        body_sha256: &signing::body_sha256(body),
    };
    let now = SystemTime::now();
    signature.accept(id.as_str(), secret, &signed, now, &accounting.replays)
}

/// What the request's headers say of it for usage reports, as far as the configuration wants to hear it.
pub fn tags(head: &RequestHeader, config: &Config) -> Vec<(Box<str>, Box<str>)> {
    // Longer values are no tags.
    const VALUE_BYTES_MAX: usize = 128;
    let wanted = config.usage.tag_headers.iter();
    let told = wanted.filter_map(|name| {
        let value = head.headers.get(name)?.to_str().ok()?.trim();
        let is_tag = !value.is_empty() && value.len() <= VALUE_BYTES_MAX;
        is_tag.then(|| (name.as_str().into(), value.into()))
    });
    told.collect()
}

/// A refusal of the directory's as an exchange's fault.
pub fn denied(why: Denied) -> Fault {
    let (status, code) = match why.kind() {
        DeniedAs::Unauthenticated => (401, code_of(&why)),
        DeniedAs::Forbidden => (403, code_of(&why)),
        DeniedAs::Unavailable => (503, "authentication_unavailable"),
    };
    Fault::Denied(Box::new(Denial {
        status,
        code,
        label: why.label(),
        param: matches!(why, Denied::Model(_)).then_some("model"),
        message: why.to_string(),
    }))
}

/// The code for programs; OpenAI's where it has one.
fn code_of(why: &Denied) -> &'static str {
    match why {
        Denied::Missing => "missing_api_key",
        Denied::TwoKeys => "conflicting_api_keys",
        Denied::Unknown => "invalid_api_key",
        Denied::Expired => "api_key_expired",
        Denied::Revoked | Denied::Disabled => "api_key_revoked",
        Denied::TenantInactive | Denied::ProjectInactive | Denied::UserInactive => {
            "account_inactive"
        }
        Denied::Scope(_) => "insufficient_scope",
        Denied::Model(_) => "model_not_allowed",
        Denied::Operation(_) => "operation_not_allowed",
        Denied::Address(_) => "address_not_allowed",
        Denied::Signature(_) => "invalid_signature",
        Denied::Token(_) => "invalid_token",
    }
}
