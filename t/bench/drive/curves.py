"""CPU per delivery and latency over the number of clients and over the number of messages in flight, drawn."""

from statistics import median

from drive import rounds, svg
from drive.servers import Floor, Wspush

THROUGH_NGINX = (100, 300, 1000, 3000, 9000)
DIRECT = (100, 300, 1000, 3000, 9000, 19000)
WINDOWS = (1, 2, 4, 8, 16, 64)
CLIENTS = 1000  # over which windows are compared
# Of a point.
METRICS = (("cpu", "cpu_per_million"), ("p50", "latency_ms.p50"), ("p99", "latency_ms.p99"))


class Plan:
    """What is measured: over clients at these windows, over windows at CLIENTS."""

    def __init__(self, quick):
        self.rounds = 1 if quick else 3
        self.seconds = 0.3 if quick else 0.7
        self.points = [(t, n, w) for t, ns in (("tcp", DIRECT), ("nginx", THROUGH_NGINX)) for w in (1, 16) for n in ns]
        self.points += [(t, CLIENTS, w) for t in ("tcp", "nginx") for w in WINDOWS if w not in (1, 16)]


def measure(bench, quick):
    """A list of points: transport, clients, window, and for ours and the floor the medians of the rounds."""
    plan = Plan(quick)
    points = []
    for transport, clients, window in plan.points:
        with Wspush(bench.build, bench.place(), transport) as ours, \
                Floor(bench.build, bench.place(), transport, at_once=window) as floor:
            figures = rounds.interleaved(bench.build, {"wspush": ours, "floor": floor}, plan.rounds, "closed",
                                         clients=clients, window=window, seconds=plan.seconds)
        for name, seen in figures.items():
            point = {"transport": transport, "clients": clients, "window": window, "server": name}
            for key, metric in METRICS:
                point[key] = median(rounds.pick(seen, metric))
            points.append(point)
            print("  {transport} {clients} clients {window} in flight, {server}: {cpu:.3f} s/M, p99 {p99:.1f} ms".format(**point),
                  flush=True)
    return points


def lines(points, x, y, **fixed):
    """One line for each server and transport."""
    found = []
    for transport, way in (("tcp", "direct"), ("nginx", "behind nginx")):
        for server in ("wspush", "floor"):
            wanted = {"transport": transport, "server": server, **fixed}
            line = [(p[x], p[y]) for p in points if all(p[k] == v for k, v in wanted.items())]
            found.append((f"{server}, {way}", sorted(line)))
    return found


def draw(points, folder):
    clients, window, cpu = "clients", "messages in flight", "CPU seconds per million deliveries"
    charts = {
        "cpu-clients": ("One message in flight", clients, cpu, lines(points, "clients", "cpu", window=1)),
        "cpu-clients-16": ("16 messages in flight", clients, cpu, lines(points, "clients", "cpu", window=16)),
        "latency-clients": ("One message in flight, p99", clients, "milliseconds", lines(points, "clients", "p99", window=1)),
        "cpu-window": (f"{CLIENTS:,} clients", window, cpu, lines(points, "window", "cpu", clients=CLIENTS)),
        "latency-window": (f"{CLIENTS:,} clients, p99", window, "milliseconds", lines(points, "window", "p99", clients=CLIENTS)),
    }
    for name, (title, x, y, found) in charts.items():
        with open(f"{folder}/{name}.svg", "w", encoding="utf-8") as out:
            out.write(svg.chart(title, x, y, found))
