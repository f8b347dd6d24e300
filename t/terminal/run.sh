#!/bin/sh
# run.sh BUILD [TEST ...] runs the programs in BUILD in terminals (tmux), from the root of the repository: test_*.py of this
# folder, or those that are named (test_console, test_console.Console.test_history).
#
# Nothing stays: each terminal and worker is a child of its test, in a directory of its own.
set -eu

build=${1:-build}
[ $# -eq 0 ] || shift
limit=300 # seconds
if [ ! -x t/terminal/run.sh ] || [ ! -x "$build/wsctl" ]; then
    echo "usage: t/terminal/run.sh BUILD [TEST ...], from the root of the repository, after make" >&2
    exit 2
fi
if [ $# -eq 0 ]; then
    for test in t/terminal/test_*.py; do
        set -- "$@" "$(basename "$test" .py)"
    done
fi
export WSPUSH_BUILD="$build" PYTHONDONTWRITEBYTECODE=1 PYTHONPATH=t/terminal LC_ALL=C.UTF-8
exec timeout -k 10 $limit /usr/bin/python3 -s -m unittest -v "$@"
