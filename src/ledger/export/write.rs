//! Writes rows and answers, one after another, to whatever takes bytes. Nothing is held back.
//! It must not know where the bytes go.

use std::borrow::Cow;
use std::fmt;
use std::io::{self, Write};
use std::ops::ControlFlow;

use csv::{Terminator, WriterBuilder};
use serde_json::{Map, Value};

use super::csv_cells::text;
use super::record::Record;
use crate::ledger::query::scope::Visible;
use crate::ledger::query::{Dimension, Group, Question, Sums, each_row};
use crate::ledger::row::Row;
use crate::store::{Store, StoreError};

/// How usage is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// With a header.
    Csv,
    /// One object a line.
    Json,
}

/// Why an export ends early.
#[derive(Debug)]
pub enum ExportError {
    Store(StoreError),
    /// Whoever reads has gone, or the disk is full.
    Output(io::Error),
}

impl fmt::Display for ExportError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ExportError::Store(error) => error.fmt(formatter),
            ExportError::Output(error) => {
                write!(formatter, "the export cannot be written: {error}")
            }
        }
    }
}

impl std::error::Error for ExportError {}

impl From<StoreError> for ExportError {
    fn from(error: StoreError) -> ExportError {
        ExportError::Store(error)
    }
}

impl From<io::Error> for ExportError {
    fn from(error: io::Error) -> ExportError {
        ExportError::Output(error)
    }
}

/// Writes rows one at a time.
pub struct Exporter<'a> {
    lines: Lines<'a>,
}

impl<'a> Exporter<'a> {
    /// Begins a file, with the header where the format has one.
    ///
    /// # Errors
    /// Those of the writer.
    pub fn new(format: Format, out: &'a mut dyn Write) -> io::Result<Exporter<'a>> {
        let columns = Record::COLUMNS.map(Cow::Borrowed);
        let lines = Lines::new(format, out, &columns)?;
        Ok(Exporter { lines })
    }

    /// # Errors
    /// Those of the writer.
    pub fn row(&mut self, row: &Visible<&Row>) -> io::Result<()> {
        let record = Record::of(row);
        match &mut self.lines {
            Lines::Csv(csv) => write_cells(csv, &record.cells()),
            Lines::Json(out) => write_json(out, &record),
        }
    }

    /// # Errors
    /// Those of the writer.
    pub fn finish(mut self) -> io::Result<()> {
        self.lines.finish()
    }
}

/// Writes all rows that a question picks.
///
/// # Errors
/// When the store cannot be read or the output not be written; what was written stands.
pub fn export_rows(
    store: &dyn Store,
    question: &Question,
    format: Format,
    out: &mut dyn Write,
) -> Result<(), ExportError> {
    let mut exporter = Exporter::new(format, out)?;
    let mut failed = None;
    each_row(store, question, &mut |row| match exporter.row(&row) {
        Ok(()) => ControlFlow::Continue(()),
        Err(error) => {
            failed = Some(error);
            ControlFlow::Break(())
        }
    })?;
    match failed {
        Some(error) => Err(error.into()),
        None => Ok(exporter.finish()?),
    }
}

/// Writes the groups of an answer: a column or member for each dimension, then the sums.
///
/// # Errors
/// Those of the writer.
pub fn write_answer(
    by: &[Dimension],
    groups: &[Group],
    format: Format,
    out: &mut dyn Write,
) -> io::Result<()> {
    let names = by.iter().map(Dimension::name);
    let columns: Vec<Cow<'_, str>> = names.chain(SUMS.map(Cow::Borrowed)).collect();
    let mut lines = Lines::new(format, out, &columns)?;
    for group in groups {
        match &mut lines {
            Lines::Csv(csv) => {
                let values = group.values.iter().map(|value| text(value));
                let sums = sums(&group.sums).into_iter().map(Cow::Owned);
                write_cells(csv, &values.chain(sums).collect::<Vec<_>>())?;
            }
            Lines::Json(out) => write_json(out, &object(by, group))?,
        }
    }
    lines.finish()
}

/// The names of sums, in the order of [`sums`] and of [`Sums`].
const SUMS: [&str; 10] = [
    "exchanges",
    "input",
    "cached",
    "cache_write",
    "output",
    "reasoning",
    "estimated",
    "unpriced",
    "incomplete",
    "cost",
];

fn sums(sums: &Sums) -> [String; 10] {
    [
        sums.exchanges.to_string(),
        sums.input.to_string(),
        sums.cached.to_string(),
        sums.cache_write.to_string(),
        sums.output.to_string(),
        sums.reasoning.to_string(),
        sums.estimated.to_string(),
        sums.unpriced.to_string(),
        sums.incomplete.to_string(),
        sums.cost.to_string(),
    ]
}

/// A group as one flat object.
pub(super) fn object(by: &[Dimension], group: &Group) -> Map<String, Value> {
    let mut object = Map::new();
    for (dimension, value) in by.iter().zip(&group.values) {
        object.insert(dimension.name().into_owned(), value.clone().into());
    }
    if let Ok(Value::Object(sums)) = serde_json::to_value(group.sums) {
        object.extend(sums);
    }
    object
}

/// Lines of either format.
pub(super) enum Lines<'a> {
    Csv(Box<csv::Writer<&'a mut dyn Write>>),
    Json(&'a mut dyn Write),
}

impl<'a> Lines<'a> {
    pub(super) fn new(
        format: Format,
        out: &'a mut dyn Write,
        columns: &[Cow<'_, str>],
    ) -> io::Result<Lines<'a>> {
        match format {
            Format::Json => Ok(Lines::Json(out)),
            Format::Csv => {
                let mut builder = WriterBuilder::new();
                let mut csv = builder.terminator(Terminator::CRLF).from_writer(out);
                let columns: Vec<Cow<'_, str>> = columns.iter().map(|name| text(name)).collect();
                write_cells(&mut csv, &columns)?;
                Ok(Lines::Csv(Box::new(csv)))
            }
        }
    }

    pub(super) fn finish(&mut self) -> io::Result<()> {
        match self {
            Lines::Csv(csv) => csv.flush(),
            Lines::Json(out) => out.flush(),
        }
    }
}

pub(super) fn write_cells(
    csv: &mut csv::Writer<&mut dyn Write>,
    cells: &[Cow<'_, str>],
) -> io::Result<()> {
    csv.write_record(cells.iter().map(|cell| cell.as_bytes()))
        .map_err(io::Error::from)
}

pub(super) fn write_json<T: serde::Serialize>(out: &mut dyn Write, line: &T) -> io::Result<()> {
    serde_json::to_writer(&mut *out, line)?;
    out.write_all(b"\n")
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::sync::Arc;

    use super::*;
    use crate::ledger::query::sample::{at, row, rows, store};
    use crate::ledger::query::scope::Scope;
    use crate::ledger::query::{Filter, answer};

    fn export(rows: &[Row], scope: Scope, format: Format) -> String {
        let question = Question::new(scope, Filter::default(), Vec::new());
        let mut out = Vec::new();
        export_rows(&store(rows), &question, format, &mut out).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn a_row_is_an_object_a_line() {
        let row = row(12, "acme", "2027-01-31T12:00:00.5Z");
        let text = export(&[row], Scope::Everything, Format::Json);
        let expected = concat!(
            r#"{"exchange":"0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c","time":"2027-01-31T12:00:00.500Z","tenant":"acme","#,
            r#""project":"search","user":"u0","key":"laptop","key_id":"ab12cd34ef56","client_request_id":null,"#,
            r#""model":"m0","upstream":"here","upstream_model":"real-m0","upstream_key":null,"operation":"chat","#,
            r#""dialect":"openai","attempts":1,"status":200,"fault":null,"end":"complete","stream":true,"input":125,"#,
            r#""cached":3,"cache_write":2,"output":12,"reasoning":1,"estimated":true,"priced":true,"cost":0.000012,"#,
            r#""duration_ms":1500,"first_byte_ms":200,"tags":{"team":"t0"}}"#,
            "\n"
        );
        assert_eq!(text, expected);
    }

    #[test]
    fn csv_has_the_same_columns_and_no_formulas() {
        let mut row = row(12, "acme", "2027-01-31T12:00:00Z");
        row.model = "=cmd|' /C calc'!A0".into();
        row.client_request_id = Some("say \"hi\",\r\nthen go".into());
        let who = Arc::make_mut(&mut row.who);
        who.key_label = Some("-2+3".into());
        who.tags = BTreeMap::new();
        let csv = export(std::slice::from_ref(&row), Scope::Everything, Format::Csv);
        assert!(
            csv.ends_with("\r\n") && csv.contains("\"say \"\"hi\"\",\r\nthen go\""),
            "{csv}"
        );
        let mut reader = csv::Reader::from_reader(csv.as_bytes());
        let header = reader.headers().unwrap().clone();
        let line = reader.records().next().unwrap().unwrap();
        let json = export(&[row], Scope::Everything, Format::Json);
        let json: serde_json::Map<String, Value> = serde_json::from_str(&json).unwrap();
        let names: Vec<&str> = json.keys().map(String::as_str).collect();
        assert_eq!(header.iter().collect::<Vec<_>>(), names);
        let cell = |name| {
            line.get(names.iter().position(|other| *other == name).unwrap())
                .unwrap()
        };
        assert_eq!(cell("model"), "'=cmd|' /C calc'!A0");
        assert_eq!(cell("key"), "'-2+3");
        assert_eq!(cell("client_request_id"), "say \"hi\",\r\nthen go");
        assert_eq!(
            (cell("cost"), cell("tags"), cell("fault")),
            ("0.000012", "", "")
        );
    }

    #[test]
    fn a_tenant_exports_its_own() {
        let rows = rows();
        let text = export(&rows, Scope::Tenant("beta".into()), Format::Json);
        let lines: Vec<Value> = text
            .lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect();
        assert_eq!(lines.len(), 67);
        assert!(lines.iter().all(|line| line["tenant"] == "beta"));
    }

    #[test]
    fn answers_have_their_dimensions_and_sums() {
        let rows = [
            row(1, "acme", "2027-01-31T12:00:00Z"),
            row(4, "acme", "2027-01-31T12:00:00Z"),
        ];
        let by = Dimension::parse_list("day,tag:team,model").unwrap();
        let question = Question::new(Scope::Everything, Filter::default(), by.clone());
        let answer = answer(&store(&rows), &question, at("2027-02-01")).unwrap();
        let written = |format| {
            let mut out = Vec::new();
            write_answer(&by, &answer.groups, format, &mut out).unwrap();
            String::from_utf8(out).unwrap()
        };
        assert_eq!(
            written(Format::Csv),
            "day,tag:team,model,exchanges,input,cached,cache_write,output,reasoning,estimated,unpriced,incomplete,cost\r\n\
             2027-01-31,t0,m1,1,45,3,2,4,1,1,0,0,0.000004\r\n\
             2027-01-31,t1,m1,1,15,3,2,1,1,0,0,0,0.000001\r\n"
        );
        assert_eq!(
            written(Format::Json).lines().next().unwrap(),
            r#"{"day":"2027-01-31","tag:team":"t0","model":"m1","exchanges":1,"input":45,"cached":3,"cache_write":2,"output":4,"reasoning":1,"estimated":1,"unpriced":0,"incomplete":0,"cost":0.000004}"#
        );
    }

    /// Takes so many bytes, and no more.
    struct Shut(usize);

    impl Write for Shut {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0 = self
                .0
                .checked_sub(bytes.len())
                .ok_or(io::ErrorKind::BrokenPipe)?;
            Ok(bytes.len())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn an_export_ends_with_its_reader() {
        let question = Question::new(Scope::Everything, Filter::default(), Vec::new());
        for format in [Format::Csv, Format::Json] {
            let ended = export_rows(&store(&rows()), &question, format, &mut Shut(2_000));
            assert!(matches!(ended, Err(ExportError::Output(_))), "{ended:?}");
        }
    }
}
