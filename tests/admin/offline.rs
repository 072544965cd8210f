//! On a store that no gateway has open.

use std::{fs, os::unix::fs::PermissionsExt as _, path::Path};

use serde_json::{Value, json};
use tempfile::TempDir;
use wampgate::store::{CookieRecord, LineFormat, MaxAge, Timestamp, TrackingId, write_line};

use super::{CROSSBAR, JOES, PLAIN, cookies, cookies_with, joes_line, listed, public_id};
use crate::support::{
    Gateway,
    config::{is_durable, stores, tracked, tracked_in, tracked_in_file, web, web_paths},
};

/// A node directory with a configuration.
fn node(config: &Value) -> TempDir {
    let dir = TempDir::new().unwrap();
    fs::write(dir.path().join("config.json"), config.to_string()).unwrap();
    dir
}

/// A node directory whose file store holds Crossbar's two cookies.
fn node_with_cookies() -> TempDir {
    let dir = node(&web(&tracked_in_file()));
    fs::write(dir.path().join("cookies.dat"), CROSSBAR).unwrap();
    dir
}

fn tracked_in_lmdb() -> Value {
    tracked_in(&stores()[2])
}

#[test]
fn cookies_are_listed_for_people_and_for_programs() {
    let dir = node_with_cookies();
    let table = cookies(dir.path(), &["ls"]).printed();
    assert!(table.starts_with("PUBLIC ID "), "{table}");
    assert!(table.contains("2026-11-22T10:14:33.139Z"), "{table}");
    assert!(table.contains("joe (frontend, ticket)"), "{table}");
    assert_eq!(table.lines().count(), 4, "{table}");
    assert!(table.ends_with("\n2 cookies\n"), "{table}");

    let list = listed(dir.path());
    assert_eq!(list.len(), 2);
    assert_eq!(list[0]["id"], PLAIN);
    assert_eq!(list[0]["authentication"], Value::Null);
    assert_eq!(list[0]["expires"], "2036-09-30T10:14:33.139Z");
    assert_eq!(list[1]["authentication"]["authid"], "joe");
    assert_eq!(list[1]["authentication"]["authextra"], json!({ "foo": "bär" }));

    let joes = cookies(dir.path(), &["ls", "--authid", "joe", "--json"]).json();
    assert_eq!(joes.len(), 1);
    assert_eq!(cookies(dir.path(), &["ls", "--authid", "nobody"]).printed(), "no cookies\n");
    assert_eq!(cookies(dir.path(), &["ls", "--authid", "nobody", "--json"]).printed(), "");
}

#[test]
fn a_list_is_sorted_and_cut_and_its_count_is_of_all() {
    let dir = node(&web(&tracked_in_file()));
    let line = CROSSBAR.lines().next().unwrap();
    let lines: Vec<String> = (0..30)
        .map(|n| {
            line.replace(PLAIN, &format!("imported-{n:08}"))
                .replace(":14:33.", &format!(":{:02}:33.", (n * 7) % 30))
        })
        .collect();
    fs::write(dir.path().join("cookies.dat"), lines.join("\n") + "\n").unwrap();
    let created = |arguments: &[&str]| -> Vec<String> {
        let arguments = [&["ls", "--json"], arguments].concat();
        let list = cookies(dir.path(), &arguments).json();
        list.iter().map(|cookie| cookie["created"].as_str().unwrap()[14..16].to_owned()).collect()
    };
    assert_eq!(created(&["--sort", "created", "--limit", "3"]), ["00", "01", "02"]);
    assert_eq!(created(&["--sort", "expires", "--reverse", "--limit", "2"]), ["29", "28"]);
    assert_eq!(created(&["--sort", "last-seen"]).len(), 30);
    assert_eq!(created(&["--limit", "4"]).len(), 4);
    for arguments in [&["ls", "--limit", "4"][..], &["ls", "--limit", "4", "--sort", "created"]] {
        let table = cookies(dir.path(), arguments).printed();
        assert!(table.ends_with("\n4 of 30 cookies\n"), "{table}");
    }
}

#[test]
fn cookies_without_authentication_come_last_by_authid() {
    let dir = node_with_cookies();
    let table = cookies(dir.path(), &["ls", "--sort", "authid"]).printed();
    assert!(table.lines().nth(1).unwrap().ends_with("joe (frontend, ticket)"), "{table}");
    let table = cookies(dir.path(), &["ls", "--sort", "authid", "--reverse"]).printed();
    assert!(table.lines().nth(1).unwrap().ends_with('-'), "{table}");
}

#[test]
fn revoking_everything_asks_first() {
    let dir = node_with_cookies();
    let asked = cookies_with(dir.path(), &["revoke", "--all"], "n\n").complained();
    assert!(asked.contains("revoke 2 cookies and close 0 connections, for good? [y/N]"), "{asked}");
    assert!(asked.contains("nothing is revoked"), "{asked}");
    let asked = cookies_with(dir.path(), &["revoke", "--all"], "").complained();
    assert!(asked.contains("add --yes"), "{asked}");
    assert_eq!(listed(dir.path()).len(), 2);
    let ran = cookies_with(dir.path(), &["revoke", "--all"], "y\n");
    assert_eq!((ran.success, ran.stdout.as_str()), (true, "revoked 2 cookies, closed 0 connections\n"));
    assert_eq!(listed(dir.path()).len(), 0);
}

#[test]
fn a_dry_run_counts_and_changes_nothing() {
    let dir = node_with_cookies();
    for (arguments, records) in [(&["--all"][..], 2), (&["--authid", "joe"], 1), (&[PLAIN], 1)] {
        let arguments = [&["revoke", "--dry-run"], arguments].concat();
        let told = cookies(dir.path(), &arguments).printed();
        assert!(told.starts_with(&format!("would revoke {records} cookie")), "{told}");
        assert!(told.ends_with("and close 0 connections; nothing is changed\n"), "{told}");
    }
    let json = cookies(dir.path(), &["revoke", "--dry-run", "--all", "--json"]).json();
    assert_eq!(json, [json!({ "revocable": { "records": 2, "connections": 0 } })]);
    assert_eq!(listed(dir.path()).len(), 2);
}

#[test]
fn a_cookie_is_shown_by_either_of_its_ids() {
    let dir = node_with_cookies();
    let name = public_id(dir.path(), JOES);
    for id in [JOES, &name] {
        let details = cookies(dir.path(), &["show", "--", id]).printed();
        assert!(details.contains(&format!("public ID     {name}\n")), "{details}");
        assert!(details.contains("authid      joe\n"), "{details}");
    }
    assert!(cookies(dir.path(), &["show", "nonsense"]).complained().contains("no cookie has this ID"));
}

#[test]
fn a_public_id_may_begin_with_a_hyphen() {
    let dir = node(&web(&tracked_in_file()));
    let line = CROSSBAR.lines().next().unwrap();
    let many: Vec<_> = (0..1500).map(|n| line.replace(PLAIN, &format!("imported-{n:08}"))).collect();
    fs::write(dir.path().join("cookies.dat"), many.join("\n")).unwrap();
    let list = cookies(dir.path(), &["ls", "--json"]).json();
    let ids = list.iter().map(|cookie| cookie["public_id"].as_str().unwrap());
    // That there is none among 1500 is a chance of 1 in 10^10.
    let id = ids.filter(|id| id.starts_with('-') && !id.starts_with("-h")).max().unwrap();
    let shown = cookies(dir.path(), &["show", id, "--json"]).json();
    assert_eq!(shown[0]["public_id"], id);
    cookies(dir.path(), &["revoke", id, "--json"]).printed();
}

#[test]
fn no_command_prints_an_id_unless_told_to() {
    let dir = node_with_cookies();
    let commands: [&[&str]; 13] = [
        &["ls"],
        &["ls", "--json"],
        &["show", PLAIN],
        &["show", PLAIN, "--json"],
        &["export"],
        &["purge"],
        &["compact"],
        &["repair"],
        &["import", "missing"],
        &["show", "dsI6D8i7pycVhma20uj5g+/Gx"],
        &["revoke", PLAIN],
        &["revoke", PLAIN],
        &["revoke", "--all", "--yes", "--json"],
    ];
    for command in commands {
        let ran = cookies(dir.path(), command);
        let said = format!("{}{}", ran.stdout, ran.stderr);
        assert!(!said.is_empty(), "{command:?}");
        assert!(!said.contains(&PLAIN[..8]) && !said.contains(&JOES[..8]), "{command:?}: {said}");
    }
    let broken = format!("{CROSSBAR}{{\"cbtid\": \"{PLAIN}\"}}\n");
    let said = cookies_with(dir.path(), &["import"], &broken).complained();
    assert!(said.contains("line 3") && !said.contains(PLAIN), "{said}");
}

#[test]
fn revoked_cookies_are_gone_for_good() {
    let dir = node_with_cookies();
    assert_eq!(
        cookies(dir.path(), &["revoke", "--authid", "joe"]).printed(),
        "revoked 1 cookie, closed 0 connections\n"
    );
    assert_eq!(listed(dir.path()).len(), 1);
    let name = public_id(dir.path(), PLAIN);
    let json = cookies(dir.path(), &["revoke", "--json", "--", &name]).json();
    assert_eq!(json, [json!({ "revoked": { "records": 1, "connections": 0 } })]);
    assert!(cookies(dir.path(), &["revoke", "--", &name]).complained().contains("no cookie has this ID"));
    assert_eq!(listed(dir.path()).len(), 0);
    assert_eq!(
        cookies(dir.path(), &["revoke", "--all", "--yes"]).printed(),
        "revoked 0 cookies, closed 0 connections\n"
    );
}

#[test]
fn a_revocation_by_any_id_of_a_client_takes_all_that_it_had_before_and_after() {
    for store in stores().iter().filter(|store| is_durable(store)) {
        for named in 0..4 {
            let (mut gateway, ids, clients) = joes_line(store);
            drop(clients);
            assert!(gateway.terminate().success());
            let name = ids.get(named).cloned().unwrap_or_else(|| public_id(gateway.path(), &ids[0]));
            let told = cookies(gateway.path(), &["revoke", "--", &name]).printed();
            assert_eq!(told, "revoked 3 cookies, closed 0 connections\n");
            let left = listed(gateway.path());
            assert_eq!(left.len(), 1, "joe's other device stays: {left:?}");
            assert!(!ids.iter().any(|id| left[0]["id"] == **id));
        }
    }
}

#[test]
fn revoke_wants_to_know_which() {
    let dir = node_with_cookies();
    for arguments in [&["revoke"][..], &["revoke", "--all", "--authid", "joe"], &["revoke", PLAIN, "--all"]] {
        assert!(!cookies(dir.path(), arguments).success, "{arguments:?}");
    }
    assert_eq!(listed(dir.path()).len(), 2);
}

#[test]
fn expired_cookies_are_dropped() {
    let dir = node(&web(&tracked_in_file()));
    let old = CROSSBAR.replace("2026-11-22", "2001-11-22").replace("311040000", "60");
    fs::write(dir.path().join("cookies.dat"), &old).unwrap();
    let purged = cookies(dir.path(), &["purge"]).printed();
    assert_eq!(
        purged, "dropped 0 expired cookies\n",
        "the clock may be wrong: the store was last used in 2001"
    );
    let hours_ago = Timestamp::from_millis(Timestamp::now().as_millis() - 2 * 3_600_000);
    let recent = CookieRecord::new(hours_ago, MaxAge::from_seconds(1).unwrap());
    let mut lines = old.into_bytes();
    write_line(&TrackingId::parse("recent").unwrap(), &recent, LineFormat::Wampgate, &mut lines);
    fs::write(dir.path().join("cookies.dat"), lines).unwrap();
    assert_eq!(cookies(dir.path(), &["purge"]).printed(), "dropped 3 expired cookies\n");
}

#[test]
fn a_store_on_redis_is_named_by_a_url_that_can_be_read() {
    let url = json!({ "type": "redis", "url": { "file": "url" } });
    let dir = node(&web_paths(&json!({ "ws": tracked_in_file(), "other": tracked_in(&url) })));
    fs::write(dir.path().join("cookies.dat"), CROSSBAR).unwrap();
    for (text, why) in [
        (None, "there is no such file"),
        (Some(""), "the secret is empty"),
        (Some("http://host"), "this is not the URL of a Redis"),
    ] {
        if let Some(text) = text {
            fs::write(dir.path().join("url"), text).unwrap();
        }
        // The store beside it needs no URL.
        let told = cookies(dir.path(), &["ls", "--path", "/ws"]).printed();
        assert!(told.contains("joe (frontend, ticket)"), "{told}");
        let told = cookies(dir.path(), &["ls", "--path", "/other"]).complained();
        assert!(told.contains("finds a store on Redis by its URL") && told.contains(why), "{told}");
    }
}

#[test]
fn a_file_is_compacted() {
    let dir = node_with_cookies();
    let path = dir.path().join("cookies.dat");
    let lines = CROSSBAR.repeat(50);
    fs::write(&path, &lines).unwrap();
    let json = cookies(dir.path(), &["compact", "--json"]).json();
    assert_eq!(json[0]["compacted"]["lines_before"], 100);
    assert_eq!(json[0]["compacted"]["lines_after"], 2);
    assert_eq!(json[0]["compacted"]["bytes_before"], lines.len());
    let text = fs::read_to_string(&path).unwrap();
    assert_eq!(json[0]["compacted"]["bytes_after"], text.len());
    assert_eq!(text.lines().count(), 2);
    assert_eq!(listed(dir.path()).len(), 2);
}

#[test]
fn a_damaged_file_is_repaired_and_kept_beside() {
    let dir = node_with_cookies();
    let path = dir.path().join("cookies.dat");
    let damaged = CROSSBAR.replacen("created", "cre\u{0}ted", 1);
    fs::write(&path, &damaged).unwrap();
    let told = cookies(dir.path(), &["ls"]).complained();
    assert!(told.contains("damaged at line 1 (byte 0)") && told.contains("cookies repair"), "{told}");

    let repaired = cookies(dir.path(), &["repair"]).printed();
    assert!(repaired.contains("kept 1 whole line, dropped 1 damaged line"), "{repaired}");
    assert!(repaired.contains("cookies.dat.damaged"), "{repaired}");
    assert_eq!(fs::read_to_string(path.with_extension("dat.damaged")).unwrap(), damaged);
    assert_eq!(listed(dir.path())[0]["id"], JOES);

    let json = cookies(dir.path(), &["repair", "--json"]).json();
    let expected = json!({ "kept": 1, "dropped": 0, "dropped_bytes": 0, "damaged_copy": null });
    assert_eq!(json, [json!({ "repaired": expected })]);
}

#[test]
fn exports_of_either_format_come_back_as_they_were() {
    let dir = node_with_cookies();
    let before = listed(dir.path());
    assert!(cookies(dir.path(), &["export"]).complained().contains("--reveal"));
    for format in ["crossbar", "wampgate"] {
        let text = cookies(dir.path(), &["export", "--reveal", "--format", format]).printed();
        let mut lines: Vec<_> = text.lines().collect();
        lines.sort_unstable();
        if format == "crossbar" {
            assert_eq!(lines, CROSSBAR.lines().collect::<Vec<_>>());
        }
        for (configured, other) in [("file", tracked_in_file()), ("lmdb", tracked_in_lmdb())] {
            let other = node(&web(&other));
            let arguments = ["import", "--format", format];
            let told = cookies_with(other.path(), &arguments, &text).printed();
            assert_eq!(told, "added 2 cookies\n", "{format} into {configured}");
            fs::copy(dir.path().join("public-id.key"), other.path().join("public-id.key")).unwrap();
            assert_eq!(listed(other.path()), before, "{format} into {configured}");
            let told = cookies_with(other.path(), &["import"], &text).printed();
            assert_eq!(told, "added 0 cookies, left out 2 already there\n");
        }
    }
}

#[test]
fn an_exported_file_is_its_owners_alone_and_replaces_nothing() {
    let dir = node_with_cookies();
    let file = dir.path().join("export.jsonl");
    let arguments = ["export", file.to_str().unwrap(), "--reveal"];
    let ran = cookies(dir.path(), &arguments);
    assert_eq!((ran.stdout.as_str(), ran.stderr.as_str()), ("", "exported 2 cookies\n"));
    let metadata = fs::metadata(&file).unwrap();
    assert_eq!(metadata.permissions().mode() & 0o777, 0o600);
    let said = cookies(dir.path(), &arguments).complained();
    assert!(said.contains("is there already and stays as it is: name another file"), "{said}");
    assert_eq!(fs::metadata(&file).unwrap().len(), metadata.len());
}

#[test]
fn an_import_with_a_damaged_line_changes_nothing_unless_told_to() {
    let dir = node(&web(&tracked_in_file()));
    let text = format!("{CROSSBAR}garbage\n");
    let told = cookies_with(dir.path(), &["import"], &text).complained();
    assert!(told.contains("nothing was imported") && told.contains("line 3"), "{told}");
    assert!(!dir.path().join("cookies.dat").exists());
    let told = cookies_with(dir.path(), &["import"], CROSSBAR);
    let wrong = cookies_with(dir.path(), &["import", "--format", "wampgate"], CROSSBAR).complained();
    assert!(told.success && wrong.contains("not in the format"), "{wrong}");
    let ran = cookies_with(dir.path(), &["import", "--skip-damaged"], &text);
    assert_eq!(ran.stderr, "left out damaged lines: 1\n");
    assert_eq!(ran.printed(), "added 0 cookies, left out 2 already there\n");
}

#[test]
fn lmdb_does_what_it_can() {
    let dir = node(&web(&tracked_in_lmdb()));
    assert!(cookies(dir.path(), &["ls"]).complained().contains("does not exist yet"));
    cookies_with(dir.path(), &["import"], CROSSBAR).printed();
    assert_eq!(listed(dir.path()).len(), 2);
    assert_eq!(cookies(dir.path(), &["purge"]).printed(), "dropped 0 expired cookies\n");
    assert!(cookies(dir.path(), &["compact"]).complained().contains("only a store of type \"file\""));
    assert!(cookies(dir.path(), &["repair"]).complained().contains("put a sound copy in its place"));
    cookies(dir.path(), &["revoke", JOES]).printed();
    assert_eq!(listed(dir.path()).len(), 1);
}

#[test]
fn nothing_is_made_where_only_a_look_was_asked_for() {
    let dir = node(&web(&tracked_in_file()));
    for command in [&["ls"][..], &["revoke", "--all", "--yes"], &["purge"], &["compact"], &["repair"]] {
        assert!(cookies(dir.path(), command).complained().contains("does not exist yet"), "{command:?}");
    }
    assert_eq!(names(dir.path()), ["config.json"]);
}

fn names(dir: &Path) -> Vec<String> {
    let entries = fs::read_dir(dir).unwrap();
    entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
}

#[test]
fn one_of_several_stores_is_chosen_by_its_path() {
    let dir = node(&web_paths(&json!({ "ws": tracked_in_file(), "other": tracked() })));
    fs::write(dir.path().join("cookies.dat"), CROSSBAR).unwrap();
    let told = cookies(dir.path(), &["ls"]).complained();
    assert!(told.contains("--path /ws --transport 0") && told.contains("--path /other"), "{told}");
    let list = cookies(dir.path(), &["ls", "--json", "--path", "/ws"]).json();
    assert_eq!(list.len(), 2);
    let told = cookies(dir.path(), &["ls", "--path", "/other"]).complained();
    assert!(told.contains("in memory, and no gateway runs"), "{told}");
    assert!(cookies(dir.path(), &["ls", "--path", "/nowhere"]).complained().contains("--path /ws"));
    let none = node(&web(&json!({ "type": "websocket" })));
    assert!(cookies(none.path(), &["ls"]).complained().contains("tracks cookies"));
}

#[test]
fn a_store_that_a_gateway_elsewhere_has_open_is_refused_by_name() {
    let gateway = Gateway::start(&web(&tracked_in_file()));
    let file = gateway.path().join("cookies.dat");
    let store = json!({ "type": "file", "filename": file.to_str().unwrap() });
    let other = node(&web(&json!({ "type": "websocket", "cookie": { "store": store } })));
    for command in [&["ls"][..], &["repair"], &["revoke", "--all", "--yes"]] {
        let told = cookies(other.path(), command).complained();
        assert!(told.contains("is in use already") && told.contains(file.to_str().unwrap()), "{told}");
    }
}
