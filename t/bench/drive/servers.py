"""
The servers that are compared. Each lives in a directory of its own, is reached directly over a Unix socket or TCP, or through
an nginx of its own with the configuration of conf/nginx, and tells the numbers of all processes that work for it.
"""

import glob
import os
import re
import resource
import socket
import time

from drive.process import DEADLINE, Process, Trouble, connects, descriptors, free_port, until

TOP = os.path.abspath(os.path.join(os.path.dirname(__file__), "..", "..", ".."))

# Descriptors that a server may open after it has answered for the first time; a run has many more clients.
LATER = 20

WSPUSH_CONF = """
listen = {{"unix:ws.sock", "{tcp}"}}
control = "unix:control.sock"
fcgi_listen = "unix:fcgi.sock"
"""


class Server:
    """What all have in common. `transport` says how clients come: "unix", "tcp" or "nginx"."""

    def __init__(self, folder, transport):
        os.makedirs(folder)
        self.folder = folder
        self.transport = transport
        self.tcp = f"127.0.0.1:{free_port()}"
        self.control = f"unix:{folder}/control.sock"
        self.publish_by = ["--control", self.control]
        self.path = "/bench"
        self.processes = []

    def begin(self, argv, answers, env=None):
        """Starts a program and waits until it answers there."""
        process = Process(argv, f"{self.folder}/{os.path.basename(argv[0])}.log", self.folder, env)
        self.processes.append(process)
        until(lambda: process.check() or connects(answers), f"{process.name} does not answer at {answers}")

    def started(self):
        """To be called when all processes answer."""
        if self.transport == "nginx":
            self.begin_nginx()
        self.pids = [pid for process in self.processes for pid in process.family()]
        self.at_rest = self.open_descriptors()
        return self

    def begin_nginx(self):
        self.http = f"127.0.0.1:{free_port()}"
        self.write_conf()
        nginx = "/usr/sbin/nginx" if os.path.exists("/usr/sbin/nginx") else "nginx"
        self.begin([nginx, "-p", f"{self.folder}/", "-e", "stderr", "-c", "etc/nginx.conf", "-g", "daemon off;"], self.http)
        until(lambda: len(self.processes[-1].family()) > 1, "nginx has no worker")

    def write_conf(self):
        write_nginx_conf(self.folder, self.http.rsplit(":", 1)[1])

    def address(self):
        return {"unix": f"unix:{self.folder}/ws.sock", "tcp": self.tcp}.get(self.transport) or self.http

    def open_descriptors(self):
        return sum(descriptors(pid) for pid in self.pids)

    def settle(self):
        """Waits until it has noticed that all clients of the last run are gone."""
        until(lambda: self.open_descriptors() <= self.at_rest + LATER, f"{type(self).__name__} keeps connections")

    def stop(self):
        for process in reversed(self.processes):
            process.stop()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()


class Wspush(Server):
    def __init__(self, build, folder, transport, config=""):
        super().__init__(folder, transport)
        with open(f"{folder}/wspush.conf", "w", encoding="utf-8") as conf:
            conf.write(config + WSPUSH_CONF.format(tcp=self.tcp))
        self.begin([f"{build}/wspushd", "--config", f"{folder}/wspush.conf"], self.control)
        self.info()  # the socket is there before the worker is ready; its answer is not
        self.started()

    def info(self):
        """INFO's fields."""
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as control:
            control.settimeout(DEADLINE)
            control.connect(self.control[5:])
            control.sendall(b"INFO\r\n")
            with control.makefile("rb") as answer:
                head = answer.readline()
                if not re.fullmatch(rb"\$\d+\r\n", head):
                    raise Trouble(f"INFO is answered by {head!r}")
                text = answer.read(int(head[1:])).decode()
        return dict(line.split(":", 1) for line in text.splitlines() if ":" in line)


class Floor(Server):
    def __init__(self, build, folder, transport, at_once=1, echo=False):
        super().__init__(folder, transport)
        self.begin([f"{build}/t/bench/floor", "--listen", f"unix:{folder}/ws.sock", "--listen", self.tcp, "--control",
                    self.control, "--at-once", str(at_once), "--ping", "20", *(["--echo"] if echo else [])], self.control)
        self.started()


def write_nginx_conf(folder, port):
    """The files of conf/nginx, made relative to the folder as conf/run.sh does."""
    for made in ("etc/conf.d", "etc/snippets", "etc/server.d", "temp"):
        os.makedirs(f"{folder}/{made}")
    sources = f"{TOP}/conf/nginx"
    for source in [f"{sources}/conf.d/wspush-http.conf", *glob.glob(f"{sources}/snippets/*.conf")]:
        with open(source, encoding="utf-8") as text:
            moved = text.read().replace("/run/wspush/", "").replace("/usr/share/wspush/static", "static")
        with open(f"{folder}/etc/{os.path.relpath(source, sources)}", "w", encoding="utf-8") as out:
            out.write(moved)
    values = {"PORT": port, "USER": user_line(), "FILES": str(min(resource.getrlimit(resource.RLIMIT_NOFILE)[1], 65536))}
    with open(f"{sources}/run.conf.in", encoding="utf-8") as text:
        conf = re.sub(r"@([A-Z]+)@", lambda m: values[m[1]], text.read())
    with open(f"{folder}/etc/nginx.conf", "w", encoding="utf-8") as out:
        out.write(conf)


def user_line():
    """Root's nginx would become nobody, whom the sockets refuse."""
    return "user root;" if os.getuid() == 0 else ""


def start_to_ready(build, folder):
    """Milliseconds from the start of wspushd to its READY=1 (sd_notify(3))."""
    os.makedirs(folder)
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(f"{folder}/notify.sock")
        manager.settimeout(DEADLINE)
        with open(f"{folder}/wspush.conf", "w", encoding="utf-8") as conf:
            conf.write(WSPUSH_CONF.format(tcp=f"127.0.0.1:{free_port()}"))
        began = time.monotonic()
        worker = Process([f"{build}/wspushd", "--config", f"{folder}/wspush.conf"], f"{folder}/log", folder,
                         {"NOTIFY_SOCKET": f"{folder}/notify.sock"})
        try:
            while b"READY=1" not in manager.recv(4096):
                pass
            return (time.monotonic() - began) * 1000
        finally:
            worker.stop()
