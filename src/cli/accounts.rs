//! `weir accounts`: money of tenants. It must not know how a balance is kept.

use std::io::Write;

use clap::{Args, Subcommand};
use http::Method;
use serde_json::Value;

use super::Failure;
use super::ask::{Question, part};
use super::forms::{self, Format};
use super::keys::{all_pages, print};
use super::reach::{Reach, Reaching};

#[derive(Debug, Args)]
pub(super) struct Accounts {
    #[command(flatten)]
    reaching: Reaching,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Pay in; opens the account of a tenant that has none
    Deposit(Entry),
    /// Pay out
    Withdraw {
        #[command(flatten)]
        entry: Entry,
        /// Beyond the credit, into debt
        #[arg(long)]
        forced: bool,
    },
    /// Say how far below zero the balance may go
    Credit(Entry),
    /// Add an amount to set something right; a negative one takes
    Correct(Entry),
    /// Take a plan; without one, give it up
    Subscribe {
        #[arg(long, value_name = "ID")]
        tenant: String,
        plan: Option<String>,
    },
    /// List accounts
    List {
        #[arg(long, default_value = "table")]
        format: Format,
    },
    /// Show how an account stands
    Show {
        #[arg(long, value_name = "ID")]
        tenant: String,
    },
    /// Show every entry with the balance after it
    Statement {
        #[arg(long, value_name = "ID")]
        tenant: String,
        /// A date or an RFC 3339 time; inclusive
        #[arg(long)]
        from: Option<String>,
        /// A date or an RFC 3339 time; exclusive
        #[arg(long)]
        to: Option<String>,
        #[arg(long, default_value = "table")]
        format: Format,
    },
}

#[derive(Debug, Args)]
struct Entry {
    #[arg(long, value_name = "ID")]
    tenant: String,
    /// In the currency of the configuration: 25, 0.5
    #[arg(allow_negative_numbers = true)]
    amount: String,
    /// The same entry with the same key is made once
    #[arg(long = "idempotency-key", value_name = "KEY")]
    key: Option<String>,
    #[arg(long, default_value = "")]
    note: String,
}

pub(super) fn run(accounts: &Accounts, out: &mut dyn Write) -> Result<(), Failure> {
    let reach = accounts.reaching.reach()?;
    match &accounts.command {
        Command::Deposit(entry) => enter(&reach, entry, "deposit", false, out),
        Command::Withdraw { entry, forced } => enter(&reach, entry, "withdrawal", *forced, out),
        Command::Credit(entry) => enter(&reach, entry, "credit", false, out),
        Command::Correct(entry) => enter(&reach, entry, "correction", false, out),
        Command::Subscribe { tenant, plan } => {
            let body = forms::object([
                ("kind", Some("subscription".into())),
                ("plan", plan.clone().map(Value::from)),
            ]);
            send(&reach, tenant, &body, None, out)
        }
        Command::List { format } => {
            let columns = ["tenant", "balance", "credit", "payable", "held", "plan"];
            print(out, *format, &columns, all_pages(&reach, "accounts", &[])?)
        }
        Command::Show { tenant } => {
            forms::json(out, &reach.get(&format!("accounts/{}", part(tenant)), &[])?)
        }
        Command::Statement {
            tenant,
            from,
            to,
            format,
        } => {
            let query = [("from", from.as_deref()), ("to", to.as_deref())];
            let query: Vec<(&str, &str)> = query
                .into_iter()
                .filter_map(|(name, value)| Some((name, value?)))
                .collect();
            let lines = all_pages(
                &reach,
                &format!("accounts/{}/statement", part(tenant)),
                &query,
            )?;
            print(
                out,
                *format,
                &[
                    "number", "at", "kind", "amount", "balance", "credit", "by", "note",
                ],
                lines,
            )
        }
    }
}

fn enter(
    reach: &Reach,
    entry: &Entry,
    kind: &str,
    forced: bool,
    out: &mut dyn Write,
) -> Result<(), Failure> {
    let body = forms::object([
        ("kind", Some(kind.into())),
        ("amount", Some(forms::money("amount", &entry.amount)?)),
        ("forced", forced.then(|| true.into())),
        (
            "note",
            (!entry.note.is_empty()).then(|| entry.note.as_str().into()),
        ),
    ]);
    send(reach, &entry.tenant, &body, entry.key.as_deref(), out)
}

fn send(
    reach: &Reach,
    tenant: &str,
    body: &Value,
    key: Option<&str>,
    out: &mut dyn Write,
) -> Result<(), Failure> {
    let body = body.to_string();
    let path = format!("accounts/{}/entries", part(tenant));
    let mut question = Question::new(Method::POST, &path, &[], Some(body.as_bytes()));
    question.idempotency_key = key;
    let entry = reach.ask(&question)?.json()?;
    let (kind, amount, balance) = (&entry["kind"], &entry["amount"], &entry["balance"]);
    let kind = kind.as_str().unwrap_or_default();
    writeln!(out, "{kind} {amount}: the balance of {tenant} is {balance}")?;
    Ok(())
}
