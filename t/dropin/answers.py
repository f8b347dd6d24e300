"""What the site answers, to the byte: asks a long list of requests and keeps the answers, then compares two such recordings.

    answers.py record DIR [--site]             one file an answer; --site leaves out what a push location takes, wherever it is
    answers.py learn DIR DIR MASK              which header lines differ between two recordings of the same configuration
    answers.py compare DIR DIR MASK [--site]   whether anything else differs: no answer may be missing, and none may be new. With
                                               --site the second recording is one of that kind

Over HTTP/1.x the bytes are taken from the socket as they come. The one thing undone is chunking, because where PHP's output is
cut depends on time; that it was chunked, and ended well, stays. HTTP/2 is curl's view: status, header lines in order, body.
"""
import os
import pathlib
import socket
import ssl
import subprocess
import sys

HOST = "shop.example"
CA = "/etc/ssl/shop.example.crt"
ALL = ("1.0", "1.1", "2")
ONE = ("1.0", "1.1")
FORM = {"Content-Type": "application/x-www-form-urlencoded"}
UPGRADE = {"Connection": "close, Upgrade", "Sec-WebSocket-Version": "13", "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ=="}
WEBSOCKET = {**UPGRADE, "Upgrade": "websocket"}

PARTS = "--x\r\nContent-Disposition: form-data; name=\"%s\"%s\r\n\r\n%s\r\n"
UPLOAD = (PARTS % ("photo", "; filename=\"a.png\"\r\nContent-Type: image/png", "\x89PNG" * 5000)
          + PARTS % ("title", "", "a photo") + "--x--\r\n").encode("latin-1")
MULTIPART = {"Content-Type": "multipart/form-data; boundary=x"}

requests = []


def ask(method, path, headers=None, body=None, versions=ALL, port=443, tls=True, push=False):
    """push: a WebSocket handshake or an event stream, which every location with the include takes."""
    requests.append((method, path, dict(headers or {}), body, versions, port, tls, push))


# ---- the list ----
for path in ("/", "/?q=coffee", "/?q=%F0%9F%99%82&q=2", "/chat", "/chat?page=2&x=%0d%0a", "/chat/", "/chat/room1", "/chat/a/b",
             "/%63hat", "/chat%2Froom", "/chat/%E6%88%BF%E9%97%B4", "/chat/told/x", "/chat/told/%0d%0aX:%20y?a=b", "//chat",
             "/chat/../chat", "/chat/./room1", "/chat/../../x", "/chat%00", "/chat/%zz", "/chat/legacy.php?x=1",
             "/chat/style.css", "/chat/history.txt", "/chat/missing.css", "/chat/.htaccess", "/chatter", "/Chat",
             "/told", "/told?a=1", "/broken", "/away", "/nothing/here", "/about.php", "/about.php/more/path?x",
             "/missing.php", "/index.php", "/plain/", "/plain", "/css/shop.css", "/js/shop.js", "/img/logo.svg",
             "/img/missing.svg", "/.htaccess", "/admin/", "/admin/index.html", "/download/big.bin", "/download/missing",
             "/errors/404.html", "/app/x?y=1", "/app/missing", "/moved/x%20y?z", "/api/v1/things?q=1", "/api/v22/", "/resting/x",
             "/old/a/b?c", "/wspush", "/" + "a" * 3000):
    ask("GET", path)
for path in ("/", "/chat", "/chat/style.css", "/css/shop.css", "/nothing/here", "/download/big.bin", "/app/x", "/resting/x"):
    ask("HEAD", path)
for method in ("OPTIONS", "PUT", "DELETE", "PATCH", "PROPFIND", "TRACE", "WHATEVER"):
    for path in ("/chat", "/css/shop.css", "/chat/style.css", "/app/x"):
        ask(method, path)
ask("OPTIONS", "/chat", {"Origin": "https://elsewhere.example", "Access-Control-Request-Method": "POST"})

ask("GET", "/chat", {"Cookie": "name=Ann; other=1"})
ask("GET", "/session", {"Cookie": "PHPSESSID=abcdefghijklmnopqrstuvwxyz"})
ask("GET", "/chat", {"Accept": "text/html,application/xhtml+xml,*/*;q=0.8", "Accept-Language": "de", "User-Agent": "Mozilla/5.0"})
ask("GET", "/chat/told/headers", {"Origin": "https://shop.example", "X-Forwarded-For": "1.2.3.4", "X-Wspush-User": "eve",
                                  "Authorization": "Basic YTpi", "Last-Event-ID": "5-5", "X-Wspush-Channel": "other"})
ask("POST", "/chat", FORM, b"text=hello+world%21")
ask("POST", "/chat", {"Content-Type": "application/json"}, b'{"text": "\xe6\x88\xbf"}')
ask("POST", "/chat/room1?x=1", FORM, b"text=" + b"x" * 100_000)
ask("POST", "/chat", FORM, b"text=" + b"x" * 300_000, ONE)
ask("POST", "/chat", {**FORM, "Transfer-Encoding": "chunked"}, b"6\r\ntext=a\r\n1\r\nb\r\n0\r\n\r\n", ("1.1",))
ask("POST", "/chat", {**FORM, "Expect": "100-continue"}, b"text=expected", ("1.1",))
ask("POST", "/chat/style.css", FORM, b"a=1")
ask("POST", "/upload", MULTIPART, UPLOAD)
ask("POST", "/app/x", FORM, b"a=1&b=2")
ask("PUT", "/app/x", None, b"\x00\x01\xff")
ask("DELETE", "/chat/room1", None, b"")

for path in ("/", "/css/shop.css", "/chat", "/chat/style.css", "/app/x"):
    ask("GET", path, {"Accept-Encoding": "gzip"})
ask("GET", "/download/big.bin", {"Range": "bytes=100-299"})
ask("GET", "/download/big.bin", {"Range": "bytes=-5"})
ask("GET", "/download/big.bin", {"Range": "bytes=999999999-"})
ask("GET", "/chat/style.css", {"Range": "bytes=1-3"})
ask("GET", "/css/shop.css", {"If-Modified-Since": "Sat, 01 Jan 2022 00:00:00 GMT"})
ask("GET", "/css/shop.css", {"If-Modified-Since": "Fri, 31 Dec 2021 00:00:00 GMT"})
ask("GET", "/chat/style.css", {"If-None-Match": '"61cf9980-17"'})
ask("GET", "/css/shop.css", {"If-Match": '"other"'})
ask("GET", "/about.php", {"If-Modified-Since": "Sat, 01 Jan 2022 00:00:00 GMT"})
ask("GET", "/admin/", {"Authorization": "Basic YW5uOnNlY3JldA=="})
ask("GET", "/admin/missing", {"Authorization": "Basic YW5uOnNlY3JldA=="})
ask("GET", "/admin/", {"Authorization": "Basic YW5uOndyb25n"})

# Almost a push, and not one.
ask("POST", "/chat", {**WEBSOCKET, **FORM}, b"text=upgraded", ONE)
ask("HEAD", "/chat", WEBSOCKET, versions=ONE)
ask("GET", "/chat", WEBSOCKET, versions=("1.0",))
for path in ("/chat", "/api/v1/upgraded"):
    ask("GET", path, {**UPGRADE, "Upgrade": "websocketx"}, versions=ONE)
    ask("GET", path, {**UPGRADE, "Upgrade": "h2c", "HTTP2-Settings": "AAMAAABk"}, versions=ONE)
    ask("GET", path, UPGRADE, versions=ONE)
ask("GET", "/chat", {"Upgrade": "websocket"}, versions=ONE)
ask("GET", "/chat", {"Accept": "text/event-streams"})
ask("POST", "/chat", {"Accept": "text/event-stream", **FORM}, b"text=x")
# A push, but not where the include is.
for path in ("/told", "/app/socket", "/about.php"):
    ask("GET", path, WEBSOCKET, versions=("1.1",), push=True)
ask("GET", "/told", {"Accept": "text/event-stream"}, push=True)

# The other sites of the same nginx.
for path in ("/", "/x?y", "/.well-known/acme-challenge/token"):
    ask("GET", path, versions=ONE, port=80, tls=False)
    ask("GET", path, {"Host": "other.example"}, versions=ONE, port=80, tls=False)
ask("GET", "/", {"Host": "other.example"})

# Not HTTP as it should be.
RAW = {
    "no-host": b"GET / HTTP/1.1\r\n\r\n",
    "http-0.9": b"GET /\r\n",
    "version": b"GET / HTTP/3.7\r\nHost: shop.example\r\n\r\n",
    "garbage": b"\x00\x01\x02\r\n\r\n",
    "huge": b"GET /chat HTTP/1.1\r\nHost: shop.example\r\nX: " + b"x" * 40000 + b"\r\n\r\n",
    "authority": b"GET http://other.example/chat HTTP/1.1\r\nHost: shop.example\r\nConnection: close\r\n\r\n",
    "space": b"GET /chat x HTTP/1.1\r\nHost: shop.example\r\nConnection: close\r\n\r\n",
    "connect": b"CONNECT shop.example:443 HTTP/1.1\r\nHost: shop.example\r\nConnection: close\r\n\r\n",
    "pipeline": b"".join(b"GET %s HTTP/1.1\r\nHost: shop.example\r\n%s\r\n" % (path, end) for path, end in (
        (b"/chat", b""), (b"/chat/style.css", b""), (b"/chat/told/kept", b""), (b"/app/x", b"Connection: close\r\n"))),
}


# ---- asking ----
def exchange(data, port=443, tls=True):
    """Sends, and reads until the server closes."""
    answer = b""
    with socket.create_connection(("127.0.0.1", port), 20) as plain:
        wire = ssl.create_default_context(cafile=CA).wrap_socket(plain, server_hostname=HOST) if tls else plain
        with wire:
            try:
                wire.sendall(data)
            except OSError:
                pass  # refused before all was read; the answer says so
            while True:
                try:
                    piece = wire.recv(65536)
                except ConnectionResetError:
                    break
                if not piece:
                    break
                answer += piece
    return answer


def one_x(version, method, path, headers, body, port, tls):
    fields = {"Host": HOST, "Connection": "close", **headers}
    if body is not None and "Transfer-Encoding" not in fields:
        fields["Content-Length"] = str(len(body))
    head = f"{method} {path} HTTP/{version}\r\n" + "".join(f"{k}: {v}\r\n" for k, v in fields.items()) + "\r\n"
    return split(exchange(head.encode() + (body or b""), port, tls), method == "HEAD")


def two(directory, method, path, headers, body):
    out = directory / "curl"
    command = ["curl", "-sS", "--http2", "--path-as-is", "--globoff", "--cacert", CA, "--max-time", "20", "-i", "-o", out,
               "-H", "User-Agent: answers", "-H", "Accept: */*"]
    command += ["--head"] if method == "HEAD" else ["-X", method]
    for name, value in headers.items():
        command += ["-H", f"{name}: {value}"]
    if body is not None:
        command += ["--data-binary", "@-"]
    done = subprocess.run([*command, f"https://{HOST}{path}"], input=body, capture_output=True, check=False)
    answer = out.read_bytes() if out.exists() else b""
    out.unlink(missing_ok=True)
    return [answer + (f"\ncurl: {done.returncode}\n".encode() if done.returncode else b"")]


def header(head, name):
    for line in head.split(b"\r\n")[1:]:
        if line.lower().startswith(name + b":"):
            return line.partition(b":")[2].strip().lower()
    return None


def joined(rest):
    """A chunked body as one, and what comes after it."""
    body = b""
    while True:
        size, mark, rest = rest.partition(b"\r\n")
        length = int(size, 16) if mark else 0
        body += rest[:length]
        if not mark or not rest[length:].startswith(b"\r\n"):
            return body + b"\n(chunked, broken off)", b""
        rest = rest[length + 2:]
        if length == 0:
            return body + b"\n(chunked, ended)", rest


def split(data, bodiless=False):
    """The answers that a connection carried."""
    found = []
    while data:
        head, mark, rest = data.partition(b"\r\n\r\n")
        length = header(head, b"content-length")
        if bodiless or not mark:
            body, data = rest, b""
        elif b" 100 " in head[:14]:
            body, data = b"", rest
        elif header(head, b"transfer-encoding") == b"chunked":
            body, data = joined(rest)
        elif length and b" 304 " not in head[:14]:
            body, data = rest[:int(length)], rest[int(length):]
        else:
            body, data = rest, b""
        found.append(head + mark + body)
    return found


def keep(directory, name, answers):
    for number, answer in enumerate(answers or [b""]):
        (directory / f"{name} {number + 1}").write_bytes(answer)


def name_of(number):
    method, path, *_ = requests[number]
    return f"{number:03} {method} {path[:60].replace('/', '|')}"


def record(directory, site_only):
    directory.mkdir()
    for number, (method, path, headers, body, versions, port, tls, push) in enumerate(requests):
        for version in versions:
            if push and site_only:
                continue
            if version == "2":
                answers = two(directory, method, path, headers, body)
            else:
                answers = one_x(version, method, path, headers, body, port, tls)
            keep(directory, f"{name_of(number)} HTTP-{version}", answers)
    for name, data in RAW.items():
        keep(directory, f"raw {name}", split(exchange(data)))
    keep(directory, "raw tls-port", split(exchange(b"GET / HTTP/1.0\r\n\r\n", tls=False)))


# ---- comparing ----
def lines(answer):
    """Header lines and the body, the body as one."""
    head, mark, body = answer.partition(b"\r\n\r\n")
    return [*head.split(b"\r\n"), mark + body]


def read(path):
    return path.read_bytes() if path.exists() else b"(no answer)"


def pairs_of(first, second, site_only=False):
    """(name, answer, answer) of all that is in either recording."""
    names = {path.name for directory in (first, second) for path in directory.iterdir()}
    if site_only:
        pushes = tuple(name_of(number) + " HTTP-" for number, request in enumerate(requests) if request[-1])
        names = {name for name in names if not name.startswith(pushes)}
    return [(name, read(first / name), read(second / name)) for name in sorted(names)]


def field(line):
    return line.partition(b":")[0].decode("latin-1").lower()


def learn(first, second, mask):
    """Date says when; Expires says when plus seven days. Nothing else may differ while nothing was changed."""
    learned, strange = [], []
    recorded = pairs_of(first, second)
    for answer, one, other in recorded:
        pairs = list(zip(lines(one), lines(other)))
        for number, (a, b) in enumerate(pairs):
            if a == b:
                continue
            known = field(a) == field(b) and field(a) in ("date", "expires") and number < len(pairs) - 1
            (learned if known else strange).append((answer, number, field(a)))
        if len(lines(one)) != len(lines(other)):
            strange.append((answer, -1, "the number of lines"))
    mask.write_text("".join(f"{name}\t{number}\n" for name, number, _ in learned))
    for name, number, what in strange:
        print(f"FAIL  {name}: line {number} differs while nothing was changed: {what}")
    if not strange:
        names = ", ".join(sorted({what for _, _, what in learned}))
        print(f"ok    {len(recorded)} answers, and between two recordings these lines differ and no others: {names}")


def masked(answer, numbers):
    return [b"%s: ..." % field(line).encode() if number in numbers else line for number, line in enumerate(lines(answer))]


def compare(first, second, mask, site_only):
    numbers = {}
    for line in mask.read_text().splitlines():
        name, _, number = line.rpartition("\t")
        numbers.setdefault(name, set()).add(int(number))
    same, different = 0, []
    for name, one, other in pairs_of(first, second, site_only):
        known = numbers.get(name, ())
        if masked(one, known) == masked(other, known):
            same += 1
        else:
            different.append((name, one, other))
    if same and not different:
        print(f"ok    {same} answers are the same, byte for byte")
        return
    print(f"FAIL  {len(different)} of {same + len(different)} answers are not the same")
    for name, one, other in different[:3]:
        print(f"      {name}\n        was {one[:600]!r}\n        is  {other[:600]!r}")
    for name, _, _ in different[3:]:
        print(f"      {name}")


if __name__ == "__main__":
    os.umask(0o022)
    where = [pathlib.Path(argument) for argument in sys.argv[2:] if argument != "--site"]
    site = "--site" in sys.argv
    if sys.argv[1] == "record":
        record(where[0], site)
    elif sys.argv[1] == "learn":
        learn(*where)
    else:
        compare(*where, site)
