"""RESP replies, parsed and written down as redis-cli shows them on a terminal."""

ERROR, STATUS, LINE = "error", "status", b"\r\n"


class Tagged(str):
    """A text that is no bulk."""

    def __new__(cls, kind, text):
        made = super().__new__(cls, text)
        made.kind = kind
        return made


class Push(list):
    pass


def is_raw(command):
    """Whether redis-cli shows the reply as it is."""
    words = command.lower().split()
    return words[0] == "info" or words[:2] in (["client", "list"], ["client", "info"])


def parse(data):
    """(value, bytes used) of the first whole reply, or None."""
    try:
        return _parse(data, 0)
    except IndexError:
        return None


def _line(data, at):
    end = data.find(LINE, at)
    if end < 0:
        raise IndexError
    return data[at + 1 : end].decode(errors="replace"), end + 2


def _parse(data, at):
    sign = data[at : at + 1]
    text, at = _line(data, at)
    if sign == b"+":
        return Tagged(STATUS, text), at
    if sign == b"-":
        return Tagged(ERROR, text), at
    if sign == b":":
        return int(text), at
    if sign == b"_" or text == "-1":
        return None, at
    if sign == b"$":
        end = at + int(text)
        if len(data) < end + 2:
            raise IndexError
        return data[at:end], end + 2
    if sign not in (b"*", b"%", b">"):
        raise ValueError(f"a reply that begins with {sign!r}")
    items = []
    for _ in range(int(text) * (2 if sign == b"%" else 1)):
        item, at = _parse(data, at)
        items.append(item)
    if sign == b"%":
        return dict(zip(items[::2], items[1::2])), at
    return (Push(items) if sign == b">" else items), at


def quoted(data):
    out = ""
    for byte in data:
        named = {34: '\\"', 92: "\\\\", 10: "\\n", 13: "\\r", 9: "\\t", 7: "\\a", 8: "\\b"}.get(byte)
        out += named or (chr(byte) if 32 <= byte < 127 else f"\\x{byte:02x}")
    return f'"{out}"'


def shown(value, raw=False, prefix=""):
    if raw and isinstance(value, bytes):
        return value.decode().replace("\r", "") + "\n"
    if isinstance(value, Tagged):
        return ("(error) " if value.kind == ERROR else "") + value + "\n"
    if isinstance(value, bytes):
        return quoted(value) + "\n"
    if isinstance(value, int):
        return f"(integer) {value}\n"
    if value is None:
        return "(nil)\n"
    return shown_items(value, prefix)


def shown_items(value, prefix):
    pairs = value.items() if isinstance(value, dict) else None
    if not value:
        return "(empty hash)\n" if pairs is not None else "(empty array)\n"
    width = len(str(len(value)))
    inner = prefix + " " * (width + 2)
    sign = "#" if pairs is not None else ")"
    out = ""
    for number, item in enumerate(pairs if pairs is not None else value, 1):
        out += f"{prefix if number > 1 else ''}{number:{width}d}{sign} "
        if pairs is not None:
            out += shown(item[0], prefix=inner)[:-1] + " => " + shown(item[1], prefix=inner)
        else:
            out += shown(item, prefix=inner)
    return out
