//! What a publication costs where an authorizer decides about it, against one where permissions do.
//!
//! `cargo bench --bench authorizers` starts a gateway in which permissions decide about one role and `plugins/own-topics` about
//! another. A client of each publishes, with an acknowledgment, to one topic again and again, and then to ever new topics; the two
//! take turns, so that whatever else the machine does meets both. The bench prints the medians of the processor time that the gateway spends on
//! a publication, as the system counts it.
//!
//! It fails if an answer that is kept makes a publication take more than 1.1 times of what permissions do, or if one that is not
//! adds more than 12 µs.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "a bench reports to its terminal, and failing loudly is fine"
)]

#[path = "../tests/support/spent.rs"]
mod spent;
#[allow(dead_code, unused_imports, reason = "the tests need more of it")]
#[path = "../tests/support/lib.rs"]
mod support;

use std::{process::ExitCode, time::Duration};

use serde_json::json;

use self::{
    spent::{median, rounds, spent},
    support::{
        Client, Gateway, Jar, code,
        config::{With as _, everything, untracked, web_paths},
    },
};

const OWN_TOPICS: &[u8] = include_bytes!("../tests/component/own-topics.wasm");

/// How often each client has its turn.
const ROUNDS: usize = 100;

/// How many publications a turn has, and how many of them are under way at once.
const PUBLICATIONS: u32 = 500;
const AT_ONCE: u32 = 50;

/// How much more an answer that is kept may take than permissions.
const MOST_KEPT: f64 = 1.1;

/// How much an answer that is not kept may add, in microseconds.
const MOST_ASKED: f64 = 12.0;

/// A client of a role, what its publications take, and the next new topic.
struct Publisher {
    client: Client,
    same: Vec<Duration>,
    new: Vec<Duration>,
    next: u32,
}

impl Publisher {
    fn of(gateway: &Gateway, role: &str) -> Self {
        let mut client = Client::open_at(gateway, &mut Jar::default(), &format!("/{role}"));
        client.joins();
        Self { client, same: Vec::new(), new: Vec::new(), next: 0 }
    }

    /// One turn: to the same topic, and to new ones.
    fn turn(&mut self, gateway: &Gateway) {
        let same = self.publish(gateway, |_| "com.example.public.same".to_owned());
        self.same.push(same);
        let begin = self.next;
        self.next += PUBLICATIONS;
        let new = self.publish(gateway, |number| format!("com.example.public.{:08}", begin + number));
        self.new.push(new);
    }

    fn publish(&mut self, gateway: &Gateway, topic: impl Fn(u32) -> String) -> Duration {
        let before = spent(gateway.pid());
        for begin in (0..PUBLICATIONS).step_by(AT_ONCE as usize) {
            let publication = |number| json!([{ "acknowledge": true }, topic(number), ["a short text"]]);
            for number in begin..begin + AT_ONCE {
                self.client.request(code::PUBLISH, &publication(number));
            }
            for _ in 0..AT_ONCE {
                let answer = self.client.receive();
                assert_eq!(answer.get(0), Some(&json!(code::PUBLISHED)), "{answer}");
            }
        }
        spent(gateway.pid()).saturating_sub(before) / PUBLICATIONS
    }
}

fn gateway() -> Gateway {
    let allow = everything();
    let authorizer = json!({
        "component": "own-topics.wasm",
        "config": { "own": "com.example.user.", "shared": ["com.example.public."] },
        // The deadline is not what is measured.
        "deadline": "2s",
    });
    let roles = json!([
        { "name": "permissions", "permissions": [{ "uri": "com.example.public.", "match": "prefix", "allow": allow }] },
        { "name": "authorizer", "authorizer": authorizer },
    ]);
    let service =
        |role: &str| untracked().with("auth", json!({ "anonymous": { "type": "static", "role": role } }));
    let paths = json!({ "permissions": service("permissions"), "authorizer": service("authorizer") });
    let config = web_paths(&paths)
        .with("version", json!(2))
        .with("realms", json!([{ "name": "realm1", "roles": roles }]));
    Gateway::prepare(&config).file("own-topics.wasm", OWN_TOPICS).run()
}

fn main() -> ExitCode {
    let rounds = rounds(ROUNDS);
    let gateway = gateway();
    let mut publishers = ["permissions", "authorizer"].map(|role| Publisher::of(&gateway, role));
    for _ in 0..rounds {
        for publisher in &mut publishers {
            publisher.turn(&gateway);
        }
    }
    let [permissions, authorizer] =
        publishers.map(|publisher| (median(publisher.same), median(publisher.new)));
    println!(
        "permissions          {:6.2} µs to one topic, {:6.2} µs to new ones",
        permissions.0, permissions.1
    );
    println!(
        "an authorizer        {:6.2} µs to one topic, {:6.2} µs to new ones",
        authorizer.0, authorizer.1
    );
    let kept = authorizer.0 / permissions.0;
    let asked = authorizer.1 - permissions.1;
    println!("an answer that is kept: {kept:.2} times as much (at most {MOST_KEPT})");
    println!("an answer that is not:  {asked:.1} µs more (at most {MOST_ASKED})");
    let holds = kept <= MOST_KEPT && asked <= MOST_ASKED;
    if holds || rounds == 1 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
