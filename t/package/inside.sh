#!/bin/sh
# t/package/inside.sh ROOTFS TMP: the stages, in the namespaces that run.sh made.
#
#   dist       `make dist`, on the host, in a repository of its own with this tree as its only commit
#   readme     in a bare Debian with git and make, as root: README's way to the package (readme.sh)
#   build      in a bare Debian with what Build-Depends names: `make`, `make deb`, `make install`, as an ordinary user (build.sh)
#   site       in a bare Debian with nginx and no init: the package installed, used, upgraded, removed, purged (site.sh); the
#              daemons by hand and under a service manager that is a test (manager.py)
#   booted     the same Debian with systemd as its first process: the units themselves (booted.sh)
#
# The package is built in bare Debians, and not on the host, so that conf/install-deps.sh and Build-Depends are each seen to be enough,
# and the result to be that release's.
set -eu
rootfs=$1
tmp=$2
top=$(pwd)
# shellcheck source=t/package/say.sh
. t/package/say.sh
began=$(date +%s)
stage() {
    echo "-- $1, after $(($(date +%s) - began)) s"
}

mount -t tmpfs -o mode=755,size=90% tmpfs "$tmp"
work=$tmp/work
mkdir "$work"
echo 'force-unsafe-io' >"$tmp/dpkg-speed" # the disk is memory

# ---- roots ----
new_root() { # DIR
    mkdir -m 755 "$1"
    tar -C "$1" -xf "$rootfs"
    chmod 755 "$1"
    cp "$tmp/dpkg-speed" "$1/etc/dpkg/dpkg.cfg.d/speed"
    cp /etc/resolv.conf "$1/etc/resolv.conf"
    [ ! -d "$tmp/lists" ] || cp -a "$tmp/lists/." "$1/var/lib/apt/lists/"
    printf '#!/bin/sh\nexit 101\n' >"$1/usr/sbin/policy-rc.d" # no service starts, as on a build machine
    chmod 755 "$1/usr/sbin/policy-rc.d"
    mount -t proc proc "$1/proc"
    mount --rbind /dev "$1/dev"
    mount -t tmpfs -o mode=755 tmpfs "$1/run"
}
alone=
in_root() { # DIR COMMAND ...
    $alone env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LC_ALL=C.UTF-8 DEBIAN_FRONTEND=noninteractive \
        PYTHONDONTWRITEBYTECODE=1 chroot "$@" </dev/null
}
install_in() { # DIR PACKAGE ...
    root=$1
    shift
    in_root "$root" apt-get -q -y install --no-install-recommends "$@" >"$root.log" 2>&1 || {
        tail -n 20 "$root.log"
        return 1
    }
}

# ---- dist ----
stage "dist"
conf/dist.sh "$work/tree.tar.gz" 2>/dev/null
mkdir "$tmp/src"
tar -C "$tmp/src" --strip-components=1 -xf "$work/tree.tar.gz"
version=$(cat "$tmp/src/VERSION")
(cd "$tmp/src" && "$top/t/package/dist.sh" "$work") </dev/null

# ---- the Debians ----
new_root "$tmp/build"
in_root "$tmp/build" apt-get -q update >"$tmp/apt.log" 2>&1 || {
    tail -n 20 "$tmp/apt.log"
    exit 1
}
cp -a "$tmp/build/var/lib/apt/lists" "$tmp/lists"
mkdir -p "$tmp/build/control/debian"
cp "$tmp/src/conf/debian/control" "$tmp/build/control/debian/"
new_root "$tmp/readme"
mv "$work/clone" "$tmp/readme/srv/wspush"
chmod -R go=rX "$tmp/readme/srv/wspush"
cp t/package/readme.sh t/package/say.sh "$tmp/readme/root/"
{
    install_in "$tmp/readme" git make && in_root "$tmp/readme" /root/readme.sh || echo "FAIL  readme.sh ended with status $?"
} >"$tmp/readme.out" 2>&1 &
readme=$!
new_root "$tmp/site"
(
    install_in "$tmp/site" nginx python3-minimal python3-websockets gcc libc6-dev pkg-config libhiredis-dev >"$tmp/site.out" 2>&1
) &
site=$!
in_root "$tmp/build" apt-get -q -y build-dep --no-install-recommends /control >"$tmp/apt.log" 2>&1 || {
    tail -n 20 "$tmp/apt.log"
    exit 1
}

# ---- build ----
stage "build"
mkdir "$tmp/build/home/builder"
cp "$work/wspush-$version.tar.gz" t/package/build.sh t/package/say.sh "$tmp/build/home/builder/"
chown -R 1000:1000 "$tmp/build/home/builder"
in_root "$tmp/build" setpriv --reuid 1000 --regid 1000 --clear-groups env HOME=/home/builder sh -c 'cd && ./build.sh'
cp "$tmp"/build/home/builder/out/*.deb "$work/"
deb=$(ls "$work/wspush_${version}_"*.deb)
next=$(ls "$work"/wspush_*test_*.deb)
check "lintian has no error" lintian --fail-on error --allow-root "$deb"
check "and misses no manual page" no grep -E 'manual-page|groff-message|mandb' "$said"

stage "readme, which ran meanwhile"
wait $readme
cat "$tmp/readme.out"
check "its package has the same bytes" cmp "$deb" "$tmp/readme/root/wspush/build/${deb##*/}"

# ---- site and booted ----
wait $site || {
    cat "$tmp/site.out"
    exit 1
}
mkdir "$tmp/site/src"
cp -a "$tmp/src/t" "$tmp/site/src/"
cp "$deb" "$tmp/site/src/wspush.deb"
cp "$next" "$tmp/site/src/next.deb"
# What the package needs comes first, so that what it brings itself can be told apart.
check "its Depends can be had" in_root "$tmp/site" apt-get -q -y --no-install-recommends satisfy "$(dpkg-deb -f "$deb" Depends)"
rm "$tmp/site/etc/resolv.conf"
mkdir -m 755 "$tmp/booted"
tar -C "$tmp/site" --one-file-system -cf - . | tar -C "$tmp/booted" -xf -
rm "$tmp/booted/usr/sbin/policy-rc.d"

# A network of its own: Debian's default site is on port 80, and nobody else is to see it.
touch "$tmp/net"
unshare --net="$tmp/net" ip link set lo up
alone="nsenter --net=$tmp/net"
# Both wait more than they work, so they do it at the same time.
{
    in_root "$tmp/site" /src/t/package/site.sh || echo "FAIL  site.sh ended with status $?"
} >"$tmp/site.out" 2>&1 &
site=$!
stage "booted"
t/package/boot.sh "$tmp/booted" /src/t/package/booted.sh
stage "site, which ran meanwhile"
wait $site
cat "$tmp/site.out"
stage "the end"
