//! The secrets that everything else is kept with: the master key that seals, and the pepper of keys' digests.
//! Nothing here may put a secret into a message.

use std::process::Command;

use ring::rand::SecureRandom;

use crate::access::seal::{MasterKey, Seal};
use crate::access::{self, Pepper};
use crate::config::{self, Config};

/// What seals and opens. Without a master key in the configuration it is one of this process alone: nothing that outlives it may be
/// sealed with it, but secrets in memory can.
pub fn seal(config: &Config, random: &dyn SecureRandom) -> Result<Seal, String> {
    let settings = config.store.as_ref();
    let Some(current) = settings.and_then(|store| store.master_key.as_ref()) else {
        let mut bytes = [0; 32];
        let filled = random.fill(&mut bytes);
        filled.map_err(|_| "the system has no randomness to give".to_owned())?;
        return Ok(Seal::new(MasterKey::new(&bytes), Vec::new()));
    };
    let former = settings.map_or(&[][..], |store| &store.old_master_keys);
    let former = former
        .iter()
        .map(|key| master_key(key, "store.old_master_keys"))
        .collect::<Result<Vec<_>, _>>()?;
    Ok(Seal::new(master_key(current, "store.master_key")?, former))
}

fn master_key(key: &config::MasterKey, place: &str) -> Result<MasterKey, String> {
    let parsed = match key {
        config::MasterKey::Text(secret) => MasterKey::parse(secret.expose()),
        config::MasterKey::Command(words) => MasterKey::parse(&said_by(words, place)?),
    };
    parsed.map_err(|problem| format!("{place} {problem}"))
}

/// What a program writes on its standard output, such as a KMS's client.
fn said_by(words: &[String], place: &str) -> Result<String, String> {
    let (program, arguments) = words
        .split_first()
        .ok_or_else(|| format!("{place}.command names no program"))?;
    let output = Command::new(program).args(arguments).output();
    let output = output.map_err(|error| format!("{place}.command: `{program}`: {error}"))?;
    if !output.status.success() {
        let told = String::from_utf8_lossy(&output.stderr);
        let told = told.trim().lines().last().unwrap_or_default().to_owned();
        let status = output.status;
        return Err(format!(
            "{place}.command: `{program}` ended with {status}: {told}"
        ));
    }
    String::from_utf8(output.stdout)
        .map_err(|_| format!("{place}.command: `{program}` wrote something that is no text"))
}

/// The pepper of a process without a store: the configuration's, or one of its own.
pub fn pepper(config: &Config, random: &dyn SecureRandom) -> Result<Pepper, String> {
    if let Some(secret) = &config.access.pepper {
        return Ok(Pepper::new(&access::sha256(secret.expose().as_bytes())));
    }
    let fresh = Pepper::random(random).map_err(|error| error.to_string())?;
    Ok(Pepper::new(&fresh))
}
