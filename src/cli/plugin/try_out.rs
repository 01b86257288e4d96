//! `weir plugin test`: a script of questions, and whether a plugin decides as it should; and whether another decides the same.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Args;
use serde_json::Value;
use weir_replay::Recording;

use super::recordings;
use super::rehearse::decision;
use super::script::{Case, Script};
use super::stage::{Loaded, Stage};
use crate::cli::Failure;
use crate::plugin::{GrantedSecret, Grants};

/// For one call: machines that test are slow, and this is no measurement.
const DEADLINE: Duration = Duration::from_secs(10);

#[derive(Debug, Args)]
pub(super) struct Test {
    /// The component, or `builtin:NAME` for one that is part of weir
    file: PathBuf,
    /// What it is asked, and should decide (plugins/README.md); or a folder with recordings of an adapter's provider
    /// (plugins/replay)
    script: PathBuf,
    /// Another, which must decide the same
    #[arg(long, value_name = "FILE")]
    same_as: Option<PathBuf>,
    /// A folder that compiled components are kept in
    #[arg(long, value_name = "FOLDER")]
    cache: Option<PathBuf>,
}

pub(super) fn run(test: &Test, out: &mut dyn Write) -> Result<(), Failure> {
    let stage = Stage::new(test.cache.as_deref(), DEADLINE);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build()?;
    let wrong =
        |problem: String| Failure::Argument(format!("{}: {problem}", test.script.display()));
    let mut told = Told {
        out,
        cases: 0,
        failed: 0,
    };
    // What is loaded stays: a component is compiled once for all cases.
    let mut loaded = Vec::new();
    if test.script.is_dir() {
        for recording in recordings::read(&test.script).map_err(wrong)? {
            let problems = runtime.block_on(replay(test, &stage, &recording, &mut loaded));
            told.tell(&recording.name, &problems)?;
        }
    } else {
        let text = fs::read(&test.script).map_err(|error| wrong(error.to_string()))?;
        for case in Script::read(&text).map_err(wrong)?.cases {
            let problems = runtime.block_on(play(test, &stage, &case, &mut loaded));
            told.tell(&case.name, &problems)?;
        }
    }
    match told.failed {
        0 => Ok(()),
        failed => Err(Failure::Refused {
            code: "test_failed".to_owned(),
            message: format!(
                "{}: {failed} of {} cases failed",
                test.file.display(),
                told.cases
            ),
        }),
    }
}

/// What has been said so far.
struct Told<'o> {
    out: &'o mut dyn Write,
    cases: usize,
    failed: usize,
}

impl Told<'_> {
    fn tell(&mut self, name: &str, problems: &[String]) -> std::io::Result<()> {
        self.cases += 1;
        if problems.is_empty() {
            return writeln!(self.out, "ok      {name}");
        }
        self.failed += 1;
        writeln!(self.out, "FAILED  {name}")?;
        for problem in problems {
            writeln!(self.out, "        {problem}")?;
        }
        Ok(())
    }
}

async fn replay(
    test: &Test,
    stage: &Stage,
    recording: &Recording,
    kept: &mut Vec<Loaded>,
) -> Vec<String> {
    let loaded = stage.load(&test.file, &recording.config.to_string(), Grants::default());
    let loaded = match loaded {
        Ok(loaded) => loaded,
        Err(problem) => return vec![problem],
    };
    let problems = recordings::play(&loaded, recording).await;
    kept.push(loaded);
    problems
}

/// What is wrong in one case.
async fn play(test: &Test, stage: &Stage, case: &Case, kept: &mut Vec<Loaded>) -> Vec<String> {
    let mut problems = Vec::new();
    let mut actors = Vec::new();
    for file in [Some(&test.file), test.same_as.as_ref()]
        .into_iter()
        .flatten()
    {
        match (load(stage, file, case), &case.refused) {
            (Ok(loaded), None) => actors.push(loaded),
            (Ok(_), Some(refused)) => problems.push(format!(
                "{} takes its configuration, and should say: {refused}",
                file.display()
            )),
            (Err(error), Some(refused)) if error.contains(refused.as_str()) => {}
            (Err(error), _) => problems.push(format!("{}: {error}", file.display())),
        }
    }
    if problems.is_empty() && case.refused.is_none() {
        for (number, step) in (1..).zip(&case.steps) {
            let first = decision(stage, &actors[0], step).await;
            problems.extend(
                judge(&first, step.expect.as_ref())
                    .map(|problem| format!("step {number}: {problem}")),
            );
            if let Some(other) = actors.get(1) {
                let other = decision(stage, other, step).await;
                if other != first {
                    problems.push(format!("step {number}: {first:?}; the other: {other:?}"));
                }
            }
        }
    }
    kept.extend(actors);
    problems
}

fn load(stage: &Stage, file: &Path, case: &Case) -> Result<Loaded, String> {
    let secrets = case.grants.secrets.iter();
    let grants = Grants {
        kv: case.grants.kv,
        secrets: secrets
            .map(|(name, text)| (name.clone(), GrantedSecret(text.clone())))
            .collect(),
        ..Grants::default()
    };
    stage.load(file, &case.config.to_string(), grants)
}

fn judge(decided: &Result<Value, String>, expected: Option<&Value>) -> Option<String> {
    match (decided, expected) {
        (Err(problem), _) => Some(problem.clone()),
        (Ok(decided), Some(expected)) if !same(decided, expected) => Some(format!(
            "decides {decided}\n          instead of {expected}"
        )),
        (Ok(_), _) => None,
    }
}

/// Numbers are the same however they are written.
fn same(one: &Value, other: &Value) -> bool {
    match (one, other) {
        (Value::Number(one), Value::Number(other)) => one.as_f64() == other.as_f64(),
        (Value::Array(one), Value::Array(other)) => {
            one.len() == other.len() && one.iter().zip(other).all(|(one, other)| same(one, other))
        }
        (Value::Object(one), Value::Object(other)) => {
            one.len() == other.len()
                && one
                    .iter()
                    .all(|(name, value)| other.get(name).is_some_and(|other| same(value, other)))
        }
        (one, other) => one == other,
    }
}
