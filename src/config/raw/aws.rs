//! Shapes of signed requests, and of the keys that they are signed with.

use schemars::JsonSchema;
use serde::Deserialize;

use super::RawSource;

/// How requests to an upstream prove who asks, where that is not one header.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Auth")]
pub(in crate::config) struct RawAuth {
    /// Every request is signed with AWS's Signature Version 4; `keys` are then pairs of AWS keys.
    #[schemars(required)]
    pub sigv4: Option<RawSigV4>,
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "SigV4")]
pub(in crate::config) struct RawSigV4 {
    /// The region that the URL is in, such as `us-east-1`.
    #[schemars(required, regex(pattern = "^[a-z0-9-]+$"))]
    pub region: Option<String>,
    /// The service's name in signatures.
    #[serde(default = "default_service")]
    #[schemars(regex(pattern = "^[a-z0-9-]+$"))]
    pub service: Option<String>,
}

/// A pair of AWS keys, with a session token where they are temporary.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "AwsKeys")]
pub(in crate::config) struct RawAwsKeys {
    /// The access key's id.
    #[schemars(with = "RawSource")]
    pub access_key: Option<RawSource>,
    /// The secret access key that belongs to it.
    #[schemars(with = "RawSource")]
    pub secret_key: Option<RawSource>,
    /// Weir does not renew it: write it anew, and reload.
    pub session_token: Option<RawSource>,
}

fn default_service() -> Option<String> {
    Some("bedrock".to_owned())
}
