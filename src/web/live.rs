//! Server-sent events: word that what a page shows has changed, and nothing of it. Whoever hears it
//! asks for the page again, through the gate.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::http::header;
use axum::response::{IntoResponse as _, Response};
use tokio::sync::{Semaphore, mpsc};
use tokio::time::Instant;
use tokio_stream::wrappers::ReceiverStream;

/// A number that changes when what the pages show does.
pub(super) type Mark = Arc<dyn Fn() -> u64 + Send + Sync>;

/// Whether whoever listens may still do so.
pub(super) type May = Box<dyn Fn() -> bool + Send + Sync>;

/// How often it is looked at.
const TICK: Duration = Duration::from_secs(1);
/// After how many silent ticks a comment is sent, so that a line that is dead shows.
const SILENT: u32 = 15;
/// How long a stream lasts; a browser opens the next one by itself.
const LIFE: Duration = Duration::from_secs(600);

/// A stream of changes, for as long as one may listen; `None` when too many are open.
pub(super) fn stream(streams: &Arc<Semaphore>, mark: Mark, may: May) -> Option<Response> {
    every(TICK, streams, mark, may)
}

fn every(tick: Duration, streams: &Arc<Semaphore>, mark: Mark, may: May) -> Option<Response> {
    let place = Arc::clone(streams).try_acquire_owned().ok()?;
    let (sender, receiver) = mpsc::channel::<Result<Bytes, Infallible>>(1);
    tokio::spawn(async move {
        follow(tick, sender, mark, may).await;
        drop(place);
    });
    let head = [(header::CONTENT_TYPE, "text/event-stream")];
    Some((head, Body::from_stream(ReceiverStream::new(receiver))).into_response())
}

async fn follow(
    tick: Duration,
    sender: mpsc::Sender<Result<Bytes, Infallible>>,
    mark: Mark,
    may: May,
) {
    let until = Instant::now() + LIFE;
    let (mut last, mut silent) = (mark(), 0);
    let mut line = Some("retry: 3000\n\n");
    while Instant::now() < until {
        if let Some(line) = line
            && sender.send(Ok(Bytes::from_static(line.as_bytes()))).await.is_err()
        {
            return;
        }
        tokio::select! {
            () = sender.closed() => return,
            () = tokio::time::sleep(tick) => {}
        }
        if !may() {
            return;
        }
        let now = mark();
        silent += 1;
        line = if now != last {
            Some("event: changed\ndata: 1\n\n")
        } else {
            (silent >= SILENT).then_some(": here\n\n")
        };
        if line.is_some() {
            (last, silent) = (now, 0);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

    use tokio_stream::StreamExt as _;

    use super::*;

    #[tokio::test]
    async fn a_change_is_told_once_and_a_silent_line_is_kept_open() {
        let number = Arc::new(AtomicU64::new(0));
        let mark: Mark = Arc::new({
            let number = Arc::clone(&number);
            move || number.load(Ordering::Relaxed)
        });
        let streams = Arc::new(Semaphore::new(1));
        let tick = Duration::from_millis(2);
        let always = || Box::new(|| true);
        let answer = every(tick, &streams, Arc::clone(&mark), always()).unwrap();
        assert!(every(tick, &streams, mark, always()).is_none(), "one place, one stream");
        let mut body = answer.into_body().into_data_stream();
        let mut next = async || body.next().await.unwrap().unwrap();
        assert_eq!(&next().await[..], b"retry: 3000\n\n");
        number.store(1, Ordering::Relaxed);
        loop {
            // Told again only if it changes again: what follows is comments.
            let line = next().await;
            if &line[..] == b"event: changed\ndata: 1\n\n" {
                break;
            }
            assert_eq!(&line[..], b": here\n\n");
        }
        for _ in 0..2 {
            assert_eq!(&next().await[..], b": here\n\n");
        }
        drop(body);
        let free = tokio::time::timeout(Duration::from_secs(10), streams.acquire()).await;
        assert!(free.unwrap().is_ok());
    }

    #[tokio::test]
    async fn a_stream_ends_with_the_session_of_whoever_listens() {
        let signed_in = Arc::new(AtomicBool::new(true));
        let may: May = Box::new({
            let signed_in = Arc::clone(&signed_in);
            move || signed_in.load(Ordering::Relaxed)
        });
        let streams = Arc::new(Semaphore::new(1));
        let answer = every(Duration::from_millis(2), &streams, Arc::new(|| 0_u64), may).unwrap();
        let mut body = answer.into_body().into_data_stream();
        assert!(body.next().await.is_some());
        signed_in.store(false, Ordering::Relaxed);
        let rest = async { while body.next().await.is_some() {} };
        tokio::time::timeout(Duration::from_secs(10), rest).await.unwrap();
    }
}
