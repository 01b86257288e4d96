//! What a sound configuration does that its author may not have meant: sentences for `weir check` and the log.
//! A warning never stops anything; what must stop is a problem.

use super::{Config, Listener, Upstream, UpstreamModels};

/// One sentence each, in the order of the file.
pub(super) fn warnings(config: &Config) -> Vec<String> {
    let exposed = config.listen.iter().filter_map(of_listener);
    let admin = config.admin.filter(|admin| !admin.ip().is_loopback());
    let admin = admin.map(|admin| {
        format!("admin: {admin} can be reached from other machines and asks nobody who they are; use a loopback address unless the network is trusted")
    });
    let upstreams = config
        .upstreams
        .iter()
        .flat_map(|upstream| of_upstream(config, upstream));
    exposed.chain(admin).chain(upstreams).collect()
}

fn of_listener(listener: &Listener) -> Option<String> {
    let address = listener.address;
    let cleartext = match &listener.tls {
        Some(_) => "",
        None => ", in cleartext",
    };
    (!address.ip().is_loopback()).then(|| {
        format!("listen: {address} can be reached from other machines{cleartext}, and clients are not authenticated yet; everyone who can connect can use every upstream")
    })
}

fn of_upstream(config: &Config, upstream: &Upstream) -> Vec<String> {
    let name = &upstream.name;
    let facts = upstream.kind.facts();
    let is_default = config.default_upstream.as_ref() == Some(name);
    let is_target = config
        .models
        .values()
        .flat_map(|model| &model.targets)
        .any(|target| target.upstream == *name);
    let learns = matches!(upstream.models, UpstreamModels::Auto { .. });
    let serves_nothing = upstream.models == UpstreamModels::Targets && !is_target && !is_default;
    let is_vendor = facts.url.is_some() || !facts.lists_models;
    let has_credential = !upstream.keys.is_empty()
        || !upstream.headers.is_empty()
        || !upstream.forward_credentials.is_empty();
    let is_local = upstream.base.host == "localhost"
        || upstream
            .base
            .host
            .parse()
            .is_ok_and(|ip: std::net::IpAddr| ip.is_loopback());
    let cases = [
        (
            serves_nothing,
            format!("serves no model: {} has no list of them to learn from; name them in its `models` or as targets", facts.name),
        ),
        (
            learns && !facts.lists_models,
            format!("learns models from the list of {}, which does not name what requests must ask for; name them in its `models`", facts.name),
        ),
        (
            is_vendor && !has_credential,
            format!("has neither `keys` nor `headers`, and {} will refuse it", facts.name),
        ),
        (
            !upstream.keys.is_empty() && !upstream.base.tls && !is_local,
            "sends its keys in cleartext, because its URL is `http://`".to_owned(),
        ),
        (
            !upstream.tls.verify,
            "does not verify the certificate (`tls.verify: false`); anyone on the way can read its keys and requests".to_owned(),
        ),
    ];
    let told = cases.into_iter().filter(|(applies, _)| *applies);
    told.map(|(_, message)| format!("upstream {name}: {message}"))
        .collect()
}
