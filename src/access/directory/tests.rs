//! The directory as its callers and its administrators see it.

use std::time::Duration;

use ring::rand::SystemRandom;

use crate::terms::{KeyState, Priority};

use super::super::ids::KeyId;
use super::super::records::{Key, KeyDraft, Project};
use super::super::seal::{MasterKey, Seal, SealError};
use super::*;
use crate::wire::Operation;

mod model;
mod parts;
mod size;

const NOW: u64 = 1_800_000_000;

fn at(seconds: u64) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(seconds)
}

fn directory() -> Directory {
    Directory::new(Pepper::new(&[9; 32]))
}

fn kept(_: &[Change]) -> Result<(), String> {
    Ok(())
}

fn tenant(json: &str) -> Record {
    Record::Tenant(Box::new(serde_json::from_str(json).unwrap()))
}

fn project(json: &str) -> Record {
    Record::Project(Box::new(serde_json::from_str(json).unwrap()))
}

fn user(json: &str) -> Record {
    Record::User(Box::new(serde_json::from_str(json).unwrap()))
}

fn draft(json: &str) -> KeyDraft {
    serde_json::from_str(json).unwrap()
}

fn create_key(directory: &Directory, json: &str) -> NewKey {
    let random = SystemRandom::new();
    directory
        .create_key(draft(json), at(NOW), &random, None, &mut kept)
        .unwrap()
}

fn find(directory: &Directory, new: &NewKey) -> Result<Arc<Caller>, Denied> {
    directory.find(new.token.expose().as_bytes(), at(NOW))
}

/// Tenant `acme` with project `ml` and user `bot`.
fn with_acme() -> Directory {
    let directory = directory();
    for record in [
        tenant(
            r#"{"id":"acme","allow":{"models":["llama-*","gpt-5"]},"priority":"normal","tags":{"a":"tenant","b":"tenant"}}"#,
        ),
        project(r#"{"tenant":"acme","id":"ml","allow":{"operations":["chat","embeddings"]}}"#),
        user(
            r#"{"tenant":"acme","id":"bot","kind":"service","project":"ml","allow":{"addresses":["10.0.0.0/8"]},"tags":{"b":"user"}}"#,
        ),
    ] {
        directory.create(record, &mut kept).unwrap();
    }
    directory
}

/// A key of the configuration.
fn configured(directory: &Directory, token: &str, json: &str) -> Key {
    let digest = directory.pepper().digest(&sha256(token.as_bytes()));
    draft(json).configured(digest, None)
}

#[test]
fn a_caller_may_do_what_all_of_its_records_allow() {
    let directory = with_acme();
    let new = create_key(
        &directory,
        r#"{"label":"ci","tenant":"acme","user":"bot","allow":{"models":["llama-70b","qwen"]},"priority":"interactive","tags":{"c":"key"}}"#,
    );
    let caller = find(&directory, &new).unwrap();
    assert_eq!(
        (caller.tenant_id(), caller.project_id(), caller.user_id()),
        ("acme", Some("ml"), Some("bot"))
    );
    assert_eq!(
        (caller.key_id(), caller.key_label()),
        (Some(new.key.id), Some("ci"))
    );
    for (model, expected) in [
        ("llama-70b", true),
        ("llama-8b", false),
        ("qwen", false),
        ("gpt-5", false),
    ] {
        assert_eq!(caller.may_use_model(model), expected, "{model}");
    }
    assert_eq!(
        caller.permit_model("qwen"),
        Err(Denied::Model("qwen".into()))
    );
    let (inside, outside) = ("10.1.1.1".parse().unwrap(), "192.0.2.1".parse().unwrap());
    assert_eq!(caller.permit(Operation::Chat, inside), Ok(()));
    assert_eq!(
        caller.permit(Operation::Speech, inside),
        Err(Denied::Operation("speech"))
    );
    assert_eq!(
        caller.permit(Operation::Chat, outside),
        Err(Denied::Address(outside))
    );
    // A key goes no earlier than its tenant.
    assert_eq!(caller.priority(), Priority::Normal);
    let tags: Vec<_> = caller
        .tags()
        .into_iter()
        .map(|(tag, value)| format!("{tag}={value}"))
        .collect();
    assert_eq!(tags, ["a=tenant", "b=user", "c=key"]);
    let reader = create_key(
        &directory,
        r#"{"label":"r","tenant":"acme","scopes":["usage_read"]}"#,
    );
    let reader = find(&directory, &reader).unwrap();
    assert!(matches!(
        reader.permit(Operation::Chat, inside),
        Err(Denied::Scope(_))
    ));
}

#[test]
fn a_key_is_taken_in_its_time_and_state() {
    let directory = with_acme();
    let new = create_key(
        &directory,
        r#"{"label":"k","tenant":"acme","expires":"2027-02-01"}"#,
    );
    let token = new.token.expose().as_bytes();
    let expires = Moment::parse("2027-02-01").unwrap().unix();
    assert!(directory.find(token, at(expires - 1)).is_ok());
    assert_eq!(
        directory.find(token, at(expires)).unwrap_err(),
        Denied::Expired
    );
    for unknown in [
        &b""[..],
        b"weir_",
        &token[1..],
        &token[..token.len() - 1],
        b"\xff\x00",
    ] {
        assert_eq!(
            directory.find(unknown, at(NOW)).unwrap_err(),
            Denied::Unknown
        );
    }
    let set = |state| {
        let edit = &mut |key: &mut Key| {
            key.state = state;
            Ok(())
        };
        directory.edit_key(new.key.id, &mut kept, edit)
    };
    set(KeyState::Disabled).unwrap();
    assert_eq!(find(&directory, &new).unwrap_err(), Denied::Disabled);
    set(KeyState::Active).unwrap();
    assert!(find(&directory, &new).is_ok());
    directory.revoke_key(new.key.id, &mut kept).unwrap();
    assert_eq!(find(&directory, &new).unwrap_err(), Denied::Revoked);
    assert!(matches!(
        set(KeyState::Active),
        Err(ChangeError::Invalid(_))
    ));
    directory.remove(&Name::Key(new.key.id), &mut kept).unwrap();
    assert_eq!(find(&directory, &new).unwrap_err(), Denied::Unknown);
}

/// The map finds a key by half of its digest; all of it must be the token's.
#[test]
fn half_a_digest_is_not_enough() {
    let directory = with_acme();
    let good = configured(&directory, "secret", r#"{"label":"k","tenant":"acme"}"#);
    let digest = serde_json::to_value(good.digest).unwrap();
    let digest = digest.as_str().unwrap();
    for at_digit in [32, 47, 63] {
        let mut other = digest.to_owned();
        let changed = if &digest[at_digit..=at_digit] == "0" {
            "1"
        } else {
            "0"
        };
        other.replace_range(at_digit..=at_digit, changed);
        let key = Key {
            digest: serde_json::from_value(other.into()).unwrap(),
            ..good.clone()
        };
        let part = Listed {
            keys: vec![key],
            ..Listed::default()
        };
        directory.set_configured(part).unwrap();
        assert_eq!(
            directory.find(b"secret", at(NOW)).unwrap_err(),
            Denied::Unknown
        );
    }
}

#[test]
fn what_stands_above_a_key_can_stop_it_at_once() {
    let directory = with_acme();
    let new = create_key(&directory, r#"{"label":"k","tenant":"acme","user":"bot"}"#);
    let ids = || ("acme".to_owned(), "ml".to_owned(), "bot".to_owned());
    let (tenant, project, user) = ids();
    let names = [
        (Name::Tenant(tenant.clone()), Denied::TenantInactive),
        (
            Name::Project {
                tenant: tenant.clone(),
                id: project,
            },
            Denied::ProjectInactive,
        ),
        (Name::User { tenant, id: user }, Denied::UserInactive),
    ];
    for (name, denied) in names {
        let set = |active: bool| {
            let edit = &mut |record: &mut Record| {
                match record {
                    Record::Tenant(tenant) => tenant.active = active,
                    Record::Project(project) => project.active = active,
                    Record::User(user) => user.active = active,
                    Record::Key(_) => return Err("no key here".to_owned()),
                }
                Ok(())
            };
            directory.edit(&name, &mut kept, edit).unwrap();
        };
        set(false);
        assert_eq!(find(&directory, &new).unwrap_err(), denied, "{name}");
        set(true);
        assert!(find(&directory, &new).is_ok(), "{name}");
        assert!(
            matches!(
                directory.remove(&name, &mut kept),
                Err(ChangeError::InUse { .. })
            ),
            "{name}"
        );
    }
}

#[test]
fn a_rotated_key_keeps_its_id_and_for_a_while_its_old_secret() {
    let (directory, random) = (with_acme(), SystemRandom::new());
    let old = create_key(&directory, r#"{"label":"k","tenant":"acme"}"#);
    let id = old.key.id;
    let rotate = |overlap| {
        let overlap = Duration::from_secs(overlap);
        directory
            .rotate_key(id, overlap, at(NOW), &random, &mut kept)
            .unwrap()
    };
    let find_at = |new: &NewKey, now| {
        directory
            .find(new.token.expose().as_bytes(), at(now))
            .map(|caller| caller.key_id())
    };
    let second = rotate(60);
    assert_eq!(
        (find_at(&second, NOW), find_at(&old, NOW + 59)),
        (Ok(Some(id)), Ok(Some(id)))
    );
    assert_eq!(find_at(&old, NOW + 60), Err(Denied::Revoked));
    assert_eq!(directory.keys_count(), 1);
    let third = rotate(0);
    assert_eq!(find_at(&third, NOW), Ok(Some(id)));
    for gone in [&old, &second] {
        assert_eq!(find_at(gone, NOW), Err(Denied::Unknown));
    }
    directory.revoke_key(id, &mut kept).unwrap();
    let again = directory.rotate_key(id, Duration::ZERO, at(NOW), &random, &mut kept);
    assert!(matches!(again, Err(ChangeError::Invalid(_))));
}

#[test]
fn what_cannot_be_kept_does_not_hold_unless_it_takes_something_away() {
    let (directory, random) = (with_acme(), SystemRandom::new());
    let mut full = |_: &[Change]| Err("disk full".to_owned());
    let lost = directory.create_key(
        draft(r#"{"label":"k","tenant":"acme"}"#),
        at(NOW),
        &random,
        None,
        &mut full,
    );
    assert_eq!(
        lost.unwrap_err(),
        ChangeError::NotKept {
            why: "disk full".into(),
            holds: false
        }
    );
    assert_eq!(directory.keys_count(), 0);
    let new = create_key(&directory, r#"{"label":"k","tenant":"acme"}"#);
    let lost = directory.rotate_key(new.key.id, Duration::ZERO, at(NOW), &random, &mut full);
    assert!(lost.is_err() && find(&directory, &new).is_ok());
    let held = directory.revoke_key(new.key.id, &mut full);
    assert_eq!(
        held.unwrap_err(),
        ChangeError::NotKept {
            why: "disk full".into(),
            holds: true
        }
    );
    assert_eq!(find(&directory, &new).unwrap_err(), Denied::Revoked);
}

#[test]
fn changes_are_checked() {
    let (directory, random) = (with_acme(), SystemRandom::new());
    let mut never = |_: &[Change]| -> Result<(), String> { panic!("nothing of this may be kept") };
    for (json, what) in [
        (r#"{"label":"","tenant":"acme"}"#, "`label`"),
        (r#"{"label":"a\nb","tenant":"acme"}"#, "`label`"),
        (r#"{"label":"k","tenant":"nobody"}"#, "no tenant `nobody`"),
        (
            r#"{"label":"k","tenant":"acme","project":"x"}"#,
            "no project `x`",
        ),
        (r#"{"label":"k","tenant":"acme","user":"x"}"#, "no user `x`"),
        (
            r#"{"label":"k","tenant":"acme","allow":{"models":["/(/"]}}"#,
            "allow.models[0]",
        ),
        (r#"{"label":"k","tenant":"acme","tags":{"":"x"}}"#, "tag"),
        (
            r#"{"label":"k","tenant":"acme","signed":true}"#,
            "master key",
        ),
    ] {
        let error = directory
            .create_key(draft(json), at(NOW), &random, None, &mut never)
            .unwrap_err();
        assert!(error.to_string().contains(what), "{json}: {error}");
    }
    for (record, what) in [
        (tenant(r#"{"id":"acme"}"#), "already"),
        (tenant(r#"{"id":"a b"}"#), "is not an id"),
        (project(r#"{"tenant":"nobody","id":"x"}"#), "no tenant"),
        (
            user(r#"{"tenant":"acme","id":"x","project":"nothing"}"#),
            "no project",
        ),
    ] {
        let error = directory.create(record, &mut never).unwrap_err();
        assert!(error.to_string().contains(what), "{error}");
    }
    let new = create_key(&directory, r#"{"label":"k","tenant":"acme"}"#);
    directory
        .create(tenant(r#"{"id":"other"}"#), &mut kept)
        .unwrap();
    let edits: [fn(&mut Key); 4] = [
        |key| key.tenant = "other".into(),
        |key| key.signing = Some("x".into()),
        |key| key.id = KeyId::of_label("a", "b"),
        |key| key.created = Moment::from_unix(0),
    ];
    for edit in edits {
        let edited = directory.edit_key(new.key.id, &mut never, &mut |key| {
            edit(key);
            Ok(())
        });
        assert!(matches!(edited, Err(ChangeError::Invalid(_))), "{edited:?}");
    }
    let unknown = KeyId::of_label("no", "body");
    assert_eq!(
        directory.revoke_key(unknown, &mut never),
        Err(ChangeError::Unknown(Name::Key(unknown)))
    );
}

#[test]
fn a_signed_key_shows_its_signing_secret_once_and_keeps_it_sealed() {
    let (directory, random) = (with_acme(), SystemRandom::new());
    let seal = Seal::new(MasterKey::new(&[5; 32]), Vec::new());
    let asked = draft(r#"{"label":"k","tenant":"acme","signed":true}"#);
    let mut changes = Vec::new();
    let mut keep = |all: &[Change]| {
        changes.extend(all.to_vec());
        Ok(())
    };
    let new = directory
        .create_key(asked, at(NOW), &random, Some(&seal), &mut keep)
        .unwrap();
    let secret = new.signing.as_ref().unwrap().expose();
    let caller = find(&directory, &new).unwrap();
    let opened = caller.signing_secret(&seal).unwrap().unwrap();
    assert_eq!(&opened[..], secret.as_bytes());
    let other = Seal::new(MasterKey::new(&[6; 32]), Vec::new());
    assert!(matches!(caller.signing_secret(&other), Some(Err(_))));
    let written = format!("{changes:?}{:?}", caller.key);
    assert!(!written.contains(secret) && !written.contains(new.token.expose()));
}

#[test]
fn signing_secrets_follow_the_master_key() {
    let (directory, random) = (with_acme(), SystemRandom::new());
    let key = |byte: u8| MasterKey::new(&[byte; 32]);
    let old = Seal::new(key(5), Vec::new());
    let asked = draft(r#"{"label":"k","tenant":"acme","signed":true}"#);
    let new = directory
        .create_key(asked, at(NOW), &random, Some(&old), &mut kept)
        .unwrap();
    create_key(&directory, r#"{"label":"plain","tenant":"acme"}"#);
    let alone = Seal::new(key(6), Vec::new());
    let lost = directory.unopenable_signing(&alone);
    assert_eq!(
        lost,
        [(new.key.id, SealError::UnknownMasterKey(key(5).id()))]
    );
    let both = Seal::new(key(6), vec![key(5)]);
    let mut refusing = |_: &[Change]| Err("no disk".to_owned());
    let refused = directory.reseal_signing(&both, &random, &mut refusing);
    assert!(refused.is_err(), "what is not kept does not hold");
    assert_eq!(directory.unopenable_signing(&alone).len(), 1);
    let mut changes = Vec::new();
    let mut keep = |all: &[Change]| {
        changes.extend(all.to_vec());
        Ok(())
    };
    let told = directory.reseal_signing(&both, &random, &mut keep).unwrap();
    assert_eq!((told.resealed, told.unchanged), (1, 0));
    assert_eq!(changes.len(), 1);
    let opened = find(&directory, &new).unwrap().signing_secret(&alone);
    let secret = new.signing.as_ref().unwrap().expose();
    assert_eq!(&opened.unwrap().unwrap()[..], secret.as_bytes());
    let again = directory.reseal_signing(&both, &random, &mut kept).unwrap();
    assert_eq!((again.resealed, again.unchanged), (0, 1));
    // The way out where the master key is lost.
    let lost = Seal::new(key(7), Vec::new());
    assert_eq!(directory.unopenable_signing(&lost).len(), 1);
    directory.revoke_key(new.key.id, &mut kept).unwrap();
    assert_eq!(directory.unopenable_signing(&lost), []);
}

#[test]
fn callers_without_a_key_are_a_tenant_like_any_other() {
    let directory = directory();
    assert_eq!(directory.anonymous().unwrap().tenant_id(), ANONYMOUS);
    assert!(directory.anonymous().unwrap().may_use_model("any"));
    directory
        .create(tenant(r#"{"id":"anonymous","active":false}"#), &mut kept)
        .unwrap();
    assert_eq!(directory.anonymous().unwrap_err(), Denied::TenantInactive);
}

#[test]
fn lists_come_in_pages_and_only_of_whom_they_are_asked() {
    let directory = with_acme();
    directory
        .create(tenant(r#"{"id":"other"}"#), &mut kept)
        .unwrap();
    for count in 0..25 {
        let owner = if count % 5 == 0 { "other" } else { "acme" };
        create_key(
            &directory,
            &format!(r#"{{"label":"k{count}","tenant":"{owner}"}}"#),
        );
    }
    let filter = KeyFilter {
        tenant: Some("acme"),
        ..KeyFilter::default()
    };
    let mut seen = Vec::new();
    while let page = directory.keys(&filter, seen.last().copied(), 7)
        && !page.is_empty()
    {
        assert!(page.len() <= 7 && page.iter().all(|entry| entry.record.tenant == "acme"));
        seen.extend(page.iter().map(|entry| entry.record.id));
    }
    assert_eq!(seen.len(), 20);
    assert!(seen.is_sorted());
    assert_eq!(directory.users("other", None, 10).len(), 0);
    assert_eq!(directory.users("acme", None, 10).len(), 1);
    assert_eq!(directory.projects("acme", Some("ml"), 10).len(), 0);
}

#[test]
fn a_project_is_no_user_and_no_tenant() {
    let directory = with_acme();
    let name = |kind: &str| match kind {
        "project" => Name::Project {
            tenant: "acme".into(),
            id: "ml".into(),
        },
        _ => Name::User {
            tenant: "acme".into(),
            id: "ml".into(),
        },
    };
    assert!(matches!(
        directory.get(&name("project")),
        Some(Record::Project(_))
    ));
    assert_eq!(directory.get(&name("user")), None);
    assert!(!directory.is_configured(&name("project")));
    let record: Project = serde_json::from_str(r#"{"tenant":"acme","id":"ml"}"#).unwrap();
    assert!(matches!(
        directory.create(Record::Project(Box::new(record)), &mut kept),
        Err(ChangeError::Exists(_))
    ));
}
