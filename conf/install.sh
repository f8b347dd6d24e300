#!/bin/sh
# install.sh install|uninstall BUILD: what `make install` and `make uninstall` do. conf/install.mk gives the directories.
#
# A file in /etc is the site's. One that somebody changed is kept, with the new one beside it as NAME.new; nginx and the
# daemons pass over such a name. `uninstall` keeps it too. Whether it was changed is told by its checksum at the last install.
set -eu
verb=$1
build=$2
: "${PREFIX:?}" "${bindir:?}" "${sbindir:?}" "${libdir:?}" "${includedir:?}" "${datadir:?}" "${docdir:?}" "${mandir:?}" \
    "${completionsdir:?}" "${sysconfdir:?}" "${nginxdir:?}" "${unitdir:?}" "${sysusersdir:?}" "${tmpfilesdir:?}" "${VERSION:?}" "${DESTDIR=}"

# One line a file: what it is, from, to.
#   program, file   as it is, with mode 0755 or 0644
#   text            paths in it follow this installation's
#   etc             the same, and it is the site's
#   link            to a name beside it
files() {
    for program in wspushd wspush-fcgi; do
        echo "program $build/$program $sbindir/$program"
    done
    echo "program $build/wsctl $bindir/wsctl"

    echo "file $build/libwspush.a $libdir/libwspush.a"
    echo "file $build/libwspush.so.0 $libdir/libwspush.so.0"
    echo "link libwspush.so.0 $libdir/libwspush.so"
    echo "text ws/client/libwspush.pc.in $libdir/pkgconfig/libwspush.pc"
    echo "file ws/client/wspush.h $includedir/wspush.h"

    for page in static/*; do
        echo "file $page $datadir/wspush/$page"
    done
    for doc in README.md README.zh-CN.md CHANGES.md docs/GUIDE.md docs/CONTROL.md docs/CLIENT.md; do
        echo "file $doc $docdir/$doc"
    done
    echo "text conf/nginx/example-site.conf $docdir/examples/example-site.conf"
    for example in docs/examples/*.c; do
        echo "file $example $docdir/examples/${example##*/}"
    done
    for page in docs/man/*.[1-8]; do
        echo "text $page $mandir/man${page##*.}/${page##*/}"
    done
    # It is found by the name of what is completed.
    echo "file conf/completion/wsctl $completionsdir/wsctl"
    for daemon in wspushd wspush-fcgi; do
        echo "link wsctl $completionsdir/$daemon"
    done

    echo "etc conf/wspush.conf $sysconfdir/wspush/wspush.conf"
    echo "etc conf/nginx/conf.d/wspush-http.conf $nginxdir/conf.d/wspush-http.conf"
    for snippet in conf/nginx/snippets/*.conf; do
        echo "etc $snippet $nginxdir/snippets/${snippet##*/}"
    done

    for unit in conf/systemd/*.service conf/systemd/*.socket; do
        echo "text $unit $unitdir/${unit##*/}"
    done
    echo "file conf/systemd/sysusers.conf $sysusersdir/wspush.conf"
    echo "file conf/systemd/tmpfiles.conf $tmpfilesdir/wspush.conf"
}

# The file with this installation's paths.
with_paths() {
    sed -e "s|/usr/share/doc/wspush/|$docdir/|g" -e "s|/usr/share/wspush/|$datadir/wspush/|g" -e "s|/usr/sbin/|$sbindir/|g" \
        -e "s|/etc/wspush/|$sysconfdir/wspush/|g" -e "s|/usr/share/bash-completion/completions/|$completionsdir/|g" -e "s|@PREFIX@|$PREFIX|" -e "s|@libdir@|$libdir|" \
        -e "s|@includedir@|$includedir|" -e "s|@VERSION@|$VERSION|" "$1"
}

# put MODE FROM TO: replaces TO by rename, because a program that runs cannot be written over.
put() {
    mkdir -p "${3%/*}"
    install -m "$1" "$2" "$3.part"
    mv -f "$3.part" "$3"
}

tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT

# As sha256sum prints them; not in a DESTDIR, which is somebody else's to install from.
sums=$DESTDIR$datadir/wspush/etc.sha256
: >"$tmp/sums"
is_untouched() { # FILE: it is as it would be installed now, or as it was installed
    cmp -s "$tmp/text" "$1" || { [ -e "$sums" ] && grep -qxF "$(sha256sum "$1")" "$sums"; }
}

put_one() {
    case $1 in
    program) put 755 "$2" "$3" ;;
    file) put 644 "$2" "$3" ;;
    text)
        with_paths "$2" >"$tmp/text"
        put 644 "$tmp/text" "$3"
        ;;
    etc)
        with_paths "$2" >"$tmp/text"
        if [ ! -e "$3" ] || is_untouched "$3"; then
            put 644 "$tmp/text" "$3"
            rm -f "$3.new"
            sha256sum "$3" >>"$tmp/sums"
        else
            put 644 "$tmp/text" "$3.new"
            echo "kept $3, which was changed; the new one is $3.new"
        fi
        ;;
    link)
        mkdir -p "${3%/*}"
        ln -sfn "$2" "$3"
        ;;
    esac
}

remove_one() {
    if [ "$1" = etc ]; then
        with_paths "$2" >"$tmp/text"
        rm -f "$3.new"
        if [ -e "$3" ] && ! is_untouched "$3"; then
            echo "kept $3, which was changed"
            return 0
        fi
        if dpkg-query -S "$3" >/dev/null 2>&1; then
            echo "kept $3, which is a package's"
            return 0
        fi
    fi
    rm -f "$3"
}

each_file() {
    files >"$tmp/files"
    while read -r what from to; do
        "$1" "$what" "$from" "$DESTDIR$to"
    done <"$tmp/files"
}

# systemd looks for units in a few directories only, and knows others by links.
say_units() {
    case $unitdir in
    /etc/systemd/system | /usr/local/lib/systemd/system | /usr/lib/systemd/system | /lib/systemd/system)
        echo "    systemctl daemon-reload && systemctl enable --now wspushd wspush-fcgi"
        ;;
    *)
        echo "    systemctl link $unitdir/wspush*.service $unitdir/wspush*.socket"
        echo "    systemctl enable --now wspushd wspush-fcgi"
        ;;
    esac
}

say_what_next() {
    cat <<END

wspush $VERSION is installed below $PREFIX. What is left, as root:

    ldconfig
    systemd-sysusers $sysusersdir/wspush.conf                 # the user wspush
    systemd-tmpfiles --create $tmpfilesdir/wspush.conf        # /run/wspush
$(say_units)

and in nginx, whose http { } includes $nginxdir/conf.d/*.conf, two lines:

    include snippets/wspush-server.conf;       # once in the server { }
    include snippets/wspush-here.conf;         # in any location of it

    nginx -t && systemctl reload nginx

A program that pushes has to be in group wspush. www-data is, from its next start on: restart PHP's service once.
END
}

case $verb in
install)
    umask 022
    each_file put_one
    if [ -z "$DESTDIR" ]; then
        put 644 "$tmp/sums" "$sums"
        say_what_next
    fi
    ;;
uninstall)
    each_file remove_one
    rm -f "$sums"
    for dir in $datadir/wspush/static $datadir/wspush $docdir/examples $docdir/docs $docdir $sysconfdir/wspush; do
        [ ! -d "$DESTDIR$dir" ] || rmdir --ignore-fail-on-non-empty "$DESTDIR$dir"
    done
    [ -n "$DESTDIR" ] || cat <<END
The user wspush and /run/wspush stay. Left to do: take the include lines out of nginx, or it will not start again;
systemctl disable --now wspushd wspush-fcgi wspushd.socket wspush-control.socket wspush-fcgi.socket; systemctl daemon-reload;
ldconfig.
END
    ;;
*)
    echo "usage: install.sh install|uninstall BUILD" >&2
    exit 2
    ;;
esac
