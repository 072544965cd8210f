use serde_json::json;

use super::*;
use crate::{
    realm::{Attachment, Permission, RealmMetrics, RealmOptions, RoleOptions, Roles, SessionLimits},
    wamp::{
        message::{ErrorDetails, RegisterOptions, YieldOptions},
        pattern::{Pattern, UriMatch},
    },
};

const PROCEDURE: &str = "com.example.authenticate";
const PATIENCE: Duration = Duration::from_secs(10);

fn start(roles: Roles) -> Realm {
    start_with(roles, SessionLimits::default())
}

fn start_with(roles: Roles, per_session: SessionLimits) -> Realm {
    let options = RealmOptions { name: Uri::known("realm1"), roles, per_session, histories: Vec::new() };
    Realm::start(options, None, &RealmMetrics::default())
}

/// A client that has registered the procedure.
struct Server {
    attachment: Attachment,
    outbox: Arc<Outbox>,
}

impl Server {
    async fn join(realm: &Realm) -> Self {
        let outbox = Arc::new(Outbox::new(Serializer::Json, 1 << 20));
        let identity = Arc::new(Identity {
            authid: AuthId::Open(Name::known("server")),
            authrole: Name::known("server"),
            authmethod: "ticket",
            authprovider: "static",
            authextra: None,
            lease: Lease::default(),
            standing: None,
        });
        let client = Client::default();
        let attachment = realm.attach(SessionId(7), identity, Arc::clone(&outbox), client).await.unwrap();
        let server = Self { attachment, outbox };
        let procedure = Pattern::Exact(Uri::known(PROCEDURE));
        server
            .send(ClientMessage::Register { request: 1, options: RegisterOptions::default(), procedure })
            .await;
        assert_eq!(server.next().await[0], code::REGISTERED);
        server
    }

    async fn send(&self, message: ClientMessage) {
        self.attachment.room(&message).await.unwrap().send(message).unwrap();
    }

    async fn next(&self) -> Value {
        let mut frames = Vec::new();
        assert_eq!(self.outbox.take(&mut frames, 1).await, Taken::Frames);
        serde_json::from_slice(&frames[0]).unwrap()
    }

    /// Waits for an invocation: its number, and what it says.
    async fn invoked(&self) -> (u64, Value) {
        let invocation = self.next().await;
        assert_eq!(invocation[0], code::INVOCATION, "{invocation}");
        (invocation[1].as_u64().unwrap(), invocation)
    }

    async fn answers(&self, value: Value) -> Value {
        let (request, invocation) = self.invoked().await;
        let payload = Payload::json(&[value]);
        self.send(ClientMessage::Yield { request, options: YieldOptions::default(), payload }).await;
        invocation
    }
}

async fn call(caller: &Caller, role: Option<&str>) -> Result<Said, CallFailure> {
    call_within(caller, role, PATIENCE).await
}

async fn call_within(caller: &Caller, role: Option<&str>, timeout: Duration) -> Result<Said, CallFailure> {
    let (procedure, role) = (Uri::known(PROCEDURE), role.map(|role| Name::parse(role).unwrap()));
    let arguments = vec![json!("realm1"), json!("joe"), json!({ "ticket": "hunter2" })];
    caller
        .call(Call {
            procedure: &procedure,
            role: role.as_ref(),
            arguments,
            timeout,
            about: None,
            place: Place::of_no_queue(),
        })
        .await
}

#[tokio::test]
async fn the_gateway_calls_what_a_client_has_registered_and_is_in_no_list() {
    let realm = start(Roles::Open);
    let caller = Caller::new(&realm);
    assert_eq!(call(&caller, None).await, Err(CallFailure::Absent));
    let server = Server::join(&realm).await;
    let answer = json!({ "role": "frontend", "extra": { "a": [1, null, "ä"] } });
    for _ in 0..3 {
        let (said, invocation) = tokio::join!(call(&caller, None), server.answers(answer.clone()));
        assert_eq!(said, Ok(Said::Result(answer.clone())));
        assert_eq!(invocation[4], json!(["realm1", "joe", { "ticket": "hunter2" }]), "{invocation}");
    }
    let (said, ()) = tokio::join!(call(&caller, None), async {
        let (request, _) = server.invoked().await;
        let (options, payload) = (YieldOptions::default(), Payload::empty());
        server.send(ClientMessage::Yield { request, options, payload }).await;
    });
    assert_eq!(said, Ok(Said::Result(Value::Null)), "no argument at all");
    let listing = realm.list("", 10).await.unwrap();
    assert_eq!((listing.all, listing.newest.len()), (1, 1), "the server alone");
}

#[tokio::test]
async fn what_a_client_may_have_under_way_is_no_limit_of_the_gateways() {
    let realm = start_with(Roles::Open, SessionLimits { max_pending_calls: 1, ..SessionLimits::default() });
    let (caller, server) = (Caller::new(&realm), Server::join(&realm).await);
    let (one, other, ()) = tokio::join!(call(&caller, None), call(&caller, None), async {
        let asked = [server.invoked().await.0, server.invoked().await.0];
        for request in asked {
            let (options, payload) = (YieldOptions::default(), Payload::json(&["frontend".into()]));
            server.send(ClientMessage::Yield { request, options, payload }).await;
        }
    });
    assert_eq!([one, other], [Ok(Said::Result(json!("frontend"))), Ok(Said::Result(json!("frontend")))]);
}

#[tokio::test]
async fn what_goes_wrong_is_told_apart() {
    let realm = start(Roles::Open);
    let caller = Caller::new(&realm);
    let server = Server::join(&realm).await;
    let (said, ()) = tokio::join!(call(&caller, None), async {
        let (request, _) = server.invoked().await;
        let error = Uri::known("com.example.invalid_ticket");
        let payload = Payload::json(&[json!("no such ticket")]);
        let details = ErrorDetails::default();
        server.send(ClientMessage::InvocationError { request, details, error, payload }).await;
    });
    let uri = Uri::known("com.example.invalid_ticket");
    assert_eq!(said, Ok(Said::Error { uri, message: "no such ticket".to_owned() }));
    let large = json!("x".repeat(MAX_ANSWER));
    let (said, _) = tokio::join!(call(&caller, None), server.answers(large));
    assert_eq!(said, Err(CallFailure::Unreadable));
    // The session has not suffered from it.
    let (said, _) = tokio::join!(call(&caller, None), server.answers(json!("frontend")));
    assert_eq!(said, Ok(Said::Result(json!("frontend"))));
    let (said, ()) = tokio::join!(call(&caller, None), async {
        server.invoked().await;
        drop(server);
    });
    assert_eq!(said, Err(CallFailure::Left));
    drop(realm.close());
    assert_eq!(call(&caller, None).await, Err(CallFailure::NoRealm));
}

#[tokio::test]
async fn an_answer_that_does_not_come_is_not_waited_for() {
    let realm = start(Roles::Open);
    let caller = Caller::new(&realm);
    let _server = Server::join(&realm).await;
    let patience = Duration::from_millis(200);
    let begun = Instant::now();
    assert_eq!(call_within(&caller, None, patience).await, Err(CallFailure::TooLate));
    assert!(begun.elapsed() >= patience, "{:?}", begun.elapsed());
    // An asker that leaves keeps its place until the realm has done with the call.
    let asker = tokio::time::timeout(patience / 4, call_within(&caller, None, 50 * patience)).await;
    assert!(asker.is_err());
    let link = caller.link.lock().await.clone().unwrap();
    assert_eq!(link.waiting.lock().len(), 1);
    while !link.waiting.lock().is_empty() {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn a_role_that_calls_needs_the_permission_and_the_gateway_itself_none() {
    let rule = |call| Permission {
        uri: PROCEDURE.to_owned(),
        matching: UriMatch::Exact,
        call,
        register: !call,
        publish: false,
        subscribe: false,
        disclose_caller: false,
        disclose_publisher: false,
    };
    let role = |name: &str, permissions| RoleOptions {
        name: Name::parse(name).unwrap(),
        permissions,
        authorizer: None,
    };
    let realm = start(Roles::Listed(vec![
        role("server", vec![rule(false)]),
        role("caller", vec![rule(true)]),
        role("user", Vec::new()),
    ]));
    let caller = Caller::new(&realm);
    let server = Server::join(&realm).await;
    for role in [None, Some("caller")] {
        let (said, _) = tokio::join!(call(&caller, role), server.answers(json!("frontend")));
        assert_eq!(said, Ok(Said::Result(json!("frontend"))), "{role:?}");
    }
    for role in ["user", "nobody", "server"] {
        assert_eq!(call(&caller, Some(role)).await, Err(CallFailure::NotAllowed), "{role}");
    }
}

#[tokio::test]
async fn a_session_that_was_ended_begins_anew_and_goes_with_its_caller() {
    let realm = start(Roles::Open);
    let caller = Caller::new(&realm);
    let server = Server::join(&realm).await;
    let (said, _) = tokio::join!(call(&caller, None), server.answers(json!(1)));
    assert_eq!(said, Ok(Said::Result(json!(1))));
    let link = caller.link.lock().await.clone().unwrap();
    link.outbox.close(Closing::After(CloseCode::Normal));
    while !link.waiting.is_over.load(Relaxed) {
        tokio::task::yield_now().await;
    }
    let (said, _) = tokio::join!(call(&caller, None), server.answers(json!(2)));
    assert_eq!(said, Ok(Said::Result(json!(2))));
    drop((caller, link));
    // The realm ends with its last session and its last way: the caller was none.
    let inbox = Arc::downgrade(&realm.inbox);
    drop((server, realm));
    assert!(inbox.upgrade().is_none());
}
