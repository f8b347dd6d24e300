"""The table of a run, as text that is also Markdown."""

import os
import platform
import time

COLUMNS = ("what", "ours", "floor", "ratio", "from - to", "floor : floor", "budget", "met")


def number(value):
    if value is None:
        return ""
    if value == 0 or abs(value) >= 1000:
        return f"{value:,.0f}"
    return f"{value:.3g}" if abs(value) < 100 else f"{value:.0f}"


def cells(row):
    """A row of budgets.py as texts."""
    ratio = row.get("ratio")
    several = row["low"] != row["high"]
    ends = [number(end) if ratio is None else f"{end:.2f}" for end in (row["low"], row["high"])]
    return (row["name"], f"{number(row['ours'])} {row['unit']}".strip(),
            number(row.get("floor")), "" if ratio is None else f"{ratio:.2f}",
            " - ".join(ends) if several else "",
            "" if ratio is None else f"+- {row['noise'] * 100:.1f} %",
            row["budget"] or "", {True: "yes", False: "NO", None: ""}[row["met"]])


def render(texts, columns=COLUMNS):
    """Columns under each other; numbers to the right."""
    widths = [max(len(text[i]) for text in [columns, *texts]) for i in range(len(columns))]

    def line(text):
        return "| " + " | ".join(t.ljust(w) if i == 0 else t.rjust(w) for i, (t, w) in enumerate(zip(text, widths))) + " |"
    rule = "|" + "|".join("-" * (w + 2) if i == 0 else "-" * (w + 1) + ":" for i, w in enumerate(widths)) + "|"
    return "\n".join([line(columns), rule, *map(line, texts)])


def machine():
    """Where and when, for whoever reads the figures later."""
    with open("/proc/cpuinfo", encoding="utf-8") as info:
        models = [line.split(":", 1)[1].strip() for line in info if line.startswith("model name")]
    return {"processor": models[0] if models else platform.machine(), "cores": os.cpu_count(), "kernel": platform.release(),
            "time": time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime()), "load": os.getloadavg()[0]}


def headline(where):
    busy = "; others were at work, so distrust these figures" if where["load"] > 1 else ""
    return (f"{where['time']}, {where['cores']} x {where['processor']}, Linux {where['kernel']}, "
            f"load average before the run {where['load']:.1f}{busy}")
