//! Checks `access`: whether a key is needed, which keys and tokens there are, whose word on addresses is believed.
//! Nothing here may put a secret into a message.

use super::allow::networks;
use super::{Access, Names, Signing, keys, tokens};
use crate::config::check::Context;
use crate::config::path::FieldPath;
use crate::config::plugins::PluginNames;
use crate::config::raw::RawAccess;
use crate::config::source::{self, Source};

pub(in crate::config) fn access(
    context: &mut Context<'_, '_>,
    raw: RawAccess,
    names: &Names<'_>,
    has_store: bool,
    plugins: &PluginNames,
) -> Option<Access> {
    let path = FieldPath::root().key("access");
    let pepper_path = path.key("pepper");
    let pepper = raw
        .pepper
        .map(|raw| source::secret(context, &pepper_path, &Source::from(&raw)));
    let signing = raw.signing.unwrap_or_default();
    let must_sign = signing.required == Some(true);
    let raw_keys = raw.keys.unwrap_or_default();
    let keys = keys::keys(context, &path.key("keys"), raw_keys, names, must_sign);
    let tokens = raw.tokens.unwrap_or_default();
    let tokens = tokens::tokens(context, &path.key("tokens"), tokens, names);
    let signing = Signing {
        required: signing.required?,
        window: signing.window?.0,
    };
    let (keys, tokens) = (keys?, tokens?);
    let has_plugin = raw.plugin.is_some();
    let plugin_path = path.key("plugin");
    let plugin = match raw.plugin {
        None => Some(None),
        name => plugins.known(context, &plugin_path, name).map(Some),
    };
    if raw.required == Some(true)
        && !has_plugin
        && keys.is_empty()
        && tokens.is_empty()
        && !has_store
    {
        let message = "refuses every request: there are no `keys`, no `tokens` and no `store` that could hold keys; add one of them";
        context.report.value(&path.key("required"), message);
    }
    Some(Access {
        required: raw
            .required
            .unwrap_or(has_store || has_plugin || !keys.is_empty() || !tokens.is_empty()),
        pepper: match pepper {
            Some(pepper) => Some(pepper?),
            None => None,
        },
        trusted_proxies: networks(raw.trusted_proxies.unwrap_or_default())?,
        keys,
        tokens,
        signing,
        plugin: plugin?,
    })
}
