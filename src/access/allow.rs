//! What an allowance comes to: patterns made ready once, asked for every request.
//! It must not know whose allowance it is.

use std::net::IpAddr;
use std::sync::Arc;

use ipnet::IpNet;

use crate::terms::ModelPattern;

use super::records::Allow;

/// Patterns in one list.
const PATTERNS_MAX: usize = 256;
/// Characters of a pattern.
const PATTERN_CHARACTERS_MAX: usize = 256;

/// An [`Allow`] whose patterns have been read. An empty list allows everything.
#[derive(Debug, Clone, Default)]
pub struct Allowance {
    models: Box<[Pattern]>,
    operations: Box<[Pattern]>,
    addresses: Box<[IpNet]>,
}

/// As [`ModelPattern`], which it reads with. A compiled regular expression takes kilobytes, and a hundred thousand keys may
/// each have a glob; so names and globs are kept as they are written.
#[derive(Debug, Clone)]
enum Pattern {
    Name(Box<str>),
    Glob(Box<str>),
    Regex(Arc<ModelPattern>),
}

impl Pattern {
    fn parse(text: &str) -> Result<Pattern, String> {
        let is_regex = text.len() > 1 && text.starts_with('/') && text.ends_with('/');
        let is_glob = text.contains(['*', '?']);
        if is_glob && !is_regex {
            return Ok(Pattern::Glob(text.into()));
        }
        let read = ModelPattern::parse(text)?;
        Ok(match read.is_name() {
            true => Pattern::Name(text.into()),
            false => Pattern::Regex(Arc::new(read)),
        })
    }

    fn matches(&self, text: &str) -> bool {
        match self {
            Pattern::Name(name) => **name == *text,
            Pattern::Glob(glob) => is_match(glob, text),
            Pattern::Regex(pattern) => pattern.matches(text),
        }
    }
}

/// `*` is any text, `?` one character. Goes back to the last `*` only, so it takes no longer than one length times the other.
fn is_match(glob: &str, text: &str) -> bool {
    let (mut glob, mut text) = (glob.chars(), text.chars());
    let mut last_star = None;
    loop {
        let rest = text.clone();
        let fits = match (glob.next(), text.next()) {
            (Some('*'), _) => {
                text = rest;
                last_star = Some((glob.clone(), text.clone()));
                true
            }
            (Some(wanted), Some(character)) => wanted == '?' || wanted == character,
            (None, None) => return true,
            (Some(_), None) | (None, Some(_)) => false,
        };
        if fits {
            continue;
        }
        // The star takes one character more.
        let Some((after, from)) = &mut last_star else {
            return false;
        };
        if from.next().is_none() {
            return false;
        }
        (glob, text) = (after.clone(), from.clone());
    }
}

impl Allowance {
    /// # Errors
    /// Each pattern that is none, and what is wrong with it, in sentences that begin with its place.
    pub fn read(allow: &Allow) -> Result<Allowance, Vec<String>> {
        let mut problems = Vec::new();
        let allowance = Allowance {
            models: read_list("models", &allow.models, Pattern::parse, &mut problems),
            operations: read_list("operations", &allow.operations, operation, &mut problems),
            addresses: read_list("addresses", &allow.addresses, network, &mut problems),
        };
        match problems.is_empty() {
            true => Ok(allowance),
            false => Err(problems),
        }
    }

    pub fn allows_model(&self, model: &str) -> bool {
        is_allowed(&self.models, |pattern| pattern.matches(model))
    }

    /// Whether the operation of this label ([`crate::wire::Operation::label`]) may be asked.
    pub fn allows_operation(&self, label: &str) -> bool {
        is_allowed(&self.operations, |pattern| pattern.matches(label))
    }

    pub fn allows_address(&self, address: IpAddr) -> bool {
        is_allowed(&self.addresses, |network| network.contains(&address))
    }
}

fn is_allowed<T>(list: &[T], matches: impl Fn(&T) -> bool) -> bool {
    list.is_empty() || list.iter().any(matches)
}

fn read_list<T>(
    name: &str,
    texts: &[String],
    read: impl Fn(&str) -> Result<T, String>,
    problems: &mut Vec<String>,
) -> Box<[T]> {
    if texts.len() > PATTERNS_MAX {
        let count = texts.len();
        problems.push(format!(
            "allow.{name}: has {count} entries; at most {PATTERNS_MAX} are taken"
        ));
        return Box::default();
    }
    let mut list = Vec::with_capacity(texts.len());
    for (index, text) in texts.iter().enumerate() {
        let read = match text.len() <= PATTERN_CHARACTERS_MAX {
            true => read(text),
            false => Err(format!(
                "is longer than {PATTERN_CHARACTERS_MAX} characters"
            )),
        };
        match read {
            Ok(one) => list.push(one),
            Err(problem) => problems.push(format!("allow.{name}[{index}]: `{text}` {problem}")),
        }
    }
    list.into()
}

/// A name or a glob. Regular expressions are for models, whose names are not weir's.
fn operation(text: &str) -> Result<Pattern, String> {
    let is_name = |byte: u8| byte.is_ascii_lowercase() || b"_*?".contains(&byte);
    match text.bytes().all(is_name) {
        true => Pattern::parse(text),
        false => Err("is not an operation; write its name (`chat`) or a glob (`image_*`)".into()),
    }
}

/// A network, or an address for itself. What is written in IPv6 for an IPv4 address is that address.
pub fn network(text: &str) -> Result<IpNet, String> {
    let address = text
        .parse::<IpAddr>()
        .map(|address| IpNet::from(address.to_canonical()));
    let network = address.or_else(|_| text.parse::<IpNet>());
    network.map(|network| network.trunc()).map_err(|_| {
        "is not a network; write for example `10.0.0.0/8`, `2001:db8::/32` or an address".into()
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn patterns_match_what_those_of_routes_match(pattern in "[ab*?ä]{1,8}", text in "[abä\n]{0,10}") {
            let expected = ModelPattern::parse(&pattern).unwrap().matches(&text);
            prop_assert_eq!(Pattern::parse(&pattern).unwrap().matches(&text), expected);
        }
    }

    #[test]
    fn what_is_written_like_a_path_is_no_regular_expression_by_chance() {
        for text in ["/", "//", "/*/", "/a*", "*/", " ", ""] {
            let expected = ModelPattern::parse(text).map(|pattern| pattern.matches("/ab"));
            let read = Pattern::parse(text).map(|pattern| pattern.matches("/ab"));
            assert_eq!(read, expected, "{text}");
        }
    }

    fn read(json: &str) -> Result<Allowance, Vec<String>> {
        Allowance::read(&serde_json::from_str(json).unwrap())
    }

    #[test]
    fn empty_lists_allow_everything_and_others_only_what_they_name() {
        let all = read("{}").unwrap();
        let address = |text: &str| text.parse::<IpAddr>().unwrap();
        assert!(all.allows_model("") && all.allows_operation("chat"));
        assert!(all.allows_address(address("::1")));
        let some = read(
            r#"{"models":["gpt-5","llama-*","/^qwen[23]$/"],"operations":["chat","image_*"],
                "addresses":["10.1.2.3/8","192.0.2.7","2001:db8::/32","::ffff:198.51.100.1"]}"#,
        )
        .unwrap();
        for (model, expected) in [
            ("gpt-5", true),
            ("gpt-5-mini", false),
            ("llama-70b", true),
            ("qwen3", true),
            ("qwen34", false),
            ("", false),
        ] {
            assert_eq!(some.allows_model(model), expected, "{model}");
        }
        for (operation, expected) in [("chat", true), ("image_edit", true), ("speech", false)] {
            assert_eq!(some.allows_operation(operation), expected, "{operation}");
        }
        for (text, expected) in [
            ("10.255.0.1", true),
            ("11.0.0.1", false),
            ("192.0.2.7", true),
            ("192.0.2.8", false),
            ("2001:db8:1::1", true),
            ("2001:db9::1", false),
            ("198.51.100.1", true),
        ] {
            assert_eq!(some.allows_address(address(text)), expected, "{text}");
        }
    }

    #[test]
    fn every_pattern_that_is_none_is_named() {
        let problems = read(r#"{"models":["ok","/(/"],"operations":["Chat","/x/"],"addresses":["10.0.0.0/33","host"]}"#)
            .unwrap_err();
        let places: Vec<_> = problems
            .iter()
            .map(|text| text.split(':').next().unwrap())
            .collect();
        assert_eq!(
            places,
            [
                "allow.models[1]",
                "allow.operations[0]",
                "allow.operations[1]",
                "allow.addresses[0]",
                "allow.addresses[1]"
            ]
        );
        let many = Allow {
            models: vec!["a".into(); PATTERNS_MAX + 1],
            ..Allow::default()
        };
        assert_eq!(Allowance::read(&many).unwrap_err().len(), 1);
    }
}
