//! `upstream` of a `websocket` path: a WAMP router behind the gateway, which its clients join.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    Account, Among, Choosing, Login, Proof, RealmOptions, RemoteOptions, RemoteRealm, RoleOptions, Roles,
    Secret, SessionLimits, Signer, SigningKeys, TokenLogin, UpstreamAddress, UpstreamPlace,
    among::{RawUpstreams, checked, either},
    auth::hex::HexSecret,
    reader::{Located, Millis, NodePath, Walk, Whole, choice, object, quoted},
    signing::Signing,
    upstream::{Address, HostName, RawProbe, RawUpstream},
    websocket::{MAX_SIZE, SerializerName, Shared},
};
use crate::{assertion::SigningKey, handshake, identity::Name, wamp::Uri};

/// Roles that Crossbar does not look up for sessions of a proxy.
const UNCHECKED: [&str; 2] = ["anonymous", "trusted"];

choice! {
    /// What the clients of a `websocket` path join in place of the realms of the gateway.
    enum RawRemote {
        Wamp(RawWampRouter) = "wamp",
    }
    refuses {
        "websocket" => "for a server that speaks something else than WAMP write a path of \"type\": \"websocket-proxy\"",
        "crossbar" => "write \"type\": \"wamp\"; how the gateway joins stands in `auth`",
    }
}

object! {
    /// A WAMP router behind the gateway. The gateway finds out who a client is, joins the router as that, and passes messages both ways.
    struct RawWampRouter {
        /// Where it is. Over WebSocket: `ws://10.0.0.5:8080/ws`, `wss://router.example/ws`, `unix:/run/router.sock:/ws`. Over RawSocket:
        /// `rs://10.0.0.5:8081`, `rss://router.example:8443`, `rs+unix:/run/router.sock`.
        addresses: required Located<Vec<Located<Address>>>,
        /// To which address a client goes: one after the other (`round-robin`), the one with the fewest sessions of this path
        /// (`least-connections`), or each client to the same one (`sticky`), by its cookie or else by its address. Default `round-robin`.
        choice: optional Located<Choosing>,
        /// Has the gateway ask each address again and again whether it answers. Default: off.
        probe: optional RawProbe,
        /// The realms of the router that clients may join.
        realms: required Located<Vec<RawRemoteRealm>>,
        /// How the gateway joins the router.
        auth: required Located<RawLogin>,
        /// What the gateway may speak with the router, the preferred serializer first. That of the client comes before it if it is
        /// among them, so that messages pass as they are. Default: `cbor`, `msgpack`, `json`.
        serializers: optional Located<Vec<SerializerName>>,
        /// How long a connection to an address may take, name and TLS included, in milliseconds; then the next one is tried.
        /// The last one has what is left of three times that. Default 1,500.
        connect_timeout: optional Millis<10, 60_000>,
        /// How long the router may take to answer the handshake of WebSocket or RawSocket, in milliseconds. Default 5,000.
        response_timeout: optional Millis<10, 600_000>,
        /// How long the router may take from HELLO to WELCOME, in milliseconds. Default 5,000.
        join_timeout: optional Millis<10, 600_000>,
        /// How many sessions of clients it may have. Default 10,000.
        max_connections: optional Whole<1, 10_000_000>,
        /// The largest message that the router may send, in bytes. A larger one ends its session. Until WELCOME it is 64 KiB at most. Default 16 MiB.
        max_message_size: optional Whole<1024, MAX_SIZE>,
        /// What stands in `Host`; RawSocket has no such thing. Default: the host of the address.
        host: optional HostName,
        /// Files with the authorities that certificates of `wss` and `rss` must be from. Default: those that this system trusts.
        ca_certificates: optional Located<Vec<Located<NodePath>>>,
        /// The file with the certificate in PEM that the gateway shows to a router of `wss` or `rss` that asks for one; its chain may follow in the same
        /// file. Default: none.
        certificate: optional Located<NodePath>,
        /// The file with the certificate's private key in PEM. Users other than its owner and its group must not have access to it.
        key: optional Located<NodePath>,
        /// Files with further certificates of the chain, in PEM. Default none.
        chain_certificates: optional Vec<Located<NodePath>>,
    }
    refuses {
        "url" => "write it as the only one of `addresses`",
    }
}

object! {
    /// A realm of a router behind the gateway.
    struct RawRemoteRealm {
        /// What clients call it.
        name: required Located<Uri>,
        /// What the router calls it. Default: the same.
        upstream_name: optional Uri,
        /// The roles that clients may have there. The router decides what they may do.
        roles: required Located<Vec<Located<Name>>>,
    }
}

choice! {
    /// How the gateway joins a router for a client.
    enum RawLogin {
        Ticket(RawTicketLogin) = "ticket",
        Account(RawAccountLogin) = "account",
        Token(RawTokenLogin) = "ticket-token",
        Proxy(RawProxyLogin) = "crossbar",
    }
    refuses {
        "anonymous-proxy" => "write \"crossbar\"",
        "cryptosign-proxy" => "use \"ticket\", or an \"account\"",
        "anonymous" => "the router would know no client: use \"ticket\", or an \"account\"",
    }
}

object! {
    /// The client's own authid, and a ticket that the router takes for every authid: a secret of the gateway and the router.
    struct RawTicketLogin {
        /// The ticket.
        ticket: required Secret,
    }
}

object! {
    /// The client's own authid, and a ticket that the gateway signs: a JSON Web Token with the client's authid (`sub`), role (`role`) and realm
    /// (`aud`), which counts for 30 seconds. An authenticator of the router verifies it.
    struct RawTokenLogin {
        /// Files with private keys in PEM, as for an `assertion`: the first signs.
        keys: optional Located<Vec<Located<NodePath>>>,
        /// In place of `keys`: a private key of Ed25519 in 64 hexadecimal digits, as Crossbar.io writes them.
        key: optional Located<HexSecret>,
        /// Who signs, `iss` of the token. Default `wampgate`.
        issuer: optional Name,
    }
}

object! {
    /// Crossbar's `anonymous-proxy`: the router takes the gateway's word for who the client is. Only over Unix sockets, and over TLS with a
    /// `certificate` of the gateway, since the router takes it from every program that reaches the transport.
    struct RawProxyLogin {}
}

object! {
    /// One account for all clients: the router knows them by nothing else.
    struct RawAccountLogin {
        /// The account's authid.
        authid: required Name,
        /// Its ticket, for the method `ticket`.
        ticket: optional Located<Secret>,
        /// Its secret, for the method `wampcra`.
        wampcra: optional Located<Secret>,
    }
}

/// The realms of the routers of a path that stands at `at`, and where they stand; none: it has those of the gateway. The list is empty if it is
/// not clear which router counts. Of several routers all have the same.
pub(super) fn realms(
    at: &str,
    one: Option<&Located<RawRemote>>,
    several: Option<&Located<RawUpstreams<RawRemote>>>,
    walk: &Walk<'_>,
) -> Option<Located<Vec<RealmOptions>>> {
    if one.is_none() && several.is_none() {
        return None;
    }
    // One of the two has to go, which may be the one that can be read.
    let is_there = |key, is_read| is_read || walk.has_fault_below(&format!("{at}.{key}"));
    let are_both = is_there("upstream", one.is_some()) && is_there("upstreams", several.is_some());
    // Where a key stands twice, the other value may be the right one.
    let are_twice = several.is_some_and(|several| walk.has_fault_at(&several.path));
    let first = several.and_then(|several| several.value.0.first()).map(|(_, first)| first);
    let router = one.or(first).filter(|one| !are_both && !are_twice && !walk.has_fault_at(&one.path));
    Some(match router {
        Some(Located { path, value }) => Located { path: format!("{path}.realms"), value: value.realms() },
        None => Located { path: at.to_owned(), value: Vec::new() },
    })
}

/// The routers of a path.
pub(super) fn checked_routers(
    one: Option<Located<RawRemote>>,
    several: Option<Located<RawUpstreams<RawRemote>>>,
    shared: &mut Shared,
    walk: &mut Walk<'_>,
) -> Option<Among<RemoteOptions>> {
    let among = either(one, several, walk)?;
    let mut first: Option<BTreeMap<String, BTreeSet<String>>> = None;
    checked(among, |Located { path, value }| {
        let router = value.check(shared, walk)?;
        let has: BTreeMap<_, _> = router.realms.iter().map(realm_and_roles).collect();
        // Realms and roles that it seems not to have may be in what is wrong with them.
        if walk.has_fault_at(&path) || walk.has_fault_below(&format!("{path}.realms")) {
            return Some(router);
        }
        // Whose role is to count is decided before the policy chooses.
        if first.get_or_insert_with(|| has.clone()) != &has {
            walk.fault_at(
                path,
                "has other realms or roles than the first of `upstreams`: name the same ones, since a client has its role before the policy chooses; `upstream_name` may differ",
            );
        }
        Some(router)
    })
}

fn realm_and_roles(realm: &RemoteRealm) -> (String, BTreeSet<String>) {
    let roles = match &realm.roles {
        Roles::Listed(roles) => roles.iter().map(|role| role.name.to_string()).collect(),
        Roles::Open => BTreeSet::new(),
    };
    (realm.realm.to_string(), roles)
}

impl RawRemote {
    /// The realms that it has, as what refers to realms and roles wants to know them.
    pub(super) fn realms(&self) -> Vec<RealmOptions> {
        let Self::Wamp(router) = self;
        let realms = router.realms.iter().flat_map(|realms| &realms.value);
        let known = |realm: &RawRemoteRealm| {
            let name = realm.name.as_ref()?.value.clone();
            Some(RealmOptions {
                name,
                roles: realm.roles(),
                per_session: SessionLimits::default(),
                histories: Vec::new(),
            })
        };
        realms.filter_map(known).collect()
    }

    pub(super) fn check(self, shared: &mut Shared, walk: &mut Walk<'_>) -> Option<RemoteOptions> {
        let Self::Wamp(router) = self;
        let RawWampRouter {
            addresses,
            choice,
            probe,
            realms,
            auth,
            serializers,
            connect_timeout,
            response_timeout,
            join_timeout,
            max_connections,
            max_message_size,
            host,
            ca_certificates,
            certificate,
            key,
            chain_certificates,
        } = *router;
        let is_known = certificate.is_some();
        let places: Vec<_> = addresses.iter().flat_map(|addresses| &addresses.value).map(place_of).collect();
        let named = realms.iter().flat_map(|realms| &realms.value).flat_map(|realm| &realm.roles);
        let roles: Vec<_> = named.flat_map(|roles| &roles.value).map(role_of).collect();
        let upstream = RawUpstream {
            addresses,
            choice,
            probe,
            connect_timeout,
            response_timeout,
            max_connections,
            host,
            ca_certificates,
            certificate,
            key,
            chain_certificates,
        };
        if let (Some(place), true) =
            (places.first(), upstream.host.is_some() && places.iter().all(|(_, address)| address.is_raw()))
        {
            walk.warn_at(&place.0, "is one of RawSocket, as all of them are: `host` has no effect");
        }
        let upstream = upstream.check(walk);
        let realms = realms.map(|realms| checked_realms(realms, walk));
        let login = auth.and_then(|auth| auth.value.check(&auth.path, &mut shared.signing, walk));
        let serializers =
            serializers.map(|named| super::websocket::serializers(Some(named), Vec::new(), walk));
        match &login {
            Some(Login::Proxy) => refuse_what_a_proxy_must_not(&places, is_known, &roles, walk),
            Some(Login::Ticket(_) | Login::Account(Account { proof: Proof::Ticket(_), .. })) => {
                warn_of_a_shown_ticket(&places, walk);
            }
            _ => {}
        }
        let (upstream, host) = upstream?;
        let default = RemoteOptions::new(upstream, realms?, login?);
        let mut wire = default.wire.clone();
        if let Some(size) = max_message_size {
            wire.max_message_size = size.get();
        }
        Some(RemoteOptions {
            serializers: serializers.unwrap_or(default.serializers),
            join_timeout: join_timeout.map_or(default.join_timeout, |limit| limit.0),
            host,
            wire,
            ..default
        })
    }
}

impl RawRemoteRealm {
    fn roles(&self) -> Roles {
        let named = self.roles.iter().flat_map(|roles| &roles.value);
        let role = |role: &Located<Name>| RoleOptions {
            name: role.value.clone(),
            permissions: Vec::new(),
            authorizer: None,
        };
        Roles::Listed(named.map(role).collect::<Vec<RoleOptions>>())
    }
}

/// Where an address stands, and the address.
fn place_of(address: &Located<Address>) -> (String, UpstreamAddress) {
    (address.path.clone(), address.value.0.clone())
}

/// Where a role stands, and the role.
fn role_of(role: &Located<Name>) -> (String, Name) {
    (role.path.clone(), role.value.clone())
}

/// Crossbar's `anonymous-proxy` verifies nothing: neither who connects nor some roles.
fn refuse_what_a_proxy_must_not(
    places: &[(String, UpstreamAddress)],
    is_known: bool,
    roles: &[(String, Name)],
    walk: &mut Walk<'_>,
) {
    let is_open = |address: &UpstreamAddress| {
        let proves = address.has_tls && is_known;
        matches!(address.place, UpstreamPlace::Tcp(..)) && !proves
    };
    for (path, _) in places.iter().filter(|(_, address)| is_open(address)) {
        walk.fault_at(
            path,
            "the router would take the word of every program that reaches it here: use a Unix socket, TLS with a `certificate` of the gateway that \
             the router asks for, or \"ticket-token\"",
        );
    }
    for (path, role) in roles.iter().filter(|(_, role)| UNCHECKED.contains(&role.as_str())) {
        walk.fault_at(
            path,
            format!("Crossbar lets a session with the role {} do everything, whatever its configuration says: use another name", quoted(role)),
        );
    }
}

/// What listens in the network could be any client from then on.
fn warn_of_a_shown_ticket(places: &[(String, UpstreamAddress)], walk: &mut Walk<'_>) {
    let is_shown = |address: &UpstreamAddress| {
        let is_far = matches!(&address.place, UpstreamPlace::Tcp(host, _) if !handshake::is_loopback(host));
        is_far && !address.has_tls
    };
    for (path, _) in places.iter().filter(|(_, address)| is_shown(address)) {
        walk.warn_at(
            path,
            "the ticket of `auth` crosses the network as plain text: use `wss`, `rss` or a Unix socket, or \"ticket-token\" or the `wampcra` of an account, which show no secret",
        );
    }
}

fn checked_realms(
    Located { path, value: realms }: Located<Vec<RawRemoteRealm>>,
    walk: &mut Walk<'_>,
) -> Vec<RemoteRealm> {
    if realms.is_empty() && !walk.has_fault_below(&path) {
        walk.fault_at(&path, "the list is empty, so no client could join: name a realm of the router");
    }
    let mut checked: Vec<RemoteRealm> = Vec::new();
    for realm in realms {
        let roles = realm.roles();
        if let Some(Located { path, value }) = &realm.roles
            && value.is_empty()
            && !walk.has_fault_below(path)
        {
            walk.fault_at(
                path,
                "the list is empty, so no client could join: name the roles that clients may have",
            );
        }
        let Some(Located { path, value: name }) = realm.name else { continue };
        if checked.iter().any(|other| other.realm == name) {
            walk.fault_at(path, format!("the realm {} stands there twice, keep one", quoted(name.as_str())));
            continue;
        }
        let upstream_name = realm.upstream_name.unwrap_or_else(|| name.clone());
        if let Some(other) = checked.iter().find(|other| other.name == upstream_name) {
            let (own, other) = (quoted(upstream_name.as_str()), quoted(other.realm.as_str()));
            walk.warn_at(
                path,
                format!("is the realm {own} of the router, as {other} is: clients of both meet there"),
            );
        }
        checked.push(RemoteRealm { realm: name, name: upstream_name, roles });
    }
    checked
}

impl RawTokenLogin {
    fn check(self, at: &str, signing: &mut Signing, walk: &mut Walk<'_>) -> Option<TokenLogin> {
        signing.is_wanted = true;
        let keys = match (self.key, self.keys) {
            (Some(Located { path, value: key }), None) => match SigningKey::of_seed(&key.secret()) {
                Ok(key) => SigningKeys::of_key(key),
                Err(fault) => {
                    walk.fault_at(path, fault.to_string());
                    return None;
                }
            },
            (None, Some(keys)) => signing.keys(keys, walk)?,
            (Some(Located { path, .. }), Some(_)) => {
                walk.fault_at(path, "stands beside `keys`: keep one of the two");
                return None;
            }
            (None, None) => {
                if !walk.has_fault_below(at) {
                    walk.fault_at(
                        at,
                        "has no key to sign tickets with: write `keys`, such as [\"signing.pem\"]",
                    );
                }
                return None;
            }
        };
        let issuer = self.issuer.map(|name| name.to_string());
        Some(TokenLogin { signer: Signer::new(keys, issuer, TokenLogin::LIFETIME) })
    }
}

impl RawLogin {
    fn check(self, at: &str, signing: &mut Signing, walk: &mut Walk<'_>) -> Option<Login> {
        match self {
            Self::Ticket(raw) => raw.ticket.map(Login::Ticket),
            Self::Token(raw) => raw.check(at, signing, walk).map(Login::Token),
            Self::Proxy(_) => Some(Login::Proxy),
            Self::Account(raw) => {
                let authid = raw.authid?;
                let proof = match (raw.ticket, raw.wampcra) {
                    (Some(ticket), None) => Proof::Ticket(ticket.value),
                    (None, Some(secret)) => Proof::WampCra(secret.value),
                    (Some(_), Some(Located { path, .. })) => {
                        walk.fault_at(path, "the account has a `ticket` already, keep one");
                        return None;
                    }
                    (None, None) => {
                        if !walk.has_fault_below(at) {
                            walk.fault_at(at, "the account has nothing that proves it: write its `ticket`, or its secret for `wampcra`");
                        }
                        return None;
                    }
                };
                Some(Login::Account(Account { authid, proof }))
            }
        }
    }
}
