//! What stands before an attempt at an endpoint: a place at its upstream, a key, and the leave to begin. It must not know how an
//! attempt is made.

use std::time::{Duration, Instant};

use crate::fault::Fault;
use crate::gateway::Gateway;
use crate::upstream::{self, Chosen, Lease};

use super::course::{Course, Leave};
use super::settle::Record;

/// When to look again for a place at an upstream that has as many exchanges as it may have.
const PLACE_LOOK: Duration = Duration::from_millis(50);

/// What stands before an attempt at an endpoint.
pub enum Leasing {
    /// With this key, where one is wanted.
    Go(Option<Lease>),
    /// No key is free there; the course has noted why.
    Elsewhere,
    /// A bound of the exchange has been reached.
    Stop,
}

/// Takes a key for an attempt, unless the client has brought its own, and the leave to begin it.
pub fn lease(
    gateway: &Gateway,
    endpoint: &upstream::Endpoint,
    model: &str,
    is_own: bool,
    course: &mut Course<'_>,
    record: &mut Record,
) -> Leasing {
    if let Some(charge) = &mut record.charge
        && let Err(soonest) = charge.extend_to(&endpoint.upstream)
    {
        course.note_key_free(soonest.unwrap_or(PLACE_LOOK), Instant::now());
        return Leasing::Elsewhere;
    }
    let chosen = match is_own {
        true => Chosen::NotNeeded,
        false => endpoint.account.choose(model),
    };
    let lease = match chosen {
        Chosen::NotNeeded => None,
        Chosen::Key(lease) => Some(lease),
        Chosen::Wait(soonest) => {
            course.note_key_free(soonest, Instant::now());
            return Leasing::Elsewhere;
        }
        Chosen::NotAllowed => {
            let model = model.to_owned();
            course.note_no_key(Fault::NoKeyFor { model });
            return Leasing::Elsewhere;
        }
        Chosen::AllOut => {
            let model = model.to_owned();
            course.note_no_key(Fault::NoKey { model });
            return Leasing::Elsewhere;
        }
    };
    if let Leave::Refused(bound) = course.begin_attempt(Instant::now()) {
        if let Some(lease) = lease {
            lease.unsent();
        }
        count_refused(gateway, bound);
        return Leasing::Stop;
    }
    count_failover(gateway, course, record);
    Leasing::Go(lease)
}

/// Counts an attempt that was not allowed.
pub fn count_refused(gateway: &Gateway, bound: &str) {
    let refused = &gateway.metrics.retries_refused;
    refused.with_label_values(&[bound]).inc();
}

/// Counts an attempt that follows a failed one.
fn count_failover(gateway: &Gateway, course: &Course<'_>, record: &Record) {
    if let Some((refusal, _)) = &course.last {
        let labels = [record.upstream_name(), refusal.fault.label()];
        gateway.metrics.failovers.with_label_values(&labels).inc();
    }
}
