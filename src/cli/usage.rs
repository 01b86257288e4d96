//! `weir usage`: what was used, in sums or exchange by exchange, and invoices held against it. It must not know the ledger.

use std::io::Write;
use std::path::PathBuf;

use clap::{Args, Subcommand};
use http::Method;
use serde_json::Value;

use super::Failure;
use super::ask::Question;
use super::forms::{self, Format};
use super::reach::{Answer, Reach, Reaching};

#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true, subcommand_negates_reqs = true)]
pub(super) struct Usage {
    #[command(flatten)]
    reaching: Reaching,
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    asked: Asked,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Compare a provider's invoice (CSV) with the ledger
    Reconcile {
        invoice: PathBuf,
        /// The upstream that the invoice is of
        #[arg(long, value_name = "NAME")]
        upstream: String,
        /// Percent by which numbers may differ
        #[arg(long, default_value = "0%", value_name = "PERCENT")]
        tolerance: String,
        /// What the invoice's columns are called, where its header does not tell
        #[arg(long)]
        columns: Option<String>,
        /// The invoice has the public names of models
        #[arg(long)]
        public_names: bool,
        #[arg(long, default_value = "table")]
        format: Format,
    },
}

#[derive(Debug, Args)]
struct Asked {
    /// A date or an RFC 3339 time; inclusive
    #[arg(long)]
    from: Option<String>,
    /// A date or an RFC 3339 time; exclusive
    #[arg(long)]
    to: Option<String>,
    /// What to sum up by, with commas: hour, day, week, month, tenant, project, user, key, model, upstream, upstream_model,
    /// operation, tag:<name> [default: each exchange with json and csv, the whole with table]
    #[arg(long)]
    by: Option<String>,
    #[arg(long, value_name = "ID")]
    tenant: Option<String>,
    #[arg(long, value_name = "ID")]
    project: Option<String>,
    #[arg(long, value_name = "ID")]
    user: Option<String>,
    /// The id of a client key
    #[arg(long, value_name = "ID")]
    key: Option<String>,
    /// A name, a glob or a /regular expression/
    #[arg(long, value_name = "PATTERN")]
    model: Option<String>,
    #[arg(long, value_name = "NAME")]
    upstream: Option<String>,
    #[arg(long)]
    operation: Option<String>,
    /// 429, 5xx
    #[arg(long)]
    status: Option<String>,
    /// name:value; may be repeated
    #[arg(long = "tag", value_name = "NAME:VALUE")]
    tags: Vec<String>,
    #[arg(long, default_value = "table")]
    format: Format,
}

impl Asked {
    fn query(&self) -> Vec<(&str, &str)> {
        let given = [
            ("from", &self.from),
            ("to", &self.to),
            ("by", &self.by),
            ("tenant", &self.tenant),
            ("project", &self.project),
            ("user", &self.user),
            ("key", &self.key),
            ("model", &self.model),
            ("upstream", &self.upstream),
            ("operation", &self.operation),
            ("status", &self.status),
        ];
        let given = given
            .into_iter()
            .filter_map(|(name, value)| Some((name, value.as_deref()?)));
        let tags = self.tags.iter().map(|tag| ("tag", tag.as_str()));
        given.chain(tags).collect()
    }
}

pub(super) fn run(usage: &Usage, out: &mut dyn Write) -> Result<(), Failure> {
    let reach = usage.reaching.reach()?;
    if let Some(Command::Reconcile {
        invoice,
        upstream,
        tolerance,
        columns,
        public_names,
        format,
    }) = &usage.command
    {
        let body = std::fs::read(invoice)
            .map_err(|error| Failure::Argument(format!("{}: {error}", invoice.display())))?;
        let mut query = vec![("upstream", upstream.as_str()), ("tolerance", tolerance)];
        query.extend(columns.as_deref().map(|columns| ("columns", columns)));
        query.extend(public_names.then_some(("public_names", "true")));
        let mut question = Question::new(Method::POST, "usage/reconcile", &query, Some(&body));
        question.content_type = "text/csv";
        let compared = reach.ask(&question)?.json()?;
        return match format {
            Format::Json => forms::json(out, &compared),
            Format::Table | Format::Csv => Ok(write!(
                out,
                "{}",
                compared["report"].as_str().unwrap_or_default()
            )?),
        };
    }
    let asked = &usage.asked;
    match (asked.format, &asked.by) {
        (Format::Table, _) => summed(&reach, asked, out),
        (Format::Json, None) => exchanges(&reach, asked, "ndjson", out),
        (Format::Csv, None) => exchanges(&reach, asked, "csv", out),
        (Format::Json, Some(_)) => copied(&reach, asked, "ndjson", out),
        (Format::Csv, Some(_)) => copied(&reach, asked, "csv", out),
    }
}

fn summed(reach: &Reach, asked: &Asked, out: &mut dyn Write) -> Result<(), Failure> {
    let answer = reach.get("usage", &asked.query())?;
    let by: Vec<&str> = answer["by"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
        .collect();
    let sums = [
        "exchanges",
        "input",
        "cached",
        "output",
        "reasoning",
        "estimated",
        "unpriced",
        "cost",
    ];
    let columns: Vec<&str> = by.into_iter().chain(sums).collect();
    let groups = answer["groups"].as_array().cloned().unwrap_or_default();
    forms::table(out, &columns, &groups)?;
    if let Some(before) = answer["incomplete_before"].as_str() {
        writeln!(out, "not all before {before} is kept any more")?;
    }
    Ok(())
}

fn copied(reach: &Reach, asked: &Asked, format: &str, out: &mut dyn Write) -> Result<(), Failure> {
    let mut query = asked.query();
    query.push(("format", format));
    let answer = reach.ask(&Question::new(Method::GET, "usage", &query, None))?;
    Ok(out.write_all(&answer.body)?)
}

/// Every settled exchange, page by page.
fn exchanges(
    reach: &Reach,
    asked: &Asked,
    format: &str,
    out: &mut dyn Write,
) -> Result<(), Failure> {
    let mut after: Option<String> = None;
    loop {
        let mut query = asked.query();
        query.extend([("format", format), ("limit", "1000")]);
        query.extend(after.as_deref().map(|after| ("after", after)));
        let Answer { body, next } =
            reach.ask(&Question::new(Method::GET, "usage/rows", &query, None))?;
        // Each page of CSV has a header; one is enough.
        let header_ends = body
            .iter()
            .position(|byte| *byte == b'\n')
            .map_or(body.len(), |end| end + 1);
        let begin = if after.is_some() && format == "csv" {
            header_ends
        } else {
            0
        };
        out.write_all(&body[begin..])?;
        match next {
            Some(next) => after = Some(next),
            None => return Ok(()),
        }
    }
}
