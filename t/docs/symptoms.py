"""The tables of docs/GUIDE.md that begin with a symptom: each row's symptom is brought about, and has to look as printed.

A table stands behind a comment <!-- symptoms: NAME -->. A row is known by the first `text` of its first column, or else by the
whole column; every `text` there has to be seen.
"""
import re
import socket
import ssl
import struct

import machine
from machine import HOST, TOP, Failed, run, write
from pages import until

CONF = "/etc/wspush/wspush.conf"
SITE = """
server {
    listen 8088;
    include snippets/wspush-server.conf;
    location ^~ /chat/ { include snippets/wspush-page.conf; }
    location ^~ /misled/ { include snippets/wspush-fcgi-params.conf; fastcgi_pass wspush_fcgi; }
    location ^~ /app/ { include snippets/wspush-here.conf; proxy_pass http://127.0.0.1:9; }
}
server {
    listen 8089;
    include snippets/wspush-server.conf;
    deny all;
    location ^~ /chat/ { include snippets/wspush-page.conf; }
}
"""
# Room for four connections of clients: Debian's configuration with less.
SMALL = """
user www-data;
pid /run/small.pid;
error_log /var/log/nginx/small.log;
events { worker_connections 12; }
http {
    include conf.d/*.conf;
    access_log off;
    server {
        listen 8087;
        include snippets/wspush-server.conf;
        location ^~ /chat/ { include snippets/wspush-here.conf; }
    }
}
"""


def configure(text, verb="reload"):
    write(CONF, text)
    run(f"systemctl {verb} wspushd wspush-fcgi")


def upgrade(url, *headers):
    return run(machine.UPGRADE + " ".join(f"-H '{header}'" for header in headers) + f" '{url}'", status=None)


class Raw:
    """A WebSocket that answers nothing by itself, and reads when it is told to."""

    def __init__(self, channel, size=None, port=443):
        plain = socket.socket()
        if size:
            plain.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, size)
        plain.settimeout(10)
        plain.connect(("127.0.0.1", port))
        tls = ssl.create_default_context(cafile="/etc/ssl/certs/www.example.com.pem")
        self.socket = tls.wrap_socket(plain, server_hostname=HOST) if port == 443 else plain
        self.socket.sendall(
            f"GET /{channel}/ HTTP/1.1\r\nHost: {HOST}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
            "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: d3NwdXNoIHNheXMgaGVsbA==\r\n\r\n".encode()
        )
        head = b""
        while not head.endswith(b"\r\n\r\n"):
            byte = self.socket.recv(1)
            if not byte:
                raise ConnectionResetError(f"no answer but {head!r}")
            head += byte
        if b" 101 " not in head:
            raise Failed(f"no WebSocket: {head.decode()}")

    def send(self, text):
        data = text.encode()
        size = struct.pack(">B", 0x80 | len(data)) if len(data) < 126 else struct.pack(">BQ", 0xFF, len(data))
        self.socket.sendall(b"\x81" + size + b"\0\0\0\0" + data)

    def end(self):
        """Reads to the end; "CODE REASON" of the close frame."""
        while frame := self.frame():
            if frame[0] == 8:
                return f"{struct.unpack('>H', frame[1][:2])[0]} {frame[1][2:].decode()}"
        return "1006"

    def frame(self):
        try:
            first, size = self.read(2)
            size = {126: lambda: struct.unpack(">H", self.read(2))[0], 127: lambda: struct.unpack(">Q", self.read(8))[0]}.get(
                size & 127, lambda: size & 127)()
            return first & 15, self.read(size)
        except (ConnectionError, EOFError):
            return None

    def read(self, size):
        data = b""
        while len(data) < size:
            more = self.socket.recv(min(size - len(data), 65536))
            if not more:
                raise EOFError
            data += more
        return data


# ---- what the handshake is answered with ----

def not_taken(_):
    return upgrade(f"https://{HOST}/news/x") + upgrade(f"https://{HOST}/nothing.js")


def redirected(_):
    return upgrade("http://127.0.0.1:8088/app")


def bad_name(_):
    return upgrade(f"https://{HOST}/chat/a%20b")


def foreign_origin(_):
    answer = upgrade(f"https://{HOST}/chat/room1", "Origin: https://other.example")
    if "https://other.example" not in log("wspushd"):
        raise Failed("the worker's log does not have the origin")
    return answer


def denied(_):
    answer = upgrade("http://127.0.0.1:8089/chat/room1")
    return answer + ("nginx's own page" if "<hr><center>nginx" in answer else "")


def unlisted(_):
    configure("unlisted = refuse\n")
    return upgrade(f"https://{HOST}/chat/room1")


def event_stream(url):
    return run(f"curl -si -m 2 -H 'Accept: text/event-stream' {url}", status=None)


def bad_position(_):
    return event_stream(f"https://{HOST}/chat/room1?since=17")


def misled(_):
    return event_stream("http://127.0.0.1:8088/misled/x")


def require(_):
    configure('channel "chat/**" { mode = require }\n')
    return run("curl -si -m 2 http://127.0.0.1:8088/chat/room1")


def worker_away(_):
    run("systemctl stop wspushd")
    return upgrade(f"https://{HOST}/chat/room1")


def worker_forbidden(_):
    run("chgrp root /run/wspush/ws.sock")
    try:
        answer = upgrade(f"https://{HOST}/chat/room1")
    finally:
        run("chgrp www-data /run/wspush/ws.sock")
    if " 503 " not in answer:
        raise Failed(answer)
    return "error.log: " + run("tail -n 1 /var/log/nginx/error.log")


def responder_away(_):
    run("systemctl stop wspush-fcgi")
    return run("curl -si -m 2 http://127.0.0.1:8088/chat/room1")


def full(browser):
    configure("max_clients = 1\n")
    with browser.open([f"wss://{HOST}/chat/room1"]):
        return upgrade(f"https://{HOST}/chat/room1")


def application_away(_):
    return run("curl -si -m 2 http://127.0.0.1:8088/app/x")


def no_connections(_):
    write("/etc/nginx/small.conf", SMALL)
    run("nginx -c /etc/nginx/small.conf")
    held = []
    try:
        for _ in range(8):
            held.append(Raw("chat/room1", port=8087))
    except (ConnectionResetError, Failed) as error:
        if not isinstance(error, ConnectionResetError) and " 503 " not in str(error):
            raise
    finally:
        run("nginx -c /etc/nginx/small.conf -s stop")
    return run("cat /var/log/nginx/small.log")


# ---- close codes ----

def restarted(browser):
    with browser.open([f"wss://{HOST}/chat/room1"]) as pages:
        run("systemctl restart wspushd")
        return str(until(lambda: pages[0].closed, "the page to be closed"))


def killed(browser):
    with browser.open([f"wss://{HOST}/chat/room1"]) as pages:
        run("kill -9 $(cat /run/units/wspushd.pid); systemctl start wspushd")
        return str(until(lambda: pages[0].closed, "the page to be closed"))


def inbound_off(_):
    configure("inbound = off\n")
    client = Raw("chat/room1")
    client.send("x")
    return client.end()


def too_big(_):
    client = Raw("chat/room1")
    client.send("x" * (1024 * 1024 + 1))
    return client.end()


def no_pong(_):
    configure("ping_interval = 100ms\npong_timeout = 100ms\n")
    return Raw("chat/room1").end()


def too_slow(_):
    configure("slow_after = 100ms\nout_slow = 100k\nclose_timeout = 10s\n")
    client = Raw("chat/room1", 4096)
    run("for i in $(seq 12); do head -c 1000000 /dev/zero | wsctl send --quiet --binary chat/room1; done")
    until(lambda: "slow_closed:0" not in run("wsctl info stats"), "the worker to find the client slow")
    return client.end()


# ---- what programs are told ----

def nobody(browser):
    with browser.open([f"wss://{HOST}/chat/room1"]):
        return run("wsctl send chat/rom1 hello")


def no_permission(_):
    write(machine.WORK / "p.php", "<?php $r = new Redis(); try { $r->connect('/run/wspush/control.sock'); $r->ping(); } "
          "catch (RedisException $e) { echo get_class($e), ': ', $e->getMessage(), \"\\n\"; }\n")
    return run("setpriv --reuid=nobody --regid=nogroup --clear-groups wsctl ping", status=6) + run(
        "setpriv --reuid=nobody --regid=nogroup --clear-groups php p.php")


def no_worker(_):
    run("systemctl stop wspushd")
    return run("wsctl ping", status=3)


def silent_worker(_):
    """As systemd's socket is while the worker doesn't start: somebody listens, and nobody answers."""
    run("systemctl stop wspushd")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind("/run/wspush/control.sock")
        listener.listen()
        try:
            return run("wsctl ping", status=3)
        finally:
            run("rm /run/wspush/control.sock")


def told(command, status):
    return lambda _: run(command, status=status)


def too_many(_):
    configure("max_operators = 1\n")
    with socket.socket(socket.AF_UNIX) as held:
        held.connect("/run/wspush/control.sock")
        held.sendall(b"PING\r\n")
        held.recv(100)
        run("wsctl ping")  # root has a place kept
        return run("sudo -u www-data wsctl ping", status=7)


def prefixed(browser):
    write(machine.WORK / "p.php", "<?php $r = new Redis(); $r->connect('/run/wspush/control.sock'); "
          "$r->setOption(Redis::OPT_PREFIX, 'app_'); echo $r->publish('chat/room1', 'x');\n")
    with browser.open([f"wss://{HOST}/chat/room1"]):
        if run("php p.php") != "0":
            raise Failed("publish with a prefix does not give 0")
        return "publish, wsctl send: " + run("wsctl send chat/room1 x")


TABLES = {
    "handshake": {
        "404 Not Found": not_taken,
        "301 Moved Permanently": redirected,
        "400": (bad_name, bad_position),
        "403": (foreign_origin, denied),
        "404": unlisted,
        "406": misled,
        "426": require,
        "503": (worker_away, responder_away, full),
        "Permission denied": worker_forbidden,
        "502 Bad Gateway": application_away,
        "worker_connections are not enough": no_connections,
    },
    "close": {
        "1001": restarted, "1006": killed, "1008": inbound_off, "1009": too_big, "1011": no_pong, "1013": too_slow,
    },
    "program": {
        "reached 0 clients": nobody,
        "may not open /run/wspush/control.sock: Permission denied": no_permission,
        "no worker on /run/wspush/control.sock": no_worker,
        "the worker on /run/wspush/control.sock does not answer": silent_worker,
        "BADNAME": told("wsctl send 'a b' x", 2),
        "BADUTF8": told("printf '\\377' | redis-cli -s /run/wspush/control.sock -x PUBLISH chat/room1", 0),
        "TOOBIG limit 1048576": told("head -c 1048577 /dev/zero | wsctl send --binary chat/room1", 7),
        "NOTARGET": told("wsctl send --client c999999 x", 1),
        "too many operators are connected": too_many,
        "publish": prefixed,
    },
}


def log(unit):
    with open(f"/var/log/{unit}.log", encoding="utf-8") as file:
        return file.read()


def tables():
    """Name and rows of each table: what its first column says."""
    with open(TOP / "docs/GUIDE.md", encoding="utf-8") as file:
        text = file.read()
    for name, table in re.findall(r"<!-- symptoms: (\w+) -->\n((?:\|.*\n)+)", text):
        rows = [re.split(r"(?<!\\)\|", line)[1].strip() for line in table.splitlines()[2:]]
        yield name, rows


def see(row, symptom, browser):
    try:
        seen = symptom(browser)
    finally:
        write(CONF, "")
        run("systemctl start wspushd wspush-fcgi; systemctl reload wspushd wspush-fcgi")
    for text in re.findall(r"`([^`]+)`", row) or [row]:
        if text not in seen:
            raise Failed(f"'{text}' is not in what was seen:\n{seen}")


def check_all(suite):
    write("/etc/nginx/sites-enabled/symptoms", SITE)
    run("systemctl reload nginx")
    for name, rows in tables():
        left = {key: list(value) if isinstance(value, tuple) else [value] for key, value in TABLES[name].items()}
        for row in rows:
            key = (re.findall(r"`([^`]+)`", row) or [row])[0]
            symptom = left.get(key, []) and left[key].pop(0)
            suite.check(f"GUIDE.md, {name}: {row}", see, row, symptom or unknown, suite.browser)
        more = [key for key, symptoms in left.items() if symptoms]
        suite.check(f"GUIDE.md, {name}: no symptom that the table lacks", expect_none, more)


def unknown(_):
    raise Failed("t/docs/symptoms.py does not know this row")


def expect_none(more):
    if more:
        raise Failed(", ".join(more))
