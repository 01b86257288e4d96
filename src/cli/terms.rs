//! `weir prices`, `weir limits`, `weir upstream-keys`, `weir ledger`: what is agreed and how it stands. It must not know where
//! that is kept.

use std::io::{Read, Write};

use clap::{Args, Subcommand};
use http::Method;
use serde_json::{Value, json};

use super::Failure;
use super::ask::{Question, part};
use super::forms::{self, Format};
use super::keys::print;
use super::reach::Reaching;

/// Longest secret that is read from standard input, in bytes.
const SECRET_BYTES_MAX: u64 = 8 << 10;

#[derive(Debug, Args)]
pub(super) struct Prices {
    #[command(flatten)]
    reaching: Reaching,
    #[command(subcommand)]
    command: PriceCommand,
}

#[derive(Debug, Subcommand)]
enum PriceCommand {
    /// List prices that were set; with both names, the one in force
    List {
        #[command(flatten)]
        of: Of,
        #[arg(long, default_value = "table")]
        format: Format,
    },
    /// Set a price, at once and before all others
    Set {
        #[command(flatten)]
        of: Of,
        #[command(flatten)]
        price: Box<PriceFlags>,
    },
    /// Remove a price that was set so
    Remove {
        #[command(flatten)]
        of: Of,
    },
}

/// The members of a price; what is absent is free, or follows from the others.
#[derive(Debug, Args)]
#[group(required = true, multiple = true)]
struct PriceFlags {
    /// A million tokens
    #[arg(long)]
    input: Option<String>,
    /// A million tokens
    #[arg(long)]
    output: Option<String>,
    /// A million tokens
    #[arg(long)]
    cache_read: Option<String>,
    /// A million tokens
    #[arg(long)]
    cache_write: Option<String>,
    /// A million tokens that are kept for longer
    #[arg(long)]
    cache_write_1h: Option<String>,
    /// Each image that is made
    #[arg(long)]
    image: Option<String>,
    /// Each second of audio that is transcribed
    #[arg(long)]
    audio_second: Option<String>,
    /// A million characters that are spoken
    #[arg(long)]
    characters: Option<String>,
    /// Each second at the upstream
    #[arg(long)]
    gpu_second: Option<String>,
    /// Each request
    #[arg(long)]
    request: Option<String>,
}

impl PriceFlags {
    fn price(&self) -> Result<Value, Failure> {
        let amount = |name, text: &Option<String>| {
            text.as_ref()
                .map(|text| forms::money(name, text))
                .transpose()
        };
        Ok(forms::object([
            ("input", amount("--input", &self.input)?),
            ("output", amount("--output", &self.output)?),
            ("cache_read", amount("--cache-read", &self.cache_read)?),
            ("cache_write", amount("--cache-write", &self.cache_write)?),
            (
                "cache_write_1h",
                amount("--cache-write-1h", &self.cache_write_1h)?,
            ),
            ("image", amount("--image", &self.image)?),
            (
                "audio_second",
                amount("--audio-second", &self.audio_second)?,
            ),
            ("characters", amount("--characters", &self.characters)?),
            ("gpu_second", amount("--gpu-second", &self.gpu_second)?),
            ("request", amount("--request", &self.request)?),
        ]))
    }
}

/// What a price is for.
#[derive(Debug, Args)]
struct Of {
    /// The upstream's or the public name of a model
    #[arg(long, value_name = "NAME")]
    model: Option<String>,
    #[arg(long, value_name = "NAME")]
    upstream: Option<String>,
}

impl Of {
    fn query(&self) -> Vec<(&str, &str)> {
        let given = [
            ("upstream", self.upstream.as_deref()),
            ("model", self.model.as_deref()),
        ];
        given
            .into_iter()
            .filter_map(|(name, value)| Some((name, value?)))
            .collect()
    }
}

pub(super) fn prices(prices: &Prices, out: &mut dyn Write) -> Result<(), Failure> {
    let reach = prices.reaching.reach()?;
    match &prices.command {
        PriceCommand::List { of, format } => {
            let mut answer = reach.get("prices", &of.query())?;
            let items = answer["items"]
                .as_array_mut()
                .map(std::mem::take)
                .unwrap_or_default();
            let columns = [
                "upstream",
                "model",
                "price.input",
                "price.output",
                "price.cache_read",
                "price.gpu_second",
                "source",
            ];
            print(out, *format, &columns, items)
        }
        PriceCommand::Set { of, price } => {
            let price = price.price()?;
            let body = forms::object([
                ("upstream", of.upstream.clone().map(Value::from)),
                ("model", of.model.clone().map(Value::from)),
                ("price", Some(price)),
            ]);
            forms::json(
                out,
                &reach.change(Method::PUT, "prices", Some(body))?.json()?,
            )
        }
        PriceCommand::Remove { of } => {
            reach.ask(&Question::new(Method::DELETE, "prices", &of.query(), None))?;
            Ok(writeln!(out, "the price is removed")?)
        }
    }
}

#[derive(Debug, Args)]
pub(super) struct LimitsArguments {
    #[command(flatten)]
    reaching: Reaching,
    #[command(subcommand)]
    command: LimitCommand,
}

#[derive(Debug, Subcommand)]
enum LimitCommand {
    /// Show the limits of somebody, and what is left of them
    Show {
        /// tenant/ID, project/TENANT/ID, user/TENANT/ID, key/ID, model/NAME, upstream/NAME, endpoint/NAME or global
        subject: String,
        #[arg(long, default_value = "table")]
        format: Format,
    },
    /// Forget what somebody has used of its limits, at once; money that was spent stays spent
    Reset {
        /// tenant/ID, project/TENANT/ID, user/TENANT/ID, key/ID, model/NAME, upstream/NAME, endpoint/NAME or global
        subject: String,
    },
    /// Change limits, at once; what is not named is no longer limited
    Set {
        /// tenant/ID, project/TENANT/ID, user/TENANT/ID or key/ID
        subject: String,
        /// Requests a second
        #[arg(long, value_name = "NUMBER")]
        rps: Option<u64>,
        /// Requests a minute
        #[arg(long, value_name = "NUMBER")]
        rpm: Option<u64>,
        /// Requests a day
        #[arg(long, value_name = "NUMBER")]
        rpd: Option<u64>,
        /// Tokens a minute, input and output
        #[arg(long, value_name = "NUMBER")]
        tpm: Option<u64>,
        /// Tokens a day, input and output
        #[arg(long, value_name = "NUMBER")]
        tpd: Option<u64>,
        /// Exchanges at once
        #[arg(long, value_name = "NUMBER")]
        concurrency: Option<u64>,
        /// Money for each period: 20/month; the limits stay as they are where it stands alone
        #[arg(long, value_name = "AMOUNT/PERIOD")]
        budget: Option<String>,
        /// Take the budget away
        #[arg(long, conflicts_with = "budget")]
        no_budget: bool,
    },
}

pub(super) fn limits(limits: &LimitsArguments, out: &mut dyn Write) -> Result<(), Failure> {
    let reach = limits.reaching.reach()?;
    let path = |subject: &str| {
        let mut parts = subject.splitn(2, '/');
        let scope = parts.next().unwrap_or_default().to_owned();
        let rest = parts.next().unwrap_or_default();
        // Names of models and upstreams may have slashes; ids of tenants and users have none.
        let names: Vec<String> = match scope.as_str() {
            "user" | "project" => rest.split('/').map(part).collect(),
            _ => vec![part(rest)],
        };
        match rest {
            "" => format!("limits/{}", part(&scope)),
            _ => format!("limits/{scope}/{}", names.join("/")),
        }
    };
    match &limits.command {
        LimitCommand::Show { subject, format } => {
            let shown = reach.get(&path(subject), &[])?;
            if *format == Format::Json {
                return forms::json(out, &shown);
            }
            let rates = shown["rates"].as_array().cloned().unwrap_or_default();
            forms::table(
                out,
                &["limit", "amount", "used", "remaining", "reset_seconds"],
                &rates,
            )?;
            if !shown["budget"].is_null() {
                let columns = [
                    "budget.amount",
                    "budget.per",
                    "budget.spent",
                    "budget.held",
                    "budget.remaining",
                    "budget.ends",
                ];
                forms::table(out, &columns, std::slice::from_ref(&shown))?;
            }
            if !shown["balance"].is_null() {
                let columns = ["balance.balance", "balance.held", "balance.credit"];
                forms::table(out, &columns, std::slice::from_ref(&shown))?;
            }
            Ok(())
        }
        LimitCommand::Reset { subject } => {
            let path = format!("{}/reset", path(subject));
            forms::json(out, &reach.change(Method::POST, &path, None)?.json()?)
        }
        LimitCommand::Set {
            subject,
            rps,
            rpm,
            rpd,
            tpm,
            tpd,
            concurrency,
            budget,
            no_budget,
        } => {
            let rates = forms::object([
                ("requests_per_second", rps.map(Value::from)),
                ("requests_per_minute", rpm.map(Value::from)),
                ("requests_per_day", rpd.map(Value::from)),
                ("tokens_per_minute", tpm.map(Value::from)),
                ("tokens_per_day", tpd.map(Value::from)),
                ("concurrency", concurrency.map(Value::from)),
            ]);
            let is_about_money = rates == json!({}) && (budget.is_some() || *no_budget);
            let body = forms::object([
                ("limits", (!is_about_money).then_some(rates)),
                ("budget", budget.as_deref().map(forms::budget).transpose()?),
                ("no_budget", no_budget.then(|| true.into())),
            ]);
            forms::json(
                out,
                &reach
                    .change(Method::PUT, &path(subject), Some(body))?
                    .json()?,
            )
        }
    }
}

#[derive(Debug, Args)]
pub(super) struct UpstreamKeys {
    #[command(flatten)]
    reaching: Reaching,
    #[command(subcommand)]
    command: UpstreamKeyCommand,
}

#[derive(Debug, Subcommand)]
enum UpstreamKeyCommand {
    /// Seal a credential, read from standard input, under a name that the configuration has as `stored: NAME`
    Put { name: String },
    /// List the names, without the secrets
    List {
        #[arg(long, default_value = "table")]
        format: Format,
    },
    /// Remove a credential
    Remove { name: String },
    /// Seal all of them with the current master key
    Reseal,
}

pub(super) fn upstream_keys(keys: &UpstreamKeys, out: &mut dyn Write) -> Result<(), Failure> {
    let reach = keys.reaching.reach()?;
    match &keys.command {
        UpstreamKeyCommand::Put { name } => {
            let mut secret = String::new();
            let read = std::io::stdin()
                .take(SECRET_BYTES_MAX)
                .read_to_string(&mut secret);
            read.map_err(|error| {
                Failure::Argument(format!(
                    "standard input, where the secret is expected: {error}"
                ))
            })?;
            let body = json!({ "secret": secret.trim() });
            let path = format!("upstream-keys/{}", part(name));
            forms::json(out, &reach.change(Method::PUT, &path, Some(body))?.json()?)
        }
        UpstreamKeyCommand::List { format } => {
            let mut answer = reach.get("upstream-keys", &[])?;
            let items = answer["items"]
                .as_array_mut()
                .map(std::mem::take)
                .unwrap_or_default();
            print(
                out,
                *format,
                &["name", "fingerprint", "changed", "master_key"],
                items,
            )
        }
        UpstreamKeyCommand::Remove { name } => {
            reach.change(
                Method::DELETE,
                &format!("upstream-keys/{}", part(name)),
                None,
            )?;
            Ok(writeln!(out, "upstream key {name} is removed")?)
        }
        UpstreamKeyCommand::Reseal => forms::json(
            out,
            &reach
                .change(Method::POST, "upstream-keys/reseal", None)?
                .json()?,
        ),
    }
}

#[derive(Debug, Args)]
pub(super) struct Ledger {
    #[command(flatten)]
    reaching: Reaching,
    #[command(subcommand)]
    command: LedgerCommand,
}

#[derive(Debug, Subcommand)]
enum LedgerCommand {
    /// Show how the ledger does
    State,
    /// Wait until all that is settled is durable
    Flush,
}

pub(super) fn ledger(ledger: &Ledger, out: &mut dyn Write) -> Result<(), Failure> {
    let reach = ledger.reaching.reach()?;
    match &ledger.command {
        LedgerCommand::State => forms::json(out, &reach.get("ledger", &[])?),
        LedgerCommand::Flush => forms::json(
            out,
            &reach.change(Method::POST, "ledger/flush", None)?.json()?,
        ),
    }
}
