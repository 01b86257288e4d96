//! What is wrong with an expression, at load and when it is evaluated.

use std::fmt;

use cel::ExecutionError;

/// Longest piece of a name or type that a message shows, in characters.
const SHOWN_CHARS_MAX: usize = 60;

/// Why a text is no expression of its kind and scope.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CompileError {
    /// What is wrong, and the way out. Lowercase, no full stop.
    pub message: String,
    /// Where in the text, in bytes.
    pub offset: usize,
    /// From 1.
    pub line: usize,
    /// In characters, from 1.
    pub column: usize,
}

impl CompileError {
    /// At a byte of the text; beyond its end means the end.
    pub(super) fn at(text: &str, offset: usize, message: impl Into<String>) -> CompileError {
        let mut offset = offset.min(text.len());
        while !text.is_char_boundary(offset) {
            offset -= 1;
        }
        let before = &text[..offset];
        let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
        CompileError {
            message: message.into(),
            offset,
            line: before.matches('\n').count() + 1,
            column: before[line_start..].chars().count() + 1,
        }
    }
}

impl std::error::Error for CompileError {}

/// `at column 5: …`, or `at line 2, column 5: …` where the text has more than the first line.
impl fmt::Display for CompileError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            1 => write!(f, "at column {}: {}", self.column, self.message),
            line => write!(
                f,
                "at line {line}, column {}: {}",
                self.column, self.message
            ),
        }
    }
}

/// Why an expression has no value for one exchange. What to do then is the caller's to decide. The text names what was asked for,
/// and never holds the values.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EvalError {
    pub message: String,
}

impl EvalError {
    pub(super) fn new(message: impl Into<String>) -> EvalError {
        EvalError {
            message: message.into(),
        }
    }
}

impl std::error::Error for EvalError {}

impl fmt::Display for EvalError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

/// The evaluator's own errors print values, which may be what a user has said: they are told anew here.
impl From<ExecutionError> for EvalError {
    fn from(error: ExecutionError) -> EvalError {
        EvalError::new(match error {
            ExecutionError::NoSuchKey(name) => format!("there is no `{}`", shown(&name)),
            ExecutionError::NoSuchOverload(overload) => {
                let types = overload.argument_types().join(" and ");
                let function = operator_name(overload.function());
                format!("`{function}` cannot be used on {}", shown(&types))
            }
            ExecutionError::UnsupportedBinaryOperator(operator, _, _) => {
                format!("`{operator}` cannot be used on these two")
            }
            ExecutionError::UnexpectedType { got, want } => {
                format!("{} stands where {} is wanted", shown(&got), shown(&want))
            }
            ExecutionError::IndexOutOfBounds(_) => "the list has no such item".to_owned(),
            ExecutionError::DivisionByZero(_) | ExecutionError::RemainderByZero(_) => {
                "division by zero".to_owned()
            }
            ExecutionError::Overflow(..) => "a number is too large".to_owned(),
            ExecutionError::FunctionError { function, message } => {
                format!("`{}`: {}", shown(&function), shown(&message))
            }
            ExecutionError::UndeclaredReference(name) => {
                format!("there is no variable or function `{}`", shown(&name))
            }
            _ => "cannot be evaluated".to_owned(),
        })
    }
}

/// `_+_` → `+`.
pub(super) fn operator_name(function: &str) -> &str {
    match function {
        "_[_]" | "_[?_]" => "[…]",
        "_._" | "_?._" => ".",
        "@in" => "in",
        "_?_:_" => "? :",
        other => other.trim_matches('_'),
    }
}

/// A name as messages show it: one line, and not long.
pub(super) fn shown(name: &str) -> String {
    let printable = |character: char| {
        if character.is_control() {
            ' '
        } else {
            character
        }
    };
    let mut text: String = name.chars().take(SHOWN_CHARS_MAX).map(printable).collect();
    if name.chars().nth(SHOWN_CHARS_MAX).is_some() {
        text.push('…');
    }
    text
}

/// `; did you mean …?` for the nearest of `known`, or nothing where none is near.
pub(super) fn suggestion<'k>(written: &str, known: impl IntoIterator<Item = &'k str>) -> String {
    let tolerance = (written.chars().count() / 3).max(1);
    let nearest = known
        .into_iter()
        .map(|name| (strsim::damerau_levenshtein(written, name), name))
        .filter(|(distance, _)| *distance <= tolerance)
        .min_by_key(|(distance, _)| *distance);
    nearest.map_or(String::new(), |(_, name)| {
        format!("; did you mean `{name}`?")
    })
}
