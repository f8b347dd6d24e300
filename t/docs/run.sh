#!/bin/sh
# run.sh BUILD: runs every command block of README.md, README.zh-CN.md, docs/GUIDE.md and docs/man, and every example of
# docs/CONTROL.md, from the root of the repository. With WSPUSH_DOCS=control in the environment those examples alone.
#
# The commands are run as they are printed, with the paths that are printed: in namespaces of their own (mounts, processes,
# network), where inside.sh lays out a machine with wspush installed and a site of its own. Nothing of it is to be seen
# outside, and all of it ends with this script. That takes root.
#
# It ends with a line "N passed, N failed"; status 1 if one failed.
set -eu

here=t/docs
build=${1:-build}
limit=240 # seconds, for everything

if [ ! -x conf/run.sh ] || [ ! -x "$build/wspushd" ]; then
    echo "usage: $here/run.sh BUILD, from the root of the repository, after make" >&2
    exit 2
fi
if [ "$(id -u)" -ne 0 ]; then
    command -v sudo >/dev/null || {
        echo "$here/run.sh: this takes root: it makes namespaces and mounts in them" >&2
        exit 1
    }
    exec sudo "$0" "$@"
fi

# npm's Redis and WebSocket libraries, in the versions that t/interop has. No network inside, so they come first.
node=build/docs-node
if [ ! -e $node/node_modules ] || ! cmp -s t/interop/package-lock.json $node/package-lock.json; then
    rm -rf $node
    mkdir -p $node
    cp t/interop/package.json t/interop/package-lock.json t/interop/.npmrc $node/
    (cd $node && npm ci --loglevel=error >/dev/null)
fi

# Sockets of `make run` live in it, and a socket's path has 107 bytes: /tmp, whatever TMPDIR says.
tmp=$(mktemp -d /tmp/wspush-docs.XXXXXX)
chmod 755 "$tmp" # PHP's user has to reach what is in it
trap 'rm -rf "$tmp"' EXIT
trap 'exit 130' INT TERM HUP
status=0
timeout -k 10 $limit unshare --mount --pid --net --fork --kill-child --mount-proc \
    $here/inside.sh "$(realpath "$build")" "$tmp" </dev/null || status=$?
if [ $status -eq 124 ] || [ $status -eq 137 ]; then
    echo "$here: not done within $limit seconds"
    echo "0 passed, 1 failed"
fi
[ $status -eq 0 ] || exit 1
