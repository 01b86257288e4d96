//! Checks what requests to AWS are signed with. Nothing here may put a secret into a message.

use super::Secret;
use super::check::Context;
use super::key::Keys;
use super::path::FieldPath;
use super::raw::{RawAuth, RawAwsKeys, RawKey};
use super::source::{self, Source};

/// What signatures of an upstream's requests are for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SigV4 {
    /// `us-east-1`.
    pub region: String,
    /// Default `bedrock`.
    pub service: String,
}

/// How requests are signed; inside, `None` where they are not.
pub(super) fn sigv4(
    context: &mut Context<'_, '_>,
    path: &FieldPath,
    raw: Option<RawAuth>,
) -> Option<Option<SigV4>> {
    let Some(raw) = raw else {
        return Some(None);
    };
    let (path, raw) = (path.key("sigv4"), raw.sigv4?);
    let mut name = |member: &str, text: Option<String>| {
        let is_name = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
        let text = text?;
        if text.is_empty() || !text.bytes().all(is_name) {
            let path = path.key(member);
            let shown = context.report.shown(&path);
            let problem =
                format!("{shown} is no {member} of AWS's; write it as in `us-east-1` or `bedrock`");
            context.report.value(&path, problem);
            return None;
        }
        Some(text)
    };
    let (region, service) = (name("region", raw.region), name("service", raw.service));
    Some(Some(SigV4 {
        region: region?,
        service: service?,
    }))
}

/// A pair as one text: `ACCESS_KEY_ID:SECRET_ACCESS_KEY`, and `:SESSION_TOKEN` behind it where there is one.
pub(super) fn pair(
    context: &mut Context<'_, '_>,
    path: &FieldPath,
    raw: &RawAwsKeys,
) -> Option<Secret> {
    let mut part = |name: &str, source: Option<&super::raw::RawSource>| {
        source::secret(context, &path.key(name), &Source::from(source?))
    };
    let access_key = part("access_key", raw.access_key.as_ref());
    let secret_key = part("secret_key", raw.secret_key.as_ref());
    let token = raw.session_token.as_ref();
    let token = token.map(|token| part("session_token", Some(token)));
    let (access_key, secret_key) = (access_key?, secret_key?);
    let whole = format!("{}:{}", access_key.expose(), secret_key.expose());
    Some(match token {
        None => Secret::new(whole),
        Some(token) => Secret::new(format!("{whole}:{}", token?.expose())),
    })
}

/// Pairs are of use where requests are signed, and nowhere else.
pub(super) fn check_raw(
    context: &mut Context<'_, '_>,
    path: &FieldPath,
    is_signed: bool,
    keys: Option<&[Option<RawKey>]>,
) {
    let keys = keys.unwrap_or_default().iter().enumerate();
    for (index, _) in keys.filter(|(_, key)| key.as_ref().is_some_and(|key| key.aws.is_some())) {
        if !is_signed {
            context.report.key(
                &path.index(index).key("aws"),
                "is for requests that are signed; write `auth: {sigv4: {region: …}}` beside `keys`",
            );
        }
    }
}

/// Where requests are signed, every key is a pair.
pub(super) fn check(context: &mut Context<'_, '_>, path: &FieldPath, keys: &Keys) {
    let is_pair = |secret: &Secret| secret.expose().split_once(':').is_some();
    for key in keys.given.iter().filter(|key| !is_pair(&key.secret)) {
        let label = &key.label;
        let problem = format!(
            "key `{label}` is no pair of AWS keys; write `aws: {{access_key: …, secret_key: …}}`, or `ID:SECRET` as one text"
        );
        context.report.value(path, problem);
    }
}
