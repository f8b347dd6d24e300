#!/usr/bin/env python3
"""rows.py [--check] BUILD: writes what stands between `.\\" rows: NAME` and `.\\" rows end` in the pages of this folder.

It comes from where the program itself has it: the .def tables, libwspush's header, and the programs' own help. With --check
nothing is written: it says which page is not up to date, and what the rest of a page names that is not there.
"""
import pathlib
import re
import subprocess
import sys
import textwrap

TOP = pathlib.Path(__file__).resolve().parents[2]
REGION = re.compile(r'^(\.\\" rows: (\S+)\n)(.*?)^(\.\\" rows end\n)', re.M | re.S)


# ---- mdoc ----

def escape(text):
    text = text.replace("\\", "\\e")
    text = re.sub(r"`(\*?\w+)`", r"\\fI\1\\fR", text)
    text = re.sub(r"`([^`]+)`", r"\\(oq\1\\(cq", text)
    text = re.sub(r"(?<!\w)'|'(?!\w)", r"\\(aq", text)
    return re.sub(r"(?<![\w-])(--?)(?=\w|$|\s)", lambda dashes: dashes[1].replace("-", "\\-"), text)


def safe(line):
    """A text line, which must not look like a request."""
    return "\\&" + line if line.startswith((".", "'")) and not line.startswith(".Fn ") else line


def prose(text):
    """Sentences, each on a line of its own, none too long."""
    sentences = re.split(r"(?<=[\w)\]`'\"][.?!]) +(?=\S)", " ".join(text.split()))
    lines = [line for sentence in sentences for line in textwrap.wrap(escape(sentence), 76, break_on_hyphens=False)]
    return [safe(part) for line in lines for part in split_functions(line)]


def split_functions(line):
    """A function's name is a macro, on a line of its own."""
    line = re.sub(r" ?\b(wspush_\w+)\(\)([.,:;)]*) ?", lambda f: f"\n.Fn {f[1]} {f[2]}".rstrip() + "\n", line)
    return [part for part in line.split("\n") if part]


def sentence(text):
    text = text.strip()
    if "_" not in text.split()[0]:
        text = text[0].upper() + text[1:]
    return text if text.endswith((".", "!", "?")) else text + "."


def literal(text):
    lines = [narrow for line in text.rstrip("\n").split("\n") for narrow in narrowed(line)]
    return [".Bd -literal", *(safe(line.replace("\\", "\\e")) for line in lines), ".Ed"]


def narrowed(line):
    """A line of a declaration as lines that a terminal has room for."""
    indent = " " * (len(line) - len(line.lstrip()))
    comment = re.match(r"^(.*\S) +/\* (.*) \*/$", line)
    members = re.match(r"^(.*\{) (.*) \};$", line)
    if len(line) <= 72:
        return [line]
    if comment:
        words = textwrap.wrap(comment[2], 64, initial_indent=indent + "/* ", subsequent_indent=indent + " * ")
        return [*words[:-1], words[-1] + " */", comment[1]]
    if members:
        return [members[1], *("    " + member for member in members[2].replace(", ", ",\n").split("\n")), "};"]
    cut = line.rindex(", ", 0, 72) + 1
    return [line[:cut], *narrowed(indent + "        " + line[cut + 1 :])]


def tagged(items, width="Ds"):
    """A list of (head, body lines)."""
    lines = [f".Bl -tag -width {width}"]
    for head, body in items:
        lines += [f".It {head}", *body]
    return [*lines, ".El"]


# ---- .def tables ----

def rows_of(path):
    """The rows of a .def file as lists of words; strings come without their quotes, adjacent ones joined."""
    text = re.sub(r"/\*.*?\*/", "", (TOP / path).read_text(), flags=re.S)
    for row in re.finditer(r'^([A-Z_]+)\(((?:[^"()]|"(?:[^"\\]|\\.)*")*)\)$', text, re.M):
        cells = [""]
        for token in re.findall(r'"(?:[^"\\]|\\.)*"|,|[^\s",]+', row[2]):
            if token == ",":
                cells.append("")
            else:
                cells[-1] += re.sub(r"\\(.)", r"\1", token[1:-1]) if token.startswith('"') else token
        yield [row[1], *cells]


def errors():
    return [(int(close), int(status), text) for _, _, close, status, text in rows_of("ws/base/errors.def")]


def codes(pairs):
    """(code, text) as a list, a code once."""
    grouped = {}
    for code, text in pairs:
        if code:
            grouped.setdefault(code, []).append(text)
    return tagged([(f"Sy {code}", prose(sentence("; ".join(grouped[code])))) for code in sorted(grouped)], "1013")


def http_statuses():
    return codes((status, text) for _, status, text in errors())


def close_codes():
    return codes((close, text) for close, _, text in errors())


def figures(path, prefix):
    rows = list(rows_of(path))
    return tagged([(f"Li {prefix}{name}", prose(sentence(text))) for _, name, text in rows], "closed_abnormally")


UNITS = {
    "SIZE": ((1 << 40, "t"), (1 << 30, "g"), (1 << 20, "m"), (1 << 10, "k")),
    "DURATION": ((3600000, "h"), (60000, "m"), (1000, "s"), (1, "ms")),
}
VALUES = {
    "NUMBER": "number", "SIZE": "size", "DURATION": "duration", "MODE": "mode", "STRING": "text", "URI": "uri", "ADDRESS": "address",
    "UNIX_ADDRESS": "unix:path", "LIST": "list", "ORIGINS": "origins", "IPS": "addresses", "TOKENS": "names", "ADDRESSES": "addresses",
}


def bound(kind, number):
    for unit, name in UNITS.get(kind, ()):
        if int(number) and int(number) % unit == 0:
            return f"{int(number) // unit}{name}" if name != "t" else f"{int(number) >> 30}g"
    return number


def conf_option(row):
    if row[0] == "OPTION_CHOICE":
        _, _, name, default, choices, text = row
        head = f"Ic {name} No = " + " | ".join(f"Cm {choice}" for choice in choices.split("|"))
        limits = ""
    else:
        _, _, kind, name, default, low, high, text = row
        head = f"Ic {name} No = Ar {VALUES[kind]}"
        limits = f" (from {bound(kind, low)} to {bound(kind, high)})" if int(high) else ""
    default = f"Default: {default or 'empty'}{limits}."
    return head, [*prose(text), *prose(default)]


def conf_options():
    lines, items = [], []
    for row in [*rows_of("ws/base/options.def"), ["OPTION_HEADING", ""]]:
        if row[0] != "OPTION_HEADING":
            items.append(conf_option(row))
            continue
        if items:
            lines += tagged(items)
        items = []
        if row[1]:
            lines.append(f".Ss {escape(row[1])}")
    return lines


# ---- what the programs say ----

class Help:
    """Texts of the programs of one build."""

    def __init__(self, build):
        self.build = pathlib.Path(build)

    def say(self, program, *words):
        return subprocess.run([self.build / program, *words], check=True, capture_output=True, text=True).stdout

    def verbs(self):
        listed = self.say("wsctl", "help").split("\nCommands:\n")[1].split("\n\n")[0]
        return [line.split()[0] for line in listed.split("\n")]

    def verb(self, name):
        """Its arguments, the paragraphs about it, the text of its options, its example."""
        text = self.say("wsctl", "help", name)
        arguments = re.match(r"Usage: wsctl \S+ \[OPTIONS\] ?(.*)\n", text)[1]
        paragraphs = re.split(r"\n(?:Options|Options of every command):\n", text)[0].split("\n\n")[1:]
        options = re.search(r"^Options:\n(.*?)\n\n", text, re.M | re.S)
        example = re.search(r"^Example:\n  (.*)\n", text, re.M)
        if not example:
            raise SystemExit(f"ws/ctl: the command {name} has no example")
        return arguments, paragraphs, options[1] if options else "", example[1]


OPTION = re.compile(r"^ +(?:-(.), )?--([a-z-]+)(?:\[=(\S+?)\]| (\S+))?  +(.*)$", re.M)


def flags(text):
    items = []
    for letter, name, maybe, value, meaning in OPTION.findall(text):
        head = (f"Fl {letter} , " if letter else "") + f"Fl -{name}"
        if maybe:
            head += " Ns Op No = Ns " + " Ns | Ns ".join(f"Cm {word}" for word in maybe.split("|"))
        items.append((head + (f" Ar {value}" if value else ""), prose(sentence(meaning))))
    return tagged(items)


def grammar(arguments):
    """TARGET [CODE [REASON]] in macros."""
    words = re.findall(r"\[|\]|\||[^\s\[\]|]+", arguments)
    known = {"[": "Oo", "]": "Oc", "|": "|", "...": "No ...", "--": "Fl -"}
    return " ".join(known.get(word) or f"Ar {word}" for word in words)


def wsctl_verbs(told):
    items = []
    for name in told.verbs():
        arguments, paragraphs, options, _ = told.verb(name)
        body = prose(sentence(paragraphs[0]))
        for paragraph in paragraphs[1:]:
            body += [".Pp", *prose(paragraph)]
        if options:
            body += flags(options)
        items.append((f"Ic {name} {grammar(arguments)}".rstrip(), body))
    return tagged(items)


def wsctl_options(told):
    return flags(re.search(r"^Options of every command:\n(.*?)\n\n", told.say("wsctl", "help"), re.M | re.S)[1])


def exits(text):
    found = re.search(r"^Exit (?:status|codes): (.*?)\.$", text, re.M | re.S)
    meanings = re.findall(r"(\d+) (.*?)(?:,\s|$)(?=\d|$)", found[1].replace("\n", " "))
    return tagged([(f"Sy {code}", prose(sentence(meaning))) for code, meaning in meanings], "1")


# ---- libwspush's header ----

def header():
    """What it declares, in groups without a blank line: (title of the section that begins, comment, declarations)."""
    text = (TOP / "ws/client/wspush.h").read_text()
    yield "", re.match(r"/\*(.*?)\*/", text, re.S)[1], []
    title, comment, declarations = "", "", []
    lines = iter(text[text.index("struct wspush;") : text.rindex("#ifdef __cplusplus")].split("\n"))
    for line in lines:
        heading = re.match(r"/\* -+ (.*) -+ \*/$", line)
        if (not line or line.startswith("/*")) and (comment or declarations):
            yield title, comment, declarations
            title, comment, declarations = "", "", []
        if heading:
            title = heading[1]
        elif line.startswith("/*"):
            while "*/" not in line:
                line += "\n" + next(lines)
            comment = line.strip("/* \n")
        elif line:
            while not line.endswith(";") or line.count("{") != line.count("}"):
                line += "\n" + next(lines)
            declarations.append(line)


PROTOTYPE = re.compile(r"^(.*?[\s*])(\w+)\((.*)\);$")


def function(declaration):
    """(type, name, arguments), or None."""
    found = PROTOTYPE.match(" ".join(declaration.split()))
    return None if declaration.startswith("typedef") or not found else (found[1].strip(), found[2], found[3].split(", "))


def functions():
    return [function(code) for _, _, codes in header() for code in codes if function(code)]


def paragraphs(comment):
    comment = re.sub(r"^ *\*? ?", "", comment, flags=re.M)
    lines = []
    for paragraph in filter(str.strip, comment.split("\n\n")):
        lines += [".Pp", *prose(paragraph)]
    return lines[1:]


def names():
    found = ["wspush", *(name for _, name, _ in functions())]
    return [*(f".Nm {name} ," for name in found[:-1]), f".Nm {found[-1]}"]


def synopsis():
    lines = []
    for kind, name, arguments in functions():
        quoted = [f'"{argument}"' for argument in arguments]
        lines += [f".Ft {kind}", f".Fo {name}", *(f".Fa {argument}" for argument in quoted), ".Fc"]
    return lines


def results():
    body = re.search(r"enum wspush_result \{\n(.*?)\};", (TOP / "ws/client/wspush.h").read_text(), re.S)[1]
    body = re.findall(r"^ *(WSPUSH_\w+),?(?: */\* (.*?) \*/)?", body, re.M)
    plain = {"WSPUSH_OK": "done", "WSPUSH_NOMEM": "out of memory"}
    return tagged([(f"Dv {name}", prose(sentence(text or plain[name]))) for name, text in body], "WSPUSH_NOWORKER")


def library():
    """The functions with what the header says of them, and the structures between."""
    lines, in_list = [], False
    for title, comment, declarations in header():
        names = [function(code)[1] for code in declarations if function(code)]
        others = [code for code in declarations if not function(code) and code != "struct wspush;"]
        if in_list and (title or not names):
            lines.append(".El")
            in_list = False
        if title:
            lines.append(f".Ss {title[0].upper() + title[1:]}")
        if names and not in_list:
            lines.append(".Bl -tag -width Ds")
            in_list = True
        if names:
            lines.append(".It Fn " + " , Fn ".join(names))
        elif comment and lines and not title:
            lines.append(".Pp")
        lines += paragraphs(comment)
        for code in others:
            lines += literal(code if "{" in code else " ".join(code.split()))
    return [*lines, ".El"] if in_list else lines


# ---- pages ----

def tables(told):
    daemon, responder = told.say("wspushd", "--help"), told.say("wspush-fcgi", "--help")
    return {
        "wsctl-verbs": wsctl_verbs(told),
        "wsctl-options": wsctl_options(told),
        "wsctl-exits": exits(told.say("wsctl", "help")),
        "wspushd-options": flags(daemon),
        "wspushd-exits": exits(daemon),
        "wspush-fcgi-options": flags(responder),
        "wspush-fcgi-exits": exits(responder),
        "http-statuses": http_statuses(),
        "close-codes": close_codes(),
        "stats": figures("ws/push/stats.def", ""),
        "memory": figures("ws/base/tally.def", "memory_"),
        "conf-options": conf_options(),
        "names": names(),
        "functions": synopsis(),
        "results": results(),
        "library": library(),
    }


def pages():
    return sorted((TOP / "docs/man").glob("*.[1-8]"))


def filled(text, told, used):
    def fill(region):
        used.add(region[2])
        if region[2] not in told:
            raise SystemExit(f"docs/man: there are no rows called {region[2]}")
        return region[1] + "\n".join(told[region[2]]) + "\n" + region[4]

    return REGION.sub(fill, text)


def names_gone(page, text, told, tabled):
    """What the text by hand names that no table has."""
    for kind, names in (("Ic", r"(\w+)"), ("Fl", r"(-[a-z-]+)"), ("Fn", r"(wspush_\w+)"), ("Dv", r"(WSPUSH_\w+)")):
        known = set(re.findall(rf"\b{kind} {names}", tabled))
        for name in re.findall(rf"\b{kind} {names}", REGION.sub("", text)):
            if name not in known:
                yield f"{page.name}: .{kind} {name}: there is no such thing"
    for name, section in re.findall(r"^\.Xr (wspush\S*|wsctl) (\d)", text, re.M):
        if not (page.parent / f"{name}.{section}").exists():
            yield f"{page.name}: .Xr {name} {section}: there is no such page"


def example_missing(told):
    text = (TOP / "docs/man/wsctl.1").read_text()
    for name in told.verbs():
        if told.verb(name)[3] not in text:
            yield f"wsctl.1: the example of `wsctl help {name}` is not among its EXAMPLES: {told.verb(name)[3]}"


def main():
    check, build = sys.argv[1:-1] == ["--check"], sys.argv[-1]
    said = Help(build)
    told, used, wrong = tables(said), set(), []
    tabled = "\n".join(line for table in told.values() for line in table)
    for page in pages():
        text = page.read_text(encoding="utf-8")
        new = filled(text, told, used)
        wrong += names_gone(page, text, told, tabled)
        if new != text and check:
            wrong.append(f"{page.name}: not what the tables say now: make man")
        elif new != text:
            page.write_text(new, encoding="utf-8")
    wrong += [f"docs/man: no page has the rows called {name}" for name in told if name not in used]
    wrong += example_missing(said)
    for line in wrong:
        print(line)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
