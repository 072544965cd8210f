//! A gateway process of the test's own: the real binary, a node directory, and everything that it says.

use std::{
    io::{BufRead as _, BufReader, Read},
    net::{Ipv4Addr, SocketAddr},
    os::unix::fs::PermissionsExt as _,
    path::Path,
    process::{Child, ExitStatus, Stdio},
    sync::{Arc, Condvar, Mutex, PoisonError},
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use rustix::process::Signal;
use serde_json::Value;
use tempfile::TempDir;

use super::{
    Client, Jar, PATIENCE,
    command::{Ran, run, wampgate},
    config,
    patience::patient,
    signal,
};

/// So many of the last lines show what went wrong, and a failure can still be read.
const SHOWN_LINES: usize = 50;

/// A running gateway. Dropping it kills the process and removes the node directory.
#[derive(Debug)]
pub(crate) struct Gateway {
    dir: TempDir,
    arguments: Vec<String>,
    environment: Vec<(String, String)>,
    listeners: usize,
    /// What a shell does before it becomes the gateway.
    shell: Option<String>,
    process: Option<Child>,
    addresses: Vec<SocketAddr>,
    output: Output,
    /// How long it may take until it listens.
    pub(crate) patience: Duration,
    /// Read the output until the process has closed it.
    readers: Vec<JoinHandle<()>>,
}

/// What the process has written to its standard output and standard error, line by line.
#[derive(Debug, Clone, Default)]
pub(crate) struct Output(Arc<(Mutex<String>, Condvar)>);

impl Gateway {
    /// Starts a gateway with this configuration and waits until it listens.
    #[track_caller]
    pub(crate) fn start(config: &Value) -> Self {
        Self::prepare(config).run()
    }

    /// A gateway that has not been started: its node directory is there, with the configuration in it. Where the
    /// configuration says nothing else, its policies and clients have time enough on the busiest machine.
    #[track_caller]
    pub(crate) fn prepare(config: &Value) -> Self {
        Self::prepare_exactly(&patient(config.clone()))
    }

    /// The same with nothing added to the configuration.
    #[track_caller]
    pub(crate) fn prepare_exactly(config: &Value) -> Self {
        let dir = TempDir::new().unwrap();
        std::fs::write(dir.path().join("config.json"), config.to_string()).unwrap();
        Self {
            dir,
            arguments: Vec::new(),
            environment: Vec::new(),
            listeners: config["transports"].as_array().map_or(1, |transports| {
                transports.iter().filter(|transport| transport["endpoint"]["type"] != "unix").count()
            }),
            shell: None,
            process: None,
            addresses: Vec::new(),
            output: Output::default(),
            patience: PATIENCE,
            readers: Vec::new(),
        }
    }

    /// Adds command line arguments behind `run`.
    pub(crate) fn arguments(mut self, arguments: &[&str]) -> Self {
        self.arguments.extend(arguments.iter().map(|&argument| argument.to_owned()));
        self
    }

    /// Has a shell run a command first, such as `ulimit -n 100`.
    pub(crate) fn after(mut self, command: &str) -> Self {
        self.shell = Some(format!("{command}; exec \"$0\" \"$@\""));
        self
    }

    /// Sets an environment variable.
    pub(crate) fn environment(mut self, name: &str, value: &str) -> Self {
        self.environment.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Puts a file into the node directory.
    #[track_caller]
    pub(crate) fn file(self, name: &str, content: impl AsRef<[u8]>) -> Self {
        std::fs::write(self.dir.path().join(name), content).unwrap();
        self
    }

    /// The same for a file of secrets, which only its owner may read.
    #[track_caller]
    pub(crate) fn private_file(self, name: &str, content: impl AsRef<[u8]>) -> Self {
        let gateway = self.file(name, content);
        let mode = std::fs::Permissions::from_mode(0o600);
        std::fs::set_permissions(gateway.dir.path().join(name), mode).unwrap();
        gateway
    }

    /// Starts the process and waits until each transport listens.
    #[track_caller]
    pub(crate) fn run(mut self) -> Self {
        self.launch();
        self.addresses = self.await_listeners();
        self
    }

    /// Starts the process and does not wait for anything.
    #[track_caller]
    pub(crate) fn launched(mut self) -> Self {
        self.launch();
        self
    }

    /// Waits until each transport of a process that was launched listens.
    #[track_caller]
    pub(crate) fn listening(mut self) -> Self {
        self.addresses = self.await_listeners();
        self
    }

    /// Starts a process that is expected to end by itself; its exit status.
    #[track_caller]
    pub(crate) fn run_to_end(&mut self) -> ExitStatus {
        self.launch();
        self.await_exit()
    }

    /// Starts again in the same node directory, at other ports.
    #[track_caller]
    pub(crate) fn restart(&mut self) {
        assert!(self.process.is_none(), "end the gateway first: with terminate() or kill9()");
        self.output = Output::default();
        self.launch();
        self.addresses = self.await_listeners();
    }

    /// Where the first transport listens.
    #[track_caller]
    pub(crate) fn address(&self) -> SocketAddr {
        self.address_of(0)
    }

    /// Where a transport listens, by its place in the configuration.
    #[track_caller]
    pub(crate) fn address_of(&self, transport: usize) -> SocketAddr {
        self.addresses[transport]
    }

    /// The node directory.
    pub(crate) fn path(&self) -> &Path {
        self.dir.path()
    }

    /// Everything that the process has said since it was started.
    pub(crate) fn output(&self) -> Output {
        self.output.clone()
    }

    /// Runs another command on the node directory, in which it starts. It must succeed.
    #[track_caller]
    pub(crate) fn command(&self, command: &str, arguments: &[&str]) {
        self.run_command(command, arguments).printed();
    }

    /// The same for a command that may fail; what it has printed.
    #[track_caller]
    pub(crate) fn command_said(&self, command: &str, arguments: &[&str]) -> String {
        let ran = self.run_command(command, arguments);
        ran.stdout + &ran.stderr
    }

    /// Writes another configuration; the gateway that runs is not told.
    #[track_caller]
    pub(crate) fn configure(&self, config: &Value) {
        let file = self.dir.path().join("config.json");
        std::fs::write(file, patient(config.clone()).to_string()).unwrap();
    }

    /// Has the gateway that runs go by another configuration; what `wampgate reload` has printed, and its exit code.
    #[track_caller]
    pub(crate) fn reload(&self, config: &Value) -> (String, i32) {
        self.configure(config);
        let ran = self.run_command("reload", &[]);
        (ran.stdout + &ran.stderr, ran.code)
    }

    #[track_caller]
    fn run_command(&self, command: &str, arguments: &[&str]) -> Ran {
        let folder = self.dir.path();
        let mut process = wampgate();
        process.arg(command).args(arguments).arg("--node-dir").arg(folder).current_dir(folder);
        run(&mut process, "")
    }

    /// The process's number.
    #[track_caller]
    pub(crate) fn pid(&self) -> u32 {
        self.process.as_ref().map(Child::id).expect("the gateway runs")
    }

    /// Asks the process to end, and does not wait.
    #[track_caller]
    pub(crate) fn signal_term(&self) {
        self.signal(Signal::TERM);
    }

    /// Sends the process a signal.
    #[track_caller]
    pub(crate) fn signal(&self, signal: Signal) {
        signal::send(self.pid(), signal);
    }

    /// SIGTERM, and waits for the end.
    #[track_caller]
    pub(crate) fn terminate(&mut self) -> ExitStatus {
        self.signal_term();
        self.await_exit()
    }

    /// SIGKILL: the process has no chance to tidy up.
    #[track_caller]
    pub(crate) fn kill9(&mut self) {
        let mut process = self.process.take().expect("the gateway runs");
        process.kill().unwrap();
        process.wait().unwrap();
    }

    /// Waits for the process to end by itself.
    #[track_caller]
    pub(crate) fn await_exit(&mut self) -> ExitStatus {
        let mut process = self.process.take().expect("the gateway runs");
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Some(status) = process.try_wait().unwrap() {
                // What it said last may still be on its way.
                self.readers.drain(..).for_each(|reader| reader.join().unwrap());
                return status;
            }
            if Instant::now() > deadline {
                process.kill().unwrap();
                process.wait().unwrap();
                panic!("the gateway did not end within {PATIENCE:?}");
            }
            // There is no portable wait with a limit; the process is not asked more often than needed.
            thread::park_timeout(Duration::from_millis(10));
        }
    }

    /// A new client joins and is served: whatever happened before did no harm.
    #[track_caller]
    pub(crate) fn assert_next_client_is_served(&self) {
        let mut client = Client::open(self, &mut Jar::default());
        client.joins();
        client.echoes();
        client.leaves();
    }

    #[track_caller]
    fn launch(&mut self) {
        let mut command = wampgate();
        if let Some(shell) = &self.shell {
            let program = command.get_program().to_owned();
            command = std::process::Command::new("sh");
            command.arg("-c").arg(shell).arg(program);
        }
        let mut process = command
            .arg("run")
            .arg("--node-dir")
            .arg(self.dir.path())
            .args(&self.arguments)
            .env_remove("WAMPGATE_LOG")
            .envs(self.environment.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let (stdout, stderr) = (process.stdout.take().unwrap(), process.stderr.take().unwrap());
        self.readers = vec![self.output.collect(stdout), self.output.collect(stderr)];
        self.process = Some(process);
    }

    #[track_caller]
    fn await_listeners(&mut self) -> Vec<SocketAddr> {
        let deadline = Instant::now() + self.patience;
        loop {
            let addresses = listening(&self.output.text());
            if addresses.len() == self.listeners {
                return addresses;
            }
            if let Some(status) = self.process.as_mut().and_then(|process| process.try_wait().unwrap()) {
                panic!("the gateway ended with {status} instead of listening");
            }
            assert!(Instant::now() < deadline, "the gateway does not listen");
            self.output.await_more(Duration::from_millis(50));
        }
    }
}

/// A test that fails shows the last lines of each gateway that it has.
impl Drop for Gateway {
    fn drop(&mut self) {
        if let Some(mut process) = self.process.take() {
            let _ = process.kill();
            let _ = process.wait();
        }
        if thread::panicking() {
            self.readers.drain(..).for_each(|reader| drop(reader.join()));
            eprintln!("{}", self.output.last_lines());
        }
    }
}

/// The addresses in the lines `listening on http://127.0.0.1:PORT`, or `https`, `rs`, `rss`, in their order.
fn listening(output: &str) -> Vec<SocketAddr> {
    output
        .lines()
        .filter_map(|line| line.split_once("listening on ")?.1.split_once("://127.0.0.1:"))
        .filter(|(scheme, _)| matches!(*scheme, "http" | "https" | "rs" | "rss"))
        .filter_map(|(_, rest)| {
            let digits: String = rest.chars().take_while(char::is_ascii_digit).collect();
            digits.parse().ok()
        })
        .map(|port: u16| SocketAddr::from((Ipv4Addr::LOCALHOST, port)))
        .collect()
}

impl Output {
    /// All lines so far.
    pub(crate) fn text(&self) -> String {
        self.0.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Waits until a text has been said so many times.
    #[track_caller]
    pub(crate) fn until(&self, text: &str, times: usize) {
        let (said, more) = &*self.0;
        let said = said.lock().unwrap_or_else(PoisonError::into_inner);
        let is_missing = |said: &mut String| said.matches(text).count() < times;
        let waited = more.wait_timeout_while(said, PATIENCE, is_missing);
        let timed_out = waited.is_ok_and(|(_, outcome)| outcome.timed_out());
        assert!(!timed_out, "no {times} times {text:?}");
    }

    fn last_lines(&self) -> String {
        let text = self.text();
        let lines: Vec<&str> = text.lines().collect();
        let shown = &lines[lines.len().saturating_sub(SHOWN_LINES)..];
        format!(
            "--- the gateway's last {} lines of {} ---\n{}\n---",
            shown.len(),
            lines.len(),
            shown.join("\n")
        )
    }

    fn collect(&self, stream: impl Read + Send + 'static) -> JoinHandle<()> {
        let shared = Arc::clone(&self.0);
        thread::spawn(move || {
            let mut stream = BufReader::new(stream);
            let mut line = Vec::new();
            while stream.read_until(b'\n', &mut line).is_ok_and(|length| length > 0) {
                let mut text = shared.0.lock().unwrap_or_else(PoisonError::into_inner);
                text.push_str(&String::from_utf8_lossy(&line));
                line.clear();
                drop(text);
                shared.1.notify_all();
            }
        })
    }

    fn await_more(&self, limit: Duration) {
        let text = self.0.0.lock().unwrap_or_else(PoisonError::into_inner);
        drop(self.0.1.wait_timeout(text, limit));
    }
}

/// A gateway with cookie tracking in memory and no authentication.
#[track_caller]
pub(crate) fn tracking_gateway() -> Gateway {
    Gateway::start(&config::web(&config::tracked()))
}
