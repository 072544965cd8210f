//! What `bindgen!` makes of the contract's versions in `wit/`, and nothing else.
#![allow(missing_docs, unreachable_pub, clippy::pedantic, clippy::restriction, reason = "generated code")]

macro_rules! contract {
    ($version:ident, $path:tt) => {
        pub(super) mod $version {
            wasmtime::component::bindgen!({
                path: $path,
                world: "granted-authid-policy",
                imports: { default: trappable },
                // Requests are lowered from where they are; only answers are owned.
                ownership: Borrowing { duplicate_if_necessary: false },
            });
        }
    };
}

contract!(v0_1, "wit/0.1.0");
contract!(v0_2, "wit/0.2.0");
contract!(v0_3, "wit");

/// Another world of the newest version, whose shared types are those of the world above.
macro_rules! beside {
    ($name:ident, $world:tt) => {
        pub(super) mod $name {
            wasmtime::component::bindgen!({
                path: "wit",
                world: $world,
                imports: { default: trappable },
                ownership: Borrowing { duplicate_if_necessary: false },
                with: {
                    "wampgate:authid/types@0.3.0": super::v0_3::wampgate::authid::types,
                    "wampgate:authid/log@0.3.0": super::v0_3::wampgate::authid::log,
                    "wampgate:authid/clock@0.3.0": super::v0_3::wampgate::authid::clock,
                    "wampgate:authid/random@0.3.0": super::v0_3::wampgate::authid::random,
                },
            });
        }
    };
}

beside!(authorizer, "granted-authorizer");
beside!(routing, "granted-routing-policy");
beside!(authenticator, "granted-authenticator");
