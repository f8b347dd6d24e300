"""The fenced blocks of a Markdown file, or the examples of a manual page, each with the marker that says how it is tested.

A marker is a comment on the line before the fence, so that no reader sees it:

    <!-- test: site pages=chat/room1:2 hears=hello -->

In a manual page it is `.\\" test: ...`, before a .Bd -literal; lang=c says what it is, if not sh.

Its first word is the kind of test (run.py has the list), the rest are options `name=value`, quoted as in a shell.
"""
import dataclasses
import os
import re
import shlex

MARKER = re.compile(r"^<!-- test: (.*?) -->$")
MARKER_MDOC = re.compile(r'^\.\\" test: (.*)$')
FENCE = re.compile(r"^```(\S*)\s*$")


@dataclasses.dataclass
class Block:
    file: str
    line: int  # of the fence
    language: str
    text: str
    kind: str = ""  # "": no marker
    options: dict = dataclasses.field(default_factory=dict)
    output: str = ""  # what the document shows below it, by a block of the kind "output"

    @property
    def where(self):
        return f"{os.path.basename(self.file)}:{self.line}"

    @property
    def commands(self):
        """The command lines: of `console` those behind the prompt, of `sh` all but comments; continued lines joined."""
        if self.language == "console":
            lines = [line[2:] for line in self.text.split("\n") if line.startswith("$ ")]
        else:
            lines = re.sub(r"\\\n\s*", "", self.text).split("\n")
        return [line for line in map(without_comment, lines) if line]


def without_comment(line):
    """A shell line without its comment: from a # that begins a word outside of quotes."""
    quote = ""
    for i, character in enumerate(line):
        if quote:
            quote = "" if character == quote else quote
        elif character in "'\"":
            quote = character
        elif character == "#" and (i == 0 or line[i - 1].isspace()):
            return line[:i].strip()
    return line.strip()


def plain(line):
    """A line of an mdoc display as it is shown."""
    return line.replace("\\&", "").replace("\\-", "-").replace("\\(aq", "'").replace("\\e", "\\")


def read_mdoc(path):
    """The displays of a page that have a marker, and all of its EXAMPLES."""
    blocks, block, marker, section = [], None, "", ""
    with open(path, encoding="utf-8") as file:
        lines = file.read().split("\n")
    for number, line in enumerate(lines, 1):
        found = MARKER_MDOC.match(line)
        if line.startswith(".Sh "):
            section = line[4:]
        if found:
            marker = found[1]
        elif line.startswith(".Bd -literal") and (marker or section == "EXAMPLES"):
            words = shlex.split(marker)
            options = dict(word.split("=", 1) for word in words[1:])
            block = Block(path, number, options.get("lang", "sh"), "", words[0] if words else "", options)
            marker = ""
        elif line == ".Ed" and block:
            blocks.append(block)
            block = None
        elif block:
            block.text += plain(line) + "\n"
    return blocks


def read(path):
    """All blocks of a file, in its order. A fence that is not closed is an error."""
    if not str(path).endswith(".md"):
        return read_mdoc(path)
    blocks = []
    block = None
    marker = ""
    with open(path, encoding="utf-8") as file:
        lines = file.read().split("\n")
    for number, line in enumerate(lines, 1):
        fence = FENCE.match(line)
        if block is None and fence:
            words = shlex.split(marker)
            options = dict(word.split("=", 1) for word in words[1:])
            block = Block(path, number, fence[1], "", words[0] if words else "", options)
        elif block is not None and fence:
            block.text = "".join(text + "\n" for text in block.text.split("\n")[1:])
            blocks.append(block)
            block = None
        elif block is not None:
            block.text += "\n" + line
        found = MARKER.match(line)
        marker = found[1] if found else "" if line.strip() else marker
    if block is not None:
        raise SystemExit(f"{block.where}: this fence is not closed")
    return join_outputs(blocks)


def join_outputs(blocks):
    """A block of the kind "output" belongs to the one before it."""
    joined = []
    for block in blocks:
        if block.kind == "output":
            joined[-1].output = block.text
        else:
            joined.append(block)
    return joined


def blur(text):
    """What differs from run to run is made alike: numbers, plurals of counted words, the width of columns."""
    text = re.sub(r"\d+(\.\d+)?", "0", text)
    text = re.sub(r"\b0(m|s|ms|h)\b", "0", text)
    text = re.sub(r"\b0 (client|line|message)s?\b", r"0 \1", text)
    return [" ".join(line.split()) for line in text.split("\n") if line.strip()]
