//! A configuration that may come into force: everything of it that can be read and checked before anything is changed.

use std::path::Path;
use std::sync::Arc;

use crate::config::{Config, Listener};
use crate::gateway::FixedSettings;
use crate::tls::{Expiry, Identity, Listening, Shown};

use super::Environment;
use super::files::Marks;

pub(super) struct Candidate {
    pub config: Config,
    /// For each listener of the process; `None` where it is cleartext or no longer configured.
    pub shown: Vec<Option<Shown>>,
    /// Listeners whose certificates, or what they ask of clients, say something else.
    pub tls_changes: Vec<String>,
    pub needs_restart: Vec<String>,
    pub expiries: Vec<Expiry>,
    pub marks: Marks,
}

impl Candidate {
    /// Reads the configuration in `path` for a process with these `listeners`. `known` are the marks of the configuration in
    /// force.
    ///
    /// # Errors
    /// Everything that is wrong, a line each.
    pub fn read(
        path: &Path,
        environment: Environment,
        fixed: &FixedSettings,
        listeners: &[Option<Arc<Listening>>],
        known: &Marks,
    ) -> Result<Candidate, Vec<String>> {
        // Before they are read: what changes meanwhile is then seen as a change.
        let before = known.again();
        let config = Config::load(path, &environment).map_err(|problems| {
            problems
                .to_string()
                .lines()
                .map(str::to_owned)
                .collect::<Vec<_>>()
        })?;
        let read = read_listeners(&config.listen)?;
        let expiries = read
            .iter()
            .flatten()
            .flat_map(Shown::expiries)
            .chain(identity_expiries(&config))
            .collect();
        let shown = for_running(read, &config.listen, fixed);
        let tls_changes = tls_changes(listeners, &shown);
        Ok(Candidate {
            marks: Marks::of(path, &config).but_where_known(before),
            needs_restart: fixed.differing(&config),
            config,
            shown,
            tls_changes,
            expiries,
        })
    }
}

/// When the certificates that weir shows end: to clients on these listeners, and to upstreams.
pub(super) fn expiries(config: &Config, listeners: &[Option<Arc<Listening>>]) -> Vec<Expiry> {
    let shown = listeners.iter().flatten();
    let shown = shown.flat_map(|listening| listening.expiries());
    shown.chain(identity_expiries(config)).collect()
}

/// Files that cannot be read are told when the upstream is built.
fn identity_expiries(config: &Config) -> impl Iterator<Item = Expiry> {
    let identities = config
        .upstreams
        .iter()
        .filter_map(|upstream| upstream.tls.identity.as_ref());
    identities.filter_map(|files| Some(Identity::read(files).ok()?.expiry()))
}

/// The TLS sides of all listeners, those that wait for a restart among them: they would keep weir from starting.
fn read_listeners(listen: &[Listener]) -> Result<Vec<Option<Shown>>, Vec<String>> {
    let mut problems = Vec::new();
    let read = listen.iter().enumerate().map(|(index, listener)| {
        let shown = Shown::read(listener.tls.as_ref()?);
        let noted =
            shown.map_err(|problem| problems.push(format!("listen[{index}].tls: {problem}")));
        noted.ok()
    });
    let read = read.collect();
    if problems.is_empty() {
        Ok(read)
    } else {
        Err(problems)
    }
}

/// What is read goes to the listener of the same address; several of one address (port 0) are taken in their order.
fn for_running(
    mut read: Vec<Option<Shown>>,
    listen: &[Listener],
    fixed: &FixedSettings,
) -> Vec<Option<Shown>> {
    let running = fixed.listen().iter().map(|(address, has_tls)| {
        let fitting = listen
            .iter()
            .zip(&mut read)
            .find(|(listener, shown)| *has_tls && listener.address == *address && shown.is_some());
        fitting.and_then(|(_, shown)| shown.take())
    });
    running.collect()
}

fn tls_changes(listeners: &[Option<Arc<Listening>>], shown: &[Option<Shown>]) -> Vec<String> {
    let pairs = listeners.iter().zip(shown).enumerate();
    let changed = pairs.filter(|(_, (listening, shown))| match (listening, shown) {
        (Some(listening), Some(shown)) => listening.differs(shown),
        _ => false,
    });
    changed
        .map(|(index, _)| format!("listen[{index}].tls"))
        .collect()
}
