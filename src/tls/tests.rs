//! Handshakes in memory, between what a listener shows and clients of every sort.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, SystemTime};

use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use rustls::{
    ClientConfig, ClientConnection, ProtocolVersion, RootCertStore, ServerConnection, version,
};
use rustls_pki_types::{CertificateDer, PrivateKeyDer, ServerName};

use super::*;
use crate::config::{ClientCertificates, ListenerTls, TlsVersion};

/// An authority with a folder for what it signs.
struct Authority {
    folder: PathBuf,
    issuer: Issuer<'static, KeyPair>,
    der: CertificateDer<'static>,
}

impl Authority {
    fn new() -> Authority {
        static COUNT: AtomicUsize = AtomicUsize::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let folder = std::env::temp_dir().join(format!("weir-tls-{}-{number}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().unwrap();
        let certificate = params.self_signed(&key).unwrap();
        std::fs::write(folder.join("ca.pem"), certificate.pem()).unwrap();
        Authority {
            folder,
            issuer: Issuer::new(params, key),
            der: certificate.der().clone(),
        }
    }

    fn file(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    fn signs(&self, file: &str, names: &[&str]) -> CertificateFiles {
        self.signs_with(file, names, &rcgen::PKCS_ECDSA_P256_SHA256)
    }

    fn signs_with(
        &self,
        file: &str,
        names: &[&str],
        algorithm: &'static rcgen::SignatureAlgorithm,
    ) -> CertificateFiles {
        let names = names.iter().map(|name| (*name).to_owned());
        let mut params = CertificateParams::new(names.collect::<Vec<_>>()).unwrap();
        params.not_after = rcgen::date_time_ymd(2040, 1, 1);
        let key = KeyPair::generate_for(algorithm).unwrap();
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        let files = CertificateFiles {
            cert_file: self.file(&format!("{file}.cert.pem")),
            key_file: self.file(&format!("{file}.key.pem")),
        };
        std::fs::write(&files.cert_file, certificate.pem()).unwrap();
        std::fs::write(&files.key_file, key.serialize_pem()).unwrap();
        files
    }
}

impl Drop for Authority {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

fn settings(certificates: Vec<CertificateFiles>) -> ListenerTls {
    ListenerTls {
        certificates,
        clients: None,
        min_version: TlsVersion::V1_2,
    }
}

/// A client, its trust and what it offers.
#[derive(Clone)]
struct Client {
    authority: CertificateDer<'static>,
    name: &'static str,
    identity: Option<CertificateFiles>,
    versions: Vec<&'static rustls::SupportedProtocolVersion>,
    offers: Vec<&'static str>,
}

impl Client {
    fn of(authority: &Authority, name: &'static str) -> Client {
        Client {
            authority: authority.der.clone(),
            name,
            identity: None,
            versions: vec![&version::TLS13, &version::TLS12],
            offers: Vec::new(),
        }
    }

    fn with(mut self, identity: CertificateFiles) -> Client {
        self.identity = Some(identity);
        self
    }

    fn connection(self) -> ClientConnection {
        let mut roots = RootCertStore::empty();
        roots.add(self.authority).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder = ClientConfig::builder_with_provider(provider)
            .with_protocol_versions(&self.versions)
            .unwrap()
            .with_root_certificates(roots);
        let mut config = match self.identity {
            None => builder.with_no_client_auth(),
            Some(files) => {
                let chain = read_certificates(&files.cert_file).unwrap();
                let key = PrivateKeyDer::from_pem_file(&files.key_file).unwrap();
                builder.with_client_auth_cert(chain, key).unwrap()
            }
        };
        config.alpn_protocols = self
            .offers
            .iter()
            .map(|name| name.as_bytes().into())
            .collect();
        ClientConnection::new(Arc::new(config), ServerName::try_from(self.name).unwrap()).unwrap()
    }
}

/// What a client sees of a handshake that succeeds on both sides.
#[derive(Debug)]
struct Seen {
    leaf: CertificateDer<'static>,
    version: ProtocolVersion,
    protocol: Option<Vec<u8>>,
}

fn handshake(listening: &Listening, client: Client) -> Result<Seen, String> {
    let mut client = client.connection();
    let mut server = ServerConnection::new(listening.config()).unwrap();
    let mut wire = Vec::new();
    while client.is_handshaking() || server.is_handshaking() || client.wants_write() {
        wire.clear();
        client.write_tls(&mut wire).unwrap();
        server.read_tls(&mut wire.as_slice()).unwrap();
        let refused = server.process_new_packets().err();
        wire.clear();
        while server.wants_write() {
            server.write_tls(&mut wire).unwrap();
        }
        let mut rest = wire.as_slice();
        let mut given_up = None;
        while !rest.is_empty() && given_up.is_none() {
            client.read_tls(&mut rest).unwrap();
            given_up = client.process_new_packets().err();
        }
        match (refused, given_up) {
            (Some(refused), _) => return Err(format!("server: {refused}")),
            (None, Some(given_up)) => return Err(format!("client: {given_up}")),
            (None, None) => {}
        }
    }
    Ok(Seen {
        leaf: client.peer_certificates().unwrap()[0].clone().into_owned(),
        version: client.protocol_version().unwrap(),
        protocol: client.alpn_protocol().map(<[u8]>::to_vec),
    })
}

fn leaf(files: &CertificateFiles) -> CertificateDer<'static> {
    read_certificates(&files.cert_file).unwrap().remove(0)
}

fn listening(settings: &ListenerTls) -> Listening {
    Listening::new(Shown::read(settings).unwrap())
}

#[test]
fn the_server_name_chooses_the_certificate() {
    let authority = Authority::new();
    let first = authority.signs("first", &["first.test", "both.test"]);
    let wild = authority.signs("wild", &["*.wild.test"]);
    let exact = authority.signs("exact", &["API.wild.test", "both.test"]);
    let all = settings(vec![first.clone(), wild.clone(), exact.clone()]);
    let listening = listening(&all);
    let cases = [
        ("first.test", &first),
        ("FIRST.test", &first),
        ("both.test", &first),
        ("any.wild.test", &wild),
        ("api.wild.test", &exact),
    ];
    for (name, expected) in cases {
        let seen = handshake(&listening, Client::of(&authority, name));
        assert_eq!(seen.unwrap().leaf, leaf(expected), "{name}");
    }
}

#[test]
fn names_that_no_certificate_is_for_get_the_first() {
    let authority = Authority::new();
    let first = authority.signs("first", &["first.test"]);
    let wild = authority.signs("wild", &["*.wild.test"]);
    let listening = listening(&settings(vec![first, wild]));
    // Not its own: a wildcard stands for one label, and not for none. An address is no server name.
    for name in ["other.test", "a.b.wild.test", "wild.test", "127.0.0.1"] {
        let refused = handshake(&listening, Client::of(&authority, name)).unwrap_err();
        assert!(
            refused.contains("first.test"),
            "{name}: the client names the certificate that it got: {refused}"
        );
    }
}

#[test]
fn a_name_may_have_a_certificate_for_each_kind_of_key() {
    let authority = Authority::new();
    let modern = authority.signs_with("ed", &["a.test"], &rcgen::PKCS_ED25519);
    let common = authority.signs("ec", &["a.test"]);
    let listening = listening(&settings(vec![modern.clone(), common.clone()]));
    let seen = handshake(&listening, Client::of(&authority, "a.test")).unwrap();
    assert_eq!(seen.leaf, leaf(&modern));
    let by_name = names::ByName::new(&[
        Identity::read(&modern).unwrap(),
        Identity::read(&common).unwrap(),
    ]);
    let old = [rustls::SignatureScheme::ECDSA_NISTP256_SHA256];
    assert_eq!(by_name.choose(Some("a.test"), &old).cert[0], leaf(&common));
    assert_eq!(by_name.choose(Some("a.test"), &[]).cert[0], leaf(&modern));
}

#[test]
fn client_certificates_are_asked_for_as_configured() {
    let authority = Authority::new();
    let stranger = Authority::new();
    let server = authority.signs("server", &["a.test"]);
    let clients = |required| {
        let clients = ClientCertificates {
            ca_file: authority.file("ca.pem"),
            required,
        };
        let mut settings = settings(vec![server.clone()]);
        settings.clients = Some(clients);
        listening(&settings)
    };
    let (required, optional) = (clients(true), clients(false));
    let anyone = Client::of(&authority, "a.test");
    let ours = anyone.clone().with(authority.signs("ours", &["client"]));
    let theirs = anyone.clone().with(stranger.signs("theirs", &["client"]));
    handshake(&required, ours.clone()).unwrap();
    handshake(&optional, ours).unwrap();
    handshake(&optional, anyone.clone()).unwrap();
    let refused = handshake(&required, anyone).unwrap_err();
    assert!(refused.contains("no certificates"), "{refused}");
    // One that is shown must be good, be it asked for or not.
    for listening in [&required, &optional] {
        let refused = handshake(listening, theirs.clone()).unwrap_err();
        assert!(refused.contains("invalid peer certificate"), "{refused}");
    }
}

#[test]
fn tls_1_2_is_refused_where_1_3_is_the_least() {
    let authority = Authority::new();
    let mut settings = settings(vec![authority.signs("server", &["a.test"])]);
    let mut old = Client::of(&authority, "a.test");
    old.versions = vec![&version::TLS12];
    let seen = handshake(&listening(&settings), old.clone()).unwrap();
    assert_eq!(seen.version, ProtocolVersion::TLSv1_2);
    settings.min_version = TlsVersion::V1_3;
    let strict = listening(&settings);
    handshake(&strict, old).unwrap_err();
    let seen = handshake(&strict, Client::of(&authority, "a.test")).unwrap();
    assert_eq!(seen.version, ProtocolVersion::TLSv1_3);
}

#[test]
fn http_2_is_preferred_where_the_client_knows_it() {
    let authority = Authority::new();
    let listening = listening(&settings(vec![authority.signs("server", &["a.test"])]));
    let cases = [
        (vec!["http/1.1", "h2"], Some("h2")),
        (vec!["http/1.1"], Some("http/1.1")),
        (vec![], None),
    ];
    for (offers, expected) in cases {
        let mut client = Client::of(&authority, "a.test");
        client.offers = offers.clone();
        let seen = handshake(&listening, client).unwrap();
        let expected = expected.map(|name: &str| name.as_bytes().to_vec());
        assert_eq!(seen.protocol, expected, "{offers:?}");
    }
}

#[test]
fn what_is_replaced_holds_from_the_next_handshake_on() {
    let authority = Authority::new();
    let files = authority.signs("server", &["a.test"]);
    let settings = settings(vec![files.clone()]);
    let listening = listening(&settings);
    let before = listening.config();
    listening.replace(Shown::read(&settings).unwrap());
    assert!(
        Arc::ptr_eq(&before, &listening.config()),
        "the same files change nothing"
    );
    let renewed = authority.signs("server", &["a.test"]);
    let shown = Shown::read(&settings).unwrap();
    assert!(listening.differs(&shown));
    listening.replace(shown);
    let seen = handshake(&listening, Client::of(&authority, "a.test")).unwrap();
    assert_eq!(seen.leaf, leaf(&renewed));
}

#[test]
fn the_end_of_a_certificate_is_known() {
    let authority = Authority::new();
    let files = authority.signs("server", &["a.test"]);
    let expiry = Identity::read(&files).unwrap().expiry();
    // 2040-01-01T00:00:00Z
    let expected = SystemTime::UNIX_EPOCH + Duration::from_secs(2_208_988_800);
    assert_eq!((expiry.file, expiry.at), (files.cert_file, expected));
}

#[test]
fn what_cannot_be_used_is_refused_by_the_name_of_its_file() {
    let authority = Authority::new();
    let good = authority.signs("good", &["a.test"]);
    let other = authority.signs("other", &["a.test"]);
    let write = |name: &str, text: &str| {
        std::fs::write(authority.file(name), text).unwrap();
        authority.file(name)
    };
    let broken = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    let cases = [
        (
            authority.file("gone.pem"),
            good.key_file.clone(),
            "gone.pem",
        ),
        (
            write("empty.pem", ""),
            good.key_file.clone(),
            "empty.pem: holds no certificate",
        ),
        (
            write("broken.pem", broken),
            good.key_file.clone(),
            "broken.pem: a certificate cannot be read",
        ),
        (
            good.cert_file.clone(),
            authority.file("gone.key"),
            "gone.key: no private key",
        ),
        (
            good.cert_file.clone(),
            good.cert_file.clone(),
            "good.cert.pem: no private key",
        ),
        (
            good.cert_file.clone(),
            other.key_file.clone(),
            "good.cert.pem: its first certificate is not for the key in ",
        ),
    ];
    for (cert_file, key_file, expected) in cases {
        let files = CertificateFiles {
            cert_file,
            key_file,
        };
        let problem = Identity::read(&files).unwrap_err();
        assert!(problem.contains(expected), "{expected}: {problem}");
        assert_eq!(read_identity(&files).unwrap_err(), problem);
        assert_eq!(Shown::read(&settings(vec![files])).err(), Some(problem));
    }
    let mut settings = settings(vec![good]);
    settings.clients = Some(ClientCertificates {
        ca_file: Path::new("/nonexistent/ca.pem").into(),
        required: true,
    });
    let problem = Shown::read(&settings).err().unwrap();
    assert!(problem.starts_with("/nonexistent/ca.pem: "), "{problem}");
}

#[test]
fn an_identity_for_peers_is_whole() {
    let authority = Authority::new();
    let files = authority.signs("client", &["client"]);
    let chain = std::fs::read_to_string(&files.cert_file).unwrap()
        + &std::fs::read_to_string(authority.file("ca.pem")).unwrap();
    std::fs::write(&files.cert_file, chain).unwrap();
    let identity = read_identity(&files).unwrap();
    assert_eq!(CertificateDer::from(identity.leaf()), leaf(&files));
    assert_eq!(identity.intermediates().len(), 1);
    assert_eq!(
        CertificateDer::from(identity.intermediates()[0]),
        authority.der
    );
    // As Pingora reads it when it connects.
    let key: PrivateKeyDer<'static> = identity.key().clone().try_into().unwrap();
    assert_eq!(key, PrivateKeyDer::from_pem_file(&files.key_file).unwrap());
}
