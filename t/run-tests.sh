#!/bin/sh
# t/run-tests.sh BUILD BINARY ... runs Check binaries, each with a time limit, some at a time, and goes on when one fails.
# A binary that passes is one line; one that fails shows all that it said. The last line is "N passed, N failed", over all
# of them; the status is 1 if anything failed, ran out of time, or if no test ran at all.
#
# The binaries find the programs in $WSPUSH_BUILD. WSPUSH_CLIENTS is how many clients the tests with many of them take.
# WSPUSH_JOBS and WSPUSH_TEST_TIMEOUT (seconds) change how many run at a time, and the limit.
#
# WSPUSH_THEFTS is a file with the seconds (date +%s) in which the host took the machine away. A binary that failed in such
# a second is run once more, and what it said the first time is shown, too; not after a crash or a sanitizer's report, a
# leak without a failed check among them.
set -eu

# Runs $binary; leaves what it said in $out, and $status, $passed, $failed and $verdict.
attempt() {
    began=$(date +%s)
    status=0
    timeout -k 10 "$limit" "$binary" >"$out" 2>&1 </dev/null || status=$?
    took=$(($(date +%s) - began))

    summary=$(grep -aoE '[0-9]+%: Checks: [0-9]+, Failures: [0-9]+, Errors: [0-9]+$' "$out" || true)
    checks=$(echo "$summary" | awk -F '[:,] *' '{ n += $3 } END { print n + 0 }')
    failed=$(echo "$summary" | awk -F '[:,] *' '{ n += $5 + $7 } END { print n + 0 }')
    passed=$((checks - failed))

    verdict=
    if [ "$status" -eq 124 ] || [ "$status" -eq 137 ]; then
        verdict="ran out of time after $took s"
    elif [ -z "$summary" ]; then
        verdict="ended with status $status before its summary"
    elif [ "$status" -ne 0 ] && [ "$failed" -eq 0 ]; then
        verdict="ended with status $status though no check failed"
    elif [ "$checks" -eq 0 ]; then
        verdict="has no checks"
    fi
    [ -z "$verdict" ] || failed=$((failed + 1))
}

# Only a check that failed, or the limit: a crash has no summary, and a leak no check. (A check that fails under
# CK_FORK=no leaves what it held, so its leaks say nothing.)
excusable() {
    case $verdict in
    '' | 'ran out of time'*) ;;
    *) return 1 ;;
    esac
    [ -s "${WSPUSH_THEFTS-}" ] && [ "$(tail -n 1 "$WSPUSH_THEFTS")" -ge "$began" ] &&
        ! grep -aqE 'Received signal|ERROR: AddressSanitizer|WARNING: ThreadSanitizer|runtime error:' "$out"
}

show() {
    tr -d '\000-\010\013-\037' <"$out" | sed 's/^/      /'
}

# One binary: run, then print all at once, so that two never mix. Writes "PASSED FAILED" to $results/NUMBER.
run_one() {
    binary=$1
    out=$results/$2.out
    attempt
    if [ "$failed" -gt 0 ] && excusable; then
        {
            printf 'AGAIN %s: it failed while the host had the cores\n' "$binary"
            show
        } >"$out.first"
        attempt
    fi
    echo "$passed $failed" >"$results/$number"

    exec 9>"$results/lock"
    flock 9
    [ ! -e "$out.first" ] || cat "$out.first"
    if [ "$failed" -eq 0 ]; then
        printf 'ok    %-44s %4d checks %4d s\n' "$binary" "$checks" "$took"
    else
        printf 'FAIL  %s%s\n' "$binary" "${verdict:+ ($verdict)}"
        show
    fi
}

if [ "${1-}" = --one ]; then
    results=$2 limit=$3 number=${4%%:*} binary=${4#*:}
    run_one "$binary" "$number"
    exit 0
fi

if [ $# -lt 1 ]; then
    echo "usage: t/run-tests.sh BUILD BINARY ..." >&2
    exit 2
fi
WSPUSH_BUILD=$1
shift
: "${WSPUSH_CLIENTS:=1000}"
limit=${WSPUSH_TEST_TIMEOUT:-180}
jobs=$(($(nproc) + 1)) # most of them wait for something most of the time
case $WSPUSH_BUILD in
*asan | *tsan)
    # One process, so that leaks and races are seen to its end; no fork under a sanitizer's threads.
    export CK_FORK=no
    WSPUSH_CLIENTS=100
    jobs=$(nproc) # these compute
    limit=${WSPUSH_TEST_TIMEOUT:-600}
    export ASAN_OPTIONS="halt_on_error=1:detect_leaks=1:strict_string_checks=1:${ASAN_OPTIONS-}"
    export UBSAN_OPTIONS="halt_on_error=1:print_stacktrace=1:${UBSAN_OPTIONS-}"
    export TSAN_OPTIONS="halt_on_error=1:second_deadlock_stack=1:${TSAN_OPTIONS-}"
    ;;
esac
export WSPUSH_BUILD WSPUSH_CLIENTS

results=$(mktemp -d)
trap 'rm -rf "$results"' EXIT
trap 'exit 130' INT TERM

number=0
for binary in "$@"; do
    number=$((number + 1))
    printf '%s:%s\0' "$number" "$binary"
done | xargs -0 -r -n 1 -P "${WSPUSH_JOBS:-$jobs}" "$0" --one "$results" "$limit" || true

passed=0
failed=0
number=0
for binary in "$@"; do
    number=$((number + 1))
    # A result that is missing is a binary that could not even be tried.
    read -r p f <"$results/$number" || { p=0 f=1; }
    passed=$((passed + p))
    failed=$((failed + f))
done
[ $((passed + failed)) -gt 0 ] || echo "no test ran"
echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ] && [ "$passed" -gt 0 ]
