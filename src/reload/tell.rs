//! What operators hear of reloads: metrics and the log.

use std::time::{Duration, SystemTime};

use tracing::{error, info, warn};

use crate::gateway::{Changed, Changes, Gateway};
use crate::tls::Expiry;

use super::{Cause, Standing};

/// Names of one list that a log line shows; more are only counted. The admin API gives all.
const NAMES_SHOWN_MAX: usize = 20;

pub(super) fn started(gateway: &Gateway, standing: &Standing) {
    came_into_force(gateway, standing);
    expiries(gateway, &standing.expiries, standing.loaded_at);
}

pub(super) fn reloaded(
    gateway: &Gateway,
    cause: Cause,
    took: Duration,
    reloaded: &Result<Changes, Vec<String>>,
    standing: &Standing,
) {
    let metrics = &gateway.metrics;
    let took_ms = u64::try_from(took.as_millis()).unwrap_or(u64::MAX);
    match reloaded {
        Ok(changes) => {
            came_into_force(gateway, standing);
            done(gateway, cause, took_ms, changes);
            gateway
                .snapshot()
                .config
                .warnings()
                .iter()
                .for_each(|warning| warn!("{warning}"));
            expiries(gateway, &standing.expiries, standing.loaded_at);
        }
        Err(problems) => {
            metrics.config_last_reload_successful.set(0);
            refused(cause, took_ms, problems);
        }
    }
    let outcome = if reloaded.is_ok() { "done" } else { "refused" };
    // Last: whoever waits for it finds all the rest.
    metrics.config_reloads.with_label_values(&[outcome]).inc();
}

fn came_into_force(gateway: &Gateway, standing: &Standing) {
    let since = standing.loaded_at.duration_since(SystemTime::UNIX_EPOCH);
    let seconds = since.map_or(0, |since| {
        i64::try_from(since.as_secs()).unwrap_or(i64::MAX)
    });
    let metrics = &gateway.metrics;
    metrics.config_last_reload_success.set(seconds);
    metrics.config_last_reload_successful.set(1);
    let generation = i64::try_from(gateway.generation()).unwrap_or(i64::MAX);
    metrics.config_generation.set(generation);
}

fn done(gateway: &Gateway, cause: Cause, took_ms: u64, changes: &Changes) {
    let generation = gateway.generation();
    if changes.is_empty() {
        info!(
            ?cause,
            generation, took_ms, "configuration reloaded; it says the same as before"
        );
        return;
    }
    let Changes {
        upstreams,
        models,
        aliases,
        keys,
        client_keys,
        issuers,
        tenants,
        plans,
        prices,
        settings,
        needs_restart,
    } = changes;
    let agreed = [
        ("client keys", client_keys),
        ("issuers", issuers),
        ("tenants", tenants),
        ("plans", plans),
        ("prices", prices),
    ];
    info!(
        ?cause,
        generation,
        took_ms,
        upstreams = changed(upstreams),
        models = changed(models),
        aliases = changed(aliases),
        keys = changed(keys),
        callers = all_changed(&agreed),
        settings = shown(settings),
        "configuration reloaded"
    );
    if !needs_restart.is_empty() {
        let settings = shown(needs_restart);
        warn!(
            settings,
            "these settings keep their old value until weir is restarted"
        );
    }
}

fn refused(cause: Cause, took_ms: u64, problems: &[String]) {
    error!(
        ?cause,
        took_ms,
        problems = problems.len(),
        "the new configuration is refused, and the old one goes on"
    );
    problems.iter().for_each(|problem| error!("{problem}"));
}

/// `added a, b; altered c`; empty where nothing has changed.
fn changed(changed: &Changed) -> String {
    let lists = [
        ("added", &changed.added),
        ("removed", &changed.removed),
        ("altered", &changed.altered),
    ];
    let told = lists.iter().filter(|(_, names)| !names.is_empty());
    let told = told.map(|(what, names)| format!("{what} {}", shown(names)));
    told.collect::<Vec<_>>().join("; ")
}

/// `tenants: added acme | plans: altered starter`; empty where nothing has changed.
fn all_changed(lists: &[(&str, &Changed)]) -> String {
    let told = lists.iter().map(|(what, list)| (what, changed(list)));
    let told = told.filter(|(_, text)| !text.is_empty());
    let told = told.map(|(what, text)| format!("{what}: {text}"));
    told.collect::<Vec<_>>().join(" | ")
}

fn shown(names: &[String]) -> String {
    let first = names.iter().take(NAMES_SHOWN_MAX).cloned();
    let more = names.len().saturating_sub(NAMES_SHOWN_MAX);
    let rest = (more > 0).then(|| format!("and {more} more"));
    first.chain(rest).collect::<Vec<_>>().join(", ")
}

/// Shows when certificates end, and warns of those that soon do.
pub(super) fn expiries(gateway: &Gateway, expiries: &[Expiry], now: SystemTime) {
    let ends = &gateway.metrics.certificate_expiry;
    // Those that are no longer configured must not be shown for good.
    ends.reset();
    for expiry in expiries {
        let file = expiry.file.display().to_string();
        ends.with_label_values(&[&file]).set(expiry.timestamp());
        if let Some(warning) = expiry.warning(now) {
            warn!("{warning}");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_lists_are_cut_and_empty_ones_left_out() {
        let names = |count: usize| (0..count).map(|n| format!("m{n}")).collect::<Vec<_>>();
        let all = Changed {
            added: names(2),
            removed: Vec::new(),
            altered: names(NAMES_SHOWN_MAX + 3),
        };
        let text = changed(&all);
        assert!(text.starts_with("added m0, m1; altered m0, "), "{text}");
        assert!(text.ends_with("m19, and 3 more"), "{text}");
        assert_eq!(changed(&Changed::default()), "");
    }
}
