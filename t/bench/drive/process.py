"""Processes that the bench starts, and ends by their own numbers, whatever happens."""

import contextlib
import os
import socket
import subprocess
import time

DEADLINE = 20  # seconds, for whatever should come at once


class Trouble(Exception):
    """The run can't go on; the text says why."""


def until(condition, what, seconds=DEADLINE):
    """Waits for a condition and returns what it gave."""
    end = time.monotonic() + seconds
    while not (answer := condition()):
        if time.monotonic() > end:
            raise Trouble(f"{what}: not within {seconds} s")
        time.sleep(0.002)
    return answer


class Process:
    """A program that runs until `stop`; it ends when this program ends, too."""

    def __init__(self, argv, log, cwd, env=None):
        self.name = os.path.basename(argv[0])
        self.log = log
        with open(log, "wb") as out:
            self.popen = subprocess.Popen(["setpriv", "--pdeathsig", "KILL", *argv], cwd=cwd, stdin=subprocess.DEVNULL,
                                          stdout=out, stderr=out, env={**os.environ, **(env or {})})
        self.pid = self.popen.pid

    def check(self):
        if self.popen.poll() is not None:
            with open(self.log, encoding="utf-8", errors="replace") as log:
                raise Trouble(f"{self.name} has ended (status {self.popen.returncode}):\n" + log.read()[-2000:])

    def stop(self):
        self.popen.terminate()
        try:
            self.popen.wait(DEADLINE)
        except subprocess.TimeoutExpired:
            self.popen.kill()
            self.popen.wait()

    def family(self):
        """Its number and those of its children."""
        with open(f"/proc/{self.pid}/task/{self.pid}/children", encoding="ascii") as children:
            return [self.pid, *map(int, children.read().split())]


def connects(address):
    """Whether somebody listens at "unix:PATH" or "HOST:PORT"."""
    if address.startswith("unix:"):
        family, to = socket.AF_UNIX, address[5:]
    else:
        host, port = address.rsplit(":", 1)
        family, to = socket.AF_INET, (host, int(port))
    with contextlib.closing(socket.socket(family, socket.SOCK_STREAM)) as probe:
        return probe.connect_ex(to) == 0


def free_port():
    with contextlib.closing(socket.socket()) as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def descriptors(pid):
    return len(os.listdir(f"/proc/{pid}/fd"))
