//! A guard against prompt injection and jailbreaks: gives texts a score from what attacks look like, tags, flags or refuses
//! requests by it, and watches answers for a canary. It is a heuristic: what it lets pass is not safe.

mod canary;
mod config;
mod decode;
mod features;
mod judge;
mod lexicon;
mod normal;

use weir_plugin::{
    Edit, Guard, Header, Host, Level, PluginError, Rejection, RequestMeta, ResponseHead, Role,
    Segment, Verdict, Wants,
};

pub use canary::Stream;
use canary::Watch;
use config::{Config, Token};
pub use judge::{JUDGED_BYTES_MAX, Judge, Score, Source};

weir_plugin::guard!(Injection);

/// The guard.
pub struct Injection {
    config: Config,
    judge: Judge,
}

impl Guard for Injection {
    type Stream = Stream;

    fn configure(config_json: &str) -> Result<Injection, String> {
        let config = config::parse(config_json)?;
        let judge = Judge::new(config.allowed.phrases.clone());
        Ok(Injection { config, judge })
    }

    fn wants(&self) -> Wants {
        let watches = self.config.canary.is_some();
        Wants {
            requests: true,
            answers: watches,
            streams: watches,
            whole_answers: false,
        }
    }

    fn on_request(&mut self, host: &dyn Host) -> Result<Verdict, PluginError> {
        let segments = host.request_segments();
        let mut edits = Vec::new();
        if !self.is_allowed(&host.meta()) {
            let score = self.score(&segments);
            match self.judged(host, &score) {
                Ok(edit) => edits = edit,
                Err(refusal) => return Ok(Verdict::Reject(refusal)),
            }
        }
        edits.extend(self.with_canary(host, &segments)?);
        Ok(if edits.is_empty() {
            Verdict::Pass
        } else {
            Verdict::Edit(edits)
        })
    }

    fn on_response(&mut self, host: &dyn Host) -> Result<Verdict, PluginError> {
        let Some(watch) = self.watch(host)? else {
            return Ok(Verdict::Pass);
        };
        let body = host.response_body();
        let leaked = host
            .response_segments()
            .iter()
            .any(|segment| watch.is_in(&segment.text))
            || watch.is_in(&String::from_utf8_lossy(&body));
        Ok(if leaked {
            Verdict::Reject(watch.refusal(host))
        } else {
            Verdict::Pass
        })
    }

    fn stream(&mut self, host: &dyn Host, _head: ResponseHead) -> Stream {
        // Without its secret the request was not let through.
        Stream::new(self.watch(host).ok().flatten())
    }
}

impl Injection {
    fn is_allowed(&self, meta: &RequestMeta) -> bool {
        let allowed = &self.config.allowed;
        let principal = meta.principal.as_ref();
        allowed.models.contains(&meta.model)
            || principal.is_some_and(|p| allowed.callers.contains(&p.id))
            || principal
                .and_then(|p| p.tenant.as_ref())
                .is_some_and(|tenant| allowed.tenants.contains(tenant))
    }

    /// That of the worst text.
    fn score(&self, segments: &[Segment]) -> Score {
        let looked_at = segments
            .iter()
            .filter(|segment| self.config.roles.contains(&segment.role));
        let scores = looked_at.map(|segment| {
            let indirect = self.config.indirect.contains(&segment.role);
            self.judge.score(
                &segment.text,
                if indirect {
                    Source::Indirect
                } else {
                    Source::Direct
                },
            )
        });
        scores
            .max_by(|a, b| a.value.total_cmp(&b.value))
            .unwrap_or_default()
    }

    /// What a score leads to.
    fn judged(&self, host: &dyn Host, score: &Score) -> Result<Vec<Edit>, Rejection> {
        let thresholds = &self.config.thresholds;
        let over = |threshold: Option<f32>| {
            threshold.is_some_and(|threshold| score.value > 0.0 && score.value >= threshold)
        };
        let families: Vec<&str> = score.families.iter().map(|(family, _)| *family).collect();
        host.observe("score", &[], f64::from(score.value));
        if over(thresholds.refuse) {
            self.count(host, "refuse", &families);
            return Err(Rejection::new(
                self.config.refusal.status,
                "injection_refused",
                self.config.refusal.message.clone(),
            ));
        }
        let mut edits = Vec::new();
        if over(thresholds.flag) {
            let value = format!("{:.2}; {}", score.value, families.join(","));
            host.log(
                Level::Warn,
                &format!("looks like prompt injection: {value}"),
            );
            edits.push(Edit::SetHeader(Header::new(&self.config.header, &value)));
        }
        if over(thresholds.tag) {
            edits.push(Edit::SetTag(
                self.config.tag.clone(),
                format!("{:.2}", score.value),
            ));
            edits.push(Edit::SetTag(
                format!("{}_families", self.config.tag),
                families.join(","),
            ));
        }
        if !edits.is_empty() {
            self.count(
                host,
                if over(thresholds.flag) { "flag" } else { "tag" },
                &families,
            );
        }
        Ok(edits)
    }

    fn count(&self, host: &dyn Host, action: &str, families: &[&str]) {
        let family = families.first().copied().unwrap_or("none");
        host.count("found", &[("action", action), ("family", family)], 1.0);
    }

    fn watch(&self, host: &dyn Host) -> Result<Option<Watch>, PluginError> {
        let Some(canary) = &self.config.canary else {
            return Ok(None);
        };
        let token = match &canary.token {
            Token::Text(token) => token.clone(),
            Token::Secret(name) => {
                let secret = host
                    .secret(name)
                    .filter(|secret| secret.len() >= config::CANARY_BYTES_MIN);
                secret.ok_or_else(|| {
                    PluginError::Permanent(format!(
                        "the canary's secret `{name}` is not granted to this plugin, or too short"
                    ))
                })?
            }
        };
        Ok(Some(Watch {
            token,
            status: canary.status,
        }))
    }

    /// Puts the canary behind the first text of the system, if there is one.
    fn with_canary(
        &self,
        host: &dyn Host,
        segments: &[Segment],
    ) -> Result<Option<Edit>, PluginError> {
        let (Some(canary), Some(watch)) = (&self.config.canary, self.watch(host)?) else {
            return Ok(None);
        };
        let system = segments
            .iter()
            .find(|segment| matches!(segment.role, Role::System | Role::Developer));
        Ok(system.map(|segment| {
            let text = canary.text.replace("{canary}", &watch.token);
            Edit::SetSegment(segment.index, format!("{}{text}", segment.text))
        }))
    }
}
