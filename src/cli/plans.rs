//! `weir plans`: what tenants can subscribe to, and who has. It must not know how a plan is used up.

use std::io::Write;

use clap::{Args, Subcommand};
use http::Method;
use serde_json::Value;

use super::Failure;
use super::ask::part;
use super::forms::{self, Format};
use super::keys::{all_pages, print};
use super::reach::{Reach, Reaching};

#[derive(Debug, Args)]
pub(super) struct Plans {
    #[command(flatten)]
    reaching: Reaching,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// List the plans of the configuration and those that were made by command
    List {
        #[arg(long, default_value = "table")]
        format: Format,
    },
    /// Show a plan
    Show { id: String },
    /// Make a plan, or put another in its place; who has it keeps it
    Set {
        id: String,
        #[command(flatten)]
        terms: Terms,
    },
    /// Remove a plan that nobody has subscribed to
    Remove { id: String },
    /// Give a tenant a plan from now on, in the place of the one it has
    Subscribe {
        id: String,
        #[arg(long, value_name = "ID")]
        tenant: String,
    },
    /// End a tenant's plan now; nothing is paid back
    Unsubscribe {
        #[arg(long, value_name = "ID")]
        tenant: String,
    },
    /// Show who has subscribed, and what is left
    Subscribers {
        #[arg(long, default_value = "table")]
        format: Format,
    },
}

#[derive(Debug, Args)]
struct Terms {
    /// For people
    #[arg(long)]
    name: Option<String>,
    /// day, week, month, so many days (30d), or ever
    #[arg(long, value_name = "PERIOD")]
    per: String,
    /// Input and output together, each period
    #[arg(long, value_name = "TOKENS")]
    included_tokens: Option<u64>,
    /// Use at list price, each period
    #[arg(long, value_name = "AMOUNT")]
    included_money: Option<String>,
    /// What the plan costs each period, taken from the balance
    #[arg(long, value_name = "AMOUNT")]
    price: Option<String>,
    /// Models that it is for: names, globs, /regular expressions/ [default: all]
    #[arg(long, value_delimiter = ',', value_name = "PATTERN")]
    models: Vec<String>,
    /// What is used first: plan_first or balance_first
    #[arg(long, default_value = "plan_first")]
    order: String,
}

impl Terms {
    fn body(&self, id: &str) -> Result<Value, Failure> {
        let amount =
            |name, text: Option<&String>| text.map(|text| forms::money(name, text)).transpose();
        Ok(forms::object([
            ("id", Some(id.into())),
            ("name", self.name.clone().map(Value::from)),
            ("period", Some(self.per.as_str().into())),
            ("included_tokens", self.included_tokens.map(Value::from)),
            (
                "included_money",
                amount("--included-money", self.included_money.as_ref())?,
            ),
            ("price", amount("--price", self.price.as_ref())?),
            ("models", forms::list(&self.models)),
            ("order", Some(self.order.as_str().into())),
        ]))
    }
}

pub(super) fn run(plans: &Plans, out: &mut dyn Write) -> Result<(), Failure> {
    let reach = plans.reaching.reach()?;
    let path = |id: &str| format!("plans/{}", part(id));
    match &plans.command {
        Command::List { format } => {
            let columns = [
                "id",
                "period",
                "included_tokens",
                "included_money",
                "price",
                "order",
                "models",
                "source",
            ];
            let mut answer = reach.get("plans", &[])?;
            let items = answer["items"].as_array_mut().map(std::mem::take);
            print(out, *format, &columns, items.unwrap_or_default())
        }
        Command::Show { id } => forms::json(out, &reach.get(&path(id), &[])?),
        Command::Set { id, terms } => {
            let body = terms.body(id)?;
            forms::json(
                out,
                &reach.change(Method::PUT, &path(id), Some(body))?.json()?,
            )
        }
        Command::Remove { id } => {
            reach.change(Method::DELETE, &path(id), None)?;
            Ok(writeln!(out, "plan {id} is removed")?)
        }
        Command::Subscribe { id, tenant } => {
            subscribe(&reach, tenant, Some(id))?;
            Ok(writeln!(out, "{tenant} has the plan {id}")?)
        }
        Command::Unsubscribe { tenant } => {
            subscribe(&reach, tenant, None)?;
            Ok(writeln!(out, "{tenant} has no plan")?)
        }
        Command::Subscribers { format } => {
            let accounts = all_pages(&reach, "accounts", &[])?;
            let subscribed = accounts
                .into_iter()
                .filter(|account| !account["plan"].is_null());
            let columns = [
                "tenant",
                "plan",
                "allowance.begins",
                "allowance.ends",
                "allowance.paid",
                "allowance.used_tokens",
                "allowance.included_tokens",
                "allowance.used_money",
                "allowance.included_money",
                "balance",
            ];
            print(out, *format, &columns, subscribed.collect())
        }
    }
}

fn subscribe(reach: &Reach, tenant: &str, plan: Option<&str>) -> Result<(), Failure> {
    let body = forms::object([
        ("kind", Some("subscription".into())),
        ("plan", plan.map(Value::from)),
    ]);
    let path = format!("accounts/{}/entries", part(tenant));
    reach.change(Method::POST, &path, Some(body)).map(drop)
}
