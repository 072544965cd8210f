#!/usr/bin/env bash
# Makes component.wasm. Needs Rust with rustup, or with the target wasm32-unknown-unknown.
set -euo pipefail
cd "$(dirname "$0")"

target=wasm32-unknown-unknown
[ -d "$(rustc --print sysroot)/lib/rustlib/$target" ] || rustup target add "$target"
# Flags for this machine, such as another linker's, mean nothing to WebAssembly.
unset RUSTFLAGS CARGO_ENCODED_RUSTFLAGS CARGO_BUILD_RUSTFLAGS
folder=${CARGO_TARGET_DIR:-target}
cargo build --release --target "$target" --target-dir "$folder"
cp "$folder/$target/release/component.wasm" component.wasm
