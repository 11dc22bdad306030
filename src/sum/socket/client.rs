//! The framework's end of the socket, blocking: for a program in Rust, and for tests. In Python there is
//! `examples/flower/haima_sum.py`.
//!
//! # Security
//! A vector goes to a process of this process's own user, or to none: who else listens at the path once
//! the site is gone is told nothing.

use std::io::{Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};

use haima_fl_core::tasks::vector_sum::Standing;

use super::frame::{MAX_HEADER, Reply, Request, Terms, numbers, to_bytes};
use super::peer;
use crate::Error;

/// A connection to a site's socket.
#[derive(Debug)]
pub struct Client {
    stream: UnixStream,
    path: PathBuf,
    terms: Terms,
}

/// A released sum.
#[derive(Clone, Debug, PartialEq)]
pub struct Summed {
    /// The sum, coordinate by coordinate.
    pub values: Vec<f64>,
    /// Sites in it.
    pub sites: u32,
    /// How the vector that was handed in stands in it.
    pub own: Standing,
    /// Standard deviation of the noise in each number; `None` without noise.
    pub noise: Option<f64>,
}

impl Client {
    /// Connects, and asks what is summed.
    ///
    /// # Errors
    /// When nobody serves the socket, another user does, or what answers is no site of this version.
    pub fn connect(path: &Path) -> Result<Self, Error> {
        let own = peer::own_user().map_err(|e| Error::file(path, e))?;
        Self::connect_to(path, own)
    }

    /// Connects to a process of this user.
    fn connect_to(path: &Path, user: u32) -> Result<Self, Error> {
        let mut stream = UnixStream::connect(path).map_err(|e| Error::file(path, e))?;
        let server = peer::user(&stream).map_err(|e| Error::file(path, e))?;
        if server != user {
            let problem = format!("user {server} serves it; a vector goes to user {user} alone");
            return Err(Error::config(path, problem));
        }
        let (reply, _) = ask(&mut stream, path, &to_bytes(&Request::terms(), &[]), 0)?;
        let terms = reply.terms.ok_or_else(|| Error::config(path, "no terms in the answer"))?;
        Ok(Self { stream, path: path.to_owned(), terms })
    }

    /// What is summed, and what protects a vector.
    #[must_use]
    pub fn terms(&self) -> &Terms {
        &self.terms
    }

    /// Hands in the vector of a round (from 1), and waits for the sum of all sites.
    ///
    /// # Errors
    /// When the vector is of another length than the terms say, the round is over or not there yet, or
    /// the study ends without its sum.
    pub fn sum(&mut self, round: u32, vector: &[f64]) -> Result<Summed, Error> {
        let (dimension, got) = (self.terms.dimension as usize, vector.len());
        if got != dimension {
            // The site would close the connection in the middle of it.
            let problem = format!("a vector of {got} numbers; the study sums {dimension}");
            return Err(Error::config(&self.path, problem));
        }
        let len = self.terms.dimension;
        let message = to_bytes(&Request::sum(round, len), vector);
        let (reply, values) = ask(&mut self.stream, &self.path, &message, dimension)?;
        let head = reply.sum.ok_or_else(|| Error::config(&self.path, "no sum in the answer"))?;
        Ok(Summed { values, sites: head.sites, own: head.own, noise: head.noise })
    }
}

/// Sends a message and reads its answer, with at most so many numbers.
fn ask(
    stream: &mut UnixStream,
    path: &Path,
    message: &[u8],
    most: usize,
) -> Result<(Reply, Vec<f64>), Error> {
    let lost = |e: std::io::Error| Error::file(path, e);
    stream.write_all(message).map_err(lost)?;
    let mut length = [0; 4];
    stream.read_exact(&mut length).map_err(lost)?;
    let length = u32::from_le_bytes(length) as usize;
    if length > MAX_HEADER {
        return Err(Error::config(path, "the answer is none of this protocol"));
    }
    let mut header = vec![0; length];
    stream.read_exact(&mut header).map_err(lost)?;
    let reply: Reply = serde_json::from_slice(&header)
        .map_err(|error| Error::config(path, format!("the answer cannot be read: {error}")))?;
    if let Some(fault) = &reply.error {
        return Err(Error::config(path, fault.message.as_str()));
    }
    let mut values = Vec::new();
    if let Some(head) = &reply.sum {
        if head.len as usize > most {
            return Err(Error::config(path, format!("a sum of {} numbers", head.len)));
        }
        let mut bytes = vec![0; head.len as usize * head.dtype.size()];
        stream.read_exact(&mut bytes).map_err(lost)?;
        values = numbers(&bytes, head.dtype).to_vec();
    }
    Ok((reply, values))
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixListener;

    use super::*;

    #[test]
    fn a_socket_of_another_user_is_sent_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("sum.sock");
        let listener = UnixListener::bind(&path).unwrap();
        let own = peer::own_user().unwrap();
        let error = Client::connect_to(&path, own + 1).unwrap_err().to_string();
        assert!(error.contains(&format!("user {own} serves it")), "{error}");
        let mut received = vec![];
        listener.accept().unwrap().0.read_to_end(&mut received).unwrap();
        assert_eq!(received, [0; 0]);
    }
}
