//! Shapes of `store`.

use std::path::PathBuf;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{milliseconds, seconds};
use crate::config::scalar::{RawDays, RawDuration, RawSize};
use crate::config::{Failing, OnCorruption};

/// Where keys, accounts and the ledger live. Without it nothing of them outlives the process.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Store")]
pub(in crate::config) struct RawStore {
    /// A folder of weir's own, which it makes. Relative to the configuration's folder.
    #[schemars(required)]
    pub path: Option<PathBuf>,
    /// Memory for what is read often.
    #[serde(default = "default_cache")]
    pub cache: Option<RawSize>,
    /// How long settlements are gathered before they are written together: what a crash can lose. At most `20ms`.
    #[serde(default = "default_commit_interval")]
    pub commit_interval: Option<RawDuration>,
    /// How long rows of usage are kept, in days. Totals by day stay.
    #[serde(default = "default_retention")]
    pub retention: Option<RawDays>,
    /// What holds while it is slow, full or broken.
    pub on_failure: Option<RawOnFailure>,
    /// Where it cannot be read at the start: `refuse` to start, or `set_aside` and begin an empty one.
    #[serde(default = "default_on_corruption")]
    pub on_corruption: Option<OnCorruption>,
    /// Seals upstream keys and signing secrets that live in the store: 32 bytes, as 64 hexadecimal digits or base64.
    #[schemars(extend("x-weir-secret" = true))]
    pub master_key: Option<RawMasterKey>,
    /// Earlier master keys, for what they have sealed; it is sealed anew with the present one.
    #[schemars(length(max = 16), extend("x-weir-secret" = true))]
    pub old_master_keys: Option<Vec<Option<RawMasterKey>>>,
}

/// Each `open` (served from the last known state) or `closed` (refused with 503).
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(rename = "OnFailure")]
pub(in crate::config) struct RawOnFailure {
    /// Requests that no money is counted for.
    pub limits: Option<Failing>,
    /// Requests that are held against a budget or a balance.
    pub money: Option<Failing>,
    /// How long everything goes on before `closed` takes hold.
    pub grace: Option<RawDuration>,
}

impl Default for RawOnFailure {
    fn default() -> Self {
        Self {
            limits: Some(Failing::Open),
            money: Some(Failing::Closed),
            grace: seconds(60),
        }
    }
}

/// Where a master key comes from: exactly one of the four.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "MasterKey")]
#[schemars(extend("oneOf" = [
    {"required": ["env"]}, {"required": ["file"]}, {"required": ["value"]}, {"required": ["command"]}
]))]
pub(in crate::config) struct RawMasterKey {
    /// Name of the environment variable that holds it.
    pub env: Option<String>,
    /// File that holds it. Relative to the configuration's folder.
    pub file: Option<PathBuf>,
    /// The key itself. Better kept out of this file.
    pub value: Option<String>,
    /// A program that writes it on its standard output, such as the command of a KMS, and its arguments; no shell.
    #[schemars(length(min = 1, max = 64))]
    pub command: Option<Vec<Option<String>>>,
}

fn default_cache() -> Option<RawSize> {
    Some(RawSize(32 << 20))
}

fn default_commit_interval() -> Option<RawDuration> {
    milliseconds(10)
}

fn default_retention() -> Option<RawDays> {
    Some(RawDays(400))
}

fn default_on_corruption() -> Option<OnCorruption> {
    Some(OnCorruption::Refuse)
}
