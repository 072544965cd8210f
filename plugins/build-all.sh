#!/usr/bin/env bash
# Builds the example components from source, one after the other, and asks each the questions of its cases file on the
# gateway's own engine. `build-all.sh --every` does it for all of them, `build-all.sh zig authorizer-go vip` for some, and `build-all.sh`
# for what CI has time for: policies in every language, and authenticators and authorizers in those whose builds take seconds.
#
# `returning-*`, `authenticator-*` and `authorizer-*` are built and tested as users meet them: `wampgate policy new` writes a project,
# whose own build and test run. So the examples and what users start from are one thing, and cannot fall apart.
#
# Tool chains are installed as the build scripts need them. A component that takes longer than $WAMPGATE_BUILD_SECONDS (300 if
# unset) counts as failed.
set -euo pipefail
cd "$(dirname "$0")"

some=(vip regions rust c zig js ts python go wat {authenticator,authorizer}-{rust,c,js,wat})
all=("${some[@]}" {authenticator,authorizer}-{zig,ts,python,go})
[ $# -gt 0 ] || set -- "${some[@]}"
[ "$*" != --every ] || set -- "${all[@]}"
for name in "$@"; do
    case " ${all[*]} " in *" $name "*) ;; *) echo "build-all.sh: there is no $name, only: ${all[*]}" >&2; exit 2 ;; esac
done
limit=${WAMPGATE_BUILD_SECONDS:-300}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# From the gateway's own folder: in this one, cargo builds for WebAssembly.
(cd .. && cargo build --quiet --locked)
WAMPGATE=$(cd .. && cd "${CARGO_TARGET_DIR:-target}" && pwd)/debug/wampgate
export WAMPGATE
# The policies are not built in the gateway's target folder, whose profile is another one. A relative path would be read
# from another folder by each build.
guest_target=$PWD/target
passed=0 failed=0

# What a user would do. On a busy machine an interpreter takes its time, and what is tested here is what it answers.
start() {
    local lang=${1##*-} kind=policy
    [ "$lang" = "$1" ] || kind=${1%-*}
    "$WAMPGATE" policy new "example-$1" --kind "$kind" --lang "$lang" --dir "$2"
    cd "$2"
    case $lang in
        # In the versions that the project comes with.
        rust) cargo metadata --locked --format-version 1 >/dev/null ;;
        js | ts) npm install ;;
    esac
    case $lang in
        js | ts) npm test -- --deadline 2000 ;;
        *) ./test.sh --deadline 2000 ;;
    esac
}
export -f start

printf '%-20s %10s %12s %12s   %s\n' component bytes 'build, test' compile answer
for name in "$@"; do
    if [ "$name" = vip ] || [ "$name" = regions ]; then
        folder=$PWD/$name cases=$PWD/$name/cases.json command=("$name/build.sh")
        rm -f "$name/component.wasm"
    else
        folder=$work/project/$name cases=$folder/cases.json
        command=(bash -euo pipefail -c 'start "$@"' - "$name" "$folder")
    fi

    begun=$SECONDS
    if ! CARGO_TARGET_DIR=$guest_target timeout --kill-after=10 "$limit" \
        nice -n 10 "${command[@]}" >"$work/$name" 2>&1 </dev/null; then
        failed=$((failed + 1))
        printf '%-20s does not build, or not pass its test:\n' "$name"
        tail -n 30 "$work/$name" | sed 's/^/    /'
        continue
    fi
    took=$((SECONDS - begun))

    # Its cases once more, through the library and read by another program: the line that it prints has size, compile time and
    # the median decision.
    if (cd .. && WAMPGATE_GUESTS=$cases=$folder/component.wasm cargo test --quiet --locked \
        --test integration examples_that_have_been_built -- --nocapture) >"$work/$name" 2>&1 && line=$(grep -E '^measured: ' "$work/$name"); then
        passed=$((passed + 1))
        read -r _ bytes compile decision <<<"$line"
        printf '%-20s %10s %10s s %12s   %s\n' "$name" "$bytes" "$took" "$compile" "$decision"
    else
        failed=$((failed + 1))
        printf '%-20s does not pass its cases:\n' "$name"
        tail -n 30 "$work/$name" | sed 's/^/    /'
    fi
done
printf '%d passed, %d failed\n' "$passed" "$failed"
[ "$failed" -eq 0 ]
