//! Rules of the code that no compiler keeps: the order of modules, one home for a crate, what every file begins with.
//!
//! Each rule is a function from files to complaints. One test holds the repository to it, another proves that it can complain.

#[path = "tidy/code.rs"]
mod code;
#[path = "tidy/homes.rs"]
mod homes;

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use code::{code, crate_paths, line_of, uses_crate, words};
use homes::{EVERYWHERE, HOMES};

/// A source file: its path from the root of the repository, and its text.
struct File {
    path: String,
    text: String,
}

/// Lines that a file may have. Over that, look for the second idea in it.
const LINES_MAX: usize = 600;

// ---- the repository -----------------------------------------------------------------------------------------------

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn read(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// All Rust files below a folder of the repository.
fn rust_files(folder: &str) -> Vec<File> {
    let mut files = Vec::new();
    let mut folders = vec![root().join(folder)];
    while let Some(folder) = folders.pop() {
        for entry in
            fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()))
        {
            let path = entry.expect("a folder can be read").path();
            if path.is_dir() && path.file_name().is_some_and(|name| name != "target") {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let below = path.strip_prefix(root()).expect("it is below the root");
                files.push(File {
                    path: below.display().to_string(),
                    text: fs::read_to_string(&path).expect("it is text"),
                });
            }
        }
    }
    assert!(!files.is_empty(), "there is nothing in {folder}");
    files
}

fn all_rust_files() -> Vec<File> {
    ["src", "tests", "bench", "fuzz"]
        .into_iter()
        .flat_map(rust_files)
        .collect()
}

#[track_caller]
fn assert_tidy(complaints: Vec<String>) {
    assert!(complaints.is_empty(), "\n{}", complaints.join("\n"));
}

fn file(path: &str, text: &str) -> Vec<File> {
    vec![File {
        path: path.to_owned(),
        text: text.to_owned(),
    }]
}

// ---- modules use only those above them ----------------------------------------------------------------------------

#[test]
fn modules_use_only_those_above_them() {
    let modules = modules(&read("src/lib.rs"));
    assert!(modules.len() > 10, "src/lib.rs lists {modules:?}");
    assert_tidy(wrong_directions(&modules, &rust_files("src")));
}

#[test]
fn a_use_of_a_module_below_is_found() {
    let modules = modules("pub mod wire;\npub(crate) mod config;\nmod proxy;\n");
    assert_eq!(modules, ["wire", "config", "proxy"]);
    let found = |path: &str, text: &str| wrong_directions(&modules, &file(path, text)).len();
    assert_eq!(found("src/wire/sse.rs", "use crate::config::Config;"), 1);
    assert_eq!(
        found(
            "src/wire.rs",
            "#[cfg(test)] mod tests { use crate::proxy; }"
        ),
        1
    );
    assert_eq!(
        found(
            "src/wire/sse.rs",
            "use crate::{wire::json, proxy::Proxy, config};"
        ),
        2
    );
    assert_eq!(
        found("src/wire/sse.rs", "fn f() { crate :: proxy::start() }"),
        1
    );
    assert_eq!(
        found(
            "src/proxy/mod.rs",
            "use crate::wire; use crate::proxy::admit; use crate::{config::Config, wire::{a, b}};"
        ),
        0
    );
    assert_eq!(
        found(
            "src/wire/sse.rs",
            "//! See [`crate::proxy`].\nconst TEXT: &str = \"crate::proxy\"; /* crate::proxy */"
        ),
        0
    );
}

/// The modules that `lib.rs` lists, in its order.
fn modules(lib: &str) -> Vec<String> {
    let declarations = code(lib);
    let declarations = declarations.lines().filter_map(|line| {
        let line = line.trim().strip_suffix(';')?;
        let (before, name) = line.rsplit_once("mod ")?;
        before
            .split_whitespace()
            .all(|word| word.starts_with("pub"))
            .then(|| name.trim().to_owned())
    });
    declarations.collect()
}

fn wrong_directions(modules: &[String], files: &[File]) -> Vec<String> {
    let rank = |name: &str| modules.iter().position(|module| module == name);
    let mut complaints = Vec::new();
    for file in files {
        let Some(own) = rank(module_of(&file.path)) else {
            continue;
        };
        for used in crate_paths(&code(&file.text)) {
            if rank(&used).is_some_and(|used| used > own) {
                complaints.push(format!(
                    "{}: uses crate::{used}, which src/lib.rs lists below {}",
                    file.path, modules[own]
                ));
            }
        }
    }
    complaints
}

/// `src/proxy/relay/mod.rs` → `proxy`; `src/tls.rs` → `tls`.
fn module_of(path: &str) -> &str {
    let below = path.strip_prefix("src/").unwrap_or(path);
    let first = below.split('/').next().unwrap_or(below);
    first.strip_suffix(".rs").unwrap_or(first)
}

// ---- one crate, one home ------------------------------------------------------------------------------------------

#[test]
fn crates_are_used_only_where_they_are_at_home() {
    assert_tidy(strays(HOMES, &rust_files("src")));
}

#[test]
fn a_crate_that_strays_is_found() {
    let homes: [(&str, &[&str]); 2] = [
        ("serde_yaml", &["config/yaml"]),
        ("pingora_proxy", &["proxy", "server"]),
    ];
    let found = |path: &str, text: &str| strays(&homes, &file(path, text)).len();
    assert_eq!(found("src/config/mod.rs", "use serde_yaml::Value;"), 1);
    assert_eq!(found("src/config/mod.rs", "use serde_yaml as yaml;"), 1);
    assert_eq!(
        found("src/sim/mod.rs", "fn f(s: &::pingora_proxy::Session) {}"),
        1
    );
    assert_eq!(found("src/proxies.rs", "use pingora_proxy::Session;"), 1);
    assert_eq!(found("src/config/yaml.rs", "use serde_yaml::Value;"), 0);
    assert_eq!(
        found("src/proxy/relay/mod.rs", "use pingora_proxy::Session;"),
        0
    );
    assert_eq!(
        found(
            "src/sim/mod.rs",
            "// pingora_proxy::Session\nuse crate::serde_yaml::x; use my_serde_yaml::y;"
        ),
        0
    );
}

#[test]
fn every_dependency_has_a_home_and_is_used() {
    assert_tidy(unsorted(
        &read("Cargo.toml"),
        HOMES,
        EVERYWHERE,
        &rust_files("src"),
    ));
}

#[test]
fn a_dependency_without_a_home_or_a_use_is_found() {
    let manifest = "[dependencies]\n# why\nserde-yaml = \"1\"\nhttp = { version = \"1\" }\n[dev-dependencies]\nh2 = \"1\"\n";
    let homes: [(&str, &[&str]); 1] = [("serde_yaml", &["config"])];
    let used = file("src/config.rs", "use serde_yaml::x; use http::y;");
    assert_eq!(
        unsorted(manifest, &homes, &["http"], &used),
        Vec::<String>::new()
    );
    assert_eq!(unsorted(manifest, &homes, &[], &used).len(), 1);
    assert_eq!(
        unsorted(
            manifest,
            &homes,
            &["http"],
            &file("src/config.rs", "use serde_yaml::x;")
        )
        .len(),
        1
    );
    assert_eq!(
        unsorted(manifest, &homes, &["http", "gone"], &used).len(),
        1
    );
}

fn strays(homes: &[(&str, &[&str])], files: &[File]) -> Vec<String> {
    let mut complaints = Vec::new();
    for file in files {
        let code = code(&file.text);
        for (name, places) in homes {
            if uses_crate(&code, name) && !places.iter().any(|place| is_in(&file.path, place)) {
                complaints.push(format!(
                    "{}: uses {name}, which is at home in {places:?} (HOMES in tests/tidy.rs)",
                    file.path
                ));
            }
        }
    }
    complaints
}

/// Whether a file is a module or below it.
fn is_in(path: &str, module: &str) -> bool {
    let below = path.strip_prefix("src/").unwrap_or(path);
    let rest = below.strip_prefix(module);
    rest.is_some_and(|rest| rest == ".rs" || rest.starts_with('/'))
}

fn unsorted(
    manifest: &str,
    homes: &[(&str, &[&str])],
    everywhere: &[&str],
    files: &[File],
) -> Vec<String> {
    let section = manifest.split("[dependencies]").nth(1).unwrap_or("");
    let section = section.split("\n[").next().unwrap_or(section);
    let dependencies = section
        .lines()
        .filter(|line| !line.starts_with('#'))
        .filter_map(|line| Some(line.split_once('=')?.0.trim().replace('-', "_")));
    let dependencies: BTreeSet<String> = dependencies.collect();
    let sorted: BTreeSet<&str> = homes
        .iter()
        .map(|(name, _)| *name)
        .chain(everywhere.iter().copied())
        .collect();
    let mut complaints = Vec::new();
    for dependency in &dependencies {
        if !sorted.contains(dependency.as_str()) {
            complaints.push(format!(
                "Cargo.toml: {dependency} has no home; give it one in HOMES (tests/tidy.rs)"
            ));
        }
        if !files
            .iter()
            .any(|file| uses_crate(&code(&file.text), dependency))
        {
            complaints.push(format!(
                "Cargo.toml: nothing in src/ uses {dependency}; take it out"
            ));
        }
    }
    let gone = sorted.iter().filter(|name| !dependencies.contains(**name));
    complaints.extend(gone.map(|name| {
        format!("tests/tidy.rs: {name} is no dependency any more; take it out of its table")
    }));
    complaints
}

// ---- what a file begins with, how long it is, what is not in it ------------------------------------------------------

#[test]
fn every_file_says_first_what_it_is_for() {
    let mut files = rust_files("src");
    files.extend(rust_files("tests"));
    assert_tidy(silent(&files));
}

#[test]
fn a_file_that_does_not_say_what_it_is_for_is_found() {
    assert_eq!(
        silent(&file("src/x.rs", "use std::fmt;\n//! late")).len(),
        1
    );
    assert_eq!(silent(&file("src/x.rs", "")).len(), 1);
    assert_eq!(silent(&file("src/x.rs", "//!\nmod a;")).len(), 1);
    assert_eq!(
        silent(&file("src/x.rs", "//! What it is for.\nmod a;")).len(),
        0
    );
}

fn silent(files: &[File]) -> Vec<String> {
    let speaks = |file: &File| {
        file.text
            .strip_prefix("//! ")
            .is_some_and(|rest| rest.lines().next().is_some_and(|line| line.len() > 10))
    };
    let silent = files.iter().filter(|file| !speaks(file));
    silent
        .map(|file| {
            format!(
                "{}: begins without a `//!` that says what it is for",
                file.path
            )
        })
        .collect()
}

#[test]
fn no_file_is_too_long() {
    assert_tidy(too_long(&all_rust_files()));
}

#[test]
fn a_file_that_is_too_long_is_found() {
    assert_eq!(
        too_long(&file("src/x.rs", &"\n".repeat(LINES_MAX + 1))).len(),
        1
    );
    assert_eq!(
        too_long(&file("src/x.rs", &"\n".repeat(LINES_MAX))).len(),
        0
    );
}

fn too_long(files: &[File]) -> Vec<String> {
    let long = files
        .iter()
        .filter(|file| file.text.lines().count() > LINES_MAX);
    long.map(|file| {
        format!(
            "{}: {} lines; over {LINES_MAX}, look for the second idea in it",
            file.path,
            file.text.lines().count()
        )
    })
    .collect()
}

#[test]
fn nothing_is_left_undone() {
    assert_tidy(undone(&all_rust_files()));
}

#[test]
fn what_is_left_undone_is_found() {
    let found = |text: &str| undone(&file("src/x.rs", text)).len();
    for text in [
        "fn f() { todo!() }",
        "fn f() { unimplemented! (\"later\") }",
        "#[test]\n#[ignore]\nfn f() {}",
        "#[ignore = \"slow\"]",
        "let x = dbg!(x);",
    ] {
        assert_eq!(found(text), 1, "{text}");
    }
    for text in [
        "// todo!()",
        "const WORDS: [&str; 2] = [\"todo!\", r#\"#[ignore]\"#];",
        "fn ignore() {}",
        "let todo = '!';",
    ] {
        assert_eq!(found(text), 0, "{text}");
    }
}

fn undone(files: &[File]) -> Vec<String> {
    let mut complaints = Vec::new();
    for file in files {
        let code = code(&file.text);
        let bang = |at: usize, name: &str| code[at + name.len()..].trim_start().starts_with('!');
        for name in ["todo", "unimplemented", "dbg"] {
            let found = words(&code, name).filter(|(at, _)| bang(*at, name));
            complaints.extend(
                found.map(|(at, _)| format!("{}:{}: {name}!", file.path, line_of(&code, at))),
            );
        }
        let ignored =
            words(&code, "ignore").filter(|(_, before)| before.trim_end().ends_with("#["));
        complaints.extend(ignored.map(|(at, _)| {
            format!(
                "{}:{}: a test that is ignored tests nothing",
                file.path,
                line_of(&code, at)
            )
        }));
    }
    complaints
}

// ---- ARCHITECTURE.md ----------------------------------------------------------------------------------------------

#[test]
fn every_path_that_the_architecture_names_exists() {
    let text = read("ARCHITECTURE.md");
    assert!(
        named_paths(&text).len() > 20,
        "its paths are not found: {:?}",
        named_paths(&text)
    );
    assert_tidy(missing_paths(&text, |path| root().join(path).exists()));
}

#[test]
fn a_path_that_is_gone_is_found() {
    let text = "`src/a.rs` and `src/gone.rs:12`, `conf/`, `gone.toml`; not `/v1/models`, `a::b`, `request_filter`, `http://x/y.rs`, `cargo run x.rs`, `e.g.`, `/<upstream>/…`";
    assert_eq!(
        named_paths(text),
        ["src/a.rs", "src/gone.rs", "conf/", "gone.toml"]
    );
    let exists = |path: &str| ["src/a.rs", "conf/"].contains(&path);
    assert_eq!(missing_paths(text, exists).len(), 2);
}

#[test]
fn the_map_of_the_architecture_has_every_module_in_order() {
    assert_tidy(wrong_map(
        &modules(&read("src/lib.rs")),
        &read("ARCHITECTURE.md"),
    ));
}

#[test]
fn a_map_that_is_wrong_is_found() {
    let modules = ["wire", "proxy"].map(str::to_owned);
    assert_eq!(
        wrong_map(&modules, "| `src/wire` | x |\n| `src/proxy.rs` | y |\n").len(),
        0
    );
    assert_eq!(
        wrong_map(&modules, "| `src/proxy` | y |\n| `src/wire` | x |\n").len(),
        1
    );
    assert_eq!(wrong_map(&modules, "| `src/wire` | x |\n").len(), 1);
    assert_eq!(
        wrong_map(
            &modules,
            "| `src/wire` | x |\n| `src/proxy` | y |\n| `src/gone` | z |\n"
        )
        .len(),
        1
    );
}

/// The words in backticks that look like a path of the repository; a line number after it is left out.
fn named_paths(text: &str) -> Vec<&str> {
    const TOPS: [&str; 12] = [
        "src/", "tests/", "conf/", "docs/", "bench/", "fuzz/", "scripts/", "deploy/", "plugins/",
        ".ci/", ".config/", ".github/",
    ];
    const ENDINGS: [&str; 9] = [
        ".rs", ".md", ".toml", ".yaml", ".yml", ".json", ".sh", ".py", ".lock",
    ];
    let quoted = text.split('`').skip(1).step_by(2);
    let paths = quoted
        .map(|word| word.split(':').next().unwrap_or(word))
        .filter(|word| {
            let is_one_word = !word.is_empty()
                && word.chars().all(|character| {
                    character.is_ascii_alphanumeric() || "/._-".contains(character)
                });
            is_one_word
                && !word.starts_with('/')
                && (TOPS.iter().any(|top| word.starts_with(top))
                    || ENDINGS.iter().any(|ending| word.ends_with(ending)))
        });
    paths.collect()
}

fn missing_paths(text: &str, exists: impl Fn(&str) -> bool) -> Vec<String> {
    let missing = named_paths(text).into_iter().filter(|path| !exists(path));
    missing
        .map(|path| format!("ARCHITECTURE.md names {path}, which is not there"))
        .collect()
}

fn wrong_map(modules: &[String], text: &str) -> Vec<String> {
    let rows = text
        .lines()
        .filter_map(|line| line.strip_prefix("| `src/")?.split('`').next());
    let mapped: Vec<&str> = rows.map(module_of).collect();
    if mapped == *modules {
        Vec::new()
    } else {
        vec![format!(
            "ARCHITECTURE.md maps {mapped:?}, and src/lib.rs lists {modules:?}"
        )]
    }
}
