#!/bin/sh
# Rebuilds the committed components from source and compares them, byte for byte: the default policy that the gateway embeds,
# and the components that tests ask. With --update it replaces the committed ones instead.
set -eu
cd "$(dirname "$0")"

compiler=default/wampgate-default-policy.rustc
built="${CARGO_TARGET_DIR:-target}/wasm32-unknown-unknown/release"
case "$built" in /*) ;; *) built="$PWD/$built" ;; esac

if command -v rustup >/dev/null && ! rustup target list --installed | grep -qx wasm32-unknown-unknown; then
    rustup target add wasm32-unknown-unknown
fi
# Flags of the caller's own would replace those of .cargo/config.toml, and with them the size of the stack.
unset RUSTFLAGS CARGO_ENCODED_RUSTFLAGS CARGO_BUILD_RUSTFLAGS
# Incremental builds give other bytes.
export CARGO_INCREMENTAL=0

# Where the sources of dependencies lie is no part of a component that a test asks. The embedded policy names none of them.
cargo fetch --locked --quiet
named=
for folder in "${CARGO_HOME:-$HOME/.cargo}"/registry/src/*/; do
    named="$named'--remap-path-prefix=${folder%/}=dependencies',"
done

failed=0
# Each by itself: what one needs of a dependency must not change another.
while read -r package committed; do
    case "$committed" in
        ../*) cargo build --release --locked --package "$package" --config "target.wasm32-unknown-unknown.rustflags=[$named]" ;;
        *) cargo build --release --locked --package "$package" ;;
    esac
    component="$built/$(echo "$package" | tr - _).wasm"
    if [ "${1:-}" = --update ]; then
        cp "$component" "$committed"
        echo "updated $committed"
    elif cmp "$component" "$committed"; then
        echo "$committed is what its source gives"
    else
        failed=1
    fi
done <<END
wampgate-default-policy default/wampgate-default-policy.wasm
wampgate-invitation-authenticator ../tests/component/invitation.wasm
wampgate-own-topics-authorizer ../tests/component/own-topics.wasm
wampgate-regions-policy ../tests/component/regions.wasm
wampgate-scripted ../tests/component/scripted.wasm
wampgate-scripted-policy ../tests/component/scripted-policy.wasm
END

if [ "${1:-}" = --update ]; then
    rustc --version > "$compiler"
    echo "build the gateway again to embed the default policy"
elif [ "$failed" -eq 0 ]; then
    :
elif [ "$(rustc --version)" != "$(cat "$compiler")" ]; then
    echo "the components were built with $(cat "$compiler"), this is $(rustc --version): compare with that compiler," >&2
    echo "or run plugins/check-rebuild.sh --update and commit the files" >&2
    exit 1
else
    echo "the source has changed: run plugins/check-rebuild.sh --update and commit the files" >&2
    exit 1
fi
