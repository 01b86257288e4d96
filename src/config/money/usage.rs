//! Checks `usage` and `webhooks`. It must not count or send anything.

use http::HeaderName;
use url::Url;

use super::{UsageSettings, Webhook, Webhooks};
use crate::config::check::Context;
use crate::config::path::FieldPath;
use crate::config::raw::{RawUsage, RawWebhook, RawWebhooks};
use crate::config::source::{self, Source};

/// Headers that carry credentials, which no report may show.
const CREDENTIAL_HEADERS: [&str; 6] = [
    "authorization",
    "proxy-authorization",
    "cookie",
    "x-api-key",
    "api-key",
    "x-goog-api-key",
];

pub(in crate::config) fn usage(
    context: &mut Context<'_, '_>,
    raw: RawUsage,
) -> Option<UsageSettings> {
    let path = FieldPath::root().key("usage").key("tag_headers");
    let mut tag_headers: Vec<HeaderName> = Vec::new();
    for (index, name) in raw.tag_headers?.into_iter().enumerate() {
        let problem = match HeaderName::try_from(name?.as_str()) {
            Err(_) => "is not the name of a header",
            Ok(header) if CREDENTIAL_HEADERS.contains(&header.as_str()) => {
                "carries credentials, which reports would show; name another"
            }
            Ok(header) if tag_headers.contains(&header) => "is listed already",
            Ok(header) => {
                tag_headers.push(header);
                continue;
            }
        };
        let path = path.index(index);
        let shown = context.report.shown(&path);
        context.report.value(&path, format!("{shown} {problem}"));
    }
    Some(UsageSettings {
        reserve_output_tokens: raw.reserve_output_tokens?,
        on_upstream_cut: raw.on_upstream_cut?,
        tag_headers,
    })
}

pub(in crate::config) fn webhooks(
    context: &mut Context<'_, '_>,
    raw: RawWebhooks,
) -> Option<Webhooks> {
    let path = FieldPath::root().key("webhooks").key("budget");
    let budget = match raw.budget {
        Some(raw) => Some(webhook(context, &path, raw)?),
        None => None,
    };
    Some(Webhooks { budget })
}

fn webhook(context: &mut Context<'_, '_>, path: &FieldPath, raw: RawWebhook) -> Option<Webhook> {
    let url_path = path.key("url");
    let url = raw.url.and_then(|text| Url::parse(&text).ok());
    let url = url.filter(|url| matches!(url.scheme(), "http" | "https") && url.has_host());
    if url.is_none() && !context.report.tells_below(&url_path) {
        // Not shown: the paths of webhooks are secrets often enough.
        let message = "is not a URL; write for example `https://ops.example.com/weir`";
        context.report.value(&url_path, message);
    }
    let secret_path = path.key("secret");
    let secret = match raw.secret {
        Some(raw) => Some(source::secret(context, &secret_path, &Source::from(&raw))?),
        None => None,
    };
    Some(Webhook { url: url?, secret })
}
