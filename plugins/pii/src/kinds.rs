//! What can be found.

/// A kind of personal data, or of a secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Kind {
    Email,
    Phone,
    Iban,
    Card,
    Ip,
    Secret,
    Jwt,
    PrivateKey,
    /// The operator's own, by its place in the configuration.
    Custom(u16),
}

/// All kinds that weir knows itself, in the order of [`Kind::place`].
pub const KINDS: [Kind; 8] = [
    Kind::Email,
    Kind::Phone,
    Kind::Iban,
    Kind::Card,
    Kind::Ip,
    Kind::Secret,
    Kind::Jwt,
    Kind::PrivateKey,
];

impl Kind {
    /// Index in a list that has the known kinds first, and then the operator's own.
    pub fn place(self) -> usize {
        match self {
            Kind::Email => 0,
            Kind::Phone => 1,
            Kind::Iban => 2,
            Kind::Card => 3,
            Kind::Ip => 4,
            Kind::Secret => 5,
            Kind::Jwt => 6,
            Kind::PrivateKey => 7,
            Kind::Custom(place) => KINDS.len() + place as usize,
        }
    }

    /// Its name in the configuration and in metrics; the operator's own have theirs from the configuration.
    pub fn name(self) -> &'static str {
        match self {
            Kind::Email => "email",
            Kind::Phone => "phone",
            Kind::Iban => "iban",
            Kind::Card => "card",
            Kind::Ip => "ip",
            Kind::Secret => "secret",
            Kind::Jwt => "jwt",
            Kind::PrivateKey => "private_key",
            Kind::Custom(_) => "custom",
        }
    }

    /// As people call it, in a refusal.
    pub fn spoken(self) -> &'static str {
        match self {
            Kind::Email => "an e-mail address",
            Kind::Phone => "a phone number",
            Kind::Iban => "a bank account number",
            Kind::Card => "a payment card number",
            Kind::Ip => "an IP address",
            Kind::Secret => "a secret or access key",
            Kind::Jwt => "a token (JWT)",
            Kind::PrivateKey => "a private key",
            Kind::Custom(_) => "something that is not allowed here",
        }
    }

    /// Whether two spellings of a value are one value.
    pub fn same_without_separators(self) -> bool {
        match self {
            Kind::Phone | Kind::Iban | Kind::Card => true,
            Kind::Email
            | Kind::Ip
            | Kind::Secret
            | Kind::Jwt
            | Kind::PrivateKey
            | Kind::Custom(_) => false,
        }
    }
}

/// A value that was found, by its bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Found {
    pub start: usize,
    pub end: usize,
    pub what: What,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum What {
    Value(Kind),
    /// What a value of the request was replaced by, by its place in the vault.
    Placeholder(u32),
}

impl Found {
    pub fn value(kind: Kind, start: usize, end: usize) -> Found {
        let what = What::Value(kind);
        Found { start, end, what }
    }
}
