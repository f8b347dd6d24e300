#!/bin/sh
# t/rootfs.sh FILE.tar: a bare Debian 12 as a tar archive, made by debootstrap from the package source of this machine, with that
# source set up inside. Kept: what is there already is left alone. It is what t/compose and t/package start from.
set -eu

if [ $# -ne 1 ]; then
    echo "usage: t/rootfs.sh FILE.tar" >&2
    exit 2
fi
out=$1
mkdir -p "$(dirname "$out")"
exec 9>"$out.lock"
flock 9 # two suites may want it at once
[ ! -s "$out" ] || exit 0

# The first source of the release that apt knows here; debootstrap wants it as an argument.
source=$(apt-get indextargets --format '$(SITE) $(RELEASE) $(CREATED_BY)' | awk '$2 == "bookworm" && $3 == "Packages" { print $1; exit }')
root=$(mktemp -d /tmp/wspush-rootfs-XXXXXX)
trap 'rm -rf "$root"' EXIT
trap 'exit 130' INT TERM
echo "t/rootfs.sh: debootstrap, about a minute"
debootstrap --variant=minbase --include=ca-certificates bookworm "$root" "$source" >"$out.log" 2>&1 ||
    { tail -n 20 "$out.log" >&2; exit 1; }
cp -a /etc/apt/sources.list.d/. "$root/etc/apt/sources.list.d/"
cp -a /etc/apt/apt.conf.d/. "$root/etc/apt/apt.conf.d/"
[ ! -s /etc/apt/sources.list ] || cp /etc/apt/sources.list "$root/etc/apt/sources.list"
[ -s /etc/apt/sources.list ] || rm -f "$root/etc/apt/sources.list"
rm -rf "$root"/var/cache/apt/archives/*.deb "$root"/var/lib/apt/lists/*
tar -C "$root" -cf "$out.part" .
mv "$out.part" "$out"
