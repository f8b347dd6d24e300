#!/bin/sh
# t/package/build.sh: in a bare Debian with what Build-Depends names, as an ordinary user, in a directory with the tarball:
# builds it. Leaves in out/ the package, and a next version of it, in which the configuration has another line.
set -eu
# shellcheck source=t/package/say.sh
. ./say.sh
tarball=$(echo wspush-*.tar.gz)
version=${tarball#wspush-}
version=${version%.tar.gz}
arch=$(dpkg --print-architecture)
mkdir out
unpack() { # DIR
    mkdir "$1"
    tar -C "$1" --strip-components=1 -xf "$tarball"
}

unpack one
check "no git is here" no command -v git
check "make, in the unpacked tarball" make -C one -j2
check "the program says the version that VERSION says" same "$(one/build/wspushd --version)" "wspushd $version"
check "the configuration in the tree is the program's" sh -c 'one/build/wspushd --options | diff one/conf/wspush.conf -'

check "make deb" make -C one deb
check "it needs nothing that Build-Depends does not name" no grep -q '^installing' "$said"
unpack two
check "make deb again, elsewhere, with another umask and time zone" env TZ=Asia/Tokyo sh -c 'umask 077; make -C two deb'
check "both are the same bytes" cmp "one/build/wspush_${version}_$arch.deb" "two/build/wspush_${version}_$arch.deb"
cp "one/build/wspush_${version}_$arch.deb" out/

next=0.1.1~test
unpack three
echo $next >three/VERSION
echo '# A line that came with the next version.' | tee -a three/conf/wspush.conf three/conf/nginx/snippets/wspush-here.conf >/dev/null
check "make deb of version $next" make -C three deb
cp three/build/wspush_${next}_"$arch".deb out/

# `make install` with Debian's directories makes what is in the package; Debian's own three files come on top, and manual pages
# are compressed there.
lib=/usr/lib/$(dpkg-architecture -qDEB_HOST_MULTIARCH)
tree() {
    make -s -C one PREFIX=/usr libdir="$lib" unitdir=/lib/systemd/system DESTDIR="$(pwd)/tree" "$1"
}
dpkg-deb --fsys-tarfile "out/wspush_${version}_$arch.deb" >package.tar
check "make install, into DESTDIR" tree install
of_package() {
    tar -tvf package.tar | awk '{ print $1, $6, $7, $8 }' | sed -e 's| \./| /|' -e 's/ *$//' | grep -v '^d' |
        sed '/ \/usr\/share\/man\//s/\.gz$//' | grep -v -e /doc/wspush/changelog.gz -e /doc/wspush/copyright -e /lintian/ | LC_ALL=C sort -k2
}
of_tree() {
    find tree ! -type d -printf '%M /%P -> %l\n' | sed 's/ -> $//' | LC_ALL=C sort -k2
}
check "the same files with the same modes as in the package" same "$(of_tree)" "$(of_package)"
# Programs are stripped in the package, so they are compared by what they say.
mkdir unpacked
tar -C unpacked -xf package.tar
gunzip unpacked/usr/share/man/man*/*.gz
check "and the same contents" sh -c "cd tree && find . -type f ! -path '*bin/*' ! -name 'libwspush.*' -print0 |
    xargs -0 -n1 sh -c 'cmp \"\$0\" \"../unpacked/\$0\"'"
check "the library's .pc too" cmp "tree$lib/pkgconfig/libwspush.pc" "unpacked$lib/pkgconfig/libwspush.pc"

echo '# mine' >>tree/etc/wspush/wspush.conf
cp tree/etc/wspush/wspush.conf mine
check "make install again" tree install
check "it says that a changed file in /etc was kept" grep -q 'kept .*/etc/wspush/wspush.conf, .*wspush.conf.new' "$said"
check "that is so" cmp mine tree/etc/wspush/wspush.conf
check "and the new one is beside it" cmp one/conf/wspush.conf tree/etc/wspush/wspush.conf.new
check "make uninstall" tree uninstall
check "only the changed file is left" same "$(find tree ! -type d)" tree/etc/wspush/wspush.conf

# The default directories, and a prefix that the paths in the files follow.
check "make install PREFIX=/opt/wspush" make -s -C one PREFIX=/opt/wspush DESTDIR="$(pwd)/opt" install
check "no file speaks of Debian's directories" no grep -rEI '/usr/(share/wspush|sbin/ws)' opt/etc opt/opt/wspush/lib
check "the units start what was installed" grep -q '^ExecStart=/opt/wspush/sbin/wspushd ' opt/opt/wspush/lib/systemd/system/wspushd.service
page=$(sed -n 's/^ *alias \(.*\);/\1/p' opt/etc/nginx/snippets/wspush-server.conf | sort -u)test.html
check "the manual pages name them" grep -q '^\.It Pa /opt/wspush/share/bash-completion/' opt/opt/wspush/share/man/man1/wsctl.1
check "nginx finds the page where it was installed" [ -f "opt$page" ]
