//! The socket as a framework sees it, over a sum in this process.

use std::io::{Read as _, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use haima_fl_core::tasks::vector_sum::{Standing, VectorSum};

use super::client::{Client, Summed};
use super::frame::{Class, Reply, Request, to_bytes};
use super::mailbox::Mailbox;
use super::server::{MOST_CONNECTIONS, Server};
use super::simulate;

const PARAMS: &str = "dimension = 2\nbound = 4.0\nrounds = 2\nfrac_bits = 8";
const PATIENCE: Duration = Duration::from_secs(20);

/// Sockets of some sites, whose sums are made in this process.
struct Fixture {
    folder: tempfile::TempDir,
    task: VectorSum,
    mailboxes: Vec<Arc<Mailbox>>,
    servers: Vec<tokio::task::JoinHandle<()>>,
}

impl Fixture {
    fn new(sites: usize) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let task = VectorSum::new(&PARAMS.parse().unwrap()).unwrap();
        let mut fixture = Self { folder, task, mailboxes: vec![], servers: vec![] };
        for site in 0..sites {
            let mailbox = Mailbox::new(fixture.task.clone(), "study", "sums", Class::Simulated);
            let mailbox = Arc::new(mailbox);
            let server = Server::bind(&fixture.path(site), Arc::clone(&mailbox)).unwrap();
            fixture.servers.push(tokio::spawn(server.run()));
            fixture.mailboxes.push(mailbox);
        }
        fixture
    }

    fn path(&self, site: usize) -> PathBuf {
        self.folder.path().join(format!("{site}.sock"))
    }

    /// All rounds, each site by what it does with its client.
    async fn run(
        self,
        patience: Duration,
        site: impl Fn(usize, &mut Client) -> Vec<Summed> + Send + Sync + Clone + 'static,
    ) -> Vec<Vec<Summed>> {
        let sites: Vec<_> = (0..self.mailboxes.len())
            .map(|at| {
                let (path, site) = (self.path(at), site.clone());
                tokio::task::spawn_blocking(move || site(at, &mut Client::connect(&path).unwrap()))
            })
            .collect();
        simulate::run(&self.task, &self.mailboxes, patience).await.unwrap();
        let mut all = vec![];
        for site in sites {
            all.push(site.await.unwrap());
        }
        self.mailboxes.iter().for_each(|mailbox| mailbox.end("done"));
        for server in self.servers {
            server.await.unwrap();
        }
        all
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_site_gets_the_sum_of_all_vectors_round_by_round() {
    let all = Fixture::new(3).run(PATIENCE, |site, client| {
        assert_eq!((client.terms().dimension, client.terms().unit.as_str()), (2, "site"));
        assert_eq!(client.terms().class, Class::Simulated);
        let own = site as f64;
        vec![client.sum(1, &[own, 0.5]).unwrap(), client.sum(2, &[-own, 30.0]).unwrap()]
    });
    for own in all.await {
        assert_eq!((own[0].values.as_slice(), own[0].sites), ([3.0, 1.5].as_slice(), 3));
        assert_eq!((own[0].own, own[0].noise), (Standing::Whole, None));
        assert_eq!(own[1].own, Standing::Shortened);
        // Three vectors of length 4 at most, one of them straight along the second axis.
        assert!(own[1].values[1] > 11.0 && own[1].values[1] <= 12.0, "{:?}", own[1]);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_vector_that_is_no_number_or_does_not_come_counts_as_zeros() {
    let all = Fixture::new(3).run(Duration::from_secs(2), |site, client| match site {
        0 => vec![client.sum(1, &[1.0, 1.0]).unwrap()],
        1 => vec![client.sum(1, &[f64::NAN, 1.0]).unwrap()],
        _ => vec![],
    });
    let all = all.await;
    for (site, standing) in [(0, Standing::Whole), (1, Standing::Refused)] {
        assert_eq!(
            (all[site][0].values.as_slice(), all[site][0].own),
            ([1.0; 2].as_slice(), standing)
        );
    }
}

/// Sends bytes; what comes back until the site closes the connection, or nothing for a second.
fn sent(path: &Path, bytes: &[u8]) -> Vec<u8> {
    let mut stream = UnixStream::connect(path).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(1))).unwrap();
    stream.write_all(bytes).unwrap();
    let mut answer = vec![];
    let _ = stream.read_to_end(&mut answer);
    answer
}

fn error_of(answer: &[u8]) -> String {
    let reply: Reply = serde_json::from_slice(&answer[4..]).unwrap();
    reply.error.unwrap().message
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn hostile_bytes_are_refused_and_hurt_nobody() {
    let fixture = Fixture::new(1);
    let path = fixture.path(0);
    tokio::task::spawn_blocking(move || {
        assert!(error_of(&sent(&path, &[0xff; 64])).contains("at most 4096"));
        assert!(error_of(&sent(&path, b"\x02\0\0\0{}")).contains("protocol"));
        let long = to_bytes(&Request::sum(1, 3), &[1.0; 3]);
        assert!(error_of(&sent(&path, &long)).contains("the study sums 2"));
        let mut other = Request::terms();
        other.protocol = "haima.sum/2".into();
        assert!(error_of(&sent(&path, &to_bytes(&other, &[]))).contains("haima.sum/1"));
        // Cut short anywhere: no answer, and the next is served.
        let whole = to_bytes(&Request::sum(1, 2), &[1.0, 1.0]);
        for cut in 0..whole.len() {
            let mut stream = UnixStream::connect(&path).unwrap();
            stream.write_all(&whole[..cut]).unwrap();
        }
        let mut client = Client::connect(&path).unwrap();
        assert!(client.sum(1, &[1.0]).unwrap_err().to_string().contains("a vector of 1 numbers"));
        assert!(client.sum(9, &[1.0, 1.0]).unwrap_err().to_string().contains("rounds 1 to 2"));
        // A refused round leaves the connection as it was.
        assert!(client.sum(0, &[1.0, 1.0]).is_err());
        // More silent peers than are served at a time, and then one that asks.
        let silent: Vec<_> =
            (0..MOST_CONNECTIONS + 3).map(|_| UnixStream::connect(&path).unwrap()).collect();
        drop((client, silent));
        assert!(Client::connect(&path).is_ok());
    })
    .await
    .unwrap();
}

#[tokio::test]
async fn the_file_is_the_owners_alone_and_goes_with_the_server() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("sum.sock");
    let task = VectorSum::new(&PARAMS.parse().unwrap()).unwrap();
    let mailbox = Arc::new(Mailbox::new(task, "study", "sums", Class::Exact));
    let server = Server::bind(&path, Arc::clone(&mailbox)).unwrap();
    assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1, "nothing else is left");
    let second = Server::bind(&path, Arc::clone(&mailbox)).unwrap_err();
    assert!(second.to_string().contains("another process"), "{second}");
    drop(server);
    assert!(!path.exists());
    // What somebody else has put there meanwhile stays.
    let server = Server::bind(&path, Arc::clone(&mailbox)).unwrap();
    std::fs::remove_file(&path).unwrap();
    let theirs = std::os::unix::net::UnixListener::bind(&path).unwrap();
    drop(server);
    assert!(path.exists());
    drop(theirs);
    // One that a killed process left, and what is none of ours.
    drop(Server::bind(&path, Arc::clone(&mailbox)).unwrap());
    assert!(!path.exists());
    std::fs::write(&path, "").unwrap();
    assert!(Server::bind(&path, mailbox).unwrap_err().to_string().contains("no socket"));
    assert!(path.exists());
}

/// Else anybody could put a socket there when the site is gone, and be handed the vectors.
#[tokio::test]
async fn a_folder_that_all_may_write_to_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("sum.sock");
    let task = VectorSum::new(&PARAMS.parse().unwrap()).unwrap();
    let mailbox = Arc::new(Mailbox::new(task, "study", "sums", Class::Exact));
    for (mode, taken) in [(0o777, false), (0o1777, false), (0o700, true), (0o755, true)] {
        let permissions = std::fs::Permissions::from_mode(mode);
        std::fs::set_permissions(folder.path(), permissions).unwrap();
        let bound = Server::bind(&path, Arc::clone(&mailbox));
        assert_eq!(bound.is_ok(), taken, "{mode:o}");
        if let Err(error) = bound {
            assert!(error.to_string().contains("every user"), "{error}");
        }
    }
}
