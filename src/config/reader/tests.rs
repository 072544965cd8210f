use std::path::Path;

use schemars::SchemaGenerator;
use serde_json::{Value, json};

use super::{fault::MAX_FAULTS, *};

object! {
    /// A house. It has rooms.
    struct RawHouse {
        /// The street. A name.
        street: required String,
        /// The number.
        number: optional Whole<1, 99>,
        /// What is inside.
        content: optional Vec<RawThing>,
        /// A key that is a word of the language.
        kind: optional Color = "type",
    }
    refuses {
        "sauna" => "use a bathtub",
    }
    ignores {
        "color": String => "houses are white",
    }
    misplaced {
        "wheels" => "a house has none, write them at the car",
    }
}

choice! {
    /// A thing.
    enum RawThing {
        Lamp(RawLamp) = "lamp" | "light",
        Empty(RawEmpty) = "empty",
    }
    refuses {
        "fountain" => "there is no water",
    }
}

object! {
    /// A lamp.
    struct RawLamp {
        /// How bright it is.
        brightness: required Located<Whole<1, 10>>,
    }
}

object! {
    /// Nothing.
    struct RawEmpty {}
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Color {
    Red,
    Green,
}

words! {
    Color as "Color" {
        "red" => Self::Red,
        "green" => Self::Green,
    }
    refuses {
        "grue" => "say \"green\"",
    }
}

/// Reads a text as an `R`; the faults and warnings as a user sees them.
fn read_as<R: Raw>(text: &str) -> Result<(R, Vec<String>), Vec<String>> {
    let env = |name: &str| (name == "SET").then(|| "value".to_owned());
    let surroundings =
        Surroundings { node_dir: Path::new("/node"), file: None, env: &env, options: LoadOptions::default() };
    match read("file", text.as_bytes(), surroundings, |raw: R, _| raw) {
        Ok((raw, warnings)) => Ok((raw, warnings.iter().map(ToString::to_string).collect())),
        Err(error) => Err(error.to_string().lines().map(str::to_owned).collect()),
    }
}

fn faults<R: Raw + std::fmt::Debug>(text: &str) -> Vec<String> {
    read_as::<R>(text).unwrap_err()
}

fn schema_of<T: schemars::JsonSchema>() -> Value {
    SchemaGenerator::default().into_root_schema_for::<T>().to_value()
}

// === object! ===

#[test]
fn an_object_is_read_key_by_key() {
    let text = r#"{"type": "red", "street": "Elm", "content": [{"type": "light", "brightness": 3}]}"#;
    let (house, warnings) = read_as::<RawHouse>(text).unwrap();
    assert!(warnings.is_empty());
    assert_eq!((house.street.as_deref(), house.kind), (Some("Elm"), Some(Color::Red)));
    assert!(house.number.is_none());
    let [RawThing::Lamp(lamp)] = &house.content.unwrap()[..] else { panic!() };
    let brightness = lamp.brightness.as_ref().unwrap();
    assert_eq!((brightness.path.as_str(), brightness.value.0), ("content[0].brightness", 3));
}

#[test]
fn every_fault_of_an_object_is_reported_at_once() {
    let text = r#"{"number": 100, "sauna": 1, "wheels": 4, "stret": "x", "number": 1, "content": [{}, 7]}"#;
    assert_eq!(
        faults::<RawHouse>(text),
        [
            "number: this key stands in its object more than once, keep one",
            "street: missing, but required: the street",
            "number: 100 is out of range, use 1 to 99",
            "content[0].type: missing, but required: write `lamp`, `light` or `empty`",
            "content[1]: expected an object, found a number",
            "sauna: Crossbar's `sauna` is not supported: use a bathtub",
            "wheels: a house has none, write them at the car",
            "stret: unknown key, did you mean `street`?",
        ]
    );
}

#[test]
fn a_key_without_effect_is_taken_with_a_warning_if_it_asks_for_something() {
    let read = |color: &str| read_as::<RawHouse>(&format!(r#"{{"street": "Elm", "color": {color}}}"#));
    assert_eq!(read("\"red\"").unwrap().1, ["color: has no effect: houses are white"]);
    assert!(read("\"\"").unwrap().1.is_empty());
    assert_eq!(read("1").unwrap_err(), ["color: expected text, found a number"]);
    assert_eq!(
        schema_of::<RawHouse>()["properties"]["color"],
        json!({ "type": "string", "description": "Of Crossbar; has no effect: houses are white." })
    );
}

#[test]
fn any_object_may_have_a_comment() {
    assert!(read_as::<RawHouse>(r#"{"street": "Elm", "$comment": "green"}"#).unwrap().1.is_empty());
    assert_eq!(
        faults::<RawHouse>(r#"{"street": "Elm", "$comment": {"number": 1}}"#),
        ["$comment: expected a comment as text, found an object"]
    );
}

#[test]
fn an_object_describes_itself() {
    let schema = schema_of::<RawHouse>();
    assert_eq!(schema["description"], "A house. It has rooms.");
    assert_eq!(schema["additionalProperties"], false);
    assert_eq!(schema["required"], json!(["street"]));
    assert_eq!(
        schema["properties"]["street"],
        json!({ "type": "string", "description": "The street. A name." })
    );
    assert_eq!(schema["properties"]["type"]["enum"], json!(["red", "green"]));
    assert_eq!(schema["properties"]["number"]["maximum"], 99);
    assert!(schema["properties"].get("sauna").is_none() && schema["properties"].get("kind").is_none());
}

// === choice! ===

#[test]
fn a_choice_takes_the_object_that_its_type_names() {
    assert!(matches!(read_as(r#"{"type": "empty"}"#), Ok((RawThing::Empty(_), _))));
    // The tag counts as known, other keys do not.
    assert_eq!(
        faults::<RawThing>(r#"{"type": "empty", "typ": 1}"#),
        ["typ: unknown key, did you mean `type`?"]
    );
    assert_eq!(
        faults::<RawThing>(r#"{"type": "lamb"}"#),
        ["type: \"lamb\" is unknown, did you mean `lamp`?"]
    );
    assert_eq!(
        faults::<RawThing>(r#"{"type": "fountain"}"#),
        ["type: Crossbar's \"fountain\" is not supported: there is no water"]
    );
    assert_eq!(
        faults::<RawThing>(r#"{"type": 1}"#),
        ["type: expected `lamp`, `light` or `empty`, found a number"]
    );
}

#[test]
fn a_choice_describes_its_objects_with_their_types() {
    let schema = schema_of::<RawThing>();
    assert_eq!(schema["oneOf"][0]["properties"]["type"], json!({ "enum": ["lamp", "light"] }));
    assert_eq!(schema["oneOf"][0]["required"], json!(["type", "brightness"]));
    assert_eq!(schema["oneOf"][1]["properties"]["type"], json!({ "const": "empty" }));
}

// === words! ===

#[test]
fn words_stand_for_values() {
    assert_eq!(read_as::<Color>(r#""green""#).unwrap().0, Color::Green);
    assert_eq!(faults::<Color>(r#""gren""#), ["file: \"gren\" is unknown, did you mean `green`?"]);
    assert_eq!(faults::<Color>(r#""xyz""#), ["file: \"xyz\" is unknown, use `red` or `green`"]);
    assert_eq!(faults::<Color>(r#""grue""#), ["file: Crossbar's \"grue\" is not supported: say \"green\""]);
    assert_eq!(faults::<Color>("null"), ["file: expected `red` or `green`, found null"]);
}

// === values ===

#[test]
fn whole_numbers_have_their_range() {
    assert_eq!(read_as::<Whole<1, 9>>("9").unwrap().0.get::<u8>(), 9);
    for (text, fault) in [
        ("0", "file: 0 is out of range, use 1 to 9"),
        ("-1", "file: -1 is out of range, use 1 to 9"),
        ("1.5", "file: 1.5 is not a whole number, use 1 to 9"),
        ("\"1\"", "file: expected a whole number, 1 to 9, found text"),
    ] {
        assert_eq!(faults::<Whole<1, 9>>(text), [fault]);
    }
    assert_eq!(faults::<Whole<2, 2>>("3"), ["file: 3 is out of range, use 2"]);
}

#[test]
fn milliseconds_may_be_off() {
    assert_eq!(read_as::<MillisOrOff<10, 20>>("0").unwrap().0.0, None);
    assert_eq!(read_as::<MillisOrOff<10, 20>>("15").unwrap().0.0.unwrap().as_millis(), 15);
    assert_eq!(
        faults::<MillisOrOff<10, 20>>("5"),
        ["file: 5 is out of range, use 0 (off) or 10 to 20 (milliseconds)"]
    );
}

#[test]
fn quantities_are_numbers_or_numbers_with_a_unit() {
    type Deadline = Time<1, 10_000>;
    type Memory = Size<65_536, { 1 << 30 }>;
    for (text, millis) in [("20", 20), ("\"20ms\"", 20), ("\"10s\"", 10_000)] {
        assert_eq!(read_as::<Deadline>(text).unwrap().0.0.as_millis(), millis, "{text}");
    }
    for (text, bytes) in [("65536", 65_536), ("\"64KiB\"", 65_536), ("\"1GiB\"", 1 << 30)] {
        assert_eq!(read_as::<Memory>(text).unwrap().0.0, bytes, "{text}");
    }
    assert_eq!(faults::<Deadline>("\"11s\""), ["file: \"11s\" is not valid, use \"1ms\" to \"10s\""]);
    assert_eq!(faults::<Deadline>("\"+5ms\""), ["file: \"+5ms\" is not valid, use \"1ms\" to \"10s\""]);
    assert_eq!(faults::<Deadline>("0"), ["file: 0 is not valid, use \"1ms\" to \"10s\""]);
    assert_eq!(faults::<Memory>("\"1B\""), ["file: \"1B\" is not valid, use \"64KiB\" to \"1GiB\""]);
    assert_eq!(faults::<Memory>("true"), ["file: expected \"64KiB\" to \"1GiB\", found true"]);
    assert_eq!(
        schema_of::<Deadline>()["anyOf"],
        json!([
            { "type": "integer", "minimum": 1, "maximum": 10_000, "x-unit": "ms" },
            { "type": "string", "pattern": "^[0-9]+(ms|s)$", "x-form": "20ms" },
        ])
    );
}

#[test]
fn a_switch_of_crossbars_has_one_position() {
    assert!(read_as::<Only<false>>("false").is_ok());
    assert_eq!(faults::<Only<false>>("true"), ["file: true is not supported, use false or leave it out"]);
}

#[test]
fn paths_are_joined_to_the_node_directory() {
    let read = |text: &str| read_as::<NodePath>(&json!(text).to_string()).map(|(path, _)| path);
    assert_eq!(read("./data/./x").unwrap().path, Path::new("/node/data/x"));
    assert_eq!(read("../x").unwrap().path, Path::new("/node/../x"));
    assert_eq!(read("/x").unwrap().path, Path::new("/x"));
    assert!(read("").is_err() && read("a\0b").is_err());
}

#[test]
fn variables_have_names() {
    for text in ["$PORT_1", "${PORT_1}"] {
        assert_eq!(variable(text), Some("PORT_1"), "{text}");
    }
    for text in
        ["PORT", "$", "$1", "$A-B", "$A B", "$Ä", "${}", "${1}", "${A", "$A}", "${A}B", "$ {A}", "${{A}}"]
    {
        assert_eq!(variable(text), None, "{text}");
    }
}

#[test]
fn free_form_values_keep_everything_but_duplicates() {
    let text = r#"{"a": [1, {"b": null}], "c": "d"}"#;
    assert_eq!(read_as::<Anything>(text).unwrap().0.0, json!({ "a": [1, { "b": null }], "c": "d" }));
    assert_eq!(
        faults::<Anything>(r#"{"a": [{"b": 1, "b": 2}]}"#),
        ["a[0].b: this key stands in its object more than once, keep one"]
    );
}

#[test]
fn a_table_keeps_the_order_and_the_paths_of_its_entries() {
    let (Table(entries), _) = read_as::<Table<bool>>(r#"{"b": true, "a.c": false}"#).unwrap();
    let paths: Vec<_> = entries.iter().map(|(name, entry)| (name.as_str(), entry.path.as_str())).collect();
    assert_eq!(paths, [("b", "b"), ("a.c", "[\"a.c\"]")]);
}

#[test]
fn a_comment_is_no_entry_of_a_table() {
    let (Table(entries), _) = read_as::<Table<bool>>(r#"{"$comment": "why", "b": true}"#).unwrap();
    assert_eq!(entries.len(), 1);
    assert_eq!(
        faults::<Table<bool>>(r#"{"$comment": true, "b": true}"#),
        ["$comment: expected a comment as text, found true"]
    );
}

// === the walk ===

fn walk(visit: impl FnOnce(&mut Walk<'_>)) -> ConfigError {
    let surroundings = Surroundings {
        node_dir: Path::new("/node"),
        file: None,
        env: &|_| None,
        options: LoadOptions::default(),
    };
    let mut walk = Walk::new(surroundings);
    visit(&mut walk);
    ConfigError {
        file: "file".to_owned(),
        faults: walk.faults,
        omitted: walk.omitted,
        warnings: walk.warnings,
    }
}

#[test]
fn paths_are_written_so_that_they_can_be_found() {
    let error = walk(|walk| {
        walk.at_key("a", |walk| walk.at_index(3, |walk| walk.at_key("b-c", |walk| walk.fault("x"))));
        walk.at_key("a.b", |walk| walk.at_key("", |walk| walk.fault("x")));
        walk.at_key("ä\u{1b}", |walk| walk.fault("x"));
        walk.fault("x");
    });
    assert_eq!(
        error.to_string().lines().collect::<Vec<_>>(),
        ["a[3].b-c: x", r#"["a.b"][""]: x"#, r#"["ä\u001b"]: x"#, "file: x"]
    );
}

#[test]
fn faults_below_a_path_are_found_and_others_are_not() {
    walk(|walk| {
        walk.fault_at("ab.c[0]", "x");
        for (path, found) in
            [("ab", true), ("ab.c", true), ("ab.c[0]", true), ("a", false), ("ab.c[0].d", false)]
        {
            assert_eq!(walk.has_fault_below(path), found, "{path}");
        }
    });
}

#[test]
fn faults_below_a_misspelt_key_are_those_of_the_key_that_is_meant() {
    walk(|walk| {
        walk.at_key("list", |walk| {
            walk.note_misspelt("outer", "outr");
            walk.at_key("outr", |walk| {
                walk.note_misspelt("inner", "iner");
                walk.at_key("iner", |walk| walk.at_index(0, |walk| walk.fault("x")));
            });
        });
        for path in ["list.outer", "list.outr", "list.outr.inner", "list.outer.inner[0]", "list.outr.iner"] {
            assert!(walk.has_fault_below(path), "{path}");
        }
        assert!(walk.has_fault_at("list.outer.inner[0]") && !walk.has_fault_at("list.outer.inner"));
        assert!(!walk.has_fault_below("list.other") && !walk.has_fault_below("outer"));
        assert_eq!(walk.fault_paths().collect::<Vec<_>>(), ["list.outer.inner[0]"]);
    });
}

#[test]
fn messages_neither_move_a_cursor_nor_get_long() {
    let error = walk(|walk| walk.fault("\u{1b}[2J\n"));
    assert_eq!(error.to_string(), r"file: \u{1b}[2J\u{a}");
    assert_eq!(quoted(&"x".repeat(1000)).chars().count(), 64 + 3);
}

#[test]
fn faults_and_warnings_are_bounded() {
    let error = walk(|walk| {
        for _ in 0..=MAX_FAULTS {
            walk.fault("x");
            walk.warn("x");
        }
        assert_eq!(walk.warnings.len(), MAX_FAULTS);
    });
    assert_eq!((error.faults.len(), error.omitted, error.count()), (MAX_FAULTS, 1, MAX_FAULTS + 1));
    assert!(error.to_string().ends_with("\n(and 1 more)"));
}

// === the file ===

#[test]
fn a_file_is_read_up_to_its_bound_and_its_absence_is_no_fault() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("config.json");
    assert_eq!(find(&file), Ok(None));
    std::fs::write(folder.path().join("config.yaml"), "version: 2").unwrap();
    let error = find(&file).unwrap_err().to_string();
    assert!(
        error.contains("config.yaml: the gateway reads only JSON, convert this file to config.json"),
        "{error}"
    );
    std::fs::write(&file, vec![b' '; 1024 * 1024]).unwrap();
    assert_eq!(find(&file).unwrap().unwrap().len(), 1024 * 1024);
    std::fs::write(&file, vec![b' '; 1024 * 1024 + 1]).unwrap();
    let error = find(&file).unwrap_err().to_string();
    assert!(error.contains("larger than 1048576 bytes"), "{error}");
    let error = find(folder.path()).unwrap_err().to_string();
    assert!(error.ends_with("cannot be read: it is a directory, name a file"), "{error}");
}
