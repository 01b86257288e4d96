//! Takes the members of a JSON object one by one, so that what nobody has taken is left over, and names the member and its
//! value where a type is wrong. Which members there are, and what they mean, is the dialect's to say.

use std::fmt;
use std::rc::Rc;

use serde_json::{Map, Number, Value};

use super::neutral::Malformed;
use super::parsed::{self, Fields, Parsed};

/// Where a value stands in a body, as in `messages[2].content`. Written down only where something is wrong with it.
#[derive(Debug, Clone, Default)]
pub struct Path(Option<Rc<Step>>);

#[derive(Debug)]
struct Step {
    before: Path,
    last: Last,
}

#[derive(Debug)]
enum Last {
    Member(&'static str),
    Element(usize),
}

impl Path {
    /// A member of what stands here.
    pub fn member(&self, name: &'static str) -> Path {
        self.step(Last::Member(name))
    }

    /// An element of the list that stands here.
    pub fn element(&self, at: usize) -> Path {
        self.step(Last::Element(at))
    }

    fn step(&self, last: Last) -> Path {
        let before = self.clone();
        Path(Some(Rc::new(Step { before, last })))
    }
}

impl fmt::Display for Path {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(step) = &self.0 else { return Ok(()) };
        step.before.fmt(to)?;
        match step.last {
            Last::Member(name) if step.before.0.is_none() => to.write_str(name),
            Last::Member(name) => write!(to, ".{name}"),
            Last::Element(at) => write!(to, "[{at}]"),
        }
    }
}

impl From<Path> for String {
    fn from(path: Path) -> String {
        path.to_string()
    }
}

/// An object that is being read, and where it stands.
#[derive(Debug)]
pub struct Members<'a> {
    path: Path,
    left: Fields<'a>,
    /// Members may be written `in_snake_case` as well (Google's JSON mapping of protocol buffers).
    snake: bool,
}

/// An element of a list, and where it stands.
#[derive(Debug)]
pub struct Element<'a> {
    pub path: Path,
    pub value: Parsed<'a>,
    snake: bool,
}

/// Characters of a wrong value that a complaint shows.
const SHOWN_CHARS_MAX: usize = 80;

impl<'a> Members<'a> {
    /// The object that a body is.
    ///
    /// # Errors
    /// When the body is no JSON, or no object.
    pub fn of_body(body: &'a [u8]) -> Result<Members<'a>, Malformed> {
        let value = parsed::parse(body)
            .map_err(|error| Malformed::new("", format!("the body must be JSON: {error}")))?;
        Members::of(value, Path::default())
    }

    /// The object that `value` is; it stands at `path`.
    ///
    /// # Errors
    /// When it is no object.
    pub fn of(value: Parsed<'a>, path: Path) -> Result<Members<'a>, Malformed> {
        match value {
            Parsed::Object(left) => Ok(Members {
                path,
                left,
                snake: false,
            }),
            other => Err(wrong(path, "an object", &other.into())),
        }
    }

    /// The same, with members in either spelling, here and below.
    pub fn in_either_case(mut self) -> Members<'a> {
        self.snake = true;
        self
    }

    /// Where a member stands.
    pub fn path_of(&self, name: &'static str) -> Path {
        self.path.member(name)
    }

    /// A member that is a text, left where it is.
    pub fn peek(&self, name: &str) -> Option<&str> {
        self.left.get(name).and_then(Parsed::as_str)
    }

    /// Whether the member is there, and not null.
    pub fn has(&self, name: &str) -> bool {
        self.left.get(name).is_some_and(|value| !value.is_null())
    }

    /// The member, which is no longer among the rest; `None` where it is absent or null.
    pub fn parsed(&mut self, name: &str) -> Option<Parsed<'a>> {
        let mut found = self.left.take(name);
        if found.is_none() && self.snake {
            found = self.left.take(&snake_case(name));
        }
        found.filter(|value| !value.is_null())
    }

    /// The same, as it is to be kept.
    pub fn take(&mut self, name: &str) -> Option<Value> {
        self.parsed(name).map(Parsed::into_value)
    }

    /// A member that is a text.
    ///
    /// # Errors
    /// When it is something else.
    pub fn text(&mut self, name: &'static str) -> Result<Option<String>, Malformed> {
        match self.parsed(name) {
            None => Ok(None),
            Some(Parsed::String(text)) => Ok(Some(text.into_owned())),
            Some(other) => Err(self.wrong(name, "a string", &other.into())),
        }
    }

    /// A member that is a text, and must be there.
    ///
    /// # Errors
    /// When it is something else, or missing.
    pub fn needed_text(&mut self, name: &'static str) -> Result<String, Malformed> {
        let text = self.text(name)?;
        text.ok_or_else(|| self.missing(name, "a string"))
    }

    /// A member that is true or false.
    ///
    /// # Errors
    /// When it is something else.
    pub fn flag(&mut self, name: &'static str) -> Result<Option<bool>, Malformed> {
        match self.parsed(name) {
            None => Ok(None),
            Some(Parsed::Bool(flag)) => Ok(Some(flag)),
            Some(other) => Err(self.wrong(name, "true or false", &other.into())),
        }
    }

    /// A member that is a number.
    ///
    /// # Errors
    /// When it is something else.
    pub fn number(&mut self, name: &'static str) -> Result<Option<Number>, Malformed> {
        match self.parsed(name) {
            None => Ok(None),
            Some(Parsed::Number(number)) => Ok(parsed::number_of(&number)),
            Some(other) => Err(self.wrong(name, "a number", &other.into())),
        }
    }

    /// A member that is a whole number, 0 or more.
    ///
    /// # Errors
    /// When it is something else.
    pub fn count(&mut self, name: &'static str) -> Result<Option<u64>, Malformed> {
        let Some(number) = self.number(name)? else {
            return Ok(None);
        };
        match whole(&number) {
            Some(count) => Ok(Some(count)),
            None => Err(self.wrong(name, "a whole number, 0 or more", &Value::Number(number))),
        }
    }

    /// A member that is an object.
    ///
    /// # Errors
    /// When it is something else.
    pub fn object(&mut self, name: &'static str) -> Result<Option<Members<'a>>, Malformed> {
        let Some(value) = self.parsed(name) else {
            return Ok(None);
        };
        let mut members = Members::of(value, self.path_of(name))?;
        members.snake = self.snake;
        Ok(Some(members))
    }

    /// A member that is a list; empty where it is absent.
    ///
    /// # Errors
    /// When it is something else.
    pub fn list(&mut self, name: &'static str) -> Result<Vec<Element<'a>>, Malformed> {
        let Some(value) = self.parsed(name) else {
            return Ok(Vec::new());
        };
        let mut list = elements(value, &self.path_of(name))?;
        for element in &mut list {
            element.snake = self.snake;
        }
        Ok(list)
    }

    /// A member that is a list of texts; empty where it is absent.
    ///
    /// # Errors
    /// When it is something else.
    pub fn texts(&mut self, name: &'static str) -> Result<Vec<String>, Malformed> {
        self.list(name)?.into_iter().map(Element::text).collect()
    }

    /// What nobody has taken, without what is null.
    pub fn rest(mut self) -> Map<String, Value> {
        self.left.retain(|_, value| !value.is_null());
        self.left.into()
    }

    /// A complaint about a member.
    pub fn wrong(&self, name: &'static str, expected: &str, value: &Value) -> Malformed {
        wrong(self.path_of(name), expected, value)
    }

    /// A complaint that a member is not there.
    pub fn missing(&self, name: &'static str, expected: &str) -> Malformed {
        let problem = format!("must be {expected}, and is missing");
        Malformed::new(self.path_of(name), problem)
    }
}

/// The elements of the list that stands at `path`.
///
/// # Errors
/// Where it is none.
pub fn elements<'a>(value: Parsed<'a>, path: &Path) -> Result<Vec<Element<'a>>, Malformed> {
    let list = match value {
        Parsed::Array(list) => list,
        other => return Err(wrong(path.clone(), "a list", &other.into())),
    };
    let numbered = list.into_iter().enumerate();
    let element = |(at, value)| Element {
        path: path.element(at),
        value,
        snake: false,
    };
    Ok(numbered.map(element).collect())
}

impl<'a> Element<'a> {
    /// The element as an object.
    ///
    /// # Errors
    /// When it is something else.
    pub fn members(self) -> Result<Members<'a>, Malformed> {
        let mut members = Members::of(self.value, self.path)?;
        members.snake = self.snake;
        Ok(members)
    }

    /// The element as it is to be kept.
    pub fn value(self) -> Value {
        self.value.into()
    }

    /// The element as a text.
    ///
    /// # Errors
    /// When it is something else.
    pub fn text(self) -> Result<String, Malformed> {
        match self.value {
            Parsed::String(text) => Ok(text.into_owned()),
            other => Err(wrong(self.path, "a string", &other.into())),
        }
    }
}

/// A complaint that names what stands there.
pub fn wrong(path: impl Into<String>, expected: &str, value: &Value) -> Malformed {
    let mut shown = value.to_string();
    if let Some((cut, _)) = shown.char_indices().nth(SHOWN_CHARS_MAX) {
        shown.truncate(cut);
        shown.push('…');
    }
    Malformed::new(path, format!("must be {expected}, and is {shown}"))
}

/// A number that is whole and not negative, however it is written (`10`, `10.0`, `1e1`).
pub fn whole(number: &Number) -> Option<u64> {
    number.as_u64().or_else(|| {
        let float = number.as_f64()?;
        // Up to 2^53 every whole number has a float of its own.
        let is_whole = float.fract() == 0.0 && (0.0..9_007_199_254_740_992.0).contains(&float);
        is_whole.then_some(float as u64)
    })
}

/// `camelCase` as `camel_case`.
fn snake_case(name: &str) -> String {
    let mut snake = String::with_capacity(name.len() + 4);
    for letter in name.chars() {
        if letter.is_ascii_uppercase() {
            snake.push('_');
        }
        snake.push(letter.to_ascii_lowercase());
    }
    snake
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn members(value: Value) -> Members<'static> {
        Members::of(value.into(), Path::default().member("a")).unwrap()
    }

    #[test]
    fn complaints_name_the_member_and_its_value() {
        let said = |found: Malformed| format!("{}: {}", found.param, found.problem);
        let mut bad = members(json!({"t": 7, "c": -1, "l": {}, "x": ["y", 2]}));
        let cases = [
            (
                said(bad.text("t").unwrap_err()),
                "a.t: must be a string, and is 7",
            ),
            (
                said(bad.count("c").unwrap_err()),
                "a.c: must be a whole number, 0 or more, and is -1",
            ),
            (
                said(bad.list("l").unwrap_err()),
                "a.l: must be a list, and is {}",
            ),
            (
                said(bad.texts("x").unwrap_err()),
                "a.x[1]: must be a string, and is 2",
            ),
        ];
        for (found, expected) in cases {
            assert_eq!(found, expected);
        }
    }

    #[test]
    fn what_nobody_takes_is_left_over_in_its_order() {
        let mut some = members(json!({"z": 1, "taken": "t", "y": null, "a": 2}));
        assert_eq!(some.text("taken").unwrap().as_deref(), Some("t"));
        assert_eq!(json!(some.rest()).to_string(), r#"{"z":1,"a":2}"#);
    }

    #[test]
    fn either_spelling_is_taken_where_the_dialect_has_both() {
        let mut some =
            members(json!({"top_p": 1, "in": {"max_output_tokens": 2.0}})).in_either_case();
        assert!(some.number("topP").unwrap().is_some());
        let mut inner = some.object("in").unwrap().unwrap();
        assert_eq!(inner.count("maxOutputTokens").unwrap(), Some(2));
    }
}
