//! JSON as it was read: a tree that borrows the texts of the bytes it stands in. Members stand in a list, in their order; nothing is hashed, and
//! nothing is copied that has no escape in it. What the members mean is the dialects' to say.

mod parser;
#[cfg(test)]
mod tests;

use std::borrow::Cow;
use std::ops::Index;

use serde::de::{Deserialize, Deserializer};
use serde_json::{Map, Number, Value};

/// A JSON value.
#[derive(Debug, Clone, PartialEq)]
pub enum Parsed<'a> {
    Null,
    Bool(bool),
    /// As it is written.
    Number(Cow<'a, str>),
    String(Cow<'a, str>),
    Array(Vec<Parsed<'a>>),
    Object(Fields<'a>),
}

/// The members of an object, each name once.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Fields<'a>(Vec<(Cow<'a, str>, Parsed<'a>)>);

/// Reads a body.
///
/// # Errors
/// Where it is no JSON, in `serde_json`'s words.
pub fn parse(body: &[u8]) -> Result<Parsed<'_>, serde_json::Error> {
    match parser::parse(body) {
        Some(parsed) => Ok(parsed),
        // Slower, and more patient: it takes names that stand twice, and says what is wrong.
        None => serde_json::from_slice::<Value>(body).map(Parsed::from),
    }
}

static NULL: Parsed<'static> = Parsed::Null;

impl<'a> Parsed<'a> {
    pub fn is_null(&self) -> bool {
        matches!(self, Parsed::Null)
    }

    pub fn is_object(&self) -> bool {
        matches!(self, Parsed::Object(_))
    }

    pub fn is_array(&self) -> bool {
        matches!(self, Parsed::Array(_))
    }

    pub fn as_str(&self) -> Option<&str> {
        match self {
            Parsed::String(text) => Some(text),
            _ => None,
        }
    }

    pub fn as_bool(&self) -> Option<bool> {
        match self {
            Parsed::Bool(flag) => Some(*flag),
            _ => None,
        }
    }

    pub fn as_u64(&self) -> Option<u64> {
        match self {
            Parsed::Number(number) => number.parse().ok(),
            _ => None,
        }
    }

    pub fn as_i64(&self) -> Option<i64> {
        match self {
            Parsed::Number(number) => number.parse().ok(),
            _ => None,
        }
    }

    pub fn as_f64(&self) -> Option<f64> {
        match self {
            Parsed::Number(number) => number.parse().ok().filter(|it: &f64| it.is_finite()),
            _ => None,
        }
    }

    pub fn as_array(&self) -> Option<&[Parsed<'a>]> {
        match self {
            Parsed::Array(list) => Some(list),
            _ => None,
        }
    }

    /// A member, where this is an object that has it.
    pub fn get(&self, name: &str) -> Option<&Parsed<'a>> {
        match self {
            Parsed::Object(fields) => fields.get(name),
            _ => None,
        }
    }

    pub fn into_value(self) -> Value {
        self.into()
    }
}

/// A member; null where there is none.
impl<'a> Index<&str> for Parsed<'a> {
    type Output = Parsed<'a>;

    fn index(&self, name: &str) -> &Parsed<'a> {
        self.get(name).unwrap_or(&NULL)
    }
}

impl PartialEq<&str> for Parsed<'_> {
    fn eq(&self, text: &&str) -> bool {
        self.as_str() == Some(*text)
    }
}

impl<'a> Fields<'a> {
    pub fn get(&self, name: &str) -> Option<&Parsed<'a>> {
        let found = self.0.iter().find(|(known, _)| known == name);
        found.map(|(_, value)| value)
    }

    pub fn contains_key(&self, name: &str) -> bool {
        self.get(name).is_some()
    }

    /// Takes a member out; the others keep their order.
    pub fn take(&mut self, name: &str) -> Option<Parsed<'a>> {
        let at = self.0.iter().position(|(known, _)| known == name)?;
        Some(self.0.remove(at).1)
    }

    /// Sets a member.
    pub fn insert(&mut self, name: &'static str, value: Parsed<'a>) {
        match self.0.iter_mut().find(|(known, _)| known == name) {
            Some((_, known)) => *known = value,
            None => self.0.push((name.into(), value)),
        }
    }

    pub fn retain(&mut self, keep: impl Fn(&str, &Parsed<'a>) -> bool) {
        self.0.retain(|(name, value)| keep(name, value));
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl<'a> IntoIterator for Fields<'a> {
    type Item = (Cow<'a, str>, Parsed<'a>);
    type IntoIter = std::vec::IntoIter<Self::Item>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter()
    }
}

impl<'de> Deserialize<'de> for Parsed<'_> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        Value::deserialize(from).map(Parsed::from)
    }
}

impl From<Parsed<'_>> for Value {
    fn from(parsed: Parsed<'_>) -> Self {
        match parsed {
            Parsed::Null => Value::Null,
            Parsed::Bool(flag) => Value::Bool(flag),
            Parsed::Number(number) => number_of(&number).map_or(Value::Null, Value::Number),
            Parsed::String(text) => Value::String(text.into_owned()),
            Parsed::Array(list) => list.into_iter().map(Value::from).collect(),
            Parsed::Object(fields) => Value::Object(fields.into()),
        }
    }
}

/// A number as it is written; what was parsed is one.
pub fn number_of(text: &str) -> Option<Number> {
    text.parse().ok()
}

impl From<Fields<'_>> for Map<String, Value> {
    fn from(fields: Fields<'_>) -> Self {
        let members = fields.into_iter();
        let members = members.map(|(name, value)| (name.into_owned(), value.into()));
        members.collect()
    }
}

impl From<Value> for Parsed<'_> {
    fn from(value: Value) -> Self {
        match value {
            Value::Null => Parsed::Null,
            Value::Bool(flag) => Parsed::Bool(flag),
            Value::Number(number) => Parsed::Number(number.to_string().into()),
            Value::String(text) => Parsed::String(text.into()),
            Value::Array(list) => Parsed::Array(list.into_iter().map(Parsed::from).collect()),
            Value::Object(members) => Parsed::Object(members.into()),
        }
    }
}

impl From<Map<String, Value>> for Fields<'_> {
    fn from(members: Map<String, Value>) -> Self {
        let members = members.into_iter();
        let members = members.map(|(name, value)| (name.into(), value.into()));
        Fields(members.collect())
    }
}

impl From<String> for Parsed<'_> {
    fn from(text: String) -> Self {
        Parsed::String(text.into())
    }
}
