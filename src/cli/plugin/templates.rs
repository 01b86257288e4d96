//! The files that a new plugin begins with, and the SDK that it is written with. They are in the program, so that they are those
//! of its own contract.

use super::project::{Kind, Language, Project};

/// What stands for the plugin's name in the templates.
const NAME: &str = "plugin-name";

macro_rules! text {
    ($path:literal) => {
        include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/plugins/", $path))
    };
}

/// The contract of plugins.
pub(super) const WIT: &str = text!("wit/v0_1/weir-plugin.wit");

/// The SDK for Rust: where it stands in a plugin's folder, and its text.
pub(super) const SDK: &[(&str, &str)] = &[
    (
        "weir-plugin/src/guest/abi.rs",
        text!("sdk/src/guest/abi.rs"),
    ),
    (
        "weir-plugin/src/guest/exports.rs",
        text!("sdk/src/guest/exports.rs"),
    ),
    (
        "weir-plugin/src/guest/imports.rs",
        text!("sdk/src/guest/imports.rs"),
    ),
    (
        "weir-plugin/src/guest/mod.rs",
        text!("sdk/src/guest/mod.rs"),
    ),
    (
        "weir-plugin/src/guest/shapes.rs",
        text!("sdk/src/guest/shapes.rs"),
    ),
    ("weir-plugin/src/hooks.rs", text!("sdk/src/hooks.rs")),
    ("weir-plugin/src/host.rs", text!("sdk/src/host.rs")),
    ("weir-plugin/src/lib.rs", text!("sdk/src/lib.rs")),
    ("weir-plugin/src/macros.rs", text!("sdk/src/macros.rs")),
    (
        "weir-plugin/src/testing/host.rs",
        text!("sdk/src/testing/host.rs"),
    ),
    (
        "weir-plugin/src/testing/mod.rs",
        text!("sdk/src/testing/mod.rs"),
    ),
    (
        "weir-plugin/src/testing/samples.rs",
        text!("sdk/src/testing/samples.rs"),
    ),
    (
        "weir-plugin/src/testing/texts.rs",
        text!("sdk/src/testing/texts.rs"),
    ),
    ("weir-plugin/src/types.rs", text!("sdk/src/types.rs")),
];

/// Paths below the plugin's folder, and their texts.
pub(super) fn files(name: &str, language: Language, kind: Kind) -> Vec<(String, String)> {
    let project = Project {
        name: name.to_owned(),
        language,
        kind,
    };
    let project = serde_json::to_string_pretty(&project).expect("it is plain data");
    let mut files = vec![
        (Project::FILE, format!("{project}\n")),
        ("weir.yaml", with_name(&configuration(language, kind), name)),
        ("README.md", readme(name, language, kind)),
    ];
    match language {
        Language::Rust => files.extend(rust(name, kind)),
        Language::Js => files.extend(javascript(name, kind)),
        Language::Python => files.extend(python(name, kind)),
        Language::C => files.extend(c(name, kind)),
    }
    files
        .into_iter()
        .map(|(path, text)| (path.to_owned(), text))
        .collect()
}

fn with_name(text: &str, name: &str) -> String {
    text.replace(NAME, name)
}

fn rust(name: &str, kind: Kind) -> Vec<(&'static str, String)> {
    let source = match kind {
        Kind::Guard => text!("templates/rust/guard.rs"),
        Kind::Router => text!("templates/rust/router.rs"),
        Kind::Auth => text!("templates/rust/auth.rs"),
        Kind::Observer => text!("templates/rust/observer.rs"),
        Kind::Adapter => text!("templates/rust/adapter.rs"),
    };
    let package = text!("templates/rust/Cargo.toml.txt");
    let sdk_package = text!("templates/rust/sdk-Cargo.toml.txt");
    let mut files = vec![
        (".gitignore", "target/\n*.wasm\n".to_owned()),
        ("Cargo.toml", with_name(package, name)),
        ("src/lib.rs", with_name(source, name)),
        ("weir-plugin/Cargo.toml", sdk_package.to_owned()),
    ];
    files.extend(SDK.iter().map(|(path, text)| (*path, (*text).to_owned())));
    files
}

fn javascript(name: &str, kind: Kind) -> Vec<(&'static str, String)> {
    let source = match kind {
        Kind::Guard => text!("templates/js/guard.js"),
        Kind::Router => text!("templates/js/router.js"),
        Kind::Auth => text!("templates/js/auth.js"),
        Kind::Observer => text!("templates/js/observer.js"),
        Kind::Adapter => text!("templates/js/adapter.js"),
    };
    vec![
        (".gitignore", "node_modules/\n*.wasm\n".to_owned()),
        (
            "package.json",
            with_name(text!("templates/js/package.json.txt"), name),
        ),
        ("plugin.js", with_name(source, name)),
        ("wit/weir-plugin.wit", WIT.to_owned()),
    ]
}

fn python(name: &str, kind: Kind) -> Vec<(&'static str, String)> {
    let source = match kind {
        Kind::Guard => text!("templates/python/guard.py"),
        Kind::Router => text!("templates/python/router.py"),
        Kind::Auth => text!("templates/python/auth.py"),
        Kind::Observer => text!("templates/python/observer.py"),
        Kind::Adapter => text!("templates/python/adapter.py"),
    };
    let mut files = vec![
        (".gitignore", "__pycache__/\n.venv/\n*.wasm\n".to_owned()),
        (
            "requirements.txt",
            text!("templates/python/requirements.txt").to_owned(),
        ),
        ("plugin.py", with_name(source, name)),
        ("wit/weir-plugin.wit", WIT.to_owned()),
    ];
    match kind {
        Kind::Guard => files.push((
            "response_filter.py",
            text!("templates/python/response_filter.py").to_owned(),
        )),
        Kind::Adapter => files.push((
            "adapter.py",
            text!("templates/python/adapter_module.py").to_owned(),
        )),
        Kind::Router | Kind::Auth | Kind::Observer => {}
    }
    files
}

fn c(name: &str, kind: Kind) -> Vec<(&'static str, String)> {
    let source = match kind {
        Kind::Guard => text!("templates/c/guard.c"),
        Kind::Router => text!("templates/c/router.c"),
        Kind::Auth => text!("templates/c/auth.c"),
        Kind::Observer => text!("templates/c/observer.c"),
        Kind::Adapter => text!("templates/c/adapter.c"),
    };
    vec![
        (".gitignore", "*.wasm\n".to_owned()),
        ("plugin.c", with_name(source, name)),
        (
            "weir_plugin.h",
            text!("templates/c/weir_plugin.h").to_owned(),
        ),
    ]
}

/// A configuration that shows what the plugin does.
fn configuration(language: Language, kind: Kind) -> String {
    let text = config(kind);
    match language {
        // The interpreter is larger than plugins may be otherwise.
        Language::Python => text.to_owned(),
        Language::Rust | Language::Js | Language::C => {
            let lines = text
                .lines()
                .filter(|line| !line.trim_start().starts_with("limits:"));
            lines.map(|line| format!("{line}\n")).collect()
        }
    }
}

fn config(kind: Kind) -> &'static str {
    match kind {
        Kind::Guard => text!("templates/config/guard.yaml"),
        Kind::Router => text!("templates/config/router.yaml"),
        Kind::Auth => text!("templates/config/auth.yaml"),
        Kind::Observer => text!("templates/config/observer.yaml"),
        Kind::Adapter => text!("templates/config/adapter.yaml"),
    }
}

fn readme(name: &str, language: Language, kind: Kind) -> String {
    let build = match language {
        Language::Rust => text!("templates/rust/README.md"),
        Language::Js => text!("templates/js/README.md"),
        Language::Python => text!("templates/python/README.md"),
        Language::C => text!("templates/c/README.md"),
    };
    let see = match kind {
        Kind::Guard => text!("templates/config/guard.md"),
        Kind::Router => text!("templates/config/router.md"),
        Kind::Auth => text!("templates/config/auth.md"),
        Kind::Observer => text!("templates/config/observer.md"),
        Kind::Adapter => text!("templates/config/adapter.md"),
    };
    with_name(&format!("{build}\n{see}"), name)
}
