//! Checks how the health of endpoints is found out: the common settings, and those of each upstream.
//! It must not probe anything.

use super::check::Context;
use super::path::FieldPath;
use super::raw::{RawHealth, RawProbe, RawUpstreamHealth};
use super::{BreakerSettings, HealthSettings, KindFacts, Probe};

/// The settings of upstreams that have none of their own.
pub(super) fn common(context: &mut Context<'_, '_>, raw: RawHealth) -> RawHealth {
    let path = FieldPath::root().key("health");
    check_error_rate(context, &path, &raw);
    check_ejection(context, &path, &raw);
    raw
}

/// The settings of one upstream: its own, and the common ones in the place of those that it does not have.
pub(super) fn of_upstream(
    context: &mut Context<'_, '_>,
    path: &FieldPath,
    common: &RawHealth,
    own: RawUpstreamHealth,
    facts: Option<&KindFacts>,
) -> Option<HealthSettings> {
    let sets_error_rate = own.error_rate.is_some();
    let sets_ejection = own.eject.is_some() || own.eject_max.is_some();
    let merged = common.with(own);
    // What is wrong with the common settings is told there.
    if sets_error_rate {
        check_error_rate(context, path, &merged);
    }
    if sets_ejection {
        check_ejection(context, path, &merged);
    }
    settings(merged, facts?)
}

fn check_error_rate(context: &mut Context<'_, '_>, path: &FieldPath, raw: &RawHealth) {
    if raw.error_rate.is_some_and(|share| share.0 == 0.0) {
        let path = path.key("error_rate");
        let shown = context.report.shown(&path);
        let message =
            format!("{shown} would take endpoints out that never failed; write for example `50%`");
        context.report.value(&path, message);
    }
}

fn check_ejection(context: &mut Context<'_, '_>, path: &FieldPath, raw: &RawHealth) {
    let first = ("eject", raw.eject.map(|first| first.0));
    let most = ("eject_max", raw.eject_max.map(|most| most.0));
    context.check_order(path, first, most);
}

fn settings(raw: RawHealth, facts: &KindFacts) -> Option<HealthSettings> {
    let path = match raw.probe? {
        RawProbe::Auto(_) => Some(facts.health_path.to_owned()),
        RawProbe::Path(path) => Some(path),
        RawProbe::Off(_) => None,
    };
    let (interval, timeout) = (raw.interval?.0, raw.timeout?.0);
    let (rise, fall) = (raw.rise?, raw.fall?);
    Some(HealthSettings {
        probe: path.map(|path| Probe {
            path,
            interval,
            timeout,
            rise,
            fall,
        }),
        breaker: BreakerSettings {
            failures: raw.failures?,
            error_rate: raw.error_rate?.0,
            samples: raw.samples?,
            eject: raw.eject?.0,
            eject_max: raw.eject_max?.0,
            ejected_share: raw.ejected_share?.0,
        },
        slow_start: raw.slow_start?.0,
    })
}

impl RawHealth {
    /// These, with those that an upstream sets in their place.
    fn with(&self, own: RawUpstreamHealth) -> RawHealth {
        RawHealth {
            probe: own.probe.or_else(|| self.probe.clone()),
            interval: own.interval.or(self.interval),
            timeout: own.timeout.or(self.timeout),
            rise: own.rise.or(self.rise),
            fall: own.fall.or(self.fall),
            failures: own.failures.or(self.failures),
            error_rate: own.error_rate.or(self.error_rate),
            samples: own.samples.or(self.samples),
            eject: own.eject.or(self.eject),
            eject_max: own.eject_max.or(self.eject_max),
            ejected_share: own.ejected_share.or(self.ejected_share),
            slow_start: own.slow_start.or(self.slow_start),
        }
    }
}
