//! A Redis of the test's own: the real server, in a folder of its own, which goes with it.

use std::{
    ffi::OsString,
    net::TcpListener,
    path::PathBuf,
    process::{Child, Command, Stdio},
    sync::OnceLock,
    thread,
    time::{Duration, Instant},
};

use rustix::process::Signal;
use tempfile::TempDir;

use super::{PATIENCE, signal};

/// A running server. Dropping it kills it.
#[derive(Debug)]
pub(crate) struct RedisServer {
    folder: TempDir,
    process: Option<Child>,
    /// What it is told beyond what all are.
    arguments: Vec<String>,
}

/// Which server the tests start, if not the `redis-server` of the system: a Valkey, or another version.
const PROGRAM: &str = "WAMPGATE_TEST_REDIS_SERVER";

fn program() -> OsString {
    std::env::var_os(PROGRAM).unwrap_or_else(|| "redis-server".into())
}

/// Whether there is a server to start. If not, a line says that tests are left out.
pub(crate) fn is_there() -> bool {
    static IS_THERE: OnceLock<bool> = OnceLock::new();
    *IS_THERE.get_or_init(|| {
        let is_there = Command::new(program()).arg("--version").stdout(Stdio::null()).status().is_ok();
        if !is_there {
            println!("no `redis-server` is installed: the tests that need one are left out");
        }
        is_there
    })
}

/// Whether it is another server than the system's, which may have been built without TLS.
pub(crate) fn is_another() -> bool {
    std::env::var_os(PROGRAM).is_some()
}

impl RedisServer {
    /// A server without a disk.
    pub(crate) fn start() -> Self {
        Self::with(&[])
    }

    /// A server that has each change on its disk before it acknowledges the change.
    pub(crate) fn keeping_all() -> Self {
        Self::with(&["--appendonly", "yes", "--appendfsync", "always"])
    }

    /// A server that is told this as well.
    pub(crate) fn with(arguments: &[&str]) -> Self {
        let arguments = arguments.iter().map(|&argument| argument.to_owned()).collect();
        let mut server = Self { folder: tempfile::tempdir().unwrap(), process: None, arguments };
        server.run();
        server
    }

    /// Starts it again, with what it has kept.
    pub(crate) fn run(&mut self) {
        let mut command = Command::new(program());
        command.arg("--port").arg("0").arg("--unixsocket").arg(self.socket());
        command.arg("--dir").arg(self.folder.path()).args(["--save", "", "--appendonly", "no"]);
        command.args(["--maxmemory-policy", "noeviction"]).args(&self.arguments);
        self.process = Some(command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap());
        self.await_answer();
    }

    fn await_answer(&self) {
        let end = Instant::now() + PATIENCE;
        while !self.try_cli(&["PING"]).is_some_and(|answer| answer.contains("PONG")) {
            assert!(Instant::now() < end, "redis-server does not answer");
            thread::sleep(Duration::from_millis(10));
        }
    }

    /// A Sentinel that watches the service `main`, whose primary is at this port. It gives the primary up after ten seconds: on a busy
    /// machine that is there it must not, and then it does not take a replica that was cut off for ten times that long.
    pub(crate) fn sentinel(port: &str, of: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let config = folder.path().join("sentinel.conf");
        let text = format!(
            "port {port}\nsentinel monitor main 127.0.0.1 {of} 1\nsentinel down-after-milliseconds main 10000\n\
             sentinel failover-timeout main 2000\nunixsocket {}\n",
            folder.path().join("redis.sock").display()
        );
        std::fs::write(&config, text).unwrap();
        let mut command = Command::new(program());
        command.arg(config).arg("--sentinel").stdout(Stdio::null()).stderr(Stdio::null());
        let server = Self { folder, process: Some(command.spawn().unwrap()), arguments: Vec::new() };
        server.await_answer();
        // A Sentinel that gets no turn for two seconds would do nothing for half a minute. This limit can be changed from
        // version 7 on.
        let _ = server.try_cli(&["SENTINEL", "DEBUG", "tilt-trigger", "60000"]);
        server
    }

    /// Where it listens.
    pub(crate) fn url(&self) -> String {
        format!("unix:{}", self.socket().display())
    }

    fn socket(&self) -> PathBuf {
        self.folder.path().join("redis.sock")
    }

    /// A port for a server that others find over the network. It is below those that the system gives to connections and to
    /// listeners that ask for any, which tests beside this one might get before the server listens there.
    pub(crate) fn free_port() -> String {
        loop {
            let port = rand::random_range(20_000..32_000);
            if TcpListener::bind(("127.0.0.1", port)).is_ok() {
                return port.to_string();
            }
        }
    }

    /// Carries out a command with `redis-cli`.
    pub(crate) fn cli(&self, arguments: &[&str]) -> String {
        self.try_cli(arguments).unwrap()
    }

    fn try_cli(&self, arguments: &[&str]) -> Option<String> {
        let output = Command::new("redis-cli").arg("-s").arg(self.socket()).args(arguments).output().ok()?;
        Some(String::from_utf8_lossy(&output.stdout).into_owned())
    }

    /// Kills it on the spot.
    pub(crate) fn kill(&mut self) {
        if let Some(mut process) = self.process.take() {
            // A stopped process is killed as well.
            process.kill().unwrap();
            process.wait().unwrap();
            drop(std::fs::remove_file(self.socket()));
        }
    }

    /// Stops it, so that its connections are open and say nothing.
    pub(crate) fn stop(&self) {
        self.signal(Signal::STOP);
    }

    /// Lets it go on.
    pub(crate) fn go_on(&self) {
        self.signal(Signal::CONT);
    }

    fn signal(&self, signal: Signal) {
        signal::send(self.process.as_ref().unwrap().id(), signal);
    }
}

impl Drop for RedisServer {
    fn drop(&mut self) {
        self.kill();
    }
}

/// A cluster of servers without replicas: three, each of which has a third of the keys.
#[derive(Debug)]
pub(crate) struct RedisCluster {
    /// Each with its port.
    servers: Vec<(String, RedisServer)>,
}

impl RedisCluster {
    pub(crate) fn start() -> Self {
        let mut cluster = Self { servers: Vec::new() };
        for slots in ["0 5460", "5461 10922", "10923 16383"] {
            cluster.add(Some(slots));
        }
        cluster.await_whole();
        cluster
    }

    /// One more server, which has no slots.
    pub(crate) fn grow(&mut self) {
        self.add(None);
        self.await_whole();
    }

    fn add(&mut self, slots: Option<&str>) {
        let (port, bus) = (RedisServer::free_port(), RedisServer::free_port());
        let place = ["--port", &port, "--bind", "127.0.0.1", "--cluster-port", &bus];
        let cluster = ["--cluster-enabled", "yes", "--cluster-node-timeout", "15000"];
        let server = RedisServer::with(&[&place[..], &cluster[..]].concat());
        if let Some((first, last)) = slots.and_then(|slots| slots.split_once(' ')) {
            server.cli(&["CLUSTER", "ADDSLOTSRANGE", first, last]);
            server.cli(&["CLUSTER", "SET-CONFIG-EPOCH", &(self.servers.len() + 1).to_string()]);
        }
        if let Some((_, first)) = self.servers.first() {
            first.cli(&["CLUSTER", "MEET", "127.0.0.1", &port, &bus]);
        }
        self.servers.push((port, server));
    }

    /// Waits until all servers know each other, and serve all keys.
    pub(crate) fn await_whole(&self) {
        let end = Instant::now() + PATIENCE;
        let known = format!("cluster_known_nodes:{}", self.servers.len());
        for (_, server) in &self.servers {
            let is_whole = || {
                let info = server.cli(&["CLUSTER", "INFO"]);
                info.contains("cluster_state:ok") && info.contains(&known)
            };
            while !is_whole() {
                assert!(Instant::now() < end, "the cluster does not become whole");
                thread::sleep(Duration::from_millis(20));
            }
        }
    }

    /// Names two of its servers.
    pub(crate) fn url(&self) -> String {
        format!("redis+cluster://127.0.0.1:{},127.0.0.1:{}", self.servers[1].0, self.servers[2].0)
    }

    /// One of its servers, and its port.
    pub(crate) fn server(&mut self, number: usize) -> (&str, &mut RedisServer) {
        let (port, server) = &mut self.servers[number];
        (port, server)
    }

    /// The keys of one of its servers.
    pub(crate) fn keys(&self, number: usize) -> Vec<String> {
        self.servers[number].1.cli(&["KEYS", "*"]).lines().map(ToOwned::to_owned).collect()
    }

    /// Moves the slot of a key to the last server that does not have it, and calls back when the key has moved and the slot has not.
    pub(crate) fn move_slot_of(&self, key: &str, halfway: impl FnOnce()) {
        let text = |server: &RedisServer, command: &[&str]| server.cli(command).trim().to_owned();
        let slot = text(&self.servers[0].1, &["CLUSTER", "KEYSLOT", key]);
        let has = |server: &RedisServer| text(server, &["CLUSTER", "COUNTKEYSINSLOT", &slot]) != "0";
        let from = self.servers.iter().position(|(_, server)| has(server)).unwrap();
        let (_, from) = &self.servers[from];
        let (port, to) = self.servers.iter().rev().find(|(_, server)| !has(server)).unwrap();
        let (from_id, to_id) = (text(from, &["CLUSTER", "MYID"]), text(to, &["CLUSTER", "MYID"]));
        to.cli(&["CLUSTER", "SETSLOT", &slot, "IMPORTING", &from_id]);
        from.cli(&["CLUSTER", "SETSLOT", &slot, "MIGRATING", &to_id]);
        let moved = text(from, &["MIGRATE", "127.0.0.1", port, key, "0", "5000"]);
        assert_eq!(moved, "OK");
        halfway();
        // First the server that gets it.
        for server in [to].into_iter().chain(self.servers.iter().map(|(_, server)| server)) {
            assert_eq!(text(server, &["CLUSTER", "SETSLOT", &slot, "NODE", &to_id]), "OK");
        }
    }
}
