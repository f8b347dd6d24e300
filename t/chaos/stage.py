"""The site under test: conf/run.sh on a free port, its control socket, and what is done to its processes."""
import asyncio
import contextlib
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time

HERE = os.path.dirname(__file__)
DEADLINE = 30


class Trouble(Exception):
    """The run can't go on; the text says why."""


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def send_signal(pid, number):
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, number)


class Site:
    """nginx, the worker and the responder in a directory of their own; they end with this program."""

    def __init__(self, build, history, threads):
        self.tmp = tempfile.TemporaryDirectory(prefix="wspush-chaos.", dir="/tmp")
        self.run = os.path.join(self.tmp.name, "run")
        self.log = os.path.join(self.tmp.name, "site.log")
        os.mkdir(self.run, 0o700)
        with open(os.path.join(self.run, ".wspush-run"), "wb"):
            pass  # conf/run.sh then takes this directory, which is not empty, for its own
        with open(os.path.join(HERE, "local.conf"), encoding="ascii") as conf, \
                open(os.path.join(self.run, "local.conf"), "w", encoding="ascii") as out:
            out.write(conf.read().replace("@HISTORY@", str(history)).replace("@THREADS@", str(threads)))
        self.port = free_port()
        self.control = os.path.join(self.run, "control.sock")
        with open(self.log, "wb") as log:
            self.popen = subprocess.Popen(["setpriv", "--pdeathsig", "TERM", "conf/run.sh", build, str(self.port)],
                                          env={**os.environ, "WSPUSH_RUN": self.run}, stdin=subprocess.DEVNULL,
                                          stdout=log, stderr=log)
        self._wait_until_served()

    def _wait_until_served(self):
        end = time.monotonic() + DEADLINE
        while "is served" not in self.said("site.log"):
            if self.popen.poll() is not None or time.monotonic() > end:
                raise Trouble("the site does not come up:\n" + self.said("site.log"))
            time.sleep(0.05)

    def said(self, log):
        path = self.log if log == "site.log" else os.path.join(self.run, log)
        with contextlib.suppress(FileNotFoundError), open(path, encoding="utf-8", errors="replace") as text:
            return text.read()
        return ""

    def _master(self):
        return int(self.said("nginx.pid") or 0)

    def nginx_workers(self):
        """The oldest first; those that a reload has replaced live on for a while."""
        master = self._master()
        with contextlib.suppress(FileNotFoundError), \
                open(f"/proc/{master}/task/{master}/children", encoding="ascii") as children:
            return [int(pid) for pid in children.read().split()]
        return []

    def reload_nginx(self):
        send_signal(self._master(), signal.SIGHUP)

    def stop(self):
        """The exit status of conf/run.sh."""
        self.popen.terminate()
        try:
            return self.popen.wait(DEADLINE)
        except subprocess.TimeoutExpired:
            self.popen.kill()
            return self.popen.wait()

    def clean_up(self):
        self.tmp.cleanup()


class Proxy:
    """A process between clients and nginx that can stand still: proxy.py."""

    def __init__(self, target):
        self.port = free_port()
        self.popen = subprocess.Popen(["setpriv", "--pdeathsig", "KILL", sys.executable,
                                       os.path.join(HERE, "proxy.py"), str(self.port), str(target)])
        end = time.monotonic() + DEADLINE
        while True:
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.port)):
                return
            if self.popen.poll() is not None or time.monotonic() > end:
                raise Trouble("the proxy does not come up")
            time.sleep(0.05)

    def signal(self, number):
        send_signal(self.popen.pid, number)

    def stop(self):
        self.popen.kill()
        self.popen.wait()


class Control:
    """A connection to the control socket: one command at a time."""

    async def open(self, path):
        self.reader, self.writer = await asyncio.open_unix_connection(path)
        return self

    async def _reply(self):
        line = (await self.reader.readuntil(b"\r\n"))[:-2].decode()
        kind, rest = line[0], line[1:]
        if kind == "*":
            return [await self._reply() for _ in range(int(rest))]
        if kind == "$":
            if rest == "-1":
                return None
            return (await self.reader.readexactly(int(rest) + 2))[:-2].decode()
        if kind == "-":
            raise Trouble(f"the worker answers {line}")
        return int(rest) if kind == ":" else rest

    async def call(self, *words):
        parts = [word.encode() for word in words]
        self.writer.write(b"*%d\r\n" % len(parts) + b"".join(b"$%d\r\n%s\r\n" % (len(p), p) for p in parts))
        return await asyncio.wait_for(self._reply(), DEADLINE)
