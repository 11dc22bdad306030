//! Mutual TLS 1.3 by keys pinned in the manifest. No certificate authority is trusted.
//!
//! Every party has a self-signed certificate over a P-256 key; the manifest holds the SHA3-256 of
//! its SubjectPublicKeyInfo. A handshake succeeds only when the peer proves possession of a pinned
//! key, and the name of that key's owner is the peer's name from then on. Names, dates and issuers
//! in certificates are ignored: they add nothing to a pinned key.

use std::collections::{BTreeMap, VecDeque};
use std::io::ErrorKind;
use std::net::IpAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use haima_crypto::encode::{Digest, Encoder};
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::client::legacy::connect::proxy::Tunnel;
use hyper_util::rt::TokioIo;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, aws_lc_rs, verify_tls13_signature};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::sign::CertifiedKey;
use rustls::{
    ClientConfig, DigitallySignedStruct, DistinguishedName, ServerConfig, SignatureScheme,
};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::AbortHandle;
use tokio_rustls::{TlsAcceptor, TlsConnector};
use tokio_stream::wrappers::ReceiverStream;
use tonic::codegen::http::Uri;
use tonic::service::interceptor::InterceptedService;
use tonic::transport::{Channel, Endpoint};
use tower::Service as _;

use crate::wire::Speak;
use crate::{Error, keyfile};

/// Longest time for a connection with its handshake.
const HANDSHAKE: Duration = Duration::from_secs(10);
/// Handshakes at a time.
const HANDSHAKES: usize = 256;
/// Connections of one party: of all replicas of a node together.
const PER_PARTY: usize = 8;
/// What a peer may send before it is read, in bytes, a call and a connection. Bounds what a node
/// holds for each site that waits for its turn.
pub const WINDOW: u32 = 1 << 18;

/// A channel to a party, with the version of the protocol on each call.
pub type Link = InterceptedService<Channel, Speak>;

/// A party's own TLS key with its certificate.
pub struct TlsIdentity {
    certificate: CertificateDer<'static>,
    key: PrivateKeyDer<'static>,
    proxy: Option<Uri>,
}

impl std::fmt::Debug for TlsIdentity {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("TlsIdentity(<redacted>)")
    }
}

impl TlsIdentity {
    /// Draws a key and certifies it by itself; returns certificate and private key as PEM.
    ///
    /// # Errors
    /// When the operating system has no randomness to give.
    pub fn generate(name: &str) -> Result<(String, zeroize::Zeroizing<String>), Error> {
        let fail = |e: rcgen::Error| Error::Key { party: name.into(), problem: e.to_string() };
        let key = rcgen::KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256).map_err(fail)?;
        let params = rcgen::CertificateParams::new(vec![name.to_owned()]).map_err(fail)?;
        let certificate = params.self_signed(&key).map_err(fail)?;
        Ok((certificate.pem(), zeroize::Zeroizing::new(key.serialize_pem())))
    }

    /// Reads certificate and private key.
    ///
    /// # Errors
    /// When a file is missing, readable by others (the key), or not PEM; when the key is not that of the
    /// certificate.
    pub fn read(certificate: &Path, key: &Path) -> Result<Self, Error> {
        let pem = std::fs::read(certificate).map_err(|e| Error::file(certificate, e))?;
        let fail = |path: &Path, what: &str| Error::Key {
            party: path.display().to_string(),
            problem: format!("not a {what} in PEM form"),
        };
        let parsed =
            CertificateDer::from_pem_slice(&pem).map_err(|_| fail(certificate, "certificate"))?;
        let pem = keyfile::read_private(key)?;
        let private = PrivateKeyDer::from_pem_slice(&pem).map_err(|_| fail(key, "private key"))?;
        let (chain, provider) = (vec![parsed.clone()], aws_lc_rs::default_provider());
        match CertifiedKey::from_der(chain, private.clone_key(), &provider) {
            // What else is wrong with them, whoever connects is told.
            Err(rustls::Error::InconsistentKeys(_)) => Err(Error::Key {
                party: key.display().to_string(),
                problem: format!(
                    "not the key of the certificate {}: both are made together, by `haima keygen` or \
                     `smpc-node init`; put the two of one party there",
                    certificate.display()
                ),
            }),
            _ => Ok(Self { certificate: parsed, key: private, proxy: None }),
        }
    }

    /// The same behind an HTTP proxy, `host:port`: connections outward go through its CONNECT,
    /// except those to this machine. The proxy sees whom this party talks to, and nothing else.
    ///
    /// # Errors
    /// When the address is none.
    pub fn through(mut self, proxy: Option<&str>) -> Result<Self, Error> {
        // It may hold a password, and daemons print this to their logs.
        let fault = || Error::Config {
            file: "proxy".into(),
            problem: "is no host:port (not repeated here: it may hold a password)".into(),
        };
        self.proxy = proxy
            .map(|address| {
                let uri = format!("http://{address}").parse::<Uri>().map_err(|_| fault())?;
                uri.port().is_some().then_some(uri).ok_or_else(fault)
            })
            .transpose()?;
        Ok(self)
    }

    /// The pin of this identity, as the manifest has it.
    ///
    /// # Errors
    /// When the certificate does not parse.
    pub fn pin(&self) -> Result<Digest, Error> {
        pin_of(&self.certificate)
            .map_err(|e| Error::Key { party: "own certificate".into(), problem: e.to_string() })
    }
}

/// The pin of a certificate given as PEM text.
///
/// # Errors
/// When it does not parse.
pub fn pin_of_pem(name: &str, pem: &str) -> Result<Digest, Error> {
    let fail = |problem: String| Error::Key { party: name.to_owned(), problem };
    let certificate =
        CertificateDer::from_pem_slice(pem.as_bytes()).map_err(|e| fail(e.to_string()))?;
    pin_of(&certificate).map_err(|e| fail(e.to_string()))
}

/// The pin of a certificate in DER form, as a handshake shows it.
///
/// # Errors
/// When it does not parse.
pub fn pin_of_der(name: &str, certificate: &[u8]) -> Result<Digest, Error> {
    pin_of(&CertificateDer::from(certificate))
        .map_err(|e| Error::Key { party: name.to_owned(), problem: e.to_string() })
}

fn pin_of(certificate: &CertificateDer<'_>) -> Result<Digest, rustls::Error> {
    let parsed = webpki::EndEntityCert::try_from(certificate)
        .map_err(|_| rustls::Error::InvalidCertificate(rustls::CertificateError::BadEncoding))?;
    let mut to = Encoder::new("haima tls pin 1");
    to.bytes(&parsed.subject_public_key_info());
    Ok(Digest::of(&to.finish()))
}

/// Accepts exactly the pinned keys.
#[derive(Debug)]
struct Pinned {
    pins: BTreeMap<Digest, String>,
    provider: Arc<CryptoProvider>,
}

impl Pinned {
    fn check(&self, certificate: &CertificateDer<'_>) -> Result<(), rustls::Error> {
        if self.pins.contains_key(&pin_of(certificate)?) {
            Ok(())
        } else {
            Err(rustls::Error::General(
                "the peer's key is not the one pinned in the manifest".into(),
            ))
        }
    }

    fn signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls13_signature(message, certificate, signed, algorithms)
    }
}

/// TLS 1.2 is not offered, so this is never asked; it refuses all the same.
fn no_tls12() -> Result<HandshakeSignatureValid, rustls::Error> {
    Err(rustls::Error::General("TLS 1.2 is not spoken here".into()))
}

impl ServerCertVerifier for Pinned {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        self.check(end_entity).map(|()| ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _message: &[u8],
        _cert: &CertificateDer<'_>,
        _dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        no_tls12()
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.signature(message, cert, dss)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}

impl ClientCertVerifier for Pinned {
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &[]
    }

    fn verify_client_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _now: UnixTime,
    ) -> Result<ClientCertVerified, rustls::Error> {
        self.check(end_entity).map(|()| ClientCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _message: &[u8],
        _cert: &CertificateDer<'_>,
        _dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        no_tls12()
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.signature(message, cert, dss)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}

fn pinned(pins: BTreeMap<Digest, String>) -> (Arc<Pinned>, Arc<CryptoProvider>) {
    let provider = Arc::new(aws_lc_rs::default_provider());
    (Arc::new(Pinned { pins, provider: provider.clone() }), provider)
}

fn tls_error(e: &rustls::Error) -> Error {
    Error::Key { party: "own TLS key".into(), problem: e.to_string() }
}

/// The peer of a connection, by the owner of its pinned key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Peer(pub String);

/// An accepted connection whose peer is known.
#[derive(Debug)]
pub struct Connection {
    stream: tokio_rustls::server::TlsStream<TcpStream>,
    peer: Peer,
    /// One of the connections that its party may have.
    _slot: OwnedSemaphorePermit,
}

impl tonic::transport::server::Connected for Connection {
    type ConnectInfo = Peer;
    fn connect_info(&self) -> Peer {
        self.peer.clone()
    }
}

impl tokio::io::AsyncRead for Connection {
    fn poll_read(
        self: std::pin::Pin<&mut Self>,
        cx: &mut std::task::Context<'_>,
        buf: &mut tokio::io::ReadBuf<'_>,
    ) -> std::task::Poll<std::io::Result<()>> {
        std::pin::Pin::new(&mut self.get_mut().stream).poll_read(cx, buf)
    }
}

impl tokio::io::AsyncWrite for Connection {
    fn poll_write(
        self: std::pin::Pin<&mut Self>,
        cx: &mut std::task::Context<'_>,
        buf: &[u8],
    ) -> std::task::Poll<std::io::Result<usize>> {
        std::pin::Pin::new(&mut self.get_mut().stream).poll_write(cx, buf)
    }

    fn poll_flush(
        self: std::pin::Pin<&mut Self>,
        cx: &mut std::task::Context<'_>,
    ) -> std::task::Poll<std::io::Result<()>> {
        std::pin::Pin::new(&mut self.get_mut().stream).poll_flush(cx)
    }

    fn poll_shutdown(
        self: std::pin::Pin<&mut Self>,
        cx: &mut std::task::Context<'_>,
    ) -> std::task::Poll<std::io::Result<()>> {
        std::pin::Pin::new(&mut self.get_mut().stream).poll_shutdown(cx)
    }
}

/// Accepts connections of pinned parties. A failed handshake is logged and costs nobody else
/// anything; at most 256 run at a time, each for at most ten seconds, and a new one takes the place
/// of the oldest. A party has at most 8 connections.
///
/// # Errors
/// When this side's own key cannot be used.
pub fn incoming(
    listener: TcpListener,
    identity: &TlsIdentity,
    pins: &BTreeMap<String, Digest>,
) -> Result<ReceiverStream<std::io::Result<Connection>>, Error> {
    let by_pin: BTreeMap<Digest, String> =
        pins.iter().map(|(name, pin)| (*pin, name.clone())).collect();
    let (verifier, provider) = pinned(by_pin.clone());
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13])
        .map_err(|e| tls_error(&e))?
        .with_client_cert_verifier(verifier)
        .with_single_cert(vec![identity.certificate.clone()], identity.key.clone_key())
        .map_err(|e| tls_error(&e))?;
    config.alpn_protocols = vec![b"h2".to_vec()];
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let (sender, receiver) = tokio::sync::mpsc::channel(64);
    let per_party: BTreeMap<String, Arc<Semaphore>> =
        pins.keys().map(|name| (name.clone(), Arc::new(Semaphore::new(PER_PARTY)))).collect();
    tokio::spawn(async move {
        let mut handshakes: VecDeque<AbortHandle> = VecDeque::new();
        loop {
            let (tcp, from) = match listener.accept().await {
                Ok(accepted) => accepted,
                Err(error) => {
                    tracing::warn!(%error, "accepting a connection failed");
                    tokio::time::sleep(Duration::from_millis(50)).await;
                    continue;
                }
            };
            if sender.is_closed() {
                return;
            }
            handshakes.retain(|handshake| !handshake.is_finished());
            if handshakes.len() >= HANDSHAKES
                && let Some(oldest) = handshakes.pop_front()
            {
                oldest.abort();
            }
            let (acceptor, sender, by_pin) = (acceptor.clone(), sender.clone(), by_pin.clone());
            let per_party = per_party.clone();
            let handshake = tokio::spawn(async move {
                let _ = tcp.set_nodelay(true);
                match tokio::time::timeout(HANDSHAKE, acceptor.accept(tcp)).await {
                    Ok(Ok(stream)) => {
                        let certificates = stream.get_ref().1.peer_certificates();
                        let name = certificates
                            .and_then(|chain| chain.first())
                            .and_then(|leaf| pin_of(leaf).ok())
                            .and_then(|pin| by_pin.get(&pin).cloned());
                        let Some(name) = name else { return };
                        let slots = per_party.get(&name).cloned();
                        let Some(slot) = slots.and_then(|slots| slots.try_acquire_owned().ok())
                        else {
                            tracing::warn!(%from, %name, "refused: it has too many connections");
                            return;
                        };
                        let connection = Connection { stream, peer: Peer(name), _slot: slot };
                        let _ = sender.send(Ok(connection)).await;
                    }
                    Ok(Err(error)) => tracing::warn!(%from, %error, "TLS handshake refused"),
                    Err(_) => tracing::warn!(%from, "TLS handshake timed out"),
                }
            });
            handshakes.push_back(handshake.abort_handle());
        }
    });
    Ok(ReceiverStream::new(receiver))
}

/// A channel to a party that connects when it is first used, and again after a loss. It talks to
/// nobody but the holder of the pinned key.
///
/// # Errors
/// When this side's own key cannot be used, or the address is none.
pub fn channel(
    party: &str,
    address: &str,
    pin: Digest,
    identity: &TlsIdentity,
) -> Result<Link, Error> {
    let (verifier, provider) = pinned(BTreeMap::from([(pin, party.to_owned())]));
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13])
        .map_err(|e| tls_error(&e))?
        .dangerous()
        .with_custom_certificate_verifier(verifier)
        .with_client_auth_cert(vec![identity.certificate.clone()], identity.key.clone_key())
        .map_err(|e| tls_error(&e))?;
    config.alpn_protocols = vec![b"h2".to_vec()];
    let connector = TlsConnector::from(Arc::new(config));
    let unreachable = |reason: String| Error::Unreachable {
        party: party.to_owned(),
        address: address.to_owned(),
        reason,
    };
    let endpoint = Endpoint::from_shared(format!("http://{address}"))
        .map_err(|e| unreachable(e.to_string()))?
        .connect_timeout(HANDSHAKE)
        .initial_stream_window_size(4 * WINDOW)
        .initial_connection_window_size(4 * WINDOW)
        .http2_keep_alive_interval(Duration::from_secs(20))
        .keep_alive_while_idle(true);
    let (address, proxy) = (address.to_owned(), identity.proxy.clone());
    let channel = endpoint.connect_with_connector_lazy(tower::service_fn(move |_| {
        let (connector, address, proxy) = (connector.clone(), address.clone(), proxy.clone());
        async move {
            let connected = async {
                let tcp = connect(&address, proxy).await?;
                tcp.set_nodelay(true)?;
                // The name is sent as SNI and checked by nobody: the key is what counts.
                let name =
                    ServerName::try_from("party.haima.invalid").map_err(std::io::Error::other)?;
                connector.connect(name, tcp).await
            };
            let late = || std::io::Error::new(ErrorKind::TimedOut, "no connection in 10 seconds");
            let stream = tokio::time::timeout(HANDSHAKE, connected).await.map_err(|_| late())??;
            Ok::<_, std::io::Error>(TokioIo::new(stream))
        }
    }));
    Ok(InterceptedService::new(channel, Speak))
}

/// A connection to an address, through the proxy where there is one. Nobody's proxy is asked for
/// this machine.
async fn connect(address: &str, proxy: Option<Uri>) -> std::io::Result<TcpStream> {
    let host = address.rsplit_once(':').map_or(address, |(host, _)| host);
    let local = host == "localhost"
        || host.trim_matches(['[', ']']).parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback());
    let Some(proxy) = proxy.filter(|_| !local) else { return TcpStream::connect(address).await };
    let to = format!("https://{address}").parse::<Uri>().map_err(std::io::Error::other)?;
    let through = format!("the proxy {}", proxy.authority().map_or("", |at| at.as_str()));
    let mut tunnel = Tunnel::new(proxy, HttpConnector::new());
    let connection = tunnel.call(to).await;
    let connection = connection.map_err(|e| std::io::Error::other(format!("{through}: {e}")))?;
    Ok(connection.into_inner())
}

#[cfg(test)]
mod tests;
