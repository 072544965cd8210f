#!/usr/bin/env bash
# Makes component.wasm in the folder of a package of this workspace: `build-member.sh FOLDER PACKAGE`, which the folder's own build.sh
# calls. Needs Rust with rustup, or with the target wasm32-unknown-unknown.
set -euo pipefail
cd "$(dirname "$0")"
folder=$1 package=$2

target=wasm32-unknown-unknown
[ -d "$(rustc --print sysroot)/lib/rustlib/$target" ] || rustup target add "$target"
# Flags of the caller's own would replace those of .cargo/config.toml, and with them the linker that makes components.
unset RUSTFLAGS CARGO_ENCODED_RUSTFLAGS CARGO_BUILD_RUSTFLAGS
cargo build --release --locked --package "$package"
cp "${CARGO_TARGET_DIR:-target}/$target/release/${package//-/_}.wasm" "$folder/component.wasm"
