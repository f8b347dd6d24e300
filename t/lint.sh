#!/bin/sh
# The house rules that programs can check. Says everything that is wrong, then fails.
set -u
cd "$(dirname "$0")/.." || exit 1
bad=0

# Reads the verdict of the command before it.
verdict() {
    status=$?
    if [ $status -eq 0 ]; then
        echo "  lint $1: clean"
    else
        echo "  lint $1: see above"
        bad=1
    fi
}

sources=$(git ls-files -co --exclude-standard 'ws/*.[ch]' 'fcgi/*.[ch]' 't/*.[ch]' 'docs/*.c')
scripts=$(git ls-files -co --exclude-standard '*.sh' .ci/run conf/completion)

# shellcheck disable=SC2086 # a list
clang-format --dry-run -Werror $sources
verdict clang-format

# shellcheck disable=SC2086 # a list
shellcheck $scripts
verdict shellcheck

cppcheck --quiet --error-exitcode=1 --std=c11 --enable=warning --inline-suppr --library=posix \
    --suppress=uninitvar --suppress=legacyUninitvar --suppress=preprocessorErrorDirective \
    -D_GNU_SOURCE -Iws ws fcgi
verdict cppcheck

# One file a run: version 14 sees faults of va_list in the files that come second.
printf '%s\n' "$sources" | grep '^\(ws\|fcgi\)/.*\.c$' |
    xargs -P2 -I{} clang-tidy --quiet {} -- -std=c11 -D_GNU_SOURCE -DWSPUSH_VERSION='"lint"' -Iws 2>/dev/null
verdict clang-tidy

make --no-print-directory build/wspushd >/dev/null && build/wspushd --options | diff -u conf/wspush.conf -
verdict "conf/wspush.conf (build/wspushd --options >conf/wspush.conf)"

make --no-print-directory all >/dev/null && docs/man/rows.py --check build
verdict "docs/man (make man)"

# Other pages of ours are found only where they are installed; rows.py looks for them.
said=$(mandoc -T lint -W style docs/man/*.[1-8] | grep -v 'referenced manual not found')
[ -z "$said" ] || { echo "$said" && false; }
verdict mandoc

make --no-print-directory all library >/dev/null &&
    t/hardening.sh build/wspushd build/wspush-fcgi build/wsctl build/libwspush.so.0
verdict hardening

exit $bad
