//! JSON, and texts by name, as values of expressions: looked into where an expression looks, and copied nowhere.
//! It must not know whose JSON it is.

use std::borrow::Cow;
use std::fmt;
use std::sync::{Arc, OnceLock};

use cel::ExecutionError;
use cel::common::traits::{self, Container, Indexer, Iterable, Sizer};
use cel::common::types::{
    CelBool, CelDouble, CelInt, CelNull, CelString, CelUInt, Kind, LIST_TYPE, MAP_TYPE, Type,
};
use cel::common::value::{CowVal, Val};
use serde_json::{Map, Number, Value};

use super::facts::{Named, ignores_case, is_credential};
use super::field::Field;

/// A JSON value as the evaluator wants it.
pub(super) fn value(json: &Value) -> Box<dyn Val + '_> {
    match json {
        Value::Null => Box::new(CelNull),
        Value::Bool(flag) => Box::new(CelBool::from(*flag)),
        Value::Number(number) => self::number(number),
        Value::String(text) => Box::new(CelString::from(text.as_str())),
        Value::Array(items) => Box::new(List::of(items)),
        Value::Object(members) => Box::new(Object::of(members)),
    }
}

fn number(number: &Number) -> Box<dyn Val> {
    match (number.as_i64(), number.as_u64()) {
        (Some(whole), _) => Box::new(CelInt::from(whole)),
        (None, Some(unsigned)) => Box::new(CelUInt::from(unsigned)),
        (None, None) => Box::new(CelDouble::from(number.as_f64().unwrap_or(f64::NAN))),
    }
}

/// An array. Its items become values all at once when a loop runs over them, else one by one.
pub(super) struct List<'a> {
    items: &'a [Value],
    values: OnceLock<Vec<Box<dyn Val + 'a>>>,
}

impl<'a> List<'a> {
    fn of(items: &'a [Value]) -> List<'a> {
        let values = OnceLock::new();
        List { items, values }
    }

    fn values(&self) -> &[Box<dyn Val + 'a>] {
        self.values
            .get_or_init(|| self.items.iter().map(value).collect())
    }
}

/// An object.
pub(super) struct Object<'a> {
    members: &'a Map<String, Value>,
    names: OnceLock<Vec<CelString<'a>>>,
}

impl<'a> Object<'a> {
    fn of(members: &'a Map<String, Value>) -> Object<'a> {
        let names = OnceLock::new();
        Object { members, names }
    }

    fn names(&self) -> &[CelString<'a>] {
        let names = || {
            self.members
                .keys()
                .map(|name| CelString::from(name.as_str()))
        };
        self.names.get_or_init(|| names().collect())
    }
}

/// Headers, tags, parameters: without those that hold credentials.
pub(super) struct Names<'a> {
    field: Field,
    named: &'a dyn Named,
    names: OnceLock<Vec<CelString<'a>>>,
}

impl<'a> Names<'a> {
    pub(super) fn of(field: Field, named: &'a dyn Named) -> Names<'a> {
        let names = OnceLock::new();
        Names {
            field,
            named,
            names,
        }
    }

    fn find(&self, name: &str) -> Option<Cow<'a, str>> {
        if is_credential(self.field, name) {
            return None;
        }
        match ignores_case(self.field) && name.bytes().any(|byte| byte.is_ascii_uppercase()) {
            true => self.named.value(&name.to_ascii_lowercase()),
            false => self.named.value(name),
        }
    }

    fn names(&self) -> &[CelString<'a>] {
        self.names.get_or_init(|| {
            let names = self.named.names().into_iter();
            let shown = names.filter(|name| !is_credential(self.field, name));
            shown.map(CelString::from).collect()
        })
    }
}

fn no_such_key(name: &str) -> ExecutionError {
    ExecutionError::NoSuchKey(Arc::new(name.to_owned()))
}

fn name_of(key: &dyn Val) -> Result<&str, ExecutionError> {
    let name = key.downcast_ref::<CelString>().map(CelString::inner);
    name.ok_or_else(|| ExecutionError::UnexpectedType {
        got: key.get_type().name().to_owned(),
        want: "the name of a member".to_owned(),
    })
}

impl Indexer for Object<'_> {
    fn get<'b, 'w>(&'b self, key: &dyn Val) -> Result<CowVal<'b, 'w>, ExecutionError>
    where
        Self: 'w,
    {
        let name = name_of(key)?;
        let member = self.members.get(name).ok_or_else(|| no_such_key(name))?;
        Ok(CowVal::Owned(value(member)))
    }

    fn steal<'w>(self: Box<Self>, key: &dyn Val) -> Result<Box<dyn Val + 'w>, ExecutionError>
    where
        Self: 'w,
    {
        let name = name_of(key)?;
        let member = self.members.get(name).ok_or_else(|| no_such_key(name))?;
        Ok(value(member))
    }
}

impl Indexer for Names<'_> {
    fn get<'b, 'w>(&'b self, key: &dyn Val) -> Result<CowVal<'b, 'w>, ExecutionError>
    where
        Self: 'w,
    {
        let name = name_of(key)?;
        let text = self.find(name).ok_or_else(|| no_such_key(name))?;
        Ok(CowVal::owned(CelString::from(text)))
    }

    fn steal<'w>(self: Box<Self>, key: &dyn Val) -> Result<Box<dyn Val + 'w>, ExecutionError>
    where
        Self: 'w,
    {
        let name = name_of(key)?;
        let text = self.find(name).ok_or_else(|| no_such_key(name))?;
        Ok(Box::new(CelString::from(text)))
    }
}

impl<'a> List<'a> {
    fn item(&self, place: &dyn Val) -> Result<&'a Value, ExecutionError> {
        let whole = place.downcast_ref::<CelInt>().map(|place| *place.inner());
        let whole = whole.ok_or_else(|| ExecutionError::UnexpectedType {
            got: place.get_type().name().to_owned(),
            want: "the place of an item".to_owned(),
        })?;
        let item = usize::try_from(whole)
            .ok()
            .and_then(|place| self.items.get(place));
        item.ok_or_else(|| ExecutionError::IndexOutOfBounds(whole.into()))
    }
}

impl Indexer for List<'_> {
    fn get<'b, 'w>(&'b self, place: &dyn Val) -> Result<CowVal<'b, 'w>, ExecutionError>
    where
        Self: 'w,
    {
        Ok(CowVal::Owned(value(self.item(place)?)))
    }

    fn steal<'w>(self: Box<Self>, place: &dyn Val) -> Result<Box<dyn Val + 'w>, ExecutionError>
    where
        Self: 'w,
    {
        Ok(value(self.item(place)?))
    }
}

impl Container for List<'_> {
    fn contains(&self, sought: &dyn Val) -> Result<bool, ExecutionError> {
        Ok(self.items.iter().any(|item| value(item).equals(sought)))
    }
}

impl Container for Object<'_> {
    fn contains(&self, key: &dyn Val) -> Result<bool, ExecutionError> {
        Ok(self.members.contains_key(name_of(key)?))
    }
}

impl Container for Names<'_> {
    fn contains(&self, key: &dyn Val) -> Result<bool, ExecutionError> {
        Ok(self.find(name_of(key)?).is_some())
    }
}

impl Sizer for List<'_> {
    fn size(&self) -> CelInt {
        length(self.items.len())
    }
}

impl Sizer for Object<'_> {
    fn size(&self) -> CelInt {
        length(self.members.len())
    }
}

impl Sizer for Names<'_> {
    fn size(&self) -> CelInt {
        length(self.names().len())
    }
}

fn length(length: usize) -> CelInt {
    CelInt::from(i64::try_from(length).unwrap_or(i64::MAX))
}

/// What a loop runs over: items that are values already.
struct Lent<'b, T>(std::slice::Iter<'b, T>);

impl<'b, 'a: 'w, 'w> traits::Iterator<'b, 'w> for Lent<'b, Box<dyn Val + 'a>> {
    fn next(&mut self) -> Option<&'b (dyn Val + 'w)> {
        self.0
            .next()
            .map(|item| item.as_ref() as &'b (dyn Val + 'w))
    }
}

impl<'b, 'a: 'w, 'w> traits::Iterator<'b, 'w> for Lent<'b, CelString<'a>> {
    fn next(&mut self) -> Option<&'b (dyn Val + 'w)> {
        self.0.next().map(|name| name as &'b (dyn Val + 'w))
    }
}

/// Of lists: an item in the other's place equals each.
fn list_equals(list: &List<'_>, other: &dyn Val) -> bool {
    if other.get_type().kind() != Kind::List || size_of(other) != Some(*list.size().inner()) {
        return false;
    }
    let Some(others) = other.as_iterable() else {
        return false;
    };
    let mut others = others.iter();
    let mut items = list.items.iter();
    items.all(|item| others.next().is_some_and(|other| value(item).equals(other)))
}

/// Of mappings: the other has the same for each name, and no more.
fn map_equals<'a>(
    names: &[CelString<'a>],
    get: impl Fn(&str) -> Option<Box<dyn Val + 'a>>,
    other: &dyn Val,
) -> bool {
    let same_size = i64::try_from(names.len()).ok() == size_of(other);
    let (Some(others), true, true) = (
        other.as_indexer(),
        same_size,
        other.get_type().kind() == Kind::Map,
    ) else {
        return false;
    };
    names
        .iter()
        .all(|name| match (get(name.inner()), others.get(name)) {
            (Some(own), Ok(other)) => own.equals(other.as_ref()),
            _ => false,
        })
}

fn size_of(value: &dyn Val) -> Option<i64> {
    value.as_sizer().map(|sizer| *sizer.size().inner())
}

macro_rules! collection {
    ($name:ident, $type:ident, $all:ident, |$one:ident, $other:ident| $equals:expr, |$copied:ident| $copy:expr) => {
        impl Iterable for $name<'_> {
            fn iter<'b, 'w>(&'b self) -> Box<dyn traits::Iterator<'b, 'w> + 'b>
            where
                Self: 'w,
            {
                Box::new(Lent(self.$all().iter()))
            }
        }

        impl Val for $name<'_> {
            fn get_type(&self) -> &Type {
                <Self as Val>::cel_type()
            }
            fn cel_type() -> &'static Type {
                static TYPE: Type = $type;
                &TYPE
            }
            fn as_container(&self) -> Option<&dyn Container> {
                Some(self)
            }
            fn as_indexer<'b, 'w>(&'b self) -> Option<&'b (dyn Indexer + 'w)>
            where
                Self: 'w,
            {
                Some(self)
            }
            fn as_iterable<'b, 'w>(&'b self) -> Option<&'b (dyn Iterable + 'w)>
            where
                Self: 'w,
            {
                Some(self)
            }
            fn as_sizer(&self) -> Option<&dyn Sizer> {
                Some(self)
            }
            fn equals(&self, $other: &dyn Val) -> bool {
                let $one = self;
                $equals
            }
            fn clone_as_boxed<'w>(&self) -> Box<dyn Val + 'w>
            where
                Self: 'w,
            {
                let $copied = self;
                Box::new($copy)
            }
        }

        /// Never what it holds: errors print values.
        impl fmt::Debug for $name<'_> {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(stringify!($name))
            }
        }
    };
}

collection!(
    List,
    LIST_TYPE,
    values,
    |one, other| list_equals(one, other),
    |one| List::of(one.items)
);
collection!(
    Object,
    MAP_TYPE,
    names,
    |one, other| map_equals(one.names(), |name| one.members.get(name).map(value), other),
    |one| Object::of(one.members)
);
collection!(
    Names,
    MAP_TYPE,
    names,
    |one, other| map_equals(
        one.names(),
        |name| one
            .find(name)
            .map(|text| Box::new(CelString::from(text)) as Box<dyn Val + '_>),
        other
    ),
    |one| Names::of(one.field, one.named)
);
