//! What one decision of the default policy costs: store, fresh instance, call, drop, with all limits on.
//!
//! `native` copies the same request on the heap and drops it again, in the same run: the yardstick, because
//! it scales with the machine's state as the decisions do. `two-threads` is the time per decision of two
//! threads that share one engine.

#![allow(
    missing_docs,
    clippy::expect_used,
    reason = "a benchmark: criterion's macros, and failing loudly is fine"
)]

use std::{
    hint::black_box,
    thread,
    time::{Duration, Instant},
};

use criterion::{Criterion, criterion_group, criterion_main};
use wampgate::{
    policy::{
        ConnectionView, CookieView, EngineOptions, HelloView, JoinRequest, Policy, PolicyEngine,
        default_policy,
    },
    store::Authentication,
    time::Timestamp,
};

const HEADERS: [(&str, &str); 8] = [
    ("user-agent", "Mozilla/5.0 (X11; Linux x86_64; rv:143.0) Gecko/20100101 Firefox/143.0"),
    ("accept-language", "de-CH,de;q=0.8,en-US;q=0.5,en;q=0.3"),
    ("accept-encoding", "gzip, deflate, br, zstd"),
    ("cache-control", "no-cache"),
    ("sec-fetch-dest", "empty"),
    ("sec-fetch-mode", "websocket"),
    ("sec-fetch-site", "same-origin"),
    ("x-forwarded-for", "203.0.113.9, 198.51.100.7"),
];

fn authentication() -> Authentication {
    Authentication {
        authid: "joe".to_owned(),
        authrole: "frontend".to_owned(),
        authmethod: "ticket".to_owned(),
        authrealm: "realm1".to_owned(),
        authextra: "{}".to_owned(),
        at: Timestamp::from_millis(1_790_000_000_000),
        succession: None,
    }
}

fn request<'a>(authentication: &'a Authentication, headers: &'a [(&'a str, &'a str)]) -> JoinRequest<'a> {
    JoinRequest {
        connection: ConnectionView {
            id: "c-17",
            peer: "203.0.113.9:52100",
            tls: true,
            host: "chat.example.org",
            path: "/ws",
            origin: Some("https://chat.example.org"),
            subprotocol: "wamp.2.json",
            headers,
        },
        cookie: Some(CookieView {
            id: "abcdefABCDEF-_0123456789",
            public_id: "pub-5f3a91c2d4e6",
            is_new: false,
            created: 1_789_999_000_000,
            last_seen: 1_790_000_000_000,
            max_age: 86_400,
            connections: 1,
            authentication: Some(authentication),
        }),
        hello: Some(HelloView {
            realm: Some("realm1"),
            authmethods: &["anonymous"],
            authid: None,
            authrole: None,
            authextra: "{}",
        }),
        methods: &[],
        roles: &["anonymous", "frontend"],
        now: 1_790_000_000_500,
    }
}

/// The request's texts on the heap, as a plugin in the same process would take them.
fn native(request: &JoinRequest<'_>) -> (Vec<String>, Vec<(String, String)>) {
    let connection = &request.connection;
    let mut texts: Vec<String> =
        [connection.id, connection.peer, connection.host, connection.path, connection.subprotocol]
            .map(str::to_owned)
            .into();
    texts.extend(connection.origin.map(str::to_owned));
    if let Some(cookie) = &request.cookie {
        texts.extend([cookie.id, cookie.public_id].map(str::to_owned));
        if let Some(was) = cookie.authentication {
            texts.extend(
                [&was.authid, &was.authrole, &was.authmethod, &was.authrealm, &was.authextra]
                    .map(Clone::clone),
            );
        }
    }
    if let Some(hello) = &request.hello {
        texts.extend(hello.realm.map(str::to_owned));
        texts.extend(hello.authmethods.iter().map(|method| (*method).to_owned()));
        texts.push(hello.authextra.to_owned());
    }
    let headers = connection.headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    (texts, headers.collect())
}

fn decision(criterion: &mut Criterion) {
    let options = EngineOptions { cache: None, ..EngineOptions::default() };
    let engine = PolicyEngine::new(&options).expect("an engine");
    let policy = default_policy(&engine).expect("the default policy");
    let authentication = authentication();
    let full = request(&authentication, &HEADERS);
    let decide = |request: &JoinRequest<'_>| policy.decide(black_box(request)).expect("a decision");

    let mut group = criterion.benchmark_group("decision");
    group.bench_function("native", |bench| bench.iter(|| native(black_box(&full))));
    group.bench_function("8-headers", |bench| bench.iter(|| decide(&full)));
    let no_headers = request(&authentication, &[]);
    group.bench_function("no-headers", |bench| bench.iter(|| decide(&no_headers)));
    group.bench_function("two-threads", |bench| {
        bench.iter_custom(|rounds| {
            let each = rounds.div_ceil(2);
            let begun = Instant::now();
            thread::scope(|scope| {
                for _ in 0..2 {
                    scope.spawn(|| (0..each).for_each(|_| drop(decide(&full))));
                }
            });
            begun.elapsed()
        });
    });
    group.finish();
}

criterion_group! {
    name = benches;
    config = Criterion::default().measurement_time(Duration::from_secs(5)).warm_up_time(Duration::from_secs(1));
    targets = decision
}
criterion_main!(benches);
