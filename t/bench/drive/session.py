"""What both programs of the bench do around their measurements."""

import contextlib
import json
import os
import shutil
import signal
import sys
import tempfile

from drive.process import Trouble


@contextlib.contextmanager
def session():
    """A directory for everything, gone at the end; trouble ends the program in one line."""
    # What else the machine does disturbs less; where that is not allowed, it is as it is.
    with contextlib.suppress(OSError):
        os.nice(-10)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    # Sockets live in it, and a socket's path has 107 bytes: /tmp, whatever TMPDIR says.
    folder = tempfile.mkdtemp(prefix="wspush-bench-", dir="/tmp")
    try:
        yield folder
    except Trouble as trouble:
        sys.exit(f"bench: {trouble}")
    finally:
        shutil.rmtree(folder)


def save(build, name, data):
    os.makedirs(f"{build}/bench", exist_ok=True)
    with open(f"{build}/bench/{name}.json", "w", encoding="utf-8") as out:
        json.dump(data, out, indent=1)


def verdict(met, quick):
    """The last line, and the exit code; `met` has None where nothing is demanded. A short round proves nothing and never fails."""
    judged = [m for m in met if m is not None]
    print(f"\n{sum(judged)} passed, {len(judged) - sum(judged)} failed")
    return 0 if quick else int(not all(judged))
