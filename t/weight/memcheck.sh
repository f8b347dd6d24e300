#!/bin/sh
# t/weight/memcheck.sh BUILD: the worker under valgrind, while tests make it say all that it can say: close frames, pongs,
# compressed messages, refusals, replies to operators. A byte that was never written and goes out, or decides anything, fails
# the test in which it did. Ends with "N passed, N failed".
set -eu
build=$1
real=$(cd "$build" && pwd)
under=$(mktemp -d)
trap 'rm -rf "$under"' EXIT
trap 'exit 130' INT TERM

ln -s "$real/wspush-fcgi" "$real/wsctl" "$under"
cat >"$under/wspushd" <<END
#!/bin/sh
exec valgrind -q --error-exitcode=99 "$real/wspushd" "\$@"
END
chmod 755 "$under/wspushd"

passed=0
failed=0
# What a binary of t/system and one of its cases say goes past; its last line has how many tests there were.
try() {
    echo "$1: $2"
    status=0
    said=$(WSPUSH_BUILD=$under CK_RUN_CASE=$2 timeout -k 10 300 "$real/t/system/$1" 2>&1) || status=$?
    checks=$(echo "$said" | sed -n 's/.*%: Checks: \([0-9]*\), .*/\1/p')
    if [ "$status" -eq 0 ] && [ "${checks:-0}" -gt 0 ]; then
        passed=$((passed + checks))
    else
        echo "$said"
        failed=$((failed + 1))
    fi
}
try test_frames violations
try test_frames closing
try test_deflate deflate
try test_handshake rules
try test_control replies

echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ]
