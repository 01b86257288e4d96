//! Plans: those of the configuration and those that were made while weir runs. It must not know who has subscribed.

use std::ops::ControlFlow;

use serde_json::{Value, json};

use crate::admin::reply::{self, Refusal, Reply};
use crate::gateway::plan_of;
use crate::ledger::accounts;
use crate::ledger::plans::Plan;
use crate::store::{Table, Write};

use super::{Asked, Desk, read, store_failed};

impl Desk<'_> {
    pub(super) fn list_plans(&self) -> Result<Reply, Refusal> {
        reply::ok(&json!({ "items": self.plans()?, "next": null }))
    }

    pub(super) fn show_plan(&self, asked: &Asked<'_>) -> Result<Reply, Refusal> {
        let id = asked.at(0);
        let plan = self.plans()?.into_iter().find(|plan| plan["id"] == id);
        reply::ok(&plan.ok_or_else(|| unknown(id))?)
    }

    /// Those of the configuration go before those of the store.
    fn plans(&self) -> Result<Vec<Value>, Refusal> {
        let configured = self.config.plans.iter();
        let configured = configured.map(|(id, plan)| sourced(&plan_of(id, plan), "configuration"));
        let mut items = configured.collect::<Result<Vec<Value>, Refusal>>()?;
        let mut stored = Vec::new();
        if let Some(books) = &self.accounting.books {
            accounts::each_plan(&*books.store, &mut |plan| {
                stored.push(plan);
                ControlFlow::Continue(())
            })
            .map_err(store_failed)?;
        }
        for plan in stored {
            if !self.config.plans.contains_key(&plan.id) {
                items.push(sourced(&plan, "store")?);
            }
        }
        Ok(items)
    }

    pub(super) fn put_plan(&self, asked: &Asked<'_>) -> Result<Reply, Refusal> {
        let plan: Plan = read::body(asked.call.body)?;
        let books = self.books()?;
        if plan.id != asked.at(0) {
            let message = format!("`id` is `{}`, but the path says `{}`", plan.id, asked.at(0));
            return Err(reply::invalid("id", message));
        }
        self.not_configured(&plan.id)?;
        let offer = plan.clone().check();
        let offer = offer.map_err(|problems| {
            let status = http::StatusCode::UNPROCESSABLE_ENTITY;
            Refusal::new(status, "invalid_value", problems.join("; "))
        })?;
        books
            .store
            .commit(vec![accounts::put_plan(&offer)])
            .map_err(store_failed)?;
        self.accounting
            .reread_plan(&plan.id)
            .map_err(store_failed)?;
        self.audit(asked, "put", &format!("plan `{}`", plan.id));
        reply::ok(&sourced(&plan, "store")?)
    }

    pub(super) fn remove_plan(&self, asked: &Asked<'_>) -> Result<Reply, Refusal> {
        let id = asked.at(0);
        let books = self.books()?;
        self.not_configured(id)?;
        books
            .store
            .get(Table::Plans, id.as_bytes())
            .map_err(store_failed)?
            .ok_or_else(|| unknown(id))?;
        let mut subscriber = None;
        accounts::each_account(&*books.store, &mut |account| {
            let has = account
                .subscription
                .as_ref()
                .is_some_and(|has| has.plan == id);
            if has {
                subscriber = Some(account.id);
                return ControlFlow::Break(());
            }
            ControlFlow::Continue(())
        })
        .map_err(store_failed)?;
        if let Some(tenant) = subscriber {
            let message = format!(
                "plan `{id}` has subscribers, such as `{tenant}`; subscribe them to another first"
            );
            return Err(reply::conflict("in_use", message));
        }
        let write = Write::delete(Table::Plans, id.as_bytes());
        books.store.commit(vec![write]).map_err(store_failed)?;
        self.audit(asked, "remove", &format!("plan `{id}`"));
        Ok(reply::gone())
    }

    fn not_configured(&self, id: &str) -> Result<(), Refusal> {
        match self.config.plans.contains_key(id) {
            false => Ok(()),
            true => {
                let message = format!("plan `{id}` stands in the configuration; change it there");
                Err(reply::conflict("in_configuration", message))
            }
        }
    }
}

fn unknown(id: &str) -> Refusal {
    reply::unknown("unknown", format!("there is no plan `{id}`"))
}

fn sourced(plan: &Plan, source: &str) -> Result<Value, Refusal> {
    let mut shown = serde_json::to_value(plan).map_err(|_| reply::internal())?;
    shown["source"] = source.into();
    Ok(shown)
}
