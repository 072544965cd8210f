//! What a configuration of a test says about time where the test itself says nothing.

use serde_json::{Value, json};

/// The longest deadline that a policy may have. With the default of 20 ms a gateway that was built without optimization
/// refuses honest clients when the machine is busy.
const DEADLINE: &str = "10s";

/// The policy that is built in, as a file.
const BUILT_IN_POLICY: &str =
    concat!(env!("CARGO_MANIFEST_DIR"), "/plugins/default/wampgate-default-policy.wasm");

/// Gives policies and clients time. The built-in policy becomes the same component from its file, since only those have
/// options. A path whose clients are not pinged expects no answer of a client that its test does not read from.
pub(super) fn patient(mut config: Value) -> Value {
    if let Some(transports) = config.get_mut("transports") {
        let services = &mut |service: &mut Value| {
            let policy = &mut service["policy"];
            if policy.is_null() {
                *policy = json!({ "component": BUILT_IN_POLICY });
            }
            give_time(policy);
            let options = &mut service["options"];
            if options.is_null() {
                *options = json!({});
            }
            if let Some(options) = options.as_object_mut() {
                options.entry("auto_ping_interval").or_insert_with(|| 0.into());
            }
        };
        each_service(transports, services);
    }
    if let Some(policies) = config.get_mut("policies").and_then(Value::as_object_mut) {
        policies.values_mut().for_each(give_time);
    }
    config
}

/// Sets the deadline of a policy that has none. One that is only named is set where it is defined.
fn give_time(policy: &mut Value) {
    if let Some(policy) = policy.as_object_mut() {
        policy.entry("deadline").or_insert_with(|| DEADLINE.into());
    }
}

fn each_service(value: &mut Value, action: &mut impl FnMut(&mut Value)) {
    if value["type"] == "websocket" || value["type"] == "rawsocket" {
        return action(value);
    }
    if value["type"] == "universal" && value["rawsocket"].is_object() {
        action(&mut value["rawsocket"]);
    }
    match value {
        Value::Array(values) => values.iter_mut().for_each(|value| each_service(value, action)),
        Value::Object(fields) => fields.values_mut().for_each(|value| each_service(value, action)),
        _ => {}
    }
}
