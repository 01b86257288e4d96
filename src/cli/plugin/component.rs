//! From a core module to a component of the contract: which world it lives in is seen from its exports.

use wit_component::{ComponentEncoder, StringEncoding, embed_component_metadata};
use wit_parser::Resolve;

use super::project::Kind;
use super::templates::WIT;

/// A component, from a core module whose exports have the contract's names, or from what is a component already.
///
/// # Errors
/// What keeps it from being a plugin.
pub(super) fn component(mut module: Vec<u8>) -> Result<Vec<u8>, String> {
    if is_component(&module) {
        return Ok(module);
    }
    // What `wit-bindgen` has made brings its own.
    if !contains(&module, b"component-type") {
        let kind = kind(&module).ok_or(
            "the module has no hook among its exports; in Rust, `weir_plugin::guard!(Type);` and its like make them",
        )?;
        describe(&mut module, kind)?;
    }
    let encoder = ComponentEncoder::default().validate(true).module(&module);
    let encoded = encoder.and_then(|mut encoder| encoder.encode());
    encoded.map_err(|error| format!("it does not fit the contract: {error:#}"))
}

/// Adds the contract to a module, as its custom section.
fn describe(module: &mut Vec<u8>, kind: Kind) -> Result<(), String> {
    let text = |error: &dyn std::fmt::Display| format!("the contract cannot be added: {error}");
    let mut resolve = Resolve::default();
    let package = resolve.push_str("weir-plugin.wit", WIT);
    let package = package.map_err(|error| text(&error))?;
    let world = resolve.select_world(&[package], Some(kind.world()));
    let world = world.map_err(|error| text(&error))?;
    embed_component_metadata(module, &resolve, world, StringEncoding::UTF8)
        .map_err(|error| text(&error))
}

/// Magic, and the version and layer of components (component-model, `Binary.md`).
fn is_component(bytes: &[u8]) -> bool {
    bytes.starts_with(b"\0asm\x0d\0\x01\0")
}

/// Names of exports stand in a module as they are.
fn kind(module: &[u8]) -> Option<Kind> {
    let has = |kind: &Kind| contains(module, hook(*kind).as_bytes());
    Kind::ALL.into_iter().find(has)
}

fn hook(kind: Kind) -> &'static str {
    match kind {
        Kind::Guard => "weir:plugin/request-filter@0.1.0#on-request",
        Kind::Router => "weir:plugin/router@0.1.0#pick",
        Kind::Auth => "weir:plugin/auth@0.1.0#authenticate",
        Kind::Observer => "weir:plugin/observer@0.1.0#on-log",
        Kind::Adapter => "weir:plugin/adapter@0.1.0#encode",
    }
}

fn contains(bytes: &[u8], part: &[u8]) -> bool {
    bytes.windows(part.len()).any(|window| window == part)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_module_without_a_hook_is_no_plugin() {
        let error = component(b"\0asm\x01\0\0\0".to_vec()).expect_err("it has no exports");
        assert!(error.contains("no hook among its exports"), "{error}");
        let named = [b"\0asm\x01\0\0\0".as_slice(), hook(Kind::Router).as_bytes()].concat();
        let error = component(named).expect_err("a name alone is no export");
        assert!(error.contains("the contract"), "{error}");
    }

    #[test]
    fn a_component_stays_as_it_is() {
        let bytes = b"\0asm\x0d\0\x01\0".to_vec();
        assert_eq!(component(bytes.clone()), Ok(bytes));
    }

    #[test]
    fn every_world_of_the_contract_is_there() {
        for kind in Kind::ALL {
            let mut module = b"\0asm\x01\0\0\0".to_vec();
            assert_eq!(describe(&mut module, kind), Ok(()), "{kind}");
            assert!(contains(&module, b"component-type"));
        }
    }
}
