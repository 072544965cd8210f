//! Answers what its configuration says: the tests of the gateway ask it for every answer that there is, and for what no
//! component should do.
//!
//! ```json
//! { "authenticate": { "accept": { "authrole": "frontend" } } }
//! ```
//!
//! `"authorize"` is `{ "allow": true, "disclose": false, "seconds": 60, "scope": "session" }`, and `"call"` (or `"publish"`, …) beside it counts
//! for that action alone.
//!
//! `"trap"`, `"loop"`, `"flood"` (of the log), `"grow"` (of the memory) and `"leak"` (of what it was asked, to the log and
//! as an error) stand in place of an answer. `"echo": true` beside `accept` puts the question into `authextra`.

mod authenticator;
mod authorizer;

use core::hint::black_box;

use contract::wampgate::authid::log::{Level, log};
use serde_json::{Map, Value};

/// What `wit-bindgen` makes of the contract.
mod contract {
    #![allow(missing_docs, clippy::all, clippy::pedantic, reason = "generated code")]

    wit_bindgen::generate!({
        path: "../../wit",
        inline: "
            package wampgate:scripted;
            world scripted {
                include wampgate:authid/authenticator@0.3.0;
                include wampgate:authid/authorizer@0.3.0;
            }
        ",
        world: "wampgate:scripted/scripted",
        generate_all,
    });
}

/// The component, as the contract sees it.
#[derive(Debug)]
pub struct Scripted;

// The exports have names that only a wasm linker takes.
#[cfg(target_family = "wasm")]
contract::export!(Scripted with_types_in contract);

/// What the configuration says to do when a function is called. `question` is what it was asked.
fn script(config: &str, function: &str, question: &str) -> Result<Map<String, Value>, String> {
    let mut config: Map<String, Value> = serde_json::from_str(config).map_err(|fault| fault.to_string())?;
    match config.remove(function) {
        Some(Value::Object(answer)) => Ok(answer),
        Some(Value::String(deed)) => Err(misbehave(&deed, question)),
        _ => Err(format!("the configuration has no {function}")),
    }
}

/// Does what no component should do, or returns the error.
fn misbehave(deed: &str, question: &str) -> String {
    match deed {
        "trap" => {
            #[cfg(target_family = "wasm")]
            core::arch::wasm32::unreachable();
        }
        "loop" => loop {
            black_box(());
        },
        "flood" => loop {
            log(Level::Info, "and again");
        },
        "grow" => {
            let mut all = Vec::new();
            loop {
                all.push(black_box(vec![1_u8; 1 << 20]));
            }
        }
        "leak" => {
            log(Level::Info, question);
            return question.to_owned();
        }
        _ => {}
    }
    deed.to_owned()
}

fn text(answer: &Map<String, Value>, key: &str) -> Option<String> {
    answer.get(key).and_then(Value::as_str).map(str::to_owned)
}

fn number(answer: &Map<String, Value>, key: &str) -> u32 {
    answer.get(key).and_then(Value::as_u64).and_then(|number| number.try_into().ok()).unwrap_or_default()
}

fn object(answer: &Map<String, Value>, key: &str) -> Option<Map<String, Value>> {
    answer.get(key).and_then(Value::as_object).cloned()
}
