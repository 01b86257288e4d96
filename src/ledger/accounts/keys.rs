//! Where the books lie in the table of entries: entries by account and time, idempotency keys by account and by age.
//! It must not know what the values say. A first byte keeps the three apart; ids have no NUL, which ends them.

use std::time::SystemTime;

use crate::ledger::row::micros_of;

const ENTRY: u8 = b'e';
const KEY: u8 = b'k';
const KEY_AGE: u8 = b'a';

/// The beginning of all entries of an account.
pub(super) fn entries_of(account: &str) -> Vec<u8> {
    named(ENTRY, account)
}

/// Where the entries of an account begin that are not before a time.
pub(super) fn entries_from(account: &str, from: SystemTime) -> Vec<u8> {
    let mut key = entries_of(account);
    key.extend_from_slice(&micros_of(from).to_be_bytes());
    key
}

pub(super) fn entry(account: &str, at: SystemTime, number: u64) -> Vec<u8> {
    let mut key = entries_from(account, at);
    key.extend_from_slice(&number.to_be_bytes());
    key
}

pub(super) fn idempotency(account: &str, idempotency_key: &str) -> Vec<u8> {
    let mut key = named(KEY, account);
    key.extend_from_slice(idempotency_key.as_bytes());
    key
}

/// By age, with the key of what [`idempotency`] names after it.
pub(super) fn age(at: SystemTime, idempotency: &[u8]) -> Vec<u8> {
    let mut key = ages_before(at);
    key.extend_from_slice(idempotency);
    key
}

/// The end of those that are older than a time; the beginning of all for the oldest.
pub(super) fn ages_before(at: SystemTime) -> Vec<u8> {
    let mut key = vec![KEY_AGE];
    key.extend_from_slice(&micros_of(at).to_be_bytes());
    key
}

/// The key that an age is of.
pub(super) fn aged(age: &[u8]) -> Option<&[u8]> {
    age.get(9..)
}

fn named(first: u8, account: &str) -> Vec<u8> {
    let mut key = vec![first];
    key.extend_from_slice(account.as_bytes());
    key.push(0);
    key
}
