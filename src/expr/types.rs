//! The types of values as far as they are known before evaluation. It must not know which expressions have them.

/// What is known of a value's type. `Any` is known only when it is there: what comes from JSON.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Type {
    Any,
    Flag,
    Whole,
    /// `1u`: whole numbers that are never below zero.
    Unsigned,
    Decimal,
    Text,
    Bytes,
    Time,
    Span,
    Null,
    List(Box<Type>),
    /// From text to values of that type.
    Map(Box<Type>),
    /// What `a.?b` gives.
    Optional,
    /// What `type(x)` gives.
    Class,
}

impl Type {
    /// From text to text: headers, tags.
    pub(super) fn texts() -> Type {
        Type::Map(Box::new(Type::Text))
    }

    pub(super) fn list_of_any() -> Type {
        Type::List(Box::new(Type::Any))
    }

    /// For messages and documents: the noun alone.
    pub(super) fn name(&self) -> String {
        match self {
            Type::Any => "any JSON".to_owned(),
            Type::Flag => "bool".to_owned(),
            Type::Whole => "int".to_owned(),
            Type::Unsigned => "uint".to_owned(),
            Type::Decimal => "double".to_owned(),
            Type::Text => "string".to_owned(),
            Type::Bytes => "bytes".to_owned(),
            Type::Time => "timestamp".to_owned(),
            Type::Span => "duration".to_owned(),
            Type::Null => "null".to_owned(),
            Type::List(items) if **items == Type::Any => "list".to_owned(),
            Type::List(items) => format!("list of {}", items.name()),
            Type::Map(values) if **values == Type::Any => "map".to_owned(),
            Type::Map(values) => format!("map to {}", values.name()),
            Type::Optional => "optional".to_owned(),
            Type::Class => "type".to_owned(),
        }
    }

    pub(super) fn is_number(&self) -> bool {
        matches!(self, Type::Whole | Type::Unsigned | Type::Decimal)
    }

    /// Whether values of the two could be equal.
    pub(super) fn may_equal(&self, other: &Type) -> bool {
        match (self, other) {
            (Type::Any | Type::Optional, _) | (_, Type::Any | Type::Optional) => true,
            (Type::List(a), Type::List(b)) | (Type::Map(a), Type::Map(b)) => a.may_equal(b),
            (a, b) => a == b || (a.is_number() && b.is_number()),
        }
    }

    /// What is known of a value that has one type or the other.
    pub(super) fn or(self, other: Type) -> Type {
        match (self, other) {
            (a, b) if a == b => a,
            (Type::List(a), Type::List(b)) => Type::List(Box::new(a.or(*b))),
            (Type::Map(a), Type::Map(b)) => Type::Map(Box::new(a.or(*b))),
            _ => Type::Any,
        }
    }
}
