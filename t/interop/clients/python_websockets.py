"""The websockets library as Debian has it."""
import asyncio

import websockets
from websockets.exceptions import ConnectionClosed, InvalidStatusCode
from websockets.extensions.permessage_deflate import ClientPerMessageDeflateFactory

from lines import hexed, serve

CANNOT = {
    "deaf": "it answers every ping by itself",
    "version": "it speaks version 13 only",
    "bad_utf8": "a text is a str",
    "cut_text": "each fragment of a text is a str",
    "close_bare": "it puts 1000 into a close without a code",
}


class Connection:
    def __init__(self, url, options, tell):
        self.tell = tell
        self.ws = None
        self.reads = asyncio.Event()
        self.reads.set()
        self.parts = None  # of the message that was begun
        self.to_send = asyncio.Queue()
        self.tasks = [asyncio.create_task(self._live(url, options)), asyncio.create_task(self._send())]

    async def _live(self, url, options):
        bits = int(options["window"]) if "window" in options else None
        factory = ClientPerMessageDeflateFactory(server_max_window_bits=bits, client_max_window_bits=bits or True)
        try:
            self.ws = await websockets.connect(
                url, compression=None, extensions=[factory] if options["deflate"] == "on" else None,
                origin=options.get("origin"), subprotocols=options["protocols"].split(",") if "protocols" in options else None,
                ping_interval=None, max_size=None,
            )
        except InvalidStatusCode as error:
            self.tell("refused", error.status_code)
            return
        self.tell("opened", "deflate" if self.ws.extensions else "plain", self.ws.subprotocol or "-")
        try:
            while True:
                await self.reads.wait()
                message = await self.ws.recv()
                self.tell("text" if isinstance(message, str) else "binary", hexed(message))
        except ConnectionClosed:
            await self.ws.wait_closed()
            self.tell("closed", self.ws.close_code, hexed(self.ws.close_reason or ""))

    async def _send(self):
        """One at a time, for a message in fragments is sent while more of it is still to come."""
        while True:
            step = await self.to_send.get()
            try:
                await step
            except ConnectionClosed:
                pass

    async def _fragments(self, parts):
        while (part := await parts.get()) is not None:
            yield part

    async def _ping(self, data):
        waiter = await self.ws.ping(data)
        waiter.add_done_callback(lambda done: done.exception() or self.tell("pong", hexed(data)))

    def _begin(self, data):
        self.parts = asyncio.Queue()
        self.parts.put_nowait(data)
        self.to_send.put_nowait(self.ws.send(self._fragments(self.parts)))

    def text(self, data):
        self.to_send.put_nowait(self.ws.send(data.decode()))

    def binary(self, data):
        self.to_send.put_nowait(self.ws.send(data))

    def begin_text(self, data):
        self.texts = True
        self._begin(data.decode())

    def begin_binary(self, data):
        self.texts = False
        self._begin(data)

    def more(self, data):
        self.parts.put_nowait(data.decode() if self.texts else data)

    def last(self, data):
        self.more(data)
        self.parts.put_nowait(None)

    def ping(self, data):
        self.tasks.append(asyncio.create_task(self._ping(data)))

    def close(self, *how):
        self.to_send.put_nowait(self.ws.close(*how))

    def drop(self):
        if self.ws:
            self.ws.transport.abort()

    def pause(self):
        self.reads.clear()

    def resume(self):
        self.reads.set()


serve(f"python3-websockets {websockets.__version__}", CANNOT, Connection)
