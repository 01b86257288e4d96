//! Who is calling, and what they may use: keys, tokens of other issuers, signatures, the tenants behind them, and how secrets
//! are kept. It must not know limits' counters, the ledger, status codes, nor Pingora.
//!
//! Nothing here reads a clock, a file or a network: the time, chance, what is stored and issuers' keys come in from outside.

pub mod directory;
pub mod jwt;
pub mod seal;
pub mod signing;
pub mod stored;

mod allow;
mod caller;
mod client_address;
mod denied;
mod ids;
mod memo;
mod moment;
mod presented;
mod records;
mod scope;
mod token;

pub use allow::{Allowance, network};
pub use caller::{Caller, Entry, KeyEntry, ProjectEntry, TenantEntry, UserEntry, signing_context};
pub use client_address::client_address;
pub use denied::{Denied, DeniedAs};
pub use directory::Directory;
pub use ids::{ID_CHARACTERS_MAX, KeyId, check_id};
pub use memo::Memo;
pub use moment::Moment;
pub use presented::{Presented, Slot, presented};
pub use records::{
    AccountTerms, Allow, Key, KeyDraft, KeyShown, Previous, Project, Tags, Tenant, User,
};
pub use scope::{AdminGroup, Deed, RIGHTS, Reach, Right, Scopes, reach};
pub use token::{Digest, NoRandomness, Pepper, Token, masked, parse_sha256, sha256};
