//! A component that has been read, checked and compiled: from its file to what instances are made of.

use std::fs::File;
use std::io::Read;
use std::path::Path;
use std::sync::Arc;

use ring::digest::{SHA256, digest};
use wasmtime::component::{Component, InstancePre};

use super::Runtime;
use super::cache::DiskCache;
use super::state::State;
use super::world::{self, Indices};
use crate::plugin::hooks::Kind;

/// The SHA-256 of a file.
pub type Digest = [u8; 32];

/// What instances are made of.
pub struct Compiled {
    pub digest: Digest,
    pub kinds: Vec<Kind>,
    pub pre: InstancePre<State>,
    pub indices: Indices,
}

/// The file's bytes and digest.
///
/// # Errors
/// When it cannot be read, or is larger than the limit, or another than is pinned.
pub fn read(
    path: &Path,
    bytes_max: usize,
    pinned: Option<Digest>,
) -> Result<(Vec<u8>, Digest), String> {
    let shown = path.display();
    let file = File::open(path).map_err(|error| format!("{shown}: {error}"))?;
    let mut bytes = Vec::new();
    file.take(bytes_max as u64 + 1)
        .read_to_end(&mut bytes)
        .map_err(|error| format!("{shown}: {error}"))?;
    if bytes.len() > bytes_max {
        return Err(format!(
            "{shown} has more than {bytes_max} bytes; raise `limits.size` if it is meant to"
        ));
    }
    let found = digest_of(&bytes);
    match pinned {
        Some(pinned) if pinned != found => Err(format!(
            "{shown} has the SHA-256 {}, and `sha256` says {}",
            hex(&found),
            hex(&pinned)
        )),
        _ => Ok((bytes, found)),
    }
}

pub fn digest_of(bytes: &[u8]) -> Digest {
    let mut found = [0; 32];
    found.copy_from_slice(digest(&SHA256, bytes).as_ref());
    found
}

pub fn hex(digest: &Digest) -> String {
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}

impl Compiled {
    /// Takes the component from those that are loaded, or from the disk, or compiles it: one at a time, since it takes all of a core
    /// for as long as it lasts (Python: 10 s).
    ///
    /// # Errors
    /// When it is no component, or no plugin.
    pub fn get(
        runtime: &Runtime,
        bytes: &[u8],
        digest: Digest,
        cache: Option<&DiskCache>,
    ) -> Result<Arc<Compiled>, String> {
        let _one_at_a_time = runtime.compiling.lock();
        if let Some(loaded) = runtime.loaded(&digest) {
            return Ok(loaded);
        }
        check_layer(bytes)?;
        let compiled = Compiled::new(runtime, bytes, digest, cache)?;
        let compiled = Arc::new(compiled);
        runtime.keep_loaded(&compiled);
        Ok(compiled)
    }

    fn new(
        runtime: &Runtime,
        bytes: &[u8],
        digest: Digest,
        cache: Option<&DiskCache>,
    ) -> Result<Compiled, String> {
        let engine = &runtime.engine;
        let component = match cache.and_then(|cache| cache.load(engine, &digest)) {
            Some(component) => component,
            None => {
                let component = Component::new(engine, bytes)
                    .map_err(|error| format!("is no valid component: {error:#}"))?;
                if let Some(cache) = cache {
                    cache.store(&component, &digest);
                }
                component
            }
        };
        let kinds = world::kinds(engine, &component)?;
        let said = |error: wasmtime::Error| format!("does not keep to the contract: {error:#}");
        let pre = runtime.linker.instantiate_pre(&component).map_err(said)?;
        let indices = Indices::new(&pre, &kinds).map_err(said)?;
        Ok(Compiled {
            digest,
            kinds,
            pre,
            indices,
        })
    }
}

/// Tells a component from a core module, and both from anything else, by the first eight bytes.
fn check_layer(bytes: &[u8]) -> Result<(), String> {
    const MODULE: &[u8] = b"\0asm\x01\0\0\0";
    const COMPONENT: &[u8] = b"\0asm\x0d\0\x01\0";
    if bytes.starts_with(COMPONENT) {
        return Ok(());
    }
    if bytes.starts_with(MODULE) {
        let message = "is a core module; a plugin is a component: `weir plugin build` makes one";
        return Err(message.to_owned());
    }
    Err("is no WebAssembly: it does not begin as a component does".to_owned())
}
