"""The installed daemons under a service manager, which is this program: sockets handed over (sd_listen_fds(3)), what it hears on
NOTIFY_SOCKET, the watchdog. And the first part of it under systemd-socket-activate. As root; the daemons run as user wspush.

    manager.py SBIN      the directory of wspushd and wspush-fcgi; one line a check
"""
import ctypes
import fcntl
import os
import pathlib
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import time
import traceback

SBIN = sys.argv[1]
# LISTEN_PID and WATCHDOG_PID have to be the daemon's own number: it takes the shell's place.
AS_DAEMON = ["setpriv", "--reuid", "wspush", "--regid", "wspush", "--init-groups",
             "sh", "-c", 'export LISTEN_PID=$$ WATCHDOG_PID=$$; exec "$@"', "sh"]


# ---- what a daemon answers ----
def connect(path):
    s = socket.socket(socket.AF_UNIX)
    s.settimeout(10)
    s.connect(str(path))
    return s


def read_until(s, end):
    got = b""
    while end not in got:
        more = s.recv(65536)
        if not more:
            break
        got += more
    return got


def ask_control(s):
    s.sendall(b"PING\r\n")
    return read_until(s, b"\r\n") == b"+PONG\r\n"


def ask_websocket(s):
    s.sendall(b"GET /test/ HTTP/1.1\r\nHost: a\r\nOrigin: http://a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
              b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n")
    return read_until(s, b"\r\n\r\n").startswith(b"HTTP/1.1 101 ")


def ask_page(s):
    def record(kind, body=b""):
        return struct.pack(">BBHHBx", 1, kind, 1, len(body), 0) + body
    params = b"".join(bytes([len(k), len(v)]) + k + v for k, v in (
        (b"REQUEST_METHOD", b"GET"), (b"REQUEST_URI", b"/test/"), (b"SERVER_PROTOCOL", b"HTTP/1.1"), (b"HTTP_HOST", b"a")))
    s.sendall(record(1, struct.pack(">HB5x", 1, 0)) + record(4, params) + record(4) + record(5))
    return b"X-Accel-Redirect: /_wspush_page/test.html" in read_until(s, b"no-such-bytes")


def pings_pong(s):
    """Whether an open WebSocket is alive."""
    s.sendall(b"\x89\x84\0\0\0\0ping")
    return read_until(s, b"ping").startswith(b"\x8a\x04")


# ---- the manager ----
class Manager:
    def __init__(self, directory):
        self.dir = pathlib.Path(directory)
        self.dir.chmod(0o755)
        self.config = self.dir / "wspush.conf"
        self.configure()
        self.log = open(self.dir / "log", "w+b")
        self.notices = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.notices.bind(str(self.dir / "notify"))
        (self.dir / "notify").chmod(0o777)
        self.heard = []  # (when, text)
        self.daemon = None

    def configure(self, more=""):
        text = "".join(f'{option} = "unix:{self.dir}/{name}.sock"\n'
                       for option, name in (("listen", "ws"), ("control", "control"), ("fcgi_listen", "fcgi")))
        self.config.write_text(text + "drain_time = 200ms\nthreads = 2\n" + more)

    def path(self, name):
        return self.dir / f"{name}.sock"

    def open(self, *names):
        sockets = []
        for name in names:
            s = socket.socket(socket.AF_UNIX)
            s.bind(str(self.path(name)))
            s.listen(100)
            self.path(name).chmod(0o666)
            sockets.append(s)
        return sockets

    def start(self, program, sockets, watchdog=0.0):
        env = {"PATH": os.environ["PATH"], "NOTIFY_SOCKET": str(self.dir / "notify")}
        if sockets:
            env["LISTEN_FDS"] = str(len(sockets))
        if watchdog:
            env["WATCHDOG_USEC"] = str(int(watchdog * 1e6))

        def hand_over():
            copies = [fcntl.fcntl(s, fcntl.F_DUPFD_CLOEXEC, 100) for s in sockets]
            for fd, copy in enumerate(copies, 3):
                os.dup2(copy, fd)
        self.heard.clear()
        self.daemon = subprocess.Popen([*AS_DAEMON, f"{SBIN}/{program}", "--config", str(self.config)], env=env, close_fds=False,
                                       preexec_fn=hand_over, stdin=subprocess.DEVNULL, stdout=self.log, stderr=self.log)

    def listen(self, seconds, until=None):
        """Takes notices for so long, or until one has the line."""
        deadline = time.monotonic() + seconds
        while (left := deadline - time.monotonic()) > 0:
            self.notices.settimeout(left)
            try:
                text = self.notices.recv(4096).decode()
            except socket.timeout:
                break
            self.heard.append((time.monotonic(), text))
            if until and until in text.split("\n"):
                return text
        return None

    def wait(self, line, seconds=10.0):
        text = self.listen(seconds, line)
        assert text, f"no {line} in {seconds} s; heard {[t for _, t in self.heard]}"
        return text

    def beats(self, seconds):
        """When WATCHDOG=1 came in that time."""
        self.listen(0.01)
        self.heard.clear()
        self.listen(seconds)
        return [when for when, text in self.heard if "WATCHDOG=1" in text.split("\n")]

    def said(self):
        return (self.dir / "log").read_text()

    def children(self):
        return [int(n) for n in pathlib.Path(f"/proc/{self.daemon.pid}/task/{self.daemon.pid}/children").read_text().split()]

    def end(self):
        if self.daemon and self.daemon.poll() is None:
            for pid in [*self.children(), self.daemon.pid]:
                os.kill(pid, signal.SIGKILL)
            self.daemon.wait()


# ---- the two daemons ----
class Worker:
    program = "wspushd"
    names = ("ws", "control")
    strange = "fcgi"  # a socket that it has no use for
    asks = {"ws": ask_websocket, "control": ask_control}

    @staticmethod
    def stick(manager):
        """One thread of two hangs; returns how it goes on."""
        libc = ctypes.CDLL(None, use_errno=True)
        libc.ptrace.argtypes = [ctypes.c_long] * 4
        libc.ptrace.restype = ctypes.c_long
        thread = max(int(t) for t in os.listdir(f"/proc/{manager.daemon.pid}/task"))
        assert thread != manager.daemon.pid and libc.ptrace(16, thread, 0, 0) == 0, os.strerror(ctypes.get_errno())
        os.waitpid(thread, 0x40000000)  # __WALL
        return lambda: libc.ptrace(17, thread, 0, 0)


class Responder:
    program = "wspush-fcgi"
    names = ("fcgi",)
    strange = "ws"
    asks = {"fcgi": ask_page}

    @staticmethod
    def stick(manager):
        """All children hang. (A single one is the parent's business, who kills it.)"""
        stuck = manager.children()
        for pid in stuck:
            os.kill(pid, signal.SIGSTOP)
        return lambda: [os.kill(pid, signal.SIGCONT) for pid in stuck]


def answers(kind, manager):
    return all(ask(connect(manager.path(name))) for name, ask in kind.asks.items())


# ---- the checks ----
def ready(kind, m):
    """sockets handed over: READY=1 when it serves them"""
    sockets = m.open(*kind.names)
    inodes = [os.stat(m.path(n)).st_ino for n in kind.names]
    m.start(kind.program, sockets)
    m.wait("READY=1")
    assert answers(kind, m)
    assert inodes == [os.stat(m.path(n)).st_ino for n in kind.names], "it made a socket of its own"


def watched(kind, m):
    """WATCHDOG=1 comes at least once in WATCHDOG_USEC"""
    m.start(kind.program, m.open(*kind.names), watchdog=1)
    m.wait("READY=1")
    began = time.monotonic()
    beats = [began, *m.beats(4)]
    gaps = [b - a for a, b in zip(beats, beats[1:])]
    assert len(gaps) >= 4 and max(gaps) <= 1, gaps


def stuck(kind, m):
    """no WATCHDOG=1 while it hangs, and again when it goes on"""
    m.start(kind.program, m.open(*kind.names), watchdog=1)
    m.wait("READY=1")
    m.wait("WATCHDOG=1")
    go_on = kind.stick(m)
    m.listen(1)  # what was under way
    assert not m.beats(3)
    go_on()
    assert m.beats(2)


def reloaded(kind, m):
    """SIGHUP: RELOADING=1 with the time, then READY=1; what is open stays open"""
    m.start(kind.program, m.open(*kind.names))
    m.wait("READY=1")
    page = connect(m.path("ws")) if kind is Worker else None
    assert not page or ask_websocket(page)
    m.configure("log_level = debug\n")
    m.daemon.send_signal(signal.SIGHUP)
    text = m.wait("RELOADING=1")
    assert any(line.startswith("MONOTONIC_USEC=") for line in text.split("\n")), text
    m.wait("READY=1")
    assert "from now on" in m.said()
    assert not page or pings_pong(page)
    assert answers(kind, m)


def reloaded_with_a_fault(kind, m):
    """SIGHUP with a faulty configuration: said with its line, READY=1 comes, and all stays as it was"""
    m.start(kind.program, m.open(*kind.names))
    m.wait("READY=1")
    m.configure("threads = lots\n")
    m.daemon.send_signal(signal.SIGHUP)
    m.wait("RELOADING=1")
    m.wait("READY=1")
    assert "stays as it was" in m.said() and "wspush.conf:6" in m.said(), m.said()
    assert m.daemon.poll() is None and answers(kind, m)


def check_config(kind, m):
    """--check-config, as ExecReload runs it, says what is wrong (status 2), and nothing to the manager"""
    command = [f"{SBIN}/{kind.program}", "--config", str(m.config), "--check-config"]
    env = {"NOTIFY_SOCKET": str(m.dir / "notify")}
    assert subprocess.run(command, env=env, capture_output=True).returncode == 0
    m.configure("threads = lots\n")
    done = subprocess.run(command, env=env, capture_output=True, text=True)
    assert done.returncode == 2 and "wspush.conf:6" in done.stderr, done
    assert not m.listen(0.2, "READY=1")


def stopped(kind, m):
    """SIGTERM: STOPPING=1, status 0; the socket is still there, and who comes meanwhile is served by the next"""
    sockets = m.open(*kind.names)
    m.start(kind.program, sockets)
    m.wait("READY=1")
    m.daemon.send_signal(signal.SIGTERM)
    m.wait("STOPPING=1")
    assert m.daemon.wait(10) == 0
    waiting = {name: connect(m.path(name)) for name in kind.names}
    m.start(kind.program, sockets)
    m.wait("READY=1")
    for name, s in waiting.items():
        assert kind.asks[name](s), name


def killed(kind, m):
    """SIGKILL under traffic: the same"""
    sockets = m.open(*kind.names)
    m.start(kind.program, sockets)
    m.wait("READY=1")
    assert answers(kind, m)
    m.daemon.kill()
    m.daemon.wait()
    waiting = {name: connect(m.path(name)) for name in kind.names}
    m.start(kind.program, sockets)
    m.wait("READY=1")
    for name, s in waiting.items():
        assert kind.asks[name](s), name


def strange(kind, m):
    """a socket that the configuration does not name is refused: the log says which, and READY=1 never comes"""
    m.start(kind.program, m.open(*kind.names, kind.strange))
    assert m.daemon.wait(10) in (1, 2)
    assert str(m.path(kind.strange)) in m.said(), m.said()
    assert not m.listen(0.2, "READY=1")


def unmanaged(kind, m):
    """without a manager it opens its sockets itself, and removes them at its end"""
    os.chown(m.dir, *[int(subprocess.check_output(["id", o, "wspush"])) for o in ("-u", "-g")])
    m.start(kind.program, [])
    m.wait("READY=1")
    assert answers(kind, m)
    m.daemon.send_signal(signal.SIGTERM)
    assert m.daemon.wait(10) == 0
    assert not any(m.path(name).exists() for name in kind.names)


def activated(kind, m):
    """systemd-socket-activate: the first connection starts it, and is served"""
    command = ["systemd-socket-activate", "--fdname=" + ":".join(kind.names)]
    for name in kind.names:
        command += ["-l", str(m.path(name))]
    m.daemon = subprocess.Popen([*command, f"{SBIN}/{kind.program}", "--config", str(m.config)],
                                stdin=subprocess.DEVNULL, stdout=m.log, stderr=m.log)
    deadline = time.monotonic() + 10
    while m.said().count("Listening on") < len(kind.names):
        assert time.monotonic() < deadline, m.said()
        time.sleep(0.02)
    assert "ready" not in m.said()
    assert answers(kind, m)
    m.daemon.send_signal(signal.SIGTERM)
    assert m.daemon.wait(10) == 0


for kind in (Worker, Responder):
    for test in (ready, watched, stuck, reloaded, reloaded_with_a_fault, check_config, stopped, killed, strange, unmanaged, activated):
        with tempfile.TemporaryDirectory(prefix="wspush-manager.", dir="/tmp") as directory:
            manager = Manager(directory)
            try:
                test(kind, manager)
                print(f"ok    {kind.program}, {test.__doc__}", flush=True)
            except Exception:  # whatever it is, the other checks go on
                print(f"FAIL  {kind.program}, {test.__doc__}", flush=True)
                for line in (traceback.format_exc() + manager.said()).splitlines()[-30:]:
                    print("      " + line, flush=True)
            finally:
                manager.end()
