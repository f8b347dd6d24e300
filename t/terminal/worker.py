"""A worker of one's own, and pages that have a channel open. No nginx: what is looked at here is wsctl's screen."""
import base64
import os
import shutil
import signal
import socket
import struct
import subprocess
import tempfile

from terminal import DEADLINE, until

BUILD = os.environ.get("WSPUSH_BUILD", "build")
WSCTL = os.path.abspath(os.path.join(BUILD, "wsctl"))


class Worker:
    """wspushd in a directory of its own. `control` is its socket; give programs `env`."""

    def __init__(self, config=""):
        self.dir = tempfile.mkdtemp(prefix="wspush-terminal.", dir="/tmp")
        self.control = os.path.join(self.dir, "control.sock")
        self.env = {"WSPUSH_SOCKET": self.control}
        self.process = None
        with open(os.path.join(self.dir, "wspush.conf"), "w", encoding="utf-8") as conf:
            conf.write('listen = {"unix:ws.sock"}\ncontrol = "unix:control.sock"\ndrain_time = 100ms\n' + config)
        self.start()

    def start(self):
        with open(os.path.join(self.dir, "log"), "ab") as log:
            self.process = subprocess.Popen(
                ["setpriv", "--pdeathsig", "KILL", f"{BUILD}/wspushd", "--config", f"{self.dir}/wspush.conf"],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log,
            )
        until(self.answers, "the worker")

    def answers(self):
        with socket.socket(socket.AF_UNIX) as s:
            s.settimeout(DEADLINE)
            try:
                s.connect(self.control)
                s.sendall(b"PING\r\n")
                return s.recv(16) == b"+PONG\r\n"
            except OSError:
                return False

    def stop(self, how=signal.SIGTERM):
        """Ends the worker; start() brings it back."""
        self.process.send_signal(how)
        self.process.wait(DEADLINE)

    def wsctl(self, *args, **options):
        """Runs a command to its end; gives what it printed."""
        options = {"capture_output": True, "text": True, "timeout": DEADLINE, "check": False, **options}
        return subprocess.run([WSCTL, *args], env={**os.environ, **self.env}, **options)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.stop()
        shutil.rmtree(self.dir, ignore_errors=True)


class Page:
    """A page that has /CHANNEL/ open: the smallest WebSocket client there is. It is counted when the constructor returns,
    so the first page of a worker is c1."""

    def __init__(self, worker, channel, headers=""):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.settimeout(DEADLINE)
        self.socket.connect(os.path.join(worker.dir, "ws.sock"))
        key = base64.b64encode(os.urandom(16)).decode()
        self.socket.sendall(
            f"GET /{channel}/ HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            f"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {key}\r\n{headers}\r\n".encode()
        )
        self.file = self.socket.makefile("rb")
        head = iter(self.file.readline, b"\r\n")
        if b" 101 " not in next(head):
            raise AssertionError("the worker refuses the page")
        for _ in head:
            pass

    def _send(self, opcode, payload):
        size = len(payload)
        length = struct.pack("!B", 128 | size) if size < 126 else struct.pack("!BH", 254, size)
        self.socket.sendall(bytes([128 | opcode]) + length + bytes(4) + payload)  # a mask of zeros

    def say(self, message):
        """Sends a str as text, bytes as binary."""
        self._send(*((1, message.encode()) if isinstance(message, str) else (2, message)))

    def hear(self):
        """The next message, or the code of a close as a number."""
        while True:
            opcode, size = self.file.read(2)
            opcode &= 15
            if size == 126:
                (size,) = struct.unpack("!H", self.file.read(2))
            payload = self.file.read(size)
            if opcode == 1:
                return payload.decode()
            if opcode == 2:
                return payload
            if opcode == 8:
                self._send(8, payload[:2])
                return struct.unpack("!H", payload[:2])[0] if size else 1005
            if opcode == 9:
                self._send(10, payload)

    def leave(self):
        """As a closed tab: a closing handshake, and gone."""
        self._send(8, struct.pack("!H", 1001))
        while self.file.read(1):
            pass
        self.drop()

    def drop(self):
        """Gone without a word."""
        self.file.close()
        self.socket.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.drop()
