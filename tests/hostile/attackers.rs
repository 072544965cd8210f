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

/// Answers what its configuration says, or misbehaves: `plugins/scripted`.
const SCRIPTED: &[u8] = include_bytes!("../component/scripted.wasm");

/// What an authenticator and an authorizer may have of memory, in bytes: so little that it is full before the deadline.
const MEMORY: u32 = 8 << 20;

/// The realm of the roles about which hostile authorizers decide.
const JUDGED: &str = "judged";

/// What a guest is asked about.
#[derive(Debug, Clone, Copy)]
enum Guest {
    /// Who a client is, as a policy of this text.
    Policy(&'static str),
    /// Whether a ticket is right, as an authenticator with this deed.
    Authenticator(&'static str),
    /// What a session may do, as an authorizer with this deed.
    Authorizer(&'static str),
}
use Guest::{Authenticator, Authorizer, Policy};

/// Paths, the guests there, and what the operator is told about them.
const GUESTS: [(&str, Guest, &str); 21] = [
    ("endless-loop", Policy(guest::ENDLESS_LOOP), TOO_LATE),
    ("memory-bomb", Policy(guest::MEMORY_BOMB), "bytes of memory"),
    ("table-bomb", Policy(guest::TABLE_BOMB), "bytes of memory"),
    ("recursion", Policy(guest::RECURSION), "call stack exhausted"),
    ("panic", Policy(guest::TRAP), "unreachable"),
    ("out-of-bounds", Policy(guest::OUT_OF_BOUNDS), "out of bounds memory access"),
    ("log-flood", Policy(guest::LOG_FLOOD), "too much data"),
    ("huge-line", Policy(guest::LOG_HUGE), "too much data"),
    ("huge-string", Policy(guest::HUGE_STRING), "too much data"),
    ("bad-utf8", Policy(guest::BAD_UTF8), "broke the contract"),
    ("bad-pointer", Policy(guest::BAD_POINTER), "broke the contract"),
    ("bad-case", Policy(guest::BAD_CASE), "broke the contract"),
    ("bad-answer", Policy(guest::BAD_ANSWER), "broke the contract"),
    ("authenticator-loop", Authenticator("loop"), TOO_LATE),
    ("authenticator-grow", Authenticator("grow"), "bytes of memory"),
    ("authenticator-trap", Authenticator("trap"), "unreachable"),
    ("authenticator-flood", Authenticator("flood"), "too much data"),
    ("authorizer-loop", Authorizer("loop"), TOO_LATE),
    ("authorizer-grow", Authorizer("grow"), "bytes of memory"),
    ("authorizer-trap", Authorizer("trap"), "unreachable"),
    ("authorizer-flood", Authorizer("flood"), "too much data"),
];

/// How long the refusals of one guest took, from the message about which it is asked to the answer, sorted.
pub(crate) struct Refusals {
    pub(crate) guest: &'static str,
    pub(crate) times: Vec<Duration>,
}

/// The files of the guests, and the services at their paths.
pub(crate) fn services(patient: bool) -> impl Iterator<Item = (&'static str, Vec<u8>, Value)> {
    GUESTS.into_iter().map(move |(name, guest, why)| {
        let component = component(name, guest, why, patient);
        match guest {
            Policy(text) => (name, bytes(text), untracked().with("policy", component)),
            Authenticator(_) => {
                let ticket = component.with("type", json!("component"));
                (name, SCRIPTED.to_vec(), untracked().with("auth", json!({ "ticket": ticket })))
            }
            Authorizer(_) => {
                let anonymous = json!({ "type": "static", "role": name });
                (name, SCRIPTED.to_vec(), untracked().with("auth", json!({ "anonymous": anonymous })))
            }
        }
    })
}

/// The realm whose roles the authorizers decide about, and the one of all others.
pub(crate) fn realms(patient: bool) -> Value {
    let roles = GUESTS.into_iter().filter(|(_, guest, _)| matches!(guest, Authorizer(_)));
    let roles: Vec<Value> = roles
        .map(|(name, guest, why)| json!({ "name": name, "authorizer": component(name, guest, why, patient) }))
        .collect();
    let anonymous = json!({ "name": "anonymous", "permissions": [] });
    json!([{ "name": "realm1", "roles": [anonymous] }, { "name": JUDGED, "roles": roles }])
}

/// What a configuration says about a guest.
fn component(name: &str, guest: Guest, why: &str, patient: bool) -> Value {
    let deadline = if patient && why != TOO_LATE { PATIENT } else { DEADLINE };
    let deadline = format!("{}ms", deadline.as_millis());
    let component = json!({ "component": format!("{name}.wasm"), "deadline": deadline });
    let scripted = |config: Value| component.clone().with("config", config).with("max_memory", json!(MEMORY));
    match guest {
        Policy(_) => component,
        Authenticator(deed) => scripted(json!({ "authenticate": deed })),
        Authorizer(deed) => scripted(json!({ "authorize": deed })),
    }
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
    let (name, guest, _) = GUESTS[guest];
    let mut handshake = Handshake::default().path(&format!("/{name}"));
    handshake.source = Some(Ipv4Addr::new(127, 1, high, low).into());
    let mut client = Client::open_by(gateway, &mut Jar::default(), handshake, Serializer::Json, false);
    let begun = match guest {
        Policy(_) => {
            let begun = Instant::now();
            client.hello("realm1", json!({}));
            begun
        }
        Authenticator(_) => {
            client.hello("realm1", json!({ "authmethods": ["ticket"], "authid": "joe" }));
            client.expect(code::CHALLENGE);
            let begun = Instant::now();
            client.send(&json!([code::AUTHENTICATE, "ticket", {}]));
            begun
        }
        Authorizer(_) => {
            client.join(JUDGED, json!({})).unwrap();
            let begun = Instant::now();
            client.request(code::SUBSCRIBE, &json!([{}, "com.example.topic"]));
            begun
        }
    };
    let answer = client.receive();
    let taken = begun.elapsed();
    let (kind, error, reason) = match guest {
        Policy(_) | Authenticator(_) => (code::ABORT, &answer[2], "wamp.error.authentication_failed"),
        Authorizer(_) => (code::ERROR, &answer[4], "wamp.error.authorization_failed"),
    };
    assert_eq!((&answer[0], error), (&json!(kind), &json!(reason)), "{name}: {answer}");
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
