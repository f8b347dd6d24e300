#!/bin/sh
# t/package/boot.sh ROOT SCRIPT: starts systemd as the first process of ROOT, a Debian that has it, in namespaces of its own; it runs
# SCRIPT, whose lines are printed, when it is up, and ends with it. Where that can't be (no cgroup2 to write in), a line says so.
set -eu

if [ "$1" = --inside ]; then
    root=$2
    mount --bind "$root" "$root"
    cd "$root"
    mount -t proc proc proc
    mount -t sysfs -o ro sysfs sys
    mount -t cgroup2 cgroup2 sys/fs/cgroup
    mount -t tmpfs -o mode=755 tmpfs run
    mount -t tmpfs -o mode=755 tmpfs dev
    for node in null zero full random urandom tty; do
        touch "dev/$node"
        mount --bind "/dev/$node" "dev/$node"
    done
    mkdir dev/pts dev/shm old
    mount -t devpts -o newinstance,ptmxmode=0666,mode=620 devpts dev/pts
    ln -s pts/ptmx dev/ptmx
    mount -t tmpfs tmpfs dev/shm
    pivot_root . old
    umount -l /old
    exec env -i container=wspush-package PATH=/usr/sbin:/usr/bin:/sbin:/bin \
        /lib/systemd/systemd --log-target=journal --show-status=no </dev/null >/dev/null 2>&1
fi

root=$1
script=$2
out=$root/booted.out
: >"$out"
cat >"$root/etc/systemd/system/package-test.service" <<END
[Unit]
After=multi-user.target
[Service]
Type=exec
Environment=LC_ALL=C.UTF-8 DEBIAN_FRONTEND=noninteractive PYTHONDONTWRITEBYTECODE=1
ExecStart=$script
ExecStopPost=/bin/systemctl --no-block exit
StandardOutput=append:/booted.out
StandardError=inherit
END
mkdir -p "$root/etc/systemd/system/multi-user.target.wants"
ln -s ../package-test.service "$root/etc/systemd/system/multi-user.target.wants/"

cgroups=$(findmnt -n -o TARGET -t cgroup2 | head -n 1)
group=
[ -z "$cgroups" ] || group=$(mktemp -d "$cgroups/wspush-package.XXXXXX" 2>/dev/null) || :
if [ -z "$group" ]; then
    echo "NOT RUN: systemd as the first process; there is no cgroup2 file system here that can be written"
    exit 0
fi
(
    echo 0 >"$group/cgroup.procs"
    exec timeout -k 5 180 unshare --mount --pid --net --uts --ipc --cgroup --fork --kill-child "$0" --inside "$root"
) &
system=$!
tail -f -n +1 -s 0.2 --pid=$system "$out"
status=0
wait $system || status=$?
find "$group" -depth -type d -exec rmdir {} \;
if ! grep -q '^ok ' "$out"; then
    echo "FAIL  systemd as the first process: it ended with status $status before the first check"
fi
[ $status -ne 124 ] || echo "FAIL  systemd as the first process: not done after 180 s"
