//! Certificates, by rustls: read, and refused with a clear text before anything is built on them.

use std::path::Path;

use rustls::RootCertStore;
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};

/// The certificates of a PEM file, each usable as a trust anchor.
///
/// # Errors
/// When the file cannot be read, holds no certificate or a broken one. The text names the file.
pub fn read_authorities(path: &Path) -> Result<Vec<CertificateDer<'static>>, String> {
    let certificates = read_certificates(path)?;
    let mut store = RootCertStore::empty();
    for certificate in &certificates {
        let added = store.add(certificate.clone());
        added.map_err(|error| format!("{}: {error}", path.display()))?;
    }
    Ok(certificates)
}

/// Checks that a listener's certificate and key can be read and belong together.
///
/// # Errors
/// When they cannot, or do not. The text names the file.
pub fn check_identity(cert_file: &Path, key_file: &Path) -> Result<(), String> {
    let certificates = read_certificates(cert_file)?;
    let key = PrivateKeyDer::from_pem_file(key_file)
        .map_err(|error| format!("{}: no private key: {error}", key_file.display()))?;
    let provider = rustls::crypto::ring::default_provider();
    let config = rustls::ServerConfig::builder_with_provider(provider.into())
        .with_safe_default_protocol_versions()
        .map_err(|error| error.to_string())?
        .with_no_client_auth()
        .with_single_cert(certificates, key);
    match config {
        Ok(_) => Ok(()),
        Err(error) => Err(format!(
            "{} and {}: {error}",
            cert_file.display(),
            key_file.display()
        )),
    }
}

fn read_certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, String> {
    let read = CertificateDer::pem_file_iter(path)
        .and_then(|certificates| certificates.collect::<Result<Vec<_>, _>>());
    match read {
        Ok(certificates) if certificates.is_empty() => {
            Err(format!("{}: holds no certificate", path.display()))
        }
        Ok(certificates) => Ok(certificates),
        Err(error) => Err(format!("{}: {error}", path.display())),
    }
}
