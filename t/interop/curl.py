"""curl, and so any HTTP client, on a page of the running site."""
import json
import re
import subprocess

from check import SITE, TMP, browser, check, equal, hear, main, run

VERSION = " ".join(subprocess.run(["curl", "--version"], capture_output=True, text=True).stdout.split()[:2])
PAGE = f"http://{SITE}/test/"
MEBI = 1024 * 1024


class Response:
    """The last of a transfer's responses, as `curl -i` prints it."""

    def __init__(self, raw):
        head, self.body = raw.split(b"\r\n\r\n", 1)
        while head.startswith(b"HTTP/1.1 100 "):
            head, self.body = self.body.split(b"\r\n\r\n", 1)
        lines = head.decode().split("\r\n")
        self.status = int(lines[0].split()[1])
        self.headers = {}
        for line in lines[1:]:
            name, value = line.split(": ", 1)
            if self.status != 416:  # where nginx 1.22 says every add_header twice
                equal(name.lower() in self.headers, False, f"a second {name}")
            self.headers[name.lower()] = value

    @property
    def json(self):
        equal(self.headers["content-type"].split(";")[0], "application/json", "the type of the reply")
        return json.loads(self.body)


async def curl(*args, url=PAGE, stdin=b""):
    return Response(await run("curl", "--silent", "--show-error", "--include", "--path-as-is", *args, url, stdin=stdin))


async def post(body, *args, url=PAGE):
    return await curl("--data-binary", "@-", "-H", "Content-Type: text/plain", *args, url=url, stdin=body)


def page_file():
    with open("static/test.html", "rb") as file:
        return file.read()


@check("GET gives the page")
async def _():
    for url in (PAGE, f"http://{SITE}/test", f"http://{SITE}/some/room?q=1", f"http://{SITE}/%E6%88%BF/"):
        r = await curl(url=url)
        equal((r.status, r.headers["content-type"]), (200, "text/html; charset=utf-8"), url)
        equal(r.body, page_file(), "the page")
    equal("default-src 'self'" in r.headers["content-security-policy"], True)


@check("HEAD gives the same head without a body, on one connection with GET")
async def _():
    got, headed = await curl(), await curl("--head")
    equal((headed.status, headed.body, headed.headers["content-length"]), (200, b"", str(len(page_file()))))
    for response in (got, headed):
        del response.headers["date"]
    equal(headed.headers, got.headers)
    out = await run("curl", "-sv", "-o", "/dev/null", "-o", "/dev/null", PAGE, PAGE)
    equal((out.count(b"< HTTP/1.1 200"), out.count(b"Re-using existing connection")), (2, 1))


@check("ranges: 206 with those bytes, 416 beyond the end")
async def _():
    whole = page_file()
    for asked, begin, end in (("0-99", 0, 99), ("100-", 100, len(whole) - 1), ("-10", len(whole) - 10, len(whole) - 1)):
        r = await curl("--range", asked)
        equal((r.status, r.headers["content-range"]), (206, f"bytes {begin}-{end}/{len(whole)}"))
        equal(r.body, whole[begin:end + 1])
    equal((await curl("--range", "999999-")).status, 416)


@check("ETag and Last-Modified: 304; gzip when it is asked for")
async def _():
    r = await curl()
    equal((await curl("-H", f"If-None-Match: {r.headers['etag']}")).status, 304)
    equal((await curl("-H", f"If-Modified-Since: {r.headers['last-modified']}")).status, 304)
    equal((await curl("-H", 'If-None-Match: "other"')).status, 200)
    r = await curl("--compressed")
    equal((r.headers["content-encoding"], r.body), ("gzip", page_file()))


@check("the page's script, style and icon are there; internal places are not")
async def _():
    for name, kind in (("test.js", "text/javascript"), ("test.css", "text/css"), ("test.svg", "image/svg+xml")):
        r = await curl(url=f"http://{SITE}/wspush/static/{name}")
        equal((r.status, r.headers["content-type"].split(";")[0]), (200, kind), name)
    equal((await curl(url=f"http://{SITE}/_wspush_page/test.html")).status, 404)
    r = await curl(url=f"http://{SITE}/")
    equal((r.status, r.headers["location"]), (302, "/test/"))


@check("POST publishes: a JSON reply with channel, recipients and id")
async def _():
    async with browser("test") as a, browser("test") as b:
        r = await post("hello 房间".encode())
        equal((r.status, r.json["channel"], r.json["recipients"]), (200, "test", 2))
        equal(re.fullmatch(r"\d+-\d+", r.json["id"]) is not None, True, r.json["id"])
        equal(await hear(a, 1) + await hear(b, 1), ["hello 房间"] * 2)
        later = await post(b"")
        equal(int(later.json["id"].split("-")[1]), int(r.json["id"].split("-")[1]) + 1, "the next id's number")
        equal(await hear(a, 1), [""])
    equal((await post(b"x", url=f"http://{SITE}/nobody/")).json["recipients"], 0)


@check("POST: bytes, forms, 1 MiB, chunked, and of a file")
async def _():
    async with browser("test", max_size=None) as ws:
        r = await curl("--data-binary", "@-", "-H", "Content-Type: application/octet-stream", stdin=b"\x00\xff\r\n")
        equal(r.status, 200)
        equal((await curl("-d", "a=1&b=2")).status, 200)
        equal((await post(b"x" * MEBI)).status, 200)
        equal((await post(b"y" * MEBI, "-H", "Transfer-Encoding: chunked")).status, 200)
        with open(f"{TMP}/a-file", "wb") as file:
            file.write(b"of a file\n")
        equal((await curl("--data-binary", f"@{TMP}/a-file")).status, 200)
        equal(await hear(ws, 5), [b"\x00\xff\r\n", "a=1&b=2", "x" * MEBI, "y" * MEBI, "of a file\n"])


@check("POST with a foreign Origin, or from another site: 403, and nobody hears of it")
async def _():
    async with browser("test") as ws:
        for headers in (
            ("Origin: https://evil.example",), ("Origin: null",), (f"Origin: http://{SITE}.evil.example",),
            ("Origin: http://127.0.0.1:1",), ("Sec-Fetch-Site: cross-site",), ("Sec-Fetch-Site: same-site",),
            (f"Origin: http://{SITE}", "Sec-Fetch-Site: cross-site"),
            ("Origin: https://friend.example",),
        ):
            r = await post(b"evil", *[arg for header in headers for arg in ("-H", header)])
            equal((r.status, r.json["error"]["code"]), (403, "ORIGIN"), headers)
        for headers in (
            (f"Origin: http://{SITE}",), ("Sec-Fetch-Site: none",),
            (f"Origin: http://{SITE}", "Sec-Fetch-Site: same-origin"),
        ):
            r = await post(b"good", *[arg for header in headers for arg in ("-H", header)])
            equal((r.status, r.json["recipients"]), (200, 1), headers)
        equal(await hear(ws, 3), ["good"] * 3)
    r = await post(b"x", "-H", "Origin: https://friend.example", url=f"http://{SITE}/friends/a/")
    equal(r.status, 200, "of a listed origin")


@check("POST that can't be: 413 over the limit, 400 for no UTF-8 or no channel")
async def _():
    equal((await post(b"x" * (MEBI + 1))).status, 413)
    equal((await post(b"x" * 1025, url=f"http://{SITE}/small/a/")).status, 413)
    equal((await post(b"x" * (8 * MEBI))).status, 413)
    equal((await post(b"caf\xe9")).status, 400)
    for path in ("/a/../../b/", "/a//b/", "/a%2fb/", "/%ff/", "/a/./b/"):
        equal((await post(b"x", url=f"http://{SITE}{path}")).status, 400, path)


@check("other methods get 405 with Allow")
async def _():
    for method in ("PUT", "DELETE", "PATCH", "OPTIONS"):
        r = await curl("-X", method)
        equal((r.status, r.headers["allow"]), (405, "GET, HEAD, POST"), method)


@check("a Host that is not the site's gets no answer")
async def _():
    out = await run("curl", "-sS", "-H", "Host: rebind.example", PAGE, status=52)
    equal(b"Empty reply" in out, True)


HANDSHAKE = ("-H", "Connection: keep-alive, Upgrade", "-H", "Upgrade: WebSocket", "-H", "Sec-WebSocket-Version: 13",
             "-H", "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==")


@check("a handshake by hand: 101 with the RFC's accept value; a wrong version 426; a foreign Origin 403")
async def _():
    r = Response(await run("curl", "-si", "--max-time", "1", *HANDSHAKE, PAGE, status=28))
    equal((r.status, r.headers["sec-websocket-accept"]), (101, "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="))
    equal((r.headers["upgrade"].lower(), r.headers["connection"].lower()), ("websocket", "upgrade"))
    wrong = [arg.replace("Version: 13", "Version: 8") for arg in HANDSHAKE]
    r = await curl(*wrong)
    equal((r.status, r.headers["sec-websocket-version"]), (426, "13"))
    equal((await curl(*HANDSHAKE, "-H", "Origin: https://evil.example")).status, 403)
    equal((await curl(*HANDSHAKE[:-2])).status, 400, "without a key")


main(VERSION)
