//! `weir tenants` and `weir users`: who pays, and who they are. It must not know where they are kept.

use std::io::Write;

use clap::{Args, Subcommand};
use http::Method;
use serde_json::{Value, json};

use super::Failure;
use super::ask::part;
use super::forms::{self, Format};
use super::keys::{all_pages, print};
use super::reach::Reaching;

#[derive(Debug, Args)]
pub(super) struct Tenants {
    #[command(flatten)]
    reaching: Reaching,
    #[command(subcommand)]
    command: TenantCommand,
}

#[derive(Debug, Subcommand)]
enum TenantCommand {
    /// Make a tenant
    Create {
        id: String,
        #[command(flatten)]
        terms: Terms,
    },
    /// List tenants
    List {
        #[arg(long, default_value = "table")]
        format: Format,
    },
    /// Show a tenant
    Show { id: String },
    /// Change what is given of a tenant
    Set {
        id: String,
        #[command(flatten)]
        terms: Terms,
    },
    /// Serve the callers of a tenant again
    Enable { id: String },
    /// Serve the callers of a tenant no longer, for now
    Disable { id: String },
    /// Remove a tenant that has no keys, users and projects any more
    Remove { id: String },
}

#[derive(Debug, Args)]
pub(super) struct Users {
    #[command(flatten)]
    reaching: Reaching,
    #[command(subcommand)]
    command: UserCommand,
}

#[derive(Debug, Subcommand)]
enum UserCommand {
    /// Make a user
    Create {
        id: String,
        #[arg(long, value_name = "ID")]
        tenant: String,
        /// A program, and no person
        #[arg(long)]
        service: bool,
        #[arg(long, value_name = "ID")]
        project: Option<String>,
        #[command(flatten)]
        terms: Terms,
    },
    /// List users
    List {
        #[arg(long, value_name = "ID")]
        tenant: String,
        #[arg(long, default_value = "table")]
        format: Format,
    },
    /// Show a user
    Show {
        id: String,
        #[arg(long, value_name = "ID")]
        tenant: String,
    },
    /// Change what is given of a user
    Set {
        id: String,
        #[arg(long, value_name = "ID")]
        tenant: String,
        #[command(flatten)]
        terms: Terms,
    },
    /// Remove a user that has no keys any more
    Remove {
        id: String,
        #[arg(long, value_name = "ID")]
        tenant: String,
    },
}

/// What tenants and users have alike.
#[derive(Debug, Args)]
struct Terms {
    /// For people
    #[arg(long)]
    name: Option<String>,
    /// Models that may be used; commas between [default: all]
    #[arg(long, value_delimiter = ',', value_name = "PATTERNS")]
    models: Vec<String>,
    /// Requests a minute
    #[arg(long, value_name = "NUMBER")]
    rpm: Option<u64>,
    /// Tokens a minute, input and output
    #[arg(long, value_name = "NUMBER")]
    tpm: Option<u64>,
    /// Exchanges at once
    #[arg(long, value_name = "NUMBER")]
    concurrency: Option<u64>,
    /// Money for each period: 500/month
    #[arg(long, value_name = "AMOUNT/PERIOD")]
    budget: Option<String>,
    /// name=value; may be repeated
    #[arg(long = "tag", value_name = "NAME=VALUE")]
    tags: Vec<String>,
}

impl Terms {
    fn body(&self, more: Vec<(&'static str, Option<Value>)>) -> Result<Value, Failure> {
        let limits = forms::object([
            ("requests_per_minute", self.rpm.map(Value::from)),
            ("tokens_per_minute", self.tpm.map(Value::from)),
            ("concurrency", self.concurrency.map(Value::from)),
        ]);
        let has_limits = limits != json!({});
        let members = vec![
            ("name", self.name.clone().map(Value::from)),
            (
                "allow",
                forms::list(&self.models).map(|models| json!({ "models": models })),
            ),
            ("limits", has_limits.then_some(limits)),
            (
                "budget",
                self.budget.as_deref().map(forms::budget).transpose()?,
            ),
            (
                "tags",
                (!self.tags.is_empty())
                    .then(|| forms::tags(&self.tags))
                    .transpose()?,
            ),
        ];
        Ok(forms::object(more.into_iter().chain(members)))
    }
}

pub(super) fn tenants(tenants: &Tenants, out: &mut dyn Write) -> Result<(), Failure> {
    let reach = tenants.reaching.reach()?;
    let path = |id: &str| format!("tenants/{}", part(id));
    let set = |id: &str, body: Value| reach.change(Method::PATCH, &path(id), Some(body))?.json();
    match &tenants.command {
        TenantCommand::Create { id, terms } => {
            let body = terms.body(vec![("id", Some(id.as_str().into()))])?;
            forms::json(
                out,
                &reach.change(Method::POST, "tenants", Some(body))?.json()?,
            )
        }
        TenantCommand::List { format } => {
            let columns = [
                "id",
                "name",
                "active",
                "plan",
                "budget.amount",
                "budget.per",
                "account.credit",
                "source",
            ];
            print(out, *format, &columns, all_pages(&reach, "tenants", &[])?)
        }
        TenantCommand::Show { id } => forms::json(out, &reach.get(&path(id), &[])?),
        TenantCommand::Set { id, terms } => forms::json(out, &set(id, terms.body(Vec::new())?)?),
        TenantCommand::Enable { id } => forms::json(out, &set(id, json!({ "active": true }))?),
        TenantCommand::Disable { id } => forms::json(out, &set(id, json!({ "active": false }))?),
        TenantCommand::Remove { id } => {
            reach.change(Method::DELETE, &path(id), None)?;
            Ok(writeln!(out, "tenant {id} is removed")?)
        }
    }
}

pub(super) fn users(users: &Users, out: &mut dyn Write) -> Result<(), Failure> {
    let reach = users.reaching.reach()?;
    let all = |tenant: &str| format!("tenants/{}/users", part(tenant));
    let path = |tenant: &str, id: &str| format!("{}/{}", all(tenant), part(id));
    match &users.command {
        UserCommand::Create {
            id,
            tenant,
            service,
            project,
            terms,
        } => {
            let kind = if *service { "service" } else { "person" };
            let body = terms.body(vec![
                ("id", Some(id.as_str().into())),
                ("kind", Some(kind.into())),
                ("project", project.clone().map(Value::from)),
            ])?;
            forms::json(
                out,
                &reach
                    .change(Method::POST, &all(tenant), Some(body))?
                    .json()?,
            )
        }
        UserCommand::List { tenant, format } => {
            let columns = ["id", "name", "kind", "project", "active", "source"];
            print(
                out,
                *format,
                &columns,
                all_pages(&reach, &all(tenant), &[])?,
            )
        }
        UserCommand::Show { id, tenant } => forms::json(out, &reach.get(&path(tenant, id), &[])?),
        UserCommand::Set { id, tenant, terms } => {
            let body = terms.body(Vec::new())?;
            forms::json(
                out,
                &reach
                    .change(Method::PATCH, &path(tenant, id), Some(body))?
                    .json()?,
            )
        }
        UserCommand::Remove { id, tenant } => {
            reach.change(Method::DELETE, &path(tenant, id), None)?;
            Ok(writeln!(out, "user {id} of {tenant} is removed")?)
        }
    }
}
