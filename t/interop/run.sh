#!/bin/sh
# run.sh BUILD runs other people's clients against the programs in BUILD, from the root of the repository: redis-cli, the
# Redis libraries of npm and of Debian's Python and PHP, curl, and the tables of WebSocket clients (table.py) and of readers of
# event streams (streams.py), Chromium among them.
# The site is conf/run.sh's, on a free port.
#
# One line a check, and "N passed, N failed" at the end; the status is 1 if one failed or a client did not come to its end.
# Everything is in one temporary directory, and each process that a client starts besides is in its list `pids`: whatever
# way the run ends, both are gone afterwards. When something failed, the logs of our programs are printed.
set -eu

here=t/interop
build=${1:-build}
limit=400 # seconds, for one client

if [ ! -x conf/run.sh ] || [ ! -x "$build/wspushd" ]; then
    echo "usage: $here/run.sh BUILD, from the root of the repository, after make" >&2
    exit 2
fi

# The browser's library is t/browser's.
for folder in $here t/browser; do
    installed=$folder/node_modules/.package-lock.json
    if [ ! -e "$installed" ] || [ -n "$(find "$folder/package-lock.json" -newer "$installed")" ]; then
        (cd "$folder" && npm ci --loglevel=error >/dev/null)
    fi
done

# Sockets live in it, and a socket's path has 107 bytes: /tmp, whatever TMPDIR says.
tmp=$(mktemp -d /tmp/wspush-interop.XXXXXX)
: >"$tmp/pids"
site=
client=

# ---- the end ----
# Asks a process to end, waits for its parent's sake, and insists after twenty seconds.
end_site() {
    [ -n "$site" ] || return 0
    kill -s TERM "$site" 2>/dev/null || :
    patience=200
    while kill -s 0 "$site" 2>/dev/null && [ $patience -gt 0 ]; do
        patience=$((patience - 1))
        sleep 0.1
    done
    kill -s KILL "$site" 2>/dev/null || :
    site_status=0
    wait "$site" || site_status=$?
    site=
    return $site_status
}
# shellcheck disable=SC2317 # called by trap
end() {
    [ -z "$client" ] || kill -s TERM "$client" 2>/dev/null || :
    end_site || :
    # A worker of a client's own leads no session, and its number is ours only while its name is.
    while read -r pid; do
        if grep -qsF "$tmp/" "/proc/$pid/cmdline"; then kill -s KILL "$pid" 2>/dev/null || :; fi
    done <"$tmp/pids"
    rm -rf "$tmp"
}
trap end EXIT
trap 'exit 130' INT TERM HUP

# ---- the site ----
free_port() {
    /usr/bin/python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'
}
# Starts the site; 1 where the port was taken after all.
start_site() {
    port=$(free_port)
    tls_port=$(free_port)
    rm -rf "$tmp/run"
    mkdir -m 0700 "$tmp/run"
    : >"$tmp/run/.wspush-run" # conf/run.sh then takes this directory, which is not empty, for its own
    cp $here/local.conf "$tmp/run/"
    mkdir -p "$tmp/run/etc/server.d"
    cp $here/users.conf "$tmp/run/etc/server.d/"
    cat >"$tmp/run/etc/server.d/tls.conf" <<END
listen 127.0.0.1:$tls_port ssl http2;
ssl_certificate $tmp/certificate;
ssl_certificate_key $tmp/key;
END
    WSPUSH_RUN=$tmp/run setpriv --pdeathsig TERM conf/run.sh "$build" "$port" >"$tmp/site.log" 2>&1 </dev/null &
    site=$!
    patience=300
    until grep -qs 'is served' "$tmp/site.log"; do
        if ! kill -s 0 "$site" 2>/dev/null; then
            site=
            ! grep -qs 'is taken' "$tmp/site.log" || return 1
            patience=0
        fi
        if [ $patience -eq 0 ]; then
            echo "$here: the site does not come up; conf/run.sh said:" >&2
            sed 's/^/    /' "$tmp/site.log" >&2
            exit 1
        fi
        patience=$((patience - 1))
        sleep 0.1
    done
}
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=127.0.0.1 \
    -keyout "$tmp/key" -out "$tmp/certificate" 2>/dev/null
start_site || start_site || start_site || {
    echo "$here: no free port" >&2
    exit 1
}
export WSPUSH_PORT="$port" WSPUSH_TLS_PORT="$tls_port" WSPUSH_SITE="$tmp/run" WSPUSH_TMP="$tmp" WSPUSH_BUILD="$build"
export TMPDIR="$tmp" HOME="$tmp" PYTHONDONTWRITEBYTECODE=1 REDISCLI_HISTFILE=/dev/null LC_ALL=C.UTF-8
unset WSPUSH_SOCKET WSPUSH_RUN http_proxy https_proxy all_proxy HTTP_PROXY HTTPS_PROXY ALL_PROXY NODE_OPTIONS

# ---- the clients ----
passed=0
failed=0
fail() {
    echo "FAIL  $1"
    failed=$((failed + 1))
}
# run_client PROGRAM ARGUMENT ...: its lines "ok ..." and "FAIL ..." are counted. Its last line has to be "end".
run_client() {
    status=0
    timeout -k 10 $limit "$@" >"$tmp/out" 2>&1 </dev/null &
    client=$!
    wait "$client" || status=$?
    client=
    sed '$ { /^end$/d }' "$tmp/out"
    passed=$((passed + $(grep -c '^ok ' "$tmp/out" || :)))
    failed=$((failed + $(grep -c '^FAIL ' "$tmp/out" || :)))
    if [ "$status" -eq 124 ] || [ "$status" -eq 137 ]; then
        fail "$* ran out of time after $limit seconds"
    elif [ "$status" -ne 0 ] || [ "$(tail -n 1 "$tmp/out")" != end ]; then
        fail "$* ended with status $status before its end"
    fi
}
worker_pid() {
    "$build/wsctl" --socket "$tmp/run/control.sock" --json info 2>/dev/null | grep -o '"process_id":[" 0-9]*' || :
}
worker=$(worker_pid)

for client_program in redis-cli python-redis curl table streams; do
    run_client /usr/bin/python3 -s $here/$client_program.py
done
for client_program in node-redis ioredis; do
    run_client node $here/$client_program.mjs
done
run_client php $here/php-redis.php

# ---- what is left of the site ----
if [ -n "$worker" ] && [ "$(worker_pid)" = "$worker" ]; then
    echo "ok    the worker that was started has served all of them"
    passed=$((passed + 1))
else
    fail "the worker that was started is not there any more"
fi
if end_site; then
    echo "ok    the site stops when it is asked to"
    passed=$((passed + 1))
else
    fail "the site does not stop cleanly: conf/run.sh ended with $site_status"
fi
if grep -qsE 'ERROR: (Address|Leak)Sanitizer|runtime error:|WARNING: ThreadSanitizer' "$tmp/site.log" "$tmp"/*/log; then
    fail "a sanitizer has complained"
    cat "$tmp"/*/log
fi
if [ $failed -gt 0 ]; then
    echo "what our programs said:"
    sed 's/^/    /' "$tmp/site.log"
fi
echo "$passed passed, $failed failed"
[ $failed -eq 0 ] && [ $passed -gt 0 ]
