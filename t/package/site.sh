#!/bin/sh
# t/package/site.sh: in a bare Debian with nginx and no init, in a network of its own. The package is installed, looked at, used,
# upgraded, removed, installed again and purged; the daemons are started by hand, and by manager.py. In /src: this tree's tests,
# wspush.deb, next.deb.
set -eu
cd /src
# shellcheck source=t/package/say.sh
. t/package/say.sh
worker=
responder=

apt() {
    apt-get -q -y --no-install-recommends -o Dpkg::Options::=--force-confold "$@"
}
daemons() { # that run in here; there are others in /proc
    for process in /proc/[0-9]*; do
        if [ "$(stat -L -c %d:%i "$process/root")" = "$(stat -c %d:%i /)" ] && grep -aE '^/usr/sbin/(wspush|nginx)' "$process/cmdline"; then return 0; fi
    done 2>/dev/null
    return 1
}
# All that is there but what apt and dpkg keep about any package, caches, and what lives in memory.
everything() {
    find / -xdev \( -path /src -o -path /proc -o -path /sys -o -path /dev -o -path /tmp -o -path /var/cache -o -path /var/lib/apt \
        -o -path /var/lib/dpkg -o -path /var/log \) -prune -o -printf '%M %u %g %p %l\n' | LC_ALL=C sort -k4
    find /run -path /run/systemd -prune -o ! -type s -printf '%M %u %g %p\n' | LC_ALL=C sort -k4
}
say_log() {
    tail -n 20 /tmp/*.log
    return 1
}

# nginx makes directories when it is first run, and a pid file even when it only looks at its configuration.
nginx
within 10 test -s /run/nginx.pid
nginx -s stop 2>/dev/null
within 10 test ! -e /run/nginx.pid
nginx -t 2>/dev/null
everything >/tmp/before
cp /etc/passwd /tmp/passwd
cp /etc/group /tmp/group
cp /etc/nginx/sites-available/default /tmp/default

# ---- install ----
check "apt-get install" apt install ./wspush.deb
cp "$said" /tmp/apt-said
check "it brings no other package" grep -q '^0 upgraded, 1 newly installed' /tmp/apt-said
check "it says the two lines for nginx, once" same "$(grep -c 'include snippets/wspush-' /tmp/apt-said)" 2
check "no service was started, as policy-rc.d said" no daemons

sed "s|/LIB/|/$(basename "$(dirname /usr/lib/*/libwspush.so.0)")/|" t/package/files.txt | LC_ALL=C sort >/tmp/expected
dpkg -L wspush | while read -r file; do
    [ -d "$file" ] || find "$file" -printf '%M %u %g %p\n'
done | LC_ALL=C sort >/tmp/installed
check "the files, their owners and modes" diff /tmp/expected /tmp/installed
check "no file has another content than its package says" same "$(dpkg --verify wspush)" ""
check "what is in /etc is conffiles" same "$(dpkg-query -W -f '${Conffiles}' wspush | awk 'NF { print $1 }' | LC_ALL=C sort)" \
    "$(awk '$4 ~ "^/etc" { print $4 }' /tmp/expected | LC_ALL=C sort)"

user=$(getent passwd wspush)
check "the user: no login, no home" same "${user#*:*:*:*:*:}" "/nonexistent:/usr/sbin/nologin"
check "wspush is in www-data" same "$(id -nG wspush)" "wspush www-data"
check "www-data is in wspush" same "$(id -nG www-data)" "www-data wspush"
check "/run/wspush is there" same "$(stat -c '%A %U %G' /run/wspush)" "drwxr-xr-x wspush wspush"
for unit in sockets.target.wants/wspushd.socket sockets.target.wants/wspush-control.socket sockets.target.wants/wspush-fcgi.socket \
    multi-user.target.wants/wspushd.service multi-user.target.wants/wspush-fcgi.service; do
    check "enabled: ${unit#*/}" test -e /etc/systemd/system/$unit
done
check "systemd-analyze verify" systemd-analyze verify /lib/systemd/system/wspush*
check "it has nothing to say of ours" no grep wspush "$said"
for unit in wspushd wspush-fcgi; do
    check "systemd-analyze security: exposure of at most 0.5, $unit" \
        systemd-analyze security --offline=yes --no-pager --threshold=5 "/lib/systemd/system/$unit.service"
done

# ---- nginx ----
check "the site's own files are as they were" cmp /etc/nginx/sites-available/default /tmp/default
check "nginx -t, with the conf.d file alone" nginx -t
check "nobody's configuration includes anything of ours but that" same \
    "$(nginx -T 2>/dev/null | sed -n 's/^# configuration file \(.*wspush.*\):$/\1/p')" /etc/nginx/conf.d/wspush-http.conf

t/package/include.sh
check "nginx -t, with the two includes in Debian's default site" nginx -t

# ---- the daemons by hand, as the user wspush ----
by_hand() { # NAME
    setpriv --reuid wspush --regid wspush --init-groups "/usr/sbin/$1" >"/tmp/$1.log" 2>&1 &
}
ready() { # NAME
    grep -q 'ready:' "/tmp/$1.log" || say_log
}
start() {
    by_hand wspushd
    worker=$!
    by_hand wspush-fcgi
    responder=$!
    check "wspushd is ready" within 10 ready wspushd
    check "wspush-fcgi is ready" within 10 ready wspush-fcgi
}
stop() {
    kill -s TERM "$worker" "$responder" 2>/dev/null || :
    for pid in $worker $responder; do
        wait "$pid" || echo "FAIL  a daemon ended with status $?"
    done
    worker='' responder=''
}
# shellcheck disable=SC2317 # called by trap
end() {
    [ -z "$worker" ] || stop
}
trap end EXIT

start
check "as the user wspush" same "$(awk '/^[UG]id:/ { print $2, $3 }' "/proc/$worker/status")" "$(id -u wspush) $(id -u wspush)
$(id -g wspush) $(id -g wspush)"
check "ws.sock" same "$(stat -c '%A %U %G' /run/wspush/ws.sock)" "srw-rw---- wspush www-data"
check "fcgi.sock" same "$(stat -c '%A %U %G' /run/wspush/fcgi.sock)" "srw-rw---- wspush www-data"
check "control.sock" same "$(stat -c '%A %U %G' /run/wspush/control.sock)" "srw-rw---- wspush wspush"
nginx
check "a WebSocket through nginx has what wsctl sends" \
    python3 -I t/package/push.py ws://127.0.0.1/chat/room1 hello wsctl send chat/room1 hello
check "wsctl says that it reached one" grep -q '^reached 1 client' "$said"
check "www-data (PHP) may push" python3 -I t/package/push.py ws://127.0.0.1/chat/room1 hi \
    setpriv --reuid www-data --regid www-data --init-groups wsctl send chat/room1 hi
check "nobody else may: exit status 6" status_is 6 setpriv --reuid nobody --regid nogroup --clear-groups wsctl ping
get() { # PATH
    python3 -I -c 'import sys, urllib.request as u; sys.stdout.buffer.write(u.urlopen("http://127.0.0.1" + sys.argv[1]).read())' "$1"
}
get /test/ >/tmp/page.html
check "the page, by the responder and from where it was installed" cmp /tmp/page.html /usr/share/wspush/static/test.html
get /wspush/static/test.js >/tmp/page.js
check "and its script" cmp /tmp/page.js /usr/share/wspush/static/test.js
get / >/tmp/index.html
check "the site's own page is as it was" cmp /tmp/index.html /var/www/html/index.nginx-debian.html

# ---- the library ----
build() { # NAME FLAG ...
    name=$1
    shift
    gcc -Wall -Wextra -Werror -o "/tmp/$name" t/package/client.c "$@"
}
flags() { # OPTION ...: words
    pkg-config "$@" libwspush
}
check "pkg-config knows the version" same "$(pkg-config --modversion libwspush)" "$(dpkg-query -W -f '${Version}' wspush)"
# shellcheck disable=SC2046 # words
{
    check "a program with the shared library" build shared $(flags --cflags --libs)
    check "a program with the static one" build static -static $(flags --cflags --libs --static)
}
# shellcheck disable=SC2046 # words
check "the chat bot of the examples, as it says" \
    gcc -Wall -Wextra -Werror -o /tmp/chatbot /usr/share/doc/wspush/examples/chatbot.c $(flags --cflags --libs)
check "the shared one needs libwspush.so.0" sh -c "ldd /tmp/shared | grep -q 'libwspush.so.0 => /'"
check "the static one needs nothing" sh -c "! ldd /tmp/static"
for kind in shared static; do
    check "the $kind one sends and hears" \
        python3 -I t/package/push.py ws://127.0.0.1/chat/c "from C" /tmp/$kind chat/c "from C"
    check "it says so" same "$(cat "$said")" "1 thanks"
done
library=$(pkg-config --variable=libdir libwspush)/libwspush
shown() { # WORDS OF nm
    nm "$@" --defined-only | awk 'NF == 3 && $2 != "A" { print $3 }' | sed 's/@.*//' | LC_ALL=C sort
}
shown -D "$library.so.0" >/tmp/shown
check "libwspush.so shows what wspush.h declares, and nothing else" same "$(cat /tmp/shown)" \
    "$(grep -v typedef /usr/include/wspush.h | grep -oE '\bwspush_[a-z_]+\(' | tr -d '(' | LC_ALL=C sort -u)"
check "which is all that libwspush.a shows" same "$(shown -g "$library.a")" "$(cat /tmp/shown)"

# ---- under a service manager ----
stop
python3 -I t/package/manager.py /usr/sbin || echo "FAIL  manager.py ended with status $?"

# ---- upgrade ----
echo 'log_level = debug' >>/etc/wspush/wspush.conf
cp /etc/wspush/wspush.conf /tmp/mine.conf
check "upgrade" apt install ./next.deb
check "to the next version" same "$(wspushd --version)" "wspushd $(dpkg-deb -f next.deb Version)"
check "the two lines are not said again" no grep -q 'include snippets' "$said"
check "wspush.conf, edited here and changed there, is as edited" cmp /etc/wspush/wspush.conf /tmp/mine.conf
check "the new one is beside it" grep -q 'came with the next version' /etc/wspush/wspush.conf.dpkg-dist
check "a snippet that nobody touched is the new one" grep -q 'came with the next version' /etc/nginx/snippets/wspush-here.conf
check "nginx -t" nginx -t
start
check "pushing goes on" python3 -I t/package/push.py ws://127.0.0.1/chat/room1 again wsctl send chat/room1 again
stop

# ---- remove, again, purge ----
check "remove" apt remove wspush
check "no program is left" no ls /usr/sbin/wspushd /usr/sbin/wspush-fcgi /usr/bin/wsctl
check "the configuration is" cmp /etc/wspush/wspush.conf /tmp/mine.conf
check "nginx -t, as the site's include lines still find their files" nginx -t
check "install again" apt install ./wspush.deb
check "the configuration is as it was edited" cmp /etc/wspush/wspush.conf /tmp/mine.conf
start
check "pushing goes on" python3 -I t/package/push.py ws://127.0.0.1/chat/room1 anew wsctl send chat/room1 anew
stop
nginx -s stop 2>/dev/null
within 10 test ! -e /run/nginx.pid
cp /tmp/default /etc/nginx/sites-available/default
check "purge" apt purge wspush
check "nginx -t, without us" nginx -t
everything >/tmp/after
check "what is left is what was there" diff /tmp/before /tmp/after
check "but for the user" same "$(diff /tmp/passwd /etc/passwd | sed -n 's/^[<>] \([^:]*\):.*/\1/p')" wspush
check "and the two memberships" same "$(diff /tmp/group /etc/group | grep '^>')" "> www-data:x:33:wspush
> wspush:x:$(id -g wspush):www-data"
