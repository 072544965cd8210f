//! The policy's own configuration: `{"vips": ["joe", "ann"], "role": "vip"}`. `role` may be left out.

use serde_json::{Map, Value};

/// The role of a name in the list, if the configuration names none.
const DEFAULT_ROLE: &str = "vip";
/// The longest name that the contract allows, in characters.
const MAX_NAME: usize = 255;

/// What the operator has written.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Config {
    /// The authids that get the role.
    pub(crate) vips: Vec<String>,
    /// The role that they get.
    pub(crate) role: String,
}

impl Config {
    /// Reads the configuration. All faults come at once, each with its place and what to write instead.
    pub(crate) fn parse(text: &str) -> Result<Self, Vec<String>> {
        let object: Map<String, Value> =
            serde_json::from_str(text).map_err(|fault| vec![format!("use a JSON object: {fault}")])?;
        let mut faults = Vec::new();
        for key in object.keys().filter(|key| !matches!(key.as_str(), "vips" | "role")) {
            faults.push(format!("unknown key \"{key}\": this policy knows \"vips\" and \"role\""));
        }
        let vips = vips(object.get("vips"), &mut faults);
        let role = match object.get("role") {
            None => DEFAULT_ROLE.to_owned(),
            Some(role) => name(role, "role", &mut faults),
        };
        if faults.is_empty() { Ok(Self { vips, role }) } else { Err(faults) }
    }
}

fn vips(value: Option<&Value>, faults: &mut Vec<String>) -> Vec<String> {
    let Some(Value::Array(items)) = value else {
        faults.push("vips: use a list of authids, such as [\"joe\", \"ann\"]".to_owned());
        return Vec::new();
    };
    let mut vips: Vec<String> = Vec::with_capacity(items.len());
    for (index, item) in items.iter().enumerate() {
        let vip = name(item, &format!("vips[{index}]"), faults);
        if vips.contains(&vip) && !vip.is_empty() {
            faults.push(format!("vips[{index}]: \"{vip}\" stands in the list more than once, keep one"));
        }
        vips.push(vip);
    }
    vips
}

/// A name as the contract has it; an empty one after a fault.
fn name(value: &Value, path: &str, faults: &mut Vec<String>) -> String {
    match value.as_str() {
        Some(text) if (1..=MAX_NAME).contains(&text.chars().count()) => return text.to_owned(),
        Some(_) => faults.push(format!("{path}: use 1 to {MAX_NAME} characters")),
        None => faults.push(format!("{path}: use a string")),
    }
    String::new()
}

#[cfg(test)]
mod tests {
    use super::Config;

    #[test]
    fn the_role_may_be_left_out() {
        let config = Config::parse(r#"{"vips": ["joe", "ann"]}"#);
        let vips = vec!["joe".to_owned(), "ann".to_owned()];
        assert_eq!(config, Ok(Config { vips, role: "vip".to_owned() }));
    }

    #[test]
    fn all_faults_come_at_once_with_place_and_remedy() {
        let text = r#"{"vip": [], "vips": ["joe", 7, "", "joe"], "role": false}"#;
        let faults = Config::parse(text).expect_err("five faults");
        assert_eq!(
            faults,
            [
                "unknown key \"vip\": this policy knows \"vips\" and \"role\"",
                "vips[1]: use a string",
                "vips[2]: use 1 to 255 characters",
                "vips[3]: \"joe\" stands in the list more than once, keep one",
                "role: use a string",
            ]
        );
    }

    #[test]
    fn a_missing_list_is_a_fault() {
        let faults = Config::parse("{}").expect_err("no list");
        assert_eq!(faults, ["vips: use a list of authids, such as [\"joe\", \"ann\"]"]);
    }
}
