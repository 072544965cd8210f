//! What `bindgen!` makes of the contract in `wit/`, and nothing else.
#![allow(missing_docs, unreachable_pub, clippy::pedantic, clippy::restriction, reason = "generated code")]

wasmtime::component::bindgen!({
    path: "wit",
    world: "granted-authid-policy",
    imports: { default: trappable },
    // Requests are lowered from where they are; only answers are owned.
    ownership: Borrowing { duplicate_if_necessary: false },
});
