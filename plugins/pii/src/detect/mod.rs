//! What each kind looks like. A detector is asked at a place where a word begins, and answers for that place alone.

pub mod assigned;
pub mod card;
pub mod email;
pub mod iban;
pub mod ip;
pub mod key;
pub mod number;
pub mod phone;
pub mod token;
