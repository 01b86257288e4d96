//! Patterns of `matches` and networks of `inCidr`, compiled once: at load where they are literals, else kept for a while.
//! They are values that only these functions take. It must not know how expressions are read.

use std::any::Any;
use std::net::IpAddr;
use std::sync::Mutex;

use cel::common::types::{CelBool, CelString, STRING_TYPE, Type};
use cel::common::value::{CowVal, StaticVal, Val};
use cel::{DeclarationError, Env, ExecutionError};
use ipnet::IpNet;
use regex::{Regex, RegexBuilder};

use super::bounds::{PATTERN_BYTES_MAX, PATTERNS_KEPT_MAX};

static PATTERN: Type = Type::new_unspecified_type("weir.pattern");
static PATTERNS: Type = Type::new_unspecified_type("weir.patterns");
static NETWORK: Type = Type::new_unspecified_type("weir.network");

/// A pattern that is written in the expression.
#[derive(Debug, Clone)]
pub(super) struct Pattern(Regex);

/// The last few patterns that an expression has made up.
#[derive(Debug, Default)]
pub(super) struct Patterns(Mutex<Vec<Regex>>);

/// Networks, of which an address is to be in one.
#[derive(Debug, Clone)]
pub(super) struct Networks(Vec<IpNet>);

impl Pattern {
    /// # Errors
    /// What is wrong with it, as the end of a sentence.
    pub(super) fn parse(text: &str) -> Result<Pattern, String> {
        compiled(text).map(Pattern)
    }
}

impl Patterns {
    fn matches(&self, text: &str, pattern: &str) -> Result<bool, String> {
        let mut kept = self
            .0
            .lock()
            .unwrap_or_else(|poisoned| poisoned.into_inner());
        if let Some(place) = kept.iter().position(|regex| regex.as_str() == pattern) {
            return Ok(kept[place].is_match(text));
        }
        let regex = compiled(pattern)?;
        let is_match = regex.is_match(text);
        if kept.len() >= PATTERNS_KEPT_MAX {
            kept.remove(0);
        }
        kept.push(regex);
        Ok(is_match)
    }
}

impl Networks {
    /// # Errors
    /// What is wrong with one of them, as the end of a sentence.
    pub(super) fn parse<'t>(texts: impl IntoIterator<Item = &'t str>) -> Result<Networks, String> {
        let network = |text: &str| match text.parse::<IpAddr>() {
            Ok(address) => Ok(IpNet::from(address)),
            Err(_) => text
                .parse::<IpNet>()
                .map_err(|_| format!("`{text}` is no address and no network such as `10.0.0.0/8`")),
        };
        texts
            .into_iter()
            .map(network)
            .collect::<Result<_, _>>()
            .map(Networks)
    }

    /// What is no address is in no network.
    fn contain(&self, address: &str) -> bool {
        let Ok(address) = address.parse::<IpAddr>() else {
            return false;
        };
        let address = address.to_canonical();
        self.0.iter().any(|network| network.contains(&address))
    }
}

fn compiled(pattern: &str) -> Result<Regex, String> {
    let built = RegexBuilder::new(pattern)
        .size_limit(PATTERN_BYTES_MAX)
        .build();
    built.map_err(|error| match error {
        regex::Error::CompiledTooBig(_) => "is too large a pattern".to_owned(),
        other => {
            let cause = other.to_string();
            let last = cause.lines().last().unwrap_or_default().trim();
            format!("is not a regular expression: {last}")
        }
    })
}

/// The functions, for the environment of all expressions.
pub(super) fn declare(env: &mut Env) -> Result<(), DeclarationError> {
    let text = || STRING_TYPE;
    env.add_overload(
        MATCHES,
        "weir_matches_literal",
        vec![text(), owned(&PATTERN)],
        |args| {
            let (text, pattern) = (text_of(&args, 0)?, args[1].downcast_ref::<Pattern>());
            let pattern = pattern.ok_or_else(|| failed("matches", "no pattern"))?;
            Ok(flag(pattern.0.is_match(text)))
        },
    )?;
    env.add_overload(
        MATCHES,
        "weir_matches",
        vec![text(), text(), owned(&PATTERNS)],
        |args| {
            let kept = args[2].downcast_ref::<Patterns>();
            let kept = kept.ok_or_else(|| failed("matches", "no pattern"))?;
            let is_match = kept.matches(text_of(&args, 0)?, text_of(&args, 1)?);
            is_match.map(flag).map_err(|why| failed("matches", &why))
        },
    )?;
    env.add_overload(
        IN_CIDR,
        "weir_in_networks",
        vec![text(), owned(&NETWORK)],
        |args| {
            let networks = args[1].downcast_ref::<Networks>();
            let networks = networks.ok_or_else(|| failed("inCidr", "no network"))?;
            Ok(flag(networks.contain(text_of(&args, 0)?)))
        },
    )?;
    env.add_overload(IN_CIDR, "weir_in_network", vec![text(), text()], |args| {
        let network = Networks::parse([text_of(&args, 1)?]);
        let network = network.map_err(|_| failed("inCidr", "the network is none"))?;
        Ok(flag(network.contain(text_of(&args, 0)?)))
    })
}

/// What calls of `matches` and `inCidr` become. Nobody can write these names.
pub(super) const MATCHES: &str = "@matches";
pub(super) const IN_CIDR: &str = "@in_cidr";

fn owned(of: &Type) -> Type {
    Type::to_owned(of)
}

fn flag<'b, 'v>(flag: bool) -> CowVal<'b, 'v> {
    CowVal::owned(CelBool::from(flag))
}

fn failed(function: &str, message: &str) -> ExecutionError {
    ExecutionError::function_error(function, message)
}

fn text_of<'a>(args: &'a [CowVal<'_, '_>], place: usize) -> Result<&'a str, ExecutionError> {
    let text = args[place].downcast_ref::<CelString>();
    text.map(CelString::inner)
        .ok_or_else(|| failed("string", "no text"))
}

/// A value that only functions of weir's own look into.
macro_rules! opaque {
    ($name:ident, $of:ident) => {
        impl Val for $name {
            fn get_type(&self) -> &Type {
                &$of
            }
            fn cel_type() -> &'static Type {
                &$of
            }
            fn clone_as_boxed<'v>(&self) -> Box<dyn Val + 'v> {
                Box::new(self.clone())
            }
            fn as_any(&self) -> Option<&dyn Any> {
                Some(self)
            }
        }
        impl StaticVal for $name {}
    };
}

opaque!(Pattern, PATTERN);
opaque!(Patterns, PATTERNS);
opaque!(Networks, NETWORK);

/// Copies begin with nothing kept.
impl Clone for Patterns {
    fn clone(&self) -> Patterns {
        Patterns::default()
    }
}
