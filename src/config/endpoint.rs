//! Endpoints: where a transport listens.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use schemars::json_schema;

use super::{
    Endpoint, SocketAccess, TlsOptions,
    account::{Group, User},
    reader::{
        Json, Located, NodePath, Own, Raw, Walk, Whole, checked_place, checked_text, choice, inline_schema,
        object, quoted_place, variable, whole,
    },
    tls::RawTls,
};
use crate::socket_file;

choice! {
    /// Where a transport listens.
    enum RawEndpoint {
        Tcp(RawTcp) = "tcp",
        Unix(RawUnix) = "unix",
    }
    refuses {
        "twisted" => "use \"tcp\" or \"unix\"",
        "onion" => "make Tor forward to a \"tcp\" endpoint",
    }
}

object! {
    /// A TCP endpoint.
    struct RawTcp {
        /// The port: 1 to 65535, 0 for any free one, or `"${NAME}"` to read it from the environment.
        port: required Port,
        /// The IP address to listen at, or `localhost`. Default: all interfaces.
        interface: optional Located<Interface>,
        /// The IP version, 4 or 6. Default: the interface's, or 4.
        version: optional IpVersion,
        /// How many connections may wait for the gateway to accept them. Default 1024.
        backlog: optional Whole<1, 65_535>,
        /// Whether other processes may listen at the same port (`SO_REUSEPORT`). Default false.
        shared: optional bool,
        /// TLS: `https` and `wss`. Default: none, for clients on this machine or behind a proxy with TLS.
        tls: optional RawTls,
        /// Whether each connection begins with a header of the PROXY protocol, version 1 or 2, in which one of the `trusted_proxies` says
        /// for which client it is. Others are refused. Default false.
        proxy_protocol: optional Located<bool>,
    }
    refuses {
        "portrange" => "write one transport for each port",
        "user_timeout" => "leave it out; `auto_ping_timeout` finds dead connections",
    }
}

object! {
    /// A Unix domain socket.
    struct RawUnix {
        /// The socket's path, absolute or relative to the node directory; at most 107 bytes.
        path: required Located<NodePath>,
        /// The socket's mode, as text of octal digits; to connect, a user needs the permission to write. Default "0666": every
        /// user of the machine.
        mode: optional Located<SocketMode>,
        /// The socket's owner: a user's name or number. Default: the gateway's user.
        owner: optional User,
        /// The socket's group: its name or number. Default: the gateway's.
        group: optional Group,
        /// How many connections may wait for the gateway to accept them. Default 1024.
        backlog: optional Whole<1, 65_535>,
        /// Whether each connection begins with a header of the PROXY protocol, version 1 or 2, in which one of the `trusted_proxies` says
        /// for which client it is. Others are refused. Default false.
        proxy_protocol: optional Located<bool>,
    }
    refuses {
        "tls" => "a Unix socket is reached from this machine alone, leave TLS out, or use \"type\": \"tcp\"",
    }
}

/// What an endpoint asks of a connection before its first request.
#[derive(Debug, Default)]
pub(super) struct Entrance {
    /// None also where something is wrong with it.
    pub(super) tls: Option<TlsOptions>,
    pub(super) wants_tls: bool,
    /// Where `proxy_protocol` stands, if it is on.
    pub(super) proxy_protocol: Option<String>,
}

/// The bits of a mode by which users may write.
const ANY_WRITES: u32 = 0o222;

/// The permission bits of a file.
#[derive(Debug)]
pub(super) struct SocketMode(u32);

/// A TCP port.
#[derive(Debug)]
pub(super) struct Port(u16);

/// An interface.
#[derive(Debug)]
pub(super) enum Interface {
    Localhost,
    Address(IpAddr),
}

/// 4 or 6.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct IpVersion(u64);

impl Raw for Port {
    fn read(json: &Json, walk: &mut Walk<'_>) -> Option<Self> {
        const HINT: &str = "0 to 65535 or \"${NAME}\" for an environment variable";
        let Json::Text(text) = json else {
            let port = whole(json, |port| u16::try_from(port).is_ok(), HINT, walk)?;
            return u16::try_from(port).ok().map(Self);
        };
        let Some(name) = variable(text) else {
            walk.fault(format!("{} is not a port, use {HINT}", quoted_place(text)));
            return None;
        };
        let Some(value) = (walk.surroundings.env)(name) else {
            walk.fault(format!("the environment variable {name} is not set, set it to a port"));
            return None;
        };
        let port = value.trim().parse().ok();
        if port.is_none() {
            let value = quoted_place(&value);
            walk.fault(format!(
                "{value} in the environment variable {name} is not a port, set it to 0 to 65535"
            ));
        }
        port.map(Self)
    }
}

inline_schema!(Port, "Port", |_generator| json_schema!({
    "anyOf": [
        { "type": "integer", "minimum": 0, "maximum": 65535 },
        { "type": "string", "pattern": r"^\$([A-Za-z_][A-Za-z0-9_]*|\{[A-Za-z_][A-Za-z0-9_]*\})$" },
    ],
}));

impl Raw for Interface {
    fn read(json: &Json, walk: &mut Walk<'_>) -> Option<Self> {
        checked_place(
            json,
            "an IP address such as \"127.0.0.1\" or \"::1\", or \"localhost\"",
            walk,
            |text| match text {
                "localhost" => Some(Self::Localhost),
                address => address.parse().ok().map(Self::Address),
            },
        )
    }
}

impl Raw for SocketMode {
    fn read(json: &Json, walk: &mut Walk<'_>) -> Option<Self> {
        checked_text(json, "three octal digits such as \"0660\"", walk, |text| {
            let digits = text.strip_prefix('0').filter(|rest| rest.len() == 3).unwrap_or(text);
            let octal = digits.len() == 3 && digits.bytes().all(|digit| matches!(digit, b'0'..=b'7'));
            if octal { u32::from_str_radix(digits, 8).ok().map(Self) } else { None }
        })
    }
}

inline_schema!(
    SocketMode,
    "SocketMode",
    |_generator| json_schema!({ "type": "string", "pattern": "^0?[0-7]{3}$" })
);

inline_schema!(Interface, "Interface", |_generator| json_schema!({ "type": "string" }));

impl Raw for IpVersion {
    fn read(json: &Json, walk: &mut Walk<'_>) -> Option<Self> {
        whole(json, |version| matches!(version, 4 | 6), "4 or 6", walk).map(Self)
    }
}

inline_schema!(IpVersion, "IpVersion", |_generator| json_schema!({ "enum": [4, 6] }));

impl RawEndpoint {
    pub(super) fn check(self, walk: &mut Walk<'_>) -> (Option<Endpoint>, Entrance) {
        match self {
            Self::Tcp(tcp) => tcp.check(walk),
            Self::Unix(unix) => unix.check(walk),
        }
    }
}

/// Where a switch stands, if it is on.
fn place_if_on(switch: Option<Located<bool>>) -> Option<String> {
    switch.filter(|switch| switch.value).map(|switch| switch.path)
}

impl RawTcp {
    fn check(mut self, walk: &mut Walk<'_>) -> (Option<Endpoint>, Entrance) {
        let entrance = Entrance {
            wants_tls: self.tls.is_some(),
            tls: self.tls.take().and_then(|tls| tls.check(walk)),
            proxy_protocol: place_if_on(self.proxy_protocol.take()),
        };
        (self.endpoint(walk), entrance)
    }

    fn endpoint(self, walk: &mut Walk<'_>) -> Option<Endpoint> {
        let any = |version: Option<IpVersion>, four, six| match version {
            Some(IpVersion(6)) => IpAddr::V6(six),
            _ => IpAddr::V4(four),
        };
        let interface = match self.interface {
            None => any(self.version, Ipv4Addr::UNSPECIFIED, Ipv6Addr::UNSPECIFIED),
            Some(Located { value: Interface::Localhost, .. }) => {
                any(self.version, Ipv4Addr::LOCALHOST, Ipv6Addr::LOCALHOST)
            }
            Some(Located { path, value: Interface::Address(address) }) => {
                let version = if address.is_ipv4() { 4 } else { 6 };
                if let Some(IpVersion(wanted)) = self.version
                    && wanted != version
                {
                    let message = format!(
                        "{address} is not an IPv{wanted} address, although `version` is {wanted}: change one"
                    );
                    walk.fault_at(path, message);
                }
                address
            }
        };
        Some(Endpoint::Tcp {
            interface,
            port: self.port?.0,
            backlog: self.backlog.map_or(Endpoint::DEFAULT_BACKLOG, Whole::get),
            shared: self.shared.unwrap_or(false),
        })
    }
}

impl RawUnix {
    fn check(mut self, walk: &mut Walk<'_>) -> (Option<Endpoint>, Entrance) {
        let entrance =
            Entrance { proxy_protocol: place_if_on(self.proxy_protocol.take()), ..Entrance::default() };
        (self.endpoint(walk), entrance)
    }

    fn endpoint(self, walk: &mut Walk<'_>) -> Option<Endpoint> {
        let Located { path, value } = self.path?;
        let length = value.path.as_os_str().len();
        if length > socket_file::MAX_PATH {
            let most = socket_file::MAX_PATH;
            walk.fault_at(path, format!("the whole path has {length} bytes, use at most {most}"));
        } else {
            walk.protect(Own::Socket, &value.path, path);
        }
        if let Some(Located { path, value: SocketMode(mode) }) = &self.mode
            && mode & ANY_WRITES == 0
        {
            walk.warn_at(path, "lets no user connect but root: to connect, a user needs the permission to write, as with \"0660\"");
        }
        let default = SocketAccess::default();
        Some(Endpoint::Unix {
            path: value.path,
            access: SocketAccess {
                mode: self.mode.map_or(default.mode, |mode| mode.value.0),
                owner: self.owner.map(|user| user.0).or(default.owner),
                group: self.group.map(|group| group.0).or(default.group),
            },
            backlog: self.backlog.map_or(Endpoint::DEFAULT_BACKLOG, Whole::get),
        })
    }
}
