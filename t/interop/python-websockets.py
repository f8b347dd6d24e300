"""The websockets library as Debian has it, through nginx and straight on the worker's Unix socket."""
import asyncio
import functools

import redis.asyncio
import websockets
from websockets.exceptions import ConnectionClosed, InvalidStatusCode

from check import CONTROL, SITE, WS_SOCKET, check, equal, hear, main, until


def through_nginx(path, **options):
    return websockets.connect(f"ws://{SITE}/{path}", **options)


def straight(path, **options):
    return websockets.unix_connect(WS_SOCKET, f"ws://localhost/{path}", **options)


def both_ways(sentence):
    """A check of either way to the worker; the body gets `connect` and a channel of its own."""

    def register(body):
        for way, connect in (("through nginx", through_nginx), ("straight", straight)):
            channel = f"{body.__name__}-{way[-5:]}".replace("_", "-")
            check(f"{way}: {sentence}")(functools.partial(body, connect, channel))
        return body

    return register


async def operator(*command):
    async with redis.asyncio.Redis(unix_socket_path=CONTROL) as r:
        return await r.execute_command(*command)


async def closed(ws):
    await asyncio.wait_for(ws.wait_closed(), 10)
    return ws.close_code, ws.close_reason


@both_ways("connects, and what is pushed arrives: text, binary, empty")
async def connects(connect, channel):
    async with connect(f"{channel}/") as ws:
        equal((ws.subprotocol, ws.response_headers.get("Server", "nginx")), (None, "nginx"))
        equal(await operator("PUBLISH", channel, "房间 🙂"), 1)
        equal((await operator("WS.SEND", channel, b"\x00\xff", "BINARY"))[0], 1)
        equal(await operator("PUBLISH", channel, ""), 1)
        equal(await hear(ws, 3), ["房间 🙂", b"\x00\xff", ""])


@both_ways("echoes text, binary, empty ones and 1 MiB, to the byte")
async def echoes(connect, channel):
    mebi = 1024 * 1024
    messages = ["hello", "房间 🙂", b"\x00\x01\xff", "", b"", "x" * 125, "x" * 126, "y" * 65535, "z" * 65536,
                "ä" * (mebi // 2), bytes(range(256)) * (mebi // 256), "after"]
    async with connect(f"echo/{channel}") as ws:
        for message in messages:
            await ws.send(message)
            equal(await hear(ws, 1), [message])


@both_ways("echoes what came in fragments as one message, with a ping between them")
async def fragments(connect, channel):
    async with connect(f"echo/{channel}") as ws:
        await ws.send(["one ", "", "two ", "", "three"])
        await ws.send([b"\x00" * 70000, b"", b"\xff" * 70000])
        equal(await hear(ws, 2), ["one two three", b"\x00" * 70000 + b"\xff" * 70000])
        between = asyncio.Event()

        async def parts():
            yield "before "
            await asyncio.wait_for(await ws.ping(b"between"), 10)
            between.set()
            yield "after"

        await ws.send(parts())
        equal(await hear(ws, 1), ["before after"])
        equal(between.is_set(), True)


@both_ways("answers pings, the library's keepalive too")
async def pings(connect, channel):
    async with connect(f"echo/{channel}", ping_interval=0.05, ping_timeout=10) as ws:
        for payload in (b"", b"x", b"\x00" * 125):
            await asyncio.wait_for(await ws.ping(payload), 10)
        waiters = [await ws.ping(b"%d" % i) for i in range(200)]  # the newest pong stands for all of them
        await asyncio.wait_for(asyncio.gather(*waiters), 10)
        await until(lambda: ws.latency > 0, "a keepalive ping's pong")
        await ws.send("still here")
        equal(await hear(ws, 1), ["still here"])


@both_ways("is pinged by the worker, answers, and stays")
async def pinged(connect, channel):
    async with connect(f"pinged/{channel}", ping_interval=None) as ws:
        async def row():
            (fields,) = await operator("WS.LIST", f"pinged/{channel}")
            return dict(zip(fields[::2], fields[1::2]))

        before = (await row())[b"bytes_in"]

        async def three_pongs():
            return (await row())[b"bytes_in"] >= before + 3 * 6

        await until(three_pongs, "three pongs")
        equal(((await row())[b"ping"] is not None, ws.open), (True, True))


@both_ways("a close of the client's is answered with its code and reason")
async def closes(connect, channel):
    for code, reason in ((1000, ""), (1000, "bye"), (1001, "the page is left"), (3000, "a" * 123), (4999, "🙂")):
        async with connect(f"echo/{channel}") as ws:
            await ws.close(code, reason)
            answer = ws.close_rcvd
            equal((answer.code, answer.reason, ws.close_rcvd_then_sent), (code, reason, False), "the answer")


@both_ways("WS.CLOSE's code and reason arrive")
async def is_closed(connect, channel):
    ends = ((1000, ""), (1000, "done"), (1001, "away"), (3000, "a" * 123), (4000, "房间"), (4999, "🙂"))
    for code, reason in ends:
        async with connect(channel) as ws:
            equal(await operator("WS.CLOSE", channel, code, reason), 1)
            equal(await closed(ws), (code, reason))
            equal(ws.close_rcvd_then_sent, True)
    async with connect(channel) as ws:
        equal(await operator("WS.CLOSE", channel), 1)
        equal(await closed(ws), (1000, ""))


@both_ways("a message over the limit: 1009, also while more is being sent")
async def too_big(connect, channel):
    for kind, size in (("echo", 1024 * 1024 + 1), ("echo", 16 * 1024 * 1024), ("small", 1025)):
        for _ in range(5):
            async with connect(f"{kind}/{channel}") as ws:
                try:
                    await ws.send(b"x" * size)
                except ConnectionClosed:
                    pass
                equal(await closed(ws), (1009, "message too big"), f"the end after {size} bytes")
    async with connect(f"small/{channel}") as ws:
        await ws.send("x" * 1024)
        equal(await hear(ws, 1), ["x" * 1024])


@both_ways("10,000 small messages come back in order")
async def in_order(connect, channel):
    async with connect(f"echo/{channel}", max_queue=None) as ws:
        async def send():
            for i in range(10000):
                await ws.send(f"message {i}")

        sending = asyncio.create_task(send())
        equal(await hear(ws, 10000), [f"message {i}" for i in range(10000)])
        await sending


@both_ways("permessage-deflate: offered, agreed on, and messages of every kind come back")
async def deflate(connect, channel):
    async with connect(f"echo/{channel}", compression="deflate") as ws:
        equal("permessage-deflate" in ws.request_headers["Sec-WebSocket-Extensions"], True)
        equal([extension.name for extension in ws.extensions], ["permessage-deflate"])
        for message in ("a" * 10000, "", "short", bytes(range(256)) * 100, ["in ", "three ", "pieces" * 1000]):
            await ws.send(message)
            equal(await hear(ws, 1), ["".join(message) if isinstance(message, list) else message])


@both_ways("a subprotocol that we don't speak is not chosen")
async def subprotocol(connect, channel):
    async with connect(f"echo/{channel}", subprotocols=["chat", "superchat"]) as ws:
        equal(ws.subprotocol, None)
        await ws.send("hello")
        equal(await hear(ws, 1), ["hello"])


@both_ways("a foreign Origin gets 403; the site's own, a listed one and none come in")
async def origins(connect, channel):
    own = f"http://{SITE}" if connect is through_nginx else "http://localhost"
    for path, origin, fine in (
        (channel, own, True), (channel, None, True), (f"friends/{channel}", "https://friend.example", True),
        (channel, "https://friend.example", False), (channel, "https://evil.example", False), (channel, "null", False),
    ):
        try:
            async with connect(path, origin=origin):
                equal(fine, True, f"{origin} on {path}")
        except InvalidStatusCode as error:
            equal((error.status_code, fine), (403, False), f"{origin} on {path}")


@both_ways("a path that names no channel gets 400")
async def bad_paths(connect, channel):
    for path in ("a/../b", "a//b", "%00", "a%2fb", "%ff", "a/./b"):
        try:
            async with connect(path):
                raise AssertionError(f"{path} is a channel")
        except InvalidStatusCode as error:
            equal(error.status_code, 400, path)


@both_ways("fifty connections at a time, each gets what is pushed")
async def many(connect, channel):
    sockets = await asyncio.gather(*[connect(channel) for _ in range(50)])
    try:
        equal(await operator("PUBLISH", channel, "to all"), 50)
        equal([(await hear(ws, 1))[0] for ws in sockets], ["to all"] * 50)
    finally:
        await asyncio.gather(*[ws.close() for ws in sockets])
    await until(functools.partial(_nobody, channel), "WS.LIST to be empty")


async def _nobody(channel):
    return await operator("WS.LIST", channel) == []


main(f"python3-websockets {websockets.__version__}")
