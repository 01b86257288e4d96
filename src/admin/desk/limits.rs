//! Limits of anybody and anything: how they stand, and changed while weir runs. What is counted stays counted.

use std::time::Instant;

use http::StatusCode;

use crate::access::KeyId;
use crate::access::directory::{Name, Record};
use crate::admin::reply::{self, Refusal, Reply};
use crate::admin::shapes::{
    BalanceShown, BudgetShown, HeldShown, LimitsChange, LimitsShown, RateShown,
};
use crate::gateway::{Bounds, name_of};
use crate::ledger::query::moment;
use crate::limit::{self, Meter, Subject};
use crate::terms::{Budget, Limits};
use crate::wire::Operation;

use super::{Asked, Desk, bounds, not_changed, read};

impl Desk<'_> {
    pub(super) fn show_global_limits(&self, asked: &Asked<'_>) -> Result<Reply, Refusal> {
        if asked.own_tenant().is_some() {
            return Err(reply::forbidden(
                "the limits of everything together are the operator's to see",
            ));
        }
        reply::ok(&self.limits_shown(&Subject::Global)?)
    }

    pub(super) fn reset_global_limits(&self, asked: &Asked<'_>) -> Result<Reply, Refusal> {
        if asked.own_tenant().is_some() {
            return Err(reply::forbidden(
                "the limits of everything together are the operator's to reset",
            ));
        }
        self.reset(asked, &Subject::Global)
    }

    pub(super) fn reset_limits(&self, asked: &Asked<'_>) -> Result<Reply, Refusal> {
        self.reset(asked, &self.subject(asked)?)
    }

    /// Counts anew. Where nothing is counted yet, as where no server runs, there is nothing to forget.
    fn reset(&self, asked: &Asked<'_>, subject: &Subject<'_>) -> Result<Reply, Refusal> {
        // Whether there is such a subject.
        self.limits_shown(subject)?;
        if let Some(meter) = self.accounting.meters.find(subject) {
            meter.reset(Instant::now());
        }
        self.audit(asked, "reset limits", &subject.to_string());
        reply::ok(&self.limits_shown(subject)?)
    }

    pub(super) fn show_limits(&self, asked: &Asked<'_>) -> Result<Reply, Refusal> {
        reply::ok(&self.limits_shown(&self.subject(asked)?)?)
    }

    pub(super) fn put_limits(&self, asked: &Asked<'_>) -> Result<Reply, Refusal> {
        let change: LimitsChange = read::body(asked.call.body)?;
        check(&change)?;
        let subject = self.subject(asked)?;
        let Some(name) = name_of(&subject) else {
            let message = format!(
                "the limits of {subject} stand in the configuration; change them there, and reload"
            );
            return Err(reply::conflict("in_configuration", message));
        };
        let edit = &mut |record: &mut Record| {
            let (limits, budget) = match record {
                Record::Tenant(record) => (&mut record.limits, &mut record.budget),
                Record::Project(record) => (&mut record.limits, &mut record.budget),
                Record::User(record) => (&mut record.limits, &mut record.budget),
                Record::Key(record) => (&mut record.limits, &mut record.budget),
            };
            apply(&change, limits, budget);
            Ok(())
        };
        let edited = self
            .accounting
            .directory
            .edit(&name, &mut self.keep()?, edit);
        edited.map_err(not_changed)?;
        self.retuned(&name)?;
        self.audit(asked, "change limits", &name.to_string());
        reply::ok(&self.limits_shown(&subject)?)
    }

    /// Whom the path names, if that may be seen.
    fn subject(&self, asked: &Asked<'_>) -> Result<Subject<'static>, Refusal> {
        let at = |place: usize| asked.at(place).to_owned();
        let unknown = || {
            let path = asked.parameters.join("/");
            reply::unknown(
                "unknown",
                format!(
                    "nothing has limits under `{path}`; there are tenant/<id>, project/<tenant>/<id>, user/<tenant>/<id>, key/<id>, model/<name>, upstream/<name>, endpoint/<operation> and global"
                ),
            )
        };
        let subject = match (asked.at(0), asked.parameters.len()) {
            ("tenant", 2) => Subject::Tenant(at(1).into()),
            ("key", 2) => Subject::Key(at(1).into()),
            ("model", 2) => Subject::Model(at(1).into()),
            ("upstream", 2) => Subject::Upstream(at(1).into()),
            ("endpoint", 2) => {
                let named = Operation::of_label(asked.at(1));
                Subject::Endpoint(named.ok_or_else(unknown)?)
            }
            ("project", 3) => Subject::Project(at(1).into(), at(2).into()),
            ("user", 3) => Subject::User(at(1).into(), at(2).into()),
            _ => return Err(unknown()),
        };
        match self.sees(asked, &subject) {
            true => Ok(subject),
            false => Err(unknown()),
        }
    }

    fn sees(&self, asked: &Asked<'_>, subject: &Subject<'_>) -> bool {
        match subject {
            Subject::Tenant(tenant) | Subject::Project(tenant, _) | Subject::User(tenant, _) => {
                asked.reaches(tenant)
            }
            Subject::Key(id) => {
                let id: Option<KeyId> = id.parse().ok();
                let record = id.and_then(|id| self.accounting.directory.get(&Name::Key(id)));
                matches!(record, Some(Record::Key(key)) if asked.reaches(&key.tenant))
            }
            Subject::Global
            | Subject::Endpoint(_)
            | Subject::Upstream(_)
            | Subject::Model(_)
            | Subject::Address(_) => asked.own_tenant().is_none(),
        }
    }

    fn limits_shown(&self, subject: &Subject<'_>) -> Result<LimitsShown, Refusal> {
        let bounds = self.accounting.bounds(self.config, subject);
        let bounds = bounds.ok_or_else(|| {
            reply::unknown(
                "unknown",
                format!("there is no {subject}, or it has no limits"),
            )
        })?;
        let meter = self.accounting.meters.find(subject);
        let held = meter.as_ref().map(|meter| meter.held()).unwrap_or_default();
        Ok(LimitsShown {
            subject: subject.to_string(),
            rates: rates(&bounds, meter.as_deref()),
            held: HeldShown {
                exchanges: held.exchanges,
                tokens: held.tokens,
                spend: held.spend,
            },
            budget: self.budget_shown(&bounds, meter.as_deref()),
            balance: meter
                .as_ref()
                .and_then(|meter| meter.balance())
                .map(|balance| BalanceShown {
                    balance: balance.balance,
                    held: balance.held,
                    credit: balance.credit,
                }),
            limits: bounds.limits,
        })
    }

    fn budget_shown(&self, bounds: &Bounds, meter: Option<&Meter>) -> Option<BudgetShown> {
        let standing = meter.and_then(|meter| meter.budget(self.now));
        if let Some(standing) = standing {
            return Some(BudgetShown {
                amount: standing.amount,
                per: standing.per.text().into_owned(),
                spent: standing.spent,
                held: standing.held,
                remaining: standing.amount - standing.spent - standing.held,
                ends: standing.ends.map(moment::text),
            });
        }
        let budget = bounds.budget.as_ref()?;
        Some(BudgetShown {
            amount: budget.amount,
            per: budget.per.text().into_owned(),
            spent: Default::default(),
            held: Default::default(),
            remaining: budget.amount,
            ends: None,
        })
    }
}

/// Those that are counted, and those that nobody has used yet.
fn rates(bounds: &Bounds, meter: Option<&Meter>) -> Vec<RateShown> {
    let counted = meter
        .map(|meter| limit::rates(meter, Instant::now()))
        .unwrap_or_default();
    let rules = bounds.limits.rules().map(|rule| {
        let standing = counted
            .iter()
            .find(|standing| standing.limit_name == rule.name());
        let remaining = standing.map_or(rule.amount, |standing| standing.remaining);
        RateShown {
            limit: rule.name().to_owned(),
            amount: rule.amount,
            used: rule.amount.saturating_sub(remaining),
            remaining,
            reset_seconds: standing.map_or(0.0, |standing| standing.reset.as_secs_f64()),
        }
    });
    let concurrency = bounds.limits.concurrency.map(|amount| {
        let used = u64::from(meter.map_or(0, |meter| meter.held().exchanges));
        RateShown {
            limit: "concurrency".to_owned(),
            amount,
            used,
            remaining: amount.saturating_sub(used),
            reset_seconds: 0.0,
        }
    });
    rules.chain(concurrency).collect()
}

fn apply(change: &LimitsChange, limits: &mut Limits, budget: &mut Option<Budget>) {
    if let Some(changed) = &change.limits {
        limits.clone_from(changed);
    }
    if change.no_budget {
        *budget = None;
    }
    if let Some(changed) = &change.budget {
        *budget = Some(changed.clone());
    }
}

fn check(change: &LimitsChange) -> Result<(), Refusal> {
    if change.no_budget && change.budget.is_some() {
        return Err(reply::invalid(
            "no_budget",
            "`budget` and `no_budget` stand together; leave one out",
        ));
    }
    let limits = change.limits.clone().unwrap_or_default();
    bounds::check(&limits, change.budget.as_ref())?;
    if change.limits.is_none() && change.budget.is_none() && !change.no_budget {
        let status = StatusCode::UNPROCESSABLE_ENTITY;
        return Err(Refusal::new(
            status,
            "invalid_value",
            "nothing is to be changed; give `limits`, `budget` or `no_budget`",
        ));
    }
    Ok(())
}
