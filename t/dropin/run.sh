#!/bin/sh
# t/dropin/run.sh BUILD: the two includes in Debian's own nginx configuration, beside a PHP site that is there already. Every old
# URL has to answer as before, byte for byte, and push has to work at the site's /chat.
#
# It runs in namespaces of its own (mounts, network, processes), with what it writes on top of /etc, /usr and /var in memory: so
# /etc/nginx, port 443 and /run/wspush are the real paths, and the machine's own are neither read nor touched. What is left there
# of /etc/nginx is what the package nginx-common brought, not what this machine made of it. Needs root.
set -eu
limit=600 # seconds, for all of it

if [ $# -ne 1 ] || [ ! -x "$1/wspushd" ]; then
    echo "usage: t/dropin/run.sh BUILD, after make" >&2
    exit 2
fi
case $1 in
/*) build=$1 ;;
*) build=$(pwd)/$1 ;;
esac
cd "$(dirname "$0")/../.."
if [ "$(id -u)" -ne 0 ]; then
    echo "t/dropin: makes mounts and a network of its own, so it asks for root" >&2
    exec sudo t/dropin/run.sh "$build"
fi

tmp=$(mktemp -d /tmp/wspush-dropin.XXXXXX)
chmod 711 "$tmp"
inside=
trap '[ -z "$inside" ] || kill -s TERM "$inside" 2>/dev/null || :; rm -rf "$tmp"' EXIT
trap 'exit 130' INT TERM HUP

# ---- Debian's /etc/nginx ----
# The files as the installed package brought them, as dpkg's checksums say; where one was changed since, all from the package
# anew.
dpkg-query -W -f '${Conffiles}\n' nginx-common | awk '$1 ~ "^/etc/nginx/" { print $2 "  " $1 }' >"$tmp/sums"
mkdir "$tmp/debian"
if md5sum --status -c "$tmp/sums"; then
    awk '{ print $2 }' "$tmp/sums" | tar -C / -cPf - -T - | tar -C "$tmp/debian" --transform "s|^/||" -xPf -
else
    echo "t/dropin: /etc/nginx was changed on this machine; its package is fetched"
    (cd "$tmp" && apt-get -q download nginx-common >/dev/null && dpkg-deb -x nginx-common_*.deb debian)
fi
# The empty directories of the package, and the link that its installation makes.
(
    cd "$tmp/debian/etc/nginx"
    mkdir -p conf.d modules-available modules-enabled sites-enabled snippets
    ln -s /etc/nginx/sites-available/default sites-enabled/default
)

# ---- the rest is inside ----
# The end of its first process ends every process in there.
status=0
timeout -k 10 $limit unshare --mount --net --pid --fork --mount-proc --kill-child t/dropin/inside.sh "$build" "$tmp" </dev/null &
inside=$!
wait "$inside" || status=$?
inside=
if [ $status -gt 1 ]; then
    echo "FAIL  ended with status $status before its end"
    echo "0 passed, 1 failed"
fi
exit $status
