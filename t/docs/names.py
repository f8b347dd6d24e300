"""What the documents name in passing, between backquotes or as links, has to be there: files, options, commands, units, services."""
import glob
import pathlib
import re

import blocks
import machine
from machine import TOP, Failed, run, write

DOCUMENTS = ("README.md", "README.zh-CN.md", "docs/GUIDE.md", "CONTRIBUTING.md")
VERBS = re.compile(r"^WS\.[A-Z]+")
# Names with an underscore that are neither options of ours nor nginx's.
OTHERS = {"default_socket_timeout", "group_add", "decode_responses", "module_verb", "take_x"}


def prose(document):
    """The text without fenced blocks."""
    text = (TOP / document).read_text(encoding="utf-8")
    return re.sub(r"^```.*?^```$", "", text, flags=re.M | re.S)


def spans(document):
    """What stands between single backquotes."""
    return [span.replace("\\|", "|") for span in re.findall(r"(?<!`)`([^`\n]+)`(?!`)", prose(document))]


def anchors(path):
    """GitHub's anchors of a file's headings."""
    headings = re.findall(r"^#+ (.*)$", re.sub(r"^```.*?^```$", "", path.read_text(encoding="utf-8"), flags=re.M | re.S), re.M)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def links(document):
    for target in re.findall(r"\]\(([^)\s]+)\)", prose(document)):
        if re.match(r"https?://", target):
            continue
        name, _, anchor = target.partition("#")
        path = (TOP / document).parent / name if name else TOP / document
        if not path.exists():
            raise Failed(f"the link {target} leads nowhere")
        if anchor and anchor not in anchors(path):
            raise Failed(f"{target}: no such heading; there are {sorted(anchors(path))}")


def help_of_wsctl(verb=""):
    return run(f"wsctl {verb} --help")


def check_wsctl(span):
    words = [word for word in span.split("|")[0].split() if word != "..."]
    if len(words) < 2:
        return
    if words[1].startswith("-"):
        text = help_of_wsctl()
    elif words[1] not in re.findall(r"^  (\w+) ", help_of_wsctl(), re.M):
        raise Failed(f"`{span}`: wsctl has no such command")
    else:
        text = help_of_wsctl(words[1])
    for option in re.findall(r"(?<=\s)--[a-z]+", span):
        if option != "--help" and option not in text:
            raise Failed(f"`{span}`: {words[1]} has no {option}")


def check_make(span):
    files = (TOP / "Makefile").read_text() + (TOP / "conf/install.mk").read_text()
    targets = set(re.findall(r"^([a-z][a-z -]*):(?!=)", files, re.M))
    targets = {name for line in targets for name in line.split()}
    for word in span.split()[1:]:
        if "=" not in word and not word.startswith("-") and word not in targets:
            raise Failed(f"`{span}`: there is no target {word}")


def check_units(span):
    for word in span.split()[2:] if span.startswith("systemctl") else re.findall(r"-u (\S+)", span):
        name = word if "." in word else word + ".service"
        if word.startswith(("-", "php", "nginx", "WORD")) or word == "*":
            continue
        if not (TOP / "conf/systemd" / name).exists():
            raise Failed(f"`{span}`: there is no {name} in conf/systemd")


def check_compose(span):
    services = re.findall(r"^  (\w+):", (TOP / "compose.yaml").read_text().split("\nservices:\n")[1], re.M)
    words = span.split()
    if words[2] == "exec" and words[3] not in services:
        raise Failed(f"`{span}`: compose.yaml has no service {words[3]}")


def check_path(span):
    if re.search(r"\b([A-Z]{2,}/|X\b)", span):
        return  # t/unit/ROOM/, t/fuzz/X.c
    known = glob.glob(span) or glob.glob(str(TOP / span)) or glob.glob(str(TOP / "conf/nginx" / span))
    if not known and not (TOP / "t").joinpath(span).exists():
        raise Failed(f"`{span}`: there is no such file")


def options():
    return set(re.findall(r"^#?\s*(\w+) = ", run("wspushd --options"), re.M))


def check_option(span):
    name = re.match(r"[a-z_]+", span)[0]
    if name in options() or name in OTHERS or name.encode() in pathlib.Path("/usr/sbin/nginx").read_bytes():
        return
    if not any(re.search(rf"\b{name}\b", file.read_text()) for file in (TOP / "ws").rglob("*.h")):
        raise Failed(f"`{span}`: no option of wspush.conf, no directive of nginx, and no function of ours")


def check_setting(span):
    file = write(machine.TMP / "setting.conf", span.replace("{ }", "{}") + "\n")
    run(f"wspushd --check-config --config {file}")


def check_variable(span):
    for name in re.findall(r"WSPUSH_[A-Z]+", span):
        files = [TOP / "compose.yaml", TOP / "conf/run.sh", TOP / "ws/ctl/worker.c", TOP / "ws/ctl/each_answer.c"]
        if not any(name in file.read_text() for file in files):
            raise Failed(f"`{span}`: nobody reads or sets {name}")


def check_verb(span):
    if f"`{VERBS.match(span)[0]}" not in (TOP / "docs/CONTROL.md").read_text():
        raise Failed(f"`{span}` is not in docs/CONTROL.md")


KINDS = (
    (re.compile(r"^(sudo )?wsctl "), check_wsctl),
    (re.compile(r"^(sudo )?make(?= |$)"), check_make),
    (re.compile(r"^(sudo )?(systemctl|journalctl) "), check_units),
    (re.compile(r"^docker compose "), check_compose),
    (re.compile(r"^(/etc|/usr|/run|conf|docs|ws|fcgi|t|static|snippets|conf\.d)/\S+$"), check_path),
    (re.compile(r"^(?!location)[a-z]+(_[a-z]+)* = \S+$"), check_setting),
    (re.compile(r"^[a-z]+(_[a-z]+)+( \d+\w*)?$"), check_option),
    (re.compile(r"WSPUSH_[A-Z]+"), check_variable),
    (VERBS, check_verb),
)


def check_span(span):
    for pattern, body in KINDS:
        if pattern.search(span):
            return body(re.sub(r"^sudo ", "", span))


def names(document):
    found = []
    for span in spans(document):
        try:
            check_span(span)
        except Failed as error:
            found.append(str(error))
    if found:
        raise Failed("\n".join(found))


def wide_lines(document):
    """Lines of prose keep the house's width; tables and code go as far as they have to."""
    lines = prose(document).split("\n")
    wide = [line for line in lines if width(line) > 132 and not line.startswith(("|", "<!--"))]
    if wide:
        raise Failed("over 132 columns:\n" + "\n".join(wide))


def width(line):
    return sum(2 if ord(character) > 0x2E7F else 1 for character in line)


def fences(document):
    for block in blocks.read(TOP / document):
        if not block.language:
            raise Failed(f"{block.where}: a fence without a language")


def check_all(suite):
    for document in DOCUMENTS:
        suite.check(f"{document}: the links lead somewhere", links, document)
        suite.check(f"{document}: the files, options and commands named in passing are there", names, document)
        suite.check(f"{document}: no line is too wide", wide_lines, document)
        suite.check(f"{document}: every fence has a language", fences, document)
