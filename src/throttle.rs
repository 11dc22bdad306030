//! A line of limited speed, for measuring: a relay that passes bytes on no faster than it may, both
//! ways and all connections together.

use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Mutex;
use tokio::time::Instant;

/// Bytes that pass at a time.
const PIECE: usize = 1500;

/// A line of so many bits a second.
#[derive(Clone, Debug)]
pub(crate) struct Line {
    bits_a_second: u64,
    /// When the line is free again.
    free: Arc<Mutex<Instant>>,
}

impl Line {
    pub(crate) fn new(bits_a_second: u64) -> Self {
        let free = Arc::new(Mutex::new(Instant::now()));
        Self { bits_a_second: bits_a_second.max(1), free }
    }

    /// An address that leads to another one over this line.
    pub(crate) async fn to(&self, address: &str) -> std::io::Result<String> {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        let near = listener.local_addr()?.to_string();
        let (line, address) = (self.clone(), address.to_owned());
        tokio::spawn(async move {
            while let Ok((near, _)) = listener.accept().await {
                let (line, address) = (line.clone(), address.clone());
                tokio::spawn(async move {
                    let Ok(far) = TcpStream::connect(&address).await else { return };
                    let _ = (near.set_nodelay(true), far.set_nodelay(true));
                    let ((near_in, near_out), (far_in, far_out)) =
                        (near.into_split(), far.into_split());
                    tokio::join!(line.pass(near_in, far_out), line.pass(far_in, near_out));
                });
            }
        });
        Ok(near)
    }

    async fn pass(&self, mut from: impl AsyncRead + Unpin, mut to: impl AsyncWrite + Unpin) {
        let mut piece = [0; PIECE];
        while let Ok(len @ 1..) = from.read(&mut piece).await {
            let takes = Duration::from_secs_f64(len as f64 * 8.0 / self.bits_a_second as f64);
            let until = {
                let mut free = self.free.lock().await;
                *free = Instant::now().max(*free) + takes;
                *free
            };
            tokio::time::sleep_until(until).await;
            if to.write_all(piece.get(..len).unwrap_or_default()).await.is_err() {
                return;
            }
        }
    }
}
