//! Calls: operators and functions. Patterns and networks that are literals are compiled here, and arguments that could never be
//! read (`duration("5x")`) are refused.

use cel::common::ast::{CallExpr, Expr, IdedExpr, LiteralValue, operators as names};
use cel::{Context, Value};

use super::{Check, operator, operators};
use crate::expr::environment;
use crate::expr::error::{CompileError, EvalError, shown, suggestion};
use crate::expr::facts::is_credential;
use crate::expr::functions::{FUNCTIONS, Function};
use crate::expr::pattern::{IN_CIDR, MATCHES, Networks, Pattern, Patterns};
use crate::expr::slot::Slot;
use crate::expr::types::Type;

impl Check<'_> {
    pub(super) fn call(&mut self, node: &mut IdedExpr, depth: usize) -> Result<Type, CompileError> {
        let id = node.id;
        let Expr::Call(call) = &mut node.expr else {
            return Err(self.error(id, "is no call"));
        };
        if call.target.is_none() {
            let name = call.func_name.clone();
            let mut operands = Vec::with_capacity(call.args.len());
            let is_operator = operators::result(&name, &any_of(call.args.len())).is_some();
            if is_operator {
                if let [a, b] = call.args.as_slice() {
                    self.check_not_hidden(&name, a, b)?;
                }
                for arg in &mut call.args {
                    operands.push(self.visit(arg, depth + 1)?);
                }
                return self.operator(id, call, &operands);
            }
        }
        let found = self.function(id, call, depth)?;
        self.compile_arguments(node)?;
        Ok(found)
    }

    /// Refuses to look for credentials where none are shown: the answer would always be that there is nothing.
    fn check_not_hidden(
        &self,
        operator: &str,
        a: &IdedExpr,
        b: &IdedExpr,
    ) -> Result<(), CompileError> {
        let (holder, name) = match operator {
            names::INDEX | names::OPT_INDEX | names::OPT_SELECT => (a, b),
            names::IN => (b, a),
            _ => return Ok(()),
        };
        match literal_text(name) {
            Some(text) => self.check_shown(holder, text, name.id),
            None => Ok(()),
        }
    }

    pub(super) fn check_shown(
        &self,
        holder: &IdedExpr,
        name: &str,
        id: u64,
    ) -> Result<(), CompileError> {
        match self.field_of(holder)? {
            Some(field) if is_credential(field, name) => {
                let message = format!(
                    "`{}` holds credentials, which no expression is shown",
                    shown(name)
                );
                Err(self.error(id, message))
            }
            Some(_) | None => Ok(()),
        }
    }

    fn operator(
        &self,
        id: u64,
        call: &mut CallExpr,
        operands: &[Type],
    ) -> Result<Type, CompileError> {
        let equality = [names::EQUALS, names::NOT_EQUALS];
        match operators::result(&call.func_name, operands) {
            Some(Ok(found)) => {
                // What comes from JSON knows how to compare itself with a list or map of the evaluator's own, and not the other
                // way about.
                let is_equality = equality.contains(&call.func_name.as_str());
                if is_equality && is_made_here(&call.args[0]) {
                    call.args.swap(0, 1);
                }
                Ok(found)
            }
            Some(Err(misfit)) => {
                let place = call
                    .args
                    .get(misfit.operand)
                    .map_or(id, |operand| operand.id);
                Err(self.error(place, misfit.message))
            }
            None => Err(self.error(id, "is no operator")),
        }
    }

    fn function(
        &mut self,
        id: u64,
        call: &mut CallExpr,
        depth: usize,
    ) -> Result<Type, CompileError> {
        let name = call.func_name.clone();
        let ways: Vec<&Function> = FUNCTIONS
            .iter()
            .filter(|known| known.name == name)
            .collect();
        if ways.is_empty() {
            let known = FUNCTIONS.iter().map(|function| function.name);
            let macros = ["has", "all", "exists", "exists_one", "map", "filter"];
            let hint = suggestion(&name, known.chain(macros));
            let message = format!(
                "there is no function `{}` that is called like this{hint}",
                shown(&name)
            );
            return Err(self.error(id, message));
        }
        let target = match &mut call.target {
            Some(target) => Some((target.id, self.visit(target, depth + 1)?)),
            None => None,
        };
        let mut given = Vec::with_capacity(call.args.len());
        for arg in &mut call.args {
            given.push((arg.id, self.visit(arg, depth + 1)?));
        }
        let ways = self.of_form(id, &name, ways, target.is_some(), given.len())?;
        let fits = |way: &&&Function| {
            let target_fits = match (&target, way.on) {
                (Some((_, target)), Some(on)) => on.accepts(target),
                (None, None) => true,
                (Some(_), None) | (None, Some(_)) => false,
            };
            let mut pairs = way.takes.iter().zip(&given);
            target_fits && pairs.all(|(shape, (_, given))| shape.accepts(given))
        };
        match ways.iter().find(fits) {
            Some(way) => Ok((way.gives)()),
            None => Err(self.misfit(&name, ways[0], target.as_ref(), &given)),
        }
    }

    /// The ways to call a function that have the form of this call; at least one.
    fn of_form<'f>(
        &self,
        id: u64,
        name: &str,
        ways: Vec<&'f Function>,
        is_member: bool,
        arguments: usize,
    ) -> Result<Vec<&'f Function>, CompileError> {
        let form = |way: &&&Function| way.on.is_some() == is_member;
        let of_form: Vec<&Function> = ways.iter().filter(form).copied().collect();
        if of_form.is_empty() {
            let message = match is_member {
                true => format!("`{name}` is called as `{name}(…)`"),
                false => format!("`{name}` is called as `x.{name}(…)`"),
            };
            return Err(self.error(id, message));
        }
        let takes = of_form[0].takes.len();
        let fitting: Vec<&Function> = of_form
            .into_iter()
            .filter(|way| way.takes.len() == arguments)
            .collect();
        match fitting.is_empty() {
            true => Err(self.error(
                id,
                format!("`{name}` takes {takes} arguments, and here are {arguments}"),
            )),
            false => Ok(fitting),
        }
    }

    /// The error about the first operand that does not fit.
    fn misfit(
        &self,
        name: &str,
        way: &Function,
        target: Option<&(u64, Type)>,
        given: &[(u64, Type)],
    ) -> CompileError {
        if let (Some((place, target)), Some(on)) = (target, way.on)
            && !on.accepts(target)
        {
            let message = format!(
                "`{name}` is for {}, and this is {}",
                on.name(),
                target.name()
            );
            return self.error(*place, message);
        }
        let mut pairs = way.takes.iter().zip(given);
        let wrong = pairs.find(|(shape, (_, given))| !shape.accepts(given));
        let (place, message) = match wrong {
            Some((shape, (place, given))) => (
                *place,
                format!(
                    "`{name}` takes {}, and this is {}",
                    shape.name(),
                    given.name()
                ),
            ),
            None => (0, format!("`{name}` does not fit here")),
        };
        self.error(place, message)
    }

    fn compile_arguments(&mut self, node: &mut IdedExpr) -> Result<(), CompileError> {
        let Expr::Call(call) = &mut node.expr else {
            return Ok(());
        };
        match call.func_name.as_str() {
            "matches" => self.compile_pattern(call),
            "inCidr" => self.compile_networks(call),
            _ => self.check_constants(call),
        }
    }

    /// `x.matches(y)` and `matches(x, y)` become one call with the compiled pattern.
    fn compile_pattern(&mut self, call: &mut CallExpr) -> Result<(), CompileError> {
        let (text, pattern) = two_operands(call);
        let id = pattern.id;
        let slot = match literal_text(&pattern).map(Pattern::parse) {
            Some(Ok(compiled)) => Slot::Pattern(compiled),
            Some(Err(why)) => return Err(self.error(id, why)),
            None => {
                let kept = IdedExpr {
                    id,
                    expr: self.slot(Slot::Patterns(Patterns::default())),
                };
                return replace(call, MATCHES, vec![text, pattern, kept]);
            }
        };
        let expr = self.slot(slot);
        replace(call, MATCHES, vec![text, IdedExpr { id, expr }])
    }

    fn compile_networks(&mut self, call: &mut CallExpr) -> Result<(), CompileError> {
        let (address, networks) = two_operands(call);
        let id = networks.id;
        let texts: Option<Vec<&str>> = match &networks.expr {
            Expr::List(list) => list.elements.iter().map(literal_text).collect(),
            _ => literal_text(&networks).map(|text| vec![text]),
        };
        let parsed = match (texts, &networks.expr) {
            (Some(texts), _) => Networks::parse(texts).map_err(|why| self.error(id, why))?,
            (None, Expr::List(_)) => {
                return Err(self.error(id, "a list of networks has to be written out"));
            }
            (None, _) => return replace(call, IN_CIDR, vec![address, networks]),
        };
        let expr = self.slot(Slot::Networks(parsed));
        replace(call, IN_CIDR, vec![address, IdedExpr { id, expr }])
    }

    /// Evaluates what is made of literals alone, and named zones of time, to see whether it can be.
    fn check_constants(&self, call: &CallExpr) -> Result<(), CompileError> {
        let [arg] = call.args.as_slice() else {
            return Ok(());
        };
        let probe = match (&call.target, call.func_name.as_str()) {
            (None, "duration" | "timestamp" | "int" | "uint" | "double")
                if literal_text(arg).is_some() =>
            {
                Expr::Call(call.clone())
            }
            (Some(_), name) if name.starts_with("get") && literal_text(arg).is_some() => {
                let some_time = IdedExpr {
                    id: 0,
                    expr: Expr::Literal(LiteralValue::Int(0.into())),
                };
                let some_time = operator("timestamp", vec![some_time]);
                let target = Some(Box::new(IdedExpr {
                    id: 0,
                    expr: some_time,
                }));
                Expr::Call(CallExpr {
                    target,
                    ..call.clone()
                })
            }
            _ => return Ok(()),
        };
        let probe = IdedExpr { id: 0, expr: probe };
        let context = Context::with_env(environment::shared());
        match Value::resolve_val(&probe, &context) {
            Ok(_) => Ok(()),
            Err(error) => {
                let why = EvalError::from(error);
                Err(self.error(arg.id, format!("cannot be read: {why}")))
            }
        }
    }
}

/// Stands for operands whose types do not matter yet.
fn any_of(operands: usize) -> Vec<Type> {
    vec![Type::Any; operands]
}

/// Whether the evaluator makes a list or map here, out of literals or in a loop.
fn is_made_here(node: &IdedExpr) -> bool {
    match &node.expr {
        Expr::List(_) | Expr::Map(_) | Expr::Comprehension(_) => true,
        Expr::Call(call) => call.func_name == names::ADD,
        Expr::Ident(_)
        | Expr::Literal(_)
        | Expr::Select(_)
        | Expr::Struct(_)
        | Expr::Unspecified => false,
    }
}

fn literal_text(node: &IdedExpr) -> Option<&str> {
    match &node.expr {
        Expr::Literal(LiteralValue::String(text)) => Some(text.inner()),
        _ => None,
    }
}

/// What stands before the dot and what is in the brackets, or the two in the brackets.
fn two_operands(call: &mut CallExpr) -> (IdedExpr, IdedExpr) {
    let mut args = std::mem::take(&mut call.args).into_iter();
    let first = match call.target.take() {
        Some(target) => *target,
        None => args.next().unwrap_or_default(),
    };
    (first, args.next().unwrap_or_default())
}

fn replace(call: &mut CallExpr, name: &str, args: Vec<IdedExpr>) -> Result<(), CompileError> {
    call.func_name = name.to_owned();
    call.args = args;
    Ok(())
}
