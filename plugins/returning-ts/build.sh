#!/usr/bin/env bash
# Makes component.wasm. Needs Node.js with npm.
set -euo pipefail
cd "$(dirname "$0")"

# Every version, also of what these packages need, is exact: a lock file would add nothing.
[ node_modules/.package-lock.json -nt package.json ] || npm install --loglevel=error --no-package-lock --no-audit --no-fund
npm run --silent build
