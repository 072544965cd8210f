#!/usr/bin/env bash
# Makes component.wasm. Needs python3 with venv; Zig and wasm-tools come from PyPI.
set -euo pipefail
cd "$(dirname "$0")"
. ./tools.sh
need zig wasm-tools

contract=wampgate:authid/authentication@0.3.0
mkdir -p target
# Freestanding: no WASI could be imported by accident. Safe: what is out of bounds traps, and refuses the client, where
# ReleaseSmall (a quarter smaller) would go on with whatever it read. Without --stack the memory would begin with 16 MiB of stack.
python-zig build-exe contract.zig -target wasm32-freestanding -mcpu=mvp+bulk_memory+mutable_globals+sign_ext -fno-entry \
    -OReleaseSafe -fno-strip --stack 16384 --cache-dir target/cache -femit-bin=target/core.wasm \
    --export=cabi_realloc --export="$contract#check-config" --export="$contract#needs" --export="$contract#authenticate" \
    --export="cabi_post_$contract#check-config" --export="cabi_post_$contract#needs" --export="cabi_post_$contract#authenticate"
# Without what debuggers need, and with the functions' names, which the gateway tells after a trap.
wasm-tools strip target/core.wasm --output target/named.wasm
wasm-tools component embed --world authenticator wit target/named.wasm --output target/embedded.wasm
wasm-tools component new target/embedded.wasm --output component.wasm
