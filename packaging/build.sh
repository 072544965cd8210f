#!/usr/bin/env bash
# Builds what people install: a static binary, its completions and manual pages, a Debian package, and the folder that the image is
# made of. The result is in target/dist.
#
#   packaging/build.sh            everything, for this machine's processor
#   WAMPGATE_BIN=… packaging/build.sh    packs a binary that is there already
#
# It needs the musl target of Rust (`rustup target add x86_64-unknown-linux-musl`), a C compiler for musl, which compiles LMDB
# (Debian: musl-tools), and for the package cargo-deb, which it installs.
set -euo pipefail
cd "$(dirname "$0")/.."

cargo_deb_version=3.8.0
dist=${DIST:-target/dist}
target=$(uname -m)-unknown-linux-musl

fail() {
    echo "packaging: $*" >&2
    exit 1
}

static_binary() {
    [ -d "$(rustc --print sysroot)/lib/rustlib/$target" ] || rustup target add "$target" ||
        fail "this toolchain has no target $target, and rustup cannot add it"
    command -v musl-gcc >/dev/null || fail "musl-gcc is missing (Debian: apt-get install musl-tools)"
    # One binary without a table of symbols: a third smaller. Traps of policies name functions by the component, not by this table.
    CARGO_PROFILE_RELEASE_STRIP=symbols cargo build --locked --release --target "$target" --target-dir target/dist-build
    binary=target/dist-build/$target/release/wampgate
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
    cargo deb --locked --no-build --no-strip --output "$dist/"
fi

ls -l "$dist"
