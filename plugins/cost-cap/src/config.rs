//! The configuration: rules, each with whom it is for, whom it counts apart, and its caps.

use serde_json::{Map, Value};
use weir_plugin::RequestMeta;

use crate::cost::Nanos;
use crate::period::Period;

/// More are refused: each may cost a look into the counters for every request.
const RULES_MAX: usize = 64;
/// Expected where neither client nor configuration says how much output there may be.
const OUTPUT_TOKENS: u32 = 1000;
/// From which part of a period's cap on cheaper candidates are preferred.
const PREFER_CHEAPER_FROM: f64 = 0.7;

pub(crate) struct Config {
    /// Expected where the client names no maximum.
    pub output_tokens: u32,
    /// For messages.
    pub currency: String,
    pub rules: Vec<Rule>,
}

/// Caps for some requests.
pub(crate) struct Rule {
    pub name: String,
    pub by: By,
    pub only: Vec<(By, Vec<String>)>,
    pub request_cap: Option<Nanos>,
    pub period: Option<PeriodCap>,
}

#[derive(Clone, Copy)]
pub(crate) struct PeriodCap {
    pub amount: Nanos,
    pub per: Period,
    /// From 0 to 1.
    pub prefer_cheaper_from: f64,
}

/// Something about a request that rules are for, or count by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum By {
    /// All together.
    All,
    Tenant,
    Project,
    User,
    Key,
    Model,
    Tag(String),
    Attribute(String),
}

impl By {
    const FORMS: &'static str =
        "all, tenant, project, user, key, model, tag:NAME or attribute:NAME";

    fn parse(text: &str) -> Option<By> {
        Some(match text.split_once(':') {
            None => match text {
                "all" => By::All,
                "tenant" => By::Tenant,
                "project" => By::Project,
                "user" => By::User,
                "key" => By::Key,
                "model" => By::Model,
                _ => return None,
            },
            Some((_, "")) => return None,
            Some(("tag", name)) => By::Tag(name.to_owned()),
            Some(("attribute", name)) => By::Attribute(name.to_owned()),
            Some(_) => return None,
        })
    }

    /// Its value for a request; `None` where the request has none.
    pub(crate) fn of<'m>(&self, meta: &'m RequestMeta) -> Option<&'m str> {
        let principal = meta.principal.as_ref();
        let named = |pairs: &'m [(String, String)], name: &str| {
            let pair = pairs.iter().find(|(known, _)| known == name);
            pair.map(|(_, value)| value.as_str())
        };
        match self {
            By::All => Some(""),
            By::Tenant => principal?.tenant.as_deref(),
            By::Project => principal?.project.as_deref(),
            By::User => principal?.user.as_deref(),
            By::Key => principal.map(|principal| principal.id.as_str()),
            By::Model => Some(meta.model.as_str()),
            By::Tag(name) => named(&meta.tags, name),
            By::Attribute(name) => named(&principal?.attributes, name),
        }
    }
}

impl Rule {
    /// Whether a request is one of those that it is for.
    pub(crate) fn is_for(&self, meta: &RequestMeta) -> bool {
        let fits = |(by, values): &(By, Vec<String>)| {
            by.of(meta)
                .is_some_and(|value| values.iter().any(|pattern| matches(pattern, value)))
        };
        self.only.iter().all(fits)
    }
}

/// A name, or with a `*` at its end all that begins like it.
fn matches(pattern: &str, value: &str) -> bool {
    match pattern.strip_suffix('*') {
        Some(beginning) => value.starts_with(beginning),
        None => pattern == value,
    }
}

impl Config {
    /// # Errors
    /// What is wrong, naming the member.
    pub(crate) fn parse(json: &str) -> Result<Config, String> {
        let value: Value =
            serde_json::from_str(json).map_err(|error| format!("is no JSON: {error}"))?;
        let members = object(&value, "the configuration")?;
        known(members, &["output_tokens", "currency", "rules"])?;
        let output_tokens = match members.get("output_tokens") {
            None => OUTPUT_TOKENS,
            Some(tokens) => tokens
                .as_u64()
                .and_then(|tokens| u32::try_from(tokens).ok())
                .ok_or("output_tokens: is no number of tokens")?,
        };
        let currency = match members.get("currency") {
            None => "USD".to_owned(),
            Some(Value::String(name)) => name.clone(),
            Some(_) => return Err("currency: is no text".to_owned()),
        };
        let rules = members.get("rules").and_then(Value::as_array);
        let rules = rules.ok_or(
            "rules: is missing; write at least one, such as `- { name: all, request_cap: 0.50 }`",
        )?;
        if rules.is_empty() || rules.len() > RULES_MAX {
            return Err(format!(
                "rules: there are {}; there may be 1 to {RULES_MAX}",
                rules.len()
            ));
        }
        let read = |(place, rule)| rule_of(rule).map_err(|why| format!("rules[{place}]: {why}"));
        let rules: Vec<Rule> = rules
            .iter()
            .enumerate()
            .map(read)
            .collect::<Result<_, _>>()?;
        for (place, rule) in rules.iter().enumerate() {
            if rules[..place].iter().any(|other| other.name == rule.name) {
                return Err(format!(
                    "rules[{place}]: there is a rule `{}` already",
                    rule.name
                ));
            }
        }
        Ok(Config {
            output_tokens,
            currency,
            rules,
        })
    }
}

fn rule_of(value: &Value) -> Result<Rule, String> {
    let members = object(value, "a rule")?;
    let names = [
        "name",
        "by",
        "only",
        "request_cap",
        "period_cap",
        "per",
        "prefer_cheaper_from",
    ];
    known(members, &names)?;
    let name = members.get("name").and_then(Value::as_str);
    let name = name
        .filter(|name| !name.is_empty())
        .ok_or("name: is missing; counters and messages are named by it")?;
    let by = match members.get("by") {
        None => By::All,
        Some(value) => value
            .as_str()
            .and_then(By::parse)
            .ok_or_else(|| format!("by: {value} is none of {}", By::FORMS))?,
    };
    let request_cap = amount(members, "request_cap")?;
    let period = match (amount(members, "period_cap")?, members.get("per")) {
        (None, None) if members.contains_key("prefer_cheaper_from") => {
            return Err("prefer_cheaper_from: goes with a period_cap".to_owned());
        }
        (None, None) => None,
        (None, Some(_)) => return Err("per: goes with a period_cap".to_owned()),
        (Some(amount), per) => Some(PeriodCap {
            amount,
            per: match per {
                None => Period::Month,
                Some(per) => per
                    .as_str()
                    .and_then(Period::parse)
                    .ok_or_else(|| format!("per: {per} is none of {}", Period::NAMES))?,
            },
            prefer_cheaper_from: share(members)?,
        }),
    };
    if request_cap.is_none() && period.is_none() {
        return Err("has neither a request_cap nor a period_cap".to_owned());
    }
    let (name, only) = (name.to_owned(), only_of(members)?);
    Ok(Rule {
        name,
        by,
        only,
        request_cap,
        period,
    })
}

fn only_of(members: &Map<String, Value>) -> Result<Vec<(By, Vec<String>)>, String> {
    let Some(only) = members.get("only") else {
        return Ok(Vec::new());
    };
    let mut wanted = Vec::new();
    for (name, values) in object(only, "only")? {
        let by = By::parse(name).filter(|by| *by != By::All);
        let by = by.ok_or_else(|| format!("only.{name}: is none of {}", By::FORMS))?;
        let values = match values {
            Value::String(value) => vec![value.clone()],
            Value::Array(values) => values
                .iter()
                .map(|value| value.as_str().map(str::to_owned))
                .collect::<Option<_>>()
                .ok_or_else(|| format!("only.{name}: is no list of texts"))?,
            _ => {
                return Err(format!(
                    "only.{name}: is neither a text nor a list of texts"
                ));
            }
        };
        wanted.push((by, values));
    }
    Ok(wanted)
}

fn amount(members: &Map<String, Value>, name: &str) -> Result<Option<Nanos>, String> {
    match members.get(name) {
        None => Ok(None),
        Some(value) => Nanos::parse(value)
            .map(Some)
            .ok_or_else(|| format!("{name}: {value} is no amount such as 2.50")),
    }
}

/// `70%` or `0.7`.
fn share(members: &Map<String, Value>) -> Result<f64, String> {
    let share = match members.get("prefer_cheaper_from") {
        None => return Ok(PREFER_CHEAPER_FROM),
        Some(Value::String(text)) => text
            .strip_suffix('%')
            .and_then(|text| text.parse::<f64>().ok())
            .map(|percent| percent / 100.0),
        Some(value) => value.as_f64(),
    };
    share
        .filter(|share| (0.0..=1.0).contains(share))
        .ok_or_else(|| "prefer_cheaper_from: is no share such as 70%".to_owned())
}

fn object<'v>(value: &'v Value, what: &str) -> Result<&'v Map<String, Value>, String> {
    value
        .as_object()
        .ok_or_else(|| format!("{what} is no mapping"))
}

fn known(members: &Map<String, Value>, names: &[&str]) -> Result<(), String> {
    match members.keys().find(|name| !names.contains(&name.as_str())) {
        None => Ok(()),
        Some(name) => Err(format!(
            "{name}: there is no such setting; there are {}",
            names.join(", ")
        )),
    }
}
