//! Checks a tree of values against the JSON Schema of the configuration, and collects every mismatch with its place.
//! It knows schemas, not settings: what is allowed, and what is secret, stands in the schema.

use std::collections::HashSet;

use serde_json::{Map, Value};

use super::form::{
    exactly_one, expectations, has_type_of, is_formatted, is_literal_of, join, literals, mismatch,
    retype,
};
use super::path::FieldPath;
use super::problem::{Report, did_you_mean};
use super::raw::{ANY_MARK, SECRET_MARK};
use super::scalar::check_format;

/// Reports every value that does not fit, and leaves `null` in its place (and unknown keys out), so that the rest can
/// be read and checked further. Texts at `expanded` paths came from environment variables and may turn out to be
/// numbers or truth values.
pub(super) fn check(
    schema: &Value,
    value: &mut Value,
    expanded: &HashSet<FieldPath>,
    report: &mut Report<'_>,
) {
    let mut checker = Checker {
        root: schema,
        expanded,
        report,
    };
    checker.value(schema, value, &FieldPath::root(), false);
}

struct Checker<'s, 'r, 'p> {
    root: &'s Value,
    expanded: &'s HashSet<FieldPath>,
    report: &'r mut Report<'p>,
}

impl<'s> Checker<'s, '_, '_> {
    fn value(&mut self, schema: &'s Value, value: &mut Value, path: &FieldPath, secret: bool) {
        let mark = schema.get(SECRET_MARK).and_then(Value::as_bool);
        let secret = mark.unwrap_or(secret);
        if !self.fits(schema, value, path, secret) {
            *value = Value::Null;
        }
    }

    fn fits(
        &mut self,
        schema: &'s Value,
        value: &mut Value,
        path: &FieldPath,
        secret: bool,
    ) -> bool {
        let forms = self.forms(schema);
        if forms.iter().any(|form| form.get(ANY_MARK).is_some()) {
            return true;
        }
        if value.is_null() {
            self.report
                .key(path, "has no value; give it one, or remove the line");
            return false;
        }
        if self.expanded.contains(&*self.report.as_written(path)) {
            retype(&forms, value);
        }
        if forms.iter().any(|form| is_literal_of(form, value)) {
            return true;
        }
        let Some(form) = forms.iter().copied().find(|form| has_type_of(form, value)) else {
            // `listen: 8080`, `connect: 5`: the format knows best what is missing.
            if let (Value::Number(number), Some(form)) =
                (&*value, forms.iter().find(|form| is_formatted(form)))
            {
                return self.text(form, &forms, &number.to_string(), path, secret);
            }
            let message = mismatch(&forms, value, &self.shown(value, path, secret));
            self.report.value(path, message);
            return false;
        };
        match value {
            Value::Object(entries) => self.mapping(form, entries, path, secret),
            Value::Array(items) => self.list(form, items, path, secret),
            Value::String(text) => self.text(form, &forms, text, path, secret),
            Value::Number(number) if is_formatted(form) => {
                self.text(form, &forms, &number.to_string(), path, secret)
            }
            Value::Number(number) => self.number(form, number.as_f64(), path),
            Value::Bool(_) | Value::Null => true,
        }
    }

    /// The ways in which a value may be written: the branches of `anyOf` and `oneOf`, with references followed.
    fn forms(&self, schema: &'s Value) -> Vec<&'s Value> {
        if let Some(name) = schema.get("$ref").and_then(Value::as_str) {
            let pointer = name.trim_start_matches('#');
            return match self.root.pointer(pointer) {
                Some(definition) => self.forms(definition),
                None => Vec::new(),
            };
        }
        let branches = schema.get("anyOf").or_else(|| schema.get("oneOf"));
        match branches.and_then(Value::as_array) {
            Some(branches) if exactly_one(schema).is_none() => branches
                .iter()
                .flat_map(|branch| self.forms(branch))
                .collect(),
            _ => vec![schema],
        }
    }

    fn mapping(
        &mut self,
        form: &'s Value,
        entries: &mut Map<String, Value>,
        path: &FieldPath,
        secret: bool,
    ) -> bool {
        let known = form.get("properties").and_then(Value::as_object);
        let others = form
            .get("additionalProperties")
            .filter(|schema| schema.is_object());
        if let (Some(known), None) = (known, others) {
            self.mend_keys(known, entries, path, secret);
        }
        for (key, value) in entries.iter_mut() {
            if let Some(schema) = known.and_then(|known| known.get(key)).or(others) {
                self.value(schema, value, &path.key(key), secret);
            }
        }
        self.required(form, entries, path);
        self.exactly_one(form, entries, path)
    }

    /// Reports unknown keys. One that is misspelt takes the place of what was meant, so that what stands below it is
    /// checked too; the others are left out.
    fn mend_keys(
        &mut self,
        known: &'s Map<String, Value>,
        entries: &mut Map<String, Value>,
        path: &FieldPath,
        secret: bool,
    ) {
        let is_unknown = |key: &&String| !known.contains_key(*key);
        let unknown: Vec<String> = entries.keys().filter(is_unknown).cloned().collect();
        for key in unknown {
            let written = path.key(&key);
            let meant = self.unknown_key(known, &key, &written, secret);
            let Some((mut value, meant)) = entries.shift_remove(&key).zip(meant) else {
                continue;
            };
            if entries.contains_key(meant) {
                self.value(&known[meant], &mut value, &written, secret);
            } else {
                self.report.mend(path.key(meant), key);
                entries.insert(meant.to_owned(), value);
            }
        }
    }

    /// Reports a key that has no meaning here; returns the key that was probably meant.
    fn unknown_key(
        &mut self,
        known: &'s Map<String, Value>,
        key: &str,
        path: &FieldPath,
        secret: bool,
    ) -> Option<&'s str> {
        let names = || known.keys().map(String::as_str);
        let meant = did_you_mean(key, names());
        let message = match (meant, self.home_of(key)) {
            (Some(meant), _) => format!("unknown key; did you mean `{meant}`?"),
            // In `keys: [{ sk-… }]` the credential itself is a key.
            (None, _) if secret => {
                let message = format!("an unknown key; known here: {}", join(names(), ", "));
                self.report.unnamed_key(path, message);
                return None;
            }
            (None, Some(home)) => format!("unknown key here; it belongs {home}"),
            (None, None) => format!("unknown key; known here: {}", join(names(), ", ")),
        };
        self.report.key(path, message);
        meant
    }

    /// Where a key that is unknown in one place does belong: a matter of indentation, mostly.
    fn home_of(&self, key: &str) -> Option<String> {
        let sections = self.root.get("properties")?.as_object()?;
        if sections.contains_key(key) {
            return Some("at the top level, without indentation".to_owned());
        }
        let has_key = |schema: &Value| schema.pointer(&format!("/properties/{key}")).is_some();
        sections
            .iter()
            .find(|(_, schema)| self.forms(schema).into_iter().any(has_key))
            .map(|(section, _)| format!("under `{section}:`, indented"))
    }

    fn required(&mut self, form: &'s Value, entries: &Map<String, Value>, path: &FieldPath) {
        let names = form.get("required").and_then(Value::as_array);
        for name in names.into_iter().flatten().filter_map(Value::as_str) {
            if !entries.contains_key(name) {
                let schema = &form["properties"][name];
                let expected = expectations(&self.forms(schema));
                self.report
                    .value(&path.key(name), format!("is missing; expected {expected}"));
            }
        }
    }

    fn exactly_one(
        &mut self,
        form: &Value,
        entries: &Map<String, Value>,
        path: &FieldPath,
    ) -> bool {
        let Some(names) = exactly_one(form) else {
            return true;
        };
        let quoted = |names: &[&str]| join(names.iter().map(|name| format!("`{name}`")), ", ");
        let given: Vec<&str> = names
            .iter()
            .copied()
            .filter(|name| entries.contains_key(*name))
            .collect();
        let message = match given.len() {
            1 => return true,
            0 => format!("needs exactly one of {}", quoted(&names)),
            _ => format!("has {}; keep exactly one of them", quoted(&given)),
        };
        self.report.value(path, message);
        false
    }

    fn list(
        &mut self,
        form: &'s Value,
        items: &mut [Value],
        path: &FieldPath,
        secret: bool,
    ) -> bool {
        if items.is_empty() && form.get("minItems").is_some() {
            self.report.value(path, "is empty; at least one is needed");
            return false;
        }
        if let Some(most) = form.get("maxItems").and_then(Value::as_u64)
            && items.len() as u64 > most
        {
            let message = format!("has {} items; the most is {most}", items.len());
            self.report.value(path, message);
            return false;
        }
        if let Some(schema) = form.get("items") {
            for (index, item) in items.iter_mut().enumerate() {
                self.value(schema, item, &path.index(index), secret);
            }
        }
        true
    }

    fn text(
        &mut self,
        form: &Value,
        forms: &[&Value],
        text: &str,
        path: &FieldPath,
        secret: bool,
    ) -> bool {
        let format = form
            .get("format")
            .and_then(Value::as_str)
            .unwrap_or_default();
        let checked = check_format(format, text).map_err(|message| {
            let literals = literals(forms);
            match literals.is_empty() {
                true => message,
                false => format!("{message}, or {literals}"),
            }
        });
        let length_max = form
            .get("maxLength")
            .and_then(Value::as_u64)
            .unwrap_or(u64::MAX);
        let checked = checked.and_then(|()| match text.chars().count() as u64 > length_max {
            true => Err(format!("is longer than {length_max} characters")),
            false => Ok(()),
        });
        match checked {
            Ok(()) => true,
            Err(message) => {
                let shown = self.shown(&Value::Null, path, secret);
                self.report.value(path, format!("{shown} {message}"));
                false
            }
        }
    }

    fn number(&mut self, form: &Value, number: Option<f64>, path: &FieldPath) -> bool {
        let bound = |name| form.get(name).and_then(Value::as_f64);
        let shown = self.report.shown(path);
        let message = match (number, bound("minimum"), bound("maximum")) {
            (Some(number), Some(least), _) if number < least => {
                format!("{shown} is too small; the least is {least}")
            }
            (Some(number), _, Some(most)) if number > most => {
                format!("{shown} is too large; the most is {most}")
            }
            _ => return true,
        };
        self.report.value(path, message);
        false
    }

    /// The value for a message: as written, or only its type where it may be secret.
    fn shown(&self, value: &Value, path: &FieldPath, secret: bool) -> String {
        match value {
            Value::Array(_) => "a list".to_owned(),
            Value::Object(_) => "a mapping".to_owned(),
            Value::Number(_) if secret => "a number".to_owned(),
            _ if secret => "text".to_owned(),
            _ => self.report.shown(path),
        }
    }
}
