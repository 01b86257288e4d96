//! Who is to blame for a failed attempt: the endpoint, the key, or neither; and who hears of it.

use std::time::{Duration, Instant};

use tracing::{debug, warn};

use crate::fault::Fault;
use crate::gateway::{Gateway, Snapshot};
use crate::upstream::health::Trial;
use crate::upstream::{Broken, Change, Endpoint, Harm, KeyVerdict, is_loading};

use super::attempt::{Attempt, Cause, Failure, Refusal};
use super::settle::Record;

/// How long an endpoint without keys that answers 429 is left alone, where it does not say.
const BUSY_FOR: Duration = Duration::from_secs(1);
/// Longer than this no endpoint is left alone for a 429.
const BUSY_MAX: Duration = Duration::from_secs(60);

/// Lays a refusal at its door: a key that is refused or used up, an endpoint that is busy or loading. What says something
/// against the request itself, or is final, stays what it is.
pub fn lay(attempt: &Attempt<'_>, failure: Failure, record: &mut Record) -> Failure {
    let (refusal, stands) = match failure {
        // Judged already.
        Failure::Next {
            cause: Cause::Elsewhere,
            ..
        } => return failure,
        Failure::Next { refusal, .. } => (refusal, false),
        Failure::Stands(refusal) => (refusal, true),
        Failure::Final(fault) => return Failure::Final(fault),
    };
    let status = status_of(&refusal.fault);
    // Nothing else is tried: it would be at weir's expense.
    if attempt.own_key && status.is_some_and(is_about_an_account) {
        return Failure::Stands(refusal);
    }
    if is_keys_matter(attempt, status, &refusal, record) {
        return Failure::Next {
            refusal: words_of_weirs_account(attempt, refusal),
            cause: Cause::Key,
        };
    }
    let said = refusal.said.as_ref().map_or(&[][..], |said| &said.body);
    match status {
        Some(503) if is_loading(said) => Failure::Next {
            refusal,
            cause: Cause::Loading,
        },
        Some(429) if !attempt.credential => {
            let wait = record.retry_after.unwrap_or(BUSY_FOR).min(BUSY_MAX);
            attempt.endpoint.health.busy_until(Instant::now() + wait);
            Failure::Next {
                refusal,
                cause: Cause::Busy,
            }
        }
        // weir was told that this host serves the model; another may still.
        Some(404) if refusal.reason.model_unknown => {
            attempt.endpoint.state.learn_now.notify_one();
            Failure::Next {
                refusal,
                cause: Cause::Elsewhere,
            }
        }
        _ if stands || refusal.reason.context_too_long => Failure::Stands(refusal),
        _ => Failure::Next {
            refusal,
            cause: Cause::Endpoint,
        },
    }
}

/// The status that an upstream answered with, or would have without the stream.
fn status_of(fault: &Fault) -> Option<u16> {
    match fault {
        Fault::UpstreamStatus { status, .. }
        | Fault::FirstEvent { status, .. }
        | Fault::CredentialRefused { status, .. } => Some(*status),
        _ => None,
    }
}

/// Whether a refusal with this status speaks of whose key it was: of its rights, its credit or its limits.
pub fn is_about_an_account(status: u16) -> bool {
    matches!(status, 401..=403 | 429)
}

/// Tells the key what came back; whether the answer is about weir's account there, and not about the request.
fn is_keys_matter(
    attempt: &Attempt<'_>,
    status: Option<u16>,
    refusal: &Refusal,
    record: &mut Record,
) -> bool {
    let gateway = &attempt.exchange.gateway;
    let code = refusal.reason.code.as_deref();
    let blamed = status.is_some_and(|status| blame_key(gateway, status, code, record));
    // A key that was revived in the meantime is not put aside again by it, but the words are no more the client's.
    blamed || (attempt.credential && matches!(status, Some(401 | 402)))
}

/// Tells the key in use what came back, and operators what that did to it; whether it is to blame.
pub fn blame_key(gateway: &Gateway, status: u16, code: Option<&str>, record: &mut Record) -> bool {
    let Some(verdict) = record.blame_key(status, code) else {
        return false;
    };
    let reason = match verdict {
        KeyVerdict::Unaffected => return false,
        KeyVerdict::ModelRests { reason, .. } | KeyVerdict::KeyRests { reason, .. } => {
            reason.as_str()
        }
        KeyVerdict::Out(reason) => reason.as_str(),
    };
    let (upstream, key) = (record.upstream_name(), record.key().unwrap_or_default());
    warn!(upstream, key, status, ?verdict, "upstream key put aside");
    let labels = [upstream, key, reason];
    gateway.metrics.key_rests.with_label_values(&labels).inc();
    true
}

/// What an upstream says of weir's own account (its key, its credit, its limits, its organization) is not the caller's to
/// read.
fn words_of_weirs_account(attempt: &Attempt<'_>, refusal: Refusal) -> Refusal {
    Refusal::of(match status_of(&refusal.fault) {
        Some(status @ 401..=403) => Fault::CredentialRefused {
            upstream: attempt.name(),
            status,
        },
        _ => refusal.fault,
    })
}

/// Tells metrics and the endpoint's health how the attempt went.
pub fn report(attempt: &Attempt<'_>, outcome: &Result<(), Failure>) {
    let trial = attempt.trial.lock().take();
    let gateway = &attempt.exchange.gateway;
    let name = attempt.endpoint.upstream.name.as_str();
    let (label, fault, cause) = match outcome {
        Ok(()) => ("accepted", None, None),
        Err(Failure::Next { refusal, cause }) => {
            (refusal.fault.label(), Some(&refusal.fault), Some(*cause))
        }
        Err(Failure::Stands(refusal)) => (refusal.fault.label(), Some(&refusal.fault), None),
        Err(Failure::Final(fault)) => (fault.label(), Some(fault), None),
    };
    gateway
        .metrics
        .attempts
        .with_label_values(&[name, label])
        .inc();
    if let Some(fault) = fault {
        let endpoint = attempt.endpoint.name.as_str();
        debug!(upstream = name, endpoint, %fault, "attempt failed");
    }
    let blamed = fault.filter(|fault| !attempt.had_no_time(fault));
    match (blamed.and_then(harm), cause) {
        // A host may be loading one model and serve others: only probes say it of the whole endpoint.
        (_, Some(Cause::Key | Cause::Busy | Cause::Loading | Cause::Elsewhere)) => {}
        (Some(harm), _) => {
            gateway.report_harm(&attempt.exchange.snapshot, attempt.endpoint, harm, trial);
        }
        // An answer, be it a refusal of the request, comes from an endpoint that works.
        (None, None) if answered(outcome) => gateway.report_served(attempt.endpoint, trial),
        (None, _) => {}
    }
}

/// The same for a handshake, which is no exchange.
pub fn report_handshake(
    gateway: &Gateway,
    snapshot: &Snapshot,
    endpoint: &Endpoint,
    fault: Option<&Fault>,
    trial: Option<Trial>,
) {
    let label = fault.map_or("accepted", Fault::label);
    let labels = [endpoint.upstream.name.as_str(), label];
    gateway.metrics.attempts.with_label_values(&labels).inc();
    match fault.map(harm) {
        None => gateway.report_served(endpoint, trial),
        Some(Some(harm)) => gateway.report_harm(snapshot, endpoint, harm, trial),
        Some(None) => {}
    }
}

/// What a broken connection comes to, before anything was sent to the client.
pub fn broken(upstream: &str, broken: &Broken) -> Fault {
    warn!(upstream, cause = %broken, "connection failed");
    let upstream = upstream.to_owned();
    match broken {
        Broken::Unreachable(_) => Fault::Connect { upstream },
        Broken::Stale | Broken::Closed(_) => Fault::ClosedEarly { upstream },
        Broken::Invalid(_) => Fault::Unintelligible {
            upstream,
            what: "no HTTP".to_owned(),
        },
    }
}

/// Tells operators of a change, where there is one.
pub fn tell(gateway: &Gateway, endpoint: &Endpoint, change: Option<Change>) {
    if let Some(change) = change {
        gateway.note_change(endpoint, change);
    }
}

fn answered(outcome: &Result<(), Failure>) -> bool {
    matches!(outcome, Ok(()) | Err(Failure::Stands(_)))
}

/// What counts against an endpoint. What a client has caused never does, nor a key.
fn harm(fault: &Fault) -> Option<Harm> {
    match fault {
        Fault::Connect { .. } => Some(Harm::Connect),
        Fault::ClosedEarly { .. } => Some(Harm::Reset),
        Fault::Unintelligible { .. } => Some(Harm::ServerError),
        // An error event that speaks of the request is the client's.
        Fault::ErrorEvent { status, .. } => (*status >= 500).then_some(Harm::ServerError),
        Fault::UpstreamStatus { status, .. } | Fault::FirstEvent { status, .. } => {
            // 501 says that the endpoint cannot do what was asked, not that it fails.
            (*status >= 500 && *status != 501).then_some(Harm::ServerError)
        }
        Fault::Timeout { .. } => Some(Harm::Timeout),
        Fault::Truncated { .. } => Some(Harm::Truncated),
        Fault::Stalled { .. } => Some(Harm::Stalled),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clients_and_keys_never_harm_an_endpoint() {
        let upstream = || "a".to_owned();
        for status in [400, 401, 402, 403, 404, 408, 413, 422, 429, 501] {
            let fault = Fault::UpstreamStatus {
                upstream: upstream(),
                status,
            };
            assert_eq!(harm(&fault), None, "{status}");
        }
        for status in [500, 502, 503, 504, 529] {
            let fault = Fault::FirstEvent {
                upstream: upstream(),
                status,
            };
            assert_eq!(harm(&fault), Some(Harm::ServerError), "{status}");
        }
        assert_eq!(harm(&Fault::ClientGone), None);
        assert_eq!(
            harm(&Fault::Truncated {
                upstream: upstream()
            }),
            Some(Harm::Truncated)
        );
    }
}
