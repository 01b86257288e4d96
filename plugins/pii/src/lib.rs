//! A guard for personal data and secrets: finds them in requests, answers and streams, and masks them, hashes them, or refuses
//! what has them. It can put masked values back on the way to the client.

mod action;
mod body;
mod config;
mod custom;
mod detect;
mod json;
mod kinds;
mod masker;
mod report;
mod scan;
mod stream;
mod text;
mod vault;

use std::sync::Arc;

use serde_json::Value;
use weir_plugin::{Edit, Guard, Host, PluginError, ResponseHead, Segment, Verdict, Wants};

use action::Hasher;
use config::{Config, Direction};
use masker::{Masker, Rules};
use report::Place;
pub use stream::Stream;
use vault::{Restored, Vault};

weir_plugin::guard!(Pii);

/// The guard.
pub struct Pii {
    config: Config,
    /// For answers that nothing is looked for in, but that get their values back.
    no_rules: Arc<Rules>,
}

impl Guard for Pii {
    type Stream = Stream;

    fn configure(config_json: &str) -> Result<Pii, String> {
        Ok(Pii {
            config: config::parse(config_json)?,
            no_rules: Arc::new(config::no_rules()),
        })
    }

    fn wants(&self) -> Wants {
        let finds =
            |direction: &Option<Direction>| direction.as_ref().is_some_and(|d| d.rules.finds());
        let answers = finds(&self.config.answers) || self.config.restore;
        Wants {
            requests: finds(&self.config.requests),
            answers,
            streams: answers,
            whole_answers: false,
        }
    }

    fn on_request(&mut self, host: &dyn Host) -> Result<Verdict, PluginError> {
        let Some(direction) = &self.config.requests else {
            return Ok(Verdict::Pass);
        };
        let mut masker = Masker::new(Arc::clone(&direction.rules));
        masker.hasher = self.hasher(host, &direction.rules)?;
        let segments = host.request_segments();
        let body = if direction.tool_calls {
            read_body(host.request_body())
        } else {
            None
        };
        if self.config.restore {
            masker.vault = Some(reserved(&direction.rules, &segments, body.as_ref()));
        }
        let looked_at = |segment: &&Segment| direction.roles.contains(&segment.role);
        let mut edits = edits(
            &mut masker,
            segments.iter().filter(looked_at),
            body.as_ref(),
            &segments,
        );
        if let Some(tag) = &self.config.tag
            && let Some(kinds) = kinds_found(&masker)
        {
            edits.push(Edit::SetTag(tag.clone(), kinds));
        }
        self.keep(host, masker.vault.take())?;
        Ok(
            match self.config.report.settle(host, &mut masker, Place::Request) {
                Some(refusal) => Verdict::Reject(refusal),
                None if edits.is_empty() => Verdict::Pass,
                None => Verdict::Edit(edits),
            },
        )
    }

    fn on_response(&mut self, host: &dyn Host) -> Result<Verdict, PluginError> {
        let Some(mut masker) = self.answer_masker(host)? else {
            return Ok(Verdict::Pass);
        };
        let tool_calls = self
            .config
            .answers
            .as_ref()
            .is_none_or(|direction| direction.tool_calls);
        let segments = host.response_segments();
        let body = if tool_calls {
            read_body(host.response_body())
        } else {
            None
        };
        let edits = edits(&mut masker, segments.iter(), body.as_ref(), &segments);
        Ok(
            match self.config.report.settle(host, &mut masker, Place::Answer) {
                Some(refusal) => Verdict::Reject(refusal),
                None if edits.is_empty() => Verdict::Pass,
                None => Verdict::Edit(edits),
            },
        )
    }

    fn stream(&mut self, host: &dyn Host, _head: ResponseHead) -> Stream {
        Stream::new(self.answer_masker(host), self.config.report.clone())
    }
}

/// What a value was replaced by lives as long as the exchange may, and a little longer.
const KEPT_MS_SLACK: u64 = 60_000;
const KEPT_MS_MAX: u64 = 3_600_000;

impl Pii {
    fn hasher(&self, host: &dyn Host, rules: &Rules) -> Result<Option<Hasher>, PluginError> {
        if !rules.hashes() {
            return Ok(None);
        }
        let name = &self.config.hash_secret;
        let secret = host.secret(name).filter(|secret| !secret.is_empty());
        let secret = secret.ok_or_else(|| {
            PluginError::Permanent(format!(
                "values are to be hashed, and the secret `{name}` is not granted to this plugin"
            ))
        })?;
        let tenant = host
            .meta()
            .principal
            .and_then(|principal| principal.tenant)
            .unwrap_or_default();
        Ok(Some(Hasher::new(&secret, &tenant)))
    }

    /// Keeps what the answer gets back. An instance serves many exchanges, and an exchange may be served by several instances of
    /// which one may be gone by then: only the host's store is there for all of them.
    fn keep(&self, host: &dyn Host, vault: Option<Vault>) -> Result<(), PluginError> {
        let Some(vault) = vault.filter(|vault| !vault.is_empty()) else {
            return Ok(());
        };
        let ttl_ms = (u64::from(host.meta().deadline_ms) + KEPT_MS_SLACK).min(KEPT_MS_MAX);
        host.kv_set(&kept_as(host), &vault.to_bytes(), Some(ttl_ms))
            .map_err(|error| {
                PluginError::Permanent(format!(
                    "masked values cannot be kept for the answer: {error}"
                ))
            })
    }

    /// None where answers are passed on as they are.
    fn answer_masker(&self, host: &dyn Host) -> Result<Option<Masker>, PluginError> {
        let restored = if self.config.restore {
            self.kept(host)?
        } else {
            None
        };
        let rules = match &self.config.answers {
            Some(direction) => &direction.rules,
            None if restored.is_none() => return Ok(None),
            None => &self.no_rules,
        };
        let mut masker = Masker::new(Arc::clone(rules));
        masker.hasher = self.hasher(host, rules)?;
        masker.restored = restored;
        Ok(Some(masker))
    }

    fn kept(&self, host: &dyn Host) -> Result<Option<Restored>, PluginError> {
        let kept = host.kv_get(&kept_as(host)).map_err(|error| {
            PluginError::Permanent(format!(
                "masked values cannot be put back into the answer: {error}"
            ))
        })?;
        Ok(kept.and_then(|bytes| Restored::from_bytes(&bytes)))
    }
}

/// Clients may choose the id of a request: nobody gets at another caller's values with it.
fn kept_as(host: &dyn Host) -> String {
    let meta = host.meta();
    let (tenant, caller) = meta
        .principal
        .map(|p| (p.tenant.unwrap_or_default(), p.id))
        .unwrap_or_default();
    let parts = [tenant, caller, meta.id].map(|part| format!("{}:{part}", part.len()));
    format!("restore/{}", parts.join("/"))
}

fn read_body(body: Vec<u8>) -> Option<Value> {
    if !body::may_have_arguments(&body) {
        return None;
    }
    serde_json::from_slice(&body).ok()
}

/// A vault that gives out no placeholder which stands in the request already.
fn reserved(rules: &Rules, segments: &[Segment], body: Option<&Value>) -> Vault {
    let mut vault = Vault::default();
    let body = body.map(Value::to_string);
    for (place, action) in rules.actions.iter().enumerate() {
        if let action::Action::Mask(mask) = action {
            let texts = segments
                .iter()
                .map(|segment| segment.text.as_str())
                .chain(body.as_deref());
            texts.for_each(|text| vault.reserve(place, &mask.placeholder.0, text));
        }
    }
    vault
}

/// All edits that mask the texts, and the arguments in the body that are no texts.
fn edits<'a>(
    masker: &mut Masker,
    texts: impl Iterator<Item = &'a Segment>,
    body: Option<&Value>,
    segments: &[Segment],
) -> Vec<Edit> {
    let mut edits: Vec<Edit> = texts
        .filter_map(|segment| {
            masker
                .whole(&segment.text)
                .map(|text| Edit::SetSegment(segment.index, text))
        })
        .collect();
    let arguments = body.map(body::arguments).unwrap_or_default();
    for argument in arguments {
        // Where a dialect's results are texts for people, they were masked as such.
        let below = format!("{}/", argument.pointer);
        if segments
            .iter()
            .any(|s| s.pointer == argument.pointer || s.pointer.starts_with(&below))
        {
            continue;
        }
        let masked = match argument.value {
            Value::String(text) => {
                json::whole_arguments(masker, text).map(|text| Value::from(text).to_string())
            }
            value => json::whole_arguments(masker, &value.to_string()),
        };
        edits.extend(masked.map(|json| Edit::SetJson(argument.pointer, json)));
    }
    edits
}

/// Names of the kinds that were found: `card,email`.
fn kinds_found(masker: &Masker) -> Option<String> {
    let found = masker
        .counts
        .iter()
        .zip(&masker.rules.names)
        .filter(|(count, _)| **count > 0);
    let names: Vec<&str> = found.map(|(_, name)| name.as_str()).collect();
    (!names.is_empty()).then(|| names.join(","))
}
