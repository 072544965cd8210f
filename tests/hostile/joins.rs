//! Honest clients who come back and join, at a fixed rate.
//!
//! The rate is far below what the gateway can do: clients that go as fast as they can would only measure how many of them there
//! are. A join counts from the moment at which its client was to come, also when its previous join took too long: slow joins
//! hide no others.

use std::{
    net::Ipv4Addr,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    thread::{self, Scope},
    time::{Duration, Instant},
};

use crate::support::{Client, Gateway, Handshake, Jar, Serializer};

/// Clients, each with an address and a cookie of its own.
const CLIENTS: u16 = 16;

/// The paths at which they join, in turns.
pub(crate) const PATHS: [&str; 2] = ["ws", "reloaded"];

/// Clients that go on joining until this is dropped.
#[derive(Debug, Default)]
pub(crate) struct Joins(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    is_over: AtomicBool,
    /// How long the joins have taken since the last look.
    times: Mutex<Vec<Duration>>,
}

impl Joins {
    /// Lets the clients begin.
    pub(crate) fn start<'scope>(
        scope: &'scope Scope<'scope, '_>,
        gateway: &'scope Gateway,
        each_second: u16,
    ) -> Self {
        let joins = Self::default();
        let pause = Duration::from_secs(1) * u32::from(CLIENTS) / u32::from(each_second);
        for number in 0..CLIENTS {
            let shared = Arc::clone(&joins.0);
            let first = Instant::now() + pause * u32::from(number) / u32::from(CLIENTS);
            scope.spawn(move || shared.keep_joining(gateway, number, first, pause));
        }
        joins
    }

    /// How long the joins take while something is done, sorted; and what came of it.
    pub(crate) fn during<T>(&self, action: impl FnOnce() -> T) -> (Vec<Duration>, T) {
        self.0.take();
        let outcome = action();
        let mut times = self.0.take();
        times.sort_unstable();
        (times, outcome)
    }
}

impl Drop for Joins {
    fn drop(&mut self) {
        self.0.is_over.store(true, Relaxed);
    }
}

impl Shared {
    fn keep_joining(&self, gateway: &Gateway, number: u16, first: Instant, pause: Duration) {
        let [_, _, high, low] = (u32::from(number) + 0x100).to_be_bytes();
        let source = Ipv4Addr::new(127, 0, high, low);
        let (mut jars, mut due) = ([Jar::default(), Jar::default()], first);
        for turn in (0..PATHS.len()).cycle() {
            let now = Instant::now();
            let begun = if now < due {
                thread::sleep(due - now);
                Instant::now()
            } else {
                due
            };
            if self.is_over.load(Relaxed) {
                break;
            }
            let mut handshake = Handshake::default().path(&format!("/{}", PATHS[turn]));
            handshake.source = Some(source.into());
            let jar = &mut jars[turn];
            let mut client = Client::open_by(gateway, jar, handshake, Serializer::Json, false);
            let welcome = client.joins();
            self.times.lock().unwrap_or_else(PoisonError::into_inner).push(begun.elapsed());
            // The default policy's answer, and no other one.
            assert_eq!(welcome["authid"].as_str(), jar.id.as_deref());
            due += pause;
        }
    }

    fn take(&self) -> Vec<Duration> {
        std::mem::take(&mut self.times.lock().unwrap_or_else(PoisonError::into_inner))
    }
}
