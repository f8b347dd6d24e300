#!/usr/bin/env bash
# dist.sh FILE.tar.gz: this tree as a tarball, from one commit always the same bytes. What git does not know and does not
# ignore is in it too, and is named, like everything that is not committed. It works without git as well, in an unpacked
# tarball, whose files carry the commit's time: that tree makes the same tarball again.
set -euo pipefail
out=$(realpath -m "$1")
cd "$(dirname "$0")/.."
version=$(cat VERSION)
mkdir -p "${out%/*}"
list=$(mktemp)
trap 'rm -f "$list" "$out.part"' EXIT

if [ -e .git ]; then
    epoch=$(git log -1 --format=%ct)
    git ls-files -z -co --exclude-standard >"$list"
    changes=$(git status --porcelain)
    if [ -n "$changes" ]; then
        echo "make dist: this is not committed, and in the tarball as it lies here:" >&2
        echo "$changes" >&2
    fi
else
    epoch=$(stat -c %Y VERSION)
    find . \( -path ./build -o -path ./run -o -name node_modules \) -prune -o ! -type d -printf '%P\0' >"$list"
fi

# A file that is gone without git's being told is in git's list still.
there() {
    while IFS= read -r -d '' file; do
        [ ! -e "$file" ] || printf '%s\0' "$file"
    done
}
LC_ALL=C sort -zu "$list" | there |
    tar --null --no-recursion -T - --transform "flags=r;s|^|wspush-$version/|" --format=ustar --mode='u=rwX,go=rX' \
        --owner=0 --group=0 --numeric-owner --mtime="@${SOURCE_DATE_EPOCH:-$epoch}" -c | gzip -9n >"$out.part"
mv "$out.part" "$out"
