"""What the Python clients share: the dialogue that table.py's head describes, on stdin and stdout.

A client gives its name, what it can't do and why, and a class. Connection(url, options, tell) begins a connection; each
command is a method of it. tell(word, ...) reports an event; bytes and texts go as hex.
"""
import asyncio
import sys


def _bytes_of(word):
    text, _, times = word.partition("*")
    return b"" if text == "-" else bytes.fromhex(text) * int(times or 1)


def hexed(data):
    return (data.encode() if isinstance(data, str) else bytes(data)).hex() or "-"


def _write(line):
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


async def _serve(connection_class):
    connections = {}
    reader = asyncio.StreamReader(limit=64 * 1024 * 1024)
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    while line := (await reader.readline()).decode():
        number, verb, *words = line.split()
        if verb == "open":
            options = dict(word.split("=", 1) for word in words[1:])
            connections[number] = connection_class(words[0], options, lambda *e, n=number: _write(" ".join([n, *map(str, e)])))
        elif verb == "close":
            connections[number].close(*([int(words[0]), _bytes_of(words[1]).decode()] if words else []))
        else:
            getattr(connections[number], verb)(*map(_bytes_of, words))


def serve(name, cannot, connection_class):
    _write(f"name {name}")
    for feature, why in cannot.items():
        _write(f"cannot {feature} {why}")
    _write("ready")
    asyncio.run(_serve(connection_class))
