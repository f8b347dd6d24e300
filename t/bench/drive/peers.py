"""CPU per delivery of ours, nchan and ws, all behind nginx (nchan is in it), in turn."""

from statistics import median

from drive import rounds
from drive.others import Nchan, NodeWs
from drive.servers import Wspush

SERVERS = {"wspush": Wspush, "nchan": Nchan, "ws": NodeWs}
# nchan takes messages by requests; it is measured with all on one connection and on 16, and its better figure counts.
WIDE = "nchan, 16 posting"
NAMES = (*SERVERS, WIDE)
# By how much we mean to be cheaper than nchan at 16 in flight, by the number of clients.
FACTORS = {1000: 3, 5000: 5}


def measure(build, place, count, seconds):
    """Yields a row for each number of clients and of messages in flight: all figures of each server, and medians."""
    for clients in FACTORS:
        servers = {}
        try:
            for name, start in SERVERS.items():
                servers[name] = start(build, place(), "nginx")
            arms = {**servers, WIDE: servers["nchan"].by(16)}
            for window in (1, 16):
                figures = rounds.interleaved(build, arms, count, "closed", clients=clients, window=window, seconds=seconds)
                cpu = {name: rounds.pick(seen, "cpu_per_million") for name, seen in figures.items()}
                yield {"clients": clients, "window": window, "figures": figures,
                       "cpu": {name: median(values) for name, values in cpu.items()},
                       "rate": {name: median(rounds.pick(seen, "rate")) for name, seen in figures.items()},
                       "nchan_factor": median(min(n, m) / w for n, m, w in zip(cpu["nchan"], cpu[WIDE], cpu["wspush"])),
                       "wanted": FACTORS[clients] if window == 16 else None}
        finally:
            for server in servers.values():
                server.stop()


COLUMNS = ("clients", "in flight", *NAMES, "nchan : wspush", "wanted", "met")


def is_met(row):
    return None if row["wanted"] is None else row["nchan_factor"] >= row["wanted"]


def cells(row):
    return (f"{row['clients']:,}", str(row["window"]),
            *(f"{row['cpu'][name]:.2f} s/M, {row['rate'][name] / 1000:,.0f}k/s" for name in NAMES), f"{row['nchan_factor']:.2f}",
            f">= {row['wanted']}" if row["wanted"] else "", {True: "yes", False: "NO", None: ""}[is_met(row)])
