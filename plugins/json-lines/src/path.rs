//! Paths into JSON: `caller.tenant`, `request.messages.*.content`. It must not know what stands there.

use serde_json::{Map, Value};

/// More steps are refused.
const STEPS_MAX: usize = 16;

/// Names, of which `*` is every member or item.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Path(Vec<String>);

impl Path {
    pub(crate) fn parse(text: &str) -> Option<Path> {
        let steps: Vec<String> = text.split('.').map(str::to_owned).collect();
        let is_sound = steps.len() <= STEPS_MAX && steps.iter().all(|step| !step.is_empty());
        is_sound.then_some(Path(steps))
    }

    /// The first name.
    pub(crate) fn root(&self) -> &str {
        &self.0[0]
    }

    /// Whether it leads to something within the member `root`.
    pub(crate) fn is_below(&self, root: &str) -> bool {
        self.0.len() > 1 && (self.0[0] == root || self.0[0] == "*")
    }

    /// Puts `with` in the place of whatever the path leads to.
    pub(crate) fn replace(&self, value: &mut Value, with: &str) {
        replace(&self.0, value, with);
    }

    /// Copies what the path leads to, with the names around it.
    pub(crate) fn copy(&self, from: &Map<String, Value>, to: &mut Map<String, Value>) {
        copy(&self.0, from, to);
    }
}

fn replace(steps: &[String], value: &mut Value, with: &str) {
    let Some((step, rest)) = steps.split_first() else {
        if !value.is_null() {
            *value = Value::from(with);
        }
        return;
    };
    match value {
        Value::Object(members) if step == "*" => {
            members
                .values_mut()
                .for_each(|member| replace(rest, member, with));
        }
        Value::Array(items) if step == "*" => {
            items.iter_mut().for_each(|item| replace(rest, item, with));
        }
        Value::Object(members) => {
            if let Some(member) = members.get_mut(step) {
                replace(rest, member, with);
            }
        }
        Value::Array(items) => {
            if let Some(item) = step
                .parse()
                .ok()
                .and_then(|place: usize| items.get_mut(place))
            {
                replace(rest, item, with);
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

/// Through objects alone: items of a list are not copied one by one.
fn copy(steps: &[String], from: &Map<String, Value>, to: &mut Map<String, Value>) {
    let Some((step, rest)) = steps.split_first() else {
        return;
    };
    let one = |name: &String, value: &Value, to: &mut Map<String, Value>| match (rest, value) {
        ([], value) => {
            to.insert(name.clone(), value.clone());
        }
        (_, Value::Object(members)) => {
            let below = to
                .entry(name.clone())
                .or_insert_with(|| Value::Object(Map::new()));
            if let Value::Object(below) = below {
                copy(rest, members, below);
            }
        }
        _ => {}
    };
    match step.as_str() {
        "*" => from.iter().for_each(|(name, value)| one(name, value, to)),
        _ => {
            if let Some(value) = from.get(step) {
                one(step, value, to);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn what_paths_lead_to_is_replaced_and_copied() {
        let path = |text: &str| Path::parse(text).expect("it is a path");
        let mut value =
            json!({"a": {"b": [{"c": "x", "d": 1}, {"c": null}, 5]}, "e": {"f": "y", "g": "z"}});
        let from = value.clone();
        path("a.b.*.c").replace(&mut value, "-");
        path("e.*").replace(&mut value, "-");
        path("a.b.2").replace(&mut value, "-");
        path("none.at.all").replace(&mut value, "-");
        path("a.b.9.c").replace(&mut value, "-");
        assert_eq!(
            value,
            json!({"a": {"b": [{"c": "-", "d": 1}, {"c": null}, "-"]}, "e": {"f": "-", "g": "-"}})
        );
        let mut to = Map::new();
        for text in ["e.f", "e.none", "a.b", "e.g.h"] {
            path(text).copy(from.as_object().expect("it is one"), &mut to);
        }
        assert_eq!(Value::Object(to), json!({"e": {"f": "y"}, "a": from["a"]}));
        for bad in ["", ".", "a..b", "a."] {
            assert_eq!(Path::parse(bad), None, "{bad}");
        }
        assert_eq!(Path::parse(&vec!["a"; STEPS_MAX + 1].join(".")), None);
    }
}
