#!/usr/bin/env bash
# Makes component.wasm. Needs Node.js with npm.
set -euo pipefail
cd "$(dirname "$0")"

# Every version, also of what these packages need, is exact: a lock file would add nothing.
[ -e node_modules/.package-lock.json ] || npm install --silent --no-package-lock --no-audit --no-fund
node_modules/.bin/tsc --noEmit --strict --target es2022 --module esnext --moduleResolution bundler contract.d.ts policy.ts
node_modules/.bin/esbuild policy.ts --bundle --format=esm --target=es2022 "--external:wampgate:*" --outfile=target/policy.js --log-level=warning
# --sync: the contract has no asynchronous functions. --stub-wasi: no WASI is left among the imports.
node_modules/.bin/componentize-qjs --wit ../../wit -n authid-policy -j target/policy.js --sync --stub-wasi --opt-size -m -o component.wasm
