//! Pings that find out whether a silent peer is still there.

use std::{pin::Pin, time::Duration};

use bytes::Bytes;
use rand::Rng;
use tokio::time::{Instant, Sleep, sleep_until};

use super::PingOptions;

/// The pings of one connection.
///
/// While there is traffic no ping is sent, unless the configuration wants pings in any case. One timer serves the
/// interval and the answer, and it is moved only when it fires.
#[derive(Debug, Default)]
pub(super) struct Heartbeat {
    /// None: no pings.
    schedule: Option<Schedule>,
}

#[derive(Debug)]
struct Schedule {
    /// When the interval began: at the last ping, or at the last traffic where that counts.
    restarted: Instant,
    /// The payload of the ping that has not been answered.
    awaited: Option<Bytes>,
    timer: Pin<Box<Sleep>>,
}

/// What is due.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Beat {
    /// Send a ping with this payload.
    Ping(Bytes),
    /// The last ping was not answered in time.
    Dead,
}

impl Heartbeat {
    /// Starts with a full interval.
    pub(super) fn new(options: &PingOptions) -> Self {
        let schedule = options.interval.map(|interval| {
            let now = Instant::now();
            Schedule { restarted: now, awaited: None, timer: Box::pin(sleep_until(now + interval)) }
        });
        Self { schedule }
    }

    /// Something came from the peer.
    pub(super) fn traffic(&mut self, options: &PingOptions) {
        if let Some(schedule) = &mut self.schedule
            && options.restart_on_any_traffic
        {
            schedule.traffic(Instant::now());
        }
    }

    /// A pong came from the peer; one that answers no ping of ours is allowed and means nothing (RFC 6455, 5.5.3).
    pub(super) fn pong(&mut self, payload: &[u8]) {
        if let Some(schedule) = &mut self.schedule
            && schedule.awaited.as_deref() == Some(payload)
        {
            schedule.awaited = None;
        }
    }

    /// Waits until something is due. Cancel-safe.
    pub(super) async fn next(&mut self, options: &PingOptions) -> Beat {
        let (Some(schedule), Some(interval)) = (&mut self.schedule, options.interval) else {
            return std::future::pending().await;
        };
        loop {
            schedule.timer.as_mut().await;
            if let Some(beat) = schedule.due(Instant::now(), interval, options) {
                return beat;
            }
        }
    }
}

impl Schedule {
    /// Traffic that counts: a full interval begins.
    fn traffic(&mut self, now: Instant) {
        self.restarted = now;
        self.awaited = None;
    }

    /// The timer has fired: what is due now, after moving the timer to what may be due next.
    fn due(&mut self, now: Instant, interval: Duration, options: &PingOptions) -> Option<Beat> {
        if self.awaited.is_some() {
            return Some(Beat::Dead);
        }
        let next = self.restarted + interval;
        if next > now {
            self.timer.as_mut().reset(next);
            return None;
        }
        let mut payload = vec![0; options.size];
        rand::rng().fill_bytes(&mut payload);
        let payload = Bytes::from(payload);
        self.awaited = Some(payload.clone());
        self.timer.as_mut().reset(now + options.timeout);
        self.restarted = now;
        Some(Beat::Ping(payload))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options(restart_on_any_traffic: bool) -> PingOptions {
        PingOptions {
            interval: Some(Duration::from_secs(25)),
            timeout: Duration::from_secs(8),
            size: 12,
            restart_on_any_traffic,
        }
    }

    fn payload(beat: Beat) -> Bytes {
        match beat {
            Beat::Ping(payload) => payload,
            Beat::Dead => panic!("dead too early"),
        }
    }

    fn schedule(heartbeat: &mut Heartbeat) -> &mut Schedule {
        heartbeat.schedule.as_mut().expect("pings")
    }

    /// What is due next, and when: the clock jumps to each moment that the timer waits for.
    fn next(heartbeat: &mut Heartbeat, options: &PingOptions) -> (Instant, Beat) {
        let schedule = schedule(heartbeat);
        loop {
            let now = schedule.timer.deadline();
            if let Some(beat) = schedule.due(now, options.interval.unwrap(), options) {
                return (now, beat);
            }
        }
    }

    #[tokio::test]
    async fn a_silent_peer_is_pinged_and_then_given_up() {
        let options = options(true);
        let mut heartbeat = Heartbeat::new(&options);
        let start = schedule(&mut heartbeat).restarted;
        let (pinged, ping) = next(&mut heartbeat, &options);
        assert_eq!(payload(ping).len(), 12);
        assert_eq!(pinged - start, Duration::from_secs(25));
        let (given_up, beat) = next(&mut heartbeat, &options);
        assert_eq!(beat, Beat::Dead);
        assert_eq!(given_up - start, Duration::from_secs(33));
    }

    #[tokio::test]
    async fn a_matching_pong_keeps_the_connection() {
        let options = options(false);
        let mut heartbeat = Heartbeat::new(&options);
        let first = payload(next(&mut heartbeat, &options).1);
        heartbeat.pong(b"something else");
        heartbeat.pong(&first);
        let second = payload(next(&mut heartbeat, &options).1);
        assert_ne!(second, first, "each ping has a payload of its own");
        assert_eq!(next(&mut heartbeat, &options).1, Beat::Dead);
    }

    #[tokio::test]
    async fn traffic_puts_the_ping_off() {
        let options = options(true);
        let mut heartbeat = Heartbeat::new(&options);
        let start = schedule(&mut heartbeat).restarted;
        schedule(&mut heartbeat).traffic(start + Duration::from_secs(20));
        let (pinged, ping) = next(&mut heartbeat, &options);
        payload(ping);
        assert_eq!(pinged - start, Duration::from_secs(45));
    }

    #[tokio::test]
    async fn a_wrong_pong_does_not_count() {
        let options = options(false);
        let mut heartbeat = Heartbeat::new(&options);
        payload(next(&mut heartbeat, &options).1);
        heartbeat.traffic(&options);
        heartbeat.pong(b"no");
        assert_eq!(next(&mut heartbeat, &options).1, Beat::Dead);
    }

    #[tokio::test]
    async fn the_timer_tells_what_is_due() {
        let soon = Duration::from_millis(1);
        let options = PingOptions { interval: Some(soon), timeout: soon, ..options(true) };
        let mut heartbeat = Heartbeat::new(&options);
        let start = schedule(&mut heartbeat).restarted;
        payload(heartbeat.next(&options).await);
        assert!(start.elapsed() >= soon);
        assert_eq!(heartbeat.next(&options).await, Beat::Dead);
        assert!(start.elapsed() >= 2 * soon);
    }
}
