"""A client of somebody else's, as a process that does what table.py tells it, and the connections that it makes."""
import asyncio
import collections

FEATURES = {
    "plain", "deflate", "mixed", "empty_compressed", "window", "fragments", "cut_text", "bad_utf8", "ping", "deaf", "pause",
    "origin", "version", "status", "drop", "close_any", "close_bare", "close_answer", "http2",
}


class Refused(Exception):
    """The handshake was refused; its argument is the status, 0 where the client does not tell."""


def _word(data):
    return (data.encode() if isinstance(data, str) else bytes(data)).hex() or "-"


def _data(word):
    return b"" if word == "-" else bytes.fromhex(word)


class Connection:
    """Commands are methods without a wait; what comes is heard() in messages, pong() and closed()."""

    def __init__(self, client, number):
        self.client, self.number = client, number
        self.deflate = self.protocol = None
        self.opened = asyncio.get_running_loop().create_future()
        self.end = asyncio.get_running_loop().create_future()
        self.messages, self.pongs = collections.deque(), collections.deque()
        self.news = asyncio.Event()

    def say(self, verb, *words):
        self.client.say(f"{self.number} {' '.join([verb, *words])}")

    def send(self, message):
        """A str as text, anything else as binary."""
        self.say("text" if isinstance(message, str) else "binary", _word(message))

    def send_fragments(self, parts, between=lambda: None):
        """One message, of a str or bytes for each fragment."""
        self.say("begin_text" if isinstance(parts[0], str) else "begin_binary", _word(parts[0]))
        for part in parts[1:-1]:
            self.say("more", _word(part))
            between()
        self.say("last", _word(parts[-1]))

    def send_text(self, data):
        """Bytes as a text, whatever they are."""
        self.say("text", _word(data))

    def ping(self, data):
        self.say("ping", _word(data))

    def close(self, code=None, reason=""):
        self.say("close", *([] if code is None else [str(code), _word(reason)]))

    def told(self, verb, *words):
        """An event of the client's."""
        if verb == "opened":
            self.deflate, self.protocol = words[0] == "deflate", words[1] if words[1] != "-" else None
            self.opened.set_result(True)
        elif verb == "refused":
            self.opened.set_exception(Refused(int(words[0])))
        elif verb in ("text", "binary"):
            data = _data(words[0])
            self.messages.append(data.decode() if verb == "text" else data)
        elif verb == "pong":
            self.pongs.append(_data(words[0]))
        elif verb == "closed":
            self.end.set_result((int(words[0]), _data(words[1]).decode()))
        else:
            raise AssertionError(f"{self.client.name} said {verb}")
        self.news.set()

    async def _next(self, queue, what):
        while not queue:
            if self.end.done():
                raise AssertionError(f"closed with {self.end.result()} before {what} came")
            self.news.clear()
            await asyncio.wait_for(self.news.wait(), 20)
        return queue.popleft()

    async def hear(self, count=1):
        return [await self._next(self.messages, f"message {i + 1} of {count}") for i in range(count)]

    async def pong(self):
        return await self._next(self.pongs, "a pong")

    async def closed(self):
        return await asyncio.wait_for(asyncio.shield(self.end), 20)


class Stream:
    """An event stream: what comes is heard() as (type, last id, data), and it is over() when the client comes back no more.
    How it begins and ends, `hello` and `close`, is in lists of its own."""

    def __init__(self, client, number):
        self.client, self.number = client, number
        self.opened = asyncio.get_running_loop().create_future()
        self.end = asyncio.get_running_loop().create_future()
        self.events = collections.deque()
        self.framing = {"hello": [], "close": []}
        self.news = asyncio.Event()
        self.times = self.losses = 0  # that it was opened, and lost

    def say(self, verb, *words):
        self.client.say(f"{self.number} {' '.join([verb, *words])}")

    def told(self, verb, *words):
        if verb == "opened":
            self.times += 1
            if not self.opened.done():
                self.opened.set_result(True)
        elif verb == "lost":
            self.losses += 1
        elif verb == "stopped":
            self.end.set_result(int(words[0]))
            if not self.opened.done():
                self.opened.set_exception(Refused(int(words[0])))
        elif verb == "event":
            event = (words[0], "" if words[1] == "-" else words[1], _data(words[2]).decode())
            self.framing.get(words[0], self.events).append(event)
        else:
            raise AssertionError(f"{self.client.name} said {verb}")
        self.news.set()

    async def hear(self, count=1):
        heard = []
        while len(heard) < count:
            while not self.events:
                assert not self.end.done(), f"stopped with {self.end.result()} behind {heard}"
                self.news.clear()
                await asyncio.wait_for(self.news.wait(), 20)
            heard.append(self.events.popleft())
        return heard

    async def over(self):
        return await asyncio.wait_for(asyncio.shield(self.end), 20)


class Client:
    def __init__(self, command, connection=Connection):
        self.command, self.connection = command, connection
        self.name, self.cannot = command[-1], {}
        self.process = self.listening = None
        self.connections = []

    async def __aenter__(self):
        self.process = await asyncio.create_subprocess_exec(
            *self.command, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, limit=64 * 1024 * 1024
        )
        while (line := await asyncio.wait_for(self._line(), 30)) != "ready":
            kind, _, rest = line.partition(" ")
            if kind == "name":
                self.name = rest
            else:
                feature, _, why = rest.partition(" ")
                assert feature in FEATURES, f"{self.name}: there is no feature {feature}"
                self.cannot[feature] = why
        self.listening = asyncio.create_task(self._listen())
        return self

    async def __aexit__(self, *_):
        self.process.stdin.close()
        try:
            await asyncio.wait_for(self.process.wait(), 20)
        except asyncio.TimeoutError:
            self.process.kill()
        if self.listening:
            self.listening.cancel()

    async def _line(self):
        line = (await self.process.stdout.readline()).decode()
        assert line, f"{self.command[-1]} has ended"
        return line.rstrip("\n")

    async def _listen(self):
        while True:
            number, *event = (await self._line()).split(" ")
            self.connections[int(number)].told(*event)

    def say(self, line):
        assert not self.listening.done(), f"{self.name} is not there any more: {self.listening.exception()}"
        self.process.stdin.write(f"{line}\n".encode())

    async def open(self, url, **options):
        connection = self.connection(self, len(self.connections))
        self.connections.append(connection)
        connection.say("open", url, *[f"{key}={value}" for key, value in options.items()])
        await asyncio.wait_for(connection.opened, 20)
        return connection
