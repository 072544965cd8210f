#!/usr/bin/env bash
# Makes component.wasm. Needs Node.js with npm.
set -euo pipefail
cd "$(dirname "$0")"

# Every version, also of what these packages need, is exact: a lock file would add nothing.
[ -e node_modules/.package-lock.json ] || npm install --silent --no-package-lock --no-audit --no-fund
# --sync: the contract has no asynchronous functions. --stub-wasi: no WASI is left among the imports.
node_modules/.bin/componentize-qjs --wit ../../wit -n authid-policy -j policy.js --sync --stub-wasi --opt-size -m -o component.wasm
