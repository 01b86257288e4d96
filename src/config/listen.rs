//! Checks where weir listens: `listen` and `admin`.
//! It must not bind anything, nor read what is in certificates.

use std::net::SocketAddr;
use std::path::PathBuf;

use super::check::Context;
use super::path::FieldPath;
use super::raw::{
    RawAdmin, RawClientAuth, RawListen, RawListener, RawListenerObject, RawListenerTls,
};
use super::source::{self, Source};
use super::{AdminListener, ClientCertificates, Listener, ListenerTls, certificates};

/// The listeners; an address can be taken once.
pub(super) fn listeners(
    context: &mut Context<'_, '_>,
    raw: Option<RawListen>,
) -> Option<Vec<Listener>> {
    let path = FieldPath::root().key("listen");
    let raw = match raw? {
        RawListen::Address(address) => {
            vec![(path, Some(RawListener::Address(address)))]
        }
        RawListen::One(object) => vec![(path, Some(RawListener::Object(object)))],
        RawListen::Many(list) if list.is_empty() => {
            context
                .report
                .value(&path, "is empty; name an address such as `127.0.0.1:8080`");
            return None;
        }
        RawListen::Many(list) => list
            .into_iter()
            .enumerate()
            .map(|(index, listener)| (path.index(index), listener))
            .collect(),
    };
    let mut listeners: Vec<Listener> = Vec::new();
    for (path, raw) in raw {
        let listener = raw.and_then(|raw| listener(context, &path, raw));
        listeners.extend(listener.inspect(|listener| {
            if clashes(&listeners, listener.address) {
                let message = format!("{} is listed already; remove one of them", listener.address);
                context.report.value(&path, message);
            }
        }));
    }
    Some(listeners)
}

/// The admin listener; the inner `None` turns it off. Other machines may reach it only with a token.
pub(super) fn admin(
    context: &mut Context<'_, '_>,
    raw: Option<RawAdmin>,
    listeners: &[Listener],
) -> Option<Option<AdminListener>> {
    let path = FieldPath::root().key("admin");
    let (address, raw_token) = match raw? {
        RawAdmin::Off(_) => return Some(None),
        RawAdmin::Address(address) => (Some(address), None),
        RawAdmin::Object(object) => (object.address, object.token),
    };
    let token_path = path.key("token");
    let token = match &raw_token {
        None => Some(None),
        Some(raw) => source::secret(context, &token_path, &Source::from(raw)).map(Some),
    };
    let address = address?.0;
    if clashes(listeners, address) {
        let message = format!("{address} is taken by `listen`; give it another port, or `off`");
        context.report.value(&path, message);
    }
    if raw_token.is_none() && !address.ip().is_loopback() {
        let message = format!(
            "is missing, and {address} can be reached from other machines; write `admin: {{ address: \"{address}\", token: {{ env: WEIR_ADMIN_TOKEN }} }}`, or take a loopback address such as 127.0.0.1:{}",
            address.port()
        );
        context.report.value(&token_path, message);
    }
    let token = token?;
    Some(Some(AdminListener { address, token }))
}

fn listener(context: &mut Context<'_, '_>, path: &FieldPath, raw: RawListener) -> Option<Listener> {
    match raw {
        RawListener::Address(address) => Some(Listener {
            address: address.0,
            tls: None,
        }),
        RawListener::Object(RawListenerObject { address, tls: None }) => Some(Listener {
            address: address?.0,
            tls: None,
        }),
        RawListener::Object(RawListenerObject {
            address,
            tls: Some(raw),
        }) => {
            let tls = tls(context, &path.key("tls"), raw);
            Some(Listener {
                address: address?.0,
                tls: Some(tls?),
            })
        }
    }
}

fn tls(
    context: &mut Context<'_, '_>,
    path: &FieldPath,
    raw: RawListenerTls,
) -> Option<ListenerTls> {
    let names = ["cert_file", "key_file"];
    let has_none = raw.cert_file.is_none() && raw.key_file.is_none() && raw.certificates.is_none();
    if has_none && !context.report.tells_below(path) {
        let message =
            "is missing; give `cert_file` and `key_file`, or a list of them under `certificates`";
        context.report.value(&path.key("cert_file"), message);
    }
    let first = certificates::pair(context, path, names, raw.cert_file, raw.key_file);
    let others = raw.certificates.unwrap_or_default();
    let others = certificates::list(context, &path.key("certificates"), others);
    let clients = clients(context, path, raw.client_ca_file, raw.client_auth);
    let (first, others) = (first?, others?);
    Some(ListenerTls {
        certificates: first.into_iter().chain(others).collect(),
        clients: clients?,
        min_version: raw.min_version?.0,
    })
}

/// Which certificates clients show; the inner `None` is none.
fn clients(
    context: &mut Context<'_, '_>,
    path: &FieldPath,
    ca_file: Option<PathBuf>,
    auth: Option<RawClientAuth>,
) -> Option<Option<ClientCertificates>> {
    let Some(ca_file) = ca_file else {
        if auth.is_some() {
            let message = "has no effect without `client_ca_file`, which says whose certificates are good; give that, or remove it";
            context.report.key(&path.key("client_auth"), message);
        }
        return Some(None);
    };
    let ca_file = context.readable_file(&path.key("client_ca_file"), &ca_file)?;
    Some(Some(ClientCertificates {
        ca_file,
        required: auth != Some(RawClientAuth::Optional),
    }))
}

/// Port 0 takes another free port each time.
fn clashes(listeners: &[Listener], address: SocketAddr) -> bool {
    address.port() != 0 && listeners.iter().any(|listener| listener.address == address)
}
