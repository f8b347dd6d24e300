#!/bin/sh
# t/package/run.sh: the .deb, `make install`, `make dist` and the systemd units, in a bare Debian made by t/rootfs.sh.
#
# Everything happens in namespaces of its own, in a file system in memory: whatever ends this script ends all that it started, and
# leaves a directory with this output at most. It needs root (mounts, chroot), and about 2 GB of memory. inside.sh goes on.
set -eu
limit=420 # seconds, for all of it
cd "$(dirname "$0")/../.."
if [ "$(id -u)" -ne 0 ]; then
    echo "t/package: mounts and changes roots, so it asks for root" >&2
    exec sudo t/package/run.sh
fi

began=$(date +%s)
t/rootfs.sh build/rootfs/bookworm.tar
echo "the bare Debian is there after $(($(date +%s) - began)) s"

# Names of sockets are short, so /tmp, whatever TMPDIR says.
tmp=$(mktemp -d /tmp/wspush-package.XXXXXX)
inside=
: >"$tmp/out"
# shellcheck disable=SC2317 # called by trap
end() {
    [ -z "$inside" ] || kill -s TERM "$inside" 2>/dev/null || :
    [ -z "$inside" ] || wait "$inside" 2>/dev/null || :
    rm -rf "$tmp"
}
trap end EXIT
trap 'exit 130' INT TERM HUP

# setpriv is for the day that this script is killed: the end of unshare is the end of all in there.
setpriv --pdeathsig KILL timeout --foreground -k 5 $limit \
    setpriv --pdeathsig KILL unshare --mount --pid --fork --mount-proc --kill-child \
    t/package/inside.sh build/rootfs/bookworm.tar "$tmp" </dev/null >"$tmp/out" 2>&1 &
inside=$!
setpriv --pdeathsig TERM tail -f -n +1 -s 0.2 --pid=$inside "$tmp/out" || :
status=0
wait "$inside" || status=$?
inside=
[ $status -eq 0 ] || echo "FAIL  inside.sh ended with status $status" | tee -a "$tmp/out"

passed=$(grep -c '^ok  ' "$tmp/out" || :)
failed=$(grep -c '^FAIL' "$tmp/out" || :)
[ "$passed" -gt 0 ] || failed=$((failed + 1))
echo "took $(($(date +%s) - began)) s"
echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ]
