//! Replays the cases in `tests/golden` (its README says what each file is): what an upstream is sent for a client's request, and
//! what clients are told of an upstream's stream, answer or refusal. Streams are replayed whole, byte by byte, and cut at every
//! offset. Every output is judged by its dialect's grammar and the vendor's schema.
//!
//! After a wanted change, `UPDATE_EXPECTED=1 cargo test golden` writes the expectations anew; the difference is then for review.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use bytes::Bytes;
use serde_json::{Value, json};
use weir::wire::Dialect;
use weir::wire::streams::Cutter;

use super::cuts::same_for_any_cut;
use super::golden_setting::{GoldenSetting, read_setting};
use super::grammar::{
    check_answer, check_error, check_error_stream, check_recorded_answer, check_recorded_stream,
    check_request, check_stream, meaning_equals,
};
use super::machine::{self, DIALECTS, Instead, Outcome, Relay, Sent, Unsent, judged};

/// The folder of the cases, from this file, so that it does not matter which package the tests are compiled in.
fn root() -> PathBuf {
    let this_file: &str = file!();
    let here = Path::new(env!("CARGO_MANIFEST_DIR")).join(this_file);
    let tests = here
        .ancestors()
        .nth(3)
        .expect("tests/it/translation/golden.rs");
    tests.join("golden")
}

/// One case: a folder below `requests`, `streams`, `answers` or `refusals`.
struct Case {
    name: String,
    folder: PathBuf,
    setting: GoldenSetting,
    /// Expectations that have been compared or written.
    seen: BTreeSet<String>,
    complaints: Vec<String>,
}

/// A file that something is made of: `chat.json`, `ollama.ndjson`, `anthropic.529.json`.
struct Source {
    dialect: Dialect,
    status: u16,
    bytes: Vec<u8>,
}

fn cases(kind: &str) -> Vec<Case> {
    let mut folders: Vec<PathBuf> = entries(&root().join(kind));
    folders.retain(|path| path.is_dir());
    assert!(!folders.is_empty(), "tests/golden/{kind} has no cases");
    let case = |folder: PathBuf| Case {
        name: format!("{kind}/{}", file_name(&folder)),
        setting: read_setting(&folder),
        folder,
        seen: BTreeSet::new(),
        complaints: Vec::new(),
    };
    folders.into_iter().map(case).collect()
}

impl Case {
    /// What the case is made of: files without `-to-` in their names.
    fn sources(&self) -> Vec<Source> {
        let names = entries(&self.folder).into_iter();
        let names = names.filter(|path| path.is_file() && !file_name(path).contains("-to-"));
        names
            .filter_map(|path| {
                let name = file_name(&path);
                let mut words = name.split('.');
                let dialect = Dialect::parse(words.next()?)?;
                let status = words.next().and_then(|word| word.parse().ok());
                let bytes = fs::read(&path).expect("a file can be read");
                Some(Source {
                    dialect,
                    status: status.unwrap_or(200),
                    bytes,
                })
            })
            .collect()
    }

    /// The dialects on the other side.
    fn others(&self, dialect: Dialect) -> impl Iterator<Item = Dialect> + use<> {
        let only = self.setting.to.clone();
        let others = DIALECTS.into_iter().filter(move |other| *other != dialect);
        others.filter(move |other| only.as_ref().is_none_or(|only| only.contains(other)))
    }

    fn complain(&mut self, what: &str, why: impl std::fmt::Display) {
        self.complaints.push(format!("{}/{what}: {why}", self.name));
    }

    /// Compares an output with the file of that name, or writes it.
    fn expect(&mut self, name: &str, output: &[u8]) {
        self.seen.insert(name.to_owned());
        let path = self.folder.join(name);
        if std::env::var_os("UPDATE_EXPECTED").is_some() {
            fs::write(&path, output).expect("an expectation can be written");
            return;
        }
        match fs::read(&path) {
            Ok(expected) if expected == output => {}
            Ok(expected) => self.complain(name, difference(&expected, output)),
            Err(error) => self.complain(name, error),
        }
    }

    /// Complains of expectations that nothing was compared with.
    fn finish(mut self) -> Vec<String> {
        for path in entries(&self.folder) {
            let name = file_name(&path).to_owned();
            if name.contains("-to-") && !self.seen.contains(&name) {
                if std::env::var_os("UPDATE_EXPECTED").is_some() {
                    fs::remove_file(&path).expect("an expectation can be removed");
                } else {
                    self.complain(&name, "nothing comes out that this would be expected of");
                }
            }
        }
        self.complaints
    }
}

/// The first line that differs.
fn difference(expected: &[u8], output: &[u8]) -> String {
    let (expected, output) = (
        String::from_utf8_lossy(expected),
        String::from_utf8_lossy(output),
    );
    let (mut left, mut right) = (expected.lines(), output.lines());
    for line in 1.. {
        match (left.next(), right.next()) {
            (None, None) => break,
            (expected, output) if expected == output => {}
            (expected, output) => {
                let [expected, output] = [expected, output].map(|it| it.unwrap_or("the end"));
                return format!("line {line}\n  expected {expected}\n  came     {output}");
            }
        }
    }
    "only line ends differ".to_owned()
}

fn entries(folder: &Path) -> Vec<PathBuf> {
    let found =
        fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let mut paths: Vec<PathBuf> = found.map(|entry| entry.expect("an entry").path()).collect();
    paths.sort();
    paths
}

fn file_name(path: &Path) -> &str {
    path.file_name()
        .and_then(|name| name.to_str())
        .expect("a name")
}

/// The upstreams' streams of some cases: the case, the dialect, the bytes.
pub fn stream_sources(names: &[&str]) -> Vec<(String, Dialect, Vec<u8>)> {
    let named = |case: &str| names.iter().any(|name| case == format!("streams/{name}"));
    let mut sources = all_sources("streams");
    sources.retain(|(case, ..)| named(case));
    sources
}

/// What the upstreams say in all cases of a kind: the case, the dialect, the bytes.
pub fn all_sources(kind: &str) -> Vec<(String, Dialect, Vec<u8>)> {
    let mut sources = Vec::new();
    for case in cases(kind) {
        let own = case.sources().into_iter();
        sources.extend(own.map(|source| (case.name.clone(), source.dialect, source.bytes)));
    }
    sources
}

/// Runs every case of a kind.
#[track_caller]
fn replay(kind: &str, run: impl Fn(&mut Case)) {
    let mut complaints = Vec::new();
    for mut case in cases(kind) {
        run(&mut case);
        complaints.extend(case.finish());
    }
    assert!(
        complaints.is_empty(),
        "{} complaints\n{}",
        complaints.len(),
        complaints.join("\n")
    );
}

// ---- requests -------------------------------------------------------------------------------------------------------

#[test]
fn golden_requests() {
    replay("requests", |case| {
        for source in case.sources() {
            for upstream in case.others(source.dialect) {
                request(case, &source, upstream);
            }
        }
    });
}

fn request(case: &mut Case, source: &Source, upstream: Dialect) {
    let name = format!("{}-to-{}.json", source.dialect.name(), upstream.name());
    let setting = case.setting.toward(upstream);
    let told = match machine::send(source.dialect, upstream, &source.bytes, &setting) {
        Ok(sent) => {
            let checked = check_request(judged(upstream), &sent.body);
            if let Err(violation) = checked
                && !case.setting.beyond_schema
            {
                case.complain(&name, violation);
            }
            sent_as_json(&sent)
        }
        Err(Unsent::Refused(refused)) => json!({"refused": refused.to_string()}),
        Err(Unsent::NotStored(param)) => json!({"not_stored": param}),
        Err(Unsent::Malformed(why)) => {
            json!({"malformed": {"param": why.param, "problem": why.problem}})
        }
    };
    case.expect(&name, &pretty(&told));
}

fn sent_as_json(sent: &Sent) -> Value {
    let mut told = json!({"path": sent.path});
    if let Some(dropped) = &sent.dropped {
        told["dropped"] = json!(dropped);
    }
    told["body"] = sent.json();
    told
}

fn pretty(value: &Value) -> Vec<u8> {
    let mut text = serde_json::to_vec_pretty(value).expect("it is JSON");
    text.push(b'\n');
    text
}

// ---- streams --------------------------------------------------------------------------------------------------------

#[test]
fn golden_streams() {
    replay("streams", |case| {
        for source in case.sources() {
            assert_same_events(source.dialect, &source.bytes);
            for client in case.others(source.dialect) {
                stream(case, &source, client);
            }
        }
    });
}

fn stream(case: &mut Case, source: &Source, client: Dialect) {
    let (asked, restore) = case.setting.asked(client, source.dialect, true);
    let (output, outcome) = machine::relay(source.dialect, client, &asked, &restore, &source.bytes);
    let make = || Relay::translated(source.dialect, client, &asked, restore.clone());
    assert_same_in_pieces(&case.name, &source.bytes, make, &output);
    let form = match client {
        Dialect::Ollama => "ndjson",
        _ => "sse",
    };
    let pair = format!("{}-to-{}", source.dialect.name(), client.name());
    match outcome {
        // Responses has an event of failure for a call that cannot be read, after which its stream ends as it must.
        Outcome::Whole if failed(&output) => {
            case.check_broken(&pair, client, &output);
            case.expect(&format!("{pair}.broken.{form}"), &output);
        }
        Outcome::Whole => {
            whole_stream(case, source, client, &pair, &output);
            case.expect(&format!("{pair}.{form}"), &output);
        }
        Outcome::Broken => {
            case.check_broken(&pair, client, &output);
            case.expect(&format!("{pair}.broken.{form}"), &output);
        }
        Outcome::Instead(instead) => {
            assert!(
                output.is_empty(),
                "{}: something came before the status",
                case.name
            );
            case.instead(&pair, client, &instead);
        }
    }
}

/// Cuts that are replayed to the end, at most, beside the one after each byte. Where the cutter finds the same events, and it is
/// asked at every offset, whatever follows it cannot know of the cut.
const TOLD_CUTS_MAX: usize = 256;

fn assert_same_in_pieces(name: &str, input: &[u8], make: impl Fn() -> Relay, output: &[u8]) {
    let told = |pieces: &mut dyn Iterator<Item = &[u8]>| {
        let mut relay = make();
        let mut out: Vec<u8> = pieces.flat_map(|piece| relay.push(piece)).collect();
        out.extend(relay.end());
        out
    };
    assert!(
        told(&mut input.chunks(1)) == output,
        "{name}: byte by byte, it differs"
    );
    for offset in (0..input.len()).step_by(input.len().div_ceil(TOLD_CUTS_MAX).max(1)) {
        let (head, tail) = input.split_at(offset);
        assert!(
            told(&mut [head, tail].into_iter()) == output,
            "{name}: cut at {offset}, it differs"
        );
    }
}

/// The events that a cutter finds, each with its length before it.
fn assert_same_events(upstream: Dialect, input: &[u8]) {
    let push = |cutter: &mut Cutter, piece: &[u8]| {
        let mut found = Vec::new();
        let piece = Bytes::copy_from_slice(piece);
        let cut = cutter.push(piece, 1 << 20, |event| {
            // Where CR LF is cut, LF comes with the next event, or alone.
            let event = event.trim_ascii();
            if !event.is_empty() {
                found.extend_from_slice(&event.len().to_be_bytes());
                found.extend_from_slice(event);
            }
        });
        cut.expect("no event is that large");
        found
    };
    same_for_any_cut(input, || Cutter::of(upstream), push, |_| Vec::new());
}

/// A stream that ended well is grammatical, and means what the upstream's means.
fn whole_stream(case: &mut Case, source: &Source, client: Dialect, pair: &str, output: &[u8]) {
    let said = match check_stream(judged(client), output) {
        Ok(said) => said,
        Err(violation) => return case.complain(pair, violation),
    };
    // What the upstream sent may be damaged; the case is then about what becomes of it.
    let from = judged(source.dialect);
    if let Ok(told) = check_recorded_stream(from, &source.bytes)
        && !case.setting.differs
        && let Err(how) = meaning_equals(&told, from, &said, judged(client))
    {
        case.complain(pair, how);
    }
}

/// Whether a stream of Responses ends with its event of failure.
fn failed(output: &[u8]) -> bool {
    String::from_utf8_lossy(output).contains("\nevent: response.failed\n")
}

impl Case {
    fn check_broken(&mut self, pair: &str, client: Dialect, output: &[u8]) {
        if let Err(violation) = check_error_stream(judged(client), output) {
            self.complain(pair, violation);
        }
    }

    fn instead(&mut self, pair: &str, client: Dialect, instead: &Instead) {
        let checked = check_error(judged(client), instead.status, &instead.body);
        if let Err(violation) = checked {
            self.complain(pair, violation);
        }
        let body: Value = serde_json::from_slice(&instead.body).unwrap_or(Value::Null);
        let told = json!({"status": instead.status, "body": body});
        self.expect(&format!("{pair}.status.json"), &pretty(&told));
    }
}

// ---- answers and refusals -------------------------------------------------------------------------------------------

#[test]
fn golden_answers() {
    replay("answers", |case| {
        for source in case.sources() {
            for client in case.others(source.dialect) {
                answer(case, &source, client);
            }
        }
    });
}

fn answer(case: &mut Case, source: &Source, client: Dialect) {
    let pair = format!("{}-to-{}", source.dialect.name(), client.name());
    let (asked, restore) = case.setting.asked(client, source.dialect, false);
    let from = judged(source.dialect);
    let told = match machine::answer(source.dialect, client, &asked, &restore, &source.bytes) {
        Ok(output) => {
            match check_answer(judged(client), &output) {
                Err(violation) => case.complain(&pair, violation),
                Ok(said) => {
                    if let Ok(told) = check_recorded_answer(from, &source.bytes)
                        && !case.setting.differs
                        && let Err(how) = meaning_equals(&told, from, &said, judged(client))
                    {
                        case.complain(&pair, how);
                    }
                }
            }
            serde_json::from_slice(&output).unwrap_or(Value::Null)
        }
        Err(what) => json!({"unintelligible": what}),
    };
    case.expect(&format!("{pair}.json"), &pretty(&told));
    synthesised(case, source, client, &pair);
}

/// The same answer to a client that has asked for a stream: the whole grammar is made up.
fn synthesised(case: &mut Case, source: &Source, client: Dialect, pair: &str) {
    let (asked, restore) = case.setting.asked(client, source.dialect, true);
    if let Ok(output) = machine::answer(source.dialect, client, &asked, &restore, &source.bytes)
        && let Err(violation) = check_stream(judged(client), &output)
    {
        case.complain(&format!("{pair} as a stream"), violation);
    }
}

#[test]
fn golden_refusals() {
    replay("refusals", |case| {
        for source in case.sources() {
            for client in case.others(source.dialect) {
                let pair = format!(
                    "{}.{}-to-{}",
                    source.dialect.name(),
                    source.status,
                    client.name()
                );
                let (status, body) =
                    machine::refusal(source.dialect, client, source.status, &source.bytes);
                case.instead(&pair, client, &Instead { status, body });
            }
        }
    });
}
