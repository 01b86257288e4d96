//! The texts for people in a request or answer, wherever its dialect puts them: what guards look at. Each with a pointer (RFC 6901), so that
//! it can be replaced where it stands. What a guard does with them is not known here.

mod answers;
mod requests;
#[cfg(test)]
mod tests;

use serde_json::Value;

use super::neutral::Role;

pub use answers::of_answer;
pub use requests::of_request;

/// One text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Text {
    /// Who says it.
    pub role: Role,
    /// RFC 6901.
    pub pointer: String,
    pub text: String,
}

/// More texts than this are in no request; what comes after them is not looked at, so that a request with more must be refused.
pub const TEXTS_MAX: usize = 100_000;

/// Goes through a body and keeps the texts that it is shown.
#[derive(Default)]
struct Found {
    texts: Vec<Text>,
    pointer: String,
}

impl Found {
    /// The member of that name, if it is there.
    fn member(&mut self, of: &Value, name: &str, look: impl FnOnce(&mut Found, &Value)) {
        if let Some(value) = of.get(name) {
            self.below(name, |found| look(found, value));
        }
    }

    /// Every element of the list of that name, if it is one.
    fn each(&mut self, of: &Value, name: &str, mut look: impl FnMut(&mut Found, &Value)) {
        self.member(of, name, |found, list| found.elements(list, &mut look));
    }

    fn elements(&mut self, list: &Value, look: &mut dyn FnMut(&mut Found, &Value)) {
        for (at, element) in list.as_array().into_iter().flatten().enumerate() {
            self.below(&at.to_string(), |found| look(found, element));
        }
    }

    fn below(&mut self, step: &str, look: impl FnOnce(&mut Found)) {
        let before = self.pointer.len();
        self.pointer.push('/');
        self.pointer
            .push_str(&step.replace('~', "~0").replace('/', "~1"));
        look(self);
        self.pointer.truncate(before);
    }

    /// The value itself, if it is a text with something in it.
    fn text(&mut self, role: Role, value: &Value) {
        if let Some(text) = value.as_str().filter(|text| !text.is_empty())
            && self.texts.len() < TEXTS_MAX
        {
            self.texts.push(Text {
                role,
                pointer: self.pointer.clone(),
                text: text.to_owned(),
            });
        }
    }

    fn text_member(&mut self, role: Role, of: &Value, name: &str) {
        self.member(of, name, |found, value| found.text(role, value));
    }

    /// A text, or a list of texts.
    fn texts(&mut self, role: Role, value: &Value) {
        self.text(role, value);
        self.elements(value, &mut |found, element| found.text(role, element));
    }

    /// Every text in a value of any shape: a tool's arguments or result. Names of members are not texts.
    fn leaves(&mut self, role: Role, value: &Value) {
        match value {
            Value::String(_) => self.text(role, value),
            Value::Array(_) => {
                self.elements(value, &mut |found, element| found.leaves(role, element));
            }
            Value::Object(members) => {
                for (name, member) in members {
                    self.below(name, |found| found.leaves(role, member));
                }
            }
            Value::Null | Value::Bool(_) | Value::Number(_) => {}
        }
    }

    /// `content`: a text, or a list of parts, each with its text in a member `text`, or in what `other` finds.
    fn content(
        &mut self,
        role: Role,
        of: &Value,
        name: &str,
        mut other: impl FnMut(&mut Found, &Value),
    ) {
        self.member(of, name, |found, content| {
            found.text(role, content);
            found.elements(content, &mut |found, part| {
                found.text(role, part);
                found.text_member(role, part, "text");
                other(found, part);
            });
        });
    }
}

/// Nothing but texts stands in the parts.
fn nothing_else(_: &mut Found, _: &Value) {}
