"""The tables of growth.py, and what follows from them for a million clients."""

from drive import table

MILLION = 10**6
# Columns of the table of memory, and the kinds that each sums up.
PARTS = {"records": ("connections", "clients"), "subscription": ("subscriptions",), "tables": ("tables",),
         "channel": ("channels",), "letters": ("letters",)}


def size(value):
    """Bytes."""
    return "" if value is None else f"{value:,.0f}"


def micro(value):
    """Microseconds; seconds for a million are the same number."""
    return "" if value is None else f"{value:.2f}"


def gigabytes(value):
    return f"{value * MILLION / 1e9:.1f} GB"


def layout(row):
    return f"{row['clients']:,} clients, " + ("a channel each" if row["own"] else "one channel")


def memory(rows):
    columns = ("bytes a client", *PARTS, "heap", "resident")
    texts = []
    for row in rows:
        seen = row["memory"]
        parts = [sum(seen[f"memory_{kind}"] for kind in kinds) for kinds in PARTS.values()]
        texts.append((layout(row), *map(size, parts), size(seen["used_memory"]), size(seen["resident"])))
    return table.render(texts, columns)


def cpu(rows):
    columns = ("microseconds of CPU", "a connect", "a delivery", "a delivery, 16 in flight", "PUBLISH to each in turn",
               "the kernel's part of it", "PUBLISH to nobody")
    keys = ("connect", "delivery_1", "delivery_16", "to_one", "to_one_kernel", "to_nobody")
    return table.render([(layout(row), *(micro(row.get(key)) for key in keys)) for row in rows], columns)


def channels(rows):
    columns = ("bytes a channel", "record, name", "tables", "its message", "its gone client", "heap", "PUBLISH, microseconds",
               "all sequences")
    texts = []
    for row in rows:
        seen = row["memory"]
        parts = [seen[f"memory_{kind}"] for kind in ("channels", "tables", "inboxes", "clients")]
        texts.append((f"{row['channels']:,} channels", *map(size, parts), size(seen["used_memory"]), micro(row["publish"]),
                      size(row["sequences"])))
    return table.render(texts, columns)


WAYS = {"unix": "a Unix socket, both ends", "tcp": "TCP, both ends", "nginx": "through nginx: TCP and Unix, all four ends"}


def kernel(rows):
    columns = ("bytes a connection", "connections", "kernel", "largest caches", "nginx")
    texts = []
    for row in rows:
        largest = ", ".join(f"{name} {value:,.0f}" for name, value in list(row["caches"].items())[:4])
        texts.append((WAYS[row["transport"]], size(row["clients"]), size(row["slab"]), largest, size(row["nginx"]) or ""))
    return table.render(texts, columns)


def connects(rows):
    columns = ("way", "connections", "a second", "microseconds of CPU each")
    return table.render([(row["transport"], size(row["clients"]), size(row["rate"]), micro(row["cpu"])) for row in rows],
                        columns)


def tables(rows):
    columns = ("the hub's table", "longest addition, ms", "when it has", "a search, ns")
    return table.render([(f"of {row['count']:,} {row['what']}", f"{row['longest_ms']:.1f}", size(row["at"]),
                          size(row["find_ns"])) for row in rows], columns)


def model(found):
    """A million clients: what was measured, a million times. A peer on another machine has its end of the TCP socket there."""
    largest = {row["own"]: row["memory"]["used_memory"] for row in found["memory"]}
    ends = {row["transport"]: row["slab"] for row in found["kernel"]}
    nginx = next(row["nginx"] for row in found["kernel"] if row["transport"] == "nginx")
    cost = {row["transport"]: row["cpu"] for row in found["connect"]}
    if None in ends.values():
        return "The kernel does not say what its sockets take (/proc/slabinfo is for root), so there is no model."
    behind = ends["tcp"] / 2 + ends["unix"]
    texts = [("worker, all on one channel", largest[False], largest[False]),
             ("worker, a channel each", largest[True], largest[True]),
             ("kernel: half of a TCP connection", ends["tcp"] / 2, ends["tcp"] / 2),
             ("kernel: a Unix connection, both ends", 0, ends["unix"]),
             ("nginx", 0, nginx),
             ("**in all, a channel each**", largest[True] + ends["tcp"] / 2, largest[True] + behind + nginx)]
    rows = [(name, *(gigabytes(value) if value else "" for value in values)) for name, *values in texts]
    rows.append(("CPU until all are back after a restart", *(f"{cost[way]:.0f} s" for way in ("tcp", "nginx"))))
    return table.render(rows, ("1,000,000 clients", "direct, TCP", "behind nginx"))


def render(found):
    parts = {"Clients: memory": memory(found["memory"]), "Clients: CPU": cpu(found["cpu"]),
             "Channels without subscribers": channels(found["channels"]), "The kernel and nginx": kernel(found["kernel"]),
             "Connecting": connects(found["connect"]), "Tables": tables(found["tables"]), "A million": model(found)}
    return "\n\n".join(f"### {title}\n\n{text}" for title, text in parts.items()) + "\n"
