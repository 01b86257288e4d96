//! Plans: those of the configuration and those that were made while weir runs. It must not know who has subscribed.

use std::ops::ControlFlow;

use serde_json::{Value, json};

use crate::admin::reply::{self, Refusal, Reply};
use crate::config::{self, PlanOrder};
use crate::ledger::accounts;
use crate::ledger::plans::{Order, Plan};
use crate::store::{Table, Write};

use super::{Asked, Desk, read, store_failed};

impl Desk<'_> {
    pub(super) fn list_plans(&self) -> Result<Reply, Refusal> {
        let configured = self.config.plans.iter();
        let configured =
            configured.map(|(id, plan)| sourced(&of_configuration(id, plan), "configuration"));
        let mut items = configured.collect::<Result<Vec<Value>, Refusal>>()?;
        let mut stored = Vec::new();
        if let Some(books) = &self.accounting.books {
            let visit = &mut |_: &[u8], value: &[u8]| {
                stored.extend(serde_json::from_slice::<Plan>(value).ok());
                ControlFlow::Continue(())
            };
            books
                .store
                .scan(Table::Plans, &[], None, visit)
                .map_err(store_failed)?;
        }
        for plan in stored {
            if !self.config.plans.contains_key(&plan.id) {
                items.push(sourced(&plan, "store")?);
            }
        }
        reply::ok(&json!({ "items": items, "next": null }))
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
        self.audit(asked, "put", &format!("plan `{}`", plan.id));
        reply::ok(&sourced(&plan, "store")?)
    }

    pub(super) fn remove_plan(&self, asked: &Asked<'_>) -> Result<Reply, Refusal> {
        let id = asked.at(0);
        let books = self.books()?;
        self.not_configured(id)?;
        let unknown = || reply::unknown("unknown", format!("there is no plan `{id}`"));
        books
            .store
            .get(Table::Plans, id.as_bytes())
            .map_err(store_failed)?
            .ok_or_else(unknown)?;
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

fn sourced(plan: &Plan, source: &str) -> Result<Value, Refusal> {
    let mut shown = serde_json::to_value(plan).map_err(|_| reply::internal())?;
    shown["source"] = source.into();
    Ok(shown)
}

fn of_configuration(id: &str, plan: &config::Plan) -> Plan {
    Plan {
        id: id.to_owned(),
        name: String::new(),
        period: plan.per,
        included_tokens: plan.included_tokens,
        included_money: plan.included_money,
        models: plan
            .models
            .iter()
            .map(|model| model.text().to_owned())
            .collect(),
        order: match plan.order {
            PlanOrder::PlanFirst => Order::PlanFirst,
            PlanOrder::BalanceFirst => Order::BalanceFirst,
        },
        price: plan.price,
    }
}
