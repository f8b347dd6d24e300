"""The table of readers of event streams: each case below with each reader of other people's, on each way to a worker.

As table.py has it for WebSockets: a reader (clients/) only translates. Between it and the server stands a cutter, so that a
line can break; a reader comes back by itself, as the HTML standard has it. HEX and N are table.py's.

    first    name TEXT | cannot FEATURE WHY ... | ready
    in       N open URL [http2=1] [page=ORIGIN]     in a browser, the page that opens it is that site's
             N drop
    out      N opened | N lost | N stopped STATUS   of the answer after which it does not come back; 0: it does not tell
             N event TYPE LAST_ID HEX

`streams.py WORD` runs those readers only whose program has the word in its name.
"""
import asyncio
import base64
import functools
import itertools
import json
import os
import sys

import redis.asyncio
import websockets

import check
from check import CONTROL, SITE, Worker, equal, until
from client import Client, Refused, Stream

HERE = "t/interop/clients"
READERS = (
    ("node", f"{HERE}/eventsource.mjs"),
    ("node", f"{HERE}/chromium_streams.mjs"),
    ("/usr/bin/python3", "-s", f"{HERE}/curl_streams.py"),
)
TLS = f"127.0.0.1:{os.environ['WSPUSH_TLS_PORT']}"
LOG = os.path.join(os.environ["WSPUSH_SITE"], "access.log")
ENDS = ("a\nb", "a\rb", "a\r\nb", "\n", "\r", "\r\n", "\n\r", "end\n", "end\r\n\r\n", "\nbegin", "a\n\nb\r\rc", "data: x\nid: y\n\nz")

cases = []


def case(sentence, *needs, nginx=False):
    """Makes a coroutine function a row of the table. It gets a Room. `nginx`: it needs what nginx adds."""

    def register(body):
        cases.append((sentence, needs, nginx, body))
        return body

    return register


class Cutter:
    """Takes connections for a server, and cuts them."""

    def __init__(self, target):
        self.host, self.port = target.split(":")
        self.server = self.address = None
        self.writers = set()

    async def _pump(self, reader, writer):
        try:
            while data := await reader.read(65536):
                writer.write(data)
                await writer.drain()
        except OSError:
            pass
        writer.close()

    async def _take(self, reader, writer):
        try:
            there, back = await asyncio.open_connection(self.host, self.port)
        except OSError:
            writer.transport.abort()
            return
        self.writers |= {writer, back}
        await asyncio.gather(self._pump(reader, back), self._pump(there, writer))
        self.writers -= {writer, back}

    def cut(self):
        for writer in self.writers:
            writer.transport.abort()

    async def __aenter__(self):
        self.server = await asyncio.start_server(self._take, "127.0.0.1", 0)
        self.address = "127.0.0.1:%d" % self.server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_):
        self.server.close()
        self.cut()


class Way:
    """How readers come to a worker, and how its operator does."""

    def __init__(self, name, scheme, host, control, nginx=True):
        self.name, self.scheme, self.host, self.control, self.nginx = name, scheme, host, control, nginx
        self.needs = ["http2"] if scheme == "https" else []
        self.options = {"http2": 1} if scheme == "https" else {} if nginx else {"page": f"http://{SITE}"}


class Room:
    """A case's own channel with one reader on one way."""

    def __init__(self, client, way, cutter, channel):
        self.client, self.way, self.cutter, self.channel = client, way, cutter, channel
        self.streams = []

    async def operator(self, *command):
        async with redis.asyncio.Redis(unix_socket_path=self.way.control) as r:
            return await r.execute_command(*command)

    async def send(self, payload, *options):
        """Its id."""
        return (await self.operator("WS.SEND", self.channel, payload, *options))[1].decode()

    async def open(self, prefix="", query=""):
        self.channel = prefix + self.channel.removeprefix(prefix)
        url = f"{self.way.scheme}://{self.cutter.address}/{self.channel}{query}"
        stream = await self.client.open(url, **self.way.options)
        self.streams.append(stream)
        return stream

    async def rows(self):
        rows = await self.operator("WS.LIST", self.channel)
        return [dict(zip((name.decode() for name in row[::2]), row[1::2])) for row in rows]

    async def lose(self, stream):
        """Its line breaks, and the worker knows."""
        losses = stream.losses
        self.cutter.cut()
        await until(lambda: stream.losses > losses, "the reader to notice")
        await until(self._nobody, "WS.LIST to be empty")

    async def _nobody(self):
        return not await self.rows()

    def leave(self):
        for stream in self.streams:
            if not stream.end.done():
                stream.say("drop")


def as_read(text):
    """What a reader makes of a text: each kind of line end is LF."""
    return text.replace("\r\n", "\n").replace("\r", "\n")


# ---- the table ----


@case("each message arrives before the next is sent: text, empty, 1 MiB, every kind of line end")
async def messages(room):
    stream = await room.open()
    (row,) = await room.rows()
    equal(row["transport"], b"sse")
    await until(lambda: stream.framing["hello"], "hello")
    ((_, position, hello),) = stream.framing["hello"]
    equal(json.loads(hello), {"client": row["client"].decode(), "user": None, "channels": [room.channel]})
    equal(position != "", True, "the position at the beginning")
    for text in ("hello", "", " a space first", "房间 🙂", ":", "x" * (1024 * 1024), "y\n" * 5000, *ENDS):
        sent = await room.send(text)
        equal(await stream.hear(), [("message", sent, as_read(text))])


@case("binary messages are base64, under a name of their own")
async def binary(room):
    stream = await room.open()
    for data in (b"\x00\xff\r\n", b"", bytes(range(256)) * 1000):
        sent = await room.send(data, "BINARY")
        equal(await stream.hear(), [("binary", sent, base64.b64encode(data).decode())])


@case("a thousand at a time arrive once and in order")
async def many(room):
    stream = await room.open()
    async with redis.asyncio.Redis(unix_socket_path=room.way.control) as r:
        pipeline = r.pipeline(transaction=False)
        for i in range(1000):
            pipeline.execute_command("PUBLISH", room.channel, f"message {i}")
        await pipeline.execute()
    equal([data for _, _, data in await stream.hear(1000)], [f"message {i}" for i in range(1000)])


@case("a message to the client alone leaves its position as it was")
async def alone(room):
    stream = await room.open()
    sent = await room.send("to all")
    (row,) = await room.rows()
    equal(await room.operator("PUBLISH", b"@client:" + row["client"], "to you"), 1)
    equal(await stream.hear(2), [("message", sent, "to all"), ("message", sent, "to you")])


@case("a line that breaks: it comes back and gets what it missed, once and in order")
async def resumes(room):
    stream = await room.open("kept/")
    first = await room.send("before")
    equal(await stream.hear(), [("message", first, "before")])
    for round_number in range(2):
        await room.lose(stream)
        missed = [("message", await room.send(f"missed {i} of {round_number}"), f"missed {i} of {round_number}") for i in range(50)]
        equal(await stream.hear(50), missed)
        after = await room.send("after")
        equal(await stream.hear(), [("message", after, "after")])


@case("a line that breaks before the first message: nothing is missed")
async def resumes_at_once(room):
    stream = await room.open("kept/")
    await room.lose(stream)
    sent = await room.send("the first of all")
    equal(await stream.hear(), [("message", sent, "the first of all")])


@case("more was missed than is kept: reset, and then what is new")
async def gone(room):
    stream = await room.open("few/")
    sent = await room.send("before")
    equal(await stream.hear(), [("message", sent, "before")])
    await room.lose(stream)
    for i in range(5):
        last = await room.send(f"missed {i}")
    equal(await stream.hear(), [("reset", last, '{"ch":"%s","why":"gone","id":"%s"}' % (room.channel, last))])
    new = await room.send("new")
    equal(await stream.hear(), [("message", new, "new")])


@case("?since=ID goes on from there; what is no position, or none yet, gets 400")
async def since(room):
    await room.open("kept/")
    first, second = await room.send("one"), await room.send("two")
    stream = await room.open("kept/", f"?since={first}")
    equal(await stream.hear(), [("message", second, "two")])
    for position in ("17", "x-1", f"{second}0"):
        try:
            await room.open("kept/", f"?since={position}")
            raise AssertionError(f"{position} is a position")
        except Refused as refused:
            equal(refused.args[0], 0 if "status" in room.client.cannot else 400, position)


@case("WS.CLOSE ends it for good: it comes back once, gets 204, and stays away")
async def closed(room):
    stream = await room.open()
    sent = await room.send("last words")
    equal(await stream.hear(), [("message", sent, "last words")])
    equal(await room.operator("WS.CLOSE", room.channel, 1000, "that was all"), 1)
    equal(await stream.over(), 0 if "status" in room.client.cannot else 204)
    equal((stream.times, list(stream.events), await room.rows()), (1, [], []))
    equal([json.loads(data) for _, _, data in stream.framing["close"]], [{"code": 1000, "reason": "that was all"}])
    if room.way.nginx:
        await until(functools.partial(was_asked, room), "both requests in nginx's log")


def was_asked(room):
    """It has asked twice, in the version of HTTP that the way is about, and was answered 200 and 204."""
    wanted = "HTTP/2.0" if room.way.scheme == "https" else "HTTP/1.1"
    with open(LOG, encoding="utf-8") as log:
        asked = [line.split('"')[1:3] for line in log if f"GET /{room.channel} " in line]
    return [[request.split()[-1], rest.split()[0]] for request, rest in asked] == [[wanted, "200"], [wanted, "204"]]


@case("WS.CLOSE with a code of those who may come back: it does")
async def closed_for_now(room):
    stream = await room.open("kept/")
    sent = await room.send("before")
    equal(await stream.hear(), [("message", sent, "before")])
    equal(await room.operator("WS.CLOSE", room.channel, 4000, "a moment"), 1)
    await until(lambda: stream.losses == 1, "the reader to notice")
    equal(stream.framing["close"], [])
    sent = await room.send("after")
    equal(await stream.hear(), [("message", sent, "after")])


@case("the beat comes, with empty data")
async def beats(room):
    stream = await room.open("beating/")
    heard = await stream.hear(2)
    equal([(kind, data) for kind, _, data in heard], [("beat", "")] * 2)


@case("presence, join and leave", nginx=True)
async def presence(room):
    stream = await room.open("present/", "?user=alice")
    ((kind, _, data),) = await stream.hear()
    (row,) = await room.rows()
    since = (await room.operator("WS.PRESENCE", room.channel))[0][5]
    equal((kind, data), ("presence", '{"ch":"%s","users":[{"user":"alice","clients":["%s"],"since":%d}]}'
                         % (room.channel, row["client"].decode(), since)))
    async with websockets.connect(f"ws://{SITE}/{room.channel}?user=bob"):
        ((kind, _, data),) = await stream.hear()
        equal((kind, data), ("join", '{"ch":"%s","user":"bob"}' % room.channel))
    ((kind, _, data),) = await stream.hear()
    equal((kind, data), ("leave", '{"ch":"%s","user":"bob"}' % room.channel))


@case("a hundred messages between two breaks of the line, again and again: none is lost, none comes twice")
async def again(room):
    stream = await room.open("kept/")
    heard = 0
    for _ in range(3):
        for i in range(100):
            await room.send(f"message {heard + i}")
            if i == 50:
                room.cutter.cut()
        equal([data for _, _, data in await stream.hear(100)], [f"message {heard + i}" for i in range(100)])
        heard += 100


# ---- a worker that is started anew ----


async def restarted(client, name):
    """Its own worker, straight: the history is gone with the old one."""
    config = f'origins = {{"http://{SITE}"}}\nchannel "**" {{ history_size = 100 }}\n'
    async with Worker(f"streams-{name}", tcp=True, config=config) as worker:
        way = Way("straight", "http", worker.address, worker.control, nginx=False)
        async with Cutter(worker.address) as cutter:
            room = Room(client, way, cutter, "again")
            stream = await room.open()
            sent = await room.send("before")
            equal(await stream.hear(), [("message", sent, "before")])
            await worker.end()
            await worker.start()
            ((kind, last, data),) = await stream.hear()
            equal((kind, data), ("reset", '{"ch":"again","why":"generation","id":"%s"}' % last))
            sent = await room.send("after")
            equal(await stream.hear(), [("message", sent, "after")])
            room.leave()


# ---- the runner ----

LOCAL_CONF = open("t/interop/local.conf", encoding="utf-8").read()
numbers = itertools.count()  # of the rooms


async def run_case(client, way, body):
    async with Cutter(way.host) as cutter:
        room = Room(client, way, cutter, f"stream{next(numbers)}")
        try:
            await asyncio.wait_for(body(room), check.DEADLINE)
        finally:
            room.leave()


async def run_reader(command, ways):
    client = Client(command, Stream)
    try:
        async with client:
            for way in ways:
                for sentence, needs, nginx, body in cases:
                    lacking = [feature for feature in (*needs, *way.needs) if feature in client.cannot]
                    title = f"{client.name}: event stream, {way.name}: {sentence}"
                    if lacking:
                        print(f"not   {title}: not by this client: {client.cannot[lacking[0]]}", flush=True)
                    elif way.nginx or not nginx:
                        await check.report(title, run_case(client, way, body))
            await check.report(f"{client.name}: event stream, straight: the worker is started anew: reset, and then what is new",
                               restarted(client, os.path.basename(command[-1])))
    except Exception as error:
        print(f"FAIL  {client.name}: {error!r}", flush=True)


async def main(wanted):
    straight = Worker("streams", tcp=True, config=f'threads = 2\norigins = {{"http://{SITE}"}}\n{LOCAL_CONF}')
    async with straight:
        ways = (Way("HTTP/1.1 through nginx", "http", SITE, CONTROL), Way("HTTP/2 through nginx", "https", TLS, CONTROL),
                Way("straight", "http", straight.address, straight.control, nginx=False))
        await asyncio.gather(*[run_reader(command, ways) for command in READERS if wanted in command[-1]])
    print("end", flush=True)


asyncio.run(main(sys.argv[1] if len(sys.argv) > 1 else ""))
