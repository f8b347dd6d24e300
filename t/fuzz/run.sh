#!/bin/sh
# t/fuzz/run.sh short BUILD TARGET ...     every target for ten seconds, two at a time
# t/fuzz/run.sh long BUILD TARGET SECONDS  one target; its corpus stays in BUILD/fuzz/corpus/TARGET and is gone on with
# An input that brings a target down is kept in BUILD/fuzz/found, and its name is in what is printed. The last line is
# "N passed, N failed"; the status is 1 if one failed.
set -eu
# Freed memory is not kept for long: inputs that follow each other share it, and are many times as many.
export ASAN_OPTIONS="quarantine_size_mb=8:${ASAN_OPTIONS-}"
cd "$(dirname "$0")/../.."
SHORT_SECONDS=10

# Inputs are small, so that they are many; memory and the time for one are bounded as the worker's are.
fuzz() { # TARGET SECONDS CORPUS LOG: libFuzzer's status; new inputs go to the corpus
    mkdir -p "$3" "$build/fuzz/found"
    timeout -k 10 $(($2 + 120)) "$build/fuzz/$1" -max_total_time="$2" -max_len=4096 -timeout=10 -rss_limit_mb=1024 \
        -dict="t/fuzz/$1.dict" -artifact_prefix="$build/fuzz/found/$1-" -print_final_stats=1 -verbosity=1 \
        "$3" "t/fuzz/seeds/$1" >"$4" 2>&1
}

# libFuzzer's last word: "#123 DONE   cov: 345 ft: 678 corp: ..."
summary() { # LOG
    awk '$2 == "DONE" { runs = substr($1, 2); for (i = 3; i < NF; i++) { if ($i == "cov:") edges = $(i + 1)
             if ($i == "ft:") features = $(i + 1) } }
         END { printf "%d executions, %d edges, %d features", runs, edges, features }' "$1"
}

# The report without the progress, the figures and the frames that are always the same.
explain() { # LOG
    grep -v -e '^#[0-9]' -e '^INFO:' -e 'ictionary' -e ' # Uses: ' -e '^stat::' -e '^MS: ' -e '^0x' -e '^ *$' \
        -e 'libFuzzer has rud' -e 'Combine libFuzzer' -e ' in fuzzer::' -e '/libc.so.6' -e ' in __libc_start' "$1" |
        head -n 60 | sed 's/^/      /'
}

report() { # TARGET SECONDS STATUS LOG
    if [ "$3" -eq 0 ]; then
        printf 'ok    %-10s %4d s, %s\n' "$1" "$2" "$(summary "$4")"
    else
        printf 'FAIL  %s (status %s); what brought it down is kept:\n' "$1" "$3"
        explain "$4"
    fi
}

run_short() { # TARGET: leaves its status in $tmp
    status=0
    fuzz "$1" "$SHORT_SECONDS" "$tmp/corpus/$1" "$tmp/$1.log" || status=$?
    echo "$status" >"$tmp/$1.status"
    exec 9>"$tmp/lock"
    flock 9
    report "$1" "$SHORT_SECONDS" "$status" "$tmp/$1.log"
}

mode=${1-}
build=${2-}
case $mode in
--one)
    tmp=$3
    run_short "$4"
    exit 0
    ;;
short)
    shift 2
    tmp=$(mktemp -d)
    trap 'rm -rf "$tmp"' EXIT
    trap 'exit 130' INT TERM
    printf '%s\0' "$@" | xargs -0 -n 1 -P 2 "$0" --one "$build" "$tmp" || true
    passed=0 failed=0
    for target in "$@"; do
        if [ "$(cat "$tmp/$target.status" 2>/dev/null)" = 0 ]; then
            passed=$((passed + 1))
        else
            failed=$((failed + 1))
        fi
    done
    ;;
long)
    target=${3-}
    seconds=${4-600}
    if [ ! -d "t/fuzz/seeds/$target" ] || [ -z "$target" ]; then
        echo "which TARGET? One of: $(cd t/fuzz/seeds && echo *)" >&2
        exit 2
    fi
    corpus=$build/fuzz/corpus/$target
    log=$build/fuzz/$target.log
    echo "fuzzing $target for $seconds s; what it says goes to $log"
    status=0
    fuzz "$target" "$seconds" "$corpus" "$log" || status=$?
    report "$target" "$seconds" "$status" "$log"
    echo "      $(find "$corpus" -type f | wc -l) inputs are kept in $corpus"
    passed=$((status == 0)) failed=$((status != 0))
    ;;
*)
    sed -n '2,5s/^# //p' "$0" >&2
    exit 2
    ;;
esac
echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ]
