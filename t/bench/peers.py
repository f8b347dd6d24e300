#!/usr/bin/env python3
"""
peers.py [--quick] [--docs] BUILD: wspush, nchan and the npm module ws behind nginx, in one run.

Prints a table and leaves all figures in BUILD/bench/peers.json. --quick runs each row once and shortly. --docs also writes the
table to docs/performance/peers.md.
"""

import argparse
import itertools
import os
import subprocess
import sys

sys.dont_write_bytecode = True
from drive import peers, table  # noqa: E402
from drive.others import PEERS  # noqa: E402
from drive.servers import TOP  # noqa: E402
from drive.session import save, session, verdict  # noqa: E402


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--docs", action="store_true")
    parser.add_argument("build")
    return parser.parse_args()


def install_ws():
    if not os.path.exists(f"{PEERS}/node_modules/ws"):
        subprocess.run(["npm", "ci", "--loglevel=error"], cwd=PEERS, check=True, stdout=subprocess.DEVNULL)


def main():
    args = arguments()
    install_ws()
    where = table.machine()
    print(table.headline(where), flush=True)
    rows = []
    with session() as folder:
        numbers = itertools.count()
        build = os.path.abspath(args.build)
        for row in peers.measure(build, lambda: f"{folder}/{next(numbers)}", *((1, 0.3) if args.quick else (5, 1.0))):
            rows.append(row)
            print("  " + "  ".join(peers.cells(row)), flush=True)
        save(build, "peers", {"machine": where, "rows": rows})
    text = table.render([peers.cells(row) for row in rows], peers.COLUMNS)
    print(f"\n{text}")
    if args.docs:
        with open(f"{TOP}/docs/performance/peers.md", "w", encoding="utf-8") as out:
            out.write(f"# Beside others\n\n`make bench-peers DOCS=1` made this file: {table.headline(where)}.\n\n{text}\n")
    return verdict([peers.is_met(row) for row in rows], args.quick)


if __name__ == "__main__":
    sys.exit(main())
