//! The policy's own configuration:
//!
//! ```json
//! { "roles": {"staff": "internal"}, "header": "cf-ipcountry", "countries": {"US": "us", "CA": "us"}, "otherwise": "eu" }
//! ```
//!
//! Only `otherwise` must be there.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

/// What the operator has written.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Config {
    /// Upstreams by role.
    pub(crate) roles: BTreeMap<String, String>,
    /// The request header that says the country.
    pub(crate) header: Option<String>,
    /// Upstreams by country.
    pub(crate) countries: BTreeMap<String, String>,
    /// The upstream of all others.
    pub(crate) otherwise: String,
}

impl Config {
    /// Reads the configuration. All faults come at once, each with its place and what to write instead.
    pub(crate) fn parse(text: &str) -> Result<Self, Vec<String>> {
        let object: Map<String, Value> =
            serde_json::from_str(text).map_err(|fault| vec![format!("use a JSON object: {fault}")])?;
        let mut faults = Vec::new();
        for key in object.keys() {
            if !matches!(key.as_str(), "roles" | "header" | "countries" | "otherwise") {
                faults.push(format!(
                    "unknown key \"{key}\": this policy knows \"roles\", \"header\", \"countries\" and \"otherwise\""
                ));
            }
        }
        let roles = upstreams(object.get("roles"), "roles", &mut faults);
        let countries = upstreams(object.get("countries"), "countries", &mut faults);
        let header = match object.get("header") {
            None => None,
            Some(Value::String(name)) if !name.is_empty() => Some(name.to_ascii_lowercase()),
            Some(_) => {
                faults.push("header: use the name of a request header, such as \"cf-ipcountry\"".to_owned());
                None
            }
        };
        if header.is_none() && !countries.is_empty() {
            faults.push("header: name the request header that says the country".to_owned());
        }
        let otherwise = match object.get("otherwise") {
            Some(Value::String(name)) if !name.is_empty() => name.clone(),
            _ => {
                faults.push("otherwise: use the name of an upstream".to_owned());
                String::new()
            }
        };
        if faults.is_empty() { Ok(Self { roles, header, countries, otherwise }) } else { Err(faults) }
    }
}

/// Upstreams by something.
fn upstreams(value: Option<&Value>, path: &str, faults: &mut Vec<String>) -> BTreeMap<String, String> {
    let mut upstreams = BTreeMap::new();
    match value {
        None => {}
        Some(Value::Object(members)) => {
            for (key, value) in members {
                match value.as_str() {
                    Some(name) if !name.is_empty() => {
                        upstreams.insert(key.clone(), name.to_owned());
                    }
                    _ => faults.push(format!("{path}.{key}: use the name of an upstream")),
                }
            }
        }
        Some(_) => faults.push(format!("{path}: use an object, such as {{\"…\": \"eu\"}}")),
    }
    upstreams
}

#[cfg(test)]
mod tests {
    use super::Config;

    #[test]
    fn only_the_upstream_of_all_others_must_be_there() {
        let config = Config::parse(r#"{"otherwise": "eu"}"#).expect("a configuration");
        assert_eq!((config.otherwise.as_str(), config.header), ("eu", None));
        let config =
            Config::parse(r#"{"header": "CF-IPCountry", "countries": {"US": "us"}, "otherwise": "eu"}"#);
        assert_eq!(config.expect("a configuration").header.as_deref(), Some("cf-ipcountry"));
    }

    #[test]
    fn all_faults_come_at_once_with_place_and_remedy() {
        let faults = Config::parse(r#"{"role": {}, "roles": {"staff": 7}, "countries": {"US": "us"}}"#);
        assert_eq!(
            faults.expect_err("four faults"),
            [
                "unknown key \"role\": this policy knows \"roles\", \"header\", \"countries\" and \"otherwise\"",
                "roles.staff: use the name of an upstream",
                "header: name the request header that says the country",
                "otherwise: use the name of an upstream",
            ]
        );
    }
}
