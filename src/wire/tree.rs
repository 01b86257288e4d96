//! JSON that is to be written. It borrows what it can, so that long texts and images are copied once: into the body. Members stand in a
//! list, in their order; nothing is hashed.

use std::borrow::Cow;

use serde_json::{Number, Value};

use super::literal;

/// A JSON value to be written.
#[derive(Debug, Clone, PartialEq)]
pub enum Json<'a> {
    Null,
    Flag(bool),
    Count(u64),
    Number(&'a Number),
    Text(Cow<'a, str>),
    /// As the client or the upstream wrote it.
    Given(&'a Value),
    /// The same, made here. Boxed: it is rare, and large.
    Made(Box<Value>),
    List(Vec<Json<'a>>),
    Object(Object<'a>),
}

/// Members in the order in which they are written.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Object<'a>(Vec<(Cow<'a, str>, Json<'a>)>);

/// Members that most objects have room for without growing.
const MEMBERS_USUAL: usize = 8;

impl<'a> Object<'a> {
    /// An object that tells its type.
    pub fn typed(kind: &'a str) -> Object<'a> {
        Object::default().with("type", kind)
    }

    #[must_use]
    pub fn with(mut self, name: &'a str, value: impl Into<Json<'a>>) -> Object<'a> {
        self.put(name, value);
        self
    }

    /// Adds the member if there is something to say.
    #[must_use]
    pub fn with_some(mut self, name: &'a str, value: Option<impl Into<Json<'a>>>) -> Object<'a> {
        self.put_some(name, value);
        self
    }

    /// Sets a member.
    pub fn put(&mut self, name: impl Into<Cow<'a, str>>, value: impl Into<Json<'a>>) {
        let (name, value) = (name.into(), value.into());
        match self.0.iter_mut().find(|(known, _)| *known == name) {
            Some(known) => known.1 = value,
            None => {
                if self.0.capacity() == 0 {
                    self.0.reserve(MEMBERS_USUAL);
                }
                self.0.push((name, value));
            }
        }
    }

    /// Sets a member if there is something to say.
    pub fn put_some(&mut self, name: impl Into<Cow<'a, str>>, value: Option<impl Into<Json<'a>>>) {
        if let Some(value) = value {
            self.put(name, value);
        }
    }

    /// Adds members that are not there yet.
    pub fn fill(&mut self, members: impl IntoIterator<Item = (&'a String, &'a Value)>) {
        // A client's members are many, and those that stand here already are few.
        let here = self.0.len();
        for (name, value) in members {
            if !self.0[..here].iter().any(|(known, _)| known == name) {
                self.0.push((name.into(), value.into()));
            }
        }
    }

    /// Adds members; they take the place of those that are there already.
    pub fn extend(&mut self, members: impl IntoIterator<Item = (&'a String, &'a Value)>) {
        let here = self.0.len();
        for (name, value) in members {
            match self.0[..here].iter_mut().find(|(known, _)| known == name) {
                Some(known) => known.1 = value.into(),
                None => self.0.push((name.into(), value.into())),
            }
        }
    }

    pub fn get(&self, name: &str) -> Option<&Json<'a>> {
        let found = self.0.iter().find(|(known, _)| known == name);
        found.map(|(_, value)| value)
    }

    /// A member that is a text, to be changed.
    pub fn text_mut(&mut self, name: &str) -> Option<&mut Cow<'a, str>> {
        let found = self.0.iter_mut().find(|(known, _)| known == name);
        match found {
            Some((_, Json::Text(text))) => Some(text),
            _ => None,
        }
    }

    /// Takes a member out.
    pub fn take(&mut self, name: &str) -> Option<Json<'a>> {
        let at = self.0.iter().position(|(known, _)| known == name)?;
        Some(self.0.remove(at).1)
    }

    /// How many members there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub fn bytes(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(self.room());
        self.write(&mut out);
        out
    }

    pub fn write(&self, out: &mut Vec<u8>) {
        let members = self.0.iter();
        object(
            members.map(|(name, value)| (&**name, value)),
            Json::write,
            out,
        );
    }

    /// Writes the members alone, each with a comma before it.
    pub fn write_members(&self, out: &mut Vec<u8>) {
        out.reserve(self.room());
        for (name, value) in &self.0 {
            out.push(b',');
            literal::push(name, out);
            out.push(b':');
            value.write(out);
        }
    }

    /// Bytes that the object takes, about.
    fn room(&self) -> usize {
        let members = self.0.iter();
        let of_member = |(name, value): &(Cow<'_, str>, Json<'_>)| name.len() + value.room();
        members.map(of_member).sum::<usize>() + MARKS_BYTES
    }
}

/// The marks around a value, with some to spare.
const MARKS_BYTES: usize = 16;

impl Json<'_> {
    pub fn write(&self, out: &mut Vec<u8>) {
        match self {
            Json::Null => out.extend_from_slice(b"null"),
            Json::Flag(flag) => push_flag(*flag, out),
            Json::Count(count) => push_count(*count, out),
            Json::Number(number) => out.extend_from_slice(number.as_str().as_bytes()),
            Json::Text(text) => literal::push(text, out),
            Json::Given(value) => push_value(value, out),
            Json::Made(value) => push_value(value, out),
            Json::List(list) => self::list(list, Json::write, out),
            Json::Object(object) => object.write(out),
        }
    }

    fn room(&self) -> usize {
        match self {
            Json::Null | Json::Flag(_) | Json::Count(_) | Json::Number(_) => MARKS_BYTES,
            Json::Text(text) => text.len() + MARKS_BYTES,
            Json::Given(value) => room_of(value),
            Json::Made(value) => room_of(value),
            Json::List(list) => list.iter().map(Json::room).sum::<usize>() + MARKS_BYTES,
            Json::Object(object) => object.room(),
        }
    }
}

fn room_of(value: &Value) -> usize {
    match value {
        Value::Null | Value::Bool(_) | Value::Number(_) => MARKS_BYTES,
        Value::String(text) => text.len() + MARKS_BYTES,
        Value::Array(list) => list.iter().map(room_of).sum::<usize>() + MARKS_BYTES,
        Value::Object(members) => {
            let of_member = |(name, value): (&String, &Value)| name.len() + room_of(value);
            members.iter().map(of_member).sum::<usize>() + MARKS_BYTES
        }
    }
}

/// A value as JSON.
pub fn bytes_of(value: &Value) -> Vec<u8> {
    let mut out = Vec::with_capacity(room_of(value));
    push_value(value, &mut out);
    out
}

/// Writes a value, as `serde_json` does.
pub fn push_value(value: &Value, out: &mut Vec<u8>) {
    match value {
        Value::Null => out.extend_from_slice(b"null"),
        Value::Bool(flag) => push_flag(*flag, out),
        Value::Number(number) => out.extend_from_slice(number.as_str().as_bytes()),
        Value::String(text) => literal::push(text, out),
        Value::Array(list) => self::list(list, push_value, out),
        Value::Object(members) => {
            let members = members.iter();
            object(
                members.map(|(name, value)| (name.as_str(), value)),
                push_value,
                out,
            );
        }
    }
}

/// Writes a whole number.
pub fn push_count(count: u64, out: &mut Vec<u8>) {
    /// Digits of the largest.
    const DIGITS_MAX: usize = 20;
    let mut digits = [0; DIGITS_MAX];
    let mut at = DIGITS_MAX;
    let mut left = count;
    loop {
        at -= 1;
        digits[at] = b'0' + (left % 10) as u8;
        left /= 10;
        if left == 0 {
            break;
        }
    }
    out.extend_from_slice(&digits[at..]);
}

fn push_flag(flag: bool, out: &mut Vec<u8>) {
    out.extend_from_slice(if flag { b"true" } else { b"false" });
}

fn list<T>(list: &[T], write: impl Fn(&T, &mut Vec<u8>), out: &mut Vec<u8>) {
    out.push(b'[');
    for (at, value) in list.iter().enumerate() {
        if at > 0 {
            out.push(b',');
        }
        write(value, out);
    }
    out.push(b']');
}

fn object<'o, T: 'o>(
    members: impl Iterator<Item = (&'o str, &'o T)>,
    write: impl Fn(&T, &mut Vec<u8>),
    out: &mut Vec<u8>,
) {
    out.push(b'{');
    for (at, (name, value)) in members.enumerate() {
        if at > 0 {
            out.push(b',');
        }
        literal::push(name, out);
        out.push(b':');
        write(value, out);
    }
    out.push(b'}');
}

impl From<Object<'_>> for Value {
    fn from(object: Object<'_>) -> Self {
        let members = object.0.into_iter();
        let members = members.map(|(name, value)| (name.into_owned(), value.into()));
        Value::Object(members.collect())
    }
}

impl From<Json<'_>> for Value {
    fn from(json: Json<'_>) -> Self {
        match json {
            Json::Null => Value::Null,
            Json::Flag(flag) => flag.into(),
            Json::Count(count) => count.into(),
            Json::Number(number) => Value::Number(number.clone()),
            Json::Text(text) => Value::String(text.into_owned()),
            Json::Given(value) => value.clone(),
            Json::Made(value) => *value,
            Json::List(list) => list.into_iter().map(Value::from).collect(),
            Json::Object(object) => object.into(),
        }
    }
}

impl From<bool> for Json<'_> {
    fn from(flag: bool) -> Self {
        Json::Flag(flag)
    }
}

impl From<u64> for Json<'_> {
    fn from(count: u64) -> Self {
        Json::Count(count)
    }
}

impl<'a> From<&'a Number> for Json<'a> {
    fn from(number: &'a Number) -> Self {
        Json::Number(number)
    }
}

impl<'a> From<&'a str> for Json<'a> {
    fn from(text: &'a str) -> Self {
        Json::Text(text.into())
    }
}

impl<'a> From<&'a String> for Json<'a> {
    fn from(text: &'a String) -> Self {
        Json::Text(text.into())
    }
}

impl From<String> for Json<'_> {
    fn from(text: String) -> Self {
        Json::Text(text.into())
    }
}

impl<'a> From<Cow<'a, str>> for Json<'a> {
    fn from(text: Cow<'a, str>) -> Self {
        Json::Text(text)
    }
}

impl<'a> From<&'a Value> for Json<'a> {
    fn from(value: &'a Value) -> Self {
        Json::Given(value)
    }
}

impl From<Value> for Json<'_> {
    fn from(value: Value) -> Self {
        Json::Made(Box::new(value))
    }
}

impl<'a, T: Into<Json<'a>>> From<Option<T>> for Json<'a> {
    /// `null` where there is nothing.
    fn from(value: Option<T>) -> Self {
        value.map_or(Json::Null, T::into)
    }
}

impl<'a> From<Object<'a>> for Json<'a> {
    fn from(object: Object<'a>) -> Self {
        Json::Object(object)
    }
}

impl<'a> From<Vec<Json<'a>>> for Json<'a> {
    fn from(list: Vec<Json<'a>>) -> Self {
        Json::List(list)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_member_that_is_set_again_keeps_its_place() {
        let given = r#"{"b":[1.50,-2,1e+400],"c":{"d":null},"t":"\u0001\"é"}"#;
        let given: serde_json::Map<String, Value> = serde_json::from_str(given).unwrap();
        let mut object = Object::typed("x")
            .with("b", true)
            .with("n", 0)
            .with("m", u64::MAX);
        object.put("n", 12);
        object.fill(&given);
        let filled = r#"{"type":"x","b":true,"n":12,"m":18446744073709551615,"c":{"d":null},"t":"\u0001\"é"}"#;
        assert_eq!(String::from_utf8(object.bytes()).unwrap(), filled);
        object.extend(&given);
        let extended = filled.replace("true", "[1.50,-2,1e+400]");
        assert_eq!(String::from_utf8(object.bytes()).unwrap(), extended);
    }

    fn value() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            any::<f64>().prop_map(Value::from),
            ".{0,40}".prop_map(Value::from),
        ];
        leaf.prop_recursive(4, 32, 6, |inner| {
            let members = prop::collection::vec((".{0,6}", inner.clone()), 0..6);
            prop_oneof![
                prop::collection::vec(inner, 0..6).prop_map(Value::from),
                members.prop_map(|members| Value::Object(members.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn values_are_written_as_serde_json_writes_them(value in value()) {
            let mut out = Vec::new();
            push_value(&value, &mut out);
            prop_assert_eq!(String::from_utf8(out).unwrap(), value.to_string());
        }
    }
}
