//! The JSON Schema of the configuration, for editors.

use schemars::{Schema, generate::SchemaSettings};

use super::node::RawNode;

/// The JSON Schema (draft 2020-12) of a configuration file.
///
/// It is made of the same declarations as the loader. A few rules go beyond it: references to roles, realms and
/// policies, environment variables, and what must not be there twice.
pub fn schema() -> Schema {
    let mut schema = SchemaSettings::draft2020_12().into_generator().into_root_schema_for::<RawNode>();
    schema.insert("title".to_owned(), "wampgate configuration".into());
    schema
}
