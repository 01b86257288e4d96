//! The functions that expressions may call: a table of names, what they take and what they give. What is not in it is refused at
//! load, whatever the evaluator knows. It must not know how calls are evaluated.

use super::types::Type;

/// What an argument has to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Shape {
    Any,
    Whole,
    Text,
    Time,
    Span,
    Optional,
    /// Text, bytes, a list or a map.
    Sized,
    /// What becomes a number: a number, text, a time.
    Numeric,
    /// What becomes text: anything but collections.
    Scalar,
    /// What becomes a time: text or seconds since 1970.
    Timely,
    /// What becomes a length of time.
    Spanning,
    /// A network, or a list of them.
    Networks,
}

impl Shape {
    pub(super) fn accepts(self, given: &Type) -> bool {
        if *given == Type::Any {
            return true;
        }
        match self {
            Shape::Any => true,
            Shape::Whole => *given == Type::Whole,
            Shape::Text => *given == Type::Text,
            Shape::Time => *given == Type::Time,
            Shape::Span => *given == Type::Span,
            Shape::Optional => *given == Type::Optional,
            Shape::Sized => matches!(
                given,
                Type::Text | Type::Bytes | Type::List(_) | Type::Map(_)
            ),
            Shape::Numeric => given.is_number() || matches!(given, Type::Text | Type::Time),
            Shape::Scalar => !matches!(
                given,
                Type::List(_) | Type::Map(_) | Type::Null | Type::Optional | Type::Class
            ),
            Shape::Timely => matches!(given, Type::Text | Type::Whole | Type::Time),
            Shape::Spanning => matches!(given, Type::Text | Type::Span),
            Shape::Networks => match given {
                Type::List(items) => items.may_equal(&Type::Text),
                other => *other == Type::Text,
            },
        }
    }

    pub(super) fn name(self) -> &'static str {
        match self {
            Shape::Any => "any value",
            Shape::Whole => "int",
            Shape::Text => "string",
            Shape::Time => "timestamp",
            Shape::Span => "duration",
            Shape::Optional => "optional",
            Shape::Sized => "string, list or map",
            Shape::Numeric => "number or string",
            Shape::Scalar => "string, number, bool or timestamp",
            Shape::Timely => "string such as \"2027-01-31T12:00:00Z\"",
            Shape::Spanning => "string such as \"90s\"",
            Shape::Networks => "string such as \"10.0.0.0/8\", or a list of them",
        }
    }
}

/// One way to call a function.
pub(super) struct Function {
    pub name: &'static str,
    /// What stands before the dot; `None` where nothing does.
    pub on: Option<Shape>,
    pub takes: &'static [Shape],
    pub gives: fn() -> Type,
}

const fn on(
    on: Shape,
    name: &'static str,
    takes: &'static [Shape],
    gives: fn() -> Type,
) -> Function {
    let on = Some(on);
    Function {
        name,
        on,
        takes,
        gives,
    }
}

const fn plain(name: &'static str, takes: &'static [Shape], gives: fn() -> Type) -> Function {
    let on = None;
    Function {
        name,
        on,
        takes,
        gives,
    }
}

fn any() -> Type {
    Type::Any
}
fn flag() -> Type {
    Type::Flag
}
fn whole() -> Type {
    Type::Whole
}
fn text() -> Type {
    Type::Text
}
fn texts() -> Type {
    Type::List(Box::new(Type::Text))
}

pub(super) static FUNCTIONS: &[Function] = &[
    plain("size", &[Shape::Sized], whole),
    on(Shape::Sized, "size", &[], whole),
    on(Shape::Text, "contains", &[Shape::Text], flag),
    on(Shape::Text, "startsWith", &[Shape::Text], flag),
    on(Shape::Text, "endsWith", &[Shape::Text], flag),
    on(Shape::Text, "matches", &[Shape::Text], flag),
    plain("matches", &[Shape::Text, Shape::Text], flag),
    on(Shape::Text, "inCidr", &[Shape::Networks], flag),
    plain("inCidr", &[Shape::Text, Shape::Networks], flag),
    on(Shape::Text, "lowerAscii", &[], text),
    on(Shape::Text, "upperAscii", &[], text),
    on(Shape::Text, "trim", &[], text),
    on(Shape::Text, "substring", &[Shape::Whole], text),
    on(
        Shape::Text,
        "substring",
        &[Shape::Whole, Shape::Whole],
        text,
    ),
    on(Shape::Text, "indexOf", &[Shape::Text], whole),
    on(Shape::Text, "lastIndexOf", &[Shape::Text], whole),
    on(Shape::Text, "split", &[Shape::Text], texts),
    on(Shape::Text, "split", &[Shape::Text, Shape::Whole], texts),
    plain("string", &[Shape::Scalar], text),
    plain("int", &[Shape::Numeric], whole),
    plain("uint", &[Shape::Numeric], || Type::Unsigned),
    plain("double", &[Shape::Numeric], || Type::Decimal),
    plain("timestamp", &[Shape::Timely], || Type::Time),
    plain("duration", &[Shape::Spanning], || Type::Span),
    plain("type", &[Shape::Any], || Type::Class),
    plain("dyn", &[Shape::Any], any),
    on(Shape::Time, "getFullYear", &[], whole),
    on(Shape::Time, "getFullYear", &[Shape::Text], whole),
    on(Shape::Time, "getMonth", &[], whole),
    on(Shape::Time, "getMonth", &[Shape::Text], whole),
    on(Shape::Time, "getDate", &[], whole),
    on(Shape::Time, "getDate", &[Shape::Text], whole),
    on(Shape::Time, "getDayOfMonth", &[], whole),
    on(Shape::Time, "getDayOfMonth", &[Shape::Text], whole),
    on(Shape::Time, "getDayOfYear", &[], whole),
    on(Shape::Time, "getDayOfYear", &[Shape::Text], whole),
    on(Shape::Time, "getDayOfWeek", &[], whole),
    on(Shape::Time, "getDayOfWeek", &[Shape::Text], whole),
    on(Shape::Time, "getHours", &[], whole),
    on(Shape::Time, "getHours", &[Shape::Text], whole),
    on(Shape::Time, "getMinutes", &[], whole),
    on(Shape::Time, "getMinutes", &[Shape::Text], whole),
    on(Shape::Time, "getSeconds", &[], whole),
    on(Shape::Time, "getSeconds", &[Shape::Text], whole),
    on(Shape::Time, "getMilliseconds", &[], whole),
    on(Shape::Time, "getMilliseconds", &[Shape::Text], whole),
    on(Shape::Span, "getHours", &[], whole),
    on(Shape::Span, "getMinutes", &[], whole),
    on(Shape::Span, "getSeconds", &[], whole),
    on(Shape::Span, "getMilliseconds", &[], whole),
    on(Shape::Optional, "hasValue", &[], flag),
    on(Shape::Optional, "value", &[], any),
    on(Shape::Optional, "orValue", &[Shape::Any], any),
    on(Shape::Optional, "or", &[Shape::Optional], || Type::Optional),
];

/// Names of types, which `type(x)` can be compared with.
pub(super) const TYPE_NAMES: [&str; 9] = [
    "int",
    "uint",
    "double",
    "string",
    "bool",
    "bytes",
    "list",
    "map",
    "null_type",
];
