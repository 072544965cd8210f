//! The commands that help to get the gateway running: each from outside, as an operator uses it.

mod places;

use std::{fs, net::TcpListener, path::Path};

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::support::command::{Ran, run, wampgate};

/// Runs the command without the environment of the tests.
fn command(arguments: &[&str], env: &[(&str, &str)]) -> Ran {
    run(wampgate().env_clear().args(arguments).envs(env.iter().copied()), "")
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

/// A node directory with a configuration of these transports.
fn node(transports: &Value) -> TempDir {
    let dir = TempDir::new().unwrap();
    fs::write(dir.path().join("config.json"), json!({ "transports": transports }).to_string()).unwrap();
    dir
}

fn tcp(port: u16) -> Value {
    json!({ "type": "websocket", "endpoint": { "type": "tcp", "interface": "127.0.0.1", "port": port } })
}

#[test]
fn init_writes_a_configuration_that_passes_and_overwrites_nothing() {
    let dir = TempDir::new().unwrap();
    let node = dir.path().join("node");
    let told = command(&["init", text(&node)], &[]).printed();
    assert!(told.contains("config.json") && told.contains("wampgate run --node-dir"), "{told}");
    let checked = command(&["check", "--node-dir", text(&node)], &[]).printed();
    assert!(
        checked.ends_with("config.json: OK, 1 realm, 1 transport\n") && !checked.contains("warning"),
        "{checked}"
    );
    let written = fs::read_to_string(node.join("config.json")).unwrap();
    assert!(written.contains("$comment") && written.contains("cookies.dat"));

    fs::write(node.join("config.json"), "mine").unwrap();
    let said = command(&["init", text(&node)], &[]).complained();
    assert!(said.contains("is there already and stays as it is"), "{said}");
    assert_eq!(fs::read_to_string(node.join("config.json")).unwrap(), "mine");
}

#[test]
fn a_container_names_the_node_directory_in_the_environment_and_arguments_come_first() {
    let here = node(&json!([tcp(8080)]));
    let faulty = node(&json!([]));
    let env = [("WAMPGATE_NODE_DIR", text(here.path()))];
    assert!(command(&["check"], &env).printed().contains(text(here.path())));
    let file = here.path().join("config.json");
    assert!(command(&["check"], &[("WAMPGATE_CONFIG", text(&file))]).printed().contains(text(&file)));
    assert!(!command(&["check", "--node-dir", text(faulty.path())], &env).success);
}

#[test]
fn a_file_may_stand_outside_of_the_node_directory() {
    let state = TempDir::new().unwrap();
    let mut transport = tcp(0);
    transport["cookie"] = json!({ "store": { "type": "file", "filename": "cookies.dat" } });
    let file = node(&json!([transport]));
    let config = file.path().join("config.json");
    let arguments = ["cookies", "import", "--config", text(&config), "--node-dir", text(state.path())];
    assert_eq!(command(&arguments, &[]).printed(), "added 0 cookies\n");
    assert!(state.path().join("cookies.dat").exists() && !file.path().join("cookies.dat").exists());
    let env = [("WAMPGATE_CONFIG", text(&config)), ("WAMPGATE_NODE_DIR", text(state.path()))];
    assert_eq!(command(&["cookies", "ls"], &env).printed(), "no cookies\n");
}

/// As systemd does it: the first inherited descriptor is 3.
#[test]
fn a_socket_of_the_service_manager_is_taken_instead_of_bound() {
    use std::{
        io::{BufRead as _, BufReader, Read as _, Write as _},
        os::fd::OwnedFd,
        process::{Command, Stdio},
    };

    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port().to_string();
    let dir = node(&json!([tcp(0)]));
    // The shell's process becomes the gateway, so that its number is the gateway's.
    let script = "exec 3<&0 </dev/null; LISTEN_FDS=1 LISTEN_PID=$$ exec \"$@\"";
    let mut gateway = Command::new("sh")
        .args(["-c", script, "sh", env!("CARGO_BIN_EXE_wampgate"), "run", "--port", &port, "--node-dir"])
        .arg(dir.path())
        .stdin(Stdio::from(OwnedFd::from(listener)))
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(gateway.stdout.take().unwrap()).lines().map(Result::unwrap);
    // The reader stays: the gateway has more to say.
    let url = lines.find(|line| line.starts_with("listening on "));
    let address =
        url.as_deref().and_then(|line| line.strip_prefix("listening on http://")).map(str::to_owned);
    let served = address.map(|address| {
        let mut client = std::net::TcpStream::connect(&address).unwrap();
        write!(client, "GET / HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n").unwrap();
        let mut reply = String::new();
        client.read_to_string(&mut reply).unwrap();
        reply
    });
    gateway.kill().unwrap();
    gateway.wait().unwrap();
    assert!(served.as_deref().is_some_and(|reply| reply.starts_with("HTTP/1.1 ")), "{url:?} {served:?}");
}

#[test]
fn a_busy_port_says_which_option_changes_it() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port();
    let dir = node(&json!([tcp(port)]));
    let said = command(&["run", "--node-dir", text(dir.path())], &[]).complained_in_the_log();
    assert!(said.contains(&format!("cannot listen at 127.0.0.1:{port}")), "{said}");
    assert!(said.contains("`endpoint.port` in the configuration, or `--port`"), "{said}");

    // Any of them takes the place of the port in the file, which is free here.
    let dir = node(&json!([tcp(0)]));
    let node_dir = text(dir.path());
    let wanted = port.to_string();
    for (arguments, env) in [
        (&["run", "--node-dir", node_dir, "--port", &wanted][..], &[][..]),
        (&["--node-dir", node_dir, "--port", &wanted], &[]),
        (&["run", "--node-dir", node_dir], &[("WAMPGATE_PORT", wanted.as_str())]),
    ] {
        let said = command(arguments, env).complained_in_the_log();
        assert!(said.contains(&format!("cannot listen at 127.0.0.1:{port}")), "{said}");
    }
}

#[test]
fn an_interface_from_outside_takes_the_place_of_the_one_in_the_file() {
    let taken = TcpListener::bind("127.0.0.2:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    let dir = node(&json!([tcp(0)]));
    let arguments = ["run", "--node-dir", text(dir.path()), "--interface", "127.0.0.2", "--port", &port];
    let said = command(&arguments, &[]).complained_in_the_log();
    assert!(said.contains(&format!("cannot listen at 127.0.0.2:{port}")), "{said}");
}

#[test]
fn a_port_from_outside_needs_one_tcp_transport() {
    let unix = json!({ "type": "websocket", "endpoint": { "type": "unix", "path": "gate.sock" } });
    for (transports, number) in [(json!([tcp(0), tcp(1)]), 2), (json!([unix]), 0)] {
        let dir = node(&transports);
        let said =
            command(&["run", "--node-dir", text(dir.path()), "--port", "9"], &[]).complained_in_the_log();
        assert!(said.contains(&format!("transports: {number} transports listen at TCP ports")), "{said}");
    }
}

#[test]
fn a_configuration_is_checked_where_its_secrets_are_absent() {
    let auth = json!({
        "ticket": { "type": "static", "principals": {
            "joe": { "ticket": "${JOES_TICKET}", "role": "anonymous" },
            "eve": { "ticket": { "file": "absent" }, "role": "anonymous" },
        } },
        "wampcra": { "type": "static", "users": {
            "ann": { "secret": "${ANNS_KEY}", "salt": "salt", "role": "anonymous" },
        } },
        "scram": { "type": "static", "principals": {
            "bob": { "kdf": "pbkdf2", "iterations": 4096, "salt": "00112233445566778899aabbccddeeff", "role": "anonymous",
                "stored-key": "${BOBS_KEY}", "server-key": { "file": "absent" } },
        } },
    });
    let mut transport = tcp(8080);
    transport["auth"] = auth;
    let dir = node(&json!([transport]));
    let check = |more: &[&str]| command(&[&["check", "--node-dir", text(dir.path())], more].concat(), &[]);
    let faults = check(&[]);
    assert!(!faults.success && faults.stdout.ends_with(": 5 faults\n"), "{faults:?}");
    let warned = check(&["--allow-missing-secrets"]).printed();
    assert!(warned.contains("warning: transports[0].auth.ticket.principals.joe.ticket: the environment variable JOES_TICKET is not set"), "{warned}");
    assert_eq!(warned.lines().filter(|line| line.starts_with("warning: ")).count(), 5, "{warned}");
    assert!(warned.ends_with(": OK, 1 realm, 1 transport\n"), "{warned}");
    // Everything else is checked all the same.
    let env = [("BOBS_KEY", "5ecret")];
    let arguments = ["check", "--node-dir", text(dir.path()), "--allow-missing-secrets"];
    assert!(command(&arguments, &env).stdout.contains("is not a key, use 64 hexadecimal digits"));
}

#[test]
fn the_version_tells_features_and_contracts() {
    let told = command(&["version"], &[]).printed();
    assert!(told.starts_with(&format!("wampgate {}\n", env!("CARGO_PKG_VERSION"))), "{told}");
    assert!(told.contains("features   ") && told.contains("cli"), "{told}");
    assert!(told.contains("contracts  wampgate:authid 0.1.0, 0.2.0"), "{told}");
    let json = &command(&["version", "--json"], &[]).json()[0];
    assert_eq!(json["version"], env!("CARGO_PKG_VERSION"));
    assert_eq!(json["contracts"]["wampgate:authid"][0], "0.1.0");
}

#[test]
fn shells_and_man_know_every_subcommand() {
    for shell in ["bash", "zsh", "fish"] {
        let completions = command(&["completions", shell], &[]).printed();
        assert!(completions.contains("cookies") && completions.contains("allow-missing-secrets"), "{shell}");
    }
    let page = command(&["man"], &[]).printed();
    assert!(page.contains(".TH") && page.contains("wampgate"), "{page}");
    let dir = TempDir::new().unwrap();
    command(&["man", text(dir.path())], &[]).printed();
    for page in ["wampgate", "wampgate-run", "wampgate-cookies-revoke", "wampgate-policy-test"] {
        let written = fs::read_to_string(dir.path().join(format!("{page}.1"))).unwrap();
        assert!(written.contains(".SH NAME") && written.contains(".SH OPTIONS"), "{page}: {written}");
    }
}

impl Ran {
    /// Why a gateway did not start; it may have logged before.
    #[track_caller]
    fn complained_in_the_log(self) -> String {
        assert!(!self.success, "{self:?}");
        self.stderr
    }
}

#[test]
fn an_option_before_a_subcommand_says_where_it_goes() {
    let dir = node(&json!([tcp(0)]));
    let said = command(&["--node-dir", text(dir.path()), "check"], &[]).complained();
    assert!(said.contains("as in 'wampgate check --node-dir <DIR>'"), "{said}");
    // The environment stands before nothing.
    let env = [("WAMPGATE_LOG", "debug"), ("WAMPGATE_PORT", "8080"), ("WAMPGATE_NODE_DIR", text(dir.path()))];
    command(&["check"], &env).printed();
}

#[test]
fn a_wrong_variable_is_named_by_the_commands_that_read_it_and_an_empty_one_is_unset() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port();
    let dir = node(&json!([tcp(port)]));
    let run = ["run", "--node-dir", text(dir.path())];
    for (name, value, remedy) in [
        ("WAMPGATE_PORT", "tcp://10.0.0.1:8080", "enableServiceLinks"),
        ("WAMPGATE_INTERFACE", "localhost", "an IP address"),
        ("WAMPGATE_LOG_FORMAT", "xml", "text or json"),
        ("WAMPGATE_LOG", "verbose", "error, warn, info, debug, trace"),
    ] {
        let said = command(&run, &[(name, value)]).complained();
        assert!(said.contains(&format!("{name}={value}: ")) && said.contains(remedy), "{said}");
        command(&["version"], &[(name, value)]).printed();
        let said = command(&run, &[(name, "")]).complained_in_the_log();
        assert!(said.contains(&format!("cannot listen at 127.0.0.1:{port}")), "{name}: {said}");
    }
    let said = command(&["run", "--node-dir", text(dir.path()), "--log", "loud"], &[]).complained();
    assert!(said.contains("--log loud: use a level (error, warn, info, debug, trace)"), "{said}");
    let said =
        command(&["health", "--node-dir", text(dir.path())], &[("WAMPGATE_PORT", "tcp://10.0.0.1:8080")]);
    assert!(said.complained().contains("WAMPGATE_PORT"));
}

#[test]
fn a_file_in_place_of_a_folder_says_what_to_name_instead() {
    let dir = node(&json!([tcp(0)]));
    let file = dir.path().join("config.json");
    let said = command(&["init", text(&file)], &[]).complained();
    assert!(said.contains("is a file: name the directory that config.json goes into"), "{said}");
    let said = command(&["check", "--node-dir", text(&file)], &[]).stdout;
    assert!(said.contains("the node directory is a file") && said.contains("`--config`"), "{said}");
}

#[test]
fn a_command_that_finds_no_configuration_says_where_it_looked() {
    let dir = TempDir::new().unwrap();
    let here = |arguments: &[&str]| run(wampgate().env_clear().args(arguments).current_dir(dir.path()), "");
    let hint = "there is no .crossbar/config.json here; name a configuration with `--node-dir` or `--config`";
    assert!(here(&["check"]).printed().contains(hint));
    assert!(here(&["cookies", "ls"]).complained().contains(hint));
    // A configuration with a store in memory is none that was not found.
    let mut transport = tcp(0);
    transport["cookie"] = json!({ "store": { "type": "memory" } });
    let dir = node(&json!([transport]));
    let said = command(&["cookies", "ls", "--node-dir", text(dir.path())], &[]).complained();
    assert!(said.contains("there are no cookies") && !said.contains("wampgate init"), "{said}");
}
