"""
Servers in turn, several rounds, and what the figures say. The floor is measured twice a round: how far it is from itself tells
what the machine's noise is worth.
"""

from dataclasses import dataclass
from statistics import median

from drive import load


def interleaved(build, servers, rounds, mode, **options):
    """{name: [figures of each round]}; who begins changes from round to round."""
    figures = {name: [] for name in servers}
    names = list(servers)
    for r in range(rounds):
        for name in names[r % len(names):] + names[:r % len(names)]:
            figures[name].append(load.run(build, servers[name], mode, **options))
    return figures


def pick(figures, metric):
    """The values of one metric, "rate" or "latency_ms.p99"."""
    values = []
    for figure in figures:
        for part in metric.split("."):
            figure = figure[part]
        values.append(figure)
    return values


@dataclass
class Comparison:
    ours: float      # medians
    floor: float
    ratio: float     # median of the rounds' ratios, and the smallest and largest of them
    low: float
    high: float
    noise: float     # the floor against itself: the median distance of its two runs in a round, as a share
    noise_high: float


def compare(ours, floor, again):
    """Values of the same rounds. Each of ours is held against the mean of its round's two floors."""
    ratios = [2 * o / (f + a) for o, f, a in zip(ours, floor, again)]
    apart = [abs(a / f - 1) for f, a in zip(floor, again)]
    return Comparison(median(ours), median(floor + again), median(ratios), min(ratios), max(ratios), median(apart), max(apart))
