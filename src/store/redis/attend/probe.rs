//! Whether Redis answers, takes changes, and keeps them.

use std::sync::Arc;

use redis::{ErrorKind, RedisResult, ServerErrorKind, pipe};
use tokio::sync::mpsc;

use crate::store::redis::{connect::Servers, fault, work::Worker};

/// A change that Redis has not taken, or not kept.
pub(super) struct Refused {
    pub(super) why: String,
    pub(super) is_replica: bool,
}

/// Asks Redis to take a change, and to send this gateway a message.
pub(super) fn probe(
    worker: Arc<Worker>,
    mut commands: Servers,
    own: String,
    answers: mpsc::Sender<Result<(), Refused>>,
) {
    tokio::spawn(async move {
        let mut probe = pipe();
        // To all servers of a cluster, where the message goes out only if all of them answer. A primary that hangs, or whose machine is
        // gone, says nothing by itself.
        probe.cmd("PING").ignore();
        probe.cmd("PUBLISH").arg(&own).arg("").ignore();
        probe.cmd("SET").arg(&own).arg("").arg("PX").arg(10_000).ignore();
        let answer: RedisResult<()> = probe.query_async(&mut commands).await;
        let outcome = match answer {
            // The silence tells of an answer that is late.
            Err(error) if error.is_timeout() => return,
            Err(error) => {
                worker.link.heed(&error);
                Err(Refused {
                    is_replica: error.kind() == ErrorKind::Server(ServerErrorKind::ReadOnly),
                    why: fault::explain(&error),
                })
            }
            Ok(()) => worker.is_kept().await.map_err(|why| Refused { why, is_replica: false }),
        };
        drop(answers.try_send(outcome));
    });
}
