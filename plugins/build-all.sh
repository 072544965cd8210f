#!/usr/bin/env bash
# Builds the example policies from source, one after the other, and asks each the questions of its cases file on the
# gateway's own engine. `build-all.sh` does it for all of them, `build-all.sh zig go vip` for some.
#
# Tool chains are installed as the build scripts need them. A build that takes longer than $WAMPGATE_BUILD_SECONDS (300 if
# unset) counts as failed.
set -euo pipefail
cd "$(dirname "$0")"

all=(vip rust c zig js ts python go wat)
[ $# -gt 0 ] || set -- "${all[@]}"
limit=${WAMPGATE_BUILD_SECONDS:-300}
log=$(mktemp -d)
trap 'rm -rf "$log"' EXIT

# Built here and not in the gateway's target folder, whose profile is another one. A relative path would be read from
# another folder by each build.
guest_target=$PWD/target
passed=0 failed=0

printf '%-8s %10s %12s %12s   %s\n' policy bytes build compile decision
for name in "$@"; do
    case $name in
        vip) folder=vip cases=vip/cases.json ;;
        *) folder=returning-$name cases=returning-cases.json ;;
    esac
    [ -x "$folder/build.sh" ] || { echo "build-all.sh: there is no $name, only: ${all[*]}" >&2; exit 2; }

    begun=$SECONDS
    rm -f "$folder/component.wasm"
    if ! CARGO_TARGET_DIR=$guest_target timeout --kill-after=10 "$limit" \
        nice -n 10 "$folder/build.sh" >"$log/$name" 2>&1 </dev/null; then
        failed=$((failed + 1))
        printf '%-8s does not build:\n' "$name"
        tail -n 30 "$log/$name" | sed 's/^/    /'
        continue
    fi
    built=$((SECONDS - begun))

    # Its cases, through the library: the line that it prints has size, compile time and the median decision.
    # From the gateway's own folder: in this one, cargo builds for WebAssembly.
    if (cd .. && WAMPGATE_GUESTS=plugins/$cases=plugins/$folder/component.wasm cargo test --quiet --locked \
        --test component examples_that_have_been_built -- --nocapture) >"$log/$name" 2>&1 && line=$(grep -E '^measured: ' "$log/$name"); then
        passed=$((passed + 1))
        read -r _ bytes compile decision <<<"$line"
        printf '%-8s %10s %10s s %12s   %s\n' "$name" "$bytes" "$built" "$compile" "$decision"
    else
        failed=$((failed + 1))
        printf '%-8s does not pass its cases:\n' "$name"
        tail -n 30 "$log/$name" | sed 's/^/    /'
    fi
done
printf '%d passed, %d failed\n' "$passed" "$failed"
[ "$failed" -eq 0 ]
