"""docs/CONTROL.md: every example is typed as it stands, by redis-cli and as inline lines on a plain socket, and answered as shown.

An example is a block that begins with `> COMMAND`, with redis-cli's output below. The pages go through nginx. What it presupposes stands in its marker,
<!-- test: redis ... -->, which it may be without:

pages=test:2,chat@alice   pages that are open meanwhile, with how many on a channel, or whose; says=TEXT: each has said that
speaks=test               a page that is open, speaks wspush.v1, and acknowledges what asks for that
deaf=test                 a page that is open and neither reads nor answers
refused=ORIGIN            a page of another site was refused
before=COMMAND            was run before, by redis-cli; | between several
beside=COMMAND            another connection has done that, and is still there; | between several
conf=LINES                wspush.conf has these lines behind its own since the worker began
then=COMMAND              what happens elsewhere at each line `-- ...`: a command for redis-cli, or `visit CHANNEL[@USER] TEXT`; | between several
resp=3                    the notation is that of redis-cli -3
varies=integer            the numbers differ from time to time

Message ids, points in time, the numbers of clients and operators, versions and the figures of INFO are compared by their shape:
what is the same in the example has to be the same in the answer. Where pages are open, @client:c1 is the first of them. A line "..."
stands for any lines.
"""
import asyncio
import contextlib
import os
import re
import select
import shlex
import socket
import subprocess
import time

import websockets

import blocks
import machine
import notation
from machine import TOP, Failed
from pages import until

DOCUMENT = "docs/CONTROL.md"
SOCKET = "/run/wspush/control.sock"
CONF = "/etc/wspush/wspush.conf"
PORT = 8098
SITE = f"ws://127.0.0.1:{PORT}"
SERVER = f"""server {{
    listen 127.0.0.1:{PORT};
    include snippets/wspush-server.conf;
    location / {{ set $wspush_user $arg_user; include snippets/wspush-page.conf; }}
}}
"""
PATIENCE = 5  # seconds, for one reply
NOISE = "Reading messages... (press Ctrl-C to quit)\n"


# ---- the examples ----

class Step:
    """A command, or a remark (""), and what is shown below it."""

    def __init__(self, command):
        self.command = command
        self.shown = ""


def steps(block):
    found = []
    for line in block.text.rstrip("\n").split("\n"):
        if line.startswith(("> ", "-- ")):
            found.append(Step(line[2:] if line[0] == ">" else ""))
        else:
            found[-1].shown += line + "\n"
    return found


def examples():
    return [block for block in blocks.read(TOP / DOCUMENT) if block.text.startswith("> ")]


def verb(command):
    return command.split()[0].lower()


# ---- shapes ----

VARYING = re.compile("|".join((
    r"(?P<id>\b\d{13}-\d+)",
    r"(?P<time>\b\d{13}\b|\b\d{10}\.\d{6})",
    r"(?P<client>\bc\d+\b)",
    r'(?P<version>"\d+\.\d+\.\d+")',
    r'(?P<bytes>(?<="bytes_in" => \(integer\) )\d+|(?<="bytes_out" => \(integer\) )\d+)',
    r'(?P<operator>(?<=unix:id=)\d+|(?<="id" => \(integer\) )\d+)',
)))


def shapes(text, options):
    """The lines with what varies replaced: ids and clients by the order in which they first come."""
    seen = {}

    def shape(match):
        kind = match.lastgroup
        if kind in ("id", "client"):
            return f"<{kind} {seen.setdefault(match[0], len(seen))}>"
        return f"<{kind}>"

    if options.get("varies") == "integer":
        text = re.sub(r"\(integer\) \d+", "(integer) <number>", text)
    text = re.sub(r"(\.conf:)\d+", r"\1<line>", text)
    text = re.sub(r"^(\w+):[\d.]+$", r"\1:<figure>", text, flags=re.M)
    text = re.sub(r"^id=.*$", lambda line: re.sub(r"=\d+", "=<number>", line[0]), text, flags=re.M)
    return [line.rstrip() for line in VARYING.sub(shape, text).split("\n") if line.strip()]


def alike(shown, was, options):
    shown, was = shapes(shown, options), shapes(was, options)
    while shown:
        line = shown.pop(0)
        if line == "...":
            while was and shown and was[0] != shown[0]:
                was.pop(0)
            if not shown:
                return bool(was)
        elif not was or was.pop(0) != line:
            return False
    return not was


# ---- two ways to say it ----

class Cli:
    """redis-cli: one command as its arguments, several on its stdin, which stays open."""

    def __init__(self, commands, options):
        words = ["redis-cli", "-s", SOCKET, "--no-raw", *(["-3"] if options.get("resp") == "3" else [])]
        self.typed = len(commands) > 1
        self.process = subprocess.Popen(
            words if self.typed else words + shlex.split(commands[0]),
            stdin=subprocess.PIPE if self.typed else subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        os.set_blocking(self.process.stdout.fileno(), False)
        self.bytes = b""

    def say(self, command):
        if self.typed:
            self.process.stdin.write(command.encode() + b"\n")
            self.process.stdin.flush()

    def said(self):
        select.select([self.process.stdout], [], [], 0.05)
        self.bytes += self.process.stdout.read() or b""
        return self.bytes.decode(errors="replace").replace("\r\n", "\n").replace(NOISE, "")

    def end(self):
        self.process.kill()
        self.process.wait()


class Inline:
    """Lines as a person types them into a socket; the replies in redis-cli's notation, by our own hand."""

    def __init__(self, commands, options):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.connect(SOCKET)
        self.bytes = b""
        self.text = ""
        self.raw = []  # whether the replies to come are shown as they are
        if options.get("resp") == "3":
            self.say("HELLO 3")
            until(self.said, "the reply to HELLO 3")
            self.text = ""

    def say(self, command):
        self.raw.append(notation.is_raw(command))
        self.socket.sendall(command.encode() + b"\r\n")

    def said(self):
        if select.select([self.socket], [], [], 0.05)[0]:
            self.bytes += self.socket.recv(65536)
        while (parsed := notation.parse(self.bytes)) is not None:
            value, length = parsed
            self.bytes = self.bytes[length:]
            self.text += notation.shown(value, bool(self.raw) and self.raw.pop(0))
        return self.text

    def end(self):
        self.socket.close()


# ---- what is presupposed ----

def redis(command):
    return subprocess.run(["redis-cli", "-e", "-s", SOCKET, *shlex.split(command)], check=True, capture_output=True, text=True).stdout


def url_of(place):
    """Of CHANNEL or CHANNEL@USER."""
    channel, _, user = place.partition("@")
    return f"{SITE}/{channel}/?user={user}"


async def come_and_go(place, text):
    async with websockets.connect(url_of(place)) as page:
        await page.send(text)
        await page.close(1001)


async def be_refused(origin):
    try:
        async with websockets.connect(f"{SITE}/test/", origin=origin):
            raise Failed(f"{origin} was let in")
    except websockets.InvalidStatusCode:
        pass


def do(browser, action):
    """What happens elsewhere."""
    words = action.split(" ", 2)
    if words[0] == "visit":
        asyncio.run_coroutine_threadsafe(come_and_go(*words[1:]), browser.loop).result(PATIENCE)
    else:
        redis(action)


def empty_inboxes(channels):
    for channel in {*channels, "test"}:
        while redis(f"WS.READ {channel}").strip():
            pass


@contextlib.contextmanager
def configured(lines):
    """Lines behind those of wspush.conf, until the worker has read the file without them."""
    if not lines:
        yield
        return
    with open(CONF, encoding="utf-8") as file:
        before = file.read()
    with open(CONF, "w", encoding="utf-8") as file:
        file.write(before + "\n" + lines + "\n")
    try:
        yield
    finally:
        with open(CONF, "w", encoding="utf-8") as file:
            file.write(before)
        redis("WS.RELOAD")


def speaking_page(browser, channel):
    return browser.open([url_of(channel)], speaks="wspush.v1") if channel else contextlib.nullcontext()


@contextlib.contextmanager
def deaf_page(channel):
    """A page whose browser neither reads nor answers."""
    if not channel:
        yield
        return
    with socket.create_connection(("127.0.0.1", PORT), 5) as page:
        page.sendall(f"GET /{channel}/ HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                     "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n".encode())
        if b" 101 " not in page.recv(4096):
            raise Failed("the deaf page was not let in")
        yield


@contextlib.contextmanager
def another(commands):
    """A connection that has done this."""
    connection = Inline([], {})
    for command in filter(None, commands.split("|")):
        said = len(connection.said())
        connection.say(command)
        until(lambda: len(connection.said()) > said, f"the reply to {command}")
    try:
        yield
    finally:
        connection.end()


def as_numbered(command):
    """The command with the real numbers of the clients that it calls c1, c2 ..."""
    real = sorted(map(int, re.findall(r"^c(\d+)$", redis("WS.LIST"), re.M)))
    return re.sub(r"(?<=@client:c)\d+", lambda n: str(real[int(n[0]) - 1]) if int(n[0]) <= len(real) else n[0], command)


@contextlib.contextmanager
def presupposed(browser, options):
    channels, urls = [], []
    for word in filter(None, options.get("pages", "").split(",")):
        place, _, count = word.partition(":")
        channels += [place.partition("@")[0]] * int(count or 1)
        urls += [url_of(place)] * int(count or 1)
    until(lambda: "connections:0" in redis("INFO clients"), "the pages before to be gone")
    empty_inboxes(channels)
    if "refused" in options:
        asyncio.run_coroutine_threadsafe(be_refused(options["refused"]), browser.loop).result(PATIENCE)
    with browser.open(urls, says=options.get("says")), \
            speaking_page(browser, options.get("speaks")), deaf_page(options.get("deaf")), another(options.get("beside", "")), configured(options.get("conf", "").replace("\\n", "\n")):
        if "says" in options:
            until(lambda: sum(int(redis(f"WS.COUNT {c}")) for c in set(channels)) == len(channels), "the pages to have spoken")
        for command in filter(None, options.get("before", "").split("|")):
            redis(command)
        yield


# ---- one example ----

def example(browser, block, way):
    options = block.options
    script = steps(block)
    actions = options.get("then", "").split("|")
    with presupposed(browser, options):
        for step in script:
            step.command = as_numbered(step.command)
        talk = way([step.command for step in script if step.command], options)
        try:
            shown = ""
            for step in script:
                if step.command:
                    talk.say(step.command)
                else:
                    do(browser, actions.pop(0))
                shown += step.shown
                expect(talk, shown, options)
            time.sleep(0.05)  # for what should not come
            expect(talk, shown, options)
        finally:
            talk.end()


def expect(talk, shown, options):
    end = time.monotonic() + PATIENCE
    while not alike(shown, was := talk.said(), options):
        if time.monotonic() > end:
            raise Failed(f"the document shows\n{shown}and it was\n{was}")


# ---- all of them ----

def commands():
    rows = Inline([], {})
    rows.say("COMMAND")
    text = until(rows.said, "the reply to COMMAND")
    rows.end()
    return set(re.findall(r'^ *\d+\) 1\) "([a-z.]+)"', text, re.M))


def every_command_is_shown():
    shown = {verb(step.command) for block in examples() for step in steps(block) if step.command}
    if missing := commands() - shown:
        raise Failed(f"without an example: {', '.join(sorted(missing)).upper()}")


def every_command_has_a_row():
    text = (TOP / DOCUMENT).read_text(encoding="utf-8")
    named = {verb(name) for row in re.findall(r"^\| (`.*?) \|", text, re.M) for name in re.findall(r"`([A-Z][A-Z.]+)", row)}
    known = commands()
    if missing := known - named:
        raise Failed(f"in no table: {', '.join(sorted(missing)).upper()}")
    if unknown := {name for name in named if name not in known}:
        raise Failed(f"in a table, and unknown to the worker: {', '.join(sorted(unknown)).upper()}")


def no_block_is_something_else():
    for block in blocks.read(TOP / DOCUMENT):
        if not block.text.startswith("> "):
            raise Failed(f"{block.where}: an example begins with `> COMMAND`")
        if block.kind not in ("", "redis"):
            raise Failed(f"{block.where}: there is no kind '{block.kind}' here")


def begin_site():
    machine.write("/etc/nginx/sites-enabled/control-of-docs", SERVER)
    machine.run("systemctl reload nginx")


def check_all(suite):
    suite.check(f"{DOCUMENT}: a site for the examples", begin_site)
    suite.check(f"{DOCUMENT}: every block is an example", no_block_is_something_else)
    suite.check(f"{DOCUMENT}: every command has an example", every_command_is_shown)
    suite.check(f"{DOCUMENT}: every command is in a table, and every one in a table is there", every_command_has_a_row)
    for block in examples():
        title = f"{block.where}: {steps(block)[0].command}"
        suite.check(f"{title} (redis-cli)", example, suite.browser, block, Cli)
        suite.check(f"{title} (inline)", example, suite.browser, block, Inline)
