//! Guests that do what no guest should, each at a path of its own, and those who make them do it.

use std::{
    net::Ipv4Addr,
    sync::atomic::{AtomicU16, Ordering::Relaxed},
    thread,
    time::{Duration, Instant},
};

use serde_json::{Value, json};

use crate::{
    guests::{bytes, guest},
    support::{
        Client, Gateway, Handshake, Jar, Serializer, code,
        config::{With as _, untracked},
    },
};

/// The time that a guest has, unless a busy machine may keep it from doing what it is there for.
pub(crate) const DEADLINE: Duration = Duration::from_millis(20);

/// The time that all guests have then which end by themselves.
const PATIENT: Duration = Duration::from_secs(5);

/// What the operator is told about a guest that was stopped at its deadline.
const TOO_LATE: &str = "did not decide within";

/// Paths, the guests there, and what the operator is told about them.
const GUESTS: [(&str, &str, &str); 13] = [
    ("endless-loop", guest::ENDLESS_LOOP, TOO_LATE),
    ("memory-bomb", guest::MEMORY_BOMB, "bytes of memory"),
    ("table-bomb", guest::TABLE_BOMB, "bytes of memory"),
    ("recursion", guest::RECURSION, "call stack exhausted"),
    ("panic", guest::TRAP, "unreachable"),
    ("out-of-bounds", guest::OUT_OF_BOUNDS, "out of bounds memory access"),
    ("log-flood", guest::LOG_FLOOD, "too much data"),
    ("huge-line", guest::LOG_HUGE, "too much data"),
    ("huge-string", guest::HUGE_STRING, "too much data"),
    ("bad-utf8", guest::BAD_UTF8, "broke the contract"),
    ("bad-pointer", guest::BAD_POINTER, "broke the contract"),
    ("bad-case", guest::BAD_CASE, "broke the contract"),
    ("bad-answer", guest::BAD_ANSWER, "broke the contract"),
];

/// How long the refusals of one guest took, from HELLO to ABORT, sorted.
pub(crate) struct Refusals {
    pub(crate) guest: &'static str,
    pub(crate) times: Vec<Duration>,
}

/// The files of the guests, and the services at their paths.
pub(crate) fn services(patient: bool) -> impl Iterator<Item = (&'static str, Vec<u8>, Value)> {
    GUESTS.into_iter().map(move |(name, text, why)| {
        let deadline = if patient && why != TOO_LATE { PATIENT } else { DEADLINE };
        let deadline = format!("{}ms", deadline.as_millis());
        let policy = json!({ "component": format!("{name}.wasm"), "deadline": deadline });
        (name, bytes(text), untracked().with("policy", policy))
    })
}

/// So many attackers have every guest asked so many times, all together.
pub(crate) fn attack(gateway: &Gateway, attackers: usize, rounds: usize) -> Vec<Refusals> {
    let mut refusals: Vec<Refusals> =
        GUESTS.iter().map(|(guest, ..)| Refusals { guest, times: Vec::new() }).collect();
    thread::scope(|scope| {
        let attackers: Vec<_> = (0..attackers)
            .map(|attacker| {
                let rounds = (attacker..rounds).step_by(attackers);
                let round = |_| (0..GUESTS.len()).map(|guest| refused(gateway, guest)).collect();
                scope.spawn(move || rounds.map(round).collect())
            })
            .collect();
        for attacker in attackers {
            let rounds: Vec<Vec<Duration>> = attacker.join().unwrap();
            for times in rounds {
                refusals.iter_mut().zip(times).for_each(|(of_guest, time)| of_guest.times.push(time));
            }
        }
    });
    for of_guest in &mut refusals {
        of_guest.times.sort_unstable();
    }
    refusals
}

/// One client of a guest, refused; how long it took.
fn refused(gateway: &Gateway, guest: usize) -> Duration {
    // As an attacker with many addresses: one that runs into the deadline again and again is not asked about any more.
    static CLIENTS: AtomicU16 = AtomicU16::new(1);
    let [high, low] = CLIENTS.fetch_add(1, Relaxed).to_be_bytes();
    let (name, ..) = GUESTS[guest];
    let mut handshake = Handshake::default().path(&format!("/{name}"));
    handshake.source = Some(Ipv4Addr::new(127, 1, high, low).into());
    let mut client = Client::open_by(gateway, &mut Jar::default(), handshake, Serializer::Json, false);
    let begun = Instant::now();
    client.hello("realm1", json!({}));
    let answer = client.receive();
    let taken = begun.elapsed();
    assert_eq!((&answer[0], &answer[2]), (&json!(code::ABORT), &json!("wamp.error.authentication_failed")));
    taken
}

/// Every client was refused for what its guest has done, or, where a busy machine kept the guest from coming that far, at its
/// deadline.
pub(crate) fn assert_told(gateway: &Gateway, rounds: usize) {
    let output = gateway.output();
    for (name, _, why) in GUESTS {
        let file = format!("{name}.wasm");
        output.until(&file, 1);
        let text = output.text();
        let of_guest = text.lines().filter(|line| line.contains(&file));
        let failures: Vec<&str> = of_guest.filter(|line| line.contains("no decision: ")).collect();
        // The log tells some failures of a policy, and counts those that it leaves out.
        assert!((1..=rounds).contains(&failures.len()), "{name}: {} of {rounds}", failures.len());
        let (told, others): (Vec<&str>, Vec<&str>) = failures.iter().partition(|line| line.contains(why));
        assert!(!told.is_empty(), "{name}: {others:#?}");
        assert!(others.iter().all(|line| line.contains(TOO_LATE)), "{name}: {others:#?}");
    }
}
