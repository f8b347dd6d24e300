"""Runs every block of the documents, as its marker says, and prints a line for each. In the machine that inside.sh made.

The kinds of markers:

site       the block is run where wspush is installed (sh, console, python, php, js, c)
tree       the block is run in a clone (sh, console)
save       the block becomes the file path=...; others use it, and the program by=... of this folder tries it
nginx      part of nginx's configuration, at the level in=main|http|server: nginx -t. With asks="HOST/PATH STATUS [CHANNEL], ..."
           what a WebSocket there is answered; with serve=80 the server stays
conf       part of wspush.conf: --check-config
compose    a compose file beside compose.yaml: docker-compose config
elsewhere  commands that another suite runs: elsewhere.txt
quoted     code that is not for wspush, shown to speak of it: its syntax is checked

and their options, for site and tree:

pages=chat/room1:2,test   pages that are open meanwhile, with how many on a channel; answer=TEXT: each answers its first message with that
hears=TEXT                what every one of these pages has heard in the end, in any order; | between several
before=COMMAND            is run first
meanwhile=COMMAND         runs until the block is over
at=ws://127.0.0.1         where the pages are, if not on www.example.com
stdin=TEXT  status=N      what is typed; the exit status
until=TEXT                the command goes on: it is let be once it has said that, and ended with Ctrl-C in the end
forever=yes               the command has no end: it is killed when the pages have heard what they should
as=FILE                   the program's file, in the working directory
"""
import ast
import contextlib
import os
import shutil
import signal
import sys
import traceback

import blocks
import completion
import control
import elsewhere
import machine
import manuals
import names
import symptoms
from machine import HOST, TOP, TREE, WORK, Failed
from pages import Browser, until

DOCUMENTS = ("docs/GUIDE.md", "README.md", "README.zh-CN.md", *manuals.PAGES)
LINES_SHOWN = 40  # of a failure
CODE = {"sh", "console", "python", "php", "js", "c", "nginx", "ini", "yaml", "conf"}
RUNNERS = {"python": ("py", "python3"), "php": ("php", "php"), "js": ("mjs", "node")}


class Suite:
    def __init__(self):
        self.passed = 0
        self.failed = 0
        self.browser = Browser()
        self.background = []

    def check(self, sentence, body, *arguments):
        try:
            body(*arguments)
            self.passed += 1
            print(f"ok    {sentence}", flush=True)
        except Exception as error:
            self.failed += 1
            text = str(error) if isinstance(error, (Failed, AssertionError)) else traceback.format_exc()
            lines = text.rstrip().split("\n")
            if len(lines) > LINES_SHOWN:
                lines[LINES_SHOWN:] = [f"... and {len(lines) - LINES_SHOWN} more lines"]
            print(f"FAIL  {sentence}", *lines, sep="\n      ", flush=True)

    # ---- one block ----

    def test(self, block):
        if not block.kind:
            if block.language in CODE:
                raise Failed("no test: a marker <!-- test: KIND ... --> belongs on the line before it")
            if block.language != "text":
                raise Failed("a block that is no program is ```text, so that programs can't hide in it")
            if any(line.startswith("$ ") for line in block.text.split("\n")):
                raise Failed("commands with a prompt are ```console")
            return
        kind = getattr(self, "do_" + block.kind, None)
        if kind is None:
            raise Failed(f"there is no kind '{block.kind}'")
        kind(block)

    def do_site(self, block):
        self.run_block(block, WORK, block.options.get("at", f"wss://{HOST}"))

    def do_tree(self, block):
        self.run_block(block, TREE, "ws://127.0.0.1:8080")

    def do_save(self, block):
        machine.write(WORK / block.options["path"], block.text)
        if block.language == "php":
            machine.run(f"php -l {block.options['path']}")
        if "by" in block.options:
            machine.run(f"node {TOP}/t/docs/{block.options['by']} {block.options['path']}")

    def do_nginx(self, block):
        machine.check_nginx(block.text, block.options["in"])
        if "asks" in block.options:
            machine.ask_nginx(block.text, block.options["in"], block.options["asks"])
        if "serve" in block.options:
            machine.serve(block.text, block.options["serve"])

    def do_conf(self, block):
        machine.check_conf(block.text)

    def do_compose(self, block):
        machine.write(TREE / block.options["path"], block.text)
        compose = "docker-compose" if shutil.which("docker-compose") else "docker compose"
        machine.run(f"{compose} -f compose.yaml -f compose.override.yaml config", TREE)

    def do_elsewhere(self, block):
        for command in block.commands:
            elsewhere.check(command)

    def do_quoted(self, block):
        if block.language == "python":
            ast.parse(block.text)
        elif block.language == "nginx":
            machine.check_nginx(block.text, block.options["in"])
        elif block.language == "js":
            machine.write(WORK / "quoted.mjs", block.text)
            machine.run("node --check quoted.mjs")
        else:
            raise Failed(f"nobody knows how to check a quoted {block.language}")

    def run_block(self, block, cwd, origin):
        channels = []
        for word in filter(None, block.options.get("pages", "").split(",")):
            channel, _, count = word.partition(":")
            channels += [channel] * int(count or 1)
        with self.browser.open([f"{origin}/{channel}/" for channel in channels], block.options.get("answer")) as pages:
            if cwd == WORK:
                for channel in channels:
                    machine.run(f"while wsctl read {channel}; do :; done")
            if "before" in block.options:
                machine.run(block.options["before"], cwd)
            with contextlib.ExitStack() as endless:
                if "meanwhile" in block.options:
                    endless.enter_context(machine.Endless(block.options["meanwhile"], cwd))
                if "forever" in block.options:
                    endless.enter_context(machine.Endless(block.text, cwd))
                output = "" if "forever" in block.options else self.run_program(block, cwd)
                if block.output and not alike(block.output, output):
                    raise Failed(f"the document shows\n{block.output}and it was\n{output}")
                hear(pages, block.options.get("hears", ""))

    def run_program(self, block, cwd):
        stdin = block.options.get("stdin", "").replace("\\n", "\n")
        status = int(block.options.get("status", 0))
        if "until" in block.options:
            for command in block.commands:
                self.background.append(machine.Background(command, cwd, block.options["until"]))
            return self.background[-1].said()
        if block.language == "console":
            return run_console(block, cwd, stdin)
        if block.language in RUNNERS:
            suffix, program = RUNNERS[block.language]
            file = block.options.get("as", f"example.{suffix}")
            machine.write(cwd / file, block.text)
            return machine.run(f"{program} {file}", cwd, stdin, status)
        if block.language != "sh":
            raise Failed(f"nobody knows how to run {block.language}")
        return machine.run(block.text, cwd, stdin, status)

    # ---- all ----

    def end(self):
        print(f"{self.passed} passed, {self.failed} failed")
        return 1 if self.failed or not self.passed else 0

    def end_background(self):
        for program in self.background:
            status = program.end()
            self.check(f"{program.command}: Ctrl-C ends it", expect_end, program, status)
        self.background = []

    def document(self, name):
        found = blocks.read(TOP / name)
        for block in found:
            if block.kind or block.language != "text":
                title = (block.commands or [""])[0] if block.language in ("sh", "console") else block.language
                self.check(f"{block.where} {block.kind}: {title}", self.test, block)
            else:
                self.test_plain(block)
        self.end_background()
        return found

    def test_plain(self, block):
        try:
            self.test(block)
        except Failed as error:
            self.check(block.where, fail, error)


def hear(pages, texts):
    for text in filter(None, texts.split("|")):
        everybody = lambda: all(text in page.heard for page in pages)
        until(everybody, f"every page to hear '{text}'; they heard {[page.heard for page in pages]}")


def fail(error):
    raise error


def expect_end(program, status):
    if status not in (0, -signal.SIGINT):
        raise Failed(f"it ended with {status}; it said\n{program.said()}")


def alike(shown, was):
    """Whether the output is the one shown, numbers aside; a line "..." stands for any lines."""
    shown, was = blocks.blur(shown), blocks.blur(was)
    while shown:
        line = shown.pop(0)
        if line == "...":
            if not shown:
                return True
            while was and was[0] != shown[0]:
                was.pop(0)
        elif not was or was.pop(0) != line:
            return False
    return not was


def run_console(block, cwd, stdin):
    """Each command with what the document shows below it."""
    shown = {}
    command = None
    for line in block.text.replace("\\\n", "").split("\n"):
        if line.startswith("$ "):
            command = blocks.without_comment(line[2:])
            shown[command] = ""
        elif command is not None and line:
            shown[command] += line + "\n"
    for command, expected in shown.items():
        output = machine.run(command, cwd, stdin, None)
        if not alike(expected, output):
            raise Failed(f"below $ {command}\nthe document shows\n{expected}and it was\n{output}")
    return ""


def same_commands(one, other):
    """The translation has the commands of the original; comments may differ."""
    def commands(found):
        return [(block.kind, block.commands) for block in found if block.kind and block.kind != "quoted"]

    left, right = commands(one), commands(other)
    for entry in left:
        if entry not in right:
            raise Failed(f"only in the first: {entry}")
    for entry in right:
        if entry not in left:
            raise Failed(f"only in the second: {entry}")


def main():
    suite = Suite()
    WORK.mkdir()
    (WORK / "node_modules").symlink_to(TOP / "build/docs-node/node_modules")
    machine.run("systemctl start wspushd wspush-fcgi nginx php8.2-fpm")
    if os.environ.get("WSPUSH_DOCS") == "control":
        control.check_all(suite)
        return suite.end()
    found = {name: suite.document(name) for name in DOCUMENTS}
    suite.check("README.zh-CN.md has the commands of README.md", same_commands, found["README.md"], found["README.zh-CN.md"])
    every = [block for document in found.values() for block in document]
    suite.check("elsewhere.txt has no line that no document has", elsewhere.check_used, every)
    names.check_all(suite)
    manuals.check_all(suite)
    control.check_all(suite)
    completion.check_all(suite)
    symptoms.check_all(suite)
    return suite.end()


sys.exit(main())
