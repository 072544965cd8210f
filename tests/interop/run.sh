#!/usr/bin/env bash
# Runs real programs against the gateway: Autobahn's cases for WebSocket servers, autobahn for Python, autobahn-js, wampy.js, Chromium on
# the built-in page and on the example application, the proxies that ask it about requests (nginx, Caddy, Traefik, Envoy, HAProxy),
# servers behind it (ws, websockets, Socket.IO, one for clients of Phoenix, Python's and nginx's servers of files, Crossbar.io),
# and applications that verify its assertions (PyJWT, jose).
#
#   WAMPGATE_BIN=target/debug/wampgate tests/interop/run.sh [conformance] [autobahn] [autobahnjs] [wampyjs] [proxies] [upstreams] [crossbar] [assertion] [browser]
#
# Without names, all of them; crossbar only with WAMPGATE_INTEROP_CROSSBAR=1, since it takes minutes to install and to run. What they need
# is installed first: Python packages into folders of their own, npm packages beside the scripts, and Chromium, nginx and HAProxy (Debian's
# packages) if they are not there and this runs as root.
# The gateway listens at a free port of 127.0.0.1 with a temporary node directory; nothing is left behind but the
# installed packages and, in $INTEROP_SCREENSHOTS (default: a folder in the temporary directory), the browser's pictures.
# The last line is `N passed, N failed`.
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
binary=${WAMPGATE_BIN:-$here/../../target/debug/wampgate}
cache=${XDG_CACHE_HOME:-$HOME/.cache}/wampgate-interop
screenshots=${INTEROP_SCREENSHOTS:-${TMPDIR:-/tmp}/wampgate-screenshots}

# Seconds that the gateway gets to listen: compiling the policy for the first time is part of it.
start_patience=30
# Seconds that it gets to end after SIGTERM; it promises 10.
stop_patience=12

work=$(mktemp -d)
gateway=
passed=0
failed=0

fail() {
    echo "interop: $*" >&2
    exit 1
}

clean_up() {
    if [ -n "$gateway" ]; then kill -9 "$gateway" 2>/dev/null || true; fi
    rm -rf "$work"
}
trap clean_up EXIT
trap 'exit 130' INT TERM

# === The gateway ===

# Adds a principal of a method to the method's file.
principal() {
    local method=$1
    shift
    "$binary" principals add "$work/node/$method.json" "$@" --method "$method" --role member || fail "no principal of $method"
}

start_gateway() {
    mkdir "$work/node"
    : >"$work/gateway.log"
    # A certificate that is its own authority.
    openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=localhost -addext subjectAltName=DNS:localhost \
        -keyout "$work/node/server.key" -out "$work/node/server.pem" 2>"$work/openssl.log" || { cat "$work/openssl.log" >&2; fail "openssl makes no certificate"; }
    cat >"$work/node/config.json" <<'JSON'
{"transports": [{
    "type": "web",
    "endpoint": {"type": "tcp", "interface": "127.0.0.1", "port": 0},
    "paths": {
        "/": {"type": "page"},
        "echo": {"type": "websocket-testee"},
        "proxied": {"type": "websocket-proxy", "upstream": {"addresses": ["unix:echo.sock:/echo"]}},
        "ws": {"type": "websocket", "cookie": {"store": {"type": "memory"}}},
        "login": {"type": "websocket", "cookie": {"store": {"type": "memory"}}, "auth": {
            "ticket": {"type": "static", "principals": {"joe": {"ticket": "interop-ticket", "role": "member"}}},
            "wampcra": {"type": "static", "users": {
                "joe": {"secret": "interop-secret", "role": "member"},
                "salted": {"role": "member", "secret": "o2Mng3BUAacN4cpKev7Wu31G3ifQqwoCY3sIQNXNbo8=",
                    "salt": "interop-salt", "iterations": 1000, "keylen": 32}}},
            "scram": {"type": "static", "principals": {"joe": {"role": "member", "kdf": "argon2id-13", "memory": 512,
                "iterations": 4096, "salt": "78675cc176081372c43abab3ea9fb70c",
                "stored-key": "b78539e17bacde7e09926071bbc054f3789417eb900ec54f5c3939f8fc28d186",
                "server-key": "b39be06d9fc22dcf096eb0752debfb095b198be1bf16199094dcd87bb5315791"}}},
            "cryptosign": {"type": "static", "principals": {"joe": {"role": "member", "authorized_keys": [
                "ea4a6c63e29c520abef5507b132ec5f9954776aebebe7b92421eea691446d22c"]}}},
            "cookie": {}
        }},
        "files": {"type": "websocket", "cookie": {"store": {"type": "memory"}}, "auth": {
            "ticket": {"type": "file", "filename": "ticket.json"},
            "wampcra": {"type": "file", "filename": "wampcra.json"},
            "scram": {"type": "file", "filename": "scram.json"},
            "cryptosign": {"type": "file", "filename": "cryptosign.json"},
            "cookie": {}
        }}
    }
}, {
    "type": "web",
    "endpoint": {"type": "unix", "path": "echo.sock"},
    "paths": {"echo": {"type": "websocket-testee"}}
}, {
    "type": "web",
    "endpoint": {"type": "tcp", "interface": "127.0.0.1", "port": 0, "tls": {"certificate": "server.pem", "key": "server.key"}},
    "paths": {"login": {"type": "websocket", "cookie": {"store": {"type": "memory"}}, "auth": {
        "ticket": {"type": "file", "filename": "ticket.json"},
        "cryptosign": {"type": "file", "filename": "cryptosign.json"}
    }}}
}, {
    "type": "rawsocket",
    "endpoint": {"type": "tcp", "interface": "127.0.0.1", "port": 0}
}, {
    "type": "rawsocket",
    "endpoint": {"type": "tcp", "interface": "127.0.0.1", "port": 0},
    "auth": {
        "ticket": {"type": "file", "filename": "ticket.json"},
        "wampcra": {"type": "file", "filename": "wampcra.json"},
        "scram": {"type": "file", "filename": "scram.json"},
        "cryptosign": {"type": "file", "filename": "cryptosign.json"}
    }
}]}
JSON
    principal ticket joe <<<interop-ticket
    principal wampcra joe <<<interop-secret
    principal wampcra salted <<<interop-secret
    principal scram joe <<<interop-secret
    principal cryptosign joe --key ea4a6c63e29c520abef5507b132ec5f9954776aebebe7b92421eea691446d22c </dev/null
    "$binary" run --node-dir "$work/node" >"$work/gateway.log" 2>&1 &
    gateway=$!
    local deadline=$((SECONDS + start_patience))
    until url=$(grep -om1 'listening on http://127\.0\.0\.1:[0-9]*' "$work/gateway.log"); do
        kill -0 "$gateway" 2>/dev/null || { cat "$work/gateway.log" >&2; fail "the gateway has ended"; }
        [ "$SECONDS" -lt "$deadline" ] || { cat "$work/gateway.log" >&2; fail "the gateway does not listen"; }
        sleep 0.1
    done
    url=ws://${url#*http://}/ws
    # Both follow in the configuration.
    until [ "$(grep -c 'listening on rs://' "$work/gateway.log")" -eq 2 ]; do
        [ "$SECONDS" -lt "$deadline" ] || { cat "$work/gateway.log" >&2; fail "the gateway does not listen for RawSocket"; }
        sleep 0.1
    done
    secure=$(sed -n 's|^listening on https://127\.0\.0\.1:||p' "$work/gateway.log")
    mapfile -t raw < <(sed -n 's/^listening on \(rs:.*\)/\1/p' "$work/gateway.log")
    echo "interop: the gateway serves $url"
}

stop_gateway() {
    kill -TERM "$gateway"
    local deadline=$((SECONDS + stop_patience))
    while kill -0 "$gateway" 2>/dev/null; do
        [ "$SECONDS" -lt "$deadline" ] || { cat "$work/gateway.log" >&2; fail "the gateway does not end on SIGTERM"; }
        sleep 0.1
    done
    local code=0
    wait "$gateway" || code=$?
    gateway=
    [ "$code" -eq 0 ] || { cat "$work/gateway.log" >&2; fail "the gateway ended with exit code $code"; }
}

# === The clients ===

# Runs a client and adds its closing line to the totals; one that ends without such a line counts as one failure.
run_client() {
    local name=$1 code=0
    shift
    echo "== $name"
    "$@" 2>&1 | tee "$work/$name.log" || code=$?
    local counts
    counts=$(tail -n 1 "$work/$name.log" | sed -n 's/^\([0-9]*\) passed, \([0-9]*\) failed$/\1 \2/p')
    if [ -z "$counts" ] || { [ "$code" -ne 0 ] && [ "${counts#* }" -eq 0 ]; }; then
        echo "FAILED: $name ended with exit code $code"
        counts="0 1"
    fi
    passed=$((passed + ${counts% *}))
    failed=$((failed + ${counts#* }))
}

# Sets `venv` to a virtual environment with the requirements in a folder.
python_packages() {
    command -v python3 >/dev/null || fail "$1 needs python3"
    local requirements=$here/$1/requirements.txt
    # A change of the requirements makes another folder, so that an old one is never half right.
    venv=$cache/$1-$(sha256sum "$requirements" | cut -c1-16)
    if [ ! -e "$venv/complete" ]; then
        rm -rf "$venv"
        python3 -m venv "$venv" || fail "python3 cannot make a virtual environment (Debian: apt-get install python3-venv)"
        "$venv/bin/pip" install --quiet --disable-pip-version-check --requirement "$requirements" ||
            fail "cannot install what $requirements names from PyPI"
        touch "$venv/complete"
    fi
}

conformance() {
    local venv
    python_packages conformance
    run_client conformance env PYTHONDONTWRITEBYTECODE=1 "$venv/bin/python" "$here/conformance/interop.py" "${url%/ws}/echo"
    # The same service behind the gateway itself: what passes, passes as it is.
    run_client conformance-proxied env PYTHONDONTWRITEBYTECODE=1 "$venv/bin/python" "$here/conformance/interop.py" "${url%/ws}/proxied"
}

autobahn() {
    local venv
    python_packages python
    run_client autobahn env PYTHONDONTWRITEBYTECODE=1 "$venv/bin/python" "$here/python/interop.py" "$url"
    run_client autobahn-features env PYTHONDONTWRITEBYTECODE=1 "$venv/bin/python" "$here/python/features.py" "$url"
    run_client autobahn-login env PYTHONDONTWRITEBYTECODE=1 "$venv/bin/python" "$here/python/login.py" "${url%/ws}/login"
    run_client autobahn-rawsocket env PYTHONDONTWRITEBYTECODE=1 "$venv/bin/python" "$here/python/rawsocket.py" "${raw[@]}" "$url"
    run_client autobahn-twisted env PYTHONDONTWRITEBYTECODE=1 "$venv/bin/python" "$here/python/rawsocket_twisted.py" "${raw[0]}"
    run_client autobahn-tls env PYTHONDONTWRITEBYTECODE=1 "$venv/bin/python" "$here/python/tls.py" "wss://localhost:$secure/login" "$work/node/server.pem"
    run_client autobahn-login-files env PYTHONDONTWRITEBYTECODE=1 "$venv/bin/python" "$here/python/login.py" "${url%/ws}/files"
    run_client autobahn-dynamic env PYTHONDONTWRITEBYTECODE=1 "$venv/bin/python" "$here/python/dynamic.py" "$binary"
}

node_packages() {
    command -v npm >/dev/null || fail "$1 needs Node.js 20 or later, with npm"
    # Without optional packages: those are native accelerators that would have to be compiled or downloaded. npm wants them
    # in the lock file all the same, hence the pinned versions in the package.json of wampyjs.
    (cd "$here/$1" && npm ci --ignore-scripts --omit=optional --no-audit --no-fund --loglevel=error) || fail "cannot install $1's npm packages"
}

autobahnjs() {
    node_packages autobahnjs
    run_client autobahnjs node "$here/autobahnjs/features.js" "$url"
}

wampyjs() {
    node_packages wampyjs
    run_client wampyjs node "$here/wampyjs/interop.js" "$url"
    run_client wampyjs-features node "$here/wampyjs/features.js" "$url"
    run_client wampyjs-login node "$here/wampyjs/login.js" "${url%/ws}/login"
    run_client wampyjs-login-files node "$here/wampyjs/login.js" "${url%/ws}/files"
}

# nginx and HAProxy, where they can be had. What needs them says that it is left out.
debian_proxies() {
    if [ "$(id -u)" -eq 0 ] && command -v apt-get >/dev/null && ! { command -v nginx && command -v haproxy; } >/dev/null; then
        { apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends nginx-light haproxy; } >"$work/apt.log" 2>&1 ||
            echo "cannot install Debian's nginx-light and haproxy"
    fi
}

proxies() {
    local venv
    python_packages forward_auth
    debian_proxies
    run_client proxies env PYTHONDONTWRITEBYTECODE=1 "$venv/bin/python" "$here/forward_auth/interop.py" "$binary" "$venv/bin"
}

upstreams() {
    local venv
    python_packages upstreams
    node_packages upstreams
    debian_proxies
    run_client upstreams env PYTHONDONTWRITEBYTECODE=1 node "$here/upstreams/interop.js" "$binary" "$venv/bin/python"
}

crossbar() {
    local venv
    python_packages crossbar
    node_packages autobahnjs
    run_client crossbar env PYTHONDONTWRITEBYTECODE=1 "$venv/bin/python" "$here/crossbar/compare.py" "$binary"
}

assertion() {
    local venv
    python_packages assertion
    node_packages assertion
    run_client assertion env PYTHONDONTWRITEBYTECODE=1 "$venv/bin/python" "$here/assertion/interop.py" "$binary"
}

browser() {
    if [ -z "${CHROMIUM:-}" ] && [ ! -x /usr/bin/chromium ]; then
        [ "$(id -u)" -eq 0 ] && command -v apt-get >/dev/null ||
            fail "install Chromium, or say in CHROMIUM where it is"
        apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends chromium >"$work/apt.log" 2>&1 ||
            { cat "$work/apt.log" >&2; fail "cannot install Debian's chromium"; }
    fi
    node_packages browser
    run_client browser env WAMPGATE_BIN="$binary" node "$here/browser/interop.js" "$screenshots"
    run_client console env WAMPGATE_BIN="$binary" node "$here/browser/console.js" "$screenshots"
    (cd "$here/../../examples/chat" && npm run --silent setup >/dev/null) || fail "cannot install the example's npm packages"
    run_client chat env WAMPGATE_BIN="$binary" node "$here/browser/chat.js" "$screenshots"
}

[ -x "$binary" ] || fail "no gateway at $binary: run cargo build, or say in WAMPGATE_BIN where it is"
binary=$(cd "$(dirname "$binary")" && pwd)/$(basename "$binary")
mkdir -p "$cache"
if [ $# -eq 0 ]; then
    set -- conformance autobahn autobahnjs wampyjs proxies upstreams assertion browser
    if [ "${WAMPGATE_INTEROP_CROSSBAR:-}" = 1 ]; then
        set -- "$@" crossbar
    else
        echo "interop: Crossbar.io behind the gateway is left out: WAMPGATE_INTEROP_CROSSBAR=1 tries it"
    fi
fi
for client in "$@"; do
    case $client in conformance | autobahn | autobahnjs | wampyjs | proxies | upstreams | crossbar | assertion | browser) ;; *) fail "no client is called $client" ;; esac
done

start_gateway
for client in "$@"; do "$client"; done
stop_gateway

echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ]
