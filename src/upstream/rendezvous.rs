//! To which address a client belongs, by rendezvous hashing.
//!
//! Each address gets a number that depends on the address and the client, and the largest one wins. An address that is left out, or leaves
//! the configuration, takes only its own clients with it, and one that is added takes its share and moves no other client. The numbers are
//! the same in every gateway, and in every version of it.

use std::net::IpAddr;

use super::UpstreamAddress;
use crate::stream::PeerAddr;

/// Which clients belong together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Affinity {
    /// Those of one public ID, or of one address, go to one upstream address. None: the client may go anywhere.
    home: Option<u64>,
    /// Those that come from one address are one client where it matters how many there are. None: a Unix socket.
    pub(super) origin: Origin,
}

/// Where a client comes from.
pub(super) type Origin = Option<u64>;

/// What an address brings to the number that it has for a client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Seed(u64);

impl Seed {
    pub(super) fn of(address: &UpstreamAddress) -> Self {
        Self(hash(address.key().as_bytes()))
    }
}

impl Affinity {
    /// The client may go anywhere.
    #[cfg(test)]
    pub(super) const NONE: Self = Self { home: None, origin: None };

    /// By the public ID of a client's cookie, or else by where it comes from. What comes by a Unix socket from no proxy may go anywhere.
    pub(super) fn of(public_id: Option<&str>, peer: PeerAddr) -> Self {
        let origin = match peer {
            PeerAddr::Tcp(address) => Some(match address.ip().to_canonical() {
                IpAddr::V4(address) => hash(&address.octets()),
                // One host has many of these, and changes between them.
                IpAddr::V6(address) => hash(address.octets().get(..8).unwrap_or_default()),
            }),
            PeerAddr::Unix => None,
        };
        Self { home: public_id.map(|id| hash(id.as_bytes())).or(origin), origin }
    }

    /// Whether the client belongs to an address.
    pub(super) const fn has_home(self) -> bool {
        self.home.is_some()
    }

    /// The number of an address for these clients. None: none of the addresses is theirs.
    pub(super) fn score(self, seed: Seed) -> Option<u64> {
        self.home.map(|client| mix(client ^ seed.0))
    }
}

/// FNV-1a, with its bits mixed.
fn hash(bytes: &[u8]) -> u64 {
    let begin: u64 = 0xcbf2_9ce4_8422_2325;
    mix(bytes.iter().fold(begin, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)))
}

/// Has each bit depend on all others (the finalizer of splitmix64).
const fn mix(mut bits: u64) -> u64 {
    bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    bits ^ (bits >> 31)
}
