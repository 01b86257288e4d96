//! The files in `conf/`: all of them load, and `weir.yaml` shows every setting with the default in force.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;

use super::root;
use crate::config::{Config, json_schema};

const FIRST_LINE: &str = "# yaml-language-server: $schema=weir.schema.json";

#[test]
fn every_shipped_file_loads() {
    let folder = Folder::new("loads");
    let mut count = 0;
    for file in shipped() {
        let text = fs::read_to_string(&file).expect("a shipped file");
        assert!(
            text.starts_with(FIRST_LINE),
            "{}: editors need its first line",
            file.display()
        );
        let name = file.file_name().expect("a file name");
        let loaded = folder.parse(Path::new(name), &text);
        assert!(loaded.is_ok(), "{}", loaded.expect_err("problems"));
        count += 1;
    }
    assert!(count > 5, "the files are gone");
}

#[test]
fn the_schema_in_conf_is_the_one_in_force() {
    let file = root().join("conf/weir.schema.json");
    let schema = format!("{:#}\n", json_schema());
    if std::env::var_os("UPDATE_EXPECTED").is_some() {
        fs::write(&file, &schema).expect("schema written");
    }
    let shipped = fs::read_to_string(file).unwrap_or_default();
    assert!(
        shipped == schema,
        "write it anew: weir check --print-schema > conf/weir.schema.json"
    );
}

#[test]
fn the_defaults_shown_are_those_in_force() {
    let folder = Folder::new("defaults");
    let shown = folder
        .parse(Path::new("weir.yaml"), &weir_yaml())
        .expect("weir.yaml");
    let minimal = "upstreams: [{ name: gpu-a, kind: vllm, url: 'http://127.0.0.1:8000' }]";
    let in_force = folder
        .parse(Path::new("weir.yaml"), minimal)
        .expect("a sound configuration");
    assert_eq!(format!("{shown:#?}"), format!("{in_force:#?}"));
}

#[test]
fn every_setting_is_shown() {
    let text = uncommented(&weir_yaml());
    let folder = Folder::new("settings");
    let loaded = folder.parse(Path::new("weir.yaml"), &text);
    assert!(
        loaded.is_ok(),
        "with every setting: {}",
        loaded.expect_err("problems")
    );

    let schema = json_schema();
    let mut shown = Shown::default();
    let places = crate::config::places::Places::of(&text).expect("YAML");
    let value = crate::config::yaml::read(&text, &places).expect("YAML");
    shown.visit(&schema, "", &schema, &value);
    assert_eq!(shown.settings, settings(&schema));
    let with_default: BTreeSet<_> = shown.defaults.difference(&shown.at_default).collect();
    // Their defaults are shown in the longer form; `the_defaults_shown_are_those_in_force` looks at that.
    assert_eq!(
        with_default.into_iter().collect::<Vec<_>>(),
        [".admin", ".listen"],
        "defaults that are not shown"
    );
}

/// The files of `conf/`.
fn shipped() -> impl Iterator<Item = PathBuf> {
    fs::read_dir(root().join("conf"))
        .expect("conf")
        .map(|entry| entry.expect("an entry").path())
        .filter(|path| {
            path.extension()
                .is_some_and(|extension| extension == "yaml")
        })
}

fn weir_yaml() -> String {
    fs::read_to_string(root().join("conf/weir.yaml")).expect("weir.yaml")
}

/// With the settings that stand as comments: those after `#` and no space, or more than one (they are indented).
fn uncommented(text: &str) -> String {
    let lines = text.lines().map(|line| match line.strip_prefix('#') {
        Some(rest) if !rest.is_empty() && (!rest.starts_with(' ') || rest.starts_with("  ")) => {
            rest
        }
        _ => line,
    });
    lines.collect::<Vec<_>>().join("\n")
}

/// Which settings a file shows: names are `<definition>.<property>`.
#[derive(Default)]
struct Shown {
    settings: BTreeSet<String>,
    /// Those shown that have a default, and those shown with it as their value.
    defaults: BTreeSet<String>,
    at_default: BTreeSet<String>,
}

impl Shown {
    fn visit(&mut self, root: &Value, name: &str, schema: &Value, value: &Value) {
        if let Some(reference) = schema["$ref"].as_str() {
            let name = reference.rsplit('/').next().expect("a definition");
            return self.visit(root, name, &root["$defs"][name], value);
        }
        for form in schema["anyOf"].as_array().into_iter().flatten() {
            self.visit(root, name, form, value);
        }
        match value {
            Value::Object(entries) => {
                for (key, value) in entries {
                    let property = &schema["properties"][key];
                    match property.is_object() {
                        true => self.property(root, &format!("{name}.{key}"), property, value),
                        false => self.visit(root, name, &schema["additionalProperties"], value),
                    }
                }
            }
            Value::Array(items) => {
                for item in items {
                    self.visit(root, name, &schema["items"], item);
                }
            }
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
        }
    }

    fn property(&mut self, root: &Value, name: &str, property: &Value, value: &Value) {
        self.settings.insert(name.to_owned());
        if let Some(default) = property.get("default") {
            self.defaults.insert(name.to_owned());
            if default == value {
                self.at_default.insert(name.to_owned());
            }
        }
        self.visit(root, name, property, value);
    }
}

/// All settings of the schema, named as in [`Shown`].
fn settings(schema: &Value) -> BTreeSet<String> {
    let mut settings = BTreeSet::new();
    collect_settings("", schema, &mut settings);
    for (name, definition) in schema["$defs"].as_object().expect("definitions") {
        collect_settings(name, definition, &mut settings);
    }
    settings
}

fn collect_settings(name: &str, schema: &Value, settings: &mut BTreeSet<String>) {
    for (key, property) in schema["properties"].as_object().into_iter().flatten() {
        let name = format!("{name}.{key}");
        collect_settings(&name, property, settings);
        settings.insert(name);
    }
}

/// What stands under the name of a variable or file: each is another.
fn credential(name: &str) -> String {
    match name.to_lowercase().replace('_', "-").contains("master-key") {
        true => format!("{:064x}", name.len()),
        false => format!("test-{}", name.replace('/', "-")),
    }
}

/// A folder with the files that the examples name; removed in the end.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let folder = std::env::temp_dir().join(format!("weir-conf-{name}-{}", std::process::id()));
        for file in [
            "tls/cert.pem",
            "tls/key.pem",
            "tls/ca.pem",
            "tls/other-cert.pem",
            "tls/other-key.pem",
            "hosts.txt",
            "plugins/house-rules.wasm",
            "secrets/key-b",
            "secrets/header",
            "secrets/client-key",
            "secrets/master-key",
        ] {
            let text = format!("{}\n", credential(file));
            let file = folder.join(file);
            fs::create_dir_all(file.parent().expect("a folder")).expect("a folder");
            fs::write(file, text).expect("a file");
        }
        Self(folder)
    }

    fn parse(&self, name: &Path, text: &str) -> Result<Config, crate::config::Problems> {
        let is_credential = |name: &str| {
            ["KEY", "TOKEN", "ACCOUNT"]
                .iter()
                .any(|part| name.contains(part))
        };
        let environment = |name: &str| is_credential(name).then(|| credential(name));
        Config::parse(text, &self.0.join(name), &environment)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        // Left behind, it does no harm.
        drop(fs::remove_dir_all(&self.0));
    }
}
