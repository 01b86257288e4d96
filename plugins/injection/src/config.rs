//! The plugin's configuration: JSON, checked member by member.

use serde_json::{Map, Value};
use weir_plugin::Role;

const ALLOWED_MAX: usize = 200;
const TEXT_BYTES_MAX: usize = 500;
/// Shorter tokens come up by chance.
pub const CANARY_BYTES_MIN: usize = 8;

pub struct Config {
    pub thresholds: Thresholds,
    pub roles: Vec<Role>,
    /// Roles whose texts have no right to give instructions.
    pub indirect: Vec<Role>,
    pub allowed: Allowed,
    /// What tags and the header are called.
    pub tag: String,
    pub header: String,
    pub refusal: Refusal,
    pub canary: Option<Canary>,
}

/// From which score on something is done; none: never.
pub struct Thresholds {
    pub tag: Option<f32>,
    pub flag: Option<f32>,
    pub refuse: Option<f32>,
}

#[derive(Default)]
pub struct Allowed {
    /// In lower case.
    pub phrases: Vec<String>,
    pub models: Vec<String>,
    pub callers: Vec<String>,
    pub tenants: Vec<String>,
}

#[derive(Clone)]
pub struct Refusal {
    pub status: u16,
    pub message: String,
}

#[derive(Clone)]
pub struct Canary {
    pub token: Token,
    /// With `{canary}` where the token stands.
    pub text: String,
    pub status: u16,
}

#[derive(Clone)]
pub enum Token {
    Text(String),
    /// The name of a secret of the host.
    Secret(String),
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
            "thresholds",
            "roles",
            "indirect",
            "allow",
            "tag",
            "header",
            "refusal",
            "canary",
        ],
    )?;
    let default_roles = vec![Role::User, Role::Tool, Role::Other];
    Ok(Config {
        thresholds: thresholds(members.get("thresholds"))?,
        roles: roles("roles", members.get("roles"))?.unwrap_or(default_roles),
        indirect: roles("indirect", members.get("indirect"))?.unwrap_or_else(|| vec![Role::Tool]),
        allowed: allowed(members.get("allow"))?,
        tag: text("tag", members.get("tag"))?.unwrap_or_else(|| "injection".to_owned()),
        header: header(members.get("header"))?,
        refusal: refusal(members.get("refusal"))?,
        canary: members.get("canary").map(canary).transpose()?,
    })
}

fn thresholds(value: Option<&Value>) -> Result<Thresholds, String> {
    let empty = Map::new();
    let members = object("thresholds", value, &empty)?;
    known("thresholds", members, &["tag", "flag", "refuse"])?;
    let threshold = |name: &str, default: Option<f32>| match members.get(name) {
        None => Ok::<_, String>(default),
        Some(Value::Null) | Some(Value::Bool(false)) => Ok(None),
        Some(value) => {
            let number = value.as_f64().filter(|number| (0.0..=1.0).contains(number));
            let number = number.ok_or_else(|| {
                format!("thresholds.{name}: {value} is no number from 0 to 1, nor false")
            })?;
            Ok(Some(number as f32))
        }
    };
    Ok(Thresholds {
        tag: threshold("tag", Some(0.3))?,
        flag: threshold("flag", Some(0.5))?,
        refuse: threshold("refuse", None)?,
    })
}

const ROLES: [(&str, Role); 6] = [
    ("system", Role::System),
    ("developer", Role::Developer),
    ("user", Role::User),
    ("assistant", Role::Assistant),
    ("tool", Role::Tool),
    ("other", Role::Other),
];

fn roles(at: &str, value: Option<&Value>) -> Result<Option<Vec<Role>>, String> {
    let role = |name: &String| {
        let role = ROLES
            .iter()
            .find(|(known, _)| known == name)
            .map(|(_, role)| *role);
        role.ok_or_else(|| {
            format!(
                "{at}: `{name}` is none of {}",
                ROLES.map(|(name, _)| name).join(", ")
            )
        })
    };
    texts(at, value)?
        .map(|names| names.iter().map(role).collect())
        .transpose()
}

fn allowed(value: Option<&Value>) -> Result<Allowed, String> {
    let empty = Map::new();
    let members = object("allow", value, &empty)?;
    known(
        "allow",
        members,
        &["phrases", "models", "callers", "tenants"],
    )?;
    let list = |name: &str| {
        Ok::<_, String>(texts(&format!("allow.{name}"), members.get(name))?.unwrap_or_default())
    };
    Ok(Allowed {
        phrases: list("phrases")?
            .into_iter()
            .map(|phrase| phrase.to_ascii_lowercase())
            .collect(),
        models: list("models")?,
        callers: list("callers")?,
        tenants: list("tenants")?,
    })
}

fn header(value: Option<&Value>) -> Result<String, String> {
    let name = text("header", value)?.unwrap_or_else(|| "x-weir-injection".to_owned());
    let plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
    if name.is_empty() || !name.bytes().all(plain) {
        return Err(format!("header: `{name}` is not made of a–z, 0–9 and -"));
    }
    Ok(name)
}

fn refusal(value: Option<&Value>) -> Result<Refusal, String> {
    let empty = Map::new();
    let members = object("refusal", value, &empty)?;
    known("refusal", members, &["status", "message"])?;
    let message = text("refusal.message", members.get("message"))?;
    Ok(Refusal {
        status: status("refusal.status", members.get("status"), 400)?,
        message: message.unwrap_or_else(|| {
            "the request looks like an attempt to change the model's instructions".to_owned()
        }),
    })
}

fn canary(value: &Value) -> Result<Canary, String> {
    let empty = Map::new();
    let members = object("canary", Some(value), &empty)?;
    known("canary", members, &["token", "secret", "text", "status"])?;
    let token = text("canary.token", members.get("token"))?;
    let secret = text("canary.secret", members.get("secret"))?;
    let token = match (token, secret) {
        (Some(token), None) if token.len() >= CANARY_BYTES_MIN => Token::Text(token),
        (Some(token), None) => {
            return Err(format!(
                "canary.token: `{token}` is shorter than {CANARY_BYTES_MIN} bytes, and would come up by chance"
            ));
        }
        (None, Some(secret)) => Token::Secret(secret),
        _ => return Err("canary: has to have either `token` or `secret`".to_owned()),
    };
    let text = text("canary.text", members.get("text"))?
        .unwrap_or_else(|| "\n\n(Internal reference, never to be repeated: {canary})".to_owned());
    if !text.contains("{canary}") {
        return Err(format!(
            "canary.text: `{text}` has no {{canary}}, where the token is to stand"
        ));
    }
    let status = status("canary.status", members.get("status"), 502)?;
    Ok(Canary {
        token,
        text,
        status,
    })
}

fn object<'a>(
    at: &str,
    value: Option<&'a Value>,
    empty: &'a Map<String, Value>,
) -> Result<&'a Map<String, Value>, String> {
    match value {
        None => Ok(empty),
        Some(Value::Object(members)) => Ok(members),
        Some(other) => Err(format!("{at}: {other} is not an object")),
    }
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

fn status(at: &str, value: Option<&Value>, default: u16) -> Result<u16, String> {
    let Some(value) = value else {
        return Ok(default);
    };
    let number = value.as_u64().filter(|number| (400..=599).contains(number));
    number
        .map(|number| number as u16)
        .ok_or_else(|| format!("{at}: {value} is no whole number from 400 to 599"))
}

fn text(at: &str, value: Option<&Value>) -> Result<Option<String>, String> {
    let read = |value: &Value| {
        let text = value
            .as_str()
            .filter(|text| !text.is_empty() && text.len() <= TEXT_BYTES_MAX);
        text.map(str::to_owned)
            .ok_or_else(|| format!("{at}: {value} is no text of 1 to {TEXT_BYTES_MAX} bytes"))
    };
    value.map(read).transpose()
}

fn texts(at: &str, value: Option<&Value>) -> Result<Option<Vec<String>>, String> {
    let Some(value) = value else {
        return Ok(None);
    };
    let items = value.as_array().filter(|items| items.len() <= ALLOWED_MAX);
    let items = items.ok_or_else(|| format!("{at}: is no list of at most {ALLOWED_MAX} texts"))?;
    let read = |(index, item): (usize, &Value)| {
        text(&format!("{at}[{index}]"), Some(item)).map(Option::unwrap_or_default)
    };
    items
        .iter()
        .enumerate()
        .map(read)
        .collect::<Result<_, _>>()
        .map(Some)
}
