//! A study's keys and versions at running nodes: nobody gets in whose key the manifest does not
//! pin; an amended manifest is a new epoch, and the old one's keys are gone.

mod world;

use haima_smpc_node::client::NodeClient;
use haima_smpc_node::header::SignedHeader;
use haima_smpc_node::manifest::Manifest;
use haima_smpc_node::spec::RoundSpec;
use haima_smpc_node::study::Study;
use haima_smpc_node::tls::TlsIdentity;
use haima_smpc_node::{keyfile, server, unix_millis};
use rustls::DigitallySignedStruct;
use rustls::client::ResolvesClientCert;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::sign::CertifiedKey;
use std::sync::Arc;
use tokio::io::AsyncReadExt as _;
use tokio_rustls::TlsConnector;
use world::{SITES, World};

/// Names of a node's files of one kind of key.
fn keys(world: &World, node: usize, stem: &str) -> Vec<String> {
    let files = std::fs::read_dir(world.home(node)).unwrap().flatten();
    let names = files.map(|file| file.file_name().into_string().unwrap());
    names.filter(|name| name.starts_with(stem) && name != &format!("{stem}.key")).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_amended_study_has_new_epoch_keys_and_the_history_of_the_old() {
    let mut world = World::running(2).await;
    let first = world.spec("exact", 1);
    world.open(&first).await;
    for site in 0..4 {
        world.submit(site, &first, &[1; 4]).await;
    }
    world.bundle(&first).await;
    // A round that is open when the study is amended.
    let open = world.spec("private", 2);
    world.open(&open).await;
    world.submit(0, &open, &[1; 4]).await;
    let before = [keys(&world, 0, "noise"), keys(&world, 0, "epoch")];
    assert!(before.iter().all(|names| names.len() == 1), "{before:?}");

    let old = world.manifest.clone();
    let mut amended =
        Manifest { revision: 2, amends: Some(old.digest().to_string()), ..old.clone() };
    amended.min_sites = 4;
    world.manifest = amended.checked().unwrap();
    for node in 0..2 {
        world.crash(node).await;
    }
    for node in 0..2 {
        world.start(node).await;
    }
    world.epoch = None;
    world.settle().await;
    for node in 0..2 {
        for (stem, before) in ["noise", "epoch"].into_iter().zip(&before) {
            let after = keys(&world, node, stem);
            assert_eq!(after.len(), 1, "{stem}: {after:?}");
            assert_ne!(&after, before, "the old epoch's key is destroyed (rules R5, N3)");
        }
        assert!(world.failure(node, &open).await.contains("amended"));
    }
    // Numbers and steps go on where they were.
    let of = |task: &str, number| RoundSpec { min_sites: 4, ..world.spec(task, number) };
    let again = world.open_at(0, &of("exact", 2)).await.unwrap_err().to_string();
    assert!(again.contains("this node has seen 2"), "{again}");
    let again = world.open_at(0, &of("exact", 3)).await.unwrap_err().to_string();
    assert!(again.contains("was released") || again.contains("plan index"), "{again}");
    let next = RoundSpec { attempt: 1, plan_index: 1, ..of("private", 3) };
    world.open(&next).await;
    for site in 0..4 {
        world.submit(site, &next, &[1; 4]).await;
    }
    world.bundle(&next).await.verify(&world.manifest).unwrap();
}

/// N3, R5: keys of an epoch that is set up are not silently replaced.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_that_lost_an_epochs_key_does_not_draw_another() {
    let mut world = World::running(2).await;
    world.crash(0).await;
    for stem in ["noise", "epoch"] {
        let file = world.home(0).join(keys(&world, 0, stem).remove(0));
        let kept = std::fs::read(&file).unwrap();
        std::fs::remove_file(&file).unwrap();
        let error = server::Engine::open(&world.config(0)).await.unwrap_err().to_string();
        assert!(error.contains("restore the file") && error.contains(stem), "{error}");
        keyfile::write_private(&file, &kept).unwrap();
    }
    world.start(0).await;
}

/// A manifest that one party has not signed, or a node's own that was changed after, starts
/// nothing.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_takes_only_what_all_have_signed() {
    let world = World::new(2);
    let config = world.config(0);
    let signatures = Study::signatures_of(&config.manifest);
    let good = std::fs::read_to_string(&signatures).unwrap();
    let without: Vec<&str> = good.lines().filter(|line| !line.starts_with("site-c")).collect();
    std::fs::write(&signatures, without.join("\n")).unwrap();
    let error = server::Engine::open(&config).await.unwrap_err().to_string();
    assert!(error.contains("site-c") && error.contains("has not signed"), "{error}");
    std::fs::write(&signatures, good).unwrap();
    let text = std::fs::read_to_string(&config.manifest).unwrap();
    std::fs::write(&config.manifest, text.replace("grace_ms = 5000", "grace_ms = 5001")).unwrap();
    let error = server::Engine::open(&config).await.unwrap_err().to_string();
    assert!(error.contains("was changed"), "{error}");
}

/// Whoever makes certificates, also the coordinator, gets nowhere with them: neither as a site at
/// a node, nor as a node before a site. A stolen certificate without its key is no better.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_impostors_certificate_opens_nothing() {
    let world = World::running(2).await;
    let folder = tempfile::tempdir().unwrap();
    let forge = |name: &str| {
        let (certificate, key) = TlsIdentity::generate(name).unwrap();
        let [certificate_path, key_path] =
            ["tls.crt", "tls.key"].map(|file| folder.path().join(format!("{name}-{file}")));
        std::fs::write(&certificate_path, certificate).unwrap();
        keyfile::write_private(&key_path, key.as_bytes()).unwrap();
        (certificate_path, key_path)
    };
    let (certificate, key) = forge(SITES[0]);
    let impostor = TlsIdentity::read(&certificate, &key).unwrap();
    let client = NodeClient::new(&world.manifest.nodes[0], &impostor).unwrap();
    let status = client.check_status(&world.manifest.digest(), unix_millis()).await;
    assert!(status.is_err(), "a site's name on another key");
    // A node's place taken by somebody with a certificate of that name: the site hangs up.
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let (certificate, key) = forge("node-1");
    let false_node = TlsIdentity::read(&certificate, &key).unwrap();
    let incoming =
        haima_smpc_node::tls::incoming(listener, &false_node, &world.manifest.pins()).unwrap();
    let serving = tokio::spawn(async move {
        use tokio_stream::StreamExt as _;
        let mut incoming = std::pin::pin!(incoming);
        incoming.next().await.is_some()
    });
    let party = haima_smpc_node::manifest::Party { address, ..world.manifest.nodes[0].clone() };
    let client = NodeClient::new(&party, &world.sites[0].tls).unwrap();
    let error = client.check_status(&world.manifest.digest(), unix_millis()).await.unwrap_err();
    assert!(error.to_string().contains("not the one pinned"), "{error}");
    serving.abort();
    // The real certificate, which is public, beside another key.
    let stolen = world.folder.path().join(SITES[0]).join("tls.crt");
    let certificate = CertificateDer::from_pem_file(&stolen).unwrap();
    let key = PrivateKeyDer::from_pem_file(folder.path().join("node-1-tls.key")).unwrap();
    let key = aws_lc_rs::sign::any_supported_type(&key).unwrap();
    let thief = Thief(Arc::new(CertifiedKey::new(vec![certificate], key)));
    let mut config =
        rustls::ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
            .with_protocol_versions(&[&rustls::version::TLS13])
            .unwrap()
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(Anyone))
            .with_client_cert_resolver(Arc::new(thief));
    config.alpn_protocols = vec![b"h2".to_vec()];
    let tcp = tokio::net::TcpStream::connect(&world.manifest.nodes[0].address).await.unwrap();
    let name = ServerName::try_from("node-1").unwrap();
    let connected = TlsConnector::from(Arc::new(config)).connect(name, tcp).await;
    // A client of TLS 1.3 hears of the server's refusal when it reads.
    let refused = match connected {
        Err(_) => true,
        Ok(mut stream) => stream.read_u8().await.is_err(),
    };
    assert!(refused, "a certificate without its key was let in");
}

/// Presents a certificate that is not its own.
#[derive(Debug)]
struct Thief(Arc<CertifiedKey>);

impl ResolvesClientCert for Thief {
    fn resolve(&self, _: &[&[u8]], _: &[rustls::SignatureScheme]) -> Option<Arc<CertifiedKey>> {
        Some(Arc::clone(&self.0))
    }
    fn has_certs(&self) -> bool {
        true
    }
}

/// Takes any server: the thief does not care.
#[derive(Debug)]
struct Anyone;

impl ServerCertVerifier for Anyone {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }
    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }
    fn verify_tls13_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }
    fn supported_verify_schemes(&self) -> Vec<rustls::SignatureScheme> {
        aws_lc_rs::default_provider().signature_verification_algorithms.supported_schemes()
    }
}

/// Whoever has a site's TLS key but not its identity key can connect and submit nothing; whoever
/// has a site's both cannot submit in another's name.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stolen_tls_key_without_the_identity_key_submits_nothing() {
    let world = World::running(2).await;
    let spec = world.spec("exact", 1);
    world.open(&spec).await;
    let made = world.make(0, &spec, &[1; 4]);
    let thief = haima_crypto::identity::IdentityKey::generate(&mut rand::rng());
    let client = world.node_as(0, &world.sites[0]);
    let forged = SignedHeader::sign(&made.header, &thief);
    let error = client.submit(&forged, &made.public, &made.sealed[0]).await.unwrap_err();
    assert!(error.to_string().contains("signature"), "{error}");
    // Site B's connection with site A's honest submission, and with A's name under B's key.
    let as_b = world.node_as(0, &world.sites[1]);
    for key in [&world.sites[0].identity, &world.sites[1].identity] {
        let signed = SignedHeader::sign(&made.header, key);
        let error = as_b.submit(&signed, &made.public, &made.sealed[0]).await.unwrap_err();
        assert!(error.to_string().contains("its header names site-a"), "{error}");
    }
    world.submit_to(0, 0, &made).await.unwrap();
}
