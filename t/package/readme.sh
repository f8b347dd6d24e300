#!/bin/sh
# t/package/readme.sh: README's way to the package, in its words: as root, in a bare Debian with `git` and `make`. /srv/wspush is the
# repository that is cloned. Leaves the clone in /root/wspush.
set -eu
cd /root
# shellcheck source=t/package/say.sh
. ./say.sh

check "a clone" git clone -q /srv/wspush wspush
cd wspush
for program in cc dpkg-buildpackage; do
    check "no $program is here" no command -v $program
done
check "README: make deb" make deb
check "it has installed what was missing" grep -q '^installing: gcc ' "$said"
# With -y: this Debian has no systemd yet, and apt asks whether that may come.
check "README: apt-get install" apt-get install -y ./build/wspush_*.deb
check "the program is there" same "$(wspushd --version)" "wspushd $(cat VERSION)"
check "install-deps.sh has nothing to do any more, and says nothing, to whoever asks" same \
    "$(setpriv --reuid nobody --regid nogroup --clear-groups /srv/wspush/conf/install-deps.sh build deb 2>&1)" ""
