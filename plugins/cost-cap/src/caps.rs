//! A rule as it stands for one request: how much of its period is used, and what still fits.
//! The counters are in the host's kv, shared by all instances, and go away with their period.

use weir_plugin::{Host, PluginError, Rejection, RequestMeta};

use crate::config::{PeriodCap, Rule};
use crate::cost::Nanos;
use crate::period;

/// A counter lives a little longer than its period, in milliseconds: what began in it may still be given back.
const LINGER_MS: u64 = 600_000;
/// Of a subject's name, in a counter's key; longer ones are told apart by a hash of the rest.
const SUBJECT_BYTES_MAX: usize = 128;

/// A rule that is for this request.
pub(crate) struct Applied<'c> {
    pub rule: &'c Rule,
    subject: String,
    pub counted: Option<Counted>,
}

/// What its period says.
pub(crate) struct Counted {
    pub cap: PeriodCap,
    key: String,
    pub used: Nanos,
    ends_ms: u64,
    ttl_ms: u64,
}

impl<'c> Applied<'c> {
    /// `None` where the rule is not for this request, or counts by what the request does not have.
    pub(crate) fn to(
        rule: &'c Rule,
        meta: &RequestMeta,
        host: &dyn Host,
    ) -> Result<Option<Applied<'c>>, PluginError> {
        let Some(subject) = rule.by.of(meta).filter(|_| rule.is_for(meta)) else {
            return Ok(None);
        };
        let counted = match rule.period {
            None => None,
            Some(cap) => {
                let now = host.unix_ms();
                let (begins, ends_ms) = cap.per.around(now);
                let key = format!("{}/{begins}/{}", rule.name, bounded(subject));
                let ttl_ms = ends_ms - now + LINGER_MS;
                let used = Nanos(host.kv_add(&key, 0, Some(ttl_ms)).map_err(no_counter)?);
                Some(Counted {
                    cap,
                    key,
                    used,
                    ends_ms,
                    ttl_ms,
                })
            }
        };
        Ok(Some(Applied {
            rule,
            subject: subject.to_owned(),
            counted,
        }))
    }

    /// Whether an exchange of that cost is within its caps. One that is tried again is counted in its period already.
    pub(crate) fn allows(&self, cost: Nanos, is_counted: bool) -> bool {
        let fits_request = self.rule.request_cap.is_none_or(|cap| cost <= cap);
        let fits_period = is_counted || self.fits_period(cost);
        fits_request && fits_period
    }

    fn fits_period(&self, cost: Nanos) -> bool {
        self.counted
            .as_ref()
            .is_none_or(|counted| counted.used.0.saturating_add(cost.0) <= counted.cap.amount.0)
    }

    /// 0 as long as there is plenty, 1 where the period's cap is used up.
    pub(crate) fn pressure(&self) -> f64 {
        let Some(counted) = &self.counted else {
            return 0.0;
        };
        let used = match counted.cap.amount.0 {
            0 => 1.0,
            cap => counted.used.0 as f64 / cap as f64,
        };
        let from = counted.cap.prefer_cheaper_from;
        match from < 1.0 {
            true => ((used - from) / (1.0 - from)).clamp(0.0, 1.0),
            false => 0.0,
        }
    }

    /// Why a cost, the least that there is, is refused.
    pub(crate) fn refusal(&self, cost: Nanos, currency: &str) -> Rejection {
        let name = &self.rule.name;
        let whose = match self.subject.is_empty() {
            true => format!("`{name}`"),
            false => format!("`{name}` for `{}`", self.subject),
        };
        if let Some(cap) = self.rule.request_cap.filter(|cap| cost > *cap) {
            let message = format!(
                "this request is expected to cost at least {cost} {currency}, and {whose} allows {cap} for one; \
                 ask for fewer output tokens, a shorter prompt or a cheaper model"
            );
            return Rejection::new(402, "cost_cap_request", message);
        }
        let Some(counted) = &self.counted else {
            return Rejection::new(402, "cost_cap", format!("{whose} allows no more"));
        };
        let (cap, used, per) = (counted.cap.amount, counted.used, counted.cap.per.name());
        let again = period::text(counted.ends_ms);
        let message = format!(
            "this request is expected to cost at least {cost} {currency}, and of the {cap} that {whose} allows a {per}, \
             {used} are used; it begins anew at {again}"
        );
        Rejection::new(402, "cost_cap_period", message)
    }
}

impl Counted {
    /// Counts an exchange; gives back what is counted with it.
    pub(crate) fn add(&self, cost: i64, host: &dyn Host) -> Result<Nanos, PluginError> {
        let sum = host.kv_add(&self.key, cost, Some(self.ttl_ms));
        sum.map(Nanos).map_err(no_counter)
    }
}

fn no_counter(why: String) -> PluginError {
    PluginError::Permanent(format!("its counters cannot be used: {why}"))
}

/// Keys of counters have a bound, whatever a claim of a token may hold.
fn bounded(subject: &str) -> String {
    if subject.len() <= SUBJECT_BYTES_MAX {
        return subject.to_owned();
    }
    let mut cut = SUBJECT_BYTES_MAX;
    while !subject.is_char_boundary(cut) {
        cut -= 1;
    }
    // FNV-1a: to tell names apart, not to hide them.
    let hash = subject
        .bytes()
        .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
        });
    format!("{}~{hash:016x}", &subject[..cut])
}
