//! A WebSocket that goes through the gateway: frames pass both ways as they come, and each side learns how the other one has ended.
//!
//! | what happens | the client gets | the upstream gets |
//! |---|---|---|
//! | a side closes | the upstream's close frame, as it is | the client's close frame, as it is |
//! | the client vanishes | | 1001 |
//! | the upstream vanishes | 1012; the code of its own close frame if it has sent one | |
//! | the client sends what is no frame | what the upstream answers, or 1002 | 1002 |
//! | the upstream sends what is no frame | 1014 | 1002 |
//! | a side takes nothing for a while | 1013 | 1013 |
//! | the gateway ends it | as it says | as it says |
//!
//! A close frame of the gateway's own stands between two frames. If a side vanishes within a frame there is no such place, and the other
//! side's connection just ends.

use std::{
    future::poll_fn,
    pin::{Pin, pin},
    task::{Context, Poll},
    time::Duration,
};

use tokio::{
    io::{AsyncRead, AsyncWrite},
    time::{Instant, sleep},
};

use super::{
    end::{End, Side, Stop, code},
    flow::{Event, Flow},
    frame::{self, Scanner},
    metrics::Tally,
};

/// How long a close that one side has begun may take the other one.
const CLOSING: Duration = Duration::from_secs(10);

/// How long a close may take that the gateway has begun, and how long a side may take to hang up once all is said.
const LINGER: Duration = Duration::from_secs(1);

/// A WebSocket that goes through the gateway.
#[derive(Debug)]
pub struct Relay<C, U> {
    client: C,
    upstream: U,
    /// From the client to the upstream.
    up: Flow,
    /// From the upstream to the client.
    down: Flow,
    /// How often the relay looks whether the sides are there.
    interval: Duration,
    tally: Tally,
    end: Option<End>,
    /// Whether each flow had something waiting when the relay looked last.
    was_waiting: [bool; 2],
    /// Whether the client has a ping to answer.
    has_pinged: bool,
    /// Whether each socket was told that nothing more comes.
    is_finished: [bool; 2],
    /// When the clock is to ring next, where that is not an interval after it has rung.
    due: Option<Instant>,
}

/// What the sides have sent behind their handshakes, and what these have agreed on.
#[derive(Debug, Default)]
pub struct Beginning<'a> {
    /// What the client has sent already.
    pub client: &'a [u8],
    /// What the upstream has sent already.
    pub upstream: &'a [u8],
    /// Whether there are extensions.
    pub has_extensions: bool,
}

enum Turn {
    Over,
    Stop(Stop),
    Clock,
}

impl<C, U> Relay<C, U>
where
    C: AsyncRead + AsyncWrite + Unpin,
    U: AsyncRead + AsyncWrite + Unpin,
{
    /// A relay between two streams on which the handshakes are over.
    pub fn new(client: C, upstream: U, beginning: &Beginning<'_>, interval: Duration, tally: Tally) -> Self {
        let Beginning { client: early_client, upstream: early_upstream, has_extensions } = *beginning;
        let mut relay = Self {
            client,
            upstream,
            up: Flow::new(Scanner::new(true, has_extensions), early_client),
            down: Flow::new(Scanner::new(false, has_extensions), early_upstream),
            interval,
            tally,
            end: None,
            was_waiting: [false; 2],
            has_pinged: false,
            is_finished: [false; 2],
            due: None,
        };
        if let Some(event) = relay.up.begin() {
            relay.react(Side::Client, event);
        }
        if let Some(event) = relay.down.begin() {
            relay.react(Side::Upstream, event);
        }
        relay
    }

    /// Passes on what comes until both sides have ended, and gives the client's stream back. `stop` is when the gateway ends it.
    pub async fn run(mut self, stop: impl Future<Output = Stop>) -> (End, C) {
        let mut stop = pin!(stop);
        let mut is_stopped = false;
        let mut clock = pin!(sleep(self.interval));
        loop {
            let turn = poll_fn(|cx| {
                let over = self.poll(cx);
                self.tally.count(&mut self.up.read, &mut self.down.read);
                if over.is_ready() {
                    return Poll::Ready(Turn::Over);
                }
                if !is_stopped && let Poll::Ready(why) = stop.as_mut().poll(cx) {
                    return Poll::Ready(Turn::Stop(why));
                }
                if let Some(due) = self.due.take() {
                    clock.as_mut().reset(due);
                }
                clock.as_mut().poll(cx).map(|()| Turn::Clock)
            });
            match turn.await {
                Turn::Over => break,
                Turn::Stop(why) => {
                    is_stopped = true;
                    self.stop(why);
                }
                Turn::Clock if self.end.is_some() => {
                    if !self.give_up() {
                        break;
                    }
                }
                Turn::Clock => {
                    self.look();
                    self.due.get_or_insert_with(|| Instant::now() + self.interval);
                }
            }
        }
        // A relay does not end without a reason.
        let end = self.end.unwrap_or(End::Lost(Side::Client));
        self.tally.ended(&end);
        (end, self.client)
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        loop {
            let up = self.up.poll(cx, &mut self.client, &mut self.upstream);
            if let Poll::Ready(event) = up {
                self.react(Side::Client, event);
            }
            let down = self.down.poll(cx, &mut self.upstream, &mut self.client);
            if let Poll::Ready(event) = down {
                self.react(Side::Upstream, event);
            }
            if up.is_pending() && down.is_pending() {
                return if self.end.is_some() { self.poll_finish(cx) } else { Poll::Pending };
            }
        }
    }

    /// Tells each side that nothing more comes, and waits for both to hang up.
    fn poll_finish(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let [client, upstream] = &mut self.is_finished;
        if self.down.is_done() && !*client {
            *client = Pin::new(&mut self.client).poll_shutdown(cx).is_ready();
        }
        if self.up.is_done() && !*upstream {
            *upstream = Pin::new(&mut self.upstream).poll_shutdown(cx).is_ready();
        }
        let client_is_gone = self.up.is_ended || self.down.is_broken;
        let upstream_is_gone = self.down.is_ended || self.up.is_broken;
        if *client && *upstream && client_is_gone && upstream_is_gone {
            Poll::Ready(())
        } else {
            Poll::Pending
        }
    }

    fn react(&mut self, side: Side, event: Event) {
        match (side, event) {
            (side, Event::Close) => {
                let flow = if side == Side::Client { &self.up } else { &self.down };
                let code = flow.close_code;
                let patience = if self.up.is_shut && self.down.is_shut { LINGER } else { CLOSING };
                self.ends(End::Closed(side, code), patience);
            }
            (Side::Client, Event::Ended) => {
                self.ends(End::Lost(Side::Client), LINGER);
                self.up.end_with(close_for_upstream(code::AWAY));
                if !self.up.is_shut {
                    self.up.breaks();
                }
                // A client that has closed may still wait for the answer.
                if !self.up.has_closed {
                    self.down.breaks();
                }
            }
            (Side::Upstream, Event::Ended) => {
                let code = self.up.close_code.unwrap_or(code::RESTART);
                self.ends(End::Lost(Side::Upstream), LINGER);
                self.down.end_with(frame::close(code, "", None));
                if !self.down.is_shut {
                    self.down.breaks();
                }
                self.up.breaks();
            }
            (Side::Client, Event::Fault(fault)) => {
                // The upstream says what it has to say, and closes.
                self.ends(End::Broken(Side::Client, fault), LINGER);
                self.up.end_with(close_for_upstream(code::PROTOCOL));
            }
            (Side::Upstream, Event::Fault(fault)) => {
                self.ends(End::Broken(Side::Upstream, fault), LINGER);
                self.down.end_with(frame::close(code::BAD_GATEWAY, "", None));
                self.up.end_with(close_for_upstream(code::PROTOCOL));
            }
            (Side::Client, Event::Broken) => self.ends(End::Lost(Side::Upstream), LINGER),
            (Side::Upstream, Event::Broken) => self.ends(End::Lost(Side::Client), LINGER),
            (_, Event::Memory) => {
                self.ends(End::Memory, LINGER);
                self.part(code::AGAIN, "", code::AGAIN);
            }
        }
    }

    /// Notes how the relay ends, the first time, and for how long the end may last.
    fn ends(&mut self, end: End, patience: Duration) {
        let due = Instant::now() + patience;
        self.due = Some(due);
        self.end.get_or_insert(end);
    }

    fn part(&mut self, client: u16, reason: &str, upstream: u16) {
        self.down.end_with(frame::close(client, reason, None));
        self.up.end_with(close_for_upstream(upstream));
    }

    fn stop(&mut self, why: Stop) {
        self.part(why.client, &why.reason, why.upstream);
        self.ends(End::Stopped(why), LINGER);
    }

    /// The sides had time enough. Whether to wait once more: a client that waits for an answer gets one.
    fn give_up(&mut self) -> bool {
        let is_owed = !self.down.is_shut && self.down.is_between_frames() && !self.down.is_broken;
        if is_owed {
            let code = match &self.end {
                Some(End::Closed(Side::Client, code)) => code.unwrap_or(code::AWAY),
                Some(End::Broken(Side::Client, _)) => code::PROTOCOL,
                _ => code::RESTART,
            };
            self.down.end_with(frame::close(code, "", None));
            self.due = Some(Instant::now() + LINGER);
        }
        is_owed
    }

    /// Looks whether the sides are still there.
    fn look(&mut self) {
        let is_waiting = [self.up.is_waiting(), self.down.is_waiting()];
        let [was_waiting_up, was_waiting_down] = std::mem::replace(&mut self.was_waiting, is_waiting);
        let [is_waiting_up, is_waiting_down] = is_waiting;
        let written = [&mut self.up, &mut self.down].map(|flow| std::mem::take(&mut flow.has_written));
        let read = [&mut self.up, &mut self.down].map(|flow| std::mem::take(&mut flow.has_read));
        if is_waiting_up && was_waiting_up && !written[0] {
            self.ends(End::Stuck(Side::Upstream), LINGER);
            self.up.breaks();
            self.down.end_with(frame::close(code::AGAIN, "", None));
        } else if is_waiting_down && was_waiting_down && !written[1] {
            self.ends(End::Stuck(Side::Client), LINGER);
            self.down.breaks();
            self.up.end_with(close_for_upstream(code::AGAIN));
        } else if read[0] {
            self.has_pinged = false;
        } else if self.has_pinged {
            self.ends(End::Silent, LINGER);
            self.down.breaks();
            self.up.end_with(close_for_upstream(code::AWAY));
        } else if !read[1] {
            let payload = rand::random::<[u8; 8]>();
            if self.down.ping(payload) {
                self.up.expect(payload);
                self.has_pinged = true;
            }
        }
    }
}

/// A close frame as a client sends it.
fn close_for_upstream(code: u16) -> Vec<u8> {
    frame::close(code, "", Some(rand::random()))
}

#[cfg(test)]
mod tests;
