//! What operators take and give. It must not know where the operands come from.

use cel::common::ast::operators;

use crate::expr::error::operator_name;
use crate::expr::types::Type;

/// An operand that does not fit: which, and the sentence about it.
pub(super) struct Misfit {
    pub operand: usize,
    pub message: String,
}

/// The type of what an operator gives; `None` where `operator` is none.
pub(super) fn result(operator: &str, operands: &[Type]) -> Option<Result<Type, Misfit>> {
    Some(match (operator, operands) {
        (operators::LOGICAL_AND | operators::LOGICAL_OR, operands) => flags(operator, operands),
        (operators::LOGICAL_NOT | operators::NOT_STRICTLY_FALSE, operands) => {
            flags(operators::LOGICAL_NOT, operands)
        }
        (operators::CONDITIONAL, [condition, yes, no]) => {
            flags(operator, std::slice::from_ref(condition)).map(|_| yes.clone().or(no.clone()))
        }
        (operators::EQUALS | operators::NOT_EQUALS, [a, b]) => equality(operator, a, b),
        (
            operators::LESS
            | operators::LESS_EQUALS
            | operators::GREATER
            | operators::GREATER_EQUALS,
            [a, b],
        ) => order(operator, a, b),
        (operators::ADD, [a, b]) => sum(a, b),
        (operators::SUBSTRACT, [a, b]) => difference(a, b),
        (operators::MULTIPLY | operators::DIVIDE, [a, b]) => numbers(operator, a, b),
        (operators::MODULO, [a, b]) => match numbers(operator, a, b) {
            Ok(Type::Decimal) => Err(unusable(operator, a, b)),
            other => other,
        },
        (operators::NEGATE, [a]) => match a {
            Type::Whole | Type::Decimal | Type::Any => Ok(a.clone()),
            other => Err(misfit(
                0,
                format!("`-` is for numbers, and this is {}", other.name()),
            )),
        },
        (operators::IN, [item, list]) => membership(item, list),
        (operators::INDEX, [list, place]) => index(list, place),
        (operators::OPT_INDEX | operators::OPT_SELECT, [list, place]) => {
            index(list, place).map(|_| Type::Optional)
        }
        _ => return None,
    })
}

fn misfit(operand: usize, message: String) -> Misfit {
    Misfit { operand, message }
}

fn unusable(operator: &str, a: &Type, b: &Type) -> Misfit {
    let (name, a, b) = (operator_name(operator), a.name(), b.name());
    misfit(1, format!("`{name}` cannot be used on {a} and {b}"))
}

fn flags(operator: &str, operands: &[Type]) -> Result<Type, Misfit> {
    let wrong = |operand: &Type| !matches!(operand, Type::Flag | Type::Any);
    match operands.iter().position(wrong) {
        None => Ok(Type::Flag),
        Some(place) => {
            let (name, given) = (operator_name(operator), operands[place].name());
            let message =
                format!("`{name}` is for bool, and this is {given}; compare it with something");
            Err(misfit(place, message))
        }
    }
}

fn equality(operator: &str, a: &Type, b: &Type) -> Result<Type, Misfit> {
    match a.may_equal(b) {
        true => Ok(Type::Flag),
        false => {
            let (name, a, b) = (operator_name(operator), a.name(), b.name());
            Err(misfit(
                1,
                format!("`{name}` compares {a} with {b}, which are never equal"),
            ))
        }
    }
}

fn order(operator: &str, a: &Type, b: &Type) -> Result<Type, Misfit> {
    let has_order = |given: &Type| {
        given.is_number()
            || matches!(
                given,
                Type::Any | Type::Text | Type::Bytes | Type::Time | Type::Span | Type::Flag
            )
    };
    match has_order(a) && has_order(b) && a.may_equal(b) {
        true => Ok(Type::Flag),
        false => Err(unusable(operator, a, b)),
    }
}

/// Both of one kind: CEL does not mix them.
fn numbers(operator: &str, a: &Type, b: &Type) -> Result<Type, Misfit> {
    match (a, b) {
        (Type::Any, other) | (other, Type::Any) if other.is_number() || *other == Type::Any => {
            Ok(other.clone())
        }
        (a, b) if a == b && a.is_number() => Ok(a.clone()),
        (a, b) if a.is_number() && b.is_number() => {
            let (name, a, b) = (operator_name(operator), a.name(), b.name());
            let way_out = "write `double(…)` around the int, or `2.0` for `2`";
            Err(misfit(
                1,
                format!("`{name}` cannot be used on {a} and {b}; {way_out}"),
            ))
        }
        (a, b) => Err(unusable(operator, a, b)),
    }
}

fn sum(a: &Type, b: &Type) -> Result<Type, Misfit> {
    match (a, b) {
        (Type::Text, Type::Text) => Ok(Type::Text),
        (Type::Bytes, Type::Bytes) => Ok(Type::Bytes),
        (Type::List(a), Type::List(b)) => {
            Ok(Type::List(Box::new(a.as_ref().clone().or(*b.clone()))))
        }
        (Type::Time, Type::Span) | (Type::Span, Type::Time) => Ok(Type::Time),
        (Type::Span, Type::Span) => Ok(Type::Span),
        (Type::List(_), Type::Any) => Ok(Type::list_of_any()),
        (Type::Any, Type::Text | Type::Bytes | Type::List(_) | Type::Time | Type::Span)
        | (Type::Text | Type::Bytes | Type::Time | Type::Span, Type::Any) => Ok(Type::Any),
        (Type::Text, other) | (other, Type::Text) if other.is_number() => {
            let message = format!(
                "`+` cannot be used on string and {}; write `string(…)` around it",
                other.name()
            );
            Err(misfit(1, message))
        }
        (a, b) => numbers(operators::ADD, a, b),
    }
}

fn difference(a: &Type, b: &Type) -> Result<Type, Misfit> {
    match (a, b) {
        (Type::Time, Type::Time) | (Type::Span, Type::Span) => Ok(Type::Span),
        (Type::Time, Type::Span) => Ok(Type::Time),
        (Type::Any, Type::Time | Type::Span) | (Type::Time | Type::Span, Type::Any) => {
            Ok(Type::Any)
        }
        (a, b) => numbers(operators::SUBSTRACT, a, b),
    }
}

fn membership(item: &Type, list: &Type) -> Result<Type, Misfit> {
    let (holds, holder) = match list {
        Type::Any => return Ok(Type::Flag),
        Type::List(items) => (items.as_ref().clone(), "list"),
        Type::Map(_) => (Type::Text, "map"),
        other => {
            let message = format!(
                "`in` looks into a list or a map, and this is {}",
                other.name()
            );
            return Err(misfit(1, message));
        }
    };
    match item.may_equal(&holds) {
        true => Ok(Type::Flag),
        false => {
            let (item, holds) = (item.name(), holds.name());
            Err(misfit(
                0,
                format!("{item} is never in this {holder} of {holds}"),
            ))
        }
    }
}

fn index(list: &Type, place: &Type) -> Result<Type, Misfit> {
    match (list, place) {
        (Type::Any | Type::Optional, _) => Ok(Type::Any),
        (Type::List(items), Type::Any | Type::Whole | Type::Unsigned | Type::Decimal) => {
            Ok(*items.clone())
        }
        (Type::Map(values), Type::Any | Type::Text) => Ok(*values.clone()),
        (Type::List(_), other) => {
            let message = format!(
                "items of a list are counted from 0, and this is {}",
                other.name()
            );
            Err(misfit(1, message))
        }
        (Type::Map(_), other) => {
            let message = format!("members have names in quotes, and this is {}", other.name());
            Err(misfit(1, message))
        }
        (other, _) => Err(misfit(0, format!("{} has no members", other.name()))),
    }
}
