//! The authorizer's own configuration:
//!
//! ```json
//! { "own": "com.example.user.", "shared": ["com.example.public."], "readable": true }
//! ```

use serde_json::{Map, Value};

/// What the operator has written.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Config {
    /// Behind it comes the public ID of the client that owns a URI.
    pub(crate) own: String,
    /// What all clients may use.
    pub(crate) shared: Vec<String>,
    /// Whether clients may call and subscribe to what others own.
    pub(crate) readable: bool,
}

impl Config {
    /// Reads the configuration. All faults come at once, each with its place and what to write instead.
    pub(crate) fn parse(text: &str) -> Result<Self, Vec<String>> {
        let object: Map<String, Value> =
            serde_json::from_str(text).map_err(|fault| vec![format!("use a JSON object: {fault}")])?;
        let mut faults = Vec::new();
        for key in object.keys().filter(|key| !matches!(key.as_str(), "own" | "shared" | "readable")) {
            faults.push(format!(
                "unknown key \"{key}\": this authorizer knows \"own\", \"shared\" and \"readable\""
            ));
        }
        let own = prefix(object.get("own"), "own", &mut faults);
        let shared = match object.get("shared") {
            None => Vec::new(),
            Some(Value::Array(items)) => {
                let items = items.iter().enumerate();
                items.map(|(at, item)| prefix(Some(item), &format!("shared[{at}]"), &mut faults)).collect()
            }
            Some(_) => {
                faults.push("shared: use a list of prefixes".to_owned());
                Vec::new()
            }
        };
        let readable = match object.get("readable") {
            None => false,
            Some(Value::Bool(readable)) => *readable,
            Some(_) => {
                faults.push("readable: use true or false".to_owned());
                false
            }
        };
        if faults.is_empty() { Ok(Self { own, shared, readable }) } else { Err(faults) }
    }
}

/// A prefix of whole components; an empty one after a fault.
fn prefix(value: Option<&Value>, path: &str, faults: &mut Vec<String>) -> String {
    let is_prefix = |text: &&str| {
        text.strip_suffix('.').is_some_and(|start| !start.is_empty() && !start.split('.').any(str::is_empty))
    };
    match value.and_then(Value::as_str).filter(is_prefix) {
        Some(text) => text.to_owned(),
        None => {
            faults.push(format!(
                "{path}: use the beginning of a URI with its dot, such as \"com.example.user.\""
            ));
            String::new()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Config;

    #[test]
    fn all_faults_come_at_once_with_place_and_remedy() {
        let faults =
            Config::parse(r#"{"mine": 1, "own": "com.example", "shared": ["a..b."], "readable": 1}"#);
        let faults = faults.expect_err("four faults");
        assert_eq!(faults.len(), 4);
        for (fault, part) in
            faults.iter().zip(["unknown key \"mine\"", "own: use", "shared[0]: use", "readable: use"])
        {
            assert!(fault.contains(part), "{fault}");
        }
    }
}
