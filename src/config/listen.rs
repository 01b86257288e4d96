//! Checks where weir listens: `listen` and `admin`.
//! It must not bind anything, nor read what is in certificates.

use std::net::SocketAddr;

use super::check::Context;
use super::path::FieldPath;
use super::raw::{RawAdmin, RawListen, RawListener, RawListenerObject, RawListenerTls};
use super::{Listener, ListenerTls};

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

/// The admin listener's address; the inner `None` turns it off.
pub(super) fn admin(
    context: &mut Context<'_, '_>,
    raw: Option<RawAdmin>,
    listeners: &[Listener],
) -> Option<Option<SocketAddr>> {
    let address = match raw? {
        RawAdmin::Off(_) => return Some(None),
        RawAdmin::Address(address) => address.0,
    };
    if clashes(listeners, address) {
        context.report.value(
            &FieldPath::root().key("admin"),
            format!("{address} is taken by `listen`; give it another port, or `off`"),
        );
    }
    Some(Some(address))
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
    let mut readable = |key: &str, name: Option<std::path::PathBuf>| {
        context.readable_file(&path.key(key), name?.as_path())
    };
    let cert_file = readable("cert_file", raw.cert_file);
    let key_file = readable("key_file", raw.key_file);
    Some(ListenerTls {
        cert_file: cert_file?,
        key_file: key_file?,
    })
}

/// Port 0 takes another free port each time.
fn clashes(listeners: &[Listener], address: SocketAddr) -> bool {
    address.port() != 0 && listeners.iter().any(|listener| listener.address == address)
}
