//! What a sound configuration does that its author may not have meant: sentences for `weir check` and the log.
//! A warning never stops anything; what must stop is a problem.

use std::collections::{HashMap, HashSet};
use std::time::SystemTime;

use super::{
    Config, Listener, Model, ModelPattern, Policy, Upstream, UpstreamModels, UpstreamStatus,
    callers, utc,
};

/// One sentence each, in the order of the file.
pub(super) fn warnings(config: &Config) -> Vec<String> {
    let listeners = config.listen.iter().filter(|_| !config.access.required);
    let exposed = listeners.filter_map(of_listener);
    let upstreams = config.upstreams.iter();
    let online: HashSet<&str> = upstreams
        .clone()
        .filter(|upstream| upstream.status == UpstreamStatus::Online)
        .map(|upstream| upstream.name.as_str())
        .collect();
    let idle = online.is_empty().then(|| {
        "upstreams: all are offline or in maintenance, and every request will be refused".to_owned()
    });
    let targets = Targets::of(config);
    let upstreams = upstreams.flat_map(|upstream| of_upstream(config, &targets, upstream));
    let models = config.models.iter();
    let models = models.flat_map(|(name, model)| {
        let mut targets = model.targets.iter();
        let is_served = targets.any(|target| online.contains(target.upstream.as_str()));
        of_model(name, model, is_served || online.is_empty())
    });
    let callers = callers::warnings(config);
    exposed
        .chain(callers)
        .chain(idle)
        .chain(upstreams)
        .chain(models)
        .collect()
}

/// The models that each upstream is a target for, by its own names.
struct Targets<'c>(HashMap<&'c str, Vec<&'c str>>);

impl<'c> Targets<'c> {
    fn of(config: &'c Config) -> Self {
        let mut models: HashMap<_, Vec<_>> = HashMap::new();
        for target in config.models.values().flat_map(|model| &model.targets) {
            let of_upstream = models.entry(target.upstream.as_str()).or_default();
            of_upstream.push(target.model.as_str());
        }
        Self(models)
    }

    fn at(&self, upstream: &Upstream) -> &[&'c str] {
        self.0
            .get(upstream.name.as_str())
            .map_or(&[], Vec::as_slice)
    }
}

/// Keys that are not used any more.
pub(super) fn expired_keys(config: &Config, now: SystemTime) -> Vec<String> {
    let of_upstreams = config.upstreams.iter().flat_map(|upstream| {
        let given = upstream.keys.iter().map(|key| (&*key.label, key.expires));
        let stored = upstream.stored_keys.iter();
        let stored = stored.map(|key| (key.label(), key.expires()));
        let keys = given.chain(stored);
        keys.map(|(label, expires)| {
            (
                format!("upstream {}", upstream.name),
                label,
                expires,
                "used",
            )
        })
    });
    let of_callers = config.access.keys.iter();
    let of_callers = of_callers.map(|key| {
        (
            "access".to_owned(),
            &*key.label,
            key.expires,
            "taken any more",
        )
    });
    let expired = of_callers
        .chain(of_upstreams)
        .filter_map(|(of, label, expires, what)| {
            let expires = utc::text(expires.filter(|expires| *expires <= now)?);
            Some(format!(
                "{of}: key {label} expired at {expires} and is not {what}; replace it, or remove it"
            ))
        });
    expired.collect()
}

fn of_listener(listener: &Listener) -> Option<String> {
    let address = listener.address;
    let clients = listener.tls.as_ref().and_then(|tls| tls.clients.as_ref());
    if address.ip().is_loopback() || clients.is_some_and(|clients| clients.required) {
        return None;
    }
    let cleartext = match &listener.tls {
        Some(_) => "",
        None => ", in cleartext",
    };
    Some(format!(
        "listen: {address} can be reached from other machines{cleartext}, and callers need no key; everyone who can connect can use every upstream; configure `access`"
    ))
}

fn of_upstream(config: &Config, targets: &Targets<'_>, upstream: &Upstream) -> Vec<String> {
    let name = &upstream.name;
    let facts = upstream.kind.facts();
    let is_default = config.default_upstream.as_ref() == Some(name);
    let is_target = !targets.at(upstream).is_empty();
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
    told.map(|(_, message)| message)
        .chain(useless_keys(config, targets, upstream))
        .map(|message| format!("upstream {name}: {message}"))
        .collect()
}

/// Keys that are for none of the models of their upstream, where these are known.
fn useless_keys(config: &Config, targets: &Targets<'_>, upstream: &Upstream) -> Vec<String> {
    let listed: &[String] = match &upstream.models {
        UpstreamModels::Auto { .. } => return Vec::new(),
        UpstreamModels::Listed(listed) => listed,
        UpstreamModels::Targets => &[],
    };
    let listed = listed.iter().map(String::as_str);
    let models: Vec<&str> = targets.at(upstream).iter().copied().chain(listed).collect();
    let takes_the_rest = config.default_upstream.as_ref() == Some(&upstream.name);
    if models.is_empty() || takes_the_rest {
        return Vec::new();
    }
    let is_useless = |patterns: &[ModelPattern]| {
        let matches = |pattern: &ModelPattern| models.iter().any(|model| pattern.matches(model));
        !patterns.is_empty() && !patterns.iter().any(matches)
    };
    let keys = upstream.keys.iter().filter(|key| is_useless(&key.models));
    keys.map(|key| {
        format!("key {} is for none of its models, and is never used; they go by the names that the upstream has for them", key.label)
    })
    .collect()
}

fn of_model(name: &str, model: &Model, is_served: bool) -> Vec<String> {
    let policy = model.policy.name();
    let takes_weights = matches!(model.policy, Policy::Weighted | Policy::Split);
    let priced = model.targets.iter().filter(|target| target.price.is_some());
    let unpriced = model.targets.len() - priced.count();
    let cases = [
        (
            !is_served,
            "all its targets are at upstreams that are offline or in maintenance".to_owned(),
        ),
        (
            model.policy == Policy::Split && model.targets.len() == 1,
            "`policy: split` has one target, which gets everything".to_owned(),
        ),
        (
            !takes_weights && model.targets.iter().any(|target| target.weight != 1),
            format!("`weight` has no effect with `policy: {policy}`; write `weighted` or `split`"),
        ),
        (
            model.policy == Policy::Cost && unpriced > 0,
            format!(
                "{unpriced} of {} targets have no `price`, which `policy: cost` orders by",
                model.targets.len()
            ),
        ),
    ];
    let told = cases.into_iter().filter(|(applies, _)| *applies);
    told.map(|(_, message)| format!("model {name}: {message}"))
        .collect()
}
