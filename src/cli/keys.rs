//! `weir keys`: client keys, made, listed and ended. It must not know where they are kept.

use std::io::Write;

use clap::{Args, Subcommand};
use http::Method;
use serde_json::{Value, json};

use super::Failure;
use super::ask::part;
use super::forms::{self, Format};
use super::reach::{Reach, Reaching};
use crate::access::{Moment, Scopes};

#[derive(Debug, Args)]
pub(super) struct Keys {
    #[command(flatten)]
    reaching: Reaching,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Make a key, and print it this once
    Create(Box<Create>),
    /// List keys, without their secrets
    List {
        #[arg(long, value_name = "ID")]
        tenant: Option<String>,
        /// active, disabled or revoked
        #[arg(long)]
        state: Option<String>,
        #[arg(long, default_value = "table")]
        format: Format,
    },
    /// Show a key, without its secret
    Show { id: String },
    /// End a key, at once and for ever
    Revoke { id: String },
    /// Give a key another secret, and print it this once
    Rotate {
        id: String,
        /// For how many seconds the secret before is still taken
        #[arg(long, default_value_t = 0, value_name = "SECONDS")]
        overlap: u64,
        /// Print the key alone
        #[arg(long, short)]
        quiet: bool,
    },
    /// Take a key that was disabled again
    Enable { id: String },
    /// Take a key no longer, for now
    Disable { id: String },
}

#[derive(Debug, Args)]
struct Create {
    /// Who pays; made if there is none of that name
    #[arg(long, value_name = "ID")]
    tenant: String,
    /// What people and reports call it [default: when it was made]
    #[arg(long)]
    label: Option<String>,
    #[arg(long, value_name = "ID")]
    project: Option<String>,
    #[arg(long, value_name = "ID")]
    user: Option<String>,
    /// Models that it may use: names, globs, /regular expressions/; commas between [default: all]
    #[arg(long, value_delimiter = ',', value_name = "PATTERNS")]
    models: Vec<String>,
    /// Operations that it may ask: chat, embeddings, …; commas between [default: all]
    #[arg(long, value_delimiter = ',', value_name = "PATTERNS")]
    operations: Vec<String>,
    /// Addresses and networks that it may come from; commas between [default: all]
    #[arg(long, value_delimiter = ',', value_name = "NETWORKS")]
    addresses: Vec<String>,
    /// Requests a minute
    #[arg(long, value_name = "NUMBER")]
    rpm: Option<u64>,
    /// Tokens a minute, input and output
    #[arg(long, value_name = "NUMBER")]
    tpm: Option<u64>,
    /// Exchanges at once
    #[arg(long, value_name = "NUMBER")]
    concurrency: Option<u64>,
    /// Money for each period: 20/month
    #[arg(long, value_name = "AMOUNT/PERIOD")]
    budget: Option<String>,
    /// When it ends: 30d, 12h, 2027-01-31
    #[arg(long, value_name = "WHEN")]
    expires: Option<String>,
    /// inference, usage_read, keys_manage, admin; commas between [default: inference]
    #[arg(long, value_name = "SCOPES")]
    scopes: Option<String>,
    /// interactive, normal or batch; nothing goes by it yet
    #[arg(long)]
    priority: Option<String>,
    /// A routing preset; nothing goes by it yet
    #[arg(long, value_name = "NAME")]
    profile: Option<String>,
    /// name=value; may be repeated
    #[arg(long = "tag", value_name = "NAME=VALUE")]
    tags: Vec<String>,
    /// Each request must be signed; prints the secret for it as well
    #[arg(long)]
    signed: bool,
    /// Print the key alone
    #[arg(long, short)]
    quiet: bool,
}

pub(super) fn run(keys: &Keys, out: &mut dyn Write, err: &mut dyn Write) -> Result<(), Failure> {
    let reach = &keys.reaching.reach()?;
    let path = |id: &str| format!("keys/{}", part(id));
    match &keys.command {
        Command::Create(create) => make(reach, create, out, err),
        Command::List {
            tenant,
            state,
            format,
        } => list(reach, tenant.as_deref(), state.as_deref(), *format, out),
        Command::Show { id } => forms::json(out, &reach.get(&path(id), &[])?),
        Command::Revoke { id } => {
            let key = reach
                .change(Method::POST, &format!("{}/revoke", path(id)), None)?
                .json()?;
            told(out, &key, "is revoked")
        }
        Command::Rotate { id, overlap, quiet } => {
            let body = json!({ "overlap_seconds": overlap });
            let made = reach.change(Method::POST, &format!("{}/rotate", path(id)), Some(body))?;
            show_made(&made.json()?, *quiet, out)
        }
        Command::Enable { id } => {
            let key = reach.change(Method::PATCH, &path(id), Some(json!({ "state": "active" })))?;
            told(out, &key.json()?, "is active")
        }
        Command::Disable { id } => {
            let key = reach.change(
                Method::PATCH,
                &path(id),
                Some(json!({ "state": "disabled" })),
            )?;
            told(out, &key.json()?, "is disabled")
        }
    }
}

fn told(out: &mut dyn Write, key: &Value, what: &str) -> Result<(), Failure> {
    let name = |member: &str| key[member].as_str().unwrap_or_default().to_owned();
    writeln!(
        out,
        "key {} ({}) of {} {what}",
        name("id"),
        name("label"),
        name("tenant")
    )?;
    Ok(())
}

fn make(
    reach: &Reach,
    create: &Create,
    out: &mut dyn Write,
    err: &mut dyn Write,
) -> Result<(), Failure> {
    let body = draft(create)?;
    let tenant = &create.tenant;
    let is_new = match reach.get(&format!("tenants/{}", part(tenant)), &[]) {
        Err(Failure::Refused { code, .. }) if code == "unknown" => true,
        Err(failure) => return Err(failure),
        Ok(_) => false,
    };
    if is_new {
        reach.change(Method::POST, "tenants", Some(json!({ "id": tenant })))?;
        writeln!(err, "tenant {tenant} is new")?;
    }
    let made = reach.change(Method::POST, "keys", Some(body))?.json()?;
    show_made(&made, create.quiet, out)
}

fn draft(create: &Create) -> Result<Value, Failure> {
    let now = Moment::from(std::time::SystemTime::now());
    let label = create
        .label
        .clone()
        .unwrap_or_else(|| format!("made {}", now.text()));
    let scopes = create
        .scopes
        .as_deref()
        .map(Scopes::parse)
        .transpose()
        .map_err(Failure::Argument)?;
    let limits = forms::object([
        ("requests_per_minute", create.rpm.map(Value::from)),
        ("tokens_per_minute", create.tpm.map(Value::from)),
        ("concurrency", create.concurrency.map(Value::from)),
    ]);
    let allow = forms::object([
        ("models", forms::list(&create.models)),
        ("operations", forms::list(&create.operations)),
        ("addresses", forms::list(&create.addresses)),
    ]);
    let text = |text: &Option<String>| text.clone().map(Value::from);
    Ok(forms::object([
        ("label", Some(label.into())),
        ("tenant", Some(create.tenant.clone().into())),
        ("project", text(&create.project)),
        ("user", text(&create.user)),
        (
            "expires",
            create
                .expires
                .as_deref()
                .map(forms::expiry)
                .transpose()?
                .map(Value::from),
        ),
        ("allow", Some(allow)),
        ("limits", Some(limits)),
        (
            "budget",
            create.budget.as_deref().map(forms::budget).transpose()?,
        ),
        ("priority", text(&create.priority)),
        ("profile", text(&create.profile)),
        ("tags", Some(forms::tags(&create.tags)?)),
        (
            "scopes",
            scopes.map(|scopes| scopes.names().collect::<Vec<_>>().into()),
        ),
        ("signed", create.signed.then(|| true.into())),
    ]))
}

fn show_made(made: &Value, quiet: bool, out: &mut dyn Write) -> Result<(), Failure> {
    let token = made["token"].as_str().unwrap_or_default();
    if quiet {
        writeln!(out, "{token}")?;
        return Ok(());
    }
    let key = &made["key"];
    let name = |member: &str| key[member].as_str().unwrap_or_default().to_owned();
    writeln!(out, "key     {token}")?;
    if let Some(secret) = made["signing_secret"].as_str() {
        writeln!(out, "signing {secret}")?;
    }
    writeln!(
        out,
        "id      {}\nlabel   {}\ntenant  {}",
        name("id"),
        name("label"),
        name("tenant")
    )?;
    writeln!(out, "It is shown this once, and works now.")?;
    Ok(())
}

fn list(
    reach: &Reach,
    tenant: Option<&str>,
    state: Option<&str>,
    format: Format,
    out: &mut dyn Write,
) -> Result<(), Failure> {
    let query = [("tenant", tenant), ("state", state)];
    let query: Vec<(&str, &str)> = query
        .into_iter()
        .filter_map(|(name, value)| Some((name, value?)))
        .collect();
    let items = all_pages(reach, "keys", &query)?;
    print(
        out,
        format,
        &[
            "id",
            "label",
            "tenant",
            "user",
            "state",
            "expires",
            "allow.models",
            "scopes",
            "source",
        ],
        items,
    )
}

/// Every page of a list.
pub(super) fn all_pages(
    reach: &Reach,
    path: &str,
    query: &[(&str, &str)],
) -> Result<Vec<Value>, Failure> {
    let mut items = Vec::new();
    let mut after: Option<String> = None;
    loop {
        let mut query = query.to_vec();
        query.push(("limit", "1000"));
        if let Some(after) = &after {
            query.push(("after", after));
        }
        let mut page = reach.get(path, &query)?;
        if let Some(more) = page["items"].as_array_mut() {
            items.append(more);
        }
        match page["next"].as_str() {
            Some(next) => after = Some(next.to_owned()),
            None => return Ok(items),
        }
    }
}

/// Prints a list for people or for programs.
pub(super) fn print(
    out: &mut dyn Write,
    format: Format,
    columns: &[&str],
    items: Vec<Value>,
) -> Result<(), Failure> {
    match format {
        Format::Json => forms::json(out, &Value::Array(items)),
        Format::Table => Ok(forms::table(out, columns, &items)?),
        Format::Csv => Err(Failure::Argument(
            "--format csv is for usage; take `table` or `json`".to_owned(),
        )),
    }
}
