//! What `bindgen!` makes of the contract's versions in `wit/`, and nothing else.
#![allow(missing_docs, unreachable_pub, clippy::pedantic, clippy::restriction, reason = "generated code")]

pub(super) mod v0_1 {
    wasmtime::component::bindgen!({
        path: "wit/0.1.0",
        world: "granted-authid-policy",
        imports: { default: trappable },
        // Requests are lowered from where they are; only answers are owned.
        ownership: Borrowing { duplicate_if_necessary: false },
    });
}

pub(super) mod v0_2 {
    wasmtime::component::bindgen!({
        path: "wit/0.2.0",
        world: "granted-authid-policy",
        imports: { default: trappable },
        ownership: Borrowing { duplicate_if_necessary: false },
    });
}

pub(super) mod v0_3 {
    wasmtime::component::bindgen!({
        path: "wit",
        world: "granted-authid-policy",
        imports: { default: trappable },
        ownership: Borrowing { duplicate_if_necessary: false },
    });
}
