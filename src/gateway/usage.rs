//! What settled exchanges come to, told to those who watch: metrics by model and tenant, warnings of budgets.
//! It must not settle anything.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::{HeaderName, HeaderValue, Method, header};
use parking_lot::Mutex;
use ring::hmac;
use serde_json::json;
use tracing::{error, info, warn};

use crate::config::{Config, Webhook, utc_text};
use crate::ledger::Row;
use crate::limit::Crossing;
use crate::metrics::TENANTS_MAX;
use crate::upstream::errand::{self, Errand};

use super::{Gateway, Phase};

/// Where signed webhooks carry their signature.
const SIGNATURE: HeaderName = HeaderName::from_static("x-weir-signature");
/// The tenant label of those that came after so many others.
const OTHER: &str = "other";
/// Longest answer of a webhook that is read, in bytes.
const ANSWER_BYTES_MAX: usize = 64 * 1024;

/// The tenants that metrics name.
#[derive(Default)]
pub struct NamedTenants(Mutex<HashSet<Arc<str>>>);

impl NamedTenants {
    fn label<'t>(&self, tenant: &'t Arc<str>) -> &'t str {
        let mut named = self.0.lock();
        if named.contains(tenant) {
            return tenant;
        }
        if named.len() == TENANTS_MAX {
            return OTHER;
        }
        named.insert(tenant.clone());
        tenant
    }
}

impl Gateway {
    /// Counts a settled exchange. Labels of models are those of routes; what a client made up is none of them.
    pub fn count_usage(&self, row: &Row, model: &str) {
        let metrics = &self.metrics.accounting;
        let tenant = self.named_tenants.label(&row.who.tenant);
        let ends = [tenant, row.end.label()];
        metrics.tenant_requests.with_label_values(&ends).inc();
        let counts = [("input", row.usage.input()), ("output", row.usage.output)];
        for (kind, tokens) in counts.into_iter().filter(|(_, tokens)| *tokens > 0) {
            let labels = [tenant, kind];
            metrics
                .tenant_tokens
                .with_label_values(&labels)
                .inc_by(tokens);
        }
        if row.estimated {
            metrics.estimated.with_label_values(&[model]).inc();
        }
        if !row.priced {
            metrics.unpriced.with_label_values(&[model]).inc();
        }
        let nanos = u64::try_from(row.cost.nanos()).unwrap_or(0);
        if nanos > 0 {
            metrics
                .tenant_cost_nanos
                .with_label_values(&[tenant])
                .inc_by(nanos);
            let labels = [model, &*row.upstream];
            metrics.cost_nanos.with_label_values(&labels).inc_by(nanos);
        }
    }

    /// Waits until what has ended is counted and on the disk, for so long at most.
    pub async fn close_books(self: &Arc<Self>, within: Duration) {
        let until = Instant::now() + within;
        // One is the gateway's own.
        while Arc::strong_count(&self.counting) > 1 && Instant::now() < until {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        let gateway = self.clone();
        let left = until.saturating_duration_since(Instant::now());
        let closed = tokio::task::spawn_blocking(move || {
            let books = gateway.accounting.books.as_ref();
            books.map_or(Ok(()), |books| books.ledger.close(left))
        });
        if let Ok(Err(error)) = closed.await {
            error!(%error, "the ledger is closed");
        }
    }

    /// Tells operators that a budget has crossed its threshold: in the log, and by the webhook where there is one.
    pub fn tell_of_budget(self: &Arc<Self>, config: &Config, crossing: Crossing) {
        let Crossing {
            scope,
            subject,
            percent,
            spent,
            amount,
            ends,
        } = &crossing;
        warn!(scope, subject, percent, %spent, %amount, "a budget has crossed its threshold");
        let told = &self.metrics.accounting.budget_warnings;
        let Some(webhook) = config.webhooks.budget.clone() else {
            return told.with_label_values(&[*scope, "logged"]).inc();
        };
        let body = json!({
            "event": "budget_threshold",
            "scope": scope,
            "subject": subject,
            "percent": percent,
            "spent": spent,
            "amount": amount,
            "currency": config.prices.currency,
            "period_ends": ends.map(utc_text),
        });
        let gateway = self.clone();
        let scope = *scope;
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            runtime.spawn(async move {
                let outcome = gateway.call(&webhook, body.to_string().into()).await;
                let labels = [scope, if outcome { "told" } else { "failed" }];
                let told = &gateway.metrics.accounting.budget_warnings;
                told.with_label_values(&labels).inc();
            });
        }
    }

    /// Calls a webhook, and again where it does not answer; whether it was told.
    async fn call(&self, webhook: &Webhook, body: Bytes) -> bool {
        const TRIES: u32 = 5;
        let mut wait = std::time::Duration::from_secs(1);
        for left in (0..TRIES).rev() {
            let headers = headers(webhook, &body);
            let errand = Errand {
                method: Method::POST,
                url: &webhook.url,
                headers,
                body: body.clone(),
                bytes_max: ANSWER_BYTES_MAX,
            };
            let problem = match errand::run(errand, &self.connector).await {
                Ok(brought) if (200..300).contains(&brought.status) => {
                    info!("a webhook was told of a budget");
                    return true;
                }
                Ok(brought) => format!("it answers {}", brought.status),
                Err(problem) => problem,
            };
            warn!(problem, left, "a webhook cannot be told of a budget");
            if left == 0 || self.phase() == Phase::Ending {
                break;
            }
            tokio::time::sleep(wait).await;
            wait *= 2;
        }
        false
    }
}

fn headers(webhook: &Webhook, body: &[u8]) -> Vec<(HeaderName, HeaderValue)> {
    let json = HeaderValue::from_static("application/json");
    let mut headers = vec![(header::CONTENT_TYPE, json)];
    if let Some(secret) = &webhook.secret {
        let key = hmac::Key::new(hmac::HMAC_SHA256, secret.expose().as_bytes());
        let tag = hmac::sign(&key, body);
        let hex: String = tag
            .as_ref()
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect();
        if let Ok(value) = HeaderValue::from_str(&format!("sha256={hex}")) {
            headers.push((SIGNATURE, value));
        }
    }
    headers
}
