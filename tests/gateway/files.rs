//! Files that the operator names: what is no file is refused and does not hang, and what is secret is not served.

use std::{
    fs,
    os::unix::{fs::symlink, process::ExitStatusExt as _},
    path::Path,
    process::Command,
};

use rustix::process::Signal;
use serde_json::{Value, json};

use crate::support::{
    Client, Gateway, Handshake, Jar,
    command::{run, wampgate},
    config::{
        With as _, stores, ticket_auth, tracked, tracked_in, tracked_in_file, untracked, web, web_paths,
    },
};

/// The policy that is built in, as a file.
const POLICY: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/plugins/default/wampgate-default-policy.wasm");

fn make_pipe(path: &Path) {
    assert!(Command::new("mkfifo").arg(path).status().unwrap().success());
}

fn with_policy() -> Value {
    web(&untracked().with("policy", json!({ "component": "policy.wasm" })))
}

#[test]
fn a_pipe_as_component_ends_every_command() {
    let mut gateway = Gateway::prepare(&with_policy());
    make_pipe(&gateway.path().join("policy.wasm"));
    let said = gateway.command_said("check", &[]);
    assert!(said.contains("not a file"), "{said}");
    let inspected = run(wampgate().args(["policy", "inspect"]).arg(gateway.path().join("policy.wasm")), "");
    assert!(!inspected.success && inspected.stderr.contains("not a file"), "{inspected:?}");
    assert!(!gateway.run_to_end().success());
}

#[test]
fn a_pipe_or_a_device_as_configuration_or_secret_is_a_fault() {
    let folder = tempfile::tempdir().unwrap();
    let pipe = folder.path().join("config.json");
    make_pipe(&pipe);
    for (file, what) in [(pipe.as_path(), "a pipe"), (Path::new("/dev/zero"), "a device")] {
        let checked = run(wampgate().args(["check", "--config"]).arg(file), "");
        assert!(!checked.success && checked.stdout.contains(what), "{checked:?}");
    }
    let mut auth = ticket_auth();
    auth["ticket"]["principals"]["joe"]["ticket"] = json!({ "file": "joe.secret" });
    let mut gateway = Gateway::prepare(&web(&tracked().with("auth", auth)));
    make_pipe(&gateway.path().join("joe.secret"));
    let said = gateway.command_said("check", &[]);
    assert!(said.contains("ticket.file: cannot be read: it is a pipe"), "{said}");
    assert!(!gateway.run_to_end().success());
}

/// A component with a module of so many functions of so many operations, none of which is exported.
fn large_component(functions: usize, operations: usize) -> Vec<u8> {
    // Sections and bodies say how long they are: 7 bits in each byte, least ones first.
    let number = |number: usize| {
        let bytes = (0..5)
            .map(|place| (number >> (7 * place)).to_le_bytes()[0] & 0x7f | if place < 4 { 0x80 } else { 0 });
        bytes.collect::<Vec<u8>>()
    };
    let sized = |content: Vec<u8>| [number(content.len()), content].concat();
    // local 0 = (local 0 + 7) * (local 0 ^ 9), again and again; then local 0.
    let operation = [0x20, 0, 0x41, 7, 0x6a, 0x20, 0, 0x41, 9, 0x73, 0x6c, 0x21, 0];
    let body = sized([vec![0], operation.repeat(operations), vec![0x20, 0, 0x0b]].concat());
    let module = [
        b"\0asm\x01\0\0\0".to_vec(),
        // One type, from i32 to i32, and functions of this type.
        [vec![1], sized(vec![1, 0x60, 1, 0x7f, 1, 0x7f])].concat(),
        [vec![3], sized([number(functions), vec![0; functions]].concat())].concat(),
        [vec![10], sized([number(functions), body.repeat(functions)].concat())].concat(),
    ];
    [b"\0asm\x0d\0\x01\0\x01".to_vec(), sized(module.concat())].concat()
}

/// A component that takes a while to compile: seconds, and little memory.
fn slow_component() -> Vec<u8> {
    large_component(20_000, 40)
}

/// Whether a process compiles for a gateway with this `max_memory`.
fn compiles(max_memory: &str) -> bool {
    let processes = fs::read_dir("/proc").unwrap().filter_map(Result::ok);
    let mut commands = processes.filter_map(|process| fs::read(process.path().join("cmdline")).ok());
    commands.any(|command| {
        let command = String::from_utf8_lossy(&command);
        command.contains("compile-component") && command.contains(max_memory)
    })
}

#[test]
fn a_signal_ends_a_start_that_compiles_and_the_process_that_compiles_for_it() {
    let kinds: [fn(&mut Gateway); 2] =
        [|gateway| assert!(gateway.terminate().success()), |gateway| gateway.kill9()];
    // Sizes that no other test has, not even this one in another run beside it, by which the process is found: multiples of a page.
    let own = 34_603_008 + u64::from(std::process::id() % 1000) * 2 * 65_536;
    for (end, max_memory) in kinds.into_iter().zip([own, own + 65_536]) {
        let policy = json!({ "component": "policy.wasm", "max_memory": max_memory });
        let mut gateway = Gateway::prepare(&web(&untracked().with("policy", policy)))
            .file("policy.wasm", slow_component())
            .environment("XDG_CACHE_HOME", "/nowhere")
            .launched();
        let deadline = std::time::Instant::now() + crate::support::PATIENCE;
        let wait_until = |wanted: bool| {
            while compiles(&max_memory.to_string()) != wanted {
                assert!(std::time::Instant::now() < deadline, "compiling: {}", !wanted);
                std::thread::park_timeout(std::time::Duration::from_millis(5));
            }
        };
        wait_until(true);
        end(&mut gateway);
        wait_until(false);
    }
}

/// The process that compiles has a budget, or what the operator gives the gateway if that is less. This test gives it less,
/// so that it ends soon.
#[test]
fn a_component_that_takes_too_much_to_compile_is_given_up_and_the_message_says_what_to_do() {
    for (limit, component, what) in [
        ("ulimit -t 3", slow_component(), "more than 2 seconds of processor time"),
        ("ulimit -d 100000", large_component(1, 100_000), "more than 97 MiB of memory"),
    ] {
        let mut gateway = Gateway::prepare(&with_policy())
            .file("policy.wasm", component)
            .environment("XDG_CACHE_HOME", "/nowhere")
            .after(limit);
        assert!(!gateway.run_to_end().success());
        let said = gateway.output().text();
        assert!(
            said.contains(what) && said.contains("to compile: make it smaller, or split"),
            "{limit}: {said}"
        );
    }
}

#[test]
fn a_pipe_in_the_place_of_a_component_ends_neither_the_reload_nor_the_gateway() {
    let mut gateway = Gateway::prepare(&with_policy()).file("policy.wasm", fs::read(POLICY).unwrap()).run();
    let policy = gateway.path().join("policy.wasm");
    fs::remove_file(&policy).unwrap();
    make_pipe(&policy);
    gateway.signal(Signal::HUP);
    gateway.output().until("the old policy goes on", 1);
    gateway.assert_next_client_is_served();
    fs::remove_file(&policy).unwrap();
    fs::write(&policy, [fs::read(POLICY).unwrap(), b"\0\x02\x01x".to_vec()].concat()).unwrap();
    gateway.signal(Signal::HUP);
    gateway.output().until("policy reloaded", 1);
    assert!(gateway.terminate().success());
}

/// A node with a file of each kind that no client may read, and with a static folder.
fn node(directory: &str) -> Gateway {
    let mut auth = ticket_auth();
    auth["ticket"]["principals"]["joe"]["ticket"] = json!({ "file": "joe.secret" });
    let service = tracked_in_file().with("auth", auth);
    let files = json!({ "type": "static", "directory": directory });
    let gateway = Gateway::prepare(&web_paths(&json!({ "ws": service, "/": files })));
    gateway.file("joe.secret", "correct-horse")
}

#[test]
fn no_folder_is_served_in_which_secrets_lie() {
    let secrets = ["cookies.dat", "joe.secret", "config.json", "wampgate.sock", "and more"];
    for directory in [".", "link", "web/.."] {
        let mut gateway = node(directory);
        symlink(".", gateway.path().join("link")).unwrap();
        fs::create_dir(gateway.path().join("web")).unwrap();
        let said = gateway.command_said("check", &[]);
        assert!(said.contains("paths[\"/\"].directory: clients could read"), "{directory}: {said}");
        assert!(secrets.iter().all(|secret| said.contains(secret)), "{directory}: {said}");
        assert!(!gateway.run_to_end().success());
    }
}

#[test]
fn a_link_that_leads_a_store_or_a_secret_into_the_folder_is_found() {
    for (link, target) in [("cookies.dat", "web/cookies.dat"), ("joe.secret", "web/joe")] {
        let gateway = node("web");
        fs::create_dir(gateway.path().join("web")).unwrap();
        fs::write(gateway.path().join("web/joe"), "secret").unwrap();
        let said = gateway.command_said("check", &[]);
        assert!(said.contains("OK"), "{said}");
        let _ = fs::remove_file(gateway.path().join(link));
        symlink(target, gateway.path().join(link)).unwrap();
        let said = gateway.command_said("check", &[]);
        let name = target.strip_prefix("web/").unwrap();
        assert!(said.contains(&format!("clients could read \"{name}\"")), "{said}");
    }
}

#[test]
fn a_command_whose_reader_has_seen_enough_has_not_failed() {
    let ended = |command: &mut Command| {
        let command = command.stdout(std::process::Stdio::piped());
        let mut process = command.stderr(std::process::Stdio::piped()).spawn().unwrap();
        // As `head` does when it has its lines.
        drop(process.stdout.take());
        process.wait_with_output().unwrap()
    };
    let schema = ended(wampgate().arg("schema"));
    assert!(schema.status.success() && schema.stderr.is_empty(), "{schema:?}");
    let check = ended(wampgate().args(["check", "--config", "no such file"]));
    assert!(!check.status.success() && check.stderr.is_empty(), "what it found counts: {check:?}");
}

#[test]
fn a_gateway_whose_readers_have_gone_goes_on() {
    let gateway = Gateway::prepare(&web(&tracked_in_file()));
    let mut process = wampgate()
        .args(["run", "--log", "debug", "--node-dir"])
        .arg(gateway.path())
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    drop((process.stdout.take(), process.stderr.take()));
    // It listens for commands when it has started, and a command is worth a line in its log.
    let deadline = std::time::Instant::now() + crate::support::PATIENCE;
    while !gateway.path().join("wampgate.sock").exists() {
        assert!(process.try_wait().unwrap().is_none(), "it ended");
        assert!(std::time::Instant::now() < deadline, "it does not start");
        std::thread::park_timeout(std::time::Duration::from_millis(10));
    }
    for _ in 0..3 {
        gateway.command("cookies", &["ls"]);
    }
    assert!(process.try_wait().unwrap().is_none(), "it ended");
    let pid = rustix::process::Pid::from_child(&process);
    rustix::process::kill_process(pid, Signal::TERM).unwrap();
    assert!(process.wait().unwrap().success());
}

#[test]
fn a_busy_port_is_told_once() {
    let first = Gateway::start(&web(&tracked()));
    let mut config = web(&tracked());
    config["transports"][0]["endpoint"]["port"] = first.address().port().into();
    let mut second = Gateway::prepare(&config);
    assert!(!second.run_to_end().success());
    let said = second.output().text();
    assert_eq!(said.matches("in use").count(), 1, "{said}");
    assert!(said.contains("choose another port"), "{said}");
}

#[test]
fn a_gateway_whose_lmdb_file_is_cut_refuses_clients_and_says_so_until_it_is_stopped() {
    let store = stores()[2].clone();
    let mut gateway = Gateway::start(&web(&tracked_in(&store)));
    let mut jar = Jar::default();
    let (mut open, _) = Client::joined(&gateway, &mut jar);
    let data = fs::File::options().write(true).open(gateway.path().join("cookies/data.mdb")).unwrap();
    data.set_len(0).unwrap();
    gateway.output().until("data.mdb was cut while the gateway runs", 1);
    Handshake::default().cookie(jar.id.as_deref().unwrap()).is_refused(&gateway, 503);
    Handshake::default().is_refused(&gateway, 503);
    open.echoes();
    assert!(gateway.terminate().signal().is_none());
}

#[test]
fn a_mapped_file_that_is_gone_ends_the_process_with_a_word() {
    let mut gateway = Gateway::start(&web(&untracked()));
    gateway.signal(Signal::BUS);
    assert_eq!(gateway.await_exit().signal(), Some(Signal::ABORT.as_raw()));
    let said = gateway.output().text();
    assert!(said.contains("SIGBUS: a file that is mapped into memory was cut"), "{said}");
}
