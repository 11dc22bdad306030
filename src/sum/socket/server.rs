//! The site's end of the socket: takes connections of this machine's same user, and answers each
//! request from the mailbox.
//!
//! # Limits
//! At most [`MOST_CONNECTIONS`] at a time, others wait. A header has at most 4096 bytes and a vector the
//! study's dimension, both known before anything is allocated. A message that has begun must end within
//! [`MESSAGE`], an answer must be read within it, and a connection that asks nothing is closed after
//! [`IDLE`]. Waiting for a sum takes as long as the round does.
//!
//! # Security
//! The socket's file has the mode 0600 from the first moment, and a peer must be of the same user as the
//! file. Whoever is that user on this machine can hand in a vector in the site's name.
//!
//! Nor can anybody else wait at the path for what a framework hands in, once the site is gone: a folder
//! that all may write to is refused.

use std::fs::{DirBuilder, Permissions};
use std::io::ErrorKind;
use std::os::unix::fs::{
    DirBuilderExt as _, FileTypeExt as _, MetadataExt as _, PermissionsExt as _,
};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{UnixListener, UnixStream};
use tokio::task::JoinSet;
use tokio::time::timeout;
use zeroize::Zeroizing;

use super::frame::{
    Code, Dtype, Fault, MAX_HEADER, Op, Reply, Request, SumHead, numbers, to_bytes,
};
use super::mailbox::Mailbox;
use crate::Error;

/// Connections at a time.
pub const MOST_CONNECTIONS: usize = 8;
/// From the first byte of a message to its last, and for an answer to be read.
pub const MESSAGE: Duration = Duration::from_secs(60);
/// How long a connection may ask nothing.
pub const IDLE: Duration = Duration::from_secs(12 * 3600);
/// How long, after the end, last answers may take to be read.
const FAREWELL: Duration = Duration::from_secs(5);
/// Pause after a connection could not be taken.
const RETRY: Duration = Duration::from_millis(100);

/// A socket that serves a mailbox. Its file is removed when this is dropped.
#[derive(Debug)]
pub struct Server {
    listener: UnixListener,
    path: PathBuf,
    file: SocketFile,
    mailbox: Arc<Mailbox>,
    connections: JoinSet<()>,
}

impl Server {
    /// Makes the socket; within a tokio runtime. One that a process left behind when it was killed is
    /// replaced.
    ///
    /// # Errors
    /// When something else is there, another process serves it, all users may write to its folder, or
    /// the file cannot be made.
    pub fn bind(path: &Path, mailbox: Arc<Mailbox>) -> Result<Self, Error> {
        check_folder(path)?;
        clear(path)?;
        let (listener, file) = listen(path).map_err(|e| Error::file(path, e))?;
        let (path, connections) = (path.to_owned(), JoinSet::new());
        Ok(Self { listener, path, file, mailbox, connections })
    }

    /// Serves until the mailbox ends, and then until whoever waited has read the answer.
    pub async fn run(mut self) {
        let mailbox = Arc::clone(&self.mailbox);
        loop {
            let room = self.connections.len() < MOST_CONNECTIONS;
            tokio::select! {
                () = mailbox.ended() => break,
                accepted = self.listener.accept(), if room => match accepted {
                    Ok((stream, _)) => self.begin(stream),
                    Err(error) => {
                        tracing::warn!(%error, "a connection of the local socket was not taken");
                        tokio::time::sleep(RETRY).await;
                    }
                },
                Some(_) = self.connections.join_next() => {}
            }
        }
        let last_answers = async { while self.connections.join_next().await.is_some() {} };
        if timeout(FAREWELL, last_answers).await.is_err() {
            tracing::warn!("a local framework did not read its last answer");
        }
    }

    fn begin(&mut self, stream: UnixStream) {
        match stream.peer_cred() {
            Ok(peer) if peer.uid() == self.file.owner => {
                self.connections.spawn(converse(stream, Arc::clone(&self.mailbox)));
            }
            Ok(peer) => tracing::warn!(user = peer.uid(), "another user at the local socket"),
            Err(error) => tracing::warn!(%error, "a peer of the local socket has no user"),
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // What somebody else has put there since is theirs.
        if SocketFile::at(&self.path).is_ok_and(|there| there == self.file) {
            let _ = std::fs::remove_file(&self.path);
        }
    }
}

/// Which file a socket is, and whose.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct SocketFile {
    device: u64,
    inode: u64,
    owner: u32,
}

impl SocketFile {
    fn at(path: &Path) -> std::io::Result<Self> {
        let found = std::fs::symlink_metadata(path)?;
        Ok(Self { device: found.dev(), inode: found.ino(), owner: found.uid() })
    }
}

/// In a folder that all may write to, anybody can make a socket of this name when this one is gone.
fn check_folder(path: &Path) -> Result<(), Error> {
    let folder = match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    let mode = std::fs::metadata(folder).map_err(|e| Error::file(folder, e))?.mode();
    if mode & 0o002 == 0 {
        return Ok(());
    }
    let problem = "its folder may be written to by every user, who could put a socket of theirs in its \
                   place; choose a folder of this user's own, e.g. one in /run";
    Err(Error::config(path, problem))
}

/// Removes a socket that nobody serves any more.
fn clear(path: &Path) -> Result<(), Error> {
    let found = match std::fs::symlink_metadata(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
        found => found.map_err(|e| Error::file(path, e))?,
    };
    if !found.file_type().is_socket() {
        return Err(Error::config(path, "is there and no socket; choose another path"));
    }
    match std::os::unix::net::UnixStream::connect(path) {
        Ok(_) => {
            Err(Error::config(path, "another process serves it; end that, or choose another path"))
        }
        Err(error) if error.kind() == ErrorKind::ConnectionRefused => {
            std::fs::remove_file(path).map_err(|e| Error::file(path, e))
        }
        Err(error) => Err(Error::file(path, error)),
    }
}

/// A listening socket and its file. It is made in a folder that only this user enters, so
/// nobody else can connect before it has its mode.
fn listen(path: &Path) -> std::io::Result<(UnixListener, SocketFile)> {
    let name = path.file_name().ok_or(ErrorKind::InvalidInput)?.to_string_lossy();
    let folder = path.with_file_name(format!(".{name}.{}", std::process::id()));
    DirBuilder::new().mode(0o700).create(&folder)?;
    let made = listen_in(&folder, path);
    let _ = std::fs::remove_dir_all(&folder);
    made
}

fn listen_in(folder: &Path, path: &Path) -> std::io::Result<(UnixListener, SocketFile)> {
    let fresh = folder.join("s");
    let listener = UnixListener::bind(&fresh)?;
    std::fs::set_permissions(&fresh, Permissions::from_mode(0o600))?;
    let file = SocketFile::at(&fresh)?;
    std::fs::rename(&fresh, path)?;
    Ok((listener, file))
}

/// One connection: requests one after the other, until the peer closes it, sends what cannot be read,
/// or the mailbox ends.
async fn converse(mut stream: UnixStream, mailbox: Arc<Mailbox>) {
    loop {
        let asked = tokio::select! {
            asked = receive(&mut stream, mailbox.terms().dimension) => asked,
            () = mailbox.ended() => return,
        };
        let (request, vector) = match asked {
            Ok(Some(asked)) => asked,
            Ok(None) => return,
            Err(fault) => {
                tracing::warn!(reason = %fault.message, "a message of the local socket is refused");
                send(&mut stream, &Reply::fault(fault), &[]).await;
                return;
            }
        };
        let (reply, values) = tokio::select! {
            answer = answer(&mailbox, &request, vector) => answer,
            // The peer is gone, or asks twice at once.
            () = disturbed(&mut stream) => return,
        };
        if !send(&mut stream, &reply, values.as_deref().unwrap_or_default()).await {
            return;
        }
    }
}

/// A request and its vector; `None` when the peer has closed or is silent too long.
async fn receive(
    stream: &mut UnixStream,
    dimension: u32,
) -> Result<Option<(Request, Zeroizing<Vec<f64>>)>, Fault> {
    // Silence before a message is idleness; within one it is not.
    let mut first = [0];
    match timeout(IDLE, stream.read(&mut first)).await {
        Ok(Ok(1)) => {}
        _ => return Ok(None),
    }
    let message = async {
        let mut rest = [0; 3];
        if stream.read_exact(&mut rest).await.is_err() {
            return Ok(None);
        }
        let ([a], [b, c, d]) = (first, rest);
        body(stream, u32::from_le_bytes([a, b, c, d]), dimension).await
    };
    timeout(MESSAGE, message).await.unwrap_or_else(|_| {
        let seconds = MESSAGE.as_secs();
        let problem = format!("the message did not come to its end within {seconds} s");
        Err(Fault::new(Code::Timeout, problem))
    })
}

/// What follows a header's length.
async fn body(
    stream: &mut UnixStream,
    length: u32,
    dimension: u32,
) -> Result<Option<(Request, Zeroizing<Vec<f64>>)>, Fault> {
    let length = length as usize;
    if length > MAX_HEADER {
        let problem = format!("a header of {length} bytes; at most {MAX_HEADER}");
        return Err(Fault::new(Code::Malformed, problem));
    }
    let mut header = vec![0_u8; length];
    if stream.read_exact(&mut header).await.is_err() {
        return Ok(None);
    }
    let request = Request::read(&header)?;
    let Some((dtype, bytes)) = request.vector_bytes(dimension)? else {
        return Ok(Some((request, Zeroizing::default())));
    };
    let mut vector = Zeroizing::new(vec![0_u8; bytes]);
    if stream.read_exact(&mut vector).await.is_err() {
        return Ok(None);
    }
    let vector = numbers(&vector, dtype);
    Ok(Some((request, vector)))
}

/// The answer to a request, and the numbers behind its header.
async fn answer(
    mailbox: &Mailbox,
    request: &Request,
    vector: Zeroizing<Vec<f64>>,
) -> (Reply, Option<Arc<[f64]>>) {
    if request.op == Op::Terms {
        return (Reply::terms(mailbox.terms().clone()), None);
    }
    match mailbox.exchange(request.round.unwrap_or(0), vector).await {
        Ok((sum, own)) => {
            let head = SumHead {
                round: sum.round,
                dtype: Dtype::F64,
                len: u32::try_from(sum.values.len()).unwrap_or(u32::MAX),
                sites: sum.sites,
                own,
                noise: sum.noise,
            };
            (Reply::sum(head), Some(sum.values))
        }
        Err(fault) => (Reply::fault(fault), None),
    }
}

/// Until the peer closes the connection or sends anything.
async fn disturbed(stream: &mut UnixStream) {
    let mut byte = [0];
    if let Ok(1) = stream.read(&mut byte).await {
        tracing::warn!("a second request of one connection before the first was answered");
    }
}

/// Whether the peer has read all of it in time.
async fn send(stream: &mut UnixStream, reply: &Reply, values: &[f64]) -> bool {
    let bytes = to_bytes(reply, values);
    matches!(timeout(MESSAGE, stream.write_all(&bytes)).await, Ok(Ok(())))
}
