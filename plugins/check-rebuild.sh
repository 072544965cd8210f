#!/bin/sh
# Rebuilds the default policy from source and compares it, byte for byte, with the committed component that the gateway
# embeds. With --update it replaces the committed one instead.
set -eu
cd "$(dirname "$0")"

committed=default/wampgate-default-policy.wasm
compiler=default/wampgate-default-policy.rustc
built="${CARGO_TARGET_DIR:-target}/wasm32-unknown-unknown/release/wampgate_default_policy.wasm"
case "$built" in /*) ;; *) built="$PWD/$built" ;; esac

if command -v rustup >/dev/null && ! rustup target list --installed | grep -qx wasm32-unknown-unknown; then
    rustup target add wasm32-unknown-unknown
fi
# Flags of the caller's own would replace those of .cargo/config.toml, and with them the size of the stack.
unset RUSTFLAGS CARGO_ENCODED_RUSTFLAGS CARGO_BUILD_RUSTFLAGS
cargo build --release --locked --package wampgate-default-policy

if [ "${1:-}" = --update ]; then
    cp "$built" "$committed"
    rustc --version > "$compiler"
    echo "updated $committed; build the gateway again to embed it"
elif cmp "$built" "$committed"; then
    echo "$committed is what its source gives"
elif [ "$(rustc --version)" != "$(cat "$compiler")" ]; then
    echo "the component was built with $(cat "$compiler"), this is $(rustc --version): compare with that compiler," >&2
    echo "or run plugins/check-rebuild.sh --update and commit both files" >&2
    exit 1
else
    echo "the source has changed: run plugins/check-rebuild.sh --update and commit both files" >&2
    exit 1
fi
