"""What the Python programs of this folder share: checks, the site's addresses, a browser, a worker of one's own.

A check is a coroutine with a sentence that says what is true when it returns. Every wait is for a condition, with a
deadline. run.sh sets WSPUSH_PORT, WSPUSH_SITE (the directory with the sockets), WSPUSH_TMP and WSPUSH_BUILD.
"""
import asyncio
import contextlib
import os
import signal
import socket
import subprocess
import time
import traceback

import websockets

PORT = os.environ["WSPUSH_PORT"]
SITE = f"127.0.0.1:{PORT}"
CONTROL = os.path.join(os.environ["WSPUSH_SITE"], "control.sock")
TMP = os.environ["WSPUSH_TMP"]
BUILD = os.environ["WSPUSH_BUILD"]

DEADLINE = 30  # seconds, for one check

_checks = []


def check(sentence):
    """Makes a coroutine function a check."""

    def register(body):
        _checks.append((sentence, body))
        return body

    return register


def equal(got, expected, what="it"):
    if got != expected:
        raise AssertionError(f"{what} is {_short(got)}, expected {_short(expected)}")


def _short(value):
    text = repr(value)
    return text if len(text) <= 400 else f"{text[:400]}... ({len(text)} characters)"


async def until(condition, what, seconds=10):
    """Waits for a condition, a function or a coroutine function, to give something true; returns that."""
    end = asyncio.get_running_loop().time() + seconds
    while True:
        result = condition()
        if asyncio.iscoroutine(result):
            result = await result
        if result:
            return result
        if asyncio.get_running_loop().time() > end:
            raise AssertionError(f"waited {seconds} s in vain for {what}")
        await asyncio.sleep(0.02)


async def report(sentence, body):
    """Runs the coroutine of a check, and says in a line how it went, and how long it took if that is much."""
    began = time.monotonic()
    try:
        await asyncio.wait_for(body, DEADLINE)
        took = time.monotonic() - began
        print(f"ok    {sentence}{f' ({took:.1f} s)' if took > 1 else ''}", flush=True)
    except asyncio.TimeoutError as error:
        print(f"FAIL  {sentence}\n      {_where(error)}: not done in time", flush=True)
    except Exception as error:
        text = str(error).replace("\n", "\n      ")
        print(f"FAIL  {sentence}\n      {_where(error)}: {type(error).__name__}: {text}", flush=True)


def _where(error):
    frames = traceback.extract_tb(error.__traceback__)
    ours = [frame for frame in frames if frame.filename.startswith(os.path.dirname(__file__))]
    return f"{os.path.basename(ours[-1].filename)}:{ours[-1].lineno}" if ours else "?"


async def _run_all(program):
    for sentence, body in _checks:
        await report(f"{program}: {sentence}", body())
    print("end", flush=True)


def main(program):
    """Runs the checks in their order, one at a time, and says that it came to its end."""
    asyncio.run(_run_all(program))


async def run(*command, stdin=b"", status=0):
    """Runs a program to its end; gives its output, bytes. `status` None: any will do."""
    process = await asyncio.create_subprocess_exec(
        *command, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    try:
        out, err = await process.communicate(stdin)
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
    if status is not None and process.returncode != status:
        raise AssertionError(f"{command[0]} ended with {process.returncode}: {(out + err).decode(errors='replace')}")
    return out + err


@contextlib.asynccontextmanager
async def browser(channel, **options):
    """A page that has the channel open, through nginx."""
    async with websockets.connect(f"ws://{SITE}/{channel}/", **options) as ws:
        yield ws


async def hear(ws, count):
    """The next messages."""
    return [await asyncio.wait_for(ws.recv(), 10) for _ in range(count)]


def _free_address():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return f"127.0.0.1:{s.getsockname()[1]}"


class Worker:
    """A wspushd of one's own, that may be killed: its control socket is `control`, its TCP listener `address`."""

    def __init__(self, name, config="", tcp=False):
        self.dir = os.path.join(TMP, name)
        self.control = os.path.join(self.dir, "control.sock")
        self.address = _free_address() if tcp else None
        self.process = None
        os.makedirs(self.dir)
        listen = f'"unix:ws.sock", "{self.address}"' if tcp else '"unix:ws.sock"'
        with open(os.path.join(self.dir, "wspush.conf"), "w", encoding="utf-8") as conf:
            conf.write(f'listen = {{{listen}}}\ncontrol = "unix:control.sock"\ndrain_time = 100ms\n{config}')

    async def start(self):
        log = open(os.path.join(self.dir, "log"), "ab")
        self.process = subprocess.Popen(
            ["setpriv", "--pdeathsig", "KILL", f"{BUILD}/wspushd", "--config", f"{self.dir}/wspush.conf"],
            stdin=subprocess.DEVNULL, stdout=log, stderr=log,
        )
        log.close()
        with open(os.path.join(TMP, "pids"), "a", encoding="utf-8") as pids:
            pids.write(f"{self.process.pid}\n")
        await until(self._answers, f"the worker in {self.dir}")

    async def _answers(self):
        try:
            reader, writer = await asyncio.open_unix_connection(self.control)
        except OSError:
            return False
        try:
            writer.write(b"PING\r\n")
            return await reader.readline() == b"+PONG\r\n"
        finally:
            writer.close()

    async def end(self, how=signal.SIGTERM):
        self.process.send_signal(how)
        await until(lambda: self.process.poll() is not None, "the worker's end")

    async def __aenter__(self):
        await self.start()
        return self

    async def __aexit__(self, *_):
        if self.process.poll() is None:
            await self.end(signal.SIGKILL)
