//! How clients are pinged, over WebSocket and RawSocket.

use super::{HOUR, MAX_SIZE};
use crate::config::{
    PingOptions,
    reader::{Located, MillisOrOff, Walk, Whole},
};

/// The size of a ping. No client can rely on it, so that a size that cannot be had is no fault.
pub(in crate::config) fn ping_size(wanted: &Located<Whole<0, MAX_SIZE>>, walk: &mut Walk<'_>) -> usize {
    let wanted_size = wanted.value.get::<usize>();
    let size = wanted_size.clamp(*PingOptions::SIZES.start(), *PingOptions::SIZES.end());
    if size != wanted_size {
        walk.warn_at(&wanted.path, format!("the gateway sends pings of {size} bytes instead"));
    }
    size
}

impl PingOptions {
    /// Without a time to answer, a dead connection would be kept: that is possible only without pings.
    pub(in crate::config) fn answered_within(
        self,
        raw: Option<Located<MillisOrOff<1000, HOUR>>>,
        walk: &mut Walk<'_>,
    ) -> Self {
        match raw {
            None => self,
            Some(Located { value: MillisOrOff(Some(timeout)), .. }) => Self { timeout, ..self },
            Some(Located { path, value: MillisOrOff(None) }) => {
                if self.interval.is_some() {
                    let fault = format!(
                        "0 would keep dead connections, use 1000 to {HOUR}, or \"auto_ping_interval\": 0"
                    );
                    walk.fault_at(path, fault);
                }
                self
            }
        }
    }
}
