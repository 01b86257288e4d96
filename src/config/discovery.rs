//! Checks where an upstream's addresses come from.
//! It must not resolve a name, nor read a list of hosts: that is done, and done again, at run time.

use std::collections::HashSet;

use super::Discovery;
use super::check::Context;
use super::path::FieldPath;
use super::raw::RawDiscovery;
use super::scalar::RawEndpoint;

pub(super) fn discovery(
    context: &mut Context<'_, '_>,
    path: &FieldPath,
    raw: Option<RawDiscovery>,
) -> Option<Discovery> {
    let raw = match raw? {
        RawDiscovery::Dns(_) => return Some(Discovery::Dns),
        RawDiscovery::Elsewhere(raw) => raw,
    };
    match raw.file {
        Some(file) => context
            .readable_file(&path.key("file"), &file)
            .map(Discovery::File),
        None => fixed(context, &path.key("static"), raw.fixed?),
    }
}

/// Listed addresses; each is one endpoint, and so is there once.
fn fixed(
    context: &mut Context<'_, '_>,
    path: &FieldPath,
    raw: Vec<Option<RawEndpoint>>,
) -> Option<Discovery> {
    let mut listed = HashSet::new();
    let raw = raw.into_iter().enumerate();
    let addresses: Vec<_> = raw
        .map(|(index, raw)| {
            let address = raw?.0;
            if !listed.insert(address) {
                let message = format!("{address} is listed already; remove one of them");
                context.report.value(&path.index(index), message);
            }
            Some(address)
        })
        .collect();
    let addresses: Option<Vec<_>> = addresses.into_iter().collect();
    addresses.map(Discovery::Static)
}
