#!/bin/sh
# t/package/booted.sh: under systemd as the first process of a bare Debian with nginx: the package comes, serves, and goes. boot.sh
# starts it. In /src: this tree's tests, wspush.deb, next.deb.
set -u
cd /src || exit 1
# shellcheck source=t/package/say.sh
. t/package/say.sh

apt() {
    apt-get -q -y --no-install-recommends -o Dpkg::Options::=--force-confold "$@"
}
units="wspushd.service wspush-fcgi.service wspushd.socket wspush-control.socket wspush-fcgi.socket"
all() { # WORD: what systemctl says about each unit; one word if it is the same for all
    # shellcheck disable=SC2086 # words
    systemctl "$1" $units | sort -u
}
value() { # PROPERTY UNIT
    systemctl show -P "$1" "$2"
}
push() { # TEXT
    python3 -I t/package/push.py ws://127.0.0.1/chat/room1 "$1" wsctl send chat/room1 "$1"
}
through() { # HELD LOST COMMAND ...
    python3 -I t/package/through.py "$@"
}
sockets() {
    stat -c '%i %A %U %G %n' /run/wspush/*.sock
}
drop_in() { # UNIT LINE ...
    mkdir -p "/run/systemd/system/$1.d"
    unit=$1
    shift
    printf '%s\n' "$@" >"/run/systemd/system/$unit.d/test.conf"
    systemctl daemon-reload
}
config=/etc/wspush/wspush.conf

check "systemd is up" within 20 sh -c 'systemctl is-system-running | grep -qE "running|degraded"'
t/package/include.sh

# ---- install ----
check "apt-get install" apt install ./wspush.deb
check "all units are up at once" same "$(all is-active)" active
check "and enabled" same "$(all is-enabled)" enabled
check "nginx -t, reload" sh -c 'nginx -t && systemctl reload nginx'
check "a WebSocket has what wsctl sends" within 5 push hello
check "the sockets" same "$(sockets | cut -d' ' -f2-)" "srw-rw---- wspush wspush /run/wspush/control.sock
srw-rw---- wspush www-data /run/wspush/fcgi.sock
srw-rw---- wspush www-data /run/wspush/ws.sock"
for unit in wspushd wspush-fcgi; do
    pid=$(value MainPID $unit)
    check "$unit: user wspush, no capability, no new privileges, a filter" same \
        "$(awk '/^(Uid|CapEff|CapBnd|NoNewPrivs|Seccomp):/ { print $1, $2 }' "/proc/$pid/status")" "Uid: $(id -u wspush)
CapEff: 0000000000000000
CapBnd: 0000000000000000
NoNewPrivs: 1
Seccomp: 2"
    check "$unit: Landlock as well" sh -c "journalctl -u $unit | grep -q ': confined by Landlock'"
    check "$unit: it said what it serves" sh -c "journalctl -u $unit | grep -q 'ready:'"
done

check "systemctl status says that both run" same \
    "$(systemctl status wspushd wspush-fcgi | grep -c 'Active: active (running)')" 2

# ---- what systemd has made of the units ----
in_order() { # lines NAME=WORD ...; systemd keeps no order in a set of words
    while IFS='=' read -r name words; do
        # shellcheck disable=SC2086 # words
        echo "$name=$(printf '%s\n' $words | LC_ALL=C sort | tr '\n' ' ')"
    done | LC_ALL=C sort
}
expected() { # UNIT
    awk -v unit="$1" '/^\[/ { ours = index(" " substr($0, 2, length($0) - 2) " ", " " unit " "); next } ours && NF' \
        t/package/units.txt | in_order
}
as_read() { # UNIT
    systemctl show --all -p "$(expected "$1" | cut -d= -f1 | paste -sd,)" "$1" | in_order
}
# Settings of the file that units.txt lacks. Left out are texts, commands, what the units are to each other, and
# SystemCallFilter= (a page of names); what these do is seen elsewhere.
unlisted() { # UNIT
    expected "$1" | cut -d= -f1 >/tmp/listed
    sed -n 's/^\([A-Z][A-Za-z]*\)=.*/\1/p' "/lib/systemd/system/$1" | sort -u |
        sed -e 's/Sec$/USec/' -e 's/^ListenStream$/Listen/' -e 's/^Service$/Triggers/' |
        grep -vxE 'Description|Documentation|Exec.*|Requires|Sockets|WantedBy|Also|SystemCallFilter' | grep -vxFf /tmp/listed
}
for unit in $units; do
    expected "$unit" >/tmp/expected
    as_read "$unit" >/tmp/read
    check "$unit: systemd has each setting as units.txt has it" diff /tmp/expected /tmp/read
    check "$unit: units.txt has all that is set" same "$(unlisted "$unit")" ""
done
# Who is at the other end of a socket: in a user namespace (PrivateUsers) all but root would be nobody.
check "CLIENT INFO of root: uid 0" same "$(python3 -I t/package/peer.py)" 0
check "CLIENT INFO of www-data: its uid" same \
    "$(setpriv --reuid www-data --regid www-data --init-groups python3 -I t/package/peer.py)" "$(id -u www-data)"

# ---- reload ----
follow() { # into /tmp/followed, until the reload of both is there
    journalctl -u wspushd -u wspush-fcgi -f >/tmp/followed 2>&1 &
    following=$!
    within 10 test -s /tmp/followed && systemctl reload wspushd wspush-fcgi &&
        within 10 grep 'Reloaded wspushd' /tmp/followed && within 10 grep 'Reloaded wspush-fcgi' /tmp/followed
    status=$?
    kill $following
    return $status
}
check "journalctl -f shows what comes of both" follow
echo 'message_limit = 10' >>$config
check "systemctl reload, both: nobody notices" through open 0 systemctl reload wspushd wspush-fcgi
check "and the configuration holds" no push "more than ten bytes"
echo 'threads = lots' >>$config
check "a faulty configuration: reload says no" no systemctl reload wspushd
check "for the responder too" no systemctl reload wspush-fcgi
check "the line is in the journal" sh -c "journalctl -u wspushd | grep -q 'wspush.conf:[0-9]*: .*threads'"
check "and all goes on as it was" push short
cp "$config" /tmp/faulty.conf
sed -i '/^[a-z]/d' $config
systemctl reload wspushd wspush-fcgi

# ---- restart, and worse ----
before=$(sockets)
check "systemctl restart, both: the open one is told 1001, others wait" through 1001 1 systemctl restart wspushd wspush-fcgi
check "SIGKILL: others wait" through 1006 2 systemctl kill -s KILL wspushd wspush-fcgi
check "the worker was restarted, by itself" same "$(value NRestarts wspushd)" 1
check "and the responder" same "$(value NRestarts wspush-fcgi)" 1
check "the sockets are the same ones" same "$(sockets)" "$before"

hangs() { # UNIT
    drop_in "$1.service" '[Service]' WatchdogSec=1s TimeoutAbortSec=1s
    systemctl restart "$1"
    pid=$(value MainPID "$1")
    kill -s STOP "$pid"
    check "$1 hangs: the watchdog restarts it" within 10 another "$1" "$pid"
    check "$1: that is why" sh -c "journalctl -u $1 | grep -q 'Watchdog timeout'"
    rm -r "/run/systemd/system/$1.service.d"
}
another() { # UNIT PID
    case $(value MainPID "$1") in 0 | "$2") return 1 ;; esac
}
hangs wspushd
hangs wspush-fcgi
systemctl daemon-reload
check "pushing goes on" within 5 push "after hanging"

# A client that does not answer the worker's goodbye holds it for drain_time and 3 s.
drop_in wspushd.service '[Service]' TimeoutStopSec=1s
echo 'drain_time = 2s' >>$config
systemctl restart wspushd
python3 -I t/package/deaf.py &
deaf=$!
check "a client that answers nothing" within 5 sh -c 'wsctl list | grep -q c1'
check "stop" systemctl restart wspushd
check "it had the time that it asked for, beyond TimeoutStopSec" no sh -c "journalctl -u wspushd -n 20 | grep -q 'timed out'"
kill $deaf
rm -r /run/systemd/system/wspushd.service.d
sed -i '/^[a-z]/d' $config
systemctl daemon-reload
systemctl restart wspushd

# ---- another address ----
drop_in wspushd.socket '[Socket]' ListenStream=127.0.0.1:8001
echo 'listen = {"unix:/run/wspush/ws.sock", "127.0.0.1:8001"}' >>$config
check "a HOST:PORT listener, by a line in wspushd.socket" systemctl restart wspushd.socket
check "serves" within 5 python3 -I t/package/push.py ws://127.0.0.1:8001/x "by TCP" wsctl send x "by TCP"
check "beside nginx's" push "by nginx"
sed -i '/^[a-z]/d' $config
systemctl restart wspushd 2>/dev/null
check "a socket that wspush.conf does not name: the worker says so and does not serve" within 5 \
    sh -c "journalctl -u wspushd -n 20 | grep -q 'service manager has opened 127.0.0.1:8001'"
rm -r /run/systemd/system/wspushd.socket.d
systemctl daemon-reload
check "back" systemctl restart wspushd.socket wspushd.service
check "serves" within 5 push back

# ---- a wrong configuration at the start ----
cp /tmp/faulty.conf $config
check "a faulty configuration: restart says no" no systemctl restart wspushd
starts() {
    journalctl -u wspushd -o cat | grep -c '^Starting '
}
before=$(starts)
sleep 2 # two or three times RestartSec
check "it is not tried again and again" same "$(starts)" "$before"
check "which the journal would show" [ "$before" -gt 5 ]
sed -i '/^[a-z]/d' $config
check "mended" systemctl restart wspushd
check "serves" within 5 push mended

# ---- stop for good ----
check "systemctl stop of the sockets stops all" systemctl stop wspushd.socket wspush-control.socket wspush-fcgi.socket
check "all are down" same "$(all is-active)" inactive
check "no socket is left" same "$(ls /run/wspush)" ""
check "nginx says 503" sh -c 'python3 -I -c "import urllib.request as u; u.urlopen(\"http://127.0.0.1/test/\")" 2>&1 | grep -q "503"'
check "start" systemctl start wspushd wspush-fcgi
check "serves" within 5 push started

# ---- upgrade, remove, purge ----
before=$(sockets)
pid=$(value MainPID wspushd)
check "reinstall under traffic: the open one is told 1001, others wait" through 1001 1 apt-get -q -y install --reinstall ./wspush.deb
check "what is installed now runs" another wspushd "$pid"
check "upgrade under traffic: the open one is told 1001, others wait" through 1001 1 apt-get -q -y install ./next.deb
check "the new version runs" same "$(wsctl info | tr -d '\r' | sed -n 's/^wspush_version: *//p')" "$(dpkg-deb -f next.deb Version)"
check "on the same sockets" same "$(sockets)" "$before"
check "all units are up" same "$(all is-active)" active
systemctl disable --now wspush-fcgi.service wspush-fcgi.socket 2>/dev/null
check "an upgrade of what somebody disabled" apt install --allow-downgrades ./wspush.deb
check "leaves it so" same "$(systemctl is-enabled wspush-fcgi.service wspush-fcgi.socket | sort -u) $(systemctl is-active wspush-fcgi.service)" \
    "disabled inactive"
check "remove" apt remove wspush
check "all are down" same "$(all is-active)" inactive
check "no process is left" no grep -lsaE '^/usr/sbin/wspush' /proc/[0-9]*/cmdline
check "no socket is left" same "$(find /run/wspush -type s)" ""
check "install again" apt install ./wspush.deb
check "all but what was disabled is up" same "$(all is-active)" "active
inactive"
check "purge" apt purge wspush
check "no unit of ours is known" same "$(systemctl list-unit-files --no-legend 'wspush*')" ""
check "nor any link to one" same "$(find /etc/systemd /var/lib/systemd -name 'wspush*')" ""
check "no unit failed" same "$(systemctl --failed --no-legend)" ""
