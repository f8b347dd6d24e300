"""What checks.py stands on: sentences that are checked, a compose project, and its site as a browser sees it.

run.sh sets the environment: WSPUSH_PORT, where the site is published; COMPOSE, the command; WSPUSH_IMAGE and the engine's own
variables for the commands.
"""
import asyncio
import contextlib
import http.client
import json
import os
import traceback

import websockets

COMPOSE = os.environ["COMPOSE"].split()
PORT = int(os.environ["WSPUSH_PORT"])
PROJECT = os.path.basename(os.getcwd())
SERVICES = ("ws", "fcgi", "web")
DEADLINE = 150  # seconds, for one check

_checks = []


def check(sentence, seconds=DEADLINE, needed=False):
    """Makes a coroutine function a check. Without one that is needed the rest makes no sense."""

    def register(body):
        _checks.append((sentence, body, seconds, needed))
        return body

    return register


async def _run_all(program):
    for sentence, body, seconds, needed in _checks:
        try:
            said = await asyncio.wait_for(body(), seconds)
            print(f"ok    {program}: {sentence}{f' ({said})' if said else ''}", flush=True)
        except Exception as error:  # whatever it is, the sentence is not true
            where = traceback.extract_tb(error.__traceback__)
            ours = [frame for frame in where if frame.filename.startswith(os.path.dirname(os.path.abspath(__file__)))]
            at = f"{os.path.basename(ours[-1].filename)}:{ours[-1].lineno}" if ours else "?"
            text = str(error).replace("\n", "\n      ") or f"not done within {seconds} s"
            print(f"FAIL  {program}: {sentence}\n      {at}: {type(error).__name__}: {text}", flush=True)
            await _print_logs()
            if needed:
                print("      without this the rest can't be checked", flush=True)
                break


async def _print_logs():
    for service in SERVICES:
        one = await container(service)
        text = one and await run("docker", "logs", "--tail", "15", one, status=None)
        for line in (text or "no container").splitlines():
            print(f"      {service:5} {line}", flush=True)


def main(program):
    """Runs the checks in their order, one at a time. The status is not theirs: it is 0 when all were tried."""
    asyncio.run(_run_all(program))


def equal(got, expected, what="it"):
    if got != expected:
        raise AssertionError(f"{what} is {_short(got)}, expected {_short(expected)}")


def contains(text, part, what="it"):
    if part not in text:
        raise AssertionError(f"{what} has no {part!r}: {_short(text)}")


def _short(value):
    text = repr(value)
    return text if len(text) <= 800 else f"{text[:300]} ... {text[-500:]}"


async def until(condition, what, seconds=60):
    """Waits until a coroutine function gives something true; returns that."""
    end = asyncio.get_running_loop().time() + seconds
    while True:
        result = await condition()
        if result:
            return result
        if asyncio.get_running_loop().time() > end:
            raise AssertionError(f"waited {seconds} s in vain for {what}")
        await asyncio.sleep(0.1)


class Clock:
    """Seconds since it was made."""

    def __init__(self):
        self._start = asyncio.get_running_loop().time()

    def seconds(self):
        return asyncio.get_running_loop().time() - self._start

    def __str__(self):
        return f"{self.seconds():.1f} s"


# ---- commands ----


async def run(*command, status=0, seconds=120):
    """Runs a command to its end; gives what it says on both outputs. `status` None: any will do."""
    process = await asyncio.create_subprocess_exec(
        *command, stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
    )
    try:
        out, _ = await asyncio.wait_for(process.communicate(), seconds)
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
    text = out.decode(errors="replace")
    if status is not None and process.returncode != status:
        raise AssertionError(f"`{' '.join(command)}` ended with {process.returncode}, not {status}:\n{text[-3000:]}")
    return text


async def compose(*arguments, **options):
    return await run(*COMPOSE, *arguments, **options)


class Following:
    """A command at a terminal that goes on until Ctrl-C, as a context manager; `said` is what it has printed so far."""

    def __init__(self, command):
        self._command = command
        self.said = ""

    async def __aenter__(self):
        self._process = await asyncio.create_subprocess_exec(
            "script", "-qefc", self._command, "/dev/null", stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE
        )
        self._reading = asyncio.create_task(self._read())
        return self

    async def _read(self):
        while piece := await self._process.stdout.read(65536):
            self.said += piece.decode(errors="replace")

    async def __aexit__(self, *_):
        try:
            self._process.stdin.write(b"\x03")
            await asyncio.wait_for(self._process.wait(), 20)
        finally:
            with contextlib.suppress(ProcessLookupError):
                self._process.kill()
            await self._reading


async def container(service, *filters):
    """The id of a service's container, or ''. (Asked of the engine: docker-compose takes half a second to start.)"""
    labels = [f"label=com.docker.compose.project={PROJECT}", f"label=com.docker.compose.service={service}", *filters]
    return (await run("docker", "ps", "-aq", *(word for one in labels for word in ("--filter", one)))).strip()


async def inspect(service):
    return json.loads(await run("docker", "inspect", await container(service)))[0]


async def health(service):
    """What Docker's own health check has come to: "starting", "healthy" or "unhealthy"."""
    return (await inspect(service))["State"]["Health"]["Status"]


async def inside(service, script, status=0):
    """Runs a bash script in a container, as its user."""
    return await run("docker", "exec", await container(service), "bash", "-c", script, status=status)


async def processes(service):
    """{name: [(pid, parent), ...]} of what runs in a container."""
    found = {}
    script = "for s in /proc/[0-9]*/stat; do read -r line <$s && echo \"$line\"; done 2>/dev/null"
    for line in (await inside(service, script, status=None)).splitlines():
        name, rest = line[line.index("(") + 1 : line.rindex(")")], line[line.rindex(")") + 2 :].split()
        found.setdefault(name, []).append((int(line.split()[0]), int(rest[1])))
    return found


PROGRAMS = {"ws": "wspushd", "fcgi": "wspush-fcgi", "web": "nginx"}


async def main_process(service):
    """The number of the process that init has started."""
    return next(pid for pid, parent in (await processes(service))[PROGRAMS[service]] if parent == 1)


async def children(service):
    """The processes that the main one has started."""
    return sorted(pid for pid, parent in (await processes(service)).get(PROGRAMS[service], []) if parent != 1)


async def signal_all(service, name):
    """Sends a signal to every process of the service's program."""
    numbers = [str(pid) for pid, _ in (await processes(service))[PROGRAMS[service]]]
    await inside(service, f"kill -{name} {' '.join(numbers)}")


async def healthy(*services, seconds=60):
    """Waits until the services (all, if none is named) are healthy; says how long that took."""
    clock = Clock()
    for service in services or SERVICES:

        async def is_healthy(name=service):
            return await container(name, "health=healthy")

        await until(is_healthy, f"`{service}` to be healthy", seconds)
    return clock


async def logs(service):
    return await run("docker", "logs", await container(service))


async def said(service, text, seconds=60):
    """Waits until a service's log has this text."""

    async def has():
        return text in await logs(service)

    await until(has, f"{text!r} in the log of {service}", seconds)


# ---- the site ----


async def get(path, host=None, port=PORT):
    """(status, headers, body); None if the connection ended without an answer."""

    def ask():
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
        try:
            connection.request("GET", path, headers={"Host": host or f"127.0.0.1:{port}"})
            answer = connection.getresponse()
            return answer.status, dict(answer.getheaders()), answer.read()
        except (http.client.RemoteDisconnected, ConnectionError):
            return None
        finally:
            connection.close()

    return await asyncio.to_thread(ask)


async def post(path, body, port=PORT, **headers):
    """The status and the body that a POST gets."""

    def ask():
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
        try:
            connection.request("POST", path, body, {"Content-Type": "text/plain", **headers})
            answer = connection.getresponse()
            return answer.status, answer.read().decode()
        finally:
            connection.close()

    return await asyncio.to_thread(ask)


async def status_of(path, **options):
    answer = await get(path, **options)
    return answer and answer[0]


def browser(channel, port=PORT, site=None, **options):
    """A page that has the channel open, through nginx; `site` is the host name that the browser knows it by."""
    return websockets.connect(f"ws://{site or f'127.0.0.1:{port}'}/{channel}/", host="127.0.0.1", port=port, **options)


async def refusal(channel, **options):
    """The status that a WebSocket handshake is refused with."""
    try:
        async with browser(channel, **options):
            return 101
    except websockets.exceptions.InvalidStatusCode as error:
        return error.status_code


async def hear(page, seconds=10):
    return await asyncio.wait_for(page.recv(), seconds)


async def works(text, seconds=60, port=PORT):
    """Waits until the whole chain works: the page, its WebSocket, and the text that wsctl sends to it."""
    ws = await container("ws")

    async def tried():
        try:
            if await status_of("/test/", port=port) != 200:
                return False
            async with browser("test", port=port, open_timeout=5) as page:
                await run("docker", "exec", ws, "wsctl", "send", "test", text)
                return await hear(page) == text
        except (OSError, AssertionError, asyncio.TimeoutError, websockets.exceptions.WebSocketException):
            return False

    await until(tried, f"{text!r} to arrive in a page", seconds)
