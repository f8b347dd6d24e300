#!/bin/sh
# run.sh BUILD runs the browser tests against the programs in BUILD, from the root of the repository.
# Everything they make is in one temporary directory, and each process they start is in its list `pids`: whatever way
# the run ends, both are gone afterwards. Pictures of the page are left in BUILD/browser/. The last line is "N passed, N
# failed"; the status is 1 if one failed.
set -eu

here=t/browser
build=${1:-build}
limit=600

if [ ! -x conf/run.sh ] || [ ! -x "$build/wsctl" ]; then
    echo "usage: $here/run.sh BUILD, from the root of the repository, after make" >&2
    exit 2
fi

installed=$here/node_modules/.package-lock.json
if [ ! -e "$installed" ] || [ -n "$(find "$here/package-lock.json" -newer "$installed")" ]; then
    (cd "$here" && npm ci --loglevel=error >/dev/null)
fi

# Sockets live in it, and a socket's path has 107 bytes: /tmp, whatever TMPDIR says.
tmp=$(mktemp -d /tmp/wspush-browser.XXXXXX)
: >"$tmp/pids"

# Those of the list whose process group still has a member that is no zombie.
alive() {
    while read -r pid; do
        ! grep -qsE "\) [^ZX] [0-9]+ $pid " /proc/[0-9]*/stat || echo "$pid"
    done <"$tmp/pids"
}

gone_within() {
    tries=$(($1 * 10))
    while [ -n "$(alive)" ]; do
        [ "$tries" -gt 0 ] || return 1
        tries=$((tries - 1))
        sleep 0.1
    done
}

# shellcheck disable=SC2317 # called by trap
end() {
    for pid in $(alive); do kill -TERM "$pid" 2>/dev/null || :; done
    gone_within 10 || for pid in $(alive); do kill -KILL -- "-$pid" 2>/dev/null || :; done
    rm -rf "$tmp"
}

runner=
# shellcheck disable=SC2317 # called by trap
stop() {
    if [ -n "$runner" ] && kill -TERM "$runner" 2>/dev/null; then
        wait "$runner" || :
    fi
    exit 130
}
trap end EXIT
trap stop INT TERM HUP

TMPDIR=$tmp HOME=$tmp BUILD=$build timeout -k 15 $limit \
    node --test --test-reporter=spec --test-reporter-destination=stdout \
    --test-reporter=tap --test-reporter-destination="$tmp/tap" "$here"/*.test.mjs &
runner=$!
status=0
wait "$runner" || status=$?
[ $status -ne 124 ] || echo "$here: not done after $limit seconds" >&2

# counted WORD: what the tap reporter says at its end, 0 if it did not come to that.
counted() {
    n=$(sed -n "s/^# $1 //p" "$tmp/tap" | tail -n 1)
    echo "${n:-0}"
}
passed=$(counted pass)
failed=$(($(counted fail) + $(counted cancelled)))
if ! gone_within 3 && [ $status -eq 0 ]; then
    echo "$here: left running:" "$(alive)" >&2
    status=1
fi
[ $status -eq 0 ] || [ "$failed" -gt 0 ] || failed=1 # the run itself
echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ] && [ "$passed" -gt 0 ]
