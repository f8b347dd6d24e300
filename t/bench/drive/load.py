"""Runs the load client once and returns what it saw."""

import json
import subprocess

from drive.process import Trouble

LIMIT = 180  # seconds, for one figure


def command(build, server, mode, **options):
    """Options as t/bench/load/load.c has them, with _ for -."""
    argv = [f"{build}/t/bench/load", mode, "--server", server.address(), "--path", server.path, *server.publish_by,
            "--pids", ",".join(map(str, server.pids))]
    for name, value in options.items():
        argv += ["--" + name.replace("_", "-"), str(value)]
    return argv


def run(build, server, mode, **options):
    server.settle()
    argv = command(build, server, mode, **options)
    try:
        done = subprocess.run(argv, capture_output=True, text=True, timeout=LIMIT, check=False)
    except subprocess.TimeoutExpired:
        raise Trouble(f"no figure within {LIMIT} s: " + " ".join(argv)) from None
    for process in server.processes:
        process.check()
    return result(done.returncode, done.stdout + done.stderr, argv)


def result(status, output, argv):
    """The figures that a run printed, if it ended well."""
    if status != 0:
        raise Trouble(f"{output.strip()}\nin: " + " ".join(argv))
    return json.loads(output)
