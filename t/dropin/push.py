"""Push at the site's /chat: push.py up, with the daemons there, and push.py down, with them away. Prints a line a check."""
import asyncio
import ssl
import sys
import urllib.parse
import urllib.request

import websockets
from websockets.exceptions import InvalidStatusCode

CA = "/etc/ssl/shop.example.crt"
SITE = "shop.example"
tls = ssl.create_default_context(cafile=CA)


def page(path, **options):
    options.setdefault("origin", f"https://{SITE}")
    return websockets.connect(f"wss://{SITE}{path}", ssl=tls, **options)


def post(path, **fields):
    data = urllib.parse.urlencode(fields).encode()
    with urllib.request.urlopen(f"https://{SITE}{path}", data, context=tls, timeout=10) as answer:
        return answer.read().decode()


async def in_thread(function, *arguments, **named):
    return await asyncio.to_thread(function, *arguments, **named)


async def wsctl(*arguments):
    process = await asyncio.create_subprocess_exec("wsctl", *arguments, stdout=asyncio.subprocess.PIPE)
    out, _ = await process.communicate()
    return process.returncode, out.decode().strip()


def equal(got, expected):
    if got != expected:
        raise AssertionError(f"{got!r}, expected {expected!r}")


async def refused(path, **options):
    try:
        async with page(path, **options):
            raise AssertionError("it was accepted")
    except InvalidStatusCode as error:
        return error.status_code, error.headers


async def a_shell_pushes():
    """wsctl send chat hello: every page that is open at wss://shop.example/chat has it"""
    async with page("/chat") as one, page("/chat?with=query") as two, page("/chat/room1") as other:
        code, said = await wsctl("send", "chat", "hello")
        equal((code, said.startswith("reached 2 clients")), (0, True))
        equal([await one.recv(), await two.recv()], ["hello", "hello"])
        await wsctl("send", "chat/room1", "another room")
        equal(await other.recv(), "another room")


async def php_pushes():
    """a PHP page of the site pushes with Redis's PUBLISH, in its own process"""
    async with page("/chat") as ws:
        equal(await in_thread(post, "/say.php", text="from PHP, 房间"), "1\n")
        equal(await ws.recv(), "from PHP, 房间")


async def the_page_speaks():
    """what the page sends is read by wsctl wait"""
    async with page("/chat") as ws:
        await ws.send("from the page")
        equal(await wsctl("wait", "--timeout", "10", "chat"), (0, "from the page"))


async def large_ones():
    """a message of 500 KB arrives whole, though the site takes bodies of 200 KB only"""
    async with page("/chat", max_size=None) as ws:
        await ws.send("y" * 500_000)
        code, said = await wsctl("wait", "--timeout", "10", "chat")
        equal((code, len(said)), (0, 500_000))


async def foreign_origins():
    """a foreign Origin is refused"""
    equal((await refused("/chat", origin="https://elsewhere.example"))[0], 403)


async def elsewhere():
    """a WebSocket to another URL of the site is still the site's"""
    equal((await refused("/told"))[0], 200)


async def old_page():
    """the page of /chat is PHP's, beside the open WebSocket"""
    async with page("/chat") as ws:
        equal("You said: hi" in await in_thread(post, "/chat", text="hi"), True)
        await ws.ping()


async def daemons_away():
    """a WebSocket gets 503 with Retry-After"""
    status, headers = await refused("/chat")
    equal((status, headers.get("Retry-After")), (503, "2"))


CHECKS = {
    "up": (a_shell_pushes, php_pushes, the_page_speaks, large_ones, foreign_origins, elsewhere, old_page),
    "down": (daemons_away, elsewhere),
}


async def main(checks):
    for check in checks:
        try:
            await asyncio.wait_for(check(), 30)
            print(f"ok    {check.__doc__}")
        except Exception as error:
            print(f"FAIL  {check.__doc__}\n      {type(error).__name__}: {error}")


asyncio.run(main(CHECKS[sys.argv[1]]))
