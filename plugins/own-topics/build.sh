#!/usr/bin/env bash
# Makes component.wasm. Needs Rust with rustup, or with the target wasm32-unknown-unknown.
set -euo pipefail
cd "$(dirname "$0")/.."

target=wasm32-unknown-unknown
[ -d "$(rustc --print sysroot)/lib/rustlib/$target" ] || rustup target add "$target"
# Flags of the caller's own would replace those of .cargo/config.toml, and with them the linker that makes components.
unset RUSTFLAGS CARGO_ENCODED_RUSTFLAGS CARGO_BUILD_RUSTFLAGS
cargo build --release --locked --package wampgate-own-topics-authorizer
cp "${CARGO_TARGET_DIR:-target}/$target/release/wampgate_own_topics_authorizer.wasm" own-topics/component.wasm
