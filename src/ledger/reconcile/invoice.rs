//! Reads an invoice as a stream: sums by day and model are all that is kept.
//! It must not know what it is compared with.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::fmt;
use std::io::Read;

use csv::{ReaderBuilder, StringRecord};

use super::columns::{Columns, Measure};
use super::compare::Side;
use super::number;
use crate::ledger::totals::Day;

/// Pairs of day and model that an invoice may have.
pub const LINES_MAX: usize = 1_000_000;

/// An invoice, added up.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Invoice {
    pub columns: Columns,
    /// By day, counted from 1970, and model.
    pub lines: BTreeMap<(Day, String), Side>,
    /// Lines of the file, without its header.
    pub read: u64,
    /// Lines without a model, such as empty buckets and sums at the end.
    pub skipped: u64,
}

/// Why an invoice cannot be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum InvoiceError {
    /// It is no CSV, or cannot be read; with the cause.
    File(String),
    /// The header is of no known layout.
    Header(String),
    /// The header has not the column that was named.
    Column {
        name: String,
        header: String,
    },
    /// A cell that says nothing.
    Cell {
        line: u64,
        column: String,
        cell: String,
        wanted: &'static str,
    },
    TooManyLines,
}

impl fmt::Display for InvoiceError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            InvoiceError::File(cause) => write!(formatter, "the invoice cannot be read: {cause}"),
            InvoiceError::Header(header) => write!(
                formatter,
                "the invoice's header is of no known layout; name its columns, for example date=Day,model=Model,cost=Amount. It has: {header}"
            ),
            InvoiceError::Column { name, header } => {
                write!(
                    formatter,
                    "the invoice has no column `{name}`. It has: {header}"
                )
            }
            InvoiceError::Cell {
                line,
                column,
                cell,
                wanted,
            } => write!(
                formatter,
                "line {line} of the invoice: `{column}` is `{cell}`, which is no {wanted}"
            ),
            InvoiceError::TooManyLines => write!(
                formatter,
                "the invoice has more than {LINES_MAX} pairs of day and model; split it by month"
            ),
        }
    }
}

impl std::error::Error for InvoiceError {}

impl Invoice {
    /// Reads CSV with a header. Without `columns`, the layout is found by the header. `rename` turns the invoice's name of a
    /// model into the upstream's; what it returns none for keeps its name.
    ///
    /// # Errors
    /// When the file cannot be read or understood.
    pub fn read(
        file: impl Read,
        columns: Option<Columns>,
        rename: &dyn Fn(&str) -> Option<String>,
    ) -> Result<Invoice, InvoiceError> {
        let mut reader = ReaderBuilder::new().flexible(true).from_reader(file);
        let header = reader.headers().map_err(unreadable)?.clone();
        let names: Vec<&str> = header.iter().map(clean).collect();
        let columns = columns
            .or_else(|| Columns::of_header(&names))
            .ok_or_else(|| InvoiceError::Header(names.join(", ")))?;
        let places = Places::find(&columns, &names)?;
        let mut invoice = Invoice {
            columns,
            ..Invoice::default()
        };
        let mut record = StringRecord::new();
        while reader.read_record(&mut record).map_err(unreadable)? {
            invoice.read += 1;
            invoice.add(&places, &record, rename)?;
        }
        Ok(invoice)
    }

    fn add(
        &mut self,
        places: &Places,
        record: &StringRecord,
        rename: &dyn Fn(&str) -> Option<String>,
    ) -> Result<(), InvoiceError> {
        let model = record.get(places.model).unwrap_or_default().trim();
        if model.is_empty() {
            self.skipped += 1;
            return Ok(());
        }
        let day = places.cell(record, places.date, "date", number::day)?;
        let model = rename(model).unwrap_or_else(|| model.to_owned());
        let is_full = self.lines.len() >= LINES_MAX;
        let side = match self.lines.entry((day, model)) {
            Entry::Vacant(_) if is_full => {
                return Err(InvoiceError::TooManyLines);
            }
            entry => entry.or_default(),
        };
        for (measure, place) in &places.measures {
            let count = || places.cell(record, *place, "whole number", number::count);
            let money = || places.cell(record, *place, "amount of money", number::money);
            let part = match measure {
                Measure::Requests => Side {
                    requests: count()?,
                    ..Side::default()
                },
                Measure::Input => Side {
                    input: count()?,
                    ..Side::default()
                },
                Measure::Cached => Side {
                    cached: count()?,
                    ..Side::default()
                },
                Measure::Output => Side {
                    output: count()?,
                    ..Side::default()
                },
                Measure::Cost => Side {
                    cost: money()?,
                    ..Side::default()
                },
            };
            side.add(&part);
        }
        Ok(())
    }
}

/// Where the columns stand.
struct Places {
    date: usize,
    model: usize,
    measures: Vec<(Measure, usize)>,
    names: Vec<String>,
}

impl Places {
    fn find(columns: &Columns, header: &[&str]) -> Result<Places, InvoiceError> {
        let place = |name: &str| {
            let missing = || InvoiceError::Column {
                name: name.to_owned(),
                header: header.join(", "),
            };
            header
                .iter()
                .position(|column| *column == name)
                .ok_or_else(missing)
        };
        let mut measures = Vec::new();
        for measure in columns.measures() {
            for name in columns.of(measure) {
                measures.push((measure, place(name)?));
            }
        }
        Ok(Places {
            date: place(&columns.date)?,
            model: place(&columns.model)?,
            measures,
            names: header.iter().map(|name| (*name).to_owned()).collect(),
        })
    }

    /// Reads one cell; a line that is too short has an empty one there.
    fn cell<T>(
        &self,
        record: &StringRecord,
        place: usize,
        wanted: &'static str,
        read: impl Fn(&str) -> Option<T>,
    ) -> Result<T, InvoiceError> {
        let cell = record.get(place).unwrap_or_default();
        read(cell).ok_or_else(|| InvoiceError::Cell {
            line: record.position().map_or(0, csv::Position::line),
            column: self.names.get(place).cloned().unwrap_or_default(),
            cell: cell.chars().take(100).collect(),
            wanted,
        })
    }
}

/// A column's name without blanks and without the mark that spreadsheets begin a file with.
fn clean(name: &str) -> &str {
    name.trim_start_matches('\u{feff}').trim()
}

fn unreadable(error: csv::Error) -> InvoiceError {
    InvoiceError::File(error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ledger::query::moment;
    use crate::ledger::totals;

    fn read(text: &str) -> Result<Invoice, InvoiceError> {
        Invoice::read(text.as_bytes(), None, &|_| None)
    }

    #[test]
    fn lines_of_a_day_and_model_are_added_up() {
        let invoice = read(
            "\u{feff}usage_date_utc,model_version,api_key,usage_input_tokens_no_cache,usage_input_tokens_cache_write_5m,usage_input_tokens_cache_write_1h,usage_input_tokens_cache_read,usage_output_tokens\r\n\
             2027-01-31,claude-x,\"a, b\",\"1,000\",20,3,100,7\r\n\
             2027-01-31,claude-x,c,1,0,0,0,1\r\n\
             2027-02-01,claude-x,c,5,0,0,0,1\r\n\
             ,,,,,,,\r\n",
        )
        .unwrap();
        assert_eq!(
            (invoice.read, invoice.skipped, invoice.lines.len()),
            (4, 1, 2)
        );
        let day = totals::day_of(moment::parse("2027-01-31").unwrap());
        let side = invoice.lines[&(day, "claude-x".to_owned())];
        assert_eq!((side.input, side.cached, side.output), (1124, 100, 8));
    }

    #[test]
    fn names_can_be_given_and_changed() {
        let columns = Columns::parse("date=Day,model=Name,cost=Net+Tax").unwrap();
        let rename = |name: &str| (name == "Claude X").then(|| "claude-x".to_owned());
        let file = "Name;Day\nx";
        assert!(matches!(
            Invoice::read(file.as_bytes(), Some(columns.clone()), &rename),
            Err(InvoiceError::Column { name, .. }) if name == "Net"
        ));
        let file = "Day,Name,Net,Tax\n2027-01-31,Claude X,1.5,0.25\n";
        let invoice = Invoice::read(file.as_bytes(), Some(columns), &rename).unwrap();
        let (key, side) = invoice.lines.first_key_value().unwrap();
        assert_eq!(
            (key.1.as_str(), side.cost.to_string().as_str()),
            ("claude-x", "1.75")
        );
    }

    #[test]
    fn what_cannot_be_understood_is_named() {
        for (text, expected) in [
            ("a,b\n1,2\n", "no known layout"),
            (
                "date,model,cost\n2027-01-31,m,lots\n",
                "line 2 of the invoice: `cost` is `lots`",
            ),
            (
                "date,model,cost\n2027-01-31,m,1\nnever,m,1\n",
                "line 3 of the invoice: `date` is `never`",
            ),
            ("", "no known layout"),
        ] {
            let message = read(text).unwrap_err().to_string();
            assert!(message.contains(expected), "{text}: {message}");
        }
    }
}
