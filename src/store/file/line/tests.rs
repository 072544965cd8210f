use super::*;
use crate::store::testing::{due, logged_in, login};

const CROSSBAR: &str = r#"{"cbtid": "dsI6D8i7pycVhma20uj5g+/G", "status": "created", "created": "2026-11-22T10:14:33.139Z", "modified": null, "deleted": null, "max_age": 864000, "authid": null, "authrole": null, "authmethod": null, "authrealm": null, "authextra": null}"#;

fn id() -> TrackingId {
    TrackingId::parse("dsI6D8i7pycVhma20uj5g+/G").unwrap()
}

fn record() -> CookieRecord {
    CookieRecord::new(Timestamp::from_millis(1_795_342_473_139), MaxAge::from_seconds(864_000).unwrap())
}

fn joe() -> CookieRecord {
    let joe = login("j\"ö\\\u{7f}\n", Timestamp::from_millis(1_795_342_473_195));
    let joe = Authentication { authextra: r#"{"foo": "bär", "n": 1.50}"#.into(), ..joe };
    logged_in(record(), joe)
}

fn written(record: &CookieRecord, change: LineKind) -> String {
    let mut out = Vec::new();
    write(&id(), record, change, &mut out);
    String::from_utf8(out).unwrap()
}

fn read(line: &str) -> Result<Option<Statement>, LineFault> {
    parse(line.trim_end_matches('\n').as_bytes())
}

#[test]
fn new_record_is_crossbars_line_and_our_keys() {
    let line = written(&record(), LineKind::Created);
    let ours = format!(
        r#"{}, "seen": "2026-11-22T10:14:33.139Z", "v": 1, "crc": "f9b9d630"}}"#,
        CROSSBAR.strip_suffix('}').unwrap()
    );
    assert_eq!(line, format!("{ours}\n"));
    let expected =
        Statement::State { id: id(), record: record(), revives: true, replaces: None, is_dated: true };
    assert_eq!(read(&line), Ok(Some(expected)));
}

#[test]
fn authentication_survives_the_round_trip_to_the_letter() {
    let line = written(&joe(), LineKind::Modified);
    assert!(line.contains(r#""modified": "2026-11-22T10:14:33.195Z", "deleted": null"#), "{line}");
    assert_eq!(line.matches('\n').count(), 1);
    let expected =
        Statement::State { id: id(), record: joe(), revives: false, replaces: None, is_dated: true };
    assert_eq!(read(&line), Ok(Some(expected)));
}

#[test]
fn line_of_ids_survives_the_round_trip_and_leaves_with_the_record() {
    let parse = |text| TrackingId::parse(text).unwrap();
    let lineage = Lineage { public_id: "Public-1".into(), predecessor: parse("old-id") };
    let joe = joe().authentication.unwrap();
    for since in [None, Some(Timestamp::from_millis(1_795_342_473_300))] {
        let record = logged_in(record(), due(&joe, parse("next-id"), since));
        let record = CookieRecord { lineage: Some(Arc::new(lineage.clone())), ..record };
        for (change, revives) in [(LineKind::Created, true), (LineKind::Modified, false)] {
            let line = written(&record, change);
            assert!(line.contains(r#""v": 2"#), "{line}");
            let expected = Statement::State {
                id: id(),
                record: record.clone(),
                revives,
                replaces: None,
                is_dated: true,
            };
            assert_eq!(read(&line), Ok(Some(expected)));
        }
        let line = written(&record, LineKind::Deleted(Timestamp::from_millis(1_795_342_473_400)));
        assert!(
            !line.contains("next-id") && !line.contains("old-id") && line.contains(r#""v": 1"#),
            "{line}"
        );
    }
}

#[test]
fn line_that_replaces_an_id_survives_the_round_trip() {
    let before = Lineage { public_id: "Public-1".into(), predecessor: TrackingId::parse("old-id").unwrap() };
    let record = CookieRecord { lineage: Some(Arc::new(before)), ..joe() };
    let line = written(&record, LineKind::Replacing);
    assert!(line.contains(r#""replaced": "2026-11-22T10:14:33.139Z""#) && line.contains(r#""v": 3"#));
    let replaces = Some(record.created);
    let expected =
        Statement::State { id: id(), record: record.clone(), revives: true, replaces, is_dated: true };
    assert_eq!(read(&line), Ok(Some(expected)));

    // Without a login nothing is marked, so that this is a line as any other.
    let anonymous = CookieRecord { authentication: None, ..record };
    assert_eq!(written(&anonymous, LineKind::Replacing), written(&anonymous, LineKind::Created));
}

#[test]
fn line_that_replaces_an_id_must_say_which_and_whose() {
    for (record, what) in
        [(joe(), "it replaces an ID and does not say which, or by whose login"), (record(), "it replaces")]
    {
        let line = written(&record, LineKind::Created);
        let (covered, _) = line.split_once(", \"seen\"").unwrap();
        let covered = format!(r#"{covered}, "replaced": "2026-11-22T10:14:33.139Z", "v": 3"#);
        let sum = String::from_utf8(checksum(covered.as_bytes()).to_vec()).unwrap();
        let fault = read(&format!("{covered}, \"crc\": \"{sum}\"}}"));
        assert!(matches!(fault, Err(LineFault::Damaged(why)) if why.starts_with(what)), "{fault:?}");
        let unversioned = covered.replace("\"v\": 3", "\"v\": 2");
        let sum = String::from_utf8(checksum(unversioned.as_bytes()).to_vec()).unwrap();
        let fault = read(&format!("{unversioned}, \"crc\": \"{sum}\"}}"));
        assert_eq!(fault, Err(LineFault::Damaged("its `replaced` does not go with its version")));
    }
}

#[test]
fn deleted_line_keeps_no_authentication() {
    let line = written(&joe(), LineKind::Deleted(Timestamp::from_millis(1_795_342_473_200)));
    assert!(line.contains(r#""deleted": "2026-11-22T10:14:33.200Z""#) && !line.contains("frontend"));
    assert_eq!(read(&line), Ok(Some(Statement::Deleted(id()))));
}

#[test]
fn crossbars_lines_are_taken_as_they_are() {
    let expected =
        Statement::State { id: id(), record: record(), revives: true, replaces: None, is_dated: true };
    assert_eq!(read(CROSSBAR), Ok(Some(expected)));
    let deleted = CROSSBAR
        .replace(r#""status": "created""#, r#""status": "deleted""#)
        .replace(r#""deleted": null"#, r#""deleted": "2026-11-22T10:14:34.000Z""#);
    assert_eq!(read(&deleted), Ok(Some(Statement::Deleted(id()))));
    let eight_keys = r#"{"cbtid": "dsI6D8i7pycVhma20uj5g+/G", "created": "2026-11-22T10:14:33.139Z", "max_age": 864000, "authid": "joe", "authrole": "frontend", "authmethod": "ticket", "authrealm": "realm1", "authextra": {"foo": "b\u00e4r"}}"#;
    let Ok(Some(Statement::State { record, .. })) = read(eight_keys) else { panic!("not taken") };
    assert_eq!(record.authentication.unwrap().authextra, r#"{"foo": "b\u00e4r"}"#);
}

#[test]
fn no_flipped_bit_passes() {
    for change in [LineKind::Modified, LineKind::Created] {
        let line = written(&joe(), change).trim_end().as_bytes().to_vec();
        for at in 0..line.len() {
            for bit in 0..8 {
                let mut flipped = line.clone();
                flipped[at] ^= 1 << bit;
                assert!(parse(&flipped).is_err(), "byte {at}, bit {bit}");
            }
        }
    }
}

#[test]
fn unsound_lines_are_named_without_their_content() {
    for (line, fault) in [
        ("garbage", "it is not a cookie record in JSON"),
        (&CROSSBAR.replace("max_age", "max_edge"), "it is not a cookie record in JSON"),
        (&CROSSBAR.replace("+/G", "+*G"), "its cbtid is no tracking ID"),
        (&CROSSBAR.replace("864000", "0"), "its max_age is out of range"),
        (&CROSSBAR.replace("\"created\",", "\"creating\","), "its status is unknown"),
        (&CROSSBAR.replace("T10", " 10"), "one of its times is not in the form 2026-11-22T10:14:33.139Z"),
        (&CROSSBAR.replace("null}", "null, \"v\": 1}"), "its checksum is missing"),
    ] {
        assert_eq!(read(line), Err(LineFault::Damaged(fault)));
    }
}

#[test]
fn line_of_a_later_version_is_told_from_a_damaged_one() {
    let line = written(&record(), LineKind::Created).replace("\"v\": 1", "\"v\": 4");
    let (covered, _) = line.split_once(", \"crc\"").unwrap();
    let sum = String::from_utf8(checksum(covered.as_bytes()).to_vec()).unwrap();
    assert_eq!(read(&format!("{covered}, \"crc\": \"{sum}\"}}")), Err(LineFault::Newer(4)));
}
