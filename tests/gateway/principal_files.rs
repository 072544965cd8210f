//! Principals in a file: `wampgate principals` writes it, and a gateway that runs goes by it within a second.

use std::{
    fs,
    os::unix::fs::{MetadataExt as _, PermissionsExt as _},
    path::PathBuf,
    process::Command,
    time::{Duration, Instant},
};

use serde_json::{Value, json};

use crate::support::{
    Client, Gateway, Jar, PATIENCE,
    auth::Login,
    client::Refused,
    code, command,
    config::{With as _, tracked, untracked, web},
};

const PASSWORD: &str = "correct-horse-battery-staple";

/// Runs `wampgate principals` in the gateway's folder, with a password on standard input.
fn principals(gateway: &Gateway, arguments: &[&str], password: &str) -> String {
    let mut principals: Command = command::wampgate();
    principals.arg("principals").args(arguments).current_dir(gateway.path());
    command::run(&mut principals, password).printed()
}

fn auth() -> Value {
    let file = || json!({ "type": "file", "filename": "principals.json" });
    json!({ "ticket": file(), "wampcra": file(), "scram": file(), "cryptosign": file() })
}

/// A gateway that is not running, whose file of principals is empty.
fn prepared(service: &Value) -> Gateway {
    Gateway::prepare(&web(&service.clone().with("auth", auth()))).private_file("principals.json", "{}")
}

fn file(gateway: &Gateway) -> PathBuf {
    gateway.path().join("principals.json")
}

fn join(gateway: &Gateway, jar: &mut Jar, ticket: &str) -> Result<Client, Refused> {
    let mut client = Client::open(gateway, jar);
    client.join_by_ticket("joe", ticket).map(|_| client)
}

#[track_caller]
fn is_ended(client: &mut Client) {
    let goodbye = client.receive();
    assert_eq!((&goodbye[0], &goodbye[2]), (&json!(code::GOODBYE), &json!("wamp.close.killed")), "{goodbye}");
    assert_eq!(client.socket().await_close(), 1008);
}

#[test]
fn the_command_adds_principals_of_each_method_who_then_log_in() {
    let gateway = prepared(&untracked());
    for (authid, method) in [("joe", "ticket"), ("ann", "wampcra"), ("dan", "wamp-scram")] {
        let added = ["add", "principals.json", authid, "--method", method, "--role", "frontend"];
        assert_eq!(principals(&gateway, &added, &format!("{PASSWORD}\n")), "");
    }
    // What the command writes without `--method` is for `scram`.
    principals(&gateway, &["add", "principals.json", "sue", "--role", "frontend"], PASSWORD);
    let pbkdf2 =
        ["add", "principals.json", "bob", "--method", "wamp-scram", "--kdf", "pbkdf2", "--role", "frontend"];
    principals(&gateway, &pbkdf2, PASSWORD);
    let seed = [7; 32];
    let printed = principals(
        &gateway,
        &["add", "principals.json", "eve", "--method", "cryptosign", "--role", "frontend"],
        "",
    );
    let private = printed.trim().rsplit(' ').next().unwrap();
    let drawn: Vec<u8> = private
        .as_bytes()
        .chunks(2)
        .map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap())
        .collect();
    let written = fs::read_to_string(file(&gateway)).unwrap();
    assert!(!written.contains(private), "the file keeps a private key");
    assert_eq!(written.matches(PASSWORD).count(), 1, "only a ticket stands there as it is");
    assert_eq!(fs::metadata(file(&gateway)).unwrap().mode() & 0o777, 0o600);
    let listed = principals(&gateway, &["ls", "principals.json"], "");
    assert_eq!(listed.lines().count(), 6, "{listed}");
    assert!(listed.contains("sue  scram  role frontend") && !listed.contains(PASSWORD), "{listed}");

    let gateway = gateway.run();
    for (authid, method, seed) in [
        ("joe", "ticket", seed),
        ("ann", "wampcra", seed),
        ("sue", "scram", seed),
        ("dan", "wamp-scram", seed),
        ("bob", "wamp-scram", seed),
        ("bob", "scram", seed),
        ("eve", "cryptosign", drawn.try_into().unwrap()),
    ] {
        let login =
            Login { authid: Some(authid), secret: PASSWORD, seed, ..crate::support::auth::joe(method) };
        let mut client = Client::open(&gateway, &mut Jar::default());
        let welcome = client.join_by(&login).unwrap_or_else(|refused| panic!("{method}: {refused:?}"));
        assert_eq!(
            (&welcome["authid"], &welcome["authrole"]),
            (&json!(authid), &json!("frontend")),
            "{welcome}"
        );
        let wrong = Login { secret: "guess", seed: [9; 32], ..login };
        Client::open(&gateway, &mut Jar::default()).join_by(&wrong).unwrap_err();
    }
}

#[test]
fn a_principal_that_is_removed_loses_its_sessions_within_a_second_and_others_keep_theirs() {
    let service = tracked().with("auth", auth().with("cookie", json!({})));
    let gateway = Gateway::prepare(&web(&service)).private_file("principals.json", "{}");
    let add = |gateway: &Gateway, authid: &str, password: &str| {
        let added =
            ["add", "principals.json", authid, "--method", "ticket", "--role", "frontend", "--replace"];
        principals(gateway, &added, password);
    };
    add(&gateway, "joe", PASSWORD);
    add(&gateway, "ann", PASSWORD);
    let gateway = gateway.run();
    let mut jar = Jar::default();
    let mut joe = join(&gateway, &mut jar, PASSWORD).unwrap();
    let mut by_cookie = Client::open(&gateway, &mut jar);
    by_cookie.join("realm1", json!({ "authmethods": ["cookie"] })).unwrap();
    let mut ann = Client::open(&gateway, &mut Jar::default());
    ann.join_by_ticket("ann", PASSWORD).unwrap();
    // A challenge that waits is no way in either.
    let mut waiting = Client::open(&gateway, &mut Jar::default());
    waiting.hello("realm1", json!({ "authmethods": ["ticket"], "authid": "joe" }));
    assert_eq!(waiting.receive()[0], code::CHALLENGE);

    principals(&gateway, &["rm", "principals.json", "joe"], "");
    let removed = Instant::now();
    is_ended(&mut joe);
    let took = removed.elapsed();
    // A machine that is busy with other tests takes longer than the second that an idle one needs.
    assert!(took < PATIENCE, "{took:?}");
    is_ended(&mut by_cookie);
    waiting.send(&json!([code::AUTHENTICATE, PASSWORD, {}]));
    assert_eq!(waiting.outcome().unwrap_err().reason, "wamp.error.unavailable");
    ann.echoes();
    join(&gateway, &mut Jar::default(), PASSWORD).map(drop).unwrap_err();
    Client::open(&gateway, &mut jar).join("realm1", json!({ "authmethods": ["cookie"] })).unwrap_err();

    // Another secret ends sessions as well, and a file that is wrong ends nothing.
    gateway.output().until("the principals of cryptosign were reloaded", 1);
    fs::write(file(&gateway), "{").unwrap();
    // Once for all methods that have the file.
    let told =
        "goes on with what the file held before: the principals of ticket, wampcra, scram, cryptosign: ";
    gateway.output().until(told, 1);
    ann.echoes();
    fs::write(file(&gateway), "{}").unwrap();
    is_ended(&mut ann);
    add(&gateway, "joe", "another");
    gateway.output().until("there are 1 now", 2);
    join(&gateway, &mut Jar::default(), "another").unwrap();
}

#[test]
fn a_principal_that_goes_or_changes_while_its_challenge_waits_gets_no_session() {
    let gateway = Gateway::prepare(&web(&untracked().with("auth", auth().with("max_failures", json!(0)))))
        .private_file("principals.json", "{}");
    let add = |gateway: &Gateway, authid: &str, method: &str, password: &str| {
        let added = ["add", "principals.json", authid, "--method", method, "--role", "frontend", "--replace"];
        principals(gateway, &added, password);
    };
    let goes = [("bob", "ticket"), ("ann", "wampcra"), ("sue", "scram")];
    let changes = [("joe", "ticket"), ("eve", "wampcra"), ("dan", "scram")];
    for (authid, method) in goes.into_iter().chain(changes) {
        add(&gateway, authid, method, PASSWORD);
    }
    let gateway = gateway.run();
    let waiting: Vec<_> = goes
        .into_iter()
        .chain(changes)
        .map(|(authid, method)| {
            let login = Login { authid: Some(authid), secret: PASSWORD, ..crate::support::auth::joe(method) };
            let mut client = Client::open(&gateway, &mut Jar::default());
            client.hello("realm1", login.hello(&[method]));
            let challenge = client.receive();
            assert_eq!(challenge[0], code::CHALLENGE, "{challenge}");
            (client, login.authenticate(&challenge))
        })
        .collect();
    principals(&gateway, &["rm", "principals.json", "bob", "ann", "sue"], "");
    for (authid, method) in changes {
        add(&gateway, authid, method, "another");
        let login = Login { authid: Some(authid), secret: "another", ..crate::support::auth::joe(method) };
        let begun = Instant::now();
        while Client::open(&gateway, &mut Jar::default()).join_by(&login).is_err() {
            assert!(begun.elapsed() < PATIENCE);
        }
    }
    for (mut client, answer) in waiting {
        client.send(&answer);
        let refused = client.outcome().unwrap_err();
        assert_eq!(refused.reason, "wamp.error.unavailable", "{refused:?}");
    }
}

#[test]
fn the_first_file_that_a_reload_brings_is_looked_at_as_often_as_any() {
    let gateway = Gateway::start(&web(&untracked())).private_file("principals.json", "{}");
    // A file without a principal challenges no client.
    principals(
        &gateway,
        &["add", "principals.json", "ann", "--method", "ticket", "--role", "frontend"],
        PASSWORD,
    );
    let auth = auth().with("max_failures", json!(0));
    let (said, code) = gateway.reload(&web(&untracked().with("auth", auth)));
    assert_eq!(code, 0, "{said}");
    // Where no file of logins is looked at, two looks are a second apart, so that each try would take longer. A busy machine may be late
    // once, but not each time.
    let quick = (0..10).any(|_| {
        principals(
            &gateway,
            &["add", "principals.json", "joe", "--method", "ticket", "--role", "frontend"],
            PASSWORD,
        );
        let added = Instant::now();
        while join(&gateway, &mut Jar::default(), PASSWORD).is_err() {
            assert!(added.elapsed() < PATIENCE);
            std::thread::sleep(Duration::from_millis(20));
        }
        let took = added.elapsed();
        principals(&gateway, &["rm", "principals.json", "joe"], "");
        took < Duration::from_millis(900)
    });
    assert!(quick);
}

#[test]
fn a_file_that_others_may_read_is_refused() {
    let mut gateway = prepared(&untracked());
    fs::set_permissions(file(&gateway), fs::Permissions::from_mode(0o644)).unwrap();
    assert!(!gateway.run_to_end().success());
    assert!(gateway.output().text().contains("chmod o="), "{}", gateway.output().text());
}

#[test]
fn the_command_changes_nothing_when_it_cannot_do_what_it_is_asked_for() {
    let gateway = prepared(&untracked());
    let fails = |arguments: &[&str], password: &str, expected: &str| {
        let mut principals = command::wampgate();
        principals.arg("principals").args(arguments).current_dir(gateway.path());
        let said = command::run(&mut principals, password).complained();
        assert!(said.contains(expected), "{said}");
    };
    principals(&gateway, &["add", "principals.json", "joe", "--role", "frontend"], PASSWORD);
    let before = fs::read(file(&gateway)).unwrap();
    fails(&["add", "principals.json", "joe", "--role", "frontend"], PASSWORD, "has a principal of this name");
    fails(&["add", "principals.json", "ann", "--role", "frontend"], "", "the password is empty");
    fails(&["add", "principals.json", "", "--role", "frontend"], PASSWORD, "the authid is not valid");
    fails(&["rm", "principals.json", "joe", "eve"], "", "there is no principal `eve`");
    fails(&["ls", "absent.json"], "", "there is no file");
    let weak = "00".repeat(32);
    let key =
        ["add", "principals.json", "ann", "--method", "cryptosign", "--role", "frontend", "--key", &weak];
    fails(&key, "", "no public key");
    assert_eq!(fs::read(file(&gateway)).unwrap(), before);
    assert_eq!(
        fs::read_dir(gateway.path())
            .unwrap()
            .filter(|entry| entry.as_ref().unwrap().file_name().to_string_lossy().starts_with(".principals"))
            .count(),
        0
    );
    fails(&["hash", "--method", "ticket", "--key", &weak], PASSWORD, "`--key` is for");
    fails(&["hash", "--method", "ticket", "--kdf", "pbkdf2"], PASSWORD, "`--kdf` is for");
    fails(&["hash", "--kdf", "pbkdf2"], PASSWORD, "use `--method wamp-scram`");
    let hash: Value = serde_json::from_str(&principals(&gateway, &["hash"], PASSWORD)).unwrap();
    assert_eq!((&hash["kdf"], hash["stored-key"].as_str().unwrap().len()), (&json!("argon2id-13"), 64));
}

#[test]
fn the_command_adds_nothing_that_a_gateway_refuses_and_tells_what_it_leaves_of_that_kind() {
    let gateway = prepared(&untracked());
    let run = |arguments: &[&str]| {
        let mut principals: Command = command::wampgate();
        principals.arg("principals").args(arguments).current_dir(gateway.path());
        command::run(&mut principals, PASSWORD)
    };
    let write = |text: &str| fs::write(file(&gateway), text).unwrap();
    let add = |realm: &str| {
        run(&["add", "principals.json", "zoe", "--method", "ticket", "--role", "frontend", "--realm", realm])
    };
    let refused = add("bad realm!");
    assert_eq!(refused.code, 1);
    assert!(refused.stderr.contains("principal `zoe` has a `realm` that is no URI"), "{}", refused.stderr);
    assert_eq!(fs::read_to_string(file(&gateway)).unwrap(), "{}");

    // What another program wrote: nothing is added to it, and what is taken from it may be too little.
    let joe = r#""joe":{"ticket":"s3cr3t","role":"frontend"}"#;
    let bad = r#""bad":{"ticket":"s3cr3t","role":"frontend","realm":"bad realm!"}"#;
    write(&format!("{{{joe},{bad}}}"));
    assert!(add("realm1").stderr.contains("principal `bad` has a `realm`"));
    let removed = run(&["rm", "principals.json", "joe"]);
    assert_eq!(removed.code, 3, "{}", removed.stderr);
    assert!(removed.stderr.contains("principal `bad` has a `realm`"), "{}", removed.stderr);
    assert!(!removed.stderr.contains("s3cr3t"), "{}", removed.stderr);
    assert!(!fs::read_to_string(file(&gateway)).unwrap().contains("joe"), "it is removed all the same");
    assert_eq!(run(&["rm", "principals.json", "bad"]).code, 0);
    assert_eq!(add("realm1").code, 0);

    // What stands twice is not dropped in silence.
    for (text, told) in [
        (format!("{{{joe},{joe}}}"), "principal `joe` stands twice"),
        (
            r#"{"joe":{"ticket":"s3cr3t","ticket":"s3cr3t","role":"frontend"}}"#.to_owned(),
            "a member of principal `joe` stands twice",
        ),
    ] {
        write(&text);
        for arguments in [&["rm", "principals.json", "joe"][..], &["ls", "principals.json"]] {
            let refused = run(arguments);
            assert_eq!(refused.code, 1);
            assert!(
                refused.stderr.contains(told) && !refused.stderr.contains("s3cr3t"),
                "{}",
                refused.stderr
            );
        }
        assert!(add("realm1").stderr.contains(told));
        assert_eq!(fs::read_to_string(file(&gateway)).unwrap(), text);
    }
}
