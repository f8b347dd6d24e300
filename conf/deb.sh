#!/bin/sh
# deb.sh BUILD: BUILD/wspush_VERSION_ARCH.deb, from a clean copy of this tree (conf/dist.sh), in an environment of its own, so
# that it is the same from the same tree wherever it is built with the same compiler.
set -eu
mkdir -p "$1"
build=$(realpath "$1")
cd "$(dirname "$0")/.."
version=$(cat VERSION)
work=$build/deb
rm -rf "$work"
mkdir -p "$work"
conf/dist.sh "$work/wspush-$version.tar.gz"
tar -C "$work" -xf "$work/wspush-$version.tar.gz"
cd "$work/wspush-$version"
epoch=$(stat -c %Y VERSION)

# The version's home is VERSION, and what is new stands in CHANGES.md.
cp -R conf/debian debian
cat >debian/changelog <<END
wspush ($version) unstable; urgency=medium

  * Version $version; CHANGES.md says what is new.

 -- $(sed -n 's/^Maintainer: //p' debian/control)  $(LC_ALL=C date -u -R -d "@$epoch")
END

env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME="$work" LC_ALL=C.UTF-8 SOURCE_DATE_EPOCH="$epoch" \
    DEB_BUILD_OPTIONS="parallel=$(nproc)" dpkg-buildpackage --build=binary --no-sign >"$work/log" 2>&1 || {
    tail -n 40 "$work/log" >&2
    echo "make deb: failed; all of it is in $work/log" >&2
    exit 1
}
rm -f "$build"/wspush_*.deb # so that wspush_*.deb is this one
mv "$work/wspush_${version}_"*.deb "$build/"
echo "make deb: $(ls "$build/wspush_${version}_"*.deb)"
