//! What a TLS listener shows and asks of its clients. It is replaced whole while it serves: every handshake takes what is
//! in force when it begins, and connections that are open keep what they began with.

use std::sync::Arc;

use arc_swap::ArcSwap;
use rustls::server::WebPkiClientVerifier;
use rustls::server::danger::ClientCertVerifier;
use rustls::{ServerConfig, SupportedProtocolVersion, version};
use rustls_pki_types::CertificateDer;

use crate::config::{ClientCertificates, ListenerTls, TlsVersion};

use super::names::ByName;
use super::{Expiry, Identity, provider, read_certificates, root_store};

/// The TLS side of one listener.
pub struct Listening(ArcSwap<Shown>);

/// One reading of a listener's files.
pub struct Shown {
    settings: ListenerTls,
    identities: Vec<Identity>,
    /// Those that sign clients' certificates.
    authorities: Vec<CertificateDer<'static>>,
    config: Arc<ServerConfig>,
}

impl Listening {
    pub fn new(shown: Shown) -> Listening {
        Listening(ArcSwap::from_pointee(shown))
    }

    /// What the next handshake goes by.
    pub fn config(&self) -> Arc<ServerConfig> {
        self.0.load().config.clone()
    }

    /// When the certificates in force end.
    pub fn expiries(&self) -> Vec<Expiry> {
        self.0.load().expiries()
    }

    /// Whether `shown` is something else than what is in force.
    pub fn differs(&self, shown: &Shown) -> bool {
        !self.0.load().says_the_same(shown)
    }

    /// Puts `shown` in force. Where it says the same as before, nothing changes: clients may go on resuming their sessions,
    /// which end with the certificates that they began under.
    pub fn replace(&self, shown: Shown) {
        if self.differs(&shown) {
            self.0.store(Arc::new(shown));
        }
    }
}

impl Shown {
    /// Reads the files of `settings`.
    ///
    /// # Errors
    /// When one cannot be read or used. The text names the file.
    pub fn read(settings: &ListenerTls) -> Result<Shown, String> {
        let identities = settings.certificates.iter().map(Identity::read);
        let identities = identities.collect::<Result<Vec<_>, _>>()?;
        let clients = settings.clients.as_ref();
        let authorities = clients
            .map(|clients| read_certificates(&clients.ca_file))
            .transpose()?
            .unwrap_or_default();
        let verifier = clients
            .map(|clients| verifier(clients, &authorities))
            .transpose()?;
        Ok(Shown {
            config: server_config(settings, &identities, verifier)?,
            settings: settings.clone(),
            identities,
            authorities,
        })
    }

    /// When its certificates end.
    pub fn expiries(&self) -> Vec<Expiry> {
        self.identities.iter().map(Identity::expiry).collect()
    }

    fn says_the_same(&self, other: &Shown) -> bool {
        self.settings == other.settings
            && self.identities == other.identities
            && self.authorities == other.authorities
    }
}

fn server_config(
    settings: &ListenerTls,
    identities: &[Identity],
    verifier: Option<Arc<dyn ClientCertVerifier>>,
) -> Result<Arc<ServerConfig>, String> {
    let versions: &[&'static SupportedProtocolVersion] = match settings.min_version {
        TlsVersion::V1_2 => &[&version::TLS13, &version::TLS12],
        TlsVersion::V1_3 => &[&version::TLS13],
    };
    let builder = ServerConfig::builder_with_provider(provider().into())
        .with_protocol_versions(versions)
        .map_err(|error| error.to_string())?;
    let builder = match verifier {
        Some(verifier) => builder.with_client_cert_verifier(verifier),
        None => builder.with_no_client_auth(),
    };
    let mut config = builder.with_cert_resolver(Arc::new(ByName::new(identities)));
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(Arc::new(config))
}

fn verifier(
    clients: &ClientCertificates,
    authorities: &[CertificateDer<'static>],
) -> Result<Arc<dyn ClientCertVerifier>, String> {
    let roots = root_store(authorities, &clients.ca_file)?;
    let provider = Arc::new(provider());
    let mut builder = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider);
    if !clients.required {
        builder = builder.allow_unauthenticated();
    }
    builder
        .build()
        .map_err(|error| format!("{}: {error}", clients.ca_file.display()))
}
