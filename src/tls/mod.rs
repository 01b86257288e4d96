//! Certificates, by rustls: read, refused with a text that names the file, and shown to those who connect.
//! It must not know what is served over the connections, nor when files are read again.

mod expiry;
mod identity;
mod listening;
mod names;

#[cfg(test)]
mod tests;

use std::path::Path;
use std::sync::Arc;

use pingora::utils::tls::CertKey;
use rustls::RootCertStore;
use rustls::crypto::CryptoProvider;
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject;
use x509_parser::prelude::{FromDer, X509Certificate};

use crate::config::CertificateFiles;

pub use expiry::{Expiry, SOON};
pub use identity::Identity;
pub use listening::{Listening, Shown};

/// The certificates of a PEM file, each usable as a trust anchor.
///
/// # Errors
/// When the file cannot be read, holds no certificate or a broken one. The text names the file.
pub fn read_authorities(path: &Path) -> Result<Vec<CertificateDer<'static>>, String> {
    let certificates = read_certificates(path)?;
    root_store(&certificates, path)?;
    Ok(certificates)
}

/// What weir shows an upstream that asks for a certificate, as Pingora's peers take it.
///
/// # Errors
/// When the files cannot be read or do not belong together. The text names the file.
pub fn read_identity(files: &CertificateFiles) -> Result<Arc<CertKey>, String> {
    Identity::read(files).map(|identity| identity.for_peer())
}

/// The certificates of a PEM file, in its order; at least one, and each can be parsed.
fn read_certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, String> {
    let read = CertificateDer::pem_file_iter(path)
        .and_then(|certificates| certificates.collect::<Result<Vec<_>, _>>());
    let certificates = read.map_err(|error| format!("{}: {error}", path.display()))?;
    if certificates.is_empty() {
        return Err(format!("{}: holds no certificate", path.display()));
    }
    for certificate in &certificates {
        parse(certificate).map_err(|problem| format!("{}: {problem}", path.display()))?;
    }
    Ok(certificates)
}

/// The only cryptography that weir has.
fn provider() -> CryptoProvider {
    rustls::crypto::ring::default_provider()
}

fn parse<'c>(certificate: &'c CertificateDer<'_>) -> Result<X509Certificate<'c>, String> {
    X509Certificate::from_der(certificate)
        .map(|(_, parsed)| parsed)
        .map_err(|error| format!("a certificate cannot be read: {error}"))
}

fn root_store(
    certificates: &[CertificateDer<'static>],
    path: &Path,
) -> Result<RootCertStore, String> {
    let mut store = RootCertStore::empty();
    for certificate in certificates {
        let added = store.add(certificate.clone());
        added.map_err(|error| format!("{}: {error}", path.display()))?;
    }
    Ok(store)
}
