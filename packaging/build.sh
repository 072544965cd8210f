#!/usr/bin/env bash
# Builds what people install: a static binary, its completions and manual pages, a Debian package, and the folder that the image is
# made of, and tries them. The result is in target/dist.
#
#   packaging/build.sh                   everything, for this machine's processor; ten minutes on two cores
#   packaging/build.sh --without-deb     the same without the package
#   WAMPGATE_BIN=… packaging/build.sh    packs a binary that is there already, quickly: CI packs the one that the tests have used
#
# It needs the musl target of Rust (`rustup target add x86_64-unknown-linux-musl`), a C compiler for musl, which compiles LMDB
# and ring (Debian: musl-tools), and for the package cargo-deb, which it installs. BUILD names the folder that is compiled in.
set -euo pipefail
cd "$(dirname "$0")/.."

cargo_deb_version=3.8.0
dist=${DIST:-target/dist}
target=$(uname -m)-unknown-linux-musl
build=${BUILD:-target/dist-build}

fail() {
    echo "packaging: $*" >&2
    exit 1
}

static_binary() {
    [ -d "$(rustc --print sysroot)/lib/rustlib/$target" ] || rustup target add "$target" ||
        fail "this toolchain has no target $target, and rustup cannot add it"
    command -v musl-gcc >/dev/null || fail "musl-gcc is missing (Debian: apt-get install musl-tools)"
    # One binary without a table of symbols: a third smaller. Traps of policies name functions by the component, not by this table.
    CARGO_PROFILE_RELEASE_STRIP=symbols cargo build --locked --release --target "$target" --target-dir "$build"
    binary=$build/$target/release/wampgate
    # The image has no library, and another distribution may have other ones.
    if ldd "$binary" 2>&1 | grep -q '=>\|ld-linux\|ld-musl'; then
        fail "$binary is not static: $(ldd "$binary" 2>&1)"
    fi
}

if [ -n "${WAMPGATE_BIN:-}" ]; then binary=$WAMPGATE_BIN; else static_binary; fi
[ -x "$binary" ] || fail "there is no program at $binary"

rm -rf "$dist"
mkdir -p "$dist/man" "$dist/completions" "$dist/image/state"
install -m 0755 "$binary" "$dist/wampgate"
"$dist/wampgate" man "$dist/man"
gzip --no-name --best "$dist"/man/*.1
"$dist/wampgate" completions bash >"$dist/completions/wampgate.bash"
"$dist/wampgate" completions zsh >"$dist/completions/_wampgate"
"$dist/wampgate" completions fish >"$dist/completions/wampgate.fish"

# The folder that `docker build` takes.
install -m 0755 "$dist/wampgate" "$dist/image/wampgate"
install -m 0644 packaging/docker/{Dockerfile,config.json,compose.yaml} packaging/proxies/nginx.conf "$dist/image/"

if [ "${1:-}" != --without-deb ]; then
    if ! cargo install --list | grep -qxF "cargo-deb v$cargo_deb_version:"; then
        env -u CARGO_TARGET_DIR cargo install --quiet --locked --debug "cargo-deb@$cargo_deb_version"
    fi
    quickly=()
    [ -z "${WAMPGATE_BIN:-}" ] || quickly=(--fast)
    # The package takes its files from target/dist, where the manifest names them.
    [ "$dist" = target/dist ] || fail "the package is made in target/dist alone: leave DIST unset, or use --without-deb"
    cargo deb --locked --no-build --no-strip "${quickly[@]}" --output "$dist/"
fi

printf '%s: %d bytes, ' "$dist/wampgate" "$(stat -c %s "$dist/wampgate")"
ldd "$dist/wampgate" 2>&1 | grep -o 'statically linked\|not a dynamic executable' || echo "with the libraries of this machine"
ls -l "$dist"
WAMPGATE_BIN=$dist/wampgate packaging/check.sh
