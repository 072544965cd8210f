//! A validator for the part of JSON Schema (draft 2020-12) that the schema uses. It knows nothing of the loader, and a
//! keyword that it does not know fails the test that meets it.

use regex::bytes::Regex;
use serde_json::{Map, Value};

/// Whether a value is valid; the innermost complaint if it is not.
pub(crate) fn validate(root: &Value, value: &Value) -> Result<(), String> {
    Validator { root }.check(root, value, "")
}

struct Validator<'s> {
    root: &'s Value,
}

impl Validator<'_> {
    fn check(&self, schema: &Value, value: &Value, path: &str) -> Result<(), String> {
        let keywords = schema.as_object().unwrap_or_else(|| panic!("{schema} is no schema"));
        for (keyword, argument) in keywords {
            let valid = match keyword.as_str() {
                // The last three are looked at together, below.
                "$schema"
                | "$defs"
                | "title"
                | "description"
                | "properties"
                | "patternProperties"
                | "additionalProperties"
                // Annotations for `schema --markdown`.
                | "x-unit"
                | "x-form" => true,
                "$ref" => {
                    let pointer = argument.as_str().unwrap().strip_prefix('#').unwrap();
                    self.check(self.root.pointer(pointer).unwrap(), value, path)?;
                    true
                }
                "type" => is_of_type(argument.as_str().unwrap(), value),
                "const" => argument == value,
                "enum" => argument.as_array().unwrap().contains(value),
                "minimum" => value.as_f64().is_none_or(|number| number >= argument.as_f64().unwrap()),
                "maximum" => value.as_f64().is_none_or(|number| number <= argument.as_f64().unwrap()),
                "minLength" => value.as_str().is_none_or(|text| text.chars().count() >= size(argument)),
                "maxLength" => value.as_str().is_none_or(|text| text.chars().count() <= size(argument)),
                "pattern" => value.as_str().is_none_or(|text| matches(argument.as_str().unwrap(), text)),
                "minProperties" => value.as_object().is_none_or(|object| object.len() >= size(argument)),
                "maxProperties" => value.as_object().is_none_or(|object| object.len() <= size(argument)),
                "required" => value.as_object().is_none_or(|object| {
                    argument.as_array().unwrap().iter().all(|key| object.contains_key(key.as_str().unwrap()))
                }),
                "items" => {
                    for (index, item) in value.as_array().into_iter().flatten().enumerate() {
                        self.check(argument, item, &format!("{path}/{index}"))?;
                    }
                    true
                }
                "anyOf" => self.matching(argument, value, path) >= 1,
                "oneOf" => self.matching(argument, value, path) == 1,
                unknown => panic!("the validator does not know {unknown}"),
            };
            if !valid {
                return Err(format!("{path}: {keyword} {argument} is not met by {value}"));
            }
        }
        value.as_object().map_or(Ok(()), |object| self.check_properties(keywords, object, path))
    }

    fn check_properties(
        &self,
        keywords: &Map<String, Value>,
        object: &Map<String, Value>,
        path: &str,
    ) -> Result<(), String> {
        for (key, value) in object {
            let path = format!("{path}/{key}");
            let named = keywords.get("properties").and_then(|properties| properties.get(key));
            let by_pattern =
                keywords.get("patternProperties").and_then(Value::as_object).and_then(|patterns| {
                    patterns.iter().find(|(pattern, _)| matches(pattern, key)).map(|(_, schema)| schema)
                });
            match (named.or(by_pattern), keywords.get("additionalProperties")) {
                (None, None) => {}
                (None, Some(Value::Bool(false))) => return Err(format!("{path} is not allowed")),
                (Some(schema), _) | (None, Some(schema)) => self.check(schema, value, &path)?,
            }
        }
        Ok(())
    }

    fn matching(&self, schemas: &Value, value: &Value, path: &str) -> usize {
        schemas.as_array().unwrap().iter().filter(|schema| self.check(schema, value, path).is_ok()).count()
    }
}

fn size(argument: &Value) -> usize {
    usize::try_from(argument.as_u64().unwrap()).unwrap()
}

fn matches(pattern: &str, text: &str) -> bool {
    // Without Unicode tables, which none of the patterns needs.
    Regex::new(&format!("(?-u){pattern}")).unwrap().is_match(text.as_bytes())
}

fn is_of_type(name: &str, value: &Value) -> bool {
    match name {
        "null" => value.is_null(),
        "boolean" => value.is_boolean(),
        "integer" => value.is_u64() || value.is_i64(),
        "string" => value.is_string(),
        "array" => value.is_array(),
        "object" => value.is_object(),
        other => panic!("the validator does not know the type {other}"),
    }
}
