"""curl -N, and behind it a reader by the letter of the HTML standard (section 9.2.6) that comes back as browsers do."""
import asyncio
import contextlib
import logging
import re
import subprocess

from lines import hexed, serve

VERSION = subprocess.run(["curl", "--version"], check=True, capture_output=True, text=True).stdout.split()[1]


class Connection:
    def __init__(self, url, options, tell):
        self.url, self.tell, self.options = url, tell, options
        self.id, self.retry = "", 3000
        self.process = None
        self.task = asyncio.create_task(self._live())

    async def _live(self):
        while await self._once():
            self.tell("lost")
            await asyncio.sleep(self.retry / 1000)

    async def _once(self):
        """One request; false where the answer is no stream, and a browser would stop."""
        how = ["-k", "--http2"] if self.options.get("http2") else ["--http1.1"]
        last = ["-H", f"Last-Event-ID: {self.id}"] if self.id else []
        self.process = await asyncio.create_subprocess_exec(
            "curl", "-sN", "-i", *how, "-H", "Accept: text/event-stream", *last, self.url,
            stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE, limit=64 * 1024 * 1024)
        try:
            return await self._read(self.process.stdout)
        finally:
            self._end()
            await self.process.wait()

    def _end(self):
        with contextlib.suppress(ProcessLookupError):
            if self.process:
                self.process.kill()

    async def _read(self, out):
        head = [(await out.readline()).decode().strip()]
        while line := (await out.readline()).decode().strip():
            head.append(line)
        if head == [""]:
            return True
        version, status = head[0].split()[:2]
        if status != "200":
            self.tell("stopped", status)
            return False
        if (version == "HTTP/2") != bool(self.options.get("http2")):
            raise AssertionError(version)
        self.tell("opened")
        kind, data = "", []
        while line := await out.readline():
            line = line.decode().removesuffix("\n")
            name, _, value = line.partition(":")
            value = value.removeprefix(" ")
            if "\r" in line:
                raise AssertionError("a CR within a line")
            if line == "":
                if data:
                    self.tell("event", kind or "message", self.id or "-", hexed("\n".join(data)))
                kind, data = "", []
            elif name == "data":
                data.append(value)
            elif name == "event":
                kind = value
            elif name == "id" and "\0" not in value:
                self.id = value
            elif name == "retry" and re.fullmatch("[0-9]+", value):
                self.retry = int(value)
        return True

    def drop(self):
        self.task.cancel()
        self._end()


logging.getLogger("asyncio").setLevel(logging.ERROR)  # it warns where a process ends while it is killed
serve(f"curl {VERSION}", {}, Connection)
