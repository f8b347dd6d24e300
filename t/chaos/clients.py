"""Clients of three kinds that come back for as long as they are wanted."""
import asyncio
import contextlib
import json

import websockets
from websockets.exceptions import WebSocketException

from oracle import Reader

DEAD = 3  # seconds without a word: the line is dead
GONE = (OSError, EOFError, asyncio.TimeoutError, asyncio.IncompleteReadError, asyncio.LimitOverrunError,
        WebSocketException)


class Client:
    """What all have in common. `once()` is one connection, from its beginning to its end."""

    resumes = True

    def __init__(self, scene, number):
        self.scene, self.oracle = scene, scene.oracle
        self.name = f"{type(self).__name__.lower()}{number}"
        self.reader = Reader(self.oracle, self.name)
        self.own = scene.channels[number % len(scene.channels)]
        self.by_proxy = number % 4 == 0
        self.abort = None  # cuts the connection
        self.away = 0      # seconds that it is to stay away

    def address(self):
        """A stopped proxy takes connections and does not answer: who comes back goes around it, sometimes."""
        proxy = self.scene.proxy.port
        return proxy if self.by_proxy and self.scene.random.random() < 0.7 else self.scene.site.port

    async def run(self):
        while True:
            try:
                await self.once()
            except GONE:
                pass
            self.abort = None
            self.oracle.counts["connections"] += 1
            await asyncio.sleep(self.away or self.scene.random.random())
            self.away = 0

    def cut(self, away):
        if not self.abort:
            return False
        self.away = away
        self.abort()
        return True

    def count_resume(self):
        if self.reader.positions:
            self.oracle.counts["resumes"] += 1


class Raw(Client):
    """Has no positions: what comes on one connection is to be in order and without a gap."""

    resumes = False

    async def once(self):
        last = 0
        uri = f"ws://127.0.0.1:{self.address()}/{self.own}"
        async with websockets.connect(uri, ping_interval=None, open_timeout=DEAD, close_timeout=0.2) as ws:
            self.abort = ws.transport.abort
            async for text in ws:
                number = self.oracle.judge_text(self.name, self.own, text)
                self.oracle.judge_step(self.name, self.own, last, number)
                last = number


class V1(Client):
    """On all channels at once."""

    def __init__(self, scene, number):
        super().__init__(scene, number)
        self.heard = 0

    async def _watch(self, ws):
        """Its own pings tell a dead line."""
        while True:
            await asyncio.sleep(1)
            if asyncio.get_running_loop().time() - self.heard > DEAD:
                self.oracle.cuts["dead line"] += 1
                ws.transport.abort()
            await ws.send('{"ping":1}')

    async def _subscribe(self, ws):
        others = [c for c in self.scene.channels if c != self.own]
        since = {c: self.reader.positions[c] for c in others if c in self.reader.positions}
        await ws.send(json.dumps({"sub": others, "since": since}))

    def take(self, message):
        if "id" in message:
            self.reader.message(message["ch"], message["id"], message["data"])
        elif "sub" in message:
            if "from" in message["sub"]:  # else a reset comes
                self.reader.begins(message["sub"]["ch"], message["sub"]["from"])
        elif "reset" in message:
            reset = message["reset"]
            self.reader.reset(reset["ch"], reset["why"], reset["id"])
        elif "error" in message:
            self.oracle.fault("wrong", self.name, str(message))

    async def once(self):
        since = self.reader.positions.get(self.own)
        self.count_resume()
        uri = f"ws://127.0.0.1:{self.address()}/{self.own}" + (f"?since={since}" if since else "")
        async with websockets.connect(uri, subprotocols=["wspush.v1"], ping_interval=None, open_timeout=DEAD,
                                      close_timeout=0.2) as ws:
            self.abort = ws.transport.abort
            self.heard = asyncio.get_running_loop().time()
            watch = asyncio.create_task(self._watch(ws))
            try:
                await self._subscribe(ws)
                async for text in ws:
                    self.heard = asyncio.get_running_loop().time()
                    self.take(json.loads(text))
            finally:
                watch.cancel()
                with contextlib.suppress(asyncio.CancelledError, *GONE):
                    await watch


class Sse(Client):
    """An event stream on its own channel, read as the HTML standard says; beats tell that the line is alive."""

    def take(self, block):
        fields = dict.fromkeys(("id", "event"))
        data = []
        for line in block.split("\n"):
            name, _, value = line.partition(":")
            value = value.removeprefix(" ")
            if name == "data":
                data.append(value)
            else:
                fields[name] = value
        text = "\n".join(data)
        if fields["event"] == "reset":
            self.reader.reset(self.own, json.loads(text)["why"], fields["id"])
        elif fields["event"] == "hello":
            if fields["id"]:
                self.reader.begins(self.own, fields["id"])
        elif fields["id"]:
            self.reader.message(self.own, fields["id"], text)

    async def once(self):
        since = self.reader.positions.get(self.own)
        self.count_resume()
        reader, writer = await asyncio.wait_for(asyncio.open_connection("127.0.0.1", self.address()), DEAD)
        try:
            self.abort = writer.transport.abort
            header = f"Last-Event-ID: {since}\r\n" if since else ""
            writer.write(f"GET /{self.own} HTTP/1.0\r\nHost: localhost\r\nAccept: text/event-stream\r\n"
                         f"{header}\r\n".encode())
            head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), DEAD)
            if b" 200 " not in head.split(b"\r\n")[0]:
                if b" 50" not in head[:14]:  # nginx, where its worker is being replaced
                    self.oracle.fault("wrong", self.name, head.decode().split("\r\n", 1)[0])
                return
            while True:
                block = await asyncio.wait_for(reader.readuntil(b"\n\n"), DEAD)
                self.take(block[:-2].decode())
        except asyncio.TimeoutError:
            self.oracle.cuts["dead line"] += 1
        finally:
            writer.transport.abort()


KINDS = (Raw, V1, Sse)
