//! The authenticator's own configuration:
//!
//! ```json
//! { "invited": { "ann": { "role": "frontend", "invitation": "q7Zr…", "until": "2026-12-31" } } }
//! ```
//!
//! `until` is the last day, in UTC; without it the invitation stands until it is taken out.

use serde_json::{Map, Value};

use crate::day;

/// The shortest invitation that is no guess, in characters.
const MIN_INVITATION: usize = 16;
/// The longest name that the contract allows, in characters.
const MAX_NAME: usize = 255;

/// What the operator has written.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Config {
    /// The entries by authid.
    pub(crate) invited: Vec<(String, Invited)>,
}

/// An entry of the list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Invited {
    pub(crate) role: String,
    pub(crate) invitation: String,
    /// The first moment at which the invitation no longer counts, in milliseconds since the epoch.
    pub(crate) ends: Option<u64>,
}

impl Config {
    /// Reads the configuration. All faults come at once, each with its place and what to write instead.
    pub(crate) fn parse(text: &str) -> Result<Self, Vec<String>> {
        let object: Map<String, Value> =
            serde_json::from_str(text).map_err(|fault| vec![format!("use a JSON object: {fault}")])?;
        let mut faults = Vec::new();
        for key in object.keys().filter(|key| *key != "invited") {
            faults.push(format!("unknown key \"{key}\": this authenticator knows \"invited\""));
        }
        let mut invited = Vec::new();
        match object.get("invited") {
            Some(Value::Object(people)) => {
                for (authid, entry) in people {
                    if let Some(entry) = Invited::parse(entry, &format!("invited.{authid}"), &mut faults) {
                        invited.push((authid.clone(), entry));
                    }
                    if !is_name(authid) {
                        faults.push(format!("invited.{authid}: an authid has 1 to {MAX_NAME} characters"));
                    }
                }
            }
            _ => faults.push("invited: use an object of invitations by authid".to_owned()),
        }
        if faults.is_empty() { Ok(Self { invited }) } else { Err(faults) }
    }

    /// The invitation of an authid.
    pub(crate) fn find(&self, authid: &str) -> Option<&Invited> {
        self.invited.iter().find(|(name, _)| name == authid).map(|(_, invited)| invited)
    }
}

impl Invited {
    fn parse(value: &Value, path: &str, faults: &mut Vec<String>) -> Option<Self> {
        let Value::Object(entry) = value else {
            faults.push(format!("{path}: use an object with `role` and `invitation`"));
            return None;
        };
        for key in entry.keys().filter(|key| !matches!(key.as_str(), "role" | "invitation" | "until")) {
            faults.push(format!("{path}: unknown key \"{key}\": use \"role\", \"invitation\" and \"until\""));
        }
        let role = entry.get("role").and_then(Value::as_str).filter(|role| is_name(role));
        if role.is_none() {
            faults.push(format!("{path}.role: use 1 to {MAX_NAME} characters"));
        }
        let invitation = entry.get("invitation").and_then(Value::as_str);
        let invitation =
            invitation.filter(|text| (MIN_INVITATION..=MAX_NAME).contains(&text.chars().count()));
        if invitation.is_none() {
            faults.push(format!(
                "{path}.invitation: use {MIN_INVITATION} to {MAX_NAME} characters that are drawn by chance"
            ));
        }
        let ends = match entry.get("until") {
            None => Some(None),
            Some(until) => until.as_str().and_then(day::end_of).map(Some),
        };
        if ends.is_none() {
            faults.push(format!("{path}.until: use a day such as \"2026-12-31\""));
        }
        Some(Self { role: role?.to_owned(), invitation: invitation?.to_owned(), ends: ends? })
    }

    /// Whether the invitation still counts.
    pub(crate) fn counts(&self, now: u64) -> bool {
        self.ends.is_none_or(|end| now < end)
    }
}

fn is_name(text: &str) -> bool {
    (1..=MAX_NAME).contains(&text.chars().count())
}

#[cfg(test)]
mod tests {
    use super::{Config, Invited};

    #[test]
    fn an_invitation_may_have_an_end() {
        let text = r#"{"invited": {"ann": {"role": "frontend", "invitation": "0123456789abcdef", "until": "1970-01-01"}}}"#;
        let config = Config::parse(text).expect("a configuration");
        let ann = Invited {
            role: "frontend".to_owned(),
            invitation: "0123456789abcdef".to_owned(),
            ends: Some(86_400_000),
        };
        assert_eq!(config.find("ann"), Some(&ann));
        assert!(ann.counts(86_399_999) && !ann.counts(86_400_000));
        assert_eq!(config.find("joe"), None);
    }

    #[test]
    fn all_faults_come_at_once_with_place_and_remedy() {
        let text = r#"{"people": 1, "invited": {"ann": {"role": "", "invitation": "short", "until": "soon", "age": 7}}}"#;
        let faults = Config::parse(text).expect_err("faults");
        assert_eq!(
            faults,
            [
                "unknown key \"people\": this authenticator knows \"invited\"",
                "invited.ann: unknown key \"age\": use \"role\", \"invitation\" and \"until\"",
                "invited.ann.role: use 1 to 255 characters",
                "invited.ann.invitation: use 16 to 255 characters that are drawn by chance",
                "invited.ann.until: use a day such as \"2026-12-31\"",
            ]
        );
        assert_eq!(
            Config::parse("{}").expect_err("none"),
            ["invited: use an object of invitations by authid"]
        );
    }
}
