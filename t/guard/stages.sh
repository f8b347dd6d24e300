#!/bin/sh
# t/guard/stages.sh BUILD NAME shows where the instructions of a scenario go, after `make guard BUILD=BUILD`: for each function
# that has a hundredth of them, a unit of the scenario's work, with all that it calls, by itself, and how often it is called.
set -eu
cd "$(dirname "$0")/../.."
if [ $# -ne 2 ] || [ ! -e "$1/guard/$2.out" ]; then
    sed -n '2,3s/^# //p' "$0" >&2
    exit 2
fi
units=$(awk -v name="$2" '$1 == name { print $2 }' "$1/guard/list")
printf '%12s %12s %9s  %s\n' inclusive own calls function
# A line of costs belongs to the function, or, behind calls=, to the one that it calls. Functions of one name are told apart
# by their files; what is inlined stays with the function that it is in.
awk -v units="$units" '
    function base(path) { sub(".*/", "", path); return path }
    /^fl=/ { file = base(substr($0, 4)); next }
    /^fn=/ { self = file ":" substr($0, 4); callee_file = file; next }
    /^cf[il]=/ { callee_file = base(substr($0, 5)); next }
    /^cfn=/ { callee = callee_file ":" substr($0, 5); callee_file = file; next }
    /^calls=/ { sub("calls=", ""); calls[callee] += $1; called = 1; next }
    /^[0-9]/ && called { inclusive[callee] += $2; called = 0; next }
    /^[0-9]/ { own[self] += $2; total += $2 }
    END {
        for (f in inclusive)
            if (inclusive[f] >= total / 100)
                printf "%12.1f %12.1f %9.2f  %s\n", inclusive[f] / units, own[f] / units, calls[f] / units, f
    }' "$1/guard/$2.out" | sort -rn
