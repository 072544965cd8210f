#!/usr/bin/env bash
# Makes component.wasm. Needs python3 with venv; the C compiler (Zig's clang) and wasm-tools come from PyPI.
set -euo pipefail
cd "$(dirname "$0")"
. ./tools.sh
need zig wasm-tools

mkdir -p target
# No libc and no WASI: nothing could be imported by accident. The stack and all data fit the first page of memory.
python-zig cc --target=wasm32-freestanding -std=c23 -Oz -Wall -Wextra -Werror -g -mbulk-memory -nostdlib \
    -Wl,--no-entry -Wl,-z,stack-size=16384 authenticator.c contract.c guest.c -o target/core.wasm
# Without what debuggers need, and with the functions' names, which the gateway tells after a trap.
wasm-tools strip target/core.wasm --output target/named.wasm
wasm-tools component embed --world authenticator wit target/named.wasm --output target/embedded.wasm
wasm-tools component new target/embedded.wasm --output component.wasm
