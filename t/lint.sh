#!/bin/sh
# The house rules that programs can check. Says everything that is wrong, then fails.
set -u
cd "$(dirname "$0")/.."
bad=0
step() {
    printf '  lint %s\n' "$1"
    shift
    "$@" || bad=1
}

sources=$(git ls-files -co --exclude-standard 'ws/*.[ch]' 'fcgi/*.[ch]' 't/*.[ch]')
units=$(printf '%s\n' "$sources" | grep '\.c$')
scripts=$(git ls-files -co --exclude-standard '*.sh' .ci/run)
flags="-std=c11 -D_GNU_SOURCE -DWSPUSH_VERSION=\"lint\" -Iws"

tidy() {
    # shellcheck disable=SC2086 # lists
    printf '%s\n' $units | grep -v '^t/' |
        xargs -P2 -n1 sh -c 'clang-tidy --quiet "$@" -- '"'-std=c11' '-D_GNU_SOURCE' '-DWSPUSH_VERSION=\"lint\"' '-Iws'"' 2>/dev/null' sh
}

same_sample() {
    make --no-print-directory build/wspushd >/dev/null && build/wspushd --options | diff -u conf/wspush.conf - && return 0
    echo "conf/wspush.conf is not what options.def says: build/wspushd --options >conf/wspush.conf"
    return 1
}

# shellcheck disable=SC2086 # lists
{
    step clang-format clang-format --dry-run -Werror $sources
    step shellcheck shellcheck $scripts
    step cppcheck cppcheck --quiet --error-exitcode=1 --std=c11 --enable=warning --inline-suppr --suppress=uninitvar \
        --suppress=legacyUninitvar --suppress=preprocessorErrorDirective --library=posix $flags ws fcgi
}
step clang-tidy tidy
step conf/wspush.conf same_sample
[ $bad -eq 0 ] && echo "lint: clean"
exit $bad
