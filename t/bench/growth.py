#!/usr/bin/env python3
"""
growth.py [--quick] [--docs] BUILD: what each more client and channel costs, from 100 clients to 19,000 and 100,000 channels, and
what follows for a million.

Prints tables and leaves all figures in BUILD/bench/growth.json. --quick takes few clients. --docs also writes the tables into
docs/performance/growth.md.
"""

import argparse
import itertools
import os
import sys

sys.dont_write_bytecode = True
from drive import growth, growth_tables, table  # noqa: E402
from drive.servers import TOP  # noqa: E402
from drive.session import save, session  # noqa: E402

DOC = f"{TOP}/docs/performance/growth.md"
BEGIN, END = "<!-- figures: made by make bench-growth DOCS=1 -->\n", "<!-- end of figures -->\n"


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--docs", action="store_true")
    parser.add_argument("build")
    return parser.parse_args()


def write_doc(text):
    """Puts the figures between the marks; what stands around them is written by hand."""
    with open(DOC, encoding="utf-8") as doc:
        head, rest = doc.read().split(BEGIN)
    tail = rest.split(END)[1]
    with open(DOC, "w", encoding="utf-8") as doc:
        doc.write(f"{head}{BEGIN}\n{text}\n{END}{tail}")


def main():
    args = arguments()
    build = os.path.abspath(args.build)
    where = table.machine()
    print(table.headline(where), flush=True)
    with session() as folder:
        numbers = itertools.count()
        found = growth.measure(build, lambda: f"{folder}/{next(numbers)}", args.quick, lambda row: print(f"  {row}", flush=True))
    save(build, "growth", {"machine": where, **found})
    text = f"{table.headline(where)}.\n\n{growth_tables.render(found)}"
    print(f"\n{text}")
    if args.docs:
        write_doc(text)


if __name__ == "__main__":
    main()
