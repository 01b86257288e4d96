//! The plugin's configuration: JSON, checked member by member.

use std::sync::Arc;

use serde_json::{Map, Value};
use weir_plugin::Role;

use crate::action::{Action, Mask};
use crate::custom::{LITERAL_BYTES_MAX, LITERALS_MAX, Literals, Pattern, Search};
use crate::kinds::{KINDS, Kind};
use crate::masker::{Allowed, Rules};
use crate::report::Report;
use crate::scan::{Custom, Scanner};

const CUSTOM_MAX: usize = 100;
const TEXT_BYTES_MAX: usize = 200;
const KEEP_LAST_MAX: usize = 8;
const DIGITS: std::ops::RangeInclusive<usize> = 8..=64;
const DIGITS_DEFAULT: usize = 12;

pub struct Config {
    /// None: requests are not looked at.
    pub requests: Option<Direction>,
    pub answers: Option<Direction>,
    pub restore: bool,
    /// What the host calls the secret that hashes are made with.
    pub hash_secret: String,
    /// The tag that tells which kinds a request had.
    pub tag: Option<String>,
    pub report: Report,
}

pub struct Direction {
    pub rules: Arc<Rules>,
    pub roles: Vec<Role>,
    pub tool_calls: bool,
}

/// # Errors
/// The member that is wrong, with its value.
pub fn parse(json: &str) -> Result<Config, String> {
    let value: Value = serde_json::from_str(json)
        .map_err(|error| format!("the configuration is no JSON: {error}"))?;
    let empty = Map::new();
    let members = match &value {
        Value::Null => &empty,
        Value::Object(members) => members,
        other => return Err(format!("the configuration is {other}, not an object")),
    };
    known(
        "",
        members,
        &[
            "kinds",
            "custom",
            "allow",
            "requests",
            "answers",
            "restore",
            "hash_secret",
            "tag",
            "refusal",
        ],
    )?;
    let restore = boolean("restore", members.get("restore"))?.unwrap_or(false);
    let custom = custom(members.get("custom"), restore)?;
    let base = Base {
        actions: kinds(
            "kinds",
            members.get("kinds"),
            default_actions(&custom),
            &custom,
            restore,
        )?,
        custom: &custom,
        allowed: texts("allow", members.get("allow"), LITERALS_MAX)?.unwrap_or_default(),
        restore,
    };
    Ok(Config {
        requests: direction("requests", members.get("requests"), &base)?,
        answers: direction("answers", members.get("answers"), &base)?,
        restore,
        hash_secret: text("hash_secret", members.get("hash_secret"))?
            .unwrap_or_else(|| "PII_KEY".to_owned()),
        tag: text("tag", members.get("tag"))?,
        report: report(members.get("refusal"))?,
    })
}

/// What both directions begin with.
struct Base<'a> {
    actions: Vec<Action>,
    custom: &'a [Entry],
    allowed: Vec<String>,
    restore: bool,
}

fn direction(at: &str, value: Option<&Value>, base: &Base) -> Result<Option<Direction>, String> {
    let empty = Map::new();
    let members = match value {
        Some(Value::Bool(false)) => return Ok(None),
        None | Some(Value::Bool(true)) => &empty,
        Some(Value::Object(members)) => members,
        Some(other) => {
            return Err(format!(
                "{at}: {other} is neither true, false nor an object"
            ));
        }
    };
    let takes: &[&str] = if at == "requests" {
        &["roles", "tool_calls", "kinds"]
    } else {
        &["tool_calls", "kinds"]
    };
    known(at, members, takes)?;
    let actions = kinds(
        &format!("{at}.kinds"),
        members.get("kinds"),
        base.actions.clone(),
        base.custom,
        base.restore,
    )?;
    Ok(Some(Direction {
        rules: Arc::new(rules(actions, base)?),
        roles: roles(members.get("roles"))?,
        tool_calls: boolean(&format!("{at}.tool_calls"), members.get("tool_calls"))?
            .unwrap_or(true),
    }))
}

fn rules(actions: Vec<Action>, base: &Base) -> Result<Rules, String> {
    let wanted = KINDS.map(|kind| actions[kind.place()] != Action::Off);
    let mut searches = Vec::new();
    for entry in base.custom {
        searches.push(Custom {
            search: entry.search()?,
            word: entry.word,
        });
    }
    let known = KINDS.iter().map(|kind| kind.name().to_owned());
    Ok(Rules {
        scanner: Scanner::new(wanted, searches),
        actions,
        names: known
            .chain(base.custom.iter().map(|entry| entry.name.clone()))
            .collect(),
        allowed: Allowed(
            base.allowed
                .iter()
                .map(|value| value.to_lowercase())
                .collect(),
        ),
    })
}

/// Rules that find nothing, for answers that only get their values back.
pub fn no_rules() -> Rules {
    Rules {
        scanner: Scanner::new([false; KINDS.len()], Vec::new()),
        actions: vec![Action::Off; KINDS.len()],
        names: KINDS.iter().map(|kind| kind.name().to_owned()).collect(),
        allowed: Allowed::default(),
    }
}

const ROLES: [(&str, Role); 6] = [
    ("system", Role::System),
    ("developer", Role::Developer),
    ("user", Role::User),
    ("assistant", Role::Assistant),
    ("tool", Role::Tool),
    ("other", Role::Other),
];

fn roles(value: Option<&Value>) -> Result<Vec<Role>, String> {
    let Some(names) = texts("requests.roles", value, ROLES.len())? else {
        return Ok(ROLES.iter().map(|(_, role)| *role).collect());
    };
    names
        .iter()
        .map(|name| {
            let role = ROLES
                .iter()
                .find(|(known, _)| known == name)
                .map(|(_, role)| *role);
            role.ok_or_else(|| {
                format!(
                    "requests.roles: `{name}` is none of {}",
                    ROLES.map(|(name, _)| name).join(", ")
                )
            })
        })
        .collect()
}

fn default_actions(custom: &[Entry]) -> Vec<Action> {
    let known = KINDS
        .iter()
        .map(|kind| Action::Mask(default_mask(kind.name())));
    known
        .chain(custom.iter().map(|entry| entry.action.clone()))
        .collect()
}

fn default_mask(name: &str) -> Mask {
    let name = name.to_uppercase();
    Mask {
        text: format!("[{name}]"),
        keep_last: 0,
        placeholder: (format!("[{name}_"), "]".to_owned()),
    }
}

/// A map from kinds to actions, over what was there before.
fn kinds(
    at: &str,
    value: Option<&Value>,
    mut actions: Vec<Action>,
    custom: &[Entry],
    restore: bool,
) -> Result<Vec<Action>, String> {
    let Some(value) = value else {
        return Ok(actions);
    };
    let members = value
        .as_object()
        .ok_or_else(|| format!("{at}: {value} is not an object"))?;
    for (name, value) in members {
        let own = custom
            .iter()
            .position(|entry| entry.name == *name)
            .map(|place| Kind::Custom(place as u16));
        let Some(kind) = KINDS.into_iter().find(|kind| kind.name() == name).or(own) else {
            let names = KINDS.map(Kind::name).join(", ");
            return Err(format!(
                "{at}: `{name}` is no kind; there are {names}, and the names under `custom`"
            ));
        };
        actions[kind.place()] = action(&format!("{at}.{name}"), value, name, restore)?;
    }
    Ok(actions)
}

const ACTION_MEMBERS: [&str; 5] = ["action", "text", "keep_last", "placeholder", "digits"];

/// `mask`, or an object with `action` and what belongs to it.
fn action(at: &str, value: &Value, name: &str, restore: bool) -> Result<Action, String> {
    let empty = Map::new();
    match value {
        Value::String(action) => action_of(at, action, &empty, name, restore),
        Value::Bool(false) => Ok(Action::Off),
        Value::Object(members) => {
            known(at, members, &ACTION_MEMBERS)?;
            let action = text(&format!("{at}.action"), members.get("action"))?
                .unwrap_or_else(|| "mask".to_owned());
            action_of(at, &action, members, name, restore)
        }
        other => Err(format!(
            "{at}: {other} is neither the name of an action nor an object"
        )),
    }
}

fn action_of(
    at: &str,
    action: &str,
    members: &Map<String, Value>,
    name: &str,
    restore: bool,
) -> Result<Action, String> {
    match action {
        "off" => Ok(Action::Off),
        "refuse" => Ok(Action::Refuse),
        "hash" => {
            let digits = number(&format!("{at}.digits"), members.get("digits"), DIGITS)?;
            Ok(Action::Hash {
                digits: digits.unwrap_or(DIGITS_DEFAULT),
            })
        }
        "mask" => mask(at, members, name, restore).map(Action::Mask),
        other => Err(format!(
            "{at}: `{other}` is no action; there are off, mask, hash and refuse"
        )),
    }
}

fn mask(at: &str, members: &Map<String, Value>, name: &str, restore: bool) -> Result<Mask, String> {
    let mut mask = default_mask(name);
    if let Some(count) = number(
        &format!("{at}.keep_last"),
        members.get("keep_last"),
        0..=KEEP_LAST_MAX,
    )? {
        mask.keep_last = count;
        if count > 0 {
            mask.text = format!("[{}:{{last}}]", name.to_uppercase());
        }
    }
    if let Some(text) = text(&format!("{at}.text"), members.get("text"))? {
        if mask.keep_last > 0 && !text.contains("{last}") {
            return Err(format!(
                "{at}.text: `{text}` has no {{last}}, where the {} that are kept are to stand",
                mask.keep_last
            ));
        }
        mask.text = text;
    }
    if let Some(text) = text(&format!("{at}.placeholder"), members.get("placeholder"))? {
        if !restore {
            return Err(format!(
                "{at}.placeholder: `{text}` is for values that are put back, and `restore` is not on"
            ));
        }
        mask.placeholder = placeholder(&format!("{at}.placeholder"), &text)?;
    }
    Ok(mask)
}

/// No placeholder may be the beginning of another: after the number stands what is no digit.
fn placeholder(at: &str, text: &str) -> Result<(String, String), String> {
    let parts = text.split_once("{n}").filter(|(before, after)| {
        let is_digit = |c: char| c.is_ascii_digit();
        !before.is_empty()
            && !after.is_empty()
            && !before.ends_with(is_digit)
            && !after.starts_with(is_digit)
    });
    let (before, after) = parts.ok_or_else(|| {
        format!("{at}: `{text}` is not of the form `text{{n}}text`, with no digit beside the {{n}}")
    })?;
    Ok((before.to_owned(), after.to_owned()))
}

/// One of the operator's own kinds, as it is configured.
struct Entry {
    name: String,
    at: String,
    literals: Option<Vec<String>>,
    pattern: Option<String>,
    ignore_case: bool,
    word: bool,
    action: Action,
}

impl Entry {
    fn search(&self) -> Result<Search, String> {
        match (&self.literals, &self.pattern) {
            (Some(literals), None) => Ok(Search::Literals(Literals::new(
                literals.clone(),
                self.ignore_case,
            ))),
            (None, Some(pattern)) => Pattern::new(pattern)
                .map(Search::Pattern)
                .map_err(|error| format!("{}.pattern: `{pattern}` {error}", self.at)),
            _ => Err(format!(
                "{}: has to have either `literals` or `pattern`",
                self.at
            )),
        }
    }
}

fn custom(value: Option<&Value>, restore: bool) -> Result<Vec<Entry>, String> {
    let Some(value) = value else {
        return Ok(Vec::new());
    };
    let items = value
        .as_array()
        .ok_or_else(|| format!("custom: {value} is not a list"))?;
    if items.len() > CUSTOM_MAX {
        return Err(format!(
            "custom: {} entries are more than {CUSTOM_MAX}",
            items.len()
        ));
    }
    let mut entries: Vec<Entry> = Vec::new();
    for (index, item) in items.iter().enumerate() {
        let entry = entry(&format!("custom[{index}]"), item, restore)?;
        let taken = KINDS.iter().any(|kind| kind.name() == entry.name)
            || entries.iter().any(|other| other.name == entry.name);
        if taken {
            return Err(format!("custom[{index}].name: `{}` is taken", entry.name));
        }
        entry.search()?;
        entries.push(entry);
    }
    Ok(entries)
}

fn entry(at: &str, item: &Value, restore: bool) -> Result<Entry, String> {
    let members = item
        .as_object()
        .ok_or_else(|| format!("{at}: {item} is not an object"))?;
    let own = ["name", "literals", "pattern", "ignore_case", "word"];
    known(at, members, &[&own[..], &ACTION_MEMBERS].concat())?;
    let name = text(&format!("{at}.name"), members.get("name"))?.unwrap_or_default();
    let plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_';
    if name.is_empty() || name.len() > 40 || !name.bytes().all(plain) {
        return Err(format!(
            "{at}.name: `{name}` is not made of 1 to 40 of a–z, 0–9 and _"
        ));
    }
    let literals = texts(
        &format!("{at}.literals"),
        members.get("literals"),
        LITERALS_MAX,
    )?;
    if literals.as_ref().is_some_and(Vec::is_empty) {
        return Err(format!("{at}.literals: [] has nothing to look for"));
    }
    let shape = members
        .iter()
        .filter(|(name, _)| ACTION_MEMBERS.contains(&name.as_str()));
    let shape: Map<String, Value> = shape
        .map(|(name, value)| (name.clone(), value.clone()))
        .collect();
    Ok(Entry {
        action: action(at, &Value::Object(shape), &name, restore)?,
        at: at.to_owned(),
        literals,
        pattern: text(&format!("{at}.pattern"), members.get("pattern"))?,
        ignore_case: boolean(&format!("{at}.ignore_case"), members.get("ignore_case"))?
            .unwrap_or(false),
        word: boolean(&format!("{at}.word"), members.get("word"))?.unwrap_or(true),
        name,
    })
}

fn report(value: Option<&Value>) -> Result<Report, String> {
    let empty = Map::new();
    let members = match value {
        None => &empty,
        Some(value) => value
            .as_object()
            .ok_or_else(|| format!("refusal: {value} is not an object"))?,
    };
    known("refusal", members, &["status", "answer_status", "message"])?;
    let status = |name: &str, default: usize| {
        number(&format!("refusal.{name}"), members.get(name), 400..=599)
            .map(|status| status.unwrap_or(default) as u16)
    };
    Ok(Report {
        status: status("status", 400)?,
        answer_status: status("answer_status", 502)?,
        message: text("refusal.message", members.get("message"))?,
    })
}

fn known(at: &str, members: &Map<String, Value>, names: &[&str]) -> Result<(), String> {
    match members.keys().find(|name| !names.contains(&name.as_str())) {
        Some(name) => {
            let dot = if at.is_empty() { "" } else { "." };
            Err(format!(
                "{at}{dot}{name}: there is no such member; there are {}",
                names.join(", ")
            ))
        }
        None => Ok(()),
    }
}

fn boolean(at: &str, value: Option<&Value>) -> Result<Option<bool>, String> {
    let read = |value: &Value| {
        value
            .as_bool()
            .ok_or_else(|| format!("{at}: {value} is neither true nor false"))
    };
    value.map(read).transpose()
}

fn number(
    at: &str,
    value: Option<&Value>,
    range: std::ops::RangeInclusive<usize>,
) -> Result<Option<usize>, String> {
    let read = |value: &Value| {
        let number = value
            .as_u64()
            .and_then(|n| usize::try_from(n).ok())
            .filter(|n| range.contains(n));
        number.ok_or_else(|| {
            format!(
                "{at}: {value} is no whole number from {} to {}",
                range.start(),
                range.end()
            )
        })
    };
    value.map(read).transpose()
}

fn text(at: &str, value: Option<&Value>) -> Result<Option<String>, String> {
    let read = |value: &Value| {
        let text = value
            .as_str()
            .filter(|text| text.len() <= TEXT_BYTES_MAX && !text.contains('\0'));
        text.map(str::to_owned)
            .ok_or_else(|| format!("{at}: {value} is no text of at most {TEXT_BYTES_MAX} bytes"))
    };
    value.map(read).transpose()
}

fn texts(at: &str, value: Option<&Value>, count_max: usize) -> Result<Option<Vec<String>>, String> {
    let Some(value) = value else {
        return Ok(None);
    };
    let items = value.as_array().filter(|items| items.len() <= count_max);
    let items = items.ok_or_else(|| format!("{at}: is no list of at most {count_max} texts"))?;
    let read = |(index, item): (usize, &Value)| {
        let text = item
            .as_str()
            .filter(|t| !t.is_empty() && t.len() <= LITERAL_BYTES_MAX && !t.contains('\0'));
        text.map(str::to_owned).ok_or_else(|| {
            format!("{at}[{index}]: {item} is no text of 1 to {LITERAL_BYTES_MAX} bytes")
        })
    };
    items
        .iter()
        .enumerate()
        .map(read)
        .collect::<Result<_, _>>()
        .map(Some)
}
