//! An exchange for tests: every field has a value, but those that may be absent.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, SystemTime};

use http::HeaderMap;
use serde_json::{Value, json};

use crate::expr::{CallerField, Fact, Facts, OutcomeField, RequestField, TargetField};

pub(super) struct Exchange {
    pub body: Option<Value>,
    pub headers: HeaderMap,
    pub query: Vec<(String, String)>,
    pub tags: BTreeMap<String, String>,
    pub claims: Value,
    pub client_ip: String,
    /// How often the body was asked for.
    pub bodies: AtomicU32,
}

impl Exchange {
    pub(super) fn of(body: Value) -> Exchange {
        let mut headers = HeaderMap::new();
        for (name, value) in [
            ("x-team", "core"),
            ("user-agent", "sdk/1"),
            ("authorization", "Bearer sk-secret"),
            ("cookie", "a=b"),
        ] {
            headers.insert(name, value.parse().expect("it is a value"));
        }
        let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        Exchange {
            body: Some(body),
            headers,
            query: vec![pair("beta", "true"), pair("key", "AIza-secret")],
            tags: BTreeMap::from([pair("plan", "gold")]),
            claims: json!({"groups": ["staff", "ops"], "level": 3}),
            client_ip: "10.1.2.3".to_owned(),
            bodies: AtomicU32::new(0),
        }
    }
}

impl Facts for Exchange {
    /// A Friday, 22:30 in UTC.
    fn now(&self) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_secs(1_795_213_800)
    }

    fn caller(&self, field: CallerField) -> Fact<'_> {
        match field {
            CallerField::Known => Fact::Flag(true),
            CallerField::Tenant => Fact::text("acme"),
            CallerField::Project | CallerField::User => Fact::Absent,
            CallerField::Key => Fact::text("ci"),
            CallerField::Scopes => Fact::Texts(vec!["usage:read".into(), "admin".into()]),
            CallerField::Priority => Fact::text("normal"),
            CallerField::Tags => Fact::Named(&self.tags),
            CallerField::Claims => Fact::Json(&self.claims),
        }
    }

    fn request(&self, field: RequestField) -> Fact<'_> {
        match field {
            RequestField::Id => Fact::text("01J"),
            RequestField::Operation => Fact::text("chat"),
            RequestField::Dialect => Fact::text("chat"),
            RequestField::Model => Fact::text("gpt-5"),
            RequestField::Stream => Fact::Flag(true),
            RequestField::Method => Fact::text("POST"),
            RequestField::Path => Fact::text("/v1/chat/completions"),
            RequestField::Headers => Fact::Named(&self.headers),
            RequestField::Query => Fact::Named(&self.query),
            RequestField::ClientIp => Fact::text(&self.client_ip),
            RequestField::PromptTokens => Fact::count(1200),
            RequestField::MaxOutputTokens => Fact::Absent,
            RequestField::BodyBytes => Fact::count(5000),
            RequestField::MessageCount => Fact::count(3),
            RequestField::HasTools | RequestField::HasImages => Fact::Flag(false),
            RequestField::Session => Fact::Absent,
            RequestField::Tags => Fact::Named(&self.tags),
            RequestField::Body => {
                self.bodies.fetch_add(1, Ordering::Relaxed);
                self.body.as_ref().map_or(Fact::Absent, Fact::Json)
            }
        }
    }

    fn target(&self, field: TargetField) -> Fact<'_> {
        match field {
            TargetField::Upstream => Fact::text("gpu-a"),
            TargetField::Endpoint => Fact::text("10.0.0.11:8000"),
            TargetField::Kind => Fact::text("vllm"),
            TargetField::Model => Fact::text("llama"),
            TargetField::Region => Fact::Absent,
            TargetField::Tier => Fact::Whole(0),
            TargetField::Healthy => Fact::Flag(true),
            TargetField::InFlight => Fact::count(4),
            TargetField::InputPrice => Fact::Decimal(0.5),
            TargetField::OutputPrice => Fact::Decimal(1.5),
            TargetField::Labels => Fact::Named(&self.tags),
        }
    }

    fn outcome(&self, field: OutcomeField) -> Fact<'_> {
        match field {
            OutcomeField::Status => Fact::Whole(200),
            OutcomeField::Fault => Fact::Absent,
            OutcomeField::Headers => Fact::Named(&self.headers),
            OutcomeField::InputTokens => Fact::count(1180),
            OutcomeField::OutputTokens => Fact::count(300),
            OutcomeField::CachedTokens | OutcomeField::ReasoningTokens => Fact::count(0),
            OutcomeField::Cost => Fact::Decimal(0.0021),
            OutcomeField::Attempts => Fact::count(1),
            OutcomeField::FirstByte => Fact::Span(Duration::from_millis(250)),
            OutcomeField::Duration => Fact::Span(Duration::from_millis(2500)),
        }
    }
}
