"""Every budget, a row each: how it is measured and what is allowed."""

import os
import shutil
import subprocess
from dataclasses import asdict, dataclass
from statistics import median

from drive import load, rounds
from drive.process import Process, until
from drive.servers import Floor, Wspush, start_to_ready


@dataclass
class Pace:
    """How long a run takes."""
    rounds: int
    seconds: float        # of a run
    paced_seconds: float
    idle_seconds: float   # longer than ping_interval, so that every client is pinged


FULL = Pace(5, 1.0, 6.0, 45.0)
QUICK = Pace(1, 0.25, 1.0, 21.0)


@dataclass
class Fanout:
    """CPU per delivery, or latency, of messages to all clients."""
    transport: str
    clients: int
    window: int
    limit: float

    def name(self):
        way = "nginx + worker" if self.transport == "nginx" else f"direct, {self.transport}"
        return f"CPU, {way}, {self.clients:,} clients, {self.window} in flight"


FANOUTS = [Fanout(transport, clients, window, limit)
           for transport, limits in (("tcp", (1.15, 1.5)), ("unix", (1.15, 1.5)), ("nginx", (1.05, 1.05)))
           for window, limit in zip((1, 16), limits)
           for clients in (1000, 5000)]

# A budget is widened by the floor's distance from itself, but a machine that is not quiet excuses no more than this.
NOISE_MAX = 0.05
IDLE_CLIENTS = 19000
BURST = 5000


class Bench:
    def __init__(self, build, folder, pace):
        self.build = build
        self.folder = folder
        self.pace = pace
        self.count = 0
        self.raw = []

    def place(self):
        """A directory for one server; their paths are short because sockets are in them."""
        self.count += 1
        return f"{self.folder}/{self.count}"

    def beside_floor(self, transport, mode, floor=None, config="", **options):
        """The figures of ours, the floor, and the floor again."""
        with Wspush(self.build, self.place(), transport, config) as ours, \
                Floor(self.build, self.place(), transport, **(floor or {})) as ground:
            servers = {"ours": ours, "floor": ground, "again": ground}
            return rounds.interleaved(self.build, servers, self.pace.rounds, mode, **options)

    def ratio_row(self, name, figures, metric, unit, limit=None):
        c = rounds.compare(*(rounds.pick(figures[arm], metric) for arm in ("ours", "floor", "again")))
        self.raw.append({"name": name, "metric": metric, "figures": figures})
        met = None if limit is None else c.ratio <= limit + min(c.noise, NOISE_MAX)
        return {"name": name, "unit": unit, **asdict(c), "budget": limit and f"<= {limit:g} x floor", "met": met}

    def plain_row(self, name, values, unit, budget=None, met=None):
        self.raw.append({"name": name, "figures": values})
        return {"name": name, "unit": unit, "ours": median(values), "low": min(values), "high": max(values),
                "budget": budget, "met": met}

    def measure(self, only=""):
        """Every row, or those of one group."""
        for name, group in GROUPS.items():
            if only in ("", name):
                yield from group(self)

    # ---- the rows ----

    def fanning_out(self):
        for f in FANOUTS:
            figures = self.beside_floor(f.transport, "closed", {"at_once": f.window}, clients=f.clients, window=f.window,
                                        seconds=self.pace.seconds)
            yield self.ratio_row(f.name(), figures, "cpu_per_million", "s/M", f.limit)

    def threading(self):
        """Two threads beside one: what the second costs and brings on this machine."""
        for transport in ("unix", "tcp", "nginx"):
            with Wspush(self.build, self.place(), transport, "threads = 2\n") as two, \
                    Wspush(self.build, self.place(), transport, "threads = 1\n") as one:
                arms = {"ours": two, "floor": one, "again": one}
                figures = rounds.interleaved(self.build, arms, self.pace.rounds, "closed", clients=1000, window=16,
                                             seconds=self.pace.seconds)
            name = f"two threads beside one, {transport}, 16 in flight"
            yield self.ratio_row(f"{name}: CPU", figures, "cpu_per_million", "s/M")
            yield self.ratio_row(f"{name}: rate", figures, "rate", "/s")

    def paced(self):
        figures = self.beside_floor("nginx", "paced", clients=1000, rate=20, seconds=self.pace.paced_seconds)
        yield self.ratio_row("paced 20/s, nginx + worker, 1,000 clients, p99", figures, "latency_ms.p99", "ms", 1.2)
        yield self.ratio_row("the same, p50", figures, "latency_ms.p50", "ms")

    def publishing(self):
        figures = self.beside_floor("unix", "publish", window=2000, seconds=self.pace.seconds)
        yield self.ratio_row("PUBLISH, pipelined, no subscriber", figures, "cpu_per_million", "s/M", 2)
        rates = rounds.pick(figures["ours"], "rate")
        yield self.plain_row("the same, rate", rates, "/s", "> 1,000,000", median(rates) > 1e6)

    def connecting(self):
        figures = self.beside_floor("tcp", "connect", clients=BURST, seconds=1)
        yield self.ratio_row("connecting, direct, tcp, CPU", figures, "cpu_per_million", "s/M")
        rates = {arm: [1 / rate for rate in rounds.pick(figures[arm], "rate")] for arm in figures}
        c = rounds.compare(rates["ours"], rates["floor"], rates["again"])
        yield {"name": "the same, connections per second", "unit": "/s", **asdict(c), "ours": 1 / c.ours, "floor": 1 / c.floor,
               "ratio": 1 / c.ratio, "low": 1 / c.high, "high": 1 / c.low, "budget": None, "met": None}
        for transport in ("unix", "nginx"):
            figures = self.beside_floor(transport, "connect", clients=BURST, at_a_time=BURST)
            refused = rounds.pick(figures["ours"], "refused")
            yield self.plain_row(f"refused of a burst of {BURST:,}, {transport}", refused, "", "0", max(refused) == 0)

    def echoing(self):
        for size, clients in ((65536, 8), (128, 100)):
            figures = self.beside_floor("unix", "echo", {"echo": True}, "inbound = echo\n", clients=clients, size=size,
                                        seconds=self.pace.seconds)
            yield self.ratio_row(f"echo of {size:,} B, {clients} clients, unix", figures, "cpu_per_million", "s/M")

    def at_rest(self):
        with Wspush(self.build, self.place(), "unix") as ours:
            empty = int(ours.info()["used_memory"])
            argv = load.command(self.build, ours, "idle", clients=IDLE_CLIENTS, seconds=self.pace.idle_seconds)
            client = Process(argv, f"{ours.folder}/load.log", ours.folder)
            try:
                until(lambda: client.check() or ours.info()["connected_clients"] == str(IDLE_CLIENTS), "not all have come", 60)
                used = (int(ours.info()["used_memory"]) - empty) / IDLE_CLIENTS
                client.popen.wait(load.LIMIT)
            finally:
                client.stop()
            with open(client.log, encoding="utf-8") as output:
                figure = load.result(client.popen.returncode, output.read(), argv)
        yield self.plain_row(f"memory of an idle client, {IDLE_CLIENTS:,}: resident", [figure["bytes_per_client"]], "B",
                             "<= 400", figure["bytes_per_client"] <= 400)
        yield self.plain_row("the same by INFO's used_memory", [used], "B", "<= 400", used <= 400)
        pings, percent = figure["pings"], figure["core_percent"]
        yield self.plain_row(f"keeping {IDLE_CLIENTS:,} alive, {pings:,} pings", [percent], "% of a core", "<= 1",
                             pings >= IDLE_CLIENTS and percent <= 1)

    def program(self):
        times = [start_to_ready(self.build, self.place()) for _ in range(self.pace.rounds)]
        yield self.plain_row("start to ready", times, "ms", "<= 50", median(times) <= 50)
        stripped = shutil.copy(f"{self.build}/wspushd", self.place())
        subprocess.run(["strip", stripped], check=True)
        size = os.path.getsize(stripped) / 1000
        yield self.plain_row("worker binary, stripped", [size], "KB", "<= 400", size <= 400)


GROUPS = {"rest": Bench.at_rest, "program": Bench.program, "connect": Bench.connecting, "publish": Bench.publishing,
          "fanout": Bench.fanning_out, "threads": Bench.threading, "paced": Bench.paced, "echo": Bench.echoing}
