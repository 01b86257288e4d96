//! Loops: what `all`, `exists`, `exists_one`, `map` and `filter` have become. Every round asks first whether it may begin, so
//! that loops are bounded together.

use cel::common::ast::{ComprehensionExpr, Expr, IdedExpr, LiteralValue, operators as names};

use super::{Check, operator};
use crate::expr::bounds::LOOPS_NESTED_MAX;
use crate::expr::error::{CompileError, shown};
use crate::expr::field::Field;
use crate::expr::slot::Slot;
use crate::expr::types::Type;

impl Check<'_> {
    pub(super) fn comprehension(
        &mut self,
        node: &mut IdedExpr,
        depth: usize,
    ) -> Result<Type, CompileError> {
        let id = node.id;
        let Expr::Comprehension(comprehension) = &mut node.expr else {
            return Err(self.error(id, "is no loop"));
        };
        let items = self.items(comprehension, depth)?;
        self.check_name(id, &comprehension.iter_var)?;
        if self.loops == LOOPS_NESTED_MAX {
            let message = format!("loops are more than {LOOPS_NESTED_MAX} deep");
            return Err(self.error(id, message));
        }
        self.loops += 1;
        let result = self.body(comprehension, items, depth);
        self.loops -= 1;
        result
    }

    /// The type of what a loop runs over.
    fn items(
        &mut self,
        comprehension: &mut ComprehensionExpr,
        depth: usize,
    ) -> Result<Type, CompileError> {
        let range = &mut comprehension.iter_range;
        match self.visit(range, depth + 1)? {
            Type::Any => Ok(Type::Any),
            Type::List(items) => Ok(*items),
            Type::Map(_) => Ok(Type::Text),
            other => {
                let message = format!(
                    "loops run over a list or a map, and this is {}",
                    other.name()
                );
                Err(self.error(range.id, message))
            }
        }
    }

    fn check_name(&self, id: u64, name: &str) -> Result<(), CompileError> {
        match Field::all().any(|field| field.root() == name) {
            true => {
                let message = format!(
                    "`{}` is a variable of weir's; name the loop's otherwise",
                    shown(name)
                );
                Err(self.error(id, message))
            }
            false => Ok(()),
        }
    }

    fn body(
        &mut self,
        comprehension: &mut ComprehensionExpr,
        items: Type,
        depth: usize,
    ) -> Result<Type, CompileError> {
        let start = self.visit(&mut comprehension.accu_init, depth + 1)?;
        let locals = self.locals.len();
        self.locals.push((comprehension.accu_var.clone(), start));
        self.visit(&mut comprehension.loop_cond, depth + 1)?;
        self.locals.push((comprehension.iter_var.clone(), items));
        let step = self.visit(&mut comprehension.loop_step, depth + 1)?;
        self.locals.truncate(locals);
        self.locals.push((comprehension.accu_var.clone(), step));
        let result = self.visit(&mut comprehension.result, depth + 1);
        self.locals.truncate(locals);
        self.bound(comprehension);
        result
    }

    /// Puts the question whether a round may begin before it. In loops that gather a list it stands in the step, whose form the
    /// evaluator knows and appends in place for; in the others before the condition, where an error ends the loop.
    fn bound(&mut self, comprehension: &mut ComprehensionExpr) {
        let gathers = matches!(comprehension.accu_init.expr, Expr::List(_));
        let part = match gathers {
            true => &mut comprehension.loop_step,
            false => &mut comprehension.loop_cond,
        };
        let id = part.id;
        let node = |expr: Expr| IdedExpr { id, expr };
        let may_begin = node(self.slot(Slot::Round));
        let no = || node(Expr::Literal(LiteralValue::Boolean(false.into())));
        let accumulated = || node(Expr::Ident(comprehension.accu_var.clone()));
        let taken = std::mem::take(&mut part.expr);
        part.expr = match taken {
            Expr::Call(mut call)
                if gathers
                    && call.func_name == names::CONDITIONAL
                    && is_name(&call.args[2], &comprehension.accu_var) =>
            {
                let condition = std::mem::take(&mut call.args[0]);
                call.args[0] = node(operator(
                    names::CONDITIONAL,
                    vec![may_begin, condition, no()],
                ));
                Expr::Call(call)
            }
            step if gathers => operator(
                names::CONDITIONAL,
                vec![may_begin, node(step), accumulated()],
            ),
            condition => operator(names::CONDITIONAL, vec![may_begin, node(condition), no()]),
        };
    }
}

fn is_name(node: &IdedExpr, name: &str) -> bool {
    matches!(&node.expr, Expr::Ident(ident) if ident == name)
}
