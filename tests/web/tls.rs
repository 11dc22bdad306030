//! Pages over TLS, asked by a real client: whose certificate signs in, and that nothing else that keeps
//! strangers out is any weaker for it.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use haima::web::site::{self, Options};
use haima::web::{Door, Listener, Stop, Tls, Token};
use haima_smpc_node::keyfile;
use haima_smpc_node::tls::TlsIdentity;
use rustls::client::ResolvesClientCert;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, aws_lc_rs, verify_tls13_signature};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::sign::CertifiedKey;
use rustls::{
    ClientConfig, ClientConnection, DigitallySignedStruct, SignatureScheme, StreamOwned,
    SupportedProtocolVersion,
};

use super::browser::form_token;
use super::common::Running;
use super::site::{config, network};

/// A certificate and its private key.
struct Pair {
    certificate: PathBuf,
    key: PathBuf,
}

impl Pair {
    fn make(folder: &Path, name: &str) -> Self {
        let (certificate, key) = TlsIdentity::generate(name).unwrap();
        let pair = Self {
            certificate: folder.join(format!("{name}.crt")),
            key: folder.join(format!("{name}.key")),
        };
        std::fs::write(&pair.certificate, certificate).unwrap();
        keyfile::write_private(&pair.key, key.as_bytes()).unwrap();
        pair
    }

    fn certificate(&self) -> CertificateDer<'static> {
        CertificateDer::from_pem_file(&self.certificate).unwrap()
    }

    fn key(&self) -> PrivateKeyDer<'static> {
        PrivateKeyDer::from_pem_file(&self.key).unwrap()
    }
}

/// Takes this one page's certificate.
#[derive(Debug)]
struct ThePage(CertificateDer<'static>, Arc<CryptoProvider>);

impl ServerCertVerifier for ThePage {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        assert_eq!(*end_entity, self.0);
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _message: &[u8],
        _cert: &CertificateDer<'_>,
        _dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        panic!("TLS 1.2 is not spoken")
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, cert, dss, &self.1.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.1.signature_verification_algorithms.supported_schemes()
    }
}

/// Shows a certificate with whatever key.
#[derive(Debug)]
struct Shows(Arc<CertifiedKey>);

impl ResolvesClientCert for Shows {
    fn resolve(&self, _: &[&[u8]], _: &[SignatureScheme]) -> Option<Arc<CertifiedKey>> {
        Some(Arc::clone(&self.0))
    }

    fn has_certs(&self) -> bool {
        true
    }
}

/// A page over TLS at which one certificate signs in, and others that do not.
struct Served {
    _network: Running,
    _folder: tempfile::TempDir,
    address: SocketAddr,
    token: String,
    page: Pair,
    known: Pair,
    other: Pair,
}

/// What came back: status line and headers, and the page.
type Answer = (String, String);

impl Served {
    fn start() -> Self {
        let (network, folder) = (network(), tempfile::tempdir().unwrap());
        let pair = |name| Pair::make(folder.path(), name);
        let (page, known, other) = (pair("page"), pair("known"), pair("other"));
        let tls = Tls::read(&page.certificate, &page.key, Some(&known.certificate)).unwrap();
        let listener = Listener::bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let address = listener.address();
        let token = Token::random();
        let shown = token.expose().to_owned();
        let port = address.port();
        let door = Door { token, port, names: Vec::new(), tls: Some(tls.clone()) };
        let stop = Some(Stop::default());
        let options = Options { config: config(&network), draft: None, models: Vec::new(), stop };
        listener.over(Some(tls)).serve_beside(|| site::pages(options, door)).unwrap();
        let token = shown;
        Self { _network: network, _folder: folder, address, token, page, known, other }
    }

    /// A client that shows the certificate of one pair and signs with the key of another.
    fn client_of(&self, shows: Option<(&Pair, &Pair)>) -> Arc<ClientConfig> {
        self.client_at(shows, &rustls::version::TLS13)
    }

    fn client_at(
        &self,
        shows: Option<(&Pair, &Pair)>,
        version: &'static SupportedProtocolVersion,
    ) -> Arc<ClientConfig> {
        let provider = Arc::new(aws_lc_rs::default_provider());
        let page = Arc::new(ThePage(self.page.certificate(), Arc::clone(&provider)));
        let config = ClientConfig::builder_with_provider(Arc::clone(&provider))
            .with_protocol_versions(&[version])
            .unwrap()
            .dangerous()
            .with_custom_certificate_verifier(page);
        Arc::new(match shows {
            None => config.with_no_client_auth(),
            Some((certificate, key)) => {
                let key = provider.key_provider.load_private_key(key.key()).unwrap();
                let shown = CertifiedKey::new(vec![certificate.certificate()], key);
                config.with_client_cert_resolver(Arc::new(Shows(Arc::new(shown))))
            }
        })
    }

    fn known(&self) -> Arc<ClientConfig> {
        self.client_of(Some((&self.known, &self.known)))
    }

    /// Sends a request over a connection of its own; `None` where nothing came back.
    fn ask(&self, client: &Arc<ClientConfig>, request: &str, body: &str) -> Option<Answer> {
        let tcp = TcpStream::connect(self.address).unwrap();
        tcp.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
        let name = ServerName::try_from("localhost").unwrap();
        let connection = ClientConnection::new(Arc::clone(client), name).unwrap();
        let mut stream = StreamOwned::new(connection, tcp);
        let request = format!(
            "{request}\r\nconnection: close\r\ncontent-length: {}\r\n\r\n{body}",
            body.len()
        );
        stream.write_all(request.as_bytes()).ok()?;
        let mut answer = Vec::new();
        // How the end is said is nobody's concern here.
        let _ = stream.read_to_end(&mut answer);
        let answer = String::from_utf8_lossy(&answer).into_owned();
        answer.split_once("\r\n\r\n").map(|(head, page)| (head.to_owned(), page.to_owned()))
    }

    fn get(&self, client: &Arc<ClientConfig>, path: &str, headers: &str) -> Option<Answer> {
        let request = format!("GET {path} HTTP/1.1\r\nhost: {}{headers}", self.address);
        self.ask(client, &request, "")
    }

    fn post(
        &self,
        client: &Arc<ClientConfig>,
        path: &str,
        headers: &str,
        fields: &[(&str, &str)],
    ) -> Answer {
        let body = form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish();
        let kind = "content-type: application/x-www-form-urlencoded";
        let request = format!("POST {path} HTTP/1.1\r\nhost: {}\r\n{kind}{headers}", self.address);
        self.ask(client, &request, &body).unwrap()
    }
}

#[track_caller]
fn is(answer: Option<&Answer>, status: u16) {
    let head = answer.map(|(head, _)| head.as_str());
    assert!(head.is_some_and(|head| head.starts_with(&format!("HTTP/1.1 {status}"))), "{head:?}");
}

#[test]
fn who_holds_a_known_key_is_signed_in_and_everybody_else_gets_the_form_for_the_token() {
    let served = Served::start();
    let answer = served.get(&served.known(), "/", "");
    is(answer.as_ref(), 200);
    let (_, page) = answer.unwrap();
    assert!(page.contains("Overview") && page.contains("signed in by certificate"), "{page}");
    assert!(!page.contains("Sign out"), "it would not end what the browser shows again");
    is(served.get(&served.known(), "/login", "").as_ref(), 303);

    let other = served.client_of(Some((&served.other, &served.other)));
    for stranger in [other, served.client_of(None)] {
        let answer = served.get(&stranger, "/", "");
        is(answer.as_ref(), 303);
        let (head, page) = answer.unwrap();
        assert!(head.contains("location: /login") && page.is_empty(), "{head}");
        is(served.get(&stranger, "/live", "").as_ref(), 401);
        let (_, door) = served.get(&stranger, "/login", "").unwrap();
        assert!(door.contains("showed no certificate that is known here"), "{door}");
        assert!(!door.contains("aria-label=\"Pages\""));
    }
}

#[test]
fn a_known_certificate_without_its_key_is_refused() {
    let served = Served::start();
    let thief = served.client_of(Some((&served.known, &served.other)));
    assert_eq!(served.get(&thief, "/", ""), None);
    let old = served.client_at(None, &rustls::version::TLS12);
    assert_eq!(served.get(&old, "/login", ""), None, "TLS 1.3 alone");
}

#[test]
fn the_token_signs_in_over_tls_too_and_its_cookie_goes_nowhere_else() {
    let served = Served::start();
    let client = served.client_of(None);
    let (_, door) = served.get(&client, "/login", "").unwrap();
    let own = form_token(&door);
    let fields = [("form-token", own.as_str()), ("token", served.token.as_str())];
    let answer = served.post(&client, "/login", "", &fields);
    is(Some(&answer), 303);
    let cookie = answer.0.lines().find_map(|line| line.strip_prefix("set-cookie: ")).unwrap();
    assert!(cookie.ends_with("; Secure") && cookie.contains("SameSite=Strict"), "{cookie}");
    let cookie = format!("\r\ncookie: {}", cookie.split(';').next().unwrap());
    let (_, page) = served.get(&client, "/", &cookie).unwrap();
    assert!(page.contains("Overview") && page.contains("Sign out"), "{page}");
}

#[test]
fn a_certificate_takes_no_form_of_another_page_and_none_without_its_token() {
    let served = Served::start();
    let known = served.known();
    let own = form_token(&served.get(&known, "/stop", "").unwrap().1);
    let before = form_token(&served.get(&served.client_of(None), "/login", "").unwrap().1);
    for wrong in ["", "0123", before.as_str(), served.token.as_str()] {
        let fields = [("form-token", wrong), ("sure", "yes")];
        is(Some(&served.post(&known, "/stop", "", &fields)), 403);
    }
    // Without the tick: what is taken does nothing either.
    let fields = [("form-token", own.as_str())];
    for elsewhere in ["origin: https://evil.example", "sec-fetch-site: cross-site"] {
        let headers = format!("\r\n{elsewhere}");
        is(Some(&served.post(&known, "/stop", &headers, &fields)), 403);
    }
    let headers = format!("\r\norigin: https://{}\r\nsec-fetch-site: same-origin", served.address);
    let answer = served.post(&known, "/stop", &headers, &fields);
    assert!(answer.1.contains("Tick the box"), "{}", answer.1);
}

/// As a `Strict` cookie would not be sent: a browser shows its certificate to whoever leads it here.
#[test]
fn a_page_that_leads_a_browser_here_gets_nothing_of_its_certificate() {
    let served = Served::start();
    let known = served.known();
    for site in ["cross-site", "same-site"] {
        let led = format!("\r\nsec-fetch-site: {site}");
        is(served.get(&known, "/", &led).as_ref(), 303);
        is(served.get(&known, "/live", &led).as_ref(), 401);
        let (_, door) = served.get(&known, "/login", &led).unwrap();
        assert!(door.contains("certificate is known here"), "{door}");
        assert!(door.contains("<a href=\"/\">") && !door.contains("aria-label=\"Pages\""));
    }
    for site in ["none", "same-origin"] {
        is(served.get(&known, "/", &format!("\r\nsec-fetch-site: {site}")).as_ref(), 200);
    }
}

#[test]
fn a_certificate_opens_no_other_name_of_this_address_and_plain_http_gets_nothing() {
    let served = Served::start();
    for host in ["evil.example", "127.0.0.1.evil.example", "127.0.0.2"] {
        let request = format!("GET / HTTP/1.1\r\nhost: {host}");
        is(served.ask(&served.known(), &request, "").as_ref(), 421);
    }
    let mut plain = TcpStream::connect(served.address).unwrap();
    plain.write_all(b"GET /login HTTP/1.1\r\nhost: localhost\r\n\r\n").unwrap();
    let mut answer = Vec::new();
    let _ = plain.read_to_end(&mut answer);
    assert!(!String::from_utf8_lossy(&answer).contains("HTTP/1.1"));
}
