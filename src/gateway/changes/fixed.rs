//! What a process keeps from its start to its end, whatever it reads later.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use crate::config::{Config, Listener, Log, OnCorruption, Secret, StoreSettings};

use super::names;

/// What a process keeps from its start to its end, whatever it reads later.
#[derive(Debug, PartialEq)]
pub struct FixedSettings {
    /// Addresses, and whether each speaks TLS; certificates are read again.
    listen: Vec<(SocketAddr, bool)>,
    admin: Option<SocketAddr>,
    threads: usize,
    upstream_idle_connections: usize,
    dns_servers: Vec<SocketAddr>,
    log: Log,
    store: Option<FixedStore>,
    /// How long used signatures are remembered, which was settled with their first.
    signing_window: Duration,
    /// Where no store keeps one.
    pepper: Option<Secret>,
}

/// How the store was opened.
#[derive(Debug, PartialEq)]
struct FixedStore {
    path: PathBuf,
    cache_bytes: usize,
    commit_interval: Duration,
    on_corruption: OnCorruption,
}

impl FixedStore {
    fn of(store: &StoreSettings) -> FixedStore {
        FixedStore {
            path: store.path.clone(),
            cache_bytes: store.cache_bytes,
            commit_interval: store.commit_interval,
            on_corruption: store.on_corruption,
        }
    }

    fn differing(&self, wanted: &FixedStore) -> Vec<String> {
        names(&[
            ("store.path", self.path != wanted.path),
            ("store.cache", self.cache_bytes != wanted.cache_bytes),
            (
                "store.commit_interval",
                self.commit_interval != wanted.commit_interval,
            ),
            (
                "store.on_corruption",
                self.on_corruption != wanted.on_corruption,
            ),
        ])
    }
}

impl FixedSettings {
    pub fn of(config: &Config) -> FixedSettings {
        let listeners = config.listen.iter();
        let server = &config.server;
        FixedSettings {
            listen: listeners
                .map(|Listener { address, tls }| (*address, tls.is_some()))
                .collect(),
            admin: config.admin.as_ref().map(|admin| admin.address),
            threads: server.threads,
            upstream_idle_connections: server.upstream_idle_connections,
            dns_servers: server.dns_servers.clone(),
            log: config.log.clone(),
            store: config.store.as_ref().map(FixedStore::of),
            signing_window: config.access.signing.window,
            pepper: match config.store {
                Some(_) => None,
                None => config.access.pepper.clone(),
            },
        }
    }

    /// Where the process listens: addresses as configured, and whether each speaks TLS.
    pub fn listen(&self) -> &[(SocketAddr, bool)] {
        &self.listen
    }

    /// Those that `config` wants otherwise.
    pub fn differing(&self, config: &Config) -> Vec<String> {
        let wanted = FixedSettings::of(config);
        let mut told = names(&[
            ("listen", self.listen != wanted.listen),
            ("admin", self.admin != wanted.admin),
            ("server.threads", self.threads != wanted.threads),
            (
                "server.upstream_idle_connections",
                self.upstream_idle_connections != wanted.upstream_idle_connections,
            ),
            ("server.dns_servers", self.dns_servers != wanted.dns_servers),
            ("log", self.log != wanted.log),
            (
                "access.signing.window",
                self.signing_window != wanted.signing_window,
            ),
        ]);
        match (&self.store, &wanted.store) {
            (None, None) if self.pepper != wanted.pepper => told.push("access.pepper".to_owned()),
            (None, None) => {}
            (Some(store), Some(wanted)) => told.extend(store.differing(wanted)),
            (Some(_), None) | (None, Some(_)) => told.push("store".to_owned()),
        }
        told
    }
}
