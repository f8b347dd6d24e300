#!/bin/sh
# t/dropin/inside.sh BUILD TMP: the site and its phases, in the namespaces that run.sh made. TMP/debian is Debian's /etc/nginx.
#
# Phases: as the site was (recorded thrice, to learn what a clock changes and that nothing else does); wspush installed and not
# used; with the two includes; with the daemons away; with them again; with the include in every location; without the includes,
# and without the files; and a site that has no location for /chat.
set -eu
build=$1
tmp=$2
here=$(pwd)/t/dropin
site=/etc/nginx/sites-available/shop.example
export WSPUSH_SOCKET=/run/wspush/control.sock
worker=
responder=

python() {
    /usr/bin/python3 -s "$@"
}
passed=0
failed=0
ok() {
    echo "ok    $*"
    passed=$((passed + 1))
}
fail() {
    echo "FAIL  $*"
    failed=$((failed + 1))
}
check() { # SENTENCE COMMAND ...
    sentence=$1
    shift
    if "$@"; then ok "$sentence"; else fail "$sentence"; fi
}
# Counts what a Python program of ours says of itself.
count() {
    status=0
    "$@" >"$tmp/out" 2>&1 || status=$?
    cat "$tmp/out"
    passed=$((passed + $(grep -c '^ok ' "$tmp/out" || :)))
    failed=$((failed + $(grep -c '^FAIL ' "$tmp/out" || :)))
    if [ $status -ne 0 ] || ! grep -q '^\(ok\|FAIL\) ' "$tmp/out"; then fail "$* ended with status $status"; fi
}
# shellcheck disable=SC2317 # called by trap
end() {
    if [ $failed -gt 0 ]; then
        echo "what the programs said:"
        tail -n 15 "$tmp"/*.log /var/log/nginx/error.log /var/log/php-fpm.log 2>/dev/null | sed 's/^/    /'
    fi
}
trap end EXIT
trap 'exit 130' INT TERM
until_true() { # COMMAND ...: within ten seconds
    patience=200
    until "$@" >/dev/null 2>&1; do
        patience=$((patience - 1))
        if [ $patience -eq 0 ]; then
            echo "t/dropin: waited in vain for: $*" >&2
            failed=$((failed + 1))
            exit 1
        fi
        sleep 0.05
    done
}
gone() {
    ! kill -s 0 "$1" 2>/dev/null
}

# ---- a machine of our own ----
mkdir "$tmp/private"
mount -t tmpfs -o mode=755 tmpfs "$tmp/private"
for tree in etc usr var; do
    mkdir "$tmp/private/$tree" "$tmp/private/.$tree"
    mount -t overlay overlay -o "lowerdir=/$tree,upperdir=$tmp/private/$tree,workdir=$tmp/private/.$tree" /$tree
done
mount -t tmpfs -o mode=755 tmpfs /run
ip link set lo up
rm -rf /etc/nginx /etc/wspush /usr/share/wspush
cp -a "$tmp/debian/etc/nginx" /etc/nginx
rm -rf /var/log/nginx /var/lib/nginx /var/www
mkdir -p /var/log/nginx /var/lib/nginx /var/www/html /run/php
cp /usr/share/nginx/html/index.html /var/www/html/index.nginx-debian.html

# ---- the site, as it was ----
mkdir -p /var/www/shop.example/public/download /var/www/shop.example/acme/.well-known/acme-challenge
cp -R "$here/site/public/." /var/www/shop.example/public/
seq 1 60000 >/var/www/shop.example/public/download/big.bin
echo 'a token' >/var/www/shop.example/acme/.well-known/acme-challenge/token
find /var/www -exec touch -h -d 2022-01-01T00:00:00Z {} +
chmod -R a+rX /var/www
echo "ann:$(openssl passwd -apr1 -salt salt secret)" >/etc/nginx/shop.htpasswd
echo '127.0.0.1 localhost shop.example' >/etc/hosts
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=shop.example \
    -addext subjectAltName=DNS:shop.example -keyout /etc/ssl/private/shop.example.key -out /etc/ssl/shop.example.crt 2>/dev/null
cp "$here/site/shop.conf" $site
ln -s $site /etc/nginx/sites-enabled/shop.example

for php in /usr/sbin/php-fpm*; do :; done
"$php" --daemonize --fpm-config "$here/site/pool.conf"
until_true test -S /run/php/shop.sock
python "$here/site/app.py" >"$tmp/app.log" 2>&1 &
until_true curl -s http://127.0.0.1:3000/
nginx
until_true curl -s http://127.0.0.1/

# The processes that a server answers with: those of now, and not those that are finishing what they had begun.
serving() { # nginx|php
    case $1 in
    nginx) pgrep -P "$(cat /run/nginx.pid)" -f '^nginx: worker process$' ;;
    php) pgrep -P "$(cat /run/php/fpm.pid)" -f '^php-fpm: pool shop' ;;
    esac
}
replaced() { # SERVER PID ...
    new=$(serving "$1") || return 1
    shift
    for pid in "$@"; do
        ! echo "$new" | grep -qx "$pid" || return 1
    done
}
reload() { # SERVER
    old=$(serving "$1")
    case $1 in
    nginx) nginx -s reload 2>>"$tmp/nginx-t" ;;
    php) kill -s USR2 "$(cat /run/php/fpm.pid)" ;;
    esac
    # shellcheck disable=SC2086 # a list
    until_true replaced "$1" $old
}
record() { # NAME [--site]
    name=$1
    shift
    python "$here/answers.py" record "$tmp/$name" "$@" || fail "$name: not all could be asked"
}
same() { # NAME [BEFORE [--site]]
    name=$1
    before=${2-before}
    shift $(($# < 2 ? $# : 2))
    count python "$here/answers.py" compare "$tmp/$before" "$tmp/$name" "$tmp/mask" "$@"
}
good_config() {
    nginx -t >"$tmp/nginx-t" 2>&1 || { cat "$tmp/nginx-t"; return 1; }
    ! grep -E 'warn|emerg|error' "$tmp/nginx-t"
}
debian_is_untouched() {
    for file in $(cd "$tmp/debian/etc/nginx" && find . -type f); do
        cmp "$tmp/debian/etc/nginx/$file" "/etc/nginx/$file" || return 1
    done
}

echo "- as the site was"
record before
record again
count python "$here/answers.py" learn "$tmp/before" "$tmp/again" "$tmp/mask"
record third
same third

# ---- wspush comes ----
echo "- wspush installed, nothing included"
make --no-print-directory BUILD="$build" PREFIX=/usr install >"$tmp/install.log" 2>&1 || {
    fail "make install"
    cat "$tmp/install.log"
    exit 1
}
systemd-sysusers wspush.conf >>"$tmp/install.log" 2>&1
systemd-tmpfiles --create wspush.conf >>"$tmp/install.log" 2>&1
check "Debian's own files in /etc/nginx are as they were" debian_is_untouched
check "nginx -t has nothing to say" good_config
reload nginx
record installed
same installed

as_wspush() { # LOG COMMAND ...
    log=$tmp/$1.log
    shift
    setpriv --reuid=wspush --regid=wspush --init-groups "$@" >>"$log" 2>&1 &
}
start_daemons() {
    as_wspush wspushd /usr/sbin/wspushd
    worker=$!
    as_wspush wspush-fcgi /usr/sbin/wspush-fcgi
    responder=$!
    until_true wsctl ping
    until_true test -S /run/wspush/fcgi.sock
}
stop_daemons() {
    kill -s TERM "$worker" "$responder"
    until_true gone "$worker"
    until_true gone "$responder"
}
start_daemons

# The site's file, made anew from what it was.
write_site() { # AWK-PROGRAM
    awk "$1" "$here/site/shop.conf" >$site
}
two_lines_came() {
    diff "$here/site/shop.conf" $site | grep '^[<>]' >"$tmp/changed" || :
    [ "$(grep -c '^> *include snippets/wspush-' "$tmp/changed") $(wc -l <"$tmp/changed")" = "2 2" ]
}

echo "- with the two includes"
write_site '{ print }
    /^    server_name shop.example;$/ { print "    include snippets/wspush-server.conf;" }
    /^    location \/chat \{$/ { print "        include snippets/wspush-here.conf;" }'
check "two lines were added to the site, and nothing else changed" two_lines_came
check "nginx -t has nothing to say" good_config
reload nginx
record included
same included
# As after the package's installation: www-data is in the group wspush, and php-fpm's processes learn that when it is reloaded.
reload php
cp "$here/site/say.php" /var/www/shop.example/public/say.php
count python "$here/push.py" up

echo "- with the daemons away"
stop_daemons
record away
same away
count python "$here/push.py" down
start_daemons
count python "$here/push.py" up

echo "- with the include in every location of the site"
write_site '{ print }
    /^    server_name shop.example;$/ { print "    include snippets/wspush-server.conf;"; tls = 1 }
    /^    location/ && tls { print "        include snippets/wspush-here.conf;" }'
check "nginx -t has nothing to say" good_config
reload nginx
record everywhere --site
same everywhere before --site

echo "- without the includes"
write_site '{ print }'
check "nginx -t has nothing to say" good_config
reload nginx
record without
same without

# Its front controller answers /chat from location /. Such a site gets a location for /chat with the include and the one line that
# location / has: a plain prefix, so that the regex locations keep what was theirs below /chat (^~ would send PHP files as text).
echo "- a site without a location for /chat"
rm -r /var/www/shop.example/public/chat
no_chat='/^    location \/chat / { skip = 1 } !skip { print } /^    }$/ { skip = 0 }'
write_site "$no_chat"
reload nginx
record before-front
# shellcheck disable=SC2016 # nginx's variables
write_site "$no_chat"' /server_name shop.example;$/ {
    print "    include snippets/wspush-server.conf;"
    print "    location /chat {"
    print "        include snippets/wspush-here.conf;"
    print "        try_files $uri $uri/ /index.php?$args;"
    print "    }" }'
check "nginx -t has nothing to say" good_config
reload nginx
record front
same front before-front
count python "$here/push.py" up

echo "- uninstalled"
write_site '{ print }'
cp -R "$here/site/public/chat" /var/www/shop.example/public/
find /var/www -exec touch -h -d 2022-01-01T00:00:00Z {} +
stop_daemons
check "the daemons left no socket behind" test -z "$(find /run/wspush -type s)"
make --no-print-directory BUILD="$build" PREFIX=/usr uninstall >>"$tmp/install.log" 2>&1
check "nothing of wspush is left in /etc/nginx" test -z "$(find /etc/nginx -name '*wspush*')"
reload nginx
record end
same end

echo "$passed passed, $failed failed"
[ $failed -eq 0 ]
