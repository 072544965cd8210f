//! Cases files: recorded or invented questions with the answers that are expected. `docs/policy-cases.md`
//! describes the format.

use std::{fs::File, io, io::Read, ops::RangeInclusive, path::Path, time::Duration};

use serde::{
    Deserialize, Deserializer,
    de::{DeserializeOwned, Error},
};
use serde_json::{Map, Value};

use super::{Expectation, Request};
use crate::{
    policy::{DEADLINES, Grants, Instances, MEMORIES, PolicyOptions},
    quantity::{self, SIZES, TIMES, Units},
};

/// The largest cases file that is read, in bytes: some ten thousand recorded requests.
const MAX_BYTES: u64 = 64 * 1024 * 1024;

/// A cases file.
#[derive(Debug, Clone, PartialEq)]
pub struct Cases<C = Case> {
    /// How the policy is run.
    pub options: PolicyOptions,
    /// The cases, in the order of the file.
    pub cases: Vec<C>,
}

/// One question and the answer that is expected.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(
    deny_unknown_fields,
    bound = "Q: serde::de::DeserializeOwned + Default, E: serde::de::DeserializeOwned + Default"
)]
pub struct Case<Q = Request, E = Expectation> {
    /// Shown in the report.
    pub name: String,
    /// The question.
    #[serde(default)]
    pub request: Q,
    /// The answer.
    #[serde(default)]
    pub expect: E,
    /// The policy's configuration, if it is not the file's.
    #[serde(default)]
    pub config: Option<Map<String, Value>>,
}

/// Why a cases file cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CasesError {
    /// The file cannot be read.
    #[error("{file}: cannot read the cases: {error}")]
    Read {
        /// The file.
        file: String,
        /// What the system says.
        error: io::Error,
    },
    /// The file is too large.
    #[error("{0}: more than {MAX_BYTES} bytes of cases")]
    TooLarge(String),
    /// The file is not in the format.
    #[error("{file}{}: {error} (docs/policy-cases.md has the format)", .line.map_or_else(String::new, |line| format!(":{line}")))]
    Format {
        /// The file.
        file: String,
        /// The line, in a file with a case a line.
        line: Option<usize>,
        /// What is wrong.
        error: serde_json::Error,
    },
    /// The file has no cases.
    #[error("{0}: no cases in it")]
    Empty(String),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawCases<C> {
    #[serde(default)]
    config: Map<String, Value>,
    #[serde(default)]
    grants: Vec<Grant>,
    #[serde(default, deserialize_with = "deadline")]
    deadline: Option<Duration>,
    #[serde(default, deserialize_with = "memory")]
    max_memory: Option<usize>,
    #[serde(default)]
    instances: RawInstances,
    cases: Vec<C>,
}

#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
enum Grant {
    Clock,
    Random,
    Wasi,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "lowercase")]
enum RawInstances {
    #[default]
    Fresh,
    Warm,
}

impl<C> Default for Cases<C> {
    fn default() -> Self {
        Self { options: PolicyOptions::default(), cases: Vec::new() }
    }
}

impl<C: DeserializeOwned> Cases<C> {
    /// Reads a file: one JSON object, or, if its name ends in `.jsonl`, one case a line.
    pub fn read(path: &Path) -> Result<Self, CasesError> {
        let file = path.display().to_string();
        let mut text = String::new();
        let read = File::open(path).and_then(|opened| opened.take(MAX_BYTES + 1).read_to_string(&mut text));
        read.map_err(|error| CasesError::Read { file: file.clone(), error })?;
        if text.len() as u64 > MAX_BYTES {
            return Err(CasesError::TooLarge(file));
        }
        let is_lines = path.extension().is_some_and(|extension| extension == "jsonl");
        let cases = if is_lines { Self::parse_lines(&text) } else { Self::parse(&text) }
            .map_err(|(line, error)| CasesError::Format { file: file.clone(), line, error })?;
        if cases.cases.is_empty() { Err(CasesError::Empty(file)) } else { Ok(cases) }
    }

    fn parse(text: &str) -> Result<Self, (Option<usize>, serde_json::Error)> {
        let raw: RawCases<C> = serde_json::from_str(text).map_err(|error| (None, error))?;
        let defaults = PolicyOptions::default();
        let mut grants = Grants::default();
        for grant in raw.grants {
            match grant {
                Grant::Clock => grants.clock = true,
                Grant::Random => grants.random = true,
                Grant::Wasi => grants.wasi = true,
            }
        }
        let options = PolicyOptions {
            config: Value::Object(raw.config).to_string(),
            grants,
            deadline: raw.deadline.unwrap_or(defaults.deadline),
            max_memory: raw.max_memory.unwrap_or(defaults.max_memory),
            instances: match raw.instances {
                RawInstances::Fresh => Instances::Fresh,
                RawInstances::Warm => Instances::Warm,
            },
            ..defaults
        };
        Ok(Self { options, cases: raw.cases })
    }

    fn parse_lines(text: &str) -> Result<Self, (Option<usize>, serde_json::Error)> {
        let lines = text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty());
        let cases = lines.map(|(at, line)| serde_json::from_str(line).map_err(|error| (Some(at + 1), error)));
        Ok(Self { options: PolicyOptions::default(), cases: cases.collect::<Result<_, _>>()? })
    }
}

fn deadline<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Duration>, D::Error> {
    read_quantity(deserializer, "deadline", TIMES, &DEADLINES)
        .map(|millis| Some(Duration::from_millis(millis)))
}

fn memory<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<usize>, D::Error> {
    let bytes = read_quantity(deserializer, "max_memory", SIZES, &MEMORIES)?;
    usize::try_from(bytes).map(Some).map_err(D::Error::custom)
}

/// A number with or without a unit, within the range that the configuration has for it.
fn read_quantity<'de, D: Deserializer<'de>>(
    deserializer: D,
    key: &str,
    units: Units,
    range: &RangeInclusive<u64>,
) -> Result<u64, D::Error> {
    let number = match Value::deserialize(deserializer)? {
        Value::String(text) => quantity::parse(&text, units),
        value => value.as_u64(),
    };
    number.filter(|number| range.contains(number)).ok_or_else(|| {
        let [least, most] = [range.start(), range.end()].map(|end| quantity::write(*end, units));
        D::Error::custom(format_args!("{key}: use \"{least}\" to \"{most}\""))
    })
}

#[cfg(test)]
mod tests {
    use std::{fs, time::Duration};

    use super::{Cases, CasesError, Expectation, Instances, Request};
    use crate::testkit::Refused;

    fn read(name: &str, text: &str) -> Result<Cases, CasesError> {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join(name);
        fs::write(&file, text).unwrap();
        Cases::read(&file)
    }

    #[test]
    fn the_example_in_the_documentation_is_a_cases_file() {
        let page = include_str!("../../docs/policy-cases.md");
        let example = page.split("```json\n").nth(1).and_then(|rest| rest.split("```").next()).unwrap();
        let cases = read("cases.json", example).unwrap();
        assert_eq!(cases.cases.len(), 5);
        assert_eq!(cases.options.config, r#"{"vips":["joe"]}"#);
        assert_eq!(cases.cases[0].request, Request::new().returning("pub-1"));
        assert_eq!(cases.cases[4].expect, Expectation::Refused(Refused::ConfigError("vips".to_owned())));
    }

    #[test]
    fn limits_and_grants_are_those_of_the_configuration() {
        let text = r#"{"grants": ["clock", "random"], "deadline": "1s", "max_memory": "48MiB", "instances": "warm",
            "cases": [{"name": "a"}]}"#;
        let options = read("cases.json", text).unwrap().options;
        assert!(options.grants.clock && options.grants.random && !options.grants.wasi);
        assert_eq!((options.deadline, options.max_memory), (Duration::from_secs(1), 48 << 20));
        assert_eq!(options.instances, Instances::Warm);
    }

    #[test]
    fn lines_are_cases_and_a_wrong_one_is_named() {
        let cases =
            read("cases.jsonl", "{\"name\":\"a\"}\n\n{\"name\":\"b\",\"expect\":\"none\"}\n").unwrap();
        assert_eq!(cases.cases.len(), 2);
        let error = read("cases.jsonl", "{\"name\":\"a\"}\n{}\n").unwrap_err().to_string();
        assert!(error.contains("cases.jsonl:2:") && error.contains("name"), "{error}");
    }

    #[test]
    fn what_is_no_cases_file_is_refused_with_the_place() {
        for (text, hint) in [
            ("{\"cases\": []}", "no cases in it"),
            ("{\"cases\": [{}]}", "missing field `name`"),
            ("{\"case\": []}", "unknown field `case`"),
            ("{\"deadline\": \"20\", \"cases\": []}", "deadline: use \"1ms\" to \"10s\""),
            ("{\"deadline\": \"+5ms\", \"cases\": []}", "deadline: use"),
            ("{\"deadline\": \"11s\", \"cases\": []}", "deadline: use"),
            ("{\"max_memory\": -1, \"cases\": []}", "max_memory: use \"64KiB\" to \"1GiB\""),
            ("{\"max_memory\": \"2GiB\", \"cases\": []}", "max_memory: use"),
            ("{\"cases\": [{\"name\": \"a\", \"expect\": \"maybe\"}]}", "expect: use"),
            ("nonsense", "line 1"),
        ] {
            let error = read("cases.json", text).unwrap_err().to_string();
            assert!(error.contains("cases.json") && error.contains(hint), "{error}");
        }
    }
}
