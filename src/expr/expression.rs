//! An expression: compiled once, evaluated for many exchanges.

use std::collections::BTreeSet;

use cel::common::ast::IdedExpr;
use cel::{Context, ParseErrors, Value as CelValue};
use serde_json::Value;

use super::bounds::{DEPTH_MAX, ROUNDS_MAX, check_text};
use super::check::{Check, Checked};
use super::error::{CompileError, EvalError, shown};
use super::facts::Facts;
use super::field::{Field, OutcomeField, RequestField, Scope};
use super::slot::{Answers, Slot};
use super::types::Type;
use super::{answer, environment};

/// What an expression is to give.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// True or false: `when`, `authorize`, `route`.
    Condition,
    /// Text, or what is written as text: `tags`.
    Text,
    /// Anything that JSON can say: fields of the log.
    Value,
}

/// A checked expression. It may be shared by threads.
#[derive(Debug)]
pub struct Expression {
    text: String,
    kind: Kind,
    tree: IdedExpr,
    slots: Vec<Slot>,
    references: References,
}

/// What an expression, or several, want to know.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct References {
    fields: BTreeSet<Field>,
}

impl References {
    /// In a fixed order.
    pub fn fields(&self) -> impl Iterator<Item = Field> + '_ {
        self.fields.iter().copied()
    }

    pub fn contains(&self, field: Field) -> bool {
        self.fields.contains(&field)
    }

    /// Whether the request's body has to be parsed.
    pub fn needs_body(&self) -> bool {
        self.contains(Field::Request(RequestField::Body))
    }

    /// Whether the request's headers have to be there.
    pub fn needs_headers(&self) -> bool {
        self.contains(Field::Request(RequestField::Headers))
    }

    /// Whether the answer's headers have to be kept.
    pub fn needs_response_headers(&self) -> bool {
        self.contains(Field::Outcome(OutcomeField::Headers))
    }

    /// Whether the tokens of the input have to be estimated.
    pub fn needs_prompt_tokens(&self) -> bool {
        self.contains(Field::Request(RequestField::PromptTokens))
    }

    /// What another expression wants too.
    pub fn add(&mut self, other: &References) {
        self.fields.extend(&other.fields);
    }
}

impl Expression {
    /// Parses and checks a text.
    ///
    /// # Errors
    /// The first thing that is wrong, with its place in the text.
    pub fn compile(text: &str, kind: Kind, scope: Scope) -> Result<Expression, CompileError> {
        check_text(text)?;
        let parser = environment::shared()
            .parser()
            .max_recursion_depth(RECURSION_MAX)
            .error_recovery_limit(RECOVERIES_MAX);
        let parsed = parser.parse_with_source_info(text);
        let (mut tree, places) = parsed.map_err(|errors| syntax_error(text, &errors))?;
        let checked = Check::new(text, places, scope).run(&mut tree)?;
        check_kind(text, kind, &checked)?;
        Ok(Expression {
            text: text.to_owned(),
            kind,
            tree,
            slots: checked.slots,
            references: References {
                fields: checked.fields,
            },
        })
    }

    /// As it was written.
    pub fn text(&self) -> &str {
        &self.text
    }

    pub fn kind(&self) -> Kind {
        self.kind
    }

    pub fn references(&self) -> &References {
        &self.references
    }

    /// Whether it is true.
    ///
    /// # Errors
    /// Where it has no value, such as for a key that is not there, and where the value is not true or false.
    pub fn holds(&self, facts: &dyn Facts) -> Result<bool, EvalError> {
        self.evaluate(facts, answer::flag)
    }

    /// Its value as text: of text, numbers, true and false, and times.
    ///
    /// # Errors
    /// Where it has no value, or none of these, or a text that is too long.
    pub fn evaluate_text(&self, facts: &dyn Facts) -> Result<String, EvalError> {
        self.evaluate(facts, answer::text)
    }

    /// Its value as JSON.
    ///
    /// # Errors
    /// Where it has no value, none that JSON can say, or too large a one.
    pub fn evaluate_json(&self, facts: &dyn Facts) -> Result<Value, EvalError> {
        self.evaluate(facts, answer::json)
    }

    fn evaluate<T>(
        &self,
        facts: &dyn Facts,
        read: fn(&dyn cel::common::value::Val) -> Result<T, EvalError>,
    ) -> Result<T, EvalError> {
        let answers = Answers::new(&self.slots, facts);
        let mut context = Context::with_env(environment::shared());
        context.set_variable_resolver(&answers);
        match CelValue::resolve_val(&self.tree, &context) {
            Ok(value) => read(value.as_ref()),
            Err(_) if answers.is_exhausted() => Err(EvalError::new(format!(
                "takes more than {ROUNDS_MAX} rounds of its loops"
            ))),
            Err(error) => Err(EvalError::from(error)),
        }
    }
}

/// How deep the parser recurses: brackets within brackets, which [`check_text`] has bounded already.
const RECURSION_MAX: u16 = 2 * DEPTH_MAX as u16;
/// After how many errors the parser gives up; only the first is told.
const RECOVERIES_MAX: u32 = 4;

fn syntax_error(text: &str, errors: &ParseErrors) -> CompileError {
    let Some(first) = errors.errors.first() else {
        return CompileError::at(text, 0, "is no expression");
    };
    let (line, column) = first.pos;
    let before = text
        .split_inclusive('\n')
        .take(usize::try_from(line - 1).unwrap_or(0));
    let line_start: usize = before.map(str::len).sum();
    let column = usize::try_from(column - 1).unwrap_or(0);
    let rest = &text[line_start.min(text.len())..];
    let offset = rest
        .char_indices()
        .nth(column)
        .map_or(text.len(), |(byte, _)| line_start + byte);
    CompileError::at(text, offset, told(&first.msg))
}

/// The parser's words for a syntax error, in fewer.
fn told(message: &str) -> String {
    let message = message.strip_prefix("Syntax error: ").unwrap_or(message);
    let quoted = |text: &str| text.split('\'').nth(1).map(str::to_owned);
    match message.split(" expecting ").next().unwrap_or(message) {
        unexpected
            if unexpected.starts_with("mismatched input")
                || unexpected.starts_with("extraneous input")
                || unexpected.starts_with("no viable alternative") =>
        {
            match quoted(unexpected).as_deref() {
                Some("<EOF>") => "ends too early".to_owned(),
                Some(found) => format!("did not expect `{}` here", shown(found)),
                None => "is no expression from here on".to_owned(),
            }
        }
        unreadable if unreadable.starts_with("token recognition error") => {
            let found = quoted(unreadable).unwrap_or_default();
            format!("cannot read `{}`", shown(found.trim()))
        }
        other => shown(other),
    }
}

fn check_kind(text: &str, kind: Kind, checked: &Checked) -> Result<(), CompileError> {
    let given = &checked.gives;
    let fits = match kind {
        Kind::Condition => matches!(given, Type::Flag | Type::Any),
        Kind::Text => !matches!(
            given,
            Type::List(_) | Type::Map(_) | Type::Null | Type::Bytes | Type::Optional | Type::Class
        ),
        Kind::Value => !matches!(given, Type::Bytes | Type::Class),
    };
    let wanted = match kind {
        Kind::Condition => "true or false is wanted; compare it with something",
        Kind::Text => "text is wanted",
        Kind::Value => "something that JSON can say is wanted",
    };
    match fits {
        true => Ok(()),
        false => Err(CompileError::at(
            text,
            0,
            format!("gives {}, where {wanted}", given.name()),
        )),
    }
}
