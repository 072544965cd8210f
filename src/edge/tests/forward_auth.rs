//! Questions of proxies, where the store or the policy does what a test wants.

use std::{sync::Mutex, time::Instant};

use super::*;
use crate::{
    backend::{Backend, Backends},
    realm::{Realm, RealmMetrics, RealmOptions, Roles, SessionLimits},
    tracking::Tracker,
    wamp::Uri,
};

/// Lets every visitor in, and keeps what it was asked.
#[derive(Debug, Default)]
struct Nosy(Mutex<Vec<String>>);

impl Policy for Nosy {
    fn answer(&self, request: &JoinRequest<'_>) -> Result<RawDecision, PolicyError> {
        let JoinRequest { connection, hello, cookie, .. } = request;
        assert!(hello.is_none() && connection.subprotocol.is_empty());
        let (peer, path, headers) = (connection.peer, connection.path, connection.headers);
        self.0.lock().unwrap().push(format!("{peer} {path} {headers:?} {}", cookie.is_some()));
        Ok(RawDecision::Anonymous { authid: Some("reader".to_owned()), authrole: None, authextra: None })
    }
}

/// An edge with a question at `/auth`, whose policy is asked.
fn edge(
    policy: Arc<dyn Policy>,
    tracker: Option<Tracker>,
    http: HttpOptions,
    options: ForwardAuthOptions,
) -> Arc<Edge> {
    let gate = Arc::new(PolicyGate::new("test", policy, 1));
    let key = Arc::new(PublicIdKey::random().unwrap());
    let shown = vec![header::USER_AGENT, "x-forwarded-method".parse().unwrap()];
    let admission = Admission::new(gate, shown, None, tracker.map(Arc::new), key);
    let realm = RealmOptions {
        name: realm1(),
        roles: Roles::Open,
        per_session: SessionLimits::default(),
        histories: Vec::new(),
    };
    let realm = Realm::start(realm, None, &RealmMetrics::default());
    let backends: Arc<Backends> = Arc::new([Backend::Realm(realm)].into_iter().collect());
    let service = Arc::new(WebSocketService::new(
        &ServiceOptions::default(),
        admission,
        backends,
        Arc::default(),
        Arc::default(),
        0,
    ));
    let child = PathTree::of(TargetOptions::ForwardAuth(Box::new(options)));
    let root = PathTree { target: None, children: BTreeMap::from([("auth".to_owned(), child)]) };
    let hosts = AllowedHosts::Loopback;
    let options = EdgeOptions { id: "test".to_owned(), http, root, hosts, ..EdgeOptions::default() };
    let mut services = |_: &ServicePlace| Ok::<_, Infallible>(Arc::clone(&service));
    Arc::new(Edge::new(&options, &EdgeMetrics::default(), &Health::default(), &mut services).unwrap())
}

fn realm1() -> Uri {
    Uri::parse("realm1").unwrap()
}

fn options(asks_policy: bool) -> ForwardAuthOptions {
    ForwardAuthOptions {
        service: ServicePlace { transport: "test".to_owned(), path: "/ws".to_owned() },
        terms: Terms {
            require: if asks_policy { Requirement::Nothing } else { Requirement::Cookie },
            asks_policy,
            roles: None,
            realm: Some(realm1()),
        },
        headers: IdentityHeaders::default(),
        redirect: None,
        timeout: ForwardAuthOptions::TIMEOUT,
    }
}

fn trusting() -> HttpOptions {
    let proxy = TrustedProxy::Network("127.0.0.1/32".parse().unwrap());
    HttpOptions { trusted_proxies: vec![proxy], ..HttpOptions::default() }
}

fn question(line: &str, headers: &str) -> Vec<u8> {
    format!("{line}\r\nHost: a.example\r\nConnection: close\r\n{headers}\r\n").into_bytes()
}

#[tokio::test]
async fn a_policy_hears_of_the_original_request_from_a_trusted_proxy_and_no_other_peer() {
    let told = "User-Agent: test\r\nX-Forwarded-For: 203.0.113.9\r\nX-Forwarded-Uri: /shop?id=1\r\nX-Forwarded-Method: PUT\r\n";
    let agent = r#"("user-agent", "test")"#;
    for (http, line, headers, expected) in [
        (
            trusting(),
            "GET /auth HTTP/1.1",
            told,
            format!(r#"203.0.113.9:0 /shop [{agent}, ("x-forwarded-method", "PUT")] false"#),
        ),
        (
            trusting(),
            "DELETE /auth/shop//%2e HTTP/1.1",
            "",
            r#"127.0.0.1 /shop//%2e [("x-forwarded-method", "DELETE")] false"#.to_owned(),
        ),
        (trusting(), "GET /auth HTTP/1.1", "X-Original-URI: /a\r\n", "127.0.0.1 /a [] false".to_owned()),
        (
            HttpOptions::default(),
            "GET /auth/x HTTP/1.1",
            told,
            format!(r#"127.0.0.1 /auth/x [{agent}, ("x-forwarded-method", "GET")] false"#),
        ),
    ] {
        let policy = Arc::new(Nosy::default());
        let edge = edge(Arc::clone(&policy) as _, None, http, options(true));
        let reply = exchange(&edge, &question(line, headers)).await;
        assert_eq!(status(&reply), 200, "{reply}");
        for expected in ["Wampgate-Authid: reader\r\n", "Wampgate-Client: \r\n"] {
            assert!(reply.contains(expected), "{reply}");
        }
        let asked = policy.0.lock().unwrap().join("\n");
        // The port of a peer is another one each time.
        let (peer, rest) = asked.split_once(' ').unwrap();
        let peer = if peer.ends_with(":0") { peer } else { peer.split_once(':').unwrap().0 };
        assert_eq!(format!("{peer} {rest}"), expected);
    }
}

#[tokio::test]
async fn a_proxy_that_passes_a_clients_own_word_on_is_refused() {
    let policy = Arc::new(Nosy::default());
    let edge = edge(Arc::clone(&policy) as _, None, trusting(), options(true));
    let headers = "X-Forwarded-Uri: /public\r\nX-Original-URI: /admin\r\n";
    let reply = exchange(&edge, &question("GET /auth HTTP/1.1", headers)).await;
    assert_eq!(status(&reply), 403, "{reply}");
    assert!(policy.0.lock().unwrap().is_empty());
}

#[tokio::test]
async fn a_store_that_fails_or_hangs_is_503_in_time() {
    let failing =
        scripted::tracker(&ScriptedStore::new(|_, _| Err(StoreError::Io("the disk is gone".into()))));
    let hanging = scripted::tracker(&ScriptedStore::hanging());
    let cookie = "Cookie: cbtid=AAAAAAAAAAAAAAAAAAAAAAAA\r\n";
    for tracker in [failing, hanging] {
        let options = ForwardAuthOptions { timeout: Duration::from_millis(20), ..options(false) };
        let edge = edge(Arc::new(NoPolicy), Some(tracker), trusting(), options);
        let begun = Instant::now();
        let reply = exchange(&edge, &question("GET /auth HTTP/1.1", cookie)).await;
        assert_eq!(status(&reply), 503, "{reply}");
        assert!(begun.elapsed() < Duration::from_mins(1));
        assert!(reply.contains("Wampgate-Authid: \r\n") && reply.contains("Retry-After: 5\r\n"), "{reply}");
        assert!(!reply.contains("disk"), "{reply}");
    }
}

#[tokio::test]
async fn a_trusted_proxy_keeps_its_connections_for_longer_than_a_head_may_take() {
    // Enough for the first head on a busy machine.
    let limit = Duration::from_secs(1);
    let short = |http| HttpOptions { head_timeout: limit, ..http };
    for (http, is_kept) in [(short(trusting()), true), (short(HttpOptions::default()), false)] {
        let edge = edge(Arc::new(NoPolicy), None, http, options(true));
        let (mut client, serving) = connect(&edge).await;
        let request = "GET /auth HTTP/1.1\r\nHost: a\r\n\r\n";
        client.write_all(request.as_bytes()).await.unwrap();
        assert_eq!(status(&read_head(&mut client).await), 200);
        if is_kept {
            let next = tokio::time::timeout(2 * limit, client.read_u8()).await;
            assert!(next.is_err(), "{next:?} from a connection that is kept");
        } else {
            assert_eq!(status(&read_head(&mut client).await), 408);
        }
        drop(client);
        assert!(serving.await.unwrap().is_none());
    }
}

#[tokio::test]
async fn a_question_needs_a_host_like_every_request() {
    let edge = edge(Arc::new(NoPolicy), None, trusting(), options(true));
    let reply = exchange(&edge, b"GET /auth HTTP/1.1\r\n\r\nConnection: close\r\n").await;
    assert_eq!(status(&reply), 400);
    assert_eq!(status(&exchange(&edge, b"GET /auth HTTP/1.0\r\n\r\n").await), 200);
}

#[tokio::test]
async fn a_browser_that_asks_for_a_page_is_sent_to_the_login_page_if_there_is_one() {
    let redirect = Some("https://login.example/?to={uri}".to_owned());
    let tracker = || Some(scripted::tracker(&ScriptedStore::remote()));
    let edge =
        edge(Arc::new(NoPolicy), tracker(), trusting(), ForwardAuthOptions { redirect, ..options(false) });
    let page = "Accept: text/html,*/*\r\nX-Forwarded-Uri: /shop?id=1&x\r\n";
    for (headers, expected) in [
        (format!("{page}X-Forwarded-Method: GET\r\n"), 302),
        (format!("{page}X-Forwarded-Method: POST\r\n"), 401),
        // The proxy does not tell the method.
        (page.to_owned(), 401),
        ("X-Forwarded-Method: GET\r\nAccept: application/json\r\n".to_owned(), 401),
    ] {
        let reply = exchange(&edge, &question("GET /auth HTTP/1.1", &headers)).await;
        assert_eq!(status(&reply), expected, "{headers}: {reply}");
        let is_sent = reply.contains("Location: https://login.example/?to=%2Fshop%3Fid%3D1%26x\r\n");
        assert_eq!(
            (is_sent, reply.contains("Www-Authenticate")),
            (expected == 302, expected == 401),
            "{reply}"
        );
        assert!(
            reply.contains("Wampgate-Authid: \r\n") && reply.contains("Cache-Control: no-store"),
            "{reply}"
        );
    }
}
