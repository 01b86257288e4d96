//! Checks `store`: where keys, accounts and the ledger live, and what holds while it fails.
//! It must not open it.

use std::path::PathBuf;
use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Secret;
use super::check::Context;
use super::path::FieldPath;
use super::raw::{RawMasterKey, RawOnFailure, RawStore};
use super::source::{self, Source};
use super::units::duration_text;
use crate::wire::base64;

/// Longest time from a settlement to the disk.
const COMMIT_INTERVAL_MAX: Duration = Duration::from_millis(20);
/// Bytes of a master key (AES-256).
const MASTER_KEY_BYTES: usize = 32;

/// Where keys, accounts and the ledger live.
#[derive(Debug, Clone, PartialEq)]
pub struct StoreSettings {
    /// A folder of weir's own; made where it does not exist.
    pub path: PathBuf,
    /// Memory for what is read often, in bytes. Default 32 MiB.
    pub cache_bytes: usize,
    /// How long settlements are gathered before they are written together. At most 20 ms; default 10 ms.
    pub commit_interval: Duration,
    /// How long rows of usage are kept, in days. Default 400. Totals by day are kept for ever.
    pub retention_days: u32,
    pub on_failure: OnFailure,
    /// Default refuse.
    pub on_corruption: OnCorruption,
    /// Seals upstream keys and signing secrets in the store.
    pub master_key: Option<MasterKey>,
    /// Open what was sealed before the master key was changed.
    pub old_master_keys: Vec<MasterKey>,
}

/// What holds while the store cannot be written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OnFailure {
    /// Default open.
    pub limits: Failing,
    /// Default closed.
    pub money: Failing,
    /// How long everything goes on from the last known state before `closed` takes hold. Default 60 s.
    pub grace: Duration,
}

/// Whether requests are served from the last known state.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(inline)]
pub enum Failing {
    /// Served.
    Open,
    /// Refused with 503.
    Closed,
}

/// What happens at the start where the store cannot be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(inline)]
pub enum OnCorruption {
    /// weir does not start.
    Refuse,
    /// The folder is renamed, and an empty store begun.
    SetAside,
}

/// Where a master key comes from.
#[derive(Debug, Clone, PartialEq)]
pub enum MasterKey {
    /// Text that [`MasterKey::bytes`] reads.
    Text(Secret),
    /// A program and its arguments, without a shell; it writes that text on its standard output.
    Command(Vec<String>),
}

impl MasterKey {
    /// The key that a text stands for: 32 bytes, as 64 hexadecimal digits or as base64.
    ///
    /// # Errors
    /// What is wrong, for a sentence that begins with the key; it never holds it.
    pub fn bytes(text: &str) -> Result<[u8; MASTER_KEY_BYTES], String> {
        let hex = hex(text);
        let bytes = hex.or_else(|| base64::decode(text)).unwrap_or_default();
        bytes.try_into().map_err(|_| {
            "is not a master key: 32 bytes, as 64 hexadecimal digits or as base64; make one with `openssl rand -base64 32`".to_owned()
        })
    }
}

/// Bytes that are written as hexadecimal digits, two each.
pub(super) fn hex(text: &str) -> Option<Vec<u8>> {
    let digits: Vec<u8> = text
        .chars()
        .map(|digit| {
            digit
                .to_digit(16)
                .and_then(|digit| u8::try_from(digit).ok())
        })
        .collect::<Option<_>>()?;
    let pairs = digits.chunks_exact(2);
    let is_whole = pairs.remainder().is_empty() && text.is_ascii();
    is_whole.then(|| pairs.map(|pair| pair[0] << 4 | pair[1]).collect())
}

/// The inner `None`: no store.
pub(super) fn store(
    context: &mut Context<'_, '_>,
    raw: Option<RawStore>,
) -> Option<Option<StoreSettings>> {
    let Some(raw) = raw else {
        return Some(None);
    };
    let path = FieldPath::root().key("store");
    let commit_interval = raw.commit_interval.map(|interval| interval.0);
    if let Some(interval) = commit_interval.filter(|interval| *interval > COMMIT_INTERVAL_MAX) {
        let (interval, most) = (duration_text(interval), duration_text(COMMIT_INTERVAL_MAX));
        let message = format!(
            "{interval} is too long: what was settled in it is lost with a crash; the most is {most}"
        );
        context.report.value(&path.key("commit_interval"), message);
    }
    let folder = raw.path.map(|name| context.folder.join(name));
    if folder.as_ref().is_some_and(|folder| folder.is_file()) {
        let shown = context.report.shown(&path.key("path"));
        let message = format!("{shown} is a file; name a folder, which weir makes itself");
        context.report.value(&path.key("path"), message);
    }
    let key_path = path.key("master_key");
    let key = match &raw.master_key {
        None => Some(None),
        Some(raw) => master_key(context, &key_path, raw).map(Some),
    };
    let old_path = path.key("old_master_keys");
    let old = raw.old_master_keys.unwrap_or_default();
    if raw.master_key.is_none() && !old.is_empty() {
        let message = "has no effect without `master_key`; give that, or remove it";
        context.report.key(&old_path, message);
    }
    let old: Vec<_> = old
        .iter()
        .enumerate()
        .map(|(index, raw)| master_key(context, &old_path.index(index), raw.as_ref()?))
        .collect();
    Some(Some(StoreSettings {
        path: folder?,
        cache_bytes: raw.cache?.0,
        commit_interval: commit_interval?,
        retention_days: raw.retention?.0,
        on_failure: on_failure(raw.on_failure.unwrap_or_default())?,
        on_corruption: raw.on_corruption?,
        master_key: key?,
        old_master_keys: old.into_iter().collect::<Option<_>>()?,
    }))
}

fn on_failure(raw: RawOnFailure) -> Option<OnFailure> {
    Some(OnFailure {
        limits: raw.limits?,
        money: raw.money?,
        grace: raw.grace?.0,
    })
}

fn master_key(
    context: &mut Context<'_, '_>,
    path: &FieldPath,
    raw: &RawMasterKey,
) -> Option<MasterKey> {
    if let Some(command) = &raw.command {
        let command = command.iter().cloned().collect::<Option<Vec<_>>>()?;
        if command
            .first()
            .is_none_or(|program| program.trim().is_empty())
        {
            let message = "names no program; write it first, then its arguments";
            context.report.value(&path.key("command"), message);
        }
        return Some(MasterKey::Command(command));
    }
    let text = source::secret(context, path, &Source::from(raw))?;
    if let Err(problem) = MasterKey::bytes(text.expose()) {
        context.report.value(path, problem);
    }
    Some(MasterKey::Text(text))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_master_key_is_32_bytes() {
        let hex = "00ff".repeat(16);
        let bytes = MasterKey::bytes(&hex).expect("hexadecimal");
        assert_eq!(MasterKey::bytes(&base64::encode(&bytes)), Ok(bytes));
        assert_eq!((bytes[0], bytes[31]), (0, 255));
        for bad in [
            "",
            "00ff",
            &"0".repeat(63),
            &"g".repeat(64),
            &"é".repeat(32),
        ] {
            assert!(MasterKey::bytes(bad).is_err(), "{bad}");
        }
    }
}
