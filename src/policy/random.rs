//! Random bytes for guests.

use wasmtime::Result;

/// The error that ends a decision which asks for more random bytes in one call than its interface gives.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("more random bytes in one call than a policy may have")]
pub(super) struct TooManyBytes;

/// Bytes from the operating system, as many as a guest asks for and at most `most`.
pub(super) fn random_bytes(count: u64, most: u64) -> Result<Vec<u8>> {
    if count > most {
        return Err(TooManyBytes.into());
    }
    let mut bytes = vec![0; usize::try_from(count)?];
    rand::TryRng::try_fill_bytes(&mut rand::rngs::SysRng, &mut bytes)?;
    Ok(bytes)
}
