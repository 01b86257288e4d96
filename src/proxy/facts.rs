//! An exchange as expressions of the configuration see it, and what follows of what they say. It must not know what they are for.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::time::SystemTime;

use serde_json::Value;
use tracing::warn;

use crate::config::Rule;
use crate::expr::{CallerField, Fact, Facts, RequestField};
use crate::plugin::View;
use crate::terms::Priority;

use super::caller::Calling;
use super::view::ExchangeView;

/// What is true of an exchange before it is sent anywhere.
pub struct RequestFacts<'e> {
    pub view: &'e ExchangeView,
    pub calling: &'e Calling,
    tags: BTreeMap<String, String>,
    caller_tags: BTreeMap<String, String>,
    query: BTreeMap<String, String>,
    scopes: Vec<&'static str>,
    claims: Value,
    priority: &'static str,
}

impl<'e> RequestFacts<'e> {
    pub fn new(view: &'e ExchangeView, calling: &'e Calling) -> RequestFacts<'e> {
        let caller = calling.caller.as_deref();
        let claims = caller.and_then(|caller| caller.grant.as_ref());
        let claims = claims.map_or(Value::Null, |grant| {
            let claims = grant.tags.iter().map(|(name, value)| {
                let value = Value::String(value.clone());
                (name.clone(), value)
            });
            Value::Object(claims.collect())
        });
        RequestFacts {
            view,
            calling,
            tags: view.tags().iter().cloned().collect(),
            caller_tags: caller.map(|caller| caller.tags()).unwrap_or_default(),
            query: view.query(),
            scopes: caller.map(super::view::scopes).unwrap_or_default(),
            claims,
            priority: caller.map_or("", |caller| match caller.priority() {
                Priority::Interactive => "interactive",
                Priority::Normal => "normal",
                Priority::Batch => "batch",
            }),
        }
    }

    /// Whether a condition holds; `unclear` where that cannot be told, which is said in the log.
    pub fn holds(&self, rule: &Rule, unclear: bool) -> bool {
        rule.0.holds(self).unwrap_or_else(|error| {
            let expression = rule.0.text();
            warn!(expression, %error, taken_for = unclear, "an expression cannot be evaluated");
            unclear
        })
    }

    /// A text, where it can be told and is not empty.
    pub fn text(&self, rule: &Rule) -> Option<String> {
        let text = rule.0.evaluate_text(self).ok();
        text.filter(|text| !text.is_empty())
    }
}

impl Facts for RequestFacts<'_> {
    fn now(&self) -> SystemTime {
        SystemTime::now()
    }

    fn caller(&self, field: CallerField) -> Fact<'_> {
        let Some(caller) = self.calling.caller.as_deref() else {
            return match field {
                CallerField::Known => Fact::Flag(false),
                _ => Fact::Absent,
            };
        };
        match field {
            CallerField::Known => Fact::Flag(true),
            CallerField::Tenant => Fact::text(caller.tenant_id()),
            CallerField::Project => Fact::text_or_absent(caller.project_id()),
            CallerField::User => Fact::text_or_absent(caller.user_id()),
            CallerField::Key => Fact::text_or_absent(caller.key_label()),
            CallerField::Scopes => {
                let scopes = self.scopes.iter().copied().map(Cow::Borrowed);
                Fact::Texts(scopes.collect())
            }
            CallerField::Priority => Fact::text(self.priority),
            CallerField::Tags => Fact::Named(&self.caller_tags),
            CallerField::Claims => Fact::Json(&self.claims),
        }
    }

    fn request(&self, field: RequestField) -> Fact<'_> {
        let view = self.view;
        match field {
            RequestField::Id => Fact::text(view.id()),
            RequestField::Operation => Fact::text(view.facts().operation.label()),
            RequestField::Dialect => Fact::text(view.facts().dialect.name()),
            RequestField::Model => Fact::text(view.model()),
            RequestField::Stream => Fact::Flag(view.is_stream()),
            RequestField::Method => Fact::text(view.method()),
            RequestField::Path => Fact::text(view.path()),
            RequestField::Headers => Fact::Named(view.headers()),
            RequestField::Query => Fact::Named(&self.query),
            RequestField::ClientIp => Fact::text(view.client_ip()),
            RequestField::PromptTokens => Fact::count(view.facts().size.input_estimate),
            RequestField::MaxOutputTokens => match view.facts().size.output_max {
                Some(most) => Fact::count(most),
                None => Fact::Absent,
            },
            RequestField::BodyBytes => Fact::count(view.body().len() as u64),
            RequestField::MessageCount => Fact::count(view.meta().message_count.into()),
            RequestField::HasTools => Fact::Flag(view.meta().has_tools),
            RequestField::HasImages => Fact::Flag(view.meta().has_images),
            RequestField::Session => Fact::text_or_absent(view.facts().session.as_deref()),
            RequestField::Tags => Fact::Named(&self.tags),
            RequestField::Body => view.json().map_or(Fact::Absent, Fact::Json),
        }
    }
}
