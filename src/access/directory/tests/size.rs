//! The directory with as many keys as a large installation has. What a look costs is printed (`--nocapture`); it means something
//! in an optimized build only.

use super::*;

const TENANTS: usize = 10_000;
const KEYS: usize = 100_000;
/// Looks that are timed: each at another key, so that caches help as little as they would.
const LOOKS: usize = 40_000;

fn listed(pepper: &Pepper) -> Listed {
    let tenant = |index: usize| {
        serde_json::from_str(&format!(
            r#"{{"id":"tenant-{index}","allow":{{"models":["llama-*","gpt-5"]}}}}"#
        ))
        .unwrap()
    };
    let user = |index: usize| {
        serde_json::from_str(&format!(
            r#"{{"tenant":"tenant-{index}","id":"bot","kind":"service"}}"#
        ))
        .unwrap()
    };
    let key = |index: usize| {
        let owner = index % TENANTS;
        let asked = format!(
            r#"{{"label":"key-{index}","tenant":"tenant-{owner}","user":"bot","limits":{{"requests_per_minute":60}}}}"#
        );
        draft(&asked).configured(pepper.digest(&sha256(token(index).as_bytes())), None)
    };
    Listed {
        tenants: (0..TENANTS).map(tenant).collect(),
        projects: Vec::new(),
        users: (0..TENANTS).map(user).collect(),
        keys: (0..KEYS).map(key).collect(),
    }
}

/// As long as a real one.
fn token(index: usize) -> String {
    format!("weir_abcdefghijkl_{index:043}")
}

fn resident_bytes() -> usize {
    let pages = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
    let resident = pages
        .split(' ')
        .nth(1)
        .and_then(|pages| pages.parse::<usize>().ok());
    resident.unwrap_or(0) * 4096
}

/// On the processor, not by the clock on the wall: other work on the machine must not count. The best of three rounds.
fn nanoseconds_each(count: usize, mut once: impl FnMut(usize)) -> u64 {
    let rounds = (0..3).map(|_| {
        let start = processor_nanoseconds();
        (0..count).for_each(&mut once);
        (processor_nanoseconds() - start) / count as u64
    });
    rounds.min().unwrap_or_default()
}

fn processor_nanoseconds() -> u64 {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    let on_processor = text
        .split(' ')
        .next()
        .and_then(|number| number.parse().ok());
    on_processor.unwrap_or_default()
}

#[test]
fn a_hundred_thousand_keys_lead_to_their_tenants() {
    let directory = directory();
    let before = resident_bytes();
    let listed = listed(directory.pepper());
    let start = processor_nanoseconds();
    assert_eq!(directory.set_stored(listed), Vec::<String>::new());
    let load = (processor_nanoseconds() - start) / 1_000_000;
    let bytes = resident_bytes().saturating_sub(before);
    let tokens: Vec<String> = (0..KEYS).map(token).collect();
    let at_random = |look: usize| (look * 7_919) % KEYS;
    let find = nanoseconds_each(LOOKS, |look| {
        let index = at_random(look);
        let caller = directory.find(tokens[index].as_bytes(), at(NOW)).unwrap();
        assert_eq!(
            caller
                .key_label()
                .and_then(|label| label.strip_prefix("key-"))
                .and_then(|text| text.parse().ok()),
            Some(index)
        );
    });
    let again = nanoseconds_each(LOOKS, |look| {
        assert!(
            directory
                .find(tokens[look % 100].as_bytes(), at(NOW))
                .is_ok()
        );
    });
    let unknown = nanoseconds_each(LOOKS, |look| {
        let other = &tokens[at_random(look)][1..];
        assert!(directory.find(other.as_bytes(), at(NOW)).is_err());
    });
    let hash = nanoseconds_each(LOOKS, |look| {
        let hash = sha256(tokens[at_random(look)].as_bytes());
        std::hint::black_box(directory.pepper().digest(&hash));
    });
    let caller = directory.find(tokens[0].as_bytes(), at(NOW)).unwrap();
    let permit = nanoseconds_each(5 * LOOKS, |_| {
        assert!(
            caller.may_use_model(std::hint::black_box("gpt-5")) && caller.may_do(Operation::Chat)
        );
    });
    println!(
        "{KEYS} keys, {TENANTS} tenants: found in {find} ns, a hundred of them again in {again} ns (hashing {hash} ns), unknown in {unknown} ns, model and operation in {permit} ns; \
         made ready in {load} ms, {} bytes of memory a key, tenants and users included",
        bytes / KEYS
    );
    println!(
        "a key's entry has {} bytes, a caller {}",
        size_of::<KeyEntry>(),
        size_of::<Caller>()
    );
}
