//! What is loaded and what is not: every refusal names the plugin and the reason.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};

use super::guests::{Guest, answers, component};
use super::kinds::last_first;
use super::place::{Place, answered, candidate, exchange};
use crate::plugin::wasm::{MEMORY_BYTES_MAX, hex};
use crate::plugin::{PluginSettings, Source};

#[test]
fn what_is_no_plugin_is_refused_with_the_reason() {
    let place = Place::new();
    let other = "package other:thing; world one { export run: func(); }";
    let with_wasi = r#"
        package weir:test;
        interface environment { get: func() -> u32; }
        world one { import environment; export run: func(); }
    "#;
    let run = "(module (func (export \"run\")))";
    let reads = "(module (import \"weir:test/environment\" \"get\" (func (result i32))) (func (export \"run\")))";
    let trap = Guest::router().does("configure", "unreachable").component();
    let mut refusing = Guest::router();
    let why = refusing.text("`mode` is missing");
    let refusing = refusing.does("configure", answers(&[1, why.0, why.1]));
    let looping = Guest::router().with("(func $spin (loop $again (br $again))) (start $spin)");
    let cases: [(Vec<u8>, &[&str]); 8] = [
        (b"\0asm\x01\0\0\0".to_vec(), &["is a core module"]),
        (b"<html>".to_vec(), &["is no WebAssembly"]),
        (
            b"\0asm\x0d\0\x01\0\xff\xff".to_vec(),
            &["is no valid component"],
        ),
        (
            component(other, "one", run),
            &[
                "is no plugin: it exports run",
                "weir:plugin/lifecycle@0.1.0",
            ],
        ),
        (
            component(with_wasi, "one", reads),
            &["imports weir:test/environment", "no WASI"],
        ),
        (trap, &["does not start: broke off: a panic"]),
        (
            refusing.component(),
            &["refuses its configuration: `mode` is missing"],
        ),
        (
            looping.component(),
            &["does not start: ran beyond its deadline of 2s"],
        ),
    ];
    for (bytes, expected) in cases {
        let refusal = place.refusal(&bytes, |_| {});
        assert!(refusal.starts_with("plugin `plugin`: "), "{refusal}");
        for part in expected {
            assert!(refusal.contains(part), "{refusal} should say {part}");
        }
    }
}

#[test]
fn another_version_of_the_contract_is_named() {
    let wit = include_str!("../../../plugins/wit/v0_1/weir-plugin.wit").replace("@0.1.0", "@0.9.0");
    let module = r#"(module
        (memory (export "memory") 1)
        (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32) unreachable)
        (func (export "weir:plugin/lifecycle@0.9.0#configure") (param i32 i32) (result i32) unreachable)
        (func (export "weir:plugin/router@0.9.0#pick") (param i32 i32) (result i32) unreachable))"#;
    let refusal = Place::new().refusal(&component(&wit, "router-plugin", module), |_| {});
    let expected = "is made for weir:plugin@0.9.0; this weir hosts weir:plugin@0.1.0";
    assert!(refusal.contains(expected), "{refusal}");
}

#[test]
fn a_plugin_in_the_wrong_place_is_told_what_it_is() {
    let place = Place::new();
    let set = place.load(&Guest::guard().component(), |_| {});
    let said = |unfit: Result<_, crate::plugin::Unfit>| match unfit {
        Ok(()) => panic!("it is found"),
        Err(unfit) => unfit.to_string(),
    };
    let router = said(set.router("plugin").map(drop));
    assert_eq!(
        router,
        "plugin `plugin`: is a guard, and is named as a router"
    );
    let missing = said(set.guard("other").map(drop));
    assert_eq!(missing, "plugin `other`: there is none of this name");
}

#[test]
fn files_are_pinned_and_bounded() {
    let place = Place::new();
    let bytes = last_first();
    let pin = |sha256: [u8; 32]| {
        move |settings: &mut PluginSettings| {
            let Source::Wasm { sha256: pinned, .. } = &mut settings.source else {
                panic!("it is a file");
            };
            *pinned = Some(sha256);
        }
    };
    let digest = place.load(&bytes, |_| {}).list()[0].sha256.unwrap();
    place.load(&bytes, pin(digest));
    let refusal = place.refusal(&bytes, pin([0; 32]));
    assert!(
        refusal.contains(&hex(&digest)) && refusal.contains("`sha256` says 0000"),
        "{refusal}"
    );
    let refusal = place.refusal(&bytes, |settings| settings.limits.file_bytes = 100);
    assert!(
        refusal.contains("more than 100 bytes; raise `limits.size`"),
        "{refusal}"
    );
    let refusal = place.refusal(&bytes, |settings| {
        settings.limits.memory_bytes = MEMORY_BYTES_MAX + 1;
    });
    assert!(refusal.contains("`limits.memory` is"), "{refusal}");
    let mut gone = place.settings("plugin", &bytes);
    gone.source = Source::Wasm {
        path: place.folder.0.join("gone.wasm"),
        sha256: None,
    };
    let refusal = place.build(&gone).map(drop).unwrap_err();
    assert!(refusal[0].to_string().contains("gone.wasm"), "{refusal:?}");
}

#[test]
fn all_that_cannot_be_loaded_is_named_at_once() {
    let place = Place::new();
    let fine = place.settings("fine", &last_first());
    let broken = [
        place.settings("one", b"x"),
        place.settings("two", b"y"),
        fine,
    ];
    let unfit = place.host.build(&broken, None, None).map(drop).unwrap_err();
    let names: Vec<&str> = unfit.iter().map(|unfit| unfit.plugin.as_str()).collect();
    assert_eq!(names, ["one", "two"]);
}

#[tokio::test]
async fn compiled_components_are_kept_on_disk() {
    let place = Place::new();
    let cache = place.folder.0.join("cache/deeper");
    let settings = [place.settings("plugin", &last_first())];
    let build = || place.host.build(&settings, Some(&cache), None).unwrap();
    drop(build());
    let files = || -> Vec<_> {
        fs::read_dir(&cache)
            .unwrap()
            .map(|file| file.unwrap().path())
            .collect()
    };
    assert_eq!(files().len(), 1, "{:?}", files());
    assert_eq!(
        fs::metadata(&cache).unwrap().permissions().mode() & 0o777,
        0o700
    );
    let set = build();
    assert_eq!(files().len(), 1);
    let router = set.router("plugin").unwrap();
    answered(router.pick(&exchange("{}"), &[candidate("a/1")]).await);
    // One that cannot be used is compiled again, and replaced.
    drop((router, set));
    let file = files().remove(0);
    let sound = fs::read(&file).unwrap();
    fs::write(&file, b"no machine code").unwrap();
    drop(build());
    assert_eq!(fs::read(&file).unwrap().len(), sound.len());
    // A folder that others may write to is not used.
    fs::set_permissions(&cache, fs::Permissions::from_mode(0o770)).unwrap();
    let unfit = place
        .host
        .build(&settings, Some(&cache), None)
        .map(drop)
        .unwrap_err();
    assert!(
        unfit[0].reason.contains("closed to others (mode 700)"),
        "{unfit:?}"
    );
}

#[test]
fn random_bytes_are_refused_and_never_panic() {
    let place = Place::new();
    // Keeps the engine for all cases.
    let _stays = place.load(&last_first(), |_| {});
    let config = Config {
        cases: 200,
        failure_persistence: None,
        ..Config::default()
    };
    let tails = proptest::collection::vec(any::<u8>(), 0..300);
    let refused = TestRunner::new(config).run(&tails, |tail| {
        for head in [&b""[..], b"\0asm\x0d\0\x01\0", b"\0asm\x01\0\0\0"] {
            let settings = place.settings("any", &[head, &tail].concat());
            prop_assert!(place.build(&settings).is_err());
        }
        Ok(())
    });
    refused.unwrap();
}

/// Whatever it is: loaded or refused.
fn loads(bytes: &[u8], place: &Place) {
    let settings = place.settings("any", bytes);
    let _ = place.build(&settings).map(|set| set.list().len());
}

#[test]
fn broken_components_never_panic() {
    let place = Place::new();
    let sound = last_first();
    let keep_engine = place.load(&sound, |_| {});
    let mut random = 42_u64;
    for _ in 0..60 {
        let mut bytes = sound.clone();
        for _ in 0..3 {
            random = random
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1);
            let at = (random >> 33) as usize % bytes.len();
            bytes[at] ^= 1 << ((random >> 20) % 8);
        }
        loads(&bytes, &place);
        loads(&sound[..(random >> 33) as usize % sound.len()], &place);
    }
    drop(keep_engine);
}
