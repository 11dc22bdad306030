//! A submission as it comes in, chunk by chunk.

use std::sync::Arc;
use std::time::Duration;

use tonic::{Response, Status, Streaming};

use super::{CHUNK_PAUSE, signature, status};
use crate::header::SignedHeader;
use crate::server::engine::Engine;
use crate::server::intake::{Intake, Opening};
use crate::server::metrics;
use crate::{Error, proto};

/// How long a chunk may take to come before its sender's turn is another's too.
const PROMPT: Duration = Duration::from_secs(2);

/// The status of a submission that failed; refusals are counted.
fn refused(error: Error) -> Status {
    if let Error::Submission { .. } = &error {
        metrics::submission("refused");
    }
    status(error)
}

/// Takes a submission in, from its header to its last chunk.
pub(super) async fn take_in(
    engine: Arc<Engine>,
    site: String,
    mut stream: Streaming<proto::SubmitPart>,
) -> Result<Response<proto::SubmitReply>, Status> {
    let mut next = async || {
        tokio::time::timeout(CHUNK_PAUSE, stream.message())
            .await
            .map_err(|_| Status::deadline_exceeded("no chunk for 30 seconds"))?
    };
    let Some(proto::submit_part::Part::Header(head)) = next().await?.and_then(|p| p.part) else {
        return Err(Status::invalid_argument("a submission begins with its header"));
    };
    let opening = Opening {
        signed: SignedHeader { bytes: head.header, signature: signature(&head.signature)? },
        public: head.public_share,
        head: head.seal,
        first: head.first,
    };
    let mut intake = Intake::begin(&engine, &site, opening).await.map_err(refused)?;
    let mut prompt = true;
    loop {
        // With all chunks here only the end is to come: waiting for a turn would hold on to them.
        let turn = if prompt && !intake.is_whole() {
            Some(engine.writer.turn().await.map_err(status)?)
        } else {
            None
        };
        let mut coming = std::pin::pin!(next());
        let part = match tokio::time::timeout(PROMPT, &mut coming).await {
            Ok(part) => part,
            // A slow sender goes on without turns, and holds no other up.
            Err(_) => {
                prompt = false;
                drop(turn);
                coming.await
            }
        };
        let part = match part {
            Ok(Some(part)) => part,
            Ok(None) => break,
            Err(broken) => {
                // What has come stays, unless the round has closed meanwhile.
                if let Err(error) = intake.keep().await {
                    tracing::debug!(%error, "the beginning of a submission is not kept");
                }
                return Err(broken);
            }
        };
        let Some(proto::submit_part::Part::Chunk(chunk)) = part.part else {
            return Err(Status::invalid_argument("a submission has one header"));
        };
        intake.chunk(chunk).await.map_err(refused)?;
    }
    // With it goes what it has buffered.
    drop(stream);
    intake.finish().await.map_err(refused)?;
    Ok(Response::new(proto::SubmitReply {}))
}
