//! What a join costs by a principal that lives elsewhere, against one by a ticket that stands in the configuration.
//!
//! `cargo bench --bench joins` starts a gateway with three services: tickets in the configuration, tickets that `plugins/invitation`
//! knows, and tokens (JWT) that ES256 has signed. Clients that have opened their connection join each in turn, a few of the one and a
//! few of the other, so that whatever else the machine does meets all of them. The bench prints the medians of
//!
//! - *core*: the processor time that the gateway spends on a join, from HELLO to WELCOME, as the system counts it;
//! - *client*: how long the client waits for WELCOME. It holds two round trips over loopback;
//! - the time in which `ring`, which verifies tokens in the gateway, verifies the same token alone, key and signature read.
//!
//! It fails if a token takes more than 1.1 times of a join by a configured ticket and a verification together, or if a component's answer
//! takes more than 1.25 times of a join by a configured ticket.

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

use std::{
    hint::black_box,
    process::ExitCode,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD};
use ring::{
    rand::SystemRandom,
    signature::{self, EcdsaKeyPair, KeyPair as _, UnparsedPublicKey},
};
use serde_json::{Value, json};

use self::{
    spent::{median, rounds, spent},
    support::{
        Client, Gateway, Jar,
        config::{TICKET, With as _, ticket_auth, untracked, web_paths},
    },
};

const INVITATION: &[u8] = include_bytes!("../tests/component/invitation.wasm");

/// The paths of the services.
const SERVICES: [&str; 3] = ["static", "component", "jwt"];

/// How often each service has its turn.
const ROUNDS: usize = 200;

/// How many clients join in a turn.
const CLIENTS: u32 = 50;

/// How much more a token may take than a join by a configured ticket and a verification.
const MOST_BY_TOKEN: f64 = 1.1;

/// How much more a component may take than the configuration.
const MOST_BY_COMPONENT: f64 = 1.25;

/// A token, and what verifies it.
struct Token {
    text: String,
    signed: String,
    signature: Vec<u8>,
    key: Vec<u8>,
}

impl Token {
    /// Joe's, for a day.
    fn new() -> Self {
        let random = SystemRandom::new();
        let algorithm = &signature::ECDSA_P256_SHA256_FIXED_SIGNING;
        let pair = EcdsaKeyPair::generate_pkcs8(algorithm, &random).unwrap();
        let pair = EcdsaKeyPair::from_pkcs8(algorithm, pair.as_ref(), &random).unwrap();
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
        let part = |value: Value| BASE64_URL_SAFE_NO_PAD.encode(value.to_string());
        let header = part(json!({ "alg": "ES256", "typ": "JWT", "kid": "one" }));
        let claims = part(json!({
            "iss": "https://issuer.example", "sub": "joe", "role": "frontend", "aud": "chat", "iat": now, "exp": now + 86400,
        }));
        let signed = format!("{header}.{claims}");
        let signature = pair.sign(&random, signed.as_bytes()).unwrap().as_ref().to_vec();
        let text = format!("{signed}.{}", BASE64_URL_SAFE_NO_PAD.encode(&signature));
        Self { text, signed, signature, key: pair.public_key().as_ref().to_vec() }
    }

    /// The key's file.
    fn jwks(&self) -> String {
        let coordinate = |bytes: &[u8]| BASE64_URL_SAFE_NO_PAD.encode(bytes);
        let (x, y) = (coordinate(&self.key[1..33]), coordinate(&self.key[33..]));
        let key = json!({ "kty": "EC", "crv": "P-256", "kid": "one", "alg": "ES256", "use": "sig", "x": x, "y": y });
        json!({ "keys": [key] }).to_string()
    }

    /// How long the crate takes to verify it.
    fn verify(&self) -> Duration {
        let begun = Instant::now();
        let key = UnparsedPublicKey::new(&signature::ECDSA_P256_SHA256_FIXED, black_box(&self.key));
        let verified = key.verify(black_box(self.signed.as_bytes()), black_box(&self.signature));
        let taken = begun.elapsed();
        verified.unwrap();
        taken
    }
}

fn gateway(token: &Token) -> Gateway {
    let service = |ticket: Value| untracked().with("auth", json!({ "ticket": ticket }));
    let gateway = Gateway::prepare(&web_paths(&json!({
        "static": service(ticket_auth()["ticket"].clone()),
        "component": service(json!({
            "type": "component",
            "component": "invitation.wasm",
            "config": { "invited": { "joe": { "role": "frontend", "invitation": TICKET } } },
            // The deadline is not what is measured.
            "deadline": "2s",
        })),
        "jwt": service(json!({
            "type": "jwt", "keys": { "file": "jwks.json" }, "algorithms": ["ES256"],
            "issuer": "https://issuer.example", "audience": "chat",
        })),
    })));
    gateway.file("invitation.wasm", INVITATION).file("jwks.json", token.jwks()).run()
}

/// What joins took.
#[derive(Default)]
struct Times {
    core: Vec<Duration>,
    client: Vec<Duration>,
}

impl Times {
    /// Lets clients of one service join.
    fn turn(&mut self, gateway: &Gateway, service: &str, ticket: &str) {
        let path = format!("/{service}");
        let open = |_| Client::open_at(gateway, &mut Jar::default(), &path);
        let mut clients: Vec<Client> = (0..CLIENTS).map(open).collect();
        let before = spent(gateway.pid());
        for client in &mut clients {
            let begun = Instant::now();
            client.join_by_ticket("joe", ticket).expect("the right ticket");
            self.client.push(begun.elapsed());
        }
        self.core.push(spent(gateway.pid()).saturating_sub(before) / CLIENTS);
    }

    /// The medians in microseconds: of the core, and of the client.
    fn medians(self) -> (f64, f64) {
        (median(self.core), median(self.client))
    }
}

fn main() -> ExitCode {
    let rounds = rounds(ROUNDS);
    let token = Token::new();
    let gateway = gateway(&token);
    let tickets = [TICKET, TICKET, token.text.as_str()];
    let mut joins = <[Times; SERVICES.len()]>::default();
    let mut verifications = Vec::new();
    for round in 0..=rounds {
        for ((times, service), ticket) in joins.iter_mut().zip(SERVICES).zip(tickets) {
            times.turn(&gateway, service, ticket);
        }
        verifications.extend((0..CLIENTS).map(|_| token.verify()));
        if round == 0 {
            // What happens once is not what is measured.
            joins = Default::default();
            verifications.clear();
        }
    }
    let [configured, component, jwt] = joins.map(Times::medians);
    let verification = median(verifications);
    let told = |(core, client): (f64, f64)| format!("core {core:5.1} µs, client {client:5.1} µs");
    println!("a ticket of the configuration   {}", told(configured));
    println!("a ticket that a component knows {}", told(component));
    println!("a token by ES256                {}", told(jwt));
    println!("the verification alone          core {verification:5.1} µs");
    let by_component = component.0 / configured.0;
    let by_token = jwt.0 / (configured.0 + verification);
    println!(
        "component / configuration: core {by_component:.2} (at most {MOST_BY_COMPONENT}), client {:.2}",
        component.1 / configured.1
    );
    println!(
        "token / (configuration + verification): core {by_token:.2} (at most {MOST_BY_TOKEN}), client {:.2}",
        jwt.1 / (configured.1 + verification)
    );
    let holds = by_component <= MOST_BY_COMPONENT && by_token <= MOST_BY_TOKEN;
    if holds || rounds == 1 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
