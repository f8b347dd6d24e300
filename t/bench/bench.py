#!/usr/bin/env python3
"""
bench.py [--quick] [--curves] [--only GROUP] BUILD: every budget of wspush beside the floor, in one run.

Prints a table and leaves all figures in BUILD/bench/. --quick runs each row once and shortly. --curves also measures over the
number of clients and of messages in flight, and writes docs/performance/. --only runs one group of rows.
"""

import argparse
import os
import sys

sys.dont_write_bytecode = True
from drive import budgets, curves, table  # noqa: E402
from drive.servers import TOP  # noqa: E402
from drive.session import save, session, verdict  # noqa: E402

DOCS = f"{TOP}/docs/performance"


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--curves", action="store_true")
    parser.add_argument("--only", default="", metavar="GROUP", choices=["", *budgets.GROUPS])
    parser.add_argument("build")
    return parser.parse_args()


def measure_budgets(bench, where, only):
    """The rows, printed one by one as they come, and then as a table."""
    rows = []
    for row in bench.measure(only):
        rows.append(row)
        print("  " + "  ".join(text for text in table.cells(row) if text), flush=True)
    text = table.render([table.cells(row) for row in rows])
    print(f"\n{text}", flush=True)
    save(bench.build, "budgets", {"machine": where, "rows": rows, "raw": bench.raw})
    return rows, text


def measure_curves(bench, where, quick):
    points = curves.measure(bench, quick)
    save(bench.build, "curves", {"machine": where, "curves": points})
    curves.draw(points, DOCS)


def main():
    args = arguments()
    where = table.machine()
    print(table.headline(where), flush=True)
    with session() as folder:
        bench = budgets.Bench(os.path.abspath(args.build), folder, budgets.QUICK if args.quick else budgets.FULL)
        rows, text = measure_budgets(bench, where, args.only)
        if args.curves:
            measure_curves(bench, where, args.quick)
            with open(f"{DOCS}/figures.md", "w", encoding="utf-8") as out:
                out.write("# Figures\n\n`make bench CURVES=1` made this file and the curves beside it:\n"
                          f"{table.headline(where)}.\n\n{text}\n")
    return verdict([row["met"] for row in rows], args.quick)


if __name__ == "__main__":
    sys.exit(main())
