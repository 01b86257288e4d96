//! The check of a parsed expression, and its rewriting: names become slots, patterns are compiled, loops get a bound. All that is
//! wrong is told with its place. It must not know how expressions are evaluated.

mod call;
mod loops;
mod operators;

use std::collections::BTreeSet;

use cel::common::ast::{
    CallExpr, EntryExpr, Expr, IdedExpr, LiteralValue, MapEntryExpr, SelectExpr, SourceInfo,
    operators as names,
};

use super::bounds::{DEPTH_MAX, ITEMS_MAX, LITERAL_BYTES_MAX, PARTS_MAX};
use super::error::{CompileError, shown, suggestion};
use super::field::{Field, Scope};
use super::functions::TYPE_NAMES;
use super::slot::{self, Slot};
use super::types::Type;

/// How much deeper than the text the tree may be: macros become several levels.
const TREE_DEPTH_MAX: usize = 3 * DEPTH_MAX;

/// One check of one expression.
pub(super) struct Check<'t> {
    text: &'t str,
    places: SourceInfo,
    scope: Scope,
    slots: Vec<Slot>,
    fields: BTreeSet<Field>,
    /// Variables of loops, the innermost last.
    locals: Vec<(String, Type)>,
    loops: usize,
    parts: usize,
}

/// What a check has found, besides the rewritten tree.
pub(super) struct Checked {
    pub slots: Vec<Slot>,
    pub fields: BTreeSet<Field>,
    pub gives: Type,
}

impl<'t> Check<'t> {
    pub(super) fn new(text: &'t str, places: SourceInfo, scope: Scope) -> Check<'t> {
        Check {
            text,
            places,
            scope,
            slots: Vec::new(),
            fields: BTreeSet::new(),
            locals: Vec::new(),
            loops: 0,
            parts: 0,
        }
    }

    /// # Errors
    /// The first thing that is wrong.
    pub(super) fn run(mut self, tree: &mut IdedExpr) -> Result<Checked, CompileError> {
        let gives = self.visit(tree, 0)?;
        let (slots, fields) = (self.slots, self.fields);
        Ok(Checked {
            slots,
            fields,
            gives,
        })
    }

    fn visit(&mut self, node: &mut IdedExpr, depth: usize) -> Result<Type, CompileError> {
        self.parts += 1;
        if self.parts > PARTS_MAX || depth > TREE_DEPTH_MAX {
            let message =
                format!("has more than {PARTS_MAX} parts, or nests too deep; make it shorter");
            return Err(self.error(node.id, message));
        }
        if let Some(field) = self.field_of(node)? {
            return Ok(self.take_field(node, field));
        }
        match &mut node.expr {
            Expr::Literal(literal) => self.literal(node.id, literal),
            Expr::Ident(name) => self.ident(node.id, name),
            Expr::Select(_) => self.select(node, depth),
            Expr::Call(_) => self.call(node, depth),
            Expr::Comprehension(_) => self.comprehension(node, depth),
            Expr::List(list) => {
                self.check_items(node.id, list.elements.len())?;
                let mut items: Option<Type> = None;
                for element in &mut list.elements {
                    let found = self.visit(element, depth + 1)?;
                    items = Some(match items {
                        Some(items) => items.or(found),
                        None => found,
                    });
                }
                Ok(Type::List(Box::new(items.unwrap_or(Type::Any))))
            }
            Expr::Map(map) => {
                self.check_items(node.id, map.entries.len())?;
                for entry in &mut map.entries {
                    let EntryExpr::MapEntry(MapEntryExpr { key, value, .. }) = &mut entry.expr
                    else {
                        return Err(self.error(entry.id, "is no entry of a map"));
                    };
                    let key_type = self.visit(key, depth + 1)?;
                    if !matches!(key_type, Type::Text | Type::Any) {
                        let message =
                            format!("names in a map are text, and this is {}", key_type.name());
                        return Err(self.error(key.id, message));
                    }
                    self.visit(value, depth + 1)?;
                }
                Ok(Type::Map(Box::new(Type::Any)))
            }
            Expr::Struct(made) => {
                let message = format!(
                    "there is no type `{}` to make a value of",
                    shown(&made.type_name)
                );
                Err(self.error(node.id, message))
            }
            Expr::Unspecified => Err(self.error(node.id, "is no expression")),
        }
    }

    /// The field that a node names: `now`, or a member of one of weir's variables.
    fn field_of(&self, node: &IdedExpr) -> Result<Option<Field>, CompileError> {
        let (root, member, place) = match &node.expr {
            Expr::Ident(name) if name == Field::Now.root() => (name.as_str(), "", node.id),
            Expr::Select(select) => match &select.operand.expr {
                Expr::Ident(root) => (root.as_str(), select.field.as_str(), node.id),
                _ => return Ok(None),
            },
            _ => return Ok(None),
        };
        if self.local(root).is_some() || (root == "now" && !member.is_empty()) {
            return Ok(None);
        }
        if let Some(field) = Field::find(root, member) {
            return match field.scope() <= self.scope {
                true => Ok(Some(field)),
                false => Err(self.error(place, out_of_scope(field, self.scope))),
            };
        }
        let mut members = Field::all().filter(|field| field.root() == root).peekable();
        if members.peek().is_none() {
            return Ok(None);
        }
        let known: Vec<&str> = members.map(Field::member).collect();
        let hint = suggestion(member, known.iter().copied());
        let way_out = match hint.is_empty() {
            true => format!("; it has {}", known.join(", ")),
            false => hint,
        };
        let message = format!("`{root}` has no member `{}`{way_out}", shown(member));
        Err(self.error(place, message))
    }

    /// Puts a slot in the place of a field's name.
    fn take_field(&mut self, node: &mut IdedExpr, field: Field) -> Type {
        self.fields.insert(field);
        let is_test = matches!(&node.expr, Expr::Select(SelectExpr { test: true, .. }));
        let (slot, found) = match is_test {
            true => (Slot::Presence(field), Type::Flag),
            false => (Slot::Value(field), field.value_type()),
        };
        node.expr = self.slot(slot);
        found
    }

    /// A name for a slot, which may be one that is there already.
    fn slot(&mut self, slot: Slot) -> Expr {
        let same = |known: &Slot| match (known, &slot) {
            (Slot::Value(known), Slot::Value(field)) => known == field,
            (Slot::Presence(known), Slot::Presence(field)) => known == field,
            (Slot::Round, Slot::Round) => true,
            (
                Slot::Value(_)
                | Slot::Presence(_)
                | Slot::Pattern(_)
                | Slot::Patterns(_)
                | Slot::Networks(_)
                | Slot::Round,
                _,
            ) => false,
        };
        let number = self.slots.iter().position(same).unwrap_or_else(|| {
            self.slots.push(slot);
            self.slots.len() - 1
        });
        Expr::Ident(slot::name(number))
    }

    fn literal(&self, id: u64, literal: &LiteralValue) -> Result<Type, CompileError> {
        let length = match literal {
            LiteralValue::String(text) => text.inner().len(),
            LiteralValue::Bytes(bytes) => bytes.inner().len(),
            LiteralValue::Boolean(_)
            | LiteralValue::Double(_)
            | LiteralValue::Int(_)
            | LiteralValue::Null
            | LiteralValue::UInt(_) => 0,
        };
        if length > LITERAL_BYTES_MAX {
            let message = format!("is a text of {length} bytes; it may have {LITERAL_BYTES_MAX}");
            return Err(self.error(id, message));
        }
        Ok(match literal {
            LiteralValue::Boolean(_) => Type::Flag,
            LiteralValue::Bytes(_) => Type::Bytes,
            LiteralValue::Double(_) => Type::Decimal,
            LiteralValue::Int(_) => Type::Whole,
            LiteralValue::Null => Type::Null,
            LiteralValue::String(_) => Type::Text,
            LiteralValue::UInt(_) => Type::Unsigned,
        })
    }

    /// A name on its own, which is neither `now` nor a member.
    fn ident(&self, id: u64, name: &str) -> Result<Type, CompileError> {
        if let Some(local) = self.local(name) {
            return Ok(local.clone());
        }
        if TYPE_NAMES.contains(&name) {
            return Ok(Type::Class);
        }
        let roots = ["req", "caller", "now", "target", "resp"];
        let message = match roots.contains(&name) {
            true => format!(
                "`{name}` is named as a whole; name a member of it, as in `{name}.{}`",
                first_member(name)
            ),
            false => {
                let locals = self.locals.iter().map(|(name, _)| name.as_str());
                let hint = suggestion(name, roots.into_iter().chain(locals));
                format!("there is no variable `{}`{hint}", shown(name))
            }
        };
        Err(self.error(id, message))
    }

    /// A member of what is no variable of weir's. It becomes an index by a text, which the evaluator looks up at once, where it
    /// would first look for a variable of the whole dotted name.
    fn select(&mut self, node: &mut IdedExpr, depth: usize) -> Result<Type, CompileError> {
        let id = node.id;
        let Expr::Select(select) = &mut node.expr else {
            return Err(self.error(id, "is no member"));
        };
        self.check_shown(&select.operand, &select.field, id)?;
        let around = self.visit(&mut select.operand, depth + 1)?;
        let found = match around {
            Type::Any => Type::Any,
            Type::Map(values) => *values,
            Type::Optional => Type::Optional,
            other => {
                let message = format!("{} has no member `{}`", other.name(), shown(&select.field));
                return Err(self.error(id, message));
            }
        };
        if select.test {
            return Ok(Type::Flag);
        }
        let (operand, field) = (
            std::mem::take(&mut *select.operand),
            std::mem::take(&mut select.field),
        );
        let field = IdedExpr {
            id,
            expr: Expr::Literal(LiteralValue::String(field.into())),
        };
        node.expr = operator(names::INDEX, vec![operand, field]);
        Ok(found)
    }

    fn check_items(&self, id: u64, items: usize) -> Result<(), CompileError> {
        match items > ITEMS_MAX {
            true => Err(self.error(
                id,
                format!("has {items} items; a list or map may have {ITEMS_MAX}"),
            )),
            false => Ok(()),
        }
    }

    fn local(&self, name: &str) -> Option<&Type> {
        let mut innermost_first = self.locals.iter().rev();
        innermost_first
            .find(|(local, _)| local == name)
            .map(|(_, found)| found)
    }

    fn error(&self, id: u64, message: impl Into<String>) -> CompileError {
        let offset = self
            .places
            .offset_for(id)
            .map_or(0, |(start, _)| start as usize);
        CompileError::at(self.text, offset, message)
    }
}

/// A call of an operator.
fn operator(name: &str, args: Vec<IdedExpr>) -> Expr {
    Expr::Call(CallExpr {
        func_name: name.to_owned(),
        target: None,
        args,
    })
}

fn first_member(root: &str) -> &'static str {
    let mut fields = Field::all().filter(|field| field.root() == root);
    fields.next().map_or("", Field::member)
}

fn out_of_scope(field: Field, scope: Scope) -> String {
    let when = match scope {
        Scope::Caller => "when it is only known who calls",
        Scope::Request => "before it is decided where the request goes",
        Scope::Target => "before there is an answer",
        Scope::Outcome => "here",
    };
    format!("`{}` is not known {when}", field.path())
}
