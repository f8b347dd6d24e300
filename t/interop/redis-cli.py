"""redis-cli, as people and scripts use it, on the control socket."""
import asyncio
import contextlib
import fcntl
import json
import os
import re
import signal
import struct
import subprocess
import termios

from check import CONTROL, Worker, browser, check, equal, hear, main, run, until

VERSION = subprocess.run(["redis-cli", "--version"], capture_output=True, text=True).stdout.strip()


async def cli(*args, stdin=b"", status=0, socket=CONTROL):
    out = await run("redis-cli", "-s", socket, *args, stdin=stdin, status=status)
    return out.decode()


@check("PUBLISH prints the number of browsers reached, and they get the message")
async def _():
    equal(await cli("PUBLISH", "rc1", "hi"), "0\n", "without a browser it")
    async with browser("rc1") as a, browser("rc1") as b:
        equal(await cli("PUBLISH", "rc1", "hi"), "2\n")
        equal(await hear(a, 1) + await hear(b, 1), ["hi", "hi"])


@check("lower-case verbs, and arguments that the shell has quoted")
async def _():
    async with browser("rc2") as ws:
        equal(await cli("publish", "rc2", 'two  words "quoted" \\ \' é 房间 🙂'), "1\n")
        equal(await cli("publish", "rc2", ""), "1\n")
        equal(await hear(ws, 2), ['two  words "quoted" \\ \' é 房间 🙂', ""])


@check("commands on stdin, one a line, with redis-cli's own quoting")
async def _():
    async with browser("rc3") as ws:
        lines = b"""PUBLISH rc3 plain
publish rc3 "two words"
PUBLISH rc3 "a\\tb\\nc \\"d\\""
PUBLISH rc3 'it''s'
PUBLISH rc3 "\\xe2\\x82\\xac"
WS.SEND rc3 "\\x00\\xff" BINARY
WS.COUNT rc3
"""
        out = await cli(stdin=lines)
        replies = out.splitlines()
        equal(replies[:3] + replies[4:5], ["1", "1", "1", "1"])
        equal("Invalid argument" in replies[3], True, "'it''s', which redis-cli itself refuses,")
        equal(replies[5], "1", "the recipients of WS.SEND")
        equal(re.fullmatch(r"\d{13}-5", replies[6]) is not None, True, f"{replies[6]} as an id")
        equal(replies[7], "0")
        equal(await hear(ws, 5), ["plain", "two words", 'a\tb\nc "d"', "€", b"\x00\xff"])


@check("--pipe: 1,000 publishes, errors: 0, replies: 1000, and all arrive in order")
async def _():
    def resp(*args):
        return b"*%d\r\n" % len(args) + b"".join(b"$%d\r\n%s\r\n" % (len(a), a) for a in args)

    async with browser("rc4") as ws:
        commands = b"".join(resp(b"PUBLISH", b"rc4", b"message %d" % i) for i in range(1000))
        equal("errors: 0, replies: 1000" in await cli("--pipe", stdin=commands), True)
        equal(await hear(ws, 1000), [f"message {i}" for i in range(1000)])
        inline = b"".join(b"PUBLISH rc4 inline%d\r\n" % i for i in range(1000))
        equal("errors: 0, replies: 1000" in await cli("--pipe", stdin=inline), True, "with inline commands it")
        equal(await hear(ws, 1000), [f"inline{i}" for i in range(1000)])


@check("--pipe counts error replies and goes on")
async def _():
    mixed = b"PUBLISH rc5 a\r\nPUBLISH bad#name a\r\nNONSENSE\r\nPUBLISH rc5 b\r\n"
    out = await cli("--pipe", stdin=mixed, status=None)
    equal("errors: 2, replies: 4" in out, True, f"errors: 2, replies: 4 in {out!r}")


@check("-3: a hello is answered, and WS.LIST is maps")
async def _():
    async with browser("rc6"):
        equal(await cli("-3", "PUBLISH", "rc6", "hi"), "1\n")
        hello = json.loads(await cli("--json", "HELLO", "3"))
        equal((hello["server"], hello["proto"]), ("wspush", 3))
        rows = json.loads(await cli("--json", "WS.LIST", "rc6"))
        equal([(row["channels"], row["transport"], row["address"]) for row in rows], [(["rc6"], "raw", "127.0.0.1")])
        equal("1)" in await cli("-2", "--no-raw", "WS.LIST", "rc6"), True, "a numbered list in RESP2")


@check("-n 0 works; -n 1 and a password print an error and go on")
async def _():
    equal(await cli("-n", "0", "PUBLISH", "rc7", "hi"), "0\n")
    other = await cli("-n", "1", "PUBLISH", "rc7", "hi")
    equal(("only database 0" in other, "0" in other.splitlines()), (True, True), repr(other))
    secret = await cli("-a", "secret", "--no-auth-warning", "PUBLISH", "rc7", "hi")
    equal(("no password" in secret, "0" in secret.splitlines()), (True, True), repr(secret))


@check("INFO, whole and by section")
async def _():
    whole = await cli("INFO")
    for field in ("redis_version:7.0.0", "loading:0", "wspush_version:", "connected_clients:", "used_memory:"):
        equal(field in whole, True, f"{field} in INFO")
    stats = await cli("INFO", "stats")
    equal(("total_commands_processed:" in stats, "redis_version" in stats), (True, False), "INFO stats")


@check("PING a few times, --latency, --stat")
async def _():
    equal(await cli("-r", "5", "PING"), "PONG\n" * 5)
    equal(await cli("PING", "are you there"), "are you there\n")
    samples = (await cli("--latency", "--raw", "-i", "0.2")).split()
    equal((len(samples), int(samples[3]) > 1), (4, True), f"min, max, avg, count: {samples}")
    process = await asyncio.create_subprocess_exec(
        "redis-cli", "-s", CONTROL, "--stat", "-i", "0.05", stdout=asyncio.subprocess.PIPE
    )
    try:
        lines = [await asyncio.wait_for(process.stdout.readline(), 10) for _ in range(5)]
    finally:
        process.terminate()
        await process.wait()
    rows = [line.split() for line in lines[2:]]
    equal([row[0] for row in rows], [b"0"] * 3, "keys in --stat")
    equal(all(b"(+" in b" ".join(row) for row in rows), True, f"requests in {lines}")


@check("-x takes the last argument from stdin, lines and all; -X any argument")
async def _():
    async with browser("rc8") as ws:
        equal(await cli("-x", "PUBLISH", "rc8", stdin=b"first line\nsecond line\n"), "1\n")
        big = b"0123456789abcdef" * 40000
        equal(await cli("-x", "PUBLISH", "rc8", stdin=big), "1\n")
        sent = await cli("-X", "it", "WS.SEND", "rc8", "it", "BINARY", stdin=b"\x00\r\n\xff")
        equal(sent.splitlines()[0], "1")
        equal(await hear(ws, 3), ["first line\nsecond line\n", big.decode(), b"\x00\r\n\xff"])


@check("-r and -i repeat")
async def _():
    async with browser("rc9") as ws:
        equal(await cli("-r", "10", "-i", "0.01", "PUBLISH", "rc9", "again"), "1\n" * 10)
        equal(await hear(ws, 10), ["again"] * 10)


@check("errors are error replies: -e makes them the exit status, and none ends the connection")
async def _():
    for words, text in (
        (("PUBLISH", "bad#name", "x"), "BADNAME"),
        (("PUBLISH", "rc10"), "ERR wrong number of arguments"),
        (("PUBLISH", "@client:c999999999", "x"), "NOTARGET"),
        (("GET", "x"), "ERR unknown command 'GET'"),
        (("EVAL", "return 1", "0"), "ERR unknown command 'EVAL'"),
        (("CONFIG", "GET", "*"), "ERR unknown command 'CONFIG'"),
    ):
        out = await cli("-e", *words, status=1)
        equal(text in out, True, f"{text} in {out!r}")
    out = await cli("-x", "PUBLISH", "rc10", stdin=b"caf\xff")
    equal("BADUTF8" in out and "at byte 3" in out, True, f"BADUTF8 at byte 3 in {out!r}")
    out = await cli(stdin=b"GET x\nPUBLISH bad#name x\nPING\n")
    equal(out.endswith("PONG\n"), True, repr(out))


@check("MULTI, EXEC and DISCARD on stdin")
async def _():
    async with browser("rc11") as ws:
        out = await cli(stdin=b"MULTI\nPUBLISH rc11 a\nPUBLISH rc11 b\nEXEC\nMULTI\nPUBLISH rc11 no\nDISCARD\nPING\n")
        equal(out.split(), "OK QUEUED QUEUED 1 1 OK QUEUED OK PONG".split())
        out = await cli(stdin=b"MULTI\nNONSENSE\nPUBLISH rc11 no\nEXEC\n")
        equal("EXECABORT" in out, True, f"EXECABORT in {out!r}")
        equal(await cli("PUBLISH", "rc11", "last"), "1\n")
        equal(await hear(ws, 3), ["a", "b", "last"])


@check("WS.WAIT, WS.READ, WS.COUNT, WS.HAS and WS.CLOSE")
async def _():
    async with browser("rc12") as ws:
        equal(await cli("WS.WAIT", "rc12", "TIMEOUT", "50"), "timeout\n")
        equal(await cli("WS.READ", "rc12"), "\n")
        waiting = asyncio.create_task(cli("WS.WAIT", "rc12", "TIMEOUT", "9000"))
        await ws.send('["1","2","3"]')
        await ws.send(b"\x01")
        client, channel, kind, payload, at, lost = (await waiting).splitlines()
        equal((channel, kind, payload, lost), ("rc12", "text", '["1","2","3"]', "0"))
        equal(len(at), 13, "the length of the time")
        await until(lambda: _is(cli("WS.COUNT", "rc12"), "1\n"), "the second message")
        equal(await cli("WS.HAS", f"@client:{client}"), "1\n")
        equal((await cli("WS.READ", "rc12")).splitlines()[2], "binary")
        equal(await cli("WS.CLOSE", f"@client:{client}", "4000", "see you later"), "1\n")
        await asyncio.wait_for(ws.wait_closed(), 10)
        equal((ws.close_code, ws.close_reason), (4000, "see you later"))
        equal(await cli("WS.WAIT", f"@client:{client}", "TIMEOUT", "9000"), "closed\n")


async def _is(coroutine, expected):
    return await coroutine == expected


@contextlib.asynccontextmanager
async def watching(*args):
    """redis-cli with a command that goes on; gives a function for its next line."""
    process = await asyncio.create_subprocess_exec(
        "redis-cli", "-s", CONTROL, *args, stdout=asyncio.subprocess.PIPE
    )

    async def line():
        return (await asyncio.wait_for(process.stdout.readline(), 10)).decode().rstrip("\n")

    try:
        yield line
    finally:
        process.terminate()
        await process.wait()


@check("SUBSCRIBE and PSUBSCRIBE go on and print what comes, in RESP2 and RESP3")
async def _():
    for proto in "-2", "-3":
        async with watching(proto, "SUBSCRIBE", "rc15", "@in:rc15") as line:
            equal([await line() for _ in range(6)], ["subscribe", "rc15", "1", "subscribe", "@in:rc15", "2"])
            async with browser("rc15") as ws:
                equal(await cli("PUBLISH", "rc15", "hello"), "1\n")
                equal([await line() for _ in range(3)], ["message", "rc15", "hello"])
                await ws.send("answer")
                equal([await line() for _ in range(2)], ["message", "@in:rc15"])
                said = json.loads(await line())
                equal((said["type"], said["data"], said["client"][0]), ("text", "answer", "c"))
        async with watching(proto, "PSUBSCRIBE", "rc15/*", "@events:rc15/**") as line:
            equal([await line() for _ in range(6)], ["psubscribe", "rc15/*", "1", "psubscribe", "@events:rc15/**", "2"])
            equal(await cli("PUBLISH", "rc15/a", "hello"), "0\n")
            equal([await line() for _ in range(4)], ["pmessage", "rc15/*", "rc15/a", "hello"])
            async with browser("rc15/a"):
                equal([await line() for _ in range(3)], ["pmessage", "@events:rc15/**", "@events:rc15/a"])
                equal(json.loads(await line())["event"], "open")
            equal([await line() for _ in range(3)], ["pmessage", "@events:rc15/**", "@events:rc15/a"])
            closed = json.loads(await line())
            equal((closed["event"], closed["code"]), ("close", 1000))


@check("MONITOR prints commands, without what they send")
async def _():
    async with watching("MONITOR") as line:
        equal(await line(), "OK")
        equal(await cli("PUBLISH", "rc16", "secret"), "0\n")
        seen = await line()
        equal(re.fullmatch(r'\d+\.\d{6} \[0 unix:id=\d+\] "PUBLISH" "rc16" "\(6 bytes\)"', seen) is not None, True, seen)


@check("PUBLISH, WS.SEND and WS.LIST to @user:, in one shot, by --pipe, -3 and at a terminal; receipts by pong")
async def _():
    async with browser("of/rc18/a") as a, browser("of/rc18/b") as b, browser("of/other/a") as other:
        both = asyncio.gather(hear(a, 7), hear(b, 7))
        equal(await cli("PUBLISH", "@user:rc18", "one shot"), "2\n")
        equal(await cli("-3", "PUBLISH", "@user:rc18", "RESP3"), "2\n")
        equal("errors: 0, replies: 2" in await cli("--pipe", stdin=b"PUBLISH @user:rc18 p1\nWS.SEND @user:rc18 p2\n"), True)
        with Terminal("-s", CONTROL) as terminal:
            await terminal.expect("> ")
            terminal.type("PUBLISH @user:rc18 typed\r")
            await terminal.expect("(integer) 2\r\n")
        equal((await cli("WS.SEND", "@user:rc18", "receipt", "WAIT", "ponged")).splitlines(), ["2", "", "ponged", "2", ""])
        waited = json.loads(await cli("--json", "WS.SEND", "@match:of/rc18/*", "match", "WAIT", "ponged"))
        equal(waited, [2, None, {"ponged": 2}, []])
        equal(await both, [["one shot", "RESP3", "p1", "p2", "typed", "receipt", "match"]] * 2)
        rows = json.loads(await cli("--json", "WS.LIST", "@user:rc18"))
        equal(sorted((row["user"], row["channels"]) for row in rows), [("rc18", ["of/rc18/a"]), ("rc18", ["of/rc18/b"])])
        equal(await cli("WS.CLOSE", "@user:other", "4000"), "1\n")
        await asyncio.wait_for(other.wait_closed(), 10)


@check("PUBSUB")
async def _():
    async with watching("SUBSCRIBE", "rc17") as line:
        equal([await line() for _ in range(3)], ["subscribe", "rc17", "1"])
        equal(await cli("PUBSUB", "CHANNELS", "rc1?"), "rc17\n")
        equal(await cli("PUBSUB", "NUMSUB", "rc17", "rc18"), "rc17\n1\nrc18\n0\n")


@check("CLIENT and COMMAND")
async def _():
    equal(int(await cli("COMMAND", "COUNT")) > 20, True)
    equal("publish" in (await cli("COMMAND")).split(), True, "publish in COMMAND")
    out = await cli(stdin=b"CLIENT SETNAME shell\nCLIENT GETNAME\nCLIENT LIST\nCLIENT ID\n")
    equal(out.splitlines()[:2], ["OK", "shell"])
    equal("name=shell" in out, True, "name=shell in CLIENT LIST")


class Terminal:
    """redis-cli as somebody at a terminal sees it. What is typed before the prompt is there is lost."""

    def __init__(self, *args):
        ours, theirs = os.openpty()
        fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 40, 200, 0, 0))
        env = dict(os.environ, TERM="xterm")
        self.process = subprocess.Popen(
            ["redis-cli", *args], stdin=theirs, stdout=theirs, stderr=theirs, start_new_session=True, env=env
        )
        os.close(theirs)
        os.set_blocking(ours, False)
        self.fd = ours
        self.seen = b""

    def _read(self):
        try:
            self.seen += os.read(self.fd, 65536)
        except BlockingIOError:
            pass
        except OSError:  # it has ended
            self.seen += b"<end>"

    async def expect(self, text):
        def there():
            self._read()
            return text.encode() in self.seen

        try:
            await until(there, text)
        except AssertionError as error:
            raise AssertionError(f"{error}; seen: {self.seen[-2000:]!r}") from None
        self.seen = self.seen.split(text.encode(), 1)[1]

    def type(self, text):
        os.write(self.fd, text.encode())

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        os.close(self.fd)


@check("at a terminal: the prompt, replies, errors, HELLO 3, exit")
async def _():
    async with browser("rc13") as ws:
        with Terminal("-s", CONTROL) as terminal:
            for words, reply in (
                ('PUBLISH rc13 "hello from a terminal"', "(integer) 1\r\n"),
                ("WS.WAIT rc13 TIMEOUT 20", '1) "timeout"\r\n'),
                ("GET x", "(error) ERR unknown command"),
                ("HELLO 3", '1# "server" => "wspush"\r\n'),
                ("WS.READ rc13", "(nil)\r\n"),
            ):
                await terminal.expect("> ")
                terminal.type(f"{words}\r")
                await terminal.expect(reply)
            equal(await hear(ws, 1), ["hello from a terminal"])
            await terminal.expect("> ")
            terminal.type("exit\r")
            await until(lambda: terminal.process.poll() == 0, "redis-cli's end")


@check("at a terminal it goes on by itself when the worker was killed and has come back")
async def _():
    async with Worker("rc14") as worker:
        with Terminal("-s", worker.control) as terminal:
            await terminal.expect("> ")
            terminal.type("PING one\r")
            await terminal.expect('"one"\r\n')
            await terminal.expect("> ")
            await worker.end(signal.SIGKILL)
            terminal.type("PING two\r")
            await terminal.expect("not connected> ")
            await worker.start()
            terminal.type("PING three\r")
            await terminal.expect('"three"\r\n')


main(VERSION)
