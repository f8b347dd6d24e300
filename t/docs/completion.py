"""Bash completion as it is installed, with pages open on two channels: what it offers, and what is on the line after the Tab key."""
import os
import pty
import re
import select
import shlex
import socket
import time

from machine import HOST, Failed, run
from pages import until

FILE = "/usr/share/bash-completion/completions/wsctl"
LOADER = "/usr/share/bash-completion/bash_completion"
HOSTILE = "chat/x$(id)"  # what a browser may call a channel
OPTION = "--all"  # and what wsctl would read as something else
BRACKETS = "sq[a]b"


def offered(line, before=""):
    """What is offered at the end of a line, sorted. Words are cut as readline cuts them."""
    words = re.findall(r"[@:=]|[^\s@:=]+", line) + ([""] if line.endswith(" ") else [])
    program = os.path.basename(line.split()[0])
    script = f"""{before}
        . {FILE}
        read -ra how <<<"$(complete -p {program})"
        COMP_LINE={shlex.quote(line)} COMP_POINT=${{#COMP_LINE}} COMP_WORDS=({shlex.join(words)}) COMP_CWORD={len(words) - 1}
        ${{how[2]}} {program}
        printf '%s\\n' "${{COMPREPLY[@]}}" """
    return sorted(filter(None, run(f"bash --norc -c {shlex.quote(script)}").split("\n")))


class Terminal:
    """An interactive bash with bash-completion, which finds ours by itself."""

    def __init__(self):
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            os.environ.update(TERM="dumb", PS1="$ ", INPUTRC="/dev/null", LC_ALL="C.UTF-8")
            os.execvp("bash", ["bash", "--norc", "--noprofile", "-i"])
        self.seen = ""
        self.type(f". {LOADER}; bind 'set bell-style none'; bind 'set enable-bracketed-paste off'; echo ready$((1))\n")
        self.wait_for("ready1")

    def type(self, keys):
        os.write(self.fd, keys.encode())

    def look(self):
        if select.select([self.fd], [], [], 0.02)[0]:
            self.seen += os.read(self.fd, 4096).decode()
        return self.seen

    def wait_for(self, text):
        try:
            until(lambda: text in self.look(), f"'{text}'", 5)
        except AssertionError:
            raise Failed(f"no '{text}' on the terminal, but:\n{self.seen[-300:]!r}") from None

    def end(self):
        os.close(self.fd)
        os.waitpid(self.pid, 0)


def expect(line, *those, before=""):
    now = offered(line, before)
    if now != sorted(those):
        raise Failed(f"{line!r} is offered {now}, expected {sorted(those)}")


def expect_typed(keys, line):
    terminal = Terminal()
    try:
        terminal.seen = ""
        terminal.type(keys)
        terminal.wait_for(line)
    finally:
        terminal.end()


def listed_by_help(command, pattern):
    return re.findall(pattern, run(command), re.M)


def check_words(suite):
    verbs = listed_by_help("wsctl help | sed '/^Options/,$d'", r"^  (\w+) ")
    suite.check("completion: every command", expect, "wsctl ", *verbs)
    for verb in verbs:
        options = listed_by_help(f"wsctl help {verb}", r"^  .{4}(--[a-z-]+)")
        suite.check(f"completion: every option of {verb}", expect, f"wsctl {verb} -", *options)
    for daemon in ("wspushd", "wspush-fcgi"):
        options = listed_by_help(f"{daemon} --help", r"^  (--[a-z-]+)")
        suite.check(f"completion: every option of {daemon}", expect, f"{daemon} --", *options)
    suite.check("completion: a file", expect, "wspushd --config /etc/wspush/ws", "/etc/wspush/wspush.conf")
    suite.check("completion: a file for send", expect, "wsctl send --file /etc/wspush/ws", "/etc/wspush/wspush.conf")
    suite.check("completion: sections of info", expect, "wsctl info s", "server", "stats")
    suite.check("completion: commands for help", expect, "wsctl help se", "send")
    suite.check("completion: what --wait waits for", expect, "wsctl send --wait=h", "handed")
    suite.check("completion: what else it waits for", expect, "wsctl send --wait=", "acked", "handed", "ponged")
    suite.check("completion: nothing behind the target", expect, "wsctl send test ")


def client_of(channel, user=""):
    """A client as nginx would introduce it."""
    s = socket.socket(socket.AF_UNIX)
    s.settimeout(5)
    s.connect("/run/wspush/ws.sock")
    s.sendall(
        f"GET /{channel}/ HTTP/1.1\r\nHost: {HOST}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nX-Wspush-User: {user}\r\n"
        "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n".encode()
    )
    if not s.recv(4096).startswith(b"HTTP/1.1 101"):
        raise Failed("the worker takes no client")
    return s


def check_live(suite):
    urls = [f"wss://{HOST}/{channel}/" for channel in ("chat/room1", "chat/room2", "chat/room2", HOSTILE)]
    with suite.browser.open(urls), client_of("chat/room1", "dora"), client_of(OPTION), client_of(BRACKETS):
        clients = run("wsctl list --quiet").split()
        quoted = HOSTILE.replace("$(id)", r"\$\(id\)")
        square = BRACKETS.replace("[", r"\[").replace("]", r"\]")
        suite.check("completion: live channels, quoted, and none that is an option", expect, "wsctl send ", "chat/room1",
                    "chat/room2", quoted, square)
        suite.check("completion: all of them behind --", expect, "wsctl send -- ", "chat/room1", "chat/room2", quoted, square,
                    OPTION)
        suite.check("completion: a channel with brackets", expect, "wsctl send s", square)
        suite.check("completion: no target behind --all", expect, "wsctl send --all ")
        suite.check("completion: nor behind --client", expect, "wsctl send --client c1 ")
        suite.check("completion: nor behind --client=", expect, "wsctl send --client=c1 ")
        suite.check("completion: those that begin so, behind an option with a value", expect, "wsctl send --count 3 chat/r",
                    "chat/room1", "chat/room2")
        suite.check("completion: inboxes", expect, "wsctl wait -t 5 chat/room1", "chat/room1")
        suite.check("completion: any number of channels", expect, "wsctl tail other chat/r", "chat/room1", "chat/room2")
        suite.check("completion: what a channel's clients send", expect, "wsctl tail @in:chat/r", "chat/room1", "chat/room2")
        suite.check("completion: how they come and go, and no targets", expect, "wsctl tail @e", f"@events:{OPTION}",
                    "@events:chat/room1", "@events:chat/room2", f"@events:{quoted}", f"@events:{square}")
        suite.check("completion: behind an @", expect, "wsctl send @", "@all", "@user:dora",
                    *(f"@client:{client}" for client in clients))
        suite.check("completion: behind @user:", expect, "wsctl send @user:d", "dora")
        suite.check("completion: @all has no inbox", expect, "wsctl wait @", *(f"@client:{client}" for client in clients))
        suite.check("completion: behind @client:", expect, "wsctl close @client:c", *clients)
        suite.check("completion: --client", expect, "wsctl read --client ", *clients)
        suite.check("completion: --client=", expect, "wsctl read --client=c", *clients)
        suite.check("completion: of the socket that is named", expect, "wsctl --socket /nowhere send ")
        suite.check("completion: Tab, a channel", expect_typed, "wsctl send chat/room1\t|", "wsctl send chat/room1 |")
        suite.check("completion: Tab, a hostile channel", expect_typed, "wsctl send chat/x\t|", f"wsctl send {quoted} |")
        client = clients[0]
        rest = client[len(os.path.commonprefix(clients)) :]
        suite.check("completion: Tab, @client:", expect_typed, f"wsctl send @cl\t{rest}\t|", f"wsctl send @client:{client} |")
        suite.check("completion: Tab, a command", expect_typed, "wsctl cons\t|", "wsctl console |")


def quick_and_silent():
    began = time.monotonic()
    expect("wsctl send ")
    if time.monotonic() - began > 2:
        raise Failed(f"it took {time.monotonic() - began:.1f} s")


def check_dead(suite):
    """No worker; then one that listens and says nothing."""
    run("systemctl stop wspushd")
    suite.check("completion: without a worker, silence at once", quick_and_silent)
    listener = "import socket, time; s = socket.socket(socket.AF_UNIX); s.bind('/run/wspush/control.sock'); s.listen(); time.sleep(4)"
    run(f"rm -f /run/wspush/control.sock; (timeout 5 python3 -c {shlex.quote(listener)} >/dev/null 2>&1 &) "
        "; until [ -S /run/wspush/control.sock ]; do sleep 0.02; done")
    suite.check("completion: with a worker that hangs, silence soon", quick_and_silent)
    run("rm -f /run/wspush/control.sock; systemctl start wspushd")


def check_all(suite):
    check_words(suite)
    check_live(suite)
    check_dead(suite)
