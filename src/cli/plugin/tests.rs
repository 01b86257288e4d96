//! `weir plugin` on its command line: what a new plugin has, and what is said where something is missing.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use super::project::{Found, Kind, Language, Project, checked_name};
use super::{templates, tool};
use crate::cli::run;

fn weir(arguments: &[&str]) -> (u8, String, String) {
    let (mut out, mut err) = (Vec::new(), Vec::new());
    let arguments = ["weir", "plugin"].iter().chain(arguments);
    let code = run(arguments.map(Into::into), &mut out, &mut err);
    let text = |bytes| String::from_utf8(bytes).expect("UTF-8");
    (code, text(out), text(err))
}

fn folder(name: &str) -> PathBuf {
    let folder = std::env::temp_dir().join(format!("weir-plugin-{name}-{}", std::process::id()));
    fs::create_dir(&folder).expect("a folder");
    folder
}

#[test]
fn every_template_has_its_name_and_a_project() {
    for language in [Language::Rust, Language::Js, Language::Python, Language::C] {
        for kind in Kind::ALL {
            let files = templates::files("hide-words", language, kind);
            let paths: BTreeSet<&str> = files.iter().map(|(path, _)| path.as_str()).collect();
            assert_eq!(paths.len(), files.len(), "{paths:?}");
            for wanted in ["plugin.json", "weir.yaml", "README.md", ".gitignore"] {
                assert!(paths.contains(wanted), "{language} {kind}: no {wanted}");
            }
            for (path, text) in &files {
                assert!(!text.contains("plugin-name"), "{language} {kind}: {path}");
                assert!(!text.is_empty(), "{language} {kind}: {path}");
            }
        }
    }
}

#[test]
fn new_plugins_in_rust_have_the_whole_sdk() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("plugins/sdk");
    let mut found = BTreeSet::new();
    let mut folders = vec![root.join("src")];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).expect("a folder") {
            let path = entry.expect("an entry").path();
            match path.is_dir() {
                true => folders.push(path),
                false => {
                    let below = path.strip_prefix(&root).expect("below the root");
                    found.insert(below.display().to_string());
                }
            }
        }
    }
    let known: BTreeSet<String> = templates::SDK
        .iter()
        .map(|(path, _)| path.replace("weir-plugin/", ""))
        .collect();
    assert_eq!(found, known, "the table SDK in src/cli/plugin/templates.rs");
}

#[test]
fn a_new_plugin_is_made_once() {
    let place = folder("new");
    let into = place.display().to_string();
    let arguments = [
        "new", "--lang", "js", "--kind", "router", "near", "--in", &into,
    ];
    let (code, out, err) = weir(&arguments);
    assert_eq!((code, err.as_str()), (0, ""));
    assert!(out.contains("near: a router in JavaScript"), "{out}");
    assert!(out.contains("npm install"), "{out}");
    let made = Project::find(&place.join("near")).expect("a project");
    let wanted = Project {
        name: "near".to_owned(),
        language: Language::Js,
        kind: Kind::Router,
    };
    assert_eq!(made, Found::Said(wanted));
    assert!(place.join("near/wit/weir-plugin.wit").is_file());

    let (code, _, err) = weir(&arguments);
    assert_eq!(code, 65, "{err}");
    assert!(err.contains("near cannot be made"), "{err}");
    fs::remove_dir_all(&place).expect("the folder removed");
}

#[test]
fn names_are_those_of_packages() {
    assert_eq!(checked_name("hide-words-2"), Ok("hide-words-2".to_owned()));
    let long = "a".repeat(41);
    for wrong in ["", "-a", "2a", "Hide", "a_b", "a/b", "..", long.as_str()] {
        assert!(checked_name(wrong).is_err(), "{wrong}");
    }
    let (code, _, err) = weir(&["new", "../x"]);
    assert_eq!(code, 64);
    assert!(err.contains("small letters, digits and hyphens"), "{err}");
}

#[test]
fn build_says_what_is_no_plugin() {
    let place = folder("build");
    let path = place.display().to_string();
    let (code, _, err) = weir(&["build", &path]);
    assert_eq!(code, 64, "{err}");
    assert!(err.contains("is no plugin's folder"), "{err}");
    fs::write(
        place.join("plugin.json"),
        r#"{"name":"x","language":"cobol","kind":"guard"}"#,
    )
    .expect("a file");
    let (code, _, err) = weir(&["build", &path]);
    assert_eq!(code, 64, "{err}");
    assert!(err.contains("cobol"), "{err}");
    fs::remove_dir_all(&place).expect("the folder removed");
}

#[test]
fn tools_are_found_by_path_and_by_name() {
    let place = folder("tools");
    fs::write(place.join("tool"), "").expect("a file");
    let path = Some(place.as_os_str());
    let whole = place.join("tool");
    assert_eq!(
        tool::find(&["absent".into(), "tool".into()], path),
        Some(whole.clone())
    );
    assert_eq!(
        tool::find(&[place.join("absent"), whole.clone()], None),
        Some(whole)
    );
    assert_eq!(tool::find(&["tool".into()], None), None);
    fs::remove_dir_all(&place).expect("the folder removed");
}

/// A router that always says `use-default`: all that it answers is zeros.
fn router(place: &Path) -> PathBuf {
    let module = wat::parse_str(
        r#"(module
            (memory (export "memory") 1)
            (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32) i32.const 1024)
            (func (export "weir:plugin/lifecycle@0.1.0#configure") (param i32 i32) (result i32) i32.const 16)
            (func (export "weir:plugin/router@0.1.0#pick") (param i32 i32) (result i32) i32.const 16))"#,
    );
    let component = super::component::component(module.expect("it is WAT"));
    let file = place.join("router.wasm");
    fs::write(&file, component.expect("a component")).expect("a file");
    file
}

#[test]
fn a_component_is_checked_tested_and_measured() {
    let place = folder("run");
    let file = router(&place).display().to_string();
    let (code, out, err) = weir(&["check", &file, "--config", "{\"a\": 1}"]);
    assert_eq!((code, err.as_str()), (0, ""));
    assert!(out.contains("router.wasm: a router\n"), "{out}");
    assert!(out.contains("takes its configuration"), "{out}");

    let script = place.join("script.json").display().to_string();
    let cases = |expect: &str| {
        format!(
            r#"{{"cases": [{{"name": "one", "steps": [{{"ask": "pick", "with": [{{}}], "expect": {expect}}}]}}]}}"#
        )
    };
    fs::write(&script, cases("\"use-default\"")).expect("a file");
    let (code, out, err) = weir(&["test", &file, &script, "--same-as", &file]);
    assert_eq!((code, out.as_str(), err.as_str()), (0, "ok      one\n", ""));
    fs::write(&script, cases(r#"{"ranked": []}"#)).expect("a file");
    let (code, out, err) = weir(&["test", &file, &script]);
    assert_eq!(code, 65, "{err}");
    assert!(
        out.contains("decides \"use-default\"\n          instead of {\"ranked\":[]}"),
        "{out}"
    );
    assert!(err.contains("1 of 1 cases failed"), "{err}");
    fs::write(&script, cases("1").replace("pick", "pluck")).expect("a file");
    assert_eq!(weir(&["test", &file, &script]).0, 64);

    let (code, out, err) = weir(&["bench", &file, "--calls", "10"]);
    assert_eq!((code, err.as_str()), (0, ""));
    assert!(out.contains("pick, 8 candidates"), "{out}");
    fs::remove_dir_all(&place).expect("the folder removed");
}

#[test]
fn what_is_no_plugin_is_said() {
    let place = folder("unfit");
    let file = place.join("x.wasm").display().to_string();
    assert_eq!(weir(&["check", &file]).0, 64);
    fs::write(&file, "no wasm").expect("a file");
    let (code, _, err) = weir(&["check", &file]);
    assert_eq!(code, 65, "{err}");
    assert!(err.contains("x.wasm"), "{err}");
    let (code, _, err) = weir(&["check", &file, "--config", "{"]);
    assert_eq!(code, 64, "{err}");
    assert!(err.contains("--config is no JSON"), "{err}");
    fs::remove_dir_all(&place).expect("the folder removed");
}
