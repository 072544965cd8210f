//! `wampgate health`: whether a gateway is ready, as an exit code. For the health check of a container.

use std::{
    io::{Read as _, Write},
    net::{IpAddr, SocketAddr, TcpStream, ToSocketAddrs as _},
    process::ExitCode,
    time::Duration,
};

use anyhow::{Context as _, bail};
use clap::Args;

use super::{SourceArgs, environment};
use wampgate::{
    admin::{AdminClient, HealthReport, SOCKET},
    config::{self, Config, LoadOptions},
};

/// How long each step of an answer may take.
const PATIENCE: Duration = Duration::from_secs(4);

/// The longest answer: a few names of stores and policies.
const MAX_ANSWER: u64 = 1024 * 1024;

/// Whom to ask.
#[derive(Debug, Clone, Default, Args)]
pub(crate) struct HealthArgs {
    #[command(flatten)]
    source: SourceArgs,
    /// Ask at this URL of a path of type "health", such as `http://127.0.0.1:9090/health/readyz`, instead of the gateway that runs on
    /// the node directory
    #[arg(long, value_name = "URL", conflicts_with_all = ["node_dir", "config"])]
    url: Option<String>,
    /// The port and the interface that `run` got from outside
    #[arg(long, value_name = "PORT", hide = true)]
    port: Option<u16>,
    /// The same
    #[arg(long, value_name = "ADDRESS", hide = true)]
    interface: Option<IpAddr>,
    /// Print the gateway's answer as JSON
    #[arg(long)]
    json: bool,
}

/// Where a gateway answers by HTTP.
#[derive(Debug)]
struct Place {
    /// What stands in `Host`.
    authority: String,
    addresses: Vec<SocketAddr>,
    path: String,
}

/// Asks, and prints the answer. The exit code is 0 if the gateway is ready, and 1 if not, or if no gateway answers.
pub(crate) fn health(args: &HealthArgs, out: &mut impl Write) -> anyhow::Result<ExitCode> {
    let answer = match &args.url {
        Some(url) => ask_by_http(&Place::of_url(url)?)?,
        None => ask_by_configuration(args)?,
    };
    if args.json {
        writeln!(out, "{}", serde_json::to_string(&answer)?)?;
    } else {
        print(&answer, out)?;
    }
    Ok(if answer.is_ready() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn print(answer: &HealthReport, out: &mut impl Write) -> anyhow::Result<()> {
    writeln!(out, "{}", if answer.is_ready() { "ready" } else { "not ready" })?;
    for reason in &answer.reasons {
        match &reason.name {
            Some(name) => writeln!(out, "  {name}: {}", reason.message)?,
            None => writeln!(out, "  {}", reason.message)?,
        }
    }
    Ok(())
}

/// Asks at the socket for commands. A gateway without a node directory has none, and one that drains has closed it: then at the first
/// health path of the configuration.
fn ask_by_configuration(args: &HealthArgs) -> anyhow::Result<HealthReport> {
    let source = args.source.source();
    let node_dir = source.node_dir();
    let socket = node_dir.join(SOCKET);
    let connected = AdminClient::connect(&node_dir)
        .with_context(|| format!("cannot ask the gateway at {}", socket.display()))?;
    // A gateway that runs goes on by what it has read, whatever stands in its files by now.
    if let Some(client) = connected {
        return Ok(client.health(PATIENCE)?);
    }
    let options = LoadOptions {
        port: environment::port(args.port)?,
        interface: environment::interface(args.interface)?,
        without_files: true,
        ..LoadOptions::default()
    };
    let config = config::load_by(&source, &options)?.config;
    let socket = config.node_dir.join(SOCKET);
    match Place::of_config(&config) {
        Some(place) => ask_by_http(&place),
        None => bail!(
            "no gateway listens at {}: none runs on this node directory, it starts, or it drains. A gateway whose node directory does not exist has no \
             socket: give it a path of \"type\": \"health\" at a TCP port without `tls`",
            socket.display()
        ),
    }
}

fn ask_by_http(place: &Place) -> anyhow::Result<HealthReport> {
    let Place { authority, addresses, path } = place;
    let asked = || format!("no answer from http://{authority}{path}");
    let mut stream = connect(addresses).with_context(asked)?;
    stream.set_read_timeout(Some(PATIENCE)).with_context(asked)?;
    stream.set_write_timeout(Some(PATIENCE)).with_context(asked)?;
    // HTTP/1.0, so that the answer ends with the connection.
    write!(stream, "GET {path} HTTP/1.0\r\nHost: {authority}\r\nAccept: application/json\r\n\r\n")
        .with_context(asked)?;
    let mut answer = Vec::new();
    stream.take(MAX_ANSWER).read_to_end(&mut answer).with_context(asked)?;
    let answer = String::from_utf8_lossy(&answer);
    let (head, body) = answer.split_once("\r\n\r\n").unwrap_or((&answer, ""));
    serde_json::from_str(body).map_err(|_| {
        let status = head.lines().next().unwrap_or_default().escape_debug();
        anyhow::anyhow!(
            "http://{authority}{path} does not tell whether a gateway is ready ({status}): name a path of \"type\": \"health\""
        )
    })
}

fn connect(addresses: &[SocketAddr]) -> std::io::Result<TcpStream> {
    let mut last = std::io::ErrorKind::AddrNotAvailable.into();
    for address in addresses {
        match TcpStream::connect_timeout(address, PATIENCE) {
            Ok(stream) => return Ok(stream),
            Err(error) => last = error,
        }
    }
    Err(last)
}

impl Place {
    fn of_url(url: &str) -> anyhow::Result<Self> {
        let is_plain = url.bytes().all(|byte| byte.is_ascii_graphic());
        let Some(rest) = url.strip_prefix("http://").filter(|_| is_plain) else {
            bail!("--url takes a URL that begins with http://, such as http://127.0.0.1:9090/health/readyz");
        };
        let (authority, path) = rest.find('/').map_or((rest, "/"), |place| rest.split_at(place));
        // An IPv6 address has colons of its own, within brackets.
        let has_port = authority.rsplit_once(':').is_some_and(|(_, port)| port.parse::<u16>().is_ok());
        let with_port = if has_port { authority.to_owned() } else { format!("{authority}:80") };
        let addresses =
            with_port.to_socket_addrs().with_context(|| format!("cannot find the host of {url}"))?;
        Ok(Self { authority: authority.to_owned(), addresses: addresses.collect(), path: path.to_owned() })
    }

    /// The first health path at a TCP port that takes plain HTTP from this machine.
    fn of_config(config: &Config) -> Option<Self> {
        config.transports.iter().find_map(|transport| {
            let is_plain = transport.listener.tls.is_none() && !transport.listener.proxy_protocol;
            let address = transport.local_address().filter(|_| is_plain)?;
            let (path, _) =
                transport.edge.root.targets().into_iter().find(|(_, target)| target.kind() == "health")?;
            Some(Self { authority: address.to_string(), addresses: vec![address], path })
        })
    }
}

#[cfg(test)]
mod tests {
    use super::Place;

    #[test]
    fn a_url_is_taken_apart() {
        for (url, authority, address, path) in [
            ("http://127.0.0.1:9090/health/readyz", "127.0.0.1:9090", "127.0.0.1:9090", "/health/readyz"),
            ("http://127.0.0.1", "127.0.0.1", "127.0.0.1:80", "/"),
            ("http://[::1]/h", "[::1]", "[::1]:80", "/h"),
            ("http://[::1]:81/h", "[::1]:81", "[::1]:81", "/h"),
        ] {
            let place = Place::of_url(url).unwrap();
            assert_eq!((&*place.authority, &*place.path), (authority, path));
            assert_eq!(place.addresses, [address.parse().unwrap()]);
        }
        for wrong in ["https://127.0.0.1/", "127.0.0.1:80", "http://127.0.0.1/a b", "http://127.0.0.1/a\r\nb"]
        {
            assert!(Place::of_url(wrong).is_err(), "{wrong}");
        }
    }
}
