"""A program in a terminal whose screen can be read: tmux, with a server of its own for each.

    with Terminal(["build/wsctl", "console", "test"], columns=80, rows=24) as t:
        t.wait("Please enter")
        t.type("hello")
        t.press("Enter")
        t.resize(40, 12)
        t.wait(lambda: t.screen() == ["...", ...])

Every wait is for a condition, with a deadline; the one that ran out shows the screen. The server is a child of ours, ends
when we do, and has its socket in a directory of its own, which goes with it.
"""
import os
import re
import shutil
import socket
import subprocess
import tempfile
import time

DEADLINE = 10  # seconds
CLEAN = {"PATH": os.environ["PATH"], "LC_ALL": "C.UTF-8", "TZ": "UTC"}


def until(condition, what, seconds=DEADLINE):
    """Waits for a function to give something true, and returns that."""
    end = time.monotonic() + seconds
    while True:
        result = condition()
        if result:
            return result
        if time.monotonic() > end:
            raise AssertionError(f"waited {seconds} s in vain for {what() if callable(what) else what}")
        time.sleep(0.02)


def _lines(text):
    lines = [line.rstrip() for line in text.split("\n")]
    while lines and not lines[-1]:
        lines.pop()
    return lines


def _status_of_zombie(pid):
    """tmux 3.3 may see the end of a program's output and miss the end of the program; the kernel keeps its status."""
    try:
        with open(f"/proc/{pid}/stat", encoding="utf-8", errors="replace") as stat:
            return int(stat.read().split()[-1]) >> 8
    except OSError:
        return None


class Terminal:
    """`env` is all that the program gets besides PATH, a UTF-8 locale, UTC, TERM, and a HOME that is empty at first."""

    def __init__(self, command, columns=80, rows=24, env=None):
        self.dir = tempfile.mkdtemp(prefix="wspush-terminal.", dir="/tmp")  # a socket's path has 107 bytes
        self.home = os.path.join(self.dir, "home")
        os.mkdir(self.home)
        self.pid = None
        self.server = subprocess.Popen(
            ["setpriv", "--pdeathsig", "TERM", *self._tmux(), "-D"],
            env=CLEAN, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )
        try:
            self._start(command, columns, rows, {"HOME": self.home, **(env or {})})
        except BaseException:
            self.end()
            raise

    def _tmux(self):
        return ["tmux", "-u", "-f", "/dev/null", "-S", os.path.join(self.dir, "socket")]

    def _ask(self, *command):
        done = subprocess.run([*self._tmux(), *command], env=CLEAN, capture_output=True, timeout=DEADLINE, check=False)
        if done.returncode != 0:
            raise AssertionError(f"tmux {command[0]}: {done.stderr.decode(errors='replace').strip()}")
        return done.stdout.decode()

    def _listens(self):
        """The socket is there before anybody listens on it."""
        with socket.socket(socket.AF_UNIX) as s:
            return s.connect_ex(os.path.join(self.dir, "socket")) == 0

    def _start(self, command, columns, rows, env):
        until(self._listens, "tmux")
        # The screen of a program that has ended stays to be read, without a word of tmux's.
        self._ask(
            "set", "-g", "remain-on-exit", "on", ";", "set", "-g", "remain-on-exit-format", "", ";",
            "set", "-g", "status", "off", ";", "set", "-g", "default-terminal", "tmux-256color", ";",
            "set", "-g", "escape-time", "0",
        )
        variables = [word for name, value in env.items() for word in ("-e", f"{name}={value}")]
        self._ask("new-session", "-d", "-x", str(columns), "-y", str(rows), *variables, "--", *command)
        self.pid = self._ask("display-message", "-p", "#{pane_pid}").strip()

    # ---- what a person does ----

    def type(self, text):
        """Types the text as it is."""
        self._ask("send-keys", "-l", "--", text)

    def press(self, *keys):
        """Presses keys by tmux's names: Enter, Up, C-c, M-b, BSpace ..."""
        self._ask("send-keys", "--", *keys)

    def paste(self, text):
        """As many characters at once as a paste brings; a newline is Enter."""
        self._ask("set-buffer", "--", text, ";", "paste-buffer")

    def resize(self, columns, rows):
        """Returns when the program's terminal says so, too, which tmux leaves for a little later."""
        self._ask("resize-window", "-x", str(columns), "-y", str(rows))
        tty = os.open(self._ask("display-message", "-p", "#{pane_tty}").strip(), os.O_RDONLY | os.O_NOCTTY)
        try:
            until(lambda: os.get_terminal_size(tty) == (columns, rows), f"{columns}x{rows}")
        finally:
            os.close(tty)

    # ---- what a person sees ----

    def screen(self, colours=False):
        """The lines of the screen without blanks at their ends, as long as something follows. `colours`: with the escape
        sequences that make them look so, the plain one (ESC [ 0 m) on the line that it ends."""
        if not colours:
            return _lines(self._ask("capture-pane", "-p"))
        text = re.sub(r"(\x1b\[(0|39|49)m)+", "\x1b[0m", self._ask("capture-pane", "-p", "-e"))
        return _lines(re.sub(r"\n\x1b\[0m", "\x1b[0m\n", text))

    def scrolled(self):
        """The same of all that has been written, with what has left the screen at its top."""
        return _lines(self._ask("capture-pane", "-p", "-S", "-"))

    def cursor(self):
        """(column, row), from 0."""
        column, row = self._ask("display-message", "-p", "#{cursor_x} #{cursor_y}").split()
        return int(column), int(row)

    def status(self):
        """The exit status of a program that has ended, None as long as it runs."""
        dead, status = self._ask("display-message", "-p", "#{pane_dead}/#{pane_dead_status}").strip().split("/")
        if dead != "1":
            return None
        return int(status) if status else _status_of_zombie(self.pid)

    def wait(self, what, seconds=DEADLINE):
        """Waits until a text is on the screen, or a condition holds."""

        def seen():
            return f"{what!r}; the screen:\n" + "\n".join(f"    |{line}|" for line in self.screen())

        return until(what if callable(what) else lambda: what in "\n".join(self.screen()), seen, seconds)

    def wait_screen(self, expected, cursor=None, seconds=DEADLINE):
        """Waits until the screen is exactly these lines, and the cursor is there."""
        try:
            until(lambda: self.screen() == expected and cursor in (None, self.cursor()), "a screen", seconds)
        except AssertionError:
            raise AssertionError(
                f"in {seconds} s the screen did not become\n" + "\n".join(f"    |{line}|" for line in expected)
                + f"\nwith the cursor at {cursor}, but is\n" + "\n".join(f"    |{line}|" for line in self.screen())
                + f"\nwith the cursor at {self.cursor()}"
            ) from None

    # ---- the end ----

    def end(self):
        """Ends the program, if it still runs, and the server. The program may have something to write down: its home goes
        when it has gone."""
        if self.server.poll() is None:
            subprocess.run([*self._tmux(), "kill-server"], env=CLEAN, capture_output=True, timeout=DEADLINE, check=False)
            try:
                self.server.wait(DEADLINE)
            except subprocess.TimeoutExpired:
                self.server.kill()
                self.server.wait()
        until(lambda: not self.pid or not os.path.exists(f"/proc/{self.pid}"), "the program's end")
        shutil.rmtree(self.dir, ignore_errors=True)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.end()
