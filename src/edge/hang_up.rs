//! The end of a connection that stayed HTTP.

use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};

/// How much of what the client is still sending is thrown away; behind that it is cut off.
const MAX_DISCARDED: usize = 256 * 1024;

const CHUNK: usize = 4 * 1024;

/// Ends a connection so that the client gets to read what was sent last: a socket that is closed while something in
/// it is unread is reset, and a reset overtakes the reply. The client has `patience` to read it and to close.
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
    // No client is left to be told of an error here.
    let _ = tokio::time::timeout(patience, linger).await;
}
