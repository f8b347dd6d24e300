"""wsctl tail on a terminal: what fits into a line, in columns, and the colours. What it says of events is tested on a pipe
(t/system/test_tail.c); here the worker's lines come from a stand-in, so that they may hold anything."""
import os
import re
import socket
import tempfile
import threading
import unittest

from terminal import DEADLINE, Terminal
from worker import Page, Worker, WSCTL

CLOCK = "12:34:56"
TIME = 45296000  # Unix ms
WIDE = "界"  # two columns


class FalseWorker:
    """Answers INFO and subscriptions as a worker does, and then shows these events: (name, payload)."""

    def __init__(self, events):
        self.dir = tempfile.TemporaryDirectory(prefix="wspush-terminal.", dir="/tmp")
        self.env = {"WSPUSH_SOCKET": os.path.join(self.dir.name, "control.sock")}
        self.events = b"".join(b"*3\r\n" + bulk("message") + bulk(name) + bulk(payload) for name, payload in events)
        self.server = socket.socket(socket.AF_UNIX)
        self.server.bind(self.env["WSPUSH_SOCKET"])
        self.server.listen()
        self.peers = []
        self.threads = []
        self.go(self.accept)

    def go(self, what, *arguments):
        self.threads.append(threading.Thread(target=what, args=arguments, daemon=True))
        self.threads[-1].start()

    def accept(self):
        while True:
            try:
                peer, _ = self.server.accept()
            except OSError:
                return
            self.peers.append(peer)
            self.go(self.talk, peer)

    def talk(self, peer):
        subscriptions = 0
        with peer.makefile("rb") as lines:
            while lines.readline():  # *2: both commands are a word and an argument
                word, name = (lines.read(int(lines.readline()[1:]) + 2)[:-2] for _ in range(2))
                if word == b"INFO":
                    peer.sendall(bulk("process_id:1\r\nuptime_in_seconds:5\r\n"))
                    continue
                subscriptions += 1
                peer.sendall(b"*3\r\n" + bulk(word) + bulk(name) + b":%d\r\n" % subscriptions)
                if subscriptions == 3:
                    peer.sendall(self.events)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        """Nobody is left who waits for a descriptor that is another's next."""
        self.server.shutdown(socket.SHUT_RDWR)
        self.threads[0].join(DEADLINE)
        for peer in self.peers:
            peer.shutdown(socket.SHUT_RDWR)
        for thread in self.threads:
            thread.join(DEADLINE)
        for end in (*self.peers, self.server):
            end.close()
        self.dir.cleanup()


def bulk(text):
    data = text.encode() if isinstance(text, str) else text
    return b"$%d\r\n%s\r\n" % (len(data), data)


def said(client, data, user=None):
    """The worker's line of what a client sends."""
    by = f',"user":"{user}"' if user is not None else ""
    return "@in:test", f'{{"client":"{client}"{by},"type":"text","data":"{data}","time":{TIME}}}'


def event(what, client, more=""):
    return "@events:test", f'{{"event":"{what}","client":"{client}"{more},"time":{TIME}}}'


class Tail(unittest.TestCase):
    def tail(self, events, columns=80, rows=24, env=None, arguments=("test",)):
        worker = self.enterContext(FalseWorker(events))
        return self.enterContext(Terminal([WSCTL, "tail", *arguments], columns, rows, {**worker.env, **(env or {})}))

    def test_lines(self):
        t = self.tail([
            event("open", "c1"), event("open", "c2", ',"user":"alice"'), said("c1", "hi"), said("c2", "two\\nlines", "alice"),
            said("c3", "who", ""),
            ("@in:test", f'{{"client":"c1","type":"binary","b64":"{"/wAB" * 8}","time":{TIME}}}'),
            event("close", "c1", ',"code":1001'), event("close", "c2", ',"user":null,"code":4501'),
        ])
        t.wait_screen([
            f"{CLOCK} +  test c1",
            f"{CLOCK} +  test c2 (alice)",
            f"{CLOCK} <- test c1: hi",
            f"{CLOCK} <- test c2 (alice): two\\x0alines",
            f"{CLOCK} <- test c3: who",
            f"{CLOCK} <- test c1: (binary, 24 bytes) ff0001ff0001ff0001ff0001ff0001ff...",
            f"{CLOCK} -  test c1 1001",
            f"{CLOCK} -  test c2 4501",
        ])

    def test_an_event_of_a_newer_worker(self):
        events = [event("join\\u001b", "c1", ',"user":"alice"')]
        self.tail(events).wait_screen([f"{CLOCK} *  test c1 (alice) join\\x1b"])
        t = self.tail(events, arguments=("--json", "test"))
        members = f'"event":"join\\u001b","client":"c1","user":"alice","time":{TIME}'
        t.wait(lambda: "".join(t.screen()) == f'{{"direction":"event","channel":"test",{members}}}')

    def test_what_a_browser_sends_does_not_drive_the_terminal(self):
        t = self.tail([
            said("c1", "\\u001b[2Jgone\\u009b7m\\\\"), said("\\u001b[31mc2", "x", "\\u001b]0;title\\u0007"),
            ("@in:test", "\x1b[2Jnot JSON"), ("@in:test", "{}"), ("test", b"\xff\x1b[2J"),
        ])
        screen = t.wait(lambda: t.screen() if len(t.screen()) == 5 else None)
        self.assertEqual(screen[1], f"{CLOCK} <- test \\x1b[31mc2 (\\x1b]0;title\\x07): x")
        self.assertEqual(screen[0], f"{CLOCK} <- test c1: \\x1b[2Jgone\\xc2\\x9b7m\\\\")
        self.assertRegex(screen[2], r" \?  test: \\x1b\[2Jnot JSON$")
        self.assertRegex(screen[3], r" \?  test: \{\}$")
        self.assertRegex(screen[4], r" -> test: \(binary, 5 bytes\) ff1b5b324a$")

    def test_cut_at_the_width(self):
        """The line's last column is used, and not one more; a character of two columns is not cut in two."""
        head = f"{CLOCK} <- test c1: "  # 21 columns
        room = 80 - len(head)
        t = self.tail([
            said("c1", "x" * room), said("c1", "x" * (room + 1)), said("c1", WIDE * 40),
            said("c1", "x" + WIDE * 40), said("c1", "e\u0301" * room), said("c1", "e\u0301" * 100),
        ])
        t.wait_screen([
            head + "x" * room,
            head + "x" * (room - 3) + "...",
            head + WIDE * ((room - 3) // 2) + "...",
            head + "x" + WIDE * ((room - 4) // 2) + "...",
            head + "e\u0301" * room,
            head + "e\u0301" * (room - 3) + "...",
        ])

    def test_after_a_resize(self):
        """What comes afterwards is cut at the new width."""
        worker = self.enterContext(Worker())
        page = self.enterContext(Page(worker, "test"))
        t = self.enterContext(Terminal([WSCTL, "tail", "test"], 80, 24, worker.env))
        t.wait(lambda: "@in:test" in self.watched(worker))
        page.say(WIDE * 50)
        t.wait("...")
        self.assertEqual([len(line.encode("utf-32-le")) // 4 + line.count(WIDE) for line in t.screen()], [80 - (80 - 21 - 3) % 2])
        t.resize(40, 12)
        page.say(WIDE * 50)
        page.say("x" * 50)
        t.wait(lambda: t.screen()[-1].endswith("xxx..."))
        wide, narrow = t.screen()[-2:]
        self.assertRegex(wide, f"^..:..:.. <- test c1: {WIDE * 8}\\.\\.\\.$")
        self.assertRegex(narrow, r"^..:..:.. <- test c1: x{16}\.\.\.$")

    def watched(self, worker):
        with socket.socket(socket.AF_UNIX) as s:
            s.settimeout(DEADLINE)
            s.connect(worker.control)
            s.sendall(b"PUBSUB CHANNELS\r\n")
            return s.recv(4096).decode()

    def test_narrower_than_a_line_begins(self):
        t = self.tail([said("c1", "hello")], columns=12, rows=10)
        t.wait_screen([f"{CLOCK} ..."])

    def test_colours(self):
        t = self.tail([said("c1", WIDE * 80)])
        t.wait("...")
        line = t.screen(colours=True)[0]
        self.assertIn("\x1b[2m" + CLOCK, line)
        self.assertRegex(line, "\x1b\\[[0-9;]*1m(\x1b\\[[0-9;]*m)*test")
        self.assertRegex(line, "\x1b\\[[0-9;]*36m(\x1b\\[[0-9;]*m)*c1")
        self.assertEqual(re.sub("\x1b\\[[0-9;]*m", "", line), t.screen()[0])

    def test_no_colours(self):
        t = self.tail([said("c1", "hi")], env={"NO_COLOR": "1"})
        t.wait("c1: hi")
        self.assertEqual(t.screen(colours=True), t.screen())

    def test_json_is_whole(self):
        t = self.tail([said("c1", "x" * 100)], arguments=("--json", "test"))
        line = f'{{"direction":"in","channel":"test","client":"c1","type":"text","data":"{"x" * 100}","time":{TIME}}}'
        t.wait(lambda: "".join(t.screen()) == line)


if __name__ == "__main__":
    unittest.main()
