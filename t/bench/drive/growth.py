"""
What more clients and more channels cost, one by one: memory of the worker, of nginx and of the kernel, and CPU. Clients are held
by a load client in a process of its own while the server is looked at.
"""

import contextlib
import json
import re
import subprocess
import time

from drive import load
from drive.process import DEADLINE, Trouble, until
from drive.servers import Wspush

THROUGH_NGINX = 9000
# Messages of one byte in inboxes: 10^5 of them are within the default inbox_total.
WAVE = 10000
# The kernel takes back what sockets held some time after they were closed.
FORGET_S = 2
# A cache that grew by less, bytes a connection, grew by what others did; so did the cache that reading /proc fills.
SLAB_MIN = 16
OF_OTHERS = ("proc_inode_cache",)
# Twice that is less than the clients are, so that no write carries two messages.
WINDOW = 32


class Plan:
    def __init__(self, quick):
        self.clients = (100, 1000) if quick else (100, 1000, 5000, 19000)
        self.channels = (1000, 10000) if quick else (1000, 10000, 100000)
        self.kernel = 1000 if quick else 5000
        self.nginx = 1000 if quick else THROUGH_NGINX
        self.seconds = 0.2 if quick else 1.0


@contextlib.contextmanager
def held(build, server, clients, channels=0, first=0, say=False):
    """So many clients are connected meanwhile; `channels` is over how many they are spread."""
    argv = load.command(build, server, "hold", clients=clients)
    argv += ["--channels", str(channels)] if channels else []
    argv += ["--first", str(first)] if first else []
    argv += ["--say"] if say else []
    with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as holder:
        try:
            if not holder.stdout.readline():
                raise Trouble(f"{holder.stderr.read().strip()}\nin: " + " ".join(argv))
            yield
        finally:
            holder.stdin.close()
            try:
                holder.wait(DEADLINE)
            except subprocess.TimeoutExpired:
                holder.kill()
            said = holder.stderr.read().strip()
    if holder.returncode != 0:
        raise Trouble(f"{said}\nin: " + " ".join(argv))


def resident(pids):
    """Bytes of anonymous memory that are resident: heap and stacks."""
    total = 0
    for pid in pids:
        with open(f"/proc/{pid}/status", encoding="ascii") as status:
            total += int(re.search(r"RssAnon:\s+(\d+) kB", status.read())[1]) * 1024
    return total


def look(server):
    """The server's memory now."""
    info = server.info()
    seen = {key: int(value) for key, value in info.items() if key.startswith(("memory_", "used_memory", "channels"))}
    seen["resident"] = resident(server.pids[:1])
    return seen


def fields(after, before, count):
    return {key: (after[key] - before[key]) / count for key in after}


# ---- clients ----

def clients_row(build, place, clients, own):
    """Memory and CPU with so many clients, all on one channel or each on its own."""
    row = {"clients": clients, "own": own}
    spread = clients if own else 0
    with Wspush(build, place(), "unix") as server:
        before = look(server)
        with held(build, server, clients, spread):
            until(lambda: int(server.info()["connected_clients"]) == clients, "clients are not registered")
            row["memory"] = fields(look(server), before, clients)
    return row


def kernel_share(before, after):
    """Of the CPU time between two INFOs."""
    user, system = (float(after[key]) - float(before[key]) for key in ("used_cpu_user", "used_cpu_sys"))
    return system / (user + system)


def cpu_row(build, place, clients, own, seconds):
    """Microseconds of CPU for a connect, a delivery and a PUBLISH with so many clients there."""
    row = {"clients": clients, "own": own}
    spread = {"channels": clients} if own else {}
    with Wspush(build, place(), "unix") as server:
        row["connect"] = load.run(build, server, "connect", clients=clients, **spread)["cpu_per_million"]
        if own:
            with held(build, server, clients, clients):
                before = server.info()
                row["to_one"] = publish(build, server, seconds, channels=clients)["cpu_per_million"]
                row["to_one_kernel"] = row["to_one"] * kernel_share(before, server.info())
                row["to_nobody"] = publish(build, server, seconds, channel="nobody")["cpu_per_million"]
        else:
            for window in (1, 16):
                done = load.run(build, server, "closed", clients=clients, window=window, seconds=seconds)
                row[f"delivery_{window}"] = done["cpu_per_million"]
    return row


def publish(build, server, seconds, **options):
    """PUBLISH, pipelined, while somebody holds the clients."""
    argv = load.command(build, server, "publish", window=WINDOW, seconds=seconds, **options)
    done = subprocess.run(argv, capture_output=True, text=True, timeout=load.LIMIT, check=False)
    return load.result(done.returncode, done.stdout + done.stderr, argv)


# ---- channels ----

def channels_row(build, place, channels, seconds):
    """
    Channels without subscribers: each keeps a message of one byte of a client that is gone. Then PUBLISH to their names in
    turn.
    """
    row = {"channels": channels}
    with Wspush(build, place(), "unix") as server:
        before = look(server)
        for first in range(0, channels, WAVE):
            wave = min(WAVE, channels - first)
            with held(build, server, wave, wave, first, say=True):
                until(lambda: int(server.info()["channels"]) == first + wave, "channels are not there")  # noqa: B023
                until(lambda: int(server.info()["messages_in"]) == first + wave, "messages are not there")  # noqa: B023
            server.settle()
        row["memory"] = fields(look(server), before, channels)
        row["publish"] = publish(build, server, seconds, channels=channels)["cpu_per_million"]
        row["sequences"] = look(server)["memory_sequences"]
    return row


# ---- the kernel and nginx ----

def slabs():
    """Bytes in the kernel's caches, by name; empty where that may not be read."""
    found = {}
    with contextlib.suppress(OSError), open("/proc/slabinfo", encoding="ascii") as info:
        for line in info:
            words = line.split()
            if len(words) > 4 and words[1].isdigit():
                found[words[0]] = int(words[1]) * int(words[3])
    return found


def kernel_row(build, place, transport, clients):
    """What the kernel keeps for a client, both ends of its connection; and nginx, where it comes through one."""
    with Wspush(build, place(), transport) as server:
        time.sleep(FORGET_S)
        nginx = [pid for pid in server.pids if pid != server.processes[0].pid]
        caches, rss = slabs(), resident(nginx)
        with held(build, server, clients):
            grown = {name: (now - caches.get(name, 0)) / clients for name, now in slabs().items()}
            row = {"transport": transport, "clients": clients, "nginx": (resident(nginx) - rss) / clients}
    caches_of_sockets = {name: size for name, size in grown.items() if size >= SLAB_MIN and name not in OF_OTHERS}
    row["caches"] = dict(sorted(caches_of_sockets.items(), key=lambda item: -item[1]))
    row["slab"] = sum(caches_of_sockets.values()) if caches else None
    return row


def connect_row(build, place, transport, clients):
    with Wspush(build, place(), transport) as server:
        done = load.run(build, server, "connect", clients=clients)
    return {"transport": transport, "clients": clients, "rate": done["rate"], "cpu": done["cpu_per_million"]}


def tables_rows(build):
    """The hub's tables by themselves (t/bench/tables.c)."""
    argv = [f"{build}/t/bench/tables"]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=load.LIMIT, check=False)
    return load.result(done.returncode, done.stdout + done.stderr, argv)


def measure(build, place, quick, say):
    """All of it."""
    plan = Plan(quick)
    found = {"memory": [], "cpu": [], "channels": [], "kernel": [], "connect": [], "tables": []}

    def add(part, row):
        found[part].append(row)
        say(json.dumps(row))

    for own in (False, True):
        for clients in plan.clients:
            add("memory", clients_row(build, place, clients, own))
            add("cpu", cpu_row(build, place, clients, own, plan.seconds))
    for channels in plan.channels:
        add("channels", channels_row(build, place, channels, plan.seconds))
    for transport in ("unix", "tcp", "nginx"):
        clients = plan.nginx if transport == "nginx" else plan.kernel
        add("kernel", kernel_row(build, place, transport, clients))
        add("connect", connect_row(build, place, transport, plan.nginx if transport == "nginx" else plan.clients[-1]))
    for row in tables_rows(build):
        add("tables", row)
    return found
