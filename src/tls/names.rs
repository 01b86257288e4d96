//! Which of a listener's certificates a client is shown, by the server name that it asks for.

use std::collections::HashMap;
use std::sync::Arc;

use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use rustls::{SignatureScheme, sign};

use super::Identity;

/// Finds certificates by exact name, then by wildcard; the first of the list serves all other names.
#[derive(Debug)]
pub(super) struct ByName {
    /// In the order of the configuration; at least one.
    certified: Vec<Arc<CertifiedKey>>,
    /// Name, or `*.` and the parent of one → indices into `certified`, in its order.
    names: HashMap<String, Vec<usize>>,
}

impl ByName {
    /// `identities` has at least one.
    pub(super) fn new(identities: &[Identity]) -> ByName {
        let mut names: HashMap<String, Vec<usize>> = HashMap::new();
        for (index, identity) in identities.iter().enumerate() {
            for name in identity.names() {
                names.entry(name.clone()).or_default().push(index);
            }
        }
        let certified = identities.iter().map(Identity::certified).cloned();
        ByName {
            certified: certified.collect(),
            names,
        }
    }

    /// Certificates for `name`; all of them are for the same exact name, or for the same wildcard.
    fn found(&self, name: &str) -> &[usize] {
        let name = name.to_ascii_lowercase();
        let exact = self.names.get(&name);
        let wildcard = || {
            let (_, parent) = name.split_once('.')?;
            self.names.get(&format!("*.{parent}"))
        };
        exact.or_else(wildcard).map_or(&[0], Vec::as_slice)
    }

    /// A name may have a certificate for each kind of key; the first that the client can check is shown.
    pub(super) fn choose(
        &self,
        name: Option<&str>,
        schemes: &[SignatureScheme],
    ) -> &Arc<CertifiedKey> {
        let found = name.map_or(&[0][..], |name| self.found(name));
        let usable = |key: &Arc<dyn sign::SigningKey>| key.choose_scheme(schemes).is_some();
        let fitting = found
            .iter()
            .find(|index| usable(&self.certified[**index].key));
        &self.certified[*fitting.unwrap_or(&found[0])]
    }
}

impl ResolvesServerCert for ByName {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let chosen = self.choose(hello.server_name(), hello.signature_schemes());
        Some(Arc::clone(chosen))
    }
}
