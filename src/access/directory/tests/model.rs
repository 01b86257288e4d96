//! The directory beside a model of it, under random changes, and under readers while it changes.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use proptest::prelude::*;

use super::*;

/// Readers that began to look after a revocation returned never find the key.
#[test]
fn a_revocation_is_seen_at_once_by_everybody() {
    let directory = Arc::new(with_acme());
    let keys: Vec<NewKey> = (0..200)
        .map(|_| create_key(&directory, r#"{"label":"k","tenant":"acme"}"#))
        .collect();
    let keys = Arc::new(keys);
    // Keys below this index are revoked for certain.
    let revoked = Arc::new(AtomicU64::new(0));
    let is_over = Arc::new(AtomicBool::new(false));
    let readers: Vec<_> = (0..4)
        .map(|_| {
            let (directory, keys) = (directory.clone(), keys.clone());
            let (revoked, is_over) = (revoked.clone(), is_over.clone());
            std::thread::spawn(move || {
                let mut looks = 0_u64;
                let mut index = 0;
                while !is_over.load(Ordering::SeqCst) {
                    index = (index + 1) % keys.len();
                    let certain = revoked.load(Ordering::SeqCst);
                    let found = find(&directory, &keys[index]);
                    match found {
                        Ok(_) => assert!(index as u64 >= certain, "key {index} was revoked before"),
                        Err(denied) => assert_eq!(denied, Denied::Revoked),
                    }
                    looks += 1;
                }
                looks
            })
        })
        .collect();
    for (index, key) in keys.iter().enumerate() {
        directory.revoke_key(key.key.id, &mut kept).unwrap();
        revoked.store(index as u64 + 1, Ordering::SeqCst);
    }
    is_over.store(true, Ordering::SeqCst);
    let looks: u64 = readers
        .into_iter()
        .map(|reader| reader.join().unwrap())
        .sum();
    assert!(keys.iter().all(|key| find(&directory, key).is_err()) && looks > 0);
}

/// What may be done to a directory, with indices into what there is.
#[derive(Debug, Clone)]
enum Step {
    Create(u8),
    Revoke(usize),
    Rotate(usize),
    Disable(usize),
    Enable(usize),
    Remove(usize),
    Tenant(u8, bool),
    /// Which of four secrets the configuration holds.
    Reload(u8),
    Restart,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        3 => (0u8..3).prop_map(Step::Create),
        2 => any::<usize>().prop_map(Step::Revoke),
        2 => any::<usize>().prop_map(Step::Rotate),
        1 => any::<usize>().prop_map(Step::Disable),
        1 => any::<usize>().prop_map(Step::Enable),
        1 => any::<usize>().prop_map(Step::Remove),
        2 => ((0u8..3), any::<bool>()).prop_map(|(tenant, active)| Step::Tenant(tenant, active)),
        2 => (0u8..16).prop_map(Step::Reload),
        1 => Just(Step::Restart),
    ]
}

/// What a directory must be: the simplest that can be said.
#[derive(Default)]
struct Model {
    /// Token → key, tenant and state.
    keys: BTreeMap<String, (KeyId, u8, KeyState)>,
    inactive: [bool; 3],
    configured: u8,
    /// Kept records, as a store would have them.
    records: BTreeMap<String, Record>,
}

impl Model {
    fn expected(&self, token: &str) -> Result<String, Denied> {
        let (id, tenant, state) = self.keys.get(token).ok_or(Denied::Unknown)?;
        check_state(*state)?;
        match self.inactive[usize::from(*tenant)] {
            true => Err(Denied::TenantInactive),
            false => Ok(id.to_string()),
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn a_directory_is_what_was_done_to_it(steps in proptest::collection::vec(step(), 1..60)) {
        let (directory, random) = (directory(), SystemRandom::new());
        let mut model = Model::default();
        let mut tokens: Vec<String> = (0..4).map(|index| format!("yaml-{index}")).collect();
        for index in 0..3 {
            let record = tenant(&format!(r#"{{"id":"t{index}"}}"#));
            model.records.insert(format!("{}", record.name()), record.clone());
            directory.create(record, &mut kept).unwrap();
        }
        for step in steps {
            let mut changes = Vec::new();
            let mut keep = |all: &[Change]| {
                changes.extend(all.to_vec());
                Ok(())
            };
            let stored: Vec<(String, KeyId, u8, KeyState)> = model.keys.iter().map(|(token, (id, tenant, state))| (token.clone(), *id, *tenant, *state)).collect();
            let pick = |index: usize| (!stored.is_empty()).then(|| stored[index % stored.len()].clone());
            match step {
                Step::Create(tenant) => {
                    let asked = draft(&format!(r#"{{"label":"k","tenant":"t{tenant}"}}"#));
                    let new = directory.create_key(asked, at(NOW), &random, None, &mut keep).unwrap();
                    tokens.push(new.token.expose().to_owned());
                    model.keys.insert(new.token.expose().to_owned(), (new.key.id, tenant, KeyState::Active));
                }
                Step::Revoke(index) => if let Some((token, id, tenant, _)) = pick(index) {
                    directory.revoke_key(id, &mut keep).unwrap();
                    model.keys.insert(token, (id, tenant, KeyState::Revoked));
                },
                Step::Disable(index) | Step::Enable(index) => if let Some((token, id, tenant, state)) = pick(index) {
                    let to = if matches!(step, Step::Disable(_)) { KeyState::Disabled } else { KeyState::Active };
                    let edited = directory.edit_key(id, &mut keep, &mut |key| { key.state = to; Ok(()) });
                    prop_assert_eq!(edited.is_ok(), state != KeyState::Revoked);
                    if edited.is_ok() {
                        model.keys.insert(token, (id, tenant, to));
                    }
                },
                Step::Rotate(index) => if let Some((token, id, tenant, state)) = pick(index) {
                    let rotated = directory.rotate_key(id, Duration::ZERO, at(NOW), &random, &mut keep);
                    prop_assert_eq!(rotated.is_ok(), state != KeyState::Revoked);
                    if let Ok(new) = rotated {
                        model.keys.remove(&token);
                        tokens.push(new.token.expose().to_owned());
                        model.keys.insert(new.token.expose().to_owned(), (id, tenant, state));
                    }
                },
                Step::Remove(index) => if let Some((token, id, ..)) = pick(index) {
                    directory.remove(&Name::Key(id), &mut keep).unwrap();
                    model.keys.remove(&token);
                },
                Step::Tenant(index, active) => {
                    let name = Name::Tenant(format!("t{index}"));
                    directory.edit(&name, &mut keep, &mut |record| {
                        if let Record::Tenant(tenant) = record { tenant.active = active; }
                        Ok(())
                    }).unwrap();
                    model.inactive[usize::from(index)] = !active;
                }
                Step::Reload(which) => {
                    let held = (0..4).filter(|index| which & 1 << index != 0);
                    let keys = held.map(|index| configured(&directory, &format!("yaml-{index}"), &format!(r#"{{"label":"y{index}","tenant":"t0"}}"#)));
                    let part = Listed { keys: keys.collect(), ..Listed::default() };
                    directory.set_configured(part).unwrap();
                    model.configured = which;
                }
                Step::Restart => {
                    let mut part = Listed::default();
                    for record in model.records.values().cloned() {
                        match record {
                            Record::Tenant(record) => part.tenants.push(*record),
                            Record::Project(record) => part.projects.push(*record),
                            Record::User(record) => part.users.push(*record),
                            Record::Key(record) => part.keys.push(*record),
                        }
                    }
                    prop_assert_eq!(directory.set_stored(part), Vec::<String>::new());
                }
            }
            for change in changes {
                match change {
                    Change::Put(record) => model.records.insert(record.name().to_string(), record),
                    Change::Remove(name) => model.records.remove(&name.to_string()),
                };
            }
            for token in &tokens {
                let found = directory.find(token.as_bytes(), at(NOW));
                let found = found.map(|caller| caller.key_id().unwrap().to_string());
                let yaml = token.strip_prefix("yaml-").map(|index| index.parse::<u8>().unwrap());
                let expected = match yaml {
                    None => model.expected(token),
                    Some(index) if model.configured & 1 << index == 0 => Err(Denied::Unknown),
                    Some(_) if model.inactive[0] => Err(Denied::TenantInactive),
                    Some(index) => Ok(KeyId::of_label("t0", &format!("y{index}")).to_string()),
                };
                prop_assert_eq!(found, expected, "{}", token);
            }
            prop_assert_eq!(directory.keys_count(), model.keys.len() + model.configured.count_ones() as usize);
        }
    }
}
