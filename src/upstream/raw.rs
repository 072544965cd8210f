//! The handshake of RawSocket with a WAMP router: four octets out, four in.

use std::io;

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    time::timeout,
};

use super::{Upstream, UpstreamError, link, patient::Patient, told};
use crate::{
    handshake::raw_socket::{self, OCTETS, RouterRefusal},
    stream::Stream,
    wamp::Serializer,
};

/// What the gateway offers to a router at an address of RawSocket.
#[derive(Debug, Clone)]
pub struct RawOffer {
    /// What it may speak, the preferred serializer first.
    pub serializers: Vec<Serializer>,
    /// The longest message that it receives.
    pub max_message: usize,
}

/// What a router has taken of an offer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RawAnswer {
    /// What is spoken.
    pub serializer: Serializer,
    /// The longest message that the router receives.
    pub max_sent: usize,
}

impl Upstream {
    /// Makes the handshake at an address. A router that does not speak the serializer is asked for the next one, on a connection of its
    /// own, since the specification ends the first. Nothing of a client was sent before. What fails is counted.
    pub(super) async fn greet(
        &self,
        number: usize,
        mut link: Stream,
        offer: &RawOffer,
    ) -> Result<(Stream, RawAnswer), UpstreamError> {
        let limit = self.options.response_timeout;
        let address = self.options.addresses.get(number).map(ToString::to_string).unwrap_or_default();
        let failed = |error| Err(self.failed(number, error));
        let mut serializers = offer.serializers.iter().copied().peekable();
        while let Some(serializer) = serializers.next() {
            let request = raw_socket::request(serializer, offer.max_message);
            // Crossbar.io hangs up where the specification has an error for a serializer that the router does not speak.
            let is_last = serializers.peek().is_none();
            let refusal = match timeout(limit, shake_hands(&mut link, request)).await {
                Ok(Ok(Ok(max_sent))) => return Ok((link, RawAnswer { serializer, max_sent })),
                Ok(Ok(Err(refusal))) => refusal,
                Ok(Err(error)) if link::is_certificate_refused(&error) => {
                    return failed(UpstreamError::Tls(format!("{address}: {}", told(&error))));
                }
                Ok(Err(error)) if is_last => {
                    return failed(UpstreamError::Lost(format!("{address}: {}", told(&error))));
                }
                Ok(Err(_)) => RouterRefusal::Serializer,
                Err(_) => return failed(UpstreamError::Silent(address, limit)),
            };
            match refusal {
                // This connection counts what fails by itself.
                RouterRefusal::Serializer if !is_last => {
                    link = self.connect(number, self.options.connect_timeout).await?;
                }
                RouterRefusal::Full => {
                    return failed(UpstreamError::Unreachable(format!("{address}: it {refusal}")));
                }
                refusal => return failed(UpstreamError::Nonsense(format!("{address}: it {refusal}"))),
            }
        }
        failed(UpstreamError::Nonsense(format!("{address}: no serializer is configured")))
    }
}

async fn shake_hands(link: &mut Stream, request: [u8; OCTETS]) -> io::Result<Result<usize, RouterRefusal>> {
    // A router that refuses the gateway takes nothing more, and why is to be read.
    let mut link = Patient::new(link);
    link.write_all(&request).await?;
    link.flush().await?;
    let mut answer = [0; OCTETS];
    link.read_exact(&mut answer).await?;
    Ok(raw_socket::judge(answer, request))
}
