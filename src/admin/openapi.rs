//! The OpenAPI 3.1 document of the admin API, made of the table that requests are routed by and of the shapes that they carry.
//! It must not know what the routes do.

use schemars::generate::SchemaSettings;
use schemars::{Schema, SchemaGenerator};
use serde_json::{Map, Value, json};

use super::table::{Access, ENTRIES, Entry, Gives, Parameter, Takes, Verb};

/// The document.
pub(super) fn document() -> Value {
    let settings = SchemaSettings::draft2020_12().with(|settings| {
        settings.definitions_path = "/components/schemas".into();
    });
    let mut generator = settings.into_generator();
    let mut paths = Map::new();
    for entry in ENTRIES {
        let operation = operation(entry, &mut generator);
        let path = paths.entry(entry.path).or_insert_with(|| json!({}));
        path[verb(entry.method)] = operation;
    }
    let mut schemas = generator.take_definitions(true);
    schemas.insert("Error".to_owned(), error());
    json!({
        "openapi": "3.1.0",
        "info": { "title": "weir admin API", "version": env!("CARGO_PKG_VERSION") },
        "security": [{ "token": [] }],
        "paths": paths,
        "components": {
            "schemas": schemas,
            "securitySchemes": { "token": { "type": "http", "scheme": "bearer" } },
        },
    })
}

fn error() -> Value {
    json!({
        "type": "object",
        "required": ["error"],
        "properties": { "error": {
            "type": "object",
            "required": ["code", "message"],
            "properties": {
                "code": { "type": "string" },
                "message": { "type": "string" },
                "param": { "type": ["string", "null"], "description": "The member or parameter that is wrong." },
            },
        } },
    })
}

fn verb(verb: Verb) -> &'static str {
    match verb {
        Verb::Get => "get",
        Verb::Post => "post",
        Verb::Put => "put",
        Verb::Patch => "patch",
        Verb::Delete => "delete",
    }
}

fn operation(entry: &Entry, generator: &mut SchemaGenerator) -> Value {
    let id = format!(
        "{} {}",
        verb(entry.method),
        entry.path.trim_start_matches("/admin/v1")
    );
    let id: String = id
        .chars()
        .map(|c| if c.is_ascii_alphanumeric() { c } else { '_' })
        .collect();
    let mut operation = json!({
        "operationId": id,
        "summary": entry.summary,
        "parameters": parameters(entry),
        "responses": responses(entry, generator),
    });
    if entry.access == Access::Open {
        operation["security"] = json!([]);
    }
    if let Some(body) = body(entry.takes, generator) {
        operation["requestBody"] = body;
    }
    operation
}

fn parameters(entry: &Entry) -> Vec<Value> {
    let in_path = entry
        .path
        .split('/')
        .filter_map(|part| part.strip_prefix('{')?.strip_suffix('}'));
    let in_path = in_path.map(|name| {
        json!({ "name": name, "in": "path", "required": true, "schema": { "type": "string", "minLength": 1 } })
    });
    let in_query = entry.query.iter().map(|Parameter { name, says, is_needed }| {
        let schema = match *name {
            "limit" => json!({ "type": "integer", "minimum": 1, "maximum": 1000 }),
            "tag" => json!({ "type": "array", "items": { "type": "string" } }),
            _ => json!({ "type": "string" }),
        };
        json!({ "name": name, "in": "query", "required": is_needed, "description": says, "schema": schema })
    });
    let mut all: Vec<Value> = in_path.chain(in_query).collect();
    if entry.path.ends_with("/entries") {
        let says = "The same entry with the same key is made once.";
        all.push(json!({ "name": "Idempotency-Key", "in": "header", "description": says, "schema": { "type": "string", "minLength": 1, "maxLength": 255, "pattern": "^[!-~]+$" } }));
    }
    all
}

fn body(takes: Takes, generator: &mut SchemaGenerator) -> Option<Value> {
    let json = |schema: Value, is_needed: bool| json!({ "required": is_needed, "content": { "application/json": { "schema": schema } } });
    match takes {
        Takes::Nothing => None,
        Takes::Json(shape) => Some(json(shape(generator).to_value(), true)),
        Takes::Maybe(shape) => Some(json(shape(generator).to_value(), false)),
        Takes::Patch(shape) => {
            let whole = shape(generator).to_value();
            let says =
                "A JSON merge patch (RFC 7396): members that are absent stay, null takes one away.";
            let name = whole["$ref"]
                .as_str()
                .and_then(|path| path.rsplit('/').next());
            let known = name.and_then(|name| generator.definitions().get(name));
            let members = known
                .and_then(|known| known["properties"].as_object())
                .cloned();
            let members = members
                .unwrap_or_default()
                .into_iter()
                .map(|(name, schema)| (name, nullable(schema)));
            let members: Map<String, Value> = members.collect();
            Some(json(
                json!({ "type": "object", "description": says, "properties": members, "additionalProperties": false }),
                true,
            ))
        }
        Takes::Csv => Some(
            json!({ "required": true, "content": { "text/csv": { "schema": { "type": "string" } } } }),
        ),
    }
}

fn nullable(mut schema: Value) -> Value {
    // A default would be taken for what an absent member means.
    if let Some(schema) = schema.as_object_mut() {
        schema.remove("default");
    }
    json!({ "anyOf": [schema, { "type": "null" }] })
}

fn responses(entry: &Entry, generator: &mut SchemaGenerator) -> Value {
    let json = |shape: fn(&mut SchemaGenerator) -> Schema, generator: &mut SchemaGenerator| json!({ "application/json": { "schema": shape(generator) } });
    let text = || json!({ "schema": { "type": "string" } });
    let error =
        json!({ "application/json": { "schema": { "$ref": "#/components/schemas/Error" } } });
    let (status, content) = match entry.gives {
        Gives::Json(shape) => ("200", Some(json(shape, generator))),
        Gives::Made(shape) => ("201", Some(json(shape, generator))),
        Gives::Table(shape) => {
            let mut content = json(shape, generator);
            content["text/csv"] = text();
            content["application/x-ndjson"] = text();
            ("200", Some(content))
        }
        Gives::Text => ("200", Some(json!({ "text/plain": text() }))),
        Gives::Done => ("204", None),
    };
    let mut good = json!({ "description": entry.summary });
    if let Some(content) = content {
        good["content"] = content;
    }
    let mut responses = json!({
        status: good,
        "4XX": { "description": "What is wrong, and the way out.", "content": error },
        "503": { "description": "Something that is needed for it does not work now.", "content": error },
    });
    if entry.path == "/readyz" {
        responses["503"] =
            json!({ "description": "Not ready.", "content": { "text/plain": text() } });
    }
    responses
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_route_of_the_table_is_in_the_document_and_the_other_way_round() {
        let document = document();
        let paths = document["paths"].as_object().unwrap();
        let written: usize = paths
            .values()
            .map(|path| path.as_object().unwrap().len())
            .sum();
        assert_eq!(written, ENTRIES.len());
        for entry in ENTRIES {
            let operation = &paths[entry.path][verb(entry.method)];
            assert_eq!(operation["summary"], entry.summary, "{}", entry.path);
        }
    }

    #[test]
    fn every_reference_leads_somewhere() {
        let document = document();
        let text = document.to_string();
        for part in text.split("\"$ref\":\"#").skip(1) {
            let pointer = part.split('"').next().unwrap();
            assert!(document.pointer(pointer).is_some(), "{pointer}");
        }
        assert!(document["components"]["schemas"]["KeyDraft"].is_object());
    }

    #[test]
    fn operations_have_names_of_their_own() {
        let document = document();
        let paths = document["paths"].as_object().unwrap().values();
        let operations = paths.flat_map(|path| path.as_object().unwrap().values());
        let ids: Vec<&str> = operations
            .map(|operation| operation["operationId"].as_str().unwrap())
            .collect();
        let distinct: std::collections::HashSet<&&str> = ids.iter().collect();
        assert_eq!(distinct.len(), ids.len(), "{ids:?}");
    }
}
