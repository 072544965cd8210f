//! The end of a connection that stayed HTTP.

use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};

/// How much the gateway reads and drops of what the client still sends; then it cuts the client off.
const MAX_DISCARDED: usize = 256 * 1024;

const CHUNK: usize = 4 * 1024;

/// Ends a connection so that the client can read what was sent last. The system resets a socket that is closed with unread
/// data in it, and a reset overtakes the reply. The client has `patience` to read the reply and to close.
pub(crate) async fn hang_up<S: AsyncRead + AsyncWrite + Unpin>(
    stream: &mut S,
    last_words: &[u8],
    patience: Duration,
) {
    let linger = async {
        stream.write_all(last_words).await?;
        stream.shutdown().await?;
        let mut chunk = vec![0; CHUNK];
        let mut discarded = 0;
        while discarded < MAX_DISCARDED {
            match stream.read(&mut chunk).await? {
                0 => break,
                n => discarded += n,
            }
        }
        std::io::Result::Ok(())
    };
    // After an error no client is left to be told.
    let _ = tokio::time::timeout(patience, linger).await;
}
