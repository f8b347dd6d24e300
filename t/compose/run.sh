#!/bin/bash
# run.sh: the Docker image and compose.yaml, from a clone to `down -v`. `make check-compose` calls it.
#
# The engine is the one that answers here, or else one of our own, as root (engine.sh). The base image comes from the registry, or
# else from t/rootfs.sh. A copy of the tree is the clone. checks.py is the test; it runs once with each compose command there is.
# Whatever way it ends, everything is taken back: containers, image, engine, files.
#
# One line a check, "N passed, N failed" at the end, and 1 if one failed. Skipped, with status 0, only where nobody could run an
# engine: none answers, and we are not root or a root who may not mount. A dockerd that should come up and does not is a failure.
set -euo pipefail
cd "$(dirname "$0")/../.."
here=t/compose
limit=480 # seconds, for the checks with one compose command

skip() {
    cat >&2 <<END
==================================================================================================
$here: SKIPPED, nothing was tested: $1
==================================================================================================
END
    echo "0 passed, 0 failed, 1 skipped"
    exit 0
}

# shellcheck source=t/compose/engine.sh
. "$here/engine.sh"
own_engine=
if ! engine_answers; then
    own_engine=yes
    if [ "$(id -u)" -ne 0 ]; then
        sudo -n true 2>/dev/null && exec sudo -n -- "$PWD/$here/run.sh"
        skip "no Docker engine answers, and to start one takes root (this is uid $(id -u), and sudo wants a password)"
    fi
    engine_privileged || skip "no Docker engine answers, and this root may not start one (CAP_SYS_ADMIN and CAP_NET_ADMIN are missing)"
fi

work=$(mktemp -d /tmp/wspush-compose.XXXXXX)
chmod 711 "$work" # what is mounted from it is read by uid 10001
clone=$work/wspush-test-$$ # its name is the project's
composes=()
checks=
counted=

# shellcheck disable=SC2317 # called by trap
end() {
    trap '' INT TERM HUP
    if [ -n "$checks" ]; then
        kill -s TERM "$checks" 2>/dev/null || :
        wait "$checks" || :
    fi
    if [ -n "$own_engine" ]; then
        engine_stop
    elif [ ${#composes[@]} -gt 0 ]; then
        take_back
    fi
    rm -rf "$work"
    [ -n "$counted" ] || echo "0 passed, 1 failed" # it did not come so far
}
# From an engine that was here before us.
# shellcheck disable=SC2317,SC2086 # called by trap; a command and its arguments
take_back() {
    [ ! -d "$clone" ] || (cd "$clone" && timeout 60 ${composes[0]} down -v --remove-orphans >/dev/null 2>&1) || :
    docker image rm "$WSPUSH_IMAGE" >/dev/null 2>&1 || :
    [ "${WSPUSH_BASE:-}" != "$own_base" ] || docker image rm "$own_base" >/dev/null 2>&1 || :
}
trap end EXIT
trap 'exit 130' INT TERM HUP

# ---- engine, base ----
own_base=wspush-test-base
base=debian:bookworm-slim
if [ -n "$own_engine" ]; then
    echo "$here: no Docker engine answers; starting one"
    exec 9>"/tmp/wspush-compose.$(id -u).lock" # two engines would share a bridge
    flock -w 900 9 || { echo "$here: another run has not ended for 15 minutes" >&2; exit 1; }
    SECONDS=0 # the wait was not ours
    engine_start
fi
if docker image inspect $base >/dev/null 2>&1 || timeout 120 docker pull -q $base >/dev/null 2>&1; then
    echo "$here: the base image is $base"
else
    echo "$here: no registry has $base; it is made by debootstrap"
    t/rootfs.sh build/rootfs/bookworm.tar
    [ -n "$own_engine" ] || base=$own_base # somebody else's engine keeps its own names
    docker import build/rootfs/bookworm.tar $base >/dev/null
fi

# ---- the clone ----
mkdir "$clone"
tar --exclude=./.git --exclude=./build --exclude=./run --exclude=node_modules --exclude='./compose.override.y*ml' --exclude=./.env \
    -cf - . | tar -xf - -C "$clone"
chmod -R u=rwX,go=rX "$clone"

# The descriptors that the engine can give; compose.yaml asks for 16384.
files=$(ulimit -H -n)
case $files in *[!0-9]*) files=16384 ;; esac
[ "$files" -lt 16384 ] || files=16384
free_ports() {
    /usr/bin/python3 -c 'import socket
s = [socket.socket(), socket.socket()]
for one in s: one.bind(("127.0.0.1", 0))
print(*(one.getsockname()[1] for one in s))'
}
unset COMPOSE_PROJECT_NAME COMPOSE_FILE COMPOSE_PROFILES WSPUSH_HOSTS WSPUSH_ORIGINS WSPUSH_MEMORY WSPUSH_LOG_DRIVER WSPUSH_BIND
export WSPUSH_IMAGE="wspush-test:$$" WSPUSH_FILES="$files" DOCKER_CLI_HINTS=false NO_PROXY="127.0.0.1${NO_PROXY:+,$NO_PROXY}"
export PYTHONDONTWRITEBYTECODE=1 LC_ALL=C.UTF-8
[ $base = debian:bookworm-slim ] || export WSPUSH_BASE="$base"

! docker-compose version >/dev/null 2>&1 || composes+=(docker-compose)
! docker compose version >/dev/null 2>&1 || composes+=("docker compose")
if [ ${#composes[@]} -eq 0 ]; then
    echo "$here: neither docker-compose nor docker compose is here; try: conf/install-deps.sh compose" >&2
    exit 1
fi

# ---- checks ----
passed=0
failed=0
# shellcheck disable=SC2086 # a command and its arguments
for command in "${composes[@]}"; do
    echo "$here: $($command version --short)"
    read -r WSPUSH_PORT OTHER_PORT <<<"$(free_ports)"
    export WSPUSH_PORT OTHER_PORT COMPOSE="$command"
    rm -rf "$clone/compose.override.yaml" "$clone/.env" "$clone/my"
    docker image rm "$WSPUSH_IMAGE" >/dev/null 2>&1 || : # each builds it
    status=0
    : >"$work/out"
    (cd "$clone" && exec timeout -k 20 $limit /usr/bin/python3 -s $here/checks.py) >"$work/out" 2>&1 </dev/null &
    checks=$!
    tail -f -n +1 -s 0.2 --pid=$checks "$work/out" &
    shown=$!
    wait "$checks" || status=$?
    checks=
    wait $shown || : # it prints the rest
    passed=$((passed + $(grep -c '^ok ' "$work/out" || :)))
    failed=$((failed + $(grep -c '^FAIL ' "$work/out" || :)))
    if [ $status -ne 0 ]; then
        echo "FAIL  $command: the checks ended with status $status before their end"
        failed=$((failed + 1))
    fi
    (cd "$clone" && timeout 60 $command down -v --remove-orphans >/dev/null 2>&1) || :
done
counted=yes
echo "took $SECONDS s, with the engine and the base image"
echo "$passed passed, $failed failed"
[ $failed -eq 0 ] && [ $passed -gt 0 ]
