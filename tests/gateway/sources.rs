//! The principals of a method stand in the configuration or in a file, a component or a procedure knows them, or a token names them.
//! Wherever they are, no client becomes another one by its cookie, and a source that goes away while sessions are open harms none of them.

mod gone;

use std::thread::{self, JoinHandle};

use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD};
use serde_json::{Value, json};

use super::tokens::token_by;
use crate::support::{
    Client, Gateway, Jar,
    client::Refused,
    code,
    config::{TICKET, With as _, anonymous_auth, everything, tracked, untracked, web_paths},
};

/// The example of an authenticator: `plugins/invitation`.
const INVITATION: &[u8] = include_bytes!("../component/invitation.wasm");
/// The file with the principals.
const PRINCIPALS: &str = "principals.json";
/// The file with the component.
const COMPONENT: &str = "invitation.wasm";
/// The file with the keys of tokens.
const KEYS: &str = "jwks.json";
const PROCEDURE: &str = "com.example.authenticate";
/// Ends the procedure above.
const END: &str = "com.example.end";
const ANNS_TICKET: &str = "tulip-ladder-of-ann";
const SERVERS_TICKET: &str = "ticket-of-the-server";
/// Signs the tokens.
const SECRET: &str = "a secret of 32 bytes at the least";
/// In the year 2999.
const FAR: u64 = 32_500_000_000;

/// What knows the principals Joe and Ann of the method `ticket`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Source {
    Configuration,
    File,
    Component,
    Procedure,
    Token,
}

impl Source {
    const ALL: [Self; 5] = [Self::Configuration, Self::File, Self::Component, Self::Procedure, Self::Token];

    /// `auth.ticket`.
    fn method(self) -> Value {
        let of = |ticket: &str| json!({ "ticket": ticket, "role": "frontend" });
        match self {
            Self::Configuration => {
                json!({ "type": "static", "principals": { "joe": of(TICKET), "ann": of(ANNS_TICKET) } })
            }
            Self::File => json!({ "type": "file", "filename": PRINCIPALS }),
            Self::Component => {
                let of = |ticket: &str| json!({ "role": "frontend", "invitation": ticket });
                let invited = json!({ "joe": of(TICKET), "ann": of(ANNS_TICKET) });
                json!({ "type": "component", "component": COMPONENT, "config": { "invited": invited }, "deadline": "5s" })
            }
            Self::Procedure => {
                json!({ "type": "dynamic", "authenticator": PROCEDURE, "authenticator-realm": "realm1" })
            }
            Self::Token => {
                json!({ "type": "jwt", "keys": { "file": KEYS }, "algorithms": ["HS256"], "audience": "chat" })
            }
        }
    }

    /// What a principal of this name sends in answer to the challenge.
    fn ticket(self, authid: &str) -> String {
        match (self, authid) {
            (Self::Token, _) => token(authid),
            (_, "joe") => TICKET.to_owned(),
            (_, _) => ANNS_TICKET.to_owned(),
        }
    }
}

fn token(authid: &str) -> String {
    token_by(SECRET, &json!({ "sub": authid, "role": "frontend", "aud": "chat", "exp": FAR }))
}

/// Clients come to `/ws`, by the methods of `auth`; the server of the procedure comes to `/server`.
fn config(auth: &Value) -> Value {
    let all = everything();
    let role =
        |name: &str| json!({ "name": name, "permissions": [{ "uri": "", "match": "prefix", "allow": all }] });
    let server = json!({ "server": { "ticket": SERVERS_TICKET, "role": "backend" } });
    let roles = json!([role("frontend"), role("backend"), { "name": "anonymous", "permissions": [] }]);
    web_paths(&json!({
        "ws": tracked().with("auth", auth.clone()),
        "server": untracked().with("auth", json!({ "ticket": { "type": "static", "principals": server } })),
    }))
    .with("version", json!(2))
    .with("realms", json!([{ "name": "realm1", "roles": roles }, { "name": "realm2", "roles": roles }]))
}

/// `ticket` of the source, with `cookie` and `anonymous`.
fn auth(source: Source) -> Value {
    anonymous_auth().with("ticket", source.method()).with("cookie", json!({}))
}

/// A gateway with one source of principals, and the client that serves it if it is a procedure.
struct Scene {
    source: Source,
    gateway: Gateway,
    server: Option<JoinHandle<()>>,
}

impl Scene {
    #[track_caller]
    fn of(source: Source) -> Self {
        let key = json!({ "kty": "oct", "kid": "one", "k": BASE64_URL_SAFE_NO_PAD.encode(SECRET) });
        let of = |ticket: &str| json!({ "ticket": ticket, "role": "frontend" });
        let principals = json!({ "joe": of(TICKET), "ann": of(ANNS_TICKET) });
        let gateway = Gateway::prepare(&config(&auth(source)))
            .file(COMPONENT, INVITATION)
            .private_file(PRINCIPALS, principals.to_string())
            .private_file(KEYS, json!({ "keys": [key] }).to_string());
        let mut scene = Self { source, gateway: gateway.run(), server: None };
        if source == Source::Procedure {
            scene.serve();
        }
        scene
    }

    /// The same, and Joe, who has logged in.
    #[track_caller]
    fn with_joe(source: Source) -> (Self, Jar, Client) {
        let (scene, mut jar) = (Self::of(source), Jar::default());
        let (joe, _) = scene.logs_in(&mut jar, "joe").unwrap();
        (scene, jar, joe)
    }

    /// A client of the role `backend`.
    #[track_caller]
    fn backend(&self) -> Client {
        let mut client = Client::open_at(&self.gateway, &mut Jar::default(), "/server");
        client.join_by_ticket("server", SERVERS_TICKET).unwrap();
        client
    }

    /// Registers the procedure, which answers until `end` is called.
    #[track_caller]
    fn serve(&mut self) {
        let mut server = self.backend();
        server.register(PROCEDURE).unwrap();
        let end = server.register(END).unwrap();
        self.server = Some(thread::spawn(move || {
            loop {
                let invocation = server.expect(code::INVOCATION);
                let is_end = invocation[2] == end;
                let (authid, details) = (&invocation[4][1], &invocation[4][2]);
                let is_right = match authid.as_str() {
                    Some("joe") => details["ticket"] == TICKET,
                    Some("ann") => details["ticket"] == ANNS_TICKET,
                    _ => false,
                };
                let is_known = is_right || details["remembered"] == true;
                let answer = if is_known { json!("frontend") } else { Value::Null };
                server.send(&json!([code::YIELD, invocation[1], {}, [answer]]));
                if is_end {
                    server.leaves();
                    return;
                }
            }
        }));
    }

    /// Ends the procedure.
    #[track_caller]
    fn end(&mut self) {
        let mut client = self.backend();
        let call = client.call(END, &json!([]), &json!({}));
        client.result(call).unwrap();
        self.server.take().unwrap().join().unwrap();
    }

    /// A client with its right secret.
    #[track_caller]
    fn logs_in(&self, jar: &mut Jar, authid: &str) -> Result<(Client, Value), Refused> {
        let mut client = Client::open(&self.gateway, jar);
        let welcome = client.join_by_ticket(authid, &self.source.ticket(authid))?;
        Ok((client, welcome))
    }

    /// A client that has nothing but a cookie.
    #[track_caller]
    fn comes_back(&self, jar: &mut Jar) -> Result<Value, Refused> {
        Client::open(&self.gateway, jar).join("realm1", json!({ "authmethods": ["cookie"] }))
    }

    #[track_caller]
    fn is_joe(&self, jar: &mut Jar) {
        let welcome = self.comes_back(jar).unwrap_or_else(|refused| panic!("{:?}: {refused:?}", self.source));
        let who = ["authid", "authrole", "authmethod", "authprovider"].map(|key| welcome[key].clone());
        assert_eq!(who, ["joe", "frontend", "ticket", "cookie"].map(Value::from), "{:?}", self.source);
    }
}

#[test]
fn failed_attempts_with_a_clients_cookie_leave_its_login_as_it_was() {
    for source in Source::ALL {
        let (scene, mut jar, mut joe) = Scene::with_joe(source);
        scene.is_joe(&mut jar);

        let open = |jar: &mut Jar| Client::open(&scene.gateway, jar);
        let guess = open(&mut jar).join_by_ticket("joe", "guess").unwrap_err();
        assert_eq!(guess.reason, "wamp.error.not_authorized", "{source:?}");
        // The right ticket of another name, and a name that does not exist.
        let others = open(&mut jar).join_by_ticket("ann", &source.ticket("joe")).unwrap_err();
        let unknown = open(&mut jar).join_by_ticket("eve", &source.ticket("joe")).unwrap_err();
        assert_eq!((&others, &unknown), (&guess, &guess), "{source:?}");
        // Another realm, another method, and none.
        let elsewhere = json!({ "authmethods": ["cookie", "ticket"], "authid": "joe" });
        open(&mut jar).join("realm2", elsewhere).unwrap_err();
        open(&mut jar).join("realm1", json!({ "authmethods": ["wampcra"] })).unwrap_err();
        for methods in [json!([]), json!(["anonymous"])] {
            let welcome = open(&mut jar).join("realm1", json!({ "authmethods": methods })).unwrap();
            assert_eq!(welcome["authrole"], "anonymous", "{source:?}: {welcome}");
            assert_ne!(welcome["authid"], "joe", "{source:?}: {welcome}");
        }
        // Challenged, and gone.
        open(&mut jar).hello("realm1", json!({ "authmethods": ["ticket"], "authid": "joe" }));

        scene.is_joe(&mut jar);
        joe.echoes();
    }
}

#[test]
fn a_client_becomes_no_other_one_by_its_name_or_on_its_own_cookie() {
    for source in Source::ALL {
        let scene = Scene::of(source);
        scene.logs_in(&mut Jar::default(), "joe").unwrap();
        // Eve has been there, and has a cookie of hers.
        let mut jar = Jar::default();
        Client::open(&scene.gateway, &mut jar).joins();
        assert!(jar.id.is_some());
        for methods in [json!(["cookie"]), json!(["cookie", "wampcra"])] {
            let asks = json!({ "authmethods": methods, "authid": "joe" });
            Client::open(&scene.gateway, &mut jar).join("realm1", asks).unwrap_err();
        }
        let mut eve = Client::open(&scene.gateway, &mut jar);
        eve.hello("realm1", json!({ "authmethods": ["cookie", "ticket"], "authid": "joe" }));
        let challenge = eve.receive();
        assert_eq!(challenge[0], code::CHALLENGE, "{source:?}: {challenge}");
        eve.send(&json!([code::AUTHENTICATE, "guess", {}]));
        eve.outcome().unwrap_err();
        // Ann's cookie stands for Ann, whatever name comes with it.
        let mut anns = Jar::default();
        scene.logs_in(&mut anns, "ann").unwrap();
        let claims = json!({ "authmethods": ["cookie"], "authid": "joe" });
        let claimed = Client::open(&scene.gateway, &mut anns).join("realm1", claims);
        assert!(claimed.is_err() || claimed.as_ref().unwrap()["authid"] == "ann", "{source:?}: {claimed:?}");
        assert_eq!(scene.comes_back(&mut anns).unwrap()["authid"], "ann", "{source:?}");
    }
}

/// The cookie may be in other hands, so that it stands for neither until its client logs in once more.
#[test]
fn a_login_of_another_principal_ends_what_the_cookie_remembers() {
    for source in Source::ALL {
        let scene = Scene::of(source);
        let mut jar = Jar::default();
        scene.logs_in(&mut jar, "ann").unwrap();
        assert_eq!(scene.comes_back(&mut jar).unwrap()["authid"], "ann", "{source:?}");
        scene.logs_in(&mut jar, "joe").unwrap();
        assert_eq!(scene.comes_back(&mut jar).unwrap_err().reason, "wamp.error.no_auth_method", "{source:?}");
        scene.logs_in(&mut jar, "joe").unwrap();
        scene.is_joe(&mut jar);
    }
}
