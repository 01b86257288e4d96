//! Instances of JSON Schemas: a plausible value that the schema allows, the same for the same randomness.
//! It must not know what the value is for.
//!
//! Covers what structured output is made of: types and lists of them, enum, const, properties and required, arrays with bounds,
//! prefixItems, strings with lengths and common formats, numbers with bounds and multipleOf, `$ref` into the schema, anyOf, oneOf and
//! allOf. A `pattern` is not generated from, and `not`, `if` and `dependent…` are not read.

use serde_json::{Map, Value, json};

use super::random::Random;

/// How deep a recursive schema is followed before the smallest instance is taken.
const DEPTH_MAX: usize = 6;
/// How deep at all: a schema that requires itself has no finite instance, and gets `null` here.
const DEPTH_END: usize = 32;
/// Follows of `$ref` without any depth in between (`{"$ref": "#"}` would never end).
const REFERENCES_MAX: usize = 16;
/// Schemas looked at for one instance: what a hostile schema can cost.
const STEPS_MAX: usize = 20_000;
const ITEMS_MAX: u64 = 64;
const STRING_CHARACTERS_MAX: usize = 4096;

/// A value that `schema` allows.
pub fn instance(schema: &Value, random: &mut Random) -> Value {
    Generator {
        root: schema,
        random,
        steps_left: STEPS_MAX,
    }
    .value(schema, 0)
}

struct Generator<'a> {
    root: &'a Value,
    random: &'a mut Random,
    steps_left: usize,
}

impl Generator<'_> {
    fn value(&mut self, schema: &Value, depth: usize) -> Value {
        if depth >= DEPTH_END {
            return Value::Null;
        }
        let schema = self.resolved(schema, 0);
        if schema == Value::Bool(true) || schema.as_object().is_some_and(Map::is_empty) {
            return "anything".into();
        }
        if let Some(constant) = schema.get("const") {
            return constant.clone();
        }
        if let Some(values) = schema.get("enum").and_then(Value::as_array) {
            return self.random.pick(values).cloned().unwrap_or(Value::Null);
        }
        if let Some(branches) = schema
            .get("anyOf")
            .or_else(|| schema.get("oneOf"))
            .and_then(Value::as_array)
        {
            return self.branch(&schema, branches, depth);
        }
        match self.type_of(&schema, depth).as_str() {
            "object" => self.object(&schema, depth),
            "array" => self.array(&schema, depth),
            "string" => self.string(&schema).into(),
            "integer" => self.number(&schema, true),
            "number" => self.number(&schema, false),
            "boolean" => (self.random.below(2) == 1).into(),
            _ => Value::Null,
        }
    }

    /// The schema with its references followed and its `allOf` merged in.
    fn resolved(&mut self, schema: &Value, follows: usize) -> Value {
        let Some(object) = schema.as_object() else {
            return schema.clone();
        };
        if follows >= REFERENCES_MAX || self.steps_left == 0 {
            return json!({"type": "null"});
        }
        self.steps_left -= 1;
        let mut merged = object.clone();
        if let Some(target) = object.get("$ref").and_then(Value::as_str) {
            merged.remove("$ref");
            let root = self.root;
            let target = root.pointer(&pointer(target)).unwrap_or(&Value::Null);
            if let Value::Object(target) = self.resolved(target, follows + 1) {
                merge(&mut merged, target);
            }
        }
        if let Some(Value::Array(parts)) = merged.remove("allOf") {
            for part in &parts {
                if let Value::Object(part) = self.resolved(part, follows + 1) {
                    merge(&mut merged, part);
                }
            }
        }
        Value::Object(merged)
    }

    /// One branch of a choice, on top of what stands beside it; the last (often null) one where it goes deep.
    fn branch(&mut self, schema: &Value, branches: &[Value], depth: usize) -> Value {
        let simple = branches
            .iter()
            .position(|branch| branch.get("type").is_some_and(|kind| kind == "null"));
        let index = match simple {
            Some(null) if depth >= DEPTH_MAX => null,
            _ => self.random.below(branches.len()),
        };
        let Some(Value::Object(mut chosen)) =
            branches.get(index).map(|branch| self.resolved(branch, 0))
        else {
            return Value::Null;
        };
        let mut beside = schema.as_object().cloned().unwrap_or_default();
        beside.remove("anyOf");
        beside.remove("oneOf");
        merge(&mut chosen, beside);
        self.value(&Value::Object(chosen), depth + 1)
    }

    fn type_of(&mut self, schema: &Value, depth: usize) -> String {
        match schema.get("type") {
            Some(Value::String(kind)) => kind.clone(),
            Some(Value::Array(kinds)) => {
                let null = kinds
                    .iter()
                    .find(|kind| *kind == "null")
                    .filter(|_| depth >= DEPTH_MAX);
                let kind = null.or_else(|| self.random.pick(kinds));
                kind.and_then(Value::as_str).unwrap_or("null").to_string()
            }
            _ if schema.get("properties").is_some() => "object".into(),
            _ if schema.get("items").is_some() || schema.get("prefixItems").is_some() => {
                "array".into()
            }
            _ if ["minimum", "maximum", "multipleOf"]
                .iter()
                .any(|key| schema.get(key).is_some()) =>
            {
                "number".into()
            }
            _ => "string".into(),
        }
    }

    fn object(&mut self, schema: &Value, depth: usize) -> Value {
        let required: Vec<&str> = schema
            .get("required")
            .and_then(Value::as_array)
            .into_iter()
            .flatten()
            .filter_map(Value::as_str)
            .collect();
        let mut object = Map::new();
        for (name, property) in schema
            .get("properties")
            .and_then(Value::as_object)
            .into_iter()
            .flatten()
        {
            let wanted = required.contains(&name.as_str())
                || (depth < DEPTH_MAX / 2 && self.random.below(3) > 0);
            if wanted {
                object.insert(name.clone(), self.value(property, depth + 1));
            }
        }
        let additional = schema
            .get("additionalProperties")
            .cloned()
            .unwrap_or(Value::Bool(true));
        let unnamed = required
            .iter()
            .filter(|name| !object.contains_key(**name))
            .map(ToString::to_string)
            .collect::<Vec<_>>();
        for name in unnamed {
            object.insert(name, self.value(&additional, depth + 1));
        }
        let least = schema
            .get("minProperties")
            .and_then(Value::as_u64)
            .unwrap_or(0)
            .min(ITEMS_MAX) as usize;
        // A map without named properties gets an entry, so that it shows what it holds.
        let shown = usize::from(
            additional.is_object() && depth < DEPTH_MAX && schema.get("properties").is_none(),
        );
        while object.len() < least.max(shown) && additional != Value::Bool(false) {
            object.insert(
                format!("key_{}", object.len() + 1),
                self.value(&additional, depth + 1),
            );
        }
        Value::Object(object)
    }

    fn array(&mut self, schema: &Value, depth: usize) -> Value {
        let fixed = schema
            .get("prefixItems")
            .and_then(Value::as_array)
            .cloned()
            .unwrap_or_default();
        let bound = |key: &str| {
            schema
                .get(key)
                .and_then(Value::as_u64)
                .map(|bound| bound.min(ITEMS_MAX))
        };
        let least = bound("minItems").unwrap_or(0);
        let usual = if depth >= DEPTH_MAX {
            0
        } else {
            1 + self.random.below(3) as u64
        };
        let wanted = usual.max(least).min(bound("maxItems").unwrap_or(ITEMS_MAX)) as usize;
        let items = schema.get("items").cloned().unwrap_or(Value::Bool(true));
        let wanted = if items == Value::Bool(false) {
            wanted.min(fixed.len())
        } else {
            wanted.max(fixed.len())
        };
        let unique = schema.get("uniqueItems") == Some(&Value::Bool(true));
        let mut array = Vec::new();
        // Twice and more over, since a value may come up again where all must differ.
        for attempt in 0..wanted * 8 {
            if array.len() == wanted {
                break;
            }
            let value = self.value(fixed.get(array.len()).unwrap_or(&items), depth + 1);
            if !unique || !array.contains(&value) || attempt + 1 == wanted * 8 {
                array.push(value);
            }
        }
        array.into()
    }

    fn string(&mut self, schema: &Value) -> String {
        if let Some(text) = schema
            .get("format")
            .and_then(Value::as_str)
            .and_then(|format| self.formatted(format))
        {
            return text;
        }
        let bound = |key: &str| {
            schema
                .get(key)
                .and_then(Value::as_u64)
                .map(|bound| (bound as usize).min(STRING_CHARACTERS_MAX))
        };
        let (least, most) = (
            bound("minLength").unwrap_or(0),
            bound("maxLength").unwrap_or(STRING_CHARACTERS_MAX),
        );
        let mut text = String::new();
        for _ in 0..1 + self.random.below(3) {
            text.push_str(if text.is_empty() { "" } else { " " });
            text.push_str(self.random.pick(&STRINGS).copied().unwrap_or_default());
        }
        while text.chars().count() < least {
            text.push('x');
        }
        text.chars().take(most).collect()
    }

    fn formatted(&mut self, format: &str) -> Option<String> {
        let (day, hour) = (1 + self.random.below(28), self.random.below(24));
        Some(match format {
            "date" => format!("2026-03-{day:02}"),
            "time" => format!("{hour:02}:30:00Z"),
            "date-time" => format!("2026-03-{day:02}T{hour:02}:30:00Z"),
            "duration" => format!("PT{hour}H"),
            "email" => format!("user{day}@example.com"),
            "uri" | "url" => format!("https://example.com/{day}"),
            "hostname" => format!("host{day}.example.com"),
            "ipv4" => format!("192.0.2.{day}"),
            "ipv6" => format!("2001:db8::{day}"),
            "uuid" => {
                let hex = self.random.hex(30);
                format!(
                    "{}-{}-4{}-a{}-{}",
                    &hex[..8],
                    &hex[8..12],
                    &hex[12..15],
                    &hex[15..18],
                    &hex[18..]
                )
            }
            _ => return None,
        })
    }

    fn number(&mut self, schema: &Value, whole: bool) -> Value {
        let bound = |key: &str| schema.get(key).and_then(Value::as_f64);
        let step = bound("multipleOf")
            .filter(|step| *step > 0.0)
            .unwrap_or(if whole { 1.0 } else { 0.5 });
        let mut least = bound("minimum").unwrap_or(f64::NEG_INFINITY);
        let mut most = bound("maximum").unwrap_or(f64::INFINITY);
        // An exclusive bound is met by staying half a step, or a hair, off it.
        let hair = if whole || bound("multipleOf").is_some() {
            step / 2.0
        } else {
            1e-6
        };
        least = least.max(bound("exclusiveMinimum").map_or(least, |bound| bound + hair));
        most = most.min(bound("exclusiveMaximum").map_or(most, |bound| bound - hair));
        let (low, high) = match (least.is_finite(), most.is_finite()) {
            (true, true) => (least, most),
            (true, false) => (least, least + 100.0 * step),
            (false, true) => (most - 100.0 * step, most),
            (false, false) => (0.0, 100.0 * step),
        };
        let (first, last) = ((low / step).ceil(), (high / step).floor());
        if first > last {
            // No multiple of the usual step lies between narrow bounds.
            return json!(low + (high - low) / 2.0);
        }
        let steps = (last - first).min(1e6) as usize;
        let number = (first + self.random.below(steps + 1) as f64) * step;
        if whole && number.abs() < 9e15 {
            json!(number as i64)
        } else {
            json!(number)
        }
    }
}

const STRINGS: [&str; 12] = [
    "Paris",
    "blue",
    "Ada Lovelace",
    "report",
    "世界",
    "café",
    "north",
    "express",
    "sample",
    "🚀 launch",
    "quiet",
    "draft",
];

/// `#/$defs/Name` as a JSON pointer.
fn pointer(reference: &str) -> String {
    reference
        .strip_prefix('#')
        .unwrap_or("/ outside")
        .replace("%24", "$")
        .replace("%20", " ")
}

/// Adds a schema's keywords to another's: properties and requirements side by side, anything else where it is not there yet.
fn merge(into: &mut Map<String, Value>, from: Map<String, Value>) {
    for (key, value) in from {
        match (into.get_mut(&key), value) {
            (None, value) => drop(into.insert(key, value)),
            (Some(Value::Object(have)), Value::Object(more)) if key == "properties" => {
                have.extend(more)
            }
            (Some(Value::Array(have)), Value::Array(more)) if key == "required" => {
                have.extend(more)
            }
            (Some(_), _) => {}
        }
    }
}
