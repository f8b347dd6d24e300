"""The table of WebSocket clients: each case below with each client of other people's, through nginx and straight.

A case is written once. A client (clients/) is a process that only translates: a command comes as a line on its stdin, what
its library reports goes as a line to its stdout. N is a connection's number, HEX bytes ("-": none), HEX*TIMES a byte repeated.

    first    name TEXT | cannot FEATURE WHY ... | ready
    in       N open URL deflate=on|off [window=BITS] [origin=TEXT] [protocols=A,B] [version=8] [pong=off]
             N text HEX | N binary HEX | N begin_text HEX | N begin_binary HEX | N more HEX | N last HEX
             N ping HEX | N close [CODE HEX] | N drop | N pause | N resume
    out      N opened deflate|plain PROTOCOL | N refused STATUS
             N text HEX | N binary HEX | N pong HEX | N closed CODE HEX

A case names the features that it needs. Where a client lacks one, a line says which and why: "not by this client".
`table.py WORD` runs those clients only whose program has the word in its name.
"""
import asyncio
import base64
import functools
import itertools
import json
import sys

import redis.asyncio

import check
from check import BUILD, CONTROL, SITE, Worker, equal, until
from client import Client, Refused

MEBI = 1024 * 1024
HERE = "t/interop/clients"
CLIENTS = (
    ("node", f"{HERE}/ws.mjs"),
    ("node", f"{HERE}/faye.mjs"),
    ("/usr/bin/python3", "-s", f"{HERE}/python_websockets.py"),
    ("/usr/bin/python3", "-s", f"{HERE}/python_autobahn.py"),
    (f"{BUILD}/t/interop/lws",),
    ("node", f"{HERE}/chromium.mjs"),
)
ENDS = ((1000, ""), (1000, "done"), (3000, "a" * 123), (4000, "房间"), (4999, "🙂"))

cases = []


def case(sentence, *needs):
    """Makes a coroutine function a row of the table. It gets a Room."""

    def register(body):
        cases.append((sentence, needs, body))
        return body

    return register


class Way:
    """How clients come to a worker, and how its operator does."""

    def __init__(self, name, host, control):
        self.name, self.host, self.control = name, host, control

    async def operator(self, *command):
        async with redis.asyncio.Redis(unix_socket_path=self.control) as r:
            return await r.execute_command(*command)


class Room:
    """A case's own channel with one client on one way."""

    def __init__(self, client, way, channel):
        self.client, self.way, self.channel = client, way, channel
        self.operator = way.operator
        self.connections = []

    async def open(self, prefix="", deflate="off", query="", **options):
        if "plain" in self.client.cannot:
            deflate = "on"
        url = f"ws://{self.way.host}/{prefix}{self.channel}{query}"
        connection = await self.client.open(url, deflate=deflate, **options)
        self.connections.append(connection)
        return connection

    async def rows(self, prefix=""):
        """WS.LIST's, as dicts."""
        rows = await self.operator("WS.LIST", prefix + self.channel)
        return [dict(zip((name.decode() for name in row[::2]), row[1::2])) for row in rows]

    def leave(self):
        for connection in self.connections:
            if not connection.end.done():
                connection.say("drop")


def both(sentence, *needs, compressed=()):
    """Two rows: without compression and with it, which may need more; the body gets the value of `deflate`, too."""

    def register(body):
        case(f"uncompressed: {sentence}", "plain", *needs)(functools.partial(body, deflate="off"))
        case(f"compressed: {sentence}", "deflate", *needs, *compressed)(functools.partial(body, deflate="on"))
        return body

    return register


def shorten(message):
    return message if len(message) <= 200 else f"{type(message).__name__} of {len(message)}: {message[:40]!r}..."


async def echoes(connection, messages):
    """All come back, in order, and none is longer in a complaint than it is worth."""
    got = await connection.hear(len(messages))
    for i, (message, echo) in enumerate(zip(messages, got)):
        assert message == echo, f"message {i} is {shorten(echo)}, expected {shorten(message)}"


# ---- the table ----


@case("connects, and what is pushed arrives: text, binary, empty")
async def pushed(room):
    page = await room.open()
    equal(page.protocol, None)
    equal(await room.operator("PUBLISH", room.channel, "房间 🙂"), 1)
    equal((await room.operator("WS.SEND", room.channel, b"\x00\xff", "BINARY"))[0], 1)
    equal(await room.operator("PUBLISH", room.channel, ""), 1)
    equal(await page.hear(3), ["房间 🙂", b"\x00\xff", ""])


@both("text, binary, empty ones, and the lengths where a frame's header grows, to the byte", compressed=("mixed",))
async def kinds(room, deflate):
    page = await room.open("echo/", deflate)
    equal(page.deflate, deflate == "on")
    every_byte = bytes(range(256)) * 1000
    messages = ["hello", "房间 🙂", b"\x00\x01\xff", "", b"", "x\x00y", every_byte]
    for n in (125, 126, 127, 65535, 65536, 65537):
        messages += ["y" * n, every_byte[:n]]
    for message in messages:
        page.send(message)
        await echoes(page, [message])
    for message in messages:
        page.send(message)
    await echoes(page, messages)


@both("1 MiB of text and of bytes")
async def mebi(room, deflate):
    page = await room.open("echo/", deflate)
    words = " ".join(str(i) for i in range(200000))
    for message in ("ä" * (MEBI // 2), bytes(range(256)) * (MEBI // 256), words[:MEBI], "after " * 100):
        page.send(message)
        await echoes(page, [message])


@both("10,000 small messages come back in order", compressed=("mixed",))
async def small(room, deflate):
    page = await room.open("echo/", deflate)
    messages = [f"message {i}" for i in range(10000)]
    for message in messages:
        page.send(message)
    await echoes(page, messages)


@both("fragments come back as one message", "fragments")
async def fragments(room, deflate):
    page = await room.open("echo/", deflate)
    texts = ["one " * 50, "two " * 50, "three"]
    for parts in (texts, [bytes([i]) * (MEBI // 64) for i in range(64)], ["a" * 70000, "b" * 70000]):
        page.send_fragments(parts)
        await echoes(page, [type(parts[0])().join(parts)])
    for _ in range(100):
        page.send_fragments(texts)
    await echoes(page, ["".join(texts)] * 100)


@both("empty fragments, among others and alone", "fragments", compressed=("empty_compressed",))
async def empty_fragments(room, deflate):
    page = await room.open("echo/", deflate)
    for parts in (["one ", "", "two ", "", "three"], ["", ""], [b"", b"", b""], ["", "a" * 70000, ""]):
        page.send_fragments(parts)
        await echoes(page, [type(parts[0])().join(parts)])


@case("a text cut within a character comes back whole", "fragments", "cut_text")
async def cut(room):
    page = await room.open("echo/")
    for byte in "€🙂":
        encoded = byte.encode()
        page.say("begin_text", "-")
        for i in range(len(encoded)):
            page.say("more", encoded[i:i + 1].hex())
        page.say("last", "-")
    await echoes(page, ["€", "🙂"])


@case("a ping between fragments is answered before the message's end", "fragments", "ping")
async def ping_between(room):
    page = await room.open("echo/")
    page.say("begin_text", b"before ".hex())
    page.ping(b"between")
    equal(await page.pong(), b"between")
    page.say("last", b"after".hex())
    await echoes(page, ["before after"])


@case("pings are answered with what they carried, the newest for all of a thousand", "ping")
async def pings(room):
    page = await room.open("echo/")
    for payload in (b"", b"x", b"y" * 125):
        page.ping(payload)
        equal(await page.pong(), payload)
    for i in range(1000):
        page.ping(b"%d" % i)
    page.send("behind them")
    await echoes(page, ["behind them"])
    while await page.pong() != b"999":
        pass


@case("is pinged by the worker, answers, and stays")
async def pinged(room):
    page = await room.open("pinged/")

    async def answered():
        (row,) = await room.rows("pinged/")
        return row["ping"] is not None

    await until(answered, "the time that a ping took")
    page.send("still here")
    await echoes(page, ["still here"])


@case("is closed with 1011 when it answers no pings", "deaf")
async def deaf(room):
    page = await room.open("deaf/", pong="off")
    equal(await page.closed(), (1011, "no answer to a ping"))


@case("our close arrives with its code and reason")
async def our_close(room):
    for code, reason in (*ENDS, (1001, "away"), (1011, "a fault"), (1008, "")):
        page = await room.open()
        equal(await room.operator("WS.CLOSE", room.channel, code, reason), 1)
        equal(await page.closed(), (code, reason))
    page = await room.open()
    equal(await room.operator("PUBLISH", room.channel, "last words"), 1)
    equal(await room.operator("WS.CLOSE", room.channel), 1)
    equal(await page.closed(), (1000, ""))
    equal(await page.hear(), ["last words"])
    await until(functools.partial(nobody, room), "WS.LIST to be empty")


async def nobody(room):
    return await room.rows() == []


@case("its close is answered with its code and reason, and ends the connection")
async def their_close(room):
    for code, reason in ENDS:
        page = await room.open()
        page.close(code, reason)
        end = await page.closed()
        if "close_answer" not in room.client.cannot:
            equal(end, (code, reason))
        await until(functools.partial(nobody, room), "WS.LIST to be empty")


@case("the answer to its close is seen", "close_answer")
async def close_answer(room):
    page = await room.open()
    page.close(4321, "the answer")
    equal(await page.closed(), (4321, "the answer"))


@case("1001 of its is answered with 1001", "close_any", "close_answer")
async def their_1001(room):
    page = await room.open()
    page.close(1001, "the page is left")
    equal(await page.closed(), (1001, "the page is left"))


@case("a close without a code is answered with one without", "close_bare", "close_answer")
async def bare_close(room):
    page = await room.open()
    page.close()
    equal(await page.closed(), (1005, ""))


@case("what it has sent before its close is not lost")
async def close_behind(room):
    page = await room.open()
    for i in range(50):
        page.send(f"message {i}")
    page.close(1000, "that was all")
    await page.closed()
    await until(functools.partial(nobody, room), "WS.LIST to be empty")
    got = [(await room.operator("WS.READ", room.channel))[3] for _ in range(50)]
    equal(got, [b"message %d" % i for i in range(50)])


@both("a message over the limit: 1009, also while more is being sent")
async def too_big(room, deflate):
    # The large one is a race between our close frame and what the client is still sending: many rounds.
    for prefix, size, rounds in (("echo/", MEBI + 1, 3), ("echo/", 16 * MEBI, 5), ("small/", 1025, 3)):
        for _ in range(rounds):
            page = await room.open(prefix, deflate)
            page.say("binary", f"78*{size}")
            equal(await page.closed(), (1009, "message too big"), f"the end after {size} bytes")
    page = await room.open("small/", deflate)
    page.send("x" * 1024)
    await echoes(page, ["x" * 1024])


@case("fragments over the limit together: 1009", "fragments")
async def too_big_together(room):
    page = await room.open("small/")
    page.send_fragments(["x" * 1000, "x" * 25])
    equal(await page.closed(), (1009, "message too big"))


@case("a text that is not UTF-8: 1007", "bad_utf8")
async def bad_utf8(room):
    page = await room.open("echo/")
    page.send_text(b"good")
    await echoes(page, ["good"])
    page.send_text(b"bad \xff")
    equal((await page.closed())[0], 1007)


@both("as many bytes travel as that should take")
async def saves(room, deflate):
    page = await room.open("echo/", deflate)
    (before,) = await room.rows("echo/")
    page.send("again and " * 5000)
    await echoes(page, ["again and " * 5000])
    (after,) = await room.rows("echo/")
    for field in ("bytes_in", "bytes_out"):
        grew = after[field] - before[field]
        assert grew < 2000 if deflate == "on" else 50000 <= grew < 51000, f"{field} grew by {grew}"


@case("small windows of compression", "deflate", "window")
async def windows(room):
    for bits in (9, 10, 15):
        page = await room.open("echo/", "on", window=bits)
        equal(page.deflate, True)
        for message in ("a" * 10000, "", "short", " ".join(str(i) for i in range(3000)), bytes(range(256)) * 100):
            page.send(message)
            await echoes(page, [message])


@case("a client that reads nothing for a while gets all of its echoes", "pause", "plain")
async def pauses(room):
    page = await room.open("echo/")
    page.say("pause")
    messages = []

    async def settled():
        (row,) = await room.rows("echo/")
        full = row["queued"] > 100000
        return (full or row["bytes_in"] >= 10000 * len(messages)) and ("full" if full else "room")

    # As much as what lies between the worker and the client takes, and then some.
    while await until(settled, "the worker to take what was sent") == "room":
        for _ in range(100):
            messages.append(f"{len(messages)} {'x' * 10000}")
            page.send(messages[-1])
    page.say("resume")
    await echoes(page, messages)


@case("subprotocols: one of the channel's is agreed on, the client's first")
async def subprotocols(room):
    page = await room.open("spoken/", protocols="neither,second,first")
    equal(page.protocol, "second")
    page.send("hello")
    await echoes(page, ["hello"])


# ---- wspush.v1 ----


async def told(page, count=1):
    """What the worker says next."""
    return [json.loads(message) for message in await page.hear(count)]


async def send(room, channel, payload, *options):
    """Sends to the channel; gives the message as its clients get it."""
    sent = (await room.operator("WS.SEND", channel, payload, *options))[1].decode()
    data = {"data": payload} if isinstance(payload, str) else {"b64": base64.b64encode(payload).decode()}
    return {"ch": channel, "id": sent, **data}


@both("wspush.v1: hello and sub, another channel, messages with ids, what it says, a ping, an ack", compressed=("mixed",))
async def v1(room, deflate):
    page = await room.open("kept/", deflate, protocols="neither,wspush.v1")
    equal(page.protocol, "wspush.v1")
    own, other = f"kept/{room.channel}", f"other/{room.channel}"
    hello, sub = await told(page, 2)
    (row,) = await room.rows("kept/")
    equal(hello, {"hello": {"client": row["client"].decode(), "user": None, "channels": [own]}})
    equal((list(sub), sub["sub"]["ch"], row["transport"]), (["sub"], own, b"v1"))
    for payload, options in (("房间 \"🙂\"\n\0", ()), ("", ()), (b"\x00\xff", ("BINARY",)), ("long " * 30000, ())):
        message = await send(room, own, payload, *options)
        equal(await told(page), [message])
    page.send(json.dumps({"sub": [other, "kept/not-this"]}))
    answers = await told(page, 2)
    equal([answers[i].get("sub", answers[i].get("error"))["ch"] for i in (0, 1)].count(other), 1)
    equal([a["error"]["code"] for a in answers if "error" in a], ["forbidden"])
    message = await send(room, other, "elsewhere")
    equal(await told(page), [message])
    page.send(json.dumps({"data": "said"}))
    page.send(json.dumps({"ping": 7}))
    equal(await told(page), [{"pong": 7}])
    equal((await room.operator("WS.WAIT", own, "TIMEOUT", 5000))[3], b"said")
    waiting = asyncio.create_task(room.operator("WS.SEND", own, "taken?", "WAIT", "acked"))
    (message,) = await told(page)
    page.send(json.dumps({"ack": message["ack"]}))
    equal((await waiting)[2:], [[b"acked", 1], []])


@both("wspush.v1: since goes on from a position, on its own channel and on another", compressed=("mixed",))
async def v1_resumes(room, deflate):
    channels = own, other = f"kept/{room.channel}", f"other/{room.channel}"
    positions = {channel: (await send(room, channel, "seen"))["id"] for channel in channels}
    missed = {channel: [await send(room, channel, f"missed {i}") for i in range(60)] for channel in channels}
    page = await room.open("kept/", deflate, query=f"?since={positions[own]}", protocols="wspush.v1")
    _, sub = await told(page, 2)
    equal(sub, {"sub": {"ch": own, "id": missed[own][-1]["id"], "from": positions[own]}})
    equal(await told(page, 60), missed[own])
    page.send(json.dumps({"sub": [other], "since": {other: positions[other]}}))
    equal(await told(page), [{"sub": {"ch": other, "id": missed[other][-1]["id"], "from": positions[other]}}])
    equal(await told(page, 60), missed[other])
    for channel in channels:
        message = await send(room, channel, "new")
        equal(await told(page), [message])
    page = await room.open("few/", deflate, query="?since=17-1", protocols="wspush.v1")
    _, _, reset = await told(page, 3)
    equal((reset["reset"]["ch"], reset["reset"]["why"]), (f"few/{room.channel}", "generation"))


@case("a path that names no channel gets 400", "status")
async def bad_paths(room):
    for path in ("a//", "%00/", "a%2fb/", "%ff/"):
        try:
            await room.open(path)
            raise AssertionError(f"{path} is a channel")
        except Refused as refused:
            equal(refused.args[0], 400, path)


@case("a foreign Origin gets 403; the site's own, a listed one and none come in", "origin", "status")
async def origins(room):
    own = f"http://{room.way.host}"
    await room.open()
    await room.open(origin=own)
    await room.open("friends/", origin="https://friend.example")
    for foreign in ("https://evil.example", "https://friend.example", f"{own}.evil.example"):
        try:
            await room.open(origin=foreign)
            raise AssertionError(f"{foreign} comes in")
        except Refused as refused:
            equal(refused.args[0], 403, foreign)


@case("version 8 of the protocol gets 426", "version", "status")
async def versions(room):
    try:
        await room.open(version=8)
        raise AssertionError("it comes in")
    except Refused as refused:
        equal(refused.args[0], 426)


@case("one that vanishes is gone from WS.LIST", "drop")
async def vanishes(room):
    stays, goes = await room.open(), await room.open()
    equal(len(await room.rows()), 2)
    goes.say("drop")

    async def one():
        return len(await room.rows()) == 1

    await until(one, "one client")
    equal(await room.operator("PUBLISH", room.channel, "still here"), 1)
    await echoes(stays, ["still here"])


@case("a hundred at a time: each gets all that is pushed, in order, and its close")
async def crowd(room):
    pages = await asyncio.gather(*[room.open() for _ in range(100)])
    messages = [f"message {i}" for i in range(100)]
    for message in messages:
        equal(await room.operator("PUBLISH", room.channel, message), 100)
    for page in pages:
        await echoes(page, messages)
    equal(await room.operator("WS.CLOSE", room.channel, 4000, "all of you"), 100)
    for page in pages:
        equal(await page.closed(), (4000, "all of you"))


# ---- the runner ----

LOCAL_CONF = open("t/interop/local.conf", encoding="utf-8").read()
numbers = itertools.count()  # of the rooms


async def run_case(client, way, body):
    room = Room(client, way, f"room{next(numbers)}")
    try:
        await asyncio.wait_for(body(room), check.DEADLINE)
    finally:
        room.leave()


async def run_client(command, ways, at_a_time):
    client = Client(command)
    try:
        async with at_a_time, client:
            for sentence, needs, body in cases:
                lacking = [feature for feature in needs if feature in client.cannot]
                if lacking:
                    print(f"not   {client.name}: {sentence}: not by this client: {client.cannot[lacking[0]]}", flush=True)
                    continue
                for way in ways:
                    await check.report(f"{client.name}: {way.name}: {sentence}", run_case(client, way, body))
    except Exception as error:
        print(f"FAIL  {client.name}: {error!r}", flush=True)


async def main(wanted):
    straight = Worker("straight", tcp=True, config=f'threads = 2\norigins = {{"http://{SITE}"}}\n{LOCAL_CONF}')
    async with straight:
        ways = (Way("through nginx", SITE, CONTROL), Way("straight", straight.address, straight.control))
        at_a_time = asyncio.Semaphore(2)
        await asyncio.gather(*[run_client(command, ways, at_a_time) for command in CLIENTS if wanted in command[-1]])
    print("end", flush=True)


asyncio.run(main(sys.argv[1] if len(sys.argv) > 1 else ""))
