//! Crossbar's `cookies.dat` loads as it is, and ours is readable by whatever reads Crossbar's.

use std::io::Write;

use wampgate::store::TrackingId;

use super::support::{Kind, StoreFolder, at, authid, id, knows, record, wait};

/// 2026-11-22T10:14:34Z.
const NOW: u64 = 1_795_342_474_000;

const KEYS: [&str; 11] = [
    "cbtid",
    "status",
    "created",
    "modified",
    "deleted",
    "max_age",
    "authid",
    "authrole",
    "authmethod",
    "authrealm",
    "authextra",
];

fn line(id: &str, status: &str, authid: &str) -> String {
    let stamp = |wanted: &str| if status == wanted { "\"2026-11-22T10:14:33.195Z\"" } else { "null" };
    let (authid, role, extra) = match authid {
        "" => ("null".to_owned(), "null", "null"),
        authid => (format!("\"{authid}\""), "\"frontend\"", r#"{"foo": "b\u00e4r", "x_cb_pid": 27891}"#),
    };
    format!(
        "{{\"cbtid\": \"{id}\", \"status\": \"{status}\", \"created\": \"2026-11-22T10:14:33.139Z\", \"modified\": {}, \
         \"deleted\": {}, \"max_age\": 864000, \"authid\": {authid}, \"authrole\": {role}, \"authmethod\": {role}, \
         \"authrealm\": {role}, \"authextra\": {extra}}}",
        stamp("modified"),
        stamp("deleted"),
    )
}

fn place(text: &str) -> StoreFolder {
    let place = StoreFolder::new(Kind::File);
    std::fs::write(place.path(), text).unwrap();
    place
}

fn parse(text: &str) -> TrackingId {
    TrackingId::parse(text).unwrap()
}

#[test]
fn last_line_of_an_id_counts() {
    let ids = ["dsI6D8i7pycVhma20uj5g+/G", "ynxeF9djpFhvdtla3T/sM+2N"];
    let lines = [
        line(ids[0], "created", ""),
        line(ids[1], "created", ""),
        line(ids[0], "modified", ""),
        line(ids[0], "modified", "joe"),
    ];
    for (separator, end) in [("\n", "\n"), ("\n", ""), ("\r\n", "\r\n"), ("\r\n", ""), ("\n\n  \n", "\n\n")] {
        let place = place(&(lines.join(separator) + end));
        let store = place.open(NOW);
        assert_eq!(authid(&*store, &parse(ids[0]), NOW).as_deref(), Some("joe"));
        let record = store.look_up(&parse(ids[0]), at(NOW)).wait().unwrap().unwrap();
        let authentication = record.authentication.unwrap();
        assert_eq!(authentication.authextra, r#"{"foo": "b\u00e4r", "x_cb_pid": 27891}"#);
        assert_eq!((authentication.at, record.last_seen), (at(1_795_342_473_195), at(1_795_342_473_195)));
        assert_eq!((record.created, record.max_age.as_seconds()), (at(1_795_342_473_139), 864_000));
        assert_eq!(store.look_up(&parse(ids[1]), at(NOW)).wait().unwrap().unwrap().authentication, None);
        // What is appended does not stick to a last line without a line break.
        wait(store.create(&id(1), record_now())).unwrap();
        drop(store);
        let store = place.open(NOW);
        assert!(knows(&*store, &id(1), NOW) && knows(&*store, &parse(ids[1]), NOW));
    }
}

fn record_now() -> wampgate::store::CookieRecord {
    record(NOW, 60)
}

#[test]
fn deleted_records_stay_deleted() {
    let gone = "dsI6D8i7pycVhma20uj5g+/G";
    for after in ["", &line(gone, "modified", "joe")] {
        let lines = [
            line(gone, "created", ""),
            line(gone, "modified", "joe"),
            line(gone, "deleted", "joe"),
            after.to_owned(),
        ];
        let store = place(&lines.join("\n")).open(NOW);
        assert!(!knows(&*store, &parse(gone), NOW));
    }
}

#[test]
fn lines_of_a_purge_on_startup_have_fewer_keys() {
    let text = r#"{"cbtid": "dsI6D8i7pycVhma20uj5g+/G", "created": "2026-11-22T10:14:33.139Z", "max_age": 864000, "authid": "joe", "authrole": "frontend", "authmethod": "ticket", "authrealm": "realm1", "authextra": null}"#;
    let store = place(text).open(NOW);
    assert_eq!(authid(&*store, &parse("dsI6D8i7pycVhma20uj5g+/G"), NOW).as_deref(), Some("joe"));
}

#[test]
fn our_lines_begin_with_crossbars_keys_in_its_order_and_spacing() {
    let place = StoreFolder::new(Kind::File);
    let store = place.open(NOW);
    wait(store.create(&id(1), record_now())).unwrap();
    wait(store.authenticate(&id(1), Some(super::support::authentication("joe", NOW)), at(NOW))).unwrap();
    wait(store.revoke(&id(1), at(NOW))).unwrap();
    let text = std::fs::read_to_string(place.path()).unwrap();
    assert_eq!(text.lines().count(), 3);
    for line in text.lines() {
        let object: serde_json::Value = serde_json::from_str(line).unwrap();
        assert_eq!(object["cbtid"], id(1).expose());
        let mut rest = line;
        for (n, key) in KEYS.iter().enumerate() {
            let opening = if n == 0 { "{" } else { ", " };
            let at = rest.find(&format!("{opening}\"{key}\": ")).unwrap_or_else(|| panic!("{key} in {line}"));
            rest = &rest[at..];
        }
        assert!(rest.contains("\"seen\": ") && rest.contains("\"v\": 1"));
    }
}

#[test]
fn file_of_a_later_version_is_refused_as_such() {
    let place = StoreFolder::new(Kind::File);
    let store = place.open(NOW);
    wait(store.create(&id(1), record_now())).unwrap();
    drop(store);
    let text = std::fs::read_to_string(place.path()).unwrap().replace("\"v\": 1", "\"v\": 4");
    let covered = text.rsplit_once(", \"crc\"").unwrap().0;
    let later = format!("{covered}, \"crc\": \"{:08x}\"}}\n", crc32fast::hash(covered.as_bytes()));
    std::fs::File::create(place.path()).unwrap().write_all(later.as_bytes()).unwrap();
    let error = place.try_open(NOW).unwrap_err().to_string();
    assert!(error.contains("later version") && error.contains("format 4"), "{error}");
    assert_eq!(std::fs::read_to_string(place.path()).unwrap(), later, "and left alone");
}

/// A line as Crossbar.io wrote it before 22.4.1: the time of creation stands under the line's status.
fn old_line(id: &str, status: &str, authid: &str) -> String {
    let (authid, role) = match authid {
        "" => ("null".to_owned(), "null"),
        authid => (format!("\"{authid}\""), "\"frontend\""),
    };
    format!(
        "{{\"id\": \"{id}\", \"{status}\": \"2026-11-22T10:14:33.139Z\", \"max_age\": 864000, \"authid\": {authid}, \
         \"authrole\": {role}, \"authmethod\": {role}, \"authrealm\": {role}, \"authextra\": null}}\n"
    )
}

#[test]
fn file_from_before_22_4_1_is_taken_as_it_is() {
    let ids = ["AAAAAAAAAAAAAAAAAAAAAAAA", "ynxeF9djpFhvdtla3T/sM+2N", "CCCCCCCCCCCCCCCCCCCCCCCC"];
    let shortest = format!(
        r#"{{"id": "{}", "created": "2026-11-22T10:14:33.139Z", "max_age": 864000, "authid": null}}"#,
        ids[2]
    );
    let text = [
        &old_line(ids[0], "created", ""),
        &old_line(ids[1], "created", ""),
        &old_line(ids[0], "modified", "joe"),
        &*shortest,
        "\n",
    ];
    let place = place(&text.map(String::from).concat());
    for _ in 0..2 {
        let store = place.open(NOW);
        assert_eq!(authid(&*store, &parse(ids[0]), NOW).as_deref(), Some("joe"));
        let records = ids.map(|id| store.look_up(&parse(id), at(NOW)).wait().unwrap().unwrap());
        assert!(records.iter().all(|record| record.created == at(1_795_342_473_139)));
        assert!(records[1].authentication.is_none() && records[2].authentication.is_none());
    }
}

#[test]
fn line_without_a_time_of_creation_keeps_the_one_before() {
    let id = "AAAAAAAAAAAAAAAAAAAAAAAA";
    let later = old_line(id, "modified", "joe").replace("10:14:33.139Z", "10:14:33.999Z");
    let text = old_line(id, "created", "") + &later;
    let store = place(&text).open(NOW);
    let record = store.look_up(&parse(id), at(NOW)).wait().unwrap().unwrap();
    assert_eq!((record.created, record.last_seen), (at(1_795_342_473_139), at(1_795_342_473_999)));
    let (read, _) = wampgate::store::read_lines(text.as_bytes(), None, false).unwrap();
    assert_eq!(read[&parse(id)].created, at(1_795_342_473_139));
}
