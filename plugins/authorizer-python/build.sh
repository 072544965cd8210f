#!/usr/bin/env bash
# Makes component.wasm. Needs python3 with venv; componentize-py comes from PyPI.
set -euo pipefail
cd "$(dirname "$0")"
. ./tools.sh
need componentize-py

# --stub-wasi: no WASI is left among the imports.
componentize-py -d wit -w authorizer componentize --stub-wasi authorizer -o component.wasm
