//! Certificates of an authority that lives as long as a test.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::server::WebPkiClientVerifier;
use rustls::{ClientConfig, RootCertStore, ServerConfig, SupportedProtocolVersion, version};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::client::TlsStream;
use tokio_rustls::{TlsAcceptor, TlsConnector};

/// A certificate authority of its own, with its files in a folder.
pub struct Authority {
    folder: PathBuf,
    issuer: Issuer<'static, KeyPair>,
    certificate: CertificateDer<'static>,
    pub ca_file: PathBuf,
}

/// The files of a server's certificate and key, as PEM.
pub struct Identity {
    pub certificate: PathBuf,
    pub key: PathBuf,
}

/// A client, and what it shows, offers and speaks.
pub struct TlsClient {
    authority: CertificateDer<'static>,
    name: String,
    identity: Option<(Vec<CertificateDer<'static>>, PrivateKeyDer<'static>)>,
    versions: Vec<&'static SupportedProtocolVersion>,
    offered: Vec<Vec<u8>>,
}

impl Identity {
    pub fn chain(&self) -> Vec<CertificateDer<'static>> {
        let read = CertificateDer::pem_file_iter(&self.certificate);
        let read = read.and_then(|all| all.collect::<Result<_, _>>());
        read.expect("the file holds certificates")
    }

    pub fn private_key(&self) -> PrivateKeyDer<'static> {
        PrivateKeyDer::from_pem_file(&self.key).expect("the file holds a key")
    }
}

impl TlsClient {
    /// The name that it asks for.
    pub fn name(&self) -> &str {
        &self.name
    }

    pub fn showing(mut self, identity: &Identity) -> TlsClient {
        self.identity = Some((identity.chain(), identity.private_key()));
        self
    }

    pub fn offering(mut self, protocols: &[&str]) -> TlsClient {
        let offered = protocols.iter().map(|name| name.as_bytes().to_vec());
        self.offered = offered.collect();
        self
    }

    pub fn of_version(mut self, version: &'static SupportedProtocolVersion) -> TlsClient {
        self.versions = vec![version];
        self
    }

    pub async fn connect(self, stream: TcpStream) -> std::io::Result<TlsStream<TcpStream>> {
        let mut roots = RootCertStore::empty();
        roots.add(self.authority).expect("the certificate is valid");
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder = ClientConfig::builder_with_provider(provider)
            .with_protocol_versions(&self.versions)
            .expect("ring has them")
            .with_root_certificates(roots);
        let mut config = match self.identity {
            None => builder.with_no_client_auth(),
            Some((chain, key)) => builder
                .with_client_auth_cert(chain, key)
                .expect("the certificate is for the key"),
        };
        config.alpn_protocols = self.offered;
        let name = ServerName::try_from(self.name).expect("the name is valid");
        TlsConnector::from(Arc::new(config))
            .connect(name, stream)
            .await
    }
}

impl Authority {
    pub fn new() -> Authority {
        let folder = super::weir::new_folder();
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().expect("a key can be made");
        let certificate = params.self_signed(&key).expect("a certificate can be made");
        let ca_file = folder.join("ca.pem");
        std::fs::write(&ca_file, certificate.pem()).expect("the folder can be written to");
        Authority {
            folder,
            issuer: Issuer::new(params, key),
            certificate: certificate.der().clone(),
            ca_file,
        }
    }

    /// A certificate for a server with this name. A second one of the same name takes the place of the first.
    pub fn identity(&self, name: &str) -> Identity {
        self.identity_until(name, (2040, 1, 1))
    }

    /// The same, good until a day (year, month, day).
    pub fn identity_until(&self, name: &str, (year, month, day): (i32, u8, u8)) -> Identity {
        let mut params = CertificateParams::new([name.to_owned()]).expect("the name is valid");
        params.not_after = rcgen::date_time_ymd(year, month, day);
        let key = KeyPair::generate().expect("a key can be made");
        let certificate = params
            .signed_by(&key, &self.issuer)
            .expect("a certificate can be made");
        let write = |ending: &str, text: String| {
            let path = self.folder.join(format!("{name}.{ending}"));
            std::fs::write(&path, text).expect("the folder can be written to");
            path
        };
        Identity {
            certificate: write("cert.pem", certificate.pem()),
            key: write("key.pem", key.serialize_pem()),
        }
    }

    /// A client that trusts this authority alone and asks for the host `name`.
    pub fn client(&self, name: &str) -> TlsClient {
        TlsClient {
            authority: self.certificate.clone(),
            name: name.to_owned(),
            identity: None,
            versions: vec![&version::TLS13, &version::TLS12],
            offered: Vec::new(),
        }
    }

    /// A TLS server called `name` that takes only clients with a certificate of this authority, and passes what they say on to
    /// `port` of this machine. Its own port.
    pub async fn guard(&self, name: &str, port: u16) -> u16 {
        let identity = self.identity(name);
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let roots = Arc::new(self.roots());
        let verifier = WebPkiClientVerifier::builder_with_provider(roots, provider.clone()).build();
        let config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .expect("ring has them")
            .with_client_cert_verifier(verifier.expect("the authority is one"))
            .with_single_cert(identity.chain(), identity.private_key())
            .expect("the certificate is for the key");
        let acceptor = TlsAcceptor::from(Arc::new(config));
        let listener = TcpListener::bind(("127.0.0.1", 0)).await;
        let listener = listener.expect("there is a free port");
        let own = listener.local_addr().expect("it is bound").port();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let acceptor = acceptor.clone();
                tokio::spawn(async move {
                    let mut client = acceptor.accept(stream).await?;
                    let mut host = TcpStream::connect(("127.0.0.1", port)).await?;
                    tokio::io::copy_bidirectional(&mut client, &mut host).await
                });
            }
        });
        own
    }

    fn roots(&self) -> RootCertStore {
        let mut roots = RootCertStore::empty();
        let added = roots.add(self.certificate.clone());
        added.expect("the certificate is valid");
        roots
    }

    pub fn folder(&self) -> &Path {
        &self.folder
    }
}

impl Drop for Authority {
    fn drop(&mut self) {
        // A folder that cannot be removed is swept with the target folder.
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}
