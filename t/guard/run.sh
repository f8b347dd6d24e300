#!/bin/sh
# t/guard/run.sh BUILD [1] counts, with callgrind, the instructions and the allocations of each scenario of
# t/guard/scenarios.c, and compares them with t/guard/counts.txt. With 1 behind it the new figures are kept there instead.
#
# More than the tolerance away fails, to either side: what became cheaper is to be kept, or it could be lost unseen. The
# profiles stay in BUILD/guard: t/guard/stages.sh reads them. The last line is "N passed, N failed"; the status is 1 if one
# failed.
set -eu
cd "$(dirname "$0")/../.."
kept=t/guard/counts.txt

# libc's functions in the form that every x86-64 has, so that the processor has no say.
tunables=glibc.cpu.hwcaps=-AVX_Fast_Unaligned_Load,-AVX,-AVX2,-AVX512F,-AVX512VL,-AVX512BW,-BMI2,-ERMS,-FSRM
tunables=$tunables,-RTM,-SSSE3,-SSE4_1,-SSE4_2

# One scenario: leaves NAME.out, the profile, and NAME.log, what was said. Environment and command line lie on the stack,
# and where a buffer on the stack begins makes a difference to libc: they are the same everywhere.
count() { # NAME
    rm -f "$out/$1.out"
    (cd "$build/t/guard" && timeout -k 10 60 env -i PATH=/usr/bin:/bin GLIBC_TUNABLES="$tunables" \
        valgrind --tool=callgrind --instr-atstart=no --toggle-collect=measured_turn --compress-strings=no \
        --compress-pos=no --callgrind-out-file="$1.out" ./scenarios "$1") >"$out/$1.log" 2>&1 &&
        mv "$build/t/guard/$1.out" "$out"
}

# The instructions of a profile, and the calls of malloc and its like that libc does not make for one of them.
figures() { # NAME
    awk '/^fn=/ { within = /=(calloc|realloc|reallocarray)$/ }
         /^cfn=/ { allocates = !within && /=(malloc|calloc|realloc)$/ }
         /^calls=/ { sub("calls=", ""); if (allocates) allocations += $1; allocates = 0 }
         /^(summary|totals):/ { instructions = $2 }
         END { printf "%.0f %.0f\n", instructions, allocations }' "$out/$1.out"
}

# "NAME UNITS INSTRUCTIONS ALLOCATIONS", beside what is kept.
compare() {
    awk -v kept="$kept" '
        function differs(ours, was) { return was ? 100 * (ours - was) / was : ours ? 100 : 0 }
        function judge(difference) { return difference > tolerance ? "dearer" : difference < -tolerance ? "cheaper" : "" }
        BEGIN {
            while ((getline line < kept) > 0) {
                split(line, f, " ")
                if (f[1] == "tolerance") tolerance = f[2]
                was[f[1]] = f[2]; was_allocations[f[1]] = f[3]
            }
            printf "%-12s %14s %14s %9s   %-16s\n", "", "instructions", "kept", "", "allocations, kept"
        }
        !($1 in was) { printf "%-12s is not in %s\n", $1, kept; failed++; next }
        {
            verdict = judge(differs($3, was[$1]))
            in_allocations = judge(differs($4, was_allocations[$1]))
            printf "%-12s %14.1f %14.1f %+8.2f %%   %-8.2f %-8.2f %s%s\n", $1, $3 / $2, was[$1] / $2, \
                differs($3, was[$1]), $4 / $2, was_allocations[$1] / $2, verdict, \
                in_allocations ? " allocations: " in_allocations : ""
            if (verdict || in_allocations) failed++; else passed++
        }
        END {
            if (failed) printf "if this is as it should be: make guard ACCEPT=1, and say in the commit why\n"
            printf "%d passed, %d failed\n", passed, failed
            exit failed > 0 || !passed
        }'
}

platform() {
    echo "$(uname -m), gcc $(gcc -dumpfullversion), glibc $(getconf GNU_LIBC_VERSION | cut -d ' ' -f 2)"
}

keep() { # FIGURES
    {
        sed -n '/^#/p; /^tolerance /p' "$kept" | sed "s/^# On .*/# On $(platform)./"
        awk '{ print $1, $3, $4 }' "$1"
    } >"$out/counts.txt"
    mv "$out/counts.txt" "$kept"
    echo "kept in $kept"
}

case ${1-} in
'')
    sed -n '2,3s/^# //p' "$0" >&2
    exit 2
    ;;
--one)
    build=$2 out=$2/guard
    count "$3"
    exit
    ;;
esac
build=$1 out=$1/guard
mkdir -p "$out"
"$build/t/guard/scenarios" >"$out/list"
cut -d ' ' -f 1 "$out/list" | xargs -n 1 -P 2 t/guard/run.sh --one "$build" || true
: >"$out/figures"
while read -r name units _; do
    if [ ! -e "$out/$name.out" ]; then
        echo "$name did not come to its end:"
        sed 's/^/      /' "$out/$name.log"
        echo "0 passed, 1 failed"
        exit 1
    fi
    echo "$name $units $(figures "$name")" >>"$out/figures"
done <"$out/list"
[ -z "${2-}" ] || keep "$out/figures"
on=$(sed -n 's/^# On \(.*\)\.$/\1/p' "$kept")
[ "$on" = "$(platform)" ] || echo "the kept figures are from $on; here is $(platform)"
compare <"$out/figures"
