//! A router with sessions for tests: messages in, messages out.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;

use super::*;
use crate::{
    cookie::TrackingId,
    identity::{AuthId, Identity, Lease, Name},
    realm::{
        Client, Permission, RoleOptions, Roles,
        member::{Member, Members},
        permissions::Permissions,
    },
    wamp::{
        ClientFeatures, Serializer,
        message::{CallOptions, PublishOptions, RegisterOptions, SubscribeOptions, YieldOptions},
        pattern::{Pattern, UriMatch},
    },
    wire::Outbox,
};

/// A router and the identities of its sessions.
pub(in crate::realm) struct World {
    pub(in crate::realm) router: Router,
    pub(in crate::realm) members: Members,
    pub(in crate::realm) now: Now,
}

/// What was sent, by receiver.
pub(in crate::realm) type Sent = Vec<(u64, RouterMessage)>;

/// The first publication's identifier.
pub(in crate::realm) const FIRST_PUBLICATION: u64 = 1001;

impl World {
    /// A realm that is open, with these sessions.
    pub(in crate::realm) fn open(sessions: impl IntoIterator<Item = u64>) -> Self {
        Self::new(&Roles::Open, sessions)
    }

    /// A realm in which the role `user` has these permissions.
    pub(in crate::realm) fn listed(
        permissions: Vec<Permission>,
        sessions: impl IntoIterator<Item = u64>,
    ) -> Self {
        Self::new(
            &Roles::Listed(vec![RoleOptions { name: Name::known("user"), permissions, authorizer: None }]),
            sessions,
        )
    }

    fn new(roles: &Roles, sessions: impl IntoIterator<Item = u64>) -> Self {
        let rules = Arc::new(Rules::new(Permissions::new(roles)));
        let identifiers = Identifiers::counting_from(FIRST_PUBLICATION - 1);
        let now = Now { instant: Instant::now(), clock: Timestamp::from_millis(0) };
        let limits = SessionLimits::default();
        let router = Router::new(Arc::clone(&rules), identifiers, limits, &[], now.clock);
        let mut world = Self { router, members: Members::default(), now };
        sessions.into_iter().for_each(|session| world.add(session, identity(session)));
        world
    }

    /// Sends a message that breaks no rule.
    pub(in crate::realm) fn send(&mut self, session: u64, message: ClientMessage) -> Sent {
        self.try_send(session, message).expect("no protocol violation")
    }

    /// Sends a message.
    pub(in crate::realm) fn try_send(
        &mut self,
        session: u64,
        message: ClientMessage,
    ) -> Result<Sent, Violation> {
        let actor = self.members.get(SessionId(session)).unwrap().actor(SessionId(session), None);
        let mut out = Deliveries::default();
        self.router.handle(&actor, message, &self.members, self.now, &mut out)?;
        Ok(flatten(&mut out))
    }

    /// Lets time pass.
    pub(in crate::realm) fn pass(&mut self, time: Duration) -> Sent {
        self.now.instant += time;
        let mut out = Deliveries::default();
        self.router.expire(&self.members, self.now, &mut out);
        flatten(&mut out)
    }

    /// Lets a session's client have announced features.
    pub(in crate::realm) fn announces(&mut self, session: u64, features: &[ClientFeatures]) {
        let mut member = self.members.remove(SessionId(session)).unwrap();
        for feature in features {
            member.client.features = member.client.features.and(*feature);
        }
        assert!(self.members.insert(SessionId(session), member).is_ok());
    }

    /// Gives a session another role.
    pub(in crate::realm) fn has_role(&mut self, session: u64, role: &'static str) {
        let member = self.members.remove(SessionId(session)).unwrap();
        let mut identity = (*member.identity).clone();
        identity.authrole = Name::known(role);
        self.add(session, Arc::new(identity));
    }

    fn add(&mut self, session: u64, identity: Arc<Identity>) {
        let role = self.router.rules.permissions.role(&identity.authrole);
        let outbox = Arc::new(Outbox::new(Serializer::Json, usize::MAX));
        let member = Member { number: 0, identity, outbox, role, client: Client::default() };
        assert!(self.members.insert(SessionId(session), member).is_ok());
    }

    /// Lets a session leave.
    pub(in crate::realm) fn leave(&mut self, session: u64) -> Sent {
        self.members.remove(SessionId(session)).unwrap();
        let mut out = Deliveries::default();
        self.router.leave(SessionId(session), &self.members, self.now, &mut out);
        flatten(&mut out)
    }

    /// Subscribes and gives the subscription.
    pub(in crate::realm) fn subscribe(&mut self, session: u64, topic: &str) -> u64 {
        match only(self.send(session, subscribe(1, topic))) {
            (receiver, RouterMessage::Subscribed { request: 1, subscription }) if receiver == session => {
                subscription
            }
            other => panic!("{other:?}"),
        }
    }

    /// Registers and gives the registration.
    pub(in crate::realm) fn register(&mut self, session: u64, procedure: &str) -> u64 {
        match only(self.send(session, register(1, procedure))) {
            (receiver, RouterMessage::Registered { request: 1, registration }) if receiver == session => {
                registration
            }
            other => panic!("{other:?}"),
        }
    }

    /// Calls and gives the callee with the invocation's identifier.
    pub(in crate::realm) fn invoke(&mut self, caller: u64, request: u64, procedure: &str) -> (u64, u64) {
        match only(self.send(caller, call(request, procedure))) {
            (callee, RouterMessage::Invocation { request, .. }) => (callee, request),
            other => panic!("{other:?}"),
        }
    }
}

/// A session's identity: its own authid is a secret, its public one is not.
pub(in crate::realm) fn identity(session: u64) -> Arc<Identity> {
    Arc::new(Identity {
        lease: Lease::default(),
        authid: AuthId::Tracking {
            id: TrackingId::parse(&format!("secret{session}")).unwrap(),
            public: Arc::from(format!("public{session}")),
        },
        authrole: Name::known("user"),
        authmethod: "anonymous",
        authprovider: "policy",
        authextra: None,
        standing: None,
    })
}

/// The only thing that was sent.
pub(in crate::realm) fn only(sent: Sent) -> (u64, RouterMessage) {
    match <[_; 1]>::try_from(sent) {
        Ok([one]) => one,
        Err(sent) => panic!("not one message: {sent:?}"),
    }
}

/// The ERROR that was the only thing sent: receiver, request type, request, URI.
pub(in crate::realm) fn refused(sent: Sent) -> (u64, u64, u64, String) {
    match only(sent) {
        (receiver, RouterMessage::Error { request_type, request, error, payload, .. }) => {
            let args: Vec<String> = serde_json::from_slice(&payload.args.unwrap()).unwrap();
            assert!(args.len() == 1 && args[0].len() > 10, "no explanation: {args:?}");
            (receiver, request_type, request, error.as_str().to_owned())
        }
        other => panic!("no ERROR: {other:?}"),
    }
}

fn flatten(out: &mut Deliveries) -> Sent {
    let mut sent = Vec::new();
    out.drain(|receivers, message| sent.extend(receivers.iter().map(|to| (to.0, message.clone()))));
    sent
}

pub(in crate::realm) fn uri(text: &str) -> Uri {
    Uri::parse(text).unwrap()
}

pub(in crate::realm) fn payload(args: &'static str) -> Payload {
    Payload { serializer: Serializer::Json, args: Some(Bytes::from_static(args.as_bytes())), kwargs: None }
}

pub(in crate::realm) fn rule(uri: &str) -> Permission {
    Permission {
        uri: uri.to_owned(),
        matching: UriMatch::Exact,
        call: true,
        register: true,
        publish: true,
        subscribe: true,
        disclose_caller: false,
        disclose_publisher: false,
    }
}

pub(in crate::realm) fn subscribe(request: u64, topic: &str) -> ClientMessage {
    ClientMessage::Subscribe { request, options: SubscribeOptions::default(), topic: uri(topic).into() }
}

pub(in crate::realm) fn publish(request: u64, topic: &str, options: PublishOptions) -> ClientMessage {
    ClientMessage::Publish { request, options, topic: uri(topic), payload: payload("[\"event\"]") }
}

pub(in crate::realm) fn register(request: u64, procedure: &str) -> ClientMessage {
    ClientMessage::Register { request, options: RegisterOptions::default(), procedure: uri(procedure).into() }
}

pub(in crate::realm) fn call(request: u64, procedure: &str) -> ClientMessage {
    let options = CallOptions::default();
    ClientMessage::Call { request, options, procedure: uri(procedure), payload: payload("[\"call\"]") }
}

pub(in crate::realm) fn yields(request: u64) -> ClientMessage {
    ClientMessage::Yield { request, options: YieldOptions::default(), payload: payload("[\"result\"]") }
}

pub(in crate::realm) fn registers(request: u64, procedure: &str, options: RegisterOptions) -> ClientMessage {
    let procedure = Pattern::parse(procedure, options.matching).unwrap();
    ClientMessage::Register { request, options, procedure }
}

pub(in crate::realm) fn subscribes(request: u64, topic: &str, options: SubscribeOptions) -> ClientMessage {
    let topic = Pattern::parse(topic, options.matching).unwrap();
    ClientMessage::Subscribe { request, options, topic }
}

pub(in crate::realm) fn calls(request: u64, procedure: &str, options: CallOptions) -> ClientMessage {
    ClientMessage::Call { request, options, procedure: uri(procedure), payload: payload("[\"call\"]") }
}
