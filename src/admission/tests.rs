//! Admissions without a socket anywhere: policies that say one thing, and a store in memory.

use std::{
    collections::BTreeMap,
    net::{Ipv4Addr, SocketAddr},
    sync::Mutex,
};

use http::HeaderValue;

use super::*;
use crate::{
    auth::{AnonymousOptions, CookieAuthOptions, Secret, TicketOptions, TicketPrincipal},
    cookie::CookieOptions,
    identity::Name,
    policy::{ContractError, JoinRequest, Policy, PolicyError, RawDecision},
    store::{CookieStore, MemoryStore, OpenedStore},
    stream::PeerAddr,
    traces::Parent,
    tracking::{Clients, LoginOptions},
};

const SECRET: &str = "secret!!!";

/// Decides always the same, and keeps what it was asked.
#[derive(Debug)]
struct Scripted {
    decision: RawDecision,
    asked: Mutex<Vec<String>>,
}

impl Policy for Scripted {
    fn answer(&self, request: &JoinRequest<'_>) -> Result<RawDecision, PolicyError> {
        let JoinRequest { connection, hello, methods, .. } = request;
        let methods = methods.join(",");
        let hello = hello.as_ref().map(|hello| hello.authmethods.join(","));
        let (path, subprotocol) = (connection.path, connection.subprotocol);
        let headers = connection.headers;
        self.asked
            .lock()
            .unwrap()
            .push(format!("{path} {subprotocol:?} {headers:?} hello={hello:?} methods={methods}"));
        Ok(self.decision.clone())
    }
}

/// An admission, with the insides that a test looks at.
struct Scene {
    admission: Admission,
    policy: Arc<Scripted>,
    store: Arc<dyn CookieStore>,
    realm: Uri,
}

impl Scene {
    /// `joe` may log in by `ticket`, and come back by `cookie`.
    fn new(decision: RawDecision) -> Self {
        let joe = TicketPrincipal {
            ticket: Secret::new(SECRET.to_owned()),
            role: Name::known("frontend"),
            realm: None,
        };
        let auth = AuthOptions {
            anonymous: Some(AnonymousOptions { role: Name::known("guest") }),
            ticket: Some(TicketOptions {
                principals: BTreeMap::from([(Name::known("joe"), joe)]),
                file: None,
            }),
            cookie: Some(CookieAuthOptions { rotate: false, ..CookieAuthOptions::default() }),
            ..AuthOptions::default()
        };
        let policy = Arc::new(Scripted { decision, asked: Mutex::default() });
        let store: Arc<dyn CookieStore> = Arc::new(MemoryStore::new(100));
        let key = Arc::new(PublicIdKey::random().unwrap());
        let clients = Clients::new(&OpenedStore::local(Arc::clone(&store)), Arc::clone(&key));
        let tracker = Arc::new(Tracker::new(CookieOptions::default(), clients));
        let gate = Arc::new(PolicyGate::new("scripted", Arc::clone(&policy) as _, 1));
        let shown = vec![header::USER_AGENT];
        let admission = Admission::new(gate, shown, Some(auth), Some(tracker), key);
        Self { admission, policy, store, realm: Uri::parse("realm1").unwrap() }
    }

    /// A visitor without a WebSocket, with the cookie of one that has come before.
    async fn visitor(&self, before: Option<&Visitor>) -> Visitor {
        let mut headers = HeaderMap::new();
        for (name, value) in
            [(header::HOST, "a.example"), (header::USER_AGENT, "test"), (header::ACCEPT, "*/*")]
        {
            headers.insert(name, HeaderValue::from_static(value));
        }
        if let Some(tracked) = before.and_then(|before| before.tracked.as_ref()) {
            let cookie = format!("cbtid={}", tracked.id.expose());
            headers.insert(header::COOKIE, cookie.parse().unwrap());
        }
        let peer = PeerAddr::Tcp(SocketAddr::from((Ipv4Addr::LOCALHOST, 4711)));
        let facts = Facts {
            peer,
            tls: None,
            path: "/private",
            query: None,
            subprotocol: None,
            may_be_new: true,
            parent: Parent::default(),
        };
        self.admission.meet(facts, &headers, Timestamp::now()).await.unwrap()
    }

    fn application<'a>(&'a self, hello: Option<&'a Hello>) -> Application<'a> {
        Application { session: SessionId(1), realm: &self.realm, rules: None, hello }
    }

    /// Has joe log in by ticket.
    async fn log_in(&self, visitor: &Visitor, signature: &str) -> Result<Identity, AuthError> {
        let hello = hello(&["ticket"]);
        let application = self.application(Some(&hello));
        let Verdict::Challenged(challenge) = self.admission.decide(visitor, &application).await? else {
            panic!("no challenge")
        };
        assert_eq!(challenge.method, "ticket");
        let answer = Answer { signature: signature.to_owned(), extra: Dictionary::default() };
        self.admission.answer(visitor, challenge, &answer, &application).await
    }

    async fn decide(&self, visitor: &Visitor, hello: Option<&Hello>) -> Result<Identity, AuthError> {
        match self.admission.decide(visitor, &self.application(hello)).await? {
            Verdict::Admitted(identity) => Ok(identity),
            Verdict::Challenged(challenge) => panic!("{challenge:?}"),
        }
    }
}

fn hello(authmethods: &[&str]) -> Hello {
    let authmethods = authmethods.iter().map(|&name| name.to_owned()).collect();
    let details = HelloDetails { authmethods, authid: Some("joe".to_owned()), ..HelloDetails::default() };
    Hello { realm: None, details: Box::new(details) }
}

fn defer(method: &str) -> RawDecision {
    RawDecision::Defer(method.to_owned())
}

#[tokio::test]
async fn a_request_without_a_websocket_becomes_an_identity() {
    let authid = Some("reader".to_owned());
    let scene = Scene::new(RawDecision::Anonymous { authid, authrole: None, authextra: None });
    let visitor = scene.visitor(None).await;
    let identity = scene.decide(&visitor, None).await.unwrap();
    assert_eq!((identity.authid.public(), &*identity.authrole), ("reader", "guest"));
    let asked = scene.policy.asked.lock().unwrap().join("\n");
    let expected = r#"/private "" [("user-agent", "test")] hello=None methods=anonymous,cookie,ticket"#;
    assert_eq!(asked, expected);
}

#[tokio::test]
async fn a_client_that_logs_out_while_its_policy_is_asked_is_refused() {
    let scene = Scene::new(defer("ticket"));
    let visitor = scene.visitor(None).await;
    let joe = scene.log_in(&visitor, SECRET).await.unwrap();
    assert!(recheck(&visitor, &joe).is_ok());
    let tracker = scene.admission.tracker.as_ref().unwrap();
    tracker.log_out(visitor.tracked.as_ref().unwrap(), Timestamp::now()).await.unwrap();
    let refused = recheck(&visitor, &joe).unwrap_err();
    assert!(matches!(refused, AuthError::Stale(_)), "{refused}");
}

#[tokio::test]
async fn a_request_without_a_hello_offers_its_cookie_and_no_other_method() {
    let scene = Scene::new(defer("ticket"));
    let visitor = scene.visitor(None).await;
    let refused = scene.decide(&visitor, None).await;
    let not_offered = PolicyError::Contract(ContractError::NotOffered("ticket".to_owned()));
    assert_eq!(refused, Err(AuthError::Policy(not_offered)));

    let joe = scene.log_in(&visitor, SECRET).await.unwrap();
    scene.admission.remember(&visitor, &scene.realm, &joe).await;
    let scene = Scene { admission: Scene::new(defer("cookie")).admission.on(&scene), ..scene };
    let again = scene.visitor(Some(&visitor)).await;
    let identity = scene.decide(&again, None).await.unwrap();
    assert_eq!((identity.authid.public(), identity.authprovider), ("joe", "cookie"));

    let stranger = scene.visitor(None).await;
    assert!(matches!(scene.decide(&stranger, None).await, Err(AuthError::Stale(_))));
}

#[tokio::test]
async fn a_wrong_answer_to_a_challenge_is_refused() {
    let scene = Scene::new(defer("ticket"));
    let visitor = scene.visitor(None).await;
    assert_eq!(scene.log_in(&visitor, "wrong").await, Err(AuthError::Credentials("ticket")));
    assert_eq!(&*scene.log_in(&visitor, SECRET).await.unwrap().authrole, "frontend");
}

#[tokio::test]
async fn a_login_that_no_longer_stands_is_forgotten() {
    let scene = Scene::new(defer("ticket"));
    let visitor = scene.visitor(None).await;
    let joe = scene.log_in(&visitor, SECRET).await.unwrap();
    scene.admission.remember(&visitor, &scene.realm, &joe).await;
    let id = &visitor.tracked.as_ref().unwrap().id;
    let stored = || scene.store.look_up(id, Timestamp::now()).wait().unwrap().unwrap().authentication;
    assert_eq!(stored().unwrap().authid, "joe");

    let mut admission = Scene::new(defer("cookie")).admission.on(&scene);
    admission.auth.as_mut().unwrap().ticket = None;
    let again = scene.visitor(Some(&visitor)).await;
    let refused = admission.decide(&again, &scene.application(None)).await;
    assert!(matches!(refused, Err(AuthError::Stale(_))), "{refused:?}");
    assert_eq!(stored(), None);
}

#[tokio::test]
async fn a_login_that_is_too_old_ends_with_the_visit() {
    let scene = Scene::new(defer("ticket"));
    let visitor = scene.visitor(None).await;
    let joe = scene.log_in(&visitor, SECRET).await.unwrap();
    scene.admission.remember(&visitor, &scene.realm, &joe).await;
    let over_at_once =
        LoginOptions { max_age: Some(std::time::Duration::ZERO), rotate: false, ..LoginOptions::default() };
    let clients =
        Clients::new(&OpenedStore::local(Arc::clone(&scene.store)), Arc::clone(&scene.admission.key));
    let tracker = Tracker::new(CookieOptions::default(), clients).with_logins(Some(over_at_once));
    let admission = Admission { tracker: Some(Arc::new(tracker)), ..scene.admission };
    let scene = Scene { admission, ..scene };
    let again = scene.visitor(Some(&visitor)).await;
    assert_eq!(again.tracked.unwrap().record.authentication, None);
}

impl Admission {
    /// The same admission with the clients of another one.
    fn on(self, other: &Scene) -> Self {
        Self { tracker: other.admission.tracker.clone(), ..self }
    }
}
