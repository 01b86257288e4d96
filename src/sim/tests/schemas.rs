//! Instances of schemas, against a small checker of the same keywords.

use serde_json::{Value, json};

use super::super::random::Random;
use super::super::schema::instance;

/// What is wrong with `value` under `schema`; nothing where it is allowed.
fn wrong(root: &Value, schema: &Value, value: &Value) -> Option<String> {
    if let Some(reference) = schema.get("$ref").and_then(Value::as_str) {
        let target = root.pointer(reference.trim_start_matches('#'));
        if let Some(error) = wrong(root, target.expect("the reference leads somewhere"), value) {
            return Some(error);
        }
    }
    let allowed = |schemas: &Value| {
        schemas
            .as_array()
            .unwrap()
            .iter()
            .filter(|schema| wrong(root, schema, value).is_none())
            .count()
    };
    for (keyword, given) in schema.as_object()? {
        let number = given.as_f64();
        let holds = match keyword.as_str() {
            "type" => match given {
                Value::Array(types) => types
                    .iter()
                    .any(|one| is_type(value, one.as_str().unwrap())),
                one => is_type(value, one.as_str().unwrap()),
            },
            "const" => value == given,
            "enum" => given.as_array().unwrap().contains(value),
            "anyOf" => allowed(given) > 0,
            "oneOf" => allowed(given) == 1,
            "allOf" => allowed(given) == given.as_array().unwrap().len(),
            "minimum" => value.as_f64().is_none_or(|value| value >= number.unwrap()),
            "maximum" => value.as_f64().is_none_or(|value| value <= number.unwrap()),
            "exclusiveMinimum" => value.as_f64().is_none_or(|value| value > number.unwrap()),
            "exclusiveMaximum" => value.as_f64().is_none_or(|value| value < number.unwrap()),
            "multipleOf" => value
                .as_f64()
                .is_none_or(|value| (value / number.unwrap()).fract().abs() < 1e-9),
            "minLength" => value
                .as_str()
                .is_none_or(|text| text.chars().count() as f64 >= number.unwrap()),
            "maxLength" => value
                .as_str()
                .is_none_or(|text| text.chars().count() as f64 <= number.unwrap()),
            "minItems" => value
                .as_array()
                .is_none_or(|items| items.len() as f64 >= number.unwrap()),
            "maxItems" => value
                .as_array()
                .is_none_or(|items| items.len() as f64 <= number.unwrap()),
            "required" => value.as_object().is_none_or(|object| {
                given
                    .as_array()
                    .unwrap()
                    .iter()
                    .all(|name| object.contains_key(name.as_str().unwrap()))
            }),
            "uniqueItems" => value.as_array().is_none_or(|items| {
                items
                    .iter()
                    .enumerate()
                    .all(|(index, item)| !items[..index].contains(item))
            }),
            "properties" | "additionalProperties" => match value.as_object() {
                None => true,
                Some(object) => {
                    for (name, member) in object {
                        let property = schema.pointer("/properties").and_then(|all| all.get(name));
                        let subschema = property.or(schema.get("additionalProperties"));
                        match subschema {
                            Some(Value::Bool(false)) => {
                                return Some(format!("{name} is not allowed"));
                            }
                            Some(subschema) => {
                                if let Some(error) = wrong(root, subschema, member) {
                                    return Some(format!("{name}: {error}"));
                                }
                            }
                            None => {}
                        }
                    }
                    true
                }
            },
            "items" => match value.as_array() {
                Some(items) => {
                    let fixed = schema
                        .get("prefixItems")
                        .and_then(Value::as_array)
                        .map_or(0, Vec::len);
                    match items
                        .iter()
                        .skip(fixed)
                        .find_map(|item| wrong(root, given, item))
                    {
                        Some(error) => return Some(error),
                        None => true,
                    }
                }
                None => true,
            },
            "prefixItems" => value.as_array().is_none_or(|items| {
                items
                    .iter()
                    .zip(given.as_array().unwrap())
                    .all(|(item, schema)| wrong(root, schema, item).is_none())
            }),
            _ => true,
        };
        if !holds {
            return Some(format!("{value} is against {keyword} {given}"));
        }
    }
    None
}

fn is_type(value: &Value, name: &str) -> bool {
    match name {
        "object" => value.is_object(),
        "array" => value.is_array(),
        "string" => value.is_string(),
        "integer" => value.is_i64() || value.is_u64(),
        "number" => value.is_number(),
        "boolean" => value.is_boolean(),
        "null" => value.is_null(),
        other => panic!("unknown type {other}"),
    }
}

#[test]
fn the_checker_finds_what_is_wrong() {
    let schema = json!({"type": "object", "properties": {"a": {"type": "integer", "minimum": 3}}, "required": ["a"], "additionalProperties": false});
    assert_eq!(wrong(&schema, &schema, &json!({"a": 3})), None);
    for bad in [
        json!({}),
        json!({"a": 2}),
        json!({"a": "3"}),
        json!({"a": 3, "b": 1}),
        json!([]),
    ] {
        assert!(wrong(&schema, &schema, &bad).is_some(), "{bad}");
    }
}

#[test]
fn instances_are_allowed_by_their_schemas() {
    let schemas = [
        json!({"type": "string", "minLength": 3, "maxLength": 5}),
        json!({"type": "integer", "minimum": 5, "maximum": 7}),
        json!({"type": "integer", "exclusiveMinimum": 5, "exclusiveMaximum": 7}),
        json!({"type": "number", "exclusiveMinimum": 0, "exclusiveMaximum": 1}),
        json!({"type": "number", "minimum": 0.2, "maximum": 0.3}),
        json!({"type": "integer", "multipleOf": 5, "minimum": 11}),
        json!({"type": ["string", "null"]}),
        json!({"enum": ["a", 1, null]}),
        json!({"const": {"x": [1]}}),
        json!({"type": "array", "items": {"type": "boolean"}, "minItems": 4, "maxItems": 4}),
        json!({"type": "array", "items": {"enum": [1, 2, 3]}, "uniqueItems": true, "maxItems": 2}),
        json!({"type": "array", "prefixItems": [{"type": "string"}, {"type": "integer"}], "items": false}),
        json!({"type": "object", "additionalProperties": {"type": "integer"}}),
        json!({"type": "object", "required": ["only_required"]}),
        json!({"anyOf": [{"type": "string"}, {"type": "null"}]}),
        json!({"oneOf": [{"type": "string"}, {"type": "integer"}]}),
        json!({"allOf": [{"type": "object", "properties": {"a": {"type": "string"}}, "required": ["a"]},
            {"properties": {"b": {"type": "integer"}}, "required": ["b"]}]}),
        // What pydantic writes for a nested, recursive model.
        json!({"$defs": {"Node": {"type": "object", "properties": {
                    "value": {"type": "integer", "minimum": 0},
                    "children": {"type": "array", "items": {"$ref": "#/$defs/Node"}},
                    "parent": {"anyOf": [{"$ref": "#/$defs/Node"}, {"type": "null"}]}},
                "required": ["value", "children", "parent"], "additionalProperties": false}},
            "$ref": "#/$defs/Node"}),
        json!({"definitions": {"Colour": {"enum": ["red", "green"]}}, "type": "object",
            "properties": {"colour": {"$ref": "#/definitions/Colour", "description": "beside it"}}, "required": ["colour"]}),
    ];
    for schema in &schemas {
        for seed in 0..200u32 {
            let mut random = Random::of(&[&seed.to_le_bytes()]);
            let value = instance(schema, &mut random);
            assert_eq!(wrong(schema, schema, &value), None, "{schema} gave {value}");
        }
    }
}

#[test]
fn the_same_randomness_gives_the_same_instance() {
    let schema =
        json!({"type": "object", "properties": {"a": {"type": "string"}, "b": {"type": "number"}}});
    let of = |seed: &[u8]| instance(&schema, &mut Random::of(&[seed]));
    assert_eq!(of(b"x"), of(b"x"));
    assert!((0..20u8).any(|seed| of(&[seed]) != of(b"x")));
}

#[test]
fn hostile_schemas_end() {
    let wide = json!({"allOf": [{"$ref": "#"}, {"$ref": "#"}, {"$ref": "#"}]});
    let deep = json!({"type": "object", "properties": {"a": {"$ref": "#"}, "b": {"$ref": "#"}}, "required": ["a", "b"]});
    for schema in [
        json!({"$ref": "#"}),
        wide,
        deep,
        json!({"$ref": "http://elsewhere"}),
        json!(7),
        json!({"type": "array", "minItems": 1e18, "items": {"$ref": "#"}}),
    ] {
        instance(&schema, &mut Random::of(&[b"x"]));
    }
}
