//! Checks the sections about weir as a whole: `reload`, `limits`, `failover`, `server`, `log`, `timeouts`.
//! It must not know of upstreams and models.

use std::net::SocketAddr;

use super::check::Context;
use super::path::FieldPath;
use super::raw::{
    RawFailover, RawLimits, RawLog, RawReload, RawServer, RawThreads, RawTimeouts,
    RawUpstreamTimeouts,
};
use super::scalar::RawAddress;
use super::{Failover, Limits, Log, Reload, Server, Timeouts};

pub(super) fn reload(raw: RawReload) -> Option<Reload> {
    let debounce = raw.debounce?.0;
    Some(Reload {
        watch: raw.watch?.then_some(debounce),
    })
}

/// A body must fit into the room for all bodies.
pub(super) fn limits(context: &mut Context<'_, '_>, raw: RawLimits) -> Option<Limits> {
    let limits = Limits {
        body_bytes: raw.body_bytes?.0,
        buffered_bytes: raw.buffered_bytes?.0,
        body_read: raw.body_read?.0,
        client_write: raw.client_write?.0,
        event_bytes: raw.event_bytes?.0,
    };
    if limits.body_bytes > limits.buffered_bytes {
        let path = FieldPath::root().key("limits").key("body_bytes");
        context.report.value(
            &path,
            "is more than `limits.buffered_bytes`, so that no body of this size could ever be held; lower it, or raise that",
        );
    }
    Some(limits)
}

pub(super) fn failover(context: &mut Context<'_, '_>, raw: RawFailover) -> Option<Failover> {
    let path = FieldPath::root().key("failover");
    let first = ("backoff", raw.backoff.map(|first| first.0));
    let most = ("backoff_max", raw.backoff_max.map(|most| most.0));
    context.check_order(&path, first, most);
    Some(Failover {
        attempts: raw.attempts?,
        deadline: raw.deadline?.0,
        budget: raw.budget?.0,
        budget_floor: raw.budget_floor?,
        same_endpoint: raw.same_endpoint?,
        backoff: raw.backoff?.0,
        backoff_max: raw.backoff_max?.0,
        repeat_sent: raw.repeat_sent?,
        key_wait: raw.key_wait?.0,
        cold_start_wait: raw.cold_start_wait?.0,
    })
}

pub(super) fn server(raw: RawServer) -> Option<Server> {
    let cores = || std::thread::available_parallelism().map_or(1, usize::from);
    Some(Server {
        threads: match raw.threads? {
            RawThreads::Auto(_) => cores(),
            RawThreads::Count(count) => count,
        },
        upstream_idle_connections: raw.upstream_idle_connections?,
        shutdown_delay: raw.shutdown_delay?.0,
        shutdown_grace: raw.shutdown_grace?.0,
        dns_servers: addresses(raw.dns_servers?)?,
        response_headers: raw.response_headers?,
    })
}

fn addresses(raw: Vec<Option<RawAddress>>) -> Option<Vec<SocketAddr>> {
    let addresses = raw.into_iter();
    addresses
        .map(|address| address.map(|address| address.0))
        .collect()
}

pub(super) fn log(raw: RawLog) -> Option<Log> {
    Some(Log {
        format: raw.format?,
        access: raw.access?,
    })
}

pub(super) fn timeouts(raw: RawTimeouts) -> Option<Timeouts> {
    Some(Timeouts {
        connect: raw.connect?.0,
        first_byte: raw.first_byte?.0,
        idle: raw.idle?.0,
        total: raw.total?.0,
    })
}

impl Timeouts {
    /// These, with those that an upstream sets in their place.
    pub(super) fn with(self, own: &RawUpstreamTimeouts) -> Timeouts {
        Timeouts {
            connect: own.connect.map_or(self.connect, |own| own.0),
            first_byte: own.first_byte.map_or(self.first_byte, |own| own.0),
            idle: own.idle.map_or(self.idle, |own| own.0),
            total: own.total.map_or(self.total, |own| own.0),
        }
    }
}
