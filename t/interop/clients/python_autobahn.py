"""The autobahn library as Debian has it, over asyncio."""
import asyncio
import logging
import re
import urllib.parse

import autobahn
from autobahn.asyncio.websocket import WebSocketClientFactory, WebSocketClientProtocol
from autobahn.websocket.compress import PerMessageDeflateOffer, PerMessageDeflateResponseAccept

from lines import hexed, serve

CANNOT = {
    "close_any": "it closes with 1000 and 3000 to 4999 only",
    "close_bare": "it puts 1000 into a close without a code",
}
DRAFT = {"8": 10}  # the draft of the protocol that was version 8


class Connection(WebSocketClientProtocol):
    def __init__(self, url, options, tell):
        super().__init__()
        self.options, self.tell = options, tell
        self.opened = False
        self.task = asyncio.create_task(self._connect(url, options))

    async def _connect(self, url, options):
        factory = WebSocketClientFactory(
            url, origin=options.get("origin"), protocols=options["protocols"].split(",") if "protocols" in options else None
        )
        factory.protocol = lambda: self
        bits = int(options.get("window", 0))
        offer = PerMessageDeflateOffer(accept_max_window_bits=True, request_max_window_bits=bits)
        factory.setProtocolOptions(
            version=DRAFT.get(options.get("version")),
            perMessageCompressionOffers=[offer] if options["deflate"] == "on" else [],
            perMessageCompressionAccept=lambda response: PerMessageDeflateResponseAccept(response, window_bits=bits or None),
        )
        address = urllib.parse.urlsplit(url)
        await asyncio.get_running_loop().create_connection(factory, address.hostname, address.port)

    # ---- what it hears ----
    def onConnect(self, response):
        self.extensions, self.chosen = response.extensions, response.protocol

    def onOpen(self):
        self.opened = True
        self.tell("opened", "deflate" if self.extensions else "plain", self.chosen or "-")

    def onMessage(self, payload, isBinary):
        self.tell("binary" if isBinary else "text", hexed(payload))

    def onPing(self, payload):
        if self.options.get("pong") != "off":
            super().onPing(payload)

    def onPong(self, payload):
        self.tell("pong", hexed(payload))

    def onClose(self, wasClean, code, reason):
        if self.opened:
            self.tell("closed", self.remoteCloseCode or code, hexed(self.remoteCloseReason or ""))
        else:
            self.tell("refused", re.search(r"\[(\d+)\]", reason).group(1))

    # ---- what it is told to do ----
    def text(self, data):
        self.sendMessage(data, isBinary=False)

    def binary(self, data):
        self.sendMessage(data, isBinary=True)

    def begin_text(self, data):
        self.beginMessage(isBinary=False)
        self.sendMessageFrame(data)

    def begin_binary(self, data):
        self.beginMessage(isBinary=True)
        self.sendMessageFrame(data)

    def more(self, data):
        self.sendMessageFrame(data)

    def last(self, data):
        self.sendMessageFrame(data)
        self.endMessage()

    def ping(self, data):
        self.sendPing(data)

    def close(self, *how):
        self.sendClose(*how)

    def drop(self):
        self.transport.abort()

    def pause(self):
        self.transport.pause_reading()

    def resume(self):
        self.transport.resume_reading()


logging.getLogger("autobahn").setLevel(logging.ERROR)  # it warns of each refusal
serve(f"python3-autobahn {autobahn.__version__}", CANNOT, Connection)
