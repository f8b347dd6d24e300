"""The manual pages as they are installed and shown: what the programs have is in them."""
import pathlib
import re

from machine import TOP, Failed, run

PAGES = tuple(sorted(str(page.relative_to(TOP)) for page in (TOP / "docs/man").glob("*.[1-8]")))


def shown(name, section):
    """The text of an installed page."""
    return re.sub(r".\x08", "", run(f"mandoc -T utf8 -O width=200 /usr/share/man/man{section}/{name}.{section}"))


def has_all(text, names):
    missing = [name for name in names if not re.search(rf"(?<![\w-]){re.escape(name)}(?![\w-])", text)]
    if missing or not names:
        raise Failed(f"missing: {', '.join(missing)}")


def has_entries(text, options):
    """Each option stands at the head of an entry of its own."""
    has_all("\n".join(re.findall(r"^ +(?:-\w, )?(--[a-z-]+)", text, re.M)), options)


def commands():
    text = shown("wsctl", 1)
    listed = re.search(r"^Commands:\n(.*?)\n\n", run("wsctl help"), re.M | re.S)[1]
    for verb in re.findall(r"^  (\w+)", listed, re.M):
        entry = re.search(rf"^     {verb}\b.*?(?=^     \S)", text, re.M | re.S)
        if not entry:
            raise Failed(f"wsctl(1) has no command {verb}")
        own = run(f"wsctl help {verb}").split("\nOptions of every command:")[0]
        if "\nOptions:" in own:
            has_entries(entry[0], re.findall(r"^ .{5}(--[a-z-]+)", own.split("\nOptions:")[1], re.M))
    has_entries(text, re.findall(r"^ .{5}(--[a-z-]+)", run("wsctl help"), re.M))


def options_of(program):
    has_entries(shown(program, 8), re.findall(r"^  (--[a-z-]+)", run(f"{program} --help"), re.M))


def configuration():
    text = shown("wspush.conf", 5)
    sample = re.findall(r"^#(\w+) = (.*)$", run("wspushd --options"), re.M)
    for name, default in sample:
        entry = re.search(rf"^     {name} = .*?Default: (.*?)\.$", text, re.M | re.S)
        if not entry:
            raise Failed(f"wspush.conf(5) has no {name}")
        value = default.strip('"{}') or "empty"
        if " ".join(entry[1].split()).split(" (")[0] != value:
            raise Failed(f"{name}: the page's default is {entry[1]}, the program's {value}")


def figures():
    has_all(shown("wspushd", 8), re.findall(r"^(\w+):", run("wsctl info"), re.M))


def functions():
    library = next(pathlib.Path("/usr/lib").glob("**/libwspush.so.0"))
    text = shown("wspush", 3)
    has_all(text.split("DESCRIPTION")[1], re.findall(r" T (wspush_\w+)", run(f"nm -D {library}")))
    has_all(text, re.findall(r"^    (WSPUSH_\w+),", (TOP / "ws/client/wspush.h").read_text(), re.M))


def check_all(suite):
    suite.check("wsctl(1) has every command, with its options", commands)
    suite.check("wspushd(8) has every option", options_of, "wspushd")
    suite.check("wspush-fcgi(8) has every option", options_of, "wspush-fcgi")
    suite.check("wspush.conf(5) has every option with its default", configuration)
    suite.check("wspushd(8) has every figure that `wsctl info` prints", figures)
    suite.check("wspush(3) has every function and result of the library", functions)
