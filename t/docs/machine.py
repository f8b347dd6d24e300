"""Where the documents' commands run: this machine, made by inside.sh. Programs are run to their end, or until they say something."""
import os
import pathlib
import re
import signal
import subprocess
import time

TMP = pathlib.Path(os.environ["WSPUSH_TMP"])
TOP = pathlib.Path(os.environ["WSPUSH_TOP"])
TREE = TMP / "wspush"  # the clone
WORK = TMP / "work"  # where commands of an installed wspush are typed
HOST = "www.example.com"
LIMIT = 20  # seconds, for one command

# What is printed is what runs, save for the versions in names.
PHP = os.environ["WSPUSH_PHP"]


def adapt(text):
    return re.sub(r"\bphp8\.2\b", PHP, text)


class Failed(Exception):
    """A check that failed; its text is for people."""


def run(command, cwd=None, stdin="", status=0, shell="bash"):
    """Runs shell text to its end; gives what it wrote to stdout and stderr. `status` None: any will do."""
    process = subprocess.Popen(
        [shell, *(["-euo", "pipefail"] if shell == "bash" else []), "-c", adapt(command)], cwd=cwd or WORK,
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace",
        start_new_session=True,
    )
    try:
        output, _ = process.communicate(stdin, timeout=LIMIT)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        output, _ = process.communicate()
        raise Failed(f"not done within {LIMIT} s: {command}\n{output}") from None
    if status is not None and process.returncode != status:
        raise Failed(f"status {process.returncode}, expected {status}: {command}\n{output}")
    return output


class Endless:
    """Shell text that runs until it is killed."""

    def __init__(self, text, cwd):
        self.process = subprocess.Popen(
            ["bash", "-c", adapt(text)], cwd=cwd, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, start_new_session=True)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()


class Background:
    """A command that goes on: it is there once it has said `word`, and is told to end as by Ctrl-C."""

    def __init__(self, command, cwd, word, patience=90):
        self.command = command
        self.log = TMP / "background.log"
        with open(self.log, "wb") as log:
            # Not by a shell: without job control it starts programs with SIGINT ignored.
            self.process = subprocess.Popen(
                command.split(), cwd=cwd, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True)
        end = time.monotonic() + patience
        while word not in self.said():
            if self.process.poll() is not None or time.monotonic() > end:
                self.end()
                raise Failed(f"{command} did not say '{word}':\n{self.said()}")
            time.sleep(0.05)

    def said(self):
        return self.log.read_text(errors="replace")

    def end(self):
        """Its exit status; that of a program that died of the signal, as make does, is negative."""
        if self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGINT)
        try:
            return self.process.wait(15)
        except subprocess.TimeoutExpired:
            os.killpg(self.process.pid, signal.SIGKILL)
            return self.process.wait()


def write(path, text):
    path = pathlib.Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(adapt(text), encoding="utf-8")
    return path


def nginx_with(block, level):
    """A whole nginx configuration with the block at its level."""
    if level == "main":
        return block + ("" if "events" in block else "events {}\n") + "http { include conf.d/*.conf; }\n"
    if level == "http":
        return f"events {{}}\nhttp {{\ninclude conf.d/*.conf;\n{block}\n}}\n"
    if level == "server":
        once = "" if "snippets/wspush-server.conf" in block else "include snippets/wspush-server.conf;"
        return nginx_with(f"server {{\nlisten 8099;\n{once}\n{block}\n}}\n", "http")
    raise Failed(f"an nginx block is in=main, http or server, not '{level}'")


def check_nginx(block, level):
    file = write("/etc/nginx/test-of-docs.conf", nginx_with(block, level))
    run(f"nginx -t -q -c {file}")


def serve(block, port):
    """Debian's default site, with the block in its server."""
    server = f"server {{\nlisten {port} default_server;\nroot /var/www/html;\n{block}\n}}\n"
    write("/etc/nginx/sites-available/default", server)
    write("/etc/nginx/sites-enabled/default", server)


UPGRADE = (
    "curl -si --http1.1 -m 1 -H 'Connection: Upgrade' -H 'Upgrade: websocket' -H 'Sec-WebSocket-Version: 13' "
    "-H 'Sec-WebSocket-Key: d3NwdXNoIHNheXMgaGVsbA==' "
)


def ask_nginx(block, level, questions):
    """Puts the block into nginx as it runs. Each question is "HOST/PATH STATUS [CHANNEL]", of a WebSocket."""
    if level == "server":
        once = "" if "snippets/wspush-server.conf" in block else "include snippets/wspush-server.conf;"
        block = f"server {{\nlisten 8099;\n{once}\n{block}\n}}\n"
    file = write("/etc/nginx/sites-enabled/test-of-docs", block)
    try:
        run("systemctl reload nginx")
        for question in questions.split(","):
            where, status, *channel = question.split()
            if ":" not in where:
                where = where.replace("/", ":8099/", 1)
            answer = run(f"{UPGRADE} http://{where} & sleep 0.3; wsctl list; wait", status=None)
            if f"HTTP/1.1 {status} " not in answer or not all(f" {name} " in answer for name in channel):
                raise Failed(f"not '{question}':\n{answer}")
    finally:
        file.unlink()
        run("systemctl reload nginx")


def check_conf(text):
    file = write(TMP / "wspush.conf", text)
    for program in ("wspushd", "wspush-fcgi"):
        run(f"{program} --check-config --config {file}")
