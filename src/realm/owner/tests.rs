mod logouts;
mod standing;

use std::{
    sync::{Mutex, atomic::Ordering},
    task::Poll,
    time::Duration,
};

use futures_util::poll;

use super::*;
use crate::{
    identity::{Identity, Standing, Standings},
    metrics::Registry,
    realm::{
        Attachment, Permission, Realm, RealmClosed, RealmMetrics, RealmOptions, RoleOptions, Roles,
        SessionLimits, TooManyLogouts,
        logout::Logout,
        member::Member,
        router::testing::{call, identity, publish, register, rule, subscribe, uri, yields},
    },
    wamp::{
        ClientFeatures, Payload, Serializer, SessionId,
        message::{CallOptions, PublishOptions},
        pattern::UriMatch,
    },
    wire::{CloseCode, Closing, Complaint, Outbox, Taken},
};

const PLENTY: usize = 1 << 20;

fn start(options: RealmOptions) -> Realm {
    Realm::start(options, None, &RealmMetrics::default())
}

impl Realm {
    /// How many sessions are attached, as of the owner's latest turn.
    fn sessions(&self) -> usize {
        self.inbox.gate.sessions.load(Ordering::Relaxed)
    }
}

/// What realms go by here.
fn options() -> RealmOptions {
    RealmOptions {
        name: uri("realm1"),
        roles: Roles::Open,
        per_session: SessionLimits::default(),
        histories: Vec::new(),
    }
}

fn realm() -> Realm {
    start(options())
}

/// A session in the realm and what comes out of it.
struct Client {
    attachment: Attachment,
    outbox: Arc<Outbox>,
}

impl Client {
    async fn join(realm: &Realm, session: u64, limit: usize) -> Self {
        let outbox = Arc::new(Outbox::new(Serializer::Json, limit));
        let attachment = realm
            .attach(
                SessionId(session),
                identity(session),
                Arc::clone(&outbox),
                crate::realm::Client::default(),
            )
            .await
            .unwrap();
        Self { attachment, outbox }
    }

    async fn send(&self, message: ClientMessage) {
        send(&self.attachment, message).await.unwrap();
    }

    /// Waits for so many frames.
    async fn receive(&self, count: usize) {
        receive(&self.outbox, count).await;
    }
}

/// Alice, and Bob, who has sent a message and has its answer.
async fn alice_and_bob(realm: &Realm, message: ClientMessage) -> (Client, Client) {
    let (alice, bob) = (Client::join(realm, 1, PLENTY).await, Client::join(realm, 2, PLENTY).await);
    bob.send(message).await;
    bob.receive(1).await;
    (alice, bob)
}

async fn send(attachment: &Attachment, message: ClientMessage) -> Result<(), RealmClosed> {
    attachment.room(&message).await?.send(message)
}

/// Sends a message that finds the inbox full, and does not wait until there is room.
async fn gives_up_sending(client: &Client, message: ClientMessage) {
    let sending = std::pin::pin!(send(&client.attachment, message));
    assert!(poll!(sending).is_pending(), "senders wait");
}

async fn receive(outbox: &Outbox, count: usize) {
    let mut frames = Vec::new();
    while frames.len() < count {
        let taken = soon(outbox.take(&mut frames, PLENTY)).await;
        assert_eq!(taken, Taken::Frames, "closed after {} frames of {count}", frames.len());
    }
    assert_eq!(frames.len(), count);
}

async fn closing(outbox: &Outbox) -> Closing {
    let mut frames = Vec::new();
    loop {
        if let Taken::Closing(how) = soon(outbox.take(&mut frames, PLENTY)).await {
            return how;
        }
    }
}

/// Fails instead of hanging.
async fn soon<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_mins(1), future).await.expect("nothing happened for a minute")
}

/// Lets the owner finish what is in its inbox now: a session's answer comes after everything before it.
async fn settle(realm: &Realm) {
    let client = Client::join(realm, u64::MAX, PLENTY).await;
    client.send(subscribe(1, "com.settled")).await;
    client.receive(1).await;
    drop(client);
}

fn event(topic: &str) -> ClientMessage {
    publish(1, topic, PublishOptions::default())
}

#[tokio::test]
async fn sessions_meet_in_the_realm() {
    let realm = realm();
    let (alice, bob) = (Client::join(&realm, 1, PLENTY).await, Client::join(&realm, 2, PLENTY).await);
    bob.send(subscribe(1, "com.t")).await;
    bob.send(register(2, "com.p")).await;
    bob.receive(2).await;
    alice.send(event("com.t")).await;
    alice.send(call(1, "com.p")).await;
    bob.receive(2).await;
    bob.send(yields(1)).await;
    alice.receive(1).await;
    assert_eq!(realm.sessions(), 2);
}

#[tokio::test]
async fn has_role_is_answered_by_the_configuration() {
    assert!(realm().rules().has_role("anything"));
    let listed = start(RealmOptions {
        name: uri("realm1"),
        roles: Roles::Listed(vec![]),
        per_session: SessionLimits::default(),
        histories: Vec::new(),
    });
    assert!(!listed.rules().has_role("anything"));
}

#[tokio::test]
async fn attaching_waits_for_no_answer() {
    let realm = realm();
    let outbox = Arc::new(Outbox::new(Serializer::Json, PLENTY));
    let attaching =
        std::pin::pin!(realm.attach(SessionId(1), identity(1), outbox, crate::realm::Client::default()));
    // The runtime has one thread, so the owner has not had a turn yet.
    assert!(matches!(poll!(attaching), Poll::Ready(Ok(_))));
}

#[tokio::test]
async fn dropping_the_attachment_leaves_the_realm_after_what_was_sent() {
    let realm = realm();
    let bob = Client::join(&realm, 2, PLENTY).await;
    bob.send(subscribe(1, "com.t")).await;
    bob.receive(1).await;
    let alice = Client::join(&realm, 1, PLENTY).await;
    for _ in 0..100 {
        alice.send(event("com.t")).await;
    }
    drop(alice);
    bob.receive(100).await;
    settle(&realm).await;
    assert!(realm.sessions() <= 2, "bob, and the session that has just asked");
    let again = Client::join(&realm, 1, PLENTY).await;
    again.send(subscribe(1, "com.t")).await;
    again.receive(1).await;
}

#[tokio::test]
async fn leaving_works_while_the_inbox_is_full() {
    let realm = realm();
    let (alice, bob) = alice_and_bob(&realm, register(1, "com.p")).await;
    alice.send(call(1, "com.p")).await;
    bob.receive(1).await;

    let full = soon(realm.inbox.fill()).await;
    gives_up_sending(&alice, event("com.t")).await;
    drop(bob);
    alice.receive(1).await;
    assert_eq!(realm.sessions(), 1, "the canceled call came after bob had left");
    drop(full);
    alice.send(subscribe(2, "com.t")).await;
    alice.receive(1).await;
}

#[tokio::test]
async fn sender_that_gives_up_waiting_has_sent_nothing() {
    let realm = realm();
    let (alice, bob) = alice_and_bob(&realm, subscribe(1, "com.t")).await;
    let full = soon(realm.inbox.fill()).await;
    gives_up_sending(&alice, event("com.t")).await;
    drop(full);
    alice.send(event("com.t")).await;
    bob.receive(1).await;
    settle(&realm).await;
    let mut frames = Vec::new();
    let mut taking = std::pin::pin!(bob.outbox.take(&mut frames, PLENTY));
    assert!(poll!(taking.as_mut()).is_pending(), "one event only");
}

#[tokio::test]
async fn inbox_gives_its_slots_back_however_many_messages_pass() {
    let realm = realm();
    let (alice, bob) = (Client::join(&realm, 1, PLENTY).await, Client::join(&realm, 2, 1 << 30).await);
    bob.send(subscribe(1, "com.t")).await;
    let flood = async {
        for _ in 0..20_000 {
            alice.send(event("com.t")).await;
        }
    };
    soon(async { tokio::join!(flood, bob.receive(20_001)) }).await;
    drop(soon(realm.inbox.fill()).await);
}

#[tokio::test]
async fn slow_reader_is_given_up_and_the_others_are_served() {
    let realm = realm();
    let (alice, bob) = (Client::join(&realm, 1, PLENTY).await, Client::join(&realm, 2, PLENTY).await);
    let slow = Client::join(&realm, 3, 1).await;
    for client in [&bob, &slow] {
        client.send(subscribe(1, "com.t")).await;
    }
    bob.receive(1).await;
    for _ in 0..10 {
        alice.send(event("com.t")).await;
    }
    bob.receive(10).await;
    soon(slow.outbox.overflowed()).await;
    assert_eq!(closing(&slow.outbox).await, Closing::Overflow);
}

#[tokio::test]
async fn second_session_with_the_same_identifier_is_refused_and_the_first_does_not_notice() {
    let realm = realm();
    let first = Client::join(&realm, 1, PLENTY).await;
    first.send(subscribe(1, "com.t")).await;
    first.receive(1).await;
    let second = Client::join(&realm, 1, PLENTY).await;
    second.send(subscribe(1, "com.u")).await;
    assert_eq!(closing(&second.outbox).await, Closing::Complaint(Complaint::Taken));
    drop(second);
    let alice = Client::join(&realm, 2, PLENTY).await;
    alice.send(event("com.u")).await;
    alice.send(event("com.t")).await;
    first.receive(1).await;
    assert_eq!(realm.sessions(), 2);
}

#[tokio::test]
async fn protocol_violation_aborts_the_session_and_disposes_of_what_it_has() {
    let realm = realm();
    let (alice, bob) = alice_and_bob(&realm, register(1, "com.p")).await;
    alice.send(call(1, "com.p")).await;
    bob.receive(1).await;
    bob.send(yields(99)).await;
    bob.send(yields(1)).await;
    bob.receive(1).await;
    let complaint = Complaint::Violation("an answer to an invocation that was never sent");
    assert_eq!(closing(&bob.outbox).await, Closing::Complaint(complaint), "the operator hears of it");
    alice.receive(1).await;
    assert_eq!(realm.sessions(), 1);
    settle(&realm).await;
    let mut frames = Vec::new();
    assert!(poll!(std::pin::pin!(alice.outbox.take(&mut frames, PLENTY))).is_pending(), "one answer only");
}

#[tokio::test]
async fn meta_procedure_refuses_a_progressive_call_once() {
    let realm = realm();
    let outbox = Arc::new(Outbox::new(Serializer::Json, PLENTY));
    let features = ClientFeatures::default().and(ClientFeatures::CALLER_PROGRESSIVE_INVOCATIONS);
    let client = crate::realm::Client { features, ..Default::default() };
    let attachment = realm.attach(SessionId(1), identity(1), Arc::clone(&outbox), client).await.unwrap();
    let alice = Client { attachment, outbox };
    for (request, progress) in [(7, true), (7, true), (7, false), (8, false)] {
        let options = CallOptions { progress, ..CallOptions::default() };
        let (procedure, payload) = (uri("wamp.session.count"), Payload::json(&[]));
        alice.send(ClientMessage::Call { request, options, procedure, payload }).await;
    }
    let mut frames = Vec::new();
    while frames.len() < 2 {
        soon(alice.outbox.take(&mut frames, PLENTY)).await;
    }
    let answers: Vec<serde_json::Value> =
        frames.iter().map(|frame| serde_json::from_slice(frame).unwrap()).collect();
    assert_eq!((&answers[0][2], &answers[0][4]), (&7.into(), &"wamp.error.feature_not_supported".into()));
    assert_eq!((&answers[1][0], &answers[1][1]), (&50.into(), &8.into()), "{answers:?}");
    settle(&realm).await;
    assert!(poll!(std::pin::pin!(alice.outbox.take(&mut frames, PLENTY))).is_pending(), "{frames:?}");
}

#[tokio::test]
async fn what_passes_is_counted_by_realm() {
    let registry = Registry::new();
    let options = RealmOptions {
        name: uri("realm1"),
        roles: Roles::Open,
        per_session: SessionLimits::default(),
        histories: Vec::new(),
    };
    let realm = Realm::start(options, None, &RealmMetrics::register(&registry));
    let (alice, bob) = (Client::join(&realm, 1, PLENTY).await, Client::join(&realm, 2, PLENTY).await);
    let carol = Client::join(&realm, 3, PLENTY).await;
    for client in [&bob, &carol] {
        client.send(subscribe(1, "com.t")).await;
        client.receive(1).await;
    }
    alice.send(event("com.t")).await;
    alice.send(event("com.t")).await;
    alice.send(event("com.nobody")).await;
    alice.send(call(1, "com.p")).await;
    alice.receive(1).await;
    let expected = [
        "wampgate_sessions{realm=\"realm1\"} 3\n",
        "wampgate_realm_inbox_slots{realm=\"realm1\"} 0\n",
        "wampgate_publications_total{realm=\"realm1\"} 3\n",
        "wampgate_events_total{realm=\"realm1\"} 4\n",
        "wampgate_calls_total{realm=\"realm1\"} 1\n",
    ];
    // The owner adds up when it has answered.
    soon(async {
        while !expected.iter().all(|line| registry.render().contains(line)) {
            tokio::task::yield_now().await;
        }
    })
    .await;
}

#[tokio::test]
async fn realm_whose_owner_has_ended_says_goodbye_and_takes_no_session() {
    let options = RealmOptions {
        name: uri("realm1"),
        roles: Roles::Open,
        per_session: SessionLimits::default(),
        histories: Vec::new(),
    };
    let (realm, owner) = Realm::with_owner(options, None, &RealmMetrics::default());
    let owner = tokio::spawn(owner.run());
    let alice = Client::join(&realm, 1, PLENTY).await;
    settle(&realm).await;
    owner.abort();
    let behind = Client::join(&realm, 2, PLENTY).await;
    for client in [&alice, &behind] {
        client.receive(1).await;
        assert_eq!(closing(&client.outbox).await, Closing::After(CloseCode::Away));
        assert_eq!(send(&client.attachment, event("com.t")).await, Err(RealmClosed));
    }
    let outbox = Arc::new(Outbox::new(Serializer::Json, PLENTY));
    let refused = realm.attach(SessionId(3), identity(3), outbox, crate::realm::Client::default()).await;
    assert_eq!(refused.err(), Some(RealmClosed));
    assert_eq!(realm.sessions(), 0);
}

#[tokio::test]
async fn owner_stops_when_realm_and_sessions_are_gone() {
    let realm = realm();
    let gate = Arc::clone(&realm.inbox.gate);
    let alice = Client::join(&realm, 1, PLENTY).await;
    drop(realm);
    alice.send(subscribe(1, "com.t")).await;
    alice.receive(1).await;
    assert!(!gate.slots.is_closed(), "a session keeps its realm alive");
    drop(alice);
    assert!(soon(gate.slots.acquire_many(u32::MAX)).await.is_err(), "closed");
}

#[test]
fn idle_session_takes_little_memory() {
    assert!(size_of::<(SessionId, Member)>() <= 48, "{}", size_of::<(SessionId, Member)>());
    assert!(size_of::<Attachment>() <= 24, "{}", size_of::<Attachment>());
}
