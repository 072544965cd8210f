#!/usr/bin/env bash
# Walks through docs/scaling.md: a client on three gateways, a gateway that dies, a revocation that reaches all, a Redis that goes
# and comes back. Each step says what it has seen, and the first that sees something else ends the walk.
#
#   examples/scaling/walk.sh
#       with `docker compose`, the image `wampgate`, which packaging/build.sh makes ready, curl and python3. Removes its containers afterwards.
#   WAMPGATE_BIN=target/debug/wampgate examples/scaling/walk.sh here
#       with the same files and without containers, on ports of this machine: takes nginx, redis-server, redis-cli, curl, and python3
#       with yaml.
set -euo pipefail
cd "$(dirname "$0")"

where=${1:-compose}
work=$(mktemp -d)
gateways=(a b c)
# How long something may take until it is seen.
patience=60

ok() { echo "ok: $*"; }

fail() {
    echo "FAILED: $*" >&2
    tail -n 20 "$work"/*.log >&2 2>/dev/null || true
    exit 1
}

# Tries a command until it succeeds.
until_ok() {
    local deadline=$((SECONDS + patience))
    until "$@"; do
        [ "$SECONDS" -lt "$deadline" ] || return 1
        sleep 0.2
    done
}

# === With containers ===

if [ "$where" = compose ]; then
    export REDIS_PASSWORD=${REDIS_PASSWORD:-$(od -An -tx1 -N24 /dev/urandom | tr -d ' \n')} PORT=${PORT:-8080}
    compose() { docker compose --project-name wampgate-walk "$@" >>"$work/compose.log" 2>&1; }
    url=http://127.0.0.1:$PORT
    up() { compose up -d --wait; }
    down() { compose down --volumes --timeout 15; }
    kill_gateway() { compose kill "gateway-$1"; }
    start_gateway() { compose up -d --wait "gateway-$1"; }
    stop_redis() { compose stop redis; }
    start_redis() { compose up -d --wait redis; }
    cookies() {
        local gateway=$1
        shift
        docker compose --project-name wampgate-walk exec -T "gateway-$gateway" /wampgate cookies "$@"
    }
fi

# === Without containers ===

if [ "$where" = here ]; then
    binary=$(cd "$OLDPWD" && realpath "${WAMPGATE_BIN:?name the binary}")
    declare -A port process
    free_port() { python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'; }
    for name in redis nginx "${gateways[@]}"; do port[$name]=$(free_port); done
    password=$(od -An -tx1 -N24 /dev/urandom | tr -d ' \n')
    url=http://127.0.0.1:${port[nginx]}
    # The files of the containers, with this machine's places.
    sed 's|172.16.0.0/12|127.0.0.1|' config.json >"$work/config.json"
    sed "s|^dir .*|dir $work|" redis.conf >"$work/redis.conf"
    sed "s|listen 80;|listen 127.0.0.1:${port[nginx]};|; s|/tmp/nginx.pid|$work/nginx.pid|; s|^worker_rlimit_nofile .*||; s|worker_connections .*|worker_connections 256;|
        s|gateway-a:8080|127.0.0.1:${port[a]}|; s|gateway-b:8080|127.0.0.1:${port[b]}|; s|gateway-c:8080|127.0.0.1:${port[c]}|" \
        nginx.conf >"$work/nginx.conf"
    # What the Compose file tells Redis, one a line.
    mapfile -t redis_command < <(REDIS_PASSWORD=$password python3 - <<'PYTHON'
import os, re, yaml

for part in yaml.safe_load(open("compose.yaml"))["services"]["redis"]["command"]:
    print(re.sub(r"\$\{REDIS_PASSWORD[^}]*\}", os.environ["REDIS_PASSWORD"], part))
PYTHON
    )
    redis_command[1]=$work/redis.conf
    answers() { REDISCLI_AUTH=$password redis-cli -p "${port[redis]}" --user wampgate --no-auth-warning ping 2>/dev/null | grep -q PONG; }
    start_redis() {
        "${redis_command[@]}" --port "${port[redis]}" --bind 127.0.0.1 >>"$work/redis.log" 2>&1 &
        process[redis]=$!
        until_ok answers
    }
    stop_redis() { end redis TERM; }
    # In the place of this shell, so that a signal reaches it.
    become_gateway() {
        local gateway=$1
        shift
        exec env REDIS_URL="redis://wampgate:$password@127.0.0.1:${port[redis]}/0" WAMPGATE_CONFIG="$work/config.json" \
            WAMPGATE_NODE_DIR="$work/$gateway" "$binary" "$@"
    }
    start_gateway() {
        mkdir -p -m 700 "$work/$1"
        WAMPGATE_PORT=${port[$1]} WAMPGATE_INTERFACE=127.0.0.1 become_gateway "$1" run >>"$work/gateway-$1.log" 2>&1 &
        process[$1]=$!
        until_ok curl -fsS -o /dev/null "http://127.0.0.1:${port[$1]}/health/readyz" 2>/dev/null
    }
    kill_gateway() { end "$1" KILL; }
    cookies() {
        local gateway=$1
        shift
        (become_gateway "$gateway" cookies "$@")
    }
    end() {
        kill "-$2" "${process[$1]}" || return
        wait "${process[$1]}" 2>/dev/null || true
        unset "process[$1]"
    }
    up() {
        start_redis
        for name in "${gateways[@]}"; do start_gateway "$name"; done
        nginx -p "$work" -c "$work/nginx.conf" -g 'daemon off;' >"$work/nginx.log" 2>&1 &
        process[nginx]=$!
        until_ok curl -fsS -o /dev/null "$url/" 2>/dev/null
    }
    down() {
        local failed=0
        for name in "${!process[@]}"; do end "$name" TERM || failed=1; done
        return "$failed"
    }
fi

declare -F up >/dev/null || { echo "usage: walk.sh [compose|here]" >&2 && exit 2; }
open=()
trap 'kill "${open[@]}" 2>/dev/null || true; down || true; rm -rf "$work"' EXIT

# === The client ===

# An opening handshake by way of the balancer, with a cookie unless it is empty. Its head is in $work/head afterwards.
handshake() {
    curl -sS --max-time 1 -o /dev/null -D "$work/head" ${1:+-H "Cookie: cbtid=$1"} -H 'Connection: Upgrade' \
        -H 'Upgrade: websocket' -H 'Sec-WebSocket-Version: 13' -H 'Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==' \
        -H 'Sec-WebSocket-Protocol: wamp.2.json' "$url/ws" 2>>"$work/curl.log" || true
}

# Joins with a cookie and stays, as the last of ${open[@]}. What it sees is in a file.
join() {
    : >"$2"
    python3 client.py 127.0.0.1 "${url##*:}" "$1" >"$2" 2>&1 &
    open+=($!)
    until_ok grep -qx joined "$2" || fail "the client does not join: $(cat "$2")"
}

status() { sed -n '1s/^HTTP[^ ]* \([0-9]*\).*/\1/p' "$work/head"; }
new_cookie() { sed -n 's/^[Ss]et-[Cc]ookie: cbtid=\([^;]*\);.*/\1/p' "$work/head"; }
answered_by() { sed -n 's/^X-Gateway: .*[ ,]\{0,1\}\([^ ,]*:[0-9]*\).*/\1/p' "$work/head"; }

# Whether a client with this cookie comes in and keeps it.
is_known() {
    handshake "$1"
    [ "$(status)" = 101 ] && [ -z "$(new_cookie)" ]
}

# The gateways say 503. nginx, which counts each of them as failed then, says 502 to those who come within the next five seconds.
is_refused() {
    handshake "$1"
    [[ "$(status)" = 50[23] ]]
}

# === The walk ===

up || fail "the services do not start"
ok "Redis, three gateways and nginx run"

handshake ''
client=$(new_cookie)
[ "$(status)" = 101 ] && [ -n "$client" ] || fail "a new client gets no cookie: $(cat "$work/head")"
ok "a new client gets a cookie"

for _ in 1 2 3 4 5 6; do
    is_known "$client" || fail "a gateway does not know the client: $(cat "$work/head")"
    answered_by
done | sort -u >"$work/answered"
[ "$(grep -c . "$work/answered")" = 3 ] || fail "not three gateways have answered: $(cat "$work/answered")"
[ "$(cookies b ls --json | grep -c public_id)" = 1 ] || fail "there is not one cookie: $(cookies b ls)"
ok "all three gateways know it by this cookie, and Redis has one record"

kill_gateway a
for _ in 1 2 3; do is_known "$client" || fail "the client does not come in: $(cat "$work/head")"; done
ok "a gateway is killed, and the client comes in by the others"
start_gateway a || fail "the gateway does not come back"

# The balancer takes the gateways in turn.
for number in 1 2 3; do join "$client" "$work/open-$number"; done
cookies c revoke --yes -- "$client" >"$work/revoke.log" 2>&1 || fail "the cookie cannot be revoked"
for number in 1 2 3; do
    until_ok grep -q ended "$work/open-$number" || fail "a connection stays open"
    grep -qx 'ended with 1008' "$work/open-$number" || fail "a connection has ended otherwise: $(cat "$work/open-$number")"
done
handshake "$client"
[ "$(status)" = 101 ] && [ -n "$(new_cookie)" ] && [ "$(new_cookie)" != "$client" ] || fail "the cookie still counts: $(cat "$work/head")"
ok "a revocation on one gateway ends the connections on all, and the cookie counts on none"

handshake ''
client=$(new_cookie)
join "$client" "$work/open"
stop_redis
until_ok is_refused "$client" || fail "a client comes in without Redis: $(cat "$work/head")"
grep -q ended "$work/open" && fail "an open connection has ended with Redis: $(cat "$work/open")"
ok "without Redis no client comes in, and open connections go on"

start_redis || fail "Redis does not come back"
until_ok is_known "$client" || fail "the client is not known any more: $(cat "$work/head")"
grep -q ended "$work/open" && fail "the open connection has ended: $(cat "$work/open")"
ok "Redis is back, and so is the client, whose connection was open all the time"
kill "${open[-1]}"
open=()

down || fail "the services do not stop"
trap 'rm -rf "$work"' EXIT
ok "the services have stopped"
