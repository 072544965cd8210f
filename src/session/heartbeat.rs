//! Pings that find out whether a silent peer is still there.

use std::{pin::Pin, time::Duration};

use bytes::Bytes;
use rand::Rng;
use tokio::time::{Instant, Sleep, sleep_until};

use crate::config::WebSocketOptions;

/// The pings of one connection.
///
/// While there is traffic nothing is sent (unless the configuration wants pings regardless); one timer serves the
/// interval and the answer, and it is only moved when it fires.
#[derive(Debug)]
pub struct Heartbeat {
    /// None: no pings.
    schedule: Option<Schedule>,
}

#[derive(Debug)]
struct Schedule {
    interval: Duration,
    patience: Duration,
    size: usize,
    any_traffic_counts: bool,
    /// When the interval began: at the last ping, or at the last traffic where that counts.
    restarted: Instant,
    awaited: Option<Bytes>,
    timer: Pin<Box<Sleep>>,
}

/// What is due.
#[derive(Debug, PartialEq, Eq)]
pub enum Beat {
    /// Send a ping with this payload.
    Ping(Bytes),
    /// The last ping was not answered in time.
    Dead,
}

impl Heartbeat {
    /// Starts with a full interval.
    pub fn new(options: &WebSocketOptions) -> Self {
        let schedule = options.auto_ping_interval.map(|interval| {
            let now = Instant::now();
            Schedule {
                interval,
                patience: options.auto_ping_timeout,
                size: options.auto_ping_size,
                any_traffic_counts: options.auto_ping_restart_on_any_traffic,
                restarted: now,
                awaited: None,
                timer: Box::pin(sleep_until(now + interval)),
            }
        });
        Self { schedule }
    }

    /// Something came from the peer.
    pub fn traffic(&mut self) {
        if let Some(schedule) = &mut self.schedule
            && schedule.any_traffic_counts
        {
            schedule.restarted = Instant::now();
            schedule.awaited = None;
        }
    }

    /// A pong came from the peer; one that answers no ping of ours is allowed and means nothing (RFC 6455, 5.5.3).
    pub fn pong(&mut self, payload: &[u8]) {
        if let Some(schedule) = &mut self.schedule
            && schedule.awaited.as_deref() == Some(payload)
        {
            schedule.awaited = None;
        }
    }

    /// Waits until something is due. Cancel-safe.
    pub async fn next(&mut self) -> Beat {
        let Some(schedule) = &mut self.schedule else { return std::future::pending().await };
        loop {
            schedule.timer.as_mut().await;
            if let Some(beat) = schedule.due(Instant::now()) {
                return beat;
            }
        }
    }
}

impl Schedule {
    /// The timer has fired: what is due now, after moving the timer to what may be due next.
    fn due(&mut self, now: Instant) -> Option<Beat> {
        if self.awaited.is_some() {
            return Some(Beat::Dead);
        }
        let next = self.restarted + self.interval;
        if next > now {
            self.timer.as_mut().reset(next);
            return None;
        }
        let mut payload = vec![0; self.size];
        rand::rng().fill_bytes(&mut payload);
        let payload = Bytes::from(payload);
        self.awaited = Some(payload.clone());
        self.timer.as_mut().reset(now + self.patience);
        self.restarted = now;
        Some(Beat::Ping(payload))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options(any_traffic: bool) -> WebSocketOptions {
        WebSocketOptions {
            auto_ping_interval: Some(Duration::from_secs(25)),
            auto_ping_timeout: Duration::from_secs(8),
            auto_ping_restart_on_any_traffic: any_traffic,
            ..WebSocketOptions::default()
        }
    }

    fn payload(beat: Beat) -> Bytes {
        match beat {
            Beat::Ping(payload) => payload,
            Beat::Dead => panic!("dead too early"),
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_silent_peer_is_pinged_and_then_given_up() {
        let start = Instant::now();
        let mut heartbeat = Heartbeat::new(&options(true));
        assert_eq!(payload(heartbeat.next().await).len(), 12);
        assert_eq!(start.elapsed().as_secs(), 25);
        assert_eq!(heartbeat.next().await, Beat::Dead);
        assert_eq!(start.elapsed().as_secs(), 33);
    }

    #[tokio::test(start_paused = true)]
    async fn a_matching_pong_keeps_the_connection() {
        let mut heartbeat = Heartbeat::new(&options(false));
        let first = payload(heartbeat.next().await);
        heartbeat.pong(b"something else");
        heartbeat.pong(&first);
        assert_ne!(payload(heartbeat.next().await), first, "each ping has a payload of its own");
        assert_eq!(heartbeat.next().await, Beat::Dead);
    }

    #[tokio::test(start_paused = true)]
    async fn traffic_puts_the_ping_off() {
        let start = Instant::now();
        let mut heartbeat = Heartbeat::new(&options(true));
        tokio::time::advance(Duration::from_secs(20)).await;
        heartbeat.traffic();
        payload(heartbeat.next().await);
        assert_eq!(start.elapsed().as_secs(), 45);
    }

    #[tokio::test(start_paused = true)]
    async fn a_wrong_pong_does_not_count() {
        let mut heartbeat = Heartbeat::new(&options(false));
        payload(heartbeat.next().await);
        heartbeat.traffic();
        heartbeat.pong(b"no");
        assert_eq!(heartbeat.next().await, Beat::Dead);
    }
}
