//! `tests/config/*.yaml` are wrong, each in its way; `*.expected` beside each is the complete text that tells so.
//! After a wanted change of a text, `UPDATE_EXPECTED=1 cargo test` writes them anew; the difference is then for review.

use std::fs;
use std::path::{Path, PathBuf};

use super::{environment, parse, root};
use crate::config::Config;

#[test]
fn every_bad_file_is_told_in_full() {
    let mut files: Vec<PathBuf> = fs::read_dir(root().join("tests/config"))
        .expect("tests/config")
        .map(|entry| entry.expect("an entry").path())
        .filter(|path| {
            path.extension()
                .is_some_and(|extension| extension == "yaml")
        })
        .collect();
    files.sort();
    assert!(files.len() > 20, "the cases are gone");
    let failures: Vec<String> = files.iter().filter_map(|file| check(file)).collect();
    assert!(failures.is_empty(), "{}", failures.join("\n\n"));
}

/// Compares one file's problems with what is expected; `None` where they are the same.
fn check(file: &Path) -> Option<String> {
    // Relative names read alike on every machine.
    let name = file.strip_prefix(root()).expect("a file of this package");
    let problems = match Config::load(name, &environment) {
        Ok(_) => return Some(format!("{}: no problem was found", name.display())),
        Err(problems) => format!("{problems}\n"),
    };
    assert!(
        !problems.contains("sk-secret"),
        "a secret was told:\n{problems}"
    );
    let expected_file = file.with_extension("expected");
    if std::env::var_os("UPDATE_EXPECTED").is_some() {
        fs::write(&expected_file, &problems).expect("expected text written");
    }
    let expected = fs::read_to_string(&expected_file).unwrap_or_default();
    (problems != expected).then(|| {
        format!(
            "{}: expected\n{expected}but got\n{problems}",
            name.display()
        )
    })
}

/// Typing goes through every broken state there is; each is sound or a problem, never a panic.
#[test]
fn no_text_brings_the_reader_down() {
    let mut random = 0x9e37_79b9_7f4a_7c15_u64;
    let mut below = |limit: usize| {
        // xorshift64: the same texts on every run.
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        usize::try_from(random % limit as u64).expect("below the limit")
    };
    let alphabet = b" \n\t:-{}[],&*#!|>'\"%@`$<?~0a\xff";
    let texts = ["hybrid-tiers", "failover", "keys", "billing"]
        .map(|name| format!("conf/{name}.yaml"))
        .map(|name| fs::read(root().join(name)).expect("an example"));
    for turn in 0..600 {
        let mut broken = texts[turn % texts.len()].clone();
        for _ in 0..=below(4) {
            let at = below(broken.len());
            match below(3) {
                0 => broken[at] = alphabet[below(alphabet.len())],
                1 => broken.insert(at, alphabet[below(alphabet.len())]),
                _ => broken.truncate(at.max(80)),
            }
        }
        let broken = String::from_utf8_lossy(&broken);
        if let Err(problems) = parse(&broken) {
            assert!(!problems.is_empty() && !problems.to_string().is_empty());
        }
    }
}
