//! What an evaluation has given, as weir wants it: bool, text, or JSON within bounds. It must not know what was asked.

use cel::common::types::{
    CelBool, CelDouble, CelDuration, CelInt, CelNull, CelOptional, CelString, CelTimestamp,
    CelUInt, Kind,
};
use cel::common::value::Val;
use chrono::{SecondsFormat, Utc};
use serde_json::{Map, Number, Value};

use super::bounds::{RESULT_BYTES_MAX, RESULT_DEPTH_MAX, RESULT_TEXT_BYTES_MAX, RESULT_VALUES_MAX};
use super::error::EvalError;

pub(super) fn flag(value: &dyn Val) -> Result<bool, EvalError> {
    let flag = value.downcast_ref::<CelBool>().map(|flag| *flag.inner());
    flag.ok_or_else(|| {
        let given = value.get_type().name();
        EvalError::new(format!("gives {given}, where true or false is wanted"))
    })
}

pub(super) fn text(value: &dyn Val) -> Result<String, EvalError> {
    let text = match scalar(value) {
        Some(Value::String(text)) => text,
        Some(Value::Bool(flag)) => flag.to_string(),
        Some(Value::Number(number)) => number.to_string(),
        _ => {
            let given = value.get_type().name();
            return Err(EvalError::new(format!(
                "gives {given}, where text is wanted"
            )));
        }
    };
    match text.len() > RESULT_TEXT_BYTES_MAX {
        true => Err(EvalError::new(format!(
            "gives a text of {} bytes; it may have {RESULT_TEXT_BYTES_MAX}",
            text.len()
        ))),
        false => Ok(text),
    }
}

pub(super) fn json(value: &dyn Val) -> Result<Value, EvalError> {
    let mut room = Room {
        values: RESULT_VALUES_MAX,
        bytes: RESULT_BYTES_MAX,
    };
    room.json(value, 0)
}

/// What may still be written.
struct Room {
    values: usize,
    bytes: usize,
}

impl Room {
    fn json(&mut self, value: &dyn Val, depth: usize) -> Result<Value, EvalError> {
        self.values = self.values.checked_sub(1).ok_or_else(too_large)?;
        if depth > RESULT_DEPTH_MAX {
            return Err(too_large());
        }
        if let Some(scalar) = scalar(value) {
            if let Value::String(text) = &scalar {
                self.take(text.len())?;
            }
            return Ok(scalar);
        }
        if let Some(optional) = value.downcast_ref::<CelOptional>() {
            return match optional.inner() {
                Some(value) => self.json(value, depth + 1),
                None => Ok(Value::Null),
            };
        }
        match value.get_type().kind() {
            Kind::List => self.list(value, depth),
            Kind::Map => self.map(value, depth),
            _ => Err(no_json(value)),
        }
    }

    fn list(&mut self, list: &dyn Val, depth: usize) -> Result<Value, EvalError> {
        let mut items = list.as_iterable().ok_or_else(|| no_json(list))?.iter();
        let mut array = Vec::new();
        while let Some(item) = items.next() {
            array.push(self.json(item, depth + 1)?);
        }
        Ok(Value::Array(array))
    }

    fn map(&mut self, map: &dyn Val, depth: usize) -> Result<Value, EvalError> {
        let mut names = map.as_iterable().ok_or_else(|| no_json(map))?.iter();
        let values = map.as_indexer().ok_or_else(|| no_json(map))?;
        let mut object = Map::new();
        while let Some(name) = names.next() {
            let text = name
                .downcast_ref::<CelString>()
                .ok_or_else(|| no_json(name))?;
            self.take(text.inner().len())?;
            let value = values.get(name).map_err(EvalError::from)?;
            object.insert(
                text.inner().to_owned(),
                self.json(value.as_ref(), depth + 1)?,
            );
        }
        Ok(Value::Object(object))
    }

    fn take(&mut self, bytes: usize) -> Result<(), EvalError> {
        self.bytes = self.bytes.checked_sub(bytes).ok_or_else(too_large)?;
        Ok(())
    }
}

/// What is no collection. Numbers that JSON has no form for become null, lengths of time seconds.
fn scalar(value: &dyn Val) -> Option<Value> {
    let decimal = |decimal: f64| Number::from_f64(decimal).map_or(Value::Null, Value::Number);
    if let Some(text) = value.downcast_ref::<CelString>() {
        return Some(Value::from(text.inner()));
    }
    if let Some(flag) = value.downcast_ref::<CelBool>() {
        return Some(Value::from(*flag.inner()));
    }
    if let Some(whole) = value.downcast_ref::<CelInt>() {
        return Some(Value::from(*whole.inner()));
    }
    if let Some(whole) = value.downcast_ref::<CelUInt>() {
        return Some(Value::from(*whole.inner()));
    }
    if let Some(number) = value.downcast_ref::<CelDouble>() {
        return Some(decimal(*number.inner()));
    }
    if let Some(time) = value.downcast_ref::<CelTimestamp>() {
        let utc = time.inner().with_timezone(&Utc);
        return Some(Value::from(
            utc.to_rfc3339_opts(SecondsFormat::AutoSi, true),
        ));
    }
    if let Some(span) = value.downcast_ref::<CelDuration>() {
        return Some(decimal(span.inner().as_seconds_f64()));
    }
    value.downcast_ref::<CelNull>().map(|_| Value::Null)
}

fn no_json(value: &dyn Val) -> EvalError {
    EvalError::new(format!(
        "gives {}, which has no form in JSON",
        value.get_type().name()
    ))
}

fn too_large() -> EvalError {
    EvalError::new(format!(
        "gives more than {RESULT_VALUES_MAX} values, {RESULT_BYTES_MAX} bytes of text or {RESULT_DEPTH_MAX} levels"
    ))
}
