//! YAML text in, one tree of plain values out. The only file that uses serde_yaml, so that replacing it is one change.
//! It must not know which settings exist.

use serde_json::{Map, Value};

use super::path::FieldPath;
use super::places::{Places, SyntaxError};
use super::problem::Place;

const MERGE_KEY: &str = "<<";

/// Reads one YAML document, with anchors, aliases and merge keys resolved. Of a key that is written twice the last
/// counts (`Places` reports it).
///
/// # Errors
/// Where it is not YAML, or not of plain values (text, numbers, true, false, lists, mappings with text keys).
pub(super) fn read(text: &str, places: &Places) -> Result<Value, SyntaxError> {
    let mut value: Value = serde_yaml::from_str(text).map_err(syntax_error)?;
    merge(&mut value, &FieldPath::root()).map_err(|path| SyntaxError {
        place: places.key(&path),
        message: "`<<` merges mappings only, such as `<<: *anchor`".into(),
    })?;
    Ok(value)
}

fn syntax_error(error: serde_yaml::Error) -> SyntaxError {
    let place = error.location().map(|location| Place {
        line: location.line(),
        column: location.column(),
    });
    // The text of these errors ends with the place, which is shown already.
    let text = error.to_string();
    let message = text.split(" at line ").next().unwrap_or(&text);
    let message = match message {
        "repetition limit exceeded" => "its aliases unfold to too many values",
        message if message.contains("invalid type: enum") => {
            "a tag (`!…`) has no meaning here; remove it"
        }
        message => message,
    };
    SyntaxError {
        place,
        message: message.to_owned(),
    }
}

/// Resolves `<<: *anchor` and `<<: [*a, *b]`: keys of the mapping itself win, then those of the first named.
/// The error is the path of a `<<` that cannot be resolved.
fn merge(value: &mut Value, path: &FieldPath) -> Result<(), FieldPath> {
    match value {
        Value::Array(items) => items
            .iter_mut()
            .enumerate()
            .try_for_each(|(index, item)| merge(item, &path.index(index))),
        Value::Object(mapping) => {
            for (key, value) in mapping.iter_mut() {
                merge(value, &path.key(key))?;
            }
            let sources = match mapping.shift_remove(MERGE_KEY) {
                None => return Ok(()),
                Some(Value::Array(sources)) => sources,
                Some(source) => vec![source],
            };
            merge_all(mapping, sources).ok_or_else(|| path.key(MERGE_KEY))
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => Ok(()),
    }
}

fn merge_all(mapping: &mut Map<String, Value>, sources: Vec<Value>) -> Option<()> {
    for source in sources {
        let Value::Object(source) = source else {
            return None;
        };
        for (key, value) in source {
            mapping.entry(key).or_insert(value);
        }
    }
    Some(())
}
