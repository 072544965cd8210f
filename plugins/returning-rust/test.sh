#!/usr/bin/env bash
# Builds the component, runs its unit tests on this machine, and asks it its cases on the gateway's own engine. Arguments go to
# `wampgate policy test`, such as `--warm`. The gateway is looked for in $WAMPGATE, and on PATH.
set -euo pipefail
cd "$(dirname "$0")"

wampgate=${WAMPGATE:-wampgate}
command -v "$wampgate" >/dev/null || { echo "test.sh: there is no $wampgate: put it on PATH, or its path into WAMPGATE" >&2; exit 1; }
./build.sh
# In release mode, for which the build has compiled most of it.
cargo test --quiet --release --target host-tuple
# A large component takes a while, the first time that the gateway sees it.
echo "compiling and testing component.wasm"
"$wampgate" policy test component.wasm cases.json "$@"
