//! Both stores, held to one contract; and what only the embedded one has to bear.

use std::fs;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use super::*;

/// A folder of its own, gone with the test.
pub(crate) struct Folder(pub PathBuf);

impl Folder {
    pub fn new() -> Folder {
        static NUMBER: AtomicU64 = AtomicU64::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let name = format!("weir-store-{}-{number}", std::process::id());
        let path = std::env::temp_dir().join(name);
        fs::create_dir_all(&path).unwrap();
        Folder(path)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

pub(crate) fn open(path: &Path) -> Sled {
    Sled::open(path, &SledSettings::default()).unwrap()
}

fn keys(store: &dyn Store, table: Table, from: &[u8], to: Option<&[u8]>) -> Vec<Vec<u8>> {
    let mut keys = Vec::new();
    let mut visit = |key: &[u8], _: &[u8]| {
        keys.push(key.to_vec());
        ControlFlow::Continue(())
    };
    store.scan(table, from, to, &mut visit).unwrap();
    keys
}

fn holds_to_the_contract(store: &dyn Store) {
    assert_eq!(store.get(Table::Meta, b"a"), Ok(None));
    let mut writes = vec![
        Write::put(Table::Keys, *b"b", *b"2"),
        Write::put(Table::Keys, *b"a", *b"0"),
        Write::put(Table::Keys, *b"a", *b"1"),
        Write::put(Table::Keys, *b"gone", *b"1"),
        Write::delete(Table::Keys, *b"gone"),
        Write::put(Table::Keys, [255, 255], *b"last"),
        Write::put(Table::Users, *b"", *b"a neighbour"),
        Write::put(Table::UpstreamKeys, *b"", *b"another"),
    ];
    store.commit(writes.clone()).unwrap();
    store.commit(writes.clone()).unwrap();
    assert_eq!(store.get(Table::Keys, b"a"), Ok(Some(b"1".to_vec())));
    assert_eq!(store.get(Table::Keys, b"gone"), Ok(None));
    assert_eq!(
        keys(store, Table::Keys, b"", None),
        [b"a".to_vec(), b"b".to_vec(), vec![255, 255]]
    );
    assert_eq!(keys(store, Table::Keys, b"b", Some(b"c")), [b"b"]);
    assert_eq!(keys(store, Table::Keys, b"a", Some(b"b")), [b"a"]);
    assert!(keys(store, Table::Keys, b"b", Some(b"a")).is_empty());
    assert!(keys(store, Table::Rows, b"", None).is_empty());

    writes.push(Write::put(
        Table::Meta,
        *b"large",
        vec![0; VALUE_BYTES_MAX + 1],
    ));
    writes[0] = Write::put(Table::Keys, *b"b", *b"not written");
    let refused = store.commit(writes).unwrap_err();
    assert!(refused.to_string().contains("32769 bytes"), "{refused}");
    assert_eq!(store.get(Table::Keys, b"b"), Ok(Some(b"2".to_vec())));
    scans_in_pieces(store);
}

fn scans_in_pieces(store: &dyn Store) {
    let key = |number: u32| number.to_be_bytes();
    let put = |number| Write::put(Table::Rows, key(number), vec![number as u8; 1000]);
    store.commit((0..1000).map(put).collect()).unwrap();
    let mut seen = 0;
    let mut visit = |found: &[u8], value: &[u8]| {
        assert_eq!(found, key(seen));
        assert_eq!(value, vec![seen as u8; 1000]);
        // The visitor may use the store.
        assert!(store.get(Table::Rows, found).unwrap().is_some());
        store
            .commit(vec![Write::delete(Table::Rows, found)])
            .unwrap();
        seen += 1;
        if seen == 900 {
            ControlFlow::Break(())
        } else {
            ControlFlow::Continue(())
        }
    };
    store.scan(Table::Rows, &[], None, &mut visit).unwrap();
    assert_eq!(seen, 900);
    assert_eq!(keys(store, Table::Rows, &[], None).len(), 100);
}

#[test]
fn memory_holds_to_the_contract() {
    holds_to_the_contract(&Memory::new());
}

#[test]
fn sled_holds_to_the_contract() {
    let folder = Folder::new();
    holds_to_the_contract(&open(&folder.0));
}

#[test]
fn what_was_committed_is_there_after_the_store_is_opened_again() {
    let folder = Folder::new();
    for round in 0..5u8 {
        let store = open(&folder.0);
        assert_eq!(
            keys(&store, Table::Meta, &[], None).len(),
            usize::from(round)
        );
        store
            .commit(vec![Write::put(Table::Meta, [round], [round])])
            .unwrap();
        assert!(store.bytes().unwrap() > 0);
    }
}

#[test]
fn one_process_has_it() {
    let folder = Folder::new();
    let first = open(&folder.0);
    let refused = Sled::open(&folder.0, &SledSettings::default())
        .err()
        .unwrap();
    assert_eq!(
        refused,
        StoreError::InUse {
            path: folder.0.clone()
        }
    );
    assert!(refused.to_string().contains(&*folder.0.to_string_lossy()));
    drop(first);
    open(&folder.0);
}

#[test]
fn a_start_that_was_cut_short_is_no_damage() {
    let folder = Folder::new();
    fs::write(folder.0.join("conf"), b"segment_").unwrap();
    open(&folder.0)
        .commit(vec![Write::put(Table::Meta, *b"a", *b"1")])
        .unwrap();
    drop(open(&folder.0));
    // What sled would take for its newest snapshot.
    fs::write(folder.0.join("snap.7FFFFFFFFFFFFFFF.generating"), b"half").unwrap();
    let store = open(&folder.0);
    assert_eq!(store.get(Table::Meta, b"a"), Ok(Some(b"1".to_vec())));
}

/// Puts nonsense in the place of sled's newest snapshot.
fn damage(path: &Path) {
    let entries = fs::read_dir(path)
        .unwrap()
        .map(|entry| entry.unwrap().path());
    let snapshot = entries.into_iter().find(|path| {
        path.file_name()
            .unwrap()
            .to_string_lossy()
            .starts_with("snap.")
    });
    fs::write(snapshot.unwrap(), [7; 100]).unwrap();
}

#[test]
fn a_damaged_store_is_refused_or_moved_aside() {
    let folder = Folder::new();
    let path = folder.0.join("inner");
    for _ in 0..2 {
        open(&path)
            .commit(vec![Write::put(Table::Meta, *b"a", *b"1")])
            .unwrap();
    }
    damage(&path);
    let refused = Sled::open(&path, &SledSettings::default()).err().unwrap();
    assert!(matches!(refused, StoreError::Damaged { .. }), "{refused:?}");
    let said = refused.to_string();
    assert!(
        said.contains("inner") && said.contains("set_aside"),
        "{said}"
    );

    let settings = SledSettings {
        damaged: Damaged::SetAside,
        ..SledSettings::default()
    };
    let store = Sled::open(&path, &settings).unwrap();
    assert_eq!(store.get(Table::Meta, b"a"), Ok(None));
    let aside = fs::read_dir(&folder.0).unwrap();
    let names: Vec<String> = aside
        .map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned())
        .collect();
    assert!(
        names.iter().any(|name| name.starts_with("inner.damaged-")),
        "{names:?}"
    );
}

#[test]
fn the_end_of_a_prefix() {
    assert_eq!(prefix_end(b"ab"), Some(b"ac".to_vec()));
    assert_eq!(prefix_end(&[1, 255]), Some(vec![2]));
    assert_eq!(prefix_end(&[255]), None);
    assert_eq!(prefix_end(b""), None);
}

#[test]
fn no_table_has_anothers_prefix() {
    let mut prefixes: Vec<u8> = Table::ALL.into_iter().map(Table::prefix).collect();
    prefixes.dedup();
    let known: Vec<u8> = (1..=14).filter(|prefix| *prefix != 12).collect();
    assert_eq!(prefixes, known, "12 was a table once");
}

fn records(log: &dyn Log, from: u64) -> (Vec<Vec<u8>>, u64) {
    let mut records = Vec::new();
    let end = log.read(from, &mut |_, record| records.push(record.to_vec()));
    (records, end.unwrap())
}

fn log_holds_to_the_contract(log: &dyn Log) {
    assert_eq!(records(log, 5), (vec![], 5));
    log.begin(5).unwrap();
    log.add(b"one").unwrap();
    log.add(&[0; 10_000]).unwrap();
    log.begin(6).unwrap();
    log.begin(9).unwrap();
    log.add(b"three").unwrap();
    let whole = vec![b"one".to_vec(), vec![0; 10_000], b"three".to_vec()];
    assert_eq!(records(log, 0), (whole, 10));
    assert_eq!(records(log, 6), (vec![b"three".to_vec()], 10));
    assert_eq!(records(log, 20), (vec![], 20));
    log.sync().unwrap();
    log.remove_before(6);
    log.add(b"four").unwrap();
    log.sync().unwrap();
    log.sync().unwrap();
    let left = vec![b"three".to_vec(), b"four".to_vec()];
    assert_eq!(records(log, 0), (left, 10));
}

#[test]
fn logs_hold_to_the_contract() {
    let folder = Folder::new();
    log_holds_to_the_contract(&MemoryLog::default());
    let log = FileLog::open(&folder.0.join("log")).unwrap();
    assert!(log.add(b"too early").is_err());
    log_holds_to_the_contract(&log);
    // There for the next process as well.
    let again = FileLog::open(&folder.0.join("log")).unwrap();
    assert_eq!(records(&again, 0).0.len(), 2);
    assert!(again.begin(9).is_err(), "no piece is begun twice");
}

#[test]
fn a_record_that_was_cut_short_ends_its_piece_and_no_other() {
    let folder = Folder::new();
    let log = FileLog::open(&folder.0).unwrap();
    for number in [1, 2] {
        log.begin(number).unwrap();
        for record in 0..3u8 {
            log.add(&[record; 100]).unwrap();
        }
    }
    let path = folder.0.join("00000000000000000001.log");
    let whole = fs::read(&path).unwrap();
    for cut in 0..whole.len() {
        fs::write(&path, &whole[..cut]).unwrap();
        let (found, end) = records(&log, 0);
        assert_eq!((found.len(), end), (cut / 108 + 3, 3), "cut at {cut}");
        // Or something else has come to lie there.
        let mut damaged = whole.clone();
        damaged[cut] ^= 0x40;
        fs::write(&path, &damaged).unwrap();
        assert_eq!(records(&log, 0).0.len(), cut / 108 + 3, "damaged at {cut}");
    }
}
