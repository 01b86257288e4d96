//! A certificate chain with its private key: read from its files, checked, and made ready for both sides of a handshake.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use pingora::utils::tls::CertKey;
use rustls::sign::CertifiedKey;
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use x509_parser::extensions::GeneralName;
use x509_parser::prelude::X509Certificate;

use crate::config::CertificateFiles;

use super::{Expiry, parse, provider, read_certificates};

/// A certificate chain with the key that it is for.
pub struct Identity {
    files: CertificateFiles,
    chain: Vec<CertificateDer<'static>>,
    key: PrivateKeyDer<'static>,
    certified: Arc<CertifiedKey>,
    names: Vec<String>,
    expires: SystemTime,
}

impl Identity {
    /// Reads both files.
    ///
    /// # Errors
    /// When one cannot be read or used, or they do not belong together. The text names the file.
    pub fn read(files: &CertificateFiles) -> Result<Identity, String> {
        let (cert_file, key_file) = (files.cert_file.display(), files.key_file.display());
        let chain = read_certificates(&files.cert_file)?;
        let key = PrivateKeyDer::from_pem_file(&files.key_file).map_err(|error| {
            format!("{key_file}: no private key (encrypted ones cannot be read): {error}")
        })?;
        let certified = CertifiedKey::from_der(chain.clone(), key.clone_key(), &provider());
        let certified = certified.map_err(|error| match error {
            rustls::Error::InconsistentKeys(_) => {
                format!("{cert_file}: its first certificate is not for the key in {key_file}")
            }
            error => format!("{cert_file} and {key_file}: {error}"),
        })?;
        let leaf = parse(&chain[0]).map_err(|problem| format!("{cert_file}: {problem}"))?;
        Ok(Identity {
            names: names(&leaf),
            expires: not_after(&leaf),
            files: files.clone(),
            certified: Arc::new(certified),
            chain,
            key,
        })
    }

    /// The names of hosts that the certificate is for, in lower case; `*.` stands for one label.
    pub fn names(&self) -> &[String] {
        &self.names
    }

    /// When the certificate ends.
    pub fn expiry(&self) -> Expiry {
        Expiry {
            file: self.files.cert_file.clone(),
            at: self.expires,
        }
    }

    pub(super) fn certified(&self) -> &Arc<CertifiedKey> {
        &self.certified
    }

    pub(super) fn for_peer(&self) -> Arc<CertKey> {
        let chain = self.chain.iter().map(|certificate| certificate.to_vec());
        Arc::new(CertKey::new(
            chain.collect(),
            self.key.secret_der().to_vec(),
        ))
    }
}

/// Identities are the same when the files say the same.
impl PartialEq for Identity {
    fn eq(&self, other: &Identity) -> bool {
        self.files == other.files && self.chain == other.chain && self.key == other.key
    }
}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Identity")
            .field("files", &self.files)
            .field("names", &self.names)
            .finish_non_exhaustive()
    }
}

/// The DNS names among the subject's alternative names. Clients have long stopped looking at the common name.
fn names(leaf: &X509Certificate<'_>) -> Vec<String> {
    let alternatives = leaf.subject_alternative_name().ok().flatten();
    let all = alternatives
        .iter()
        .flat_map(|extension| &extension.value.general_names);
    all.filter_map(|name| match name {
        GeneralName::DNSName(name) => Some(name.to_ascii_lowercase()),
        _ => None,
    })
    .collect()
}

fn not_after(leaf: &X509Certificate<'_>) -> SystemTime {
    let seconds = leaf.validity().not_after.timestamp();
    // An end before 1970 is as much over as 1970 is.
    SystemTime::UNIX_EPOCH + Duration::from_secs(u64::try_from(seconds).unwrap_or(0))
}
