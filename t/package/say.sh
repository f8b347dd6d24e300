# shellcheck shell=sh
# Sourced by the scripts of this folder: one line a check, "ok ..." or "FAIL ...", which run.sh counts.
said=$(mktemp) # by the command of the last check
check() { # SENTENCE COMMAND ...
    sentence=$1
    shift
    if "$@" >"$said.now" 2>&1; then
        mv "$said.now" "$said"
        echo "ok    $sentence"
    else
        mv "$said.now" "$said"
        echo "FAIL  $sentence"
        tail -n 40 "$said" | sed 's/^/      /'
    fi
}
# For check: the status is the verdict, and what is printed is shown where it is bad.
same() { # IS EXPECTED
    [ "$1" = "$2" ] || {
        printf 'is:\n%s\nexpected:\n%s\n' "$1" "$2"
        return 1
    }
}
no() { # COMMAND ...: it must fail
    ! "$@"
}
status_is() { # STATUS COMMAND ...
    expected=$1
    shift
    is=0
    "$@" || is=$?
    same "status $is" "status $expected"
}
within() { # SECONDS COMMAND ...: until it is true
    tenths=$(($1 * 10))
    shift
    until "$@"; do
        tenths=$((tenths - 1))
        [ $tenths -gt 0 ] || {
            echo "waited in vain for: $*"
            return 1
        }
        sleep 0.1
    done
}
