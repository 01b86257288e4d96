//! Fills a new store with tenants and keys, as `bench/accounts.sh` measures with: `fill-store FOLDER TENANTS KEYS`. Prints the keys'
//! tokens, one a line. Records are made and kept as weir makes and keeps them, but for many being committed together.

use std::path::Path;
use std::time::SystemTime;

use ring::rand::SystemRandom;
use serde_json::{Value, json};
use weir::access::directory::{Change, Directory, Record};
use weir::access::stored;
use weir::store::{Sled, SledSettings, Store, Write};

/// Records of one commit.
const RECORDS_TOGETHER: usize = 5_000;

type Outcome<T> = Result<T, Box<dyn std::error::Error>>;

fn main() -> Outcome<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [folder, tenants, keys] = arguments.as_slice() else {
        return Err("usage: fill-store FOLDER TENANTS KEYS".into());
    };
    let store = Sled::open(Path::new(folder), &SledSettings::default())?;
    let random = SystemRandom::new();
    let (directory, _) = stored::directory(&store, &random)?;
    let mut kept = Kept {
        store: &store,
        writes: Vec::new(),
    };
    let (tenants, keys): (usize, usize) = (tenants.parse()?, keys.parse()?);
    for number in 0..tenants {
        let record: Value = tenant(number);
        let record = Record::Tenant(Box::new(serde_json::from_value(record)?));
        directory.create(record, &mut |changes| kept.keep(changes))?;
    }
    let mut tokens = String::new();
    for number in 0..keys {
        let token = make_key(&directory, number, tenants, &random, &mut kept)?;
        tokens.push_str(&token);
        tokens.push('\n');
    }
    kept.commit()?;
    print!("{tokens}");
    Ok(())
}

/// With a limit, a budget and an allow-list, none of which is ever reached.
fn tenant(number: usize) -> Value {
    json!({
        "id": format!("tenant-{number:05}"),
        "limits": {"tokens_per_minute": 1_000_000_000_000_u64},
        "budget": {"amount": 1_000_000, "per": "month"},
        "allow": {"models": ["llama-*", "bench"]},
    })
}

fn make_key(
    directory: &Directory,
    number: usize,
    tenants: usize,
    random: &SystemRandom,
    kept: &mut Kept<'_>,
) -> Outcome<String> {
    let draft = json!({
        "label": format!("key {number}"),
        "tenant": format!("tenant-{:05}", number % tenants),
        "limits": {"requests_per_minute": 1_000_000_000_000_u64},
        "allow": {"models": ["ben*"], "operations": ["chat", "embeddings"]},
        "tags": {"team": "search"},
    });
    let draft = serde_json::from_value(draft)?;
    let made = directory.create_key(draft, SystemTime::now(), random, None, &mut |changes| {
        kept.keep(changes)
    })?;
    Ok(made.token.expose().to_owned())
}

/// Changes that are committed many at a time.
struct Kept<'a> {
    store: &'a dyn Store,
    writes: Vec<Write>,
}

impl Kept<'_> {
    fn keep(&mut self, changes: &[Change]) -> Result<(), String> {
        self.writes.extend(stored::writes(changes)?);
        match self.writes.len() < RECORDS_TOGETHER {
            true => Ok(()),
            false => self.commit(),
        }
    }

    fn commit(&mut self) -> Result<(), String> {
        let committed = self.store.commit(std::mem::take(&mut self.writes));
        committed.map_err(|error| error.to_string())
    }
}
