#!/usr/bin/env bash
# What cargo would publish, used as its users will use it: the packed command compiles with everything that it embeds, and a
# policy author tests a component with the packed library, without the gateway.
set -euo pipefail
cd "$(dirname "$0")/../.."

# The largest package, in bytes. It has no need of fixtures, and no user should load more than the code.
limit=$((2 * 1024 * 1024))

mkdir -p "${CARGO_TARGET_DIR:-target}"
CARGO_TARGET_DIR=$(cd "${CARGO_TARGET_DIR:-target}" && pwd)
export CARGO_TARGET_DIR
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
rm -f "$CARGO_TARGET_DIR"/package/wampgate-*.crate

# Cargo compiles what it packs unless told otherwise, with all its dependencies and in a folder of its own. It is compiled
# below, beside what has been compiled already.
cargo package --quiet --locked --no-verify --allow-dirty
crate=$(echo "$CARGO_TARGET_DIR"/package/wampgate-*.crate)
size=$(stat -c %s "$crate")
echo "$(basename "$crate"): $size bytes"
if [ "$size" -gt "$limit" ]; then
    echo "the package is larger than $limit bytes: look at \`include\` in Cargo.toml, and at \`cargo package --list\`" >&2
    exit 1
fi
tar -xzf "$crate" -C "$work"
packed=$work/$(basename "$crate" .crate)

echo "the packed command, library and examples compile"
cargo check --quiet --locked --manifest-path "$packed/Cargo.toml" --bins --examples

echo "the gateway compiles without the command"
cargo check --quiet --locked --manifest-path "$packed/Cargo.toml" --lib --no-default-features --features gateway

echo "a policy author tests a component"
mkdir -p "$work/policy/src" "$work/policy/tests"
cp tests/package/policy.rs "$work/policy/tests/policy.rs"
cp "$packed/embedded/default-policy.wasm" "$work/policy/policy.wasm"
# The same versions of everything, which are compiled already or at least downloaded.
cp "$packed/Cargo.lock" "$work/policy/Cargo.lock"
touch "$work/policy/src/lib.rs"
cat >"$work/policy/Cargo.toml" <<TOML
[package]
name = "a-policy"
version = "0.1.0"
edition = "2024"

[dev-dependencies]
wampgate = { path = "$packed", default-features = false, features = ["testkit"] }

[workspace]
TOML
cargo test --quiet --manifest-path "$work/policy/Cargo.toml"
