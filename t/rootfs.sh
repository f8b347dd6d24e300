#!/bin/sh
# t/rootfs.sh FILE.tar: a bare Debian 12 as a tar archive, made by debootstrap from the package source of this machine, with that
# source set up inside. Kept: what is there already is left alone. It is what t/compose and t/package start from.
set -eu

if [ $# -ne 1 ]; then
    echo "usage: t/rootfs.sh FILE.tar" >&2
    exit 2
fi
out=$1
release=bookworm
mkdir -p "$(dirname "$out")"
exec 9>"$out.lock"
flock 9 # two suites may want it at once
[ ! -s "$out" ] || exit 0
if [ "$(id -u)" -ne 0 ]; then
    echo "t/rootfs.sh: debootstrap needs root" >&2
    exit 1
fi

# This machine's own sources of that release, as lines of a sources.list. Other people's archives stay out: their keys are not
# inside. None (another Debian than 12): then debootstrap's own idea of a mirror holds, inside as well.
# shellcheck disable=SC2016 # apt fills these in
sources=$(apt-get indextargets --format '$(ORIGIN) $(CODENAME) $(CREATED_BY) $(SITE) $(RELEASE) $(COMPONENT)' 2>/dev/null |
    awk -v r=$release '$1 == "Debian" && index($2, r) == 1 && $3 == "Packages" { print "deb", $4, $5, $6 }' | sort -u)
mirror=$(printf '%s\n' "$sources" | awk -v r=$release '$3 == r { print $2; exit }')

root=$(mktemp -d /tmp/wspush-rootfs-XXXXXX)
trap 'rm -rf "$root"; rm -f "$out.part"' EXIT
trap 'exit 130' INT TERM HUP
echo "t/rootfs.sh: debootstrap, about a minute"
debootstrap --variant=minbase --include=ca-certificates $release "$root" ${mirror:+"$mirror"} >"$out.log" 2>&1 || {
    echo "t/rootfs.sh: debootstrap failed; the end of $out.log:" >&2
    tail -n 20 "$out.log" | sed 's/^/    /' >&2
    exit 1
}
[ -z "$mirror" ] || printf '%s\n' "$sources" >"$root/etc/apt/sources.list"
# How this machine fetches (a proxy, an archive of an earlier day); not its hooks, whose programs are not inside.
apt-config dump | grep '^Acquire::' | grep -v '^Acquire::\(IndexTargets\|cdrom\)' >"$root/etc/apt/apt.conf.d/99-as-outside"
rm -rf "$root"/var/cache/apt/archives/*.deb "$root"/var/cache/apt/*.bin "$root"/var/lib/apt/lists/*
# debootstrap copies the machine's name.
rm -f "$root/etc/hostname"
chmod 755 "$root" # of a private directory it was made as
tar -C "$root" --numeric-owner --one-file-system -cf "$out.part" .
mv "$out.part" "$out"
