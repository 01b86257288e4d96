//! Usage: sums in groups, and settled exchanges one by one. Nothing is shown that the scope does not let be seen.

use std::collections::BTreeMap;

use http::StatusCode;
use serde_json::{Map, Value};

use crate::admin::reply::{self, Refusal, Reply, respond, with_header};
use crate::admin::shapes::{RowsShown, UsageShown};
use crate::ledger::End;
use crate::ledger::export::{Exporter, Format, Record, write_answer};
use crate::ledger::query::{
    self, AnswerError, Cursor, Dimension, Filter, Group, Label, Question, StatusFilter, moment,
};
use crate::terms::ModelPattern;

use super::{Asked, Desk, store_failed};

/// How usage is asked for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Form {
    Json,
    Csv,
    Ndjson,
}

impl Desk<'_> {
    pub(super) fn usage(&self, asked: &Asked<'_>) -> Result<Reply, Refusal> {
        let form = form(asked)?;
        let by = asked
            .query
            .parsed("by", Dimension::parse_list)?
            .unwrap_or_default();
        let question = Question::new(asked.scope.clone(), filter(asked)?, by);
        let books = self.books()?;
        books.catch_up();
        let answer = query::answer(&*books.store, &question, self.now).map_err(unanswered)?;
        let by = question.by();
        let mut body = Vec::new();
        let (format, content_type) = match form {
            Form::Json => {
                return reply::ok(&UsageShown {
                    by: by
                        .iter()
                        .map(|dimension| dimension.name().into_owned())
                        .collect(),
                    groups: answer
                        .groups
                        .iter()
                        .map(|group| object(by, group))
                        .collect(),
                    incomplete_before: answer.incomplete_before.map(moment::text),
                });
            }
            Form::Csv => (Format::Csv, CSV),
            Form::Ndjson => (Format::Json, NDJSON),
        };
        write_answer(by, &answer.groups, format, &mut body).map_err(|_| reply::internal())?;
        Ok(respond(StatusCode::OK, content_type, body))
    }

    pub(super) fn usage_rows(&self, asked: &Asked<'_>) -> Result<Reply, Refusal> {
        let form = form(asked)?;
        let question = Question::new(asked.scope.clone(), filter(asked)?, Vec::new());
        let after = asked.query.parsed("after", Cursor::parse)?;
        let limit = asked.query.limit()?;
        let books = self.books()?;
        books.catch_up();
        let page =
            query::page(&*books.store, &question, after.as_ref(), limit).map_err(store_failed)?;
        let rows = page.rows.iter().filter_map(|row| asked.scope.see(&**row));
        let next = page.next.as_ref().map(Cursor::text);
        let (format, content_type) = match form {
            Form::Json => {
                let rows = rows.map(|row| serde_json::to_value(Record::of(&row)));
                let rows = rows
                    .collect::<Result<Vec<Value>, _>>()
                    .map_err(|_| reply::internal())?;
                return reply::ok(&RowsShown { rows, next });
            }
            Form::Csv => (Format::Csv, CSV),
            Form::Ndjson => (Format::Json, NDJSON),
        };
        let mut body = Vec::new();
        let mut written = Exporter::new(format, &mut body).map_err(|_| reply::internal())?;
        for row in rows {
            written.row(&row).map_err(|_| reply::internal())?;
        }
        written.finish().map_err(|_| reply::internal())?;
        let reply = respond(StatusCode::OK, content_type, body);
        Ok(match next {
            Some(next) => with_header(reply, "x-next-cursor", &next),
            None => reply,
        })
    }
}

const CSV: &str = "text/csv; charset=utf-8; header=present";
const NDJSON: &str = "application/x-ndjson";

fn form(asked: &Asked<'_>) -> Result<Form, Refusal> {
    let form = asked.query.parsed("format", |text| match text {
        "json" => Ok(Form::Json),
        "csv" => Ok(Form::Csv),
        "ndjson" => Ok(Form::Ndjson),
        _ => Err("is no format; there are `json`, `ndjson` and `csv`".to_owned()),
    });
    Ok(form?.unwrap_or(Form::Json))
}

fn filter(asked: &Asked<'_>) -> Result<Filter, Refusal> {
    let query = &asked.query;
    let labels = [
        Label::Tenant,
        Label::Project,
        Label::User,
        Label::Key,
        Label::Upstream,
        Label::UpstreamModel,
        Label::Operation,
    ];
    let labels = labels
        .into_iter()
        .filter_map(|label| Some((label, query.get(label.name())?.to_owned())));
    let tags = query.all("tag").map(|tag| {
        let named = tag.split_once(':').filter(|(name, _)| !name.is_empty());
        let (name, value) = named.ok_or_else(|| {
            let message = format!("`tag={tag}` is not of the form `name:value`");
            reply::bad_parameter("tag", message)
        })?;
        Ok((name.to_owned(), value.to_owned()))
    });
    Ok(Filter {
        from: query.time("from")?,
        to: query.time("to")?,
        labels: labels.collect(),
        model: query.parsed("model", ModelPattern::parse)?,
        tags: tags.collect::<Result<BTreeMap<String, String>, Refusal>>()?,
        status: query.parsed("status", StatusFilter::parse)?,
        end: query.parsed("end", end)?,
    })
}

fn end(text: &str) -> Result<End, String> {
    let known = End::ALL.into_iter().find(|end| end.label() == text);
    known.ok_or_else(|| {
        let names = End::ALL.map(End::label).join("`, `");
        format!("is no end of an exchange; there are `{names}`")
    })
}

pub(super) fn unanswered(error: AnswerError) -> Refusal {
    match error {
        AnswerError::Store(error) => store_failed(error),
        AnswerError::TooManyGroups(error) => reply::bad_parameter("by", error.to_string()),
    }
}

fn object(by: &[Dimension], group: &Group) -> Map<String, Value> {
    let names = by.iter().map(|dimension| dimension.name().into_owned());
    let values = group.values.iter().cloned().map(Value::from);
    let mut object: Map<String, Value> = names.zip(values).collect();
    if let Ok(Value::Object(sums)) = serde_json::to_value(group.sums) {
        object.extend(sums);
    }
    object
}
