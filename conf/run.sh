#!/bin/sh
# conf/run.sh BUILD PORT: serves http://127.0.0.1:PORT/test/ from the source tree, in the foreground. `make run` calls it.
#
# Everything that runs lives in run/ (or $WSPUSH_RUN): configuration made anew each time from conf/nginx, sockets, logs.
# What you want to try goes into run/local.conf (lines for wspush.conf) and run/etc/server.d/*.conf (for nginx's server).
# Ctrl-C or SIGTERM stops all three programs by their own numbers and waits for them; a second one does not wait any longer.
# Status: 0 stopped as asked, 1 something failed, 2 usage.
set -eu

say() {
    echo "make run: $*"
}
die() {
    echo "make run: $*" >&2
    exit 1
}

# ---- arguments and the directory ----
if [ $# -ne 2 ]; then
    echo "usage: conf/run.sh BUILD PORT" >&2
    exit 2
fi
build=$1
port=$2
case $port in
'' | *[!0-9]* | 0* | ??????*) port=0 ;;
esac
if [ "$port" -lt 1 ] || [ "$port" -gt 65535 ]; then
    echo "make run: PORT must be a number from 1 to 65535, not '$2'" >&2
    exit 2
fi

cd "$(dirname "$0")/.."
top=$(pwd)
case $build in
/*) programs=$build ;;
*) programs=$top/$build ;;
esac
for program in wspushd wspush-fcgi wsctl; do
    [ -x "$programs/$program" ] || die "$build/$program is not there; \`make run\` builds it"
done
nginx=$(PATH=$PATH:/usr/sbin:/usr/local/sbin command -v nginx) || die "nginx is not installed; try: make install-deps"

run=${WSPUSH_RUN:-run}
case $run in
/*) ;;
*) run=$top/$run ;;
esac
mark=$run/.wspush-run # says that this directory is ours to write in
if [ ! -e "$run" ]; then
    mkdir -p "$(dirname "$run")"
    mkdir -m 0700 "$run"
    : >"$mark"
fi
[ -d "$run" ] || die "$run is not a directory"
[ "$(stat -L -c %u "$run")" = "$(id -u)" ] || die "$run belongs to somebody else; set WSPUSH_RUN to a directory of your own"
if [ ! -e "$mark" ]; then
    [ "$run" = "$top/run" ] || [ -z "$(ls -A "$run")" ] ||
        die "$run has other files in it; set WSPUSH_RUN to a new or empty directory"
    : >"$mark"
fi
# A Unix socket's path has room for 107 bytes.
longest=$run/control.sock
if [ "$(printf %s "$longest" | wc -c)" -gt 107 ]; then
    die "$longest is too long for a socket (107 bytes); set WSPUSH_RUN to a shorter directory, such as /tmp/wspush-$(id -un)"
fi

# ---- nobody else in it ----
# Whether a process listens on a Unix socket; the kernel's table also tells live ones from left-over files.
listens() {
    socket=$1 awk 'BEGIN { want = " " ENVIRON["socket"] }
        $4 == "00010000" && substr($0, length($0) - length(want) + 1) == want { found = 1 }
        END { exit !found }' /proc/net/unix
}
exec 9>"$run/lock"
flock -n 9 || die "another \`make run\` is running in $run; stop it first (Ctrl-C there), or set WSPUSH_RUN to another directory"
if listens "$run/control.sock" || listens "$run/ws.sock" || listens "$run/fcgi.sock"; then
    die "a worker or responder is already running on the sockets in $run; stop it first, or set WSPUSH_RUN to another directory"
fi

# ---- configuration ----
# shellcheck disable=SC3045 # ulimit -n is what every shell of Debian has
{
    files=$(ulimit -H -n)
    ulimit -n "$files" 2>/dev/null || files=$(ulimit -n)
}
case $files in *[!0-9]*) files=65536 ;; esac
[ "$files" -le 65536 ] || files=65536
user=
[ "$(id -u)" -ne 0 ] || user='user root;' # otherwise root's nginx becomes nobody, whom the sockets refuse

mkdir -p "$run/etc/conf.d" "$run/etc/snippets" "$run/etc/server.d" "$run/temp"
rm -f "$run"/etc/conf.d/*.conf "$run"/etc/snippets/*.conf
for file in conf.d/wspush-http.conf snippets/*.conf; do
    for source in conf/nginx/$file; do
        sed -e 's|/run/wspush/||g' -e 's|/usr/share/wspush/static|static|g' "$source" >"$run/etc/${source#conf/nginx/}"
    done
done
sed -e "s|@PORT@|$port|g" -e "s|@USER@|$user|g" -e "s|@FILES@|$files|g" conf/nginx/run.conf.in >"$run/etc/nginx.conf"
ln -sfn "$top/static" "$run/static"
{
    echo '# Made by conf/run.sh at each start. Your own lines belong in local.conf beside this file.'
    echo 'listen = {"unix:ws.sock"}'
    echo 'control = "unix:control.sock"'
    echo 'fcgi_listen = "unix:fcgi.sock"'
    echo '# POST publishes without a key: only on a machine of your own.'
    echo 'post = open'
    echo 'drain_time = 500ms'
    echo '# So that the page can show what it is to come back (?mode=wspush), and who is here (&user=NAME).'
    echo 'history_size = 100'
    echo 'presence = on'
    [ ! -f "$run/local.conf" ] || cat "$run/local.conf"
} >"$run/wspush.conf"

# ---- the three processes ----
# Each leads a session of its own, so that the terminal's Ctrl-C comes to this script alone and the order of the end is ours;
# and the kernel ends each if this script is killed.
nginx_pid=
worker_pid=
responder_pid=
tail_pid=
stops=0
trap 'stops=$((stops + 1))' INT TERM HUP

start() {
    log=$run/$1.log
    shift
    setsid setpriv --pdeathsig TERM "$@" >"$log" 2>&1 </dev/null 9>&- &
}
alive() {
    [ -n "$1" ] && kill -0 "$1" 2>/dev/null
}
# Ends a process and what it started; waits ten seconds, or not at all once somebody is in a hurry.
end() {
    [ -n "$1" ] || return 0
    ! alive "$1" || kill -s TERM "$1" 2>/dev/null || true
    patience=100
    while alive "$1" && [ $patience -gt 0 ] && [ $stops -lt 2 ]; do
        sleep 0.1 || true
        patience=$((patience - 1))
    done
    kill -s KILL -- "-$1" 2>/dev/null || true
    wait "$1" 2>/dev/null || true
}
# The worker first: it says goodbye to its clients (1001), and for that nginx must still be there.
end_all() {
    end "$worker_pid"
    end "$responder_pid"
    end "$nginx_pid"
    worker_pid='' responder_pid='' nginx_pid=''
    # Ends by itself when nginx has, having printed what was left.
    [ $stops -lt 2 ] || [ -z "$tail_pid" ] || kill "$tail_pid" 2>/dev/null || true
    [ -z "$tail_pid" ] || wait "$tail_pid" 2>/dev/null || true
    tail_pid=
}
# Whatever goes wrong in this script, nothing stays behind.
trap end_all EXIT

last_lines() {
    tail -n 8 "$run/$1.log" | sed 's/^/    /' >&2
}
has_ended() {
    status=0
    wait "$2" || status=$?
    end_all
    echo "make run: $1 has ended (status $status); its last lines (all of them: $run/$1.log):" >&2
    last_lines "$1"
    exit 1
}
# port_trouble NEW_PORT: nginx could not have its port.
port_trouble() {
    if grep -q 'bind() to .* failed (98' "$run/nginx.log"; then
        die "port $port is taken on 127.0.0.1; try: make run PORT=$((port < 65535 ? port + 1 : 8080))"
    elif grep -q 'bind() to .* failed (13' "$run/nginx.log"; then
        die "port $port needs root; try: make run PORT=8080"
    fi
}
# until_up NAME PID CONDITION ...: waits for a condition while the process lives.
until_up() {
    name=$1 pid=$2 patience=200
    shift 2
    until "$@"; do
        [ $stops -eq 0 ] || exit 0
        [ "$name" != nginx ] || port_trouble
        alive "$pid" || has_ended "$name" "$pid"
        [ $patience -gt 0 ] || { last_lines "$name"; die "$name does not come up within 10 seconds"; }
        patience=$((patience - 1))
        sleep 0.05 || true
    done
}
nginx_is_up() {
    [ -s "$run/nginx.pid" ]
}
worker_is_up() {
    grep -q ready "$run/wspushd.log" && listens "$run/control.sock" && listens "$run/ws.sock"
}
responder_is_up() {
    listens "$run/fcgi.sock"
}

# nginx first, because it is the one whose port can be taken. Relative socket paths start where it is started.
rm -f "$run/nginx.pid"
cd "$run"
start nginx "$nginx" -p "$run/" -e stderr -c etc/nginx.conf -g 'daemon off;'
nginx_pid=$!
until_up nginx $nginx_pid nginx_is_up
start wspushd "$programs/wspushd" --config "$run/wspush.conf"
worker_pid=$!
until_up wspushd $worker_pid worker_is_up
start wspush-fcgi "$programs/wspush-fcgi" --config "$run/wspush.conf"
responder_pid=$!
until_up wspush-fcgi $responder_pid responder_is_up
cd "$top"

wsctl=$build/wsctl
[ "$run" = "$top/run" ] || wsctl="$wsctl --socket '$run/control.sock'"
say "http://127.0.0.1:$port/test/ is served. Open it, and in a second terminal type:"
echo
echo "    $wsctl send test \"hello\""
echo
say "Ctrl-C ends it. What the three programs say follows here, and is kept in ${run#"$top/"}/*.log"
setpriv --pdeathsig TERM tail -q -n +1 -s 0.1 --pid=$nginx_pid -f "$run/wspushd.log" "$run/wspush-fcgi.log" "$run/nginx.log" 9>&- &
tail_pid=$!

while [ $stops -eq 0 ]; do
    alive $worker_pid || has_ended wspushd $worker_pid
    alive $responder_pid || has_ended wspush-fcgi $responder_pid
    alive $nginx_pid || has_ended nginx $nginx_pid
    sleep 0.3 || true
done
say "stopping"
end_all
say "stopped"
